//! Leaves and flowers from which the botanical family is composed.

use super::kit::lit;
use crate::corpus::colour::smoothstep;
use crate::corpus::vector::{self, Sheet};
use std::f32::consts::{PI, TAU};

/// Draws on a sheet in the coordinates of the [`Plane`], straight or mirrored about the vertical axis.
pub struct Pen<'a> {
    /// Where it draws.
    pub sheet: &'a mut Sheet,
    /// The sheet's coordinates of the middle of the picture.
    pub origin: (f32, f32),
    /// 1, or -1 for a mirror image.
    pub side: f32,
}

impl Pen<'_> {
    fn place(&self, p: [f32; 2]) -> [f32; 2] {
        [self.origin.0 + self.side * p[0], self.origin.1 + p[1]]
    }
    /// Fills a polygon.
    pub fn fill(&mut self, points: &[[f32; 2]], ink: [f32; 3]) {
        let points: Vec<_> = points.iter().map(|p| self.place(*p)).collect();
        self.sheet.fill(vector::polygon(&points).as_ref(), ink, 1.0);
    }
    /// Draws a smooth line.
    pub fn line(&mut self, points: &[[f32; 2]], width: f32, ink: [f32; 3]) {
        let points: Vec<_> = points.iter().map(|p| self.place(*p)).collect();
        self.sheet.stroke(vector::curve(&points).as_ref(), width, ink, 1.0);
    }
    /// Draws a disc.
    pub fn dot(&mut self, p: [f32; 2], r: f32, ink: [f32; 3]) {
        let p = self.place(p);
        self.sheet.fill(vector::circle(p[0], p[1], r).as_ref(), ink, 1.0);
    }
}

/// A point at a distance in a direction; angle 0 points up, growing clockwise.
pub fn toward(from: [f32; 2], angle: f32, distance: f32) -> [f32; 2] {
    [from[0] + distance * angle.sin(), from[1] - distance * angle.cos()]
}

/// Shapes of leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blade {
    /// A lance, as of willow.
    Lance,
    /// A slim lance, for fronds and fans.
    Needle,
    /// An oval with a point, as of beech.
    Oval,
    /// A disc, as of eucalyptus.
    Round,
    /// A heart, as of ivy.
    Heart,
    /// Round lobes, as of oak.
    Lobed,
    /// Deep slots, as of monstera.
    Slotted,
    /// A frond of many needles.
    Fern,
    /// Blades that spread from one point, as of palms.
    Fan,
}

/// Colours of a leaf: the body, its shaded half, its vein.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    /// The leaf's own colour.
    pub body: [f32; 3],
    /// Its shaded half; the same as the body for a flat leaf.
    pub half: [f32; 3],
    /// Its veins, where it has any.
    pub vein: Option<[f32; 3]>,
}

/// A leaf from its foot; `bend` turns its tip sideways (in lengths).
pub fn leaf(pen: &mut Pen, blade: Blade, foot: [f32; 2], angle: f32, length: f32, bend: f32, ink: &Ink) {
    let (s, c) = angle.sin_cos();
    // `along` and `across` the leaf, in lengths.
    let at = |along: f32, across: f32| {
        let (u, v) = (along * length, (across + bend * along * along) * length);
        [foot[0] + u * s + v * c, foot[1] - u * c + v * s]
    };
    let profile = |t: f32| -> f32 {
        let arc = (PI * t).sin().max(0.0);
        match blade {
            Blade::Lance => 0.15 * arc.powf(0.85),
            Blade::Needle => 0.1 * arc.powf(0.8),
            Blade::Oval => 0.27 * (PI * t.powf(0.8)).sin().max(0.0).powf(0.85),
            Blade::Round => 0.46 * (t * (1.0 - t)).max(0.0).sqrt() * 2.0,
            Blade::Heart => 0.42 * (PI * t.powf(0.52)).sin().max(0.0).powf(0.8),
            Blade::Lobed => 0.3 * arc.powf(0.6) * (0.8 + 0.2 * (t * 16.0 + 0.6).cos()),
            Blade::Slotted => {
                let slot = (0.5 + 0.5 * (t * TAU * 4.6).cos()).powi(3) * smoothstep(0.16, 0.3, t);
                0.46 * (PI * t.powf(0.6)).sin().max(0.0).powf(0.7) * (1.0 - 0.66 * slot)
            }
            Blade::Fern | Blade::Fan => 0.0,
        }
    };
    match blade {
        Blade::Fern => {
            let pairs = (length / 0.042).clamp(5.0, 12.0) as usize;
            for k in 0..pairs {
                let t = 0.12 + 0.86 * k as f32 / pairs as f32;
                let size = length * 0.36 * (PI * (0.12 + 0.88 * t).powf(0.8)).sin().max(0.12);
                let lean = 1.15 - 0.5 * t;
                let turn = (2.0 * bend * t).atan();
                for side in [-1.0, 1.0] {
                    let part = Ink { body: if side < 0.0 { ink.body } else { ink.half }, vein: None, ..*ink };
                    let part = Ink { half: part.body, ..part };
                    leaf(pen, Blade::Needle, at(t, 0.0), angle + turn + side * lean, size, -0.12 * side, &part);
                }
            }
            let spine: Vec<_> = (0..=8).map(|k| at(k as f32 / 8.0, 0.0)).collect();
            pen.line(&spine, (length * 0.018).max(0.008), ink.vein.unwrap_or(ink.half));
            return;
        }
        Blade::Fan => {
            for k in 0..9 {
                let t = k as f32 / 4.0 - 1.0;
                let part = Ink { body: if k % 2 == 0 { ink.body } else { ink.half }, half: ink.half, vein: None };
                let part = Ink { half: part.body, ..part };
                leaf(pen, Blade::Lance, at(0.28, 0.0), angle + t * 1.45, length * (0.74 - 0.16 * t * t), 0.0, &part);
            }
            pen.line(&[foot, at(0.3, 0.0)], (length * 0.04).max(0.008), ink.half);
            return;
        }
        _ => {}
    }
    let steps = if matches!(blade, Blade::Lobed | Blade::Slotted) { 44 } else { 16 };
    // Slots run forward, towards the tip.
    let slant = if blade == Blade::Slotted { 0.35 } else { 0.0 };
    let edge = |side: f32, k: usize| {
        let t = k as f32 / steps as f32;
        let w = profile(t);
        at(t - if slant > 0.0 { slant * w * (1.0 - t) - 0.08 * w } else { 0.0 }, side * w)
    };
    let mut outline: Vec<_> = (0..=steps).map(|k| edge(-1.0, k)).collect();
    let spine: Vec<_> = (0..=steps).rev().map(|k| at(k as f32 / steps as f32, 0.0)).collect();
    let mut half = outline.clone();
    outline.extend((0..=steps).rev().map(|k| edge(1.0, k)));
    pen.fill(&outline, ink.body);
    if ink.half != ink.body {
        half.extend(&spine);
        pen.fill(&half, ink.half);
    }
    if let Some(vein) = ink.vein.filter(|_| length > 0.07) {
        let line: Vec<_> = (0..=6).map(|k| at(k as f32 / 6.0 * 0.86, 0.0)).collect();
        pen.line(&line, (length * 0.022).clamp(0.007, 0.013), vein);
        if length > 0.2 && matches!(blade, Blade::Oval | Blade::Heart | Blade::Round) {
            for k in 1..4 {
                let t = k as f32 * 0.2;
                for side in [-1.0, 1.0] {
                    let rib = [at(t, 0.0), at(t + 0.1, side * profile(t + 0.12) * 0.66)];
                    pen.line(&rib, (length * 0.016).max(0.006), vein);
                }
            }
        }
    }
}

/// Kinds of flowers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Head {
    /// Slim petals around a disc.
    Daisy,
    /// Five round petals.
    Poppy,
    /// A cup of three petals.
    Tulip,
    /// A bowl of pointed petals, from the side.
    Lotus,
    /// A ball of knobs on rays.
    Puff,
    /// A bunch of berries.
    Berries,
}

/// A flower of this radius; `angle` is the way its stem points.
pub fn flower(pen: &mut Pen, head: Head, at: [f32; 2], angle: f32, r: f32, petal: [f32; 3], heart: [f32; 3]) {
    let shade = lit(petal, 0.84);
    let plain = |body| Ink { body, half: body, vein: None };
    match head {
        Head::Daisy => {
            let n = 11;
            for k in 0..n {
                let a = angle + TAU * k as f32 / n as f32;
                let ink = plain(if k % 2 == 0 { petal } else { shade });
                leaf(pen, Blade::Oval, at, a, r * 1.05, 0.0, &ink);
            }
            pen.dot(at, r * 0.33, heart);
        }
        Head::Poppy => {
            for k in 0..5 {
                let a = angle + TAU * (k as f32 + 0.5) / 5.0;
                pen.dot(toward(at, a, r * 0.5), r * 0.52, if k % 2 == 0 { petal } else { shade });
            }
            pen.dot(at, r * 0.36, lit(heart, 0.8));
            pen.dot(at, r * 0.22, heart);
        }
        Head::Tulip => {
            let foot = toward(at, angle, -r * 0.8);
            for (turn, ink) in [(-0.5, shade), (0.5, shade), (0.0, petal)] {
                leaf(pen, Blade::Oval, foot, angle + turn, r * 1.9, -turn * 0.5, &plain(ink));
            }
        }
        Head::Lotus => {
            let foot = toward(at, angle, -r * 0.5);
            for (turn, ink) in [
                (-1.25, shade),
                (1.25, shade),
                (-0.85, petal),
                (0.85, petal),
                (-0.42, shade),
                (0.42, shade),
                (0.0, petal),
            ] {
                leaf(pen, Blade::Oval, foot, angle + turn, r * 1.5, 0.0, &plain(ink));
            }
            pen.dot(foot, r * 0.2, heart);
        }
        Head::Puff => {
            for k in 0..12 {
                let a = angle + TAU * k as f32 / 12.0;
                let tip = toward(at, a, r * 0.85);
                pen.line(&[at, tip], (r * 0.07).max(0.006), shade);
                pen.dot(tip, (r * 0.16).max(0.009), petal);
            }
            pen.dot(at, r * 0.26, heart);
        }
        Head::Berries => {
            for (k, turn) in [-0.8f32, 0.8, -0.3, 0.35, 0.0].iter().enumerate() {
                let tip = toward(at, angle + turn, r * (0.75 + 0.25 * (k % 2) as f32));
                pen.line(&[toward(at, angle, -r * 0.4), tip], (r * 0.09).max(0.007), heart);
                pen.dot(tip, (r * 0.28).max(0.012), if k % 2 == 0 { petal } else { shade });
            }
        }
    }
}
