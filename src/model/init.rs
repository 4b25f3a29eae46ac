//! First values of parameters: PyTorch's defaults, drawn from our own seeded generator so that training repeats.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Shape, Tensor, TensorData};

/// How the first values of a parameter are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// Every value the same.
    Constant(f32),
    /// Uniform in `-bound..bound`.
    Uniform(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
}

/// Hands out lazily drawn parameters. Two `Init`s with one seed give the same module the same values on every device;
/// parameters that a checkpoint fills are never drawn at all.
#[derive(Debug)]
pub struct Init {
    device: Device,
    seed: u64,
    drawn: u64,
}

impl Init {
    /// Parameters on `device`, drawn from `seed`.
    pub fn new(device: &Device, seed: u64) -> Self {
        Self { device: device.clone(), seed, drawn: 0 }
    }

    /// Where parameters are made.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The next parameter of this shape.
    pub fn param<const D: usize>(&mut self, shape: [usize; D], draw: Draw) -> Param<Tensor<D>> {
        let mut stream = SplitMix64(self.seed);
        stream.0 = stream.next() ^ self.drawn.wrapping_mul(0xd134_2543_de82_ef95);
        self.drawn += 1;
        Param::uninitialized(
            ParamId::new(),
            move |device, require_grad| {
                let count = shape.iter().product();
                let values = stream.values(count, draw);
                Tensor::<D>::from_data(TensorData::new(values, shape), device).set_require_grad(require_grad)
            },
            self.device.clone(),
            true,
            Shape::from(shape),
        )
    }
}

/// Vigna's SplitMix64: small, and the same on every platform and in every version.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1, 24 bits.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    fn values(mut self, count: usize, draw: Draw) -> Vec<f32> {
        match draw {
            Draw::Constant(value) => vec![value; count],
            Draw::Uniform(bound) => (0..count).map(|_| (2.0 * self.unit() - 1.0) * bound).collect(),
            Draw::Normal(deviation) => (0..count)
                .map(|_| {
                    // Box and Muller's transform; 1 - u keeps the logarithm finite.
                    let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
                    radius * (std::f32::consts::TAU * self.unit()).cos() * deviation
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_differ_between_parameters_and_have_their_spread() {
        let device = Device::flex();
        let draw = |seed| {
            let mut init = Init::new(&device, seed);
            let a = init.param([100, 100], Draw::Normal(0.5)).val().into_data().try_to_vec::<f32>().unwrap();
            let b = init.param([10_000], Draw::Uniform(2.0)).val().into_data().try_to_vec::<f32>().unwrap();
            (a, b)
        };
        let (a, b) = draw(1);
        assert_eq!((a.clone(), b.clone()), draw(1));
        assert_ne!(a, draw(2).0);
        let moments = |v: &[f32]| {
            let mean = v.iter().sum::<f32>() / v.len() as f32;
            (mean, (v.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / v.len() as f32).sqrt())
        };
        let (mean, deviation) = moments(&a);
        assert!(mean.abs() < 0.02 && (deviation - 0.5).abs() < 0.02, "{mean} {deviation}");
        let (mean, deviation) = moments(&b);
        assert!(mean.abs() < 0.05 && (deviation - 2.0 / 3f32.sqrt()).abs() < 0.03, "{mean} {deviation}");
        assert!(b.iter().all(|x| x.abs() <= 2.0));
    }
}
