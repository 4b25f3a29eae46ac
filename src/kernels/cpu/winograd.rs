//! 3x3 convolution by Winograd's minimal filtering F(4x4, 3x3), forward and backward (Lavin and Gray 2016, arXiv:1509.09308).
//!
//! A 4x4 block of outputs costs 36 products a channel pair instead of 144. Points of the transformed 6x6 tile lie one after
//! the other in memory, so that the work in between is 36 independent matrix products.

use super::conv::ConvShape;
use super::fresh;
use super::matrix::{Mat, gemm};
use super::simd;
use super::spare::Buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Side of a block of outputs.
const OUT: usize = 4;
/// Side of a transformed tile.
const SIDE: usize = 6;
/// Points of a transformed tile.
const POINTS: usize = SIDE * SIDE;
/// Channels that one pass of a transform takes: one vector register of AVX-512.
const LANES: usize = 16;
/// Floats between the end of one point's matrix and the beginning of the next, so that the 36 streams of a transform do not fall
/// into the same cache set.
const GAP: usize = 16;

/// Most floats of one transformed tensor: 128 MB. Larger pictures go another way.
const LARGEST: usize = 32 << 20;

type Lane = [f32; LANES];
const ZERO: Lane = [0.0; LANES];

/// Tiles that go through all three steps at a time, where the weight stays in the cache meanwhile.
const BLOCK: usize = 32;
/// Most pairs of channels of such a weight: 2.4 MB, transformed. Of a larger one the reading costs more than a tile's way through
/// memory.
const BLOCKED_PAIRS: usize = 128 * 128;

/// Whether this convolution of training is better done here: enough channels to pay for the transforms of pictures, enough tiles
/// of the batch to pay for that of the weight.
pub fn wins(s: &ConvShape) -> bool {
    let tiles = Tiles::of(s).count;
    tiles >= 64 && fits(s, 64, tiles)
}

/// The same outside training, where the weight would be transformed again and again. What a picture gets must not depend on its
/// company, so one picture's tiles decide.
pub fn wins_alone(s: &ConvShape) -> bool {
    let tiles = Tiles::of(s).each;
    tiles >= 32 && fits(s, 64, tiles)
}

/// The same of a convolution whose weight is transformed already: nine or more channels a pixel of the tile's border, and enough
/// tiles that reading the weight, four times as large, is not all the work.
pub fn wins_with(s: &ConvShape) -> bool {
    let tiles = Tiles::of(s).each;
    tiles >= 8 && fits(s, 24, tiles)
}

fn fits(s: &ConvShape, channels: usize, tiles: usize) -> bool {
    (s.kh, s.kw, s.stride, s.padding) == (3, 3, 1, (1, 1))
        && s.cin.min(s.cout) >= channels
        && (s.cin * s.cout <= BLOCKED_PAIRS || tiles * POINTS * s.cin.max(s.cout) <= LARGEST)
}

/// Whether few tiles at a time go through all three steps, instead of all through one step after the other.
fn blocked(s: &ConvShape) -> bool {
    s.cin * s.cout <= BLOCKED_PAIRS && Tiles::of(s).count >= 2 * BLOCK * rayon::current_num_threads()
}

/// How the outputs are cut into blocks.
#[derive(Clone, Copy)]
struct Tiles {
    across: usize,
    each: usize,
    count: usize,
}

impl Tiles {
    fn of(s: &ConvShape) -> Self {
        let (ho, wo) = s.out();
        let (down, across) = (ho.div_ceil(OUT), wo.div_ceil(OUT));
        Self { across, each: down * across, count: s.n * down * across }
    }
    /// Picture, row and column of a tile, in tiles.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let inside = tile % self.each;
        (tile / self.each, inside / self.across, inside % self.across)
    }
}

/// 36 matrices of `rows x cols`, sixteen floats apart.
pub struct Points {
    data: Buffer<f32>,
    rows: usize,
    cols: usize,
}

impl Points {
    /// What the matrices hold at first is undefined (numbers of an earlier use); every user writes all of them.
    fn new(rows: usize, cols: usize) -> Self {
        Self { data: Buffer::new(POINTS * (rows * cols + GAP)), rows, cols }
    }
    /// Size in memory.
    pub fn bytes(&self) -> usize {
        Self::bytes_of(self.rows, self.cols)
    }
    /// Size in memory of `rows x cols` at every point.
    pub fn bytes_of(rows: usize, cols: usize) -> usize {
        POINTS * (rows * cols + GAP) * size_of::<f32>()
    }
    fn stride(&self) -> usize {
        self.rows * self.cols + GAP
    }
    fn matrix(&self, point: usize) -> Mat<'_> {
        Mat::new(&self.data[point * self.stride()..], self.rows, self.cols)
    }
    /// The products `a @ b` of every point.
    fn product<'a>(
        rows: usize,
        cols: usize,
        a: impl Fn(usize) -> Mat<'a> + Sync,
        b: impl Fn(usize) -> Mat<'a> + Sync,
    ) -> Self {
        let mut out = Self::new(rows, cols);
        let stride = out.stride();
        out.data[..POINTS * stride]
            .par_chunks_mut(stride)
            .enumerate()
            .for_each(|(p, dst)| gemm(dst, a(p), b(p), 1.0, false, false));
        out
    }
    /// Runs `f` on bands of rows in parallel: the first row of the band, and for each point its rows.
    fn bands(&mut self, rows_each: usize, f: impl Fn(usize, &mut [&mut [f32]]) + Sync) {
        let (stride, cols, rows) = (self.stride(), self.cols, self.rows);
        let mut bands: Vec<Vec<&mut [f32]>> =
            (0..rows.div_ceil(rows_each)).map(|_| Vec::with_capacity(POINTS)).collect();
        for point in self.data.chunks_exact_mut(stride) {
            for (band, part) in bands.iter_mut().zip(point[..rows * cols].chunks_mut(rows_each * cols)) {
                band.push(part);
            }
        }
        bands.into_par_iter().enumerate().for_each(|(i, mut band)| f(i * rows_each, &mut band));
    }
}

#[inline(always)]
fn load(from: &[f32]) -> Lane {
    let mut lane = ZERO;
    if let Some(whole) = from.first_chunk::<LANES>() {
        lane = *whole;
    } else {
        lane[..from.len()].copy_from_slice(from);
    }
    lane
}

#[inline(always)]
fn store(lane: &Lane, to: &mut [f32]) {
    if let Some(whole) = to.first_chunk_mut::<LANES>() {
        *whole = *lane;
    } else {
        let n = to.len();
        to.copy_from_slice(&lane[..n]);
    }
}

/// Sums `factor * lane` over the given terms; factors are constants, so that the compiler folds them.
macro_rules! sum {
    ($first:literal * $lane:expr $(, $factors:literal * $lanes:expr)*) => {{
        let mut out = ZERO;
        for l in 0..LANES {
            let value: f32 = $first * $lane[l];
            $(let value = f32::mul_add($factors, $lanes[l], value);)*
            out[l] = value;
        }
        out
    }};
}

/// `B^T d`: a line of six inputs.
#[inline(always)]
fn input_line(d: [Lane; 6]) -> [Lane; 6] {
    [
        sum!(4.0 * d[0], -5.0 * d[2], 1.0 * d[4]),
        sum!(-4.0 * d[1], -4.0 * d[2], 1.0 * d[3], 1.0 * d[4]),
        sum!(4.0 * d[1], -4.0 * d[2], -1.0 * d[3], 1.0 * d[4]),
        sum!(-2.0 * d[1], -1.0 * d[2], 2.0 * d[3], 1.0 * d[4]),
        sum!(2.0 * d[1], -1.0 * d[2], -2.0 * d[3], 1.0 * d[4]),
        sum!(4.0 * d[1], -5.0 * d[3], 1.0 * d[5]),
    ]
}

/// `B v`: the adjoint of [`input_line`].
#[inline(always)]
fn input_line_back(v: [Lane; 6]) -> [Lane; 6] {
    [
        sum!(4.0 * v[0]),
        sum!(-4.0 * v[1], 4.0 * v[2], -2.0 * v[3], 2.0 * v[4], 4.0 * v[5]),
        sum!(-5.0 * v[0], -4.0 * v[1], -4.0 * v[2], -1.0 * v[3], -1.0 * v[4]),
        sum!(1.0 * v[1], -1.0 * v[2], 2.0 * v[3], -2.0 * v[4], -5.0 * v[5]),
        sum!(1.0 * v[0], 1.0 * v[1], 1.0 * v[2], 1.0 * v[3], 1.0 * v[4]),
        sum!(1.0 * v[5]),
    ]
}

/// `A^T m`: a line of four outputs.
#[inline(always)]
fn output_line(m: [Lane; 6]) -> [Lane; 4] {
    [
        sum!(1.0 * m[0], 1.0 * m[1], 1.0 * m[2], 1.0 * m[3], 1.0 * m[4]),
        sum!(1.0 * m[1], -1.0 * m[2], 2.0 * m[3], -2.0 * m[4]),
        sum!(1.0 * m[1], 1.0 * m[2], 4.0 * m[3], 4.0 * m[4]),
        sum!(1.0 * m[1], -1.0 * m[2], 8.0 * m[3], -8.0 * m[4], 1.0 * m[5]),
    ]
}

/// `A y`: the adjoint of [`output_line`].
#[inline(always)]
fn output_line_back(y: [Lane; 4]) -> [Lane; 6] {
    [
        y[0],
        sum!(1.0 * y[0], 1.0 * y[1], 1.0 * y[2], 1.0 * y[3]),
        sum!(1.0 * y[0], -1.0 * y[1], 1.0 * y[2], -1.0 * y[3]),
        sum!(1.0 * y[0], 2.0 * y[1], 4.0 * y[2], 8.0 * y[3]),
        sum!(1.0 * y[0], -2.0 * y[1], 4.0 * y[2], -8.0 * y[3]),
        y[3],
    ]
}

/// `G w`: a line of three weights.
#[inline(always)]
fn weight_line(w: [Lane; 3]) -> [Lane; 6] {
    const SIXTH: f32 = 1.0 / 6.0;
    let mut out = [ZERO; 6];
    for l in 0..LANES {
        let [a, b, c] = [w[0][l], w[1][l], w[2][l]];
        let (even, odd) = (-SIXTH * (a + c), -SIXTH * b);
        let (even4, odd4) = (SIXTH * 0.25 * a + SIXTH * c, SIXTH * 0.5 * b);
        out[0][l] = 0.25 * a;
        out[1][l] = even + odd;
        out[2][l] = even - odd;
        out[3][l] = even4 + odd4;
        out[4][l] = even4 - odd4;
        out[5][l] = c;
    }
    out
}

/// `G^T u`: the adjoint of [`weight_line`].
#[inline(always)]
fn weight_line_back(u: [Lane; 6]) -> [Lane; 3] {
    const SIXTH: f32 = 1.0 / 6.0;
    let mut out = [ZERO; 3];
    for l in 0..LANES {
        let (plus, minus) = (u[1][l] + u[2][l], u[2][l] - u[1][l]);
        let (plus4, minus4) = (u[3][l] + u[4][l], u[3][l] - u[4][l]);
        out[0][l] = 0.25 * u[0][l] - SIXTH * plus + SIXTH * 0.25 * plus4;
        out[1][l] = SIXTH * minus + SIXTH * 0.5 * minus4;
        out[2][l] = -SIXTH * plus + SIXTH * plus4 + u[5][l];
    }
    out
}

/// Applies a line function to the rows, then to the columns of a 6x6 block. A macro, since a function that is passed as a value
/// is compiled without the vector instructions of its caller.
macro_rules! both {
    ($block:expr, $line:ident) => {{
        let block: &[[Lane; SIDE]; SIDE] = $block;
        let mut half = [[ZERO; SIDE]; SIDE];
        for i in 0..SIDE {
            half[i] = $line(block[i]);
        }
        let mut out = [[ZERO; SIDE]; SIDE];
        for j in 0..SIDE {
            let line = $line([half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]]);
            for i in 0..SIDE {
                out[i][j] = line[i];
            }
        }
        out
    }};
}

/// Rows of a band: a few bands a thread.
fn band(rows: usize) -> usize {
    rows.div_ceil(4 * rayon::current_num_threads()).max(1)
}

/// A 6x6 tile of some channels of `x`, transformed.
#[inline(always)]
fn input_tile(
    x: &[f32],
    s: &ConvShape,
    (n, ty, tx): (usize, usize, usize),
    channels: Range<usize>,
) -> [[Lane; SIDE]; SIDE] {
    let mut block = [[ZERO; SIDE]; SIDE];
    for (i, line) in block.iter_mut().enumerate() {
        let y = (ty * OUT + i).wrapping_sub(s.padding.0);
        if y >= s.h {
            continue;
        }
        for (j, lane) in line.iter_mut().enumerate() {
            let x_at = (tx * OUT + j).wrapping_sub(s.padding.0);
            if x_at < s.w {
                let at = ((n * s.h + y) * s.w + x_at) * s.cin;
                *lane = load(&x[at + channels.start..at + channels.end]);
            }
        }
    }
    both!(&block, input_line)
}

/// Every 6x6 tile of `x`, transformed: 36 of `[tiles, cin]`.
fn transform_input(x: &[f32], s: &ConvShape, tiles: Tiles) -> Points {
    let mut v = Points::new(tiles.count, s.cin);
    v.bands(band(tiles.count), |first, band| {
        let rows = band[0].len() / s.cin;
        simd(
            #[inline(always)]
            || {
                for row in 0..rows {
                    for c in (0..s.cin).step_by(LANES) {
                        let end = (c + LANES).min(s.cin);
                        let out = input_tile(x, s, tiles.place(first + row), c..end);
                        for p in 0..POINTS {
                            store(&out[p / SIDE][p % SIDE], &mut band[p][row * s.cin + c..row * s.cin + end]);
                        }
                    }
                }
            },
        );
    });
    v
}

/// Every 4x4 block of `dy`, taken back through the output transform: 36 of `[tiles, cout]`.
fn transform_output_back(dy: &[f32], s: &ConvShape, tiles: Tiles) -> Points {
    let (ho, wo) = s.out();
    let mut m = Points::new(tiles.count, s.cout);
    m.bands(band(tiles.count), |first, band| {
        let rows = band[0].len() / s.cout;
        simd(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let (n, ty, tx) = tiles.place(first + row);
                    for c in (0..s.cout).step_by(LANES) {
                        let end = (c + LANES).min(s.cout);
                        let mut half = [[ZERO; SIDE]; OUT];
                        for i in 0..OUT {
                            let y = ty * OUT + i;
                            let mut line = [ZERO; OUT];
                            for (j, lane) in line.iter_mut().enumerate() {
                                let x_at = tx * OUT + j;
                                if y < ho && x_at < wo {
                                    let at = ((n * ho + y) * wo + x_at) * s.cout;
                                    *lane = load(&dy[at + c..at + end]);
                                }
                            }
                            half[i] = output_line_back(line);
                        }
                        for j in 0..SIDE {
                            let line = output_line_back([half[0][j], half[1][j], half[2][j], half[3][j]]);
                            for (i, lane) in line.iter().enumerate() {
                                store(lane, &mut band[i * SIDE + j][row * s.cout + c..row * s.cout + end]);
                            }
                        }
                    }
                }
            },
        );
    });
    m
}

/// The weight, transformed, to be kept: see [`forward_with`].
pub fn transformed(weight: &[f32], s: &ConvShape) -> Points {
    let data = Buffer::exact(POINTS * (s.cin * s.cout + GAP));
    transform_weight_into(Points { data, rows: s.cin, cols: s.cout }, weight, s)
}

/// The weight, transformed: 36 of `[cin, cout]`.
fn transform_weight(weight: &[f32], s: &ConvShape) -> Points {
    transform_weight_into(Points::new(s.cin, s.cout), weight, s)
}

fn transform_weight_into(mut u: Points, weight: &[f32], s: &ConvShape) -> Points {
    let plane = s.cin * s.cout;
    u.bands(band(s.cin), |first, band| {
        let rows = band[0].len() / s.cout;
        simd(
            #[inline(always)]
            || {
                for row in 0..rows {
                    for c in (0..s.cout).step_by(LANES) {
                        let end = (c + LANES).min(s.cout);
                        let at = (first + row) * s.cout;
                        let mut half = [[ZERO; SIDE]; 3];
                        for i in 0..3 {
                            let tap =
                                |j: usize| load(&weight[(i * 3 + j) * plane + at + c..(i * 3 + j) * plane + at + end]);
                            half[i] = weight_line([tap(0), tap(1), tap(2)]);
                        }
                        for j in 0..SIDE {
                            let line = weight_line([half[0][j], half[1][j], half[2][j]]);
                            for (i, lane) in line.iter().enumerate() {
                                store(lane, &mut band[i * SIDE + j][row * s.cout + c..row * s.cout + end]);
                            }
                        }
                    }
                }
            },
        );
    });
    u
}

/// The gradient of the weight from that of the transformed weight.
fn transform_weight_back(du: &Points, s: &ConvShape) -> Vec<f32> {
    let plane = s.cin * s.cout;
    let stride = du.stride();
    let mut dw = vec![0.0; 9 * plane];
    let step = band(s.cin) * s.cout;
    let mut bands: Vec<Vec<&mut [f32]>> = (0..plane.div_ceil(step)).map(|_| Vec::with_capacity(9)).collect();
    for tap in dw.chunks_exact_mut(plane) {
        bands.iter_mut().zip(tap.chunks_mut(step)).for_each(|(band, part)| band.push(part));
    }
    bands.into_par_iter().enumerate().for_each(|(i, mut band)| {
        let len = band[0].len();
        simd(
            #[inline(always)]
            || {
                for c in (0..len).step_by(LANES) {
                    let end = (c + LANES).min(len);
                    let mut half = [[ZERO; 3]; SIDE];
                    for a in 0..SIDE {
                        let mut line = [ZERO; SIDE];
                        for (b, lane) in line.iter_mut().enumerate() {
                            let at = (a * SIDE + b) * stride + i * step;
                            *lane = load(&du.data[at + c..at + end]);
                        }
                        half[a] = weight_line_back(line);
                    }
                    for b in 0..3 {
                        let line = [half[0][b], half[1][b], half[2][b], half[3][b], half[4][b], half[5][b]];
                        for (a, lane) in weight_line_back(line).iter().enumerate() {
                            store(lane, &mut band[a * 3 + b][c..end]);
                        }
                    }
                }
            },
        );
    });
    dw
}

/// The outputs of tiles of one strip of four lines, `[lines, wo, cout]`, from their products: `m` holds 36 matrices, `stride` apart,
/// in which the strip's tile `across.start` is line `first`.
#[inline(always)]
fn output_tiles(
    m: (&[f32], usize, usize),
    across: Range<usize>,
    bias: Option<&[f32]>,
    s: &ConvShape,
    strip: &mut [f32],
) {
    let ((m, stride, first), (_, wo)) = (m, s.out());
    let lines = strip.len() / (wo * s.cout);
    for (tile, tx) in across.enumerate() {
        for c in (0..s.cout).step_by(LANES) {
            let end = (c + LANES).min(s.cout);
            let shift = bias.map_or(ZERO, |b| load(&b[c..end]));
            let mut half = [[ZERO; OUT]; SIDE];
            for i in 0..SIDE {
                let mut line = [ZERO; SIDE];
                for (j, lane) in line.iter_mut().enumerate() {
                    let at = (i * SIDE + j) * stride + (first + tile) * s.cout;
                    *lane = load(&m[at + c..at + end]);
                }
                half[i] = output_line(line);
            }
            for j in 0..OUT {
                let x_at = tx * OUT + j;
                if x_at >= wo {
                    break;
                }
                let line = [half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]];
                for (i, lane) in output_line(line).iter().enumerate().take(lines) {
                    let at = (i * wo + x_at) * s.cout;
                    store(&sum!(1.0 * lane, 1.0 * shift), &mut strip[at + c..at + end]);
                }
            }
        }
    }
}

/// Numbers in each strip of four lines of every picture of the result.
fn strips(s: &ConvShape) -> impl Iterator<Item = usize> {
    let ((ho, wo), cout) = (s.out(), s.cout);
    (0..s.n).flat_map(move |_| (0..ho).step_by(OUT).map(move |line| OUT.min(ho - line) * wo * cout))
}

/// Outputs from the 36 products, with the bias added.
fn transform_output(m: &Points, bias: Option<&[f32]>, s: &ConvShape, tiles: Tiles) -> Vec<f32> {
    fresh::uneven(strips(s), |strip, part| {
        let products = (&m.data[..], m.stride(), strip * tiles.across);
        simd(
            #[inline(always)]
            || output_tiles(products, 0..tiles.across, bias, s, part),
        );
    })
}

/// All three steps for a few tiles at a time, whose numbers stay in a core's cache.
fn forward_blocked(x: &[f32], u: &Points, bias: Option<&[f32]>, s: &ConvShape, tiles: Tiles) -> Vec<f32> {
    let (wide, high) = (BLOCK * s.cin + GAP, BLOCK * s.cout + GAP);
    // A block of tiles is a part of one strip, or all of several.
    let each = (BLOCK / tiles.across).max(1);
    let strips: Vec<usize> = strips(s).collect();
    let groups: Vec<&[usize]> = strips.chunks(each).collect();
    fresh::uneven(groups.iter().map(|g| g.iter().sum()), |group, mut part| {
        let (mut v, mut m) = (Buffer::<f32>::new(POINTS * wide), Buffer::<f32>::new(POINTS * high));
        let mut parts = Vec::with_capacity(each);
        for strip in groups[group] {
            let (one, others) = part.split_at_mut(*strip);
            parts.push(one);
            part = others;
        }
        let (first, all) = (group * each * tiles.across, parts.len() * tiles.across);
        for from in (0..all).step_by(BLOCK) {
            let rows = BLOCK.min(all - from);
            simd(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        for c in (0..s.cin).step_by(LANES) {
                            let end = (c + LANES).min(s.cin);
                            let out = input_tile(x, s, tiles.place(first + from + row), c..end);
                            for p in 0..POINTS {
                                let at = p * wide + row * s.cin;
                                store(&out[p / SIDE][p % SIDE], &mut v[at + c..at + end]);
                            }
                        }
                    }
                },
            );
            for p in 0..POINTS {
                gemm(&mut m[p * high..], Mat::new(&v[p * wide..], rows, s.cin), u.matrix(p), 1.0, false, false);
            }
            simd(
                #[inline(always)]
                || {
                    for (i, part) in parts.iter_mut().enumerate() {
                        let strip = i * tiles.across;
                        let (start, end) = (strip.max(from), (strip + tiles.across).min(from + rows));
                        if start < end {
                            output_tiles((&m[..], high, start - from), start - strip..end - strip, bias, s, part);
                        }
                    }
                },
            );
        }
    })
}

/// The gradient of `x` from that of its tiles, which overlap by two.
fn transform_input_back(dv: &Points, s: &ConvShape, tiles: Tiles) -> Vec<f32> {
    let stride = dv.stride();
    let image = s.h * s.w * s.cin;
    let mut dx = vec![0.0; s.n * image];
    dx.par_chunks_mut(image).enumerate().for_each(|(n, dx)| {
        simd(
            #[inline(always)]
            || {
                for inside in 0..tiles.each {
                    let tile = n * tiles.each + inside;
                    let (_, ty, tx) = tiles.place(tile);
                    for c in (0..s.cin).step_by(LANES) {
                        let end = (c + LANES).min(s.cin);
                        let mut block = [[ZERO; SIDE]; SIDE];
                        for p in 0..POINTS {
                            let at = p * stride + tile * s.cin;
                            block[p / SIDE][p % SIDE] = load(&dv.data[at + c..at + end]);
                        }
                        let out = both!(&block, input_line_back);
                        for (i, line) in out.iter().enumerate() {
                            let y = (ty * OUT + i).wrapping_sub(s.padding.0);
                            if y >= s.h {
                                continue;
                            }
                            for (j, lane) in line.iter().enumerate() {
                                let x_at = (tx * OUT + j).wrapping_sub(s.padding.0);
                                if x_at < s.w {
                                    let at = (y * s.w + x_at) * s.cin;
                                    let place = &mut dx[at + c..at + end];
                                    let old = load(place);
                                    store(&sum!(1.0 * old, 1.0 * lane), place);
                                }
                            }
                        }
                    }
                }
            },
        );
    });
    dx
}

/// Shapes as in [`super::conv::forward`].
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    forward_with(x, &transform_weight(weight, s), bias, s)
}

/// [`forward`] with a weight that [`transformed`] made.
pub fn forward_with(x: &[f32], u: &Points, bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    let tiles = Tiles::of(s);
    if blocked(s) {
        return forward_blocked(x, u, bias, s, tiles);
    }
    let v = transform_input(x, s, tiles);
    let m = Points::product(tiles.count, s.cout, |p| v.matrix(p), |p| u.matrix(p));
    transform_output(&m, bias, s, tiles)
}

/// Gradients with respect to `x` and to the weight, each when it is wanted.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    s: &ConvShape,
    (want_x, want_weight): (bool, bool),
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let tiles = Tiles::of(s);
    let dm = transform_output_back(dy, s, tiles);
    let dx = want_x.then(|| {
        let u = transform_weight(weight, s);
        let dv = Points::product(tiles.count, s.cin, |p| dm.matrix(p), |p| u.matrix(p).t());
        transform_input_back(&dv, s, tiles)
    });
    let dw = want_weight.then(|| {
        let v = transform_input(x, s, tiles);
        let du = Points::product(s.cin, s.cout, |p| v.matrix(p).t(), |p| dm.matrix(p));
        transform_weight_back(&du, s)
    });
    (dx, dw)
}
