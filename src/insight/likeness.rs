//! How alike two sets of pictures are: in their colours and in their look; and how much one set varies.

use super::features::features;
use super::statistics::{Scale, mean_distance, squared};
use crate::corpus::measure::small_oklab;
use crate::corpus::rng::Rng;

/// Directions of the sliced distance.
const SLICES: usize = 24;
/// Points of each distribution that are compared along a direction.
const POINTS: usize = 512;

/// A picture as it is compared.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its colours in Oklab, each of an equal part of the picture.
    pub colours: Vec<[f32; 3]>,
    /// What it looks like, see [`features`].
    pub features: Vec<f32>,
}

impl Seen {
    /// Of an RGB8 picture: `width * height * 3` bytes, rows from the top, neither side 0.
    pub fn of(width: u32, height: u32, rgb: &[u8]) -> Self {
        Self { colours: small_oklab(rgb, width as usize, height as usize), features: features(width, height, rgb) }
    }
}

/// How far the colours of two sets of pictures are from each other, wherever in the pictures they are: the sliced Wasserstein
/// distance (Bonneel et al. 2015) in Oklab. 0 for the same colours in the same amounts; 0.01 is very near, 0.1 far. 0 where a
/// set is empty.
pub fn colour_distance(a: &[Seen], b: &[Seen]) -> f32 {
    let all = |set: &[Seen]| -> Vec<[f32; 3]> { set.iter().flat_map(|seen| seen.colours.iter().copied()).collect() };
    let (a, b) = (all(a), all(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let mut rng = Rng::new(1);
    let slice = |set: &[[f32; 3]], axis: [f32; 3]| {
        let mut along: Vec<f32> = set.iter().map(|p| (0..3).map(|k| p[k] * axis[k]).sum()).collect();
        along.sort_by(f32::total_cmp);
        (0..POINTS).map(|q| along[(2 * q + 1) * along.len() / (2 * POINTS)]).collect::<Vec<f32>>()
    };
    let mut sum = 0.0;
    for _ in 0..SLICES {
        let axis = [rng.normal(), rng.normal(), rng.normal()];
        let length = axis.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        let axis = axis.map(|v| v / length);
        sum += slice(&a, axis).iter().zip(slice(&b, axis)).map(|(x, y)| (x - y).abs()).sum::<f32>() / POINTS as f32;
    }
    sum / SLICES as f32
}

/// By which features are compared: each by its spread over these sets.
pub fn scale(sets: &[&[Seen]]) -> Scale {
    Scale::of(&sets.iter().flat_map(|set| set.iter().map(|seen| seen.features.clone())).collect::<Vec<_>>())
}

fn scaled(set: &[Seen], scale: &Scale) -> Vec<Vec<f32>> {
    set.iter().map(|seen| scale.apply(&seen.features)).collect()
}

/// How far the look of two sets of pictures is from each other: the energy distance (Székely and Rizzo 2013) of their
/// scaled features. 0 for equal sets, else above; the fewer pictures, the further apart by
/// chance alone, so compare only with sets of equal size.
pub fn look_distance(a: &[Seen], b: &[Seen], scale: &Scale) -> f64 {
    let (a, b) = (scaled(a, scale), scaled(b, scale));
    let mut between = 0.0;
    for x in &a {
        between += b.iter().map(|y| squared(x, y).sqrt()).sum::<f64>();
    }
    let between = between / (a.len() * b.len()).max(1) as f64;
    // A picture is at no distance from itself, which counts here: so two sets are never nearer than one is to itself.
    let within = |set: &[Vec<f32>]| mean_distance(set) * (1.0 - 1.0 / set.len().max(1) as f64);
    (2.0 * between - within(&a) - within(&b)).max(0.0)
}

/// How much the pictures of a set differ: the mean distance of their scaled features.
pub fn variety(set: &[Seen], scale: &Scale) -> f64 {
    mean_distance(&scaled(set, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes of two colours, the first so many parts of eight wide.
    fn stripes(a: [u8; 3], b: [u8; 3], parts: usize) -> Seen {
        let rgb: Vec<u8> = (0..64 * 64).flat_map(|i| if i % 8 < parts { a } else { b }).collect();
        Seen::of(64, 64, &rgb)
    }

    #[test]
    fn colours_are_compared_by_what_and_how_much() {
        let (red, blue, green) = ([200, 30, 30], [30, 30, 200], [30, 180, 60]);
        let set = [stripes(red, blue, 4)];
        let (same, more, other) = ([stripes(blue, red, 4)], [stripes(red, blue, 6)], [stripes(green, blue, 4)]);
        let [same, more, other] = [same, more, other].map(|set2| colour_distance(&set, &set2));
        assert!(same < 1e-4 && same < more && more < other, "{same} {more} {other}");
        assert_eq!(colour_distance(&set, &[]), 0.0);
    }

    #[test]
    fn a_look_is_nearest_to_its_own_kind_and_repeats_do_not_vary() {
        let of = |parts: [usize; 3]| parts.map(|p| stripes([220, 200, 40], [20, 40, 60], p));
        let (thin, thick) = (of([1, 2, 1]), of([6, 7, 6]));
        let (by_thin, by_thick) = (scale(&[&thin]), scale(&[&thick]));
        let near = look_distance(&thin, &of([2, 1, 2]), &by_thick);
        let far = look_distance(&thin, &thick, &by_thick);
        assert!(0.0 < near && near < far, "{near} {far}");
        assert!(look_distance(&thin, &thin, &by_thick) < 1e-6);
        assert_eq!(variety(&of([3, 3, 3]), &by_thick), 0.0);
        assert!(variety(&thick, &by_thin) > 0.0);
    }
}
