//! Matrix products of 16-bit factors with 32-bit sums, for training: twice the speed of f32 where the processor has AVX-512 BF16.
//!
//! Factors are rounded to bfloat16 (8 bits of precision), sums stay f32, as in the usual mixed-precision training (Kalamkar et
//! al. 2019, arXiv:1905.12322). Off unless [`HalfProducts`] is held; elsewhere every product is f32.

use super::matrix::Mat;
use super::simd;
use super::spare::Buffer;
use rayon::prelude::*;
use std::cell::Cell;
use std::marker::PhantomData;

/// Rows of a block of results that stays in registers.
const ROWS: usize = 8;
/// Lanes of a vector register.
const LANES: usize = 16;
/// Widest block: three registers.
const WIDE: usize = 3 * LANES;
/// Pairs of factors summed before the result is written: what a block reads of `b` then stays in the second-level cache.
const PAIRS: usize = 512;

thread_local! {
    static HOLDERS: Cell<usize> = const { Cell::new(0) };
}

/// While one of these lives, products that its thread asks for may round their factors to 16 bits. Pictures that another
/// thread makes meanwhile stay exact.
#[derive(Debug)]
pub struct HalfProducts(PhantomData<*const ()>);

impl HalfProducts {
    /// Allows it, on this thread.
    pub fn allow() -> Self {
        HOLDERS.set(HOLDERS.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for HalfProducts {
    fn drop(&mut self) {
        HOLDERS.set(HOLDERS.get() - 1);
    }
}

/// Whether this thread holds [`HalfProducts`], that is, whether it trains.
pub fn allowed() -> bool {
    HOLDERS.get() > 0
}

/// Whether products are to be done here: allowed, and the processor can.
pub fn wanted() -> bool {
    allowed() && available()
}

/// Whether the processor multiplies pairs of bfloat16.
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// To the nearest bfloat16, ties to even, in the upper half of the word.
#[inline(always)]
fn round(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1))
}

/// To the nearest bfloat16.
#[inline(always)]
pub fn narrow(value: f32) -> u16 {
    (round(value) >> 16) as u16
}

/// All values, rounded.
pub fn narrow_all(values: &[f32]) -> Buffer<u16> {
    const CHUNK: usize = 64 << 10;
    let mut out = Buffer::new(values.len());
    out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(out, values)| {
        simd(
            #[inline(always)]
            || {
                for (o, v) in out.iter_mut().zip(values) {
                    *o = narrow(*v);
                }
            },
        )
    });
    out
}

/// The left factor: rounded, rows one after the other, each with an even number of elements.
pub struct Left {
    data: Buffer<u16>,
    rows: usize,
    stride: usize,
}

impl Left {
    /// Rounds `a`; a transposed matrix is turned on the way.
    pub fn new(a: Mat) -> Self {
        let (rows, cols) = a.size();
        let stride = cols.next_multiple_of(2);
        let mut data = Buffer::new(rows * stride);
        if let Some(lines) = a.lines() {
            let step = (32 << 10) / stride.max(1) + 1;
            data.par_chunks_mut(step * stride).enumerate().for_each(|(i, out)| {
                simd(
                    #[inline(always)]
                    || {
                        for (r, out) in out.chunks_exact_mut(stride).enumerate() {
                            let line = &lines.0[(i * step + r) * lines.1..][..cols];
                            for (o, v) in out.iter_mut().zip(line) {
                                *o = narrow(*v);
                            }
                            out[cols..].fill(0);
                        }
                    },
                )
            });
        } else {
            // Turned in squares, so that neither side leaves the cache.
            const SQUARE: usize = 32;
            data.par_chunks_mut(SQUARE * stride).enumerate().for_each(|(i, out)| {
                let height = out.len() / stride;
                out.chunks_exact_mut(stride).for_each(|line| line[cols..].fill(0));
                for c0 in (0..cols).step_by(SQUARE) {
                    for r in 0..height {
                        let line = &mut out[r * stride..];
                        for c in c0..(c0 + SQUARE).min(cols) {
                            line[c] = narrow(a.at(i * SQUARE + r, c));
                        }
                    }
                }
            });
        }
        Self { data, rows, stride }
    }
}

/// The right factor: panels of up to 48 columns; a word holds an element and the one below it.
pub struct Right {
    data: Buffer<u32>,
    pairs: usize,
    cols: usize,
}

impl Right {
    /// Rounds and lays out `b`.
    pub fn new(b: Mat) -> Self {
        let (rows, cols) = b.size();
        let mut right = Self::empty(rows, cols);
        let pairs = right.pairs;
        right.data.par_chunks_mut(pairs * WIDE).enumerate().for_each(|(i, panel)| {
            let first = i * WIDE;
            let (wide, width) = (panel.len() / pairs, WIDE.min(cols - first));
            if let Some((lines, stride)) = b.lines() {
                simd(
                    #[inline(always)]
                    || {
                        for (p, out) in panel.chunks_exact_mut(wide).enumerate() {
                            let upper = &lines[2 * p * stride + first..][..width];
                            if 2 * p + 1 < rows {
                                let lower = &lines[(2 * p + 1) * stride + first..][..width];
                                for l in 0..width {
                                    out[l] = (round(upper[l]) >> 16) | (round(lower[l]) & 0xffff_0000);
                                }
                            } else {
                                for l in 0..width {
                                    out[l] = round(upper[l]) >> 16;
                                }
                            }
                        }
                    },
                );
            } else {
                for l in 0..width {
                    for p in 0..pairs {
                        let below = if 2 * p + 1 < rows { b.at(2 * p + 1, first + l) } else { 0.0 };
                        panel[p * wide + l] = (round(b.at(2 * p, first + l)) >> 16) | (round(below) & 0xffff_0000);
                    }
                }
            }
        });
        right
    }

    fn empty(rows: usize, cols: usize) -> Self {
        let pairs = rows.div_ceil(2);
        Self { data: Buffer::new(pairs * cols.next_multiple_of(LANES)), pairs, cols }
    }

    /// Lays out lines that are rounded already: `lines` holds `rows` of `cols`, at most as many rows as at first.
    fn refill(&mut self, lines: &[u16], rows: usize) {
        let (pairs, cols) = (rows.div_ceil(2), self.cols);
        self.pairs = pairs;
        let len = pairs * cols.next_multiple_of(LANES);
        simd(
            #[inline(always)]
            || {
                for (i, panel) in self.data[..len].chunks_mut(pairs * WIDE).enumerate() {
                    let first = i * WIDE;
                    let (wide, width) = (panel.len() / pairs, WIDE.min(cols - first));
                    for (p, out) in panel.chunks_exact_mut(wide).enumerate() {
                        let upper = &lines[2 * p * cols + first..][..width];
                        if 2 * p + 1 < rows {
                            let lower = &lines[(2 * p + 1) * cols + first..][..width];
                            for l in 0..width {
                                out[l] = u32::from(upper[l]) | u32::from(lower[l]) << 16;
                            }
                        } else {
                            for l in 0..width {
                                out[l] = u32::from(upper[l]);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// `dst = a @ b`, or `dst += a @ b` when `accumulate`, on this thread. `a` is `rows` of `stride` (an even number not below
/// twice the pairs of `b`), `dst` is `rows` of the columns of `b`.
fn multiply(dst: &mut [f32], a: &[u16], rows: usize, stride: usize, b: &Right, accumulate: bool) {
    if rows == 0 || b.cols == 0 {
        return;
    }
    assert!(stride.is_multiple_of(2) && stride >= 2 * b.pairs, "rows of {stride} for {} pairs", b.pairs);
    assert!(a.len() >= (rows - 1) * stride + 2 * b.pairs && dst.len() >= rows * b.cols, "slices too short");
    assert!(b.data.len() >= b.pairs * b.cols.next_multiple_of(LANES), "panels too short");
    assert!(available(), "this processor has no 16-bit products");
    if b.pairs == 0 {
        if !accumulate {
            dst[..rows * b.cols].fill(0.0);
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    for first in (0..b.pairs).step_by(PAIRS) {
        let pairs = PAIRS.min(b.pairs - first);
        let add = accumulate || first > 0;
        for col in (0..b.cols).step_by(WIDE) {
            let width = WIDE.min(b.cols - col);
            let vectors = width.div_ceil(LANES);
            let panel = &b.data[b.pairs * col + first * vectors * LANES..][..pairs * vectors * LANES];
            for row in (0..rows).step_by(ROWS) {
                let height = ROWS.min(rows - row);
                let left = &a[row * stride + 2 * first..];
                let out = &mut dst[row * b.cols + col..];
                // SAFETY: the processor has the instructions (asserted above). `left` holds `height` rows of `2 * pairs`
                // elements `stride` apart, `panel` `pairs` lines of `vectors` registers, and `out` `height` rows of
                // `width` results `b.cols` apart: all asserted above. Safe code was 3 times slower: the register block
                // spilled.
                unsafe {
                    match vectors {
                        1 => block::<1>(left.as_ptr(), stride, panel, out.as_mut_ptr(), b.cols, (height, width), add),
                        2 => block::<2>(left.as_ptr(), stride, panel, out.as_mut_ptr(), b.cols, (height, width), add),
                        _ => block::<3>(left.as_ptr(), stride, panel, out.as_mut_ptr(), b.cols, (height, width), add),
                    }
                }
            }
        }
    }
}

/// One block of up to [`ROWS`] rows and `V` registers of columns.
///
/// # Safety
/// The processor has AVX-512 F, BW and BF16; `a` points to `height` rows of `panel.len() / V / 16` pairs, `stride` elements
/// apart; `c` to `height` rows of `width` results, `c_stride` apart, with `width <= 16 V`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn block<const V: usize>(
    a: *const u16,
    stride: usize,
    panel: &[u32],
    c: *mut f32,
    c_stride: usize,
    (height, width): (usize, usize),
    add: bool,
) {
    use std::arch::x86_64::*;
    // SAFETY: as the function demands; rows beyond `height` read the last row again and are not written.
    unsafe {
        let row = |i: usize| a.add(i.min(height - 1) * stride).cast::<i32>();
        let rows: [*const i32; ROWS] = std::array::from_fn(row);
        let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
        for (p, line) in panel.chunks_exact(V * LANES).enumerate() {
            let mut right = [_mm512_setzero_si512(); V];
            for v in 0..V {
                right[v] = _mm512_loadu_si512(line.as_ptr().add(v * LANES).cast());
            }
            for i in 0..ROWS {
                let left = _mm512_set1_epi32(rows[i].add(p).read_unaligned());
                let left: __m512bh = std::mem::transmute(left);
                for v in 0..V {
                    sums[i][v] = _mm512_dpbf16_ps(sums[i][v], left, std::mem::transmute::<__m512i, __m512bh>(right[v]));
                }
            }
        }
        for i in 0..height {
            for v in 0..V {
                let rest = width - (v * LANES).min(width);
                let mask: u16 = if rest >= LANES { !0 } else { (1u16 << rest) - 1 };
                let at = c.add(i * c_stride + v * LANES);
                let mut sum = sums[i][v];
                if add {
                    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, at));
                }
                _mm512_mask_storeu_ps(at, mask, sum);
            }
        }
    }
}

/// Rows of `a` that one task takes: a few tasks a thread, and what it reads stays in the second-level cache.
fn share(rows: usize, stride: usize) -> usize {
    let fair = rows.div_ceil(2 * rayon::current_num_threads());
    fair.min((256 << 10) / stride.max(1)).max(1).next_multiple_of(ROWS)
}

/// `a @ b`, spread over the thread pool.
pub fn product(a: Mat, b: Mat) -> Vec<f32> {
    let (left, right) = (Left::new(a), Right::new(b));
    let mut dst = vec![0.0; left.rows * right.cols];
    let step = share(left.rows, left.stride);
    dst.par_chunks_mut((step * right.cols).max(1)).enumerate().for_each(|(i, out)| {
        multiply(out, &left.data[i * step * left.stride..], out.len() / right.cols, left.stride, &right, false);
    });
    dst
}

/// `fields @ b` where `fill(first, lines)` writes rows `first..` of the rounded left factor, `k` elements each, an even number.
pub fn product_of_rows(rows: usize, k: usize, b: Mat, fill: impl Fn(usize, &mut [u16]) + Sync) -> Vec<f32> {
    let right = Right::new(b);
    let mut dst = vec![0.0; rows * right.cols];
    let step = share(rows, k);
    dst.par_chunks_mut(step * right.cols).enumerate().for_each_init(
        || Buffer::<u16>::new(step * k),
        |lines, (i, out)| {
            let n = out.len() / right.cols;
            fill(i * step, &mut lines[..n * k]);
            multiply(out, lines, n, k, &right, false);
        },
    );
    dst
}

/// `dyᵀ @ fields`, `[cols of dy, k]`, with `fill` as in [`product_of_rows`].
pub fn product_with_rows(dy: Mat, k: usize, fill: impl Fn(usize, &mut [u16]) + Sync) -> Vec<f32> {
    let rows = dy.size().0;
    let left = Left::new(dy.t());
    let threads = rayon::current_num_threads();
    let part = rows.div_ceil(threads).next_multiple_of(2);
    let step = ((192 << 10) / k.max(1)).clamp(32, 512).next_multiple_of(2).min(part);
    // Each thread sums its own share; the shares are added in a fixed order, so the result does not depend on timing.
    let sums: Vec<Vec<f32>> = (0..rows.div_ceil(part))
        .into_par_iter()
        .map(|t| {
            let mut sum = vec![0.0; left.rows * k];
            let mut lines = Buffer::<u16>::new(step * k);
            let mut right = Right::empty(step, k);
            let end = ((t + 1) * part).min(rows);
            for first in (t * part..end).step_by(step) {
                let n = step.min(end - first);
                fill(first, &mut lines[..n * k]);
                right.refill(&lines[..n * k], n);
                multiply(&mut sum, &left.data[first..], left.rows, left.stride, &right, true);
            }
            sum
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or_else(|| vec![0.0; left.rows * k]);
    for part in sums {
        total.iter_mut().zip(&part).for_each(|(a, b)| *a += b);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..len).map(|_| next()).collect()
    }

    /// The product of rounded factors, summed in f64.
    fn exact(a: Mat, b: Mat) -> Vec<f32> {
        let ((m, k), (_, n)) = (a.size(), b.size());
        let wide = |v: f32| f64::from(f32::from_bits(u32::from(narrow(v)) << 16));
        let dot = |r: usize, c: usize| (0..k).map(|i| wide(a.at(r, i)) * wide(b.at(i, c))).sum::<f64>();
        (0..m * n).map(|i| dot(i / n, i % n) as f32).collect()
    }

    fn close(ours: &[f32], theirs: &[f32], what: &str) {
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let top = theirs.iter().fold(0.1f32, |t, v| t.max(v.abs()));
        let worst = ours.iter().zip(theirs).fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
        assert!(worst <= 1e-5 * top, "{what}: off by {worst} of {top}");
    }

    #[test]
    fn rounds_to_the_nearest() {
        for (value, bits) in
            [(1.0, 0x3f80), (-2.5, 0xc020), (257.0 / 256.0, 0x3f80), (259.0 / 256.0, 0x3f82), (3.4e-5, 0x380f)]
        {
            assert_eq!(narrow(value), bits, "{value}");
        }
        assert_eq!(narrow_all(&[0.0, 1.0])[..], [0, 0x3f80]);
    }

    #[test]
    fn products_are_those_of_rounded_factors() {
        if !available() {
            println!("skipped: this processor does not multiply pairs of bfloat16");
            return;
        }
        for (m, k, n) in [(1, 1, 1), (3, 7, 5), (8, 64, 48), (17, 65, 49), (65, 1, 100), (40, 1300, 31), (9, 2, 96)] {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let what = format!("{m}x{k}x{n}");
            let (plain_a, turned_a) = (Mat::new(&a, m, k), Mat::new(&a, k, m).t());
            let (plain_b, turned_b) = (Mat::new(&b, k, n), Mat::new(&b, n, k).t());
            for (a, b) in [(plain_a, plain_b), (turned_a, plain_b), (plain_a, turned_b)] {
                close(&product(a, b), &exact(a, b), &what);
            }
            if k.is_multiple_of(2) {
                let narrowed = narrow_all(&a);
                let fill = |first: usize, lines: &mut [u16]| {
                    lines.copy_from_slice(&narrowed[first * k..first * k + lines.len()]);
                };
                close(&product_of_rows(m, k, plain_b, fill), &exact(plain_a, plain_b), &what);
                let dy = values(m * n, 3);
                let dy = Mat::new(&dy, m, n);
                close(&product_with_rows(dy, k, fill), &exact(dy.t(), plain_a), &what);
            }
        }
    }
}
