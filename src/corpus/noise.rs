//! Smooth noise: gradient noise (Perlin 2002), fBm, ridges, domain warp, cells, and coarse fields for cheap pictures.

use super::rng::Rng;

/// Seeded two-dimensional noise; features are about 1 unit wide.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    seed: u32,
}

fn hash(seed: u32, x: i32, y: i32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

impl Noise {
    /// Noise of its own, drawn from the generator.
    pub fn new(rng: &mut Rng) -> Self {
        Self { seed: rng.bits() }
    }
    /// A uniform 0..1 value of a lattice point.
    pub fn dot(&self, x: i32, y: i32) -> f32 {
        (hash(self.seed, x, y) >> 8) as f32 / (1 << 24) as f32
    }
    /// Gradient noise, about -1..=1, mean 0.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (fx, fy) = (x.floor(), y.floor());
        let (ix, iy) = (fx as i32, fy as i32);
        let (u, v) = (x - fx, y - fy);
        let corner = |cx: i32, cy: i32, dx: f32, dy: f32| {
            // Eight directions are enough after fBm and cost no trigonometry.
            const D: f32 = std::f32::consts::FRAC_1_SQRT_2;
            const G: [[f32; 2]; 8] =
                [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [D, D], [-D, D], [D, -D], [-D, -D]];
            let g = G[(hash(self.seed, cx, cy) & 7) as usize];
            g[0] * dx + g[1] * dy
        };
        let fade = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        let (a, b) = (fade(u), fade(v));
        let top = corner(ix, iy, u, v) * (1.0 - a) + corner(ix + 1, iy, u - 1.0, v) * a;
        let bottom = corner(ix, iy + 1, u, v - 1.0) * (1.0 - a) + corner(ix + 1, iy + 1, u - 1.0, v - 1.0) * a;
        (top * (1.0 - b) + bottom * b) * 1.5
    }
    /// Several octaves of noise, each half as large and half as strong; about -1..=1.
    pub fn fbm(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut weight, mut total, mut f) = (0.0, 1.0, 0.0, 1.0);
        for o in 0..octaves {
            let shift = o as f32 * 17.31;
            sum += weight * self.at(x * f + shift, y * f - shift);
            total += weight;
            weight *= 0.5;
            f *= 2.0;
        }
        sum / total.max(1e-6) * 1.25
    }
    /// Sharp crests on soft ground, 0..=1.
    pub fn ridged(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut weight, mut total, mut f) = (0.0, 1.0, 0.0, 1.0);
        for o in 0..octaves {
            let shift = o as f32 * 11.7;
            let r = 1.0 - self.at(x * f + shift, y * f - shift).abs();
            sum += weight * r * r;
            total += weight;
            weight *= 0.5;
            f *= 2.0;
        }
        sum / total.max(1e-6)
    }
    /// Moves a point by smooth noise: the domain warp, `strength` in units of the plane.
    pub fn warp(&self, x: f32, y: f32, strength: f32, octaves: u32) -> (f32, f32) {
        (x + strength * self.fbm(x + 5.2, y + 1.3, octaves), y + strength * self.fbm(x - 8.7, y + 9.1, octaves))
    }
    /// Cells about one unit wide: (distance to the nearest seed, to the second nearest, the nearest cell).
    pub fn cells(&self, x: f32, y: f32) -> (f32, f32, [i32; 2]) {
        let (ix, iy) = (x.floor() as i32, y.floor() as i32);
        let (mut first, mut second, mut who) = (9.0f32, 9.0f32, [ix, iy]);
        for cy in iy - 1..=iy + 1 {
            for cx in ix - 1..=ix + 1 {
                let px = cx as f32 + 0.5 + (self.dot(cx, cy) - 0.5) * 0.8;
                let py = cy as f32 + 0.5 + (self.dot(cx + 911, cy - 577) - 0.5) * 0.8;
                let d = (px - x) * (px - x) + (py - y) * (py - y);
                if d < first {
                    (second, first, who) = (first, d, [cx, cy]);
                } else if d < second {
                    second = d;
                }
            }
        }
        (first.sqrt(), second.sqrt(), who)
    }
}

/// A scalar field on a coarse grid over the unit square, read with smooth (bilinear) interpolation: noise that is
/// smooth anyway is computed at 1/16 of the pixels.
#[derive(Debug, Clone)]
pub struct Field {
    side: usize,
    values: Vec<f32>,
}

impl Field {
    /// `side * side` samples of `f(x, y)` over 0..=1 in both directions.
    pub fn new(side: usize, mut f: impl FnMut(f32, f32) -> f32) -> Self {
        let side = side.max(2);
        let step = 1.0 / (side - 1) as f32;
        let values = (0..side * side).map(|i| f((i % side) as f32 * step, (i / side) as f32 * step)).collect();
        Self { side, values }
    }
    /// The value at a point, clamped to the unit square.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let n = (self.side - 1) as f32;
        let (x, y) = (x.clamp(0.0, 1.0) * n, y.clamp(0.0, 1.0) * n);
        let (ix, iy) = ((x as usize).min(self.side - 2), (y as usize).min(self.side - 2));
        let (u, v) = (x - ix as f32, y - iy as f32);
        let row = &self.values[iy * self.side + ix..];
        let top = row[0] + (row[1] - row[0]) * u;
        let bottom = row[self.side] + (row[self.side + 1] - row[self.side]) * u;
        top + (bottom - top) * v
    }
    /// Stretches the values to 0..=1.
    pub fn normalised(mut self) -> Self {
        let low = self.values.iter().copied().fold(f32::MAX, f32::min);
        let high = self.values.iter().copied().fold(f32::MIN, f32::max);
        let k = 1.0 / (high - low).max(1e-6);
        self.values.iter_mut().for_each(|v| *v = (*v - low) * k);
        self
    }
    /// Replaces each value by its rank, so that equal shares of the plane fall in equal bands of 0..=1.
    pub fn equalised(mut self) -> Self {
        let mut sorted = self.values.clone();
        sorted.sort_by(f32::total_cmp);
        let n = sorted.len().max(2) as f32 - 1.0;
        self.values.iter_mut().for_each(|v| *v = sorted.partition_point(|s| s < v) as f32 / n);
        self
    }
}
