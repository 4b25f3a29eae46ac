//! The next wall: bent Recipes, quick looks at them, and a choice that is liked but does not become one picture.

use super::measures::{Measures, measures};
use super::steer::Wanted;
use super::{Taste, dot};
use crate::Result;
use crate::corpus::rng::Rng;
use crate::insight::features::features;
use crate::insight::statistics::{Scale, mean_distance, squared};
use crate::pipeline::{ModelInfo, PreviewImage};
use crate::recipe::Recipe;

/// Quick looks for each picture of a wall, if nobody says otherwise.
pub const LOOKS: u32 = 3;
/// How far from the most probable taste to look around, if nobody says otherwise.
pub const EXPLORE: f32 = 0.3;
/// Share of the diversity of pictures without taste that a wall keeps.
const DIVERSITY: f64 = 0.8;
/// How much diversity may cost, tried in this order until the wall is diverse enough.
const PRICES: [f64; 7] = [0.02, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0];

/// What a wall is wanted of.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What the person asked for; its seed is the first.
    pub recipe: Recipe,
    /// Pictures.
    pub count: u32,
    /// 0 = what is most probably liked, 1 = try everything.
    pub explore: f32,
    /// Quick looks for each picture; 1 takes Recipes as they come.
    pub looks: u32,
    /// All pictures begin with the same noise.
    pub locked: bool,
}

impl Wish {
    /// What the wall would be without taste, seed by seed.
    pub fn plain(&self) -> Vec<Recipe> {
        (0..self.count).map(|i| self.recipe.with_seed(self.seed(i))).collect()
    }

    /// Quick looks that a wall takes, where there are choices to go by.
    pub fn looks_taken(&self) -> u32 {
        if self.looks > 1 { self.count.saturating_mul(self.looks) } else { 0 }
    }

    fn seed(&self, i: u32) -> u64 {
        if self.locked { self.recipe.seed } else { self.recipe.seed.wrapping_add(i.into()) }
    }
}

/// A quick look that was taken.
pub struct Look {
    /// What was looked at.
    pub recipe: Recipe,
    /// What it measures.
    pub measures: Measures,
    /// How it looks, for diversity.
    pub features: Vec<f32>,
}

impl Look {
    /// Takes in a quick look.
    pub fn new(recipe: Recipe, image: &PreviewImage) -> Self {
        Self {
            recipe,
            measures: measures(image.width, image.height, &image.rgb),
            features: features(image.width, image.height, &image.rgb),
        }
    }
}

/// Draws the Recipes of a wall. `look` makes a quick look at a Recipe; an error of it (such as a cancel) ends the drawing.
/// Without any choice there is nothing to go by, and the wall is what was asked for, seed by seed.
///
/// # Errors
/// Those of `look`.
pub fn draw_wall(
    taste: &Taste,
    info: &ModelInfo,
    wish: &Wish,
    look: &mut dyn FnMut(&Recipe) -> Result<PreviewImage>,
) -> Result<Vec<Recipe>> {
    let plain = wish.plain();
    if taste.choices() == 0 || wish.count == 0 {
        return Ok(plain);
    }
    let explore = f64::from(wish.explore.clamp(0.0, 1.0));
    // Which wall it is decides the dice, so that the same wish gives the same wall.
    let mut rng = Rng::new(wish.recipe.seed ^ 0x7a57_e000);
    let wanted: Vec<Wanted> = plain.iter().map(|_| taste.want(&mut rng, explore)).collect();
    let bend = |i: u32, wanted: &Wanted, rng: &mut Rng| {
        taste.bend(&wish.recipe.with_seed(wish.seed(i)), info, wanted, explore, rng)
    };
    if wish.looks <= 1 {
        return Ok((0..wish.count).zip(&wanted).map(|(i, wanted)| bend(i, wanted, &mut rng)).collect());
    }
    // The plain ones show how diverse a wall would be without taste, and are candidates themselves.
    let mut recipes = plain;
    for round in 1..wish.looks {
        for (i, wanted) in wanted.iter().enumerate() {
            recipes.push(bend(round * wish.count + i as u32, wanted, &mut rng));
        }
    }
    let mut looks = Vec::with_capacity(recipes.len());
    for recipe in recipes {
        let image = look(&recipe)?;
        looks.push(Look::new(recipe, &image));
    }
    let chosen = taste.choose(&looks, &wanted, wish.count as usize);
    Ok(chosen.into_iter().map(|i| looks[i].recipe.clone()).collect())
}

impl Taste {
    /// Chooses one look for each of the drawn weights, as much to their liking as leaves the wall diverse; the first `plain`
    /// looks are those without taste. Returns indices into the looks.
    pub fn choose(&self, looks: &[Look], wanted: &[Wanted], plain: usize) -> Vec<usize> {
        let raw: Vec<Vec<f32>> = looks.iter().map(|l| l.features.clone()).collect();
        let scale = Scale::of(&raw);
        let seen: Vec<Vec<f32>> = raw.iter().map(|f| scale.apply(f)).collect();
        let base = mean_distance(&seen[..plain.min(seen.len())]);
        let features: Vec<Vec<f64>> = looks.iter().map(|l| self.space.features(&l.recipe, &l.measures)).collect();
        let mut chosen = Vec::new();
        for price in PRICES {
            chosen = greedy(&features, &seen, wanted, base, price);
            let wall: Vec<Vec<f32>> = chosen.iter().map(|i| seen[*i].clone()).collect();
            if wall.len() < 2 || mean_distance(&wall) >= DIVERSITY * base {
                break;
            }
        }
        chosen
    }
}

/// One look after the other: the best score for its weights, plus the price for being far from those already chosen.
fn greedy(features: &[Vec<f64>], seen: &[Vec<f32>], wanted: &[Wanted], base: f64, price: f64) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for wanted in wanted {
        let strength = dot(&wanted.weights, &wanted.weights).sqrt();
        let value = |i: usize| {
            let away = chosen.iter().map(|c| squared(&seen[*c], &seen[i]).sqrt());
            let (sum, nearest) = away.fold((0.0, f64::MAX), |(sum, least), d| (sum + d, d.min(least)));
            let far = if chosen.is_empty() { 0.0 } else { sum / chosen.len() as f64 + 0.5 * nearest };
            dot(&wanted.weights, &features[i]) + price * strength * 4.0 * far / base.max(1e-9)
        };
        let free = (0..features.len()).filter(|i| !chosen.contains(i));
        chosen.extend(free.max_by(|a, b| value(*a).total_cmp(&value(*b))));
    }
    chosen
}
