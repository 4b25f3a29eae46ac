//! What tests against golden files share: where those lie, and what a case of them asks for.
#![allow(dead_code)] // each test binary uses a part of it

use burn::tensor::Device;
use kiln::pipeline::Pipeline;
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

/// Where golden tests compute: on the CPU, or, in a build with the feature `gpu`, on the GPU if `KILN_TEST_DEVICE=gpu`. `None`, with a
/// message, where that one cannot be used, so that the test is to be left out.
pub fn device() -> Option<Device> {
    match std::env::var("KILN_TEST_DEVICE").as_deref() {
        Err(_) | Ok("cpu") => Some(Device::flex()),
        Ok("gpu") => gpu(),
        Ok(other) => panic!("KILN_TEST_DEVICE={other}: use cpu or gpu"),
    }
}

#[cfg(feature = "gpu")]
fn gpu() -> Option<Device> {
    use kiln::pipeline::device::probe::{ALL, ARGUMENT, Report};
    use std::sync::OnceLock;
    static FOUND: OnceLock<Result<Report, String>> = OnceLock::new();
    // As everywhere, first contact is made by a process of its own.
    let found = FOUND.get_or_init(|| {
        let probe = std::process::Command::new(env!("CARGO_BIN_EXE_kiln")).args([ARGUMENT, ALL]).output();
        let probe = probe.map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&probe.stdout);
        let last = said.lines().last().ok_or_else(|| format!("there is no GPU ({})", probe.status))?;
        serde_json::from_str(last).map_err(|e| e.to_string())
    });
    match found {
        Ok(report) => {
            assert!(report.is_right(), "{report:?}");
            Some(report.chosen().device)
        }
        Err(why) => {
            eprintln!("Skipped: {why}.");
            None
        }
    }
}

#[cfg(not(feature = "gpu"))]
fn gpu() -> Option<Device> {
    panic!("KILN_TEST_DEVICE=gpu wants a build with --features gpu")
}

/// Loads a checkpoint onto [`device`].
pub fn load(path: &Path) -> Option<Pipeline> {
    Some(Pipeline::load_on(path, &device()?, &mut |_| {}).expect("load"))
}
