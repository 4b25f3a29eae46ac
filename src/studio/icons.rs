//! Icons as shapes, so that they look the same with any font.

use super::theme;
use egui::accesskit::Role;
use egui::{
    Color32, Mesh, Painter, Pos2, Rect, Response, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use std::f32::consts::TAU;

/// What an icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Star,
    Heart,
    Check,
    Close,
    Dice,
    Clock,
    Compare,
    Export,
    Trash,
    Left,
    Right,
    Copy,
    Help,
    Reject,
    Reset,
    Reuse,
    Flame,
    Down,
    Pen,
}

/// Fills a shape that every point of `edge` can be seen from `middle` of, with smooth edges.
fn blob(painter: &Painter, middle: Pos2, edge: &[Pos2], colour: Color32) {
    let mut mesh = Mesh::default();
    mesh.colored_vertex(middle, colour);
    edge.iter().for_each(|p| mesh.colored_vertex(*p, colour));
    let count = edge.len() as u32;
    (0..count).for_each(|i| mesh.add_triangle(0, 1 + i, 1 + (i + 1) % count));
    painter.add(Shape::mesh(mesh));
    painter.add(Shape::closed_line(edge.to_vec(), Stroke::new(1.0, colour)));
}

fn star_edge(middle: Pos2, radius: f32) -> Vec<Pos2> {
    (0..10)
        .map(|i| {
            let r = if i % 2 == 0 { radius } else { radius * 0.46 };
            middle + r * Vec2::angled(-TAU / 4.0 + TAU * i as f32 / 10.0)
        })
        .collect()
}

fn heart_edge(middle: Pos2, radius: f32) -> Vec<Pos2> {
    (0..28)
        .map(|i| {
            let t = TAU * i as f32 / 28.0;
            let x = 16.0 * t.sin().powi(3);
            let y = 13.0 * t.cos() - 5.0 * (2.0 * t).cos() - 2.0 * (3.0 * t).cos() - (4.0 * t).cos();
            middle + vec2(x, -y - 1.0) * (radius / 16.5)
        })
        .collect()
}

/// Draws an icon into the middle of `rect`; `full` fills stars and hearts.
pub fn paint(painter: &Painter, rect: Rect, icon: Icon, colour: Color32, full: bool) {
    let c = rect.center();
    let r = rect.width().min(rect.height()) / 2.0;
    let stroke = Stroke::new((r / 5.5).clamp(1.2, 2.4), colour);
    let at = |x: f32, y: f32| pos2(c.x + x * r, c.y + y * r);
    let line = |points: &[(f32, f32)]| {
        painter.add(Shape::line(points.iter().map(|(x, y)| at(*x, *y)).collect(), stroke));
    };
    let arc = |from: f32, to: f32, radius: f32| {
        let points = (0..=20).map(|i| c + radius * r * Vec2::angled(TAU * (from + (to - from) * i as f32 / 20.0)));
        painter.add(Shape::line(points.collect(), stroke));
    };
    match icon {
        Icon::Star if full => blob(painter, c, &star_edge(c, r * 0.9), colour),
        Icon::Star => _ = painter.add(Shape::closed_line(star_edge(c, r * 0.85), stroke)),
        Icon::Heart if full => blob(painter, c, &heart_edge(c, r * 0.88), colour),
        Icon::Heart => _ = painter.add(Shape::closed_line(heart_edge(c, r * 0.82), stroke)),
        Icon::Check => line(&[(-0.6, 0.05), (-0.15, 0.5), (0.65, -0.45)]),
        Icon::Close => {
            line(&[(-0.5, -0.5), (0.5, 0.5)]);
            line(&[(-0.5, 0.5), (0.5, -0.5)]);
        }
        Icon::Dice => {
            painter.rect_stroke(Rect::from_center_size(c, Vec2::splat(r * 1.5)), r * 0.35, stroke, StrokeKind::Middle);
            for (x, y) in [(-0.33, -0.33), (0.33, 0.33), (0.0, 0.0)] {
                painter.circle_filled(at(x, y), r * 0.13, colour);
            }
        }
        Icon::Clock => {
            painter.circle_stroke(c, r * 0.78, stroke);
            line(&[(0.0, -0.42), (0.0, 0.05), (0.32, 0.24)]);
        }
        Icon::Compare => {
            let half = |x: f32| Rect::from_center_size(at(x, 0.0), vec2(r * 0.72, r * 1.35));
            painter.rect_stroke(half(-0.46), r * 0.15, stroke, StrokeKind::Middle);
            painter.rect_stroke(half(0.46), r * 0.15, stroke, StrokeKind::Middle);
        }
        Icon::Export => {
            line(&[(0.0, -0.75), (0.0, 0.3)]);
            line(&[(-0.38, -0.06), (0.0, 0.32), (0.38, -0.06)]);
            line(&[(-0.7, 0.3), (-0.7, 0.72), (0.7, 0.72), (0.7, 0.3)]);
        }
        Icon::Trash => {
            line(&[(-0.7, -0.5), (0.7, -0.5)]);
            line(&[(-0.25, -0.55), (-0.2, -0.78), (0.2, -0.78), (0.25, -0.55)]);
            line(&[(-0.52, -0.5), (-0.44, 0.75), (0.44, 0.75), (0.52, -0.5)]);
        }
        Icon::Left => line(&[(0.3, -0.65), (-0.35, 0.0), (0.3, 0.65)]),
        Icon::Right => line(&[(-0.3, -0.65), (0.35, 0.0), (-0.3, 0.65)]),
        Icon::Down => line(&[(-0.5, -0.25), (0.0, 0.3), (0.5, -0.25)]),
        Icon::Pen => {
            line(&[(-0.7, 0.7), (-0.55, 0.2), (0.4, -0.75), (0.75, -0.4), (-0.2, 0.55), (-0.7, 0.7)]);
            line(&[(0.15, -0.5), (0.5, -0.15)]);
        }
        Icon::Copy => {
            painter.rect_stroke(Rect::from_min_max(at(-0.3, -0.3), at(0.7, 0.7)), r * 0.18, stroke, StrokeKind::Middle);
            line(&[(-0.5, 0.35), (-0.7, 0.35), (-0.7, -0.7), (0.35, -0.7), (0.35, -0.5)]);
        }
        Icon::Help => {
            painter.text(c, egui::Align2::CENTER_CENTER, "?", theme::strong(r * 1.5), colour);
        }
        Icon::Reject => {
            painter.circle_stroke(c, r * 0.75, stroke);
            line(&[(-0.5, 0.5), (0.5, -0.5)]);
        }
        Icon::Reset => {
            arc(-0.12, 0.62, 0.68);
            line(&[(-0.95, -0.25), (-0.52, -0.42), (-0.38, 0.02)]);
        }
        Icon::Reuse => {
            for (y, x) in [(-0.5, -0.25), (0.0, 0.35), (0.5, -0.05)] {
                line(&[(-0.75, y), (0.75, y)]);
                painter.circle_filled(at(x, y), r * 0.2, colour);
            }
        }
        Icon::Flame => {
            let edge: Vec<Pos2> = smooth(&FLAME).iter().map(|(x, y)| at(*x, *y)).collect();
            blob(painter, at(-0.02, 0.35), &edge, colour);
        }
    }
}

/// A closed Catmull-Rom curve through the points, four steps between each two.
fn smooth(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let n = points.len();
    let curve = |a: f32, b: f32, c: f32, d: f32, t: f32| {
        b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
    };
    let step = |i: usize, k: usize| {
        let [p, q, r, s] = std::array::from_fn(|j| points[(i + n + j - 1) % n]);
        let t = k as f32 / 4.0;
        (curve(p.0, q.0, r.0, s.0, t), curve(p.1, q.1, r.1, s.1, t))
    };
    (0..n * 4).map(|i| step(i / 4, i % 4)).collect()
}

const FLAME: [(f32, f32); 16] = [
    (0.08, -0.95),
    (0.2, -0.6),
    (0.45, -0.3),
    (0.66, 0.05),
    (0.68, 0.42),
    (0.5, 0.76),
    (0.2, 0.94),
    (-0.2, 0.94),
    (-0.5, 0.76),
    (-0.66, 0.42),
    (-0.62, 0.1),
    (-0.46, -0.18),
    (-0.36, 0.06),
    (-0.2, 0.08),
    (-0.06, -0.2),
    (-0.04, -0.6),
];

/// A frameless button with an icon; `name` is what it is called and its tooltip.
pub fn button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    tinted(ui, icon, name, 28.0, None, false)
}

/// The same, of a size, in a colour of its own, drawn full or as an outline.
pub fn tinted(ui: &mut Ui, icon: Icon, name: &str, side: f32, colour: Option<Color32>, full: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
    if ui.is_rect_visible(rect) {
        let over = response.hovered() || response.has_focus();
        if over {
            ui.painter().rect_filled(rect, theme::ROUND_SMALL, theme::HOVER);
        }
        if response.has_focus() {
            let ring = Stroke::new(1.5, theme::EMBER);
            ui.painter().rect_stroke(rect, theme::ROUND_SMALL, ring, StrokeKind::Inside);
        }
        let plain = if over { Color32::WHITE } else { theme::MUTED };
        paint(ui.painter(), rect.shrink(side * 0.25), icon, colour.unwrap_or(plain), full);
    }
    response.on_hover_text(name)
}

/// Five stars to click; returns the new number. The present one again takes the rating away.
pub fn stars(ui: &mut Ui, rating: u8, side: f32, name: &dyn Fn(u8) -> String) -> Option<u8> {
    let mut chosen = None;
    ui.spacing_mut().item_spacing.x = 0.0;
    for star in 1..=crate::library::MAX_STARS {
        let full = star <= rating;
        let colour = if full { theme::STAR } else { theme::MUTED };
        if tinted(ui, Icon::Star, &name(star), side, Some(colour), full).clicked() {
            chosen = Some(if star == rating { 0 } else { star });
        }
    }
    chosen
}
