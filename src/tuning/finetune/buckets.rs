//! Pictures of every shape at the sizes that a checkpoint works at: cropped as little as possible, mirrored, coloured.

use crate::corpus::rng::Rng;
use crate::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Largest quotient of the sides of a bucket.
const LONGEST: f32 = 2.0;

/// Widths and heights with about as many pixels as a square of `native`, sides multiples of `multiple`.
pub fn buckets(native: u32, multiple: u32) -> Vec<(u32, u32)> {
    let multiple = multiple.max(1);
    let square = (native / multiple).max(1) * multiple;
    let area = u64::from(square) * u64::from(square);
    let mut found = vec![(square, square)];
    let mut width = multiple;
    while width < square {
        let height = (area / u64::from(width) / u64::from(multiple)) as u32 * multiple;
        if height as f32 <= LONGEST * width as f32 {
            found.extend([(width, height), (height, width)]);
        }
        width += multiple;
    }
    found
}

/// The bucket whose shape is nearest to a picture's.
pub fn fitting(buckets: &[(u32, u32)], width: u32, height: u32) -> (u32, u32) {
    let shape = |w: u32, h: u32| (w.max(1) as f32 / h.max(1) as f32).ln();
    let off = |b: &(u32, u32)| (shape(b.0, b.1) - shape(width, height)).abs();
    buckets.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or((width, height))
}

/// The middle of a picture at the size of a bucket, RGB8.
///
/// # Errors
/// When the picture has no pixels.
pub fn cropped(picture: &RgbImage, (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let wrong = |e: &dyn std::fmt::Display| Error::failed(format!("A picture could not be brought to size: {e}."));
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3);
    let source = source.map_err(|e| wrong(&e))?;
    let mut small = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new()
        .use_alpha(false)
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .fit_into_destination(None);
    Resizer::new().resize(&source, &mut small, &options).map_err(|e| wrong(&e))?;
    Ok(small.into_vec())
}

/// Left and right exchanged.
pub fn mirrored(rgb: &[u8], width: u32) -> Vec<u8> {
    let line = width as usize * 3;
    rgb.chunks_exact(line.max(1)).flat_map(|row| row.rchunks_exact(3).flatten().copied()).collect()
}

/// Brightness, contrast and saturation moved by up to `by` of themselves.
pub fn jittered(rgb: &[u8], by: f32, rng: &mut Rng) -> Vec<u8> {
    let mut factor = || 1.0 + rng.range(-by, by);
    let (brightness, contrast, saturation) = (factor(), factor(), factor());
    let mean = rgb.iter().map(|v| f32::from(*v)).sum::<f32>() / rgb.len().max(1) as f32;
    let moved = rgb.chunks_exact(3).flat_map(|pixel| {
        let grey = 0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2]);
        [pixel[0], pixel[1], pixel[2]].map(|c| {
            let c = grey + (f32::from(c) - grey) * saturation;
            ((mean + (c - mean) * contrast) * brightness).round().clamp(0.0, 255.0) as u8
        })
    });
    moved.collect()
}
