//! What the studio can explain and measure.

pub mod card;
pub mod cholesky;
pub mod classifier;
pub mod evaluate;
pub mod features;
pub mod inspect;
pub mod likeness;
pub mod statistics;
