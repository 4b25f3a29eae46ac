//! `kiln serve`: not in this build yet.

use super::Device;
use kiln::{Error, Result};

/// Lend this machine's device to another studio.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port to listen on.
    #[arg(long, value_name = "N", default_value_t = 3000)]
    port: u16,
    /// Which device to lend.
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto", value_parser = super::parse_device)]
    device: Device,
}

/// Runs the command.
pub fn run(_args: Args) -> Result<()> {
    Err(Error::failed("This build of Kiln cannot lend its device yet: a later version will."))
}
