//! What a checkpoint is, in the few facts that matter before it is loaded.

use super::inspect::{Component, Inspection, Weights, inspect};
use crate::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest part of a model card that is read, in bytes; its licence stands at the top.
const MAX_README: u64 = 64 << 10;

/// A checkpoint in a few facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// `Stable Diffusion XL`, or the class that a folder names.
    pub family: String,
    /// Size of its weight files, in bytes.
    pub bytes: u64,
    /// What the denoiser predicts, in words; absent where nothing says so.
    pub prediction: Option<String>,
    /// Licence, as its author wrote it; absent where no file says so.
    pub licence: Option<String>,
    /// What else is worth knowing: few steps, inpainting, precision.
    pub notes: Vec<String>,
    /// Whether it fits this machine's memory now; `None` where the system does not say.
    pub memory: Option<String>,
}

impl Card {
    /// Looks into a checkpoint of either layout, without loading weights.
    ///
    /// # Errors
    /// When it is damaged, no checkpoint, or one that Kiln cannot run.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        match inspect(path)? {
            Inspection::Checkpoint { class, bytes, components, prediction, memory, .. } => Ok(Self {
                family: folder_family(&class),
                bytes,
                prediction: prediction.as_deref().or_else(|| follows_flow(&components)).map(prediction_in_words),
                licence: card_licence(&path.join("README.md")),
                notes: if components.iter().any(|c| c.name.starts_with("transformer")) {
                    vec!["a transformer, which Kiln cannot run".into()]
                } else {
                    Vec::new()
                },
                memory,
            }),
            Inspection::Weights(Weights { trouble: Some(why), .. }) => Err(Error::failed(why)),
            Inspection::Weights(Weights { bytes, checkpoint: Some(found), .. }) => {
                let steps = found.distilled.map(|kind| format!("for few steps ({kind})"));
                let mask = found.inpainting.then(|| "for inpainting".to_string());
                Ok(Self {
                    family: found.family,
                    bytes,
                    prediction: Some(prediction_in_words(&found.prediction)),
                    licence: found.licence,
                    notes: steps.into_iter().chain(mask).chain([found.precision]).collect(),
                    memory: found.memory,
                })
            }
            Inspection::Weights(weights) if weights.is_adapter() => Err(Error::failed(format!(
                "{name} is an adapter (LoRA), not a whole model: choose a checkpoint here, and put the adapter on top of it."
            ))),
            Inspection::Weights(weights) => Err(Error::failed(format!(
                "{name} is not a whole model ({}): choose a checkpoint with denoiser, text encoder and decoder.",
                weights.family
            ))),
            Inspection::Picture { .. } => Err(Error::failed(format!(
                "{name} is a picture, not a model: choose a .safetensors file or a folder with a model_index.json."
            ))),
        }
    }

    /// The facts on one line: `Stable Diffusion XL · 6.9 GB · predicts noise`.
    pub fn line(&self) -> String {
        let predicts = self.prediction.iter().map(|p| format!("predicts {p}"));
        let facts = [self.family.clone(), size(self.bytes)].into_iter().chain(predicts);
        facts.collect::<Vec<_>>().join(" · ")
    }

    /// The licence in a sentence, also where there is none.
    pub fn licence_line(&self) -> String {
        self.licence.as_ref().map_or("Licence: the file does not say".into(), |l| format!("Licence: {l}"))
    }
}

/// What a folder's pipeline class means.
fn folder_family(class: &str) -> String {
    match class {
        "StableDiffusionXLPipeline" => "Stable Diffusion XL".into(),
        "StableDiffusionPipeline" => "Stable Diffusion".into(),
        "KilnPipeline" => "Kiln's own".into(),
        other => other.strip_suffix("Pipeline").unwrap_or(other).to_string(),
    }
}

/// A scheduler for flows says by its class alone what is predicted.
fn follows_flow(components: &[Component]) -> Option<&'static str> {
    let flow = |c: &Component| c.class.as_ref().is_some_and(|class| class.starts_with("FlowMatch"));
    components.iter().any(flow).then_some("flow")
}

fn prediction_in_words(word: &str) -> String {
    match word {
        "epsilon" => "noise".into(),
        "v_prediction" => "velocity (v)".into(),
        "flow" => "a flow".into(),
        other => other.into(),
    }
}

/// The `license:` of a model card's front matter, as model hubs write it.
fn card_licence(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_README).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let front = text.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let front = front.split_once("\n---").map_or(front, |(front, _)| front);
    let value = |key: &str| {
        let line = front.lines().find_map(|line| line.strip_prefix(key))?;
        let value = line.trim().trim_matches(['"', '\'']);
        (!value.is_empty() && value != "other").then(|| value.chars().take(80).collect::<String>())
    };
    // Where the licence is of no list, its name stands in another line.
    value("license:").or_else(|| value("license_name:"))
}

/// Bytes as people say them.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.0} kB", (b / 1e3).max(1.0)),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_says_what_it_is() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden");
        let card = Card::read(&golden.join("tiny_sd")).unwrap();
        assert_eq!(card.prediction.as_deref(), Some("noise"));
        assert!(card.line().starts_with("Stable Diffusion · ") && card.line().ends_with("predicts noise"), "{card:?}");
        assert_eq!(card.licence_line(), "Licence: the file does not say");
        let own = Card::read(&golden.join("tiny_pipeline")).unwrap();
        assert!(own.line().starts_with("Kiln's own · ") && own.line().ends_with("predicts a flow"), "{own:?}");
    }

    #[test]
    fn the_licence_comes_from_the_head_of_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("README.md");
        let says = |text: &str| {
            fs::write(&path, text).unwrap();
            card_licence(&path)
        };
        assert_eq!(says("---\nlicense: openrail++\ntags: [x]\n---\n# Model").as_deref(), Some("openrail++"));
        assert_eq!(says("---\nlicense: other\nlicense_name: \"my own\"\n---\n").as_deref(), Some("my own"));
        assert_eq!(says("# Model\nlicense: mit"), None);
        assert_eq!(card_licence(&folder.path().join("absent")), None);
    }

    #[test]
    fn what_is_no_model_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let text = "words".to_string();
        fs::write(folder.path().join("a.png"), text).unwrap();
        for (name, word) in [("a.png", "PNG"), ("b.ckpt", "pickle"), ("c.safetensors", "open")] {
            let error = Card::read(&folder.path().join(name)).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
        let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/lora/peft.safetensors");
        assert!(Card::read(&lora).unwrap_err().message.contains("adapter"));
    }
}
