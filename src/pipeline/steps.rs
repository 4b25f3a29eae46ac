//! From noise, or from a source with noise on it, to a clean latent: the loop over the sampler's steps.

use super::guidance::{first_noise, guide};
use super::looks::Viewer;
use super::pixels::values;
use super::source::Canvas;
use super::{Observer, Pipeline, StepReport};
use crate::model::unet::UnetConditioning;
use crate::recipe::Recipe;
use crate::sampler::noise::{TorchGenerator, nchw_to_nhwc};
use crate::sampler::{Solver, build};
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};

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

/// What calls of the denoiser are told of one picture, or of several that take their steps together.
struct Told {
    /// `[n, tokens, width]`: a row a picture, two where it is guided, the unconditional one first.
    words: Tensor<3>,
    conditioning: UnetConditioning,
}

impl Told {
    /// Several as one; all have as many tokens.
    fn together(all: &[&Self]) -> Self {
        let words = Tensor::cat(all.iter().map(|told| told.words.clone()).collect(), 0);
        let rows = |part: fn(&UnetConditioning) -> &Option<Tensor<2>>| {
            let rows: Vec<_> = all.iter().filter_map(|told| part(&told.conditioning).clone()).collect();
            (!rows.is_empty()).then(|| Tensor::cat(rows, 0))
        };
        let conditioning = UnetConditioning {
            class_labels: rows(|c| &c.class_labels),
            text_embeds: rows(|c| &c.text_embeds),
            time_ids: all.iter().flat_map(|told| told.conditioning.time_ids.clone()).collect(),
            timestep_cond: rows(|c| &c.timestep_cond),
        };
        Self { words, conditioning }
    }

    /// Of a guided picture, the row that hears the prompt.
    fn prompt(&self) -> Self {
        let Self { words, conditioning } = self;
        let second = |all: &Option<Tensor<2>>| all.clone().map(|all| all.narrow(0, 1, 1));
        let conditioning = UnetConditioning {
            class_labels: second(&conditioning.class_labels),
            text_embeds: second(&conditioning.text_embeds),
            time_ids: conditioning.time_ids.iter().skip(1).copied().collect(),
            timestep_cond: second(&conditioning.timestep_cond),
        };
        Self { words: words.clone().narrow(0, 1, 1), conditioning }
    }
}

/// One picture on its way through the steps.
struct Walk<'a> {
    solver: Box<dyn Solver>,
    generator: TorchGenerator,
    start: Start,
    /// The clean latent that the newest step believes in.
    clean: Vec<f32>,
    /// None where there is no step to take.
    told: Option<Told>,
    /// The same of the early steps that full guidance leaves alone, where there are any.
    told_early: Option<Told>,
    cfg_scale: f32,
    cfg_rescale: f32,
    /// The first step with full guidance, where there is any.
    guided_from: usize,
    viewer: Viewer<'a>,
}

impl Walk<'_> {
    /// What has to be the same for two to take their steps in one call: first step, first with full guidance, number of steps, rows
    /// and tokens of the later and of the early ones.
    fn gait(&self) -> (usize, usize, usize, [Option<[usize; 3]>; 2]) {
        let told = [&self.told, &self.told_early].map(|told| told.as_ref().map(|told| told.words.dims()));
        (self.start.first, self.guided_from, self.solver.steps(), told)
    }

    /// What the denoiser sees at step `i`, `[h, w, in]`; `c` channels of it are the sample.
    fn seen(&self, i: usize, c: usize) -> Vec<f32> {
        let scale = self.solver.input_scale(i);
        let sample = self.start.sample.iter().map(|v| v * scale);
        match &self.start.beside {
            None => sample.collect(),
            Some(beside) => {
                let sample: Vec<f32> = sample.collect();
                let pixels = sample.chunks_exact(c).zip(beside.chunks_exact(1 + c));
                pixels.flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
            }
        }
    }

    /// Takes step `i`: `output` is one prediction, or the two of guidance (Ho and Salimans 2022). `blends`: what a mask keeps is
    /// put back after the step.
    fn take(&mut self, i: usize, output: &mut [f32], (w, h, c): (usize, usize, usize), blends: bool) -> Result<()> {
        let Self { solver, generator, start, clean, cfg_scale, cfg_rescale, .. } = self;
        let count = start.sample.len();
        if output.len() == 2 * count {
            let (without, with) = output.split_at_mut(count);
            guide(without, with, *cfg_scale, *cfg_rescale);
        }
        let output = &output[..count];
        if output.iter().any(|v| !v.is_finite()) {
            return Err(Error::failed(
                "The model's numbers ran out of range in this picture; lower the guidance or try another sampler.",
            ));
        }
        let sample = &mut start.sample;
        *clean = solver.step(i, sample, output, &mut |n| nchw_to_nhwc(&generator.randn(n), h, w, c));
        if let Some(mask) = start.mask.as_ref().filter(|_| blends) {
            // What stays is the source with just the noise that belongs to the next step.
            let stays = match i + 1 {
                next if next < solver.steps() => &solver.add_noise(next, &start.clean, &start.noise),
                _ => &start.clean,
            };
            blend(sample, stays, mask, c);
            blend(clean, &start.clean, mask, c);
        }
        Ok(())
    }
}

impl Pipeline {
    /// Whether the denoiser also takes a mask and the latent of what stays, as inpainting checkpoints do.
    fn sees_mask(&self) -> bool {
        self.unet_config.in_channels > self.vae_config.latent_channels()
    }

    /// Runs the samplers of pictures of one size, those that can together; returns their clean latents, `[h, w, c]`, still scaled.
    /// Each is the same, to the bit, as it would be alone.
    pub(super) fn denoise(
        &self,
        recipes: &[Recipe],
        given: &[Given],
        size: (usize, usize),
        observe: Observer,
    ) -> Result<Vec<Vec<f32>>> {
        let begun = recipes.iter().zip(given).map(|(recipe, given)| self.begin(recipe, given, size));
        let mut walks = begun.collect::<Result<Vec<_>>>()?;
        let mut first = 0;
        for group in walks.chunk_by_mut(|a, b| a.gait() == b.gait()) {
            self.walk(group, first, size, observe)?;
            first += group.len();
        }
        Ok(walks.into_iter().map(|walk| walk.start.sample).collect())
    }

    fn begin(&self, recipe: &Recipe, given: &Given, size: (usize, usize)) -> Result<Walk<'_>> {
        let solver = build(recipe.sampler.parse()?, &self.scheduler, recipe.steps as usize)?;
        let mut generator = TorchGenerator::new(recipe.seed);
        let start = self.start(recipe, given, solver.as_ref(), &mut generator, size)?;
        let guided = (recipe.cfg_scale - 1.0).abs() > 1e-6 && !self.embeds_guidance();
        let meant = self.meant(recipe);
        let told = (start.first < solver.steps()).then(|| {
            let (words, conditioning) = self.condition(recipe, &meant, guided)?;
            Ok::<_, Error>(Told { words, conditioning })
        });
        let told = told.transpose()?;
        let guided_from = if guided { early(recipe.skip_early_cfg, solver.steps()) } else { 0 };
        let told_early = told.as_ref().filter(|_| start.first < guided_from).map(|told| {
            let beside = self.condition_beside_ground(recipe, &meant)?;
            Ok::<_, Error>(beside.map_or_else(|| told.prompt(), |(words, conditioning)| Told { words, conditioning }))
        });
        Ok(Walk {
            guided_from,
            solver,
            generator,
            start,
            clean: Vec::new(),
            told,
            told_early: told_early.transpose()?,
            cfg_scale: recipe.cfg_scale,
            cfg_rescale: recipe.cfg_rescale,
            viewer: Viewer::new(self),
        })
    }

    /// Takes all steps of pictures of one gait, the first of which has the number `number`.
    fn walk(&self, walks: &mut [Walk], number: usize, size: (usize, usize), observe: Observer) -> Result<()> {
        let told: Vec<&Told> = walks.iter().filter_map(|walk| walk.told.as_ref()).collect();
        let (Some((first, guided_from, steps, _)), false) = (walks.first().map(Walk::gait), told.is_empty()) else {
            return Ok(());
        };
        let told = Told::together(&told);
        let early: Vec<&Told> = walks.iter().filter_map(|walk| walk.told_early.as_ref()).collect();
        let told_early = (!early.is_empty()).then(|| Told::together(&early));
        let ((w, h), c) = (size, self.vae_config.latent_channels());
        for i in first..steps {
            let told = told_early.as_ref().filter(|_| i < guided_from).unwrap_or(&told);
            let mut outputs = self.predict(walks, i, size, told)?;
            let each = outputs.len() / walks.len();
            for (walk, output) in walks.iter_mut().zip(outputs.chunks_exact_mut(each)) {
                walk.take(i, output, (w, h, c), !self.sees_mask())?;
            }
            let report = StepReport {
                pictures: (number, number + walks.len()),
                step: (i + 1 - first) as u32,
                steps: (steps - first) as u32,
                look: &|picture| {
                    let walk = walks.get(picture.checked_sub(number)?)?;
                    walk.viewer.look(&walk.clean, size)
                },
            };
            if observe(report).is_break() {
                return Err(Error::cancelled());
            }
        }
        Ok(())
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

    /// One call of the denoiser; the answers lie one picture after the other, a guided one's two side by side.
    fn predict(&self, walks: &[Walk], i: usize, (w, h): (usize, usize), told: &Told) -> Result<Vec<f32>> {
        let n = told.words.dims()[0];
        let (rows, c) = (n / walks.len().max(1), self.vae_config.latent_channels());
        let mut seen = Vec::new();
        let mut times = Vec::with_capacity(n);
        for walk in walks {
            let one = walk.seen(i, c);
            for _ in 0..rows {
                seen.extend_from_slice(&one);
                times.push(walk.solver.timestep(i));
            }
        }
        let shape = [n, h, w, seen.len() / (n * w * h).max(1)];
        let x = Tensor::<4>::from_data(TensorData::new(seen, shape), &self.device);
        values(self.unet.forward(x, &times, told.words.clone(), &told.conditioning)?)
    }
}

/// How many steps `share` of them are, from the first, as AUTOMATIC1111 counts.
fn early(share: f32, steps: usize) -> usize {
    (0..steps).take_while(|i| share > 0.0 && *i as f32 / steps as f32 <= share).count()
}

/// Replaces `x` by `stays` where `mask` is 0; `channels` numbers a place.
fn blend(x: &mut [f32], stays: &[f32], mask: &[f32], channels: usize) {
    for ((x, s), m) in x.chunks_exact_mut(channels).zip(stays.chunks_exact(channels)).zip(mask) {
        for (x, s) in x.iter_mut().zip(s) {
            *x = (1.0 - m) * s + m * *x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::early;

    #[test]
    fn early_steps_are_counted_as_peers_do() {
        assert_eq!([0.0, 0.05, 0.15, 0.2, 1.0].map(|share| early(share, 10)), [0, 1, 2, 3, 10]);
        assert_eq!((early(0.15, 4), early(0.5, 0)), (1, 0));
    }
}
