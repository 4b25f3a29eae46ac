//! `kiln finetune`: not in this build yet.

use super::Device;
use kiln::{Error, Result};
use std::path::PathBuf;

/// Teach a checkpoint a style or your taste.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("examples").required(true).args(["images", "ratings"])))]
pub struct Args {
    /// Folder of pictures to learn from.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Library whose ratings to learn from.
    #[arg(long, value_name = "LIBRARY")]
    ratings: Option<PathBuf>,
    /// File for the adapter.
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// The checkpoint: ember, or the path of one.
    #[arg(long, value_name = "ember|PATH", default_value = "ember")]
    model: String,
    /// Rank of the adapter.
    #[arg(long, value_name = "R", default_value_t = 8)]
    rank: u32,
    /// Training steps.
    #[arg(long, value_name = "N", default_value_t = 500)]
    steps: u32,
    /// What to make small.
    #[arg(long, default_value = "mse", value_parser = ["mse", "perceptual", "adversarial"])]
    loss: String,
    /// How to walk.
    #[arg(long, default_value = "adamw", value_parser = ["adamw", "adam", "sgd"])]
    optimizer: String,
    /// Learning rate.
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    lr: f64,
    /// Go on where an earlier call stopped.
    #[arg(long)]
    resume: bool,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: Device,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(_args: Args) -> Result<()> {
    Err(Error::failed("This build of Kiln cannot fine-tune yet: a later version will."))
}
