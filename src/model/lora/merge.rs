//! A set of adapters put into a module.

use super::adapter::{Adapter, Correction};
use super::keys::{Part, flat};
use crate::model::naming::Path as ModulePath;
use crate::{Error, Result, kernels};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::{BTreeSet, HashMap};

/// Other keys by which adapters may know a layer, from its own key (dotted, ending in `.weight`).
pub type OtherNames<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// `module` with `W + sum(weight * scale * a @ b)` in every layer that an adapter corrects. Layers that none does share their
/// memory with `module`. Also says which of the adapters' layers were found, by the flat names that they use.
///
/// # Errors
/// When a correction has another shape than the layer that it names.
pub fn merge<M: Module>(
    module: &M,
    part: Part,
    adapters: &[(&Adapter, f32)],
    others: OtherNames,
) -> Result<(M, BTreeSet<String>)> {
    let mut wanted: HashMap<&str, Vec<(&Adapter, &Correction, f32)>> = HashMap::new();
    for (adapter, weight) in adapters {
        for ((of, layer), correction) in &adapter.corrections {
            if *of == part {
                wanted.entry(layer).or_default().push((*adapter, correction, *weight));
            }
        }
    }
    let mut mapper = Merge { wanted, others, path: ModulePath::default(), found: BTreeSet::new(), error: None };
    let merged = module.clone().map(&mut mapper);
    match mapper.error {
        Some(error) => Err(error),
        None => Ok((merged, mapper.found)),
    }
}

struct Merge<'a> {
    wanted: HashMap<&'a str, Vec<(&'a Adapter, &'a Correction, f32)>>,
    others: OtherNames<'a>,
    path: ModulePath,
    found: BTreeSet<String>,
    error: Option<Error>,
}

impl ModuleMapper for Merge<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.path.key();
        let Some(layer) = key.strip_suffix(".weight").filter(|_| self.path.is_layer() && self.error.is_none()) else {
            return param;
        };
        let layer = flat(layer);
        let mut names = vec![layer.clone()];
        names.extend((self.others)(&key).iter().filter_map(|other| Some(flat(other.strip_suffix(".weight")?))));
        names.retain(|name| self.wanted.contains_key(name.as_str()));
        let corrections: Vec<_> = names.iter().flat_map(|name| &self.wanted[name.as_str()]).copied().collect();
        if corrections.is_empty() {
            return param;
        }
        let shape = param.lazy_shape().to_vec();
        if let Some((adapter, misfit, _)) = corrections.iter().find(|(_, c, _)| !fits(c, &shape)) {
            self.error = Some(Error::failed(format!(
                "{} does not fit this model at {layer}: it corrects {} to {} channels with a kernel of {} x {}, the layer's \
                 weight is {shape:?}. It was made for another model family.",
                adapter.name, misfit.inputs, misfit.outputs, misfit.kernel.0, misfit.kernel.1
            )));
            return param;
        }
        let device = param.lazy_device();
        let delta = sum(&corrections, &device).reshape::<D, _>(shape_of::<D>(&shape));
        self.found.extend(names);
        param.map(|weight| {
            let track = weight.is_require_grad();
            (weight.detach() + delta).detach().set_require_grad(track)
        })
    }
}

/// Whether a correction is for a weight of this shape, `[in, out]` or `[kh, kw, in, out]`.
fn fits(c: &Correction, shape: &[usize]) -> bool {
    match shape {
        [inputs, outputs] => (c.inputs, c.outputs, c.kernel) == (*inputs, *outputs, (1, 1)),
        [kh, kw, inputs, outputs] => (c.inputs, c.outputs, c.kernel) == (*inputs, *outputs, (*kh, *kw)),
        _ => false,
    }
}

fn shape_of<const D: usize>(shape: &[usize]) -> [usize; D] {
    std::array::from_fn(|i| shape.get(i).copied().unwrap_or(1))
}

/// All corrections of one layer as one product: their ranks side by side.
fn sum(corrections: &[(&Adapter, &Correction, f32)], device: &burn::tensor::Device) -> Tensor<2> {
    let part = |(_, c, weight): &(&Adapter, &Correction, f32)| {
        let rows = c.kernel.0 * c.kernel.1 * c.inputs;
        let factor = c.scale * weight;
        let b: Vec<f32> = c.b.iter().map(|v| v * factor).collect();
        let a = Tensor::<2>::from_data(TensorData::new(c.a.clone(), [rows, c.rank]), device);
        (a, Tensor::<2>::from_data(TensorData::new(b, [c.rank, c.outputs]), device))
    };
    let (a, b): (Vec<_>, Vec<_>) = corrections.iter().map(part).unzip();
    kernels::linear(Tensor::cat(a, 1), Tensor::cat(b, 0), None)
}
