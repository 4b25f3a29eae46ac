//! The thread that looks into files which the person names: pictures to start from, masks, checkpoints. A slow disk or a
//! huge picture then holds up neither the library nor the model.

use super::guard::guarded;
use super::{Event, Outbox, Request, StartLook};
use crate::insight::card::Card;
use crate::insight::inspect::{Inspection, inspect};
use crate::library::{metadata, write_unless_taken};
use crate::model::checkpoint::hex;
use crate::pipeline::{PreviewImage, hash_file, locate_model, open_mask, open_picture};
use crate::recipe::MaskRef;
use crate::{Error, Result};
use crossbeam_channel::Receiver;
use image::imageops::FilterType;
use image::{GrayImage, ImageFormat};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder for painted masks, inside the library's.
pub const MASKS: &str = "masks";
/// Longest side of the small version of a chosen picture, pixels.
const SMALL: u32 = 384;

/// The state of the thread.
pub struct Reader {
    wishes: Receiver<Request>,
    out: Outbox,
    library: PathBuf,
}

impl Reader {
    /// The thread's state at its start.
    pub fn new(wishes: Receiver<Request>, out: Outbox, library: PathBuf) -> Self {
        Self { wishes, out, library }
    }

    /// Works until the end is asked for.
    pub fn run(self) {
        while let Ok(wish) = self.wishes.recv() {
            if matches!(wish, Request::Shutdown) {
                return;
            }
            if let Err(error) = guarded("Looking into the file", || self.answer(wish)) {
                self.out.say(Event::Failed { message: error.message });
            }
        }
    }

    fn answer(&self, wish: Request) -> Result<()> {
        match wish {
            Request::LookInto { path } => self.look_into(path),
            Request::Start { path } => self.start(path),
            Request::LookAtStart { source, mask, side } => {
                let look = guarded("Reading the picture", || look_at(&source, mask.as_deref(), side));
                let look = look.map(Arc::new).map_err(|e| e.message);
                self.out.say(Event::StartSeen { source, mask, side, look });
                Ok(())
            }
            Request::KeepMask { width, height, greys } => {
                let mask = guarded("Saving the mask", || keep_mask(&self.library, width, height, greys));
                self.out.say(Event::MaskKept { mask: mask.map_err(|e| e.message) });
                Ok(())
            }
            Request::InspectModel { name, open } => {
                self.inspect(name, open);
                Ok(())
            }
            // The other threads' business never comes here.
            _ => Ok(()),
        }
    }

    /// A file that could be anything: settings, a picture, a model.
    fn look_into(&self, path: PathBuf) -> Result<()> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if path.is_dir() && !path.join("model_index.json").is_file() {
            self.out.say(Event::FolderFound { path });
            return Ok(());
        }
        if extension == "safetensors" && is_adapter(&path) {
            self.out.say(Event::AdapterFound { path });
            return Ok(());
        }
        if path.is_dir() || ["safetensors", "ckpt", "pt", "pth", "bin"].contains(&extension.as_str()) {
            self.inspect(path.display().to_string(), true);
            return Ok(());
        }
        match metadata::read_file(&path) {
            Ok(metadata::Found { recipe: Some(recipe), exact, .. }) => {
                self.out.say(Event::RecipeRead { path, recipe: Box::new(recipe), exact });
                Ok(())
            }
            // What holds no settings that can be read may still be a picture.
            _ => self.start(path),
        }
    }

    fn start(&self, path: PathBuf) -> Result<()> {
        let look = look_at(&path, None, SMALL)?;
        let hash = hash_file(&path)?;
        self.out.say(Event::StartFound { path, hash, look: Arc::new(look) });
        Ok(())
    }

    fn inspect(&self, name: String, open: bool) {
        let card = guarded("Looking into the model", || Card::read(&locate_model(&name)?));
        self.out.say(Event::ModelInspected { name, open, card: card.map(Arc::new).map_err(|e| e.message) });
    }
}

/// Whether a file is a LoRA; of what cannot be read the next to look says why.
fn is_adapter(path: &Path) -> bool {
    matches!(inspect(path), Ok(Inspection::Weights(weights)) if weights.is_adapter())
}

/// A picture, and its mask, no larger than `side`.
fn look_at(source: &Path, mask: Option<&Path>, side: u32) -> Result<StartLook> {
    let picture = open_picture(source)?;
    let (width, height) = (picture.width(), picture.height());
    let small = if width.max(height) > side { picture.resize(side, side, FilterType::Triangle) } else { picture };
    let rgb = small.to_rgb8();
    let (mask, mask_trouble) = match mask.map(|mask| open_mask(mask, rgb.width(), rgb.height())) {
        Some(Ok(mask)) => (Some(mask), None),
        Some(Err(error)) => (None, Some(error.message)),
        None => (None, None),
    };
    let image = PreviewImage { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw() };
    Ok(StartLook { width, height, image, mask, mask_trouble })
}

/// Writes a mask into the library's folder, under a name that says what it holds: the same mask twice is one file.
fn keep_mask(library: &Path, width: u32, height: u32, greys: Vec<u8>) -> Result<MaskRef> {
    let unfit = || Error::failed("The mask does not fit its picture; paint it again.");
    let grey = GrayImage::from_raw(width, height, greys).ok_or_else(unfit)?;
    let mut bytes = Cursor::new(Vec::new());
    grey.write_to(&mut bytes, ImageFormat::Png)
        .map_err(|e| Error::failed(format!("The mask could not be written as PNG: {e}.")))?;
    let bytes = bytes.into_inner();
    let hash = hex(&Sha256::digest(&bytes));
    let folder = library.join(MASKS);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
    let path = folder.join(format!("mask-{}.png", &hash[..16]));
    write_unless_taken(&path, &bytes)?;
    Ok(MaskRef { path: path.display().to_string(), hash, keep_outside: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_comes_back_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let greys: Vec<u8> = (0..24 * 16).map(|i| if i % 24 < 12 { 255 } else { 0 }).collect();
        let kept = keep_mask(folder.path(), 24, 16, greys.clone()).unwrap();
        assert_eq!(hash_file(Path::new(&kept.path)).unwrap(), kept.hash);
        assert_eq!(open_mask(Path::new(&kept.path), 24, 16).unwrap(), greys);
        assert_eq!(keep_mask(folder.path(), 24, 16, greys).unwrap(), kept, "the same mask is the same file");
        assert_eq!(std::fs::read_dir(folder.path().join(MASKS)).unwrap().count(), 1);
        assert!(keep_mask(folder.path(), 24, 16, vec![0; 7]).is_err());
    }

    #[test]
    fn a_look_is_small_and_knows_the_whole_size() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/modes");
        let whole = image::image_dimensions(golden.join("source.png")).unwrap();
        let look = look_at(&golden.join("source.png"), Some(&golden.join("mask.png")), 40).unwrap();
        assert_eq!((look.width, look.height), whole);
        assert_eq!(look.image.width.max(look.image.height), 40.min(whole.0));
        assert_eq!(look.mask.unwrap().len() as u32, look.image.width * look.image.height);
        let text = golden.join("cases.json");
        let error = look_at(&text, None, 40).unwrap_err();
        assert!(error.message.contains("no picture that Kiln can read"), "{error}");
    }
}
