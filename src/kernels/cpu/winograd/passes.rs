//! The way of whole tiles into the transformed domain and back, by the vector instructions that the processor has.

use super::lines::{self, load, store};
use super::{OUT, SIDE, Tiles};
use crate::kernels::cpu::conv::ConvShape;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Column `j` of a block of lines.
#[inline(always)]
fn column<T: Copy, const ROWS: usize, const COLS: usize>(block: &[[T; COLS]; ROWS], j: usize) -> [T; ROWS] {
    let mut column = [block[0][j]; ROWS];
    for (number, line) in column.iter_mut().zip(block) {
        *number = line[j];
    }
    column
}

/// Tiles of `x`, transformed.
pub struct Input<'a, 'b, const OUT: usize, const SIDE: usize> {
    /// `[n, h, w, cin]`.
    pub x: &'a [f32],
    pub s: &'a ConvShape,
    pub tiles: Tiles,
    /// Number of the first tile.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// For each point `[count, cin]`.
    pub out: &'a mut [&'b mut [f32]],
}

impl<const OUT: usize, const SIDE: usize> WithSimd for Input<'_, '_, OUT, SIDE> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, s, tiles, first, count, out } = self;
        let none = simd.splat_f32s(0.0);
        for row in 0..count {
            let (n, ty, tx) = tiles.place(first + row);
            let left = (tx * OUT).wrapping_sub(s.padding.0);
            let inside = left.wrapping_add(SIDE) <= s.w && left < s.w;
            for c in (0..s.cin).step_by(S::F32_LANES) {
                let end = (c + S::F32_LANES).min(s.cin);
                let mut half = [[none; SIDE]; SIDE];
                for (i, half) in half.iter_mut().enumerate() {
                    let y = (ty * OUT + i).wrapping_sub(s.padding.0);
                    if y >= s.h {
                        continue;
                    }
                    let line = &x[(n * s.h + y) * s.w * s.cin..][..s.w * s.cin];
                    let mut pixels = [none; SIDE];
                    if inside {
                        let near = &line[left * s.cin..(left + SIDE) * s.cin];
                        for (j, pixel) in pixels.iter_mut().enumerate() {
                            *pixel = load(simd, &near[j * s.cin + c..j * s.cin + end]);
                        }
                    } else {
                        for (j, pixel) in pixels.iter_mut().enumerate() {
                            let at = left.wrapping_add(j);
                            if at < s.w {
                                *pixel = load(simd, &line[at * s.cin + c..at * s.cin + end]);
                            }
                        }
                    }
                    *half = lines::input(simd, pixels);
                }
                for j in 0..SIDE {
                    for (i, numbers) in lines::input(simd, column(&half, j)).into_iter().enumerate() {
                        store(simd, numbers, &mut out[i * SIDE + j][row * s.cin + c..row * s.cin + end]);
                    }
                }
            }
        }
    }
}

/// The gradient of a picture of `x` from those of its tiles, which overlap by two.
pub struct InputBack<'a> {
    /// For each point `[tiles, cin]`, so many numbers apart.
    pub dv: &'a [f32],
    pub stride: usize,
    pub s: &'a ConvShape,
    pub tiles: Tiles,
    /// Number of the picture.
    pub n: usize,
    /// `[h, w, cin]`, zeros.
    pub dx: &'a mut [f32],
}

impl WithSimd for InputBack<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dv, stride, s, tiles, n, dx } = self;
        let none = simd.splat_f32s(0.0);
        for inside in 0..tiles.each {
            let tile = n * tiles.each + inside;
            let (_, ty, tx) = tiles.place(tile);
            for c in (0..s.cin).step_by(S::F32_LANES) {
                let end = (c + S::F32_LANES).min(s.cin);
                let mut half = [[none; SIDE]; SIDE];
                for (i, half) in half.iter_mut().enumerate() {
                    let mut line = [none; SIDE];
                    for (j, numbers) in line.iter_mut().enumerate() {
                        let at = (i * SIDE + j) * stride + tile * s.cin;
                        *numbers = load(simd, &dv[at + c..at + end]);
                    }
                    *half = lines::input_back(simd, line);
                }
                for j in 0..SIDE {
                    let x_at = (tx * OUT + j).wrapping_sub(s.padding.0);
                    if x_at >= s.w {
                        continue;
                    }
                    for (i, numbers) in lines::input_back(simd, column(&half, j)).into_iter().enumerate() {
                        let y = (ty * OUT + i).wrapping_sub(s.padding.0);
                        if y < s.h {
                            let at = (y * s.w + x_at) * s.cin;
                            let place = &mut dx[at + c..at + end];
                            let sum = simd.add_f32s(load(simd, place), numbers);
                            store(simd, sum, place);
                        }
                    }
                }
            }
        }
    }
}

/// The outputs of tiles of one strip of `OUT` lines from their products.
pub struct Output<'a, const OUT: usize, const SIDE: usize> {
    /// `SIDE * SIDE` matrices of `[tiles, cout]`, `stride` numbers apart.
    pub m: &'a [f32],
    pub stride: usize,
    /// The line in which the strip's tile `across.start` is.
    pub first: usize,
    pub across: Range<usize>,
    pub bias: Option<&'a [f32]>,
    pub s: &'a ConvShape,
    /// `[lines, wo, cout]`.
    pub strip: &'a mut [f32],
}

impl<const OUT: usize, const SIDE: usize> WithSimd for Output<'_, OUT, SIDE> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { m, stride, first, across, bias, s, strip } = self;
        let (_, wo) = s.out();
        let none = simd.splat_f32s(0.0);
        let lines_there = strip.len() / (wo * s.cout);
        for (tile, tx) in across.enumerate() {
            for c in (0..s.cout).step_by(S::F32_LANES) {
                let end = (c + S::F32_LANES).min(s.cout);
                let shift = match bias {
                    Some(bias) => load(simd, &bias[c..end]),
                    None => none,
                };
                let mut half = [[none; OUT]; SIDE];
                for (i, half) in half.iter_mut().enumerate() {
                    let mut line = [none; SIDE];
                    for (j, numbers) in line.iter_mut().enumerate() {
                        let at = (i * SIDE + j) * stride + (first + tile) * s.cout;
                        *numbers = load(simd, &m[at + c..at + end]);
                    }
                    *half = lines::output(simd, line);
                }
                for j in 0..OUT {
                    let x_at = tx * OUT + j;
                    if x_at >= wo {
                        break;
                    }
                    let line: [S::f32s; OUT] = lines::output(simd, column(&half, j));
                    for (i, numbers) in line.into_iter().enumerate().take(lines_there) {
                        let at = (i * wo + x_at) * s.cout;
                        store(simd, simd.add_f32s(numbers, shift), &mut strip[at + c..at + end]);
                    }
                }
            }
        }
    }
}

/// Blocks of `dy`, taken back through the output transform.
pub struct OutputBack<'a, 'b> {
    /// `[n, ho, wo, cout]`.
    pub dy: &'a [f32],
    pub s: &'a ConvShape,
    pub tiles: Tiles,
    /// Number of the first tile.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// For each point `[count, cout]`.
    pub out: &'a mut [&'b mut [f32]],
}

impl WithSimd for OutputBack<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dy, s, tiles, first, count, out } = self;
        let (ho, wo) = s.out();
        let none = simd.splat_f32s(0.0);
        for row in 0..count {
            let (n, ty, tx) = tiles.place(first + row);
            for c in (0..s.cout).step_by(S::F32_LANES) {
                let end = (c + S::F32_LANES).min(s.cout);
                let mut half = [[none; SIDE]; OUT];
                for (i, half) in half.iter_mut().enumerate() {
                    let y = ty * OUT + i;
                    let mut line = [none; OUT];
                    for (j, numbers) in line.iter_mut().enumerate() {
                        let x_at = tx * OUT + j;
                        if y < ho && x_at < wo {
                            let at = ((n * ho + y) * wo + x_at) * s.cout;
                            *numbers = load(simd, &dy[at + c..at + end]);
                        }
                    }
                    *half = lines::output_back(simd, line);
                }
                for j in 0..SIDE {
                    for (i, numbers) in lines::output_back(simd, column(&half, j)).into_iter().enumerate() {
                        store(simd, numbers, &mut out[i * SIDE + j][row * s.cout + c..row * s.cout + end]);
                    }
                }
            }
        }
    }
}

/// Some input channels of a weight, transformed.
pub struct Weight<'a, 'b, const SIDE: usize> {
    /// `[3, 3, cin, cout]`.
    pub weight: &'a [f32],
    pub s: &'a ConvShape,
    /// The first channel.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// For each point `[count, cout]`.
    pub out: &'a mut [&'b mut [f32]],
}

impl<const SIDE: usize> WithSimd for Weight<'_, '_, SIDE> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weight, s, first, count, out } = self;
        let plane = s.cin * s.cout;
        let none = simd.splat_f32s(0.0);
        for row in 0..count {
            for c in (0..s.cout).step_by(S::F32_LANES) {
                let end = (c + S::F32_LANES).min(s.cout);
                let at = (first + row) * s.cout;
                let mut half = [[none; SIDE]; 3];
                for (i, half) in half.iter_mut().enumerate() {
                    let mut taps = [none; 3];
                    for (j, tap) in taps.iter_mut().enumerate() {
                        let at = (i * 3 + j) * plane + at;
                        *tap = load(simd, &weight[at + c..at + end]);
                    }
                    *half = lines::weight(simd, taps);
                }
                for j in 0..SIDE {
                    let line: [S::f32s; SIDE] = lines::weight(simd, column(&half, j));
                    for (i, numbers) in line.into_iter().enumerate() {
                        store(simd, numbers, &mut out[i * SIDE + j][row * s.cout + c..row * s.cout + end]);
                    }
                }
            }
        }
    }
}

/// The gradient of some of a weight's pairs of channels from that of the transformed weight.
pub struct WeightBack<'a, 'b> {
    /// For each point the pairs, so many numbers apart.
    pub du: &'a [f32],
    pub stride: usize,
    /// The first pair.
    pub first: usize,
    /// For each of nine taps the pairs.
    pub out: &'a mut [&'b mut [f32]],
}

impl WithSimd for WeightBack<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { du, stride, first, out } = self;
        let none = simd.splat_f32s(0.0);
        let len = out[0].len();
        for c in (0..len).step_by(S::F32_LANES) {
            let end = (c + S::F32_LANES).min(len);
            let mut half = [[none; 3]; SIDE];
            for (a, half) in half.iter_mut().enumerate() {
                let mut line = [none; SIDE];
                for (b, numbers) in line.iter_mut().enumerate() {
                    let at = (a * SIDE + b) * stride + first;
                    *numbers = load(simd, &du[at + c..at + end]);
                }
                *half = lines::weight_back(simd, line);
            }
            for b in 0..3 {
                for (a, numbers) in lines::weight_back(simd, column(&half, b)).into_iter().enumerate() {
                    store(simd, numbers, &mut out[a * 3 + b][c..end]);
                }
            }
        }
    }
}
