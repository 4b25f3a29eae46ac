//! Configurations read off the weights of a file in the original layout.
//!
//! What shapes cannot tell is the same in every checkpoint of the families: norms have 32 groups, heads are 64 wide (but 8 in
//! number in denoisers of the first generation, whose projections are convolutions).

use super::keys::{TextKind, UNET, VAE};
use crate::model::autoencoder_kl::AutoencoderKlConfig;
use crate::model::checkpoint::Weights;
use crate::model::clip_text::{ClipTextConfig, WITH_PROJECTION};
use crate::model::config::PerLevel;
use crate::model::unet::UnetConfig;
use crate::{Error, Result};

/// Width of a head.
const HEAD: usize = 64;
/// Heads of the first generation's denoisers.
const FIRST_HEADS: usize = 8;
/// Levels, blocks and layers are counted no further than this.
const MOST: usize = 256;
/// Groups of every norm.
const GROUPS: usize = 32;

/// The file's weights and what they are named in sentences.
pub(super) struct Shapes<'a> {
    pub weights: &'a Weights,
    pub name: &'a str,
}

impl Shapes<'_> {
    fn has(&self, key: &str) -> bool {
        self.weights.shape(key).is_some()
    }

    /// One size of a weight that has to be there.
    fn size(&self, key: &str, axis: usize) -> Result<usize> {
        let shape = self.weights.shape(key).ok_or_else(|| self.lacks(key))?;
        shape.get(axis).copied().ok_or_else(|| self.wrong(&format!("{key} has the shape {shape:?}")))
    }

    fn lacks(&self, key: &str) -> Error {
        Error::failed(format!("{} is not a whole checkpoint: it lacks the weight {key}.", self.name))
    }

    fn wrong(&self, what: &str) -> Error {
        Error::failed(format!("{} is no Stable Diffusion that Kiln knows: {what}.", self.name))
    }

    /// How many of `key(0)`, `key(1)`, … there are.
    fn count(&self, key: impl Fn(usize) -> String) -> usize {
        (0..MOST).take_while(|i| self.has(&key(*i))).count()
    }

    /// The denoiser, and how many residual blocks each of its levels has.
    pub fn unet(&self, pooled: Option<usize>) -> Result<(UnetConfig, usize)> {
        let levels = self.levels()?;
        let layers = levels[0].resnets;
        if levels.iter().any(|level| level.resnets != layers) {
            return Err(self.wrong("its levels have different numbers of residual blocks"));
        }
        let depth = self.count(|i| format!("{UNET}middle_block.1.transformer_blocks.{i}.norm1.weight"));
        if depth == 0 {
            return Err(self.lacks(&format!("{UNET}middle_block.1.transformer_blocks.0.norm1.weight")));
        }
        let lowest = levels[levels.len() - 1].depth;
        if lowest != 0 && lowest != depth {
            return Err(self.wrong("its middle has another depth than its lowest level"));
        }
        let linear = self.weights.shape(&format!("{UNET}middle_block.1.proj_in.weight")).map(<[usize]>::len) == Some(2);
        let context = self.size(&format!("{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"), 1)?;
        let heads = levels.iter().map(|l| if linear { (l.width / HEAD).max(1) } else { FIRST_HEADS }).collect();
        let depths = levels.iter().map(|l| if l.depth == 0 { depth } else { l.depth }).collect();
        let kinds = |attends: &dyn Fn(&Level) -> &'static str| levels.iter().map(attends).map(String::from).collect();
        let down: Vec<String> = kinds(&|l| if l.depth > 0 { "CrossAttnDownBlock2D" } else { "DownBlock2D" });
        let mut up: Vec<String> = kinds(&|l| if l.depth > 0 { "CrossAttnUpBlock2D" } else { "UpBlock2D" });
        up.reverse();
        let mut config = UnetConfig {
            in_channels: self.size(&format!("{UNET}input_blocks.0.0.weight"), 1)?,
            out_channels: self.size(&format!("{UNET}out.2.weight"), 0)?,
            down_block_types: down,
            up_block_types: up,
            block_out_channels: levels.iter().map(|l| l.width).collect(),
            layers_per_block: PerLevel::One(layers),
            norm_num_groups: GROUPS,
            cross_attention_dim: PerLevel::One(context),
            transformer_layers_per_block: PerLevel::Each(depths),
            attention_head_dim: PerLevel::Each(heads),
            use_linear_projection: linear,
            time_embedding_dim: Some(self.size(&format!("{UNET}time_embed.0.weight"), 0)?),
            ..UnetConfig::default()
        };
        let condition = format!("{UNET}time_embed.cond_proj.weight");
        if self.has(&condition) {
            config.time_cond_proj_dim = Some(self.size(&condition, 1)?);
        }
        if let Some(pooled) = pooled {
            let inputs = self.size(&format!("{UNET}label_emb.0.0.weight"), 1)?;
            let six = inputs.checked_sub(pooled).filter(|rest| *rest > 0 && rest.is_multiple_of(6));
            let six = six.ok_or_else(|| {
                self.wrong(&format!(
                    "its denoiser takes {inputs} numbers beside the words, which are not {pooled} of them and six sizes"
                ))
            })?;
            config.addition_embed_type = Some("text_time".into());
            config.addition_time_embed_dim = Some(six / 6);
            config.projection_class_embeddings_input_dim = Some(inputs);
        }
        Ok((config, layers))
    }

    fn levels(&self) -> Result<Vec<Level>> {
        let mut levels: Vec<Level> = Vec::new();
        let mut open = false;
        for block in 1..MOST {
            let at = format!("{UNET}input_blocks.{block}");
            if self.has(&format!("{at}.0.op.weight")) {
                if !open {
                    return Err(self.wrong(&format!("{at} halves the resolution twice")));
                }
                open = false;
                continue;
            }
            let conv = format!("{at}.0.in_layers.2.weight");
            if !self.has(&conv) {
                break;
            }
            let width = self.size(&conv, 0)?;
            let depth = self.count(|i| format!("{at}.1.transformer_blocks.{i}.norm1.weight"));
            match levels.last_mut().filter(|_| open) {
                Some(level) if (level.width, level.depth) == (width, depth) => level.resnets += 1,
                Some(_) => return Err(self.wrong(&format!("{at} differs from the other blocks of its level"))),
                None => levels.push(Level { width, depth, resnets: 1 }),
            }
            open = true;
        }
        if levels.is_empty() {
            return Err(self.lacks(&format!("{UNET}input_blocks.1.0.in_layers.2.weight")));
        }
        Ok(levels)
    }

    /// The autoencoder. `scaling_factor` is the family's.
    pub fn vae(&self, scaling_factor: f32) -> Result<AutoencoderKlConfig> {
        let key = |rest: String| format!("{VAE}encoder.{rest}");
        if !self.has(&key("conv_in.weight".into())) {
            return Err(Error::failed(format!(
                "{} holds no autoencoder (it lacks {}); choose a file that has one.",
                self.name,
                key("conv_in.weight".into())
            )));
        }
        let levels = self.count(|i| key(format!("down.{i}.block.0.conv1.weight")));
        let mut widths = Vec::with_capacity(levels);
        for level in 0..levels {
            widths.push(self.size(&key(format!("down.{level}.block.0.conv1.weight")), 0)?);
        }
        let layers = self.count(|i| key(format!("down.0.block.{i}.conv1.weight")));
        Ok(AutoencoderKlConfig {
            in_channels: self.size(&key("conv_in.weight".into()), 1)?,
            out_channels: self.size(&format!("{VAE}decoder.conv_out.weight"), 0)?,
            down_block_types: Vec::new(),
            up_block_types: Vec::new(),
            block_out_channels: widths,
            layers_per_block: layers,
            act_fn: "silu".into(),
            latent_channels: self.size(&format!("{VAE}decoder.conv_in.weight"), 1)?,
            norm_num_groups: GROUPS,
            scaling_factor,
            shift_factor: None,
            mid_block_add_attention: self.has(&key("mid.attn_1.norm.weight".into())),
            use_quant_conv: self.has(&format!("{VAE}quant_conv.weight")),
            use_post_quant_conv: self.has(&format!("{VAE}post_quant_conv.weight")),
        })
    }

    /// A text encoder under `prefix`. Without `last` its last layer is left out, as nobody hears it.
    pub fn text(&self, kind: TextKind, prefix: &str, last: bool) -> Result<ClipTextConfig> {
        let (tokens, places, layer, inner) = match kind {
            TextKind::Clip => {
                let inside = [format!("{prefix}transformer.text_model."), format!("{prefix}transformer.")]
                    .into_iter()
                    .find(|inside| self.has(&format!("{inside}embeddings.token_embedding.weight")))
                    .unwrap_or_else(|| format!("{prefix}transformer.text_model."));
                (
                    format!("{inside}embeddings.token_embedding.weight"),
                    format!("{inside}embeddings.position_embedding.weight"),
                    format!("{inside}encoder.layers."),
                    "mlp.fc1.weight",
                )
            }
            TextKind::OpenClip => (
                format!("{prefix}model.token_embedding.weight"),
                format!("{prefix}model.positional_embedding"),
                format!("{prefix}model.transformer.resblocks."),
                "mlp.c_fc.weight",
            ),
        };
        let layers = self.count(|i| format!("{layer}{i}.{inner}"));
        let hidden_size = self.size(&tokens, 1)?;
        let projection = [("text_projection", 1), ("text_projection.weight", 0)];
        let mut projected = None;
        for (name, axis) in projection.map(|(name, axis)| (format!("{prefix}model.{name}"), axis)) {
            if last && projected.is_none() && self.has(&name) {
                projected = Some(self.size(&name, axis)?);
            }
        }
        Ok(ClipTextConfig {
            vocab_size: self.size(&tokens, 0)?,
            hidden_size,
            intermediate_size: self.size(&format!("{layer}0.{inner}"), 0)?,
            projection_dim: projected.unwrap_or(hidden_size),
            num_hidden_layers: if last { layers } else { layers.saturating_sub(1) },
            num_attention_heads: (hidden_size / HEAD).max(1),
            max_position_embeddings: self.size(&places, 0)?,
            hidden_act: if kind == TextKind::Clip { "quick_gelu" } else { "gelu" }.into(),
            layer_norm_eps: 1e-5,
            // The end of the text is the largest number.
            eos_token_id: 2,
            architectures: projected.map(|_| vec![WITH_PROJECTION.to_string()]),
        })
    }
}

/// One resolution of the denoiser.
struct Level {
    width: usize,
    /// Layers of its transformers, 0 where it has none.
    depth: usize,
    resnets: usize,
}
