//! Painted scenes as latents in half precision, with what their captions and sliders are made from.

use super::autoencoder::HELD_OUT;
use super::ember::{self, LatentStatistics};
use crate::corpus::captions::caption;
use crate::corpus::rng::Rng;
use crate::corpus::{Painter, Sample, SceneDescription};
use crate::kernels::on_cpu;
use crate::model::autoencoder_kl::AutoencoderKl;
use crate::pipeline::LeastSquares;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use rayon::prelude::*;

/// Numbers in one latent.
pub const SIZE: usize = ember::LATENT_SIDE * ember::LATENT_SIDE * ember::LATENT_CHANNELS;

/// One scene, ready for training.
#[derive(Debug, Clone)]
pub struct Item {
    latent: Vec<f16>,
    scene: SceneDescription,
}

/// A training example drawn from an item.
#[derive(Debug, Clone)]
pub struct Example {
    /// Scaled latent, `[16, 16, 16]` flat.
    pub latent: Vec<f32>,
    /// One of the scene's captions, or nothing.
    pub caption: String,
    /// The class vector.
    pub labels: Vec<f32>,
}

/// Encodes scenes `first..first + count`; the latents are not scaled yet.
pub fn encode(
    model: &AutoencoderKl,
    painter: &Painter,
    device: &Device,
    first: u64,
    count: usize,
) -> Result<Vec<Item>> {
    let samples: Vec<_> = (0..count as u64).into_par_iter().map(|i| painter.paint(first + i, ember::SIDE)).collect();
    encode_samples(model, device, &samples)
}

/// Encodes painted scenes of [`ember::SIDE`] pixels; the latents are not scaled yet.
pub fn encode_samples(model: &AutoencoderKl, device: &Device, samples: &[Sample]) -> Result<Vec<Item>> {
    let side = ember::SIDE;
    let mut items = Vec::with_capacity(samples.len());
    for group in samples.chunks(if on_cpu(device) { 4 } else { 64 }) {
        let data: Vec<f32> = group.iter().flat_map(|s| s.rgb.iter().map(|v| f32::from(*v) / 127.5 - 1.0)).collect();
        let x = Tensor::<4>::from_data(TensorData::new(data, [group.len(), side, side, 3]), device);
        let latents: Vec<f32> = model.encode(x).0.into_data().try_into_vec().map_err(|e| {
            Error::failed(format!("The device did not hand latents back ({e:?}); start again with --resume."))
        })?;
        for (latent, sample) in latents.chunks_exact(SIZE).zip(group) {
            items
                .push(Item { latent: latent.iter().map(|v| f16::from_f32(*v)).collect(), scene: sample.scene.clone() });
        }
    }
    Ok(items)
}

impl Item {
    /// A fresh caption and fresh slider drop-outs each time.
    ///
    /// A tenth of the examples say nothing at all, which is what guidance steers away from; each slider is unset half of the
    /// time, so that any subset of them can be asked for.
    pub fn example(&self, statistics: &LatentStatistics, rng: &mut Rng) -> Example {
        let (scale, shift) = (statistics.scaling_factor, statistics.shift_factor);
        let latent = self.latent.iter().map(|v| (v.to_f32() - shift) * scale).collect();
        if rng.chance(0.1) {
            return Example { latent, caption: String::new(), labels: vec![0.0; 26] };
        }
        let mut labels = Vec::with_capacity(26);
        let all_unset = rng.chance(0.3);
        for value in self.scene.measured.values() {
            let set = !all_unset && rng.chance(0.5);
            labels.push(if set { 2.0 * value - 1.0 } else { 0.0 });
            labels.push(if set { 1.0 } else { 0.0 });
        }
        let mixed = !all_unset && rng.chance(0.5);
        labels.extend(self.scene.family_weights().map(|share| if mixed { share } else { 0.0 }));
        let caption = if rng.chance(0.08) { String::new() } else { caption(&self.scene, rng) };
        Example { latent, caption, labels }
    }
}

impl Example {
    /// The latent at half its side: means of 2x2 cells, `[8, 8, 16]` flat.
    pub fn coarse(&self) -> Vec<f32> {
        let (side, channels) = (ember::LATENT_SIDE, ember::LATENT_CHANNELS);
        let mut coarse = Vec::with_capacity(SIZE / 4);
        for cell in 0..side * side / 4 {
            let (y, x) = (2 * (cell / (side / 2)), 2 * (cell % (side / 2)));
            for channel in 0..channels {
                let at = |y: usize, x: usize| self.latent[(y * side + x) * channels + channel];
                coarse.push((at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4.0);
            }
        }
        coarse
    }
}

/// Scale, shift and the linear look, from scenes that are never trained on.
pub fn statistics(model: &AutoencoderKl, painter: &Painter, device: &Device) -> Result<LatentStatistics> {
    let first = HELD_OUT + 1000;
    let items = encode(model, painter, device, first, 96)?;
    let values: Vec<f64> = items.iter().flat_map(|i| i.latent.iter().map(|v| f64::from(v.to_f32()))).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    let (scale, shift) = ((1.0 / variance.sqrt().max(1e-6)) as f32, mean as f32);

    // Least squares from scaled latents to the mean colour of their 16x16 pixels.
    let mut fit = LeastSquares::new(ember::LATENT_CHANNELS);
    for (i, item) in items.iter().enumerate() {
        let rgb = painter.paint(first + i as u64, ember::SIDE).rgb;
        for (pixel, colour) in item.latent.chunks_exact(ember::LATENT_CHANNELS).zip(&block_means(&rgb)) {
            let row: Vec<f64> = pixel.iter().map(|v| f64::from((v.to_f32() - shift) * scale)).collect();
            fit.add(&row, colour);
        }
    }
    Ok(LatentStatistics { scaling_factor: scale, shift_factor: shift, preview: fit.solve() })
}

/// Mean colour of each 16x16 pixels, -1..=1.
fn block_means(rgb: &[u8]) -> Vec<[f64; 3]> {
    let (cells, step) = (ember::LATENT_SIDE, ember::SIDE / ember::LATENT_SIDE);
    let mut means = vec![[0.0; 3]; cells * cells];
    for (i, pixel) in rgb.chunks_exact(3).enumerate() {
        let cell = (i / ember::SIDE / step) * cells + i % ember::SIDE / step;
        for k in 0..3 {
            means[cell][k] += (f64::from(pixel[k]) / 127.5 - 1.0) / (step * step) as f64;
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::extras::PreviewProjection;

    #[test]
    fn a_coarse_latent_holds_the_means_of_its_cells() {
        let channels = ember::LATENT_CHANNELS;
        let latent: Vec<f32> = (0..SIZE).map(|i| (i / channels) as f32 + 0.5 * (i % channels) as f32).collect();
        let example = Example { latent, caption: String::new(), labels: Vec::new() };
        let coarse = example.coarse();
        assert_eq!(coarse.len(), SIZE / 4);
        // Cells 34, 35, 50 and 51: the second row, the second column of the coarse ones.
        assert_eq!(coarse[9 * channels + 3], 42.5 + 1.5);
    }

    #[test]
    fn examples_drop_words_and_sliders_but_never_the_picture() {
        let scene = Painter::new(None).unwrap().paint(4, 64).scene;
        let item = Item { latent: vec![f16::from_f32(1.5); SIZE], scene };
        let preview = PreviewProjection { matrix: vec![[0.0; 3]; ember::LATENT_CHANNELS], bias: [0.0; 3] };
        let statistics = LatentStatistics { scaling_factor: 2.0, shift_factor: 0.5, preview };
        let mut rng = Rng::new(1);
        let examples: Vec<Example> = (0..400).map(|_| item.example(&statistics, &mut rng)).collect();
        assert!(examples.iter().all(|e| e.latent.len() == SIZE && e.latent[0] == 2.0 && e.labels.len() == 26));
        let silent = examples.iter().filter(|e| e.caption.is_empty()).count();
        let unset = examples.iter().filter(|e| e.labels.iter().all(|v| *v == 0.0)).count();
        assert!((30..120).contains(&silent), "{silent}");
        assert!((90..260).contains(&unset), "{unset}");
    }
}
