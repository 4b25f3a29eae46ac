//! Noise schedules: what `scheduler/scheduler_config.json` says, as numbers.

use crate::{Error, Result};
use serde::Deserialize;

/// What the denoiser's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The velocity (Salimans and Ho 2022).
    V,
    /// The direction from the clean latent to the noise (flow matching, Lipman et al. 2022).
    Flow,
}

/// `scheduler_config.json`, with diffusers' defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    /// The class that wrote it.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Time steps of training.
    pub num_train_timesteps: usize,
    /// First beta.
    pub beta_start: f64,
    /// Last beta.
    pub beta_end: f64,
    /// `linear`, `scaled_linear` or `squaredcos_cap_v2`.
    pub beta_schedule: String,
    /// `epsilon`, `v_prediction` or `flow_prediction`.
    pub prediction_type: Option<String>,
    /// `leading`, `trailing` or `linspace`, or Kiln's own `sgm_uniform`.
    pub timestep_spacing: Option<String>,
    /// Added to leading time steps.
    pub steps_offset: i64,
    /// Whether the last step of DDIM and PNDM ends at no noise at all; each has its own answer where this is absent.
    pub set_alpha_to_one: Option<bool>,
    /// The noise levels of Karras et al. 2022, for solvers that take any level.
    pub use_karras_sigmas: bool,
    /// Noise levels that are even in the logarithm, for solvers that take any level.
    pub use_exponential_sigmas: bool,
    /// Zero terminal signal-to-noise ratio (Lin et al. 2023, arXiv:2305.08891).
    pub rescale_betas_zero_snr: bool,
    /// Shift of flow-matching noise levels.
    pub shift: f64,
    /// Steps that a latent consistency model was distilled from.
    pub original_inference_steps: usize,
    /// Scale of the time step in the consistency boundary.
    pub timestep_scaling: f64,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            class_name: String::new(),
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: "linear".into(),
            prediction_type: None,
            timestep_spacing: None,
            steps_offset: 0,
            set_alpha_to_one: None,
            use_karras_sigmas: false,
            use_exponential_sigmas: false,
            rescale_betas_zero_snr: false,
            shift: 1.0,
            original_inference_steps: 50,
            timestep_scaling: 10.0,
        }
    }
}

impl SchedulerConfig {
    /// Refuses schedules that make no sense.
    pub fn check(&self) -> Result<()> {
        let wrong = |field: &str, value: &dyn std::fmt::Debug| {
            Error::failed(format!(
                "The scheduler configuration asks for {field} = {value:?}, which Kiln does not support."
            ))
        };
        if !(1..=100_000).contains(&self.num_train_timesteps) {
            return Err(wrong("num_train_timesteps", &self.num_train_timesteps));
        }
        if !matches!(self.beta_schedule.as_str(), "linear" | "scaled_linear" | "squaredcos_cap_v2") {
            return Err(wrong("beta_schedule", &self.beta_schedule));
        }
        if !matches!(
            self.prediction_type.as_deref(),
            None | Some("epsilon") | Some("v_prediction") | Some("flow_prediction")
        ) {
            return Err(wrong("prediction_type", &self.prediction_type));
        }
        if !matches!(
            self.timestep_spacing.as_deref(),
            None | Some("leading") | Some("trailing") | Some("linspace") | Some("sgm_uniform")
        ) {
            return Err(wrong("timestep_spacing", &self.timestep_spacing));
        }
        if !(self.shift.is_finite() && self.shift > 0.0) {
            return Err(wrong("shift", &self.shift));
        }
        Ok(())
    }

    /// What the denoiser predicts.
    pub fn prediction(&self) -> Prediction {
        match self.prediction_type.as_deref() {
            Some("v_prediction") => Prediction::V,
            Some("flow_prediction") => Prediction::Flow,
            None if self.class_name.starts_with("FlowMatch") => Prediction::Flow,
            _ => Prediction::Epsilon,
        }
    }

    /// Cumulative products of the alphas, one a training step. `terminal`: what a zero at the end is replaced with by
    /// solvers that divide by it.
    pub fn alphas_cumprod(&self, terminal: Option<f64>) -> Vec<f64> {
        let n = self.num_train_timesteps;
        let line = |from: f64, to: f64, i: usize| from + (to - from) * i as f64 / (n.max(2) - 1) as f64;
        let bar = |t: f64| (((t + 0.008) / 1.008) * std::f64::consts::FRAC_PI_2).cos().powi(2);
        let mut product = 1.0;
        let mut alphas: Vec<f64> = (0..n)
            .map(|i| {
                let beta = match self.beta_schedule.as_str() {
                    "scaled_linear" => line(self.beta_start.sqrt(), self.beta_end.sqrt(), i).powi(2),
                    "squaredcos_cap_v2" => (1.0 - bar((i + 1) as f64 / n as f64) / bar(i as f64 / n as f64)).min(0.999),
                    _ => line(self.beta_start, self.beta_end, i),
                };
                product *= 1.0 - beta;
                product
            })
            .collect();
        if self.rescale_betas_zero_snr {
            let (first, last) = (alphas[0].sqrt(), alphas[n - 1].sqrt());
            for a in &mut alphas {
                *a = ((a.sqrt() - last) * first / (first - last)).powi(2);
            }
            if let Some(terminal) = terminal {
                alphas[n - 1] = terminal;
            }
        }
        alphas
    }

    /// What solvers on whole time steps put in place of a zero at the end: they take it as it is, but noise alone cannot
    /// be divided by no signal.
    pub fn terminal(&self) -> Option<f64> {
        (self.prediction() == Prediction::Epsilon).then_some(2f64.powi(-24))
    }

    /// Time steps from the noisiest, as `numpy` rounds them (half to even). `default`: the spacing of solvers whose
    /// configuration names none.
    pub fn timesteps(&self, steps: usize, default: &str) -> Vec<f64> {
        let n = self.num_train_timesteps as f64;
        let spacing = self.timestep_spacing.as_deref().unwrap_or(default);
        if spacing == "sgm_uniform" {
            return self.sgm_uniform(steps);
        }
        (0..steps)
            .map(|i| match spacing {
                "trailing" => (n - i as f64 * n / steps as f64).round_ties_even() - 1.0,
                "linspace" if steps == 1 => 0.0,
                "linspace" => (n - 1.0) * (steps - 1 - i) as f64 / (steps - 1) as f64,
                _ => ((steps - 1 - i) * (self.num_train_timesteps / steps)) as f64 + self.steps_offset as f64,
            })
            .collect()
    }

    /// A noise level of a flow, moved towards noise as the checkpoint's shift says (Esser et al. 2024, arXiv:2403.03206).
    pub fn shifted(&self, sigma: f64) -> f64 {
        self.shift * sigma / (1.0 + (self.shift - 1.0) * sigma)
    }

    /// Whole time steps, even over `steps + 1` points of which the last, no noise, is left out.
    pub fn sgm_uniform(&self, steps: usize) -> Vec<f64> {
        let top = self.num_train_timesteps as f64 - 1.0;
        (0..steps).map(|i| (top * (steps - i) as f64 / steps as f64).round_ties_even()).collect()
    }

    /// Whether the time steps begin at the very end of the schedule.
    pub fn starts_at_end(&self, default: &str) -> bool {
        self.timestep_spacing.as_deref().unwrap_or(default) != "leading"
    }
}

/// Noise levels `sqrt((1 - a) / a)` of every training step.
pub fn sigmas(alphas: &[f64]) -> Vec<f64> {
    alphas.iter().map(|a| ((1.0 - a) / a).sqrt()).collect()
}

/// Linear interpolation of `values` at `at`.
pub fn interpolate(values: &[f64], at: f64) -> f64 {
    let at = at.clamp(0.0, (values.len() - 1) as f64);
    let low = at.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    values[low] + (values[high] - values[low]) * (at - low as f64)
}

/// Noise levels of Karras et al. 2022 (arXiv:2206.00364, rho 7), from `max` down to `min`.
pub fn karras(min: f64, max: f64, steps: usize) -> Vec<f64> {
    let rho = 7.0;
    let (low, high) = (min.powf(1.0 / rho), max.powf(1.0 / rho));
    (0..steps)
        .map(|i| {
            let t = if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
            (high + t * (low - high)).powf(rho)
        })
        .collect()
}

/// The (fractional) training step whose noise level is `sigma`, by interpolation of logarithms.
pub fn sigma_to_timestep(sigma: f64, all: &[f64]) -> f64 {
    let log = sigma.max(1e-10).ln();
    let low = all.iter().rposition(|s| s.ln() <= log).unwrap_or(0).min(all.len().saturating_sub(2));
    let (a, b) = (all[low].ln(), all[low + 1].ln());
    let w = ((a - log) / (a - b)).clamp(0.0, 1.0);
    (1.0 - w) * low as f64 + w * (low + 1) as f64
}
