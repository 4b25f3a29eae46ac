//! A lesson under way and its end: progress, curves, the same seeds before and after, and what the held-out pictures prove.

use super::curve::{Curves, curves};
use super::taste::{card, text};
use super::teach::pictures;
use super::textures::upload;
use super::{App, icons, theme, widgets};
use crate::tuning::finetune::Taught;
use crate::tuning::finetune::card::{Card, Point, source};
use crate::tuning::finetune::search::Trial;
use crate::tuning::lesson::Lesson;
use crate::worker::{JobId, News, Request};
use egui::{
    Align, Button, Color32, Context, Layout, ProgressBar, Rect, RichText, ScrollArea, Sense, TextureHandle, Ui, vec2,
};

/// Largest side of a picture before or after, and of both under the pointer.
const LOOK: f32 = 158.0;
const LARGE: f32 = 320.0;

/// How a lesson stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Waits for its turn.
    Waiting,
    /// Pictures are drawn for taste to choose from: done, in all.
    Imagining(u64, u64),
    /// Pictures are being made ready: done, in all.
    Preparing(usize, usize),
    /// The checkpoint alone is looked at.
    Before,
    /// Settings are looked for; so many were tried.
    Searching(usize),
    /// It learns.
    Teaching,
    /// Pictures are drawn to compare: done, in all.
    Drawing(usize, usize),
    /// It was asked to stop.
    Stopping,
    /// It can be gone on with.
    Paused,
    /// The adapter is on the shelf.
    Finished,
    /// It ended early, and there is nothing to go on with.
    Failed,
}

/// A look: with the adapter as it was after so many steps.
struct Look {
    texture: TextureHandle,
    step: Option<u64>,
}

/// A lesson under way, or the last one.
pub(super) struct Now {
    /// The job.
    pub job: JobId,
    /// What is taught.
    pub lesson: Lesson,
    /// How it stands.
    pub phase: Phase,
    learnt: usize,
    held_out: usize,
    choices: (usize, usize),
    base: Option<f32>,
    losses: Vec<(u64, f32)>,
    points: Vec<Point>,
    trials: Vec<Trial>,
    best: Option<u64>,
    step: u64,
    seconds_left: Option<f32>,
    before: Vec<Option<Look>>,
    after: Vec<Option<Look>>,
    card: Option<Card>,
    early: bool,
    trouble: Option<String>,
}

impl Now {
    /// A lesson that waits for its turn; what was seen of it before it was stopped stays.
    pub fn new(job: JobId, lesson: Lesson, before: Option<Self>) -> Self {
        let none = || lesson.looks.iter().map(|_| None).collect();
        let mut now = Self {
            job,
            phase: Phase::Waiting,
            learnt: 0,
            held_out: 0,
            choices: (0, 0),
            base: None,
            losses: Vec::new(),
            points: Vec::new(),
            trials: Vec::new(),
            best: None,
            step: 0,
            seconds_left: None,
            before: none(),
            after: none(),
            card: None,
            early: false,
            trouble: None,
            lesson,
        };
        if let Some(before) = before.filter(|_| now.lesson.resume) {
            (now.losses, now.step, now.trials) = (before.losses, before.step, before.trials);
            (now.before, now.after) = (before.before, before.after);
        }
        now
    }

    /// Whether it waits or is under way.
    pub fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Paused | Phase::Finished | Phase::Failed)
    }

    /// Seconds that a pixel costs, from those of a step; `None` where the size is not the model's own.
    pub fn pace(&self, seconds: f32) -> Option<f32> {
        let settings = &self.lesson.settings;
        let side = self.lesson.looks.first().map(|look| look.width)?;
        let pixels = side as f32 * side as f32 * (settings.batch * settings.accumulate) as f32;
        // A choice costs more than a picture, so it says nothing of pictures.
        let told = settings.resolution.is_none() && self.lesson.rated.is_none();
        (told && seconds > 0.0 && pixels > 0.0).then(|| seconds / pixels)
    }

    /// Whether the held-out pictures prove a gain.
    pub fn is_gain(&self) -> bool {
        self.card.as_ref().is_some_and(Card::is_gain)
    }

    /// The worker told of it.
    pub fn told(&mut self, ctx: &Context, news: News) {
        let going = |phase: Phase, next: Phase| if phase == Phase::Stopping { phase } else { next };
        match news {
            News::Imagining(done, of) => self.phase = going(self.phase, Phase::Imagining(done, of)),
            News::Preparing(p) => self.phase = going(self.phase, Phase::Preparing(p.done, p.of)),
            News::Prepared { learnt, held_out, choices, .. } => {
                (self.learnt, self.held_out, self.choices) = (learnt, held_out, choices);
                self.phase = going(self.phase, Phase::Before);
            }
            News::Base(loss) => self.base = Some(loss),
            News::Tried(trial) => {
                self.trials.push(trial);
                self.phase = going(self.phase, Phase::Searching(self.trials.len()));
            }
            News::Found(settings) => (self.lesson.settings, self.lesson.search) = (*settings, false),
            News::Step { step, loss, seconds_left, .. } => {
                self.phase = going(self.phase, Phase::Teaching);
                (self.step, self.seconds_left) = (step, Some(seconds_left));
                self.losses.push((step, loss));
            }
            News::Checked(point, best) => {
                self.step = self.step.max(point.step);
                self.points.retain(|p| p.step != point.step);
                self.points.push(point);
                if best && point.held_out.is_some() {
                    self.best = Some(point.step);
                }
            }
            News::Look { index, step, picture } => {
                let name = format!("look {index} {}", step.is_some());
                let texture = upload(ctx, name, picture.width, picture.height, &picture.rgb);
                let place = if step.is_some() { self.after.get_mut(index) } else { self.before.get_mut(index) };
                if let (Some(place), Some(texture)) = (place, texture) {
                    *place = Some(Look { texture, step });
                }
            }
            News::Drawing(done, of, seconds_left) => {
                self.phase = going(self.phase, Phase::Drawing(done, of));
                self.seconds_left = (done > 0).then_some(seconds_left);
            }
            News::Stopped(step) => (self.step, self.phase) = (step, Phase::Paused),
            News::Finished { card, early } => {
                (self.points, self.best) = (card.curve.clone(), card.evidence.map(|_| card.step));
                (self.card, self.early, self.phase) = (Some(*card), early, Phase::Finished);
            }
        }
    }

    /// The job is over.
    pub fn over(&mut self, message: Option<String>) {
        if self.phase == Phase::Finished {
            self.trouble = message;
            return;
        }
        let paused = self.phase == Phase::Paused || (self.lesson.resume && message.is_none());
        self.phase = if paused { Phase::Paused } else { Phase::Failed };
        self.trouble = message.or_else(|| (!paused).then(|| "Stopped before the first step.".into()));
    }

    /// How it stands, in a few words.
    pub fn standing(&self) -> String {
        let steps = self.lesson.settings.steps;
        let left = self.seconds_left.map(|s| format!(", {} left", widgets::duration(s.max(0.0)))).unwrap_or_default();
        match self.phase {
            Phase::Waiting => "waiting for its turn".into(),
            Phase::Imagining(done, of) => format!("imagining picture {} of {of}", (done + 1).min(of)),
            Phase::Preparing(done, of) => format!("preparing picture {} of {of}", (done + 1).min(of)),
            Phase::Before => "looking at how it is before".into(),
            Phase::Searching(tried) => format!("looking for good settings, {tried} tried"),
            Phase::Teaching => format!("step {} of {steps}{left}", self.step),
            Phase::Drawing(done, of) => format!("drawing picture {} of {of} to compare{left}", (done + 1).min(of)),
            Phase::Stopping => "stopping".into(),
            Phase::Paused => format!("paused at step {} of {steps}", self.step),
            Phase::Finished => "finished".into(),
            Phase::Failed => "not finished".into(),
        }
    }

    fn share(&self) -> f32 {
        match self.phase {
            Phase::Waiting | Phase::Failed => 0.0,
            Phase::Imagining(done, of) => 0.03 * done as f32 / of.max(1) as f32,
            Phase::Preparing(..) if self.lesson.rated.is_some() => 0.03,
            Phase::Preparing(done, of) => 0.03 * done as f32 / of.max(1) as f32,
            Phase::Before | Phase::Searching(_) => 0.03,
            Phase::Finished => 1.0,
            Phase::Drawing(done, of) => 0.95 + 0.05 * done as f32 / of.max(1) as f32,
            _ => 0.03 + 0.92 * self.step as f32 / self.lesson.settings.steps.max(1) as f32,
        }
    }
}

/// What held-out pictures prove and drawn ones show, in plain words: a title, what it means, and whether it is a gain.
pub(super) fn verdict(card: &Card) -> (&'static str, String, bool) {
    let (mut title, mut said) = proof(card);
    if let Some(drawn) = card.drawn {
        said += &format!("\n{}", drawn.sentence());
    }
    if card.collapsed() {
        title = "It draws the same over and over";
        said += " That is too little for a taste: a lower strength brings variety back, and so may more ratings.";
    } else if card.no_better() {
        title = "No better by your taste";
        said += " So it stays off; compare the pictures below. More steps or more ratings may help.";
    }
    (title, said, card.is_gain())
}

fn proof(card: &Card) -> (&'static str, String) {
    let Some(evidence) = card.evidence.as_ref() else {
        let why = "No pictures were held out, so nothing can prove that it helped. Compare the pictures below, and switch it \
                   on if you like what you see.";
        return ("Learnt, without proof", why.into());
    };
    let percent = |v: f32| format!("{:.0}\u{a0}%", v * 100.0);
    let (low, high) = (percent(evidence.interval.0), percent(evidence.interval.1));
    // An older Kiln's evidence does not say how many it was about.
    let asked = if evidence.asked > 0 { evidence.asked } else { card.held_out };
    let (learnt, subject, more) = match evidence.agrees {
        Some((right, all)) => {
            let agrees = format!("Of {} that it never saw, it agrees with {right}.", widgets::count(all, "choice"));
            ("It has learnt your taste", format!("{agrees} The loss of these choices"), "More ratings may help")
        }
        None => {
            let subject = format!("On {} that it never saw, the held-out loss", pictures(asked));
            ("It has learnt your pictures", subject, "More pictures or other captions may help")
        }
    };
    let moved = if evidence.gain >= 0.0 { "fell" } else { "rose" };
    let mut said = format!("{subject} {moved} by {} (95 % interval: {low} to {high}).", percent(evidence.gain.abs()));
    let chance = !evidence.is_gain && evidence.apart;
    if chance {
        said += &format!(" That may be chance. {more}, and more of them held out prove more.");
    }
    said.extend(evidence.doubt().into_iter().flat_map(|doubt| [" ".to_string(), doubt]));
    let title = match evidence.is_gain {
        true => learnt,
        false if chance => "No evidence of a gain",
        false => "Learnt, without proof",
    };
    (title, said)
}

impl App {
    /// The lesson that is under way, or how the last one ended.
    pub(super) fn lesson_ui(&mut self, ui: &mut Ui) {
        let Some(now) = self.teach.now.as_ref() else { return };
        let on = self.strength_of(&now.lesson.out).is_some();
        let (word, whole) = match &now.lesson.settings.taught {
            Taught::Word { name, .. } => (Some(name.clone()), false),
            taught => (None, *taught == Taught::Full),
        };
        let out = now.lesson.out.clone();
        let (mut stop, mut go_on, mut done, mut delete) = (false, false, false, false);
        let (mut write, mut load) = (false, false);
        card(ui, heading(now), |ui| {
            if let Some(card) = &now.card {
                let (_, said, gain) = verdict(card);
                text(ui, said);
                let state = match on {
                    _ if word.is_some() => "Write it in a prompt, and it is heard.",
                    _ if whole => "It is a model of its own, in the menu of models.",
                    true => "It is switched on for your next pictures.",
                    false if gain => "It is switched off.",
                    false => "It stays switched off until you switch it on.",
                };
                text(ui, state);
                let early = if now.early { ", ended early as nothing became better" } else { "" };
                let source = source(card.learnt, card.choices.map(|(choices, _)| choices));
                let facts =
                    format!("Learnt from {source}; the best was step {} of {}{early}.", card.step, card.settings.steps);
                widgets::hint(ui, facts);
            } else {
                let mut standing = now.standing();
                standing[..1].make_ascii_uppercase();
                text(ui, format!("{standing}."));
                let bar = ProgressBar::new(now.share()).desired_height(6.0).fill(theme::EMBER).corner_radius(3);
                ui.add(bar).accessible_name("Progress of the lesson");
            }
            if now.learnt > 0 && now.card.is_none() {
                let (choices, asked) = match now.choices {
                    (0, _) => (None, now.held_out),
                    (choices, asked) => (Some(choices), asked),
                };
                let source = source(now.learnt, choices);
                let held_out = if asked > 0 { format!(", {asked} held out to prove it") } else { String::new() };
                widgets::hint(ui, format!("Learning from {source}{held_out}."));
            }
            if let Some(trouble) = &now.trouble {
                ui.add(egui::Label::new(RichText::new(trouble).color(theme::TROUBLE)).wrap());
            }
            ui.horizontal(|ui| {
                let button = |ui: &mut Ui, name: &str| ui.add(Button::new(name).min_size(vec2(120.0, 32.0))).clicked();
                match now.phase {
                    Phase::Finished => {
                        done = button(ui, "Teach another");
                        write = word.is_some() && button(ui, "Put it into the prompt");
                        load = whole && button(ui, "Use this model");
                        if !whole && button(ui, "Show the adapters") {
                            self.screen = super::app::Screen::Shelf;
                        }
                    }
                    Phase::Failed => done = button(ui, "Back"),
                    Phase::Paused => {
                        go_on = button(ui, "Go on");
                        done = button(ui, "Later");
                        delete = icons::button(ui, icons::Icon::Trash, "Give up this lesson").clicked();
                    }
                    Phase::Stopping => _ = ui.add_enabled(false, Button::new("Pause").min_size(vec2(120.0, 32.0))),
                    _ => stop = button(ui, "Pause"),
                }
            });
        });
        if !now.trials.is_empty() {
            card(ui, "Settings that were tried", |ui| trials(ui, &now.trials));
        }
        if now.points.len() + now.losses.len() > 1 {
            card(ui, "How well it knows them", |ui| {
                let told = Curves {
                    steps: now.lesson.settings.steps,
                    training: &now.losses,
                    points: &now.points,
                    base: now.base.or(now.card.as_ref().and_then(|c| c.evidence).map(|e| e.base)),
                    best: now.best,
                };
                curves(ui, &told);
            });
        }
        if now.before.iter().any(Option::is_some) {
            card(ui, "Before and after, from the same seeds", |ui| looks(ui, now));
        }
        match () {
            () if write => self.write_word(&word.unwrap_or_default()),
            () if load => self.link.send(Request::LoadModel { name: out.display().to_string() }),
            () if stop => self.stop_lesson(),
            () if go_on => {
                let lesson = Lesson { resume: true, captions: Vec::new(), ..now.lesson.clone() };
                self.start_lesson(lesson);
            }
            () if delete => {
                self.shelf.deleting = Some(now.lesson.out.clone());
            }
            () if done => {
                // After a failure the folder is still there, to be tried in another way.
                if now.phase != Phase::Failed {
                    (self.teach.class, self.teach.rated) = (None, false);
                }
                self.teach.now = None;
            }
            () => {}
        }
    }
}

/// The table of the search: a line a run, the best of each round marked.
fn trials(ui: &mut Ui, trials: &[Trial]) {
    let best = |round: u32| {
        let losses = trials.iter().filter(|t| t.round == round).filter_map(|t| t.held_out);
        losses.min_by(f32::total_cmp)
    };
    ScrollArea::vertical().id_salt("trials").max_height(210.0).auto_shrink([false, true]).show(ui, |ui| {
        egui::Grid::new("trials").num_columns(6).spacing(vec2(22.0, 4.0)).show(ui, |ui| {
            for title in ["Round", "Steps", "Learning rate", "Rank", "Weight decay", "Held-out loss"] {
                ui.label(RichText::new(title).size(12.5).color(theme::MUTED));
            }
            ui.end_row();
            for trial in trials {
                let first = trial.held_out.is_some() && trial.held_out == best(trial.round);
                let ink = if first { theme::EMBER_BRIGHT } else { theme::TEXT };
                let loss = trial.held_out.map_or("out of range".into(), |loss| format!("{loss:.4}"));
                let cells = [
                    trial.round.to_string(),
                    trial.steps.to_string(),
                    trial.learning_rate.to_string(),
                    trial.rank.to_string(),
                    trial.weight_decay.to_string(),
                    loss,
                ];
                for cell in cells {
                    ui.label(RichText::new(cell).size(12.5).color(ink));
                }
                ui.end_row();
            }
        });
    });
}

fn heading(now: &Now) -> &'static str {
    match (now.phase, &now.card) {
        (_, Some(card)) => verdict(card).0,
        (Phase::Paused, _) => "Paused",
        (Phase::Failed, _) => "It did not work out",
        _ => "Teaching",
    }
}

/// The looks: a column each, before above after.
fn looks(ui: &mut Ui, now: &Now) {
    let columns = now.before.len().max(1);
    let gap = 12.0;
    let side = ((ui.available_width() - gap * (columns as f32 - 1.0)) / columns as f32).min(LOOK);
    for (name, row) in [("Before", &now.before), ("After", &now.after)] {
        let step = row.iter().flatten().filter_map(|look| look.step).max();
        let title = match step {
            Some(step) if now.phase != Phase::Finished => format!("{name} {step} steps"),
            _ => name.to_string(),
        };
        ui.label(RichText::new(title).size(12.5).color(theme::MUTED));
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for (index, look) in row.iter().enumerate() {
                let recipe = now.lesson.looks.get(index);
                let aspect = recipe.map_or(1.0, |r| r.height as f32 / r.width.max(1) as f32);
                let (rect, response) =
                    ui.allocate_exact_size(vec2(side, (side * aspect).min(side * 1.5)), Sense::hover());
                ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
                match look {
                    Some(look) => {
                        let place = super::tile::fit(look.texture.size_vec2(), rect);
                        super::tile::picture(ui.painter(), place, &look.texture, 1.0);
                    }
                    None => {
                        let icon = Rect::from_center_size(rect.center(), vec2(22.0, 22.0));
                        icons::paint(ui.painter(), icon, icons::Icon::Flame, Color32::from_white_alpha(22), true);
                    }
                }
                if let Some(recipe) = recipe {
                    let spoken = format!("{name}: {}", recipe.prompt);
                    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Image, true, &spoken));
                    let pair = [now.before.get(index), now.after.get(index)];
                    response.on_hover_ui(|ui| large(ui, pair.map(|look| look?.as_ref()), &recipe.prompt));
                }
            }
        });
    }
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        let mut words: Vec<&str> = now.lesson.looks.iter().map(|look| look.prompt.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        widgets::hint(ui, words.join("  ·  "));
    });
}

/// One look before and after, large.
fn large(ui: &mut Ui, pair: [Option<&Look>; 2], words: &str) {
    ui.set_max_width(2.0 * LARGE + 12.0);
    ui.horizontal(|ui| {
        for look in pair.into_iter().flatten() {
            let size = look.texture.size_vec2();
            let scale = LARGE / size.max_elem().max(1.0);
            let (rect, _) = ui.allocate_exact_size(size * scale, Sense::hover());
            super::tile::picture(ui.painter(), rect, &look.texture, 1.0);
        }
    });
    widgets::hint(ui, words);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::finetune::{Drawn, Evidence, Liked, Preference, Settings};
    use crate::tuning::optimizer::OptimizerKind;

    fn card(evidence: Option<Evidence>, held_out: usize) -> Card {
        Card {
            kiln: String::new(),
            base: "Ember".into(),
            base_hash: String::new(),
            data_hash: String::new(),
            learnt: 16,
            held_out,
            choices: None,
            captions: Vec::new(),
            settings: Settings::suited_to(1_000_000, OptimizerKind::AdamW, 8),
            step: 100,
            curve: Vec::new(),
            evidence,
            drawn: None,
        }
    }

    #[test]
    fn only_what_is_proven_is_called_a_gain() {
        let gain = Evidence {
            base: 0.3,
            tuned: 0.25,
            gain: 0.167,
            interval: (0.1, 0.23),
            questions: 40,
            asked: 5,
            apart: true,
            agrees: None,
            is_gain: true,
        };
        let (title, said, on) = verdict(&card(Some(gain), 5));
        assert!(
            on && title.contains("has learnt") && said.contains("5 pictures") && said.contains("fell by 17\u{a0}%"),
            "{said}"
        );
        let chosen = Evidence { agrees: Some((7, 9)), ..gain };
        let (title, said, on) = verdict(&card(Some(chosen), 5));
        assert!(
            on && title.contains("taste") && said.contains("Of 9 choices that it never saw, it agrees with 7."),
            "{said}"
        );
        let none = Evidence { gain: -0.02, interval: (-0.1, 0.06), is_gain: false, asked: 1, ..gain };
        let (title, said, on) = verdict(&card(Some(none), 1));
        assert!(
            !on && title.contains("No evidence") && said.contains("rose by 2\u{a0}%") && said.contains("1 picture "),
            "{said}"
        );
        let (title, said, on) = verdict(&card(Some(gain.by_what_chose()), 1));
        assert!(!on && title.contains("without proof") && said.contains("fell by 17\u{a0}%"), "{title} {said}");
        assert!(said.contains("no proof"), "{said}");
        assert!(!verdict(&card(None, 0)).2);
        // Taste that draws one picture over and over is no gain; pictures that are all alike may teach just that.
        let drawn = Some(Drawn { pictures: 8, colours: None, look: None, variety: (4.0, 1.0), liked: None });
        let pictures = Card { drawn, ..card(Some(gain), 5) };
        let (_, said, on) = verdict(&pictures);
        assert!(on && said.contains("vary 25 % as much"), "{said}");
        let less = drawn.map(|drawn| Drawn { liked: Some(Liked { chance: 0.4, foretells: Some(0.7) }), ..drawn });
        let (title, said, on) = verdict(&Card { drawn: less, ..pictures.clone() });
        assert!(
            !on && title.contains("No better by your taste") && said.contains("a chance of 40 %"),
            "{title} {said}"
        );
        let preference = Some(Preference::Reward);
        let settings = Settings { preference, ..pictures.settings.clone() };
        let (title, said, on) = verdict(&Card { settings, evidence: Some(chosen), ..pictures });
        assert!(!on && title.contains("over and over") && said.contains("lower strength"), "{title} {said}");
    }
}
