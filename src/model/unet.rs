//! diffusers' `UNet2DConditionModel`: the denoiser (Ronneberger et al. 2015; Rombach et al. 2022, arXiv:2112.10752).

use super::config::{PerLevel, check_groups, check_sizes, unsupported};
use super::embeddings::{TextTimeEmbedding, TimestepEmbedding, sinusoids};
use super::init::Init;
use super::layers::{Conv2d, GroupNorm, Linear};
use super::resnet::{ResnetOptions, TimeNorm};
use super::transformer::TransformerOptions;
use super::unet_blocks::{DownBlock, MidBlock, UpBlock};
use crate::{Error, Result, kernels};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::Deserialize;

/// `unet/config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Side of a training picture's latent, or height and width.
    pub sample_size: Option<serde_json::Value>,
    /// Channels in.
    pub in_channels: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Whether the sample is stretched from 0..1 to -1..1 first.
    pub center_input_sample: bool,
    /// Cosines before sines in the time embedding.
    pub flip_sin_to_cos: bool,
    /// Shift of the frequencies.
    pub freq_shift: f32,
    /// `DownBlock2D` or `CrossAttnDownBlock2D`, from the finest level.
    pub down_block_types: Vec<String>,
    /// `UNetMidBlock2DCrossAttn`, or none.
    pub mid_block_type: Option<String>,
    /// `UpBlock2D` or `CrossAttnUpBlock2D`, from the coarsest level.
    pub up_block_types: Vec<String>,
    /// Only false.
    pub only_cross_attention: serde_json::Value,
    /// Width of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks a level on the way down; one more on the way up.
    pub layers_per_block: PerLevel,
    /// Only `silu`.
    pub act_fn: String,
    /// Groups of every norm.
    pub norm_num_groups: usize,
    /// Epsilon of the residual blocks' norms.
    pub norm_eps: f64,
    /// Width of an encoded word.
    pub cross_attention_dim: PerLevel,
    /// Layers of each level's transformers.
    pub transformer_layers_per_block: PerLevel,
    /// For historical reasons the number of heads, unless `num_attention_heads` is set.
    pub attention_head_dim: PerLevel,
    /// Heads.
    pub num_attention_heads: Option<PerLevel>,
    /// Linear projections round the transformers.
    pub use_linear_projection: bool,
    /// `timestep`, `projection`, `simple_projection` or none.
    pub class_embed_type: Option<String>,
    /// Width of the class vector.
    pub projection_class_embeddings_input_dim: Option<usize>,
    /// `text`, `text_time` or none.
    pub addition_embed_type: Option<String>,
    /// Heads of the word pooling.
    pub addition_embed_type_num_heads: usize,
    /// Width of each of SDXL's size embeddings.
    pub addition_time_embed_dim: Option<usize>,
    /// `default` or `scale_shift`.
    pub resnet_time_scale_shift: String,
    /// Width of the guidance embedding of distilled models.
    pub time_cond_proj_dim: Option<usize>,
    /// Width of the time embedding; four times the first level's where absent.
    pub time_embedding_dim: Option<usize>,
}

impl Default for UnetConfig {
    fn default() -> Self {
        let kinds = |k: &[&str]| k.iter().map(|s| s.to_string()).collect();
        Self {
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            center_input_sample: false,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: kinds(&[
                "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
                "DownBlock2D",
            ]),
            mid_block_type: Some("UNetMidBlock2DCrossAttn".into()),
            up_block_types: kinds(&["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
            only_cross_attention: serde_json::Value::Bool(false),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerLevel::One(2),
            act_fn: "silu".into(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: PerLevel::One(1280),
            transformer_layers_per_block: PerLevel::One(1),
            attention_head_dim: PerLevel::One(8),
            num_attention_heads: None,
            use_linear_projection: false,
            class_embed_type: None,
            projection_class_embeddings_input_dim: None,
            addition_embed_type: None,
            addition_embed_type_num_heads: 64,
            addition_time_embed_dim: None,
            resnet_time_scale_shift: "default".into(),
            time_cond_proj_dim: None,
            time_embedding_dim: None,
        }
    }
}

const NAME: &str = "U-Net";

impl UnetConfig {
    /// Refuses what the modules below cannot do.
    pub fn check(&self) -> Result<()> {
        check_groups(NAME, &self.block_out_channels, self.norm_num_groups)?;
        check_sizes(NAME, &[("in_channels", self.in_channels), ("out_channels", self.out_channels)])?;
        let levels = self.block_out_channels.len();
        let known = |kinds: &[String], plain: &str, cross: &str| kinds.iter().all(|k| k == plain || k == cross);
        if self.down_block_types.len() != levels
            || !known(&self.down_block_types, "DownBlock2D", "CrossAttnDownBlock2D")
        {
            return Err(unsupported(NAME, "down_block_types", &self.down_block_types));
        }
        if self.up_block_types.len() != levels || !known(&self.up_block_types, "UpBlock2D", "CrossAttnUpBlock2D") {
            return Err(unsupported(NAME, "up_block_types", &self.up_block_types));
        }
        if !matches!(self.mid_block_type.as_deref(), None | Some("UNetMidBlock2DCrossAttn")) {
            return Err(unsupported(NAME, "mid_block_type", &self.mid_block_type));
        }
        let cross_everywhere = match &self.only_cross_attention {
            serde_json::Value::Bool(b) => *b,
            serde_json::Value::Array(list) => list.iter().any(|v| v.as_bool() == Some(true)),
            _ => false,
        };
        if cross_everywhere {
            return Err(unsupported(NAME, "only_cross_attention", true));
        }
        if self.act_fn != "silu" && self.act_fn != "swish" {
            return Err(unsupported(NAME, "act_fn", &self.act_fn));
        }
        if !matches!(self.resnet_time_scale_shift.as_str(), "default" | "scale_shift") {
            return Err(unsupported(NAME, "resnet_time_scale_shift", &self.resnet_time_scale_shift));
        }
        for level in 0..levels {
            let heads = self.heads(level);
            check_sizes(
                NAME,
                &[
                    ("attention_head_dim", heads),
                    ("layers_per_block", self.layers_per_block.at(level)),
                    ("transformer_layers_per_block", self.transformer_layers_per_block.at(level)),
                    ("cross_attention_dim", self.cross_attention_dim.at(level)),
                ],
            )?;
            let attends = self.down_block_types[level].starts_with("Cross");
            if attends && !self.block_out_channels[level].is_multiple_of(heads) {
                return Err(unsupported(NAME, "attention_head_dim", heads));
            }
        }
        match self.class_embed_type.as_deref() {
            None | Some("timestep") => {}
            Some("projection" | "simple_projection") if self.projection_class_embeddings_input_dim.is_some() => {}
            other => return Err(unsupported(NAME, "class_embed_type", other)),
        }
        match self.addition_embed_type.as_deref() {
            None => {}
            Some("text") if self.context(0).is_multiple_of(self.addition_embed_type_num_heads.max(1)) => {}
            Some("text_time")
                if self.addition_time_embed_dim.is_some() && self.projection_class_embeddings_input_dim.is_some() => {}
            other => return Err(unsupported(NAME, "addition_embed_type", other)),
        }
        Ok(())
    }

    fn heads(&self, level: usize) -> usize {
        self.num_attention_heads.as_ref().unwrap_or(&self.attention_head_dim).at(level)
    }
    fn context(&self, level: usize) -> usize {
        self.cross_attention_dim.at(level)
    }
    fn time_width(&self) -> usize {
        self.time_embedding_dim.unwrap_or(4 * self.block_out_channels[0])
    }
}

/// What a checkpoint may want to know beside time and words.
#[derive(Debug, Clone, Default)]
pub struct UnetConditioning {
    /// `[n, projection_class_embeddings_input_dim]`; Ember's sliders.
    pub class_labels: Option<Tensor<2>>,
    /// SDXL's pooled words, `[n, width]`.
    pub text_embeds: Option<Tensor<2>>,
    /// SDXL's sizes, six numbers a picture.
    pub time_ids: Vec<[f32; 6]>,
    /// Guidance embedding of distilled models, `[n, time_cond_proj_dim]`.
    pub timestep_cond: Option<Tensor<2>>,
}

/// The denoiser.
#[derive(Module, Debug)]
pub struct Unet {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    class_embedding: Option<TimestepEmbedding>,
    class_projection: Option<Linear>,
    add_embedding: Option<TimestepEmbedding>,
    add_text: Option<TextTimeEmbedding>,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    first_width: usize,
    addition_width: usize,
    flip_sin_to_cos: bool,
    freq_shift: f32,
    center: bool,
    class_is_time: bool,
}

impl Unet {
    /// Builds the modules that a checked configuration describes. For training, `conv_out` begins at zero.
    pub fn new(init: &mut Init, config: &UnetConfig) -> Result<Self> {
        config.check()?;
        let widths = &config.block_out_channels;
        let levels = widths.len();
        let (first, last) = (widths[0], widths[levels - 1]);
        let time_width = config.time_width();
        let resnet = ResnetOptions {
            groups: config.norm_num_groups,
            eps: config.norm_eps,
            time_width: Some(time_width),
            time_norm: match config.resnet_time_scale_shift.as_str() {
                "scale_shift" => TimeNorm::ScaleShift,
                _ => TimeNorm::Default,
            },
        };
        let attention = |level: usize| TransformerOptions {
            heads: config.heads(level),
            context: config.context(level),
            layers: config.transformer_layers_per_block.at(level),
            groups: config.norm_num_groups,
            linear: config.use_linear_projection,
        };

        let class_inputs = config.projection_class_embeddings_input_dim.unwrap_or(0);
        let (mut class_embedding, mut class_projection) = (None, None);
        match config.class_embed_type.as_deref() {
            Some("timestep") => class_embedding = Some(TimestepEmbedding::new(init, first, time_width, None)),
            Some("projection") => class_embedding = Some(TimestepEmbedding::new(init, class_inputs, time_width, None)),
            Some("simple_projection") => class_projection = Some(Linear::new(init, class_inputs, time_width)),
            _ => {}
        }
        let (mut add_embedding, mut add_text) = (None, None);
        match config.addition_embed_type.as_deref() {
            Some("text") => {
                let heads = config.addition_embed_type_num_heads;
                add_text = Some(TextTimeEmbedding::new(init, config.context(0), time_width, heads));
            }
            Some("text_time") => add_embedding = Some(TimestepEmbedding::new(init, class_inputs, time_width, None)),
            _ => {}
        }

        let conv_in = Conv2d::new(init, config.in_channels, first, 3);
        let time_embedding = TimestepEmbedding::new(init, first, time_width, config.time_cond_proj_dim);
        let mut down_blocks = Vec::with_capacity(levels);
        for level in 0..levels {
            let inputs = if level == 0 { first } else { widths[level - 1] };
            let transformer = attention(level);
            let cross = config.down_block_types[level].starts_with("Cross").then_some(&transformer);
            let layers = config.layers_per_block.at(level);
            down_blocks.push(DownBlock::new(init, (inputs, widths[level]), layers, &resnet, cross, level + 1 < levels));
        }
        let mid_block =
            config.mid_block_type.is_some().then(|| MidBlock::new(init, last, &resnet, &attention(levels - 1)));
        let mut up_blocks = Vec::with_capacity(levels);
        let mut below = last;
        for (i, kind) in config.up_block_types.iter().enumerate() {
            let level = levels - 1 - i;
            let transformer = attention(level);
            let cross = kind.starts_with("Cross").then_some(&transformer);
            let inputs = widths[level.saturating_sub(1)];
            let layers = config.layers_per_block.at(level) + 1;
            up_blocks.push(UpBlock::new(init, (below, widths[level], inputs), layers, &resnet, cross, level > 0));
            below = widths[level];
        }
        Ok(Self {
            conv_in,
            time_embedding,
            class_embedding,
            class_projection,
            add_embedding,
            add_text,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, first, config.norm_eps),
            conv_out: Conv2d::new(init, first, config.out_channels, 3).zeroed(init),
            first_width: first,
            addition_width: config.addition_time_embed_dim.unwrap_or(0),
            flip_sin_to_cos: config.flip_sin_to_cos,
            freq_shift: config.freq_shift,
            center: config.center_input_sample,
            class_is_time: config.class_embed_type.as_deref() == Some("timestep"),
        })
    }

    /// `sample`: `[n, h, w, in]`; `timesteps`: one a picture; `words`: `[n, tokens, context]`. Returns `[n, h, w, out]`.
    /// Fails when the checkpoint wants a conditioning that is not given.
    pub fn forward(
        &self,
        sample: Tensor<4>,
        timesteps: &[f32],
        words: Tensor<3>,
        conditioning: &UnetConditioning,
    ) -> Result<Tensor<4>> {
        let emb = self.embed(timesteps, &words, conditioning, &sample.device())?;
        Ok(walk(self.stages(), sample, |stage, x, skip, size| {
            self.run(stage, x, skip.map(|(skip, _)| skip), size, &emb, &words)
        }))
    }

    /// What every residual block hears of time and conditioning, `[n, time width]`.
    ///
    /// # Errors
    /// When the checkpoint wants a conditioning that is not given.
    pub fn embed(
        &self,
        timesteps: &[f32],
        words: &Tensor<3>,
        conditioning: &UnetConditioning,
        device: &Device,
    ) -> Result<Tensor<2>> {
        let wave = |values: &[f32], width| sinusoids(values, width, self.flip_sin_to_cos, self.freq_shift, device);
        let missing = |what: &str| Error::failed(format!("This checkpoint wants {what}, which was not given."));

        let steps = wave(timesteps, self.first_width);
        let mut emb = self.time_embedding.forward(steps, conditioning.timestep_cond.clone());
        if let Some(embedding) = &self.class_embedding {
            let labels = conditioning.class_labels.clone().ok_or_else(|| missing("class labels"))?;
            let labels = if self.class_is_time {
                let values: Vec<f32> = labels.inner().into_data().convert::<f32>().try_into_vec().unwrap_or_default();
                wave(&values, self.first_width)
            } else {
                labels
            };
            emb = emb + embedding.forward(labels, None);
        }
        if let Some(projection) = &self.class_projection {
            let labels = conditioning.class_labels.clone().ok_or_else(|| missing("class labels"))?;
            emb = emb + projection.forward(labels);
        }
        if let Some(text) = &self.add_text {
            emb = emb + text.forward(words.clone());
        }
        if let Some(embedding) = &self.add_embedding {
            let pooled = conditioning.text_embeds.clone().ok_or_else(|| missing("pooled words"))?;
            let n = pooled.dims()[0];
            if conditioning.time_ids.len() != n {
                return Err(missing("six sizes a picture"));
            }
            let ids: Vec<f32> = conditioning.time_ids.iter().flatten().copied().collect();
            let sizes = wave(&ids, self.addition_width).reshape([n, 6 * self.addition_width]);
            emb = emb + embedding.forward(Tensor::cat(vec![pooled, sizes], 1), None);
        }
        // Every residual block begins with the SiLU of the same embedding.
        Ok(kernels::silu(emb))
    }

    /// The stages of a forward pass, in their order.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::In];
        for (level, block) in self.down_blocks.iter().enumerate() {
            stages.extend((0..block.layers()).map(|layer| Stage::Down { level, layer }));
            stages.extend(block.narrows().then_some(Stage::Narrow { level }));
        }
        stages.extend(self.mid_block.is_some().then_some(Stage::Mid));
        for (level, block) in self.up_blocks.iter().enumerate() {
            stages.extend((0..block.layers()).map(|layer| Stage::Up { level, layer }));
            stages.extend(block.widens().then_some(Stage::Widen { level }));
        }
        stages.push(Stage::Out);
        stages
    }

    /// Runs one stage. `skip`: what an earlier stage left for it; `size`: height and width to widen to, those of the skip connection
    /// that waits next.
    pub fn run(
        &self,
        stage: Stage,
        x: Tensor<4>,
        skip: Option<Tensor<4>>,
        size: Option<(usize, usize)>,
        time: &Tensor<2>,
        words: &Tensor<3>,
    ) -> Tensor<4> {
        match stage {
            Stage::In => self.conv_in.forward(if self.center { x * 2.0 - 1.0 } else { x }),
            Stage::Down { level, layer } => self.down_blocks[level].layer(layer, x, time, words),
            Stage::Narrow { level } => self.down_blocks[level].narrow(x),
            Stage::Mid => match &self.mid_block {
                Some(mid) => mid.forward(x, time, words),
                None => x,
            },
            Stage::Up { level, layer } => self.up_blocks[level].layer(layer, x, skip, time, words),
            Stage::Widen { level } => self.up_blocks[level].widen(x, size),
            Stage::Out => self.conv_out.forward(self.conv_norm_out.forward_silu(x)),
        }
    }
}

/// A part of a forward pass that takes one tensor on and gives one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first convolution.
    In,
    /// A residual block on the way down, with its attention.
    Down {
        /// From the finest.
        level: usize,
        /// Of the level.
        layer: usize,
    },
    /// To half the size.
    Narrow {
        /// From the finest.
        level: usize,
    },
    /// The level between.
    Mid,
    /// A residual block on the way up, with its attention.
    Up {
        /// From the coarsest.
        level: usize,
        /// Of the level.
        layer: usize,
    },
    /// To twice the size.
    Widen {
        /// From the coarsest.
        level: usize,
    },
    /// The last norm and convolution.
    Out,
}

impl Stage {
    /// Whether its result waits as a skip connection.
    pub fn leaves(self) -> bool {
        matches!(self, Stage::In | Stage::Down { .. } | Stage::Narrow { .. })
    }

    /// Whether the module of this path in the denoiser is at work in it.
    pub fn holds(self, path: &str) -> bool {
        let within =
            |block: String| path.strip_prefix(&block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let layer = |blocks: &str, level: usize, layer: usize| {
            ["resnets", "attentions"].iter().any(|kind| within(format!("{blocks}.{level}.{kind}.{layer}")))
        };
        match self {
            Stage::In => within("conv_in".into()),
            Stage::Down { level, layer: at } => layer("down_blocks", level, at),
            Stage::Narrow { level } => within(format!("down_blocks.{level}.downsamplers")),
            Stage::Mid => within("mid_block".into()),
            Stage::Up { level, layer: at } => layer("up_blocks", level, at),
            Stage::Widen { level } => within(format!("up_blocks.{level}.upsamplers")),
            Stage::Out => within("conv_norm_out".into()) || within("conv_out".into()),
        }
    }

    /// Whether it takes the skip connection that was left last.
    pub fn takes(self) -> bool {
        matches!(self, Stage::Up { .. })
    }
}

/// Takes `x` through stages in their order. `run` gets a stage, what comes in, the skip connection that is taken with the number of the
/// stage that left it, and height and width of the one that waits next.
pub fn walk(
    stages: Vec<Stage>,
    mut x: Tensor<4>,
    mut run: impl FnMut(Stage, Tensor<4>, Option<(Tensor<4>, usize)>, Option<(usize, usize)>) -> Tensor<4>,
) -> Tensor<4> {
    let mut skips: Vec<(Tensor<4>, usize)> = Vec::new();
    for (at, stage) in stages.into_iter().enumerate() {
        let skip = if stage.takes() { skips.pop() } else { None };
        let size = skips.last().map(|(skip, _)| (skip.dims()[1], skip.dims()[2]));
        x = run(stage, x, skip, size);
        if stage.leaves() {
            skips.push((x.clone(), at));
        }
    }
    x
}
