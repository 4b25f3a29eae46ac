//! 3x3 convolution by Winograd's minimal filtering F(4x4, 3x3), forward and backward (Lavin and Gray 2016, arXiv:1509.09308).
//!
//! A 4x4 block of outputs costs 36 products a channel pair instead of 144. Points of the transformed 6x6 tile lie one after
//! the other in memory, so that the work in between is 36 independent matrix products. Of pictures so small that reading the weight
//! counts, four times as large, F(2x2, 3x3) makes 2x2 blocks of 4x4 tiles: 16 products instead of 36, and a weight less than twice as
//! large.

mod lines;
mod passes;

use super::conv::ConvShape;
use super::fresh;
use super::matrix::{Mat, gemm};
use super::spare::Buffer;
use pulp::Arch;
use rayon::prelude::*;

/// Side of a block of outputs, if nothing else is said.
const OUT: usize = 4;
/// Side of a transformed tile.
const SIDE: usize = 6;
/// Points of a transformed tile.
const POINTS: usize = SIDE * SIDE;
/// Side of a block of outputs of small pictures.
const SMALL_OUT: usize = 2;
/// Side of their transformed tiles.
const SMALL_SIDE: usize = 4;
/// Floats between the end of one point's matrix and the beginning of the next, so that the 36 streams of a transform do not fall
/// into the same cache set.
const GAP: usize = 16;

/// Most floats of one transformed tensor: 128 MB. Larger pictures go another way.
const LARGEST: usize = 32 << 20;

/// Tiles that go through all three steps at a time, where the weight stays in the cache meanwhile.
const BLOCK: usize = 32;
/// Most pairs of channels of such a weight: 2.4 MB, transformed. Of a larger one the reading costs more than a tile's way through
/// memory.
const BLOCKED_PAIRS: usize = 128 * 128;

/// Whether this convolution of training is better done here: enough channels to pay for the transforms of pictures, enough tiles
/// of the batch to pay for that of the weight. Also where the other way would be products of 16 bits.
pub fn wins(s: &ConvShape) -> bool {
    pays(s, 24, Tiles::of(s).count, 32)
}

/// The same of both gradients.
pub fn wins_back(s: &ConvShape) -> bool {
    pays(s, 48, Tiles::of(s).count, 32)
}

/// The same outside training, where the weight would be transformed again and again. What a picture gets must not depend on its
/// company, so one picture's tiles decide.
pub fn wins_alone(s: &ConvShape) -> bool {
    pays(s, 64, Tiles::of(s).each, 32)
}

/// The same of a convolution whose weight is transformed already: a register of AVX-512 full of channels, and enough tiles that reading
/// the weight is not all the work.
pub fn wins_with(s: &ConvShape) -> bool {
    let side = if small(s) { SMALL_OUT } else { OUT };
    pays(s, 16, Tiles::of_side(s, side).each, 4)
}

/// Whether the tiles of a transformed weight's pictures are the small ones.
fn small(s: &ConvShape) -> bool {
    Tiles::of(s).each < 8
}

/// Whether there are at least so many channels and, of `tiles`, so many; and memory for all of them.
fn pays(s: &ConvShape, channels: usize, tiles: usize, enough: usize) -> bool {
    (s.kh, s.kw, s.stride, s.padding) == (3, 3, 1, (1, 1))
        && s.cin.min(s.cout) >= channels
        && tiles >= enough
        && (s.cin * s.cout <= BLOCKED_PAIRS || tiles * POINTS * s.cin.max(s.cout) <= LARGEST)
}

/// Whether few tiles at a time go through all three steps, instead of all through one step after the other.
fn blocked(s: &ConvShape) -> bool {
    s.cin * s.cout <= BLOCKED_PAIRS && Tiles::of(s).count >= 2 * BLOCK * rayon::current_num_threads()
}

/// How the outputs are cut into blocks.
#[derive(Clone, Copy)]
struct Tiles {
    across: usize,
    each: usize,
    count: usize,
}

impl Tiles {
    fn of(s: &ConvShape) -> Self {
        Self::of_side(s, OUT)
    }
    /// With blocks of another side.
    fn of_side(s: &ConvShape, side: usize) -> Self {
        let (ho, wo) = s.out();
        let (down, across) = (ho.div_ceil(side), wo.div_ceil(side));
        Self { across, each: down * across, count: s.n * down * across }
    }
    /// Picture, row and column of a tile, in tiles.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let inside = tile % self.each;
        (tile / self.each, inside / self.across, inside % self.across)
    }
}

/// A matrix of `rows x cols` for each point of a tile, sixteen floats apart.
pub struct Points {
    data: Buffer<f32>,
    count: usize,
    rows: usize,
    cols: usize,
}

impl Points {
    /// What the matrices hold at first is undefined (numbers of an earlier use); every user writes all of them.
    fn new(count: usize, rows: usize, cols: usize) -> Self {
        Self { data: Buffer::new(count * (rows * cols + GAP)), count, rows, cols }
    }
    /// Size in memory.
    pub fn bytes(&self) -> usize {
        self.count * self.stride() * size_of::<f32>()
    }
    /// Whether a transformed weight has the form that pictures of this size want.
    pub fn is_for(&self, s: &ConvShape) -> bool {
        self.count == points(s)
    }
    fn stride(&self) -> usize {
        self.rows * self.cols + GAP
    }
    fn matrix(&self, point: usize) -> Mat<'_> {
        Mat::new(&self.data[point * self.stride()..], self.rows, self.cols)
    }
    /// The products `a @ b` of every point.
    fn product<'a>(
        (count, rows, cols): (usize, usize, usize),
        a: impl Fn(usize) -> Mat<'a> + Sync,
        b: impl Fn(usize) -> Mat<'a> + Sync,
    ) -> Self {
        let mut out = Self::new(count, rows, cols);
        let stride = out.stride();
        out.data[..count * stride]
            .par_chunks_mut(stride)
            .enumerate()
            .for_each(|(p, dst)| gemm(dst, a(p), b(p), 1.0, false, false));
        out
    }
    /// Runs `f` on bands of rows in parallel: the first row of the band, and for each point its rows.
    fn bands(&mut self, rows_each: usize, f: impl Fn(usize, &mut [&mut [f32]]) + Sync) {
        let (stride, cols, rows) = (self.stride(), self.cols, self.rows);
        let mut bands: Vec<Vec<&mut [f32]>> =
            (0..rows.div_ceil(rows_each)).map(|_| Vec::with_capacity(self.count)).collect();
        for point in self.data.chunks_exact_mut(stride) {
            for (band, part) in bands.iter_mut().zip(point[..rows * cols].chunks_mut(rows_each * cols)) {
                band.push(part);
            }
        }
        bands.into_par_iter().enumerate().for_each(|(i, mut band)| f(i * rows_each, &mut band));
    }
}

/// Rows of a band: a few bands a thread.
fn band(rows: usize) -> usize {
    rows.div_ceil(4 * rayon::current_num_threads()).max(1)
}

/// Every tile of `x`, transformed: for each point `[tiles, cin]`.
fn transform_input<const OUT: usize, const SIDE: usize>(x: &[f32], s: &ConvShape, tiles: Tiles) -> Points {
    let mut v = Points::new(SIDE * SIDE, tiles.count, s.cin);
    v.bands(band(tiles.count), |first, out| {
        let count = out[0].len() / s.cin;
        Arch::new().dispatch(passes::Input::<OUT, SIDE> { x, s, tiles, first, count, out });
    });
    v
}

/// Every 4x4 block of `dy`, taken back through the output transform: 36 of `[tiles, cout]`.
fn transform_output_back(dy: &[f32], s: &ConvShape, tiles: Tiles) -> Points {
    let mut m = Points::new(POINTS, tiles.count, s.cout);
    m.bands(band(tiles.count), |first, out| {
        let count = out[0].len() / s.cout;
        Arch::new().dispatch(passes::OutputBack { dy, s, tiles, first, count, out });
    });
    m
}

/// The weight, transformed, to be kept: see [`forward_with`].
pub fn transformed(weight: &[f32], s: &ConvShape) -> Points {
    let count = points(s);
    let data = Buffer::exact(count * (s.cin * s.cout + GAP));
    let kept = Points { data, count, rows: s.cin, cols: s.cout };
    if small(s) { transform_weight::<SMALL_SIDE>(kept, weight, s) } else { transform_weight::<SIDE>(kept, weight, s) }
}

/// Bytes that [`transformed`] takes.
pub fn bytes_kept(s: &ConvShape) -> usize {
    points(s) * (s.cin * s.cout + GAP) * size_of::<f32>()
}

/// Points of the transformed weight.
fn points(s: &ConvShape) -> usize {
    if small(s) { SMALL_SIDE * SMALL_SIDE } else { POINTS }
}

/// The weight, transformed: for each point `[cin, cout]`.
fn transform_weight<const SIDE: usize>(mut u: Points, weight: &[f32], s: &ConvShape) -> Points {
    u.bands(band(s.cin), |first, out| {
        let count = out[0].len() / s.cout;
        Arch::new().dispatch(passes::Weight::<SIDE> { weight, s, first, count, out });
    });
    u
}

/// The gradient of the weight from that of the transformed weight.
fn transform_weight_back(du: &Points, s: &ConvShape) -> Vec<f32> {
    let plane = s.cin * s.cout;
    let stride = du.stride();
    let mut dw = vec![0.0; 9 * plane];
    let step = band(s.cin) * s.cout;
    let mut bands: Vec<Vec<&mut [f32]>> = (0..plane.div_ceil(step)).map(|_| Vec::with_capacity(9)).collect();
    for tap in dw.chunks_exact_mut(plane) {
        bands.iter_mut().zip(tap.chunks_mut(step)).for_each(|(band, part)| band.push(part));
    }
    bands.into_par_iter().enumerate().for_each(|(i, mut band)| {
        Arch::new().dispatch(passes::WeightBack { du: &du.data, stride, first: i * step, out: &mut band });
    });
    dw
}

/// Numbers in each strip of so many lines of every picture of the result.
fn strips(s: &ConvShape, lines: usize) -> impl Iterator<Item = usize> {
    let ((ho, wo), cout) = (s.out(), s.cout);
    (0..s.n).flat_map(move |_| (0..ho).step_by(lines).map(move |line| lines.min(ho - line) * wo * cout))
}

/// Outputs from the products, with the bias added.
fn transform_output<const OUT: usize, const SIDE: usize>(
    m: &Points,
    bias: Option<&[f32]>,
    s: &ConvShape,
    tiles: Tiles,
) -> Vec<f32> {
    fresh::uneven(strips(s, OUT), |strip, part| {
        Arch::new().dispatch(passes::Output::<OUT, SIDE> {
            m: &m.data,
            stride: m.stride(),
            first: strip * tiles.across,
            across: 0..tiles.across,
            bias,
            s,
            strip: part,
        });
    })
}

/// All three steps for a few tiles at a time, whose numbers stay in a core's cache.
fn forward_blocked(x: &[f32], u: &Points, bias: Option<&[f32]>, s: &ConvShape, tiles: Tiles) -> Vec<f32> {
    let (wide, high) = (BLOCK * s.cin + GAP, BLOCK * s.cout + GAP);
    // A block of tiles is a part of one strip, or all of several.
    let each = (BLOCK / tiles.across).max(1);
    let strips: Vec<usize> = strips(s, OUT).collect();
    let groups: Vec<&[usize]> = strips.chunks(each).collect();
    fresh::uneven(groups.iter().map(|g| g.iter().sum()), |group, mut part| {
        let (mut v, mut m) = (Buffer::<f32>::new(POINTS * wide), Buffer::<f32>::new(POINTS * high));
        let mut parts = Vec::with_capacity(each);
        for strip in groups[group] {
            let (one, others) = part.split_at_mut(*strip);
            parts.push(one);
            part = others;
        }
        let (first, all) = (group * each * tiles.across, parts.len() * tiles.across);
        for from in (0..all).step_by(BLOCK) {
            let count = BLOCK.min(all - from);
            let mut out: Vec<&mut [f32]> = v.chunks_mut(wide).collect();
            Arch::new().dispatch(passes::Input::<OUT, SIDE> { x, s, tiles, first: first + from, count, out: &mut out });
            for p in 0..POINTS {
                gemm(&mut m[p * high..], Mat::new(&v[p * wide..], count, s.cin), u.matrix(p), 1.0, false, false);
            }
            for (i, part) in parts.iter_mut().enumerate() {
                let strip = i * tiles.across;
                let (start, end) = (strip.max(from), (strip + tiles.across).min(from + count));
                if start < end {
                    Arch::new().dispatch(passes::Output::<OUT, SIDE> {
                        m: &m,
                        stride: high,
                        first: start - from,
                        across: start - strip..end - strip,
                        bias,
                        s,
                        strip: part,
                    });
                }
            }
        }
    })
}

/// The gradient of `x` from that of its tiles, which overlap by two.
fn transform_input_back(dv: &Points, s: &ConvShape, tiles: Tiles) -> Vec<f32> {
    let stride = dv.stride();
    let image = s.h * s.w * s.cin;
    let mut dx = vec![0.0; s.n * image];
    dx.par_chunks_mut(image).enumerate().for_each(|(n, dx)| {
        Arch::new().dispatch(passes::InputBack { dv: &dv.data, stride, s, tiles, n, dx });
    });
    dx
}

/// Shapes as in [`super::conv::forward`].
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    forward_by::<OUT, SIDE>(x, &large_weight(weight, s), bias, s)
}

/// The weight, transformed for large tiles, not to be kept.
fn large_weight(weight: &[f32], s: &ConvShape) -> Points {
    transform_weight::<SIDE>(Points::new(POINTS, s.cin, s.cout), weight, s)
}

/// [`forward`] with a weight that [`transformed`] made.
pub fn forward_with(x: &[f32], u: &Points, bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    match u.count {
        POINTS => forward_by::<OUT, SIDE>(x, u, bias, s),
        _ => forward_by::<SMALL_OUT, SMALL_SIDE>(x, u, bias, s),
    }
}

fn forward_by<const O: usize, const I: usize>(x: &[f32], u: &Points, bias: Option<&[f32]>, s: &ConvShape) -> Vec<f32> {
    let tiles = Tiles::of_side(s, O);
    if O == OUT && blocked(s) {
        return forward_blocked(x, u, bias, s, tiles);
    }
    let v = transform_input::<O, I>(x, s, tiles);
    let m = Points::product((u.count, tiles.count, s.cout), |p| v.matrix(p), |p| u.matrix(p));
    transform_output::<O, I>(&m, bias, s, tiles)
}

/// Gradients with respect to `x` and to the weight, each when it is wanted.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    s: &ConvShape,
    (want_x, want_weight): (bool, bool),
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let tiles = Tiles::of(s);
    let dm = transform_output_back(dy, s, tiles);
    let dx = want_x.then(|| {
        let u = large_weight(weight, s);
        let dv = Points::product((POINTS, tiles.count, s.cin), |p| dm.matrix(p), |p| u.matrix(p).t());
        transform_input_back(&dv, s, tiles)
    });
    let dw = want_weight.then(|| {
        let v = transform_input::<OUT, SIDE>(x, s, tiles);
        let du = Points::product((POINTS, s.cin, s.cout), |p| v.matrix(p).t(), |p| dm.matrix(p));
        transform_weight_back(&du, s)
    });
    (dx, dw)
}
