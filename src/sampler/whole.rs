//! Runs over whole time steps of training, on samples of constant variance: what their solvers share.

use super::schedule::{Prediction, SchedulerConfig};
use super::spacing::{mix, parts};
use crate::Result;

/// The time steps of one run and the signal that is left at each of training's.
pub struct Whole {
    /// One a call of the denoiser.
    pub timesteps: Vec<usize>,
    /// Squared share of the signal, by time step.
    pub alphas: Vec<f64>,
    /// What the denoiser predicts.
    pub prediction: Prediction,
}

impl Whole {
    /// Over `steps` steps as the configuration spaces them. `terminal`: see [`SchedulerConfig::alphas_cumprod`].
    pub fn spaced(config: &SchedulerConfig, steps: usize, terminal: Option<f64>) -> Result<Self> {
        config.check()?;
        let alphas = config.alphas_cumprod(terminal);
        let top = alphas.len() - 1;
        let spaced = config.timesteps(steps, "leading");
        let timesteps = spaced.iter().map(|t| (t.round_ties_even().max(0.0) as usize).min(top)).collect();
        Ok(Self { timesteps, alphas, prediction: config.prediction() })
    }

    /// Over `steps` of the steps that the model was distilled from.
    pub fn distilled(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check()?;
        let n = config.num_train_timesteps;
        let origin = config.original_inference_steps.clamp(steps, n.max(steps));
        let stride = n / origin;
        Ok(Self {
            timesteps: (0..steps).map(|i| ((origin - i * origin / steps) * stride).saturating_sub(1)).collect(),
            alphas: config.alphas_cumprod(config.terminal()),
            prediction: config.prediction(),
        })
    }

    /// What the denoiser is told at call `i`.
    pub fn timestep(&self, i: usize) -> f32 {
        self.timesteps[i] as f32
    }

    /// Shares of signal and noise where this much of the signal is left.
    pub fn shares(alpha: f64) -> (f64, f64) {
        (alpha.sqrt(), (1.0 - alpha).sqrt())
    }

    /// The clean value and the noise that an output at call `i` points to.
    pub fn parts(&self, i: usize, sample: f32, output: f32) -> (f64, f64) {
        let shares = Self::shares(self.alphas[self.timesteps[i]]);
        parts(self.prediction, shares, f64::from(sample), f64::from(output))
    }

    /// A clean latent with the noise of call `i`.
    pub fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        mix(clean, noise, Self::shares(self.alphas[self.timesteps[i]]))
    }
}
