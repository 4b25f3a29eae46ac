//! DPM-Solver++ 2M (Lu et al. 2022, arXiv:2211.01095; diffusers' `DPMSolverMultistepScheduler`, order 2, midpoint).

use super::schedule::{Prediction, SchedulerConfig, interpolate, karras, sigma_to_timestep, sigmas};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance (or on the straight path of a flow).
pub struct Dpmpp2m {
    timesteps: Vec<f64>,
    /// Noise levels, the last one 0.
    sigmas: Vec<f64>,
    prediction: Prediction,
    /// The clean latent of the step before.
    before: Option<Vec<f32>>,
}

impl Dpmpp2m {
    /// `on_karras_levels`: the noise levels of Karras et al.; without meaning for a flow.
    pub fn new(config: &SchedulerConfig, steps: usize, on_karras_levels: bool) -> Result<Self> {
        config.check()?;
        let n = config.num_train_timesteps;
        let prediction = config.prediction();
        let (timesteps, mut levels) = if prediction == Prediction::Flow {
            let levels: Vec<f64> = (0..steps)
                .map(|i| {
                    let sigma = (1.0 - 1.0 / n as f64) * (steps - i) as f64 / steps as f64;
                    config.shift * sigma / (1.0 + (config.shift - 1.0) * sigma)
                })
                .collect();
            (levels.iter().map(|s| (s * n as f64).floor()).collect(), levels)
        } else {
            let all = sigmas(&config.alphas_cumprod(Some(2f64.powi(-24))));
            if on_karras_levels {
                let levels = karras(all[0], all[n - 1], steps);
                (levels.iter().map(|s| sigma_to_timestep(*s, &all).round_ties_even()).collect(), levels)
            } else {
                let timesteps = spaced(config, steps);
                let levels = timesteps.iter().map(|t| interpolate(&all, *t)).collect();
                (timesteps, levels)
            }
        };
        levels.push(0.0);
        Ok(Self { timesteps, sigmas: levels, prediction, before: None })
    }

    /// Signal and noise shares at a level.
    fn shares(&self, sigma: f64) -> (f64, f64) {
        if self.prediction == Prediction::Flow {
            (1.0 - sigma, sigma)
        } else {
            let alpha = 1.0 / (1.0 + sigma * sigma).sqrt();
            (alpha, sigma * alpha)
        }
    }
}

/// This solver spaces `steps + 1` points and drops the last.
fn spaced(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    let n = config.num_train_timesteps as f64;
    match config.timestep_spacing.as_deref().unwrap_or("linspace") {
        "trailing" => config.timesteps(steps, "trailing"),
        "leading" => {
            let ratio = config.num_train_timesteps / (steps + 1);
            (0..steps).map(|i| ((steps - i) * ratio) as f64 + config.steps_offset as f64).collect()
        }
        _ => (0..steps).map(|i| ((n - 1.0) * (steps - i) as f64 / steps as f64).round_ties_even()).collect(),
    }
}

impl Solver for Dpmpp2m {
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
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], _: NoiseSource) -> Vec<f32> {
        let (alpha, sigma) = self.shares(self.sigmas[i]);
        let (next_alpha, next_sigma) = self.shares(self.sigmas[i + 1]);
        let clean: Vec<f32> = sample
            .iter()
            .zip(output)
            .map(|(x, o)| {
                let (x, o) = (f64::from(*x), f64::from(*o));
                (match self.prediction {
                    Prediction::Epsilon => (x - sigma * o) / alpha,
                    Prediction::V => alpha * x - sigma * o,
                    Prediction::Flow => x - sigma * o,
                }) as f32
            })
            .collect();
        let lambda = |alpha: f64, sigma: f64| alpha.ln() - sigma.ln();
        let here = lambda(alpha, sigma);
        let h = lambda(next_alpha, next_sigma) - here;
        // At the very end the noise is gone: h is infinite and the step lands on the clean latent.
        let keep = next_sigma / sigma;
        let gain = -next_alpha * (-h).exp_m1();
        let last = i + 1 == self.timesteps.len();
        match self.before.take().filter(|_| !last && i > 0) {
            Some(before) => {
                let (a, s) = self.shares(self.sigmas[i - 1]);
                let ratio = (here - lambda(a, s)) / h;
                for ((x, c), b) in sample.iter_mut().zip(&clean).zip(&before) {
                    let slope = (f64::from(*c) - f64::from(*b)) / ratio;
                    *x = (keep * f64::from(*x) + gain * (f64::from(*c) + 0.5 * slope)) as f32;
                }
            }
            None => {
                for (x, c) in sample.iter_mut().zip(&clean) {
                    *x = (keep * f64::from(*x) + gain * f64::from(*c)) as f32;
                }
            }
        }
        self.before = Some(clean.clone());
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let (alpha, sigma) = self.shares(self.sigmas[i]);
        clean.iter().zip(noise).map(|(c, e)| alpha as f32 * c + sigma as f32 * e).collect()
    }
}
