//! The CPU's own kernels, joined to burn's `flex` backend and to its automatic differentiation.

pub mod activation;
pub mod attention;
mod autodiff;
pub mod conv;
mod direct;
mod flex;
mod fresh;
pub mod half;
mod kept;
pub mod matrix;
pub mod norm;
pub mod optimizer;
mod reduce;
pub mod resample;
mod spare;
pub mod winograd;

use activation::Pointwise;
use burn::backend::backend_extension;
use burn::backend::tensor::FloatTensor;

/// Runs `f` with the widest vector instructions that this processor has.
#[inline(always)]
pub(crate) fn simd<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// The operations that Kiln brings to the CPU; shapes as in [`super`].
#[backend_extension(Flex, Autodiff)]
pub trait CpuOps: burn::backend::Backend {
    /// Convolution.
    fn kiln_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        before: usize,
        after: usize,
    ) -> FloatTensor<Self>;
    /// Linear layer over `[rows, in]`.
    fn kiln_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Group normalisation of `[n, pixels, channels]`.
    fn kiln_group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Self>;
    /// Layer normalisation of `[rows, channels]`.
    fn kiln_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;
    /// A pointwise function; `f` as `code` numbers it.
    fn kiln_pointwise(x: FloatTensor<Self>, f: usize) -> FloatTensor<Self>;
    /// Attention of `[n, tokens, heads * d]`.
    fn kiln_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self>;
    /// Enlargement by two of `[n, h, w, c]`.
    fn kiln_upsample2x(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Number of a pointwise function on its way through burn's dispatch.
pub(crate) fn code(f: Pointwise) -> usize {
    match f {
        Pointwise::Silu => 0,
        Pointwise::Gelu => 1,
        Pointwise::QuickGelu => 2,
    }
}

/// The reverse of [`code`].
pub(crate) fn decode(code: usize) -> Pointwise {
    match code {
        0 => Pointwise::Silu,
        1 => Pointwise::Gelu,
        _ => Pointwise::QuickGelu,
    }
}
