//! How much of a corpus picture outlives an autoencoder alone: the best that any denoiser on its latents can reach.
//!
//!     cargo run --release --example autoencoder_ceiling -- OBJECTS CHECKPOINT SHEET.png
//!
//! Prints the share of families and objects that are recognised in painted pictures and in the same pictures after encoding and
//! decoding, and draws both side by side.

use burn::tensor::{Device, Tensor, TensorData};
use kiln::corpus::families::Family;
use kiln::corpus::palettes::PaletteChoice;
use kiln::corpus::rng::Rng;
use kiln::corpus::{Painter, sheet};
use kiln::insight::classifier::Classifier;
use kiln::insight::features::{features, middle};
use kiln::insight::statistics::Scale;
use kiln::model::autoencoder_kl::AutoencoderKl;
use kiln::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

const SIDE: usize = 256;
/// Objects asked for: the core.
const OBJECTS: usize = kiln::corpus::objects::CORE;

/// What is asked for: a family, or an object in front of any family.
#[derive(Clone, Copy)]
enum Kind {
    Family,
    Object,
}

impl Kind {
    fn paint(self, painter: &Painter, seed: u64, class: usize) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        let palette = PaletteChoice::draw(&mut rng);
        match self {
            Self::Family => painter.plain(seed, SIDE, Family::ALL[class], palette).rgb,
            Self::Object => painter.portrait(seed, SIDE, *rng.pick(&Family::ALL), palette, class).rgb,
        }
    }

    fn look(self, rgb: &[u8]) -> Vec<f32> {
        match self {
            Self::Family => features(SIDE as u32, SIDE as u32, rgb),
            Self::Object => middle(SIDE as u32, SIDE as u32, rgb),
        }
    }
}

/// There and back.
fn trip(vae: &AutoencoderKl, rgb: &[u8]) -> Result<Vec<u8>> {
    let data: Vec<f32> = rgb.iter().map(|v| f32::from(*v) / 127.5 - 1.0).collect();
    let x = Tensor::<4>::from_data(TensorData::new(data, [1, SIDE, SIDE, 3]), &Device::flex());
    let y: Vec<f32> = vae
        .decode(vae.encode(x).0)
        .into_data()
        .try_into_vec()
        .map_err(|e| Error::failed(format!("The device did not hand the picture back ({e:?}).")))?;
    Ok(y.iter().map(|v| ((v / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8).collect())
}

/// Shares that are recognised as painted and as decoded.
fn recognised(
    painter: &Painter,
    vae: &AutoencoderKl,
    kind: Kind,
    classes: usize,
    lessons: usize,
) -> Result<(f64, f64)> {
    let taught: Vec<Vec<f32>> = (0..classes * lessons)
        .into_par_iter()
        .map(|i| kind.look(&kind.paint(painter, 1_000_000 + i as u64, i / lessons)))
        .collect();
    let scale = Scale::of(&taught);
    let sets: Vec<Vec<Vec<f32>>> =
        taught.chunks(lessons).map(|set| set.iter().map(|look| scale.apply(look)).collect()).collect();
    let classifier = Classifier::learn(&sets);
    let asked = 8;
    let told: Result<Vec<(bool, bool)>> = (0..classes * asked)
        .into_par_iter()
        .map(|i| {
            let rgb = kind.paint(painter, 2_000_000 + i as u64, i / asked);
            let right = |rgb: &[u8]| classifier.classify(&scale.apply(&kind.look(rgb))) == i / asked;
            Ok((right(&rgb), right(&trip(vae, &rgb)?)))
        })
        .collect();
    let told = told?;
    let share = |right: usize| right as f64 / told.len() as f64;
    Ok((share(told.iter().filter(|t| t.0).count()), share(told.iter().filter(|t| t.1).count())))
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [objects, checkpoint, target] = args.as_slice() else {
        return Err(Error::usage("Say OBJECTS CHECKPOINT SHEET.png."));
    };
    let painter = Painter::new(Some(Path::new(objects)))?;
    let vae = kiln::tuning::autoencoder::load(Path::new(checkpoint), &Device::flex())?;
    for (name, kind, classes, lessons) in
        [("families", Kind::Family, Family::ALL.len(), 60), ("objects", Kind::Object, OBJECTS, 24)]
    {
        let (painted, decoded) = recognised(&painter, &vae, kind, classes, lessons)?;
        println!("{name} recognised: {:.0} % as painted, {:.0} % as decoded", painted * 100.0, decoded * 100.0);
    }
    let mut pictures = Vec::new();
    let families = (0..Family::ALL.len()).map(|i| (Kind::Family, i));
    for (i, (kind, class)) in families.chain((0..8).map(|i| (Kind::Object, i * 3))).enumerate() {
        let rgb = kind.paint(&painter, 3_000_000 + i as u64, class);
        let decoded = trip(&vae, &rgb)?;
        pictures.extend([rgb, decoded]);
    }
    let (rgb, width, height) = sheet::grid(&pictures, SIDE, 8);
    image::save_buffer(target, &rgb, width as u32, height as u32, image::ColorType::Rgb8)
        .map_err(|e| Error::io("write", Path::new(target), e))
}
