//! The small layers: convolution, linear, norms, embedding, attention. All arithmetic is `crate::kernels`'.

use super::init::{Draw, Init};
use crate::kernels;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use std::cell::Cell;

thread_local! {
    static SEAMLESS: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, convolutions that this thread asks for see the opposite edge of the picture beyond an edge, instead of zeros:
/// what comes out can be laid side by side with itself. Of the thread and not of the weights, which many pictures share.
#[derive(Debug)]
pub struct Seamless(bool);

impl Seamless {
    /// Whether this thread sees opposite edges.
    pub fn is_on() -> bool {
        SEAMLESS.get()
    }

    /// From now on, until it is dropped; then what was before.
    pub fn set(on: bool) -> Self {
        Self(SEAMLESS.replace(on))
    }
}

impl Drop for Seamless {
    fn drop(&mut self) {
        SEAMLESS.set(self.0);
    }
}

/// The picture with `pad` columns and rows of its opposite edges laid round it; less where the picture itself is smaller, as often
/// round as needed.
fn wrapped(x: Tensor<4>, pad: usize) -> Tensor<4> {
    let mut x = x;
    for axis in [1, 2] {
        let side = x.dims()[axis];
        let places: Vec<i32> =
            (0..side + 2 * pad).map(|i| (i as i64 - pad as i64).rem_euclid(side.max(1) as i64) as i32).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [side + 2 * pad]), &x.device());
        x = x.select(axis, places);
    }
    x
}

/// Convolution as [`kernels::conv2d`], which sees the opposite edge where [`Seamless`] says so. Padding that differs before and
/// after an axis stays zeros: the encoder's, which only reads pictures.
pub(super) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    (before, after): (usize, usize),
) -> Tensor<4> {
    if SEAMLESS.get() && before == after && before > 0 {
        return kernels::conv2d(wrapped(x, before), weight, bias, stride, (0, 0));
    }
    kernels::conv2d(x, weight, bias, stride, (before, after))
}

/// Convolution over channels-last pictures. Kept as `[kh, kw, in, out]`; on disk `[out, in, kh, kw]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[kh, kw, in, out]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    pad_before: usize,
    pad_after: usize,
}

impl Conv2d {
    /// An odd square kernel, stride 1, same size out, with bias; drawn as PyTorch draws it.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, kernel: usize) -> Self {
        let pad = kernel / 2;
        Self::strided(init, inputs, outputs, kernel, 1, (pad, pad))
    }

    /// With stride and zeros before and after both axes.
    pub fn strided(
        init: &mut Init,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: (usize, usize),
    ) -> Self {
        let bound = 1.0 / ((inputs * kernel * kernel) as f32).sqrt();
        Self {
            weight: init.param([kernel, kernel, inputs, outputs], Draw::Uniform(bound)),
            bias: Some(init.param([outputs], Draw::Uniform(bound))),
            stride,
            pad_before: padding.0,
            pad_after: padding.1,
        }
    }

    /// The same layer beginning at zero (for the last layer of a residual branch or of a network).
    pub fn zeroed(mut self, init: &mut Init) -> Self {
        let shape = self.weight.lazy_shape();
        let [kh, kw, inputs, outputs] = [shape[0], shape[1], shape[2], shape[3]];
        self.weight = init.param([kh, kw, inputs, outputs], Draw::Constant(0.0));
        self.bias = self.bias.map(|_| init.param([outputs], Draw::Constant(0.0)));
        self
    }

    /// The same layer without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// `[n, h, w, in]` to `[n, h', w', out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(|b| b.val());
        conv2d(x, self.weight.val(), bias, self.stride, (self.pad_before, self.pad_after))
    }
}

/// The parameter with its values changed by `f`.
pub fn edit<const D: usize>(param: Param<Tensor<D>>, f: impl FnOnce(&mut [f32])) -> Param<Tensor<D>> {
    param.map(|old| {
        let (shape, device, track) = (old.dims(), old.device(), old.is_require_grad());
        // By way of plain data: what is tracked for gradients must be a leaf.
        let mut values: Vec<f32> = old.into_data().try_into_vec().unwrap_or_else(|_| vec![0.0; shape.iter().product()]);
        f(&mut values);
        Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(track)
    })
}

/// `x @ weight + bias`. Kept as `[in, out]`; on disk `[out, in]`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// With bias, drawn as PyTorch draws it.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        let bound = 1.0 / (inputs as f32).sqrt();
        Self {
            weight: init.param([inputs, outputs], Draw::Uniform(bound)),
            bias: Some(init.param([outputs], Draw::Uniform(bound))),
        }
    }

    /// The same layer without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same layer beginning at zero.
    pub fn zeroed(mut self, init: &mut Init) -> Self {
        let shape = self.weight.lazy_shape();
        let (inputs, outputs) = (shape[0], shape[1]);
        self.weight = init.param([inputs, outputs], Draw::Constant(0.0));
        self.bias = self.bias.map(|_| init.param([outputs], Draw::Constant(0.0)));
        self
    }

    /// `[..., in]` to `[..., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::linear(x, self.weight.val(), self.bias.as_ref().map(|b| b.val()))
    }
}

/// Group normalisation (Wu and He 2018, arXiv:1803.08494) over channels-last tensors.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    /// Scale 1, shift 0. `channels` must be a multiple of `groups`.
    pub fn new(init: &mut Init, groups: usize, channels: usize, eps: f64) -> Self {
        Self {
            weight: init.param([channels], Draw::Constant(1.0)),
            bias: init.param([channels], Draw::Constant(0.0)),
            groups,
            eps,
        }
    }

    /// `[n, ..., channels]`, normalised.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::group_norm(x, self.weight.val(), self.bias.val(), self.groups, self.eps, false)
    }

    /// `[n, ..., channels]`, normalised, then SiLU.
    pub fn forward_silu<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::group_norm(x, self.weight.val(), self.bias.val(), self.groups, self.eps, true)
    }
}

/// Layer normalisation over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    eps: f64,
}

impl LayerNorm {
    /// Scale 1, shift 0.
    pub fn new(init: &mut Init, channels: usize, eps: f64) -> Self {
        Self {
            weight: init.param([channels], Draw::Constant(1.0)),
            bias: init.param([channels], Draw::Constant(0.0)),
            eps,
        }
    }

    /// `[..., channels]`, normalised.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        kernels::layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// A table of vectors looked up by number.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[entries, width]`, the same on disk.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Normal with this standard deviation.
    pub fn new(init: &mut Init, entries: usize, width: usize, deviation: f32) -> Self {
        Self { weight: init.param([entries, width], Draw::Normal(deviation)) }
    }

    /// `[n, tokens]` numbers below the number of entries, to `[n, tokens, width]`.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), tokens)
    }
}

/// diffusers' `Attention`: projections round [`kernels::attention`], with an optional group norm before and a skip
/// connection round it (as the autoencoders use it).
#[derive(Module, Debug)]
pub struct Attention {
    /// Present in the autoencoders.
    pub group_norm: Option<GroupNorm>,
    /// Queries.
    pub to_q: Linear,
    /// Keys.
    pub to_k: Linear,
    /// Values.
    pub to_v: Linear,
    /// The projection out, `to_out.0` on disk.
    pub to_out: Linear,
    heads: usize,
}

impl Attention {
    /// As the U-Net's transformers use it: `context` is the width of keys' and values' source; no bias before, bias after.
    pub fn new(init: &mut Init, width: usize, context: usize, heads: usize) -> Self {
        Self {
            group_norm: None,
            to_q: Linear::new(init, width, width).without_bias(),
            to_k: Linear::new(init, context, width).without_bias(),
            to_v: Linear::new(init, context, width).without_bias(),
            to_out: Linear::new(init, width, width),
            heads,
        }
    }

    /// As the autoencoders' middle uses it: one head, biases everywhere, group norm before.
    pub fn for_picture(init: &mut Init, channels: usize, groups: usize, eps: f64) -> Self {
        Self {
            group_norm: Some(GroupNorm::new(init, groups, channels, eps)),
            to_q: Linear::new(init, channels, channels),
            to_k: Linear::new(init, channels, channels),
            to_v: Linear::new(init, channels, channels),
            to_out: Linear::new(init, channels, channels),
            heads: 1,
        }
    }

    /// `x`: `[n, tokens, width]`; keys and values come from `context` `[n, others, context]`, or from `x` itself.
    pub fn forward(&self, x: Tensor<3>, context: Option<Tensor<3>>) -> Tensor<3> {
        let context = context.unwrap_or_else(|| x.clone());
        let q = self.to_q.forward(x);
        let k = self.to_k.forward(context.clone());
        let v = self.to_v.forward(context);
        self.to_out.forward(kernels::attention(q, k, v, self.heads, false))
    }

    /// Self-attention over the pixels of `[n, h, w, c]`, with norm and skip connection.
    pub fn forward_picture(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, h, w, c] = x.dims();
        let normed = match &self.group_norm {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        self.forward(normed.reshape([n, h * w, c]), None).reshape([n, h, w, c]) + x
    }
}
