//! The blind test: two pictures at a time, one with taste or with an adapter and one without, and nobody here knows which.

use super::app::Screen;
use super::candidate::{Candidate, answer_button};
use super::gallery::{Job, JobState};
use super::icons::{self, Icon};
use super::{App, theme, widgets};
use crate::library::PictureId;
use crate::recipe::{AdapterRef, Recipe};
use crate::taste::Pairing;
use crate::taste::trial::{PAIRS, wish};
use crate::tuning::shelf::Shelved;
use crate::worker::{Choice, JobId, Request};
use egui::{Align, CentralPanel, Frame, Layout, Margin, Panel, Rect, RichText, Ui, UiBuilder, Vec2, vec2};
use std::collections::VecDeque;

/// Room below the pictures, and between their buttons and the edge.
const FOOT: (f32, f32) = (72.0, 16.0);
/// Prompts over which the pairs of a test are spread: the present one, and the last ones before it.
const PROMPTS: usize = 2;
/// Prompts over which the pairs of an adapter are spread, at most.
const WORDS: usize = 5;

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
    /// Where it was begun.
    pub from: Screen,
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
        let pairs: usize = wishes.iter().map(|w| w.count as usize).sum();
        let job = self.open_trial(vec![recipe; 2 * pairs], Screen::Taste);
        self.link.send(Request::Trial { job, wishes });
    }

    /// Shows the test that makes these pictures, and answers the number of its job.
    fn open_trial(&mut self, pictures: Vec<Recipe>, from: Screen) -> JobId {
        let job = self.next_number();
        let pairs = pictures.len() / 2;
        self.gallery.jobs.push(Job { hidden: true, ..Job::queued(job, pictures) });
        self.taste.blind = Some(Blind { job, pairs, ready: VecDeque::new(), answered: 0, over: false, from });
        self.screen = Screen::Trial;
        job
    }

    /// Whether a blind test of this adapter can begin, else why not.
    pub(super) fn can_test_adapter(&self, adapter: &Shelved) -> Result<(), &'static str> {
        if self.taste.blind.is_some() {
            return Err("End the blind test that is under way first.");
        }
        if self.info().is_none() {
            return Err("The model is still being loaded.");
        }
        match &adapter.card {
            Some(card) if self.info().is_some_and(|info| info.hash != card.base_hash) => {
                Err("It was made for another model than the one in use.")
            }
            _ => Ok(()),
        }
    }

    /// Has pairs made with an adapter at its strength and without it, from the same words and seeds, and opens the test.
    pub(super) fn start_adapter_trial(&mut self, adapter: &Shelved) {
        if let Err(why) = self.can_test_adapter(adapter) {
            return self.toasts.notice(why);
        }
        let Some(info) = self.info() else { return };
        let name = adapter.path.display().to_string();
        let weight = self.strength_of(&adapter.path);
        let weight = weight.or(self.shelf.strengths.get(&adapter.path).copied()).unwrap_or(1.0);
        // What it was taught with, and what the person draws now.
        let captions = adapter.card.iter().flat_map(|card| &card.captions).map(|(words, _)| words.as_str());
        let prompts: Vec<&str> = std::iter::once(self.settings.form.prompt.as_str()).chain(captions).collect();
        let mut asked: Vec<&str> = Vec::new();
        for words in prompts.into_iter().map(str::trim) {
            if !words.is_empty() && !asked.contains(&words) && asked.len() < WORDS {
                asked.push(words);
            }
        }
        if asked.is_empty() {
            return self.toasts.notice("Write what the pictures should show first.");
        }
        let seed = super::form::random_seed();
        let pairs = (0..PAIRS).zip(asked.iter().cycle()).map(|(i, words)| {
            let form = super::form::Form { prompt: (*words).into(), ..self.settings.form.clone() };
            let mut without = form.recipe(&info).with_seed(seed + u64::from(i));
            without.adapters.retain(|a| a.name != name);
            let mut with = without.clone();
            with.adapters.push(AdapterRef { name: name.clone(), hash: String::new(), weight });
            Pairing { with, without }
        });
        let pairs: Vec<Pairing> = pairs.collect();
        let pictures = pairs.iter().flat_map(|p| [p.with.clone(), p.without.clone()]).collect();
        let job = self.open_trial(pictures, self.screen.clone());
        self.link.send(Request::TestAdapter { job, adapter: name, pairs });
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
            self.screen = blind.from;
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
