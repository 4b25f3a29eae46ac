//! What the denoiser is told: encoded words, sizes and slider values.

use super::extras::class_vector;
use super::{Pipeline, mix, prompt};
use crate::model::clip_text::{ClipText, ClipTextConfig};
use crate::model::embeddings::sinusoids;
use crate::model::tokenizer::Tokenizer;
use crate::model::unet::UnetConditioning;
use crate::recipe::Recipe;
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// Prompts whose encodings are kept.
const KEPT: usize = 32;

/// A text encoder with what it needs to read.
#[derive(Clone)]
pub(super) struct TextEncoder {
    pub tokenizer: Arc<Tokenizer>,
    pub model: ClipText,
    pub config: ClipTextConfig,
    /// Vectors of learnt words, whose numbers follow those of the vocabulary.
    pub added: Option<Tensor<2>>,
}

/// What a Recipe asks for, in the checkpoint's terms.
pub(super) struct Meant {
    prompt: String,
    /// The negative prompt.
    unwanted: String,
    /// The class vector, where the denoiser takes one.
    label: Option<Vec<f32>>,
}

/// An encoded prompt.
#[derive(Clone)]
pub(super) struct Encoded {
    /// `[1, tokens, width]`.
    pub(super) words: Tensor<3>,
    /// `[1, width]`, of checkpoints with two text encoders.
    pooled: Option<Tensor<2>>,
}

impl Pipeline {
    /// Whether guidance enters the denoiser as a number instead of as a second prediction.
    pub(super) fn embeds_guidance(&self) -> bool {
        self.unet_config.time_cond_proj_dim.is_some()
    }

    /// What a Recipe asks for once words and sliders agree.
    pub(super) fn meant(&self, recipe: &Recipe) -> Meant {
        let (prompt, sliders) = mix::meant(&self.extras.sliders, &recipe.prompt, &recipe.sliders);
        let labelled = self.unet_config.class_embed_type.is_some();
        let label = labelled.then(|| class_vector(&self.extras.sliders, &sliders));
        Meant { prompt, unwanted: recipe.negative_prompt.clone(), label }
    }

    /// Encoded words, sizes and sliders: the unconditional half first, when guided.
    pub(super) fn condition(
        &self,
        recipe: &Recipe,
        meant: &Meant,
        guided: bool,
    ) -> Result<(Tensor<3>, UnetConditioning)> {
        let mut halves = vec![self.encode_text(&meant.prompt, recipe.clip_skip)?];
        if guided {
            let silent = self.zero_empty && recipe.negative_prompt.trim().is_empty();
            let negative = match silent {
                true => halves[0].silence(),
                false => self.encode_text(&meant.unwanted, recipe.clip_skip)?,
            };
            halves.insert(0, negative);
        }
        let labels = meant.label.clone().map(|label| {
            let silent = vec![vec![0.0; label.len()]; halves.len() - 1];
            [silent, vec![label]].concat()
        });
        self.rows(recipe, &halves, labels)
    }

    /// What early steps are told that full guidance leaves alone: the prompt, and before it the same scene without its things (and with
    /// what the negative prompt says), so that guidance asks for the things and nothing else. None where nothing sets the two apart,
    /// and for a checkpoint that does not say what things are.
    ///
    /// Full guidance in the first steps takes colours and patterns too far; without any, things lose their shape (Ember's card has the
    /// measurements).
    pub(super) fn condition_beside_ground(
        &self,
        recipe: &Recipe,
        meant: &Meant,
    ) -> Result<Option<(Tensor<3>, UnetConditioning)>> {
        let things = &self.extras.things;
        if things.is_empty() {
            return Ok(None);
        }
        let mut ground = mix::ground(&self.extras.sliders, things, &meant.prompt);
        if !meant.unwanted.trim().is_empty() {
            ground = format!("{ground}, {}", meant.unwanted);
        }
        if ground == meant.prompt {
            return Ok(None);
        }
        let halves = [self.encode_text(&ground, recipe.clip_skip)?, self.encode_text(&meant.prompt, recipe.clip_skip)?];
        let labels = meant.label.clone().map(|label| vec![label; 2]);
        self.rows(recipe, &halves, labels).map(Some)
    }

    /// Encoded prompts as rows of one call of the denoiser, each with its class vector where the denoiser takes one.
    fn rows(
        &self,
        recipe: &Recipe,
        halves: &[Encoded],
        labels: Option<Vec<Vec<f32>>>,
    ) -> Result<(Tensor<3>, UnetConditioning)> {
        let n = halves.len();
        let words = self.side_by_side(halves.iter().map(|half| half.words.clone()).collect(), recipe.clip_skip)?;
        let mut conditioning = UnetConditioning::default();
        if let Some(labels) = labels {
            let labels = labels.concat();
            let width = labels.len() / n.max(1);
            conditioning.class_labels = Some(Tensor::from_data(TensorData::new(labels, [n, width]), &self.device));
        }
        if self.text2.is_some() {
            let pooled: Vec<Tensor<2>> = halves.iter().filter_map(|half| half.pooled.clone()).collect();
            conditioning.text_embeds = Some(Tensor::cat(pooled, 0));
            // As if the picture had been this size in training, and not cut.
            let (w, h) = (recipe.width as f32, recipe.height as f32);
            conditioning.time_ids = vec![[h, w, 0.0, 0.0, h, w]; n];
        }
        if let Some(width) = self.unet_config.time_cond_proj_dim {
            let scale = 1000.0 * (recipe.cfg_scale - 1.0);
            conditioning.timestep_cond = Some(sinusoids(&vec![scale; n], width, false, 1.0, &self.device));
        }
        Ok((words, conditioning))
    }

    /// Encoded prompts `[1, tokens, width]` as one batch, all as long as the longest; the others go on with chunks that say
    /// nothing.
    pub(super) fn side_by_side(&self, mut all: Vec<Tensor<3>>, clip_skip: u32) -> Result<Tensor<3>> {
        let longest = all.iter().map(|words| words.dims()[1]).max().unwrap_or(0);
        for words in &mut all {
            let missing = (longest - words.dims()[1]) / self.text.tokenizer.length().max(1);
            if missing > 0 {
                let empty = self.encode_text("", clip_skip)?.words;
                *words = Tensor::cat([vec![words.clone()], vec![empty; missing]].concat(), 1);
            }
        }
        Ok(Tensor::cat(all, 0))
    }

    /// A prompt as all text encoders hear it, with its weights; `clip_skip` counts their layers from the end.
    pub(super) fn encode_text(&self, prompt: &str, clip_skip: u32) -> Result<Encoded> {
        let key = format!("{clip_skip} {prompt}");
        let mut kept = self.encodings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(i) = kept.iter().position(|(p, _)| *p == key) {
            let entry = kept.remove(i);
            kept.push(entry.clone());
            return Ok(entry.1);
        }
        let mut encoded = self.hear(&self.text, prompt, clip_skip)?;
        match &self.text2 {
            None => encoded.pooled = None,
            Some(second) => {
                let other = self.hear(second, prompt, clip_skip)?;
                if encoded.words.dims()[1] != other.words.dims()[1] {
                    return Err(Error::failed(format!(
                        "The two text encoders of {} cut this prompt differently; shorten it.",
                        self.info.name
                    )));
                }
                encoded = Encoded { words: Tensor::cat(vec![encoded.words, other.words], 2), pooled: other.pooled };
            }
        }
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((key, encoded.clone()));
        Ok(encoded)
    }

    /// A prompt as one text encoder hears it, chunk by chunk; the first chunk is pooled.
    fn hear(&self, text: &TextEncoder, prompt: &str, clip_skip: u32) -> Result<Encoded> {
        let (chunks, _) = prompt::chunks(&text.tokenizer, prompt, self.reads_one_chunk());
        // SDXL was trained on the last layer but one of both, without the final norm.
        let two = self.text2.is_some();
        let back = if two { clip_skip.max(2) } else { clip_skip } as usize;
        let mut parts = Vec::with_capacity(chunks.len());
        let mut pooled = None;
        for chunk in chunks {
            let encoded = text.model.forward_with(&[chunk.ids], text.config.eos_token_id, text.added.as_ref())?;
            let states = &encoded.hidden_states;
            let words = match states.len().checked_sub(back).and_then(|i| states.get(i)) {
                Some(state) if two => state.clone(),
                Some(state) if back > 1 => text.model.normalise(state.clone()),
                _ => encoded.last_hidden_state,
            };
            parts.push(prompt::weigh(words, &chunk.weights));
            pooled.get_or_insert(encoded.pooled);
        }
        Ok(Encoded { words: Tensor::cat(parts, 1), pooled })
    }

    /// A checkpoint that names its own words was trained on single short prompts.
    fn reads_one_chunk(&self) -> bool {
        !self.extras.vocabulary.is_empty()
    }

    /// How many tokens of a prompt the text encoder will not see.
    pub fn tokens_cut(&self, prompt: &str) -> usize {
        prompt::chunks(&self.text.tokenizer, prompt, self.reads_one_chunk()).1
    }
}

impl Encoded {
    /// Zeros in the same shape.
    fn silence(&self) -> Self {
        Self { words: self.words.zeros_like(), pooled: self.pooled.as_ref().map(Tensor::zeros_like) }
    }
}
