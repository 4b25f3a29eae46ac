//! Safetensors files as they lie on disk, mapped into memory, with every entry of their header checked.

use crate::{Error, Result};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// How a value is written.
    pub dtype: Dtype,
    /// Sizes, slowest axis first.
    pub shape: Vec<usize>,
    /// Where its bytes lie in the file.
    pub bytes: Range<usize>,
}

/// A safetensors file whose header was found to be whole.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    map: Mmap,
    notes: HashMap<String, String>,
}

impl MappedFile {
    /// Maps a file and reads its header: the tensors, by key.
    ///
    /// # Errors
    /// When the file cannot be read, or its header is not the exact, gapless description of the bytes behind it.
    pub fn open(path: &Path) -> Result<(Self, HashMap<String, Entry>)> {
        let map = map(path)?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| damaged(path, &e.to_string()))?;
        // Eight bytes say how long the header is.
        let first = header + 8;
        let mut entries = HashMap::new();
        for (key, info) in metadata.tensors() {
            let bytes = info.data_offsets.0.saturating_add(first)..info.data_offsets.1.saturating_add(first);
            // The reader above has checked this; what is sliced later does not rest on its word alone.
            if bytes.start > bytes.end || bytes.end > map.len() {
                return Err(damaged(path, &format!("{key} lies outside the file")));
            }
            entries.insert(key, Entry { dtype: info.dtype, shape: info.shape.clone(), bytes });
        }
        let notes = metadata.metadata().clone().unwrap_or_default();
        Ok((Self { path: path.into(), map, notes }, entries))
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's own notes.
    pub fn notes(&self) -> &HashMap<String, String> {
        &self.notes
    }

    /// The bytes of an entry of this file; none of an entry of another.
    pub fn bytes(&self, entry: &Entry) -> &[u8] {
        self.map.get(entry.bytes.clone()).unwrap_or_default()
    }
}

/// The whole of a file as memory that the system fills when it is read.
#[allow(unsafe_code)]
fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|e| Error::io("open the weights", path, e))?;
    let length = file.metadata().map_err(|e| Error::io("read the weights", path, e))?;
    if !length.is_file() {
        return Err(Error::failed(format!("{} is not a file; choose a .safetensors file.", path.display())));
    }
    // An empty file cannot be mapped everywhere.
    if length.len() == 0 {
        return Err(damaged(path, "it is empty"));
    }
    // SAFETY: the map is only read, as bytes, of which every pattern is valid, and lives no longer than loading takes.
    // What remains is that another program cuts the file short meanwhile; everyone who maps files lives with that,
    // and reading a checkpoint of many gigabytes into memory beside its converted weights is the worse choice.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::io("read the weights", path, e))
}

/// The sentence for a file that cannot be used.
pub fn damaged(path: &Path, what: &str) -> Error {
    Error::failed(format!("{} is damaged or not a checkpoint: {what}. Copy or download it again.", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::Weights;
    use proptest::prelude::*;
    use safetensors::tensor::TensorView;

    fn write(bytes: &[u8]) -> tempfile::TempPath {
        let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file.into_temp_path()
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn valid() -> Vec<u8> {
        let a: Vec<u8> = (0..6).flat_map(|v| (v as f32).to_le_bytes()).collect();
        let b: Vec<u8> = (0..4).flat_map(|v| half::bf16::from_f32(v as f32).to_le_bytes()).collect();
        let views = [
            ("a.weight", TensorView::new(Dtype::F32, vec![2, 3], &a).unwrap()),
            ("b.weight", TensorView::new(Dtype::BF16, vec![4], &b).unwrap()),
        ];
        safetensors::serialize(views, None).unwrap()
    }

    /// Opens and reads everything; the sentence where that fails.
    fn read(bytes: &[u8]) -> std::result::Result<Vec<(String, Vec<f32>)>, String> {
        let path = write(bytes);
        let weights = Weights::open(&path).map_err(|e| e.message)?;
        let mut keys: Vec<String> = weights.keys().map(str::to_string).collect();
        keys.sort();
        keys.into_iter()
            .map(|key| {
                let (shape, values) = weights.tensor(&key).map_err(|e| e.message)?.expect("a key of the file");
                assert_eq!(shape.iter().product::<usize>(), values.len());
                Ok((key, values))
            })
            .collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let read = read(&valid()).unwrap();
        assert_eq!(read[0], ("a.weight".to_string(), vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(read[1], ("b.weight".to_string(), vec![0.0, 1.0, 2.0, 3.0]));
    }

    #[test]
    fn hostile_headers_get_a_sentence() {
        let f32s = |n: usize| vec![0u8; 4 * n];
        let entry = |shape: &str, from: u64, to: u64| {
            format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        };
        let one = |shape: &str, from, to| format!(r#"{{"a":{}}}"#, entry(shape, from, to));
        let two = |a: String, b: String| format!(r#"{{"a":{a},"b":{b}}}"#);
        let hostile = [
            ("overlapping", with_header(&two(entry("[2]", 0, 8), entry("[2]", 4, 12)), &f32s(3))),
            ("out of range", with_header(&one("[4]", 0, 16), &f32s(2))),
            ("backwards", with_header(&one("[2]", 8, 0), &f32s(2))),
            ("with a gap", with_header(&two(entry("[1]", 0, 4), entry("[1]", 8, 12)), &f32s(3))),
            ("of huge count", with_header(&one("[4294967296, 4294967296, 4]", 0, 8), &f32s(2))),
            ("at the end of numbers", with_header(&one("[2]", u64::MAX - 8, u64::MAX), &f32s(2))),
            ("of another length than its shape", with_header(&one("[3]", 0, 8), &f32s(2))),
            ("negative", with_header(&one("[-1]", 0, 8), &f32s(2))),
            ("longer than the file", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
            ("empty", Vec::new()),
            ("with bytes that nobody claims", with_header(&one("[1]", 0, 4), &f32s(2))),
        ];
        for (what, bytes) in hostile {
            let message = read(&bytes).expect_err(what);
            assert!(message.contains("damaged or not a checkpoint") && message.ends_with('.'), "{what}: {message}");
        }
        for bad in [f32::NAN, f32::INFINITY] {
            let message = read(&with_header(&one("[1]", 0, 4), &bad.to_le_bytes())).expect_err("not a number");
            assert!(message.contains("a holds values that are not numbers"), "{message}");
        }
        let integers = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        assert!(read(&with_header(integers, &f32s(2))).expect_err("integers").contains("I64"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), honest in any::<bool>()) {
            let length = (bytes.len() as u64).to_le_bytes();
            let _ = read(&if honest { [&length[..], &bytes].concat() } else { bytes });
        }

        #[test]
        fn mutated_files_are_answered(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), short in any::<bool>()
        ) {
            let mut bytes = valid();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if short {
                bytes.truncate(cut.index(bytes.len()));
                prop_assert!(read(&bytes).is_err());
            } else {
                let _ = read(&bytes);
            }
        }
    }
}
