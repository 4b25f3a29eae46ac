//! A Recipe in, a Picture out: the one pipeline, for every checkpoint.

mod adapters;
mod blueprint;
mod conditioning;
pub mod device;
mod embeddings;
pub mod extras;
mod generate;
mod guidance;
mod load;
mod looks;
pub mod mix;
mod parts;
mod pixels;
mod projection;
pub mod prompt;
mod source;
mod steps;
pub mod styles;
mod tiny;
mod upscale;

pub use adapters::{Adapted, locate_adapter};
pub use embeddings::locate_embedding;
pub use load::{hash_file, locate_model};
pub use source::{open_mask, open_picture};

use crate::model::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::model::unet::{Unet, UnetConfig};
use crate::recipe::Recipe;
use crate::sampler::SamplerKind;
use crate::sampler::schedule::SchedulerConfig;
use burn::tensor::Device;
use conditioning::{Encoded, TextEncoder};
use extras::Extras;
use looks::Looks;
pub(crate) use pixels::values;
pub(crate) use projection::LeastSquares;
use serde::{Deserialize, Serialize};
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

/// A slider that a checkpoint understands: an input of the model, not an after-effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliderSpec {
    /// Name in Recipes and on the command line, e.g. `warmth` or `family:marbling`.
    pub name: String,
    /// What the studio writes beside it.
    pub label: String,
    /// `attribute` (one control) or `family` (a share of the mix of families).
    pub group: String,
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Where the handle rests when the person first touches it; an untouched slider is absent from the Recipe.
    pub neutral: f32,
    /// One sentence for the tooltip.
    pub help: String,
    /// Phrases that name it in a prompt, the plainest first; of families only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What an attribute's ends are to the model, which learnt from -1..=1: above 1 where only more than it saw brings pictures to the
    /// ends.
    #[serde(default = "usual_reach")]
    pub reach: f32,
}

impl SliderSpec {
    /// One from 0 to 1 that is called so, for tests.
    #[cfg(test)]
    pub(crate) fn plain(name: &str, group: &str) -> Self {
        Self {
            name: name.into(),
            label: name.into(),
            group: group.into(),
            min: 0.0,
            max: 1.0,
            neutral: 0.5,
            help: String::new(),
            words: Vec::new(),
            reach: 1.0,
        }
    }
}

fn usual_reach() -> f32 {
    1.0
}

/// What the studio and the command line need to know of a loaded checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// `ember`, or the folder's or file's name.
    pub name: String,
    /// Folder or file it came from.
    pub path: PathBuf,
    /// SHA-256 of all weight files, hexadecimal.
    pub hash: String,
    /// One line: what it is.
    pub summary: String,
    /// Sliders, in display order.
    pub sliders: Vec<SliderSpec>,
    /// Words that the model was trained on, sorted; empty when any word goes.
    pub vocabulary: Vec<String>,
    /// Width and height that it was trained for, pixels.
    pub native_size: u32,
    /// Sides must be multiples of this.
    pub size_multiple: u32,
    /// Recommended Recipe: steps, guidance, sampler.
    pub defaults: Recipe,
    /// Number of weights.
    pub parameters: u64,
    /// Whether it predicts a flow, which not every sampler can follow.
    pub flow: bool,
    /// Layers of its text encoder: the largest clip skip.
    pub text_layers: u32,
    /// Numbers in a word's vector, of each text encoder: what a learnt word has to have.
    pub text_widths: Vec<usize>,
    /// The root of the mean square of the numbers in the first one's vectors: how large a step on one of them is small.
    pub word_spread: f32,
}

impl ModelInfo {
    /// A model without sliders and words, for tests.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self {
            name: "m".into(),
            path: "m".into(),
            hash: String::new(),
            summary: String::new(),
            sliders: Vec::new(),
            vocabulary: Vec::new(),
            native_size: 256,
            size_multiple: 32,
            defaults: Recipe::default(),
            parameters: 0,
            flow: true,
            text_layers: 2,
            text_widths: vec![4],
            word_spread: 1.0,
        }
    }

    /// Whether a sampler can be used with it.
    pub fn takes(&self, sampler: SamplerKind) -> bool {
        !self.flow || sampler.method.follows_flow()
    }

    /// Whether it was trained on all these words; one without a vocabulary takes any.
    pub fn knows(&self, phrase: &str) -> bool {
        self.vocabulary.is_empty() || words(phrase).iter().all(|w| self.vocabulary.binary_search(w).is_ok())
    }
}

/// The words of a text, in lower case.
pub fn words(text: &str) -> Vec<String> {
    each_word(text).collect()
}

fn each_word(text: &str) -> impl Iterator<Item = String> {
    spans(text).map(|span| text[span].to_lowercase())
}

/// Where the words of a text stand in it, in bytes.
fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let apart = |c: char| !c.is_alphanumeric();
    let mut next = 0;
    text.split_inclusive(apart).filter_map(move |piece| {
        let (start, word) = (next, piece.trim_end_matches(apart));
        next += piece.len();
        (!word.is_empty()).then(|| start..start + word.len())
    })
}

/// A small RGB picture made on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// RGB8 rows from the top.
    pub rgb: Vec<u8>,
}

/// Told after every sampling step.
#[derive(Clone, Copy)]
pub struct StepReport<'a> {
    /// Steps done, 1..=steps.
    pub step: u32,
    /// Steps in all (after `denoising_strength`).
    pub steps: u32,
    /// The pictures that took this step together: the first one's number in what was asked for, and the one after the last.
    pictures: (usize, usize),
    look: &'a dyn Fn(usize) -> Option<PreviewImage>,
}

/// What is told of every step; [`ControlFlow::Break`] cancels.
pub type Observer<'a> = &'a mut dyn FnMut(StepReport) -> ControlFlow<()>;

impl StepReport<'_> {
    /// The pictures that took this step together, by their numbers in what was asked for.
    pub fn pictures(&self) -> Range<usize> {
        self.pictures.0..self.pictures.1
    }

    /// What the model believes one of its [`pictures`](Self::pictures) will look like, made now: as large as the picture (up to a
    /// million pixels) where there is a tiny decoder for it, else at latent resolution. `None` where nothing new is to be
    /// seen, or seeing it would hold the work up.
    pub fn preview(&self, picture: usize) -> Option<PreviewImage> {
        (self.look)(picture)
    }
}

/// A loaded checkpoint, ready to generate. A clone shares the weights.
#[derive(Clone)]
pub struct Pipeline {
    info: ModelInfo,
    extras: Extras,
    text: TextEncoder,
    /// SDXL's second.
    text2: Option<TextEncoder>,
    /// Whether an empty negative prompt is heard as silence.
    zero_empty: bool,
    unet: Unet,
    unet_config: UnetConfig,
    vae: Arc<Autoencoder>,
    vae_config: AutoencoderConfig,
    scheduler: SchedulerConfig,
    device: Device,
    /// Prompts and their encodings, the last used last.
    encodings: Arc<Mutex<Vec<(String, Encoded)>>>,
    /// How unfinished pictures are shown; made at the first look.
    looks: Arc<OnceLock<Looks>>,
    /// Adapters that were read, and the last set that was applied.
    adapters: Arc<Mutex<adapters::Shelf>>,
}

impl Pipeline {
    /// What was loaded.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
}
