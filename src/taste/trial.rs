//! Blind tests: pictures with taste beside pictures without it, and what the person's answers prove.

use super::report::{Accuracy, FEWEST};
use super::wall::{Wish, draw_wall};
use super::{Taste, wall};
use crate::Result;
use crate::library::{Outcome, Trial};
use crate::pipeline::{ModelInfo, PreviewImage};
use crate::recipe::Recipe;
use serde::Serialize;
use std::collections::HashMap;

/// Two Recipes from one prompt and one first seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing {
    /// As the switch that is on would have it.
    pub with: Recipe,
    /// As the switch that is off would have it.
    pub without: Recipe,
}

/// Draws the pairs of a blind test: a wall with taste beside the same wall without it, picture by picture. Pictures that are
/// in both are left out, as there is nothing to choose; there may thus be fewer pairs than were wished for, and none at all
/// when taste changes nothing.
///
/// # Errors
/// Those of `look`.
pub fn draw_pairs(
    taste: &Taste,
    info: &ModelInfo,
    wish: &Wish,
    look: &mut dyn FnMut(&Recipe) -> Result<PreviewImage>,
) -> Result<Vec<Pairing>> {
    let plain = wish.plain();
    let wall = draw_wall(taste, info, wish, look)?;
    let with = wall.iter().filter(|r| !plain.contains(r));
    let without = plain.iter().filter(|r| !wall.contains(r));
    Ok(with.zip(without).map(|(with, without)| Pairing { with: with.clone(), without: without.clone() }).collect())
}

/// What the answers say about a gain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody was asked yet.
    #[default]
    Untested,
    /// Too few answers, or they could be chance.
    Unproven,
    /// Pictures with taste are preferred.
    Gain,
    /// Pictures without taste are preferred.
    Loss,
}

/// What all blind tests since the last forgetting have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Proof {
    /// Share of the pairs that taste won, a pair without a difference counting half; absent before the first answer.
    pub wins: Option<Accuracy>,
    /// What that says.
    pub verdict: Verdict,
}

/// What blind tests have shown of everything that was tested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proofs {
    /// Of taste.
    pub taste: Proof,
    /// Of adapters, by the hashes of their files.
    pub adapters: HashMap<String, Proof>,
}

impl Proof {
    /// The proof that these answers make.
    pub fn of(trials: &[Trial]) -> Self {
        if trials.is_empty() {
            return Self::default();
        }
        let won = |trial: &Trial| match trial.outcome {
            Outcome::With => 1.0,
            Outcome::Same => 0.5,
            Outcome::Without => 0.0,
        };
        let wins = Accuracy::new(trials.iter().map(won).sum(), trials.len());
        let verdict = match () {
            () if wins.choices < FEWEST => Verdict::Unproven,
            () if wins.low > 0.5 => Verdict::Gain,
            () if wins.high < 0.5 => Verdict::Loss,
            () => Verdict::Unproven,
        };
        Self { wins: Some(wins), verdict }
    }

    /// The proof in a sentence or two; `what` was tested: `taste`, or `it` where that stands beside.
    pub fn sentence(&self, what: &str) -> String {
        let Some(wins) = &self.wins else {
            return format!("No blind test yet: only that shows whether {what} makes pictures that you like more.");
        };
        let pairs = if wins.choices == 1 { "pair".into() } else { format!("{} pairs", wins.choices) };
        let said = format!(
            "In {pairs} that you judged blind, pictures with {what} won {:.0} % (95 % interval {:.0} to {:.0} %).",
            wins.share * 100.0,
            wins.low * 100.0,
            wins.high * 100.0
        );
        let so = match self.verdict {
            Verdict::Gain => "That is a proven gain.".to_string(),
            Verdict::Loss => "You like the pictures without it more: better leave it off.".to_string(),
            _ if wins.choices < FEWEST => format!("That is no evidence of a gain yet; {FEWEST} pairs are the fewest."),
            _ => "That is no evidence of a gain: it could be chance.".to_string(),
        };
        format!("{said} {so}")
    }
}

/// Pairs of one blind test, if nobody says otherwise; more than the fewest that prove anything, as some may fall away.
pub const PAIRS: u32 = 10;

/// A wish for so many pairs from this Recipe.
pub fn wish(recipe: Recipe, pairs: u32, explore: f32) -> Wish {
    Wish { recipe, count: pairs, explore, looks: wall::LOOKS, locked: false }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Artist, answer, measured, model, paint};
    use super::*;

    fn trials(with: usize, without: usize, same: usize) -> Vec<Trial> {
        let of = |outcome, count| std::iter::repeat_n(Trial { with: None, without: None, outcome, time: 0 }, count);
        of(Outcome::With, with).chain(of(Outcome::Without, without)).chain(of(Outcome::Same, same)).collect()
    }

    #[test]
    fn a_proof_says_gain_only_above_chance() {
        let of = |with, without, same| Proof::of(&trials(with, without, same));
        assert_eq!(of(0, 0, 0), Proof::default());
        assert_eq!(of(7, 0, 0).verdict, Verdict::Unproven, "too few");
        assert_eq!(of(8, 0, 0).verdict, Verdict::Gain);
        assert_eq!(of(12, 8, 0).verdict, Verdict::Unproven);
        assert_eq!(of(2, 18, 0).verdict, Verdict::Loss);
        assert_eq!(of(0, 0, 10).wins.unwrap().share, 0.5);
        for (proof, said) in [
            (of(0, 0, 0), "No blind test yet"),
            (of(3, 1, 0), "no evidence of a gain yet"),
            (of(12, 8, 0), "no evidence of a gain: it could be chance"),
            (of(18, 2, 0), "won 90 % (95 % interval 70 to 97 %). That is a proven gain"),
            (of(2, 18, 0), "leave it off"),
        ] {
            assert!(proof.sentence("taste").contains(said), "{}", proof.sentence("taste"));
        }
    }

    #[test]
    fn pairs_never_show_one_picture_twice_and_an_artist_prefers_taste() {
        let (mut wins, mut all) = (0, 0);
        for seed in 1..=4 {
            let mut artist = Artist::new(seed);
            let taste = Taste::learn(answer(&mut artist, 30, seed * 77));
            let recipe = Recipe { prompt: "shapes".into(), seed: 700_000, ..Recipe::default() };
            let pairs = draw_pairs(&taste, &model(), &wish(recipe, 8, 0.3), &mut |r| Ok(paint(r))).unwrap();
            assert!(!pairs.is_empty() && pairs.len() <= 8);
            for pair in &pairs {
                assert!(pairs.iter().all(|other| other.without != pair.with));
                assert!(pair.with.prompt.starts_with("shapes") && pair.without.prompt == "shapes");
                all += 1;
                wins += usize::from(artist.likes(&measured(&pair.with)) > artist.likes(&measured(&pair.without)));
            }
        }
        assert!(wins * 10 > all * 7, "{wins} of {all}");
        let nothing = Taste::learn(Default::default());
        let recipe = Recipe { prompt: "shapes".into(), ..Recipe::default() };
        let none = draw_pairs(&nothing, &model(), &wish(recipe, 4, 0.3), &mut |_| panic!("no look is needed")).unwrap();
        assert!(none.is_empty(), "without choices taste changes nothing");
    }
}
