//! How long pictures and quick looks take, and how much memory.

use super::desk::Desk;
use super::plan::Plan;
use super::reference::{pair, prompt};
use super::report::Speed;
use crate::Result;
use crate::insight::statistics::median;
use std::time::Instant;

/// Times pictures and quick looks of simple prompts.
pub fn measure(desk: &mut Desk, plan: &Plan, load_seconds: f64) -> Result<Speed> {
    desk.start("speed")?;
    let (mut pictures, mut previews) = (Vec::new(), Vec::new());
    for index in 0..plan.timed {
        let (family, palette) = pair(index);
        let recipe = desk.recipe(&prompt(family, &palette), desk.seed("speed", index));
        pictures.push(f64::from(desk.draw(&recipe)?.seconds));
        let began = Instant::now();
        desk.artist().preview(&recipe)?;
        previews.push(began.elapsed().as_secs_f64());
    }
    let defaults = &desk.artist().info().defaults;
    Ok(Speed {
        load_seconds,
        picture_seconds: median(&pictures),
        preview_seconds: median(&previews),
        steps: defaults.steps,
        size: defaults.width,
        parameters: desk.artist().info().parameters,
        peak_memory_bytes: peak_memory(),
    })
}

/// Most memory that this process has held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
