//! The CLIP tokenizer (byte-level BPE, Sennrich et al. 2016), and the writer of small vocabularies for it.

use super::config::read_json;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
const WORD_END: &str = "</w>";

/// A prompt as token numbers, always `length` of them: start, words, end, padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The numbers.
    pub ids: Vec<u32>,
    /// How many tokens of the prompt did not fit.
    pub cut: usize,
}

/// Tokens that CLIP's text encoders know.
pub const CLIP_TOKENS: usize = 49408;

/// How a word becomes tokens.
enum Words {
    /// By a vocabulary that was read.
    Read { vocabulary: HashMap<String, u32>, ranks: HashMap<(String, String), usize>, bytes: Box<[char; 256]> },
    /// By CLIP's own, which every one-file checkpoint means and none holds.
    Clip(&'static instant_clip_tokenizer::Tokenizer),
}

/// A word that was learnt besides, in lower case, and its numbers.
pub type Added = (String, Vec<u32>);

/// The tokenizer of one checkpoint. A clone shares the vocabulary.
#[derive(Clone)]
pub struct Tokenizer {
    words: Arc<Words>,
    added: Vec<Added>,
    start: u32,
    end: u32,
    pad: u32,
    length: usize,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
    pad_token: Option<serde_json::Value>,
}

/// GPT-2's printable stand-ins for bytes.
fn byte_characters() -> [char; 256] {
    let mut next = 256u32;
    let mut table = ['\0'; 256];
    for byte in 0..=255u8 {
        let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        table[byte as usize] = if printable {
            char::from(byte)
        } else {
            let c = char::from_u32(next).unwrap_or('?');
            next += 1;
            c
        };
    }
    table
}

impl Tokenizer {
    /// Whether a folder holds a tokenizer.
    pub fn is_in(folder: &Path) -> bool {
        folder.join("vocab.json").is_file() || folder.join("tokenizer.json").is_file()
    }

    /// Reads a diffusers `tokenizer/` folder: `vocab.json` and `merges.txt`, or the newer `tokenizer.json`, and
    /// `tokenizer_config.json`. `longest` is what the text encoder takes.
    ///
    /// # Errors
    /// When a file is missing, or it is not a CLIP vocabulary.
    pub fn open(folder: &Path, longest: usize) -> Result<Self> {
        let (vocabulary, merges) = read_vocabulary(folder)?;
        let mut ranks = HashMap::new();
        for pair in merges {
            let rank = ranks.len();
            ranks.entry(pair).or_insert(rank);
        }
        let config_path = folder.join("tokenizer_config.json");
        let config: TokenizerConfig =
            if config_path.is_file() { read_json(&config_path)? } else { TokenizerConfig::default() };
        let special = |name: &str| {
            vocabulary.get(name).copied().ok_or_else(|| {
                Error::failed(format!("{} lacks {name}; it is not a CLIP vocabulary.", folder.display()))
            })
        };
        let (start, end) = (special(START)?, special(END)?);
        let pad = match &config.pad_token {
            Some(serde_json::Value::String(name)) => vocabulary.get(name).copied(),
            Some(value) => value.get("content").and_then(|v| v.as_str()).and_then(|name| vocabulary.get(name).copied()),
            None => None,
        };
        let wanted = config.model_max_length.filter(|l| *l >= 2.0).map_or(longest, |l| (l as usize).min(longest));
        let words = Arc::new(Words::Read { vocabulary, ranks, bytes: Box::new(byte_characters()) });
        Ok(Self { words, added: Vec::new(), start, end, pad: pad.unwrap_or(end), length: wanted })
    }

    /// CLIP's own tokenizer, for a text encoder that takes `longest` tokens; padded with the end.
    pub fn clip(longest: usize) -> Self {
        static CLIP: LazyLock<instant_clip_tokenizer::Tokenizer> =
            LazyLock::new(instant_clip_tokenizer::Tokenizer::new);
        let (start, end) = (u32::from(CLIP.start_of_text().to_u16()), u32::from(CLIP.end_of_text().to_u16()));
        Self { words: Arc::new(Words::Clip(&CLIP)), added: Vec::new(), start, end, pad: end, length: longest }
    }

    /// The same tokenizer, padding with token 0 as OpenCLIP does, or with its end as CLIP does.
    pub fn padded_with_zero(mut self, zero: bool) -> Self {
        self.pad = if zero { 0 } else { self.end };
        self
    }

    /// The same tokenizer, for which each of these words, wherever it stands by itself and whatever its case, is its numbers.
    pub fn with_added(mut self, added: Vec<(String, Vec<u32>)>) -> Self {
        let lower = |word: &str| word.chars().flat_map(char::to_lowercase).collect();
        self.added.extend(added.into_iter().map(|(word, ids)| (lower(&word), ids)));
        self
    }

    /// The number of a word that is one token.
    pub fn single(&self, word: &str) -> Option<u32> {
        match self.words(word, 2).0.as_slice() {
            [one] if *one != self.end => Some(*one),
            _ => None,
        }
    }

    /// Tokens in every result of [`Tokenizer::encode`].
    pub fn length(&self) -> usize {
        self.length
    }

    /// A prompt, framed, cut and padded to [`Tokenizer::length`].
    pub fn encode(&self, prompt: &str) -> Tokens {
        let (words, cut) = self.words(prompt, self.length.saturating_sub(2));
        Tokens { ids: self.frame(words), cut }
    }

    /// The numbers of a text without frame, at most `room`, and how many did not fit. Once there is no room left, words
    /// count as one each: a text of any length costs no more than what fits.
    pub fn words(&self, text: &str, room: usize) -> (Vec<u32>, usize) {
        let (mut words, mut cut) = (Vec::new(), 0);
        let mut plain = |text: &str, words: &mut Vec<u32>| {
            for word in split(text) {
                if words.len() >= room {
                    cut += 1;
                    continue;
                }
                words.extend(self.word(&word));
            }
        };
        if self.added.is_empty() {
            plain(text, &mut words);
        } else {
            let lower: String = text.chars().flat_map(char::to_lowercase).collect();
            let mut from = 0;
            while let Some((at, (word, ids))) = first_added(&self.added, &lower, from) {
                plain(&lower[from..at], &mut words);
                words.extend(ids);
                from = at + word.len();
            }
            plain(&lower[from..], &mut words);
        }
        cut += words.len().saturating_sub(room);
        words.truncate(room);
        (words, cut)
    }

    /// Begin, the given numbers (at most [`Tokenizer::length`] - 2), end, padding.
    pub fn frame(&self, mut words: Vec<u32>) -> Vec<u32> {
        let mut ids = vec![self.start];
        ids.append(&mut words);
        ids.push(self.end);
        ids.resize(self.length, self.pad);
        ids
    }

    /// The numbers of one word, before framing.
    fn word(&self, word: &str) -> Vec<u32> {
        match self.words.as_ref() {
            Words::Clip(clip) => {
                let mut tokens = Vec::new();
                clip.encode(word, &mut tokens);
                tokens.into_iter().map(|token| u32::from(token.to_u16())).collect()
            }
            Words::Read { vocabulary, ranks, bytes } => {
                let mut parts: Vec<String> = word.bytes().map(|b| bytes[b as usize].to_string()).collect();
                if let Some(last) = parts.last_mut() {
                    last.push_str(WORD_END);
                }
                merge(&mut parts, |a, b| ranks.get(&(a.to_string(), b.to_string())).copied());
                parts.iter().map(|p| vocabulary.get(p).copied().unwrap_or(self.end)).collect()
            }
        }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("length", &self.length).field("end", &self.end).finish_non_exhaustive()
    }
}

/// The first of the added words that stands by itself in `text` from byte `from` on, and where it begins; the longest of several
/// that begin there.
fn first_added<'a>(added: &'a [Added], text: &str, from: usize) -> Option<(usize, &'a Added)> {
    let found = added.iter().filter_map(|entry| Some((by_itself(text, &entry.0, from).next()?, entry)));
    found.min_by_key(|(at, (word, _))| (*at, std::cmp::Reverse(word.len())))
}

/// Where `word` stands by itself in `text` from byte `from` on, both in lower case.
fn by_itself<'a>(text: &'a str, word: &'a str, from: usize) -> impl Iterator<Item = usize> + 'a {
    let inside = |own: Option<char>, beside: Option<char>| {
        own.is_some_and(char::is_alphanumeric) && beside.is_some_and(char::is_alphanumeric)
    };
    let alone = move |at: &usize| {
        let end = at + word.len();
        !word.is_empty()
            && !inside(word.chars().next(), text[..*at].chars().next_back())
            && !inside(word.chars().next_back(), text[end..].chars().next())
    };
    text[from..].match_indices(word).map(move |(i, _)| i + from).filter(alone)
}

/// Whether a learnt word is heard in a text: it stands there by itself, in whatever case.
pub fn names(text: &str, word: &str) -> bool {
    by_itself(&text.to_lowercase(), &word.to_lowercase(), 0).next().is_some()
}

/// A text as long, with spaces in the place of every learnt word that is heard in it.
pub fn without(text: &str, words: &[String]) -> String {
    let mut left = text.to_string();
    for word in words.iter().map(|word| word.to_lowercase()) {
        let lower = left.to_lowercase();
        // A few letters have another length in lower case; there nothing is taken out.
        let whole = |at: &usize| left.is_char_boundary(*at) && left.is_char_boundary(at + word.len());
        let found: Vec<usize> =
            by_itself(&lower, &word, 0).filter(|at| lower.len() == left.len() && whole(at)).collect();
        found.into_iter().for_each(|at| left.replace_range(at..at + word.len(), &" ".repeat(word.len())));
    }
    left
}

/// Tokens and their numbers.
type Vocabulary = HashMap<String, u32>;

/// Tokens with their numbers, and pairs of them in the order in which they merge.
fn read_vocabulary(folder: &Path) -> Result<(Vocabulary, Vec<(String, String)>)> {
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string()));
    let one = folder.join("tokenizer.json");
    if folder.join("vocab.json").is_file() || !one.is_file() {
        let vocabulary = read_json(&folder.join("vocab.json"))?;
        let path = folder.join("merges.txt");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        return Ok((vocabulary, text.lines().filter(|l| !l.starts_with("#version")).filter_map(pair).collect()));
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Line(String),
        Pair(String, String),
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: Vocabulary,
        merges: Vec<Merge>,
    }
    #[derive(Deserialize)]
    struct File {
        model: Model,
    }
    let File { model } = read_json(&one)?;
    let merges = model.merges.into_iter().filter_map(|merge| match merge {
        Merge::Line(line) => pair(&line),
        Merge::Pair(a, b) => Some((a, b)),
    });
    Ok((model.vocab, merges.collect()))
}

/// Joins neighbours, the lowest rank first, until no pair has one.
fn merge(parts: &mut Vec<String>, rank: impl Fn(&str, &str) -> Option<usize>) {
    loop {
        let best = parts.windows(2).filter_map(|w| Some((rank(&w[0], &w[1])?, w[0].clone(), w[1].clone()))).min();
        let Some((_, a, b)) = best else { return };
        let mut joined = Vec::with_capacity(parts.len());
        let mut i = 0;
        while i < parts.len() {
            if i + 1 < parts.len() && parts[i] == a && parts[i + 1] == b {
                joined.push(format!("{a}{b}"));
                i += 2;
            } else {
                joined.push(std::mem::take(&mut parts[i]));
                i += 1;
            }
        }
        *parts = joined;
    }
}

/// Words of a prompt as CLIP's pattern cuts them: contractions, runs of letters, single digits, runs of other marks; all in
/// lower case. Very long runs are cut at 200 characters, so that no prompt is slow.
pub fn split(prompt: &str) -> Vec<String> {
    const LONGEST: usize = 200;
    let text: Vec<char> = prompt.chars().flat_map(char::to_lowercase).collect();
    let mut words = Vec::new();
    let mut i = 0;
    while i < text.len() {
        let c = text[i];
        if c.is_whitespace() {
            i += 1;
            continue;
        }
        let contraction = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]
            .iter()
            .find(|s| c == '\'' && s.chars().enumerate().all(|(k, x)| text.get(i + k) == Some(&x)));
        let start = i;
        if let Some(s) = contraction {
            i += s.len();
        } else if c.is_alphabetic() {
            while i < text.len() && text[i].is_alphabetic() && i - start < LONGEST {
                i += 1;
            }
        } else if c.is_numeric() {
            i += 1;
        } else {
            while i < text.len()
                && !text[i].is_whitespace()
                && !text[i].is_alphabetic()
                && !text[i].is_numeric()
                && i - start < LONGEST
            {
                i += 1;
            }
        }
        words.push(text[start..i].iter().collect());
    }
    words
}

/// A word of a prompt that the model never saw in training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// Where it stands in the prompt, in bytes.
    pub range: std::ops::Range<usize>,
    /// The word, in lower case.
    pub word: String,
    /// Up to three known words, the nearest first.
    pub nearest: Vec<String>,
}

/// The words of `prompt` that are not in the sorted `vocabulary`, with the nearest that are. An empty vocabulary knows all.
pub fn unknown_words(prompt: &str, vocabulary: &[String]) -> Vec<UnknownWord> {
    if vocabulary.is_empty() {
        return Vec::new();
    }
    let mut unknown = Vec::new();
    let mut start = None;
    let ends = prompt.char_indices().map(|(i, c)| (i, Some(c))).chain([(prompt.len(), None)]);
    for (i, c) in ends {
        match (c.is_some_and(char::is_alphabetic), start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                let word = prompt[from..i].to_lowercase();
                if vocabulary.binary_search(&word).is_err() {
                    let nearest = nearest(&word, vocabulary);
                    unknown.push(UnknownWord { range: from..i, word, nearest });
                }
                start = None;
            }
            _ => {}
        }
    }
    unknown
}

/// Up to three words of `vocabulary` that are spelt most like `word`.
fn nearest(word: &str, vocabulary: &[String]) -> Vec<String> {
    let word: String = word.chars().take(40).collect();
    let mut scored: Vec<(f64, &String)> =
        vocabulary.iter().map(|known| (strsim::jaro_winkler(&word, known), known)).filter(|(s, _)| *s > 0.7).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, w)| w.clone()).collect()
}

/// Writes a `tokenizer/` folder in which every one of `words` (lower-case letters) is one token; transformers'
/// `CLIPTokenizer` opens it. Returns the number of tokens.
pub fn write(words: &[&str], length: usize, folder: &Path) -> Result<usize> {
    let table = byte_characters();
    let mut vocabulary: Vec<String> = table.iter().map(|c| c.to_string()).collect();
    vocabulary.sort_by_key(|c| c.chars().next().map(u32::from));
    let ended: Vec<String> = vocabulary.iter().map(|c| format!("{c}{WORD_END}")).collect();
    vocabulary.extend(ended);

    let mut spelled: Vec<Vec<String>> = words
        .iter()
        .map(|word| {
            let mut parts: Vec<String> = word.bytes().map(|b| table[b as usize].to_string()).collect();
            if let Some(last) = parts.last_mut() {
                last.push_str(WORD_END);
            }
            parts
        })
        .collect();
    let mut merges: Vec<(String, String)> = Vec::new();
    loop {
        let mut counts: HashMap<(String, String), usize> = HashMap::new();
        for pair in spelled.iter().flat_map(|w| w.windows(2)) {
            *counts.entry((pair[0].clone(), pair[1].clone())).or_default() += 1;
        }
        // Ties go to the alphabet, so that the same words always make the same vocabulary.
        let Some((best, _)) = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0))) else {
            break;
        };
        for word in &mut spelled {
            merge(word, |a, b| (a == best.0 && b == best.1).then_some(0));
        }
        vocabulary.push(format!("{}{}", best.0, best.1));
        merges.push(best);
    }
    vocabulary.push(START.into());
    vocabulary.push(END.into());

    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| Error::io("write", &path, e))
    };
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    let entries: Vec<String> =
        vocabulary.iter().enumerate().map(|(i, t)| format!("{}: {i}", serde_json::Value::from(t.as_str()))).collect();
    put("vocab.json", format!("{{\n{}\n}}\n", entries.join(",\n")))?;
    let lines: Vec<String> = merges.iter().map(|(a, b)| format!("{a} {b}")).collect();
    put("merges.txt", format!("#version: 0.2\n{}\n", lines.join("\n")))?;
    let config = serde_json::json!({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": true,
        "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END, "errors": "replace",
    });
    put("tokenizer_config.json", format!("{config:#}\n"))?;
    let special = serde_json::json!({"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END});
    put("special_tokens_map.json", format!("{special:#}\n"))?;
    Ok(vocabulary.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 8] = ["a", "fox", "foxes", "mountain", "mountains", "in", "misty", "blue"];

    #[test]
    fn every_listed_word_is_one_token_and_long_prompts_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let size = write(&WORDS, 10, folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path(), 77).unwrap();
        let tokens = tokenizer.encode("A FOX in misty   mountains");
        assert_eq!(tokens.ids.len(), 10);
        assert_eq!(tokens.ids[0] as usize, size - 2);
        assert!(tokens.ids[6..].iter().all(|t| *t as usize == size - 1), "{tokens:?}");
        assert_eq!(tokens.cut, 0);
        let long = tokenizer.encode(&"fox ".repeat(10_000));
        assert_eq!((long.ids.len(), long.cut), (10, 9_992));
        assert!(tokenizer.encode("🦊 zebra").ids.len() == 10);
    }

    #[test]
    fn a_text_names_words_that_stand_by_themselves_and_loses_them_letter_for_letter() {
        assert!(names("A <Ink> fox", "<ink>") && names("<ink>", "<INK>") && names("ink, please", "ink"));
        assert!(!names("drinking", "ink") && !names("a fox", "") && !names("", "ink"));
        let words = ["<ink>".to_string(), "fox".into()];
        assert_eq!(without("a <Ink>, foxes and a fox", &words), "a      , foxes and a    ");
        assert_eq!(without("ein İ <ink>", &words), "ein İ <ink>", "a letter that is longer in lower case");
        assert_eq!(without("Größe <ink>", &words), "Größe      ");
    }

    #[test]
    fn added_words_are_found_where_they_stand_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        write(&WORDS, 12, folder.path()).unwrap();
        let plain = Tokenizer::open(folder.path(), 77).unwrap();
        let added = vec![("<Ink>".into(), vec![900]), ("fox-ink".into(), vec![901, 902]), ("<ink>s".into(), vec![903])];
        let tokenizer = plain.clone().with_added(added);
        let of = |prompt: &str| tokenizer.words(prompt, 10);
        let [a, fox, blue] = ["a", "fox", "blue"].map(|word| plain.single(word).unwrap());
        assert_eq!(of("a <INK> fox"), (vec![a, 900, fox], 0));
        assert_eq!(of("a<ink>fox,<ink>s").0[..4], [a, 900, fox, plain.words(",", 9).0[0]]);
        assert_eq!(of("<ink>s"), (vec![903], 0), "the longest that begins there");
        assert_eq!(of("blue Fox-Ink blue"), (vec![blue, 901, 902, blue], 0));
        assert_eq!(of("foxfox-ink").0, plain.words("foxfox-ink", 10).0, "inside a word it is none");
        assert_eq!(of("misty mountains"), plain.words("misty mountains", 10));
        assert_eq!(tokenizer.words("blue fox-ink fox", 2), (vec![blue, 901], 2));
        assert_eq!((plain.single("foxx"), plain.single("a fox"), plain.single("")), (None, None, None));
    }

    #[test]
    fn unknown_words_are_found_with_neighbours() {
        let mut vocabulary: Vec<String> = WORDS.iter().map(|w| w.to_string()).collect();
        vocabulary.sort();
        let found = unknown_words("a blu fox, mountin!", &vocabulary);
        let names: Vec<&str> = found.iter().map(|u| u.word.as_str()).collect();
        assert_eq!(names, ["blu", "mountin"]);
        assert_eq!(found[0].range, 2..5);
        assert_eq!((found[0].nearest[0].as_str(), found[1].nearest[0].as_str()), ("blue", "mountain"));
        assert!(unknown_words("anything", &[]).is_empty());
    }
}
