//! Whichever autoencoder a checkpoint brings, behind one face.

use super::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig};
use super::autoencoder_tiny::{AutoencoderTiny, AutoencoderTinyConfig};
use super::checkpoint::{Source, Weights};
use super::config::unsupported;
use super::init::Init;
use super::memory::{PICTURE_LIMIT, decoding};
use super::tiling::{Tile, tiled};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::Tensor;
use serde_json::Value;

/// `vae/config.json` of either kind.
#[derive(Debug, Clone)]
pub enum AutoencoderConfig {
    /// `AutoencoderKL`.
    Kl(AutoencoderKlConfig),
    /// `AutoencoderTiny`.
    Tiny(AutoencoderTinyConfig),
}

impl AutoencoderConfig {
    /// Reads a configuration by its `_class_name`; without one it is an `AutoencoderKL`.
    ///
    /// # Errors
    /// When the class is another, or a field has the wrong type.
    pub fn from_json(value: Value) -> Result<Self> {
        let class = value.get("_class_name").and_then(Value::as_str).unwrap_or("AutoencoderKL").to_string();
        let wrong = |e: serde_json::Error| {
            Error::failed(format!("The autoencoder's config.json cannot be used: {e}; fetch the checkpoint again."))
        };
        match class.as_str() {
            "AutoencoderKL" => serde_json::from_value(value).map(Self::Kl).map_err(wrong),
            "AutoencoderTiny" => serde_json::from_value(value).map(Self::Tiny).map_err(wrong),
            other => Err(unsupported("autoencoder", "_class_name", other)),
        }
    }

    /// Refuses what the modules cannot do.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Kl(config) => config.check(),
            Self::Tiny(config) => config.check(),
        }
    }

    /// How many times smaller than the picture a latent is.
    pub fn downscale(&self) -> usize {
        match self {
            Self::Kl(config) => config.downscale(),
            Self::Tiny(config) => config.downscale(),
        }
    }

    /// Channels of the finest level.
    pub fn first_width(&self) -> usize {
        match self {
            Self::Kl(config) => config.block_out_channels.first(),
            Self::Tiny(config) => config.decoder_block_out_channels.last(),
        }
        .copied()
        .unwrap_or(0)
    }

    /// Channels of a latent.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
        }
    }

    /// Scale and shift between the autoencoder's latents and the denoiser's: `(z - shift) * scale`.
    pub fn scaling(&self) -> (f32, f32) {
        match self {
            Self::Kl(config) => (config.scaling_factor, config.shift_factor.unwrap_or(0.0)),
            Self::Tiny(config) => (config.scaling_factor, config.shift_factor.unwrap_or(0.0)),
        }
    }
}

/// Side of a tile, pixels, where a picture goes piece by piece.
const TILE: usize = 512;

impl AutoencoderConfig {
    /// The tile of latents and of pixels for a picture of `width` by `height` pixels; `None` where it goes as one. Decided by the
    /// size alone, never by what memory is free, so that a Recipe draws one picture everywhere.
    pub fn tile(&self, width: usize, height: usize) -> Option<(usize, usize)> {
        let large = decoding((width * height) as u64, self.first_width()) > PICTURE_LIMIT;
        large.then_some((TILE / self.downscale(), TILE))
    }
}

/// An autoencoder of either kind.
#[derive(Debug)]
pub enum Autoencoder {
    /// `AutoencoderKL`.
    Kl(Box<AutoencoderKl>),
    /// `AutoencoderTiny`.
    Tiny(Box<AutoencoderTiny>),
}

impl Autoencoder {
    /// Builds the modules and fills them from a component's weights.
    ///
    /// # Errors
    /// When the weights do not fit the configuration.
    pub fn load(init: &mut Init, config: &AutoencoderConfig, weights: &Weights) -> Result<Self> {
        Self::load_from(init, config, weights, &|key| {
            let mut sources = vec![Source::Whole(key.to_string())];
            // Older writers named the middle's projections otherwise.
            for (new, old) in
                [(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")]
            {
                if key.contains(new) {
                    sources.push(Source::Whole(key.replace(new, old)));
                }
            }
            sources
        })
    }

    /// Builds the modules and fills them from where `sources` says that each weight lies.
    ///
    /// # Errors
    /// When the weights do not fit the configuration.
    pub fn load_from(
        init: &mut Init,
        config: &AutoencoderConfig,
        weights: &Weights,
        sources: &dyn Fn(&str) -> Vec<Source>,
    ) -> Result<Self> {
        Ok(match config {
            AutoencoderConfig::Kl(config) => {
                Self::Kl(Box::new(weights.load_from(AutoencoderKl::new(init, config)?, sources)?.0))
            }
            AutoencoderConfig::Tiny(config) => {
                Self::Tiny(Box::new(weights.load_from(AutoencoderTiny::new(init, config)?, sources)?.0))
            }
        })
    }

    /// Number of weights.
    pub fn num_params(&self) -> usize {
        match self {
            Self::Kl(model) => model.num_params(),
            Self::Tiny(model) => model.num_params(),
        }
    }

    /// `[n, h, w, 3]` in -1..=1 to the most likely latents `[n, h', w', latent]`, before scaling, and their standard deviation
    /// where the autoencoder says how uncertain it is.
    pub fn encode(&self, x: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        match self {
            Self::Kl(model) => {
                let (mean, logvar) = model.encode(x);
                (mean, Some((logvar * 0.5).exp()))
            }
            Self::Tiny(model) => (model.encode(x), None),
        }
    }

    /// Whether encoding says how uncertain it is.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Kl(_))
    }

    /// Unscaled latents `[n, h', w', latent]` to pictures `[n, h, w, 3]`, about -1..=1.
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Kl(model) => model.decode(z),
            Self::Tiny(model) => model.decode(z),
        }
    }

    /// The same as [`Autoencoder::encode`], by tiles of so many latents and pixels.
    pub fn encode_tiled(&self, x: &Tensor<4>, (latents, pixels): (usize, usize)) -> (Tensor<4>, Option<Tensor<4>>) {
        let tile = Tile { before: pixels, after: latents };
        match self {
            Self::Kl(model) => {
                // Mean and logarithm of the variance fade together, as diffusers' moments do.
                let both = tiled(x, tile, |part| {
                    let (mean, logvar) = model.encode(part);
                    Tensor::cat(vec![mean, logvar], 3)
                });
                let half = both.dims()[3] / 2;
                let logvar = both.clone().narrow(3, half, half);
                (both.narrow(3, 0, half), Some((logvar * 0.5).exp()))
            }
            Self::Tiny(model) => (tiled(x, tile, |part| model.encode(part)), None),
        }
    }

    /// The same as [`Autoencoder::decode`], by tiles of so many latents and pixels.
    pub fn decode_tiled(&self, z: &Tensor<4>, (latents, pixels): (usize, usize)) -> Tensor<4> {
        tiled(z, Tile { before: latents, after: pixels }, |part| self.decode(part))
    }
}
