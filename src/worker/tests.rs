//! The worker as a front end meets it, with a tiny model.

mod jobs;
mod lessons;
mod tastes;
mod troubles;

use super::*;
use crate::library::Entry;
use crate::recipe::{Picture, Recipe};
use std::path::Path;
use std::sync::{Condvar, Mutex};

/// A prompt that breaks the job.
pub const PANIC: &str = "break, please";
/// A picture whose rating breaks the keeper.
pub const PANIC_ID: i64 = -13;

/// Holds the compute thread after an event, so that tests know exactly where it is.
#[derive(Default)]
struct Gate {
    permits: Mutex<u64>,
    bell: Condvar,
}

impl Gate {
    fn pass(&self) {
        if std::thread::current().name() == Some("kiln-compute") {
            let mut permits = self.bell.wait_while(self.permits.lock().unwrap(), |permits| *permits == 0).unwrap();
            *permits -= 1;
        }
    }
    fn set(&self, permits: u64) {
        *self.permits.lock().unwrap() = permits;
        self.bell.notify_all();
    }
}

struct Bench {
    gate: Arc<Gate>,
    worker: Worker,
    folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.gate.set(u64::MAX);
    }
}

impl Bench {
    fn start(model: &Path, library: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a file"), b"").unwrap();
        let options = Options {
            library: folder.path().join(library),
            model: model.display().to_string(),
            device: DeviceChoice::Cpu,
        };
        let gate = Arc::new(Gate::default());
        gate.set(u64::MAX);
        let passed = gate.clone();
        Self { gate, worker: Worker::start(options, move || passed.pass()), folder }
    }

    /// With a model, and one picture in the library.
    fn ready() -> Self {
        let bench = Self::start(&tiny(), "library");
        bench.until(|e| matches!(e, Event::ModelReady { .. }));
        // When the keeper tells of its end, the compute thread is not on its way through the gate.
        bench.made(1000, &[recipe("calm", 0, 1)]);
        bench
    }

    fn send(&self, request: Request) {
        self.worker.send(request);
    }

    fn generate(&self, job: JobId, recipes: &[Recipe]) {
        self.send(Request::Generate { job, recipes: recipes.to_vec() });
    }

    fn next(&self) -> Event {
        self.worker.recv_timeout(Duration::from_secs(120)).expect("an event")
    }

    /// All events up to the first that is wanted, which is the last.
    fn until(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            events.push(self.next());
            if wanted(&events[events.len() - 1]) {
                return events;
            }
        }
    }

    /// Starts a job, and holds the compute thread after a step of it.
    fn hold_in(&self, job: JobId, recipe: Recipe) {
        self.gate.set(0);
        self.generate(job, &[recipe]);
        while !matches!(self.next(), Event::Step { step: 3, .. }) {
            self.gate.set(1);
        }
    }

    fn made(&self, job: JobId, recipes: &[Recipe]) -> Vec<(Arc<Picture>, Option<Entry>)> {
        self.generate(job, recipes);
        let events = self.until(|e| is_end(e, job));
        assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
        let pictures = events.into_iter().filter_map(|e| match e {
            Event::PictureDone { picture, entry, .. } => Some((picture, entry)),
            _ => None,
        });
        pictures.collect()
    }
}

fn tiny() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/tiny_pipeline")
}

fn recipe(prompt: &str, seed: u64, steps: u32) -> Recipe {
    Recipe { prompt: prompt.into(), seed, width: 64, height: 64, steps, ..Recipe::default() }
}

fn long() -> Recipe {
    recipe("a fox", 1, 200)
}

fn is_end(event: &Event, job: JobId) -> bool {
    match event {
        Event::JobDone { job: ended, .. }
        | Event::JobCancelled { job: ended }
        | Event::JobFailed { job: ended, .. } => *ended == job,
        _ => false,
    }
}
