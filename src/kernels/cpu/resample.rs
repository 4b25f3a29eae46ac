//! Nearest-neighbour enlargement by two and its gradient, channels-last.

use super::fresh;
use rayon::prelude::*;

/// `[rows, w, c]` (rows = batch x height) to `[2 rows, 2 w, c]`.
pub fn upsample2x(x: &[f32], w: usize, c: usize) -> Vec<f32> {
    fresh::parts(x.len() * 4, 4 * w * c, |i, y| {
        let x = &x[i * w * c..];
        let (first, second) = y.split_at_mut(2 * w * c);
        for (dst, src) in first.chunks_exact_mut(2 * c).zip(x.chunks_exact(c)) {
            dst[..c].copy_from_slice(src);
            dst[c..].copy_from_slice(src);
        }
        second.copy_from_slice(first);
    })
}

/// Gradient of [`upsample2x`]: sums each block of four; `w` and `c` are those of the small picture.
pub fn upsample2x_backward(dy: &[f32], w: usize, c: usize) -> Vec<f32> {
    let mut dx = vec![0.0; dy.len() / 4];
    dx.par_chunks_mut(w * c).zip(dy.par_chunks(4 * w * c)).for_each(|(dx, dy)| {
        let (first, second) = dy.split_at(2 * w * c);
        for ((d, a), b) in dx.chunks_exact_mut(c).zip(first.chunks_exact(2 * c)).zip(second.chunks_exact(2 * c)) {
            for i in 0..c {
                d[i] = a[i] + a[c + i] + b[i] + b[c + i];
            }
        }
    });
    dx
}
