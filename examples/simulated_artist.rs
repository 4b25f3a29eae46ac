//! A simulated artist with hidden preferences answers pairs of real pictures; then walls that taste bent are held against
//! walls without it, on prompts and seeds that the artist has not seen. With --deeper, an adapter learns from the same choices, and
//! pictures with it are held against pictures without it. --library keeps the choices, so that another run can go on from them.
//!
//!     cargo run --release --example simulated_artist -- --pairs 30 --seed 1 [--walls 6] [--library FOLDER] [--deeper STEPS [--imagined 48] [--lr X] [--beta X]] [--model models/ember]
//!
//! The preference is linear in warmth, symmetry, density and one hue of the finished picture; one answer in ten is wrong.

use kiln::corpus::measure::{measure, small_oklab};
use kiln::corpus::rng::Rng;
use kiln::insight::features::features;
use kiln::insight::statistics::{Scale, mean_distance};
use kiln::library::Library;
use kiln::pipeline::Pipeline;
use kiln::recipe::{AdapterRef, Picture, Recipe};
use kiln::taste::{Taste, Wish, draw_wall, wall};
use kiln::tuning::finetune::settings::BETA;
use kiln::tuning::finetune::{Lessons, Options, Preference, Settings, run as teach};
use kiln::tuning::optimizer::OptimizerKind;
use kiln::worker::lessons;
use kiln::{Error, Result};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

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

    /// Holds walls with taste against walls without.
    fn trial(&self, artist: &Artist, taste: &Taste, walls: usize) -> Result<Held> {
        let mut held = Held::default();
        for (nth, prompt) in HELD_OUT.iter().cycle().take(walls).enumerate() {
            let seed = 700_000 + 1000 * nth as u64;
            let with = self.wall(taste, self.recipe(prompt, seed), wall::EXPLORE)?;
            let without = (0..WALL).map(|i| self.make(&self.recipe(prompt, seed + 500 + u64::from(i))));
            held.count(artist, &with, &without.collect::<Result<Vec<_>>>()?);
        }
        Ok(held)
    }

    /// Teaches an adapter from the library's choices, and holds pictures with it against pictures without.
    fn deeper(&self, artist: &Artist, library: &Library, steps: u64, walls: usize) -> Result<(Held, String)> {
        let out = library.folder().join("deeper.safetensors");
        let beta = option("--beta", &BETA.to_string()).parse().unwrap_or(BETA);
        let preference = match option("--preference", "dpo").as_str() {
            "reward" => Preference::Reward,
            _ => Preference::Dpo { beta },
        };
        let suited =
            Settings::suited_to(self.pipeline.info().parameters, OptimizerKind::AdamW, 8).taught_by(preference);
        let learning_rate = option("--lr", "").parse().unwrap_or(suited.learning_rate);
        let settings = Settings { steps, learning_rate, ..suited };
        let mut taught = lessons::of(library, &settings)?;
        let imagined = option("--imagined", "48").parse().unwrap_or(48);
        taught.imagine(&self.pipeline, imagined, &library.folder().join("imagined"), &mut |_, _| true)?;
        let options = Options {
            lessons: Lessons::Choices(taught.choices),
            out: out.clone(),
            settings,
            search: false,
            resume: false,
            write_captions: false,
            taste: Some(Arc::new(Taste::of(library)?)),
            stop: || false,
        };
        let outcome = teach(&self.pipeline, &options, &mut |_| Ok(()))?;
        let proof = outcome.card.evidence.map_or("Nothing was held out.".into(), |e| e.sentence());
        let drawn = outcome.card.drawn.map_or(String::new(), |d| d.sentence());
        let adapter = AdapterRef { name: out.display().to_string(), hash: String::new(), weight: 1.0 };
        let mut held = Held::default();
        for (nth, prompt) in HELD_OUT.iter().cycle().take(walls).enumerate() {
            let seed = 800_000 + 1000 * nth as u64;
            let without: Vec<Recipe> = (0..WALL).map(|i| self.recipe(prompt, seed + u64::from(i))).collect();
            let with = without.iter().map(|r| Recipe { adapters: vec![adapter.clone()], ..r.clone() });
            let make = |recipes: Vec<Recipe>| recipes.iter().map(|r| self.make(r)).collect::<Result<Vec<_>>>();
            held.count(artist, &make(with.collect())?, &make(without)?);
        }
        Ok((held, format!("{} steps in {:.0} s. {proof} {drawn}", outcome.steps, outcome.seconds)))
    }
}

/// Pictures of two kinds held against each other.
#[derive(Default)]
struct Held {
    wins: f64,
    all: usize,
    bent: f64,
    plain: f64,
}

impl Held {
    /// Every picture of the one wall against every one of the other.
    fn count(&mut self, artist: &Artist, with: &[Picture], without: &[Picture]) {
        for (a, b) in with.iter().flat_map(|a| without.iter().map(move |b| (a, b))) {
            self.wins += f64::from(u8::from(artist.likes(a) > artist.likes(b)));
            self.all += 1;
        }
        let seen =
            |wall: &[Picture]| -> Vec<Vec<f32>> { wall.iter().map(|p| features(p.width, p.height, &p.rgb)).collect() };
        let (with, without) = (seen(with), seen(without));
        let scale = Scale::of(&[with.clone(), without.clone()].concat());
        let spread = |set: &[Vec<f32>]| mean_distance(&set.iter().map(|f| scale.apply(f)).collect::<Vec<_>>());
        self.bent += spread(&with);
        self.plain += spread(&without);
    }

    fn sentence(&self) -> String {
        format!(
            "wins {:.1} % of {}, diversity {:.0} % of the base",
            self.wins / self.all as f64 * 100.0,
            self.all,
            self.bent / self.plain * 100.0
        )
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
    let deeper = number("--deeper", "0")?;
    let pipeline = Pipeline::load(Path::new(&option("--model", "models/ember")), &mut |_| {})?;
    let studio = Studio { pipeline };
    let given = option("--library", "");
    let temporary = std::env::temp_dir().join(format!("kiln-artist-{}-{seed}", std::process::id()));
    let folder = if given.is_empty() { temporary.clone() } else { given.into() };
    let library = Library::open(&folder)?.0;
    let mut artist = Artist::new(seed);
    let mut answered = library.comparisons()?.len() as u64;
    if answered >= pairs {
        // A library that was kept: only what is learnt from it is measured.
        let (held, how) = studio.deeper(&artist, &library, deeper, number("--held-out-walls", "6")? as usize)?;
        println!("artist {seed}, {answered} pairs, deeper: {}. {how}", held.sentence());
        return Ok(());
    }
    for (nth, prompt) in SEEN.iter().cycle().enumerate() {
        let taste = Taste::of(&library)?;
        let made = studio.wall(&taste, studio.recipe(prompt, 1000 * nth as u64 + 100_000 * seed), 0.5)?;
        for pair in made.chunks_exact(2) {
            let ids = [library.add(&pair[0])?.id, library.add(&pair[1])?.id];
            let first = artist.prefers_first(&pair[0], &pair[1]);
            let (winner, loser) = if first { (ids[0], ids[1]) } else { (ids[1], ids[0]) };
            library.compare(winner, loser)?;
            answered += 1;
            if (answered == 10 || answered == pairs) && walls > 0 {
                let taste = Taste::of(&library)?;
                let held = studio.trial(&artist, &taste, walls as usize)?.sentence();
                println!("artist {seed}, {answered} pairs: {held}. {}", taste.summary().sentence());
            }
            if answered == pairs && deeper > 0 {
                let (held, how) =
                    studio.deeper(&artist, &library, deeper, number("--held-out-walls", "6")? as usize)?;
                println!("artist {seed}, {answered} pairs, deeper: {}. {how}", held.sentence());
            }
            if answered >= pairs {
                drop(library);
                if folder == temporary {
                    std::fs::remove_dir_all(&folder).map_err(|e| Error::io("delete", &folder, e))?;
                }
                return Ok(());
            }
        }
    }
    Ok(())
}
