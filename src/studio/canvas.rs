//! The mask canvas: painting over a source picture where it may change.

use super::app::Screen;
use super::mask::{Area, Mask};
use super::textures::upload;
use super::toasts::Offer;
use super::{App, theme, tile, widgets};
use crate::worker::{Request, StartLook};
use egui::accesskit::Role;
use egui::{
    Button, CentralPanel, Color32, ColorImage, Context, CursorIcon, Event, Frame, Key, Margin, Modifiers, Panel,
    PointerButton, Pos2, Rect, Sense, Slider, Stroke, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use std::path::PathBuf;

/// Longest side of the picture and of the mask on the canvas, pixels.
pub const SIDE: u32 = 1536;
/// Strongest magnification.
const ZOOM: f32 = 16.0;
/// How much a key changes the brush.
const GROWTH: f32 = 1.25;
/// How much of the tint covers the picture.
const TINT: f32 = 0.58;

/// What is painted on.
pub(super) struct Canvas {
    pub source: PathBuf,
    pub old: Option<PathBuf>,
    /// Absent until the picture has been read.
    board: Option<Board>,
    erase: bool,
    zoom: f32,
    pan: Vec2,
}

struct Board {
    picture: Option<TextureHandle>,
    tint: TextureHandle,
    mask: Mask,
    /// Diameter of the brush in pixels of the mask.
    brush: f32,
    /// Where the last stroke is or ended, in pixels of the mask.
    last: Option<[f32; 2]>,
    /// Whether a stroke is under way, and whether it erases.
    stroke: Option<bool>,
}

/// What a button or a key of the canvas asks for.
#[derive(Clone, Copy, PartialEq)]
enum Deed {
    Done,
    Cancel,
    Undo,
    Redo,
    Invert,
    Clear,
}

impl Canvas {
    fn new(source: PathBuf, old: Option<PathBuf>) -> Self {
        Self { source, old, board: None, erase: false, zoom: 1.0, pan: Vec2::ZERO }
    }

    /// The picture has been read.
    pub fn arrived(&mut self, ctx: &Context, look: &StartLook) {
        let (width, height) = (look.image.width as usize, look.image.height as usize);
        let mask = Mask::new(width, height, look.mask.clone());
        let picture = upload(ctx, "canvas".into(), look.image.width, look.image.height, &look.image.rgb);
        let tint = ctx.load_texture("mask", tinted([width, height], mask.greys()), TextureOptions::LINEAR);
        let brush = (width.max(height) as f32 / 9.0).round().max(2.0);
        self.board = Some(Board { picture, tint, mask, brush, last: None, stroke: None });
    }
}

/// The tint over what may change.
pub fn tinted(size: [usize; 2], greys: &[u8]) -> ColorImage {
    let colours: Vec<Color32> =
        (0..=255).map(|grey: u8| theme::EMBER.gamma_multiply(TINT * f32::from(grey) / 255.0)).collect();
    ColorImage::new(size, greys.iter().map(|grey| colours[usize::from(*grey)]).collect())
}

impl Board {
    /// Brings what was painted to the graphics card.
    fn show_changes(&mut self) {
        if let Some((Area { left, top, right, bottom }, greys)) = self.mask.take_dirty() {
            self.tint.set_partial([left, top], tinted([right - left, bottom - top], &greys), TextureOptions::LINEAR);
        }
    }

    /// Follows the pointer. `on_mask` says where a point of the window is on the mask, `inside` whether one may begin there.
    fn follow(
        &mut self,
        events: &[Event],
        erase: bool,
        on_mask: impl Fn(Pos2) -> [f32; 2],
        inside: impl Fn(Pos2) -> bool,
    ) {
        let radius = self.brush / 2.0;
        for event in events {
            match event {
                Event::PointerButton { pos, button, pressed: true, modifiers }
                    if self.stroke.is_none() && *button != PointerButton::Middle && inside(*pos) =>
                {
                    let erase = erase != (*button == PointerButton::Secondary);
                    let at = on_mask(*pos);
                    // With Shift a straight line goes on from where the last stroke ended.
                    let from = self.last.filter(|_| modifiers.shift).unwrap_or(at);
                    self.mask.begin();
                    self.mask.line(from, at, radius, erase);
                    (self.stroke, self.last) = (Some(erase), Some(at));
                }
                Event::PointerMoved(pos) => {
                    if let (Some(erase), Some(last)) = (self.stroke, self.last) {
                        let at = on_mask(*pos);
                        self.mask.line(last, at, radius, erase);
                        self.last = Some(at);
                    }
                }
                Event::PointerButton { pressed: false, .. } | Event::PointerGone if self.stroke.take().is_some() => {
                    self.mask.end();
                }
                _ => {}
            }
        }
    }

    fn resize_brush(&mut self, factor: f32) {
        let most = self.mask.size().into_iter().max().unwrap_or(1) as f32;
        self.brush = (self.brush * factor).clamp(1.0, most.max(1.0));
    }

    fn obey(&mut self, deed: Deed) {
        match deed {
            Deed::Undo => self.mask.undo(),
            Deed::Redo => self.mask.redo(),
            Deed::Invert => self.mask.invert(),
            Deed::Clear => self.mask.clear(),
            Deed::Done | Deed::Cancel => {}
        }
    }
}

impl App {
    /// Opens the canvas over the present source.
    pub(super) fn paint_mask(&mut self) {
        let Some(source) = &self.settings.form.source else { return };
        let source = PathBuf::from(&source.path);
        let mask = self.settings.form.mask.as_ref().map(|mask| PathBuf::from(&mask.path));
        self.link.send(Request::LookAtStart { source: source.clone(), mask: mask.clone(), side: SIDE });
        self.source.canvas = Some(Canvas::new(source, mask));
        self.screen = Screen::Mask;
    }

    /// Draws the canvas and its tools.
    pub(super) fn canvas_ui(&mut self, ui: &mut Ui) {
        let Some(mut canvas) = self.source.canvas.take() else {
            self.screen = Screen::Wall;
            return;
        };
        let side = Frame::new().fill(theme::PANEL).inner_margin(Margin { left: 20, right: 20, top: 16, bottom: 16 });
        let mut deed = None;
        Panel::right("mask tools")
            .exact_size(300.0)
            .resizable(false)
            .frame(side)
            .show_separator_line(false)
            .show(ui, |ui| deed = tools_ui(ui, &mut canvas));
        let room = Frame::new().fill(theme::ROOM);
        CentralPanel::no_frame().frame(room).show(ui, |ui| board_ui(ui, &mut canvas));
        self.source.canvas = Some(canvas);
        if let Some(deed) = deed {
            self.obey_canvas(deed);
        }
    }

    fn obey_canvas(&mut self, deed: Deed) {
        match deed {
            Deed::Done => self.keep_mask(),
            Deed::Cancel => self.leave_canvas(),
            _ => {
                if let Some(board) = self.source.canvas.as_mut().and_then(|c| c.board.as_mut()) {
                    board.obey(deed);
                }
            }
        }
    }

    /// Goes back to the wall without the mask, and offers a way back to it.
    pub(super) fn leave_canvas(&mut self) {
        self.screen = Screen::Wall;
        let changed = |canvas: &Canvas| canvas.board.as_ref().is_some_and(|b| b.mask.can_undo());
        if self.source.canvas.as_ref().is_some_and(changed) {
            self.toasts.offer("The mask was left as it was before.", Offer::Mask);
        } else {
            self.source.canvas = None;
        }
    }

    /// Goes back to a canvas that was left.
    pub(super) fn return_to_canvas(&mut self) {
        if self.source.canvas.is_some() {
            self.screen = Screen::Mask;
        }
    }

    /// Has the mask saved; it is in place once the worker has answered.
    pub(super) fn keep_mask(&mut self) {
        self.screen = Screen::Wall;
        let Some(Board { mut mask, .. }) = self.source.canvas.take().and_then(|canvas| canvas.board) else { return };
        mask.end();
        if mask.painted() <= 0.0 {
            self.settings.form.mask = None;
            return self.toasts.notice("Nothing is painted, so that the whole picture may change.");
        }
        let [width, height] = mask.size().map(|side| side as u32);
        self.source.saving = true;
        self.link.send(Request::KeepMask { width, height, greys: mask.greys().to_vec() });
    }

    /// Does what the keys ask for while the canvas is open.
    pub(super) fn canvas_keys(&mut self, ctx: &Context) {
        let pressed = |modifiers: Modifiers, key: Key| ctx.input_mut(|i| i.consume_key(modifiers, key));
        let Some(canvas) = &mut self.source.canvas else { return };
        if pressed(Modifiers::COMMAND, Key::Enter) {
            self.keep_mask();
            return self.generate();
        }
        if pressed(Modifiers::NONE, Key::Escape) {
            return self.leave_canvas();
        }
        let Some(board) = &mut canvas.board else { return };
        let keys = [
            (Modifiers::COMMAND | Modifiers::SHIFT, Key::Z, Deed::Redo),
            (Modifiers::COMMAND, Key::Y, Deed::Redo),
            (Modifiers::COMMAND, Key::Z, Deed::Undo),
            (Modifiers::NONE, Key::I, Deed::Invert),
            (Modifiers::NONE, Key::Delete, Deed::Clear),
        ];
        for (modifiers, key, deed) in keys {
            if !ctx.text_edit_focused() && pressed(modifiers, key) {
                board.obey(deed);
            }
        }
        if ctx.text_edit_focused() {
            return;
        }
        for (key, erase) in [(Key::B, false), (Key::E, true)] {
            if pressed(Modifiers::NONE, key) {
                canvas.erase = erase;
            }
        }
        // Where brackets need a modifier, they come as text alone.
        let written = |text: &str| ctx.input(|i| i.events.iter().any(|e| matches!(e, Event::Text(t) if t == text)));
        for (key, text, factor) in [(Key::OpenBracket, "[", 1.0 / GROWTH), (Key::CloseBracket, "]", GROWTH)] {
            if pressed(Modifiers::NONE, key) || written(text) {
                board.resize_brush(factor);
            }
        }
        for (key, factor) in [(Key::Plus, GROWTH), (Key::Equals, GROWTH), (Key::Minus, 1.0 / GROWTH)] {
            if pressed(Modifiers::NONE, key) {
                canvas.zoom = (canvas.zoom * factor).clamp(1.0, ZOOM);
            }
        }
        if pressed(Modifiers::NONE, Key::Num0) {
            (canvas.zoom, canvas.pan) = (1.0, Vec2::ZERO);
        }
    }
}

fn tools_ui(ui: &mut Ui, canvas: &mut Canvas) -> Option<Deed> {
    let mut deed = None;
    ui.label(egui::RichText::new("Paint mask").font(theme::strong(20.0)));
    widgets::hint(ui, "Paint where the picture may change. Everything else stays as it is.");
    ui.add_space(8.0);
    let width = ui.available_width();
    let kinds = [(false, "Brush", "Let it change (B)"), (true, "Eraser", "Let it stay (E, or the right button)")];
    widgets::segments(ui, &mut canvas.erase, &kinds, width);
    let half = vec2((width - 8.0) / 2.0, 34.0);
    match &mut canvas.board {
        Some(board) => {
            ui.add_space(4.0);
            widgets::title(ui, "Brush size");
            let most = board.mask.size().into_iter().max().unwrap_or(1).max(2) as f32;
            ui.spacing_mut().slider_width = width - 84.0;
            let slider = Slider::new(&mut board.brush, 1.0..=most).logarithmic(true).fixed_decimals(0).suffix(" px");
            ui.add(slider).accessible_name("Brush size").on_hover_text("[ and ] make it smaller and larger");
            ui.add_space(4.0);
            let buttons = [
                [("Undo", Deed::Undo, board.mask.can_undo()), ("Redo", Deed::Redo, board.mask.can_redo())],
                [("Invert", Deed::Invert, true), ("Clear", Deed::Clear, board.mask.painted() > 0.0)],
            ];
            for row in buttons {
                ui.horizontal(|ui| {
                    for (name, what, can) in row {
                        if ui.add_enabled(can, Button::new(name).min_size(half)).clicked() {
                            deed = Some(what);
                        }
                    }
                });
            }
            ui.add_space(4.0);
            widgets::hint(
                ui,
                match board.mask.painted() {
                    0.0 => "Nothing is painted yet.".to_string(),
                    share if share < 0.01 => "Less than 1% of the picture may change.".into(),
                    share => format!("{:.0}% of the picture may change.", share * 100.0),
                },
            );
        }
        None => _ = widgets::hint(ui, "Reading the picture…"),
    }
    ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
        if ui.add_sized(vec2(width, 34.0), Button::new("Cancel")).clicked() {
            deed = Some(Deed::Cancel);
        }
        if widgets::main_button(ui, "Done", "", canvas.board.is_some()).clicked() {
            deed = Some(Deed::Done);
        }
        ui.add_space(8.0);
        let command = ui.ctx().format_modifiers(Modifiers::COMMAND);
        for line in [
            format!("{command}+Wheel zooms, the middle button moves, 0 fits"),
            "Shift+click draws a straight line".into(),
            "The right button erases".into(),
            "[ and ] change the size".into(),
        ] {
            widgets::hint(ui, line);
        }
    });
    deed
}

fn board_ui(ui: &mut Ui, canvas: &mut Canvas) {
    let room = ui.max_rect();
    let response = ui.interact(room, ui.scope_id().with("mask canvas"), Sense::drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Mask canvas"));
    let Canvas { board, erase, zoom, pan, .. } = canvas;
    let Some(board) = board else { return };
    let [width, height] = board.mask.size().map(|side| side as f32);
    let fitted = tile::fit(vec2(width, height), room.shrink(32.0));
    let pointer = ui.input(|i| i.pointer.hover_pos()).filter(|p| room.contains(*p));
    if let Some(at) = pointer {
        // What is under the pointer stays there.
        let factor = ui.input(|i| i.zoom_delta());
        let to = (*zoom * factor).clamp(1.0, ZOOM);
        let from_centre = at - (fitted.center() + *pan);
        *pan += from_centre * (1.0 - to / *zoom);
        *zoom = to;
        *pan += ui.input(|i| i.smooth_scroll_delta());
        if ui.input(|i| i.pointer.middle_down()) {
            *pan += ui.input(|i| i.pointer.delta());
        }
    }
    let most = ((fitted.size() * *zoom - fitted.size()) / 2.0).max(Vec2::ZERO);
    *pan = pan.clamp(-most, most);
    let place = Rect::from_center_size(fitted.center() + *pan, fitted.size() * *zoom);
    let scale = place.width() / width.max(1.0);
    let events = ui.input(|i| i.events.clone());
    let layer = ui.layer_id();
    let ctx = ui.ctx().clone();
    board.follow(
        &events,
        *erase,
        |p| [(p.x - place.left()) / scale, (p.y - place.top()) / scale],
        |p| room.contains(p) && ctx.layer_id_at(p).is_none_or(|top| top == layer),
    );
    board.show_changes();
    let painter = ui.painter_at(room);
    let all = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    match &board.picture {
        Some(picture) => _ = painter.image(picture.id(), place, all, Color32::WHITE),
        None => _ = painter.rect_filled(place, 0, theme::SUNKEN),
    }
    painter.image(board.tint.id(), place, all, Color32::WHITE);
    if let Some(at) = pointer.filter(|_| response.contains_pointer() || board.stroke.is_some()) {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
        let radius = (board.brush / 2.0 * scale).max(1.5);
        painter.circle_stroke(at, radius, Stroke::new(3.0, Color32::from_black_alpha(140)));
        let erases = board.stroke.unwrap_or(*erase);
        painter.circle_stroke(at, radius, Stroke::new(1.5, if erases { Color32::WHITE } else { theme::EMBER_BRIGHT }));
    }
}
