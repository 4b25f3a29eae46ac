//! The names that trainers give to an adapter's tensors.

/// Which network of a checkpoint a correction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The denoiser.
    Unet,
    /// The text encoder, of two the first.
    Text,
    /// SDXL's second text encoder.
    Text2,
}

impl Part {
    /// What the person calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unet => "denoiser",
            Self::Text => "text encoder",
            Self::Text2 => "second text encoder",
        }
    }
}

/// What a tensor is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `[rank, in, ...]`.
    Down,
    /// `[out, rank, ...]`.
    Up,
    /// LoCon's `[rank, rank, kh, kw]` between the two.
    Mid,
    /// The number that, over the rank, scales the correction.
    Alpha,
    /// A change of the layer's size beside its direction, which changes what the other tensors mean.
    Dora,
}

/// The endings by which trainers tell the roles: kohya's, PEFT's, then the older ones of diffusers.
const ENDINGS: [(&str, Role); 15] = [
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora_mid.weight", Role::Mid),
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".alpha", Role::Alpha),
    (".dora_scale", Role::Dora),
];

/// The beginnings by which they tell the networks. What names none is the denoiser's, as the first adapters were.
const BEGINNINGS: [(&str, Part); 7] = [
    ("lora_unet_", Part::Unet),
    ("lora_te1_", Part::Text),
    ("lora_te2_", Part::Text2),
    ("lora_te_", Part::Text),
    ("unet.", Part::Unet),
    ("text_encoder.", Part::Text),
    ("text_encoder_2.", Part::Text2),
];

/// The network, the layer (flat: `down_blocks_0_attentions_0_proj_in`) and the role that a key names.
pub(super) fn parse(key: &str) -> Option<(Part, String, Role)> {
    let key = key.strip_prefix("base_model.model.").unwrap_or(key);
    let (layer, role) = ENDINGS.iter().find_map(|(end, role)| Some((key.strip_suffix(end)?, *role)))?;
    let (part, layer) = BEGINNINGS
        .iter()
        .find_map(|(begin, part)| Some((*part, layer.strip_prefix(begin)?)))
        .unwrap_or((Part::Unet, layer));
    // Attention processors of the first diffusers adapters hold the four projections themselves.
    let older = key.ends_with("_lora.down.weight") || key.ends_with("_lora.up.weight");
    let mut layer = flat(&layer.replace(".processor.", "."));
    if part != Part::Unet {
        layer = layer.strip_prefix("text_model_").map(str::to_string).unwrap_or(layer);
        for (theirs, ours) in
            [("_to_q", "_q_proj"), ("_to_k", "_k_proj"), ("_to_v", "_v_proj"), ("_to_out", "_out_proj")]
        {
            if let Some(rest) = layer.strip_suffix(theirs) {
                layer = format!("{rest}{ours}");
            }
        }
    } else if older && layer.ends_with("_to_out") {
        layer.push_str("_0");
    }
    Some((part, layer, role))
}

/// A dotted path as kohya's trainer writes it. No two layers of these networks become one by it.
pub(super) fn flat(path: &str) -> String {
    path.replace('.', "_")
}
