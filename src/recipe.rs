//! The Recipe: everything that decides a picture, as plain data. Knows nothing of tensors, files or windows.

use crate::{Error, Result};
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

impl AdapterRef {
    /// Reads `PATH` or `PATH:WEIGHT`; the weight is 1 where none is given. A path may hold colons of its own.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, weight) = match text.rsplit_once(':').map(|(name, weight)| (name, weight.trim().parse::<f32>())) {
            Some((name, Ok(weight))) => (name, weight),
            _ => (text, 1.0),
        };
        if name.trim().is_empty() || !weight.is_finite() {
            return Err(Error::usage(format!(
                "\"{text}\" names no adapter: write PATH or PATH:WEIGHT, as in ink.safetensors:0.8."
            )));
        }
        Ok(Self { name: name.into(), hash: String::new(), weight })
    }
}

/// A word that was learnt besides the checkpoint's own (textual inversion), which a prompt may name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingRef {
    /// Path of its file.
    pub name: String,
    /// SHA-256 of the file, in hexadecimal.
    #[serde(default)]
    pub hash: String,
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

/// Where a source picture may change (inpainting).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskRef {
    /// Where the mask lay: white may change, black stays.
    pub path: String,
    /// SHA-256 of its file.
    #[serde(default)]
    pub hash: String,
    /// Whether what is not masked is the source's own pixels, rather than what the decoder makes of them.
    #[serde(default = "yes")]
    pub keep_outside: bool,
}

fn yes() -> bool {
    true
}

/// How much of the picture lies outside its source, side by side, in pixels (outpainting).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outpaint {
    /// New columns on the left.
    pub left: u32,
    /// New rows at the top.
    pub top: u32,
    /// New columns on the right.
    pub right: u32,
    /// New rows at the bottom.
    pub bottom: u32,
}

impl Outpaint {
    /// The same, each side rounded up to a multiple of `multiple`.
    pub fn rounded_up(self, multiple: u32) -> Self {
        let up = |v: u32| v.div_ceil(multiple.max(1)).saturating_mul(multiple.max(1));
        Self { left: up(self.left), top: up(self.top), right: up(self.right), bottom: up(self.bottom) }
    }

    /// Whether no side grows.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What is left of a picture of this size for the source: width and height.
    ///
    /// # Errors
    /// A usage error when nothing is left.
    pub fn inner(self, width: u32, height: u32) -> Result<(u32, u32)> {
        let left = |side: u32, a: u32, b: u32| side.checked_sub(a.checked_add(b)?).filter(|v| *v > 0);
        left(width, self.left, self.right).zip(left(height, self.top, self.bottom)).ok_or_else(|| {
            Error::usage(format!(
                "The new margins leave nothing of {width} x {height} pixels for the source: make them smaller or the \
                 picture larger."
            ))
        })
    }
}

impl std::str::FromStr for Outpaint {
    type Err = Error;
    /// Reads `L,T,R,B`.
    fn from_str(text: &str) -> Result<Self> {
        let sides: Option<Vec<u32>> =
            text.split(',').map(|v| v.trim().parse().ok().filter(|v| SIDE_RANGE.end() >= v)).collect();
        match sides.as_deref() {
            Some(&[left, top, right, bottom]) => Ok(Self { left, top, right, bottom }),
            _ => Err(Error::usage(format!(
                "New margins of \"{text}\" cannot be read: write LEFT,TOP,RIGHT,BOTTOM in pixels, for example 0,0,128,0."
            ))),
        }
    }
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
    /// Learnt words that the prompts may name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<EmbeddingRef>,
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
    /// Sampler name, as `crate::sampler::SamplerKind` spells it (`euler`, `heun`, `dpmpp_2m_karras`).
    pub sampler: String,
    /// Slider values by name; a slider that is absent is left to the model.
    #[serde(default)]
    pub sliders: BTreeMap<String, f32>,
    /// Source picture, for image-to-image.
    #[serde(default)]
    pub source: Option<SourceRef>,
    /// Where the source may change; everywhere if absent.
    #[serde(default)]
    pub mask: Option<MaskRef>,
    /// Sides on which the picture goes beyond its source; width and height count them in.
    #[serde(default)]
    pub outpaint: Option<Outpaint>,
    /// Which layer of the text encoder is heard, from its end: 1 is the last, 2 the one before.
    #[serde(default = "one")]
    pub clip_skip: u32,
    /// How far guidance is brought back to the spread of the prompt's own prediction, 0..=1 (Lin et al. 2023).
    #[serde(default)]
    pub cfg_rescale: f32,
    /// Share of the steps, from the first, that guidance leaves alone, 0..=1: where all is noise it takes variety and colour from
    /// pictures (Kynkäänniemi et al. 2024, arXiv:2404.07724). Counted as AUTOMATIC1111 does. A checkpoint that says what things are
    /// (as Ember does) is guided there towards the things that the prompt names, and away from nothing else.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_early_cfg: f32,
    /// A second seed, towards which the starting noise is turned.
    #[serde(default)]
    pub variation: Option<Variation>,
    /// Whether the edges meet, so that the picture can be laid side by side with itself.
    #[serde(default)]
    pub seamless: bool,
    /// Draws a smaller picture first, which is enlarged and worked over at the full size.
    #[serde(default)]
    pub first_pass: Option<FirstPass>,
}

/// The first of two passes: composition at a size that the checkpoint was trained for, then detail at the picture's own (the
/// field's high-resolution fix).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstPass {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How far the second pass goes from the enlarged first: 0 keeps it, 1 ignores it.
    pub denoising_strength: f32,
    /// How the first is enlarged.
    #[serde(default, skip_serializing_if = "Upscaler::is_default")]
    pub upscaler: Upscaler,
}

/// How a first pass is enlarged for the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upscaler {
    /// Its pixels, by Lanczos' filter: the cleanest start.
    #[default]
    Lanczos,
    /// Its latent, each place repeated.
    LatentNearest,
    /// Its latent, between neighbours: soft, and quick, as nothing is decoded in between. Wants a strength of half or more.
    LatentBilinear,
    /// Its latent, along curves through neighbours.
    LatentBicubic,
}

impl Upscaler {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lanczos, Self::LatentNearest, Self::LatentBilinear, Self::LatentBicubic];

    /// The name in Recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lanczos => "lanczos",
            Self::LatentNearest => "latent_nearest",
            Self::LatentBilinear => "latent_bilinear",
            Self::LatentBicubic => "latent_bicubic",
        }
    }

    /// The name that people read, which is AUTOMATIC1111's.
    pub fn label(self) -> &'static str {
        match self {
            Self::Lanczos => "Lanczos",
            Self::LatentNearest => "Latent (nearest)",
            Self::LatentBilinear => "Latent",
            Self::LatentBicubic => "Latent (bicubic)",
        }
    }

    /// The nearest to what another program calls an upscaler; what it does with pixels is done by [`Upscaler::Lanczos`].
    pub fn from_label(label: &str) -> Self {
        let label = label.trim().to_lowercase();
        match label.strip_prefix("latent") {
            None => Self::Lanczos,
            Some(kind) if kind.contains("nearest") => Self::LatentNearest,
            Some(kind) if kind.contains("bicubic") => Self::LatentBicubic,
            Some(_) => Self::LatentBilinear,
        }
    }

    /// Whether the latent is enlarged, not its pixels.
    pub fn is_latent(self) -> bool {
        self != Self::Lanczos
    }

    /// Whether it is what nobody has to say.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for Upscaler {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(format!("There is no upscaler \"{name}\"; the upscalers are {names}."))
        })
    }
}

/// A second noise and how near to it the first is turned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Variation {
    /// Its seed.
    pub subseed: u64,
    /// 0 = the first noise, 1 = the second.
    pub strength: f32,
}

fn one() -> u32 {
    1
}

/// So that pictures of before keep their bytes.
fn is_zero(share: &f32) -> bool {
    *share == 0.0
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
            embeddings: Vec::new(),
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
            mask: None,
            outpaint: None,
            clip_skip: 1,
            cfg_rescale: 0.0,
            skip_early_cfg: 0.0,
            variation: None,
            seamless: false,
            first_pass: None,
        }
    }
}

/// How far a second pass goes where nobody said: enough for new detail, and the composition stays.
pub const ENLARGE_STRENGTH: f32 = 0.5;
/// Factors by which a first pass may be enlarged.
pub const ENLARGE_RANGE: std::ops::RangeInclusive<f32> = 1.0..=8.0;
/// Guidance scales that a Recipe may ask for.
pub const CFG_RANGE: std::ops::RangeInclusive<f32> = 0.0..=50.0;
/// Clip skips that a Recipe may ask for.
pub const CLIP_SKIP_RANGE: std::ops::RangeInclusive<u32> = 1..=12;
/// Longest prompt, in characters.
pub const MAX_PROMPT: usize = 10_000;

impl Recipe {
    /// The same Recipe with another seed.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// Width and height of what is drawn from noise: the first pass, or the picture itself.
    pub fn first_size(&self) -> (u32, u32) {
        self.first_pass.map_or((self.width, self.height), |first| (first.width, first.height))
    }

    /// How many of `steps` sampling steps are taken: all without a source, else the share that its strength says. The
    /// strength counts as it was written (0.7 of 10 is 7), which no binary fraction does by itself.
    pub fn steps_taken(&self, steps: usize) -> usize {
        let Some(source) = &self.source else { return steps };
        let strength: f64 = source.denoising_strength.to_string().parse().unwrap_or(0.0);
        ((steps as f64 * strength) as usize).min(steps)
    }

    /// The Recipe as one line of JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON; no Recipe that [`Recipe::check_ranges`] accepts fails.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::failed(format!("The recipe could not be written as JSON: {e}.")))
    }

    /// Reads what [`Recipe::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is not JSON, lacks a field that decides the picture, or was written by a newer Kiln.
    pub fn from_json(text: &str) -> Result<Self> {
        let recipe: Self = serde_json::from_str(text)
            .map_err(|e| Error::failed(format!("The recipe in this picture cannot be read: {e}.")))?;
        if recipe.version > Self::default().version {
            return Err(Error::failed(format!(
                "The recipe has version {}, and this Kiln reads up to {}: open it with a newer Kiln.",
                recipe.version,
                Self::default().version
            )));
        }
        Ok(recipe)
    }

    /// Checks what holds for every checkpoint: a prompt, finite numbers, sizes and steps within range. What depends on
    /// the checkpoint (sliders, samplers, multiples of the size) is for `crate::pipeline::Pipeline::check`.
    ///
    /// # Errors
    /// A usage error that names the value and what is allowed.
    pub fn check_ranges(&self) -> Result<()> {
        if self.prompt.trim().is_empty() {
            return Err(Error::usage("The prompt is empty: say in a few words what to draw."));
        }
        for (name, text) in [("prompt", &self.prompt), ("negative prompt", &self.negative_prompt)] {
            let length = text.chars().count();
            if length > MAX_PROMPT {
                return Err(Error::usage(format!("The {name} has {length} characters: use at most {MAX_PROMPT}.")));
            }
        }
        for (name, side) in [("width", self.width), ("height", self.height)] {
            if !SIDE_RANGE.contains(&side) {
                return Err(Error::usage(format!(
                    "The {name} {side} is out of range: use {} to {} pixels.",
                    SIDE_RANGE.start(),
                    SIDE_RANGE.end()
                )));
            }
        }
        if !STEP_RANGE.contains(&self.steps) {
            return Err(Error::usage(format!(
                "{} steps are out of range: use {} to {}.",
                self.steps,
                STEP_RANGE.start(),
                STEP_RANGE.end()
            )));
        }
        if !CFG_RANGE.contains(&self.cfg_scale) {
            return Err(Error::usage(format!(
                "The guidance scale {} is out of range: use {} to {} (1 is off).",
                self.cfg_scale,
                CFG_RANGE.start(),
                CFG_RANGE.end()
            )));
        }
        if !CLIP_SKIP_RANGE.contains(&self.clip_skip) {
            return Err(Error::usage(format!(
                "The clip skip {} is out of range: use {} (the text encoder's last layer) to {}.",
                self.clip_skip,
                CLIP_SKIP_RANGE.start(),
                CLIP_SKIP_RANGE.end()
            )));
        }
        if let Some((name, value)) = self.sliders.iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::usage(format!("The slider {name} has the value {value}: use a number.")));
        }
        if let Some(source) = &self.source
            && !(0.0..=1.0).contains(&source.denoising_strength)
        {
            return Err(Error::usage(format!(
                "The strength {} is out of range: use 0 (keep the picture) to 1 (ignore it).",
                source.denoising_strength
            )));
        }
        self.check_additions()
    }

    /// The part of [`Recipe::check_ranges`] that concerns what a Recipe may have besides: shares, and what needs a source.
    ///
    /// # Errors
    /// As there.
    pub fn check_additions(&self) -> Result<()> {
        let variation = self.variation.map_or(0.0, |v| v.strength);
        let shares = [
            ("guidance rescale", self.cfg_rescale),
            ("share of steps without guidance", self.skip_early_cfg),
            ("sub-seed strength", variation),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::usage(format!("The {name} {share} is out of range: use 0 (off) to 1.")));
            }
        }
        if let Some(first) = &self.first_pass {
            if !(0.0..=1.0).contains(&first.denoising_strength) {
                return Err(Error::usage(format!(
                    "The strength {} of the second pass is out of range: use 0 (only enlarge) to 1 (draw anew).",
                    first.denoising_strength
                )));
            }
            if self.source.is_some() {
                return Err(Error::usage(
                    "A picture to start from takes the place of a first pass: leave one of the two out.",
                ));
            }
            let sides = [(first.width, self.width), (first.height, self.height)];
            if let Some((first, whole)) = sides.iter().find(|(f, w)| f > w || !SIDE_RANGE.contains(f)) {
                return Err(Error::usage(format!(
                    "A first pass of {first} pixels does not fit a picture of {whole}: it has at least {} and no more than \
                     the picture.",
                    SIDE_RANGE.start()
                )));
            }
        }
        if self.source.is_none() && (self.mask.is_some() || self.outpaint.is_some()) {
            return Err(Error::usage(
                "A mask or new margins need a picture to start from: choose one, or leave them out.",
            ));
        }
        self.outpaint.map_or(Ok(()), |margins| margins.inner(self.width, self.height).map(|_| ()))
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
