//! Large pictures through an autoencoder piece by piece: memory stays that of one tile (diffusers' `enable_tiling`).

use burn::tensor::{Tensor, TensorData};

/// Side of a tile before and after the network, in its pixels; neighbours overlap by a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Of what goes in.
    pub before: usize,
    /// Of what comes out.
    pub after: usize,
}

/// `[n, h, w, c]` through `network` tile by tile. Where tiles overlap, one fades into the next.
pub fn tiled(x: &Tensor<4>, tile: Tile, network: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let [_, h, w, _] = x.dims();
    let step = (tile.before * 3 / 4).max(1);
    let blend = tile.after / 4;
    let limit = tile.after - blend;
    let mut above: Vec<Tensor<4>> = Vec::new();
    let mut lines = Vec::new();
    for top in (0..h).step_by(step) {
        let mut row: Vec<Tensor<4>> = Vec::new();
        let mut line = Vec::new();
        for (column, left) in (0..w).step_by(step).enumerate() {
            let part = x.clone().narrow(1, top, tile.before.min(h - top)).narrow(2, left, tile.before.min(w - left));
            let mut y = network(part);
            if let Some(above) = above.get(column) {
                y = faded(above, y, 1, blend);
            }
            if let Some(before) = row.last() {
                y = faded(before, y, 2, blend);
            }
            let [_, high, wide, _] = y.dims();
            line.push(y.clone().narrow(1, 0, limit.min(high)).narrow(2, 0, limit.min(wide)));
            row.push(y);
        }
        lines.push(Tensor::cat(line, 2));
        above = row;
    }
    Tensor::cat(lines, 1)
}

/// `b` with its first `extent` lines along `axis` (1 or 2) fading in from the last ones of `a`.
fn faded(a: &Tensor<4>, b: Tensor<4>, axis: usize, extent: usize) -> Tensor<4> {
    let extent = extent.min(a.dims()[axis]).min(b.dims()[axis]);
    if extent == 0 {
        return b;
    }
    let mut shape = [1; 4];
    shape[axis] = extent;
    let share: Vec<f32> = (0..extent).map(|i| i as f32 / extent as f32).collect();
    let share = Tensor::<4>::from_data(TensorData::new(share, shape), &b.device());
    // Tiles at the far edge are smaller across, too.
    let across = 3 - axis;
    let wide = a.dims()[across].min(b.dims()[across]);
    let end = a.clone().narrow(axis, a.dims()[axis] - extent, extent).narrow(across, 0, wide);
    let start = b.clone().narrow(axis, 0, extent);
    let mixed = end * (share.clone() * -1.0 + 1.0) + start * share;
    let rest = b.dims()[axis] - extent;
    if rest == 0 {
        return mixed;
    }
    Tensor::cat(vec![mixed, b.narrow(axis, extent, rest)], axis)
}
