//! Ornamental tilings: Truchet bands, quilts of triangles, azulejos, hexagons and rosettes, and Islamic strapwork.

use super::kit::{Plane, Tones, freedom, lay, lerp, lit, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, lighten, mix, to_oklab};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_3, FRAC_PI_4, FRAC_PI_6, PI};

type Colour = [f32; 3];

/// Covers the canvas. Scale sets the size of the tiles, density how much is drawn in each.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    match rng.below(12) {
        0 | 1 => truchet(canvas, look, &tones, rng),
        2 => winged(canvas, look, &tones, rng),
        3 => quilt(canvas, look, &tones, rng),
        4 | 5 => azulejo(canvas, look, &tones, rng),
        6 => hexagons(canvas, look, &tones, rng),
        7 => rosettes(canvas, look, &tones, rng),
        _ => strapwork(canvas, look, &tones, rng),
    }
}

/// Each pixel the mean of four samples, so that borders between tiles are smooth in every direction.
fn fine(canvas: &mut Canvas, f: impl Fn(f32, f32) -> Colour) {
    let px = Plane::of(canvas).px;
    let spots = [(-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)].map(|(a, b)| (a * px, b * px));
    shade(canvas, |x, y| {
        let c = spots.map(|(a, b)| f(x + a, y + b));
        [0, 1, 2].map(|k| (c[0][k] + c[1][k] + c[2][k] + c[3][k]) * 0.25)
    });
}

/// A ground and the inks for it, the one that stands out most first.
fn inks(tones: &Tones, rng: &mut Rng) -> (Colour, Vec<Colour>) {
    let ground = match rng.below(9) {
        0..=4 => tones.light(),
        5..=7 => tones.dark(),
        _ => tones.accent(),
    };
    let mut inks = tones.without(ground);
    rng.shuffle(&mut inks);
    let at = to_oklab(ground);
    let far = |c: &Colour| (to_oklab(*c)[0] - at[0]).abs();
    if let Some(best) = (0..inks.len()).max_by(|a, b| far(&inks[*a]).total_cmp(&far(&inks[*b]))) {
        inks.swap(0, best);
    }
    (ground, inks)
}

fn pick(inks: &[Colour], n: usize) -> Colour {
    inks[n % inks.len()]
}

/// Side of a tile.
fn size(look: &Look, fine: f32, coarse: f32) -> f32 {
    fine * (coarse / fine).powf(look.scale) * lerp(1.2, 0.85, look.density)
}

/// Square tiles, mirrored in blocks; some of them, the more the freer the look, go their own way.
struct Grid {
    side: f32,
    block: i32,
    free: f32,
    noise: Noise,
}

/// A point in its tile: (u, v) in 0..=1 counted from the corner (i, j), and what decides the tile.
struct Cell {
    u: f32,
    v: f32,
    corner: (i32, i32),
    key: (i32, i32),
}

impl Grid {
    fn new(side: f32, block: usize, look: &Look, rng: &mut Rng) -> Self {
        Self { side, block: block.max(1) as i32, free: freedom(look), noise: Noise::new(rng) }
    }
    fn cell(&self, x: f32, y: f32) -> Cell {
        let (x, y) = (x / self.side, y / self.side);
        let (i, j) = (x.floor(), y.floor());
        let (mut u, mut v, i, j) = (x - i, y - j, i as i32, j as i32);
        if self.noise.dot(i + 5000, j + 7000) < self.free {
            return Cell { u, v, corner: (i, j), key: (i + 900, j + 900) };
        }
        let fold = |k: i32| {
            let m = k.rem_euclid(2 * self.block);
            if m >= self.block { (2 * self.block - 1 - m, true) } else { (m, false) }
        };
        let ((a, flip_u), (b, flip_v)) = (fold(i), fold(j));
        if flip_u {
            u = 1.0 - u;
        }
        if flip_v {
            v = 1.0 - v;
        }
        Cell { u, v, corner: (i + i32::from(flip_u), j + i32::from(flip_v)), key: (a, b) }
    }
    /// The `n`th die of a tile, 0..1.
    fn die(&self, cell: &Cell, n: i32) -> f32 {
        self.noise.dot(cell.key.0 + 101 * n, cell.key.1 - 57 * n)
    }
}

/// How a band looks across: half width, outline, and the inks of its stripes from the middle out.
struct Band {
    half: f32,
    rim: f32,
    outline: Colour,
    stripes: Vec<Colour>,
}

impl Band {
    fn new(half: f32, rim: f32, outline: Colour, inks: &[Colour], stripes: usize) -> Self {
        // The outermost stripe stands off from the outline.
        let mut stripes: Vec<Colour> = (0..stripes.max(1)).map(|k| pick(inks, k)).collect();
        stripes.reverse();
        Self { half, rim, outline, stripes }
    }
    /// Lays the band on a colour; `d` = distance from its middle, `px` = a pixel in the same units.
    fn lay(&self, under: &mut Colour, d: f32, px: f32) {
        let cover = |d: f32| (0.5 - d / px).clamp(0.0, 1.0);
        if d > self.half + self.rim + px {
            return;
        }
        lay(under, self.outline, cover(d - self.half - self.rim));
        let n = self.stripes.len();
        for (k, ink) in self.stripes.iter().enumerate().rev() {
            lay(under, *ink, cover(d - self.half * (k as f32 + 0.5) / (n as f32 - 0.5)));
        }
    }
}

/// Truchet arcs as striped, outlined bands that wander over two grounds.
fn truchet(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let side = size(look, 0.11, 0.42);
    let px = 0.5 * Plane::of(canvas).px / side;
    let grid = Grid::new(side, 2 + rng.below(3), look, rng);
    let (ground, inks) = inks(tones, rng);
    let other = if rng.chance(0.5) { pick(&inks, inks.len() - 1) } else { blend(ground, pick(&inks, 1), 0.35) };
    let stripes = lerp(1.0, 3.4, look.density * rng.range(0.7, 1.0)).round() as usize;
    let outline = if rng.chance(0.6) { ground } else { lighten(tones.dark(), -0.04) };
    let rim = if rng.chance(0.7) { lerp(0.07, 0.035, look.scale) } else { 0.0 };
    let band = Band::new(rng.range(0.13, 0.24) * lerp(0.9, 1.2, look.density), rim, outline, &inks, stripes);
    let crossings = if rng.chance(0.5) { 0.3 } else { 0.0 };
    let dot = if rng.chance(lerp(0.2, 0.9, look.density)) { (0.5 - band.half - rim) * 0.5 } else { 0.0 };
    let pip = pick(&inks, 1);
    let pips = |t: &Cell| {
        let corner = (0.5 - (t.u - 0.5).abs()).hypot(0.5 - (t.v - 0.5).abs());
        if dot > 0.0 { (0.5 - (corner - dot) / px).clamp(0.0, 1.0) } else { 0.0 }
    };
    fine(canvas, |x, y| {
        let mut t = grid.cell(x, y);
        if grid.die(&t, 0) < 0.5 {
            (t.u, t.corner.0) = (1.0 - t.u, t.corner.0 + 1);
        }
        let (near, far) = (t.u.hypot(t.v), (1.0 - t.u).hypot(1.0 - t.v));
        let even = (t.corner.0 + t.corner.1) & 1 == 0;
        if grid.die(&t, 1) < crossings {
            let (a, b) = ((t.u - 0.5).abs(), (t.v - 0.5).abs());
            let mut c = if even == ((t.u < 0.5) == (t.v < 0.5)) { ground } else { other };
            lay(&mut c, pip, pips(&t));
            band.lay(&mut c, a, px);
            band.lay(&mut c, b, px);
            return c;
        }
        let mut c = if even == (near.min(far) < 0.5) { ground } else { other };
        lay(&mut c, pip, pips(&t));
        band.lay(&mut c, (near - 0.5).abs().min((far - 0.5).abs()), px);
        c
    });
}

/// Winged Truchet tiles of several sizes, after Carlson: each smaller tile swaps ink and ground.
fn winged(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let side = size(look, 0.22, 0.46);
    let noise = Noise::new(rng);
    let depth = if side > 0.25 { 3 } else { 2 };
    let split = lerp(0.2, 0.72, look.density);
    let half = |reach: f32| (reach / side).ceil() as i32;
    let mut level: Vec<(f32, f32)> = Vec::new();
    for j in -half(plane.half_h)..half(plane.half_h) {
        for i in -half(plane.half_w)..half(plane.half_w) {
            level.push(((i as f32 + 0.5) * side, (j as f32 + 0.5) * side));
        }
    }
    let mut sheet = Sheet::new(canvas);
    let (mut s, mut white) = (side, true);
    for depth in (0..depth).rev() {
        let tone = |on: bool| if on { [1.0; 3] } else { [0.0; 3] };
        let (ink, ground) = (tone(white), tone(!white));
        let (mut next, mut tiles) = (Vec::new(), Vec::new());
        for &(cx, cy) in &level {
            // Both halves of a mirrored pair throw the same dice.
            let key = |x: f32, n: i32| {
                noise.dot((x / side * 64.0).round() as i32 + n * 999, (cy / side * 64.0).round() as i32 + depth * 777)
            };
            let mirrored = key(cx.abs(), 1) >= freedom(look);
            let own = if mirrored { cx.abs() } else { cx + 99.0 };
            if depth > 0 && key(own, 2) < split {
                for (a, b) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
                    next.push((cx + a * s / 4.0, cy + b * s / 4.0));
                }
            }
            let flip = if mirrored && cx < 0.0 { -1.0 } else { 1.0 };
            let (x, y) = (cx + plane.half_w, cy + plane.half_h);
            let e = 0.3 * plane.px;
            let blank = key(own, 3) > 0.74;
            let full = blank && key(own, 4) < 0.5;
            let turn = if key(own, 4) < 0.5 { flip } else { -flip };
            let square = vector::rectangle(x - s * 0.5 - e, y - s * 0.5 - e, s + 2.0 * e, s + 2.0 * e);
            sheet.fill(square.as_ref(), if full { ink } else { ground }, 1.0);
            tiles.push((x, y, (!blank).then_some(turn)));
        }
        // All squares lie below all bands, lest the squares cut into them.
        for &(x, y, turn) in &tiles {
            let mut disc = |u: f32, v: f32, r: f32, c: Colour| {
                sheet.fill(vector::circle(x + u * s, y + v * s, r * s).as_ref(), c, 1.0);
            };
            for (u, v) in [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5)] {
                disc(u, v, 1.0 / 3.0, ground);
            }
            for (u, v) in [(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)] {
                disc(u, v, 1.0 / 6.0, ink);
            }
            let Some(turn) = turn else { continue };
            for k in [-0.5f32, 0.5] {
                // From the corner towards the inside of the tile.
                let (u, v) = (k, k * turn);
                let from = match (u > 0.0, v > 0.0) {
                    (false, false) => 0.0,
                    (true, false) => FRAC_PI_2,
                    (true, true) => PI,
                    (false, true) => PI + FRAC_PI_2,
                };
                let arc = vector::sector(x + u * s, y + v * s, s / 3.0, s / 1.5, from - 0.02, from + FRAC_PI_2 + 0.02);
                sheet.fill(arc.as_ref(), ink, 1.0);
            }
        }
        (level, s, white) = (next, s * 0.5, !white);
    }
    let mut mask = Canvas::new(canvas.width, canvas.height, [0.0; 3]);
    sheet.over(&mut mask);
    let (ground, mut inks) = inks(tones, rng);
    // No ink that fades into the ground.
    let far = |c: &Colour| (to_oklab(*c)[0] - to_oklab(ground)[0]).abs();
    let least = far(&inks[0]) * 0.45;
    inks.retain(|c| far(c) >= least);
    inks.truncate(3);
    let round = rng.chance(0.5);
    let spread = lerp(0.3, 0.0, look.symmetry) * rng.sign();
    let colours = crate::corpus::colour::Ramp::through(&inks);
    let mut i = 0;
    shade(canvas, |x, y| {
        let t = if round { x.hypot(y) * 1.5 } else { 0.5 + y * 0.95 + x * spread };
        i += 1;
        mix(ground, colours.at(t), mask.rgb[i - 1][0])
    });
}

/// Squares cut into triangles, as quilts are pieced.
fn quilt(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let side = size(look, 0.09, 0.3);
    let grid = Grid::new(side, 2 + rng.below(3), look, rng);
    let n = tones.all.len();
    let low = n.div_ceil(2).min(n - 1);
    let (pale, deep) = (&tones.all[low..], &tones.all[..low]);
    let cuts = lerp(0.05, 0.75, look.density);
    let few = rng.chance(0.4);
    fine(canvas, |x, y| {
        let t = grid.cell(x, y);
        let (mut u, v) = (t.u, t.v);
        if grid.die(&t, 0) < 0.3 {
            u = 1.0 - u;
        }
        let ink = |light: bool, n: i32| {
            let from = if light { pale } else { deep };
            let k = if few { 0.0 } else { grid.die(&t, 10 + n) };
            from[(k * from.len() as f32) as usize]
        };
        let kind = grid.die(&t, 1);
        if kind < cuts * 0.35 {
            // An hourglass.
            let across = (u - 0.5).abs() > (v - 0.5).abs();
            ink(across, i32::from(if across { u > 0.5 } else { v > 0.5 }))
        } else if kind < cuts * 0.7 {
            // Squares in squares.
            let (a, b) = ((u - 0.5).abs(), (v - 0.5).abs());
            if a + b > 0.5 {
                ink(false, 0)
            } else if a.max(b) > 0.25 {
                ink(true, 1)
            } else {
                pick(&tones.all, n / 2)
            }
        } else if kind < cuts {
            // A strip along the diagonal.
            if (u - v).abs() < 0.24 { tones.accent() } else { ink(u > v, 0) }
        } else {
            ink(u > v, 0)
        }
    });
}

/// What is drawn on an azulejo; a tile is symmetric in its diagonal from the corner (0, 0) to (1, 1).
#[derive(Clone, Copy)]
enum Glaze {
    /// A quarter ring around a corner: (far corner, radius, half width; the whole disc when 0).
    Arc(bool, f32, f32),
    /// A leaf from the corner (0, 0) along the diagonal: length and width.
    Leaf(f32, f32),
    /// Two leaves beside it.
    Twins(f32, f32),
    /// Half a disc on the two sides that meet in the far corner.
    Bows(f32),
    /// A quarter diamond in the far corner.
    Facet(f32),
    /// A disc on the diagonal.
    Pearl(f32, f32),
}

impl Glaze {
    fn distance(self, u: f32, v: f32) -> f32 {
        let leaf = |p: f32, q: f32, length: f32, width: f32| {
            let (l, p) = (length / 2.0, p - length / 2.0);
            let big = (l * l + width * width) / (2.0 * width);
            p.hypot(q.abs() + big - width) - big
        };
        let turned = |angle: f32| {
            let (s, c) = angle.sin_cos();
            (u * c + v * s, v * c - u * s)
        };
        let swapped = if u > v { (u, v) } else { (v, u) };
        match self {
            Self::Arc(far, r, half) => {
                let d = if far { (1.0 - u).hypot(1.0 - v) } else { u.hypot(v) } - r;
                if half > 0.0 { d.abs() - half } else { d }
            }
            Self::Leaf(length, width) => {
                let (p, q) = turned(FRAC_PI_4);
                leaf(p, q, length, width)
            }
            Self::Twins(length, width) => {
                let (s, c) = (0.3f32).sin_cos();
                let (p, q) = (swapped.0 * c + swapped.1 * s, swapped.1 * c - swapped.0 * s);
                leaf(p, q, length, width)
            }
            Self::Bows(r) => (1.0 - swapped.0).hypot(swapped.1 - 0.5) - r,
            Self::Facet(r) => (2.0 - u - v - r) * FRAC_1_SQRT_2,
            Self::Pearl(at, r) => (u - at).hypot(v - at) - r,
        }
    }
}

/// Glazed tiles whose quarters join to flowers, rings and diamonds.
fn azulejo(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let side = size(look, 0.13, 0.34);
    let px = 0.5 * Plane::of(canvas).px / side;
    let grid = Grid::new(side, 1 + rng.below(2), look, rng);
    let (ground, inks) = inks(tones, rng);
    let steps = lerp(2.0, 6.5, look.density).round() as usize;
    let designs: Vec<Vec<(Glaze, Colour)>> = (0..2)
        .map(|_| {
            let mut order = inks.clone();
            rng.shuffle(&mut order[1..]);
            let main = rng.range(0.62, 0.95);
            // A large quarter disc, what lies in it, then the far corner.
            let mut marks = vec![(Glaze::Arc(false, main, 0.0), order[0])];
            let hollow = rng.chance(0.55);
            if hollow {
                marks.push((Glaze::Arc(false, main * rng.range(0.78, 0.88), 0.0), ground));
            }
            let bright = if hollow { pick(&order, 0) } else { ground };
            let mut more = vec![
                (Glaze::Leaf(main * 0.98, main * rng.range(0.14, 0.22)), if hollow { pick(&order, 1) } else { bright }),
                (Glaze::Facet(rng.range(0.5, 0.75)), pick(&order, 1)),
                (Glaze::Twins(main * 0.75, main * 0.11), if hollow { pick(&order, 2) } else { pick(&order, 1) }),
                (Glaze::Arc(true, rng.range(0.3, 0.42), 0.04), pick(&order, 2)),
                (Glaze::Bows(rng.range(0.09, 0.14)), pick(&order, 1)),
                (Glaze::Arc(true, 0.17, 0.0), ground),
                (Glaze::Arc(false, main + 0.08, 0.022), pick(&order, 2)),
            ];
            rng.shuffle(&mut more[2..]);
            marks.extend(more.into_iter().take(steps));
            if steps > 1 {
                marks.push((Glaze::Arc(false, main * rng.range(0.22, 0.32), 0.0), pick(&order, 2)));
                marks.push((Glaze::Pearl(0.0, main * 0.11), ground));
            }
            marks
        })
        .collect();
    let chequered = rng.chance(0.5);
    let joint = blend(ground, tones.dark(), 0.25);
    let gap = if rng.chance(0.5) { 0.012 } else { 0.0 };
    let hatched = rng.chance(0.3).then(|| blend(ground, pick(&inks, 1), 0.3));
    fine(canvas, |x, y| {
        let t = grid.cell(x, y);
        let (mut u, mut v) = (t.u, t.v);
        let own = t.key.0 > 100;
        if own && grid.die(&t, 0) < 0.5 {
            u = 1.0 - u;
        }
        if own && grid.die(&t, 1) < 0.5 {
            v = 1.0 - v;
        }
        let second = if own { grid.die(&t, 2) < 0.4 } else { chequered && (t.key.0 + t.key.1) & 1 == 1 };
        let mut c = match hatched {
            Some(other) if second => other,
            _ => ground,
        };
        for (glaze, ink) in &designs[usize::from(second)] {
            lay(&mut c, *ink, (0.5 - glaze.distance(u, v) / px).clamp(0.0, 1.0));
        }
        let edge = 0.5 - (t.u - 0.5).abs().max((t.v - 0.5).abs());
        if edge < gap { joint } else { c }
    });
}

/// The hexagon of a point: (offset from its centre in units of the distance between centres, column, row).
fn hexagon(x: f32, y: f32) -> (f32, f32, i32, i32) {
    let tall = 3f32.sqrt();
    let a = (x.round(), (y / tall).round());
    let b = ((x - 0.5).round() + 0.5, (y / tall - 0.5).round() + 0.5);
    let (pa, pb) = ((x - a.0, y - a.1 * tall), (x - b.0, y - b.1 * tall));
    let (c, p) = if pa.0.hypot(pa.1) <= pb.0.hypot(pb.1) { (a, pa) } else { (b, pb) };
    (p.0, p.1, (c.0 * 2.0).round() as i32, (c.1 * 2.0).round() as i32)
}

/// Truchet bands on hexagons: three arcs, or straps that cross in the middle.
fn hexagons(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let side = size(look, 0.13, 0.42);
    let px = 0.5 * Plane::of(canvas).px / side;
    let (noise, free) = (Noise::new(rng), freedom(look));
    let (ground, inks) = inks(tones, rng);
    let stripes = lerp(1.0, 3.2, look.density).round() as usize;
    let outline = if rng.chance(0.5) { ground } else { lighten(tones.dark(), -0.04) };
    let half = rng.range(0.09, 0.14);
    let band = Band::new(half, rng.range(0.03, 0.045), outline, &inks, stripes);
    let heart = pick(&inks, inks.len() - 1);
    let other = blend(ground, pick(&inks, 1), 0.3);
    let period = 1 + rng.below(3) as i32;
    let r = 1.0 / 12f32.sqrt();
    fine(canvas, |x, y| {
        let (mut p, q, i, j) = hexagon(x / side, y / side);
        let loose = noise.dot(i + 3000, j) < free;
        let (a, b) = if loose { (i + 500, j) } else { (0, j.div_euclid(2).rem_euclid(period)) };
        // The arcs turn by the vertices above or below.
        let up = noise.dot(a, b) < 0.5;
        let q = if up { -q } else { q };
        let cross = noise.dot(a + 77, b - 31) < 0.3;
        if cross && loose {
            // Three straps straight across.
            let mut c = if (i + j) & 3 == 0 { other } else { ground };
            for k in 0..3 {
                let (s, k) = (FRAC_PI_3 * k as f32).sin_cos();
                band.lay(&mut c, (q * k - p * s).abs(), px);
            }
            return c;
        }
        p = p.abs();
        // Vertices at the bottom and at the two upper sides.
        let d = p.hypot(q - 2.0 * r).min((p - 0.5).hypot(q + r));
        let mut c = if d < r { other } else { ground };
        lay(&mut c, heart, (0.5 - (p.hypot(q) - (2.0 * r - r - half) * 0.45) / px).clamp(0.0, 1.0));
        lay(&mut c, heart, (0.5 - (d - (r - half) * 0.45) / px).clamp(0.0, 1.0));
        band.lay(&mut c, (d - r).abs(), px);
        c
    });
}

/// Six-petalled rosettes of circles that meet, each in its hexagon.
fn rosettes(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let side = size(look, 0.15, 0.48);
    let px = 0.5 * Plane::of(canvas).px / side;
    let (noise, free) = (Noise::new(rng), freedom(look));
    let (ground, inks) = inks(tones, rng);
    let [petal, heart, gem] = [0, 1, 2].map(|k| pick(&inks, k));
    let inset = rng.range(0.015, 0.03);
    let layers = lerp(0.0, 4.4, look.density).round() as usize;
    let cells: Vec<Colour> = vec![ground, blend(ground, pick(&inks, 1), 0.4), blend(ground, pick(&inks, 2), 0.4)];
    let plain = rng.chance(0.3);
    let edge = rng.chance(0.6);
    let turn = free * rng.range(-0.6, 0.6);
    let (sin, cos) = turn.sin_cos();
    fine(canvas, |x, y| {
        let (x, y) = (x * cos - y * sin, x * sin + y * cos);
        let (p, q, i, j) = hexagon(x / side, y / side);
        let own = noise.dot(i, j) < free;
        let shift = if own { (noise.dot(i + 50, j) * 3.0) as usize } else { 0 };
        let kind = if plain || own { shift } else { j.rem_euclid(2) as usize };
        let ink = |c: Colour, k: usize| if own { pick(&inks, k + shift) } else { c };
        let cover = |d: f32| (0.5 - d / px).clamp(0.0, 1.0);
        let mut c = cells[kind];
        let r = p.hypot(q);
        // Angle from the nearest vertex, and from the nearest side.
        let a = (q.atan2(p) + FRAC_PI_2 + FRAC_PI_6).rem_euclid(FRAC_PI_3) - FRAC_PI_6;
        let b = q.atan2(p).rem_euclid(FRAC_PI_3);
        let b = b.min(FRAC_PI_3 - b);
        let apothem = r * b.cos();
        let (u, v) = (r * a.cos(), r * a.sin().abs());
        let reach = 1.0 / 3f32.sqrt();
        let leaf = |length: f32, width: f32| {
            let (l, u) = (length / 2.0, u - length / 2.0);
            let big = (l * l + width * width) / (2.0 * width);
            u.hypot(v + big - width) - big
        };
        if layers > 2 {
            // A dozen small leaves between the petals.
            let (s, k) = (r * b.sin(), r * b.cos());
            let small = (s / 0.35).hypot((k - 0.33) * 1.0) - 0.11;
            lay(&mut c, ink(gem, 2), cover(small * 0.5));
        }
        lay(&mut c, ink(petal, 0), cover(leaf(reach, 0.125) + inset * 0.3));
        if layers > 0 {
            lay(&mut c, ground, cover((leaf(reach, 0.125) + inset + 0.02).abs() - 0.008));
        }
        if layers > 1 {
            lay(&mut c, ink(heart, 1), cover(leaf(reach, 0.125) + 0.065));
        }
        lay(&mut c, ink(heart, 1), cover(r - 0.12));
        lay(&mut c, ground, cover(r - 0.085));
        lay(&mut c, ink(gem, 2), cover(r - 0.06));
        if edge {
            lay(&mut c, petal, cover(0.5 - inset - apothem));
            if layers > 3 {
                lay(&mut c, ground, cover((0.5 - inset * 2.2 - apothem).abs() - 0.008));
            }
        }
        c
    });
}

/// The plane folded by the mirrors of a square or a triangle lattice into one wedge at the origin.
struct Wedge {
    square: bool,
}

impl Wedge {
    fn angle(&self) -> f32 {
        if self.square { FRAC_PI_4 } else { FRAC_PI_6 }
    }
    /// The folded point, whether an even number of mirrors was passed, and the lattice point.
    fn fold(&self, x: f32, y: f32) -> (f32, f32, bool, i32, i32) {
        let (x, y, i, j) = if self.square {
            (x - x.round(), y - y.round(), x.round() as i32, y.round() as i32)
        } else {
            hexagon(x, y)
        };
        let third = 2.0 * self.angle();
        let turn = y.atan2(x);
        let a = (turn + third / 2.0).rem_euclid(third) - third / 2.0;
        let (r, folded) = (x.hypot(y), a.abs());
        (r * folded.cos(), r * folded.sin(), a >= 0.0, i, j)
    }
}

/// Islamic strapwork by Hankin's polygons in contact: stars of 6, 8 or 12 points, crosses, and straps that interlace.
fn strapwork(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let kind: usize = *rng.pick(&[8, 8, 8, 6, 12, 12]);
    let wedge = Wedge { square: kind == 8 };
    let side = size(look, 0.22, 0.52) * [0.75, 1.0, 1.15][(kind - 6) / 3];
    let px = 0.5 * Plane::of(canvas).px / side;
    let free = freedom(look);
    let w = wedge.angle();
    // Straps leave the middle of each side of the polygon at this angle.
    let theta = match kind {
        8 => rng.range(0.9, 1.2),
        6 => rng.range(0.95, 1.12),
        _ => rng.range(1.05, 1.3),
    };
    let (ground, inks) = inks(tones, rng);
    let strap = rng.range(0.022, 0.036) * if kind == 8 { 1.15 } else { 1.0 };
    let outline = if to_oklab(ground)[0] > 0.5 { tones.dark() } else { lighten(tones.dark(), -0.05) };
    let light = rng.chance(0.75);
    let band = Band {
        half: strap,
        rim: lerp(0.016, 0.01, look.scale),
        outline,
        stripes: vec![if light { tones.light() } else { tones.accent() }],
    };
    let mut fills: Vec<Colour> = inks.iter().copied().filter(|c| *c != band.stripes[0]).collect();
    if fills.len() < 3 {
        fills.push(ground);
    }
    if rng.chance(0.5) {
        rng.shuffle(&mut fills);
    }
    let [star, petal, cross] = [0, 1, 2].map(|k| pick(&fills, k));
    let insets = lerp(0.0, 3.4, look.density).round() as usize;
    let noise = Noise::new(rng);
    let (sin, cos) = (free * rng.range(0.2, 0.6) * rng.sign()).sin_cos();
    let shift = if rng.chance(0.5) { 0.5 } else { 0.0 };
    let rows = if wedge.square { shift } else { shift * 3f32.sqrt() };
    // The strap from (0.5, 0): its normal, and the same strap turned about the middle of the wedge.
    let normal = (theta.cos(), theta.sin());
    let mirror = |(x, y): (f32, f32), about: f32| {
        let (s, c) = (2.0 * about).sin_cos();
        (x * c + y * s, x * s - y * c)
    };
    let second = kind != 6;
    let pip = pick(&fills, 1);
    fine(canvas, |x, y| {
        let (x, y) = ((x * cos - y * sin) / side + shift, (x * sin + y * cos) / side + rows);
        let (p, q, even, i, j) = wedge.fold(x, y);
        let along = |(p, q): (f32, f32)| (p - 0.5) * normal.0 + q * normal.1;
        let upper = second && q.atan2(p) > w / 2.0;
        let folded = if upper { mirror((p, q), w / 2.0) } else { (p, q) };
        // Below 0 inside the star.
        let own = along(folded);
        // Whether the point lies past the polygon's side, in the cross or triangle between polygons.
        let past = upper && folded.0 > 0.5;
        let other = along((folded.0, -folded.1));
        let loose = |n: i32| noise.dot(i + n * 40, j - n * 7) < free;
        let dice = |n: i32, c: Colour| {
            if loose(n) { pick(&fills, (noise.dot(i - 31, j + n * 90) * fills.len() as f32) as usize) } else { c }
        };
        let (fill, depth) = if own < 0.0 {
            (dice(1, star), -own)
        } else if past && other > 0.0 {
            (cross, own.min(other))
        } else {
            (petal, own.min(other.abs()))
        };
        let mut c = fill;
        let cover = |d: f32| (0.5 - d / px).clamp(0.0, 1.0);
        let deep = depth - strap - band.rim;
        if insets > 0 {
            // A thin line that follows the strap.
            lay(&mut c, lit(fill, 0.72), cover((deep - 0.03).abs() - 0.008));
        }
        let r = p.hypot(q);
        if own < 0.0 && insets > 1 {
            lay(&mut c, dice(2, pip), cover(0.09 - deep));
            lay(&mut c, band.stripes[0], cover((0.09 - deep).abs() - 0.008));
        }
        if own < 0.0 && insets > 2 {
            lay(&mut c, dice(3, cross), cover(r - 0.075));
            lay(&mut c, band.stripes[0], cover(r - 0.04));
        }
        // At a side's middle two straps cross: which one is on top alternates along each strap.
        let over = if upper { !even } else { even };
        let (low, top) = if over { (other, own) } else { (own, other) };
        band.lay(&mut c, low.abs(), px);
        band.lay(&mut c, top.abs(), px);
        c
    });
}

#[cfg(test)]
mod tests {
    use super::paint;
    use crate::corpus::families::checks;

    #[test]
    fn one_seed_gives_one_picture_at_any_size() {
        checks::repeatable(paint);
        checks::any_size(paint);
    }

    #[test]
    fn the_look_is_obeyed() {
        checks::density(paint);
        checks::scale(paint);
        checks::symmetry(paint);
        checks::contrast(paint);
    }
}
