//! What was measured as rows for people: a value and a sentence each.

use super::report::{Part, Prompt, Sliders, Speed};

/// A row of the table for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Its value, with unit.
    pub value: String,
    /// How to read it.
    pub meaning: String,
}

fn row(name: &str, value: String, meaning: impl Into<String>) -> Row {
    Row { name: name.into(), value, meaning: meaning.into() }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

impl Part {
    /// Its heading.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Speed(_) => "Speed",
            Self::Natural(_) => "Naturalness",
            Self::Diverse(_) => "Diversity",
            Self::Prompt(_) => "Prompt fidelity",
            Self::Sliders(_) => "Slider fidelity",
        }
    }

    /// Its rows, for people.
    pub fn rows(&self) -> Vec<Row> {
        match self {
            Self::Speed(s) => speed_rows(s),
            Self::Natural(n) => vec![
                row(
                    "distance to corpus",
                    format!("{:.2}x", n.frechet_ratio),
                    format!(
                        "1.0 = as close as the corpus to itself; Fréchet {:.1} beside {:.1}, {} pictures",
                        n.frechet, n.frechet_corpus, n.pictures
                    ),
                ),
                row(
                    "family recognised",
                    percent(n.family_accuracy),
                    format!("asked for by word; fresh corpus pictures {}, chance 6 %", percent(n.family_ceiling)),
                ),
            ],
            Self::Diverse(d) => vec![
                row(
                    "spread over seeds",
                    format!("{:.2}x", d.ratio),
                    format!("1.0 = as different as corpus pictures of the same words; {} prompts", d.prompts),
                ),
                row(
                    "closest two pictures",
                    format!("{:.1}", d.smallest),
                    format!(
                        "0 = a duplicate; in the corpus {:.1}, on average {:.1}",
                        d.smallest_corpus, d.distance_corpus
                    ),
                ),
            ],
            Self::Prompt(p) => prompt_rows(p),
            Self::Sliders(s) => slider_rows(s),
        }
    }
}

fn speed_rows(s: &Speed) -> Vec<Row> {
    let mut rows = vec![
        row("load", format!("{:.2} s", s.load_seconds), format!("{:.1} million weights", s.parameters as f64 / 1e6)),
        row(
            "picture",
            format!("{:.2} s", s.picture_seconds),
            format!("median; {} steps, {} by {} pixels", s.steps, s.size, s.size),
        ),
        row("preview", format!("{:.2} s", s.preview_seconds), "median of a quick look"),
    ];
    if let Some(bytes) = s.peak_memory_bytes {
        rows.push(row("memory", format!("{:.0} MB", bytes as f64 / 1e6), "most that was held while drawing"));
    }
    rows
}

fn prompt_rows(p: &Prompt) -> Vec<Row> {
    let chance = (p.palettes as f64 + 1.0) / 2.0;
    let mut rows = vec![
        row(
            "palette rank",
            format!("{:.1}", p.mean_rank),
            format!("1 = nearest of {}; corpus {:.1}, chance {chance:.1}", p.palettes, p.mean_rank_ceiling),
        ),
        row(
            "palette in top 3",
            percent(p.top3),
            format!("corpus {}, chance {}", percent(p.top3_ceiling), percent(3.0 / p.palettes as f64)),
        ),
    ];
    if p.object_pairs > 0 {
        rows.push(row(
            "object_effect",
            format!("{:.3}", p.object_effect),
            format!(
                "change of the middle by an object word (Oklab; outside {:.3}): that something changes, not what",
                p.object_effect_outside
            ),
        ));
    }
    if let (Some(named), Some(ceiling)) = (p.objects_named, p.objects_named_ceiling) {
        rows.push(row(
            "objects named",
            percent(named),
            format!("of {} by a classifier; fresh corpus pictures {}, chance 2 %", p.object_pairs, percent(ceiling)),
        ));
    }
    rows
}

fn slider_rows(s: &Sliders) -> Vec<Row> {
    let mut rows: Vec<Row> = s
        .sliders
        .iter()
        .map(|s| {
            let meaning = format!(
                "rank correlation of asked and measured (1 = perfect; within one seed {:.2}); reaches {} of the corpus range",
                s.spearman_within,
                percent(s.range)
            );
            row(&s.name, format!("{:.2}", s.spearman), meaning)
        })
        .collect();
    if let (Some(confirmed), Some(ceiling)) = (s.family_confirmed, s.family_ceiling) {
        rows.push(row(
            "family sliders",
            percent(confirmed),
            format!("family confirmed; fresh corpus pictures {}, chance 6 %", percent(ceiling)),
        ));
    }
    rows
}
