//! How fast this machine multiplies.

use burn::tensor::{Device, Distribution, Tensor};
use kiln::kernels::linear;
use std::time::Instant;

/// Calls until so many seconds are over, at least three; returns the seconds of one.
fn repeat(call: &dyn Fn(), seconds: f64) -> f64 {
    let (began, mut calls) = (Instant::now(), 0);
    while calls < 3 || began.elapsed().as_secs_f64() < seconds {
        call();
        calls += 1;
    }
    began.elapsed().as_secs_f64() / f64::from(calls)
}

/// Seconds of one call in a run of them, as in a network: after a rest the first calls find threads asleep and cold caches.
pub fn time(call: &dyn Fn()) -> f64 {
    repeat(call, 0.03);
    repeat(call, 0.03)
}

/// The machine's matrix-multiply peak: the fastest of some products that fit the cache, in operations a second.
pub fn peak(device: &Device) -> f64 {
    let side = 768;
    let x = Tensor::<2>::random([side, side], Distribution::Normal(0.0, 1.0), device);
    let call = || drop(linear(x.clone(), x.clone(), None));
    let best = (0..20).map(|_| time(&call)).min_by(f64::total_cmp).unwrap_or(f64::NAN);
    2.0 * (side as f64).powi(3) / best
}
