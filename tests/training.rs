//! `kiln train` from nothing, a few steps: a checkpoint that loads, and one that goes on where it stopped.

use std::path::Path;
use std::process::{Command, Output};

fn kiln(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kiln")).args(arguments).output().expect("kiln starts")
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

fn last_step(lines: &[serde_json::Value], stage: &str) -> u64 {
    let of_stage = lines.iter().filter(|l| l["event"] == "train" && l["stage"] == stage);
    of_stage.filter_map(|l| l["step"].as_u64()).max().unwrap_or(0)
}

#[test]
fn a_checkpoint_is_made_from_nothing_and_training_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("ember");
    let out_text = out.display().to_string();
    let train = |more: &[&str]| {
        let mut arguments = vec!["train", "--out", &out_text, "--batch", "2", "--json"];
        arguments.extend(more);
        let output = kiln(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    };
    let first = train(&["--stage", "all", "--steps", "2"]);
    assert_eq!((last_step(&first, "autoencoder"), last_step(&first, "denoiser")), (2, 2));
    for part in ["model_index.json", "kiln.json", "unet/config.json", "tokenizer/vocab.json"] {
        assert!(out.join(part).is_file(), "{part} is missing");
    }
    let sheets = std::fs::read_dir(out.join("sheets")).expect("sheets").flatten().count();
    assert_eq!(sheets, 2, "one sheet a stage");

    let before = std::fs::read(out.join("unet/diffusion_pytorch_model.safetensors")).expect("weights");
    let second = train(&["--stage", "denoiser", "--steps", "3", "--resume"]);
    assert_eq!(last_step(&second, "denoiser"), 3);
    let after = std::fs::read(out.join("unet/diffusion_pytorch_model.safetensors")).expect("weights");
    assert!(before.len() == after.len() && before != after, "one more step changes the weights");

    let pictures = folder.path().join("pictures").display().to_string();
    let made = kiln(&[
        "generate",
        "--model",
        &out_text,
        "--prompt",
        "ocean waves",
        "--steps",
        "2",
        "--set",
        "warmth=0.9",
        "--out",
        &pictures,
        "--json",
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let picture = lines(&made).into_iter().find(|l| l["event"] == "picture").expect("a picture");
    assert_eq!(picture["width"], 256);
    assert!(Path::new(picture["path"].as_str().expect("path")).is_file());
}

#[test]
fn a_denoiser_without_an_autoencoder_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("folder");
    let output = kiln(&["train", "--stage", "denoiser", "--steps", "1", "--out", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--stage autoencoder"), "{said}");
}
