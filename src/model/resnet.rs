//! Residual blocks and the layers that change resolution, as diffusers' U-Nets and autoencoders share them.

use super::init::Init;
use super::layers::{Conv2d, GroupNorm, Linear};
use crate::kernels;
use burn::module::Module;
use burn::tensor::Tensor;

/// How a residual block takes the time embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeNorm {
    /// Added between the convolutions.
    #[default]
    Default,
    /// Scale and shift after the second norm.
    ScaleShift,
}

/// What the residual blocks of one network have in common.
#[derive(Debug, Clone, Copy)]
pub struct ResnetOptions {
    /// Groups of the norms.
    pub groups: usize,
    /// Epsilon of the norms.
    pub eps: f64,
    /// Width of the time embedding; `None` in autoencoders.
    pub time_width: Option<usize>,
    /// How the time embedding enters.
    pub time_norm: TimeNorm,
}

/// diffusers' `ResnetBlock2D`: norm, SiLU, conv, twice, round a skip connection (1x1 where the width changes).
#[derive(Module, Debug)]
pub struct ResnetBlock2D {
    /// Before the first convolution.
    pub norm1: GroupNorm,
    /// Changes the width.
    pub conv1: Conv2d,
    /// Takes the time embedding to this block's width, or to twice that for scale and shift.
    pub time_emb_proj: Option<Linear>,
    /// Before the second convolution.
    pub norm2: GroupNorm,
    /// Keeps the width.
    pub conv2: Conv2d,
    /// 1x1, where the width changes.
    pub conv_shortcut: Option<Conv2d>,
    scale_shift: bool,
}

impl ResnetBlock2D {
    /// `inputs` channels in, `outputs` channels out.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, options: &ResnetOptions) -> Self {
        let scale_shift = options.time_norm == TimeNorm::ScaleShift;
        let time_outputs = if scale_shift { 2 * outputs } else { outputs };
        Self {
            norm1: GroupNorm::new(init, options.groups, inputs, options.eps),
            conv1: Conv2d::new(init, inputs, outputs, 3),
            time_emb_proj: options.time_width.map(|width| Linear::new(init, width, time_outputs)),
            norm2: GroupNorm::new(init, options.groups, outputs, options.eps),
            conv2: Conv2d::new(init, outputs, outputs, 3),
            conv_shortcut: (inputs != outputs).then(|| Conv2d::new(init, inputs, outputs, 1)),
            scale_shift,
        }
    }

    /// `x`: `[n, h, w, in]`; `time`: `[n, time_width]`, SiLU already applied (it is the same for every block).
    pub fn forward(&self, x: Tensor<4>, time: Option<&Tensor<2>>) -> Tensor<4> {
        let h = self.conv1.forward(self.norm1.forward_silu(x.clone()));
        let time = match (&self.time_emb_proj, time) {
            (Some(project), Some(time)) => Some(project.forward(time.clone())),
            _ => None,
        };
        let h = match time {
            Some(time) if self.scale_shift => {
                let [n, twice] = time.dims();
                let width = twice / 2;
                let part = |from: usize| time.clone().narrow(1, from, width).reshape([n, 1, 1, width]);
                kernels::silu(self.norm2.forward(h) * (part(0) + 1.0) + part(width))
            }
            Some(time) => {
                let [n, width] = time.dims();
                self.norm2.forward_silu(h + time.reshape([n, 1, 1, width]))
            }
            None => self.norm2.forward_silu(h),
        };
        let h = self.conv2.forward(h);
        let x = match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        x + h
    }
}

/// Halves the resolution with a strided 3x3 convolution.
#[derive(Module, Debug)]
pub struct Downsample2D {
    /// Stride 2.
    pub conv: Conv2d,
}

impl Downsample2D {
    /// `padding`: zeros before and after: (1, 1) in U-Nets, (0, 1) in autoencoders.
    pub fn new(init: &mut Init, channels: usize, padding: (usize, usize)) -> Self {
        Self { conv: Conv2d::strided(init, channels, channels, 3, 2, padding) }
    }

    /// `[n, h, w, c]` to `[n, ceil(h / 2), ceil(w / 2), c]` (floor with padding (0, 1)).
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(x)
    }
}

/// Doubles the resolution: nearest neighbour, then a 3x3 convolution.
#[derive(Module, Debug)]
pub struct Upsample2D {
    /// Stride 1.
    pub conv: Conv2d,
}

impl Upsample2D {
    /// Keeps the width.
    pub fn new(init: &mut Init, channels: usize) -> Self {
        Self { conv: Conv2d::new(init, channels, channels, 3) }
    }

    /// `[n, h, w, c]` to `[n, 2h, 2w, c]`, or to `size` `(h', w')` where a skip connection of odd size waits: each side
    /// is then one shorter than the double, and the nearest-neighbour picture of that size is the double, cut.
    pub fn forward(&self, x: Tensor<4>, size: Option<(usize, usize)>) -> Tensor<4> {
        let mut x = kernels::upsample2x(x);
        if let Some((height, width)) = size {
            let [n, h, w, c] = x.dims();
            if (h, w) != (height, width) {
                x = x.slice([0..n, 0..height.min(h), 0..width.min(w), 0..c]);
            }
        }
        self.conv.forward(x)
    }
}
