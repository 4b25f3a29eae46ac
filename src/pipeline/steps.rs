//! From noise, or from a source with noise on it, to a clean latent: the loop over the sampler's steps.

use super::guidance::{first_noise, guide};
use super::looks::Viewer;
use super::pixels::values;
use super::source::Canvas;
use super::{Pipeline, StepReport};
use crate::model::unet::UnetConditioning;
use crate::recipe::Recipe;
use crate::sampler::noise::{TorchGenerator, nchw_to_nhwc};
use crate::sampler::{Solver, build};
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::ops::ControlFlow;

/// What a picture starts from beside noise.
pub(super) enum Given {
    /// Nothing.
    Nothing,
    /// A picture.
    Picture(Canvas),
    /// A clean latent at the picture's own size, scaled, `[h, w, c]`.
    Latent(Vec<f32>),
}

/// A latent as the loop finds it; all slices channels-last, `[h, w, c]`.
struct Start {
    /// The step to begin with.
    first: usize,
    /// What the first step is given.
    sample: Vec<f32>,
    /// The source's latent and the noise that was laid over it, where there is a source.
    clean: Vec<f32>,
    noise: Vec<f32>,
    /// Per latent pixel, 1 where it may change and 0 where it stays.
    mask: Option<Vec<f32>>,
    /// What an inpainting checkpoint sees beside the sample: the mask and the latent of what stays.
    beside: Option<Vec<f32>>,
}

/// What every call of the denoiser is told.
struct Told {
    words: Tensor<3>,
    conditioning: UnetConditioning,
    cfg_scale: f32,
    cfg_rescale: f32,
}

impl Pipeline {
    /// Whether the denoiser also takes a mask and the latent of what stays, as inpainting checkpoints do.
    fn sees_mask(&self) -> bool {
        self.unet_config.in_channels > self.vae_config.latent_channels()
    }

    /// Runs the sampler; returns the clean latent, `[h, w, c]`, still scaled.
    pub(super) fn denoise(
        &self,
        recipe: &Recipe,
        given: &Given,
        (w, h): (usize, usize),
        observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>,
    ) -> Result<Vec<f32>> {
        let c = self.vae_config.latent_channels();
        let mut solver = build(recipe.sampler.parse()?, &self.scheduler, recipe.steps as usize)?;
        let mut generator = TorchGenerator::new(recipe.seed);
        let start = self.start(recipe, given, solver.as_ref(), &mut generator, (w, h))?;
        let mut sample = start.sample;
        let steps = solver.steps();
        if start.first == steps {
            return Ok(sample);
        }
        let guided = (recipe.cfg_scale - 1.0).abs() > 1e-6 && !self.embeds_guidance();
        let (words, conditioning) = self.condition(recipe, guided)?;
        let told = Told { words, conditioning, cfg_scale: recipe.cfg_scale, cfg_rescale: recipe.cfg_rescale };
        let viewer = Viewer::new(self);
        for i in start.first..steps {
            let output = self.predict(solver.as_ref(), i, &sample, start.beside.as_deref(), (w, h), &told)?;
            let mut clean = solver.step(i, &mut sample, &output, &mut |n| nchw_to_nhwc(&generator.randn(n), h, w, c));
            if let Some(mask) = start.mask.as_ref().filter(|_| !self.sees_mask()) {
                // What stays is the source with just the noise that belongs to the next step.
                let stays = match i + 1 {
                    next if next < steps => &solver.add_noise(next, &start.clean, &start.noise),
                    _ => &start.clean,
                };
                blend(&mut sample, stays, mask, c);
                blend(&mut clean, &start.clean, mask, c);
            }
            let report = StepReport {
                step: (i + 1 - start.first) as u32,
                steps: (steps - start.first) as u32,
                look: &|| viewer.look(&clean, (w, h)),
            };
            if observe(report).is_break() {
                return Err(Error::cancelled());
            }
        }
        Ok(sample)
    }

    /// Noise and source, drawn in the order in which diffusers' pipelines draw.
    fn start(
        &self,
        recipe: &Recipe,
        given: &Given,
        solver: &dyn Solver,
        generator: &mut TorchGenerator,
        size: (usize, usize),
    ) -> Result<Start> {
        let (w, h) = size;
        let c = self.vae_config.latent_channels();
        // Some solvers call the denoiser twice a step, so calls are not the Recipe's steps.
        let first = solver.start(recipe.steps_taken(recipe.steps as usize));
        let canvas = match given {
            Given::Picture(canvas) => Some(canvas),
            Given::Nothing | Given::Latent(_) => None,
        };
        let mask = canvas.and_then(|canvas| canvas.latent_mask(self.vae_config.downscale()));
        let fresh = first == 0 && mask.is_some();
        let untouched = |sample| {
            let (clean, noise) = (Vec::new(), Vec::new());
            Ok(Start { first, sample, clean, noise, mask: None, beside: None })
        };
        let clean = match given {
            Given::Picture(canvas) if first == solver.steps() => {
                return untouched(self.encode(canvas.pixels(), size)?.mean);
            }
            Given::Latent(latent) if first == solver.steps() => return untouched(latent.clone()),
            // An inpainting checkpoint that begins with nothing but noise needs no latent of the source.
            Given::Picture(canvas) if !(fresh && self.sees_mask()) => {
                self.encode(canvas.pixels(), size)?.draw(generator, size)
            }
            Given::Latent(latent) => latent.clone(),
            Given::Picture(_) | Given::Nothing => Vec::new(),
        };
        let noise = first_noise(recipe, generator, (w, h, c));
        let beside = self.beside(canvas, mask.as_deref(), generator, size)?;
        let sample = if !matches!(given, Given::Nothing) && !fresh {
            solver.add_noise(first, &clean, &noise)
        } else {
            let scale = solver.initial_scale();
            noise.iter().map(|v| v * scale).collect()
        };
        Ok(Start { first, sample, clean, noise, mask, beside })
    }

    /// What an inpainting checkpoint sees beside the sample, `[h, w, 1 + c]`; without a mask all may change.
    fn beside(
        &self,
        canvas: Option<&Canvas>,
        mask: Option<&[f32]>,
        generator: &mut TorchGenerator,
        size: (usize, usize),
    ) -> Result<Option<Vec<f32>>> {
        let (w, h) = size;
        let c = self.vae_config.latent_channels();
        if !self.sees_mask() {
            if mask.is_some() && self.vae.is_uncertain() {
                // diffusers encodes what stays for every checkpoint; its numbers are drawn, so that later ones are the same.
                generator.randn(w * h * c);
            }
            return Ok(None);
        }
        let down = self.vae_config.downscale();
        let kept = canvas.map_or_else(|| vec![0.0; w * h * down * down * 3], Canvas::kept_pixels);
        let kept = self.encode(kept, size)?.draw(generator, size);
        let mut beside = Vec::with_capacity(w * h * (1 + c));
        for (i, latent) in kept.chunks_exact(c).enumerate() {
            beside.push(mask.map_or(1.0, |m| m[i]));
            beside.extend_from_slice(latent);
        }
        Ok(Some(beside))
    }

    /// One call of the denoiser, guided (Ho and Salimans 2022) when it is told two prompts.
    fn predict(
        &self,
        solver: &dyn Solver,
        i: usize,
        sample: &[f32],
        beside: Option<&[f32]>,
        (w, h): (usize, usize),
        told: &Told,
    ) -> Result<Vec<f32>> {
        let n = told.words.dims()[0];
        let c = self.vae_config.latent_channels();
        let scale = solver.input_scale(i);
        let mut one: Vec<f32> = sample.iter().map(|v| v * scale).collect();
        if let Some(beside) = beside {
            let pixels = one.chunks_exact(c).zip(beside.chunks_exact(1 + c));
            one = pixels.flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
        }
        let shape = [n, h, w, one.len() / (w * h).max(1)];
        let x = Tensor::<4>::from_data(TensorData::new(one.repeat(n), shape), &self.device);
        let out = self.unet.forward(x, &vec![solver.timestep(i); n], told.words.clone(), &told.conditioning)?;
        let mut out = values(out)?;
        if n == 2 {
            let (without, with) = out.split_at_mut(sample.len());
            guide(without, with, told.cfg_scale, told.cfg_rescale);
            out.truncate(sample.len());
        }
        if out.iter().any(|v| !v.is_finite()) {
            return Err(Error::failed(
                "The model's numbers ran out of range in this picture; lower the guidance or try another sampler.",
            ));
        }
        Ok(out)
    }
}

/// Replaces `x` by `stays` where `mask` is 0; `channels` numbers a place.
fn blend(x: &mut [f32], stays: &[f32], mask: &[f32], channels: usize) {
    for ((x, s), m) in x.chunks_exact_mut(channels).zip(stays.chunks_exact(channels)).zip(mask) {
        for (x, s) in x.iter_mut().zip(s) {
            *x = (1.0 - m) * s + m * *x;
        }
    }
}
