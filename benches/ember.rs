//! Seconds a picture and seconds a preview, beside the same network in PyTorch on the same cores in the same run.
//!
//! `cargo bench --bench ember -- [--model FOLDER] [--rounds N] [--threads N] [--python PYTHON]`. The rounds of both programs
//! take turns, so that a noisy machine is as noisy for one as for the other. Without a Python that has torch, diffusers and
//! transformers, only Kiln's own times are printed. Then come the peak of resident memory, where the system tells it, PyTorch's from a
//! process with one memory layout only, and how both become faster from one thread to as many as were asked for.

mod peer;

use burn::tensor::Device;
use kiln::kernels::work;
use kiln::pipeline::{Pipeline, locate_model};
use kiln::recipe::Recipe;
use peer::speed::peak;
use peer::{Torch, argument, median, peak_memory};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> kiln::Result<()> {
    kiln::kernels::memory::keep_freed_pages();
    let model = locate_model(&argument("--model").unwrap_or_else(|| "ember".into()))?;
    let rounds: usize = argument("--rounds").and_then(|v| v.parse().ok()).unwrap_or(7);
    let (threads, cores) = peer::threads()?;
    if std::env::args().any(|argument| argument == "--alone") {
        return alone(&model, rounds);
    }

    let began = Instant::now();
    let pipeline = Pipeline::load(&model, &mut |_| {})?;
    let load = began.elapsed().as_secs_f64();
    let defaults = pipeline.info().defaults.clone();
    let prompt = "a red fox in front of misty blue mountains, calm".to_string();
    let recipe = |seed: u64| Recipe { prompt: prompt.clone(), seed, ..defaults.clone() };
    let python = argument("--python").unwrap_or_else(|| "python3".into());
    let torch = Torch::start(&python, "ember_torch.py", &[&model.display().to_string(), &threads.to_string()]);
    let (mut torch, greeting) = torch.map_or((None, String::new()), |(torch, greeting)| (Some(torch), greeting));
    let layouts: Vec<&str> = greeting.split_whitespace().collect();

    let (mut pictures, mut previews, mut operations) = (Vec::new(), Vec::new(), 0);
    let draw = |side: u32, seed: usize| {
        let recipe = Recipe { width: side, height: side, ..recipe(seed as u64) };
        pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(()))
    };
    let (native, large) = (defaults.width, 2 * defaults.width);
    draw(native, 0)?;
    let mut memory = vec![(native, peak_memory("self"))];
    let mut theirs = vec![Vec::new(); layouts.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        let (began, before) = (Instant::now(), work::done());
        draw(native, round)?;
        let picture = began.elapsed().as_secs_f64();
        operations = work::done() - before;
        let began = Instant::now();
        pipeline.preview(&recipe(round as u64), &mut || false)?;
        let preview = began.elapsed().as_secs_f64();
        if round > 0 {
            pictures.push(picture);
            previews.push(preview);
        }
        if let Some(torch) = &mut torch {
            for (times, layout) in theirs.iter_mut().zip(&layouts) {
                let seconds = torch.seconds(&format!("{layout} {} {native}", defaults.steps));
                times.extend(seconds.first().filter(|_| round > 0));
            }
        }
    }
    let picture = median(pictures);
    println!("{} on {threads} of {cores} threads, {} steps, {} rounds", model.display(), defaults.steps, rounds);
    println!("load                  {load:.3} s");
    println!("picture {}x{}       {picture:.3} s", defaults.width, defaults.height);
    println!("preview               {:.3} s", median(previews));
    if layouts.is_empty() {
        println!(
            "PyTorch               not measured: name a Python with torch, diffusers and transformers by --python"
        );
    }
    let times: Vec<f64> = theirs.into_iter().map(median).collect();
    for (layout, seconds) in layouts.iter().zip(&times) {
        println!("PyTorch, {layout:<13} {seconds:.3} s");
    }
    if let Some(best) = times.into_iter().filter(|t| t.is_finite()).min_by(f64::total_cmp) {
        println!("PyTorch / Kiln        {:.2}   (above 1: Kiln is faster)", best / picture);
    }
    drop(torch);
    let reached = operations as f64 / picture;
    let peak = peak(&Device::flex());
    println!(
        "{:.1} GFLOP a picture, {:.0} GFLOP/s: {:.0} % of what matrix products reach here ({:.0} GFLOP/s)",
        operations as f64 / 1e9,
        reached / 1e9,
        100.0 * reached / peak,
        peak / 1e9
    );
    draw(large, 0)?;
    memory.push((large, peak_memory("self")));
    let megabytes = |bytes: Option<u64>| bytes.map_or("?".into(), |b| format!("{} MB", b / 1_000_000));
    for (side, ours) in memory {
        let arguments = [&model.display().to_string(), &threads.to_string(), "channels_last"];
        let theirs = Torch::start(&python, "ember_torch.py", &arguments).and_then(|(mut torch, _)| {
            torch.seconds(&format!("channels_last {} {side}", defaults.steps));
            torch.peak_memory()
        });
        println!("peak memory {side}x{side}   {}, PyTorch {}", megabytes(ours), megabytes(theirs));
    }
    scaling(&model, &python, threads, rounds, &format!("channels_last {} {native}", defaults.steps));
    Ok(())
}

/// Prints the seconds a picture of this process and nothing else.
fn alone(model: &Path, rounds: usize) -> kiln::Result<()> {
    let pipeline = Pipeline::load(model, &mut |_| {})?;
    let mut times = Vec::new();
    for seed in 0..=rounds as u64 {
        let began = Instant::now();
        pipeline.generate(&Recipe { seed, ..pipeline.info().defaults.clone() }, &mut |_| ControlFlow::Continue(()))?;
        times.push(began.elapsed().as_secs_f64());
    }
    // The first warms caches.
    times.remove(0);
    println!("{}", median(times));
    Ok(())
}

/// Seconds a picture of processes with 1, 2, 4, … threads. Threads are started once in a process, so each count has its own.
fn scaling(model: &Path, python: &str, threads: usize, rounds: usize, question: &str) {
    let model = model.display().to_string();
    let mut counts: Vec<usize> = (0..).map(|i| 1 << i).take_while(|n| *n < threads).collect();
    counts.push(threads);
    let mut first: Option<[f64; 2]> = None;
    for count in counts {
        let (count, rounds) = (count.to_string(), rounds.to_string());
        let ours = std::env::current_exe().ok().and_then(|program| {
            let arguments = ["--alone", "--model", &model, "--threads", &count, "--rounds", &rounds];
            let said = Command::new(program).args(arguments).output().ok()?.stdout;
            String::from_utf8_lossy(&said).lines().last()?.trim().parse::<f64>().ok()
        });
        let theirs =
            Torch::start(python, "ember_torch.py", &[&model, &count, "channels_last"]).map(|(mut torch, _)| {
                let mut asked = || torch.seconds(question).first().copied().unwrap_or(f64::NAN);
                asked();
                median((0..3).map(|_| asked()).collect())
            });
        let now = [ours.unwrap_or(f64::NAN), theirs.unwrap_or(f64::NAN)];
        let base = *first.get_or_insert(now);
        println!(
            "{count} thread{} {:.3} s (x {:.2}), PyTorch {:.3} s (x {:.2})",
            if count == "1" { " " } else { "s" },
            now[0],
            base[0] / now[0],
            now[1],
            base[1] / now[1]
        );
    }
}
