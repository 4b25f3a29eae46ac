//! `kiln finetune` as a script runs it: a folder becomes an adapter that `kiln generate` takes.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn kiln(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kiln")).args(arguments).output().unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|e| e["event"] == kind).unwrap_or_else(|| panic!("no event {kind} in {events:?}"))
}

fn fill(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for i in 0..6u8 {
        let paint = |x: u32, y: u32| {
            image::Rgb([(x * 4) as u8, 40 * i, if (x / 8 + y / 8 + u32::from(i)).is_multiple_of(2) { 220 } else { 30 }])
        };
        image::RgbImage::from_fn(64, 64, paint).save(folder.join(format!("{i}.png"))).unwrap();
    }
}

#[test]
fn a_folder_becomes_an_adapter_that_draws() {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().join("images"), folder.path().join("a.safetensors"));
    fill(&images.join("checks"));
    std::fs::write(images.join("broken.png"), b"x").unwrap();
    let (images, out) = (images.to_str().unwrap(), out.to_str().unwrap());
    let model = "tests/reference/golden/tiny_sd";
    let teach = |more: &[&str]| {
        let base = [
            "finetune",
            "--images",
            images,
            "--out",
            out,
            "--model",
            model,
            "--rank",
            "2",
            "--batch",
            "2",
            "--resolution",
            "64",
            "--json",
        ];
        kiln(&[&base[..], more].concat())
    };
    let first = teach(&["--steps", "4"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let first = events(&first);
    let prepared = of(&first, "prepared");
    assert_eq!((prepared["learnt"].as_u64(), prepared["held_out"].as_u64()), (Some(5), Some(1)));
    assert!(prepared["left_out"][0]["why"].as_str().unwrap().contains("damaged"));
    assert!(of(&first, "base")["held_out_loss"].as_f64().unwrap() > 0.0);
    assert_eq!(of(&first, "done")["steps"], 4);
    assert!(of(&first, "done")["evidence"]["is_gain"].is_boolean());
    let drawn = &of(&first, "done")["drawn"];
    assert!(drawn["pictures"] == 8 && drawn["variety"][1].as_f64().unwrap() > 0.0, "{drawn}");
    assert_eq!(drawn["colours"], serde_json::Value::Null, "one picture held out has no look in common with others");

    let second = teach(&["--steps", "6", "--resume"]);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let second = events(&second);
    assert_eq!(of(&second, "step")["step"], 5, "goes on behind the fourth step");
    let other = teach(&["--steps", "6", "--resume", "--seed", "1"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("other settings"));

    let pictures = folder.path().join("pictures");
    let lora = format!("{out}:0.9");
    let made = kiln(&[
        "generate",
        "--model",
        model,
        "--prompt",
        "checks",
        "--lora",
        &lora,
        "--width",
        "64",
        "--height",
        "64",
        "--steps",
        "2",
        "--out",
        pictures.to_str().unwrap(),
        "--json",
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(Path::new(of(&events(&made), "picture")["path"].as_str().unwrap()).is_file());
    let inspected = events(&kiln(&["inspect", out, "--json"]));
    assert!(inspected[0].to_string().contains("kiln_training"), "{inspected:?}");
}

#[test]
fn a_folder_becomes_a_word_or_a_checkpoint_that_draws() {
    let folder = tempfile::tempdir().unwrap();
    let [images, word, whole, pictures] =
        ["images", "word.safetensors", "whole", "pictures"].map(|n| folder.path().join(n).display().to_string());
    fill(Path::new(&images));
    let model = "tests/reference/golden/tiny_sd";
    let succeed = |arguments: &[&str]| {
        let output = kiln(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        events(&output)
    };
    let teach =
        ["finetune", "--images", &images, "--model", model, "--steps", "3", "--batch", "2", "--resolution", "64"];
    let told = succeed(&[&teach[..], &["--word", "<checks>", "--initial", "mosaic", "--out", &word]].concat());
    assert_eq!((&of(&told, "prepared")["layers"], &of(&told, "prepared")["weights"]), (&1.into(), &16.into()));
    let told = succeed(&[&teach[..], &["--full", "--out", &whole]].concat());
    assert_eq!(of(&told, "done")["steps"], 3);

    let draw = |model: &str, more: &[&str]| {
        let size = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "1", "--out", &pictures];
        let told = succeed(&[&["generate", "--model", model, "--prompt", "a <checks> fox"], &size[..], more].concat());
        std::fs::read(of(&told, "picture")["path"].as_str().unwrap()).unwrap()
    };
    let plain = draw(model, &[]);
    assert_ne!(draw(model, &["--embedding", &word]), plain);
    assert_ne!(draw(&whole, &[]), plain);
    let unknown = kiln(&[&teach[..], &["--word", "<x>", "--initial", "zebra", "--out", &word]].concat());
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stderr));
    let none = kiln(&["generate", "--model", model, "--prompt", "a fox", "--embedding", "no-such-file"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no learnt word at no-such-file"));
}

#[test]
fn ratings_become_an_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let (library, out) = (folder.path().join("library"), folder.path().join("a.safetensors"));
    let (library, out) = (library.to_str().unwrap(), out.to_str().unwrap());
    let model = "tests/reference/golden/tiny_sd";
    let succeed = |arguments: &[&str]| {
        let output = kiln(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        events(&output)
    };
    let size = ["--width", "64", "--height", "64", "--steps", "2", "--count", "20"];
    let generate = ["generate", "--model", model, "--prompt", "a fox", "--seed", "1", "--library", library];
    succeed(&[&generate[..], &size].concat());
    let listed = succeed(&["library", "list", "--library", library]);
    let ids: Vec<String> = listed.iter().map(|e| e["id"].to_string()).collect();
    assert_eq!(ids.len(), 20);
    for pair in ids.chunks(2) {
        succeed(&["library", "rate", &pair[0], "--over", &pair[1], "--library", library]);
    }
    let teach = [
        "finetune",
        "--ratings",
        library,
        "--imagined",
        "2",
        "--out",
        out,
        "--model",
        model,
        "--resolution",
        "64",
        "--rank",
        "2",
    ];
    let told = succeed(&[&teach[..], &["--steps", "6"]].concat());
    let prepared = of(&told, "prepared");
    let parts = ["choices", "held_out_choices", "proof_choices"].map(|part| prepared[part].as_u64().unwrap());
    // Eight of ten and two that taste imagined; ten are too few to keep some apart.
    assert_eq!(parts, [10, 2, 0], "{prepared}");
    let base = of(&told, "base")["held_out_loss"].as_f64().unwrap();
    assert!((base - std::f64::consts::LN_2).abs() < 1e-4, "{base}");
    let evidence = &of(&told, "done")["evidence"];
    assert_eq!(
        (&evidence["agrees"][1], &evidence["apart"], &evidence["is_gain"]),
        (&2.into(), &false.into(), &false.into())
    );
    let by_reward = succeed(&[&teach[..], &["--steps", "3", "--preference", "reward"]].concat());
    assert_eq!(of(&by_reward, "done")["steps"], 3);
}

#[test]
fn what_cannot_be_learnt_from_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().display().to_string(), folder.path().join("a.safetensors"));
    let model = "tests/reference/golden/tiny_sd";
    let refused = |arguments: &[&str], status: i32, said: &str| {
        let base = ["finetune", "--out", out.to_str().unwrap(), "--model", model];
        let output = kiln(&[&base[..], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{error}");
        assert!(error.contains(said) && error.trim_end().lines().count() == 1, "{error:?} says not {said:?}");
    };
    refused(&["--images", &images], 1, "holds no pictures");
    refused(&["--images", "no-such-folder"], 1, "no folder no-such-folder");
    refused(&["--images", &images, "--rank", "0"], 2, "rank 0");
    refused(&["--images", &images, "--rank-dropout", "1"], 2, "ranks left out 1");
    refused(&["--images", &images, "--optimizer", "lion"], 2, "adamw, adam, sgd");
    refused(&["--ratings", "no-such-folder"], 1, "no library at no-such-folder");
    refused(&["--ratings", &images], 1, "holds no choice yet");
    refused(&["--ratings", &images, "--loss", "perceptual"], 2, "leave --loss out");
    refused(&["--ratings", &images, "--beta", "0"], 2, "beta 0");
    refused(&["--ratings", &images, "--preference", "vote"], 2, "dpo, reward");
}
