//! An adapter's file, read and checked.

use super::keys::{Part, Role, parse};
use crate::model::checkpoint::Weights;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Highest rank that is believed; trainers stop far below.
const MAX_RANK: usize = 1 << 14;
/// Largest side of a kernel.
const MAX_KERNEL: usize = 16;

/// One layer's correction, `scale * a @ b`, in the order of [`crate::model::layers`].
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// `[kh * kw * in, rank]`.
    pub a: Vec<f32>,
    /// `[rank, out]`.
    pub b: Vec<f32>,
    /// Columns of `a` and rows of `b`.
    pub rank: usize,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Height and width of the kernel; (1, 1) of a linear layer.
    pub kernel: (usize, usize),
    /// Alpha over rank.
    pub scale: f32,
}

/// What an adapter's file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The file's name, for sentences.
    pub name: String,
    /// Corrections by network and layer (flat: `down_blocks_0_attentions_0_proj_in`).
    pub corrections: BTreeMap<(Part, String), Correction>,
    /// Keys that are no LoRA tensors of a known kind.
    pub unknown: Vec<String>,
}

/// A tensor as it lies on disk.
type OnDisk = (Vec<usize>, Vec<f32>);

#[derive(Default)]
struct Pieces {
    down: Option<OnDisk>,
    up: Option<OnDisk>,
    mid: Option<OnDisk>,
    alpha: Option<f32>,
}

impl Adapter {
    /// Reads an adapter in kohya's, PEFT's or diffusers' older keys.
    ///
    /// # Errors
    /// When the file is damaged, holds no LoRA, or its tensors do not fit each other; the sentence names the layer.
    pub fn open(path: &Path) -> Result<Self> {
        let weights = Weights::open(path)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut keys: Vec<&str> = weights.keys().collect();
        keys.sort_unstable();
        let (mut pieces, mut unknown) = (BTreeMap::<(Part, String), Pieces>::new(), Vec::new());
        for key in keys {
            let Some((part, layer, role)) = parse(key) else {
                unknown.push(key.to_string());
                continue;
            };
            if role == Role::Dora {
                return Err(dora(path, key));
            }
            let Some((shape, values)) = weights.tensor(key)? else { continue };
            let tensor = (shape.to_vec(), values);
            let piece = pieces.entry((part, layer)).or_default();
            let taken = match role {
                Role::Down => piece.down.replace(tensor).is_some(),
                Role::Up => piece.up.replace(tensor).is_some(),
                Role::Mid => piece.mid.replace(tensor).is_some(),
                Role::Alpha | Role::Dora => match tensor.1.as_slice() {
                    [alpha] => piece.alpha.replace(*alpha).is_some(),
                    _ => return Err(wrong(path, key, "its alpha is not one number")),
                },
            };
            if taken {
                return Err(wrong(path, key, "two keys name the same part of one layer"));
            }
        }
        let noted = NotedAlphas::of(&weights);
        let mut corrections = BTreeMap::new();
        for ((part, layer), mut piece) in pieces {
            if piece.alpha.is_none() {
                piece.alpha = noted.of_layer(part, &layer);
            }
            let correction = piece.join().map_err(|what| wrong(path, &layer, &what))?;
            corrections.insert((part, layer), correction);
        }
        if corrections.is_empty() {
            return Err(no_lora(path, unknown.len()));
        }
        Ok(Self { name, corrections, unknown })
    }

    /// Smallest and largest rank and the number of layers, from the file's header alone.
    ///
    /// # Errors
    /// When the file is damaged or holds no LoRA that Kiln can apply.
    pub fn glance(path: &Path) -> Result<((usize, usize), usize)> {
        let weights = Weights::open(path)?;
        let (mut ranks, mut keys) = (Vec::new(), 0);
        for key in weights.keys() {
            keys += 1;
            match parse(key) {
                Some((.., Role::Dora)) => return Err(dora(path, key)),
                Some((.., Role::Down)) => ranks.extend(weights.shape(key).and_then(|shape| shape.first().copied())),
                _ => {}
            }
        }
        match (ranks.iter().min(), ranks.iter().max()) {
            (Some(low), Some(high)) => Ok(((*low, *high), ranks.len())),
            _ => Err(no_lora(path, keys)),
        }
    }

    /// Smallest and largest rank.
    pub fn ranks(&self) -> (usize, usize) {
        let ranks = || self.corrections.values().map(|c| c.rank);
        (ranks().min().unwrap_or(0), ranks().max().unwrap_or(0))
    }
}

fn dora(path: &Path, key: &str) -> Error {
    Error::failed(format!(
        "{} is a DoRA ({key}), which Kiln cannot apply; use the plain LoRA of the same training.",
        path.display()
    ))
}

fn no_lora(path: &Path, keys: usize) -> Error {
    Error::failed(format!(
        "{} holds no LoRA: none of its {keys} keys is one of kohya's or PEFT's. Choose an adapter, or load it as a model.",
        path.display()
    ))
}

fn wrong(path: &Path, layer: &str, what: &str) -> Error {
    Error::failed(format!("{} does not fit together at {layer}: {what}. Get the adapter again.", path.display()))
}

/// PEFT keeps alphas beside the weights; diffusers writes them as a note in the header.
#[derive(Default)]
struct NotedAlphas(serde_json::Value);

impl NotedAlphas {
    fn of(weights: &Weights) -> Self {
        let note = weights.note("lora_adapter_metadata").and_then(|note| serde_json::from_str(note).ok());
        Self(note.unwrap_or_default())
    }

    fn of_layer(&self, part: Part, layer: &str) -> Option<f32> {
        let prefix = match part {
            Part::Unet => "unet",
            Part::Text => "text_encoder",
            Part::Text2 => "text_encoder_2",
        };
        let field = |name: &str| self.0.get(format!("{prefix}.{name}"));
        let patterns = field("alpha_pattern").and_then(|p| p.as_object());
        let own = patterns.into_iter().flatten().find(|(path, _)| {
            let path = super::keys::flat(path);
            layer == path.strip_prefix("text_model_").unwrap_or(&path)
        });
        let alpha = own.map(|(_, alpha)| alpha).or_else(|| field("lora_alpha"))?;
        alpha.as_f64().map(|alpha| alpha as f32)
    }
}

impl Pieces {
    /// One correction, or what does not fit.
    fn join(self) -> std::result::Result<Correction, String> {
        let (Some((down, d)), Some((up, u))) = (self.down, self.up) else {
            return Err("one of the two matrices is missing".into());
        };
        let ([rank, inputs, kernel @ ..], [outputs, inner, rest @ ..]) = (down.as_slice(), up.as_slice()) else {
            return Err(format!("shapes {down:?} and {up:?} are no matrices"));
        };
        let (rank, inputs, outputs) = (*rank, *inputs, *outputs);
        let mut kernel = match kernel {
            [] => (1, 1),
            [kh, kw] => (*kh, *kw),
            _ => return Err(format!("the shape {down:?} is neither a matrix nor a convolution")),
        };
        let one_by_one = rest.is_empty() || rest == [1, 1];
        if *inner != rank || !one_by_one || rank == 0 || rank > MAX_RANK || d.is_empty() || u.is_empty() {
            return Err(format!("the shapes {down:?} and {up:?} do not make a layer"));
        }
        // [rank, in, taps] -> [taps * in, rank]
        let taps = kernel.0 * kernel.1;
        let mut a = vec![0.0; d.len()];
        for (r, of_rank) in d.chunks_exact(inputs * taps).enumerate() {
            for (i, of_input) in of_rank.chunks_exact(taps).enumerate() {
                for (t, value) in of_input.iter().enumerate() {
                    a[(t * inputs + i) * rank + r] = *value;
                }
            }
        }
        if let Some((mid, m)) = self.mid {
            let [first, second, kh, kw] = mid[..] else {
                return Err(format!("the shape {mid:?} in the middle is no convolution"));
            };
            if (first, second) != (rank, rank) || kernel != (1, 1) || kh.max(kw) > MAX_KERNEL || m.is_empty() {
                return Err(format!("the shape {mid:?} in the middle does not fit {down:?} and {up:?}"));
            }
            kernel = (kh, kw);
            a = with_middle(&a, &m, rank, inputs, kh * kw);
        }
        // [out, rank] -> [rank, out]
        let b = crate::kernels::cpu::matrix::transpose(&u, outputs, rank);
        let scale = self.alpha.map_or(1.0, |alpha| alpha / rank as f32);
        Ok(Correction { a, b, rank, inputs, outputs, kernel, scale })
    }
}

/// Down, then the middle convolution, as one: `[taps * in, rank]` from `[in, rank]` and `[rank, rank, taps]`.
fn with_middle(down: &[f32], mid: &[f32], rank: usize, inputs: usize, taps: usize) -> Vec<f32> {
    let mut joined = vec![0.0; taps * inputs * rank];
    for t in 0..taps {
        for (i, of_input) in down.chunks_exact(rank).enumerate() {
            for p in 0..rank {
                let sum = of_input.iter().enumerate().map(|(q, v)| v * mid[(p * rank + q) * taps + t]).sum();
                joined[(t * inputs + i) * rank + p] = sum;
            }
        }
    }
    joined
}
