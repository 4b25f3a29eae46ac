//! The Recipe as text in the AUTOMATIC1111 form, which most tools of the field read and write.
//!
//! ```text
//! a red fox, calm
//! Negative prompt: blurry
//! Steps: 8, Sampler: Euler, CFG scale: 3, Seed: 7, Size: 256x256, Model hash: 0123456789, Model: ember
//! ```
//! A first pass is what AUTOMATIC1111 calls the high-resolution fix: `Size` is then the first pass's, `Hires resize` the picture's.
//! Kiln adds `Sliders`, `Init image`, `Mask`, their hashes, `Mask outside` and `Outpaint`; readers ignore keys that they do not know.

use crate::recipe::{AdapterRef, FirstPass, MaskRef, ModelRef, Outpaint, Recipe, SourceRef, Upscaler, Variation};
use crate::sampler::SamplerKind;
use std::collections::BTreeMap;

/// Longest text that [`read`] looks at, in bytes.
pub const MAX_TEXT: usize = 1 << 20;

/// Writes a Recipe as AUTOMATIC1111 parameters.
pub fn write(recipe: &Recipe) -> String {
    let mut text = clean(&recipe.prompt);
    for adapter in &recipe.adapters {
        text += &format!(" <lora:{}:{}>", tag_name(&adapter.name), adapter.weight);
    }
    if !recipe.negative_prompt.trim().is_empty() {
        text += &format!("\nNegative prompt: {}", clean(&recipe.negative_prompt));
    }
    let (width, height) = recipe.first_size();
    let mut pairs: Vec<(&str, String)> = vec![
        ("Steps", recipe.steps.to_string()),
        ("Sampler", sampler_to_field(&recipe.sampler)),
        ("CFG scale", recipe.cfg_scale.to_string()),
        ("Seed", recipe.seed.to_string()),
        ("Size", format!("{width}x{height}")),
    ];
    if !recipe.model.hash.is_empty() {
        pairs.push(("Model hash", recipe.model.hash.chars().take(10).collect()));
    }
    pairs.push(("Model", recipe.model.name.clone()));
    if recipe.clip_skip > 1 {
        pairs.push(("Clip skip", recipe.clip_skip.to_string()));
    }
    if recipe.cfg_rescale > 0.0 {
        pairs.push(("CFG rescale", recipe.cfg_rescale.to_string()));
    }
    if recipe.skip_early_cfg > 0.0 {
        pairs.push(("Skip Early CFG", recipe.skip_early_cfg.to_string()));
    }
    if let Some(variation) = recipe.variation {
        pairs.push(("Variation seed", variation.subseed.to_string()));
        pairs.push(("Variation seed strength", variation.strength.to_string()));
    }
    if recipe.seamless {
        pairs.push(("Tiling", "True".into()));
    }
    if let Some(first) = &recipe.first_pass {
        pairs.push(("Denoising strength", first.denoising_strength.to_string()));
        pairs.push(("Hires resize", format!("{}x{}", recipe.width, recipe.height)));
        pairs.push(("Hires upscaler", first.upscaler.label().into()));
    }
    if let Some(source) = &recipe.source {
        pairs.push(("Denoising strength", source.denoising_strength.to_string()));
        pairs.push(("Init image", source.path.clone()));
        if !source.hash.is_empty() {
            pairs.push(("Init image hash", source.hash.clone()));
        }
    }
    if let Some(mask) = &recipe.mask {
        pairs.push(("Mask", mask.path.clone()));
        if !mask.hash.is_empty() {
            pairs.push(("Mask hash", mask.hash.clone()));
        }
        if !mask.keep_outside {
            pairs.push(("Mask outside", "redrawn".into()));
        }
    }
    if let Some(Outpaint { left, top, right, bottom }) = recipe.outpaint {
        pairs.push(("Outpaint", format!("{left}, {top}, {right}, {bottom}")));
    }
    if !recipe.adapters.is_empty() {
        let hashes: Vec<String> =
            recipe.adapters.iter().map(|a| format!("{}: {}", tag_name(&a.name), a.hash)).collect();
        pairs.push(("Lora hashes", hashes.join(", ")));
    }
    if !recipe.embeddings.is_empty() {
        let hashes: Vec<String> =
            recipe.embeddings.iter().map(|e| format!("{}: {}", tag_name(&e.name), e.hash)).collect();
        pairs.push(("TI hashes", hashes.join(", ")));
    }
    if !recipe.sliders.is_empty() {
        let sliders: Vec<String> = recipe.sliders.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.push(("Sliders", sliders.join(", ")));
    }
    pairs.push(("Version", format!("Kiln {}", env!("CARGO_PKG_VERSION"))));
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {}", quote(value))).collect();
    text + "\n" + &pairs.join(", ")
}

/// Reads AUTOMATIC1111 parameters; `None` when the text does not look like any. Missing keys keep the values of
/// `Recipe::default()`, except that the size falls back to `size` (width, height in pixels) where the text has none.
pub fn read(text: &str, size: Option<(u32, u32)>) -> Option<Recipe> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    // Values may hold line ends inside quotes, and some tools add lines after the pairs: the block starts at the last
    // line that opens with the pairs every writer puts first.
    let start = lines.iter().rposition(|line| line.trim_start().starts_with("Steps:"))?;
    let pairs = pairs(&lines[start..].join("\n"));
    let mut recipe = Recipe::default();
    if let Some((width, height)) = size {
        (recipe.width, recipe.height) = (width, height);
    }
    let negative = lines[..start].iter().position(|line| line.trim_start().starts_with("Negative prompt:"));
    let prompt = lines[..negative.unwrap_or(start)].join("\n");
    if let Some(at) = negative {
        let joined = lines[at..start].join("\n");
        recipe.negative_prompt = joined.trim_start().trim_start_matches("Negative prompt:").trim().to_string();
    }
    let hashes = pairs.get("Lora hashes").map(String::as_str).unwrap_or_default();
    (recipe.prompt, recipe.adapters) = take_adapters(&prompt, hashes);
    recipe.model = ModelRef {
        name: pairs.get("Model").cloned().unwrap_or_default(),
        hash: pairs.get("Model hash").cloned().unwrap_or_default(),
    };
    let number = |key: &str| pairs.get(key).and_then(|v| v.parse::<f32>().ok()).filter(|v| v.is_finite());
    recipe.steps = pairs.get("Steps").and_then(|v| v.parse().ok()).unwrap_or(recipe.steps);
    recipe.seed = pairs.get("Seed").and_then(|v| v.parse().ok()).unwrap_or(recipe.seed);
    recipe.cfg_scale = number("CFG scale").unwrap_or(recipe.cfg_scale);
    let size = |key: &str| -> Option<(u32, u32)> {
        let (width, height) = pairs.get(key)?.split_once('x')?;
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    };
    if let Some(size) = size("Size") {
        (recipe.width, recipe.height) = size;
    }
    let by = |side: u32, scale: f32| (f64::from(side) * f64::from(scale)) as u32;
    let enlarged = size("Hires resize")
        .or_else(|| number("Hires upscale").map(|scale| (by(recipe.width, scale), by(recipe.height, scale))));
    if let (Some(whole), Some(denoising_strength)) = (enlarged, number("Denoising strength")) {
        let (width, height) = (recipe.width, recipe.height);
        let upscaler = pairs.get("Hires upscaler").map_or_else(Upscaler::default, |name| Upscaler::from_label(name));
        recipe.first_pass = Some(FirstPass { width, height, denoising_strength, upscaler });
        (recipe.width, recipe.height) = whole;
    }
    recipe.seamless = pairs.get("Tiling").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if let Some(name) = pairs.get("Sampler") {
        recipe.sampler = sampler_from_field(name, pairs.get("Schedule type").map(String::as_str));
    }
    if let (Some(path), Some(denoising_strength)) = (pairs.get("Init image"), number("Denoising strength")) {
        let hash = pairs.get("Init image hash").cloned().unwrap_or_default();
        recipe.source = Some(SourceRef { path: path.clone(), hash, denoising_strength });
    }
    if let Some(path) = pairs.get("Mask") {
        let hash = pairs.get("Mask hash").cloned().unwrap_or_default();
        let keep_outside = pairs.get("Mask outside").is_none_or(|v| v != "redrawn");
        recipe.mask = Some(MaskRef { path: path.clone(), hash, keep_outside });
    }
    recipe.clip_skip = pairs.get("Clip skip").and_then(|v| v.parse().ok()).unwrap_or(recipe.clip_skip);
    recipe.cfg_rescale = number("CFG rescale").unwrap_or(recipe.cfg_rescale);
    recipe.skip_early_cfg = number("Skip Early CFG").unwrap_or(recipe.skip_early_cfg);
    if let (Some(subseed), Some(strength)) =
        (pairs.get("Variation seed").and_then(|v| v.parse().ok()), number("Variation seed strength"))
    {
        recipe.variation = Some(Variation { subseed, strength });
    }
    recipe.outpaint = pairs.get("Outpaint").and_then(|v| v.parse().ok());
    for pair in pairs.get("Sliders").map(String::as_str).unwrap_or_default().split(", ") {
        if let Some((name, value)) = pair.split_once('=')
            && let Ok(value) = value.parse::<f32>()
            && value.is_finite()
        {
            recipe.sliders.insert(name.trim().to_string(), value);
        }
    }
    Some(recipe)
}

/// Text that survives the trip: no NUL (it ends a PNG text), one kind of line end.
fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\r', '\0'], " ").trim().to_string()
}

/// A value as AUTOMATIC1111 quotes it: as a JSON string when it holds a separator.
fn quote(value: &str) -> String {
    let plain = !value.contains([',', ':', '\n', '\r', '"', '\\', '\0']) && value.trim() == value && !value.is_empty();
    if plain { value.to_string() } else { serde_json::Value::from(value).to_string() }
}

/// `key: value` pairs, separated by commas; a value in quotes is a JSON string.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let (value, next) = if after.starts_with('"') {
            let end = closing_quote(after);
            let quoted = &after[..end];
            let value = serde_json::from_str::<String>(quoted).unwrap_or_else(|_| quoted.trim_matches('"').to_string());
            (value, after[end..].split_once(',').map_or("", |(_, next)| next))
        } else {
            let (value, next) = after.split_once(',').unwrap_or((after, ""));
            (value.trim().to_string(), next)
        };
        // The first of two equal keys wins, as the pairs that every writer puts first are the picture's own.
        found.entry(key.trim().to_string()).or_insert(value);
        rest = next;
    }
    found
}

/// Index just past the quote that closes the string which `text` opens with, or its length.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn sampler_to_field(name: &str) -> String {
    name.parse::<SamplerKind>().map_or_else(|_| name.to_string(), |kind| kind.label().to_string())
}

/// Labels of samplers are AUTOMATIC1111's; the spacing stands behind the sampler in old files, in its own field in new ones.
fn sampler_from_field(name: &str, schedule: Option<&str>) -> String {
    let find = |wanted: &str| SamplerKind::every().find(|k| k.label().eq_ignore_ascii_case(wanted));
    let full = schedule.map_or(name.to_string(), |schedule| format!("{name} {schedule}"));
    match find(&full).or_else(|| find(name)) {
        Some(kind) => kind.name().into(),
        None => name.to_lowercase().replace("++", "pp").replace(' ', "_"),
    }
}

/// An adapter's name inside `<lora:name:weight>`: the file's stem, without the characters that end the tag.
fn tag_name(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.trim_end_matches(".safetensors").replace([':', '<', '>', ',', '\n'], "_")
}

/// Takes `<lora:name:weight>` tags out of a prompt.
fn take_adapters(prompt: &str, hashes: &str) -> (String, Vec<AdapterRef>) {
    let hashes: BTreeMap<&str, &str> =
        hashes.split(',').filter_map(|pair| pair.split_once(':')).map(|(k, v)| (k.trim(), v.trim())).collect();
    let mut adapters = Vec::new();
    let mut left = String::new();
    let mut rest = prompt;
    while let Some(at) = rest.find("<lora:") {
        let tag = &rest[at + 6..];
        let parsed = tag.find('>').and_then(|end| {
            let (name, weight) = tag[..end].rsplit_once(':').unwrap_or((&tag[..end], "1"));
            let weight: f32 = weight.parse().ok()?;
            (weight.is_finite() && !name.is_empty()).then_some((end, name, weight))
        });
        match parsed {
            Some((end, name, weight)) => {
                left += rest[..at].trim_end_matches(' ');
                let hash = hashes.get(name).map_or(String::new(), |hash| (*hash).to_string());
                adapters.push(AdapterRef { name: name.to_string(), hash, weight });
                rest = &tag[end + 1..];
            }
            None => {
                left += &rest[..at + 6];
                rest = tag;
            }
        }
    }
    left += rest;
    (left.trim().to_string(), adapters)
}
