//! The gradients of the kernels, for burn's automatic differentiation.

use super::flex::{View, attention_shape, conv_shape, norm_shape, tensor};
use super::matrix::{Mat, column_sums, product};
use super::{CpuOps, activation, attention, conv, decode, norm, resample};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};

/// Registers one operation: `$state` is what its gradient needs, `$run` computes the result.
macro_rules! operation {
    ($backward:expr, $strategy:ty, [$($input:ident),+], $state:expr, $run:expr) => {{
        let nodes = [$($input.node()),+];
        $(let $input = $input.into_primitive();)+
        match $backward.prepare::<$strategy>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = $state;
                prep.finish(state, $run)
            }
            OpsKind::UnTracked(prep) => prep.finish($run),
        }
    }};
}

#[derive(Debug)]
struct Conv2d;
impl Backward<Flex, 3> for Conv2d {
    type State = (FlexTensor, FlexTensor, usize, usize, usize);
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let (x, weight, stride, before, after) = ops.state;
        let (x, weight) = (View::new(&x), View::new(&weight));
        let shape = conv_shape(&x.dims(), &weight.dims(), stride, (before, after));
        let [of_x, of_weight, of_bias] = ops.parents;
        let (dx, dw) = conv::backward(&x, &weight, &dy, &shape, (of_x.is_some(), of_weight.is_some()));
        if let (Some(node), Some(dx)) = (of_x, dx) {
            grads.register::<Flex>(node.id, tensor(dx, x.dims()));
        }
        if let (Some(node), Some(dw)) = (of_weight, dw) {
            grads.register::<Flex>(node.id, tensor(dw, weight.dims()));
        }
        if let Some(node) = of_bias {
            grads.register::<Flex>(node.id, tensor(column_sums(&dy, shape.cout), vec![shape.cout]));
        }
    }
}

#[derive(Debug)]
struct Linear;
impl Backward<Flex, 3> for Linear {
    type State = (FlexTensor, FlexTensor);
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let (x, weight) = (View::new(&ops.state.0), View::new(&ops.state.1));
        let (rows, inputs, outputs) = (x.dims()[0], weight.dims()[0], weight.dims()[1]);
        let [of_x, of_weight, of_bias] = ops.parents;
        let dy_matrix = Mat::new(&dy, rows, outputs);
        if let Some(node) = of_x {
            let dx = product(dy_matrix, Mat::new(&weight, inputs, outputs).t());
            grads.register::<Flex>(node.id, tensor(dx, x.dims()));
        }
        if let Some(node) = of_weight {
            let dw = product(Mat::new(&x, rows, inputs).t(), dy_matrix);
            grads.register::<Flex>(node.id, tensor(dw, weight.dims()));
        }
        if let Some(node) = of_bias {
            grads.register::<Flex>(node.id, tensor(column_sums(&dy, outputs), vec![outputs]));
        }
    }
}

/// Hands three gradients to the parents that want them.
macro_rules! register_three {
    ($grads:expr, $parents:expr, $values:expr $(,)?) => {
        for (parent, (value, dims)) in $parents.into_iter().zip($values) {
            if let Some(node) = parent {
                $grads.register::<Flex>(node.id, tensor(value, dims));
            }
        }
    };
}

#[derive(Debug)]
struct GroupNorm;
impl Backward<Flex, 3> for GroupNorm {
    type State = (FlexTensor, FlexTensor, FlexTensor, usize, f64, bool);
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let (x, gamma, beta, groups, eps, silu) = ops.state;
        let (x, gamma, beta) = (View::new(&x), View::new(&gamma), View::new(&beta));
        let shape = norm_shape(&x.dims(), groups, silu);
        let (dx, dgamma, dbeta) = norm::backward(&x, &gamma, &beta, &dy, eps, &shape);
        register_three!(
            grads,
            ops.parents,
            [(dx, x.dims()), (dgamma, vec![shape.channels]), (dbeta, vec![shape.channels])],
        );
    }
}

#[derive(Debug)]
struct LayerNorm;
impl Backward<Flex, 3> for LayerNorm {
    type State = (FlexTensor, FlexTensor, f64);
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let (x, gamma) = (View::new(&ops.state.0), View::new(&ops.state.1));
        let (dx, dgamma, dbeta) = norm::layer_backward(&x, &gamma, &dy, ops.state.2);
        register_three!(grads, ops.parents, [(dx, x.dims()), (dgamma, gamma.dims()), (dbeta, gamma.dims())]);
    }
}

#[derive(Debug)]
struct Attention;
impl Backward<Flex, 3> for Attention {
    type State = (FlexTensor, FlexTensor, FlexTensor, usize, bool);
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let (q, k, v, heads, causal) = ops.state;
        let (q, k, v) = (View::new(&q), View::new(&k), View::new(&v));
        let shape = attention_shape(&q.dims(), &k.dims(), heads, causal);
        let [dq, dk, dv] = attention::backward(&q, &k, &v, &dy, &shape);
        register_three!(grads, ops.parents, [(dq, q.dims()), (dk, k.dims()), (dv, v.dims())]);
    }
}

#[derive(Debug)]
struct PointwiseOp;
impl Backward<Flex, 1> for PointwiseOp {
    type State = (FlexTensor, usize);
    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let x = View::new(&ops.state.0);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let dx = activation::backward(&x, &dy, decode(ops.state.1));
            grads.register::<Flex>(node.id, tensor(dx, x.dims()));
        }
    }
}

#[derive(Debug)]
struct Upsample;
impl Backward<Flex, 1> for Upsample {
    type State = Vec<usize>;
    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = View::new(&grads.consume::<Flex>(&ops.node));
        let d = ops.state;
        let [parent] = ops.parents;
        if let Some(node) = parent {
            grads.register::<Flex>(node.id, tensor(resample::upsample2x_backward(&dy, d[2], d[3]), d));
        }
    }
}

impl<C: CheckpointStrategy> CpuOps for Autodiff<Flex, C> {
    fn kiln_conv2d(
        x: FloatTensor<Autodiff<Flex, C>>,
        weight: FloatTensor<Autodiff<Flex, C>>,
        bias: FloatTensor<Autodiff<Flex, C>>,
        stride: usize,
        before: usize,
        after: usize,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(
            Conv2d,
            C,
            [x, weight, bias],
            (x.clone(), weight.clone(), stride, before, after),
            Flex::kiln_conv2d(x, weight, bias, stride, before, after)
        )
    }

    fn kiln_linear(
        x: FloatTensor<Autodiff<Flex, C>>,
        weight: FloatTensor<Autodiff<Flex, C>>,
        bias: FloatTensor<Autodiff<Flex, C>>,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(Linear, C, [x, weight, bias], (x.clone(), weight.clone()), Flex::kiln_linear(x, weight, bias))
    }

    fn kiln_group_norm(
        x: FloatTensor<Autodiff<Flex, C>>,
        gamma: FloatTensor<Autodiff<Flex, C>>,
        beta: FloatTensor<Autodiff<Flex, C>>,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(
            GroupNorm,
            C,
            [x, gamma, beta],
            (x.clone(), gamma.clone(), beta.clone(), groups, eps, silu),
            Flex::kiln_group_norm(x, gamma, beta, groups, eps, silu)
        )
    }

    fn kiln_layer_norm(
        x: FloatTensor<Autodiff<Flex, C>>,
        gamma: FloatTensor<Autodiff<Flex, C>>,
        beta: FloatTensor<Autodiff<Flex, C>>,
        eps: f64,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(
            LayerNorm,
            C,
            [x, gamma, beta],
            (x.clone(), gamma.clone(), eps),
            Flex::kiln_layer_norm(x, gamma, beta, eps)
        )
    }

    fn kiln_pointwise(x: FloatTensor<Autodiff<Flex, C>>, f: usize) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(PointwiseOp, C, [x], (x.clone(), f), Flex::kiln_pointwise(x, f))
    }

    fn kiln_attention(
        q: FloatTensor<Autodiff<Flex, C>>,
        k: FloatTensor<Autodiff<Flex, C>>,
        v: FloatTensor<Autodiff<Flex, C>>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(
            Attention,
            C,
            [q, k, v],
            (q.clone(), k.clone(), v.clone(), heads, causal),
            Flex::kiln_attention(q, k, v, heads, causal)
        )
    }

    fn kiln_upsample2x(x: FloatTensor<Autodiff<Flex, C>>) -> FloatTensor<Autodiff<Flex, C>> {
        operation!(Upsample, C, [x], View::new(&x).dims(), Flex::kiln_upsample2x(x))
    }
}
