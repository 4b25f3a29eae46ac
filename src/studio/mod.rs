//! The window. The only folder that knows egui.
//!
//! It sends [`Request`]s, draws what [`Event`]s have told it, and never waits: `app` holds the state and one frame's
//! order, `events` takes in what happened, `actions` does what the person asked; the others each draw one part.

mod actions;
mod adapter;
mod advanced;
mod app;
mod candidate;
mod canvas;
mod compare;
mod curve;
mod dialogs;
mod events;
mod form;
mod gallery;
mod icons;
mod lesson;
mod mask;
mod mix;
mod models;
mod panel;
mod preview;
mod prompt;
mod settings;
mod shelf;
mod shortcuts;
mod sliders;
mod start;
mod status;
mod taste;
mod teach;
mod teach_class;
mod teach_plan;
mod textures;
mod theme;
mod tile;
mod toasts;
mod trial;
mod viewer;
mod wall;
mod widgets;
mod words;

pub use app::App;
pub use dialogs::{Dialogs, SystemDialogs};

use crate::pipeline::device::DeviceChoice;
use crate::worker::{Event, Request, Worker};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// The way to the worker.
pub trait Link {
    /// Asks for something; never waits.
    fn send(&self, request: Request);
    /// The next thing that happened, if there is one already.
    fn try_recv(&self) -> Option<Event>;
}

impl Link for Worker {
    fn send(&self, request: Request) {
        Worker::send(self, request);
    }

    fn try_recv(&self) -> Option<Event> {
        Worker::try_recv(self)
    }
}

/// What the window is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the library.
    pub library: PathBuf,
    /// `ember` or a path.
    pub model: String,
    /// Where to compute.
    pub device: DeviceChoice,
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// When no window can be opened, as without a display.
pub fn run(options: Options) -> Result<()> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Kiln")
        .with_app_id("kiln")
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([1024.0, 640.0])
        .with_drag_and_drop(true);
    let native = eframe::NativeOptions { viewport, centered: true, ..Default::default() };
    let opened = eframe::run_native(
        "Kiln",
        native,
        Box::new(move |cc| {
            let ctx = cc.egui_ctx.clone();
            let Options { library, model, device } = options;
            let start = crate::worker::Options { library: library.clone(), model: model.clone(), device };
            let worker = Worker::start(start, move || ctx.request_repaint());
            Ok(Box::new(App::new(worker, Arc::new(SystemDialogs), &library, &model)))
        }),
    );
    opened.map_err(|e| {
        let reason = e.to_string();
        let reason = reason.trim_end_matches('.');
        Error::failed(format!(
            "The window could not be opened ({reason}): start Kiln on a desktop with a display, or use `kiln generate`."
        ))
    })
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        App::ui(self, ui);
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.keep_settings();
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        theme::ROOM.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
