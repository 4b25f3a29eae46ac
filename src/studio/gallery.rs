//! What events have told of pictures and jobs.

use super::settings::{Order, Tab};
use crate::library::{Entry, PictureId};
use crate::recipe::{Picture, Recipe};
use crate::worker::JobId;
use egui::TextureHandle;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A picture of a job, made or to come.
pub enum Slot {
    /// Not begun.
    Waiting,
    /// Under way.
    Working {
        /// Steps done.
        step: u32,
        /// Steps in all.
        steps: u32,
        /// What it will look like.
        look: Option<TextureHandle>,
    },
    /// Made.
    Done(PictureId),
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Is being worked on.
    Running,
    /// Is over, one way or the other.
    Over,
}

/// A press of the button.
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it makes.
    pub recipes: Vec<Recipe>,
    /// What has come of it.
    pub slots: Vec<Slot>,
    /// How it stands.
    pub state: JobState,
    /// Share that is done.
    pub progress: f32,
    /// Estimate, once there is one.
    pub seconds_left: Option<f32>,
    /// Quick looks that taste has taken, and all that it will take, before the first step.
    pub looking: Option<(u32, u32)>,
    /// The pictures of a blind test stay off the wall until it is over.
    pub hidden: bool,
}

impl Job {
    /// A job that waits for its turn.
    pub fn queued(id: JobId, recipes: Vec<Recipe>) -> Self {
        let slots = recipes.iter().map(|_| Slot::Waiting).collect();
        let state = JobState::Queued;
        Self { id, recipes, slots, state, progress: 0.0, seconds_left: None, looking: None, hidden: false }
    }

    /// What is being done before the first step, in words.
    pub fn looking_in_words(&self) -> Option<String> {
        self.looking.map(|(done, all)| format!("Taste is choosing: look {done} of {all}"))
    }

    fn made(&self) -> impl Iterator<Item = PictureId> {
        self.slots.iter().filter_map(|s| if let Slot::Done(id) = s { Some(*id) } else { None })
    }

    /// Pictures that are finished.
    pub fn done(&self) -> usize {
        self.slots.iter().filter(|s| matches!(s, Slot::Done(_))).count()
    }
}

/// A place on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A picture.
    Picture(PictureId),
    /// One to come: job and place in it.
    Pending(JobId, usize),
}

/// What the wall is to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Which pictures.
    pub tab: Tab,
    /// In which order.
    pub order: Order,
    /// Fewest stars.
    pub stars: u8,
    /// Words.
    pub text: String,
    /// Leave out rejected ones.
    pub hide_rejected: bool,
}

impl Filter {
    /// Whether a list from the library cannot be kept right without asking again.
    pub fn is_narrow(&self) -> bool {
        self.tab == Tab::Favourites || self.stars > 0 || !self.text.trim().is_empty() || self.order != Order::Newest
    }

    fn admits(&self, entry: &Entry) -> bool {
        let words = || {
            let prompt = entry.recipe.prompt.to_lowercase();
            self.text.to_lowercase().split_whitespace().all(|word| prompt.contains(word))
        };
        !entry.trashed && entry.rating >= self.stars && !(self.hide_rejected && entry.rejected) && words()
    }
}

/// Pictures and jobs.
#[derive(Default)]
pub struct Gallery {
    /// Every picture that was told of.
    pub entries: HashMap<PictureId, Entry>,
    /// The library's last answer.
    pub listed: Vec<PictureId>,
    /// Whether there was one.
    pub answered: bool,
    /// Jobs of this session, oldest first.
    pub jobs: Vec<Job>,
    /// Pictures that the library could not keep, under negative numbers.
    pub unsaved: HashMap<PictureId, Arc<Picture>>,
}

impl Gallery {
    /// A job by its number.
    pub fn job(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().rev().find(|j| j.id == id)
    }

    /// Jobs that are not over.
    pub fn active(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|j| j.state != JobState::Over)
    }

    /// A picture that the library could not keep, as if it were there.
    pub fn keep_unsaved(&mut self, picture: Arc<Picture>) -> PictureId {
        let id = -1 - self.unsaved.len() as PictureId;
        let entry = Entry {
            id,
            path: Default::default(),
            created: 0,
            recipe: picture.recipe.clone(),
            width: picture.width,
            height: picture.height,
            seconds: picture.seconds,
            rating: 0,
            favourite: false,
            rejected: false,
            tags: Vec::new(),
            trashed: false,
        };
        self.entries.insert(id, entry);
        self.unsaved.insert(id, picture);
        id
    }

    /// The places of the wall.
    pub fn items(&self, filter: &Filter) -> Vec<Item> {
        if filter.tab == Tab::Session {
            return self.session(filter);
        }
        let mut items = Vec::new();
        if filter.tab == Tab::All && !filter.is_narrow() {
            for job in self.active().filter(|j| !j.hidden) {
                let open = job.slots.iter().enumerate().filter(|(_, s)| !matches!(s, Slot::Done(_)));
                items.extend(open.map(|(i, _)| Item::Pending(job.id, i)));
            }
        }
        let secret: HashSet<PictureId> = self.jobs.iter().filter(|j| j.hidden).flat_map(Job::made).collect();
        let shown = |id: &&PictureId| {
            let entry = self.entries.get(id).filter(|_| !secret.contains(id));
            entry.is_some_and(|e| !(e.trashed || filter.hide_rejected && e.rejected))
        };
        items.extend(self.listed.iter().filter(shown).map(|id| Item::Picture(*id)));
        items
    }

    fn session(&self, filter: &Filter) -> Vec<Item> {
        let mut items = Vec::new();
        let open = filter.stars == 0 && filter.text.trim().is_empty();
        for job in self.jobs.iter().filter(|j| !j.hidden) {
            let mut of_job = Vec::new();
            for (i, slot) in job.slots.iter().enumerate() {
                match slot {
                    Slot::Done(id) if self.entries.get(id).is_some_and(|e| filter.admits(e)) => {
                        of_job.push(Item::Picture(*id));
                    }
                    Slot::Done(_) => {}
                    _ if job.state != JobState::Over && open => of_job.push(Item::Pending(job.id, i)),
                    _ => {}
                }
            }
            items.push(of_job);
        }
        if filter.order != Order::Oldest {
            items.reverse();
        }
        let mut items: Vec<Item> = items.into_iter().flatten().collect();
        if filter.order == Order::Best {
            items.sort_by_key(|item| match item {
                Item::Picture(id) => Reverse(self.entries.get(id).map_or((0, false), |e| (e.rating, e.favourite))),
                Item::Pending(..) => Reverse((u8::MAX, true)),
            });
        }
        items
    }
}
