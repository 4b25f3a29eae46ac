//! Which palette a picture shows: its dominant colours against those that a word stands for.

use crate::corpus::colour::to_oklab;
use crate::corpus::palettes::PaletteChoice;

/// Weight of a difference of lightness beside one of hue and chroma: contrast and mood move lightness, a palette's word
/// hardly speaks of it.
const LIGHTNESS: f32 = 0.5;
/// Dominant colours looked for.
const CLUSTERS: usize = 8;
/// Pixels a side that are looked at.
const GRID: usize = 40;

type Colour = [f32; 3];

/// Oklab with lightness made less of.
fn weighed(rgb: Colour) -> Colour {
    let [l, a, b] = to_oklab(rgb);
    [l * LIGHTNESS, a, b]
}

fn squared(x: &Colour, y: &Colour) -> f32 {
    (0..3).map(|k| (x[k] - y[k]).powi(2)).sum()
}

/// Dominant colours of an RGB8 picture and their shares, which sum to 1: k-means, begun at colours far apart.
fn dominant(rgb: &[u8], width: usize, height: usize) -> Vec<(Colour, f32)> {
    let mut points = Vec::with_capacity(GRID * GRID);
    for i in 0..GRID * GRID {
        let (x, y) = ((2 * (i % GRID) + 1) * width / (2 * GRID), (2 * (i / GRID) + 1) * height / (2 * GRID));
        if let Some(pixel) = rgb.get((y * width + x) * 3..).and_then(|rest| rest.first_chunk::<3>()) {
            points.push(weighed(pixel.map(|c| f32::from(c) / 255.0)));
        }
    }
    let Some(start) = points.first() else { return Vec::new() };
    let mut centres = vec![*start];
    let gap = |point: &Colour, centres: &[Colour]| centres.iter().map(|c| squared(c, point)).fold(f32::MAX, f32::min);
    while centres.len() < CLUSTERS {
        let far = points.iter().max_by(|a, b| gap(a, &centres).total_cmp(&gap(b, &centres)));
        centres.push(far.copied().unwrap_or(*start));
    }
    let mut shares = vec![0.0; CLUSTERS];
    for _ in 0..8 {
        let mut sums = [([0.0f32; 3], 0.0f32); CLUSTERS];
        for point in &points {
            let nearest =
                (0..CLUSTERS).min_by(|a, b| squared(&centres[*a], point).total_cmp(&squared(&centres[*b], point)));
            let (sum, count) = &mut sums[nearest.unwrap_or(0)];
            (0..3).for_each(|k| sum[k] += point[k]);
            *count += 1.0;
        }
        for (k, (sum, count)) in sums.iter().enumerate() {
            shares[k] = count / points.len() as f32;
            if *count > 0.0 {
                centres[k] = sum.map(|s| s / count);
            }
        }
    }
    // A few stray pixels are no colour of the picture.
    centres.into_iter().zip(shares).filter(|(_, share)| *share > 0.01).collect()
}

/// How far dominant colours are from a palette, both ways: from each colour of the picture to the nearest blend of
/// neighbours in the palette, and from each colour of the palette to the nearest of the picture.
fn distance(found: &[(Colour, f32)], palette: &[Colour]) -> f32 {
    let to_palette: f32 = found.iter().map(|(c, share)| share * to_blends(c, palette).sqrt()).sum();
    let near = |p: &Colour| found.iter().map(|(c, _)| squared(c, p)).fold(f32::MAX, f32::min).sqrt();
    let to_picture = palette.iter().map(near).sum::<f32>() / palette.len().max(1) as f32;
    (to_palette + to_picture) / 2.0
}

/// Squared distance from a colour to the line through neighbouring colours.
fn to_blends(colour: &Colour, line: &[Colour]) -> f32 {
    let to_segment = |pair: &[Colour]| {
        let length = squared(&pair[0], &pair[1]).max(1e-9);
        let along: f32 = (0..3).map(|k| (colour[k] - pair[0][k]) * (pair[1][k] - pair[0][k])).sum();
        let t = (along / length).clamp(0.0, 1.0);
        squared(colour, &[0, 1, 2].map(|k| pair[0][k] + t * (pair[1][k] - pair[0][k])))
    };
    line.windows(2).map(to_segment).fold(f32::MAX, f32::min)
}

/// Place of a palette among [`PaletteChoice::all_plain`] by nearness to an RGB8 picture: 1 is the nearest.
pub fn rank(rgb: &[u8], width: usize, height: usize, palette: &PaletteChoice) -> usize {
    let found = dominant(rgb, width, height);
    let own = off(&found, palette);
    1 + PaletteChoice::all_plain().iter().filter(|other| *other != palette && off(&found, other) <= own).count()
}

/// How far dominant colours are from a palette's.
fn off(found: &[(Colour, f32)], choice: &PaletteChoice) -> f32 {
    let colours: Vec<Colour> = choice.colours().into_iter().map(weighed).collect();
    distance(found, &colours)
}

/// The palette or colour of [`PaletteChoice::all_plain`] that is nearest to an RGB8 picture, and how far it is: 0.03 is near, 0.1 far.
pub fn nearest(rgb: &[u8], width: usize, height: usize) -> Option<(PaletteChoice, f32)> {
    let found = dominant(rgb, width, height);
    if found.is_empty() {
        return None;
    }
    let all = PaletteChoice::all_plain().into_iter().map(|choice| {
        let off = off(&found, &choice);
        (choice, off)
    });
    all.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Number of palettes among which [`rank`] places one.
pub fn palettes() -> usize {
    PaletteChoice::all_plain().len()
}

/// Mean Oklab distance of two RGB8 pictures of one size, in the middle (half the width, half the height) and outside it.
pub fn change(a: &[u8], b: &[u8], width: usize, height: usize) -> (f64, f64) {
    let (mut inside, mut outside) = ((0.0, 0.0), (0.0, 0.0));
    let colour = |pixel: &[u8; 3]| to_oklab(pixel.map(|c| f32::from(c) / 255.0));
    for (i, (a, b)) in a.as_chunks::<3>().0.iter().zip(b.as_chunks::<3>().0).enumerate() {
        let (x, y) = (i % width.max(1), i / width.max(1));
        let middle = x * 4 >= width && x * 4 < width * 3 && y * 4 >= height && y * 4 < height * 3;
        let (sum, count) = if middle { &mut inside } else { &mut outside };
        *sum += f64::from(squared(&colour(a), &colour(b)).sqrt());
        *count += 1.0;
    }
    (inside.0 / f64::max(inside.1, 1.0), outside.0 / f64::max(outside.1, 1.0))
}
