//! Linear multistep (Adams-Bashforth on uneven noise levels, as k-diffusion has it; diffusers' `LMSDiscreteScheduler`, order 4).

use super::schedule::SchedulerConfig;
use super::spacing::{Habit, Ladder, input_scale, noisy, slopes};
use super::{NoiseSource, Solver};
use crate::Result;
use std::collections::VecDeque;

/// Directions that one step looks at.
const ORDER: usize = 4;

/// Works on samples whose noise has standard deviation sigma.
pub struct Lms {
    ladder: Ladder,
    /// Directions of the latest steps, the newest first.
    slopes: VecDeque<Vec<f32>>,
}

impl Lms {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        Ok(Self { ladder: Ladder::new(config, steps, Habit::Variance)?, slopes: VecDeque::new() })
    }

    /// The integral over step `i` of the polynomial that is 1 at the level of `k` steps ago and 0 at those of the other
    /// `order - 1` latest steps. Two points of Gauss are exact for the cubic.
    fn weight(&self, i: usize, order: usize, k: usize) -> f64 {
        let level = |back: usize| self.ladder.sigmas[i - back];
        let (from, to) = (self.ladder.sigmas[i], self.ladder.sigmas[i + 1]);
        let basis = |at: f64| -> f64 {
            (0..order).filter(|j| *j != k).map(|j| (at - level(j)) / (level(k) - level(j))).product()
        };
        let (middle, half) = ((from + to) / 2.0, (to - from) / 2.0);
        let offset = half / 3f64.sqrt();
        half * (basis(middle - offset) + basis(middle + offset))
    }
}

impl Solver for Lms {
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
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let sigma = self.ladder.sigmas[i];
        let clean = self.ladder.clean(sigma, sample, output);
        self.slopes.push_front(slopes(sample, &clean, sigma));
        self.slopes.truncate(ORDER.min(i + 1));
        let order = self.slopes.len();
        let weights: Vec<f64> = (0..order).map(|k| self.weight(i, order, k)).collect();
        for (at, x) in sample.iter_mut().enumerate() {
            let change: f64 = weights.iter().zip(&self.slopes).map(|(w, slope)| w * f64::from(slope[at])).sum();
            *x = (f64::from(*x) + change) as f32;
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        noisy(clean, noise, self.ladder.sigmas[i])
    }
}
