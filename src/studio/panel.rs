//! The left panel: what the next pictures are made of.

use super::form::{MAX_COUNT, SeedMode, random_seed};
use super::icons::{self, Icon};
use super::{App, theme, widgets};
use egui::{Align, DragValue, Layout, Rect, RichText, ScrollArea, Ui, Vec2, vec2};

impl App {
    /// Draws the panel.
    pub(super) fn panel_ui(&mut self, ui: &mut Ui) {
        self.brand_ui(ui);
        ui.add_space(4.0);
        self.preview_ui(ui);
        ui.add_space(4.0);
        let room = (ui.available_height() - self.footer_height - 8.0).max(120.0);
        // The bar floats in the panel's margin.
        let scroll = ScrollArea::vertical().max_height(room).min_scrolled_height(room).auto_shrink([false, false]);
        scroll.show(ui, |ui| {
            ui.set_width(ui.available_width() - 10.0);
            self.prompt_ui(ui);
            self.adapters_ui(ui);
            self.start_ui(ui);
            ui.add_space(8.0);
            self.sliders_ui(ui);
            self.mix_ui(ui);
            self.advanced_ui(ui);
            ui.add_space(12.0);
        });
        let top = ui.cursor().top();
        ui.painter().hline(ui.max_rect().x_range().expand(16.0), top, egui::Stroke::new(1.0, theme::LINE));
        ui.add_space(6.0);
        self.footer_ui(ui);
        self.footer_height = ui.cursor().top() - top;
    }

    fn brand_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.set_height(28.0);
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(22.0), egui::Sense::hover());
            icons::paint(ui.painter(), rect, Icon::Flame, theme::EMBER, true);
            ui.label(RichText::new("Kiln").font(theme::strong(18.0)));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.model_menu(ui));
        });
    }

    fn footer_ui(&mut self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing.y = 8.0;
        let locked = self.settings.form.seed_mode == SeedMode::Locked;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let label = ui.add_sized(vec2(56.0, 26.0), left_label("Pictures"));
            let why = "One locked seed gives one picture. Choose Random or Fixed for more.";
            ui.add_enabled_ui(!locked, |ui| {
                for number in [1, 4, 8, 16, 40] {
                    let chosen = self.settings.form.pictures() == number;
                    let chip = widgets::chip(ui, &number.to_string(), chosen);
                    let name = widgets::count(number as usize, "picture");
                    if chip.accessible_name(name).on_disabled_hover_text(why).clicked() {
                        self.settings.form.count = number;
                    }
                }
                let mut count = self.settings.form.pictures();
                let drag = DragValue::new(&mut count).range(1..=MAX_COUNT).speed(0.15);
                let size = vec2(ui.available_width(), 26.0);
                let drag = ui.add_sized(size, drag).labelled_by(label.id).on_hover_text("1 to 64: drag or type");
                if drag.on_disabled_hover_text(why).changed() {
                    self.settings.form.count = count;
                }
            });
        });
        let label = ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let label = ui.add_sized(vec2(56.0, 34.0), left_label("Seed"));
            let choices = [
                (SeedMode::Random, "Random", "A new seed at every Generate"),
                (SeedMode::Fixed, "Fixed", "Starts at this seed and counts up from picture to picture"),
                (SeedMode::Locked, "Locked", "Always this seed: only words and sliders change the picture"),
            ];
            let width = ui.available_width();
            widgets::segments(ui, &mut self.settings.form.seed_mode, &choices, width);
            label
        });
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.add_space(60.0);
            let form = &mut self.settings.form;
            let seed = DragValue::new(&mut form.seed).speed(0.3).range(0..=u64::from(u32::MAX));
            let size = vec2(ui.available_width() - 32.0, 28.0);
            let field = ui.add_sized(size, seed).labelled_by(label.inner.id).on_hover_text("Seed of the next picture");
            if field.changed() && form.seed_mode == SeedMode::Random {
                // Who chooses a seed wants to keep it.
                form.seed_mode = SeedMode::Fixed;
            }
            if icons::button(ui, Icon::Dice, "New seed").clicked() {
                form.seed = random_seed();
            }
        });
        self.taste_row_ui(ui);
        let can = self.can_generate();
        let number = self.settings.form.pictures();
        let text = if number == 1 { "Generate".into() } else { format!("Generate {number}") };
        let keys = egui::KeyboardShortcut::new(egui::Modifiers::COMMAND, egui::Key::Enter);
        let keys = ui.ctx().format_shortcut(&keys);
        let mut button = widgets::main_button(ui, &text, &keys, can.is_ok()).accessible_name("Generate");
        if let Err(why) = can {
            button = button.on_disabled_hover_text(why);
        }
        if button.clicked() {
            self.generate();
        }
        // What the panel's margin does not give.
        ui.allocate_rect(Rect::from_min_size(ui.cursor().min, vec2(1.0, 0.0)), egui::Sense::hover());
    }
}

/// A label that stands at the left of its place.
pub(super) fn left_label(text: &str) -> impl egui::Widget {
    let text = RichText::new(text).size(13.0).color(theme::MUTED);
    move |ui: &mut Ui| {
        let size = ui.available_size();
        ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(size);
            ui.label(text)
        })
        .inner
    }
}

/// A model's name as people write it: the last part of a path, with a capital letter.
pub fn display_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(name);
    let mut letters = last.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
