//! The keeper's part in taste: what was learnt, why a picture is liked, the answers of blind tests, forgetting.

use super::keeper::Keeper;
use super::{Choice, Event, JobId};
use crate::library::{Outcome, PictureId, read_picture};
use crate::recipe::{Picture, Recipe};
use crate::taste::{Proof, Taste, measures};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Which place a picture has in a blind test.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// Its pair, from 0.
    pub pair: u32,
    /// Made with taste.
    pub taste: bool,
    /// Shown at the left.
    pub left: bool,
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
    taste_is_left: bool,
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
        let proof = Proof::of(&self.library()?.trials()?);
        self.out.say(Event::Taste { summary, proof });
        Ok(())
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
        *(if side.taste { &mut pair.with } else { &mut pair.without }) = Some(id);
        pair.taste_is_left = side.taste == side.left;
        if let (Some(with), Some(without)) = (pair.with, pair.without) {
            let (left, right) = if pair.taste_is_left { (with, without) } else { (without, with) };
            self.out.say(Event::Pair { job, pair: side.pair, left, right });
        }
    }

    /// Keeps the answer to a pair and tells what is proven now.
    pub(super) fn judge(&mut self, job: JobId, number: u32, choice: Choice) -> Result<()> {
        let known = self.pairs.get(&(job, number)).and_then(|p| Some((p.with?, p.without?, p.taste_is_left)));
        let Some((with, without, taste_is_left)) = known else {
            return Err(Error::usage("This pair of the blind test was answered before, or is not there yet."));
        };
        let outcome = match (choice, taste_is_left) {
            (Choice::Neither, _) => Outcome::Same,
            (Choice::Left, true) | (Choice::Right, false) => Outcome::With,
            (Choice::Left, false) | (Choice::Right, true) => Outcome::Without,
        };
        self.library()?.keep_trial(with, without, outcome)?;
        self.taste = None;
        self.pairs.remove(&(job, number));
        let proof = Proof::of(&self.library()?.trials()?);
        self.out.say(Event::Judged { job, pair: number, proof });
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
