//! Whether a slider moves what it names, and whether a family slider gives its family.

use super::desk::{Desk, features_of};
use super::plan::{Plan, SLIDER_VALUES};
use super::reference::{Reference, family_phrase, pair, prompt};
use super::report::{Slider, Sliders};
use crate::Result;
use crate::corpus::measure::measure as measure_pixels;
use crate::insight::statistics::{mean, spearman};

/// The first prompt, so that they are others than those of the words part.
const FIRST: usize = 3000;

/// Moves each attribute slider through its range, and each family slider to its end.
pub fn measure(desk: &mut Desk, plan: &Plan, reference: &Reference) -> Result<Sliders> {
    desk.start("sliders")?;
    let mut sliders = Vec::new();
    for (attribute, slider) in plan.attribute_sliders.iter().filter(|_| plan.repeats > 0) {
        let (mut asked, mut found) = (Vec::new(), Vec::new());
        let (mut low, mut high, mut within) = (Vec::new(), Vec::new(), Vec::new());
        for repeat in 0..plan.repeats {
            let (family, palette) = pair(FIRST + repeat);
            // A palette's word would hold the warmth where it is.
            let words = if slider.name == "warmth" { family_phrase(family) } else { prompt(family, &palette) };
            let seed = desk.seed("sliders", repeat);
            let start = found.len();
            for step in 0..SLIDER_VALUES {
                let share = step as f32 / (SLIDER_VALUES - 1) as f32;
                let value = slider.min + (slider.max - slider.min) * share;
                let mut recipe = desk.recipe(&words, seed);
                recipe.sliders.insert(slider.name.clone(), value.clamp(slider.min, slider.max));
                let picture = desk.draw(&recipe)?;
                let measured = measure_pixels(&picture.rgb, picture.width as usize, picture.height as usize);
                asked.push(f64::from(value));
                found.push(f64::from(measured.values()[*attribute]));
            }
            within.push(spearman(&asked[start..], &found[start..]));
            low.push(found[start]);
            high.push(found[found.len() - 1]);
        }
        let (from, to) = reference.ranges[*attribute];
        sliders.push(Slider {
            name: slider.name.clone(),
            pictures: found.len(),
            spearman: spearman(&asked, &found),
            spearman_within: mean(&within),
            low: mean(&low),
            high: mean(&high),
            range: (mean(&high) - mean(&low)) / f64::from((to - from).max(1e-3)),
        });
    }

    let mut confirmed = 0;
    for index in 0..plan.families {
        // Spread over the families also when there are fewer pictures than families.
        let known = plan.family_sliders.len();
        let place = if plan.families < known { index * known / plan.families } else { index % known };
        let (family, slider) = &plan.family_sliders[place];
        let (_, palette) = pair(FIRST + index);
        let mut recipe = desk.recipe(&format!("{} palette", palette.name()), desk.seed("families", index));
        recipe.sliders.insert(slider.name.clone(), slider.max);
        let named = reference.classifier.classify(&reference.scale.apply(&features_of(&desk.draw(&recipe)?)));
        confirmed += usize::from(named == family.index());
    }
    let families = plan.families > 0;
    Ok(Sliders {
        sliders,
        family_pictures: plan.families,
        family_confirmed: families.then(|| confirmed as f64 / plan.families as f64),
        family_ceiling: families.then_some(reference.recognised),
    })
}
