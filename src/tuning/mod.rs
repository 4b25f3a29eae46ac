//! Losses, optimisers and the loop that trains Ember.

pub mod optimizer;
