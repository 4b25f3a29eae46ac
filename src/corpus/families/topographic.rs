//! Contour lines and layers of height: maps, cut paper, neon contours, islands, terraces and agates.

use super::kit::{Plane, Tones, freedom, lerp, lit, mirrored};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, lighten, mix, smoothstep};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;

/// Heights of all pixels, 0..=1, with bilinear look-ups between them.
struct Heights {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Heights {
    fn at(&self, column: f32, row: f32) -> f32 {
        let (x, y) = (column.clamp(0.0, (self.width - 1) as f32), row.clamp(0.0, (self.height - 1) as f32));
        let (ix, iy) = ((x as usize).min(self.width.max(2) - 2), (y as usize).min(self.height.max(2) - 2));
        let get = |c: usize, r: usize| self.values[r.min(self.height - 1) * self.width + c.min(self.width - 1)];
        let (u, v) = (x - ix as f32, y - iy as f32);
        let top = lerp(get(ix, iy), get(ix + 1, iy), u);
        lerp(top, lerp(get(ix, iy + 1), get(ix + 1, iy + 1), u), v)
    }
    /// Rise per pixel along x and y.
    fn slope(&self, i: usize) -> (f32, f32) {
        let (c, r) = (i % self.width, i / self.width);
        let get = |c: usize, r: usize| self.values[r * self.width + c];
        let (left, right) = (c.saturating_sub(1), (c + 1).min(self.width - 1));
        let (up, down) = (r.saturating_sub(1), (r + 1).min(self.height - 1));
        (
            (get(right, r) - get(left, r)) / (right - left).max(1) as f32,
            (get(c, down) - get(c, up)) / (down - up).max(1) as f32,
        )
    }
}

/// The land: hills, a massif around a summit, or folded ranges, equalised so that every band gets its share of the plane.
fn land(plane: &Plane, look: &Look, radial: f32, rng: &mut Rng) -> Heights {
    let noise = Noise::new(rng);
    let waves = 1.0 / lerp(0.2, 0.62, look.scale);
    let free = freedom(look);
    let centre = (rng.range(-0.28, 0.28) * free, rng.range(-0.25, 0.25) * (0.4 + 0.6 * free));
    let folded = rng.chance(0.3);
    let turn = rng.range(-0.9, 0.9) * free;
    let (sin, cos) = turn.sin_cos();
    let shape = |x: f32, y: f32| {
        let (u, v) = (x * cos - y * sin, x * sin + y * cos);
        let v = if folded { v * 1.7 } else { v };
        let (u, v) = noise.warp(u * waves + 31.0, v * waves, 0.3, 1);
        let hills = noise.at(u, v) + 0.26 * noise.at(u * 2.1, v * 2.1 + 40.0);
        let d = (x - centre.0).hypot(y - centre.1);
        lerp(hills, hills * 0.32 - d * 2.0, radial)
    };
    let shape = mirrored(look.symmetry, shape);
    let side = (plane.width.max(plane.height) / 2 + 1).clamp(97, 257);
    let (w, h) = (plane.half_w, plane.half_h);
    let field = Field::new(side, |x, y| shape((x * 2.0 - 1.0) * w, (y * 2.0 - 1.0) * h)).equalised();
    let values = plane.values(|x, y| field.at(0.5 + x / (2.0 * w), 0.5 + y / (2.0 * h)));
    Heights { width: plane.width, height: plane.height, values }
}

/// Colours of the bands, lowest first.
fn bands(tones: &Tones, n: usize, rng: &mut Rng) -> Vec<[f32; 3]> {
    let order = rng.below(5);
    let last = (n.max(2) - 1) as f32;
    (0..n)
        .map(|k| {
            let t = k as f32 / last;
            match order {
                0 | 1 => tones.ramp.at(t),
                2 => tones.ramp.at(1.0 - t),
                3 => tones.ramp.at(if t < 0.5 { 1.0 - 2.0 * t } else { 2.0 * t - 1.0 }),
                _ => tones.nth(k),
            }
        })
        .collect()
}

/// Covers the canvas with a landscape of contours. Density sets the number of levels, scale the size of the hills.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let style = rng.below(6);
    let radial = match style {
        3 | 5 => rng.range(0.55, 0.9),
        _ if rng.chance(0.35) => rng.range(0.3, 0.7),
        _ => 0.0,
    };
    let heights = land(&plane, look, radial, rng);
    let n = lerp(4.0, lerp(9.0, 17.0, look.scale), look.density).round().max(3.0);
    match style {
        0 => map(canvas, &heights, n, &tones, rng),
        1 => cut_paper(canvas, &heights, n, &tones, rng),
        // Bold lines need more room than bands.
        2 => neon(canvas, &heights, n * lerp(0.6, 1.0, look.scale), &tones, rng),
        3 => island(canvas, &heights, n, &tones, rng),
        4 => terraces(canvas, &heights, n, &tones, rng),
        _ => agate(canvas, &heights, n, look, &tones, rng),
    }
}

/// A pixel among the levels.
struct Level {
    /// Band that the pixel lies in.
    band: usize,
    /// Nearest border (between band `border - 1` and band `border`).
    border: usize,
    /// How far the pixel is across that border: 0 = below, 1 = above.
    across: f32,
    /// Distance to that border in pixels.
    distance: f32,
}

fn level(heights: &Heights, i: usize, n: f32) -> Level {
    let v = (heights.values[i] * n).clamp(0.0, n - 1e-3);
    let (gx, gy) = heights.slope(i);
    let g = (gx.hypot(gy) * n).max(1e-4);
    // The rims of the picture's lowest and highest band are no contours.
    let border = v.round().clamp(1.0, n - 1.0);
    let d = (v - border) / g;
    Level { band: v as usize, border: border as usize, across: (0.5 + d).clamp(0.0, 1.0), distance: d.abs() }
}

fn flat(bands: &[[f32; 3]], l: &Level) -> [f32; 3] {
    if l.distance > 0.5 {
        bands[l.band.min(bands.len() - 1)]
    } else {
        mix(bands[l.border - 1], bands[l.border.min(bands.len() - 1)], l.across)
    }
}

fn ink(l: &Level, half: f32) -> f32 {
    (0.5 + half - l.distance).clamp(0.0, 1.0)
}

/// Filled bands between bold isolines; every fourth is heavier.
fn map(canvas: &mut Canvas, heights: &Heights, n: f32, tones: &Tones, rng: &mut Rng) {
    let bands = bands(tones, n as usize, rng);
    let line = if rng.chance(0.7) { lighten(tones.dark(), -0.05) } else { tones.light() };
    let unit = 1.0 / Plane::of(canvas).px;
    let width = unit * rng.range(0.0035, 0.006);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let l = level(heights, i, n);
        let heavy = if l.border.is_multiple_of(4) { 1.7 } else { 1.0 };
        *pixel = mix(flat(&bands, &l), line, ink(&l, width * heavy) * 0.92);
    }
}

/// Sheets of paper, each cut along its contour, with the shadow that the next one casts.
fn cut_paper(canvas: &mut Canvas, heights: &Heights, n: f32, tones: &Tones, rng: &mut Rng) {
    let n = (n * 0.75).round().max(3.0);
    let bands = bands(tones, n as usize, rng);
    let unit = 1.0 / Plane::of(canvas).px;
    let (dx, dy) = (unit * 0.018 * rng.sign(), -unit * 0.022);
    let pits = rng.chance(0.5);
    let w = canvas.width;
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let l = level(heights, i, n);
        let (x, y) = ((i % w) as f32, (i / w) as f32);
        let there = [0.25, 0.6, 1.0].map(|t| heights.at(x + dx * t, y + dy * t) * n);
        // The colour of a sheet here, under the shadow of the one above it (the one below, when it is a pit).
        let sheet = |band: usize| {
            let soft: f32 = there
                .iter()
                .map(|h| smoothstep(-0.02, 0.14, if pits { band as f32 - h } else { h - (band + 1) as f32 }))
                .sum();
            lit(bands[band.min(bands.len() - 1)], 1.0 - 0.15 * soft)
        };
        let c = if l.distance > 0.5 { sheet(l.band) } else { mix(sheet(l.border - 1), sheet(l.border), l.across) };
        // The cut edge catches light.
        let side = if (l.band >= l.border) != pits { l.distance - 1.0 } else { -l.distance - 1.0 };
        *pixel = mix(c, lit(c, 1.4), 0.6 * (1.0 - side.abs() / 1.3).max(0.0));
    }
}

/// Glowing contours over a dark ground.
fn neon(canvas: &mut Canvas, heights: &Heights, n: f32, tones: &Tones, rng: &mut Rng) {
    let n = (n * 0.8).round().max(3.0);
    let dark = rng.chance(0.65);
    let (ground, lines) = if dark {
        (tones.ground(false), Ramp::through(&tones.all[1..]))
    } else {
        (tones.ground(true), Ramp::through(&tones.all[..tones.all.len() - 1]))
    };
    let unit = 1.0 / Plane::of(canvas).px;
    let width = unit * rng.range(0.007, 0.011);
    let glow = if dark { 0.4 } else { 0.0 };
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let sweep = rng.chance(0.5);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let l = level(heights, i, n);
        let y = (i as f32 / w).floor() / h;
        let colour = lines.at(if sweep { y } else { l.border as f32 / n });
        let base = mix(ground.0, ground.1, heights.values[i]);
        let halo = glow * smoothstep(width * 5.0, 0.0, l.distance);
        *pixel = mix(mix(base, colour, halo), colour, ink(&l, width));
    }
}

/// Land in a sea of depth lines, with a bright shore.
fn island(canvas: &mut Canvas, heights: &Heights, n: f32, tones: &Tones, rng: &mut Rng) {
    let k = tones.all.len();
    let night = rng.chance(0.4);
    let n = n.max(5.0);
    let shore = (n * rng.range(0.4, 0.6)).round();
    let split = (k / 2).max(1);
    let (sea, hills) = if night {
        (Ramp::through(&tones.all[..=split.min(k - 1)]), Ramp::through(&tones.all[split.min(k - 1)..]))
    } else {
        let mut high: Vec<_> = tones.all[..=split.min(k - 1)].to_vec();
        high.reverse();
        let mut deep = tones.all[split.min(k - 1)..].to_vec();
        deep.reverse();
        (Ramp::through(&deep), Ramp::through(&high))
    };
    let colours: Vec<[f32; 3]> = (0..n as usize)
        .map(|b| {
            let b = b as f32;
            if b < shore { sea.at(b / shore * 0.85) } else { hills.at((b - shore + 0.35) / (n - shore)) }
        })
        .collect();
    let unit = 1.0 / Plane::of(canvas).px;
    let beach = if night { tones.light() } else { lighten(tones.light(), 0.04) };
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let l = level(heights, i, n);
        let mut c = flat(&colours, &l);
        // Light from the upper left on the land.
        if l.band as f32 >= shore {
            let (gx, gy) = heights.slope(i);
            c = lit(c, 1.0 + ((gx + gy) * unit * 0.12).clamp(-0.22, 0.22));
        }
        let coast = l.border as f32 == shore;
        let (line, width) = if coast { (beach, unit * 0.012) } else { (lit(c, 0.86), unit * 0.0025) };
        *pixel = mix(c, line, ink(&l, width));
    }
}

/// Steps that each run from shade to light.
fn terraces(canvas: &mut Canvas, heights: &Heights, n: f32, tones: &Tones, rng: &mut Rng) {
    let bands = bands(tones, n as usize, rng);
    let up = rng.chance(0.5);
    let strength = rng.range(0.25, 0.45);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let l = level(heights, i, n);
        let shaded = |band: usize| {
            let f = (heights.values[i] * n - band as f32).clamp(0.0, 1.0);
            let t = if up { f } else { 1.0 - f };
            lit(bands[band.min(bands.len() - 1)], 1.0 + strength * (t * t * 1.6 - 0.75))
        };
        *pixel = if l.distance > 0.5 { shaded(l.band) } else { mix(shaded(l.border - 1), shaded(l.border), l.across) };
    }
}

/// Polished stone: rings of uneven width around a heart of crystal.
fn agate(canvas: &mut Canvas, heights: &Heights, n: f32, look: &Look, tones: &Tones, rng: &mut Rng) {
    let count = (n * 1.1).round() as usize;
    // Uneven borders, each at least a third of an even band.
    let widths: Vec<f32> = (0..count).map(|_| rng.range(0.35, 1.6)).collect();
    let total: f32 = widths.iter().sum();
    let mut edges = vec![0.0];
    for w in &widths {
        edges.push(edges.last().copied().unwrap_or(0.0) + w / total);
    }
    let start = rng.unit();
    let colours: Vec<[f32; 3]> = (0..count)
        .map(|k| {
            let t = (start + k as f32 / count as f32 * (0.9 + 0.11 * count as f32) + rng.range(-0.13, 0.13))
                .rem_euclid(2.0);
            tones.ramp.at(if t > 1.0 { 2.0 - t } else { t })
        })
        .collect();
    let rim = lighten(tones.light(), 0.03);
    let accent = tones.accent();
    let heart = rng.range(0.9, 0.96);
    let gleam = lerp(0.1, 0.2, look.contrast);
    let mut band = 0;
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        let v = heights.values[i].clamp(0.0, 0.9999);
        while band > 0 && v < edges[band] {
            band -= 1;
        }
        while band + 1 < count && v >= edges[band + 1] {
            band += 1;
        }
        let (gx, gy) = heights.slope(i);
        let g = gx.hypot(gy).max(1e-5);
        let (low, high) = ((v - edges[band]) / g, (edges[band + 1] - v) / g);
        let f = (v - edges[band]) / (edges[band + 1] - edges[band]);
        let mut c = mix(colours[band], rim, gleam * f * f);
        // Soft borders, as in stone.
        let soft = 1.2;
        if low < soft && band > 0 {
            c = mix(colours[band - 1], c, 0.5 + 0.5 * low / soft);
        } else if high < soft && band + 1 < count {
            c = mix(colours[band + 1], c, 0.5 + 0.5 * high / soft);
        }
        let core = smoothstep(heart - 0.012, heart + 0.012, v);
        *pixel = mix(c, mix(rim, accent, smoothstep(heart, 1.0, v)), core);
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
