//! The way from a Recipe to pixels: words, noise, steps, decoder.

use super::pixels::halve;
use super::source::Canvas;
use super::steps::Given;
use super::{Pipeline, PreviewImage, StepReport, upscale};
use crate::model::layers::Seamless;
use crate::recipe::{FirstPass, Picture, Recipe, SIDE_RANGE, STEP_RANGE, SourceRef};
use crate::sampler::{SamplerKind, build};
use crate::{Error, Result};
use std::ops::ControlFlow;
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
        let first = recipe.first_pass.map(|f| [("First width", f.width), ("First height", f.height)]);
        for (what, side) in
            [("Width", recipe.width), ("Height", recipe.height)].into_iter().chain(first.into_iter().flatten())
        {
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
        let layers = self.text.config.num_hidden_layers as u32;
        if !(1..=layers).contains(&recipe.clip_skip) {
            return Err(out_of_range("The clip skip", recipe.clip_skip, 1, layers));
        }
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
        recipe.check_additions()?;
        if let Some(margins) = recipe.outpaint {
            let multiple = self.info.size_multiple;
            if margins.rounded_up(multiple) != margins {
                return Err(Error::usage(format!(
                    "The new margins have to be multiples of {multiple} pixels, as {} needs.",
                    self.info.name
                )));
            }
        }
        super::embeddings::check(&recipe.embeddings)?;
        super::adapters::check(&recipe.adapters)
    }

    /// Makes one picture. `observe` is called after every step; `ControlFlow::Break` cancels.
    pub fn generate(&self, recipe: &Recipe, observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>) -> Result<Picture> {
        self.check(recipe)?;
        let start = Instant::now();
        let adapted = self.adapted(&recipe.adapters)?;
        let (drawing, embeddings) = self.drawing(&adapted, recipe)?;
        let rgb = drawing.draw(recipe, observe)?;
        let mut recipe = recipe.clone();
        recipe.embeddings = embeddings;
        recipe.adapters.clone_from(&adapted.adapters);
        recipe.model.hash = self.info.hash.clone();
        Ok(Picture { width: recipe.width, height: recipe.height, rgb, recipe, seconds: start.elapsed().as_secs_f32() })
    }

    /// A quick look at a Recipe: fewer steps, shown at half the size. `cancelled` is asked after every step.
    pub fn preview(&self, recipe: &Recipe, cancelled: &mut dyn FnMut() -> bool) -> Result<PreviewImage> {
        self.check(recipe)?;
        // Composition is what a look is for, and a first pass decides it.
        let quick = Recipe { steps: recipe.steps.min(PREVIEW_STEPS), ..without_second_pass(recipe) };
        let adapted = self.adapted(&recipe.adapters)?;
        let rgb = self.drawing(&adapted, recipe)?.0.draw(&quick, &mut |_| {
            if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(halve(&rgb, quick.width as usize, quick.height as usize))
    }

    /// From a checked Recipe to RGB8.
    fn draw(&self, recipe: &Recipe, observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>) -> Result<Vec<u8>> {
        let _seamless = Seamless::set(recipe.seamless);
        match recipe.first_pass {
            Some(first) => self.draw_twice(recipe, first, observe),
            None => self.draw_on(recipe, Canvas::open(recipe)?.map_or(Given::Nothing, Given::Picture), observe),
        }
    }

    /// The first pass, enlarged and worked over.
    fn draw_twice(
        &self,
        recipe: &Recipe,
        first: FirstPass,
        observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>,
    ) -> Result<Vec<u8>> {
        let small = without_second_pass(recipe);
        let FirstPass { width, height, denoising_strength, upscaler } = first;
        let source = SourceRef { path: String::new(), hash: String::new(), denoising_strength };
        let second = Recipe { first_pass: None, source: Some(source), ..recipe.clone() };
        // Some solvers call the denoiser twice a step, so what is left to report is counted in calls.
        let solver = build(recipe.sampler.parse()?, &self.scheduler, recipe.steps as usize)?;
        let calls = solver.steps();
        let more = (calls - solver.start(second.steps_taken(recipe.steps as usize)).min(calls)) as u32;
        let mut observe_first = |report: StepReport| observe(StepReport { steps: report.steps + more, ..report });
        let given = if upscaler.is_latent() {
            let size = self.latent_size(width, height);
            let latent = self.denoise(&small, &Given::Nothing, size, &mut observe_first)?;
            Given::Latent(upscale::enlarged(&latent, size, self.latent_size(recipe.width, recipe.height), upscaler))
        } else {
            let rgb = self.draw_on(&small, Given::Nothing, &mut observe_first)?;
            let rgb = image::RgbImage::from_raw(width, height, rgb)
                .ok_or_else(|| Error::failed("The first pass has another size than was asked for; leave it out."))?;
            Given::Picture(Canvas::enlarged(rgb, recipe.width, recipe.height))
        };
        let calls = calls as u32;
        self.draw_on(&second, given, &mut |report| {
            observe(StepReport { step: report.step + calls, steps: report.steps + calls, ..report })
        })
    }

    fn draw_on(
        &self,
        recipe: &Recipe,
        given: Given,
        observe: &mut dyn FnMut(StepReport) -> ControlFlow<()>,
    ) -> Result<Vec<u8>> {
        let size = self.latent_size(recipe.width, recipe.height);
        let latent = self.denoise(recipe, &given, size, observe)?;
        let mut rgb = self.decode(&latent, size)?;
        if let Given::Picture(canvas) = &given {
            canvas.restore_outside(&mut rgb);
        }
        Ok(rgb)
    }
}

/// The Recipe of the first pass alone.
fn without_second_pass(recipe: &Recipe) -> Recipe {
    let (width, height) = recipe.first_size();
    Recipe { width, height, first_pass: None, ..recipe.clone() }
}
