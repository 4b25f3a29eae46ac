//! Any bytes as a safetensors file: an answer or a sentence, never a panic or memory without bound.

#![no_main]

use kiln::insight::inspect::inspect;
use kiln::model::checkpoint::Weights;
use kiln::model::lora::Adapter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("kiln-fuzz-header-{}.safetensors", std::process::id()));
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok(weights) = Weights::open(&path) {
        for key in weights.keys().map(str::to_string).collect::<Vec<_>>() {
            let _ = weights.tensor(&key);
        }
    }
    let _ = inspect(&path);
    let _ = Adapter::open(&path);
});
