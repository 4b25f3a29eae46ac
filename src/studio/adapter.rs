//! One adapter: its place on the shelf's page, and its row in the panel at the left.

use super::icons::{self, Icon};
use super::lesson::verdict;
use super::panel::{display_name, left_label};
use super::shelf::{STRENGTHS, stem};
use super::sliders::{NUMBERS, name, number, track};
use super::{App, theme, widgets};
use crate::tuning::finetune::card::Card;
use crate::tuning::shelf::{Shelved, Word};
use crate::worker::{Clerical, Request};
use egui::{Align, Key, Layout, Margin, Rect, RichText, Sense, Slider, TextEdit, Ui, Vec2, vec2};
use std::path::Path;
use std::sync::Arc;

/// Side of the picture on the page.
const SIDE: f32 = 92.0;
/// Signs of a hash that are shown.
const HASH: usize = 12;

impl App {
    /// An adapter's card on the page.
    pub(super) fn adapter_ui(&mut self, ui: &mut Ui, adapter: &Arc<Shelved>) {
        let strength = self.strength_of(&adapter.path);
        let frame = egui::Frame::new().fill(theme::PANEL).corner_radius(theme::ROUND).inner_margin(Margin::same(14));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::hover());
                ui.painter().rect_filled(rect, theme::ROUND, theme::SUNKEN);
                match self.shelf.portrait(&adapter.path) {
                    Some(texture) => {
                        let place = super::tile::fit(texture.size_vec2(), rect);
                        super::tile::picture(ui.painter(), place, texture, if strength.is_some() { 1.0 } else { 0.75 });
                    }
                    None => {
                        let icon = Rect::from_center_size(rect.center(), Vec2::splat(28.0));
                        icons::paint(ui.painter(), icon, Icon::Flame, theme::RAISED, true);
                        let help = "It gets the first picture that is made with it alone";
                        response.on_hover_text(help);
                    }
                }
                ui.add_space(6.0);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 4.0;
                    self.adapter_head_ui(ui, adapter, strength);
                    match &adapter.trouble {
                        Some(trouble) => {
                            let text = RichText::new(trouble).size(12.5).color(theme::TROUBLE);
                            ui.add(egui::Label::new(text).wrap());
                        }
                        None => {
                            let line = widgets::hint(ui, self.about(adapter));
                            if let Some(card) = &adapter.card {
                                line.on_hover_ui(|ui| training_ui(ui, card));
                            }
                            match &adapter.word {
                                Some(word) => self.word_ui(ui, &word.text),
                                None => {
                                    self.strength_ui(ui, adapter, strength);
                                    self.blind_ui(ui, adapter);
                                }
                            }
                        }
                    }
                });
            });
            if self.shelf.open.as_ref() == Some(&adapter.path) {
                ui.add_space(8.0);
                facts_ui(ui, adapter);
            }
        });
    }

    fn adapter_head_ui(&mut self, ui: &mut Ui, adapter: &Arc<Shelved>, strength: Option<f32>) {
        ui.horizontal(|ui| {
            ui.set_height(30.0);
            if self.shelf.renaming.as_ref().is_some_and(|(path, _)| *path == adapter.path) {
                return self.rename_ui(ui);
            }
            ui.label(RichText::new(&adapter.name).font(theme::strong(15.0)));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let mut on = strength.is_some();
                let usable = adapter.trouble.is_none() || on;
                if adapter.word.is_none() {
                    ui.add_enabled_ui(usable, |ui| {
                        if widgets::switch(ui, &mut on, &format!("Use {}", adapter.name)).changed() {
                            self.switch(&adapter.path, on);
                        }
                    });
                }
                ui.add_space(6.0);
                let here = adapter.path.parent() == Some(&self.shelf.folder);
                ui.spacing_mut().item_spacing.x = 2.0;
                if here && icons::button(ui, Icon::Trash, &format!("Delete {}…", adapter.name)).clicked() {
                    self.shelf.deleting = Some(adapter.path.clone());
                }
                if adapter.trouble.is_some() {
                    return;
                }
                let ctx = ui.ctx().clone();
                if here && icons::button(ui, Icon::Export, &format!("Export {}", adapter.name)).clicked() {
                    self.ask_to_export_adapter(&ctx, adapter.path.clone());
                }
                if here && icons::button(ui, Icon::Pen, &format!("Rename {}", adapter.name)).clicked() {
                    self.shelf.renaming = Some((adapter.path.clone(), adapter.name.clone()));
                    ui.memory_mut(|m| m.request_focus(new_name()));
                }
                if !here && icons::button(ui, Icon::Copy, &format!("Copy {} to the shelf", adapter.name)).clicked() {
                    self.link.send(Request::Clerk(Clerical::Import { path: adapter.path.clone() }));
                }
                let open = self.shelf.open.as_ref() == Some(&adapter.path);
                let icon = if open { Icon::Down } else { Icon::Right };
                if icons::button(ui, icon, &format!("Training card of {}", adapter.name)).clicked() {
                    self.shelf.open = (!open).then(|| adapter.path.clone());
                }
            });
        });
    }

    fn rename_ui(&mut self, ui: &mut Ui) {
        let Some((path, mut wanted)) = self.shelf.renaming.take() else { return };
        let edit = TextEdit::singleline(&mut wanted).desired_width(240.0).margin(vec2(8.0, 5.0)).id(new_name());
        let edit = ui.add(edit).accessible_name("New name");
        let enter = edit.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let save = ui.button("Rename").clicked() || enter;
        let cancel = ui.button("Cancel").clicked();
        match () {
            () if save && wanted.trim() != stem(&path) => {
                self.link.send(Request::Clerk(Clerical::Rename { path, name: wanted }));
            }
            () if save || cancel => {}
            () => self.shelf.renaming = Some((path, wanted)),
        }
    }

    /// What an adapter is, in a line.
    fn about(&self, adapter: &Shelved) -> String {
        let word = adapter.word.as_ref();
        let deaf = word.filter(|word| self.info().is_some_and(|info| !word.fits(&info)));
        if deaf.is_some() {
            return "A word that was learnt with another family of models; the one in use cannot hear it.".into();
        }
        let Some(card) = &adapter.card else {
            if let Some(word) = word {
                return format!("A word from elsewhere: {}.", word.text);
            }
            let rank = match adapter.ranks {
                (low, high) if low == high => format!("rank {low}"),
                (low, high) => format!("rank {low} to {high}"),
            };
            return format!("From elsewhere: {rank}, {}.", widgets::count(adapter.layers, "layer"));
        };
        let base = display_name(&card.base);
        let what = word.map(|word| format!("The word {}, t", word.text)).unwrap_or("T".into());
        let mut said = format!("{what}aught to {base} from {}. ", widgets::count(card.learnt, "picture"));
        said += &match &card.evidence {
            Some(_) if card.collapsed() => "It draws the same over and over.".into(),
            Some(_) if card.no_better() => "No better by your taste.".into(),
            Some(e) if e.is_gain => format!("Held-out loss fell by {:.0} %.", e.gain * 100.0),
            Some(e) if !e.apart => "Learnt, without proof.".into(),
            Some(_) => "No evidence of a gain.".into(),
            None => "Nothing was held out to prove it.".into(),
        };
        if self.info().is_some_and(|info| info.hash != card.base_hash) {
            said += &format!(" It was made for another model or version than the one in use ({base}).");
        }
        said
    }

    /// What a learnt word has in the place of a strength.
    fn word_ui(&mut self, ui: &mut Ui, word: &str) {
        ui.horizontal(|ui| {
            let name = format!("Put {word} into the prompt");
            if ui.button("Put it into the prompt").on_hover_text(&name).clicked() {
                self.write_word(word);
            }
        });
    }

    fn strength_ui(&mut self, ui: &mut Ui, adapter: &Arc<Shelved>, strength: Option<f32>) {
        ui.horizontal(|ui| {
            ui.add_sized(vec2(64.0, 24.0), left_label("Strength"));
            let remembered = self.shelf.strengths.get(&adapter.path).copied().unwrap_or(1.0);
            let mut value = strength.unwrap_or(remembered);
            ui.spacing_mut().slider_width = (ui.available_width() - 70.0).clamp(80.0, 320.0);
            let slider = Slider::new(&mut value, STRENGTHS).clamping(egui::SliderClamping::Never).fixed_decimals(2);
            let slider = slider.trailing_fill(strength.is_some());
            if ui.add(slider).accessible_name(format!("Strength of {}", adapter.name)).changed() {
                self.set_strength(&adapter.path, value.clamp(-10.0, 10.0));
            }
        });
    }

    /// What blind tests say of an adapter, and the way to one.
    fn blind_ui(&mut self, ui: &mut Ui, adapter: &Arc<Shelved>) {
        let proof = adapter.hash.as_ref().and_then(|hash| self.taste.proofs.adapters.get(hash)).copied();
        if let Some(proof) = proof {
            widgets::hint(ui, proof.sentence("it"));
        }
        let can = self.can_test_adapter(adapter);
        ui.add_enabled_ui(can.is_ok(), |ui| {
            let text = if proof.is_some() { "Blind test again" } else { "Blind test" };
            let help = "Ten pairs of pictures, one with it and one without; you choose, not knowing which is which";
            let button = ui.button(text).accessible_name(format!("Blind test of {}", adapter.name)).on_hover_text(help);
            let button = if let Err(why) = can { button.on_disabled_hover_text(why) } else { button };
            if button.clicked() {
                self.start_adapter_trial(adapter);
            }
        });
    }

    /// The fold in the panel at the left: what is mixed in, and the ways to more.
    pub(super) fn adapters_ui(&mut self, ui: &mut Ui) {
        let on = self.settings.form.adapters.len();
        let note = if on > 0 { format!("{on} on") } else { "teach, add, mix".into() };
        widgets::fold(ui, "Adapters", &mut self.settings.adapters_open, &note);
        if !self.settings.adapters_open {
            return;
        }
        ui.spacing_mut().item_spacing.y = 4.0;
        let heard: Vec<String> = self.heard().into_iter().map(|(word, _)| word).collect();
        for adapter in self.shelf.adapters.clone() {
            if let Some(word) = &adapter.word {
                self.word_row_ui(ui, word, heard.contains(&word.text));
                continue;
            }
            self.adapter_row_ui(ui, &adapter.path, &adapter.name, adapter.trouble.as_deref());
        }
        // Those that a Recipe names without a place, and those that the clerk has not told of yet.
        let named: Vec<String> = self.settings.form.adapters.iter().map(|a| a.name.clone()).collect();
        for name in named {
            let path = Path::new(&name);
            if !self.shelf.adapters.iter().any(|a| a.path == path) {
                self.adapter_row_ui(ui, path, &stem(path), None);
            }
        }
        ui.horizontal(|ui| {
            if ui.button("Teach Kiln…").clicked() {
                self.toggle_teach_page();
            }
            if ui.button("All adapters…").clicked() {
                self.toggle_shelf_page();
            }
        });
        ui.spacing_mut().item_spacing.y = theme::STEP;
    }

    /// A learnt word: pressed, it is put into the prompt.
    fn word_row_ui(&mut self, ui: &mut Ui, word: &Word, heard: bool) {
        let fits = self.info().is_none_or(|info| word.fits(&info));
        ui.horizontal(|ui| {
            ui.set_height(28.0);
            ui.add_enabled_ui(fits, |ui| {
                let help = if heard { "Heard in this prompt" } else { "Put it into the prompt" };
                let chip = widgets::chip(ui, &word.text, heard).on_hover_text(help);
                let chip = chip.on_disabled_hover_text("It was learnt with another family of models");
                if chip.clicked() {
                    self.write_word(&word.text);
                }
            });
        });
    }

    fn adapter_row_ui(&mut self, ui: &mut Ui, path: &Path, called: &str, trouble: Option<&str>) {
        let strength = self.strength_of(path);
        ui.horizontal(|ui| {
            ui.set_height(28.0);
            ui.spacing_mut().item_spacing.x = 0.0;
            let ink = match (trouble, strength) {
                (Some(_), _) => theme::TROUBLE,
                (None, Some(_)) => theme::TEXT,
                (None, None) => theme::MUTED,
            };
            name(ui, called, ink);
            let mut on = strength.is_some();
            if let Some(mut value) = strength {
                let response = track(ui, &mut value, STRENGTHS, true, NUMBERS + 20.0);
                if response.accessible_name(format!("Mix of {called}")).changed() {
                    self.set_strength(path, value);
                }
                number(ui, &format!("{value:.2}"), ink);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add_enabled_ui(trouble.is_none() || on, |ui| {
                    let switch = widgets::switch(ui, &mut on, &format!("Mix in {called}"));
                    if switch.changed() {
                        self.switch(path, on);
                    }
                });
            });
        });
        if let Some(trouble) = trouble.filter(|_| strength.is_some()) {
            ui.add(egui::Label::new(RichText::new(trouble).size(12.0).color(theme::TROUBLE)).wrap());
        }
    }
}

/// The field for a new name.
fn new_name() -> egui::Id {
    egui::Id::unique("new name")
}

/// What a card says, for a tooltip.
fn training_ui(ui: &mut Ui, card: &Card) {
    let (title, said, _) = verdict(card);
    ui.label(RichText::new(title).font(theme::strong(13.0)));
    ui.label(said);
}

/// All that is known of an adapter.
fn facts_ui(ui: &mut Ui, adapter: &Shelved) {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let Some(card) = &adapter.card {
        let settings = &card.settings;
        facts.push(("Evidence", verdict(card).1));
        facts.push(("Pictures", format!("{} learnt from, {} held out", card.learnt, card.held_out)));
        let captions: Vec<String> = card.captions.iter().take(4).map(|(words, n)| format!("{words} ({n})")).collect();
        facts.push(("Captions", captions.join("; ")));
        let (loss, optimizer) = (words_of(&settings.loss), words_of(&settings.optimizer));
        let size = if adapter.word.is_some() { "one vector".into() } else { format!("rank {}", settings.rank) };
        facts.push((
            "Training",
            format!(
                "step {} of {}, {size}, batch {}, {loss} loss, {optimizer}, learning rate {}, seed {}",
                card.step,
                settings.steps,
                settings.batch * settings.accumulate,
                settings.learning_rate,
                settings.seed
            ),
        ));
        facts.push(("Data", format!("SHA-256 {}…", card.data_hash.chars().take(HASH).collect::<String>())));
        let hash: String = card.base_hash.chars().take(HASH).collect();
        facts.push(("Model", format!("{}, SHA-256 {hash}…, by Kiln {}", display_name(&card.base), card.kiln)));
    } else {
        facts.push(("Training", "The file does not say how it was trained.".into()));
    }
    let megabytes = adapter.bytes as f64 / 1e6;
    facts.push(("File", format!("{} ({megabytes:.1} MB)", adapter.path.display())));
    for (name, said) in facts {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add_sized(vec2(80.0, 18.0), left_label(name));
            ui.add(egui::Label::new(RichText::new(said).size(12.5)).wrap());
        });
    }
}

/// A setting as its file spells it.
fn words_of(setting: &impl serde::Serialize) -> String {
    serde_json::to_value(setting).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
}
