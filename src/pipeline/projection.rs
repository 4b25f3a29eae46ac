//! The linear look at latents: the colours that fit them best, by least squares.

use super::PreviewImage;
use super::extras::PreviewProjection;
use super::pixels::to_byte;

/// Added to the diagonal, so that channels that never move get no colour rather than any.
const RIDGE: f64 = 1e-3;

/// Gathers latents and the colours that belong to them, a pixel at a time.
#[derive(Debug, Clone)]
pub(crate) struct LeastSquares {
    /// One row a latent channel and one for the bias, and as many columns.
    normal: Vec<Vec<f64>>,
    /// What each of these rows has to give, in red, green and blue.
    right: Vec<[f64; 3]>,
}

impl LeastSquares {
    /// For latents of so many channels.
    pub fn new(channels: usize) -> Self {
        Self { normal: vec![vec![0.0; channels + 1]; channels + 1], right: vec![[0.0; 3]; channels + 1] }
    }

    /// One pixel of a latent, scaled as the denoiser counts, and the mean colour in -1..=1 of what is decoded from it.
    pub fn add(&mut self, pixel: &[f64], colour: &[f64; 3]) {
        let row: Vec<f64> = pixel.iter().copied().chain([1.0]).collect();
        for ((a, normal), right) in row.iter().zip(&mut self.normal).zip(&mut self.right) {
            for (b, sum) in row.iter().zip(normal) {
                *sum += a * b;
            }
            for (colour, sum) in colour.iter().zip(right) {
                *sum += a * colour;
            }
        }
    }

    /// The projection that is nearest to all that was added.
    pub fn solve(mut self) -> PreviewProjection {
        for (i, row) in self.normal.iter_mut().enumerate() {
            row[i] += RIDGE;
        }
        let solution = solve(self.normal, self.right);
        let channels = solution.len() - 1;
        let matrix = solution[..channels].iter().map(|row| row.map(|v| v as f32)).collect();
        PreviewProjection { matrix, bias: solution[channels].map(|v| v as f32) }
    }
}

/// Gaussian elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<[f64; 3]>) -> Vec<[f64; 3]> {
    let n = a.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs())).unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        let divisor = a[column][column];
        if divisor.abs() < 1e-12 {
            continue;
        }
        for row in 0..n {
            if row == column {
                continue;
            }
            let factor = a[row][column] / divisor;
            for k in column..n {
                a[row][k] -= factor * a[column][k];
            }
            for k in 0..3 {
                b[row][k] -= factor * b[column][k];
            }
        }
    }
    (0..n).map(|i| b[i].map(|v| if a[i][i].abs() < 1e-12 { 0.0 } else { v / a[i][i] })).collect()
}

impl PreviewProjection {
    /// The colour of one pixel of a scaled latent, about -1..=1.
    pub(super) fn colour(&self, pixel: &[f32]) -> [f32; 3] {
        std::array::from_fn(|k| {
            let v: f32 = pixel.iter().zip(&self.matrix).map(|(v, row)| v * row[k]).sum();
            v + self.bias[k]
        })
    }

    /// A picture of a scaled latent `[h, w, c]`, a pixel a latent's.
    pub(super) fn look(&self, latent: &[f32], (w, h): (usize, usize)) -> PreviewImage {
        let pixels = latent.chunks_exact(self.matrix.len().max(1));
        let rgb = pixels.flat_map(|pixel| self.colour(pixel).map(to_byte)).collect();
        PreviewImage { width: w as u32, height: h as u32, rgb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elimination_solves() {
        let a = vec![vec![0.0, 2.0, 1.0], vec![1.0, 1.0, 0.0], vec![3.0, 0.0, -1.0]];
        let x = [[1.0, 0.5, -2.0], [2.0, 0.0, 1.0], [-1.0, 3.0, 0.25]];
        let b = a.iter().map(|row| std::array::from_fn(|k| (0..3).map(|j| row[j] * x[j][k]).sum())).collect();
        for (ours, truth) in solve(a, b).iter().flatten().zip(x.iter().flatten()) {
            assert!((ours - truth).abs() < 1e-9, "{ours} {truth}");
        }
    }

    #[test]
    fn a_projection_is_found_again_and_channels_that_never_move_get_no_colour() {
        let truth = PreviewProjection { matrix: vec![[0.5, -0.2, 0.1], [0.0, 0.3, -0.4]], bias: [0.1, -0.1, 0.2] };
        let mut fit = LeastSquares::new(3);
        for i in 0..200 {
            let pixel = [f64::from(i % 17) / 8.0 - 1.0, f64::from(i % 11) / 5.0 - 1.0];
            let colour = truth.colour(&pixel.map(|v| v as f32)).map(f64::from);
            fit.add(&[pixel[0], pixel[1], 0.0], &colour);
        }
        let found = fit.solve();
        let rows = truth.matrix.iter().chain(std::iter::once(&[0.0; 3])).chain([&truth.bias]);
        for (ours, truth) in found.matrix.iter().chain([&found.bias]).zip(rows) {
            for (ours, truth) in ours.iter().zip(truth) {
                assert!((ours - truth).abs() < 1e-4, "{found:?}");
            }
        }
        let seen = found.look(&[1.0, 0.0, 9.0, -9.0, 0.0, 0.0], (2, 1));
        assert_eq!((seen.width, seen.height), (2, 1));
        assert_eq!(seen.rgb, [204, 89, 166, 0, 255, 38]);
    }
}
