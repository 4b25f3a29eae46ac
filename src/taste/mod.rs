//! Taste: ratings and comparisons become a preference model, which bends the next wall and says why.
//!
//! `evidence` turns the library's stars, marks and comparisons into choices between two pictures; `space` turns a picture and
//! its Recipe into features; `preference` is the Bayesian model over them; `steer` proposes Recipes that it would like;
//! `wall` takes quick looks at them and chooses; `report` says what was learnt and how well it predicts; `trial` asks the
//! person blindly whether it helps. Everything follows from the library's content alone.

pub mod evidence;
pub mod measures;
pub mod preference;
pub mod report;
pub mod space;
pub mod steer;
pub mod trial;
mod vocabulary;
pub mod wall;

pub use measures::{Measures, measures};
pub use report::{Accuracy, Learnt, Reason, Summary, Why};
pub use trial::{Pairing, Proof, Proofs, Verdict, draw_pairs};
pub use wall::{Look, Wish, draw_wall};

use crate::Result;
use crate::insight::cholesky::dot;
use crate::library::Library;
use crate::recipe::{Picture, Recipe};
use evidence::{Evidence, Pair};
use preference::{Duel, Posterior};
use space::Space;

/// What Kiln knows of a person's taste.
#[derive(Debug, Clone)]
pub struct Taste {
    evidence: Evidence,
    space: Space,
    posterior: Posterior,
}

impl Taste {
    /// Learns from what a library holds. Pictures of which there are choices are measured once, and that is kept.
    ///
    /// # Errors
    /// When the library does not answer. A picture that cannot be read is left out.
    pub fn of(library: &Library) -> Result<Self> {
        Ok(Self::learn(Evidence::of(library)?))
    }

    /// Learns from choices.
    pub fn learn(evidence: Evidence) -> Self {
        let space = Space::over(&evidence);
        let duels = duels(&features_of(&evidence, &space), evidence.pairs.iter());
        let posterior = Posterior::fit(&duels, &space.prior());
        Self { evidence, space, posterior }
    }

    /// The choices that this was learnt from: stars and marks, one a picture, and comparisons.
    pub fn choices(&self) -> usize {
        self.evidence.choices()
    }

    /// How much a picture is liked, above or below the pictures that were judged; one unit makes it win about three of four
    /// choices.
    pub fn score(&self, recipe: &Recipe, found: &Measures) -> f64 {
        dot(self.posterior.mean(), &self.space.features(recipe, found))
    }

    /// How probable it is that the first picture would be preferred to the second.
    pub fn chance(&self, first: (&Recipe, &Measures), second: (&Recipe, &Measures)) -> f64 {
        self.posterior.chance(&self.space.difference(first, second))
    }

    /// [`Taste::chance`] of pictures that are measured for it.
    pub fn prefers(&self, first: &Picture, second: &Picture) -> f64 {
        let measured = [first, second].map(|p| measures(p.width, p.height, &p.rgb));
        self.chance((&first.recipe, &measured[0]), (&second.recipe, &measured[1]))
    }
}

/// Features of the judged pictures.
fn features_of(evidence: &Evidence, space: &Space) -> Vec<Vec<f64>> {
    evidence.pictures.iter().map(|p| space.features(&p.recipe, &p.measures)).collect()
}

/// Choices as differences of features.
fn duels<'a>(features: &[Vec<f64>], pairs: impl Iterator<Item = &'a Pair>) -> Vec<Duel> {
    pairs
        .map(|pair| {
            let (winner, loser) = (&features[pair.winner], &features[pair.loser]);
            Duel { difference: winner.iter().zip(loser).map(|(w, l)| w - l).collect(), weight: pair.weight }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
