//! The objects that scenes hold: pictures from the noto-emoji folder, with the names that captions use.

use crate::{Error, Result};
use image::imageops::FilterType;
use std::path::Path;

/// An object and what it is called; the first name is canonical.
pub struct ObjectName {
    /// File name without `.png`: the code point.
    pub file: &'static str,
    /// One or more words each, without article.
    pub names: &'static [&'static str],
}

macro_rules! objects {
    ($($file:literal $($name:literal),+;)+) => {
        &[$(ObjectName { file: $file, names: &[$($name),+] }),+]
    };
}

/// The most recognisable ones: nine of ten objects drawn are among them.
pub const CORE: usize = 48;

/// All objects, the core first.
pub const OBJECTS: &[ObjectName] = objects! {
    "1f98a" "fox"; "1f431" "cat", "kitten"; "1f436" "dog", "puppy"; "1f989" "owl"; "1f41f" "fish"; "1f98b" "butterfly";
    "1f433" "whale"; "1f418" "elephant"; "1f427" "penguin"; "1f422" "turtle", "tortoise"; "1f419" "octopus";
    "1f41d" "bee", "honeybee"; "1f438" "frog"; "1f981" "lion"; "1f43c" "panda"; "1f99c" "parrot"; "1f407" "rabbit", "bunny";
    "1f40e" "horse"; "1f333" "tree"; "1f334" "palm tree", "palm"; "1f335" "cactus"; "1f33b" "sunflower"; "1f339" "rose";
    "1f344" "mushroom", "toadstool"; "1f341" "maple leaf", "leaf"; "1f34e" "apple"; "1f34c" "banana"; "1f353" "strawberry";
    "1f349" "watermelon"; "1f34d" "pineapple"; "1f354" "hamburger", "burger"; "1f355" "pizza"; "2615" "coffee cup", "cup";
    "1f697" "car", "automobile"; "26f5" "sailboat", "sailing boat"; "1f680" "rocket", "spaceship"; "1f6b2" "bicycle", "bike";
    "1f388" "balloon"; "1f3e0" "house", "cottage"; "1f3f0" "castle"; "1f31e" "smiling sun"; "1f319" "crescent moon", "moon";
    "2b50" "star"; "2764" "heart"; "1f451" "crown"; "1f3b8" "guitar"; "2602" "umbrella"; "1f916" "robot";
    "1f42c" "dolphin"; "1f40c" "snail"; "1f994" "hedgehog"; "1f437" "pig"; "1f428" "koala"; "1f9a2" "swan"; "1f986" "duck";
    "1f413" "rooster"; "1f984" "unicorn"; "1f996" "dinosaur"; "1f332" "pine tree", "pine"; "1f337" "tulip";
    "1f338" "cherry blossom", "blossom"; "1f340" "clover"; "1f347" "grapes"; "1f34b" "lemon"; "1f352" "cherries";
    "1f955" "carrot"; "1f366" "ice cream"; "1f370" "cake"; "1f369" "doughnut"; "1f695" "taxi"; "1f68c" "bus";
    "1f682" "locomotive", "train"; "1f6a2" "ship"; "1f681" "helicopter"; "1f5fc" "tower"; "1f308" "rainbow arch";
    "2744" "snowflake"; "26a1" "lightning bolt", "lightning"; "1f525" "flame"; "1f48e" "gem", "diamond"; "1f511" "key";
    "1f4d6" "open book", "book"; "1f3ba" "trumpet"; "1f3bb" "violin"; "1f941" "drum"; "2693" "anchor"; "1f514" "bell";
    "1f4a1" "light bulb", "lamp"; "1f3a9" "top hat", "hat"; "1f453" "glasses"; "26bd" "football"; "1f3c0" "basketball";
    "1f381" "present", "gift"; "1f47b" "ghost"; "1f47d" "alien"; "1f4f7" "camera"; "1f99a" "peacock"; "1f9a9" "flamingo";
    "1f988" "shark"; "1f980" "crab"; "1f577" "spider"; "1f40d" "snake"; "1f98e" "lizard";
};

/// A decoded object: straight RGBA, cropped to what is visible.
pub struct ObjectPicture {
    pixels: image::RgbaImage,
}

impl ObjectPicture {
    /// Scaled so that the longer side has `side` pixels.
    pub fn scaled(&self, side: u32) -> image::RgbaImage {
        let (w, h) = self.pixels.dimensions();
        let longer = w.max(h).max(1);
        let fit = |v: u32| (v * side / longer).max(1);
        image::imageops::resize(&self.pixels, fit(w), fit(h), FilterType::Triangle)
    }
}

/// Reads every object of [`OBJECTS`] from a folder of PNG files.
///
/// # Errors
/// When one is missing or is not a picture.
pub fn load(folder: &Path) -> Result<Vec<ObjectPicture>> {
    OBJECTS
        .iter()
        .map(|object| {
            let path = folder.join(format!("{}.png", object.file));
            let picture = image::open(&path).map_err(|e| Error::io("read the object", &path, e))?.to_rgba8();
            Ok(ObjectPicture { pixels: crop(&picture) })
        })
        .collect()
}

/// Cuts transparent borders off.
fn crop(picture: &image::RgbaImage) -> image::RgbaImage {
    let (mut left, mut top, mut right, mut bottom) = (picture.width(), picture.height(), 0, 0);
    for (x, y, pixel) in picture.enumerate_pixels() {
        if pixel.0[3] > 8 {
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
    }
    if right <= left || bottom <= top {
        return picture.clone();
    }
    image::imageops::crop_imm(picture, left, top, right - left, bottom - top).to_image()
}
