//! Pictures on the graphics card: asked for when they come into view, the longest unseen let go first.

use crate::library::PictureId;
use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use std::collections::{HashMap, HashSet};

/// Most bytes of small and of large pictures.
const SMALL: usize = 160 << 20;
const LARGE: usize = 192 << 20;
/// Sides in which thumbnails are asked for, pixels.
const SIDES: [u32; 4] = [160, 256, 384, 640];

struct Held {
    texture: TextureHandle,
    /// Longest side that was asked for; all there is when `u32::MAX`.
    side: u32,
    seen: u64,
}

/// Textures by picture.
#[derive(Default)]
pub struct Shelf {
    held: HashMap<PictureId, Held>,
    asked: HashSet<(PictureId, u32)>,
    bytes: usize,
    clock: u64,
}

impl Shelf {
    fn get(&mut self, id: PictureId, clock: u64) -> Option<&Held> {
        let held = self.held.get_mut(&id)?;
        held.seen = clock;
        Some(held)
    }

    fn put(&mut self, id: PictureId, side: u32, texture: TextureHandle, most: usize) {
        self.bytes += texture.byte_size();
        let held = Held { texture, side, seen: self.clock };
        if let Some(old) = self.held.insert(id, held) {
            self.bytes -= old.texture.byte_size();
        }
        while self.bytes > most && self.held.len() > 4 {
            // Nothing that is on the screen goes.
            let oldest = self.held.iter().filter(|(_, h)| h.seen + 2 < self.clock).min_by_key(|(_, h)| h.seen);
            let Some(id) = oldest.map(|(id, _)| *id) else { break };
            if let Some(old) = self.held.remove(&id) {
                self.bytes -= old.texture.byte_size();
            }
            self.asked.retain(|(asked, _)| *asked != id);
        }
    }
}

/// The textures of the wall and of the large views.
#[derive(Default)]
pub struct Textures {
    small: Shelf,
    large: Shelf,
}

/// Uploads RGB8 rows.
pub fn upload(ctx: &Context, name: String, width: u32, height: u32, rgb: &[u8]) -> Option<TextureHandle> {
    let (w, h) = (width as usize, height as usize);
    let largest = ctx.input(|i| i.max_texture_side);
    if rgb.len() != w * h * 3 || w == 0 || h == 0 {
        return None;
    }
    let image = if w.max(h) > largest { shrink(w, h, rgb, largest) } else { ColorImage::from_rgb([w, h], rgb) };
    let options = TextureOptions { mipmap_mode: Some(egui::TextureFilter::Linear), ..TextureOptions::LINEAR };
    Some(ctx.load_texture(name, image, options))
}

/// Every n-th pixel, for pictures that the graphics card cannot hold.
fn shrink(w: usize, h: usize, rgb: &[u8], largest: usize) -> ColorImage {
    let n = w.max(h).div_ceil(largest.max(1));
    let (sw, sh) = ((w / n).max(1), (h / n).max(1));
    let mut small = Vec::with_capacity(sw * sh * 3);
    for y in 0..sh {
        for x in 0..sw {
            let at = ((y * n).min(h - 1) * w + (x * n).min(w - 1)) * 3;
            small.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    ColorImage::from_rgb([sw, sh], &small)
}

impl Textures {
    /// A new frame begins.
    pub fn begin_frame(&mut self) {
        self.small.clock += 1;
        self.large.clock += 1;
    }

    /// The small version of a picture, and the side to ask for if there is none that is large enough.
    pub fn small(&mut self, id: PictureId, pixels: f32) -> (Option<TextureHandle>, Option<u32>) {
        let wanted = SIDES.into_iter().find(|side| *side as f32 >= pixels * 0.9).unwrap_or(SIDES[3]);
        let clock = self.small.clock;
        let held = self.small.get(id, clock).map(|h| (h.texture.clone(), h.side));
        let enough = held.as_ref().is_some_and(|(_, side)| *side >= wanted);
        let ask = !enough && self.small.asked.insert((id, wanted));
        (held.map(|(texture, _)| texture), ask.then_some(wanted))
    }

    /// Keeps a small version; an answer that is smaller than what is there is dropped.
    pub fn put_small(&mut self, ctx: &Context, id: PictureId, side: u32, width: u32, height: u32, rgb: &[u8]) {
        if self.small.held.get(&id).is_some_and(|h| h.side > side) {
            return;
        }
        if let Some(texture) = upload(ctx, format!("small {id}"), width, height, rgb) {
            self.small.put(id, side, texture, SMALL);
        }
    }

    /// All pixels of a picture, and whether to ask for them.
    pub fn large(&mut self, id: PictureId) -> (Option<TextureHandle>, bool) {
        let clock = self.large.clock;
        let held = self.large.get(id, clock).map(|h| h.texture.clone());
        let ask = held.is_none() && self.large.asked.insert((id, 0));
        (held, ask)
    }

    /// Keeps all pixels of a picture.
    pub fn put_large(&mut self, ctx: &Context, id: PictureId, width: u32, height: u32, rgb: &[u8]) {
        if let Some(texture) = upload(ctx, format!("large {id}"), width, height, rgb) {
            self.large.put(id, u32::MAX, texture, LARGE);
        }
    }
}
