//! Marbled paper: combed nonpareil, feathers, bouquets, curls, stone and Turkish spots, ink rings, and Ebru flowers.
//!
//! After A. Jaffer's mathematical marbling: each tool is a map of the plane, and a pixel finds its ink by undoing them.

use super::kit::{Plane, Tones, freedom, lerp, lit};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, lighten};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;
use std::f32::consts::{PI, TAU};

/// Covers the canvas. Scale sets the size of spots and teeth, density how many inks are thrown and how finely combed.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let mut bath = match rng.below(10) {
        0 | 1 => nonpareil(look, &tones, rng),
        2 => feather(look, &tones, rng),
        3 => bouquet(look, &tones, rng),
        4 => curls(look, &tones, rng),
        5 => stone(&plane, look, &tones, rng),
        6 | 7 => swirled(&plane, look, &tones, rng),
        8 => rings(&plane, look, &tones, rng),
        _ => flowers(&plane, look, &tones, rng),
    };
    // A free hand unsettles the mirror image; the fold comes first, as in a book's facing endpapers.
    let free = freedom(look);
    let mut first = Vec::new();
    if free > 0.0 {
        first.push(drift(&plane, 1.6, 0.1 * free, rng));
    }
    if rng.unit() < look.symmetry {
        first.push(Tool::Fold);
    }
    bath.tools.splice(0..0, first);
    bath.pull(canvas, &plane);
}

/// A map that was done to the bath, described by how to undo it.
enum Tool {
    /// The left half becomes the right one's mirror image.
    Fold,
    /// A drop that pushed everything else outwards.
    Drop { at: (f32, f32), radius: f32, ink: usize },
    /// A row of teeth pulled along a direction, perhaps swaying.
    Comb { sin: f32, cos: f32, period: f32, shift: f32, pull: Vec<f32>, sway: (f32, f32) },
    /// One stylus pulled along a line through a point.
    Line { at: (f32, f32), sin: f32, cos: f32, pull: f32, width: f32 },
    /// A curl within a radius.
    Whirl { at: (f32, f32), radius: f32, turn: f32 },
    /// Staggered rows of curls, one in each cell of a grid.
    Whirls { step: f32, wobble: f32, turn: f32, both: bool, noise: Noise },
    /// Petals pulled around a point.
    Petals { at: (f32, f32), radius: f32, count: f32, depth: f32, turn: f32 },
    /// Currents.
    Drift { dx: Field, dy: Field, reach: f32 },
}

impl Tool {
    /// Where the ink at a point was before.
    fn undo(&self, mut x: f32, mut y: f32) -> (f32, f32) {
        match self {
            Tool::Fold => x = x.abs(),
            // Drops are undone for many points at once.
            Tool::Drop { .. } => {}
            Tool::Comb { sin, cos, period, shift, pull, sway } => {
                // s runs along the teeth's way, d across it.
                let (s, d) = (x * cos + y * sin, y * cos - x * sin);
                let bend = if sway.0 == 0.0 { 0.0 } else { sway.0 * (s * sway.1).cos() };
                let d1 = d - bend;
                let n = pull.len();
                let t = (d1 - shift) / period;
                let t = (t - t.floor()) * n as f32;
                let i = (t as usize).min(n - 1);
                let s1 = s - lerp(pull[i], pull[(i + 1) % n], t - i as f32);
                let d2 = if sway.0 == 0.0 { d1 } else { d1 + sway.0 * (s1 * sway.1).cos() };
                (x, y) = (s1 * cos - d2 * sin, s1 * sin + d2 * cos);
            }
            Tool::Line { at, sin, cos, pull, width } => {
                let d = (y - at.1) * cos - (x - at.0) * sin;
                let k = pull * width / (d.abs() + width);
                (x, y) = (x - cos * k, y - sin * k);
            }
            Tool::Whirl { at, radius, turn } => (x, y) = whirl((x, y), *at, *radius, *turn),
            Tool::Whirls { step, wobble, turn, both, noise } => {
                let row = (y / step).round();
                let shift = if row as i32 & 1 == 0 { 0.0 } else { 0.5 };
                let column = (x / step - shift).round();
                let (i, j) = (column as i32, row as i32);
                let at = (
                    (column + shift + wobble * (2.0 * noise.dot(i, j) - 1.0)) * step,
                    (row + wobble * (2.0 * noise.dot(i + 311, j) - 1.0)) * step,
                );
                let way = if *both && i & 1 == 0 { -turn } else { *turn };
                (x, y) = whirl((x, y), at, step * (0.5 - wobble), way);
            }
            Tool::Petals { at, radius, count, depth, turn } => {
                let (dx, dy) = (x - at.0, y - at.1);
                let d = dx.hypot(dy);
                if d < *radius {
                    let a = (dy.atan2(dx) + turn) * count / TAU;
                    // A cusp between two petals, where the stylus went in.
                    let cusp = 1.0 - 2.0 * (a - a.round()).abs();
                    let fade = 1.0 - d / radius;
                    let k = 1.0 + depth * (0.55 - cusp.powf(0.6)) * 4.0 * fade * d / radius;
                    (x, y) = (at.0 + dx * k, at.1 + dy * k);
                }
            }
            Tool::Drift { dx, dy, reach } => {
                let (u, v) = (0.5 + x / (2.0 * reach), 0.5 + y / (2.0 * reach));
                (x, y) = (x + dx.at(u, v), y + dy.at(u, v));
            }
        }
        (x, y)
    }
}

fn whirl((x, y): (f32, f32), at: (f32, f32), radius: f32, turn: f32) -> (f32, f32) {
    let (dx, dy) = (x - at.0, y - at.1);
    let t = (dx * dx + dy * dy) / (radius * radius);
    if t >= 1.0 {
        return (x, y);
    }
    let (s, c) = (turn * (1.0 - t.sqrt()).powi(2)).sin_cos();
    (at.0 + dx * c - dy * s, at.1 + dx * s + dy * c)
}

/// The ink of a point that no drop has covered yet.
const NONE: i32 = -1;

/// Points on their way back through the tools.
#[derive(Default)]
struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
    ink: Vec<i32>,
    light: Vec<f32>,
}

impl Points {
    fn restart(&mut self, points: impl Iterator<Item = (f32, f32)>) {
        self.x.clear();
        self.y.clear();
        points.for_each(|(x, y)| {
            self.x.push(x);
            self.y.push(y);
        });
    }
    /// Without branches, so that it becomes vector code; points inside stay at the drop's centre.
    fn undo_drop(&mut self, at: (f32, f32), radius: f32, own: i32, depth: f32) {
        let k = 1.0 / (radius * radius);
        let places = self.x.iter_mut().zip(self.y.iter_mut());
        for ((x, y), (ink, light)) in places.zip(self.ink.iter_mut().zip(self.light.iter_mut())) {
            let (dx, dy) = (*x - at.0, *y - at.1);
            let t = (dx * dx + dy * dy) * k;
            let hit = (t < 1.0) & (*ink == NONE);
            *ink = if hit { own } else { *ink };
            *light = if hit { 1.0 + depth * (0.4 - t * t) } else { *light };
            let k = (1.0 - 1.0 / t.max(1.0)).sqrt();
            (*x, *y) = (at.0 + dx * k, at.1 + dy * k);
        }
    }
}

/// What lies under the drops: bands of ink across, or (with one band) a plain ground.
struct Bath {
    inks: Vec<[f32; 3]>,
    /// Where each band of the cycle ends, and its ink.
    bands: Vec<(f32, usize)>,
    /// Last done first.
    tools: Vec<Tool>,
    /// How much an ink gathers at its borders.
    depth: f32,
}

impl Bath {
    /// The ink under each point, and its light. All points go through a tool together, which is fast.
    fn dip(&self, points: &mut Points) {
        points.ink.clear();
        points.ink.resize(points.x.len(), NONE);
        points.light.clear();
        points.light.resize(points.x.len(), 1.0);
        for tool in &self.tools {
            if let Tool::Drop { at, radius, ink } = tool {
                points.undo_drop(*at, *radius, *ink as i32, self.depth);
            } else {
                points.x.iter_mut().zip(points.y.iter_mut()).for_each(|(x, y)| (*x, *y) = tool.undo(*x, *y));
            }
        }
        for (i, ink) in points.ink.iter_mut().enumerate().filter(|(_, ink)| **ink == NONE) {
            let (found, light) = self.band(points.y[i]);
            (*ink, points.light[i]) = (found as i32, light);
        }
    }
    /// The band at a height, and its light.
    fn band(&self, y: f32) -> (usize, f32) {
        let Some(cycle) = self.bands.last().map(|b| b.0) else { return (0, 1.0) };
        let v = y - (y / cycle).floor() * cycle;
        let mut start = 0.0;
        for (end, ink) in &self.bands {
            if v < *end {
                let t = 2.0 * (v - start) / (end - start) - 1.0;
                // A plain ground is one endless band without borders.
                let depth = if self.bands.len() == 1 { 0.0 } else { self.depth };
                return (*ink, 1.0 + depth * (0.4 - t * t));
            }
            start = *end;
        }
        (self.bands[0].1, 1.0)
    }
    /// Lays the paper on the bath; pixels at borders of inks take nine samples.
    fn pull(&self, canvas: &mut Canvas, plane: &Plane) {
        let (w, h) = (plane.width, plane.height);
        let mut points = Points::default();
        let mut inks = Vec::with_capacity(w * h);
        for row in 0..h {
            points.restart((0..w).map(|column| plane.point(column, row)));
            self.dip(&mut points);
            inks.extend(points.ink.iter().copied().zip(points.light.iter().copied()));
        }
        let tint = |ink: i32, light: f32| lit(self.inks[ink as usize], light);
        const AROUND: [i32; 8] = [0, 1, 2, 3, 5, 6, 7, 8];
        for row in 0..h {
            let border = |column: &usize| {
                let (i, column) = (row * w + column, *column);
                let near = [(column > 0, 1, 0), (row > 0, w, 0), (column + 1 < w, 0, 1), (row + 1 < h, 0, w)];
                near.iter().any(|(inside, less, more)| *inside && inks[i + more - less].0 != inks[i].0)
            };
            let borders: Vec<usize> = (0..w).filter(border).collect();
            let at = |k: i32| (k - 1) as f32 * plane.px / 3.0;
            points.restart(borders.iter().flat_map(|column| {
                let (x, y) = plane.point(*column, row);
                AROUND.map(|k| (x + at(k % 3), y + at(k / 3)))
            }));
            self.dip(&mut points);
            let line = &mut canvas.rgb[row * w..(row + 1) * w];
            for (pixel, (ink, light)) in line.iter_mut().zip(&inks[row * w..]) {
                *pixel = tint(*ink, *light).map(|c| c.clamp(0.0, 1.0));
            }
            for (k, column) in borders.iter().enumerate() {
                let mut sum = line[*column];
                for i in 8 * k..8 * k + 8 {
                    let c = tint(points.ink[i], points.light[i]);
                    sum = std::array::from_fn(|j| sum[j] + c[j]);
                }
                line[*column] = sum.map(|c| (c / 9.0).clamp(0.0, 1.0));
            }
        }
    }
}

/// Smooth currents, `pace` features a unit.
fn drift(plane: &Plane, pace: f32, strength: f32, rng: &mut Rng) -> Tool {
    let noise = Noise::new(rng);
    let reach = plane.reach() + 0.3;
    let at = |k: f32| {
        Field::new(61, |u, v| {
            let (x, y) = ((u - 0.5) * 2.0 * reach, (v - 0.5) * 2.0 * reach);
            strength * noise.at(x * pace + k, y * pace - k)
        })
    };
    Tool::Drift { dx: at(0.0), dy: at(31.7), reach }
}

/// A comb with teeth `gap` apart; `alternate` teeth go the other way. `angle` is the way it is pulled.
fn comb(angle: f32, gap: f32, pull: f32, alternate: bool, sway: (f32, f32), shift: f32) -> Tool {
    const STEPS: usize = 128;
    let period = if alternate { 2.0 * gap } else { gap };
    let width = 0.16 * gap;
    let mut table: Vec<f32> = (0..STEPS)
        .map(|i| {
            let d = i as f32 / STEPS as f32 * period;
            let tooth = |k: i32| {
                let sign = if alternate && k.rem_euclid(2) == 1 { -1.0 } else { 1.0 };
                sign * width / ((d - k as f32 * gap).abs() + width)
            };
            (-7..=8).map(tooth).sum()
        })
        .collect();
    // The pull is the way from the resting ink to the teeth.
    let (low, high) = table.iter().fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    let k = pull / (high - low).max(1e-6);
    table.iter_mut().for_each(|v| *v = (*v - (low + high) / 2.0) * k);
    let (sin, cos) = angle.sin_cos();
    Tool::Comb { sin, cos, period, shift, pull: table, sway }
}

/// Bands in the order of a craftsman: a walk through the tones with thin veins of the lightest or darkest between.
fn bands(look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let width = lerp(0.02, 0.06, look.scale) * lerp(1.35, 0.8, look.density);
    let n = tones.all.len();
    let mut order: Vec<usize> = match rng.below(3) {
        0 => (0..n).collect(),
        1 => (0..n).chain((1..n - 1).rev()).collect(),
        _ => (0..2 * n).map(|i| i % n).collect(),
    };
    if rng.chance(0.5) {
        rng.shuffle(&mut order);
    }
    order.dedup();
    let vein = if rng.chance(0.5) { n - 1 } else { 0 };
    let veined = rng.chance(0.6);
    let (mut bands, mut end): (Vec<(f32, usize)>, f32) = (Vec::new(), 0.0);
    for ink in order {
        end += width * rng.range(0.6, 1.7);
        bands.push((end, ink));
        if veined && ink != vein && rng.chance(0.7) {
            end += width * rng.range(0.25, 0.45);
            bands.push((end, vein));
        }
    }
    Bath { inks: tones.all.clone(), bands, tools: Vec::new(), depth: rng.range(0.04, 0.16) }
}

/// Size of a tooth's gap.
fn gap(look: &Look) -> f32 {
    lerp(0.05, 0.17, look.scale) * lerp(1.25, 0.85, look.density)
}

/// The way of a comb down the sheet, tilted by a free hand.
fn down(look: &Look, rng: &mut Rng) -> f32 {
    PI / 2.0 + rng.range(-0.35, 0.35) * freedom(look)
}

/// Fine teeth pulled through bands: rows of tongues.
fn nonpareil(look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = bands(look, tones, rng);
    let (gap, angle) = (gap(look), down(look, rng));
    let shift = rng.range(-0.5, 0.5) * gap * freedom(look);
    let pull = gap * rng.range(1.8, 3.2) * rng.sign();
    bath.tools.push(comb(angle, gap, pull, false, (0.0, 0.0), shift));
    // Often raked to and fro before.
    if rng.chance(0.6) {
        bath.tools.push(comb(PI / 2.0, gap * 3.0, gap * rng.range(1.0, 2.6), true, (0.0, 0.0), 0.0));
    }
    bath
}

/// Teeth that go up and down in turn: chevrons and feathers.
fn feather(look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = bands(look, tones, rng);
    let gap = gap(look) * rng.range(1.3, 1.8);
    let angle = down(look, rng);
    bath.tools.push(comb(angle, gap, gap * rng.range(1.3, 2.4), true, (0.0, 0.0), 0.0));
    if rng.chance(0.5) {
        // A second raking across gives each feather a wave.
        bath.tools.push(comb(0.0, gap * 2.0, gap * 0.5, true, (0.0, 0.0), gap * 0.5));
    }
    bath
}

/// Nonpareil drawn through by a swaying comb: bouquets and peacock tails.
fn bouquet(look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = bands(look, tones, rng);
    let gap = gap(look);
    let wide = gap * rng.range(2.4, 3.4);
    let sway = (wide * rng.range(0.35, 0.6), TAU / (wide * rng.range(1.6, 2.4)));
    let angle = down(look, rng);
    bath.tools.push(comb(angle, wide, -wide * rng.range(0.9, 1.4), rng.chance(0.4), sway, 0.0));
    bath.tools.push(comb(PI / 2.0, gap * 0.8, gap * rng.range(1.8, 2.6), false, (0.0, 0.0), 0.0));
    bath
}

/// French curls: rows of spirals in combed ink.
fn curls(look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = bands(look, tones, rng);
    let step = lerp(0.18, 0.4, look.scale) * lerp(1.2, 0.85, look.density);
    let turn = rng.range(5.5, 9.0) * rng.sign();
    let wobble = 0.09 * freedom(look);
    bath.tools.push(Tool::Whirls { step, wobble, turn, both: rng.chance(0.3), noise: Noise::new(rng) });
    let gap = gap(look) * 0.8;
    bath.tools.push(comb(down(look, rng), gap, gap * rng.range(1.4, 2.4), false, (0.0, 0.0), 0.0));
    bath
}

/// Drops of all inks, one ink after the other, the last ones smallest; last first.
fn thrown(plane: &Plane, look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let n = tones.all.len();
    let size = lerp(0.05, 0.125, look.scale);
    let area = 4.0 * plane.half_w * plane.half_h;
    let count = (area * lerp(1.0, 2.0, look.density) / (size * size * 2.2)).clamp(24.0, 120.0) as usize;
    let mut order: Vec<usize> = (0..n).collect();
    rng.shuffle(&mut order);
    let eyes = if rng.chance(0.5) { 0.4 } else { 0.0 };
    let mut tools = Vec::new();
    for k in 0..count {
        let t = k as f32 / count as f32;
        // Mostly in turn, with some strays.
        let turn = if rng.chance(0.25) { rng.below(n) } else { 1 + (t * n as f32) as usize };
        let ink = order[turn % n];
        let radius = size * lerp(1.35, 0.5, t) * rng.range(0.55, 1.25);
        let at = (rng.range(-1.05, 1.05) * plane.half_w, rng.range(-1.05, 1.05) * plane.half_h);
        tools.push(Tool::Drop { at, radius, ink });
        if rng.chance(eyes) {
            tools.push(Tool::Drop { at, radius: radius * rng.range(0.4, 0.65), ink: order[(turn + 1) % n] });
        }
    }
    tools.reverse();
    Bath { inks: tones.all.clone(), bands: vec![(1.0, order[0])], tools, depth: rng.range(0.06, 0.2) }
}

/// Stone marble and Turkish spots.
fn stone(plane: &Plane, look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = thrown(plane, look, tones, rng);
    bath.tools.insert(0, drift(plane, lerp(6.0, 3.0, look.scale), 0.03, rng));
    bath
}

/// Spots drawn into swirls, by a free stylus or a wide rake.
fn swirled(plane: &Plane, look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut bath = thrown(plane, look, tones, rng);
    let mut tools = Vec::new();
    let size = lerp(0.16, 0.36, look.scale);
    match rng.below(3) {
        0 => {
            for _ in 0..lerp(4.0, 9.0, look.density) as usize {
                let at = (rng.range(-1.0, 1.0) * plane.half_w, rng.range(-1.0, 1.0) * plane.half_h);
                let radius = size * rng.range(1.0, 1.7);
                tools.push(Tool::Whirl { at, radius, turn: rng.range(3.0, 7.5) * rng.sign() });
            }
        }
        1 => {
            let gap = size * rng.range(0.5, 0.8);
            let sway = (gap * 0.4, TAU / (gap * 4.0));
            tools.push(comb(down(look, rng), gap, gap * rng.range(1.2, 2.2), rng.chance(0.6), sway, 0.0));
        }
        _ => {
            for _ in 0..lerp(4.0, 8.0, look.density) as usize {
                let at = (rng.range(-0.9, 0.9) * plane.half_w, rng.range(-0.9, 0.9) * plane.half_h);
                let (sin, cos) = rng.range(0.0, TAU).sin_cos();
                tools.push(Tool::Line { at, sin, cos, pull: size * rng.range(0.6, 1.3), width: size * 0.14 });
            }
            tools.push(Tool::Whirl { at: (0.0, 0.0), radius: plane.reach(), turn: rng.range(2.0, 4.5) * rng.sign() });
        }
    }
    tools.push(drift(plane, 2.5, 0.07, rng));
    bath.tools.splice(0..0, tools);
    bath
}

/// Suminagashi: rings of ink on still water, drawn by a breath.
fn rings(plane: &Plane, look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let n = tones.all.len();
    let dark = rng.chance(0.35);
    let paper = if dark { 0 } else { n - 1 };
    let centres = lerp(2.0, 5.5, look.density) as usize;
    let step = lerp(0.055, 0.12, look.scale) * lerp(1.1, 0.8, look.density);
    let area = 4.0 * plane.half_w * plane.half_h;
    let turns = ((area * 1.8 / (centres as f32 * 12.0 * step * step)) as usize).clamp(5, 60 / centres);
    let spots: Vec<(f32, f32)> =
        (0..centres).map(|_| (rng.range(-0.8, 0.8) * plane.half_w, rng.range(-0.8, 0.8) * plane.half_h)).collect();
    let mut drops = Vec::new();
    for k in 0..turns {
        for (i, at) in spots.iter().enumerate() {
            // All tones in turn, with paper between.
            let walk = (k + i) % (n - 1);
            let ink = if dark { 1 + walk } else { walk };
            let ink_radius = step * rng.range(1.0, 1.7);
            drops.push(Tool::Drop { at: *at, radius: ink_radius, ink });
            drops.push(Tool::Drop { at: *at, radius: step * rng.range(1.1, 1.8), ink: paper });
        }
    }
    drops.reverse();
    let mut tools = Vec::new();
    for _ in 0..2 + rng.below(3) {
        let at = (rng.range(-0.8, 0.8) * plane.half_w, rng.range(-0.8, 0.8) * plane.half_h);
        let (sin, cos) = rng.range(0.0, TAU).sin_cos();
        tools.push(Tool::Line { at, sin, cos, pull: rng.range(0.1, 0.3), width: 0.03 });
    }
    tools.push(drift(plane, 2.2, 0.14, rng));
    tools.push(drift(plane, 5.5, 0.045, rng));
    tools.extend(drops);
    let mut inks = tones.all.clone();
    inks[paper] = if dark { tones.dark() } else { lighten(tones.light(), 0.01) };
    Bath { inks, bands: vec![(1.0, paper)], tools, depth: rng.range(0.0, 0.1) }
}

/// Ebru flowers on stippled or combed ink: rings of drops pulled into petals.
fn flowers(plane: &Plane, look: &Look, tones: &Tones, rng: &mut Rng) -> Bath {
    let mut small = look.clone();
    small.scale *= 0.35;
    small.density = 0.3 + 0.5 * look.density;
    let n = tones.all.len();
    // The ground keeps to one end of the palette so that the flowers stand out.
    let light = rng.chance(0.5);
    let mut bath = thrown(plane, &small, tones, rng);
    let base = if light { tones.light() } else { tones.dark() };
    let own = bath.inks.clone();
    let pale: Vec<[f32; 3]> = own.iter().map(|c| blend(base, *c, 0.42)).collect();
    bath.inks = pale.into_iter().chain(own).collect();
    let size = lerp(0.13, 0.3, look.scale);
    let want = lerp(1.0, 6.0, look.density * (1.0 - 0.5 * look.scale)).round() as usize + 1;
    let mut spots: Vec<(f32, f32)> = Vec::new();
    for _ in 0..60 {
        let edge = |half: f32| (half - size * 0.7).max(0.0);
        let at = (rng.range(-1.0, 1.0) * edge(plane.half_w), rng.range(-1.0, 1.0) * edge(plane.half_h));
        if spots.len() < want && spots.iter().all(|s| (s.0 - at.0).hypot(s.1 - at.1) > size * 1.9) {
            spots.push(at);
        }
    }
    let (mut tools, mut drops) = (Vec::new(), Vec::new());
    for at in &spots {
        let count = (5 + rng.below(4)) as f32;
        let turn = rng.range(0.0, TAU);
        let radius = size * rng.range(0.85, 1.15);
        tools.push(Tool::Petals { at: *at, radius: radius * 1.7, count, depth: rng.range(0.5, 0.75), turn });
        let start = rng.below(n);
        let layers = 4;
        for k in 0..layers {
            let r = radius * (1.0 - 0.22 * k as f32);
            let ink = n + (start + k * (1 + n / 3)) % n;
            drops.push((Tool::Drop { at: *at, radius: r * 0.62, ink }, k));
        }
    }
    drops.sort_by_key(|d| std::cmp::Reverse(d.1));
    tools.extend(drops.into_iter().map(|d| d.0));
    bath.tools.splice(0..0, tools);
    bath
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
