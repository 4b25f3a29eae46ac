//! The second stage: U-Net and text encoder, by rectified flow on cached latents.

use super::autoencoder::{self, HELD_OUT, write_sheet};
use super::ember::{self, LatentStatistics};
use super::latents::{self, Example, Item, SIZE, encode, encode_samples};
use super::optimizer::{Optimizer, OptimizerConfig, OptimizerKind};
use super::shards::Shards;
use super::supply::Supply;
use super::train::{Budget, Observe, Options, Progress, Reports, flow_time, schedule};
use crate::corpus::rng::Rng;
use crate::corpus::{Painter, sheet};
use crate::kernels::on_cpu;
use crate::model::Init;
use crate::model::checkpoint::{Precision, Weights, save};
use crate::model::clip_text::{ClipText, PREFIXES};
use crate::model::tokenizer::Tokenizer;
use crate::model::unet::{Unet, UnetConditioning};
use crate::pipeline::Pipeline;
use crate::sampler::noise::TorchGenerator;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Both networks that learn together.
#[derive(Module, Debug)]
struct Denoiser {
    unet: Unet,
    text: ClipText,
}

/// Scenes encoded before the first step.
const FIRST: usize = 2048;
/// Scenes encoded at a time while training goes on.
const MORE: usize = 64;
/// Scenes encoded at a time on a device other than the CPU, where they are painted meanwhile.
const MORE_ON_DEVICE: usize = 128;
/// Scenes kept; new ones replace the oldest.
const KEPT: usize = 200_000;

/// Steps before the text encoder learns. Until then the denoiser reads words from steady vectors. When both learn
/// from the first step on, the encoder's constant parts outgrow its words (Adam moves them by 0.7 within 900 steps), and the
/// denoiser stays deaf: prompts moved its output by less than 1 % after 3,100 steps.
const WORDS_REST: u64 = 20_000;

/// What the sheets draw, always with the same seeds.
const PROMPTS: [&str; 24] = [
    "a red fox in front of misty blue mountains, calm",
    "an owl in front of a night sky",
    "a blue butterfly on leaves",
    "a cat with stained glass",
    "a red apple on mosaic, warm colours",
    "a rocket against a night sky, purple",
    "a yellow car on waves",
    "a heart, pop art, pink",
    "ocean waves",
    "sunset mountains",
    "stained glass in rainbow colours",
    "gold kaleidoscope",
    "forest leaves, elegant",
    "neon bauhaus shapes",
    "pastel watercolour, dreamy",
    "marbling in teal and orange",
    "monochrome halftone, high contrast",
    "topographic lines, earth colours",
    "turquoise islamic tiles, symmetrical",
    "fire flow field, energetic",
    "candy circles, playful",
    "ice mosaic",
    "berry coral pattern",
    "midnight starry sky, mysterious",
];

/// Trains the denoiser; writes `unet/`, `text_encoder/`, the configurations, `denoiser.state.safetensors` and sheets.
pub fn train(options: &Options, observe: Observe) -> Result<()> {
    let plain = &options.device;
    let device = plain.clone().autodiff();
    let painter = Arc::new(Painter::new(options.objects.as_deref())?);
    let vae = autoencoder::load(&options.out, plain).map_err(|e| {
        Error::failed(format!(
            "The denoiser needs a trained autoencoder: run kiln train --stage autoencoder first. {e}"
        ))
    })?;
    let statistics = latents::statistics(&vae, &painter, plain)?;
    let tokens = ember::write_tokenizer(&options.out)?;
    ember::write_configs(&options.out, tokens, &statistics)?;
    let tokenizer = Tokenizer::open(&options.out.join("tokenizer"), ember::TOKENS)?;
    let (_, unet_config, text_config) = ember::configs(tokens)?;

    let mut init = Init::new(&device, options.seed.wrapping_add(1));
    let mut model = Denoiser {
        unet: Unet::new(&mut init, &unet_config)?,
        text: ClipText::new(&mut init, &text_config)?.with_silent_ends(),
    };
    if let Some(from) = &options.from {
        model.unet = Weights::of_component(&from.join("unet"))?.load(model.unet, &[""])?;
    }
    // A folder without words lends its denoiser alone; without a folder the words are those of the stage before.
    let words = options.from.as_ref().unwrap_or(&options.out).join("text_encoder");
    if words.join("model.safetensors").is_file() || options.from.is_some() && words.is_dir() {
        model.text = Weights::of_component(&words)?.load(model.text, &PREFIXES)?;
    }
    let mut optimizer = Optimizer::new(
        &model,
        OptimizerConfig { weight_decay: 0.01, ema: 0.998, kind: OptimizerKind::Muon, ..Default::default() },
    );
    let state = options.out.join("denoiser.state.safetensors");
    if options.resume && state.is_file() {
        model = optimizer.restore(model, &state)?;
    }

    let batch = options.batch.unwrap_or(32);
    let mut rng = Rng::new(options.seed ^ optimizer.steps().wrapping_mul(0x9e37_79b9));
    // Another resumed run sees other scenes.
    let mut next = options.seed.wrapping_mul(1 << 40) + (1 << 30) + optimizer.steps() * batch as u64;
    let budget = Budget::new(options.minutes, options.steps);
    let mut items: Vec<Item> = Vec::new();
    // A trial of a few steps need not wait for thousands of scenes.
    let first = options.steps.map_or(FIRST, |steps| (steps as usize).saturating_mul(batch).clamp(MORE, FIRST));
    let began = Instant::now();
    // On a device the CPU has time to paint while it trains, and a scene is encoded as soon as it is there.
    let supply = (!on_cpu(plain)).then(|| Supply::new(&painter, next, ember::SIDE, rayon::current_num_threads()));
    while items.len() < first {
        items.extend(match &supply {
            Some(supply) => encode_samples(&vae, plain, &supply.take(MORE_ON_DEVICE)?)?,
            None => encode(&vae, &painter, plain, next, MORE)?,
        });
        next += MORE as u64;
        let done = items.len() as f32 / first as f32;
        let progress = Progress {
            stage: "latents",
            step: items.len() as u64,
            loss: 0.0,
            extra: None,
            speed: items.len() as f32 / began.elapsed().as_secs_f32().max(1e-3),
            done,
            seconds_left: Some(began.elapsed().as_secs_f32() * (1.0 - done) / done),
        };
        if !observe(progress) {
            return Ok(());
        }
    }

    let peak = options.learning_rate.unwrap_or(8e-4);
    let mut reports = Reports::new("denoiser", 20.0, budget, optimizer.steps());
    let mut saved = Instant::now();
    // A device is quick, often lent, and can vanish.
    let save_every = if on_cpu(plain) { 480 } else { 150 };
    let mut oldest = 0;
    let mut shards = Shards::new(&model, plain, batch)?;
    let started = Instant::now();
    loop {
        // Composition, colours and words are learnt on small latents at a quarter of the cost (progressive resolution, as in
        // Rombach et al. 2022 and most large models since).
        let coarse = started.elapsed().as_secs_f64() < 60.0 * options.coarse_minutes;
        let batch = if coarse { 4 * batch } else { batch };
        let step = optimizer.steps();
        let done = budget.done(step);
        if done >= 1.0 || (options.stop)() {
            break;
        }
        // One fresh scene for every ten or twenty that are trained on, each time with other words and other noise.
        let repeats = if coarse { 20 } else { 10 };
        let fresh = match &supply {
            Some(supply) if supply.waiting() >= MORE_ON_DEVICE => {
                encode_samples(&vae, plain, &supply.take(MORE_ON_DEVICE)?)?
            }
            None if step.is_multiple_of((repeats * MORE as u64 / batch as u64).max(1)) && done < 0.95 => {
                next += MORE as u64;
                encode(&vae, &painter, plain, next - MORE as u64, MORE)?
            }
            _ => Vec::new(),
        };
        for item in fresh {
            if items.len() < KEPT {
                items.push(item);
            } else {
                items[oldest] = item;
                oldest = (oldest + 1) % KEPT;
            }
        }
        // Drawn here, in order, so that the same steps are the same on every number of cores.
        let share = batch / shards.count();
        let parts: Vec<(Vec<Example>, u64)> = (0..shards.count())
            .map(|_| {
                let draw = |rng: &mut Rng| items[rng.below(items.len())].example(&statistics, rng);
                ((0..share).map(|_| draw(&mut rng)).collect(), u64::from(rng.bits()))
            })
            .collect();
        let (loss, norm) = shards.step(&mut optimizer, schedule(peak, step, done), |model, shard| {
            let (examples, seed) = &parts[shard];
            flow_loss(model, &tokenizer, &text_config, examples, coarse, *seed, step >= WORDS_REST, &device)
        })?;

        let now = (optimizer.steps(), done);
        if !reports.step(now, (loss, batch), || Some(("gradient norm", norm)), observe) {
            break;
        }
        if saved.elapsed().as_secs() > save_every {
            keep(options, &model, &optimizer, &state)?;
            saved = Instant::now();
        }
    }
    keep(options, &model, &optimizer, &state)?;
    let held_out = held_out_loss(&model, &optimizer, &tokenizer, options, &vae, &painter, &statistics, tokens)?;
    observe(Progress {
        stage: "denoiser",
        step: optimizer.steps(),
        loss: held_out,
        extra: Some(("held-out loss", held_out)),
        speed: 0.0,
        done: 1.0,
        seconds_left: Some(0.0),
    });
    Ok(())
}

/// Mean squared error of the flow; `seed` decides times and noise (Lipman et al. 2022). `coarse`: on latents of half the side.
#[allow(clippy::too_many_arguments)]
fn flow_loss(
    model: &Denoiser,
    tokenizer: &Tokenizer,
    text_config: &crate::model::clip_text::ClipTextConfig,
    examples: &[Example],
    coarse: bool,
    seed: u64,
    words_learn: bool,
    device: &Device,
) -> Result<Tensor<1>> {
    let n = examples.len();
    let rng = &mut Rng::new(seed);
    let side = if coarse { ember::LATENT_SIDE / 2 } else { ember::LATENT_SIDE };
    let shape = [n, side, side, ember::LATENT_CHANNELS];
    let mut data = Vec::with_capacity(n * SIZE);
    for example in examples {
        if coarse {
            data.extend(example.coarse());
        } else {
            data.extend_from_slice(&example.latent);
        }
    }
    let numbers = data.len();
    let clean = Tensor::<4>::from_data(TensorData::new(data, shape), device);
    let labels: Vec<f32> = examples.iter().flat_map(|e| e.labels.clone()).collect();
    let labels = Tensor::<2>::from_data(TensorData::new(labels, [n, 26]), device);
    let sigmas: Vec<f32> = (0..n).map(|_| flow_time(rng).clamp(0.001, 1.0)).collect();
    let sigma = Tensor::<4>::from_data(TensorData::new(sigmas.clone(), [n, 1, 1, 1]), device);
    let noise = if on_cpu(device) {
        let noise = TorchGenerator::new(seed).randn(numbers);
        Tensor::<4>::from_data(TensorData::new(noise, shape), device)
    } else {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    };
    let noisy = clean.clone() * (sigma.clone() * -1.0 + 1.0) + noise.clone() * sigma;
    let tokens: Vec<Vec<u32>> = examples.iter().map(|e| tokenizer.encode(&e.caption).ids).collect();
    // Words that rest are read without a graph: one that nothing walks back is never freed while the weights under it stay.
    let words = if words_learn {
        model.text.forward(&tokens, text_config.eos_token_id)?.last_hidden_state
    } else {
        let words = model.text.valid().forward(&tokens, text_config.eos_token_id)?.last_hidden_state;
        if device.is_autodiff() { Tensor::from_inner(words) } else { words }
    };
    let times: Vec<f32> = sigmas.iter().map(|s| s * 1000.0).collect();
    let conditioning = UnetConditioning { class_labels: Some(labels), ..Default::default() };
    let flow = model.unet.forward(noisy, &times, words, &conditioning)?;
    Ok((flow - (noise - clean)).square().mean())
}

/// The averaged weights' loss on scenes that are never trained on, with fixed noise.
#[allow(clippy::too_many_arguments)]
fn held_out_loss(
    model: &Denoiser,
    optimizer: &Optimizer,
    tokenizer: &Tokenizer,
    options: &Options,
    vae: &crate::model::autoencoder_kl::AutoencoderKl,
    painter: &Painter,
    statistics: &LatentStatistics,
    tokens: usize,
) -> Result<f32> {
    let (_, _, text_config) = ember::configs(tokens)?;
    let averaged = optimizer.averaged(model.clone()).valid();
    let items = encode(vae, painter, &options.device, HELD_OUT + 5000, 64)?;
    let mut rng = Rng::new(77);
    let mut total = 0.0;
    for group in items.chunks(32) {
        let examples: Vec<Example> = group.iter().map(|i| i.example(statistics, &mut rng)).collect();
        let seed = u64::from(rng.bits());
        total += flow_loss(&averaged, tokenizer, &text_config, &examples, false, seed, false, &options.device)?
            .into_scalar::<f32>();
    }
    Ok(total / items.chunks(32).len().max(1) as f32)
}

/// Saves state and averaged weights, and draws a sheet with the finished pipeline.
fn keep(options: &Options, model: &Denoiser, optimizer: &Optimizer, state: &Path) -> Result<()> {
    let averaged = optimizer.averaged(model.clone());
    for name in ["unet", "text_encoder"] {
        let folder = options.out.join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    }
    let unet = options.out.join("unet/diffusion_pytorch_model.safetensors");
    save(&averaged.unet, "", &unet, Precision::ShortF16(3))?;
    save(&averaged.text, "text_model.", &options.out.join("text_encoder/model.safetensors"), Precision::ShortF16(6))?;
    optimizer.save(state)?;
    let pipeline = Pipeline::load_on(&options.out, &options.device, &mut |_| {})?;
    let mut pictures = Vec::with_capacity(PROMPTS.len());
    for (i, prompt) in PROMPTS.iter().enumerate() {
        let mut recipe = pipeline.info().defaults.clone();
        recipe.prompt = (*prompt).into();
        recipe.seed = i as u64;
        pictures.push(pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(()))?.rgb);
    }
    let (rgb, width, height) = sheet::grid(&pictures, ember::SIDE, 8);
    write_sheet(options, "denoiser", optimizer.steps(), &rgb, (width, height))
}
