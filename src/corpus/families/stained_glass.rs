//! Stained glass: free panes, rose windows, gothic lights, diamond quarrels, sunbursts, and landscapes, all in lead.

use super::kit::{Motif, Plane, Tones, freedom, lay, lerp, lit, mirrored, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, from_oklab, lighten, mix, smoothstep, to_oklab};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use std::f32::consts::{PI, TAU};

/// Covers the canvas with leaded glass. Scale sets the size of the panes, density how often they are cut.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    match rng.below(9) {
        0 | 1 => voronoi(canvas, look, rng),
        2 | 3 => rose(canvas, look, rng),
        4 => gothic(canvas, look, rng),
        5 => quarrels(canvas, look, rng),
        6 => sunburst(canvas, look, rng),
        _ => landscape(canvas, look, rng),
    }
}

/// The pane over a point, found by cutting the plane piece by piece.
#[derive(Clone, Copy)]
struct Pane {
    /// Which pane; alike on both sides of the middle line.
    id: u32,
    /// Distance to the nearest lead.
    edge: f32,
    /// The side of the middle line, where it tells two panes apart.
    side: u32,
    /// The part it plays: panes of one part share a tone.
    part: f32,
}

impl Pane {
    fn whole() -> Self {
        Self { id: 1, edge: f32::MAX, side: 0, part: 0.5 }
    }
    fn name(&mut self, k: i32) {
        self.id = (self.id ^ k as u32).wrapping_mul(0x9E37_79B1).rotate_left(13) ^ 0x5bd1;
    }
    /// Cuts along a line `d` away; true on its negative side.
    fn cut(&mut self, d: f32) -> bool {
        self.edge = self.edge.min(d.abs());
        self.name(i32::from(d < 0.0) + 3);
        d < 0.0
    }
    /// Cuts into bands `step` wide and says which one this is.
    fn bands(&mut self, t: f32, step: f32) -> i32 {
        let k = (t / step).floor();
        let f = t / step - k;
        self.edge = self.edge.min(f.min(1.0 - f) * step);
        self.name(k as i32 + 11);
        k as i32
    }
    /// Cuts into `n` sectors about the origin from `turn` on: (which one, distance along its middle, distance across).
    fn sectors(&mut self, x: f32, y: f32, n: f32, turn: f32) -> (i32, f32, f32) {
        let a = y.atan2(x) - turn;
        let k = (a / TAU * n + 0.5).floor();
        let (s, c) = (k * TAU / n + turn).sin_cos();
        let (along, across) = (x * c + y * s, y * c - x * s);
        let half = PI / n;
        self.edge = self.edge.min((along * half.sin() - across.abs() * half.cos()).abs());
        let k = k.rem_euclid(n) as i32;
        // Named by its height, so that mirrored sectors are called alike.
        self.name((s * 300.0).round() as i32 + 907);
        self.side = u32::from(c > 1e-3);
        (k, along, across)
    }
}

/// What lies behind and between the leads.
struct Glass {
    plane: Plane,
    tones: Tones,
    lead: f32,
    noise: Noise,
    streak: Noise,
    symmetry: f32,
    contrast: f32,
    uneven: f32,
    /// Where the sun stands behind the window.
    sun: (f32, f32),
    odd: f32,
    waver: f32,
}

impl Glass {
    fn new(canvas: &Canvas, look: &Look, rng: &mut Rng) -> Self {
        let free = freedom(look);
        Self {
            plane: Plane::of(canvas),
            tones: Tones::new(look),
            lead: lerp(0.0048, 0.0095, look.scale) * rng.range(0.9, 1.2),
            noise: Noise::new(rng),
            streak: Noise::new(rng),
            symmetry: look.symmetry,
            contrast: look.contrast,
            uneven: rng.range(0.06, 0.16),
            sun: (rng.range(-0.3, 0.3) * free, rng.range(-0.35, 0.1)),
            odd: free * rng.range(0.0, 0.3),
            waver: 0.012 * free * rng.unit(),
        }
    }
    /// The pieces of a hand-made window are never quite straight.
    fn bend(&self, x: f32, y: f32) -> (f32, f32) {
        if self.waver == 0.0 {
            return (x, y);
        }
        (x + self.waver * self.noise.at(x * 3.0 + 4.0, y * 3.0), y + self.waver * self.noise.at(x * 3.0, y * 3.0 - 8.0))
    }
    /// A die of the pane, 0..1; mirrored panes agree as far as the symmetry asks.
    fn dice(&self, pane: &Pane, salt: i32) -> f32 {
        let id = pane.id as i32;
        let even = self.noise.dot(id, 5) < self.symmetry;
        let side = if even { 0 } else { pane.side as i32 };
        self.noise.dot(id ^ (salt * 7919), side * 31 + salt)
    }
    /// Lights the panes that `find` gives for each point, from their tone (0..=1) upwards.
    fn light(&self, canvas: &mut Canvas, find: impl Fn(f32, f32) -> Pane) {
        let plane = self.plane;
        let lead = self.lead.max(plane.px * 0.75);
        // Soft pictures have grey lead.
        let solder = blend(lighten(self.tones.dark(), -0.07), [0.035, 0.035, 0.045], 0.85 * self.contrast);
        let shine = blend(solder, self.tones.light(), 0.42);
        let mut last: Option<(u32, u32, [f32; 3], [f32; 3])> = None;
        shade(canvas, |x, y| {
            let (u, v) = self.bend(x, y);
            let pane = find(u, v);
            let cover = plane.inside(lead - pane.edge);
            // The two ends of the pane's gradient; neighbours in a row mostly share them.
            let (from, to) = match last {
                Some((id, side, from, to)) if id == pane.id && side == pane.side => (from, to),
                _ => {
                    let (from, to) = self.stain(&pane);
                    last = Some((pane.id, pane.side, from, to));
                    (from, to)
                }
            };
            let mut c = solder;
            if cover > 0.0 {
                let (sx, sy) = if self.symmetry > 0.5 { (x.abs(), y) } else { (x, y) };
                let a = self.dice(&pane, 3) * PI;
                let (s, co) = a.sin_cos();
                let (p, q) = (sx * co + sy * s, sy * co - sx * s);
                let cloud = self.streak.at(p * 3.0 + a * 9.0, q * 11.0);
                let fine = self.streak.at(p * 17.0, q * 60.0 + a);
                let t = 0.5 + 0.55 * self.streak.at(sx * 4.2 + a * 5.0, sy * 4.2) + 0.5 * cloud;
                c = mix(from, to, t.clamp(0.0, 1.0));
                // The sun behind the window, and the shade of the lead on the glass.
                let glow = 1.0 - smoothstep(0.0, 0.95, (x - self.sun.0).hypot(y - self.sun.1));
                let rim = smoothstep(lead, lead + 0.03, pane.edge);
                c = lit(
                    c,
                    (0.86 + 0.2 * glow + 0.1 * rim + 0.07 * cloud + 0.05 * fine)
                        * lerp(1.0 - 0.22 * self.contrast, 1.0, rim),
                );
                // A bubble here and there.
                let (bx, by) = (sx * 26.0, sy * 26.0);
                let (ix, iy) = (bx.floor(), by.floor());
                if self.streak.dot(ix as i32, iy as i32) < 0.07 {
                    let d = (bx - ix - 0.5).hypot(by - iy - 0.5);
                    c = lit(c, 1.0 + 0.22 * smoothstep(0.16, 0.05, d));
                }
            }
            // Round lead: a soft shine along its back.
            let back = 1.0 - (pane.edge / lead).min(1.0);
            let mut out =
                mix(solder, shine, smoothstep(0.35, 1.0, back) * (0.55 + 0.4 * self.streak.at(x * 9.0, y * 9.0)));
            lay(&mut out, c, cover);
            out
        });
    }
    /// The colours between which a pane's glass runs.
    fn stain(&self, pane: &Pane) -> ([f32; 3], [f32; 3]) {
        let tone = if self.dice(pane, 1) < self.odd { self.dice(pane, 2) } else { pane.part };
        let tone = (tone + (self.dice(pane, 4) - 0.5) * 2.0 * self.uneven).clamp(0.0, 1.0);
        let last = (self.tones.all.len() - 1) as f32;
        let k = (tone * last).round();
        let c = mix(self.tones.all[k as usize], self.tones.ramp.at(tone), 0.35);
        // Glass is lit from behind: clearer and a little brighter than paint.
        let vivid = |c: [f32; 3], light: f32| {
            let [l, a, b] = to_oklab(c);
            from_oklab([(l * light).min(0.98), a * 1.15, b * 1.15])
        };
        let toward = self.tones.ramp.at(tone + (self.dice(pane, 5) - 0.4) * 0.35);
        (vivid(c, 0.9), vivid(mix(c, toward, 0.6), 1.1))
    }
    /// A border of blocks around the picture; inside it the pane is left as it is.
    fn border(&self, pane: &mut Pane, x: f32, y: f32, wide: f32, blocks: f32, parts: [f32; 2]) -> bool {
        let (dx, dy) = (self.plane.half_w - x.abs(), self.plane.half_h - y.abs());
        if !pane.cut(dx.min(dy) - wide) {
            return false;
        }
        pane.side = u32::from(x > 0.0);
        let corner = dx.max(dy) < wide;
        if corner {
            pane.edge = pane.edge.min(wide - dx.max(dy));
            pane.name(if y > 0.0 { 7 } else { 8 });
            pane.part = parts[1];
        } else {
            let (t, half, way) = if dx < dy { (y, self.plane.half_h, 1) } else { (x, self.plane.half_w, 2) };
            let step = (half - wide) / (blocks * half / 0.5).round().max(1.0);
            pane.edge = pane.edge.min(half - wide - t.abs());
            // Named by the distance from the middle, so that both halves agree.
            pane.name(way + if way == 1 || y < 0.0 { 0 } else { 2 });
            let k = pane.bands(if way == 1 { t } else { t.abs() }, step);
            pane.part = parts[(k & 1) as usize];
        }
        true
    }
}

/// Distance to the segment of a circle, negative inside.
fn round(x: f32, y: f32, r: f32) -> f32 {
    x.hypot(y) - r
}

/// Distance to a pointed arch with its springing at the origin, so wide (half) and with its foot so far below.
fn arch(x: f32, y: f32, half: f32, foot: f32) -> f32 {
    let x = x.abs();
    let side = x - half;
    // Each side is an arc about a point beyond the middle.
    let over = (x + half * 0.2).hypot(y) - half * 1.2;
    (if y < 0.0 { over } else { side }).max(y - foot)
}

/// Seeds of free panes, loosened and mirrored as the look asks.
struct Cells {
    noise: Noise,
    size: f32,
    loose: f32,
    symmetry: f32,
}

impl Cells {
    fn seed(&self, i: i32, j: i32) -> [f32; 2] {
        // Cell i faces cell -1 - i.
        let put = |i: i32| [self.noise.dot(i, j) - 0.5, self.noise.dot(i + 501, j - 77) - 0.5];
        let own = put(i);
        let own = if i < 0 && self.symmetry > 0.0 {
            let m = put(-1 - i);
            [lerp(own[0], -m[0], self.symmetry), lerp(own[1], m[1], self.symmetry)]
        } else {
            own
        };
        [(i as f32 + 0.5 + own[0] * self.loose) * self.size, (j as f32 + 0.5 + own[1] * self.loose) * self.size]
    }
    /// Cuts the pane out and gives its seed.
    fn cut(&self, pane: &mut Pane, x: f32, y: f32) -> [f32; 2] {
        let (ci, cj) = ((x / self.size).floor() as i32, (y / self.size).floor() as i32);
        let mut near = [[0.0f32; 2]; 25];
        let mut best = (f32::MAX, 0usize);
        for k in 0..25 {
            let s = self.seed(ci + k as i32 % 5 - 2, cj + k as i32 / 5 - 2);
            near[k] = s;
            let d = (s[0] - x).powi(2) + (s[1] - y).powi(2);
            if d < best.0 {
                best = (d, k);
            }
        }
        let s = near[best.1];
        for (k, q) in near.iter().enumerate() {
            if k != best.1 {
                let (dx, dy) = (q[0] - s[0], q[1] - s[1]);
                let m = [(q[0] + s[0]) * 0.5 - x, (q[1] + s[1]) * 0.5 - y];
                pane.edge = pane.edge.min((m[0] * dx + m[1] * dy) / dx.hypot(dy).max(1e-6));
            }
        }
        let (i, j) = (ci + best.1 as i32 % 5 - 2, cj + best.1 as i32 / 5 - 2);
        pane.name(if i < 0 { -1 - i } else { i } * 4099 + j);
        pane.side = u32::from(i >= 0);
        s
    }
    fn new(size: f32, look: &Look, rng: &mut Rng) -> Self {
        Self { noise: Noise::new(rng), size, loose: rng.range(0.65, 0.95), symmetry: look.symmetry }
    }
}

/// The size of a pane.
fn pane_size(look: &Look) -> f32 {
    lerp(0.085, 0.22, look.scale) * lerp(1.25, 0.8, look.density)
}

/// Free panes whose colours together make a large figure; some have a disc or a border.
fn voronoi(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let cells = Cells::new(pane_size(look), look, rng);
    let motif = Motif::new(rng.below(Motif::KINDS), lerp(3.6, 1.4, look.scale), look, rng);
    let disc = rng.chance(0.45).then(|| (glass.sun.0, glass.sun.1, lerp(0.11, 0.22, look.scale)));
    let border = rng.chance(0.4).then(|| lerp(0.045, 0.08, look.scale));
    let blocks = lerp(7.0, 3.0, look.scale);
    let flip = rng.chance(0.3);
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        if let Some(wide) = border
            && glass.border(&mut pane, x, y, wide, blocks, [0.1, 0.75])
        {
            return pane;
        }
        let mut inside = false;
        if let Some((dx, dy, r)) = disc {
            inside = pane.cut(round(x - dx, y - dy, r));
            if !inside && pane.cut(round(x - dx, y - dy, r * 1.35)) {
                let (k, _, _) = pane.sectors(x - dx, y - dy, 12.0, PI / 12.0 - PI / 2.0);
                pane.part = if k & 1 == 0 { 0.8 } else { 0.62 };
                return pane;
            }
        }
        let s = cells.cut(&mut pane, x, y);
        let tone = motif.at(s[0], s[1]);
        pane.part = if inside {
            0.95
        } else if flip {
            1.0 - tone
        } else {
            tone
        };
        pane
    });
}

/// A rose window: rings of petals, roundels and wedges in a wheel, with spandrels in the corners.
fn rose(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let free = freedom(look);
    let n = (2.0 * lerp(lerp(7.0, 4.0, look.scale), lerp(10.0, 6.0, look.scale), look.density) * 0.5).round() * 2.0;
    let heart = (rng.range(-0.06, 0.06) * free, rng.range(-0.06, 0.06) * free);
    let turn = -PI / 2.0 + rng.range(-0.2, 0.2) * free;
    let rings = lerp(lerp(3.0, 2.0, look.scale), lerp(5.0, 3.0, look.scale), look.density).round() as usize;
    let outer = rng.range(0.45, 0.49);
    let mut radii = vec![lerp(0.06, 0.1, look.scale)];
    for k in 1..=rings {
        radii.push(lerp(radii[0], outer, (k as f32 / rings as f32).powf(0.9)));
    }
    // What each ring holds, and its tones.
    let kinds: Vec<usize> = (0..rings).map(|_| rng.below(5)).collect();
    let parts: Vec<[f32; 3]> = (0..rings)
        .map(|_| {
            let a = rng.unit();
            [a, (a + rng.range(0.25, 0.6)).fract(), (a + rng.range(0.5, 0.9)).fract()]
        })
        .collect();
    let cells = Cells::new(pane_size(look) * 1.1, look, rng);
    let ground = rng.range(0.0, 0.35);
    let spandrel = rng.chance(0.6);
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        let (x, y) = (x - heart.0, y - heart.1);
        let r = x.hypot(y);
        if !pane.cut(r - outer) {
            let (ax, ay) = (x.abs() - 0.43, y.abs() - 0.43);
            pane.name(i32::from(y > 0.0) + 70);
            pane.side = u32::from(x > 0.0);
            pane.part = ground;
            if spandrel && pane.cut(round(ax, ay, 0.055)) {
                pane.part = 0.85;
            } else {
                pane.sectors(x, y, n * 2.0, turn + PI / n * 0.5);
                if !pane.cut(r - 0.58) {
                    cells.cut(&mut pane, x, y);
                }
            }
            return pane;
        }
        let ring = radii.iter().take(rings).filter(|k| r >= **k).count();
        radii.iter().for_each(|k| pane.edge = pane.edge.min((r - k).abs()));
        pane.name(ring as i32 * 17);
        if ring == 0 {
            // The eye: a small flower.
            pane.part = 0.95;
            if !pane.cut(r - radii[0] * 0.42) {
                let (k, _, _) = pane.sectors(x, y, 6.0, turn);
                pane.part = if k & 1 == 0 { 0.75 } else { 0.6 };
            }
            return pane;
        }
        let (low, high) = (radii[ring - 1], radii[ring]);
        let part = parts[ring - 1];
        // No more sectors than the lead leaves room for.
        let n = if low * TAU / n < glass.lead * 7.0 { n * 0.5 } else { n };
        let many = if ring as f32 > rings as f32 * 0.6 && low * TAU / n > 0.16 { n * 2.0 } else { n };
        let (k, along, across) = pane.sectors(x, y, many, turn + if ring % 2 == 0 { PI / many } else { 0.0 });
        let (mid, thick) = ((low + high) * 0.5, high - low);
        let half = mid * (PI / many).sin();
        pane.part = part[0];
        let room = half.min(thick * 0.5) > glass.lead * 4.0;
        match if room { kinds[ring - 1] } else { 0 } {
            // Wedges, every other one in another tone.
            0 => pane.part = if k & 1 == 0 { part[0] } else { part[1] },
            // Roundels.
            1 => {
                let size = (thick * 0.42).min(half * 0.86);
                if pane.cut(round(along - mid, across, size)) {
                    pane.part = part[1];
                    if size > glass.lead * 7.0 && pane.cut(round(along - mid, across, size * 0.45)) {
                        pane.part = part[2];
                    }
                }
            }
            // Petals with pointed ends: two arcs.
            2 => {
                let w = half * 0.85;
                let l = thick * 0.5;
                let big = (l * l + w * w) / (2.0 * w);
                if pane.cut((along - mid).hypot(across.abs() + big - w) - big) {
                    pane.part = part[1];
                    if w > glass.lead * 7.0 && pane.cut((along - mid).hypot(across.abs() + big - w) - big + w * 0.5) {
                        pane.part = part[2];
                    }
                }
            }
            // Pointed lights that open outwards.
            3 => {
                let w = half * 0.8;
                if pane.cut(arch(across, mid + thick * 0.1 - along, w, thick * 2.0)) {
                    pane.part = part[1];
                }
            }
            // Lozenges.
            _ => {
                let (a, b) = (thick * 0.5, half * 0.95);
                let d = ((along - mid).abs() * b + across.abs() * a - a * b) / a.hypot(b);
                if pane.cut(d) {
                    pane.part = part[1];
                }
            }
        }
        pane
    });
}

/// Pointed lights under a roundel, in a wall of small quarries.
fn gothic(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let (p, free) = (glass.plane, freedom(look));
    let lights = lerp(4.4, 1.6, look.scale).round();
    let half = (p.half_w * 0.9).min(0.45);
    let foot = p.half_h * 1.1;
    let spring = -p.half_h + half * 1.18 + 0.02;
    let part: [f32; 5] = std::array::from_fn(|_| rng.unit());
    let rows = lerp(lerp(0.11, 0.2, look.scale), lerp(0.065, 0.13, look.scale), look.density);
    let petals = 4.0 + 2.0 * rng.below(3) as f32;
    let wall = Cells::new(pane_size(look), look, rng);
    let free_lights = rng.chance(0.4);
    let lean = rng.range(-0.8, 0.8) * free;
    let tilt = rng.range(0.6, 1.2);
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        if !pane.cut(arch(x, y - spring, half, 9.0)) {
            pane.part = part[0] * 0.4;
            wall.cut(&mut pane, x, y);
            return pane;
        }
        // A band of blocks follows the arch.
        let inner = half - lerp(0.04, 0.06, look.scale);
        if !pane.cut(arch(x, y - spring, inner, 9.0)) {
            let k = if y > spring {
                pane.bands(y - spring, rows)
            } else {
                pane.bands((x.abs()).atan2(spring - y) * half * 1.3, rows)
            };
            (pane.side, pane.part) = (u32::from(x > 0.0), [0.15, 0.8][(k & 1) as usize]);
            return pane;
        }
        // The roundel between the heads of the lights.
        let rose = inner * 0.36;
        let (rx, ry) = (x, y - spring + inner * 0.52);
        if pane.cut(round(rx, ry, rose)) {
            if pane.cut(round(rx, ry, rose * 0.28)) {
                pane.part = 0.95;
            } else if pane.cut(round(rx, ry, rose * 0.8)) {
                let (_, along, across) = pane.sectors(rx, ry, petals, -PI / 2.0);
                let w = (rose * 0.52 * (PI / petals).sin()).min(rose * 0.25);
                pane.part = if pane.cut(round(along - rose * 0.54, across, w)) { part[1] } else { part[2] };
            } else {
                let (k, _, _) = pane.sectors(rx, ry, petals * 2.0, -PI / 2.0);
                pane.part = [0.7, part[3]][(k & 1) as usize];
            }
            return pane;
        }
        let wide = inner * 2.0 / lights;
        let k = ((x + inner) / wide).floor().clamp(0.0, lights - 1.0);
        let cx = -inner + (k + 0.5) * wide;
        let base = pane;
        pane.name(((k - (lights - 1.0) / 2.0).abs() * 2.0) as i32 + 41);
        pane.side = u32::from(cx > 1e-3);
        let head = spring - inner * 0.12 + wide * 0.55;
        if !pane.cut(arch(x - cx, y - head, wide * 0.46, 9.0)) {
            // The field above the lights is one, cut towards the roundel.
            (pane.id, pane.part) = (base.id, part[4]);
            if y < head {
                pane.sectors(rx, ry, 10.0, PI / 10.0 - PI / 2.0);
            }
            return pane;
        }
        if !pane.cut(arch(x - cx, y - head, wide * 0.36, 9.0)) {
            let way = u32::from(x > cx);
            pane.side += 2 * (way ^ pane.side);
            pane.edge = pane.edge.min(if y < head { (x - cx).abs() } else { f32::MAX });
            pane.part = [0.55, part[3]][(pane.bands(y - head, rows * 1.6) & 1) as usize];
            return pane;
        }
        if free_lights {
            // A field of diamonds in each light.
            let (u, v) = ((x - cx) + (y - head) * tilt, (x - cx) - (y - head) * tilt);
            let (a, b) = (pane.bands(u, rows * 1.2), pane.bands(v, rows * 1.2));
            pane.id = pane.id.wrapping_add((a - b) as u32 * 7);
            pane.part = [part[1], part[2], 0.85][(a - b).rem_euclid(3) as usize];
            pane.edge *= 1.0 / (1.0 + tilt * tilt).sqrt();
        } else {
            // Medallions, one over the other.
            let step = wide * 0.95;
            let j = ((y - head) / step).floor();
            let dy = y - head - (j + 0.5) * step;
            pane.name(j as i32 + 51);
            pane.edge = pane.edge.min(step * 0.5 - dy.abs());
            if pane.cut(round(x - cx, dy, wide * 0.29)) {
                pane.part = part[1];
                let q = (x - cx).abs() + dy.abs() * (1.0 + 0.2 * lean) - wide * 0.2;
                if pane.cut(q * 0.7) {
                    pane.part = 0.9;
                } else {
                    pane.cut(x - cx);
                    pane.cut(dy);
                }
            } else {
                pane.cut(dy);
                pane.edge = pane.edge.min((x - cx).abs());
                pane.part = part[2];
            }
        }
        if y > foot { Pane { part: 0.2, ..pane } } else { pane }
    });
}

/// Diamond quarrels with a border and a medallion.
fn quarrels(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let free = freedom(look);
    let size = pane_size(look) * 0.85;
    let steep = rng.range(1.1, 1.7);
    let norm = 1.0 / (1.0 + 1.0 / (steep * steep)).sqrt();
    let border = lerp(0.05, 0.09, look.scale);
    let blocks = lerp(7.0, 2.5, look.scale);
    let (round_one, petals) = (rng.chance(0.5), 6.0 + 2.0 * rng.below(3) as f32);
    let medal = if rng.chance(0.75) { lerp(0.17, 0.28, look.scale) } else { 0.0 };
    let heart = (rng.range(-0.12, 0.12) * free, rng.range(-0.08, 0.08) * free);
    let motif = Motif::new(rng.below(Motif::KINDS), lerp(3.2, 1.2, look.scale), look, rng);
    let (pattern, a, b) = (rng.below(3), rng.range(0.1, 0.5), rng.range(0.55, 1.0));
    let turn = -PI / 2.0 + rng.range(-0.3, 0.3) * free;
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        if glass.border(&mut pane, x, y, border, blocks, [0.12, 0.7]) {
            return pane;
        }
        let (mx, my) = (x - heart.0, y - heart.1);
        let rim = if round_one { round(mx, my, medal) } else { (mx.abs() + my.abs() * 0.8 - medal * 1.25) * 0.78 };
        if medal > 0.0 && pane.cut(rim) {
            if pane.cut(round(mx, my, medal * 0.24)) {
                pane.part = 0.95;
            } else if pane.cut(rim + medal * 0.2) {
                let (k, along, across) = pane.sectors(mx, my, petals, turn);
                let w = medal * 0.54 * (PI / petals).sin() * 0.85;
                let petal = pane.cut(round((along - medal * 0.53) * 0.75, across, w));
                pane.part = if petal { b } else { [a, a * 0.5][(k & 1) as usize] };
            } else {
                let (k, _, _) = pane.sectors(mx, my, petals * 2.0, turn + PI / petals);
                pane.part = [0.3, 0.75][(k & 1) as usize];
            }
            return pane;
        }
        let mut lattice = Pane::whole();
        let (u, v) = (x + y / steep + size * 0.5, y / steep - x + size * 0.5);
        let (i, j) = (lattice.bands(u, size), lattice.bands(v, size));
        pane.edge = pane.edge.min(lattice.edge * norm);
        // Mirrored quarrels swap their two numbers.
        pane.name((i + j) * 991 + (i - j).abs());
        pane.side = u32::from(i > j);
        let (cx, cy) = ((i - j) as f32 * 0.5 * size, (i + j) as f32 * 0.5 * size * steep);
        pane.part = match pattern {
            0 => motif.at(cx, cy),
            1 => [a, b, (a + b) * 0.5][(i + j).rem_euclid(3) as usize],
            _ => {
                if (i & 1) + (j & 1) == 0 {
                    a
                } else {
                    b
                }
            }
        };
        pane
    });
}

/// A sun with rays cut by arcs, over bands of land or sea.
fn sunburst(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let (p, free) = (glass.plane, freedom(look));
    let low = rng.chance(0.65);
    let heart = (rng.range(-0.3, 0.3) * free, if low { rng.range(0.05, 0.3) * 2.0 * p.half_h } else { 0.0 });
    let n = lerp(lerp(26.0, 14.0, look.scale), lerp(40.0, 22.0, look.scale), look.density).round() * 2.0 / 2.0;
    let n = (n * 0.5).round() * 2.0;
    let sun = lerp(0.1, 0.2, look.scale);
    let step = lerp(lerp(0.19, 0.34, look.scale), lerp(0.1, 0.2, look.scale), look.density);
    let (from, to) = if rng.chance(0.5) { (0.85, 0.05) } else { (0.2, 0.8) };
    let swell = rng.range(0.01, 0.035);
    let pace = lerp(15.0, 7.0, look.scale).round();
    let stagger = rng.chance(0.5);
    let deep = rng.range(0.0, 0.5);
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        let (dx, dy) = (x - heart.0, y - heart.1);
        if low {
            let wave = |k: f32| dy - k * step * 0.55 - swell * (dx * pace + k * PI).cos();
            if !pane.cut(wave(0.0) * 0.95) {
                let k = (1..16).take_while(|k| wave(*k as f32) > 0.0).count();
                (0..=k + 1).for_each(|k| pane.edge = pane.edge.min(wave(k as f32).abs() * 0.95));
                pane.name(k as i32 + 23);
                let length = step * 2.6;
                let mut cross = Pane::whole();
                let j = cross.bands(dx + if k % 2 == 0 { length * 0.5 } else { 0.0 }, length);
                pane.edge = pane.edge.min(cross.edge);
                let j2 = if k % 2 == 0 { j * 2 } else { j * 2 + 1 };
                pane.name(j2.abs());
                pane.side = u32::from(j2 > 0);
                pane.part = (deep + 0.16 * k as f32) % 1.0;
                return pane;
            }
        }
        let r = dx.hypot(dy);
        if pane.cut(r - sun) {
            pane.part = 0.97;
            return pane;
        }
        if pane.cut(r - sun * 1.3) {
            let (k, _, _) = pane.sectors(dx, dy, n * 0.5, -PI / 2.0);
            pane.part = [0.75, 0.55][(k & 1) as usize];
            return pane;
        }
        let (k, _, _) = pane.sectors(dx, dy, n, -PI / 2.0);
        let shift = if stagger && k & 1 == 1 { step * 0.5 } else { 0.0 };
        let ring = pane.bands(r - sun * 1.3 + shift, step);
        pane.part = lerp(from, to, (ring as f32 * step / (p.reach() - sun)).clamp(0.0, 1.0));
        pane.part += if k & 1 == 0 { 0.12 } else { -0.12 };
        pane
    });
}

/// Hills, a river of light and a sun in a banded sky, cut as a glazier cuts them.
fn landscape(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let glass = Glass::new(canvas, look, rng);
    let (p, free) = (glass.plane, freedom(look));
    let size = pane_size(look) * 1.5;
    let hills = lerp(2.0, 5.0, look.density).round() as usize;
    let horizon = rng.range(-0.25, 0.1) * p.half_h * 2.0;
    let sun = (rng.range(-0.28, 0.28) * free, horizon - rng.range(0.02, 0.2), lerp(0.09, 0.17, look.scale));
    let noises: Vec<Noise> = (0..=hills).map(|_| Noise::new(rng)).collect();
    let night = rng.chance(0.4);
    let (pace, high) = (lerp(3.6, 1.6, look.scale), lerp(0.1, 0.2, look.scale));
    let rays = (lerp(9.0, 6.0, look.scale) * lerp(0.8, 1.4, look.density)).round() * 2.0;
    let radiant = rng.chance(0.5);
    let border = rng.chance(0.35).then(|| lerp(0.04, 0.07, look.scale));
    // The ridges as they stand in each column are smooth, so that their leads keep one width.
    let ridge = |k: usize, x: f32| {
        let t = k as f32 / hills as f32;
        let f = |x: f32, _: f32| noises[k].at(x * pace, k as f32 * 3.7);
        lerp(horizon, p.half_h * 0.95, t) + high * lerp(1.0, 0.7, t) * mirrored(look.symmetry, f)(x, 0.0)
    };
    let slant = rng.range(0.2, 0.8) * rng.sign();
    // Mirrored glass is cut by the distance from the middle line.
    let even = rng.unit() < look.symmetry;
    glass.light(canvas, |x, y| {
        let mut pane = Pane::whole();
        if let Some(wide) = border
            && glass.border(&mut pane, x, y, wide, lerp(7.0, 3.0, look.scale), [0.1, 0.6])
        {
            return pane;
        }
        let mut below = 0;
        for k in 0..hills {
            let (h, next) = (ridge(k, x), ridge(k, x + 0.01));
            let steep = (next - h) / 0.01;
            let d = (y - h) / (1.0 + steep * steep).sqrt();
            // A nearer hill hides the leads behind it.
            if d >= 0.0 {
                below = k + 1;
                pane.edge = d;
            } else {
                pane.edge = pane.edge.min(-d);
            }
        }
        if let Some(wide) = border {
            pane.edge = pane.edge.min((p.half_w - x.abs()).min(p.half_h - y.abs()) - wide);
        }
        pane.name(below as i32 + 301);
        if below > 0 {
            // Fields: cut across, fanwise.
            let t = below as f32 / hills as f32;
            let lean = slant * (y - horizon) * if below % 2 == 0 { 1.0 } else { -1.0 };
            let mut cross = Pane::whole();
            let k = cross.bands(if even { x.abs() } else { x } + lean, size * lerp(0.9, 1.5, t));
            pane.edge = pane.edge.min(cross.edge / (1.0 + slant * slant).sqrt());
            pane.name(k);
            pane.part = lerp(0.55, 0.02, t.powf(0.8)) + if k & 1 == 0 { 0.09 } else { -0.06 };
            return pane;
        }
        let (dx, dy) = (x - sun.0, y - sun.1);
        let r = dx.hypot(dy);
        if pane.cut(r - sun.2) {
            pane.part = 1.0;
            return pane;
        }
        // One height for a pane, not one for each point.
        let height = |y: f32| ((horizon - y) / (horizon + p.half_h).max(0.2)).clamp(0.0, 1.0);
        let up;
        if radiant {
            let (k, _, _) = pane.sectors(dx, dy, rays, -PI / 2.0);
            let ring = pane.bands(r - sun.2 + if k & 1 == 0 { 0.0 } else { size * 0.4 }, size * 1.1);
            up = (ring as f32 * 0.22).clamp(0.0, 1.0);
            pane.part = 0.85 - ring as f32 * 0.14;
        } else {
            // Long flat clouds.
            let f = |x: f32, y: f32| noises[hills].at(x * 1.6, y * 1.2);
            let bend = 0.07 * mirrored(look.symmetry, f)(x, y);
            let row = pane.bands(y + bend, size * 0.62);
            up = height((row as f32 + 0.5) * size * 0.62);
            let shift = glass.noise.dot(row, 9);
            let mut cross = Pane::whole();
            let k = cross.bands(if even { x.abs() } else { x } + shift * size * 2.0, size * 2.1);
            pane.edge = pane.edge.min(cross.edge);
            pane.name(k);
            pane.part = lerp(0.9, 0.45, up) + 0.2 * (glass.noise.dot(row, k) - 0.5);
        }
        if night {
            pane.part = lerp(0.6, 0.05, up) + 0.12 * (glass.noise.dot(pane.id as i32, 3) - 0.5);
        }
        pane
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
