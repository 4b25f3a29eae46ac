//! Scenes: families, palette, mood and objects put together; the picture, its caption and its true attributes.

use super::canvas::{Canvas, Look};
use super::captions::caption;
use super::colour::{from_oklab, mix, smoothstep, to_oklab};
use super::families::{Family, paint};
use super::measure::{Measured, measure};
use super::noise::Noise;
use super::objects::{self, CORE, OBJECTS, ObjectPicture};
use super::palettes::{COLOURS, MOODS, PaletteChoice, colour_word};
use super::rng::Rng;
use crate::Result;
use std::path::Path;

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// In the middle.
    Centre,
    /// In the left third.
    Left,
    /// In the right third.
    Right,
    /// In the upper third.
    Top,
    /// In the lower third.
    Bottom,
}

impl Position {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Centre, Self::Left, Self::Right, Self::Top, Self::Bottom];
}

/// How an object is fitted to the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// As it is.
    Natural,
    /// With a soft shadow.
    Shadowed,
    /// One flat colour.
    Flat,
    /// With a pale rim, like a sticker.
    Outlined,
}

impl Treatment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Natural, Self::Shadowed, Self::Flat, Self::Outlined];
}

/// An object in a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedObject {
    /// Index into [`OBJECTS`].
    pub object: usize,
    /// Index into [`COLOURS`], when it was re-coloured.
    pub colour: Option<usize>,
    /// Centre, 0..=1 of the picture.
    pub x: f32,
    /// Centre, 0..=1 of the picture.
    pub y: f32,
    /// Longer side, 0..=1 of the picture.
    pub size: f32,
    /// The third that it stands in.
    pub position: Position,
    /// How it was fitted in.
    pub treatment: Treatment,
}

/// Everything true of a scene that a caption may say.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneDescription {
    /// One or two families and their shares, which sum to 1; the larger first.
    pub families: Vec<(Family, f32)>,
    /// The colours.
    pub palette: PaletteChoice,
    /// Index into [`MOODS`].
    pub mood: Option<usize>,
    /// None to three objects.
    pub objects: Vec<PlacedObject>,
    /// Measured from the pixels.
    pub measured: Measured,
}

impl SceneDescription {
    /// Shares of all families, in the order of [`Family::ALL`].
    pub fn family_weights(&self) -> [f32; 16] {
        let mut weights = [0.0; 16];
        self.families.iter().for_each(|(family, share)| weights[family.index()] += share);
        weights
    }
}

/// One training picture.
#[derive(Debug, Clone)]
pub struct Sample {
    /// RGB8, `size * size * 3` bytes.
    pub rgb: Vec<u8>,
    /// One of its many captions.
    pub caption: String,
    /// What is true of it.
    pub scene: SceneDescription,
}

/// Paints scenes; the same seed gives the same picture on every machine.
pub struct Painter {
    objects: Vec<ObjectPicture>,
}

impl Painter {
    /// `objects`: the folder of object pictures; without it, scenes hold none.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub fn new(objects: Option<&Path>) -> Result<Self> {
        let objects = objects.map(objects::load).transpose()?.unwrap_or_default();
        Ok(Self { objects })
    }

    /// The scene of a seed, `size` by `size` pixels.
    pub fn paint(&self, seed: u64, size: usize) -> Sample {
        let mut rng = Rng::new(seed);
        let palette = PaletteChoice::draw(&mut rng);
        let mood = rng.chance(0.45).then(|| rng.below(MOODS.len()));
        let first = Family::ALL[rng.below(16)];
        let second = rng.chance(0.15).then(|| Family::ALL[(first.index() + 1 + rng.below(15)) % 16]);
        let objects = if rng.chance(0.65) { self.place(&mut rng) } else { Vec::new() };
        self.compose(&mut rng, size, palette, mood, (first, second), objects)
    }

    /// A scene of one family in a given palette, without objects: for measuring.
    pub fn plain(&self, seed: u64, size: usize, family: Family, palette: PaletteChoice) -> Sample {
        let mut rng = Rng::new(seed);
        self.compose(&mut rng, size, palette, None, (family, None), Vec::new())
    }

    /// How many objects it can draw: those of [`OBJECTS`], or none.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// A scene of one family in a given palette behind one object, as it is and in the middle: for measuring.
    pub fn portrait(&self, seed: u64, size: usize, family: Family, palette: PaletteChoice, object: usize) -> Sample {
        let mut rng = Rng::new(seed);
        let placed = PlacedObject {
            object,
            colour: None,
            x: 0.5 + rng.range(-0.05, 0.05),
            y: 0.5 + rng.range(-0.05, 0.05),
            size: rng.range(0.42, 0.8),
            position: Position::Centre,
            treatment: Treatment::Natural,
        };
        self.compose(&mut rng, size, palette, None, (family, None), vec![placed])
    }

    fn compose(
        &self,
        rng: &mut Rng,
        size: usize,
        palette: PaletteChoice,
        mood: Option<usize>,
        (first, second): (Family, Option<Family>),
        objects: Vec<PlacedObject>,
    ) -> Sample {
        let look = look(rng, &palette, mood, !objects.is_empty());
        let mut canvas = Canvas::new(size, size, look.palette[0]);
        paint(first, &mut canvas, &look, &mut rng.fork());
        let mut families = vec![(first, 1.0)];
        if let Some(second) = second {
            let mut other = Canvas::new(size, size, look.palette[0]);
            paint(second, &mut other, &look, &mut rng.fork());
            let share = join(&mut canvas, &other, rng);
            families = vec![(first, 1.0 - share), (second, share)];
            families.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        for object in &objects {
            self.draw_object(&mut canvas, object, &look);
        }
        let rgb: Vec<u8> = canvas.rgb.iter().flat_map(|p| p.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)).collect();
        let measured = measure(&rgb, size, size);
        let scene = SceneDescription { families, palette, mood, objects, measured };
        let caption = caption(&scene, rng);
        Sample { rgb, caption, scene }
    }

    /// One large object mostly; sometimes two or three smaller ones beside each other.
    fn place(&self, rng: &mut Rng) -> Vec<PlacedObject> {
        if self.objects.is_empty() {
            return Vec::new();
        }
        let count = if rng.chance(0.85) { 1 } else { 2 + rng.below(2) };
        let alike = count > 1 && rng.chance(0.4);
        let first = draw_object(rng);
        let treatment = if rng.chance(0.6) { Treatment::Natural } else { *rng.pick(&Treatment::ALL[1..]) };
        (0..count)
            .map(|i| {
                let (position, x, y, size) = if count == 1 {
                    let position = if rng.chance(0.55) { Position::Centre } else { *rng.pick(&Position::ALL[1..]) };
                    let size = if position == Position::Centre { rng.range(0.42, 0.8) } else { rng.range(0.3, 0.5) };
                    let side = (0.5 - size / 2.0) * rng.range(0.7, 1.0);
                    let (x, y) = match position {
                        Position::Centre => (rng.range(-0.05, 0.05), rng.range(-0.05, 0.05)),
                        Position::Left => (-side, rng.range(-0.1, 0.1)),
                        Position::Right => (side, rng.range(-0.1, 0.1)),
                        Position::Top => (rng.range(-0.1, 0.1), -side),
                        Position::Bottom => (rng.range(-0.1, 0.1), side),
                    };
                    (position, 0.5 + x, 0.5 + y, size)
                } else {
                    let step = 1.0 / count as f32;
                    let size = step * rng.range(0.75, 0.95);
                    (Position::Centre, step * (i as f32 + 0.5), 0.5 + rng.range(-0.15, 0.15), size)
                };
                PlacedObject {
                    object: if alike || i == 0 { first } else { draw_object(rng) },
                    colour: rng.chance(0.25).then(|| rng.below(COLOURS.len())),
                    x,
                    y,
                    size,
                    position,
                    treatment,
                }
            })
            .collect()
    }

    fn draw_object(&self, canvas: &mut Canvas, placed: &PlacedObject, look: &Look) {
        let Some(picture) = self.objects.get(placed.object) else { return };
        let sprite = picture.scaled((placed.size * canvas.width as f32) as u32);
        let (w, h) = (sprite.width() as usize, sprite.height() as usize);
        let left = (placed.x * canvas.width as f32) as isize - w as isize / 2;
        let top = (placed.y * canvas.height as f32) as isize - h as isize / 2;
        let alpha = |x: isize, y: isize| -> f32 {
            if x < 0 || y < 0 || x >= w as isize || y >= h as isize {
                return 0.0;
            }
            f32::from(sprite.get_pixel(x as u32, y as u32).0[3]) / 255.0
        };
        let ground = mean_lightness(canvas, left, top, w, h);
        let target = placed.colour.and_then(|c| colour_word(COLOURS[c].0));
        // A flat object must stand out: the given colour, or the tone of the palette farthest from the ground.
        let flat = target.unwrap_or_else(|| {
            let far = |c: &[f32; 3]| (to_oklab(*c)[0] - ground).abs();
            look.palette.iter().copied().max_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or([0.0; 3])
        });

        let unit = canvas.width as f32 / 256.0;
        if placed.treatment != Treatment::Flat {
            // Shadow or rim: the object's outline, spread and softened, in a tone that parts it from the ground.
            let outlined = placed.treatment == Treatment::Outlined;
            let shadowed = placed.treatment == Treatment::Shadowed;
            let radius = if outlined { 5.0 } else { 7.0 } * unit;
            let shift = if shadowed { 6.0 * unit } else { 0.0 };
            let tone = if outlined {
                [0.98, 0.97, 0.95]
            } else if shadowed || ground > 0.5 {
                [0.04, 0.04, 0.08]
            } else {
                [0.97, 0.96, 0.92]
            };
            let strength = if outlined {
                1.0
            } else if shadowed {
                0.6
            } else {
                0.35
            };
            let spread = spread(&alpha, w, h, radius, outlined);
            let border = spread.border as isize;
            for y in -border..h as isize + border {
                for x in -border..w as isize + border {
                    let cover = spread.at(x, y) * strength;
                    if cover > 0.003 {
                        lay(canvas, left + x + shift as isize, top + y + shift as isize, tone, cover);
                    }
                }
            }
        }
        for y in 0..h {
            for x in 0..w {
                let pixel = sprite.get_pixel(x as u32, y as u32).0;
                let cover = f32::from(pixel[3]) / 255.0;
                if cover < 0.004 {
                    continue;
                }
                let own = [pixel[0], pixel[1], pixel[2]].map(|c| f32::from(c) / 255.0);
                let colour = match (placed.treatment, target) {
                    (Treatment::Flat, _) => {
                        // Two tones keep eyes and markings readable.
                        let dark = to_oklab(own)[0] < 0.35;
                        if dark { mix(flat, [0.05, 0.05, 0.08], 0.45) } else { flat }
                    }
                    (_, Some(target)) => recolour(own, target),
                    _ => own,
                };
                lay(canvas, left + x as isize, top + y as isize, colour, cover);
            }
        }
    }
}

fn draw_object(rng: &mut Rng) -> usize {
    if rng.chance(0.8) { rng.below(CORE) } else { rng.below(OBJECTS.len()) }
}

/// The look of a scene: free dice, bent by the mood; calmer behind an object, so that it can be seen.
fn look(rng: &mut Rng, palette: &PaletteChoice, mood: Option<usize>, holds_object: bool) -> Look {
    let shift = mood.map_or([0.0; 3], |m| MOODS[m].shift);
    let light = mood.map_or(0.0, |m| MOODS[m].light);
    let busy = if holds_object { 0.7 } else { 1.0 };
    let colours = palette.colours().into_iter().map(|c| {
        let [l, a, b] = to_oklab(c);
        from_oklab([(l + light).clamp(0.03, 0.985), a, b])
    });
    Look {
        palette: colours.collect(),
        density: (rng.unit() * busy + shift[0]).clamp(0.0, 1.0),
        symmetry: if rng.chance(0.35) { rng.range(0.7, 1.0) } else { rng.unit() * 0.6 },
        scale: (rng.unit() + shift[2]).clamp(0.0, 1.0),
        contrast: (rng.range(0.25, 1.0) + shift[1]).clamp(0.0, 1.0),
    }
}

/// Puts parts of `other` into `canvas`: a horizon, a diagonal, a disc, a soft region; returns the share taken.
fn join(canvas: &mut Canvas, other: &Canvas, rng: &mut Rng) -> f32 {
    let kind = rng.below(4);
    let (turn, offset) = (rng.range(-0.6, 0.6), rng.range(-0.15, 0.15));
    let soft = if rng.chance(0.5) { 0.015 } else { 0.12 };
    let noise = Noise::new(rng);
    let size = canvas.width;
    let mut taken = 0.0;
    for (i, (pixel, theirs)) in canvas.rgb.iter_mut().zip(&other.rgb).enumerate() {
        let (x, y) = ((i % size) as f32 / size as f32 - 0.5, (i / size) as f32 / size as f32 - 0.5);
        let depth = match kind {
            0 => y - offset,
            1 => x * turn.cos() + y * turn.sin() - offset,
            2 => 0.33 + offset * 0.5 - x.hypot(y),
            _ => (noise.fbm(x * 3.0 + 7.0, y * 3.0 + 3.0, 2) - 0.5) * 0.9 + offset,
        };
        let t = smoothstep(-soft, soft, depth);
        taken += t;
        *pixel = mix(*pixel, *theirs, t);
    }
    taken / canvas.rgb.len() as f32
}

fn mean_lightness(canvas: &Canvas, left: isize, top: isize, w: usize, h: usize) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0f32);
    for y in (0..h).step_by(6) {
        for x in (0..w).step_by(6) {
            let (px, py) = (left + x as isize, top + y as isize);
            if px >= 0 && py >= 0 && (px as usize) < canvas.width && (py as usize) < canvas.height {
                sum += to_oklab(canvas.rgb[py as usize * canvas.width + px as usize])[0];
                count += 1.0;
            }
        }
    }
    sum / count.max(1.0)
}

fn lay(canvas: &mut Canvas, x: isize, y: isize, colour: [f32; 3], cover: f32) {
    if x >= 0 && y >= 0 && (x as usize) < canvas.width && (y as usize) < canvas.height {
        let pixel = &mut canvas.rgb[y as usize * canvas.width + x as usize];
        *pixel = mix(*pixel, colour, cover.min(1.0));
    }
}

/// The hue of `target` with the light and shade of `own`.
fn recolour(own: [f32; 3], target: [f32; 3]) -> [f32; 3] {
    let (own, target) = (to_oklab(own), to_oklab(target));
    let l = (0.55 * target[0] + 0.75 * (own[0] - 0.62) + 0.45 * 0.62).clamp(0.04, 0.98);
    let shade = 1.0 - (own[0] - 0.6).abs() * 0.6;
    let own_chroma = own[1].hypot(own[2]);
    // Whites and blacks (eyes, teeth) stay what they are.
    let keep = smoothstep(0.02, 0.07, own_chroma);
    let tinted = [l, target[1] * shade, target[2] * shade];
    from_oklab(mix(own, tinted, 0.25 + 0.75 * keep))
}

/// An outline grown by some pixels.
struct Spread {
    values: Vec<f32>,
    width: usize,
    border: usize,
}

impl Spread {
    fn at(&self, x: isize, y: isize) -> f32 {
        let (x, y) = (x + self.border as isize, y + self.border as isize);
        if x < 0 || y < 0 || x as usize >= self.width {
            return 0.0;
        }
        self.values.get(y as usize * self.width + x as usize).copied().unwrap_or(0.0)
    }
}

/// Box-blurs the outline three times; `hard` turns the blur into a solid rim.
fn spread(alpha: &dyn Fn(isize, isize) -> f32, w: usize, h: usize, radius: f32, hard: bool) -> Spread {
    let border = (radius * 1.5).ceil() as usize + 1;
    let (width, height) = (w + 2 * border, h + 2 * border);
    let mut values = vec![0.0; width * height];
    for y in 0..h {
        for x in 0..w {
            values[(y + border) * width + x + border] = alpha(x as isize, y as isize);
        }
    }
    let reach = (radius / 2.0).round().max(1.0) as usize;
    for _ in 0..3 {
        values = blur_rows(&values, width, reach);
        values = transpose(&values, width, height);
        values = blur_rows(&values, height, reach);
        values = transpose(&values, height, width);
    }
    if hard {
        values.iter_mut().for_each(|v| *v = smoothstep(0.06, 0.2, *v));
    }
    Spread { values, width, border }
}

fn blur_rows(values: &[f32], width: usize, reach: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    let span = (2 * reach + 1) as f32;
    for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut sum: f32 = row.iter().take(reach).sum();
        for x in 0..width {
            sum += row.get(x + reach).copied().unwrap_or(0.0);
            if x > reach {
                sum -= row[x - reach - 1];
            }
            out[x] = sum / span;
        }
    }
    out
}

fn transpose(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    (0..width * height).map(|i| values[(i % height) * width + i / height]).collect()
}
