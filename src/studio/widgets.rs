//! Small controls that the window uses in several places.

use super::icons::{self, Icon};
use super::theme;
use egui::accesskit::Role;
use egui::{
    Align, Align2, Button, Color32, CornerRadius, Layout, Response, RichText, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, vec2,
};

/// The one main button of a place, in the accent colour, with its keys at the right.
pub fn main_button(ui: &mut Ui, text: &str, keys: &str, enabled: bool) -> Response {
    let size = vec2(ui.available_width(), 44.0);
    ui.add_enabled_ui(enabled, |ui| {
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, text));
        let fill = match () {
            () if !enabled => theme::RAISED,
            () if response.is_pointer_button_down_on() => theme::EMBER,
            () if response.hovered() => theme::EMBER_BRIGHT,
            () => theme::EMBER,
        };
        let ink = if enabled { theme::ON_EMBER } else { theme::MUTED };
        let painter = ui.painter();
        painter.rect_filled(rect, theme::ROUND, fill);
        if response.has_focus() {
            painter.rect_stroke(
                rect.expand(2.0),
                theme::ROUND + 2,
                Stroke::new(1.5, Color32::WHITE),
                StrokeKind::Inside,
            );
        }
        painter.text(rect.center(), Align2::CENTER_CENTER, text, theme::strong(15.0), ink);
        let right = rect.right_center() - vec2(14.0, 0.0);
        painter.text(right, Align2::RIGHT_CENTER, keys, egui::FontId::proportional(12.0), ink);
        response
    })
    .inner
}

/// A small round choice.
pub fn chip(ui: &mut Ui, text: &str, chosen: bool) -> Response {
    let text = RichText::new(text).size(13.0);
    let button = Button::selectable(chosen, text).corner_radius(CornerRadius::same(13)).min_size(vec2(34.0, 26.0));
    ui.add(button.frame_when_inactive(true).fill(if chosen { theme::EMBER_DIM } else { theme::RAISED }))
}

/// A switch that is on or off.
pub fn switch(ui: &mut Ui, on: &mut bool, name: &str) -> Response {
    let (rect, mut response) = ui.allocate_exact_size(vec2(38.0, 22.0), Sense::click());
    if response.clicked() {
        *on = !*on;
        response.mark_changed();
    }
    response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), *on, name));
    let over = response.hovered() || response.has_focus();
    let fill = match (*on, over) {
        (true, true) => theme::EMBER_BRIGHT,
        (true, false) => theme::EMBER,
        (false, true) => theme::HOVER,
        (false, false) => theme::RAISED,
    };
    let painter = ui.painter();
    painter.rect_filled(rect, 11, fill);
    if response.has_focus() {
        painter.rect_stroke(rect.expand(2.0), 13, Stroke::new(1.5, theme::EMBER), StrokeKind::Inside);
    }
    let x = if *on { rect.right() - 11.0 } else { rect.left() + 11.0 };
    let knob = if *on { theme::ON_EMBER } else { theme::MUTED };
    painter.circle_filled(egui::pos2(x, rect.center().y), 8.0, knob);
    response
}

/// One choice of several that stand in one row, as wide as the row.
pub fn segments<T: PartialEq + Copy>(ui: &mut Ui, value: &mut T, choices: &[(T, &str, &str)], width: f32) -> bool {
    let mut changed = false;
    egui::Frame::new().fill(theme::SUNKEN).corner_radius(CornerRadius::same(9)).inner_margin(3).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            let each = (width - 6.0 - 2.0 * (choices.len() as f32 - 1.0)) / choices.len() as f32;
            for (choice, text, help) in choices {
                let chosen = value == choice;
                let ink = if chosen { theme::TEXT } else { theme::MUTED };
                let button = Button::selectable(chosen, RichText::new(*text).size(13.0).color(ink))
                    .fill(if chosen { theme::HOVER } else { Color32::TRANSPARENT })
                    .min_size(vec2(each, 26.0));
                let mut response = ui.add(button);
                if !help.is_empty() {
                    response = response.on_hover_text(*help);
                }
                if response.clicked() && !chosen {
                    *value = *choice;
                    changed = true;
                }
            }
        });
    });
    changed
}

/// A title of a group of controls.
pub fn title(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text).font(theme::strong(13.0)).color(theme::TEXT))
}

/// The head of a page in the place of the wall: its title, and at the right what `add` puts left of the close button. Whether that
/// was pressed.
pub fn page_head(ui: &mut Ui, title: impl Into<String>, add: impl FnOnce(&mut Ui)) -> bool {
    let head = ui.horizontal(|ui| {
        ui.set_height(32.0);
        ui.label(RichText::new(title).font(theme::strong(20.0)));
        let right = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(16.0);
            let closed = icons::tinted(ui, Icon::Close, "Close", 32.0, None, false).clicked();
            add(ui);
            closed
        });
        right.inner
    });
    head.inner
}

/// Text that explains.
pub fn hint(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.add(egui::Label::new(RichText::new(text).size(12.5).color(theme::MUTED)).wrap())
}

/// A title that opens and closes what stands under it.
pub fn fold(ui: &mut Ui, text: &str, open: &mut bool, note: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, *open, text));
    let ink = if response.hovered() || response.has_focus() { Color32::WHITE } else { theme::TEXT };
    if response.has_focus() {
        let ring = Stroke::new(1.5, theme::EMBER);
        ui.painter().rect_stroke(rect.expand2(vec2(4.0, 0.0)), theme::ROUND_SMALL, ring, StrokeKind::Inside);
    }
    let arrow = egui::Rect::from_center_size(rect.left_center() + vec2(6.0, 0.0), vec2(11.0, 11.0));
    icons::paint(ui.painter(), arrow, if *open { Icon::Down } else { Icon::Right }, theme::MUTED, false);
    ui.painter().text(rect.left_center() + vec2(20.0, 0.0), Align2::LEFT_CENTER, text, theme::strong(13.0), ink);
    if !note.is_empty() {
        let font = egui::FontId::proportional(12.5);
        ui.painter().text(rect.right_center(), Align2::RIGHT_CENTER, note, font, theme::MUTED);
    }
    if response.clicked() {
        *open = !*open;
    }
}

/// How long something took: milliseconds below a second.
pub fn took(seconds: f32) -> String {
    if seconds < 0.9995 { format!("{:.0} ms", seconds * 1000.0) } else { duration(seconds) }
}

/// Seconds as people say them.
pub fn duration(seconds: f32) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 5940.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// `1 picture`, `5 pictures`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
