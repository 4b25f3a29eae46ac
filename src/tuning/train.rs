//! `kiln train`: Ember from nothing, in two stages, resumable.

use super::{autoencoder, denoiser};
use crate::{Error, Result};
use burn::tensor::Device;
use std::path::PathBuf;
use std::time::Instant;

/// Which part is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Pictures to latents and back.
    Autoencoder,
    /// Words and sliders to latents; needs a trained autoencoder in the same folder.
    Denoiser,
    /// Both, one after the other; each gets half of the minutes.
    All,
}

/// What `kiln train` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which part.
    pub stage: Stage,
    /// Where checkpoint, state and sheets go.
    pub out: PathBuf,
    /// Stop after so many minutes.
    pub minutes: Option<f64>,
    /// Stop after so many steps in all, those of earlier runs included.
    pub steps: Option<u64>,
    /// Pictures a step.
    pub batch: Option<usize>,
    /// Go on where an earlier run stopped.
    pub resume: bool,
    /// Where to compute.
    pub device: Device,
    /// Object pictures for the scenes.
    pub objects: Option<PathBuf>,
    /// Seed of the corpus and of the first weights.
    pub seed: u64,
    /// Peak learning rate; each stage has its own default.
    pub learning_rate: Option<f32>,
}

/// Told now and then while training runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// `autoencoder`, `latents` or `denoiser`.
    pub stage: &'static str,
    /// Steps done.
    pub step: u64,
    /// Mean loss since the last report.
    pub loss: f32,
    /// Another number worth watching, with its name.
    pub extra: Option<(&'static str, f32)>,
    /// Pictures a second since the last report.
    pub speed: f32,
    /// 0..=1 of this stage.
    pub done: f32,
    /// Seconds left, as far as can be told.
    pub seconds_left: f32,
}

/// Hears progress; answers false to stop (everything done so far is saved).
pub type Observe<'a> = &'a mut dyn FnMut(Progress) -> bool;

/// How long a stage may run.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    start: Instant,
    minutes: Option<f64>,
    steps: Option<u64>,
}

impl Budget {
    /// From now on.
    pub fn new(minutes: Option<f64>, steps: Option<u64>) -> Self {
        Self { start: Instant::now(), minutes, steps }
    }

    /// 0..=1 after `step` steps: whichever limit is nearer.
    pub fn done(&self, step: u64) -> f32 {
        let by_time = self.minutes.map_or(0.0, |m| self.start.elapsed().as_secs_f64() / (60.0 * m.max(1e-6)));
        let by_steps = self.steps.map_or(0.0, |s| step as f64 / s.max(1) as f64);
        by_time.max(by_steps).min(1.0) as f32
    }

    /// Seconds left at the pace so far.
    pub fn seconds_left(&self, done: f32, done_at_start: f32) -> f32 {
        let made = (done - done_at_start).max(1e-6);
        self.start.elapsed().as_secs_f32() * (1.0 - done) / made
    }
}

/// Peak learning rate, warm-up over the first 200 steps, constant, and a linear end over the last fifth.
pub fn schedule(peak: f32, step: u64, done: f32) -> f32 {
    let warm = ((step + 1) as f32 / 200.0).min(1.0);
    let end = ((1.0 - done) / 0.2).clamp(0.02, 1.0);
    peak * warm * end
}

/// Trains what `options` asks for.
///
/// # Errors
/// When a folder cannot be written, a state does not fit, or the denoiser has no autoencoder to work with.
pub fn run(options: &Options, observe: Observe) -> Result<()> {
    std::fs::create_dir_all(options.out.join("sheets")).map_err(|e| Error::io("create", &options.out, e))?;
    match options.stage {
        Stage::Autoencoder => autoencoder::train(options, observe),
        Stage::Denoiser => denoiser::train(options, observe),
        Stage::All => {
            let half = Options { minutes: options.minutes.map(|m| m / 2.0), ..options.clone() };
            autoencoder::train(&half, observe)?;
            denoiser::train(&half, observe)
        }
    }
}
