//! Trajectory consistency distillation (Zheng et al. 2024, arXiv:2402.19159; diffusers' `TCDScheduler`).

use super::lcm::distilled;
use super::schedule::{Prediction, SchedulerConfig};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Tcd {
    timesteps: Vec<usize>,
    alphas: Vec<f64>,
    prediction: Prediction,
}

/// How far a jump goes past its aim before fresh noise brings it back (the paper's gamma): 0 draws none.
const GAMMA: f32 = 0.3;

impl Tcd {
    /// Over `steps` of the steps that the model was distilled from.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check()?;
        let alphas = config.alphas_cumprod(config.terminal());
        Ok(Self { timesteps: distilled(config, steps), alphas, prediction: config.prediction() })
    }
}

impl Solver for Tcd {
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
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let next = self.timesteps.get(i + 1).copied();
        let aim = self.alphas[next.unwrap_or(0)];
        let past = self.alphas[((1.0 - GAMMA) * next.unwrap_or(0) as f32).floor() as usize];
        let (pa, pb) = (past.sqrt(), (1.0 - past).sqrt());
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (value, output) = (f64::from(*x), f64::from(*o));
            let (c, e) = match self.prediction {
                Prediction::V => (a * value - b * output, a * output + b * value),
                _ => ((value - b * output) / a, output),
            };
            clean.push(c as f32);
            *x = (pa * c + pb * e) as f32;
        }
        if next.is_some() {
            let (keep, fresh) = ((aim / past).sqrt() as f32, (1.0 - aim / past).max(0.0).sqrt() as f32);
            for (x, e) in sample.iter_mut().zip(noise(clean.len())) {
                *x = keep * *x + fresh * e;
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
    }
}
