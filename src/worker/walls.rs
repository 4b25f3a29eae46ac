//! What a job is made of: Recipes as they are, a wall that taste has bent, or the pairs of a blind test.

use super::compute::Compute;
use super::desk::Token;
use super::keeper::{Errand, Note, Side};
use super::{Event, JobId};
use crate::pipeline::{ModelInfo, Pipeline, PreviewImage};
use crate::recipe::{ModelRef, Recipe};
use crate::taste::{Pairing, Taste, Wish, draw_pairs, draw_wall};
use crate::{Error, Result};
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// How long the keeper's answer is waited for before looking up.
const WAIT: Duration = Duration::from_millis(10);

/// What a job is to make.
pub enum Work {
    /// These pictures.
    Recipes(Vec<Recipe>),
    /// A wall that the library's taste has bent.
    Wall(Box<Wish>),
    /// Pictures with taste beside pictures without, from several wishes.
    Trial(Vec<Wish>),
    /// Pictures with this adapter beside pictures without.
    TestAdapter(String, Vec<Pairing>),
}

impl Work {
    /// What is to be made, as far as that is known before taste is asked.
    pub fn asked(&self) -> Vec<Recipe> {
        match self {
            Self::Recipes(recipes) => recipes.clone(),
            Self::Wall(wish) => wish.plain(),
            Self::Trial(wishes) => wishes.iter().flat_map(Wish::plain).flat_map(|r| [r.clone(), r]).collect(),
            Self::TestAdapter(_, pairs) => pairs.iter().flat_map(|p| [p.with.clone(), p.without.clone()]).collect(),
        }
    }

    /// Says which model draws it.
    pub fn set_model(&mut self, model: &ModelRef) {
        match self {
            Self::Recipes(recipes) => recipes.iter_mut().for_each(|r| r.model = model.clone()),
            Self::Wall(wish) => wish.recipe.model = model.clone(),
            Self::Trial(wishes) => wishes.iter_mut().for_each(|w| w.recipe.model = model.clone()),
            Self::TestAdapter(_, pairs) => pairs.iter_mut().for_each(|pair| {
                pair.with.model = model.clone();
                pair.without.model = model.clone();
            }),
        }
    }
}

/// A picture to make, and what the keeper does with it besides saving it.
pub(super) type Order = (Recipe, Note);

impl Compute {
    /// The pictures of a job. For taste, quick looks are taken, and between them the thread looks up as between steps.
    pub(super) fn draw(&mut self, job: JobId, token: &Token, work: &Work, pipeline: &Pipeline) -> Result<Vec<Order>> {
        let info = pipeline.info();
        match work {
            Work::Recipes(recipes) => Ok(recipes.iter().map(|r| (r.clone(), Note::default())).collect()),
            Work::Wall(wish) => {
                let taste = match self.learn(token) {
                    Ok(taste) => taste,
                    Err(error) if error.kind == crate::ErrorKind::Cancelled => return Err(error),
                    Err(error) => {
                        let message = format!("{} These pictures are made without your taste.", error.message);
                        self.out.say(Event::Notice { message });
                        return Ok(wish.plain().into_iter().map(|r| (r, Note::default())).collect());
                    }
                };
                let mut look = self.looker(job, token, pipeline, wish.looks_taken());
                let wall = draw_wall(&taste, info, wish, &mut look)?;
                let asked = Arc::new(wish.recipe.clone());
                let note = || Note { taste: Some((taste.clone(), asked.clone())), side: None };
                Ok(wall.into_iter().map(|recipe| (recipe, note())).collect())
            }
            Work::Trial(wishes) => self.draw_trial(job, token, wishes, pipeline, info),
            Work::TestAdapter(adapter, pairs) => Ok(shuffled(pairs.clone(), Some(adapter))),
        }
    }

    fn draw_trial(
        &mut self,
        job: JobId,
        token: &Token,
        wishes: &[Wish],
        pipeline: &Pipeline,
        info: &ModelInfo,
    ) -> Result<Vec<Order>> {
        let taste = self.learn(token)?;
        if taste.choices() == 0 {
            return Err(Error::usage(
                "There is nothing to test yet: rate a few pictures first, or say which of two is better.",
            ));
        }
        let mut look = self.looker(job, token, pipeline, wishes.iter().map(Wish::looks_taken).sum());
        let mut pairs = Vec::new();
        for wish in wishes {
            pairs.extend(draw_pairs(&taste, info, wish, &mut look)?);
        }
        if pairs.is_empty() {
            return Err(Error::usage(
                "Your taste changes nothing in these pictures, so there is nothing to test: set fewer sliders, or try a \
                 prompt with fewer words.",
            ));
        }
        Ok(shuffled(pairs, None))
    }

    /// Takes quick looks, and counts them.
    fn looker<'a>(
        &'a mut self,
        job: JobId,
        token: &'a Token,
        pipeline: &'a Pipeline,
        all: u32,
    ) -> impl FnMut(&Recipe) -> Result<PreviewImage> + 'a {
        let mut done = 0;
        move |recipe| {
            self.between_steps(token)?;
            let image = pipeline.preview(recipe, &mut || token.is_cancelled())?;
            done += 1;
            self.out.say(Event::Looking { job, done, all });
            Ok(image)
        }
    }

    /// Asks the keeper for the library's taste as it is now.
    pub(super) fn learn(&mut self, token: &Token) -> Result<Arc<Taste>> {
        self.ask_keeper(token, |reply| Errand::Learn { reply })
    }

    /// Asks the keeper for something. The thread looks up while it waits.
    pub(super) fn ask_keeper<T>(
        &mut self,
        token: &Token,
        errand: impl FnOnce(Sender<Result<T>>) -> Errand,
    ) -> Result<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.hand_over(errand(reply));
        loop {
            match answer.recv_timeout(WAIT) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => self.between_steps(token)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::failed("The library does not answer; start Kiln again."));
                }
            }
        }
    }
}

/// The pictures of pairs, left or right by chance.
fn shuffled(pairs: Vec<Pairing>, adapter: Option<&str>) -> Vec<Order> {
    let mut orders = Vec::with_capacity(2 * pairs.len());
    for (pair, pairing) in pairs.into_iter().enumerate() {
        let with_is_left = coin();
        let side = |with: bool| {
            let (pair, adapter) = (pair as u32, adapter.map(str::to_string));
            Note { taste: None, side: Some(Side { pair, with, left: with == with_is_left, adapter }) }
        };
        let mut two = [(pairing.with, side(true)), (pairing.without, side(false))];
        // Not even the order in which they are made tells which is which.
        if coin() {
            two.reverse();
        }
        orders.extend(two);
    }
    orders
}

/// Heads or tails. The standard library seeds its hashers from the system's randomness.
fn coin() -> bool {
    std::collections::hash_map::RandomState::new().build_hasher().finish() & 1 == 1
}
