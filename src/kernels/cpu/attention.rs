//! Multi-head attention, one head of one picture a task, forward and backward.

use super::activation::exp;
use super::matrix::{Mat, gemm};
use super::simd;
use rayon::prelude::*;

/// Sizes: `n` pictures, `tokens` queries, `others` keys, `heads` heads of `d`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Batch.
    pub n: usize,
    /// Query tokens.
    pub tokens: usize,
    /// Key and value tokens.
    pub others: usize,
    /// Heads.
    pub heads: usize,
    /// Width of a head.
    pub d: usize,
    /// Hide later tokens.
    pub causal: bool,
}

impl AttentionShape {
    fn width(&self) -> usize {
        self.heads * self.d
    }
    fn scale(&self) -> f32 {
        1.0 / (self.d as f32).sqrt()
    }
    /// Head `h` of picture `n` of a `[n, len, heads * d]` tensor.
    fn head<'a>(&self, data: &'a [f32], task: usize, len: usize) -> Mat<'a> {
        let (n, h) = (task / self.heads, task % self.heads);
        Mat::strided(&data[n * len * self.width() + h * self.d..], len, self.d, self.width())
    }
    /// Softmax of the scores of one head, into `p` (`tokens x others`).
    fn probabilities(&self, q: &[f32], k: &[f32], task: usize, p: &mut [f32]) {
        let (q, k) = (self.head(q, task, self.tokens), self.head(k, task, self.others));
        gemm(p, q, k.t(), self.scale(), false, false);
        simd(
            #[inline(always)]
            || {
                for (t, row) in p.chunks_exact_mut(self.others).enumerate() {
                    let seen = if self.causal { (t + 1).min(self.others) } else { self.others };
                    let (row, hidden) = row.split_at_mut(seen);
                    hidden.fill(0.0);
                    let top = row.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
                    for v in row.iter_mut() {
                        *v = exp(*v - top);
                    }
                    let sum: f32 = row.iter().sum();
                    let inverse = 1.0 / sum;
                    for v in row.iter_mut() {
                        *v *= inverse;
                    }
                }
            },
        );
    }
    /// `[n * heads, len, d]` back to `[n, len, heads * d]`.
    fn merge(&self, split: &[f32], len: usize) -> Vec<f32> {
        let width = self.width();
        let mut merged = vec![0.0; self.n * len * width];
        merged.par_chunks_mut(len * width).enumerate().for_each(|(n, out)| {
            for h in 0..self.heads {
                let from = &split[(n * self.heads + h) * len * self.d..];
                for (t, row) in from.chunks_exact(self.d).take(len).enumerate() {
                    out[t * width + h * self.d..][..self.d].copy_from_slice(row);
                }
            }
        });
        merged
    }
}

/// `softmax(q k^T / sqrt(d)) v` by heads.
pub fn forward(q: &[f32], k: &[f32], v: &[f32], s: &AttentionShape) -> Vec<f32> {
    let size = s.tokens * s.d;
    let mut out = vec![0.0; s.n * s.heads * size];
    out.par_chunks_mut(size).enumerate().for_each_init(
        || vec![0.0f32; s.tokens * s.others],
        |p, (task, out)| {
            s.probabilities(q, k, task, p);
            gemm(out, Mat::new(p, s.tokens, s.others), s.head(v, task, s.others), 1.0, false, false);
        },
    );
    s.merge(&out, s.tokens)
}

/// Gradients with respect to `q`, `k` and `v`; the probabilities are computed again instead of kept.
pub fn backward(q: &[f32], k: &[f32], v: &[f32], dy: &[f32], s: &AttentionShape) -> [Vec<f32>; 3] {
    let (sq, sk) = (s.tokens * s.d, s.others * s.d);
    let mut dq = vec![0.0; s.n * s.heads * sq];
    let mut dk = vec![0.0; s.n * s.heads * sk];
    let mut dv = vec![0.0; s.n * s.heads * sk];
    dq.par_chunks_mut(sq).zip(dk.par_chunks_mut(sk)).zip(dv.par_chunks_mut(sk)).enumerate().for_each_init(
        || (vec![0.0f32; s.tokens * s.others], vec![0.0f32; s.tokens * s.others]),
        |(p, dp), (task, ((dq, dk), dv))| {
            s.probabilities(q, k, task, p);
            let dout = s.head(dy, task, s.tokens);
            let probabilities = Mat::new(p, s.tokens, s.others);
            gemm(dv, probabilities.t(), dout, 1.0, false, false);
            gemm(dp, dout, s.head(v, task, s.others).t(), 1.0, false, false);
            simd(
                #[inline(always)]
                || {
                    for (p, dp) in p.chunks_exact(s.others).zip(dp.chunks_exact_mut(s.others)) {
                        let dot: f32 = p.iter().zip(dp.iter()).map(|(a, b)| a * b).sum();
                        for (d, p) in dp.iter_mut().zip(p) {
                            *d = p * (*d - dot);
                        }
                    }
                },
            );
            let ds = Mat::new(dp, s.tokens, s.others);
            gemm(dq, ds, s.head(k, task, s.others), s.scale(), false, false);
            gemm(dk, ds.t(), s.head(q, task, s.tokens), s.scale(), false, false);
        },
    );
    [s.merge(&dq, s.tokens), s.merge(&dk, s.others), s.merge(&dv, s.others)]
}
