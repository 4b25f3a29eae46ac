//! Captions for pictures that came without one, drafted from the words that a checkpoint was trained on.

use crate::Result;
use crate::corpus::Painter;
use crate::corpus::captions::EXTREMES;
use crate::corpus::families::Family;
use crate::corpus::measure;
use crate::corpus::palettes::PaletteChoice;
use crate::corpus::rng::Rng;
use crate::insight::classifier::Classifier;
use crate::insight::evaluate::colours::nearest;
use crate::insight::evaluate::reference::family_phrase;
use crate::insight::features::features;
use crate::insight::statistics::Scale;
use crate::pipeline::ModelInfo;
use rayon::prelude::*;

/// Examples of each family from which families are learnt.
const LESSONS: usize = 16;
/// Their side, pixels: what features are measured at.
const SIDE: usize = 128;
/// A palette farther from a picture than this is not named: its words would be untrue.
const NEAR: f32 = 0.05;
/// Attributes nearer to the middle than this, of 0..=1, are not named.
const EXTREME: f32 = 0.12;

/// Writes captions in a checkpoint's own words.
pub struct Drafter<'a> {
    classifier: Classifier,
    scale: Scale,
    info: &'a ModelInfo,
}

impl<'a> Drafter<'a> {
    /// Learns the families from the painter, within seconds; `None` for a checkpoint that does not speak the corpus' words.
    ///
    /// # Errors
    /// When the painter cannot begin.
    pub fn new(info: &'a ModelInfo) -> Result<Option<Self>> {
        if info.vocabulary.is_empty() || !Family::ALL.iter().all(|f| info.knows(&family_phrase(*f))) {
            return Ok(None);
        }
        let painter = Painter::new(None)?;
        let paint = |(i, family): (usize, Family)| {
            let seed = (1 << 61) + i as u64 * 16 + family.index() as u64;
            let palette = PaletteChoice::draw(&mut Rng::new(seed));
            features(SIDE as u32, SIDE as u32, &painter.plain(seed, SIDE, family, palette).rgb)
        };
        let classes: Vec<Vec<Vec<f32>>> = Family::ALL
            .iter()
            .map(|family| (0..LESSONS).into_par_iter().map(|i| paint((i, *family))).collect())
            .collect();
        let all: Vec<Vec<f32>> = classes.iter().flatten().cloned().collect();
        let scale = Scale::of(&all);
        let scaled: Vec<Vec<Vec<f32>>> =
            classes.iter().map(|class| class.iter().map(|f| scale.apply(f)).collect()).collect();
        Ok(Some(Self { classifier: Classifier::learn(&scaled), scale, info }))
    }

    /// A caption of an RGB8 picture: its family, its colours where a name fits them, and what it has much or little of.
    pub fn draft(&self, rgb: &[u8], width: u32, height: u32) -> String {
        let class = self.classifier.classify(&self.scale.apply(&features(width, height, rgb)));
        let mut parts = vec![Family::ALL.get(class).map(|f| family_phrase(*f)).unwrap_or_default()];
        let (w, h) = (width as usize, height as usize);
        if let Some((palette, _)) = nearest(rgb, w, h).filter(|(_, off)| *off < NEAR) {
            parts[0] = format!("{} {}", palette.name(), parts[0]);
        }
        for (value, words) in measure(rgb, w, h).values().iter().zip(EXTREMES) {
            let end = match value {
                v if *v < EXTREME => words[0],
                v if *v > 1.0 - EXTREME => words[1],
                _ => continue,
            };
            parts.extend(end.first().map(|word| word.to_string()));
        }
        parts.retain(|part| self.info.knows(part));
        parts.truncate(4);
        parts.join(", ")
    }
}
