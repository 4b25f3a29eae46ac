//! Muon: steps for weight matrices along orthogonalised momentum (Jordan et al. 2024, kellerjordan.github.io/posts/muon), scaled
//! as AdamW's steps are (Liu et al. 2025, arXiv:2502.16982), so that one learning rate serves both.

use crate::kernels::cpu::matrix::{Mat, product, transpose};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Decay of the momentum.
pub const MOMENTUM: f32 = 0.95;
/// The quintic's coefficients: steep at 0, within 0.3 of 1 after five rounds.
const QUINTIC: (f32, f32, f32) = (3.4445, -4.7750, 2.0315);
const ROUNDS: usize = 5;
/// Numbers that one core takes at a time.
const CHUNK: usize = 16 << 10;
/// Root mean square of one step at learning rate 1, about that of AdamW.
const STEP_RMS: f32 = 0.2;

/// Rows and columns of a weight that Muon moves: the inner matrices. Embeddings, the first and the last layer, and whatever is
/// thinner than 16 stay with AdamW.
pub fn matrix(name: &str, shape: &[usize]) -> Option<(usize, usize)> {
    let (cols, lines) = shape.split_last()?;
    let rows: usize = lines.iter().product();
    let ends = ["embedding", "conv_in", "conv_out"];
    (!lines.is_empty() && rows.min(*cols) >= 16 && !ends.iter().any(|e| name.contains(e))).then_some((rows, *cols))
}

/// Takes `gradient` into `momentum` and returns the direction of the step, `rows x cols`, to be scaled by the learning rate.
pub fn direction(gradient: &[f32], momentum: &mut [f32], (rows, cols): (usize, usize)) -> Vec<f32> {
    let look = |(m, g): (&mut f32, &f32)| {
        *m = MOMENTUM * *m + (1.0 - MOMENTUM) * g;
        MOMENTUM * *m + (1.0 - MOMENTUM) * g
    };
    let ahead: Vec<f32> = momentum.par_iter_mut().zip(gradient).with_min_len(CHUNK).map(look).collect();
    let mut step = orthogonal(ahead, (rows, cols));
    let scale = STEP_RMS * (rows.max(cols) as f32).sqrt();
    step.par_iter_mut().with_min_len(CHUNK).for_each(|v| *v *= scale);
    step
}

/// The same on any device for matrices of one size, `[matrices, rows, columns]`, whose momentum is looked ahead already.
pub fn directions(ahead: Tensor<3>) -> Tensor<3> {
    let [_, rows, cols] = ahead.dims();
    let mut x = if rows < cols { ahead.swap_dims(1, 2) } else { ahead };
    let norm = x.clone().square().sum_dim(1).sum_dim(2).sqrt() + 1e-7;
    x = x / norm;
    let (a, b, c) = QUINTIC;
    for _ in 0..ROUNDS {
        let gram = x.clone().swap_dims(1, 2).matmul(x.clone());
        let inner = gram.clone().matmul(gram.clone()) * c + gram * b;
        x = x.clone() * a + x.matmul(inner);
    }
    let step = if rows < cols { x.swap_dims(1, 2) } else { x };
    step * (STEP_RMS * (rows.max(cols) as f32).sqrt())
}

/// The matrix with its singular values moved near 1, by Newton-Schulz rounds on the smaller side.
fn orthogonal(x: Vec<f32>, (rows, cols): (usize, usize)) -> Vec<f32> {
    if rows < cols {
        let tall = orthogonal(transpose(&x, rows, cols), (cols, rows));
        return transpose(&tall, cols, rows);
    }
    let norm = crate::kernels::cpu::optimizer::sum_of_squares(&x).sqrt() as f32;
    let mut x = x;
    x.par_iter_mut().with_min_len(CHUNK).for_each(|v| *v /= norm + 1e-7);
    let (a, b, c) = QUINTIC;
    for _ in 0..ROUNDS {
        let tall = Mat::new(&x, rows, cols);
        let gram = product(tall.t(), tall);
        let square = Mat::new(&gram, cols, cols);
        let mut inner = product(square, square);
        inner.iter_mut().zip(&gram).for_each(|(s, g)| *s = c * *s + b * g);
        let mut next = product(tall, Mat::new(&inner, cols, cols));
        next.par_iter_mut().zip(&x).with_min_len(CHUNK).for_each(|(n, x)| *n += a * x);
        x = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::rng::Rng;

    #[test]
    fn singular_values_come_near_one() {
        for (rows, cols) in [(48, 16), (16, 48), (20, 20)] {
            let mut rng = Rng::new(5);
            let x: Vec<f32> = (0..rows * cols).map(|_| rng.normal()).collect();
            let y = orthogonal(x, (rows, cols));
            let (tall, small) = (rows.max(cols), rows.min(cols));
            let y = if rows < cols { transpose(&y, rows, cols) } else { y };
            let y = Mat::new(&y, tall, small);
            let gram = product(y.t(), y);
            // The sum of the squares of the singular values, and of their fourth powers.
            let trace: f32 = (0..small).map(|i| gram[i * small + i]).sum();
            let fourth: f32 = gram.iter().map(|v| v * v).sum();
            let (mean, spread) = (trace / small as f32, fourth / small as f32 - (trace / small as f32).powi(2));
            assert!((0.6..1.3).contains(&mean) && spread < 0.15, "{rows}x{cols}: {mean} {spread}");
        }
    }

    #[test]
    fn a_step_is_as_long_as_adamw_s_and_momentum_lasts() {
        let mut rng = Rng::new(6);
        let gradient: Vec<f32> = (0..64 * 32).map(|_| rng.normal()).collect();
        let mut momentum = vec![0.0; gradient.len()];
        let step = direction(&gradient, &mut momentum, (64, 32));
        let rms = (step.iter().map(|v| v * v).sum::<f32>() / step.len() as f32).sqrt();
        assert!((0.14..0.24).contains(&rms), "{rms}");
        let still = direction(&vec![0.0; gradient.len()], &mut momentum, (64, 32));
        let agree: f32 = still.iter().zip(&step).map(|(a, b)| a * b).sum::<f32>() / (step.len() as f32 * rms * rms);
        assert!(agree > 0.9, "{agree}");
    }

    #[test]
    fn stacked_matrices_take_the_same_steps() {
        let mut rng = Rng::new(7);
        for (rows, cols) in [(48, 16), (16, 48)] {
            let x: Vec<f32> = (0..2 * rows * cols).map(|_| rng.normal()).collect();
            let stack = Tensor::<3>::from_data(
                burn::tensor::TensorData::new(x.clone(), [2, rows, cols]),
                &burn::tensor::Device::flex(),
            );
            let together: Vec<f32> = directions(stack).into_data().try_into_vec().unwrap();
            for (i, x) in x.chunks_exact(rows * cols).enumerate() {
                // A momentum of the gradient's own size is left as it is.
                let alone = direction(x, &mut x.to_vec(), (rows, cols));
                for (a, b) in alone.iter().zip(&together[i * rows * cols..]) {
                    assert!((a - b).abs() < 2e-3, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn only_inner_matrices_are_moved() {
        assert_eq!(matrix("unet.mid_block.resnets.0.conv1.weight", &[3, 3, 32, 48]), Some((288, 48)));
        assert_eq!(matrix("unet.conv_in.weight", &[3, 3, 16, 192]), None);
        assert_eq!(matrix("text.token_embedding.weight", &[1601, 256]), None);
        assert_eq!(matrix("unet.norm.bias", &[192]), None);
    }
}
