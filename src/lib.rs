//! Kiln: a desktop studio that generates pictures on your own machine.
//!
//! The map, from the window down (an arrow is "uses"; nothing points back):
//!
//! `studio` -> `worker` -> {`pipeline`, `tuning`, `taste`, `library`, `insight`} -> {`sampler`, `model`} -> `kernels` -> burn;
//! `tuning` -> `corpus`; `taste` -> {`insight`, `corpus`}; `recipe` and `error` are plain data that everyone may use.

pub mod corpus;
pub mod error;
pub mod insight;
pub mod kernels;
pub mod library;
pub mod model;
pub mod pipeline;
pub mod recipe;
pub mod sampler;
pub mod studio;
pub mod taste;
pub mod tuning;
pub mod worker;

pub use error::{Error, ErrorKind, Result};
