//! Which device the numbers live on.

#[cfg(feature = "gpu")]
pub mod probe;
#[cfg(feature = "remote")]
pub mod remote;

use crate::{Error, Result};
use burn::tensor::Device;
use std::fmt;
use std::str::FromStr;

/// What the person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A GPU that answers rightly and is faster than the CPU, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu,
    /// A device that another machine lends with `kiln serve`.
    Remote(Address),
}

/// Where a lent device is, and what opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// As in `ws://studio:3000`.
    pub url: String,
    /// What `kiln serve` asks for.
    pub token: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret.
        write!(f, "Address({})", self.url)
    }
}

/// The environment variable with the token of a lent device.
pub const TOKEN: &str = "KILN_TOKEN";

impl Address {
    /// Reads `ws://TOKEN@HOST:PORT`; the scheme may be left out, and the token when it stands in [`TOKEN`].
    ///
    /// # Errors
    /// When there is no host, or the scheme is another one.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = match text.split_once("://") {
            Some(("ws", bare)) => bare,
            Some((scheme, _)) => {
                return Err(Error::usage(format!(
                    "{scheme}:// is no way to a lent device; write remote:ws://HOST:PORT."
                )));
            }
            None => text,
        };
        let (token, place) = bare.rsplit_once('@').unwrap_or(("", bare));
        let place = place.trim_end_matches('/');
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "3000"));
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(Error::usage(format!(
                "\"{place}\" is no address of a lent device; write remote:ws://HOST:PORT."
            )));
        }
        let token = if token.is_empty() { std::env::var(TOKEN).unwrap_or_default() } else { token.into() };
        Ok(Self { url: format!("ws://{host}:{port}"), token })
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ => match text.strip_prefix("remote:") {
                Some(address) => Ok(Self::Remote(Address::parse(address)?)),
                None => Err(Error::usage(format!(
                    "There is no device \"{text}\"; the devices are auto, cpu, gpu and remote:URL."
                ))),
            },
        }
    }
}

/// A device that answers.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// Its name in words.
    pub name: String,
    /// What the person should know of the choice.
    pub notice: Option<String>,
}

impl Chosen {
    /// The CPU.
    pub fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { device: Device::flex(), name: format!("CPU, {threads} threads"), notice: None }
    }

    /// Whether another device stands in when this one fails.
    pub fn can_fail(&self) -> bool {
        !crate::kernels::on_cpu(&self.device)
    }
}

/// The device for a choice. First contact with a GPU is made by a process of its own, as a driver that crashes takes its
/// process with it.
///
/// # Errors
/// When a GPU was asked for and none gives right answers, or a lent device is not there.
pub fn select(choice: &DeviceChoice) -> Result<Chosen> {
    match choice {
        DeviceChoice::Cpu => Ok(Chosen::cpu()),
        DeviceChoice::Auto => Ok(auto()),
        DeviceChoice::Gpu => gpu(),
        DeviceChoice::Remote(address) => borrow(address),
    }
}

#[cfg(feature = "gpu")]
fn auto() -> Chosen {
    match probe::ask(false) {
        Ok(report) if report.wins() => report.chosen(),
        Ok(report) => Chosen { notice: report.why_not(), ..Chosen::cpu() },
        Err(_) => Chosen::cpu(),
    }
}

#[cfg(not(feature = "gpu"))]
fn auto() -> Chosen {
    Chosen::cpu()
}

#[cfg(feature = "cuda")]
fn gpu() -> Result<Chosen> {
    Ok(Chosen { device: Device::cuda(0usize), name: "NVIDIA GPU".into(), notice: None })
}

#[cfg(all(feature = "gpu", not(feature = "cuda")))]
fn gpu() -> Result<Chosen> {
    let report = probe::ask(true)?;
    if !report.is_right() {
        return Err(Error::failed(report.why_not().unwrap_or_else(|| "The GPU does not compute rightly.".into())));
    }
    Ok(report.chosen())
}

#[cfg(not(any(feature = "gpu", feature = "cuda")))]
fn gpu() -> Result<Chosen> {
    Err(Error::failed(
        "This build of Kiln has no GPU support; build it with --features gpu (or cuda), or use --device cpu.",
    ))
}

#[cfg(feature = "remote")]
fn borrow(address: &Address) -> Result<Chosen> {
    remote::borrow(address)
}

#[cfg(not(feature = "remote"))]
fn borrow(address: &Address) -> Result<Chosen> {
    Err(Error::failed(format!(
        "This build of Kiln cannot borrow the device at {}; build it with --features remote, or use --device cpu.",
        address.url
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_refused() {
        let read = |text: &str| match text.parse::<DeviceChoice>() {
            Ok(DeviceChoice::Remote(Address { url, token })) => (url, token),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(read("remote:ws://studio:4000"), ("ws://studio:4000".into(), String::new()));
        assert_eq!(read("remote:secret@10.0.0.2"), ("ws://10.0.0.2:3000".into(), "secret".into()));
        assert_eq!(read("remote:ws://a@b@[::1]:99/"), ("ws://[::1]:99".into(), "a@b".into()));
        for bad in ["remote:", "remote:http://studio:80", "remote:studio:port", "remote:ws://:3000", "tpu"] {
            assert!(bad.parse::<DeviceChoice>().is_err(), "{bad}");
        }
        let told = format!("{:?}", DeviceChoice::Remote(Address { url: "ws://a:1".into(), token: "secret".into() }));
        assert!(!told.contains("secret"), "{told}");
    }
}
