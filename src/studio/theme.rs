//! Colours, type and spacing: a dark, neutral room in which the pictures are the light.

use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, TextStyle, vec2,
};
use std::sync::Arc;

/// Behind the pictures.
pub const ROOM: Color32 = Color32::from_rgb(0x16, 0x17, 0x19);
/// Panels.
pub const PANEL: Color32 = Color32::from_rgb(0x1d, 0x1e, 0x21);
/// Cards, buttons.
pub const RAISED: Color32 = Color32::from_rgb(0x2a, 0x2c, 0x30);
/// The same, under the pointer.
pub const HOVER: Color32 = Color32::from_rgb(0x36, 0x39, 0x3e);
/// Fields to write in, tracks of sliders, places of pictures to come.
pub const SUNKEN: Color32 = Color32::from_rgb(0x13, 0x14, 0x15);
/// Thin lines.
pub const LINE: Color32 = Color32::from_rgb(0x33, 0x36, 0x3b);
/// What is read first.
pub const TEXT: Color32 = Color32::from_rgb(0xec, 0xea, 0xe6);
/// What explains it; contrast above 4.5 on every surface here.
pub const MUTED: Color32 = Color32::from_rgb(0xa8, 0xa5, 0xa0);
/// The one warm accent.
pub const EMBER: Color32 = Color32::from_rgb(0xf4, 0x7b, 0x3e);
/// The accent under the pointer.
pub const EMBER_BRIGHT: Color32 = Color32::from_rgb(0xff, 0x95, 0x5c);
/// A surface that is chosen.
pub const EMBER_DIM: Color32 = Color32::from_rgb(0x4a, 0x2c, 0x1d);
/// Text on the accent.
pub const ON_EMBER: Color32 = Color32::from_rgb(0x1e, 0x0f, 0x07);
/// Something went wrong.
pub const TROUBLE: Color32 = Color32::from_rgb(0xff, 0x7d, 0x72);
/// Favourites.
pub const HEART: Color32 = Color32::from_rgb(0xff, 0x6b, 0x81);
/// Stars.
pub const STAR: Color32 = Color32::from_rgb(0xff, 0xc4, 0x57);

/// One step of the grid on which everything stands, in points.
pub const STEP: f32 = 8.0;
/// Roundness of pictures and cards.
pub const ROUND: u8 = 10;
/// Roundness of controls.
pub const ROUND_SMALL: u8 = 7;

const STRONG: &str = "strong";

/// The heavier face, for titles and the one main button.
pub fn strong(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(STRONG.into()))
}

/// Gives a context Kiln's fonts and look.
pub fn apply(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(|style| {
        style.text_styles = [
            (TextStyle::Heading, strong(20.0)),
            (TextStyle::Body, FontId::proportional(14.0)),
            (TextStyle::Button, FontId::proportional(14.0)),
            (TextStyle::Small, FontId::proportional(12.0)),
            (TextStyle::Monospace, FontId::monospace(13.0)),
        ]
        .into();
        style.visuals = visuals();
        style.animation_time = 0.1;
        // A still window costs nothing.
        style.visuals.text_cursor.blink = false;
        style.interaction.selectable_labels = false;
        style.interaction.tooltip_delay = 0.4;
        let spacing = &mut style.spacing;
        spacing.item_spacing = vec2(STEP, STEP);
        spacing.button_padding = vec2(10.0, 5.0);
        spacing.interact_size = vec2(32.0, 28.0);
        spacing.slider_rail_height = 4.0;
        spacing.menu_margin = Margin::same(6);
        spacing.window_margin = Margin::same(24);
        spacing.tooltip_width = 280.0;
        spacing.combo_width = 96.0;
        spacing.icon_width = 16.0;
        spacing.indent = 0.0;
        spacing.scroll.bar_width = 8.0;
        spacing.scroll.floating_allocated_width = 0.0;
    });
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let regular = FontData::from_static(include_bytes!("../../assets/fonts/Inter-Regular.otf"));
    let strong = FontData::from_static(include_bytes!("../../assets/fonts/Inter-SemiBold.otf"));
    fonts.font_data.insert("inter".into(), Arc::new(regular));
    fonts.font_data.insert("inter-strong".into(), Arc::new(strong));
    let others = fonts.families.entry(FontFamily::Proportional).or_default();
    others.insert(0, "inter".into());
    let mut others = others.clone();
    others.insert(0, "inter-strong".into());
    fonts.families.insert(FontFamily::Name(STRONG.into()), others);
    fonts
}

fn visuals() -> egui::Visuals {
    let mut v = egui::Visuals::dark();
    v.override_text_color = None;
    v.weak_text_color = Some(MUTED);
    v.panel_fill = PANEL;
    v.window_fill = PANEL;
    v.window_stroke = Stroke::new(1.0, LINE);
    v.window_corner_radius = CornerRadius::same(14);
    v.menu_corner_radius = CornerRadius::same(ROUND);
    v.extreme_bg_color = SUNKEN;
    v.text_edit_bg_color = Some(SUNKEN);
    v.faint_bg_color = RAISED;
    v.code_bg_color = SUNKEN;
    v.hyperlink_color = EMBER_BRIGHT;
    v.error_fg_color = TROUBLE;
    v.warn_fg_color = EMBER_BRIGHT;
    v.selection.bg_fill = EMBER_DIM;
    v.selection.stroke = Stroke::new(1.0, Color32::from_rgb(0xff, 0xd9, 0xc4));
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    v.indent_has_left_vline = false;
    v.disabled_alpha = 0.55;
    v.text_cursor.stroke = Stroke::new(1.5, EMBER);
    let look = |fill: Color32, edge: Stroke, text: Color32| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: edge,
        corner_radius: CornerRadius::same(ROUND_SMALL),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    v.widgets.noninteractive = look(PANEL, Stroke::new(1.0, LINE), TEXT);
    v.widgets.inactive = look(RAISED, Stroke::NONE, TEXT);
    v.widgets.hovered = look(HOVER, Stroke::NONE, Color32::WHITE);
    // Also what has the keyboard: its ring must be seen.
    v.widgets.active = look(HOVER, Stroke::new(1.5, EMBER), Color32::WHITE);
    v.widgets.open = look(HOVER, Stroke::NONE, TEXT);
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(c: Color32) -> f32 {
        let line = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * line(c.r()) + 0.7152 * line(c.g()) + 0.0722 * line(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_every_surface() {
        for surface in [ROOM, PANEL, RAISED, SUNKEN] {
            for text in [TEXT, MUTED, TROUBLE, EMBER_BRIGHT] {
                assert!(contrast(text, surface) >= 4.5, "{text:?} on {surface:?}: {}", contrast(text, surface));
            }
        }
        assert!(contrast(ON_EMBER, EMBER) >= 4.5);
        assert!(contrast(TEXT, HOVER) >= 4.5);
        assert!(contrast(Color32::from_rgb(0xff, 0xd9, 0xc4), EMBER_DIM) >= 4.5);
    }
}
