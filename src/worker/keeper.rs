//! The thread that owns the library: saves pictures and answers what is asked about them.

use super::guard::guarded;
use super::lessons::{self, Lessons};
use super::opinions::Pairs;
pub use super::opinions::{Note, Side};
use super::{Event, JobId, Outbox, Request};
use crate::library::{ExportFormat, Library, PictureId};
use crate::recipe::Picture;
use crate::taste::Taste;
use crate::tuning::finetune::Settings;
use crate::{Error, Result};
use crossbeam_channel::{Receiver, Sender};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a library could not be opened it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What this thread is asked to do.
pub enum Errand {
    /// A request of the front end about pictures.
    Wish(Request),
    /// Save a finished picture and tell of it.
    Save {
        /// The job that made it.
        job: JobId,
        /// Its place in the job.
        index: u32,
        /// The picture.
        picture: Arc<Picture>,
        /// What else is done with it.
        note: Note,
    },
    /// Learn the library's taste.
    Learn {
        /// Where to send it.
        reply: Sender<Result<Arc<Taste>>>,
    },
    /// Gather the library's choices, to teach from.
    Gather {
        /// What decides which are held out.
        settings: Box<Settings>,
        /// Where to send them.
        reply: Sender<Result<Lessons>>,
    },
    /// Tell this, after what came before.
    Say(Event),
    /// End.
    Stop,
}

/// Work that others need not wait for.
enum Slow {
    Thumbnail { id: PictureId, side: u32 },
    Open { id: PictureId },
    Export(Export),
    Why { id: PictureId },
    Taste,
}

struct Export {
    ids: VecDeque<PictureId>,
    target: PathBuf,
    format: ExportFormat,
    written: Vec<PathBuf>,
}

/// The state of the thread.
pub struct Keeper {
    errands: Receiver<Errand>,
    pub(super) out: Outbox,
    folder: PathBuf,
    library: Option<Library>,
    /// When and why the library could not be opened.
    trouble: Option<(Instant, Error)>,
    later: VecDeque<Slow>,
    /// The job whose pictures could not be saved, and why, as it was told last.
    complaint: Option<(JobId, String)>,
    /// The taste as it was learnt last; absent when a choice has changed since.
    pub(super) taste: Option<Arc<Taste>>,
    pub(super) pairs: Pairs,
}

impl Keeper {
    /// The thread's state at its start.
    pub fn new(errands: Receiver<Errand>, out: Outbox, folder: PathBuf) -> Self {
        Self {
            errands,
            out,
            folder,
            library: None,
            trouble: None,
            later: VecDeque::new(),
            complaint: None,
            taste: None,
            pairs: HashMap::new(),
        }
    }

    /// Works until the end is asked for.
    pub fn run(mut self) {
        if let Err(error) = guarded("Opening the library", || self.library().map(|_| ())) {
            self.fail(error);
        }
        loop {
            // Everything quick goes before the next piece of what is slow.
            let errand = match self.later.is_empty() {
                true => self.errands.recv().ok(),
                false => match self.errands.try_recv() {
                    Err(crossbeam_channel::TryRecvError::Empty) => {
                        self.one_slow();
                        continue;
                    }
                    errand => errand.ok(),
                },
            };
            match errand {
                Some(Errand::Wish(wish)) => {
                    if let Err(error) = guarded("The library", || self.answer(wish)) {
                        self.fail(error);
                    }
                }
                Some(Errand::Save { job, index, picture, note }) => self.save(job, index, picture, note),
                Some(Errand::Learn { reply }) => {
                    // Whoever asked may have been cancelled meanwhile.
                    _ = reply.send(guarded("Learning your taste", || self.learn()));
                }
                Some(Errand::Gather { settings, reply }) => {
                    _ = reply.send(guarded("Gathering your choices", || lessons::of(self.library()?, &settings)));
                }
                Some(Errand::Say(event)) => self.out.say(event),
                Some(Errand::Stop) | None => return,
            }
        }
    }

    fn fail(&self, error: Error) {
        self.out.say(Event::Failed { message: error.message });
    }

    /// The library, opened at the first need, and tried again when it could not be.
    pub(super) fn library(&mut self) -> Result<&Library> {
        if self.library.is_none() {
            if let Some((when, error)) = &self.trouble
                && when.elapsed() < RETRY
            {
                return Err(error.clone());
            }
            match Library::open(&self.folder) {
                Ok((library, notices)) => {
                    notices.into_iter().for_each(|message| self.out.say(Event::Notice { message }));
                    self.library = Some(library);
                }
                Err(error) => {
                    self.trouble = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
            }
        }
        self.library.as_ref().ok_or_else(|| Error::failed("The library is not open; start Kiln again."))
    }

    fn save(&mut self, job: JobId, index: u32, picture: Arc<Picture>, note: Note) {
        let entry = guarded("Saving the picture", || self.library()?.add(&picture));
        let entry = entry
            .map_err(|error| {
                // A hundred pictures on a full disk are one trouble, not a hundred.
                let complaint = Some((job, error.message.clone()));
                if self.complaint != complaint {
                    self.complaint = complaint;
                    self.fail(error);
                }
            })
            .ok();
        let id = entry.as_ref().map(|entry| entry.id);
        self.out.say(Event::PictureDone { job, index, picture: picture.clone(), entry });
        if let Some(id) = id {
            let noted = guarded("Looking at the picture", || {
                self.take_note(job, id, &picture, note);
                Ok(())
            });
            noted.unwrap_or_else(|error| self.fail(error));
        }
    }

    fn answer(&mut self, wish: Request) -> Result<()> {
        let changed = match wish {
            Request::List { token, query } => {
                let library = self.library()?;
                let (entries, tags) = (library.list(&query)?, library.all_tags()?);
                self.out.say(Event::Listed { token, entries, tags });
                return Ok(());
            }
            Request::Compare { winner, loser } => {
                self.taste = None;
                self.library()?.compare(winner, loser)?;
                self.out.say(Event::Compared { winner, loser });
                return Ok(());
            }
            Request::Judge { job, pair, choice } => return self.judge(job, pair, choice),
            Request::Forget => return self.forget(),
            Request::Taste => {
                // After everything that is quick, and once for all who ask.
                if !self.later.iter().any(|slow| matches!(slow, Slow::Taste)) {
                    self.later.push_back(Slow::Taste);
                }
                return Ok(());
            }
            Request::Why { id } => {
                self.later.push_back(Slow::Why { id });
                return Ok(());
            }
            Request::Thumbnail { id, side } => {
                self.later.push_back(Slow::Thumbnail { id, side });
                return Ok(());
            }
            Request::Open { id } => {
                self.later.push_back(Slow::Open { id });
                return Ok(());
            }
            Request::Export { ids, target, format } => {
                let export = self.start_export(ids.into(), target, format)?;
                self.later.push_back(Slow::Export(export));
                return Ok(());
            }
            Request::Rate { id, stars } => {
                #[cfg(test)]
                assert!(id != super::tests::PANIC_ID, "asked for by a test");
                self.library()?.rate(id, stars).map(|()| id)?
            }
            Request::Favourite { id, on } => self.library()?.favourite(id, on).map(|()| id)?,
            Request::Reject { id, on } => self.library()?.reject(id, on).map(|()| id)?,
            Request::SetTags { id, tags } => self.library()?.set_tags(id, &tags).map(|()| id)?,
            Request::Delete { id } => self.library()?.delete(id).map(|()| id)?,
            Request::Restore { id } => self.library()?.restore(id).map(|()| id)?,
            // These are for the other threads and never come here.
            Request::LookInto { .. }
            | Request::Start { .. }
            | Request::LookAtStart { .. }
            | Request::KeepMask { .. }
            | Request::InspectModel { .. }
            | Request::LoadModel { .. }
            | Request::Generate { .. }
            | Request::Wall { .. }
            | Request::Trial { .. }
            | Request::TestAdapter { .. }
            | Request::Teach { .. }
            | Request::Clerk(_)
            | Request::Preview { .. }
            | Request::Cancel { .. }
            | Request::CancelAll
            | Request::Shutdown => return Ok(()),
        };
        self.taste = None;
        let entry = self.library()?.get(changed)?;
        self.out.say(Event::Changed { entry });
        Ok(())
    }

    /// Does one piece of the slow work.
    fn one_slow(&mut self) {
        let Some(slow) = self.later.pop_front() else { return };
        let done = guarded("The library", || {
            match slow {
                Slow::Thumbnail { id, side } => {
                    let image = self.library()?.thumbnail(id, side)?;
                    self.out.say(Event::Thumbnail { id, image });
                }
                Slow::Open { id } => {
                    let picture = Arc::new(self.library()?.picture(id)?);
                    self.out.say(Event::Opened { id, picture });
                }
                Slow::Export(export) => self.export_one(export)?,
                Slow::Why { id } => self.tell_why(id)?,
                Slow::Taste => self.tell_taste()?,
            }
            Ok(())
        });
        if let Err(error) = done {
            self.fail(error);
        }
    }

    fn start_export(&mut self, ids: VecDeque<PictureId>, target: PathBuf, format: ExportFormat) -> Result<Export> {
        if ids.len() > 1 && !target.exists() {
            // The library takes pictures one by one, and must not take the folder for the name of a file.
            std::fs::create_dir_all(&target).map_err(|e| Error::io("make the folder", &target, e))?;
        } else if ids.is_empty() || (ids.len() > 1 && !target.is_dir()) {
            // Refused with the library's own words.
            let ids: Vec<PictureId> = ids.iter().copied().collect();
            self.library()?.export(&ids, &target, format)?;
        }
        Ok(Export { ids, target, format, written: Vec::new() })
    }

    /// Writes one picture of an export; the rest waits behind other work.
    fn export_one(&mut self, mut export: Export) -> Result<()> {
        if let Some(id) = export.ids.pop_front() {
            let paths = self.library()?.export(&[id], &export.target, export.format);
            let paths = paths.map_err(|error| match export.written.len() {
                0 => error,
                n => Error { message: format!("{} {n} of the pictures were written before.", error.message), ..error },
            })?;
            export.written.extend(paths);
        }
        if export.ids.is_empty() {
            self.out.say(Event::Exported { paths: export.written });
        } else {
            self.later.push_back(Slow::Export(export));
        }
        Ok(())
    }
}
