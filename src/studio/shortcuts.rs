//! Keys, and the page that shows them.

use super::app::Screen;
use super::icons::{self, Icon};
use super::{App, theme};
use crate::worker::Choice;
use egui::{Align, Align2, Area, Context, Id, Key, Layout, Modal, Modifiers, Order, RichText, Sense, vec2};

const NONE: Modifiers = Modifiers::NONE;

impl App {
    /// Does what the keys ask for, before any control sees them.
    pub(super) fn keys(&mut self, ctx: &Context) {
        let pressed = |modifiers: Modifiers, key: Key| ctx.input_mut(|i| i.consume_key(modifiers, key));
        if egui::Popup::is_any_open(ctx) {
            return;
        }
        if pressed(NONE, Key::F1) {
            self.help = !self.help;
        }
        if self.help {
            if pressed(NONE, Key::Escape) {
                self.help = false;
            }
            return;
        }
        if self.taste.confirm {
            if pressed(NONE, Key::Escape) {
                self.taste.confirm = false;
            }
            return;
        }
        if self.shelf.deleting.is_some() {
            if pressed(NONE, Key::Escape) {
                self.shelf.deleting = None;
            }
            return;
        }
        if self.screen == Screen::Mask {
            return self.canvas_keys(ctx);
        }
        if self.screen != Screen::Trial && pressed(Modifiers::COMMAND, Key::Enter) {
            self.screen = Screen::Wall;
            self.generate();
        }
        if pressed(Modifiers::COMMAND, Key::S) {
            let ids = self.targets();
            if ids.is_empty() {
                self.toasts.notice("Select a picture first, then Ctrl+S exports it.");
            } else {
                self.export(ctx, ids, self.last_format());
            }
        }
        if pressed(NONE, Key::Escape) {
            self.escape(ctx);
        }
        if ctx.text_edit_focused() {
            return;
        }
        if ctx
            .input_mut(|i| i.consume_key(Modifiers::SHIFT, Key::Questionmark) || i.consume_key(NONE, Key::Questionmark))
        {
            self.help = true;
        }
        if let Screen::Compare { .. } = self.screen {
            if pressed(NONE, Key::ArrowLeft) {
                self.judge(true);
            } else if pressed(NONE, Key::ArrowRight) {
                self.judge(false);
            }
            return;
        }
        if self.screen == Screen::Trial {
            let keys =
                [(Key::ArrowLeft, Choice::Left), (Key::ArrowRight, Choice::Right), (Key::ArrowDown, Choice::Neither)];
            for (key, choice) in keys {
                if pressed(NONE, key) {
                    self.answer(choice);
                }
            }
            return;
        }
        if (self.screen == Screen::Wall || self.screen.is_page()) && pressed(NONE, Key::T) {
            self.toggle_taste_page();
        }
        if self.screen.is_page() {
            return;
        }
        self.picture_keys(ctx, &pressed);
    }

    fn escape(&mut self, ctx: &Context) {
        match self.screen {
            Screen::View(_) => self.close_view(),
            Screen::Compare { .. } | Screen::Taste | Screen::Teach | Screen::Shelf => self.screen = Screen::Wall,
            Screen::Trial => self.leave_trial(),
            Screen::Mask => self.leave_canvas(),
            Screen::Wall => {
                if self.cancel() {
                    return;
                }
                if !self.selected.is_empty() {
                    self.selected.clear();
                } else if !self.toasts.dismiss()
                    && let Some(id) = ctx.memory(|m| m.focused())
                {
                    ctx.memory_mut(|m| m.surrender_focus(id));
                }
            }
        }
    }

    fn picture_keys(&mut self, ctx: &Context, pressed: &dyn Fn(Modifiers, Key) -> bool) {
        let ids = self.targets();
        if !ids.is_empty() {
            let digits = [Key::Num0, Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
            for (stars, key) in digits.into_iter().enumerate() {
                if pressed(NONE, key) {
                    self.rate(ids.clone(), stars as u8);
                }
            }
            if pressed(NONE, Key::F) {
                self.toggle_favourite(ids.clone());
            }
            if pressed(NONE, Key::X) {
                self.toggle_reject(ids.clone());
            }
            if pressed(NONE, Key::C) {
                return self.compare(ids);
            }
            if pressed(NONE, Key::Delete) {
                return self.trash(ids);
            }
        }
        // Another control that has the keyboard keeps Enter, Space and the arrows.
        let focused = ctx.memory(|m| m.focused());
        let viewing = matches!(self.screen, Screen::View(_));
        if !viewing && focused.is_some_and(|id| !self.tile_ids.contains(&id)) {
            return;
        }
        if pressed(Modifiers::COMMAND, Key::A) {
            self.selected = self.pictures().into_iter().collect();
        }
        if pressed(NONE, Key::Enter) || pressed(NONE, Key::Space) {
            match (viewing, self.current) {
                (true, _) => return self.close_view(),
                (false, Some(id)) if self.pictures().contains(&id) => self.screen = Screen::View(id),
                _ => {}
            }
        }
        let row = if viewing { 1 } else { self.columns as isize };
        let keys = [(Key::ArrowLeft, -1), (Key::ArrowRight, 1), (Key::ArrowUp, -row), (Key::ArrowDown, row)];
        for (key, step) in keys {
            if pressed(NONE, key) {
                self.step(step, false);
            } else if pressed(Modifiers::SHIFT, key) {
                self.step(step, true);
            }
        }
    }

    /// Goes to another picture; `extend` selects what lies between.
    fn step(&mut self, step: isize, extend: bool) {
        let pictures = self.pictures();
        let at = |id| pictures.iter().position(|p| *p == id);
        let current = if let Screen::View(id) = self.screen { Some(id) } else { self.current };
        let to = match current.and_then(at) {
            Some(at) => at.checked_add_signed(step).filter(|i| *i < pictures.len()).unwrap_or(at),
            None => 0,
        };
        let Some(id) = pictures.get(to).copied() else { return };
        if let Screen::View(_) = self.screen {
            self.screen = Screen::View(id);
        } else if extend {
            let from = self.anchor.and_then(at).or_else(|| current.and_then(at)).unwrap_or(to);
            self.selected = pictures[from.min(to)..=from.max(to)].iter().copied().collect();
        } else {
            self.anchor = Some(id);
            self.selected.clear();
        }
        (self.current, self.reveal) = (Some(id), true);
    }

    /// Draws the page of keys, if it is open.
    pub(super) fn help_ui(&mut self, ctx: &Context) {
        if !self.help {
            return;
        }
        let command = ctx.format_modifiers(Modifiers::COMMAND);
        let modal = Modal::new(Id::unique("help")).show(ctx, |ui| {
            ui.set_width(620.0);
            ui.horizontal(|ui| {
                ui.label(RichText::new("Keyboard shortcuts").font(theme::strong(20.0)));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if icons::button(ui, Icon::Close, "Close").clicked() {
                        self.help = false;
                    }
                });
            });
            ui.add_space(12.0);
            ui.columns(2, |columns| {
                for (column, list) in columns.iter_mut().zip(PAGES) {
                    for (keys, text) in list {
                        let keys = keys.replace("Ctrl", &command);
                        column.horizontal(|ui| {
                            ui.set_height(24.0);
                            let (rect, _) = ui.allocate_exact_size(vec2(104.0, 24.0), Sense::hover());
                            let font = egui::FontId::proportional(13.0);
                            ui.painter().text(rect.left_center(), Align2::LEFT_CENTER, keys, font, theme::EMBER_BRIGHT);
                            ui.label(RichText::new(*text).size(13.5));
                        });
                    }
                }
            });
        });
        if modal.should_close() {
            self.help = false;
        }
    }
}

const PAGES: [&[(&str, &str)]; 2] = [
    &[
        ("Ctrl+Enter", "Generate"),
        ("Esc", "Cancel, close, clear the selection"),
        ("Arrows", "Go from picture to picture"),
        ("Shift+Arrows", "Select several"),
        ("Ctrl+Click", "Add to the selection"),
        ("Ctrl+A", "Select all"),
        ("Enter, Space", "Open the large view"),
        ("T", "What Kiln has learnt of your taste"),
        ("F1, ?", "This page"),
    ],
    &[
        ("1 to 5", "Give stars"),
        ("0", "Take the stars away"),
        ("F", "Favourite"),
        ("X", "Reject"),
        ("C", "Compare"),
        ("Left, Right", "In a comparison: which is better"),
        ("Down", "In a blind test: no difference"),
        ("[, ]", "In the mask canvas: brush size"),
        ("Ctrl+S", "Export"),
        ("Delete", "Move to trash"),
        ("{fox|owl}", "In the prompt: each picture takes another"),
        ("(gold:1.3)", "In the prompt: words that weigh more"),
    ],
];

/// Says what happens to files that are held over the window.
pub fn drop_hint(ctx: &Context, text: &str) {
    let room = ctx.content_rect();
    Area::new(Id::unique("drop")).order(Order::Foreground).fixed_pos(room.min).interactable(false).show(ctx, |ui| {
        let painter = ui.painter();
        painter.rect_filled(room, 0, egui::Color32::from_black_alpha(170));
        let edge = egui::Stroke::new(2.0, theme::EMBER);
        painter.rect_stroke(room.shrink(24.0), theme::ROUND + 6, edge, egui::StrokeKind::Inside);
        painter.text(room.center(), Align2::CENTER_CENTER, text, theme::strong(24.0), theme::TEXT);
    });
}
