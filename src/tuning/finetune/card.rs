//! The training card: what an adapter's file says of where it came from, and whether it is a gain.

use super::exam::mean;
use super::settings::Settings;
use serde::{Deserialize, Serialize};

/// The header's entry that holds the card.
pub const NOTE: &str = "kiln_training";

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
    /// Held-out choices that the adapter agrees with, of all of them; where choices were learnt from.
    #[serde(default)]
    pub agrees: Option<(usize, usize)>,
    /// Whether the whole interval is above zero and the gain is a hundredth at least.
    pub is_gain: bool,
}

/// The 97.5 % point of Student's t, within 2 % from 4 degrees of freedom on (Cornish and Fisher's expansion around the normal's 1.96):
/// a handful of answers must not look like many.
fn student_t(freedom: usize) -> f32 {
    let (z, v) = (1.96f32, freedom.max(1) as f32);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / v + second / v.powi(2) + third / v.powi(3)
}

impl Evidence {
    /// From errors of the same questions before and after; `None` when nothing was asked.
    pub fn of(base: &[f32], tuned: &[f32]) -> Option<Self> {
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
        // No loss falls by more than all of it.
        let interval = ((middle - reach) / over, ((middle + reach) / over).min(1.0));
        let gain = middle / over;
        Some(Self {
            base: before,
            tuned: after,
            gain,
            interval,
            questions: n,
            agrees: None,
            is_gain: gain >= 0.01 && interval.0 > 0.0,
        })
    }

    /// The same from losses of choices: below the natural logarithm of 2 the adapter makes the better picture likelier.
    pub fn of_choices(base: &[f32], tuned: &[f32]) -> Option<Self> {
        let agrees = tuned.iter().filter(|loss| **loss < std::f32::consts::LN_2).count();
        Self::of(base, tuned).map(|evidence| Self { agrees: Some((agrees, tuned.len())), ..evidence })
    }

    /// One or two sentences.
    pub fn sentence(&self) -> String {
        let agrees = self.agrees.map(|(right, all)| format!("It agrees with {right} of {all} held-out choices. "));
        format!("{}{}", agrees.unwrap_or_default(), self.of_loss())
    }

    fn of_loss(&self) -> String {
        let percent = |v: f32| format!("{:.1} %", v * 100.0);
        let numbers = format!("{:.4} with the adapter, {:.4} without", self.tuned, self.base);
        let (low, high) = (percent(self.interval.0), percent(self.interval.1));
        if self.is_gain {
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
    /// Pictures held out.
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
    /// What held-out pictures say; `None` when none were held out.
    pub evidence: Option<Evidence>,
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
        let evidence = Evidence::of(&base, &lower).unwrap();
        assert!(evidence.is_gain && (evidence.gain - 0.2).abs() < 1e-3, "{evidence:?}");
        assert!(evidence.sentence().contains("fell by 20.0 %"), "{}", evidence.sentence());
        let noisy: Vec<f32> = base.iter().enumerate().map(|(i, b)| b + if i % 2 == 0 { 0.3 } else { -0.31 }).collect();
        let evidence = Evidence::of(&base, &noisy).unwrap();
        assert!(!evidence.is_gain && evidence.sentence().starts_with("No gain"), "{evidence:?}");
        assert_eq!(Evidence::of(&[], &[]), None);
        // Five answers that fell by everything, more or less: never by more than all of it.
        let few = Evidence::of(&[0.69; 5], &[0.0, 0.3, 0.0, 0.1, 0.0]).unwrap();
        assert!(few.interval.1 <= 1.0 && few.interval.0 < 0.75, "{few:?}");
    }

    #[test]
    fn few_answers_need_a_wider_interval() {
        // From tables of Student's t.
        for (freedom, wanted) in [(4, 2.776), (9, 2.262), (29, 2.045), (120, 1.980)] {
            assert!((student_t(freedom) - wanted).abs() < 0.02 * wanted, "{freedom}: {}", student_t(freedom));
        }
    }
}
