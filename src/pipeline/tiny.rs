//! Where a person may have put a tiny decoder for previews: beside the checkpoint, or in a folder for such beside it.

use crate::model::checkpoint::Weights;
use crate::model::tiny_decoder::TinyFile;
use std::path::{Path, PathBuf};

/// Larger files are something else, in bytes; the public ones have 5 to 10 MB.
const LARGEST: u64 = 64 << 20;
/// Entries of a folder that are looked at.
const MOST: usize = 4096;
/// The folder for such decoders, as other programs call it.
const FOLDERS: [&str; 2] = ["vae_approx", "vae-approx"];

/// The tiny decoders that lie beside a checkpoint, in the order of their paths, and a sentence for each that is damaged.
pub(super) fn beside(checkpoint: &Path) -> (Vec<TinyFile>, Vec<String>) {
    let Ok(path) = std::path::absolute(checkpoint) else { return Default::default() };
    // A diffusers folder is a home itself.
    let homes: Vec<&Path> = path.ancestors().skip(usize::from(!path.is_dir())).take(3).collect();
    let near = if path.is_dir() { 2 } else { 1 };
    let (mut found, mut notices) = (Vec::new(), Vec::new());
    for (i, home) in homes.iter().take(near + 1).enumerate() {
        let inside = entries(home);
        let approx = inside.iter().filter(|entry| lower_name(entry).is_some_and(|n| FOLDERS.contains(&n.as_str())));
        for entry in approx.flat_map(|folder| entries(folder)) {
            take(&entry, true, &mut found, &mut notices);
        }
        // The folder above holds the program's other folders.
        for entry in inside.iter().filter(|_| i < near) {
            take(entry, false, &mut found, &mut notices);
        }
    }
    (found, notices)
}

/// Keeps what is a tiny decoder. `meant` says that everything in this folder should be one.
fn take(entry: &Path, meant: bool, found: &mut Vec<TinyFile>, notices: &mut Vec<String>) {
    let weights = entry.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    let small = || entry.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
    if !(weights && small() || entry.is_dir()) {
        return;
    }
    match TinyFile::open(entry) {
        Ok(file) => found.extend(file),
        // What else lies beside a checkpoint and is damaged is no business of the previews.
        Err(error) => {
            let meant = meant || lower_name(entry).is_some_and(|name| name.starts_with("tae"));
            if meant || entry.is_dir() || Weights::open(entry).is_ok() {
                notices.push(error.message);
            }
        }
    }
}

fn lower_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase())
}

/// What is in a folder, sorted; nothing where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST).map(|entry| entry.path()).collect();
    all.sort();
    all
}
