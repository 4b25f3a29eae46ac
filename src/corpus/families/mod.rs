//! The sixteen families of pictures that the painter knows; one file each.

pub mod bauhaus;
pub mod botanical;
#[cfg(test)]
mod checks;
pub mod circle_packing;
pub mod flow_field;
pub mod halftone;
pub mod kaleidoscope;
mod kit;
pub mod marbling;
pub mod mosaic;
pub mod mountains;
pub mod night_sky;
mod plants;
pub mod reaction_diffusion;
pub mod stained_glass;
pub mod tiling;
pub mod topographic;
pub mod watercolour;
pub mod waves;

use super::canvas::{Canvas, Look};
use super::rng::Rng;

/// A family of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Strokes that follow a smooth flow.
    FlowField,
    /// Marbled paper: combed and swirled bands of ink.
    Marbling,
    /// Washes of watercolour on paper.
    Watercolour,
    /// Leaded panes of coloured glass.
    StainedGlass,
    /// Truchet and Islamic-style tilings.
    Tiling,
    /// Layered mountains and sunsets.
    Mountains,
    /// Nebulae, stars and moons.
    NightSky,
    /// Bauhaus and Memphis geometry.
    Bauhaus,
    /// Contour lines and layers of height.
    Topographic,
    /// Small tesserae around a motif.
    Mosaic,
    /// Mirrored wedges around a centre.
    Kaleidoscope,
    /// Silhouettes of leaves, stems and flowers.
    Botanical,
    /// Discs packed without overlap.
    CirclePacking,
    /// Pop-art dots and bursts.
    Halftone,
    /// Layered and interfering waves.
    Waves,
    /// Turing patterns: spots, mazes, corals.
    ReactionDiffusion,
}

impl Family {
    /// All families, in the order of the attributes.
    pub const ALL: [Self; 16] = [
        Self::FlowField,
        Self::Marbling,
        Self::Watercolour,
        Self::StainedGlass,
        Self::Tiling,
        Self::Mountains,
        Self::NightSky,
        Self::Bauhaus,
        Self::Topographic,
        Self::Mosaic,
        Self::Kaleidoscope,
        Self::Botanical,
        Self::CirclePacking,
        Self::Halftone,
        Self::Waves,
        Self::ReactionDiffusion,
    ];
    /// The name used in captions and sliders.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlowField => "flow_field",
            Self::Marbling => "marbling",
            Self::Watercolour => "watercolour",
            Self::StainedGlass => "stained_glass",
            Self::Tiling => "tiling",
            Self::Mountains => "mountains",
            Self::NightSky => "night_sky",
            Self::Bauhaus => "bauhaus",
            Self::Topographic => "topographic",
            Self::Mosaic => "mosaic",
            Self::Kaleidoscope => "kaleidoscope",
            Self::Botanical => "botanical",
            Self::CirclePacking => "circle_packing",
            Self::Halftone => "halftone",
            Self::Waves => "waves",
            Self::ReactionDiffusion => "reaction_diffusion",
        }
    }
    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
    /// The family of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// Covers the whole canvas with a picture of the family that obeys the look; decided by the generator alone.
pub fn paint(family: Family, canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    match family {
        Family::FlowField => flow_field::paint(canvas, look, rng),
        Family::Marbling => marbling::paint(canvas, look, rng),
        Family::Watercolour => watercolour::paint(canvas, look, rng),
        Family::StainedGlass => stained_glass::paint(canvas, look, rng),
        Family::Tiling => tiling::paint(canvas, look, rng),
        Family::Mountains => mountains::paint(canvas, look, rng),
        Family::NightSky => night_sky::paint(canvas, look, rng),
        Family::Bauhaus => bauhaus::paint(canvas, look, rng),
        Family::Topographic => topographic::paint(canvas, look, rng),
        Family::Mosaic => mosaic::paint(canvas, look, rng),
        Family::Kaleidoscope => kaleidoscope::paint(canvas, look, rng),
        Family::Botanical => botanical::paint(canvas, look, rng),
        Family::CirclePacking => circle_packing::paint(canvas, look, rng),
        Family::Halftone => halftone::paint(canvas, look, rng),
        Family::Waves => waves::paint(canvas, look, rng),
        Family::ReactionDiffusion => reaction_diffusion::paint(canvas, look, rng),
    }
}
