//! Nebulae, stars and moons.

use crate::corpus::canvas::{Canvas, Look};
use crate::corpus::colour::Ramp;
use crate::corpus::noise::{Field, Noise};
use crate::corpus::rng::Rng;

/// Covers the canvas.
pub fn paint(canvas: &mut Canvas, look: &Look, rng: &mut Rng) {
    let (ramp, noise) = (Ramp::new(look), Noise::new(rng));
    let f = 2.0 + 6.0 * (1.0 - look.scale);
    let field = Field::new(65, |x, y| noise.fbm(x * f, y * f, 3)).equalised();
    let (w, h) = (canvas.width, canvas.height);
    for (i, pixel) in canvas.rgb.iter_mut().enumerate() {
        *pixel = ramp.at(field.at((i % w) as f32 / w as f32, (i / w) as f32 / h as f32));
    }
}
