//! How much the CPU was asked to multiply, for the share of the machine's peak that a network reaches.

use std::sync::atomic::{AtomicU64, Ordering};

static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// Adds the operations of a product of `rows x inner` by `inner x columns`: a multiplication and an addition each.
pub(super) fn product(rows: usize, inner: usize, columns: usize) {
    // One addition a layer costs nothing beside it.
    OPERATIONS.fetch_add(2 * rows as u64 * inner as u64 * columns as u64, Ordering::Relaxed);
}

/// Floating-point operations of all convolutions, linear layers and attentions of this process so far, outside training. Each counts as
/// the products that define it, whatever way was taken: Winograd's needs fewer.
pub fn done() -> u64 {
    OPERATIONS.load(Ordering::Relaxed)
}
