//! What the person can do with pictures and settings.

use super::App;
use super::app::Screen;
use super::form::SeedMode;
use super::gallery::{Item, Job, JobState};
use super::settings::Tab;
use super::toasts::Offer;
use super::widgets::count;
use crate::library::PictureId;
use crate::recipe::Recipe;
use crate::taste::Wish;
use crate::worker::Request;
use egui::Context;

impl App {
    /// Whether Generate would do something, else why not.
    pub(super) fn can_generate(&self) -> Result<(), &'static str> {
        if self.info().is_none() {
            return Err("The model is not ready yet.");
        }
        if self.settings.form.prompt.trim().is_empty() {
            return Err("Write a few words first: what should the picture show?");
        }
        Ok(())
    }

    /// Sends the form's batch to the worker.
    pub(super) fn generate(&mut self) {
        if let Err(why) = self.can_generate() {
            return self.toasts.notice(why);
        }
        if self.source.saving {
            self.source.then_generate = true;
            return;
        }
        let Some(info) = self.info() else { return };
        let recipes = self.settings.form.batch(&info);
        let wish = recipes.first().filter(|_| self.settings.taste).map(|first| self.wish(first.clone()));
        self.settings.remember(&self.settings.form.prompt.clone());
        self.settings.form.after_generate();
        self.preview.follow(self.settings.form.recipe(&info));
        self.start(recipes, wish);
    }

    /// Has pictures made: a wall that taste bends, where there is a wish for one.
    fn start(&mut self, recipes: Vec<Recipe>, wish: Option<Wish>) {
        let id = self.next_number();
        self.gallery.jobs.push(Job::queued(id, recipes.clone()));
        if self.screen.is_page() {
            self.screen = Screen::Wall;
        }
        if self.filter.tab == Tab::Favourites || (self.filter.tab == Tab::All && self.filter.is_narrow()) {
            // There the new pictures could not be seen.
            self.filter.tab = Tab::Session;
        }
        if self.filter.tab == Tab::Session {
            (self.filter.stars, self.filter.text) = (0, String::new());
        }
        self.link.send(match wish {
            Some(wish) => Request::Wall { job: id, wish },
            None => Request::Generate { job: id, recipes },
        });
    }

    /// Stops the running job, or the one that waits first; returns whether there was one.
    pub(super) fn cancel(&mut self) -> bool {
        let mut active: Vec<_> = self.gallery.active().map(|j| (j.state != JobState::Running, j.id)).collect();
        active.sort();
        let Some((_, job)) = active.first().copied() else { return false };
        self.link.send(Request::Cancel { job });
        true
    }

    /// Takes over the settings of a Recipe.
    pub(super) fn use_recipe(&mut self, recipe: &Recipe, said: &str, offer: Option<Offer>) {
        let left_out = self.settings.form.load(recipe, self.info().as_deref());
        let mut said = said.to_string();
        if !left_out.is_empty() {
            said += &format!(" This model has no {}.", left_out.join(", "));
        }
        match offer {
            Some(offer) => self.toasts.offer(said, offer),
            None => self.toasts.notice(said),
        }
    }

    /// Takes over the settings of a picture.
    pub(super) fn use_settings(&mut self, id: PictureId) {
        let Some(recipe) = self.gallery.entries.get(&id).map(|e| e.recipe.clone()) else { return };
        self.use_recipe(&recipe, "The picture's settings are in place.", None);
        self.screen = Screen::Wall;
    }

    /// Four more pictures with the settings of one and new seeds.
    pub(super) fn more_like(&mut self, id: PictureId) {
        let Some(recipe) = self.gallery.entries.get(&id).map(|e| e.recipe.clone()) else { return };
        let Some(info) = self.info() else { return self.toasts.notice("The model is not ready yet.") };
        let form = &mut self.settings.form;
        form.load(&recipe, Some(&info));
        (form.seed_mode, form.seed) = (SeedMode::Random, super::form::random_seed());
        let recipe = form.recipe(&info);
        form.after_generate();
        let now = form.recipe(&info);
        self.preview.follow(now);
        self.screen = Screen::Wall;
        self.start((0..4).map(|i| recipe.with_seed(recipe.seed.wrapping_add(i))).collect(), None);
    }

    /// The pictures that a key or a button of the wall acts on, in the order of the wall.
    pub(super) fn targets(&self) -> Vec<PictureId> {
        if let Screen::View(id) = self.screen {
            return vec![id];
        }
        if self.screen.is_page() || matches!(self.screen, Screen::Trial | Screen::Mask) {
            return Vec::new();
        }
        let in_order = self.items.iter().filter_map(|item| match item {
            Item::Picture(id) => Some(*id),
            Item::Pending(..) => None,
        });
        if self.selected.is_empty() {
            in_order.filter(|id| Some(*id) == self.current).collect()
        } else {
            in_order.filter(|id| self.selected.contains(id)).collect()
        }
    }

    /// Only saved pictures can be rated, marked and deleted.
    fn saved(&mut self, ids: Vec<PictureId>) -> Vec<PictureId> {
        let (saved, unsaved): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| *id >= 0);
        if !unsaved.is_empty() {
            self.toasts.notice("This picture is not in the library: export it, or it is gone when Kiln is closed.");
        }
        saved
    }

    /// Gives stars.
    pub(super) fn rate(&mut self, ids: Vec<PictureId>, stars: u8) {
        for id in self.saved(ids) {
            // Shown at once; the worker's answer confirms it.
            if let Some(entry) = self.gallery.entries.get_mut(&id) {
                entry.rating = stars;
            }
            self.link.send(Request::Rate { id, stars });
        }
    }

    /// Marks as favourites, or takes the mark away if all have it.
    pub(super) fn toggle_favourite(&mut self, ids: Vec<PictureId>) {
        let ids = self.saved(ids);
        let on = !ids.iter().all(|id| self.gallery.entries.get(id).is_some_and(|e| e.favourite));
        for id in ids {
            if let Some(entry) = self.gallery.entries.get_mut(&id) {
                entry.favourite = on;
            }
            self.link.send(Request::Favourite { id, on });
        }
    }

    /// Marks as rejected, or takes the mark away if all have it.
    pub(super) fn toggle_reject(&mut self, ids: Vec<PictureId>) {
        let ids = self.saved(ids);
        let on = !ids.iter().all(|id| self.gallery.entries.get(id).is_some_and(|e| e.rejected));
        for id in ids {
            if let Some(entry) = self.gallery.entries.get_mut(&id) {
                entry.rejected = on;
            }
            self.link.send(Request::Reject { id, on });
        }
    }

    /// Moves to the trash, with a way back.
    pub(super) fn trash(&mut self, ids: Vec<PictureId>) {
        let ids = self.saved(ids);
        if ids.is_empty() {
            return;
        }
        let neighbour = self.neighbour(&ids);
        if let Screen::View(_) = self.screen {
            self.screen = neighbour.map_or(Screen::Wall, Screen::View);
        }
        (self.current, self.reveal) = (neighbour, neighbour.is_some());
        self.selected.clear();
        ids.iter().for_each(|id| self.link.send(Request::Delete { id: *id }));
        self.toasts.offer(format!("{} moved to the trash.", count(ids.len(), "picture")), Offer::Restore(ids));
    }

    /// The picture that comes after those, or before them.
    fn neighbour(&self, gone: &[PictureId]) -> Option<PictureId> {
        let pictures = self.pictures();
        let last = pictures.iter().rposition(|id| gone.contains(id))?;
        let after = pictures[last..].iter().find(|id| !gone.contains(id));
        after.or_else(|| pictures[..last].iter().rev().find(|id| !gone.contains(id))).copied()
    }

    /// The wall's pictures in order.
    pub(super) fn pictures(&self) -> Vec<PictureId> {
        let picture = |item: &Item| if let Item::Picture(id) = item { Some(*id) } else { None };
        self.items.iter().filter_map(picture).collect()
    }

    /// Opens the comparison of the chosen pictures, or of one with its neighbour.
    pub(super) fn compare(&mut self, ids: Vec<PictureId>) {
        let mut ids: Vec<PictureId> = ids.into_iter().filter(|id| *id >= 0).collect();
        if let [one] = ids[..] {
            let pictures = self.pictures();
            let at = pictures.iter().position(|id| *id == one).unwrap_or(0);
            let other = pictures.get(at + 1).or_else(|| at.checked_sub(1).and_then(|i| pictures.get(i)));
            ids.extend(other.copied().filter(|id| *id >= 0));
        }
        match ids.as_slice() {
            [left, right, next @ ..] => {
                self.screen = Screen::Compare { left: *left, right: *right, next: next.to_vec() };
            }
            _ => self.toasts.notice("Choose two pictures to compare: Ctrl+click selects several."),
        }
    }

    /// Keeps which of two was better, then shows the better one with the next, or the wall.
    pub(super) fn judge(&mut self, left_is_better: bool) {
        let Screen::Compare { left, right, next } = self.screen.clone() else { return };
        let (winner, loser) = if left_is_better { (left, right) } else { (right, left) };
        self.link.send(Request::Compare { winner, loser });
        (self.current, self.reveal) = (Some(winner), true);
        self.screen = match next.split_first() {
            // The better one stays on its side.
            Some((challenger, rest)) if left_is_better => {
                Screen::Compare { left, right: *challenger, next: rest.to_vec() }
            }
            Some((challenger, rest)) => Screen::Compare { left: *challenger, right, next: rest.to_vec() },
            None => Screen::Wall,
        };
        if self.screen == Screen::Wall {
            self.selected.clear();
            self.toasts.notice("Your choice is kept.");
        }
    }

    /// Takes settings, a picture to start from, or a model out of a file that was dropped on the window.
    pub(super) fn dropped_files(&mut self, ctx: &Context) {
        let dropped = ctx.input(|i| i.raw.dropped_files.clone());
        if let Some(file) = dropped.first()
            && !self.drop_on_page(file.path())
        {
            if self.screen == Screen::Mask {
                return self.toasts.notice("Finish the mask first, then drop the file again.");
            }
            self.link.send(Request::LookInto { path: file.path().to_path_buf() });
            self.screen = Screen::Wall;
        }
        if ctx.input(|i| !i.raw.hovered_files.is_empty()) {
            let text = match self.screen {
                Screen::Teach => "Drop a folder of pictures to teach from it",
                Screen::Shelf => "Drop an adapter to add it",
                _ => {
                    "Drop a picture to use its settings or to start from it, a model, a folder to teach from, or an adapter"
                }
            };
            super::shortcuts::drop_hint(ctx, text);
        }
    }
}
