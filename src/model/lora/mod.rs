//! LoRA adapters (Hu et al. 2021, arXiv:2106.09685): small corrections of a checkpoint's linear and convolution layers.
//!
//! An adapter says for a layer of weight `W`: use `W + weight * alpha / rank * up @ down`. [`Adapter`] is what a file says,
//! [`merge`](mod@merge) puts a set of them into a module, [`trainable`] is one that learns, [`save`](fn@save) writes one.

mod adapter;
mod keys;
pub mod merge;
mod save;
#[cfg(test)]
mod tests;
pub mod trainable;

pub use adapter::{Adapter, Correction};
pub use keys::Part;
pub use save::{Trained, save};
