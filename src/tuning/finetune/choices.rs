//! Choices between two pictures, ready to learn from: latents, prompts, and two parts of the choices held out.

use super::buckets::{buckets, cropped, fitting};
use super::dataset::{Dataset, Example, Preparing, encoded, few_notice};
use super::gather::{LeftOut, decode};
use super::latent_cache::LatentCache;
use super::settings::Settings;
use crate::corpus::rng::Rng;
use crate::pipeline::Pipeline;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Fewer choices than this are all learnt from: nothing can be held out.
pub const FEWEST_TO_CHECK: usize = 8;
/// From so many on, most of those held out have no part in choosing the best check, and prove.
pub const FEWEST_FOR_PROOF: usize = 12;
/// How much the difference of two scores sharpens the weights of reward-weighted regression; scores lie in -1..=1.
const TEMPERATURE: f64 = 0.5;

/// A picture of which there is a choice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Chosen {
    /// Its file.
    pub path: PathBuf,
    /// What was asked for.
    pub prompt: String,
}

/// One picture was preferred to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The better one.
    pub winner: Chosen,
    /// The other one.
    pub loser: Chosen,
    /// How much it counts; 1 = a comparison that the person made.
    pub weight: f64,
    /// Whether the person said so, of both pictures; only such choices are held out.
    pub said: bool,
}

/// A choice among prepared pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Index of the better example.
    pub winner: usize,
    /// Index of the other one.
    pub loser: usize,
    /// How much it counts.
    pub weight: f64,
}

/// Choices to learn from, to choose the best check by, and to prove by; no picture is in two of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choices {
    /// To learn from.
    pub learnt: Vec<Choice>,
    /// To ask about at every check.
    pub held_out: Vec<Choice>,
    /// To ask about once, at the end; empty where there are too few.
    #[serde(default)]
    pub proof: Vec<Choice>,
    /// How many were left out, because their pictures are in two of the three.
    pub crossing: usize,
}

impl Choices {
    /// Holds some of the choices out by the seed, never most of them; fewer than [`FEWEST_TO_CHECK`] are all learnt from. From
    /// [`FEWEST_FOR_PROOF`] on, two of three that are held out prove.
    pub fn split(choices: Vec<Choice>, settings: &Settings) -> Self {
        if choices.len() < FEWEST_TO_CHECK || settings.held_out <= 0.0 {
            return Self { learnt: choices, ..Self::default() };
        }
        let apart = choices.len() >= FEWEST_FOR_PROOF;
        let wanted = ((choices.len() as f32 * settings.held_out).round() as usize).max(if apart { 3 } else { 2 });
        let mut order: Vec<&Choice> = choices.iter().filter(|c| c.said).collect();
        Rng::new(settings.seed ^ 0x5eed).shuffle(&mut order);
        // Choices whose pictures occur in few others cost the least.
        let mut occurs: BTreeMap<&Chosen, usize> = BTreeMap::new();
        choices.iter().flat_map(|c| [&c.winner, &c.loser]).for_each(|p| *occurs.entry(p).or_default() += 1);
        order.sort_by_key(|c| occurs[&c.winner] + occurs[&c.loser]);
        // Each picture that is held out: whether it proves.
        let mut out: BTreeMap<&Chosen, bool> = BTreeMap::new();
        let mut found = [0, 0];
        for choice in order {
            if found[0] + found[1] >= wanted {
                break;
            }
            let pictures = [&choice.winner, &choice.loser];
            let proves = match pictures.map(|p| out.get(p).copied()) {
                [Some(a), Some(b)] if a != b => continue,
                [Some(proves), _] | [_, Some(proves)] => proves,
                // The first chooses the best check, then two of three prove.
                [None, None] => apart && 2 * found[0] > found[1],
            };
            let mut more = out.clone();
            more.extend(pictures.map(|p| (p, proves)));
            let left = choices.iter().filter(|c| !more.contains_key(&c.winner) && !more.contains_key(&c.loser)).count();
            // Most of what the person said is for learning.
            if left * 2 >= choices.len() {
                found[usize::from(proves)] += 1;
                out = more;
            }
        }
        let out: BTreeMap<Chosen, bool> = out.into_iter().map(|(p, proves)| (p.clone(), proves)).collect();
        let mut split = Self::default();
        for choice in choices {
            match (out.get(&choice.winner), out.get(&choice.loser)) {
                (None, None) => split.learnt.push(choice),
                (Some(false), Some(false)) if choice.said => split.held_out.push(choice),
                (Some(true), Some(true)) if choice.said => split.proof.push(choice),
                _ => split.crossing += 1,
            }
        }
        split
    }

    /// Every choice that is only asked about.
    pub fn asked(&self) -> impl Iterator<Item = &Choice> {
        self.held_out.iter().chain(&self.proof)
    }
}

/// Prepares the pictures of choices for a checkpoint; latents that lie beside `out` are not made again. `observe` answers false to stop.
///
/// # Errors
/// When no choice is left that can be learnt from, or it was stopped.
pub fn prepare(
    choices: &Choices,
    pipeline: &Pipeline,
    settings: &Settings,
    out: &Path,
    observe: &mut dyn FnMut(Preparing) -> bool,
) -> Result<Dataset> {
    let all = || choices.learnt.iter().chain(choices.asked());
    let pictures: BTreeSet<&Chosen> = all().flat_map(|c| [&c.winner, &c.loser]).collect();
    let info = pipeline.info();
    let buckets = buckets(settings.resolution.unwrap_or(info.native_size), info.size_multiple);
    let (mut left_out, mut hash) = (Vec::new(), Sha256::new());
    let mut examples: Vec<Example> = Vec::new();
    let mut places: BTreeMap<&Chosen, usize> = BTreeMap::new();
    // Colours are a part of taste, so copies are never coloured.
    let plain = Settings { jitter: 0.0, ..settings.clone() };
    let mut cache = LatentCache::open(out, &info.hash, &plain);
    let began = Instant::now();
    for (done, chosen) in pictures.iter().enumerate() {
        if !observe(Preparing::at(done, pictures.len(), began)) {
            cache.keep(&examples);
            return Err(Error::cancelled());
        }
        let picture = match decode(&chosen.path) {
            Ok(picture) => picture,
            Err(why) => {
                left_out.push(LeftOut { path: chosen.path.clone(), why });
                continue;
            }
        };
        let size = fitting(&buckets, picture.rgb.width(), picture.rgb.height());
        let rgb = cropped(&picture.rgb, size)?;
        hash.update(format!("{} {:?} {size:?}\n", picture.hash, chosen.prompt));
        let source = (chosen.path.as_path(), 1);
        places.insert(*chosen, examples.len());
        examples.push(encoded(
            (pipeline, &mut cache),
            &plain,
            source,
            chosen.prompt.clone(),
            (rgb, size),
            &picture.hash,
        )?);
    }

    let mut shapes = 0;
    let mut pairs = |choices: &[Choice]| -> Vec<Pair> {
        let mut pairs = Vec::new();
        for choice in choices {
            let (Some(winner), Some(loser)) = (places.get(&choice.winner), places.get(&choice.loser)) else { continue };
            if examples[*winner].size != examples[*loser].size {
                shapes += 1;
                continue;
            }
            hash.update(format!("{winner} {loser} {}\n", choice.weight));
            pairs.push(Pair { winner: *winner, loser: *loser, weight: choice.weight });
        }
        pairs
    };
    let (taught, asked, proving) = (pairs(&choices.learnt), pairs(&choices.held_out), pairs(&choices.proof));
    if taught.is_empty() {
        return Err(Error::failed(
            "There is no choice to learn from: give stars, favourites or rejects to some pictures, or compare two.",
        ));
    }
    let mut notices: Vec<String> = cache.keep(&examples).into_iter().collect();
    if shapes > 0 {
        notices.push(format!("{shapes} choices are between pictures of different shapes and were left out."));
    }
    notices.extend(few_notice("choices", asked.len(), proving.len(), FEWEST_FOR_PROOF));
    if choices.crossing > 0 {
        let crossing = choices.crossing;
        notices.push(format!(
            "{crossing} choices concern a held-out picture and were left out, so that the proof is fair."
        ));
    }
    let (learnt, taught) = only(&examples, &taught);
    let (held_out, asked) = only(&examples, &asked);
    let (proof, proving) = only(&examples, &proving);
    let hash = crate::model::checkpoint::hex(&hash.finalize());
    Ok(Dataset {
        learnt,
        held_out,
        proof,
        pairs: taught,
        held_out_pairs: asked,
        proof_pairs: proving,
        left_out,
        notices,
        hash,
    })
}

/// The examples that occur in these pairs, and the pairs in their numbers.
fn only(examples: &[Example], pairs: &[Pair]) -> (Vec<Example>, Vec<Pair>) {
    let used: BTreeSet<usize> = pairs.iter().flat_map(|p| [p.winner, p.loser]).collect();
    let place: BTreeMap<usize, usize> = used.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let pairs = pairs.iter().map(|p| Pair { winner: place[&p.winner], loser: place[&p.loser], ..*p }).collect();
    (used.iter().map(|i| examples[*i].clone()).collect(), pairs)
}

/// How often each of `n` examples is shown in reward-weighted regression (Lee et al. 2023, arXiv:2302.12192), in a mean of 1:
/// the exponential of its wins less its losses, as a share of both.
pub fn rewards(n: usize, pairs: &[Pair]) -> Vec<f64> {
    let mut won = vec![(0.0, 0.0); n];
    for pair in pairs {
        won[pair.winner].0 += pair.weight;
        won[pair.loser].1 += pair.weight;
    }
    let raw: Vec<f64> = won.iter().map(|(w, l)| ((w - l) / (w + l).max(1e-9) / TEMPERATURE).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|v| v * n as f64 / sum.max(1e-9)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::optimizer::OptimizerKind;

    fn pair(winner: usize, loser: usize) -> Pair {
        Pair { winner, loser, weight: 1.0 }
    }

    #[test]
    fn no_picture_is_in_two_of_the_three_parts() {
        let settings = Settings { held_out: 0.2, ..Settings::suited_to(1, OptimizerKind::AdamW, 8) };
        let chosen = |i: usize| Chosen { path: format!("{i}.png").into(), prompt: String::new() };
        let choice = |nth: usize, winner, loser| Choice {
            winner: chosen(winner),
            loser: chosen(loser),
            weight: 1.0,
            said: !nth.is_multiple_of(3),
        };
        // A chain of neighbours, and ten pairs by themselves.
        let mut all: Vec<Choice> = (0..20).map(|i| choice(i, i, i + 1)).collect();
        all.extend((0..10).map(|i| choice(20 + i, 100 + 2 * i, 101 + 2 * i)));
        let split = Choices::split(all.clone(), &settings);
        let parts = [&split.learnt, &split.held_out, &split.proof];
        let [taught, checks, proves] = parts.map(Vec::len);
        assert!(taught >= 20 && checks >= 2 && proves >= 4, "{taught} {checks} {proves}");
        assert_eq!(taught + checks + proves + split.crossing, 30);
        let pictures = |part: &[Choice]| -> BTreeSet<Chosen> {
            part.iter().flat_map(|p| [p.winner.clone(), p.loser.clone()]).collect()
        };
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(pictures(parts[a]).is_disjoint(&pictures(parts[b])), "{a} {b}");
        }
        assert!(split.asked().all(|c| c.said), "only what was said is proof");
        let few = |count: usize| {
            let split =
                Choices::split(all[20..].iter().cycle().take(10).chain(&all).take(count).cloned().collect(), &settings);
            (split.held_out.len(), split.proof.len())
        };
        assert_eq!((few(7), few(10).1), ((0, 0), 0), "too few to keep some apart");
        assert!(few(10).0 >= 2 && few(12).0 >= 1 && few(12).1 >= 2, "{:?} {:?}", few(10), few(12));
        assert_ne!(Choices::split(all.clone(), &Settings { seed: 5, ..settings.clone() }).proof, split.proof);
        // The worst case for keeping them apart: everything hangs together.
        let chain = Choices::split(all[..20].to_vec(), &settings);
        assert!(pictures(&chain.held_out).is_disjoint(&pictures(&chain.proof)));
    }

    #[test]
    fn winners_are_shown_more_often() {
        let shares = rewards(4, &[pair(0, 1), pair(0, 2), pair(2, 1)]);
        assert!(shares[0] > shares[2] && shares[2] > shares[1], "{shares:?}");
        assert!((shares[2] - shares[3]).abs() < 1e-9, "as many wins as losses count like none");
        assert!((shares.iter().sum::<f64>() - 4.0).abs() < 1e-9);
    }
}
