//! `kiln finetune`: a LoRA from a person's own pictures, for any checkpoint of the one pipeline, with evidence.
//!
//! [`gather`] lists a folder, [`dataset`] makes latents and captions of it and holds some pictures out, [`student`] is what
//! learns, [`objective`] and [`losses`] say what is made small, [`exam`] asks the same questions before and after, [`run`](mod@run)
//! is the loop, [`card`] what the adapter's file says of itself.

pub mod buckets;
pub mod captions;
pub mod card;
pub mod dataset;
pub mod exam;
pub mod gather;
pub mod losses;
pub mod objective;
pub mod run;
pub mod settings;
mod state;
pub mod student;
#[cfg(test)]
mod tests;

pub use card::{Evidence, Outcome};
pub use run::{Event, Options, run};
pub use settings::{LossKind, Settings};
