//! Learnt words (textual inversion) on a loaded checkpoint: found, read, and heard wherever a prompt names them.

use super::load::hash_file;
use super::{Adapted, Pipeline};
use crate::model::embedding::{Embedding, Vectors};
use crate::model::lora::trainable::frozen;
use crate::recipe::{EmbeddingRef, Recipe};
use crate::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most learnt words of one Recipe.
const MOST: usize = 64;

/// Refuses what no set of learnt words can be, before a file is opened.
pub(super) fn check(embeddings: &[EmbeddingRef]) -> Result<()> {
    if embeddings.len() > MOST {
        return Err(Error::usage(format!("{} learnt words are too many; use up to {MOST}.", embeddings.len())));
    }
    Ok(())
}

/// Where the file of a learnt word lies: its path, with or without its ending.
///
/// # Errors
/// When there is no such file.
pub fn locate_embedding(name: &str) -> Result<PathBuf> {
    let ended = format!("{name}.safetensors");
    let found = [name, &ended].map(PathBuf::from).into_iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::failed(format!("There is no learnt word at {name}; give the path of a .safetensors file."))
    })
}

impl Pipeline {
    /// What draws a Recipe, with its learnt words, and those with the hashes of their files; `adapted` is this checkpoint with the
    /// Recipe's adapters.
    ///
    /// # Errors
    /// When a file is not found, damaged, or was made for another text encoder.
    pub(super) fn drawing<'a>(
        &'a self,
        adapted: &'a Adapted,
        recipe: &Recipe,
    ) -> Result<(Cow<'a, Self>, Vec<EmbeddingRef>)> {
        let plain = adapted.of(self);
        if recipe.embeddings.is_empty() {
            return Ok((Cow::Borrowed(plain), Vec::new()));
        }
        let (mut read, mut named) = (Vec::new(), Vec::new());
        for embedding in &recipe.embeddings {
            let path = locate_embedding(&embedding.name)?;
            read.push((Embedding::open(&path)?, path.clone()));
            named.push(EmbeddingRef { name: embedding.name.clone(), hash: hash_file(&path)? });
        }
        Ok((Cow::Owned(plain.with_words(&read)?), named))
    }

    /// This checkpoint with the learnt words of these files.
    ///
    /// # Errors
    /// When a word is there twice, or was made for another text encoder.
    pub fn with_words(&self, words: &[(Embedding, PathBuf)]) -> Result<Self> {
        for (i, (embedding, path)) in words.iter().enumerate() {
            self.check_word(embedding, path)?;
            let same = |other: &&(Embedding, PathBuf)| other.0.word.eq_ignore_ascii_case(&embedding.word);
            if let Some((_, other)) = words[..i].iter().find(same) {
                return Err(Error::usage(format!(
                    "{} and {} are both called {}: leave one of them out.",
                    other.display(),
                    path.display(),
                    embedding.word
                )));
            }
        }
        let mut pipeline = self.clone();
        for (nth, text) in [Some(&mut pipeline.text), pipeline.text2.as_mut()].into_iter().flatten().enumerate() {
            let (mut added, mut rows) = (Vec::new(), Vec::new());
            let mut next = text.config.vocab_size as u32;
            for (embedding, _) in words {
                let Some(Vectors { values, rows: count, width }) = embedding.vectors.get(nth) else { continue };
                added.push((embedding.word.clone(), (next..next + *count as u32).collect()));
                next += *count as u32;
                rows.push(Tensor::<2>::from_data(TensorData::new(values.clone(), [*count, *width]), &self.device));
            }
            text.tokenizer = Arc::new(text.tokenizer.as_ref().clone().with_added(added));
            text.added = (!rows.is_empty()).then(|| Tensor::cat(rows, 0));
        }
        pipeline.encodings = Arc::default();
        Ok(pipeline)
    }

    /// Refuses a word that was made for another text encoder.
    fn check_word(&self, embedding: &Embedding, path: &Path) -> Result<()> {
        let (texts, widths) = (&self.info.text_widths, embedding.widths());
        if *texts == widths {
            return Ok(());
        }
        let list = |widths: &[usize]| widths.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ");
        Err(Error::failed(format!(
            "The word {} in {} has vectors of width {}, and the text encoder of {} takes {}: it was learnt with another model \
             family.",
            embedding.word,
            path.display(),
            list(&widths),
            self.info.name,
            list(texts)
        )))
    }

    /// This checkpoint hearing a word whose vectors `[rows, width]` are being learnt. Where they are on a device with gradients, so
    /// is what [`Pipeline::words_of`] says, and its gradients go to them alone.
    pub fn hearing(&self, word: &str, vectors: Tensor<2>) -> Self {
        let mut pipeline = self.clone();
        let text = &mut pipeline.text;
        let first = text.config.vocab_size as u32;
        let ids = (first..first + vectors.dims()[0] as u32).collect();
        text.tokenizer = Arc::new(text.tokenizer.as_ref().clone().with_added(vec![(word.to_string(), ids)]));
        if vectors.device().is_autodiff() {
            text.model = frozen(&text.model);
        }
        text.added = Some(vectors);
        // What a word that is being learnt says changes with every step.
        pipeline.encodings = Arc::default();
        pipeline
    }

    /// The vector of a word that is one token of the first text encoder.
    ///
    /// # Errors
    /// When it is none, or several.
    pub fn vector_of(&self, word: &str) -> Result<Vec<f32>> {
        let token = self.text.tokenizer.single(word).ok_or_else(|| {
            Error::usage(format!(
                "{} does not know \"{word}\" as one word; begin with a plainer word that is near to what is to be learnt.",
                self.info.name
            ))
        })?;
        self.text.model.vector(token)
    }
}
