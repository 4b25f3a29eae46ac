//! The shelf of adapters: what there is, what is switched on and how strongly, and the page on which they are kept in order.

use super::app::Screen;
use super::{App, theme, widgets};
use crate::model::tokenizer::names;
use crate::pipeline::ModelInfo;
use crate::recipe::{AdapterRef, EmbeddingRef, Picture};
use crate::tuning::lesson::Lesson;
use crate::tuning::shelf::{Shelved, Used};
use crate::worker::{ADAPTERS, Clerical, Filed, Request};
use egui::{Button, Context, Id, Modal, RichText, ScrollArea, TextureHandle, Ui, vec2};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Strengths that the sliders offer.
pub(super) const STRENGTHS: std::ops::RangeInclusive<f32> = -1.0..=2.0;

/// What the window knows of the adapters.
pub(super) struct ShelfView {
    /// Where they lie.
    pub folder: PathBuf,
    /// Those on the shelf, then those elsewhere that are in use.
    pub adapters: Vec<Arc<Shelved>>,
    /// Pictures of adapters, with what they were made from.
    portraits: HashMap<PathBuf, (Arc<Shelved>, TextureHandle)>,
    /// Strengths of those that are switched off.
    pub strengths: HashMap<PathBuf, f32>,
    /// The adapters in use that were asked about last; absent when something has changed since.
    asked: Option<Vec<Used>>,
    /// The adapter that is being renamed, and the new name.
    pub renaming: Option<(PathBuf, String)>,
    /// The adapter that may be deleted.
    pub deleting: Option<PathBuf>,
    /// The adapter whose card is open.
    pub open: Option<PathBuf>,
}

impl ShelfView {
    /// The shelf of a library.
    pub fn of(library: &Path) -> Self {
        // A Recipe names adapters from wherever Kiln is started.
        let library = std::path::absolute(library).unwrap_or_else(|_| library.to_path_buf());
        Self {
            folder: library.join(ADAPTERS),
            adapters: Vec::new(),
            portraits: HashMap::new(),
            strengths: HashMap::new(),
            asked: None,
            renaming: None,
            deleting: None,
            open: None,
        }
    }

    /// Something may have changed on the disk.
    pub fn changed(&mut self) {
        self.asked = None;
    }

    /// Whether an adapter on the shelf has this name, large or small.
    pub fn has(&self, name: &str) -> bool {
        let on_shelf = self.adapters.iter().filter(|a| a.path.parent() == Some(&self.folder));
        on_shelf.into_iter().any(|a| a.name.eq_ignore_ascii_case(name.trim()))
    }

    /// The picture of an adapter.
    pub fn portrait(&self, path: &Path) -> Option<&TextureHandle> {
        self.portraits.get(path).map(|(_, texture)| texture)
    }

    fn listed(&mut self, ctx: &Context, adapters: Vec<Arc<Shelved>>) {
        self.portraits.retain(|path, (of, _)| adapters.iter().any(|a| a.path == *path && Arc::ptr_eq(a, of)));
        for adapter in &adapters {
            if let Some(image) = adapter.portrait.as_ref().filter(|_| !self.portraits.contains_key(&adapter.path)) {
                let name = format!("adapter {}", adapter.path.display());
                if let Some(texture) = super::textures::upload(ctx, name, image.width, image.height, &image.rgb) {
                    self.portraits.insert(adapter.path.clone(), (adapter.clone(), texture));
                }
            }
        }
        self.adapters = adapters;
    }
}

impl App {
    /// Asks for the adapters, when they may have changed.
    pub(super) fn tend_shelf(&mut self) {
        let form = &self.settings.form;
        let adapters = form.adapters.iter().map(|a| (&a.name, &a.hash));
        let words = form.embeddings.iter().map(|w| (&w.name, &w.hash));
        let used: Vec<Used> = adapters.chain(words).map(|(name, hash)| (PathBuf::from(name), hash.clone())).collect();
        if self.shelf.asked.as_ref() != Some(&used) {
            self.shelf.asked = Some(used.clone());
            self.link.send(Request::Clerk(Clerical::List { used }));
        }
    }

    /// The clerk told of folders or adapters.
    pub(super) fn filed(&mut self, ctx: &Context, filed: Filed) {
        match filed {
            Filed::Surveying { job, done, of, seen } => self.teach.seen(ctx, job, done, of, seen),
            Filed::Surveyed { job, trouble, free } => self.teach.surveyed(job, trouble, free),
            Filed::Listed { adapters, lessons, moved } => {
                self.shelf.listed(ctx, adapters);
                self.teach.waiting = lessons;
                for (from, to) in moved {
                    self.found_again(&from, &to);
                }
            }
            Filed::Imported { path } => {
                self.toasts.notice(format!("{} is on the shelf.", stem(&path)));
                self.screen = Screen::Shelf;
            }
            Filed::Exported { target } => self.toasts.notice(format!("Exported to {}.", target.display())),
            Filed::Renamed { from, to } => {
                let (old, new) = (from.display().to_string(), to.display().to_string());
                self.settings.form.adapters.iter_mut().filter(|a| a.name == old).for_each(|a| a.name.clone_from(&new));
                if let Some(strength) = self.shelf.strengths.remove(&from) {
                    self.shelf.strengths.insert(to, strength);
                }
                self.shelf.changed();
            }
            Filed::Deleted { path } => {
                self.switch(&path, false);
                self.shelf.strengths.remove(&path);
                self.teach.now.take_if(|now| now.lesson.out == path && !now.is_busy());
                self.shelf.changed();
            }
        }
    }

    /// An adapter that a Recipe names lies on the shelf under another name.
    fn found_again(&mut self, from: &Path, to: &Path) {
        // A word on the shelf is heard when it is named.
        self.settings.form.embeddings.retain(|word| Path::new(&word.name) != from);
        let twice = self.strength_of(to).is_some();
        let adapters = &mut self.settings.form.adapters;
        if twice {
            return adapters.retain(|a| Path::new(&a.name) != from);
        }
        for adapter in adapters.iter_mut().filter(|a| Path::new(&a.name) == from) {
            adapter.name = to.display().to_string();
        }
    }

    /// The words of the shelf that the prompt names and the model can hear are the form's; those that came with a Recipe and lie
    /// elsewhere stay.
    pub(super) fn tend_words(&mut self, info: &ModelInfo) {
        let form = &self.settings.form;
        let elsewhere = |word: &&EmbeddingRef| Path::new(&word.name).parent() != Some(&self.shelf.folder);
        let mut heard: Vec<EmbeddingRef> = form.embeddings.iter().filter(elsewhere).cloned().collect();
        let of = |path: &Path| self.shelf.adapters.iter().find(|a| a.path == path)?.word.as_ref();
        for adapter in self.shelf.adapters.iter().filter(|a| a.path.parent() == Some(&self.shelf.folder)) {
            let Some(word) = adapter.word.as_ref().filter(|word| word.fits(info)) else { continue };
            let twice = heard.iter().filter_map(|other| of(Path::new(&other.name)));
            if twice.into_iter().any(|other| other.text.eq_ignore_ascii_case(&word.text)) {
                continue;
            }
            if names(&form.prompt, &word.text) || names(&form.negative, &word.text) {
                let name = adapter.path.display().to_string();
                let known = form.embeddings.iter().find(|w| w.name == name).cloned();
                heard.push(known.unwrap_or(EmbeddingRef { name, hash: String::new() }));
            }
        }
        if heard != form.embeddings {
            self.settings.form.embeddings = heard;
        }
    }

    /// The learnt words that are heard, as a prompt spells them, and their files.
    pub(super) fn heard(&self) -> Vec<(String, PathBuf)> {
        let files = self.settings.form.embeddings.iter().map(|w| PathBuf::from(&w.name));
        let spelt = |path: &Path| {
            let known = self.shelf.adapters.iter().find(|a| a.path == path).and_then(|a| a.word.as_ref());
            known.map_or_else(|| stem(path), |word| word.text.clone())
        };
        files.map(|path| (spelt(&path), path)).collect()
    }

    /// Writes a learnt word at the end of the prompt, where it is not there already.
    pub(super) fn write_word(&mut self, word: &str) {
        let prompt = &mut self.settings.form.prompt;
        if !names(prompt, word) {
            let gap = if prompt.trim().is_empty() { "" } else { " " };
            *prompt = format!("{}{gap}{word}", prompt.trim_end());
        }
        (self.screen, self.focus_prompt) = (Screen::Wall, true);
    }

    /// How strongly an adapter acts; `None` when it is switched off.
    pub(super) fn strength_of(&self, path: &Path) -> Option<f32> {
        self.settings.form.adapters.iter().find(|a| Path::new(&a.name) == path).map(|a| a.weight)
    }

    /// Switches an adapter on or off; its strength is remembered.
    pub(super) fn switch(&mut self, path: &Path, on: bool) {
        if let Some(strength) = self.strength_of(path) {
            self.shelf.strengths.insert(path.to_path_buf(), strength);
        }
        let adapters = &mut self.settings.form.adapters;
        adapters.retain(|a| Path::new(&a.name) != path);
        if on {
            let weight = self.shelf.strengths.get(path).copied().unwrap_or(1.0);
            adapters.push(AdapterRef { name: path.display().to_string(), hash: String::new(), weight });
        }
    }

    /// Sets how strongly an adapter acts, on or off.
    pub(super) fn set_strength(&mut self, path: &Path, strength: f32) {
        self.shelf.strengths.insert(path.to_path_buf(), strength);
        let mut adapters = self.settings.form.adapters.iter_mut();
        if let Some(adapter) = adapters.find(|a| Path::new(&a.name) == path) {
            adapter.weight = strength;
        }
    }

    /// A picture that one adapter helped to make becomes that adapter's own, where it has none.
    pub(super) fn offer_portrait(&self, picture: &Arc<Picture>) {
        let [adapter] = &picture.recipe.adapters[..] else { return };
        let path = Path::new(&adapter.name);
        let bare = self.shelf.adapters.iter().find(|a| a.path == path && a.portrait.is_none() && a.trouble.is_none());
        if bare.is_some() {
            let (path, picture) = (path.to_path_buf(), picture.clone());
            self.link.send(Request::Clerk(Clerical::Portrait { path, picture }));
        }
    }

    /// Does with a dropped path what the page that is open is for; whether there is such a page.
    pub(super) fn drop_on_page(&mut self, path: &Path) -> bool {
        match self.screen {
            Screen::Shelf => self.link.send(Request::Clerk(Clerical::Import { path: path.to_path_buf() })),
            Screen::Teach => {
                let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
                let file = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "txt"].contains(&ending.as_str());
                let folder = if file { path.parent().unwrap_or(path) } else { path };
                self.choose_class(folder.to_path_buf());
            }
            _ => return false,
        }
        true
    }

    /// Opens or closes the page.
    pub(super) fn toggle_shelf_page(&mut self) {
        self.screen = if self.screen == Screen::Shelf { Screen::Wall } else { Screen::Shelf };
    }

    /// Draws the page in the place of the wall.
    pub(super) fn shelf_page_ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        let closed = widgets::page_head(ui, "Adapters", |ui| {
            let button = |ui: &mut Ui, text: &str| ui.add(Button::new(text).min_size(vec2(0.0, 30.0))).clicked();
            if button(ui, "Add a file…") {
                self.ask_for_adapter(&ctx);
            }
            if button(ui, "Teach Kiln…") {
                self.screen = Screen::Teach;
            }
        });
        if closed {
            self.screen = Screen::Wall;
        }
        ScrollArea::vertical().id_salt("shelf").auto_shrink([false, false]).show(ui, |ui| {
            ui.set_max_width((ui.available_width() - 24.0).min(820.0));
            ui.spacing_mut().item_spacing.y = 12.0;
            let adapters = self.shelf.adapters.clone();
            if adapters.is_empty() {
                super::taste::text(
                    ui,
                    "No adapters yet. An adapter is a small file that teaches the model a style or a subject. Teach one from a \
                     folder of your pictures, or add a LoRA file (kohya's or PEFT's safetensors) or a learnt word (a textual \
                     inversion) from elsewhere.",
                );
            } else {
                widgets::hint(
                    ui,
                    "Those that are switched on are mixed into your next pictures, each by its strength; learnt words are heard \
                     wherever a prompt names them.",
                );
            }
            for adapter in &adapters {
                self.adapter_ui(ui, adapter);
            }
            for lesson in self.teach.waiting.clone() {
                self.unfinished_ui(ui, &lesson);
            }
            ui.add_space(24.0);
        });
    }

    fn unfinished_ui(&mut self, ui: &mut Ui, lesson: &Lesson) {
        super::taste::card(ui, &lesson.name(), |ui| {
            ui.horizontal(|ui| {
                let busy = self.teach.now.as_ref().is_some_and(|now| now.is_busy() && now.lesson.out == lesson.out);
                let text = if busy { "It is being taught just now." } else { "Its lesson is not finished." };
                ui.label(RichText::new(text).size(13.0).color(theme::MUTED));
                let name = format!("Show the lesson of {}", lesson.name());
                if ui.button("Show the lesson").on_hover_text(&name).clicked() {
                    self.screen = Screen::Teach;
                }
            });
        });
    }

    /// Asks before an adapter is deleted.
    pub(super) fn delete_ui(&mut self, ctx: &Context) {
        let Some(path) = self.shelf.deleting.clone() else { return };
        let mut answer = None;
        let modal = Modal::new(Id::unique("delete adapter")).show(ctx, |ui| {
            ui.set_width(420.0);
            ui.label(RichText::new(format!("Delete {}?", stem(&path))).font(theme::strong(18.0)));
            ui.add_space(8.0);
            let text = match self.teach.waiting.iter().any(|lesson| lesson.out == path) {
                true => "What was learnt so far is removed from the disk. This cannot be undone.",
                false => {
                    "Its file is removed from the disk. Pictures that were made with it stay, but cannot be made again exactly. \
                 This cannot be undone."
                }
            };
            super::taste::text(ui, text);
            ui.add_space(16.0);
            ui.horizontal(|ui| {
                let red = RichText::new("Delete it").color(theme::TROUBLE);
                if ui.add_sized(vec2(120.0, 34.0), Button::new(red)).clicked() {
                    answer = Some(true);
                }
                if ui.add_sized(vec2(100.0, 34.0), Button::new("Keep it")).clicked() {
                    answer = Some(false);
                }
            });
        });
        if answer == Some(true) {
            self.link.send(Request::Clerk(Clerical::Delete { path }));
        }
        if answer.is_some() || modal.should_close() {
            self.shelf.deleting = None;
        }
    }
}

/// An adapter's name from its file.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}
