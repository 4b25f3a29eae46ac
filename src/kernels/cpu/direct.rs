//! 3x3 convolution of few channels, without a detour: the sums of several pixels stay in registers, and all that is laid out in
//! between is three lines of the picture. With few channels, neither im2col's nine copies nor Winograd's transforms pay.

use super::conv::ConvShape;
use super::fresh;
use pulp::{Arch, Simd, WithSimd};

/// Most input or output channels: above, the other ways gain more.
const MOST_CHANNELS: usize = 64;
/// The same in steps of two, where the other way is im2col: a group's weight has to stay in the second-level cache.
const MOST_IN_STEPS: usize = 128;
/// Fewest pixels of a picture; of smaller ones the packing of the weight would be a part of the work.
const LEAST_PIXELS: usize = 1024;
/// Output channels that are summed up side by side: a register of AVX-512, two of AVX2, four of NEON.
const PANEL: usize = 16;
/// Lines of a picture and border that the sums of a pixel see.
const TAPS: usize = 3;
/// Channels that lie side by side in a line that is laid out.
const FOUR: usize = 4;

/// Whether this convolution is better done here. One picture's size decides, never the number of pictures.
pub fn wins(s: &ConvShape) -> bool {
    let most = match s.stride {
        1 => MOST_CHANNELS,
        2 => MOST_IN_STEPS,
        _ => return false,
    };
    let (ho, wo) = s.out();
    (s.kh, s.kw) == (TAPS, TAPS) && s.cin.max(s.cout) <= most && ho * wo >= LEAST_PIXELS
}

/// `x`: `[n, h, w, cin]`, `weight`: `[3, 3, cin, cout]`, `bias`: `[cout]`. Returns `[n, ho, wo, cout]`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    forward_on(Arch::new(), x, weight, bias, s)
}

/// [`forward`] by given vector instructions.
fn forward_on(arch: Arch, x: &[f32], weight: &[f32], bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    let all = s.cout.div_ceil(PANEL);
    // As few groups as four panels allow; some pixels' sums fill the 32 registers of AVX-512 then.
    let panels = if arch.dispatch(Lanes) == 16 { all.div_ceil(all.div_ceil(4)) } else { 1 };
    let packed = Packed::new(weight, bias, s, panels * PANEL);
    let (ho, wo) = s.out();
    let share = (s.n * ho).div_ceil(4 * rayon::current_num_threads()).clamp(1, ho);
    let bands = ho.div_ceil(share);
    let lengths = (0..s.n * bands).map(|i| share.min(ho - i % bands * share) * wo * s.cout);
    fresh::uneven(lengths, |i, out| {
        let picture = &x[i / bands * s.h * s.w * s.cin..][..s.h * s.w * s.cin];
        arch.dispatch(Band { picture, packed: &packed, s, first: i % bands * share, out });
    })
}

/// How many numbers a register holds.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// A weight in the order in which it is used: `[groups, kernel line, cin, kernel column, width]`, zeros behind the last channel.
struct Packed {
    weight: Vec<f32>,
    /// `[groups, width]`.
    bias: Vec<f32>,
    /// Output channels of a group.
    width: usize,
}

impl Packed {
    fn new(weight: &[f32], bias: Option<&[f32]>, s: &ConvShape, width: usize) -> Self {
        let groups = s.cout.div_ceil(width);
        let mut packed = vec![0.0; groups * TAPS * s.cin * TAPS * width];
        let mut places = packed.chunks_exact_mut(width);
        for group in 0..groups {
            let channels = group * width..s.cout.min((group + 1) * width);
            for ky in 0..TAPS {
                for ci in 0..s.cin {
                    for (kx, place) in (0..TAPS).zip(&mut places) {
                        let row = &weight[((ky * TAPS + kx) * s.cin + ci) * s.cout..][..s.cout];
                        place[..channels.len()].copy_from_slice(&row[channels.clone()]);
                    }
                }
            }
        }
        let mut padded = vec![0.0; groups * width];
        if let Some(bias) = bias {
            padded[..s.cout].copy_from_slice(bias);
        }
        Self { weight: packed, bias: padded, width }
    }
}

/// Some lines of a result.
struct Band<'a> {
    /// `[h, w, cin]`.
    picture: &'a [f32],
    packed: &'a Packed,
    s: &'a ConvShape,
    /// The first of them.
    first: usize,
    /// `[lines, wo, cout]`.
    out: &'a mut [f32],
}

impl WithSimd for Band<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.s.stride {
            1 => self.choose::<S, 1>(simd),
            _ => self.choose::<S, 2>(simd),
        }
    }
}

impl Band<'_> {
    #[inline(always)]
    fn choose<S: Simd, const STRIDE: usize>(self, simd: S) {
        match (S::F32_LANES, self.packed.width / PANEL) {
            (16, 1) => self.run::<S, STRIDE, 16, 1>(simd),
            (16, 2) => self.run::<S, STRIDE, 8, 2>(simd),
            (16, 3) => self.run::<S, STRIDE, 8, 3>(simd),
            (16, _) => self.run::<S, STRIDE, 4, 4>(simd),
            (8, _) => self.run::<S, STRIDE, 6, 2>(simd),
            (4, _) => self.run::<S, STRIDE, 6, 4>(simd),
            _ => self.run::<S, STRIDE, 4, 16>(simd),
        }
    }

    /// `PIXELS` at a time, each in `REGISTERS` of a group's width together.
    #[inline(always)]
    fn run<S: Simd, const STRIDE: usize, const PIXELS: usize, const REGISTERS: usize>(self, simd: S) {
        let Self { picture, packed, s, first, out } = self;
        let (before, (_, wo)) = (s.padding.0, s.out());
        // Channels in fours, so that neighbouring pixels lie at the same distance for every convolution; with the border, and
        // whole blocks.
        let length = (STRIDE * (wo.next_multiple_of(PIXELS) - 1) + TAPS).max(before + s.w) * FOUR;
        let plane = s.cin.div_ceil(FOUR) * length;
        let mut lines = vec![0.0; TAPS * plane];
        let fill = |line: &mut [f32], y: Option<usize>| match y.filter(|y| *y < s.h) {
            None => line.fill(0.0),
            Some(y) => {
                let row = &picture[y * s.w * s.cin..(y + 1) * s.w * s.cin];
                for (four, place) in line.chunks_exact_mut(length).enumerate() {
                    let places = place[before * FOUR..].chunks_exact_mut(FOUR);
                    for (place, pixel) in places.zip(row.chunks_exact(s.cin)) {
                        let channels = &pixel[four * FOUR..];
                        match channels.first_chunk::<FOUR>() {
                            Some(channels) => place.copy_from_slice(channels),
                            None => place[..channels.len()].copy_from_slice(channels),
                        }
                    }
                }
            }
        };
        // Lines are counted from the border on; line y lies in place y % 3 until the third after it comes.
        let mut next = first * STRIDE;
        for (row, y) in out.chunks_exact_mut(wo * s.cout).zip(first..) {
            while next < y * STRIDE + TAPS {
                fill(&mut lines[next % TAPS * plane..][..plane], next.checked_sub(before));
                next += 1;
            }
            let seen = [0, 1, 2].map(|ky| &lines[(y * STRIDE + ky) % TAPS * plane..][..plane]);
            let weights = packed.weight.chunks_exact(TAPS * s.cin * TAPS * packed.width);
            for (group, (weight, bias)) in weights.zip(packed.bias.chunks_exact(packed.width)).enumerate() {
                let channels = (group * packed.width, s.cout.min((group + 1) * packed.width));
                for x in (0..wo).step_by(PIXELS) {
                    let sums = block::<S, STRIDE, PIXELS, REGISTERS>(
                        simd,
                        &seen,
                        (x * STRIDE * FOUR, s.cin),
                        length,
                        weight,
                        bias,
                    );
                    let pixels = row[x * s.cout..].chunks_exact_mut(s.cout);
                    for (pixel, sums) in pixels.zip(sums) {
                        let places = pixel[channels.0..channels.1].chunks_mut(S::F32_LANES);
                        for (place, sum) in places.zip(sums) {
                            simd.partial_store_f32s(place, sum);
                        }
                    }
                }
            }
        }
    }
}

/// The sums of `PIXELS` for a group of channels; the first one's square begins at place `x` of a line.
#[inline(always)]
fn block<S: Simd, const STRIDE: usize, const PIXELS: usize, const REGISTERS: usize>(
    simd: S,
    seen: &[&[f32]; TAPS],
    (x, cin): (usize, usize),
    length: usize,
    weight: &[f32],
    bias: &[f32],
) -> [[S::f32s; REGISTERS]; PIXELS] {
    let (bias, _) = S::as_simd_f32s(bias);
    let mut start = [simd.splat_f32s(0.0); REGISTERS];
    start.copy_from_slice(&bias[..REGISTERS]);
    let mut sums = [start; PIXELS];
    let (weight, _) = S::as_simd_f32s(weight);
    let mut weight = weight.chunks_exact(REGISTERS);
    for line in seen {
        let channels = line.chunks_exact(length).flat_map(|plane| (0..FOUR).map(move |c| (plane, c))).take(cin);
        for (plane, c) in channels {
            let near = &plane[x + c..][..(STRIDE * (PIXELS - 1) + TAPS - 1) * FOUR + 1];
            for (kx, w) in (0..TAPS).zip(&mut weight) {
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let v = simd.splat_f32s(near[(STRIDE * pixel + kx) * FOUR]);
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = simd.mul_add_e_f32s(v, *w, *sum);
                    }
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 31 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// The sums as they are written down.
    fn plain(x: &[f32], weight: &[f32], bias: &[f32], s: &ConvShape) -> Vec<f32> {
        let mut out = Vec::new();
        let (ho, wo) = s.out();
        for (n, y, x0) in (0..s.n).flat_map(|n| (0..ho).flat_map(move |y| (0..wo).map(move |x| (n, y, x)))) {
            for (co, bias) in bias.iter().enumerate() {
                let mut sum = f64::from(*bias);
                for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                    let at = |i: usize, k: usize| (i * s.stride + k).wrapping_sub(s.padding.0);
                    let (v, u) = (at(y, ky), at(x0, kx));
                    if v < s.h && u < s.w {
                        for ci in 0..s.cin {
                            let pixel = x[((n * s.h + v) * s.w + u) * s.cin + ci];
                            sum += f64::from(pixel) * f64::from(weight[((ky * 3 + kx) * s.cin + ci) * s.cout + co]);
                        }
                    }
                }
                out.push(sum as f32);
            }
        }
        out
    }

    #[test]
    fn every_kind_of_registers_gives_the_sums() {
        let mut archs = vec![Arch::new(), Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        archs.extend(pulp::x86::V3::try_new().map(Arch::V3));
        for (n, h, w, cin, cout, stride, padding) in [
            (1, 1, 1, 1, 1, 1, (1, 1)),
            (2, 3, 7, 3, 16, 1, (1, 1)),
            (1, 17, 65, 16, 3, 1, (1, 1)),
            (2, 5, 19, 24, 33, 1, (1, 1)),
            (1, 9, 16, 5, 48, 1, (1, 1)),
            (1, 7, 24, 48, 24, 1, (0, 0)),
            (1, 7, 24, 16, 100, 2, (1, 1)),
            (2, 8, 33, 6, 20, 2, (0, 1)),
            (1, 65, 3, 4, 5, 2, (2, 2)),
        ] {
            let s = ConvShape { n, h, w, cin, kh: 3, kw: 3, cout, stride, padding };
            let (x, weight, bias) = (numbers(n * h * w * cin, 1), numbers(9 * cin * cout, 2), numbers(cout, 3));
            let right = plain(&x, &weight, &bias, &s);
            let top = right.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            for arch in &archs {
                let made = forward_on(*arch, &x, &weight, Some(&bias), &s);
                assert_eq!(made.len(), right.len());
                let off = made.iter().zip(&right).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
                assert!(off <= 1e-5 * top.max(1.0), "{s:?} by {arch:?}: off by {off} of {top}");
            }
        }
    }
}
