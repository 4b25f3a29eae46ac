//! Short messages over the window: errors stay until they are dismissed.

use super::icons::{self, Icon};
use super::{App, theme};
use crate::library::PictureId;
use crate::worker::Request;
use egui::{Align2, Area, Color32, Frame, Id, Margin, Order, RichText, Stroke, vec2};
use std::path::PathBuf;

/// Seconds that a notice stays.
const STAY: f64 = 7.0;
/// Most messages at a time; the oldest notices go first.
const MOST: usize = 5;

/// What a message offers to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// Take pictures back from the trash.
    Restore(Vec<PictureId>),
    /// Start from this picture.
    Start(PathBuf),
    /// Go back to the mask.
    Mask,
}

impl Offer {
    fn text(&self) -> &'static str {
        match self {
            Self::Restore(_) => "Restore",
            Self::Start(_) => "Start from it",
            Self::Mask => "Back to it",
        }
    }
}

struct Toast {
    number: u64,
    text: String,
    error: bool,
    offer: Option<Offer>,
    /// When it was first shown.
    shown: Option<f64>,
}

/// The messages that are to be read.
#[derive(Default)]
pub struct Toasts {
    list: Vec<Toast>,
    last: u64,
}

impl Toasts {
    fn push(&mut self, text: String, error: bool, offer: Option<Offer>) {
        self.list.retain(|t| t.text != text);
        self.last += 1;
        self.list.push(Toast { number: self.last, text, error, offer, shown: None });
        if self.list.len() > MOST {
            let first = self.list.iter().position(|t| !t.error).unwrap_or(0);
            self.list.remove(first);
        }
    }

    /// Something to know.
    pub fn notice(&mut self, text: impl Into<String>) {
        self.push(text.into(), false, None);
    }

    /// Something to know, with something to do about it.
    pub fn offer(&mut self, text: impl Into<String>, offer: Offer) {
        self.push(text.into(), false, Some(offer));
    }

    /// Something that went wrong.
    pub fn error(&mut self, text: impl Into<String>) {
        self.push(text.into(), true, None);
    }

    /// Dismisses the last error; returns whether there was one.
    pub fn dismiss(&mut self) -> bool {
        let last = self.list.iter().rposition(|t| t.error);
        last.map(|i| self.list.remove(i)).is_some()
    }
}

impl App {
    /// Draws the messages at the bottom right.
    pub(super) fn toasts_ui(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|i| i.time);
        for toast in &mut self.toasts.list {
            toast.shown.get_or_insert(now);
        }
        self.toasts.list.retain(|t| t.error || t.shown.is_none_or(|shown| now - shown < STAY));
        if self.toasts.list.is_empty() {
            return;
        }
        let next = self.toasts.list.iter().filter(|t| !t.error).filter_map(|t| Some(STAY - (now - t.shown?)));
        if let Some(next) = next.reduce(f64::min) {
            ctx.request_repaint_after_secs(next as f32 + 0.05);
        }
        let (mut gone, mut accepted) = (None, None);
        let area = Area::new(Id::unique("messages")).order(Order::Foreground).accessible_name("Messages");
        area.anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -64.0)).show(ctx, |ui| {
            ui.set_width(360.0);
            ui.spacing_mut().item_spacing.y = 8.0;
            for toast in &self.toasts.list {
                let edge = if toast.error { theme::TROUBLE } else { theme::LINE };
                let frame = Frame::new().fill(theme::RAISED).stroke(Stroke::new(1.0, edge)).corner_radius(theme::ROUND);
                let shadow =
                    egui::Shadow { offset: [0, 4], blur: 16, spread: 0, color: Color32::from_black_alpha(110) };
                let frame = frame.shadow(shadow).inner_margin(Margin::symmetric(14, 10));
                // An older message may go between press and release.
                let own = egui::UiBuilder::new().scope_id(Id::unique(("message", toast.number)));
                ui.scope_builder(own, |ui| {
                    frame.show(ui, |ui| {
                        ui.horizontal_top(|ui| {
                            let offer = toast.offer.as_ref();
                            let room = if offer.is_some() { 124.0 } else { 40.0 };
                            let ink = if toast.error { theme::TROUBLE } else { theme::TEXT };
                            ui.vertical(|ui| {
                                ui.set_width(332.0 - room);
                                ui.add_space(4.0);
                                ui.add(egui::Label::new(RichText::new(&toast.text).color(ink)).wrap());
                                ui.add_space(4.0);
                            });
                            if let Some(offer) = offer
                                && ui.button(RichText::new(offer.text()).color(theme::EMBER_BRIGHT)).clicked()
                            {
                                accepted = Some((toast.number, offer.clone()));
                            }
                            if icons::button(ui, Icon::Close, "Dismiss").clicked() {
                                gone = Some(toast.number);
                            }
                        });
                    })
                });
            }
        });
        if let Some((number, offer)) = accepted {
            gone = Some(number);
            match offer {
                Offer::Restore(ids) => ids.into_iter().for_each(|id| self.link.send(Request::Restore { id })),
                Offer::Start(path) => self.link.send(Request::Start { path }),
                Offer::Mask => self.return_to_canvas(),
            }
        }
        if let Some(number) = gone {
            self.toasts.list.retain(|t| t.number != number);
        }
    }
}
