//! Stable Diffusion checkpoints in the layout of their first authors: one file with all parts.
//!
//! [`keys`] translates diffusers' names of weights, which the modules carry, into the file's. [`shapes`] reads the
//! configurations off the weights. [`family`] recognises what a file is, and says what it cannot know, [`hints`] what its
//! metadata and the files beside it add.

pub mod family;
pub mod hints;
pub mod keys;
pub mod shapes;

pub use family::{Family, Original};
