//! Mountains: misty ridges, snowy peaks, hills, dunes and mesas under graded skies, with lakes and pines.

use super::kit::{Plane, Tones, freedom, lay, lerp, lit, shade};
use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::{Ramp, lighten, mix, smoothstep, to_oklab};
use crate::corpus::noise::Noise;
use crate::corpus::rng::Rng;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::TAU;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Land {
    Ridges,
    Alps,
    Hills,
    Dunes,
    Mesas,
    Forest,
}

/// The light of the hour: how the palette is spread over sky and land.
struct Hour {
    /// Tones from the zenith to the horizon.
    sky: &'static [f32],
    /// Tones of the farthest and the nearest layer.
    land: (f32, f32),
    mist: f32,
}

const DAY: Hour = Hour { sky: &[0.5, 0.72, 0.9, 1.0], land: (0.66, 0.0), mist: 0.4 };
const SUNSET: Hour = Hour { sky: &[0.1, 0.3, 0.55, 0.8, 1.0], land: (0.62, 0.0), mist: 0.5 };
const MISTY: Hour = Hour { sky: &[0.72, 0.88, 1.0], land: (0.86, 0.06), mist: 0.9 };
const NIGHT: Hour = Hour { sky: &[0.0, 0.1, 0.26, 0.5], land: (0.4, 0.0), mist: 0.45 };

/// What all parts of one picture share.
struct Scene<'a> {
    plane: Plane,
    look: &'a Look,
    sun: [f32; 3],
    sky: Ramp,
    haze: [f32; 3],
    mist: f32,
    /// How much the right half mirrors the left.
    k: f32,
}

impl Scene<'_> {
    /// A function of x whose right half becomes the mirror image of its left half.
    fn fold(&self, x: f32, f: impl Fn(f32) -> f32) -> f32 {
        if x <= 0.0 || self.k == 0.0 { f(x) } else { lerp(f(x), f(-x), self.k) }
    }
    /// The same for texture, which must not blur: all or nothing.
    fn fold_x(&self, x: f32) -> f32 {
        if self.k > 0.55 { -x.abs() } else { x }
    }
}

/// Covers the canvas. Scale sets the width of the mountains, density the number of layers and details.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let tones = Tones::new(look);
    let plane = Plane::of(canvas);
    let free = freedom(look);
    use Land::{Alps, Dunes, Forest, Hills, Mesas, Ridges};
    let land = *rng.pick(&[Ridges, Ridges, Alps, Alps, Alps, Hills, Dunes, Mesas, Forest]);
    let hour = match (land, rng.below(8)) {
        (Forest | Ridges, 0..=2) | (_, 0) => MISTY,
        (_, 1..=4) => SUNSET,
        (Dunes | Mesas, _) | (_, 5 | 6) => DAY,
        _ => NIGHT,
    };
    let night = hour.sky[0] == 0.0;
    let horizon = rng.range(-0.02, 0.16) * 2.0 * plane.half_h;
    let radius = lerp(0.05, 0.17, look.scale) * rng.range(0.8, 1.25);
    let sun =
        [rng.range(-0.33, 0.33) * 2.0 * plane.half_w * free, horizon - rng.range(0.12, 0.38) * plane.half_h * 2.0];
    let stops: Vec<[f32; 3]> = hour.sky.iter().map(|t| tones.ramp.at(*t)).collect();
    let sky = Ramp::through(&stops);
    let haze = sky.at(0.97);
    let mist = (hour.mist * rng.range(0.8, 1.1)).min(1.0);
    let scene = Scene { plane, look, sun: [sun[0], sun[1], radius], sky, haze, mist, k: look.symmetry.powf(0.7) };
    heaven(canvas, &scene, &tones, horizon, night, rng);

    let lake = matches!(land, Alps | Ridges | Forest) && rng.chance(0.4);
    let shore = horizon + rng.range(0.1, 0.18) * plane.half_h * 2.0;
    let low = if lake { shore } else { plane.half_h };
    let layers = lerp(2.6, if land == Alps || land == Mesas { 5.5 } else { 9.5 }, look.density)
        * lerp(1.25, 0.7, look.scale)
        * if lake { 0.7 } else { 1.0 };
    let layers = layers.round().max(2.0) as usize;
    for i in 0..layers {
        let t = i as f32 / (layers - 1) as f32;
        // Behind a lake the tones stop early: the water and the near shore take the darkest.
        let tone = lerp(hour.land.0, hour.land.1, t.powf(0.85) * if lake { 0.75 } else { 1.0 });
        let base = lerp(horizon + 0.02, low - if lake { 0.0 } else { 0.09 * plane.half_h }, t.powf(1.25));
        let far = mix(tones.ramp.at(tone), scene.haze, scene.mist * 0.3 * (1.0 - t));
        let kind = match (land, t) {
            (Alps, t) if t > 0.7 && layers > 2 => *rng.pick(&[Forest, Hills, Forest]),
            (Forest, t) if t < 0.4 => Ridges,
            (kind, _) => kind,
        };
        layer(
            canvas,
            &scene,
            &tones,
            kind,
            [base, t, low],
            [far, tones.ramp.at(tone + 0.3), tones.ramp.at(tone - 0.16)],
            rng,
        );
    }
    if lake {
        water(canvas, &scene, &tones, shore, rng);
    }
    if lake || (!matches!(land, Dunes | Mesas) && rng.chance(0.55)) {
        pines(canvas, &scene, &tones, rng);
    }
}

/// The sky: its gradient, a disc with a glow, thin clouds, and stars at night.
fn heaven(canvas: &mut Canvas, s: &Scene, tones: &Tones, horizon: f32, night: bool, rng: &mut Rng) {
    let (plane, [sx, sy, r]) = (s.plane, s.sun);
    let top = -plane.half_h;
    let at = |y: f32| s.sky.at(((y - top) / (horizon - top)).clamp(0.0, 1.0).powf(0.9));
    let far = |c: &[f32; 3]| {
        let (a, b) = (to_oklab(*c), to_oklab(at(sy)));
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f32>().sqrt()
    };
    let pale = lighten(tones.light(), 0.04);
    let mut disc = if night || rng.chance(0.5) { pale } else { tones.accent() };
    let [l, a, b] = to_oklab(disc);
    let dim = l < to_oklab(at(sy))[0] && (l < 0.5 || a.hypot(b) < 0.06);
    if dim || far(&disc) < 0.15 || (night && l < to_oklab(at(sy))[0]) {
        // A disc that the sky would swallow takes the tone that stands out most, a light one if there is any.
        let gain = |c: &[f32; 3]| far(c) * if to_oklab(*c)[0] > to_oklab(at(sy))[0] { 1.8 } else { 1.0 };
        let all = [tones.accent(), pale];
        let best = all.iter().chain(&tones.all[tones.all.len() / 2..]).max_by(|a, b| gain(a).total_cmp(&gain(b)));
        disc = best.copied().unwrap_or(pale);
    }
    let noise = Noise::new(rng);
    let f = lerp(1.9, 0.9, s.look.scale);
    let cover = lerp(0.42, 0.05, s.look.density) + rng.range(-0.08, 0.12);
    let cloud = if night {
        tones.ramp.at(0.45)
    } else if rng.chance(0.4) {
        tones.accent()
    } else {
        pale
    };
    let halo = rng.range(0.28, 0.5);
    let crescent = night && rng.chance(0.4) && s.k < 0.6;
    shade(canvas, |x, y| {
        let mut c = at(y);
        let d = (x - sx).hypot(y - sy);
        let glow = (-(d - r).max(0.0) / (r * 2.2 + 0.06)).exp();
        lay(&mut c, disc, halo * glow);
        if night {
            // One star at most in each cell.
            let g = lerp(16.0, 34.0, s.look.density);
            let (cx, cy) = ((s.fold_x(x) * g).floor(), (y * g).floor());
            let (i, j) = (cx as i32, cy as i32);
            if noise.dot(i, j) < 0.3 {
                let p = [cx + 0.25 + 0.5 * noise.dot(i + 99, j), cy + 0.25 + 0.5 * noise.dot(i, j + 99)];
                let size = lerp(0.4, 1.0, noise.dot(i + 7, j + 7).powi(3)) * 0.007;
                lay(&mut c, pale, 0.85 * plane.inside((s.fold_x(x) - p[0] / g).hypot(y - p[1] / g) - size));
            }
        }
        let hole = if crescent { plane.inside((x - sx - r * 0.45).hypot(y - sy + r * 0.15) - r * 0.95) } else { 0.0 };
        lay(&mut c, disc, plane.inside(d - r) * (1.0 - hole));
        if y < horizon + 0.05 {
            let bend = 0.1 * noise.at(x * 1.4, 4.0);
            let v = s.fold(x, |x| noise.fbm(x * f * 1.1, (y + bend * 0.4) * f * 7.0, 4));
            let veil = smoothstep(cover, cover + 0.6, v) * smoothstep(top - 0.3, top + 0.4, y);
            lay(&mut c, cloud, (0.75 * veil).min(1.0));
        }
        c
    });
}

/// A summit: its place, its height above the foot of the layer, and its half width.
#[derive(Debug, Clone, Copy)]
struct Summit {
    x: f32,
    height: f32,
    width: f32,
}

fn summits(s: &Scene, [width, height, pitch]: [f32; 3], rng: &mut Rng) -> Vec<Summit> {
    let pairs = (s.plane.half_w / pitch + 0.6).round().max(1.0) as usize;
    let gap = (s.plane.half_w + pitch * 0.5) / pairs as f32;
    let mut one = |k: usize| Summit {
        x: -((k as f32 + rng.range(0.1, 0.9)) * gap),
        height: height * rng.range(0.5, 1.0),
        width: width * rng.range(0.8, 1.25),
    };
    let left: Vec<Summit> = (0..pairs).map(&mut one).collect();
    let loose: Vec<Summit> = (0..pairs).map(&mut one).collect();
    let right = left.iter().zip(loose).map(|(a, b)| Summit {
        x: lerp(-b.x, -a.x, s.k),
        height: lerp(b.height, a.height, s.k),
        width: lerp(b.width, a.width, s.k),
    });
    left.iter().copied().chain(right.collect::<Vec<_>>()).collect()
}

/// One layer of land: `place` = its foot, nearness and the lowest row; `inks` = body, lit, in shadow.
#[allow(clippy::too_many_arguments)]
fn layer(
    canvas: &mut Canvas,
    s: &Scene,
    tones: &Tones,
    kind: Land,
    place: [f32; 3],
    inks: [[f32; 3]; 3],
    rng: &mut Rng,
) {
    let ([base, near, low], [body, bright, deep]) = (place, inks);
    let (plane, noise) = (s.plane, Noise::new(rng));
    let (detail, scale) = (s.look.density, s.look.scale);
    let (width, height) = match kind {
        Land::Alps => (lerp(0.16, 0.5, scale) * lerp(0.8, 1.1, near), lerp(0.16, 0.46, scale) * lerp(1.0, 0.75, near)),
        Land::Dunes => (lerp(0.2, 0.6, scale) * lerp(0.7, 1.4, near), lerp(0.05, 0.17, scale) * lerp(0.7, 1.3, near)),
        Land::Mesas => {
            (lerp(0.13, 0.36, scale) * lerp(0.7, 1.2, near), lerp(0.13, 0.36, scale) * lerp(1.0, 0.35, near))
        }
        _ => (lerp(0.16, 0.55, scale), lerp(0.09, 0.24, scale) * lerp(1.1, 0.8, near)),
    };
    let peaks = summits(s, [width, height, width * if kind == Land::Mesas { 1.9 } else { 1.0 }], rng);
    let rise = |x: f32, p: &Summit| {
        let d = (x - p.x).abs() / p.width;
        match kind {
            Land::Dunes => p.height * (1.0 - smoothstep(0.0, 1.5, d.powf(0.85))),
            Land::Mesas => {
                let e = d - 0.5 * (p.height / height);
                // A flat top, a cliff, and scree below it.
                p.height * (1.0 - 0.6 * smoothstep(0.0, 0.1, e) - 0.4 * ((e - 0.08) * 1.9).clamp(0.0, 1.0))
            }
            _ => p.height * (1.0 - 1.25 * (1.0 - (-d * 1.1).exp())),
        }
    };
    let rough = lerp(0.5, 1.2, detail) * lerp(1.1, 0.85, scale);
    let (f, spike) = (1.0 / width, lerp(0.016, 0.045, scale) * lerp(0.5, 1.0, near));
    let texture = |x: f32| match kind {
        Land::Alps => height * 0.2 * rough * noise.fbm(x * f * 3.0, 0.0, 5),
        Land::Dunes => 0.01 * noise.at(x * 3.0, 0.0),
        Land::Mesas => height * 0.045 * noise.fbm(x * f * 7.0, 0.0, 3),
        Land::Hills => height * (0.95 * noise.fbm(x * f * 0.75, 0.0, 2) + 0.03),
        _ => height * (1.5 * noise.ridged(x * f * 0.6, near * 5.0, 5) - 0.85) * lerp(0.8, 1.1, detail),
    };
    let trees = |x: f32| {
        // Three rows of pointed crowns.
        (0..3).fold(0.0f32, |top, row| {
            let u = x / (spike * 0.42) + row as f32 * 0.37;
            let tall = 0.35 + 0.65 * noise.dot(u.floor() as i32, row);
            top.max(spike * tall * (1.0 - 2.1 * (u - u.floor() - 0.5).abs()))
        })
    };
    let (mut ridge, mut owner) = (Vec::with_capacity(plane.width), Vec::with_capacity(plane.width));
    for column in 0..plane.width {
        let x = plane.point(column, 0).0;
        let mut best = (0usize, f32::MIN);
        if matches!(kind, Land::Alps | Land::Dunes | Land::Mesas) {
            for (i, p) in peaks.iter().enumerate() {
                let h = rise(x, p);
                best = if h > best.1 { (i, h) } else { best };
            }
        } else {
            best.1 = 0.35 * height;
        }
        let crowns = if kind == Land::Forest { s.fold(x, trees) } else { 0.0 };
        ridge.push(base - best.1.max(-0.02) - s.fold(x, texture) - crowns);
        owner.push(best.0);
    }
    // Fog and shade follow the land at large: from the jagged ridge itself they would comb down in streaks.
    let reach = (plane.width / 14).max(1);
    let blurred = |values: &[f32]| -> Vec<f32> {
        let mean = |c: &[f32]| c.iter().sum::<f32>() / c.len() as f32;
        (0..values.len()).map(|i| mean(&values[i.saturating_sub(reach)..(i + reach + 1).min(values.len())])).collect()
    };
    let smooth = match kind {
        Land::Dunes | Land::Hills => ridge.clone(),
        Land::Mesas => vec![base - height * 0.75; plane.width],
        _ => blurred(&blurred(&ridge)),
    };
    let foot = (0.16 + 0.2 * scale) * lerp(0.8, 1.3, near) + if kind == Land::Alps { height * 0.6 } else { 0.0 };
    let fog = s.mist * lerp(1.0, 0.35, near) * if kind == Land::Dunes { 0.5 } else { 1.0 };
    let snow = lighten(tones.light(), 0.03);
    let snow_shade = mix(mix(snow, body, 0.55), s.haze, 0.1);
    let capped = kind == Land::Alps;
    for row in 0..plane.height {
        let y = plane.point(0, row).1;
        if y > low + plane.px {
            break;
        }
        for column in 0..plane.width {
            let d = ridge[column] - y;
            if d > plane.px {
                continue;
            }
            let steep = (ridge[(column + 1).min(plane.width - 1)] - ridge[column.saturating_sub(1)]) / (2.0 * plane.px);
            let cover = plane.inside(d / (1.0 + steep * steep).sqrt().min(2.0));
            let (x, depth) = (plane.point(column, 0).0, (y - smooth[column]).max(0.0));
            let mut c = match kind {
                Land::Alps => {
                    let swerve = (0.12 * width * noise.fbm(y * f * 2.5, 3.0, 3) / plane.px) as isize;
                    let p = &peaks[owner[column.saturating_add_signed(swerve).min(plane.width - 1)]];
                    let way = if (s.sun[0] - p.x).abs() < 0.01 { 1.0 } else { (s.sun[0] - p.x).signum() };
                    let drop = y - (base - p.height);
                    let u = s.fold_x(x);
                    let spine = p.x + drop * 0.35 * noise.fbm(drop / height * 2.2, p.height * 90.0, 3);
                    let side = smoothstep(-1.5, 1.5, (x - spine) * way / plane.px + 0.5);
                    let k = f * 2.6;
                    let g = |x: f32| noise.fbm(s.fold_x(x) * k * 1.4 + y * k * 0.3, y * k * 0.8, 4);
                    let slope = lerp(0.3, 1.0, smoothstep(1.5, 0.4, depth / height))
                        * (g(x + way * 0.02 * width) - g(x))
                        / 0.02
                        * 0.09;
                    let light = (lerp(0.5, lerp(0.2, 0.8, side), smoothstep(p.height * 1.3, p.height * 0.5, drop))
                        + slope * rough)
                        .clamp(0.0, 1.0);
                    let light = smoothstep(0.25, 0.75, light);
                    let rock = mix(deep, mix(body, bright, 0.45), light);
                    let line = height * (0.38 + 0.26 * noise.fbm(u * f * 5.0, y * f * 1.5, 4) + 0.1 * light);
                    let white = smoothstep(0.012, -0.012, y - (base - height) - line) * lerp(1.0, 0.0, near * 0.6);
                    mix(rock, mix(snow_shade, snow, light), white)
                }
                Land::Dunes => {
                    let crest = |p: &Summit| {
                        let bend = (depth * TAU * 1.3 / (height * 3.0) + p.height * 60.0).sin();
                        x - p.x - (p.x - s.sun[0]).signum() * (depth * 0.5 + bend * depth.min(height) * 0.35)
                    };
                    let near_peak = peaks.iter().min_by(|a, b| crest(a).abs().total_cmp(&crest(b).abs()));
                    let p = near_peak.copied().unwrap_or(Summit { x: 0.0, height, width });
                    let e = crest(&p) * (p.x - s.sun[0]).signum();
                    let fade = (-e.abs() / (p.width * 0.55)).exp() * smoothstep(height * 3.2, 0.0, depth);
                    let shadow = plane.inside(-e * 0.7);
                    let ripple =
                        (y * TAU / lerp(0.018, 0.05, scale) + 5.0 * noise.at(s.fold_x(x) * 3.0, y * 5.0)).sin();
                    let c = mix(mix(body, bright, 0.3), mix(bright, snow, 0.25), fade * (1.0 - shadow));
                    let c = lit(c, 1.0 + 0.025 * ripple * detail * (1.0 - shadow));
                    mix(c, deep, shadow * fade)
                }
                Land::Mesas => {
                    let u = s.fold_x(x);
                    let level = (y - base) / height * 8.0 + 0.35 * noise.at(u * 5.0, 0.0);
                    let strata = noise.at(0.5, level);
                    let flute = noise.fbm(u * f * 8.0, level * 0.1, 3) * smoothstep(1.2, 0.5, depth / height);
                    let p = &peaks[owner[column]];
                    let side = smoothstep(-0.5, 0.5, (x - p.x) / p.width * (s.sun[0] - p.x).signum() + 0.3 * flute);
                    let c = mix(body, bright, (0.3 + 0.25 * strata + 0.35 * side).clamp(0.0, 0.9));
                    mix(
                        c,
                        deep,
                        ((0.55 * (1.0 - side) + 0.45 * flute * rough) * smoothstep(1.5, 0.6, depth / height))
                            .clamp(0.0, 0.85),
                    )
                }
                Land::Hills => {
                    let edge = smoothstep(foot * 0.7, 0.0, depth);
                    let facing = (0.5 + steep * 0.9 * ((x - s.sun[0]) * 4.0).clamp(-1.0, 1.0)).clamp(0.0, 1.0);
                    mix(body, bright, edge * (0.15 + 0.5 * facing))
                }
                _ => mix(body, deep, 0.25 * smoothstep(0.0, foot, depth)),
            };
            lay(&mut c, s.haze, fog * smoothstep(if capped { height * 0.4 } else { 0.0 }, foot, depth));
            lay(&mut canvas.rgb[row * plane.width + column], c, cover);
        }
    }
}

/// A lake that mirrors what stands above its shore.
fn water(canvas: &mut Canvas, s: &Scene, tones: &Tones, shore: f32, rng: &mut Rng) {
    let (plane, noise) = (s.plane, Noise::new(rng));
    let (w, above) = (plane.width, canvas.rgb.clone());
    let from = ((shore + plane.half_h) / plane.px).floor().clamp(0.0, plane.height as f32) as usize;
    let tint = tones.ramp.at(0.2);
    let glint = lighten(tones.light(), 0.03);
    let calm = rng.range(0.15, 0.55);
    let fine = lerp(70.0, 22.0, s.look.scale);
    for row in from..plane.height {
        let y = plane.point(0, row).1;
        let depth = (y - shore).max(0.0);
        for column in 0..w {
            let x = plane.point(column, 0).0;
            // Ripples grow towards the viewer.
            let pace = fine / (1.0 + depth * 4.0);
            let wave = noise.fbm(s.fold_x(x) * pace * 0.14 + 9.0, depth * pace, 2);
            let bent = depth * lerp(1.25, 1.0, calm) + wave * (0.006 + depth * 0.12) * (1.2 - calm);
            let source = (shore - bent.max(0.0) + plane.half_h) / plane.px - 0.5;
            let source = source.clamp(0.0, from.saturating_sub(1) as f32);
            let (i, t) = (source as usize, source - source.floor());
            let j = (i + 1).min(from.saturating_sub(1));
            let mut c = mix(above[i * w + column], above[j * w + column], t);
            lay(&mut c, tint, (0.2 + 0.5 * depth).min(0.5));
            let path = (-((x - s.sun[0]) / (s.sun[2] * 0.7 + depth * 0.25)).powi(2)).exp();
            let sparkle = smoothstep(0.12, 0.4, wave) * (0.06 + 0.6 * path) + smoothstep(0.012, 0.0, depth) * 0.35;
            lay(&mut c, glint, sparkle.min(0.8));
            canvas.rgb[row * w + column] = c;
        }
    }
}

/// A dark bank of pines in front of everything.
fn pines(canvas: &mut Canvas, s: &Scene, tones: &Tones, rng: &mut Rng) {
    let (plane, noise) = (s.plane, Noise::new(rng));
    let dark = lighten(tones.dark(), -0.03);
    let rows = if s.look.density > 0.5 { 2 } else { 1 };
    // The middle is left open, as a stage.
    let open = rng.range(0.05, 0.2);
    for k in 0..rows {
        let ink = if k + 1 == rows { dark } else { mix(dark, tones.ramp.at(0.3), 0.55) };
        let lift = (rows - 1 - k) as f32 * 0.06;
        let floor = |x: f32| {
            let bank =
                s.fold(x, |x| 0.05 * noise.fbm(x * 2.5, k as f32 * 7.0, 3) + open * 0.6 * (x * x * 4.0).min(1.5));
            plane.half_h - 0.045 - lift - bank
        };
        let mut sheet = Sheet::new(canvas);
        let steps = 48;
        let mut ground: Vec<[f32; 2]> = (0..=steps)
            .map(|i| {
                let x = lerp(-plane.half_w - 0.05, plane.half_w + 0.05, i as f32 / steps as f32);
                [x + plane.half_w, floor(x) + plane.half_h]
            })
            .collect();
        ground.extend([[plane.half_w * 2.0 + 0.1, plane.half_h * 2.0 + 0.1], [-0.1, plane.half_h * 2.0 + 0.1]]);
        sheet.fill(vector::polygon(&ground).as_ref(), ink, 1.0);
        let height = lerp(0.12, 0.34, s.look.scale) * if k + 1 == rows { 1.0 } else { 0.7 };
        let count = (lerp(0.7, 2.4, s.look.density) * plane.half_w * 2.0 / (height * 0.38)).round() as usize;
        for _ in 0..count.div_ceil(2) {
            let x = -plane.half_w * rng.unit().powf(0.6);
            let loose = plane.half_w * rng.unit().powf(0.6);
            let mut grow = [0, 1].map(|_| height * rng.range(0.45, 1.0));
            grow[1] = lerp(grow[1], grow[0], s.k);
            let seed = u64::from(rng.bits());
            for (x, way, h) in [(x, 1.0, grow[0]), (lerp(loose, -x, s.k), -1.0, grow[1])] {
                let h = h * lerp(0.55, 1.0, smoothstep(open * 0.5, open + 0.3, x.abs()));
                let tree = pine([x + plane.half_w, floor(x) + plane.half_h + 0.01], h, way, &mut Rng::new(seed));
                sheet.fill(vector::polygon(&tree).as_ref(), ink, 1.0);
            }
        }
        sheet.over(canvas);
    }
}

/// The outline of a pine that stands at `[x, y]`.
fn pine([x, y]: [f32; 2], height: f32, way: f32, rng: &mut Rng) -> Vec<[f32; 2]> {
    let tiers = 7 + rng.below(4);
    let spread = height * rng.range(0.16, 0.22);
    let mut half = |side: f32| {
        let mut points = Vec::with_capacity(tiers * 2);
        for i in 1..=tiers {
            let t = i as f32 / tiers as f32;
            let reach = spread * t.powf(0.8) * rng.range(0.72, 1.1);
            let level = y - height * (1.0 - 0.9 * t);
            points.push([x + side * way * reach, level + height * 0.015]);
            points.push([x + side * way * reach * 0.4, level - height * 0.025]);
        }
        points
    };
    let (mut outline, mut back) = (vec![[x, y - height]], half(-1.0));
    outline.extend(half(1.0));
    let trunk = height * 0.02;
    outline.extend([[x + way * trunk, y - height * 0.1], [x + way * trunk, y + height * 0.1]]);
    outline.extend([[x - way * trunk, y + height * 0.1], [x - way * trunk, y - height * 0.1]]);
    back.reverse();
    outline.extend(back);
    outline
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
