//! diffusers' `AutoencoderTiny` (TAESD, github.com/madebyollin/taesd): a small, deterministic autoencoder.

use super::config::{check_sizes, unsupported};
use super::init::Init;
use super::layers::Conv2d;
use crate::kernels::{gelu, silu, upsample2x};
use crate::{Error, Result};
use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};
use serde::Deserialize;

/// `vae/config.json` of an `AutoencoderTiny`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct AutoencoderTinyConfig {
    /// Channels of a picture.
    pub in_channels: usize,
    /// Channels of a picture.
    pub out_channels: usize,
    /// Width of each encoder level, from the finest; all alike.
    pub encoder_block_out_channels: Vec<usize>,
    /// Width of each decoder level, from the coarsest; all alike.
    pub decoder_block_out_channels: Vec<usize>,
    /// `relu`, `silu` or `gelu`.
    pub act_fn: String,
    /// Only `nearest`.
    pub upsample_fn: String,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Only 2.
    pub upsampling_scaling_factor: usize,
    /// Residual blocks of each encoder level.
    pub num_encoder_blocks: Vec<usize>,
    /// Residual blocks of each decoder level.
    pub num_decoder_blocks: Vec<usize>,
    /// Latents are multiplied by this before the denoiser sees them.
    pub scaling_factor: f32,
    /// Subtracted before scaling.
    pub shift_factor: Option<f32>,
}

impl Default for AutoencoderTinyConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            encoder_block_out_channels: vec![64; 4],
            decoder_block_out_channels: vec![64; 4],
            act_fn: "relu".into(),
            upsample_fn: "nearest".into(),
            latent_channels: 4,
            upsampling_scaling_factor: 2,
            num_encoder_blocks: vec![1, 3, 3, 3],
            num_decoder_blocks: vec![3, 3, 3, 1],
            scaling_factor: 1.0,
            shift_factor: None,
        }
    }
}

impl AutoencoderTinyConfig {
    /// Refuses what the modules below cannot do.
    pub fn check(&self) -> Result<()> {
        let name = "tiny autoencoder";
        let sizes = [
            ("latent_channels", self.latent_channels),
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
        ];
        check_sizes(name, &sizes)?;
        for (field, widths, blocks) in [
            ("encoder_block_out_channels", &self.encoder_block_out_channels, &self.num_encoder_blocks),
            ("decoder_block_out_channels", &self.decoder_block_out_channels, &self.num_decoder_blocks),
        ] {
            // A level's first convolution takes as many channels as it gives, so the widths cannot differ.
            let alike = widths.iter().all(|w| *w == widths[0] && (1..=4096).contains(w));
            let sane = (1..=8).contains(&widths.len()) && blocks.iter().all(|n| *n <= 64);
            if widths.len() != blocks.len() || !alike || !sane {
                return Err(unsupported(name, field, format!("{widths:?} with {blocks:?} blocks")));
            }
        }
        if self.encoder_block_out_channels.len() != self.decoder_block_out_channels.len() {
            return Err(Error::failed("The tiny autoencoder's two halves have different numbers of levels."));
        }
        if !matches!(self.act_fn.as_str(), "relu" | "silu" | "swish" | "gelu") {
            return Err(unsupported(name, "act_fn", &self.act_fn));
        }
        if self.upsample_fn != "nearest" {
            return Err(unsupported(name, "upsample_fn", &self.upsample_fn));
        }
        if self.upsampling_scaling_factor != 2 {
            return Err(unsupported(name, "upsampling_scaling_factor", self.upsampling_scaling_factor));
        }
        Ok(())
    }

    /// How many times smaller than the picture a latent is.
    pub fn downscale(&self) -> usize {
        1 << (self.encoder_block_out_channels.len() - 1)
    }
}

/// A place in a residual block: a convolution, or nothing (the activation after one).
#[derive(Module, Debug)]
pub struct Place {
    weight: Option<Param<Tensor<4>>>,
    bias: Option<Param<Tensor<1>>>,
}

/// A place in the sequence of layers, whose number is part of the key: a convolution (`weight`), a residual block
/// (`conv`), or a layer without weights, which enlarges by two if `enlarges` and else is the activation.
#[derive(Module, Debug)]
pub struct Layer {
    weight: Option<Param<Tensor<4>>>,
    bias: Option<Param<Tensor<1>>>,
    conv: Vec<Place>,
    stride: usize,
    enlarges: bool,
}

impl Layer {
    fn empty(enlarges: bool) -> Self {
        Self { weight: None, bias: None, conv: Vec::new(), stride: 1, enlarges }
    }

    fn conv(init: &mut Init, inputs: usize, outputs: usize, stride: usize, bias: bool) -> Self {
        let Conv2d { weight, bias: b, .. } = Conv2d::new(init, inputs, outputs, 3);
        Self { weight: Some(weight), bias: b.filter(|_| bias), conv: Vec::new(), stride, enlarges: false }
    }

    fn block(init: &mut Init, width: usize) -> Self {
        let conv = (0..5).map(|i| {
            if i % 2 == 1 {
                return Place { weight: None, bias: None };
            }
            let Conv2d { weight, bias, .. } = Conv2d::new(init, width, width, 3);
            Place { weight: Some(weight), bias }
        });
        Self { conv: conv.collect(), ..Self::empty(false) }
    }

    fn forward(&self, x: Tensor<4>, act: fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let convolve = |x, weight: &Param<Tensor<4>>, bias: &Option<Param<Tensor<1>>>, stride| {
            super::layers::conv2d(x, weight.val(), bias.as_ref().map(|b| b.val()), stride, (1, 1))
        };
        if let Some(weight) = &self.weight {
            return convolve(x, weight, &self.bias, self.stride);
        }
        if self.conv.is_empty() {
            return if self.enlarges { upsample2x(x) } else { act(x) };
        }
        let mut h = x.clone();
        for place in &self.conv {
            h = match &place.weight {
                Some(weight) => convolve(h, weight, &place.bias, 1),
                None => act(h),
            };
        }
        // The two paths join with a ReLU whatever the activation inside is.
        activation::relu(h + x)
    }
}

/// One half of the autoencoder.
#[derive(Module, Debug)]
pub struct Half {
    layers: Vec<Layer>,
}

impl Half {
    /// The way from latents to pictures that a checked configuration describes.
    fn decoder(init: &mut Init, config: &AutoencoderTinyConfig) -> Self {
        let width = config.decoder_block_out_channels[0];
        let mut layers = vec![Layer::conv(init, config.latent_channels, width, 1, true), Layer::empty(false)];
        for (level, blocks) in config.num_decoder_blocks.iter().enumerate() {
            let last = level + 1 == config.num_decoder_blocks.len();
            layers.extend((0..*blocks).map(|_| Layer::block(init, width)));
            if !last {
                layers.push(Layer::empty(true));
            }
            layers.push(Layer::conv(init, width, if last { config.out_channels } else { width }, 1, last));
        }
        Self { layers }
    }

    fn run(&self, x: Tensor<4>, act: usize) -> Tensor<4> {
        let act: fn(Tensor<4>) -> Tensor<4> = match act {
            0 => activation::relu,
            1 => gelu,
            _ => silu,
        };
        self.layers.iter().fold(x, |x, layer| layer.forward(x, act))
    }

    /// Latents to pictures, about -1..=1.
    fn decode(&self, z: Tensor<4>, act: usize) -> Tensor<4> {
        self.run((z / 3.0).tanh() * 3.0, act) * 2.0 - 1.0
    }
}

/// The activation's number in the modules.
fn number_of(act_fn: &str) -> usize {
    match act_fn {
        "relu" => 0,
        "gelu" => 1,
        _ => 2,
    }
}

/// The whole autoencoder.
#[derive(Module, Debug)]
pub struct AutoencoderTiny {
    encoder: Half,
    decoder: Half,
    act: usize,
}

impl AutoencoderTiny {
    /// Builds the modules that a checked configuration describes.
    pub fn new(init: &mut Init, config: &AutoencoderTinyConfig) -> Result<Self> {
        config.check()?;
        let width = config.encoder_block_out_channels[0];
        let mut layers = Vec::new();
        for (level, blocks) in config.num_encoder_blocks.iter().enumerate() {
            layers.push(if level == 0 {
                Layer::conv(init, config.in_channels, width, 1, true)
            } else {
                Layer::conv(init, width, width, 2, false)
            });
            layers.extend((0..*blocks).map(|_| Layer::block(init, width)));
        }
        layers.push(Layer::conv(init, width, config.latent_channels, 1, true));
        let encoder = Half { layers };
        Ok(Self { encoder, decoder: Half::decoder(init, config), act: number_of(&config.act_fn) })
    }

    /// `x`: `[n, h, w, 3]` in -1..=1, sides multiples of the downscale. Returns `[n, h', w', latent]`, before scaling.
    pub fn encode(&self, x: Tensor<4>) -> Tensor<4> {
        self.encoder.run((x + 1.0) / 2.0, self.act)
    }

    /// Unscaled latents `[n, h', w', latent]` to pictures `[n, h, w, 3]`, about -1..=1.
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        self.decoder.decode(z, self.act)
    }
}

/// The decoder alone, as it is handed out for previews.
#[derive(Module, Debug)]
pub struct TinyDecoder {
    decoder: Half,
    act: usize,
}

impl TinyDecoder {
    /// Builds the decoder that a configuration describes.
    ///
    /// # Errors
    /// When the configuration asks for what the modules cannot do.
    pub fn new(init: &mut Init, config: &AutoencoderTinyConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { decoder: Half::decoder(init, config), act: number_of(&config.act_fn) })
    }

    /// As [`AutoencoderTiny::decode`].
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        self.decoder.decode(z, self.act)
    }
}
