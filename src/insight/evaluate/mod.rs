//! Measures a checkpoint against the corpus that Ember learnt from: speed, naturalness, diversity, prompts, sliders.
//!
//! The painter is the ground truth: whatever is asked of the model is also asked of the painter, so that each number
//! stands beside what a perfect model would reach.

pub mod colours;
mod desk;
mod diverse;
mod natural;
mod plan;
pub mod reference;
mod report;
mod sliders;
mod speed;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub use plan::{MAX_COUNT, MIN_COUNT};
pub use report::{Diverse, Natural, Part, Prompt, Report, Scores, Slider, Sliders, Speed};
pub use table::Row;

use crate::corpus::Painter;
use crate::pipeline::ModelInfo;
use crate::recipe::{Picture, Recipe};
use crate::{Error, Result};
use desk::Desk;
use plan::Plan;
use reference::Reference;
use std::path::PathBuf;

/// Whoever draws what a Recipe asks for: a loaded checkpoint, or in tests the painter.
pub trait Artist {
    /// What it is and which sliders and words it knows.
    fn info(&self) -> &ModelInfo;

    /// Makes the picture of a Recipe.
    ///
    /// # Errors
    /// When it cannot, or the person cancelled.
    fn draw(&self, recipe: &Recipe) -> Result<Picture>;

    /// Makes a quick look at a Recipe, which is thrown away; only its time counts.
    ///
    /// # Errors
    /// When it cannot, or the person cancelled.
    fn preview(&self, recipe: &Recipe) -> Result<()>;
}

/// What to measure with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Pictures that the artist draws in all, [`MIN_COUNT`]..=[`MAX_COUNT`].
    pub count: usize,
    /// Decides prompts, starting noises and corpus pictures.
    pub seed: u64,
    /// Folder of object pictures for the corpus; without it, its scenes hold none.
    pub objects: Option<PathBuf>,
    /// Seconds that loading the artist took.
    pub load_seconds: f64,
}

/// What happens while it measures.
#[derive(Debug)]
pub enum Event<'a> {
    /// A picture was drawn or painted.
    Progress {
        /// Part that is being measured.
        part: &'static str,
        /// Pictures that the artist has drawn.
        done: usize,
        /// Pictures that it will draw.
        of: usize,
        /// Seconds until the end, once the first picture was timed.
        seconds_left: Option<f64>,
    },
    /// A part is measured.
    Measured(&'a Part),
    /// A part cannot be measured for this artist.
    LeftOut {
        /// The part.
        part: &'static str,
        /// Why, as a sentence.
        why: &'a str,
    },
}

/// Hears of progress; an error, for example a cancellation, ends the measuring.
pub type Hear<'a> = dyn FnMut(Event<'_>) -> Result<()> + 'a;

/// Measures an artist; apart from the times, one seed gives one report.
///
/// # Errors
/// When the number of pictures is out of range, a picture cannot be made, or `hear` answers with an error.
pub fn evaluate(artist: &dyn Artist, options: &Options, hear: &mut Hear) -> Result<Report> {
    if !(MIN_COUNT..=MAX_COUNT).contains(&options.count) {
        return Err(Error::usage(format!(
            "{} pictures are too few or too many to measure with: use {MIN_COUNT} to {MAX_COUNT}.",
            options.count
        )));
    }
    let painter = Painter::new(options.objects.as_deref())?;
    let plan = Plan::new(options.count, artist.info());
    let mut desk = Desk::new(artist, painter, options.seed, &plan, hear);
    let mut report = Report::default();

    let speed = speed::measure(&mut desk, &plan, options.load_seconds)?;
    report.scores.efficient = Some(speed.score());
    report.add(Part::Speed(speed), &mut desk)?;

    let reference = Reference::paint(&mut desk, &plan)?;
    if plan.has_words() {
        let (natural, asked) = natural::measure(&mut desk, &plan, &reference)?;
        report.scores.natural = Some(natural.score());
        report.add(Part::Natural(natural), &mut desk)?;

        let diverse = diverse::measure(&mut desk, &plan, &reference)?;
        report.scores.diverse = Some(diverse.score());
        report.add(Part::Diverse(diverse), &mut desk)?;

        let prompt = words::measure(&mut desk, &plan, &asked, &reference)?;
        report.scores.prompt = Some(prompt.score());
        report.add(Part::Prompt(prompt), &mut desk)?;
    } else {
        let why = "The model names no vocabulary, so it was not trained on the corpus that this is measured against.";
        desk.leave_out("natural", why)?;
        let diverse = diverse::measure(&mut desk, &plan, &reference)?;
        report.scores.diverse = Some(diverse.score());
        report.add(Part::Diverse(diverse), &mut desk)?;
        desk.leave_out("prompt", why)?;
    }
    if plan.has_sliders() {
        let sliders = sliders::measure(&mut desk, &plan, &reference)?;
        report.scores.sliders = Some(sliders.score());
        report.add(Part::Sliders(sliders), &mut desk)?;
    } else {
        desk.leave_out("sliders", "The model has no slider that can be measured.")?;
    }
    Ok(report)
}
