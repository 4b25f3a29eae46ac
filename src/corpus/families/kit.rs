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
