//! A simulated artist with hidden preferences answers pairs of real pictures; then walls that taste bent are held against
//! walls without it, on prompts and seeds that the artist has not seen.
//!
//!     cargo run --release --example simulated_artist -- --pairs 30 --seed 1 [--walls 6] [--model models/ember]
//!
//! The preference is linear in warmth, symmetry, density and one hue of the finished picture; one answer in ten is wrong.

use kiln::corpus::measure::{measure, small_oklab};
use kiln::corpus::rng::Rng;
use kiln::insight::features::features;
use kiln::insight::statistics::{Scale, mean_distance};
use kiln::library::Library;
use kiln::pipeline::Pipeline;
use kiln::recipe::{Picture, Recipe};
use kiln::taste::{Taste, Wish, draw_wall, wall};
use kiln::{Error, Result};
use std::ops::ControlFlow;
use std::path::Path;

/// What the artist judges while Kiln learns.
const SEEN: [&str; 6] = ["flowing lines", "a fox", "geometric shapes", "marbled paper", "packed circles", "a castle"];
/// What it is asked for afterwards.
const HELD_OUT: [&str; 6] = ["mosaic", "an owl", "rolling waves", "leaves", "tiles", "a sailboat on waves"];
/// Pictures of a wall.
const WALL: u32 = 8;

struct Artist {
    weights: [f64; 3],
    hue: f32,
    hue_weight: f64,
    rng: Rng,
}

impl Artist {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut weight = || f64::from(rng.sign() * rng.range(0.3, 1.0));
        let (weights, hue_weight) = ([weight(), weight(), weight()], weight());
        let hue = rng.range(0.0, std::f32::consts::TAU);
        Self { weights, hue, hue_weight, rng }
    }

    /// Each property over about its usual spread.
    fn likes(&self, picture: &Picture) -> f64 {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let found = measure(&picture.rgb, width, height);
        let lab = small_oklab(&picture.rgb, width, height);
        let along = lab.iter().map(|p| (p[1] * self.hue.cos() + p[2] * self.hue.sin()).max(0.0));
        let hue = along.sum::<f32>() / lab.len() as f32;
        let parts = [found.warmth, found.symmetry, found.density].map(|v| f64::from(v) / 0.3);
        parts.iter().zip(self.weights).map(|(p, w)| p * w).sum::<f64>() + self.hue_weight * f64::from(hue) / 0.03
    }

    fn prefers_first(&mut self, a: &Picture, b: &Picture) -> bool {
        (self.likes(a) > self.likes(b)) != self.rng.chance(0.1)
    }
}

struct Studio {
    pipeline: Pipeline,
}

impl Studio {
    fn make(&self, recipe: &Recipe) -> Result<Picture> {
        self.pipeline.generate(recipe, &mut |_| ControlFlow::Continue(()))
    }

    fn recipe(&self, prompt: &str, seed: u64) -> Recipe {
        Recipe { prompt: prompt.into(), seed, ..self.pipeline.info().defaults.clone() }
    }

    fn wall(&self, taste: &Taste, recipe: Recipe, explore: f32) -> Result<Vec<Picture>> {
        let wish = Wish { recipe, count: WALL, explore, looks: wall::LOOKS, locked: false };
        let mut look = |recipe: &Recipe| self.pipeline.preview(recipe, &mut || false);
        draw_wall(taste, self.pipeline.info(), &wish, &mut look)?.iter().map(|recipe| self.make(recipe)).collect()
    }

    /// Share of the comparisons that walls with taste win, how many there were, and their share of the diversity without.
    fn trial(&self, artist: &Artist, taste: &Taste, walls: usize) -> Result<(f64, usize, f64)> {
        let (mut wins, mut all, mut bent, mut plain) = (0.0, 0, 0.0, 0.0);
        for (nth, prompt) in HELD_OUT.iter().cycle().take(walls).enumerate() {
            let seed = 700_000 + 1000 * nth as u64;
            let with = self.wall(taste, self.recipe(prompt, seed), wall::EXPLORE)?;
            let without = (0..WALL).map(|i| self.make(&self.recipe(prompt, seed + 500 + u64::from(i))));
            let without = without.collect::<Result<Vec<_>>>()?;
            for (a, b) in with.iter().flat_map(|a| without.iter().map(move |b| (a, b))) {
                wins += f64::from(u8::from(artist.likes(a) > artist.likes(b)));
                all += 1;
            }
            let seen = |wall: &[Picture]| -> Vec<Vec<f32>> {
                wall.iter().map(|p| features(p.width, p.height, &p.rgb)).collect()
            };
            let (with, without) = (seen(&with), seen(&without));
            let scale = Scale::of(&[with.clone(), without.clone()].concat());
            let spread = |set: &[Vec<f32>]| mean_distance(&set.iter().map(|f| scale.apply(f)).collect::<Vec<_>>());
            bent += spread(&with);
            plain += spread(&without);
        }
        Ok((wins / all as f64, all, bent / plain))
    }
}

fn option(name: &str, default: &str) -> String {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|a| a == name);
    at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_else(|| default.into())
}

fn number(name: &str, default: &str) -> Result<u64> {
    let text = option(name, default);
    text.parse().map_err(|_| Error::usage(format!("{name} {text}: write a number.")))
}

fn main() -> Result<()> {
    let (pairs, seed, walls) = (number("--pairs", "30")?, number("--seed", "1")?, number("--walls", "6")?);
    let pipeline = Pipeline::load(Path::new(&option("--model", "models/ember")), &mut |_| {})?;
    let studio = Studio { pipeline };
    let folder = std::env::temp_dir().join(format!("kiln-artist-{}-{seed}", std::process::id()));
    let library = Library::open(&folder)?.0;
    let mut artist = Artist::new(seed);
    let mut answered = 0;
    for (nth, prompt) in SEEN.iter().cycle().enumerate() {
        let taste = Taste::of(&library)?;
        let made = studio.wall(&taste, studio.recipe(prompt, 1000 * nth as u64 + 100_000 * seed), 0.5)?;
        for pair in made.chunks_exact(2) {
            let ids = [library.add(&pair[0])?.id, library.add(&pair[1])?.id];
            let first = artist.prefers_first(&pair[0], &pair[1]);
            let (winner, loser) = if first { (ids[0], ids[1]) } else { (ids[1], ids[0]) };
            library.compare(winner, loser)?;
            answered += 1;
            if answered == 10 || answered == pairs {
                let taste = Taste::of(&library)?;
                let (share, all, diversity) = studio.trial(&artist, &taste, walls as usize)?;
                println!(
                    "artist {seed}, {answered} pairs: wins {:.1} % of {all}, diversity {:.0} % of the base. {}",
                    share * 100.0,
                    diversity * 100.0,
                    taste.summary().sentence()
                );
            }
            if answered >= pairs {
                drop(library);
                return std::fs::remove_dir_all(&folder).map_err(|e| Error::io("delete", &folder, e));
            }
        }
    }
    Ok(())
}
