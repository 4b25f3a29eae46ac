//! LoRA adapters on a loaded checkpoint: found, read once, and put into copies of the layers that they correct.

use super::Pipeline;
use super::load::{MODELS, hash_file};
use crate::model::lora::merge::merge;
use crate::model::lora::{Adapter, Part};
use crate::model::original::keys;
use crate::recipe::AdapterRef;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Most adapters of one Recipe.
const MOST: usize = 32;
/// How strongly an adapter may act, either way.
const STRONGEST: f32 = 10.0;
/// Files that are kept when another set is chosen.
const KEPT: usize = 8;

/// A checkpoint with a set of adapters applied.
#[derive(Clone)]
pub struct Adapted {
    /// Shares everything but the corrected layers with the checkpoint; `None` is the checkpoint itself.
    corrected: Option<Arc<Pipeline>>,
    /// The adapters with their hashes.
    pub adapters: Vec<AdapterRef>,
    /// What the person should know: keys that matched nothing, counted.
    pub notices: Vec<String>,
}

impl Adapted {
    /// What draws: `checkpoint` is the one that was adapted.
    pub(super) fn of<'a>(&'a self, checkpoint: &'a Pipeline) -> &'a Pipeline {
        self.corrected.as_deref().unwrap_or(checkpoint)
    }
}

/// What is known of a file without reading it again.
type Stamp = (u64, Option<SystemTime>);

struct Read {
    path: PathBuf,
    stamp: Stamp,
    hash: String,
    adapter: Adapter,
}

/// Adapters that were read, the last used last, and the last set that was applied.
#[derive(Default)]
pub(super) struct Shelf {
    read: Vec<Arc<Read>>,
    applied: Option<Adapted>,
}

/// Refuses what no set of adapters can be, before a file is opened.
pub(super) fn check(adapters: &[AdapterRef]) -> Result<()> {
    if adapters.len() > MOST {
        return Err(Error::usage(format!("{} adapters are too many; use up to {MOST}.", adapters.len())));
    }
    match adapters.iter().find(|a| !(-STRONGEST..=STRONGEST).contains(&a.weight)) {
        Some(bad) => Err(Error::usage(format!(
            "The adapter {} at {} is out of range; it can be -{STRONGEST} to {STRONGEST}.",
            bad.name, bad.weight
        ))),
        None => Ok(()),
    }
}

/// Where an adapter lies: a path, with or without its ending, or a name in the folder `lora` of `KILN_MODELS`.
///
/// # Errors
/// When there is no such file.
pub fn locate_adapter(name: &str) -> Result<PathBuf> {
    let shelf = std::env::var_os(MODELS).map(|models| Path::new(&models).join("lora").join(name));
    let places = [Some(PathBuf::from(name)), shelf];
    for place in places.into_iter().flatten() {
        let mut ended = place.clone().into_os_string();
        ended.push(".safetensors");
        if let Some(found) = [place, ended.into()].into_iter().find(|path| path.is_file()) {
            return Ok(found);
        }
    }
    Err(Error::failed(format!("There is no LoRA adapter at {name}; give the path of a .safetensors file.")))
}

impl Shelf {
    fn get(&mut self, name: &str) -> Result<Arc<Read>> {
        let path = locate_adapter(name)?;
        let about = std::fs::metadata(&path).map_err(|e| Error::io("read the adapter", &path, e))?;
        let stamp = (about.len(), about.modified().ok());
        let known = self.read.iter().position(|read| read.path == path);
        let read = match known.map(|at| self.read.remove(at)).filter(|read| read.stamp == stamp) {
            Some(read) => read,
            None => {
                let adapter = Adapter::open(&path)?;
                Arc::new(Read { hash: hash_file(&path)?, path, stamp, adapter })
            }
        };
        self.read.push(read.clone());
        Ok(read)
    }
}

impl Pipeline {
    /// This checkpoint with adapters: `W + sum(weight * alpha / rank * up @ down)`, in order. Files are read when first used and
    /// when they have changed; another weight only merges again, and no adapters is the checkpoint itself.
    ///
    /// # Errors
    /// When a file is not found, damaged, does not fit this checkpoint, or corrects nothing of it.
    pub fn adapted(&self, adapters: &[AdapterRef]) -> Result<Adapted> {
        check(adapters)?;
        if adapters.is_empty() {
            return Ok(Adapted { corrected: None, adapters: Vec::new(), notices: Vec::new() });
        }
        let mut shelf = self.adapters.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut read = Vec::with_capacity(adapters.len());
        for adapter in adapters {
            read.push(shelf.get(&adapter.name)?);
        }
        let spare = shelf.read.len().saturating_sub(KEPT.max(adapters.len()));
        shelf.read.drain(..spare);
        let named: Vec<AdapterRef> = adapters
            .iter()
            .zip(&read)
            .map(|(adapter, read)| AdapterRef { hash: read.hash.clone(), ..adapter.clone() })
            .collect();
        if let Some(applied) = shelf.applied.as_ref().filter(|applied| applied.adapters == named) {
            return Ok(applied.clone());
        }
        // Two sets of corrected layers at once would be a waste of memory.
        shelf.applied = None;
        let weighed: Vec<(&Adapter, f32)> = read.iter().zip(adapters).map(|(r, a)| (&r.adapter, a.weight)).collect();
        // Trainers of SDXL name the denoiser's layers as the original layout does.
        let layers = self.unet_config.layers_per_block.at(0);
        let (unet, in_unet) = merge(&self.unet, Part::Unet, &weighed, &|key| keys::unet(key, layers))?;
        let (text, in_text) = merge(&self.text.model, Part::Text, &weighed, &|_| Vec::new())?;
        let mut pipeline = self.clone();
        pipeline.unet = unet;
        pipeline.text.model = text;
        let mut in_text2 = BTreeSet::new();
        if let Some(second) = &mut pipeline.text2 {
            (second.model, in_text2) = merge(&second.model, Part::Text2, &weighed, &|_| Vec::new())?;
        }
        // Words mean something else to another text encoder.
        pipeline.encodings = Arc::default();
        // The shelf holds this pipeline; one that held the shelf in turn would never be freed.
        pipeline.adapters = Arc::default();
        let mut notices = Vec::new();
        for (adapter, _) in weighed {
            let matches = |(part, layer): &&(Part, String)| match part {
                Part::Unet => in_unet.contains(layer),
                Part::Text => in_text.contains(layer),
                Part::Text2 => in_text2.contains(layer),
            };
            notices.extend(self.notice(adapter, adapter.corrections.keys().filter(matches).count())?);
        }
        let adapted = Adapted { corrected: Some(Arc::new(pipeline)), adapters: named, notices };
        shelf.applied = Some(adapted.clone());
        Ok(adapted)
    }

    /// What to say of an adapter of which `matched` layers were found.
    fn notice(&self, adapter: &Adapter, matched: usize) -> Result<Option<String>> {
        let layers = adapter.corrections.len();
        if matched == 0 {
            return Err(Error::failed(format!(
                "{} fits no layer of {}: none of its {layers} layers is there. It was made for another model family.",
                adapter.name, self.info.name
            )));
        }
        let mut said = Vec::new();
        if matched < layers {
            said.push(format!("{} of its {layers} layers are not in {}", layers - matched, self.info.name));
        }
        if !adapter.unknown.is_empty() {
            let example = &adapter.unknown[0];
            said.push(format!("{} of its keys are no LoRA that Kiln knows, such as {example}", adapter.unknown.len()));
        }
        Ok((!said.is_empty()).then(|| format!("{}: {}; the rest is applied.", adapter.name, said.join(", and "))))
    }
}
