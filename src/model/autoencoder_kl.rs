//! diffusers' `AutoencoderKL`: pictures to latents and back (Kingma and Welling 2013; Rombach et al. 2022, arXiv:2112.10752).

use super::config::{check_groups, check_sizes, unsupported};
use super::init::Init;
use super::layers::{Attention, Conv2d, GroupNorm, edit};
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetOptions, TimeNorm, Upsample2D};
use crate::Result;
use burn::module::Module;
use burn::tensor::Tensor;
use serde::Deserialize;

fn yes() -> bool {
    true
}
fn three() -> usize {
    3
}
fn one() -> usize {
    1
}
fn silu() -> String {
    "silu".into()
}
fn groups() -> usize {
    32
}
fn sd_scale() -> f32 {
    0.18215
}

/// `vae/config.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct AutoencoderKlConfig {
    /// Channels of a picture.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Channels of a picture.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// All `DownEncoderBlock2D`.
    #[serde(default)]
    pub down_block_types: Vec<String>,
    /// All `UpDecoderBlock2D`.
    #[serde(default)]
    pub up_block_types: Vec<String>,
    /// Width of each level, from the finest.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks a level on the way down; one more on the way up.
    #[serde(default = "one")]
    pub layers_per_block: usize,
    /// Only `silu`.
    #[serde(default = "silu")]
    pub act_fn: String,
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Groups of every norm.
    #[serde(default = "groups")]
    pub norm_num_groups: usize,
    /// Latents are multiplied by this before the denoiser sees them.
    #[serde(default = "sd_scale")]
    pub scaling_factor: f32,
    /// Subtracted before scaling.
    #[serde(default)]
    pub shift_factor: Option<f32>,
    /// Attention at the lowest level.
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
    /// 1x1 convolution after the encoder.
    #[serde(default = "yes")]
    pub use_quant_conv: bool,
    /// 1x1 convolution before the decoder.
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
}

impl AutoencoderKlConfig {
    /// Refuses what the modules below cannot do.
    pub fn check(&self) -> Result<()> {
        let name = "autoencoder";
        check_groups(name, &self.block_out_channels, self.norm_num_groups)?;
        check_sizes(
            name,
            &[
                ("latent_channels", self.latent_channels),
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("layers_per_block", self.layers_per_block),
            ],
        )?;
        if self.act_fn != "silu" && self.act_fn != "swish" {
            return Err(unsupported(name, "act_fn", &self.act_fn));
        }
        if let Some(other) = self.down_block_types.iter().find(|t| *t != "DownEncoderBlock2D") {
            return Err(unsupported(name, "down_block_types", other));
        }
        if let Some(other) = self.up_block_types.iter().find(|t| *t != "UpDecoderBlock2D") {
            return Err(unsupported(name, "up_block_types", other));
        }
        Ok(())
    }

    /// How many times smaller than the picture a latent is.
    pub fn downscale(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    fn resnet(&self) -> ResnetOptions {
        ResnetOptions { groups: self.norm_num_groups, eps: 1e-6, time_width: None, time_norm: TimeNorm::Default }
    }
}

/// One level of the encoder.
#[derive(Module, Debug)]
pub struct DownEncoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    downsamplers: Vec<Downsample2D>,
}

/// One level of the decoder.
#[derive(Module, Debug)]
pub struct UpDecoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    upsamplers: Vec<Upsample2D>,
}

/// The lowest level of both halves.
#[derive(Module, Debug)]
pub struct MidBlock2D {
    attentions: Vec<Attention>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock2D {
    fn new(init: &mut Init, channels: usize, config: &AutoencoderKlConfig) -> Self {
        let options = config.resnet();
        let attention = config
            .mid_block_add_attention
            .then(|| Attention::for_picture(init, channels, config.norm_num_groups, 1e-6));
        Self {
            attentions: attention.into_iter().collect(),
            resnets: (0..2).map(|_| ResnetBlock2D::new(init, channels, channels, &options)).collect(),
        }
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (i, resnet) in self.resnets.iter().enumerate() {
            if i == 1 {
                for attention in &self.attentions {
                    x = attention.forward_picture(x);
                }
            }
            x = resnet.forward(x, None);
        }
        x
    }
}

/// Pictures to the mean and log-variance of latents.
#[derive(Module, Debug)]
pub struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownEncoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// Latents to pictures.
#[derive(Module, Debug)]
pub struct Decoder {
    conv_in: Conv2d,
    up_blocks: Vec<UpDecoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// The whole autoencoder.
#[derive(Module, Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
}

impl AutoencoderKl {
    /// Builds the modules that a checked configuration describes.
    pub fn new(init: &mut Init, config: &AutoencoderKlConfig) -> Result<Self> {
        config.check()?;
        let widths = &config.block_out_channels;
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let options = config.resnet();
        let latent = config.latent_channels;

        let down_blocks = widths.iter().enumerate().map(|(level, &width)| {
            let before = if level == 0 { first } else { widths[level - 1] };
            let resnets = (0..config.layers_per_block)
                .map(|i| ResnetBlock2D::new(init, if i == 0 { before } else { width }, width, &options))
                .collect();
            let lowest = level + 1 == widths.len();
            let downsamplers = (!lowest).then(|| Downsample2D::new(init, width, (0, 1))).into_iter().collect();
            DownEncoderBlock2D { resnets, downsamplers }
        });
        let down_blocks = down_blocks.collect();
        let encoder = Encoder {
            conv_in: Conv2d::new(init, config.in_channels, first, 3),
            down_blocks,
            mid_block: MidBlock2D::new(init, last, config),
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, last, 1e-6),
            conv_out: Conv2d::new(init, last, 2 * latent, 3),
        };

        let up_blocks = (0..widths.len()).rev().map(|level| {
            let width = widths[level];
            let before = widths.get(level + 1).copied().unwrap_or(last);
            let resnets = (0..config.layers_per_block + 1)
                .map(|i| ResnetBlock2D::new(init, if i == 0 { before } else { width }, width, &options))
                .collect();
            let upsamplers = (level > 0).then(|| Upsample2D::new(init, width)).into_iter().collect();
            UpDecoderBlock2D { resnets, upsamplers }
        });
        let up_blocks = up_blocks.collect();
        let decoder = Decoder {
            conv_in: Conv2d::new(init, latent, last, 3),
            up_blocks,
            mid_block: MidBlock2D::new(init, last, config),
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, first, 1e-6),
            conv_out: Conv2d::new(init, first, config.out_channels, 3),
        };

        let pointwise = |init: &mut Init, width| Conv2d::new(init, width, width, 1);
        Ok(Self {
            encoder,
            decoder,
            quant_conv: config.use_quant_conv.then(|| pointwise(init, 2 * latent)),
            post_quant_conv: config.use_post_quant_conv.then(|| pointwise(init, latent)),
        })
    }

    /// The same autoencoder with its log-variances starting near `value`, so that training does not begin by drowning every
    /// latent in noise of unit size.
    pub fn with_log_variance(mut self, value: f32) -> Self {
        let out = &mut self.encoder.conv_out;
        out.bias = out.bias.take().map(|bias| {
            edit(bias, |values| {
                let half = values.len() / 2;
                values[half..].fill(value);
            })
        });
        self
    }

    /// `x`: `[n, h, w, 3]` in -1..=1, sides multiples of the downscale. Returns mean and log-variance, `[n, h', w', latent]`,
    /// before scaling.
    pub fn encode(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let e = &self.encoder;
        let mut h = e.conv_in.forward(x);
        for block in &e.down_blocks {
            for resnet in &block.resnets {
                h = resnet.forward(h, None);
            }
            for down in &block.downsamplers {
                h = down.forward(h);
            }
        }
        h = e.mid_block.forward(h);
        h = e.conv_out.forward(e.conv_norm_out.forward_silu(h));
        if let Some(quant) = &self.quant_conv {
            h = quant.forward(h);
        }
        let latent = h.dims()[3] / 2;
        let mean = h.clone().narrow(3, 0, latent);
        let logvar = h.narrow(3, latent, latent).clamp(-30.0, 20.0);
        (mean, logvar)
    }

    /// What the decoder makes of `z` (`[n, h', w', latent]`, after unscaling) on its first stages, where pictures are still
    /// small: `[n, h', w', c]` twice.
    pub fn features(&self, z: Tensor<4>) -> Vec<Tensor<4>> {
        let d = &self.decoder;
        let z = match &self.post_quant_conv {
            Some(conv) => conv.forward(z),
            None => z,
        };
        let mut h = d.mid_block.forward(d.conv_in.forward(z));
        let mut found = vec![h.clone()];
        if let Some(block) = d.up_blocks.first() {
            for resnet in &block.resnets {
                h = resnet.forward(h, None);
            }
            found.push(h);
        }
        found
    }

    /// `z`: `[n, h', w', latent]` after unscaling. Returns `[n, h, w, 3]`, about -1..=1.
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        let d = &self.decoder;
        let z = match &self.post_quant_conv {
            Some(conv) => conv.forward(z),
            None => z,
        };
        let mut h = d.mid_block.forward(d.conv_in.forward(z));
        for block in &d.up_blocks {
            for resnet in &block.resnets {
                h = resnet.forward(h, None);
            }
            for up in &block.upsamplers {
                h = up.forward(h, None);
            }
        }
        d.conv_out.forward(d.conv_norm_out.forward_silu(h))
    }
}
