//! Writing an adapter in the keys that `diffusers.load_lora_weights` opens.

use super::keys::Part;
use crate::kernels::cpu::matrix::transpose;
use crate::model::checkpoint::{Written, write};
use crate::{Error, Result};
use safetensors::tensor::Dtype;
use std::path::Path;

/// One trained layer. Its matrices are in the order of [`crate::model::layers::Linear`].
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The network.
    pub part: Part,
    /// The layer in diffusers' dotted names, e.g. `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
    pub path: String,
    /// `[kh * kw * in, rank]`.
    pub a: Vec<f32>,
    /// `[rank, out]`.
    pub b: Vec<f32>,
    /// Columns of `a`, rows of `b`; at least 1.
    pub rank: usize,
    /// Over the rank, the factor of the correction.
    pub alpha: f32,
    /// Height and width of a convolution's kernel; `None` for a linear layer.
    pub kernel: Option<(usize, usize)>,
}

/// Writes `unet.<path>.lora_A.weight` and `.lora_B.weight` in 32 bits; replaces the file atomically. `notes` go to the header.
/// Readers differ in where they look for alpha, so it is put into `lora_B`: every one then applies the same correction.
///
/// # Errors
/// When a matrix is not a whole number of ranks, or the file cannot be written.
pub fn save(layers: &[Trained], notes: &[(&str, &str)], path: &Path) -> Result<()> {
    let mut tensors: Vec<Written> = Vec::with_capacity(2 * layers.len());
    for layer in layers {
        let rank = layer.rank;
        let (kh, kw) = layer.kernel.unwrap_or((1, 1));
        let taps = kh * kw;
        if rank * taps == 0 || !layer.a.len().is_multiple_of(rank * taps) || !layer.b.len().is_multiple_of(rank) {
            return Err(Error::failed(format!(
                "The adapter's layer {} does not fit its rank of {rank}; nothing was written to {}.",
                layer.path,
                path.display()
            )));
        }
        let (inputs, outputs) = (layer.a.len() / rank / taps, layer.b.len() / rank);
        let prefix = match layer.part {
            Part::Unet => "unet.",
            Part::Text => "text_encoder.text_model.",
            Part::Text2 => "text_encoder_2.text_model.",
        };
        let factor = layer.alpha / rank as f32;
        // [taps * in, rank] -> [rank, in, taps]
        let mut a = vec![0.0; layer.a.len()];
        for (row, values) in layer.a.chunks_exact(rank).enumerate() {
            let (tap, input) = (row / inputs, row % inputs);
            for (r, value) in values.iter().enumerate() {
                a[(r * inputs + input) * taps + tap] = *value;
            }
        }
        let b: Vec<f32> = transpose(&layer.b, rank, outputs).iter().map(|v| v * factor).collect();
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (mut down, mut up) = (vec![rank, inputs], vec![outputs, rank]);
        if layer.kernel.is_some() {
            down.extend([kh, kw]);
            up.extend([1, 1]);
        }
        tensors.push((format!("{prefix}{}.lora_A.weight", layer.path), down, bytes(&a)));
        tensors.push((format!("{prefix}{}.lora_B.weight", layer.path), up, bytes(&b)));
    }
    let notes = notes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    write("adapter", &tensors, Dtype::F32, notes, path)
}
