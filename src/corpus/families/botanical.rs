//! Silhouettes of leaves, stems and flowers: sprigs, wreaths, ferns, meadows, jungles, patterns and blooms.

use super::kit::{Plane, Tones, freedom, lerp, lit, shade};
use super::plants::{Blade, Head, Ink, Pen, flower, leaf, toward};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, lighten, mix, smoothstep};
use crate::corpus::rng::Rng;
use crate::corpus::vector::Sheet;
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Everything that the layouts share.
struct Garden {
    plane: Plane,
    look: Look,
    /// Leaves in order of depth: first the ones farthest from the ground's tone.
    greens: Vec<[f32; 3]>,
    petals: Vec<[f32; 3]>,
    light: bool,
    veins: bool,
    halves: bool,
    ground: [f32; 3],
}

impl Garden {
    fn free(&self) -> f32 {
        freedom(&self.look)
    }
    fn ink(&self, body: [f32; 3]) -> Ink {
        let half = if self.halves { lit(body, 0.82) } else { body };
        let vein = if self.light { lighten(body, 0.16) } else { lighten(body, -0.16) };
        Ink { body, half, vein: self.veins.then_some(vein) }
    }
    fn green(&self, rng: &mut Rng) -> [f32; 3] {
        self.greens[rng.below(self.greens.len())]
    }
    /// Runs a drawing once as it is and, under symmetry, once more mirrored, else once more afresh.
    fn twice(&self, sheet: &mut Sheet, rng: &mut Rng, mut draw: impl FnMut(&mut Pen, &mut Rng)) {
        let origin = (self.plane.half_w, self.plane.half_h);
        let mut first = rng.fork();
        let second = if rng.unit() < self.look.symmetry { first.clone() } else { rng.fork() };
        draw(&mut Pen { sheet, origin, side: 1.0 }, &mut first);
        draw(&mut Pen { sheet, origin, side: -1.0 }, &mut { second });
    }
}

fn soft_blades(rng: &mut Rng) -> Blade {
    *rng.pick(&[Blade::Lance, Blade::Lance, Blade::Oval, Blade::Oval, Blade::Round, Blade::Heart, Blade::Lobed])
}

fn heads(rng: &mut Rng) -> Head {
    *rng.pick(&[Head::Daisy, Head::Poppy, Head::Tulip, Head::Lotus, Head::Puff, Head::Berries])
}

/// Covers the canvas. Density sets how many leaves and stems there are, scale how large they are.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let light = rng.chance(0.6);
    let (ground, rim) = tones.ground(light);
    // Leaves from the far half of the palette, petals from the colourful rest.
    let mut far: Vec<[f32; 3]> = tones.without(ground);
    if !light {
        far.reverse();
    }
    let keep = (far.len() * 2).div_ceil(3).max(1);
    let mut petals = far.split_off(keep);
    petals.push(tones.accent());
    let garden = Garden {
        plane,
        look: look.clone(),
        greens: far,
        petals,
        light,
        veins: rng.chance(0.6),
        halves: rng.chance(0.75),
        ground,
    };
    backdrop(canvas, &garden, rim, &tones, rng);
    let mut sheet = Sheet::new(canvas);
    match rng.below(8) {
        0 => sprig(&mut sheet, &garden, rng),
        1 => wreath(&mut sheet, &garden, rng),
        2 => ferns(&mut sheet, &garden, rng),
        3 => meadow(canvas, &mut sheet, &garden, rng),
        4 => jungle(canvas, &mut sheet, &garden, rng),
        5 => pattern(&mut sheet, &garden, rng),
        6 => bloom(&mut sheet, &garden, rng),
        _ => hanging(&mut sheet, &garden, rng),
    }
    sheet.over(canvas);
}

/// Soft ground with, often, a sun or an arch behind the plants.
fn backdrop(canvas: &mut Canvas, garden: &Garden, rim: [f32; 3], tones: &Tones, rng: &mut Rng) {
    let plane = garden.plane;
    let free = garden.free();
    let kind = rng.below(5);
    let disc = (rng.range(-0.16, 0.16) * free, rng.range(-0.2, 0.08), rng.range(0.22, 0.36));
    let warm = blend(garden.ground, tones.accent(), rng.range(0.3, 0.75));
    let tilt = rng.range(-0.4, 0.4) * free;
    let bands = [warm, blend(garden.ground, warm, 0.62), blend(garden.ground, warm, 0.32)];
    shade(canvas, |x, y| {
        let mut c = mix(garden.ground, rim, smoothstep(-0.6, 0.7, y + tilt * x));
        match kind {
            // A sun.
            0 | 1 => c = mix(c, warm, plane.inside((x - disc.0).hypot(y - disc.1) - disc.2)),
            // A rainbow of arches.
            2 => {
                for (k, band) in bands.iter().rev().enumerate() {
                    let r = disc.2 + 0.12 - 0.085 * k as f32;
                    let top = (x - disc.0).hypot((y - disc.1).min(0.0)) - r;
                    c = mix(c, *band, plane.inside(top));
                }
            }
            _ => {}
        }
        c
    });
}

/// A stem: points from its foot, and the direction at each.
fn stem(foot: [f32; 2], angle: f32, length: f32, bend: f32) -> Vec<([f32; 2], f32)> {
    let steps = 24;
    let mut p = foot;
    (0..=steps)
        .map(|k| {
            let a = angle + bend * k as f32 / steps as f32;
            let here = (p, a);
            p = toward(p, a, length / steps as f32);
            here
        })
        .collect()
}

/// A branch with leaves on both sides and a bud, a berry or a leaf at its tip.
#[allow(clippy::too_many_arguments)]
fn branch(
    pen: &mut Pen,
    garden: &Garden,
    blade: Blade,
    path: &[([f32; 2], f32)],
    leaves: usize,
    size: f32,
    body: [f32; 3],
    tip: Option<(Head, [f32; 3])>,
    rng: &mut Rng,
) {
    let free = garden.free();
    let ink = garden.ink(body);
    let points: Vec<_> = path.iter().map(|p| p.0).collect();
    pen.line(&points, (size * 0.07).clamp(0.009, 0.02), ink.half);
    let alternate = free * if rng.chance(0.5) { 0.5 } else { 0.0 };
    let lean = rng.range(0.7, 1.05);
    let last = path.len() - 1;
    // Broad leaves need room.
    let length = points.windows(2).map(|p| (p[1][0] - p[0][0]).hypot(p[1][1] - p[0][1])).sum::<f32>();
    let room = match blade {
        Blade::Lance | Blade::Needle => 0.34,
        Blade::Fern => 0.5,
        Blade::Oval | Blade::Lobed => 0.48,
        _ => 0.62,
    };
    let leaves = leaves.min((0.8 * length / (size * room)) as usize).max(2);
    for k in 0..leaves {
        for (side, shift) in [(-1.0, 0.0), (1.0, alternate)] {
            let t = 0.16 + 0.8 * (k as f32 + shift + 0.15) / leaves as f32;
            let (p, a) = path[((t * last as f32) as usize).min(last)];
            // Smaller towards the tip.
            let grow = lerp(1.05, 0.6, t) * (1.0 + free * rng.range(-0.2, 0.15));
            let angle = a + side * (lean + free * rng.range(-0.2, 0.2)) * lerp(1.0, 0.7, t);
            let tint = garden.ink(lit(body, if k % 2 == 0 { 1.06 } else { 0.93 }));
            leaf(pen, blade, p, angle, size * grow, -0.16 * side, &tint);
        }
    }
    let (p, a) = path[last];
    match tip {
        Some((head, petal)) => {
            flower(pen, head, toward(p, a, size * 0.25), a, size * 0.55, petal, blend(petal, garden.ground, 0.6));
        }
        None => leaf(pen, blade, p, a, size * 0.7, 0.0, &ink),
    }
}

/// One large branch, or a small bunch of them.
fn sprig(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let origin = (garden.plane.half_w, garden.plane.half_h);
    let leaves = lerp(lerp(7.0, 3.0, look.scale), lerp(14.0, 6.0, look.scale), look.density).round() as usize;
    let size = lerp(0.12, 0.37, look.scale);
    let blade = if rng.chance(0.4) && size > 0.24 { Blade::Fern } else { soft_blades(rng) };
    let foot = [rng.range(-0.12, 0.12) * free, garden.plane.half_h + 0.03];
    let length = rng.range(0.76, 0.9);
    let petal = *rng.pick(&garden.petals);
    let tip = rng.chance(0.45).then(|| (heads(rng), petal));
    if look.density > 0.35 {
        let body = garden.green(rng);
        let (turn, bend) = (rng.range(0.3, 0.5), rng.range(0.0, 0.5));
        garden.twice(sheet, rng, |pen, rng| {
            let wild = 1.0 + free * rng.range(-0.3, 0.3);
            let path = stem([0.02 + foot[0] * pen.side, foot[1]], turn * wild, length * 0.8, bend);
            branch(pen, garden, blade, &path, leaves.max(4) - 2, size * 0.8, body, tip, rng);
        });
    }
    let mut pen = Pen { sheet, origin, side: 1.0 };
    let path = stem(foot, rng.range(-0.3, 0.3) * free, length, rng.range(-0.7, 0.7) * free);
    branch(&mut pen, garden, blade, &path, leaves, size, garden.greens[0], tip, rng);
}

/// A ring of leaves, with flowers among them.
fn wreath(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let size = lerp(0.085, 0.23, look.scale);
    let radius = 0.43 - size * 0.55;
    let count = (lerp(0.5, 1.25, look.density) * TAU * radius / (size * 0.42) / 2.0).round().max(5.0) as usize;
    let blade = soft_blades(rng);
    let second = soft_blades(rng);
    let gap = if rng.chance(0.4) { 0.35 } else { 0.0 };
    let bodies = [garden.greens[0], garden.green(rng), garden.green(rng)];
    let blooms = lerp(1.0, 4.4, look.density).round() as usize;
    let head = *rng.pick(&[Head::Daisy, Head::Poppy, Head::Puff]);
    let petal = *rng.pick(&garden.petals);
    let petals = [petal, *rng.pick(&garden.petals)];
    let ring: Vec<_> = (0..=24).map(|k| toward([0.0, 0.0], PI - (PI - gap) * k as f32 / 24.0, radius)).collect();
    garden.twice(sheet, rng, |pen, rng| {
        pen.line(&ring, 0.011, lit(bodies[0], 0.85));
        for k in 0..count {
            let t = (k as f32 + 0.5) / count as f32;
            // From the bottom up one side.
            let a = PI - t * (PI - gap);
            let p = toward([0.0, 0.0], a, radius);
            for (j, side) in [-1.0, 1.0].into_iter().enumerate() {
                let angle = a - FRAC_PI_2 + side * (0.75 + free * rng.range(-0.3, 0.3));
                let body = bodies[(k + j) % if free > 0.5 { 3 } else { 2 }];
                let blade = if (k + j) % 3 == 2 { second } else { blade };
                let size = size * (1.0 + free * rng.range(-0.25, 0.25)) * lerp(1.1, 0.8, t);
                let body = lit(body, if k % 2 == 0 { 1.07 } else { 0.92 });
                leaf(pen, blade, p, angle, size, -0.12 * side, &garden.ink(body));
            }
        }
        for k in 0..blooms {
            let t = (k as f32 + 0.5 + free * rng.range(-0.4, 0.4)) / blooms as f32;
            let p = toward([0.0, 0.0], PI - t * (PI - gap) * 0.9, radius);
            flower(pen, head, p, 0.0, size * 0.42, petals[k % 2], blend(petals[k % 2], garden.ground, 0.7));
        }
    });
}

/// Fronds that fan out from below or from the corners.
fn ferns(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let count = lerp(1.5, 5.0, look.density).round() as usize;
    let length = lerp(0.42, 1.0, look.scale);
    let corner = rng.chance(0.35);
    let blade = *rng.pick(&[Blade::Fern, Blade::Fern, Blade::Fan, Blade::Lance]);
    let bodies: Vec<_> =
        (0..count + 1).map(|k| garden.greens[(garden.greens.len() + count - k) % garden.greens.len()]).collect();
    let middle = rng.fork();
    garden.twice(sheet, rng, |pen, rng| {
        for (k, body) in bodies.iter().take(count).enumerate() {
            let t = (k as f32 + 1.0) / count as f32;
            let wild = free * rng.range(-0.2, 0.2);
            let (foot, angle, bend) = if corner {
                ([garden.plane.half_w + 0.02, garden.plane.half_h * (1.0 - 0.25 * t)], -1.25 * t + 0.2 + wild, -0.1)
            } else {
                ([0.02 * t, garden.plane.half_h + 0.02], 1.25 * (1.05 - t) + 0.12 + wild, 0.18)
            };
            let size = length * lerp(0.8, 1.0, t) * (1.0 + free * rng.range(-0.15, 0.15));
            leaf(pen, blade, foot, angle, size, bend, &garden.ink(*body));
        }
    });
    if !corner {
        let mut rng = middle;
        let origin = (garden.plane.half_w, garden.plane.half_h);
        let mut pen = Pen { sheet, origin, side: 1.0 };
        let angle = free * rng.range(-0.25, 0.25);
        let foot = [0.0, garden.plane.half_h + 0.02];
        leaf(&mut pen, blade, foot, angle, length * 1.02, free * rng.range(-0.2, 0.2), &garden.ink(garden.greens[0]));
    }
}

/// Stems and flowers rising from the lower rim, paler the farther they stand.
fn meadow(canvas: &mut Canvas, sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let half_w = garden.plane.half_w;
    let count = lerp(lerp(5.0, 1.6, look.scale), lerp(12.0, 4.0, look.scale), look.density).round() as usize;
    let size = lerp(0.045, 0.15, look.scale);
    let kinds = [heads(rng), heads(rng), heads(rng)];
    let petals = [*rng.pick(&garden.petals), *rng.pick(&garden.petals), garden.green(rng)];
    let blade = soft_blades(rng);
    for layer in 0..2 {
        let fade = if layer == 0 { 0.55 } else { 0.0 };
        let pale = |c: [f32; 3]| blend(c, garden.ground, fade);
        garden.twice(sheet, rng, |pen, rng| {
            for k in 0..count {
                let x = half_w * (k as f32 + 0.5 + free * rng.range(-0.45, 0.45)) / count as f32;
                let height = rng.range(0.3, 0.75) * if layer == 0 { 1.15 } else { 0.9 };
                let path =
                    stem([x, garden.plane.half_h + 0.02], free * rng.range(-0.15, 0.15), height, rng.range(-0.3, 0.3));
                let body = pale(garden.green(rng));
                let points: Vec<_> = path.iter().map(|p| p.0).collect();
                pen.line(&points, (size * 0.11).max(0.009), body);
                let ink = garden.ink(body);
                for (j, side) in [(6, -1.0), (9, 1.0), (13, -1.0)] {
                    let (p, a) = path[j];
                    leaf(pen, blade, p, a + side * 0.7, size * rng.range(1.4, 2.2), -0.15 * side, &ink);
                }
                let (p, a) = path[path.len() - 1];
                let pick = rng.below(3);
                let r = size * rng.range(0.85, 1.3);
                flower(pen, kinds[pick], p, a, r, pale(petals[pick]), pale(blend(petals[pick], garden.ground, 0.65)));
            }
        });
        if layer == 0 {
            sheet.over(canvas);
            sheet.clear();
        }
    }
}

/// Large leaves that reach in from all sides, layer over layer.
fn jungle(canvas: &mut Canvas, sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let blades = [Blade::Slotted, Blade::Fan, Blade::Fern, Blade::Heart, Blade::Oval, Blade::Lance];
    let size = lerp(0.22, 0.72, look.scale);
    let layers = lerp(1.6, 3.4, look.density).round() as usize;
    let count = lerp(lerp(6.0, 2.2, look.scale), lerp(10.0, 3.6, look.scale), look.density).round() as usize;
    let open = rng.chance(0.6);
    let (w, h) = (garden.plane.half_w, garden.plane.half_h);
    for layer in 0..layers {
        let near = (layer + 1) as f32 / layers as f32;
        let body = blend(garden.greens[(layers - 1 - layer) % garden.greens.len()], garden.ground, 0.45 * (1.0 - near));
        let blade = *rng.pick(&blades);
        let other = *rng.pick(&blades);
        garden.twice(sheet, rng, |pen, rng| {
            for k in 0..count {
                // Around the right rim, from the top to the bottom, pointing inwards.
                let t = (k as f32 + 0.5 + free * rng.range(-0.4, 0.4)) / count as f32;
                let a = PI * t;
                let foot = [w * 1.12 * a.sin(), -h * 1.14 * a.cos()];
                let inward = (-foot[0]).atan2(foot[1]) + rng.range(-0.35, 0.35);
                let reach = if open { 0.85 } else { 1.15 };
                let length = size * reach * rng.range(0.85, 1.2) * lerp(1.1, 0.85, near);
                let tint = lit(body, 1.0 + rng.range(-0.1, 0.1));
                let blade = if k % 2 == 0 { blade } else { other };
                leaf(pen, blade, foot, inward, length, rng.range(-0.15, 0.15), &garden.ink(tint));
            }
        });
        if layer + 1 < layers {
            sheet.over(canvas);
            sheet.clear();
        }
    }
    if rng.chance(0.45) {
        let petal = *rng.pick(&garden.petals);
        let head = *rng.pick(&[Head::Lotus, Head::Daisy, Head::Poppy]);
        let y = rng.range(-0.05, 0.3);
        let x = rng.range(-0.25, 0.25) * free;
        let mut pen = Pen { sheet, origin: (w, h), side: 1.0 };
        flower(&mut pen, head, [x, y], 0.0, size * 0.33, petal, blend(petal, garden.ground, 0.7));
    }
}

/// A half-drop repeat of little sprigs and flowers, as on cloth.
fn pattern(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let pitch = lerp(0.15, 0.5, look.scale) * lerp(1.12, 0.9, look.density);
    let size = pitch * lerp(0.34, 0.5, look.density);
    let blade = soft_blades(rng);
    let head = *rng.pick(&[Head::Daisy, Head::Poppy, Head::Tulip, Head::Lotus]);
    let bodies = [garden.greens[0], garden.green(rng)];
    let petals = [*rng.pick(&garden.petals), *rng.pick(&garden.petals)];
    let half_drop = rng.chance(0.7);
    let dots = look.density > 0.45;
    let way = rng.range(-0.5, 0.5) * free;
    let pairs = if size > 0.1 { 2 } else { 1 };
    let filled = rng.below(3);
    let origin = (garden.plane.half_w, garden.plane.half_h);
    let (columns, rows) =
        ((garden.plane.half_w / pitch).ceil() as i32 + 1, (garden.plane.half_h / pitch).ceil() as i32 + 1);
    for i in -columns..=columns {
        for j in -rows..=rows {
            let drop = if half_drop && i & 1 != 0 { 0.5 } else { 0.0 };
            let jitter = |rng: &mut Rng| free * rng.range(-0.16, 0.16) * pitch;
            let at = [i as f32 * pitch + jitter(rng), (j as f32 + drop) * pitch + jitter(rng)];
            let side = if i < 0 { -1.0 } else { 1.0 };
            let at = [at[0] * side, at[1]];
            let mut pen = Pen { sheet: &mut *sheet, origin, side };
            let odd = ((i.abs() + j) & 1) as usize;
            let angle = way + free * rng.range(-0.7, 0.7);
            let bloom = filled == 0 || (filled == 1 && odd == 0);
            let foot = toward(at, angle, -size * 0.8);
            let ink = garden.ink(bodies[odd]);
            pen.line(&[foot, toward(at, angle, size * 0.5)], (size * 0.09).max(0.008), ink.half);
            for k in 0..pairs {
                for s in [-1.0, 1.0] {
                    let p = toward(foot, angle, size * (0.25 + 0.5 * k as f32));
                    leaf(&mut pen, blade, p, angle + s * 0.85, size * lerp(0.95, 0.75, k as f32), -0.12 * s, &ink);
                }
            }
            let tip = toward(at, angle, size * 0.45);
            if bloom {
                flower(&mut pen, head, tip, angle, size * 0.5, petals[odd], blend(petals[odd], garden.ground, 0.7));
            } else {
                leaf(&mut pen, blade, tip, angle, size * 0.75, 0.0, &ink);
            }
            if dots {
                let c = [at[0] + pitch * 0.5, at[1] + pitch * if half_drop { 0.25 } else { 0.5 }];
                pen.dot(c, (size * 0.11).max(0.01), petals[1 - odd]);
            }
        }
    }
}

/// One great flower, seen from above, in rings of petals over leaves.
fn bloom(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let origin = (garden.plane.half_w, garden.plane.half_h);
    let at = [rng.range(-0.15, 0.15) * free, rng.range(-0.12, 0.12) * free];
    let mut pen = Pen { sheet, origin, side: 1.0 };
    let radius = lerp(0.24, 0.48, look.scale);
    let foliage = lerp(4.0, 11.0, look.density).round() as usize;
    let blade = *rng.pick(&[Blade::Oval, Blade::Lance, Blade::Heart, Blade::Lobed, Blade::Fern]);
    for k in 0..foliage {
        let a = TAU * (k as f32 + 0.5) / foliage as f32 + free * rng.range(-0.25, 0.25);
        let ink = garden.ink(garden.greens[k % garden.greens.len().min(2)]);
        leaf(&mut pen, blade, toward(at, a, radius * 0.35), a, radius * 1.05, free * rng.range(-0.2, 0.2), &ink);
    }
    let rings = lerp(2.0, 5.0, look.density).round() as usize;
    let petals = lerp(lerp(10.0, 5.0, look.scale), lerp(17.0, 9.0, look.scale), look.density).round() as usize;
    let start = *rng.pick(&garden.petals);
    let end = if rng.chance(0.5) { garden.ground } else { garden.greens[0] };
    let shape = *rng.pick(&[Blade::Oval, Blade::Oval, Blade::Round, Blade::Lance, Blade::Heart]);
    for ring in 0..rings {
        let t = ring as f32 / rings as f32;
        let body = blend(start, end, t * 0.75);
        let r = radius * lerp(1.0, 0.3, t);
        let n = (petals as f32 * lerp(1.0, 0.7, t)).round() as usize;
        let ink = Ink { body, half: lit(body, 0.84), vein: None };
        for k in 0..n {
            let a = TAU * (k as f32 + 0.5 * (ring % 2) as f32) / n as f32 + free * rng.range(-0.1, 0.1);
            leaf(&mut pen, shape, at, a, r * (1.0 + free * rng.range(-0.1, 0.06)), 0.0, &ink);
        }
    }
    let heart = if rng.chance(0.5) { garden.greens[0] } else { garden.ground };
    pen.dot(at, radius * 0.2, lit(heart, 0.85));
    pen.dot(at, radius * 0.14, heart);
    for k in 0..9 {
        let a = TAU * k as f32 / 9.0;
        pen.dot(toward(at, a, radius * 0.17), (radius * 0.03).max(0.008), start);
    }
}

/// Branches that hang from the upper rim.
fn hanging(sheet: &mut Sheet, garden: &Garden, rng: &mut Rng) {
    let look = &garden.look;
    let free = garden.free();
    let count = lerp(lerp(3.0, 1.0, look.scale), lerp(7.0, 2.6, look.scale), look.density).round() as usize;
    let size = lerp(0.07, 0.22, look.scale);
    let blade = *rng.pick(&[Blade::Lance, Blade::Round, Blade::Oval, Blade::Heart]);
    let petal = *rng.pick(&garden.petals);
    let tip = rng.chance(0.4).then(|| (*rng.pick(&[Head::Berries, Head::Tulip, Head::Puff]), petal));
    let half_w = garden.plane.half_w;
    let bodies: Vec<_> = (0..count).map(|_| garden.green(rng)).collect();
    garden.twice(sheet, rng, |pen, rng| {
        for (k, body) in bodies.iter().enumerate() {
            let x = half_w * (k as f32 + 0.5 + free * rng.range(-0.35, 0.35)) / count as f32;
            let t = k as f32 / count as f32;
            let length = lerp(0.42, 0.8, t) * (1.0 + free * rng.range(-0.25, 0.25));
            let path =
                stem([x, -garden.plane.half_h - 0.02], PI + free * rng.range(-0.2, 0.2), length, rng.range(-0.35, 0.1));
            let leaves = (length / (size * 0.62)).round().max(3.0) as usize;
            branch(pen, garden, blade, &path, leaves, size, *body, tip, rng);
        }
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
