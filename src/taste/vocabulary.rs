//! The words of the field: which ones a prompt holds, and which could be added to it.

use super::measures::{COUNT, Measures, of_palette};
use crate::corpus::captions::{EXTREMES, family_names};
use crate::corpus::families::Family;
use crate::corpus::palettes::{COLOURS, MOODS, PALETTES, hex};
use crate::pipeline::mix::holds;
use crate::pipeline::words;
use crate::recipe::Recipe;
use std::sync::OnceLock;

/// Colours that a prompt can ask for, and what pictures in them measure.
pub struct Colours {
    /// Every name of them; the first is the one that is written.
    pub names: Vec<&'static str>,
    /// As [`of_palette`] says.
    pub measures: Measures,
}

/// All named palettes and plain colours.
pub fn all_colours() -> &'static [Colours] {
    static ALL: OnceLock<Vec<Colours>> = OnceLock::new();
    ALL.get_or_init(|| {
        let palettes = PALETTES.iter().map(|p| {
            let colours: Vec<[f32; 3]> = p.colours.iter().map(|c| hex(*c)).collect();
            Colours { names: p.names.to_vec(), measures: of_palette(&colours) }
        });
        let plain = COLOURS.iter().map(|(name, colour)| {
            // Shades of it, as the corpus paints them.
            let shades = [0.45, 1.0].map(|light| hex(*colour).map(|c| c * light));
            let tint = hex(*colour).map(|c| c + (1.0 - c) * 0.5);
            Colours { names: vec![name], measures: of_palette(&[shades[0], shades[1], shades[1], tint]) }
        });
        palettes.chain(plain).collect()
    })
}

/// The colours that a prompt names.
pub fn colours_in(prompt: &[String]) -> Vec<&'static Colours> {
    all_colours().iter().filter(|c| c.names.iter().any(|name| holds(prompt, name))).collect()
}

/// Words of air and temper, one for each mood.
pub fn moods() -> impl Iterator<Item = &'static [&'static str]> {
    MOODS.iter().map(|mood| mood.names)
}

/// Whether a prompt names either end of an attribute, by its place among the five.
pub fn names_attribute(prompt: &[String], attribute: usize) -> bool {
    EXTREMES.get(attribute).is_some_and(|ends| ends.iter().flat_map(|e| e.iter()).any(|name| holds(prompt, name)))
}

/// The word for an end of an attribute.
pub fn attribute_word(attribute: usize, high: bool) -> Option<&'static str> {
    EXTREMES.get(attribute).and_then(|ends| ends[usize::from(high)].first()).copied()
}

/// The first family that a prompt names.
pub fn family_in(prompt: &[String]) -> Option<Family> {
    Family::ALL.into_iter().find(|family| {
        // A slider's name is also one of its words.
        holds(prompt, &family.name().replace('_', " ")) || family_names(*family).iter().any(|name| holds(prompt, name))
    })
}

/// The family of which a Recipe asks most, by slider, else by word.
pub fn family_of(recipe: &Recipe) -> Option<String> {
    let set = recipe.sliders.iter().filter_map(|(name, share)| Some((name.strip_prefix("family:")?, *share)));
    let most = set.filter(|(_, share)| *share > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    most.map(|(name, _)| name.to_string())
        .or_else(|| family_in(&words(&recipe.prompt)).map(|family| family.name().to_string()))
}

/// Properties that a choice of colours decides.
pub fn coloured(index: usize) -> bool {
    index == 0 || (super::measures::FIRST_COLOUR..COUNT).contains(&index)
}
