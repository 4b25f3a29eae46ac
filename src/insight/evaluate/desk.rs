//! Where pictures are asked for: of the artist, of the painter; counts them and says how long it will take.

use super::plan::Plan;
use super::{Artist, Event, Hear, Part};
use crate::Result;
use crate::corpus::families::Family;
use crate::corpus::palettes::PaletteChoice;
use crate::corpus::{Painter, Sample};
use crate::insight::features::features;
use crate::recipe::{Picture, Recipe};
use rayon::prelude::*;
use std::time::Instant;

/// Corpus pictures painted between two looks at whether the person cancelled.
const CHUNK: usize = 32;
/// Seconds of a corpus picture before one was timed.
const GUESS: f64 = 0.03;

/// A corpus picture to paint.
#[derive(Debug, Clone)]
pub enum Order {
    /// Any scene of the corpus.
    Scene(u64),
    /// One family in one palette.
    Plain(u64, Family, PaletteChoice),
    /// An object in front of one family in one palette.
    Portrait(u64, Family, PaletteChoice, usize),
}

#[derive(Default)]
struct Tally {
    done: usize,
    of: usize,
    seconds: f64,
}

impl Tally {
    /// None before the first was timed.
    fn seconds_left(&self) -> Option<f64> {
        (self.done > 0).then(|| self.seconds / self.done as f64 * self.of.saturating_sub(self.done) as f64)
    }
}

/// The artist, the painter, and who hears of them.
pub struct Desk<'a> {
    artist: &'a dyn Artist,
    painter: Painter,
    seed: u64,
    size: usize,
    hear: &'a mut Hear<'a>,
    part: &'static str,
    drawn: Tally,
    painted: Tally,
}

impl<'a> Desk<'a> {
    pub fn new(artist: &'a dyn Artist, painter: Painter, seed: u64, plan: &Plan, hear: &'a mut Hear<'_>) -> Self {
        let drawn = Tally { of: plan.drawn(), ..Tally::default() };
        let painted = Tally { of: plan.painted(painter.objects() > 0), ..Tally::default() };
        // Fine texture depends on the size, so the painter paints at the artist's.
        let size = artist.info().defaults.width.clamp(32, 512) as usize;
        Self { artist, painter, seed, size, hear, part: "speed", drawn, painted }
    }

    /// From now on pictures are for this part.
    pub fn start(&mut self, part: &'static str) -> Result<()> {
        self.part = part;
        self.progress()
    }

    pub fn artist(&self) -> &dyn Artist {
        self.artist
    }

    /// A number that nothing but the evaluation's seed, the purpose and the index decides.
    pub fn seed(&self, purpose: &str, index: usize) -> u64 {
        let bytes = purpose.bytes().chain((index as u64).to_le_bytes());
        let hash =
            bytes.fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        // FNV alone leaves neighbours alike; this is the finish of splitmix64.
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// The artist's own Recipe for a prompt.
    pub fn recipe(&self, prompt: &str, seed: u64) -> Recipe {
        // A seed that a person can type into the studio.
        Recipe { prompt: prompt.into(), seed: seed >> 32, ..self.artist.info().defaults.clone() }
    }

    /// Has the artist draw.
    pub fn draw(&mut self, recipe: &Recipe) -> Result<Picture> {
        let began = Instant::now();
        let picture = self.artist.draw(recipe)?;
        self.drawn.done += 1;
        self.drawn.seconds += began.elapsed().as_secs_f64();
        self.progress()?;
        Ok(picture)
    }

    /// Has the painter paint, and keeps of each picture what `look` makes of it.
    pub fn paint<T: Send>(&mut self, orders: &[Order], look: impl Fn(&Sample) -> T + Sync) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(orders.len());
        for chunk in orders.chunks(CHUNK) {
            let began = Instant::now();
            let (painter, size) = (&self.painter, self.size);
            all.par_extend(chunk.par_iter().map(|order| {
                look(&match order {
                    Order::Scene(seed) => painter.paint(*seed, size),
                    Order::Plain(seed, family, palette) => painter.plain(*seed, size, *family, palette.clone()),
                    Order::Portrait(seed, family, palette, object) => {
                        painter.portrait(*seed, size, *family, palette.clone(), *object)
                    }
                })
            }));
            self.painted.done += chunk.len();
            self.painted.seconds += began.elapsed().as_secs_f64();
            self.progress()?;
        }
        Ok(all)
    }

    /// Whether the painter has objects to draw.
    pub fn has_objects(&self) -> bool {
        self.painter.objects() > 0
    }

    /// Width and height of the painter's pictures, pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Passes a result on.
    pub fn measured(&mut self, part: &Part) -> Result<()> {
        (self.hear)(Event::Measured(part))
    }

    /// Says that a part cannot be measured.
    pub fn leave_out(&mut self, part: &'static str, why: &str) -> Result<()> {
        (self.hear)(Event::LeftOut { part, why })
    }

    fn progress(&mut self) -> Result<()> {
        let painting = self.painted.seconds_left().unwrap_or(GUESS * self.painted.of as f64);
        let seconds_left = self.drawn.seconds_left().map(|drawing| drawing + painting);
        (self.hear)(Event::Progress { part: self.part, done: self.drawn.done, of: self.drawn.of, seconds_left })
    }
}

/// Features of a picture.
pub fn features_of(picture: &Picture) -> Vec<f32> {
    features(picture.width, picture.height, &picture.rgb)
}

/// Features of a corpus picture with this side in pixels.
pub fn features_of_sample(sample: &Sample, size: usize) -> Vec<f32> {
    features(size as u32, size as u32, &sample.rgb)
}
