//! burn modules of the latent-diffusion family, their tokenizer and their checkpoints.
