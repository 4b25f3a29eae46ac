//! Anti-aliased vector shapes on a [`Canvas`], by `tiny-skia`. All lengths are in units of the shorter side.

use super::canvas::Canvas;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, Transform,
};

/// A transparent sheet over a canvas, in the coordinates of its shorter side: a square picture spans (0, 0) to (1, 1).
#[derive(Debug, Clone)]
pub struct Sheet {
    pixels: Option<Pixmap>,
    unit: f32,
}

fn paint(rgb: [f32; 3], alpha: f32) -> Paint<'static> {
    let c = |v: f32| v.clamp(0.0, 1.0);
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba(c(rgb[0]), c(rgb[1]), c(rgb[2]), c(alpha)).unwrap_or(Color::BLACK));
    paint.anti_alias = true;
    paint
}

impl Sheet {
    /// An empty sheet as large as the canvas.
    pub fn new(canvas: &Canvas) -> Self {
        Self {
            pixels: Pixmap::new(canvas.width as u32, canvas.height as u32),
            unit: canvas.width.min(canvas.height) as f32,
        }
    }
    fn transform(&self) -> Transform {
        Transform::from_scale(self.unit, self.unit)
    }
    /// Fills a path; nothing happens for `None` (a degenerate shape).
    pub fn fill(&mut self, path: Option<&Path>, rgb: [f32; 3], alpha: f32) {
        let transform = self.transform();
        if let (Some(path), Some(pixels)) = (path, self.pixels.as_mut()) {
            pixels.fill_path(path, &paint(rgb, alpha), FillRule::Winding, transform, None);
        }
    }
    /// As [`Self::fill`] with the even-odd rule: inner outlines become holes.
    pub fn fill_even_odd(&mut self, path: Option<&Path>, rgb: [f32; 3], alpha: f32) {
        let transform = self.transform();
        if let (Some(path), Some(pixels)) = (path, self.pixels.as_mut()) {
            pixels.fill_path(path, &paint(rgb, alpha), FillRule::EvenOdd, transform, None);
        }
    }
    /// Strokes a path with round caps and joins, `width` in units of the shorter side.
    pub fn stroke(&mut self, path: Option<&Path>, width: f32, rgb: [f32; 3], alpha: f32) {
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let transform = self.transform();
        if let (Some(path), Some(pixels)) = (path, self.pixels.as_mut()) {
            pixels.stroke_path(path, &paint(rgb, alpha), &stroke, transform, None);
        }
    }
    /// As [`Self::stroke`] with butt caps and mitred joins, for geometry with sharp ends.
    pub fn stroke_sharp(&mut self, path: Option<&Path>, width: f32, rgb: [f32; 3], alpha: f32) {
        let stroke = Stroke { width, line_cap: LineCap::Butt, line_join: LineJoin::Miter, ..Stroke::default() };
        let transform = self.transform();
        if let (Some(path), Some(pixels)) = (path, self.pixels.as_mut()) {
            pixels.stroke_path(path, &paint(rgb, alpha), &stroke, transform, None);
        }
    }
    /// Lays the sheet on the canvas.
    pub fn over(&self, canvas: &mut Canvas) {
        self.over_with(canvas, |_, _, c| c);
    }
    /// Lays the sheet on the canvas; `tint(x, y, colour)` may change each covered pixel's colour (x, y in units).
    pub fn over_with(&self, canvas: &mut Canvas, tint: impl Fn(f32, f32, [f32; 3]) -> [f32; 3]) {
        let Some(pixels) = &self.pixels else { return };
        let (w, k) = (canvas.width, 1.0 / self.unit);
        for (i, (under, p)) in canvas.rgb.iter_mut().zip(pixels.pixels()).enumerate() {
            if p.alpha() == 0 {
                continue;
            }
            let a = f32::from(p.alpha()) / 255.0;
            let c = straight(*p);
            let c = tint(((i % w) as f32 + 0.5) * k, ((i / w) as f32 + 0.5) * k, c);
            for j in 0..3 {
                under[j] += (c[j] - under[j]) * a;
            }
        }
    }
    /// How much each pixel is covered, 0..=1, rows from the top.
    pub fn coverage(&self) -> Vec<f32> {
        self.pixels
            .as_ref()
            .map_or_else(Vec::new, |p| p.pixels().iter().map(|p| f32::from(p.alpha()) / 255.0).collect())
    }
    /// Makes the sheet empty again.
    pub fn clear(&mut self) {
        if let Some(p) = self.pixels.as_mut() {
            p.fill(Color::TRANSPARENT);
        }
    }
}

fn straight(p: PremultipliedColorU8) -> [f32; 3] {
    let k = 1.0 / f32::from(p.alpha()).max(1.0);
    [f32::from(p.red()) * k, f32::from(p.green()) * k, f32::from(p.blue()) * k]
}

/// A disc.
pub fn circle(x: f32, y: f32, radius: f32) -> Option<Path> {
    PathBuilder::from_circle(x, y, radius.max(1e-5))
}

/// An axis-parallel rectangle from its corner and size.
pub fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    polygon(&[[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
}

/// A closed polygon.
pub fn polygon(points: &[[f32; 2]]) -> Option<Path> {
    let mut b = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    b.move_to(first[0], first[1]);
    rest.iter().for_each(|p| b.line_to(p[0], p[1]));
    b.close();
    b.finish()
}

/// An open line through the points.
pub fn polyline(points: &[[f32; 2]]) -> Option<Path> {
    let mut b = PathBuilder::new();
    let (first, rest) = points.split_first()?;
    b.move_to(first[0], first[1]);
    rest.iter().for_each(|p| b.line_to(p[0], p[1]));
    b.finish()
}

/// A closed smooth curve through the points (Catmull-Rom).
pub fn blob(points: &[[f32; 2]]) -> Option<Path> {
    smooth(points, true)
}

/// An open smooth curve through the points (Catmull-Rom).
pub fn curve(points: &[[f32; 2]]) -> Option<Path> {
    smooth(points, false)
}

fn smooth(points: &[[f32; 2]], closed: bool) -> Option<Path> {
    let n = points.len();
    if n < 2 {
        return None;
    }
    let at = |i: isize| -> [f32; 2] {
        if closed { points[i.rem_euclid(n as isize) as usize] } else { points[i.clamp(0, n as isize - 1) as usize] }
    };
    let mut b = PathBuilder::new();
    b.move_to(points[0][0], points[0][1]);
    for i in 0..(if closed { n } else { n - 1 }) as isize {
        let (p0, p1, p2, p3) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        b.cubic_to(
            p1[0] + (p2[0] - p0[0]) / 6.0,
            p1[1] + (p2[1] - p0[1]) / 6.0,
            p2[0] - (p3[0] - p1[0]) / 6.0,
            p2[1] - (p3[1] - p1[1]) / 6.0,
            p2[0],
            p2[1],
        );
    }
    if closed {
        b.close();
    }
    b.finish()
}

/// A pie slice of a disc, or of a ring when `inner` > 0; angles in radians, clockwise from the right.
pub fn sector(x: f32, y: f32, inner: f32, outer: f32, from: f32, to: f32) -> Option<Path> {
    let steps = (((to - from).abs() / 0.08).ceil() as usize).clamp(2, 200);
    let on = |r: f32, i: usize| {
        let a = from + (to - from) * i as f32 / steps as f32;
        [x + r * a.cos(), y + r * a.sin()]
    };
    let mut points: Vec<[f32; 2]> = (0..=steps).map(|i| on(outer, i)).collect();
    if inner > 0.0 {
        points.extend((0..=steps).rev().map(|i| on(inner, i)));
    } else {
        points.push([x, y]);
    }
    polygon(&points)
}

/// A regular polygon with `n` corners, or a star when `inner` < 1 (the inner corners' share of the radius).
pub fn star(x: f32, y: f32, radius: f32, n: usize, inner: f32, turn: f32) -> Option<Path> {
    let star = inner < 1.0;
    let count = if star { 2 * n } else { n };
    let points: Vec<[f32; 2]> = (0..count)
        .map(|i| {
            let a = turn + std::f32::consts::TAU * i as f32 / count as f32 - std::f32::consts::FRAC_PI_2;
            let r = if star && i % 2 == 1 { radius * inner } else { radius };
            [x + r * a.cos(), y + r * a.sin()]
        })
        .collect();
    polygon(&points)
}
