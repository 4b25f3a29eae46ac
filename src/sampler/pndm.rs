//! PNDM in its linear multistep form, which Stable Diffusion is run with (Liu et al. 2022, arXiv:2202.09778; diffusers'
//! `PNDMScheduler` with `skip_prk_steps`).

use super::schedule::{Prediction, SchedulerConfig};
use super::whole::Whole;
use super::{NoiseSource, Solver};
use crate::Result;
use std::collections::VecDeque;

/// Works on samples of constant variance. Calls the denoiser once more than it makes steps: the first step is taken twice.
pub struct Pndm {
    /// Its second and third time step are equal.
    run: Whole,
    last_alpha: f64,
    stride: usize,
    /// The latest outputs, the newest first; at most four.
    outputs: VecDeque<Vec<f32>>,
    /// The sample that the first step left from, until it is taken again.
    begin: Option<Vec<f32>>,
}

impl Pndm {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        // Every step divides by the signal's share.
        let mut run = Whole::spaced(config, steps, Some(2f64.powi(-24)))?;
        if steps > 1 {
            run.timesteps.insert(1, run.timesteps[1]);
        }
        Ok(Self {
            last_alpha: if config.set_alpha_to_one.unwrap_or(false) { 1.0 } else { run.alphas[0] },
            stride: config.num_train_timesteps / steps,
            run,
            outputs: VecDeque::new(),
            begin: None,
        })
    }
}

impl Solver for Pndm {
    fn steps(&self) -> usize {
        self.run.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.run.timestep(i)
    }
    fn start(&self, taken: usize) -> usize {
        let calls = self.steps();
        let steps = if calls > 1 { calls - 1 } else { 1 };
        // A run that begins later has no first step to take twice.
        if taken >= steps { 0 } else { calls - taken }
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let mut t = self.run.timesteps[i];
        let clean = sample.iter().zip(output).map(|(x, o)| self.run.parts(i, *x, *o).0 as f32).collect();
        let mut next = t.checked_sub(self.stride);
        let again = self.begin.take().filter(|_| i == 1);
        let weights: &[f64] = if let Some(begin) = &again {
            next = Some(t);
            t = (t + self.stride).min(self.run.alphas.len() - 1);
            sample.copy_from_slice(begin);
            &[0.5, 0.5]
        } else {
            self.outputs.truncate(3);
            match self.outputs.len() {
                0 => &[1.0],
                1 => &[1.5, -0.5],
                2 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
                _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
            }
        };
        if i == 0 {
            self.begin = Some(sample.to_vec());
        }
        self.outputs.push_front(output.to_vec());
        let alpha = self.run.alphas[t];
        let before = next.map_or(self.last_alpha, |t| self.run.alphas[t]);
        let (beta, beta_before) = (1.0 - alpha, 1.0 - before);
        let keep = (before / alpha).sqrt();
        let gain = (before - alpha) / (alpha * beta_before.sqrt() + (alpha * beta * before).sqrt());
        for (at, x) in sample.iter_mut().enumerate() {
            let mixed: f64 = weights.iter().zip(&self.outputs).map(|(w, o)| w * f64::from(o[at])).sum();
            let value = f64::from(*x);
            let noise =
                if self.run.prediction == Prediction::V { alpha.sqrt() * mixed + beta.sqrt() * value } else { mixed };
            *x = (keep * value - gain * noise) as f32;
        }
        if again.is_some() {
            // What was said on arrival stands only for the step taken twice.
            self.outputs.pop_front();
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        self.run.add_noise(i, clean, noise)
    }
}
