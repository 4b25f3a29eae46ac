//! GroupNorm (with SiLU fused) and LayerNorm on channels-last data, forward and backward.

use super::activation::sigmoid;
use super::fresh;
use super::reduce::sum_with;
use super::simd;
use rayon::prelude::*;

/// Sizes of one normalisation: `n` pictures of `pixels` rows of `channels`, in `groups`. LayerNorm is `pixels = 1, groups = 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormShape {
    /// Batch.
    pub n: usize,
    /// Pixels a picture.
    pub pixels: usize,
    /// Channels a pixel.
    pub channels: usize,
    /// Groups of channels.
    pub groups: usize,
    /// SiLU after it.
    pub silu: bool,
}

/// Numbers that are normalised at a time, about: they stay in the first-level cache.
const PART: usize = 8192;

/// Rows that are summed in f32 before the sum moves to f64.
const RUN: usize = 128;

/// Sums over `rows` of `a` and `b`, per channel; `f` maps one row's values.
#[inline(always)]
fn channel_sums(
    rows: usize,
    channels: usize,
    mut f: impl FnMut(usize, &mut [f32], &mut [f32]),
) -> (Vec<f64>, Vec<f64>) {
    let (mut a, mut b) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    let (mut ra, mut rb) = (vec![0.0f32; channels], vec![0.0f32; channels]);
    let mut row = 0;
    while row < rows {
        let end = (row + RUN).min(rows);
        ra.fill(0.0);
        rb.fill(0.0);
        while row < end {
            f(row, &mut ra, &mut rb);
            row += 1;
        }
        for c in 0..channels {
            a[c] += ra[c] as f64;
            b[c] += rb[c] as f64;
        }
    }
    (a, b)
}

/// How many pixels are taken as one wide row: vector loops over a handful of channels would be all remainder.
fn folded(s: &NormShape) -> usize {
    let mut k = 1;
    while k * s.channels < 256 && s.pixels.is_multiple_of(2 * k) {
        k *= 2;
    }
    k
}

/// Adds the sums of all pixels of a wide row up in the first `c` places.
fn fold(sums: &mut [f64], c: usize) {
    let (first, rest) = sums.split_at_mut(c);
    rest.chunks_exact(c).for_each(|more| first.iter_mut().zip(more).for_each(|(a, b)| *a += b));
}

/// Repeats the first `c` values over a wide row.
fn spread(values: &mut [f32], c: usize) {
    let (first, rest) = values.split_at_mut(c);
    rest.chunks_exact_mut(c).for_each(|more| more.copy_from_slice(first));
}

/// Elements of a picture that are summed in one piece. It does not depend on the number of threads, so neither do the sums.
const PIECE: usize = 64 << 10;

/// Sums and sums of squares of the columns of wide rows.
#[inline(always)]
fn squares(x: &[f32], wide: usize) -> (Vec<f64>, Vec<f64>) {
    channel_sums(
        x.len() / wide,
        wide,
        #[inline(always)]
        |row, a, b| {
            let x = &x[row * wide..row * wide + wide];
            let (a, b) = (&mut a[..wide], &mut b[..wide]);
            for i in 0..wide {
                a[i] += x[i];
                b[i] += x[i] * x[i];
            }
        },
    )
}

/// Mean and reciprocal deviation of every group of one picture, spread over the channels of a wide row. The pieces of a large
/// picture are shared between the threads.
fn statistics(x: &[f32], s: &NormShape, eps: f64, mean: &mut [f32], rstd: &mut [f32]) {
    let (c, wide) = (s.channels, mean.len());
    let size = c / s.groups;
    let of = |piece: &[f32]| {
        simd(
            #[inline(always)]
            || squares(piece, wide),
        )
    };
    let piece = wide * (PIECE / wide).max(1);
    let (mut sum, mut square) = if x.len() <= piece {
        of(x)
    } else {
        let pieces: Vec<_> = x.par_chunks(piece).map(of).collect();
        let mut total = (vec![0.0; wide], vec![0.0; wide]);
        for (sum, square) in pieces {
            total.0.iter_mut().zip(sum).for_each(|(a, b)| *a += b);
            total.1.iter_mut().zip(square).for_each(|(a, b)| *a += b);
        }
        total
    };
    fold(&mut sum, c);
    fold(&mut square, c);
    for g in 0..s.groups {
        let range = g * size..(g + 1) * size;
        let count = (size * s.pixels) as f64;
        let m = sum[range.clone()].iter().sum::<f64>() / count;
        let var = (square[range.clone()].iter().sum::<f64>() / count - m * m).max(0.0);
        mean[range.clone()].fill(m as f32);
        rstd[range].fill((1.0 / (var + eps).sqrt()) as f32);
    }
    spread(mean, c);
    spread(rstd, c);
}

/// Normalises `x`; `gamma` and `beta` hold one value a channel.
pub fn forward(x: &[f32], gamma: &[f32], beta: &[f32], eps: f64, s: &NormShape) -> Vec<f32> {
    let c = s.channels;
    let image = s.pixels * c;
    let wide = folded(s) * c;
    // `x * scale + shift` for each channel of a picture, as often as a line of work holds channels.
    let scales = |x: &[f32], shift: &mut [f32], scale: &mut [f32]| {
        statistics(x, s, eps, shift, scale);
        for i in 0..c {
            scale[i] *= gamma[i];
            shift[i] = beta[i] - shift[i] * scale[i];
        }
        spread(shift, c);
        spread(scale, c);
    };
    let apply = |x: &[f32], y: &mut [f32], shift: &[f32], scale: &[f32]| {
        simd(
            #[inline(always)]
            || {
                let (scale, shift) = (&scale[..wide], &shift[..wide]);
                for (x, y) in x.chunks_exact(wide).zip(y.chunks_exact_mut(wide)) {
                    if s.silu {
                        for i in 0..wide {
                            let z = x[i] * scale[i] + shift[i];
                            y[i] = z * sigmoid(z);
                        }
                    } else {
                        for i in 0..wide {
                            y[i] = x[i] * scale[i] + shift[i];
                        }
                    }
                }
            },
        )
    };
    if s.n < 2 * rayon::current_num_threads() && image > 1 << 16 {
        let of = |x: &[f32]| {
            let (mut shift, mut scale) = (vec![0.0f32; wide], vec![0.0f32; wide]);
            scales(x, &mut shift, &mut scale);
            (shift, scale)
        };
        let known: Vec<(Vec<f32>, Vec<f32>)> = x.par_chunks(image).map(of).collect();
        // The same number of parts in each picture, none across two.
        let each = image.div_ceil(PART / wide * wide);
        let part = (image / wide).div_ceil(each) * wide;
        let lengths = (0..s.n * each).map(|i| part.min(image - (i % each * part).min(image)));
        return fresh::uneven(lengths, |i, y| {
            let first = i / each * image + i % each * part;
            let (shift, scale) = &known[i / each];
            apply(&x[first.min(x.len())..], y, shift, scale);
        });
    }
    let batch = (8192 / image).max(1);
    fresh::parts(x.len(), image * batch, |i, y| {
        let (mut shift, mut scale) = (vec![0.0f32; wide], vec![0.0f32; wide]);
        for (x, y) in x[i * image * batch..].chunks_exact(image).zip(y.chunks_exact_mut(image)) {
            scales(x, &mut shift, &mut scale);
            apply(x, y, &shift, &scale);
        }
    })
}

/// Gradients with respect to `x`, `gamma` and `beta`.
pub fn backward(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    dy: &[f32],
    eps: f64,
    s: &NormShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let c = s.channels;
    let size = c / s.groups;
    let image = s.pixels * c;
    let wide = folded(s) * c;
    let repeated = |values: &[f32]| values.repeat(wide / c);
    let (gamma, beta) = (&repeated(gamma)[..], &repeated(beta)[..]);
    let mut dx = vec![0.0; x.len()];
    let batch = (s.n.div_ceil(4 * rayon::current_num_threads())).max(1);
    let sums: Vec<(Vec<f64>, Vec<f64>)> = x
        .par_chunks(image * batch)
        .zip(dy.par_chunks(image * batch))
        .zip(dx.par_chunks_mut(image * batch))
        .map(|((x, dy), dx)| {
            let mut total = (vec![0.0f64; c], vec![0.0f64; c]);
            let (mut mean, mut rstd) = (vec![0.0f32; wide], vec![0.0f32; wide]);
            let (mut ka, mut kb) = (vec![0.0f32; wide], vec![0.0f32; wide]);
            for ((x, dy), dx) in x.chunks_exact(image).zip(dy.chunks_exact(image)).zip(dx.chunks_exact_mut(image)) {
                statistics(x, s, eps, &mut mean, &mut rstd);
                simd(
                    #[inline(always)]
                    || {
                        // dz goes through `dx`, so that the sigmoid is computed once.
                        let (mean, rstd, gamma, beta) = (&mean[..wide], &rstd[..wide], &gamma[..wide], &beta[..wide]);
                        let (mut dbeta, mut dgamma) = channel_sums(
                            s.pixels * c / wide,
                            wide,
                            #[inline(always)]
                            |row, a, b| {
                                let at = row * wide..row * wide + wide;
                                let (x, dy, dz) = (&x[at.clone()], &dy[at.clone()], &mut dx[at]);
                                let (a, b) = (&mut a[..wide], &mut b[..wide]);
                                for i in 0..wide {
                                    let hat = (x[i] - mean[i]) * rstd[i];
                                    let mut g = dy[i];
                                    if s.silu {
                                        let z = hat * gamma[i] + beta[i];
                                        let q = sigmoid(z);
                                        g *= q * (1.0 + z * (1.0 - q));
                                    }
                                    dz[i] = g;
                                    a[i] += g;
                                    b[i] += g * hat;
                                }
                            },
                        );
                        fold(&mut dbeta, c);
                        fold(&mut dgamma, c);
                        let (ka, kb) = (&mut ka[..wide], &mut kb[..wide]);
                        for g in 0..s.groups {
                            let count = (size * s.pixels) as f64;
                            let (mut ma, mut mb) = (0.0f64, 0.0f64);
                            for i in g * size..(g + 1) * size {
                                ma += dbeta[i] * gamma[i] as f64;
                                mb += dgamma[i] * gamma[i] as f64;
                            }
                            ka[g * size..(g + 1) * size].fill((ma / count) as f32);
                            kb[g * size..(g + 1) * size].fill((mb / count) as f32);
                        }
                        spread(ka, c);
                        spread(kb, c);
                        for (x, dx) in x.chunks_exact(wide).zip(dx.chunks_exact_mut(wide)) {
                            for i in 0..wide {
                                let hat = (x[i] - mean[i]) * rstd[i];
                                dx[i] = rstd[i] * (gamma[i] * dx[i] - ka[i] - hat * kb[i]);
                            }
                        }
                        for i in 0..c {
                            total.0[i] += dgamma[i];
                            total.1[i] += dbeta[i];
                        }
                    },
                );
            }
            total
        })
        .collect();
    let (mut dgamma, mut dbeta) = (vec![0.0f64; c], vec![0.0f64; c]);
    for (g, b) in sums {
        dgamma.iter_mut().zip(g).for_each(|(a, v)| *a += v);
        dbeta.iter_mut().zip(b).for_each(|(a, v)| *a += v);
    }
    let narrow = |v: Vec<f64>| v.into_iter().map(|x| x as f32).collect();
    (dx, narrow(dgamma), narrow(dbeta))
}

#[inline(always)]
fn row_statistics(x: &[f32], eps: f64) -> (f32, f32) {
    let c = x.len();
    let mean = sum_with(
        [x],
        #[inline(always)]
        |[x]| x,
    ) / c as f32;
    let var = sum_with(
        [x],
        #[inline(always)]
        |[x]| (x - mean) * (x - mean),
    ) / c as f32;
    (mean, 1.0 / (var + eps as f32).sqrt())
}

/// Layer normalisation of every row of `gamma.len()` values.
pub fn layer_forward(x: &[f32], gamma: &[f32], beta: &[f32], eps: f64) -> Vec<f32> {
    let c = gamma.len();
    let part = c * (8192 / c).max(1);
    fresh::parts(x.len(), part, |i, y| {
        let x = &x[i * part..];
        simd(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)) {
                    let (mean, rstd) = row_statistics(x, eps);
                    for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                        *y = (x - mean) * rstd * gamma + beta;
                    }
                }
            },
        )
    })
}

/// Gradients of [`layer_forward`] with respect to `x`, `gamma` and `beta`.
pub fn layer_backward(x: &[f32], gamma: &[f32], dy: &[f32], eps: f64) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let c = gamma.len();
    let mut dx = vec![0.0; x.len()];
    let part = c * (x.len() / c).div_ceil(4 * rayon::current_num_threads()).max(1);
    let sums: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(part)
        .zip(dy.par_chunks(part))
        .zip(dx.par_chunks_mut(part))
        .map(|((x, dy), dx)| {
            let (mut dgamma, mut dbeta) = (vec![0.0f32; c], vec![0.0f32; c]);
            simd(
                #[inline(always)]
                || {
                    for ((x, dy), dx) in x.chunks_exact(c).zip(dy.chunks_exact(c)).zip(dx.chunks_exact_mut(c)) {
                        let (mean, rstd) = row_statistics(x, eps);
                        let a = sum_with(
                            [dy, gamma],
                            #[inline(always)]
                            |[dy, gamma]| dy * gamma,
                        ) / c as f32;
                        let b = sum_with(
                            [dy, gamma, x],
                            #[inline(always)]
                            |[dy, gamma, x]| dy * gamma * (x - mean),
                        ) * rstd
                            / c as f32;
                        let (x, dy, dx, gamma) = (&x[..c], &dy[..c], &mut dx[..c], &gamma[..c]);
                        let (dgamma, dbeta) = (&mut dgamma[..c], &mut dbeta[..c]);
                        for i in 0..c {
                            let hat = (x[i] - mean) * rstd;
                            dx[i] = rstd * (dy[i] * gamma[i] - a - hat * b);
                            dgamma[i] += dy[i] * hat;
                            dbeta[i] += dy[i];
                        }
                    }
                },
            );
            (dgamma, dbeta)
        })
        .collect();
    let (mut dgamma, mut dbeta) = (vec![0.0f32; c], vec![0.0f32; c]);
    for (g, b) in sums {
        dgamma.iter_mut().zip(g).for_each(|(a, v)| *a += v);
        dbeta.iter_mut().zip(b).for_each(|(a, v)| *a += v);
    }
    (dx, dgamma, dbeta)
}
