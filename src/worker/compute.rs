//! The thread that owns the device and the model: takes orders in, loads models, and runs what is due.

use super::desk::{Desk, Token};
use super::guard::{give_up, guarded};
use super::keeper::Errand;
use super::pace::Pace;
use super::teach::{Pupil, is_lesson};
use super::walls::Work;
use super::{Event, JobId, Outbox};
use crate::pipeline::device::{Chosen, DeviceChoice, select};
use crate::pipeline::{Pipeline, locate_model};
use crate::recipe::Recipe;
use crate::tuning::lesson::Lesson;
use crate::{Error, ErrorKind};
use crossbeam_channel::{Receiver, Sender};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What the handle passes on to this thread.
pub enum Order {
    /// Load a model.
    Load(String),
    /// Make pictures.
    Job {
        /// The job.
        job: JobId,
        /// What to make.
        work: Work,
        /// Cancels it.
        token: Token,
    },
    /// Teach.
    Teach {
        /// The job.
        job: JobId,
        /// What is to be taught.
        lesson: Box<Lesson>,
        /// Stops it.
        token: Token,
    },
    /// A quick look.
    Preview {
        /// The job.
        job: JobId,
        /// What to look at.
        recipe: Box<Recipe>,
        /// Cancels it.
        token: Token,
        /// Its place among the previews.
        number: u64,
    },
    /// Something changed on the desk.
    LookUp,
}

/// What waits for its turn.
pub(super) enum Task {
    Load { name: String, number: u64 },
    Job(Job),
    Lesson(Pupil),
}

pub(super) struct Job {
    pub job: JobId,
    pub work: Work,
    pub token: Token,
}

/// The newest preview that was asked for.
pub(super) struct Wish {
    pub job: JobId,
    pub recipe: Box<Recipe>,
    pub token: Token,
    pub number: u64,
    /// The model that was asked for last before it; it waits for that one.
    pub after_load: u64,
}

/// A model in use.
pub(super) struct Loaded {
    pub pipeline: Rc<Pipeline>,
    /// As it was asked for.
    pub name: String,
}

/// The state of the thread.
pub struct Compute {
    orders: Receiver<Order>,
    pub(super) out: Outbox,
    errands: Sender<Errand>,
    pub(super) desk: Arc<Desk>,
    choice: DeviceChoice,
    pub(super) device: Option<Chosen>,
    queue: VecDeque<Task>,
    /// A job or a load is under way.
    busy: bool,
    /// Jobs under way: 0 or 1.
    jobs_running: usize,
    /// A lesson is under way; it gives way to everything but another lesson.
    teaching: bool,
    pub(super) wish: Option<Wish>,
    loads_asked: u64,
    pub(super) loads_done: u64,
    pub(super) loaded: Option<Loaded>,
    /// Why there is no model.
    pub(super) trouble: String,
    pub(super) pace: Pace,
}

impl Compute {
    /// The thread's state at its start.
    pub fn new(
        orders: Receiver<Order>,
        out: Outbox,
        errands: Sender<Errand>,
        desk: Arc<Desk>,
        choice: DeviceChoice,
    ) -> Self {
        Self {
            orders,
            out,
            errands,
            desk,
            choice,
            device: None,
            queue: VecDeque::new(),
            busy: false,
            jobs_running: 0,
            teaching: false,
            wish: None,
            loads_asked: 0,
            loads_done: 0,
            loaded: None,
            trouble: String::new(),
            pace: Pace::default(),
        }
    }

    /// Works until the end is asked for.
    pub fn run(mut self) {
        loop {
            self.take_in();
            if self.desk.is_stopped() {
                break;
            }
            if self.serve_preview(None) {
                continue;
            }
            let Some(task) = self.queue.pop_front() else {
                match self.orders.recv() {
                    Ok(order) => self.accept(order),
                    Err(_) => break,
                }
                continue;
            };
            self.run_task(task);
        }
        // Of what still waits, everything is cancelled now.
        self.sweep();
        self.hand_over(Errand::Stop);
    }

    pub(super) fn run_task(&mut self, task: Task) {
        if let Task::Lesson(pupil) = task {
            self.teaching = true;
            self.run_lesson(pupil);
            self.teaching = false;
            return;
        }
        (self.busy, self.jobs_running) = (true, usize::from(matches!(task, Task::Job(_))));
        match task {
            Task::Load { name, number } => self.load(&name, number),
            Task::Job(job) => self.run_job(job),
            Task::Lesson(_) => {}
        }
        (self.busy, self.jobs_running) = (false, 0);
    }

    /// The next task that a lesson gives way to.
    pub(super) fn next_beside_lessons(&mut self) -> Option<Task> {
        let at = self.queue.iter().position(|task| !is_lesson(task))?;
        self.queue.remove(at)
    }

    /// Takes in what was asked meanwhile, without waiting. Called between two steps, too.
    pub(super) fn take_in(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.accept(order);
        }
        self.sweep();
    }

    fn accept(&mut self, order: Order) {
        match order {
            Order::Load(name) => {
                self.loads_asked += 1;
                let task = Task::Load { name, number: self.loads_asked };
                match self.queue.back_mut() {
                    // Nothing would be made with the one before.
                    Some(last @ Task::Load { .. }) => *last = task,
                    _ => self.queue.push_back(task),
                }
            }
            Order::Job { job, work, token } => {
                let waiting = self.queue.iter().filter(|task| matches!(task, Task::Job(_))).count();
                if self.busy || !self.queue.is_empty() {
                    self.out.say(Event::Queued { job, ahead: waiting + self.jobs_running });
                }
                self.queue.push_back(Task::Job(Job { job, work, token }));
            }
            Order::Teach { job, lesson, token } => {
                let waiting = self.queue.iter().filter(|task| !matches!(task, Task::Load { .. })).count();
                if self.busy || self.teaching || !self.queue.is_empty() {
                    let ahead = waiting + self.jobs_running + usize::from(self.teaching);
                    self.out.say(Event::Queued { job, ahead });
                }
                self.queue.push_back(Task::Lesson(Pupil { job, lesson, token }));
            }
            Order::Preview { job, recipe, token, number } => {
                let wish = Wish { job, recipe, token, number, after_load: self.loads_asked };
                if let Some(older) = self.wish.replace(wish) {
                    self.desk.forget(older.job);
                }
            }
            Order::LookUp => {}
        }
    }

    /// Answers waiting jobs that were cancelled.
    fn sweep(&mut self) {
        let (out, desk) = (&self.out, &self.desk);
        self.queue.retain(|task| match task {
            Task::Job(Job { job, token, .. }) | Task::Lesson(Pupil { job, token, .. }) if token.is_cancelled() => {
                desk.forget(*job);
                out.say(Event::JobCancelled { job: *job });
                false
            }
            _ => true,
        });
        if let Some(wish) = self.wish.take_if(|wish| wish.token.is_cancelled()) {
            self.desk.forget(wish.job);
            self.out.say(Event::JobCancelled { job: wish.job });
        }
    }

    /// Passes something to the keeper; should that thread be missing, the events are told without it.
    pub(super) fn hand_over(&self, errand: Errand) {
        let Err(refused) = self.errands.send(errand) else { return };
        match refused.0 {
            Errand::Save { job, index, picture, .. } => {
                self.out.say(Event::PictureDone { job, index, picture, entry: None });
            }
            Errand::Say(event) => self.out.say(event),
            Errand::Wish(_) | Errand::Learn { .. } | Errand::Gather { .. } | Errand::Stop => {}
        }
    }

    fn load(&mut self, name: &str, number: u64) {
        let begun = Instant::now();
        self.out.say(Event::ModelLoading { name: name.into(), progress: 0.0 });
        let result = guarded("Loading the model", || {
            let chosen = self.device();
            let path = locate_model(name)?;
            let pipeline = Pipeline::load_on(&path, &chosen.device, &mut |progress| {
                self.out.say(Event::ModelLoading { name: name.into(), progress });
                self.take_in();
                if self.desk.is_stopped() {
                    give_up();
                }
            })?;
            Ok((pipeline, chosen.name))
        });
        self.loads_done = number;
        match result {
            Ok((pipeline, device)) => {
                let info = Arc::new(pipeline.info().clone());
                self.loaded = Some(Loaded { pipeline: Rc::new(pipeline), name: name.into() });
                // Another model has another speed.
                self.pace = Pace::default();
                self.out.say(Event::ModelReady { info, seconds: begun.elapsed().as_secs_f32(), device });
            }
            Err(error) if error.kind == ErrorKind::Cancelled => {}
            Err(error) => {
                self.trouble = error.message.clone();
                self.out.say(Event::ModelFailed { name: name.into(), message: error.message });
            }
        }
    }

    /// The device, chosen at the first need. The CPU stands in for one that is not there.
    fn device(&mut self) -> Chosen {
        if let Some(chosen) = &self.device {
            return chosen.clone();
        }
        let chosen = guarded("Starting the device", || select(&self.choice)).unwrap_or_else(|error| Chosen {
            notice: Some(format!("{} Computing on the CPU now.", error.message)),
            ..Chosen::cpu()
        });
        if let Some(message) = &chosen.notice {
            self.out.say(Event::Notice { message: message.clone() });
        }
        self.device.insert(chosen).clone()
    }

    /// After a fault of a device that can fail: loads the model onto the CPU and says so. False where there is nothing to fall
    /// back from, or to.
    pub(super) fn fall_back(&mut self, why: &Error) -> bool {
        let Some(chosen) = self.device.take_if(|chosen| chosen.can_fail()) else { return false };
        let Some(name) = self.loaded.as_ref().map(|loaded| loaded.name.clone()) else { return false };
        self.choice = DeviceChoice::Cpu;
        let message = format!("{} no longer computes ({}); going on with the CPU.", chosen.name, why.message);
        self.out.say(Event::Notice { message });
        self.load(&name, self.loads_done);
        self.loaded.is_some()
    }
}
