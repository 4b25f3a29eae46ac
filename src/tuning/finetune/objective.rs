//! What a denoiser is asked: noise levels, what it should answer, and how much an answer counts.

use crate::corpus::rng::Rng;
use crate::sampler::schedule::{Prediction, SchedulerConfig};
use crate::tuning::train::flow_time;

/// Signal-to-noise ratio above which an answer counts no more (Hang et al. 2023, arXiv:2303.09556).
const MIN_SNR: f64 = 5.0;

/// One noise level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// As the denoiser is told it.
    pub timestep: f32,
    /// Factor of the clean latent.
    pub signal: f32,
    /// Factor of the noise.
    pub noise: f32,
    /// How much the squared error counts.
    pub weight: f32,
}

/// The training objective of a checkpoint, as its scheduler tells it.
#[derive(Debug, Clone)]
pub struct Objective {
    prediction: Prediction,
    schedule: SchedulerConfig,
    alphas: Vec<f64>,
}

impl Objective {
    /// Of a checked schedule.
    pub fn new(schedule: &SchedulerConfig) -> Self {
        let alphas = schedule.alphas_cumprod(schedule.terminal());
        Self { prediction: schedule.prediction(), schedule: schedule.clone(), alphas }
    }

    /// What the denoiser predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// A level to train on: even over the steps of a diffusion; for a flow as [`flow_time`] says.
    pub fn draw(&self, rng: &mut Rng) -> Level {
        let at = if self.prediction == Prediction::Flow { flow_time(rng) } else { rng.unit() };
        self.at(f64::from(at))
    }

    /// The level at `share` of the way from clean (0) to noise (1).
    pub fn at(&self, share: f64) -> Level {
        if self.prediction == Prediction::Flow {
            let sigma = self.schedule.shifted(share).clamp(1e-3, 1.0);
            let timestep = (sigma * self.schedule.num_train_timesteps as f64) as f32;
            return Level { timestep, signal: 1.0 - sigma as f32, noise: sigma as f32, weight: 1.0 };
        }
        let step = ((share * self.alphas.len() as f64) as usize).min(self.alphas.len() - 1);
        let alpha = self.alphas[step];
        let snr = alpha / (1.0 - alpha).max(1e-12);
        // For the error of the noise and of the velocity: the same weight on the error of the clean latent.
        let weight = match self.prediction {
            Prediction::V => snr.min(MIN_SNR) / (snr + 1.0),
            _ => snr.min(MIN_SNR) / snr.max(1e-12),
        };
        Level {
            timestep: step as f32,
            signal: alpha.sqrt() as f32,
            noise: (1.0 - alpha).sqrt() as f32,
            weight: weight as f32,
        }
    }

    /// Factors of clean latent and noise in the right answer.
    pub fn target(&self, level: &Level) -> (f32, f32) {
        match self.prediction {
            Prediction::Epsilon => (0.0, 1.0),
            Prediction::V => (-level.noise, level.signal),
            Prediction::Flow => (-1.0, 1.0),
        }
    }

    /// Factors of the noisy latent and of an answer in the clean latent that it means.
    pub fn guess(&self, level: &Level) -> (f32, f32) {
        match self.prediction {
            Prediction::Epsilon => {
                let signal = level.signal.max(1e-4);
                (1.0 / signal, -level.noise / signal)
            }
            Prediction::V => (level.signal, -level.noise),
            Prediction::Flow => (1.0, -level.noise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_answer_leads_back_to_the_clean_latent() {
        for (class, prediction) in [("FlowMatchEuler", None), ("DDIM", Some("epsilon")), ("DDIM", Some("v_prediction"))]
        {
            let schedule = SchedulerConfig {
                class_name: class.into(),
                prediction_type: prediction.map(str::to_string),
                ..SchedulerConfig::default()
            };
            let objective = Objective::new(&schedule);
            for share in [0.05, 0.5, 0.8] {
                let level = objective.at(share);
                let (clean, noise) = (0.7, -1.3);
                let noisy = level.signal * clean + level.noise * noise;
                let (of_clean, of_noise) = objective.target(&level);
                let (of_noisy, of_answer) = objective.guess(&level);
                let guess = of_noisy * noisy + of_answer * (of_clean * clean + of_noise * noise);
                assert!((guess - clean).abs() < 1e-4, "{class} {prediction:?} {share}: {guess}");
                assert!(level.weight > 0.0 && level.weight <= 1.0);
            }
        }
    }
}
