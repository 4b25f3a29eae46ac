//! The way from a Recipe to pixels: words, noise, steps, decoder.

use super::pixels::halve;
use super::prompt::chosen;
use super::source::Canvas;
use super::steps::Given;
use super::{Observer, Pipeline, PreviewImage, StepReport, upscale};
use crate::kernels;
use crate::model::layers::Seamless;
use crate::recipe::{FirstPass, Picture, Recipe, SIDE_RANGE, STEP_RANGE, SourceRef};
use crate::sampler::{SamplerKind, build};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::time::Instant;

/// Steps of a quick look.
const PREVIEW_STEPS: u32 = 3;
/// Places of all latents that are worked over together: four pictures of Ember's. Beyond it, measured on a CPU, company gains nothing.
const PLACES_AT_ONCE: usize = 1024;
/// Most pictures at once, so that the first ones do not wait long for the last.
const MOST_AT_ONCE: usize = 4;
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
    ///
    /// # Errors
    /// When the Recipe does not fit the checkpoint, a file that it names cannot be read, or it was cancelled.
    pub fn generate(&self, recipe: &Recipe, observe: Observer) -> Result<Picture> {
        let made = self.generate_together(std::slice::from_ref(recipe), observe)?.pop();
        made.ok_or_else(|| Error::failed("No picture came of this Recipe; try again."))
    }

    /// Makes several pictures, a call of the denoiser a step for all whose prompts are as long: sooner done than one after the
    /// other where latents are small. On the CPU each has the bytes that it would have alone, on a GPU
    /// they are off by a rounding. They are of one [`Self::kin`].
    ///
    /// # Errors
    /// As [`Self::generate`]; then none of them is made.
    pub fn generate_together(&self, recipes: &[Recipe], observe: Observer) -> Result<Vec<Picture>> {
        let Some(first) = recipes.first() else { return Ok(Vec::new()) };
        recipes.iter().try_for_each(|recipe| self.check(recipe))?;
        if !recipes.iter().all(|other| Self::kin(first, other)) {
            return Err(Error::usage(
                "Pictures that are made together have one size, one sampler and the same adapters; make these one after \
                 the other.",
            ));
        }
        let start = Instant::now();
        let adapted = self.adapted(&first.adapters)?;
        let (drawing, embeddings) = self.drawing(&adapted, first)?;
        // What is kept with a picture is what it was told.
        let recipes: Vec<Recipe> = recipes.iter().map(chosen).collect();
        let drawn = drawing.draw(&recipes, observe)?;
        let seconds = start.elapsed().as_secs_f32() / recipes.len() as f32;
        let finished = recipes.into_iter().zip(drawn).map(|(mut recipe, rgb)| {
            recipe.embeddings.clone_from(&embeddings);
            recipe.adapters.clone_from(&adapted.adapters);
            recipe.model.hash.clone_from(&self.info.hash);
            Picture { width: recipe.width, height: recipe.height, rgb, recipe, seconds }
        });
        Ok(finished.collect())
    }

    /// Whether two Recipes can be made together.
    pub fn kin(a: &Recipe, b: &Recipe) -> bool {
        (a.width, a.height, a.steps, a.seamless, a.first_pass) == (b.width, b.height, b.steps, b.seamless, b.first_pass)
            && (&a.sampler, &a.adapters, &a.embeddings) == (&b.sampler, &b.adapters, &b.embeddings)
    }

    /// How many pictures of this Recipe's size are best made together: several where a latent is too small to keep the
    /// processor busy, else one.
    pub fn at_once(&self, recipe: &Recipe) -> usize {
        let (w, h) = self.latent_size(recipe.width, recipe.height);
        if kernels::on_cpu(&self.device) { (PLACES_AT_ONCE / (w * h).max(1)).clamp(1, MOST_AT_ONCE) } else { 1 }
    }

    /// A quick look at a Recipe: fewer steps, shown at half the size. `cancelled` is asked after every step.
    pub fn preview(&self, recipe: &Recipe, cancelled: &mut dyn FnMut() -> bool) -> Result<PreviewImage> {
        self.check(recipe)?;
        // Composition is what a look is for, and a first pass decides it.
        let quick = Recipe { steps: recipe.steps.min(PREVIEW_STEPS), ..without_second_pass(&chosen(recipe)) };
        let adapted = self.adapted(&recipe.adapters)?;
        let mut drawn = self.drawing(&adapted, recipe)?.0.draw(std::slice::from_ref(&quick), &mut |_| {
            if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let rgb = drawn.pop().ok_or_else(|| Error::failed("No quick look came of this Recipe; try again."))?;
        Ok(halve(&rgb, quick.width as usize, quick.height as usize))
    }

    /// From checked Recipes of one kin to RGB8.
    fn draw(&self, recipes: &[Recipe], observe: Observer) -> Result<Vec<Vec<u8>>> {
        let Some(one) = recipes.first() else { return Ok(Vec::new()) };
        let _seamless = Seamless::set(one.seamless);
        match one.first_pass {
            Some(first) => self.draw_twice(recipes, first, observe),
            None => {
                let given = |recipe| Ok(Canvas::open(recipe)?.map_or(Given::Nothing, Given::Picture));
                self.draw_on(recipes, &recipes.iter().map(given).collect::<Result<Vec<_>>>()?, observe)
            }
        }
    }

    /// First passes, enlarged and worked over.
    fn draw_twice(&self, recipes: &[Recipe], first: FirstPass, observe: Observer) -> Result<Vec<Vec<u8>>> {
        let FirstPass { width, height, denoising_strength, upscaler } = first;
        let small: Vec<Recipe> = recipes.iter().map(without_second_pass).collect();
        let second = |recipe: &Recipe| {
            let source = SourceRef { path: String::new(), hash: String::new(), denoising_strength };
            Recipe { first_pass: None, source: Some(source), ..recipe.clone() }
        };
        let second: Vec<Recipe> = recipes.iter().map(second).collect();
        let Some(recipe) = second.first() else { return Ok(Vec::new()) };
        // Some solvers call the denoiser twice a step, so what is left to report is counted in calls.
        let solver = build(recipe.sampler.parse()?, &self.scheduler, recipe.steps as usize)?;
        let calls = solver.steps();
        let more = (calls - solver.start(recipe.steps_taken(recipe.steps as usize)).min(calls)) as u32;
        let mut observe_first = |report: StepReport| observe(StepReport { steps: report.steps + more, ..report });
        let given: Vec<Given> = if upscaler.is_latent() {
            let size = self.latent_size(width, height);
            let nothing: Vec<Given> = small.iter().map(|_| Given::Nothing).collect();
            let latents = self.denoise(&small, &nothing, size, &mut observe_first)?;
            let whole = self.latent_size(recipe.width, recipe.height);
            latents.iter().map(|latent| Given::Latent(upscale::enlarged(latent, size, whole, upscaler))).collect()
        } else {
            let enlarged = |rgb| {
                let rgb = image::RgbImage::from_raw(width, height, rgb).ok_or_else(|| {
                    Error::failed("The first pass has another size than was asked for; leave it out.")
                })?;
                Ok(Given::Picture(Canvas::enlarged(rgb, recipe.width, recipe.height)))
            };
            let nothing: Vec<Given> = small.iter().map(|_| Given::Nothing).collect();
            self.draw_on(&small, &nothing, &mut observe_first)?.into_iter().map(enlarged).collect::<Result<_>>()?
        };
        let calls = calls as u32;
        self.draw_on(&second, &given, &mut |report| {
            observe(StepReport { step: report.step + calls, steps: report.steps + calls, ..report })
        })
    }

    fn draw_on(&self, recipes: &[Recipe], given: &[Given], observe: Observer) -> Result<Vec<Vec<u8>>> {
        let Some(one) = recipes.first() else { return Ok(Vec::new()) };
        let size = self.latent_size(one.width, one.height);
        let latents = self.denoise(recipes, given, size, observe)?;
        // One by one: the finest level of a decoder takes more memory than all the rest, and gains nothing in company.
        let decoded = latents.iter().zip(given).map(|(latent, given)| {
            let mut rgb = self.decode(latent, size)?;
            if let Given::Picture(canvas) = given {
                canvas.restore_outside(&mut rgb);
            }
            Ok(rgb)
        });
        decoded.collect()
    }
}

/// The Recipe of the first pass alone.
fn without_second_pass(recipe: &Recipe) -> Recipe {
    let (width, height) = recipe.first_size();
    Recipe { width, height, first_pass: None, ..recipe.clone() }
}
