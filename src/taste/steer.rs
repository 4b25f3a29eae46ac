//! Recipes that a taste would like: sliders, families and words, where the person has left room for them.

use super::measures::{COUNT, PROPERTIES};
use super::space::Said;
use super::vocabulary::{self, Colours};
use super::{Taste, dot};
use crate::corpus::rng::Rng;
use crate::pipeline::extras::{ATTRIBUTE, FAMILY};
use crate::pipeline::mix::holds;
use crate::pipeline::{self, ModelInfo, SliderSpec};
use crate::recipe::Recipe;

/// Shares of the taste's whole strength from which something is set.
const LEAST_PULL: f64 = 0.2;
/// The same for an attribute that can only be asked for in words.
const LEAST_WORD_PULL: f64 = 0.45;
/// How much of what a colour's own measures promise a whole picture keeps.
const KEPT: f64 = 0.6;
/// Longest prompt to which words are added, in words.
const LONGEST: usize = 24;
/// Pictures of a family as which "like any other" counts.
const USUAL: f64 = 3.0;

/// Weights drawn for one picture of a wall.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Weights of all features.
    pub weights: Vec<f64>,
    /// Length of the weights of the picture's properties.
    strength: f64,
}

impl Taste {
    /// Draws what to aim at (Thompson 1933): at `explore` 0 the most probable taste, at 1 one from a posterior twice as wide.
    pub fn want(&self, rng: &mut Rng, explore: f64) -> Wanted {
        let weights = self.posterior.draw(rng, 2.0 * explore.clamp(0.0, 1.0));
        let strength = dot(&weights[..COUNT], &weights[..COUNT]).sqrt();
        Wanted { weights, strength }
    }

    /// The Recipe, bent towards what is wanted: attributes, a family and words, each only where the Recipe says nothing of it.
    pub fn bend(&self, recipe: &Recipe, info: &ModelInfo, wanted: &Wanted, explore: f64, rng: &mut Rng) -> Recipe {
        let mut bent = recipe.clone();
        if wanted.strength < 1e-6 {
            return bent;
        }
        let prompt = pipeline::words(&recipe.prompt);
        let colours = vocabulary::colours_in(&prompt);
        let mut more: Vec<String> = Vec::new();
        for (index, property) in PROPERTIES.iter().enumerate().take(super::measures::FIRST_COLOUR) {
            let slider = info.sliders.iter().find(|s| s.group == ATTRIBUTE && s.name == property.name);
            let said = Said::Slider(property.name.into());
            let pull = wanted.weights[index] + 0.3 * self.weight_of(wanted, &said);
            let pull = pull / wanted.strength;
            let opposed = index == 0 && opposes(&colours, pull > 0.0);
            if recipe.sliders.contains_key(property.name) || vocabulary::names_attribute(&prompt, index) || opposed {
                continue;
            }
            // Small pulls move some pictures of a wall, great ones all.
            if pull.abs() < LEAST_PULL + 0.15 * f64::from(rng.unit()) {
                continue;
            }
            match slider {
                Some(slider) => {
                    let how_far = (0.35 + pull.abs()).min(1.0) * f64::from(rng.range(0.65, 1.0));
                    bent.sliders.insert(slider.name.clone(), towards(slider, pull > 0.0, how_far as f32));
                }
                None if pull.abs() > LEAST_WORD_PULL && more.len() < 2 => {
                    let word = vocabulary::attribute_word(index, pull > 0.0).filter(|w| info.knows(w));
                    more.extend(word.map(str::to_string));
                }
                None => {}
            }
        }
        for slider in info.sliders.iter().filter(|s| s.group == ATTRIBUTE && !recipe.sliders.contains_key(&s.name)) {
            // Sliders that no property goes by: what ratings of pictures with them tell.
            if PROPERTIES.iter().any(|p| p.name == slider.name) {
                continue;
            }
            let pull = self.weight_of(wanted, &Said::Slider(slider.name.clone()));
            if pull.abs() > LEAST_PULL * wanted.strength {
                bent.sliders.insert(slider.name.clone(), towards(slider, pull > 0.0, rng.range(0.5, 1.0)));
            }
        }
        self.choose_family(&mut bent, &prompt, info, wanted, explore, rng);
        if prompt.len() + more.len() < LONGEST {
            if colours.is_empty() {
                more.extend(self.choose_colours(info, wanted, rng).map(|name| format!("{name} colours")));
            }
            more.extend(self.choose_mood(&prompt, info, wanted));
        }
        for words in more.into_iter().filter(|words| info.knows(words)) {
            bent.prompt = format!("{}, {words}", bent.prompt.trim_end_matches([',', ' ']));
        }
        bent
    }

    fn weight_of(&self, wanted: &Wanted, said: &Said) -> f64 {
        self.space.place(said).map_or(0.0, |place| wanted.weights[place])
    }

    /// Sets one family where the person asked for none.
    fn choose_family(
        &self,
        bent: &mut Recipe,
        prompt: &[String],
        info: &ModelInfo,
        wanted: &Wanted,
        explore: f64,
        rng: &mut Rng,
    ) {
        let families: Vec<&SliderSpec> = info.sliders.iter().filter(|s| s.group == FAMILY).collect();
        let asked = bent.sliders.keys().any(|name| name.starts_with("family:"));
        if families.is_empty() || asked || vocabulary::family_in(prompt).is_some() {
            return;
        }
        if rng.chance(0.25 * explore as f32) {
            let any = rng.pick(&families);
            bent.sliders.insert(any.name.clone(), any.max);
            return;
        }
        let scored = families.iter().map(|slider| {
            let name = slider.name.strip_prefix("family:").unwrap_or(&slider.name);
            (self.promise_of_family(name, wanted) + 0.15 * wanted.strength * f64::from(rng.normal()), slider)
        });
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((promise, slider)) = best
            && promise > 0.6 * wanted.strength
        {
            bent.sliders.insert(slider.name.clone(), slider.max);
        }
    }

    /// What a family's judged pictures promise, above or below the others.
    fn promise_of_family(&self, name: &str, wanted: &Wanted) -> f64 {
        let own: Vec<_> = self
            .evidence
            .pictures
            .iter()
            .filter(|p| vocabulary::family_of(&p.recipe).is_some_and(|family| family == name))
            .collect();
        let mut promise = self.weight_of(wanted, &Said::Family(name.into()));
        for i in 0..COUNT {
            let above: f64 = own.iter().map(|p| self.space.standard(i, f64::from(p.measures[i]))).sum();
            promise += wanted.weights[i] * above / (own.len() as f64 + USUAL);
        }
        promise
    }

    /// Colours that promise much; not always the very best, so that a wall has several.
    fn choose_colours(&self, info: &ModelInfo, wanted: &Wanted, rng: &mut Rng) -> Option<&'static str> {
        let promise = |colours: &Colours| {
            let seen: f64 = (0..COUNT)
                .filter(|i| vocabulary::coloured(*i))
                .map(|i| wanted.weights[i] * self.space.standard(i, f64::from(colours.measures[i])))
                .sum();
            let words = pipeline::words(colours.names[0]);
            KEPT * seen + words.into_iter().map(|w| self.weight_of(wanted, &Said::Word(w))).sum::<f64>()
        };
        let known = vocabulary::all_colours().iter().filter(|c| info.knows(c.names[0]));
        let mut scored: Vec<(f64, &'static str)> =
            known.map(|c| (promise(c) + 0.2 * wanted.strength * f64::from(rng.normal()), c.names[0])).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.first().filter(|(promise, _)| *promise > 0.35 * wanted.strength).map(|(_, name)| *name)
    }

    /// A mood that was liked before, where the prompt names none.
    fn choose_mood(&self, prompt: &[String], info: &ModelInfo, wanted: &Wanted) -> Option<String> {
        if vocabulary::moods().flatten().any(|name| holds(prompt, name)) {
            return None;
        }
        let known = vocabulary::moods().flatten().filter(|name| info.knows(name));
        let liked = known.map(|name| (self.weight_of(wanted, &Said::Word((*name).into())), *name));
        let best = liked.max_by(|a, b| a.0.total_cmp(&b.0));
        best.filter(|(weight, _)| *weight > LEAST_PULL * wanted.strength).map(|(_, name)| name.to_string())
    }
}

/// Whether the colours that a prompt names are the opposite of warm, or of cold.
fn opposes(colours: &[&Colours], warm: bool) -> bool {
    colours.iter().any(|c| (c.measures[0] > 0.5) != warm)
}

/// A share of the way from a slider's middle to one of its ends.
fn towards(slider: &SliderSpec, high: bool, how_far: f32) -> f32 {
    let middle = slider.neutral.clamp(slider.min, slider.max);
    let end = if high { slider.max } else { slider.min };
    let value = middle + (end - middle) * how_far.clamp(0.0, 1.0);
    // A value that a person can read.
    ((value * 100.0).round() / 100.0).clamp(slider.min, slider.max)
}
