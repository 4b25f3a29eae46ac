//! The CPU's kernels against burn's own operations, values and gradients, at odd sizes too.

use super::*;
use burn::tensor::Device;

/// Deterministic values in -1..1 without any library.
fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let data: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::<1>::from_floats(data.as_slice(), device).reshape(shape)
}

fn within<const D: usize>(bound: f32, what: &str, ours: Tensor<D>, theirs: Tensor<D>) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}: shapes differ");
    let ours = ours.into_data().try_to_vec::<f32>().unwrap();
    let theirs = theirs.into_data().try_to_vec::<f32>().unwrap();
    let top = theirs.iter().fold(1e-2f32, |a, b| a.max(b.abs()));
    let worst = ours.iter().zip(&theirs).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
    assert!(worst / top <= bound, "{what}: off by {worst} of {top}");
}

/// Runs `f` on both implementations and compares the value and the gradient of each input.
macro_rules! compare {
    ($what:expr, $inputs:tt, |$($name:ident),+| $ours:expr, $theirs:expr) => {
        compare!(1e-4, $what, $inputs, |$($name),+| $ours, $theirs)
    };
    ($bound:expr, $what:expr, [$($input:expr),+], |$($name:ident),+| $ours:expr, $theirs:expr) => {{
        let inputs = ($($input.require_grad(),)+);
        let ($($name,)+) = inputs.clone();
        let ours = $ours;
        let ($($name,)+) = inputs.clone();
        let theirs = $theirs;
        within($bound, $what, ours.clone(), theirs.clone());
        // A weight that differs by position, so that no symmetry hides an error.
        let weight = values(ours.dims(), 99, &ours.device());
        let mut mine = (ours * weight.clone()).sum().backward();
        let mut burns = (theirs * weight).sum().backward();
        let ($($name,)+) = inputs;
        $(within(
            $bound,
            concat!("gradient of ", stringify!($name)),
            $name.grad_remove(&mut mine).unwrap(),
            $name.grad_remove(&mut burns).unwrap(),
        );)+
    }};
}

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn convolution_agrees() {
    let d = device();
    for (n, side, cin, cout, kernel, stride, padding) in [
        (1, 1, 3, 5, 3, 1, (1, 1)),
        (2, 7, 4, 6, 3, 1, (1, 1)),
        (1, 17, 3, 8, 3, 2, (1, 1)),
        (2, 8, 5, 4, 3, 2, (0, 1)),
        (3, 5, 7, 9, 1, 1, (0, 0)),
        (1, 65, 16, 17, 3, 1, (1, 1)),
        (2, 96, 24, 16, 3, 1, (1, 1)),
        (1, 3, 2, 3, 5, 1, (2, 2)),
    ] {
        let what = format!("conv n={n} side={side} {cin}->{cout} k={kernel} s={stride} p={padding:?}");
        compare!(
            &what,
            [
                values([n, side, side + 1, cin], 1, &d),
                values([kernel, kernel, cin, cout], 2, &d),
                values([cout], 3, &d)
            ],
            |x, w, b| conv2d(x, w, Some(b), stride, padding),
            reference::conv2d(x, w, Some(b), stride, padding)
        );
    }
}

/// Enough channels and tiles for Winograd, whose sums are a little less exact.
#[test]
fn winograd_agrees() {
    let d = device();
    // Tiles in blocks, for which there must be enough for every thread: several strips a block, and several blocks a strip.
    let many = 64 * rayon::current_num_threads();
    let (pictures, lines) = (many.div_ceil(12) + 1, 4 * many.div_ceil(35) + 1);
    for (n, h, w, cin, cout) in [
        (6, 9, 14, 64, 80),
        (1, 65, 17, 65, 79),
        (70, 4, 4, 64, 72),
        (70, 1, 3, 64, 64),
        (4, 16, 16, 160, 130),
        (1, 16, 13, 40, 24),
        (pictures, 9, 14, 24, 40),
        (1, lines, 137, 33, 80),
        // Small tiles.
        (2, 8, 8, 64, 48),
        (3, 4, 4, 33, 40),
        (1, 7, 5, 24, 17),
        (2, 3, 3, 16, 100),
    ] {
        let what = format!("winograd n={n} {h}x{w} {cin}->{cout}");
        let shape = cpu::conv::ConvShape { n, h, w, cin, kh: 3, kw: 3, cout, stride: 1, padding: (1, 1) };
        let trains = !cpu::winograd::wins_with(&shape);
        assert!(!trains || cpu::winograd::wins(&shape), "{what} would not take this way");
        let _half = trains.then(cpu::half::HalfProducts::allow);
        compare!(
            5e-4,
            &what,
            [values([n, h, w, cin], 1, &d), values([3, 3, cin, cout], 2, &d), values([cout], 3, &d)],
            |x, w, b| conv2d(x, w, Some(b), 1, (1, 1)),
            reference::conv2d(x, w, Some(b), 1, (1, 1))
        );
    }
}

/// Pictures that are made together have the bits that each would have alone.
#[test]
fn company_changes_nothing() {
    let d = device();
    let numbers = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().unwrap();
    // Alone against three, two of which are others; sizes on both sides of every way's limits.
    macro_rules! alone_and_in_company {
        ($what:expr, $shape:expr, $f:expr) => {{
            let shape: [usize; 4] = $shape;
            let all = values([3, shape[1], shape[2], shape[3]], 4, &d);
            let together = numbers($f(all.clone()));
            for i in 0..3 {
                let alone = numbers($f(all.clone().narrow(0, i, 1)));
                let n = alone.len();
                assert!(alone == together[i * n..(i + 1) * n], "{}, picture {i} of three", $what);
            }
        }};
    }
    for (h, w, cin, cout) in [
        (4, 4, 288, 288),
        (8, 8, 192, 192),
        (8, 8, 64, 64),
        (16, 16, 96, 96),
        (12, 20, 40, 24),
        (16, 16, 288, 192),
        (32, 32, 64, 64),
        (64, 48, 64, 64),
        (64, 64, 24, 16),
        (40, 40, 130, 140),
    ] {
        for (kernel, stride, padding) in [(3, 1, (1, 1)), (3, 2, (1, 1)), (1, 1, (0, 0))] {
            let (weight, bias) = (values([kernel, kernel, cin, cout], 2, &d), values([cout], 3, &d));
            let what = format!("convolution of {h}x{w}, {cin} to {cout}, kernel {kernel}, step {stride}");
            alone_and_in_company!(what, [1, h, w, cin], |x| conv2d(
                x,
                weight.clone(),
                Some(bias.clone()),
                stride,
                padding
            ));
        }
    }
    for (tokens, width, heads) in [(16, 288, 4), (64, 192, 4), (256, 96, 3), (30, 130, 2), (1100, 64, 2)] {
        let (weight, bias) = (values([width, width + 7], 2, &d), values([width + 7], 3, &d));
        alone_and_in_company!(format!("linear {tokens} of {width}"), [1, 1, tokens, width], |x: Tensor<4>| {
            linear(x.squeeze_dim::<3>(1), weight.clone(), Some(bias.clone())).unsqueeze_dim::<4>(1)
        });
        alone_and_in_company!(format!("attention {tokens} of {width}"), [1, 1, tokens, width], |x: Tensor<4>| {
            let x = x.squeeze_dim::<3>(1);
            attention(x.clone(), x.clone(), x, heads, false).unsqueeze_dim::<4>(1)
        });
        let (gamma, beta) = (values([width], 5, &d), values([width], 6, &d));
        alone_and_in_company!(format!("norms {tokens} of {width}"), [1, tokens, 1, width], |x: Tensor<4>| {
            let x = group_norm(x, gamma.clone(), beta.clone(), 2, 1e-5, true);
            let rows = layer_norm(x.squeeze_dim::<3>(2), gamma.clone(), beta.clone(), 1e-5);
            gelu(rows.unsqueeze_dim::<4>(2))
        });
    }
}

#[test]
fn normalisations_agree() {
    let d = device();
    for (n, h, w, c, groups, silu) in
        [(1, 1, 1, 8, 4, true), (2, 7, 3, 12, 3, false), (3, 17, 5, 32, 8, true), (1, 65, 65, 24, 8, true)]
    {
        let what = format!("group norm {n}x{h}x{w}x{c} in {groups}");
        compare!(
            &what,
            [values([n, h, w, c], 1, &d), values([c], 2, &d), values([c], 3, &d)],
            |x, g, b| group_norm(x, g, b, groups, 1e-5, silu),
            reference::group_norm(x, g, b, groups, 1e-5, silu)
        );
    }
    for (rows, c) in [(1, 3), (7, 65), (130, 64)] {
        compare!(
            "layer norm",
            [values([1, rows, c], 1, &d), values([c], 2, &d), values([c], 3, &d)],
            |x, g, b| layer_norm(x, g, b, 1e-5),
            reference::layer_norm(x, g, b, 1e-5)
        );
    }
}

#[test]
fn linear_and_attention_agree() {
    let d = device();
    // The last two are more than one block of queries and of keys.
    for (n, t, o, heads, width, causal) in [
        (1, 1, 1, 1, 4, false),
        (2, 7, 3, 2, 6, false),
        (3, 17, 17, 4, 32, true),
        (1, 65, 40, 8, 64, false),
        (2, 300, 1100, 2, 16, false),
        (1, 601, 601, 2, 16, true),
    ] {
        compare!(
            "attention",
            [values([n, t, width], 1, &d), values([n, o, width], 2, &d), values([n, o, width], 3, &d)],
            |q, k, v| attention(q, k, v, heads, causal),
            reference::attention(q, k, v, heads, causal)
        );
        compare!(
            "linear",
            [values([n, t, width], 1, &d), values([width, o], 2, &d), values([o], 3, &d)],
            |x, w, b| linear(x, w, Some(b)),
            reference::linear(x, w, Some(b))
        );
    }
}

#[test]
fn pointwise_and_upsample_agree() {
    let d = device();
    for len in [1, 3, 65, 20_000] {
        let x = || values([1, len], 5, &d) * 6.0;
        compare!("silu", [x()], |x| silu(x), reference::silu(x));
        compare!("gelu", [x()], |x| gelu(x), reference::gelu(x));
        compare!("quick gelu", [x()], |x| quick_gelu(x), reference::quick_gelu(x));
    }
    compare!("upsample", [values([2, 3, 5, 7], 1, &d)], |x| upsample2x(x), reference::upsample2x(x));
}
