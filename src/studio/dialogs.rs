//! The system's file dialogs, each on a thread of its own: the window never waits for them.

use super::App;
use crate::library::{ExportFormat, PictureId, encode, slug, write_whole};
use crate::recipe::Picture;
use crate::worker::{Clerical, Request};
use std::path::PathBuf;
use std::sync::Arc;

/// Asks the person for a place on the disk. Called on a background thread; may wait.
pub trait Dialogs: Send + Sync + 'static {
    /// A file to write; `None` when the person thought better of it.
    fn save_file(&self, name: &str, format: ExportFormat) -> Option<PathBuf>;
    /// A folder.
    fn pick_folder(&self, title: &str) -> Option<PathBuf>;
    /// An adapter's file to read.
    fn pick_adapter(&self) -> Option<PathBuf>;
    /// A place for a copy of an adapter.
    fn save_adapter(&self, name: &str) -> Option<PathBuf>;
    /// A file of a kind, whose name has one of these endings.
    fn pick_file(&self, title: &str, kind: &str, endings: &[&str]) -> Option<PathBuf>;
}

/// The dialogs of the system.
pub struct SystemDialogs;

impl Dialogs for SystemDialogs {
    fn save_file(&self, name: &str, format: ExportFormat) -> Option<PathBuf> {
        let dialog = rfd::FileDialog::new().set_title("Export picture").set_file_name(name);
        dialog.add_filter(format_name(format), &[format.extension()]).save_file()
    }

    fn pick_folder(&self, title: &str) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title(title).pick_folder()
    }

    fn pick_adapter(&self) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title("Add an adapter").add_filter("LoRA adapter", &["safetensors"]).pick_file()
    }

    fn save_adapter(&self, name: &str) -> Option<PathBuf> {
        let dialog = rfd::FileDialog::new().set_title("Export the adapter").set_file_name(name);
        dialog.add_filter("LoRA adapter", &["safetensors"]).save_file()
    }

    fn pick_file(&self, title: &str, kind: &str, endings: &[&str]) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title(title).add_filter(kind, endings).pick_file()
    }
}

/// What people call a format.
pub fn format_name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Png => "PNG",
        ExportFormat::Jpeg { .. } => "JPEG",
        ExportFormat::WebP => "WebP",
        ExportFormat::Tiff => "TIFF",
    }
}

/// All formats, as they are offered.
pub const FORMATS: [(ExportFormat, &str); 4] = [
    (ExportFormat::Png, "PNG, with its settings inside"),
    (ExportFormat::Jpeg { quality: 92 }, "JPEG, small"),
    (ExportFormat::WebP, "WebP, lossless"),
    (ExportFormat::Tiff, "TIFF, for print"),
];

/// Endings of pictures that can be started from.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];

/// What a dialog's thread has to say.
pub(super) enum Answer {
    /// Export to there.
    Export { ids: Vec<PictureId>, target: PathBuf, format: ExportFormat },
    /// A picture that the library could not keep was written.
    Written(Result<PathBuf, String>),
    /// Load this model.
    Model(PathBuf),
    /// Teach from this folder.
    Class(PathBuf),
    /// Do this with adapters.
    Clerk(Clerical),
    /// Start from this picture.
    Start(PathBuf),
    /// The person closed the dialog.
    Nothing,
}

impl App {
    fn ask(&mut self, ctx: &egui::Context, work: impl FnOnce(&dyn Dialogs) -> Answer + Send + 'static) {
        if std::mem::replace(&mut self.dialog_open, true) {
            return self.toasts.notice("A file dialog is open already.");
        }
        let (dialogs, answers, ctx) = (self.dialogs.clone(), self.answers.0.clone(), ctx.clone());
        let thread = std::thread::Builder::new().name("kiln-dialog".into()).spawn(move || {
            _ = answers.send(work(&*dialogs));
            ctx.request_repaint();
        });
        if let Err(e) = thread {
            self.dialog_open = false;
            self.toasts.error(format!("The file dialog could not be opened: {e}."));
        }
    }

    /// Asks where to, then has the pictures exported.
    pub(super) fn export(&mut self, ctx: &egui::Context, ids: Vec<PictureId>, format: ExportFormat) {
        self.settings.export = format.extension().into();
        let Some(entry) = ids.first().and_then(|id| self.gallery.entries.get(id)) else { return };
        let name = format!("{}-{}.{}", slug(&entry.recipe.prompt), entry.recipe.seed, format.extension());
        if let [id] = ids[..] {
            let unsaved = self.gallery.unsaved.get(&id).cloned();
            return self.ask(ctx, move |dialogs| match (dialogs.save_file(&name, format), unsaved) {
                (None, _) => Answer::Nothing,
                (Some(target), Some(picture)) => Answer::Written(write(&picture, target, format)),
                (Some(mut target), None) => {
                    if target.extension().is_none() && !target.is_dir() {
                        target.set_extension(format.extension());
                    }
                    let format = ExportFormat::from_path(&target).unwrap_or(format);
                    Answer::Export { ids, target, format }
                }
            });
        }
        let ids: Vec<PictureId> = ids.into_iter().filter(|id| !self.gallery.unsaved.contains_key(id)).collect();
        self.ask(ctx, move |dialogs| match dialogs.pick_folder("Export pictures to a folder") {
            Some(target) => Answer::Export { ids, target, format },
            None => Answer::Nothing,
        });
    }

    /// The format of the last export.
    pub(super) fn last_format(&self) -> ExportFormat {
        ExportFormat::from_name(&self.settings.export).unwrap_or(ExportFormat::Png)
    }

    /// Asks for the folder of a model and loads it.
    pub(super) fn choose_model(&mut self, ctx: &egui::Context) {
        self.ask(ctx, |dialogs| match dialogs.pick_folder("Choose a model's folder") {
            Some(folder) => Answer::Model(folder),
            None => Answer::Nothing,
        });
    }

    /// Asks for a folder of pictures to teach from.
    pub(super) fn ask_for_class(&mut self, ctx: &egui::Context) {
        self.ask(ctx, |dialogs| match dialogs.pick_folder("Choose a folder of pictures to teach from") {
            Some(folder) => Answer::Class(folder),
            None => Answer::Nothing,
        });
    }

    /// Asks for the file of a model and loads it.
    pub(super) fn choose_model_file(&mut self, ctx: &egui::Context) {
        self.ask(ctx, |dialogs| match dialogs.pick_file("Choose a checkpoint", "Checkpoints", &["safetensors"]) {
            Some(file) => Answer::Model(file),
            None => Answer::Nothing,
        });
    }

    /// Asks for a picture to start from.
    pub(super) fn choose_start(&mut self, ctx: &egui::Context) {
        self.ask(ctx, |dialogs| match dialogs.pick_file("Choose a picture to start from", "Pictures", &PICTURES) {
            Some(file) => Answer::Start(file),
            None => Answer::Nothing,
        });
    }

    /// Asks for an adapter's file and puts a copy on the shelf.
    pub(super) fn ask_for_adapter(&mut self, ctx: &egui::Context) {
        self.ask(ctx, |dialogs| match dialogs.pick_adapter() {
            Some(path) => Answer::Clerk(Clerical::Import { path }),
            None => Answer::Nothing,
        });
    }

    /// Asks where to, then has an adapter copied there.
    pub(super) fn ask_to_export_adapter(&mut self, ctx: &egui::Context, path: PathBuf) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.ask(ctx, move |dialogs| match dialogs.save_adapter(&name) {
            Some(mut target) => {
                if target.extension().is_none() {
                    target.set_extension("safetensors");
                }
                Answer::Clerk(Clerical::Export { path, target })
            }
            None => Answer::Nothing,
        });
    }

    /// Does what the dialogs' threads have found out.
    pub(super) fn take_answers(&mut self) {
        while let Ok(answer) = self.answers.1.try_recv() {
            self.dialog_open = false;
            match answer {
                Answer::Export { ids, target, format } => self.link.send(Request::Export { ids, target, format }),
                Answer::Written(Ok(path)) => self.toasts.notice(format!("Exported to {}.", path.display())),
                Answer::Written(Err(message)) => self.toasts.error(message),
                Answer::Class(folder) => self.choose_class(folder),
                Answer::Clerk(errand) => self.link.send(Request::Clerk(errand)),
                Answer::Model(path) => self.open_model(path.display().to_string()),
                Answer::Start(path) => self.link.send(Request::Start { path }),
                Answer::Nothing => {}
            }
        }
    }
}

fn write(picture: &Arc<Picture>, target: PathBuf, format: ExportFormat) -> Result<PathBuf, String> {
    let bytes = encode(picture, format).map_err(|e| e.message)?;
    write_whole(&target, &bytes).map_err(|e| e.message)?;
    Ok(target)
}
