//! The folder of adapters and learnt words: what each file is and proves, and how files come, go and are renamed.

use super::finetune::card::{CARD, Card, NOTE};
use super::lesson::Lesson;
use crate::library::{Thumbnail, encode, read_picture, shrink, write_new, write_whole};
use crate::model::checkpoint::Weights;
use crate::model::embedding::Embedding;
use crate::model::lora::Adapter;
use crate::pipeline::{ModelInfo, hash_file, locate_adapter};
use crate::recipe::Picture;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Side of an adapter's picture, pixels.
const SIDE: u32 = 256;
/// Longest name.
const LONGEST_NAME: usize = 80;
/// How a training state's file ends.
const STATE: &str = ".state.safetensors";

/// An adapter on the shelf.
#[derive(Debug, Clone, PartialEq)]
pub struct Shelved {
    /// Its file.
    pub path: PathBuf,
    /// What it is called: the file's name without its ending.
    pub name: String,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Smallest and largest rank.
    pub ranks: (usize, usize),
    /// Layers that it corrects.
    pub layers: usize,
    /// Hash of the file; `None` of one that is gone or too large to be read again and again.
    pub hash: Option<String>,
    /// Set where it is no adapter but a learnt word.
    pub word: Option<Word>,
    /// How it was trained, where Kiln did it.
    pub card: Option<Card>,
    /// A picture that was made with it.
    pub portrait: Option<Thumbnail>,
    /// Why it cannot be used, as a sentence.
    pub trouble: Option<String>,
}

/// A learnt word on the shelf.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// How it is written in a prompt.
    pub text: String,
    /// Numbers in its vectors, for each text encoder of the model that it was made for.
    pub widths: Vec<usize>,
}

impl Word {
    /// Whether a model can hear it.
    pub fn fits(&self, info: &ModelInfo) -> bool {
        self.widths == info.text_widths
    }
}

/// Bytes up to which a file is hashed when it is first seen: a quarter of a second.
const HASHED: u64 = 256 << 20;

/// What is known of a file without reading it again: of itself and of its picture.
type Stamp = (u64, Option<SystemTime>, Option<SystemTime>);

/// Files that were read before.
#[derive(Debug, Default)]
pub struct Shelf {
    known: HashMap<PathBuf, (Stamp, Arc<Shelved>)>,
    hashes: HashMap<PathBuf, (Stamp, String)>,
}

/// An adapter that is in use: where it lay, and the hash of its file, if that is known.
pub type Used = (PathBuf, String);

/// What there is.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those on the shelf by name, then those elsewhere.
    pub adapters: Vec<Arc<Shelved>>,
    /// Lessons that can be gone on with.
    pub lessons: Vec<Lesson>,
    /// Used ones that are gone from their place, and where the same file lies on the shelf.
    pub moved: Vec<(PathBuf, PathBuf)>,
}

impl Shelf {
    /// All adapters of a folder by name, then those that are `used` and lie elsewhere or are gone; the lessons that wait to be
    /// gone on with; and which of the used ones lie on the shelf under another name. A folder that is not there holds none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&mut self, folder: &Path, used: &[Used]) -> Result<Listing> {
        let mut paths = match std::fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|e| e.path()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io("read the folder of adapters", folder, e)),
        };
        paths.sort_by_key(|path| path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()));
        let lessons: Vec<Lesson> = paths.iter().filter_map(|path| Lesson::read(path)).collect();
        // What is still being learnt is no adapter yet.
        paths.retain(|path| is_adapter(path) && !lessons.iter().any(|lesson| lesson.out == *path));
        let here = paths.clone();
        let mut moved = Vec::new();
        for (path, hash) in used.iter().filter(|(path, _)| !here.contains(path)) {
            // A bare name may be found where models lie.
            if !path.is_absolute() && locate_adapter(&path.to_string_lossy()).is_ok() {
                continue;
            }
            let same = |other: &&PathBuf| !path.is_file() && !hash.is_empty() && self.hash_of(other) == *hash;
            match here.iter().find(same) {
                Some(other) => moved.push((path.clone(), other.clone())),
                None if !paths.contains(path) => paths.push(path.clone()),
                None => {}
            }
        }
        let adapters = paths.into_iter().map(|path| self.describe(path)).collect();
        Ok(Listing { adapters, lessons, moved })
    }

    /// The hash of a file on the shelf; empty when it cannot be read.
    fn hash_of(&mut self, path: &Path) -> String {
        let stamp = stamp(path);
        if let Some((_, hash)) = self.hashes.get(path).filter(|(known, _)| *known == stamp) {
            return hash.clone();
        }
        let hash = hash_file(path).unwrap_or_default();
        self.hashes.insert(path.to_path_buf(), (stamp, hash.clone()));
        hash
    }

    fn describe(&mut self, path: PathBuf) -> Arc<Shelved> {
        let stamp = stamp(&path);
        if let Some((_, known)) = self.known.get(&path).filter(|(known, _)| *known == stamp && path.is_file()) {
            return known.clone();
        }
        let mut shelved = read(path.clone());
        if shelved.trouble.is_none() && shelved.bytes <= HASHED {
            shelved.hash = Some(self.hash_of(&path)).filter(|hash| !hash.is_empty());
        }
        let shelved = Arc::new(shelved);
        self.known.insert(path, (stamp, shelved.clone()));
        shelved
    }
}

fn stamp(path: &Path) -> Stamp {
    let changed = |path: &Path| std::fs::metadata(path).ok().and_then(|about| about.modified().ok());
    (std::fs::metadata(path).map_or(0, |about| about.len()), changed(path), changed(&portrait_of(path)))
}

/// Whether a file's name is that of an adapter.
fn is_adapter(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.ends_with(".safetensors") && !name.ends_with(STATE) && !name.starts_with('.')
}

/// What a file is.
fn read(path: PathBuf) -> Shelved {
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
    let mut shelved = Shelved {
        name,
        bytes,
        ranks: (0, 0),
        layers: 0,
        hash: None,
        word: None,
        card: None,
        portrait: None,
        trouble: None,
        path,
    };
    if !shelved.path.is_file() {
        let path = shelved.path.display();
        shelved.trouble = Some(format!("{path} is gone: put the file back, or take the adapter out of the mix."));
        return shelved;
    }
    match Adapter::glance(&shelved.path) {
        Ok(found) => (shelved.ranks, shelved.layers) = found,
        Err(error) => match Embedding::open(&shelved.path) {
            Ok(found) => shelved.word = Some(Word { widths: found.widths(), text: found.word }),
            Err(_) => shelved.trouble = Some(error.message),
        },
    }
    shelved.card = card_of(&shelved.path);
    let portrait = Some(portrait_of(&shelved.path)).filter(|p| p.is_file()).and_then(|p| read_picture(&p).ok());
    shelved.portrait = portrait.and_then(|p| shrink(p.width, p.height, p.rgb, SIDE).ok());
    shelved
}

/// The training card in the file of an adapter or a word, or in the folder of a checkpoint, if Kiln wrote one.
pub fn card_of(made: &Path) -> Option<Card> {
    if made.is_dir() {
        return serde_json::from_slice(&std::fs::read(made.join(CARD)).ok()?).ok();
    }
    serde_json::from_str(Weights::open(made).ok()?.note(NOTE)?).ok()
}

/// Where the picture of an adapter lies.
pub fn portrait_of(adapter: &Path) -> PathBuf {
    adapter.with_extension("png")
}

/// Keeps a picture that was made with an adapter as its own.
///
/// # Errors
/// When it cannot be written.
pub fn keep_portrait(adapter: &Path, picture: &Picture) -> Result<()> {
    write_whole(&portrait_of(adapter), &encode(picture, crate::library::ExportFormat::Png)?)
}

/// A name as a file can carry it.
///
/// # Errors
/// When it is empty, too long, or has signs that file names cannot have.
pub fn check_name(name: &str) -> Result<&str> {
    let name = name.trim();
    let bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    if name.is_empty() {
        return Err(Error::usage("The name is empty: write a short one."));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(Error::usage(format!("The name is longer than {LONGEST_NAME} letters: write a shorter one.")));
    }
    if let Some(sign) = name.chars().find(|c| bad(*c)) {
        return Err(Error::usage(format!("A name cannot have {sign:?} in it: write it without.")));
    }
    if name.starts_with('.') || name.ends_with('.') || name.to_lowercase().ends_with(".state") {
        return Err(Error::usage(format!(
            "{name:?} cannot be a name: it may not begin or end with a dot, or end in .state."
        )));
    }
    Ok(name)
}

/// Gives an adapter another name, and its picture, note and state with it. Answers where it lies now.
///
/// # Errors
/// When the name cannot be one or is taken, or the file cannot be moved.
pub fn rename(path: &Path, name: &str) -> Result<PathBuf> {
    let name = check_name(name)?;
    let target = path.with_file_name(format!("{name}.safetensors"));
    if target == path {
        return Ok(target);
    }
    if target.exists() {
        return Err(Error::usage(format!("There is an adapter called {name} already: choose another name.")));
    }
    std::fs::rename(path, &target).map_err(|e| Error::io("rename", path, e))?;
    for of in [portrait_of as fn(&Path) -> PathBuf, Lesson::note_of, Lesson::state_of] {
        // They are no loss beside the adapter itself.
        _ = std::fs::rename(of(path), of(&target));
    }
    Ok(target)
}

/// Deletes an adapter or a word and what belongs to it, or what a lesson has left of a whole checkpoint.
///
/// # Errors
/// When a file cannot be removed.
pub fn delete(path: &Path) -> Result<()> {
    Lesson::forget(path)?;
    if path.is_dir() {
        // Only what Kiln wrote is Kiln's to delete.
        let kilns = path.join(CARD).is_file();
        let gone = if kilns { std::fs::remove_dir_all(path) } else { std::fs::remove_dir(path) };
        return gone.map_err(|e| Error::io("delete", path, e));
    }
    for file in [portrait_of(path), path.to_path_buf()] {
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("delete", &file, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Copies an adapter or a learnt word from elsewhere onto the shelf. Answers where it lies now.
///
/// # Errors
/// When it is none, is damaged, or cannot be copied.
pub fn import(folder: &Path, path: &Path) -> Result<PathBuf> {
    if let Err(error) = Adapter::open(path) {
        Embedding::open(path).map_err(|_| error)?;
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_else(|| "adapter".into());
    crate::library::make_writable_folder(folder)?;
    write_new(folder, &stem, "safetensors", &bytes)
}

/// Copies an adapter to a place of the person's choice.
///
/// # Errors
/// When one of the two files cannot be read or written.
pub fn export(path: &Path, target: &Path) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    write_whole(target, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::embedding::Vectors;
    use crate::model::lora::{Part, Trained, save};

    fn adapter(path: &Path) {
        let layer = Trained {
            part: Part::Unet,
            path: "conv_in".into(),
            a: vec![0.5; 12],
            b: vec![0.25; 8],
            rank: 2,
            alpha: 2.0,
            kernel: None,
        };
        save(&[layer], &[], path).unwrap();
    }

    #[test]
    fn files_come_are_renamed_and_go_and_troubles_are_sentences() {
        let place = tempfile::tempdir().unwrap();
        let (folder, other) = (place.path().join("adapters"), place.path().join("ink.safetensors"));
        let mut shelf = Shelf::default();
        assert!(shelf.list(&folder, &[]).unwrap().adapters.is_empty());
        adapter(&other);
        let first = import(&folder, &other).unwrap();
        let second = import(&folder, &other).unwrap();
        assert!(first != second && first.parent() == Some(folder.as_path()));
        std::fs::write(folder.join("torn.safetensors"), b"torn").unwrap();
        std::fs::write(folder.join("a.state.safetensors"), b"").unwrap();
        std::fs::write(folder.join("b.state.safetensors"), b"").unwrap();
        std::fs::write(folder.join("b.lesson.json"), b"{ not a lesson").unwrap();
        let gone = place.path().join("gone.safetensors");
        let picture = Picture { width: 8, height: 4, rgb: vec![9; 96], recipe: Default::default(), seconds: 0.0 };
        keep_portrait(&first, &picture).unwrap();
        let used: Vec<Used> = [&first, &gone, &other].map(|path| (path.clone(), String::new())).into();
        let Listing { adapters: all, lessons, moved } = shelf.list(&folder, &used).unwrap();
        assert!(moved.is_empty());
        let names: Vec<&str> = all.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["ink", "ink-2", "torn", "gone", "ink"]);
        assert!(lessons.is_empty() && all[0].portrait.is_some() && all[0].ranks == (2, 2) && all[0].layers == 1);
        assert!(all[2].trouble.as_ref().is_some_and(|t| t.contains("torn.safetensors")), "{:?}", all[2]);
        assert!(all[3].trouble.as_ref().is_some_and(|t| t.contains("is gone")), "{:?}", all[3]);

        assert!(rename(&second, "ink").unwrap_err().message.contains("already"));
        for bad in ["", " ", "a/b", ".x", "x.state", "a\u{7}b"] {
            assert!(rename(&second, bad).is_err(), "{bad:?}");
        }
        let renamed = rename(&first, " Old ink ").unwrap();
        assert!(renamed.ends_with("Old ink.safetensors") && portrait_of(&renamed).is_file() && !first.exists());
        // A Recipe finds it by its hash, from wherever it was before.
        let hash = hash_file(&renamed).unwrap();
        let found = shelf.list(&folder, &[(first.clone(), hash.clone()), (gone, "other".into())]).unwrap();
        assert_eq!(found.moved.len(), 1);
        assert_eq!(found.moved[0].0, first);
        assert_eq!(hash_file(&found.moved[0].1).unwrap(), hash);
        let target = place.path().join("out.safetensors");
        export(&renamed, &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), std::fs::read(&other).unwrap());
        delete(&renamed).unwrap();
        assert!(!renamed.exists() && !portrait_of(&renamed).exists());
        assert!(import(&folder, &place.path().join("nothing")).is_err());

        // A learnt word is one of them; a folder that Kiln did not write stays.
        let word =
            Embedding { word: "<ink>".into(), vectors: vec![Vectors { rows: 1, width: 4, values: vec![0.5; 4] }] };
        word.save(&[], &other).unwrap();
        let word = import(&folder, &other).unwrap();
        let listed = shelf.list(&folder, &[]).unwrap().adapters;
        let found = listed.iter().find(|a| a.path == word).unwrap();
        assert_eq!((found.word.clone(), &found.trouble), (Some(Word { text: "<ink>".into(), widths: vec![4] }), &None));
        let strange = folder.join("strange");
        std::fs::create_dir(&strange).unwrap();
        std::fs::write(strange.join("mine.txt"), b"mine").unwrap();
        assert!(delete(&strange).is_err() && strange.join("mine.txt").is_file());
    }
}
