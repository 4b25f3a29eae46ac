//! What reaches the U-Net beside the picture: time steps, classes, pooled words.

use super::init::{Draw, Init};
use super::layers::{LayerNorm, Linear};
use crate::kernels;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Sinusoids of scalars (Vaswani et al. 2017; diffusers' `Timesteps`). Returns `[values.len(), width]`.
pub fn sinusoids(values: &[f32], width: usize, flip_sin_to_cos: bool, freq_shift: f32, device: &Device) -> Tensor<2> {
    let half = width / 2;
    let mut data = vec![0.0f32; values.len() * width];
    for (row, value) in data.chunks_exact_mut(width.max(1)).zip(values) {
        for i in 0..half {
            let exponent = -(10_000f32.ln()) * i as f32 / (half as f32 - freq_shift);
            let angle = value * exponent.exp();
            let (sin, cos) = angle.sin_cos();
            let (first, second) = if flip_sin_to_cos { (cos, sin) } else { (sin, cos) };
            row[i] = first;
            row[half + i] = second;
        }
    }
    Tensor::from_data(TensorData::new(data, [values.len(), width]), device)
}

/// Two linear layers round a SiLU.
#[derive(Module, Debug)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    cond_proj: Option<Linear>,
    linear_2: Linear,
}

impl TimestepEmbedding {
    /// `condition`: width of the guidance embedding of distilled models (`time_cond_proj_dim`).
    pub fn new(init: &mut Init, inputs: usize, width: usize, condition: Option<usize>) -> Self {
        Self {
            linear_1: Linear::new(init, inputs, width),
            cond_proj: condition.map(|c| Linear::new(init, c, inputs).without_bias()),
            linear_2: Linear::new(init, width, width),
        }
    }

    /// `[n, inputs]` to `[n, width]`.
    pub fn forward(&self, x: Tensor<2>, condition: Option<Tensor<2>>) -> Tensor<2> {
        let x = match (&self.cond_proj, condition) {
            (Some(project), Some(condition)) => x + project.forward(condition),
            _ => x,
        };
        self.linear_2.forward(kernels::silu(self.linear_1.forward(x)))
    }
}

/// One query, the mean of the words plus a learnt place, over all words.
#[derive(Module, Debug)]
pub struct AttentionPooling {
    positional_embedding: Param<Tensor<2>>,
    k_proj: Linear,
    q_proj: Linear,
    v_proj: Linear,
    heads: usize,
}

/// Words pooled into the time embedding (diffusers' `TextTimeEmbedding`).
#[derive(Module, Debug)]
pub struct TextTimeEmbedding {
    norm1: LayerNorm,
    pool: AttentionPooling,
    proj: Linear,
    norm2: LayerNorm,
}

impl TextTimeEmbedding {
    /// `words`: width of an encoded word; `width`: that of the time embedding.
    pub fn new(init: &mut Init, words: usize, width: usize, heads: usize) -> Self {
        Self {
            norm1: LayerNorm::new(init, words, 1e-5),
            pool: AttentionPooling {
                positional_embedding: init.param([1, words], Draw::Normal(1.0 / (words as f32).sqrt())),
                k_proj: Linear::new(init, words, words),
                q_proj: Linear::new(init, words, words),
                v_proj: Linear::new(init, words, words),
                heads,
            },
            proj: Linear::new(init, words, width),
            norm2: LayerNorm::new(init, width, 1e-5),
        }
    }

    /// `[n, tokens, words]` to `[n, width]`.
    pub fn forward(&self, words: Tensor<3>) -> Tensor<2> {
        let x = self.norm1.forward(words);
        let [n, _, width] = x.dims();
        let class = x.clone().mean_dim(1) + self.pool.positional_embedding.val().unsqueeze::<3>();
        let all = Tensor::cat(vec![class.clone(), x], 1);
        let (q, k, v) =
            (self.pool.q_proj.forward(class), self.pool.k_proj.forward(all.clone()), self.pool.v_proj.forward(all));
        let pooled = kernels::attention(q, k, v, self.pool.heads, false).reshape([n, width]);
        self.norm2.forward(self.proj.forward(pooled))
    }
}
