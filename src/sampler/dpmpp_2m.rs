//! DPM-Solver++ 2M and its stochastic form (Lu et al. 2022, arXiv:2211.01095; diffusers' `DPMSolverMultistepScheduler`, order 2,
//! midpoint, `dpmsolver++` and `sde-dpmsolver++`).

use super::schedule::{Prediction, SchedulerConfig};
use super::spacing::{Habit, Ladder, clean, mix, shares, stir};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples of constant variance (or on the straight path of a flow).
pub struct Dpmpp2m {
    ladder: Ladder,
    stochastic: bool,
    /// The clean latent of the step before.
    before: Option<Vec<f32>>,
}

impl Dpmpp2m {
    /// `stochastic`: solve the stochastic equation, with fresh noise in every step.
    pub fn new(config: &SchedulerConfig, steps: usize, stochastic: bool) -> Result<Self> {
        let mut ladder = Ladder::new(config, steps, Habit::Whole)?;
        if ladder.prediction == Prediction::Flow {
            let n = config.num_train_timesteps as f64;
            for i in 0..steps {
                let sigma = (1.0 - 1.0 / n) * (steps - i) as f64 / steps as f64;
                ladder.sigmas[i] = config.shifted(sigma);
                ladder.timesteps[i] = (ladder.sigmas[i] * n).floor();
            }
        }
        Ok(Self { ladder, stochastic, before: None })
    }

    /// Signal and noise shares at step `i`.
    fn shares(&self, i: usize) -> (f64, f64) {
        shares(self.ladder.prediction, self.ladder.sigmas[i])
    }
}

impl Solver for Dpmpp2m {
    fn steps(&self) -> usize {
        self.ladder.steps()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.ladder.timesteps[i] as f32
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let (alpha, sigma) = self.shares(i);
        let (next_alpha, next_sigma) = self.shares(i + 1);
        let clean = clean(self.ladder.prediction, (alpha, sigma), sample, output);
        let lambda = |(alpha, sigma): (f64, f64)| alpha.ln() - sigma.ln();
        let here = lambda((alpha, sigma));
        let h = lambda((next_alpha, next_sigma)) - here;
        // At the very end the noise is gone: h is infinite and the step lands on the clean latent.
        let last = i + 1 == self.ladder.steps();
        let (keep, gain, fresh) = if self.stochastic {
            let lost = -(-2.0 * h).exp_m1();
            (next_sigma / sigma * (-h).exp(), next_alpha * lost, next_sigma * lost.sqrt())
        } else {
            (next_sigma / sigma, -next_alpha * (-h).exp_m1(), 0.0)
        };
        match self.before.take().filter(|_| !last && i > 0) {
            Some(before) => {
                let ratio = (here - lambda(self.shares(i - 1))) / h;
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
        if self.stochastic {
            // Drawn on the last step too, so that the generator is where diffusers' is.
            stir(sample, fresh, &noise(clean.len()));
        }
        self.before = Some(clean.clone());
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        mix(clean, noise, self.shares(i))
    }
}
