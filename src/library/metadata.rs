//! Pictures with their Recipe inside: writes PNG, reads PNG, JPEG and WebP.
//!
//! A PNG carries the Recipe twice: tEXt `parameters` in the AUTOMATIC1111 form that other tools read (iTXt when the
//! words are not Latin-1, as AUTOMATIC1111 does), and iTXt `kiln`, the Recipe as JSON. The same Picture always gives the
//! same bytes: no clock, no timing, one compression setting.

use super::{exif, parameters};
use crate::recipe::{Picture, Recipe};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Key of the AUTOMATIC1111 text.
const PARAMETERS: &str = "parameters";
/// Key of the Recipe as JSON.
const KILN: &str = "kiln";
/// Longest piece of metadata that is read, in bytes.
const MAX_CHUNK: u64 = parameters::MAX_TEXT as u64;
/// Most pieces that are looked at before giving up.
const MAX_CHUNKS: usize = 100_000;

/// What a picture file tells about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Width in pixels, 0 when the header does not say (JPEG and WebP are not measured here).
    pub width: u32,
    /// Height in pixels, 0 when unknown.
    pub height: u32,
    /// The Recipe, if the file holds one.
    pub recipe: Option<Recipe>,
    /// Whether the Recipe is Kiln's own, complete one, rather than read from AUTOMATIC1111 parameters.
    pub exact: bool,
    /// The AUTOMATIC1111 text, if there is one.
    pub parameters: Option<String>,
}

/// Encodes a Picture as PNG with its Recipe inside.
///
/// # Errors
/// When the pixels do not fit width and height, or the Recipe cannot be written as JSON.
pub fn encode_png(picture: &Picture) -> Result<Vec<u8>> {
    let wrong = |e: png::EncodingError| Error::failed(format!("The picture could not be written as PNG: {e}."));
    check_pixels(picture)?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::Adaptive);
    let text = parameters::write(&picture.recipe);
    if text.chars().all(|c| u32::from(c) < 256) {
        encoder.add_text_chunk(PARAMETERS.into(), text).map_err(wrong)?;
    } else {
        encoder.add_itxt_chunk(PARAMETERS.into(), text).map_err(wrong)?;
    }
    encoder.add_itxt_chunk(KILN.into(), picture.recipe.to_json()?).map_err(wrong)?;
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(&picture.rgb).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    Ok(bytes)
}

/// Checks that a Picture has `width * height * 3` bytes of pixels.
///
/// # Errors
/// When it has not, or a side is 0.
pub fn check_pixels(picture: &Picture) -> Result<()> {
    let wanted = u64::from(picture.width) * u64::from(picture.height) * 3;
    if wanted == 0 || wanted != picture.rgb.len() as u64 {
        return Err(Error::failed(format!(
            "The picture holds {} bytes, but {}x{} pixels need {wanted}.",
            picture.rgb.len(),
            picture.width,
            picture.height
        )));
    }
    Ok(())
}

/// Reads what a picture file tells about itself.
///
/// # Errors
/// When the file cannot be opened, is no PNG, JPEG or WebP, or holds a Recipe of a newer Kiln.
pub fn read_file(path: &Path) -> Result<Found> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    read(BufReader::new(file)).map_err(|e| Error { message: format!("{}: {}", path.display(), e.message), ..e })
}

/// Reads what a picture tells about itself; at most a few MB of it are held in memory, whatever it says of its size.
///
/// # Errors
/// As [`read_file`].
pub fn read(mut source: impl Read + Seek) -> Result<Found> {
    let mut magic = Vec::new();
    source.by_ref().take(12).read_to_end(&mut magic).map_err(broken)?;
    let texts = if magic.starts_with(b"\x89PNG\r\n\x1a\n") {
        source.seek(SeekFrom::Start(8)).map_err(broken)?;
        png_texts(source)?
    } else if magic.starts_with(b"\xff\xd8\xff") {
        source.seek(SeekFrom::Start(2)).map_err(broken)?;
        jpeg_texts(source)?
    } else if magic.starts_with(b"RIFF") && magic.ends_with(b"WEBP") {
        webp_texts(source)?
    } else {
        return Err(Error::failed("This is not a PNG, JPEG or WebP picture."));
    };
    texts.resolve()
}

fn broken(error: std::io::Error) -> Error {
    Error::failed(format!("The picture ends early or cannot be read: {error}."))
}

/// Metadata as found, before it is made sense of.
#[derive(Default)]
struct Texts {
    size: (u32, u32),
    parameters: Option<String>,
    kiln: Option<String>,
}

impl Texts {
    fn take(&mut self, key: &str, text: String) {
        match key {
            PARAMETERS => _ = self.parameters.get_or_insert(text),
            KILN => _ = self.kiln.get_or_insert(text),
            _ => {}
        }
    }

    fn resolve(self) -> Result<Found> {
        let (width, height) = self.size;
        let size = (width > 0 && height > 0).then_some(self.size);
        let other = self.parameters.as_deref().and_then(|text| parameters::read(text, size));
        let (recipe, exact) = match self.kiln.as_deref().map(Recipe::from_json) {
            Some(Ok(recipe)) => (Some(recipe), true),
            // The other form still tells most of it.
            Some(Err(error)) if other.is_none() => return Err(error),
            _ => (other, false),
        };
        Ok(Found { width, height, recipe, exact, parameters: self.parameters })
    }
}

fn be32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// Reads exactly `length` bytes, which the caller has bounded; `None` at the end of the file.
fn read_exact(source: &mut impl Read, length: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.by_ref().take(length).read_to_end(&mut bytes).map_err(broken)?;
    Ok((bytes.len() as u64 == length).then_some(bytes))
}

/// Walks the chunks of a PNG without decoding pixels; stops quietly where the file ends.
fn png_texts(mut source: impl Read + Seek) -> Result<Texts> {
    let mut texts = Texts::default();
    let mut compressed = false;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read_exact(&mut source, 8)? else { break };
        let length = u64::from(be32(&head).unwrap_or(0));
        let kind = &head[4..];
        if kind == b"IEND" {
            break;
        }
        if length > MAX_CHUNK || !matches!(kind, b"IHDR" | b"tEXt" | b"iTXt" | b"zTXt") {
            source.seek(SeekFrom::Current(length as i64 + 4)).map_err(broken)?;
            continue;
        }
        let Some(data) = read_exact(&mut source, length + 4)? else { break };
        let data = &data[..length as usize];
        match kind {
            b"IHDR" => texts.size = be32(data).zip(data.get(4..).and_then(be32)).unwrap_or_default(),
            b"tEXt" => {
                if let Some((key, text)) = split_nul(data) {
                    texts.take(&latin1(key), latin1(text));
                }
            }
            b"iTXt" => {
                // keyword NUL compressed method language NUL translated-keyword NUL text
                let parsed = split_nul(data).and_then(|(key, rest)| {
                    let (flags, rest) = rest.split_at_checked(2)?;
                    let (_, rest) = split_nul(rest)?;
                    let (_, text) = split_nul(rest)?;
                    Some((key, flags[0], text))
                });
                match parsed {
                    Some((key, 0, text)) => texts.take(&latin1(key), String::from_utf8_lossy(text).into_owned()),
                    Some(_) => compressed = true,
                    None => {}
                }
            }
            _ => compressed = true,
        }
    }
    if compressed && texts.kiln.is_none() && texts.parameters.is_none() {
        source.seek(SeekFrom::Start(0)).map_err(broken)?;
        compressed_texts(BufReader::new(source), &mut texts);
    }
    Ok(texts)
}

/// Texts that are compressed inside the PNG, which the png crate inflates under a limit.
fn compressed_texts(source: impl std::io::BufRead + Seek, texts: &mut Texts) {
    let Ok(reader) = png::Decoder::new_with_limits(source, png::Limits { bytes: 64 << 20 }).read_info() else { return };
    let limit = MAX_CHUNK as usize;
    for chunk in &reader.info().compressed_latin1_text {
        let mut chunk = chunk.clone();
        if chunk.decompress_text_with_limit(limit).is_ok()
            && let Ok(text) = chunk.get_text()
        {
            texts.take(&chunk.keyword, text);
        }
    }
    for chunk in &reader.info().utf8_text {
        let mut chunk = chunk.clone();
        if chunk.decompress_text_with_limit(limit).is_ok()
            && let Ok(text) = chunk.get_text()
        {
            texts.take(&chunk.keyword, text);
        }
    }
}

/// Walks the segments of a JPEG up to the picture data.
fn jpeg_texts(mut source: impl Read + Seek) -> Result<Texts> {
    let mut texts = Texts::default();
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read_exact(&mut source, 4)? else { break };
        let (marker, length) = (head[1], u64::from(u16::from_be_bytes([head[2], head[3]])));
        if head[0] != 0xff || matches!(marker, 0xd9 | 0xda) || length < 2 {
            break;
        }
        let Some(data) = read_exact(&mut source, length - 2)? else { break };
        if marker == 0xe1 && data.starts_with(b"Exif\0\0") && texts.parameters.is_none() {
            texts.parameters = exif::read(&data);
        }
    }
    Ok(texts)
}

/// Walks the chunks of a WebP file.
fn webp_texts(mut source: impl Read + Seek) -> Result<Texts> {
    let mut texts = Texts::default();
    for _ in 0..MAX_CHUNKS {
        let Some(head) = read_exact(&mut source, 8)? else { break };
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        if &head[..4] == b"EXIF" && length <= MAX_CHUNK {
            let Some(data) = read_exact(&mut source, length)? else { break };
            texts.parameters = exif::read(&data);
            break;
        }
        source.seek(SeekFrom::Current((length + length % 2) as i64)).map_err(broken)?;
    }
    Ok(texts)
}

fn split_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|b| *b == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests;
