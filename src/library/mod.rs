//! The user's pictures: index, files, metadata, search, export.

pub mod exif;
mod files;
pub mod metadata;
pub mod parameters;
