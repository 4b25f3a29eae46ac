//! Ember's shape: the configurations of its parts, and the diffusers folder that holds them.

use crate::corpus::Measured;
use crate::corpus::captions::{family_names, things, vocabulary};
use crate::corpus::families::Family;
use crate::model::autoencoder_kl::AutoencoderKlConfig;
use crate::model::clip_text::ClipTextConfig;
use crate::model::tokenizer;
use crate::model::unet::UnetConfig;
use crate::pipeline::SliderSpec;
use crate::pipeline::extras::{ATTRIBUTE, Extras, FAMILY, PreviewProjection};
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// Longest caption, in tokens.
pub const TOKENS: usize = 32;
/// Width and height of a training picture, pixels.
pub const SIDE: usize = 256;
/// Width and height of its latent.
pub const LATENT_SIDE: usize = 16;
/// Channels of a latent.
pub const LATENT_CHANNELS: usize = 16;
/// Width of an encoded word.
const WORD: usize = 256;

/// `vae/config.json`; the scale and shift are measured after the autoencoder is trained.
pub fn autoencoder_json(scaling_factor: f32, shift_factor: f32) -> Value {
    json!({
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.42.1",
        "in_channels": 3, "out_channels": 3,
        "down_block_types": (vec!["DownEncoderBlock2D"; 5]), "up_block_types": (vec!["UpDecoderBlock2D"; 5]),
        "block_out_channels": [16, 24, 48, 96, 128], "layers_per_block": 1, "act_fn": "silu",
        "latent_channels": LATENT_CHANNELS, "norm_num_groups": 1, "sample_size": SIDE,
        "scaling_factor": scaling_factor, "shift_factor": shift_factor, "force_upcast": false,
        "mid_block_add_attention": false, "use_quant_conv": false, "use_post_quant_conv": false,
    })
}

/// `unet/config.json`.
pub fn unet_json(sliders: &[SliderSpec]) -> Value {
    json!({
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.42.1",
        "sample_size": LATENT_SIDE, "in_channels": LATENT_CHANNELS, "out_channels": LATENT_CHANNELS,
        "block_out_channels": [192, 256], "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "norm_num_groups": 32, "cross_attention_dim": WORD, "attention_head_dim": [3, 4],
        "use_linear_projection": true, "resnet_time_scale_shift": "scale_shift",
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": crate::pipeline::extras::class_width(sliders),
        "addition_embed_type": "text", "addition_embed_type_num_heads": 4,
    })
}

/// `text_encoder/config.json`, for a vocabulary of `tokens`.
pub fn text_json(tokens: usize) -> Value {
    json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "dtype": "float16",
        "vocab_size": tokens, "hidden_size": WORD, "intermediate_size": 4 * WORD, "projection_dim": WORD,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": TOKENS,
        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "attention_dropout": 0.0,
        "initializer_factor": 1.0, "initializer_range": 0.02,
        "bos_token_id": tokens - 2, "eos_token_id": tokens - 1, "pad_token_id": tokens - 1,
    })
}

/// Guidance and the share of early steps that it leaves to the things alone; Ember's card says what they gain.
const CFG_SCALE: f32 = 4.0;
const SKIP_EARLY_CFG: f32 = 0.15;

/// [`SliderSpec::reach`] of warmth, contrast, density, symmetry and scale. Told no more than it saw in training, Ember went half of
/// the way in density and scale.
const REACHES: [f32; 5] = [1.0, 1.25, 2.0, 1.0, 2.0];

/// The sliders, in the order in which they enter the class vector.
pub fn sliders() -> Vec<SliderSpec> {
    let help = [
        "From cold blue to warm orange.",
        "From soft, close tones to strong light and dark.",
        "From a few quiet marks to a busy picture.",
        "From free to mirror-symmetric.",
        "From fine marks to a few large shapes.",
    ];
    let spec = |name: String, label: String, group: &str, neutral: f32, help: String, words: Vec<String>| SliderSpec {
        name,
        label,
        group: group.into(),
        min: 0.0,
        max: 1.0,
        neutral,
        help,
        words,
        reach: 1.0,
    };
    let title = |name: &str| {
        let mut text = name.replace('_', " ");
        text[..1].make_ascii_uppercase();
        text
    };
    let attributes = Measured::NAMES.iter().zip(help);
    let attributes = attributes.zip(REACHES).map(|((n, h), reach)| SliderSpec {
        reach,
        ..spec((*n).into(), title(n), ATTRIBUTE, 0.5, h.into(), Vec::new())
    });
    let families = Family::ALL.iter().map(|f| {
        let label = title(f.name());
        let help = format!("Share of {} in the mix of families.", label.to_lowercase());
        let mut words: Vec<String> = family_names(*f).iter().map(|name| name.to_string()).collect();
        let plain = f.name().replace('_', " ");
        if !words.contains(&plain) {
            words.push(plain);
        }
        spec(format!("family:{}", f.name()), label, FAMILY, 1.0, help, words)
    });
    attributes.chain(families).collect()
}

/// Parses one of the configurations above with the modules' own reader.
pub fn parse<T: DeserializeOwned>(config: Value) -> Result<T> {
    serde_json::from_value(config).map_err(|e| Error::failed(format!("Ember's own configuration does not parse: {e}.")))
}

/// The configurations as the modules take them.
pub fn configs(tokens: usize) -> Result<(AutoencoderKlConfig, UnetConfig, ClipTextConfig)> {
    Ok((parse(autoencoder_json(1.0, 0.0))?, parse(unet_json(&sliders()))?, parse(text_json(tokens))?))
}

/// Writes the tokenizer; returns the number of tokens.
pub fn write_tokenizer(folder: &Path) -> Result<usize> {
    let words = vocabulary();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    tokenizer::write(&words, TOKENS, &folder.join("tokenizer"))
}

/// Writes the configuration of the text encoder alone.
pub fn write_text_config(folder: &Path, tokens: usize) -> Result<()> {
    put(&folder.join("text_encoder/config.json"), &text_json(tokens))
}

/// What was measured of the trained autoencoder's latents.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LatentStatistics {
    /// One over the standard deviation.
    pub scaling_factor: f32,
    /// The mean.
    pub shift_factor: f32,
    /// A linear look at scaled latents.
    pub preview: PreviewProjection,
}

fn put(path: &Path, value: &Value) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    }
    std::fs::write(path, format!("{value:#}\n")).map_err(|e| Error::io("write", path, e))
}

/// Writes every configuration of the folder; the weights come beside them.
pub fn write_configs(folder: &Path, tokens: usize, statistics: &LatentStatistics) -> Result<()> {
    let sliders = sliders();
    let parts = [
        ("vae/config.json", autoencoder_json(statistics.scaling_factor, statistics.shift_factor)),
        ("unet/config.json", unet_json(&sliders)),
        ("text_encoder/config.json", text_json(tokens)),
        (
            "scheduler/scheduler_config.json",
            json!({
                "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.42.1",
                "num_train_timesteps": 1000, "shift": 1.0, "use_dynamic_shifting": false,
            }),
        ),
        (
            "model_index.json",
            json!({
                "_class_name": "KilnPipeline", "_diffusers_version": "0.42.1",
                "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
                "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
                "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            }),
        ),
    ];
    for (name, value) in parts {
        put(&folder.join(name), &value)?;
    }
    let extras = Extras {
        name: "ember".into(),
        summary: "Kiln's own small model: designers' pattern families, palettes, moods and a hundred objects.".into(),
        sliders,
        vocabulary: vocabulary(),
        native_size: Some(SIDE as u32),
        steps: Some(10),
        cfg_scale: Some(CFG_SCALE),
        things: things(),
        skip_early_cfg: Some(SKIP_EARLY_CFG),
        sampler: Some("unipc".into()),
        preview: Some(statistics.preview.clone()),
    };
    let value =
        serde_json::to_value(extras).map_err(|e| Error::failed(format!("kiln.json could not be made: {e}.")))?;
    put(&folder.join("kiln.json"), &value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Init;
    use crate::model::autoencoder_kl::AutoencoderKl;
    use crate::model::clip_text::ClipText;
    use crate::model::unet::Unet;
    use burn::module::Module;
    use burn::tensor::Device;

    #[test]
    fn the_shipped_checkpoint_has_these_sliders_and_things() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ember/kiln.json");
        let extras: Extras = serde_json::from_slice(&std::fs::read(shipped).unwrap()).unwrap();
        assert_eq!(extras.sliders, sliders());
        assert_eq!(extras.things, things());
        assert_eq!((extras.cfg_scale, extras.skip_early_cfg), (Some(CFG_SCALE), Some(SKIP_EARLY_CFG)));
    }

    #[test]
    fn ember_fits_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = write_tokenizer(folder.path()).unwrap();
        let (vae, unet, text) = configs(tokens).unwrap();
        let mut init = Init::new(&Device::flex(), 0);
        let vae = AutoencoderKl::new(&mut init, &vae).unwrap().num_params();
        let unet = Unet::new(&mut init, &unet).unwrap().num_params();
        let text = ClipText::new(&mut init, &text).unwrap().num_params();
        println!("autoencoder {vae}, U-Net {unet}, text encoder {text}, {tokens} tokens");
        assert!((10_000_000..30_000_000).contains(&unet), "{unet}");
        // f16, at most 60 MB in all.
        assert!((vae + unet + text) * 2 < 60_000_000, "{}", vae + unet + text);
    }
}
