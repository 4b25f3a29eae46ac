//! Damaged and hostile checkpoints of one file: every one gets a sentence, none a panic or memory without bound.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use kiln::insight::inspect::inspect;
use kiln::pipeline::Pipeline;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A tensor as a header names it.
#[derive(Debug, Clone)]
struct Named {
    key: String,
    dtype: &'static str,
    shape: Vec<u64>,
}

/// The headers of small whole checkpoints of the three families, with weights that are all zero.
fn whole(family: usize) -> Vec<Named> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/families/families.json");
    let families: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let family = &families[family % 3];
    let shape = |i: &Value| -> Vec<u64> {
        let shape = family["tensors"][i.as_u64().unwrap() as usize][1].as_array().unwrap();
        shape.iter().map(|side| side.as_u64().unwrap()).collect()
    };
    let entry = |entry: &Value| {
        let mut shape = shape(&entry[2][0]);
        match entry[1].as_str().unwrap() {
            "transpose" => shape.reverse(),
            "conv" => shape.extend([1, 1]),
            "stack" => shape[0] *= 3,
            _ => {}
        }
        Named { key: entry[0].as_str().unwrap().to_string(), dtype: "F16", shape }
    };
    family["original"].as_array().unwrap().iter().map(entry).collect()
}

#[derive(Debug, Clone)]
enum Change {
    Drop(prop::sample::Index),
    Reshape(prop::sample::Index, Vec<u64>),
    Retype(prop::sample::Index, &'static str),
    Rename(prop::sample::Index, String),
    Add(String, Vec<u64>),
    /// Everything under a prefix goes.
    DropPart(&'static str),
}

fn shape() -> impl Strategy<Value = Vec<u64>> {
    let side = prop::sample::select(vec![0u64, 1, 2, 3, 4, 9, 31, 32, 64, 77, 1 << 16, 1 << 20, 1 << 40, u64::MAX / 2]);
    proptest::collection::vec(side, 0..5)
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let segment = prop::sample::select(vec![
        "model.diffusion_model",
        "first_stage_model",
        "conditioner.embedders.1.model",
        "cond_stage_model.transformer",
        "input_blocks",
        "output_blocks",
        "transformer_blocks",
        "0",
        "1",
        "17",
        "99999999999",
        "in_layers.2.weight",
        "op.weight",
        "norm1.weight",
        "attn.in_proj_weight",
        "v_pred",
        "ztsnr",
        "",
        "é",
    ]);
    let key = proptest::collection::vec(segment, 1..6).prop_map(|parts| parts.join("."));
    let dtype = prop::sample::select(vec!["F32", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "X1"]);
    let part = prop::sample::select(vec![
        "first_stage_model.encoder",
        "first_stage_model.decoder.up",
        "cond_stage_model",
        "conditioner.embedders.0",
        "conditioner.embedders.1",
        "model.diffusion_model.output_blocks",
        "model.diffusion_model.middle_block",
        "model.diffusion_model.label_emb",
        "model.diffusion_model.input_blocks.4",
    ]);
    prop_oneof![
        at().prop_map(Change::Drop),
        (at(), shape()).prop_map(|(at, shape)| Change::Reshape(at, shape)),
        (at(), dtype).prop_map(|(at, dtype)| Change::Retype(at, dtype)),
        (at(), key.clone()).prop_map(|(at, key)| Change::Rename(at, key)),
        (key, shape()).prop_map(|(key, shape)| Change::Add(key, shape)),
        part.prop_map(Change::DropPart),
    ]
}

fn changed(mut tensors: Vec<Named>, changes: Vec<Change>) -> Vec<Named> {
    for change in changes {
        let n = tensors.len().max(1);
        match change {
            _ if tensors.is_empty() => break,
            Change::Drop(at) => _ = tensors.remove(at.index(n)),
            Change::Reshape(at, shape) => tensors[at.index(n)].shape = shape,
            Change::Retype(at, dtype) => tensors[at.index(n)].dtype = dtype,
            Change::Rename(at, key) => tensors[at.index(n)].key = key,
            Change::Add(key, shape) => tensors.push(Named { key, dtype: "F32", shape }),
            Change::DropPart(part) => tensors.retain(|t| !t.key.starts_with(part)),
        }
    }
    tensors
}

/// Writes the header and as many zeros as it claims, up to a limit; the zeros take no room on disk.
fn write(folder: &Path, tensors: &[Named]) -> PathBuf {
    let mut at = 0u64;
    let mut header = serde_json::Map::new();
    for Named { key, dtype, shape } in tensors {
        let size = match *dtype {
            "F32" => 4,
            "F64" | "I64" => 8,
            "F16" | "BF16" => 2,
            _ => 1,
        };
        let length = shape.iter().fold(size, |product: u64, side| product.saturating_mul(*side)).min(1 << 40);
        header.insert(key.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [at, at + length]}));
        at += length;
    }
    let header = Value::Object(header).to_string();
    let path = folder.join("hostile.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + at.min(1 << 28)).unwrap();
    path
}

/// A folder with the small tokenizer that these checkpoints belong to.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/tiny_pipeline/tokenizer");
    fs::create_dir(folder.path().join("tokenizer")).unwrap();
    for name in ["vocab.json", "merges.txt"] {
        fs::copy(from.join(name), folder.path().join("tokenizer").join(name)).unwrap();
    }
    folder
}

fn answered(path: &Path) -> Result<(), String> {
    if let Err(error) = inspect(path) {
        assert!(error.message.ends_with('.'), "{error}");
    }
    match Pipeline::load(path, &mut |_| {}) {
        Ok(_) => Ok(()),
        Err(error) => {
            assert!(error.message.ends_with('.') && error.message.len() > 20, "{error}");
            Err(error.message)
        }
    }
}

#[test]
fn unchanged_ones_load() {
    let folder = folder();
    for family in 0..3 {
        answered(&write(folder.path(), &whole(family))).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn changed_ones_are_answered(family in 0usize..3, changes in proptest::collection::vec(change(), 1..5)) {
        let folder = folder();
        let _ = answered(&write(folder.path(), &changed(whole(family), changes)));
    }

    #[test]
    fn bytes_in_the_header_may_be_anything(family in 0usize..3, at in any::<prop::sample::Index>(), with in any::<[u8; 4]>()) {
        let folder = folder();
        let path = write(folder.path(), &whole(family));
        let mut bytes = fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let at = at.index(header);
        bytes[at..at + 4].copy_from_slice(&with);
        fs::write(&path, &bytes).unwrap();
        let _ = answered(&path);
    }
}
