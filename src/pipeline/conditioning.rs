//! What the denoiser is told: encoded words and slider values.

use super::Pipeline;
use super::extras::class_vector;
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
        let mut words = vec![self.encode_text(&recipe.prompt)?];
        if guided {
            words.insert(0, self.encode_text(&recipe.negative_prompt)?);
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

    fn encode_text(&self, prompt: &str) -> Result<Tensor<3>> {
        let mut kept = self.encodings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(i) = kept.iter().position(|(p, _)| p == prompt) {
            let entry = kept.remove(i);
            kept.push(entry.clone());
            return Ok(entry.1);
        }
        let text = &self.text;
        let tokens = text.tokenizer.encode(prompt);
        let encoded = text.model.forward(&[tokens.ids], text.config.eos_token_id)?.last_hidden_state;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((prompt.to_string(), encoded.clone()));
        Ok(encoded)
    }

    /// How many tokens of a prompt the text encoder will not see.
    pub fn tokens_cut(&self, prompt: &str) -> usize {
        self.text.tokenizer.encode(prompt).cut
    }
}
