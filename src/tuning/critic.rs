//! A discriminator that asks the decoder for crisp pictures: where a latent leaves open where exactly an edge runs, the absolute
//! error alone answers with a blur (Esser et al. 2021, arXiv:2012.09841, section 3.1).

use super::optimizer::{Optimizer, OptimizerConfig};
use crate::kernels;
use crate::model::Init;
use crate::model::layers::{Conv2d, GroupNorm};
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};

/// Channels after the first layer.
const WIDTH: usize = 32;
/// Size of the critic's pull on a picture, as a share of the reconstruction's.
const PULL: f32 = 0.8;
/// The same of the wish to look to the critic as the original does (feature matching; Wang et al. 2018, arXiv:1711.11585,
/// section 3.2): it gives a texture where the opinion alone only asks for some texture.
const LIKENESS: f32 = 0.8;
/// Steps over which the pull grows, so that an untaught critic says nothing.
const RAMP: f32 = 400.0;

/// Says for each patch of about 40 pixels how real it looks (Isola et al. 2017, arXiv:1611.07004).
#[derive(Module, Debug)]
struct Patches {
    conv_in: Conv2d,
    down: Vec<Conv2d>,
    norms: Vec<GroupNorm>,
    conv_out: Conv2d,
}

impl Patches {
    fn new(init: &mut Init) -> Self {
        Self {
            conv_in: Conv2d::strided(init, 3, WIDTH, 3, 2, (1, 1)),
            down: (0..2).map(|i| Conv2d::strided(init, WIDTH << i, WIDTH << (i + 1), 3, 2, (1, 1))).collect(),
            norms: (0..2).map(|i| GroupNorm::new(init, 8, WIDTH << (i + 1), 1e-5)).collect(),
            conv_out: Conv2d::new(init, WIDTH << 2, 1, 3),
        }
    }

    /// `[n, h, w, 3]` to `[n, h / 8, w / 8, 1]`: above 0 is real.
    fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.looks(pictures).0
    }

    /// The answer of [`Patches::forward`], and what each layer before it saw.
    fn looks(&self, pictures: Tensor<4>) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut x = kernels::silu(self.conv_in.forward(pictures));
        let mut seen = vec![x.clone()];
        for (down, norm) in self.down.iter().zip(&self.norms) {
            x = norm.forward_silu(down.forward(x));
            seen.push(x.clone());
        }
        (self.conv_out.forward(x), seen)
    }
}

/// The discriminator and what teaches it.
pub struct Critic {
    patches: Patches,
    optimizer: Optimizer,
    learning_rate: f32,
}

impl Critic {
    /// An untaught one on a device with gradients.
    pub fn new(device: &Device, seed: u64, learning_rate: f32) -> Self {
        let patches = Patches::new(&mut Init::new(device, seed));
        let config = OptimizerConfig { beta1: 0.5, beta2: 0.99, ..Default::default() };
        Self { optimizer: Optimizer::new(&patches, config), patches, learning_rate }
    }

    /// The direction in which a reconstruction should change, `[n, h, w, 3]`, and the value of `loss`: the gradient of `loss`, of
    /// the critic's opinion and of how unlike the original it looks to the critic, the latter two each scaled to a share of the
    /// first one's size (as Esser et al. weigh the opinion, but at the picture instead of the last layer, which saves a way back
    /// through the decoder). `ours` and `theirs` are without gradients.
    pub fn gradient(
        &self,
        ours: &Tensor<4>,
        theirs: &Tensor<4>,
        loss: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    ) -> (Tensor<4>, Tensor<1>) {
        let ours = Tensor::from_inner(ours.clone()).require_grad();
        let loss = loss(ours.clone(), Tensor::from_inner(theirs.clone()));
        let value = loss.clone().inner();
        let way = |loss: Tensor<1>| ours.grad(&loss.backward()).unwrap_or_else(|| ours.clone().inner().zeros_like());
        let plain = way(loss);
        let opinion = way(-self.patches.forward(ours.clone()).mean());
        let original = self.patches.valid().looks(theirs.clone()).1;
        let seen = self.patches.looks(ours.clone()).1.into_iter().zip(original);
        let unlike = seen.map(|(a, b)| (a - Tensor::from_inner(b)).abs().mean());
        let unlike = way(Tensor::cat(unlike.collect(), 0).sum());
        let size = |t: &Tensor<4>| t.clone().square().mean().sqrt();
        let ramp = (self.optimizer.steps() as f32 / RAMP).min(1.0);
        let sized = |way: Tensor<4>, share: f32| {
            let weight = size(&plain) / (size(&way) + 1e-12) * (share * ramp);
            way * weight.unsqueeze::<4>()
        };
        let pull = sized(opinion, PULL) + sized(unlike, LIKENESS);
        (plain + pull, value)
    }

    /// One step of the hinge loss (Lim and Ye 2017, arXiv:1705.02894); returns the share of patches told rightly.
    pub fn learn(&mut self, ours: Tensor<4>, theirs: Tensor<4>) -> Tensor<1> {
        let real = self.patches.forward(Tensor::from_inner(theirs));
        let fake = self.patches.forward(Tensor::from_inner(ours));
        let told = |x: &Tensor<4>, sign: f32| (x.clone().inner() * sign).greater_elem(0.0).float().mean();
        let right = (told(&real, 1.0) + told(&fake, -1.0)) / 2.0;
        let loss = activation::relu(-real + 1.0).mean() + activation::relu(fake + 1.0).mean();
        let mut gradients = loss.backward();
        self.patches = self.optimizer.step(self.patches.clone(), &mut gradients, self.learning_rate).0;
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn it_learns_to_tell_and_then_pulls_towards_the_real() {
        let device = Device::flex();
        let mut critic = Critic::new(&device.clone().autodiff(), 3, 2e-3);
        // Real pictures are grainy, ours are flat.
        let real = || Tensor::<4>::random([2, 32, 32, 3], Distribution::Normal(0.0, 0.5), &device);
        let flat = Tensor::<4>::zeros([2, 32, 32, 3], &device);
        let squared = |a: Tensor<4>, b: Tensor<4>| (a - b).square().mean();
        let (first, _) = critic.gradient(&flat, &flat, squared);
        assert_eq!(first.abs().max().into_scalar::<f32>(), 0.0, "no pull before it was taught");
        let told: Vec<f32> = (0..60).map(|_| critic.learn(flat.clone(), real()).into_scalar()).collect();
        assert!(told[55..].iter().all(|t| *t > 0.9), "{told:?}");
        let theirs = real();
        let (pull, loss) = critic.gradient(&flat, &theirs, squared);
        assert!(loss.into_scalar::<f32>() > 0.2);
        let opinion = |x: Tensor<4>| critic.patches.valid().forward(x).mean().into_scalar::<f32>();
        let moved = flat.clone() - pull.clone() / pull.abs().max().into_scalar::<f32>() * 0.02;
        assert!(opinion(moved) > opinion(flat), "a step against the gradient looks more real");
    }
}
