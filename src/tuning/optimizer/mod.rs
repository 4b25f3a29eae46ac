//! AdamW, Muon for inner matrices, Adam or gradient descent with momentum, and a moving average of the weights, over any burn
//! module; resumable from a safetensors file.

mod on_device;

use super::muon;
use crate::kernels::cpu::optimizer::{AdamW, Sgd, adamw, sgd, sum_of_squares};
use crate::kernels::on_cpu;
use crate::model::checkpoint::{self, Written};
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use on_device::OnDevice;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// How gradients become steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam whose weight decay does not go through the moments (Loshchilov and Hutter 2019, arXiv:1711.05101).
    #[default]
    AdamW,
    /// Adam whose weight decay is a part of the gradient (Kingma and Ba 2015, arXiv:1412.6980).
    Adam,
    /// Stochastic gradient descent with momentum `beta1` (Polyak 1964).
    Sgd,
    /// Muon for inner matrices (Jordan et al. 2024), AdamW for the rest.
    Muon,
}

/// What does not change from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// How gradients become steps.
    #[serde(default)]
    pub kind: OptimizerKind,
    /// Decay of the mean gradient, 0..1; the momentum of gradient descent.
    pub beta1: f32,
    /// Decay of the mean squared gradient, 0..1.
    pub beta2: f32,
    /// Weight decay; decoupled for AdamW.
    pub weight_decay: f32,
    /// Gradients with a larger global norm are scaled down to it.
    pub clip_norm: f32,
    /// Decay of the moving average of the weights once warm, 0..1.
    pub ema: f32,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { kind: OptimizerKind::AdamW, beta1: 0.9, beta2: 0.99, weight_decay: 1e-4, clip_norm: 1.0, ema: 0.999 }
    }
}

/// Weight, moments and average of one parameter, flat.
#[derive(Debug, Clone, Default)]
struct Slot {
    name: String,
    shape: Vec<usize>,
    weight: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
    average: Vec<f32>,
}

/// The optimiser's memory.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    step: u64,
    slots: Vec<Slot>,
    /// Newer than the slots' numbers, once a step was taken on a device.
    on_device: Option<OnDevice>,
}

/// Path of a parameter inside its module.
#[derive(Default)]
struct PathStack(Vec<String>);

impl PathStack {
    fn name(&self) -> String {
        self.0.join(".")
    }
}

/// Collects first values.
struct Collect<'a> {
    path: PathStack,
    slots: &'a mut Vec<Slot>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.into());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let shape = value.dims().to_vec();
        let weight = floats(value.inner());
        let zeros = vec![0.0; weight.len()];
        self.slots.push(Slot {
            name: self.path.name(),
            shape,
            mean: zeros.clone(),
            square: zeros,
            average: weight.clone(),
            weight,
        });
    }
}

/// Takes the gradients out, in the order of the slots.
struct Take<'a> {
    gradients: &'a mut Gradients,
    taken: Vec<Option<Vec<f32>>>,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.taken.push(param.val().grad_remove(self.gradients).map(floats));
    }
}

/// Takes the gradients out as they are, in the order of the slots.
struct TakeTensors<'a> {
    gradients: &'a mut Gradients,
    taken: Vec<Option<Tensor<1>>>,
}

impl ModuleVisitor for TakeTensors<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.taken.push(param.val().grad_remove(self.gradients).map(|g| g.reshape([-1])));
    }
}

/// Puts tensors back, in the order of the slots.
struct PutTensors(std::vec::IntoIter<Option<Tensor<1>>>);

impl ModuleMapper for PutTensors {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(Some(value)) = self.0.next() else { return param };
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_inner(value.reshape(old.dims())).set_require_grad(old.is_require_grad());
        Param::from_mapped_value(id, value, mapper)
    }
}

/// Puts values back, in the order of the slots.
struct Put<'a, F: Fn(&Slot) -> &Vec<f32>> {
    slots: std::slice::Iter<'a, Slot>,
    pick: F,
}

impl<F: Fn(&Slot) -> &Vec<f32>> ModuleMapper for Put<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(slot) = self.slots.next() else { return param };
        let data = TensorData::new((self.pick)(slot).clone(), slot.shape.clone());
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad());
        Param::from_mapped_value(id, value, mapper)
    }
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

impl Optimizer {
    /// Starts from the module's values, with empty moments.
    pub fn new<M: Module>(module: &M, config: OptimizerConfig) -> Self {
        let mut slots = Vec::new();
        module.visit(&mut Collect { path: PathStack::default(), slots: &mut slots });
        Self { config, step: 0, slots, on_device: None }
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.slots.iter().map(|s| s.weight.len()).sum()
    }

    /// One step; returns the module with new weights and the norm of the gradient before clipping. A step whose gradient is
    /// not finite is skipped, and the norm returned says so.
    pub fn step<M: Module>(&mut self, module: M, gradients: &mut Gradients, lr: f32) -> (M, f32) {
        let adam = matches!(self.config.kind, OptimizerKind::AdamW | OptimizerKind::Muon);
        if adam && module.devices().iter().any(|d| !on_cpu(d)) {
            return self.step_in_place(module, gradients, lr);
        }
        let taken = self.take(&module, gradients);
        let norm = self.apply(&taken, lr);
        (self.current(module), norm)
    }

    /// [`Optimizer::step`] where the module is: nothing travels, and what is returned as the norm is that of the step before, so that
    /// nobody waits. Gradients that are not finite count as zeros.
    pub fn step_in_place<M: Module>(&mut self, module: M, gradients: &mut Gradients, lr: f32) -> (M, f32) {
        let mut take = TakeTensors { gradients, taken: Vec::with_capacity(self.slots.len()) };
        module.visit(&mut take);
        let gradients = take.taken;
        let Some(device) = gradients.iter().flatten().next().map(|g| g.device()) else { return (module, 0.0) };
        let mut memory = match self.on_device.take() {
            Some(memory) if memory.fits(&gradients) => memory,
            other => {
                if let Some(memory) = other {
                    memory.sync(&mut self.slots);
                }
                let present = gradients.iter().map(Option::is_some).collect();
                OnDevice::new(&self.slots, &self.config, present, &device)
            }
        };
        self.step += 1;
        let norm = memory.step(&self.config, gradients, lr, self.step as f32);
        let module = module.map(&mut PutTensors(memory.weights().into_iter()));
        self.on_device = Some(memory);
        (module, norm)
    }

    /// Every number, on the host.
    fn slots(&self) -> std::borrow::Cow<'_, [Slot]> {
        match &self.on_device {
            None => (&self.slots).into(),
            Some(memory) => {
                let mut slots = self.slots.clone();
                memory.sync(&mut slots);
                slots.into()
            }
        }
    }

    /// Takes a module's gradients out, in the order of the weights; none for a weight that had no part in the loss.
    pub fn take<M: Module>(&self, module: &M, gradients: &mut Gradients) -> Vec<Option<Vec<f32>>> {
        let mut take = Take { gradients, taken: Vec::with_capacity(self.slots.len()) };
        module.visit(&mut take);
        take.taken
    }

    /// One step with gradients in the order of [`Optimizer::take`]; returns their norm before clipping. Gradients that are not
    /// finite are skipped, and the norm returned says so.
    pub fn apply(&mut self, gradients: &[Option<Vec<f32>>], lr: f32) -> f32 {
        if let Some(memory) = self.on_device.take() {
            memory.sync(&mut self.slots);
        }
        let norm = gradients.iter().flatten().map(|g| sum_of_squares(g)).sum::<f64>().sqrt() as f32;
        if !norm.is_finite() {
            return norm;
        }
        self.step += 1;
        let t = self.step as f32;
        let c = &self.config;
        let constants = AdamW {
            lr,
            beta1: c.beta1,
            beta2: c.beta2,
            eps: 1e-8,
            weight_decay: 0.0,
            grad_scale: (c.clip_norm / norm.max(1e-12)).min(1.0),
            correction1: 1.0 - c.beta1.powf(t),
            correction2: 1.0 - c.beta2.powf(t),
            ema: c.ema.min((1.0 + t) / (10.0 + t)),
        };
        for (slot, gradient) in self.slots.iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            // Norm scales, biases and other vectors are not decayed.
            let weight_decay = if slot.shape.len() > 1 { c.weight_decay } else { 0.0 };
            let Slot { name, shape, weight, mean, square, average } = slot;
            match c.kind {
                OptimizerKind::Muon if let Some(size) = muon::matrix(name, shape) => {
                    let step = muon::direction(gradient, mean, size);
                    let ema = constants.ema;
                    let moved = weight.par_iter_mut().zip(average).zip(&step).with_min_len(16 << 10);
                    moved.for_each(|((w, a), s)| {
                        *w -= lr * (s + weight_decay * *w);
                        *a = ema * *a + (1.0 - ema) * *w;
                    });
                }
                OptimizerKind::AdamW | OptimizerKind::Muon => {
                    adamw(weight, gradient, mean, square, average, &AdamW { weight_decay, ..constants });
                }
                OptimizerKind::Adam => {
                    let pull = weight_decay / constants.grad_scale;
                    let gradient: Vec<f32> = gradient.iter().zip(&*weight).map(|(g, w)| g + pull * w).collect();
                    adamw(weight, &gradient, mean, square, average, &constants);
                }
                OptimizerKind::Sgd => {
                    let AdamW { grad_scale, ema, .. } = constants;
                    let constants = Sgd { lr, momentum: c.beta1, weight_decay, grad_scale, ema };
                    sgd(weight, gradient, mean, average, &constants);
                }
            }
        }
        norm
    }

    /// The module with the weights of the last step.
    pub fn current<M: Module>(&self, module: M) -> M {
        self.put(module, |slot| &slot.weight)
    }

    /// The module with the averaged weights: what is evaluated and shipped.
    pub fn averaged<M: Module>(&self, module: M) -> M {
        self.put(module, |slot| &slot.average)
    }

    fn put<M: Module>(&self, module: M, pick: impl Fn(&Slot) -> &Vec<f32>) -> M {
        module.map(&mut Put { slots: self.slots().iter(), pick })
    }

    /// Writes everything that [`Optimizer::restore`] needs; replaces the file atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_with(path, &[])
    }

    /// The same with notes in the file's header, which `Weights::note` reads.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_with(&self, path: &Path, notes: &[(&str, &str)]) -> Result<()> {
        let mut tensors: Vec<Written> = Vec::new();
        let slots = self.slots();
        for slot in slots.iter() {
            let parts =
                [("weight", &slot.weight), ("mean", &slot.mean), ("square", &slot.square), ("average", &slot.average)];
            for (part, values) in parts {
                let bytes: &[u8] = bytemuck::cast_slice(values);
                tensors.push((format!("{}:{part}", slot.name), slot.shape.clone(), bytes.into()));
            }
        }
        let mut header: HashMap<String, String> = notes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        header.insert("step".into(), self.step.to_string());
        checkpoint::write("training state", &tensors, Dtype::F32, header, path)
    }

    /// Continues from a file of [`Optimizer::save`]; returns the module with its weights.
    pub fn restore<M: Module>(&mut self, module: M, path: &Path) -> Result<M> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read the training state", path, e))?;
        let damaged = |what: String| {
            Error::failed(format!(
                "The training state {} does not fit ({what}); move it away to begin anew.",
                path.display()
            ))
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let step = metadata.metadata().as_ref().and_then(|m| m.get("step")?.parse().ok());
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let mut slots = self.slots.clone();
        for slot in &mut slots {
            let Slot { name, shape, weight, mean, square, average } = slot;
            for (part, values) in [("weight", weight), ("mean", mean), ("square", square), ("average", average)] {
                let key = format!("{name}:{part}");
                let tensor = file.tensor(&key).map_err(|e| damaged(e.to_string()))?;
                if tensor.dtype() != Dtype::F32 || tensor.shape() != shape.as_slice() {
                    return Err(damaged(format!("{key} has another shape")));
                }
                for (v, b) in values.iter_mut().zip(tensor.data().chunks_exact(4)) {
                    *v = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                }
            }
        }
        self.step = step.ok_or_else(|| damaged("no step count".into()))?;
        (self.slots, self.on_device) = (slots, None);
        Ok(self.current(module))
    }
}

/// Linear warm-up, then cosine to a tenth. `step` of `total`, both from 0.
pub fn learning_rate(peak: f32, step: u64, warm_up: u64, total: u64) -> f32 {
    if step < warm_up {
        return peak * (step + 1) as f32 / warm_up as f32;
    }
    let t = ((step - warm_up) as f32 / (total.saturating_sub(warm_up)).max(1) as f32).min(1.0);
    peak * (0.1 + 0.9 * 0.5 * (1.0 + (std::f32::consts::PI * t).cos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Line {
        slope: Param<Tensor<2>>,
        offset: Param<Tensor<1>>,
    }

    fn line(device: &Device) -> Line {
        Line {
            slope: Param::from_tensor(Tensor::zeros([2, 1], device)),
            offset: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    /// Fits `y = 2a - b + 0.5`, some steps.
    fn fit(mut model: Line, optimizer: &mut Optimizer, steps: usize, device: &Device) -> (Line, f32) {
        let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]], device);
        let y = Tensor::<2>::from_floats([[2.5], [-0.5], [1.5], [-3.5]], device);
        let mut last = 0.0;
        for _ in 0..steps {
            let out = x.clone().matmul(model.slope.val()) + model.offset.val().unsqueeze::<2>();
            let loss = (out - y.clone()).square().mean();
            last = loss.clone().inner().into_scalar::<f32>();
            let mut gradients = loss.backward();
            model = optimizer.step(model, &mut gradients, 0.05).0;
        }
        (model, last)
    }

    #[test]
    fn learns_a_line_and_resumes_bit_for_bit() {
        let device = Device::flex().autodiff();
        let config = OptimizerConfig { weight_decay: 0.0, clip_norm: 100.0, ..Default::default() };
        let model = line(&device);
        let mut optimizer = Optimizer::new(&model, config);
        let (model, _) = fit(model, &mut optimizer, 60, &device);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        optimizer.save(&path).unwrap();
        let (_, straight) = fit(model, &mut optimizer, 300, &device);
        assert!(straight < 1e-4, "loss {straight}");

        let fresh = line(&device);
        let mut second = Optimizer::new(&fresh, config);
        let fresh = second.restore(fresh, &path).unwrap();
        assert_eq!(second.steps(), 60);
        let (_, resumed) = fit(fresh, &mut second, 300, &device);
        assert_eq!(resumed, straight);
    }

    #[test]
    fn a_step_in_place_is_the_same_step() {
        let device = Device::flex().autodiff();
        for kind in [OptimizerKind::AdamW, OptimizerKind::Muon] {
            let config = OptimizerConfig { kind, weight_decay: 0.1, clip_norm: 0.5, ..Default::default() };
            let model = crate::model::layers::Linear::new(&mut crate::model::Init::new(&device, 3), 20, 30);
            let (mut host, mut own) = (Optimizer::new(&model, config), Optimizer::new(&model, config));
            let (mut ours, mut theirs) = (model.clone(), model);
            let x = Tensor::<2>::random([8, 20], burn::tensor::Distribution::Default, &device);
            let mut norms = Vec::new();
            for _ in 0..5 {
                let loss = |m: &crate::model::layers::Linear| m.forward(x.clone()).square().mean().backward();
                let (a, norm) = host.step(ours.clone(), &mut loss(&ours), 0.05);
                let (b, before) = own.step_in_place(theirs.clone(), &mut loss(&theirs), 0.05);
                norms.push((norm, before));
                (ours, theirs) = (a, b);
            }
            for pair in norms.windows(2) {
                assert!((pair[0].0 - pair[1].1).abs() < 1e-3 * pair[0].0, "{norms:?}");
            }
            assert_eq!(own.steps(), 5);
            for (a, b) in host.slots().iter().zip(own.slots().iter()) {
                for (x, y) in a.weight.iter().chain(&a.average).zip(b.weight.iter().chain(&b.average)) {
                    assert!((x - y).abs() < 2e-4, "{kind:?} {}: {x} {y}", a.name);
                }
            }
        }
    }

    #[test]
    fn every_kind_takes_torchs_steps() {
        // One weight of 1, gradients 0.5 and then -0.25: torch.optim's AdamW, Adam and SGD with lr 0.1, weight decay 0.1,
        // betas (0.9, 0.99), momentum 0.9.
        let device = Device::flex().autodiff();
        for (kind, wanted) in [
            (OptimizerKind::AdamW, [0.89, 0.854_43]),
            (OptimizerKind::Adam, [0.9, 0.854_351_64]),
            (OptimizerKind::Sgd, [0.94, 0.901_6]),
        ] {
            let model = Line {
                slope: Param::from_tensor(Tensor::ones([1, 1], &device)),
                offset: Param::from_tensor(Tensor::zeros([1], &device)),
            };
            let config = OptimizerConfig { kind, weight_decay: 0.1, clip_norm: 100.0, ..Default::default() };
            let mut optimizer = Optimizer::new(&model, config);
            for (gradient, wanted) in [0.5, -0.25].into_iter().zip(wanted) {
                optimizer.apply(&[Some(vec![gradient]), None], 0.1);
                let ours = optimizer.slots[0].weight[0];
                assert!((ours - wanted).abs() < 1e-5, "{kind:?} {ours} {wanted}");
            }
        }
    }

    #[test]
    fn a_damaged_state_is_a_sentence() {
        let device = Device::flex().autodiff();
        let model = line(&device);
        let mut optimizer = Optimizer::new(&model, OptimizerConfig::default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        std::fs::write(&path, b"not a state").unwrap();
        let error = optimizer.restore(model, &path).unwrap_err();
        assert!(error.message.contains("move it away"), "{error}");
    }
}
