//! What learns: an adapter, a word or the whole denoiser, and a discriminator where one is wanted.

use crate::kernels;
use crate::model::Init;
use crate::model::layers::Conv2d;
use crate::model::lora::trainable::Lora;
use crate::model::unet::Unet;
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// Channels of the discriminator.
const WIDTH: usize = 32;

/// A small discriminator on latents: says for each patch how real it looks (Isola et al. 2017, arXiv:1611.07004).
#[derive(Module, Debug)]
pub struct Judge {
    conv_in: Conv2d,
    down: Vec<Conv2d>,
    conv_out: Conv2d,
}

impl Judge {
    /// For latents of so many channels.
    pub fn new(init: &mut Init, channels: usize) -> Self {
        Self {
            conv_in: Conv2d::new(init, channels, WIDTH, 3),
            down: (0..2).map(|i| Conv2d::strided(init, WIDTH << i, WIDTH << (i + 1), 3, 2, (1, 1))).collect(),
            conv_out: Conv2d::new(init, WIDTH << 2, 1, 1),
        }
    }

    /// `[n, h, w, channels]` to `[n, h / 4, w / 4, 1]`: above 0 is real.
    pub fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let mut x = kernels::silu(self.conv_in.forward(latents));
        for down in &self.down {
            x = kernels::silu(down.forward(x));
        }
        self.conv_out.forward(x)
    }
}

/// Everything that has gradients: one of the first three, and a discriminator with the adversarial loss.
#[derive(Module, Debug)]
pub struct Student {
    /// An adapter.
    pub lora: Option<Lora>,
    /// The whole denoiser.
    pub unet: Option<Unet>,
    /// The vector of a new word, `[1, width]`.
    pub word: Option<Param<Tensor<2>>>,
    /// With the adversarial loss.
    pub judge: Option<Judge>,
}
