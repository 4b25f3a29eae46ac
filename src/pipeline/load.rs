//! From a checkpoint on disk to a [`Pipeline`]: what both layouts have in common.

use super::blueprint::Blueprint;
use super::conditioning::TextEncoder;
use super::extras::{Extras, class_width};
use super::{ModelInfo, Pipeline};
use crate::model::Init;
use crate::model::checkpoint::sha256;
use crate::model::clip_text::ClipText;
use crate::model::memory::{Fit, Machine, Need, fit, sentence};
use crate::model::original::hints::Distilled;
use crate::recipe::{ModelRef, Recipe};
use crate::sampler::schedule::Prediction;
use crate::sampler::spacing::Spacing;
use crate::sampler::{Method, SamplerKind};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::Device;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// The environment variable that names a folder of models.
pub(super) const MODELS: &str = "KILN_MODELS";

/// Where a checkpoint lies: `ember` is looked for in `KILN_MODELS`, beside the program, in the current folder and in the
/// source tree; anything else is a path.
pub fn locate_model(name: &str) -> Result<PathBuf> {
    if name != "ember" {
        let path = PathBuf::from(name);
        if path.exists() {
            return Ok(path);
        }
        return Err(Error::failed(format!("There is no model at {}; give \"ember\" or a path.", path.display())));
    }
    let beside = std::env::current_exe().ok().and_then(|p| Some(p.parent()?.join("models")));
    let places = [std::env::var_os(MODELS).map(PathBuf::from), beside, Some(PathBuf::from("models"))];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut tried = Vec::new();
    for place in places.into_iter().flatten().chain([source]) {
        let folder = place.join(name);
        if folder.join("model_index.json").is_file() {
            return Ok(folder);
        }
        tried.push(place.display().to_string());
    }
    Err(Error::failed(format!(
        "Ember was not found in {}; set {MODELS} to the folder that holds ember/, or choose a model.",
        tried.join(", ")
    )))
}

impl Pipeline {
    /// Loads a checkpoint, a diffusers folder or one .safetensors file in the original layout, onto the CPU. `progress` hears
    /// 0..=1.
    ///
    /// # Errors
    /// When it is damaged, of a family that Kiln does not run, or larger than the memory that is free.
    pub fn load(path: &Path, progress: &mut dyn FnMut(f32)) -> Result<Self> {
        Self::load_on(path, &Device::flex(), progress)
    }

    /// Loads a checkpoint onto `device`; see [`Pipeline::load`].
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub fn load_on(path: &Path, device: &Device, progress: &mut dyn FnMut(f32)) -> Result<Self> {
        let plan = Blueprint::open(path)?;
        check_fit(&plan)?;
        if *device == Device::flex() {
            check_memory(&plan)?;
        }
        progress(0.05);
        let mut init = Init::new(device, 0);
        let mut texts = Vec::with_capacity(plan.texts.len());
        for i in 0..plan.texts.len() {
            texts.push(plan.load_text(&mut init, i)?);
        }
        progress(0.2);
        let unet = plan.load_unet(&mut init)?;
        progress(0.75);
        let vae = plan.load_vae(&mut init)?;
        progress(0.85);
        let hash = sha256(&plan.files)?;
        let words: usize = texts.iter().map(Module::num_params).sum();
        let parameters = (words + unet.num_params() + vae.num_params()) as u64;
        let word_spread = texts.first().map_or(Ok(1.0), ClipText::spread)?;
        let info = ModelInfo { word_spread, ..describe(&plan, hash, parameters)? };
        progress(1.0);
        let mut encoders = texts.into_iter().zip(plan.texts).map(|(model, (config, tokenizer))| TextEncoder {
            tokenizer: Arc::new(tokenizer),
            model,
            config,
            added: None,
        });
        let text = encoders.next().ok_or_else(|| Error::failed(format!("{} has no text encoder.", path.display())))?;
        Ok(Self {
            info,
            extras: plan.extras,
            text,
            text2: encoders.next(),
            zero_empty: plan.zero_empty,
            unet,
            unet_config: plan.unet,
            vae: Arc::new(vae),
            vae_config: plan.vae,
            scheduler: plan.scheduler,
            device: device.clone(),
            encodings: Arc::default(),
            looks: Arc::default(),
            adapters: Arc::default(),
        })
    }
}

/// Refuses what would not fit, before the machine begins to swap.
fn check_memory(plan: &Blueprint) -> Result<()> {
    let Some(machine) = Machine::ask() else { return Ok(()) };
    let need = Need::new(plan.parameters(), plan.native_size, plan.vae.first_width());
    match fit(&need, &machine) {
        Fit::No => Err(Error::failed(format!("{} {}.", plan.path.display(), sentence(&need, &machine)))),
        Fit::Yes | Fit::Smaller => Ok(()),
    }
}

/// Components that cannot work together are refused before anything is computed.
fn check_fit(plan: &Blueprint) -> Result<()> {
    let (unet, vae, extras) = (&plan.unet, &plan.vae, &plan.extras);
    for (text, _) in &plan.texts {
        text.check()?;
    }
    unet.check()?;
    vae.check()?;
    let wrong = |what: String| Err(Error::failed(format!("{} does not fit together: {what}.", plan.path.display())));
    let (latent, inpainting) = (vae.latent_channels(), 2 * vae.latent_channels() + 1);
    if ![latent, inpainting].contains(&unet.in_channels) || unet.out_channels != latent {
        return wrong(format!(
            "the denoiser works on {} channels, the autoencoder on {}",
            unet.in_channels,
            vae.latent_channels()
        ));
    }
    let words: usize = plan.texts.iter().map(|(text, _)| text.hidden_size).sum();
    if unet.cross_attention_dim.at(0) != words {
        return wrong(format!(
            "the denoiser listens to words of width {}, the text encoder makes {words}",
            unet.cross_attention_dim.at(0)
        ));
    }
    let lengths: Vec<usize> = plan.texts.iter().map(|(_, tokenizer)| tokenizer.length()).collect();
    if lengths.windows(2).any(|pair| pair[0] != pair[1]) || lengths.iter().any(|length| *length < 3) {
        return wrong(format!("its text encoders read {lengths:?} tokens at once"));
    }
    if unet.addition_embed_type.as_deref() == Some("text_time") {
        let Some((second, _)) = plan.texts.get(1).filter(|(text, _)| text.is_projected()) else {
            return wrong("the denoiser wants pooled words, and no second text encoder makes any".into());
        };
        let sizes = 6 * unet.addition_time_embed_dim.unwrap_or(0);
        let wanted = unet.projection_class_embeddings_input_dim.unwrap_or(0);
        if wanted != second.projection_dim + sizes {
            return wrong(format!(
                "the denoiser wants {wanted} numbers beside the words, the second text encoder and the sizes make {}",
                second.projection_dim + sizes
            ));
        }
    }
    if unet.class_embed_type.as_deref() == Some("projection") {
        let wanted = unet.projection_class_embeddings_input_dim.unwrap_or(0);
        let made = class_width(&extras.sliders);
        if wanted != made {
            return wrong(format!("the denoiser wants {wanted} slider numbers, kiln.json describes {made}"));
        }
    }
    if extras.preview.as_ref().is_some_and(|p| p.matrix.len() != vae.latent_channels()) {
        return wrong("the preview in kiln.json has another number of channels".into());
    }
    Ok(())
}

/// The sampler, steps and guidance that a checkpoint is best drawn with, where its author says nothing.
fn recommended(plan: &Blueprint) -> (SamplerKind, u32, f32) {
    let embedded = plan.unet.time_cond_proj_dim.is_some();
    let trailing = |method| SamplerKind { method, spacing: Spacing::Trailing };
    match plan.distilled {
        Some(Distilled::Lcm) => (Method::Lcm.plain(), 4, if embedded { 8.0 } else { 1.0 }),
        Some(Distilled::Turbo) => (trailing(Method::EulerAncestral), 4, 1.0),
        Some(Distilled::Lightning) => (trailing(Method::Euler), 4, 1.0),
        None if plan.scheduler.prediction() == Prediction::Flow => (SamplerKind::EULER, 20, 7.0),
        None => (SamplerKind::DPMPP_2M_KARRAS, 20, 7.0),
    }
}

fn describe(plan: &Blueprint, hash: String, parameters: u64) -> Result<ModelInfo> {
    let extras: &Extras = &plan.extras;
    let name = if extras.name.is_empty() { plan.name.clone() } else { extras.name.clone() };
    let native_size = plan.native_size;
    let (sampler, steps, cfg_scale) = recommended(plan);
    let sampler = match &extras.sampler {
        Some(name) => SamplerKind::from_str(name)?,
        None => sampler,
    };
    let defaults = Recipe {
        model: ModelRef { name: name.clone(), hash: hash.clone() },
        width: native_size,
        height: native_size,
        steps: extras.steps.unwrap_or(steps),
        cfg_scale: extras.cfg_scale.unwrap_or(cfg_scale),
        skip_early_cfg: extras.skip_early_cfg.unwrap_or_default(),
        sampler: sampler.name().into(),
        ..Recipe::default()
    };
    let mut vocabulary = extras.vocabulary.clone();
    vocabulary.sort();
    let levels = plan.unet.block_out_channels.len() as u32;
    Ok(ModelInfo {
        name,
        path: plan.path.clone(),
        hash,
        summary: if extras.summary.is_empty() { plan.summary.clone() } else { extras.summary.clone() },
        sliders: extras.sliders.clone(),
        vocabulary,
        native_size,
        size_multiple: (plan.vae.downscale() as u32) << (levels - 1),
        defaults,
        parameters,
        flow: plan.scheduler.prediction() == Prediction::Flow,
        text_layers: plan.texts.first().map_or(1, |(text, _)| text.num_hidden_layers as u32),
        text_widths: plan.texts.iter().map(|(text, _)| text.hidden_size).collect(),
        word_spread: 1.0,
    })
}

/// SHA-256 of a file that a Recipe names.
pub fn hash_file(path: &Path) -> Result<String> {
    sha256(&[path.to_path_buf()])
}
