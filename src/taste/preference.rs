//! Bayesian pairwise logistic regression: who wins follows Bradley and Terry (1952), the prior is Gaussian, and the posterior
//! is Laplace's Gaussian at the most probable weights (MacKay 1992).

use crate::corpus::rng::Rng;
use crate::insight::cholesky;

/// One choice: the winner's features less the loser's, and how much it counts (1 = a plain choice).
#[derive(Debug, Clone)]
pub struct Duel {
    /// Winner less loser.
    pub difference: Vec<f64>,
    /// 0 and up.
    pub weight: f64,
}

/// What the weights can be, given the choices.
#[derive(Debug, Clone)]
pub struct Posterior {
    mean: Vec<f64>,
    /// Lower Cholesky factor of the precision.
    factor: Vec<Vec<f64>>,
    /// Logarithm of the evidence, by which widths of the prior are compared.
    evidence: f64,
}

/// Most Newton steps; four or five do.
const STEPS: usize = 30;
/// Widths of the prior that are tried; the evidence decides.
const WIDTHS: [f64; 3] = [0.5, 1.0, 2.0];
/// Choices from which on they outweigh the prior, whatever its width.
const MANY: usize = 600;

impl Posterior {
    /// The posterior for the choices, under a prior with these standard deviations (each above 0), all of them made wider or
    /// narrower by the factor with the greatest evidence, unless there are so many choices that it does not matter.
    pub fn fit(duels: &[Duel], prior: &[f64]) -> Self {
        let mut best: Option<Self> = None;
        for width in if (1..=MANY).contains(&duels.len()) { &WIDTHS[..] } else { &WIDTHS[1..2] } {
            let scaled: Vec<f64> = prior.iter().map(|p| p * width).collect();
            let found = Self::fit_with(duels, &scaled);
            if best.as_ref().is_none_or(|best| found.evidence > best.evidence) {
                best = Some(found);
            }
        }
        best.unwrap_or_else(|| Self::fit_with(&[], prior))
    }

    fn fit_with(duels: &[Duel], prior: &[f64]) -> Self {
        let n = prior.len();
        // Most Recipe features are the same on both sides.
        let sparse: Vec<Vec<(usize, f64)>> = duels
            .iter()
            .map(|d| d.difference.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect())
            .collect();
        let precision: Vec<f64> = prior.iter().map(|p| 1.0 / (p * p)).collect();
        let margin = |weights: &[f64], row: &[(usize, f64)]| row.iter().map(|(i, v)| weights[*i] * v).sum::<f64>();
        let loss = |weights: &[f64]| {
            let fit: f64 = sparse.iter().zip(duels).map(|(row, d)| d.weight * softplus(-margin(weights, row))).sum();
            fit + 0.5 * weights.iter().zip(&precision).map(|(w, p)| w * w * p).sum::<f64>()
        };
        let hessian = |weights: &[f64]| {
            let mut matrix = vec![vec![0.0; n]; n];
            for (row, duel) in sparse.iter().zip(duels) {
                let p = sigmoid(margin(weights, row));
                let curve = duel.weight * p * (1.0 - p);
                for (at, (i, a)) in row.iter().enumerate() {
                    let line = &mut matrix[*i];
                    for (j, b) in &row[..=at] {
                        line[*j] += curve * a * b;
                    }
                }
            }
            (0..n).for_each(|i| matrix[i][i] += precision[i]);
            cholesky::factor(matrix, 1e-12)
        };
        let mut mean = vec![0.0; n];
        let mut value = loss(&mean);
        for _ in 0..STEPS {
            let mut gradient: Vec<f64> = mean.iter().zip(&precision).map(|(w, p)| w * p).collect();
            for (row, duel) in sparse.iter().zip(duels) {
                let push = duel.weight * sigmoid(-margin(&mean, row));
                row.iter().for_each(|(i, v)| gradient[*i] -= push * v);
            }
            let step = cholesky::solve(&hessian(&mean), gradient);
            let mut length = 1.0;
            let (next, better) = loop {
                let next: Vec<f64> = mean.iter().zip(&step).map(|(w, s)| w - length * s).collect();
                let found = loss(&next);
                if found <= value || length < 1e-6 {
                    break (next, found);
                }
                length /= 2.0;
            };
            let gain = value - better;
            (mean, value) = (next, better);
            if gain < 1e-6 {
                break;
            }
        }
        let factor = hessian(&mean);
        let half_log_determinant: f64 = (0..n).map(|i| factor[i][i].ln()).sum();
        let evidence = -value - half_log_determinant + 0.5 * precision.iter().map(|p| p.ln()).sum::<f64>();
        Self { mean, factor, evidence }
    }

    /// The most probable weights.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Standard deviation of the score of features, or of a difference of features.
    pub fn spread(&self, features: &[f64]) -> f64 {
        // x' (L L')⁻¹ x = |L⁻¹ x|²
        cholesky::forward(&self.factor, features.to_vec()).iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    /// Standard deviation of one weight.
    pub fn spread_of(&self, index: usize) -> f64 {
        let mut unit = vec![0.0; self.mean.len()];
        if let Some(cell) = unit.get_mut(index) {
            *cell = 1.0;
        }
        self.spread(&unit)
    }

    /// How probable it is that the first wins, given the difference of features; the uncertainty pulls it towards a half
    /// (MacKay 1992).
    pub fn chance(&self, difference: &[f64]) -> f64 {
        let spread = self.spread(difference);
        let score = cholesky::dot(&self.mean, difference);
        sigmoid(score / (1.0 + std::f64::consts::PI / 8.0 * spread * spread).sqrt())
    }

    /// Weights drawn from the posterior, with its standard deviations times `heat` (0 = the most probable weights).
    pub fn draw(&self, rng: &mut Rng, heat: f64) -> Vec<f64> {
        let noise: Vec<f64> = self.mean.iter().map(|_| f64::from(rng.normal()) * heat).collect();
        let off = cholesky::backward(&self.factor, noise);
        self.mean.iter().zip(off).map(|(m, o)| m + o).collect()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With one feature the posterior can be integrated by hand.
    #[test]
    fn one_weight_is_what_integration_gives() {
        let duels: Vec<Duel> =
            [1.0, 0.5, -0.4, 1.5, 0.8].into_iter().map(|d| Duel { difference: vec![d], weight: 1.0 }).collect();
        let found = Posterior::fit_with(&duels, &[1.0]);
        let density = |w: f64| {
            let fit: f64 = duels.iter().map(|d| -softplus(-w * d.difference[0])).sum();
            (fit - w * w / 2.0).exp()
        };
        let grid: Vec<f64> = (-8000..8000).map(|i| f64::from(i) / 1000.0).collect();
        let total: f64 = grid.iter().map(|w| density(*w)).sum();
        let mean = grid.iter().map(|w| w * density(*w)).sum::<f64>() / total;
        let variance = grid.iter().map(|w| (w - mean).powi(2) * density(*w)).sum::<f64>() / total;
        let peak = grid.iter().copied().max_by(|a, b| density(*a).total_cmp(&density(*b))).unwrap();
        assert!((found.mean[0] - peak).abs() < 2e-3, "{} {peak}", found.mean[0]);
        assert!((found.spread_of(0) - variance.sqrt()).abs() < 0.05, "{} {}", found.spread_of(0), variance.sqrt());
        let evidence = (total / 1000.0 / std::f64::consts::TAU.sqrt()).ln();
        assert!((found.evidence - evidence).abs() < 0.05, "{} {evidence}", found.evidence);
    }

    #[test]
    fn draws_have_the_posterior_s_mean_and_spread() {
        let mut rng = Rng::new(5);
        let duels: Vec<Duel> = (0..40)
            .map(|_| {
                let d: Vec<f64> = (0..3).map(|_| f64::from(rng.normal())).collect();
                let won = d[0] - 0.5 * d[1] > 0.0;
                Duel { difference: d.iter().map(|v| if won { *v } else { -v }).collect(), weight: 1.0 }
            })
            .collect();
        let found = Posterior::fit(&duels, &[1.0; 3]);
        assert!(found.mean[0] > 0.5 && found.mean[1] < 0.0, "{:?}", found.mean);
        let draws: Vec<Vec<f64>> = (0..4000).map(|_| found.draw(&mut rng, 1.0)).collect();
        for i in 0..3 {
            let mean = draws.iter().map(|d| d[i]).sum::<f64>() / 4000.0;
            let spread = (draws.iter().map(|d| (d[i] - mean).powi(2)).sum::<f64>() / 4000.0).sqrt();
            assert!((mean - found.mean[i]).abs() < 0.08, "{mean} {}", found.mean[i]);
            assert!((spread / found.spread_of(i) - 1.0).abs() < 0.08, "{spread} {}", found.spread_of(i));
        }
        assert_eq!(found.draw(&mut rng, 0.0), found.mean);
        let none = Posterior::fit(&[], &[1.0, 2.0]);
        assert_eq!((none.mean(), none.spread_of(1)), (&[0.0, 0.0][..], 2.0));
        assert!((none.chance(&[1.0, 1.0]) - 0.5).abs() < 1e-12);
    }
}
