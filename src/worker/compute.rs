//! The thread that owns the device and the model: takes orders in, loads models, and runs what is due.

use super::desk::{Desk, Token};
use super::guard::{give_up, guarded};
use super::keeper::Errand;
use super::pace::Pace;
use super::walls::Work;
use super::{Event, JobId, Outbox};
use crate::pipeline::device::{DeviceChoice, select};
use crate::pipeline::{Pipeline, locate_model};
use crate::recipe::Recipe;
use crate::{ErrorKind, Result};
use burn::tensor::Device;
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
    device: Option<(Device, String)>,
    queue: VecDeque<Task>,
    /// A job or a load is under way.
    busy: bool,
    /// Jobs under way: 0 or 1.
    jobs_running: usize,
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
            (self.busy, self.jobs_running) = (true, usize::from(matches!(task, Task::Job(_))));
            match task {
                Task::Load { name, number } => self.load(&name, number),
                Task::Job(job) => self.run_job(job),
            }
            (self.busy, self.jobs_running) = (false, 0);
        }
        // Of what still waits, everything is cancelled now.
        self.sweep();
        self.hand_over(Errand::Stop);
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
            Task::Job(Job { job, token, .. }) if token.is_cancelled() => {
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
            Errand::Wish(_) | Errand::Learn { .. } | Errand::Stop => {}
        }
    }

    fn load(&mut self, name: &str, number: u64) {
        let begun = Instant::now();
        self.out.say(Event::ModelLoading { name: name.into(), progress: 0.0 });
        let result = guarded("Loading the model", || {
            let (device, words) = self.device()?;
            let path = locate_model(name)?;
            let pipeline = Pipeline::load_on(&path, &device, &mut |progress| {
                self.out.say(Event::ModelLoading { name: name.into(), progress });
                self.take_in();
                if self.desk.is_stopped() {
                    give_up();
                }
            })?;
            Ok((pipeline, words))
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

    /// The device, chosen at the first need, and its name in words. The CPU stands in for one that is not there.
    fn device(&mut self) -> Result<(Device, String)> {
        if let Some(device) = &self.device {
            return Ok(device.clone());
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = format!("CPU, {threads} threads");
        let chosen = match guarded("Starting the device", || select(self.choice)) {
            Ok(device) if self.choice == DeviceChoice::Gpu => (device, "GPU".into()),
            Ok(device) => (device, cpu),
            Err(error) => {
                let device = select(DeviceChoice::Cpu)?;
                self.out.say(Event::Notice { message: format!("{} Computing on the CPU now.", error.message) });
                (device, cpu)
            }
        };
        Ok(self.device.insert(chosen).clone())
    }
}
