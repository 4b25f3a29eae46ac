//! The shipped model: what the README promises of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn kiln(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kiln")).args(arguments).output().expect("kiln starts")
}

/// Four pictures of one prompt; their paths in order.
fn foxes(out: &Path) -> Vec<PathBuf> {
    let out = out.display().to_string();
    let prompt = "a red fox in front of misty blue mountains, calm";
    let output = kiln(&["generate", "--prompt", prompt, "--seed", "7", "--count", "4", "--out", &out, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect("one JSON object a line"));
    lines.filter(|l| l["event"] == "picture").map(|l| PathBuf::from(l["path"].as_str().expect("a path"))).collect()
}

#[test]
fn four_pictures_differ_repeat_and_carry_their_recipe() {
    let folder = tempfile::tempdir().expect("folder");
    let first = foxes(&folder.path().join("first"));
    let second = foxes(&folder.path().join("second"));
    assert_eq!(first.len(), 4);
    let bytes =
        |paths: &[PathBuf]| -> Vec<Vec<u8>> { paths.iter().map(|p| std::fs::read(p).expect("a file")).collect() };
    assert_eq!(bytes(&first), bytes(&second), "a second run gives the same bytes");

    let mut all = Vec::new();
    for (i, path) in first.iter().enumerate() {
        let picture = image::open(path).expect("a picture").to_rgb8();
        assert_eq!(picture.dimensions(), (256, 256));
        let values = picture.as_raw();
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let spread = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(spread.sqrt() > 10.0, "{} is all but one colour", path.display());
        let found = kiln::library::metadata::read_file(path).expect("readable").recipe.expect("its Recipe");
        assert_eq!((found.seed, found.width, found.model.name.as_str()), (7 + i as u64, 256, "ember"));
        all.push(picture);
    }
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            let off: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(off as f64 / a.as_raw().len() as f64 > 4.0, "two seeds give almost the same picture");
        }
    }
}

#[test]
fn colour_words_and_the_warmth_slider_are_obeyed() {
    let folder = tempfile::tempdir().expect("folder");
    let mean = |name: &str, more: &[&str]| -> [f64; 3] {
        let out = folder.path().join(name).display().to_string();
        let mut arguments = vec!["generate", "--seed", "3", "--count", "3", "--out", &out];
        arguments.extend(more);
        let output = kiln(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for entry in std::fs::read_dir(&out).expect("folder").flatten() {
            for pixel in image::open(entry.path()).expect("a picture").to_rgb8().pixels() {
                (0..3).for_each(|k| sum[k] += f64::from(pixel.0[k]));
                count += 1.0;
            }
        }
        sum.map(|v| v / count)
    };
    let [red, _, blue] = mean("red", &["--prompt", "red mosaic"]);
    assert!(red > blue + 30.0, "a red mosaic is {red:.0} red and {blue:.0} blue");
    let [red, _, blue] = mean("blue", &["--prompt", "blue mosaic"]);
    assert!(blue > red + 30.0, "a blue mosaic is {red:.0} red and {blue:.0} blue");
    let warmth = |value: &str| {
        let set = format!("warmth={value}");
        let [red, _, blue] = mean(value, &["--prompt", "flowing lines", "--set", &set]);
        red - blue
    };
    let (cold, warm) = (warmth("0.1"), warmth("0.9"));
    assert!(warm > cold + 30.0, "red over blue: {cold:.0} when cold, {warm:.0} when warm");
}

#[test]
fn a_familys_word_and_its_slider_say_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let drawn = |name: &str, more: &[&str]| {
        let out = folder.path().join(name).display().to_string();
        let output = kiln(&[&["generate", "--seed", "5", "--steps", "3", "--out", &out], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = std::fs::read_dir(&out).expect("folder").flatten().next().expect("a picture");
        image::open(file.path()).expect("a picture").to_rgb8()
    };
    let glass = ["--set", "family:stained_glass=1"];
    let by_word = drawn("word", &["--prompt", "stained glass, blue"]);
    assert!(by_word == drawn("both", &[&["--prompt", "stained glass, blue"], &glass[..]].concat()));
    assert!(by_word == drawn("slider", &[&["--prompt", "blue"], &glass[..]].concat()));
    assert!(by_word != drawn("none", &["--prompt", "blue"]));
}

#[test]
fn it_fits_its_size() {
    fn bytes(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).expect("folder").flatten().map(|e| e.path());
        entries.map(|p| if p.is_dir() { bytes(&p) } else { p.metadata().map_or(0, |m| m.len()) }).sum()
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ember");
    assert!(bytes(&folder) <= 60_000_000, "{} bytes", bytes(&folder));
}
