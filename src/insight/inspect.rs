//! What a checkpoint, an adapter or a picture holds, without loading its weights.

use crate::library::metadata;
use crate::model::autoencoder::AutoencoderConfig;
use crate::model::checkpoint;
use crate::model::memory::{Machine, Need, sentence};
use crate::model::original::Original;
use crate::model::original::family::{Part, precision};
use crate::recipe::Recipe;
use crate::{Error, Result};
use safetensors::tensor::Metadata;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Longest safetensors header that is read, in bytes; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Longest configuration file that is read, in bytes.
const MAX_CONFIG: u64 = 4 << 20;
/// Longest value of a weight file's own notes that is kept, in characters.
const MAX_NOTE: usize = 200;

/// What a file or folder holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // a Recipe is large; one answer is alive at once
pub enum Inspection {
    /// A picture file.
    Picture {
        /// Width in pixels, 0 when not measured.
        width: u32,
        /// Height in pixels, 0 when not measured.
        height: u32,
        /// What made it, if it says so.
        recipe: Option<Recipe>,
        /// Whether the Recipe is Kiln's own, complete one.
        exact: bool,
        /// The AUTOMATIC1111 text, if there is one.
        parameters: Option<String>,
    },
    /// One safetensors file.
    Weights(Weights),
    /// A checkpoint folder in the diffusers layout.
    Checkpoint {
        /// Pipeline class of `model_index.json`.
        class: String,
        /// Size of all weight files, in bytes.
        bytes: u64,
        /// Number of weights.
        parameters: u64,
        /// Its parts, sorted by name.
        components: Vec<Component>,
        /// What the denoiser predicts, as its scheduler's configuration says.
        prediction: Option<String>,
        /// Whether it fits this machine's memory now, and what would; `None` where the system does not say.
        memory: Option<String>,
    },
}

/// A part of a checkpoint folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Component {
    /// Name of its folder.
    pub name: String,
    /// Class that `model_index.json` or its own configuration names.
    pub class: Option<String>,
    /// Its weight files.
    pub weights: Vec<Weights>,
}

/// What the header of a safetensors file says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weights {
    /// Name of the file.
    pub file: String,
    /// What it seems to be, by the names of its tensors.
    pub family: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of tensors of each type.
    pub dtypes: BTreeMap<String, usize>,
    /// Number of weights.
    pub parameters: u64,
    /// The three largest tensors and their shapes.
    pub largest: Vec<(String, Vec<usize>)>,
    /// The file's own notes, long ones cut.
    pub metadata: BTreeMap<String, String>,
    /// What is known of a whole checkpoint in one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<OneFile>,
    /// Why Kiln cannot run it, where it looks like a whole checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Weights {
    /// Whether these are corrections on top of a checkpoint.
    pub fn is_adapter(&self) -> bool {
        self.family.starts_with("LoRA")
    }
}

/// A whole checkpoint in the original layout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OneFile {
    /// The family's name.
    pub family: String,
    /// The type of most of its bytes.
    pub precision: String,
    /// Its networks.
    pub parts: Vec<Part>,
    /// `epsilon` or `v_prediction`.
    pub prediction: String,
    /// What says so.
    pub prediction_because: String,
    /// Side of its training pictures, pixels.
    pub native_size: u32,
    /// `turbo`, `lightning` or `lcm`.
    pub distilled: Option<String>,
    /// Whether it also takes a mask.
    pub inpainting: bool,
    /// Title, as its author wrote it.
    pub title: Option<String>,
    /// Licence, as its author wrote it.
    pub licence: Option<String>,
    /// Whether it fits this machine's memory now, and what would; `None` where the system does not say.
    pub memory: Option<String>,
}

/// Looks into a picture, a safetensors file or a checkpoint folder.
///
/// # Errors
/// When there is nothing at the path, it is damaged, it is of no known kind, or it is a pickle.
pub fn inspect(path: &Path) -> Result<Inspection> {
    if path.is_dir() {
        return folder_checkpoint(path);
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "safetensors" => {
            let mut weights = weights(path)?;
            if weights.family.ends_with(CHECKPOINT) || weights.family == ORIGINAL {
                match one_file(path) {
                    Ok(found) => weights.checkpoint = found,
                    Err(why) => weights.trouble = Some(why.message),
                }
            }
            Ok(Inspection::Weights(weights))
        }
        "ckpt" | "pt" | "pth" | "bin" | "pkl" => Err(Error::failed(format!(
            "{} is a pickle, which can run any program when it is opened: convert it to .safetensors and use that.",
            path.display()
        ))),
        _ => {
            let found = metadata::read_file(path)?;
            let metadata::Found { width, height, recipe, exact, parameters } = found;
            Ok(Inspection::Picture { width, height, recipe, exact, parameters })
        }
    }
}

/// What a whole checkpoint in one file says of itself.
fn one_file(path: &Path) -> Result<Option<OneFile>> {
    let weights = checkpoint::Weights::open(path)?;
    let Some(found) = Original::read(path, &weights)? else { return Ok(None) };
    let parts = found.parts(&weights);
    let parameters = parts.iter().map(|part| part.parameters).sum();
    Ok(Some(OneFile {
        family: found.family.name().into(),
        precision: precision(&weights),
        prediction: found.predicts.word().into(),
        prediction_because: found.predicts_because.clone(),
        native_size: found.native_size,
        distilled: found.distilled().map(|kind| kind.word().into()),
        inpainting: found.is_inpainting(),
        title: found.hints.title.clone(),
        licence: found.hints.licence.clone(),
        memory: fits(&Need::new(parameters, found.native_size, found.vae.first_width())),
        parts,
    }))
}

/// Whether something fits into memory now.
fn fits(need: &Need) -> Option<String> {
    Machine::ask().map(|machine| sentence(need, &machine))
}

/// Reads the header of a safetensors file.
///
/// # Errors
/// When the file cannot be read, is shorter than it says, or its header is damaged.
pub fn weights(path: &Path) -> Result<Weights> {
    let damaged = |why: String| {
        Error::failed(format!("{} is not a whole safetensors file: {why}. Get the file again.", path.display()))
    };
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let bytes = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    let mut head = [0; 8];
    file.read_exact(&mut head).map_err(|_| damaged("it is shorter than a header".into()))?;
    let length = u64::from_le_bytes(head);
    if length > MAX_HEADER || length > bytes.saturating_sub(8) {
        return Err(damaged(format!("its header claims {length} bytes, the file has {bytes}")));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(|e| Error::io("read", path, e))?;
    let parsed: Metadata = serde_json::from_slice(&header).map_err(|e| damaged(e.to_string()))?;
    let data = parsed.data_len() as u64;
    let whole = data.saturating_add(8 + length);
    if bytes != whole {
        return Err(damaged(format!("it should have {whole} bytes and has {bytes}")));
    }
    let tensors = parsed.tensors();
    let mut dtypes = BTreeMap::new();
    let mut sized = Vec::new();
    for (name, info) in &tensors {
        *dtypes.entry(format!("{:?}", info.dtype)).or_insert(0) += 1;
        let count = info.shape.iter().fold(1u64, |product, side| product.saturating_mul(*side as u64));
        sized.push((count, name.clone(), info.shape.clone()));
    }
    sized.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    Ok(Weights {
        file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        family: family(&names),
        bytes,
        tensors: tensors.len(),
        dtypes,
        parameters: sized.iter().fold(0, |sum, (count, ..)| sum.saturating_add(*count)),
        largest: sized.into_iter().take(3).map(|(_, name, shape)| (name, shape)).collect(),
        metadata: parsed.metadata().as_ref().map(notes).unwrap_or_default(),
        checkpoint: None,
        trouble: None,
    })
}

fn notes(notes: &HashMap<String, String>) -> BTreeMap<String, String> {
    let cut = |value: &str| match value.char_indices().nth(MAX_NOTE) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_string(),
    };
    notes.iter().map(|(key, value)| (key.clone(), cut(value))).collect()
}

/// How the family of a whole checkpoint ends.
const CHECKPOINT: &str = "checkpoint";
/// The family of what may be one, or a part of one.
const ORIGINAL: &str = "denoiser in the original Stable Diffusion keys";

/// What the names of the tensors tell.
fn family(names: &[&str]) -> String {
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    let begins = |part: &str| names.iter().any(|name| name.starts_with(part));
    let what = if any("lora_down.weight") || any("lora_up.weight") {
        "LoRA adapter (kohya keys)"
    } else if any(".lora_A.") || any(".lora_B.") || any(".lora.down.") {
        "LoRA adapter (diffusers/PEFT keys)"
    } else if begins("conditioner.embedders.1.") && begins("model.diffusion_model.") {
        "Stable Diffusion XL checkpoint"
    } else if begins("cond_stage_model.model.") && begins("model.diffusion_model.") {
        "Stable Diffusion 2.x checkpoint"
    } else if begins("model.diffusion_model.") && begins("cond_stage_model.transformer.") {
        "Stable Diffusion 1.x checkpoint"
    } else if begins("model.diffusion_model.") {
        ORIGINAL
    } else if begins("text_model.") || begins("embeddings.token_embedding") {
        "CLIP text encoder"
    } else if begins("down_blocks.") && any("time_embedding.") {
        "U-Net denoiser (diffusers keys)"
    } else if begins("transformer_blocks.") || begins("pos_embed.") {
        "transformer denoiser (diffusers keys)"
    } else if begins("encoder.layers.") && begins("decoder.layers.") {
        "tiny autoencoder (diffusers keys)"
    } else if begins("decoder.layers.") {
        "tiny decoder for previews (diffusers keys)"
    } else if ["", "decoder.", "taesd_decoder."].iter().any(|prefix| {
        ["1.weight", "3.conv.0.weight"].iter().all(|key| names.contains(&format!("{prefix}{key}").as_str()))
    }) {
        "tiny decoder for previews (TAESD's keys)"
    } else if begins("encoder.") && begins("decoder.") {
        "autoencoder"
    } else if names.len() == 1 || (names.len() == 2 && any("clip_l") && any("clip_g")) {
        "textual inversion (a learnt word)"
    } else {
        "weights of no known family"
    };
    what.to_string()
}

fn folder_checkpoint(folder: &Path) -> Result<Inspection> {
    let index = folder.join("model_index.json");
    if !index.is_file() {
        return Err(Error::failed(format!(
            "{} holds no model_index.json: name the folder of a checkpoint in the diffusers layout.",
            folder.display()
        )));
    }
    let index = config(&index)?;
    let class = index.get("_class_name").and_then(|v| v.as_str()).unwrap_or("without a class name").to_string();
    let mut components = Vec::new();
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    for path in folders {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let named = index.get(&name).and_then(|pair| pair.get(1)).and_then(|v| v.as_str()).map(str::to_string);
        let own = || {
            let config = config(&path.join("config.json")).ok()?;
            let class = config.get("_class_name").or_else(|| config.get("architectures")?.get(0))?;
            class.as_str().map(str::to_string)
        };
        let class = named.or_else(own);
        let mut weights = Vec::new();
        let files = fs::read_dir(&path).map_err(|e| Error::io("read", &path, e))?;
        let mut files: Vec<_> = files.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "safetensors")) {
            weights.push(self::weights(file)?);
        }
        if class.is_some() || !weights.is_empty() {
            components.push(Component { name, class, weights });
        }
    }
    let all = || components.iter().flat_map(|component| &component.weights);
    let (bytes, parameters) = (all().map(|w| w.bytes).sum(), all().map(|w| w.parameters).sum());
    let scheduler = folder.join("scheduler/scheduler_config.json");
    let prediction = config(&scheduler).ok().and_then(|c| Some(c.get("prediction_type")?.as_str()?.to_string()));
    // Whoever wrote it says how large its pictures are; where nobody does, those of the first generation.
    let sizes = || {
        let vae = AutoencoderConfig::from_json(config(&folder.join("vae/config.json")).ok()?).ok()?;
        vae.check().ok()?;
        let side =
            config(&folder.join("unet/config.json")).ok()?.get("sample_size").and_then(|v| v.as_u64()).unwrap_or(64);
        Some((u32::try_from(side.checked_mul(vae.downscale() as u64)?).ok()?.clamp(64, 2048), vae.first_width()))
    };
    let (side, width) = sizes().unwrap_or((512, 128));
    let memory = fits(&Need::new(parameters, side, width));
    Ok(Inspection::Checkpoint { class, bytes, parameters, components, prediction, memory })
}

fn config(path: &Path) -> Result<serde_json::Value> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut text = Vec::new();
    file.take(MAX_CONFIG).read_to_end(&mut text).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_slice(&text).map_err(|e| Error::failed(format!("{} is not valid JSON: {e}.", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use safetensors::tensor::{Dtype, TensorView};

    fn save(path: &Path, names: &[&str]) {
        let data = [0u8; 24];
        let view = || TensorView::new(Dtype::F16, vec![3, 4], &data).unwrap();
        let notes = HashMap::from([("format".to_string(), "pt".to_string())]);
        safetensors::serialize_to_file(names.iter().map(|name| (*name, view())), Some(notes), path).unwrap();
    }

    #[test]
    fn weights_are_counted_without_being_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&path, &["unet.x.lora_A.weight", "unet.x.lora_B.weight"]);
        let Inspection::Weights(found) = inspect(&path).unwrap() else { panic!("not seen as weights") };
        assert_eq!((found.tensors, found.parameters), (2, 24));
        assert_eq!(found.dtypes, BTreeMap::from([("F16".to_string(), 2)]));
        assert!(found.family.contains("LoRA"));
        assert_eq!(found.metadata["format"], "pt");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(inspect(&path).unwrap_err().message.contains("not a whole safetensors file"));
        fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
        assert!(inspect(&path).unwrap_err().message.contains("claims"));
        for (prefix, family) in
            [("", "TAESD's keys"), ("decoder.", "TAESD's keys"), ("decoder.layers.", "diffusers keys")]
        {
            save(&path, &[&format!("{prefix}1.weight"), &format!("{prefix}3.conv.0.weight")]);
            assert!(weights(&path).unwrap().family.contains(&format!("tiny decoder for previews ({family})")));
        }
    }

    #[test]
    fn a_folder_shows_its_components() {
        let folder = tempfile::tempdir().unwrap();
        assert!(inspect(folder.path()).unwrap_err().message.contains("model_index.json"));
        let index = r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}"#;
        fs::write(folder.path().join("model_index.json"), index).unwrap();
        fs::create_dir(folder.path().join("unet")).unwrap();
        save(&folder.path().join("unet/diffusion_pytorch_model.safetensors"), &["down_blocks.0.a", "time_embedding.b"]);
        let Inspection::Checkpoint { class, parameters, components, .. } = inspect(folder.path()).unwrap() else {
            panic!("not seen as a checkpoint")
        };
        assert_eq!((class.as_str(), parameters), ("StableDiffusionPipeline", 24));
        assert_eq!(components[0].class.as_deref(), Some("UNet2DConditionModel"));
        assert!(components[0].weights[0].family.starts_with("U-Net"));
    }

    #[test]
    fn a_pickle_is_refused() {
        let error = inspect(Path::new("model.ckpt")).unwrap_err();
        assert!(error.message.contains("safetensors"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), honest in any::<bool>()) {
            let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
            let length = (bytes.len() as u64).to_le_bytes();
            fs::write(file.path(), if honest { [&length[..], &bytes].concat() } else { bytes }).unwrap();
            let _ = inspect(file.path());
        }
    }
}
