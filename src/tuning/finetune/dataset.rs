//! Pictures as latents with captions, two parts of them held out: one to choose the best check by, one to prove by.

use super::buckets::{buckets, cropped, fitting, jittered, mirrored};
use super::captions::Drafter;
use super::choices::Pair;
use super::gather::{Duplicates, LeftOut, decode, gather};
use super::latent_cache::LatentCache;
use super::settings::Settings;
use crate::corpus::rng::Rng;
use crate::library::write_unless_taken;
use crate::model::checkpoint::hex;
use crate::pipeline::Pipeline;
use crate::{Error, Result};
use half::f16;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Fewer pictures than this are all learnt from: nothing can be held out.
pub const FEWEST_TO_CHECK: usize = 4;
/// From so many on, half of those held out have no part in choosing the best check, and prove.
pub const FEWEST_FOR_PROOF: usize = 8;
/// Most pictures that are held out.
const MOST_HELD_OUT: usize = 64;
/// Coloured copies of each picture, where they are wanted.
const COLOURED: u64 = 2;

/// One picture, ready to learn from.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its file.
    pub path: PathBuf,
    /// What it shows; may be empty.
    pub caption: String,
    /// Width and height of its latents.
    pub size: (usize, usize),
    /// Scaled latents `[h, w, c]`: as it is, then mirrored and coloured ones.
    pub latents: Vec<Vec<f16>>,
    /// How often it counts.
    pub repeats: u32,
}

impl Example {
    /// A latent as f32.
    pub fn latent(&self, variant: usize) -> Vec<f32> {
        self.latents.get(variant).or(self.latents.first()).into_iter().flatten().map(|v| v.to_f32()).collect()
    }
}

/// What a folder or a library's choices became.
#[derive(Debug)]
pub struct Dataset {
    /// Pictures that are learnt from.
    pub learnt: Vec<Example>,
    /// Pictures that are asked about at every check.
    pub held_out: Vec<Example>,
    /// Pictures that are asked about once, at the end; none where there are too few.
    pub proof: Vec<Example>,
    /// Choices among those that are learnt from; none where pictures teach by themselves.
    pub pairs: Vec<Pair>,
    /// Choices among those that are asked about at every check.
    pub held_out_pairs: Vec<Pair>,
    /// Choices among those that are asked about once.
    pub proof_pairs: Vec<Pair>,
    /// Files that are not used, and why.
    pub left_out: Vec<LeftOut>,
    /// What the person should know, in sentences.
    pub notices: Vec<String>,
    /// SHA-256 of files, captions and what was made of them, hexadecimal.
    pub hash: String,
}

/// How far the preparation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preparing {
    /// Files done.
    pub done: usize,
    /// Files in all.
    pub of: usize,
    /// Seconds left at the pace so far.
    pub seconds_left: f32,
}

impl Preparing {
    /// After `done` of `of` files or other like pieces of work, at the pace since `began`.
    pub(super) fn at(done: usize, of: usize, began: Instant) -> Self {
        let pace = began.elapsed().as_secs_f32() / done.max(1) as f32;
        Self { done, of, seconds_left: pace * (of - done) as f32 }
    }
}

/// Prepares a folder for a checkpoint; latents that lie beside `out` are not made again, and `write_captions` puts drafted captions
/// beside the pictures, so that they can be edited. `observe` answers false to stop.
///
/// # Errors
/// When the folder holds no usable picture, a caption cannot be written, or it was stopped.
pub fn prepare(
    folder: &Path,
    pipeline: &Pipeline,
    settings: &Settings,
    out: &Path,
    write_captions: bool,
    observe: &mut dyn FnMut(Preparing) -> bool,
) -> Result<Dataset> {
    let (sources, mut left_out) = gather(folder)?;
    let info = pipeline.info();
    let side = settings.resolution.unwrap_or(info.native_size);
    let buckets = buckets(side, info.size_multiple);
    let drafter = if settings.word().is_none() && sources.iter().any(|s| s.caption.is_none() && s.label.is_none()) {
        Drafter::new(info)?
    } else {
        None
    };
    let names = |caption: &str, word: &str| caption.to_lowercase().contains(&word.to_lowercase());
    let (mut duplicates, mut examples, mut hash) = (Duplicates::default(), Vec::new(), Sha256::new());
    let (mut small, mut silent, mut drafted) = (0, 0, 0);
    let mut cache = LatentCache::open(out, &info.hash, settings);
    let began = Instant::now();
    for (done, source) in sources.iter().enumerate() {
        if !observe(Preparing::at(done, sources.len(), began)) {
            cache.keep(&examples);
            return Err(Error::cancelled());
        }
        let picture = match decode(&source.path) {
            Ok(picture) => picture,
            Err(why) => {
                left_out.push(LeftOut { path: source.path.clone(), why });
                continue;
            }
        };
        if let Some(earlier) = duplicates.earlier(&source.path, &picture) {
            let why = format!("it shows the same as {}", earlier.display());
            left_out.push(LeftOut { path: source.path.clone(), why });
            continue;
        }
        let (width, height) = (picture.rgb.width(), picture.rgb.height());
        small += usize::from(width.min(height) < side / 2);
        let size = fitting(&buckets, width, height);
        let rgb = cropped(&picture.rgb, size)?;
        let caption = match (&source.caption, &source.label, &drafter) {
            // What a new word is to mean stands in the pictures, not in words that are known already.
            (caption, ..) if let Some(word) = settings.word() => {
                caption.clone().filter(|caption| names(caption, word)).unwrap_or_else(|| word.to_string())
            }
            (Some(caption), ..) => caption.clone(),
            (None, Some(label), _) => label.clone(),
            (None, None, Some(drafter)) => {
                drafted += 1;
                let caption = drafter.draft(&rgb, size.0, size.1);
                if write_captions {
                    write_unless_taken(&source.path.with_extension("txt"), caption.as_bytes())?;
                }
                caption
            }
            (None, None, None) => String::new(),
        };
        silent += usize::from(caption.is_empty());
        hash.update(format!("{} {caption:?} {} {size:?}\n", picture.hash, source.repeats));
        examples.push(encoded(
            (pipeline, &mut cache),
            settings,
            (&source.path, source.repeats),
            caption,
            (rgb, size),
            &picture.hash,
        )?);
    }
    if examples.is_empty() {
        let first = left_out.first().map(|l| format!(" {}: {}.", l.path.display(), l.why)).unwrap_or_default();
        return Err(Error::failed(format!(
            "None of the {} pictures in {} can be learnt from.{first}",
            sources.len(),
            folder.display()
        )));
    }
    let mut notices: Vec<String> = cache.keep(&examples).into_iter().collect();
    let mut notice = |count: usize, text: &str| {
        if count > 0 {
            notices.push(format!("{count} of {} pictures {text}.", examples.len()));
        }
    };
    notice(small, "are less than half as large as the model works at and were enlarged");
    notice(silent, "have no caption: the model learns their look for every prompt. Put a .txt with words beside each");
    notice(
        drafted,
        "had no caption; Kiln drafted one in the model's own words. --write-captions puts them beside the pictures to be edited",
    );
    let hash = hex(&hash.finalize());
    let [learnt, held_out, proof] = split(examples, settings);
    notices.extend(few_notice("pictures", held_out.len(), proof.len(), FEWEST_FOR_PROOF));
    let none = Vec::new;
    Ok(Dataset {
        learnt,
        held_out,
        proof,
        pairs: none(),
        held_out_pairs: none(),
        proof_pairs: none(),
        left_out,
        notices,
        hash,
    })
}

/// What to say where those that are held out, or kept apart of them, are too few to prove by; `fewest` would do.
pub(super) fn few_notice(what: &str, held_out: usize, proof: usize, fewest: usize) -> Option<String> {
    match (held_out, proof) {
        (0, _) => Some(format!(
            "No {what} are held out, so there will be no proof of a gain; with {fewest} or more some are, unless --held-out is 0."
        )),
        (_, 0) => Some(format!(
            "The {what} held out are too few to keep some of them apart: the same ones choose the best step and measure the gain, \
             which is no proof. From {fewest} {what} on there is one."
        )),
        _ => None,
    }
}

/// The latents of one picture.
pub(super) fn encoded(
    (pipeline, cache): (&Pipeline, &mut LatentCache),
    settings: &Settings,
    (path, repeats): (&Path, u32),
    caption: String,
    (rgb, size): (Vec<u8>, (u32, u32)),
    hash: &str,
) -> Result<Example> {
    let latents = cache.of(hash, size, || {
        let mut copies = vec![rgb];
        if settings.jitter > 0.0 {
            let own = u64::from_str_radix(hash.get(..16).unwrap_or_default(), 16).unwrap_or(0);
            let mut rng = Rng::new(settings.seed ^ own);
            let jittered = |_| jittered(&copies[0], settings.jitter, &mut rng);
            let coloured: Vec<Vec<u8>> = (0..COLOURED).map(jittered).collect();
            copies.extend(coloured);
        }
        if settings.flip {
            let flipped: Vec<Vec<u8>> = copies.iter().map(|c| mirrored(c, size.0)).collect();
            copies.extend(flipped);
        }
        let latent = |copy: &Vec<u8>| -> Result<Vec<f16>> {
            Ok(pipeline.latent_of(copy, size.0, size.1)?.into_iter().map(f16::from_f32).collect())
        };
        copies.iter().map(latent).collect()
    })?;
    let size = pipeline.latent_size(size.0, size.1);
    Ok(Example { path: path.into(), caption, size, latents, repeats })
}

/// To learn from, to choose the best check by, to prove by: the last two by the seed, never more than a half.
fn split(examples: Vec<Example>, settings: &Settings) -> [Vec<Example>; 3] {
    let n = examples.len();
    if n < FEWEST_TO_CHECK || settings.held_out <= 0.0 {
        return [examples, Vec::new(), Vec::new()];
    }
    let apart = n >= FEWEST_FOR_PROOF;
    let least = if apart { 2 } else { 1 };
    let count = ((n as f32 * settings.held_out).round() as usize).clamp(least, (n / 2).min(MOST_HELD_OUT));
    let mut order: Vec<usize> = (0..n).collect();
    Rng::new(settings.seed ^ 0x5eed).shuffle(&mut order);
    let (checks, proves) = order[..count].split_at(if apart { count / 2 } else { count });
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (i, example) in examples.into_iter().enumerate() {
        let part = if checks.contains(&i) { 1 } else { 2 * usize::from(proves.contains(&i)) };
        parts[part].push(example);
    }
    parts
}
