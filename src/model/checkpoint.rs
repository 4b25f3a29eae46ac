//! Weights from and to safetensors files, into any module of this folder.

use super::mapped::{Entry, MappedFile, damaged};
use super::naming::{Layout, Path as ModulePath};
use crate::kernels::cpu::matrix::transpose;
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the values of one parameter lie in a file of another layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Under this key.
    Whole(String),
    /// One of three equal parts along the first axis: queries, keys and values that were written as one.
    Third {
        /// The key of all three.
        key: String,
        /// Which of them, from 0.
        index: usize,
    },
    /// A matrix under this key, with its axes exchanged.
    Transposed(String),
}

impl Source {
    /// The key in the file.
    pub fn key(&self) -> &str {
        match self {
            Self::Whole(key) | Self::Third { key, .. } | Self::Transposed(key) => key,
        }
    }
}

/// The tensors of one or several safetensors files, still as they lie on disk.
#[derive(Debug, Default)]
pub struct Weights {
    files: Vec<MappedFile>,
    /// Key to file and entry.
    index: HashMap<String, (usize, Entry)>,
}

impl Weights {
    /// Maps one safetensors file. A pickle is refused; every offset is checked before use.
    pub fn open(path: &Path) -> Result<Self> {
        let mut weights = Self::default();
        weights.add(path)?;
        Ok(weights)
    }

    /// The weights of one component of a diffusers folder: a single file, its half-precision variant, or shards.
    pub fn of_component(folder: &Path) -> Result<Self> {
        for stem in ["diffusion_pytorch_model", "model"] {
            for name in [format!("{stem}.safetensors"), format!("{stem}.fp16.safetensors")] {
                let path = folder.join(name);
                if path.is_file() {
                    return Self::open(&path);
                }
            }
            let index = folder.join(format!("{stem}.safetensors.index.json"));
            if index.is_file() {
                return Self::sharded(folder, &index);
            }
        }
        if let Some(pickle) = find_pickle(folder) {
            return Err(refuse_pickle(&pickle));
        }
        Err(Error::failed(format!(
            "{} holds no weights: a diffusers folder has diffusion_pytorch_model.safetensors or model.safetensors there.",
            folder.display()
        )))
    }

    fn sharded(folder: &Path, index: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: HashMap<String, String>,
        }
        let map: Index = super::config::read_json(index)?;
        let names: HashSet<String> = map.weight_map.into_values().collect();
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort();
        let mut weights = Self::default();
        for name in names {
            // A shard lies beside its index; anything else is not a name but a path.
            if Path::new(&name).file_name() != Some(std::ffi::OsStr::new(&name)) {
                return Err(Error::failed(format!("{} names a shard outside its folder.", index.display())));
            }
            weights.add(&folder.join(name))?;
        }
        Ok(weights)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        if is_pickle(path) {
            return Err(refuse_pickle(path));
        }
        let (mapped, entries) = MappedFile::open(path)?;
        let file = self.files.len();
        for (key, entry) in entries {
            if self.index.contains_key(&key) {
                return Err(damaged(path, &format!("{key} is in another of its files too")));
            }
            self.index.insert(key, (file, entry));
        }
        self.files.push(mapped);
        Ok(())
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Shape on disk.
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.index.get(key).map(|(_, e)| e.shape.as_slice())
    }

    /// Type and size in bytes of every tensor whose key begins with `prefix`.
    pub fn sizes<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (Dtype, u64)> + 'a {
        let within = self.index.iter().filter(move |(key, _)| key.starts_with(prefix));
        within.map(|(_, (_, entry))| (entry.dtype, entry.bytes.len() as u64))
    }

    /// Number of values in all tensors whose key begins with `prefix`, by their sizes.
    pub fn parameters(&self, prefix: &str) -> u64 {
        self.sizes(prefix).map(|(dtype, bytes)| bytes.saturating_mul(8) / (dtype.bitsize() as u64).max(1)).sum()
    }

    /// Shape and values of a tensor, in the order on disk; `None` where there is no such key.
    ///
    /// # Errors
    /// When its values are no floats of 16 or 32 bits, or not finite.
    pub fn tensor(&self, key: &str) -> Result<Option<(&[usize], Vec<f32>)>> {
        match self.index.get(key) {
            Some((file, entry)) => Ok(Some((&entry.shape, self.values(*file, entry, key)?))),
            None => Ok(None),
        }
    }

    /// A note that the file's writer left in its header.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.files.iter().find_map(|file| file.notes().get(name)).map(String::as_str)
    }

    /// The values of a tensor as f32, in the order on disk.
    fn values(&self, file: usize, entry: &Entry, key: &str) -> Result<Vec<f32>> {
        let (path, data) = (self.files[file].path(), self.files[file].bytes(entry));
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => return Err(damaged(path, &format!("{key} holds {other:?}, which no weight of this family is"))),
        };
        if !values.iter().all(|v| v.is_finite()) {
            return Err(damaged(path, &format!("{key} holds values that are not numbers")));
        }
        Ok(values)
    }

    fn name(&self) -> String {
        self.files.first().map(|file| file.path().display().to_string()).unwrap_or_default()
    }

    /// Fills every parameter of `module`. `prefixes` are tried in turn before each key (older and newer writers differ).
    /// A key that is missing, or has another shape, is an error that names it; keys that nothing wants are ignored.
    pub fn load<M: Module>(&self, module: M, prefixes: &[&str]) -> Result<M> {
        let sources = |key: &str| prefixes.iter().map(|p| Source::Whole(format!("{p}{key}"))).collect();
        self.load_from(module, &sources).map(|(module, _)| module)
    }

    /// Fills every parameter of `module` from the first of its key's `sources` that the files hold. Also says which of the
    /// files' keys were used.
    ///
    /// # Errors
    /// When none of the sources is there, or has another shape than the parameter; the sentence names the key.
    pub fn load_from<M: Module>(
        &self,
        module: M,
        sources: &dyn Fn(&str) -> Vec<Source>,
    ) -> Result<(M, HashSet<String>)> {
        let used = HashSet::new();
        let mut fill = Fill { weights: self, sources, path: ModulePath::default(), used, error: None };
        let module = module.map(&mut fill);
        match fill.error {
            Some(error) => Err(error),
            None => Ok((module, fill.used)),
        }
    }
}

const PICKLES: [&str; 5] = ["ckpt", "pt", "pth", "bin", "pkl"];

fn is_pickle(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    PICKLES.contains(&extension.as_str())
}

fn find_pickle(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).find(|p| is_pickle(p))
}

fn refuse_pickle(path: &Path) -> Error {
    Error::failed(format!(
        "{} is a pickle, which can run any program when it is opened; convert it to .safetensors first.",
        path.display()
    ))
}

struct Fill<'a> {
    weights: &'a Weights,
    sources: &'a dyn Fn(&str) -> Vec<Source>,
    path: ModulePath,
    used: HashSet<String>,
    error: Option<Error>,
}

impl Fill<'_> {
    fn value(&mut self, shape: &[usize]) -> Result<Vec<f32>> {
        let key = self.path.key();
        let sources = (self.sources)(&key);
        let found = sources.iter().find_map(|s| Some((s, self.weights.index.get(s.key())?)));
        let Some((source, (file, entry))) = found else {
            let looked = sources.first().map_or(key.as_str(), Source::key);
            return Err(Error::failed(format!("{} lacks the weight {looked}.", self.weights.name())));
        };
        let mut entry = entry.clone();
        let third = match source {
            Source::Third { index, .. } => Some(*index),
            _ => None,
        };
        if let Some(index) = third
            && entry.shape.first().is_some_and(|rows| rows.is_multiple_of(3))
        {
            entry.shape[0] /= 3;
            let length = entry.bytes.len() / 3;
            entry.bytes = entry.bytes.start + index * length..entry.bytes.start + (index + 1) * length;
        }
        let layout = self.path.layout(shape.len());
        let mut expected = match layout {
            Layout::Plain => shape.to_vec(),
            Layout::Linear => vec![shape[1], shape[0]],
            Layout::Conv => vec![shape[3], shape[2], shape[0], shape[1]],
        };
        let turned = matches!(source, Source::Transposed(_));
        if turned {
            expected.reverse();
        }
        if !same(&entry.shape, &expected) {
            return Err(Error::failed(format!(
                "{}: the weight {} has shape {:?} where its configuration means {expected:?}.",
                self.weights.name(),
                source.key(),
                entry.shape
            )));
        }
        let values = self.weights.values(*file, &entry, source.key())?;
        self.used.insert(source.key().to_string());
        Ok(match layout {
            Layout::Linear if turned => values,
            Layout::Plain => values,
            Layout::Linear => transpose(&values, shape[1], shape[0]),
            // [out, in, taps] -> [taps, in, out]
            Layout::Conv => reverse_axes(&values, shape[3], shape[2], shape[0] * shape[1]),
        })
    }
}

/// Whether two shapes are the same but for trailing ones: a linear layer may be written as a 1x1 convolution and back.
fn same(a: &[usize], b: &[usize]) -> bool {
    let bare = |shape: &[usize]| match shape {
        [out, inputs, 1, 1] => vec![*out, *inputs],
        other => other.to_vec(),
    };
    bare(a) == bare(b)
}

/// `[a, b, c]` to `[c, b, a]`.
fn reverse_axes(x: &[f32], a: usize, b: usize, c: usize) -> Vec<f32> {
    if c == 1 {
        return transpose(x, a, b);
    }
    let mut y = vec![0.0; x.len()];
    for (j, plane) in y.chunks_exact_mut(b * a).enumerate() {
        for (i, row) in plane.chunks_exact_mut(a).enumerate() {
            for (o, value) in row.iter_mut().enumerate() {
                *value = x[(o * b + i) * c + j];
            }
        }
    }
    y
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        match self.value(&shape) {
            Ok(values) => {
                let id = param.id;
                let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
                param.transform_for_load(tensor, id)
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}

/// How a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits a weight.
    F32,
    /// 16 bits a weight.
    F16,
    /// 16 bits a weight, of which so many of the ten of the fraction are kept and the rest are zero; vectors keep all. A third to
    /// a half less where files are kept compressed, as a repository does. With three kept, Ember's denoiser answers within 3 to 6 %
    /// of its full weights' answer, a tenth of what it errs anyway.
    ShortF16(u32),
}

/// The nearest f16 with `kept` bits of fraction; a value that would become infinite is cut instead.
fn short(value: f32, kept: u32) -> f16 {
    let dropped = (1u16 << (10 - kept.min(10))) - 1;
    let bits = f16::from_f32(value).to_bits();
    let near = f16::from_bits(bits.saturating_add(dropped.div_ceil(2)) & !dropped);
    if near.is_finite() { near } else { f16::from_bits(bits & !dropped) }
}

struct Gather<'a> {
    prefix: &'a str,
    precision: Precision,
    path: ModulePath,
    tensors: Vec<Written<'static>>,
}

impl ModuleVisitor for Gather<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        let s = value.dims();
        let values: Vec<f32> = value.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
        let (shape, values) = match self.path.layout(D) {
            Layout::Plain => (s.to_vec(), values),
            Layout::Linear => (vec![s[1], s[0]], transpose(&values, s[0], s[1])),
            Layout::Conv => (vec![s[3], s[2], s[0], s[1]], reverse_axes(&values, s[0] * s[1], s[2], s[3])),
        };
        let bytes = match self.precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Precision::ShortF16(kept) => {
                let kept = if D > 1 { kept } else { 10 };
                values.iter().flat_map(|v| short(*v, kept).to_le_bytes()).collect()
            }
        };
        self.tensors.push((format!("{}{}", self.prefix, self.path.key()), shape, bytes));
    }
}

/// Writes a module's weights with the keys and layouts that diffusers expects; replaces the file atomically.
pub fn save<M: Module>(module: &M, prefix: &str, path: &Path, precision: Precision) -> Result<()> {
    let mut gather = Gather { prefix, precision, path: ModulePath::default(), tensors: Vec::new() };
    module.visit(&mut gather);
    let dtype = if precision == Precision::F32 { Dtype::F32 } else { Dtype::F16 };
    write("weights", &gather.tensors, dtype, HashMap::new(), path)
}

/// Key, shape and bytes of a tensor that is written.
pub(crate) type Written<'a> = (String, Vec<usize>, Cow<'a, [u8]>);

/// Writes a safetensors file with `notes` in its header; replaces it atomically, and leaves nothing half written behind. `what` it
/// holds, for sentences.
pub(crate) fn write(
    what: &str,
    tensors: &[Written],
    dtype: Dtype,
    mut notes: HashMap<String, String>,
    path: &Path,
) -> Result<()> {
    let writing = format!("write the {what}");
    let mut views = Vec::with_capacity(tensors.len());
    for (key, shape, bytes) in tensors {
        let view = TensorView::new(dtype, shape.clone(), bytes).map_err(|e| Error::io(&writing, path, e))?;
        views.push((key.as_str(), view));
    }
    // transformers asks for this entry before it opens a file.
    notes.insert("format".into(), "pt".into());
    let partial = path.with_extension("tmp");
    let written = safetensors::serialize_to_file(views, Some(notes), &partial)
        .map_err(|e| Error::io(&writing, &partial, e))
        .and_then(|()| std::fs::rename(&partial, path).map_err(|e| Error::io(&format!("replace the {what}"), path, e)));
    if written.is_err() {
        _ = std::fs::remove_file(&partial);
    }
    written
}

/// SHA-256 over the contents of files, one after the other, in hexadecimal.
pub fn sha256(paths: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    for path in paths {
        let mut file = std::fs::File::open(path).map_err(|e| Error::io("read", path, e))?;
        loop {
            let n = file.read(&mut buffer).map_err(|e| Error::io("read", path, e))?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
        }
    }
    Ok(hex(&hash.finalize()))
}

/// A digest in hexadecimal.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn short_weights_are_near_and_end_in_zeros() {
        for i in -2000..2000 {
            let value = i as f32 * 0.013;
            let near = short(value, 6);
            assert_eq!(near.to_bits() & 0xf, 0);
            // Below f16's smallest normal number, errors are absolute.
            assert!((near.to_f32() - value).abs() <= value.abs() / 120.0 + 1e-6, "{value} became {near}");
        }
        assert_eq!(short(65504.0, 6).to_f32(), 65024.0, "cut, not infinite");
        assert!(short(f32::NAN, 6).to_bits() & 0xf == 0);
        assert_eq!((short(1.07, 3).to_f32(), short(1.07, 10)), (1.125, half::f16::from_f32(1.07)));
    }
}
