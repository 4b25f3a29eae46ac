//! PNDM in its linear multistep form, which Stable Diffusion is run with (Liu et al. 2022, arXiv:2202.09778; diffusers'
//! `PNDMScheduler` with `skip_prk_steps`).

use super::schedule::{Prediction, SchedulerConfig};
use super::{NoiseSource, Solver};
use crate::Result;
use std::collections::VecDeque;

/// Works on samples of constant variance. Calls the denoiser once more than it makes steps: the first step is taken twice.
pub struct Pndm {
    /// One a call; the second and third are equal.
    timesteps: Vec<usize>,
    alphas: Vec<f64>,
    last_alpha: f64,
    stride: usize,
    prediction: Prediction,
    /// The latest outputs, the newest first; at most four.
    outputs: VecDeque<Vec<f32>>,
    /// The sample that the first step left from, until it is taken again.
    begin: Option<Vec<f32>>,
}

impl Pndm {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check()?;
        // Every step divides by the signal's share.
        let alphas = config.alphas_cumprod(Some(2f64.powi(-24)));
        let top = alphas.len() - 1;
        let mut timesteps: Vec<usize> = config
            .timesteps(steps, "leading")
            .iter()
            .map(|t| (t.round_ties_even().max(0.0) as usize).min(top))
            .collect();
        if steps > 1 {
            timesteps.insert(1, timesteps[1]);
        }
        Ok(Self {
            timesteps,
            last_alpha: if config.set_alpha_to_one.unwrap_or(false) { 1.0 } else { alphas[0] },
            stride: config.num_train_timesteps / steps,
            prediction: config.prediction(),
            alphas,
            outputs: VecDeque::new(),
            begin: None,
        })
    }
}

impl Solver for Pndm {
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
    fn start(&self, taken: usize) -> usize {
        let calls = self.steps();
        let steps = if calls > 1 { calls - 1 } else { 1 };
        // A run that begins later has no first step to take twice.
        if taken >= steps { 0 } else { calls - taken }
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let mut t = self.timesteps[i];
        let (a, b) = (self.alphas[t].sqrt(), (1.0 - self.alphas[t]).sqrt());
        let clean: Vec<f32> = sample
            .iter()
            .zip(output)
            .map(|(x, o)| {
                let (x, o) = (f64::from(*x), f64::from(*o));
                (if self.prediction == Prediction::V { a * x - b * o } else { (x - b * o) / a }) as f32
            })
            .collect();
        let mut next = t.checked_sub(self.stride);
        let again = self.begin.take().filter(|_| i == 1);
        let weights: &[f64] = if let Some(begin) = &again {
            next = Some(t);
            t = (t + self.stride).min(self.alphas.len() - 1);
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
        let alpha = self.alphas[t];
        let before = next.map_or(self.last_alpha, |t| self.alphas[t]);
        let (beta, beta_before) = (1.0 - alpha, 1.0 - before);
        let keep = (before / alpha).sqrt();
        let gain = (before - alpha) / (alpha * beta_before.sqrt() + (alpha * beta * before).sqrt());
        for (at, x) in sample.iter_mut().enumerate() {
            let mixed: f64 = weights.iter().zip(&self.outputs).map(|(w, o)| w * f64::from(o[at])).sum();
            let value = f64::from(*x);
            let noise =
                if self.prediction == Prediction::V { alpha.sqrt() * mixed + beta.sqrt() * value } else { mixed };
            *x = (keep * value - gain * noise) as f32;
        }
        if again.is_some() {
            // What was said on arrival stands only for the step taken twice.
            self.outputs.pop_front();
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let alpha = self.alphas[self.timesteps[i]];
        let (a, b) = (alpha.sqrt() as f32, (1.0 - alpha).sqrt() as f32);
        clean.iter().zip(noise).map(|(c, e)| a * c + b * e).collect()
    }
}
