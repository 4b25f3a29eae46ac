//! The blind test: two pictures at a time, one with taste and one without, and nobody here knows which.

use super::app::Screen;
use super::candidate::{Candidate, answer_button};
use super::gallery::{Job, JobState};
use super::icons::{self, Icon};
use super::{App, theme, widgets};
use crate::library::PictureId;
use crate::taste::trial::{PAIRS, wish};
use crate::worker::{Choice, JobId, Request};
use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, Rect, RichText, Ui, UiBuilder, Vec2, vec2};
use std::collections::VecDeque;

/// Room below the pictures, and between their buttons and the edge.
const FOOT: (f32, f32) = (72.0, 16.0);
/// Prompts over which the pairs of a test are spread: the present one, and the last ones before it.
const PROMPTS: usize = 2;

/// A blind test under way.
pub(super) struct Blind {
    /// The job that makes the pictures.
    pub job: JobId,
    /// Pairs in all, as far as is known.
    pub pairs: usize,
    /// Pairs that wait for an answer: number, left, right.
    pub ready: VecDeque<(u32, PictureId, PictureId)>,
    /// Pairs that were answered.
    pub answered: usize,
    /// No more pairs will come.
    pub over: bool,
}

impl App {
    /// Whether a blind test can begin, else why not.
    pub(super) fn can_test(&self) -> Result<(), &'static str> {
        self.can_generate()?;
        if self.taste.choices() == 0 {
            return Err("Rate a few pictures first: there is nothing to test yet.");
        }
        Ok(())
    }

    /// Has the pairs of a blind test made, and opens it.
    pub(super) fn start_trial(&mut self) {
        if let Err(why) = self.can_test() {
            return self.toasts.notice(why);
        }
        let Some(info) = self.info() else { return };
        let recipe = self.settings.form.recipe(&info);
        let earlier = self.settings.history.iter().filter(|p| p.trim() != self.settings.form.prompt.trim());
        let mut recipes = vec![recipe.clone()];
        recipes.extend(earlier.take(PROMPTS - 1).map(|p| {
            let form = super::form::Form { prompt: p.clone(), ..self.settings.form.clone() };
            form.recipe(&info)
        }));
        let each = PAIRS / recipes.len() as u32;
        let seed = super::form::random_seed();
        let wishes: Vec<_> = recipes.iter().map(|r| wish(r.with_seed(seed), each, self.settings.explore)).collect();
        let id = self.next_number();
        let pairs = wishes.iter().map(|w| w.count as usize).sum();
        self.gallery.jobs.push(Job { hidden: true, ..Job::queued(id, vec![recipe; 2 * pairs]) });
        self.taste.blind = Some(Blind { job: id, pairs, ready: VecDeque::new(), answered: 0, over: false });
        self.screen = Screen::Trial;
        self.link.send(Request::Trial { job: id, wishes });
    }

    /// A pair is ready.
    pub(super) fn pair_ready(&mut self, job: JobId, pair: u32, left: PictureId, right: PictureId) {
        if let Some(blind) = self.taste.blind.as_mut().filter(|b| b.job == job) {
            blind.ready.push_back((pair, left, right));
        }
    }

    /// The test's job is over, well or not.
    pub(super) fn trial_over(&mut self, job: JobId) {
        let Some(blind) = self.taste.blind.as_mut().filter(|b| b.job == job) else { return };
        blind.over = true;
        blind.pairs = blind.answered + blind.ready.len();
        self.end_trial_if_done();
    }

    /// Answers the pair on the screen.
    pub(super) fn answer(&mut self, choice: Choice) {
        let Some(blind) = &mut self.taste.blind else { return };
        let Some((pair, ..)) = blind.ready.pop_front() else { return };
        blind.answered += 1;
        self.link.send(Request::Judge { job: blind.job, pair, choice });
        self.end_trial_if_done();
    }

    fn end_trial_if_done(&mut self) {
        if self.taste.blind.as_ref().is_some_and(|b| b.over && b.ready.is_empty()) {
            self.leave_trial();
        }
    }

    /// Ends the test; answers that were given stay, pictures that were made join the others.
    pub(super) fn leave_trial(&mut self) {
        let Some(blind) = self.taste.blind.take() else { return };
        if !blind.over {
            self.link.send(Request::Cancel { job: blind.job });
        }
        if let Some(job) = self.gallery.job(blind.job) {
            job.hidden = false;
        }
        self.asked = None;
        if self.screen == Screen::Trial {
            self.screen = Screen::Taste;
        }
        if blind.answered > 0 {
            self.toasts.notice(format!("{} kept.", widgets::count(blind.answered, "blind answer")));
        }
    }

    /// Draws the test.
    pub(super) fn trial_ui(&mut self, ui: &mut Ui) {
        let Some(blind) = &self.taste.blind else {
            self.screen = Screen::Taste;
            return;
        };
        let (number, all, front) = (blind.answered + 1, blind.pairs, blind.ready.front().copied());
        let bar = Frame::new().fill(theme::ROOM).inner_margin(Margin::symmetric(20, 0));
        Panel::top("trial").exact_size(56.0).frame(bar).show_separator_line(false).show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                ui.label(RichText::new("Which one do you like more?").font(theme::strong(18.0)));
                ui.add_space(8.0);
                ui.label(RichText::new(format!("Pair {} of {all}", number.min(all))).size(12.5).color(theme::MUTED));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::tinted(ui, Icon::Close, "End the blind test", 32.0, None, false).clicked() {
                        self.leave_trial();
                    }
                });
            });
        });
        let mut choice = None;
        CentralPanel::no_frame().frame(Frame::new().fill(theme::ROOM)).show(ui, |ui| {
            let room = ui.max_rect();
            match front {
                Some((_, left, right)) => choice = self.pair_ui(ui, room, left, right),
                None => self.wait_ui(ui, room),
            }
        });
        if let Some(choice) = choice {
            self.answer(choice);
        }
    }

    fn pair_ui(&mut self, ui: &mut Ui, room: Rect, left: PictureId, right: PictureId) -> Option<Choice> {
        let mut choice = None;
        let middle = room.center().x;
        let halves = [
            (left, room.with_max_x(middle), "Left is better", Choice::Left, "Left"),
            (right, room.with_min_x(middle), "Right is better", Choice::Right, "Right"),
        ];
        for (id, half, text, side, key) in halves {
            let texture = self.large_texture(id);
            let size = self.gallery.entries.get(&id).map_or(Vec2::ONE, |e| vec2(e.width as f32, e.height as f32));
            // Its words would tell which one it is.
            let spoken = format!("{key} picture");
            let candidate = Candidate { texture, size, spoken, text, key, foot: FOOT };
            if candidate.ui(ui, half) {
                choice = Some(side);
            }
        }
        if answer_button(ui, room.center_bottom() - vec2(0.0, FOOT.1), "No difference", "Down") {
            choice = Some(Choice::Neither);
        }
        choice
    }

    /// What is shown while the next pair is being made.
    fn wait_ui(&mut self, ui: &mut Ui, room: Rect) {
        let job = self.taste.blind.as_ref().map(|b| b.job);
        let job = self.gallery.jobs.iter().find(|j| Some(j.id) == job);
        let text = match job {
            Some(job) if job.looking.is_none() && job.state == JobState::Running => {
                format!("Picture {} of {} is being made", (job.done() + 1).min(job.slots.len()), job.slots.len())
            }
            _ => job.and_then(Job::looking_in_words).unwrap_or_else(|| "Waiting to begin".into()),
        };
        let icon = Rect::from_center_size(room.center() - vec2(0.0, 30.0), Vec2::splat(48.0));
        icons::paint(ui.painter(), icon, Icon::Flame, theme::EMBER, true);
        let place = Rect::from_center_size(room.center() + vec2(0.0, 24.0), vec2(400.0, 24.0));
        ui.scope_builder(UiBuilder::new().max_rect(place), |ui| {
            ui.vertical_centered(|ui| ui.label(RichText::new(text).size(14.0).color(theme::MUTED)));
        });
    }
}
