//! UniPC, a predictor and a corrector for one call of the denoiser (Zhao et al. 2023, arXiv:2302.04867; diffusers'
//! `UniPCMultistepScheduler`, order 2, `bh2`, predicting the clean latent).

use super::schedule::{Prediction, SchedulerConfig};
use super::spacing::{Habit, Ladder, clean, mix, shares};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance (or on the straight path of a flow).
pub struct UniPc {
    ladder: Ladder,
    /// Clean latents of the latest steps, the newest last; at most two.
    outputs: Vec<Vec<f32>>,
    /// The sample that the last prediction left from, and its order.
    left: Option<(Vec<f32>, usize)>,
}

impl UniPc {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let mut ladder = Ladder::new(config, steps, Habit::Whole)?;
        if ladder.prediction == Prediction::Flow {
            let n = config.num_train_timesteps as f64;
            for i in 0..steps {
                let sigma = 1.0 + (1.0 / n - 1.0) * i as f64 / steps as f64;
                // All noise has no logarithm of its signal.
                let sigma = config.shifted(sigma).min(1.0 - 1e-6);
                ladder.sigmas[i] = sigma;
                ladder.timesteps[i] = (sigma * n).floor();
            }
        }
        Ok(Self { ladder, outputs: Vec::new(), left: None })
    }

    fn lambda(&self, i: usize) -> f64 {
        let (alpha, sigma) = shares(self.ladder.prediction, self.ladder.sigmas[i]);
        alpha.ln() - sigma.ln()
    }

    /// What is kept of the sample and gained of the clean latent from step `i` to the next, and the size of the step.
    fn factors(&self, i: usize) -> (f64, f64, f64) {
        let (_, sigma) = shares(self.ladder.prediction, self.ladder.sigmas[i]);
        let (next_alpha, next_sigma) = shares(self.ladder.prediction, self.ladder.sigmas[i + 1]);
        let h = self.lambda(i + 1) - self.lambda(i);
        (next_sigma / sigma, -next_alpha * (-h).exp_m1(), h)
    }

    /// Takes the step to `i` again, now that the denoiser has said what is there.
    fn correct(&self, i: usize, left: &[f32], order: usize, here: &[f32], sample: &mut [f32]) {
        let Some(m0) = self.outputs.last() else { return };
        let (keep, gain, h) = self.factors(i - 1);
        let phi = (-h).exp_m1();
        let first = phi / -h - 1.0;
        let b1 = first / phi;
        let b2 = (first / -h - 0.5) * 2.0 / phi;
        let older = (order == 2 && self.outputs.len() == 2).then(|| {
            let r = (self.lambda(i - 2) - self.lambda(i - 1)) / h;
            (&self.outputs[0], r, (b1 - b2) / (1.0 - r))
        });
        let newest = older.map_or(0.5, |(_, _, rho)| b1 - rho);
        for (at, x) in sample.iter_mut().enumerate() {
            let m = f64::from(m0[at]);
            let back = older.map_or(0.0, |(m1, r, rho)| rho * (f64::from(m1[at]) - m) / r);
            *x = (keep * f64::from(left[at]) + gain * (m + back + newest * (f64::from(here[at]) - m))) as f32;
        }
    }
}

impl Solver for UniPc {
    fn steps(&self) -> usize {
        self.ladder.steps()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.ladder.timesteps[i] as f32
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let prediction = self.ladder.prediction;
        let clean = clean(prediction, shares(prediction, self.ladder.sigmas[i]), sample, output);
        if let Some((left, order)) = self.left.take().filter(|_| i > 0) {
            self.correct(i, &left, order, &clean, sample);
        }
        let order = if i + 1 == self.ladder.steps() { 1 } else { 2.min(self.outputs.len() + 1).min(i + 1) };
        let (keep, gain, h) = self.factors(i);
        let before = self.outputs.pop().filter(|_| order == 2);
        let ratio = if order == 2 { (self.lambda(i - 1) - self.lambda(i)) / h } else { 1.0 };
        self.left = Some((sample.to_vec(), order));
        for (at, x) in sample.iter_mut().enumerate() {
            let m = f64::from(clean[at]);
            let back = before.as_ref().map_or(0.0, |b| 0.5 * (f64::from(b[at]) - m) / ratio);
            *x = (keep * f64::from(*x) + gain * (m + back)) as f32;
        }
        self.outputs = before.into_iter().chain([clean.clone()]).collect();
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        mix(clean, noise, shares(self.ladder.prediction, self.ladder.sigmas[i]))
    }
}
