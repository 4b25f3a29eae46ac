//! What was learnt, in words and numbers, with its uncertainty; how well it predicts choices that it has not seen; and why it
//! likes a picture.

use super::evidence::Pair;
use super::measures::{COUNT, Measures, PROPERTIES};
use super::preference::Posterior;
use super::space::Said;
use super::{Taste, dot, duels, features_of};
use crate::recipe::Recipe;
use serde::Serialize;

/// Parts into which choices are divided to be predicted from the others.
const FOLDS: usize = 5;
/// Fewest choices of which a share says anything.
pub(super) const FEWEST: usize = 8;
/// Certainty from which something is told as a tendency.
const TENDENCY: f64 = 0.8;
/// Certainty from which it is told as a like.
const LIKE: f64 = 0.95;
/// Most reasons that are given for a picture.
const REASONS: usize = 4;

/// One thing that was learnt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Learnt {
    /// What it is about: `warmth`, `word:fox`, `family:mosaic`, `slider:glow`.
    pub name: String,
    /// What is liked, in a word or two: `warm`, `no blue`.
    pub words: String,
    /// Weight, above 0 when much of it is liked.
    pub weight: f64,
    /// Standard deviation of the weight.
    pub spread: f64,
    /// How probable it is that the sign is right, 0.5..=1.
    pub certainty: f64,
}

/// How well choices were predicted from the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accuracy {
    /// Share of the held-out choices, 0..=1.
    pub share: f64,
    /// Lower end of the interval that holds the true share in 95 of 100 cases (Wilson 1927).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Choices that were predicted.
    pub choices: usize,
}

impl Accuracy {
    /// The share of so many successes, with its interval.
    pub fn new(right: f64, choices: usize) -> Self {
        let (n, z) = (choices.max(1) as f64, 1.96);
        let share = (right / n).clamp(0.0, 1.0);
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        Self { share, low: (middle - half).max(0.0), high: (middle + half).min(1.0), choices }
    }
}

/// What is told of a taste.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Stars and marks, one a picture, and comparisons.
    pub choices: usize,
    /// Choices between two pictures that follow from them.
    pub pairs: usize,
    /// Likes and dislikes that are at least a tendency (certainty 0.8), the strongest first.
    pub learnt: Vec<Learnt>,
    /// Properties of which little is known yet, the least known first.
    pub unsure: Vec<String>,
    /// How well it predicts; absent while there are too few choices.
    pub accuracy: Option<Accuracy>,
    /// Whether the interval of the predictions lies above chance.
    pub evidence: bool,
}

/// One reason for a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// What it is about, in words: `warm`, `no blue`.
    pub words: String,
    /// What it adds to the score, or takes away.
    pub amount: f64,
}

impl Taste {
    /// Everything that is told of the taste.
    pub fn summary(&self) -> Summary {
        let mut learnt: Vec<Learnt> = (0..self.posterior.mean().len()).map(|i| self.learnt(i)).collect();
        // Sliders with a property's name say the same as the property.
        learnt.retain(|l| l.name.strip_prefix("slider:").is_none_or(|n| PROPERTIES.iter().all(|p| p.name != n)));
        let mut unsure: Vec<&Learnt> = learnt.iter().take(5).filter(|l| l.certainty < 0.75).collect();
        unsure.sort_by(|a, b| a.certainty.total_cmp(&b.certainty));
        let unsure = unsure.into_iter().map(|l| l.name.clone()).collect();
        learnt.retain(|l| l.certainty >= TENDENCY && self.choices() > 0);
        learnt.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        let accuracy = self.accuracy();
        let evidence = accuracy.is_some_and(|a| a.low > 0.5);
        Summary { choices: self.choices(), pairs: self.evidence.pairs.len(), learnt, unsure, accuracy, evidence }
    }

    fn learnt(&self, index: usize) -> Learnt {
        let (weight, spread) = (self.posterior.mean()[index], self.posterior.spread_of(index));
        let name = match index.checked_sub(COUNT) {
            None => PROPERTIES[index].name.to_string(),
            Some(i) => name_of(&self.space.said()[i]),
        };
        Learnt {
            name,
            words: self.words(index, weight > 0.0),
            weight,
            spread,
            certainty: normal_below(weight.abs() / spread.max(1e-12)),
        }
    }

    /// What much or little of a feature is called.
    fn words(&self, index: usize, much: bool) -> String {
        match index.checked_sub(COUNT) {
            None if much => PROPERTIES[index].high.into(),
            None => PROPERTIES[index].low.into(),
            Some(i) => said_words(&self.space.said()[i], much),
        }
    }

    /// The share of choices that is predicted from the others: each comparison, and for each picture with stars or marks the
    /// pairs that follow from them, is held out in one of five parts.
    pub fn accuracy(&self) -> Option<Accuracy> {
        let evidence = &self.evidence;
        let compared = evidence.pairs.iter().filter(|p| p.compared).count();
        // Every part holds some of either kind, whatever the order in which they came.
        let fold_of = |index: usize| index % FOLDS;
        let mut grade_fold = vec![None; evidence.pictures.len()];
        evidence.graded.iter().enumerate().for_each(|(nth, picture)| grade_fold[*picture] = Some(fold_of(nth)));
        // The space follows from the pictures, whoever won.
        let features = features_of(evidence, &self.space);
        let mut right = 0.0;
        let (mut comparisons, mut judged) = (0, 0);
        for fold in 0..FOLDS {
            let mut nth = 0;
            // Comparisons are held out one by one; what follows from a picture's stars is held out with the picture.
            let held: Vec<bool> = evidence
                .pairs
                .iter()
                .map(|pair| {
                    if pair.compared {
                        nth += 1;
                        return fold_of(nth - 1) == fold;
                    }
                    [pair.winner, pair.loser].iter().any(|p| grade_fold[*p] == Some(fold))
                })
                .collect();
            let training = evidence.pairs.iter().zip(&held).filter(|(_, held)| !**held).map(|(pair, _)| pair);
            let posterior = Posterior::fit(&duels(&features, training), &self.space.prior());
            let wins = |pair: &Pair| {
                let margin =
                    dot(posterior.mean(), &features[pair.winner]) - dot(posterior.mean(), &features[pair.loser]);
                // Without an opinion it is a toss of a coin.
                if margin.abs() < 1e-12 { 0.5 } else { f64::from(u8::from(margin > 0.0)) }
            };
            let out: Vec<_> = evidence.pairs.iter().zip(&held).filter(|(p, held)| **held && !p.passed_over).collect();
            for (pair, _) in out.iter().filter(|(p, _)| p.compared) {
                right += wins(pair);
                comparisons += 1;
            }
            for picture in evidence.graded.iter().filter(|p| grade_fold[**p] == Some(fold)) {
                let own = out.iter().filter(|(p, _)| !p.compared && (p.winner == *picture || p.loser == *picture));
                let own: Vec<f64> = own.map(|(p, _)| wins(p)).collect();
                if !own.is_empty() {
                    right += own.iter().sum::<f64>() / own.len() as f64;
                    judged += 1;
                }
            }
        }
        debug_assert_eq!(comparisons, compared);
        (comparisons + judged >= FEWEST).then(|| Accuracy::new(right, comparisons + judged))
    }

    /// Why a picture stands where it does; `asked` is what the person asked for, if taste changed that.
    pub fn why(&self, recipe: &Recipe, found: &Measures, asked: Option<&Recipe>) -> Why {
        let judged = features_of(&self.evidence, &self.space);
        let mut difference = self.space.features(recipe, found);
        for other in &judged {
            difference.iter_mut().zip(other).for_each(|(d, o)| *d -= o / judged.len() as f64);
        }
        Why {
            reasons: self.reasons(recipe, found, REASONS),
            chance: self.posterior.chance(&difference),
            changed: asked.map(|asked| changes(asked, recipe)).unwrap_or_default(),
        }
    }

    /// The strongest reasons for the score of a picture, at most so many.
    pub fn reasons(&self, recipe: &Recipe, found: &Measures, most: usize) -> Vec<Reason> {
        let features = self.space.features(recipe, found);
        let mut reasons: Vec<Reason> = features
            .iter()
            .enumerate()
            .map(|(i, value)| Reason { words: self.words(i, *value > 0.0), amount: value * self.posterior.mean()[i] })
            .collect();
        reasons.retain(|r| r.amount.abs() > 0.05);
        reasons.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
        reasons.truncate(most);
        reasons
    }
}

/// Why a picture stands where it does in a taste.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Why {
    /// The strongest first.
    pub reasons: Vec<Reason>,
    /// How probable it is that it would be preferred to the average of the judged pictures, 0..=1.
    pub chance: f64,
    /// What taste added to what the person asked for: `gold colours`, `warmth 0.82`.
    pub changed: Vec<String>,
}

impl Why {
    /// What speaks for the picture, and what against it, in words.
    pub fn sides(&self) -> [Vec<&str>; 2] {
        let side =
            |likes: bool| self.reasons.iter().filter(move |r| (r.amount > 0.0) == likes).map(|r| r.words.as_str());
        [side(true).collect(), side(false).collect()]
    }

    /// Everything in a sentence or three.
    pub fn sentence(&self) -> String {
        let [likes, dislikes] = self.sides();
        let mut said = match (likes.is_empty(), dislikes.is_empty()) {
            (true, true) => "Nothing that is known of your taste speaks for or against it.".to_string(),
            (false, true) => format!("You may like it: {}.", likes.join(", ")),
            (true, false) => format!("You may not like it: {}.", dislikes.join(", ")),
            (false, false) => format!("You may like it: {}; less so: {}.", likes.join(", "), dislikes.join(", ")),
        };
        if !self.changed.is_empty() {
            said += &format!(" Taste set {}.", self.changed.join(", "));
        }
        said
    }
}

impl Learnt {
    /// Whether it is more than a tendency.
    pub fn is_sure(&self) -> bool {
        self.certainty >= LIKE
    }

    /// How sure it is, in a word or two.
    pub fn sureness(&self) -> &'static str {
        match self.certainty {
            c if c >= 0.99 => "almost certain",
            _ if self.is_sure() => "quite sure",
            _ => "a tendency",
        }
    }
}

impl Summary {
    /// Choices that are wanting until the predictions can be tested.
    pub fn wanting(&self) -> usize {
        if self.accuracy.is_some() { 0 } else { FEWEST.saturating_sub(self.choices).max(1) }
    }

    /// Everything in a sentence or three.
    pub fn sentence(&self) -> String {
        if self.choices == 0 {
            return "No evidence yet: rate a few pictures, or say which of two is better.".into();
        }
        let list = |items: Vec<&str>| items.join(", ");
        let of = |sure: bool| {
            let told = self.learnt.iter().take(4).filter(|l| l.is_sure() == sure);
            // Nobody is ever quite certain.
            let told = told.map(|l| format!("{} ({:.0} %)", l.words, (l.certainty * 100.0).min(99.0)));
            told.collect::<Vec<String>>().join(", ")
        };
        let may = if self.evidence { "Likes" } else { "May like" };
        let mut said = match (of(true), of(false)) {
            (sure, tends) if sure.is_empty() && tends.is_empty() => "Nothing but guesses yet".to_string(),
            (sure, tends) if tends.is_empty() => format!("{may} {sure}"),
            (sure, tends) if sure.is_empty() => format!("Tends towards {tends}"),
            (sure, tends) => format!("{may} {sure}, tends towards {tends}"),
        };
        if !self.unsure.is_empty() {
            said += &format!("; unsure about {}", list(self.unsure.iter().take(2).map(String::as_str).collect()));
        }
        said += &format!("; {} {}", self.choices, if self.choices == 1 { "choice" } else { "choices" });
        said += &match &self.accuracy {
            None => ", too few to test.".to_string(),
            Some(a) => {
                let half = (a.high - a.low) / 2.0 * 100.0;
                let proof = if self.evidence { "" } else { ", no proof yet" };
                format!(", predicts {:.0} % ± {half:.0} of held-out choices{proof}.", a.share * 100.0)
            }
        };
        said
    }
}

fn name_of(said: &Said) -> String {
    match said {
        Said::Word(word) => format!("word:{word}"),
        Said::Family(name) => format!("family:{name}"),
        Said::Slider(name) => format!("slider:{name}"),
    }
}

fn said_words(said: &Said, much: bool) -> String {
    match (said, much) {
        (Said::Word(word), true) => format!("“{word}”"),
        (Said::Word(word), false) => format!("no “{word}”"),
        (Said::Family(name), true) => name.replace('_', " "),
        (Said::Family(name), false) => format!("no {}", name.replace('_', " ")),
        (Said::Slider(name), true) => format!("high {name}"),
        (Said::Slider(name), false) => format!("low {name}"),
    }
}

/// What a bent Recipe has that was not asked for: words, families, sliders.
fn changes(asked: &Recipe, bent: &Recipe) -> Vec<String> {
    let added = bent.prompt.strip_prefix(asked.prompt.trim_end_matches([',', ' '])).unwrap_or_default();
    let words = added.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_string);
    let set = bent.sliders.iter().filter(|(name, _)| !asked.sliders.contains_key(*name));
    let set = set.map(|(name, value)| match name.strip_prefix("family:") {
        Some(family) => family.replace('_', " "),
        None => format!("{name} {value:.2}"),
    });
    words.chain(set).collect()
}

/// The standard normal distribution below x, for x of 0 and up (Abramowitz and Stegun 1964, 26.2.17).
fn normal_below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let tail = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = tail.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    1.0 - (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}
