//! One pass of an optimiser over a parameter, instead of a dozen tensor operations.

use rayon::prelude::*;

/// Constants of one AdamW step (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the mean gradient.
    pub beta1: f32,
    /// Decay of the mean squared gradient.
    pub beta2: f32,
    /// Guards the division.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first (clipping).
    pub grad_scale: f32,
    /// `1 - beta1^t`.
    pub correction1: f32,
    /// `1 - beta2^t`.
    pub correction2: f32,
    /// Decay of the exponential moving average of the weights.
    pub ema: f32,
}

/// Updates `weight`, its moments and its moving average in place.
pub fn adamw(weight: &mut [f32], grad: &[f32], mean: &mut [f32], square: &mut [f32], average: &mut [f32], c: &AdamW) {
    const CHUNK: usize = 32 << 10;
    weight
        .par_chunks_mut(CHUNK)
        .zip(grad.par_chunks(CHUNK))
        .zip(mean.par_chunks_mut(CHUNK))
        .zip(square.par_chunks_mut(CHUNK))
        .zip(average.par_chunks_mut(CHUNK))
        .for_each(|((((w, g), m), v), a)| {
            super::simd(
                #[inline(always)]
                || {
                    let n = w.len();
                    let (g, m, v, a) = (&g[..n], &mut m[..n], &mut v[..n], &mut a[..n]);
                    for i in 0..n {
                        let grad = g[i] * c.grad_scale;
                        m[i] = c.beta1 * m[i] + (1.0 - c.beta1) * grad;
                        v[i] = c.beta2 * v[i] + (1.0 - c.beta2) * grad * grad;
                        let step = (m[i] / c.correction1) / ((v[i] / c.correction2).sqrt() + c.eps);
                        w[i] -= c.lr * (step + c.weight_decay * w[i]);
                        a[i] = c.ema * a[i] + (1.0 - c.ema) * w[i];
                    }
                },
            )
        });
}

/// Constants of one step of gradient descent with momentum (Polyak 1964), as `torch.optim.SGD` takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// Share of the last velocity that is kept.
    pub momentum: f32,
    /// Added to the gradient, times the weight.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first (clipping).
    pub grad_scale: f32,
    /// Decay of the exponential moving average of the weights.
    pub ema: f32,
}

/// Updates `weight`, its velocity and its moving average in place.
pub fn sgd(weight: &mut [f32], grad: &[f32], velocity: &mut [f32], average: &mut [f32], c: &Sgd) {
    for (((w, g), v), a) in weight.iter_mut().zip(grad).zip(velocity).zip(average) {
        *v = c.momentum * *v + g * c.grad_scale + c.weight_decay * *w;
        *w -= c.lr * *v;
        *a = c.ema * *a + (1.0 - c.ema) * *w;
    }
}

/// Sum of squares.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    x.par_chunks(32 << 10)
        .map(|x| {
            super::simd(
                #[inline(always)]
                || {
                    let mut lanes = [0.0f32; 16];
                    let chunks = x.chunks_exact(16);
                    let tail: f32 = chunks.remainder().iter().map(|v| v * v).sum();
                    for c in chunks {
                        for i in 0..16 {
                            lanes[i] += c[i] * c[i];
                        }
                    }
                    (lanes.iter().sum::<f32>() + tail) as f64
                },
            )
        })
        .collect::<Vec<f64>>()
        .iter()
        .sum()
}
