//! Multi-head attention, one head of one picture a task, forward and backward.

use super::activation::exp;
use super::matrix::{Mat, gemm};
use super::{fresh, reduce, simd};
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
                    let top = reduce::max(row);
                    let inverse = 1.0 / exponentials(row, top);
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
        let lines = (8192 / width.max(1)).max(1);
        fresh::parts(self.n * len * width, lines * width, |i, out| {
            for (line, out) in out.chunks_exact_mut(width).enumerate() {
                let (n, t) = ((i * lines + line) / len, (i * lines + line) % len);
                for (h, part) in out.chunks_exact_mut(self.d).enumerate() {
                    let from = ((n * self.heads + h) * len + t) * self.d;
                    part.copy_from_slice(&split[from..from + self.d]);
                }
            }
        })
    }
}

/// Replaces every value by `e^(value - top)`; returns their sum.
#[inline(always)]
fn exponentials(row: &mut [f32], top: f32) -> f32 {
    for value in row.iter_mut() {
        *value = exp(*value - top);
    }
    reduce::sum_with(
        [row],
        #[inline(always)]
        |[x]| x,
    )
}

/// Queries of a block: with [`KEYS`] keys their scores stay in the second-level cache.
const QUERIES: usize = 128;
/// Keys of a block.
const KEYS: usize = 512;

/// What is known of a block of queries so far.
struct Running {
    /// Scores of the queries and one block of keys.
    scores: Vec<f32>,
    /// Largest score of each query.
    top: Vec<f32>,
    /// Sum of the exponentials of each query, relative to `top`.
    sum: Vec<f32>,
}

/// `softmax(q k^T / sqrt(d)) v` by heads and blocks of queries; blocks of keys are taken one after the other with a running
/// maximum, so no score matrix is ever whole (Dao et al. 2022, arXiv:2205.14135).
pub fn forward(q: &[f32], k: &[f32], v: &[f32], s: &AttentionShape) -> Vec<f32> {
    let size = s.tokens * s.d;
    let mut out = vec![0.0; s.n * s.heads * size];
    let mut blocks: Vec<(usize, usize, &mut [f32])> = Vec::new();
    for (task, head) in out.chunks_exact_mut(size.max(1)).enumerate() {
        blocks.extend(head.chunks_mut(QUERIES * s.d).enumerate().map(|(i, part)| (task, i * QUERIES, part)));
    }
    let scratch = || Running { scores: vec![0.0; QUERIES * KEYS.min(s.others)], top: vec![], sum: vec![] };
    blocks
        .into_par_iter()
        .for_each_init(scratch, |running, (task, first, out)| s.block(q, k, v, task, first, running, out));
    s.merge(&out, s.tokens)
}

impl AttentionShape {
    /// The result of queries `first..` of one head, `out.len() / d` of them; `out` begins as zeros.
    #[allow(clippy::too_many_arguments)]
    fn block(
        &self,
        q: &[f32],
        k: &[f32],
        v: &[f32],
        task: usize,
        first: usize,
        running: &mut Running,
        out: &mut [f32],
    ) {
        let rows = out.len() / self.d;
        let q = self.head(q, task, self.tokens).rows_from(first, rows);
        let (k, v) = (self.head(k, task, self.others), self.head(v, task, self.others));
        let Running { scores, top, sum } = running;
        top.clear();
        top.resize(rows, f32::NEG_INFINITY);
        sum.clear();
        sum.resize(rows, 0.0);
        // Keys after the last query of the block are hidden from all of it.
        let seen = if self.causal { (first + rows).min(self.others) } else { self.others };
        for from in (0..seen).step_by(KEYS) {
            let cols = KEYS.min(seen - from);
            let scores = &mut scores[..rows * cols];
            gemm(scores, q, k.rows_from(from, cols).t(), self.scale(), false, false);
            simd(
                #[inline(always)]
                || {
                    for (t, row) in scores.chunks_exact_mut(cols).enumerate() {
                        let visible = if self.causal { (first + t + 1).saturating_sub(from).min(cols) } else { cols };
                        let (row, hidden) = row.split_at_mut(visible);
                        hidden.fill(0.0);
                        if row.is_empty() {
                            continue;
                        }
                        let peak = reduce::max(row).max(top[t]);
                        let added = exponentials(row, peak);
                        if peak > top[t] {
                            let shrink = if top[t] == f32::NEG_INFINITY { 0.0 } else { exp(top[t] - peak) };
                            sum[t] *= shrink;
                            out[t * self.d..(t + 1) * self.d].iter_mut().for_each(|value| *value *= shrink);
                            top[t] = peak;
                        }
                        sum[t] += added;
                    }
                },
            );
            gemm(out, Mat::new(scores, rows, cols), v.rows_from(from, cols), 1.0, from > 0, false);
        }
        for (row, sum) in out.chunks_exact_mut(self.d).zip(sum.iter()) {
            let inverse = 1.0 / sum;
            row.iter_mut().for_each(|value| *value *= inverse);
        }
    }
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
                        let dot = reduce::sum_with(
                            [p, dp],
                            #[inline(always)]
                            |[p, dp]| p * dp,
                        );
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
