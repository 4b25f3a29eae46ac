//! DDIM, deterministic (Song, Meng and Ermon 2020, arXiv:2010.02502; diffusers' `DDIMScheduler` without clipping).

use super::schedule::SchedulerConfig;
use super::whole::Whole;
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Ddim {
    run: Whole,
    last_alpha: f64,
    stride: usize,
}

impl Ddim {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let run = Whole::spaced(config, steps, config.terminal())?;
        Ok(Self {
            last_alpha: if config.set_alpha_to_one.unwrap_or(true) { 1.0 } else { run.alphas[0] },
            stride: config.num_train_timesteps / steps,
            run,
        })
    }
}

impl Solver for Ddim {
    fn steps(&self) -> usize {
        self.run.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.run.timestep(i)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let before = self.run.timesteps[i].checked_sub(self.stride).map_or(self.last_alpha, |t| self.run.alphas[t]);
        let (pa, pb) = Whole::shares(before);
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (c, e) = self.run.parts(i, *x, *o);
            clean.push(c as f32);
            *x = (pa * c + pb * e) as f32;
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        self.run.add_noise(i, clean, noise)
    }
}
