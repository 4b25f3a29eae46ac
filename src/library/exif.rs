//! The smallest EXIF block: one `UserComment`, where AUTOMATIC1111 keeps the parameters of a JPEG or WebP picture.

/// Longest comment that fits one JPEG segment, in UTF-16 units, with room for the headers.
const MAX_UNITS: usize = 32_000;

const EXIF_IFD: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;

/// A TIFF-structured EXIF block with `text` as its `UserComment` (UTF-16); `None` when the text is too long for one
/// JPEG segment.
pub fn write(text: &str) -> Option<Vec<u8>> {
    let units: Vec<u16> = text.encode_utf16().collect();
    if units.len() > MAX_UNITS {
        return None;
    }
    let mut block = Vec::with_capacity(64 + units.len() * 2);
    block.extend_from_slice(b"MM\0\x2a\0\0\0\x08");
    let entry = |block: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32| {
        block.extend_from_slice(&1u16.to_be_bytes());
        block.extend_from_slice(&tag.to_be_bytes());
        block.extend_from_slice(&kind.to_be_bytes());
        block.extend_from_slice(&count.to_be_bytes());
        block.extend_from_slice(&value.to_be_bytes());
        block.extend_from_slice(&0u32.to_be_bytes());
    };
    // The first directory (18 bytes from offset 8) points at the EXIF directory (18 bytes from 26), that at the text.
    entry(&mut block, EXIF_IFD, 4, 1, 26);
    entry(&mut block, USER_COMMENT, 7, 8 + units.len() as u32 * 2, 44);
    block.extend_from_slice(b"UNICODE\0");
    block.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
    Some(block)
}

/// The `UserComment` of an EXIF block (with or without the leading `Exif\0\0`), if it has a readable one.
pub fn read(block: &[u8]) -> Option<String> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let big = match block.get(..4)? {
        b"MM\0\x2a" => true,
        b"II\x2a\0" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes: [u8; 2] = block.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes: [u8; 4] = block.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    // (count, value) of one tag in the directory at an offset.
    let find = |directory: u32, tag: u16| {
        let directory = directory as usize;
        for index in 0..usize::from(u16_at(directory)?) {
            let at = directory.checked_add(2 + index * 12)?;
            if u16_at(at)? == tag {
                return Some((u32_at(at + 4)?, u32_at(at + 8)?));
            }
        }
        None
    };
    let (_, exif) = find(u32_at(4)?, EXIF_IFD)?;
    let (count, at) = find(exif, USER_COMMENT)?;
    let comment = block.get(at as usize..(at as usize).checked_add(count as usize)?)?;
    let (code, text) = comment.split_at_checked(8)?;
    match code {
        b"UNICODE\0" => {
            let (pairs, _) = text.as_chunks::<2>();
            // Byte order is the block's by the standard, big-endian by custom: take the one with fewer odd characters.
            let decode = |big: bool| {
                let units = pairs.iter().map(|p| if big { u16::from_be_bytes(*p) } else { u16::from_le_bytes(*p) });
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
            };
            let latin = |text: &str| text.chars().filter(|c| *c < '\u{250}').count();
            let (be, le) = (decode(true), decode(false));
            Some(if latin(&be) >= latin(&le) { be } else { le })
        }
        b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" => Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_string()),
        _ => None,
    }
}
