//! What the studio can explain and measure.

pub mod inspect;
