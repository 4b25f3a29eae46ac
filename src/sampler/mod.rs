//! Noise schedules, solvers and seeded noise, on plain f32 slices: nothing here knows tensors.

mod ddim;
mod dpmpp_2m;
mod euler;
mod flow;
mod lcm;
pub mod noise;
pub mod schedule;

use crate::{Error, Result};
use schedule::{Prediction, SchedulerConfig};
use std::fmt;
use std::str::FromStr;

/// The samplers, by the field's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplerKind {
    /// Euler (Karras et al. 2022); flow-match Euler for checkpoints that predict a flow.
    Euler,
    /// Euler with fresh noise after every step.
    EulerAncestral,
    /// DDIM (Song et al. 2020), deterministic.
    Ddim,
    /// DPM-Solver++ 2M (Lu et al. 2022).
    Dpmpp2m,
    /// The same on the noise levels of Karras et al. 2022.
    Dpmpp2mKarras,
    /// Latent consistency (Luo et al. 2023), for distilled checkpoints.
    Lcm,
}

impl SamplerKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Euler, Self::EulerAncestral, Self::Ddim, Self::Dpmpp2m, Self::Dpmpp2mKarras, Self::Lcm];

    /// The name in Recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::EulerAncestral => "euler_a",
            Self::Ddim => "ddim",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::Dpmpp2mKarras => "dpmpp_2m_karras",
            Self::Lcm => "lcm",
        }
    }

    /// The name that people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::Euler => "Euler",
            Self::EulerAncestral => "Euler a",
            Self::Ddim => "DDIM",
            Self::Dpmpp2m => "DPM++ 2M",
            Self::Dpmpp2mKarras => "DPM++ 2M Karras",
            Self::Lcm => "LCM",
        }
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamplerKind {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(format!("There is no sampler \"{name}\"; the samplers are {names}."))
        })
    }
}

/// Where a stochastic solver gets `n` standard normal numbers from.
pub type NoiseSource<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

/// One way from noise to a latent. Samples keep the solver's own scaling; all slices of one run have one length.
pub trait Solver: Send {
    /// Number of steps.
    fn steps(&self) -> usize;
    /// What the denoiser is told at step `i`.
    fn timestep(&self, i: usize) -> f32;
    /// The sample is multiplied by this before the denoiser sees it.
    fn input_scale(&self, i: usize) -> f32;
    /// The first noise is multiplied by this.
    fn initial_scale(&self) -> f32;
    /// Moves `sample` from step `i` to the next, given the denoiser's `output`; returns the clean latent it believes in.
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32>;
    /// A clean latent with the noise of step `i`: where image-to-image starts.
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32>;
}

/// The solver `kind` for a checkpoint with this scheduler, over `steps` steps (at least 1).
pub fn build(kind: SamplerKind, config: &SchedulerConfig, steps: usize) -> Result<Box<dyn Solver>> {
    if steps == 0 || steps > config.num_train_timesteps {
        return Err(Error::usage(format!("{steps} steps: this model takes 1 to {}.", config.num_train_timesteps)));
    }
    let flow = config.prediction() == Prediction::Flow;
    Ok(match kind {
        SamplerKind::Euler | SamplerKind::Ddim if flow => {
            Box::new(flow::FlowEuler::new(config, steps, flow::After::Nothing))
        }
        SamplerKind::EulerAncestral if flow => Box::new(flow::FlowEuler::new(config, steps, flow::After::Ancestral)),
        SamplerKind::Lcm if flow => Box::new(flow::FlowEuler::new(config, steps, flow::After::Renoise)),
        SamplerKind::Euler => Box::new(euler::Euler::new(config, steps, false)?),
        SamplerKind::EulerAncestral => Box::new(euler::Euler::new(config, steps, true)?),
        SamplerKind::Ddim => Box::new(ddim::Ddim::new(config, steps)?),
        SamplerKind::Dpmpp2m => Box::new(dpmpp_2m::Dpmpp2m::new(config, steps, false)?),
        SamplerKind::Dpmpp2mKarras => Box::new(dpmpp_2m::Dpmpp2m::new(config, steps, true)?),
        SamplerKind::Lcm => Box::new(lcm::Lcm::new(config, steps)?),
    })
}

#[cfg(test)]
mod tests;
