//! Solvers for checkpoints that predict a flow (Lipman et al. 2022, arXiv:2210.02747; diffusers' `FlowMatchEulerDiscreteScheduler`).

use super::schedule::SchedulerConfig;
use super::spacing::{Habit, Ladder};
use super::{NoiseSource, Solver};
use crate::Result;

/// What happens to the sample after an Euler step along the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing: deterministic.
    Nothing,
    /// Go further down and come back up with fresh noise (the ancestral step on a straight path).
    Ancestral,
    /// Jump to the clean latent and add fresh noise (consistency sampling).
    Renoise,
}

/// Noise levels of a flow, one more than `steps`: the last is 0.
fn levels(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    let n = config.num_train_timesteps as f64;
    // diffusers shifts the ends of the training schedule, spaces the steps evenly between, and shifts again.
    let (low, high) = (config.shifted(1.0 / n), config.shifted(1.0));
    let mut sigmas: Vec<f64> = (0..steps)
        .map(|i| {
            let t = if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
            config.shifted(high + t * (low - high))
        })
        .collect();
    sigmas.push(0.0);
    sigmas
}

/// The same as a [`Ladder`], for solvers that also know diffusion.
pub fn ladder(config: &SchedulerConfig, steps: usize) -> Result<Ladder> {
    let mut ladder = Ladder::new(config, steps, Habit::Variance)?;
    ladder.sigmas = levels(config, steps);
    ladder.timesteps = ladder.sigmas[..steps].iter().map(|s| s * config.num_train_timesteps as f64).collect();
    Ok(ladder)
}

/// Works on `(1 - sigma) clean + sigma noise`.
pub struct FlowEuler {
    sigmas: Vec<f64>,
    train_steps: f64,
    after: After,
}

impl FlowEuler {
    /// Over `steps` steps.
    pub fn new(config: &SchedulerConfig, steps: usize, after: After) -> Self {
        Self { sigmas: levels(config, steps), train_steps: config.num_train_timesteps as f64, after }
    }
}

impl Solver for FlowEuler {
    fn steps(&self) -> usize {
        self.sigmas.len() - 1
    }
    fn timestep(&self, i: usize) -> f32 {
        (self.sigmas[i] * self.train_steps) as f32
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let (sigma, next) = (self.sigmas[i], self.sigmas[i + 1]);
        let clean: Vec<f32> = sample.iter().zip(output).map(|(x, v)| x - sigma as f32 * v).collect();
        if next == 0.0 && self.after != After::Nothing {
            sample.copy_from_slice(&clean);
            return clean;
        }
        match self.after {
            After::Nothing => {
                for (x, v) in sample.iter_mut().zip(output) {
                    *x += (next - sigma) as f32 * v;
                }
            }
            After::Ancestral => {
                let down = next * next / sigma;
                let scale = (1.0 - next) / (1.0 - down);
                let fresh = (next * next - (down * scale).powi(2)).max(0.0).sqrt();
                let keep = down / sigma;
                for ((x, c), e) in sample.iter_mut().zip(&clean).zip(noise(clean.len())) {
                    let moved = keep * f64::from(*x) + (1.0 - keep) * f64::from(*c);
                    *x = (scale * moved + fresh * f64::from(e)) as f32;
                }
            }
            After::Renoise => {
                for ((x, c), e) in sample.iter_mut().zip(&clean).zip(noise(clean.len())) {
                    *x = ((1.0 - next) * f64::from(*c) + next * f64::from(e)) as f32;
                }
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let sigma = self.sigmas[i] as f32;
        clean.iter().zip(noise).map(|(c, e)| (1.0 - sigma) * c + sigma * e).collect()
    }
}
