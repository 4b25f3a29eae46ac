//! Features: what a picture measures and what its Recipe says, on scales on which one is a usual difference.

use super::evidence::Evidence;
use super::measures::{COUNT, Measures, PROPERTIES};
use super::vocabulary::family_of;
use crate::pipeline::words;
use crate::recipe::Recipe;
use std::collections::{BTreeMap, BTreeSet};

/// Most words, and most sliders, that are looked at: those that divide the judged pictures best.
const MOST: usize = 24;
/// Width of the prior of a property's weight: five sliders, lightness and colourfulness, hues.
const PRIORS: [f64; 3] = [0.8, 0.6, 0.6];
/// Width of the prior of what a Recipe says: less, as it speaks of fewer pictures.
const RECIPE_PRIOR: f64 = 0.35;
/// Judged pictures as which the usual spread of a property counts.
const USUAL: f64 = 30.0;

/// Something that a Recipe says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// A word of the prompt: 1 when it is there.
    Word(String),
    /// The main family, by slider or by word: 1 when it is this one.
    Family(String),
    /// A slider that is no family, less the middle of 0..=1; 0 when it is not set.
    Slider(String),
}

/// The features that the judged pictures suggest.
#[derive(Debug, Clone)]
pub struct Space {
    centre: [f64; COUNT],
    spread: [f64; COUNT],
    said: Vec<Said>,
}

impl Space {
    /// The space in which the judged pictures differ.
    pub fn over(evidence: &Evidence) -> Self {
        let n = evidence.pictures.len() as f64;
        let (mut centre, mut spread) = ([0.0; COUNT], [0.0; COUNT]);
        for (i, property) in PROPERTIES.iter().enumerate() {
            let values = || evidence.pictures.iter().map(|p| f64::from(p.measures[i]));
            centre[i] = values().sum::<f64>() / n.max(1.0);
            let usual = f64::from(property.spread).powi(2);
            let own: f64 = values().map(|v| (v - centre[i]).powi(2)).sum();
            spread[i] = ((own + USUAL * usual) / (n + USUAL)).sqrt();
        }
        let mut counts: BTreeMap<Said, usize> = BTreeMap::new();
        for picture in &evidence.pictures {
            said_by(&picture.recipe).into_iter().for_each(|(said, _)| *counts.entry(said).or_default() += 1);
        }
        // What all say, or one alone, divides nothing.
        let mut told: Vec<(Said, usize)> = counts
            .into_iter()
            .map(|(said, count)| (said, count.min(evidence.pictures.len() - count)))
            .filter(|(said, divides)| *divides > 1 || matches!(said, Said::Slider(_)))
            .collect();
        told.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (mut words_left, mut others_left) = (MOST, MOST);
        let mut said: Vec<Said> = told
            .into_iter()
            .map(|(said, _)| said)
            .filter(|said| {
                let left = if matches!(said, Said::Word(_)) { &mut words_left } else { &mut others_left };
                let fits = *left > 0;
                *left = left.saturating_sub(1);
                fits
            })
            .collect();
        said.sort();
        Self { centre, spread, said }
    }

    /// Standard deviations of the weights before anything was chosen.
    pub fn prior(&self) -> Vec<f64> {
        let of = |i: usize| PRIORS[if i < 5 { 0 } else { usize::from(i >= 7) + 1 }];
        (0..COUNT).map(of).chain(self.said.iter().map(|_| RECIPE_PRIOR)).collect()
    }

    /// Features of a picture: its properties first, then what the Recipe says.
    pub fn features(&self, recipe: &Recipe, found: &Measures) -> Vec<f64> {
        let said = said_by(recipe);
        let seen = (0..COUNT).map(|i| self.standard(i, f64::from(found[i])));
        seen.chain(self.said.iter().map(|s| said.get(s).copied().unwrap_or(0.0))).collect()
    }

    /// Features of the first less those of the second.
    pub fn difference(&self, first: (&Recipe, &Measures), second: (&Recipe, &Measures)) -> Vec<f64> {
        let (first, second) = (self.features(first.0, first.1), self.features(second.0, second.1));
        first.iter().zip(second).map(|(a, b)| a - b).collect()
    }

    /// A property on the scale of the features.
    pub fn standard(&self, property: usize, value: f64) -> f64 {
        (value - self.centre[property]) / self.spread[property]
    }

    /// Place of something said among the features.
    pub fn place(&self, said: &Said) -> Option<usize> {
        self.said.iter().position(|s| s == said).map(|at| COUNT + at)
    }

    /// What the Recipe features are, from index [`COUNT`] on.
    pub fn said(&self) -> &[Said] {
        &self.said
    }
}

/// What a Recipe says, with its value.
pub fn said_by(recipe: &Recipe) -> BTreeMap<Said, f64> {
    let mut said = BTreeMap::new();
    let distinct: BTreeSet<String> = words(&recipe.prompt).into_iter().filter(|w| w.chars().count() > 2).collect();
    distinct.into_iter().for_each(|word| _ = said.insert(Said::Word(word), 1.0));
    if let Some(family) = family_of(recipe) {
        said.insert(Said::Family(family), 1.0);
    }
    for (name, value) in recipe.sliders.iter().filter(|(name, _)| !name.starts_with("family:")) {
        said.insert(Said::Slider(name.clone()), f64::from(*value) - 0.5);
    }
    said
}
