//! What a file in the original layout is: recognised by its keys and shapes, never by its name.

use super::hints::{Distilled, Hints, Predicts};
use super::keys::{self, TextKind, UNET, VAE};
use super::shapes::Shapes;
use crate::model::Init;
use crate::model::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::checkpoint::{Source, Weights};
use crate::model::clip_text::{ClipText, ClipTextConfig};
use crate::model::unet::{Unet, UnetConfig};
use crate::{Error, Result};
use safetensors::Dtype;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The families that Kiln runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Family {
    /// Stable Diffusion 1.x: CLIP ViT-L.
    #[serde(rename = "sd1")]
    Sd1,
    /// Stable Diffusion 2.x: OpenCLIP ViT-H, the last layer but one.
    #[serde(rename = "sd2")]
    Sd2,
    /// Stable Diffusion XL: CLIP ViT-L and OpenCLIP ViT-bigG, sizes as further conditions.
    #[serde(rename = "sdxl")]
    Sdxl,
}

impl Family {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sd1 => "Stable Diffusion 1.x",
            Self::Sd2 => "Stable Diffusion 2.x",
            Self::Sdxl => "Stable Diffusion XL",
        }
    }

    /// The text encoders, with what their keys begin with and whether their last layer is heard.
    fn texts(self) -> &'static [(TextKind, &'static str, bool)] {
        match self {
            Self::Sd1 => &[(TextKind::Clip, "cond_stage_model.", true)],
            Self::Sd2 => &[(TextKind::OpenClip, "cond_stage_model.", false)],
            Self::Sdxl => &[
                (TextKind::Clip, "conditioner.embedders.0.", true),
                (TextKind::OpenClip, "conditioner.embedders.1.", true),
            ],
        }
    }

    fn scaling_factor(self) -> f32 {
        if self == Self::Sdxl { 0.13025 } else { 0.18215 }
    }
}

/// One part of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Number of weights.
    pub parameters: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// A file in the original layout, understood but not loaded.
#[derive(Debug, Clone)]
pub struct Original {
    /// Which family it is.
    pub family: Family,
    /// The denoiser.
    pub unet: UnetConfig,
    /// Residual blocks a level of the denoiser, by which the layout counts.
    pub layers: usize,
    /// The text encoders: one, or SDXL's two.
    pub texts: Vec<ClipTextConfig>,
    /// The autoencoder.
    pub vae: AutoencoderConfig,
    /// What the denoiser predicts.
    pub predicts: Predicts,
    /// What says so.
    pub predicts_because: String,
    /// Metadata and files beside it.
    pub hints: Hints,
    /// Side of its training pictures, pixels.
    pub native_size: u32,
}

impl Original {
    /// Understands an opened file; `None` when it is not a whole checkpoint in the original layout, such as an adapter or a
    /// single network.
    ///
    /// # Errors
    /// When it is a checkpoint that Kiln cannot run; the sentence says why.
    pub fn read(path: &Path, weights: &Weights) -> Result<Option<Self>> {
        let name = path.display().to_string();
        let Some(family) = recognise(&name, weights)? else { return Ok(None) };
        let shapes = Shapes { weights, name: &name };
        let mut texts = Vec::new();
        for (kind, prefix, last) in family.texts() {
            let config = shapes.text(*kind, prefix, *last)?;
            config.check()?;
            texts.push(config);
        }
        let pooled = (family == Family::Sdxl).then(|| texts.last().map_or(0, |text| text.projection_dim));
        let (unet, layers) = shapes.unet(pooled)?;
        unet.check()?;
        let vae = AutoencoderConfig::Kl(shapes.vae(family.scaling_factor())?);
        vae.check()?;
        let hints = Hints::of(path, weights)?;
        let (predicts, predicts_because) = match hints.predicts.clone() {
            Some(known) => known,
            None => guess(family, weights)?,
        };
        let native_size = hints.native_size.unwrap_or(match (family, predicts) {
            (Family::Sdxl, _) => 1024,
            (Family::Sd2, Predicts::V) => 768,
            _ => 512,
        });
        Ok(Some(Self { family, unet, layers, texts, vae, predicts, predicts_because, hints, native_size }))
    }

    /// Whether its few-step kind is known, from the hints or from a guidance embedding.
    pub fn distilled(&self) -> Option<Distilled> {
        self.hints.distilled.or(self.unet.time_cond_proj_dim.map(|_| Distilled::Lcm))
    }

    /// Whether it also takes a mask and a masked picture.
    pub fn is_inpainting(&self) -> bool {
        self.unet.in_channels > self.vae.latent_channels()
    }

    /// Loads text encoder `index`.
    ///
    /// # Errors
    /// When a weight is missing or damaged.
    pub fn load_text(&self, init: &mut Init, index: usize, weights: &Weights) -> Result<ClipText> {
        let missing = || Error::failed(format!("{} has no text encoder {index}.", self.family.name()));
        let (kind, prefix, _) = self.family.texts().get(index).ok_or_else(missing)?;
        let module = ClipText::new(init, self.texts.get(index).ok_or_else(missing)?)?;
        weights.load_from(module, &|key| keys::text(*kind, prefix, key)).map(|(module, _)| module)
    }

    /// Loads the denoiser.
    ///
    /// # Errors
    /// When a weight is missing or damaged, or the file has weights that this family does not have.
    pub fn load_unet(&self, init: &mut Init, weights: &Weights) -> Result<Unet> {
        let (module, used) = weights.load_from(Unet::new(init, &self.unet)?, &|key| {
            keys::unet(key, self.layers).into_iter().map(|key| Source::Whole(format!("{UNET}{key}"))).collect()
        })?;
        // A network that has more than the family is another network, and would draw something else in silence.
        let mut strange: Vec<&str> =
            weights.keys().filter(|key| key.starts_with(UNET) && !used.contains(*key)).collect();
        strange.sort_unstable();
        match strange.first() {
            Some(first) => Err(Error::failed(format!(
                "The denoiser of this checkpoint has {} weights that {} does not have, such as {first}; Kiln cannot run it.",
                strange.len(),
                self.family.name()
            ))),
            None => Ok(module),
        }
    }

    /// Loads the autoencoder.
    ///
    /// # Errors
    /// When a weight is missing or damaged.
    pub fn load_vae(&self, init: &mut Init, weights: &Weights) -> Result<Autoencoder> {
        let levels = match &self.vae {
            AutoencoderConfig::Kl(config) => config.block_out_channels.len(),
            AutoencoderConfig::Tiny(_) => 0,
        };
        Autoencoder::load_from(init, &self.vae, weights, &|key| {
            vec![Source::Whole(format!("{VAE}{}", keys::vae(key, levels)))]
        })
    }

    /// Its parts and their sizes.
    pub fn parts(&self, weights: &Weights) -> Vec<Part> {
        let texts = self.family.texts();
        let mut named = Vec::with_capacity(texts.len() + 2);
        for (i, (kind, prefix, _)) in texts.iter().enumerate() {
            let place = if texts.len() == 1 { "" } else { ["first ", "second "][i.min(1)] };
            named.push((format!("{place}text encoder ({})", kind.name()), *prefix));
        }
        named.extend([("denoiser".into(), UNET), ("autoencoder".into(), VAE)]);
        let part = |(name, prefix): (String, &str)| Part {
            name,
            parameters: weights.parameters(prefix),
            bytes: weights.sizes(prefix).map(|(_, bytes)| bytes).sum(),
        };
        named.into_iter().map(part).collect()
    }
}

/// The type that most bytes of the file have, in words.
pub fn precision(weights: &Weights) -> String {
    let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
    for (dtype, bytes) in weights.sizes("") {
        let name = match dtype {
            Dtype::F32 => "f32".to_string(),
            Dtype::F16 => "f16".into(),
            Dtype::BF16 => "bf16".into(),
            other => format!("{other:?}").to_ascii_lowercase(),
        };
        *by_type.entry(name).or_default() += bytes;
    }
    by_type.into_iter().max_by_key(|(_, bytes)| *bytes).map_or_else(|| "none".into(), |(name, _)| name)
}

/// The family by keys; `None` for what is no checkpoint of one file.
fn recognise(name: &str, weights: &Weights) -> Result<Option<Family>> {
    let (mut unet, mut clip, mut open, mut first_clip, mut first_open, mut second_open) = Default::default();
    let mut other: Option<&str> = None;
    for key in weights.keys() {
        let begins = |prefix: &str| key.starts_with(prefix);
        unet |= begins(UNET) && key.contains("_model.input_blocks.");
        clip |= begins("cond_stage_model.transformer.");
        open |= begins("cond_stage_model.model.");
        first_clip |= begins("conditioner.embedders.0.transformer.");
        first_open |= begins("conditioner.embedders.0.model.");
        second_open |= begins("conditioner.embedders.1.model.");
        if key.contains("joint_blocks.") {
            other = Some("Stable Diffusion 3");
        } else if key.contains("double_blocks.") || key.contains("single_blocks.") {
            other = Some("a Flux model");
        } else if key.contains("edm_mean") || key.contains("edm_vpred") {
            other = other.or(Some("a model of the EDM kind"));
        } else if begins("control_model.") {
            other = other.or(Some("a ControlNet"));
        }
    }
    let cannot = |what: &str| {
        Err(Error::failed(format!(
            "{name} is {what}, which Kiln does not run; choose a Stable Diffusion 1.x, 2.x or XL checkpoint."
        )))
    };
    if let Some(other) = other {
        return cannot(other);
    }
    match (unet, second_open && first_clip, open, clip) {
        (true, true, ..) => Ok(Some(Family::Sdxl)),
        (true, _, true, _) => Ok(Some(Family::Sd2)),
        (true, _, _, true) => Ok(Some(Family::Sd1)),
        (true, ..) if first_open => cannot("the refiner of Stable Diffusion XL"),
        (true, ..) => cannot("a denoiser without its text encoder"),
        _ => Ok(None),
    }
}

/// Above this spread of one bias, the public checkpoints of the second generation predict velocity. ComfyUI decides by the
/// same weight; it is a habit of those weights, not a law.
const SPREAD_OF_V: f64 = 0.09;

/// What the denoiser predicts when nothing says so.
fn guess(family: Family, weights: &Weights) -> Result<(Predicts, String)> {
    if family != Family::Sd2 {
        return Ok((Predicts::Epsilon, format!("{} does unless its file says otherwise", family.name())));
    }
    let key = format!("{UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias");
    let ask = "if pictures are noise, write {\"prediction_type\": \"epsilon\"} or \"v_prediction\" into NAME.kiln.json beside it";
    Ok(match weights.tensor(&key)? {
        Some((_, values)) if !values.is_empty() => {
            let n = values.len() as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let spread = (values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n).sqrt();
            let predicts = if spread > SPREAD_OF_V { Predicts::V } else { Predicts::Epsilon };
            (predicts, format!("judged by its weights, as nothing says so; {ask}"))
        }
        _ => (Predicts::V, format!("assumed, as nothing says so; {ask}")),
    })
}
