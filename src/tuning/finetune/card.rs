//! The training card: what an adapter's file says of where it came from, and whether it is a gain.

use super::drawn::Drawn;
use super::exam::mean;
use super::settings::Settings;
use serde::{Deserialize, Serialize};

/// The header's entry that holds the card.
pub const NOTE: &str = "kiln_training";

/// The file that holds it in the folder of a checkpoint that was fine-tuned as a whole.
pub const CARD: &str = "kiln_training.json";

/// A point of the curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Mean training loss since the last point.
    pub loss: f32,
    /// Held-out loss of the averaged adapter.
    pub held_out: Option<f32>,
}

/// What held-out pictures say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Held-out loss of the checkpoint alone.
    pub base: f32,
    /// With the adapter that was kept.
    pub tuned: f32,
    /// `1 - tuned / base`.
    pub gain: f32,
    /// Lower and upper end of the 95 % interval of the gain, from the paired differences of all answers (Student's t).
    pub interval: (f32, f32),
    /// Questions that were asked.
    pub questions: usize,
    /// Pictures or choices that they were about; 0 where an older Kiln did not say.
    #[serde(default)]
    pub asked: usize,
    /// Whether what they were about had no part in choosing the best check. Where it had, the numbers are better than they
    /// would be on other pictures, and prove nothing.
    #[serde(default)]
    pub apart: bool,
    /// Held-out choices that the adapter agrees with, of all of them; where choices were learnt from.
    #[serde(default)]
    pub agrees: Option<(usize, usize)>,
    /// Whether the whole interval is above zero, the gain is a hundredth at least, and it was asked apart.
    pub is_gain: bool,
}

/// Fewer pictures or choices than this say little about others, and the sentence says so.
pub const FEW: usize = 4;

/// The 97.5 % point of Student's t, within 2 % (from a table up to 3 degrees of freedom, then Cornish and Fisher's expansion around
/// the normal's 1.96): a handful of answers must not look like many.
fn student_t(freedom: usize) -> f32 {
    if let Some(known) = freedom.checked_sub(1).and_then(|i| [12.706, 4.303, 3.182].get(i)) {
        return *known;
    }
    let (z, v) = (1.96f32, freedom.max(1) as f32);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / v + second / v.powi(2) + third / v.powi(3)
}

impl Evidence {
    /// From errors of the same questions before and after, so many about each picture; `None` when nothing was asked.
    pub fn of(base: &[f32], tuned: &[f32], draws: usize) -> Option<Self> {
        let n = base.len();
        if n == 0 || n != tuned.len() {
            return None;
        }
        let (before, after) = (mean(base), mean(tuned));
        let differences: Vec<f32> = base.iter().zip(tuned).map(|(b, t)| b - t).collect();
        let middle = before - after;
        let variance = differences.iter().map(|d| (d - middle).powi(2)).sum::<f32>() / (n.max(2) - 1) as f32;
        let reach = student_t(n.max(2) - 1) * (variance / n as f32).sqrt();
        let over = before.max(1e-12);
        // No loss falls by more than all of it; and one answer alone has no spread to tell an interval by.
        let interval = if n < 2 { (-1.0, 1.0) } else { ((middle - reach) / over, ((middle + reach) / over).min(1.0)) };
        let gain = middle / over;
        Some(Self {
            base: before,
            tuned: after,
            gain,
            interval,
            questions: n,
            asked: n / draws.max(1),
            apart: true,
            agrees: None,
            is_gain: gain >= 0.01 && interval.0 > 0.0,
        })
    }

    /// The same from losses of choices: below the natural logarithm of 2 the adapter makes the better picture likelier.
    pub fn of_choices(base: &[f32], tuned: &[f32]) -> Option<Self> {
        let agrees = tuned.iter().filter(|loss| **loss < std::f32::consts::LN_2).count();
        Self::of(base, tuned, 1).map(|evidence| Self { agrees: Some((agrees, tuned.len())), ..evidence })
    }

    /// The same where what was asked about also chose the best check: no proof of anything.
    pub fn by_what_chose(self) -> Self {
        Self { apart: false, is_gain: false, ..self }
    }

    /// A few sentences.
    pub fn sentence(&self) -> String {
        let agrees = self.agrees.map(|(right, all)| format!("It agrees with {right} of {all} held-out choices. "));
        let doubt = self.doubt().map(|doubt| format!(" {doubt}"));
        format!("{}{}{}", agrees.unwrap_or_default(), self.of_loss(), doubt.unwrap_or_default())
    }

    /// Why the numbers are to be taken with care, as a sentence.
    pub fn doubt(&self) -> Option<String> {
        let what = if self.agrees.is_some() { "choices" } else { "pictures" };
        match self.asked {
            _ if !self.apart => Some(format!(
                "The same {what} also chose the best step, so this is better than it would be on others, and no proof: with more \
                 {what} some are kept apart for that."
            )),
            1..FEW => Some(format!(
                "That was asked of {} {} only: others may turn out differently.",
                self.asked,
                if self.asked == 1 { &what[..what.len() - 1] } else { what }
            )),
            _ => None,
        }
    }

    fn of_loss(&self) -> String {
        let percent = |v: f32| format!("{:.1} %", v * 100.0);
        let numbers = format!("{:.4} with what was learnt, {:.4} without", self.tuned, self.base);
        let (low, high) = (percent(self.interval.0), percent(self.interval.1));
        if self.is_gain || (!self.apart && self.gain > 0.0) {
            format!("Held-out loss fell by {} (95 % interval {low} to {high}): {numbers}.", percent(self.gain))
        } else {
            format!(
                "No gain: the held-out loss changed by {} (95 % interval of the fall {low} to {high}): {numbers}. \
                 Try more {}, or more steps.",
                percent(-self.gain),
                if self.agrees.is_some() { "choices" } else { "pictures, other captions" }
            )
        }
    }
}

/// The card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Version of Kiln.
    pub kiln: String,
    /// Name of the checkpoint.
    pub base: String,
    /// SHA-256 of its weights.
    pub base_hash: String,
    /// SHA-256 of the pictures and captions.
    pub data_hash: String,
    /// Pictures learnt from.
    pub learnt: usize,
    /// Pictures held out: those that chose the best check, and those that prove.
    pub held_out: usize,
    /// Choices learnt from and held out, where choices teach.
    #[serde(default)]
    pub choices: Option<(usize, usize)>,
    /// The captions that occur most, with their numbers.
    pub captions: Vec<(String, usize)>,
    /// How it was trained.
    pub settings: Settings,
    /// The step whose adapter was kept.
    pub step: u64,
    /// The curves.
    pub curve: Vec<Point>,
    /// What held-out pictures say, asked at the end; `None` before, and when none were held out.
    pub evidence: Option<Evidence>,
    /// What pictures with and without it say, drawn at the end; `None` before, and where an older Kiln drew none.
    #[serde(default)]
    pub drawn: Option<Drawn>,
}

impl Card {
    /// Whether a gain is proven, taste did not pay for it by drawing one picture over and over, and the person would like the pictures
    /// that it draws, as far as their taste is known.
    pub fn is_gain(&self) -> bool {
        self.evidence.is_some_and(|evidence| evidence.is_gain) && !self.collapsed() && !self.no_better()
    }

    /// Whether, as far as the person's taste is known, the pictures are no better than they were.
    pub fn no_better(&self) -> bool {
        self.drawn.is_some_and(|drawn| drawn.no_better())
    }

    /// Whether what was learnt from choices draws much the same picture whatever the seed. Pictures to learn from may all be alike,
    /// and so may be what they teach.
    pub fn collapsed(&self) -> bool {
        self.settings.preference.is_some() && self.drawn.is_some_and(|drawn| drawn.collapsed())
    }

    /// Held-out loss at the check that was kept.
    pub fn best(&self) -> Option<f32> {
        self.curve.iter().find(|point| point.step == self.step).and_then(|point| point.held_out)
    }
}

/// What is learnt from, in words: "20 pictures", or "1 choice between 2 pictures".
pub fn source(pictures: usize, choices: Option<usize>) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    match choices {
        Some(choices) => format!("{} between {}", count(choices, "choice"), count(pictures, "picture")),
        None => count(pictures, "picture"),
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The card of the file that was written.
    pub card: Card,
    /// Steps done.
    pub steps: u64,
    /// Whether the person stopped it.
    pub stopped: bool,
    /// Whether it ended because nothing became better.
    pub early: bool,
    /// Seconds of this run.
    pub seconds: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_only_what_the_interval_allows() {
        let base: Vec<f32> = (0..40).map(|i| 1.0 + (i % 7) as f32 * 0.1).collect();
        let lower: Vec<f32> = base.iter().map(|b| b * 0.8).collect();
        let evidence = Evidence::of(&base, &lower, 10).unwrap();
        assert!(evidence.is_gain && (evidence.gain - 0.2).abs() < 1e-3, "{evidence:?}");
        assert!(evidence.sentence().ends_with("without."), "{}", evidence.sentence());
        assert!(evidence.sentence().contains("fell by 20.0 %"), "{}", evidence.sentence());
        let few = Evidence::of(&base, &lower, 20).unwrap();
        assert!(few.is_gain && few.sentence().contains("of 2 pictures only"), "{}", few.sentence());
        let chosen = evidence.by_what_chose();
        assert!(!chosen.is_gain && chosen.sentence().contains("no proof"), "{}", chosen.sentence());
        let old: Evidence = serde_json::from_str(
            r#"{"base":1.0,"tuned":0.8,"gain":0.2,"interval":[0.1,0.3],"questions":8,"is_gain":true}"#,
        )
        .unwrap();
        assert!(old.doubt().unwrap().contains("no proof"), "an older Kiln's best check was chosen by what it measured");
        let noisy: Vec<f32> = base.iter().enumerate().map(|(i, b)| b + if i % 2 == 0 { 0.3 } else { -0.31 }).collect();
        let evidence = Evidence::of(&base, &noisy, 8).unwrap();
        assert!(!evidence.is_gain && evidence.sentence().starts_with("No gain"), "{evidence:?}");
        assert_eq!(Evidence::of(&[], &[], 1), None);
        let one = Evidence::of_choices(&[0.69], &[0.2]).unwrap();
        assert!(!one.is_gain && one.interval == (-1.0, 1.0), "one answer proves nothing: {one:?}");
        // Five answers that fell by everything, more or less: never by more than all of it.
        let few = Evidence::of(&[0.69; 5], &[0.0, 0.3, 0.0, 0.1, 0.0], 1).unwrap();
        assert!(few.interval.1 <= 1.0 && few.interval.0 < 0.75, "{few:?}");
    }

    #[test]
    fn few_answers_need_a_wider_interval() {
        // From tables of Student's t.
        for (freedom, wanted) in [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045), (120, 1.980)] {
            assert!((student_t(freedom) - wanted).abs() < 0.02 * wanted, "{freedom}: {}", student_t(freedom));
        }
    }
}
