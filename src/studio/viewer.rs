//! One picture, as large as the window allows, with everything that made it.

use super::app::Screen;
use super::icons::{self, Icon};
use super::panel::display_name;
use super::{App, form, theme, tile, widgets};
use crate::library::{Entry, PictureId};
use crate::pipeline::mix;
use crate::recipe::Recipe;
use crate::sampler::SamplerKind;
use crate::worker::Request;
use egui::accesskit::Role;
use egui::{
    Align, Button, CentralPanel, Frame, Layout, Margin, Panel, Rect, RichText, ScrollArea, Sense, TextureHandle, Ui,
    Vec2, WidgetInfo, vec2,
};

/// Copies a side when a seamless picture is laid side by side with itself.
const SIDE_BY_SIDE: usize = 3;

impl App {
    /// The best version of a picture that is there; asks for all its pixels.
    pub(super) fn large_texture(&mut self, id: PictureId) -> Option<TextureHandle> {
        let (large, ask) = self.textures.large(id);
        if ask && id >= 0 {
            self.link.send(Request::Open { id });
        }
        large.or_else(|| self.textures.small(id, 640.0).0)
    }

    /// Draws the large view.
    pub(super) fn viewer_ui(&mut self, ui: &mut Ui, id: PictureId) {
        let Some(entry) = self.gallery.entries.get(&id).cloned() else {
            self.screen = Screen::Wall;
            return;
        };
        let side = Frame::new().fill(theme::PANEL).inner_margin(Margin { left: 20, right: 20, top: 12, bottom: 16 });
        Panel::right("facts").exact_size(340.0).resizable(false).frame(side).show_separator_line(false).show(
            ui,
            |ui| {
                self.facts_ui(ui, &entry);
            },
        );
        CentralPanel::no_frame().frame(Frame::new().fill(theme::ROOM)).show(ui, |ui| {
            let room = ui.max_rect();
            let texture = self.large_texture(id);
            let size = vec2(entry.width as f32, entry.height as f32);
            let place = tile::fit(size, room.shrink2(vec2(72.0, 32.0)));
            let response = ui.interact(place, ui.scope_id().with("large"), Sense::click());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, tile::spoken(&entry)));
            // Only side by side shows whether edges meet.
            let tiled = self.tiled && entry.recipe.seamless;
            match texture {
                Some(texture) if tiled => {
                    let part = place.size() / SIDE_BY_SIDE as f32;
                    for i in 0..SIDE_BY_SIDE * SIDE_BY_SIDE {
                        let step = vec2((i % SIDE_BY_SIDE) as f32, (i / SIDE_BY_SIDE) as f32);
                        let part = Rect::from_min_size(place.min + step * part, part);
                        let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
                        ui.painter().image(texture.id(), part, whole, egui::Color32::WHITE);
                    }
                }
                Some(texture) => tile::picture(ui.painter(), place, &texture, 1.0),
                None => _ = ui.painter().rect_filled(place, theme::ROUND, theme::SUNKEN),
            }
            if response.double_clicked() {
                self.screen = Screen::Wall;
            }
            if entry.recipe.seamless {
                let at = egui::pos2(place.center().x - 64.0, (place.bottom() + 8.0).min(room.bottom() - 36.0));
                ui.scope_builder(egui::UiBuilder::new().max_rect(Rect::from_min_size(at, vec2(128.0, 28.0))), |ui| {
                    if widgets::chip(ui, "Side by side", self.tiled).clicked() {
                        self.tiled = !self.tiled;
                    }
                });
            }
            let pictures = self.pictures();
            let at = pictures.iter().position(|p| *p == id);
            for (step, icon, name, x) in [
                (-1, Icon::Left, "Previous picture", room.left() + 36.0),
                (1, Icon::Right, "Next picture", room.right() - 36.0),
            ] {
                let other = at.and_then(|at| at.checked_add_signed(step)).and_then(|at| pictures.get(at));
                let place = Rect::from_center_size(egui::pos2(x, room.center().y), Vec2::splat(44.0));
                ui.scope_builder(egui::UiBuilder::new().max_rect(place), |ui| {
                    if let Some(other) = other
                        && icons::tinted(ui, icon, name, 44.0, None, false).clicked()
                    {
                        (self.screen, self.current) = (Screen::View(*other), Some(*other));
                    }
                });
            }
        });
    }

    fn facts_ui(&mut self, ui: &mut Ui, entry: &Entry) {
        let id = entry.id;
        ui.horizontal(|ui| {
            ui.scope(|ui| {
                let name = |n: u8| format!("Give {}", widgets::count(n.into(), "star"));
                if let Some(stars) = icons::stars(ui, entry.rating, 28.0, &name) {
                    self.rate(vec![id], stars);
                }
            });
            let heart = entry.favourite.then_some(theme::HEART);
            if icons::tinted(ui, Icon::Heart, "Favourite", 30.0, heart, entry.favourite).clicked() {
                self.toggle_favourite(vec![id]);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icons::tinted(ui, Icon::Close, "Close", 32.0, None, false).clicked() {
                    self.close_view();
                }
            });
        });
        ui.add_space(8.0);
        let room = ui.available_height() - 186.0;
        ScrollArea::vertical().max_height(room).min_scrolled_height(room).auto_shrink([false, false]).show(ui, |ui| {
            self.recipe_ui(ui, entry);
        });
        ui.add_space(8.0);
        if widgets::main_button(ui, "More like this", "", self.info().is_some()).clicked() {
            self.more_like(id);
        }
        let half = vec2((ui.available_width() - 8.0) / 2.0, 34.0);
        ui.horizontal(|ui| {
            if ui.add_sized(half, Button::new("Use settings")).clicked() {
                self.use_settings(id);
            }
            if ui.add_sized(half, Button::new("Use as start")).clicked() {
                self.start_from(id);
            }
        });
        ui.horizontal(|ui| {
            let export = ui.add_sized(half, Button::new("Export…"));
            egui::Popup::menu(&export).show(|ui| self.formats_ui(ui, vec![id]));
            if ui.add_sized(half, Button::new("Compare")).clicked() {
                self.compare(vec![id]);
            }
        });
        if ui.add_sized(vec2(ui.available_width(), 34.0), Button::new("Move to trash")).clicked() {
            self.trash(vec![id]);
        }
    }

    fn recipe_ui(&mut self, ui: &mut Ui, entry: &Entry) {
        let recipe = &entry.recipe;
        ui.horizontal(|ui| {
            widgets::title(ui, "Prompt");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icons::button(ui, Icon::Copy, "Copy prompt").clicked() {
                    ui.ctx().copy_text(recipe.prompt.clone());
                    self.toasts.notice("The prompt is on the clipboard.");
                }
            });
        });
        let words = egui::Label::new(RichText::new(&recipe.prompt).size(15.0)).wrap().selectable(true);
        ui.add(words);
        if !recipe.negative_prompt.is_empty() {
            ui.add_space(4.0);
            widgets::hint(ui, format!("Keeps away from: {}", recipe.negative_prompt));
        }
        ui.add_space(12.0);
        for (name, value) in facts(entry) {
            ui.horizontal(|ui| {
                ui.set_height(22.0);
                ui.label(RichText::new(name).size(13.0).color(theme::MUTED));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if name == "Seed" && icons::tinted(ui, Icon::Copy, "Copy seed", 24.0, None, false).clicked() {
                        ui.ctx().copy_text(recipe.seed.to_string());
                        self.toasts.notice("The seed is on the clipboard.");
                    }
                    ui.add(egui::Label::new(RichText::new(value).size(13.0)).truncate());
                });
            });
        }
        self.ask_why(entry.id);
        if let Some(why) = self.taste.whys.get(&entry.id) {
            ui.add_space(12.0);
            widgets::title(ui, "Your taste");
            super::taste::why_ui(ui, why);
        }
        let sliders = self.slider_facts(recipe);
        if sliders.is_empty() {
            return;
        }
        ui.add_space(12.0);
        widgets::title(ui, "Sliders");
        for (name, value, share) in sliders {
            ui.horizontal(|ui| {
                ui.set_height(22.0);
                ui.label(RichText::new(name).size(13.0).color(theme::MUTED));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.add_sized(vec2(52.0, 20.0), egui::Label::new(RichText::new(value).size(13.0)));
                    let (rect, _) = ui.allocate_exact_size(vec2(96.0, 4.0), Sense::hover());
                    ui.painter().rect_filled(rect, 2, theme::SUNKEN);
                    let done = Rect::from_min_size(rect.min, vec2(rect.width() * share.clamp(0.0, 1.0), 4.0));
                    ui.painter().rect_filled(done, 2, theme::EMBER);
                });
            });
        }
    }

    /// Name, value in words, and share of the range of each slider that the person or the words set.
    fn slider_facts(&self, recipe: &Recipe) -> Vec<(String, String, f32)> {
        let info = self.info();
        let told = info.as_ref().map(|i| mix::meant(&i.sliders, &recipe.prompt, &recipe.sliders).1);
        let told = told.unwrap_or_else(|| recipe.sliders.clone());
        let families = info.as_ref().map(|i| form::shares(&told, i)).unwrap_or_default();
        let fact = |(name, value): (&String, &f32)| {
            let spec = info.as_ref().and_then(|i| i.sliders.iter().find(|s| s.name == *name));
            let plain = name.strip_prefix("family:").unwrap_or(name);
            let label = display_name(&spec.map_or(plain, |s| &s.label).replace('_', " "));
            let share = spec.and_then(|s| families.iter().find(|(l, _)| s.group == "family" && *l == s.label));
            match (share, spec) {
                (Some((_, share)), _) if !recipe.sliders.contains_key(name) => (label, "by word".into(), *share),
                (Some((_, share)), _) => (label, format!("{:.0}%", share * 100.0), *share),
                (None, Some(s)) => (label, format!("{value:.2}"), (value - s.min) / (s.max - s.min).max(f32::EPSILON)),
                (None, None) => (label, format!("{value:.2}"), *value),
            }
        };
        told.iter().map(fact).collect()
    }

    /// Back to the wall, where the picture is that was seen last.
    pub(super) fn close_view(&mut self) {
        if let Screen::View(id) = self.screen {
            (self.current, self.reveal) = (Some(id), true);
            self.selected.clear();
        }
        self.screen = Screen::Wall;
    }
}

/// The name of a sampler that people read.
pub fn sampler_label(name: &str) -> String {
    name.parse::<SamplerKind>().map_or_else(|_| name.to_string(), |kind| kind.label().to_string())
}

fn facts(entry: &Entry) -> Vec<(&'static str, String)> {
    let recipe = &entry.recipe;
    let mut facts = vec![
        ("Seed", recipe.seed.to_string()),
        ("Size", format!("{} × {}", entry.width, entry.height)),
        ("Steps", recipe.steps.to_string()),
        ("Guidance", format!("{:.1}", recipe.cfg_scale)),
        ("Sampler", sampler_label(&recipe.sampler)),
        ("Model", display_name(&recipe.model.name)),
    ];
    facts.extend(super::advanced::rare_facts(recipe));
    if entry.seconds > 0.0 {
        facts.push(("Made in", widgets::took(entry.seconds)));
    }
    if entry.created > 0
        && let Ok(time) = jiff::Timestamp::from_millisecond(entry.created)
    {
        let local = time.to_zoned_datetime(jiff::tz::TimeZone::system());
        facts.push(("Made on", local.strftime("%e %B %Y, %H:%M").to_string().trim().to_string()));
    }
    facts
}
