//! Adapters on whole pipelines, text to pixels, against diffusers and peft (tests/reference/lora_golden.py).

mod common;

use common::{Asked, golden, load, pixels};
use kiln::pipeline::Pipeline;
use kiln::recipe::{AdapterRef, Recipe};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

fn draw(pipeline: &Pipeline, recipe: &Recipe) -> Vec<u8> {
    pipeline.generate(recipe, &mut |_| ControlFlow::Continue(())).expect("generate").rgb
}

fn worst(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[derive(Deserialize)]
struct Case {
    name: String,
    adapters: Vec<(String, f32)>,
    #[serde(flatten)]
    asked: Asked,
}

impl Case {
    fn recipe(&self) -> Recipe {
        let adapter = |(name, weight): &(String, f32)| AdapterRef {
            name: golden(&format!("lora/{name}.safetensors")).display().to_string(),
            hash: String::new(),
            weight: *weight,
        };
        Recipe { adapters: self.adapters.iter().map(adapter).collect(), ..self.asked.recipe() }
    }
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(golden("lora/cases.json")).expect("golden file");
    serde_json::from_str(&text).expect("cases")
}

#[test]
fn pixels_with_adapters_agree_with_diffusers() {
    // One pipeline for all: the adapters change, the checkpoint is loaded once.
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let cases = cases();
    let plain = pixels(&golden("lora/none.png"));
    let mut seen = BTreeSet::new();
    for case in &cases {
        let theirs = pixels(&golden(&format!("lora/{}.png", case.name)));
        let ours = draw(&pipeline, &case.recipe());
        let off = worst(&ours, &theirs);
        assert!(off <= 2, "{}: off by {off} of 255", case.name);
        let moved = worst(&theirs, &plain);
        assert!(case.adapters.is_empty() || moved > 20, "{} only moves the picture by {moved}", case.name);
        assert!(seen.insert(theirs), "every case is a picture of its own");
    }
    assert!(cases.iter().any(|c| c.adapters.len() == 1) && cases.iter().any(|c| c.adapters.len() == 3));
}

#[test]
fn adapters_come_and_go_without_a_trace() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let case = cases().into_iter().find(|c| c.name == "one").expect("case");
    let with = case.recipe();
    let without = Recipe { adapters: Vec::new(), ..with.clone() };
    let mut off = with.clone();
    off.adapters[0].weight = 0.0;
    let before = draw(&pipeline, &without);
    let picture = pipeline.generate(&with, &mut |_| ControlFlow::Continue(())).expect("generate");
    assert_ne!(picture.rgb, before);
    let file = golden("lora/kohya_words.safetensors");
    assert_eq!(picture.recipe.adapters[0].hash, kiln::pipeline::hash_file(&file).expect("hash"));
    assert_eq!(draw(&pipeline, &off), before, "a weight of 0 changes nothing");
    assert_eq!(draw(&pipeline, &without), before, "the checkpoint is as it was");
    assert_eq!(draw(&pipeline, &with), picture.rgb, "and so is the adapter");
}

#[test]
fn adapters_that_do_not_fit_are_said() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("mixed.safetensors");
    let adapter = |weight| vec![AdapterRef { name: path.display().to_string(), hash: String::new(), weight }];
    let write = |keys: &[&str]| {
        let data = vec![0u8; 4 * 16];
        let views = keys.iter().map(|key| {
            let shape = if key.contains("up") { vec![8, 2] } else { vec![2, 8] };
            (*key, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &data).expect("view"))
        });
        safetensors::serialize_to_file(views, None, &path).expect("write");
    };
    let good = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
    let stranger = "lora_unet_down_blocks_7_attentions_0_transformer_blocks_0_attn1_to_q";
    let pair = |layer: &str| [format!("{layer}.lora_down.weight"), format!("{layer}.lora_up.weight")];
    let (good, stranger) = (pair(good), pair(stranger));

    write(&[&good[0], &good[1], &stranger[0], &stranger[1], "lora_unet_x.hada_w1_a"]);
    let notices = pipeline.adapted(&adapter(1.0)).expect("fits in part").notices;
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("1 of its 2 layers") && notices[0].contains("1 of its keys"), "{notices:?}");

    // The file changes under the same name: it is read again.
    write(&[&stranger[0], &stranger[1]]);
    let message = pipeline.adapted(&adapter(1.0)).err().expect("an error").message;
    assert!(message.contains("fits no layer"), "{message}");

    let message = pipeline.adapted(&adapter(f32::NAN)).err().expect("an error").message;
    assert!(message.contains("-10 to 10"), "{message}");
    std::fs::remove_file(&path).expect("remove");
    let message = pipeline.adapted(&adapter(1.0)).err().expect("an error").message;
    assert!(message.contains("no LoRA adapter at"), "{message}");
}

#[test]
fn an_adapter_is_written_as_a_path_and_a_weight() {
    let parse = |text| AdapterRef::parse(text).map(|a| (a.name, a.weight));
    assert_eq!(parse("ink.safetensors").expect("path"), ("ink.safetensors".into(), 1.0));
    assert_eq!(parse("ink.safetensors:-0.5").expect("weight"), ("ink.safetensors".into(), -0.5));
    assert_eq!(parse("C:\\ink.safetensors").expect("drive"), ("C:\\ink.safetensors".into(), 1.0));
    for bad in ["", ":0.5", "ink:NaN", "ink:inf"] {
        let error = parse(bad).expect_err(bad);
        assert_eq!(error.kind, kiln::ErrorKind::Usage, "{error}");
    }
}
