//! Two pictures side by side: which one is better?

use super::advanced::rare_facts;
use super::app::Screen;
use super::candidate::Candidate;
use super::icons::{self, Icon};
use super::panel::display_name;
use super::viewer::sampler_label;
use super::{App, theme, tile, widgets};
use crate::library::PictureId;
use crate::recipe::Recipe;
use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, RichText, Ui, vec2};
use std::collections::BTreeSet;

/// Room below the pictures, and between their buttons and the edge.
const FOOT: (f32, f32) = (68.0, 14.0);

/// What is different in two Recipes: what it is, at the left, at the right.
pub fn differences(a: &Recipe, b: &Recipe) -> Vec<(String, String, String)> {
    let mut list = Vec::new();
    let mut put = |name: &str, a: String, b: String| {
        if a != b {
            list.push((name.to_string(), a, b));
        }
    };
    put("Prompt", a.prompt.clone(), b.prompt.clone());
    put("Keeps away from", a.negative_prompt.clone(), b.negative_prompt.clone());
    put("Seed", a.seed.to_string(), b.seed.to_string());
    put("Size", format!("{} × {}", a.width, a.height), format!("{} × {}", b.width, b.height));
    put("Steps", a.steps.to_string(), b.steps.to_string());
    put("Guidance", format!("{:.1}", a.cfg_scale), format!("{:.1}", b.cfg_scale));
    put("Sampler", sampler_label(&a.sampler), sampler_label(&b.sampler));
    put("Model", display_name(&a.model.name), display_name(&b.model.name));
    let (rare_a, rare_b) = (rare_facts(a), rare_facts(b));
    let rare: BTreeSet<&str> = rare_a.iter().chain(&rare_b).map(|(name, _)| *name).collect();
    for name in rare {
        let value =
            |facts: &[(&str, String)]| facts.iter().find(|(n, _)| *n == name).map_or("off".into(), |(_, v)| v.clone());
        put(name, value(&rare_a), value(&rare_b));
    }
    let names: BTreeSet<&String> = a.sliders.keys().chain(b.sliders.keys()).collect();
    for name in names {
        let value = |r: &Recipe| r.sliders.get(name).map_or("auto".into(), |v| format!("{v:.2}"));
        let plain = name.strip_prefix("family:").unwrap_or(name).replace('_', " ");
        put(&display_name(&plain), value(a), value(b));
    }
    list
}

impl App {
    /// Draws the comparison.
    pub(super) fn compare_ui(&mut self, ui: &mut Ui, left: PictureId, right: PictureId) {
        let recipe = |id| self.gallery.entries.get(&id).map(|e| e.recipe.clone());
        let (Some(a), Some(b)) = (recipe(left), recipe(right)) else {
            self.screen = Screen::Wall;
            return;
        };
        let waiting = if let Screen::Compare { next, .. } = &self.screen { next.len() } else { 0 };
        let bar = Frame::new().fill(theme::ROOM).inner_margin(Margin::symmetric(20, 0));
        Panel::top("question").exact_size(56.0).frame(bar).show_separator_line(false).show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                ui.label(RichText::new("Which one is better?").font(theme::strong(18.0)));
                if waiting > 0 {
                    ui.add_space(8.0);
                    widgets::hint(ui, format!("{waiting} more to go"));
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::tinted(ui, Icon::Close, "Close", 32.0, None, false).clicked() {
                        self.screen = Screen::Wall;
                    }
                });
            });
        });
        let list = differences(&a, &b);
        let rows = list.len().clamp(1, 5) as f32;
        let foot = Frame::new().fill(theme::PANEL).inner_margin(Margin::symmetric(24, 12));
        Panel::bottom("differences").exact_size(rows * 24.0 + 32.0).frame(foot).show_separator_line(false).show(
            ui,
            |ui| {
                if list.is_empty() {
                    widgets::hint(ui, "Both were made with the same settings.");
                }
                egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    list.iter().for_each(|row| difference(ui, row));
                });
            },
        );
        let mut verdict = None;
        CentralPanel::no_frame().frame(Frame::new().fill(theme::ROOM)).show(ui, |ui| {
            let room = ui.max_rect();
            let middle = room.center().x;
            let halves = [
                (left, room.with_max_x(middle), "Left is better", true),
                (right, room.with_min_x(middle), "Right is better", false),
            ];
            for (id, half, text, is_left) in halves {
                let texture = self.large_texture(id);
                let Some(entry) = self.gallery.entries.get(&id) else { continue };
                let (size, spoken) = (vec2(entry.width as f32, entry.height as f32), tile::spoken(entry));
                let key = if is_left { "Left" } else { "Right" };
                if (Candidate { texture, size, spoken, text, key, foot: FOOT }).ui(ui, half) {
                    verdict = Some(is_left);
                }
            }
        });
        if let Some(left_is_better) = verdict {
            self.judge(left_is_better);
        }
    }
}

fn difference(ui: &mut Ui, (name, a, b): &(String, String, String)) {
    let width = ui.available_width();
    let cell = |ui: &mut Ui, width: f32, align: Align, text: RichText, full: &str| {
        let size = vec2(width, 22.0);
        let layout = Layout::left_to_right(Align::Center).with_main_align(align).with_main_justify(true);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.set_min_size(size);
            ui.add(egui::Label::new(text).truncate().halign(align)).on_hover_text(full);
        });
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let side = (width - 150.0) / 2.0;
        cell(ui, side, Align::Max, RichText::new(a).size(13.0), a);
        cell(ui, 150.0, Align::Center, RichText::new(name).size(12.5).color(theme::MUTED), name);
        cell(ui, side, Align::Min, RichText::new(b).size(13.0), b);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        let a = Recipe { prompt: "a fox".into(), ..Recipe::default() };
        let mut b = Recipe { seed: 3, ..a.clone() };
        b.sliders.insert("family:night_sky".into(), 0.5);
        let list = differences(&a, &b);
        assert_eq!(list[0], ("Seed".into(), "0".into(), "3".into()));
        assert_eq!(list[1], ("Night sky".into(), "auto".into(), "0.50".into()));
        assert_eq!(list.len(), 2);
    }
}
