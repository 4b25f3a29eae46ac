//! The painter: deterministic training pictures with captions and true attributes.

pub mod canvas;
pub mod colour;
pub mod families;
pub mod noise;
pub mod rng;
pub mod vector;
