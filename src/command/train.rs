//! `kiln train`: makes the corpus and trains Ember from nothing.

use super::output::{Output, duration};
use kiln::pipeline::device::DeviceChoice;
use kiln::tuning::train::{self, Options, Stage};
use kiln::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Make the corpus and train Ember from nothing; can be stopped and resumed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to train.
    #[arg(long, default_value = "all", value_parser = ["autoencoder", "decoder", "words", "denoiser", "all"])]
    stage: String,
    /// Folder for the checkpoint, its training state and its sample sheets.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Stop after so many minutes.
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,
    /// Stop after so many steps.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Pictures a step.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Minutes that the denoiser first spends on latents of half the side, four times as many a step.
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    coarse_minutes: f64,
    /// Go on where an earlier call stopped.
    #[arg(long)]
    resume: bool,
    /// Begin with the weights of this checkpoint folder instead of nothing.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: DeviceChoice,
    /// Folder of named objects (RGBA pictures) to place into the scenes.
    #[arg(long, value_name = "DIR")]
    objects: Option<PathBuf>,
    /// Peak learning rate; each stage has its own.
    #[arg(long, value_name = "X")]
    learning_rate: Option<f32>,
    /// Seed of the corpus and of the weights.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    if args.minutes.is_none() && args.steps.is_none() {
        return Err(Error::usage("Say how long to train: --minutes N, --steps N, or both."));
    }
    let options = Options {
        stage: match args.stage.as_str() {
            "autoencoder" => Stage::Autoencoder,
            "decoder" => Stage::Decoder,
            "words" => Stage::Words,
            "denoiser" => Stage::Denoiser,
            _ => Stage::All,
        },
        out: args.out,
        minutes: args.minutes,
        steps: args.steps,
        batch: args.batch,
        coarse_minutes: args.coarse_minutes,
        resume: args.resume,
        from: args.from,
        device: super::device(&args.device, output)?.device,
        objects: args.objects,
        seed: args.seed,
        learning_rate: args.learning_rate,
        stop: super::cancelled,
    };
    super::stop_on_ctrl_c();
    let mut failure = None;
    train::run(&options, &mut |p| {
        let extra = p.extra.map(|(name, value)| format!(", {name} {value:.3}")).unwrap_or_default();
        let left = p.seconds_left.map_or("time left not known yet".into(), |s| format!("{} left", duration(s.into())));
        output.progress(&format!(
            "{} step {}: loss {:.4}{extra}, {:.1} pictures/s, {:.0} %, {left}",
            p.stage,
            p.step,
            p.loss,
            p.speed,
            p.done * 100.0
        ));
        let event = json!({
            "event": "train", "stage": p.stage, "step": p.step, "loss": p.loss, "speed": p.speed, "done": p.done,
            "seconds_left": p.seconds_left, "extra": p.extra.map(|(name, value)| json!({name: value})),
        });
        if let Err(error) = output.event(&event) {
            failure = Some(error);
        }
        failure.is_none() && !super::cancelled()
    })?;
    match failure {
        Some(error) => Err(error),
        None => output.result(&json!({"event": "done", "path": options.out}), || {
            format!("Trained; the checkpoint is in {}.", options.out.display())
        }),
    }
}
