//! Noise schedules, solvers and seeded noise, on plain f32 slices: nothing here knows tensors.

mod ddim;
mod ddpm;
mod dpm2;
mod dpmpp_2m;
mod dpmpp_sde;
mod euler;
mod flow;
mod heun;
mod kind;
mod lcm;
mod lms;
pub mod noise;
mod pndm;
pub mod schedule;
pub mod spacing;
mod tcd;
mod unipc;
mod whole;

pub use kind::{Method, SamplerKind};

use crate::{Error, Result};
use schedule::{Prediction, SchedulerConfig};

/// Where a stochastic solver gets `n` standard normal numbers from.
pub type NoiseSource<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

/// One way from noise to a latent. Samples keep the solver's own scaling; all slices of one run have one length.
pub trait Solver: Send {
    /// Number of steps, one for each call of the denoiser: a solver of second order has nearly twice as many as were asked for.
    fn steps(&self) -> usize;
    /// What the denoiser is told at step `i`.
    fn timestep(&self, i: usize) -> f32;
    /// The sample is multiplied by this before the denoiser sees it; 1 for samples of constant variance.
    fn input_scale(&self, _: usize) -> f32 {
        1.0
    }
    /// The first noise is multiplied by this.
    fn initial_scale(&self) -> f32 {
        1.0
    }
    /// Moves `sample` from step `i` to the next, given the denoiser's `output`; returns the clean latent it believes in.
    fn step(&mut self, i: usize, sample: &mut [f32], output: &[f32], noise: NoiseSource) -> Vec<f32>;
    /// A clean latent with the noise of step `i`: where image-to-image starts.
    fn add_noise(&self, i: usize, clean: &[f32], noise: &[f32]) -> Vec<f32>;
    /// The call at which image-to-image begins that takes `taken` of the steps asked for; `steps()` for 0 of them.
    fn start(&self, taken: usize) -> usize {
        self.steps().saturating_sub(taken)
    }
}

/// The solver `kind` for a checkpoint with this scheduler, over `steps` steps (at least 1).
pub fn build(kind: SamplerKind, config: &SchedulerConfig, steps: usize) -> Result<Box<dyn Solver>> {
    if steps == 0 || steps > config.num_train_timesteps {
        return Err(Error::usage(format!("{steps} steps: this model takes 1 to {}.", config.num_train_timesteps)));
    }
    let flow = config.prediction() == Prediction::Flow;
    if flow && !kind.method.follows_flow() {
        let names: Vec<&str> = SamplerKind::ALL.iter().filter(|k| k.method.follows_flow()).map(|k| k.name()).collect();
        return Err(Error::usage(format!(
            "The sampler {kind} cannot follow a flow, which this model predicts; choose one of {}.",
            names.join(", ")
        )));
    }
    // A flow has noise levels of its own, which its shift decides.
    let spaced = if flow { config.clone() } else { kind.spacing.apply(config) };
    let config = &spaced;
    Ok(match kind.method {
        Method::Euler | Method::Ddim if flow => Box::new(flow::FlowEuler::new(config, steps, flow::After::Nothing)),
        Method::EulerAncestral if flow => Box::new(flow::FlowEuler::new(config, steps, flow::After::Ancestral)),
        Method::Lcm if flow => Box::new(flow::FlowEuler::new(config, steps, flow::After::Renoise)),
        Method::Euler => Box::new(euler::Euler::new(config, steps, false)?),
        Method::EulerAncestral => Box::new(euler::Euler::new(config, steps, true)?),
        Method::Heun => Box::new(heun::Heun::new(config, steps)?),
        Method::Dpm2 => Box::new(dpm2::Dpm2::new(config, steps, false)?),
        Method::Dpm2Ancestral => Box::new(dpm2::Dpm2::new(config, steps, true)?),
        Method::Lms => Box::new(lms::Lms::new(config, steps)?),
        Method::Dpmpp2m => Box::new(dpmpp_2m::Dpmpp2m::new(config, steps, false)?),
        Method::Dpmpp2mSde => Box::new(dpmpp_2m::Dpmpp2m::new(config, steps, true)?),
        Method::DpmppSde => Box::new(dpmpp_sde::DpmppSde::new(config, steps)?),
        Method::UniPc => Box::new(unipc::UniPc::new(config, steps)?),
        Method::Ddim => Box::new(ddim::Ddim::new(config, steps)?),
        Method::Ddpm => Box::new(ddpm::Ddpm::new(config, steps)?),
        Method::Pndm => Box::new(pndm::Pndm::new(config, steps)?),
        Method::Lcm => Box::new(lcm::Lcm::new(config, steps)?),
        Method::Tcd => Box::new(tcd::Tcd::new(config, steps)?),
    })
}

#[cfg(test)]
mod tests;
