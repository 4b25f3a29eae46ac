//! Taste in the window: the switch near Generate, the page that says what was learnt, why a picture is liked, forgetting.

use super::app::Screen;
use super::form::SeedMode;
use super::panel::left_label;
use super::trial::Blind;
use super::{App, theme, widgets};
use crate::library::PictureId;
use crate::recipe::Recipe;
use crate::taste::wall::LOOKS;
use crate::taste::{Learnt, Proofs, Summary, Verdict, Why, Wish};
use crate::tuning::shelf::Shelved;
use crate::worker::{Clerical, Request};
use egui::{Align, Button, Color32, Id, Layout, Margin, Modal, Rect, RichText, ScrollArea, Slider, Ui, vec2};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Things that were learnt, at most, on the page.
const MOST: usize = 10;

/// What the worker told of the person's taste.
pub(super) struct TasteView {
    /// What was learnt; absent before the first answer.
    pub summary: Option<Arc<Summary>>,
    /// What blind tests proved.
    pub proofs: Proofs,
    /// Why pictures are liked.
    pub whys: HashMap<PictureId, Arc<Why>>,
    /// Pictures that were asked about since the taste changed last.
    why_asked: HashSet<PictureId>,
    /// Something changed since the last question.
    stale: bool,
    /// A question is under way.
    asked: bool,
    /// The question whether to forget is on the screen.
    pub confirm: bool,
    /// The blind test that is under way.
    pub blind: Option<Blind>,
}

impl Default for TasteView {
    fn default() -> Self {
        Self {
            summary: None,
            proofs: Proofs::default(),
            whys: HashMap::new(),
            why_asked: HashSet::new(),
            stale: true,
            asked: false,
            confirm: false,
            blind: None,
        }
    }
}

impl TasteView {
    /// A choice was made or taken back.
    pub fn changed(&mut self) {
        self.stale = true;
    }

    /// The worker could not answer something; it may have been this.
    pub fn unanswered(&mut self) {
        self.asked = false;
    }

    /// The answer is there.
    pub fn told(&mut self, summary: Arc<Summary>, proofs: Proofs) {
        (self.summary, self.proofs, self.asked) = (Some(summary), proofs, false);
        self.why_asked.clear();
    }

    /// Why a picture is liked. What taste changed in it is told only once.
    pub fn told_why(&mut self, id: PictureId, why: Arc<Why>) {
        let why = match self.whys.get(&id) {
            Some(old) if why.changed.is_empty() && !old.changed.is_empty() => {
                Arc::new(Why { changed: old.changed.clone(), ..(*why).clone() })
            }
            _ => why,
        };
        self.whys.insert(id, why);
        self.why_asked.insert(id);
    }

    /// Everything was forgotten.
    pub fn forgotten(&mut self) {
        self.whys.clear();
        (self.proofs, self.stale) = (Proofs::default(), true);
    }

    /// Choices that were learnt from.
    pub fn choices(&self) -> usize {
        self.summary.as_ref().map_or(0, |s| s.choices)
    }

    /// How it stands with the evidence, in a line, and whether that speaks for taste.
    pub fn standing(&self) -> (String, bool) {
        let Some(summary) = &self.summary else { return ("Reading your ratings…".into(), false) };
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        match (self.proofs.taste.verdict, self.proofs.taste.wins, &summary.accuracy) {
            _ if summary.choices == 0 => ("Nothing learnt yet: rate a few pictures.".into(), false),
            (Verdict::Gain, Some(wins), _) => (format!("Proven: wins {} of blind pairs.", percent(wins.share)), true),
            (Verdict::Loss, Some(wins), _) => (format!("Wins only {}: better off.", percent(wins.share)), false),
            (_, _, Some(accuracy)) if summary.evidence => {
                (format!("Predicts {} of your choices; gain unproven.", percent(accuracy.share)), true)
            }
            (_, _, Some(_)) => ("No evidence of a gain yet.".into(), false),
            (_, _, None) => {
                (format!("Not enough evidence yet: {} wanted.", widgets::count(summary.wanting(), "choice")), false)
            }
        }
    }
}

impl App {
    /// Asks what was learnt, when something has changed.
    pub(super) fn tend_taste(&mut self) {
        if self.taste.stale && !self.taste.asked {
            (self.taste.stale, self.taste.asked) = (false, true);
            self.link.send(Request::Taste);
        }
    }

    /// Asks why a picture is liked, once for each taste, where there is one.
    pub(super) fn ask_why(&mut self, id: PictureId) {
        if id >= 0 && self.taste.choices() > 0 && self.taste.why_asked.insert(id) {
            self.link.send(Request::Why { id });
        }
    }

    /// The wall that taste is to bend.
    pub(super) fn wish(&self, recipe: Recipe) -> Wish {
        let form = &self.settings.form;
        let locked = form.seed_mode == SeedMode::Locked;
        Wish { recipe, count: form.pictures(), explore: self.settings.explore, looks: LOOKS, locked }
    }

    /// The switch, how far to look around, and how it stands; in the panel's foot.
    pub(super) fn taste_row_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.add_sized(vec2(56.0, 26.0), left_label("Taste"));
            let help = "Bends the next pictures towards what your stars, hearts, rejects and comparisons show";
            widgets::switch(ui, &mut self.settings.taste, "Follow my taste").on_hover_text(help);
            ui.add_space(8.0);
            let on = self.settings.taste;
            ui.add_enabled_ui(on, |ui| {
                let ink = if on { theme::TEXT } else { theme::MUTED };
                ui.label(RichText::new("Sure").size(12.5).color(ink));
                ui.spacing_mut().slider_width = (ui.available_width() - 64.0).max(40.0);
                let slider = Slider::new(&mut self.settings.explore, 0.0..=1.0).show_value(false).trailing_fill(false);
                let help = "Left: what you most probably like. Right: tries more, and learns more.";
                ui.add(slider).accessible_name("Explore").on_hover_text(help).on_disabled_hover_text(help);
                ui.label(RichText::new("Curious").size(12.5).color(ink));
            });
        });
        ui.add_space(-8.0);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.set_height(20.0);
            let (text, good) = self.taste.standing();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let link = Button::new(RichText::new("More…").size(12.5).color(theme::EMBER_BRIGHT)).frame(false);
                if ui
                    .add(link)
                    .accessible_name("Your taste")
                    .on_hover_text("What Kiln has learnt, and from what")
                    .clicked()
                {
                    self.toggle_taste_page();
                }
                let ink = if good && self.settings.taste { theme::TEXT } else { theme::MUTED };
                let label = egui::Label::new(RichText::new(&text).size(12.5).color(ink)).truncate();
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(label).on_hover_text(&text));
            });
        });
    }

    /// Opens or closes the page about taste.
    pub(super) fn toggle_taste_page(&mut self) {
        self.screen = if self.screen == Screen::Taste { Screen::Wall } else { Screen::Taste };
    }

    /// Draws the page in the place of the wall.
    pub(super) fn taste_page_ui(&mut self, ui: &mut Ui) {
        if widgets::page_head(ui, "Your taste", |_| {}) {
            self.screen = Screen::Wall;
        }
        ScrollArea::vertical().id_salt("taste").auto_shrink([false, false]).show(ui, |ui| {
            ui.set_max_width((ui.available_width() - 24.0).min(680.0));
            ui.spacing_mut().item_spacing.y = 12.0;
            let summary = self.taste.summary.clone();
            let Some(summary) = summary else {
                widgets::hint(ui, "Reading your ratings…");
                return;
            };
            ui.add(egui::Label::new(RichText::new(opening(&summary)).size(15.0)).wrap());
            card(ui, "What Kiln has learnt", |ui| learnt_ui(ui, &summary));
            card(ui, "How much it is based on", |ui| evidence_ui(ui, &summary));
            card(ui, "Does it help?", |ui| self.proof_ui(ui));
            card(ui, "Go deeper", |ui| {
                text(
                    ui,
                    "Taste chooses the settings of a picture. The model itself can learn from your choices, too: that takes some \
                     minutes, and becomes an adapter.",
                );
                if wide_button(ui, "Teach the model", summary.choices > 0).clicked() {
                    self.choose_ratings();
                }
            });
            card(ui, "Forget", |ui| {
                text(
                    ui,
                    "Removes the stars, hearts and rejects of all pictures, all comparisons and blind tests, and what was \
                     learnt from them, adapters that your ratings taught included. The pictures stay.",
                );
                let any = summary.choices > 0 || self.taste.proofs.taste.wins.is_some();
                let button = wide_button(ui, "Forget my taste…", any);
                if button.on_disabled_hover_text("There is nothing to forget.").clicked() {
                    self.taste.confirm = true;
                }
            });
            ui.add_space(24.0);
        });
    }

    fn proof_ui(&mut self, ui: &mut Ui) {
        text(ui, self.taste.proofs.taste.sentence("taste"));
        if let Some(wins) = &self.taste.proofs.taste.wins {
            interval(ui, wins.share, wins.low, wins.high, self.taste.proofs.taste.verdict == Verdict::Gain);
        }
        widgets::hint(
            ui,
            "A blind test shows two pictures at a time, from the same prompt and seed, one made with your taste and one \
             without it; you choose, not knowing which is which.",
        );
        if self.taste.blind.is_some() {
            if wide_button(ui, "Go on with the blind test", true).clicked() {
                self.screen = Screen::Trial;
            }
            return;
        }
        let can = self.can_test();
        let button = wide_button(ui, "Start a blind test", can.is_ok());
        let button = if let Err(why) = can { button.on_disabled_hover_text(why) } else { button };
        if button.clicked() {
            self.start_trial();
        }
        if let Err(why) = can {
            widgets::hint(ui, why);
        }
    }

    /// Asks before everything is forgotten.
    pub(super) fn forget_ui(&mut self, ctx: &egui::Context) {
        if !self.taste.confirm {
            return;
        }
        let modal = Modal::new(Id::unique("forget")).show(ctx, |ui| {
            egui::Frame::new().inner_margin(Margin::same(14)).show(ui, |ui| self.question_ui(ui));
        });
        if modal.should_close() {
            self.taste.confirm = false;
        }
    }

    fn question_ui(&mut self, ui: &mut Ui) {
        ui.set_width(420.0);
        ui.label(RichText::new("Forget your taste?").font(theme::strong(18.0)));
        ui.add_space(8.0);
        text(
            ui,
            "All stars, hearts, rejects, comparisons and blind tests are removed from this library, and with them all that \
             was learnt. The pictures stay. This cannot be undone.",
        );
        let taught = self.taught_by_ratings();
        if !taught.is_empty() {
            let names: Vec<String> = taught.iter().map(|path| super::shelf::stem(path)).collect();
            ui.add_space(8.0);
            text(ui, format!("Your ratings also taught {}: deleted, too.", names.join(", ")));
        }
        let busy = self.teach.now.as_ref().is_some_and(|now| now.is_busy() && now.lesson.rated.is_some());
        if busy {
            ui.add_space(8.0);
            text(ui, "They are teaching right now: pause that lesson first.");
        }
        ui.add_space(16.0);
        ui.horizontal(|ui| {
            let red = RichText::new("Forget everything").color(theme::TROUBLE);
            let everything = ui.add_enabled_ui(!busy, |ui| ui.add_sized(vec2(160.0, 34.0), Button::new(red)).clicked());
            if everything.inner {
                self.taste.confirm = false;
                self.link.send(Request::Forget);
                for path in taught {
                    self.link.send(Request::Clerk(Clerical::Delete { path }));
                }
            }
            if ui.add_sized(vec2(100.0, 34.0), Button::new("Keep it")).clicked() {
                self.taste.confirm = false;
            }
        });
    }

    /// Adapters on the shelf, and lessons that can be gone on with, that learnt from the person's choices.
    fn taught_by_ratings(&self) -> Vec<PathBuf> {
        let own = |a: &&Arc<Shelved>| a.path.parent() == Some(self.shelf.folder.as_path());
        let by_choices = |a: &&Arc<Shelved>| own(a) && a.card.as_ref().is_some_and(|card| card.choices.is_some());
        let waiting =
            self.teach.waiting.iter().filter(|lesson| lesson.rated.is_some()).map(|lesson| lesson.out.clone());
        let shelved = self.shelf.adapters.iter().filter(by_choices).map(|a| a.path.clone());
        let paths: BTreeSet<PathBuf> = shelved.chain(waiting).collect();
        paths.into_iter().collect()
    }

    /// The person's choices are gone; so are the marks on the wall.
    pub(super) fn forgotten(&mut self, pictures: usize, comparisons: usize) {
        for entry in self.gallery.entries.values_mut() {
            (entry.rating, entry.favourite, entry.rejected) = (0, false, false);
        }
        // Its pairs are forgotten, too.
        self.leave_trial();
        self.taste.forgotten();
        self.asked = None;
        self.toasts.notice(format!(
            "Forgotten: the stars and marks of {}, and {}.",
            widgets::count(pictures, "picture"),
            widgets::count(comparisons, "comparison")
        ));
    }
}

/// What stands at the head of the page.
fn opening(summary: &Summary) -> String {
    if summary.choices == 0 {
        return "Nothing learnt yet. Give stars or a heart, reject a picture, or say which of two is better: a dozen choices \
                already bend the next wall."
            .into();
    }
    let list = |sure: bool| {
        let told = summary.learnt.iter().filter(|l| l.is_sure() == sure).take(4);
        told.map(|l| l.words.clone()).collect::<Vec<_>>().join(", ")
    };
    let mut said = match (list(true), list(false)) {
        (sure, tends) if sure.is_empty() && tends.is_empty() => "Nothing but guesses yet.".to_string(),
        (sure, tends) if tends.is_empty() => format!("You seem to like: {sure}."),
        (sure, tends) if sure.is_empty() => format!("You tend towards: {tends}."),
        (sure, tends) => format!("You seem to like: {sure}; and tend towards {tends}."),
    };
    if !summary.unsure.is_empty() {
        said += &format!(" Kiln is unsure about {}.", summary.unsure.join(", "));
    }
    said
}

fn learnt_ui(ui: &mut Ui, summary: &Summary) {
    if summary.learnt.is_empty() {
        return text(ui, "Not enough evidence yet for anything to be said.");
    }
    let strongest = summary.learnt.iter().map(|l| l.weight.abs()).fold(1e-9, f64::max);
    ui.spacing_mut().item_spacing.y = 2.0;
    for learnt in summary.learnt.iter().take(MOST) {
        learnt_row(ui, learnt, (learnt.weight.abs() / strongest) as f32);
    }
    if !summary.evidence {
        ui.add_space(4.0);
        widgets::hint(ui, "All of this may still be chance: your own choices are not predicted by it yet.");
    }
}

fn learnt_row(ui: &mut Ui, learnt: &Learnt, share: f32) {
    ui.horizontal(|ui| {
        ui.set_height(24.0);
        let words = egui::Label::new(RichText::new(&learnt.words).size(13.5)).truncate();
        ui.allocate_ui_with_layout(vec2(150.0, 22.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(vec2(150.0, 22.0));
            ui.add(words);
        });
        let (rect, _) = ui.allocate_exact_size(vec2(180.0, 6.0), egui::Sense::hover());
        ui.painter().rect_filled(rect, 3, theme::SUNKEN);
        let done = Rect::from_min_size(rect.min, vec2(rect.width() * share, rect.height()));
        let ink = if learnt.is_sure() { theme::EMBER } else { theme::EMBER.gamma_multiply(0.55) };
        ui.painter().rect_filled(done, 3, ink);
        ui.add_space(8.0);
        // Nobody is ever quite certain.
        let certainty = format!("{}, {:.0} %", learnt.sureness(), (learnt.certainty * 100.0).min(99.0));
        let help = "How probable it is that you like this rather than its opposite";
        ui.label(RichText::new(certainty).size(12.5).color(theme::MUTED)).on_hover_text(help);
    });
}

fn evidence_ui(ui: &mut Ui, summary: &Summary) {
    text(
        ui,
        format!(
            "{} (a picture with stars, a heart or a reject counts once, and so does a comparison); {} between two pictures \
             follow from them.",
            widgets::count(summary.choices, "choice"),
            widgets::count(summary.pairs, "preference")
        ),
    );
    match &summary.accuracy {
        None => text(
            ui,
            format!(
                "Not enough evidence yet to test the predictions: {} wanted.",
                widgets::count(summary.wanting(), "more choice")
            ),
        ),
        Some(accuracy) => {
            text(
                ui,
                format!(
                    "Of your own choices, held out and predicted from the others, {:.0} % come out right (95 % interval {:.0} to {:.0} %); a \
                     coin gets 50 %.{}",
                    accuracy.share * 100.0,
                    accuracy.low * 100.0,
                    accuracy.high * 100.0,
                    if summary.evidence { "" } else { " That is no proof yet." }
                ),
            );
            interval(ui, accuracy.share, accuracy.low, accuracy.high, summary.evidence);
        }
    }
}

/// A share with its interval over a line from 0 to 1, and a mark at chance.
fn interval(ui: &mut Ui, share: f64, low: f64, high: f64, good: bool) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width().min(420.0), 18.0), egui::Sense::hover());
    let x = |v: f64| rect.left() + rect.width() * v.clamp(0.0, 1.0) as f32;
    let line = Rect::from_center_size(rect.center(), vec2(rect.width(), 6.0));
    let painter = ui.painter();
    painter.rect_filled(line, 3, theme::SUNKEN);
    let ink = if good { theme::EMBER } else { theme::MUTED };
    let bar = Rect::from_min_max(egui::pos2(x(low), line.top()), egui::pos2(x(high), line.bottom()));
    painter.rect_filled(bar, 3, ink.gamma_multiply(0.45));
    painter.circle_filled(egui::pos2(x(share), line.center().y), 6.0, ink);
    painter.vline(x(0.5), rect.y_range(), egui::Stroke::new(1.5, Color32::from_white_alpha(120)));
}

fn wide_button(ui: &mut Ui, text: &str, enabled: bool) -> egui::Response {
    ui.add_enabled_ui(enabled, |ui| ui.add_sized(vec2(200.0, 32.0), Button::new(text))).inner
}

/// A paragraph.
pub(super) fn text(ui: &mut Ui, text: impl Into<String>) {
    ui.add(egui::Label::new(RichText::new(text).size(13.5)).wrap());
}

/// A raised part of a page, with a title.
pub(super) fn card(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) {
    egui::Frame::new().fill(theme::PANEL).corner_radius(theme::ROUND).inner_margin(Margin::same(16)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 8.0;
        ui.label(RichText::new(title).font(theme::strong(14.0)));
        add(ui);
    });
}

/// Why a picture is liked: for a tooltip, and for the large view.
pub(super) fn why_ui(ui: &mut Ui, why: &Why) {
    let [likes, dislikes] = why.sides();
    let line = |ui: &mut Ui, name: &str, words: String| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(RichText::new(name).size(12.5).color(theme::MUTED));
            ui.label(RichText::new(words).size(13.0));
        });
    };
    if likes.is_empty() && dislikes.is_empty() {
        widgets::hint(ui, "Nothing that is known of your taste speaks for or against it.");
    }
    if !likes.is_empty() {
        line(ui, "You may like", likes.join(", "));
    }
    if !dislikes.is_empty() {
        line(ui, "Less so", dislikes.join(", "));
    }
    if !why.changed.is_empty() {
        line(ui, "Taste set", why.changed.join(", "));
    }
    let chance = format!("Would win {:.0} % of choices against your average picture", why.chance * 100.0);
    widgets::hint(ui, chance);
}
