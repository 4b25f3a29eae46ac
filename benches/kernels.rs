//! Every operation that Kiln lives on, beside PyTorch on the same cores in the same run.
//!
//! `cargo bench --bench kernels -- [--rounds N] [--threads N] [--only TEXT] [--python PYTHON]`. The rounds of both programs take
//! turns; each figure is a median of milliseconds. PyTorch runs in both of its memory layouts, and the faster one counts.
//! Without a Python that has torch, only Kiln's own times are printed.

mod peer;

use burn::tensor::{Device, Distribution, Tensor};
use kiln::kernels::{attention, conv2d, group_norm, layer_norm, linear, silu, upsample2x};
use peer::speed::{peak, time};
use peer::{Torch, argument, median};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured; the Python peer reads the same words.
const OPERATIONS: [&str; 20] = [
    // kind, batch, channels in, channels out, side
    "conv 1 64 64 256",
    "conv 1 128 128 128",
    "conv 1 320 320 64",
    "conv 1 640 640 32",
    "conv 1 1280 1280 16",
    "conv 1 16 16 256",
    "conv 1 24 24 128",
    "conv 2 96 96 16",
    "conv 2 192 192 8",
    "conv 2 288 288 4",
    "down 1 128 128 128",
    "point 1 320 320 64",
    // kind, rows, in, out
    "linear 4096 320 1280",
    // kind, batch, heads, queries, keys, width of a head
    "attention 1 8 4096 4096 40",
    "attention 1 8 4096 77 40",
    "attention 2 6 64 32 32",
    // kind, batch, channels, groups, side
    "norm 1 320 32 64",
    "norm 1 16 1 256",
    // kind, rows, channels
    "layer 4096 320",
    // kind, channels, side
    "enlarge 64 64",
];

/// One call of an operation, ready to be repeated.
fn prepare(operation: &str, device: &Device) -> Option<Box<dyn Fn()>> {
    let mut words = operation.split_whitespace();
    let kind = words.next()?;
    let n: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    fn noise<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }
    Some(match (kind, n.as_slice()) {
        ("conv" | "down" | "point", &[batch, cin, cout, side]) => {
            let (kernel, stride, padding) = match kind {
                "conv" => (3, 1, (1, 1)),
                "down" => (3, 2, (0, 1)),
                _ => (1, 1, (0, 0)),
            };
            let (x, bias) = (noise([batch, side, side, cin], device), noise([cout], device));
            let weight = noise([kernel, kernel, cin, cout], device);
            Box::new(move || drop(conv2d(x.clone(), weight.clone(), Some(bias.clone()), stride, padding)))
        }
        ("linear", &[rows, inputs, outputs]) => {
            let (x, weight, bias) =
                (noise([rows, inputs], device), noise([inputs, outputs], device), noise([outputs], device));
            Box::new(move || drop(linear(x.clone(), weight.clone(), Some(bias.clone()))))
        }
        ("attention", &[batch, heads, queries, keys, d]) => {
            let q = noise([batch, queries, heads * d], device);
            let (k, v) = (noise([batch, keys, heads * d], device), noise([batch, keys, heads * d], device));
            Box::new(move || drop(attention(q.clone(), k.clone(), v.clone(), heads, false)))
        }
        ("norm", &[batch, channels, groups, side]) => {
            let (x, gamma, beta) =
                (noise([batch, side, side, channels], device), noise([channels], device), noise([channels], device));
            Box::new(move || drop(group_norm(x.clone(), gamma.clone(), beta.clone(), groups, 1e-5, true)))
        }
        ("layer", &[rows, channels]) => {
            let (x, gamma, beta) =
                (noise([rows, channels], device), noise([channels], device), noise([channels], device));
            Box::new(move || drop(layer_norm(silu(x.clone()), gamma.clone(), beta.clone(), 1e-5)))
        }
        ("enlarge", &[channels, side]) => {
            let (x, bias) = (noise([1, side, side, channels], device), noise([channels], device));
            let weight = noise([3, 3, channels, channels], device);
            Box::new(move || drop(conv2d(upsample2x(x.clone()), weight.clone(), Some(bias.clone()), 1, (1, 1))))
        }
        _ => return None,
    })
}

/// Floating-point operations of one call, where that says something.
fn work(operation: &str) -> Option<f64> {
    let mut words = operation.split_whitespace();
    let kind = words.next()?;
    let n: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    match (kind, n.as_slice()) {
        ("conv", &[batch, cin, cout, side]) => Some(18.0 * batch * cin * cout * side * side),
        ("down", &[batch, cin, cout, side]) => Some(4.5 * batch * cin * cout * side * side),
        ("point", &[batch, cin, cout, side]) => Some(2.0 * batch * cin * cout * side * side),
        ("linear", &[rows, inputs, outputs]) => Some(2.0 * rows * inputs * outputs),
        ("attention", &[batch, heads, queries, keys, d]) => Some(4.0 * batch * heads * queries * keys * d),
        ("enlarge", &[channels, side]) => Some(72.0 * channels * channels * side * side),
        _ => None,
    }
}

fn main() -> kiln::Result<()> {
    kiln::kernels::memory::keep_freed_pages();
    let rounds: usize = argument("--rounds").and_then(|v| v.parse().ok()).unwrap_or(9);
    let only = argument("--only").unwrap_or_default();
    let (threads, cores) = peer::threads()?;
    let device = Device::flex();
    let python = argument("--python").unwrap_or_else(|| "python3".into());
    let torch = Torch::start(&python, "kernels_torch.py", &[&threads.to_string()]);
    let mut torch = torch.filter(|(_, greeting)| greeting == "ready").map(|(torch, _)| torch);
    let peak = peak(&device);
    println!("{threads} of {cores} threads, {rounds} rounds, matrix products reach {:.0} GFLOP/s", peak / 1e9);
    if torch.is_none() {
        println!("PyTorch is not measured: name a Python with torch by --python");
    }
    println!("{:<28} {:>9} {:>9} {:>8} {:>9}", "operation", "Kiln, ms", "torch, ms", "ratio", "of peak");
    for operation in OPERATIONS.iter().filter(|operation| operation.contains(&only)) {
        let Some(call) = prepare(operation, &device) else { continue };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // What the row before freed is given back to the system after this time: in the round that is not counted, then.
        std::thread::sleep(std::time::Duration::from_millis(2100));
        // The first round warms caches and is not counted.
        for round in 0..=rounds {
            let seconds = time(&call);
            let layouts = torch.as_mut().map_or_else(Vec::new, |torch| torch.seconds(operation));
            let other = layouts.into_iter().min_by(f64::total_cmp);
            if round > 0 {
                ours.push(seconds);
                theirs.extend(other);
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let share = work(operation).map_or(String::new(), |work| format!("{:.0} %", 100.0 * work / ours / peak));
        println!("{operation:<28} {:>9.3} {:>9.3} {:>8.2} {share:>9}", ours * 1e3, theirs * 1e3, theirs / ours);
    }
    println!("ratio: PyTorch / Kiln, above 1 Kiln is faster; of peak above 100 %: Winograd needs fewer operations");
    Ok(())
}
