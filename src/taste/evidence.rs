//! From stars, favourites, rejects and comparisons to choices between two pictures.

use super::measures::{self, Measures};
use crate::Result;
use crate::library::{Comparison, Entry, Library, PictureId, Query, Sort, read_picture};
use crate::recipe::Recipe;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pictures that a rated picture is held against.
const PARTNERS: usize = 4;
/// What the pairs of one rated picture count together when the grades are as far apart as can be, in comparisons.
const RATING: f64 = 1.5;
/// What a liked or rejected picture counts against those that were beside it and were passed over.
const PASSED_OVER: f64 = 0.5;
/// Grade of a picture that was seen and left without a mark.
const UNMARKED: f64 = 3.0;

/// A picture of which there is a choice.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its number.
    pub id: PictureId,
    /// What made it.
    pub recipe: Recipe,
    /// What it looks like.
    pub measures: Measures,
}

/// One picture was preferred to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Index into [`Evidence::pictures`].
    pub winner: usize,
    /// Index into [`Evidence::pictures`].
    pub loser: usize,
    /// How much it counts; 1 = a comparison that the person made.
    pub weight: f64,
    /// Whether the person compared the two; else it follows from stars and marks.
    pub compared: bool,
    /// Whether the loser was only passed over.
    pub passed_over: bool,
}

/// A choice with both pictures as the library holds them.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The better picture.
    pub winner: Entry,
    /// The other one.
    pub loser: Entry,
    /// How much it counts; 1 = a comparison that the person made.
    pub weight: f64,
    /// Whether the loser was only passed over.
    pub passed_over: bool,
}

/// All choices that a library tells of; pictures in the trash were judged all the same.
///
/// # Errors
/// When the library does not answer.
pub fn chosen(library: &Library) -> Result<Vec<Chosen>> {
    let entries = everything(library)?;
    let by_id: HashMap<PictureId, &Entry> = entries.iter().map(|e| (e.id, e)).collect();
    let whole = |c: Plain| {
        let (winner, loser) = (*by_id.get(&c.winner)?, *by_id.get(&c.loser)?);
        Some(Chosen { winner: winner.clone(), loser: loser.clone(), weight: c.weight, passed_over: c.passed_over })
    };
    Ok(choices(&entries, &library.comparisons()?).into_iter().filter_map(whole).collect())
}

/// Every picture, oldest first, then those in the trash.
fn everything(library: &Library) -> Result<Vec<Entry>> {
    let mut entries = library.list(&Query { sort: Sort::Oldest, ..Query::default() })?;
    entries.extend(library.list(&Query { trashed: true, sort: Sort::Oldest, ..Query::default() })?);
    Ok(entries)
}

/// All choices of a library.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Pictures that are part of a choice, by number.
    pub pictures: Vec<Judged>,
    /// The choices.
    pub pairs: Vec<Pair>,
    /// Indices of pictures with stars or marks.
    pub graded: Vec<usize>,
}

/// A choice by the numbers of the pictures.
struct Plain {
    winner: PictureId,
    loser: PictureId,
    weight: f64,
    compared: bool,
    passed_over: bool,
}

impl Evidence {
    /// What a library tells. Pictures without measures are measured; a picture that cannot be read is left out.
    ///
    /// # Errors
    /// When the library does not answer.
    pub fn of(library: &Library) -> Result<Self> {
        let entries = everything(library)?;
        let comparisons = library.comparisons()?;
        let choices = choices(&entries, &comparisons);
        let wanted: BTreeSet<PictureId> = choices.iter().flat_map(|c| [c.winner, c.loser]).collect();
        let kept = library.measures(measures::VERSION)?;
        let mut known: HashMap<PictureId, Measures> =
            kept.into_iter().filter_map(|(id, numbers)| Some((id, numbers.try_into().ok()?))).collect();
        let missing: Vec<&Entry> =
            entries.iter().filter(|e| wanted.contains(&e.id) && !known.contains_key(&e.id)).collect();
        let measured: Vec<(PictureId, Measures)> = missing
            .par_iter()
            .filter_map(|entry| {
                let picture = read_picture(&entry.path).ok()?;
                Some((entry.id, measures::measures(picture.width, picture.height, &picture.rgb)))
            })
            .collect();
        if !measured.is_empty() && !library.is_read_only() {
            let keep: Vec<_> = measured.iter().map(|(id, found)| (*id, found.to_vec())).collect();
            library.keep_measures(measures::VERSION, &keep)?;
        }
        known.extend(measured);
        Ok(Self::among(choices, &entries, &known))
    }

    /// The choices of these pictures and comparisons; those with a picture that is not among the measured ones are left out.
    pub fn gather(entries: &[Entry], comparisons: &[Comparison], known: &HashMap<PictureId, Measures>) -> Self {
        Self::among(choices(entries, comparisons), entries, known)
    }

    fn among(choices: Vec<Plain>, entries: &[Entry], known: &HashMap<PictureId, Measures>) -> Self {
        let by_id: HashMap<PictureId, &Entry> = entries.iter().map(|e| (e.id, e)).collect();
        let mut evidence = Self::default();
        let mut places: BTreeMap<PictureId, usize> = BTreeMap::new();
        for choice in choices {
            let mut place = |id: PictureId| {
                if let Some(place) = places.get(&id) {
                    return Some(*place);
                }
                let (entry, measures) = (by_id.get(&id)?, known.get(&id)?);
                evidence.pictures.push(Judged { id, recipe: entry.recipe.clone(), measures: *measures });
                places.insert(id, evidence.pictures.len() - 1);
                Some(evidence.pictures.len() - 1)
            };
            if let (Some(winner), Some(loser)) = (place(choice.winner), place(choice.loser)) {
                let Plain { weight, compared, passed_over, .. } = choice;
                evidence.pairs.push(Pair { winner, loser, weight, compared, passed_over });
            }
        }
        let graded = evidence.pictures.iter().enumerate().filter(|(_, p)| grade(by_id[&p.id]).is_some());
        evidence.graded = graded.map(|(index, _)| index).collect();
        evidence
    }

    /// Stars and marks, one a picture, and comparisons.
    pub fn choices(&self) -> usize {
        self.graded.len() + self.pairs.iter().filter(|p| p.compared).count()
    }
}

/// How good a picture was said to be: 0 (rejected) to 6 (five stars and a heart); `None` without any mark.
fn grade(entry: &Entry) -> Option<f64> {
    match (entry.rejected, entry.favourite, entry.rating) {
        (true, _, _) => Some(0.0),
        (false, true, 0) => Some(5.0),
        (false, true, stars) => Some(f64::from(stars) + 1.0),
        (false, false, 0) => None,
        (false, false, stars) => Some(f64::from(stars)),
    }
}

/// Every choice, in an order that the library's content decides.
fn choices(entries: &[Entry], comparisons: &[Comparison]) -> Vec<Plain> {
    let mut found: Vec<Plain> = comparisons
        .iter()
        .map(|c| Plain { winner: c.winner, loser: c.loser, weight: 1.0, compared: true, passed_over: false })
        .collect();
    let mut graded: Vec<(&Entry, f64)> = entries.iter().filter_map(|e| Some((e, grade(e)?))).collect();
    graded.sort_by_key(|(e, _)| (e.created, e.id));
    // Against pictures that were judged at about the same time, as the measure changes with the mood.
    for (index, (entry, grade)) in graded.iter().enumerate() {
        let near = (1..graded.len()).flat_map(|away| [index.checked_sub(away), index.checked_add(away)]);
        let near = near.flatten().filter_map(|at| graded.get(at)).filter(|(_, other)| other != grade);
        for (other, theirs) in near.take(PARTNERS) {
            let (winner, loser) = if grade > theirs { (entry.id, other.id) } else { (other.id, entry.id) };
            let weight = RATING / PARTNERS as f64 * ((grade - theirs).abs() / 4.0).min(1.0);
            found.push(Plain { winner, loser, weight, compared: false, passed_over: false });
        }
    }
    // A favourite beside pictures that got nothing says something about those, too.
    let mut all: Vec<&Entry> = entries.iter().filter(|e| !e.trashed).collect();
    all.sort_by_key(|e| (e.created, e.id));
    for (index, entry) in all.iter().enumerate() {
        let Some(grade) = grade(entry).filter(|g| *g >= 4.0 || *g == 0.0) else { continue };
        let near = (1..8).flat_map(|away| [index.checked_sub(away), index.checked_add(away)]);
        let near = near.flatten().filter_map(|at| all.get(at));
        let near = near.filter(|other| self::grade(other).is_none() && other.recipe.prompt == entry.recipe.prompt);
        for other in near.take(PARTNERS) {
            let (winner, loser) = if grade > UNMARKED { (entry.id, other.id) } else { (other.id, entry.id) };
            let weight = PASSED_OVER / PARTNERS as f64;
            found.push(Plain { winner, loser, weight, compared: false, passed_over: true });
        }
    }
    found
}
