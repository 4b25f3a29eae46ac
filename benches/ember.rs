//! Seconds a picture and seconds a preview, beside the same network in PyTorch on the same cores in the same run.
//!
//! `cargo bench --bench ember -- [--model FOLDER] [--rounds N] [--threads N] [--python PYTHON]`. The rounds of both programs
//! take turns, so that a noisy machine is as noisy for one as for the other. Without a Python that has torch, diffusers and
//! transformers, only Kiln's own times are printed.

use kiln::pipeline::{Pipeline, locate_model};
use kiln::recipe::Recipe;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The other program: one line asks for a picture, one line answers with seconds.
struct Torch {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
    layouts: Vec<String>,
}

impl Torch {
    fn start(python: &str, model: &Path, threads: usize) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ember_torch.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(model)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let ask = child.stdin.take()?;
        let mut answers = BufReader::new(child.stdout.take()?);
        let mut line = String::new();
        answers.read_line(&mut line).ok()?;
        let layouts: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        (!layouts.is_empty()).then_some(Self { child, ask, answers, layouts })
    }

    fn seconds(&mut self, layout: &str, steps: u32) -> Option<f64> {
        writeln!(self.ask, "{layout} {steps}").ok()?;
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        line.trim().parse().ok()
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        // Whatever it is doing, the benchmark is over.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> kiln::Result<()> {
    kiln::kernels::memory::keep_freed_pages();
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1)).cloned();
    let model = locate_model(&value("--model").unwrap_or_else(|| "ember".into()))?;
    let rounds: usize = value("--rounds").and_then(|v| v.parse().ok()).unwrap_or(7);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = value("--threads").and_then(|v| v.parse().ok()).unwrap_or(cores);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| kiln::Error::failed(format!("{threads} threads could not be started: {e}.")))?;

    let began = Instant::now();
    let pipeline = Pipeline::load(&model, &mut |_| {})?;
    let load = began.elapsed().as_secs_f64();
    let defaults = pipeline.info().defaults.clone();
    let prompt = "a red fox in front of misty blue mountains, calm".to_string();
    let recipe = |seed: u64| Recipe { prompt: prompt.clone(), seed, ..defaults.clone() };
    let mut torch = Torch::start(&value("--python").unwrap_or_else(|| "python3".into()), &model, threads);
    let layouts = torch.as_ref().map_or_else(Vec::new, |t| t.layouts.clone());

    let (mut pictures, mut previews) = (Vec::new(), Vec::new());
    let mut theirs = vec![Vec::new(); layouts.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        let began = Instant::now();
        pipeline.generate(&recipe(round as u64), &mut |_| ControlFlow::Continue(()))?;
        let picture = began.elapsed().as_secs_f64();
        let began = Instant::now();
        pipeline.preview(&recipe(round as u64), &mut || false)?;
        let preview = began.elapsed().as_secs_f64();
        if round > 0 {
            pictures.push(picture);
            previews.push(preview);
        }
        if let Some(torch) = &mut torch {
            for (times, layout) in theirs.iter_mut().zip(&layouts) {
                if let Some(seconds) = torch.seconds(layout, defaults.steps).filter(|_| round > 0) {
                    times.push(seconds);
                }
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
    Ok(())
}
