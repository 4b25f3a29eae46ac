//! Strokes that follow a smooth flow: ribbons, hair, dotted lines, comets, and long streamlines.

use super::kit::{Plane, Tones, freedom, lerp, lit, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, blend, lighten, mix, smoothstep};
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{PI, TAU};
use tiny_skia::Path;

/// Covers the canvas. Scale sets the width of the strokes and of the currents, density how closely they lie.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let flow = Flow::new(&plane, look, rng);
    let work = Work { plane, look, tones: &tones, flow: &flow };
    match rng.below(9) {
        0..=2 => work.ribbons(canvas, rng),
        3 => work.hair(canvas, rng),
        4 | 5 => work.streamlines(canvas, rng),
        6 => work.dots(canvas, rng),
        _ => work.comets(canvas, rng),
    }
    // The currents are mirrored as far as the look asks; near full symmetry the strokes are, too.
    if rng.unit() < (look.symmetry - 0.15) / 0.8 {
        for row in canvas.rgb.chunks_exact_mut(plane.width) {
            for column in 0..plane.width / 2 {
                row[plane.width - 1 - column] = row[column];
            }
        }
    }
}

/// A direction at every point.
struct Flow {
    vx: Field,
    vy: Field,
    reach: f32,
}

impl Flow {
    fn new(plane: &Plane, look: &Look, rng: &mut Rng) -> Self {
        let noise = Noise::new(rng);
        let pace = lerp(2.4, 0.9, look.scale) * rng.range(0.8, 1.25);
        let kind = rng.below(5);
        let base = rng.range(0.0, TAU);
        let bend = rng.range(1.6, 3.2);
        let free = freedom(look);
        let eddies: Vec<[f32; 4]> = (0..3 + rng.below(4))
            .map(|_| {
                let at = [rng.range(-1.1, 1.1) * plane.half_w, rng.range(-1.1, 1.1) * plane.half_h];
                [at[0], at[1], rng.range(0.5, 1.0) * rng.sign(), rng.range(0.14, 0.3)]
            })
            .collect();
        let heart = (rng.range(-0.3, 0.3) * free, rng.range(-0.3, 0.3));
        let lean = rng.range(0.25, 1.3) * rng.sign();
        // A stream function whose level lines are the currents.
        let psi = move |x: f32, y: f32| noise.fbm(x * pace + 9.1, y * pace - 4.3, 2);
        let raw = move |x: f32, y: f32| -> (f32, f32) {
            match kind {
                // Curl of noise over a steady drift.
                0 => {
                    let e = 0.01;
                    let (gx, gy) = ((psi(x + e, y) - psi(x - e, y)) / e, (psi(x, y + e) - psi(x, y - e)) / e);
                    (gy + base.cos() * 0.6, -gx + base.sin() * 0.6)
                }
                // Eddies in a stream.
                1 => {
                    let (mut u, mut v) = (base.cos() * 0.5, base.sin() * 0.5);
                    for [ex, ey, spin, size] in &eddies {
                        let (dx, dy) = (x - ex, y - ey);
                        let k = spin * 3.2 * (-(dx * dx + dy * dy) / (size * size)).exp() / size;
                        (u, v) = (u - dy * k, v + dx * k);
                    }
                    let a = noise.at(x * pace, y * pace);
                    (u + 0.3 * a, v - 0.3 * a)
                }
                // A whirl around one heart.
                2 => {
                    let a = (y - heart.1).atan2(x - heart.0);
                    let a = a + PI / 2.0 + lean * 0.6 + 0.7 * noise.at(x * pace, y * pace);
                    (a.cos(), a.sin())
                }
                // Angles from noise: wind over a field.
                _ => {
                    let a = base + bend * noise.at(x * pace * 0.8, y * pace * 0.8);
                    (a.cos(), a.sin())
                }
            }
        };
        let k = 0.5 * look.symmetry;
        let reach = plane.reach() + 0.2;
        let both = |x: f32, y: f32| {
            let ((u, v), (mu, mv)) = (raw(x, y), raw(-x, y));
            (lerp(u, -mu, k), lerp(v, mv, k))
        };
        const SIDE: usize = 56;
        let mut down = Vec::with_capacity(SIDE * SIDE);
        let vx = Field::new(SIDE, |s, t| {
            let (u, v) = both((s - 0.5) * 2.0 * reach, (t - 0.5) * 2.0 * reach);
            down.push(v);
            u
        });
        let mut next = down.into_iter();
        let vy = Field::new(SIDE, |_, _| next.next().unwrap_or(0.0));
        Self { vx, vy, reach }
    }
    /// The unit direction.
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let (s, t) = (0.5 + x / (2.0 * self.reach), 0.5 + y / (2.0 * self.reach));
        let (u, v) = (self.vx.at(s, t), self.vy.at(s, t));
        let n = u.hypot(v).max(1e-6);
        (u / n, v / n)
    }
}

/// The room that is taken by strokes, on a grid.
struct Room {
    side: f32,
    columns: usize,
    rows: usize,
    edge: (f32, f32),
    taken: Vec<bool>,
}

impl Room {
    fn new(plane: &Plane) -> Self {
        let side = 1.0 / 200.0;
        let edge = (plane.half_w + 0.08, plane.half_h + 0.08);
        let (columns, rows) = ((2.0 * edge.0 / side) as usize + 1, (2.0 * edge.1 / side) as usize + 1);
        Self { side, columns, rows, edge, taken: vec![false; columns * rows] }
    }
    fn free(&self, x: f32, y: f32) -> bool {
        let (u, v) = ((x + self.edge.0) / self.side, (y + self.edge.1) / self.side);
        let inside = u >= 0.0 && v >= 0.0 && u < self.columns as f32 && v < self.rows as f32;
        inside && !self.taken[v as usize * self.columns + u as usize]
    }
    fn take(&mut self, points: &[[f32; 2]], radius: f32) {
        let r = (radius / self.side).max(0.5);
        for p in points {
            let (u, v) = ((p[0] + self.edge.0) / self.side, (p[1] + self.edge.1) / self.side);
            let span = |c: f32, n: usize| ((c - r).max(0.0) as usize).min(n)..((c + r + 1.0).max(0.0) as usize).min(n);
            for row in span(v, self.rows) {
                for column in span(u, self.columns) {
                    if (column as f32 + 0.5 - u).powi(2) + (row as f32 + 0.5 - v).powi(2) <= r * r {
                        self.taken[row * self.columns + column] = true;
                    }
                }
            }
        }
    }
}

/// A stroke with a width at each point: full in the middle as `profile(0..=1)` says.
fn brush(points: &[[f32; 2]], width: f32, profile: impl Fn(f32) -> f32) -> Option<Path> {
    let n = points.len();
    if n < 3 {
        return None;
    }
    let side = |i: usize, sign: f32| {
        let (a, b) = (points[i.saturating_sub(1)], points[(i + 1).min(n - 1)]);
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let k = sign * 0.5 * width * profile(i as f32 / (n - 1) as f32) / dx.hypot(dy).max(1e-6);
        [points[i][0] - dy * k, points[i][1] + dx * k]
    };
    let outline: Vec<[f32; 2]> = (0..n).map(|i| side(i, 1.0)).chain((0..n).rev().map(|i| side(i, -1.0))).collect();
    vector::polygon(&outline)
}

/// What all the ways of painting share.
struct Work<'a> {
    plane: Plane,
    look: &'a Look,
    tones: &'a Tones,
    flow: &'a Flow,
}

impl Work<'_> {
    /// A line along the flow through a point, both ways, while `free` allows and it does not turn round on itself.
    fn line(
        &self,
        from: (f32, f32),
        step: f32,
        length: f32,
        free: impl Fn(f32, f32, f32, f32) -> bool,
    ) -> Vec<[f32; 2]> {
        let half = |sign: f32| {
            let (mut x, mut y) = from;
            let mut last = self.flow.at(x, y);
            let (mut turned, mut out) = (0.0f32, Vec::new());
            for _ in 0..(length / step / 2.0) as usize {
                let (u, v) = self.flow.at(x + last.0 * sign * step / 2.0, y + last.1 * sign * step / 2.0);
                turned += (last.0 * v - last.1 * u).atan2(last.0 * u + last.1 * v);
                last = (u, v);
                (x, y) = (x + u * sign * step, y + v * sign * step);
                if turned.abs() > 2.9 || !free(x, y, u, v) {
                    break;
                }
                out.push([x, y]);
            }
            out
        };
        let mut points = half(-1.0);
        points.reverse();
        points.push([from.0, from.1]);
        points.extend(half(1.0));
        points
    }
    /// Into the coordinates of a sheet.
    fn on_sheet(&self, points: &[[f32; 2]]) -> Vec<[f32; 2]> {
        points.iter().map(|p| [p[0] + self.plane.half_w, p[1] + self.plane.half_h]).collect()
    }
    /// A point of the picture, a little beyond its edges too.
    fn anywhere(&self, rng: &mut Rng) -> (f32, f32) {
        let (w, h) = (self.plane.half_w + 0.05, self.plane.half_h + 0.05);
        (rng.range(-w, w), rng.range(-h, h))
    }
    /// A soft ground at one end of the palette; returns its middle.
    fn ground(&self, canvas: &mut Canvas, light: bool) -> [f32; 3] {
        let end = if light { self.tones.light() } else { lit(self.tones.dark(), 0.92) };
        let (_, next) = self.tones.ground(light);
        let far = mix(end, next, if light { 0.25 } else { 0.4 });
        let reach = self.plane.reach();
        shade(canvas, |x, y| mix(end, far, smoothstep(0.1, 1.0, x.hypot(y) / reach)));
        end
    }
    /// Lines that keep their distance, width after width; none shorter than `shortest` widths.
    fn spaced(&self, widths: &[f32], gap: f32, length: f32, shortest: f32, rng: &mut Rng) -> Vec<(Vec<[f32; 2]>, f32)> {
        let mut room = Room::new(&self.plane);
        let area = 4.0 * self.plane.half_w * self.plane.half_h;
        let mut lines = Vec::new();
        for width in widths {
            let step = (width * 0.4).clamp(0.006, 0.014);
            let own = width / 2.0;
            let tries = (area * 6.0 / (width + gap).powi(2)).clamp(200.0, 6000.0) as usize;
            for _ in 0..tries {
                let from = self.anywhere(rng);
                let clear = |x: f32, y: f32, u: f32, v: f32| {
                    let k = own * 0.9;
                    room.free(x, y) && room.free(x - v * k, y + u * k) && room.free(x + v * k, y - u * k)
                };
                let (u, v) = self.flow.at(from.0, from.1);
                if !clear(from.0, from.1, u, v) {
                    continue;
                }
                let points = self.line(from, step, length, clear);
                if points.len() as f32 * step < width * shortest {
                    continue;
                }
                room.take(&points, own + gap);
                lines.push((points, *width));
            }
        }
        lines
    }

    /// Thick ribbons that never cross, in flat inks: after T. Hobbs's Fidenza.
    fn ribbons(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let (look, tones) = (self.look, self.tones);
        let light = rng.chance(0.65);
        let end = self.ground(canvas, light);
        let width = lerp(0.024, 0.088, look.scale) * lerp(1.15, 0.85, look.density);
        let widths: Vec<f32> = match rng.below(3) {
            0 => vec![width, width * 0.5, width * 0.28],
            1 => vec![width * 0.75, width * 0.35, width * 0.2],
            _ => vec![width * 1.25, width * 0.7, width * 0.4, width * 0.22],
        };
        let gap = width * lerp(0.32, 0.07, look.density);
        let lines = self.spaced(&widths, gap.max(0.006), rng.range(0.7, 2.2), 2.2, rng);
        let inks = tones.without(end);
        let (noise, patch) = (Noise::new(rng), rng.range(0.9, 1.8));
        let style = rng.below(4);
        let sharp = rng.chance(0.4);
        let mut sheet = Sheet::new(canvas);
        for (points, width) in &lines {
            // Neighbours share an ink more often than not.
            let middle = points[points.len() / 2];
            let t = 0.5 + 0.75 * noise.at(middle[0] * patch, middle[1] * patch) + 0.3 * (rng.unit() - 0.5);
            let i = if rng.chance(0.3) {
                rng.below(inks.len())
            } else {
                (t.clamp(0.0, 0.999) * inks.len() as f32) as usize
            };
            let ink = inks[i];
            let path = vector::polyline(&self.on_sheet(points));
            let mut draw = |w: f32, c: [f32; 3]| {
                if sharp {
                    sheet.stroke_sharp(path.as_ref(), w, c, 1.0);
                } else {
                    sheet.stroke(path.as_ref(), w, c, 1.0);
                }
            };
            draw(*width, if style == 1 { lit(ink, 0.72) } else { ink });
            match style {
                // Round tubes.
                1 => {
                    draw(width * 0.68, ink);
                    draw(width * 0.24, lighten(ink, 0.09));
                }
                // A second ink inside.
                2 if rng.chance(0.35) => draw(width * 0.42, inks[(i + 1 + rng.below(2)) % inks.len()]),
                _ => {}
            }
        }
        sheet.over(canvas);
    }
    /// Many hair-thin strokes whose colour drifts over the picture.
    fn hair(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let (look, tones) = (self.look, self.tones);
        self.ground(canvas, rng.chance(0.4));
        let count = lerp(420.0, 900.0, look.density) * lerp(1.25, 0.6, look.scale);
        let width = lerp(0.0045, 0.015, look.scale);
        let (noise, patch) = (Noise::new(rng), lerp(2.2, 1.1, look.scale));
        let length = lerp(0.3, 0.8, look.scale) * rng.range(0.8, 1.4);
        let mut sheet = Sheet::new(canvas);
        for k in 0..count as usize {
            let from = self.anywhere(rng);
            let points = self.line(from, 0.018, length * rng.range(0.5, 1.2), |_, _, _, _| true);
            let t = 0.5 + 0.85 * noise.at(from.0 * patch, from.1 * patch) + 0.22 * rng.normal() * 0.6;
            // Shadows below, lights on top.
            let t = t + 0.25 * (k as f32 / count - 0.5);
            let ink = tones.ramp.at(t);
            let w = width * rng.range(0.6, 1.7);
            let path = brush(&self.on_sheet(&points), w, |t| 0.25 + 0.75 * (t * PI).sin());
            sheet.fill(path.as_ref(), ink, 0.92);
        }
        sheet.over(canvas);
    }
    /// Long even streamlines that swell and fade, their colour following the picture: light trails on a dark ground.
    fn streamlines(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let (look, tones) = (self.look, self.tones);
        let light = rng.chance(0.25);
        self.ground(canvas, light);
        let width = lerp(0.009, 0.034, look.scale);
        let gap = width * lerp(1.3, 0.45, look.density) + 0.002;
        let lines = self.spaced(&[width, width * 0.45], gap, rng.range(1.4, 3.0), 6.0, rng);
        let ramp =
            if light { Ramp::through(&tones.all[..tones.all.len() - 1]) } else { Ramp::through(&tones.all[1..]) };
        let (noise, patch) = (Noise::new(rng), lerp(2.0, 1.0, look.scale));
        let (a, spread) = (rng.range(0.0, TAU), rng.range(0.35, 0.7));
        let mut sheet = Sheet::new(canvas);
        for (points, w) in &lines {
            let own = 0.16 * (rng.unit() - 0.5);
            let swell = rng.range(0.5, 0.9);
            let path = brush(&self.on_sheet(points), *w, |t| {
                (1.0 - swell) * (t * PI).sin().max(0.0).sqrt() + swell * (t * PI).sin()
            });
            // The line's own tone travels in its grey and meets the place's tone below.
            sheet.fill(path.as_ref(), [0.5 + own; 3], 1.0);
        }
        let (cos, sin) = (a.cos(), a.sin());
        let plane = self.plane;
        sheet.over_with(canvas, |x, y, c| {
            let (x, y) = (x - plane.half_w, y - plane.half_h);
            let t = 0.5 + spread * (x * cos + y * sin) + 0.5 * noise.at(x * patch, y * patch);
            ramp.at(t + (c[0] - 0.5) * 2.0)
        });
    }
    /// Dotted lines whose dots grow and shrink along the way.
    fn dots(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let (look, tones) = (self.look, self.tones);
        let light = rng.chance(0.5);
        let end = self.ground(canvas, light);
        let inks = tones.without(end);
        let size = lerp(0.015, 0.048, look.scale);
        let gap = size * lerp(0.55, 0.14, look.density);
        let lines = self.spaced(&[size, size * 0.5], gap, 1.8, 3.0, rng);
        let (noise, patch) = (Noise::new(rng), lerp(2.0, 1.0, look.scale));
        let waves = rng.range(1.0, 3.5);
        let mut sheet = Sheet::new(canvas);
        for (points, width) in &lines {
            let middle = points[points.len() / 2];
            let t = 0.5 + 0.8 * noise.at(middle[0] * patch, middle[1] * patch) + 0.3 * (rng.unit() - 0.5);
            let ink = inks[(t.clamp(0.0, 0.999) * inks.len() as f32) as usize];
            let phase = rng.unit();
            let (mut walked, mut next, mut last) = (0.0, 0.0, points[0]);
            for p in self.on_sheet(points).iter().zip(points) {
                walked += (p.1[0] - last[0]).hypot(p.1[1] - last[1]);
                last = *p.1;
                if walked < next {
                    continue;
                }
                let grow = 0.5 + 0.5 * (TAU * (walked * waves + phase)).cos();
                let r = width * lerp(0.26, 0.52, grow);
                sheet.fill(vector::circle(p.0[0], p.0[1], r).as_ref(), ink, 1.0);
                next = walked + r * 2.0 + width * 0.1;
            }
        }
        sheet.over(canvas);
    }
    /// Tapered strokes with bright round heads, all swimming downstream.
    fn comets(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let (look, tones) = (self.look, self.tones);
        let light = rng.chance(0.3);
        let end = self.ground(canvas, light);
        let inks = tones.without(end);
        let width = lerp(0.016, 0.062, look.scale);
        let gap = width * lerp(0.5, 0.12, look.density);
        let length = width * rng.range(9.0, 16.0);
        let lines = self.spaced(&[width, width * 0.6, width * 0.35], gap, length, 2.0, rng);
        let (noise, patch) = (Noise::new(rng), lerp(2.0, 1.0, look.scale));
        let bright = if light { tones.dark() } else { tones.light() };
        let headed = rng.chance(0.5);
        let mut sheet = Sheet::new(canvas);
        for (points, width) in &lines {
            let points = self.on_sheet(points);
            let Some(head) = points.last() else { continue };
            let t = 0.5 + 0.8 * noise.at(head[0] * patch, head[1] * patch) + 0.35 * (rng.unit() - 0.5);
            let ink = inks[(t.clamp(0.0, 0.999) * inks.len() as f32) as usize];
            // A veil behind, the body on it.
            sheet.fill(brush(&points, *width, |t| t.powf(0.7)).as_ref(), blend(end, ink, 0.6), 1.0);
            let from = points.len() / 3;
            sheet.fill(brush(&points[from..], *width, |t| t).as_ref(), ink, 1.0);
            sheet.fill(vector::circle(head[0], head[1], width * 0.5).as_ref(), ink, 1.0);
            if headed {
                sheet.fill(vector::circle(head[0], head[1], width * 0.24).as_ref(), bright, 1.0);
            }
        }
        sheet.over(canvas);
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
