//! What a picture looks like, as numbers that no network was trained for: colour, tone, edges, texture, repetition.
//!
//! They serve distances between sets of pictures (diversity, naturalness) and a plain classifier. They see style and
//! structure, not meaning: an object that nobody can name costs little here.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use palette::{IntoColor, Oklab, Srgb};

/// Side to which every picture is brought first, in pixels, so that its size in pixels does not matter.
const SIDE: usize = 128;
/// Number of features.
pub const COUNT: usize = 80;

/// Features of an RGB8 picture (`width * height * 3` bytes, rows from the top), each of the order of 1; zeros for an
/// empty or wrongly sized picture.
pub fn features(width: u32, height: u32, rgb: &[u8]) -> Vec<f32> {
    let mut found = Vec::with_capacity(COUNT);
    if let Some(lab) = small_oklab(width, height, rgb) {
        let lightness: Vec<f32> = lab.iter().map(|pixel| pixel.l).collect();
        colour(&lab, &mut found);
        let half = halved(&lightness, SIDE);
        let quarter = halved(&half, SIDE / 2);
        for (plane, side) in [(&lightness, SIDE), (&half, SIDE / 2), (&quarter, SIDE / 4)] {
            edges(plane, side, &mut found);
        }
        patterns(&lightness, SIDE, &mut found);
        patterns(&quarter, SIDE / 4, &mut found);
        octaves(&lightness, &mut found);
        repetition(&lightness, &mut found);
    }
    found.resize(COUNT, 0.0);
    found
}

/// Side of the middle that [`middle`] looks at, in its own pixels.
const MIDDLE: usize = 14;

/// The middle of an RGB8 picture as it is, small: `14 * 14 * 3` numbers of the order of 1, by which objects can be told apart;
/// zeros for an empty or wrongly sized picture.
pub fn middle(width: u32, height: u32, rgb: &[u8]) -> Vec<f32> {
    let mut found = Vec::with_capacity(MIDDLE * MIDDLE * 3);
    if let Some(lab) = small_oklab(width, height, rgb) {
        // Seven tenths of each side, cut into cells of about six pixels.
        let (from, cell) = (SIDE as f32 * 0.15, SIDE as f32 * 0.7 / MIDDLE as f32);
        let edge = |i: usize| (from + cell * i as f32).round() as usize;
        for i in 0..MIDDLE * MIDDLE {
            let (x, y) = (i % MIDDLE, i / MIDDLE);
            let mut sum = [0.0f32; 3];
            for py in edge(y)..edge(y + 1) {
                for pixel in &lab[py * SIDE + edge(x)..py * SIDE + edge(x + 1)] {
                    sum[0] += pixel.l;
                    sum[1] += pixel.a * 4.0;
                    sum[2] += pixel.b * 4.0;
                }
            }
            let count = ((edge(y + 1) - edge(y)) * (edge(x + 1) - edge(x))) as f32;
            found.extend(sum.map(|v| v / count));
        }
    }
    found.resize(MIDDLE * MIDDLE * 3, 0.0);
    found
}

fn small_oklab(width: u32, height: u32, rgb: &[u8]) -> Option<Vec<Oklab>> {
    if rgb.is_empty() {
        return None;
    }
    let source = ImageRef::new(width, height, rgb, PixelType::U8x3).ok()?;
    let mut small = Image::new(SIDE as u32, SIDE as u32, PixelType::U8x3);
    let options = ResizeOptions::new().use_alpha(false).resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize(&source, &mut small, &options).ok()?;
    let (pixels, _) = small.buffer().as_chunks::<3>();
    Some(pixels.iter().map(|[r, g, b]| Srgb::new(*r, *g, *b).into_format::<f32>().into_color()).collect())
}

/// Means, spreads and histograms of colour: 26 features.
fn colour(lab: &[Oklab], found: &mut Vec<f32>) {
    let n = lab.len() as f32;
    let channels: [fn(&Oklab) -> f32; 4] = [|p| p.l, |p| p.a * 4.0, |p| p.b * 4.0, |p| p.a.hypot(p.b) * 4.0];
    for channel in channels {
        let mean = lab.iter().map(channel).sum::<f32>() / n;
        let spread = lab.iter().map(|p| (channel(p) - mean).powi(2)).sum::<f32>() / n;
        found.extend([mean, spread.sqrt() * 2.0]);
    }
    let mut sorted: Vec<f32> = lab.iter().map(|p| p.l).collect();
    sorted.sort_by(f32::total_cmp);
    found.extend([0.05, 0.95].map(|q| sorted[(q * (n - 1.0)) as usize]));
    let (mut hues, mut tones) = ([0f32; 8], [0f32; 8]);
    let chroma: f32 = lab.iter().map(|p| p.a.hypot(p.b)).sum::<f32>() + 1e-6 * n;
    for pixel in lab {
        let turn = pixel.b.atan2(pixel.a) / std::f32::consts::TAU + 0.5;
        hues[(turn * 8.0) as usize % 8] += pixel.a.hypot(pixel.b) / chroma;
        tones[((pixel.l * 8.0) as usize).min(7)] += 1.0 / n;
    }
    found.extend(hues);
    found.extend(tones);
}

/// Strength, spread and share of edges, and their directions: 7 features.
fn edges(plane: &[f32], side: usize, found: &mut Vec<f32>) {
    let (mut sum, mut squares, mut strong, mut total) = (0f32, 0f32, 0f32, 1e-6f32);
    let mut directions = [0f32; 4];
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let at = y * side + x;
            let (dx, dy) = (plane[at + 1] - plane[at - 1], plane[at + side] - plane[at - side]);
            let size = dx.hypot(dy);
            sum += size;
            squares += size * size;
            strong += f32::from(size > 0.15);
            // Directions half a bin off the axes, so that upright and level lines fall into the middle of one.
            let turn = dy.atan2(dx) / std::f32::consts::PI + 1.125;
            directions[(turn * 4.0) as usize % 4] += size;
            total += size;
        }
    }
    let n = ((side - 2) * (side - 2)) as f32;
    let mean = sum / n;
    found.extend([mean * 5.0, (squares / n - mean * mean).max(0.0).sqrt() * 5.0, strong / n]);
    found.extend(directions.map(|share| share / total));
}

/// Shares of the ten rotation-invariant uniform local binary patterns (Ojala, Pietikäinen and Mäenpää 2002).
fn patterns(plane: &[f32], side: usize, found: &mut Vec<f32>) {
    const AROUND: [(isize, isize); 8] = [(-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0)];
    let mut shares = [0f32; 10];
    let n = ((side - 2) * (side - 2)) as f32;
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let centre = plane[y * side + x];
            let mut bits = 0u8;
            for (index, (dx, dy)) in AROUND.iter().enumerate() {
                let at = y.wrapping_add_signed(*dy) * side + x.wrapping_add_signed(*dx);
                // A step of less than an 8-bit level is none.
                bits |= u8::from(plane[at] > centre + 0.004) << index;
            }
            let changes = (bits ^ bits.rotate_left(1)).count_ones();
            shares[if changes <= 2 { bits.count_ones() as usize } else { 9 }] += 1.0 / n;
        }
    }
    found.extend(shares);
}

/// Energy in each of five octaves, from fine to coarse, on a logarithmic scale: 5 features.
fn octaves(lightness: &[f32], found: &mut Vec<f32>) {
    let (mut plane, mut side) = (lightness.to_vec(), SIDE);
    for _ in 0..5 {
        let small = halved(&plane, side);
        let half = side / 2;
        let energy = (0..side * side).map(|at| (plane[at] - small[at / side / 2 * half + at % side / 2]).powi(2));
        let energy = energy.sum::<f32>() / (side * side) as f32;
        found.push((energy + 1e-6).ln() / 10.0);
        (plane, side) = (small, half);
    }
}

/// Likeness of the picture to its mirror images and to itself shifted: 8 features, each a correlation.
fn repetition(lightness: &[f32], found: &mut Vec<f32>) {
    let mean = lightness.iter().sum::<f32>() / lightness.len() as f32;
    let plane: Vec<f32> = lightness.iter().map(|l| l - mean).collect();
    let energy = plane.iter().map(|v| v * v).sum::<f32>() + 1e-6;
    let likeness = |other: &dyn Fn(usize, usize) -> usize| {
        let sum: f32 = (0..SIDE * SIDE).map(|at| plane[at] * plane[other(at % SIDE, at / SIDE)]).sum();
        sum / energy
    };
    found.push(likeness(&|x, y| y * SIDE + SIDE - 1 - x));
    found.push(likeness(&|x, y| (SIDE - 1 - y) * SIDE + x));
    for shift in [8, 16, 32] {
        found.push(likeness(&|x, y| y * SIDE + (x + shift) % SIDE));
        found.push(likeness(&|x, y| (y + shift) % SIDE * SIDE + x));
    }
}

/// A square plane at half the side, by averaging.
fn halved(plane: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    let at = |x: usize, y: usize| plane[y * side + x];
    (0..half * half)
        .map(|i| {
            let (x, y) = (i % half * 2, i / half * 2);
            (at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(side: u32, f: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
        (0..side * side).flat_map(|i| f(i % side, i / side)).collect()
    }

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn they_are_as_many_as_said_and_do_not_depend_on_the_size() {
        let blobs = |side: u32| {
            features(
                side,
                side,
                &picture(side, |x, y| {
                    let (u, v) = (x as f32 / side as f32, y as f32 / side as f32);
                    let wave = ((u * 9.0).sin() * (v * 7.0).cos() * 100.0 + 120.0) as u8;
                    [wave, 90, 255 - wave]
                }),
            )
        };
        let (small, large) = (blobs(256), blobs(512));
        assert_eq!(small.len(), COUNT);
        assert!(distance(&small, &large) < 0.1, "{}", distance(&small, &large));
        let stripes = features(256, 256, &picture(256, |x, _| if x / 8 % 2 == 0 { [255; 3] } else { [0; 3] }));
        assert!(distance(&small, &stripes) > 1.0);
        assert!(stripes.iter().all(|f| f.is_finite() && f.abs() < 6.0));
    }

    #[test]
    fn the_middle_is_what_it_shows() {
        // Red in the middle half, blue around it.
        let inside = |v: u32| (16..48).contains(&v);
        let scene = picture(64, |x, y| if inside(x) && inside(y) { [255, 0, 0] } else { [0, 0, 255] });
        let found = middle(64, 64, &scene);
        let red: palette::Oklab = Srgb::new(255u8, 0, 0).into_format::<f32>().into_color();
        let at = (7 * MIDDLE + 7) * 3;
        assert!(
            (found[at] - red.l).abs() < 0.01 && (found[at + 1] - red.a * 4.0).abs() < 0.02,
            "{:?}",
            &found[at..at + 3]
        );
        assert!(found[2] < -1.0, "blue in the corner: {:?}", &found[..3]);
        assert_eq!(middle(0, 0, &[]), vec![0.0; MIDDLE * MIDDLE * 3]);
    }

    #[test]
    fn odd_pictures_are_answered() {
        assert_eq!(features(0, 0, &[]), vec![0.0; COUNT]);
        assert_eq!(features(9, 9, &[1]), vec![0.0; COUNT]);
        assert!(features(1, 1, &[0, 0, 0]).iter().all(|f| f.is_finite()));
    }
}
