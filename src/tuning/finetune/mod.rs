//! `kiln finetune`: a LoRA from a person's own pictures or ratings, for any checkpoint of the one pipeline, with evidence.
//!
//! [`gather`] lists a folder, [`survey`](mod@survey) says beforehand what is in it, [`dataset`] makes latents and captions of it
//! and holds some pictures out, [`choices`] does the same with choices between pictures, [`student`] is what learns, `pupil` puts it
//! into the checkpoint and into its file, `latent_cache` keeps latents for the next run, [`objective`]
//! and [`losses`] say what is made small, `exam` asks the same questions before and after, [`drawn`](mod@drawn) compares
//! pictures, [`run`](mod@run) is the loop, [`search`] finds settings for it, [`card`] what the adapter's file says of itself.

pub mod buckets;
pub mod captions;
pub mod card;
pub mod choices;
pub mod dataset;
pub mod drawn;
mod exam;
pub mod gather;
mod latent_cache;
pub mod losses;
pub mod objective;
mod pupil;
pub mod run;
pub mod search;
pub mod settings;
mod state;
pub mod student;
pub mod survey;
#[cfg(test)]
mod tests;

pub use card::{Evidence, Outcome};
pub use choices::{Choice, Choices, Chosen};
pub use drawn::{Drawn, Liked};
pub use latent_cache::path_of as latents_of;
pub use run::{Event, Lessons, Options, run};
pub use settings::{LossKind, Preference, Settings, Taught};
pub use state::{beside, path_of as state_of};
