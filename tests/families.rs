//! Every family of Stable Diffusion in both layouts, text to pixels, against diffusers (tests/reference/families_golden.py).
//!
//! The checkpoints are written here, value by value, from their names and the seed; only pictures and shapes are kept.
//! `KILN_FAMILIES=FOLDER` tests what the script wrote with another seed or other sizes.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

mod common;

use half::{bf16, f16};
use kiln::insight::card::Card;
use kiln::insight::inspect::{Inspection, inspect};
use kiln::model::tokenizer::Tokenizer;
use kiln::pipeline::Pipeline;
use kiln::recipe::{AdapterRef, EmbeddingRef, Recipe};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Shape = Vec<usize>;

#[derive(Deserialize)]
struct Family {
    family: String,
    seed: u64,
    side: u32,
    dtype: String,
    sampler: String,
    cases: Vec<Case>,
    configs: BTreeMap<String, serde_json::Value>,
    files: BTreeMap<String, String>,
    tensors: Vec<(String, Shape)>,
    /// Key, how its parts are put together, and which tensors they are.
    original: Vec<(String, String, Vec<usize>)>,
    lora: Vec<(String, Shape)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    prompt: String,
    negative_prompt: String,
    steps: u32,
    cfg_scale: f32,
    seed: u64,
    lora: Option<f32>,
}

fn golden() -> PathBuf {
    let kept = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/families");
    std::env::var_os("KILN_FAMILIES").map_or_else(kept, PathBuf::from)
}

fn families() -> Vec<Family> {
    serde_json::from_str(&fs::read_to_string(golden().join("families.json")).unwrap()).unwrap()
}

fn family(name: &str) -> Family {
    families().into_iter().find(|f| f.family == name).unwrap()
}

/// The values of a tensor, as `values` of the script makes them.
fn values(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for byte in format!("{seed}/{name}").bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    let n: usize = shape.iter().product();
    let spread = (3.0 * shape.first().copied().unwrap_or(1) as f64 / n as f64).sqrt();
    let norm = (name.contains("norm") || name.contains("ln_")) && name.ends_with("weight");
    (1..=n as u64)
        .map(|i| {
            let mut z = state.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            let u = (z >> 40) as f64 / f64::from(1 << 23) - 1.0;
            (if shape.len() > 1 { u * spread } else { u * 0.17 + if norm { 1.0 } else { 0.0 } }) as f32
        })
        .collect()
}

fn bytes(values: &[f32], dtype: &str) -> (Dtype, Vec<u8>) {
    match dtype {
        "F16" => (Dtype::F16, values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect()),
        "BF16" => (Dtype::BF16, values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect()),
        _ => (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

type Tensors = Vec<(String, Shape, Vec<f32>)>;

fn save(tensors: &Tensors, dtype: &str, notes: &[(&str, &str)], path: &Path) {
    let written: Vec<_> =
        tensors.iter().map(|(key, shape, values)| (key, shape.clone(), bytes(values, dtype))).collect();
    let views =
        written.iter().map(|(key, shape, (dtype, data))| (*key, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    let mut header = HashMap::from([("format".to_string(), "pt".to_string())]);
    header.extend(notes.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    safetensors::serialize_to_file(views, Some(header), path).unwrap();
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

impl Family {
    fn tensor(&self, index: usize) -> (Shape, Vec<f32>) {
        let (name, shape) = &self.tensors[index];
        (shape.clone(), values(self.seed, name, shape))
    }

    /// The diffusers folder.
    fn write_folder(&self, folder: &Path) {
        for (name, config) in &self.configs {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, config.to_string()).unwrap();
        }
        for (file, component) in &self.files {
            let prefix = format!("{component}/");
            let of = self.tensors.iter().filter(|(name, _)| name.starts_with(&prefix));
            let tensors = of
                .map(|(name, shape)| (name[prefix.len()..].to_string(), shape.clone(), values(self.seed, name, shape)));
            save(&tensors.collect(), &self.dtype, &[], &folder.join(file));
        }
    }

    /// The tensors of the one file.
    fn original(&self) -> Tensors {
        let entry = |(key, how, parts): &(String, String, Vec<usize>)| {
            let (mut shape, mut data) = self.tensor(parts[0]);
            match how.as_str() {
                "transpose" => {
                    data = transposed(&data, shape[0], shape[1]);
                    shape.reverse();
                }
                "conv" => shape.extend([1, 1]),
                "stack" => {
                    parts[1..].iter().for_each(|part| data.extend(self.tensor(*part).1));
                    shape[0] *= parts.len();
                }
                _ => {}
            }
            (key.clone(), shape, data)
        };
        self.original.iter().map(entry).collect()
    }

    /// The one file in a folder, with the tokenizer beside it.
    fn write_file(&self, folder: &Path, notes: &[(&str, &str)]) -> PathBuf {
        let tokenizer = folder.join("tokenizer");
        fs::create_dir_all(&tokenizer).unwrap();
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            fs::write(tokenizer.join(name), self.configs[&format!("tokenizer/{name}")].to_string()).unwrap();
        }
        let path = folder.join("anything.safetensors");
        save(&self.original(), &self.dtype, notes, &path);
        path
    }

    fn recipe(&self, case: &Case, adapter: &Path) -> Recipe {
        let adapter = |weight| AdapterRef { name: adapter.display().to_string(), hash: String::new(), weight };
        Recipe {
            prompt: case.prompt.clone(),
            negative_prompt: case.negative_prompt.clone(),
            seed: case.seed,
            steps: case.steps,
            cfg_scale: case.cfg_scale,
            sampler: self.sampler.clone(),
            width: self.side,
            height: self.side,
            adapters: case.lora.map(adapter).into_iter().collect(),
            ..Recipe::default()
        }
    }

    fn agrees(&self, layout: &str, pipeline: &Pipeline) {
        let folder = tempfile::tempdir().unwrap();
        let adapter = folder.path().join("adapter.safetensors");
        let tensor = |(key, shape): &(String, Shape)| {
            let data =
                if key.ends_with("alpha") { vec![3.0] } else { values(self.seed, &format!("lora/{key}"), shape) };
            (key.clone(), shape.clone(), data)
        };
        save(&self.lora.iter().map(tensor).collect(), "F32", &[], &adapter);
        for case in &self.cases {
            let theirs = image::open(golden().join(format!("{}.png", case.name))).unwrap().to_rgb8().into_raw();
            let recipe = self.recipe(case, &adapter);
            assert!(
                pipeline.adapted(&recipe.adapters).unwrap().notices.is_empty(),
                "every layer of the adapter is found"
            );
            let ours = pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(())).unwrap().rgb;
            assert_eq!(ours.len(), theirs.len());
            let worst = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            println!("{} as {layout}: off by {worst} of 255", case.name);
            assert!(worst <= 2, "{} as {layout}: off by {worst} of 255", case.name);
            let spread = theirs.iter().max().unwrap() - theirs.iter().min().unwrap();
            assert!(spread > 60, "{}: the golden picture is too flat to prove anything: {spread}", case.name);
        }
    }

    fn both(&self, notes: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        self.write_folder(folder.path());
        let Some(pipeline) = common::load(folder.path()) else { return };
        self.agrees("folder", &pipeline);
        if !self.original.is_empty() {
            let folder = tempfile::tempdir().unwrap();
            let path = self.write_file(folder.path(), notes);
            let Some(pipeline) = common::load(&path) else { return };
            self.agrees("one file", &pipeline);
        }
    }
}

fn load(path: &Path) -> kiln::Result<Pipeline> {
    Pipeline::load(path, &mut |_| {})
}

#[test]
fn the_first_generation_agrees_in_both_layouts() {
    family("sd1").both(&[]);
}

#[test]
fn the_second_generation_agrees_in_both_layouts() {
    family("sd2").both(&[("modelspec.prediction_type", "v")]);
}

#[test]
fn xl_agrees_in_both_layouts_and_with_an_adapter() {
    family("sdxl").both(&[]);
}

#[test]
fn both_text_encoders_of_xl_hear_a_learnt_word() {
    let xl = family("sdxl");
    let folder = tempfile::tempdir().unwrap();
    xl.write_folder(folder.path());
    let pipeline = load(folder.path()).unwrap();
    let case = xl.cases.iter().find(|case| case.lora.is_none()).unwrap();
    let base = xl.recipe(case, Path::new("none"));
    let draw = |recipe: &Recipe| pipeline.generate(recipe, &mut |_| ControlFlow::Continue(())).unwrap().rgb;
    // A word whose vectors are those of a known one is that word.
    let tokenizer = Tokenizer::open(&folder.path().join("tokenizer"), 77).unwrap();
    let token = tokenizer.single("fox").unwrap() as usize;
    let row = |encoder: &str| {
        let begins = format!("{encoder}/");
        let (name, shape) =
            xl.tensors.iter().find(|(n, _)| n.starts_with(&begins) && n.contains("token_embedding")).unwrap();
        let width = shape[1];
        values(xl.seed, name, shape)[token * width..(token + 1) * width].to_vec()
    };
    let (l, g) = (row("text_encoder"), row("text_encoder_2"));
    let path = folder.path().join("twin.safetensors");
    let tensors = vec![("clip_l".into(), vec![1, l.len()], l.clone()), ("clip_g".into(), vec![1, g.len()], g)];
    save(&tensors, &xl.dtype, &[], &path);
    let of = |prompt: &str, path: &Path| Recipe {
        prompt: prompt.into(),
        embeddings: vec![EmbeddingRef { name: path.display().to_string(), hash: String::new() }],
        ..base.clone()
    };
    let known = draw(&Recipe { prompt: "a calm fox".into(), ..base.clone() });
    assert_eq!(draw(&of("a calm twin", &path)), known);
    assert_ne!(draw(&Recipe { prompt: "a calm twin".into(), ..base.clone() }), known, "only with its file");
    let half = folder.path().join("half.safetensors");
    save(&vec![("twin".into(), vec![1, l.len()], l)], &xl.dtype, &[], &half);
    let refused = pipeline.generate(&of("a calm twin", &half), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(refused.message.contains("another model family"), "{refused}");
}

#[test]
fn a_latent_consistency_model_agrees() {
    family("lcm").both(&[]);
}

#[test]
fn the_built_in_tokenizer_is_clips() {
    #[derive(Deserialize)]
    struct Tokens {
        prompt: String,
        ids: Vec<u32>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/families/clip_tokens.json");
    let cases: Vec<Tokens> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() > 8);
    let tokenizer = Tokenizer::clip(77);
    for case in cases {
        assert_eq!(tokenizer.encode(&case.prompt).ids, case.ids, "{:?}", case.prompt);
    }
}

#[test]
fn a_file_says_what_it_is_and_what_only_its_owner_knows() {
    let sd2 = family("sd2");
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| {
        let Inspection::Weights(weights) = inspect(path).unwrap() else { panic!("not seen as weights") };
        weights.checkpoint.unwrap()
    };
    let notes =
        [("modelspec.architecture", "stable-diffusion-v2-768-v"), ("modelspec.license", "CreativeML Open RAIL++-M")];
    let path = sd2.write_file(folder.path(), &notes);
    let found = told(&path);
    assert_eq!((found.family.as_str(), found.precision.as_str()), ("Stable Diffusion 2.x", "bf16"));
    assert_eq!(found.licence.as_deref(), Some("CreativeML Open RAIL++-M"));
    assert_eq!((found.prediction.as_str(), found.native_size), ("v_prediction", 768));
    assert!(found.memory.is_some_and(|m| m.contains("GB")));
    assert_eq!(found.parts.len(), 3);
    let card = Card::read(&path).unwrap();
    assert!(card.line().starts_with("Stable Diffusion 2.x · ") && card.line().ends_with("predicts velocity (v)"));
    assert_eq!(card.licence_line(), "Licence: CreativeML Open RAIL++-M");

    let path = sd2.write_file(folder.path(), &[]);
    let found = told(&path);
    assert!(found.prediction_because.contains("nothing says so"), "{}", found.prediction_because);
    fs::write(path.with_extension("kiln.json"), r#"{"prediction_type": "epsilon"}"#).unwrap();
    let found = told(&path);
    assert_eq!((found.prediction.as_str(), found.native_size), ("epsilon", 512));
    fs::write(path.with_extension("kiln.json"), r#"{"prediction_type": "guess"}"#).unwrap();
    let Inspection::Weights(weights) = inspect(&path).unwrap() else { panic!("not seen as weights") };
    assert!(weights.trouble.unwrap().contains("epsilon or v_prediction"));
    assert!(load(&path).err().unwrap().message.contains("epsilon or v_prediction"));
    fs::remove_file(path.with_extension("kiln.json")).unwrap();
    fs::write(path.with_extension("yaml"), "model:\n  params:\n    parameterization: \"v\"\n").unwrap();
    assert_eq!(told(&path).prediction, "v_prediction");

    let xl = family("sdxl");
    let folder = tempfile::tempdir().unwrap();
    let path =
        xl.write_file(folder.path(), &[("modelspec.title", "Some XL Lightning"), ("modelspec.resolution", "512x512")]);
    assert_eq!(told(&path).distilled.as_deref(), Some("lightning"));
    let info = load(&path).unwrap().info().clone();
    assert_eq!(
        (info.defaults.sampler.as_str(), info.defaults.steps, info.defaults.cfg_scale),
        ("euler_trailing", 4, 1.0)
    );
    assert_eq!((info.name.as_str(), info.native_size), ("anything", 512));
    assert!(info.summary.contains("Stable Diffusion XL"), "{}", info.summary);
}

#[test]
fn files_that_cannot_be_run_say_why() {
    let sd1 = family("sd1");
    let folder = tempfile::tempdir().unwrap();
    let path = sd1.write_file(folder.path(), &[]);
    let whole = sd1.original();
    let refused = |tensors: Tensors, expected: &str| {
        save(&tensors, "F16", &[], &path);
        let message = load(&path).err().unwrap_or_else(|| panic!("loaded without {expected}")).message;
        assert!(message.contains(expected) && message.ends_with('.'), "{message}");
    };
    let without = |part: &str| whole.iter().filter(|(key, ..)| !key.contains(part)).cloned().collect::<Tensors>();
    refused(without("first_stage_model."), "no autoencoder");
    refused(without("cond_stage_model."), "without its text encoder");
    refused(without("diffusion_model."), "no whole checkpoint");
    refused(without("middle_block.1"), "lacks the weight");
    refused(without("output_blocks.1.0.in_layers.0.bias"), "output_blocks.1.0.in_layers.0.bias");
    let also = |key: &str, shape: &[usize]| {
        let mut tensors = whole.clone();
        tensors.push((key.to_string(), shape.to_vec(), vec![0.0; shape.iter().product()]));
        tensors
    };
    refused(also("model.diffusion_model.input_blocks.1.1.transformer_blocks.1.norm1.weight", &[32]), "differs");
    refused(also("model.diffusion_model.extra.weight", &[1]), "extra.weight");
    refused(also("model.diffusion_model.joint_blocks.0.x.weight", &[1]), "Stable Diffusion 3");
    fs::remove_dir_all(folder.path().join("tokenizer")).unwrap();
    refused(whole.clone(), "vocab.json and merges.txt");

    // With CLIP's own number of tokens nothing beside the file is needed.
    let mut real = whole;
    for (key, shape, data) in &mut real {
        if key.contains("token_embedding") {
            shape[0] = 49408;
            *data = values(1, key, shape);
        } else if key.contains("position_embedding") {
            shape[0] = 77;
            *data = values(1, key, shape);
        }
    }
    save(&real, "F16", &[], &path);
    let pipeline = load(&path).unwrap();
    assert_eq!(pipeline.tokens_cut("a photo of a cat"), 0);
    let recipe = Recipe {
        prompt: "a photo of a cat".into(),
        steps: 1,
        width: 64,
        height: 64,
        ..pipeline.info().defaults.clone()
    };
    assert_eq!(pipeline.generate(&recipe, &mut |_| ControlFlow::Continue(())).unwrap().rgb.len(), 64 * 64 * 3);
}
