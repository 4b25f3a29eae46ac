//! What decides a fine-tuning run, beside the pictures and the checkpoint.

use crate::tuning::optimizer::{OptimizerConfig, OptimizerKind};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// What is made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// The squared error of the diffusion objective.
    Mse,
    /// The same, and the difference of what the autoencoder's decoder sees in the guessed and the true latent.
    Perceptual,
    /// The same, and what a small discriminator on latents says of the guess.
    Adversarial,
}

/// How choices between two pictures teach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// Diffusion-DPO (Wallace et al. 2023, arXiv:2311.12908), with the checkpoint alone as the reference.
    Dpo {
        /// How strictly the adapter is held to the reference: the higher, the less it may move.
        beta: f32,
    },
    /// Reward-weighted regression (Lee et al. 2023, arXiv:2302.12192): what won is shown more often.
    Reward,
}

impl Preference {
    /// The strictness by which held-out choices are judged, whichever way was taught.
    pub fn beta(self) -> f32 {
        match self {
            Self::Dpo { beta } => beta,
            Self::Reward => BETA,
        }
    }
}

/// What learns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Taught {
    /// A LoRA adapter.
    #[default]
    Adapter,
    /// The vector of one new word, everything else as it is (textual inversion, Gal et al. 2022, arXiv:2208.01618).
    Word {
        /// How it is written in prompts.
        name: String,
        /// A word of the checkpoint's own, whose vector is the first value.
        initial: String,
    },
    /// All weights of the denoiser.
    Full,
}

/// Longest name of a new word, letters.
const LONGEST_WORD: usize = 64;

/// Strictness unless one is given, for squared errors that are means over a latent.
pub const BETA: f32 = 1000.0;
/// Ranks that make sense.
pub const RANKS: RangeInclusive<usize> = 1..=128;
/// Steps that one run may take.
pub const STEPS: RangeInclusive<u64> = 1..=1_000_000;
/// Checkpoints with more weights are taught picture by picture, the gradients gathered.
pub const LARGE: u64 = 200_000_000;

/// Rank for which the learning rates were measured.
const USUAL_RANK: usize = 8;

/// What a higher rank leaves of the learning rate: the sum of more columns moves the weight further, by the root of their number
/// (Kalajdzievski 2023, arXiv:2312.03732). Without it, Ember taught at rank 32 runs away after some sixty steps.
pub fn share_of_rank(rank: usize) -> f32 {
    (USUAL_RANK as f32 / rank.max(1) as f32).sqrt().min(1.0)
}

/// Settings of a run; the same settings on the same pictures and device give the same adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What learns.
    #[serde(default)]
    pub taught: Taught,
    /// Columns of the adapter's matrices.
    pub rank: usize,
    /// Steps in all; the learning rate falls over them.
    pub steps: u64,
    /// What is made small.
    pub loss: LossKind,
    /// How gradients become steps.
    pub optimizer: OptimizerKind,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Steps over which the learning rate rises.
    pub warm_up: u64,
    /// Pictures that are worked through at once.
    pub batch: usize,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Gradient checkpointing: less memory for a third more time (see [`recompute`]).
    ///
    /// [`recompute`]: crate::tuning::recompute
    #[serde(default)]
    pub checkpointing: bool,
    /// Weight decay of the matrices.
    pub weight_decay: f32,
    /// Gradients with a larger norm are scaled down to it.
    pub clip_norm: f32,
    /// Decay of the moving average of the adapter, which is what is kept; 0..1.
    pub ema: f32,
    /// Share of the adapter's ranks that each step leaves out, layer by layer (see [`Lora::dropped`]); 0..1.
    ///
    /// [`Lora::dropped`]: crate::model::lora::trainable::Lora::dropped
    #[serde(default)]
    pub rank_dropout: f32,
    /// Share of the examples whose caption is left out, so that guidance goes on working; 0..=1.
    pub caption_dropout: f32,
    /// Share of the pictures that are held out, to choose the best check by and to prove by; 0.1..=0.2 makes sense.
    pub held_out: f32,
    /// Checks without a better result after which training ends; 0 never.
    pub patience: u32,
    /// Whether pictures are also shown mirrored.
    pub flip: bool,
    /// How far brightness, contrast and saturation of additional copies are moved; 0 makes none.
    pub jitter: f32,
    /// Side of the square that pictures have as many pixels as; the checkpoint's own where it is `None`.
    #[serde(default)]
    pub resolution: Option<u32>,
    /// How choices teach, where it is they that are learnt from.
    #[serde(default)]
    pub preference: Option<Preference>,
    /// Seed of the split, the first matrices, noise and order.
    pub seed: u64,
}

impl Settings {
    /// What suits a checkpoint of so many weights and an adapter of that rank.
    pub fn suited_to(parameters: u64, optimizer: OptimizerKind, rank: usize) -> Self {
        let large = parameters > LARGE;
        let learning_rate = match (optimizer, large) {
            (OptimizerKind::Sgd, false) => 0.5,
            (OptimizerKind::Sgd, true) => 0.1,
            (_, false) => 5e-3 * share_of_rank(rank),
            (_, true) => 1e-4,
        };
        Self {
            taught: Taught::Adapter,
            rank,
            steps: 500,
            loss: LossKind::Mse,
            optimizer,
            learning_rate,
            warm_up: 20,
            batch: if large { 1 } else { 8 },
            accumulate: if large { 4 } else { 1 },
            checkpointing: large,
            weight_decay: 0.01,
            clip_norm: 1.0,
            ema: 0.99,
            rank_dropout: 0.0,
            caption_dropout: 0.1,
            held_out: 0.2,
            patience: 8,
            flip: true,
            jitter: 0.0,
            resolution: None,
            preference: None,
            seed: 0,
        }
    }

    /// The same for choices, which a lower rate teaches: a few pairs are soon known by heart. Measured with Ember and a simulated
    /// artist's 30 choices.
    pub fn taught_by(self, preference: Preference) -> Self {
        let share = match preference {
            Preference::Dpo { .. } => 0.2,
            Preference::Reward => 0.4,
        };
        Self { learning_rate: self.learning_rate * share, preference: Some(preference), ..self }
    }

    /// The same for one new word, where the numbers of the checkpoint's words have this spread. Adam moves every number by about the
    /// learning rate: a twenty-fifth of the spread a step is what diffusers' example takes for Stable Diffusion (5e-4). Nothing but
    /// the word learns, so it is never left out and never decays.
    pub fn for_word(self, name: &str, initial: &str, spread: f32) -> Self {
        let taught = Taught::Word { name: name.into(), initial: initial.into() };
        Self { taught, learning_rate: 0.04 * spread, weight_decay: 0.0, caption_dropout: 0.0, ..self }
    }

    /// The same for the whole denoiser: every weight moves, so each moves less.
    pub fn for_full(self) -> Self {
        let learning_rate = if self.optimizer == OptimizerKind::Sgd { 1e-2 } else { 1e-4 };
        Self { taught: Taught::Full, learning_rate, ..self }
    }

    /// The new word, where one learns.
    pub fn word(&self) -> Option<&str> {
        match &self.taught {
            Taught::Word { name, .. } => Some(name),
            _ => None,
        }
    }

    fn check_word(&self) -> Result<()> {
        let Some(name) = self.word() else { return Ok(()) };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "()[]{}|\\:,".contains(c);
        if name.is_empty() || name.chars().count() > LONGEST_WORD || name.contains(odd) {
            return Err(Error::usage(format!(
                "\"{name}\" cannot be a word of a prompt: write up to {LONGEST_WORD} letters without spaces, brackets, commas, colons, \
                 bars and backslashes, as in <my-fox>."
            )));
        }
        if self.preference.is_some() {
            return Err(Error::usage("Choices cannot teach a word: give pictures that show it (--images)."));
        }
        Ok(())
    }

    /// Refuses what makes no sense; the error names the value and the range.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn check(&self) -> Result<()> {
        fn within<T: PartialOrd + Display>(what: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
            if range.contains(&value) {
                return Ok(());
            }
            let (low, high) = (range.start(), range.end());
            Err(Error::usage(format!("The {what} {value} is out of range; it can be {low} to {high}.")))
        }
        self.check_word()?;
        within("rank", self.rank, RANKS)?;
        within("number of steps", self.steps, STEPS)?;
        within("learning rate", self.learning_rate, 1e-9..=10.0)?;
        if let Some(side) = self.resolution {
            within("resolution", side, 64..=2048)?;
        }
        within("batch", self.batch, 1..=256)?;
        within("number of batches a step", self.accumulate, 1..=1024)?;
        within("weight decay", self.weight_decay, 0.0..=1.0)?;
        within("share of ranks left out", self.rank_dropout, 0.0..=0.9)?;
        within("share of captions left out", self.caption_dropout, 0.0..=1.0)?;
        if let Some(preference) = self.preference {
            within("beta", preference.beta(), 1.0..=1e6)?;
            if self.loss != LossKind::Mse && preference != Preference::Reward {
                return Err(Error::usage(
                    "Choices teach by the squared error alone: leave --loss out, or use --preference reward.",
                ));
            }
        }
        within("share held out", self.held_out, 0.0..=0.5)?;
        within("colour jitter", self.jitter, 0.0..=0.5)
    }

    /// As the optimiser takes them.
    pub fn optimizer_config(&self) -> OptimizerConfig {
        OptimizerConfig {
            kind: self.optimizer,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            ema: self.ema,
        }
    }

    /// Whether a run with these settings may go on from a state of `other`: all but its length and its patience are alike.
    pub fn continues(&self, other: &Self) -> bool {
        let alike = |s: &Self| Self { steps: 0, patience: 0, ..s.clone() };
        alike(self) == alike(other)
    }
}
