//! Fast operations under burn's own types; the only folder that knows memory layouts.
//!
//! Every picture-shaped tensor above this folder is channels-last, `[batch, height, width, channels]`, and every
//! convolution weight is `[kernel_h, kernel_w, in, out]`: the order in which a CPU multiplies matrices without moving data.
//! On any other device the same functions call burn's own operations (`reference`).

pub mod cpu;
pub mod memory;
pub mod reference;
pub mod work;

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};
use cpu::activation::Pointwise;
use cpu::{CpuOps, code};

/// Whether this device is the CPU with our own kernels.
pub fn on_cpu(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Whether a tensor lives where our own kernels run.
fn own<const D: usize>(x: &Tensor<D>) -> bool {
    on_cpu(&x.device()) && x.dtype() == burn::tensor::DType::F32
}

/// Two-dimensional convolution. `x`: `[n, h, w, in]`; `weight`: `[kh, kw, in, out]`; `bias`: `[out]`;
/// `padding`: zeros `(before, after)` both axes. Returns `[n, h', w', out]`.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: (usize, usize),
) -> Tensor<4> {
    if !own(&x) {
        return reference::conv2d(x, weight, bias, stride, padding);
    }
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[3]], &x.device()));
    Tensor::from_dispatch(Dispatch::kiln_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        stride,
        padding.0,
        padding.1,
    ))
}

/// Group normalisation over `[n, ..., channels]`, with SiLU after it when `silu`. `gamma`, `beta`: `[channels]`.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Tensor<D> {
    if !own(&x) {
        return reference::group_norm(x, gamma, beta, groups, eps, silu);
    }
    let dims = x.dims();
    let pixels: usize = dims[1..D - 1].iter().product();
    let y = Tensor::<3>::from_dispatch(Dispatch::kiln_group_norm(
        x.reshape([dims[0], pixels, dims[D - 1]]).into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        groups,
        eps,
        silu,
    ));
    y.reshape(dims)
}

/// Layer normalisation over the last axis.
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    if !own(&x) {
        return reference::layer_norm(x, gamma, beta, eps);
    }
    let dims = x.dims();
    let rows: usize = dims[..D - 1].iter().product();
    let y = Tensor::<2>::from_dispatch(Dispatch::kiln_layer_norm(
        x.reshape([rows, dims[D - 1]]).into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        eps,
    ));
    y.reshape(dims)
}

/// `x @ weight + bias` over the last axis; `weight`: `[in, out]`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    if !own(&x) {
        return reference::linear(x, weight, bias);
    }
    let mut dims = x.dims();
    let rows: usize = dims[..D - 1].iter().product();
    let [inputs, outputs] = weight.dims();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], &x.device()));
    let y = Tensor::<2>::from_dispatch(Dispatch::kiln_linear(
        x.reshape([rows, inputs]).into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ));
    dims[D - 1] = outputs;
    y.reshape(dims)
}

fn pointwise<const D: usize>(x: Tensor<D>, f: Pointwise) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::kiln_pointwise(x.into_dispatch(), code(f)))
}

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if own(&x) { pointwise(x, Pointwise::Silu) } else { reference::silu(x) }
}

/// The exact (erf) GELU.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if own(&x) { pointwise(x, Pointwise::Gelu) } else { reference::gelu(x) }
}

/// `x * sigmoid(1.702 x)`, CLIP's GELU.
pub fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if own(&x) { pointwise(x, Pointwise::QuickGelu) } else { reference::quick_gelu(x) }
}

/// Multi-head attention without projections. `q`: `[n, tokens, heads * d]`; `k`, `v`: `[n, others, heads * d]`;
/// scale `1 / sqrt(d)`; `causal` hides later tokens. Returns `[n, tokens, heads * d]`.
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, causal: bool) -> Tensor<3> {
    if !own(&q) {
        return reference::attention(q, k, v, heads, causal);
    }
    Tensor::from_dispatch(Dispatch::kiln_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        heads,
        causal,
    ))
}

/// Nearest-neighbour enlargement by two, `[n, h, w, c]` to `[n, 2h, 2w, c]`.
pub fn upsample2x(x: Tensor<4>) -> Tensor<4> {
    if !own(&x) {
        return reference::upsample2x(x);
    }
    Tensor::from_dispatch(Dispatch::kiln_upsample2x(x.into_dispatch()))
}

#[cfg(test)]
mod tests;
