//! `kiln.json`: what a checkpoint tells Kiln beyond the diffusers layout. Other programs ignore it.

use super::SliderSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file, beside `model_index.json`. Every field may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extras {
    /// Name shown to people.
    pub name: String,
    /// One line: what it is.
    pub summary: String,
    /// Sliders, in the order in which they enter the class vector.
    pub sliders: Vec<SliderSpec>,
    /// Words that it was trained on, sorted.
    pub vocabulary: Vec<String>,
    /// Width and height of its training pictures.
    pub native_size: Option<u32>,
    /// Recommended steps.
    pub steps: Option<u32>,
    /// Recommended guidance.
    pub cfg_scale: Option<f32>,
    /// Phrases of its captions that name things in front of a scene, and say of them where and how they are. Early steps are guided
    /// towards these alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<String>,
    /// Recommended share of the steps without full guidance, see [`crate::recipe::Recipe::skip_early_cfg`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_early_cfg: Option<f32>,
    /// Recommended sampler.
    pub sampler: Option<String>,
    /// A linear look at latents: RGB in -1..=1 = `matrix` (one row a latent channel) times the latent, plus `bias`.
    pub preview: Option<PreviewProjection>,
}

/// See [`Extras::preview`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewProjection {
    /// One row of three a latent channel.
    pub matrix: Vec<[f32; 3]>,
    /// Added to each pixel.
    pub bias: [f32; 3],
}

/// The slider group of single controls.
pub const ATTRIBUTE: &str = "attribute";
/// The slider group of shares in the mix of families.
pub const FAMILY: &str = "family";

/// Width of the class vector that these sliders make.
pub fn class_width(sliders: &[SliderSpec]) -> usize {
    sliders.iter().map(|s| if s.group == FAMILY { 1 } else { 2 }).sum()
}

/// Sliders as the class vector that the denoiser was trained on. An attribute gives its value from minus to plus
/// [`SliderSpec::reach`] and a flag that it is set, both zero when it is not; the families give their shares, which sum to one, or
/// all zero when none is set.
pub fn class_vector(sliders: &[SliderSpec], values: &BTreeMap<String, f32>) -> Vec<f32> {
    let shares: f32 = sliders.iter().filter(|s| s.group == FAMILY).filter_map(|s| values.get(&s.name)).sum();
    let mut vector = Vec::with_capacity(class_width(sliders));
    for slider in sliders {
        let value = values.get(&slider.name).copied();
        if slider.group == FAMILY {
            vector.push(if shares > 0.0 { value.unwrap_or(0.0) / shares } else { 0.0 });
        } else {
            let span = (slider.max - slider.min).max(f32::EPSILON);
            vector.push(value.map_or(0.0, |v| slider.reach * (2.0 * (v - slider.min) / span - 1.0)));
            vector.push(if value.is_some() { 1.0 } else { 0.0 });
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_is_zero_and_shares_sum_to_one() {
        let sliders = [
            SliderSpec::plain("warmth", ATTRIBUTE),
            SliderSpec::plain("density", ATTRIBUTE),
            SliderSpec::plain("a", FAMILY),
            SliderSpec::plain("b", FAMILY),
        ];
        assert_eq!(class_vector(&sliders, &BTreeMap::new()), [0.0; 6]);
        let values = BTreeMap::from([("warmth".into(), 1.0), ("a".into(), 0.5), ("b".into(), 1.5)]);
        assert_eq!(class_vector(&sliders, &values), [1.0, 1.0, 0.0, 0.0, 0.25, 0.75]);
        let far = SliderSpec { reach: 1.5, ..SliderSpec::plain("warmth", ATTRIBUTE) };
        let at = |v: f32| class_vector(std::slice::from_ref(&far), &BTreeMap::from([("warmth".into(), v)]));
        assert_eq!((at(0.0), at(0.5), at(1.0)), (vec![-1.5, 1.0], vec![0.0, 1.0], vec![1.5, 1.0]));
    }
}
