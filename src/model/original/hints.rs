//! What weights alone do not say: a file's metadata, single keys that trainers leave, and small files beside it.

use crate::model::checkpoint::Weights;
use crate::model::config::read_json;
use crate::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Longest configuration in YAML that is read, in bytes.
const LONGEST_YAML: u64 = 1 << 20;

/// How a checkpoint was made to work in few steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distilled {
    /// Adversarial diffusion distillation (Sauer et al. 2023).
    Turbo,
    /// Progressive adversarial distillation (Lin et al. 2024).
    Lightning,
    /// Latent consistency (Luo et al. 2023).
    Lcm,
}

impl Distilled {
    /// Every kind, in the order in which metadata is searched for them.
    const ALL: [Self; 3] = [Self::Turbo, Self::Lightning, Self::Lcm];

    /// As metadata and people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Turbo => "turbo",
            Self::Lightning => "lightning",
            Self::Lcm => "lcm",
        }
    }
}

/// What the denoiser predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predicts {
    /// The noise.
    Epsilon,
    /// The velocity.
    V,
}

impl Predicts {
    /// As a scheduler's configuration spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::V => "v_prediction",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim().trim_matches(['"', '\'']).to_ascii_lowercase().as_str() {
            "epsilon" | "eps" => Some(Self::Epsilon),
            "v" | "v_prediction" | "v-prediction" | "velocity" => Some(Self::V),
            _ => None,
        }
    }
}

/// `NAME.kiln.json` beside `NAME.safetensors`; every field may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Sidecar {
    prediction_type: Option<String>,
    zero_terminal_snr: Option<bool>,
}

/// What is known beside the weights.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// What the denoiser predicts, and what says so.
    pub predicts: Option<(Predicts, String)>,
    /// Whether its schedule ends with no signal at all.
    pub zero_snr: bool,
    /// Few steps are enough.
    pub distilled: Option<Distilled>,
    /// Side of its training pictures, pixels.
    pub native_size: Option<u32>,
    /// Title, as its author wrote it.
    pub title: Option<String>,
    /// Licence, as its author wrote it.
    pub licence: Option<String>,
}

/// Where the file lies that may say more of a checkpoint.
pub fn sidecar(path: &Path) -> PathBuf {
    path.with_extension("kiln.json")
}

impl Hints {
    /// Gathers them; what the person wrote beside the file counts more than what is in it.
    ///
    /// # Errors
    /// When a file beside it cannot be read, or names a prediction that Kiln does not know.
    pub fn of(path: &Path, weights: &Weights) -> Result<Self> {
        let mut hints = Self::within(weights);
        let yaml = path.with_extension("yaml");
        if let Some(predicts) = yaml_parameterization(&yaml)? {
            hints.predicts = Some((predicts, format!("{} says so", yaml.display())));
        }
        let beside = sidecar(path);
        if beside.is_file() {
            let said: Sidecar = read_json(&beside)?;
            if let Some(text) = said.prediction_type {
                let predicts = Predicts::parse(&text).ok_or_else(|| {
                    Error::failed(format!(
                        "{} says prediction_type = \"{text}\"; it can be epsilon or v_prediction.",
                        beside.display()
                    ))
                })?;
                hints.predicts = Some((predicts, format!("{} says so", beside.display())));
            }
            hints.zero_snr = said.zero_terminal_snr.unwrap_or(hints.zero_snr);
        }
        Ok(hints)
    }

    fn within(weights: &Weights) -> Self {
        let note = |name: &str| weights.note(&format!("modelspec.{name}")).filter(|text| !text.trim().is_empty());
        let architecture = note("architecture").unwrap_or_default().to_ascii_lowercase();
        let has = |key| weights.shape(key).is_some();
        let mut predicts = match architecture.as_str() {
            a if a.contains("768-v") => Some((Predicts::V, "its metadata names the architecture".to_string())),
            a if a.contains("v2-512") => Some((Predicts::Epsilon, "its metadata names the architecture".to_string())),
            _ => None,
        };
        if let Some(said) = note("prediction_type").and_then(Predicts::parse) {
            predicts = Some((said, "its metadata says so".into()));
        }
        if has("v_pred") {
            predicts = Some((Predicts::V, "its key v_pred says so".into()));
        }
        let told = [note("title"), note("usage_hint"), Some(architecture.as_str())];
        let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let words: Vec<&str> = told.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let distilled = Distilled::ALL.into_iter().find(|kind| words.contains(&kind.word()));
        let side = note("resolution").and_then(|text| text.split(['x', 'X']).next()?.trim().parse().ok());
        Self {
            predicts,
            zero_snr: has("ztsnr"),
            distilled,
            native_size: side.filter(|side| (64..=2048).contains(side)),
            title: note("title").map(str::to_string),
            licence: note("license").or_else(|| note("licence")).map(str::to_string),
        }
    }
}

/// The one line that matters of the configuration that the first checkpoints came with.
fn yaml_parameterization(path: &Path) -> Result<Option<Predicts>> {
    let Ok(about) = std::fs::metadata(path) else { return Ok(None) };
    if !about.is_file() || about.len() > LONGEST_YAML {
        return Ok(None);
    }
    let text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().find_map(|line| Predicts::parse(line.trim().strip_prefix("parameterization:")?)))
}
