//! The mix of families and the words: what one of them says, the denoiser is told in both ways, as in training.

use super::extras::FAMILY;
use super::{SliderSpec, each_word, spans, words};
use std::collections::BTreeMap;
use std::ops::Range;

/// Smallest share that is spoken of beside a larger one.
const SPOKEN: f32 = 0.1;
/// Words of a prompt that count; no checkpoint with families hears more.
const HEARD: usize = 64;
/// After one of these come things, as in "three stars", not a family.
const COUNTS: [&str; 6] = ["two", "three", "four", "five", "six", "several"];

/// Whether a text holds this phrase, its words together and in this order.
pub fn holds(text: &[String], phrase: &str) -> bool {
    !places(text, &words(phrase)).is_empty()
}

/// Where in a text a phrase stands.
fn places(text: &[String], phrase: &[String]) -> Vec<usize> {
    let windows = text.windows(phrase.len().max(1)).enumerate();
    windows.filter(|(_, window)| *window == phrase).map(|(i, _)| i).collect()
}

/// Where in a text one of a family's names stands for the family.
fn namings(text: &[String], family: &SliderSpec) -> Vec<Range<usize>> {
    let of = |name: &String| {
        let name = words(name);
        let uncounted = places(text, &name).into_iter().filter(|place| !counted(text, *place));
        uncounted.map(|place| place..place + name.len()).collect::<Vec<_>>()
    };
    family.words.iter().flat_map(of).collect()
}

/// The families that a prompt names by [`SliderSpec::words`], in the order of the sliders.
pub fn named<'a>(sliders: &'a [SliderSpec], prompt: &str) -> Vec<&'a SliderSpec> {
    let text: Vec<String> = each_word(prompt).take(HEARD).collect();
    families(sliders).filter(|family| !namings(&text, family).is_empty()).collect()
}

fn families(sliders: &[SliderSpec]) -> impl Iterator<Item = &SliderSpec> {
    sliders.iter().filter(|s| s.group == FAMILY)
}

/// A prompt without these phrases: the scene without its things. What names a family is kept.
pub fn ground(sliders: &[SliderSpec], things: &[String], prompt: &str) -> String {
    let spans: Vec<Range<usize>> = spans(prompt).take(HEARD).collect();
    let text: Vec<String> = spans.iter().map(|span| prompt[span.clone()].to_lowercase()).collect();
    let mut kept = vec![true; text.len()];
    let mut fixed = vec![false; text.len()];
    families(sliders).flat_map(|family| namings(&text, family)).for_each(|range| fixed[range].fill(true));
    for phrase in things {
        let phrase = words(phrase);
        for place in places(&text, &phrase) {
            let range = place..place + phrase.len();
            if !fixed[range.clone()].contains(&true) {
                kept[range].fill(false);
            }
        }
    }
    let mut ground = String::with_capacity(prompt.len());
    let mut from = 0;
    for (span, _) in spans.iter().zip(kept).filter(|(_, kept)| !kept) {
        ground.push_str(&prompt[from..span.start]);
        from = span.end;
    }
    ground.push_str(&prompt[from..]);
    ground
}

/// Whether a count stands before this place; "two maple leaves" may have a word between.
fn counted(text: &[String], place: usize) -> bool {
    let before = &text[place.saturating_sub(2)..place];
    before.iter().any(|word| COUNTS.contains(&word.as_str()) || word.chars().all(|c| c.is_ascii_digit()))
}

/// What the denoiser is told for a prompt and the sliders that are set: families that only words name get their shares, families that
/// only sliders set are named. Where both speak of families, both are left as they are.
pub fn meant(sliders: &[SliderSpec], prompt: &str, set: &BTreeMap<String, f32>) -> (String, BTreeMap<String, f32>) {
    let named = named(sliders, prompt);
    let share = |s: &SliderSpec| set.get(&s.name).copied().filter(|share| *share > 0.0);
    let mut shares: Vec<(f32, &SliderSpec)> = families(sliders).filter_map(|s| Some((share(s)?, s))).collect();
    let (mut prompt, mut set) = (prompt.to_string(), set.clone());
    if shares.is_empty() {
        set.extend(named.iter().map(|s| (s.name.clone(), s.max)));
    } else if named.is_empty() {
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = SPOKEN * shares.iter().map(|(share, _)| share).sum::<f32>();
        let spoken = shares.iter().take(2).filter(|(share, _)| *share >= least).filter_map(|(_, s)| s.words.first());
        let spoken: Vec<&str> = spoken.map(String::as_str).collect();
        let apart = if spoken.is_empty() || prompt.trim().is_empty() { "" } else { ", " };
        prompt = format!("{}{apart}{prompt}", spoken.join(" and "));
    }
    (prompt, set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliders() -> Vec<SliderSpec> {
        let spec = |name: &str, group: &str, words: &[&str]| SliderSpec {
            words: words.iter().map(|w| w.to_string()).collect(),
            ..SliderSpec::plain(name, group)
        };
        vec![
            spec("warmth", "attribute", &["warm"]),
            spec("family:glass", FAMILY, &["stained glass", "leaded glass"]),
            spec("family:plants", FAMILY, &["leaves", "plants"]),
            spec("family:sky", FAMILY, &["night sky", "stars"]),
        ]
    }

    fn told(prompt: &str, set: &[(&str, f32)]) -> (String, Vec<(String, f32)>) {
        let set = set.iter().map(|(name, share)| (name.to_string(), *share)).collect();
        let (prompt, set) = meant(&sliders(), prompt, &set);
        (prompt, set.into_iter().collect())
    }

    #[test]
    fn words_set_the_mix_and_the_mix_says_words() {
        let one = |name: &str| vec![(name.to_string(), 1.0)];
        let by_word = told("a fox, (Stained  Glass:1.2), warm", &[]);
        assert_eq!(by_word, ("a fox, (Stained  Glass:1.2), warm".into(), one("family:glass")));
        assert_eq!(told("leaves and stars", &[]).1.len(), 2);
        assert_eq!(told("a fox", &[]), ("a fox".into(), Vec::new()));
        assert_eq!(told("a fox", &[("family:sky", 1.0)]), ("night sky, a fox".into(), one("family:sky")));
        assert_eq!(told(" ", &[("family:sky", 1.0)]).0.trim(), "night sky");
        let mixed = [("family:glass", 0.3), ("family:plants", 0.02), ("family:sky", 0.6), ("warmth", 0.5)];
        assert_eq!(told("a fox", &mixed).0, "night sky and stained glass, a fox");
        assert_eq!(told("a fox", &[("family:sky", 1.0), ("family:plants", 0.05)]).0, "night sky, a fox");
        let both = told("plants", &[("family:sky", 0.4)]);
        assert_eq!(both, ("plants".into(), vec![("family:sky".to_string(), 0.4)]), "a person who says both means both");
        assert_eq!(told("plants", &[("family:sky", 0.0)]).1.len(), 2, "a share of nothing sets none");
    }

    #[test]
    fn things_that_are_counted_are_no_family() {
        assert!(named(&sliders(), "three stars on 2 maple leaves").is_empty());
        assert_eq!(named(&sliders(), "three stars on leaves").len(), 1);
        assert_eq!(named(&sliders(), "stars, 3 foxes").len(), 1);
        assert!(named(&sliders(), &format!("{} stars", "a ".repeat(HEARD))).is_empty(), "never heard");
        assert!(named(&sliders(), "").is_empty() && named(&[], "stars").is_empty());
        assert!(!holds(&words("a glass, stained"), "stained glass") && !holds(&[], "a") && !holds(&words("a"), " "));
    }

    #[test]
    fn a_scene_without_its_things() {
        let things: Vec<String> = ["fox", "palm", "palm tree", "star", "stars", "on the left"].map(String::from).into();
        let ground = |prompt: &str| super::ground(&sliders(), &things, prompt);
        assert_eq!(ground("a (Fox:1.3) on leaves, on the left"), "a (:1.3) on leaves,   ");
        assert_eq!(ground("palm  trees and a palm tree"), "  trees and a  ");
        assert_eq!(ground("stars"), "stars", "a night sky");
        assert_eq!(ground("three stars on leaves"), "three  on leaves");
        assert_eq!((ground("foxes, ÖDE — leaves"), ground("")), ("foxes, ÖDE — leaves".into(), String::new()));
        assert_eq!(super::ground(&[], &[], "a fox"), "a fox");
        let unheard = format!("{}fox", "a ".repeat(HEARD));
        assert_eq!(ground(&unheard), unheard, "never heard");
    }
}
