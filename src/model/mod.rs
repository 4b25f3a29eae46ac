//! burn modules of the latent-diffusion family, their tokenizer and their checkpoints.
//!
//! Every module is built from the `config.json` of a diffusers folder and holds its weights in the layouts of
//! [`crate::kernels`]. The names of the fields are diffusers' own, so that [`checkpoint`] can derive every key of a
//! safetensors file from the structure itself; [`original`] knows the older layout, in which all of a checkpoint is one file.

pub mod autoencoder;
pub mod autoencoder_kl;
pub mod autoencoder_tiny;
pub mod checkpoint;
pub mod clip_text;
pub mod config;
pub mod embedding;
pub mod embeddings;
pub mod init;
pub mod layers;
pub mod lora;
pub mod mapped;
pub mod memory;
pub mod naming;
pub mod original;
pub mod resnet;
pub mod tiling;
pub mod tiny_decoder;
pub mod tokenizer;
pub mod transformer;
pub mod unet;
pub mod unet_blocks;

pub use init::Init;
