//! Latent consistency sampling (Luo et al. 2023, arXiv:2310.04378; diffusers' `LCMScheduler`).

use super::schedule::SchedulerConfig;
use super::whole::Whole;
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Lcm {
    run: Whole,
    scaling: f64,
}

/// Standard deviation of the data that the boundary condition assumes.
const SIGMA_DATA: f64 = 0.5;

impl Lcm {
    /// Over `steps` of the steps that the model was distilled from.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        Ok(Self { run: Whole::distilled(config, steps)?, scaling: config.timestep_scaling })
    }
}

impl Solver for Lcm {
    fn steps(&self) -> usize {
        self.run.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.run.timestep(i)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let scaled = self.run.timesteps[i] as f64 * self.scaling;
        let skip = SIGMA_DATA.powi(2) / (scaled.powi(2) + SIGMA_DATA.powi(2));
        let out = scaled / (scaled.powi(2) + SIGMA_DATA.powi(2)).sqrt();
        let bounded = |(x, o): (&f32, &f32)| (out * self.run.parts(i, *x, *o).0 + skip * f64::from(*x)) as f32;
        let clean: Vec<f32> = sample.iter().zip(output).map(bounded).collect();
        if i + 1 < self.steps() {
            sample.copy_from_slice(&self.add_noise(i + 1, &clean, &noise(clean.len())));
        } else {
            sample.copy_from_slice(&clean);
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        self.run.add_noise(i, clean, noise)
    }
}
