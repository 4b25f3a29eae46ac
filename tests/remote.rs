//! A device that `kiln serve` lends: the same pictures, a refused token, a server that dies in the middle.

#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const MODEL: &str = "tests/reference/golden/tiny_sd";

/// A server on a free port of this machine; it ends with this value.
struct Server {
    child: Child,
    device: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["serve", "--port", "0", "--device", "cpu", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let serving: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(serving["event"], "serving");
        let device = serving["use"].as_str().unwrap().to_string();
        assert!(device.contains("@127.0.0.1:"), "loopback unless told otherwise: {device}");
        Self { child, device }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn generate(device: &str, out: &Path, count: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(["generate", "--model", MODEL, "--prompt", "a fox", "--seed", "3", "--count", count, "--json"]);
    command.args(["--width", "64", "--height", "64", "--steps", "4", "--device", device, "--out"]).arg(out);
    command
}

fn pictures(output: &Output) -> Vec<PathBuf> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|e| e["event"] == "picture").map(|e| e["path"].as_str().unwrap().into()).collect()
}

fn pixels(path: &Path) -> Vec<u8> {
    image::open(path).unwrap().into_rgb8().into_raw()
}

#[test]
fn a_lent_device_draws_the_same_picture_and_asks_for_its_token() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let local = generate("cpu", &here, "1").output().unwrap();
    let lent = generate(&server.device, &there, "1").output().unwrap();
    assert!(lent.status.success(), "{}", String::from_utf8_lossy(&lent.stderr));
    assert!(String::from_utf8_lossy(&lent.stdout).contains("the machine at ws://127.0.0.1"));
    let (ours, theirs) = (pixels(&pictures(&local)[0]), pixels(&pictures(&lent)[0]));
    let far = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(far <= Some(2), "{far:?}");

    let place = server.device.rsplit_once('@').unwrap().1;
    let refused = generate(&format!("remote:ws://wrong@{place}"), &there, "1").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it refused the token"));
}

#[test]
fn a_server_that_dies_costs_no_picture() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        generate(&server.device, folder.path(), "6").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"picture\"") || !line.contains("path") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "it ended before the first picture");
    }
    drop(server);
    let rest: Vec<String> = reader.lines().map(|l| l.unwrap()).collect();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("going on with the CPU"), "{said}");
    assert_eq!(rest.iter().filter(|l| l.contains("\"path\"")).count(), 5, "{rest:?}");
}

#[test]
fn nothing_there_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let output = generate("remote:127.0.0.1:9", folder.path(), "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("start kiln serve on that machine first"), "{said}");
}
