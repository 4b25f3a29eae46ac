//! The words: prompt, negative prompt, what the model does not know, what was written before.

use super::form::{MAX_COUNT, SeedMode, usable_styles};
use super::icons::{self, Icon};
use super::panel::left_label;
use super::words::{self, REST};
use super::{App, theme, widgets};
use crate::pipeline::prompt::combinations;
use crate::pipeline::styles::Style;
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, ComboBox, FontId, Layout, Margin, RichText, Stroke, TextBuffer, TextEdit, Ui, vec2};
use std::ops::Range;
use std::path::{Path, PathBuf};

impl App {
    /// Draws the field for the words and what belongs to it.
    pub(super) fn prompt_ui(&mut self, ui: &mut Ui) {
        let info = self.info();
        let now = ui.ctx().input(|i| i.time);
        let label = ui.horizontal(|ui| {
            let label = widgets::title(ui, "Prompt");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                if icons::button(ui, Icon::Dice, "Surprise me").clicked() {
                    self.settings.form.prompt = words::surprise(info.as_deref());
                }
                self.history_menu(ui);
            });
            label
        });
        let before = self.spelling.edited;
        if let Some(info) = &info {
            self.tend_words(info);
        }
        let heard = self.heard();
        let learnt = heard.iter().map(|(word, _)| word.clone()).collect();
        self.spelling.check(&self.settings.form.prompt, info.as_deref(), learnt, now);
        let unknown = self.spelling.unknown(now);
        if self.spelling.edited != before || now - self.spelling.edited < REST {
            ui.ctx().request_repaint_after_secs((REST - (now - self.spelling.edited)) as f32 + 0.05);
        }
        let marked: Vec<Range<usize>> = unknown.iter().map(|w| w.range.clone()).collect();
        let mut layouter = |ui: &Ui, text: &dyn TextBuffer, width: f32| {
            ui.painter().layout_job(underline(text.as_str(), &marked, width))
        };
        let edit = TextEdit::multiline(&mut self.settings.form.prompt)
            .id(egui::Id::unique("prompt"))
            .hint_text("What should the picture show?")
            .desired_rows(3)
            .desired_width(f32::INFINITY)
            .char_limit(crate::recipe::MAX_PROMPT)
            .margin(Margin::symmetric(12, 10))
            .layouter(&mut layouter);
        let response = ui.add(edit).labelled_by(label.inner.id);
        if std::mem::take(&mut self.focus_prompt) {
            response.request_focus();
        }
        let mut replace = None;
        for word in unknown.iter().take(3) {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let shown: String = word.word.chars().take(24).collect();
                let text = if word.nearest.is_empty() {
                    format!("“{shown}” is not a word that this model knows.")
                } else {
                    format!("“{shown}” is unknown. Try")
                };
                ui.label(RichText::new(text).size(12.5).color(theme::EMBER_BRIGHT));
                for nearest in &word.nearest {
                    if widgets::chip(ui, nearest, false).on_hover_text(format!("Write {nearest} instead")).clicked() {
                        replace = Some((word.range.clone(), nearest.clone()));
                    }
                }
            });
        }
        if let Some((range, nearest)) = replace
            && self.settings.form.prompt.get(range.clone()).is_some()
        {
            self.settings.form.prompt.replace_range(range, &nearest);
        }
        self.heard_ui(ui, &heard);
        self.combinations_ui(ui);
        self.style_ui(ui);
        let note = if self.settings.form.negative.trim().is_empty() { "" } else { "in use" };
        widgets::fold(ui, "Keep away from", &mut self.settings.folds[0], note);
        if self.settings.folds[0] {
            let edit = TextEdit::multiline(&mut self.settings.form.negative)
                .id(egui::Id::unique("negative"))
                .hint_text("What should it not show?")
                .desired_rows(2)
                .desired_width(f32::INFINITY)
                .char_limit(crate::recipe::MAX_PROMPT)
                .margin(Margin::symmetric(12, 8));
            ui.add(edit).accessible_name("Negative prompt");
        }
    }

    /// Says which learnt words are heard; one that came with a Recipe from elsewhere can be left out.
    fn heard_ui(&mut self, ui: &mut Ui, heard: &[(String, PathBuf)]) {
        for (word, path) in heard {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let trouble = self.shelf.adapters.iter().find(|a| a.path == *path).and_then(|a| a.trouble.clone());
                let (said, ink) = match trouble {
                    Some(trouble) => (trouble, theme::TROUBLE),
                    None => (format!("{word} is a word that was learnt."), theme::MUTED),
                };
                ui.label(RichText::new(said).size(12.5).color(ink)).on_hover_text(path.display().to_string());
                let elsewhere = path.parent() != Some(&self.shelf.folder);
                let name = format!("Leave out {word}");
                if elsewhere && icons::tinted(ui, Icon::Close, &name, 22.0, None, false).clicked() {
                    self.settings.form.embeddings.retain(|w| Path::new(&w.name) != path);
                }
            });
        }
    }

    /// Says in how many ways the prompt's `{a|b}` can be chosen, and offers to draw each of them.
    fn combinations_ui(&mut self, ui: &mut Ui) {
        let form = &mut self.settings.form;
        let all = combinations(&form.prompt);
        if all < 2 {
            return;
        }
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            let said = match form.seed_mode {
                SeedMode::Locked => format!("One of {all} combinations: the locked seed chooses."),
                _ => format!("{all} combinations, one a picture."),
            };
            ui.label(RichText::new(said).size(12.5).color(theme::MUTED));
            let count = u32::try_from(all).ok().filter(|all| *all <= MAX_COUNT && form.seed_mode != SeedMode::Locked);
            if let Some(count) = count.filter(|count| *count != form.count)
                && widgets::chip(ui, &format!("Draw all {count}"), false)
                    .on_hover_text("Sets the number of pictures, so that every combination is drawn once")
                    .clicked()
            {
                form.count = count;
            }
        });
    }

    /// Draws the menu of styles, where there are any whose words the model knows.
    fn style_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else { return };
        let usable: Vec<_> = usable_styles(&info).collect();
        if usable.is_empty() {
            return;
        }
        let chosen = self.settings.form.style(&info);
        ui.horizontal(|ui| {
            ui.add_sized(vec2(56.0, 26.0), left_label("Style"));
            let text = RichText::new(chosen.map_or("None", |s| &s.name)).size(13.0);
            let menu = ComboBox::from_id_salt("style").width(ui.available_width() - 8.0).selected_text(text);
            let style = &mut self.settings.form.style;
            let menu = menu.show_ui(ui, |ui| {
                if ui.selectable_label(chosen.is_none(), "None").clicked() {
                    *style = None;
                }
                for one in usable {
                    let label = ui.selectable_label(chosen == Some(one), &one.name);
                    if label.on_hover_text(in_words(one)).clicked() {
                        *style = Some(one.name.clone());
                    }
                }
            });
            let help = chosen.map_or_else(|| "Puts words of its own round yours".into(), in_words);
            menu.response.accessible_name("Style").on_hover_text(help);
        });
    }

    fn history_menu(&mut self, ui: &mut Ui) {
        let response = icons::button(ui, Icon::Clock, "Earlier prompts");
        let mut chosen = None;
        egui::Popup::menu(&response).show(|ui| {
            ui.set_width(320.0);
            if self.settings.history.is_empty() {
                widgets::hint(ui, "The prompts of your pictures are listed here.");
            }
            egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                for prompt in &self.settings.history {
                    let button = egui::Button::new(prompt.as_str()).truncate().frame_when_inactive(false);
                    if ui.add(button.min_size(egui::vec2(300.0, 28.0))).on_hover_text(prompt).clicked() {
                        chosen = Some(prompt.clone());
                    }
                }
            });
        });
        if let Some(prompt) = chosen {
            self.settings.form.prompt = prompt;
        }
    }
}

/// What a style adds.
fn in_words(style: &Style) -> String {
    let added = style.prompt.replace("{prompt}", "…");
    if style.negative.is_empty() { added } else { format!("{added}; keeps away from {}", style.negative) }
}

/// The prompt with a line under each unknown word.
fn underline(text: &str, marked: &[Range<usize>], width: f32) -> LayoutJob {
    let plain = TextFormat::simple(FontId::proportional(15.0), theme::TEXT);
    let unknown = TextFormat { underline: Stroke::new(1.5, theme::EMBER), ..plain.clone() };
    let mut job = LayoutJob::default();
    job.wrap.max_width = width;
    let mut from = 0;
    for range in marked {
        // The field may have changed since the words were looked up.
        let (Some(before), Some(word)) = (text.get(from..range.start), text.get(range.clone())) else { continue };
        job.append(before, 0.0, plain.clone());
        job.append(word, 0.0, unknown.clone());
        from = range.end;
    }
    job.append(text.get(from..).unwrap_or_default(), 0.0, plain);
    job
}
