//! What is seen of an unfinished picture: through a tiny decoder where one lies beside the checkpoint, else through a linear
//! look at its latents, which is fitted to the checkpoint's own decoder where nobody wrote one down.

use super::extras::PreviewProjection;
use super::pixels::{to_byte, values};
use super::projection::LeastSquares;
use super::{Pipeline, PreviewImage, tiny};
use crate::model::Init;
use crate::model::autoencoder::Autoencoder;
use crate::model::autoencoder_tiny::TinyDecoder;
use crate::model::layers::Seamless;
use crate::model::tiny_decoder::TinyFile;
use crate::sampler::noise::TorchGenerator;
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Side of the studied picture, in latents.
const SIDE: usize = 16;
/// Side of its patches of one colour each, in latents.
const PATCH: usize = 4;
/// Latents with more channels get no linear look: the studied picture would not tell enough of them.
const MOST_CHANNELS: usize = 64;
/// How much less of the colours than the linear look a tiny decoder may explain and still count as the checkpoint's own.
const TOLERANCE: f64 = 0.1;
/// What looking may take of all the time.
const SHARE: f64 = 0.1;
/// Most pixels of a look; larger pictures are seen smaller.
const MOST_PIXELS: usize = 1 << 20;

/// How a checkpoint's unfinished pictures are shown.
#[derive(Debug, Default)]
pub(super) struct Looks {
    linear: Option<PreviewProjection>,
    tiny: Option<Tiny>,
}

/// A decoder that is quick enough to be used between steps.
#[derive(Debug)]
enum Tiny {
    /// One that lies beside the checkpoint; latents are `(z - shift) * scale` for it.
    Beside { decoder: Box<TinyDecoder>, scale: f32, shift: f32, upscale: usize },
    /// The checkpoint's own autoencoder is tiny.
    Own,
}

impl Tiny {
    /// A scaled latent `[h, w, c]` as pixels of about -1..=1.
    fn decode(&self, pipeline: &Pipeline, latent: &[f32], (w, h): (usize, usize)) -> Result<Vec<f32>> {
        match self {
            Self::Own => pipeline.decode_exactly(latent, (w, h)),
            Self::Beside { decoder, scale, shift, .. } => {
                let z: Vec<f32> = latent.iter().map(|v| v / scale + shift).collect();
                let shape = [1, h, w, latent.len() / (w * h).max(1)];
                values(decoder.decode(Tensor::from_data(TensorData::new(z, shape), &pipeline.device)))
            }
        }
    }

    fn look(&self, pipeline: &Pipeline, latent: &[f32], (w, h): (usize, usize)) -> Result<PreviewImage> {
        let upscale = match self {
            Self::Own => pipeline.vae_config.downscale(),
            Self::Beside { upscale, .. } => *upscale,
        };
        let (mut latent, mut size) = (latent.to_vec(), (w, h));
        while size.0 * size.1 * upscale * upscale > MOST_PIXELS && size.0.min(size.1) > 1 {
            (latent, size) = halved(&latent, size);
        }
        let rgb = self.decode(pipeline, &latent, size)?.into_iter().map(to_byte).collect();
        Ok(PreviewImage { width: (size.0 * upscale) as u32, height: (size.1 * upscale) as u32, rgb })
    }
}

/// A latent `[h, w, c]` at half its sides: the means of two by two.
fn halved(latent: &[f32], (w, h): (usize, usize)) -> (Vec<f32>, (usize, usize)) {
    let c = latent.len() / (w * h).max(1);
    let size = (w / 2, h / 2);
    let mut small = Vec::with_capacity(size.0 * size.1 * c);
    for y in 0..size.1 {
        for x in 0..size.0 {
            for k in 0..c {
                let at = |dx: usize, dy: usize| latent[((2 * y + dy) * w + 2 * x + dx) * c + k];
                small.push((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0);
            }
        }
    }
    (small, size)
}

/// A picture of many colours as the checkpoint's autoencoder understands it.
struct Study {
    /// Scaled, `[SIDE, SIDE, c]`.
    latent: Vec<f32>,
    /// The mean colours of what its own decoder makes of each place.
    colours: Vec<[f64; 3]>,
}

impl Study {
    /// The linear look that is nearest to the decoder.
    fn fit(&self) -> PreviewProjection {
        let channels = self.latent.len() / self.colours.len().max(1);
        let mut fit = LeastSquares::new(channels);
        for (pixel, colour) in self.latent.chunks_exact(channels).zip(&self.colours) {
            let pixel: Vec<f64> = pixel.iter().map(|v| f64::from(*v)).collect();
            fit.add(&pixel, colour);
        }
        fit.solve()
    }

    /// Which share of the variance of its colours others explain: 1 all of it, 0 or less nothing.
    fn explained(&self, colours: &[[f64; 3]]) -> f64 {
        let n = self.colours.len() as f64;
        let (mut missed, mut whole) = (0.0, 0.0);
        for k in 0..3 {
            let mean = self.colours.iter().map(|c| c[k]).sum::<f64>() / n;
            whole += self.colours.iter().map(|c| (c[k] - mean).powi(2)).sum::<f64>();
            missed += self.colours.iter().zip(colours).map(|(own, other)| (own[k] - other[k]).powi(2)).sum::<f64>();
        }
        1.0 - missed / whole.max(f64::MIN_POSITIVE)
    }
}

/// The mean colour of each place of `[height, width, 3]` pixels, places being `step` pixels wide.
fn means(pixels: &[f32], step: usize) -> Vec<[f64; 3]> {
    let mut means = vec![[0.0; 3]; SIDE * SIDE];
    for (i, pixel) in pixels.chunks_exact(3).enumerate() {
        let (x, y) = (i % (SIDE * step), i / (SIDE * step));
        for (sum, v) in means[y / step * SIDE + x / step].iter_mut().zip(pixel) {
            *sum += f64::from(*v) / (step * step) as f64;
        }
    }
    means
}

/// Patches of many colours, each fading into another along some direction: `[side, side, 3]` in -1..=1, the same every time.
fn patches(side: usize) -> Vec<f32> {
    let mut generator = TorchGenerator::new(0);
    let mut draw = || -> [f32; 3] { std::array::from_fn(|_| generator.next_u32() as f32 / (1u32 << 31) as f32 - 1.0) };
    let (across, wide) = (SIDE / PATCH, side * PATCH / SIDE);
    let patches: Vec<[[f32; 3]; 3]> = (0..across * across).map(|_| [draw(), draw(), draw()]).collect();
    let mut pixels = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        for x in 0..side {
            let [colour, right, down] = &patches[y / wide * across + x / wide];
            let inside = |v: usize| (v % wide) as f32 / wide as f32 - 0.5;
            for k in 0..3 {
                let v = colour[k] + 0.5 * (right[k] * inside(x) + down[k] * inside(y));
                pixels.push(v.clamp(-1.0, 1.0));
            }
        }
    }
    pixels
}

impl Pipeline {
    /// Gets ready to show unfinished pictures, once: finds a tiny decoder beside the checkpoint, fits the linear look where none
    /// is written down. Takes less than a sampling step; [`super::StepReport::preview`] does it otherwise. Returns sentences
    /// for the person, the first time.
    pub fn prepare_looks(&self) -> Vec<String> {
        let mut notices = Vec::new();
        self.looks.get_or_init(|| {
            let (looks, said) = self.make_looks();
            notices = said;
            looks
        });
        notices
    }

    fn make_looks(&self) -> (Looks, Vec<String>) {
        if matches!(*self.vae, Autoencoder::Tiny(_)) {
            return (Looks { linear: None, tiny: Some(Tiny::Own) }, Vec::new());
        }
        let (files, mut notices) = tiny::beside(&self.info.path);
        let linear = self.extras.preview.clone();
        if (linear.is_some() && files.is_empty()) || self.vae_config.latent_channels() > MOST_CHANNELS {
            return (Looks { linear, tiny: None }, notices);
        }
        let study = match self.study() {
            Ok(study) => study,
            Err(error) => {
                notices.push(format!("There are no previews of unfinished pictures. {}", error.message));
                return (Looks { linear, tiny: None }, notices);
            }
        };
        let linear = linear.unwrap_or_else(|| study.fit());
        let seen: Vec<[f64; 3]> =
            study.latent.chunks_exact(linear.matrix.len().max(1)).map(|p| linear.colour(p).map(f64::from)).collect();
        let least = study.explained(&seen) - TOLERANCE;
        let mut best: Option<(f64, Tiny)> = None;
        let mut strangers = Vec::new();
        for file in &files {
            match self.judge(file, &study) {
                Ok(Some((share, tiny))) if share >= least => {
                    if best.as_ref().is_none_or(|(best, _)| share > *best) {
                        best = Some((share, tiny));
                    }
                }
                Ok(_) => strangers.push(file.path().display().to_string()),
                Err(error) => notices.push(error.message),
            }
        }
        if best.is_none() && !strangers.is_empty() {
            notices.push(format!(
                "Previews stay small: {} {} made for another family of checkpoints than {}; its own kind of tiny decoder \
                 belongs beside it.",
                strangers.join(", "),
                if strangers.len() == 1 { "was" } else { "were" },
                self.info.name
            ));
        }
        (Looks { linear: Some(linear), tiny: best.map(|(_, tiny)| tiny) }, notices)
    }

    /// Loads a tiny decoder and says how much of the own decoder's colours it explains; `None` where its latents differ.
    /// Decoders for Stable Diffusion 1.x and XL have the same shapes: what tells them apart is what they draw.
    fn judge(&self, file: &TinyFile, study: &Study) -> Result<Option<(f64, Tiny)>> {
        let upscale = file.upscale();
        if file.latent_channels() != self.vae_config.latent_channels() || upscale != self.vae_config.downscale() {
            return Ok(None);
        }
        let (scale, shift) = file.scaling();
        let decoder = Box::new(file.load(&mut Init::new(&self.device, 0))?);
        let tiny = Tiny::Beside { decoder, scale, shift, upscale };
        let _plain = Seamless::set(false);
        let pixels = tiny.decode(self, &study.latent, (SIDE, SIDE))?;
        Ok(Some((study.explained(&means(&pixels, upscale)), tiny)))
    }

    /// What the autoencoder makes of a picture that it reads and draws again.
    fn study(&self) -> Result<Study> {
        let _plain = Seamless::set(false);
        let step = self.vae_config.downscale();
        let latent = self.encode(patches(SIDE * step), (SIDE, SIDE))?.mean;
        let pixels = self.decode_exactly(&latent, (SIDE, SIDE))?;
        if latent.iter().chain(&pixels).any(|v| !v.is_finite()) {
            return Err(Error::failed("The autoencoder's numbers ran out of range; fetch the checkpoint again."));
        }
        Ok(Study { latent, colours: means(&pixels, step) })
    }
}

/// Shows one picture while it is made, and keeps the time that it takes in bounds.
pub(super) struct Viewer<'a> {
    pipeline: &'a Pipeline,
    began: Instant,
    spent: Cell<Duration>,
}

impl<'a> Viewer<'a> {
    /// Begins with the picture.
    pub fn new(pipeline: &'a Pipeline) -> Self {
        Self { pipeline, began: Instant::now(), spent: Cell::default() }
    }

    /// A look at a clean latent `[h, w, c]`; `None` where there was one so lately that another would hold the work up.
    pub fn look(&self, clean: &[f32], size: (usize, usize)) -> Option<PreviewImage> {
        self.pipeline.prepare_looks();
        let looks = self.pipeline.looks.get()?;
        let Some(tiny) = &looks.tiny else { return Some(looks.linear.as_ref()?.look(clean, size)) };
        let begins = Instant::now();
        if self.spent.get().as_secs_f64() > SHARE * self.began.elapsed().as_secs_f64() {
            return None;
        }
        let image = tiny.look(self.pipeline, clean, size);
        self.spent.set(self.spent.get() + begins.elapsed());
        image.ok().or_else(|| Some(looks.linear.as_ref()?.look(clean, size)))
    }
}
