//! The user's pictures: index, files, metadata, search, export.
//!
//! One folder holds `library.sqlite`, the PNG files beside it, and `trash/`. The files are the truth: each carries its
//! Recipe, and an index that is lost or damaged is made again from them. Files are written to a temporary name, flushed
//! and renamed, and the row comes last, so that a kill at any instant loses at most the picture in flight.

mod edit;
pub mod exif;
mod export;
mod files;
mod forget;
pub mod metadata;
pub mod parameters;
mod search;
mod store;
mod thumbnails;
mod trials;

pub use export::{ExportFormat, encode};
pub use files::{make_writable_folder, slug, write_new, write_unless_taken, write_whole};
pub use search::{Query, Sort};
pub use thumbnails::{Thumbnail, read_picture, shrink};
pub use trials::{Outcome, Trial};

use crate::recipe::Recipe;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Name of the index inside the library's folder.
pub const INDEX: &str = "library.sqlite";
/// Name of the folder for deleted pictures inside the library's folder.
pub const TRASH: &str = "trash";
/// Most stars that a picture can have.
pub const MAX_STARS: u8 = 5;

/// Number of a picture in the library; never used again after it is gone.
pub type PictureId = i64;

/// A picture in the library.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub id: PictureId,
    /// Where its file lies.
    pub path: PathBuf,
    /// When it was made, milliseconds since 1970 (UTC).
    pub created: i64,
    /// What made it.
    pub recipe: Recipe,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Seconds of computation; 0 when unknown.
    pub seconds: f32,
    /// Stars, 0 (not rated) to 5.
    pub rating: u8,
    /// Marked as a favourite.
    pub favourite: bool,
    /// Marked as not wanted, but kept.
    pub rejected: bool,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Lies in the trash.
    pub trashed: bool,
}

/// One answer to "which of these two?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The picture that was preferred.
    pub winner: PictureId,
    /// The other one.
    pub loser: PictureId,
    /// When, milliseconds since 1970 (UTC).
    pub time: i64,
}

/// The user's pictures. Owned by one thread; several programs may have the same folder open.
pub struct Library {
    folder: PathBuf,
    index: rusqlite::Connection,
    /// Why nothing can be written, if so.
    read_only: bool,
    thumbnails: std::sync::Mutex<thumbnails::Cache>,
}

impl Library {
    /// Opens the library in a folder, which is made if absent, and puts it in order: orphaned temporary files are
    /// removed, picture files without a row are taken in from their metadata, pictures that were moved by hand to or
    /// from the trash are followed, and a damaged index is set aside and made again, with what can still be read of
    /// its ratings. Returns the library and what the person should be told about all that.
    ///
    /// # Errors
    /// When the folder cannot be made or read, its index is locked for long, or was made by a newer Kiln.
    pub fn open(folder: &Path) -> Result<(Self, Vec<String>)> {
        store::open(folder)
    }

    /// The folder of the library when nobody names one: the environment variable `KILN_LIBRARY`, else `Kiln/library` in
    /// the user's data directory.
    ///
    /// # Errors
    /// When the system names no home directory.
    pub fn default_folder() -> Result<PathBuf> {
        if let Some(folder) = std::env::var_os("KILN_LIBRARY").filter(|folder| !folder.is_empty()) {
            return Ok(folder.into());
        }
        let base = directories::BaseDirs::new().ok_or_else(|| {
            Error::failed("Could not find your home directory: set KILN_LIBRARY to the folder for your pictures.")
        })?;
        Ok(base.data_dir().join("Kiln").join("library"))
    }

    /// The library's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether pictures can be shown but nothing can be saved, as the folder cannot be written.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn path_of(&self, file: &str, trashed: bool) -> PathBuf {
        if trashed { self.folder.join(TRASH).join(file) } else { self.folder.join(file) }
    }

    /// A sentence for an index that does not answer.
    fn trouble(&self, action: &str, error: &rusqlite::Error) -> Error {
        store::trouble(&self.folder, action, error)
    }

    fn writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Error::failed(format!(
                "The library {} cannot be written: change the permissions of the folder, or choose another library.",
                self.folder.display()
            )));
        }
        Ok(())
    }
}

/// Milliseconds since 1970 (UTC).
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
