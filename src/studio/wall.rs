//! The wall: filters above, pictures below, and what can be done with those that are selected.

use super::app::Model;
use super::dialogs::FORMATS;
use super::gallery::Item;
use super::icons::{self, Icon};
use super::settings::{Order, Tab};
use super::tile::Touch;
use super::{App, theme, widgets, words};
use crate::library::PictureId;
use egui::{
    Align, Align2, Area, Button, Color32, ComboBox, Frame, Id, Layout, Margin, Rect, RichText, ScrollArea, Slider,
    Stroke, TextEdit, Ui, UiBuilder, Vec2, pos2, vec2,
};

/// Smallest and largest side of a tile.
const TILES: std::ops::RangeInclusive<f32> = 112.0..=420.0;
/// Width from which all filters fit into one row.
const ONE_ROW: f32 = 830.0;
/// Between the tiles.
const GAP: f32 = 12.0;

impl App {
    /// Draws the wall.
    pub(super) fn wall_ui(&mut self, ui: &mut Ui) {
        self.filters_ui(ui);
        ui.add_space(4.0);
        let room = ui.available_rect_before_wrap();
        if self.items.is_empty() {
            self.empty_ui(ui);
        } else {
            self.grid_ui(ui);
        }
        self.selection_ui(ui, room);
    }

    fn filters_ui(&mut self, ui: &mut Ui) {
        let narrow = ui.available_width() < ONE_ROW;
        ui.horizontal(|ui| {
            ui.set_height(32.0);
            let tabs = [
                (Tab::Session, "Session", "Pictures since Kiln was opened"),
                (Tab::All, "All", "Every picture in the library"),
                (Tab::Favourites, "Favourites", "Pictures with a heart"),
            ];
            widgets::segments(ui, &mut self.filter.tab, &tabs, 252.0);
            if !narrow {
                ui.add_space(4.0);
                self.search_ui(ui, 150.0);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add_space(12.0);
                ui.scope(|ui| {
                    ui.spacing_mut().slider_width = 72.0;
                    ui.spacing_mut().slider_rail_height = 3.0;
                    let tile = self.settings.tile.clamp(*TILES.start(), *TILES.end());
                    self.settings.tile = tile;
                    let slider = Slider::new(&mut self.settings.tile, TILES).show_value(false).trailing_fill(false);
                    ui.add(slider).accessible_name("Tile size").on_hover_text("Size of the tiles");
                });
                let order = Order::ALL.iter().find(|(o, _)| *o == self.filter.order).map_or("", |(_, text)| *text);
                let sort = ComboBox::from_id_salt("order").width(104.0).selected_text(RichText::new(order).size(13.0));
                let sort = sort.show_ui(ui, |ui| {
                    for (order, text) in Order::ALL {
                        ui.selectable_value(&mut self.filter.order, order, text);
                    }
                });
                sort.response.accessible_name("Sort");
                let (name, colour) = match self.filter.hide_rejected {
                    true => ("Show rejected pictures", Some(theme::EMBER)),
                    false => ("Hide rejected pictures", None),
                };
                if icons::tinted(ui, Icon::Reject, name, 28.0, colour, false).clicked() {
                    self.filter.hide_rejected = !self.filter.hide_rejected;
                }
            });
        });
        if narrow {
            ui.horizontal(|ui| {
                ui.set_height(32.0);
                self.search_ui(ui, 228.0);
            });
        }
    }

    fn search_ui(&mut self, ui: &mut Ui, width: f32) {
        let search = TextEdit::singleline(&mut self.filter.text).hint_text("Search words and tags");
        ui.add(search.desired_width(width).margin(Margin::symmetric(10, 6))).accessible_name("Search pictures");
        ui.scope(|ui| {
            let least = self.filter.stars;
            let name = |n: u8| format!("At least {}", widgets::count(n.into(), "star"));
            if let Some(stars) = icons::stars(ui, least, 22.0, &name) {
                self.filter.stars = stars;
            }
        });
    }

    fn grid_ui(&mut self, ui: &mut Ui) {
        let width = ui.available_width() - 16.0;
        let columns = (((width + GAP) / (self.settings.tile + GAP)).floor() as usize).max(1);
        self.columns = columns;
        let side = ((width - GAP * (columns - 1) as f32) / columns as f32).floor();
        let rows = self.items.len().div_ceil(columns);
        let reveal = std::mem::take(&mut self.reveal);
        let goal = self.current.filter(|_| reveal);
        let goal = goal.and_then(|id| self.items.iter().position(|item| *item == Item::Picture(id)));
        self.tile_ids.clear();
        let mut touched = None;
        ScrollArea::vertical().id_salt(("wall", self.filter.tab)).auto_shrink([false, false]).show_viewport(
            ui,
            |ui, view| {
                // Below the last row there is room for the bar of the selection.
                ui.set_height(rows as f32 * (side + GAP) + 64.0);
                let origin = ui.max_rect().min;
                let place = |index: usize| {
                    let (row, column) = ((index / columns) as f32, (index % columns) as f32);
                    Rect::from_min_size(origin + vec2(column * (side + GAP), row * (side + GAP)), Vec2::splat(side))
                };
                if let Some(index) = goal {
                    ui.scroll_to_rect(place(index).expand(GAP), None);
                }
                let first = (view.min.y / (side + GAP)).floor().max(0.0) as usize * columns;
                let last = ((view.max.y / (side + GAP)).ceil().max(0.0) as usize * columns).min(self.items.len());
                // The one that takes the keyboard is drawn wherever it is.
                let extra = goal.filter(|index| !(first..last).contains(index));
                for index in (first..last).chain(extra) {
                    match self.items[index] {
                        Item::Picture(id) => {
                            let mut child = ui.new_child(UiBuilder::new().max_rect(place(index)).id_salt(("cell", id)));
                            let Some((response, touch)) = self.tile_ui(&mut child, place(index), id) else { continue };
                            if goal == Some(index) {
                                response.request_focus();
                            }
                            if response.gained_focus() && self.current != Some(id) {
                                self.current = Some(id);
                            }
                            response.context_menu(|ui| self.menu_ui(ui, id));
                            touched = touch.map(|t| (id, t)).or(touched.take());
                        }
                        Item::Pending(job, slot) => {
                            let Some(job) = self.gallery.jobs.iter().find(|j| j.id == job) else { continue };
                            let size =
                                job.recipes.get(slot).map_or(Vec2::ONE, |r| vec2(r.width as f32, r.height as f32));
                            if let Some(slot) = job.slots.get(slot) {
                                self.pending_ui(ui, place(index), slot, size);
                            }
                        }
                    }
                }
            },
        );
        if let Some((id, touch)) = touched {
            self.touch(id, touch);
        }
    }

    fn touch(&mut self, id: PictureId, touch: Touch) {
        match touch {
            Touch::Open => self.screen = super::app::Screen::View(id),
            Touch::Rate(stars) => self.rate(vec![id], stars),
            Touch::Favourite => self.toggle_favourite(vec![id]),
            Touch::Select => self.toggle_selected(id),
            Touch::Click(keys) if keys.command => self.toggle_selected(id),
            Touch::Click(keys) if keys.shift => {
                let pictures = self.pictures();
                let at = |id| pictures.iter().position(|p| *p == id);
                let from = self.anchor.and_then(at).or_else(|| self.current.and_then(at));
                if let (Some(from), Some(to)) = (from, at(id)) {
                    self.selected = pictures[from.min(to)..=from.max(to)].iter().copied().collect();
                }
            }
            Touch::Click(_) => {
                self.selected = [id].into();
                self.anchor = Some(id);
            }
        }
        (self.current, self.reveal) = (Some(id), true);
    }

    fn toggle_selected(&mut self, id: PictureId) {
        if !self.selected.remove(&id) {
            self.selected.insert(id);
        }
        self.anchor = Some(id);
    }

    fn menu_ui(&mut self, ui: &mut Ui, id: PictureId) {
        ui.set_min_width(190.0);
        let ids = if self.selected.contains(&id) { self.targets() } else { vec![id] };
        if ui.button("Open").clicked() {
            self.screen = super::app::Screen::View(id);
        }
        if ui.button("Use settings").clicked() {
            self.use_settings(id);
        }
        if ui.button("Use as start").clicked() {
            self.start_from(id);
        }
        if ui.button("More like this").clicked() {
            self.more_like(id);
        }
        ui.separator();
        if ui.button("Compare").clicked() {
            self.compare(ids.clone());
        }
        if ui.button("Favourite").clicked() {
            self.toggle_favourite(ids.clone());
        }
        if ui.button("Reject").clicked() {
            self.toggle_reject(ids.clone());
        }
        ui.menu_button("Export", |ui| self.formats_ui(ui, ids.clone()));
        ui.separator();
        if ui.button("Move to trash").clicked() {
            self.trash(ids);
        }
    }

    /// The formats of an export, to choose from.
    pub(super) fn formats_ui(&mut self, ui: &mut Ui, ids: Vec<PictureId>) {
        let ctx = ui.ctx().clone();
        for (format, text) in FORMATS {
            if ui.button(text).clicked() {
                self.export(&ctx, ids.clone(), format);
            }
        }
    }

    /// What can be done with the selected pictures, in a bar over the wall's lower edge.
    fn selection_ui(&mut self, ui: &mut Ui, room: Rect) {
        let ids = self.targets();
        if self.selected.is_empty() || ids.is_empty() {
            return;
        }
        let all = |test: fn(&crate::library::Entry) -> bool| {
            ids.iter().all(|id| self.gallery.entries.get(id).is_some_and(test))
        };
        let (loved, rejected) = (all(|e| e.favourite), all(|e| e.rejected));
        let rating = ids.iter().filter_map(|id| self.gallery.entries.get(id)).map(|e| e.rating).min().unwrap_or(0);
        let area = Area::new(Id::unique("selection")).order(egui::Order::Middle).pivot(Align2::CENTER_BOTTOM);
        let area =
            area.accessible_name("Selection").constrain_to(room).fixed_pos(pos2(room.center().x, room.bottom() - 16.0));
        area.show(ui.ctx(), |ui| {
            let shadow = egui::Shadow { offset: [0, 4], blur: 20, spread: 0, color: Color32::from_black_alpha(140) };
            let frame = Frame::new().fill(theme::RAISED).corner_radius(14).stroke(Stroke::new(1.0, theme::HOVER));
            frame.shadow(shadow).inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 4.0;
                    ui.label(RichText::new(format!("{} selected", ids.len())).size(13.0));
                    ui.add_space(8.0);
                    let name = |n: u8| format!("Give {}", widgets::count(n.into(), "star"));
                    ui.scope(|ui| {
                        if let Some(stars) = icons::stars(ui, rating, 24.0, &name) {
                            self.rate(ids.clone(), stars);
                        }
                    });
                    ui.add_space(8.0);
                    let heart = loved.then_some(theme::HEART);
                    if icons::tinted(ui, Icon::Heart, "Favourite", 30.0, heart, loved).clicked() {
                        self.toggle_favourite(ids.clone());
                    }
                    let mark = rejected.then_some(theme::EMBER);
                    if icons::tinted(ui, Icon::Reject, "Reject", 30.0, mark, false).clicked() {
                        self.toggle_reject(ids.clone());
                    }
                    if icons::tinted(ui, Icon::Compare, "Compare", 30.0, None, false).clicked() {
                        self.compare(ids.clone());
                    }
                    if let [id] = ids[..]
                        && icons::tinted(ui, Icon::Reuse, "Use settings", 30.0, None, false).clicked()
                    {
                        self.use_settings(id);
                    }
                    let export = icons::tinted(ui, Icon::Export, "Export", 30.0, None, false);
                    egui::Popup::menu(&export).show(|ui| self.formats_ui(ui, ids.clone()));
                    if icons::tinted(ui, Icon::Trash, "Move to trash", 30.0, None, false).clicked() {
                        self.trash(ids.clone());
                    }
                    ui.add_space(8.0);
                    if icons::tinted(ui, Icon::Close, "Clear selection", 30.0, None, false).clicked() {
                        self.selected.clear();
                    }
                });
            });
        });
    }

    /// What stands on a wall without pictures.
    fn empty_ui(&mut self, ui: &mut Ui) {
        let failed = match &self.model {
            Model::Failed { name, message } => Some((name.clone(), message.clone())),
            _ => None,
        };
        let filtered = self.filter.stars > 0 || !self.filter.text.trim().is_empty();
        let fresh = self.filter.tab == Tab::Session || (self.filter.tab == Tab::All && !filtered);
        let height = ui.available_height();
        ui.vertical_centered(|ui| {
            ui.set_max_width(560.0);
            ui.add_space((height * 0.5 - 190.0).max(24.0));
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(56.0), egui::Sense::hover());
            let tint = if failed.is_some() { theme::HOVER } else { theme::EMBER };
            icons::paint(ui.painter(), rect, Icon::Flame, tint, true);
            ui.add_space(12.0);
            if let Some((name, message)) = failed {
                ui.label(RichText::new("The model could not be loaded").font(theme::strong(22.0)));
                ui.add_space(4.0);
                ui.add(egui::Label::new(RichText::new(message).color(theme::MUTED)).wrap());
                ui.add_space(12.0);
                ui.horizontal(|ui| {
                    ui.add_space((ui.available_width() - 260.0).max(0.0) / 2.0);
                    if ui.add(Button::new("Try again").min_size(vec2(110.0, 34.0))).clicked() {
                        self.link.send(crate::worker::Request::LoadModel { name });
                    }
                    let ctx = ui.ctx().clone();
                    if ui.add(Button::new("Choose a model…").min_size(vec2(140.0, 34.0))).clicked() {
                        self.choose_model(&ctx);
                    }
                });
                return;
            }
            let (title, text) = match () {
                () if filtered => ("No picture matches", "Fewer words or fewer stars will show more."),
                () if !fresh => ("No favourites yet", "Press F on a picture, or click its heart, to keep it here."),
                () => ("What would you like to see?", "Describe a picture at the left, or begin with one of these."),
            };
            ui.label(RichText::new(title).font(theme::strong(24.0)));
            ui.add_space(2.0);
            ui.label(RichText::new(text).size(15.0).color(theme::MUTED));
            if filtered || !fresh {
                return;
            }
            ui.add_space(16.0);
            let info = self.info();
            for example in words::EXAMPLES.iter().filter(|e| words::knows(info.as_deref(), e)) {
                let button = Button::new(RichText::new(*example).size(14.0)).min_size(vec2(420.0, 38.0));
                if ui.add(button.corner_radius(19)).on_hover_text("Write this into the prompt").clicked() {
                    self.settings.form.prompt = (*example).into();
                    self.focus_prompt = true;
                }
            }
        });
    }
}
