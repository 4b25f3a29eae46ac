//! Mirrored wedges around a centre: mandalas, painted glass, rose windows of noise, and mirrored triangles.

use super::kit::{Plane, Tones, freedom, lay, lerp, lit, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, blend, lighten, mix, smoothstep};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;
use std::f32::consts::{FRAC_PI_2, PI};

/// Displacements by smooth noise over the square from (-1, -1) to (1, 1); none where the strength is 0.
fn bend(strength: f32, rng: &mut Rng) -> Option<[Field; 2]> {
    let noise = Noise::new(rng);
    let field = |shift: f32| Field::new(65, |u, v| strength * noise.at(u * 4.6 + shift, v * 4.6 - shift));
    (strength > 0.0).then(|| [field(3.0), field(31.0)])
}

/// How the plane is folded. The freer the look, the more the mirrors are twisted and out of true.
struct Mirrors {
    /// Half a wedge, in radians.
    half: f32,
    turn: f32,
    centre: (f32, f32),
    /// Turn per unit of radius.
    twist: f32,
    /// How far the plane is bent before it is folded.
    bend: Option<[Field; 2]>,
}

impl Mirrors {
    fn new(folds: usize, look: &Look, rng: &mut Rng) -> Self {
        let free = freedom(look);
        Self {
            half: PI / folds as f32,
            turn: if rng.chance(0.5) { PI / folds as f32 } else { 0.0 },
            centre: (rng.range(-0.2, 0.2) * free, rng.range(-0.2, 0.2) * free),
            twist: rng.range(0.8, 2.4) * rng.sign() * free,
            bend: bend(rng.range(0.06, 0.14) * free, rng),
        }
    }
    /// The folded point as (radius, angle from the wedge's middle line, 0..=half).
    fn fold(&self, x: f32, y: f32) -> (f32, f32) {
        let (mut x, mut y) = (x - self.centre.0, y - self.centre.1);
        if let Some(bend) = &self.bend {
            let (u, v) = (0.5 + x * 0.5, 0.5 + y * 0.5);
            x += bend[0].at(u, v);
            y += bend[1].at(u, v);
        }
        let r = x.hypot(y);
        let a = y.atan2(x) + FRAC_PI_2 + self.turn + self.twist * r;
        let wedge = 2.0 * self.half;
        (r, ((a + self.half).rem_euclid(wedge) - self.half).abs())
    }
}

/// Shapes that are painted into the wedge; a point is (along the middle line, across it).
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// A disc of this radius around a point on the middle line, or on the wedge's border when `edge`.
    Disc { radius: f32 },
    /// A pointed leaf along the radius: half length and half width.
    Petal { length: f32, width: f32 },
    /// A diamond.
    Diamond { length: f32, width: f32 },
    /// A bow that closes with its neighbours: a scalloped disc around the centre of the picture.
    Scallop { depth: f32, round: bool },
    /// A star-shaped disc around the centre of the picture.
    Spikes { depth: f32 },
}

/// A folded point: radius, angle from the wedge's middle line, and its coordinates along and across the middle line and
/// the wedge's border.
struct Spot {
    r: f32,
    a: f32,
    middle: (f32, f32),
    border: (f32, f32),
}

/// One layer of a mandala.
struct Layer {
    mark: Mark,
    /// Distance from the centre of the picture.
    at: f32,
    /// On the border between two wedges instead of on the middle line.
    edge: bool,
    colours: ([f32; 3], [f32; 3]),
    rim: Option<([f32; 3], f32)>,
    /// Outermost radius that the layer touches, and innermost.
    reach: (f32, f32),
}

impl Layer {
    /// Signed distance (negative inside) and a 0..1 walk from the heart of the mark to its rim.
    fn measure(&self, spot: &Spot, half: f32) -> (f32, f32) {
        let r = spot.r;
        let (angle, (x, v)) = if self.edge { (half - spot.a, spot.border) } else { (spot.a, spot.middle) };
        let u = x - self.at;
        match self.mark {
            Mark::Disc { radius } => {
                let d = u.hypot(v);
                (d - radius, d / radius)
            }
            Mark::Petal { length, width } => {
                // A vesica: two circles through both tips.
                let big = (length * length + width * width) / (2.0 * width);
                let d = u.hypot(v.abs() + big - width) - big;
                (d, (1.0 + d / width).clamp(0.0, 1.0))
            }
            Mark::Diamond { length, width } => {
                let d = (u.abs() * width + v.abs() * length - length * width) / length.hypot(width);
                (d, (1.0 + d / (0.7 * width.min(length))).clamp(0.0, 1.0))
            }
            Mark::Scallop { depth, round } => {
                let t = (angle / half).min(1.0);
                let bow = (1.0 - t * t).max(0.0);
                let bow = if round { bow.sqrt() } else { bow };
                let edge = self.at + depth * bow;
                (0.9 * (r - edge), (r / edge.max(1e-4)).min(1.0))
            }
            Mark::Spikes { depth } => {
                let edge = self.at + depth * (1.0 - angle / half);
                let steep = depth / (half * self.at.max(0.05));
                ((r - edge) / (1.0 + steep * steep).sqrt(), (r / edge.max(1e-4)).min(1.0))
            }
        }
    }
}

/// Covers the canvas. Density sets folds and layers, scale the size of the marks.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    match rng.below(6) {
        0..=2 => mandala(canvas, look, &tones, rng),
        3 => glass(canvas, look, &tones, rng),
        4 => rosette(canvas, look, &tones, rng),
        _ => triangles(canvas, look, &tones, rng),
    }
}

fn folds(look: &Look, rng: &mut Rng) -> usize {
    let most = lerp(lerp(7.0, 5.0, look.scale), lerp(14.0, 9.0, look.scale), look.density);
    (rng.range(most * 0.7, most).round() as usize).max(4)
}

/// Rings of petals, discs and scallops, painted from the rim to the heart.
fn mandala(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let folds = folds(look, rng);
    let mirrors = Mirrors::new(folds, look, rng);
    let half = mirrors.half;
    let light = rng.chance(0.45);
    let (ground, ground_far) = tones.ground(light);
    let rings = lerp(lerp(5.0, 2.6, look.scale), lerp(9.5, 4.5, look.scale), look.density);
    let reach = if rng.chance(0.5) { plane.reach() * 1.05 } else { 0.47 };
    let step = 0.5 / rings;
    let mut inks = tones.all.clone();
    rng.shuffle(&mut inks);
    let mut next = 0;
    let mut previous = if light { tones.light() } else { tones.dark() };
    let mut ink = |rng: &mut Rng| {
        next += 1 + usize::from(rng.chance(0.25));
        if inks[next % inks.len()] == previous {
            next += 1;
        }
        previous = inks[next % inks.len()];
        previous
    };
    let mut layers = Vec::new();
    let mut r = reach;
    while r > step * 0.7 {
        let main = ink(rng);
        // Each mark runs from its own colour into a neighbour of the palette.
        let other = if rng.chance(0.6) { lit(main, 0.72) } else { blend(main, ink(rng), 0.7) };
        let wide = r * half.tan();
        let edge = rng.chance(0.5);
        let depth = step * rng.range(0.6, 1.1);
        let rim = rng.chance(0.45).then(|| (if light { tones.dark() } else { tones.light() }, rng.range(0.006, 0.011)));
        let (mark, at, span) = match rng.below(8) {
            0 | 1 => {
                let at = r - depth;
                (Mark::Scallop { depth, round: rng.chance(0.7) }, at, (r, 0.0))
            }
            2 => (Mark::Spikes { depth: depth * 1.1 }, r - depth * 1.1, (r, 0.0)),
            3 | 4 => {
                let length = step * rng.range(0.8, 1.25);
                let width = (wide * 0.95).min(length * rng.range(0.4, 0.7)).max(0.008);
                (Mark::Petal { length, width }, r - length, (r, r - 2.0 * length))
            }
            5 => {
                let length = step * rng.range(0.6, 0.9);
                let width = (wide * 0.9).min(length * rng.range(0.5, 0.9)).max(0.008);
                (Mark::Diamond { length, width }, r - length, (r, r - 2.0 * length))
            }
            _ => {
                let radius = (step * rng.range(0.32, 0.55)).min(wide * 0.9).max(0.009);
                (Mark::Disc { radius }, r - radius, (r, r - 2.0 * radius))
            }
        };
        let full = matches!(mark, Mark::Scallop { .. } | Mark::Spikes { .. });
        let rim = rim.filter(|(_, w)| full || *w * 3.5 < step);
        layers.push(Layer { mark, at, edge, colours: (main, other), rim, reach: (span.0 + 0.02, span.1 - 0.02) });
        // A pearl inside a large petal or bow.
        if rng.chance(0.55) && step > 0.055 {
            let radius = (step * rng.range(0.16, 0.26)).min(wide * 0.5).max(0.009);
            let at = if full { r - depth * 0.4 - radius * 1.6 } else { at };
            let c = ink(rng);
            layers.push(Layer {
                mark: Mark::Disc { radius },
                at,
                edge,
                colours: (c, lit(c, 0.85)),
                rim: None,
                reach: (at + radius + 0.02, at - radius - 0.02),
            });
        }
        r -= if full { depth * rng.range(0.8, 1.1) } else { step * rng.range(0.55, 1.0) };
    }
    let heart = ink(rng);
    layers.push(Layer {
        mark: Mark::Disc { radius: step * 0.55 },
        at: 0.0,
        edge: false,
        colours: (lighten(heart, 0.1), heart),
        rim: None,
        reach: (step, 0.0),
    });
    let half_turn = half.sin_cos();
    shade(canvas, |x, y| {
        let (r, a) = mirrors.fold(x, y);
        let mut c = mix(ground_far, ground, smoothstep(0.0, 0.7, r));
        let ((s, k), (sh, kh)) = (a.sin_cos(), half_turn);
        let spot = Spot { r, a, middle: (r * k, r * s), border: (r * (kh * k + sh * s), r * (sh * k - kh * s)) };
        // Whatever lies under a whole layer is hidden.
        let whole = |l: &Layer| matches!(l.mark, Mark::Scallop { .. } | Mark::Spikes { .. }) && r < l.at - 0.02;
        let top = layers.iter().rposition(whole).unwrap_or(0);
        for layer in layers[top..].iter().filter(|l| r < l.reach.0 && r > l.reach.1) {
            let (d, t) = layer.measure(&spot, half);
            let cover = plane.inside(d);
            if cover > 0.0 {
                let mut fill = mix(layer.colours.0, layer.colours.1, t * t);
                if let Some((rim, width)) = layer.rim {
                    lay(&mut fill, rim, 1.0 - plane.inside(d + width));
                }
                lay(&mut c, fill, cover);
            }
        }
        c
    });
}

/// What one sees through the tube: shards of coloured glass, mirrored.
fn glass(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let mirrors = Mirrors::new(folds(look, rng).clamp(4, 9), look, rng);
    let noise = Noise::new(rng);
    let pace = lerp(9.5, 3.2, look.scale) * lerp(0.7, 1.25, look.density);
    let lead = lighten(tones.dark(), -0.06);
    let width = lerp(0.045, 0.075, look.scale);
    let glow = rng.range(0.15, 0.4);
    shade(canvas, |x, y| {
        let (r, a) = mirrors.fold(x, y);
        let (u, v) = (r * a.cos() * pace + 13.0, r * a.sin() * pace + 5.0);
        let (first, second, who) = noise.cells(u, v);
        let t = noise.dot(who[0] + 40, who[1] + 7);
        let c = lit(tones.ramp.at(t), 1.25 - first * 0.75 + glow * (1.0 - r * 2.0).max(-0.5));
        mix(lead, c, (0.5 + ((second - first) * 0.5 - width) / (pace * plane.px)).clamp(0.0, 1.0))
    });
}

/// Soft rings whose radius swells with the angle: petals of light.
fn rosette(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let mirrors = Mirrors::new(folds(look, rng), look, rng);
    let noise = Noise::new(rng);
    let half = mirrors.half;
    let waves = lerp(lerp(4.2, 1.7, look.scale), lerp(7.0, 3.4, look.scale), look.density);
    let swell = rng.range(0.35, 0.9);
    let rough = rng.range(0.25, 0.8);
    let steps = if rng.chance(0.5) { 0.0 } else { rng.range(4.0, 7.0).round() };
    let mut order = tones.all.clone();
    if rng.chance(0.5) {
        order.reverse();
    }
    // There and back, so that the rings close without a seam.
    let mut loop_ = order.clone();
    loop_.extend(order.iter().rev().skip(1));
    let ramp = Ramp::through(&loop_);
    let field = Field::new(65, |u, v| noise.fbm(u * waves * 0.7, v * 1.1, 2));
    let plane = Plane::of(canvas);
    let values = plane.values(|x, y| {
        let (r, a) = mirrors.fold(x, y);
        let t = a / half;
        let petal = (1.0 - t * t) * swell * smoothstep(0.0, 0.35, r);
        r * waves - petal * (1.0 + r * 2.0) + rough * field.at(r * 1.2, t) * smoothstep(0.0, 0.25, r)
    });
    let w = plane.width;
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let v = values[i];
        let f = v - v.floor();
        if steps == 0.0 {
            *pixel = ramp.at(f);
            continue;
        }
        let s = f * steps;
        let band = s.floor().min(steps - 1.0);
        // Bands in the manner of paper, each darker towards its inner border.
        let shade = |band: f32, t: f32| lit(ramp.at((band + 0.5) / steps), 0.84 + 0.22 * t);
        let right = if (i + 1) % w == 0 { v } else { values[i + 1] };
        let below = values.get(i + w).copied().unwrap_or(v);
        let slope = ((right - v).hypot(below - v) * steps).clamp(1e-4, 1.0);
        let t = s - band;
        let (to_next, to_last) = ((1.0 - t) / slope, t / slope);
        *pixel = if to_next < 0.75 {
            mix(shade(band, t), shade((band + 1.0) % steps, 0.0), 0.5 - to_next / 1.5)
        } else if to_last < 0.75 {
            mix(shade(band, t), shade((band + steps - 1.0) % steps, 1.0), 0.5 - to_last / 1.5)
        } else {
            shade(band, t)
        };
    }
}

/// Three mirrors in a triangle: the plane filled with six-fold stars.
fn triangles(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let side = lerp(0.24, 0.62, look.scale);
    let free = freedom(look);
    let (sin, cos) = (rng.range(-0.5, 0.5) * free).sin_cos();
    let bend = bend(rng.range(0.04, 0.1) * free, rng);
    let count = lerp(4.0, 11.0, look.density).round() as usize;
    // A few discs and bars laid over the fundamental triangle, in its own units.
    let mut inks = tones.all.clone();
    rng.shuffle(&mut inks);
    let height = 0.866_025_4;
    let marks: Vec<_> = (0..count)
        .map(|k| {
            // Large ones below, small ones on top.
            let size = lerp(0.24, 0.07, k as f32 / count as f32) * rng.range(0.85, 1.2);
            let x = rng.range(0.0, 0.5);
            let y = x * rng.unit() * 0.577;
            let bar = if rng.chance(0.45) { rng.range(0.5, 2.5) } else { 0.0 };
            (x, y, size, bar, rng.range(0.0, PI).sin_cos(), inks[(k + 1) % inks.len()])
        })
        .collect();
    let base = (inks[0], blend(inks[0], inks[1 % inks.len()], 0.5));
    let rim = if rng.chance(0.5) { tones.light() } else { tones.dark() };
    let rimmed = rng.chance(0.6);
    shade(canvas, |x, y| {
        let (mut x, mut y) = (x * cos - y * sin, x * sin + y * cos);
        if let Some(bend) = &bend {
            let (u, v) = (0.5 + x * 0.5, 0.5 + y * 0.5);
            x += bend[0].at(u, v);
            y += bend[1].at(u, v);
        }
        // Fold into the cell of the nearest lattice point, then by the six mirrors through it.
        let (u, v) = (x / side, y / side);
        let a = (u.round(), (v / (2.0 * height)).round() * 2.0 * height);
        let b = ((u - 0.5).round() + 0.5, ((v / (2.0 * height) - 0.5).round() + 0.5) * 2.0 * height);
        let (pa, pb) = ((u - a.0, v - a.1), (u - b.0, v - b.1));
        let (mut p, mut q) = if pa.0.hypot(pa.1) <= pb.0.hypot(pb.1) { pa } else { pb };
        (p, q) = (p.abs(), q.abs());
        // Into the 30-degree wedge between the x axis and its neighbour.
        let angle = q.atan2(p);
        let third = PI / 3.0;
        let folded = ((angle + third / 2.0).rem_euclid(third) - third / 2.0).abs();
        let r = p.hypot(q);
        (p, q) = (r * folded.cos(), r * folded.sin());
        let mut c = mix(base.0, base.1, (r * 1.6).min(1.0));
        for &(mx, my, size, bar, (s, k), ink) in &marks {
            let (dx, dy) = (p - mx, q - my);
            let (dx, dy) = (dx * k + dy * s, dy * k - dx * s);
            let dx = (dx.abs() - bar * size).max(0.0);
            let d = dx.hypot(dy) - size * if bar > 0.0 { 0.45 } else { 1.0 };
            let cover = plane.inside(d * side);
            if cover > 0.0 {
                let mut fill = lit(ink, 1.12 + 0.9 * d.max(-0.3));
                if rimmed {
                    lay(&mut fill, rim, 1.0 - plane.inside(d * side + 0.009));
                }
                lay(&mut c, fill, cover);
            }
        }
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
