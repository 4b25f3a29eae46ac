//! Discs packed without overlap: greedy packings, Apollonian gaskets, seed heads, graded lattices and nests.

use super::kit::{Motif, Plane, Tones, freedom, lay, lerp, lit, shade, touch};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, mix, smoothstep};
use crate::corpus::rng::Rng;
use std::f32::consts::{PI, TAU};

/// A disc in the plane; twins of a mirrored pair share their seed and look the other way.
#[derive(Debug, Clone, Copy)]
struct Disc {
    x: f32,
    y: f32,
    r: f32,
    seed: u64,
    flip: bool,
    /// Other discs lie on it, so it is dressed plainly.
    host: bool,
}

/// The region that a packing fills: the distance from a point to its border, positive inside.
#[derive(Debug, Clone, Copy)]
enum Region {
    Picture,
    Round(f32, f32, f32),
}

impl Region {
    fn room(self, plane: &Plane, x: f32, y: f32) -> f32 {
        match self {
            // Discs may hang over the rim.
            Self::Picture => (plane.half_w - x.abs()).min(plane.half_h - y.abs()) + 0.12,
            Self::Round(cx, cy, r) => r - (x - cx).hypot(y - cy),
        }
    }
    fn draw(self, plane: &Plane, rng: &mut Rng) -> (f32, f32) {
        match self {
            Self::Picture => {
                let (w, h) = (plane.half_w + 0.05, plane.half_h + 0.05);
                (rng.range(-w, w), rng.range(-h, h))
            }
            Self::Round(cx, cy, r) => {
                let (a, d) = (rng.range(0.0, TAU), r * rng.unit().sqrt());
                (cx + d * a.cos(), cy + d * a.sin())
            }
        }
    }
}

/// Throws discs, each as large as its place allows; a share `symmetry` of them comes with its mirror image.
struct Packing {
    largest: f32,
    smallest: f32,
    gap: f32,
    tries: usize,
    symmetry: f32,
}

impl Packing {
    fn fill(&self, plane: &Plane, region: Region, rng: &mut Rng) -> Vec<Disc> {
        let mut discs: Vec<Disc> = Vec::new();
        for k in 0..self.tries {
            let (mut x, y) = region.draw(plane, rng);
            let twin = rng.unit() < self.symmetry;
            // Large ones first, then ever smaller ones.
            let wish = self.largest * (1.0 - k as f32 / self.tries as f32).max(0.12) * rng.range(0.7, 1.0);
            if twin && x.abs() < self.smallest * 1.5 {
                x = 0.0;
            }
            let mut r = wish.min(region.room(plane, x, y));
            for d in &discs {
                r = r.min((x - d.x).hypot(y - d.y) - d.r - self.gap);
                if twin && x != 0.0 {
                    r = r.min((x + d.x).hypot(y - d.y) - d.r - self.gap);
                }
            }
            if twin && x != 0.0 {
                r = r.min(x.abs() - self.gap / 2.0);
            }
            if r < self.smallest {
                continue;
            }
            let seed = u64::from(rng.bits());
            discs.push(Disc { x, y, r, seed, flip: false, host: false });
            if twin && x != 0.0 {
                discs.push(Disc { x: -x, y, r, seed, flip: true, host: false });
            }
        }
        discs
    }
}

/// The Apollonian gasket in a disc of the radius given (Descartes 1643, Soddy 1936), down to the smallest radius.
fn gasket(centre: (f32, f32), radius: f32, share: f32, turn: f32, smallest: f32, gap: f32) -> Vec<Disc> {
    // (curvature, centre x, centre y); the enclosing circle's curvature is negative.
    type Circle = [f32; 3];
    let outer: Circle = [-1.0 / radius, 0.0, 0.0];
    let (ra, rb) = (radius * share, radius * (1.0 - share));
    let on = |d: f32, r: f32| -> Circle { [1.0 / r, d * turn.cos(), d * turn.sin()] };
    let (a, b) = (on(ra - radius, ra), on(radius - rb, rb));
    // Both circles that touch three others: from b = a + c + d ± 2 sqrt(ac + cd + da), for curvatures and for
    // curvature times centre (a complex number).
    let touching = |p: Circle, q: Circle, s: Circle| -> [Circle; 2] {
        let sum = p[0] + q[0] + s[0];
        let root = (p[0] * q[0] + q[0] * s[0] + s[0] * p[0]).max(0.0).sqrt();
        let z = |c: Circle| (c[0] * c[1], c[0] * c[2]);
        let mul = |a: (f32, f32), b: (f32, f32)| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0);
        let (zp, zq, zs) = (z(p), z(q), z(s));
        let (m1, m2, m3) = (mul(zp, zq), mul(zq, zs), mul(zs, zp));
        let m = (m1.0 + m2.0 + m3.0, m1.1 + m2.1 + m3.1);
        // Complex square root.
        let len = m.0.hypot(m.1);
        let w = (((len + m.0) / 2.0).max(0.0).sqrt(), ((len - m.0) / 2.0).max(0.0).sqrt() * m.1.signum());
        let make = |sign: f32, curvature: f32| -> Circle {
            let k = if curvature.abs() < 1e-4 { 1e-4 } else { curvature };
            [k, (zp.0 + zq.0 + zs.0 + sign * 2.0 * w.0) / k, (zp.1 + zq.1 + zs.1 + sign * 2.0 * w.1) / k]
        };
        // The root's sign is ambiguous for the centres: keep the candidate that really touches.
        let best = |curvature: f32| {
            let fit = |c: Circle| {
                [p, q, s]
                    .iter()
                    .map(|o| ((c[1] - o[1]).hypot(c[2] - o[2]) - (1.0 / c[0] + 1.0 / o[0]).abs()).abs())
                    .fold(0.0, f32::max)
            };
            let (one, two) = (make(1.0, curvature), make(-1.0, curvature));
            if fit(one) <= fit(two) { one } else { two }
        };
        [best(sum + 2.0 * root), best(sum - 2.0 * root)]
    };
    let mut found = vec![a, b];
    // For two equal halves both solutions have one curvature and mirrored centres.
    let first = touching(outer, a, b)[0];
    let (s, c) = (2.0 * turn).sin_cos();
    let second = [first[0], first[1] * c + first[2] * s, first[1] * s - first[2] * c];
    let mut queue = Vec::new();
    for third in [first, second] {
        found.push(third);
        queue.extend([([outer, a, third], b), ([outer, b, third], a), ([a, b, third], outer)]);
    }
    while let Some(([p, q, s], known)) = queue.pop() {
        if found.len() > 900 {
            break;
        }
        // Of the two circles that touch these three, one is known already.
        let two = touching(p, q, s);
        let far = |c: Circle| (c[0] - known[0]).abs() + 30.0 * ((c[1] - known[1]).hypot(c[2] - known[2]));
        let new = if far(two[0]) >= far(two[1]) { two[0] } else { two[1] };
        if new[0] <= 0.0 || 1.0 / new[0] < smallest + gap / 2.0 {
            continue;
        }
        found.push(new);
        queue.extend([([p, q, new], s), ([p, s, new], q), ([q, s, new], p)]);
    }
    found
        .iter()
        .enumerate()
        .map(|(k, c)| Disc {
            x: centre.0 + c[1],
            y: centre.1 + c[2],
            r: 1.0 / c[0] - gap / 2.0,
            // Equal discs dress alike.
            seed: (c[0] * 8.0).round() as u64 * 31 + (k == 0) as u64,
            flip: c[1] < 0.0,
            host: false,
        })
        .collect()
}

/// Rings of discs around the centre, or the spiral of a seed head the freer the look is.
fn seed_head(plane: &Plane, look: &Look, rng: &mut Rng) -> Vec<Disc> {
    let mut discs = Vec::new();
    let size = lerp(0.026, 0.075, look.scale) * lerp(1.15, 0.85, look.density);
    let growth = rng.range(0.0, 0.55);
    let shrink = lerp(0.72, 0.96, look.density);
    let reach = if rng.chance(0.5) { 0.47 } else { plane.reach() };
    if look.symmetry < 0.5 {
        // Vogel 1979: equal areas at the golden angle.
        let golden = PI * (3.0 - 5.0f32.sqrt()) + (rng.unit() - 0.5) * 0.004;
        for k in 0..2000 {
            let t = size * 1.9 * (k as f32 + 0.6).sqrt();
            let d = t * (1.0 + growth * (t - 0.2));
            if d > reach {
                break;
            }
            let (s, c) = (k as f32 * golden).sin_cos();
            let r = size * shrink * (1.0 + growth * (1.6 * t - 0.2));
            discs.push(Disc { x: d * c, y: d * s, r, seed: (k % 3) as u64, flip: false, host: false });
        }
    } else {
        let mut d = 0.0;
        let mut ring = 0u64;
        let loose = (1.0 - look.symmetry) * 2.0;
        loop {
            let r = size * shrink * (1.0 + growth * 2.0 * d);
            if d > reach {
                break;
            }
            let count = if d == 0.0 { 1 } else { ((PI / (r / (shrink * d)).min(1.0).asin()).floor() as usize).max(3) };
            // Half a step on every other ring, measured from the top so that every ring mirrors.
            let start = if ring.is_multiple_of(2) { 0.0 } else { 0.5 } + loose * rng.range(-0.5, 0.5);
            for k in 0..count {
                let a = TAU * (k as f32 + start) / count as f32 - PI / 2.0;
                discs.push(Disc { x: d * a.cos(), y: d * a.sin(), r, seed: ring, flip: a.cos() < 0.0, host: false });
            }
            d += (r + size * (1.0 + growth * 2.0 * (d + r))) / shrink * 0.98;
            ring += 1;
        }
    }
    discs
}

/// A lattice of discs whose sizes follow a motif.
fn lattice(plane: &Plane, look: &Look, motif: &Motif, rng: &mut Rng) -> Vec<Disc> {
    let pitch = lerp(0.075, 0.24, look.scale) * lerp(1.25, 0.85, look.density);
    let free = freedom(look);
    let hexagonal = rng.chance(0.6);
    let (sin, cos) = (rng.range(-0.7, 0.7) * free).sin_cos();
    let rise = if hexagonal { 0.866 } else { 1.0 };
    let n = (plane.reach() / (pitch * rise)).ceil() as i32 + 1;
    let least = rng.range(0.3, 0.55);
    let mut discs = Vec::new();
    for j in -n..=n {
        for i in -n..=n {
            let shift = if hexagonal && j & 1 != 0 { 0.5 } else { 0.0 };
            let jitter = |rng: &mut Rng| rng.range(-0.16, 0.16) * free;
            let (u, v) = ((i as f32 + shift + jitter(rng)) * pitch, (j as f32 + jitter(rng)) * pitch * rise);
            let (x, y) = (u * cos - v * sin, u * sin + v * cos);
            let r = pitch * 0.49 * lerp(least, 1.0, motif.at(x, y)) * lerp(0.84, 0.97, look.density);
            let seed = ((i + j).rem_euclid(3)) as u64;
            let seed = if free < 0.5 { (j.rem_euclid(2)) as u64 } else { seed };
            discs.push(Disc { x, y, r, seed, flip: x < 0.0, host: false });
        }
    }
    discs
}

/// How a disc is dressed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Dress {
    Flat,
    Rings,
    Ball,
    Halves,
    Moon,
    Flower,
    Fade,
    Pie,
    Band,
}

/// Covers the canvas. Scale sets the size of the largest discs, density how tightly they are packed.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let light = rng.chance(0.5);
    let (ground, rim) = tones.ground(light);
    let free = freedom(look);
    let mut motif = Motif::new(rng.below(Motif::KINDS), lerp(4.0, 1.6, look.scale), look, rng);
    let gap = lerp(0.022, 0.006, look.density);
    let packing = Packing {
        largest: lerp(0.085, 0.3, look.scale),
        smallest: lerp(0.017, 0.036, look.scale) * lerp(1.5, 0.85, look.density),
        gap,
        tries: lerp(80.0, 1100.0, look.density * look.density) as usize,
        symmetry: look.symmetry,
    };
    let mut plate = None;
    let discs =
        match rng.below(7) {
            0 | 1 => packing.fill(&plane, Region::Picture, rng),
            2 => {
                let region = Region::Round(rng.range(-0.04, 0.04) * free, 0.0, 0.46);
                plate = rng.chance(0.5).then_some((0.0, 0.0, 0.485));
                packing.fill(&plane, region, rng)
            }
            3 => {
                let share = lerp(rng.range(0.34, 0.66), 0.5, look.symmetry);
                let turn = rng.range(0.0, TAU) * free + if rng.chance(0.5) { PI / 2.0 } else { 0.0 };
                let radius = if rng.chance(0.65) { 0.475 } else { plane.reach() };
                plate = Some((0.0, 0.0, radius + 0.004));
                let smallest = lerp(0.011, 0.03, look.scale) * lerp(2.2, 0.8, look.density);
                gasket((0.0, 0.0), radius, share, turn, smallest, gap * 0.8)
            }
            4 => seed_head(&plane, look, rng),
            5 => {
                let kind = *rng.pick(&[0usize, 1, 2, 3, 5]);
                motif = Motif::new(kind, lerp(2.6, 1.2, look.scale), look, rng);
                lattice(&plane, look, &motif, rng)
            }
            _ => {
                // Nests: a few large discs, each packed with small ones.
                let nests = Packing { largest: lerp(0.2, 0.36, look.scale), smallest: 0.09, tries: 160, ..packing }
                    .fill(&plane, Region::Picture, rng);
                let mut all = Vec::new();
                for n in &nests {
                    all.push(Disc { host: true, ..*n });
                    let inner = Packing {
                        largest: n.r * lerp(0.3, 0.5, look.scale),
                        smallest: (n.r * 0.11).max(0.016),
                        gap: gap * 0.8,
                        tries: lerp(30.0, 260.0, look.density) as usize,
                        symmetry: 0.0,
                    };
                    // Twins hold mirrored contents.
                    let mut own = Rng::new(n.seed);
                    let local = inner.fill(&plane, Region::Round(0.0, 0.0, n.r * 0.94), &mut own);
                    let side = if n.flip { -1.0 } else { 1.0 };
                    all.extend(local.iter().map(|d| Disc { x: n.x + side * d.x, y: n.y + d.y, flip: n.flip, ..*d }));
                }
                all
            }
        };
    let glow = (rng.range(-0.25, 0.25) * free, rng.range(-0.25, 0.25));
    shade(canvas, |x, y| mix(ground, rim, smoothstep(0.0, 0.8, (x - glow.0).hypot(y - glow.1))));
    let mut inks = tones.without(ground);
    if let Some((x0, y0, r)) = plate {
        let c = blend(ground, tones.ramp.at(if light { 0.45 } else { 0.55 }), 0.75);
        let c = if rng.chance(0.5) {
            c
        } else if light {
            tones.dark()
        } else {
            tones.light()
        };
        inks = tones.without(c);
        touch(canvas, (x0, y0), r, |x, y, pixel| lay(pixel, c, plane.inside((x - x0).hypot(y - y0) - r)));
    }
    let dresses = wardrobe(rng);
    let toned = rng.chance(0.5);
    let shadow = if rng.chance(0.4) { rng.range(0.2, 0.4) } else { 0.0 };
    for d in &discs {
        if shadow > 0.0 && d.r > 0.02 {
            let (sx, sy) = (d.x + 0.008, d.y + 0.012);
            touch(canvas, (sx, sy), d.r + 0.012, |x, y, pixel| {
                let t = smoothstep(d.r + 0.012, d.r - 0.01, (x - sx).hypot(y - sy));
                *pixel = lit(*pixel, 1.0 - shadow * t);
            });
        }
        let mut own = Rng::new(d.seed.wrapping_mul(0x9E37_79B9) ^ 0x51);
        let n = inks.len();
        let first = if toned {
            ((motif.at(d.x, d.y) * (n - 1) as f32 + own.range(-0.4, 0.4)).round().max(0.0) as usize).min(n - 1)
        } else {
            own.below(n)
        };
        let second = (first + 1 + own.below(n.max(2) - 1)) % n;
        let clothes = if d.host { Dress::Flat } else { *own.pick(&dresses) };
        dress(canvas, d, clothes, (inks[first], inks[second]), ground, &mut own);
    }
}

fn wardrobe(rng: &mut Rng) -> Vec<Dress> {
    use Dress::{Ball, Band, Fade, Flat, Flower, Halves, Moon, Pie, Rings};
    let sets: [&[Dress]; 8] = [
        &[Rings],
        &[Ball],
        &[Flat, Flat, Rings],
        &[Fade],
        &[Halves, Flat, Pie],
        &[Moon, Flat],
        &[Flower, Flat, Rings],
        &[Flat, Rings, Halves, Moon, Flower, Pie, Band, Fade],
    ];
    rng.pick(&sets).to_vec()
}

fn dress(canvas: &mut Canvas, d: &Disc, dress: Dress, (a, b): ([f32; 3], [f32; 3]), ground: [f32; 3], rng: &mut Rng) {
    let plane = Plane::of(canvas);
    // Details need room.
    let dress = if d.r < 0.024 && dress != Dress::Ball { Dress::Flat } else { dress };
    let turn = (rng.below(8) as f32) * PI / 4.0;
    let (sin, cos) = turn.sin_cos();
    let rings = ((d.r / 0.017) as usize).clamp(2, 3 + rng.below(3));
    let petals = 5 + rng.below(4);
    let share = rng.range(0.45, 0.7);
    let opening = rng.range(0.5, 1.2);
    let swap = rng.chance(0.5);
    touch(canvas, (d.x, d.y), d.r, |x, y, pixel| {
        let (mut u, v) = ((x - d.x), (y - d.y));
        let r = u.hypot(v);
        let cover = plane.inside(r - d.r);
        if cover <= 0.0 {
            return;
        }
        // Light comes from one side for all, marks are mirrored in twins.
        let shine = (u + 0.36 * d.r).hypot(v + 0.4 * d.r) / d.r;
        if d.flip {
            u = -u;
        }
        let (along, across) = (u * cos + v * sin, v * cos - u * sin);
        let fill = match dress {
            Dress::Flat => a,
            Dress::Rings => {
                let t = r / d.r * rings as f32;
                let k = t.floor().min(rings as f32 - 1.0);
                let tone = |k: f32| if (k as usize + usize::from(swap)).is_multiple_of(2) { a } else { b };
                let edge = (t - t.round()) * d.r / rings as f32 / plane.px;
                if t.round() >= 1.0 && t.round() < rings as f32 && edge.abs() < 0.5 {
                    mix(tone(t.round() - 1.0), tone(t.round()), 0.5 + edge)
                } else {
                    tone(k)
                }
            }
            Dress::Ball => {
                let c = mix(lit(a, 1.4), a, smoothstep(0.0, 0.75, shine));
                mix(c, lit(a, 0.6), smoothstep(0.8, 1.45, shine))
            }
            Dress::Halves => mix(a, b, plane.inside(across)),
            Dress::Moon => {
                let inner = (along - d.r * (1.0 - share) * 0.8).hypot(across) - d.r * share;
                mix(a, b, plane.inside(inner))
            }
            Dress::Flower => {
                let angle = v.atan2(u) * petals as f32;
                let edge = d.r * (0.62 + 0.24 * angle.cos());
                let mut c = mix(a, b, plane.inside((r - edge) * 0.8));
                lay(&mut c, if swap { a } else { ground }, plane.inside(r - d.r * 0.24));
                c
            }
            Dress::Fade => mix(a, b, smoothstep(-0.9, 0.9, along / d.r)),
            Dress::Pie => {
                let angle = across.atan2(along).abs();
                mix(a, b, plane.inside((angle - opening) * r))
            }
            Dress::Band => mix(a, b, plane.inside(across.abs() - d.r * 0.34)),
        };
        lay(pixel, fill, cover);
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
