//! Sums and maxima of slices in several lanes at once: one running value waits for itself at every element.

/// Lanes: four registers of the widest processors, so that four additions are under way at any time.
const LANES: usize = 64;

/// Combines `f(i)` for all `i < len`, lane by lane and then the lanes. `one` must be associative but for rounding.
#[inline(always)]
fn lanes(len: usize, start: f32, one: impl Fn(f32, f32) -> f32, mut f: impl FnMut(usize) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let whole = len / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane = one(*lane, f(i + l));
        }
        i += LANES;
    }
    // What is left goes by eights, then by ones.
    while i + 8 <= len {
        for (l, lane) in lanes.iter_mut().take(8).enumerate() {
            *lane = one(*lane, f(i + l));
        }
        i += 8;
    }
    while i < len {
        lanes[0] = one(lanes[0], f(i));
        i += 1;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] = one(lanes[l], lanes[l + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of `f(i)` for `i < len`.
#[inline(always)]
pub fn sum_with(len: usize, f: impl FnMut(usize) -> f32) -> f32 {
    lanes(
        len,
        0.0,
        #[inline(always)]
        |a, b| a + b,
        f,
    )
}

/// Largest value, negative infinity for none; NaN is passed over.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    lanes(
        x.len(),
        f32::NEG_INFINITY,
        #[inline(always)]
        |a, b| if b > a { b } else { a },
        #[inline(always)]
        |i| x[i],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts_once() {
        for len in [0, 1, 7, 8, 63, 64, 65, 77, 200] {
            let x: Vec<f32> = (0..len).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum_with(len, |i| x[i]), x.iter().sum::<f32>(), "{len}");
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{len}");
        }
        assert_eq!(max(&[f32::NAN, 2.0, f32::NAN]), 2.0);
    }
}
