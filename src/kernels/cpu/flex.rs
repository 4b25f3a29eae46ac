//! The kernels on burn's `flex` tensors.

use super::attention::AttentionShape;
use super::conv::ConvShape;
use super::matrix::{Mat, product_with};
use super::norm::NormShape;
use super::{CpuOps, activation, attention, conv, decode, half, kept, norm, resample, winograd};
use crate::kernels::work;
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// A contiguous f32 view of a tensor.
pub(super) struct View(FlexTensor);

impl View {
    pub(super) fn new(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }
    pub(super) fn dims(&self) -> Vec<usize> {
        self.0.shape().to_vec()
    }
}

impl std::ops::Deref for View {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        let start = self.0.layout().start_offset();
        &self.0.storage::<f32>()[start..start + self.0.layout().num_elements()]
    }
}

/// A new tensor around `values`.
pub(super) fn tensor(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

pub(super) fn conv_shape(x: &[usize], w: &[usize], stride: usize, padding: (usize, usize)) -> ConvShape {
    ConvShape { n: x[0], h: x[1], w: x[2], cin: x[3], kh: w[0], kw: w[1], cout: w[3], stride, padding }
}

pub(super) fn norm_shape(x: &[usize], groups: usize, silu: bool) -> NormShape {
    NormShape { n: x[0], pixels: x[1], channels: x[2], groups, silu }
}

pub(super) fn attention_shape(q: &[usize], k: &[usize], heads: usize, causal: bool) -> AttentionShape {
    AttentionShape { n: q[0], tokens: q[1], others: k[1], heads, d: q[2] / heads, causal }
}

impl CpuOps for Flex {
    fn kiln_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        stride: usize,
        before: usize,
        after: usize,
    ) -> FlexTensor {
        let (x, weight, bias) = (View::new(&x), View::new(&weight), View::new(&bias));
        let shape = conv_shape(&x.dims(), &weight.dims(), stride, (before, after));
        let (ho, wo) = shape.out();
        work::product(shape.n * ho * wo, shape.kh * shape.kw * shape.cin, shape.cout);
        // While something trains, weights change too often to keep anything of them.
        let kept = if half::allowed() { None } else { kept::transformed(&weight.0, &weight, &shape) };
        let y = match kept {
            Some(transformed) => winograd::forward_with(&x, &transformed, Some(&bias), &shape),
            None => conv::forward(&x, &weight, Some(&bias), &shape),
        };
        tensor(y, vec![shape.n, ho, wo, shape.cout])
    }

    fn kiln_linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let (x, weight, bias) = (View::new(&x), View::new(&weight), View::new(&bias));
        let (rows, inputs, outputs) = (x.dims()[0], weight.dims()[0], weight.dims()[1]);
        work::product(rows, inputs, outputs);
        let y = product_with(Mat::new(&x, rows, inputs), Mat::new(&weight, inputs, outputs), Some(&bias));
        tensor(y, vec![rows, outputs])
    }

    fn kiln_group_norm(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FlexTensor {
        let (x, gamma, beta) = (View::new(&x), View::new(&gamma), View::new(&beta));
        let dims = x.dims();
        tensor(norm::forward(&x, &gamma, &beta, eps, &norm_shape(&dims, groups, silu)), dims)
    }

    fn kiln_layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, eps: f64) -> FlexTensor {
        let (x, gamma, beta) = (View::new(&x), View::new(&gamma), View::new(&beta));
        tensor(norm::layer_forward(&x, &gamma, &beta, eps), x.dims())
    }

    fn kiln_pointwise(x: FlexTensor, f: usize) -> FlexTensor {
        let x = View::new(&x);
        tensor(activation::forward(&x, decode(f)), x.dims())
    }

    fn kiln_attention(q: FlexTensor, k: FlexTensor, v: FlexTensor, heads: usize, causal: bool) -> FlexTensor {
        let (q, k, v) = (View::new(&q), View::new(&k), View::new(&v));
        let shape = attention_shape(&q.dims(), &k.dims(), heads, causal);
        // Scores, and the sums that they weigh.
        work::product(shape.n * shape.heads * shape.tokens, shape.d, 2 * shape.others);
        tensor(attention::forward(&q, &k, &v, &shape), q.dims())
    }

    fn kiln_upsample2x(x: FlexTensor) -> FlexTensor {
        let x = View::new(&x);
        let d = x.dims();
        tensor(resample::upsample2x(&x, d[2], d[3]), vec![d[0], 2 * d[1], 2 * d[2], d[3]])
    }
}
