//! The Recipe: everything that decides a picture, as plain data. Knows nothing of tensors, files or windows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which checkpoint made a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct ModelRef {
    /// `ember`, or the path that the person chose.
    pub name: String,
    /// SHA-256 of the weights, in hexadecimal; empty while unknown.
    #[serde(default)]
    pub hash: String,
}

/// A LoRA and how strongly it acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterRef {
    /// Path or shelf name of the adapter.
    pub name: String,
    /// SHA-256 of its file, in hexadecimal.
    #[serde(default)]
    pub hash: String,
    /// 0 = off, 1 = as trained; negative values push away.
    pub weight: f32,
}

/// A picture to start from (image-to-image).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRef {
    /// Where it lay.
    pub path: String,
    /// SHA-256 of its file.
    #[serde(default)]
    pub hash: String,
    /// The field's `denoising_strength`, 0..=1: 0 keeps the source, 1 ignores it.
    pub denoising_strength: f32,
}

/// Everything that decides a picture. Total: no hidden state; the same Recipe on the same device kind and version gives
/// the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Version of this structure.
    pub version: u32,
    /// The checkpoint.
    pub model: ModelRef,
    /// LoRA adapters, in order of application.
    #[serde(default)]
    pub adapters: Vec<AdapterRef>,
    /// What to draw.
    pub prompt: String,
    /// What to keep away from.
    #[serde(default)]
    pub negative_prompt: String,
    /// Seed of the starting noise, as `torch.Generator("cpu").manual_seed(seed)`.
    pub seed: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of sampling steps, 1..=200.
    pub steps: u32,
    /// Classifier-free guidance scale; 1 = off.
    pub cfg_scale: f32,
    /// Sampler name, as `crate::sampler::SamplerKind` spells it (`euler`, `euler_a`, `ddim`, `dpmpp_2m_karras`, `lcm`).
    pub sampler: String,
    /// Slider values by name; a slider that is absent is left to the model.
    #[serde(default)]
    pub sliders: BTreeMap<String, f32>,
    /// Source picture, for image-to-image.
    #[serde(default)]
    pub source: Option<SourceRef>,
}

/// Smallest and largest side of a picture, in pixels.
pub const SIDE_RANGE: std::ops::RangeInclusive<u32> = 64..=2048;
/// Steps that a Recipe may ask for.
pub const STEP_RANGE: std::ops::RangeInclusive<u32> = 1..=200;

impl Default for Recipe {
    fn default() -> Self {
        Self {
            version: 1,
            model: ModelRef { name: "ember".into(), hash: String::new() },
            adapters: Vec::new(),
            prompt: String::new(),
            negative_prompt: String::new(),
            seed: 0,
            width: 256,
            height: 256,
            steps: 8,
            cfg_scale: 3.0,
            sampler: "euler".into(),
            sliders: BTreeMap::new(),
            source: None,
        }
    }
}

/// A finished picture: pixels, the Recipe that made it, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// RGB, 8 bits a channel, rows from the top, `width * height * 3` bytes.
    pub rgb: Vec<u8>,
    /// What made it.
    pub recipe: Recipe,
    /// Seconds of computation, without loading.
    pub seconds: f32,
}
