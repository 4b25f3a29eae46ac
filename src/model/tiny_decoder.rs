//! Tiny decoders for previews (TAESD, github.com/madebyollin/taesd), recognised by keys and shapes in every layout they come in.

use super::autoencoder::AutoencoderConfig;
use super::autoencoder_tiny::{AutoencoderTinyConfig, TinyDecoder};
use super::checkpoint::{Source, Weights};
use super::config::read_json;
use super::init::Init;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// How a file numbers a decoder's layers: what stands before the number, and the number of the first convolution. The
/// original sequence begins with a layer that has no weights.
type Layout = (&'static str, usize);

/// diffusers' autoencoder, and the original's decoder within an autoencoder or by itself.
const LAYOUTS: [Layout; 4] = [("decoder.layers.", 0), ("taesd_decoder.", 1), ("decoder.", 1), ("", 1)];

/// A tiny decoder that was recognised, not loaded yet.
#[derive(Debug)]
pub struct TinyFile {
    path: PathBuf,
    weights: Weights,
    layout: Layout,
    config: AutoencoderTinyConfig,
}

impl TinyFile {
    /// Looks into a `.safetensors` file, or into a folder whose `config.json` names an `AutoencoderTiny`; `None` for anything
    /// else that is whole.
    ///
    /// # Errors
    /// When the file is damaged, or begins like a tiny decoder and does not go on like one.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let (weights, said) = if path.is_dir() {
            // Any folder may hold a config.json of any kind, or none.
            let Ok(value) = read_json::<serde_json::Value>(&path.join("config.json")) else { return Ok(None) };
            if value.get("_class_name").and_then(|class| class.as_str()) != Some("AutoencoderTiny") {
                return Ok(None);
            }
            let AutoencoderConfig::Tiny(config) = AutoencoderConfig::from_json(value)? else { return Ok(None) };
            (Weights::of_component(path)?, Some(config))
        } else {
            (Weights::open(path)?, None)
        };
        let path = path.to_path_buf();
        let begins = |(prefix, first): &Layout| {
            let rank = |key: String| weights.shape(&key).map(<[usize]>::len);
            rank(format!("{prefix}{first}.weight")) == Some(4)
                && rank(format!("{prefix}{}.conv.0.weight", first + 2)) == Some(4)
        };
        let Some(layout) = LAYOUTS.into_iter().find(begins) else {
            return match said {
                Some(_) => Err(differs(&path, "its weights are no tiny decoder's")),
                None => Ok(None),
            };
        };
        let config = match said {
            Some(config) => config,
            None => read_shapes(&path, &weights, layout)?,
        };
        config.check()?;
        if config.out_channels != 3 {
            return Err(differs(&path, &format!("its pictures have {} channels", config.out_channels)));
        }
        Ok(Some(Self { path, weights, layout, config }))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Channels of the latents that it decodes.
    pub fn latent_channels(&self) -> usize {
        self.config.latent_channels
    }

    /// How many times larger than a latent its pictures are.
    pub fn upscale(&self) -> usize {
        1 << (self.config.num_decoder_blocks.len() - 1)
    }

    /// Scale and shift between its latents and the denoiser's: `(z - shift) * scale`.
    pub fn scaling(&self) -> (f32, f32) {
        (self.config.scaling_factor, self.config.shift_factor.unwrap_or(0.0))
    }

    /// Loads it.
    ///
    /// # Errors
    /// When a weight is missing, damaged or of another shape, or the file has more of a decoder than Kiln knows.
    pub fn load(&self, init: &mut Init) -> Result<TinyDecoder> {
        let (prefix, first) = self.layout;
        let place = |key: &str| {
            let (number, rest) = key.strip_prefix("decoder.layers.")?.split_once('.')?;
            Some(Source::Whole(format!("{prefix}{}.{rest}", number.parse::<usize>().ok()? + first)))
        };
        let module = TinyDecoder::new(init, &self.config)?;
        let (module, used) = self.weights.load_from(module, &|key| place(key).into_iter().collect())?;
        // A network that has more would draw something else in silence.
        let mut strange: Vec<&str> =
            self.weights.keys().filter(|key| key.starts_with(prefix) && !used.contains(*key)).collect();
        strange.sort_unstable();
        match strange.first() {
            Some(first) => Err(differs(&self.path, &format!("it has further weights, such as {first}"))),
            None => Ok(module),
        }
    }
}

fn differs(path: &Path, what: &str) -> Error {
    Error::failed(format!("{} is no tiny decoder that Kiln knows: {what}.", path.display()))
}

/// The configuration of a decoder whose weights alone are known.
fn read_shapes(path: &Path, weights: &Weights, (prefix, first): Layout) -> Result<AutoencoderTinyConfig> {
    let conv = |number: usize| weights.shape(&format!("{prefix}{number}.weight"));
    let blocks =
        |from: usize| (from..).take_while(|i| weights.shape(&format!("{prefix}{i}.conv.0.weight")).is_some()).count();
    let Some(&[width, latent_channels, ..]) = conv(first) else {
        return Err(differs(path, "its first layer is no convolution"));
    };
    let mut levels = Vec::new();
    // The first convolution and the activation after it; then on each level its blocks, an enlargement that has no weights and
    // a convolution. The last level ends with a convolution at once.
    let mut number = first + 2;
    let out_channels = loop {
        let count = blocks(number);
        levels.push(count);
        number += count;
        match (conv(number), conv(number + 1)) {
            (Some(&[out, ..]), _) => break out,
            (None, Some(_)) => number += 2,
            _ => return Err(differs(path, &format!("it ends after layer {number} without a picture"))),
        }
    };
    Ok(AutoencoderTinyConfig {
        encoder_block_out_channels: vec![width; levels.len()],
        num_encoder_blocks: vec![1; levels.len()],
        decoder_block_out_channels: vec![width; levels.len()],
        num_decoder_blocks: levels,
        latent_channels,
        out_channels,
        ..AutoencoderTinyConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use proptest::prelude::*;
    use safetensors::tensor::{Dtype, TensorView};

    type Named = (String, Vec<usize>);

    /// The smallest decoder of two levels, without its prefix.
    fn whole() -> Vec<Named> {
        let conv = |key: &str, out: usize, inputs: usize| (key.to_string(), vec![out, inputs, 3, 3]);
        let mut all = vec![conv("1.weight", 2, 4), ("1.bias".into(), vec![2]), conv("5.weight", 2, 2)];
        for place in [0, 2, 4] {
            all.extend([conv(&format!("3.conv.{place}.weight"), 2, 2), (format!("3.conv.{place}.bias"), vec![2])]);
        }
        all.extend([conv("6.weight", 3, 2), ("6.bias".into(), vec![3])]);
        all
    }

    /// Writes tensors of zeros, opens the file and loads what it is.
    fn read(tensors: &[Named]) -> Result<Option<usize>> {
        let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
        let sizes = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>());
        let data = vec![0u8; 2 * sizes.max().unwrap_or(0)];
        let view = |(key, shape): &Named| {
            let bytes = &data[..2 * shape.iter().product::<usize>()];
            (key.clone(), TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap())
        };
        safetensors::serialize_to_file(tensors.iter().map(view), None, file.path()).unwrap();
        let Some(found) = TinyFile::open(file.path())? else { return Ok(None) };
        found.load(&mut Init::new(&Device::flex(), 0)).map(|_| Some(found.upscale()))
    }

    #[test]
    fn levels_are_counted_by_their_gaps() {
        assert_eq!(read(&whole()).unwrap(), Some(2));
        let error = read(&whole()[..9]).unwrap_err().message;
        assert!(error.contains("ends after layer 6 without a picture"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn changed_ones_are_answered(
            changes in proptest::collection::vec(
                (any::<prop::sample::Index>(), 0usize..4, proptest::collection::vec(0usize..9, 0..6), 0usize..30), 1..4),
            prefix in prop::sample::select(vec!["", "decoder.", "decoder.layers.", "taesd_decoder."]),
        ) {
            let mut tensors = whole();
            for (at, kind, shape, number) in changes {
                let at = at.index(tensors.len());
                match kind {
                    0 => tensors[at].1 = shape,
                    1 if tensors.len() > 1 => _ = tensors.remove(at),
                    2 => tensors.push((format!("{number}.conv.0.weight"), shape)),
                    _ => tensors.push((format!("{number}.weight"), shape)),
                }
            }
            tensors.sort();
            tensors.dedup_by(|a, b| a.0 == b.0);
            let tensors: Vec<Named> = tensors.into_iter().map(|(key, shape)| (format!("{prefix}{key}"), shape)).collect();
            if let Err(error) = read(&tensors) {
                prop_assert!(error.message.ends_with('.'), "{}", error.message);
            }
        }
    }
}
