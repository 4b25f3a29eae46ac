//! What the denoiser is told: encoded words and slider values.

use super::extras::class_vector;
use super::{Pipeline, prompt};
use crate::Result;
use crate::model::clip_text::{ClipText, ClipTextConfig};
use crate::model::tokenizer::Tokenizer;
use crate::model::unet::UnetConditioning;
use crate::recipe::Recipe;
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
}

impl Pipeline {
    /// Encoded words and sliders: the unconditional half first, when guided.
    pub(super) fn condition(&self, recipe: &Recipe, guided: bool) -> Result<(Tensor<3>, UnetConditioning)> {
        let said = |text: &str| self.encode_text(&prompt::choose(text, recipe.seed), recipe.clip_skip);
        let mut words = vec![said(&recipe.prompt)?];
        if guided {
            words.insert(0, said(&recipe.negative_prompt)?);
        }
        // Both halves are as long as the longer one; the other goes on with chunks that say nothing.
        let longest = words.iter().map(|w| w.dims()[1]).max().unwrap_or(0);
        for half in &mut words {
            let missing = (longest - half.dims()[1]) / self.text.tokenizer.length().max(1);
            if missing > 0 {
                let empty = said("")?;
                *half = Tensor::cat([vec![half.clone()], vec![empty; missing]].concat(), 1);
            }
        }
        let n = words.len();
        let mut conditioning = UnetConditioning::default();
        if self.unet_config.class_embed_type.is_some() {
            let vector = class_vector(&self.extras.sliders, &recipe.sliders);
            let width = vector.len();
            let mut labels = vec![0.0; (n - 1) * width];
            labels.extend(vector);
            conditioning.class_labels = Some(Tensor::from_data(TensorData::new(labels, [n, width]), &self.device));
        }
        Ok((Tensor::cat(words, 0), conditioning))
    }

    /// A prompt as `[1, tokens, width]`, with its weights; `clip_skip` counts the text encoder's layers from its end.
    pub(super) fn encode_text(&self, prompt: &str, clip_skip: u32) -> Result<Tensor<3>> {
        let key = format!("{clip_skip} {prompt}");
        let mut kept = self.encodings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(i) = kept.iter().position(|(p, _)| *p == key) {
            let entry = kept.remove(i);
            kept.push(entry.clone());
            return Ok(entry.1);
        }
        let text = &self.text;
        let (chunks, _) = prompt::chunks(&text.tokenizer, prompt, self.reads_one_chunk());
        let mut parts = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let encoded = text.model.forward(&[chunk.ids], text.config.eos_token_id)?;
            let states = &encoded.hidden_states;
            let words = match states.len().checked_sub(clip_skip as usize).and_then(|i| states.get(i)) {
                Some(state) if clip_skip > 1 => text.model.normalise(state.clone()),
                _ => encoded.last_hidden_state,
            };
            parts.push(prompt::weigh(words, &chunk.weights));
        }
        let encoded = Tensor::cat(parts, 1);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((key, encoded.clone()));
        Ok(encoded)
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
