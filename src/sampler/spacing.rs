//! Where a solver stops on its way from noise: the noise levels of one run and the time steps that belong to them.

use super::schedule::{Prediction, SchedulerConfig, interpolate, karras, sigma_to_timestep, sigmas};
use crate::Result;

/// How the noise levels of a run are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// As the checkpoint's scheduler configuration says.
    Checkpoint,
    /// The levels of Karras et al. 2022 (arXiv:2206.00364).
    Karras,
    /// Evenly in the logarithm of the noise level.
    Exponential,
    /// Evenly in time from the last time step, one step more than is made; the one left out ends at no noise.
    SgmUniform,
    /// Evenly in time, counted from the end of the schedule (Lin et al. 2023, arXiv:2305.08891).
    Trailing,
}

impl Spacing {
    /// The configuration with this spacing in place of its own.
    pub fn apply(self, config: &SchedulerConfig) -> SchedulerConfig {
        let mut config = config.clone();
        if self != Self::Checkpoint {
            config.use_karras_sigmas = self == Self::Karras;
            config.use_exponential_sigmas = self == Self::Exponential;
        }
        match self {
            Self::SgmUniform => config.timestep_spacing = Some("sgm_uniform".into()),
            Self::Trailing => config.timestep_spacing = Some("trailing".into()),
            _ => {}
        }
        config
    }
}

/// Which of diffusers' two habits a solver follows; they differ in where the steps of one configuration fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Samples whose noise has standard deviation sigma; other levels lie between those of the first and last time step.
    Variance,
    /// Samples of constant variance, whole time steps; other levels lie between those of the whole training schedule.
    Whole,
}

/// What a clean latent becomes noisy with: `(signal, noise)` shares of a flow, or of constant variance.
pub fn shares(prediction: Prediction, sigma: f64) -> (f64, f64) {
    if prediction == Prediction::Flow {
        (1.0 - sigma, sigma)
    } else {
        let alpha = 1.0 / (1.0 + sigma * sigma).sqrt();
        (alpha, sigma * alpha)
    }
}

/// The clean value and the noise that an output points to, at these shares of signal and noise.
pub fn parts(prediction: Prediction, (signal, noise): (f64, f64), sample: f64, output: f64) -> (f64, f64) {
    match prediction {
        Prediction::Epsilon => ((sample - noise * output) / signal, output),
        Prediction::V => (signal * sample - noise * output, signal * output + noise * sample),
        Prediction::Flow => (sample - noise * output, sample + signal * output),
    }
}

/// The clean latent of [`parts`].
pub fn clean(prediction: Prediction, shares: (f64, f64), sample: &[f32], output: &[f32]) -> Vec<f32> {
    let one = |(x, o): (&f32, &f32)| parts(prediction, shares, f64::from(*x), f64::from(*o)).0 as f32;
    sample.iter().zip(output).map(one).collect()
}

/// The levels of one run.
pub struct Ladder {
    /// What the denoiser is told, one a step.
    pub timesteps: Vec<f64>,
    /// Noise levels, one more than steps: the last is 0.
    pub sigmas: Vec<f64>,
    /// What the denoiser predicts.
    pub prediction: Prediction,
    /// The levels of training.
    all: Vec<f64>,
    /// Whether the first step is at the end of the schedule.
    at_end: bool,
}

impl Ladder {
    /// For `steps` steps on a schedule of diffusion.
    pub fn new(config: &SchedulerConfig, steps: usize, habit: Habit) -> Result<Self> {
        config.check()?;
        let all = sigmas(&config.alphas_cumprod(Some(2f64.powi(-24))));
        let mut timesteps = match habit {
            Habit::Variance => config.timesteps(steps, "linspace"),
            Habit::Whole => spaced(config, steps),
        };
        let mut levels: Vec<f64> = timesteps.iter().map(|t| interpolate(&all, *t)).collect();
        if config.use_karras_sigmas || config.use_exponential_sigmas {
            let (low, high) = match habit {
                Habit::Variance => (levels[steps - 1], levels[0]),
                Habit::Whole => (all[0], all[all.len() - 1]),
            };
            levels = if config.use_karras_sigmas { karras(low, high, steps) } else { exponential(low, high, steps) };
            timesteps = levels.iter().map(|s| sigma_to_timestep(*s, &all)).collect();
            if habit == Habit::Whole {
                // diffusers cuts off where it does not round, so that the last bit of a logarithm decides between two.
                timesteps.iter_mut().for_each(|t| *t = t.round_ties_even());
            }
        }
        levels.push(0.0);
        let at_end = config.starts_at_end("linspace");
        Ok(Self { timesteps, sigmas: levels, prediction: config.prediction(), all, at_end })
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.timesteps.len()
    }

    /// Calls of the denoiser of solvers that call it twice a step, and once on the last.
    pub fn two_calls(&self) -> usize {
        2 * self.steps() - 1
    }

    /// What the denoiser is told at call `i` of these, where the second call of a step is at `level`.
    pub fn timestep_of_call(&self, i: usize, level: f64) -> f64 {
        if i.is_multiple_of(2) { self.timesteps[i / 2] } else { self.timestep_of(level) }
    }

    /// The first noise of a sample whose noise has standard deviation sigma is multiplied by this.
    pub fn initial(&self) -> f64 {
        let top = self.sigmas[0];
        if self.at_end { top } else { (top * top + 1.0).sqrt() }
    }

    /// The time step of any noise level.
    fn timestep_of(&self, sigma: f64) -> f64 {
        sigma_to_timestep(sigma, &self.all)
    }

    /// The clean latent that an output at noise level `sigma` points to, where noise has standard deviation `sigma`.
    pub fn clean(&self, sigma: f64, sample: &[f32], output: &[f32]) -> Vec<f32> {
        let (of_sample, of_output) = match self.prediction {
            Prediction::V => (1.0 / (sigma * sigma + 1.0), -sigma / (sigma * sigma + 1.0).sqrt()),
            _ => (1.0, -sigma),
        };
        sample.iter().zip(output).map(|(x, o)| (of_sample * f64::from(*x) + of_output * f64::from(*o)) as f32).collect()
    }
}

/// `sample` moved along the straight line through `clean`, from noise level `from` to `to`.
pub fn towards(sample: &mut [f32], clean: &[f32], from: f64, to: f64) {
    let keep = to / from;
    for (x, c) in sample.iter_mut().zip(clean) {
        *x = (keep * f64::from(*x) + (1.0 - keep) * f64::from(*c)) as f32;
    }
}

/// Directions along which a sample leaves its clean latent, for one unit of noise level.
pub fn slopes(sample: &[f32], clean: &[f32], sigma: f64) -> Vec<f32> {
    sample.iter().zip(clean).map(|(x, c)| ((f64::from(*x) - f64::from(*c)) / sigma) as f32).collect()
}

/// Puts fresh noise of standard deviation `up` into a sample.
pub fn stir(sample: &mut [f32], up: f64, noise: &[f32]) {
    for (x, e) in sample.iter_mut().zip(noise) {
        *x += up as f32 * e;
    }
}

/// A clean latent and noise in these shares.
pub fn mix(clean: &[f32], noise: &[f32], (of_clean, of_noise): (f64, f64)) -> Vec<f32> {
    let (a, b) = (of_clean as f32, of_noise as f32);
    clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
}

/// `clean + sigma noise`.
pub fn noisy(clean: &[f32], noise: &[f32], sigma: f64) -> Vec<f32> {
    mix(clean, noise, (1.0, sigma))
}

/// The factor that brings a sample with noise of standard deviation `sigma` to the denoiser's own variance.
pub fn input_scale(sigma: f64) -> f32 {
    (1.0 / (sigma * sigma + 1.0).sqrt()) as f32
}

/// How an ancestral step to level `to` splits: the level that it goes down to, and the noise that brings it up again.
pub fn ancestral(from: f64, to: f64) -> (f64, f64) {
    let up = (to * to * (from * from - to * to) / (from * from)).max(0.0).sqrt().min(to);
    ((to * to - up * up).max(0.0).sqrt(), up)
}

/// Where image-to-image begins, for solvers that call the denoiser twice a step (once on the last): the call's index.
pub fn start_of_two_calls(calls: usize, taken: usize) -> usize {
    if taken == 0 { calls } else { 2 * calls.div_ceil(2).saturating_sub(taken) }
}

/// Evenly in the logarithm, from `max` down to `min`.
fn exponential(min: f64, max: f64, steps: usize) -> Vec<f64> {
    let (low, high) = (min.ln(), max.ln());
    (0..steps)
        .map(|i| {
            let t = if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
            (high + t * (low - high)).exp()
        })
        .collect()
}

/// These solvers space `steps + 1` points and drop the last.
fn spaced(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    match config.timestep_spacing.as_deref().unwrap_or("linspace") {
        "trailing" => config.timesteps(steps, "trailing"),
        "leading" => {
            let ratio = config.num_train_timesteps / (steps + 1);
            (0..steps).map(|i| ((steps - i) * ratio) as f64 + config.steps_offset as f64).collect()
        }
        _ => config.sgm_uniform(steps),
    }
}
