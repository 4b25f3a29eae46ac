//! Latent consistency sampling (Luo et al. 2023, arXiv:2310.04378; diffusers' `LCMScheduler`).

use super::schedule::{Prediction, SchedulerConfig};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Lcm {
    timesteps: Vec<usize>,
    alphas: Vec<f64>,
    scaling: f64,
    prediction: Prediction,
}

/// Standard deviation of the data that the boundary condition assumes.
const SIGMA_DATA: f64 = 0.5;

/// The time steps of a run over `steps` of those that the model was distilled from.
pub fn distilled(config: &SchedulerConfig, steps: usize) -> Vec<usize> {
    let n = config.num_train_timesteps;
    let origin = config.original_inference_steps.clamp(steps, n.max(steps));
    let stride = n / origin;
    (0..steps).map(|i| ((origin - i * origin / steps) * stride).saturating_sub(1)).collect()
}

impl Lcm {
    /// Over `steps` of the steps that the model was distilled from.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check()?;
        Ok(Self {
            timesteps: distilled(config, steps),
            alphas: config.alphas_cumprod(config.terminal()),
            scaling: config.timestep_scaling,
            prediction: config.prediction(),
        })
    }
}

impl Solver for Lcm {
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
        let (a, b) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let scaled = t as f64 * self.scaling;
        let skip = SIGMA_DATA.powi(2) / (scaled.powi(2) + SIGMA_DATA.powi(2));
        let out = scaled / (scaled.powi(2) + SIGMA_DATA.powi(2)).sqrt();
        let clean: Vec<f32> = sample
            .iter()
            .zip(output)
            .map(|(x, o)| {
                let (x, o) = (f64::from(*x), f64::from(*o));
                let c = if self.prediction == Prediction::V { a * x - b * o } else { (x - b * o) / a };
                (out * c + skip * x) as f32
            })
            .collect();
        match self.timesteps.get(i + 1) {
            Some(next) => {
                let alpha = self.alphas[*next];
                let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
                for ((x, c), e) in sample.iter_mut().zip(&clean).zip(noise(clean.len())) {
                    *x = a * c + b * e;
                }
            }
            None => sample.copy_from_slice(&clean),
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
    }
}
