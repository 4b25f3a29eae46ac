//! How many pictures each part may use.

use super::diverse::SEEDS;
use crate::corpus::Measured;
use crate::corpus::families::Family;
use crate::corpus::objects::CORE;
use crate::pipeline::extras::{ATTRIBUTE, FAMILY};
use crate::pipeline::{ModelInfo, SliderSpec};

/// Fewest pictures that say anything.
pub const MIN_COUNT: usize = 80;
/// Most pictures of one evaluation.
pub const MAX_COUNT: usize = 100_000;
/// Values at which each attribute slider is tried.
pub const SLIDER_VALUES: usize = 5;
/// Portraits of each object of the core to learn from.
pub const LESSONS_OBJECT: usize = 24;
/// Fresh portraits of each: what a perfect artist would score.
pub const FRESH_OBJECT: usize = 2;
/// Pictures, and quick looks, that are timed.
const TIMED: usize = 5;

/// Numbers of pictures: of the artist first, of the painter last.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Pictures to time.
    pub timed: usize,
    /// Pictures of captions of the corpus.
    pub natural: usize,
    /// Pictures of a palette word and a family word.
    pub words: usize,
    /// Prompts whose pictures are compared over [`SEEDS`] seeds each.
    pub diverse: usize,
    /// Pairs of pictures with and without an object word.
    pub objects: usize,
    /// Prompts at which each attribute slider is tried.
    pub repeats: usize,
    /// Pictures of a single family slider.
    pub families: usize,
    /// Attribute sliders that can be measured, with their index into [`Measured::NAMES`].
    pub attribute_sliders: Vec<(usize, SliderSpec)>,
    /// Family sliders that the classifier knows.
    pub family_sliders: Vec<(Family, SliderSpec)>,
    /// Corpus pictures that the artist's are compared with.
    pub reference: usize,
    /// Corpus pictures of each family to learn from.
    pub lessons: usize,
    /// Fresh corpus pictures of a palette and a family: what a perfect artist would score.
    pub ceiling: usize,
}

impl Plan {
    /// Splits `count` pictures over what can be measured for a model.
    pub fn new(count: usize, info: &ModelInfo) -> Self {
        let of_group = |group: &'static str| info.sliders.iter().filter(move |s| s.group == group);
        let attribute_sliders: Vec<_> = of_group(ATTRIBUTE)
            .filter_map(|s| Some((Measured::NAMES.iter().position(|name| *name == s.name)?, s.clone())))
            .collect();
        let family_sliders: Vec<_> = of_group(FAMILY)
            .filter_map(|s| Some((Family::from_name(s.name.trim_start_matches("family:"))?, s.clone())))
            .collect();
        let words = f64::from(u8::from(!info.vocabulary.is_empty()));
        let attributes = attribute_sliders.len() * SLIDER_VALUES;
        let families = f64::from(u8::from(!family_sliders.is_empty()));
        let wanted = [
            0.28 * words,
            0.175 * words,
            0.12,
            0.12 * words,
            0.32 * f64::from(u8::from(attributes > 0)),
            0.065 * families,
        ];
        let rest = count.saturating_sub(TIMED);
        let unit = rest as f64 / wanted.iter().sum::<f64>();
        let share = |i: usize| (wanted[i] * unit) as usize;

        let mut plan = Self {
            timed: TIMED.min(count),
            natural: 0,
            words: share(1),
            diverse: (share(2) / SEEDS).max(1),
            objects: share(3) / 2,
            repeats: share(4).checked_div(attributes).map_or(0, |repeats| repeats.max(1)),
            families: share(5),
            attribute_sliders,
            family_sliders,
            reference: 0,
            lessons: 100,
            ceiling: 0,
        };
        // What rounding leaves goes where it helps most.
        let left = count.saturating_sub(plan.drawn());
        if words > 0.0 {
            plan.natural = left.max(2);
        } else {
            plan.diverse += left / SEEDS;
        }
        plan.reference = (plan.natural * 3).clamp(160, 3000);
        plan.ceiling = plan.words.max(128);
        if !plan.has_words() && plan.families == 0 {
            // Nobody asks for a family or a palette.
            (plan.lessons, plan.ceiling) = (0, 0);
        }
        plan
    }

    /// Whether the model's words are those of the corpus.
    pub fn has_words(&self) -> bool {
        self.natural > 0
    }

    /// Whether there is a slider to measure.
    pub fn has_sliders(&self) -> bool {
        self.repeats > 0 || self.families > 0
    }

    /// Pictures that the artist draws.
    pub fn drawn(&self) -> usize {
        let attributes = self.attribute_sliders.len() * SLIDER_VALUES * self.repeats;
        self.timed + self.natural + self.words + self.diverse * SEEDS + self.objects * 2 + attributes + self.families
    }

    /// Pictures that the painter paints; `objects`: whether it has some to draw.
    pub fn painted(&self, objects: bool) -> usize {
        let portraits = if objects && self.objects > 0 { (LESSONS_OBJECT + FRESH_OBJECT) * CORE } else { 0 };
        portraits
            + self.natural
            + self.reference
            + self.lessons * Family::ALL.len()
            + self.ceiling
            + self.diverse * SEEDS
    }
}
