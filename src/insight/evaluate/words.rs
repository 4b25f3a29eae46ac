//! Whether pictures have the colours that the prompt names, and show the object that it names.

use super::colours::{change, palettes};
use super::desk::{Desk, Order};
use super::plan::{FRESH_OBJECT, LESSONS_OBJECT, Plan};
use super::reference::{Reference, pair, prompt};
use super::report::Prompt;
use crate::Result;
use crate::corpus::families::Family;
use crate::corpus::objects::{CORE, OBJECTS};
use crate::corpus::palettes::PaletteChoice;
use crate::corpus::rng::Rng;
use crate::insight::classifier::Classifier;
use crate::insight::features::middle;
use crate::insight::statistics::{Scale, mean};
use crate::recipe::Picture;

/// The first prompt, so that they are others than those of the words part.
const FIRST: usize = 2000;

/// Tells the objects of the core apart by the middle of a picture, learnt from the painter's portraits.
struct Namer {
    scale: Scale,
    classifier: Classifier,
    /// Share of fresh portraits that it names rightly, 0..=1.
    recognised: f64,
}

impl Namer {
    fn learn(desk: &mut Desk) -> Result<Self> {
        let size = desk.size();
        let portraits = |desk: &Desk, purpose: &str, each: usize| -> Vec<Order> {
            let order = |i: usize| {
                let seed = desk.seed(purpose, i);
                let mut rng = Rng::new(seed);
                Order::Portrait(seed, *rng.pick(&Family::ALL), PaletteChoice::draw(&mut rng), i / each)
            };
            (0..CORE * each).map(order).collect()
        };
        let lessons = portraits(desk, "portrait", LESSONS_OBJECT);
        let lessons = desk.paint(&lessons, |s| middle(size as u32, size as u32, &s.rgb))?;
        let scale = Scale::of(&lessons);
        let classes: Vec<Vec<Vec<f32>>> =
            lessons.chunks(LESSONS_OBJECT).map(|class| class.iter().map(|f| scale.apply(f)).collect()).collect();
        let classifier = Classifier::learn(&classes);
        let fresh = portraits(desk, "fresh portrait", FRESH_OBJECT);
        let right = desk.paint(&fresh, |s| {
            let named = classifier.classify(&scale.apply(&middle(size as u32, size as u32, &s.rgb)));
            s.scene.objects.first().is_some_and(|o| o.object == named)
        })?;
        let recognised = right.iter().filter(|right| **right).count() as f64 / right.len().max(1) as f64;
        Ok(Self { scale, classifier, recognised })
    }

    fn name(&self, picture: &Picture) -> usize {
        self.classifier.classify(&self.scale.apply(&middle(picture.width, picture.height, &picture.rgb)))
    }
}

/// Judges the ranks of the palettes asked for, and draws pairs with and without an object.
pub fn measure(desk: &mut Desk, plan: &Plan, ranks: &[usize], reference: &Reference) -> Result<Prompt> {
    desk.start("prompt")?;
    let n = ranks.len().max(1) as f64;
    let (mut inside, mut outside, mut named) = (Vec::new(), Vec::new(), 0);
    let namer = if desk.has_objects() && plan.objects > 0 { Some(Namer::learn(desk)?) } else { None };
    for index in 0..plan.objects {
        let (family, palette) = pair(FIRST + index);
        let ground = prompt(family, &palette);
        let thing = index * 7 % CORE;
        let object = OBJECTS[thing].names[0];
        let article = if object.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let seed = desk.seed("object", index);
        let without = desk.draw(&desk.recipe(&ground, seed))?;
        let with = desk.draw(&desk.recipe(&format!("{article} {object} on {ground}"), seed))?;
        let (middle, rest) = change(&with.rgb, &without.rgb, with.width as usize, with.height as usize);
        named += usize::from(namer.as_ref().is_some_and(|namer| namer.name(&with) == thing));
        inside.push(middle);
        outside.push(rest);
    }
    Ok(Prompt {
        pictures: ranks.len(),
        palettes: palettes(),
        mean_rank: ranks.iter().sum::<usize>() as f64 / n,
        mean_rank_ceiling: reference.palette_rank,
        top3: ranks.iter().filter(|rank| **rank <= 3).count() as f64 / n,
        top3_ceiling: reference.palette_top3,
        object_pairs: plan.objects,
        object_effect: mean(&inside),
        object_effect_outside: mean(&outside),
        objects_named: namer.as_ref().map(|_| named as f64 / plan.objects.max(1) as f64),
        objects_named_ceiling: namer.map(|namer| namer.recognised),
    })
}
