//! A fine-tuning as the studio asks for it, and the note of it that lies beside the adapter until it is finished.

use super::finetune::{Choices, Settings, Taught, beside};
use crate::library::{make_writable_folder, write_whole};
use crate::recipe::Recipe;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How the file of a note ends.
const ENDING: &str = ".lesson.json";

/// How the folder of imagined pictures ends.
const IMAGINED: &str = "imagined";

/// A lesson from a person's choices instead of a folder of pictures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rated {
    /// Groups of new pictures of which the taste that was learnt from the choices makes more of them.
    pub imagined: u64,
    /// What is learnt from, once it was gathered: a lesson that is gone on with is the same lesson, whatever was rated since.
    pub choices: Option<Choices>,
}

/// What is to be taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Folder of pictures; the library's, where its choices teach.
    pub folder: PathBuf,
    /// Set where choices teach.
    #[serde(default)]
    pub rated: Option<Rated>,
    /// File for the adapter or the word, ending in `.safetensors`; folder for a whole checkpoint.
    #[serde(skip)]
    pub out: PathBuf,
    /// The checkpoint, by the hash of its weights.
    pub base: String,
    /// What decides the result.
    pub settings: Settings,
    /// Look for a good learning rate, rank and weight decay first.
    #[serde(default)]
    pub search: bool,
    /// Pictures that are made before and after, to be compared.
    pub looks: Vec<Recipe>,
    /// Captions to write beside pictures before it begins.
    #[serde(skip)]
    pub captions: Vec<(PathBuf, String)>,
    /// Go on where it was stopped.
    #[serde(skip)]
    pub resume: bool,
}

impl Lesson {
    /// Where the note of an adapter's lesson lies.
    pub fn note_of(out: &Path) -> PathBuf {
        beside(out, ENDING)
    }

    /// What is made is called this.
    pub fn name(&self) -> String {
        beside(&self.out, "").file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Writes the note, so that the lesson can be gone on with after Kiln was closed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep(&self) -> Result<()> {
        if let Some(folder) = self.out.parent() {
            make_writable_folder(folder)?;
        }
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::failed(format!("The lesson could not be written down: {e}.")))?;
        write_whole(&Self::note_of(&self.out), &text)
    }

    /// Where the imagined pictures of an adapter's lesson lie until its end.
    pub fn imagined_of(out: &Path) -> PathBuf {
        out.with_extension(IMAGINED)
    }

    /// Takes up the choices that its note holds, where it goes on.
    pub fn take_up_choices(&mut self) {
        let Some(rated) = self.rated.as_mut().filter(|rated| self.resume && rated.choices.is_none()) else { return };
        rated.choices = Self::read(&Self::note_of(&self.out)).and_then(|kept| kept.rated?.choices);
    }

    /// Removes the note, the training state, the prepared pictures and what was imagined: it is finished, or given up.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn forget(out: &Path) -> Result<()> {
        for path in [Self::note_of(out), Self::state_of(out), super::finetune::latents_of(out)] {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &path, e)),
                _ => {}
            }
        }
        Self::forget_imagined(out);
        Ok(())
    }

    /// Deletes what was imagined for an adapter's lesson; drawn anew where it is needed again.
    pub fn forget_imagined(out: &Path) {
        // Only what Kiln draws there: pictures named by their seeds.
        let imagined = Self::imagined_of(out);
        for file in std::fs::read_dir(&imagined).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.strip_suffix(".png").is_some_and(|seed| seed.bytes().all(|b| b.is_ascii_digit())) {
                _ = std::fs::remove_file(file.path());
            }
        }
        _ = std::fs::remove_dir(&imagined);
    }

    /// Where the training state of an adapter lies.
    pub fn state_of(out: &Path) -> PathBuf {
        super::finetune::state_of(out)
    }

    /// Reads the note at `path`; `None` when it is none, is damaged, or there is no training state to go on from.
    pub fn read(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
        let lesson: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let ending = if lesson.settings.taught == Taught::Full { "" } else { ".safetensors" };
        let out = path.with_file_name(format!("{name}{ending}"));
        Self::state_of(&out).is_file().then_some(Self { out, resume: true, ..lesson })
    }
}
