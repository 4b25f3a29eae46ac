//! What the families' tests measure: repeatability, sizes, and whether a look is obeyed.

use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::to_oklab;
use crate::corpus::rng::Rng;

type Painter = fn(&mut Canvas, &Look, &mut Rng);

fn look(rng: &mut Rng) -> Look {
    Look {
        palette: vec![[0.08, 0.1, 0.25], [0.2, 0.4, 0.6], [0.85, 0.4, 0.3], [0.95, 0.75, 0.4], [0.97, 0.95, 0.88]],
        density: rng.unit(),
        symmetry: rng.unit(),
        scale: rng.unit(),
        contrast: rng.range(0.5, 1.0),
    }
}

fn painted(painter: Painter, look: &Look, seed: u64, width: usize, height: usize) -> Canvas {
    let mut canvas = Canvas::new(width, height, [f32::NAN; 3]);
    painter(&mut canvas, look, &mut Rng::new(seed));
    canvas
}

/// The same draws give the same pixels; other draws give others.
pub fn repeatable(painter: Painter) {
    let look = look(&mut Rng::new(3));
    let (a, b, c) = (5, 5, 6);
    let [a, b, c] = [a, b, c].map(|seed| painted(painter, &look, seed, 96, 96).rgb);
    assert!(a == b, "one seed gave two pictures");
    assert!(a != c, "two seeds gave one picture");
}

/// Every pixel is painted, with a colour, at any size and with any look.
pub fn any_size(painter: Painter) {
    for (k, (w, h)) in [(64, 64), (256, 256), (333, 333), (200, 90), (75, 160), (1, 1)].into_iter().enumerate() {
        for seed in 0..6 {
            let mut look = look(&mut Rng::new(seed));
            if seed < 2 {
                let end = seed as f32;
                (look.density, look.symmetry, look.scale, look.contrast) = (end, end, 1.0 - end, end);
                look.palette.truncate(3);
            }
            let canvas = painted(painter, &look, seed + 10 * k as u64, w, h);
            assert_eq!(canvas.rgb.len(), w * h);
            let fine = canvas.rgb.iter().flatten().all(|c| (0.0..=1.0).contains(c));
            assert!(fine, "seed {seed} at {w}x{h}: a pixel is out of range or was left out");
        }
    }
}

/// Means over some pictures that differ in everything but what `set` fixes: (edges, large tones, difference from the
/// mirror image, spread of lightness).
fn measure(painter: Painter, set: impl Fn(&mut Look)) -> [f32; 4] {
    const SIDE: usize = 96;
    let mut sum = [0.0; 4];
    for seed in 0..24 {
        let mut rng = Rng::new(700 + seed);
        let mut look = look(&mut rng);
        set(&mut look);
        let canvas = painted(painter, &look, seed, SIDE, SIDE);
        let lab: Vec<[f32; 3]> = canvas.rgb.iter().map(|c| to_oklab(*c)).collect();
        let far = |a: usize, b: usize| (0..3).map(|k| (lab[a][k] - lab[b][k]).powi(2)).sum::<f32>().sqrt();
        let pixels = (SIDE * SIDE) as f32;
        let mean = lab.iter().map(|c| c[0]).sum::<f32>() / pixels;
        for row in 0..SIDE - 1 {
            for column in 0..SIDE - 1 {
                let i = row * SIDE + column;
                sum[0] += (far(i, i + 1) + far(i, i + SIDE)) / pixels;
                sum[2] += far(i, row * SIDE + SIDE - 1 - column) / pixels;
            }
        }
        let blocks = SIDE / 8;
        let mut tones = 0.0;
        for b in 0..blocks * blocks {
            let start = b / blocks * 8 * SIDE + b % blocks * 8;
            let block = (0..64).map(|k| lab[start + k / 8 * SIDE + k % 8][0]).sum::<f32>() / 64.0;
            tones += (block - mean).powi(2) / (blocks * blocks) as f32;
        }
        sum[1] += tones.sqrt();
        sum[3] += (lab.iter().map(|c| (c[0] - mean).powi(2)).sum::<f32>() / pixels).sqrt();
    }
    sum.map(|s| s / 24.0)
}

fn thrice(painter: Painter, set: impl Fn(&mut Look, f32)) -> [[f32; 4]; 3] {
    [0.05, 0.5, 0.95].map(|t| measure(painter, |look| set(look, t)))
}

/// Denser pictures have more edges.
pub fn density(painter: Painter) {
    let [a, b, c] = thrice(painter, |look, t| look.density = t).map(|m| m[0]);
    assert!(a < b && a * 1.1 < c, "edges at low, middle and high density: {a} {b} {c}");
}

/// Larger marks mean fewer edges for the same amount of large tones.
pub fn scale(painter: Painter) {
    let [a, b, c] = thrice(painter, |look, t| look.scale = t).map(|m| m[0] / m[1]);
    assert!(a > b && a > c * 1.15, "fineness at small, middle and large scale: {a} {b} {c}");
}

/// Symmetric pictures are nearer to their mirror images.
pub fn symmetry(painter: Painter) {
    let [a, b, c] = thrice(painter, |look, t| look.symmetry = t).map(|m| m[2]);
    assert!(a > b && b > c, "difference from the mirror image, free to symmetric: {a} {b} {c}");
    let exact = measure(painter, |look| look.symmetry = 1.0)[2];
    assert!(exact < 0.3 * a, "difference from the mirror image at full symmetry: {exact}, free: {a}");
}

/// Contrast spreads lightness.
pub fn contrast(painter: Painter) {
    let [a, b, c] = thrice(painter, |look, t| look.contrast = t).map(|m| m[3]);
    assert!(a * 1.2 < b && b * 1.2 < c, "spread of lightness at low, middle and high contrast: {a} {b} {c}");
}
