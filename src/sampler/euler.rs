//! Euler and Euler ancestral (Karras et al. 2022, arXiv:2206.00364; diffusers' `EulerDiscreteScheduler` and its twin).

use super::schedule::SchedulerConfig;
use super::spacing::{Habit, Ladder, ancestral, input_scale, noisy, stir, towards};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples whose noise has standard deviation sigma.
pub struct Euler {
    ladder: Ladder,
    ancestral: bool,
}

impl Euler {
    /// `ancestral`: take away more noise than the step needs, and put fresh noise back.
    pub fn new(config: &SchedulerConfig, steps: usize, ancestral: bool) -> Result<Self> {
        Ok(Self { ladder: Ladder::new(config, steps, Habit::Variance)?, ancestral })
    }
}

impl Solver for Euler {
    fn steps(&self) -> usize {
        self.ladder.steps()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.ladder.timesteps[i] as f32
    }
    fn input_scale(&self, i: usize) -> f32 {
        input_scale(self.ladder.sigmas[i])
    }
    fn initial_scale(&self) -> f32 {
        self.ladder.initial() as f32
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let (sigma, next) = (self.ladder.sigmas[i], self.ladder.sigmas[i + 1]);
        let clean = self.ladder.clean(sigma, sample, output);
        let (down, up) = if self.ancestral { ancestral(sigma, next) } else { (next, 0.0) };
        towards(sample, &clean, sigma, down);
        if self.ancestral {
            // Drawn on the last step too, so that the generator is where diffusers' is.
            stir(sample, up, &noise(clean.len()));
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        noisy(clean, noise, self.ladder.sigmas[i])
    }
}
