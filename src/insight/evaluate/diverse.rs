//! How much the pictures of one prompt differ from seed to seed.

use super::desk::{Desk, Order, features_of, features_of_sample};
use super::plan::Plan;
use super::reference::{Reference, pair, prompt};
use super::report::Diverse;
use crate::Result;
use crate::insight::statistics::{mean, mean_distance};

/// Seeds of each prompt.
pub const SEEDS: usize = 4;
/// The first prompt, so that they are others than those of the words part.
const FIRST: usize = 1000;

/// Compares the spread of the artist's pictures with the painter's for the same words.
pub fn measure(desk: &mut Desk, plan: &Plan, reference: &Reference) -> Result<Diverse> {
    desk.start("diverse")?;
    let size = desk.size();
    let (mut spreads, mut corpus) = (Vec::new(), Vec::new());
    let (mut smallest, mut smallest_corpus) = (f64::MAX, f64::MAX);
    for index in 0..plan.diverse {
        let (family, palette) = pair(FIRST + index);
        let words = prompt(family, &palette);
        let seed = |i: usize| index * SEEDS + i;
        let mut own = Vec::with_capacity(SEEDS);
        for i in 0..SEEDS {
            let recipe = desk.recipe(&words, desk.seed("diverse", seed(i)));
            own.push(reference.scale.apply(&features_of(&desk.draw(&recipe)?)));
        }
        let orders: Vec<Order> =
            (0..SEEDS).map(|i| Order::Plain(desk.seed("diverse corpus", seed(i)), family, palette.clone())).collect();
        let painted = desk.paint(&orders, |s| reference.scale.apply(&features_of_sample(s, size)))?;
        smallest = smallest.min(closest(&own));
        smallest_corpus = smallest_corpus.min(closest(&painted));
        spreads.push(mean_distance(&own));
        corpus.push(mean_distance(&painted));
    }
    let (spread, corpus_spread) = (mean(&spreads), mean(&corpus));
    Ok(Diverse {
        prompts: plan.diverse,
        seeds: SEEDS,
        distance: spread,
        distance_corpus: corpus_spread,
        ratio: if corpus_spread > 0.0 { spread / corpus_spread } else { 0.0 },
        smallest,
        smallest_corpus,
    })
}

/// The smallest distance between two of a set.
fn closest(set: &[Vec<f32>]) -> f64 {
    let pairs = set.iter().enumerate().flat_map(|(i, a)| set[..i].iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| mean_distance(&[a.clone(), b.clone()])).fold(f64::MAX, f64::min)
}
