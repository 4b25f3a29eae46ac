//! What taste sees in a picture: sixteen properties with names that a person understands.

use crate::corpus::measure::{self, RANGES, small_oklab};

/// Number of properties.
pub const COUNT: usize = 16;
/// Changes when the properties change, so that kept ones are measured again.
pub const VERSION: i64 = 1;

/// The properties of one picture, in the order of [`PROPERTIES`].
pub type Measures = [f32; COUNT];

/// A property: its name, and what pictures with little and with much of it are called.
pub struct Property {
    /// Its name; the first five are also names of Ember's sliders.
    pub name: &'static str,
    /// Pictures with little of it.
    pub low: &'static str,
    /// Pictures with much of it.
    pub high: &'static str,
    /// How much it usually varies from picture to picture.
    pub spread: f32,
}

const fn property(name: &'static str, low: &'static str, high: &'static str, spread: f32) -> Property {
    Property { name, low, high, spread }
}

/// All properties: the five that sliders steer, lightness, colourfulness, and how much of each hue there is.
pub const PROPERTIES: [Property; COUNT] = [
    property("warmth", "cold", "warm", 0.35),
    property("contrast", "low contrast", "high contrast", 0.3),
    property("density", "quiet", "busy", 0.3),
    property("symmetry", "free", "symmetrical", 0.35),
    property("scale", "fine", "large shapes", 0.3),
    property("lightness", "dark", "light", 0.12),
    property("colourfulness", "muted colours", "strong colours", 0.035),
    property("red", "no red", "red", 0.2),
    property("orange", "no orange", "orange", 0.2),
    property("yellow", "no yellow", "yellow", 0.2),
    property("green", "no green", "green", 0.2),
    property("turquoise", "no turquoise", "turquoise", 0.2),
    property("blue", "no blue", "blue", 0.25),
    property("purple", "no purple", "purple", 0.15),
    property("pink", "no pink", "pink", 0.15),
    property("grey", "no grey", "grey", 0.2),
];

/// Index of the first property that only colours decide.
pub const FIRST_COLOUR: usize = 5;
/// Index of the first hue.
const HUES: usize = 7;
/// Centre of each hue in Oklab, degrees.
const CENTRES: [f32; 8] = [27.0, 58.0, 105.0, 143.0, 198.0, 262.0, 305.0, 350.0];
/// Chroma from which a pixel counts fully as coloured.
const COLOURED: f32 = 0.1;

/// Measures an RGB8 picture (`width * height * 3` bytes, rows from the top); zeros for an empty or wrongly sized one.
pub fn measures(width: u32, height: u32, rgb: &[u8]) -> Measures {
    let (width, height) = (width as usize, height as usize);
    let mut found = [0.0; COUNT];
    if width == 0 || height == 0 || rgb.len() != width * height * 3 {
        return found;
    }
    for (i, value) in measure::raw(rgb, width, height).into_iter().enumerate() {
        found[i] = spread_out(i, value);
    }
    found[FIRST_COLOUR..].copy_from_slice(&colours(&small_oklab(rgb, width, height)));
    found
}

/// A raw measure on the scale of the slider of its name; beyond the ends it goes on, but not far.
fn spread_out(i: usize, raw: f32) -> f32 {
    let (low, high) = RANGES[i];
    ((raw - low) / (high - low)).clamp(-0.5, 1.5)
}

/// Lightness, colourfulness, and how much there is of each hue and of none, of Oklab pixels.
fn colours(pixels: &[[f32; 3]]) -> [f32; COUNT - FIRST_COLOUR] {
    let mut found = [0.0; COUNT - FIRST_COLOUR];
    let n = pixels.len().max(1) as f32;
    for [l, a, b] in pixels {
        let chroma = a.hypot(*b);
        let coloured = (chroma / COLOURED).min(1.0);
        let angle = b.atan2(*a).to_degrees();
        let away = |centre: f32| 180.0 - ((angle - centre).rem_euclid(360.0) - 180.0).abs();
        let hue = (0..CENTRES.len()).min_by(|i, j| away(CENTRES[*i]).total_cmp(&away(CENTRES[*j]))).unwrap_or(0);
        found[0] += l / n;
        found[1] += chroma / n;
        found[HUES - FIRST_COLOUR + hue] += coloured / n;
        found[COUNT - 1 - FIRST_COLOUR] += (1.0 - coloured) / n;
    }
    found
}

/// What a picture in these sRGB colours (0..=1) would measure, as far as colours decide it: the warmth, and everything from
/// [`FIRST_COLOUR`] on; the rest is zero.
pub fn of_palette(colours_used: &[[f32; 3]]) -> Measures {
    let pixels: Vec<[f32; 3]> = colours_used.iter().map(|c| crate::corpus::colour::to_oklab(*c)).collect();
    let mut found = [0.0; COUNT];
    found[0] = spread_out(0, measure::warmth(&pixels));
    found[FIRST_COLOUR..].copy_from_slice(&colours(&pixels));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(colour: [u8; 3]) -> Measures {
        measures(64, 64, &colour.repeat(64 * 64))
    }

    fn at(name: &str) -> usize {
        PROPERTIES.iter().position(|p| p.name == name).unwrap()
    }

    #[test]
    fn each_hue_is_found_under_its_name() {
        for (name, colour) in [
            ("red", [214, 42, 42]),
            ("orange", [240, 128, 30]),
            ("yellow", [242, 207, 43]),
            ("green", [58, 154, 72]),
            ("turquoise", [63, 201, 196]),
            ("blue", [42, 96, 207]),
            ("purple", [122, 63, 176]),
            ("pink", [208, 42, 146]),
        ] {
            let found = flat(colour);
            assert!(found[at(name)] > 0.8, "{name}: {found:?}");
        }
        assert!(flat([128; 3])[at("grey")] > 0.99);
        assert!(flat([250, 140, 30])[0] > flat([30, 90, 220])[0] + 0.5);
        assert_eq!(measures(9, 9, &[1]), [0.0; COUNT]);
    }

    #[test]
    fn a_palette_measures_like_a_picture_in_it() {
        let palette = [[0.1, 0.1, 0.4], [0.2, 0.6, 0.9], [0.9, 0.95, 1.0]];
        let rgb: Vec<u8> =
            (0..64 * 64).flat_map(|i| palette[i % 64 * 3 / 64].map(|c: f32| (c * 255.0) as u8)).collect();
        let (picture, guess) = (measures(64, 64, &rgb), of_palette(&palette));
        for i in [0].into_iter().chain(FIRST_COLOUR..COUNT) {
            assert!((picture[i] - guess[i]).abs() < 0.06, "{}: {} {}", PROPERTIES[i].name, picture[i], guess[i]);
        }
    }
}
