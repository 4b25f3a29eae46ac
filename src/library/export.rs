//! Pictures out of the library, in the formats that other programs take.

use super::{Library, PictureId, exif, files, metadata, parameters, thumbnails};
use crate::recipe::Picture;
use crate::{Error, Result};
use image::codecs::{jpeg::JpegEncoder, tiff::TiffEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// File formats for export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Lossless, with the whole Recipe inside.
    Png,
    /// With the AUTOMATIC1111 parameters as EXIF comment.
    Jpeg {
        /// 1 (smallest) to 100 (best).
        quality: u8,
    },
    /// Lossless, with the AUTOMATIC1111 parameters as EXIF comment.
    WebP,
    /// Lossless; carries no Recipe.
    Tiff,
}

impl ExportFormat {
    /// Names as the command line takes them.
    pub const NAMES: [&str; 4] = ["png", "jpeg", "webp", "tiff"];

    /// The usual file extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg { .. } => "jpg",
            Self::WebP => "webp",
            Self::Tiff => "tiff",
        }
    }

    /// The format that a name or file extension means (JPEG at quality 92).
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg { quality: 92 }),
            "webp" => Some(Self::WebP),
            "tif" | "tiff" => Some(Self::Tiff),
            _ => None,
        }
    }

    /// The format that the extension of a path means.
    pub fn from_path(path: &Path) -> Option<Self> {
        Self::from_name(path.extension()?.to_str()?)
    }
}

/// A Picture as the bytes of a file.
///
/// # Errors
/// When the pixels do not fit width and height, or the format cannot hold so large a picture.
pub fn encode(picture: &Picture, format: ExportFormat) -> Result<Vec<u8>> {
    metadata::check_pixels(picture)?;
    let mut bytes = Cursor::new(Vec::new());
    let comment = exif::write(&parameters::write(&picture.recipe));
    let (rgb, width, height, kind) = (&picture.rgb, picture.width, picture.height, ExtendedColorType::Rgb8);
    let written = match format {
        ExportFormat::Png => return metadata::encode_png(picture),
        ExportFormat::Jpeg { quality } => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100));
            // Without room for the comment the picture is still wanted.
            _ = comment.map(|comment| encoder.set_exif_metadata(comment));
            encoder.write_image(rgb, width, height, kind)
        }
        ExportFormat::WebP => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            _ = comment.map(|comment| encoder.set_exif_metadata(comment));
            encoder.write_image(rgb, width, height, kind)
        }
        ExportFormat::Tiff => TiffEncoder::new(&mut bytes).write_image(rgb, width, height, kind),
    };
    written.map_err(|e| Error::failed(format!("The picture could not be written as {}: {e}.", format.extension())))?;
    Ok(bytes.into_inner())
}

impl Library {
    /// Exports pictures to a folder (names from the prompt and the seed, nothing there is replaced) or, for one picture
    /// and a target that is no folder, to exactly that file. Returns the files written.
    ///
    /// # Errors
    /// No pictures, or several and a target that is no folder (usage); a picture whose file has gone or is damaged; a
    /// target that cannot be written. Files written before the error stay.
    pub fn export(&self, ids: &[PictureId], target: &Path, format: ExportFormat) -> Result<Vec<PathBuf>> {
        if ids.is_empty() {
            return Err(Error::usage("No picture was chosen for export."));
        }
        let one_file = ids.len() == 1 && !target.is_dir() && target.extension().is_some();
        if !one_file {
            if target.exists() && !target.is_dir() {
                let message =
                    format!("{} is a file: choose a folder to export {} pictures.", target.display(), ids.len());
                return Err(Error::usage(message));
            }
            fs::create_dir_all(target).map_err(|e| files::explain("make the folder", target, &e))?;
        }
        let mut written = Vec::new();
        for id in ids {
            let entry = self.get(*id)?;
            let bytes = if format == ExportFormat::Png {
                fs::read(&entry.path).map_err(|e| files::explain("read", &entry.path, &e))?
            } else {
                let (width, height, rgb) = thumbnails::decode(&entry.path)?;
                let picture = Picture { width, height, rgb, recipe: entry.recipe.clone(), seconds: entry.seconds };
                encode(&picture, format)?
            };
            if one_file {
                files::write_whole(target, &bytes)?;
                written.push(target.to_path_buf());
            } else {
                let stem = format!("{}-{}", files::slug(&entry.recipe.prompt), entry.recipe.seed);
                written.push(files::write_new(target, &stem, format.extension(), &bytes)?);
            }
        }
        Ok(written)
    }
}
