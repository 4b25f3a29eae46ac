//! What a picture starts from: the source, where it may change, and what lies beyond its edges. Pixels only, no tensors.

use crate::recipe::Recipe;
use crate::{Error, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, RgbImage};
use std::path::Path;

/// Width of the soft edge inside a mask, in pixels.
const SOFT_EDGE: u32 = 4;
/// Longest side of a picture that is read.
const LONGEST_SIDE: u32 = 32_768;

/// A source picture at the size of the result.
#[derive(Debug)]
pub(super) struct Canvas {
    rgb: RgbImage,
    /// Row by row, whether a pixel may change; `None` when all may.
    mask: Option<Vec<bool>>,
    /// Whether the other pixels are the source's own in the end.
    keep_outside: bool,
}

impl Canvas {
    /// Reads source and mask of a Recipe and fits them to its size; `None` without a source.
    ///
    /// # Errors
    /// When a picture cannot be read or the mask lets nothing change.
    pub fn open(recipe: &Recipe) -> Result<Option<Self>> {
        let Some(source) = &recipe.source else { return Ok(None) };
        let margins = recipe.outpaint.unwrap_or_default();
        let (width, height) = (recipe.width, recipe.height);
        let (inner_width, inner_height) = margins.inner(width, height)?;
        let fit = |picture: DynamicImage| picture.resize_to_fill(inner_width, inner_height, FilterType::Lanczos3);
        let inner = fit(open_picture(Path::new(&source.path))?).to_rgb8();
        let rgb = if margins.is_nothing() {
            inner
        } else {
            RgbImage::from_fn(width, height, |x, y| {
                *inner.get_pixel(mirror(x, margins.left, inner_width), mirror(y, margins.top, inner_height))
            })
        };
        let painted = match &recipe.mask {
            Some(mask) => {
                let path = Path::new(&mask.path);
                let fitted = fit(open_picture(path)?).to_luma_alpha8();
                let white: Vec<bool> =
                    fitted.pixels().map(|p| u16::from(p.0[0]) * u16::from(p.0[1]) >= 128 * 255).collect();
                if !white.contains(&true) {
                    return Err(Error::usage(format!(
                        "The mask {} is black everywhere: paint white where the picture may change.",
                        path.display()
                    )));
                }
                Some(white)
            }
            None => None,
        };
        let mask = (painted.is_some() || !margins.is_nothing()).then(|| {
            let mut mask = Vec::with_capacity((width * height) as usize);
            for y in 0..height {
                for x in 0..width {
                    let at = x.checked_sub(margins.left).zip(y.checked_sub(margins.top));
                    let at = at.filter(|(x, y)| *x < inner_width && *y < inner_height);
                    mask.push(match (at, &painted) {
                        (None, _) => true,
                        (Some(_), None) => false,
                        (Some((x, y)), Some(white)) => white[(y * inner_width + x) as usize],
                    });
                }
            }
            mask
        });
        let keep_outside = recipe.mask.as_ref().is_none_or(|m| m.keep_outside);
        Ok(Some(Self { rgb, mask, keep_outside }))
    }

    /// A picture enlarged to the size of the result, which may change everywhere.
    pub fn enlarged(rgb: RgbImage, width: u32, height: u32) -> Self {
        let rgb = DynamicImage::ImageRgb8(rgb).resize_to_fill(width, height, FilterType::Lanczos3).to_rgb8();
        Self { rgb, mask: None, keep_outside: false }
    }

    /// The source in -1..=1, `[height, width, 3]`.
    pub fn pixels(&self) -> Vec<f32> {
        self.rgb.as_raw().iter().map(|v| f32::from(*v) / 127.5 - 1.0).collect()
    }

    /// The same with grey (0) where it may change; all grey when it may change everywhere.
    pub fn kept_pixels(&self) -> Vec<f32> {
        let Some(mask) = &self.mask else { return vec![0.0; self.rgb.as_raw().len()] };
        let mut pixels = self.pixels();
        for (pixel, _) in pixels.chunks_exact_mut(3).zip(mask).filter(|(_, change)| **change) {
            pixel.fill(0.0);
        }
        pixels
    }

    /// The mask for latents `down` times smaller: 1 may change, 0 stays. As diffusers does, a latent goes by the first pixel
    /// of its square; where the other pixels are put back in the end, one white pixel is enough, so that no stroke is too thin.
    pub fn latent_mask(&self, down: usize) -> Option<Vec<f32>> {
        let mask = self.mask.as_ref()?;
        let (width, height) = (self.rgb.width() as usize, self.rgb.height() as usize);
        let reach = if self.keep_outside { down } else { 1 };
        let mut small = Vec::with_capacity((width / down) * (height / down));
        for y in 0..height / down {
            for x in 0..width / down {
                let changes = (0..reach).any(|dy| {
                    let row = (y * down + dy) * width + x * down;
                    mask[row..row + reach].contains(&true)
                });
                small.push(if changes { 1.0 } else { 0.0 });
            }
        }
        Some(small)
    }

    /// Puts the source's own pixels back where they may not change, with a soft edge on the inner side of the mask.
    pub fn restore_outside(&self, rgb: &mut [u8]) {
        let Some(mask) = self.mask.as_ref().filter(|_| self.keep_outside) else { return };
        let depth = depths(mask, self.rgb.width() as usize);
        for ((made, own), depth) in rgb.chunks_exact_mut(3).zip(self.rgb.pixels()).zip(depth) {
            for (made, own) in made.iter_mut().zip(own.0).filter(|_| depth <= SOFT_EDGE) {
                let (new, old) = (u32::from(*made) * depth, u32::from(own) * (SOFT_EDGE + 1 - depth));
                *made = ((new + old + SOFT_EDGE.div_ceil(2)) / (SOFT_EDGE + 1)) as u8;
            }
        }
    }
}

/// Where pixel `at` of the canvas comes from in a source of `length` pixels that begins at `start`, mirrored at its edges.
fn mirror(at: u32, start: u32, length: u32) -> u32 {
    let period = 2 * i64::from(length);
    let inside = (i64::from(at) - i64::from(start)).rem_euclid(period);
    let folded = if inside < i64::from(length) { inside } else { period - 1 - inside };
    folded as u32
}

/// How deep each pixel lies inside the mask: 0 outside, then 1, 2, ... in chessboard steps, up to one more than the soft edge.
fn depths(mask: &[bool], width: usize) -> Vec<u32> {
    let top = SOFT_EDGE + 1;
    let height = mask.len() / width.max(1);
    let mut depth: Vec<u32> = mask.iter().map(|m| if *m { top } else { 0 }).collect();
    for level in 1..top {
        let before = depth.clone();
        for y in 0..height {
            for x in 0..width {
                let near = (y.saturating_sub(1)..(y + 2).min(height))
                    .any(|v| (x.saturating_sub(1)..(x + 2).min(width)).any(|u| before[v * width + u] == level - 1));
                if before[y * width + x] == top && near {
                    depth[y * width + x] = level;
                }
            }
        }
    }
    depth
}

/// Reads a picture to start from, or a mask, within limits and the way up that its camera noted.
///
/// # Errors
/// When the file cannot be opened, is no picture that Kiln reads, or is larger than 32768 pixels a side.
pub fn open_picture(path: &Path) -> Result<DynamicImage> {
    let unread = |e: image::ImageError| match e {
        image::ImageError::Unsupported(_) => Error::failed(format!(
            "{} is no picture that Kiln can read: choose a PNG, JPEG, WebP or TIFF file.",
            path.display()
        )),
        e => Error::io("read the picture", path, e),
    };
    let mut reader = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|e| Error::io("open the picture", path, e))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unread)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unread)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// A mask's greys at a size, as they are compared with the middle to say what may change: 255 may, 0 stays.
///
/// # Errors
/// As [`open_picture`].
pub fn open_mask(path: &Path, width: u32, height: u32) -> Result<Vec<u8>> {
    let fitted = open_picture(path)?.resize_to_fill(width, height, FilterType::Lanczos3).to_luma_alpha8();
    Ok(fitted.pixels().map(|p| ((u16::from(p.0[0]) * u16::from(p.0[1]) + 127) / 255) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_mirror_the_source() {
        let row: Vec<u32> = (0..10).map(|at| mirror(at, 3, 3)).collect();
        assert_eq!(row, [2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }

    #[test]
    fn what_is_not_masked_is_the_sources_own_to_the_last_bit() {
        let rgb = RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let mask: Vec<bool> = (0..32 * 32).map(|i| (8..24).contains(&(i % 32)) && i / 32 >= 8).collect();
        let canvas = Canvas { rgb: rgb.clone(), mask: Some(mask.clone()), keep_outside: true };
        let mut made = vec![90; 32 * 32 * 3];
        canvas.restore_outside(&mut made);
        for (i, masked) in mask.iter().enumerate() {
            if !masked {
                assert_eq!(made[i * 3..i * 3 + 3], rgb.as_raw()[i * 3..i * 3 + 3]);
            }
        }
        assert_eq!(made[(20 * 32 + 16) * 3 + 2], 90, "deep inside it is what was made");
        let edge: Vec<u8> = (7..14).map(|x| made[(20 * 32 + x) * 3 + 2]).collect();
        assert!(edge.is_sorted_by(|a, b| a >= b) && edge[0] == 200 && edge[6] == 90 && edge[2] != 90, "{edge:?}");
        assert_eq!(canvas.latent_mask(16), Some(vec![1.0; 4]), "a stroke is never too thin");
        let plain = Canvas { keep_outside: false, ..canvas };
        assert_eq!(plain.latent_mask(16), Some(vec![0.0, 0.0, 0.0, 1.0]), "the first pixel decides, as in diffusers");
    }
}
