//! The losses: squared error, with what a decoder sees or what a discriminator says beside it.

use super::objective::{Level, Objective};
use super::settings::LossKind;
use super::student::Judge;
use crate::model::autoencoder::Autoencoder;
use crate::model::autoencoder_kl::AutoencoderKl;
use crate::model::lora::trainable::frozen;
use crate::model::unet::{Unet, UnetConditioning};
use crate::pipeline::{Pipeline, values};
use crate::tuning::recompute::{self, Parts};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation};

/// How much the perceptual term counts beside the squared error.
const PERCEPTUAL: f32 = 0.1;
/// How much the discriminator's opinion counts beside the squared error.
const ADVERSARIAL: f32 = 0.02;
/// How much more it counts that a preferred picture becomes less likely than that the other one becomes likelier.
const HOLD: f32 = 20.0;
/// Share of signal from which a guess of the clean latent is worth looking at; below it is the mean of many pictures.
const CLEAR: f32 = 0.5;

/// Pictures of one size, with noise and words.
#[derive(Debug, Clone)]
pub struct Part {
    /// `[n, h, w, c]`, flat.
    pub clean: Vec<f32>,
    /// As many standard normal numbers.
    pub noise: Vec<f32>,
    /// One a picture.
    pub levels: Vec<Level>,
    /// `[n, tokens, width]`, without gradients.
    pub words: Tensor<3>,
    /// What they were, one a picture.
    pub captions: Vec<String>,
    /// `[n, h, w, c]`.
    pub shape: [usize; 4],
}

/// What a denoiser is asked, and the truth.
struct Question {
    noisy: Tensor<4>,
    times: Vec<f32>,
    target: Tensor<4>,
    clean: Tensor<4>,
}

/// `a * x + b * y`, picture by picture.
fn blend(x: Tensor<4>, y: Tensor<4>, factors: impl Iterator<Item = (f32, f32)>) -> Tensor<4> {
    let (n, device) = (x.dims()[0], x.device());
    let (a, b): (Vec<f32>, Vec<f32>) = factors.unzip();
    let factor = |v: Vec<f32>| Tensor::<4>::from_data(TensorData::new(v, [n, 1, 1, 1]), &device);
    x * factor(a) + y * factor(b)
}

/// The question of a part.
fn question(objective: &Objective, part: &Part, device: &Device) -> Question {
    let tensor = |v: &Vec<f32>| Tensor::<4>::from_data(TensorData::new(v.clone(), part.shape), device);
    let (clean, noise) = (tensor(&part.clean), tensor(&part.noise));
    let levels = || part.levels.iter();
    let noisy = blend(clean.clone(), noise.clone(), levels().map(|l| (l.signal, l.noise)));
    let target = blend(clean.clone(), noise, levels().map(|l| objective.target(l)));
    Question { noisy, times: levels().map(|l| l.timestep).collect(), target, clean }
}

/// Squared errors `[n]`, each a mean over its latent and weighted by its level; on a device without gradients.
///
/// # Errors
/// When the device hands no numbers back.
pub fn errors(
    unet: &Unet,
    objective: &Objective,
    part: &Part,
    words: &Tensor<3>,
    told: &UnetConditioning,
) -> Result<Vec<f32>> {
    let q = question(objective, part, &words.device());
    let answer = unet.forward(q.noisy, &q.times, words.clone(), told)?;
    let n = part.shape[0];
    let errors = (answer - q.target).square().reshape([n, part.clean.len() / n.max(1)]).mean_dim(1);
    Ok(values(errors)?.iter().zip(&part.levels).map(|(e, l)| e * l.weight).collect())
}

/// Squared errors `[n]` of winners less those of losers, of a part that holds first the ones, then the others.
fn rivalry(errors: &[f32]) -> Vec<f32> {
    let (winners, losers) = errors.split_at(errors.len() / 2);
    winners.iter().zip(losers).map(|(w, l)| w - l).collect()
}

/// The loss of Diffusion-DPO for each pair (Wallace et al. 2023, arXiv:2311.12908, equation 14), from the differences of
/// [`rivalry`] with and without the adapter; the natural logarithm of 2 where the adapter changes nothing.
fn preference_loss(tuned: f32, base: f32, beta: f32) -> f32 {
    let x = 0.5 * beta * (tuned - base);
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The same for each pair of a part, from the errors of both networks; the mean over `draws` levels in each pair.
pub(super) fn preference_losses(tuned: &[f32], base: &[f32], beta: f32, draws: usize) -> Vec<f32> {
    let mean = |errors: &[f32]| -> Vec<f32> {
        rivalry(errors).chunks(draws.max(1)).map(|c| c.iter().sum::<f32>() / c.len() as f32).collect()
    };
    mean(tuned).iter().zip(mean(base)).map(|(t, b)| preference_loss(*t, b, beta)).collect()
}

/// What a loss needs beside the denoiser.
pub struct Loss {
    kind: LossKind,
    /// The denoiser without an adapter and its strictness, where choices teach.
    reference: Option<(Unet, f32)>,
    objective: Objective,
    pipeline: Pipeline,
    decoder: Option<AutoencoderKl>,
    scaling: (f32, f32),
    device: Device,
}

impl Loss {
    /// For a checkpoint, on its device with gradients. With `beta`, parts hold choices, first the winners, then the
    /// losers.
    ///
    /// # Errors
    /// When the checkpoint's autoencoder has no features to compare.
    pub fn new(kind: LossKind, beta: Option<f32>, pipeline: &Pipeline) -> Result<Self> {
        let decoder = match (kind, pipeline.autoencoder()) {
            (LossKind::Perceptual, Autoencoder::Kl(model)) => Some(frozen(model.as_ref())),
            (LossKind::Perceptual, Autoencoder::Tiny(_)) => {
                return Err(Error::failed(format!(
                    "{} has a tiny autoencoder, in which the perceptual loss sees nothing; use --loss mse.",
                    pipeline.info().name
                )));
            }
            _ => None,
        };
        Ok(Self {
            kind,
            reference: beta.map(|beta| (pipeline.unet().clone(), beta)),
            objective: Objective::new(pipeline.schedule()),
            pipeline: pipeline.clone(),
            decoder,
            scaling: pipeline.latent_scaling(),
            device: pipeline.device().clone().autodiff(),
        })
    }

    /// The mean loss of a part, `[1]`. `unet` carries what learns; `words` are the part's own, with gradients, where it is they that
    /// learn.
    ///
    /// # Errors
    /// When the denoiser refuses.
    pub fn of(&self, unet: &Unet, judge: Option<&Judge>, part: &Part, words: Option<Tensor<3>>) -> Result<Tensor<1>> {
        let (q, told, words) = self.asked(part, words);
        let answer = unet.forward(q.noisy.clone(), &q.times, words, &told)?;
        self.judged(answer, q, judge, part)
    }

    /// The same as a number, with its gradients handed to `take` in pieces to be added up, by [`recompute`].
    ///
    /// # Errors
    /// When the denoiser refuses.
    pub fn recomputed(
        &self,
        parts: &dyn Parts,
        judge: Option<&Judge>,
        part: &Part,
        words: Option<Tensor<3>>,
        take: &mut dyn FnMut(Gradients),
    ) -> Result<f32> {
        let (q, told, words) = self.asked(part, words);
        let (noisy, times) = (q.noisy.clone(), q.times.clone());
        recompute::backward(parts, noisy, &times, words, &told, |answer| self.judged(answer, q, judge, part), take)
    }

    /// What a part asks, with what else the denoiser is told, and the words.
    fn asked(&self, part: &Part, words: Option<Tensor<3>>) -> (Question, UnetConditioning, Tensor<3>) {
        let words = words.unwrap_or_else(|| Tensor::from_inner(part.words.clone()));
        (question(&self.objective, part, &self.device), self.told(part), words)
    }

    /// What the denoiser is told beside time and words.
    fn told(&self, part: &Part) -> UnetConditioning {
        let mut told = self.pipeline.told_by(&part.captions);
        told.class_labels = told.class_labels.map(Tensor::from_inner);
        told
    }

    /// How far off an answer is.
    fn judged(&self, answer: Tensor<4>, q: Question, judge: Option<&Judge>, part: &Part) -> Result<Tensor<1>> {
        let n = part.shape[0];
        if let Some((reference, beta)) = &self.reference {
            let plain = self.pipeline.told_by(&part.captions);
            let base = errors(reference, &self.objective, part, &part.words, &plain)?;
            return Ok(self.preferred(answer - q.target, part, &base, *beta));
        }
        let weights: Vec<f32> = part.levels.iter().map(|l| l.weight).collect();
        let squared = (answer.clone() - q.target).square() * self.column(weights);
        let loss = squared.mean();
        if self.kind == LossKind::Mse {
            return Ok(loss);
        }
        let clear: Vec<f32> = part.levels.iter().map(|l| if l.signal >= CLEAR { 1.0 } else { 0.0 }).collect();
        let seen: f32 = clear.iter().sum();
        if seen == 0.0 {
            return Ok(loss);
        }
        let guess = blend(q.noisy, answer, part.levels.iter().map(|l| self.objective.guess(l)));
        let share = self.column(clear.iter().map(|c| c * n as f32 / seen).collect());
        Ok(match (&self.decoder, judge) {
            (Some(decoder), _) => loss + self.perceptual(decoder, guess, q.clean, share) * PERCEPTUAL,
            (None, Some(judge)) => loss + adversarial(judge, guess, q.clean, share),
            (None, None) => loss,
        })
    }

    /// [`preference_loss`] with gradients, as a mean over the part's choices. What makes a winner itself less likely than it was
    /// counts [`HOLD`] times more (DPO-Positive, Pal et al. 2024, arXiv:2402.13228): without that, the easiest way to prefer is to
    /// spoil both pictures, and the losers more.
    fn preferred(&self, off: Tensor<4>, part: &Part, base: &[f32], beta: f32) -> Tensor<1> {
        let n = part.shape[0];
        let weights = Tensor::<2>::from_data(
            TensorData::new(part.levels.iter().map(|l| l.weight).collect::<Vec<f32>>(), [n, 1]),
            &self.device,
        );
        let errors = off.square().reshape([n, part.clean.len() / n.max(1)]).mean_dim(1) * weights;
        let half = n / 2;
        let column = |v: Vec<f32>| Tensor::<2>::from_data(TensorData::new(v, [half, 1]), &self.device);
        let winners = errors.clone().narrow(0, 0, half);
        let rivalry = winners.clone() - errors.narrow(0, half, half) - column(rivalry(base));
        let spoilt = activation::relu(winners - column(base[..half].to_vec()));
        activation::softplus((rivalry + spoilt * HOLD) * (0.5 * beta), 1.0).mean()
    }

    fn column(&self, values: Vec<f32>) -> Tensor<4> {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n, 1, 1, 1]), &self.device)
    }

    /// Squared difference of the decoder's first features, each channel scaled by its spread in the true picture (Berrada et
    /// al. 2024, arXiv:2411.04873).
    fn perceptual(&self, decoder: &AutoencoderKl, guess: Tensor<4>, clean: Tensor<4>, share: Tensor<4>) -> Tensor<1> {
        let (scale, shift) = self.scaling;
        let wanted = decoder.features(clean / scale + shift);
        let found = decoder.features(guess / scale + shift);
        let mut sum = Tensor::zeros([1], &self.device);
        let stages = wanted.len().max(1) as f32;
        for (wanted, found) in wanted.into_iter().zip(found) {
            let [n, h, w, c] = wanted.dims();
            let flat = wanted.clone().reshape([n, h * w, c]);
            let spread = (flat.clone() - flat.mean_dim(1)).square().mean_dim(1).reshape([n, 1, 1, c]) + 1e-4;
            sum = sum + ((found - wanted).square() / spread * share.clone()).mean() / stages;
        }
        sum
    }
}

/// The discriminator's hinge loss and, for the denoiser alone, its opinion (Lim and Ye 2017, arXiv:1705.02894). Each half sees
/// the other without gradients, so that one sum teaches both.
fn adversarial(judge: &Judge, guess: Tensor<4>, clean: Tensor<4>, share: Tensor<4>) -> Tensor<1> {
    let real = judge.forward(clean);
    let fake = judge.forward(guess.clone().detach());
    let hinge = |x: Tensor<4>| (activation::relu(x + 1.0) * share.clone()).mean();
    let opinion = (frozen(&judge.valid()).forward(guess) * share.clone()).mean();
    hinge(-real) + hinge(fake) - opinion * ADVERSARIAL
}
