//! From what a scene holds to words: a grammar with synonyms, dropped parts and free word order.

use super::families::Family;
use super::objects::OBJECTS;
use super::palettes::{COLOURS, MOODS, PALETTES, PaletteChoice};
use super::rng::Rng;
use super::scene::{PlacedObject, Position, SceneDescription, Treatment};
use std::collections::BTreeSet;

/// What a family is called, as something that can stand behind an object or alone.
pub fn family_names(family: Family) -> &'static [&'static str] {
    match family {
        Family::FlowField => &["flowing strokes", "flow field", "flowing lines", "swirling brush strokes"],
        Family::Marbling => &["marbling", "marbled paper", "swirled ink", "marble"],
        Family::Watercolour => &["watercolour", "watercolour wash", "watercolor painting", "soft washes"],
        Family::StainedGlass => &["stained glass", "stained glass window", "leaded glass"],
        Family::Tiling => &["tiles", "tiling", "islamic tiles", "truchet tiles", "geometric tiles"],
        Family::Mountains => &["mountains", "mountain range", "misty mountains", "hills", "layered mountains"],
        Family::NightSky => &["night sky", "starry sky", "nebula", "stars", "galaxy"],
        Family::Bauhaus => &["bauhaus", "bauhaus shapes", "memphis pattern", "geometric shapes", "abstract geometry"],
        Family::Topographic => &["topographic lines", "contour lines", "topographic map", "map contours"],
        Family::Mosaic => &["mosaic", "mosaic stones", "tesserae"],
        Family::Kaleidoscope => &["kaleidoscope", "mandala", "kaleidoscopic pattern"],
        Family::Botanical => &["leaves", "botanical pattern", "plants", "foliage", "botanical silhouettes"],
        Family::CirclePacking => &["circles", "packed circles", "bubbles", "dots and circles"],
        Family::Halftone => &["halftone", "pop art", "halftone dots", "comic dots"],
        Family::Waves => &["waves", "ocean waves", "rolling waves", "wave pattern"],
        Family::ReactionDiffusion => {
            &["coral pattern", "turing pattern", "labyrinth", "organic maze", "reaction diffusion"]
        }
    }
}

const BEHIND: [&str; 5] = ["in front of", "with", "on", "against", "before"];
const MIXED: [&str; 4] = ["and", "mixed with", "blended with", "with a touch of"];
const COLOURED: [&str; 5] = ["in {}", "in {} colours", "in {} tones", "{} palette", "{} colours"];

fn position_names(position: Position) -> &'static [&'static str] {
    match position {
        Position::Centre => &["in the centre", "centred", "in the middle"],
        Position::Left => &["on the left", "at the left side"],
        Position::Right => &["on the right", "at the right side"],
        Position::Top => &["at the top", "above"],
        Position::Bottom => &["at the bottom", "below"],
    }
}

fn treatment_names(treatment: Treatment) -> &'static [&'static str] {
    match treatment {
        Treatment::Natural => &[],
        Treatment::Shadowed => &["with a shadow", "casting a shadow"],
        Treatment::Flat => &["flat style", "silhouette", "flat design"],
        Treatment::Outlined => &["outlined", "sticker style"],
    }
}

/// Words for both ends of each attribute, in the order of the sliders; none for the middle.
pub const EXTREMES: [[&[&str]; 2]; 5] = [
    [&["cold", "cool colours"], &["warm", "warm colours"]],
    [&["low contrast", "muted"], &["high contrast", "punchy"]],
    [&["minimal", "sparse", "simple"], &["busy", "detailed", "intricate"]],
    [&["asymmetric", "free"], &["symmetrical", "symmetric"]],
    [&["fine", "small shapes", "fine pattern"], &["large shapes", "big bold shapes"]],
];

/// Which of the two ends an attribute is near enough to be spoken of.
pub fn extreme(value: f32) -> Option<usize> {
    if value < 0.15 {
        Some(0)
    } else if value > 0.85 {
        Some(1)
    } else {
        None
    }
}

const COUNTS: [&str; 4] = ["", "", "two", "three"];
const SIZES: [&[&str]; 2] = [&["small", "little", "tiny"], &["large", "big", "huge"]];

fn article(words: &str) -> &'static str {
    if words.starts_with(['a', 'e', 'i', 'o', 'u']) && !words.starts_with("uni") { "an" } else { "a" }
}

/// The words for the colours; each synonym equally likely.
fn colour_words(palette: &PaletteChoice, rng: &mut Rng) -> String {
    match palette {
        PaletteChoice::Named(i) => (*rng.pick(PALETTES[*i].names)).into(),
        PaletteChoice::Single(i) => COLOURS[*i].0.into(),
        PaletteChoice::Pair(i, j) if rng.chance(0.5) => format!("{} and {}", COLOURS[*i].0, COLOURS[*j].0),
        PaletteChoice::Pair(i, j) => format!("{} and {}", COLOURS[*j].0, COLOURS[*i].0),
    }
}

fn object_words(object: &PlacedObject, rng: &mut Rng) -> String {
    let mut words = Vec::new();
    if object.size < 0.36 && rng.chance(0.4) {
        words.push(*rng.pick(SIZES[0]));
    } else if object.size > 0.62 && rng.chance(0.4) {
        words.push(*rng.pick(SIZES[1]));
    }
    if let Some(colour) = object.colour {
        words.push(COLOURS[colour].0);
    }
    let name = if rng.chance(0.75) { OBJECTS[object.object].names[0] } else { *rng.pick(OBJECTS[object.object].names) };
    words.push(name);
    let words = words.join(" ");
    if name.ends_with("ies") || name == "grapes" || name == "glasses" {
        return words;
    }
    format!("{} {words}", article(&words))
}

/// More than one of them: "foxes", "palm trees", "maple leaves".
fn plural(name: &str) -> String {
    const ALIKE: [&str; 4] = ["fish", "grapes", "glasses", "cherries"];
    if ALIKE.contains(&name) {
        return name.to_string();
    }
    if let Some(stem) = name.strip_suffix("leaf") {
        return format!("{stem}leaves");
    }
    if let Some(stem) = name.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        return format!("{stem}ies");
    }
    let hissing = ["s", "x", "ch", "sh"].iter().any(|end| name.ends_with(end));
    format!("{name}{}", if hissing { "es" } else { "s" })
}

/// A caption of a scene, at most about thirty words, in lower case.
pub fn caption(scene: &SceneDescription, rng: &mut Rng) -> String {
    let subject = (!scene.objects.is_empty()).then(|| {
        let things: Vec<String> = scene.objects.iter().map(|o| object_words(o, rng)).collect();
        let same = scene.objects.len() > 1 && scene.objects.iter().all(|o| o.object == scene.objects[0].object);
        if same {
            let name = plural(OBJECTS[scene.objects[0].object].names[0]);
            return format!("{} {name}", COUNTS[scene.objects.len().min(3)]);
        }
        things.join(" and ")
    });

    // Colours stand before the family ("ocean marbling"), or as a part of their own.
    let mut parts = Vec::new();
    let mut background = String::new();
    let coloured = rng.chance(0.85);
    let before = coloured && rng.chance(0.55);
    if subject.is_none() || rng.chance(0.85) {
        let (main, share) = scene.families[0];
        if before {
            background.push_str(&colour_words(&scene.palette, rng));
            background.push(' ');
        }
        background.push_str(rng.pick::<&str>(family_names(main)));
        if let Some((second, _)) = scene.families.get(1).filter(|_| share < 0.9 && rng.chance(0.85)) {
            background.push_str(&format!(" {} {}", rng.pick(&MIXED), rng.pick(family_names(*second))));
        }
    }
    if coloured && (!before || background.is_empty()) {
        parts.push(rng.pick(&COLOURED).replace("{}", &colour_words(&scene.palette, rng)));
    }
    if let Some(mood) = scene.mood.filter(|_| rng.chance(0.8)) {
        parts.push((*rng.pick(MOODS[mood].names)).into());
    }
    if let [object] = scene.objects.as_slice() {
        let names = treatment_names(object.treatment);
        if !names.is_empty() && rng.chance(0.75) {
            parts.push((*rng.pick(names)).into());
        }
        if rng.chance(if object.position == Position::Centre { 0.15 } else { 0.5 }) {
            parts.push((*rng.pick(position_names(object.position))).into());
        }
    }
    for (value, words) in scene.measured.values().iter().zip(EXTREMES) {
        let Some(end) = extreme(*value).map(|end| words[end]) else { continue };
        if rng.chance(0.3) {
            parts.push((*rng.pick(end)).into());
        }
    }
    rng.shuffle(&mut parts);
    parts.truncate(4);

    let head = match (subject, background.is_empty()) {
        (Some(subject), false) => format!("{subject} {} {background}", rng.pick(&BEHIND)),
        (Some(subject), true) => subject,
        (None, _) => background,
    };
    if rng.chance(0.12) {
        parts.push(head);
    } else {
        parts.insert(0, head);
    }
    parts.join(", ")
}

/// Every phrase that names a thing, one or several of it, or says where and how it is, sorted.
pub fn things() -> Vec<String> {
    let names = OBJECTS.iter().flat_map(|o| o.names).map(|name| name.to_string());
    let many = OBJECTS.iter().map(|o| plural(o.names[0]));
    let places = Position::ALL.iter().flat_map(|p| position_names(*p)).map(|name| name.to_string());
    let looks = Treatment::ALL.iter().flat_map(|t| treatment_names(*t)).map(|name| name.to_string());
    names.chain(many).chain(places).chain(looks).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every word that the grammar can say, sorted.
pub fn vocabulary() -> Vec<String> {
    let mut phrases: Vec<&str> = Vec::new();
    Family::ALL.iter().for_each(|f| phrases.extend(family_names(*f)));
    PALETTES.iter().for_each(|p| phrases.extend(p.names));
    COLOURS.iter().for_each(|(name, _)| phrases.push(name));
    MOODS.iter().for_each(|m| phrases.extend(m.names));
    OBJECTS.iter().for_each(|o| phrases.extend(o.names));
    Position::ALL.iter().for_each(|p| phrases.extend(position_names(*p)));
    Treatment::ALL.iter().for_each(|t| phrases.extend(treatment_names(*t)));
    EXTREMES.iter().flatten().for_each(|words| phrases.extend(*words));
    SIZES.iter().for_each(|words| phrases.extend(*words));
    phrases.extend(BEHIND.iter().chain(&MIXED).chain(&COLOURED).chain(&COUNTS));
    phrases.extend(["a", "an", "and", "the", "of"]);
    let many: Vec<String> = OBJECTS.iter().map(|o| plural(o.names[0])).collect();
    phrases.extend(many.iter().map(String::as_str));
    let words: BTreeSet<String> =
        phrases.iter().flat_map(|p| p.split_whitespace()).filter(|w| *w != "{}").map(str::to_string).collect();
    words.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn more_than_one() {
        for (one, many) in [
            ("fox", "foxes"),
            ("butterfly", "butterflies"),
            ("key", "keys"),
            ("maple leaf", "maple leaves"),
            ("palm tree", "palm trees"),
            ("octopus", "octopuses"),
            ("fish", "fish"),
            ("glasses", "glasses"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}
