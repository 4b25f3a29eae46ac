//! Seeded noise: the numbers of `torch.randn(..., generator=torch.Generator("cpu").manual_seed(seed))`.
//!
//! Mersenne Twister (Matsumoto & Nishimura 1998) and the two normal transforms of PyTorch's CPU code: Box-Muller (1958) in
//! blocks of 16 from 24-bit uniforms for 16 or more numbers, and one number at a time from 53-bit uniforms for fewer.

const N: usize = 624;
const M: usize = 397;

/// A generator that continues where its last draw ended, as torch's does.
#[derive(Debug, Clone)]
pub struct TorchGenerator {
    state: [u32; N],
    next: usize,
    /// Second half of the last pair of the one-at-a-time path.
    spare: Option<f64>,
}

impl TorchGenerator {
    /// `torch.Generator("cpu").manual_seed(seed)`; like torch, only the low 32 bits of the seed count.
    pub fn new(seed: u64) -> Self {
        let mut state = [0u32; N];
        state[0] = seed as u32;
        for j in 1..N {
            state[j] = 1_812_433_253u32.wrapping_mul(state[j - 1] ^ (state[j - 1] >> 30)).wrapping_add(j as u32);
        }
        Self { state, next: N, spare: None }
    }

    fn refill(&mut self) {
        for j in 0..N {
            let y = (self.state[j] & 0x8000_0000) | (self.state[(j + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[j] = self.state[(j + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in 0..1 with 24 bits.
    fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 / 16_777_216.0
    }

    /// Uniform in 0..1 with 53 bits.
    fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        (((high << 32) | low) & ((1 << 53) - 1)) as f64 / 9_007_199_254_740_992.0
    }

    fn normal_f64(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform_f64(), self.uniform_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = std::f64::consts::TAU * u1;
        self.spare = Some(radius * theta.sin());
        radius * theta.cos()
    }

    /// `torch.randn(n, generator=self)`: `n` standard normal numbers, in the order of torch's memory.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < 16 {
            return (0..n).map(|_| self.normal_f64() as f32).collect();
        }
        let mut data: Vec<f32> = (0..n).map(|_| self.uniform_f32()).collect();
        for block in data.chunks_exact_mut(16) {
            box_muller_16(block);
        }
        if !n.is_multiple_of(16) {
            // torch draws the last 16 anew, over numbers that were already made.
            let tail = &mut data[n - 16..];
            for x in tail.iter_mut() {
                *x = self.uniform_f32();
            }
            box_muller_16(tail);
        }
        data
    }

    /// `torch.randn(1, channels, height, width, generator=self)`, handed over channels-last: `[height, width, channels]`.
    ///
    /// torch draws channel by channel; every picture-shaped tensor in Kiln keeps channels last.
    pub fn randn_nhwc(&mut self, height: usize, width: usize, channels: usize) -> Vec<f32> {
        nchw_to_nhwc(&self.randn(channels * height * width), height, width, channels)
    }
}

/// Turns 16 uniforms into 16 normals: the first eight are radii, the last eight angles.
fn box_muller_16(block: &mut [f32]) {
    for j in 0..8 {
        let radius = (-2.0 * f64::from(1.0 - block[j]).ln()).sqrt();
        let theta = f64::from(std::f32::consts::TAU * block[j + 8]);
        block[j] = (radius * theta.cos()) as f32;
        block[j + 8] = (radius * theta.sin()) as f32;
    }
}

/// `[channels, height, width]` to `[height, width, channels]`.
pub fn nchw_to_nhwc(x: &[f32], height: usize, width: usize, channels: usize) -> Vec<f32> {
    let plane = height * width;
    (0..plane * channels).map(|i| x[(i % channels) * plane + i / channels]).collect()
}

/// `[height, width, channels]` to `[channels, height, width]`.
pub fn nhwc_to_nchw(x: &[f32], height: usize, width: usize, channels: usize) -> Vec<f32> {
    let plane = height * width;
    (0..plane * channels).map(|i| x[(i % plane) * channels + i / plane]).collect()
}
