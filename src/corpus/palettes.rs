//! Named palettes, colour words and moods: what the captions call the colours and the air of a picture.

use super::colour::{from_oklab, to_oklab};
use super::rng::Rng;

/// A palette with its names; the first is the canonical one.
pub struct NamedPalette {
    /// Synonyms, each one or more words.
    pub names: &'static [&'static str],
    /// sRGB colours, `0xRRGGBB`, dark to light.
    pub colours: &'static [u32],
}

macro_rules! palette {
    ($($name:literal)+ => $($colour:literal)+) => {
        NamedPalette { names: &[$($name),+], colours: &[$($colour),+] }
    };
}

/// The named palettes.
pub const PALETTES: [NamedPalette; 24] = [
    palette!("ocean" "sea" => 0x06203a 0x0b4f6c 0x1789a6 0x5cc6c8 0xd8f3ee),
    palette!("sunset" "dusk" => 0x2d1b4e 0x8e2f6a 0xe2535c 0xf79a54 0xfde2a0),
    palette!("forest" "woodland" => 0x12261a 0x28502f 0x4f7f3f 0x93ab59 0xe2e6bf),
    palette!("pastel" "soft pastel" => 0x9aa5d8 0xd7a6c9 0xf2b8b5 0xb9dfc8 0xfbf3d5),
    palette!("neon" "electric" => 0x0d0221 0x5b0ee0 0xff1f8f 0x16e0f0 0xe9ff3a),
    palette!("monochrome" "grey" "greyscale" => 0x141414 0x4a4a4a 0x858585 0xbfbfbf 0xf4f4f4),
    palette!("earth" "clay" => 0x33211a 0x6e4430 0xa76d45 0xcfa377 0xefdfc6),
    palette!("candy" "bubblegum" => 0x6a2c8f 0xf04f9a 0xff93bf 0x6fd3e8 0xfff2c9),
    palette!("autumn" "fall" => 0x3b1712 0x8a2f1a 0xc9601f 0xe09f2f 0xf3dfa6),
    palette!("winter" "frost" => 0x1d2b44 0x476a93 0x8fb0cf 0xc9dbe8 0xf7fafc),
    palette!("desert" "dune" => 0x5a2a22 0xb0603c 0xdb9a5e 0xeec793 0xfaeed2),
    palette!("lavender" "lilac" => 0x2f2450 0x64509a 0x9c86cc 0xcdbde8 0xf6effb),
    palette!("tropical" "jungle" => 0x083a3a 0x0f8b6d 0xf2542d 0xf9c22e 0xf7f5d0),
    palette!("vintage" "retro" => 0x2b3a42 0x8c4a3c 0xd08c4e 0x8fae98 0xefe3c4),
    palette!("fire" "flame" => 0x1f0505 0x7d0f0f 0xd9330d 0xff8c1a 0xffe27a),
    palette!("ice" "glacier" => 0x0c2f4a 0x2f7fae 0x79c4e2 0xbfe8f3 0xf2fdff),
    palette!("mint" "peppermint" => 0x0f4037 0x2c8b73 0x6cc9a6 0xb5ead0 0xf4fdf5),
    palette!("rose" "blush" => 0x4a1526 0x97304f 0xd4688a 0xefaabb 0xfdeaec),
    palette!("gold" "golden" => 0x271a05 0x6e4a10 0xb58424 0xe5bd55 0xfbf0c4),
    palette!("midnight" "deep night" => 0x050816 0x11183d 0x28347a 0x5f6fc0 0xc9d2f5),
    palette!("citrus" "lemon and lime" => 0x2f4a0e 0x7fae1c 0xc7dd2f 0xf7c51e 0xfff7c2),
    palette!("berry" "plum" => 0x260a2e 0x5c1a55 0x9c2c72 0xd65c93 0xf6c8d8),
    palette!("rainbow" "multicoloured" => 0x3d2c8d 0xd7263d 0xf5811f 0x2a9d4b 0xf8d92f 0x38b6e8),
    palette!("primary" "primary colours" => 0x15161a 0x1f4fb5 0xd92b2b 0xf4c52a 0xf4efe2),
];

/// Plain colour words: name and sRGB.
pub const COLOURS: [(&str, u32); 18] = [
    ("red", 0xd62a2a),
    ("orange", 0xf0801e),
    ("yellow", 0xf2cf2b),
    ("green", 0x3a9a48),
    ("teal", 0x149a94),
    ("turquoise", 0x3fc9c4),
    ("blue", 0x2a60cf),
    ("navy", 0x1a2a63),
    ("purple", 0x7a3fb0),
    ("violet", 0x9a5fdd),
    ("pink", 0xf283b4),
    ("magenta", 0xd02a92),
    ("brown", 0x7d4d2b),
    ("beige", 0xdcc7a2),
    ("black", 0x17171a),
    ("white", 0xf6f6f2),
    ("crimson", 0xa5142e),
    ("olive", 0x7c8436),
];

/// sRGB of `0xRRGGBB`, 0..=1.
pub fn hex(colour: u32) -> [f32; 3] {
    [colour >> 16, colour >> 8, colour].map(|c| (c & 0xff) as f32 / 255.0)
}

/// The sRGB of a colour word.
pub fn colour_word(name: &str) -> Option<[f32; 3]> {
    COLOURS.iter().find(|(n, _)| *n == name).map(|(_, c)| hex(*c))
}

/// How a picture's colours were chosen, and what the caption may call them.
#[derive(Debug, Clone, PartialEq)]
pub enum PaletteChoice {
    /// One of [`PALETTES`], by index.
    Named(usize),
    /// Shades of one colour, by index into [`COLOURS`].
    Single(usize),
    /// Shades of two colours.
    Pair(usize, usize),
}

impl PaletteChoice {
    /// Any choice: mostly named palettes, then single colours, then pairs.
    pub fn draw(rng: &mut Rng) -> Self {
        let dice = rng.unit();
        if dice < 0.55 {
            return Self::Named(rng.below(PALETTES.len()));
        }
        let first = rng.below(COLOURS.len());
        if dice < 0.8 {
            return Self::Single(first);
        }
        Self::Pair(first, (first + 1 + rng.below(COLOURS.len() - 1)) % COLOURS.len())
    }

    /// Every choice but the pairs, for measuring.
    pub fn all_plain() -> Vec<Self> {
        (0..PALETTES.len()).map(Self::Named).chain((0..COLOURS.len()).map(Self::Single)).collect()
    }

    /// Its canonical name.
    pub fn name(&self) -> String {
        match self {
            Self::Named(i) => PALETTES[*i].names[0].into(),
            Self::Single(i) => COLOURS[*i].0.into(),
            Self::Pair(i, j) => format!("{} and {}", COLOURS[*i].0, COLOURS[*j].0),
        }
    }

    /// sRGB colours, dark to light.
    pub fn colours(&self) -> Vec<[f32; 3]> {
        let mut colours: Vec<[f32; 3]> = match self {
            Self::Named(i) => PALETTES[*i].colours.iter().map(|c| hex(*c)).collect(),
            Self::Single(i) => shades(hex(COLOURS[*i].1)).to_vec(),
            Self::Pair(i, j) => {
                let (a, b) = (hex(COLOURS[*i].1), hex(COLOURS[*j].1));
                let (sa, sb) = (shades(a), shades(b));
                vec![sa[0], a, b, sa[3], sb[4]]
            }
        };
        colours.sort_by(|a, b| to_oklab(*a)[0].total_cmp(&to_oklab(*b)[0]));
        colours
    }
}

/// Five shades of a colour, dark to light; very dark and very light colours keep their character.
fn shades(colour: [f32; 3]) -> [[f32; 3]; 5] {
    let [l, a, b] = to_oklab(colour);
    let (low, high) = ((l - 0.42).clamp(0.12, 0.75), (l + 0.36).clamp(0.4, 0.97));
    [0.0, 0.3, 0.55, 0.78, 1.0].map(|t: f32| {
        let level = low + (high - low) * t;
        let fade = 1.0 - 0.55 * ((level - l) / 0.5).abs().min(1.0);
        from_oklab([level, a * fade, b * fade])
    })
}

/// A mood: its words, and how it moves the look.
pub struct Mood {
    /// Synonyms; the first is canonical.
    pub names: &'static [&'static str],
    /// Added to density, contrast, scale.
    pub shift: [f32; 3],
    /// Added to the Oklab lightness of the palette.
    pub light: f32,
}

macro_rules! mood {
    ($($name:literal)+ => $density:expr, $contrast:expr, $scale:expr, $light:expr) => {
        Mood { names: &[$($name),+], shift: [$density, $contrast, $scale], light: $light }
    };
}

/// The moods.
pub const MOODS: [Mood; 12] = [
    mood!("calm" "peaceful" "serene" => -0.35, -0.3, 0.2, 0.03),
    mood!("stormy" "turbulent" => 0.3, 0.25, 0.0, -0.1),
    mood!("dramatic" "bold" => 0.0, 0.45, 0.15, -0.04),
    mood!("joyful" "happy" "cheerful" => 0.15, 0.1, 0.0, 0.08),
    mood!("mysterious" "eerie" => -0.1, -0.1, 0.1, -0.14),
    mood!("dreamy" "hazy" => -0.2, -0.4, 0.2, 0.07),
    mood!("energetic" "lively" "dynamic" => 0.4, 0.25, -0.2, 0.02),
    mood!("gloomy" "sombre" => 0.0, -0.2, 0.1, -0.16),
    mood!("playful" "quirky" => 0.2, 0.2, 0.0, 0.05),
    mood!("elegant" "refined" => -0.15, 0.05, 0.0, 0.0),
    mood!("cosy" "gentle" => 0.0, -0.25, 0.1, 0.02),
    mood!("bright" "sunny" => 0.0, 0.1, 0.0, 0.12),
];
