//! A folder of pictures as trainers lay them out: sub-folders as labels, `.txt` captions beside the files.

use crate::model::checkpoint::hex;
use crate::{Error, Result};
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Endings of pictures that are read.
const READ: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];
/// Endings of pictures that are not, so that a person hears why they are missing.
const UNREAD: [&str; 8] = ["gif", "bmp", "avif", "heic", "heif", "jxl", "psd", "svg"];
/// Folders inside folders that are looked into.
const DEEPEST: usize = 16;
/// Longest side that is read, pixels.
const LONGEST_SIDE: u32 = 32_768;
/// Most memory that one picture may take while it is read, bytes.
const MOST_MEMORY: u64 = 3 << 30;
/// Longest file that is read, bytes.
const LONGEST_FILE: u64 = 1 << 30;
/// Longest caption that is read, bytes.
const LONGEST_CAPTION: u64 = 16 << 10;
/// Side of the small copy by which duplicates are found.
const SMALL: usize = 16;
/// Mean difference of two small copies, in levels of 255, below which they are the same picture.
const ALIKE: f32 = 1.5;

/// A picture file with what its place says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The words of the `.txt` beside it.
    pub caption: Option<String>,
    /// The name of its sub-folder, as words.
    pub label: Option<String>,
    /// How often it counts: a folder `3_fox` is the label "fox", three times (kohya's way).
    pub repeats: u32,
}

/// A file that is not learnt from, and why: a clause such as "it is damaged (…)".
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Refuses what is no folder.
///
/// # Errors
/// When there is none of that name.
pub fn check_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::failed(format!("There is no folder {}; name one that holds pictures.", folder.display())))
}

/// Lists a folder; files that are no pictures and hidden ones are passed over. The order is that of the names.
///
/// # Errors
/// When the folder cannot be read or holds no picture.
pub fn gather(folder: &Path) -> Result<(Vec<Source>, Vec<LeftOut>)> {
    check_folder(folder)?;
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    walk(folder, (None, 1), 0, &mut sources, &mut left_out)?;
    if sources.is_empty() {
        return Err(Error::failed(format!(
            "{} holds no pictures that can be learnt from: put PNG, JPEG, WebP or TIFF files there.",
            folder.display()
        )));
    }
    Ok((sources, left_out))
}

fn walk(
    folder: &Path,
    (label, repeats): (Option<String>, u32),
    depth: usize,
    sources: &mut Vec<Source>,
    left_out: &mut Vec<LeftOut>,
) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read the folder", folder, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            // A link could lead round in circles.
            if depth < DEEPEST && !path.is_symlink() {
                walk(&path, labelled(&name), depth + 1, sources, left_out)?;
            }
            continue;
        }
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if READ.contains(&ending.as_str()) {
            let caption = beside(&path, left_out);
            sources.push(Source { path, caption, label: label.clone(), repeats });
        } else if UNREAD.contains(&ending.as_str()) {
            let why = format!("Kiln does not read {} pictures; save it as PNG", ending.to_uppercase());
            left_out.push(LeftOut { path, why });
        }
    }
    Ok(())
}

/// The label and the repeats of a folder's name.
fn labelled(name: &str) -> (Option<String>, u32) {
    let (repeats, words) = match name.split_once('_') {
        Some((count, words)) => match count.parse::<u32>() {
            Ok(count) if !words.is_empty() => (count.clamp(1, 1000), words),
            _ => (1, name),
        },
        None => (1, name),
    };
    (Some(words.replace(['_', '-'], " ").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()), repeats)
}

/// The caption beside a picture.
fn beside(picture: &Path, left_out: &mut Vec<LeftOut>) -> Option<String> {
    let path = picture.with_extension("txt");
    let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    let said = if about.len() > LONGEST_CAPTION {
        Err("it is too long for a caption".to_string())
    } else {
        fs::read(&path).map_err(|e| format!("it cannot be read ({e})"))
    };
    match said {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_string();
            Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(why) => {
            left_out.push(LeftOut { path, why });
            None
        }
    }
}

/// A decoded picture: upright, in RGB, what is transparent on white.
#[derive(Debug)]
pub struct Decoded {
    /// The pixels.
    pub rgb: RgbImage,
    /// SHA-256 of the file, hexadecimal.
    pub hash: String,
}

/// Reads a picture; the error is a clause that says why it cannot be learnt from.
///
/// # Errors
/// When it cannot be read, is damaged or too large.
pub fn decode(path: &Path) -> std::result::Result<Decoded, String> {
    let length = fs::metadata(path).map_err(|e| format!("it cannot be read ({e})"))?.len();
    if length == 0 {
        return Err("it is empty".into());
    }
    if length > LONGEST_FILE {
        return Err("it is larger than a gigabyte".into());
    }
    let bytes = fs::read(path).map_err(|e| format!("it cannot be read ({e})"))?;
    let hash = hex(&Sha256::digest(&bytes));
    let damaged = |e: image::ImageError| match e {
        image::ImageError::Limits(_) => {
            format!(
                "it is too large: up to {LONGEST_SIDE} pixels a side and {} GB of memory are read",
                MOST_MEMORY >> 30
            )
        }
        other => format!("it is damaged ({other})"),
    };
    let mut reader =
        ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|e| format!("it cannot be read ({e})"))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    // A block of EXIF that cannot be read says nothing.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(Decoded { rgb: on_white(picture), hash })
}

fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0;
        let over = |c: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
        image::Rgb([over(r), over(g), over(b)])
    })
}

/// Finds pictures that were there before: the same file, or the same picture saved in another way.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// Hash, mean, small copy, file; sorted by the mean.
    seen: Vec<(f32, String, Vec<u8>, PathBuf)>,
}

impl Duplicates {
    /// The earlier file that shows the same, else remembers this one.
    pub fn earlier(&mut self, path: &Path, picture: &Decoded) -> Option<PathBuf> {
        let small = small(&picture.rgb);
        let mean = small.iter().map(|v| f32::from(*v)).sum::<f32>() / small.len().max(1) as f32;
        let from = self.seen.partition_point(|seen| seen.0 < mean - ALIKE);
        let near = self.seen[from..].iter().take_while(|seen| seen.0 <= mean + ALIKE);
        for (_, hash, other, file) in near {
            let off: u32 = small.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            if *hash == picture.hash || (off as f32) < ALIKE * small.len() as f32 {
                return Some(file.clone());
            }
        }
        let at = self.seen.partition_point(|seen| seen.0 < mean);
        self.seen.insert(at, (mean, picture.hash.clone(), small, path.to_path_buf()));
        None
    }
}

/// Box means over a grid of 16 by 16.
fn small(rgb: &RgbImage) -> Vec<u8> {
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let mut small = Vec::with_capacity(SMALL * SMALL * 3);
    let span = |i: usize, length: usize| {
        let from = i * length / SMALL;
        (from, ((i + 1) * length / SMALL).max(from + 1).min(length))
    };
    for y in 0..SMALL {
        let (top, bottom) = span(y, height);
        for x in 0..SMALL {
            let (left, right) = span(x, width);
            let (mut sum, mut count) = ([0u64; 3], 0u64);
            for row in top..bottom {
                for pixel in rgb.as_raw()[(row * width + left) * 3..(row * width + right) * 3].chunks_exact(3) {
                    (0..3).for_each(|k| sum[k] += u64::from(pixel[k]));
                    count += 1;
                }
            }
            small.extend(sum.map(|s| (s / count.max(1)) as u8));
        }
    }
    small
}
