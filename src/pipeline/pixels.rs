//! Between latents and pixels: decoding, encoding.

use super::{Pipeline, PreviewImage};
use crate::model::layers::Seamless;
use crate::sampler::noise::TorchGenerator;
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};

/// What the autoencoder says of a picture, as the denoiser counts: `[h, w, c]`.
pub(super) struct Encoded {
    /// The most likely latent.
    pub mean: Vec<f32>,
    /// How uncertain each number is; `None` where the autoencoder does not say.
    deviation: Option<Vec<f32>>,
}

impl Encoded {
    /// A latent drawn from the distribution, with the numbers that diffusers draws.
    pub fn draw(&self, generator: &mut TorchGenerator, (w, h): (usize, usize)) -> Vec<f32> {
        let Some(deviation) = &self.deviation else { return self.mean.clone() };
        let noise = generator.randn_nhwc(h, w, self.mean.len() / (w * h).max(1));
        self.mean.iter().zip(deviation).zip(noise).map(|((m, d), e)| m + d * e).collect()
    }
}

impl Pipeline {
    /// Width and height of the latent of a picture.
    pub fn latent_size(&self, width: u32, height: u32) -> (usize, usize) {
        let down = self.vae_config.downscale();
        (width as usize / down, height as usize / down)
    }

    /// A picture in -1..=1, `[height, width, 3]`, as a scaled latent of size `(w, h)`.
    pub(super) fn encode(&self, pixels: Vec<f32>, (w, h): (usize, usize)) -> Result<Encoded> {
        let down = self.vae_config.downscale();
        let x = Tensor::<4>::from_data(TensorData::new(pixels, [1, h * down, w * down, 3]), &self.device);
        let (mean, deviation) = match self.tile((w, h)) {
            Some(tile) => self.vae.encode_tiled(&x, tile),
            None => self.vae.encode(x),
        };
        let (scale, shift) = self.vae_config.scaling();
        let mean = values(mean)?.iter().map(|v| (v - shift) * scale).collect();
        let deviation =
            deviation.map(|d| Ok::<_, Error>(values(d)?.iter().map(|v| v * scale).collect())).transpose()?;
        Ok(Encoded { mean, deviation })
    }

    /// The tile of a latent too large to go as one. A seamless picture does: its edges must see each other.
    fn tile(&self, (w, h): (usize, usize)) -> Option<(usize, usize)> {
        let down = self.vae_config.downscale();
        self.vae_config.tile(w * down, h * down).filter(|_| !Seamless::is_on())
    }

    /// Latent `[h, w, c]` to RGB8, rounded as diffusers rounds.
    pub(super) fn decode(&self, latent: &[f32], size: (usize, usize)) -> Result<Vec<u8>> {
        Ok(self.decode_exactly(latent, size)?.into_iter().map(to_byte).collect())
    }

    /// Latent `[h, w, c]` to pixels of about -1..=1, `[height, width, 3]`.
    pub(super) fn decode_exactly(&self, latent: &[f32], (w, h): (usize, usize)) -> Result<Vec<f32>> {
        let (scale, shift) = self.vae_config.scaling();
        let z: Vec<f32> = latent.iter().map(|v| v / scale + shift).collect();
        let shape = [1, h, w, self.vae_config.latent_channels()];
        let z = Tensor::from_data(TensorData::new(z, shape), &self.device);
        let picture = match self.tile((w, h)) {
            Some(tile) => self.vae.decode_tiled(&z, tile),
            None => self.vae.decode(z),
        };
        values(picture)
    }
}

/// -1..=1 to 0..=255.
pub(super) fn to_byte(v: f32) -> u8 {
    ((v / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

/// A tensor's numbers, in its own order.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().convert::<f32>().try_into_vec().map_err(|e| {
        Error::failed(format!("The device did not hand its numbers back ({e:?}); try again or use the CPU."))
    })
}

/// Averages each two by two pixels.
pub(super) fn halve(rgb: &[u8], width: usize, height: usize) -> PreviewImage {
    let (w, h) = (width / 2, height / 2);
    let mut small = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            for k in 0..3 {
                let at = |dx: usize, dy: usize| u16::from(rgb[((2 * y + dy) * width + 2 * x + dx) * 3 + k]);
                small.push(((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8);
            }
        }
    }
    PreviewImage { width: w as u32, height: h as u32, rgb: small }
}
