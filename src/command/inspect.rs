//! `kiln inspect`: what a checkpoint, adapter or picture holds.

use super::output::Output;
use kiln::Result;
use kiln::insight::inspect::{Inspection, OneFile, Weights, inspect};
use kiln::model::original::family::Part;
use serde_json::json;
use std::path::PathBuf;

/// Show what a checkpoint, adapter or picture holds; of a picture, its Recipe.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A picture (PNG, JPEG, WebP), a .safetensors file, or the folder of a checkpoint.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    debug_assert_eq!(args.json, output.is_json());
    let found = inspect(&args.file)?;
    let mut event = json!({"event": "inspection", "path": args.file});
    if let (Some(event), Ok(serde_json::Value::Object(fields))) = (event.as_object_mut(), serde_json::to_value(&found))
    {
        event.extend(fields);
    }
    output.result(&event, || words(&found))
}

fn words(found: &Inspection) -> String {
    match found {
        Inspection::Picture { width, height, recipe, exact, .. } => {
            let mut lines = Vec::new();
            if *width > 0 {
                lines.push(format!("Picture, {width} x {height} pixels"));
            } else {
                lines.push("Picture".to_string());
            }
            match recipe {
                None => lines.push("It holds no recipe.".into()),
                Some(recipe) => {
                    lines.push(if *exact {
                        "Recipe, complete:".into()
                    } else {
                        "Recipe, as far as another program's parameters tell:".into()
                    });
                    lines.push(kiln::library::parameters::write(recipe));
                }
            }
            lines.join("\n")
        }
        Inspection::Weights(weights) => weight_lines(weights).join("\n"),
        Inspection::Checkpoint { class, bytes, parameters, components, prediction, memory } => {
            let mut lines = vec![format!("Checkpoint {class}: {} weights, {}", grouped(*parameters), size(*bytes))];
            lines.extend(prediction.iter().map(|prediction| format!("predicts: {prediction}")));
            lines.extend(memory.iter().map(|memory| format!("memory: {memory}")));
            for component in components {
                let class = component.class.as_deref().unwrap_or("no class named");
                lines.push(format!("{}: {class}", component.name));
                lines.extend(component.weights.iter().flat_map(weight_lines).map(|line| format!("  {line}")));
            }
            lines.join("\n")
        }
    }
}

fn weight_lines(weights: &Weights) -> Vec<String> {
    let types: Vec<String> = weights.dtypes.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut lines = vec![
        format!("{}: {}, {}", weights.file, weights.family, size(weights.bytes)),
        format!("{} tensors ({}), {} weights", weights.tensors, types.join(", "), grouped(weights.parameters)),
    ];
    if let Some(found) = &weights.checkpoint {
        lines.extend(checkpoint_lines(found));
    }
    lines.extend(weights.trouble.iter().map(|why| format!("Kiln cannot run it: {why}")));
    lines.extend(weights.metadata.iter().map(|(key, value)| format!("{key} = {value}")));
    lines.extend(weights.largest.iter().map(|(name, shape)| format!("largest: {name} {shape:?}")));
    lines
}

fn checkpoint_lines(found: &OneFile) -> Vec<String> {
    let also = if found.inpainting { ", for inpainting" } else { "" };
    let side = found.native_size;
    let mut lines = vec![format!("{}{also}, {}, for pictures of {side} x {side}", found.family, found.precision)];
    lines.extend(found.title.iter().map(|title| format!("title: {title}")));
    lines.extend(found.distilled.iter().map(|kind| format!("made for few steps: {kind}")));
    lines.push(format!("predicts: {} ({})", found.prediction, found.prediction_because));
    lines.push(format!("licence: {}", found.licence.as_deref().unwrap_or("the file does not say")));
    let part = |p: &Part| format!("part: {}, {} weights, {}", p.name, grouped(p.parameters), size(p.bytes));
    lines.extend(found.parts.iter().map(part));
    lines.extend(found.memory.iter().map(|memory| format!("memory: {memory}")));
    lines
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(" ")
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b < 10_000 => format!("{b} bytes"),
        b if b < 10_000_000 => format!("{:.1} kB", b as f64 / 1e3),
        b => format!("{:.1} MB", b as f64 / 1e6),
    }
}
