//! The quick look that follows words and sliders.

use super::textures::upload;
use super::{App, icons, theme, widgets};
use crate::pipeline::PreviewImage;
use crate::recipe::Recipe;
use crate::worker::{JobId, Request};
use egui::accesskit::Role;
use egui::{Align2, Context, FontId, Rect, RichText, Sense, TextureHandle, Ui, Vec2, WidgetInfo, vec2};

/// Seconds that words must rest before a look is taken.
const WORDS_REST: f64 = 0.45;
/// Seconds after which a look that is under way gives way to a newer one.
const PATIENCE: f64 = 1.5;
/// Side of the small tile.
const SIDE: f32 = 104.0;

/// The quick look.
#[derive(Default)]
pub struct Preview {
    texture: Option<TextureHandle>,
    seconds: f32,
    /// What is being looked at, and since when.
    under_way: Option<(JobId, f64)>,
    /// The settings that were seen last.
    seen: Option<Recipe>,
    /// When to look.
    due: Option<f64>,
}

impl Preview {
    /// These settings are known; only a further change is worth a look.
    pub fn follow(&mut self, recipe: Recipe) {
        (self.seen, self.due) = (Some(recipe), None);
    }

    /// Another model is there.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether a job is the look under way.
    pub fn is(&self, job: JobId) -> bool {
        self.under_way.is_some_and(|(number, _)| number == job)
    }

    /// The look under way has ended without a picture.
    pub fn ended(&mut self) {
        self.under_way = None;
    }

    /// A look is there.
    pub fn arrived(&mut self, ctx: &Context, job: JobId, image: &PreviewImage, seconds: f32) {
        if self.is(job) {
            self.under_way = None;
        }
        self.seconds = seconds;
        self.texture = upload(ctx, "preview".into(), image.width, image.height, &image.rgb);
    }
}

impl App {
    /// Sends a wish for a look when the settings have changed and rested.
    pub(super) fn tend_preview(&mut self, ctx: &Context) {
        let Some(info) = self.info() else { return };
        let now = ctx.input(|i| i.time);
        let recipe = self.settings.form.recipe(&info);
        let preview = &mut self.preview;
        let Some(seen) = &preview.seen else { return preview.follow(recipe) };
        if *seen != recipe {
            let words = seen.prompt != recipe.prompt || seen.negative_prompt != recipe.negative_prompt;
            preview.due = Some(if words { now + WORDS_REST } else { now });
            preview.seen = Some(recipe.clone());
        }
        if !self.settings.live_preview || (recipe.prompt.is_empty() && recipe.sliders.is_empty()) {
            preview.due = None;
        }
        let Some(due) = preview.due else { return };
        let free = preview.under_way.map_or(now, |(_, since)| since + PATIENCE);
        let when = due.max(free);
        if now < when {
            return ctx.request_repaint_after_secs((when - now) as f32 + 0.01);
        }
        preview.due = None;
        let job = self.next_number();
        self.preview.under_way = Some((job, now));
        self.link.send(Request::Preview { job, recipe });
    }

    /// The quick look, at the head of the panel.
    pub(super) fn preview_ui(&mut self, ui: &mut Ui) {
        let large = self.settings.large_preview;
        if large {
            let side = ui.available_width();
            let height = (side * self.aspect().recip()).min(ui.ctx().content_rect().height() * 0.36);
            let (rect, _) = ui.allocate_exact_size(vec2(side, height), Sense::hover());
            self.preview_tile(ui, rect);
            ui.horizontal(|ui| self.preview_facts(ui));
            return;
        }
        ui.horizontal_top(|ui| {
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::hover());
            self.preview_tile(ui, rect);
            ui.add_space(4.0);
            ui.vertical(|ui| {
                ui.set_height(SIDE);
                self.preview_facts(ui);
            });
        });
    }

    fn aspect(&self) -> f32 {
        let size = self.info().map(|info| self.settings.form.recipe(&info));
        size.map_or(1.0, |r| r.width as f32 / r.height as f32)
    }

    fn preview_tile(&mut self, ui: &mut Ui, rect: Rect) {
        let id = ui.scope_id().with("preview");
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Preview"));
        let painter = ui.painter();
        painter.rect_filled(rect, theme::ROUND, theme::SUNKEN);
        match &self.preview.texture {
            Some(texture) => {
                let room = super::tile::fit(texture.size_vec2(), rect);
                super::tile::picture(painter, room, texture, 1.0);
            }
            None => {
                let icon = Rect::from_center_size(rect.center(), Vec2::splat(30.0));
                icons::paint(painter, icon, icons::Icon::Flame, theme::RAISED, true);
            }
        }
        if self.preview.under_way.is_some() && self.preview.texture.is_none() {
            let below = rect.center_bottom() - vec2(0.0, 10.0);
            painter.text(below, Align2::CENTER_BOTTOM, "Looking…", FontId::proportional(12.0), theme::MUTED);
        }
        if response.on_hover_text(if self.settings.large_preview { "Smaller" } else { "Larger" }).clicked() {
            self.settings.large_preview = !self.settings.large_preview;
        }
    }

    fn preview_facts(&mut self, ui: &mut Ui) {
        let large = self.settings.large_preview;
        if !large {
            ui.add_space(6.0);
            widgets::title(ui, "Quick look");
        }
        let text = match (&self.preview.texture, self.settings.live_preview) {
            (_, false) => "Off".to_string(),
            (Some(_), _) if self.preview.under_way.is_some() => {
                format!("{}, looking…", widgets::took(self.preview.seconds))
            }
            (Some(_), _) => format!("Took {}", widgets::took(self.preview.seconds)),
            (None, _) if large => "Follows words and sliders".into(),
            (None, _) => "Follows your words and sliders as you change them".into(),
        };
        widgets::hint(ui, text);
        let mut live = self.settings.live_preview;
        let label = RichText::new("Follow changes").size(13.0);
        if ui.checkbox(&mut live, label).changed() {
            self.settings.live_preview = live;
        }
    }
}
