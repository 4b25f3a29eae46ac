//! The same questions before and after: held-out pictures at fixed noise.

use super::dataset::Example;
use super::losses::{Part, errors};
use super::objective::Objective;
use super::settings::LARGE;
use crate::model::unet::Unet;
use crate::pipeline::Pipeline;
use crate::sampler::noise::TorchGenerator;
use crate::{Error, Result};

/// Questions about one picture, at even noise levels.
const DRAWS: usize = 8;
/// Most questions in all: for small checkpoints, for large ones.
const MOST: [usize; 2] = [256, 16];
/// Pictures that are asked about at once.
const AT_ONCE: usize = 8;

/// Fixed questions about the held-out pictures.
pub struct Exam {
    parts: Vec<Part>,
    objective: Objective,
    /// Questions about one picture.
    pub draws: usize,
}

impl Exam {
    /// `seed` decides the noise. Without held-out pictures it asks nothing.
    ///
    /// # Errors
    /// When a caption cannot be encoded.
    pub fn new(examples: &[Example], pipeline: &Pipeline, seed: u64) -> Result<Self> {
        let objective = Objective::new(pipeline.schedule());
        let most = MOST[usize::from(pipeline.info().parameters > LARGE)];
        let draws = (most / examples.len().max(1)).clamp(1, DRAWS);
        let channels = pipeline.latent_channels();
        let mut parts = Vec::new();
        for (i, example) in examples.iter().enumerate() {
            let (w, h) = example.size;
            let clean = example.latent(0);
            let noise = TorchGenerator::new(seed.wrapping_mul(7919).wrapping_add(i as u64)).randn(clean.len() * draws);
            let words = pipeline.words_of(&[&example.caption])?;
            for first in (0..draws).step_by(AT_ONCE) {
                let n = AT_ONCE.min(draws - first);
                // Pictures with one question each still meet all noise levels.
                let offset = (i as f64 * 0.618_034).fract();
                let share = |d: usize| if draws == 1 { offset } else { (d as f64 + 0.5) / draws as f64 };
                parts.push(Part {
                    clean: clean.repeat(n),
                    noise: noise[first * clean.len()..(first + n) * clean.len()].to_vec(),
                    levels: (first..first + n).map(|d| objective.at(share(d))).collect(),
                    words: words.clone().repeat_dim(0, n),
                    shape: [n, h, w, channels],
                });
            }
        }
        Ok(Self { parts, objective, draws })
    }

    /// Whether there is anything to ask.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The weighted squared error of each answer. `stop` is asked between the pictures.
    ///
    /// # Errors
    /// When it was stopped, or the device hands no numbers back.
    pub fn sit(&self, unet: &Unet, pipeline: &Pipeline, stop: &dyn Fn() -> bool) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for part in &self.parts {
            if stop() {
                return Err(Error::cancelled());
            }
            all.extend(errors(unet, &self.objective, part, &pipeline.nothing_set(part.shape[0]))?);
        }
        Ok(all)
    }
}

/// The mean of answers' errors; not a number when nothing was asked.
pub fn mean(errors: &[f32]) -> f32 {
    errors.iter().sum::<f32>() / errors.len() as f32
}
