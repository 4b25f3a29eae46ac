//! Good settings for these pictures: successive halving over learning rate, rank and weight decay (Jamieson and Talwalkar 2016,
//! arXiv:1502.07943). Many short runs, the better third of them longer, and so on; held-out loss decides.

use super::dataset::Dataset;
use super::run::{Event, Options, Run};
use super::settings::{Settings, share_of_rank};
use super::state;
use crate::corpus::rng::Rng;
use crate::pipeline::Pipeline;
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Settings that are tried in the first round.
const FIRST: usize = 9;
/// Of which one in so many goes on.
const KEEP: usize = 3;
/// Steps of the first round, and how many times longer the next one is.
const STEPS: (u64, u64) = (20, 3);
/// Rounds.
const ROUNDS: u32 = 3;
/// Learning rates, as factors of the one that was asked for.
const RATES: [f32; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Ranks.
const RANKS: [usize; 4] = [4, 8, 16, 32];
/// Weight decays.
const DECAYS: [f32; 3] = [0.0, 0.01, 0.1];

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Round, from 1.
    pub round: u32,
    /// Steps of each run of this round.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Rank.
    pub rank: usize,
    /// Weight decay.
    pub weight_decay: f32,
    /// Best held-out loss; `None` when the run went out of range.
    pub held_out: Option<f32>,
    /// Seconds that it took.
    pub seconds: f32,
}

/// Steps that a whole search takes.
pub fn steps() -> u64 {
    let round = |r: u32| (FIRST / KEEP.pow(r)) as u64 * STEPS.0 * STEPS.1.pow(r);
    (0..ROUNDS).map(round).sum()
}

/// Candidates: what was asked for, and others drawn by the seed, each once.
fn candidates(asked: &Settings) -> Vec<Settings> {
    let mut found = vec![asked.clone()];
    let mut rng = Rng::new(asked.seed ^ 0x005e_a7c4);
    while found.len() < FIRST {
        let (rate, rank) = (*rng.pick(&RATES), *rng.pick(&RANKS));
        let next = Settings {
            learning_rate: asked.learning_rate * rate * share_of_rank(rank) / share_of_rank(asked.rank),
            rank,
            weight_decay: *rng.pick(&DECAYS),
            ..asked.clone()
        };
        if !found.contains(&next) {
            found.push(next);
        }
    }
    found
}

/// The settings with the lowest held-out loss, with the length that was asked for. `observe` hears of each trial.
///
/// # Errors
/// When nothing is held out to decide by, no run stays in range, or it was stopped.
pub(super) fn search(
    pipeline: &Pipeline,
    options: &Options,
    data: &Arc<Dataset>,
    observe: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Settings> {
    if data.held_out.is_empty() {
        return Err(Error::failed(
            "Settings can only be searched for where something is held out to decide by; give more pictures or choices.",
        ));
    }
    let out = options.out.with_extension("search.safetensors");
    let found = rounds(pipeline, options, data, &out, observe);
    for left in [state::path_of(&out), out] {
        let _ = std::fs::remove_file(left);
    }
    found
}

fn rounds(
    pipeline: &Pipeline,
    options: &Options,
    data: &Arc<Dataset>,
    out: &Path,
    observe: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Settings> {
    let mut running = candidates(&options.settings);
    for round in 0..ROUNDS {
        let steps = STEPS.0 * STEPS.1.pow(round);
        let mut done: Vec<(f32, Settings)> = Vec::new();
        for settings in running {
            if (options.stop)() {
                return Err(Error::cancelled());
            }
            let began = Instant::now();
            // As short as it is, its warm-up is a part of its length.
            let short = Settings { steps, warm_up: settings.warm_up.min(steps / 4), patience: 0, ..settings.clone() };
            let trial = Options { settings: short, out: out.into(), resume: false, ..options.clone() };
            let mut quiet = |_| Ok(());
            // What is kept apart to prove is not asked: it would have chosen the settings, then.
            let outcome =
                Run::begin(pipeline, &trial, data.clone(), &mut quiet).and_then(|mut run| run.go(began, &mut quiet));
            let held_out = match outcome {
                Ok(outcome) if outcome.stopped => return Err(Error::cancelled()),
                Ok(outcome) => outcome.card.best(),
                Err(error) if error.kind == crate::ErrorKind::Cancelled => return Err(error),
                // Out of range: a bad setting, not a bad search.
                Err(_) => None,
            };
            observe(Event::Tried(Trial {
                round: round + 1,
                steps,
                learning_rate: settings.learning_rate,
                rank: settings.rank,
                weight_decay: settings.weight_decay,
                held_out,
                seconds: began.elapsed().as_secs_f32(),
            }))?;
            done.extend(held_out.map(|loss| (loss, settings)));
        }
        done.sort_by(|a, b| a.0.total_cmp(&b.0));
        let keep = (FIRST / KEEP.pow(round + 1)).max(1);
        running = done.into_iter().take(keep).map(|(_, settings)| settings).collect();
    }
    running.into_iter().next().ok_or_else(|| {
        Error::failed("No settings kept training in range; give other pictures, or a lower --lr to search around.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::optimizer::OptimizerKind;

    #[test]
    fn candidates_differ_and_begin_with_what_was_asked_for() {
        let asked = Settings::suited_to(1, OptimizerKind::AdamW, 8);
        let found = candidates(&asked);
        assert_eq!((found.len(), &found[0]), (FIRST, &asked));
        assert!((1..FIRST).all(|i| !found[..i].contains(&found[i]) && found[i].check().is_ok()));
        assert_eq!(steps(), 9 * 20 + 3 * 60 + 180);
    }
}
