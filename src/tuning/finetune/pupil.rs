//! What is taught, how it is put into the checkpoint while it learns, and the file or folder that it becomes.

use super::card::{CARD, Card, NOTE};
use super::settings::{LARGE, LossKind, Settings, Taught};
use super::student::{Judge, Student};
use crate::corpus::rng::Rng;
use crate::library::{make_writable_folder, write_whole};
use crate::model::Init;
use crate::model::checkpoint::{Precision, Weights, save as save_weights};
use crate::model::embedding::{Embedding, Vectors};
use crate::model::lora::merge::merge;
use crate::model::lora::trainable::{Lora, Target, frozen, reread, targets, unfrozen};
use crate::model::lora::{Adapter, Part as Network, Trained, save};
use crate::model::unet::{Stage, Unet};
use crate::pipeline::{Pipeline, values};
use crate::tuning::recompute::Parts;
use crate::{Error, Result};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::path::{Path, PathBuf};

/// Folders of a checkpoint that a fine-tuned copy takes over; of its denoiser only the configuration.
const PARTS: [&str; 6] = ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae", "scheduler"];
/// The denoiser's file in a checkpoint's folder.
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// The best check.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    Adapter(Vec<Trained>),
    /// The vector of a word.
    Word(Vec<f32>),
    Denoiser(Box<Unet>),
}

/// What answers questions: a denoiser, and who hears their words.
pub(super) struct Answers {
    pub unet: Unet,
    pub hears: Pipeline,
}

/// The denoiser in one step of learning.
pub(super) struct Learner<'a> {
    /// On the device with gradients; tracked where it learns as a whole.
    unet: Unet,
    /// What is put into it.
    lora: Option<Lora>,
    targets: &'a [Target],
}

impl Learner<'_> {
    /// All of it at once.
    pub fn whole(&self) -> Unet {
        match &self.lora {
            Some(lora) => lora.apply(&self.unet, self.targets),
            None => self.unet.clone(),
        }
    }
}

impl Parts for Learner<'_> {
    fn stages(&self) -> Vec<Stage> {
        self.unet.stages()
    }

    fn learning(&self, stage: Option<Stage>) -> Unet {
        let Some(lora) = &self.lora else { return self.unet.clone() };
        let stages = self.stages();
        let held = |path: &str| match stage {
            Some(stage) => stage.holds(path),
            None => !stages.iter().any(|stage| stage.holds(path)),
        };
        lora.apply_where(&self.unet, self.targets, &held)
    }

    fn plain(&self, stage: Stage) -> Unet {
        let unet = self.unet.valid();
        match &self.lora {
            Some(lora) => lora.valid().apply_where(&unet, self.targets, &|path| stage.holds(path)),
            None => unet,
        }
    }
}

/// A checkpoint and what is taught to it.
pub(super) struct Pupil<'a> {
    pipeline: &'a Pipeline,
    settings: &'a Settings,
    out: &'a Path,
    /// Layers that an adapter corrects; none where something else learns.
    pub targets: Vec<Target>,
    /// The denoiser on the device with gradients, untracked.
    frozen: Unet,
    /// The first vector, where a word learns.
    first: Vec<f32>,
}

impl<'a> Pupil<'a> {
    /// # Errors
    /// When the checkpoint cannot be taught this, or the word to begin with is none of its own.
    pub fn new(pipeline: &'a Pipeline, settings: &'a Settings, out: &'a Path) -> Result<Self> {
        let (mut found, mut first) = (Vec::new(), Vec::new());
        let info = pipeline.info();
        match &settings.taught {
            Taught::Adapter => found = targets(pipeline.unet()),
            Taught::Word { initial, .. } => first = pipeline.vector_of(initial)?,
            Taught::Full if info.parameters > LARGE => {
                return Err(Error::usage(format!(
                    "{} is too large to be fine-tuned as a whole here; leave --full out, and an adapter learns the same.",
                    info.name
                )));
            }
            Taught::Full if !info.path.is_dir() => {
                return Err(Error::usage(format!(
                    "{} is one file, and only a checkpoint folder can be fine-tuned as a whole; leave --full out, and an adapter \
                     learns the same.",
                    info.name
                )));
            }
            Taught::Full => {}
        }
        Ok(Self { pipeline, settings, out, targets: found, frozen: frozen(pipeline.unet()), first })
    }

    fn device(&self) -> Device {
        self.pipeline.device().clone().autodiff()
    }

    /// Everything that learns, at its first values.
    pub fn student(&self) -> Student {
        let settings = self.settings;
        let mut init = Init::new(&self.device(), settings.seed);
        let lora = (settings.taught == Taught::Adapter).then(|| Lora::new(&mut init, &self.targets, settings.rank));
        let unet = (settings.taught == Taught::Full).then(|| unfrozen(self.pipeline.unet()));
        let word = matches!(settings.taught, Taught::Word { .. })
            .then(|| Param::from_tensor(vector(&self.first, &self.device())));
        let judged = settings.loss == LossKind::Adversarial;
        let judge = judged.then(|| Judge::new(&mut init, self.pipeline.latent_channels()));
        Student { lora, unet, word, judge }
    }

    /// Layers that learn, and their weights.
    pub fn size(&self, student: &Student) -> (usize, usize) {
        let all = Student { judge: None, ..student.clone() };
        let layers = match self.settings.taught {
            Taught::Adapter => self.targets.len(),
            Taught::Word { .. } => 1,
            Taught::Full => targets(self.pipeline.unet()).len(),
        };
        (layers, all.num_params())
    }

    /// The denoiser with what learns in it, and the captions as they are heard now where it is a word that learns; all with
    /// gradients. `dice` decides which ranks are left out.
    ///
    /// # Errors
    /// When a caption cannot be encoded.
    pub fn learning(
        &self,
        student: &Student,
        captions: &[String],
        dice: u64,
    ) -> Result<(Learner<'_>, Option<Tensor<3>>)> {
        let dropout = self.settings.rank_dropout;
        let lora = student.lora.clone().map(|lora| match dropout > 0.0 {
            true => {
                let mut rng = Rng::new(dice);
                lora.dropped(dropout, &mut || rng.chance(dropout))
            }
            false => lora,
        });
        let words = match (&student.word, &self.settings.taught) {
            (Some(vector), Taught::Word { name, .. }) => {
                let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
                Some(self.pipeline.hearing(name, vector.val()).words_of(&captions)?)
            }
            _ => None,
        };
        let unet = student.unet.clone().unwrap_or_else(|| self.frozen.clone());
        Ok((Learner { unet, lora, targets: &self.targets }, words))
    }

    /// The checkpoint before anything is learnt.
    pub fn before(&self) -> Answers {
        let hears = match &self.settings.taught {
            Taught::Word { name, .. } => self.pipeline.hearing(name, vector(&self.first, self.pipeline.device())),
            _ => self.pipeline.clone(),
        };
        Answers { unet: self.pipeline.unet().clone(), hears }
    }

    /// The checkpoint with what was learnt, off the device with gradients.
    pub fn after(&self, averaged: &Student) -> Answers {
        let before = self.before();
        let unet = match (&averaged.lora, &averaged.unet) {
            (Some(lora), _) => lora.apply(self.pipeline.unet(), &self.targets),
            (None, Some(unet)) => unet.clone(),
            (None, None) => before.unet,
        };
        let hears = match (&averaged.word, &self.settings.taught) {
            (Some(vector), Taught::Word { name, .. }) => self.pipeline.hearing(name, vector.val()),
            _ => before.hears,
        };
        Answers { unet, hears }
    }

    /// What the averaged student is worth keeping of.
    ///
    /// # Errors
    /// When the device hands no numbers back.
    pub fn keep(&self, averaged: &Student) -> Result<Kept> {
        Ok(match averaged {
            Student { lora: Some(lora), .. } => Kept::Adapter(lora.trained(&self.targets)),
            Student { unet: Some(unet), .. } => Kept::Denoiser(Box::new(unet.clone())),
            Student { word, .. } => match word {
                Some(vector) => Kept::Word(values(vector.val())?),
                None => Kept::Word(self.first.clone()),
            },
        })
    }

    /// Writes what was kept, with its card: in the file's header, or beside the weights of a whole checkpoint.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, kept: &Kept, card: &Card) -> Result<()> {
        let text = serde_json::to_string(card)
            .map_err(|e| Error::failed(format!("The training card could not be written down: {e}.")))?;
        match kept {
            Kept::Adapter(layers) => save(layers, &[(NOTE, &text)], self.out),
            Kept::Word(values) => self.embedding(values).save(&[(NOTE, &text)], self.out),
            Kept::Denoiser(unet) => {
                self.take_over()?;
                save_weights(unet.as_ref(), "", &self.out.join("unet").join(WEIGHTS), Precision::F16)?;
                write_whole(&self.out.join(CARD), text.as_bytes())?;
                // Whoever finds it finds a whole checkpoint.
                copy(&self.pipeline.info().path, self.out, "model_index.json")
            }
        }
    }

    fn embedding(&self, values: &[f32]) -> Embedding {
        let word = match &self.settings.taught {
            Taught::Word { name, .. } => name.clone(),
            _ => String::new(),
        };
        Embedding { word, vectors: vec![Vectors { values: values.to_vec(), rows: 1, width: values.len() }] }
    }

    /// Copies everything of the checkpoint that is not the denoiser's weights, once.
    fn take_over(&self) -> Result<()> {
        let (from, out) = (&self.pipeline.info().path, self.out);
        if out.join("model_index.json").is_file() {
            return Ok(());
        }
        for part in PARTS.iter().filter(|part| from.join(part).is_dir()) {
            make_writable_folder(&out.join(part))?;
            let entries = std::fs::read_dir(from.join(part)).map_err(|e| Error::io("read", &from.join(part), e))?;
            for file in entries.flatten().filter(|entry| entry.path().is_file()) {
                copy(&from.join(part), &out.join(part), &file.file_name().to_string_lossy())?;
            }
        }
        make_writable_folder(&out.join("unet"))?;
        copy(&from.join("unet"), &out.join("unet"), "config.json")?;
        let extras = from.join("kiln.json");
        if !extras.is_file() {
            return Ok(());
        }
        // It is another model now, and is to be called so.
        let mut named: serde_json::Value = crate::model::config::read_json(&extras)?;
        named["name"] = out.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default().into();
        write_whole(&out.join("kiln.json"), format!("{named:#}\n").as_bytes())
    }

    /// What an earlier run kept, from its file; `None` when it is gone or is something else.
    pub fn reopen(&self) -> Option<Kept> {
        match &self.settings.taught {
            Taught::Adapter => Some(Kept::Adapter(reread(&Adapter::open(self.out).ok()?, &self.targets)?)),
            Taught::Word { name, .. } => {
                let found = Embedding::open(self.out).ok().filter(|found| found.word == *name)?;
                Some(Kept::Word(found.vectors.into_iter().next()?.values))
            }
            Taught::Full => Some(Kept::Denoiser(Box::new(self.denoiser().ok()?))),
        }
    }

    fn denoiser(&self) -> Result<Unet> {
        Weights::of_component(&self.out.join("unet"))?.load(self.pipeline.unet().clone(), &[""])
    }

    /// The checkpoint with what was learnt as its file holds it, the way in which pictures will be drawn with it.
    ///
    /// # Errors
    /// When the file is gone or damaged.
    pub fn written(&self) -> Result<Answers> {
        let before = self.before();
        Ok(match self.settings.taught {
            Taught::Adapter => {
                let adapter = Adapter::open(self.out)?;
                let (unet, _) = merge(&before.unet, Network::Unet, &[(&adapter, 1.0)], &|_| Vec::new())?;
                Answers { unet, ..before }
            }
            Taught::Word { .. } => {
                let word = (Embedding::open(self.out)?, PathBuf::from(self.out));
                Answers { hears: self.pipeline.with_words(&[word])?, ..before }
            }
            Taught::Full => Answers { unet: self.denoiser()?, ..before },
        })
    }
}

/// A word's vector as a matrix of one row.
fn vector(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
}

fn copy(from: &Path, to: &Path, name: &str) -> Result<()> {
    let bytes = std::fs::read(from.join(name)).map_err(|e| Error::io("read", &from.join(name), e))?;
    write_whole(&to.join(name), &bytes)
}

/// Refuses an output that would fail after minutes of work, or cost another checkpoint.
pub(super) fn check_out(out: &Path, settings: &Settings, resume: bool) -> Result<()> {
    let is_file = out.extension().is_some_and(|e| e == "safetensors");
    if settings.taught != Taught::Full {
        if !is_file {
            return Err(Error::usage(format!("{} has to end in .safetensors.", out.display())));
        }
        let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return make_writable_folder(folder);
    }
    if is_file || out.is_file() {
        return Err(Error::usage(format!(
            "--full makes a whole checkpoint, which is a folder: name one instead of {}.",
            out.display()
        )));
    }
    let taken = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !(resume && out.join(CARD).is_file()) {
        return Err(Error::usage(format!(
            "{} holds something already, which Kiln does not replace: name a new folder, or --resume the training that made it.",
            out.display()
        )));
    }
    make_writable_folder(out)
}

/// Contexts in which a new word is shown where a picture's own caption does not name it, `{}` being the word: neutral ones, as Gal et
/// al. 2022 (arXiv:2208.01618) take them from CLIP's. Those in which the checkpoint does not know a word are left out.
pub(super) fn contexts(pipeline: &Pipeline, word: &str) -> Vec<String> {
    const ALL: [&str; 9] = [
        "{}",
        "a {}",
        "the {}",
        "a picture of {}",
        "a photo of {}",
        "a painting of {}",
        "an illustration of {}",
        "{} pattern",
        "a rendition of {}",
    ];
    let known = ALL.iter().filter(|context| pipeline.info().knows(&context.replace("{}", " ")));
    known.map(|context| context.replace("{}", word)).collect()
}
