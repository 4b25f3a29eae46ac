//! Any keys and shapes in a well-formed header: recognised as a checkpoint, an adapter or a tiny decoder, or refused with a sentence.
//!
//! Each line of the input is a key, a tab, and the sides of its tensor with spaces between; the numbers are zeros.

#![no_main]

use kiln::insight::inspect::inspect;
use kiln::model::lora::Adapter;
use kiln::model::tiny_decoder::TinyFile;
use kiln::pipeline::Pipeline;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// Most numbers of all tensors together, so that the fuzzer spends its time on keys.
const MOST: u64 = 1 << 16;

fuzz_target!(|text: &str| {
    let (mut header, mut end) = (Map::new(), 0u64);
    for line in text.lines().take(200) {
        let Some((key, sides)) = line.split_once('\t') else { continue };
        let shape: Vec<u64> = sides.split(' ').filter_map(|side| side.parse().ok()).take(5).collect();
        let bytes = shape.iter().try_fold(2u64, |size, side| size.checked_mul(*side)).unwrap_or(u64::MAX);
        if bytes > MOST - end {
            continue;
        }
        header.insert(key.into(), json!({"dtype": "F16", "shape": shape, "data_offsets": [end, end + bytes]}));
        end += bytes;
    }
    let Ok(header) = serde_json::to_vec(&Value::Object(header)) else { return };
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end as usize, 0);
    let path = std::env::temp_dir().join(format!("kiln-fuzz-keys-{}.safetensors", std::process::id()));
    if std::fs::write(&path, file).is_err() {
        return;
    }
    let _ = inspect(&path);
    let _ = Adapter::open(&path);
    let _ = TinyFile::open(&path);
    let _ = Pipeline::load(&path, &mut |_| {});
});
