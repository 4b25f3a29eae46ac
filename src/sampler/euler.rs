//! Euler and Euler ancestral (Karras et al. 2022, arXiv:2206.00364; diffusers' `EulerDiscreteScheduler` and its twin).

use super::schedule::{Prediction, SchedulerConfig, interpolate, sigmas};
use super::{NoiseSource, Solver};
use crate::Result;

/// Works on samples whose noise has standard deviation sigma.
pub struct Euler {
    timesteps: Vec<f64>,
    sigmas: Vec<f64>,
    prediction: Prediction,
    ancestral: bool,
    initial: f64,
}

const SPACING: &str = "linspace";

impl Euler {
    /// `ancestral`: take away more noise than the step needs, and put fresh noise back.
    pub fn new(config: &SchedulerConfig, steps: usize, ancestral: bool) -> Result<Self> {
        config.check()?;
        let timesteps = config.timesteps(steps, SPACING);
        let all = sigmas(&config.alphas_cumprod(Some(2f64.powi(-24))));
        let mut levels: Vec<f64> = timesteps.iter().map(|t| interpolate(&all, *t)).collect();
        let top = levels[0];
        levels.push(0.0);
        let initial = if config.starts_at_end(SPACING) { top } else { (top * top + 1.0).sqrt() };
        Ok(Self { timesteps, sigmas: levels, prediction: config.prediction(), ancestral, initial })
    }
}

impl Solver for Euler {
    fn steps(&self) -> usize {
        self.timesteps.len()
    }
    fn timestep(&self, i: usize) -> f32 {
        self.timesteps[i] as f32
    }
    fn input_scale(&self, i: usize) -> f32 {
        (1.0 / (self.sigmas[i].powi(2) + 1.0).sqrt()) as f32
    }
    fn initial_scale(&self) -> f32 {
        self.initial as f32
    }
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32> {
        let (sigma, next) = (self.sigmas[i], self.sigmas[i + 1]);
        let (of_sample, of_output) = match self.prediction {
            Prediction::V => (1.0 / (sigma * sigma + 1.0), -sigma / (sigma * sigma + 1.0).sqrt()),
            _ => (1.0, -sigma),
        };
        let clean: Vec<f32> = sample
            .iter()
            .zip(output)
            .map(|(x, o)| (of_sample * f64::from(*x) + of_output * f64::from(*o)) as f32)
            .collect();
        let (down, up) = if self.ancestral {
            let up = (next * next * (sigma * sigma - next * next) / (sigma * sigma)).sqrt();
            ((next * next - up * up).max(0.0).sqrt(), up)
        } else {
            (next, 0.0)
        };
        let keep = down / sigma;
        for (x, c) in sample.iter_mut().zip(&clean) {
            *x = (keep * f64::from(*x) + (1.0 - keep) * f64::from(*c)) as f32;
        }
        if self.ancestral {
            // Drawn on the last step too, so that the generator is where diffusers' is.
            for (x, e) in sample.iter_mut().zip(noise(clean.len())) {
                *x += up as f32 * e;
            }
        }
        clean
    }
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32> {
        let sigma = self.sigmas[i] as f32;
        clean.iter().zip(noise).map(|(c, e)| c + sigma * e).collect()
    }
}
