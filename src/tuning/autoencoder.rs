//! The first stage: an autoencoder for the painter's pictures, trained on crops.

use super::critic::Critic;
use super::ember;
use super::optimizer::{Optimizer, OptimizerConfig, OptimizerKind};
use super::supply::Supply;
use super::train::{Budget, Observe, Options, Progress, Reports, Stage, read_loss, schedule};
use crate::corpus::rng::Rng;
use crate::corpus::{Painter, sheet};
use crate::kernels::{linear, on_cpu};
use crate::model::Init;
use crate::model::autoencoder_kl::AutoencoderKl;
use crate::model::checkpoint::{Precision, Weights, save};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Side of a training crop, pixels.
const CROP: usize = 128;
/// Weight of the Kullback-Leibler term, a mean over latent elements: keeps latents near a unit Gaussian and teaches the
/// decoder to bear small errors of the denoiser.
const KL: f32 = 2e-4;
/// Size of the first three latent channels against the colours -1..=1 that they hold: like the other channels'.
const ANCHOR: f32 = 4.0;
/// Standard deviation of the noise on the latents when only the decoder learns.
const Z_NOISE: f64 = 0.05;
/// Seeds from here on are never trained on.
pub const HELD_OUT: u64 = 1 << 60;

/// Random crops of painted scenes, -1..=1, painted on threads of their own.
struct Crops {
    supply: Supply,
    /// Crops of a scene.
    each: u64,
    left: Vec<Vec<f32>>,
}

impl Crops {
    /// The CPU, which is busy training, paints with one thread and crops a scene twice; beside another device all its cores paint.
    fn new(painter: &Arc<Painter>, first: u64, device: &Device) -> Self {
        let (threads, each) = if on_cpu(device) { (1, 2) } else { (rayon::current_num_threads(), 4) };
        Self { supply: Supply::new(painter, first, ember::SIDE, threads), each, left: Vec::new() }
    }

    fn next(&mut self) -> Result<Vec<f32>> {
        if self.left.is_empty() {
            let sample = self.supply.next()?;
            // The places follow from the picture, so that one thread gives the same crops again.
            let seed = sample.rgb.iter().step_by(97).fold(1u64, |a, v| a.wrapping_mul(31).wrapping_add(u64::from(*v)));
            let mut rng = Rng::new(seed);
            let span = ember::SIDE - CROP + 1;
            self.left = (0..self.each).map(|_| crop(&sample.rgb, rng.below(span), rng.below(span))).collect();
        }
        self.left.pop().ok_or_else(|| Error::failed("There is nothing to crop."))
    }
}

fn crop(rgb: &[u8], x: usize, y: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(CROP * CROP * 3);
    for row in y..y + CROP {
        let at = (row * ember::SIDE + x) * 3;
        out.extend(rgb[at..at + CROP * 3].iter().map(|v| f32::from(*v) / 127.5 - 1.0));
    }
    out
}

/// Means over blocks of `k` by `k` pixels, `[blocks, 1, channels]`.
fn pool(t: Tensor<4>, k: usize) -> Tensor<3> {
    let [n, h, w, c] = t.dims();
    t.reshape([n * h / k, k, (w / k) * k * c]).mean_dim(1).reshape([n * h / k * (w / k), k, c]).mean_dim(1)
}

/// Lightness, red against green, blue against yellow of colours (or of differences of colours), `[n, 1, 3]`. The two hues count
/// three times: they vary less than lightness, and in RGB the network learns them one after the other, each some thousand
/// steps late.
fn opponent(colours: Tensor<3>) -> Tensor<2> {
    let [n, _, _] = colours.dims();
    let axes = [[1.0 / 3.0, 3.0, -1.5], [1.0 / 3.0, -3.0, -1.5], [1.0 / 3.0, 0.0, 3.0]];
    let axes = Tensor::<2>::from_floats(axes, &colours.device());
    linear(colours.reshape([n, 3]), axes, None)
}

/// Mean absolute difference on the picture and on two coarser versions of it, there with its hues.
fn reconstruction_loss(ours: Tensor<4>, theirs: Tensor<4>) -> Tensor<1> {
    let difference = ours - theirs;
    let fine = difference.clone().abs().mean();
    let coarse = opponent(pool(difference.clone(), 4)).abs().mean() + opponent(pool(difference, 16)).abs().mean();
    fine + coarse * 0.5
}

/// How far the first three latent channels are from the mean colour of their block, times [`ANCHOR`]. Without this anchor
/// neither half begins to speak of colour: after 1,500 steps the latents explained 86 % of the lightness of a block and
/// below 8 % of its colour.
fn colour_loss(mean: Tensor<4>, picture: Tensor<4>) -> Tensor<1> {
    let [n, h, w, _] = mean.dims();
    let first = mean.narrow(3, 0, 3).reshape([n * h * w, 1, 3]);
    opponent(first / ANCHOR - pool(picture, ember::SIDE / ember::LATENT_SIDE)).abs().mean()
}

/// Loads the averaged autoencoder of a training folder.
pub fn load(folder: &Path, device: &Device) -> Result<AutoencoderKl> {
    let (config, _, _) = ember::configs(3)?;
    let model = AutoencoderKl::new(&mut Init::new(device, 0), &config)?;
    Weights::of_component(&folder.join("vae"))?.load(model, &[""])
}

/// Trains the autoencoder, or only its decoder; writes `vae/`, `autoencoder.state.safetensors` (`decoder.…`) and sheets.
pub fn train(options: &Options, observe: Observe) -> Result<()> {
    let device = options.device.clone().autodiff();
    let frozen = options.stage == Stage::Decoder;
    let stage = if frozen { "decoder" } else { "autoencoder" };
    let (config, _, _) = ember::configs(3)?;
    let mut model = AutoencoderKl::new(&mut Init::new(&device, options.seed), &config)?.with_log_variance(-5.0);
    let first = if frozen { Some(&options.out) } else { options.from.as_ref() };
    if let Some(first) = first {
        model = Weights::of_component(&first.join("vae"))?.load(model, &[""])?;
    }
    let config = OptimizerConfig { weight_decay: 1e-5, kind: OptimizerKind::Muon, ..Default::default() };
    let mut optimizer = Optimizer::new(&model, config);
    let state = options.out.join(format!("{stage}.state.safetensors"));
    if options.resume && state.is_file() {
        model = optimizer.restore(model, &state)?;
    }
    let encoder = model.valid();
    // Not kept with the state: a resumed run teaches a new one, which pulls gently at first.
    let mut critic = frozen.then(|| Critic::new(&device, options.seed.wrapping_add(2), 1e-3));
    let painter = Arc::new(Painter::new(options.objects.as_deref())?);
    let batch = options.batch.unwrap_or(4);
    let first = options.seed.wrapping_mul(1 << 40) + optimizer.steps() * batch as u64;
    let mut crops = Crops::new(&painter, first, &options.device);
    let budget = Budget::new(options.minutes, options.steps);
    let peak = options.learning_rate.unwrap_or(1e-3);
    let mut reports = Reports::new(stage, 15.0, budget, optimizer.steps());
    let (mut told, mut saved) = (Vec::new(), Instant::now());
    // On a device other than the CPU the loss is read one step late, so that it is never waited for.
    let mut late: Option<Tensor<1>> = None;

    loop {
        let step = optimizer.steps();
        let done = budget.done(step);
        if done >= 1.0 || (options.stop)() {
            break;
        }
        let mut data = Vec::with_capacity(batch * CROP * CROP * 3);
        for _ in 0..batch {
            data.extend(crops.next()?);
        }
        let x = Tensor::<4>::from_data(TensorData::new(data, [batch, CROP, CROP, 3]), &device);
        let (value, mut gradients) = if let Some(critic) = &mut critic {
            let x = x.inner();
            let (mean, _) = encoder.encode(x.clone());
            // The denoiser misses by about this much: see `Z_NOISE`.
            let noise = Tensor::<4>::random(mean.dims(), Distribution::Normal(0.0, Z_NOISE), &options.device);
            let ours = model.decode(Tensor::from_inner(mean + noise));
            let seen = ours.clone().inner();
            let (way, value) = critic.gradient(&seen, &x, reconstruction_loss);
            told.push(critic.learn(seen, x));
            (value, (ours * Tensor::from_inner(way)).sum().backward())
        } else {
            let (mean, logvar) = model.encode(x.clone());
            let noise = Tensor::<4>::random(mean.dims(), Distribution::Normal(0.0, 1.0), &device);
            let z = mean.clone() + (logvar.clone() * 0.5).exp() * noise;
            let kl = (mean.clone().square() + logvar.clone().exp() - logvar - 1.0).mean() * 0.5;
            let colours = colour_loss(mean, x.clone());
            let loss = reconstruction_loss(model.decode(z), x) + colours * 0.5 + kl * KL;
            (loss.clone().inner(), loss.backward())
        };
        model = optimizer.step(model, &mut gradients, schedule(peak, step, done)).0;
        let value = if on_cpu(&options.device) { Some(value) } else { late.replace(value) };
        let value = value.map_or(Ok(0.0), read_loss)?;

        let extra = || {
            let told = std::mem::take(&mut told);
            let share = (!told.is_empty()).then(|| Tensor::cat(told, 0).mean().into_scalar());
            share.map(|share| ("patches told from real ones", share))
        };
        if !reports.step((optimizer.steps(), done), (value, batch), extra, observe) {
            break;
        }
        if saved.elapsed().as_secs() > 240 {
            keep(options, &model, &optimizer, (stage, &state), &painter)?;
            saved = Instant::now();
        }
    }
    let quality = keep(options, &model, &optimizer, (stage, &state), &painter)?;
    observe(Progress {
        stage,
        step: optimizer.steps(),
        loss: 0.0,
        extra: Some(("held-out PSNR, dB", quality)),
        speed: 0.0,
        done: 1.0,
        seconds_left: Some(0.0),
    });
    Ok(())
}

/// Saves state, averaged weights and a sheet; returns the held-out PSNR in dB.
fn keep(
    options: &Options,
    model: &AutoencoderKl,
    optimizer: &Optimizer,
    (stage, state): (&str, &Path),
    painter: &Painter,
) -> Result<f32> {
    let folder = options.out.join("vae");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    let averaged = optimizer.averaged(model.clone());
    save(&averaged, "", &folder.join("diffusion_pytorch_model.safetensors"), Precision::F16)?;
    optimizer.save(state)?;
    let plain = load(&options.out, &options.device)?;
    let (pictures, quality) = reconstruct(&plain, painter, &options.device, 16)?;
    let (rgb, width, height) = sheet::grid(&pictures, ember::SIDE, 8);
    write_sheet(options, stage, optimizer.steps(), &rgb, (width, height))?;
    Ok(quality)
}

/// Held-out scenes above their reconstructions, and the mean PSNR in dB.
pub fn reconstruct(
    model: &AutoencoderKl,
    painter: &Painter,
    device: &Device,
    count: usize,
) -> Result<(Vec<Vec<u8>>, f32)> {
    let side = ember::SIDE;
    let (mut rows, mut error) = (Vec::new(), 0.0f64);
    for group in 0..count / 8 {
        let originals: Vec<Vec<u8>> =
            (0..8).map(|i| painter.paint(HELD_OUT + (group * 8 + i) as u64, side).rgb).collect();
        let mut copies = Vec::new();
        for picture in &originals {
            let data: Vec<f32> = picture.iter().map(|v| f32::from(*v) / 127.5 - 1.0).collect();
            let x = Tensor::<4>::from_data(TensorData::new(data, [1, side, side, 3]), device);
            let y: Vec<f32> = model.decode(model.encode(x).0).into_data().try_into_vec().unwrap_or_default();
            let copy: Vec<u8> = y.iter().map(|v| ((v / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8).collect();
            let square: f64 = copy.iter().zip(picture).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
            error += 10.0 * (255.0f64.powi(2) / (square / picture.len() as f64).max(1e-9)).log10();
            copies.push(copy);
        }
        rows.extend(originals);
        rows.extend(copies);
    }
    Ok((rows, (error / count.max(1) as f64) as f32))
}

/// Writes a sheet into the training folder.
pub fn write_sheet(
    options: &Options,
    stage: &str,
    step: u64,
    rgb: &[u8],
    (width, height): (usize, usize),
) -> Result<()> {
    let path = options.out.join(format!("sheets/{stage}-{step:07}.png"));
    image::save_buffer(&path, rgb, width as u32, height as u32, image::ColorType::Rgb8)
        .map_err(|e| Error::io("write the sheet", &path, e))
}
