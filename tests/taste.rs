//! The whole loop of taste through the built program: make pictures, choose, look at what was learnt, bend, forget.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn kiln(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(arguments).env_remove("KILN_LIBRARY").env_remove("KILN_MODELS").stdin(Stdio::null());
    command.output().unwrap()
}

/// The events of a call that must succeed.
fn events(arguments: &[&str]) -> Vec<Value> {
    let output = kiln(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(arguments: &[&str], status: i32, said: &str) {
    let output = kiln(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    assert!(error.contains(said) && error.trim_end().lines().count() == 1, "{arguments:?}: {error}");
}

fn tiny() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/tiny_pipeline").display().to_string()
}

#[test]
fn make_choose_learn_bend_and_forget() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("library").display().to_string();
    let model = tiny();
    let make = |more: &[&str]| {
        let common = ["generate", "--model", &model, "--prompt", "a red fox", "--seed", "5"];
        let all = events(&[&common, more].concat());
        all.into_iter().filter(|e| e["event"] == "picture").collect::<Vec<_>>()
    };
    let made = make(&["--count", "8", "--library", &library]);
    let ids: Vec<i64> = made.iter().map(|e| e["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 8);
    assert!(made.iter().all(|e| Path::new(e["path"].as_str().unwrap()).is_file()));

    // Before anything was chosen, that is said, and the wall is the plain one.
    let taste = &events(&["library", "taste", "--library", &library])[0];
    assert_eq!((&taste["choices"], &taste["evidence"]), (&0.into(), &false.into()));
    assert!(taste["sentence"].as_str().unwrap().contains("No evidence yet"));
    let out = folder.path().join("out").display().to_string();
    let plain = make(&["--count", "2", "--out", &out, "--taste", &library]);
    assert_eq!(plain.iter().map(|e| e["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(plain[0]["recipe"]["prompt"], "a red fox");

    // By pairs in both spellings, by stars, by marks.
    let id: Vec<String> = ids.iter().map(i64::to_string).collect();
    let compared = &events(&["library", "rate", &id[0], "--over", &id[1], "--over", &id[2], "--library", &library]);
    assert_eq!((compared.len(), &compared[1]["loser"]), (2, &ids[2].into()));
    events(&["library", "prefer", &id[0], &id[3], "--library", &library]);
    events(&["library", "rate", &id[4], "5", "--library", &library]);
    events(&["library", "rate", &id[5], "1", "--library", &library]);
    let marked = &events(&["library", "rate", &id[6], "--favourite", "--library", &library])[0];
    assert_eq!(marked["favourite"], true);
    events(&["library", "rate", &id[7], "--reject", "--library", &library]);
    let taste = &events(&["library", "taste", "--library", &library])[0];
    assert_eq!(taste["choices"], 7, "{taste}");
    assert!(taste["accuracy"].is_null(), "too few to say: {taste}");
    let words = kiln(&["library", "taste", "--library", &library]);
    assert!(String::from_utf8(words.stdout).unwrap().contains("7 choices"));

    // The wall is bent, again the same, and its Recipes say how.
    let wall = || make(&["--count", "3", "--out", &out, "--taste", &library, "--explore", "1", "--looks", "2"]);
    let first = wall();
    assert_eq!(first.len(), 3);
    let recipes = |wall: &[Value]| wall.iter().map(|e| e["recipe"].clone()).collect::<Vec<_>>();
    assert_eq!(recipes(&first), recipes(&wall()));
    for event in &first {
        let held = kiln::library::metadata::read_file(Path::new(event["path"].as_str().unwrap())).unwrap();
        let held = held.recipe.unwrap();
        assert_eq!(serde_json::to_value(&held.sliders).unwrap(), event["recipe"]["sliders"]);
        assert!(held.prompt.starts_with("a red fox"));
    }
    let bent = |e: &Value| e["recipe"]["sliders"].as_object().is_some_and(|s| !s.is_empty()) || e["seed"] != 5;
    assert!(first.iter().any(bent), "{first:?}");

    let forgotten = &events(&["library", "forget", "--library", &library])[0];
    assert_eq!((&forgotten["pictures"], &forgotten["comparisons"]), (&4.into(), &3.into()));
    let taste = &events(&["library", "taste", "--library", &library])[0];
    assert_eq!(taste["choices"], 0);
    assert_eq!(events(&["library", "list", "--library", &library]).len(), 8);
}

#[test]
fn pictures_from_elsewhere_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let library = folder.path().join("library").display().to_string();
    let all = ["generate", "--model", &tiny(), "--prompt", "waves", "--seed", "3", "--out", &out];
    let made = events(&all);
    let path = made.iter().find(|e| e["event"] == "picture").unwrap()["path"].as_str().unwrap().to_string();
    let added = events(&["library", "add", &path, &path, "--library", &library]);
    assert_eq!((added.len(), &added[0]["seed"], &added[0]["prompt"]), (2, &3.into(), &"waves".into()));
    refused(&["library", "add", "/no/such/file.png", "--library", &library], 1, "/no/such/file.png");
}

#[test]
fn wrong_wishes_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("library").display().to_string();
    let generate = ["generate", "--model", &tiny(), "--prompt", "x", "--taste"];
    refused(&[&generate[..], &["/no/such/library"]].concat(), 1, "no library at /no/such/library");
    events(&[&generate[..5], &["--library", &library]].concat());
    refused(&[&generate[..], &[&library, "--explore", "2"]].concat(), 2, "0 to 1");
    refused(&[&generate[..], &[&library, "--looks", "0"]].concat(), 2, "1 to 32");
    refused(&[&generate[..5], &["--explore", "0.5"]].concat(), 2, "--taste");
    refused(&["library", "rate", "1", "--library", &library], 2, "required");
    refused(&["library", "rate", "1", "--over", "1", "--library", &library], 2, "compared with itself");
    refused(&["library", "prefer", "1", "99", "--library", &library], 1, "no picture 99");
    refused(&["library", "rate", "1", "--favourite", "maybe", "--library", &library], 2, "on or off");
}
