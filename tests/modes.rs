//! Image-to-image, inpainting, outpainting and weighted words against diffusers (tests/reference/modes_golden.py).

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

mod common;

use common::{golden, load};
use image::RgbImage;
use kiln::pipeline::Pipeline;
use kiln::recipe::{FirstPass, MaskRef, Outpaint, Recipe, SourceRef, Upscaler, Variation};
use serde::Deserialize;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

fn pixels(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

/// tiny_sd with the denoiser of an inpainting checkpoint.
fn inpainting() -> Option<Pipeline> {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden("tiny_sd"), folder.path());
    copy(&golden("modes/unet9"), &folder.path().join("unet"));
    load(folder.path())
}

fn draw(pipeline: &Pipeline, recipe: &Recipe) -> Vec<u8> {
    pipeline.generate(recipe, &mut |_| ControlFlow::Continue(())).unwrap().rgb
}

fn source(path: &Path, denoising_strength: f32) -> Option<SourceRef> {
    Some(SourceRef { path: path.display().to_string(), hash: String::new(), denoising_strength })
}

fn mask(path: &Path, keep_outside: bool) -> Option<MaskRef> {
    Some(MaskRef { path: path.display().to_string(), hash: String::new(), keep_outside })
}

#[derive(Deserialize)]
struct Case {
    name: String,
    unet: String,
    prompt: String,
    negative_prompt: String,
    sampler: String,
    steps: u32,
    cfg_scale: f32,
    seed: u64,
    side: u32,
    strength: Option<f32>,
    mask: bool,
    clip_skip: Option<u32>,
    cfg_rescale: Option<f32>,
    skip_early_cfg: Option<f32>,
    subseed: Option<u64>,
    subseed_strength: Option<f32>,
    seamless: Option<bool>,
}

impl Case {
    fn recipe(&self) -> Recipe {
        Recipe {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            sampler: self.sampler.clone(),
            steps: self.steps,
            cfg_scale: self.cfg_scale,
            seed: self.seed,
            width: self.side,
            height: self.side,
            source: self.strength.and_then(|s| source(&golden("modes/source.png"), s)),
            clip_skip: self.clip_skip.unwrap_or(1),
            cfg_rescale: self.cfg_rescale.unwrap_or(0.0),
            skip_early_cfg: self.skip_early_cfg.unwrap_or(0.0),
            variation: self
                .subseed
                .zip(self.subseed_strength)
                .map(|(subseed, strength)| Variation { subseed, strength }),
            seamless: self.seamless.unwrap_or(false),
            mask: if self.mask { mask(&golden("modes/mask.png"), false) } else { None },
            ..Recipe::default()
        }
    }
}

fn agree(wanted: &str, least: usize) {
    let text = fs::read_to_string(golden("modes/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let (Some(plain), Some(nine)) = (load(&golden("tiny_sd")), inpainting()) else { return };
    let mut seen = 0;
    for case in cases.iter().filter(|c| c.name.starts_with(wanted)) {
        let pipeline = if case.unet == "unet9" { &nine } else { &plain };
        let recipe = case.recipe();
        let mut reports = Vec::new();
        let made = pipeline
            .generate(&recipe, &mut |report| {
                reports.push((report.step, report.steps));
                ControlFlow::Continue(())
            })
            .unwrap();
        let taken = recipe.steps_taken(recipe.steps as usize) as u32;
        assert_eq!(reports, (1..=taken).map(|i| (i, taken)).collect::<Vec<_>>(), "{}", case.name);
        let expected = pixels(&golden(&format!("modes/{}.png", case.name)));
        let worst = made.rgb.iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{}: off by {worst:?} of 255", case.name);
        let spread = expected.iter().max().zip(expected.iter().min()).map(|(a, b)| a - b);
        assert!(spread > Some(60), "{} is too flat to prove anything: {spread:?}", case.name);
        seen += 1;
    }
    assert!(seen >= least, "{seen} cases of {wanted}");
}

#[test]
fn image_to_image_agrees_with_diffusers() {
    agree("img2img", 3);
}

#[test]
fn inpainting_agrees_with_diffusers_for_both_kinds_of_checkpoint() {
    agree("inpaint", 4);
}

#[test]
fn weighted_long_and_skipping_words_agree_with_transformers() {
    agree("words", 4);
}

#[test]
fn seamless_pictures_agree_with_circular_padding_in_diffusers() {
    agree("seamless", 1);
}

#[test]
fn a_picture_keeps_the_words_that_were_chosen_for_it() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let asked = Recipe {
        prompt: "a {calm|red} fox".into(),
        negative_prompt: "{sea|owl}".into(),
        sampler: "euler".into(),
        steps: 2,
        seed: 20,
        width: 64,
        height: 64,
        ..Recipe::default()
    };
    let both = [asked.clone(), asked.with_seed(21)];
    let made = pipeline.generate_together(&both, &mut |_| ControlFlow::Continue(())).unwrap();
    let words = |i: usize| (made[i].recipe.prompt.as_str(), made[i].recipe.negative_prompt.as_str());
    assert_eq!((words(0), words(1)), (("a calm fox", "sea"), ("a red fox", "owl")));
    assert!(made.iter().all(|picture| picture.rgb == draw(&pipeline, &picture.recipe)));
}

#[test]
fn early_steps_are_guided_from_the_scene_without_its_things() {
    let Some(plain) = load(&golden("tiny_sd")) else { return };
    let folder = tempfile::tempdir().unwrap();
    copy(&golden("tiny_sd"), folder.path());
    fs::write(folder.path().join("kiln.json"), r#"{"things": ["fox"]}"#).unwrap();
    let Some(knowing) = load(folder.path()) else { return };
    let recipe = |prompt: &str, negative: &str, skip: f32| Recipe {
        prompt: prompt.into(),
        negative_prompt: negative.into(),
        sampler: "euler".into(),
        steps: 5,
        cfg_scale: 5.0,
        seed: 21,
        width: 64,
        height: 64,
        skip_early_cfg: skip,
        ..Recipe::default()
    };
    let same = |a: Recipe, b: Recipe| draw(&knowing, &a) == draw(&plain, &b);
    // All steps are early ones: guidance as ever, from the prompt without the fox and with what is not wanted.
    assert!(same(recipe("a calm fox", "", 1.0), recipe("a calm fox", "a calm ", 0.0)));
    assert!(same(recipe("a calm fox", "red", 1.0), recipe("a calm fox", "a calm , red", 0.0)));
    assert!(!same(recipe("a calm fox", "", 0.4), recipe("a calm fox", "", 0.4)));
    // Nothing to ask for, and no early steps.
    assert!(same(recipe("a calm sea", "", 0.4), recipe("a calm sea", "", 0.4)));
    assert!(same(recipe("a calm fox", "red", 0.0), recipe("a calm fox", "red", 0.0)));
    // Together, though one is guided in the early steps and the other is not.
    let two = [recipe("a calm fox", "", 0.4), recipe("a calm sea", "", 0.4)];
    let together = knowing.generate_together(&two, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(together.iter().zip(&two).all(|(made, alone)| made.rgb == draw(&knowing, alone)));
}

#[test]
fn a_second_pass_is_image_to_image_on_the_enlarged_first() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    for sampler in ["euler", "heun"] {
        let first = Recipe {
            prompt: "a calm fox".into(),
            sampler: sampler.into(),
            steps: 5,
            seed: 21,
            width: 64,
            height: 64,
            ..Recipe::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enlarged.png");
        let small = RgbImage::from_raw(64, 64, draw(&pipeline, &first)).unwrap();
        let large =
            image::DynamicImage::ImageRgb8(small).resize_to_fill(128, 128, image::imageops::FilterType::Lanczos3);
        large.save(&path).unwrap();
        let by_hand = Recipe { width: 128, height: 128, source: source(&path, 0.6), ..first.clone() };
        let first_pass =
            Some(FirstPass { width: 64, height: 64, denoising_strength: 0.6, upscaler: Upscaler::Lanczos });
        let twice = Recipe { width: 128, height: 128, first_pass, ..first };
        let mut reports = Vec::new();
        let made = pipeline
            .generate(&twice, &mut |report| {
                reports.push((report.step, report.steps));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(made.rgb, draw(&pipeline, &by_hand), "{sampler}");
        assert_eq!((made.width, made.height), (128, 128));
        let all = reports.len() as u32;
        assert_eq!(reports, (1..=all).map(|i| (i, all)).collect::<Vec<_>>(), "one progress over both passes");
        // Refused before anything is computed.
        let mixed = Recipe { source: by_hand.source.clone(), ..twice.clone() };
        assert!(pipeline.generate(&mixed, &mut |_| ControlFlow::Continue(())).is_err());
        let odd = Recipe { first_pass: first_pass.map(|f| FirstPass { width: 65, ..f }), ..twice };
        assert!(pipeline.check(&odd).is_err());
    }
}

#[test]
fn a_second_pass_on_the_enlarged_latent_agrees_with_diffusers() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let latent = Upscaler::ALL.into_iter().filter(|upscaler| upscaler.is_latent());
    let made: Vec<Vec<u8>> = latent
        .map(|upscaler| {
            let recipe = |denoising_strength| Recipe {
                prompt: "a calm fox".into(),
                negative_prompt: "blue".into(),
                sampler: "euler".into(),
                steps: 5,
                cfg_scale: 3.0,
                seed: 31,
                width: 80,
                height: 96,
                first_pass: Some(FirstPass { width: 64, height: 64, denoising_strength, upscaler }),
                ..Recipe::default()
            };
            let made = draw(&pipeline, &recipe(0.6));
            let theirs = pixels(&golden(&format!("enlarge/{}.png", upscaler.name())));
            assert_eq!(theirs.dimensions(), (80, 96));
            let worst = made.iter().zip(theirs.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(2), "{upscaler:?}: off by {worst:?} of 255");
            // Nothing left to do is nothing but the enlarged latent.
            assert_ne!(draw(&pipeline, &recipe(0.0)), made);
            made
        })
        .collect();
    assert!(made.len() == 3 && made[0] != made[1] && made[1] != made[2], "each has its own way");
}

#[test]
fn rescaled_and_late_guidance_and_variations_agree_with_the_field() {
    agree("rescale", 1);
    agree("early", 1);
    agree("variation", 1);
}

#[test]
fn what_the_mask_keeps_is_the_source_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.png");
    // Half the size: a mask is scaled.
    image::GrayImage::from_fn(24, 24, |x, _| image::Luma([if x < 8 { 255 } else { 0 }])).save(&path).unwrap();
    let own = pixels(&golden("modes/source.png"));
    for pipeline in [load(&golden("tiny_sd")), inpainting()].into_iter().flatten() {
        let recipe = Recipe {
            prompt: "a fox".into(),
            sampler: "ddim".into(),
            steps: 3,
            width: 64,
            height: 64,
            source: source(&golden("modes/source.png"), 1.0),
            mask: mask(&path, true),
            ..Recipe::default()
        };
        let made = RgbImage::from_raw(64, 64, draw(&pipeline, &recipe)).unwrap();
        assert!((0..64).all(|y| (28..64).all(|x| made.get_pixel(x, y) == own.get_pixel(x, y))));
        let changed = (0..64)
            .flat_map(|y| (0..12).map(move |x| (x, y)))
            .filter(|(x, y)| made.get_pixel(*x, *y) != own.get_pixel(*x, *y));
        assert!(changed.count() > 400);
    }
}

#[test]
fn outpainting_keeps_the_source_in_its_place() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let own = pixels(&golden("modes/source.png"));
    let recipe = Recipe {
        prompt: "a fox".into(),
        sampler: "euler".into(),
        steps: 3,
        width: 96,
        height: 80,
        source: source(&golden("modes/source.png"), 1.0),
        outpaint: Some(Outpaint { left: 16, top: 0, right: 16, bottom: 16 }),
        ..Recipe::default()
    };
    let made = RgbImage::from_raw(96, 80, draw(&pipeline, &recipe)).unwrap();
    assert!((0..64).all(|y| (0..64).all(|x| made.get_pixel(x + 16, y) == own.get_pixel(x, y))));
    assert_ne!(draw(&pipeline, &recipe.with_seed(1)), *made.as_raw(), "the margins are drawn");
}

#[test]
fn what_cannot_be_painted_is_said() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let black = folder.path().join("black.png");
    image::GrayImage::new(8, 8).save(&black).unwrap();
    let good = Recipe {
        prompt: "a fox".into(),
        width: 64,
        height: 64,
        steps: 2,
        source: source(&golden("modes/source.png"), 0.5),
        ..Recipe::default()
    };
    let refused = |change: &dyn Fn(&mut Recipe), said: &str| {
        let mut recipe = good.clone();
        change(&mut recipe);
        let error = pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.message.contains(said), "{error}");
    };
    refused(&|r| r.mask = mask(&black, true), "black everywhere");
    refused(&|r| r.mask = mask(&folder.path().join("none.png"), true), "none.png");
    refused(&|r| (r.mask, r.source) = (mask(&black, true), None), "picture to start from");
    refused(&|r| r.outpaint = Some(Outpaint { left: 3, ..Outpaint::default() }), "multiples of 8");
    refused(&|r| r.outpaint = Some(Outpaint { left: 32, right: 32, ..Outpaint::default() }), "leave nothing");
}
