//! Reading the JSON configurations of a diffusers folder: what they have in common.

use crate::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Largest configuration file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads a small JSON file; unknown fields are ignored.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
    if size > LARGEST {
        return Err(Error::failed(format!("{} has {size} bytes, too many for a configuration.", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::failed(format!("{} is not a configuration that Kiln understands: {e}.", path.display())))
}

/// One number for all levels, or one a level, as diffusers writes both.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    /// The same on every level.
    One(usize),
    /// One a level, from the finest.
    Each(Vec<usize>),
}

impl PerLevel {
    /// The value of `level`.
    pub fn at(&self, level: usize) -> usize {
        match self {
            Self::One(value) => *value,
            Self::Each(values) => values.get(level).or(values.last()).copied().unwrap_or(0),
        }
    }
}

/// Says that a configuration asks for something that Kiln's modules do not have.
pub fn unsupported(component: &str, field: &str, value: impl std::fmt::Debug) -> Error {
    Error::failed(format!("The {component} configuration asks for {field} = {value:?}, which Kiln does not support."))
}

/// Refuses sizes that no real checkpoint has, before anything is allocated.
pub fn check_sizes(component: &str, sizes: &[(&str, usize)]) -> Result<()> {
    for (field, value) in sizes {
        if *value == 0 || *value > 1 << 20 {
            return Err(unsupported(component, field, value));
        }
    }
    Ok(())
}

/// Refuses channel counts that the norm groups do not divide.
pub fn check_groups(component: &str, channels: &[usize], groups: usize) -> Result<()> {
    check_sizes(component, &[("norm_num_groups", groups)])?;
    if channels.is_empty() || channels.len() > 12 {
        return Err(unsupported(component, "block_out_channels", channels));
    }
    match channels.iter().find(|c| **c == 0 || **c > 1 << 16 || **c % groups != 0) {
        Some(bad) => Err(unsupported(component, "block_out_channels", bad)),
        None => Ok(()),
    }
}
