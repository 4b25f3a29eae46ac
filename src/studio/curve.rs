//! The curves of a lesson: training loss, held-out loss, and the checkpoint alone as the line to beat.

use super::theme;
use crate::tuning::finetune::card::Point;
use egui::accesskit::Role;
use egui::{Align2, FontId, Pos2, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

/// Height of the plot, and room for the numbers at its left and below.
const HEIGHT: f32 = 190.0;
const LEFT: f32 = 44.0;
const BELOW: f32 = 22.0;
/// Share of the newest value in the smoothed training loss.
const NEWEST: f32 = 0.2;

/// What is drawn.
pub struct Curves<'a> {
    /// Steps in all.
    pub steps: u64,
    /// Training loss after some steps.
    pub training: &'a [(u64, f32)],
    /// Points with the held-out loss.
    pub points: &'a [Point],
    /// Held-out loss of the checkpoint alone.
    pub base: Option<f32>,
    /// The step that is kept.
    pub best: Option<u64>,
}

impl Curves<'_> {
    /// The training loss, smoothed: single steps meet other noise each time.
    fn training(&self) -> Vec<(u64, f32)> {
        let told: Vec<(u64, f32)> = match self.training {
            [] | [_] => self.points.iter().map(|p| (p.step, p.loss)).collect(),
            told => told.to_vec(),
        };
        let mut smooth = None;
        let finite = told.into_iter().filter(|(_, loss)| loss.is_finite());
        finite
            .map(|(step, loss)| {
                let value = smooth.map_or(loss, |old: f32| old + NEWEST * (loss - old));
                smooth = Some(value);
                (step, value)
            })
            .collect()
    }

    fn held_out(&self) -> Vec<(u64, f32)> {
        let start = self.base.map(|base| (0, base));
        let told = self.points.iter().filter_map(|p| Some((p.step, p.held_out?)));
        start.into_iter().chain(told).filter(|(_, loss)| loss.is_finite()).collect()
    }

    /// What a screen reader says.
    fn spoken(&self) -> String {
        let last = self.points.iter().rev().find_map(|p| Some((p.step, p.held_out?)));
        match (last, self.base) {
            (Some((step, loss)), Some(base)) => {
                format!("Loss curves: held-out loss {loss:.4} after {step} steps, {base:.4} without the adapter")
            }
            _ => format!("Loss curves of {} steps", self.training.last().map_or(0, |(step, _)| *step)),
        }
    }
}

/// Draws them as wide as there is room.
pub fn curves(ui: &mut Ui, told: &Curves<'_>) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, told.spoken()));
    let (training, held_out) = (told.training(), told.held_out());
    let values = || training.iter().chain(&held_out).map(|(_, v)| *v);
    let (low, high) = (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max));
    if !low.is_finite() || !high.is_finite() {
        return;
    }
    let margin = ((high - low) * 0.12).max(high.abs() * 0.01).max(1e-6);
    let (low, high) = (low - margin, high + margin);
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 4.0), rect.max - vec2(8.0, BELOW));
    let place = |(step, value): (u64, f32)| -> Pos2 {
        let x = step as f32 / told.steps.max(1) as f32;
        pos2(plot.left() + plot.width() * x.min(1.0), plot.bottom() - plot.height() * (value - low) / (high - low))
    };
    let painter = ui.painter();
    let small = FontId::proportional(11.5);
    for i in 0..=3 {
        let value = low + (high - low) * i as f32 / 3.0;
        let y = place((0, value)).y;
        painter.hline(plot.x_range(), y, Stroke::new(1.0, theme::RAISED));
        painter.text(
            pos2(plot.left() - 8.0, y),
            Align2::RIGHT_CENTER,
            format!("{value:.3}"),
            small.clone(),
            theme::MUTED,
        );
    }
    let below = rect.bottom() - 6.0;
    painter.text(pos2(plot.left(), below), Align2::LEFT_CENTER, "0", small.clone(), theme::MUTED);
    let end = format!("{} steps", told.steps);
    painter.text(pos2(plot.right(), below), Align2::RIGHT_CENTER, end, small.clone(), theme::MUTED);
    let line = |points: &[(u64, f32)], stroke: Stroke| {
        if points.len() > 1 {
            painter.add(Shape::line(points.iter().map(|p| place(*p)).collect(), stroke));
        }
    };
    line(&training, Stroke::new(1.5, theme::MUTED.gamma_multiply(0.6)));
    if let Some(base) = told.base {
        let ends = [place((0, base)), place((told.steps, base))];
        painter.extend(Shape::dashed_line(&ends, Stroke::new(1.0, theme::TEXT.gamma_multiply(0.5)), 5.0, 5.0));
    }
    line(&held_out, Stroke::new(2.0, theme::EMBER));
    for point in &held_out {
        let kept = told.best == Some(point.0);
        painter.circle_filled(place(*point), if kept { 5.0 } else { 2.5 }, theme::EMBER);
        if kept {
            painter.circle_stroke(place(*point), 7.5, Stroke::new(1.5, theme::EMBER));
        }
    }
    // What is what, between the two ends of the lower line.
    let mut x = plot.left() + 36.0;
    let names = [
        ("held out", theme::EMBER, !held_out.is_empty()),
        ("training", theme::MUTED, training.len() > 1),
        ("without the adapter", theme::TEXT, told.base.is_some()),
    ];
    for (name, ink, _) in names.into_iter().filter(|(_, _, shown)| *shown) {
        painter.hline(x..=x + 16.0, below, Stroke::new(2.0, ink));
        let text = painter.text(pos2(x + 22.0, below), Align2::LEFT_CENTER, name, small.clone(), theme::MUTED);
        x = text.right() + 18.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_begin_with_the_checkpoint_and_leave_out_what_is_no_number() {
        let point = |step, loss, held_out| Point { step, loss, held_out };
        let points = [point(10, 0.5, Some(0.4)), point(20, f32::NAN, None), point(30, 0.3, Some(0.35))];
        let told = Curves { steps: 30, training: &[], points: &points, base: Some(0.6), best: Some(30) };
        assert_eq!(told.held_out(), [(0, 0.6), (10, 0.4), (30, 0.35)]);
        assert_eq!(told.training().len(), 2);
        assert!(told.spoken().contains("0.3500 after 30 steps, 0.6000 without"), "{}", told.spoken());
    }
}
