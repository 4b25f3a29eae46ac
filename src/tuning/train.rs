//! `kiln train`: Ember from nothing, in stages, resumable.

use super::{autoencoder, denoiser, words};
use crate::corpus::rng::Rng;
use crate::kernels::cpu::half::HalfProducts;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Which part is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Pictures to latents and back.
    Autoencoder,
    /// Only the way back from latents, with the encoder as it is: better pictures from the same latents, so that a denoiser
    /// trained on them goes on fitting. Needs a trained autoencoder in the same folder.
    Decoder,
    /// Captions to what they say: the text encoder that the denoiser reads.
    Words,
    /// Words and sliders to latents; needs a trained autoencoder in the same folder.
    Denoiser,
    /// Autoencoder, words and denoiser, one after the other, in 45, 10 and 45 % of the minutes.
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
    /// Minutes that the denoiser first spends on latents of half the side, four times as many a step.
    pub coarse_minutes: f64,
    /// Go on where an earlier run stopped.
    pub resume: bool,
    /// A checkpoint folder whose weights are the first ones; a state to go on from comes before it.
    pub from: Option<PathBuf>,
    /// Where to compute.
    pub device: Device,
    /// Object pictures for the scenes.
    pub objects: Option<PathBuf>,
    /// Seed of the corpus and of the first weights.
    pub seed: u64,
    /// Peak learning rate; each stage has its own default.
    pub learning_rate: Option<f32>,
    /// Asked before every step: true ends the training; everything done so far is saved.
    pub stop: fn() -> bool,
}

/// Told now and then while training runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// `autoencoder`, `words`, `latents` or `denoiser`.
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
    /// Seconds left, once it can be told.
    pub seconds_left: Option<f32>,
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

    /// Seconds left at the pace so far, at most what is left of the minutes; none while neither is known.
    pub fn seconds_left(&self, done: f32, done_at_start: f32) -> Option<f32> {
        let elapsed = self.start.elapsed().as_secs_f32();
        let made = done - done_at_start;
        let by_pace = (made > 1e-3).then(|| elapsed * (1.0 - done) / made);
        let by_clock = self.minutes.map(|m| (60.0 * m as f32 - elapsed).max(0.0));
        by_pace.into_iter().chain(by_clock).min_by(f32::total_cmp)
    }
}

/// Tells of a stage's steps, now and then.
pub(super) struct Reports {
    stage: &'static str,
    /// Seconds between two of them.
    every: f32,
    budget: Budget,
    done_at_start: f32,
    since: Instant,
    losses: Vec<f32>,
    pictures: usize,
}

impl Reports {
    pub fn new(stage: &'static str, every: f32, budget: Budget, first_step: u64) -> Self {
        let done_at_start = budget.done(first_step);
        Self { stage, every, budget, done_at_start, since: Instant::now(), losses: Vec::new(), pictures: 0 }
    }

    /// Takes a step of so many pictures in; `step` counts it. Reports when it is time, with what `extra` says; false when
    /// whoever hears it wants no more.
    pub fn step(
        &mut self,
        (step, done): (u64, f32),
        (loss, pictures): (f32, usize),
        extra: impl FnOnce() -> Option<(&'static str, f32)>,
        observe: &mut dyn FnMut(Progress) -> bool,
    ) -> bool {
        self.losses.push(loss);
        self.pictures += pictures;
        let seconds = self.since.elapsed().as_secs_f32();
        if seconds <= self.every && step > 1 {
            return true;
        }
        let progress = Progress {
            stage: self.stage,
            step,
            loss: self.losses.iter().sum::<f32>() / self.losses.len() as f32,
            extra: extra(),
            speed: self.pictures as f32 / seconds.max(1e-3),
            done,
            seconds_left: self.budget.seconds_left(done, self.done_at_start),
        };
        self.losses.clear();
        self.pictures = 0;
        self.since = Instant::now();
        observe(progress)
    }
}

/// The number of a loss.
///
/// # Errors
/// When the device does not answer any more.
pub(super) fn read_loss(loss: Tensor<1>) -> Result<f32> {
    loss.try_into_scalar().map_err(|e| {
        Error::failed(format!(
            "The device stopped answering ({e:?}). What was saved last is kept: start again with --resume, and with a smaller --batch \
             if its memory was full."
        ))
    })
}

/// Peak learning rate, warm-up over the first 200 steps, constant, and a linear end over the last fifth.
pub fn schedule(peak: f32, step: u64, done: f32) -> f32 {
    let warm = ((step + 1) as f32 / 200.0).min(1.0);
    let end = ((1.0 - done) / 0.2).clamp(0.02, 1.0);
    peak * warm * end
}

/// A time to train a flow at, 0..1: mostly in the middle and shifted towards noise, where composition is decided and few-step
/// sampling spends its steps (Esser et al. 2024, arXiv:2403.03206: logit-normal time).
pub fn flow_time(rng: &mut Rng) -> f32 {
    if rng.chance(0.15) { rng.unit() } else { 1.0 / (1.0 + (-(0.3 + 1.1 * rng.normal())).exp()) }
}

/// Trains what `options` asks for.
///
/// # Errors
/// When a folder cannot be written, a state does not fit, or the denoiser has no autoencoder to work with.
pub fn run(options: &Options, observe: Observe) -> Result<()> {
    let _half = HalfProducts::allow();
    std::fs::create_dir_all(options.out.join("sheets")).map_err(|e| Error::io("create", &options.out, e))?;
    if let (Some(from), Stage::Decoder | Stage::Denoiser) = (&options.from, options.stage) {
        take_autoencoder(from, &options.out)?;
    }
    match options.stage {
        Stage::Autoencoder | Stage::Decoder => autoencoder::train(options, observe),
        Stage::Words => words::train(options, observe),
        Stage::Denoiser => denoiser::train(options, observe),
        Stage::All => {
            let share = |part: f64| Options { minutes: options.minutes.map(|m| m * part), ..options.clone() };
            autoencoder::train(&share(0.45), observe)?;
            words::train(&share(0.1), observe)?;
            denoiser::train(&share(0.45), observe)
        }
    }
}

/// Copies the autoencoder of a checkpoint into a training folder that has none.
fn take_autoencoder(from: &Path, out: &Path) -> Result<()> {
    let (from, out) = (from.join("vae"), out.join("vae"));
    let name = "diffusion_pytorch_model.safetensors";
    if out.join(name).is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(&out).map_err(|e| Error::io("create", &out, e))?;
    for name in ["config.json", name] {
        std::fs::copy(from.join(name), out.join(name)).map_err(|e| Error::io("copy", &from.join(name), e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_said_only_when_it_is_known() {
        let by_steps = Budget::new(None, Some(100_000));
        assert_eq!(by_steps.seconds_left(by_steps.done(1), 0.0), None);
        let by_minutes = Budget::new(Some(10.0), None);
        let left = by_minutes.seconds_left(by_minutes.done(1), 0.0).unwrap();
        assert!((590.0..=600.0).contains(&left), "{left}");
        // The pace says an hour and more, the clock says less.
        let both =
            Budget { start: Instant::now() - std::time::Duration::from_secs(60), ..Budget::new(Some(10.0), Some(1)) };
        let left = both.seconds_left(0.01, 0.0).unwrap();
        assert!((530.0..=540.0).contains(&left), "{left}");
    }
}
