//! Turing patterns by the Gray-Scott model (Pearson 1993): spots, mazes, corals and nets.

use super::kit::{Plane, Tones, freedom, lerp, lit, mirrored};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, blend, lighten, mix, smoothstep};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;

/// Grid cells to one wave of the pattern, at [`DIFFUSION`].
const CELLS: f32 = 8.5;
/// Diffusion of the first substance in cells squared per step; the second spreads half as fast.
const DIFFUSION: f32 = 0.1;
const STEPS: usize = 620;

/// Two substances on a grid with a border of ghost cells.
struct Dish {
    width: usize,
    height: usize,
    u: Vec<f32>,
    v: Vec<f32>,
    feed: Vec<f32>,
    kill: Vec<f32>,
}

/// A row of `w` cells from `s` on, with its eight neighbours, from the upper left to the lower right. Slices of equal
/// length let the compiler drop the bounds checks and use vectors.
fn around(f: &[f32], s: usize, stride: usize, w: usize) -> [&[f32]; 9] {
    let at = |k: usize| &f[k..k + w];
    let (t, b) = (s - stride, s + stride);
    [at(t - 1), at(t), at(t + 1), at(s - 1), at(s), at(s + 1), at(b - 1), at(b), at(b + 1)]
}

/// The nine-point Laplacian, nearly the same in all directions, so that rings stay round.
#[inline(always)]
fn laplacian(n: &[&[f32]; 9], i: usize) -> f32 {
    let straight = (n[1][i] + n[7][i]) + (n[3][i] + n[5][i]);
    let slanted = (n[0][i] + n[8][i]) + (n[2][i] + n[6][i]);
    (4.0 * straight + slanted) * (1.0 / 6.0) - n[4][i] * (10.0 / 3.0)
}

impl Dish {
    fn new(width: usize, height: usize) -> Self {
        let n = (width + 2) * (height + 2);
        Self { width, height, u: vec![1.0; n], v: vec![0.0; n], feed: vec![0.0; n], kill: vec![0.0; n] }
    }
    fn at(&self, column: usize, row: usize) -> usize {
        (row + 1) * (self.width + 2) + column + 1
    }
    /// Nothing leaves through the rim: the ghosts repeat their neighbours.
    fn seal(field: &mut [f32], width: usize, height: usize) {
        let stride = width + 2;
        for row in 1..=height {
            field[row * stride] = field[row * stride + 1];
            field[row * stride + width + 1] = field[row * stride + width];
        }
        field.copy_within(stride..2 * stride, 0);
        field.copy_within(height * stride..(height + 1) * stride, (height + 1) * stride);
    }
    fn run(&mut self, steps: usize) {
        let (stride, w) = (self.width + 2, self.width);
        let (mut u2, mut v2) = (self.u.clone(), self.v.clone());
        for _ in 0..steps {
            Self::seal(&mut self.u, self.width, self.height);
            Self::seal(&mut self.v, self.width, self.height);
            for row in 1..=self.height {
                let s = row * stride + 1;
                let (un, vn) = (&mut u2[s..s + w], &mut v2[s..s + w]);
                let (feed, kill) = (&self.feed[s..s + w], &self.kill[s..s + w]);
                let (us, vs) = (around(&self.u, s, stride, w), around(&self.v, s, stride, w));
                for i in 0..w {
                    let (a, b) = (us[4][i], vs[4][i]);
                    let react = a * b * b;
                    un[i] = a + DIFFUSION * laplacian(&us, i) - react + feed[i] * (1.0 - a);
                    vn[i] = b + 0.5 * DIFFUSION * laplacian(&vs, i) + react - (feed[i] + kill[i]) * b;
                }
            }
            std::mem::swap(&mut self.u, &mut u2);
            std::mem::swap(&mut self.v, &mut v2);
        }
        Self::seal(&mut self.v, self.width, self.height);
    }
    /// The second substance at every pixel, by cubic B-splines, which leave no trace of the grid.
    fn enlarge(&self, plane: &Plane) -> Vec<f32> {
        let taps = |n: usize, cells: usize| -> Vec<([usize; 4], [f32; 4])> {
            (0..n)
                .map(|i| {
                    let x = (i as f32 + 0.5) * cells as f32 / n as f32 - 0.5;
                    let k = x.floor();
                    let t = x - k;
                    let at = |o: i32| (k as i32 + o).clamp(-1, cells as i32) as usize;
                    let at = |o: i32| if k as i32 + o < 0 { 0 } else { at(o) + 1 };
                    let (t2, t3) = (t * t, t * t * t);
                    let w = [
                        (1.0 - 3.0 * t + 3.0 * t2 - t3) / 6.0,
                        (4.0 - 6.0 * t2 + 3.0 * t3) / 6.0,
                        (1.0 + 3.0 * t + 3.0 * t2 - 3.0 * t3) / 6.0,
                        t3 / 6.0,
                    ];
                    ([at(-1), at(0), at(1), at(2)], w)
                })
                .collect()
        };
        let (stride, rows) = (self.width + 2, self.height + 2);
        let columns = taps(plane.width, self.width);
        let mut wide = vec![0.0; plane.width * rows];
        for row in 0..rows {
            let line = &self.v[row * stride..(row + 1) * stride];
            for (out, (at, w)) in wide[row * plane.width..].iter_mut().zip(&columns) {
                *out = line[at[0]] * w[0] + line[at[1]] * w[1] + line[at[2]] * w[2] + line[at[3]] * w[3];
            }
        }
        let mut out = vec![0.0; plane.width * plane.height];
        for (row, (at, w)) in taps(plane.height, self.height).iter().enumerate() {
            let line = |k: usize| &wide[at[k] * plane.width..(at[k] + 1) * plane.width];
            let (a, b, c, d) = (line(0), line(1), line(2), line(3));
            for (i, out) in out[row * plane.width..(row + 1) * plane.width].iter_mut().enumerate() {
                *out = a[i] * w[0] + b[i] * w[1] + c[i] * w[2] + d[i] * w[3];
            }
        }
        out
    }
}

/// Feed and kill rates from sparse (0: lone spots) over worms and mazes to dense (1: holes in a net).
fn rates(density: f32) -> (f32, f32) {
    const PATH: [(f32, f32); 5] =
        [(0.032, 0.0632), (0.040, 0.0638), (0.046, 0.0628), (0.037, 0.0598), (0.0385, 0.0581)];
    let x = density.clamp(0.0, 1.0) * 4.0;
    let k = (x as usize).min(3);
    let t = x - k as f32;
    (lerp(PATH[k].0, PATH[k + 1].0, t), lerp(PATH[k].1, PATH[k + 1].1, t))
}

/// Grows the pattern: 0..=1 at every pixel, about 0.5 at the border between pattern and ground.
fn grow(plane: &Plane, look: &Look, rng: &mut Rng) -> Vec<f32> {
    let waves = lerp(9.5, 3.6, look.scale);
    let cells = |half: f32| ((2.0 * half * waves * CELLS).round() as usize).clamp(16, 160);
    let (w, h) = (cells(plane.half_w), cells(plane.half_h));
    let mut dish = Dish::new(w, h);
    let noise = Noise::new(rng);
    let free = freedom(look);
    let centre = (rng.range(-0.25, 0.25) * free, rng.range(-0.25, 0.25) * (0.3 + 0.7 * free));
    // How the pattern is ordered: everywhere alike, around a centre, along a direction, or from dense to sparse.
    let order = rng.below(5);
    let turn = rng.range(-1.2, 1.2) * free;
    let (sin, cos) = turn.sin_cos();
    let strength = rng.range(0.4, 0.9);
    let petals = (3 + rng.below(5)) as f32;
    let angle0 = rng.range(0.0, 6.0) * free;
    let start = |x: f32, y: f32| {
        let own = noise.at(x * waves * 1.05 + 50.0, y * waves * 1.05);
        let d = (x - centre.0).hypot(y - centre.1);
        let guide = match order {
            1 => (d * waves * std::f32::consts::TAU).cos(),
            2 => ((x * sin + y * cos) * waves * std::f32::consts::TAU).cos(),
            3 => {
                let a = (x - centre.0).atan2(centre.1 - y);
                (d * waves * std::f32::consts::TAU + 2.0 * (a * petals + angle0).cos()).cos()
            }
            _ => return own,
        };
        lerp(own, guide, strength)
    };
    let start = mirrored(look.symmetry, start);
    let drift = |x: f32, y: f32| noise.fbm(x * 1.4 - 20.0, y * 1.4, 1);
    let drift = mirrored(look.symmetry, drift);
    let vary = if order == 4 || rng.chance(0.3) { rng.range(0.12, 0.25) } else { 0.0 };
    // The share of the plane that is sown grows with the density, whatever the guide looks like.
    let mut sown = Vec::with_capacity(w * h);
    for row in 0..h {
        for column in 0..w {
            let x = (column as f32 + 0.5) / w as f32 * 2.0 * plane.half_w - plane.half_w;
            let y = (row as f32 + 0.5) / h as f32 * 2.0 * plane.half_h - plane.half_h;
            sown.push((start(x, y), drift(x, y)));
        }
    }
    let mut sorted: Vec<f32> = sown.iter().map(|s| s.0).collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f32| sorted[((1.0 - share) * (sorted.len() - 1) as f32) as usize];
    let share = lerp(0.3, 0.56, look.density);
    let (border, soft) = (at(share), (at(share - 0.12) - at(share + 0.12)).abs().max(1e-3));
    for row in 0..h {
        for column in 0..w {
            let i = dish.at(column, row);
            let (value, drift) = sown[row * w + column];
            let t = smoothstep(border - soft, border + soft, value);
            (dish.u[i], dish.v[i]) = (lerp(0.7, 0.45, t), lerp(0.02, 0.28, t));
            (dish.feed[i], dish.kill[i]) = rates(look.density + vary * drift * 2.0);
        }
    }
    dish.run(STEPS);
    let mut out = dish.enlarge(plane);
    // The pattern peaks at 0.25 to 0.4, depending on the rates; scale by what is there.
    let top = out.iter().copied().fold(0.0f32, f32::max).max(0.05);
    out.iter_mut().for_each(|v| *v /= top);
    out
}

/// Covers the canvas. Density leads from spots to mazes to nets, scale sets the length of the pattern.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let plane = Plane::of(canvas);
    let tones = Tones::new(look);
    let values = grow(&plane, look, rng);
    let style = rng.below(6);
    let dark = rng.chance(0.5);
    let (ground, ground_far) = tones.ground(!dark);
    let border = lerp(0.5, 0.42, look.density);
    let mut inks = tones.without(ground);
    if dark {
        inks.reverse();
    }
    let ink = inks[rng.below(inks.len().div_ceil(2))];
    let second = inks[rng.below(inks.len())];
    let noise = Noise::new(rng);
    let patches = mirrored(look.symmetry, move |x: f32, y: f32| noise.fbm(x * 2.0, y * 2.0, 2));
    let free = freedom(look);
    let centre = (rng.range(-0.3, 0.3) * free, rng.range(-0.3, 0.3));
    let radial = rng.chance(0.5);
    let ramp =
        if dark { tones.ramp.clone() } else { Ramp::through(&tones.all.iter().rev().copied().collect::<Vec<_>>()) };
    let bands = lerp(3.0, 6.0, look.scale).round();
    let outline = if dark { lighten(tones.light(), 0.02) } else { lighten(tones.dark(), -0.03) };
    let width = lerp(0.007, 0.014, look.scale);
    let reach = lerp(0.008, 0.02, look.scale) / plane.px;
    let (w, h) = (plane.width, plane.height);
    let along = Ramp::through(&inks);
    let relief = rng.range(0.5, 1.0);
    let cream = blend(ink, tones.light(), 0.5);
    let get = |c: f32, r: f32| {
        let (c, r) = (c.round().clamp(0.0, (w - 1) as f32) as usize, r.round().clamp(0.0, (h - 1) as f32) as usize);
        values[r * w + c]
    };
    for i in 0..values.len() {
        let (column, row) = (i % w, i / w);
        let (x, y) = plane.point(column, row);
        let v = values[i];
        let gx = values[row * w + (column + 1).min(w - 1)] - values[row * w + column.saturating_sub(1)];
        let gy = values[(row + 1).min(h - 1) * w + column] - values[row.saturating_sub(1) * w + column];
        let g = (gx.hypot(gy) * 0.5).max(1e-5);
        // Distance in pixels to the border of the pattern, positive inside.
        let d = (v - border) / g;
        let inside = (0.5 + d).clamp(0.0, 1.0);
        let t = if radial { (x - centre.0).hypot(y - centre.1) * 1.4 } else { 0.5 + y / (2.0 * plane.half_h) };
        let base = mix(ground, ground_far, smoothstep(0.0, 1.0, t));
        // Light from above left.
        let light = (-(gx + gy) / plane.px * 0.02 / lerp(1.4, 0.55, look.scale) * relief).clamp(-0.45, 0.6);
        canvas.rgb[i] = match style {
            // One ink on a soft ground, with rounded edges.
            0 => mix(base, lit(mix(ink, second, t.min(1.0) * 0.6), 1.0 - light), inside),
            // Rings of tone within each mark.
            1 => {
                let s = (v * bands).clamp(0.0, bands - 1e-3);
                let b = s.round().clamp(1.0, bands - 1.0);
                let k = (0.5 + (s - b) / (g * bands)).clamp(0.0, 1.0);
                mix(ramp.at((b - 1.0) / (bands - 1.0)), ramp.at(b / (bands - 1.0)), k)
            }
            // Inks that change over the picture.
            2 => mix(base, along.at(t), inside),
            // Cut paper.
            3 => {
                let over = get(column as f32 - reach, row as f32 - 1.4 * reach);
                let shadow = smoothstep(border - 0.12, border + 0.1, over);
                let edge = smoothstep(2.0, 0.6, d) * 0.3;
                mix(lit(base, 1.0 - 0.35 * shadow), mix(ink, cream, edge), inside)
            }
            // Outlined cells with patches of colour.
            4 => {
                let p = (0.5 + 0.9 * patches(x, y)).clamp(0.0, 0.999);
                let fill = along.at(smoothstep(0.15, 0.85, p));
                let line = (0.5 + width / plane.px - d.abs()).clamp(0.0, 1.0);
                mix(mix(base, fill, inside), outline, line)
            }
            // Glass: smooth tones and a gleam.
            _ => lit(ramp.at(smoothstep(0.0, 1.0, v)), 1.0 - light * 0.9),
        };
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
