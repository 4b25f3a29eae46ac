//! DPM-Solver++ SDE, second order, one step at a time (Lu et al. 2022, arXiv:2211.01095; diffusers' `DPMSolverSDEScheduler`).
//!
//! diffusers takes the noise from a Brownian tree of its own seed. Here the path of the Brownian motion is drawn as it is
//! walked, from the run's generator: one normal number for the first half of a step and one for the second. Both calls of
//! a step then see increments of one path, distributed as those of the tree are.

use super::schedule::SchedulerConfig;
use super::spacing::{Habit, Ladder, ancestral, input_scale, noisy, start_of_two_calls, stir, towards};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples whose noise has standard deviation sigma. Two calls of the denoiser a step, one on the last.
pub struct DpmppSde {
    ladder: Ladder,
    /// Sample at the beginning of the step and the noise of its first half, between its two calls.
    held: Option<(Vec<f32>, Vec<f32>)>,
}

impl DpmppSde {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        Ok(Self { ladder: Ladder::new(config, steps, Habit::Variance)?, held: None })
    }

    /// The noise level that call `i` sees: of the step, or halfway to the next in the logarithm.
    fn level(&self, i: usize) -> f64 {
        let here = self.ladder.sigmas[i / 2];
        if i.is_multiple_of(2) { here } else { (here * self.ladder.sigmas[i / 2 + 1]).sqrt() }
    }
}

impl Solver for DpmppSde {
    fn steps(&self) -> usize {
        self.ladder.two_calls()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.ladder.timestep_of_call(i, self.level(i)) as f32
    }
    fn input_scale(&self, i: usize) -> f32 {
        input_scale(self.level(i))
    }
    fn initial_scale(&self) -> f32 {
        self.ladder.initial() as f32
    }
    fn start(&self, taken: usize) -> usize {
        start_of_two_calls(self.steps(), taken)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let level = self.level(i);
        let clean = self.ladder.clean(level, sample, output);
        let (from, next) = (self.ladder.sigmas[i / 2], self.ladder.sigmas[i / 2 + 1]);
        if next == 0.0 {
            sample.copy_from_slice(&clean);
            return clean;
        }
        let fresh = noise(clean.len());
        let halfway = (from * next).sqrt();
        if i.is_multiple_of(2) {
            let begin = sample.to_vec();
            let (down, up) = ancestral(from, halfway);
            towards(sample, &clean, from, down);
            stir(sample, up, &fresh);
            self.held = Some((begin, fresh));
            return clean;
        }
        match self.held.take() {
            Some((begin, first)) => {
                sample.copy_from_slice(&begin);
                let (down, up) = ancestral(from, next);
                towards(sample, &clean, from, down);
                let length = from - next;
                let (a, b) = (((from - halfway) / length).sqrt(), ((halfway - next) / length).sqrt());
                for ((x, e), f) in sample.iter_mut().zip(&first).zip(&fresh) {
                    *x += (up * (a * f64::from(*e) + b * f64::from(*f))) as f32;
                }
            }
            None => {
                let (down, up) = ancestral(level, next);
                towards(sample, &clean, level, down);
                stir(sample, up, &fresh);
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        noisy(clean, noise, self.level(i))
    }
}
