//! The painter as the artist must score near the ceiling, noise near the floor.

use super::reference::{family_phrase, pair, prompt};
use super::*;
use crate::corpus::captions::vocabulary;
use crate::corpus::families::Family;
use crate::corpus::palettes::PaletteChoice;
use crate::corpus::rng::Rng;
use crate::corpus::{Measured, Sample};
use crate::pipeline::SliderSpec;

const SIDE: usize = 64;

fn info(sliders: bool, words: bool) -> ModelInfo {
    let attributes = Measured::NAMES.iter().map(|n| SliderSpec::plain(n, "attribute"));
    let families = Family::ALL.iter().map(|f| SliderSpec::plain(&format!("family:{}", f.name()), "family"));
    ModelInfo {
        name: "painter".into(),
        sliders: if sliders { attributes.chain(families).collect() } else { Vec::new() },
        vocabulary: if words { vocabulary() } else { Vec::new() },
        native_size: SIDE as u32,
        size_multiple: 8,
        defaults: Recipe { width: SIDE as u32, height: SIDE as u32, ..Recipe::default() },
        parameters: 1,
        ..ModelInfo::plain()
    }
}

/// Paints what the prompt and the sliders ask for; among many scenes, the one whose attribute is nearest.
struct Perfect(ModelInfo, Painter);

impl Perfect {
    fn sample(&self, recipe: &Recipe) -> Sample {
        let palettes = PaletteChoice::all_plain();
        let words = &recipe.prompt;
        let asked = |f: &Family| recipe.sliders.contains_key(&format!("family:{}", f.name()));
        let family = Family::ALL.into_iter().find(|f| asked(f) || words.ends_with(&family_phrase(*f)));
        let palette = palettes.into_iter().find(|p| words.starts_with(&format!("{} ", p.name())));
        let one = |seed: u64| match (&palette, family) {
            (Some(palette), Some(family)) => self.1.plain(seed, SIDE, family, palette.clone()),
            _ => self.1.paint(seed, SIDE),
        };
        let slider = recipe
            .sliders
            .iter()
            .find_map(|(name, value)| Some((Measured::NAMES.iter().position(|n| n == name)?, *value)));
        let Some((attribute, value)) = slider else { return one(recipe.seed) };
        let off = |s: &Sample| (s.scene.measured.values()[attribute] - value).abs();
        let many = (0..24).map(|i| self.1.paint(recipe.seed + i, SIDE));
        many.min_by(|a, b| off(a).total_cmp(&off(b))).unwrap()
    }
}

fn picture(rgb: Vec<u8>, recipe: &Recipe) -> Picture {
    Picture { width: SIDE as u32, height: SIDE as u32, rgb, recipe: recipe.clone(), seconds: 0.1 }
}

impl Artist for Perfect {
    fn info(&self) -> &ModelInfo {
        &self.0
    }
    fn draw(&self, recipe: &Recipe) -> Result<Picture> {
        Ok(picture(self.sample(recipe).rgb, recipe))
    }
    fn preview(&self, _: &Recipe) -> Result<()> {
        Ok(())
    }
}

/// Grey noise, whatever is asked.
struct Noise(ModelInfo);

impl Artist for Noise {
    fn info(&self) -> &ModelInfo {
        &self.0
    }
    fn draw(&self, recipe: &Recipe) -> Result<Picture> {
        let mut rng = Rng::new(recipe.seed);
        Ok(picture((0..SIDE * SIDE * 3).map(|_| (rng.unit() * 255.0) as u8).collect(), recipe))
    }
    fn preview(&self, _: &Recipe) -> Result<()> {
        Ok(())
    }
}

fn measured(artist: &dyn Artist) -> Report {
    let options = Options { count: 240, seed: 1, ..Options::default() };
    let report = evaluate(artist, &options, &mut |_| Ok(())).unwrap();
    for part in &report.parts {
        println!("{}", part.title());
        part.rows().iter().for_each(|r| println!("  {:<22}{:>9}  {}", r.name, r.value, r.meaning));
    }
    println!("{:?}", report.scores);
    report
}

#[test]
fn the_painter_scores_near_the_ceiling_and_noise_near_the_floor() {
    let painter = measured(&Perfect(info(true, true), Painter::new(None).unwrap())).scores;
    let noise = measured(&Noise(info(true, true))).scores;
    let high = [painter.natural, painter.diverse, painter.prompt, painter.sliders];
    assert!(high.iter().all(|s| s.unwrap() > 0.8), "{painter:?}");
    let low = [noise.natural, noise.diverse, noise.prompt, noise.sliders];
    assert!(low.iter().all(|s| s.unwrap() < 0.25), "{noise:?}");
}

#[test]
fn what_a_model_lacks_is_left_out_and_said() {
    let mut told = Vec::new();
    let options = Options { count: MIN_COUNT, ..Options::default() };
    let report = evaluate(&Noise(info(false, false)), &options, &mut |event| {
        if let Event::LeftOut { part, why } = event {
            told.push(part);
            assert!(why.ends_with('.'));
        }
        Ok(())
    });
    let report = report.unwrap();
    assert_eq!(told, ["natural", "prompt", "sliders"]);
    assert_eq!(report.parts.len(), 2);
    assert_eq!((report.scores.natural, report.scores.sliders), (None, None));
}

#[test]
fn all_pictures_are_used_and_announced() {
    for (count, sliders, words) in [(80, true, true), (97, false, true), (240, true, true), (1000, true, false)] {
        let plan = Plan::new(count, &info(sliders, words));
        assert!(plan.drawn() <= count && plan.drawn() + 4 > count, "{count}: {plan:?}");
    }
    let artist = Noise(info(true, true));
    let mut last = (0, 0, None);
    let options = Options { count: 80, ..Options::default() };
    evaluate(&artist, &options, &mut |event| {
        if let Event::Progress { done, of, seconds_left, .. } = event {
            last = (done, of, seconds_left);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(last, (80, 80, Some(0.0)));
    let stopped = evaluate(&artist, &options, &mut |_| Err(Error::cancelled()));
    assert_eq!(stopped.unwrap_err().message, "Cancelled.");
    assert!(evaluate(&artist, &Options { count: 3, ..options }, &mut |_| Ok(())).is_err());
}

#[test]
fn every_prompt_is_in_the_vocabulary() {
    let known = vocabulary();
    for i in 0..42 * 16 {
        let (family, palette) = pair(i);
        for word in prompt(family, &palette).split(' ').chain(["palette", "on", "a", "an"]) {
            assert!(known.iter().any(|k| k == word), "{word}");
        }
    }
}
