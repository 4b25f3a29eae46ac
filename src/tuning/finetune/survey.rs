//! A look at a folder before anything is learnt from it: what each picture would be called, and which files are left out.

use super::buckets::{buckets, cropped, fitting};
use super::captions::Drafter;
use super::gather::{Duplicates, LeftOut, decode, gather};
use crate::library::{Thumbnail, shrink};
use crate::pipeline::ModelInfo;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Side of the small copies, pixels.
const SIDE: u32 = 128;

/// A picture that can be learnt from.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Its words: of the `.txt` beside it, of its folder, or drafted.
    pub caption: String,
    /// Whether Kiln drafted them.
    pub drafted: bool,
    /// A small copy.
    pub small: Thumbnail,
}

/// What is told on the way.
#[derive(Debug, Clone)]
pub enum Seen {
    /// A picture that can be learnt from.
    Found(Found),
    /// A file that cannot, and why.
    LeftOut(LeftOut),
}

/// Looks at every picture of a folder, in the order in which they are learnt. `observe` hears of each, with the number of files
/// done and in all, and answers false to stop.
///
/// # Errors
/// When the folder cannot be read or holds no pictures, or it was stopped.
pub fn survey(
    folder: &Path,
    info: &ModelInfo,
    observe: &mut dyn FnMut(Option<Seen>, usize, usize) -> bool,
) -> Result<()> {
    let (sources, left_out) = gather(folder)?;
    let all = sources.len();
    let mut tell = |seen: Option<Seen>, done: usize| {
        if observe(seen, done, all) { Ok(()) } else { Err(Error::cancelled()) }
    };
    tell(None, 0)?;
    for file in left_out {
        tell(Some(Seen::LeftOut(file)), 0)?;
    }
    let nameless = sources.iter().any(|s| s.caption.is_none() && s.label.is_none());
    let drafter = if nameless { Drafter::new(info)? } else { None };
    let buckets = buckets(info.native_size, info.size_multiple);
    let mut duplicates = Duplicates::default();
    for (i, source) in sources.into_iter().enumerate() {
        let left_out = |why: String| Seen::LeftOut(LeftOut { path: source.path.clone(), why });
        let picture = match decode(&source.path) {
            Ok(picture) => picture,
            Err(why) => {
                tell(Some(left_out(why)), i + 1)?;
                continue;
            }
        };
        if let Some(earlier) = duplicates.earlier(&source.path, &picture) {
            let name = earlier.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            tell(Some(left_out(format!("it shows the same as {name}"))), i + 1)?;
            continue;
        }
        let (width, height) = (picture.rgb.width(), picture.rgb.height());
        let given = source.caption.or(source.label);
        let drafted = given.is_none() && drafter.is_some();
        let caption = match (given, &drafter) {
            (Some(caption), _) => caption,
            (None, Some(drafter)) => {
                let size = fitting(&buckets, width, height);
                drafter.draft(&cropped(&picture.rgb, size)?, size.0, size.1)
            }
            (None, None) => String::new(),
        };
        let small = shrink(width, height, picture.rgb.into_raw(), SIDE)?;
        tell(Some(Seen::Found(Found { path: source.path, caption, drafted, small })), i + 1)?;
    }
    Ok(())
}
