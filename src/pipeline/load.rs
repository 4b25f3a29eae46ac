//! From a diffusers folder to a [`Pipeline`].

use super::conditioning::TextEncoder;
use super::extras::{Extras, class_width};
use super::{ModelInfo, Pipeline};
use crate::model::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::checkpoint::{Weights, sha256};
use crate::model::clip_text::{ClipText, ClipTextConfig, PREFIXES};
use crate::model::config::read_json;
use crate::model::tokenizer::Tokenizer;
use crate::model::unet::{Unet, UnetConfig};
use crate::model::{Init, checkpoint};
use crate::recipe::{ModelRef, Recipe};
use crate::sampler::SamplerKind;
use crate::sampler::schedule::{Prediction, SchedulerConfig};
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

fn component<M: Module>(folder: &Path, name: &str, prefixes: &[&str], module: M) -> Result<M> {
    Weights::of_component(&folder.join(name))?.load(module, prefixes)
}

/// Every weight file of a folder's components.
fn weight_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["text_encoder", "unet", "vae"]
        .iter()
        .filter_map(|name| std::fs::read_dir(folder.join(name)).ok())
        .flat_map(|entries| entries.flatten().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    files.sort();
    files
}

impl Pipeline {
    /// Loads a diffusers folder onto the CPU. `progress` hears 0..=1.
    pub fn load(path: &Path, progress: &mut dyn FnMut(f32)) -> Result<Self> {
        Self::load_on(path, &Device::flex(), progress)
    }

    /// Loads a diffusers folder onto `device`.
    pub fn load_on(path: &Path, device: &Device, progress: &mut dyn FnMut(f32)) -> Result<Self> {
        if !path.join("model_index.json").is_file() {
            return Err(Error::failed(format!(
                "{} is not a diffusers folder (it has no model_index.json); choose the folder that holds one.",
                path.display()
            )));
        }
        let mut init = Init::new(device, 0);
        let text_config: ClipTextConfig = read_json(&path.join("text_encoder/config.json"))?;
        let unet_config: UnetConfig = read_json(&path.join("unet/config.json"))?;
        let vae_config = AutoencoderConfig::from_json(read_json(&path.join("vae/config.json"))?)?;
        let scheduler: SchedulerConfig = read_json(&path.join("scheduler/scheduler_config.json"))?;
        scheduler.check()?;
        let extras: Extras = match path.join("kiln.json") {
            file if file.is_file() => read_json(&file)?,
            _ => Extras::default(),
        };
        let tokenizer = Tokenizer::open(&path.join("tokenizer"), text_config.max_position_embeddings)?;
        check_fit(path, &text_config, &unet_config, &vae_config, &extras)?;
        progress(0.05);
        let text = component(path, "text_encoder", &PREFIXES, ClipText::new(&mut init, &text_config)?)?;
        progress(0.15);
        let unet = component(path, "unet", &[""], Unet::new(&mut init, &unet_config)?)?;
        progress(0.75);
        let vae = Autoencoder::load(&mut init, &vae_config, &Weights::of_component(&path.join("vae"))?)?;
        progress(0.9);
        let hash = checkpoint::sha256(&weight_files(path))?;
        let parameters = (text.num_params() + unet.num_params() + vae.num_params()) as u64;
        let downscale = vae_config.downscale() as u32;
        let levels = unet_config.block_out_channels.len() as u32;
        let mut info = describe(path, &extras, &scheduler, hash, parameters, downscale << (levels - 1))?;
        info.text_layers = text_config.num_hidden_layers as u32;
        progress(1.0);
        Ok(Self {
            info,
            extras,
            text: TextEncoder { tokenizer: Arc::new(tokenizer), model: text, config: text_config },
            unet,
            unet_config,
            vae: Arc::new(vae),
            vae_config,
            scheduler,
            device: device.clone(),
            encodings: Arc::default(),
            adapters: Arc::default(),
        })
    }
}

/// Components that cannot work together are refused before anything is computed.
fn check_fit(
    path: &Path,
    text: &ClipTextConfig,
    unet: &UnetConfig,
    vae: &AutoencoderConfig,
    extras: &Extras,
) -> Result<()> {
    text.check()?;
    unet.check()?;
    vae.check()?;
    let wrong = |what: String| Err(Error::failed(format!("{} does not fit together: {what}.", path.display())));
    let (latent, inpainting) = (vae.latent_channels(), 2 * vae.latent_channels() + 1);
    if ![latent, inpainting].contains(&unet.in_channels) || unet.out_channels != latent {
        return wrong(format!(
            "the denoiser works on {} channels, the autoencoder on {}",
            unet.in_channels,
            vae.latent_channels()
        ));
    }
    if unet.cross_attention_dim.at(0) != text.hidden_size {
        return wrong(format!(
            "the denoiser listens to words of width {}, the text encoder makes {}",
            unet.cross_attention_dim.at(0),
            text.hidden_size
        ));
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

fn describe(
    path: &Path,
    extras: &Extras,
    scheduler: &SchedulerConfig,
    hash: String,
    parameters: u64,
    size_multiple: u32,
) -> Result<ModelInfo> {
    let folder = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_else(|| "model".into());
    let name = if extras.name.is_empty() { folder } else { extras.name.clone() };
    let native_size = extras.native_size.unwrap_or(512);
    let sampler = match &extras.sampler {
        Some(name) => SamplerKind::from_str(name)?,
        None if scheduler.prediction() == Prediction::Flow => SamplerKind::EULER,
        None => SamplerKind::DPMPP_2M_KARRAS,
    };
    let defaults = Recipe {
        model: ModelRef { name: name.clone(), hash: hash.clone() },
        width: native_size,
        height: native_size,
        steps: extras.steps.unwrap_or(20),
        cfg_scale: extras.cfg_scale.unwrap_or(7.0),
        sampler: sampler.name().into(),
        ..Recipe::default()
    };
    let mut vocabulary = extras.vocabulary.clone();
    vocabulary.sort();
    Ok(ModelInfo {
        name,
        path: path.into(),
        hash,
        summary: extras.summary.clone(),
        sliders: extras.sliders.clone(),
        vocabulary,
        native_size,
        size_multiple,
        defaults,
        parameters,
        flow: scheduler.prediction() == Prediction::Flow,
        text_layers: 1,
    })
}

/// SHA-256 of a file that a Recipe names.
pub fn hash_file(path: &Path) -> Result<String> {
    sha256(&[path.to_path_buf()])
}
