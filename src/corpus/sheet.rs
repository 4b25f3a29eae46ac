//! Contact sheets: many pictures on one.

use super::scene::Painter;
use rayon::prelude::*;

/// RGB8 pictures of `side` by `side` pixels in a grid of `columns`, with a gap between them. Returns the sheet, its width and
/// its height.
pub fn grid(pictures: &[Vec<u8>], side: usize, columns: usize) -> (Vec<u8>, usize, usize) {
    let gap = (side / 24).max(2);
    let rows = pictures.len().div_ceil(columns.max(1));
    let (width, height) = (columns * (side + gap) + gap, rows * (side + gap) + gap);
    let mut sheet = vec![18u8; width * height * 3];
    for (i, picture) in pictures.iter().enumerate() {
        let (left, top) = (gap + i % columns * (side + gap), gap + i / columns * (side + gap));
        for (y, row) in picture.chunks_exact(side * 3).take(side).enumerate() {
            let at = ((top + y) * width + left) * 3;
            sheet[at..at + side * 3].copy_from_slice(row);
        }
    }
    (sheet, width, height)
}

/// The scenes of `columns * rows` seeds from `seed` on, painted in parallel.
pub fn contact_sheet(
    painter: &Painter,
    seed: u64,
    columns: usize,
    rows: usize,
    side: usize,
) -> (Vec<u8>, usize, usize) {
    let pictures: Vec<Vec<u8>> =
        (0..columns * rows).into_par_iter().map(|i| painter.paint(seed + i as u64, side).rgb).collect();
    grid(&pictures, side, columns)
}
