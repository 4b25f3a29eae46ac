//! A mask while it is painted: strokes, undo, redo. Greys only; it knows nothing of windows.

use std::collections::VecDeque;

/// Most bytes that are kept for undo.
const MEMORY: usize = 64 << 20;

/// A part of a mask; the ends are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Column after the last.
    pub right: usize,
    /// Row after the last.
    pub bottom: usize,
}

impl Area {
    fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// What lay in an area before.
struct Patch {
    area: Area,
    greys: Vec<u8>,
}

/// A stroke under way.
struct Stroke {
    before: Vec<u8>,
    touched: Option<Area>,
}

/// A mask: 255 may change, 0 stays.
pub struct Mask {
    width: usize,
    height: usize,
    greys: Vec<u8>,
    stroke: Option<Stroke>,
    undo: VecDeque<Patch>,
    redo: Vec<Patch>,
    /// What is to be shown anew.
    dirty: Option<Area>,
    painted: f32,
}

impl Mask {
    /// A mask of this size; black where `greys` are absent or do not fit.
    pub fn new(width: usize, height: usize, greys: Option<Vec<u8>>) -> Self {
        let greys = greys.filter(|g| g.len() == width * height).unwrap_or_else(|| vec![0; width * height]);
        let mut mask = Self {
            width,
            height,
            greys,
            stroke: None,
            undo: VecDeque::new(),
            redo: Vec::new(),
            dirty: None,
            painted: 0.0,
        };
        mask.measure();
        mask
    }

    /// Width and height.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// Row by row.
    pub fn greys(&self) -> &[u8] {
        &self.greys
    }

    /// Share of the picture that may change, as it was after the last stroke.
    pub fn painted(&self) -> f32 {
        self.painted
    }

    /// Begins a stroke, which is undone as one.
    pub fn begin(&mut self) {
        self.end();
        self.stroke = Some(Stroke { before: self.greys.clone(), touched: None });
    }

    /// Paints or erases along a line, with round ends and smooth edges. All in pixels.
    pub fn line(&mut self, from: [f32; 2], to: [f32; 2], radius: f32, erase: bool) {
        let (low, high) = (|i: usize| from[i].min(to[i]) - radius - 1.0, |i: usize| from[i].max(to[i]) + radius + 1.0);
        // A cast from a float stays within the range of its target.
        let area = Area {
            left: (low(0).max(0.0) as usize).min(self.width),
            top: (low(1).max(0.0) as usize).min(self.height),
            right: (high(0).max(0.0).ceil() as usize).min(self.width),
            bottom: (high(1).max(0.0).ceil() as usize).min(self.height),
        };
        if area.left >= area.right || area.top >= area.bottom {
            return;
        }
        let along = [to[0] - from[0], to[1] - from[1]];
        let length = along[0] * along[0] + along[1] * along[1];
        for y in area.top..area.bottom {
            let dy = y as f32 + 0.5 - from[1];
            let row = &mut self.greys[y * self.width..(y + 1) * self.width];
            for (x, grey) in row.iter_mut().enumerate().take(area.right).skip(area.left) {
                let dx = x as f32 + 0.5 - from[0];
                let at = if length > 0.0 { ((dx * along[0] + dy * along[1]) / length).clamp(0.0, 1.0) } else { 0.0 };
                let (ox, oy) = (dx - at * along[0], dy - at * along[1]);
                let cover = ((radius + 0.5 - (ox * ox + oy * oy).sqrt()).clamp(0.0, 1.0) * 255.0).round() as u8;
                *grey = if erase { (*grey).min(255 - cover) } else { (*grey).max(cover) };
            }
        }
        self.touch(area);
    }

    fn touch(&mut self, area: Area) {
        let union = |old: Option<Area>| Some(old.map_or(area, |old| old.union(area)));
        self.dirty = union(self.dirty);
        if let Some(stroke) = &mut self.stroke {
            stroke.touched = union(stroke.touched);
        }
    }

    /// Ends the stroke, if there is one.
    pub fn end(&mut self) {
        let Some(Stroke { before, touched: Some(area) }) = self.stroke.take() else { return };
        let old = cut(&before, self.width, area);
        if old == cut(&self.greys, self.width, area) {
            return;
        }
        self.undo.push_back(Patch { area, greys: old });
        self.redo.clear();
        while self.undo.len() > 1 && self.undo.iter().map(|p| p.greys.len()).sum::<usize>() > MEMORY {
            self.undo.pop_front();
        }
        self.measure();
    }

    fn whole(&mut self, change: impl Fn(u8) -> u8) {
        self.begin();
        self.greys.iter_mut().for_each(|grey| *grey = change(*grey));
        self.touch(Area { left: 0, top: 0, right: self.width, bottom: self.height });
        self.end();
    }

    /// Lets what could change stay, and the other way round.
    pub fn invert(&mut self) {
        self.whole(|grey| 255 - grey);
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        self.whole(|_| 0);
    }

    /// Whether there is something to undo.
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// Whether something was undone.
    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    /// Takes the last stroke back.
    pub fn undo(&mut self) {
        self.end();
        if let Some(patch) = self.undo.pop_back() {
            let redo = self.swap(patch);
            self.redo.push(redo);
        }
    }

    /// Does again what was undone last.
    pub fn redo(&mut self) {
        self.end();
        if let Some(patch) = self.redo.pop() {
            let undo = self.swap(patch);
            self.undo.push_back(undo);
        }
    }

    /// Puts a patch in place; returns what was there.
    fn swap(&mut self, patch: Patch) -> Patch {
        let Patch { area, greys } = patch;
        let old = cut(&self.greys, self.width, area);
        let width = (area.right - area.left).max(1);
        for (y, row) in (area.top..area.bottom).zip(greys.chunks_exact(width)) {
            self.greys[y * self.width + area.left..y * self.width + area.right].copy_from_slice(row);
        }
        self.touch(area);
        self.measure();
        Patch { area, greys: old }
    }

    /// What has changed since this was asked last, and its greys.
    pub fn take_dirty(&mut self) -> Option<(Area, Vec<u8>)> {
        let area = self.dirty.take()?;
        Some((area, cut(&self.greys, self.width, area)))
    }

    fn measure(&mut self) {
        let white = self.greys.iter().filter(|grey| **grey >= 128).count();
        self.painted = white as f32 / self.greys.len().max(1) as f32;
    }
}

fn cut(greys: &[u8], width: usize, area: Area) -> Vec<u8> {
    let mut part = Vec::with_capacity((area.right - area.left) * (area.bottom - area.top));
    for y in area.top..area.bottom {
        part.extend_from_slice(&greys[y * width + area.left..y * width + area.right]);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_round_and_come_and_go_as_one() {
        let mut mask = Mask::new(40, 30, None);
        mask.begin();
        mask.line([10.0, 10.0], [20.0, 10.0], 4.0, false);
        mask.line([20.0, 10.0], [20.0, 20.0], 4.0, false);
        mask.end();
        let at = |mask: &Mask, x: usize, y: usize| mask.greys()[y * 40 + x];
        assert_eq!((at(&mask, 10, 10), at(&mask, 20, 19), at(&mask, 12, 16)), (255, 255, 0));
        assert!(at(&mask, 6, 10) > 240 && at(&mask, 6, 6) == 0, "round ends");
        assert!(mask.painted() > 0.1 && mask.can_undo() && !mask.can_redo());
        let painted = mask.greys().to_vec();
        mask.undo();
        assert!(mask.greys().iter().all(|grey| *grey == 0) && mask.painted() == 0.0 && !mask.can_undo());
        mask.redo();
        assert_eq!(mask.greys(), painted);

        mask.begin();
        mask.line([-50.0, 10.0], [90.0, 10.0], 3.0, true);
        mask.end();
        assert_eq!((at(&mask, 20, 10), at(&mask, 20, 19)), (0, 255), "erased, also from outside");
        mask.invert();
        assert_eq!((at(&mask, 20, 10), at(&mask, 20, 19)), (255, 0));
        mask.clear();
        assert!(!mask.can_redo() && mask.painted() == 0.0);
        (0..3).for_each(|_| mask.undo());
        assert_eq!(mask.greys(), painted);
    }

    #[test]
    fn what_changes_nothing_is_no_step_and_strange_places_do_no_harm() {
        let mut mask = Mask::new(8, 8, Some(vec![0; 7]));
        for place in [f32::NAN, f32::INFINITY, -1e30, 1e30] {
            mask.begin();
            mask.line([place, 3.0], [place, 3.0], 2.0, true);
            mask.end();
        }
        mask.undo();
        mask.redo();
        assert!(!mask.can_undo() && !mask.can_redo());
        mask.begin();
        mask.line([4.0, 4.0], [4.0, 4.0], 1.0, false);
        mask.end();
        let (area, greys) = mask.take_dirty().unwrap();
        assert_eq!(greys.len(), (area.right - area.left) * (area.bottom - area.top));
        assert!(mask.take_dirty().is_none());
    }
}
