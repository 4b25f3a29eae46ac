//! The painter as a whole: repeatable, at any size, and with captions that only use its vocabulary.

use super::captions::{caption, vocabulary};
use super::objects::OBJECTS;
use super::palettes::PaletteChoice;
use super::rng::Rng;
use super::{Painter, families::Family, measure, measure::palette_distance};
use std::collections::HashSet;
use std::path::PathBuf;

/// The object pictures, where they lie beside the checkout.
fn objects() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/noto-emoji");
    if !folder.is_dir() {
        println!("skipped: no object pictures at {}", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn same_seed_same_picture_at_any_size() {
    let painter = Painter::new(objects().as_deref()).unwrap();
    for seed in 0..12 {
        let (a, b) = (painter.paint(seed, 64), painter.paint(seed, 64));
        assert_eq!((a.rgb, &a.caption), (b.rgb, &b.caption));
        assert_eq!(painter.paint(seed, 97).scene.palette, a.scene.palette);
    }
    assert_ne!(painter.paint(1, 64).rgb, painter.paint(2, 64).rgb);
    let shares: f32 = painter.paint(3, 64).scene.family_weights().iter().sum();
    assert!((shares - 1.0).abs() < 1e-5);
}

#[test]
fn captions_use_only_the_vocabulary_and_all_of_the_names() {
    let painter = Painter::new(objects().as_deref()).unwrap();
    let known: HashSet<String> = vocabulary().into_iter().collect();
    assert!((300..900).contains(&known.len()), "{} words", known.len());
    let mut said = HashSet::new();
    let mut rng = Rng::new(5);
    for seed in 0..300 {
        let scene = painter.paint(seed, 64).scene;
        for _ in 0..20 {
            let text = caption(&scene, &mut rng);
            let words: Vec<String> = text
                .split(|c: char| c == ',' || c.is_whitespace())
                .filter(|w| !w.is_empty())
                .map(str::to_string)
                .collect();
            assert!((1..=34).contains(&words.len()), "{text:?}");
            for word in words {
                assert!(known.contains(&word), "{word:?} in {text:?} is not in the vocabulary");
                said.insert(word);
            }
        }
    }
    for palette in PaletteChoice::all_plain() {
        let word = palette.name().split(' ').next().unwrap().to_string();
        assert!(said.contains(&word), "no caption says {word}");
    }
    if objects().is_some() {
        let core = OBJECTS.iter().take(super::objects::CORE);
        let missing: Vec<_> = core.filter(|o| !said.contains(o.names[0].split(' ').next().unwrap())).collect();
        assert!(missing.len() < 6, "{} core objects never said", missing.len());
    }
}

#[test]
fn plain_pictures_have_the_colours_that_they_are_asked_for() {
    let painter = Painter::new(None).unwrap();
    let palettes = PaletteChoice::all_plain();
    let mut nearer = 0;
    let mut count = 0;
    for (i, palette) in palettes.iter().enumerate() {
        let other = &palettes[(i + 7) % palettes.len()];
        let family = Family::ALL[i % 16];
        let sample = painter.plain(i as u64, 64, family, palette.clone());
        let own = palette_distance(&sample.rgb, 64, 64, &palette.colours());
        let theirs = palette_distance(&sample.rgb, 64, 64, &other.colours());
        nearer += usize::from(own < theirs);
        count += 1;
        assert_eq!(sample.scene.measured, measure(&sample.rgb, 64, 64));
    }
    assert!(nearer * 10 >= count * 9, "{nearer} of {count}");
}
