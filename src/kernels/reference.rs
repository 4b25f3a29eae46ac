//! The same operations written with burn's own: what every device but the CPU runs, and what the fast ones are tested against.

use burn::tensor::activation;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Tensor};

/// See [`super::conv2d`].
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: (usize, usize),
) -> Tensor<4> {
    let x = x.permute([0, 3, 1, 2]);
    let weight = weight.permute([3, 2, 0, 1]);
    let options = ConvOptions::new_with_padding([stride; 2], [padding; 2], [1; 2], 1);
    module::conv2d(x, weight, bias, options).permute([0, 2, 3, 1])
}

/// See [`super::group_norm`].
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<D> {
    let dims = x.dims();
    let (n, c) = (dims[0], dims[D - 1]);
    let spatial: usize = dims[1..D - 1].iter().product();
    let y = x.reshape([n, spatial, groups, c / groups]);
    let mean = y.clone().mean_dim(3).mean_dim(1);
    let centred = y - mean;
    let var = centred.clone().square().mean_dim(3).mean_dim(1);
    let y = (centred / (var + eps).sqrt()).reshape([n * spatial, c]);
    let y = (y * gamma.unsqueeze::<2>() + beta.unsqueeze::<2>()).reshape(dims);
    if silu { activation::silu(y) } else { y }
}

/// See [`super::layer_norm`].
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    module::layer_norm(x, gamma, Some(beta), eps)
}

/// See [`super::linear`].
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let dims = x.dims();
    let rows: usize = dims[..D - 1].iter().product();
    let [inputs, outputs] = weight.dims();
    let mut y = x.reshape([rows, inputs]).matmul(weight);
    if let Some(bias) = bias {
        y = y + bias.unsqueeze::<2>();
    }
    let mut shape = dims;
    shape[D - 1] = outputs;
    y.reshape(shape)
}

/// See [`super::silu`].
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}

/// See [`super::gelu`].
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::gelu(x)
}

/// See [`super::quick_gelu`].
pub fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * activation::sigmoid(x * 1.702)
}

/// See [`super::attention`].
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    let [n, tokens, width] = q.dims();
    let others = k.dims()[1];
    let d = width / heads;
    let split = |t: Tensor<3>, len: usize| t.reshape([n, len, heads, d]).swap_dims(1, 2);
    let scores = split(q, tokens).matmul(split(k, others).swap_dims(2, 3)) * (1.0 / (d as f64).sqrt());
    let scores = if causal {
        let mask = Tensor::<2, Bool>::tril_mask([tokens, others], 0, &scores.device());
        scores.mask_fill(mask.unsqueeze::<4>().expand([n, heads, tokens, others]), f32::NEG_INFINITY)
    } else {
        scores
    };
    activation::softmax(scores, 3).matmul(split(v, others)).swap_dims(1, 2).reshape([n, tokens, width])
}

/// See [`super::upsample2x`].
pub fn upsample2x(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n * h, 1, w, c]).reshape([n * h, 1, w, 1, c]).expand([n * h, 2, w, 2, c]).reshape([n, 2 * h, 2 * w, c])
}
