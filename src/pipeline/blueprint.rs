//! What a checkpoint says of itself in either layout, opened but not loaded.

use super::extras::Extras;
use crate::model::Init;
use crate::model::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::checkpoint::Weights;
use crate::model::clip_text::{ClipText, ClipTextConfig, PREFIXES};
use crate::model::config::read_json;
use crate::model::original::family::precision;
use crate::model::original::hints::{Distilled, Predicts, sidecar};
use crate::model::original::{Family, Original};
use crate::model::tokenizer::{CLIP_TOKENS, Tokenizer};
use crate::model::unet::{Unet, UnetConfig};
use crate::recipe::SIDE_RANGE;
use crate::sampler::schedule::SchedulerConfig;
use crate::{Error, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Everything but the weights themselves.
pub(super) struct Blueprint {
    pub path: PathBuf,
    /// The folder's or file's name.
    pub name: String,
    /// One line, where `kiln.json` has none.
    pub summary: String,
    pub extras: Extras,
    pub scheduler: SchedulerConfig,
    pub unet: UnetConfig,
    pub vae: AutoencoderConfig,
    /// One text encoder, or SDXL's two.
    pub texts: Vec<(ClipTextConfig, Tokenizer)>,
    /// Whether an empty negative prompt is heard as silence, as SDXL's training heard it.
    pub zero_empty: bool,
    /// Side of its training pictures, pixels.
    pub native_size: u32,
    pub distilled: Option<Distilled>,
    /// What the hash is made of.
    pub files: Vec<PathBuf>,
    parts: Parts,
}

/// Where the weights lie.
enum Parts {
    Folder { texts: Vec<Weights>, unet: Weights, vae: Weights },
    File { weights: Weights, original: Box<Original> },
}

/// What matters of `model_index.json`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Index {
    force_zeros_for_empty_prompt: Option<bool>,
}

/// The folders of a diffusers checkpoint that hold weights.
const COMPONENTS: [&str; 4] = ["text_encoder", "text_encoder_2", "unet", "vae"];

impl Blueprint {
    /// Opens a checkpoint of either layout.
    ///
    /// # Errors
    /// When it is neither, damaged, or of a family that Kiln does not run.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() { Self::file(path) } else { Self::folder(path) }
    }

    fn folder(path: &Path) -> Result<Self> {
        if !path.join("model_index.json").is_file() {
            return Err(Error::failed(format!(
                "{} is no checkpoint: choose a .safetensors file, or a folder that holds a model_index.json.",
                path.display()
            )));
        }
        let index: Index = read_json(&path.join("model_index.json"))?;
        let unet: UnetConfig = read_json(&path.join("unet/config.json"))?;
        let vae = AutoencoderConfig::from_json(read_json(&path.join("vae/config.json"))?)?;
        let scheduler: SchedulerConfig = read_json(&path.join("scheduler/scheduler_config.json"))?;
        scheduler.check()?;
        let extras: Extras = match path.join("kiln.json") {
            file if file.is_file() => read_json(&file)?,
            _ => Extras::default(),
        };
        let two = unet.addition_embed_type.as_deref() == Some("text_time");
        let names = if two {
            &[("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")][..]
        } else {
            &[("text_encoder", "tokenizer")]
        };
        let (mut texts, mut text_weights) = (Vec::new(), Vec::new());
        for (encoder, tokenizer) in names {
            let config: ClipTextConfig = read_json(&path.join(encoder).join("config.json"))?;
            let tokenizer = folder_tokenizer(&path.join(tokenizer), &config)?;
            texts.push((config, tokenizer));
            text_weights.push(Weights::of_component(&path.join(encoder))?);
        }
        let component = |name: &str| Weights::of_component(&path.join(name));
        let parts = Parts::Folder { texts: text_weights, unet: component("unet")?, vae: component("vae")? };
        let side = unet.sample_size.as_ref().and_then(|size| size.as_u64().or_else(|| size.get(0)?.as_u64()));
        let side = side.and_then(|side| u32::try_from(side.checked_mul(vae.downscale() as u64)?).ok());
        let native_size = extras.native_size.or(side.filter(|side| SIDE_RANGE.contains(side))).unwrap_or(512);
        Ok(Self {
            name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "model".into()),
            path: path.into(),
            summary: String::new(),
            extras,
            zero_empty: two && index.force_zeros_for_empty_prompt.unwrap_or(true),
            distilled: distilled_by_scheduler(&scheduler),
            scheduler,
            unet,
            vae,
            texts,
            native_size,
            files: weight_files(path),
            parts,
        })
    }

    fn file(path: &Path) -> Result<Self> {
        let weights = Weights::open(path)?;
        let Some(original) = Original::read(path, &weights)? else {
            return Err(Error::failed(format!(
                "{} is no whole checkpoint: it holds no denoiser with its text encoder in the original layout; inspect it to see \
                 what it is.",
                path.display()
            )));
        };
        let beside = sidecar(path);
        let extras: Extras = if beside.is_file() { read_json(&beside)? } else { Extras::default() };
        let mut texts = Vec::new();
        for (i, config) in original.texts.iter().enumerate() {
            // OpenCLIP fills up with zeros, CLIP with its end.
            let open = original.family == Family::Sd2 || i == 1;
            texts.push((config.clone(), file_tokenizer(path, config)?.padded_with_zero(open)));
        }
        let distilled = original.distilled();
        let few = matches!(distilled, Some(Distilled::Turbo | Distilled::Lightning));
        let scheduler = SchedulerConfig {
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: "scaled_linear".into(),
            prediction_type: Some(original.predicts.word().into()),
            timestep_spacing: Some(if few || original.hints.zero_snr { "trailing" } else { "leading" }.into()),
            steps_offset: 1,
            set_alpha_to_one: Some(false),
            rescale_betas_zero_snr: original.hints.zero_snr,
            ..SchedulerConfig::default()
        };
        scheduler.check()?;
        let predicts = if original.predicts == Predicts::V { ", v-prediction" } else { "" };
        Ok(Self {
            name: path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "model".into()),
            path: path.into(),
            summary: format!("{}{predicts}, {}", original.family.name(), precision(&weights)),
            native_size: extras.native_size.unwrap_or(original.native_size),
            extras,
            scheduler,
            unet: original.unet.clone(),
            vae: original.vae.clone(),
            texts,
            zero_empty: original.family == Family::Sdxl,
            distilled,
            files: vec![path.into()],
            parts: Parts::File { weights, original: Box::new(original) },
        })
    }

    /// Number of weights that loading will hold, as the files' sizes tell.
    pub fn parameters(&self) -> u64 {
        match &self.parts {
            Parts::Folder { texts, unet, vae } => texts.iter().chain([unet, vae]).map(|w| w.parameters("")).sum(),
            Parts::File { weights, original } => original.parts(weights).iter().map(|part| part.parameters).sum(),
        }
    }

    /// Loads text encoder `index`.
    pub fn load_text(&self, init: &mut Init, index: usize) -> Result<ClipText> {
        match &self.parts {
            Parts::File { weights, original } => original.load_text(init, index, weights),
            Parts::Folder { texts, .. } => {
                let (config, weights) = self
                    .texts
                    .get(index)
                    .zip(texts.get(index))
                    .map(|((config, _), weights)| (config, weights))
                    .ok_or_else(|| Error::failed(format!("{} has no text encoder {index}.", self.path.display())))?;
                weights.load(ClipText::new(init, config)?, &PREFIXES)
            }
        }
    }

    /// Loads the denoiser.
    pub fn load_unet(&self, init: &mut Init) -> Result<Unet> {
        match &self.parts {
            Parts::File { weights, original } => original.load_unet(init, weights),
            Parts::Folder { unet, .. } => unet.load(Unet::new(init, &self.unet)?, &[""]),
        }
    }

    /// Loads the autoencoder.
    pub fn load_vae(&self, init: &mut Init) -> Result<Autoencoder> {
        match &self.parts {
            Parts::File { weights, original } => original.load_vae(init, weights),
            Parts::Folder { vae, .. } => Autoencoder::load(init, &self.vae, vae),
        }
    }
}

/// The few-step kind that a diffusers folder means by its scheduler.
fn distilled_by_scheduler(scheduler: &SchedulerConfig) -> Option<Distilled> {
    match (scheduler.class_name.as_str(), scheduler.timestep_spacing.as_deref()) {
        ("LCMScheduler", _) => Some(Distilled::Lcm),
        ("EulerAncestralDiscreteScheduler", Some("trailing")) if !scheduler.rescale_betas_zero_snr => {
            Some(Distilled::Turbo)
        }
        _ => None,
    }
}

/// The tokenizer of a folder; CLIP's own where a CLIP text encoder came without.
fn folder_tokenizer(folder: &Path, config: &ClipTextConfig) -> Result<Tokenizer> {
    if Tokenizer::is_in(folder) || config.vocab_size != CLIP_TOKENS {
        return Tokenizer::open(folder, config.max_position_embeddings);
    }
    Ok(Tokenizer::clip(config.max_position_embeddings))
}

/// The tokenizer of one file: what lies in `tokenizer/` beside it, else CLIP's own.
fn file_tokenizer(path: &Path, config: &ClipTextConfig) -> Result<Tokenizer> {
    let beside = path.with_file_name("tokenizer");
    let longest = config.max_position_embeddings;
    if config.vocab_size == CLIP_TOKENS {
        return Ok(Tokenizer::clip(longest));
    }
    if Tokenizer::is_in(&beside) {
        return Tokenizer::open(&beside, longest);
    }
    Err(Error::failed(format!(
        "{} has a text encoder for {} tokens, not CLIP's {CLIP_TOKENS}: put its tokenizer (vocab.json and merges.txt) into {}.",
        path.display(),
        config.vocab_size,
        beside.display()
    )))
}

/// Every weight file of a folder's components.
fn weight_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = COMPONENTS
        .iter()
        .filter_map(|name| std::fs::read_dir(folder.join(name)).ok())
        .flat_map(|entries| entries.flatten().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    files
}
