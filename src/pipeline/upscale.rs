//! Enlarges latents as PyTorch's `interpolate` does, without alignment of corners: a latent between two passes.

use crate::recipe::Upscaler;

/// How sharply the curve of the bicubic way bends, as PyTorch's does.
const BEND: f32 = -0.75;

/// Which places of a line make one place of the enlarged line, and what share each has.
type Taps = Vec<(usize, f32)>;

/// A latent `[h, w, c]` of size `from` (width, height) at the size `to`. The pixel way, which is none of latents, counts as
/// nearest.
pub(super) fn enlarged(latent: &[f32], from: (usize, usize), to: (usize, usize), how: Upscaler) -> Vec<f32> {
    let c = latent.len() / (from.0 * from.1).max(1);
    let columns: Vec<Taps> = (0..to.0).map(|x| taps(x, from.0, to.0, how)).collect();
    let mut wide = Vec::with_capacity(from.1 * to.0 * c);
    for row in latent.chunks_exact((from.0 * c).max(1)) {
        for taps in &columns {
            wide.extend((0..c).map(|k| taps.iter().map(|(x, share)| row[x * c + k] * share).sum::<f32>()));
        }
    }
    let mut large = Vec::with_capacity(to.0 * to.1 * c);
    for y in 0..to.1 {
        let taps = taps(y, from.1, to.1, how);
        large.extend((0..to.0 * c).map(|i| taps.iter().map(|(y, share)| wide[y * to.0 * c + i] * share).sum::<f32>()));
    }
    large
}

/// The taps of place `at` of a line that grows from `from` places to `to`.
fn taps(at: usize, from: usize, to: usize, how: Upscaler) -> Taps {
    let last = from.saturating_sub(1);
    let scale = from as f32 / to.max(1) as f32;
    let middle = scale * (at as f32 + 0.5) - 0.5;
    match how {
        Upscaler::Lanczos | Upscaler::LatentNearest => vec![(((at as f32 * scale) as usize).min(last), 1.0)],
        Upscaler::LatentBilinear => {
            let middle = middle.max(0.0);
            let left = (middle as usize).min(last);
            let share = (middle - left as f32).clamp(0.0, 1.0);
            vec![(left, 1.0 - share), ((left + 1).min(last), share)]
        }
        Upscaler::LatentBicubic => {
            let left = middle.floor();
            let share = middle - left;
            // Keys' kernel (1981), near to and far from its middle.
            let near = |x: f32| ((BEND + 2.0) * x - (BEND + 3.0)) * x * x + 1.0;
            let far = |x: f32| ((BEND * x - 5.0 * BEND) * x + 8.0 * BEND) * x - 4.0 * BEND;
            let shares = [far(share + 1.0), near(share), near(1.0 - share), far(2.0 - share)];
            let place = |i: usize| (left as i64 + i as i64 - 1).clamp(0, last as i64) as usize;
            shares.into_iter().enumerate().map(|(i, share)| (place(i), share)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        upscaler: Upscaler,
        from: (usize, usize),
        to: (usize, usize),
        channels: usize,
        latent: Vec<f32>,
        enlarged: Vec<f32>,
    }

    /// Made by tests/reference/enlarge_golden.py.
    #[test]
    fn latents_grow_as_pytorchs_do() {
        let text = include_str!("../../tests/reference/golden/enlarge/interpolate.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        let kinds = Upscaler::ALL.into_iter().filter(|u| u.is_latent());
        assert!(kinds.clone().all(|kind| cases.iter().filter(|c| c.upscaler == kind).count() >= 3));
        for Case { upscaler, from, to, channels, latent, enlarged: theirs } in cases {
            let ours = enlarged(&latent, from, to, upscaler);
            assert_eq!((ours.len(), latent.len()), (to.0 * to.1 * channels, from.0 * from.1 * channels));
            let worst = ours.iter().zip(&theirs).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
            assert!(ours.len() == theirs.len() && worst < 2e-5, "{upscaler:?} {from:?} to {to:?}: off by {worst}");
        }
    }
}
