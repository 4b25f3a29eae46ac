//! Small pictures for the wall, kept in memory.

use super::{Library, PictureId, files, metadata};
use crate::recipe::{Picture, Recipe};
use crate::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// Most memory for thumbnails, in bytes.
const BUDGET: usize = 96 << 20;
/// Largest side and number of bytes of a picture that is decoded.
const MAX_SIDE: u32 = 16_384;
const MAX_BYTES: u64 = 1 << 30;

/// A small RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// RGB8 rows from the top.
    pub rgb: Vec<u8>,
}

/// Thumbnails in memory; the longest unused goes first.
#[derive(Default)]
pub(super) struct Cache {
    kept: HashMap<(PictureId, u32), (Arc<Thumbnail>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Cache {
    fn get(&mut self, key: (PictureId, u32)) -> Option<Arc<Thumbnail>> {
        self.clock += 1;
        let (thumbnail, used) = self.kept.get_mut(&key)?;
        *used = self.clock;
        Some(thumbnail.clone())
    }

    fn put(&mut self, key: (PictureId, u32), thumbnail: Arc<Thumbnail>) {
        self.clock += 1;
        self.bytes += thumbnail.rgb.len();
        if let Some((old, _)) = self.kept.insert(key, (thumbnail, self.clock)) {
            self.bytes -= old.rgb.len();
        }
        while self.bytes > BUDGET && self.kept.len() > 1 {
            let oldest = self.kept.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
            let Some((old, _)) = oldest.and_then(|key| self.kept.remove(&key)) else { break };
            self.bytes -= old.rgb.len();
        }
    }
}

impl Library {
    /// A picture so small that it fits into a square of `side` pixels (at least 1; never enlarged), RGB8.
    ///
    /// # Errors
    /// No such picture, or its file has gone or is damaged.
    pub fn thumbnail(&self, id: PictureId, side: u32) -> Result<Arc<Thumbnail>> {
        let key = (id, side);
        // A panic elsewhere while the cache was held cannot have left it worse than incomplete.
        if let Some(found) = self.thumbnails.lock().unwrap_or_else(|e| e.into_inner()).get(key) {
            return Ok(found);
        }
        let entry = self.get(id)?;
        let (width, height, rgb) = decode(&entry.path)?;
        let made = Arc::new(shrink(width, height, rgb, side)?);
        self.thumbnails.lock().unwrap_or_else(|e| e.into_inner()).put(key, made.clone());
        Ok(made)
    }

    /// A picture with all its pixels.
    ///
    /// # Errors
    /// No such picture, or its file has gone or is damaged.
    pub fn picture(&self, id: PictureId) -> Result<Picture> {
        let entry = self.get(id)?;
        let (width, height, rgb) = decode(&entry.path)?;
        Ok(Picture { width, height, rgb, recipe: entry.recipe, seconds: entry.seconds })
    }
}

/// Reads a picture file (PNG, JPEG, WebP, TIFF) with the Recipe that it holds, or the default one.
///
/// # Errors
/// When the file has gone, is damaged, is no such picture, or is larger than 16384 pixels a side.
pub fn read_picture(path: &Path) -> Result<Picture> {
    let (width, height, rgb) = decode(path)?;
    let recipe = metadata::read_file(path).ok().and_then(|found| found.recipe);
    let recipe = recipe.unwrap_or_else(|| Recipe { width, height, ..Recipe::default() });
    Ok(Picture { width, height, rgb, recipe, seconds: 0.0 })
}

/// Decodes a picture file to width, height and RGB8.
pub(super) fn decode(path: &Path) -> Result<(u32, u32, Vec<u8>)> {
    let file = File::open(path).map_err(|e| files::explain("open", path, &e))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    let reader = image::ImageReader::new(BufReader::new(file)).with_guessed_format();
    let mut reader = reader.map_err(|e| files::explain("read", path, &e))?;
    reader.limits(limits);
    let decoded = reader.decode().map_err(|e| {
        Error::failed(format!("Could not read the picture {}: {e}. The file may be damaged.", path.display()))
    })?;
    let rgb = decoded.into_rgb8();
    Ok((rgb.width(), rgb.height(), rgb.into_raw()))
}

/// RGB8 rows so small that they fit into a square of `side` pixels (at least 1; never enlarged).
///
/// # Errors
/// When the number of bytes is not that of the picture.
pub fn shrink(width: u32, height: u32, rgb: Vec<u8>, side: u32) -> Result<Thumbnail> {
    let longest = width.max(height);
    if longest <= side.max(1) {
        return Ok(Thumbnail { width, height, rgb });
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side.max(1)) / u64::from(longest)).max(1) as u32;
    let (small_width, small_height) = (scaled(width), scaled(height));
    let wrong = |e: String| Error::failed(format!("The picture could not be made smaller: {e}."));
    let source = ImageRef::new(width, height, &rgb, PixelType::U8x3).map_err(|e| wrong(e.to_string()))?;
    let mut small = Image::new(small_width, small_height, PixelType::U8x3);
    Resizer::new()
        .resize(&source, &mut small, &ResizeOptions::new().use_alpha(false))
        .map_err(|e| wrong(e.to_string()))?;
    Ok(Thumbnail { width: small_width, height: small_height, rgb: small.into_vec() })
}
