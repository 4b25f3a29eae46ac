//! Symmetric positive definite systems by Cholesky's factor.

/// The lower factor of a positive definite matrix, of which the lower half is read and written. What stands under a root is at
/// least `least`.
pub fn factor(mut rows: Vec<Vec<f64>>, least: f64) -> Vec<Vec<f64>> {
    for i in 0..rows.len() {
        let (done, rest) = rows.split_at_mut(i);
        let row = &mut rest[0];
        for (j, above) in done.iter().enumerate() {
            row[j] = (row[j] - dot(&row[..j], above)) / above[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).max(least).sqrt();
    }
    rows
}

/// Solves `root x = y`.
pub fn forward(root: &[Vec<f64>], mut y: Vec<f64>) -> Vec<f64> {
    for (i, row) in root.iter().enumerate() {
        y[i] = (y[i] - dot(&row[..i], &y)) / row[i];
    }
    y
}

/// Solves `rootᵀ x = y`.
pub fn backward(root: &[Vec<f64>], mut y: Vec<f64>) -> Vec<f64> {
    for (i, row) in root.iter().enumerate().rev() {
        y[i] /= row[i];
        let found = y[i];
        row[..i].iter().zip(&mut y).for_each(|(factor, y)| *y -= factor * found);
    }
    y
}

/// Solves `root rootᵀ x = y`.
pub fn solve(root: &[Vec<f64>], y: Vec<f64>) -> Vec<f64> {
    backward(root, forward(root, y))
}

/// Scalar product over the shorter of both.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
