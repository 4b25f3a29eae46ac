//! The keeper's part in taste: what was learnt, why a picture is liked, the answers of blind tests, forgetting.

use super::keeper::Keeper;
use super::{Choice, Event, JobId};
use crate::library::{Outcome, PictureId, read_picture};
use crate::recipe::{Picture, Recipe};
use crate::taste::{Proof, Proofs, Taste, measures};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Which place a picture has in a blind test.
#[derive(Debug, Clone)]
pub struct Side {
    /// Its pair, from 0.
    pub pair: u32,
    /// Made with what is tested.
    pub with: bool,
    /// Shown at the left.
    pub left: bool,
    /// The adapter that is tested, as its Recipe names it; else taste.
    pub adapter: Option<String>,
}

/// What is done with a picture besides saving it.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// The taste that chose it, and what the person had asked for.
    pub taste: Option<(Arc<Taste>, Arc<Recipe>)>,
    /// Its place in a blind test.
    pub side: Option<Side>,
}

/// The pictures of one pair, as they come in.
#[derive(Debug, Default)]
pub(super) struct Pair {
    with: Option<PictureId>,
    without: Option<PictureId>,
    with_is_left: bool,
    adapter: Option<String>,
}

/// Pairs that wait for an answer; nobody else knows which picture is which.
pub(super) type Pairs = HashMap<(JobId, u32), Pair>;

impl Keeper {
    /// What the library's choices show, learnt anew.
    pub(super) fn learn(&mut self) -> Result<Arc<Taste>> {
        let taste = Arc::new(Taste::of(self.library()?)?);
        self.taste = Some(taste.clone());
        Ok(taste)
    }

    /// Tells what was learnt.
    pub(super) fn tell_taste(&mut self) -> Result<()> {
        let summary = Arc::new(self.learn()?.summary());
        let proofs = self.proofs()?;
        self.out.say(Event::Taste { summary, proofs });
        Ok(())
    }

    fn proofs(&mut self) -> Result<Box<Proofs>> {
        let library = self.library()?;
        let adapters = library.adapter_trials()?.into_iter().map(|(hash, trials)| (hash, Proof::of(&trials)));
        Ok(Box::new(Proofs { taste: Proof::of(&library.trials()?), adapters: adapters.collect() }))
    }

    /// Tells why a picture of the library stands where it does.
    pub(super) fn tell_why(&mut self, id: PictureId) -> Result<()> {
        let taste = match &self.taste {
            Some(taste) => taste.clone(),
            None => self.learn()?,
        };
        let entry = self.library()?.get(id)?;
        let picture = read_picture(&entry.path)?;
        let found = measures(picture.width, picture.height, &picture.rgb);
        self.out.say(Event::Why { id, why: Arc::new(taste.why(&entry.recipe, &found, None)) });
        Ok(())
    }

    /// Tells why taste chose a picture that was just made, and what it changed; or puts it into its pair.
    pub(super) fn take_note(&mut self, job: JobId, id: PictureId, picture: &Picture, note: Note) {
        if let Some((taste, asked)) = note.taste
            && taste.choices() > 0
        {
            let found = measures(picture.width, picture.height, &picture.rgb);
            let why = taste.why(&picture.recipe, &found, Some(&asked));
            self.out.say(Event::Why { id, why: Arc::new(why) });
        }
        let Some(side) = note.side else { return };
        let pair = self.pairs.entry((job, side.pair)).or_default();
        *(if side.with { &mut pair.with } else { &mut pair.without }) = Some(id);
        (pair.with_is_left, pair.adapter) = (side.with == side.left, side.adapter);
        if let (Some(with), Some(without)) = (pair.with, pair.without) {
            let (left, right) = if pair.with_is_left { (with, without) } else { (without, with) };
            self.out.say(Event::Pair { job, pair: side.pair, left, right });
        }
    }

    /// Keeps the answer to a pair and tells what is proven now.
    pub(super) fn judge(&mut self, job: JobId, number: u32, choice: Choice) -> Result<()> {
        let known = self.pairs.get(&(job, number));
        let known = known.and_then(|p| Some((p.with?, p.without?, p.with_is_left, p.adapter.clone())));
        let Some((with, without, with_is_left, adapter)) = known else {
            return Err(Error::usage("This pair of the blind test was answered before, or is not there yet."));
        };
        let outcome = match (choice, with_is_left) {
            (Choice::Neither, _) => Outcome::Same,
            (Choice::Left, true) | (Choice::Right, false) => Outcome::With,
            (Choice::Left, false) | (Choice::Right, true) => Outcome::Without,
        };
        match adapter {
            Some(name) => {
                let adapters = self.library()?.get(with)?.recipe.adapters;
                let Some(tested) = adapters.into_iter().find(|a| a.name == name) else {
                    return Err(Error::failed(format!(
                        "The picture does not say with which adapter it was made: {name}."
                    )));
                };
                self.library()?.keep_adapter_trial(&tested.hash, with, without, outcome)?;
            }
            None => self.library()?.keep_trial(with, without, outcome)?,
        }
        self.taste = None;
        self.pairs.remove(&(job, number));
        let proofs = self.proofs()?;
        self.out.say(Event::Judged { job, pair: number, proofs });
        Ok(())
    }

    /// Forgets all choices and what was learnt from them.
    pub(super) fn forget(&mut self) -> Result<()> {
        self.taste = None;
        self.pairs.clear();
        let (pictures, comparisons) = self.library()?.forget_choices()?;
        self.out.say(Event::Forgotten { pictures, comparisons });
        Ok(())
    }
}
