//! Any text as a prompt, and any bytes as the files of a tokenizer.

#![no_main]

use kiln::model::tokenizer::{Tokenizer, split, unknown_words};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CLIP: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer::clip(77));

fuzz_target!(|data: (&str, &[u8], &[u8])| {
    let (prompt, vocabulary, merges) = data;
    let tokens = CLIP.encode(prompt);
    assert_eq!(tokens.ids.len(), 77);
    let words = split(prompt);
    let _ = unknown_words(prompt, &words);
    let folder = std::env::temp_dir().join(format!("kiln-fuzz-tokenizer-{}", std::process::id()));
    let written = std::fs::create_dir_all(&folder).is_ok()
        && std::fs::write(folder.join("vocab.json"), vocabulary).is_ok()
        && std::fs::write(folder.join("merges.txt"), merges).is_ok();
    if written && let Ok(tokenizer) = Tokenizer::open(&folder, 16) {
        let _ = tokenizer.encode(prompt);
    }
});
