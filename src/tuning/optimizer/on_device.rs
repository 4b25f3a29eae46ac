//! An optimiser's memory where the model is, for devices other than the CPU: weights of one shape are moved together, so that a step
//! is some hundred operations and no weight travels.

use super::super::muon::{self, MOMENTUM};
use super::{OptimizerConfig, OptimizerKind, Slot};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Weights that are moved as one vector.
#[derive(Debug, Clone)]
struct Flat {
    /// Slot, first number, numbers.
    places: Vec<(usize, usize, usize)>,
    weight: Tensor<1>,
    mean: Tensor<1>,
    square: Tensor<1>,
    average: Tensor<1>,
    /// 1 where the weight decays.
    decays: Tensor<1>,
}

/// Matrices of one size that Muon moves, `[matrices, rows, columns]`.
#[derive(Debug, Clone)]
struct Stack {
    slots: Vec<usize>,
    weight: Tensor<3>,
    momentum: Tensor<3>,
    average: Tensor<3>,
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct OnDevice {
    /// Slots that had a gradient when the groups were made.
    present: Vec<bool>,
    flat: Flat,
    stacks: Vec<Stack>,
    norm: Tensor<1>,
}

fn upload(values: impl IntoIterator<Item = f32>, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.into_iter().collect();
    let numbers = values.len();
    Tensor::from_data(TensorData::new(values, [numbers]), device)
}

/// The numbers of a tensor, on the host.
fn download<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    super::floats(tensor.clone())
}

impl OnDevice {
    /// Groups the slots that have a gradient.
    pub fn new(slots: &[Slot], config: &OptimizerConfig, present: Vec<bool>, device: &Device) -> Self {
        let (mut flat, mut sizes) = (Vec::new(), BTreeMap::<(usize, usize), Vec<usize>>::new());
        for (i, slot) in slots.iter().enumerate().filter(|(i, _)| present[*i]) {
            match muon::matrix(&slot.name, &slot.shape).filter(|_| config.kind == OptimizerKind::Muon) {
                Some(size) => sizes.entry(size).or_default().push(i),
                None => flat.push(i),
            }
        }
        let mut first = 0;
        let places = flat.iter().map(|i| {
            let numbers = slots[*i].weight.len();
            first += numbers;
            (*i, first - numbers, numbers)
        });
        let places: Vec<(usize, usize, usize)> = places.collect();
        let all =
            |pick: fn(&Slot) -> &Vec<f32>| upload(flat.iter().flat_map(|i| pick(&slots[*i]).iter().copied()), device);
        let decays = |i: &usize| {
            let slot = &slots[*i];
            std::iter::repeat_n(if slot.shape.len() > 1 { config.weight_decay } else { 0.0 }, slot.weight.len())
        };
        let flat = Flat {
            weight: all(|s| &s.weight),
            mean: all(|s| &s.mean),
            square: all(|s| &s.square),
            average: all(|s| &s.average),
            decays: upload(flat.iter().flat_map(decays), device),
            places,
        };
        let stacks = sizes.into_iter().map(|((rows, cols), members)| {
            let all = |pick: fn(&Slot) -> &Vec<f32>| {
                upload(members.iter().flat_map(|i| pick(&slots[*i]).iter().copied()), device).reshape([
                    members.len(),
                    rows,
                    cols,
                ])
            };
            let (weight, momentum, average) = (all(|s| &s.weight), all(|s| &s.mean), all(|s| &s.average));
            Stack { weight, momentum, average, slots: members }
        });
        Self { present, flat, stacks: stacks.collect(), norm: Tensor::zeros([1], device) }
    }

    /// Whether the same slots have gradients as when the groups were made.
    pub fn fits(&self, gradients: &[Option<Tensor<1>>]) -> bool {
        self.present.iter().zip(gradients).all(|(p, g)| *p == g.is_some())
    }

    /// Brings every number back to the slots.
    pub fn sync(&self, slots: &mut [Slot]) {
        let flat = &self.flat;
        let (weight, mean) = (download(&flat.weight), download(&flat.mean));
        let (square, average) = (download(&flat.square), download(&flat.average));
        for (i, first, numbers) in &flat.places {
            let (slot, range) = (&mut slots[*i], *first..first + numbers);
            slot.weight = weight[range.clone()].to_vec();
            slot.mean = mean[range.clone()].to_vec();
            slot.square = square[range.clone()].to_vec();
            slot.average = average[range].to_vec();
        }
        for stack in &self.stacks {
            let parts = [&stack.weight, &stack.momentum, &stack.average].map(download);
            for (k, i) in stack.slots.iter().enumerate() {
                let slot = &mut slots[*i];
                let numbers = slot.weight.len();
                let part = |p: usize| parts[p][k * numbers..(k + 1) * numbers].to_vec();
                (slot.weight, slot.mean, slot.average) = (part(0), part(1), part(2));
            }
        }
    }

    /// The present weight of each slot, flat; none for one that has no gradient.
    pub fn weights(&self) -> Vec<Option<Tensor<1>>> {
        let mut all = vec![None; self.present.len()];
        for (i, first, numbers) in &self.flat.places {
            all[*i] = Some(self.flat.weight.clone().narrow(0, *first, *numbers));
        }
        for stack in &self.stacks {
            let [_, rows, cols] = stack.weight.dims();
            for (k, i) in stack.slots.iter().enumerate() {
                all[*i] = Some(stack.weight.clone().narrow(0, k, 1).reshape([rows * cols]));
            }
        }
        all
    }

    /// One step, the `t`-th; returns the norm of the gradient of the step before, so that nobody waits for this one; not a
    /// number when the device does not answer. Gradients that are not finite count as zeros.
    pub fn step(&mut self, config: &OptimizerConfig, gradients: Vec<Option<Tensor<1>>>, lr: f32, t: f32) -> f32 {
        let mut gradients = gradients;
        let mut take = |i: usize| gradients[i].take();
        let flat_gradient: Vec<Tensor<1>> = self.flat.places.iter().filter_map(|(i, ..)| take(*i)).collect();
        let flat_gradient = (!flat_gradient.is_empty()).then(|| Tensor::cat(flat_gradient, 0));
        let stacked = self.stacks.iter().map(|stack| {
            let [k, rows, cols] = stack.weight.dims();
            Tensor::cat(stack.slots.iter().filter_map(|i| take(*i)).collect(), 0).reshape([k, rows, cols])
        });
        let stacked: Vec<Tensor<3>> = stacked.collect();

        let squares = flat_gradient.iter().map(|g| g.clone().square().sum());
        let squares: Vec<Tensor<1>> = squares.chain(stacked.iter().map(|g| g.clone().square().sum())).collect();
        let norm = Tensor::cat(squares, 0).sum().sqrt();
        let before = std::mem::replace(&mut self.norm, norm.clone()).try_into_scalar().unwrap_or(f32::NAN);
        let bad = norm.clone().is_finite().bool_not();
        let scale = (norm.clamp_min(1e-12).recip() * config.clip_norm).clamp_max(1.0);

        let (b1, b2) = (config.beta1, config.beta2);
        let ema = config.ema.min((1.0 + t) / (10.0 + t));
        if let Some(gradient) = flat_gradient {
            let numbers = gradient.dims();
            let gradient = (gradient * scale.clone()).mask_fill(bad.clone().expand(numbers), 0.0);
            let flat = &mut self.flat;
            let mean = flat.mean.clone() * b1 + gradient.clone() * (1.0 - b1);
            let square = flat.square.clone() * b2 + gradient.square() * (1.0 - b2);
            let (c1, c2) = (1.0 - b1.powf(t), 1.0 - b2.powf(t));
            let step = mean.clone() / ((square.clone() / c2).sqrt() + 1e-8) / c1;
            let weight = flat.weight.clone() - (step + flat.decays.clone() * flat.weight.clone()) * lr;
            flat.average = flat.average.clone() * ema + weight.clone() * (1.0 - ema);
            (flat.weight, flat.mean, flat.square) = (weight, mean, square);
        }
        for (stack, gradient) in self.stacks.iter_mut().zip(stacked) {
            let size = gradient.dims();
            let gradient = gradient.mask_fill(bad.clone().unsqueeze::<3>().expand(size), 0.0);
            let momentum = stack.momentum.clone() * MOMENTUM + gradient.clone() * (1.0 - MOMENTUM);
            let step = muon::directions(momentum.clone() * MOMENTUM + gradient * (1.0 - MOMENTUM));
            let weight = stack.weight.clone() - (step + stack.weight.clone() * config.weight_decay) * lr;
            stack.average = stack.average.clone() * ema + weight.clone() * (1.0 - ema);
            (stack.weight, stack.momentum) = (weight, momentum);
        }
        before
    }
}
