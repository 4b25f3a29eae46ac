//! The painter's dice: a PCG generator with the few draws that painting needs, stable across versions of `rand`.

use rand::Rng as _;
use rand::SeedableRng as _;

/// A seeded generator; the same seed gives the same picture on every machine.
#[derive(Debug, Clone)]
pub struct Rng(rand_pcg::Pcg32);

impl Rng {
    /// A generator for one picture.
    pub fn new(seed: u64) -> Self {
        Self(rand_pcg::Pcg32::seed_from_u64(seed))
    }
    /// An independent generator drawn from this one, so that one part's draws do not shift another's.
    pub fn fork(&mut self) -> Self {
        Self::new((u64::from(self.0.next_u32()) << 32) | u64::from(self.0.next_u32()))
    }
    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }
    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }
    /// Uniform in `from..to`.
    pub fn range(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }
    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }
    /// True with the probability given.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }
    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }
    /// Roughly normal (sum of four uniforms), mean 0, standard deviation 1.
    pub fn normal(&mut self) -> f32 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732_050_8
    }
    /// One of the items; the slice must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
    /// Puts the items in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
