//! The background threads: Request in, Event out, one cancel token a job.
//!
//! `compute` owns the device and the model and makes pictures; `keeper` owns the library, so that a rating is answered
//! while a picture is computed. A finished picture goes from the one to the other, and is told of once it is saved. Taste
//! follows from the library: `opinions` is the keeper's part in it, `walls` the compute thread's. `teach` lets the compute
//! thread learn between pictures; `clerk` looks at folders of pictures and keeps the shelf of adapters. `reader`
//! looks into files that the person names, which may be large and far away.

mod clerk;
mod compute;
mod desk;
mod guard;
mod jobs;
mod keeper;
pub mod lessons;
mod opinions;
mod pace;
mod protocol;
mod reader;
mod teach;
mod walls;

pub use clerk::{Clerical, FOLDER as ADAPTERS, Filed};
pub use guard::guarded;
pub use protocol::{Choice, Event, JobId, Request, StartLook};
pub use teach::News;

use crate::pipeline::device::DeviceChoice;
use clerk::Clerk;
use compute::{Compute, Order};
use crossbeam_channel::{Receiver, Sender, unbounded};
use desk::Desk;
use keeper::{Errand, Keeper};
use reader::Reader;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use walls::Work;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the library; made if absent.
    pub library: PathBuf,
    /// The checkpoint to load at once: `ember` or a path.
    pub model: String,
    /// Where to compute.
    pub device: DeviceChoice,
}

/// The handle of the background threads. Dropping it cancels what runs and waits until all have ended, which takes one
/// step, or one file that is being looked into.
///
/// What can be relied upon: each job of [`Request::Generate`], [`Request::Wall`], [`Request::Trial`] and
/// [`Request::Teach`] ends with exactly one of [`Event::JobDone`],
/// [`Event::JobCancelled`] and [`Event::JobFailed`], after all its [`Event::PictureDone`]. As pictures are saved while
/// the next one is computed, a `PictureDone` or an end may come after the first `Step` of the next picture or job. A
/// preview ends with [`Event::Preview`], `JobFailed`, `JobCancelled` when it was cancelled by name, or with nothing when
/// a newer wish took its place.
pub struct Worker {
    orders: Sender<Order>,
    errands: Sender<Errand>,
    clerical: Sender<Clerical>,
    wishes: Sender<Request>,
    events: Receiver<Event>,
    desk: Arc<Desk>,
    compute: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    clerk: Option<JoinHandle<()>>,
    reader: Option<JoinHandle<()>>,
}

/// Where events go: into the channel, and then the front end is woken.
#[derive(Clone)]
struct Outbox {
    events: Sender<Event>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    fn say(&self, event: Event) {
        // Nobody listens any more: then nobody is to be told that either.
        _ = self.events.send(event);
        (self.wake)();
    }
}

impl Worker {
    /// Starts the threads, opens the library and loads the model. Never fails: troubles come as events. `wake` is
    /// called after each event, on a background thread, and must not wait.
    pub fn start(options: Options, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (event_sender, events) = unbounded();
        let (orders, order_receiver) = unbounded();
        let (errands, errand_receiver) = unbounded();
        let (clerical, clerical_receiver) = unbounded();
        let out = Outbox { events: event_sender, wake: Arc::new(wake) };
        let desk = Arc::new(Desk::default());

        let Options { library, model, device } = options;
        let (clerk_out, clerk_library) = (out.clone(), library.clone());
        let clerk = spawn("kiln-clerk", &out, move || Clerk::new(clerical_receiver, clerk_out, &clerk_library).run());
        let (wishes, wish_receiver) = unbounded();
        let (reader_out, reader_library) = (out.clone(), library.clone());
        let reader = spawn("kiln-reader", &out, move || Reader::new(wish_receiver, reader_out, reader_library).run());
        let keeper_out = out.clone();
        let keeper = spawn("kiln-keeper", &out, move || Keeper::new(errand_receiver, keeper_out, library).run());
        let (compute_out, compute_errands, compute_desk) = (out.clone(), errands.clone(), desk.clone());
        let compute = spawn("kiln-compute", &out, move || {
            Compute::new(order_receiver, compute_out, compute_errands, compute_desk, device).run();
        });
        let worker = Self { orders, errands, clerical, wishes, events, desk, compute, keeper, clerk, reader };
        worker.send(Request::LoadModel { name: model });
        worker
    }

    /// Asks for something. Never waits; the answers are events. After [`Request::Shutdown`] nothing is answered.
    pub fn send(&self, request: Request) {
        let order = match request {
            Request::LoadModel { name } => Order::Load(name),
            Request::Generate { job, recipes } => self.job(job, Work::Recipes(recipes)),
            Request::Wall { job, wish } => self.job(job, Work::Wall(Box::new(wish))),
            Request::Trial { job, wishes } => self.job(job, Work::Trial(wishes)),
            Request::TestAdapter { job, adapter, pairs } => self.job(job, Work::TestAdapter(adapter, pairs)),
            Request::Teach { job, lesson } => Order::Teach { job, lesson, token: self.desk.register(job) },
            Request::Clerk(errand) => {
                // Fails only after a shutdown.
                _ = self.clerical.send(errand);
                return;
            }
            Request::Preview { job, recipe } => {
                let (token, number) = self.desk.register_preview(job);
                Order::Preview { job, recipe: Box::new(recipe), token, number }
            }
            // These act at once, not in their turn.
            Request::Cancel { job } => {
                self.desk.cancel(job);
                Order::LookUp
            }
            Request::CancelAll => {
                self.desk.cancel_all();
                Order::LookUp
            }
            Request::Shutdown => {
                self.desk.stop();
                _ = self.clerical.send(Clerical::Stop);
                _ = self.wishes.send(Request::Shutdown);
                Order::LookUp
            }
            wish @ (Request::LookInto { .. }
            | Request::Start { .. }
            | Request::LookAtStart { .. }
            | Request::KeepMask { .. }
            | Request::InspectModel { .. }) => {
                // Fails only after a shutdown.
                _ = self.wishes.send(wish);
                return;
            }
            wish => {
                // Fails only after a shutdown.
                _ = self.errands.send(Errand::Wish(wish));
                return;
            }
        };
        _ = self.orders.send(order);
    }

    fn job(&self, job: JobId, work: Work) -> Order {
        Order::Job { job, work, token: self.desk.register(job) }
    }

    /// The next event, if there is one already.
    pub fn try_recv(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// The next event, waited for at most so long. `None` at once when all threads have ended.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.send(Request::Shutdown);
        // A thread that ended in a panic has said so already; there is nobody left to tell.
        _ = self.compute.take().map(JoinHandle::join);
        // Only now, as the last picture may just have been handed over.
        _ = self.errands.send(Errand::Stop);
        _ = self.keeper.take().map(JoinHandle::join);
        _ = self.clerk.take().map(JoinHandle::join);
        _ = self.reader.take().map(JoinHandle::join);
    }
}

fn spawn(name: &str, out: &Outbox, run: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(run);
    spawned
        .map_err(|e| {
            let message =
                format!("Kiln could not start a background thread: {e}. Close other programs and start again.");
            out.say(Event::Failed { message });
        })
        .ok()
}

#[cfg(test)]
mod tests;
