//! Pictures of one family in a palette that no caption of the corpus names, and how near new pictures come to it.
//!
//! `unseen_palette paint FOLDER [FAMILY] [COUNT] [SIDE]` fills `FOLDER/<family>/`; teach from FOLDER with `kiln finetune`, then
//! `unseen_palette measure ADAPTER [FAMILY] [MODEL]` draws the same prompts and seeds with and without the adapter.

use kiln::corpus::canvas::{Canvas, Look};
use kiln::corpus::families::{Family, paint};
use kiln::corpus::palettes::hex;
use kiln::corpus::rng::Rng;
use kiln::insight::likeness::{Seen, colour_distance};
use kiln::pipeline::{Pipeline, locate_model};
use kiln::recipe::AdapterRef;
use std::ops::ControlFlow;
use std::path::Path;

/// Aubergine, raspberry, acid green, sea foam, bone: no named palette, no plain colour and no pair of them.
const UNSEEN: [u32; 5] = [0x2a0f33, 0x8c1c5a, 0xa9b800, 0x6fe8c0, 0xf2f4dc];
/// Pictures drawn to measure.
const DRAWN: u64 = 16;

fn painted(family: Family, seed: u64, side: usize) -> Vec<u8> {
    let mut rng = Rng::new((1 << 62) + seed);
    let palette = UNSEEN.map(hex).to_vec();
    let look = Look {
        density: rng.unit(),
        symmetry: rng.unit() * 0.6,
        scale: rng.unit(),
        contrast: rng.range(0.6, 1.0),
        palette,
    };
    let mut canvas = Canvas::new(side, side, look.palette[0]);
    paint(family, &mut canvas, &look, &mut rng.fork());
    canvas.rgb.iter().flat_map(|p| p.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)).collect()
}

fn family(name: Option<&String>) -> Family {
    let name = name.map_or("stained_glass", String::as_str);
    Family::ALL.into_iter().find(|f| f.name() == name).expect("the name of a family, such as stained_glass")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let family = family(arguments.get(2));
    match arguments.first().map(String::as_str) {
        Some("paint") => {
            let folder = Path::new(&arguments[1]).join(family.name());
            std::fs::create_dir_all(&folder)?;
            let count = arguments.get(3).map_or(Ok(20), |n| n.parse())?;
            let side = arguments.get(4).map_or(Ok(256), |n| n.parse())?;
            for seed in 0..count {
                let path = folder.join(format!("{seed:03}.png"));
                let rgb = painted(family, seed, side as usize);
                image::save_buffer(&path, &rgb, side, side, image::ColorType::Rgb8)?;
            }
            println!("{count} pictures in {}", folder.display());
        }
        Some("measure") => {
            let model = arguments.get(3).map_or("ember", String::as_str);
            let pipeline = Pipeline::load(&locate_model(model)?, &mut |_| {})?;
            let mut recipe = pipeline.info().defaults.clone();
            let side = recipe.width as usize;
            recipe.prompt = family.name().replace('_', " ");
            let (mut base, mut tuned) = (Vec::new(), Vec::new());
            for seed in 0..DRAWN {
                recipe.seed = 1000 + seed;
                recipe.adapters.clear();
                base.push(pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(()))?.rgb);
                recipe.adapters = vec![AdapterRef { name: arguments[1].clone(), hash: String::new(), weight: 1.0 }];
                tuned.push(pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(()))?.rgb);
                if let (Some(folder), Some(rgb)) = (arguments.get(4), tuned.last()) {
                    std::fs::create_dir_all(folder)?;
                    let path = Path::new(folder).join(format!("{seed:02}.png"));
                    image::save_buffer(path, rgb, side as u32, side as u32, image::ColorType::Rgb8)?;
                }
            }
            let paint =
                |from: u64| -> Vec<Vec<u8>> { (from..from + 20).map(|seed| painted(family, seed, side)).collect() };
            let seen = |pictures: &[Vec<u8>]| -> Vec<Seen> {
                pictures.iter().map(|rgb| Seen::of(side as u32, side as u32, rgb)).collect()
            };
            let set = seen(&paint(0));
            let off = |pictures: &[Vec<u8>]| colour_distance(&seen(pictures), &set);
            let (base, tuned, other) = (off(&base), off(&tuned), off(&paint(100)));
            println!(
                "distance of {DRAWN} new pictures' colours from the set's: {base:.4} without, {tuned:.4} with the adapter \
                 ({:.0} % is left); of 20 more pictures of the set's kind {other:.4}",
                tuned / base * 100.0
            );
        }
        _ => return Err("paint FOLDER, or measure ADAPTER".into()),
    }
    Ok(())
}
