//! One tile of the wall.

use super::gallery::Slot;
use super::icons::{self, Icon};
use super::{App, theme};
use crate::library::{Entry, MAX_STARS, PictureId};
use egui::accesskit::Role;
use egui::epaint::{Mesh, RectShape};
use egui::{
    Align2, Color32, EventFilter, FontId, Modifiers, Painter, Pos2, Rect, Response, Sense, Stroke, StrokeKind,
    TextureHandle, Ui, Vec2, WidgetInfo, pos2, vec2,
};

/// What happened to a tile.
#[derive(Debug, Clone, PartialEq)]
pub enum Touch {
    Click(Modifiers),
    Open,
    Rate(u8),
    Favourite,
    Select,
}

/// The largest place of a picture's shape inside `room`.
pub fn fit(size: Vec2, room: Rect) -> Rect {
    let scale = (room.width() / size.x.max(1.0)).min(room.height() / size.y.max(1.0));
    Rect::from_center_size(room.center(), size * scale)
}

/// Paints a picture with round corners.
pub fn picture(painter: &Painter, rect: Rect, texture: &TextureHandle, opacity: f32) {
    let all = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    let tint = Color32::WHITE.gamma_multiply(opacity);
    painter.add(RectShape::filled(rect, theme::ROUND, tint).with_texture(texture.id(), all));
}

/// Darkness that rises from the lower edge, so that marks can be read on any picture.
fn shade(painter: &Painter, rect: Rect, height: f32) {
    let strip = Rect::from_min_max(pos2(rect.left(), rect.bottom() - height), rect.max);
    let mut mesh = Mesh::default();
    let (clear, dark) = (Color32::TRANSPARENT, Color32::from_black_alpha(190));
    let floor = strip.bottom() - f32::from(theme::ROUND);
    mesh.colored_vertex(strip.left_top(), clear);
    mesh.colored_vertex(strip.right_top(), clear);
    mesh.colored_vertex(pos2(strip.right(), floor), dark);
    mesh.colored_vertex(pos2(strip.left(), floor), dark);
    mesh.add_triangle(0, 1, 2);
    mesh.add_triangle(0, 2, 3);
    painter.add(egui::Shape::mesh(mesh));
    let base = Rect::from_min_max(pos2(strip.left(), floor), strip.max);
    let round = egui::CornerRadius { nw: 0, ne: 0, sw: theme::ROUND, se: theme::ROUND };
    painter.rect_filled(base, round, dark);
}

fn ring(painter: &Painter, rect: Rect, width: f32, colour: Color32) {
    painter.rect_stroke(rect, theme::ROUND, Stroke::new(width, colour), StrokeKind::Inside);
}

/// What a screen reader says of a picture.
pub fn spoken(entry: &Entry) -> String {
    let mut text = format!("Picture {}: {}", entry.id, entry.recipe.prompt);
    if entry.rating > 0 {
        text += &format!(", {}", super::widgets::count(entry.rating.into(), "star"));
    }
    for (on, word) in [(entry.favourite, "favourite"), (entry.rejected, "rejected"), (entry.id < 0, "not saved")] {
        if on {
            text += &format!(", {word}");
        }
    }
    text
}

impl App {
    /// Draws a picture's tile; returns its response and what was done with it.
    pub(super) fn tile_ui(&mut self, ui: &mut Ui, rect: Rect, id: PictureId) -> Option<(Response, Option<Touch>)> {
        let entry = self.gallery.entries.get(&id)?.clone();
        let selected = self.selected.contains(&id);
        let response = ui.interact(rect, egui::Id::unique(("tile", id)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, spoken(&entry)));
        self.tile_ids.insert(response.id);
        let arrows =
            EventFilter { horizontal_arrows: true, vertical_arrows: true, escape: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, arrows));

        let pixels = rect.width().max(rect.height()) * ui.pixels_per_point();
        let (texture, ask) = self.textures.small(id, pixels);
        if let Some(side) = ask
            && id >= 0
        {
            self.link.send(crate::worker::Request::Thumbnail { id, side });
        }
        let painter = ui.painter_at(rect.expand(2.0));
        let shown = texture.as_ref().map_or(rect, |t| fit(t.size_vec2(), rect));
        painter.rect_filled(rect, theme::ROUND, theme::SUNKEN);
        if let Some(texture) = &texture {
            picture(&painter, shown, texture, if entry.rejected { 0.28 } else { 1.0 });
        }
        let current = self.current == Some(id);
        let over = response.contains_pointer() || response.has_focus();
        if over || entry.rating > 0 || entry.favourite {
            shade(&painter, shown, if over { 64.0 } else { 44.0 });
        }
        let mut touch = None;
        if over {
            self.ask_why(id);
            touch = self.tools(ui, shown, &entry, selected);
        } else {
            marks(&painter, shown, &entry);
        }
        if selected && !over {
            check(&painter, shown, true);
        }
        if entry.rejected {
            let at = Rect::from_center_size(shown.center(), Vec2::splat(34.0));
            icons::paint(&painter, at, Icon::Reject, theme::MUTED, false);
        }
        if id < 0 {
            let at = shown.left_bottom() + vec2(10.0, -10.0);
            let text = "Not saved: export it";
            painter.text(at, Align2::LEFT_BOTTOM, text, FontId::proportional(12.0), theme::EMBER_BRIGHT);
        }
        match () {
            () if selected => ring(&painter, shown, 2.5, theme::EMBER),
            () if current || response.has_focus() => ring(&painter, shown, 2.0, theme::TEXT),
            () if over => ring(&painter, shown, 1.0, Color32::from_white_alpha(60)),
            () => {}
        }
        if touch.is_none() {
            if response.double_clicked() {
                touch = Some(Touch::Open);
            } else if response.clicked() {
                touch = Some(Touch::Click(ui.input(|i| i.modifiers)));
            }
        }
        Some((response, touch))
    }

    /// Stars, heart and selection of the tile under the pointer.
    fn tools(&self, ui: &mut Ui, rect: Rect, entry: &Entry, selected: bool) -> Option<Touch> {
        let mut touch = None;
        let id = egui::Id::unique(("tools", entry.id));
        let narrow = rect.width() < 150.0;
        let side = if narrow { 17.0 } else { 24.0 };
        let base = pos2(rect.left() + 6.0, rect.bottom() - side - 6.0);
        // Stars up to the one under the pointer light up.
        let pointer = ui.input(|i| i.pointer.hover_pos());
        let pointed = (1..=MAX_STARS).find(|n| {
            let place = Rect::from_min_size(base + vec2(f32::from(*n - 1) * side, 0.0), Vec2::splat(side));
            pointer.is_some_and(|p| place.contains(p))
        });
        for star in 1..=MAX_STARS {
            let place = Rect::from_min_size(base + vec2(f32::from(star - 1) * side, 0.0), Vec2::splat(side));
            let name = format!("Give picture {} {}", entry.id, super::widgets::count(star.into(), "star"));
            let full = star <= pointed.unwrap_or(entry.rating);
            let colour = if full { theme::STAR } else { Color32::from_white_alpha(200) };
            if tool(ui, place, id.with(star), &name, Icon::Star, colour, full) {
                touch = Some(Touch::Rate(if star == entry.rating { 0 } else { star }));
            }
        }
        let place = Rect::from_min_size(pos2(rect.right() - side - 8.0, base.y), Vec2::splat(side));
        let name = format!("{} picture {}", if entry.favourite { "Unmark" } else { "Mark" }, entry.id);
        let colour = if entry.favourite { theme::HEART } else { Color32::from_white_alpha(220) };
        if tool(ui, place, id.with("heart"), &name, Icon::Heart, colour, entry.favourite) {
            touch = Some(Touch::Favourite);
        }
        let place = Rect::from_min_size(rect.min + vec2(8.0, 8.0), Vec2::splat(22.0));
        let response = ui.interact(place, id.with("select"), Sense::click());
        let name = format!("Select picture {}", entry.id);
        response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, selected, &name));
        check(ui.painter(), rect, selected);
        if response.clicked() {
            touch = Some(Touch::Select);
        }
        if let Some(why) = self.taste.whys.get(&entry.id) {
            let place = Rect::from_min_size(pos2(rect.right() - 30.0, rect.top() + 8.0), Vec2::splat(22.0));
            let response = ui.interact(place, id.with("why"), Sense::hover());
            let name = format!("Why picture {}: {}", entry.id, why.sentence());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
            ui.painter().circle_filled(place.center(), 11.0, Color32::from_black_alpha(150));
            let colour = if why.changed.is_empty() { Color32::WHITE } else { theme::EMBER_BRIGHT };
            icons::paint(ui.painter(), place.shrink(4.5), Icon::Flame, colour, true);
            response.on_hover_ui(|ui| {
                ui.label(egui::RichText::new("Why this picture").font(theme::strong(13.0)));
                super::taste::why_ui(ui, why);
            });
        }
        touch
    }

    /// Draws the place of a picture to come.
    pub(super) fn pending_ui(&self, ui: &mut Ui, rect: Rect, slot: &Slot, aspect: Vec2) {
        let painter = ui.painter_at(rect);
        let room = fit(aspect, rect);
        painter.rect_filled(room, theme::ROUND, theme::PANEL);
        match slot {
            Slot::Working { step, steps, look } => {
                if let Some(look) = look {
                    picture(&painter, room, look, 0.92);
                }
                let share = *step as f32 / (*steps).max(1) as f32;
                let track = Rect::from_min_max(
                    pos2(room.left() + 12.0, room.bottom() - 15.0),
                    pos2(room.right() - 12.0, room.bottom() - 12.0),
                );
                painter.rect_filled(track, 2, Color32::from_black_alpha(150));
                let done = Rect::from_min_max(track.min, pos2(track.left() + track.width() * share, track.bottom()));
                painter.rect_filled(done, 2, theme::EMBER);
            }
            _ => {
                ring(&painter, room, 1.0, theme::RAISED);
                let at = Rect::from_center_size(room.center(), Vec2::splat(22.0));
                icons::paint(&painter, at, Icon::Flame, theme::RAISED, true);
            }
        }
    }
}

fn tool(ui: &Ui, place: Rect, id: egui::Id, name: &str, icon: Icon, colour: Color32, full: bool) -> bool {
    let response = ui.interact(place, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let grow = if response.hovered() { 0.14 } else { 0.2 };
    icons::paint(ui.painter(), place.shrink(place.width() * grow), icon, colour, full);
    response.clicked()
}

/// The round mark of the selection.
fn check(painter: &Painter, rect: Rect, selected: bool) {
    let centre = rect.min + vec2(19.0, 19.0);
    let fill = if selected { theme::EMBER } else { Color32::from_black_alpha(120) };
    let edge = if selected { theme::EMBER } else { Color32::from_white_alpha(200) };
    painter.circle(centre, 10.0, fill, Stroke::new(1.5, edge));
    if selected {
        icons::paint(painter, Rect::from_center_size(centre, Vec2::splat(13.0)), Icon::Check, theme::ON_EMBER, false);
    }
}

/// Stars and heart of a tile that is left alone.
fn marks(painter: &Painter, rect: Rect, entry: &Entry) {
    let at = |x: f32| Rect::from_center_size(pos2(x, rect.bottom() - 17.0), Vec2::splat(13.0));
    for star in 0..entry.rating {
        icons::paint(painter, at(rect.left() + 17.0 + f32::from(star) * 15.0), Icon::Star, theme::STAR, true);
    }
    if entry.favourite {
        icons::paint(painter, at(rect.right() - 18.0), Icon::Heart, theme::HEART, true);
    }
}
