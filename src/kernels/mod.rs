//! Fast operations under burn's own types; the only folder that knows memory layouts.
//!
//! Every picture-shaped tensor above this folder is channels-last, `[batch, height, width, channels]`, and every
//! convolution weight is `[kernel_h, kernel_w, in, out]`: the order in which a CPU multiplies matrices without moving data.
//! On any other device the same functions call burn's own operations (`reference`).

pub mod reference;

use burn::tensor::Tensor;

/// Two-dimensional convolution. `x`: `[n, h, w, in]`; `weight`: `[kh, kw, in, out]`; `bias`: `[out]`;
/// `padding`: zeros `(before, after)` both axes. Returns `[n, h', w', out]`.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: (usize, usize)) -> Tensor<4> {
    reference::conv2d(x, weight, bias, stride, padding)
}

/// Group normalisation over `[n, ..., channels]`, with SiLU after it when `silu`. `gamma`, `beta`: `[channels]`.
pub fn group_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, groups: usize, eps: f64, silu: bool) -> Tensor<D> {
    reference::group_norm(x, gamma, beta, groups, eps, silu)
}

/// Layer normalisation over the last axis.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    reference::layer_norm(x, gamma, beta, eps)
}

/// `x @ weight + bias` over the last axis; `weight`: `[in, out]`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    reference::linear(x, weight, bias)
}

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::silu(x)
}

/// The exact (erf) GELU.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::gelu(x)
}

/// `x * sigmoid(1.702 x)`, CLIP's GELU.
pub fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::quick_gelu(x)
}

/// Multi-head attention without projections. `q`: `[n, tokens, heads * d]`; `k`, `v`: `[n, others, heads * d]`;
/// scale `1 / sqrt(d)`; `causal` hides later tokens. Returns `[n, tokens, heads * d]`.
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    reference::attention(q, k, v, heads, causal)
}

/// Nearest-neighbour enlargement by two, `[n, h, w, c]` to `[n, 2h, 2w, c]`.
pub fn upsample2x(x: Tensor<4>) -> Tensor<4> {
    reference::upsample2x(x)
}
