//! Ancestral sampling of the diffusion itself (Ho, Jain and Abbeel 2020, arXiv:2006.11239; diffusers' `DDPMScheduler` with the
//! small variance and without clipping).

use super::schedule::{Prediction, SchedulerConfig};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Ddpm {
    timesteps: Vec<usize>,
    alphas: Vec<f64>,
    prediction: Prediction,
}

impl Ddpm {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check()?;
        let alphas = config.alphas_cumprod(config.terminal());
        let top = alphas.len() - 1;
        let timesteps = config
            .timesteps(steps, "leading")
            .iter()
            .map(|t| (t.round_ties_even().max(0.0) as usize).min(top))
            .collect();
        Ok(Self { timesteps, alphas, prediction: config.prediction() })
    }
}

impl Solver for Ddpm {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.timesteps[i] as f32
    }
    fn input_scale(&self, _: usize) -> f32 {
        1.0
    }
    fn initial_scale(&self) -> f32 {
        1.0
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let t = self.timesteps[i];
        let alpha = self.alphas[t];
        let before = self.timesteps.get(i + 1).map_or(1.0, |t| self.alphas[*t]);
        let (a, b) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let step_alpha = alpha / before;
        let of_clean = before.sqrt() * (1.0 - step_alpha) / (1.0 - alpha);
        let of_sample = step_alpha.sqrt() * (1.0 - before) / (1.0 - alpha);
        let spread = ((1.0 - before) / (1.0 - alpha) * (1.0 - step_alpha)).max(1e-20).sqrt();
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (value, output) = (f64::from(*x), f64::from(*o));
            let c = if self.prediction == Prediction::V { a * value - b * output } else { (value - b * output) / a };
            clean.push(c as f32);
            *x = (of_clean * c + of_sample * value) as f32;
        }
        if t > 0 {
            for (x, e) in sample.iter_mut().zip(noise(clean.len())) {
                *x += spread as f32 * e;
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
    }
}
