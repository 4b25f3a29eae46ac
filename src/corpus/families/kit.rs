//! What several families share: centred coordinates, soft edges, tones, and large tonal motifs.

use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, blend, colours, mix, smoothstep, to_oklab};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use std::f32::consts::TAU;

/// Straight interpolation.
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// How far a look is from its symmetry, 0..=1: eased, because a small displacement already breaks a mirror image.
pub fn freedom(look: &Look) -> f32 {
    (1.0 - look.symmetry.clamp(0.0, 1.0)).powf(1.6)
}

/// The plane of a picture: the origin is its centre, the shorter side is one unit long, y grows downwards.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Width of a pixel.
    pub px: f32,
    /// Half the width of the picture (0.5 when it is the shorter side).
    pub half_w: f32,
    /// Half the height of the picture.
    pub half_h: f32,
}

impl Plane {
    /// The plane of this canvas.
    pub fn of(canvas: &Canvas) -> Self {
        let (width, height) = (canvas.width.max(1), canvas.height.max(1));
        let px = 1.0 / width.min(height) as f32;
        Self { width, height, px, half_w: width as f32 * px / 2.0, half_h: height as f32 * px / 2.0 }
    }
    /// The point in the middle of a pixel.
    pub fn point(&self, column: usize, row: usize) -> (f32, f32) {
        ((column as f32 + 0.5) * self.px - self.half_w, (row as f32 + 0.5) * self.px - self.half_h)
    }
    /// Distance from the centre to a corner.
    pub fn reach(&self) -> f32 {
        self.half_w.hypot(self.half_h)
    }
    /// How much of a pixel lies inside a shape whose border is `distance` away (negative = inside).
    pub fn inside(&self, distance: f32) -> f32 {
        (0.5 - distance / self.px).clamp(0.0, 1.0)
    }
    /// A value of each pixel, rows from the top.
    pub fn values(&self, mut f: impl FnMut(f32, f32) -> f32) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            for column in 0..self.width {
                let (x, y) = self.point(column, row);
                out.push(f(x, y));
            }
        }
        out
    }
}

/// Gives each pixel its colour.
pub fn shade(canvas: &mut Canvas, mut f: impl FnMut(f32, f32) -> [f32; 3]) {
    let plane = Plane::of(canvas);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let (x, y) = plane.point(i % plane.width, i / plane.width);
        *pixel = f(x, y);
    }
}

/// Changes the pixels within `radius` of a point: `f(x, y, pixel)`.
pub fn touch(canvas: &mut Canvas, (cx, cy): (f32, f32), radius: f32, mut f: impl FnMut(f32, f32, &mut [f32; 3])) {
    let p = Plane::of(canvas);
    let span = |c: f32, half: f32, n: usize| {
        let from = ((c - radius + half) / p.px - 1.0).max(0.0) as usize;
        let to = ((c + radius + half) / p.px + 2.0).clamp(0.0, n as f32) as usize;
        from.min(n)..to
    };
    for row in span(cy, p.half_h, p.height) {
        for column in span(cx, p.half_w, p.width) {
            let (x, y) = p.point(column, row);
            f(x, y, &mut canvas.rgb[row * p.width + column]);
        }
    }
}

/// Lays a colour over a pixel.
pub fn lay(pixel: &mut [f32; 3], colour: [f32; 3], alpha: f32) {
    *pixel = mix(*pixel, colour, alpha);
}

/// Multiplies a colour: below 1 a shadow, above 1 a light (towards white, never past it).
pub fn lit(colour: [f32; 3], light: f32) -> [f32; 3] {
    if light <= 1.0 { colour.map(|c| c * light) } else { mix(colour, [1.0; 3], ((light - 1.0) * 0.6).min(1.0)) }
}

/// Mirrors a function about the vertical axis as much as `symmetry` (0..=1) asks; at 1 exactly.
pub fn mirrored(symmetry: f32, f: impl Fn(f32, f32) -> f32) -> impl Fn(f32, f32) -> f32 {
    let k = 0.5 * symmetry.clamp(0.0, 1.0);
    move |x, y| if k == 0.0 { f(x, y) } else { f(x, y) * (1.0 - k) + f(-x, y) * k }
}

/// The colours of a look, toned for its contrast, with the ones that pictures ask for by role.
#[derive(Debug, Clone)]
pub struct Tones {
    /// From dark to light, at least two.
    pub all: Vec<[f32; 3]>,
    /// The smooth walk through them.
    pub ramp: Ramp,
}

impl Tones {
    /// The tones of this look.
    pub fn new(look: &Look) -> Self {
        let mut all = colours(look);
        if all.len() == 1 {
            all.push(all[0]);
        }
        Self { ramp: Ramp::through(&all), all }
    }
    /// The darkest.
    pub fn dark(&self) -> [f32; 3] {
        self.all[0]
    }
    /// The lightest.
    pub fn light(&self) -> [f32; 3] {
        self.all[self.all.len() - 1]
    }
    /// The nth, going round.
    pub fn nth(&self, n: usize) -> [f32; 3] {
        self.all[n % self.all.len()]
    }
    /// The place of the most colourful one.
    pub fn accent_at(&self) -> usize {
        let chroma = |c: &[f32; 3]| {
            let [_, a, b] = to_oklab(*c);
            a.hypot(b)
        };
        (0..self.all.len()).max_by(|i, j| chroma(&self.all[*i]).total_cmp(&chroma(&self.all[*j]))).unwrap_or(0)
    }
    /// The most colourful one.
    pub fn accent(&self) -> [f32; 3] {
        self.all[self.accent_at()]
    }
    /// The tones other than the one nearest to `ground`, in their order.
    pub fn without(&self, ground: [f32; 3]) -> Vec<[f32; 3]> {
        let far = |c: &[f32; 3]| (0..3).map(|i| (c[i] - ground[i]).powi(2)).sum::<f32>();
        let nearest = (0..self.all.len()).min_by(|i, j| far(&self.all[*i]).total_cmp(&far(&self.all[*j])));
        let rest: Vec<_> = (0..self.all.len()).filter(|i| Some(*i) != nearest).map(|i| self.all[i]).collect();
        if rest.is_empty() { self.all.clone() } else { rest }
    }
    /// A soft ground between two neighbouring tones at one end of the palette: `(from, to)`.
    pub fn ground(&self, light: bool) -> ([f32; 3], [f32; 3]) {
        let n = self.all.len();
        if light {
            (self.all[n - 1], blend(self.all[n - 1], self.all[n - 2], 0.45))
        } else {
            (self.all[0], blend(self.all[0], self.all[1], 0.5))
        }
    }
}

/// A large tonal motif, 0..=1 over the picture, that small marks (tiles, dots, discs) follow.
#[derive(Debug, Clone)]
pub struct Motif {
    kind: usize,
    centre: (f32, f32),
    turn: f32,
    petals: f32,
    /// Features per unit.
    pace: f32,
    noise: Noise,
    symmetry: f32,
}

impl Motif {
    /// How many kinds there are.
    pub const KINDS: usize = 8;
    /// A motif of this kind (any number; it goes round); `pace` = how many features fit the shorter side.
    pub fn new(kind: usize, pace: f32, look: &Look, rng: &mut Rng) -> Self {
        let free = freedom(look);
        Self {
            kind: kind % Self::KINDS,
            centre: (rng.range(-0.3, 0.3) * free, rng.range(-0.3, 0.3) * free),
            turn: rng.range(0.3, 1.2) * rng.sign() * free,
            petals: (4 + rng.below(5)) as f32,
            pace: pace.max(0.2),
            noise: Noise::new(rng),
            symmetry: look.symmetry,
        }
    }
    /// The tone at a point of the [`Plane`].
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let r = dx.hypot(dy);
        let triangle = |t: f32| ((t - t.floor()) * 2.0 - 1.0).abs();
        match self.kind {
            // A glow.
            0 => 1.0 - smoothstep(0.0, 0.75, r),
            // Rings on water.
            1 => triangle(r * self.pace + 0.5),
            // Waves across.
            2 => {
                let bend = 0.09 * (dx * TAU * 1.2 + self.turn * 3.0).cos();
                triangle((dy + bend + dx * self.turn * 0.4) * self.pace)
            }
            // From one side to the other.
            3 => {
                let (s, c) = (self.turn * 0.9).sin_cos();
                (0.5 + (x * s + y * c) * 0.95).clamp(0.0, 1.0)
            }
            // A flower.
            4 => {
                let a = dy.atan2(dx) + std::f32::consts::FRAC_PI_2 + self.turn;
                let edge = 0.3 + 0.11 * (a * self.petals).cos();
                let petal = 1.0 - smoothstep(edge - 0.06, edge + 0.05, r);
                let heart = 1.0 - smoothstep(0.08, 0.13, r);
                (0.12 + petal * (0.5 + 0.4 * r / edge) - heart * 0.55).clamp(0.0, 1.0)
            }
            // Patches.
            5 => {
                let f = |x: f32, y: f32| self.noise.fbm(x * self.pace * 0.9 + 3.1, y * self.pace * 0.9, 2);
                (0.5 + 0.75 * mirrored(self.symmetry, f)(x, y)).clamp(0.0, 1.0)
            }
            // Rays.
            6 => {
                let a = dy.atan2(dx) / TAU + 0.25 + self.turn * 0.1;
                let rays = (2.0 * (self.pace * 1.6).round()).max(6.0);
                lerp(0.85, triangle(a * rays), smoothstep(0.07, 0.2, r))
            }
            // Hills under a sun.
            _ => {
                let hill = |k: f32, base: f32| {
                    let f = |x: f32, _: f32| self.noise.at(x * 2.2 + k * 7.7, k * 3.3);
                    y - base - 0.12 * mirrored(self.symmetry, f)(x, 0.0)
                };
                let sun = (x - self.centre.0 * 0.8).hypot(y + 0.14);
                if hill(2.0, 0.3) > 0.0 {
                    0.08
                } else if hill(1.0, 0.14) > 0.0 {
                    0.3
                } else if hill(0.0, 0.0) > 0.0 {
                    0.5
                } else if sun < 0.16 {
                    1.0
                } else {
                    0.84 - 0.12 * smoothstep(0.1, 0.6, sun)
                }
            }
        }
    }
}

/// What every family's tests measure.
#[cfg(test)]
pub mod checks {
    use super::{Canvas, Look, Rng};
    use crate::corpus::colour::to_oklab;

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
}
