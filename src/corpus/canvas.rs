//! A picture under the brush, and the look that every family must obey.

/// A picture being painted: sRGB-encoded, 0..=1, rows from the top.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height` pixels.
    pub rgb: Vec<[f32; 3]>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, colour: [f32; 3]) -> Self {
        Self { width, height, rgb: vec![colour; width * height] }
    }
}

/// What a family is asked for; each value is 0..=1 and every family must visibly obey each of them.
#[derive(Debug, Clone)]
pub struct Look {
    /// 3 to 7 sRGB colours from dark to light.
    pub palette: Vec<[f32; 3]>,
    /// 0 = sparse, 1 = busy.
    pub density: f32,
    /// 0 = free, 1 = mirror-symmetric or strictly periodic.
    pub symmetry: f32,
    /// 0 = fine marks, 1 = few large marks (relative to the picture, never in pixels).
    pub scale: f32,
    /// 0 = tones close together, 1 = full range from the darkest to the lightest colour.
    pub contrast: f32,
}
