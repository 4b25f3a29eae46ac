//! The picture to start from: choosing it, how far to go from it, where it may change, and how far to go beyond it.

use super::app::Screen;
use super::canvas::{Canvas, SIDE, tinted};
use super::icons::{self, Icon};
use super::panel::left_label;
use super::textures::upload;
use super::{App, theme, tile, widgets};
use crate::library::PictureId;
use crate::pipeline::ModelInfo;
use crate::recipe::{MaskRef, Outpaint, SIDE_RANGE, SourceRef};
use crate::worker::{Request, StartLook};
use egui::accesskit::Role;
use egui::{
    Align2, Button, Context, DragValue, FontId, Rect, RichText, Sense, Slider, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far from a new picture is gone, unless the person says otherwise; the field's usual value.
const STRENGTH: f32 = 0.75;
/// Side of the small version, points; pixels are asked for twice over.
const SMALL: f32 = 104.0;
/// Largest share of a picture that is cut off without a word.
const UNSEEN: f32 = 0.02;

/// What is known of the picture to start from.
#[derive(Default)]
pub(super) struct SourceView {
    /// Picture and mask that were asked for last.
    asked: Option<(PathBuf, Option<PathBuf>)>,
    picture: Option<TextureHandle>,
    tint: Option<TextureHandle>,
    /// Width and height of the whole picture.
    size: Option<[u32; 2]>,
    /// Why the picture cannot be read.
    trouble: Option<String>,
    /// Why its mask cannot be read.
    mask_trouble: Option<String>,
    /// The size that the pictures had before the source gave them its own.
    size_before: Option<[Option<u32>; 2]>,
    /// The mask that is painted, or was left half-painted.
    pub canvas: Option<Canvas>,
    /// The painted mask is on its way to the disk.
    pub saving: bool,
    /// Generate was pressed meanwhile.
    pub then_generate: bool,
}

/// The size for pictures that start from one of this size: its own where the model can draw that, else its shape at the size
/// that the model was trained for. Both sides are multiples of what the model needs.
pub fn fitting(size: [u32; 2], info: &ModelInfo) -> [u32; 2] {
    let multiple = info.size_multiple.max(1);
    let native = info.native_size as f32;
    let [width, height] = size.map(|side| side.max(1) as f32);
    let area = width * height / (native * native).max(1.0);
    let scale = if (0.5..=2.5).contains(&area) { 1.0 } else { area.sqrt().recip() };
    let most = SIDE_RANGE.end() / multiple * multiple;
    let least = SIDE_RANGE.start().div_ceil(multiple) * multiple;
    [width, height].map(|side| {
        let near = (side * scale / multiple as f32).round() as u32;
        near.saturating_mul(multiple).clamp(least, most)
    })
}

/// Share of a picture that is cut off to fill another shape.
fn cut_off(size: [u32; 2], into: [u32; 2]) -> f32 {
    let shape = |[width, height]: [u32; 2]| width.max(1) as f32 / height.max(1) as f32;
    let ratio = shape(size) / shape(into);
    1.0 - ratio.min(ratio.recip())
}

impl App {
    /// Takes a picture as the one to start from.
    pub(super) fn start_found(&mut self, ctx: &Context, path: &Path, hash: String, look: &StartLook) {
        self.forget_source();
        let name = file_name(path);
        let form = &mut self.settings.form;
        let source = SourceRef { path: path.display().to_string(), hash, denoising_strength: STRENGTH };
        form.source = Some(source);
        self.source.asked = Some((path.to_path_buf(), None));
        self.source.show(ctx, look);
        self.settings.start_open = true;
        self.source.size_before = Some([self.settings.form.width, self.settings.form.height]);
        self.follow_shape();
        self.toasts.notice(format!("The next pictures start from {name}."));
    }

    /// Starts from a picture of the wall.
    pub(super) fn start_from(&mut self, id: PictureId) {
        match self.gallery.entries.get(&id) {
            Some(entry) if id >= 0 => self.link.send(Request::Start { path: entry.path.clone() }),
            _ => return self.toasts.notice("This picture is not in the library: export it, then start from the file."),
        }
        self.screen = Screen::Wall;
    }

    /// Gives the pictures the shape of the source, and keeps the margins.
    fn follow_shape(&mut self) {
        let (Some(info), Some(size)) = (self.info(), self.source.size) else { return };
        let form = &mut self.settings.form;
        let margins = form.outpaint.unwrap_or_default();
        let [width, height] = fitting(size, &info);
        let (width, height) = (width + margins.left + margins.right, height + margins.top + margins.bottom);
        form.width = Some(width).filter(|v| *v != info.defaults.width);
        form.height = Some(height).filter(|v| *v != info.defaults.height);
    }

    /// Starts from noise again.
    pub(super) fn forget_source(&mut self) {
        let form = &mut self.settings.form;
        if let Some([width, height]) = self.source.size_before.take() {
            (form.width, form.height) = (width, height);
        } else if let Some(Outpaint { left, top, right, bottom }) = form.outpaint {
            let least = *SIDE_RANGE.start();
            form.width = form.width.map(|v| v.saturating_sub(left + right).max(least));
            form.height = form.height.map(|v| v.saturating_sub(top + bottom).max(least));
        }
        // None of them means anything without a source.
        (form.source, form.mask, form.outpaint) = (None, None, None);
        self.source = SourceView::default();
    }

    /// Asks how the source looks, when it has come from somewhere else: a loaded Recipe, the settings of last time.
    pub(super) fn tend_source(&mut self) {
        let form = &self.settings.form;
        let Some(source) = &form.source else {
            if self.source.asked.is_some() {
                self.source = SourceView::default();
            }
            return;
        };
        let path = |path: &str| PathBuf::from(path);
        let wanted = (path(&source.path), form.mask.as_ref().map(|mask| path(&mask.path)));
        if self.source.asked.as_ref() == Some(&wanted) {
            return;
        }
        let side = (SMALL * 2.0) as u32;
        self.link.send(Request::LookAtStart { source: wanted.0.clone(), mask: wanted.1.clone(), side });
        if self.source.asked.as_ref().is_none_or(|(asked, _)| *asked != wanted.0) {
            let canvas = self.source.canvas.take();
            self.source = SourceView { canvas, ..SourceView::default() };
        }
        self.source.asked = Some(wanted);
    }

    /// The answer to that, or to an opened canvas.
    pub(super) fn start_seen(
        &mut self,
        ctx: &Context,
        asked: (PathBuf, Option<PathBuf>),
        side: u32,
        look: Result<Arc<StartLook>, String>,
    ) {
        if side == SIDE {
            let mut waiting = self.source.canvas.as_mut().filter(|c| c.source == asked.0 && c.old == asked.1);
            match (&look, &mut waiting) {
                (Ok(look), Some(canvas)) => canvas.arrived(ctx, look),
                (Err(message), Some(_)) => {
                    self.source.canvas = None;
                    self.screen = Screen::Wall;
                    self.toasts.error(message.clone());
                }
                (_, None) => {}
            }
            return;
        }
        if self.source.asked.as_ref() != Some(&asked) {
            return;
        }
        match look {
            Ok(look) => self.source.show(ctx, &look),
            Err(message) => self.source.trouble = Some(message),
        }
    }

    /// A painted mask is on the disk, or cannot be.
    pub(super) fn mask_kept(&mut self, mask: Result<MaskRef, String>) {
        self.source.saving = false;
        let generate = std::mem::take(&mut self.source.then_generate);
        match mask {
            Ok(mask) if self.settings.form.source.is_some() => {
                self.settings.form.mask = Some(mask);
                if generate {
                    self.generate();
                }
            }
            Ok(_) => {}
            Err(message) => self.toasts.error(message),
        }
    }

    /// Draws the section of the panel.
    pub(super) fn start_ui(&mut self, ui: &mut Ui) {
        let form = &self.settings.form;
        let note = match (&form.source, &form.mask) {
            (None, _) => String::new(),
            (Some(source), None) => format!("{:.0}% new", source.denoising_strength * 100.0),
            (Some(_), Some(_)) => "in a mask".into(),
        };
        widgets::fold(ui, "Start from a picture", &mut self.settings.start_open, &note);
        if !self.settings.start_open {
            return;
        }
        let Some(source) = self.settings.form.source.clone() else { return self.place_ui(ui) };
        self.source_ui(ui, &source);
        let Some(source) = &mut self.settings.form.source else { return };
        ui.horizontal(|ui| {
            let label = ui.add_sized(vec2(88.0, 24.0), left_label("Strength"));
            ui.spacing_mut().slider_width = (ui.available_width() - 62.0).max(60.0);
            let slider = Slider::new(&mut source.denoising_strength, 0.0..=1.0).fixed_decimals(2);
            let help = "How far the pictures go from this one: 0 keeps it, 1 ignores it.";
            ui.add(slider).labelled_by(label.id).accessible_name("Strength").on_hover_text(help);
        });
        self.margins_ui(ui);
    }

    /// Where a picture can be dropped.
    fn place_ui(&mut self, ui: &mut Ui) {
        let size = vec2(ui.available_width(), 64.0);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Choose a picture"));
        let over = response.hovered() || response.has_focus();
        let painter = ui.painter();
        painter.rect_filled(rect, theme::ROUND, if over { theme::RAISED } else { theme::SUNKEN });
        let edge = if response.has_focus() { Stroke::new(1.5, theme::EMBER) } else { Stroke::new(1.0, theme::LINE) };
        painter.rect_stroke(rect, theme::ROUND, edge, StrokeKind::Inside);
        let font = FontId::proportional(13.5);
        painter.text(rect.center() - vec2(0.0, 9.0), Align2::CENTER_CENTER, "Choose a picture…", font, theme::TEXT);
        let font = FontId::proportional(12.5);
        let below = rect.center() + vec2(0.0, 11.0);
        painter.text(below, Align2::CENTER_CENTER, "or drop one on the window", font, theme::MUTED);
        if response.clicked() {
            let ctx = ui.ctx().clone();
            self.choose_start(&ctx);
        }
    }

    /// The picture, small, with what can be done with it.
    fn source_ui(&mut self, ui: &mut Ui, source: &SourceRef) {
        let name = file_name(Path::new(&source.path));
        let (mut gone, mut paint, mut whole, mut other) = (false, false, false, false);
        let masked = self.settings.form.mask.is_some();
        let readable = self.source.trouble.is_none();
        ui.horizontal_top(|ui| {
            let (rect, response) = ui.allocate_exact_size(vec2(SMALL, SMALL), Sense::click());
            let spoken = format!("Start picture {name}");
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
            self.source.thumbnail(ui, rect, response.hovered() || response.has_focus());
            paint |= readable && response.on_hover_text("Paint where it may change").clicked();
            ui.add_space(2.0);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 6.0;
                ui.horizontal(|ui| {
                    let room = vec2((ui.available_width() - 36.0).max(40.0), 24.0);
                    ui.allocate_ui_with_layout(room, egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        ui.set_min_size(room);
                        let label = egui::Label::new(RichText::new(&name).size(13.0)).truncate();
                        ui.add(label).on_hover_text(&source.path);
                    });
                    gone = icons::button(ui, Icon::Close, "Remove the start picture").clicked();
                });
                match (&self.source.trouble, self.source.size) {
                    (Some(_), _) => {
                        ui.label(RichText::new("It cannot be read").size(12.5).color(theme::TROUBLE));
                    }
                    (None, Some([width, height])) => _ = widgets::hint(ui, format!("{width} × {height} pixels")),
                    (None, None) => _ = widgets::hint(ui, "Reading…"),
                }
                let wide = vec2(ui.available_width(), 28.0);
                if readable {
                    let text = if masked { "Edit mask" } else { "Paint mask" };
                    let half = vec2((wide.x - 36.0).max(40.0), wide.y);
                    ui.horizontal(|ui| {
                        let help = "Only what you paint changes";
                        let size = if masked { half } else { wide };
                        paint |= ui.add(Button::new(text).min_size(size)).on_hover_text(help).clicked();
                        if masked {
                            whole = icons::button(ui, Icon::Close, "Remove the mask").clicked();
                        }
                    });
                } else {
                    other = ui.add(Button::new("Choose another…").min_size(wide)).clicked();
                }
            });
        });
        if let Some(trouble) = self.source.trouble.as_ref().or(self.source.mask_trouble.as_ref()) {
            ui.add(egui::Label::new(RichText::new(trouble).size(12.5).color(theme::TROUBLE)).wrap());
        }
        self.shape_ui(ui);
        if whole {
            self.settings.form.mask = None;
        }
        if gone {
            self.forget_source();
        } else if paint {
            self.paint_mask();
        } else if other {
            let ctx = ui.ctx().clone();
            self.choose_start(&ctx);
        }
    }

    /// Says when much of the source is cut off, and offers to keep its shape.
    fn shape_ui(&mut self, ui: &mut Ui) {
        let (Some(info), Some(size)) = (self.info(), self.source.size) else { return };
        let recipe = self.settings.form.recipe(&info);
        let margins = recipe.outpaint.unwrap_or_default();
        let Ok((width, height)) = margins.inner(recipe.width, recipe.height) else { return };
        let lost = cut_off(size, [width, height]);
        // Another shape would not help where the sides' multiples are what cuts.
        if lost < UNSEEN || lost <= cut_off(size, fitting(size, &info)) + 0.001 {
            return;
        }
        ui.horizontal(|ui| {
            let room = vec2((ui.available_width() - 122.0).max(60.0), 34.0);
            ui.allocate_ui(room, |ui| {
                ui.set_min_size(room);
                widgets::hint(ui, format!("{:.0}% is cut off to fill {width} × {height}.", lost * 100.0));
            });
            if ui.add(Button::new("Keep its shape").min_size(vec2(114.0, 28.0))).clicked() {
                self.follow_shape();
            }
        });
    }

    /// How far the pictures go beyond the source.
    fn margins_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else { return };
        let multiple = info.size_multiple.max(1);
        let form = &mut self.settings.form;
        let before = form.outpaint.unwrap_or_default();
        let Outpaint { left, top, right, bottom } = before;
        let mut sides = [left, top, right, bottom];
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            let help = "Goes on beyond the picture's edges, so many pixels on each side. The picture itself stays.";
            ui.add_sized(vec2(88.0, 24.0), left_label("Extend by")).on_hover_text(help);
            let each = ((ui.available_width() - 12.0) / 4.0).floor();
            for (side, (name, arrow)) in sides.iter_mut().zip(SIDES) {
                let old = *side;
                let drag = DragValue::new(side).range(0..=1024).speed(f64::from(multiple) / 12.0);
                let drag = drag.prefix(format!("{arrow} ")).update_while_editing(false);
                let field = ui.add_sized(vec2(each, 28.0), drag).accessible_name(format!("Extend {name}"));
                *side = whole_steps(old, *side, multiple, field.dragged());
                field.on_hover_text(format!("Pixels beyond the {name} edge"));
            }
        });
        let [left, top, right, bottom] = sides;
        let after = Outpaint { left, top, right, bottom };
        if after == before {
            return;
        }
        let recipe = form.recipe(&info);
        // Where margins have eaten the source, it gets its shape back.
        let inner = before.inner(recipe.width, recipe.height).ok();
        let own = || fitting(self.source.size.unwrap_or([info.native_size; 2]), &info);
        let (width, height) = inner.unwrap_or_else(|| own().into());
        let (wide, high) = (width + left + right, height + top + bottom);
        if wide.max(high) > *SIDE_RANGE.end() {
            return;
        }
        let form = &mut self.settings.form;
        if before.is_nothing()
            && form.mask.is_none()
            && let Some(source) = form.source.as_mut().filter(|s| s.denoising_strength == STRENGTH)
        {
            // What is new has nothing to keep, and the picture itself stays in any case.
            source.denoising_strength = 1.0;
        }
        form.outpaint = Some(after).filter(|margins| !margins.is_nothing());
        (form.width, form.height) = (Some(wide), Some(high));
    }
}

/// A margin that the model can draw: the nearest while it is dragged, else the next one in the direction of the change.
fn whole_steps(old: u32, new: u32, multiple: u32, dragged: bool) -> u32 {
    match new {
        new if dragged => (new + multiple / 2) / multiple * multiple,
        new if new > old => new.div_ceil(multiple) * multiple,
        new => new / multiple * multiple,
    }
}

/// The sides in the order of a Recipe.
const SIDES: [(&str, &str); 4] = [("left", "←"), ("top", "↑"), ("right", "→"), ("bottom", "↓")];

impl SourceView {
    fn show(&mut self, ctx: &Context, look: &StartLook) {
        let image = &look.image;
        self.size = Some([look.width, look.height]);
        (self.trouble, self.mask_trouble) = (None, look.mask_trouble.clone());
        self.picture = upload(ctx, "start".into(), image.width, image.height, &image.rgb);
        let size = [image.width as usize, image.height as usize];
        let mask = look.mask.as_ref().filter(|mask| mask.len() == size[0] * size[1]);
        self.tint = mask.map(|mask| ctx.load_texture("start mask", tinted(size, mask), TextureOptions::LINEAR));
    }

    fn thumbnail(&self, ui: &Ui, rect: Rect, over: bool) {
        let painter = ui.painter();
        painter.rect_filled(rect, theme::ROUND, theme::SUNKEN);
        let mut place = rect;
        if let Some(picture) = &self.picture {
            place = tile::fit(picture.size_vec2(), rect);
            tile::picture(painter, place, picture, 1.0);
        }
        if let Some(tint) = &self.tint {
            tile::picture(painter, place, tint, 1.0);
        }
        if over {
            painter.rect_stroke(place, theme::ROUND, Stroke::new(2.0, theme::EMBER), StrokeKind::Inside);
        }
        if self.saving {
            let at = pos2(rect.center().x, rect.bottom() - 8.0);
            painter.text(at, Align2::CENTER_BOTTOM, "Saving…", FontId::proportional(12.0), theme::TEXT);
        }
    }
}

/// The last part of a path, as people read it.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_take_the_shape_of_their_source_at_a_size_that_the_model_draws() {
        let info = ModelInfo::plain();
        assert_eq!(fitting([256, 256], &info), [256, 256]);
        assert_eq!(fitting([320, 200], &info), [320, 192], "its own, as far as the multiple lets it");
        assert_eq!(fitting([4000, 3000], &info), [288, 224]);
        assert_eq!(fitting([16, 16], &info), [256, 256]);
        assert_eq!(fitting([100_000, 1], &info), [2048, 64]);
        assert_eq!(fitting([0, 0], &info), [256, 256]);
        assert_eq!(
            [whole_steps(0, 1, 32, false), whole_steps(64, 63, 32, false), whole_steps(0, 5, 32, true)],
            [32, 32, 0]
        );
        assert!(cut_off([200, 100], [100, 100]) > 0.49 && cut_off([200, 100], [400, 200]) < 1e-6);
    }
}
