//! Sums and maxima of slices in several lanes at once: one running value waits for itself at every element.

/// Numbers in a register of the widest processors.
const WIDE: usize = 16;

/// Four of them, so that four additions are under way at any time. Each has a name and is reached by known indices alone: an array that
/// a loop counts through stays in memory.
const LANES: usize = 4 * WIDE;

/// Combines `f` of the values at each place of slices that are as long as the first, lane by lane and then the lanes. `one` must be
/// associative but for rounding. Whole chunks, as an index that may be out of range keeps a loop from becoming vectors.
#[inline(always)]
fn lanes<const N: usize>(
    of: [&[f32]; N],
    start: f32,
    one: impl Fn(f32, f32) -> f32,
    f: impl Fn([f32; N]) -> f32,
) -> f32 {
    let len = of.first().map_or(0, |x| x.len());
    let of = of.map(
        #[inline(always)]
        |x| x[..len].as_chunks::<LANES>(),
    );
    let (mut a, mut b, mut c, mut d) = ([start; WIDE], [start; WIDE], [start; WIDE], [start; WIDE]);
    for i in 0..len / LANES {
        let rows = of.map(
            #[inline(always)]
            |(whole, _)| &whole[i],
        );
        add(&mut a, rows, 0, &one, &f);
        add(&mut b, rows, WIDE, &one, &f);
        add(&mut c, rows, 2 * WIDE, &one, &f);
        add(&mut d, rows, 3 * WIDE, &one, &f);
    }
    // What is left goes by eights, then by ones.
    let rest = of.map(
        #[inline(always)]
        |(_, rest)| rest.as_chunks::<8>(),
    );
    for i in 0..len % LANES / 8 {
        let rows = rest.map(
            #[inline(always)]
            |(whole, _)| &whole[i],
        );
        for l in 0..8 {
            a[l] = one(
                a[l],
                f(rows.map(
                    #[inline(always)]
                    |row| row[l],
                )),
            );
        }
    }
    for i in 0..len % 8 {
        a[0] = one(
            a[0],
            f(rest.map(
                #[inline(always)]
                |(_, ones)| ones[i],
            )),
        );
    }
    for l in 0..WIDE {
        a[l] = one(one(a[l], c[l]), one(b[l], d[l]));
    }
    for l in 0..8 {
        a[l] = one(a[l], a[l + 8]);
    }
    for l in 0..4 {
        a[l] = one(a[l], a[l + 4]);
    }
    one(one(a[0], a[2]), one(a[1], a[3]))
}

/// One register further.
#[inline(always)]
fn add<const N: usize>(
    sums: &mut [f32; WIDE],
    rows: [&[f32; LANES]; N],
    from: usize,
    one: &impl Fn(f32, f32) -> f32,
    f: &impl Fn([f32; N]) -> f32,
) {
    for l in 0..WIDE {
        sums[l] = one(
            sums[l],
            f(rows.map(
                #[inline(always)]
                |row| row[from + l],
            )),
        );
    }
}

/// Sum of `f` of the values at each place of slices that are as long as the first.
#[inline(always)]
pub fn sum_with<const N: usize>(of: [&[f32]; N], f: impl Fn([f32; N]) -> f32) -> f32 {
    lanes(
        of,
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
        [x],
        f32::NEG_INFINITY,
        #[inline(always)]
        |a, b| if b > a { b } else { a },
        #[inline(always)]
        |[x]| x,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts_once() {
        for len in [0, 1, 7, 8, 63, 64, 65, 77, 200] {
            let x: Vec<f32> = (0..len).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum_with([&x], |[x]| x), x.iter().sum::<f32>(), "{len}");
            let products: f32 = x.iter().zip(&x).map(|(a, b)| a * (b - 1.0)).sum();
            assert_eq!(sum_with([&x, &x], |[a, b]| a * (b - 1.0)), products, "{len}");
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{len}");
        }
        assert_eq!(max(&[f32::NAN, 2.0, f32::NAN]), 2.0);
    }
}
