//! A GPU draws what the CPU draws. Skipped with a message where there is none; software that plays one is slow, but will do.

#![cfg(feature = "gpu")]
#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use std::path::Path;
use std::process::{Command, Output};

fn generate(model: &str, device: &str, out: &Path) -> Output {
    let model = format!("tests/reference/golden/{model}");
    Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(["generate", "--model", &model, "--prompt", "a fox", "--seed", "3", "--device", device, "--out"])
        .arg(out)
        .args(["--width", "64", "--height", "64", "--steps", "3"])
        .output()
        .unwrap()
}

#[test]
fn a_gpu_draws_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for model in ["tiny_sd", "tiny_pipeline"] {
        let (there, here) = (folder.path().join("gpu").join(model), folder.path().join("cpu").join(model));
        let made = generate(model, "gpu", &there);
        let said = String::from_utf8_lossy(&made.stderr);
        if said.contains("There is no GPU") {
            eprintln!("Skipped: {said}");
            return;
        }
        assert!(made.status.success() && !said.contains("going on with the CPU"), "{said}");
        assert!(generate(model, "cpu", &here).status.success());
        let pixels = |folder: &Path| image::open(folder.join("kiln-3-1.png")).unwrap().into_rgb8().into_raw();
        let far = pixels(&there).iter().zip(pixels(&here)).map(|(a, b)| a.abs_diff(b)).max();
        assert!(far <= Some(2), "{model}: {far:?}");
    }
}
