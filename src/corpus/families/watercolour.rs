//! Watercolour: blots, graded skies over hills, wet brush strokes, rings, loose flowers, and charts of swatches.

use super::kit::{Plane, Tones, freedom, lerp};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, smoothstep, to_oklab};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;
use std::f32::consts::{PI, TAU};

/// Covers the canvas with paper and washes. Scale sets the size of the washes, density their number.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let mut sheet = Wet::new(canvas, look, rng);
    match rng.below(10) {
        0 | 1 => blots(&mut sheet, look, rng),
        2 | 3 => sky(&mut sheet, look, rng),
        4 => strokes(&mut sheet, look, rng),
        5 | 6 => rings(&mut sheet, look, rng),
        7 | 8 => flowers(&mut sheet, look, rng),
        _ => swatches(&mut sheet, look, rng),
    }
    sheet.dry(canvas);
}

/// One load of the brush.
#[derive(Clone)]
struct Load {
    /// Optical densities of the two pigments that run into each other.
    inks: [[f32; 3]; 2],
    strength: f32,
    /// How far the outline wanders, and how many wanders a unit.
    wobble: f32,
    pace: f32,
    /// Widest blur of the lost parts of the outline.
    soft: f32,
    rim: f32,
    /// Where the pigment gathers: a slope of density across the wash.
    grade: [f32; 2],
    /// How fast the pigment thins away from the outline.
    fade: f32,
    /// A backrun: centre and radius.
    bloom: Option<[f32; 3]>,
    offset: [f32; 2],
}

/// Which copy of a wash is painted.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Own,
    Mirror,
    Folded,
}

/// Wet paper: the densities of the pigment on it, and the textures that every wash shares.
struct Wet {
    plane: Plane,
    paper: [f32; 3],
    /// Densities of the palette's inks, dark to light, without the paper.
    inks: Vec<[f32; 3]>,
    density: Vec<[f32; 3]>,
    wander: [Field; 2],
    flow: Field,
    grain: Vec<f32>,
    symmetry: f32,
    /// Paper kept dry: centre and radius.
    dry: Option<[f32; 3]>,
}

fn read(field: &Field, x: f32, y: f32) -> f32 {
    // Beyond its border the field is mirrored, so that it never ends.
    let fold = |t: f32| {
        let t = t.rem_euclid(2.0);
        if t > 1.0 { 2.0 - t } else { t }
    };
    field.at(fold(x), fold(y))
}

impl Wet {
    fn new(canvas: &Canvas, look: &Look, rng: &mut Rng) -> Self {
        let plane = Plane::of(canvas);
        let tones = Tones::new(look);
        // A deep or vivid lightest tone only tints the paper, and is a pigment as well.
        let [l, a, b] = to_oklab(tones.light());
        let bleach = ((0.96 - l) * 1.5 + (a.hypot(b) - 0.02) * 3.5).clamp(0.1, 0.85) * lerp(0.45, 1.0, look.contrast);
        let paper = blend(tones.light(), [0.985, 0.975, 0.95], bleach);
        let count = tones.all.len() - usize::from(bleach < 0.35);
        let inks = tones.all[..count]
            .iter()
            .map(|c| std::array::from_fn(|i| (paper[i].max(0.02) / c[i].max(0.02)).ln().clamp(0.0, 3.0)))
            .collect();
        // Large bends and a little tremble: wet outlines are smooth, not crumpled.
        let mut field = |pace: f32, tremble: f32| {
            let noise = Noise::new(rng);
            Field::new(150, |x, y| {
                let (x, y) = (x * pace, y * pace);
                noise.at(x, y)
                    + 0.22 * noise.at(x * 2.1 + 3.0, y * 2.1)
                    + tremble * noise.fbm(x * 5.0 + 5.0, y * 5.0, 2)
            })
        };
        let wander = [field(6.0, 0.07), field(6.0, 0.07)];
        let flow = field(6.0, 0.25);
        let noise = Noise::new(rng);
        let fold = look.symmetry > 0.5;
        let grain = plane.values(|x, y| {
            let x = if fold { x.abs() } else { x };
            0.65 * noise.at(x * 62.0, y * 62.0) + 0.5 * noise.at(x * 140.0 + 9.0, y * 140.0)
        });
        let density = vec![[0.0; 3]; canvas.rgb.len()];
        Self { plane, paper, inks, density, wander, flow, grain, symmetry: look.symmetry, dry: None }
    }
    /// A brush for a wash about this large, loaded with the nth ink and a neighbour.
    fn load(&self, nth: usize, size: f32, rng: &mut Rng) -> Load {
        let n = self.inks.len();
        let other = if rng.chance(0.7) { nth + 1 } else { nth + 1 + rng.below(n) };
        let a = rng.range(0.0, TAU);
        let slope = rng.range(0.2, 0.75) / size;
        let bloom = rng.chance(0.45).then(|| {
            let (a, r) = (rng.range(0.0, TAU), size * rng.range(0.1, 0.75));
            [a.cos() * r, a.sin() * r, size * rng.range(0.25, 0.55)]
        });
        // Dark inks are thinned, so that all of them stay translucent.
        let weight = |ink: [f32; 3]| {
            let m = ink.iter().sum::<f32>() / 3.0;
            ink.map(|d| d * (0.85 / m.max(0.3)).clamp(0.5, 1.35))
        };
        Load {
            inks: [weight(self.inks[nth % n]), weight(self.inks[other % n])],
            strength: rng.range(0.55, 1.0),
            wobble: size * rng.range(0.18, 0.42),
            pace: 0.22 / size,
            soft: size * rng.range(0.05, 0.35),
            rim: rng.range(0.5, 1.0),
            grade: [a.cos() * slope, a.sin() * slope],
            fade: 0.0,
            bloom,
            offset: [rng.range(0.0, 9.0), rng.range(0.0, 9.0)],
        }
    }
    /// One wash: `outline(x, y)` is the distance to its border, negative inside.
    fn wash(&mut self, (cx, cy): (f32, f32), reach: f32, load: &Load, side: Side, outline: impl Fn(f32, f32) -> f32) {
        let p = self.plane;
        let span = |from: f32, to: f32, half: f32, n: usize| {
            let from = (((from + half) / p.px).max(0.0) as usize).min(n);
            from..(((to + half) / p.px + 1.0).clamp(0.0, n as f32) as usize).max(from)
        };
        let reach = reach + load.wobble + load.soft;
        let (left, right) = match side {
            Side::Own => (cx - reach, cx + reach),
            Side::Mirror => (-cx - reach, -cx + reach),
            Side::Folded => (-cx.abs() - reach, cx.abs() + reach),
        };
        let rim_width = 0.0065f32.max(p.px * 1.2);
        for row in span(cy - reach, cy + reach, p.half_h, p.height) {
            for column in span(left, right, p.half_w, p.width) {
                let (x, y) = p.point(column, row);
                let u = match side {
                    Side::Own => x,
                    Side::Mirror => -x,
                    Side::Folded => x.abs(),
                };
                let (fx, fy) = ((u - cx) * load.pace + load.offset[0], (y - cy) * load.pace + load.offset[1]);
                let (wx, wy) = (read(&self.wander[0], fx, fy), read(&self.wander[1], fx, fy));
                let d = outline(u + wx * load.wobble, y + wy * load.wobble);
                if d > load.soft + p.px {
                    continue;
                }
                let flow = read(&self.flow, fx + 0.37, fy + 0.71);
                let drift = read(&self.flow, fx * 0.7 + 0.13, fy * 0.7 - 0.29);
                // Found edges are crisp and dark, lost ones melt into the paper.
                let lost = smoothstep(0.05, 0.45, drift);
                let blur = lerp(p.px * 0.6, load.soft.max(p.px), lost);
                let mut cover = smoothstep(blur, -blur, d);
                if cover <= 0.0 {
                    continue;
                }
                let depth = (-d).max(0.0) / rim_width;
                let rim = load.rim * (1.0 - lost) / (1.0 + depth * depth);
                let lean = (u - cx) * load.grade[0] + (y - cy) * load.grade[1];
                let mut body = (0.62 + 0.55 * flow + 0.5 * lean.clamp(-1.2, 1.2)).max(0.12);
                body /= 1.0 + (-d).max(0.0) * load.fade;
                let mut run = smoothstep(-0.3, 0.35, drift + 0.4 * lean);
                if let Some([bx, by, r]) = load.bloom {
                    // Water creeps in, thins the pigment and leaves it at a ragged front.
                    let (dx, dy) = (u - cx - bx + wy * r * 0.9, y - cy - by + wx * r * 0.9);
                    let b = dx.hypot(dy) / r - 1.0;
                    body *= 1.0 - 0.6 * smoothstep(0.02, -0.35, b);
                    body += 0.4 * smoothstep(0.14, 0.0, b.abs());
                    run *= smoothstep(-0.9, 0.1, b);
                }
                let i = row * p.width + column;
                if let Some([sx, sy, r]) = self.dry {
                    cover *= smoothstep(-0.006, 0.006 + p.px, (x - sx + 0.008 * wx).hypot(y - sy + 0.008 * wy) - r);
                }
                // Pigment settles in the hollows of the paper.
                let dose = load.strength * cover * (body + rim * 0.7) * (1.0 + 0.34 * self.grain[i]);
                for k in 0..3 {
                    self.density[i][k] += dose * lerp(load.inks[0][k], load.inks[1][k], run);
                }
            }
        }
    }
    /// A wash that symmetry may double, or fold when it lies on the middle line.
    fn place(&mut self, centre: (f32, f32), reach: f32, load: &Load, pair: bool, outline: impl Fn(f32, f32) -> f32) {
        if pair && centre.0.abs() < reach * 0.4 {
            self.wash(centre, reach, load, Side::Folded, outline);
        } else {
            self.wash(centre, reach, load, Side::Own, &outline);
            if pair {
                self.wash(centre, reach, load, Side::Mirror, outline);
            }
        }
    }
    /// A drop of roughly this radius.
    fn blot(&mut self, (cx, cy): (f32, f32), r: f32, load: &Load, pair: bool) {
        self.place((cx, cy), r, load, pair, |x, y| (x - cx).hypot(y - cy) - r);
    }
    /// Flicks of the brush.
    fn splatter(&mut self, look: &Look, around: Option<(f32, f32)>, rng: &mut Rng) {
        let count = (lerp(2.0, 34.0, look.density) * (1.0 - 0.5 * look.symmetry)) as usize;
        for _ in 0..count {
            let r = lerp(0.004, 0.009, look.scale) * (0.5 + 2.2 * rng.unit().powi(3));
            let (hx, hy) = around.unwrap_or((self.plane.half_w * 0.6 * rng.sign(), 0.0));
            let at = (hx + rng.normal() * 0.28, hy + rng.normal() * 0.28);
            let mut load = self.load(rng.below(self.inks.len()), r, rng);
            (load.bloom, load.soft, load.wobble, load.rim) = (None, 0.0, r * 0.35, 0.15);
            self.blot(at, r, &load, rng.unit() < self.symmetry);
        }
    }
    /// A breath of colour over the whole sheet.
    fn tint(&mut self, strength: f32, rng: &mut Rng) {
        let mut load = self.load(self.inks.len() - 1 - rng.below(2).min(self.inks.len() - 1), 0.6, rng);
        (load.strength, load.rim, load.soft) = (strength, 0.0, 0.3);
        let side = if rng.unit() < self.symmetry { Side::Folded } else { Side::Own };
        self.wash((0.0, 0.0), self.plane.reach(), &load, side, |_, _| -1.0);
    }
    /// Lets the water go: the picture as the eye sees it.
    fn dry(&self, canvas: &mut Canvas) {
        let darkest = self.inks.first().map_or(1.0, |k| k.iter().sum::<f32>() / 3.0);
        let most = darkest.max(0.1) * 1.15;
        for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
            let d = self.density[i];
            // Glazes never get much darker than the darkest tone.
            let m = d.iter().sum::<f32>() / 3.0;
            let k = if m > 1e-4 { most * (1.0 - (-m / most).exp()) / m } else { 1.0 };
            let tooth = 1.0 + 0.022 * self.grain[i];
            *pixel = std::array::from_fn(|c| (self.paper[c] * (-d[c] * k).exp() * tooth).clamp(0.0, 1.0));
        }
    }
}

/// Translucent drops over each other.
fn blots(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let size = lerp(0.065, 0.24, look.scale);
    let p = sheet.plane;
    let area = 4.0 * p.half_w * p.half_h;
    let count = (area * lerp(0.3, 1.15, look.density) / (size * size * 2.6) * (1.0 - 0.45 * look.symmetry)).ceil();
    let cluster = rng.chance(0.4);
    if rng.chance(0.5) {
        sheet.tint(0.22, rng);
    }
    let first = rng.below(8);
    for i in 0..(count as usize).clamp(3, 130) {
        let r = size * rng.range(0.5, 1.25);
        let at = if cluster {
            (rng.normal() * p.half_w * 0.42, rng.normal() * p.half_h * 0.42)
        } else {
            (rng.range(-1.0, 1.0) * p.half_w, rng.range(-1.0, 1.0) * p.half_h)
        };
        let load = sheet.load(first + i, r, rng);
        let pair = rng.unit() < look.symmetry;
        sheet.blot(at, r, &load, pair);
        if rng.chance(0.35) {
            // A second glaze on the first, a little off.
            let mut load = sheet.load(first + i + 1, r * 0.6, rng);
            load.strength *= 0.8;
            sheet.blot((at.0 + r * rng.range(-0.3, 0.3), at.1 + r * rng.range(-0.3, 0.3)), r * 0.6, &load, pair);
        }
    }
    sheet.splatter(look, None, rng);
}

/// A graded sky, a sun kept dry, and hills that fade into mist.
fn sky(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let (p, n, free) = (sheet.plane, sheet.inks.len(), freedom(look));
    let fold = rng.unit() < look.symmetry;
    let side = if fold { Side::Folded } else { Side::Own };
    let sun = [
        rng.range(-0.25, 0.25) * if fold { 0.0 } else { 1.0 },
        rng.range(-0.55, -0.1) * p.half_h,
        lerp(0.06, 0.16, look.scale),
    ];
    let with_sun = rng.chance(0.75);
    sheet.dry = with_sun.then_some(sun);
    let horizon = rng.range(-0.05, 0.45) * p.half_h;
    let first = rng.below(n);
    for k in 0..2 {
        let mut load = sheet.load(first + k, lerp(0.25, 0.55, look.scale), rng);
        let down = if k == 0 { -1.5 } else { 1.2 } / p.half_h;
        (load.grade, load.rim, load.strength) = ([0.0, down], 0.0, rng.range(0.5, 0.8));
        if look.density < 0.5 {
            load.bloom = None;
        }
        let middle = if k == 0 { (0.0, -0.35 * p.half_h) } else { (0.0, horizon - 0.3 * p.half_h) };
        sheet.wash(middle, p.reach() * 2.0, &load, side, |_, _| -1.0);
    }
    // Clouds: wet drops with one found edge.
    for _ in 0..lerp(0.0, 9.0, look.density) as usize {
        let r = lerp(0.06, 0.15, look.scale) * rng.range(0.7, 1.4);
        let (cx, cy) = (rng.range(-1.0, 1.0) * p.half_w, lerp(-p.half_h, horizon, rng.unit()));
        let mut load = sheet.load(rng.below(n), r, rng);
        (load.strength, load.soft, load.bloom) = (0.35, r * 0.8, None);
        sheet.place((cx, cy), r * 2.5, &load, fold, |x, y| ((x - cx) * 0.4).hypot(y - cy) - r * 0.6);
    }
    sheet.dry = None;
    if with_sun {
        let mut load = sheet.load(n - 1 - rng.below(n.min(2)), sun[2], rng);
        (load.wobble, load.soft, load.bloom) = (sun[2] * 0.12, sun[2] * 0.1, None);
        let side = if fold { Side::Folded } else { Side::Own };
        sheet.wash((sun[0], sun[1]), sun[2], &load, side, |x, y| (x - sun[0]).hypot(y - sun[1]) - sun[2] * 0.96);
    }
    let hills = lerp(2.0, 7.0, look.density).round() as usize;
    let sharp = rng.chance(0.5);
    for k in 0..hills {
        let t = (k as f32 + 0.5) / hills as f32;
        let base = lerp(horizon, p.half_h * 0.92, t.powf(0.85));
        let high = lerp(0.09, 0.24, look.scale) * lerp(1.0, 0.6, t) * rng.range(0.7, 1.3);
        let noise = Noise::new(rng);
        let pace = lerp(4.6, 1.7, look.scale) * lerp(0.8, 1.1, t);
        let tilt = rng.range(-0.12, 0.12) * free;
        // Far hills are pale, near ones dark.
        let near = n as f32 * (1.0 - t) + rng.range(-0.6, 0.6);
        let mut load = sheet.load(near.clamp(0.0, n as f32 - 1.0) as usize, 0.3, rng);
        load.strength = lerp(0.5, 1.0, t);
        (load.wobble, load.pace, load.grade, load.soft) = (0.02, 0.7, [0.0; 2], 0.05);
        load.fade = lerp(9.0, 3.0, t);
        if let Some(b) = load.bloom.as_mut() {
            b[1] = b[1].abs();
        }
        sheet.wash((0.0, base), p.reach() * 2.0, &load, side, |x, y| {
            let ridge = if sharp { noise.ridged(x * pace, 0.3, 2) - 0.6 } else { noise.fbm(x * pace, 0.3, 2) };
            (base - ridge * high - y + tilt * x) * 0.8
        });
    }
    if rng.chance(0.4) {
        sheet.splatter(look, None, rng);
    }
}

/// Bands of a wide wet brush, some of them running dry.
fn strokes(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let (p, free) = (sheet.plane, freedom(look));
    let wide = lerp(0.055, 0.17, look.scale);
    let step = wide * lerp(1.7, 0.85, look.density);
    let upright = rng.chance(0.4);
    let (along, across) = if upright { (p.half_h, p.half_w) } else { (p.half_w, p.half_h) };
    let turn = rng.range(-0.35, 0.35) * free;
    let (s, c) = turn.sin_cos();
    let count = (across * 2.0 / step).ceil() as i32 + 1;
    let first = rng.below(8);
    let bow = rng.range(-0.12, 0.12);
    let pair = rng.unit() < look.symmetry.sqrt();
    for i in 0..count {
        let at = (i as f32 - (count - 1) as f32 / 2.0) * step;
        if upright && pair && at < -1e-4 {
            continue;
        }
        let at = at + rng.range(-0.25, 0.25) * step * free;
        let half = wide * 0.5 * rng.range(0.75, 1.1);
        let end = along * rng.range(0.72, 1.25);
        let shift = rng.range(-0.2, 0.2) * along * free;
        let mut load = sheet.load(first + i as usize, wide * 0.7, rng);
        load.wobble = wide * 0.16;
        load.grade = if upright { [0.0, 1.0 / along] } else { [1.0 / along, 0.0] };
        load.grade = load.grade.map(|g| g * rng.sign() * rng.range(0.3, 1.0));
        let bristles = Noise::new(rng);
        let (dry, hairs) = (rng.range(-0.8, 0.25), 5.0 / wide);
        let centre = if upright { (at, 0.0) } else { (0.0, at) };
        let outline = |x: f32, y: f32| {
            let (a, b) = if upright { (y, x) } else { (x, y) };
            let (a, b) = (a * c + b * s, b * c - a * s);
            let b = b - at - bow * (a * a - 0.1) * if upright && pair { 0.0 } else { 1.0 };
            let a = a - shift;
            // Towards its end the brush leaves streaks.
            let worn = (smoothstep(0.45, 1.0, a.abs() / end) + dry).max(0.0);
            let gap = if worn > 0.0 { bristles.fbm(a * 5.0, b * hairs, 2) * 0.6 + worn - 0.85 } else { -1.0 };
            (b.abs() - half).max(a.abs() - end).max(gap * 0.035)
        };
        let on_axis = !upright || at.abs() < wide * 0.2;
        match (pair, on_axis) {
            (false, _) => sheet.wash(centre, p.reach(), &load, Side::Own, outline),
            (true, true) => sheet.wash(centre, p.reach(), &load, Side::Folded, outline),
            (true, false) => {
                sheet.wash(centre, p.reach(), &load, Side::Own, outline);
                sheet.wash(centre, p.reach(), &load, Side::Mirror, outline);
            }
        }
    }
    sheet.splatter(look, None, rng);
}

/// Rings drawn in one breath, alone or one in another.
fn rings(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let p = sheet.plane;
    let size = lerp(0.09, 0.3, look.scale);
    let nested = rng.chance(0.35);
    let count = if nested {
        lerp(3.0, 7.0, look.density)
    } else {
        4.0 * p.half_w * p.half_h * lerp(0.25, 0.9, look.density) / (size * size * 2.4)
    };
    let count = ((count * if nested { 1.0 } else { 1.0 - 0.45 * look.symmetry }).ceil() as usize).clamp(2, 60);
    sheet.tint(rng.range(0.1, 0.25), rng);
    let first = rng.below(8);
    let heart = (rng.range(-0.15, 0.15) * freedom(look), rng.range(-0.1, 0.1));
    for i in 0..count {
        let t = (i as f32 + 0.7) / count as f32;
        let (r, (cx, cy)) = if nested {
            (lerp(0.05, lerp(0.42, 0.62, look.scale), t), heart)
        } else {
            (size * rng.range(0.5, 1.2), (rng.range(-1.0, 1.0) * p.half_w, rng.range(-1.0, 1.0) * p.half_h))
        };
        let band = if nested { lerp(0.36, 0.6, look.scale) / count as f32 * 0.4 } else { r * rng.range(0.1, 0.24) };
        let mut load = sheet.load(first + i, r, rng);
        load.wobble = band * 0.8;
        load.pace = 0.5 / r.max(0.1);
        load.soft *= 0.4;
        load.strength = rng.range(0.7, 1.1);
        // The brush grows thin on the way round.
        let a = rng.range(0.0, TAU);
        let (ax, ay) = (a.cos() / r * 0.45, a.sin() / r * 0.45);
        let pair = rng.unit() < look.symmetry;
        sheet.place((cx, cy), r + band, &load, pair, |x, y| {
            let (x, y) = (x - cx, y - cy);
            (x.hypot(y) - r).abs() - band * (0.9 + x * ax + y * ay)
        });
        if !nested && rng.chance(0.3) {
            let load = sheet.load(first + i + 1, r * 0.4, rng);
            sheet.blot((cx, cy), r * 0.35, &load, pair);
        }
    }
    sheet.splatter(look, None, rng);
}

impl Wet {
    /// A petal or leaf from its foot, in a direction, so long and so wide.
    fn petal(&mut self, foot: (f32, f32), a: f32, long: f32, wide: f32, load: &Load, pair: bool) {
        let (s, c) = a.sin_cos();
        let centre = (foot.0 + c * long * 0.55, foot.1 + s * long * 0.55);
        let shape = |x: f32, y: f32| {
            let (x, y) = (x - foot.0, y - foot.1);
            let (t, across) = ((x * c + y * s) / long, (y * c - x * s).abs());
            (across - wide * 3.2 * t * (1.0 - t) * (0.45 + 0.75 * t)) * 0.75
        };
        // Petals are never folded: a pair crosses the middle line as two.
        self.wash(centre, long * 0.65, load, Side::Own, shape);
        if pair {
            self.wash(centre, long * 0.65, load, Side::Mirror, shape);
        }
    }
}

/// Loose flowers with leaves.
fn flowers(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let (p, n) = (sheet.plane, sheet.inks.len());
    let size = lerp(0.09, 0.27, look.scale);
    let area = 4.0 * p.half_w * p.half_h;
    let count = area * lerp(0.2, 0.75, look.density) / (size * size * 2.6) * (1.0 - 0.45 * look.symmetry);
    if rng.chance(0.6) {
        sheet.tint(rng.range(0.1, 0.28), rng);
    }
    let green = rng.below(n);
    let mut placed: Vec<(f32, f32)> = Vec::new();
    for i in 0..(count.ceil() as usize).clamp(1, 40) {
        // The freest of a few places.
        let mut best = (-1.0, (0.0, 0.0));
        for _ in 0..8 {
            let at = (rng.range(-0.85, 0.85) * p.half_w, rng.range(-0.85, 0.85) * p.half_h);
            let gap = |q: &(f32, f32)| (at.0 - q.0).hypot(at.1 - q.1).min((at.0 + q.0).hypot(at.1 - q.1));
            let room = placed.iter().map(gap).fold(1.0f32, f32::min) - 0.3 * at.0.hypot(at.1);
            if room > best.0 {
                best = (room, at);
            }
        }
        let (x, y) = best.1;
        placed.push((x, y));
        let pair = rng.unit() < look.symmetry;
        let r = size * rng.range(0.7, 1.15);
        let turn = rng.range(0.0, TAU);
        for _ in 0..1 + rng.below(3) {
            let mut load = sheet.load(green, r * 0.4, rng);
            load.wobble = r * 0.1;
            let a = rng.range(0.0, TAU);
            let foot = (x + a.cos() * r * 0.55, y + a.sin() * r * 0.55);
            sheet.petal(foot, a + rng.range(-0.4, 0.4), r * rng.range(0.8, 1.3), r * 0.24, &load, pair);
        }
        let petals = 4 + rng.below(4);
        let ink = green + 1 + (i + rng.below(2)) % n.max(2).saturating_sub(1).max(1);
        for k in 0..petals {
            let a = turn + TAU * (k as f32 + rng.range(-0.12, 0.12)) / petals as f32;
            let mut load = sheet.load(ink, r * 0.5, rng);
            (load.wobble, load.bloom, load.soft) = (r * 0.12, None, r * 0.12);
            // Pigment gathers in the heart or runs to the tips.
            let to = rng.range(0.6, 1.3) / r * if i % 3 == 2 { 1.0 } else { -1.0 };
            load.grade = [a.cos() * to, a.sin() * to];
            let long = r * rng.range(0.85, 1.1);
            sheet.petal((x + a.cos() * r * 0.06, y + a.sin() * r * 0.06), a, long, long * 0.42, &load, pair);
        }
        for _ in 0..5 {
            let mut load = sheet.load(0, r * 0.1, rng);
            load.bloom = None;
            let at = (x + rng.normal() * r * 0.09, y + rng.normal() * r * 0.09);
            let s = r * rng.range(0.03, 0.07);
            sheet.wash(at, s, &load, Side::Own, |u, v| (u - at.0).hypot(v - at.1) - s);
            if pair {
                sheet.wash(at, s, &load, Side::Mirror, |u, v| (u - at.0).hypot(v - at.1) - s);
            }
        }
    }
    sheet.splatter(look, None, rng);
}

/// A chart of swatches: discs, squares or leaves in rows.
fn swatches(sheet: &mut Wet, look: &Look, rng: &mut Rng) {
    let (p, free) = (sheet.plane, freedom(look));
    let step = lerp(0.13, 0.36, look.scale) * lerp(1.15, 0.9, look.density);
    let fill = lerp(0.34, 0.5, look.density);
    let (nx, ny) = ((p.half_w * 2.0 / step).round().max(1.0), (p.half_h * 2.0 / step).round().max(1.0));
    let (sx, sy) = (p.half_w * 2.0 / nx, p.half_h * 2.0 / ny);
    let shape = rng.below(3);
    let (first, slant) = (rng.below(8), rng.below(3));
    let (whole, dice) = (rng.unit() < look.symmetry, Noise::new(rng));
    for j in 0..ny as i32 {
        for i in 0..nx as i32 {
            let even = i.min(nx as i32 - 1 - i);
            // Both swatches of a pair must agree that they are one.
            let pair = whole || dice.dot(even, j) < look.symmetry;
            if pair && (i as f32 + 0.5) * sx > p.half_w + 1e-3 {
                continue;
            }
            let cx = (i as f32 + 0.5) * sx - p.half_w + rng.range(-0.12, 0.12) * step * free;
            let cy = (j as f32 + 0.5) * sy - p.half_h + rng.range(-0.12, 0.12) * step * free;
            let r = sx.min(sy) * fill * rng.range(0.85, 1.05);
            let nth = first + if pair { even } else { i } as usize * (1 + slant) + j as usize * (3 - slant);
            let mut load = sheet.load(nth, r * 0.8, rng);
            (load.wobble, load.soft) = (r * 0.2, load.soft * 0.5);
            match shape {
                0 => sheet.blot((cx, cy), r, &load, pair),
                1 => sheet.place((cx, cy), r, &load, pair, |x, y| {
                    let (dx, dy) = ((x - cx).abs() - r * 0.8, (y - cy).abs() - r * 0.8);
                    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - r * 0.12
                }),
                _ => {
                    let a = -PI / 2.0 + rng.range(-0.5, 0.5) * free;
                    sheet.petal((cx - a.cos() * r, cy - a.sin() * r), a, r * 2.0, r * 0.75, &load, pair);
                }
            }
        }
    }
    if rng.chance(0.5) {
        sheet.splatter(look, None, rng);
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
