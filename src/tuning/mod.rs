//! Losses, optimisers and the loop that trains Ember.

pub mod autoencoder;
pub mod denoiser;
pub mod ember;
pub mod latents;
mod muon;
pub mod optimizer;
pub mod shards;
pub mod train;
