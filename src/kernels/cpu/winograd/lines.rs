//! The transforms along one line of a tile and their adjoints, each number of which is a register of channels.
//!
//! Written with registers by name: left to itself, the compiler gathers and scatters across tiles where there is AVX-512.

use pulp::Simd;

/// Numbers from a slice, zeros behind its end.
#[inline(always)]
pub fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(whole) => *whole,
        None => simd.partial_load_f32s(from),
    }
}

/// Numbers into a slice, as many as it holds.
#[inline(always)]
pub fn store<S: Simd>(simd: S, numbers: S::f32s, to: &mut [f32]) {
    match S::as_mut_simd_f32s(to).0.first_mut() {
        Some(whole) => *whole = numbers,
        None => simd.partial_store_f32s(to, numbers),
    }
}

#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, numbers: S::f32s) -> S::f32s {
    if factor == 1.0 { numbers } else { simd.mul_f32s(simd.splat_f32s(factor), numbers) }
}

#[inline(always)]
fn plus<S: Simd>(simd: S, sum: S::f32s, factor: f32, numbers: S::f32s) -> S::f32s {
    if factor == 1.0 {
        simd.add_f32s(sum, numbers)
    } else if factor == -1.0 {
        simd.sub_f32s(sum, numbers)
    } else {
        simd.mul_add_e_f32s(simd.splat_f32s(factor), numbers, sum)
    }
}

/// Sums `factor * numbers` over the given terms; factors are constants, so that the compiler chooses among the cases above.
macro_rules! sum {
    ($simd:ident: $first:literal * $numbers:expr $(, $factors:literal * $others:expr)*) => {{
        let sum = times($simd, $first, $numbers);
        $(let sum = plus($simd, sum, $factors, $others);)*
        sum
    }};
}

/// `B^T d`: a line of inputs, four for two outputs or six for four.
#[inline(always)]
pub fn input<S: Simd, const SIDE: usize>(simd: S, d: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    let mut line = d;
    if SIDE == 4 {
        line[0] = simd.sub_f32s(d[0], d[2]);
        line[1] = simd.add_f32s(d[1], d[2]);
        line[2] = simd.sub_f32s(d[2], d[1]);
        line[3] = simd.sub_f32s(d[1], d[3]);
    } else {
        line.copy_from_slice(&six_inputs(simd, [d[0], d[1], d[2], d[3], d[4], d[5]]));
    }
    line
}

#[inline(always)]
fn six_inputs<S: Simd>(simd: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    [
        sum!(simd: 4.0 * d[0], -5.0 * d[2], 1.0 * d[4]),
        sum!(simd: -4.0 * d[1], -4.0 * d[2], 1.0 * d[3], 1.0 * d[4]),
        sum!(simd: 4.0 * d[1], -4.0 * d[2], -1.0 * d[3], 1.0 * d[4]),
        sum!(simd: -2.0 * d[1], -1.0 * d[2], 2.0 * d[3], 1.0 * d[4]),
        sum!(simd: 2.0 * d[1], -1.0 * d[2], -2.0 * d[3], 1.0 * d[4]),
        sum!(simd: 4.0 * d[1], -5.0 * d[3], 1.0 * d[5]),
    ]
}

/// `B v`: the adjoint of [`input`], of six.
#[inline(always)]
pub fn input_back<S: Simd>(simd: S, v: [S::f32s; 6]) -> [S::f32s; 6] {
    [
        sum!(simd: 4.0 * v[0]),
        sum!(simd: -4.0 * v[1], 4.0 * v[2], -2.0 * v[3], 2.0 * v[4], 4.0 * v[5]),
        sum!(simd: -5.0 * v[0], -4.0 * v[1], -4.0 * v[2], -1.0 * v[3], -1.0 * v[4]),
        sum!(simd: 1.0 * v[1], -1.0 * v[2], 2.0 * v[3], -2.0 * v[4], -5.0 * v[5]),
        sum!(simd: 1.0 * v[0], 1.0 * v[1], 1.0 * v[2], 1.0 * v[3], 1.0 * v[4]),
        v[5],
    ]
}

/// `A^T m`: a line of outputs, two of four products or four of six.
#[inline(always)]
pub fn output<S: Simd, const OUT: usize, const SIDE: usize>(simd: S, m: [S::f32s; SIDE]) -> [S::f32s; OUT] {
    let mut line = [m[0]; OUT];
    if SIDE == 4 {
        line[0] = sum!(simd: 1.0 * m[0], 1.0 * m[1], 1.0 * m[2]);
        line[1] = sum!(simd: 1.0 * m[1], -1.0 * m[2], -1.0 * m[3]);
    } else {
        line.copy_from_slice(&four_outputs(simd, [m[0], m[1], m[2], m[3], m[4], m[5]]));
    }
    line
}

#[inline(always)]
fn four_outputs<S: Simd>(simd: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    [
        sum!(simd: 1.0 * m[0], 1.0 * m[1], 1.0 * m[2], 1.0 * m[3], 1.0 * m[4]),
        sum!(simd: 1.0 * m[1], -1.0 * m[2], 2.0 * m[3], -2.0 * m[4]),
        sum!(simd: 1.0 * m[1], 1.0 * m[2], 4.0 * m[3], 4.0 * m[4]),
        sum!(simd: 1.0 * m[1], -1.0 * m[2], 8.0 * m[3], -8.0 * m[4], 1.0 * m[5]),
    ]
}

/// `A y`: the adjoint of [`output`], of four.
#[inline(always)]
pub fn output_back<S: Simd>(simd: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
    [
        y[0],
        sum!(simd: 1.0 * y[0], 1.0 * y[1], 1.0 * y[2], 1.0 * y[3]),
        sum!(simd: 1.0 * y[0], -1.0 * y[1], 1.0 * y[2], -1.0 * y[3]),
        sum!(simd: 1.0 * y[0], 2.0 * y[1], 4.0 * y[2], 8.0 * y[3]),
        sum!(simd: 1.0 * y[0], -2.0 * y[1], 4.0 * y[2], -8.0 * y[3]),
        y[3],
    ]
}

/// `G w`: a line of three weights, at four points or six.
#[inline(always)]
pub fn weight<S: Simd, const SIDE: usize>(simd: S, w: [S::f32s; 3]) -> [S::f32s; SIDE] {
    let mut line = [w[0]; SIDE];
    if SIDE == 4 {
        let ends = simd.add_f32s(w[0], w[2]);
        line[1] = times(simd, 0.5, simd.add_f32s(ends, w[1]));
        line[2] = times(simd, 0.5, simd.sub_f32s(ends, w[1]));
        line[3] = w[2];
    } else {
        line.copy_from_slice(&six_weights(simd, w));
    }
    line
}

#[inline(always)]
fn six_weights<S: Simd>(simd: S, w: [S::f32s; 3]) -> [S::f32s; 6] {
    const SIXTH: f32 = 1.0 / 6.0;
    let ends = simd.add_f32s(w[0], w[2]);
    let (even, odd) = (times(simd, -SIXTH, ends), times(simd, -SIXTH, w[1]));
    let even4 = plus(simd, times(simd, SIXTH, w[2]), SIXTH * 0.25, w[0]);
    let odd4 = times(simd, SIXTH * 0.5, w[1]);
    [
        times(simd, 0.25, w[0]),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(even4, odd4),
        simd.sub_f32s(even4, odd4),
        w[2],
    ]
}

/// `G^T u`: the adjoint of [`weight`], at six points.
#[inline(always)]
pub fn weight_back<S: Simd>(simd: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
    const SIXTH: f32 = 1.0 / 6.0;
    let (both, less) = (simd.add_f32s(u[1], u[2]), simd.sub_f32s(u[2], u[1]));
    let (both4, less4) = (simd.add_f32s(u[3], u[4]), simd.sub_f32s(u[3], u[4]));
    let first = plus(simd, times(simd, 0.25, u[0]), -SIXTH, both);
    let last = plus(simd, times(simd, -SIXTH, both), SIXTH, both4);
    [
        plus(simd, first, SIXTH * 0.25, both4),
        plus(simd, times(simd, SIXTH, less), SIXTH * 0.5, less4),
        simd.add_f32s(last, u[5]),
    ]
}
