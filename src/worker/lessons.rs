//! What a library's ratings teach: its own choices, and more of them that the taste learnt from them imagines.

use crate::library::{Entry, Library, metadata, write_whole};
use crate::pipeline::Pipeline;
use crate::recipe::{Picture, Recipe};
use crate::taste::evidence::{Chosen as Judged, Evidence, chosen};
use crate::taste::{Taste, measures};
use crate::tuning::finetune::{Choice, Choices, Chosen, Settings};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// New pictures of one prompt of which the best and the worst make a choice.
pub const GROUP: u64 = 4;
/// What an imagined choice counts, in choices of the person.
const WEIGHT: f64 = 0.5;
/// Seed of the first imagined picture.
const FIRST_SEED: u64 = 51_000_000;

/// Everything that a library teaches.
#[derive(Debug)]
pub struct Lessons {
    /// The person's own choices.
    pub choices: Choices,
    /// What was learnt from those that are not held out.
    pub taste: Taste,
    /// The prompts of the judged pictures, each once.
    pub prompts: Vec<String>,
}

/// The choices of a library, from comparisons, stars and marks; some held out as the settings say.
///
/// # Errors
/// When the library does not answer or holds no choice.
pub fn of(library: &Library, settings: &Settings) -> Result<Lessons> {
    let found = chosen(library)?;
    if found.is_empty() {
        return Err(Error::failed(format!(
            "The library {} holds no choice yet: give stars to some pictures, or compare two (kiln library rate).",
            library.folder().display()
        )));
    }
    let picture = |entry: &Entry| Chosen { path: entry.path.clone(), prompt: entry.recipe.prompt.clone() };
    let choice = |c: &Judged| Choice {
        winner: picture(&c.winner),
        loser: picture(&c.loser),
        weight: c.weight,
        said: !c.passed_over,
    };
    let choices = Choices::split(found.iter().map(choice).collect(), settings);
    let asked: BTreeSet<&Chosen> = choices.asked().flat_map(|c| [&c.winner, &c.loser]).collect();
    let entries = || found.iter().flat_map(|c| [&c.winner, &c.loser]);
    let hidden: BTreeSet<i64> = entries().filter(|e| asked.contains(&picture(e))).map(|e| e.id).collect();
    let mut evidence = Evidence::of(library)?;
    let ids: Vec<i64> = evidence.pictures.iter().map(|p| p.id).collect();
    evidence.pairs.retain(|p| !hidden.contains(&ids[p.winner]) && !hidden.contains(&ids[p.loser]));
    let prompts: BTreeSet<String> = entries().map(|e| e.recipe.prompt.clone()).collect();
    Ok(Lessons { choices, taste: Taste::learn(evidence), prompts: prompts.into_iter().collect() })
}

impl Lessons {
    /// Draws `count` groups of new pictures into `folder` and adds, of each, the choice between the one that the taste likes best
    /// and the one that it likes least. A few dozen choices of a person say too little to a network by themselves; the taste
    /// that was learnt from them says it about any picture. `observe` hears of each picture and answers false to stop.
    ///
    /// # Errors
    /// When a picture cannot be made or saved, or it was stopped.
    pub fn imagine(
        &mut self,
        pipeline: &Pipeline,
        count: u64,
        folder: &Path,
        observe: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        for nth in 0..count {
            let prompt = &self.prompts[nth as usize % self.prompts.len().max(1)];
            let mut group: Vec<(f64, Picture)> = Vec::new();
            for member in 0..GROUP {
                if !observe(nth * GROUP + member, count * GROUP) {
                    return Err(Error::cancelled());
                }
                let seed = FIRST_SEED + nth * GROUP + member;
                let recipe = Recipe { prompt: prompt.clone(), seed, ..pipeline.info().defaults.clone() };
                let picture = pipeline.generate(&recipe, &mut |_| std::ops::ControlFlow::Continue(()))?;
                let found = measures(picture.width, picture.height, &picture.rgb);
                group.push((self.taste.score(&picture.recipe, &found), picture));
            }
            group.sort_by(|a, b| b.0.total_cmp(&a.0));
            let (Some((_, best)), Some((_, worst))) = (group.first(), group.last()) else { continue };
            let keep = |picture: &Picture| -> Result<Chosen> {
                let path = folder.join(format!("{}.png", picture.recipe.seed));
                write_whole(&path, &metadata::encode_png(picture)?)?;
                Ok(Chosen { path, prompt: prompt.clone() })
            };
            let choice = Choice { winner: keep(best)?, loser: keep(worst)?, weight: WEIGHT, said: false };
            self.choices.learnt.push(choice);
        }
        Ok(())
    }
}
