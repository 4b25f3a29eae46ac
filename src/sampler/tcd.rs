//! Trajectory consistency distillation (Zheng et al. 2024, arXiv:2402.19159; diffusers' `TCDScheduler`).

use super::schedule::SchedulerConfig;
use super::whole::Whole;
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance.
pub struct Tcd {
    run: Whole,
}

/// How far a jump goes past its aim before fresh noise brings it back (the paper's gamma): 0 draws none.
const GAMMA: f32 = 0.3;

impl Tcd {
    /// Over `steps` of the steps that the model was distilled from.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        Ok(Self { run: Whole::distilled(config, steps)? })
    }
}

impl Solver for Tcd {
    fn steps(&self) -> usize {
        self.run.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.run.timestep(i)
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let next = self.run.timesteps.get(i + 1).copied();
        let aim = self.run.alphas[next.unwrap_or(0)];
        let past = self.run.alphas[((1.0 - GAMMA) * next.unwrap_or(0) as f32).floor() as usize];
        let (pa, pb) = Whole::shares(past);
        let mut clean = Vec::with_capacity(sample.len());
        for (x, o) in sample.iter_mut().zip(output) {
            let (c, e) = self.run.parts(i, *x, *o);
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
        self.run.add_noise(i, clean, noise)
    }
}
