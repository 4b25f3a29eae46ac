//! The painter: deterministic training pictures with captions and true attributes.

pub mod canvas;
pub mod families;
