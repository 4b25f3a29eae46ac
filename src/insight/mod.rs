//! What the studio can explain and measure.

pub mod features;
pub mod inspect;
pub mod statistics;
