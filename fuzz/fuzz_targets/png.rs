//! Any bytes as a picture with metadata, and any text as the settings of another program.

#![no_main]

use kiln::library::{metadata, parameters};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|data: &[u8]| {
    if let Ok(found) = metadata::read(Cursor::new(data))
        && let Some(recipe) = found.recipe
    {
        let again = parameters::write(&recipe);
        let _ = parameters::read(&again, None);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parameters::read(text, Some((64, 64)));
    }
});
