//! The built program, run as a script runs it: what it prints, what it leaves behind, and its exit status.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use kiln::library::{Library, metadata};
use kiln::recipe::{Picture, Recipe};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(arguments).env_remove("KILN_LIBRARY").env_remove("KILN_MODELS").stdin(Stdio::null());
    command
}

fn kiln(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The JSON objects on standard output, one a line and nothing else.
fn events(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a call that must fail with a status, one line on standard error that holds all of `said`, and no panic.
fn refused(arguments: &[&str], status: i32, said: &[&str]) {
    let output = kiln(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{arguments:?}: {error}");
    assert!(!error.contains("panicked") && !error.contains("bug"), "{arguments:?}: {error}");
    for part in said {
        assert!(error.contains(part), "{arguments:?} says {error:?}, not {part:?}");
    }
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
}

fn picture(prompt: &str, seed: u64) -> Picture {
    let recipe = Recipe { prompt: prompt.into(), seed, width: 64, height: 64, ..Recipe::default() };
    Picture { width: 64, height: 64, rgb: vec![seed as u8; 64 * 64 * 3], recipe, seconds: 0.5 }
}

#[test]
fn wrong_usage_is_answered_in_one_line() {
    refused(&["generate"], 2, &["--prompt"]);
    refused(&["generate", "--prompt", " "], 2, &["prompt is empty"]);
    refused(&["generate", "--prompt", "x", "--width", "0"], 2, &["width 0", "64 to 2048"]);
    refused(&["generate", "--prompt", "x", "--height", "100000"], 2, &["height 100000", "64 to 2048"]);
    refused(&["generate", "--prompt", "x", "--steps", "0"], 2, &["1 to 200"]);
    refused(&["generate", "--prompt", "x", "--steps", "-4"], 2, &["-4", "--steps"]);
    refused(&["generate", "--prompt", "x", "--cfg", "nan"], 2, &["0 to 50"]);
    refused(&["generate", "--prompt", "x", "--count", "0"], 2, &["1 to"]);
    refused(&["generate", "--prompt", "x", "--seed", "18446744073709551615", "--count", "2"], 2, &["seed"]);
    refused(&["generate", "--prompt", "x", "--set", "warmth"], 2, &["SLIDER=NUMBER"]);
    refused(&["generate", "--prompt", "x", "--device", "abacus"], 2, &["auto, cpu, gpu"]);
    refused(&["generate", "--prompt", "x", "--strength", "0.5"], 2, &["--init"]);
    refused(&["generate", "--prompt", "x", "--propmt", "y"], 2, &["--prompt"]);
    refused(&["generate", "--prompt", "x", "--mask", "m.png"], 2, &["--init"]);
    refused(&["generate", "--prompt", "x", "--outpaint", "0,0,8,0"], 2, &["--init"]);
    refused(&["generate", "--prompt", "x", "--init", "Cargo.toml", "--outpaint", "8,8"], 2, &["LEFT,TOP,RIGHT,BOTTOM"]);
    refused(&["generate", "--prompt", "x", "--style", "beautiful"], 2, &["beautiful", "Bauhaus poster"]);
    refused(&["generate", "--prompt", "x", "--clip-skip", "0"], 2, &["clip skip 0", "to 12"]);
    refused(&["generate", "--prompt", "x", "--cfg-rescale", "2"], 2, &["rescale 2", "to 1"]);
    refused(&["generate", "--prompt", "x", "--subseed", "2"], 2, &["--subseed-strength"]);
    refused(&["generate", "--prompt", "x", "--enlarge", "9"], 2, &["--enlarge 9", "1 to 8"]);
    refused(&["generate", "--prompt", "x", "--width", "1024", "--enlarge", "4"], 2, &["4096", "64 to 2048"]);
    refused(&["generate", "--prompt", "x", "--enlarge", "2", "--enlarge-strength", "1.5"], 2, &["1.5", "to 1"]);
    let known = ["\"sharp\"", "lanczos, latent_nearest, latent_bilinear, latent_bicubic"];
    refused(&["generate", "--prompt", "x", "--enlarge", "2", "--upscaler", "sharp"], 2, &known);
    refused(&["generate", "--prompt", "x", "--upscaler", "lanczos"], 2, &["--enlarge"]);
    refused(&["paint"], 2, &["paint"]);
    refused(&["finetune", "--out", "x"], 2, &["--images"]);
    refused(&["library"], 2, &["list", "search", "rate", "export"]);
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, b"x").unwrap();
    let (file, missing) = (file.to_str().unwrap(), folder.path().join("missing"));
    let missing = missing.to_str().unwrap();
    let out = folder.path().to_str().unwrap();
    refused(&["generate", "--prompt", "x", "--out", out, "--model", missing], 1, &[missing]);
    refused(&["generate", "--prompt", "x", "--out", out, "--model", file], 1, &[file]);
    refused(&["generate", "--prompt", "x", "--out", out, "--init", missing], 1, &[missing]);
    refused(&["generate", "--prompt", "x", "--lora", "a.safetensors"], 1, &["LoRA"]);
    refused(&["finetune", "--images", missing, "--out", "x.safetensors"], 1, &["no folder", missing]);
    refused(&["serve"], 1, &["cannot lend"]);
    refused(&["inspect", missing], 1, &[missing]);
    refused(&["inspect", file], 1, &[file]);
    refused(&["inspect", "model.ckpt"], 1, &["safetensors"]);
    refused(&["library", "list", "--library", missing], 1, &[missing]);
}

#[test]
fn help_and_version_succeed() {
    for arguments in [&["--help"][..], &["--version"], &["generate", "--help"], &["library", "export", "--help"]] {
        let output = kiln(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn errors_are_json_events_too() {
    let output = kiln(&["inspect", "no-such-file.png", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let events = events(&output);
    assert_eq!(
        (events.len(), events[0]["event"].as_str(), events[0]["kind"].as_str()),
        (1, Some("error"), Some("failed"))
    );
    let usage = kiln(&["generate", "--json"]);
    assert_eq!(usage.status.code(), Some(2));
    assert_eq!(self::events(&usage)[0]["kind"], "usage");
}

#[test]
fn a_picture_tells_its_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    let made = picture("a red fox, \"calm\"", 7);
    fs::write(&path, metadata::encode_png(&made).unwrap()).unwrap();
    let output = kiln(&["inspect", path.to_str().unwrap(), "--json"]);
    let events = events(&output);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["kind"], "picture");
    let recipe: Recipe = serde_json::from_value(events[0]["recipe"].clone()).unwrap();
    assert_eq!(recipe, made.recipe);
    let words = text(&kiln(&["inspect", path.to_str().unwrap()]).stdout);
    assert!(words.contains("a red fox, \"calm\"") && words.contains("Seed: 7"), "{words}");
}

#[test]
fn the_library_is_listed_searched_rated_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("library");
    let (library, _) = Library::open(&path).unwrap();
    let fox = library.add(&picture("a red fox", 7)).unwrap();
    library.add(&picture("a wave", 8)).unwrap();
    drop(library);
    let run = |arguments: &[&str]| {
        let mut command = program(arguments);
        let output = command.arg("--json").env("KILN_LIBRARY", &path).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        events(&output)
    };
    let prompts =
        |events: &[Value]| events.iter().map(|e| e["prompt"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(prompts(&run(&["library", "list"])), ["a wave", "a red fox"]);
    assert_eq!(prompts(&run(&["library", "search", "fox"])), ["a red fox"]);
    assert_eq!(prompts(&run(&["library", "list", "--sort", "oldest", "--limit", "1"])), ["a red fox"]);
    let id = fox.id.to_string();
    run(&["library", "rate", &id, "4"]);
    assert_eq!(prompts(&run(&["library", "list", "--min-rating", "4"])), ["a red fox"]);
    let target = folder.path().join("out.jpg");
    let exported = run(&["library", "export", &id, "--to", target.to_str().unwrap()]);
    assert_eq!(exported[0]["path"].as_str().map(Path::new), Some(target.as_path()));
    assert!(fs::read(&target).unwrap().starts_with(b"\xff\xd8"));
    refused(&["library", "rate", &id, "9", "--library", path.to_str().unwrap()], 2, &["0 (not rated) to 5"]);
    refused(&["library", "rate", "99", "1", "--library", path.to_str().unwrap()], 1, &["no picture 99"]);
    refused(&["library", "list", "--sort", "x", "--library", path.to_str().unwrap()], 2, &["newest, oldest or best"]);
}
