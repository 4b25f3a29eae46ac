//! Losses, optimisers, the loop that trains Ember, and the one that teaches a checkpoint from a person's own pictures.

pub mod autoencoder;
mod critic;
pub mod denoiser;
pub mod ember;
pub mod finetune;
pub mod latents;
pub mod lesson;
mod muon;
pub mod optimizer;
pub mod recompute;
pub mod shards;
pub mod shelf;
pub mod supply;
pub mod train;
mod words;
