//! The way from a Recipe to pixels: words, noise, steps, decoder.

use super::{Pipeline, PreviewImage, StepReport};
use crate::model::unet::UnetConditioning;
use crate::recipe::{Picture, Recipe, SIDE_RANGE, STEP_RANGE};
use crate::sampler::noise::{TorchGenerator, nchw_to_nhwc};
use crate::sampler::{SamplerKind, Solver, build};
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// Steps of a quick look.
const PREVIEW_STEPS: u32 = 3;
/// Longer prompts are refused, in bytes; what a checkpoint reads of one is far shorter.
const LONGEST_PROMPT: usize = 1 << 20;

fn out_of_range(
    what: &str,
    value: impl std::fmt::Display,
    low: impl std::fmt::Display,
    high: impl std::fmt::Display,
) -> Error {
    Error::usage(format!("{what} {value} is out of range; it can be {low} to {high}."))
}

impl Pipeline {
    /// Checks a Recipe against this checkpoint; the error names the value and the range.
    pub fn check(&self, recipe: &Recipe) -> Result<()> {
        for (what, side) in [("Width", recipe.width), ("Height", recipe.height)] {
            if !SIDE_RANGE.contains(&side) {
                return Err(out_of_range(what, side, SIDE_RANGE.start(), SIDE_RANGE.end()));
            }
            let multiple = self.info.size_multiple;
            if side % multiple != 0 {
                let near = (side / multiple).max(1) * multiple;
                return Err(Error::usage(format!(
                    "{what} {side} is not a multiple of {multiple}, as {} needs; try {near}.",
                    self.info.name
                )));
            }
        }
        if !STEP_RANGE.contains(&recipe.steps) {
            return Err(out_of_range("The number of steps", recipe.steps, STEP_RANGE.start(), STEP_RANGE.end()));
        }
        if !(0.0..=50.0).contains(&recipe.cfg_scale) {
            return Err(out_of_range("The guidance", recipe.cfg_scale, 0, 50));
        }
        recipe.sampler.parse::<SamplerKind>()?;
        if recipe.prompt.len() > LONGEST_PROMPT || recipe.negative_prompt.len() > LONGEST_PROMPT {
            return Err(Error::usage("The prompt is longer than a million characters; shorten it."));
        }
        for (name, value) in &recipe.sliders {
            let Some(slider) = self.info.sliders.iter().find(|s| s.name == *name) else {
                let names: Vec<&str> = self.info.sliders.iter().map(|s| s.name.as_str()).collect();
                return Err(Error::usage(if names.is_empty() {
                    format!("{} has no sliders, so \"{name}\" cannot be set.", self.info.name)
                } else {
                    format!("{} has no slider \"{name}\"; it has {}.", self.info.name, names.join(", "))
                }));
            };
            if !(slider.min..=slider.max).contains(value) {
                return Err(out_of_range(&format!("The slider {name} at"), value, slider.min, slider.max));
            }
        }
        if let Some(source) = &recipe.source
            && !(0.0..=1.0).contains(&source.denoising_strength)
        {
            return Err(out_of_range("The strength", source.denoising_strength, 0, 1));
        }
        super::adapters::check(&recipe.adapters)?;
        Ok(())
    }

    /// Makes one picture. `observe` is called after every step; `ControlFlow::Break` cancels.
    pub fn generate(&self, recipe: &Recipe, observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>) -> Result<Picture> {
        self.check(recipe)?;
        let start = Instant::now();
        let adapted = self.adapted(&recipe.adapters)?;
        let (w, h) = self.latent_size(recipe.width, recipe.height);
        let latent = adapted.pipeline.denoise(recipe, (w, h), observe)?;
        let rgb = self.decode(&latent, (w, h))?;
        let mut recipe = recipe.clone();
        recipe.adapters.clone_from(&adapted.adapters);
        recipe.model.hash = self.info.hash.clone();
        Ok(Picture { width: recipe.width, height: recipe.height, rgb, recipe, seconds: start.elapsed().as_secs_f32() })
    }

    /// A quick look at a Recipe: fewer steps, shown at half the size. `cancelled` is asked after every step.
    pub fn preview(&self, recipe: &Recipe, cancelled: &mut dyn FnMut() -> bool) -> Result<PreviewImage> {
        self.check(recipe)?;
        let quick = Recipe { steps: recipe.steps.min(PREVIEW_STEPS), ..recipe.clone() };
        let size = self.latent_size(recipe.width, recipe.height);
        let latent = self.adapted(&recipe.adapters)?.pipeline.denoise(&quick, size, &mut |_| {
            if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let rgb = self.decode(&latent, size)?;
        Ok(halve(&rgb, recipe.width as usize, recipe.height as usize))
    }

    fn latent_size(&self, width: u32, height: u32) -> (usize, usize) {
        let down = self.vae_config.downscale();
        (width as usize / down, height as usize / down)
    }

    /// Runs the sampler; returns the clean latent, `[h, w, c]`, still scaled.
    fn denoise(
        &self,
        recipe: &Recipe,
        (w, h): (usize, usize),
        observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>,
    ) -> Result<Vec<f32>> {
        let c = self.vae_config.latent_channels();
        let mut solver = build(recipe.sampler.parse()?, &self.scheduler, recipe.steps as usize)?;
        let mut generator = TorchGenerator::new(recipe.seed);
        let mut noise = generator.randn_nhwc(h, w, c);
        let first = match &recipe.source {
            None => 0,
            Some(source) => {
                let steps = solver.steps();
                let run = (steps as f32 * source.denoising_strength).floor() as usize;
                let clean = self.encode_picture(Path::new(&source.path), recipe.width, recipe.height)?;
                if run == 0 {
                    return Ok(clean);
                }
                noise = solver.add_noise(steps - run, &clean, &noise);
                steps - run
            }
        };
        if first == 0 && recipe.source.is_none() {
            let scale = solver.initial_scale();
            noise.iter_mut().for_each(|v| *v *= scale);
        }
        let mut sample = noise;
        let guided = (recipe.cfg_scale - 1.0).abs() > 1e-6;
        let (words, conditioning) = self.condition(recipe, guided)?;
        for i in first..solver.steps() {
            let output = self.predict(solver.as_ref(), i, &sample, (w, h), &words, &conditioning, recipe.cfg_scale)?;
            let clean = solver.step(i, &mut sample, &output, &mut |n| nchw_to_nhwc(&generator.randn(n), h, w, c));
            let report = StepReport {
                step: (i + 1 - first) as u32,
                steps: (solver.steps() - first) as u32,
                preview: self.look(&clean, w, h),
            };
            if observe(report).is_break() {
                return Err(Error::cancelled());
            }
        }
        Ok(sample)
    }

    /// One call of the denoiser, guided (Ho and Salimans 2022) when `words` holds two prompts.
    #[allow(clippy::too_many_arguments)]
    fn predict(
        &self,
        solver: &dyn Solver,
        i: usize,
        sample: &[f32],
        (w, h): (usize, usize),
        words: &Tensor<3>,
        conditioning: &UnetConditioning,
        cfg_scale: f32,
    ) -> Result<Vec<f32>> {
        let n = words.dims()[0];
        let scale = solver.input_scale(i);
        let one: Vec<f32> = sample.iter().map(|v| v * scale).collect();
        let shape = [n, h, w, self.vae_config.latent_channels()];
        let x = Tensor::<4>::from_data(TensorData::new(one.repeat(n), shape), &self.device);
        let out = self.unet.forward(x, &vec![solver.timestep(i); n], words.clone(), conditioning)?;
        let mut out = values(out)?;
        if n == 2 {
            let (without, with) = out.split_at_mut(sample.len());
            for (u, c) in without.iter_mut().zip(with.iter()) {
                *u += cfg_scale * (c - *u);
            }
            out.truncate(sample.len());
        }
        if out.iter().any(|v| !v.is_finite()) {
            return Err(Error::failed(
                "The model's numbers ran out of range in this picture; lower the guidance or try another sampler.",
            ));
        }
        Ok(out)
    }

    fn encode_picture(&self, path: &Path, width: u32, height: u32) -> Result<Vec<f32>> {
        let mut reader = image::ImageReader::open(path)
            .and_then(image::ImageReader::with_guessed_format)
            .map_err(|e| Error::io("open the picture", path, e))?;
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(32_768);
        limits.max_image_height = Some(32_768);
        reader.limits(limits);
        let picture = reader.decode().map_err(|e| Error::io("read the picture", path, e))?;
        let fitted = picture.resize_to_fill(width, height, image::imageops::FilterType::Lanczos3).to_rgb8();
        let data: Vec<f32> = fitted.as_raw().iter().map(|v| f32::from(*v) / 127.5 - 1.0).collect();
        let x = Tensor::<4>::from_data(TensorData::new(data, [1, height as usize, width as usize, 3]), &self.device);
        let mean = values(self.vae.encode(x))?;
        let (scale, shift) = self.vae_config.scaling();
        Ok(mean.iter().map(|v| (v - shift) * scale).collect())
    }

    /// Latent `[h, w, c]` to RGB8, rounded as diffusers rounds.
    fn decode(&self, latent: &[f32], (w, h): (usize, usize)) -> Result<Vec<u8>> {
        let (scale, shift) = self.vae_config.scaling();
        let z: Vec<f32> = latent.iter().map(|v| v / scale + shift).collect();
        let shape = [1, h, w, self.vae_config.latent_channels()];
        let picture = self.vae.decode(Tensor::from_data(TensorData::new(z, shape), &self.device));
        Ok(values(picture)?.iter().map(|v| to_byte(*v)).collect())
    }

    /// The linear look at a clean latent.
    fn look(&self, clean: &[f32], width: usize, height: usize) -> Option<PreviewImage> {
        let projection = self.extras.preview.as_ref()?;
        let channels = projection.matrix.len();
        let mut rgb = Vec::with_capacity(width * height * 3);
        for pixel in clean.chunks_exact(channels) {
            for k in 0..3 {
                let v: f32 = pixel.iter().zip(&projection.matrix).map(|(v, row)| v * row[k]).sum();
                rgb.push(to_byte(v + projection.bias[k]));
            }
        }
        Some(PreviewImage { width: width as u32, height: height as u32, rgb })
    }
}

/// -1..=1 to 0..=255.
fn to_byte(v: f32) -> u8 {
    ((v / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().convert::<f32>().try_into_vec().map_err(|e| {
        Error::failed(format!("The device did not hand its numbers back ({e:?}); try again or use the CPU."))
    })
}

/// Averages each two by two pixels.
fn halve(rgb: &[u8], width: usize, height: usize) -> PreviewImage {
    let (w, h) = (width / 2, height / 2);
    let mut small = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            for k in 0..3 {
                let at = |dx: usize, dy: usize| u16::from(rgb[((2 * y + dy) * width + 2 * x + dx) * 3 + k]);
                small.push(((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8);
            }
        }
    }
    PreviewImage { width: w as u32, height: h as u32, rgb: small }
}
