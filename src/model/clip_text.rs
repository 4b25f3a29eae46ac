//! transformers' `CLIPTextModel`: words to vectors (Radford et al. 2021, arXiv:2103.00020).

use super::config::{check_sizes, unsupported};
use super::init::Init;
use super::layers::{Embedding, LayerNorm, Linear, edit};
use crate::{Error, Result, kernels};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use serde::Deserialize;

/// The class of SDXL's second text encoder.
pub const WITH_PROJECTION: &str = "CLIPTextModelWithProjection";

/// `text_encoder/config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Number of tokens known.
    pub vocab_size: usize,
    /// Width of an encoded word.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Width of the projected pooled words, for the kind with projection.
    pub projection_dim: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    pub num_attention_heads: usize,
    /// Longest input, in tokens.
    pub max_position_embeddings: usize,
    /// `quick_gelu` or `gelu`.
    pub hidden_act: String,
    /// Epsilon of the norms.
    pub layer_norm_eps: f64,
    /// The token whose place is pooled; 2 means, for historical reasons, the largest number.
    pub eos_token_id: i64,
    /// `CLIPTextModel` or `CLIPTextModelWithProjection`.
    pub architectures: Option<Vec<String>>,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
            architectures: None,
        }
    }
}

impl ClipTextConfig {
    /// Whether its pooled words are projected.
    pub fn is_projected(&self) -> bool {
        self.architectures.iter().flatten().any(|name| name == WITH_PROJECTION)
    }

    /// Refuses what the modules below cannot do.
    pub fn check(&self) -> Result<()> {
        let name = "text encoder";
        check_sizes(
            name,
            &[
                ("vocab_size", self.vocab_size),
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("num_attention_heads", self.num_attention_heads),
                ("max_position_embeddings", self.max_position_embeddings),
                ("projection_dim", if self.is_projected() { self.projection_dim } else { 1 }),
            ],
        )?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(unsupported(name, "num_attention_heads", self.num_attention_heads));
        }
        if !matches!(self.hidden_act.as_str(), "quick_gelu" | "gelu") {
            return Err(unsupported(name, "hidden_act", &self.hidden_act));
        }
        Ok(())
    }
}

#[derive(Module, Debug)]
struct Embeddings {
    token_embedding: Embedding,
    position_embedding: Embedding,
}

#[derive(Module, Debug)]
struct SelfAttention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    heads: usize,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
    quick: bool,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: SelfAttention,
    layer_norm1: LayerNorm,
    mlp: Mlp,
    layer_norm2: LayerNorm,
}

impl Layer {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let a = &self.self_attn;
        let y = self.layer_norm1.forward(x.clone());
        let (q, k, v) = (a.q_proj.forward(y.clone()), a.k_proj.forward(y.clone()), a.v_proj.forward(y));
        let x = a.out_proj.forward(kernels::attention(q, k, v, a.heads, true)) + x;
        let y = self.mlp.fc1.forward(self.layer_norm2.forward(x.clone()));
        let y = if self.mlp.quick { kernels::quick_gelu(y) } else { kernels::gelu(y) };
        self.mlp.fc2.forward(y) + x
    }
}

#[derive(Module, Debug)]
struct Layers {
    layers: Vec<Layer>,
}

/// The text encoder.
#[derive(Module, Debug)]
pub struct ClipText {
    embeddings: Embeddings,
    encoder: Layers,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
}

/// What the encoder says of a batch of prompts.
#[derive(Debug, Clone)]
pub struct EncodedText {
    /// After the final norm, `[n, tokens, hidden]`.
    pub last_hidden_state: Tensor<3>,
    /// Before the final norm: the embeddings, then each layer's result.
    pub hidden_states: Vec<Tensor<3>>,
    /// The vector at the end-of-text token, `[n, hidden]`; of the kind with projection the projected one, `[n, projection_dim]`.
    pub pooled: Tensor<2>,
}

/// Keys of older writers carry this before every name; newer ones do not.
pub const PREFIXES: [&str; 2] = ["text_model.", ""];

impl ClipText {
    /// Builds the modules that a checked configuration describes.
    pub fn new(init: &mut Init, config: &ClipTextConfig) -> Result<Self> {
        config.check()?;
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let norm = |init: &mut Init| LayerNorm::new(init, width, config.layer_norm_eps);
        let embeddings = Embeddings {
            token_embedding: Embedding::new(init, config.vocab_size, width, 0.02),
            position_embedding: Embedding::new(init, config.max_position_embeddings, width, 0.01),
        };
        let layers = (0..config.num_hidden_layers)
            .map(|_| Layer {
                self_attn: SelfAttention {
                    k_proj: Linear::new(init, width, width),
                    v_proj: Linear::new(init, width, width),
                    q_proj: Linear::new(init, width, width),
                    out_proj: Linear::new(init, width, width),
                    heads: config.num_attention_heads,
                },
                layer_norm1: norm(init),
                mlp: Mlp {
                    fc1: Linear::new(init, width, inner),
                    fc2: Linear::new(init, inner, width),
                    quick: config.hidden_act == "quick_gelu",
                },
                layer_norm2: norm(init),
            })
            .collect();
        let projected = config.is_projected().then(|| Linear::new(init, width, config.projection_dim).without_bias());
        Ok(Self { embeddings, encoder: Layers { layers }, final_layer_norm: norm(init), text_projection: projected })
    }

    /// First values for learning from nothing. The begin and end tokens (the last two) start silent, words loud, positions and
    /// biases near zero: the end tokens that fill a prompt up then hold the mean of its words from the first step. As CLIP
    /// draws them, they differ between prompts by 1.5 % of their size, and a denoiser that attends to all places alike had
    /// not heard a single word after 1,800 steps.
    pub fn with_silent_ends(mut self) -> Self {
        let words = &mut self.embeddings.token_embedding;
        let width = words.weight.lazy_shape()[1];
        words.weight = edit(words.weight.clone(), |values| {
            let ends = values.len() - 2 * width;
            values[..ends].iter_mut().for_each(|v| *v *= 25.0);
            values[ends..].fill(0.0);
        });
        let places = &mut self.embeddings.position_embedding;
        places.weight = edit(places.weight.clone(), |values| values.iter_mut().for_each(|v| *v *= 0.02));
        for layer in &mut self.encoder.layers {
            let (attention, mlp) = (&mut layer.self_attn, &mut layer.mlp);
            let linear = [&mut attention.k_proj, &mut attention.v_proj, &mut attention.q_proj, &mut attention.out_proj];
            for linear in linear.into_iter().chain([&mut mlp.fc1, &mut mlp.fc2]) {
                linear.bias = linear.bias.take().map(|bias| edit(bias, |values| values.fill(0.0)));
            }
        }
        self
    }

    /// The final norm, for the hidden states that a clip skip takes instead of the last.
    pub fn normalise(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.final_layer_norm.forward(hidden)
    }

    /// The vector of a token, of `hidden_size` numbers.
    ///
    /// # Errors
    /// When the token is not known, or the device hands no numbers back.
    pub fn vector(&self, token: u32) -> Result<Vec<f32>> {
        let table = self.embeddings.token_embedding.weight.val().inner();
        let [known, width] = table.dims();
        let row = Some(token as usize).filter(|row| *row < known);
        let row = row.map(|row| table.slice([row..row + 1, 0..width]).into_data().convert::<f32>().try_into_vec());
        row.and_then(|values| values.ok())
            .ok_or_else(|| Error::failed(format!("The text encoder gives no vector for token {token} of {known}.")))
    }

    /// The root of the mean square of its vectors' numbers: how large a step on one of them is small.
    ///
    /// # Errors
    /// When the device hands no number back.
    pub fn spread(&self) -> Result<f32> {
        let table = self.embeddings.token_embedding.weight.val().inner();
        let spread = table.square().mean().sqrt().try_into_scalar();
        spread.map_err(|e| Error::failed(format!("The text encoder's vectors could not be measured: {e:?}.")))
    }

    /// `tokens`: equally long rows of token numbers, each below `vocab_size`, at most `max_position_embeddings` long.
    pub fn forward(&self, tokens: &[Vec<u32>], eos: i64) -> Result<EncodedText> {
        self.forward_with(tokens, eos, None)
    }

    /// The same with vectors of words that were learnt besides, `[rows, hidden_size]` on the same device: numbers from `vocab_size`
    /// on mean their rows.
    pub fn forward_with(&self, tokens: &[Vec<u32>], eos: i64, added: Option<&Tensor<2>>) -> Result<EncodedText> {
        let n = tokens.len();
        let length = tokens.first().map_or(0, Vec::len);
        let [known, width] = self.embeddings.token_embedding.weight.dims();
        let places = self.embeddings.position_embedding.weight.dims()[0];
        if n == 0 || length == 0 || length > places || tokens.iter().any(|row| row.len() != length) {
            return Err(Error::failed(format!("Prompts of {length} tokens do not fit a text encoder for {places}.")));
        }
        let more = added.map_or(0, |added| added.dims()[0]);
        if let Some(bad) = tokens.iter().flatten().find(|t| **t as usize >= known + more) {
            return Err(Error::failed(format!(
                "Token {bad} is not among the {known} of the text encoder; the tokenizer belongs to another model."
            )));
        }
        let device = self.embeddings.token_embedding.weight.device();
        let own = |t: &u32| if (*t as usize) < known { *t as i32 } else { 0 };
        let flat: Vec<i32> = tokens.iter().flatten().map(own).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(flat, [n, length]), &device);
        let places = self.embeddings.position_embedding.weight.val().narrow(0, 0, length).unsqueeze::<3>();
        let mut x = self.embeddings.token_embedding.forward(ids);
        if let Some(added) = added.filter(|_| tokens.iter().flatten().any(|t| *t as usize >= known)) {
            let rows: Vec<i32> = tokens.iter().flatten().map(|t| (*t as i32 - known as i32).max(0)).collect();
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [n * length]), &device);
            let learnt = added.clone().select(0, rows).reshape([n, length, width]);
            let which = tokens.iter().flatten().map(|t| f32::from(u8::from(*t as usize >= known)));
            let which = TensorData::new(which.collect::<Vec<f32>>(), [n, length, 1]);
            let which = Tensor::<3>::from_data(which, &device);
            x = x * (which.clone() * -1.0 + 1.0) + learnt * which;
        }
        x = x + places;
        let mut hidden_states = vec![x.clone()];
        for layer in &self.encoder.layers {
            x = layer.forward(x);
            hidden_states.push(x.clone());
        }
        let last = self.final_layer_norm.forward(x);
        let pooled = tokens.iter().enumerate().map(|(row, ids)| {
            let end = if eos == 2 {
                // Learnt words have larger numbers than the end, and are none.
                let end = |i: &usize| if (ids[*i] as usize) < known { ids[*i] } else { 0 };
                (0..length).rev().max_by_key(end).unwrap_or(0)
            } else {
                ids.iter().position(|t| i64::from(*t) == eos).unwrap_or(0)
            };
            last.clone().slice([row..row + 1, end..end + 1, 0..width]).reshape([1, width])
        });
        let pooled = Tensor::cat(pooled.collect(), 0);
        let pooled = match &self.text_projection {
            Some(projection) => projection.forward(pooled),
            None => pooled,
        };
        Ok(EncodedText { last_hidden_state: last, hidden_states, pooled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn silent_ends_hold_the_words_from_the_start() {
        let config = ClipTextConfig {
            vocab_size: 40,
            hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            max_position_embeddings: 16,
            eos_token_id: 39,
            ..Default::default()
        };
        let prompt = |words: &[u32]| {
            let mut ids = vec![38];
            ids.extend(words);
            ids.resize(16, 39);
            ids
        };
        let prompts = [prompt(&[3, 7]), prompt(&[4, 7])];
        // How far the last place differs between two prompts, by its size.
        let differs = |text: ClipText| {
            let words = text.forward(&prompts, 39).unwrap().last_hidden_state;
            let values: Vec<f32> = words.into_data().try_into_vec().unwrap();
            let (a, b) = (&values[15 * 32..16 * 32], &values[31 * 32..]);
            let off: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
            (off / a.iter().map(|a| a * a).sum::<f32>()).sqrt()
        };
        let text = |seed| ClipText::new(&mut Init::new(&Device::flex(), seed), &config).unwrap();
        let (plain, silent) = (differs(text(1)), differs(text(1).with_silent_ends()));
        assert!(silent > 0.5 && silent > 3.0 * plain, "{plain} as CLIP draws them, {silent} with silent ends");
    }
}
