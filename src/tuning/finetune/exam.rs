//! The same questions before and after: held-out pictures, or held-out choices between two, at fixed noise.

use super::choices::Pair;
use super::dataset::Example;
use super::losses::{Part, errors, preference_losses};
use super::objective::Objective;
use super::pupil::Answers;
use super::settings::LARGE;
use crate::pipeline::Pipeline;
use crate::sampler::noise::TorchGenerator;
use crate::{Error, Result};
use burn::tensor::Tensor;

/// Questions about one picture at every check, at even noise levels.
pub(super) const CHECK: usize = 8;
/// Questions about one picture at the end, where they are asked only twice: before and after.
pub(super) const PROOF: usize = 32;
/// Most questions in all: for small checkpoints, for large ones.
const MOST: [usize; 2] = [256, 16];
/// Pictures that are asked about at once.
const AT_ONCE: usize = 8;

/// What the checkpoint alone answers about choices.
struct Rivals {
    /// Its errors, part by part.
    base: Vec<Vec<f32>>,
    beta: f32,
}

/// Fixed questions about the held-out pictures or choices.
pub(super) struct Exam {
    parts: Vec<Part>,
    objective: Objective,
    rivals: Option<Rivals>,
    /// Words are heard anew by whoever answers, as one of them is what learns.
    anew: bool,
    /// Questions about one picture or choice.
    pub draws: usize,
}

impl Exam {
    /// `seed` decides the noise; up to `draws` questions about each picture. Without pictures it asks nothing.
    ///
    /// # Errors
    /// When a caption cannot be encoded.
    pub fn new(examples: &[Example], pipeline: &Pipeline, seed: u64, draws: usize) -> Result<Self> {
        let objective = Objective::new(pipeline.schedule());
        let most = MOST[usize::from(pipeline.info().parameters > LARGE)];
        let draws = (most / examples.len().max(1)).clamp(1, draws);
        let channels = pipeline.latent_channels();
        let mut parts = Vec::new();
        for (i, example) in examples.iter().enumerate() {
            let (w, h) = example.size;
            let clean = example.latent(0);
            let noise = noise(seed, i, clean.len() * draws);
            let words = pipeline.words_of(&[&example.caption])?;
            for first in (0..draws).step_by(AT_ONCE) {
                let n = AT_ONCE.min(draws - first);
                parts.push(Part {
                    clean: clean.repeat(n),
                    noise: noise[first * clean.len()..(first + n) * clean.len()].to_vec(),
                    levels: (first..first + n).map(|d| objective.at(share(i, d, draws))).collect(),
                    words: words.clone().repeat_dim(0, n),
                    captions: vec![example.caption.clone(); n],
                    shape: [n, h, w, channels],
                });
            }
        }
        Ok(Self { parts, objective, rivals: None, anew: false, draws })
    }

    /// The same where a word learns.
    pub fn heard_anew(self, anew: bool) -> Self {
        Self { anew, ..self }
    }

    /// About choices among examples: each is one question, whose answer is the loss of Diffusion-DPO of strictness `beta` over up
    /// to `draws` fixed noise levels.
    ///
    /// # Errors
    /// When a prompt cannot be encoded, or the checkpoint gives no answer.
    pub fn of_choices(
        examples: &[Example],
        pairs: &[Pair],
        beta: f32,
        pipeline: &Pipeline,
        seed: u64,
        draws: usize,
    ) -> Result<Self> {
        let objective = Objective::new(pipeline.schedule());
        let most = MOST[usize::from(pipeline.info().parameters > LARGE)];
        let draws = (most / pairs.len().max(1) / 2).clamp(1, draws);
        let mut parts = Vec::new();
        for (i, Pair { winner, loser, .. }) in pairs.iter().enumerate() {
            let (winner, loser) = (&examples[*winner], &examples[*loser]);
            let (w, h) = winner.size;
            let clean: Vec<Vec<f32>> = [winner, loser].iter().map(|e| e.latent(0).repeat(draws)).collect();
            let words = |e: &Example| Ok::<_, Error>(pipeline.words_of(&[&e.caption])?.repeat_dim(0, draws));
            parts.push(Part {
                clean: clean.concat(),
                noise: noise(seed, i, clean[0].len()).repeat(2),
                levels: (0..2 * draws).map(|d| objective.at(share(i, d % draws, draws))).collect(),
                words: Tensor::cat(vec![words(winner)?, words(loser)?], 0),
                captions: [winner, loser].iter().flat_map(|e| vec![e.caption.clone(); draws]).collect(),
                shape: [2 * draws, h, w, pipeline.latent_channels()],
            });
        }
        let exam = Self { parts, objective, rivals: None, anew: false, draws };
        let plain = Answers { unet: pipeline.unet().clone(), hears: pipeline.clone() };
        let base = exam.errors(&plain, &mut || false)?;
        Ok(Self { rivals: Some(Rivals { base, beta }), ..exam })
    }

    /// Whether there is anything to ask.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The weighted squared error of each answer, or the loss of each choice. `stop` is asked between the pictures.
    ///
    /// # Errors
    /// When it was stopped, or the device hands no numbers back.
    pub fn sit(&self, answers: &Answers, stop: &mut dyn FnMut() -> bool) -> Result<Vec<f32>> {
        let answers = self.errors(answers, stop)?;
        Ok(match &self.rivals {
            None => answers.concat(),
            Some(Rivals { base, beta }) => {
                answers.iter().zip(base).flat_map(|(a, b)| preference_losses(a, b, *beta, self.draws)).collect()
            }
        })
    }

    /// Errors, part by part.
    fn errors(&self, answers: &Answers, stop: &mut dyn FnMut() -> bool) -> Result<Vec<Vec<f32>>> {
        let mut ask = |part: &Part| {
            if stop() {
                return Err(Error::cancelled());
            }
            let told = answers.hears.told_by(&part.captions);
            if !self.anew {
                return errors(&answers.unet, &self.objective, part, &part.words, &told);
            }
            let captions: Vec<&str> = part.captions.iter().map(String::as_str).collect();
            errors(&answers.unet, &self.objective, part, &answers.hears.words_of(&captions)?, &told)
        };
        self.parts.iter().map(&mut ask).collect()
    }
}

/// `n` standard normal numbers for picture or choice `i`.
fn noise(seed: u64, i: usize, n: usize) -> Vec<f32> {
    TorchGenerator::new(seed.wrapping_mul(7919).wrapping_add(i as u64)).randn(n)
}

/// Noise level of question `d` of `draws` about picture or choice `i`, 0..1. Those with one question each still meet all levels.
fn share(i: usize, d: usize, draws: usize) -> f64 {
    if draws == 1 { (i as f64 * 0.618_034).fract() } else { (d as f64 + 0.5) / draws as f64 }
}

/// The mean of answers' errors; not a number when nothing was asked.
pub fn mean(errors: &[f32]) -> f32 {
    errors.iter().sum::<f32>() / errors.len() as f32
}
