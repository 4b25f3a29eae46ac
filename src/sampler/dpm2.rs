//! DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927), deterministic and ancestral, as Karras et al. 2022 write it (diffusers'
//! `KDPM2DiscreteScheduler` and `KDPM2AncestralDiscreteScheduler`).

use super::schedule::SchedulerConfig;
use super::spacing::{Habit, Ladder, ancestral, input_scale, noisy, start_of_two_calls, stir, towards};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples whose noise has standard deviation sigma. Two calls of the denoiser a step, one on the last: the second
/// one halfway, in the logarithm of the noise level.
pub struct Dpm2 {
    ladder: Ladder,
    /// Of each step: the level halfway, the level that it goes down to, and the noise put back.
    parts: Vec<(f64, f64, f64)>,
    /// The sample at the beginning of the step, between its two calls.
    held: Option<Vec<f32>>,
    ancestral: bool,
}

impl Dpm2 {
    /// `ancestral`: take away more noise than the step needs, and put fresh noise back.
    pub fn new(config: &SchedulerConfig, steps: usize, is_ancestral: bool) -> Result<Self> {
        let mut ladder = Ladder::new(config, steps, Habit::Variance)?;
        if config.use_karras_sigmas {
            ladder.timesteps.iter_mut().for_each(|t| *t = t.round_ties_even());
        }
        let parts = ladder
            .sigmas
            .windows(2)
            .map(|pair| {
                let (down, up) = if is_ancestral { ancestral(pair[0], pair[1]) } else { (pair[1], 0.0) };
                ((pair[0] * down).sqrt(), down, up)
            })
            .collect();
        Ok(Self { ladder, parts, held: None, ancestral: is_ancestral })
    }

    /// The noise level that call `i` sees.
    fn level(&self, i: usize) -> f64 {
        if i.is_multiple_of(2) { self.ladder.sigmas[i / 2] } else { self.parts[i / 2].0 }
    }
}

impl Solver for Dpm2 {
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
        let (halfway, down, up) = self.parts[i / 2];
        if i.is_multiple_of(2) {
            self.held = Some(sample.to_vec());
            towards(sample, &clean, level, halfway);
            return clean;
        }
        match self.held.take() {
            // The direction halfway, for the whole step.
            Some(begin) => {
                let ratio = (down - self.ladder.sigmas[i / 2]) / level;
                for ((x, c), b) in sample.iter_mut().zip(&clean).zip(&begin) {
                    *x = (f64::from(*b) + (f64::from(*x) - f64::from(*c)) * ratio) as f32;
                }
            }
            None => towards(sample, &clean, level, down),
        }
        if self.ancestral {
            stir(sample, up, &noise(clean.len()));
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        noisy(clean, noise, self.level(i))
    }
}
