//! Words that were learnt besides a text encoder's own (textual inversion, Gal et al. 2022, arXiv:2208.01618): their files.

use super::checkpoint::{Weights, Written, write};
use crate::{Error, Result};
use safetensors::tensor::Dtype;
use std::collections::HashMap;
use std::path::Path;

/// Most vectors of one word.
const MOST: usize = 256;
/// Keys under which trainers that name no word put their vectors; the file's name is the word then.
const NAMELESS: [&str; 2] = ["emb_params", "*"];
/// Keys of files for SDXL, which hold vectors for both of its text encoders.
const BOTH: [&str; 2] = ["clip_l", "clip_g"];

/// Vectors of one word for one text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// `[rows, width]`; the word stands for that many tokens.
    pub values: Vec<f32>,
    /// At least 1.
    pub rows: usize,
    /// As wide as the text encoder's own.
    pub width: usize,
}

/// A learnt word.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// How it is written in a prompt.
    pub word: String,
    /// For each text encoder of the family that it was made for: one, or SDXL's two.
    pub vectors: Vec<Vectors>,
}

impl Embedding {
    /// Reads `{word: vectors}`, as diffusers' `load_textual_inversion` does; one nameless tensor, whose word is the file's name; or
    /// SDXL's `clip_l` and `clip_g`, with the file's name, too.
    ///
    /// # Errors
    /// When the file is damaged or of none of these layouts.
    pub fn open(path: &Path) -> Result<Self> {
        let weights = Weights::open(path)?;
        let mut keys: Vec<String> = weights.keys().map(str::to_string).collect();
        keys.sort();
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let (word, keys) = match keys.as_slice() {
            [g, l] if g == BOTH[1] && l == BOTH[0] => (stem, BOTH.map(str::to_string).to_vec()),
            [one] if NAMELESS.contains(&one.as_str()) => (stem, keys),
            [one] => (one.clone(), keys),
            _ => {
                return Err(Error::failed(format!(
                    "{} is no textual inversion: it holds {} tensors, where there is one named after its word, or clip_l and \
                     clip_g. Give another file.",
                    path.display(),
                    keys.len()
                )));
            }
        };
        if word.trim().is_empty() {
            return Err(Error::failed(format!("The word of {} has no name; rename the file to it.", path.display())));
        }
        let vectors: Vec<Vectors> = keys.iter().map(|key| read(&weights, key, path)).collect::<Result<_>>()?;
        if vectors.windows(2).any(|pair| pair[0].rows != pair[1].rows) {
            return Err(Error::failed(format!(
                "{} does not fit together: its two text encoders have different numbers of vectors. Get the file again.",
                path.display()
            )));
        }
        Ok(Self { word, vectors })
    }

    /// Numbers in its vectors, for each text encoder; it is heard by those that are as wide.
    pub fn widths(&self) -> Vec<usize> {
        self.vectors.iter().map(|vectors| vectors.width).collect()
    }

    /// Writes `{word: [rows, width]}` in 32 bits, which `load_textual_inversion` opens; replaces the file atomically. `notes` go to
    /// the header.
    ///
    /// # Errors
    /// When it has vectors for two text encoders, whose layout names no word, or the file cannot be written.
    pub fn save(&self, notes: &[(&str, &str)], path: &Path) -> Result<()> {
        let [vectors] = self.vectors.as_slice() else {
            return Err(Error::failed(format!(
                "The word {} has vectors for {} text encoders; only a word for one is written.",
                self.word,
                self.vectors.len()
            )));
        };
        let bytes = vectors.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor: Written = (self.word.clone(), vec![vectors.rows, vectors.width], bytes);
        let notes: HashMap<String, String> = notes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        write("word", &[tensor], Dtype::F32, notes, path)
    }
}

fn read(weights: &Weights, key: &str, path: &Path) -> Result<Vectors> {
    // By its shape first, so that no checkpoint is read whole.
    let shape = weights.shape(key).unwrap_or_default().to_vec();
    let (rows, width) = match shape.as_slice() {
        [width] => (1, *width),
        [rows, width] => (*rows, *width),
        _ => (0, 0),
    };
    if rows == 0 || rows > MOST || width == 0 {
        return Err(Error::failed(format!(
            "{} is no textual inversion: {key} has the shape {shape:?}, where there are 1 to {MOST} vectors. Give another file.",
            path.display()
        )));
    }
    let values = weights.tensor(key)?.map(|(_, values)| values).unwrap_or_default();
    Ok(Vectors { values, rows, width })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(folder: &Path, name: &str, tensors: &[(&str, Vec<usize>)]) -> std::path::PathBuf {
        let path = folder.join(name);
        let written: Vec<Written> = tensors
            .iter()
            .map(|(key, shape)| {
                let n = shape.iter().product::<usize>();
                let bytes = (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect();
                (key.to_string(), shape.clone(), bytes)
            })
            .collect();
        write("test", &written, Dtype::F32, HashMap::new(), &path).unwrap();
        path
    }

    #[test]
    fn every_layout_is_read_and_the_own_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str, tensors: &[(&str, Vec<usize>)]| Embedding::open(&file(folder.path(), name, tensors));
        let one = open("a.safetensors", &[("<fox>", vec![4])]).unwrap();
        assert_eq!((one.word.as_str(), one.vectors[0].rows, one.vectors[0].width), ("<fox>", 1, 4));
        let two = open("ink.safetensors", &[("emb_params", vec![2, 4])]).unwrap();
        assert_eq!((two.word.as_str(), two.vectors[0].rows), ("ink", 2));
        let both = open("ink.safetensors", &[("clip_l", vec![2, 4]), ("clip_g", vec![2, 6])]).unwrap();
        assert_eq!((both.word.as_str(), both.vectors[0].width, both.vectors[1].width), ("ink", 4, 6), "l comes first");
        assert!(both.save(&[], &folder.path().join("b.safetensors")).unwrap_err().message.contains("2 text encoders"));

        let path = folder.path().join("saved.safetensors");
        one.save(&[("note", "x")], &path).unwrap();
        assert_eq!(Embedding::open(&path).unwrap(), one);
        let weights = Weights::open(&path).unwrap();
        assert_eq!((weights.shape("<fox>"), weights.note("note")), (Some(&[1, 4][..]), Some("x")));

        for tensors in [
            vec![("a", vec![4]), ("b", vec![4])],
            vec![("<fox>", vec![1, 2, 3])],
            vec![("<fox>", vec![0, 4])],
            vec![("<fox>", vec![1000, 4])],
        ] {
            let error = open("bad.safetensors", &tensors).unwrap_err();
            assert!(error.message.contains("no textual inversion"), "{error}");
        }
        let uneven = open("bad.safetensors", &[("clip_l", vec![1, 4]), ("clip_g", vec![2, 6])]).unwrap_err();
        assert!(uneven.message.contains("does not fit together"), "{uneven}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_name_and_shape_are_answered(name in "\\PC{0,8}", shape in proptest::collection::vec(0usize..5, 0..4)) {
            let folder = tempfile::tempdir().unwrap();
            if let Ok(found) = Embedding::open(&file(folder.path(), "a.safetensors", &[(name.as_str(), shape)])) {
                prop_assert!(!found.word.trim().is_empty() && !found.vectors[0].values.is_empty());
            }
        }
    }
}
