//! DDIM, deterministic (Song, Meng and Ermon 2020, arXiv:2010.02502; diffusers' `DDIMScheduler` without clipping).

use super::schedule::{Prediction, SchedulerConfig};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Ddim {
    timesteps: Vec<usize>,
    alphas: Vec<f64>,
    last_alpha: f64,
    stride: usize,
    prediction: Prediction,
}

impl Ddim {
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
        Ok(Self {
            timesteps,
            last_alpha: if config.set_alpha_to_one.unwrap_or(true) { 1.0 } else { alphas[0] },
            stride: config.num_train_timesteps / steps,
            prediction: config.prediction(),
            alphas,
        })
    }
}

impl Solver for Ddim {
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
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let t = self.timesteps[i];
        let alpha = self.alphas[t];
        let before = t.checked_sub(self.stride).map_or(self.last_alpha, |t| self.alphas[t]);
        let (a, b) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let (pa, pb) = (before.sqrt(), (1.0 - before).sqrt());
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (sample, output) = (f64::from(*x), f64::from(*o));
            let (c, e) = match self.prediction {
                Prediction::V => (a * sample - b * output, a * output + b * sample),
                _ => ((sample - b * output) / a, output),
            };
            clean.push(c as f32);
            *x = (pa * c + pb * e) as f32;
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
    }
}
