//! What was measured: numbers with their ceilings, a score for each face, and a sentence for each row.

use super::colours::palettes;
use super::desk::Desk;
use crate::Result;
use crate::corpus::families::Family;
use crate::corpus::objects::CORE;
use serde::Serialize;

/// Seconds a picture at which the score for efficiency is one half.
const HALF_SPEED: f64 = 4.0;

/// How long things take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Seconds to load the model.
    pub load_seconds: f64,
    /// Median seconds a picture.
    pub picture_seconds: f64,
    /// Median seconds a quick look.
    pub preview_seconds: f64,
    /// Sampling steps of a picture.
    pub steps: u32,
    /// Side of a picture in pixels.
    pub size: u32,
    /// Number of weights.
    pub parameters: u64,
    /// Most memory held so far, in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

/// Likeness to the corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Natural {
    /// Pictures drawn of captions of the corpus.
    pub pictures: usize,
    /// Fréchet distance of their features to the second half of the corpus, 0 and up.
    pub frechet: f64,
    /// The same of the first half of the corpus.
    pub frechet_corpus: f64,
    /// The first by the second: 1 = as close as the corpus to itself.
    pub frechet_ratio: f64,
    /// Share of pictures whose family, asked for by word, the classifier names, 0..=1.
    pub family_accuracy: f64,
    /// The same of fresh corpus pictures.
    pub family_ceiling: f64,
}

/// Difference from seed to seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diverse {
    /// Prompts.
    pub prompts: usize,
    /// Seeds of each.
    pub seeds: usize,
    /// Mean feature distance between pictures of one prompt.
    pub distance: f64,
    /// The same of corpus pictures of the same words.
    pub distance_corpus: f64,
    /// The first by the second: 1 = as diverse as the corpus.
    pub ratio: f64,
    /// Smallest distance between two pictures of one prompt; near 0 = duplicates.
    pub smallest: f64,
    /// The same of corpus pictures.
    pub smallest_corpus: f64,
}

/// Obedience to words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prompt {
    /// Pictures whose prompt names a palette or a colour.
    pub pictures: usize,
    /// Palettes that are told apart.
    pub palettes: usize,
    /// Mean rank of the palette asked for among all by nearness to the picture's colours; 1 is best.
    pub mean_rank: f64,
    /// The same of fresh corpus pictures.
    pub mean_rank_ceiling: f64,
    /// Share of pictures in which it is among the nearest three, 0..=1.
    pub top3: f64,
    /// The same of fresh corpus pictures.
    pub top3_ceiling: f64,
    /// Pairs of pictures with and without an object word.
    pub object_pairs: usize,
    /// How much an object word changes the middle of the picture, as a mean Oklab distance, 0..=1. It says that something
    /// changed, not that the object is there.
    pub object_effect: f64,
    /// How much it changes the rest.
    pub object_effect_outside: f64,
    /// Share of the pictures with an object word whose object a classifier names, of 48, 0..=1; none where the painter has no
    /// objects to learn from.
    pub objects_named: Option<f64>,
    /// The same of fresh corpus pictures.
    pub objects_named_ceiling: Option<f64>,
}

/// One attribute slider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slider {
    /// Its name.
    pub name: String,
    /// Pictures drawn.
    pub pictures: usize,
    /// Rank correlation of asked and measured over all pictures, -1..=1.
    pub spearman: f64,
    /// Mean of the same within one prompt and seed.
    pub spearman_within: f64,
    /// Mean measured value at its lower end, 0..=1.
    pub low: f64,
    /// Mean measured value at its upper end, 0..=1.
    pub high: f64,
    /// `high - low` by the 5th to 95th percentile of the corpus: 1 = as far as the corpus goes.
    pub range: f64,
}

/// Obedience to sliders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sliders {
    /// Each attribute slider.
    pub sliders: Vec<Slider>,
    /// Pictures of a single family slider.
    pub family_pictures: usize,
    /// Share of them whose family the classifier names, 0..=1.
    pub family_confirmed: Option<f64>,
    /// The same of fresh corpus pictures.
    pub family_ceiling: Option<f64>,
}

/// A measured part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum Part {
    /// How long things take.
    Speed(Speed),
    /// Likeness to the corpus.
    Natural(Natural),
    /// Difference from seed to seed.
    Diverse(Diverse),
    /// Obedience to words.
    Prompt(Prompt),
    /// Obedience to sliders.
    Sliders(Sliders),
}

/// One score for each face, 0..=1; none where it could not be measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Scores {
    /// Mean of closeness to the corpus and of family recognition.
    pub natural: Option<f64>,
    /// Spread relative to the corpus.
    pub diverse: Option<f64>,
    /// Nearness of the colours asked for and, where it can be judged, recognition of objects, half each.
    pub prompt: Option<f64>,
    /// Mean over the sliders.
    pub sliders: Option<f64>,
    /// 1 at no time, one half at 4 seconds a picture on this machine.
    pub efficient: Option<f64>,
}

/// Everything measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// The scores.
    pub scores: Scores,
}

impl Report {
    pub(super) fn add(&mut self, part: Part, desk: &mut Desk) -> Result<()> {
        desk.measured(&part)?;
        self.parts.push(part);
        Ok(())
    }
}

/// Where `value` lies between chance and ceiling, 0..=1.
fn between(value: f64, chance: f64, ceiling: f64) -> f64 {
    let span = ceiling - chance;
    if span.abs() < 1e-9 { 0.0 } else { ((value - chance) / span).clamp(0.0, 1.0) }
}

const FAMILY_CHANCE: f64 = 1.0 / Family::ALL.len() as f64;

impl Speed {
    /// See [`Scores::efficient`].
    pub fn score(&self) -> f64 {
        1.0 / (1.0 + self.picture_seconds.max(0.0) / HALF_SPEED)
    }
}

impl Natural {
    /// See [`Scores::natural`].
    pub fn score(&self) -> f64 {
        let close = (1.0 / self.frechet_ratio.max(1e-9)).min(1.0);
        (close + between(self.family_accuracy, FAMILY_CHANCE, self.family_ceiling)) / 2.0
    }
}

impl Diverse {
    /// See [`Scores::diverse`].
    pub fn score(&self) -> f64 {
        self.ratio.clamp(0.0, 1.0)
    }
}

impl Prompt {
    /// See [`Scores::prompt`].
    pub fn score(&self) -> f64 {
        let n = palettes() as f64;
        let rank = between(self.mean_rank, (n + 1.0) / 2.0, self.mean_rank_ceiling);
        let colours = (rank + between(self.top3, 3.0 / n, self.top3_ceiling)) / 2.0;
        match self.objects_named.zip(self.objects_named_ceiling) {
            Some((named, ceiling)) => (colours + between(named, 1.0 / CORE as f64, ceiling)) / 2.0,
            None => colours,
        }
    }
}

impl Sliders {
    /// See [`Scores::sliders`].
    pub fn score(&self) -> f64 {
        // Both are needed: a slider that moves little, though in the right order, is of little use.
        let one = |s: &Slider| (s.spearman.max(0.0) * s.range.clamp(0.0, 1.0)).sqrt();
        let family = self.family_confirmed.zip(self.family_ceiling);
        let family = family.map(|(found, ceiling)| between(found, FAMILY_CHANCE, ceiling));
        let all: Vec<f64> = self.sliders.iter().map(one).chain(family).collect();
        crate::insight::statistics::mean(&all)
    }
}
