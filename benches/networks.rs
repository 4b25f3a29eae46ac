//! Whole networks beside PyTorch on the same cores in the same run: one step of Stable Diffusion 1.5's U-Net, and one training
//! step of Ember's.
//!
//! `cargo bench --bench networks -- [--only sd15|train] [--rounds N] [--threads N] [--python PYTHON]`. The weights are random:
//! they decide nothing about time. Stable Diffusion's U-Net takes 4 GB in each of the two programs. The rounds of both take turns.

mod peer;

use burn::tensor::{Device, Distribution, Tensor};
use kiln::kernels::cpu::half::HalfProducts;
use kiln::model::Init;
use kiln::model::unet::{Unet, UnetConditioning, UnetConfig};
use kiln::tuning::ember;
use kiln::tuning::optimizer::{Optimizer, OptimizerConfig};
use kiln::tuning::shards::Shards;
use peer::{Torch, argument, median};
use serde_json::json;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Pictures of one training step.
const BATCH: usize = 16;

fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Something that can be timed, in seconds.
type Timed = Box<dyn FnMut() -> kiln::Result<f64>>;

/// Name for `--only`, title, what builds it, and in what precisions it is timed (true: factors of 16 bits).
type Network = (&'static str, &'static str, fn() -> kiln::Result<Timed>, &'static [(&'static str, bool)]);

/// One step at 512x512: both halves of the guidance as one batch.
fn sd15() -> kiln::Result<Timed> {
    let config: UnetConfig = ember::parse(json!({
        "sample_size": 64, "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 2, "cross_attention_dim": 768, "attention_head_dim": 8,
    }))?;
    let device = Device::flex();
    let unet = Unet::new(&mut Init::new(&device, 0), &config)?;
    let (latent, words) = (noise([2, 64, 64, 4], &device), noise([2, 77, 768], &device));
    Ok(Box::new(move || {
        let began = Instant::now();
        unet.forward(latent.clone(), &[500.0, 500.0], words.clone(), &UnetConditioning::default())?.into_data();
        Ok(began.elapsed().as_secs_f64())
    }))
}

/// Forward, backward and AdamW.
fn train() -> kiln::Result<Timed> {
    let sliders = ember::sliders();
    let config: UnetConfig = ember::parse(ember::unet_json(&sliders))?;
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let unet = Unet::new(&mut Init::new(&device, 0), &config)?;
    let mut optimizer = Optimizer::new(&unet, OptimizerConfig::default());
    let mut shards = Shards::new(&unet, &plain, BATCH)?;
    let width = kiln::pipeline::extras::class_width(&sliders);
    Ok(Box::new(move || {
        let began = Instant::now();
        let share = BATCH / shards.count();
        let side = ember::LATENT_SIDE;
        let (_, gradients) = shards.gradients(&optimizer, |unet, _| {
            let latent = noise([share, side, side, ember::LATENT_CHANNELS], &device);
            let conditioning =
                UnetConditioning { class_labels: Some(noise([share, width], &device)), ..Default::default() };
            let words = noise([share, ember::TOKENS, 256], &device);
            let out = unet.forward(latent, &vec![500.0; share], words, &conditioning)?;
            let target = noise(out.dims(), &device);
            Ok((out - target).square().mean())
        })?;
        optimizer.apply(&gradients, 1e-4);
        Ok(began.elapsed().as_secs_f64())
    }))
}

fn main() -> kiln::Result<()> {
    kiln::kernels::memory::keep_freed_pages();
    let rounds: usize = argument("--rounds").and_then(|v| v.parse().ok()).unwrap_or(5);
    let only = argument("--only").unwrap_or_default();
    let (threads, cores) = peer::threads()?;
    let python = argument("--python").unwrap_or_else(|| "python3".into());
    println!("{threads} of {cores} threads, {rounds} rounds, seconds");
    println!("{:<44} {:>8} {:>8} {:>7}", "network", "Kiln", "PyTorch", "ratio");
    let networks: [Network; 2] = [
        ("sd15", "Stable Diffusion 1.5 U-Net, 512x512, 1 step", sd15, &[("f32", false)]),
        ("train", "Ember U-Net, training step of 16", train, &[("f32", false), ("bf16 factors", true)]),
    ];
    for (name, title, build, precisions) in networks.iter().filter(|n| n.0.contains(&only)) {
        let mut call = build()?;
        let torch = Torch::start(&python, "networks_torch.py", &[name, &threads.to_string()]);
        let mut torch = torch.filter(|(_, greeting)| greeting == "ready").map(|(torch, _)| torch);
        for (precision, half) in *precisions {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            // The first round warms caches and is not counted.
            for round in 0..=rounds {
                let halves = half.then(HalfProducts::allow);
                let seconds = call()?;
                drop(halves);
                let layouts = torch.as_mut().map_or_else(Vec::new, |t| t.seconds(if *half { "bf16" } else { "f32" }));
                if round > 0 {
                    ours.push(seconds);
                    theirs.extend(layouts.into_iter().min_by(f64::total_cmp));
                }
            }
            let (ours, theirs) = (median(ours), median(theirs));
            println!("{:<44} {ours:>8.3} {theirs:>8.3} {:>7.2}", format!("{title}, {precision}"), theirs / ours);
        }
    }
    println!("ratio: PyTorch / Kiln, above 1 Kiln is faster; PyTorch in the faster of its two layouts");
    Ok(())
}
