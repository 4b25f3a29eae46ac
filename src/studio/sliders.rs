//! The model's own sliders: left to the model until they are touched.

use super::icons::{self, Icon};
use super::{App, theme, widgets};
use crate::pipeline::SliderSpec;
use crate::pipeline::extras::{ATTRIBUTE, FAMILY};
use egui::{Align, Layout, RichText, Slider, Ui, vec2};
use std::collections::BTreeMap;

/// Width of the names at the left.
pub const NAMES: f32 = 92.0;
/// Width of the numbers at the right, with the button that resets.
pub const NUMBERS: f32 = 72.0;

impl App {
    /// Draws every slider that is no family's share.
    pub(super) fn sliders_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else { return };
        let attributes: Vec<&SliderSpec> = info.sliders.iter().filter(|s| s.group != FAMILY).collect();
        if attributes.is_empty() {
            return;
        }
        let values = &mut self.settings.form.sliders;
        ui.horizontal(|ui| {
            ui.set_height(28.0);
            widgets::title(ui, "Look");
            let touched = attributes.iter().any(|s| values.contains_key(&s.name));
            if touched {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::button(ui, Icon::Reset, "Leave the look to the model").clicked() {
                        attributes.iter().for_each(|s| _ = values.remove(&s.name));
                    }
                });
            }
        });
        ui.spacing_mut().item_spacing.y = 4.0;
        for slider in attributes {
            debug_assert!(slider.group == ATTRIBUTE || !slider.group.is_empty());
            row(ui, slider, values);
        }
        ui.spacing_mut().item_spacing.y = theme::STEP;
        ui.add_space(8.0);
    }
}

fn row(ui: &mut Ui, spec: &SliderSpec, values: &mut BTreeMap<String, f32>) {
    ui.horizontal(|ui| {
        ui.set_height(28.0);
        ui.spacing_mut().item_spacing.x = 0.0;
        let set = values.get(&spec.name).copied();
        let ink = if set.is_some() { theme::TEXT } else { theme::MUTED };
        let label = name(ui, &spec.label, ink);
        let mut value = set.unwrap_or(spec.neutral);
        let response = track(ui, &mut value, spec.min..=spec.max, set.is_some(), NUMBERS);
        let response = response.labelled_by(label).on_hover_ui(|ui| tip(ui, spec));
        // A click on the handle where it rests is a touch, too.
        if response.changed() || (response.drag_stopped() && set.is_none()) {
            values.insert(spec.name.clone(), value);
        }
        let text = set.map_or("auto".into(), |v| format!("{v:.2}"));
        number(ui, &text, ink);
        if set.is_some()
            && icons::tinted(ui, Icon::Close, &format!("Reset {}", spec.label), 24.0, None, false).clicked()
        {
            values.remove(&spec.name);
        }
    });
}

fn tip(ui: &mut Ui, spec: &SliderSpec) {
    ui.label(RichText::new(&spec.label).font(theme::strong(13.0)));
    if !spec.help.is_empty() {
        ui.label(&spec.help);
    }
    widgets::hint(ui, "Left to the model until you move it.");
}

/// A name at the left of a row; returns its id, for the slider to be called by it.
pub fn name(ui: &mut Ui, text: &str, ink: egui::Color32) -> egui::Id {
    let size = vec2(NAMES, 28.0);
    let layout = Layout::left_to_right(Align::Center);
    let inner = ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.add(egui::Label::new(RichText::new(text).size(13.5).color(ink)).truncate()).id
    });
    inner.inner
}

/// A number at the right of a row.
pub fn number(ui: &mut Ui, text: &str, ink: egui::Color32) {
    let size = vec2(NUMBERS - 26.0, 28.0);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.label(RichText::new(text).size(12.5).color(ink));
    });
}

/// The slider of a row, which leaves `right` points free; quiet while it is left to the model.
pub fn track(
    ui: &mut Ui,
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    set: bool,
    right: f32,
) -> egui::Response {
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - right).max(60.0);
        ui.spacing_mut().interact_size.y = 24.0;
        let visuals = ui.visuals_mut();
        visuals.widgets.inactive.bg_fill = if set { theme::TEXT } else { theme::HOVER };
        visuals.widgets.hovered.bg_fill = egui::Color32::WHITE;
        visuals.widgets.active.bg_fill = theme::EMBER_BRIGHT;
        visuals.selection.bg_fill = theme::EMBER;
        visuals.slider_trailing_fill = set;
        ui.add(Slider::new(value, range).show_value(false).trailing_fill(set))
    })
    .inner
}
