//! The U-Net's transformers: self-attention, attention to the words, feed-forward (diffusers' `Transformer2DModel`).

use super::init::Init;
use super::layers::{Attention, Conv2d, GroupNorm, LayerNorm, Linear};
use crate::kernels;
use burn::module::Module;
use burn::tensor::Tensor;

/// GEGLU feed-forward (Shazeer 2020, arXiv:2002.05202).
#[derive(Module, Debug)]
pub struct FeedForward {
    gate: Linear,
    narrow: Linear,
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let both = self.gate.forward(x);
        let inner = both.dims()[2] / 2;
        let value = both.clone().narrow(2, 0, inner);
        let gate = kernels::gelu(both.narrow(2, inner, inner));
        self.narrow.forward(value * gate)
    }
}

/// One layer of a transformer.
#[derive(Module, Debug)]
pub struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl BasicTransformerBlock {
    fn new(init: &mut Init, width: usize, context: usize, heads: usize) -> Self {
        let norm = |init: &mut Init| LayerNorm::new(init, width, 1e-5);
        Self {
            norm1: norm(init),
            attn1: Attention::new(init, width, width, heads),
            norm2: norm(init),
            attn2: Attention::new(init, width, context, heads),
            norm3: norm(init),
            ff: FeedForward { gate: Linear::new(init, width, 8 * width), narrow: Linear::new(init, 4 * width, width) },
        }
    }

    fn forward(&self, x: Tensor<3>, words: &Tensor<3>) -> Tensor<3> {
        let x = self.attn1.forward(self.norm1.forward(x.clone()), None) + x;
        let x = self.attn2.forward(self.norm2.forward(x.clone()), Some(words.clone())) + x;
        self.ff.forward(self.norm3.forward(x.clone())) + x
    }
}

/// What the transformers of one level have in common.
#[derive(Debug, Clone, Copy)]
pub struct TransformerOptions {
    /// Heads of each attention.
    pub heads: usize,
    /// Width of an encoded word.
    pub context: usize,
    /// Layers.
    pub layers: usize,
    /// Groups of the norm.
    pub groups: usize,
    /// Linear instead of 1x1 convolutions at both ends.
    pub linear: bool,
}

/// Attention over the pixels of a picture-shaped tensor and from them to the words.
#[derive(Module, Debug)]
pub struct Transformer2D {
    norm: GroupNorm,
    proj_in: Option<Conv2d>,
    proj_in_linear: Option<Linear>,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Option<Conv2d>,
    proj_out_linear: Option<Linear>,
}

impl Transformer2D {
    /// `width` channels in and out.
    pub fn new(init: &mut Init, width: usize, options: &TransformerOptions) -> Self {
        let conv = |init: &mut Init| (!options.linear).then(|| Conv2d::new(init, width, width, 1));
        let linear = |init: &mut Init| options.linear.then(|| Linear::new(init, width, width));
        Self {
            norm: GroupNorm::new(init, options.groups, width, 1e-6),
            proj_in: conv(init),
            proj_in_linear: linear(init),
            transformer_blocks: (0..options.layers)
                .map(|_| BasicTransformerBlock::new(init, width, options.context, options.heads))
                .collect(),
            proj_out: conv(init),
            proj_out_linear: linear(init),
        }
    }

    /// `x`: `[n, h, w, width]`; `words`: `[n, tokens, context]`.
    pub fn forward(&self, x: Tensor<4>, words: &Tensor<3>) -> Tensor<4> {
        let [n, h, w, c] = x.dims();
        let mut y = self.norm.forward(x.clone());
        if let Some(conv) = &self.proj_in {
            y = conv.forward(y);
        }
        let mut y = y.reshape([n, h * w, c]);
        if let Some(linear) = &self.proj_in_linear {
            y = linear.forward(y);
        }
        for block in &self.transformer_blocks {
            y = block.forward(y, words);
        }
        if let Some(linear) = &self.proj_out_linear {
            y = linear.forward(y);
        }
        let mut y = y.reshape([n, h, w, c]);
        if let Some(conv) = &self.proj_out {
            y = conv.forward(y);
        }
        y + x
    }
}
