//! Bauhaus and Memphis posters: grids of arcs, overprinted compositions, arches, counterchange, and merry scraps.

use super::kit::{Plane, Tones, freedom, lerp, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, lighten, mix, to_oklab};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

type Colour = [f32; 3];
type Point = [f32; 2];

/// Covers the canvas. Scale sets the size of the shapes, density their number and what is drawn in them.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    match rng.below(10) {
        0..=2 => grid(canvas, look, &tones, rng),
        3 | 4 => composition(canvas, look, &tones, rng),
        5 => arches(canvas, look, &tones, rng),
        6 => counterchange(canvas, look, &tones, rng),
        _ => memphis(canvas, look, &tones, rng),
    }
}

fn apart(a: Colour, b: Colour) -> f32 {
    let (a, b) = (to_oklab(a), to_oklab(b));
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f32>().sqrt()
}

/// A ground and the inks for it, in random order.
fn inks(tones: &Tones, rng: &mut Rng) -> (Colour, Vec<Colour>) {
    let ground = match rng.below(8) {
        0..=4 => tones.light(),
        5 => tones.dark(),
        6 => tones.accent(),
        _ => tones.nth(rng.below(16)),
    };
    let mut inks = tones.without(ground);
    rng.shuffle(&mut inks);
    (ground, inks)
}

/// An ink that stands off from a colour.
fn against(inks: &[Colour], under: Colour, t: f32) -> Colour {
    let mut order: Vec<Colour> = inks.to_vec();
    order.sort_by(|a, b| apart(*b, under).total_cmp(&apart(*a, under)));
    // Of the farther half, any.
    order[((t * order.len().div_ceil(2) as f32) as usize).min(order.len() - 1)]
}

/// Draws in units of the shorter side from the top left corner, or in the mirror image of them.
struct Pen {
    sheet: Sheet,
    width: f32,
    height: f32,
    px: f32,
    flip: bool,
}

impl Pen {
    fn new(canvas: &Canvas) -> Self {
        let plane = Plane::of(canvas);
        let (width, height) = (plane.half_w * 2.0, plane.half_h * 2.0);
        Self { sheet: Sheet::new(canvas), width, height, px: plane.px, flip: false }
    }
    /// A length in whole pixels: tiles of it meet without a seam.
    fn whole(&self, length: f32) -> f32 {
        (length / self.px).round().max(1.0) * self.px
    }
    fn x(&self, x: f32) -> f32 {
        if self.flip { self.width - x } else { x }
    }
    fn poly(&mut self, points: &[Point], ink: Colour) {
        let points: Vec<Point> = points.iter().map(|p| [self.x(p[0]), p[1]]).collect();
        self.sheet.fill(vector::polygon(&points).as_ref(), ink, 1.0);
    }
    fn bar(&mut self, [x, y]: Point, [w, h]: Point, ink: Colour) {
        self.poly(&[[x, y], [x + w, y], [x + w, y + h], [x, y + h]], ink);
    }
    fn disc(&mut self, [x, y]: Point, r: f32, ink: Colour) {
        self.sheet.fill(vector::circle(self.x(x), y, r).as_ref(), ink, 1.0);
    }
    fn pie(&mut self, [x, y]: Point, (inner, outer): (f32, f32), from: f32, turn: f32, ink: Colour) {
        let (from, to) = if self.flip { (PI - from - turn, PI - from) } else { (from, from + turn) };
        self.sheet.fill(vector::sector(self.x(x), y, inner, outer, from, to).as_ref(), ink, 1.0);
    }
    fn ring(&mut self, at: Point, r: f32, width: f32, ink: Colour) {
        self.sheet.stroke(vector::circle(self.x(at[0]), at[1], r).as_ref(), width, ink, 1.0);
    }
    fn line(&mut self, points: &[Point], width: f32, ink: Colour, sharp: bool) {
        let points: Vec<Point> = points.iter().map(|p| [self.x(p[0]), p[1]]).collect();
        if sharp {
            self.sheet.stroke_sharp(vector::polyline(&points).as_ref(), width, ink, 1.0);
        } else {
            self.sheet.stroke(vector::curve(&points).as_ref(), width, ink, 1.0);
        }
    }
    /// Prints what was drawn over the canvas as a translucent ink would: overlaps darken, on dark grounds lighten.
    fn overprint(&mut self, canvas: &mut Canvas, ink: Colour, dark: bool) {
        let cover = self.sheet.coverage();
        for (pixel, a) in canvas.rgb.iter_mut().zip(cover) {
            let both =
                [0, 1, 2].map(|k| if dark { 1.0 - (1.0 - pixel[k]) * (1.0 - ink[k]) } else { pixel[k] * ink[k] });
            *pixel = mix(*pixel, mix(ink, both, 0.65), a);
        }
        self.sheet.clear();
    }
    fn finish(&self, canvas: &mut Canvas) {
        self.sheet.over(canvas);
    }
}

/// A grid of quarter circles, half discs, stripes and dots.
fn grid(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let mut pen = Pen::new(canvas);
    let s = pen.whole(1.0 / lerp(lerp(6.5, 8.0, look.density), 2.8, look.scale.powf(0.8)));
    let (noise, free) = (Noise::new(rng), freedom(look));
    let (ground, inks) = inks(tones, rng);
    canvas.rgb.fill(ground);
    let all: Vec<Colour> = tones.all.clone();
    let (columns, rows) = ((pen.width / s / 2.0).ceil() as i32, (pen.height / s / 2.0).ceil() as i32);
    let upright = rng.chance(0.5);
    let plain = lerp(0.24, 0.0, look.density);
    let busy = lerp(0.1, 0.8, look.density);
    // The kinds of one poster, a few of all, so that it hangs together.
    let mut kinds: Vec<u32> = (0..10).collect();
    rng.shuffle(&mut kinds);
    kinds.truncate(4 + rng.below(4));
    let few = rng.chance(0.35);
    for j in -rows..rows {
        for i in -columns..columns {
            let mirrored = noise.dot(i.max(-1 - i) + 900, j) >= free;
            let a = if mirrored { i.max(-1 - i) } else { i + 300 };
            let b = if mirrored && upright { j.max(-1 - j) } else { j };
            pen.flip = mirrored && i < 0;
            let column = if pen.flip { -1 - i } else { i };
            let at = [pen.width / 2.0 + column as f32 * s, pen.height / 2.0 + j as f32 * s];
            let upside = mirrored && upright && j < 0;
            let die = |n: i32| noise.dot(a + 37 * n, b - 91 * n);
            let under = if die(1) < 0.35 || few { ground } else { all[(die(2) * all.len() as f32) as usize] };
            pen.bar(at, [s, s], under);
            if die(3) < plain {
                continue;
            }
            let ink = against(if few { &inks } else { &all }, under, die(4));
            let third = against(&all, ink, die(5));
            let third = if apart(third, under) < 0.05 { ground } else { third };
            let turn = (die(6) * 4.0) as i32;
            let rich = die(8) < busy;
            // Points in the tile, turned by quarters; mirrored tiles of the upper half stand on their heads.
            let put = |u: f32, v: f32| {
                let (mut u, mut v) = (u, v);
                for _ in 0..turn {
                    (u, v) = (1.0 - v, u);
                }
                let v = if upside { 1.0 - v } else { v };
                [at[0] + u * s, at[1] + v * s]
            };
            let arc = |u: f32, v: f32, from: f32, inner: f32, outer: f32, sweep: f32| -> Vec<Point> {
                let ray = |k: usize, r: f32| {
                    let angle = from + sweep * k as f32 / 40.0;
                    put(u + r * angle.cos(), v + r * angle.sin())
                };
                let mut p: Vec<Point> = (0..=40).map(|k| ray(k, outer)).collect();
                p.extend((0..=40).rev().map(|k| ray(k, inner)));
                p
            };
            match kinds[(die(7) * kinds.len() as f32) as usize] {
                0 | 1 => {
                    pen.poly(&arc(0.0, 0.0, 0.0, 0.0, 1.0, FRAC_PI_2), ink);
                    if rich {
                        pen.poly(&arc(0.0, 0.0, 0.0, 0.0, 0.66, FRAC_PI_2), third);
                        pen.poly(&arc(0.0, 0.0, 0.0, 0.0, 0.33, FRAC_PI_2), ink);
                    }
                }
                2 => {
                    pen.poly(&arc(0.0, 0.5, -FRAC_PI_2, 0.0, 0.5, PI), ink);
                    let other = if rich { third } else { ink };
                    pen.poly(&arc(0.5, 0.5, -FRAC_PI_2, 0.0, 0.5, PI), other);
                }
                3 => {
                    let n = if rich { 4 } else { 3 };
                    for k in 0..n {
                        let (u0, u1) = (k as f32 / n as f32, (k as f32 + 0.5) / n as f32);
                        pen.poly(&[put(u0, 0.0), put(u1, 0.0), put(u1, 1.0), put(u0, 1.0)], ink);
                    }
                }
                4 => {
                    pen.poly(&arc(0.5, 0.5, 0.0, 0.0, 0.5, TAU), ink);
                    if rich {
                        pen.poly(&arc(0.5, 0.5, 0.0, 0.0, 0.5, PI), third);
                    }
                    pen.poly(&arc(0.5, 0.5, 0.0, 0.0, 0.2, TAU), under);
                }
                5 => {
                    pen.poly(&[put(0.0, 0.0), put(1.0, 0.0), put(0.0, 1.0)], ink);
                    if rich {
                        pen.poly(&[put(0.5, 0.5), put(1.0, 0.5), put(1.0, 1.0), put(0.5, 1.0)], third);
                    }
                }
                6 => {
                    // A leaf between two corners, or a flower of four.
                    pen.poly(&leaf(put), ink);
                    if rich {
                        pen.poly(&arc(0.5, 0.5, 0.0, 0.0, 0.14, TAU), third);
                    }
                }
                7 => {
                    let n = if rich { 3 } else { 2 };
                    for k in 0..n * n {
                        let (u, v) = ((k % n) as f32 + 0.5, (k / n) as f32 + 0.5);
                        let n = n as f32;
                        pen.poly(&arc(u / n, v / n, 0.0, 0.0, 0.3 / n, TAU), ink);
                    }
                }
                8 => {
                    for (k, c) in [ink, under, third, under].into_iter().enumerate().take(if rich { 4 } else { 2 }) {
                        pen.poly(&arc(0.5, 1.0, PI, 0.0, 0.5 - 0.12 * k as f32, PI), c);
                    }
                }
                _ => {
                    pen.poly(&arc(0.0, 0.0, 0.0, 0.0, 0.5, FRAC_PI_2), ink);
                    pen.poly(&arc(1.0, 1.0, PI, 0.0, 0.5, FRAC_PI_2), third);
                    if rich {
                        pen.poly(&arc(1.0, 0.0, FRAC_PI_2, 0.0, 0.5, FRAC_PI_2), third);
                        pen.poly(&arc(0.0, 1.0, -FRAC_PI_2, 0.0, 0.5, FRAC_PI_2), ink);
                    }
                }
            }
        }
    }
    pen.finish(canvas);
}

/// What two quarter discs in opposite corners share.
fn leaf(put: impl Fn(f32, f32) -> Point) -> Vec<Point> {
    let on = |k: i32| (FRAC_PI_2 * k as f32 / 24.0).sin_cos();
    let there = (0..=24).map(|k| put(on(k).0, on(k).1));
    let back = (0..=24).map(|k| put(1.0 - on(k).0, 1.0 - on(k).1));
    there.chain(back).collect()
}

/// A great disc, bars, triangles and rings, printed over each other with translucent inks.
fn composition(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let mut pen = Pen::new(canvas);
    let free = freedom(look);
    let (ground, inks) = inks(tones, rng);
    canvas.rgb.fill(ground);
    let dark = to_oklab(ground)[0] < 0.5;
    let strong = if dark { tones.light() } else { lighten(tones.dark(), -0.03) };
    let (w, h) = (pen.width, pen.height);
    let big = lerp(0.18, 0.4, look.scale) * lerp(1.15, 0.95, look.density);
    let count = lerp(5.0, 15.0, look.density).round() as usize;
    // All bars of a free poster lean the same way.
    let lean = if rng.chance(free) { *rng.pick(&[FRAC_PI_4, -FRAC_PI_4, 0.35, -0.35]) } else { 0.0 };
    for k in 0..count {
        let paired = !rng.chance(free);
        let ink = if k > 2 && rng.chance(0.25) { strong } else { inks[k % inks.len()] };
        let size = big * if k == 0 { 1.0 } else { rng.range(0.35, 0.9) };
        let kind = if k == 0 { 0 } else { rng.below(9) };
        // In a mirrored poster a shape stands on the axis, or is one of twins.
        let axis = paired && (k == 0 || rng.chance(0.5));
        let x = if axis { w / 2.0 } else { rng.range(0.12, 0.88) * w };
        let y = rng.range(0.15, 0.85) * h;
        let (s, c) = if axis { (0.0, 1.0) } else { lean.sin_cos() };
        let put = |u: f32, v: f32| [x + (u * c - v * s) * size, y + (u * s + v * c) * size];
        let rect = |u0: f32, v0: f32, u1: f32, v1: f32| [put(u0, v0), put(u1, v0), put(u1, v1), put(u0, v1)];
        let down = rng.chance(0.5);
        let n = 3 + (look.density * 3.0) as usize;
        let slim = rng.range(0.07, 0.2);
        for flip in [false, true] {
            if flip && (!paired || axis) {
                continue;
            }
            pen.flip = flip;
            match kind {
                0 | 1 => pen.disc([x, y], size, ink),
                2 => pen.pie([x, y], (0.0, size), if down { 0.0 } else { PI } + if axis { 0.0 } else { lean }, PI, ink),
                3 => pen.poly(&rect(-2.4, -slim, 2.4, slim), ink),
                4 => pen.poly(&rect(-slim, -2.4, slim, 2.4), ink),
                5 => {
                    let v = if down { 0.8 } else { -0.8 };
                    pen.poly(&[put(-1.0, v), put(1.0, v), put(0.0, -v)], ink);
                }
                6 => {
                    for k in 0..n {
                        let v = (k as f32 / n as f32 - 0.5) * 1.4;
                        pen.poly(&rect(-0.8, v, 0.8, v + 0.6 / n as f32), ink);
                    }
                }
                7 => {
                    let start = if down { 0.0 } else { PI } + if axis { 0.0 } else { lean };
                    for k in 0..n {
                        let r = size * (k as f32 + 1.0) / n as f32;
                        pen.pie([x, y], (r - size * 0.5 / n as f32, r), start, PI, ink);
                    }
                }
                _ => pen.ring([x, y], size * 0.8, size * slim * 1.4, ink),
            }
        }
        // The black of the poster covers; the other inks mix.
        if ink == strong {
            pen.finish(canvas);
            pen.sheet.clear();
        } else {
            pen.overprint(canvas, ink, dark);
        }
    }
    if look.density > 0.3 {
        // A few full stops.
        let r = lerp(0.016, 0.035, look.scale);
        let n = 3 + rng.below(4);
        let (x, y) = (if rng.chance(free) { rng.range(0.1, 0.6) * w } else { w / 2.0 }, rng.range(0.88, 0.93) * h);
        let x = if x == w / 2.0 { x - (n - 1) as f32 * r * 1.6 } else { x };
        pen.flip = false;
        (0..n).for_each(|k| pen.disc([x + k as f32 * r * 3.2, y], r, strong));
        pen.finish(canvas);
    }
}

/// Rows of concentric half discs.
fn arches(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let mut pen = Pen::new(canvas);
    let s = pen.whole(0.5 / lerp(5.0, 1.6, look.scale)) * 2.0;
    let rings = lerp(2.0, 6.4, look.density).round() as usize;
    let (noise, free) = (Noise::new(rng), freedom(look));
    let (ground, inks) = inks(tones, rng);
    canvas.rgb.fill(ground);
    let (columns, rows) = ((pen.width / s / 2.0).ceil() as i32, (pen.height / s).ceil() as i32);
    let style = rng.below(3);
    let gap = if rng.chance(0.5) { 0.96 } else { 1.0 };
    for j in -rows..rows {
        for i in -columns..columns {
            let mirrored = noise.dot(i.max(-1 - i) + 900, j) >= free;
            let a = if mirrored { i.max(-1 - i) } else { i + 300 };
            pen.flip = mirrored && i < 0;
            let column = if pen.flip { -1 - i } else { i };
            let (x, y) = (pen.width / 2.0 + column as f32 * s, pen.height / 2.0 + j as f32 * s / 2.0);
            let die = |n: i32| noise.dot(a + 37 * n, j - 91 * n);
            let up = match style {
                _ if !mirrored => die(1) < 0.5,
                0 => true,
                1 => j & 1 == 0,
                _ => (a + j) & 1 == 0,
            };
            let first = (die(2) * inks.len() as f32) as usize;
            let under = if die(3) < 0.4 { blend(ground, inks[first], 0.25) } else { ground };
            pen.bar([x, y], [s, s / 2.0], under);
            let (base, from) = if up { (y + s / 2.0, PI) } else { (y, 0.0) };
            for k in 0..rings {
                let r = s * 0.5 * gap * (1.0 - k as f32 / rings as f32);
                let ink = match k % 2 {
                    1 if inks.len() < 3 || die(4) < 0.5 => ground,
                    _ => inks[(first + k) % inks.len()],
                };
                pen.pie([x + s / 2.0, base], (0.0, r), from, PI, ink);
            }
        }
    }
    pen.finish(canvas);
}

/// Stripes whose colours change sides inside great discs, triangles and rings.
fn counterchange(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let free = freedom(look);
    let (ground, inks) = inks(tones, rng);
    let strong = against(&inks, ground, 0.0);
    let second = inks.iter().copied().find(|c| *c != strong).unwrap_or(strong);
    let pace = lerp(9.0, 2.2, look.scale) * lerp(0.7, 1.25, look.density);
    let turn = if rng.chance(free) { *rng.pick(&[FRAC_PI_4, -FRAC_PI_4, 0.5, -0.3]) } else { 0.0 };
    let upright = rng.chance(0.5);
    let (sin, cos) = turn.sin_cos();
    let count = lerp(1.0, 4.4, look.density).round() as usize;
    let mut shapes = Vec::new();
    for k in 0..count {
        let size = lerp(0.2, 0.4, look.scale) * if k == 0 { 1.0 } else { rng.range(0.45, 0.8) };
        let (x, y) = if rng.chance(free) {
            (rng.range(-0.7, 0.7) * plane.half_w, rng.range(-0.6, 0.6) * plane.half_h)
        } else {
            (0.0, if k == 0 && count == 1 { 0.0 } else { rng.range(-0.6, 0.6) * plane.half_h })
        };
        shapes.push((x, y, size, rng.below(4)));
    }
    let swap = rng.chance(0.4);
    let at = |x: f32, y: f32| {
        let v = if upright { x * cos + y * sin } else { y * cos - x * sin };
        let stripe = ((v * pace * 2.0 + 0.5).floor() as i32) & 1 == 0;
        let mut inside = 0;
        for &(cx, cy, size, kind) in &shapes {
            let (dx, dy) = ((x - cx) / size, (y - cy) / size);
            let r = dx.hypot(dy);
            inside += i32::from(match kind {
                0 | 1 => r < 1.0,
                2 => dy < 0.75 && dx.abs() * 1.73 < dy + 1.0,
                _ => r < 1.0 && r > 0.5,
            });
        }
        match (inside & 1 == 1, stripe) {
            (false, true) => ground,
            (false, false) => second,
            (true, false) if swap => ground,
            (true, false) => inks[inks.len() / 2],
            (true, true) => strong,
        }
    };
    let k = plane.px / 8.0;
    shade(canvas, |x, y| {
        let mut sum = [0.0; 3];
        for (a, b) in [(-1.0, -3.0), (3.0, -1.0), (1.0, 3.0), (-3.0, 1.0)] {
            let c = at(x + a * k, y + b * k);
            (0..3).for_each(|n| sum[n] += c[n] * 0.25);
        }
        sum
    });
}

/// Squiggles, zigzags, dots, triangles and confetti on a plain ground.
fn memphis(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let mut pen = Pen::new(canvas);
    let free = freedom(look);
    let (ground, inks) = inks(tones, rng);
    canvas.rgb.fill(ground);
    let (w, h) = (pen.width, pen.height);
    let size = lerp(0.06, 0.17, look.scale);
    let strong = against(&tones.all, ground, 0.0);
    // Great plain shapes lie under the scraps.
    let slabs = if rng.chance(0.6) { lerp(1.0, 3.5, look.density) as usize } else { 0 };
    for _ in 0..slabs {
        let paired = !rng.chance(free);
        let (x, y) = (rng.range(0.0, 0.5) * w, *rng.pick(&[0.0, 0.3, 0.7, 1.0]) * h);
        let x = if paired || rng.chance(0.5) { x } else { w - x };
        let (r, kind) = (size * rng.range(1.8, 2.8), rng.below(3));
        let ink = blend(ground, *rng.pick(&inks), 0.55);
        let turn = rng.range(0.0, TAU);
        for flip in [false, true] {
            if flip && !paired {
                continue;
            }
            pen.flip = flip;
            match kind {
                0 => pen.disc([x, y], r, ink),
                1 => pen.pie([x, y], (0.0, r * 1.3), turn, PI, ink),
                _ => {
                    let p = [0.0, 1.0, 2.0].map(|k: f32| {
                        let a = turn + k * TAU / 3.0;
                        [x + a.cos() * r * 1.2, y + a.sin() * r * 1.2]
                    });
                    pen.poly(&p, ink);
                }
            }
        }
    }
    // Scraps as far from each other as a few throws allow: large ones first, then confetti.
    let room = size * lerp(2.7, 1.95, look.density);
    let large = ((w * h / (room * room)).round() as usize).clamp(3, 140);
    let small = (large as f32 * lerp(0.6, 2.0, look.density)) as usize;
    let mut taken: Vec<(Point, f32)> = Vec::new();
    let mut order: Vec<usize> = (0..9).collect();
    rng.shuffle(&mut order);
    let kinds = 5 + rng.below(4);
    let mut k = 0;
    while k < large + small {
        let confetti = k >= large;
        let reach = if confetti { size * 0.28 } else { size };
        let paired = !rng.chance(free);
        let mut best = ([0.0, 0.0], f32::MIN);
        for _ in 0..14 {
            let p = [rng.range(-0.02, if paired { 0.5 } else { 1.02 }) * w, rng.range(-0.02, 1.02) * h];
            let p = if paired && p[0] > w / 2.0 - reach * 0.7 { [w / 2.0, p[1]] } else { p };
            let gap = |q: &(Point, f32)| (p[0] - q.0[0]).hypot(p[1] - q.0[1]) - q.1 - reach;
            let near = taken.iter().map(gap).fold(f32::MAX, f32::min);
            if near > best.1 {
                best = (p, near);
            }
        }
        let (p, near) = best;
        let axis = paired && p[0] == w / 2.0;
        k += if paired && !axis { 2 } else { 1 };
        if near < -0.15 * reach {
            continue;
        }
        taken.push((p, reach));
        if paired {
            taken.push(([w - p[0], p[1]], reach));
        }
        let ink = if rng.chance(0.2) { strong } else { *rng.pick(&inks) };
        let ink = if apart(ink, ground) < 0.08 { strong } else { ink };
        let other = against(&tones.all, ink, rng.unit());
        let kind = if confetti { 20 + rng.below(4) } else { order[k % kinds] };
        // A shape on the axis stands upright.
        let turn = if axis { *rng.pick(&[0.0, PI]) } else { rng.range(0.0, TAU) };
        let shape = (kind, turn, reach * rng.range(0.9, 1.15));
        let kind = if axis && (kind == 0 || kind == 1) { 3 } else { shape.0 };
        pen.flip = false;
        scrap(&mut pen, (kind, shape.1, shape.2), p, [ink, other, strong], look.density);
        if paired && !axis {
            pen.flip = true;
            scrap(&mut pen, (kind, shape.1, shape.2), p, [ink, other, strong], look.density);
        }
    }
    pen.finish(canvas);
}

/// One scrap of a Memphis pattern: (kind, turn, reach).
fn scrap(
    pen: &mut Pen,
    (kind, turn, r): (usize, f32, f32),
    [x, y]: Point,
    [ink, other, strong]: [Colour; 3],
    density: f32,
) {
    let (s, c) = turn.sin_cos();
    let put = |u: f32, v: f32| [x + (u * c - v * s) * r, y + (u * s + v * c) * r];
    let n = 3 + (density * 2.4) as usize;
    match kind {
        // A squiggle.
        0 => {
            let p: Vec<Point> = (0..=36)
                .map(|k| {
                    let t = k as f32 / 18.0 - 1.0;
                    put(t, 0.34 * (t * PI * 2.5).sin())
                })
                .collect();
            pen.line(&p, r * 0.24, ink, false);
        }
        // A zigzag.
        1 => {
            let p: Vec<Point> =
                (0..7).map(|k| put(k as f32 / 3.0 - 1.0, if k % 2 == 0 { 0.28 } else { -0.28 })).collect();
            pen.line(&p, r * 0.2, ink, true);
        }
        // A patch of dots.
        2 => {
            for k in 0..n * n {
                let at = |k: usize| (k as f32 / (n - 1) as f32 - 0.5) * 1.5;
                pen.disc(put(at(k % n), at(k / n)), r * 0.5 / n as f32, ink);
            }
        }
        // A triangle with its shadow.
        3 => {
            let p = [[-0.8, 0.62], [0.8, 0.62], [0.0, -0.75]];
            pen.poly(&p.map(|q| put(q[0], q[1] + 0.22)), strong);
            pen.poly(&p.map(|q| put(q[0], q[1])), if ink == strong { other } else { ink });
        }
        // The outline of a triangle.
        4 => {
            let p = [[-0.7, 0.6], [0.7, 0.6], [0.0, -0.7], [-0.7, 0.6], [0.7, 0.6]].map(|q| put(q[0], q[1]));
            pen.line(&p, r * 0.18, ink, true);
        }
        // A disc, half of it in stripes.
        5 => {
            pen.disc([x, y], r * 0.8, ink);
            for k in 0..n {
                let v = (k as f32 + 0.5) / n as f32 * 0.7;
                let u = (0.8f32 * 0.8 - v * v).max(0.0).sqrt() * 0.96;
                pen.line(&[put(-u, v), put(u, v)], r * 0.4 / n as f32, other, true);
            }
        }
        // Half a ring of rings.
        6 => {
            for (k, c) in [ink, other, ink, other].into_iter().enumerate().take(n - 1) {
                pen.pie(put(0.0, 0.35), (0.0, r * (0.9 - 0.22 * k as f32)), turn + PI, PI, c);
            }
        }
        // A striped square.
        7 => {
            for k in 0..n {
                let v = (k as f32 / n as f32 - 0.5) * 1.4;
                let e = v + 0.8 / n as f32;
                pen.poly(&[put(-0.7, v), put(0.7, v), put(0.7, e), put(-0.7, e)], ink);
            }
        }
        // A ring with its dot.
        8 => {
            pen.ring([x, y], r * 0.62, r * 0.26, ink);
            pen.disc([x, y], r * 0.22, other);
        }
        20 => pen.disc([x, y], r * 0.7, ink),
        21 => {
            pen.line(&[put(-1.0, 0.0), put(1.0, 0.0)], r * 0.55, ink, true);
            pen.line(&[put(0.0, -1.0), put(0.0, 1.0)], r * 0.55, ink, true);
        }
        22 => pen.line(&[put(0.0, -1.2), put(0.0, 1.2)], r * 0.6, ink, false),
        _ => pen.poly(&[put(-1.0, 0.7), put(1.0, 0.7), put(0.0, -1.0)], ink),
    }
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
