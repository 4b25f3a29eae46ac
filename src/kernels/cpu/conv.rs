//! Channels-last convolution as im2col + matrix product, forward and backward; 3x3 by Winograd where that wins.

use super::matrix::{Mat, add_bias, gemm, lay, product_with, transpose};
use super::spare::Buffer;
use super::{direct, fresh, half, winograd};
use rayon::prelude::*;

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvShape {
    /// Batch.
    pub n: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Input channels.
    pub cin: usize,
    /// Kernel height.
    pub kh: usize,
    /// Kernel width.
    pub kw: usize,
    /// Output channels.
    pub cout: usize,
    /// Step, both axes.
    pub stride: usize,
    /// Zeros before and after, both axes.
    pub padding: (usize, usize),
}

/// Largest im2col buffer that is laid out whole, in elements; larger ones go through tiles.
const WHOLE: usize = 6 << 20;
/// Elements of one tile: fits the second-level cache together with its result.
const TILE: usize = 96 << 10;

/// Fewest channels whose products gain by 16 bits.
const FEWEST_IN_HALF: usize = 24;

impl ConvShape {
    /// Output height and width.
    pub fn out(&self) -> (usize, usize) {
        let pad = self.padding.0 + self.padding.1;
        ((self.h + pad - self.kh) / self.stride + 1, (self.w + pad - self.kw) / self.stride + 1)
    }
    fn k(&self) -> usize {
        self.kh * self.kw * self.cin
    }
    fn rows(&self) -> usize {
        let (ho, wo) = self.out();
        self.n * ho * wo
    }
    fn pointwise(&self) -> bool {
        self.kh == 1 && self.kw == 1 && self.stride == 1 && self.padding == (0, 0)
    }
    /// Whether the products round their factors to 16 bits: in training, on a processor that gains by it, where laying them out does
    /// not cost more.
    fn half(&self) -> bool {
        self.k().is_multiple_of(2) && self.cin.min(self.cout) >= FEWEST_IN_HALF && half::wanted()
    }
    /// Output pixels in one tile.
    fn tile_rows(&self) -> usize {
        let fair = self.rows().div_ceil(rayon::current_num_threads());
        (TILE / self.k()).max(64).min(fair).max(1)
    }
}

/// Lays out the receptive fields of output pixels `first..first + rows` as rows of `kh * kw * cin`.
fn im2col<T: Copy + Default>(x: &[T], s: &ConvShape, first: usize, cols: &mut [T]) {
    let (ho, wo) = s.out();
    let k = s.k();
    let line = s.kw * s.cin;
    for (i, row) in cols.chunks_exact_mut(k).enumerate() {
        let pixel = first + i;
        let (n, oy, ox) = (pixel / (ho * wo), pixel / wo % ho, pixel % wo);
        let left = (ox * s.stride) as isize - s.padding.0 as isize;
        let top = (oy * s.stride) as isize - s.padding.0 as isize;
        // Taps of one kernel line lie side by side in memory: one copy, less what the border cuts off.
        let from = left.max(0) as usize;
        let to = (left + s.kw as isize).clamp(0, s.w as isize) as usize;
        let skip = (from as isize - left) as usize * s.cin;
        let len = to.saturating_sub(from) * s.cin;
        for (ky, dst) in row.chunks_exact_mut(line).enumerate() {
            let y = top + ky as isize;
            if y < 0 || y >= s.h as isize || len == 0 {
                dst.fill(T::default());
                continue;
            }
            let src = ((n * s.h + y as usize) * s.w + from) * s.cin;
            dst[..skip.min(line)].fill(T::default());
            dst[skip..skip + len].copy_from_slice(&x[src..src + len]);
            dst[skip + len..].fill(T::default());
        }
    }
}

/// All receptive fields, filled in parallel.
fn im2col_whole(x: &[f32], s: &ConvShape) -> Buffer<f32> {
    let (k, rows) = (s.k(), s.rows());
    let mut cols = Buffer::new(rows * k);
    let step = rows.div_ceil(4 * rayon::current_num_threads()).max(1);
    cols.par_chunks_mut(step * k).enumerate().for_each(|(i, c)| im2col(x, s, i * step, c));
    cols
}

/// `x`: `[n, h, w, cin]`, `weight`: `[kh, kw, cin, cout]`, `bias`: `[cout]`. Returns `[n, ho, wo, cout]`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    // Elsewhere than in training, transformed weights are kept: see `kept`.
    if half::allowed() && winograd::wins(s) {
        return winograd::forward(x, weight, bias, s);
    }
    if direct::wins(s) {
        return direct::forward(x, weight, bias, s);
    }
    let w = Mat::new(weight, s.k(), s.cout);
    if !s.half() {
        return forward_f32(x, w, bias, s);
    }
    let x = half::narrow_all(x);
    let mut y = half::product_of_rows(s.rows(), s.k(), w, |first, lines| im2col(&x, s, first, lines));
    if let Some(bias) = bias {
        add_bias(&mut y, bias);
    }
    y
}

/// [`forward`] with factors as they are.
fn forward_f32(x: &[f32], w: Mat, bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    let (rows, k) = (s.rows(), s.k());
    if s.pointwise() {
        return product_with(Mat::new(x, rows, k), w, bias);
    }
    if rows * k <= WHOLE && rows <= 4096 {
        let cols = im2col_whole(x, s);
        return product_with(Mat::new(&cols, rows, k), w, bias);
    }
    let tile = s.tile_rows();
    fresh::parts(rows * s.cout, tile * s.cout, |i, out| {
        let n = out.len() / s.cout;
        let mut cols = Buffer::new(n * k);
        im2col(x, s, i * tile, &mut cols);
        lay(bias, out);
        gemm(out, Mat::new(&cols, n, k), w, 1.0, true, false);
    })
}

/// Gradients with respect to `x` and to the weight, each when it is wanted.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    s: &ConvShape,
    (want_x, want_weight): (bool, bool),
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    if winograd::wins_back(s) {
        return winograd::backward(x, weight, dy, s, (want_x, want_weight));
    }
    (want_x.then(|| backward_x(dy, weight, s)), want_weight.then(|| backward_weight(x, dy, s)))
}

/// Gradient with respect to `x`.
fn backward_x(dy: &[f32], weight: &[f32], s: &ConvShape) -> Vec<f32> {
    let (rows, k) = (s.rows(), s.k());
    if s.pointwise() {
        let mut dx = vec![0.0; rows * k];
        gemm(&mut dx, Mat::new(dy, rows, s.cout), Mat::new(weight, k, s.cout).t(), 1.0, false, true);
        return dx;
    }
    let (ho, wo) = s.out();
    if s.stride == 1 && s.kh > s.padding.0 && s.kw == s.kh && s.kh > s.padding.1 {
        // The gradient is a convolution of `dy` with the kernel turned round.
        let turned = turn(weight, s);
        let back = ConvShape {
            n: s.n,
            h: ho,
            w: wo,
            cin: s.cout,
            kh: s.kh,
            kw: s.kw,
            cout: s.cin,
            stride: 1,
            padding: (s.kh - 1 - s.padding.0, s.kh - 1 - s.padding.1),
        };
        return forward(dy, &turned, None, &back);
    }
    let image = s.h * s.w * s.cin;
    let mut dx = vec![0.0; s.n * image];
    let line = s.kw * s.cin;
    dx.par_chunks_mut(image).enumerate().for_each_init(
        || vec![0.0f32; ho * wo * k],
        |cols, (n, dx)| {
            let dy = &dy[n * ho * wo * s.cout..(n + 1) * ho * wo * s.cout];
            gemm(cols, Mat::new(dy, ho * wo, s.cout), Mat::new(weight, k, s.cout).t(), 1.0, false, false);
            for (pixel, row) in cols.chunks_exact(k).enumerate() {
                let (oy, ox) = (pixel / wo, pixel % wo);
                let left = (ox * s.stride) as isize - s.padding.0 as isize;
                let top = (oy * s.stride) as isize - s.padding.0 as isize;
                let from = left.max(0) as usize;
                let to = (left + s.kw as isize).clamp(0, s.w as isize) as usize;
                if to <= from {
                    continue;
                }
                let skip = (from as isize - left) as usize * s.cin;
                let len = (to - from) * s.cin;
                for (ky, src) in row.chunks_exact(line).enumerate() {
                    let y = top + ky as isize;
                    if y >= 0 && y < s.h as isize {
                        let at = (y as usize * s.w + from) * s.cin;
                        for (d, v) in dx[at..at + len].iter_mut().zip(&src[skip..skip + len]) {
                            *d += v;
                        }
                    }
                }
            }
        },
    );
    dx
}

/// `[kh, kw, cin, cout]` rotated by half a turn and transposed to `[kh, kw, cout, cin]`.
fn turn(weight: &[f32], s: &ConvShape) -> Vec<f32> {
    let plane = s.cin * s.cout;
    let taps = s.kh * s.kw;
    let mut turned = vec![0.0; weight.len()];
    turned.par_chunks_mut(plane).enumerate().for_each(|(tap, dst)| {
        let src = &weight[(taps - 1 - tap) * plane..(taps - tap) * plane];
        for (co, row) in dst.chunks_exact_mut(s.cin).enumerate() {
            for (ci, d) in row.iter_mut().enumerate() {
                *d = src[ci * s.cout + co];
            }
        }
    });
    turned
}

/// Gradient with respect to the weight, `[kh, kw, cin, cout]`.
fn backward_weight(x: &[f32], dy: &[f32], s: &ConvShape) -> Vec<f32> {
    let (rows, k) = (s.rows(), s.k());
    if s.half() {
        let x = half::narrow_all(x);
        let fill = |first: usize, lines: &mut [u16]| im2col(&x, s, first, lines);
        return transpose(&half::product_with_rows(Mat::new(dy, rows, s.cout), k, fill), s.cout, k);
    }
    let mut dw = vec![0.0; k * s.cout];
    if s.pointwise() {
        gemm(&mut dw, Mat::new(x, rows, k).t(), Mat::new(dy, rows, s.cout), 1.0, false, true);
    } else if rows * k <= WHOLE {
        let cols = im2col_whole(x, s);
        gemm(&mut dw, Mat::new(&cols, rows, k).t(), Mat::new(dy, rows, s.cout), 1.0, false, true);
    } else {
        // Each thread sums its own share; the shares are added in a fixed order, so the result does not depend on timing.
        let threads = rayon::current_num_threads();
        let share = rows.div_ceil(threads);
        let tile = (2 * TILE / k).max(64).min(share);
        let parts: Vec<Vec<f32>> = (0..threads)
            .into_par_iter()
            .map(|t| {
                let mut sum = vec![0.0; k * s.cout];
                let mut cols = vec![0.0f32; tile * k];
                let end = ((t + 1) * share).min(rows);
                let mut first = t * share;
                while first < end {
                    let n = tile.min(end - first);
                    im2col(x, s, first, &mut cols[..n * k]);
                    let dy = Mat::new(&dy[first * s.cout..], n, s.cout);
                    gemm(&mut sum, Mat::new(&cols, n, k).t(), dy, 1.0, true, false);
                    first += n;
                }
                sum
            })
            .collect();
        for part in parts {
            dw.iter_mut().zip(&part).for_each(|(a, b)| *a += b);
        }
    }
    dw
}
