//! What the painter shows of the corpus: two halves, a classifier of families, and how well both words can be read.

use super::colours::rank;
use super::desk::{Desk, Order, features_of_sample};
use super::plan::Plan;
use crate::Result;
use crate::corpus::families::Family;
use crate::corpus::palettes::PaletteChoice;
use crate::corpus::rng::Rng;
use crate::insight::classifier::Classifier;
use crate::insight::statistics::Scale;

/// The corpus, as far as it is needed to judge.
pub struct Reference {
    /// Captions of the first half and the scaled features of its pictures.
    pub first: Vec<(String, Vec<f32>)>,
    /// Scaled features of the second half.
    pub second: Vec<Vec<f32>>,
    /// Scales features so that each varies by 1 over the second half.
    pub scale: Scale,
    /// 5th and 95th percentile of each attribute over the second half, in slider order.
    pub ranges: [(f32, f32); 5],
    /// Names the family of scaled features.
    pub classifier: Classifier,
    /// Share of fresh corpus pictures that it names rightly, 0..=1.
    pub recognised: f64,
    /// Mean rank of the true palette of fresh corpus pictures, from 1.
    pub palette_rank: f64,
    /// Share of them whose true palette is among the first three, 0..=1.
    pub palette_top3: f64,
}

impl Reference {
    /// Has the painter paint it.
    pub fn paint(desk: &mut Desk, plan: &Plan) -> Result<Self> {
        desk.start("corpus")?;
        let size = desk.size();
        let scenes =
            |purpose: &str, n: usize| -> Vec<Order> { (0..n).map(|i| Order::Scene(desk.seed(purpose, i))).collect() };
        let (first, second) = (scenes("first half", plan.natural), scenes("second half", plan.reference));
        let first = desk.paint(&first, |s| (s.caption.clone(), features_of_sample(s, size)))?;
        let second = desk.paint(&second, |s| (s.scene.measured.values(), features_of_sample(s, size)))?;
        let (values, second): (Vec<[f32; 5]>, Vec<Vec<f32>>) = second.into_iter().unzip();
        let scale = Scale::of(&second);

        let mut classes = Vec::new();
        for family in Family::ALL {
            let orders: Vec<Order> = (0..plan.lessons)
                .map(|i| {
                    let seed = desk.seed(family.name(), i);
                    Order::Plain(seed, family, PaletteChoice::draw(&mut Rng::new(seed)))
                })
                .collect();
            classes.push(desk.paint(&orders, |s| scale.apply(&features_of_sample(s, size)))?);
        }
        let classifier = Classifier::learn(&classes);

        let asked: Vec<(Family, PaletteChoice)> = (0..plan.ceiling).map(pair).collect();
        let fresh: Vec<Order> = asked
            .iter()
            .enumerate()
            .map(|(i, (family, palette))| Order::Plain(desk.seed("ceiling", i), *family, palette.clone()))
            .collect();
        let judged = desk.paint(&fresh, |s| {
            let named = classifier.classify(&scale.apply(&features_of_sample(s, size)));
            (named == s.scene.families[0].0.index(), rank(&s.rgb, size, size, &s.scene.palette))
        })?;
        let n = judged.len().max(1) as f64;
        Ok(Self {
            first: first.into_iter().map(|(caption, f)| (caption, scale.apply(&f))).collect(),
            second: second.iter().map(|f| scale.apply(f)).collect(),
            ranges: std::array::from_fn(|k| percentiles(values.iter().map(|v| v[k]).collect())),
            recognised: judged.iter().filter(|(right, _)| *right).count() as f64 / n,
            palette_rank: judged.iter().map(|(_, rank)| *rank as f64).sum::<f64>() / n,
            palette_top3: judged.iter().filter(|(_, rank)| *rank <= 3).count() as f64 / n,
            scale,
            classifier,
        })
    }
}

/// Family and palette of the i-th prompt of two words: all families and all palettes in turn, in changing pairs.
pub fn pair(i: usize) -> (Family, PaletteChoice) {
    let palettes = PaletteChoice::all_plain();
    let palette = palettes[(i * 11 + i / palettes.len()) % palettes.len()].clone();
    (Family::ALL[(i * 5 + i / 16) % 16], palette)
}

/// A prompt of two words, as the captions of the corpus say it.
pub fn prompt(family: Family, palette: &PaletteChoice) -> String {
    format!("{} {}", palette.name(), family_phrase(family))
}

/// What the captions call a family most plainly.
pub fn family_phrase(family: Family) -> String {
    match family {
        Family::Topographic => "topographic lines".into(),
        Family::Botanical => "botanical pattern".into(),
        Family::CirclePacking => "packed circles".into(),
        other => other.name().replace('_', " "),
    }
}

fn percentiles(mut values: Vec<f32>) -> (f32, f32) {
    values.sort_by(f32::total_cmp);
    let at = |q: f32| values.get((q * values.len().saturating_sub(1) as f32) as usize).copied().unwrap_or(0.0);
    (at(0.05), at(0.95))
}
