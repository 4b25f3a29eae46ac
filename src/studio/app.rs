//! The state of the window, and the order in which a frame is made.

use super::dialogs::{Answer, Dialogs};
use super::gallery::{Filter, Gallery, Item};
use super::models::Models;
use super::preview::Preview;
use super::settings::{Settings, SettingsFile};
use super::shelf::ShelfView;
use super::start::SourceView;
use super::taste::TasteView;
use super::teach::TeachView;
use super::textures::Textures;
use super::toasts::Toasts;
use super::words::Spelling;
use super::{Link, theme};
use crate::library::PictureId;
use crate::pipeline::ModelInfo;
use crate::worker::JobId;
use crossbeam_channel::{Receiver, Sender};
use egui::{CentralPanel, Frame, Margin, Panel, Ui};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// How it stands with the model.
#[derive(Debug, Clone)]
pub(super) enum Model {
    Loading { name: String, progress: f32 },
    Ready { info: Arc<ModelInfo>, device: String },
    Failed { name: String, message: String },
}

/// What fills the window.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Screen {
    Wall,
    View(PictureId),
    /// Two pictures, and those that wait to be compared with the better one.
    Compare {
        left: PictureId,
        right: PictureId,
        next: Vec<PictureId>,
    },
    /// What was learnt of the person's taste, in the place of the wall.
    Taste,
    /// A blind test.
    Trial,
    /// Teaching from pictures, in the place of the wall.
    Teach,
    /// The adapters, in the place of the wall.
    Shelf,
    /// Painting a mask.
    Mask,
}

impl Screen {
    /// Whether it is a page in the place of the wall.
    pub fn is_page(&self) -> bool {
        matches!(self, Self::Taste | Self::Teach | Self::Shelf)
    }
}

/// The studio's window, without the window: it can be drawn by eframe and by tests.
pub struct App {
    pub(super) link: Box<dyn Link>,
    pub(super) dialogs: Arc<dyn Dialogs>,
    pub(super) answers: (Sender<Answer>, Receiver<Answer>),
    pub(super) dialog_open: bool,
    pub(super) model: Model,
    pub(super) settings: Settings,
    file: SettingsFile,
    pub(super) gallery: Gallery,
    pub(super) textures: Textures,
    pub(super) preview: Preview,
    pub(super) models: Models,
    pub(super) source: SourceView,
    pub(super) spelling: Spelling,
    pub(super) taste: TasteView,
    pub(super) teach: TeachView,
    pub(super) shelf: ShelfView,
    pub(super) toasts: Toasts,
    pub(super) screen: Screen,
    pub(super) help: bool,
    /// Seamless pictures are shown side by side with themselves.
    pub(super) tiled: bool,
    pub(super) filter: Filter,
    /// The filter that the library was asked with last, and under which number.
    pub(super) asked: Option<(Filter, u64)>,
    pub(super) items: Vec<Item>,
    pub(super) selected: HashSet<PictureId>,
    /// The picture that keys act on.
    pub(super) current: Option<PictureId>,
    /// Where a range of selected pictures began.
    pub(super) anchor: Option<PictureId>,
    /// The current picture is to be scrolled to and take the keyboard.
    pub(super) reveal: bool,
    /// Pictures in one row of the wall.
    pub(super) columns: usize,
    pub(super) family_search: String,
    pub(super) last_job: JobId,
    /// Which tiles were drawn last, as ids of egui.
    pub(super) tile_ids: HashSet<egui::Id>,
    pub(super) footer_height: f32,
    dressed: bool,
    pub(super) focus_prompt: bool,
}

impl App {
    /// A window over a worker. `library` is the folder whose settings it keeps; `model` what is being loaded.
    pub fn new(link: impl Link + 'static, dialogs: Arc<dyn Dialogs>, library: &Path, model: &str) -> Self {
        let (file, settings, notice) = SettingsFile::open(library);
        let filter = Filter {
            tab: settings.tab,
            order: settings.order,
            hide_rejected: settings.hide_rejected,
            ..Filter::default()
        };
        let mut toasts = Toasts::default();
        if let Some(notice) = notice {
            toasts.notice(notice);
        }
        Self {
            link: Box::new(link),
            dialogs,
            answers: crossbeam_channel::unbounded(),
            dialog_open: false,
            model: Model::Loading { name: model.into(), progress: 0.0 },
            settings,
            file,
            gallery: Gallery::default(),
            textures: Textures::default(),
            preview: Preview::default(),
            models: Models::default(),
            source: SourceView::default(),
            spelling: Spelling::default(),
            taste: TasteView::default(),
            teach: TeachView::default(),
            shelf: ShelfView::of(library),
            toasts,
            screen: Screen::Wall,
            help: false,
            tiled: true,
            filter,
            asked: None,
            items: Vec::new(),
            selected: HashSet::new(),
            current: None,
            anchor: None,
            reveal: false,
            columns: 1,
            family_search: String::new(),
            last_job: 0,
            tile_ids: HashSet::new(),
            footer_height: 180.0,
            dressed: false,
            focus_prompt: true,
        }
    }

    /// Draws one frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        if !std::mem::replace(&mut self.dressed, true) {
            theme::apply(&ctx);
            // Fonts are there from the next pass on.
            ctx.request_discard("fonts");
            return;
        }
        self.textures.begin_frame();
        self.take_events(&ctx);
        self.take_answers();
        self.refresh_list();
        self.items = self.gallery.items(&self.filter);
        self.keys(&ctx);
        self.dropped_files(&ctx);
        match self.screen.clone() {
            Screen::Wall | Screen::Taste | Screen::Teach | Screen::Shelf => self.main_screen(ui),
            Screen::View(id) => self.viewer_ui(ui, id),
            Screen::Compare { left, right, .. } => self.compare_ui(ui, left, right),
            Screen::Trial => self.trial_ui(ui),
            Screen::Mask => self.canvas_ui(ui),
        }
        self.forget_ui(&ctx);
        self.delete_ui(&ctx);
        self.help_ui(&ctx);
        self.toasts_ui(&ctx);
        self.tend_preview(&ctx);
        self.tend_source();
        self.tend_taste();
        self.tend_shelf();
        self.tend_settings(&ctx);
    }

    fn main_screen(&mut self, ui: &mut Ui) {
        let bar = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(16, 0));
        Panel::bottom("status")
            .exact_size(44.0)
            .frame(bar)
            .show_separator_line(false)
            .show(ui, |ui| self.status_ui(ui));
        let side = Frame::new().fill(theme::PANEL).inner_margin(Margin { left: 16, right: 16, top: 12, bottom: 8 });
        Panel::left("controls").exact_size(352.0).resizable(false).frame(side).show_separator_line(false).show(
            ui,
            |ui| {
                self.panel_ui(ui);
            },
        );
        let room = Frame::new().fill(theme::ROOM).inner_margin(Margin { left: 16, right: 0, top: 12, bottom: 0 });
        CentralPanel::no_frame().frame(room).show(ui, |ui| match self.screen {
            Screen::Taste => self.taste_page_ui(ui),
            Screen::Teach => self.teach_page_ui(ui),
            Screen::Shelf => self.shelf_page_ui(ui),
            _ => self.wall_ui(ui),
        });
    }

    /// The loaded model.
    pub(super) fn info(&self) -> Option<Arc<ModelInfo>> {
        match &self.model {
            Model::Ready { info, .. } => Some(info.clone()),
            _ => None,
        }
    }

    fn tend_settings(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        self.settings.tab = self.filter.tab;
        self.settings.order = self.filter.order;
        self.settings.hide_rejected = self.filter.hide_rejected;
        match self.file.tend(&self.settings, now) {
            Ok(Some(seconds)) => ctx.request_repaint_after_secs(seconds as f32 + 0.02),
            Ok(None) => {}
            Err(message) => self.toasts.error(message),
        }
    }

    /// Writes the settings, if they have changed.
    pub fn keep_settings(&mut self) {
        // At the end there is nobody to tell of a failure.
        _ = self.file.write(&self.settings);
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.keep_settings();
    }
}
