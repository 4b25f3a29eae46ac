//! One training step shared between the cores: each works through its own pictures with its own copy of the weights.
//!
//! Splitting each operation instead leaves the cores waiting for each other at thousands of small operations a step; on two
//! cores that cost a quarter of the time.

use super::optimizer::Optimizer;
use super::train::read_loss;
use crate::kernels::cpu::half::{self, HalfProducts};
use crate::kernels::on_cpu;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rayon::ThreadPool;

/// Gradients of a whole batch, in the order of the optimiser's weights.
pub type Gradients = Vec<Option<Vec<f32>>>;

/// The copies of a module and who works on them.
pub struct Shards<M> {
    copies: Vec<M>,
    pools: Vec<ThreadPool>,
    /// Loss of the step before, on a device other than the CPU.
    late: Option<Tensor<1>>,
    on_cpu: bool,
}

impl<M: Module + Sync> Shards<M> {
    /// As many shards as the CPU has cores and `batch` can be split into, none smaller than 4; one on any other device.
    pub fn new(module: &M, device: &Device, batch: usize) -> Result<Self> {
        Self::at_least(module, device, batch, 4)
    }

    /// The same, none smaller than `least`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn at_least(module: &M, device: &Device, batch: usize, least: usize) -> Result<Self> {
        let wanted = if on_cpu(device) { rayon::current_num_threads().min(batch / least.max(1)).max(1) } else { 1 };
        // Equal shares make the mean of the shards' losses the loss of the batch.
        let count = (1..=wanted).rev().find(|n| batch.is_multiple_of(*n)).unwrap_or(1);
        Ok(Self { on_cpu: on_cpu(device), ..Self::of(module, count)? })
    }

    fn of(module: &M, count: usize) -> Result<Self> {
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pools =
            if count > 1 { (0..count).map(|_| pool()).collect::<std::result::Result<_, _>>() } else { Ok(Vec::new()) };
        let pools = pools.map_err(|e| Error::failed(format!("A thread to train with could not be started: {e}.")))?;
        Ok(Self { copies: vec![module.clone(); count], pools, late: None, on_cpu: true })
    }

    /// Number of shards.
    pub fn count(&self) -> usize {
        self.copies.len()
    }

    /// One step of the optimiser along the mean loss of the shards; returns that loss and the norm of its gradient. On a device
    /// other than the CPU both are those of the step before, so that the device is never waited for (the first step says 0).
    ///
    /// # Errors
    /// The first of `loss`; and when a thread panicked.
    pub fn step(
        &mut self,
        optimizer: &mut Optimizer,
        learning_rate: f32,
        loss: impl Fn(&M, usize) -> Result<Tensor<1>> + Sync,
    ) -> Result<(f32, f32)> {
        if self.on_cpu {
            let (loss, gradients) = self.gradients(optimizer, loss)?;
            return Ok((loss, optimizer.apply(&gradients, learning_rate)));
        }
        let Some(module) = self.copies.pop() else { return Err(Error::failed("There is nothing to train.")) };
        let module = if self.late.is_none() { optimizer.current(module) } else { module };
        let loss = loss(&module, 0)?;
        let (module, norm) = optimizer.step(module, &mut loss.backward(), learning_rate);
        self.copies.push(module);
        let before = self.late.replace(loss.inner()).map_or(Ok(0.0), read_loss)?;
        Ok((before, norm))
    }

    /// Gives every copy the optimiser's weights, has `loss` compute the mean loss of each shard, and returns the mean over the
    /// shards and its gradients.
    ///
    /// # Errors
    /// The first of `loss`; and when a thread panicked.
    pub fn gradients(
        &mut self,
        optimizer: &Optimizer,
        loss: impl Fn(&M, usize) -> Result<Tensor<1>> + Sync,
    ) -> Result<(f32, Gradients)> {
        self.worked(optimizer, |copy, shard| {
            let loss = loss(copy, shard)?;
            let value: f32 = loss.clone().inner().into_scalar();
            Ok((value, optimizer.take(copy, &mut loss.backward())))
        })
    }

    /// The same where `work` finds each shard's mean loss and its gradients.
    ///
    /// # Errors
    /// The first of `work`; and when a thread panicked.
    pub fn worked(
        &mut self,
        optimizer: &Optimizer,
        work: impl Fn(&M, usize) -> Result<(f32, Gradients)> + Sync,
    ) -> Result<(f32, Gradients)> {
        let one = |copy: M, shard: usize| -> Result<(M, f32, Gradients)> {
            let copy = optimizer.current(copy);
            let (value, gradients) = work(&copy, shard)?;
            Ok((copy, value, gradients))
        };
        let copies = std::mem::take(&mut self.copies);
        let done: Vec<Result<(M, f32, Gradients)>> = if self.pools.is_empty() {
            copies.into_iter().enumerate().map(|(i, copy)| one(copy, i)).collect()
        } else {
            // The pools' threads work for this one.
            let half = half::allowed();
            let one = &|copy, i| {
                let _half = half.then(HalfProducts::allow);
                one(copy, i)
            };
            std::thread::scope(|scope| {
                let threads: Vec<_> = (copies.into_iter().zip(&self.pools).enumerate())
                    .map(|(i, (copy, pool))| scope.spawn(move || pool.install(|| one(copy, i))))
                    .collect();
                let vanished = || Error::failed("A training thread stopped; see the message above.");
                threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(vanished()))).collect()
            })
        };
        let share = 1.0 / done.len() as f32;
        let (mut mean, mut sum): (f32, Option<Gradients>) = (0.0, None);
        for shard in done {
            let (copy, value, gradients) = shard?;
            self.copies.push(copy);
            mean += value * share;
            match &mut sum {
                None => sum = Some(gradients),
                Some(sum) => add(sum, gradients),
            }
        }
        let mut sum = sum.unwrap_or_default();
        if share < 1.0 {
            sum.iter_mut().flatten().flatten().for_each(|g| *g *= share);
        }
        Ok((mean, sum))
    }
}

/// Adds gradients of the same weights to a sum of them.
pub fn add(sum: &mut Gradients, more: Gradients) {
    for (sum, more) in sum.iter_mut().zip(more) {
        match (sum, more) {
            (Some(sum), Some(more)) => sum.iter_mut().zip(more).for_each(|(a, b)| *a += b),
            (sum @ None, more) => *sum = more,
            (Some(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::optimizer::OptimizerConfig;
    use super::*;
    use crate::model::Init;
    use crate::model::layers::Linear;
    use burn::tensor::{Distribution, TensorData};

    #[test]
    fn two_shards_give_the_gradients_of_one_batch() {
        let device = Device::flex().autodiff();
        let model = Linear::new(&mut Init::new(&device, 3), 6, 5);
        let x = Tensor::<2>::random([8, 6], Distribution::Default, &device.clone().inner());
        let x: Vec<f32> = x.into_data().try_into_vec().unwrap();
        let optimizer = Optimizer::new(&model, OptimizerConfig::default());
        let gradients = |count: usize| {
            let rows = 8 / count;
            let loss = |model: &Linear, shard: usize| {
                let part = x[shard * rows * 6..(shard + 1) * rows * 6].to_vec();
                let x = Tensor::<2>::from_data(TensorData::new(part, [rows, 6]), &device);
                Ok(model.forward(x).square().mean())
            };
            Shards::of(&model, count).unwrap().gradients(&optimizer, loss).unwrap()
        };
        let ((one, whole), (two, halves)) = (gradients(1), gradients(2));
        assert!((one - two).abs() < 1e-6 * one.abs());
        for (a, b) in whole.iter().flatten().flatten().zip(halves.iter().flatten().flatten()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert_eq!(whole.iter().flatten().count(), 2, "weight and bias");
    }

    #[test]
    fn a_failing_shard_is_an_error() {
        let device = Device::flex().autodiff();
        let model = Linear::new(&mut Init::new(&device, 3), 6, 5);
        let optimizer = Optimizer::new(&model, OptimizerConfig::default());
        let loss = |_: &Linear, shard: usize| {
            assert!(shard == 0, "one shard falls");
            Err(Error::failed("no pictures."))
        };
        assert!(Shards::of(&model, 2).unwrap().gradients(&optimizer, loss).is_err());
    }
}
