//! Proof of the prompt language: the field's own examples, and any text at all.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use kiln::model::tokenizer::{Tokenizer, write};
use kiln::pipeline::prompt::{MOST_CHUNKS, Span, choose, chunks, combinations, parse};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn spans(prompt: &str) -> Vec<(String, f32)> {
    let parts = parse(prompt);
    assert_eq!(parts.len(), 1);
    parts.into_iter().flatten().map(|s| (s.text, (s.weight * 1e4).round() / 1e4)).collect()
}

fn expect(prompt: &str, wanted: &[(&str, f32)]) {
    let wanted: Vec<_> = wanted.iter().map(|(text, weight)| (text.to_string(), *weight)).collect();
    assert_eq!(spans(prompt), wanted, "{prompt}");
}

/// The examples in the documentation of AUTOMATIC1111's parser.
#[test]
fn the_fields_own_examples() {
    expect("normal text", &[("normal text", 1.0)]);
    expect("an (important) word", &[("an ", 1.0), ("important", 1.1), (" word", 1.0)]);
    expect("(unbalanced", &[("unbalanced", 1.1)]);
    expect(r"\(literal\]", &[("(literal]", 1.0)]);
    expect("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]);
    expect(
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        &[
            ("a ", 1.0),
            ("house", 1.573),
            (" ", 1.1),
            ("on", 1.0),
            (" a ", 1.1),
            ("hill", 0.55),
            (", sun, ", 1.1),
            ("sky", 1.4641),
            (".", 1.1),
        ],
    );
    expect("a smile :) and 3:4 [x", &[("a smile :) and 3:4 ", 1.0), ("x", 0.9091)]);
    expect("(fox: -0.5 )(x:1.2.3)", &[("fox", -0.5), ("x:1.2.3", 1.1)]);
    let parts = parse("a (b BREAK c) BREAKFAST");
    let texts: Vec<Vec<(&str, f32)>> =
        parts.iter().map(|p| p.iter().map(|s| (s.text.as_str(), s.weight)).collect()).collect();
    assert_eq!(texts, [vec![("a ", 1.0), ("b ", 1.1)], vec![(" c", 1.1), (" BREAKFAST", 1.0)]]);
}

#[test]
fn choices_follow_the_seed() {
    let seen: BTreeSet<String> = (0..50).map(|s| choose("a {red|{blue|green}} fox {x}", s)).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a blue fox {x}", "a green fox {x}", "a red fox {x}"]);
    assert_eq!(choose("{a|b} {a|b} {a|b}", 7), choose("{a|b} {a|b} {a|b}", 7));
    assert_eq!(choose("{a {x}|b} | {c {d|e} }|{f|}", 1), "b | {c e }|");
    assert_eq!((combinations("a {red|{blue|green}} fox {x}"), combinations("a | b {c}"), combinations("")), (4, 1, 1));
}

#[test]
fn seeds_in_a_row_show_every_combination_once_and_every_word_evenly() {
    let forty = "{fox|owl|cat|boat} on {waves|glass|mosaic|hills|leaves}, {calm|playful}";
    let shown: Vec<String> = (4_245_206_767..).take(40).map(|seed| choose(forty, seed)).collect();
    assert_eq!(combinations(forty), 40);
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), 40, "{shown:?}");
    for (words, few) in [(["fox", "owl", "cat", "boat"].as_slice(), 4), (&["waves", "glass", "mosaic"], 10)] {
        let told = |word: &str| shown[..few].iter().any(|prompt| prompt.contains(word));
        assert!(words.iter().all(|word| told(word)), "{:?}", &shown[..few]);
    }
    // Words that come last change from picture to picture, too.
    let long = format!("{{{}}}", (0..20).map(|i| format!("w{i}")).collect::<Vec<_>>().join("|")).repeat(3);
    let last = |seed| choose(&long, seed).rsplit('w').next().unwrap_or_default().to_string();
    assert_eq!((0..20).map(last).collect::<BTreeSet<_>>().len(), 20);
}

fn tokenizer() -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    write(&["a", "fox", "in", "blue"], 10, folder.path()).unwrap();
    Tokenizer::open(folder.path(), 77).unwrap()
}

#[test]
fn plain_prompts_stay_as_they_were_and_long_ones_become_chunks() {
    let tokenizer = tokenizer();
    for prompt in ["", "a fox in blue", &"fox ".repeat(30)] {
        let plain = tokenizer.encode(prompt);
        let (one, cut) = chunks(&tokenizer, prompt, true);
        assert_eq!((one.len(), &one[0].ids, cut), (1, &plain.ids, plain.cut));
        assert!(one[0].weights.iter().all(|w| *w == 1.0));
    }
    let (many, cut) = chunks(&tokenizer, &"fox ".repeat(17), false);
    assert_eq!((many.len(), cut), (3, 0));
    assert_eq!(many[2].ids, tokenizer.encode("fox").ids);
    let (many, cut) = chunks(&tokenizer, "a BREAK (fox:1.5) in", false);
    assert_eq!((many.len(), cut), (2, 0));
    assert_eq!(many[1].weights[..4], [1.0, 1.5, 1.0, 1.0]);
    let (many, cut) = chunks(&tokenizer, &"fox ".repeat(1000), false);
    assert_eq!((many.len(), cut), (MOST_CHUNKS, 1000 - 8 * MOST_CHUNKS));
}

proptest! {
    #[test]
    fn any_text_is_taken(prompt in r"(\PC|[()\[\]\\:{}|]|BREAK|fox |1\.2){0,60}", seed: u64) {
        let parts = parse(&prompt);
        prop_assert!(!parts.is_empty());
        prop_assert!(parts.iter().flatten().all(|s| s.weight.is_finite() && !s.text.is_empty()));
        let length: usize = parts.iter().flatten().map(|s| s.text.len()).sum();
        prop_assert!(length <= prompt.len());
        prop_assert!(choose(&prompt, seed).len() <= prompt.len());
        let tokenizer = tokenizer();
        for one_chunk in [true, false] {
            let (made, _) = chunks(&tokenizer, &prompt, one_chunk);
            prop_assert!(!made.is_empty() && made.len() <= MOST_CHUNKS);
            prop_assert!(made.iter().all(|c| c.ids.len() == 10 && c.weights.len() == 10));
        }
    }

    #[test]
    fn text_without_marks_is_one_plain_span(prompt in "[a-z ,.]{1,40}") {
        prop_assert_eq!(parse(&prompt), vec![vec![Span { text: prompt.clone(), weight: 1.0 }]]);
    }
}
