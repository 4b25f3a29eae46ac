//! One of two pictures of which a person says which is better, with its button.

use super::{theme, tile};
use egui::accesskit::Role;
use egui::{
    Align2, Button, Pos2, Rect, RichText, Sense, Stroke, StrokeKind, TextureHandle, Ui, UiBuilder, Vec2, WidgetInfo,
    vec2,
};

/// What is known of it.
pub(super) struct Candidate<'a> {
    /// Its pixels, once they are there.
    pub texture: Option<TextureHandle>,
    /// Its width and height.
    pub size: Vec2,
    /// What a screen reader says of it.
    pub spoken: String,
    /// What its button says.
    pub text: &'a str,
    /// The key that does the same.
    pub key: &'a str,
    /// Room below it, and between its button and the edge, in points.
    pub foot: (f32, f32),
}

impl Candidate<'_> {
    /// Draws it into one half of the room; whether it was chosen.
    pub fn ui(self, ui: &mut Ui, half: Rect) -> bool {
        let inner = half.shrink2(vec2(20.0, 0.0));
        let place = tile::fit(self.size, inner.with_max_y(inner.max.y - self.foot.0));
        let response = ui.interact(place, ui.scope_id().with(self.text), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &self.spoken));
        match &self.texture {
            Some(texture) => tile::picture(ui.painter(), place, texture, 1.0),
            None => _ = ui.painter().rect_filled(place, theme::ROUND, theme::SUNKEN),
        }
        if response.hovered() {
            let ring = Stroke::new(2.0, theme::EMBER);
            ui.painter().rect_stroke(place, theme::ROUND, ring, StrokeKind::Inside);
        }
        let below = inner.center_bottom() - vec2(0.0, self.foot.1);
        answer_button(ui, below, self.text, self.key) || response.double_clicked()
    }
}

/// A button that answers, standing on `bottom`.
pub(super) fn answer_button(ui: &mut Ui, bottom: Pos2, text: &str, key: &str) -> bool {
    let place = Align2::CENTER_BOTTOM.anchor_size(bottom, vec2(220.0, 40.0));
    let button = Button::new(RichText::new(text).font(theme::strong(14.0)));
    let button = button.shortcut_text(RichText::new(key).size(12.0)).min_size(vec2(220.0, 40.0));
    ui.scope_builder(UiBuilder::new().max_rect(place), |ui| ui.add(button).accessible_name(text).clicked()).inner
}
