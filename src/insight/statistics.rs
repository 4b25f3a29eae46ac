//! The few statistics that the measurements need.

/// Pearson's correlation, -1..=1; 0 when either side does not vary or there are fewer than two pairs.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().min(y.len());
    if n < 2 {
        return 0.0;
    }
    let (mx, my) = (mean(&x[..n]), mean(&y[..n]));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx).powi(2);
        yy += (b - my).powi(2);
    }
    if xx <= 0.0 || yy <= 0.0 { 0.0 } else { xy / (xx * yy).sqrt() }
}

/// Spearman's rank correlation, -1..=1; equal values share their mean rank.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().min(y.len());
    pearson(&ranks(&x[..n]), &ranks(&y[..n]))
}

/// Arithmetic mean; 0 of nothing.
pub fn mean(x: &[f64]) -> f64 {
    if x.is_empty() { 0.0 } else { x.iter().sum::<f64>() / x.len() as f64 }
}

/// The middle value; 0 of nothing.
pub fn median(x: &[f64]) -> f64 {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
    let mut ranks = vec![0.0; x.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && x[order[end]] == x[order[start]] {
            end += 1;
        }
        for index in &order[start..end] {
            ranks[*index] = (start + end - 1) as f64 / 2.0;
        }
        start = end;
    }
    ranks
}

/// Mean Euclidean distance between all pairs of vectors; 0 for fewer than two.
pub fn mean_distance(set: &[Vec<f32>]) -> f64 {
    let mut distances = Vec::new();
    for (index, a) in set.iter().enumerate() {
        distances.extend(set[..index].iter().map(|b| squared(a, b).sqrt()));
    }
    mean(&distances)
}

/// Squared Euclidean distance.
pub fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Scales features so that each varies by 1 over a reference set.
#[derive(Debug, Clone)]
pub struct Scale {
    centre: Vec<f32>,
    spread: Vec<f32>,
}

impl Scale {
    /// Mean and spread of each feature over the set; a feature that does not vary is left as it is.
    pub fn of(set: &[Vec<f32>]) -> Self {
        let (centre, covariance) = moments(set);
        let spread = |i: usize| covariance[i][i].sqrt();
        let spread = (0..centre.len()).map(|i| if spread(i) > 1e-4 { spread(i) as f32 } else { 1.0 }).collect();
        Self { centre: centre.iter().map(|c| *c as f32).collect(), spread }
    }

    /// The scaled features.
    pub fn apply(&self, features: &[f32]) -> Vec<f32> {
        features.iter().zip(&self.centre).zip(&self.spread).map(|((f, c), s)| (f - c) / s).collect()
    }
}

type Matrix = Vec<Vec<f64>>;

/// Mean and covariance (divided by n - 1) of a set of equally long vectors.
fn moments(set: &[Vec<f32>]) -> (Vec<f64>, Matrix) {
    let size = set.first().map_or(0, Vec::len);
    let mut centre = vec![0.0; size];
    for vector in set {
        centre.iter_mut().zip(vector).for_each(|(c, v)| *c += f64::from(*v) / set.len() as f64);
    }
    let mut covariance = vec![vec![0.0; size]; size];
    let weight = 1.0 / (set.len().max(2) - 1) as f64;
    for vector in set {
        let off: Vec<f64> = vector.iter().zip(&centre).map(|(v, c)| f64::from(*v) - c).collect();
        for (row, a) in covariance.iter_mut().zip(&off) {
            row.iter_mut().zip(&off).for_each(|(cell, b)| *cell += a * b * weight);
        }
    }
    (centre, covariance)
}

/// Fréchet distance between two sets of vectors taken as normal distributions (Heusel et al. 2017):
/// `|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½)`. Small sets come out too far apart: compare only with sets of equal size.
pub fn frechet(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(a), moments(b));
    let between: f64 = mean_a.iter().zip(&mean_b).map(|(a, b)| (a - b).powi(2)).sum();
    let trace = |m: &Matrix| (0..m.len()).map(|i| m[i][i]).sum::<f64>();
    // tr (C1 C2)^½ is the sum of the roots of the eigenvalues of the symmetric C1^½ C2 C1^½.
    let root = symmetric_function(&cov_a, |value| value.max(0.0).sqrt());
    let (values, _) = eigen(&product(&product(&root, &cov_b), &root));
    let shared: f64 = values.iter().map(|value| value.max(0.0).sqrt()).sum();
    (between + trace(&cov_a) + trace(&cov_b) - 2.0 * shared).max(0.0)
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let n = a.len();
    let mut out = vec![vec![0.0; n]; n];
    for (row, out) in a.iter().zip(&mut out) {
        for (factor, line) in row.iter().zip(b) {
            out.iter_mut().zip(line).for_each(|(cell, value)| *cell += factor * value);
        }
    }
    out
}

/// A function of a symmetric matrix, by its eigenvalues.
fn symmetric_function(matrix: &Matrix, f: impl Fn(f64) -> f64) -> Matrix {
    let (values, vectors) = eigen(matrix);
    let n = values.len();
    let mut out = vec![vec![0.0; n]; n];
    for (k, value) in values.iter().enumerate() {
        let value = f(*value);
        for i in 0..n {
            for j in 0..n {
                out[i][j] += vectors[i][k] * value * vectors[j][k];
            }
        }
    }
    out
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi rotations.
fn eigen(matrix: &Matrix) -> (Vec<f64>, Matrix) {
    let n = matrix.len();
    let mut a = matrix.clone();
    let mut vectors: Matrix = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let scale: f64 = a.iter().flatten().map(|v| v * v).sum();
    for _ in 0..50 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j].powi(2)).sum();
        if off <= scale * 1e-22 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
                for row in &mut vectors {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random normal numbers, enough for a test.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..count).map(|_| ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) as f32).collect()
    }

    /// Values from numpy.corrcoef, on the numbers and on their ranks.
    #[test]
    fn correlations_are_those_of_numpy() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let y = [2.0, 1.0, 4.0, 4.0, 7.0, 30.0, 6.0];
        assert!((pearson(&x, &y) - PEARSON).abs() < 1e-9, "{}", pearson(&x, &y));
        assert!((spearman(&x, &y) - SPEARMAN).abs() < 1e-9, "{}", spearman(&x, &y));
        assert_eq!(pearson(&x, &[1.0; 7]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0, 9.0]), 2.5);
    }

    const PEARSON: f64 = 0.5606765447425508;
    const SPEARMAN: f64 = 0.8468812149338255;

    /// For diagonal Gaussians the distance is known: the sum of `(m1-m2)² + (s1-s2)²`.
    #[test]
    fn the_frechet_distance_is_the_known_one() {
        let make = |seed: u64, spread: f32, shift: f32| -> Vec<Vec<f32>> {
            noise(4000 * 3, seed).chunks(3).map(|v| v.iter().map(|x| x * spread + shift).collect()).collect()
        };
        let found = frechet(&make(1, 1.0, 0.0), &make(2, 2.0, 0.5));
        assert!((found - 3.0 * (0.25 + 1.0)).abs() < 0.25, "{found}");
        assert!(frechet(&make(1, 1.0, 0.0), &make(1, 1.0, 0.0)) < 1e-6);
    }
}
