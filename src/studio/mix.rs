//! The mix of families: which kinds of picture, and how much of each.

use super::icons::{self, Icon};
use super::sliders::{name, number, track};
use super::{App, form, theme, widgets};
use crate::pipeline::SliderSpec;
use crate::pipeline::extras::FAMILY;
use crate::pipeline::mix;
use egui::{Align, Layout, TextEdit, Ui};

/// From so many families on there is a field to search them.
const MANY: usize = 8;

impl App {
    /// Draws the shares that are set, and the families that can be added.
    pub(super) fn mix_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else { return };
        let families: Vec<&SliderSpec> = info.sliders.iter().filter(|s| s.group == FAMILY).collect();
        if families.is_empty() {
            return;
        }
        let shares = form::shares(&self.settings.form.sliders, &info);
        let named = mix::named(&info.sliders, &self.settings.form.prompt);
        let named: Vec<String> = named.iter().map(|family| readable(&family.label)).collect();
        let values = &mut self.settings.form.sliders;
        ui.horizontal(|ui| {
            ui.set_height(28.0);
            widgets::title(ui, "Style mix");
            if shares.is_empty() {
                let from = if named.is_empty() { "left to your words".into() } else { by_word(&named) };
                let text = egui::RichText::new(from).size(12.5).color(theme::MUTED);
                ui.add(egui::Label::new(text).truncate());
            } else {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::button(ui, Icon::Reset, "Reset the mix").clicked() {
                        families.iter().for_each(|s| _ = values.remove(&s.name));
                    }
                });
            }
        });
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            for family in &families {
                let Some(mut value) = values.get(&family.name).copied() else { continue };
                let share = shares.iter().find(|(label, _)| *label == family.label).map_or(0.0, |(_, v)| *v);
                ui.horizontal(|ui| {
                    ui.set_height(28.0);
                    ui.spacing_mut().item_spacing.x = 0.0;
                    let label = name(ui, &readable(&family.label), theme::TEXT);
                    let slider = track(ui, &mut value, family.min..=family.max, true, super::sliders::NUMBERS);
                    if slider.labelled_by(label).on_hover_text(&family.help).changed() {
                        values.insert(family.name.clone(), value);
                    }
                    number(ui, &format!("{:.0}%", share * 100.0), theme::TEXT);
                    let remove = format!("Remove {}", readable(&family.label));
                    if icons::tinted(ui, Icon::Close, &remove, 24.0, None, false).clicked() {
                        values.remove(&family.name);
                    }
                });
            }
        });
        let wanted = self.family_search.trim().to_lowercase();
        let free = families.iter().filter(|f| !values.contains_key(&f.name));
        let found: Vec<&&SliderSpec> = free.filter(|f| readable(&f.label).to_lowercase().contains(&wanted)).collect();
        let mut add = None;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = egui::vec2(6.0, 6.0);
            if families.len() > MANY {
                let edit =
                    TextEdit::singleline(&mut self.family_search).hint_text("Search styles").desired_width(108.0);
                ui.add(edit.margin(egui::Margin::symmetric(10, 4))).accessible_name("Search styles");
            }
            for family in &found {
                let text = readable(&family.label);
                let chip = widgets::chip(ui, &text, false).accessible_name(format!("Add {text}"));
                if chip.on_hover_text(&family.help).clicked() {
                    add = Some(family.name.clone());
                }
            }
        });
        if found.is_empty() && !wanted.is_empty() {
            widgets::hint(ui, "No style is called so.");
        }
        if let Some(family) = add.and_then(|name| families.iter().find(|f| f.name == name)) {
            // A newcomer weighs as much as the others do on the average.
            let set: Vec<f32> = families.iter().filter_map(|f| values.get(&f.name).copied()).collect();
            let mean = set.iter().sum::<f32>() / set.len().max(1) as f32;
            let start = if mean > 0.0 { mean } else { family.neutral };
            values.insert(family.name.clone(), start.clamp(family.min, family.max));
            self.family_search.clear();
        }
    }
}

/// What says that words alone set the mix.
fn by_word(named: &[String]) -> String {
    format!("{}, from your words", named.join(" and "))
}

/// A family's label without the marks of a file name.
fn readable(label: &str) -> String {
    super::panel::display_name(&label.replace('_', " "))
}
