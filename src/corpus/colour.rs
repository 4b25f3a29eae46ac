//! Colour: sRGB to and from Oklab (Ottosson 2020), and ramps that blend through a palette in Oklab.

use super::canvas::Look;

/// One sRGB-encoded channel (0..=1) to linear light.
pub fn to_linear(c: f32) -> f32 {
    if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// Linear light (0..=1) to one sRGB-encoded channel.
pub fn from_linear(c: f32) -> f32 {
    let c = c.clamp(0.0, 1.0);
    if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 }
}

/// Linear sRGB to Oklab `[L, a, b]`, L in 0..=1.
pub fn linear_to_oklab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// sRGB (0..=1 a channel) to Oklab `[L, a, b]`, L in 0..=1.
pub fn to_oklab(rgb: [f32; 3]) -> [f32; 3] {
    linear_to_oklab(rgb.map(to_linear))
}

/// Oklab to sRGB, clipped to the gamut.
pub fn from_oklab([l, a, b]: [f32; 3]) -> [f32; 3] {
    let cube = |x: f32| x * x * x;
    let l_ = cube(l + 0.396_337_78 * a + 0.215_803_76 * b);
    let m_ = cube(l - 0.105_561_346 * a - 0.063_854_17 * b);
    let s_ = cube(l - 0.089_484_18 * a - 1.291_485_5 * b);
    [
        4.076_741_7 * l_ - 3.307_711_6 * m_ + 0.230_969_94 * s_,
        -1.268_438 * l_ + 2.609_757_4 * m_ - 0.341_319_38 * s_,
        -0.004_196_086_3 * l_ - 0.703_418_6 * m_ + 1.707_614_7 * s_,
    ]
    .map(from_linear)
}

/// Straight blend of two colours (or Oklab values), `t` in 0..=1.
pub fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Blend of two sRGB colours through Oklab.
pub fn blend(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    from_oklab(mix(to_oklab(a), to_oklab(b), t))
}

/// Moves the lightness of an sRGB colour by `by` (Oklab L), keeping hue and chroma.
pub fn lighten(rgb: [f32; 3], by: f32) -> [f32; 3] {
    let [l, a, b] = to_oklab(rgb);
    from_oklab([(l + by).clamp(0.02, 0.99), a, b])
}

/// `0` below `from`, `1` above `to`, smooth between (also for `from > to`).
pub fn smoothstep(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The palette of a look, dark to light, with its tones spread or drawn together as the look's contrast asks.
///
/// Every family takes its colours from here (or from [`Ramp::new`]), so contrast acts alike everywhere.
pub fn colours(look: &Look) -> Vec<[f32; 3]> {
    let mut lab: Vec<[f32; 3]> = look.palette.iter().map(|c| to_oklab(*c)).collect();
    if lab.is_empty() {
        lab = vec![[0.2, 0.0, 0.0], [0.9, 0.0, 0.0]];
    }
    lab.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (low, high) = (lab[0][0], lab[lab.len() - 1][0]);
    let middle = (low + high) / 2.0;
    let spread = 0.28 + 0.72 * look.contrast.clamp(0.0, 1.0);
    lab.iter().map(|c| from_oklab([middle + (c[0] - middle) * spread, c[1], c[2]])).collect()
}

const STEPS: usize = 256;

/// A smooth walk through colours, blended in Oklab and tabulated, so that a pixel costs one look-up.
#[derive(Debug, Clone)]
pub struct Ramp {
    table: Vec<[f32; 3]>,
}

impl Ramp {
    /// The palette of the look from dark (0) to light (1).
    pub fn new(look: &Look) -> Self {
        Self::through(&colours(look))
    }
    /// Through these colours at equal distances; at least one colour.
    pub fn through(colours: &[[f32; 3]]) -> Self {
        let lab: Vec<[f32; 3]> = colours.iter().map(|c| to_oklab(*c)).collect();
        let last = lab.len().saturating_sub(1);
        let table = (0..STEPS)
            .map(|i| {
                let x = i as f32 / (STEPS - 1) as f32 * last as f32;
                let k = (x as usize).min(last.saturating_sub(1));
                let t = x - k as f32;
                from_oklab(mix(lab[k], lab[(k + 1).min(last)], t))
            })
            .collect();
        Self { table }
    }
    /// The colour at `t` (clamped to 0..=1).
    pub fn at(&self, t: f32) -> [f32; 3] {
        self.table[(t.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize]
    }
}
