//! What the person has set at the left: words, number, seed, sliders. A [`Recipe`] comes out of it.

use crate::pipeline::ModelInfo;
use crate::pipeline::extras::FAMILY;
use crate::pipeline::styles::{self, Style};
use crate::recipe::{
    AdapterRef, CFG_RANGE, CLIP_SKIP_RANGE, ENLARGE_RANGE, EmbeddingRef, FirstPass, MaskRef, Outpaint, Recipe,
    SIDE_RANGE, STEP_RANGE, SourceRef, Upscaler, Variation,
};
use crate::sampler::SamplerKind;
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
    /// A style, by its name; its words are put round the prompt when a Recipe is made.
    pub style: Option<String>,
    /// Clip skip.
    pub clip_skip: Option<u32>,
    /// Guidance rescale.
    pub cfg_rescale: Option<f32>,
    /// Share of the steps without guidance.
    pub skip_early_cfg: Option<f32>,
    /// A second seed.
    pub variation: Option<Variation>,
    /// Whether edges meet.
    pub seamless: bool,
    /// A second, larger pass.
    pub enlarge: Option<Enlarge>,
    /// Adapters, which come with a loaded Recipe.
    pub adapters: Vec<AdapterRef>,
    /// Learnt words that the prompt may name, which come with a loaded Recipe.
    pub embeddings: Vec<EmbeddingRef>,
    /// A picture to start from, which comes with a loaded Recipe.
    pub source: Option<SourceRef>,
    /// Where that may change.
    pub mask: Option<MaskRef>,
    /// How far the picture goes beyond it.
    pub outpaint: Option<Outpaint>,
}

/// A second pass at a larger size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Enlarge {
    /// Its width and its height by those of the first; they differ only where another tool's picture had them so.
    pub factors: [f32; 2],
    /// How far it goes from the first, 0..=1.
    pub strength: f32,
    /// How the first is enlarged.
    #[serde(default)]
    pub upscaler: Upscaler,
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
            style: None,
            clip_skip: None,
            cfg_rescale: None,
            skip_early_cfg: None,
            variation: None,
            seamless: false,
            enlarge: None,
            adapters: Vec::new(),
            embeddings: Vec::new(),
            source: None,
            mask: None,
            outpaint: None,
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
        let first = [self.width.unwrap_or(defaults.width), self.height.unwrap_or(defaults.height)].map(fit);
        // A picture to start from takes the place of a first pass.
        let enlarge = self.enlarge.filter(|_| self.source.is_none());
        let [width, height] =
            enlarge.map_or(first, |e| [0, 1].map(|i| fit((first[i] as f32 * e.factors[i].max(1.0)).round() as u32)));
        let first_pass = enlarge.filter(|_| first != [width, height]).map(|e| FirstPass {
            width: first[0],
            height: first[1],
            denoising_strength: e.strength,
            upscaler: e.upscaler,
        });
        let mut recipe = Recipe {
            model: defaults.model.clone(),
            prompt: self.prompt.trim().to_string(),
            negative_prompt: self.negative.trim().to_string(),
            seed: self.seed,
            width,
            height,
            first_pass,
            seamless: self.seamless,
            steps: self.steps.unwrap_or(defaults.steps).clamp(*STEP_RANGE.start(), *STEP_RANGE.end()),
            cfg_scale: self.cfg_scale.unwrap_or(defaults.cfg_scale).clamp(*CFG_RANGE.start(), *CFG_RANGE.end()),
            sampler: self.sampler_for(info),
            sliders: sliders.collect(),
            source: self.source.clone(),
            mask: self.mask.clone(),
            outpaint: self.outpaint,
            adapters: self.adapters.clone(),
            embeddings: self.embeddings.clone(),
            clip_skip: self.clip_skip.unwrap_or(defaults.clip_skip).clamp(1, info.text_layers.max(1)),
            cfg_rescale: self.cfg_rescale.unwrap_or(defaults.cfg_rescale),
            skip_early_cfg: self.skip_early_cfg.unwrap_or(defaults.skip_early_cfg),
            variation: self.variation,
            version: Recipe::default().version,
        };
        if let Some(style) = self.style(info)
            && !recipe.prompt.is_empty()
        {
            style.apply(&mut recipe);
        }
        recipe
    }

    /// The sampler, as far as the model can use it.
    pub fn sampler_for(&self, info: &ModelInfo) -> String {
        let usable = |name: &&String| name.parse::<SamplerKind>().is_ok_and(|kind| info.takes(kind));
        self.sampler.as_ref().filter(usable).unwrap_or(&info.defaults.sampler).clone()
    }

    /// The style, if there is one that the model understands.
    pub fn style(&self, info: &ModelInfo) -> Option<&'static Style> {
        let name = self.style.as_ref()?;
        usable_styles(info).find(|style| style.name == *name)
    }

    /// Whether anything of the fold differs from the model's own values.
    pub fn differs(&self) -> bool {
        self.steps.is_some()
            || self.cfg_scale.is_some()
            || self.sampler.is_some()
            || self.width.is_some()
            || self.height.is_some()
            || self.clip_skip.is_some()
            || self.cfg_rescale.is_some()
            || self.skip_early_cfg.is_some()
            || self.enlarge.is_some()
            || self.seamless
    }

    /// Leaves everything of the fold to the model, but for what a Recipe brought with it.
    pub fn reset(&mut self) {
        (self.steps, self.cfg_scale, self.sampler, self.width, self.height) = (None, None, None, None, None);
        (self.clip_skip, self.cfg_rescale, self.skip_early_cfg) = (None, None, None);
        (self.enlarge, self.seamless) = (None, false);
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

    /// Takes the settings of a Recipe over. A locked seed stays; a style's words are in the prompt already. Returns the sliders
    /// and other things that the model does not have.
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
        let (width, height) = recipe.first_size();
        self.width = Some(width).filter(|v| unless(defaults.is_some_and(|d| d.width == *v)));
        self.height = Some(height).filter(|v| unless(defaults.is_some_and(|d| d.height == *v)));
        self.enlarge = recipe.first_pass.map(|first| Enlarge {
            factors: [
                recipe.width as f32 / first.width.max(1) as f32,
                recipe.height as f32 / first.height.max(1) as f32,
            ],
            strength: first.denoising_strength,
            upscaler: first.upscaler,
        });
        self.seamless = recipe.seamless;
        self.clip_skip = Some(recipe.clip_skip).filter(|v| unless(defaults.is_some_and(|d| d.clip_skip == *v)));
        self.cfg_rescale = Some(recipe.cfg_rescale).filter(|v| unless(defaults.is_some_and(|d| d.cfg_rescale == *v)));
        let skip = Some(recipe.skip_early_cfg);
        self.skip_early_cfg = skip.filter(|v| unless(defaults.is_some_and(|d| d.skip_early_cfg == *v)));
        self.variation = recipe.variation;
        self.style = None;
        self.adapters = recipe.adapters.clone();
        self.embeddings = recipe.embeddings.clone();
        self.source = recipe.source.clone();
        self.mask = recipe.mask.clone();
        self.outpaint = recipe.outpaint;
        self.sliders = recipe.sliders.clone();
        let Some(info) = info else { return Vec::new() };
        let strange = |name: &String| !info.sliders.iter().any(|s| s.name == *name);
        let mut strangers: Vec<String> = self.sliders.keys().filter(|n| strange(n)).cloned().collect();
        strangers.iter().for_each(|name| _ = self.sliders.remove(name));
        if let Some(name) = self.sampler.take_if(|name| !name.parse().is_ok_and(|kind| info.takes(kind))) {
            strangers.push(format!("use for the sampler {name}"));
        }
        if self.clip_skip.take_if(|skip| *skip > info.text_layers).is_some() {
            strangers.push(format!("layer for clip skip {}", recipe.clip_skip));
        }
        strangers
    }

    /// Makes values from a file bearable.
    pub fn clean(&mut self) {
        self.count = self.count.clamp(1, MAX_COUNT);
        self.sliders.retain(|_, value| value.is_finite());
        self.cfg_scale = self.cfg_scale.filter(|value| CFG_RANGE.contains(value));
        self.steps = self.steps.filter(|value| STEP_RANGE.contains(value));
        self.clip_skip = self.clip_skip.filter(|value| CLIP_SKIP_RANGE.contains(value));
        self.cfg_rescale = self.cfg_rescale.filter(|value| (0.0..=1.0).contains(value));
        self.skip_early_cfg = self.skip_early_cfg.filter(|value| (0.0..=1.0).contains(value));
        self.variation = self.variation.filter(|value| (0.0..=1.0).contains(&value.strength));
        self.enlarge = self
            .enlarge
            .filter(|e| e.factors.iter().all(|f| ENLARGE_RANGE.contains(f)) && (0.0..=1.0).contains(&e.strength));
        self.adapters.retain(|adapter| adapter.weight.is_finite());
        self.width = self.width.filter(|value| SIDE_RANGE.contains(value));
        self.height = self.height.filter(|value| SIDE_RANGE.contains(value));
    }
}

/// The styles whose every word a model understands.
pub fn usable_styles(info: &ModelInfo) -> impl Iterator<Item = &'static Style> {
    let usable = |style: &&Style| info.knows(&style.prompt.replace("{prompt}", " ")) && info.knows(&style.negative);
    styles::all().iter().filter(usable)
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
        ModelInfo {
            name: "m".into(),
            path: "m".into(),
            hash: String::new(),
            summary: String::new(),
            sliders: vec![crate::pipeline::SliderSpec::plain("warmth", "attribute")],
            vocabulary: Vec::new(),
            native_size: 256,
            size_multiple: 64,
            defaults: Recipe::default(),
            parameters: 0,
            flow: true,
            text_layers: 2,
            text_widths: vec![4],
            word_spread: 1.0,
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

        // Everything that only the shell and other people's pictures set.
        let whole = Recipe {
            negative_prompt: "noise".into(),
            sampler: "heun".into(),
            clip_skip: 2,
            cfg_rescale: 0.7,
            skip_early_cfg: 0.2,
            variation: Some(Variation { subseed: 9, strength: 0.25 }),
            adapters: vec![AdapterRef { name: "ink.safetensors".into(), hash: "ab".into(), weight: 0.8 }],
            embeddings: vec![EmbeddingRef { name: "fox.safetensors".into(), hash: "0f".into() }],
            source: Some(SourceRef { path: "a.png".into(), hash: "cd".into(), denoising_strength: 0.6 }),
            mask: Some(MaskRef { path: "m.png".into(), hash: "ef".into(), keep_outside: false }),
            outpaint: Some(Outpaint { left: 64, ..Outpaint::default() }),
            seamless: true,
            ..recipe
        };
        let mut other = Form { style: Some("Comic".into()), ..Form::default() };
        assert!(other.load(&whole, Some(&info())).is_empty());
        assert_eq!(other.recipe(&info()), whole);
        other.clean();
        assert_eq!(other.recipe(&info()), whole, "also out of a file");
        assert!(other.differs());
        other.reset();
        assert_eq!((other.recipe(&info()).clip_skip, other.differs()), (1, false));

        let first_pass =
            Some(FirstPass { width: 256, height: 192, denoising_strength: 0.4, upscaler: Upscaler::LatentBicubic });
        let twice = Recipe { width: 512, height: 320, first_pass, source: None, mask: None, outpaint: None, ..whole };
        other.load(&twice, Some(&info()));
        assert_eq!(other.recipe(&info()), twice);
        other.source = Some(SourceRef { path: "a.png".into(), hash: String::new(), denoising_strength: 0.6 });
        assert_eq!((other.recipe(&info()).first_pass, other.recipe(&info()).width), (None, 256));
    }

    #[test]
    fn only_what_the_model_can_use_is_asked_of_it() {
        let mut form = Form { prompt: "a fox".into(), sampler: Some("dpm2".into()), ..Form::default() };
        assert_eq!(form.recipe(&info()).sampler, Recipe::default().sampler, "a flow has no DPM2");
        let other = ModelInfo { flow: false, ..info() };
        assert_eq!(form.recipe(&other).sampler, "dpm2");
        let left_out = form.load(&Recipe { sampler: "lms".into(), clip_skip: 9, ..Recipe::default() }, Some(&info()));
        assert_eq!(left_out, ["use for the sampler lms", "layer for clip skip 9"]);
        assert_eq!((&form.sampler, form.clip_skip), (&None, None));
        let (flow, epsilon) = (super::super::advanced::samplers(&info()), super::super::advanced::samplers(&other));
        assert!(flow.iter().all(|k| k.method.follows_flow()) && flow.len() < epsilon.len(), "{flow:?}");
    }

    #[test]
    fn a_style_is_put_round_the_words_and_only_where_it_is_understood() {
        let form = Form { prompt: "a fox".into(), style: Some("Comic".into()), ..Form::default() };
        let recipe = form.recipe(&info());
        assert_eq!(recipe.prompt, "a fox with halftone dots, pop art, punchy");
        assert_eq!(form.prompt, "a fox", "the person's words stay as they are");
        let few = ModelInfo { vocabulary: vec!["fox".into()], ..info() };
        assert_eq!(form.recipe(&few).prompt, "a fox");
        let ember = ModelInfo { vocabulary: crate::corpus::captions::vocabulary(), ..info() };
        assert!(usable_styles(&ember).count() >= 16 && usable_styles(&ember).all(|s| s.group == "ember"));
        assert_eq!(Form { prompt: " ".into(), ..form }.recipe(&info()).prompt, "", "no words, no style");
    }
}
