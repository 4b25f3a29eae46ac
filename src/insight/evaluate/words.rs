//! Whether pictures have the colours that the prompt names, and whether an object word changes anything.

use super::colours::{change, palettes};
use super::desk::Desk;
use super::plan::Plan;
use super::reference::{Reference, pair, prompt};
use super::report::Prompt;
use crate::Result;
use crate::corpus::objects::{CORE, OBJECTS};
use crate::insight::statistics::mean;

/// The first prompt, so that they are others than those of the words part.
const FIRST: usize = 2000;

/// Judges the ranks of the palettes asked for, and draws pairs with and without an object.
pub fn measure(desk: &mut Desk, plan: &Plan, ranks: &[usize], reference: &Reference) -> Result<Prompt> {
    desk.start("prompt")?;
    let n = ranks.len().max(1) as f64;
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for index in 0..plan.objects {
        let (family, palette) = pair(FIRST + index);
        let ground = prompt(family, &palette);
        let object = OBJECTS[index * 7 % CORE].names[0];
        let article = if object.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let seed = desk.seed("object", index);
        let without = desk.draw(&desk.recipe(&ground, seed))?;
        let with = desk.draw(&desk.recipe(&format!("{article} {object} on {ground}"), seed))?;
        let (middle, rest) = change(&with.rgb, &without.rgb, with.width as usize, with.height as usize);
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
    })
}
