//! What fine-tuning takes from a loaded checkpoint: its denoiser, its schedule, latents and encoded words.

use super::extras::{class_vector, class_width};
use super::{Pipeline, mix};
use crate::model::autoencoder::Autoencoder;
use crate::model::unet::{Unet, UnetConditioning};
use crate::sampler::schedule::SchedulerConfig;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

impl Pipeline {
    /// The denoiser.
    pub fn unet(&self) -> &Unet {
        &self.unet
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> &Autoencoder {
        &self.vae
    }

    /// The noise schedule that it was trained with.
    pub fn schedule(&self) -> &SchedulerConfig {
        &self.scheduler
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Channels of a latent.
    pub fn latent_channels(&self) -> usize {
        self.vae_config.latent_channels()
    }

    /// Scale and shift between the autoencoder's latents and the denoiser's: `(z - shift) * scale`.
    pub fn latent_scaling(&self) -> (f32, f32) {
        self.vae_config.scaling()
    }

    /// Refuses checkpoints whose denoiser cannot be taught from pictures and captions alone.
    ///
    /// # Errors
    /// When the denoiser also takes a mask, or a conditioning that no caption gives.
    pub fn check_teachable(&self) -> Result<()> {
        let name = &self.info.name;
        if self.unet_config.in_channels > self.vae_config.latent_channels() {
            return Err(Error::failed(format!(
                "{name} is an inpainting checkpoint, which Kiln cannot fine-tune; choose the plain one of its family."
            )));
        }
        if self.unet_config.addition_embed_type.as_deref() == Some("text_time") {
            return Err(Error::failed(format!(
                "{name} wants sizes and pooled words, which Kiln cannot train with yet."
            )));
        }
        Ok(())
    }

    /// The most likely latent of an RGB8 picture, scaled as the denoiser counts: `[h, w, c]`. Sides are multiples of
    /// `size_multiple`.
    ///
    /// # Errors
    /// When the device hands no numbers back.
    pub fn latent_of(&self, rgb: &[u8], width: u32, height: u32) -> Result<Vec<f32>> {
        let pixels = rgb.iter().map(|v| f32::from(*v) / 127.5 - 1.0).collect();
        Ok(self.encode(pixels, self.latent_size(width, height))?.mean)
    }

    /// Captions as encoded words `[n, tokens, width]`, all as long as the longest; brackets and bars in them mean themselves.
    ///
    /// # Errors
    /// When the text encoder does not know a token.
    pub fn words_of(&self, captions: &[&str]) -> Result<Tensor<3>> {
        let mut words = Vec::with_capacity(captions.len());
        for caption in captions {
            let plain: String =
                caption.chars().flat_map(|c| ['\\', c].into_iter().skip(usize::from(!"()[]\\".contains(c)))).collect();
            words.push(self.encode_text(&plain, 1)?.words);
        }
        self.side_by_side(words, 1)
    }

    /// What the denoiser is told beside time and words when a person sets no slider: the families that each caption names.
    pub fn told_by(&self, captions: &[String]) -> UnetConditioning {
        let mut conditioning = UnetConditioning::default();
        if self.unet_config.class_embed_type.is_some() {
            let sliders = &self.extras.sliders;
            let of = |caption: &String| class_vector(sliders, &mix::meant(sliders, caption, &BTreeMap::new()).1);
            let labels: Vec<f32> = captions.iter().flat_map(of).collect();
            let shape = [captions.len(), class_width(sliders)];
            conditioning.class_labels = Some(Tensor::from_data(TensorData::new(labels, shape), &self.device));
        }
        conditioning
    }
}
