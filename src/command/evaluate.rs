//! `kiln evaluate`: measures a checkpoint.

use super::output::Output;
use kiln::{Error, Result};

/// Measure a checkpoint with pictures that it makes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The checkpoint: ember, or the path of one.
    #[arg(long, value_name = "ember|PATH", default_value = "ember")]
    model: String,
    /// Pictures to make in all.
    #[arg(long, value_name = "N", default_value_t = 240)]
    count: usize,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(_args: Args, _output: &Output) -> Result<()> {
    Err(Error::failed("This build of Kiln cannot measure a checkpoint yet: a later version will."))
}
