//! Pop-art dots: screens of dots that follow a tone, bursts, comic panels, overprints and swelling lines.

use super::kit::{Motif, Plane, Tones, freedom, lay, lerp, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{blend, lighten, mix, smoothstep, to_oklab};
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{FRAC_PI_4, TAU};

/// A printer's screen: dots on a turned square lattice.
#[derive(Debug, Clone, Copy)]
struct Screen {
    cell: f32,
    sin: f32,
    cos: f32,
}

impl Screen {
    fn new(cell: f32, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { cell, sin, cos }
    }
    /// The centre of the dot whose cell holds the point.
    fn centre(&self, x: f32, y: f32) -> (f32, f32) {
        let (u, v) = ((x * self.cos + y * self.sin) / self.cell, (y * self.cos - x * self.sin) / self.cell);
        let (u, v) = ((u.floor() + 0.5) * self.cell, (v.floor() + 0.5) * self.cell);
        (u * self.cos - v * self.sin, u * self.sin + v * self.cos)
    }
    /// How much ink a pixel takes where the paper asks for `tone` (0..=1).
    fn ink(&self, plane: &Plane, x: f32, y: f32, tone: &impl Fn(f32, f32) -> f32) -> f32 {
        let (cx, cy) = self.centre(x, y);
        let t = tone(cx, cy);
        if t <= 0.02 {
            return 0.0;
        }
        // Up to discs that nearly close the gaps between four.
        plane.inside((x - cx).hypot(y - cy) - self.cell * 0.68 * t.min(1.0).sqrt())
    }
}

/// Sizes and turns that all styles share.
struct Press {
    plane: Plane,
    cell: f32,
    free: f32,
    density: f32,
    scale: f32,
}

impl Press {
    /// A screen that mirrors about the middle line, turned away from it as far as the look is free.
    fn screen(&self, rng: &mut Rng) -> Screen {
        let base = if rng.chance(0.7) { FRAC_PI_4 } else { 0.0 };
        Screen::new(self.cell, base + rng.range(-0.5, 0.5) * self.free)
    }
    fn motif(&self, look: &Look, rng: &mut Rng) -> Motif {
        let pace = lerp(2.8, 1.1, self.scale) * lerp(0.8, 1.3, self.density);
        Motif::new(*rng.pick(&[0, 1, 2, 3, 3, 4, 5, 7]), pace, look, rng)
    }
}

/// Covers the canvas. Scale sets the pitch of the screen, density the amount of ink and the number of rays and panels.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    let press = Press {
        plane: Plane::of(canvas),
        cell: lerp(0.043, 0.105, look.scale) * lerp(1.35, 0.85, look.density),
        free: freedom(look),
        density: look.density,
        scale: look.scale,
    };
    match rng.below(7) {
        0 => field(canvas, look, &press, &tones, rng),
        1 => burst(canvas, &press, &tones, rng),
        2 => panels(canvas, look, &press, &tones, rng),
        3 => overprint(canvas, look, &press, &tones, rng),
        4 => lines(canvas, look, &press, &tones, rng),
        5 => emblem(canvas, look, &press, &tones, rng),
        _ => optical(canvas, look, &press, &tones, rng),
    }
}

/// Two colours far enough apart to print one on the other: (paper, ink).
fn pair(tones: &Tones, rng: &mut Rng) -> ([f32; 3], [f32; 3]) {
    let n = tones.all.len();
    let i = rng.below(n);
    let far = |j: &usize| {
        let (a, b) = (to_oklab(tones.all[i]), to_oklab(tones.all[*j]));
        (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f32>()
    };
    let mut others: Vec<usize> = (0..n).filter(|j| *j != i).collect();
    others.sort_by(|a, b| far(b).total_cmp(&far(a)));
    let j = others[rng.below(others.len().div_ceil(2))];
    (tones.all[i], tones.all[j])
}

/// Dots over a gradient, following one motif; their colour changes along the way.
fn field(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let (paper, ink) = pair(tones, rng);
    let (_, other) = pair(tones, rng);
    let far = blend(paper, tones.nth(rng.below(9)), 0.45);
    let (screen, motif) = (press.screen(rng), press.motif(look, rng));
    let flip = rng.chance(0.5);
    let (low, high) = (lerp(0.0, 0.16, press.density), lerp(0.45, 1.0, press.density));
    let tone = |x: f32, y: f32| {
        let t = motif.at(x, y);
        lerp(low, high, if flip { 1.0 - t } else { t })
    };
    let second = if rng.chance(0.5) { ink } else { other };
    shade(canvas, |x, y| {
        let t = smoothstep(-0.5, 0.5, y);
        mix(mix(paper, far, t), mix(ink, second, t), screen.ink(&press.plane, x, y, &tone))
    });
}

/// Rays from a point, a veil of dots, and a cracking star.
fn burst(canvas: &mut Canvas, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    let (a, b) = pair(tones, rng);
    let dots = *rng.pick(&tones.all);
    let screen = press.screen(rng);
    let (cx, cy) = (rng.range(-0.25, 0.25) * press.free, rng.range(-0.2, 0.25));
    let rays = lerp(lerp(9.0, 5.0, press.scale), lerp(20.0, 11.0, press.scale), press.density).round();
    let swirl = rng.range(-1.6, 1.6) * press.free;
    let outward = rng.chance(0.6);
    let reach = rng.range(0.5, 0.8);
    let strength = lerp(0.5, 0.95, press.density);
    let tone = |x: f32, y: f32| {
        let t = ((x - cx).hypot(y - cy) / reach).min(1.0);
        strength * if outward { t * t } else { (1.0 - t) * (1.0 - t) }
    };
    shade(canvas, |x, y| {
        let (dx, dy) = (x - cx, y - cy);
        let r = dx.hypot(dy);
        let t = (dx.atan2(-dy) / TAU + swirl * r * 0.2) * rays + 0.5;
        // Distance to the nearest border between two rays, in the plane.
        let f = t - t.floor();
        let d = (f - 0.5).abs() - 0.25;
        let c = mix(a, b, plane.inside(d * TAU / rays * r));
        mix(c, dots, screen.ink(&plane, x, y, &tone))
    });
    if rng.chance(0.7) {
        let points = 9 + rng.below(6);
        let radius = lerp(0.17, 0.3, press.scale);
        let inner = rng.range(0.55, 0.72);
        let outline = lighten(tones.dark(), -0.05);
        let core = if rng.chance(0.5) { tones.light() } else { tones.accent() };
        let ink = tones.without(core)[rng.below(tones.all.len() - 1)];
        let path = |r: f32| vector::star(cx + plane.half_w, cy + plane.half_h, r, points, inner, 0.0);
        let mut sheet = Sheet::new(canvas);
        sheet.stroke(path(radius).as_ref(), 0.026, outline, 1.0);
        sheet.fill(path(radius).as_ref(), outline, 1.0);
        sheet.over(canvas);
        let tone = |_: f32, y: f32| 0.75 * smoothstep(-0.5, 0.9, (y - cy) / radius);
        fill_dotted(canvas, path(radius), core, ink, &screen, &tone);
    }
}

/// Fills a shape with a colour and dots on it.
fn fill_dotted(
    canvas: &mut Canvas,
    path: Option<tiny_skia::Path>,
    paper: [f32; 3],
    ink: [f32; 3],
    screen: &Screen,
    tone: &impl Fn(f32, f32) -> f32,
) {
    let plane = Plane::of(canvas);
    let mut sheet = Sheet::new(canvas);
    sheet.fill(path.as_ref(), paper, 1.0);
    for (i, (pixel, cover)) in canvas.rgb.iter_mut().zip(sheet.coverage()).enumerate() {
        if cover > 0.0 {
            let (x, y) = plane.point(i % plane.width, i / plane.width);
            lay(pixel, mix(paper, ink, screen.ink(&plane, x, y, tone)), cover);
        }
    }
}

/// A comic page: panels with slanting gutters, each with paper, ink and motif of its own.
fn panels(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    let across = (lerp(1.0, 3.4, press.density) * lerp(1.2, 0.8, press.scale)).round().max(1.0) as usize;
    let down = (lerp(1.6, 3.2, press.density) * lerp(1.2, 0.8, press.scale)).round().max(1.0) as usize;
    let slant = rng.range(-0.22, 0.22) * press.free;
    let lean = rng.range(-0.3, 0.3) * press.free;
    let gutter = 0.012;
    let line = if rng.chance(0.6) { lighten(tones.light(), 0.03) } else { lighten(tones.dark(), -0.03) };
    struct Panel {
        paper: [f32; 3],
        ink: [f32; 3],
        screen: Screen,
        motif: Motif,
        flip: bool,
    }
    let mut sheet: Vec<Panel> = Vec::new();
    for row in 0..down {
        for column in 0..across {
            // Under full symmetry the right half of a row repeats the left.
            let twin = across - 1 - column;
            let copied = column > twin && rng.chance(look.symmetry);
            let (paper, ink) = pair(tones, rng);
            let (screen, motif, flip) = (press.screen(rng), press.motif(look, rng), rng.chance(0.5));
            let panel = match (copied, sheet.get(row * across + twin)) {
                (true, Some(t)) => Panel { motif: t.motif.clone(), ..*t },
                _ => Panel { paper, ink, screen, motif, flip },
            };
            sheet.push(panel);
        }
    }
    let (low, high) = (lerp(0.0, 0.1, press.density), lerp(0.6, 0.95, press.density));
    shade(canvas, |x, y| {
        let v = ((y + x * slant + plane.half_h) / (2.0 * plane.half_h) * down as f32).clamp(0.0, down as f32 - 1e-3);
        let row = v.floor();
        let sign = if row as usize & 1 == 0 { 1.0 } else { -1.0 };
        let u = (x + y * lean * sign + plane.half_w) / (2.0 * plane.half_w) * across as f32;
        let u = u.clamp(0.0, across as f32 - 1e-3);
        let column = u.floor();
        let p = &sheet[(row as usize * across + column as usize).min(sheet.len() - 1)];
        let tone = |x: f32, y: f32| {
            let t = p.motif.at(x, y);
            lerp(low, high, if p.flip { 1.0 - t } else { t })
        };
        let mut c = mix(p.paper, p.ink, p.screen.ink(&plane, x, y, &tone));
        let inner = |f: f32, n: usize, k: f32, half: f32| {
            let to = (f - k).min(k + 1.0 - f) * 2.0 * half / n as f32;
            // The page's own rim is no gutter.
            if (k == 0.0 && f < 0.5) || (k as usize + 1 == n && f - k > 0.5) { f32::MAX } else { to }
        };
        let d = inner(u, across, column, plane.half_w).min(inner(v, down, row, plane.half_h));
        lay(&mut c, line, plane.inside(d - gutter));
        c
    });
}

/// Two inks printed over each other with shifted or turned screens, darkening where they meet.
fn overprint(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    let dark = rng.chance(0.35);
    let paper = if dark { tones.dark() } else { tones.light() };
    let mut inks = tones.without(paper);
    rng.shuffle(&mut inks);
    let motif = press.motif(look, rng);
    let turn = rng.range(0.2, 0.5) * press.free;
    let plates: Vec<_> = inks
        .into_iter()
        .take(2)
        .enumerate()
        .map(|(k, ink)| {
            // The first plate prints where the second does not, half a cell beside it.
            let screen = Screen::new(press.cell * 1.3, FRAC_PI_4 + turn * (k as f32 - 0.5));
            (ink, screen, motif.clone(), k == 0, k as f32 * 0.5 * screen.cell)
        })
        .collect();
    let high = lerp(0.45, 0.85, press.density);
    shade(canvas, |x, y| {
        let mut c = paper;
        for (ink, screen, motif, flip, shift) in &plates {
            let tone = |x: f32, y: f32| {
                let t = motif.at(x, y);
                high * if *flip { 1.0 - t } else { t }
            };
            let over: [f32; 3] = if dark {
                std::array::from_fn(|k| ink[k].max(c[k]))
            } else {
                std::array::from_fn(|k| lerp(ink[k], ink[k] * c[k] / paper[k].max(0.05), 0.7).min(1.0))
            };
            lay(&mut c, over, screen.ink(&plane, x, y + shift, &tone));
        }
        c
    });
}

/// An engraver's screen: parallel, waved or round lines that swell with the tone.
fn lines(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    let (paper, ink) = pair(tones, rng);
    let second = blend(ink, tones.nth(rng.below(9)), 0.6);
    let motif = press.motif(look, rng);
    let pitch = press.cell * 1.1;
    let flip = rng.chance(0.5);
    let round = rng.chance(0.3);
    let (sin, cos) = if rng.chance(0.5) {
        (rng.range(-0.9, 0.9) * press.free).sin_cos()
    } else {
        (TAU / 4.0 + rng.range(-0.9, 0.9) * press.free).sin_cos()
    };
    let wave = if rng.chance(0.5) { rng.range(0.01, 0.05) } else { 0.0 };
    // Upright waved lines mirror only when they are folded about the middle line.
    let folded = sin.abs() > 0.7 && rng.unit() < look.symmetry;
    let centre = (rng.range(-0.3, 0.3) * press.free, rng.range(-0.3, 0.3) * press.free);
    let (low, high) = (lerp(0.1, 0.22, press.density), lerp(0.6, 0.86, press.density));
    shade(canvas, |x, y| {
        let across = if round {
            (x - centre.0).hypot(y - centre.1)
        } else {
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            let v = if folded { v.abs() } else { v };
            v + wave * (u * 14.0).cos()
        };
        let f = across / pitch;
        let d = (f - f.round()).abs() * pitch;
        let t = motif.at(x, y);
        let width = lerp(low, high, if flip { 1.0 - t } else { t }) * pitch * 0.5;
        mix(paper, mix(ink, second, t), plane.inside(d - width))
    });
}

/// A bold outlined emblem with a shadow of dots on a dotted ground.
fn emblem(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    field(canvas, look, press, tones, rng);
    let size = lerp(0.24, 0.38, press.scale);
    let (x, y) = (plane.half_w + rng.range(-0.12, 0.12) * press.free, plane.half_h + rng.range(-0.05, 0.05));
    let kind = rng.below(6);
    let turn = rng.range(-0.3, 0.3) * press.free;
    let outline = lighten(tones.dark(), -0.06);
    let body = *rng.pick(&tones.all[tones.all.len() / 2..]);
    let ink = tones.without(body)[rng.below(tones.all.len() - 1)];
    let shape = |dx: f32, dy: f32| {
        let points: Vec<[f32; 2]> = silhouette(kind)
            .iter()
            .map(|p| {
                let (s, c) = turn.sin_cos();
                [x + dx + size * (p[0] * c - p[1] * s), y + dy + size * (p[0] * s + p[1] * c)]
            })
            .collect();
        if matches!(kind, 1 | 3) { vector::polygon(&points) } else { vector::blob(&points) }
    };
    let mut sheet = Sheet::new(canvas);
    sheet.fill(shape(0.035 * press.free, 0.04).as_ref(), outline, 1.0);
    sheet.stroke(shape(0.0, 0.0).as_ref(), 0.034, outline, 1.0);
    sheet.over(canvas);
    let screen = Screen::new(press.cell * 0.9, FRAC_PI_4);
    let strength = lerp(0.5, 0.9, press.density);
    let top = y - plane.half_h;
    let tone = |_: f32, cy: f32| strength * smoothstep(-0.7, 1.1, (cy - top) / size);
    fill_dotted(canvas, shape(0.0, 0.0), body, ink, &screen, &tone);
}

/// Corners of an emblem about the origin, within a circle of radius 1.
fn silhouette(kind: usize) -> Vec<[f32; 2]> {
    let round = |n: usize, f: &dyn Fn(f32) -> [f32; 2]| (0..n).map(|i| f(TAU * i as f32 / n as f32)).collect();
    match kind {
        // A heart.
        0 => round(40, &|a| {
            let s = a.sin();
            let y = 13.0 * a.cos() - 5.0 * (2.0 * a).cos() - 2.0 * (3.0 * a).cos() - (4.0 * a).cos();
            [s * s * s * 0.95, -y / 17.0 - 0.05]
        }),
        // A star.
        1 => (0..10)
            .map(|i| {
                let (a, r) = (TAU * i as f32 / 10.0 - TAU / 4.0, if i % 2 == 0 { 1.0 } else { 0.5 });
                [r * a.cos(), r * a.sin()]
            })
            .collect(),
        // A cloud.
        2 => round(60, &|a| {
            let bump = 0.72 + 0.17 * (a * 3.5).sin().abs();
            [a.cos() * bump * 1.15, a.sin() * bump * 0.8]
        }),
        // A bolt.
        3 => vec![[0.15, -1.0], [-0.55, 0.12], [-0.08, 0.12], [-0.3, 1.0], [0.6, -0.2], [0.1, -0.2], [0.5, -1.0]],
        // A flower.
        4 => round(70, &|a| {
            let r = 0.66 + 0.3 * (5.0 * a).cos();
            [r * a.sin(), -r * a.cos()]
        }),
        // A disc.
        _ => round(32, &|a| [0.85 * a.cos(), 0.85 * a.sin()]),
    }
}

/// Optical art: a lattice of discs that swell and shrink in waves, on a split or plain ground.
fn optical(canvas: &mut Canvas, look: &Look, press: &Press, tones: &Tones, rng: &mut Rng) {
    let plane = press.plane;
    let (paper, ink) = pair(tones, rng);
    let screen = Screen::new(press.cell * 1.15, if rng.chance(0.5) { 0.0 } else { FRAC_PI_4 });
    let waves = lerp(2.4, 1.0, press.scale);
    let motif = Motif::new(*rng.pick(&[0, 1, 2, 5]), waves, look, rng);
    // The split in two halves is no mirror image.
    let kinds = if rng.unit() < look.symmetry { 2 } else { 3 };
    let swap = rng.below(kinds);
    let centre = (rng.range(-0.2, 0.2) * press.free, rng.range(-0.2, 0.2) * press.free);
    let radius = lerp(0.2, 0.36, press.scale);
    let high = lerp(0.45, 0.72, press.density);
    let tone = |x: f32, y: f32| lerp(0.05, high, motif.at(x, y));
    let colours = tones.without(paper);
    shade(canvas, |x, y| {
        // Inside the second shape, paper and ink change places.
        let inside = match swap {
            0 => 0.0,
            1 => plane.inside((x - centre.0).hypot(y - centre.1) - radius),
            _ => plane.inside(x * (1.0 - press.free * 0.3) + press.free * 0.3 * y),
        };
        let (cx, cy) = screen.centre(x, y);
        let spread = ((cx - centre.0).hypot(cy - centre.1) * 1.3).min(0.999);
        let dot = mix(ink, colours[(spread * colours.len() as f32) as usize], 0.8);
        let cover = screen.ink(&plane, x, y, &tone);
        mix(mix(paper, dot, cover), mix(ink, paper, cover), inside)
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
