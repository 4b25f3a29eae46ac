//! Words that the model does not know, and prompts out of words that it does.

use super::form::random_seed;
use crate::model::tokenizer::{UnknownWord, unknown_words, without};
use crate::pipeline::ModelInfo;
use crate::pipeline::extras::FAMILY;

/// Prompts for somebody who has not written one yet.
pub const EXAMPLES: [&str; 6] = [
    "a fox in front of misty mountains, sunset colours",
    "ocean marbling with gold, elegant",
    "stained glass window with a blue butterfly",
    "a red sailboat on rolling waves, calm",
    "bauhaus shapes in primary colours, playful",
    "an owl with a starry sky, midnight palette, dreamy",
];

const THINGS: [&str; 14] = [
    "a fox",
    "an owl",
    "a butterfly",
    "a whale",
    "a sailboat",
    "a castle",
    "a rose",
    "a lion",
    "a rocket",
    "a cactus",
    "a crescent moon",
    "a palm tree",
    "an octopus",
    "a swan",
];
const PLACES: [&str; 12] = [
    "misty mountains",
    "a starry sky",
    "rolling waves",
    "stained glass",
    "flowing lines",
    "marbled paper",
    "packed circles",
    "a mandala",
    "geometric shapes",
    "halftone dots",
    "soft washes",
    "botanical silhouettes",
];
const COLOURS: [&str; 12] = [
    "sunset colours",
    "ocean tones",
    "pastel palette",
    "neon colours",
    "autumn tones",
    "midnight palette",
    "gold and navy",
    "teal and orange",
    "lavender tones",
    "citrus colours",
    "monochrome",
    "vintage palette",
];
const MOODS: [&str; 10] =
    ["calm", "dramatic", "dreamy", "playful", "elegant", "mysterious", "energetic", "cosy", "minimal", "intricate"];

/// The words of the present prompt that the model does not know; looked up anew only when something changed.
#[derive(Default)]
pub struct Spelling {
    prompt: String,
    model: String,
    learnt: Vec<String>,
    unknown: Vec<UnknownWord>,
    /// When the prompt changed last.
    pub edited: f64,
}

impl Spelling {
    /// The unknown words of a prompt, in which `learnt` ones are heard besides the model's own.
    pub fn check(&mut self, prompt: &str, info: Option<&ModelInfo>, learnt: Vec<String>, now: f64) -> &[UnknownWord] {
        let model = info.map_or("", |i| i.path.to_str().unwrap_or(&i.name));
        if self.prompt != prompt || self.model != model || self.learnt != learnt {
            (self.prompt, self.model, self.learnt, self.edited) = (prompt.into(), model.into(), learnt, now);
            let plain = without(prompt, &self.learnt);
            self.unknown = info.map_or(Vec::new(), |i| unknown_words(&plain, &i.vocabulary));
        }
        &self.unknown
    }

    /// What was found at the last check, but for a word that is still being written.
    pub fn unknown(&self, now: f64) -> Vec<UnknownWord> {
        let writing = now - self.edited < REST;
        let settled = |w: &&UnknownWord| !(writing && w.range.end == self.prompt.len());
        self.unknown.iter().filter(settled).cloned().collect()
    }
}

/// Seconds after which the last word counts as written.
pub const REST: f64 = 0.9;

/// Whether a model knows every word.
pub fn knows(info: Option<&ModelInfo>, text: &str) -> bool {
    info.is_none_or(|i| unknown_words(text, &i.vocabulary).is_empty())
}

/// A prompt out of the model's own words.
pub fn surprise(info: Option<&ModelInfo>) -> String {
    let mut dice = random_seed();
    let mut pick = |choices: &[&str]| -> Option<String> {
        let known: Vec<&&str> = choices.iter().filter(|c| knows(info, c)).collect();
        dice = dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        known.get((dice >> 33) as usize % known.len().max(1)).map(|c| c.to_string())
    };
    let (thing, place) = (pick(&THINGS), pick(&PLACES));
    let joins = ["in front of", "with", "on", "against"];
    let head = match (thing, place, pick(&joins)) {
        (Some(thing), Some(place), Some(join)) => format!("{thing} {join} {place}"),
        (Some(one), ..) | (None, Some(one), _) => one,
        (None, None, _) => {
            // A model with other words: its families, or any three words.
            let families = info.map(|i| i.sliders.iter().filter(|s| s.group == FAMILY).map(|s| s.label.to_lowercase()));
            let families: Vec<String> = families.into_iter().flatten().collect();
            let words = info.map_or(&[][..], |i| &i.vocabulary);
            let all: Vec<&str> = families.iter().chain(words).map(String::as_str).collect();
            let three: Vec<String> = (0..3).filter_map(|_| pick(&all)).collect();
            three.join(" ")
        }
    };
    let rest = [pick(&COLOURS), pick(&MOODS)];
    let parts: Vec<String> =
        std::iter::once(head).chain(rest.into_iter().flatten()).filter(|p| !p.is_empty()).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::captions::vocabulary;

    #[test]
    fn ember_knows_every_word_that_the_studio_offers() {
        let vocabulary = vocabulary();
        let offered = EXAMPLES.iter().chain(&THINGS).chain(&PLACES).chain(&COLOURS).chain(&MOODS);
        for text in offered {
            let unknown = unknown_words(text, &vocabulary);
            assert!(unknown.is_empty(), "{text}: {unknown:?}");
        }
    }
}
