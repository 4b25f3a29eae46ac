//! Learnt words (textual inversion) on whole pipelines, text to pixels, against diffusers (tests/reference/inversion_golden.py).

mod common;

use common::{Asked, golden, load, pixels};
use kiln::recipe::{EmbeddingRef, Recipe};
use serde::Deserialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Case {
    name: String,
    files: Vec<String>,
    #[serde(flatten)]
    asked: Asked,
}

impl Case {
    fn recipe(&self) -> Recipe {
        let file = |name: &String| EmbeddingRef {
            name: golden(&format!("inversion/{name}.safetensors")).display().to_string(),
            hash: String::new(),
        };
        Recipe { embeddings: self.files.iter().map(file).collect(), ..self.asked.recipe() }
    }
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(golden("inversion/cases.json")).expect("golden file");
    serde_json::from_str(&text).expect("cases")
}

#[test]
fn pixels_with_learnt_words_agree_with_diffusers() {
    let Some(pipeline) = load(&golden("tiny_sd")) else { return };
    let draw = |recipe: &Recipe| pipeline.generate(recipe, &mut |_| ControlFlow::Continue(())).expect("generate");
    for case in cases() {
        let theirs = pixels(&golden(&format!("inversion/{}.png", case.name)));
        let recipe = case.recipe();
        let ours = draw(&recipe);
        let worst = |rgb: &[u8]| rgb.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(ours.rgb.len(), theirs.len());
        assert!(worst(&ours.rgb) <= Some(2), "{}: off by {:?} of 255", case.name, worst(&ours.rgb));
        assert!(ours.recipe.embeddings.iter().all(|e| e.hash.len() == 64), "{:?}", ours.recipe.embeddings);
        if !case.files.is_empty() {
            let without = draw(&Recipe { embeddings: Vec::new(), ..recipe.clone() });
            assert!(worst(&without.rgb) > Some(20), "{}: the words say nothing: {:?}", case.name, worst(&without.rgb));
        }
        // Weights and capitals mean what they mean for any other word.
        let shouted = Recipe { prompt: case.asked.prompt.to_uppercase(), ..recipe.clone() };
        assert_eq!(draw(&shouted).rgb, ours.rgb, "{}", case.name);
        let json = recipe.to_json().expect("json");
        assert_eq!(Recipe::from_json(&json).expect("read"), recipe);
    }
    let plain = Recipe::default().to_json().expect("json");
    assert!(!plain.contains("embeddings"), "a Recipe without learnt words reads as before");
}

#[test]
fn words_that_do_not_fit_are_sentences() {
    let Some(sd) = load(&golden("tiny_sd")) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let refused = |files: &[PathBuf], expected: &str| {
        let embedding = |file: &PathBuf| EmbeddingRef { name: file.display().to_string(), hash: String::new() };
        let recipe = Recipe { embeddings: files.iter().map(embedding).collect(), ..cases().remove(0).recipe() };
        let error = sd.generate(&recipe, &mut |_| ControlFlow::Continue(())).expect_err(expected).message;
        assert!(error.contains(expected) && error.ends_with('.'), "{error}");
    };
    let ink = golden("inversion/ink.safetensors");
    refused(&[folder.path().join("none")], "no learnt word at");
    refused(&[ink.clone(), ink.clone()], "both called <ink>");
    refused(&[golden("lora/peft.safetensors")], "no textual inversion");
    let wide = folder.path().join("wide.safetensors");
    let vectors = kiln::model::embedding::Vectors { values: vec![0.5; 32], rows: 1, width: 32 };
    kiln::model::embedding::Embedding { word: "wide".into(), vectors: vec![vectors] }.save(&[], &wide).expect("save");
    refused(&[wide], "width 32");
}
