//! Small tesserae around a motif: pebbles, rows that follow a curve, warped squares, facets, hexagons, broken tiles.

use super::kit::{Motif, Plane, Tones, freedom, lay, lerp, lit, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{lighten, mix};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use std::f32::consts::{FRAC_PI_2, TAU};

/// The tile under a point.
#[derive(Debug, Clone, Copy)]
struct Tile {
    id: [i32; 2],
    x: f32,
    y: f32,
    /// Distance to the tile's border.
    edge: f32,
}

/// Jitter of a lattice cell, -0.5..0.5 twice, mirrored about the vertical axis as far as the symmetry asks.
fn jitter(noise: &Noise, [i, j]: [i32; 2], symmetry: f32) -> (f32, f32) {
    let free = (noise.dot(i, j) - 0.5, noise.dot(i + 517, j - 293) - 0.5);
    let k = if i < 0 { -1 - i } else { i };
    let side = if i < 0 { -1.0 } else { 1.0 };
    let even = (side * (noise.dot(k, j) - 0.5), noise.dot(k + 517, j - 293) - 0.5);
    (lerp(free.0, even.0, symmetry), lerp(free.1, even.1, symmetry))
}

/// Cells around seeds on a jittered lattice.
struct Cells {
    size: f32,
    first: i32,
    side: usize,
    seeds: Vec<[f32; 2]>,
}

impl Cells {
    fn new(plane: &Plane, size: f32, amount: f32, symmetry: f32, noise: &Noise) -> Self {
        let reach = (plane.half_w.max(plane.half_h) / size).ceil() as i32 + 2;
        let side = (2 * reach) as usize;
        let seeds = (0..side * side)
            .map(|k| {
                let (i, j) = ((k % side) as i32 - reach, (k / side) as i32 - reach);
                let (a, b) = jitter(noise, [i, j], symmetry);
                [(i as f32 + 0.5 + a * amount) * size, (j as f32 + 0.5 + b * amount) * size]
            })
            .collect();
        Self { size, first: -reach, side, seeds }
    }
    fn seed(&self, i: i32, j: i32) -> [f32; 2] {
        let at = |v: i32| (v - self.first).clamp(0, self.side as i32 - 1) as usize;
        self.seeds[at(j) * self.side + at(i)]
    }
    fn find(&self, x: f32, y: f32) -> Tile {
        let (ci, cj) = ((x / self.size).floor() as i32, (y / self.size).floor() as i32);
        let (mut best, mut id, mut s) = (f32::MAX, [0, 0], [0.0, 0.0]);
        for j in cj - 1..=cj + 1 {
            for i in ci - 1..=ci + 1 {
                let p = self.seed(i, j);
                let d = (p[0] - x).powi(2) + (p[1] - y).powi(2);
                if d < best {
                    (best, id, s) = (d, [i, j], p);
                }
            }
        }
        let mut edge = f32::MAX;
        for j in id[1] - 2..=id[1] + 2 {
            for i in id[0] - 2..=id[0] + 2 {
                let p = self.seed(i, j);
                let (dx, dy) = (p[0] - s[0], p[1] - s[1]);
                let l2 = dx * dx + dy * dy;
                if l2 > 1e-9 {
                    // Distance to the line half-way between the two seeds.
                    let along = (s[0] + dx * 0.5 - x) * dx + (s[1] + dy * 0.5 - y) * dy;
                    edge = edge.min(along / l2.sqrt());
                }
            }
        }
        Tile { id, x: s[0], y: s[1], edge }
    }
}

/// Rings of tiles around the nearest of some centres.
fn rings(x: f32, y: f32, size: f32, long: f32, centres: &[[f32; 2]], shift: f32) -> Tile {
    let mut near = [(f32::MAX, 0usize); 2];
    for (k, c) in centres.iter().enumerate() {
        let d = (x - c[0]).hypot(y - c[1]);
        if d < near[0].0 {
            near = [(d, k), near[0]];
        } else if d < near[1].0 {
            near[1] = (d, k);
        }
    }
    let (r, k) = near[0];
    let c = centres[k];
    let ring = (r / size).floor();
    let middle = (ring + 0.5) * size;
    // An even number, so that rings can be mirrored.
    let count = if ring < 1.0 { 1.0 } else { ((TAU * middle / (size * long)) / 2.0).round().max(3.0) * 2.0 };
    let a = ((x - c[0]).atan2(-(y - c[1])) / TAU + ring * 0.382 * shift).rem_euclid(1.0) * count;
    let radial = (r - ring * size).min((ring + 1.0) * size - r);
    let bisector = if centres.len() > 1 {
        let o = centres[near[1].1];
        (near[1].0 * near[1].0 - r * r) / (2.0 * (o[0] - c[0]).hypot(o[1] - c[1])).max(1e-3)
    } else {
        f32::MAX
    };
    if count == 1.0 {
        return Tile { id: [k as i32, 0], x: c[0], y: c[1], edge: (size - r).min(bisector) };
    }
    let f = a - a.floor();
    let side = f.min(1.0 - f) * TAU * r / count;
    let at = ((a.floor() + 0.5) / count - ring * 0.382 * shift) * TAU - FRAC_PI_2;
    Tile {
        id: [k as i32 * 64 + ring as i32, a as i32],
        x: c[0] + middle * at.cos(),
        y: c[1] + middle * at.sin(),
        edge: radial.min(side).min(bisector),
    }
}

/// Rows of bricks along a wave.
fn rows(x: f32, y: f32, size: f32, long: f32, wave: [f32; 3], symmetry: f32, noise: &Noise) -> Tile {
    let [height, pace, phase] = wave;
    let bend = height * (x * pace + phase).cos();
    let steep = (1.0 + (height * pace * (x * pace + phase).sin()).powi(2)).sqrt();
    let v = (y + bend) / size;
    let row = v.floor();
    let loose = (noise.dot(row as i32, 71) - 0.5) * (1.0 - symmetry);
    let u = x / (size * long) + 0.5 * row.rem_euclid(2.0) + loose;
    let (fu, fv) = (u - u.floor(), v - row);
    let cx = (u.floor() + 0.5 - 0.5 * row.rem_euclid(2.0) - loose) * size * long;
    let cy = (row + 0.5) * size - height * (cx * pace + phase).cos();
    let edge = (fv.min(1.0 - fv) * size / steep).min(fu.min(1.0 - fu) * size * long);
    Tile { id: [row as i32, u.floor() as i32], x: cx, y: cy, edge }
}

fn hexagon(x: f32, y: f32, size: f32) -> Tile {
    // Two rectangular lattices; the nearer centre wins.
    let (w, h) = (size, size * 1.732_050_8);
    let a = ((x / w).round(), (y / h).round());
    let b = ((x / w - 0.5).round() + 0.5, (y / h - 0.5).round() + 0.5);
    let (da, db) = ((x - a.0 * w, y - a.1 * h), (x - b.0 * w, y - b.1 * h));
    let (c, d) = if da.0 * da.0 + da.1 * da.1 <= db.0 * db.0 + db.1 * db.1 { (a, da) } else { (b, db) };
    let (qx, qy) = (d.0.abs(), d.1.abs());
    let edge = size / 2.0 - qx.max(qx * 0.5 + qy * 0.866_025_4);
    Tile { id: [(c.0 * 2.0) as i32, (c.1 * 2.0) as i32], x: c.0 * w, y: c.1 * h, edge }
}

/// Triangles between the seeds of a jittered lattice.
fn facet(cells: &Cells, x: f32, y: f32, last: &mut Option<([[f32; 2]; 3], [i32; 2])>) -> Tile {
    let inside = |t: &[[f32; 2]; 3]| {
        let mut edge = f32::MAX;
        for k in 0..3 {
            let (a, b) = (t[k], t[(k + 1) % 3]);
            let (ex, ey) = (b[0] - a[0], b[1] - a[1]);
            edge = edge.min(((y - a[1]) * ex - (x - a[0]) * ey) / ex.hypot(ey).max(1e-6));
        }
        edge
    };
    let tile = |t: &[[f32; 2]; 3], id: [i32; 2], edge: f32| Tile {
        id,
        x: (t[0][0] + t[1][0] + t[2][0]) / 3.0,
        y: (t[0][1] + t[1][1] + t[2][1]) / 3.0,
        edge: edge.max(0.0),
    };
    if let Some((t, id)) = last {
        let edge = inside(t);
        if edge >= 0.0 {
            return tile(t, *id, edge);
        }
    }
    let (ci, cj) = ((x / cells.size - 0.5).floor() as i32, (y / cells.size - 0.5).floor() as i32);
    let mut best = (f32::MIN, [[0.0; 2]; 3], [0, 0]);
    for j in cj - 1..=cj + 1 {
        for i in ci - 1..=ci + 1 {
            let q = [cells.seed(i, j), cells.seed(i + 1, j), cells.seed(i + 1, j + 1), cells.seed(i, j + 1)];
            // The diagonals mirror with the lattice: seed i faces seed -1 - i, so quad i faces quad -2 - i.
            let lean = if i < -1 { (i + j) & 1 == 0 } else { (i + j) & 1 == 1 };
            let two =
                if lean { [[q[0], q[1], q[2]], [q[0], q[2], q[3]]] } else { [[q[0], q[1], q[3]], [q[1], q[2], q[3]]] };
            for (k, t) in two.into_iter().enumerate() {
                let edge = inside(&t);
                if edge > best.0 {
                    best = (edge, t, [i * 2 + k as i32, j]);
                }
            }
        }
    }
    *last = Some((best.1, best.2));
    tile(&best.1, best.2, best.0)
}

/// How the tiles lie.
enum Laying {
    Cells(Cells),
    Facets(Cells),
    Rings { centres: Vec<[f32; 2]>, long: f32, shift: f32 },
    Rows { wave: [f32; 3], long: f32 },
    Squares { turn: f32, warp: f32 },
    Hexagons,
}

fn laying(plane: &Plane, look: &Look, size: f32, noise: &Noise, rng: &mut Rng) -> (Laying, f32) {
    let free = freedom(look);
    let loose = lerp(0.85, 0.5, look.symmetry);
    match rng.below(8) {
        0 => (Laying::Cells(Cells::new(plane, size, loose, look.symmetry, noise)), 0.09),
        // Broken tiles lie wide apart.
        1 => (Laying::Cells(Cells::new(plane, size * 1.25, 0.95, look.symmetry, noise)), 0.13),
        2 => (Laying::Facets(Cells::new(plane, size * 1.35, loose, look.symmetry, noise)), 0.03),
        3 | 4 => {
            let mut centres = vec![[rng.range(-0.3, 0.3) * free, rng.range(-0.3, 0.3) * free]];
            if rng.chance(0.45) {
                let x = rng.range(0.22, 0.5) * rng.sign();
                let y = rng.range(-0.4, 0.4);
                centres =
                    vec![[x, y], [-x * lerp(rng.range(0.4, 1.2), 1.0, look.symmetry), lerp(-y, y, look.symmetry)]];
            }
            (Laying::Rings { centres, long: rng.range(0.9, 1.5), shift: free.sqrt() }, 0.085)
        }
        5 => {
            let wave = [rng.range(0.03, 0.1), rng.range(3.0, 8.0), rng.range(0.0, TAU) * free];
            (Laying::Rows { wave, long: rng.range(1.0, 1.6) }, 0.085)
        }
        6 => (Laying::Squares { turn: rng.range(-0.6, 0.6) * free, warp: rng.range(0.3, 1.0) * free }, 0.08),
        _ => (Laying::Hexagons, 0.07),
    }
}

/// Covers the canvas with tiles. Scale and density set their size; the motif in their colours grows with the scale too.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let noise = Noise::new(rng);
    let size = lerp(0.058, 0.165, look.scale) * lerp(1.35, 0.78, look.density);
    let (laying, joint) = laying(&plane, look, size, &noise, rng);
    let pace = lerp(4.6, 1.5, look.scale) * lerp(0.75, 1.3, look.density);
    let motif = Motif::new(rng.below(Motif::KINDS), pace, look, rng);
    let flip = rng.chance(0.35);
    let stepped = rng.chance(0.45);
    let uneven = rng.range(0.06, 0.16);
    let sparkle = rng.range(0.0, 0.12) * lerp(0.4, 1.0, look.density);
    let accent = tones.accent();
    let grout = match rng.below(4) {
        0 | 1 => lighten(tones.dark(), -0.04),
        2 => lighten(tones.light(), 0.03),
        _ => mix(tones.dark(), tones.ramp.at(0.4), 0.5),
    };
    let joint = (joint * size).max(0.006) * rng.range(0.85, 1.3);
    let light = rng.range(0.09, 0.2);
    let gap = if matches!(laying, Laying::Facets(_)) { 0.003 } else { joint * 0.5 };
    // One draw for each tile; a mirrored pair draws alike as far as the symmetry asks.
    let draw = |t: &Tile, salt: i32| {
        let own = noise.dot(t.id[0] * 7 + salt, t.id[1] * 13 - salt);
        let even = noise.dot((t.x.abs() * 199.0).round() as i32 + salt, (t.y * 199.0).round() as i32);
        if noise.dot(t.id[1] - 90, t.id[0] + 33) < look.symmetry { even } else { own }
    };
    let colour = |t: &Tile| {
        let tone = motif.at(t.x, t.y);
        let tone = if flip { 1.0 - tone } else { tone };
        let tone = (tone + (draw(t, 0) - 0.5) * 2.0 * uneven).clamp(0.0, 1.0);
        if draw(t, 401) < sparkle {
            return accent;
        }
        let last = (tones.all.len() - 1) as f32;
        let c = if stepped { tones.all[(tone * last).round() as usize] } else { tones.ramp.at(tone) };
        lit(c, 1.0 + (draw(t, 811) - 0.5) * uneven * 1.6)
    };
    let mut triangle = None;
    let mut last: Option<([i32; 2], [f32; 3])> = None;
    shade(canvas, |x, y| {
        let t = match &laying {
            Laying::Cells(cells) => cells.find(x, y),
            Laying::Facets(cells) => facet(cells, x, y, &mut triangle),
            Laying::Rings { centres, long, shift } => rings(x, y, size, *long, centres, *shift),
            Laying::Rows { wave, long } => rows(x, y, size, *long, *wave, look.symmetry, &noise),
            Laying::Squares { turn, warp } => {
                let (s, c) = turn.sin_cos();
                let (dx, dy) = (0.06 * warp * (y * 5.0 + 1.0).sin(), 0.06 * warp * (x * 4.0).sin());
                let (u, v) = ((x * c - y * s + dx) / size, (x * s + y * c + dy) / size);
                let (i, j) = (u.floor(), v.floor());
                let (fu, fv) = (u - i, v - j);
                let (px, py) = ((i + 0.5) * size, (j + 0.5) * size);
                let edge = fu.min(1.0 - fu).min(fv.min(1.0 - fv)) * size;
                Tile { id: [i as i32, j as i32], x: px * c + py * s, y: py * c - px * s, edge }
            }
            Laying::Hexagons => hexagon(x, y, size * 1.1),
        };
        let c = match last {
            Some((id, c)) if id == t.id => c,
            _ => {
                let c = colour(&t);
                last = Some((t.id, c));
                c
            }
        };
        // Each tile is a little pillow in the light from above left.
        let slope = ((t.x - x) + (t.y - y)) / size;
        let face = lit(c, 1.0 + light * slope.clamp(-1.0, 1.0));
        let mut pixel = grout;
        lay(&mut pixel, face, plane.inside(gap - t.edge));
        pixel
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
