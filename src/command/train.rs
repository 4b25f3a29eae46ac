//! `kiln train`: makes the corpus and trains Ember from nothing.

use super::Device;
use super::output::Output;
use kiln::{Error, Result};
use std::path::PathBuf;

/// Make the corpus and train Ember from nothing; can be stopped and resumed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to train.
    #[arg(long, default_value = "all", value_parser = ["autoencoder", "denoiser", "all"])]
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
    /// Go on where an earlier call stopped.
    #[arg(long)]
    resume: bool,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: Device,
    /// Folder of named objects (RGBA pictures) to place into the scenes.
    #[arg(long, value_name = "DIR")]
    objects: Option<PathBuf>,
    /// Seed of the corpus and of the weights.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(_args: Args, _output: &Output) -> Result<()> {
    // kiln::tuning::train::run(options)
    Err(Error::failed("This build of Kiln cannot train Ember yet: a later version will."))
}
