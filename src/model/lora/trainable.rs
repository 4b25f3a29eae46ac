//! An adapter that learns: two matrices a layer, put into a frozen network as `W + down @ up`.
//!
//! The sum is a part of the graph, so every layer goes on using its own fast kernels and their gradients, and only the two
//! small matrices are leaves. A side branch beside each layer (what `peft` does) saves the gradient of the whole weight, but
//! costs two more small products and, for convolutions, a second laying out of receptive fields.

use super::{Adapter, Part, Trained, keys};
use crate::kernels;
use crate::model::Init;
use crate::model::init::Draw;
use crate::model::naming::Path as ModulePath;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// A layer that an adapter corrects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// In diffusers' dotted names, without `.weight`.
    pub path: String,
    /// Of its weight: `[in, out]` or `[kh, kw, in, out]`.
    pub shape: Vec<usize>,
}

impl Target {
    fn outputs(&self) -> usize {
        self.shape.last().copied().unwrap_or(0)
    }
    fn rows(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }
    fn kernel(&self) -> Option<(usize, usize)> {
        (self.shape.len() == 4).then(|| (self.shape[0], self.shape[1]))
    }
}

/// The layers of a denoiser that are taught: all convolutions, and the linear layers of its transformers.
pub fn targets<M: Module>(module: &M) -> Vec<Target> {
    struct Find {
        path: ModulePath,
        found: Vec<Target>,
    }
    impl ModuleVisitor for Find {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let key = self.path.key();
            let Some(layer) = key.strip_suffix(".weight").filter(|_| self.path.is_layer()) else { return };
            if D == 4 || (D == 2 && layer.contains("attentions.")) {
                self.found.push(Target { path: layer.to_string(), shape: param.lazy_shape().to_vec() });
            }
        }
    }
    let mut find = Find { path: ModulePath::default(), found: Vec::new() };
    module.visit(&mut find);
    find.found
}

/// The matrices of every target, in order.
#[derive(Module, Debug)]
pub struct Lora {
    /// `[kh * kw * in, rank]` each.
    down: Vec<Param<Tensor<2>>>,
    /// `[rank, out]` each; zero at first, so that an untrained adapter changes nothing.
    up: Vec<Param<Tensor<2>>>,
}

impl Lora {
    /// Drawn as `peft` draws it. `rank` is at least 1.
    pub fn new(init: &mut Init, targets: &[Target], rank: usize) -> Self {
        let bound = |t: &Target| 1.0 / (t.rows().max(1) as f32).sqrt();
        let down = targets.iter().map(|t| init.param([t.rows(), rank], Draw::Uniform(bound(t)))).collect();
        let up = targets.iter().map(|t| init.param([rank, t.outputs()], Draw::Constant(0.0))).collect();
        Self { down, up }
    }

    /// The same adapter with each rank of each layer left out where `chance` says so, which is to be with probability `share`
    /// (0..1), and the others scaled by `1 / (1 - share)`: kohya's `rank_dropout` (kohya-ss, sd-scripts, `networks/lora.py`), with
    /// one mask for all pictures of a batch. PEFT's `lora_dropout` leaves out inputs of `down` instead, another set for each
    /// picture, which a sum inside the weight cannot do. Gradients go to this adapter's own matrices.
    pub fn dropped(&self, share: f32, chance: &mut dyn FnMut() -> bool) -> Self {
        let scale = 1.0 / (1.0 - share);
        let mut masked = |param: &Param<Tensor<2>>| {
            let (id, up, mapper) = param.clone().consume();
            let rank = up.dims()[0];
            let mask: Vec<f32> = (0..rank).map(|_| if chance() { 0.0 } else { scale }).collect();
            let mask = Tensor::<2>::from_data(TensorData::new(mask, [rank, 1]), &up.device());
            Param::from_mapped_value(id, up * mask, mapper)
        };
        Self { down: self.down.clone(), up: self.up.iter().map(&mut masked).collect() }
    }

    /// `base` with `W + down @ up` in every target. Where this adapter is on a device with gradients, `base` has to be
    /// [`frozen`] there.
    pub fn apply<M: Module>(&self, base: &M, targets: &[Target]) -> M {
        self.apply_where(base, targets, &|_| true)
    }

    /// The same in those targets alone whose path is `wanted`; the others stay as they are in `base`.
    pub fn apply_where<M: Module>(&self, base: &M, targets: &[Target], wanted: &dyn Fn(&str) -> bool) -> M {
        base.clone().map(&mut Apply { lora: self, targets, wanted, next: 0, path: ModulePath::default() })
    }

    /// The matrices as they are written; alpha is the rank.
    pub fn trained(&self, targets: &[Target]) -> Vec<Trained> {
        let values = |p: &Param<Tensor<2>>| {
            let value = p.val().inner();
            value.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
        };
        let pairs = targets.iter().zip(self.down.iter().zip(&self.up));
        pairs
            .map(|(target, (down, up))| {
                let rank = down.lazy_shape()[1];
                Trained {
                    part: Part::Unet,
                    path: target.path.clone(),
                    a: values(down),
                    b: values(up),
                    rank,
                    alpha: rank as f32,
                    kernel: target.kernel(),
                }
            })
            .collect()
    }
}

/// What an adapter's file says of `targets`, as it was written; `None` when it does not hold them all.
pub fn reread(adapter: &Adapter, targets: &[Target]) -> Option<Vec<Trained>> {
    let one = |target: &Target| {
        let correction = adapter.corrections.get(&(Part::Unet, keys::flat(&target.path)))?;
        Some(Trained {
            part: Part::Unet,
            path: target.path.clone(),
            a: correction.a.clone(),
            b: correction.b.clone(),
            rank: correction.rank,
            alpha: correction.scale * correction.rank as f32,
            kernel: target.kernel(),
        })
    };
    targets.iter().map(one).collect()
}

/// A network on the device with gradients, none of whose weights is tracked; shares its memory.
pub fn frozen<M: Module>(module: &M) -> M {
    module.clone().map(&mut Lift { tracked: false })
}

/// A copy of a network on the device with gradients, all of whose weights are tracked: it learns as a whole.
pub fn unfrozen<M: Module>(module: &M) -> M {
    module.clone().map(&mut Lift { tracked: true })
}

struct Lift {
    tracked: bool,
}

impl ModuleMapper for Lift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let value = Tensor::from_inner(value);
        let value = if self.tracked { value.require_grad() } else { value };
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Apply<'a> {
    lora: &'a Lora,
    targets: &'a [Target],
    wanted: &'a dyn Fn(&str) -> bool,
    next: usize,
    path: ModulePath,
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Modules are always walked in the same order.
        let Some(target) = self.targets.get(self.next) else { return param };
        if self.path.key().strip_suffix(".weight") != Some(target.path.as_str()) {
            return param;
        }
        let (Some(down), Some(up)) = (self.lora.down.get(self.next), self.lora.up.get(self.next)) else {
            return param;
        };
        self.next += 1;
        if !(self.wanted)(&target.path) {
            return param;
        }
        let delta = kernels::linear(down.val(), up.val(), None);
        let (id, weight, mapper) = param.consume();
        let shape = weight.dims();
        Param::from_mapped_value(id, weight + delta.reshape(shape), mapper)
    }
}
