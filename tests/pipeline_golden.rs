//! Whole pipelines, text to pixels, and the tokenizer, against diffusers and transformers (tests/reference/pipeline_golden.py).

mod common;

use common::{Asked, golden};
use kiln::kernels::on_cpu;
use kiln::model::tokenizer::{Tokenizer, write};
use kiln::pipeline::Pipeline;
use kiln::recipe::{FirstPass, Recipe, SourceRef, Upscaler};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const WORDS: [&str; 24] = [
    "a",
    "and",
    "birds",
    "blue",
    "calm",
    "flat",
    "fox",
    "front",
    "geometric",
    "in",
    "marbling",
    "misty",
    "mosaic",
    "mountain",
    "mountains",
    "of",
    "red",
    "style",
    "sunset",
    "the",
    "under",
    "warm",
    "waves",
    "with",
];

fn read(name: &str) -> String {
    std::fs::read_to_string(golden(name)).expect("golden file")
}

#[test]
fn tokenizer_is_the_committed_one_and_agrees_with_transformers() {
    let folder = golden("tiny_pipeline/tokenizer");
    if std::env::var_os("KILN_UPDATE_GOLDEN").is_some() {
        write(&WORDS, 24, &folder).expect("write");
    }
    let fresh = tempfile::tempdir().expect("folder");
    write(&WORDS, 24, fresh.path()).expect("write");
    for name in ["vocab.json", "merges.txt"] {
        let ours = std::fs::read_to_string(fresh.path().join(name)).expect("fresh");
        assert_eq!(ours, read(&format!("tiny_pipeline/tokenizer/{name}")), "{name} depends only on the words");
    }

    #[derive(Deserialize)]
    struct Case {
        prompt: String,
        ids: Vec<u32>,
    }
    let tokenizer = Tokenizer::open(&folder, 77).expect("open");
    let cases: Vec<Case> = serde_json::from_str(&read("tokenizer.json")).expect("cases");
    for case in cases {
        assert_eq!(tokenizer.encode(&case.prompt).ids, case.ids, "{:?}", case.prompt);
    }
}

#[derive(Deserialize)]
struct Case {
    folder: String,
    #[serde(flatten)]
    asked: Asked,
    sliders: BTreeMap<String, f32>,
    rgb: Vec<u8>,
}

impl Case {
    fn recipe(&self) -> Recipe {
        Recipe { sliders: self.sliders.clone(), ..self.asked.recipe() }
    }
}

fn load(folder: &str) -> Option<Pipeline> {
    common::load(&golden(folder))
}

#[test]
fn pixels_agree_with_diffusers() {
    let cases: Vec<Case> = serde_json::from_str(&read("pipeline.json")).expect("cases");
    for case in &cases {
        let Some(pipeline) = load(&case.folder) else { return };
        let mut steps = 0;
        let picture = pipeline
            .generate(&case.recipe(), &mut |report| {
                steps += 1;
                assert_eq!((report.step, report.steps), (steps, case.asked.steps));
                let look = report.preview(0).expect("a linear look");
                assert_eq!(look.rgb.len(), (look.width * look.height * 3) as usize);
                ControlFlow::Continue(())
            })
            .expect("generate");
        assert_eq!(steps, case.asked.steps);
        assert_eq!(picture.rgb.len(), case.rgb.len());
        let worst = picture.rgb.iter().zip(&case.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{} {:?}: off by {worst:?} of 255", case.folder, case.asked.prompt);
        let spread = case.rgb.iter().max().zip(case.rgb.iter().min()).map(|(a, b)| a - b);
        assert!(spread > Some(60), "the golden picture is too flat to prove anything: {spread:?}");
        let again = pipeline.generate(&case.recipe(), &mut |_| ControlFlow::Continue(())).expect("again");
        assert_eq!(again.rgb, picture.rgb, "the same Recipe gives the same bytes");
    }
}

#[test]
fn recipes_are_checked_and_jobs_cancelled() {
    let Some(pipeline) = load("tiny_pipeline") else { return };
    let good = pipeline.info().defaults.clone();
    assert!(pipeline.check(&good).is_ok());
    let refused = |change: &dyn Fn(&mut Recipe), expected: &str| {
        let mut recipe = good.clone();
        change(&mut recipe);
        let message = pipeline.check(&recipe).expect_err(expected).message;
        assert!(message.contains(expected), "{message}");
    };
    refused(&|r| r.width = 0, "64 to 2048");
    refused(&|r| r.height = 100_000, "64 to 2048");
    refused(&|r| r.width = 100, "try 64");
    refused(&|r| r.steps = 0, "1 to 200");
    refused(&|r| r.cfg_scale = f32::NAN, "0 to 50");
    refused(&|r| r.sampler = "magic".into(), "dpmpp_2m");
    refused(&|r| r.sliders.extend([("warmth".into(), 1.5)]), "0 to 1");
    refused(&|r| r.sliders.extend([("sharpness".into(), 0.5)]), "warmth, contrast");

    let mut seen = 0;
    let error = pipeline
        .generate(&good, &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        })
        .expect_err("cancelled");
    assert_eq!((seen, error.kind), (1, kiln::ErrorKind::Cancelled));
    let preview = pipeline.preview(&good, &mut || false).expect("preview");
    assert_eq!((preview.width, preview.height, preview.rgb.len()), (32, 32, 32 * 32 * 3));
    assert!(pipeline.preview(&good, &mut || true).is_err());
}

#[test]
fn a_source_picture_decides_as_much_as_its_strength_lets_it() {
    let Some(pipeline) = load("tiny_pipeline") else { return };
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("source.png");
    image::RgbImage::from_fn(80, 50, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, 90])).save(&path).expect("save");
    let draw = |seed, denoising_strength| {
        let mut recipe = pipeline.info().defaults.clone();
        recipe.seed = seed;
        recipe.source = Some(SourceRef { path: path.display().to_string(), hash: String::new(), denoising_strength });
        pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(())).expect("generate").rgb
    };
    assert_eq!(draw(1, 0.0), draw(2, 0.0), "without noise the seed does not matter");
    assert_ne!(draw(1, 0.5), draw(2, 0.5));
    let mut recipe = pipeline.info().defaults.clone();
    let bad = folder.path().join("bad.png");
    std::fs::write(&bad, b"not a picture").expect("write");
    recipe.source = Some(SourceRef { path: bad.display().to_string(), hash: String::new(), denoising_strength: 0.5 });
    let error = pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(())).expect_err("not a picture");
    assert!(error.message.contains("bad.png"), "{error}");
}

#[test]
fn pictures_made_together_have_the_bytes_that_they_have_alone() {
    let draw = |pipeline: &Pipeline, recipes: &[Recipe]| -> Vec<Vec<u8>> {
        let made = pipeline.generate_together(recipes, &mut |report| {
            assert!(report.pictures().all(|picture| report.preview(picture).is_some()));
            ControlFlow::Continue(())
        });
        made.expect("generate").into_iter().map(|picture| picture.rgb).collect()
    };
    for folder in ["tiny_pipeline", "tiny_sd"] {
        let Some(pipeline) = load(folder) else { return };
        let base = Recipe { prompt: "a fox".into(), steps: 3, ..pipeline.info().defaults.clone() };
        let first_pass =
            Some(FirstPass { width: 64, height: 64, denoising_strength: 0.5, upscaler: Upscaler::Lanczos });
        let recipes: Vec<Recipe> = [
            base.clone(),
            Recipe { seed: 2, prompt: "marbling waves, calm".into(), ..base.clone() },
            // Longer words or no guidance take steps of their own.
            Recipe { seed: 3, prompt: "a fox ".repeat(60), ..base.clone() },
            Recipe { seed: 4, cfg_scale: 1.0, ..base.clone() },
            Recipe { seed: 5, cfg_scale: 1.0, ..base.clone() },
        ]
        .into();
        for first_pass in [None, first_pass] {
            let recipes: Vec<Recipe> =
                recipes.iter().map(|r| Recipe { width: 128, height: 64, first_pass, ..r.clone() }).collect();
            let together = draw(&pipeline, &recipes);
            assert_eq!(together.len(), 5);
            // A GPU's driver chooses its way by the number of pictures.
            let most = if on_cpu(pipeline.device()) { 0 } else { 2 };
            for (recipe, made) in recipes.iter().zip(&together) {
                let alone = &draw(&pipeline, std::slice::from_ref(recipe))[0];
                let off = alone.iter().zip(made).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(alone.len() == made.len() && off <= Some(most), "{folder}, seed {}: {off:?}", recipe.seed);
            }
            assert!(together[0] != together[1] && together[3] != together[4]);
        }
        let other = Recipe { width: 128, ..base.clone() };
        let refused =
            pipeline.generate_together(&[base, other], &mut |_| ControlFlow::Continue(())).expect_err("sizes");
        assert!(refused.message.contains("one size"), "{refused}");
    }
}
