//! The menu of models: what each is, those used lately, and opening others.

use super::app::Model;
use super::panel::display_name;
use super::{App, icons, theme, widgets};
use crate::insight::card::Card;
use crate::pipeline::ModelInfo;
use crate::worker::Request;
use egui::accesskit::Role;
use egui::{FontId, Rect, RichText, Sense, Ui, Vec2, WidgetInfo, vec2};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Models that are remembered.
pub const REMEMBERED: usize = 8;
/// The name of the model that comes with the program.
const EMBER: &str = "ember";
/// Width of the menu, points.
const WIDTH: f32 = 356.0;

/// What is known of models that are not loaded.
#[derive(Default)]
pub(super) struct Models {
    cards: HashMap<String, Result<Arc<Card>, String>>,
    asked: HashSet<String>,
    /// What was in use before another was asked for, which stays when that fails.
    before: Option<(Arc<ModelInfo>, String)>,
}

/// A model's name as a menu shows it: a file without its ending, a capital letter.
fn title(name: &str) -> String {
    if name == EMBER {
        return "Ember, the model of this house".into();
    }
    let title = display_name(name);
    title.strip_suffix(".safetensors").map(str::to_string).unwrap_or(title)
}

impl App {
    /// The button with the model's name, and its menu.
    pub(super) fn model_menu(&mut self, ui: &mut Ui) {
        let name = match &self.model {
            Model::Ready { info, .. } => display_name(&info.name),
            Model::Loading { name, .. } | Model::Failed { name, .. } => display_name(name),
        };
        // A file's name may be long.
        let short: String = name.strip_suffix(".safetensors").unwrap_or(&name).chars().take(26).collect();
        let text = RichText::new(format!("{short}  …")).size(13.0);
        let menu = ui.menu_button(text, |ui| self.models_ui(ui));
        menu.response.on_hover_text("The model that makes the pictures");
    }

    fn models_ui(&mut self, ui: &mut Ui) {
        ui.set_width(WIDTH);
        let ctx = ui.ctx().clone();
        let names: Vec<String> = [EMBER.to_string()].into_iter().chain(self.settings.models.iter().cloned()).collect();
        let mut chosen = None;
        let mut gone = None;
        for name in names {
            if self.models.asked.insert(name.clone()) {
                self.link.send(Request::InspectModel { name: name.clone(), open: false });
            }
            let (clicked, removed) = self.model_row(ui, &name);
            chosen = clicked.then(|| name.clone()).or(chosen);
            gone = removed.then_some(name).or(gone);
        }
        if let Some(name) = gone {
            self.settings.models.retain(|other| *other != name);
        } else if let Some(name) = chosen {
            self.link.send(Request::LoadModel { name });
            ui.close();
        }
        ui.separator();
        if ui
            .button("Open a checkpoint file…")
            .on_hover_text("One .safetensors file, as model sites offer them")
            .clicked()
        {
            self.choose_model_file(&ctx);
        }
        if ui.button("Open a model folder…").on_hover_text("A folder in the diffusers layout").clicked() {
            self.choose_model(&ctx);
        }
    }

    /// One model: its name, what it is, its licence. Returns whether it was chosen and whether it is to be forgotten.
    fn model_row(&self, ui: &mut Ui, name: &str) -> (bool, bool) {
        let card = self.models.cards.get(name);
        let (facts, trouble) = match card {
            Some(Ok(card)) => (card.line(), false),
            Some(Err(message)) => (message.clone(), true),
            None => ("Looking into it…".into(), false),
        };
        let licence = card.and_then(|c| c.as_ref().ok()).and_then(|c| c.licence.clone());
        let height = if licence.is_some() { 64.0 } else { 48.0 };
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
        let title = title(name);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("{title}: {facts}")));
        let painter = ui.painter_at(rect);
        if response.contains_pointer() || response.has_focus() {
            painter.rect_filled(rect, theme::ROUND_SMALL, theme::HOVER);
        }
        let current = matches!(&self.model, Model::Ready { .. }) && self.models_current() == Some(name);
        let left = rect.left() + 28.0;
        if current {
            let at = Rect::from_center_size(egui::pos2(rect.left() + 15.0, rect.top() + 17.0), Vec2::splat(13.0));
            icons::paint(&painter, at, icons::Icon::Check, theme::EMBER, false);
        }
        let room = rect.width() - 68.0;
        let line = |y: f32, text: &str, font: FontId, colour| {
            let mut job = egui::text::LayoutJob::simple_singleline(text.into(), font, colour);
            job.wrap = egui::text::TextWrapping::truncate_at_width(room);
            let galley = painter.layout_job(job);
            painter.galley(egui::pos2(left, rect.top() + y - galley.size().y / 2.0), galley, colour);
        };
        line(17.0, &title, theme::strong(13.5), theme::TEXT);
        let ink = if trouble { theme::TROUBLE } else { theme::MUTED };
        line(34.0, &facts, FontId::proportional(12.5), ink);
        if let Some(licence) = licence {
            line(50.0, &format!("Licence: {licence}"), FontId::proportional(12.5), theme::MUTED);
        }
        let mut removed = false;
        if name != EMBER {
            let place = Rect::from_center_size(egui::pos2(rect.right() - 18.0, rect.center().y), Vec2::splat(26.0));
            let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place));
            let name = format!("Forget {title}");
            removed = icons::tinted(&mut child, icons::Icon::Close, &name, 26.0, None, false).clicked();
        }
        let clicked = response.clicked() && !removed;
        response.on_hover_ui(|ui| hover_ui(ui, name, card));
        (clicked, removed)
    }

    /// The model in use, as it was asked for.
    fn models_current(&self) -> Option<&str> {
        let Model::Ready { info, .. } = &self.model else { return None };
        let path = info.path.display().to_string();
        let known = |name: &&String| **name == path || **name == info.name;
        self.settings.models.iter().find(known).map(String::as_str).or((info.name == EMBER).then_some(EMBER))
    }

    /// Opens what a dialog or a drop has named, once it is known to be a model.
    pub(super) fn open_model(&mut self, name: String) {
        self.link.send(Request::InspectModel { name, open: true });
    }

    /// What the worker has found out about a model.
    pub(super) fn model_inspected(&mut self, name: String, open: bool, card: Result<Arc<Card>, String>) {
        self.models.asked.insert(name.clone());
        match (&card, open) {
            (Ok(_), true) => self.link.send(Request::LoadModel { name: name.clone() }),
            (Err(message), true) => self.toasts.error(message.clone()),
            (_, false) => {}
        }
        if card.is_ok() || !open {
            self.models.cards.insert(name, card);
        }
    }

    /// A model is in use.
    pub(super) fn model_ready(&mut self, info: Arc<ModelInfo>, device: String) {
        if let Model::Loading { name, .. } = &self.model
            && name != EMBER
        {
            self.settings.remember_model(&name.clone());
        }
        self.models.before = Some((info.clone(), device.clone()));
        self.model = Model::Ready { info, device };
    }

    /// A model could not be loaded; the one before stays in use.
    pub(super) fn model_failed(&mut self, name: String, message: String) {
        // Its file may be another one by the next look.
        self.models.asked.remove(&name);
        self.model = match &self.models.before {
            Some((info, device)) => {
                self.toasts.error(format!("{message} {} stays in use.", display_name(&info.name)));
                Model::Ready { info: info.clone(), device: device.clone() }
            }
            None => Model::Failed { name, message },
        };
    }
}

fn hover_ui(ui: &mut Ui, name: &str, card: Option<&Result<Arc<Card>, String>>) {
    ui.set_max_width(340.0);
    match card {
        Some(Ok(card)) => {
            if !card.notes.is_empty() {
                widgets::hint(ui, card.notes.join(", "));
            }
            widgets::hint(ui, card.licence_line());
            if let Some(memory) = &card.memory {
                widgets::hint(ui, memory.clone());
            }
        }
        Some(Err(message)) => _ = widgets::hint(ui, message.clone()),
        None => {}
    }
    if name != EMBER {
        widgets::hint(ui, name);
    }
}
