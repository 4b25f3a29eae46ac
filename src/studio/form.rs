//! What the person has set at the left: words, number, seed, sliders. A [`Recipe`] comes out of it.

use crate::pipeline::ModelInfo;
use crate::pipeline::extras::FAMILY;
use crate::recipe::{CFG_RANGE, Recipe, SIDE_RANGE, STEP_RANGE, SourceRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

/// Most pictures of one press of the button.
pub const MAX_COUNT: u32 = 64;

/// Where seeds come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedMode {
    /// A new one at every Generate.
    #[default]
    Random,
    /// The chosen one, counting up from picture to picture.
    Fixed,
    /// The same one for everything, so that words and sliders alone change the picture.
    Locked,
}

/// The settings of the next pictures. What is `None` is left to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// What to draw.
    pub prompt: String,
    /// What to keep away from.
    pub negative: String,
    /// Pictures of one press.
    pub count: u32,
    /// Where seeds come from.
    pub seed_mode: SeedMode,
    /// The next picture's seed.
    pub seed: u64,
    /// Sliders that were touched.
    pub sliders: BTreeMap<String, f32>,
    /// Steps.
    pub steps: Option<u32>,
    /// Guidance.
    pub cfg_scale: Option<f32>,
    /// Sampler.
    pub sampler: Option<String>,
    /// Width.
    pub width: Option<u32>,
    /// Height.
    pub height: Option<u32>,
    /// A picture to start from, which comes with a loaded Recipe.
    pub source: Option<SourceRef>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative: String::new(),
            count: 4,
            seed_mode: SeedMode::Random,
            seed: random_seed(),
            sliders: BTreeMap::new(),
            steps: None,
            cfg_scale: None,
            sampler: None,
            width: None,
            height: None,
            source: None,
        }
    }
}

/// A seed that nobody chose; short enough to be read and typed.
pub fn random_seed() -> u64 {
    // The standard library seeds its hashers from the system's randomness.
    std::collections::hash_map::RandomState::new().build_hasher().finish() & 0xffff_ffff
}

impl Form {
    /// What one picture with the present seed is made of.
    pub fn recipe(&self, info: &ModelInfo) -> Recipe {
        let known = |name: &str| info.sliders.iter().find(|s| s.name == name);
        let sliders = self.sliders.iter().filter_map(|(name, value)| {
            let slider = known(name)?;
            Some((name.clone(), value.clamp(slider.min, slider.max)))
        });
        let fit = |side: u32| {
            let multiple = info.size_multiple.max(1);
            let least = SIDE_RANGE.start().div_ceil(multiple) * multiple;
            (side.min(*SIDE_RANGE.end()) / multiple * multiple).max(least)
        };
        let defaults = &info.defaults;
        Recipe {
            model: defaults.model.clone(),
            prompt: self.prompt.trim().to_string(),
            negative_prompt: self.negative.trim().to_string(),
            seed: self.seed,
            width: fit(self.width.unwrap_or(defaults.width)),
            height: fit(self.height.unwrap_or(defaults.height)),
            steps: self.steps.unwrap_or(defaults.steps).clamp(*STEP_RANGE.start(), *STEP_RANGE.end()),
            cfg_scale: self.cfg_scale.unwrap_or(defaults.cfg_scale).clamp(*CFG_RANGE.start(), *CFG_RANGE.end()),
            sampler: self.sampler.clone().unwrap_or_else(|| defaults.sampler.clone()),
            sliders: sliders.collect(),
            source: self.source.clone(),
            ..Recipe::default()
        }
    }

    /// How many pictures the next press makes: one seed gives one picture.
    pub fn pictures(&self) -> u32 {
        if self.seed_mode == SeedMode::Locked { 1 } else { self.count.clamp(1, MAX_COUNT) }
    }

    /// The Recipes of the next press.
    pub fn batch(&self, info: &ModelInfo) -> Vec<Recipe> {
        let first = self.recipe(info);
        (0..u64::from(self.pictures())).map(|i| first.with_seed(first.seed.wrapping_add(i))).collect()
    }

    /// What happens to the seed once a batch is on its way.
    pub fn after_generate(&mut self) {
        if self.seed_mode == SeedMode::Random {
            self.seed = random_seed();
        }
    }

    /// Takes the settings of a Recipe over. A locked seed stays. Returns the sliders that the model does not have.
    pub fn load(&mut self, recipe: &Recipe, info: Option<&ModelInfo>) -> Vec<String> {
        let defaults = info.map(|i| &i.defaults);
        let unless = |same: bool| !same;
        self.prompt = recipe.prompt.clone();
        self.negative = recipe.negative_prompt.clone();
        if self.seed_mode != SeedMode::Locked {
            self.seed_mode = SeedMode::Fixed;
            self.seed = recipe.seed;
        }
        self.steps = Some(recipe.steps).filter(|v| unless(defaults.is_some_and(|d| d.steps == *v)));
        self.cfg_scale = Some(recipe.cfg_scale).filter(|v| unless(defaults.is_some_and(|d| d.cfg_scale == *v)));
        self.sampler = Some(recipe.sampler.clone()).filter(|v| unless(defaults.is_some_and(|d| d.sampler == *v)));
        self.width = Some(recipe.width).filter(|v| unless(defaults.is_some_and(|d| d.width == *v)));
        self.height = Some(recipe.height).filter(|v| unless(defaults.is_some_and(|d| d.height == *v)));
        self.source = recipe.source.clone();
        self.sliders = recipe.sliders.clone();
        let Some(info) = info else { return Vec::new() };
        let strange = |name: &String| !info.sliders.iter().any(|s| s.name == *name);
        let strangers: Vec<String> = self.sliders.keys().filter(|n| strange(n)).cloned().collect();
        strangers.iter().for_each(|name| _ = self.sliders.remove(name));
        strangers
    }

    /// Makes values from a file bearable.
    pub fn clean(&mut self) {
        self.count = self.count.clamp(1, MAX_COUNT);
        self.sliders.retain(|_, value| value.is_finite());
        self.cfg_scale = self.cfg_scale.filter(|value| CFG_RANGE.contains(value));
        self.steps = self.steps.filter(|value| STEP_RANGE.contains(value));
        self.width = self.width.filter(|value| SIDE_RANGE.contains(value));
        self.height = self.height.filter(|value| SIDE_RANGE.contains(value));
    }
}

/// Names and shares of the families in a mix, which sum to one.
pub fn shares(sliders: &BTreeMap<String, f32>, info: &ModelInfo) -> Vec<(String, f32)> {
    let families = info.sliders.iter().filter(|s| s.group == FAMILY);
    let set: Vec<(String, f32)> = families.filter_map(|s| Some((s.label.clone(), *sliders.get(&s.name)?))).collect();
    let sum: f32 = set.iter().map(|(_, v)| v).sum();
    set.into_iter().map(|(n, v)| (n, if sum > 0.0 { v / sum } else { 0.0 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ModelInfo {
        let slider = crate::pipeline::SliderSpec {
            name: "warmth".into(),
            label: "Warmth".into(),
            group: "attribute".into(),
            min: 0.0,
            max: 1.0,
            neutral: 0.5,
            help: String::new(),
        };
        ModelInfo {
            name: "m".into(),
            path: "m".into(),
            hash: String::new(),
            summary: String::new(),
            sliders: vec![slider],
            vocabulary: Vec::new(),
            native_size: 256,
            size_multiple: 64,
            defaults: Recipe::default(),
            parameters: 0,
        }
    }

    #[test]
    fn seeds_count_up_unless_locked() {
        let mut form = Form { seed: 7, count: 3, seed_mode: SeedMode::Fixed, ..Form::default() };
        let seeds = |form: &Form| form.batch(&info()).iter().map(|r| r.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&form), [7, 8, 9]);
        form.after_generate();
        assert_eq!(form.seed, 7);
        form.seed_mode = SeedMode::Locked;
        assert_eq!(seeds(&form), [7]);
        form.load(&Recipe { seed: 99, ..Recipe::default() }, Some(&info()));
        assert_eq!((form.seed, form.seed_mode), (7, SeedMode::Locked));
        form.seed_mode = SeedMode::Random;
        form.after_generate();
        assert_ne!(form.seed, 7);
    }

    #[test]
    fn a_recipe_comes_back_as_it_went() {
        let mut form = Form { prompt: "a fox".into(), seed_mode: SeedMode::Fixed, ..Form::default() };
        form.sliders.insert("warmth".into(), 0.8);
        form.sliders.insert("elsewhere".into(), 1.0);
        form.steps = Some(12);
        form.width = Some(300);
        let recipe = form.recipe(&info());
        assert_eq!((recipe.width, recipe.steps, recipe.sliders.len()), (256, 12, 1));
        let mut other = Form::default();
        assert!(other.load(&recipe, Some(&info())).is_empty());
        assert_eq!(other.recipe(&info()), recipe);
    }
}
