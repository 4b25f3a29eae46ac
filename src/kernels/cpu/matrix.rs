//! Matrix products on the `gemm` crate, with the bounds checked here so that callers stay safe.

use super::{fresh, half};
use gemm::Parallelism;
use rayon::prelude::*;

/// A matrix in a slice: `rows x cols`, element `(r, c)` at `r * row_stride + c * col_stride`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// Row-major, rows one after the other.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }
    /// Row-major with `row_stride` elements from one row to the next.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(),
            "matrix {rows}x{cols} (stride {row_stride}) outside its slice of {}",
            data.len()
        );
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }
    /// `rows` rows from row `first` on.
    pub fn rows_from(self, first: usize, rows: usize) -> Self {
        assert!(first + rows <= self.rows, "rows {first}..{} of a matrix of {}", first + rows, self.rows);
        Self { data: &self.data[(first * self.row_stride).min(self.data.len())..], rows, ..self }
    }
    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }
    /// One element.
    #[inline(always)]
    pub fn at(&self, row: usize, col: usize) -> f32 {
        self.data[row * self.row_stride + col * self.col_stride]
    }
    /// The slice and the elements from one row to the next, when each row lies in one piece.
    pub fn lines(&self) -> Option<(&'a [f32], usize)> {
        (self.col_stride == 1).then_some((self.data, self.row_stride))
    }
    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// `dst = scale * a @ b`, or `dst += …` when `accumulate`. `dst` is row-major and packed. `parallel` spreads one product over
/// the thread pool; leave it off inside a parallel loop.
pub fn gemm(dst: &mut [f32], a: Mat, b: Mat, scale: f32, accumulate: bool, parallel: bool) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "inner sizes differ");
    assert!(dst.len() >= m * n, "result {m}x{n} outside its slice of {}", dst.len());
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            dst[..m * n].fill(0.0);
        }
        return;
    }
    let rows = rows_as_in_company(m, n, k);
    if rows > m {
        let mut wide = vec![0.0; rows * k];
        for (r, line) in wide.chunks_exact_mut(k).take(m).enumerate() {
            line.iter_mut().enumerate().for_each(|(c, v)| *v = a.at(r, c));
        }
        let mut sums = vec![0.0; rows * n];
        if accumulate {
            sums[..m * n].copy_from_slice(&dst[..m * n]);
        }
        gemm(&mut sums, Mat::new(&wide, rows, k), b, scale, accumulate, parallel);
        dst[..m * n].copy_from_slice(&sums[..m * n]);
        return;
    }
    let parallelism = if parallel { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: every index that the product touches was checked against the slices above and in `Mat::strided`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Rows with which a product of `m` is made. The crate sums single rows, and small products of many terms, in another order than
/// larger ones; but a picture's numbers must not depend on how many others there are.
fn rows_as_in_company(m: usize, n: usize, k: usize) -> usize {
    match (m, n, k) {
        // Of so many terms, only gradients have sums: they are of the whole batch, and copying them would cost time.
        (_, _, 16_385..) => m,
        (..=64, ..=64, 513..) => 65,
        (1, _, 3..) => 2,
        _ => m,
    }
}

/// `a @ b`, spread over the thread pool; with factors of 16 bits where training may and gains by it.
pub fn product(a: Mat, b: Mat) -> Vec<f32> {
    product_with(a, b, None)
}

/// [`product`] with `bias` added to every row.
pub fn product_with(a: Mat, b: Mat, bias: Option<&[f32]>) -> Vec<f32> {
    let ((m, k), (_, n)) = (a.size(), b.size());
    if half::wanted() && m >= 16 && n >= 16 && k >= 16 {
        let mut y = half::product(a, b);
        bias.iter().for_each(|bias| add_bias(&mut y, bias));
        return y;
    }
    let mut y = rows_of(bias, m, n);
    gemm(&mut y, a, b, 1.0, true, true);
    y
}

/// `bias` as every row of a new matrix, or zeros: what a product is added to, where adding the bias afterwards would go through memory
/// once more.
fn rows_of(bias: Option<&[f32]>, rows: usize, cols: usize) -> Vec<f32> {
    let part = cols * (8192 / cols.max(1)).max(1);
    fresh::parts(rows * cols, part, |_, lines| lay(bias, lines))
}

/// `bias` as every row of `lines`, which hold zeros; without one they stay zeros.
pub fn lay(bias: Option<&[f32]>, lines: &mut [f32]) {
    if let Some(bias) = bias {
        lines.chunks_exact_mut(bias.len()).for_each(|line| line.copy_from_slice(bias));
    }
}

/// `[rows, cols]` to `[cols, rows]`, in blocks that stay in the cache.
pub fn transpose(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut y = vec![0.0; x.len()];
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..cols).step_by(BLOCK) {
            for r in r0..(r0 + BLOCK).min(rows) {
                for c in c0..(c0 + BLOCK).min(cols) {
                    y[c * rows + r] = x[r * cols + c];
                }
            }
        }
    }
    y
}

/// Adds `bias` to every row of `dst`.
pub fn add_bias(dst: &mut [f32], bias: &[f32]) {
    dst.par_chunks_mut(bias.len() * 64).for_each(|rows| {
        super::simd(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(bias.len()) {
                    for (y, b) in row.iter_mut().zip(bias) {
                        *y += b;
                    }
                }
            },
        )
    });
}

/// Sum over the rows of `x` (`rows x cols`), the gradient of a bias.
pub fn column_sums(x: &[f32], cols: usize) -> Vec<f32> {
    let chunk = cols * (x.len() / cols).div_ceil(8 * rayon::current_num_threads()).max(64);
    x.par_chunks(chunk)
        .map(|rows| {
            let mut sums = vec![0.0f32; cols];
            super::simd(
                #[inline(always)]
                || {
                    for row in rows.chunks_exact(cols) {
                        for (s, v) in sums.iter_mut().zip(row) {
                            *s += v;
                        }
                    }
                },
            );
            sums
        })
        .collect::<Vec<_>>()
        .into_iter()
        .reduce(|mut a, b| {
            a.iter_mut().zip(&b).for_each(|(x, y)| *x += y);
            a
        })
        .unwrap_or_else(|| vec![0.0; cols])
}
