//! Latents that a run made lie beside its state, so that going on with it, or trying other settings, need not make them again.

use super::dataset::Example;
use super::settings::Settings;
use super::state::beside;
use crate::model::checkpoint::{self, Weights, Written};
use crate::{Error, Result};
use half::f16;
use safetensors::tensor::Dtype;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The entry of the header that holds what they were made of.
const NOTE: &str = "kiln_latents";
/// What took less than this to make is sooner made again.
const WORTH: Duration = Duration::from_secs(5);

/// Where the latents of a run lie.
pub fn path_of(adapter: &Path) -> PathBuf {
    beside(adapter, ".latents.safetensors")
}

/// The latents of a run: those that lie there, and those that it makes.
pub(super) struct LatentCache {
    path: PathBuf,
    /// What, beside a picture, decides its latents.
    note: String,
    found: Option<Weights>,
    /// One a picture, in their order.
    keys: Vec<String>,
    /// Time that went into making new ones.
    spent: Duration,
    worth: Duration,
}

impl LatentCache {
    /// Opens what lies beside `adapter`. A file that is damaged, or was made by other weights or settings, counts as none.
    pub fn open(adapter: &Path, base_hash: &str, settings: &Settings) -> Self {
        let Settings { seed, jitter, flip, .. } = settings;
        let note = format!("{base_hash} seed {seed} jitter {jitter} flip {flip} kiln {}", env!("CARGO_PKG_VERSION"));
        let path = path_of(adapter);
        let found = Weights::open(&path).ok().filter(|weights| weights.note(NOTE) == Some(note.as_str()));
        Self { path, note, found, keys: Vec::new(), spent: Duration::ZERO, worth: WORTH }
    }

    /// The latents of the picture with this hash, cut to `size` pixels: those that lie there, else what `make` gives.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn of(
        &mut self,
        hash: &str,
        size: (u32, u32),
        make: impl FnOnce() -> Result<Vec<Vec<f16>>>,
    ) -> Result<Vec<Vec<f16>>> {
        let key = format!("{hash} {}x{}", size.0, size.1);
        let known = self.found.as_ref().and_then(|found| match found.tensor(&key) {
            Ok(Some((&[variants, length], values))) if variants > 0 && length > 0 => {
                let narrow = |latent: &[f32]| latent.iter().map(|v| f16::from_f32(*v)).collect();
                Some(values.chunks_exact(length).map(narrow).collect())
            }
            _ => None,
        });
        let latents = match known {
            Some(latents) => latents,
            None => {
                let began = Instant::now();
                let made = make()?;
                self.spent += began.elapsed();
                made
            }
        };
        self.keys.push(key);
        Ok(latents)
    }

    /// Writes the latents of all pictures so far, where making the new ones took long enough; `examples` in the order in which they
    /// were asked for. Says why it could not, as training goes on without.
    pub fn keep(&self, examples: &[Example]) -> Option<String> {
        if self.spent < self.worth || examples.is_empty() {
            return None;
        }
        let failed = |e: Error| format!("The prepared pictures could not be kept for going on later. {e}");
        self.write(examples).err().map(failed)
    }

    fn write(&self, examples: &[Example]) -> Result<()> {
        let mut tensors: Vec<Written> = Vec::with_capacity(examples.len());
        for (key, Example { latents, .. }) in self.keys.iter().zip(examples) {
            let shape = vec![latents.len(), latents.first().map_or(0, Vec::len)];
            let bytes = latents.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((key.clone(), shape, bytes));
        }
        // One picture may be there twice.
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors.dedup_by(|a, b| a.0 == b.0);
        let notes = HashMap::from([(NOTE.to_string(), self.note.clone())]);
        checkpoint::write("prepared pictures", &tensors, Dtype::F16, notes, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::optimizer::OptimizerKind;

    #[test]
    fn what_was_made_is_made_once_for_the_same_weights_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        let adapter = folder.path().join("a.safetensors");
        let settings = Settings::suited_to(1, OptimizerKind::AdamW, 8);
        let open = |base: &str, settings: &Settings| LatentCache {
            worth: Duration::ZERO,
            ..LatentCache::open(&adapter, base, settings)
        };
        let latents = |v: f32| vec![vec![f16::from_f32(v); 6], vec![f16::from_f32(-v); 6]];
        let example =
            |latents| Example { path: "a.png".into(), caption: String::new(), size: (3, 2), latents, repeats: 1 };
        let mut first = open("base", &settings);
        let made: Vec<Example> = [("aa", 1.5), ("bb", 0.1)]
            .map(|(hash, v)| example(first.of(hash, (24, 16), || Ok(latents(v))).unwrap()))
            .into();
        assert_eq!(first.keep(&made), None);
        assert_eq!(path_of(&adapter), folder.path().join("a.latents.safetensors"));

        let again = || -> Result<Vec<Vec<f16>>> { Err(Error::failed("made again")) };
        let mut second = open("base", &settings);
        assert_eq!(second.of("bb", (24, 16), again).unwrap(), latents(0.1), "bit for bit");
        assert_eq!(second.of("aa", (24, 16), again).unwrap(), latents(1.5));
        assert!(second.of("aa", (16, 24), again).is_err(), "cut in another way");
        assert!(second.of("cc", (24, 16), again).is_err(), "another picture");
        assert!(open("other", &settings).of("aa", (24, 16), again).is_err(), "other weights");
        let coloured = Settings { jitter: settings.jitter + 0.1, ..settings.clone() };
        assert!(open("base", &coloured).of("aa", (24, 16), again).is_err(), "other copies");

        std::fs::write(path_of(&adapter), b"damaged").unwrap();
        assert!(open("base", &settings).of("aa", (24, 16), again).is_err());
        let lost = folder.path().join("nowhere/a.safetensors");
        let mut lost = LatentCache { worth: Duration::ZERO, ..LatentCache::open(&lost, "base", &settings) };
        lost.of("aa", (24, 16), || Ok(latents(1.0))).unwrap();
        let said = lost.keep(&made[..1]).unwrap();
        assert!(said.contains("could not be kept") && said.contains("nowhere"), "{said}");
    }

    #[test]
    fn what_is_soon_made_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let adapter = folder.path().join("a.safetensors");
        let mut cache = LatentCache::open(&adapter, "base", &Settings::suited_to(1, OptimizerKind::AdamW, 8));
        let latents = cache.of("aa", (8, 8), || Ok(vec![vec![f16::ONE]])).unwrap();
        let example = Example { path: "a.png".into(), caption: String::new(), size: (1, 1), latents, repeats: 1 };
        assert_eq!(cache.keep(&[example]), None);
        assert!(!path_of(&adapter).exists());
    }
}
