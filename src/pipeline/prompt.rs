//! The field's prompt language: weights, BREAK, chunks and choices. Pure text and token numbers but for [`weigh`].
//!
//! As AUTOMATIC1111 reads it: `(word)` counts 1.1 times, `[word]` 1/1.1 times, `(word:1.3)` 1.3 times, brackets nest and
//! multiply, `\(` is a bracket that is meant, `BREAK` ends a chunk. `{a|b|c}` is one of its choices, by the seed.

use crate::model::tokenizer::Tokenizer;
use crate::recipe::Recipe;
use burn::tensor::{Tensor, TensorData};

/// What one bracket multiplies by.
const BRACKET: f32 = 1.1;
/// Most chunks that a prompt becomes; what is beyond is cut.
pub const MOST_CHUNKS: usize = 16;
/// Weights are held within this, so that no prompt gives numbers out of range.
const WEIGHTS: std::ops::RangeInclusive<f32> = -100.0..=100.0;
/// The word that ends a chunk.
const BREAK: &str = "BREAK";

/// A piece of a prompt with one weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The words.
    pub text: String,
    /// How strongly they count; 1 is plain.
    pub weight: f32,
}

/// A prompt as its parts between BREAKs (at least one), each a list of spans. Takes any text.
pub fn parse(prompt: &str) -> Vec<Vec<Span>> {
    let mut spans: Vec<Vec<Span>> = vec![Vec::new()];
    // Open brackets: whether round, and the place of the first span inside.
    let mut open: Vec<(bool, (usize, usize))> = Vec::new();
    let mut rest = prompt;
    while let Some(c) = rest.chars().next() {
        let here = (spans.len() - 1, spans.last().map_or(0, Vec::len));
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let meant = after.chars().next().filter(|c| "()[]\\".contains(*c));
                push(&mut spans, meant.map_or("", |c| &after[..c.len_utf8()]));
                rest = &after[meant.map_or(0, char::len_utf8)..];
            }
            '(' | '[' => {
                open.push((c == '(', here));
                rest = after;
            }
            ':' if let Some((weight, left)) = weight(after)
                && let Some(from) = close(&mut open, true) =>
            {
                multiply(&mut spans, from, weight);
                rest = left;
            }
            ')' | ']' => {
                match close(&mut open, c == ')') {
                    Some(from) => multiply(&mut spans, from, if c == ')' { BRACKET } else { 1.0 / BRACKET }),
                    None => push(&mut spans, &rest[..1]),
                }
                rest = after;
            }
            _ => {
                let end = after.find(['\\', '(', ')', '[', ']', ':']).map_or(rest.len(), |i| i + c.len_utf8());
                for (i, part) in split_breaks(&rest[..end]).into_iter().enumerate() {
                    if i > 0 {
                        spans.push(Vec::new());
                    }
                    push(&mut spans, part);
                }
                rest = &rest[end..];
            }
        }
    }
    // A bracket that is never closed counts to the end.
    while let Some((round, from)) = open.pop() {
        multiply(&mut spans, from, if round { BRACKET } else { 1.0 / BRACKET });
    }
    spans.into_iter().map(merge).collect()
}

fn push(spans: &mut [Vec<Span>], text: &str) {
    if let Some(last) = spans.last_mut().filter(|_| !text.is_empty()) {
        last.push(Span { text: text.to_string(), weight: 1.0 });
    }
}

/// The innermost open bracket of this kind.
fn close(open: &mut Vec<(bool, (usize, usize))>, round: bool) -> Option<(usize, usize)> {
    let at = open.iter().rposition(|(r, _)| *r == round)?;
    Some(open.remove(at).1)
}

fn multiply(spans: &mut [Vec<Span>], (part, span): (usize, usize), by: f32) {
    for (i, spans) in spans.iter_mut().enumerate().skip(part) {
        for s in spans.iter_mut().skip(if i == part { span } else { 0 }) {
            s.weight = (s.weight * by).clamp(*WEIGHTS.start(), *WEIGHTS.end());
        }
    }
}

/// Joins neighbours of equal weight, so that a plain prompt is one span.
fn merge(spans: Vec<Span>) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.weight == span.weight => last.text += &span.text,
            _ => merged.push(span),
        }
    }
    merged
}

/// `1.2)` and what follows, the number as a weight.
fn weight(text: &str) -> Option<(f32, &str)> {
    let (number, left) = text.split_once(')')?;
    let number = number.trim();
    let fine = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c));
    let weight: f32 = number.parse().ok().filter(|w: &f32| fine && w.is_finite())?;
    Some((weight.clamp(*WEIGHTS.start(), *WEIGHTS.end()), left))
}

/// Cuts a text at the word BREAK.
fn split_breaks(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut search) = (0, 0);
    while let Some(at) = text[search..].find(BREAK).map(|i| i + search) {
        let end = at + BREAK.len();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if !inside(text[..at].chars().next_back()) && !inside(text[end..].chars().next()) {
            parts.push(&text[from..at]);
            from = end;
        }
        search = end;
    }
    parts.push(&text[from..]);
    parts
}

/// Tokens that the text encoder reads at once, with a weight for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Framed and padded, [`Tokenizer::length`] of them.
    pub ids: Vec<u32>,
    /// As many weights; 1 for begin, end and padding.
    pub weights: Vec<f32>,
}

/// A prompt as chunks (at least one), and how many tokens did not fit. With `one_chunk` everything after the first is cut and
/// BREAK is only a space, for checkpoints that were trained on single short prompts.
pub fn chunks(tokenizer: &Tokenizer, prompt: &str, one_chunk: bool) -> (Vec<Chunk>, usize) {
    let mut parts = parse(prompt);
    if one_chunk {
        parts = vec![parts.into_iter().flatten().collect()];
    }
    let room = tokenizer.length().saturating_sub(2);
    let most = if one_chunk { 1 } else { MOST_CHUNKS };
    let mut filled: Vec<(Vec<u32>, Vec<f32>)> = Vec::new();
    let mut cut = 0;
    for part in parts {
        let begins = filled.len();
        filled.push(Default::default());
        for span in part {
            let left = (most.saturating_sub(filled.len()) + 1) * room - filled.last().map_or(0, |(ids, _)| ids.len());
            let (ids, beyond) = tokenizer.words(&span.text, if begins < most { left } else { 0 });
            cut += beyond;
            for id in ids {
                if filled.last().is_some_and(|(ids, _)| ids.len() == room) {
                    filled.push(Default::default());
                }
                if let Some((ids, weights)) = filled.last_mut() {
                    ids.push(id);
                    weights.push(span.weight);
                }
            }
        }
    }
    filled.truncate(most);
    let framed = filled.into_iter().map(|(ids, mut weights)| {
        weights.insert(0, 1.0);
        weights.resize(tokenizer.length(), 1.0);
        Chunk { ids: tokenizer.frame(ids), weights }
    });
    (framed.collect(), cut)
}

/// Scales each token's vector by its weight and restores the mean of the whole, as the field does. `encoded`: `[1, tokens,
/// width]`. Plain weights change nothing, to the last bit.
pub fn weigh(encoded: Tensor<3>, weights: &[f32]) -> Tensor<3> {
    if weights.iter().all(|w| *w == 1.0) {
        return encoded;
    }
    let device = encoded.device();
    let weights = Tensor::<3>::from_data(TensorData::new(weights.to_vec(), [1, weights.len(), 1]), &device);
    let before = encoded.clone().mean().reshape([1, 1, 1]);
    let weighted = encoded * weights;
    let after = weighted.clone().mean().reshape([1, 1, 1]);
    weighted * (before / after)
}

/// A Recipe with one of each `{a|b|c}` chosen in its prompts, by its seed.
pub fn chosen(recipe: &Recipe) -> Recipe {
    let mut chosen = recipe.clone();
    for text in [&mut chosen.prompt, &mut chosen.negative_prompt] {
        *text = choose(text, recipe.seed);
    }
    chosen
}

/// Chooses one of each `{a|b|c}` by the seed; choices may nest. Braces without a bar stay as they are. Seeds that follow one another
/// go through all combinations before one comes again, and through the words of each choice evenly.
pub fn choose(prompt: &str, seed: u64) -> String {
    // The seed's digits, each on top of those before it: pictures side by side differ in every choice, as in a Latin square.
    let (mut rest, mut sum) = (seed, 0);
    resolve(prompt, &mut |choices| {
        sum += rest % choices;
        rest /= choices;
        sum % choices
    })
}

/// How many ways there are to choose; 1 where there is nothing to choose.
pub fn combinations(prompt: &str) -> u64 {
    let mut all = 1u64;
    resolve(prompt, &mut |choices| {
        all = all.saturating_mul(choices);
        0
    });
    all
}

/// A prompt with each `{a|b|c}` replaced by one of its texts, the innermost first: `pick` is told how many there are and answers with
/// an index.
fn resolve(prompt: &str, pick: &mut dyn FnMut(u64) -> u64) -> String {
    let mut text = String::with_capacity(prompt.len());
    // Where the braces that are open begin, and the bars in each.
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    for c in prompt.chars() {
        match (c, open.last_mut()) {
            ('{', _) => open.push((text.len(), Vec::new())),
            ('|', Some((_, bars))) => bars.push(text.len()),
            ('}', Some(_)) => {
                if let Some((start, bars)) = open.pop().filter(|(_, bars)| !bars.is_empty()) {
                    let picked = pick(bars.len() as u64 + 1) as usize;
                    let from = picked.checked_sub(1).and_then(|before| bars.get(before)).map_or(start, |bar| *bar) + 1;
                    text.truncate(bars.get(picked).copied().unwrap_or(text.len()));
                    text.drain(start..from);
                    continue;
                }
            }
            _ => {}
        }
        text.push(c);
    }
    text
}
