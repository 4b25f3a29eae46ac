//! How fast pictures come, and how long a job will still take.

use crate::recipe::Recipe;
use std::ops::Range;

/// Share of the newest measurement in the smoothed one.
const NEWEST: f64 = 0.3;
/// What decoding counts in the progress of a job, in steps.
const DECODING: f64 = 1.0;

/// A measured time per unit of work, smoothed.
#[derive(Debug, Clone, Copy, Default)]
struct Rate(Option<f64>);

impl Rate {
    fn measured(&mut self, seconds: f64, work: f64) {
        let new = seconds / work.max(1e-9);
        self.0 = Some(self.0.map_or(new, |old| old + NEWEST * (new - old)));
    }
}

/// The speed of a model on a device; kept from job to job.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    step: Rate,
    /// The first steps of pictures.
    first_step: Rate,
    /// Decoding.
    tail: Rate,
}

/// What of a job is done and what is not.
#[derive(Debug)]
pub struct Plan {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    steps: f64,
    /// Work of a step: pixels, twice when guided.
    step_work: f64,
    /// Work of decoding: pixels.
    tail_work: f64,
}

impl Plan {
    /// The plan for some pictures.
    pub fn new(recipes: &[Recipe]) -> Self {
        let part = |recipe: &Recipe| {
            let pixels = f64::from(recipe.width) * f64::from(recipe.height);
            let guided = (recipe.cfg_scale - 1.0).abs() > 1e-6;
            Part {
                steps: recipe.steps_taken(recipe.steps as usize) as f64,
                step_work: if guided { 2.0 * pixels } else { pixels },
                tail_work: pixels,
            }
        };
        Self { parts: recipes.iter().map(part).collect() }
    }

    /// Share of the job that is done, 0..=1, after `step` steps of the pictures `together`, which are some of a batch.
    pub fn progress(&self, batch: &Range<usize>, together: &[usize], step: u32) -> f32 {
        let of = |part: &Part| part.step_work * (part.steps + DECODING);
        let all: f64 = self.parts.iter().map(of).sum();
        let before: f64 = self.parts.iter().take(batch.start).map(of).sum();
        let here = self.rest(batch.clone()).take(batch.len());
        let here = here.map(|(i, part)| part.step_work * part.taken(i, together, step)).sum::<f64>();
        ((before + here) / all.max(1.0)).clamp(0.0, 1.0) as f32
    }

    /// The pictures from the first of a batch on, with their numbers.
    fn rest(&self, batch: Range<usize>) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().enumerate().skip(batch.start)
    }
}

impl Part {
    /// The steps that picture `i` of a batch has taken when those of `together` have taken `step`: the ones before have all.
    fn taken(&self, i: usize, together: &[usize], step: u32) -> f64 {
        match together {
            [first, ..] if i < *first => self.steps,
            _ if together.contains(&i) => f64::from(step).min(self.steps),
            _ => 0.0,
        }
    }
}

impl Pace {
    /// A step of picture `index` took so long. The first step of a picture holds the reading of the words too, and
    /// counts only until a better one is known.
    pub fn step_took(&mut self, plan: &Plan, index: usize, step: u32, seconds: f64) {
        if let Some(part) = plan.parts.get(index) {
            let rate = if step > 1 { &mut self.step } else { &mut self.first_step };
            rate.measured(seconds, part.step_work);
        }
    }

    /// Decoding picture `index` took so long.
    pub fn tail_took(&mut self, plan: &Plan, index: usize, seconds: f64) {
        if let Some(part) = plan.parts.get(index) {
            self.tail.measured(seconds, part.tail_work);
        }
    }

    /// Seconds until the job is over, after `step` steps of the pictures `together`, which are some of a batch.
    pub fn seconds_left(&self, plan: &Plan, batch: &Range<usize>, together: &[usize], step: u32) -> f32 {
        let step_rate = self.step.0.or(self.first_step.0).unwrap_or(0.0);
        // Before the first picture is decoded, that is taken to last as long as a step.
        let tail_rate = self.tail.0.unwrap_or(step_rate);
        let left = |(i, part): (usize, &Part)| {
            let steps = part.steps - part.taken(i, together, step);
            steps * part.step_work * step_rate + part.tail_work * tail_rate
        };
        plan.rest(batch.clone()).map(left).sum::<f64>() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_what_was_measured() {
        let recipe = Recipe { steps: 10, ..Recipe::default() };
        let plan = Plan::new(&[recipe.clone(), recipe]);
        let mut pace = Pace::default();
        pace.step_took(&plan, 0, 1, 5.0);
        for step in 2..=10 {
            pace.step_took(&plan, 0, step, 1.0);
        }
        pace.tail_took(&plan, 0, 2.0);
        let left = pace.seconds_left(&plan, &(1..2), &[1], 4);
        assert!((left - 8.0).abs() < 0.5, "6 steps of 1 s and 2 s of decoding, not {left}");
        let mut last = -1.0;
        for (index, step) in (0..2).flat_map(|i| (1..=10).map(move |s| (i, s))) {
            let progress = plan.progress(&(index..index + 1), &[index], step);
            assert!(progress > last && progress < 1.0, "{progress} after {last}");
            last = progress;
        }
        // Both at once: 3 steps each to go, and two pictures to decode.
        let left = pace.seconds_left(&plan, &(0..2), &[0, 1], 7);
        assert!((left - 10.0).abs() < 0.5, "not {left}");
        assert_eq!(plan.progress(&(0..2), &[0, 1], 5), plan.progress(&(0..2), &[1], 0));
    }
}
