//! Ancestral sampling of the diffusion itself (Ho, Jain and Abbeel 2020, arXiv:2006.11239; diffusers' `DDPMScheduler` with the
//! small variance and without clipping).

use super::schedule::SchedulerConfig;
use super::spacing::stir;
use super::whole::Whole;
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Ddpm {
    run: Whole,
}

impl Ddpm {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        Ok(Self { run: Whole::spaced(config, steps, config.terminal())? })
    }
}

impl Solver for Ddpm {
    fn steps(&self) -> usize {
        self.run.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.run.timestep(i)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let t = self.run.timesteps[i];
        let alpha = self.run.alphas[t];
        let before = self.run.timesteps.get(i + 1).map_or(1.0, |t| self.run.alphas[*t]);
        let step_alpha = alpha / before;
        let of_clean = before.sqrt() * (1.0 - step_alpha) / (1.0 - alpha);
        let of_sample = step_alpha.sqrt() * (1.0 - before) / (1.0 - alpha);
        let spread = ((1.0 - before) / (1.0 - alpha) * (1.0 - step_alpha)).max(1e-20).sqrt();
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (c, _) = self.run.parts(i, *x, *o);
            clean.push(c as f32);
            *x = (of_clean * c + of_sample * f64::from(*x)) as f32;
        }
        if t > 0 {
            stir(sample, spread, &noise(clean.len()));
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        self.run.add_noise(i, clean, noise)
    }
}
