//! Styles: named templates that put words of their own round a prompt (`assets/styles.json`).

use crate::recipe::Recipe;
use crate::{Error, Result};
use serde::Deserialize;
use std::sync::LazyLock;

/// Where the person's own words go.
const PLACE: &str = "{prompt}";

/// A named template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Style {
    /// Its name.
    pub name: String,
    /// `ember` when it uses only words that Ember was trained on, else `general`.
    pub group: String,
    /// The words, with `{prompt}` where the person's own go.
    pub prompt: String,
    /// What it keeps away from.
    #[serde(default)]
    pub negative: String,
}

/// All styles that come with Kiln, in display order.
pub fn all() -> &'static [Style] {
    static STYLES: LazyLock<Vec<Style>> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../assets/styles.json")).unwrap_or_default());
    &STYLES
}

/// The style of this name, in whatever case.
///
/// # Errors
/// A usage error that lists the names.
pub fn find(name: &str) -> Result<&'static Style> {
    all().iter().find(|s| s.name.to_lowercase() == name.trim().to_lowercase()).ok_or_else(|| {
        let names: Vec<&str> = all().iter().map(|s| s.name.as_str()).collect();
        Error::usage(format!("There is no style \"{name}\"; the styles are {}.", names.join(", ")))
    })
}

impl Style {
    /// Writes the style's words into a Recipe, which then says everything by itself.
    pub fn apply(&self, recipe: &mut Recipe) {
        recipe.prompt = self.prompt.replace(PLACE, recipe.prompt.trim());
        let own = recipe.negative_prompt.trim();
        recipe.negative_prompt = match (own.is_empty(), self.negative.is_empty()) {
            (true, _) => self.negative.clone(),
            (false, true) => own.to_string(),
            (false, false) => format!("{own}, {}", self.negative),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::captions::vocabulary;
    use crate::model::tokenizer::unknown_words;

    #[test]
    fn embers_styles_say_only_what_ember_knows() {
        let vocabulary = vocabulary();
        let mut ember = 0;
        for style in all() {
            assert_eq!(style.prompt.matches(PLACE).count(), 1, "{}", style.name);
            assert_eq!(find(&style.name.to_uppercase()).unwrap(), style, "names are unique");
            if style.group == "ember" {
                let words = format!("{} {}", style.prompt.replace(PLACE, ""), style.negative);
                assert_eq!(unknown_words(&words, &vocabulary), [], "{}", style.name);
                ember += 1;
            }
        }
        assert!(ember >= 16 && all().len() > ember);
    }

    #[test]
    fn a_style_frames_the_prompt() {
        let mut recipe = Recipe { prompt: " a red fox ".into(), negative_prompt: "noise".into(), ..Recipe::default() };
        find("comic").unwrap().apply(&mut recipe);
        assert_eq!(recipe.prompt, "a red fox with halftone dots, pop art, punchy");
        assert_eq!(recipe.negative_prompt, "noise, muted");
        assert!(find("nothing").unwrap_err().message.contains("Bauhaus poster"));
    }
}
