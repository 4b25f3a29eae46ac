//! Which device the numbers live on.

use crate::{Error, Result};
use burn::tensor::Device;
use std::str::FromStr;

/// What the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The CPU, until a GPU is proved faster.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu,
}

impl FromStr for DeviceChoice {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ if text.starts_with("remote:") => Err(Error::failed(
                "This build of Kiln cannot borrow another machine's device yet; use auto, cpu or gpu.",
            )),
            _ => Err(Error::usage(format!("There is no device \"{text}\"; the devices are auto, cpu and gpu."))),
        }
    }
}

/// The device for a choice.
pub fn select(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::flex()),
        DeviceChoice::Gpu => gpu(),
    }
}

#[cfg(feature = "cuda")]
fn gpu() -> Result<Device> {
    Ok(Device::cuda(0usize))
}

#[cfg(all(feature = "gpu", not(feature = "cuda")))]
fn gpu() -> Result<Device> {
    Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(any(feature = "gpu", feature = "cuda")))]
fn gpu() -> Result<Device> {
    Err(Error::failed("This build of Kiln has no GPU support; build it with --features gpu (or cuda), or use the CPU."))
}
