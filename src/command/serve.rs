//! `kiln serve`: lends this machine's device to a studio elsewhere, by burn's remote backend.

use super::output::Output;
use kiln::pipeline::device::DeviceChoice;
#[cfg(feature = "remote")]
use kiln::pipeline::device::TOKEN;
use kiln::{Error, Result};
#[cfg(feature = "remote")]
use std::net::TcpListener;
use std::net::{IpAddr, Ipv4Addr};

/// Lend this machine's device to another studio.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 3000)]
    port: u16,
    /// Address to listen on; the default is for this machine alone, 0.0.0.0 is for everyone in the network.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// What a studio must show; KILN_TOKEN, else a new random one, if absent. It travels unencrypted: use a network you trust.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Which device to lend.
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto", value_parser = super::parse_device)]
    device: DeviceChoice,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[cfg(feature = "remote")]
pub fn run(args: &Args, output: &Output) -> Result<()> {
    if matches!(args.device, DeviceChoice::Remote(_)) {
        return Err(Error::usage("A borrowed device cannot be lent on; use auto, cpu or gpu."));
    }
    let given = args.token.clone().or_else(|| std::env::var(TOKEN).ok()).filter(|token| !token.is_empty());
    let token = given.map_or_else(new_token, Ok)?;
    let place = (args.listen, args.port);
    let busy = |e: std::io::Error| {
        Error::failed(format!("Port {} at {} cannot be listened on ({e}); give another with --port.", place.1, place.0))
    };
    let listener = TcpListener::bind(place).map_err(busy)?;
    let at = listener.local_addr().map_err(busy)?;
    let chosen = super::device(&args.device, output)?;
    let url = format!("remote:ws://{token}@{at}");
    let event = serde_json::json!({
        "event": "serving", "device": chosen.name, "address": at.to_string(), "token": token, "use": url,
    });
    output
        .result(&event, || format!("Lending {}. On the other machine: kiln generate --device {url} …", chosen.name))?;
    kiln::pipeline::device::remote::lend(&chosen.device, listener, &token)
}

/// Runs the command.
#[cfg(not(feature = "remote"))]
pub fn run(_args: &Args, _output: &Output) -> Result<()> {
    Err(Error::failed("This build of Kiln cannot lend its device; build it with --features remote."))
}

/// 128 random bits, hexadecimal.
#[cfg(feature = "remote")]
fn new_token() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::failed(format!("There is no randomness for a token ({e}); give --token.")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
