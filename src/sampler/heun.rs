//! Heun's second-order method (Karras et al. 2022, arXiv:2206.00364, algorithm 1; diffusers' `HeunDiscreteScheduler` and, for
//! checkpoints that predict a flow, `FlowMatchHeunDiscreteScheduler`).

use super::schedule::{Prediction, SchedulerConfig};
use super::spacing::{Habit, Ladder, input_scale, mix, shares, slopes, start_of_two_calls};
use super::{NoiseSource, Solver, flow};
use crate::Result;

/// Works on samples whose noise has standard deviation sigma, or on the straight path of a flow. Two calls of the denoiser
/// a step, one on the last.
pub struct Heun {
    ladder: Ladder,
    /// Sample and direction at the beginning of the step, between its two calls.
    held: Option<(Vec<f32>, Vec<f32>)>,
}

impl Heun {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let ladder = if config.prediction() == Prediction::Flow {
            flow::ladder(config, steps)?
        } else {
            Ladder::new(config, steps, Habit::Variance)?
        };
        Ok(Self { ladder, held: None })
    }

    fn flows(&self) -> bool {
        self.ladder.prediction == Prediction::Flow
    }

    /// The noise level that call `i` sees.
    fn level(&self, i: usize) -> f64 {
        self.ladder.sigmas[i.div_ceil(2)]
    }
}

impl Solver for Heun {
    fn steps(&self) -> usize {
        self.ladder.two_calls()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.ladder.timesteps[i.div_ceil(2)] as f32
    }
    fn input_scale(&self, i: usize) -> f32 {
        if self.flows() { 1.0 } else { input_scale(self.level(i)) }
    }
    fn initial_scale(&self) -> f32 {
        if self.flows() { 1.0 } else { self.ladder.initial() as f32 }
    }
    fn start(&self, taken: usize) -> usize {
        start_of_two_calls(self.steps(), taken)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let sigma = self.level(i);
        let clean = self.ladder.clean(sigma, sample, output);
        let slope = slopes(sample, &clean, sigma);
        match self.held.take().filter(|_| i % 2 == 1) {
            Some((begin, first)) => {
                let dt = self.level(i) - self.level(i - 1);
                for (x, ((b, d), e)) in sample.iter_mut().zip(begin.iter().zip(&first).zip(&slope)) {
                    *x = (f64::from(*b) + 0.5 * (f64::from(*d) + f64::from(*e)) * dt) as f32;
                }
            }
            None => {
                let dt = self.ladder.sigmas[i.div_ceil(2) + 1] - sigma;
                let begin = sample.to_vec();
                for (x, d) in sample.iter_mut().zip(&slope) {
                    *x = (f64::from(*x) + f64::from(*d) * dt) as f32;
                }
                self.held = i.is_multiple_of(2).then_some((begin, slope));
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let sigma = self.level(i);
        let signal = if self.flows() { shares(Prediction::Flow, sigma).0 } else { 1.0 };
        mix(clean, noise, (signal, sigma))
    }
}
