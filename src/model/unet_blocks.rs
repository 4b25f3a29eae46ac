//! The levels of the U-Net, with and without attention to the words.

use super::init::Init;
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetOptions, Upsample2D};
use super::transformer::{Transformer2D, TransformerOptions};
use burn::module::Module;
use burn::tensor::Tensor;

/// `DownBlock2D` and `CrossAttnDownBlock2D`.
#[derive(Module, Debug)]
pub struct DownBlock {
    attentions: Vec<Transformer2D>,
    resnets: Vec<ResnetBlock2D>,
    downsamplers: Vec<Downsample2D>,
}

impl DownBlock {
    /// `attention`: for the cross-attention kind.
    pub fn new(
        init: &mut Init,
        (inputs, width): (usize, usize),
        layers: usize,
        resnet: &ResnetOptions,
        attention: Option<&TransformerOptions>,
        downsample: bool,
    ) -> Self {
        Self {
            attentions: attention
                .map(|a| (0..layers).map(|_| Transformer2D::new(init, width, a)).collect())
                .unwrap_or_default(),
            resnets: (0..layers)
                .map(|i| ResnetBlock2D::new(init, if i == 0 { inputs } else { width }, width, resnet))
                .collect(),
            downsamplers: downsample.then(|| Downsample2D::new(init, width, (1, 1))).into_iter().collect(),
        }
    }

    /// Runs the level; every intermediate result is pushed on `skips`.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        words: &Tensor<3>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, words);
            }
            skips.push(x.clone());
        }
        for down in &self.downsamplers {
            x = down.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// `UNetMidBlock2DCrossAttn`.
#[derive(Module, Debug)]
pub struct MidBlock {
    attentions: Vec<Transformer2D>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock {
    /// One transformer between two residual blocks.
    pub fn new(init: &mut Init, width: usize, resnet: &ResnetOptions, attention: &TransformerOptions) -> Self {
        Self {
            attentions: vec![Transformer2D::new(init, width, attention)],
            resnets: (0..2).map(|_| ResnetBlock2D::new(init, width, width, resnet)).collect(),
        }
    }

    /// Runs the level.
    pub fn forward(&self, mut x: Tensor<4>, time: &Tensor<2>, words: &Tensor<3>) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, words);
            }
        }
        x
    }
}

/// `UpBlock2D` and `CrossAttnUpBlock2D`.
#[derive(Module, Debug)]
pub struct UpBlock {
    attentions: Vec<Transformer2D>,
    resnets: Vec<ResnetBlock2D>,
    upsamplers: Vec<Upsample2D>,
}

impl UpBlock {
    /// `below`: channels that come up; `inputs`: those of the level's lowest skip connection.
    pub fn new(
        init: &mut Init,
        (below, width, inputs): (usize, usize, usize),
        layers: usize,
        resnet: &ResnetOptions,
        attention: Option<&TransformerOptions>,
        upsample: bool,
    ) -> Self {
        Self {
            attentions: attention
                .map(|a| (0..layers).map(|_| Transformer2D::new(init, width, a)).collect())
                .unwrap_or_default(),
            resnets: (0..layers)
                .map(|i| {
                    let skip = if i + 1 == layers { inputs } else { width };
                    let from = if i == 0 { below } else { width };
                    ResnetBlock2D::new(init, from + skip, width, resnet)
                })
                .collect(),
            upsamplers: upsample.then(|| Upsample2D::new(init, width)).into_iter().collect(),
        }
    }

    /// Runs the level; each residual block takes one tensor off `skips`.
    pub fn forward(
        &self,
        mut x: Tensor<4>,
        time: &Tensor<2>,
        words: &Tensor<3>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            if let Some(skip) = skips.pop() {
                x = Tensor::cat(vec![x, skip], 3);
            }
            x = resnet.forward(x, Some(time));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, words);
            }
        }
        for up in &self.upsamplers {
            // A level of odd size comes back to the size of the skip connection that waits for it.
            let size = skips.last().map(|skip| (skip.dims()[1], skip.dims()[2]));
            x = up.forward(x, size);
        }
        x
    }
}
