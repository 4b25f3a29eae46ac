//! Every burn module against diffusers and transformers, from the files that tests/reference/model_golden.py wrote.

mod common;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use common::device;
use kiln::model::autoencoder::Autoencoder;
use kiln::model::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig};
use kiln::model::autoencoder_tiny::{AutoencoderTiny, AutoencoderTinyConfig};
use kiln::model::checkpoint::{Precision, Weights, save};
use kiln::model::clip_text::{ClipText, ClipTextConfig};
use kiln::model::unet::{Unet, UnetConditioning, UnetConfig};
use kiln::model::{Init, config};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

struct Golden {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/reference/golden/model_{name}.safetensors"));
        let bytes = std::fs::read(&path).expect("golden file");
        Self { path, bytes }
    }
    fn config<T: DeserializeOwned>(&self) -> T {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).expect("header");
        let text = header.metadata().as_ref().and_then(|m| m.get("config")).expect("configuration").clone();
        serde_json::from_str(&text).expect("configuration")
    }
    fn raw(&self, key: &str) -> Option<(Vec<usize>, Vec<u8>)> {
        let file = SafeTensors::deserialize(&self.bytes).expect("golden file");
        file.tensor(key).ok().map(|t| (t.shape().to_vec(), t.data().to_vec()))
    }
    fn values(&self, key: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let (shape, data) = self.raw(key)?;
        Some((shape, data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
    }
    fn tensor<const D: usize>(&self, key: &str) -> Option<Tensor<D>> {
        let (shape, values) = self.values(key)?;
        Some(Tensor::from_data(TensorData::new(values, shape), &device()?))
    }
    /// A picture-shaped tensor, from channels-first to channels-last.
    fn picture(&self, key: &str) -> Tensor<4> {
        self.tensor::<4>(key).expect(key).permute([0, 2, 3, 1])
    }
    fn weights(&self) -> Weights {
        Weights::open(&self.path).expect("weights")
    }
}

fn close<const D: usize>(what: &str, ours: Tensor<D>, theirs: Tensor<D>) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}: shapes");
    let ours = ours.into_data().try_to_vec::<f32>().expect("f32");
    let theirs = theirs.into_data().try_to_vec::<f32>().expect("f32");
    let top = theirs.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let worst = ours.iter().zip(&theirs).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
    assert!(top > 0.0 && worst / top <= 1e-4, "{what}: off by {worst} of {top}");
}

/// Saves the module, loads it into a fresh one, and hands that back.
fn round_trip<M: Module>(module: M, fresh: M, prefix: &str) -> M {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("model.safetensors");
    save(&module, prefix, &path, Precision::F32).expect("save");
    Weights::open(&path).expect("open").load(fresh, &[prefix]).expect("load")
}

#[test]
fn tiny_autoencoders() {
    let Some(device) = device() else { return };
    for name in ["tiny_relu", "tiny_silu"] {
        let golden = Golden::open(name);
        let config: AutoencoderTinyConfig = golden.config();
        let build = |seed| AutoencoderTiny::new(&mut Init::new(&device, seed), &config).expect("build");
        let model = golden.weights().load(build(1), &["w."]).expect("load");
        for model in [model.clone(), round_trip(model, build(2), "")] {
            close(name, model.encode(golden.picture("in.x")), golden.picture("out.latents"));
            close(name, model.decode(golden.picture("in.z")), golden.picture("out.picture"));
        }
    }
}

#[test]
fn autoencoders() {
    let Some(device) = device() else { return };
    for name in ["vae_sd", "vae_ember"] {
        let golden = Golden::open(name);
        let config: AutoencoderKlConfig = golden.config();
        let build = |seed| AutoencoderKl::new(&mut Init::new(&device, seed), &config).expect("build");
        let model = golden.weights().load(build(1), &["w."]).expect("load");
        for model in [model.clone(), round_trip(model, build(2), "")] {
            let (mean, logvar) = model.encode(golden.picture("in.x"));
            close(name, mean, golden.picture("out.mean"));
            close(name, logvar, golden.picture("out.logvar"));
            close(name, model.decode(golden.picture("in.z")), golden.picture("out.picture"));
        }
    }
}

#[test]
fn pictures_larger_than_a_tile() {
    let Some(device) = device() else { return };
    let golden = Golden::open("vae_tiled");
    let config: AutoencoderKlConfig = golden.config();
    let mut init = Init::new(&device, 1);
    let model = golden.weights().load(AutoencoderKl::new(&mut init, &config).expect("build"), &["w."]).expect("load");
    let model = Autoencoder::Kl(Box::new(model));
    let (mean, deviation) = model.encode_tiled(&golden.picture("in.x"), (8, 16));
    close("mean", mean, golden.picture("out.mean"));
    close("deviation", deviation.expect("deviation"), golden.picture("out.std"));
    close("picture", model.decode_tiled(&golden.picture("in.z"), (8, 16)), golden.picture("out.picture"));
}

#[test]
fn unets() {
    let Some(device) = device() else { return };
    for name in ["unet_ember", "unet_sd1", "unet_sdxl", "unet_simple"] {
        let golden = Golden::open(name);
        let config: UnetConfig = golden.config();
        let build = |seed| Unet::new(&mut Init::new(&device, seed), &config).expect("build");
        let model = golden.weights().load(build(1), &["w."]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let time_ids = golden.values("in.time_ids").map(|(_, v)| v).unwrap_or_default();
        let conditioning = UnetConditioning {
            class_labels: golden.tensor("in.class_labels"),
            text_embeds: golden.tensor("in.text_embeds"),
            time_ids: time_ids.chunks_exact(6).map(|c| [c[0], c[1], c[2], c[3], c[4], c[5]]).collect(),
            timestep_cond: golden.tensor("in.timestep_cond"),
        };
        let (_, time) = golden.values("in.time").expect("time");
        for model in [model.clone(), round_trip(model, build(2), "")] {
            let words = golden.tensor::<3>("in.words").expect("words");
            let out = model.forward(golden.picture("in.sample"), &time, words, &conditioning).expect("forward");
            close(name, out, golden.picture("out.sample"));
        }
    }
}

#[test]
fn text_encoders() {
    let Some(device) = device() else { return };
    for name in ["clip_quick", "clip_gelu"] {
        let golden = Golden::open(name);
        let config: ClipTextConfig = golden.config();
        let build = |seed| ClipText::new(&mut Init::new(&device, seed), &config).expect("build");
        let model = golden.weights().load(build(1), &["w.text_model.", "w."]).expect("load");
        let (shape, raw) = golden.raw("in.ids").expect("ids");
        let ids: Vec<u32> = raw.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let ids: Vec<Vec<u32>> = ids.chunks_exact(shape[1]).map(<[u32]>::to_vec).collect();
        for model in [model.clone(), round_trip(model, build(2), "text_model.")] {
            let out = model.forward(&ids, config.eos_token_id).expect("forward");
            close(name, out.last_hidden_state, golden.tensor("out.last").expect("last"));
            close(name, out.pooled, golden.tensor("out.pooled").expect("pooled"));
            let before_last = out.hidden_states[out.hidden_states.len() - 2].clone();
            close(name, before_last, golden.tensor("out.before_last").expect("before last"));
        }
    }
}

#[test]
fn wrong_files_are_sentences() {
    let golden = Golden::open("vae_ember");
    let config: AutoencoderKlConfig = golden.config();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("diffusion_pytorch_model.safetensors");
    // Cut anywhere: never a panic, always an error that names the file.
    for cut in [0, 7, 8, 100, golden.bytes.len() / 2, golden.bytes.len() - 1] {
        std::fs::write(&path, &golden.bytes[..cut]).expect("write");
        let error = Weights::of_component(folder.path()).expect_err("an error").message;
        assert!(error.contains("diffusion_pytorch_model"), "{error}");
    }
    // A header that promises more than there can be.
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend_from_slice(b"{}");
    std::fs::write(&path, &huge).expect("write");
    assert!(Weights::of_component(folder.path()).is_err());
    // Another model's weights.
    let other = Golden::open("unet_simple");
    let model = AutoencoderKl::new(&mut Init::new(&Device::flex(), 1), &config).expect("build");
    let error = other.weights().load(model, &["w."]).expect_err("an error").message;
    assert!(error.contains("lacks the weight"), "{error}");
    // A pickle.
    std::fs::remove_file(&path).expect("remove");
    std::fs::write(folder.path().join("model.ckpt"), b"x").expect("write");
    let error = Weights::of_component(folder.path()).expect_err("an error").message;
    assert!(error.contains("pickle") && error.contains("safetensors"), "{error}");
    // A configuration that no machine could hold.
    let json = folder.path().join("config.json");
    std::fs::write(&json, r#"{"block_out_channels": [4000000000], "latent_channels": 4}"#).expect("write");
    let config: AutoencoderKlConfig = config::read_json(&json).expect("parses");
    assert!(config.check().is_err());
}
