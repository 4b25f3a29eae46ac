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

    /// Number of its residual blocks.
    pub fn layers(&self) -> usize {
        self.resnets.len()
    }

    /// Whether it ends with [`DownBlock::narrow`].
    pub fn narrows(&self) -> bool {
        !self.downsamplers.is_empty()
    }

    /// One residual block and its attention.
    pub fn layer(&self, layer: usize, x: Tensor<4>, time: &Tensor<2>, words: &Tensor<3>) -> Tensor<4> {
        attended(&self.resnets[layer], self.attentions.get(layer), x, time, words)
    }

    /// To half the size.
    pub fn narrow(&self, x: Tensor<4>) -> Tensor<4> {
        self.downsamplers.iter().fold(x, |x, down| down.forward(x))
    }
}

/// A residual block, and attention where the level has it.
fn attended(
    resnet: &ResnetBlock2D,
    attention: Option<&Transformer2D>,
    x: Tensor<4>,
    time: &Tensor<2>,
    words: &Tensor<3>,
) -> Tensor<4> {
    let x = resnet.forward(x, Some(time));
    match attention {
        Some(attention) => attention.forward(x, words),
        None => x,
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
    pub fn forward(&self, x: Tensor<4>, time: &Tensor<2>, words: &Tensor<3>) -> Tensor<4> {
        let layers = self.resnets.iter().enumerate();
        layers.fold(x, |x, (i, resnet)| attended(resnet, self.attentions.get(i), x, time, words))
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

    /// Number of its residual blocks.
    pub fn layers(&self) -> usize {
        self.resnets.len()
    }

    /// Whether it ends with [`UpBlock::widen`].
    pub fn widens(&self) -> bool {
        !self.upsamplers.is_empty()
    }

    /// One residual block and its attention, with what the way down left for it.
    pub fn layer(
        &self,
        layer: usize,
        x: Tensor<4>,
        skip: Option<Tensor<4>>,
        time: &Tensor<2>,
        words: &Tensor<3>,
    ) -> Tensor<4> {
        let x = match skip {
            Some(skip) => Tensor::cat(vec![x, skip], 3),
            None => x,
        };
        attended(&self.resnets[layer], self.attentions.get(layer), x, time, words)
    }

    /// To twice the size, or to `size`: a level of odd size comes back to that of the skip connection that waits for it.
    pub fn widen(&self, x: Tensor<4>, size: Option<(usize, usize)>) -> Tensor<4> {
        self.upsamplers.iter().fold(x, |x, up| up.forward(x, size))
    }
}
