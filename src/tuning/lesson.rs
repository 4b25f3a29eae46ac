//! A fine-tuning as the studio asks for it, and the note of it that lies beside the adapter until it is finished.

use super::finetune::Settings;
use crate::library::{make_writable_folder, write_whole};
use crate::recipe::Recipe;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How the file of a note ends.
const ENDING: &str = ".lesson.json";

/// What is to be taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Folder of pictures.
    pub folder: PathBuf,
    /// File for the adapter, ending in `.safetensors`.
    #[serde(skip)]
    pub out: PathBuf,
    /// The checkpoint, by the hash of its weights.
    pub base: String,
    /// What decides the result.
    pub settings: Settings,
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
        let name = out.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        out.with_file_name(format!("{name}{ENDING}"))
    }

    /// The adapter's name.
    pub fn name(&self) -> String {
        self.out.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
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

    /// Removes the note and the training state: it is finished, or given up.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn forget(out: &Path) -> Result<()> {
        for path in [Self::note_of(out), Self::state_of(out)] {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &path, e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the training state of an adapter lies.
    pub fn state_of(out: &Path) -> PathBuf {
        super::finetune::state_of(out)
    }

    /// Reads the note at `path`; `None` when it is none, is damaged, or there is no training state to go on from.
    pub fn read(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
        let out = path.with_file_name(format!("{name}.safetensors"));
        if !Self::state_of(&out).is_file() {
            return None;
        }
        let lesson: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some(Self { out, resume: true, ..lesson })
    }
}
