//! SiLU, GELU and their gradients, written so that the compiler makes vector code of them.

use super::fresh;

/// `e^x` to about 2 units in the last place, without branches or library calls, so that loops over it vectorise. The compiler fuses no
/// product and sum by itself.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low bits
    let x = x.clamp(-87.0, 88.0);
    let t = x.mul_add(std::f32::consts::LOG2_E, SHIFT);
    let n = t - SHIFT;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let p = 1.987_569_1e-4f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 5.000_000_3e-1);
    let y = p.mul_add(r * r, r + 1.0);
    let scale = f32::from_bits((t.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127)) << 23);
    y * scale
}

/// Logistic function.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Error function, Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = ((((1.061_405_4 * t - 1.453_152_1) * t) + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6;
    (1.0 - p * t * exp(-a * a)).copysign(x)
}

/// Which pointwise function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pointwise {
    /// `x * sigmoid(x)`.
    Silu,
    /// Exact GELU.
    Gelu,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
}

#[inline(always)]
fn value(f: Pointwise, x: f32) -> f32 {
    match f {
        Pointwise::Silu => x * sigmoid(x),
        Pointwise::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Pointwise::QuickGelu => x * sigmoid(1.702 * x),
    }
}

#[inline(always)]
fn slope(f: Pointwise, x: f32) -> f32 {
    match f {
        Pointwise::Silu => {
            let s = sigmoid(x);
            s * (1.0 + x * (1.0 - s))
        }
        Pointwise::Gelu => {
            let cdf = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
            cdf + x * 0.398_942_3 * exp(-0.5 * x * x)
        }
        Pointwise::QuickGelu => {
            let s = sigmoid(1.702 * x);
            s * (1.0 + 1.702 * x * (1.0 - s))
        }
    }
}

const CHUNK: usize = 16 << 10;

/// Applies `f` to every element.
pub fn forward(x: &[f32], f: Pointwise) -> Vec<f32> {
    fresh::parts(x.len(), CHUNK, |i, y| {
        let x = &x[i * CHUNK..];
        macro_rules! run {
            ($f:expr) => {
                super::simd(
                    #[inline(always)]
                    || {
                        for (y, x) in y.iter_mut().zip(x) {
                            *y = value($f, *x);
                        }
                    },
                )
            };
        }
        // A constant in each arm lets every loop vectorise.
        match f {
            Pointwise::Silu => run!(Pointwise::Silu),
            Pointwise::Gelu => run!(Pointwise::Gelu),
            Pointwise::QuickGelu => run!(Pointwise::QuickGelu),
        }
    })
}

/// `dy * f'(x)`.
pub fn backward(x: &[f32], dy: &[f32], f: Pointwise) -> Vec<f32> {
    fresh::parts(x.len(), CHUNK, |i, dx| {
        let (x, dy) = (&x[i * CHUNK..], &dy[i * CHUNK..]);
        macro_rules! run {
            ($f:expr) => {
                super::simd(
                    #[inline(always)]
                    || {
                        for ((d, x), g) in dx.iter_mut().zip(x).zip(dy) {
                            *d = g * slope($f, *x);
                        }
                    },
                )
            };
        }
        match f {
            Pointwise::Silu => run!(Pointwise::Silu),
            Pointwise::Gelu => run!(Pointwise::Gelu),
            Pointwise::QuickGelu => run!(Pointwise::QuickGelu),
        }
    })
}
