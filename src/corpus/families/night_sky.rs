//! Night skies: nebulae, the Milky Way, stars, moons, ringed planets, auroras and constellations over dark ground.

use super::kit::{Plane, Tones, freedom, lay, lerp, shade, touch};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, from_oklab, lighten, mix, smoothstep, to_oklab};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::TAU;

/// What all parts of one picture share.
struct Night<'a> {
    plane: Plane,
    look: &'a Look,
    tones: Tones,
    /// Almost black, in the hue of the darkest tone.
    ground: [f32; 3],
    /// A little lighter: the sky near the horizon or around a cloud.
    dusk: [f32; 3],
    star: [f32; 3],
    /// How much the right half mirrors the left.
    k: f32,
}

impl Night<'_> {
    /// A function whose right half becomes the mirror image of its left half.
    fn fold(&self, x: f32, f: impl Fn(f32) -> f32) -> f32 {
        if x <= 0.0 || self.k == 0.0 { f(x) } else { lerp(f(x), f(-x), self.k) }
    }
    /// A place for something large; in the middle when all is mirrored.
    fn place(&self, rng: &mut Rng, from: f32, to: f32) -> (f32, f32) {
        let free = freedom(self.look);
        let (w, h) = (self.plane.half_w * 2.0, self.plane.half_h * 2.0);
        (rng.range(0.1, 0.27) * rng.sign() * w * free, rng.range(from, to) * h)
    }
    /// A colour at the lightness that the night allows it: `by` = 0 ground, 1 as it is.
    fn dimmed(&self, colour: [f32; 3], by: f32) -> [f32; 3] {
        let ([l, a, b], g) = (to_oklab(colour), to_oklab(self.ground));
        let c = lerp(0.35, 1.0, by.min(1.0));
        from_oklab([lerp(g[0], l, by), a * c, b * c])
    }
}

/// Covers the canvas. Density sets the number of stars and the detail of clouds, scale the size of clouds and discs.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    let [l, a, b] = to_oklab(tones.dark());
    // Contrast still acts: a flat look has a paler night.
    let level = lerp(0.27, 0.13, look.contrast);
    let chroma = (0.055 / a.hypot(b).max(1e-4)).min(1.0);
    let ground = from_oklab([l.min(level), a * chroma, b * chroma]);
    let star = lighten(tones.light(), 0.05 * look.contrast);
    let dusk = mix(ground, tones.all[1], lerp(0.2, 0.34, look.contrast));
    let night = Night { plane: Plane::of(canvas), look, tones, ground, dusk, star, k: look.symmetry.powf(0.7) };
    let kind = rng.below(8);
    let low = match kind {
        4 => true,
        5 => false,
        _ => rng.chance(0.25),
    };
    gradient(canvas, &night, rng);
    match kind {
        0..=2 => nebula(canvas, &night, rng),
        3 => milky_way(canvas, &night, rng),
        4 => aurora(canvas, &night, rng),
        5 => nebula(canvas, &night, rng),
        _ => thin_clouds(canvas, &night, rng),
    }
    stars(canvas, &night, if kind == 6 { 0.6 } else { 1.0 }, rng);
    match kind {
        5 => planet(canvas, &night, rng),
        6 => constellation(canvas, &night, rng),
        7 => moon(canvas, &night, rng),
        1 if rng.chance(0.5) => moon(canvas, &night, rng),
        3 if rng.chance(0.2) => moon(canvas, &night, rng),
        _ => {}
    }
    if low {
        silhouette(canvas, &night, rng);
    }
}

/// The bare sky: darker at the top, a trace of light below.
fn gradient(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let lift = rng.range(0.3, 1.0);
    let ramp = Ramp::through(&[n.ground, mix(n.ground, n.dusk, 0.35 * lift), mix(n.ground, n.dusk, lift)]);
    let h = n.plane.half_h;
    shade(canvas, |_, y| ramp.at((y + h) / (2.0 * h)));
}

/// The tones of glowing gas, from nothing to the bright core, in a walk through the palette.
fn gas(n: &Night, rng: &mut Rng) -> Vec<[f32; 3]> {
    let mut inks = n.tones.all.clone();
    let last = inks.len() - 1;
    // The middle tones may change places: a nebula is many-coloured, its core is always light.
    if last > 2 && rng.chance(0.6) {
        rng.shuffle(&mut inks[1..last]);
    }
    inks
}

/// Domain-warped clouds in the colours of the palette, with dark lanes.
fn nebula(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let (plane, look) = (n.plane, n.look);
    let (noise, other, lanes) = (Noise::new(rng), Noise::new(rng), Noise::new(rng));
    let f = lerp(4.2, 1.5, look.scale);
    let octaves = if look.density > 0.4 { 5 } else { 4 };
    let centre = n.place(rng, -0.15, 0.15);
    let turn = rng.range(0.0, TAU);
    let (sin, cos) = turn.sin_cos();
    let (long, wide) = (rng.range(0.6, 1.05), rng.range(0.36, 0.65));
    let inks = gas(n, rng);
    let hue = Ramp::through(&inks[1..]);
    let spread = inks.len() as f32;
    let warp = rng.range(0.5, 1.0);
    let side = ((plane.width.max(plane.height) / 2) + 2).clamp(8, 161);
    let unfold = |u: f32, v: f32| ((u - 0.5) * 2.0 * plane.half_w, (v - 0.5) * 2.0 * plane.half_h);
    let body = |x: f32, y: f32| {
        let (wx, wy) = noise.warp(x * f, y * f, warp, 3);
        let v = 0.5 + 0.62 * noise.fbm(wx, wy, octaves);
        let (dx, dy) = (x - centre.0, y - centre.1);
        let e = ((dx * cos + dy * sin) / long).hypot((dy * cos - dx * sin) / wide);
        v * lerp(1.15, 0.35, smoothstep(0.1, 1.35, e)) - 0.13 * smoothstep(0.6, 1.5, e)
    };
    let gas = Field::new(side, |u, v| {
        let (x, y) = unfold(u, v);
        n.fold(x, |x| body(x, y))
    });
    let tint = Field::new(48, |u, v| {
        let (x, y) = unfold(u, v);
        0.5 + 0.75 * n.fold(x, |x| other.fbm(x * f * 0.6 + 9.0, y * f * 0.6, 2))
    });
    let dust = Field::new(side, |u, v| {
        let (x, y) = unfold(u, v);
        n.fold(x, |x| {
            let (wx, wy) = noise.warp(x * f, y * f, warp * 0.6, 2);
            lanes.ridged(wx * 0.8 + 3.0, wy * 0.8, 4)
        })
    });
    let core = lighten(n.tones.light(), 0.03);
    let power = lerp(0.75, 1.0, look.contrast);
    shade_over(canvas, |x, y, c| {
        let (u, v) = (x / (2.0 * plane.half_w) + 0.5, y / (2.0 * plane.half_h) + 0.5);
        let lane = smoothstep(0.62, 0.88, dust.at(u, v));
        let g = (gas.at(u, v) - 0.2 * lane * lerp(0.4, 1.0, look.density)).clamp(0.0, 1.0);
        let thick = smoothstep(0.16, 0.72, g);
        let ink = hue.at((tint.at(u, v) * 0.8 + (g - 0.4) * 0.7) * (1.0 - 0.3 / spread));
        lay(c, n.dimmed(ink, 0.45 + 0.6 * thick), (thick * 1.1).min(0.94) * power);
        let heart = smoothstep(0.58, 0.92, g);
        lay(c, core, 0.75 * heart * heart);
    });
}

fn shade_over(canvas: &mut Canvas, mut f: impl FnMut(f32, f32, &mut [f32; 3])) {
    let plane = Plane::of(canvas);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let (x, y) = plane.point(i % plane.width, i / plane.width);
        f(x, y, pixel);
    }
}

/// Faint veils for skies whose subject is a moon or a constellation.
fn thin_clouds(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let noise = Noise::new(rng);
    let f = lerp(3.2, 1.1, n.look.scale);
    let ramp = Ramp::through(&n.tones.all);
    let flat = rng.range(1.0, 3.5);
    let amount = rng.range(0.35, 0.7);
    shade_over(canvas, |x, y, c| {
        let v = n.fold(x, |x| noise.fbm(x * f + 0.5 * noise.at(y * f, x * f), y * f * flat, 4));
        let t = smoothstep(-0.25, 0.85, v);
        lay(c, n.dimmed(ramp.at(0.25 + 0.55 * t), 0.7), amount * t);
    });
}

/// A band of star dust across the sky, split by dark rifts.
fn milky_way(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let (noise, grain) = (Noise::new(rng), Noise::new(rng));
    let f = lerp(4.5, 1.8, n.look.scale);
    let (sin, cos) = (lerp(rng.range(0.5, 1.1) * rng.sign(), TAU / 4.0, n.k.powf(0.5))).sin_cos();
    let width = lerp(0.13, 0.27, n.look.scale);
    let inks = gas(n, rng);
    let hue = Ramp::through(&inks[1..]);
    let off = rng.range(-0.1, 0.1) * freedom(n.look);
    let core = lighten(n.tones.light(), 0.03);
    shade_over(canvas, |x, y, c| {
        let along = x * cos + y * sin;
        let across = |x: f32| y * cos - x * sin - off + 0.05 * noise.at(along * 2.0, 3.0);
        let a = across(x);
        if a.abs() > width * 4.0 {
            return;
        }
        let cloud = n.fold(x, |x| noise.fbm(x * f + 0.4 * noise.at(y * f, x * f), y * f, 5));
        let band = (-(a / (width * (1.0 + 0.45 * cloud))).powi(2)).exp();
        let rift = n.fold(x, |x| grain.fbm(x * f * 1.2, y * f * 1.2, 4));
        // The rift runs along the middle of the band.
        let dark = smoothstep(0.0, 0.5, rift + 0.25 - 2.2 * a.abs() / width * 0.3) * band;
        let g = (band * (0.72 + 0.6 * cloud) - 0.5 * dark).clamp(0.0, 1.0);
        lay(c, n.dimmed(hue.at(0.15 + 0.85 * g), 0.45 + 0.55 * g), (g * 1.15).min(0.92));
        lay(c, core, 0.55 * smoothstep(0.55, 1.0, g));
    });
}

/// Curtains of light that hang from waving lines.
fn aurora(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let plane = n.plane;
    let count = lerp(1.6, 4.2, n.look.density).round() as usize;
    let last = n.tones.all.len() - 1;
    let reach = lerp(0.28, 0.62, n.look.scale);
    for k in 0..count {
        let noise = Noise::new(rng);
        let base = lerp(-0.12, 0.24, (k as f32 + rng.unit()) / count as f32) * plane.half_h * 2.0;
        let pace = lerp(2.6, 1.0, n.look.scale) * rng.range(0.8, 1.2);
        let (foot, head) = (n.tones.nth(last - k % last.max(1)), n.tones.nth(1 + (last + k) % last.max(1)));
        let glow = Ramp::through(&[lighten(foot, 0.04), foot, n.dimmed(head, 0.9), n.dimmed(head, 0.5)]);
        let strength = rng.range(0.75, 0.95);
        let rays = lerp(16.0, 7.0, n.look.scale) * lerp(0.7, 1.5, n.look.density);
        for column in 0..plane.width {
            let x = plane.point(column, 0).0;
            let hem = base + n.fold(x, |x| 0.2 * noise.fbm(x * pace, 1.0, 3) + 0.03 * noise.at(x * 9.0, 2.0));
            let ray = n.fold(x, |x| 0.6 + 0.55 * noise.fbm(x * rays, 5.0, 3)).clamp(0.05, 1.2);
            let tall = reach * n.fold(x, |x| 0.75 + 0.4 * noise.at(x * pace * 2.0, 9.0)) * lerp(0.7, 1.2, ray);
            for row in 0..plane.height {
                let up = (hem - plane.point(0, row).1) / tall.max(0.05);
                if up < -0.12 {
                    break;
                }
                // A soft hem, then a long fade upwards.
                let light = smoothstep(-0.1, 0.05, up) * (-2.6 * up.max(0.0)).exp() * ray * strength;
                lay(&mut canvas.rgb[row * plane.width + column], glow.at(up * 1.1), light.min(0.95));
            }
        }
    }
}

/// A field of stars: many small, some with a glow, a few with a cross flare.
fn stars(canvas: &mut Canvas, n: &Night, share: f32, rng: &mut Rng) {
    let plane = n.plane;
    let area = plane.half_w * plane.half_h * 4.0;
    let grain = lerp(1.25, 0.75, n.look.scale);
    let count = (lerp(36.0, 520.0, n.look.density.powf(1.3)) * area * share * grain * grain) as usize;
    let crowd = Noise::new(rng);
    let inks =
        [n.star, n.star, mix(n.star, n.tones.accent(), 0.35), mix(n.star, n.tones.nth(n.tones.all.len() / 2), 0.3)];
    let bright = (lerp(3.0, 8.0, n.look.density) * area) as usize;
    for i in 0..count.div_ceil(2) {
        let flare = i < bright.div_ceil(2);
        let mut p = (-plane.half_w * rng.unit(), rng.range(-1.0, 1.0) * plane.half_h);
        let mut q = (plane.half_w * rng.unit(), rng.range(-1.0, 1.0) * plane.half_h);
        // Stars gather in drifts.
        if crowd.at(p.0 * 2.5, p.1 * 2.5) < -0.15 && rng.chance(0.6) {
            p.1 = -p.1;
            q.1 = -q.1;
        }
        let size = if flare {
            rng.range(0.0045, 0.0075) * lerp(0.8, 1.9, n.look.scale)
        } else {
            (0.0011 + 0.0034 * rng.unit().powi(4)) * lerp(0.85, 1.7, n.look.scale)
        };
        let (ink, force, cross) = (*rng.pick(&inks), rng.range(0.35, 1.0), rng.chance(0.55));
        // Mirrored stars are exact twins.
        let twin = rng.unit() < n.k;
        for at in [p, if twin { (-p.0, p.1) } else { q }] {
            spark(canvas, plane, at, size, ink, if flare { 1.0 } else { force }, flare, flare && cross);
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn spark(
    canvas: &mut Canvas,
    plane: Plane,
    at: (f32, f32),
    size: f32,
    ink: [f32; 3],
    force: f32,
    glow: bool,
    cross: bool,
) {
    // A star smaller than a pixel keeps its light: it dims instead of vanishing.
    let r = size.max(plane.px * 0.5);
    let force = force * (size / r).powf(0.7);
    let reach = if glow { size * 11.0 } else { r + plane.px };
    touch(canvas, at, reach, |x, y, pixel| {
        let (dx, dy) = (x - at.0, y - at.1);
        let d = dx.hypot(dy);
        let mut a = plane.inside(d - r) * force;
        if glow {
            let fade = (1.0 - d / reach).max(0.0);
            a += 0.5 * fade * fade * (-d / (size * 2.2)).exp();
            if cross {
                let thin = (size * 0.28).max(plane.px * 0.45);
                let beam = (-(dx / thin).powi(2)).exp().max((-(dy / thin).powi(2)).exp());
                a += 0.85 * beam * fade.powi(3);
            }
        }
        lay(pixel, ink, a.min(1.0));
    });
}

/// A moon with its phase, seas and craters, in a halo.
fn moon(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let (plane, noise) = (n.plane, Noise::new(rng));
    let r = lerp(0.075, 0.25, n.look.scale) * rng.range(0.85, 1.15);
    let at = n.place(rng, -0.26, -0.04);
    let (face, sea) = (n.star, mix(n.star, n.tones.ramp.at(0.55), 0.55));
    // A mirrored sky has a full moon.
    let phase = if n.k > 0.6 || rng.chance(0.4) { 1.0 } else { rng.range(-0.55, 0.6) };
    let (sin, cos) = (rng.range(-0.5, 0.5) + if rng.chance(0.5) { TAU / 2.0 } else { 0.0 }).sin_cos();
    let halo = mix(n.star, n.tones.accent(), 0.4);
    let craters: Vec<[f32; 3]> = (0..lerp(5.0, 14.0, n.look.density) as usize)
        .map(|_| {
            let (a, d) = (rng.range(0.0, TAU), rng.unit().sqrt() * 0.85);
            [a.cos() * d, a.sin() * d, rng.range(0.04, 0.15)]
        })
        .collect();
    let reach = r * 4.0;
    touch(canvas, at, reach, |x, y, pixel| {
        let (u, v) = ((x - at.0) / r, (y - at.1) / r);
        let d = u.hypot(v);
        let fade = (1.0 - d * r / reach).max(0.0);
        lay(pixel, halo, 0.42 * fade * fade * (-(d - 1.0).max(0.0) * 1.1).exp() * lerp(0.6, 1.0, phase.abs()));
        let cover = plane.inside((d - 1.0) * r);
        if cover <= 0.0 {
            return;
        }
        let m = if n.k > 0.6 { -u.abs() } else { u };
        let mut c = mix(face, sea, 0.9 * smoothstep(0.0, 0.5, noise.fbm(m * 1.3 + 5.0, v * 1.3, 4)));
        for [cx, cy, size] in &craters {
            let e = (m - cx).hypot(v - cy) / size;
            if e < 1.3 {
                lay(&mut c, sea, 0.6 * smoothstep(1.0, 0.8, e));
                lay(&mut c, face, 0.6 * smoothstep(0.25, 0.05, (e - 1.08).abs()));
            }
        }
        c = mix(c, mix(sea, n.dusk, 0.4), 0.45 * smoothstep(0.6, 1.0, d));
        // The terminator is half an ellipse.
        let (p, q) = (u * cos + v * sin, v * cos - u * sin);
        let edge = -phase * (1.0 - q * q).max(0.0).sqrt();
        let day = if phase >= 1.0 { 1.0 } else { smoothstep(-0.05, 0.09, p - edge) };
        lay(pixel, mix(mix(n.ground, n.dusk, 0.3), c, day), cover);
    });
}

/// A banded planet with rings, and a small moon or two.
fn planet(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let (plane, noise) = (n.plane, Noise::new(rng));
    let r = lerp(0.1, 0.27, n.look.scale) * rng.range(0.9, 1.1);
    let at = n.place(rng, -0.12, 0.1);
    let tilt = rng.range(0.2, 0.55) * rng.sign() * freedom(n.look);
    let (sin, cos) = tilt.sin_cos();
    let flat = rng.range(0.16, 0.32);
    let ringed = rng.chance(0.8);
    let bands = lerp(2.0, 5.0, n.look.density);
    let mut inks = n.tones.all[1..].to_vec();
    if rng.chance(0.5) {
        rng.shuffle(&mut inks);
    }
    let body = Ramp::through(&inks);
    let rings =
        Ramp::through(&[n.tones.ramp.at(0.45), n.star, n.tones.accent(), n.tones.light(), n.tones.ramp.at(0.5)]);
    // Light from one side; from the front when mirrored.
    let (lx, ly) = (0.62 * (1.0 - n.k) * rng.sign(), -0.42);
    touch(canvas, at, r * 2.5, |x, y, pixel| {
        let (dx, dy) = ((x - at.0) / r, (y - at.1) / r);
        let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let d = dx.hypot(dy);
        lay(pixel, n.tones.accent(), 0.22 * (-(d - 1.0).max(0.0) * 3.0).exp() * smoothstep(2.5, 1.4, d));
        let e = u.hypot(v / flat);
        let ring = if ringed && e > 1.25 && e < 2.3 {
            let t = (e - 1.3) / 0.92;
            let soft = 2.5 * plane.px / r / flat.max(0.2);
            let gap = smoothstep(0.0, soft, (t - 0.62).abs() - 0.02);
            let edge = smoothstep(0.0, soft, t) * smoothstep(1.0, 1.0 - soft, t);
            Some((rings.at(t), edge * gap * (0.72 + 0.25 * noise.at(e * 14.0, 1.0))))
        } else {
            None
        };
        if let (Some((c, a)), true) = (ring, v <= 0.0) {
            lay(pixel, c, a.clamp(0.0, 1.0));
        }
        let cover = plane.inside((d - 1.0) * r);
        if cover > 0.0 {
            let z = (1.0 - d * d).max(0.0).sqrt();
            let m = if n.k > 0.6 { u.abs() } else { u };
            let swirl = 0.1 * noise.fbm(m * 1.8, v * 5.0, 3);
            let t = 0.5 + 0.55 * noise.fbm(3.3, (v + swirl) * bands, 2);
            let light = (0.25 + dx * lx + dy * ly + z * 0.75).clamp(0.0, 1.05);
            let mut c = mix(n.ground, body.at(t), smoothstep(-0.05, 0.75, light));
            lay(&mut c, n.star, 0.35 * smoothstep(0.85, 1.05, light));
            if ringed {
                // The rings throw a shadow on the body.
                let f = u.hypot((v - 0.12) / flat);
                lay(&mut c, n.ground, 0.4 * smoothstep(1.25, 1.4, f) * smoothstep(2.2, 2.0, f) * f32::from(v > 0.0));
            }
            lay(pixel, c, cover);
        }
        if let (Some((c, a)), true) = (ring, v > 0.0) {
            lay(pixel, c, a.clamp(0.0, 1.0));
        }
    });
    let small = r * rng.range(0.14, 0.24);
    let (mx, my) = (at.0 - at.0.signum() * r * rng.range(1.6, 2.1), at.1 - r * rng.range(1.0, 1.4));
    let mx = lerp(mx, at.0, smoothstep(0.4, 0.9, n.k));
    let c = n.tones.ramp.at(0.8);
    touch(canvas, (mx, my), small, |x, y, pixel| {
        let (u, v) = ((x - mx) / small, (y - my) / small);
        let light = 0.3 + u * lx + v * ly + 0.7 * (1.0 - u * u - v * v).max(0.0).sqrt();
        lay(pixel, mix(n.ground, c, light.clamp(0.0, 1.0)), plane.inside((u.hypot(v) - 1.0) * small));
    });
}

/// Figures of bright stars joined by thin lines.
fn constellation(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let plane = n.plane;
    let step = lerp(0.13, 0.27, n.look.scale);
    let figures = lerp(1.0, 3.0, n.look.density).round() as usize + if n.look.scale < 0.4 { 1 } else { 0 };
    let line = mix(n.star, n.tones.accent(), 0.3);
    let mut sheet = Sheet::new(canvas);
    let mut knots = Vec::new();
    for figure in 0..figures {
        let nodes = 4 + rng.below(4);
        let y0 = lerp(-0.36, 0.36, (figure as f32 + 0.5) / figures as f32) * plane.half_h * 2.0;
        let x0 = -plane.half_w * rng.range(0.55, 0.85);
        let mut points = vec![(x0, y0 + rng.range(-0.08, 0.08))];
        let mut links = Vec::new();
        for k in 1..nodes {
            let from = if k > 2 && rng.chance(0.3) { k - 2 } else { k - 1 };
            let (a, d) = (rng.range(-1.15, 1.15), step * rng.range(0.65, 1.2));
            let (px, py) = points[from];
            let lift = if py.abs() > plane.half_h * 0.75 { -py.signum() * a.sin().abs() } else { a.sin() };
            // A mirrored figure keeps to its own half.
            let edge = lerp(plane.half_w * 0.9, -0.04, n.k.round());
            points.push(((px + d * a.cos()).min(edge), py + d * lift));
            links.push((from, k));
        }
        if nodes > 4 && rng.chance(0.6) {
            links.push((nodes - 1, nodes - 3));
        }
        for way in [1.0, -1.0] {
            if way < 0.0 && n.k < 0.5 {
                continue;
            }
            let on = |i: usize| [points[i].0 * way + plane.half_w, points[i].1 + plane.half_h];
            for (a, b) in &links {
                sheet.stroke(vector::polyline(&[on(*a), on(*b)]).as_ref(), (plane.px * 0.9).max(0.0035), line, 0.6);
            }
            knots.extend(points.iter().map(|p| (p.0 * way, p.1)));
        }
    }
    sheet.over(canvas);
    for (i, p) in knots.into_iter().enumerate() {
        let big = i % 3 == 0;
        let size = lerp(0.005, 0.0105, n.look.scale) * if big { 1.3 } else { 0.9 };
        spark(canvas, plane, p, size, n.star, 1.0, true, big);
    }
}

/// A low dark horizon: hills, or hills with trees.
fn silhouette(canvas: &mut Canvas, n: &Night, rng: &mut Rng) {
    let (plane, noise) = (n.plane, Noise::new(rng));
    let ink = lighten(n.ground, -0.06);
    let trees = rng.chance(0.6);
    let wide = lerp(0.022, 0.055, n.look.scale);
    let mass = rng.range(0.1, 0.17);
    for back in [true, false] {
        let colour = if back { mix(ink, n.dusk, 0.45) } else { ink };
        let shift = if back { 0.07 } else { 0.0 };
        for column in 0..plane.width {
            let x = plane.point(column, 0).0;
            let top = n.fold(x, |x| {
                let hill = mass * (0.6 + 0.8 * noise.fbm(x * 1.9 + shift * 90.0, shift * 50.0, 3)) + shift;
                let crown = |row: i32| {
                    let u = x / (wide * 0.5) + row as f32 * 0.37;
                    let tall = 0.3 + 0.7 * noise.dot(u.floor() as i32, row);
                    wide * tall * (1.0 - 2.1 * (u - u.floor() - 0.5).abs())
                };
                hill + if trees && !back { (0..3).map(crown).fold(0.0, f32::max) } else { 0.0 }
            });
            for row in (0..plane.height).rev() {
                let a = plane.inside(plane.half_h - top.max(0.02) - plane.point(0, row).1);
                if a <= 0.0 {
                    break;
                }
                lay(&mut canvas.rgb[row * plane.width + column], colour, a);
            }
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
