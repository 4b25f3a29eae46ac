//! Whether the pictures look like those of the corpus, and whether their families can be told.

use super::colours::rank;
use super::desk::{Desk, features_of};
use super::plan::Plan;
use super::reference::{Reference, pair, prompt};
use super::report::Natural;
use crate::Result;
use crate::insight::statistics::frechet;

/// Measures naturalness; also returns the rank (from 1) of the palette that each prompt of two words asked for, since one
/// set of pictures serves both.
pub fn measure(desk: &mut Desk, plan: &Plan, reference: &Reference) -> Result<(Natural, Vec<usize>)> {
    desk.start("natural")?;
    let mut found = Vec::with_capacity(plan.natural);
    for (index, (caption, _)) in reference.first.iter().enumerate() {
        let recipe = desk.recipe(caption, desk.seed("natural", index));
        found.push(reference.scale.apply(&features_of(&desk.draw(&recipe)?)));
    }
    // The artist stands in for the first half of the corpus, so both distances suffer alike from few pictures.
    let own: Vec<Vec<f32>> = reference.first.iter().map(|(_, features)| features.clone()).collect();
    let (distance, floor) = (frechet(&found, &reference.second), frechet(&own, &reference.second));

    let (mut right, mut ranks) = (0, Vec::new());
    for index in 0..plan.words {
        let (family, palette) = pair(index);
        let recipe = desk.recipe(&prompt(family, &palette), desk.seed("words", index));
        let picture = desk.draw(&recipe)?;
        let named = reference.classifier.classify(&reference.scale.apply(&features_of(&picture)));
        right += usize::from(named == family.index());
        ranks.push(rank(&picture.rgb, picture.width as usize, picture.height as usize, &palette));
    }
    let natural = Natural {
        pictures: plan.natural,
        frechet: distance,
        frechet_corpus: floor,
        frechet_ratio: if floor > 0.0 { distance / floor } else { 0.0 },
        family_accuracy: right as f64 / plan.words.max(1) as f64,
        family_ceiling: reference.recognised,
    };
    Ok((natural, ranks))
}
