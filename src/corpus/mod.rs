//! The painter: deterministic training pictures with captions and true attributes.

pub mod canvas;
pub mod captions;
pub mod colour;
pub mod families;
pub mod measure;
pub mod noise;
pub mod objects;
pub mod palettes;
pub mod rng;
pub mod scene;
pub mod sheet;
pub mod vector;

pub use measure::{Measured, measure};
pub use scene::{Painter, Sample, SceneDescription};

#[cfg(test)]
mod tests;
