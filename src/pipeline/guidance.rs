//! Classifier-free guidance, and noise between two seeds; plain numbers.

use crate::recipe::Recipe;
use crate::sampler::noise::{TorchGenerator, nchw_to_nhwc};

/// Guided prediction (Ho and Salimans 2022) in place of `without`, from predictions without and with the prompt. `rescale`
/// brings its standard deviation back towards that of `with` (Lin et al. 2023, arXiv:2305.08891, section 3.4).
pub(super) fn guide(without: &mut [f32], with: &[f32], scale: f32, rescale: f32) {
    for (u, c) in without.iter_mut().zip(with) {
        *u += scale * (c - *u);
    }
    if rescale > 0.0 {
        let (own, guided) = (deviation(with), deviation(without));
        let factor = if guided > 0.0 { own / guided } else { 1.0 };
        let factor = (f64::from(rescale) * factor + 1.0 - f64::from(rescale)) as f32;
        without.iter_mut().for_each(|u| *u *= factor);
    }
}

/// Standard deviation, as torch's `std` (one degree of freedom less).
fn deviation(x: &[f32]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    (x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

/// The starting noise of a Recipe, `[h, w, c]`: its seed's, turned towards the sub-seed's as AUTOMATIC1111 does.
pub(super) fn first_noise(
    recipe: &Recipe,
    generator: &mut TorchGenerator,
    (w, h, c): (usize, usize, usize),
) -> Vec<f32> {
    let mut noise = generator.randn(w * h * c);
    if let Some(variation) = recipe.variation.filter(|v| v.strength > 0.0) {
        let other = TorchGenerator::new(variation.subseed).randn(w * h * c);
        for (a, b) in noise.chunks_exact_mut(w * h).zip(other.chunks_exact(w * h)) {
            turn(a, b, w, f64::from(variation.strength));
        }
    }
    nchw_to_nhwc(&noise, h, w, c)
}

/// Spherical interpolation (Shoemake 1985) of each column of a plane of width `w`.
fn turn(a: &mut [f32], b: &[f32], w: usize, share: f64) {
    for x in 0..w {
        let column = || a.iter().zip(b).skip(x).step_by(w).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let (dot, aa, bb) = column().fold((0.0, 0.0, 0.0), |(d, p, q), (a, b)| (d + a * b, p + a * a, q + b * b));
        let angle = (dot / (aa * bb).sqrt()).clamp(-1.0, 1.0).acos();
        let (keep, take) = if angle.sin().abs() < 1e-6 {
            (1.0 - share, share) // one direction: there is nothing to turn
        } else {
            (((1.0 - share) * angle).sin() / angle.sin(), (share * angle).sin() / angle.sin())
        };
        for (a, b) in a.iter_mut().zip(b).skip(x).step_by(w) {
            *a = (keep * f64::from(*a) + take * f64::from(*b)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaled_guidance_has_the_spread_of_the_prompts_own_prediction() {
        let with: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
        let start: Vec<f32> = (0..64).map(|i| (i as f32 * 0.3).cos()).collect();
        let mut wild = start.clone();
        guide(&mut wild, &with, 9.0, 0.0);
        assert!(deviation(&wild) > 3.0 * deviation(&with));
        let mut tame = start;
        guide(&mut tame, &with, 9.0, 1.0);
        assert!((deviation(&tame) / deviation(&with) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn noise_turns_from_one_seed_to_the_other_and_stays_noise() {
        let at = |strength| {
            let variation = Some(crate::recipe::Variation { subseed: 5, strength });
            let recipe = Recipe { seed: 4, variation, ..Recipe::default() };
            first_noise(&recipe, &mut TorchGenerator::new(4), (16, 16, 4))
        };
        let of = |seed| TorchGenerator::new(seed).randn_nhwc(16, 16, 4);
        let off = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(at(0.0), of(4));
        assert!(off(at(1.0), of(5)) < 1e-5);
        assert!((deviation(&at(0.5)) - 1.0).abs() < 0.06, "a plain mean would have a spread of 0.7");
    }
}
