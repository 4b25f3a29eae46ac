//! Waves: scale patterns, layered seas, curling crests with foam, waved stripes, and ripples that meet.

use super::kit::{Plane, Tones, freedom, lay, lerp, lit, mirrored, shade, touch};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, blend, lighten, mix, smoothstep};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{PI, TAU};

/// Covers the canvas. Scale sets the length of the waves, density their number.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    match rng.below(7) {
        0 => seigaiha(canvas, look, &tones, rng),
        1 | 2 => sea(canvas, look, &tones, rng),
        3 | 4 => crests(canvas, look, &tones, rng),
        5 => stripes(canvas, look, &tones, rng),
        _ => ripples(canvas, look, &tones, rng),
    }
}

/// Blue sea waves, the Japanese scale pattern: overlapping discs of concentric rings.
fn seigaiha(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let free = freedom(look);
    let r = lerp(0.085, 0.25, look.scale) * lerp(1.15, 0.9, look.density);
    let rings = lerp(2.0, if r > 0.14 { 6.0 } else { 4.0 }, look.density).round();
    let noise = Noise::new(rng);
    let bend = 0.035 * free;
    let two = rng.chance(0.5);
    let mut inks = tones.all.clone();
    if rng.chance(0.5) {
        inks.reverse();
    } else if rng.chance(0.3) {
        rng.shuffle(&mut inks);
    }
    let n = inks.len();
    let by = rng.below(3);
    let rim = if rng.chance(0.5) { tones.light() } else { lighten(tones.dark(), -0.03) };
    let sweep = rng.range(0.0, 0.3);
    let (ddx, ddy) = (Noise::new(rng), Noise::new(rng));
    let ramps: Vec<Ramp> = (0..n)
        .map(|k| {
            let (a, b) = (inks[k], inks[(k + 1) % n]);
            Ramp::through(&[lit(a, 0.85), a, blend(a, b, 0.5), b])
        })
        .collect();
    shade(canvas, |x, y| {
        let (x, y) = if free > 0.0 {
            (x + bend * ddx.at(x * 3.0, y * 3.0), y + bend * ddy.at(x * 3.0, y * 3.0))
        } else {
            (x, y)
        };
        // Rows lie r / 2 apart; of the discs over a point the lowest one is on top.
        let row = ((y + r + plane.px) / (r * 0.5)).floor() as i32;
        let (mut out, mut open) = ([0.0; 3], 1.0f32);
        for k in 0..5 {
            let j = row - k;
            let shift = if j & 1 == 0 { 0.0 } else { r };
            let i = ((x - shift) / (2.0 * r)).round();
            let (cx, cy) = (i * 2.0 * r + shift, j as f32 * r * 0.5);
            let d = (x - cx).hypot(y - cy);
            let cover = if k == 4 { 1.0 } else { plane.inside(d - r) };
            if cover <= 0.0 {
                continue;
            }
            let pick = match by {
                0 => 0,
                1 => (j.rem_euclid(n as i32)) as usize,
                _ => {
                    let own = noise.dot(i as i32, j);
                    let even = noise.dot((cx.abs() / r).round() as i32, j);
                    ((if free < 0.5 { even } else { own }) * n as f32) as usize
                }
            };
            let t = d / r * rings;
            let ring = t.floor().min(rings - 1.0);
            let colour = |ring: f32| {
                let c = if two && ring as usize % 2 == 1 {
                    inks[(pick + n / 2) % n]
                } else {
                    ramps[pick % n].at(ring / (rings - 1.0).max(1.0))
                };
                lit(c, 1.0 + sweep * (y - 0.1))
            };
            let mut c = colour(ring);
            // Soft borders between the rings.
            let px = plane.px * rings / r;
            let f = t - t.floor();
            if f < px && ring >= 1.0 {
                c = mix(colour(ring - 1.0), c, (f / px).clamp(0.0, 1.0));
            }
            let line = plane.inside((r - d) - (0.05 * r).max(0.006));
            let c = mix(c, rim, line);
            out = std::array::from_fn(|i| out[i] + open * cover * c[i]);
            open *= 1.0 - cover;
            if open < 0.004 {
                break;
            }
        }
        out
    });
}

/// A profile of the water along x.
struct Swell {
    base: f32,
    height: f32,
    pace: f32,
    phase: f32,
    sharp: bool,
    wander: f32,
    noise: Noise,
    symmetry: f32,
}

impl Swell {
    fn at(&self, x: f32) -> f32 {
        let f = |x: f32, _: f32| {
            let drift = 0.35 * self.wander * self.noise.at(x * 1.3, self.base * 9.0);
            let p = x * self.pace + self.phase + drift * 4.0;
            let wave = if self.sharp {
                // Pointed crests: |cos| turned upside down.
                1.0 - 2.0 * (p * 0.5).cos().abs()
            } else {
                p.cos()
            };
            self.height * wave + self.wander * 0.05 * self.noise.at(x * 2.0 + 7.0, self.base * 5.0)
        };
        self.base + mirrored(self.symmetry, f)(x, 0.0)
    }
}

/// A sky with a sun or moon, and sheets of water from the horizon to the viewer.
fn sea(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let free = freedom(look);
    let sheets = lerp(4.0, 11.0, look.density).round() as usize;
    let n = tones.all.len();
    let night = rng.chance(0.4);
    let horizon = rng.range(-0.32, 0.05) * 2.0 * plane.half_h;
    let full = rng.chance(0.3);
    let horizon = if full { -plane.half_h - 0.03 } else { horizon };
    let (zenith, glow) = if night { (tones.all[0], tones.nth(n / 2)) } else { (tones.ramp.at(0.72), tones.light()) };
    let sun = (rng.range(-0.25, 0.25) * free, horizon - rng.range(-0.03, 0.16), rng.range(0.09, 0.2));
    let disc = if night { tones.light() } else { tones.accent() };
    shade(canvas, |x, y| {
        let t = smoothstep(-plane.half_h, horizon, y);
        let mut c = mix(zenith, glow, t);
        let d = (x - sun.0).hypot(y - sun.1);
        lay(&mut c, disc, 0.25 * smoothstep(sun.2 * 2.6, sun.2, d));
        lay(&mut c, disc, plane.inside(d - sun.2));
        c
    });
    let sharp = rng.chance(0.4);
    let style = rng.below(3);
    let waters = Ramp::through(&if night {
        let mut c = tones.all[..n.div_ceil(2) + 1].to_vec();
        c.reverse();
        c
    } else if rng.chance(0.5) {
        tones.all.iter().rev().copied().collect()
    } else {
        tones.all[..n - 1].to_vec()
    });
    let rim = lighten(tones.light(), 0.02);
    let length = lerp(0.22, 0.75, look.scale);
    let gain = rng.range(0.1, 0.18);
    for k in 0..sheets {
        let t = k as f32 / (sheets - 1) as f32;
        // Nearer waves are larger.
        let near = lerp(0.55, 1.3, t);
        let swell = Swell {
            base: lerp(horizon + 0.03, plane.half_h - 0.02, t.powf(1.15)),
            height: length * gain * near * if sharp { 0.7 } else { 1.0 },
            pace: TAU / (length * near),
            phase: lerp(rng.range(0.0, TAU), if k % 2 == 0 { 0.0 } else { PI }, look.symmetry),
            sharp,
            wander: free.max(0.15),
            noise: Noise::new(rng),
            symmetry: look.symmetry,
        };
        let body = waters.at(t);
        let deep = waters.at(t + 1.4 / sheets as f32);
        let foot = (plane.half_h - horizon) / sheets as f32 * 1.8;
        let foam = 0.008 + 0.006 * near;
        let profile: Vec<f32> = (0..plane.width).map(|i| swell.at(plane.point(i, 0).0)).collect();
        for row in 0..plane.height {
            let y = plane.point(0, row).1;
            for column in 0..plane.width {
                let d = profile[column] - y;
                if d > plane.px {
                    continue;
                }
                let next = profile[(column + 1).min(plane.width - 1)];
                let steep = ((next - profile[column]) / plane.px).clamp(-3.0, 3.0);
                let d = d / (1.0 + steep * steep).sqrt();
                let depth = -d;
                let shade_t = (depth / foot).clamp(0.0, 1.0);
                let mut c = mix(body, deep, shade_t);
                match style {
                    0 => lay(&mut c, rim, plane.inside(depth - foam)),
                    1 => {
                        // Two lines under the crest.
                        lay(&mut c, rim, plane.inside((depth - foam * 0.6).abs() - foam * 0.6));
                        lay(&mut c, mix(rim, body, 0.4), plane.inside((depth - foam * 3.4).abs() - foam * 0.5));
                    }
                    _ => c = lit(c, 1.0 + 0.35 * smoothstep(foot * 0.5, 0.0, depth) - 0.2 * shade_t),
                }
                lay(&mut canvas.rgb[row * plane.width + column], c, plane.inside(d));
            }
        }
    }
}

/// Rows of curling breakers with claws of foam, after Hokusai.
fn crests(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let free = freedom(look);
    let dusk = rng.chance(0.35);
    let sky = if dusk { (tones.ramp.at(0.25), tones.ramp.at(0.6)) } else { (tones.ramp.at(0.85), tones.light()) };
    let sun = (rng.range(-0.3, 0.3) * free, rng.range(-0.3, -0.12), rng.range(0.1, 0.17));
    let ball = if dusk { tones.light() } else { tones.accent() };
    shade(canvas, |x, y| {
        let mut c = mix(sky.0, sky.1, smoothstep(-plane.half_h, 0.1, y));
        lay(&mut c, ball, plane.inside((x - sun.0).hypot(y - sun.1) - sun.2));
        c
    });
    let size = lerp(0.17, 0.5, look.scale);
    let foam = lighten(tones.light(), 0.04);
    // Enough rows that no plain water is left between them.
    let top = lerp(0.02, -0.3, look.density) * plane.half_h * 2.0;
    let step = size * lerp(0.52, 0.38, look.density);
    let rows = (((plane.half_h - top) / step).round() as usize).clamp(2, 9);
    let water: Vec<[f32; 3]> = (0..rows)
        .map(|k| {
            let t = k as f32 / rows.max(2) as f32;
            if dusk { tones.ramp.at(0.42 - 0.4 * t) } else { tones.ramp.at(0.55 - 0.5 * t) }
        })
        .collect();
    let side = rng.sign();
    let stripes = if size > 0.26 { 2 } else { 1 };
    for (row, ink) in water.iter().enumerate() {
        let t = row as f32 / (rows - 1).max(1) as f32;
        let base = lerp(top, plane.half_h - size * 0.22, t) + size * 0.3;
        let s = size * lerp(0.75, 1.15, t);
        let pitch = s * 1.3;
        let count = (plane.half_w * 2.0 / pitch).ceil() as i32 + 2;
        let mut sheet = Sheet::new(canvas);
        // No crest on the middle line of a mirrored sea.
        let offset = if row % 2 == 1 || rng.unit() < look.symmetry { 0.5 } else { 0.0 };
        let pale = blend(*ink, foam, 0.35);
        let deep = lit(*ink, 0.8);
        // Water below the row.
        let floor = plane.half_h + base + 0.02;
        sheet.fill(vector::rectangle(-0.1, floor, plane.half_w * 2.0 + 0.2, 2.0).as_ref(), *ink, 1.0);
        let order: Vec<i32> = (-count..=count).collect();
        let mut dots = Vec::new();
        for i in order {
            let jitter = free * rng.range(-0.18, 0.18);
            let grow = 1.0 + free * rng.range(-0.25, 0.2);
            let (x0, s) = ((i as f32 + offset + jitter) * pitch, s * grow);
            // At full symmetry both halves roll towards the middle.
            let mirror = rng.unit() < look.symmetry;
            let way = if mirror { if x0 > 1e-3 { -1.0 } else { 1.0 } } else { side };
            let x0 = if mirror { (i as f32 + offset) * pitch } else { x0 };
            let at = |p: &[f32; 2]| [plane.half_w + x0 + way * p[0] * s, plane.half_h + base + p[1] * s];
            let path = |points: &[[f32; 2]]| vector::blob(&points.iter().map(at).collect::<Vec<_>>());
            sheet.fill(path(&BODY).as_ref(), *ink, 1.0);
            sheet.fill(path(&BELLY).as_ref(), deep, 1.0);
            for k in 0..stripes {
                let k = k as f32 * 0.13;
                let line: Vec<[f32; 2]> = STREAK.iter().map(|p| at(&[p[0] - k * 0.9, p[1] + k * 0.75])).collect();
                sheet.stroke(vector::curve(&line).as_ref(), (s * 0.035).max(0.009), pale, 1.0);
            }
            sheet.fill(path(&CAP).as_ref(), foam, 1.0);
            for p in &CLAWS {
                let c = at(&[p[0], p[1]]);
                sheet.fill(vector::circle(c[0], c[1], (p[2] * s).max(0.007)).as_ref(), foam, 1.0);
            }
            let spray = lerp(0.0, 4.0, look.density).round() as usize;
            let mut own =
                if mirror { Rng::new((row * 97) as u64 + (x0.abs() * 500.0).round() as u64) } else { rng.fork() };
            for _ in 0..spray {
                let p = [own.range(0.1, 0.75), own.range(-0.98, -0.72)];
                dots.push((at(&p), (own.range(0.014, 0.03) * s).max(0.007)));
            }
        }
        for (p, r) in dots {
            sheet.fill(vector::circle(p[0], p[1], r).as_ref(), foam, 1.0);
        }
        let low = lit(*ink, 0.86);
        let (h, body) = (plane.half_h, *ink);
        sheet.over_with(canvas, |_, y, c| if c == body { mix(c, low, smoothstep(0.0, 0.4, y - h - base)) } else { c });
    }
}

/// The breaker in its own box: x from -0.8 to 0.8, y from -0.75 (top) to 0.2; it rolls to the right.
const BODY: [[f32; 2]; 14] = [
    [-1.0, 0.25],
    [-0.72, 0.0],
    [-0.5, -0.28],
    [-0.26, -0.54],
    [0.04, -0.68],
    [0.32, -0.64],
    [0.52, -0.48],
    [0.56, -0.3],
    [0.4, -0.38],
    [0.2, -0.38],
    [0.08, -0.22],
    [0.16, 0.0],
    [0.42, 0.14],
    [0.7, 0.3],
];
const BELLY: [[f32; 2]; 7] =
    [[0.2, -0.38], [0.08, -0.34], [-0.04, -0.2], [-0.02, -0.02], [0.14, 0.1], [0.16, 0.0], [0.08, -0.2]];
const CAP: [[f32; 2]; 10] = [
    [-0.3, -0.5],
    [-0.1, -0.66],
    [0.1, -0.74],
    [0.36, -0.7],
    [0.57, -0.52],
    [0.6, -0.3],
    [0.5, -0.36],
    [0.36, -0.53],
    [0.14, -0.6],
    [-0.08, -0.56],
];
/// Knobs of foam along the crest: x, y, radius.
const CLAWS: [[f32; 3]; 7] = [
    [-0.02, -0.56, 0.07],
    [0.14, -0.55, 0.075],
    [0.3, -0.52, 0.075],
    [0.43, -0.42, 0.07],
    [0.53, -0.3, 0.065],
    [0.58, -0.2, 0.05],
    [0.4, -0.3, 0.045],
];
const STREAK: [[f32; 2]; 5] = [[-0.62, 0.14], [-0.4, -0.14], [-0.2, -0.36], [0.02, -0.5], [0.16, -0.54]];

/// Stripes that bend together: optical art and rolled ribbons.
fn stripes(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let free = freedom(look);
    let count = lerp(lerp(7.0, 4.0, look.scale), lerp(15.0, 9.0, look.scale), look.density);
    let length = lerp(0.25, 0.9, look.scale);
    let height = length * rng.range(0.1, 0.22);
    let upright = rng.chance(0.3);
    let turn = if upright { PI / 2.0 } else { 0.0 } + rng.range(-0.6, 0.6) * free;
    let (sin, cos) = turn.sin_cos();
    let noise = Noise::new(rng);
    let shear = rng.range(0.0, 2.5) * free;
    let swell = rng.range(0.0, 0.5);
    let mut inks = tones.all.clone();
    if rng.chance(0.4) {
        rng.shuffle(&mut inks);
    }
    let bounce: Vec<[f32; 3]> =
        inks.iter().chain(inks.iter().rev().skip(1).take(inks.len().max(2) - 2)).copied().collect();
    let inks = if rng.chance(0.5) { bounce } else { inks };
    let relief = rng.range(0.0, 0.35);
    let flat = rng.chance(0.4);
    let phase = if upright { PI / 2.0 } else { 0.0 };
    let (second, lilt) = (rng.range(0.0, 0.4), rng.range(-0.6, 0.6) * free);
    // Upright stripes mirror only when they are folded about the middle line.
    let folded = upright && rng.unit() < look.symmetry;
    let f = move |x: f32, y: f32| {
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let v = if folded { v.abs() } else { v };
        let bend = height * ((u * TAU / length + v * shear + phase).cos() + second * (u * TAU / length * 2.0).cos());
        let loose = free * 0.09 * noise.at(u * 1.6, v * 1.6);
        (v + bend * (1.0 + swell * v * 2.0) + loose + u * lilt * 0.3) * count
    };
    let n = inks.len() as i32;
    shade(canvas, |x, y| {
        let v = f(x, y);
        let (gx, gy) = (f(x + plane.px, y) - v, f(x, y + plane.px) - v);
        let g = gx.hypot(gy).max(1e-4);
        let band = v.floor();
        let t = v - band;
        let colour = |b: f32, t: f32| {
            let c = inks[(b as i32).rem_euclid(n) as usize];
            if flat { c } else { lit(c, 1.0 + relief * (0.45 - 1.1 * (2.0 * t - 1.0).powi(2))) }
        };
        let c = colour(band, t);
        if t < 0.5 * g {
            mix(c, colour(band - 1.0, 1.0), 0.5 - t / g)
        } else if 1.0 - t < 0.5 * g {
            mix(c, colour(band + 1.0, 0.0), 0.5 - (1.0 - t) / g)
        } else {
            c
        }
    });
}

/// Rings that spread from some points and pass through each other; drops lie on the water.
fn ripples(canvas: &mut Canvas, look: &Look, tones: &Tones, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let count = lerp(1.6, 4.4, look.density).round() as usize;
    let length = lerp(0.085, 0.24, look.scale);
    let mut sources: Vec<(f32, f32)> = Vec::new();
    for _ in 0..count.div_ceil(2) {
        let (x, y) = (rng.range(-0.45, 0.45), rng.range(-0.45, 0.45));
        let loose = (rng.range(-0.45, 0.45), rng.range(-0.45, 0.45));
        let k = look.symmetry;
        if count == 1 || sources.len() + 1 == count {
            sources.push((x * (1.0 - k), y));
        } else {
            sources.push((x, y));
            sources.push((lerp(loose.0, -x, k), lerp(loose.1, y, k)));
        }
    }
    let bands = if rng.chance(0.6) { rng.range(3.0, 6.0).round() } else { 0.0 };
    let fade = rng.range(0.6, 1.6);
    let ramp = if rng.chance(0.5) {
        tones.ramp.clone()
    } else {
        Ramp::through(&tones.all.iter().rev().copied().collect::<Vec<_>>())
    };
    let shine = rng.range(0.1, 0.35);
    let height = |x: f32, y: f32| {
        let mut sum = 0.0;
        for s in &sources {
            let d = (x - s.0).hypot(y - s.1);
            sum += (d * TAU / length).cos() / (1.0 + d * fade);
        }
        0.5 + 0.5 * sum / (sources.len() as f32).sqrt().max(1.0) * 0.9
    };
    let values = plane.values(height);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let h = values[i].clamp(0.0, 1.0);
        let right = values[if (i + 1) % plane.width == 0 { i } else { i + 1 }];
        let below = values[if i + plane.width >= values.len() { i } else { i + plane.width }];
        let (gx, gy) = (right - values[i], below - values[i]);
        let c = if bands == 0.0 {
            ramp.at(h)
        } else {
            let v = h * bands;
            let g = (gx.hypot(gy) * bands).max(1e-4);
            let border = v.round().clamp(1.0, bands - 1.0);
            let t = (0.5 + (v - border) / g).clamp(0.0, 1.0);
            let at = |b: f32| ramp.at(b / (bands - 1.0));
            mix(at(border - 1.0), at(border), t)
        };
        *pixel = lit(c, 1.0 + (shine * (gx + gy) / plane.px * length * 0.3).clamp(-0.35, 0.5));
    }
    if rng.chance(0.4) {
        let ink = tones.accent();
        for s in &sources {
            let r = length * 0.3;
            touch(canvas, *s, r, |x, y, pixel| {
                let d = (x - s.0).hypot(y - s.1);
                let c = lit(ink, 1.3 - 0.6 * d / r);
                lay(pixel, c, plane.inside(d - r));
            });
        }
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
