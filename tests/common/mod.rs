//! What tests against golden files share: where those lie, and what a case of them asks for.
#![allow(dead_code)] // each test binary uses a part of it

use kiln::recipe::Recipe;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The path of a golden file or folder.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden").join(name)
}

/// The pixels of a golden picture.
pub fn pixels(path: &Path) -> Vec<u8> {
    image::open(path).expect("golden picture").to_rgb8().into_raw()
}

/// What diffusers was asked for.
#[derive(Deserialize)]
pub struct Asked {
    pub prompt: String,
    pub negative_prompt: String,
    pub seed: u64,
    pub steps: u32,
    pub cfg_scale: f32,
    pub sampler: String,
    pub side: u32,
}

impl Asked {
    /// The same as a Recipe.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            seed: self.seed,
            steps: self.steps,
            cfg_scale: self.cfg_scale,
            sampler: self.sampler.clone(),
            width: self.side,
            height: self.side,
            ..Recipe::default()
        }
    }
}
