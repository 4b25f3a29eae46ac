//! diffusers' names of weights as the original layout writes them. Pure text.

use crate::model::checkpoint::Source;

/// Begins every key of the denoiser.
pub const UNET: &str = "model.diffusion_model.";
/// Begins every key of the autoencoder.
pub const VAE: &str = "first_stage_model.";

/// Which text encoder a file holds, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// OpenAI's CLIP under transformers' own names.
    Clip,
    /// OpenCLIP, with queries, keys and values in one.
    OpenClip,
}

impl TextKind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clip => "CLIP",
            Self::OpenClip => "OpenCLIP",
        }
    }
}

/// The keys, without [`UNET`], that a denoiser's weight may have in the original layout; `layers` is the number of residual
/// blocks a level. Empty for names that it has no place for.
pub fn unet(key: &str, layers: usize) -> Vec<String> {
    let Some((head, rest)) = key.split_once('.') else { return Vec::new() };
    let one = |text: String| vec![text];
    match head {
        "conv_in" => one(format!("input_blocks.0.0.{rest}")),
        "conv_norm_out" => one(format!("out.0.{rest}")),
        "conv_out" => one(format!("out.2.{rest}")),
        "time_embedding" => linears(rest, "time_embed"),
        "add_embedding" => linears(rest, "label_emb.0"),
        "mid_block" => match rest.split_once('.').and_then(|(kind, rest)| Some((kind, rest.split_once('.')?))) {
            Some(("attentions", (_, rest))) => one(format!("middle_block.1.{rest}")),
            Some(("resnets", ("0", rest))) => one(format!("middle_block.0.{}", resnet(rest))),
            Some(("resnets", (_, rest))) => one(format!("middle_block.2.{}", resnet(rest))),
            _ => Vec::new(),
        },
        "down_blocks" | "up_blocks" => level(head == "down_blocks", rest, layers).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// `1.resnets.0.conv1.weight` and the like, of the way down or up.
fn level(down: bool, rest: &str, layers: usize) -> Option<Vec<String>> {
    let (level, rest) = number(rest)?;
    let (kind, rest) = rest.split_once('.')?;
    let (index, rest) = number(rest)?;
    let (side, block) = if down {
        ("input_blocks", level.checked_mul(layers + 1)?.checked_add(1 + index)?)
    } else {
        ("output_blocks", level.checked_mul(layers + 1)?.checked_add(index)?)
    };
    Some(match kind {
        "resnets" => vec![format!("{side}.{block}.0.{}", resnet(rest))],
        "attentions" => vec![format!("{side}.{block}.1.{rest}")],
        "downsamplers" => {
            let block = (level + 1).checked_mul(layers + 1)?;
            vec![format!("input_blocks.{block}.0.op.{}", rest.strip_prefix("conv.")?)]
        }
        // Behind the attention where the level has one.
        "upsamplers" => [2, 1].map(|place| format!("output_blocks.{}.{place}.{rest}", block + layers)).to_vec(),
        _ => return None,
    })
}

fn number(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once('.')?;
    // No checkpoint counts further, and sums of these stay small.
    Some((number.parse().ok().filter(|n: &usize| *n < 1 << 16)?, rest))
}

/// `linear_1.weight` as the first entry of a sequence, `linear_2.weight` as the third.
fn linears(rest: &str, place: &str) -> Vec<String> {
    match rest.split_once('.') {
        Some(("linear_1", rest)) => vec![format!("{place}.0.{rest}")],
        Some(("linear_2", rest)) => vec![format!("{place}.2.{rest}")],
        _ => vec![format!("{place}.{rest}")],
    }
}

fn resnet(rest: &str) -> String {
    for (theirs, original) in [
        ("norm1.", "in_layers.0."),
        ("conv1.", "in_layers.2."),
        ("time_emb_proj.", "emb_layers.1."),
        ("norm2.", "out_layers.0."),
        ("conv2.", "out_layers.3."),
        ("conv_shortcut.", "skip_connection."),
    ] {
        if let Some(rest) = rest.strip_prefix(theirs) {
            return format!("{original}{rest}");
        }
    }
    rest.to_string()
}

/// The key, without [`VAE`], of an autoencoder's weight; `levels` is the number of its resolutions.
pub fn vae(key: &str, levels: usize) -> String {
    let Some((half, rest)) = key.split_once('.').filter(|(half, _)| matches!(*half, "encoder" | "decoder")) else {
        return key.to_string();
    };
    let rest = in_half(rest, levels).unwrap_or_else(|| rest.replace("conv_norm_out", "norm_out"));
    format!("{half}.{rest}")
}

fn in_half(rest: &str, levels: usize) -> Option<String> {
    let (head, rest) = rest.split_once('.')?;
    if head == "mid_block" {
        let (kind, rest) = rest.split_once('.')?;
        let (index, rest) = number(rest)?;
        return Some(match kind {
            "resnets" => format!("mid.block_{}.{}", index + 1, shortcut(rest)),
            _ => format!("mid.attn_{}.{}", index + 1, picture_attention(rest)),
        });
    }
    let (level, rest) = number(rest)?;
    let (side, level) = match head {
        "down_blocks" => ("down", level),
        // The decoder counts its levels from the finest too.
        "up_blocks" => ("up", levels.checked_sub(1 + level)?),
        _ => return None,
    };
    let (kind, rest) = rest.split_once('.')?;
    let (index, rest) = number(rest)?;
    Some(match kind {
        "resnets" => format!("{side}.{level}.block.{index}.{}", shortcut(rest)),
        "downsamplers" => format!("{side}.{level}.downsample.{rest}"),
        "upsamplers" => format!("{side}.{level}.upsample.{rest}"),
        _ => return None,
    })
}

fn shortcut(rest: &str) -> String {
    rest.replace("conv_shortcut.", "nin_shortcut.")
}

fn picture_attention(rest: &str) -> String {
    for (theirs, original) in
        [("group_norm.", "norm."), ("to_q.", "q."), ("to_k.", "k."), ("to_v.", "v."), ("to_out.0.", "proj_out.")]
    {
        if let Some(rest) = rest.strip_prefix(theirs) {
            return format!("{original}{rest}");
        }
    }
    rest.to_string()
}

/// Where a text encoder's weight may lie; `prefix` ends before `transformer.` (CLIP) or `model.` (OpenCLIP).
pub fn text(kind: TextKind, prefix: &str, key: &str) -> Vec<Source> {
    match kind {
        TextKind::Clip => ["transformer.text_model.", "transformer."]
            .iter()
            .map(|inner| Source::Whole(format!("{prefix}{inner}{key}")))
            .collect(),
        TextKind::OpenClip => open_clip(&format!("{prefix}model."), key),
    }
}

fn open_clip(prefix: &str, key: &str) -> Vec<Source> {
    let whole = |rest: String| vec![Source::Whole(format!("{prefix}{rest}"))];
    match key {
        "embeddings.token_embedding.weight" => return whole("token_embedding.weight".into()),
        "embeddings.position_embedding.weight" => return whole("positional_embedding".into()),
        "text_projection.weight" => {
            return vec![
                Source::Transposed(format!("{prefix}text_projection")),
                Source::Whole(format!("{prefix}text_projection.weight")),
            ];
        }
        _ => {}
    }
    if let Some(rest) = key.strip_prefix("final_layer_norm.") {
        return whole(format!("ln_final.{rest}"));
    }
    let Some((layer, rest)) = key.strip_prefix("encoder.layers.").and_then(|rest| rest.split_once('.')) else {
        return Vec::new();
    };
    let block = format!("transformer.resblocks.{layer}");
    for (index, name) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
        if let Some(end) = rest.strip_prefix("self_attn.").and_then(|r| r.strip_prefix(name)?.strip_prefix('.')) {
            return vec![Source::Third { key: format!("{prefix}{block}.attn.in_proj_{end}"), index }];
        }
    }
    for (theirs, original) in [
        ("self_attn.out_proj.", "attn.out_proj."),
        ("layer_norm1.", "ln_1."),
        ("layer_norm2.", "ln_2."),
        ("mlp.fc1.", "mlp.c_fc."),
        ("mlp.fc2.", "mlp.c_proj."),
    ] {
        if let Some(end) = rest.strip_prefix(theirs) {
            return whole(format!("{block}.{original}{end}"));
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_public_checkpoints() {
        let first = |key| unet(key, 2).remove(0);
        assert_eq!(first("down_blocks.1.attentions.0.proj_in.weight"), "input_blocks.4.1.proj_in.weight");
        assert_eq!(first("down_blocks.0.downsamplers.0.conv.bias"), "input_blocks.3.0.op.bias");
        assert_eq!(first("up_blocks.1.resnets.2.conv_shortcut.weight"), "output_blocks.5.0.skip_connection.weight");
        assert_eq!(unet("up_blocks.0.upsamplers.0.conv.weight", 2)[1], "output_blocks.2.1.conv.weight");
        assert_eq!(first("mid_block.resnets.1.time_emb_proj.bias"), "middle_block.2.emb_layers.1.bias");
        assert_eq!(first("add_embedding.linear_2.weight"), "label_emb.0.2.weight");
        assert_eq!(vae("decoder.up_blocks.0.resnets.2.conv1.weight", 4), "decoder.up.3.block.2.conv1.weight");
        assert_eq!(vae("encoder.mid_block.attentions.0.to_out.0.bias", 4), "encoder.mid.attn_1.proj_out.bias");
        assert_eq!(vae("decoder.conv_norm_out.bias", 4), "decoder.norm_out.bias");
        assert_eq!(vae("post_quant_conv.bias", 4), "post_quant_conv.bias");
        let fused = text(TextKind::OpenClip, "cond_stage_model.", "encoder.layers.3.self_attn.v_proj.bias");
        let key = "cond_stage_model.model.transformer.resblocks.3.attn.in_proj_bias".to_string();
        assert_eq!(fused, [Source::Third { key, index: 2 }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_name_is_answered(
            parts in proptest::collection::vec(
                prop::sample::select(vec!["down_blocks", "up_blocks", "mid_block", "resnets", "attentions", "downsamplers",
                    "upsamplers", "conv", "0", "1", "99999999999999999999", "encoder", "decoder", "layers", "é", ""]), 0..7),
            layers in 0usize..70_000, levels in 0usize..20,
        ) {
            let key = parts.join(".");
            let _ = (unet(&key, layers), vae(&key, levels), text(TextKind::OpenClip, "", &key));
        }
    }
}
