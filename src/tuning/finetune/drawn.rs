//! What pictures themselves say: some are drawn with what was learnt and without, and held against pictures that it never saw.

use super::dataset::Dataset;
use super::exam::mean;
use super::gather::decode;
use super::settings::{LARGE, Settings, Taught};
use crate::Result;
use crate::insight::likeness::{Seen, colour_distance, look_distance, scale, variety};
use crate::pipeline::Pipeline;
use crate::recipe::{AdapterRef, EmbeddingRef, Picture, Recipe};
use crate::taste::Taste;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::Path;

/// Pictures on each side: of small checkpoints, of large ones.
const PICTURES: [usize; 2] = [8, 4];
/// Seed of the first; neither training nor imagined choices come near.
const FIRST_SEED: u64 = 52_000_000;
/// Most pictures that they are held against.
const MOST: usize = 32;
/// Fewer pictures than this have no colours and no look in common that would be worth measuring.
const FEWEST: usize = 2;
/// What taste may cost of the variety; when less is left, it draws one picture over and over.
const COLLAPSED: f32 = 0.7;

/// What the person would say of the pictures, as far as their taste is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Liked {
    /// How probable it is that they prefer a picture with what was learnt to the one without, of the same seed and prompt; the mean
    /// of all of them, 0..=1. The less is known of their taste, the nearer to a half.
    pub chance: f32,
    /// Share of their choices that their taste foretells from the others, 0..=1; where there are enough of them.
    pub foretells: Option<f32>,
}

/// What pictures with and without what was learnt are like; in pairs, without first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Pictures on each side, at the same seeds and held-out prompts.
    pub pictures: usize,
    /// Distance of their colours from those of the held-out pictures, see [`colour_distance`]; where pictures were learnt from and
    /// enough held out.
    pub colours: Option<(f32, f32)>,
    /// Distance of their look, see [`look_distance`]; likewise.
    pub look: Option<(f32, f32)>,
    /// How much they vary, see [`variety`].
    pub variety: (f32, f32),
    /// Where choices were learnt from: what the taste behind all of them, held-out ones too, says.
    #[serde(default)]
    pub liked: Option<Liked>,
}

impl Drawn {
    /// How much of the variety is left; 1 where there was none before.
    pub fn variety_left(&self) -> f32 {
        if self.variety.0 > 0.0 { self.variety.1 / self.variety.0 } else { 1.0 }
    }

    /// Whether a taste would draw one picture over and over.
    pub fn collapsed(&self) -> bool {
        self.variety_left() < COLLAPSED
    }

    /// Whether, as far as the person's taste is known, the pictures are no better than they were.
    pub fn no_better(&self) -> bool {
        self.liked.is_some_and(|liked| liked.chance <= 0.5)
    }

    /// A few sentences.
    pub fn sentence(&self) -> String {
        let nearer = |(before, after): (f32, f32)| {
            let share = 1.0 - after / before.max(1e-9);
            format!("{:.0} % {}", share.abs() * 100.0, if share >= 0.0 { "nearer to" } else { "further from" })
        };
        let likeness = match (self.colours, self.look) {
            (Some(colours), Some(look)) => format!(
                "the colours are {} those of the pictures held out than before, the look is {} theirs; ",
                nearer(colours),
                nearer(look)
            ),
            _ => String::new(),
        };
        let liked = self.liked.map_or(String::new(), |liked| {
            let foretells = liked.foretells.map_or(String::new(), |share| {
                format!(" (it foretells {:.0} % of your choices)", share * 100.0)
            });
            format!(
                " Your taste, as far as it is known{foretells}, would take the new one of two with a chance of {:.0} %.",
                liked.chance * 100.0
            )
        });
        format!(
            "In {} new pictures at seeds and prompts that it did not learn from, {likeness}they vary {:.0} % as much as before.{liked}",
            self.pictures,
            self.variety_left() * 100.0
        )
    }
}

/// `recipe` with what was taught switched on; without, where it is a word, with the one that it began as in its place.
pub fn shown(recipe: &Recipe, settings: &Settings, out: &Path, after: bool) -> Recipe {
    let (mut recipe, name, hash) = (recipe.clone(), out.display().to_string(), String::new());
    match (&settings.taught, after) {
        (Taught::Adapter, true) => recipe.adapters.push(AdapterRef { name, hash, weight: 1.0 }),
        (Taught::Word { .. }, true) => recipe.embeddings.push(EmbeddingRef { name, hash }),
        (Taught::Word { name, initial }, false) => recipe.prompt = recipe.prompt.replace(name, initial),
        _ => {}
    }
    recipe
}

/// Draws and compares, with a taste where choices taught; `observe` hears the pictures done and in all, often, and answers false to stop.
///
/// # Errors
/// When a picture cannot be made, or it was stopped.
pub(super) fn drawn(
    pipeline: &Pipeline,
    settings: &Settings,
    data: &Dataset,
    out: &Path,
    taste: Option<&Taste>,
    observe: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Drawn> {
    let held_out = || data.held_out.iter().chain(&data.proof);
    let count = PICTURES[usize::from(pipeline.info().parameters > LARGE)];
    let prompts = prompts(held_out().chain(&data.learnt).map(|example| example.caption.as_str()), count);
    let whole = match settings.taught {
        Taught::Full => Some(Pipeline::load_on(out, pipeline.device(), &mut |_| {})?),
        _ => None,
    };
    let mut sides = [Vec::new(), Vec::new()];
    let mut chances = Vec::new();
    for (nth, prompt) in prompts.iter().cycle().take(count).enumerate() {
        let mut pair: Vec<Picture> = Vec::new();
        for (side, seen) in sides.iter_mut().enumerate() {
            let plain = Recipe {
                prompt: prompt.to_string(),
                seed: FIRST_SEED + nth as u64,
                ..pipeline.info().defaults.clone()
            };
            let recipe = shown(&plain, settings, out, side == 1);
            let draws = whole.as_ref().filter(|_| side == 1).unwrap_or(pipeline);
            let picture = draws.generate(&recipe, &mut |_| match observe(2 * nth + side, 2 * count) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })?;
            seen.push(Seen::of(picture.width, picture.height, &picture.rgb));
            pair.push(picture);
        }
        if let (Some(taste), [before, after]) = (taste, &pair[..]) {
            chances.push(taste.prefers(after, before) as f32);
        }
    }
    let [before, after] = sides;
    // What winners of a comparison have in common is no look of their own.
    let reference: Vec<Seen> = match settings.preference {
        Some(_) => Vec::new(),
        None => held_out()
            .take(MOST)
            .filter_map(|example| decode(&example.path).ok())
            .map(|picture| Seen::of(picture.rgb.width(), picture.rgb.height(), picture.rgb.as_raw()))
            .collect(),
    };
    let known = reference.len() >= FEWEST;
    let scale = scale(&[&before, &after, &reference]);
    let colours = |set: &[Seen]| colour_distance(set, &reference);
    let look = |set: &[Seen]| look_distance(set, &reference, &scale) as f32;
    let varied = |set: &[Seen]| variety(set, &scale) as f32;
    Ok(Drawn {
        pictures: count,
        colours: known.then(|| (colours(&before), colours(&after))),
        look: known.then(|| (look(&before), look(&after))),
        variety: (varied(&before), varied(&after)),
        liked: taste.map(|taste| Liked {
            chance: mean(&chances),
            foretells: taste.accuracy().map(|accuracy| accuracy.share as f32),
        }),
    })
}

/// The first different ones, at most so many; an empty one where there is none.
fn prompts<'a>(captions: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut found = Vec::new();
    for caption in captions {
        if found.len() < most && !caption.is_empty() && !found.contains(&caption) {
            found.push(caption);
        }
    }
    if found.is_empty() { vec![""] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_became_nearer_and_what_became_the_same() {
        let drawn = Drawn {
            pictures: 8,
            colours: Some((0.10, 0.04)),
            look: Some((2.0, 2.5)),
            variety: (4.0, 3.6),
            liked: None,
        };
        let said = drawn.sentence();
        assert!(said.contains("colours are 60 % nearer to") && said.contains("look is 25 % further from"), "{said}");
        assert!(said.contains("vary 90 % as much") && !drawn.collapsed(), "{said}");
        let one = Drawn { colours: None, look: None, variety: (4.0, 2.0), ..drawn };
        assert!(one.collapsed() && !one.sentence().contains("colours"), "{}", one.sentence());
        let liked = |chance, foretells| Drawn { liked: Some(Liked { chance, foretells }), ..drawn };
        let (more, less) = (liked(0.72, Some(0.8)), liked(0.44, None));
        assert!(
            !more.no_better() && more.sentence().contains("(it foretells 80 % of your choices)"),
            "{}",
            more.sentence()
        );
        assert!(
            less.no_better() && less.sentence().contains("known, would take the new one of two with a chance of 44 %")
        );
        assert_eq!(Drawn { variety: (0.0, 0.0), ..drawn }.variety_left(), 1.0);
    }

    #[test]
    fn prompts_are_different_and_there_is_always_one() {
        assert_eq!(prompts(["a fox", "", "a fox", "an owl", "waves"].into_iter(), 2), ["a fox", "an owl"]);
        assert_eq!(prompts([""].into_iter(), 2), [""]);
    }
}
