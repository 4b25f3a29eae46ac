//! The bar at the bottom: the model, what is being made, how long it will take.

use super::app::Model;
use super::gallery::{Item, JobState};
use super::icons::{self, Icon};
use super::panel::display_name;
use super::{App, theme, widgets};
use egui::{Align, Button, Layout, ProgressBar, RichText, Ui, Vec2};

impl App {
    /// Draws the bar.
    pub(super) fn status_ui(&mut self, ui: &mut Ui) {
        let line = ui.max_rect().expand2(egui::vec2(16.0, 0.0));
        ui.painter().hline(line.x_range(), line.top(), egui::Stroke::new(1.0, theme::LINE));
        ui.horizontal_centered(|ui| {
            self.model_ui(ui);
            self.lesson_status_ui(ui);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icons::button(ui, Icon::Help, "Keyboard shortcuts").clicked() {
                    self.help = true;
                }
                if !self.progress_ui(ui) {
                    let pictures = self.items.iter().filter(|i| matches!(i, Item::Picture(_))).count();
                    if pictures > 0 {
                        ui.label(small(&widgets::count(pictures, "picture")));
                    }
                }
            });
        });
    }

    fn model_ui(&mut self, ui: &mut Ui) {
        let (colour, text) = match &self.model {
            Model::Ready { info, device } => {
                let text = format!("{} · {device}", display_name(&info.name));
                (egui::Color32::from_rgb(0x6f, 0xc2, 0x8b), text)
            }
            Model::Loading { name, progress } => {
                (theme::STAR, format!("Loading {} {:.0}%", display_name(name), progress * 100.0))
            }
            Model::Failed { name, .. } => (theme::TROUBLE, format!("{} could not be loaded", display_name(name))),
        };
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(8.0), egui::Sense::hover());
        ui.painter().circle_filled(rect.center(), 4.0, colour);
        let label = ui.label(small(&text));
        if let Model::Failed { message, .. } = &self.model {
            label.on_hover_text(message);
        } else if let Model::Ready { info, .. } = &self.model {
            label.on_hover_text(format!("{}\n{:.1} million weights", info.summary, info.parameters as f64 / 1e6));
        }
    }

    /// How far the work is; returns whether there is any. Laid out from the right.
    fn progress_ui(&mut self, ui: &mut Ui) -> bool {
        let waiting = self.gallery.active().filter(|j| j.state == JobState::Queued).count();
        let job = self.gallery.active().find(|j| j.state == JobState::Running).or_else(|| self.gallery.active().next());
        let Some(job) = job else { return false };
        let looked = job.looking.map(|(done, all)| done as f32 / all.max(1) as f32);
        let (done, all, share) = (job.done(), job.slots.len(), looked.unwrap_or(job.progress));
        let mut text = format!("Picture {} of {all}", (done + 1).min(all));
        if let Some(looking) = job.looking_in_words() {
            text = looking;
        } else if let Some(left) = job.seconds_left.filter(|_| job.state == JobState::Running) {
            text += &format!(" · {} left", widgets::duration(left.max(0.0)));
        } else {
            text = "Waiting to begin".into();
        }
        let others = waiting - usize::from(job.state == JobState::Queued);
        if others > 0 {
            text += &format!(" · {} more waiting", widgets::count(others, "batch").replace("batchs", "batches"));
        }
        let button = Button::new(RichText::new("Cancel").size(13.0)).shortcut_text(RichText::new("Esc").size(12.0));
        let cancel = ui.add(button).accessible_name("Cancel");
        ui.add_space(4.0);
        let bar = ProgressBar::new(share).desired_width(220.0).desired_height(6.0).fill(theme::EMBER);
        ui.add(bar.corner_radius(3)).accessible_name("Progress");
        ui.add_space(4.0);
        ui.label(RichText::new(text).size(13.0));
        if cancel.clicked() {
            self.cancel();
        }
        true
    }
}

fn small(text: &str) -> RichText {
    RichText::new(text).size(12.5).color(theme::MUTED)
}
