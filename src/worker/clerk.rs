//! The thread for folders: looks at pictures that are to be learnt from, and keeps the shelf of adapters.

use super::guard::guarded;
use super::{Event, JobId, Outbox};
use crate::Result;
use crate::pipeline::ModelInfo;
use crate::recipe::Picture;
use crate::tuning::finetune::survey::{Seen, survey};
use crate::tuning::lesson::Lesson;
use crate::tuning::shelf::{Listing, Shelf, Shelved, Used, delete, export, import, keep_portrait, rename};
use crossbeam_channel::Receiver;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Name of the folder of adapters inside the library's.
pub const FOLDER: &str = "adapters";

/// What this thread is asked to do. It is answered with [`Filed`]; a wish that cannot be met with [`Event::Failed`].
#[derive(Debug, Clone)]
pub enum Clerical {
    /// Look at a folder of pictures. Only the newest wish counts; it gives way to everything else between two pictures.
    Survey {
        /// Comes back with the answers.
        job: JobId,
        /// The folder.
        folder: PathBuf,
        /// The model that is to learn from it.
        info: Arc<ModelInfo>,
    },
    /// Leave the look at a folder that is under way.
    LeaveSurvey,
    /// Ask for the adapters: those on the shelf, and those in use, which may lie anywhere.
    List {
        /// Those in use.
        used: Vec<Used>,
    },
    /// Copy an adapter from elsewhere onto the shelf.
    Import {
        /// The file.
        path: PathBuf,
    },
    /// Copy an adapter to a place of the person's choice.
    Export {
        /// The adapter.
        path: PathBuf,
        /// Where to.
        target: PathBuf,
    },
    /// Give an adapter another name.
    Rename {
        /// The adapter.
        path: PathBuf,
        /// The name, without an ending.
        name: String,
    },
    /// Delete an adapter with all that belongs to it, or give up an unfinished lesson.
    Delete {
        /// The adapter.
        path: PathBuf,
    },
    /// Keep a picture as an adapter's own, where it has none.
    Portrait {
        /// The adapter.
        path: PathBuf,
        /// A picture that was made with it.
        picture: Arc<Picture>,
    },
    /// End.
    Stop,
}

/// What this thread tells.
#[derive(Debug, Clone)]
pub enum Filed {
    /// How far the look at a folder is, and what was seen.
    Surveying {
        /// As asked.
        job: JobId,
        /// Files done.
        done: usize,
        /// Files in all.
        of: usize,
        /// The file that was looked at last.
        seen: Option<Seen>,
    },
    /// The look is over; with a sentence where it could not be taken.
    Surveyed {
        /// As asked.
        job: JobId,
        /// What, where, what to do.
        trouble: Option<String>,
        /// Memory that is free, in bytes, where the system says.
        free: Option<u64>,
    },
    /// The adapters as they are now. Also told after every change.
    Listed {
        /// Those on the shelf by name, then those elsewhere.
        adapters: Vec<Arc<Shelved>>,
        /// Lessons that can be gone on with.
        lessons: Vec<Lesson>,
        /// Those in use that are gone from their place, and where the same file lies on the shelf.
        moved: Vec<(PathBuf, PathBuf)>,
    },
    /// An adapter is on the shelf.
    Imported {
        /// Where it lies.
        path: PathBuf,
    },
    /// A copy was written.
    Exported {
        /// Where to.
        target: PathBuf,
    },
    /// An adapter has another name.
    Renamed {
        /// Where it was.
        from: PathBuf,
        /// Where it is.
        to: PathBuf,
    },
    /// An adapter is gone.
    Deleted {
        /// Where it was.
        path: PathBuf,
    },
}

/// The state of the thread.
pub struct Clerk {
    errands: Receiver<Clerical>,
    waiting: VecDeque<Clerical>,
    out: Outbox,
    folder: PathBuf,
    shelf: Shelf,
    /// Adapters in use that were asked about last.
    used: Vec<Used>,
    stopped: bool,
}

impl Clerk {
    /// The thread's state at its start; `library` is the library's folder.
    pub fn new(errands: Receiver<Clerical>, out: Outbox, library: &std::path::Path) -> Self {
        Self {
            errands,
            waiting: VecDeque::new(),
            out,
            folder: library.join(FOLDER),
            shelf: Shelf::default(),
            used: Vec::new(),
            stopped: false,
        }
    }

    /// Works until the end is asked for.
    pub fn run(mut self) {
        while !self.stopped {
            let Some(errand) = self.waiting.pop_front().or_else(|| self.errands.recv().ok()) else { return };
            self.serve(errand);
        }
    }

    fn serve(&mut self, errand: Clerical) {
        if let Clerical::Survey { job, folder, info } = errand {
            let looked = guarded("Looking at the folder", || self.survey(job, &folder, &info));
            let trouble = match looked {
                Err(error) if error.kind == crate::ErrorKind::Cancelled => return,
                looked => looked.err().map(|error| error.message),
            };
            let free = crate::model::memory::Machine::ask().map(|machine| machine.free);
            return self.out.say(Event::Filed(Filed::Surveyed { job, trouble, free }));
        }
        if let Err(error) = guarded("The shelf of adapters", || self.file(errand)) {
            self.out.say(Event::Failed { message: error.message });
        }
    }

    fn file(&mut self, errand: Clerical) -> Result<()> {
        let told = match errand {
            Clerical::List { used } => {
                self.used = used;
                None
            }
            Clerical::Import { path } => Some(Filed::Imported { path: import(&self.folder, &path)? }),
            Clerical::Export { path, target } => {
                export(&path, &target)?;
                self.out.say(Event::Filed(Filed::Exported { target }));
                return Ok(());
            }
            Clerical::Rename { path, name } => Some(Filed::Renamed { to: rename(&path, &name)?, from: path }),
            Clerical::Delete { path } => {
                delete(&path)?;
                Some(Filed::Deleted { path })
            }
            Clerical::Portrait { path, picture } => {
                if crate::tuning::shelf::portrait_of(&path).is_file() || path.parent() != Some(&self.folder) {
                    return Ok(());
                }
                keep_portrait(&path, &picture)?;
                None
            }
            Clerical::Stop => {
                self.stopped = true;
                return Ok(());
            }
            Clerical::LeaveSurvey | Clerical::Survey { .. } => return Ok(()),
        };
        // First what happened, so that whoever listens knows the new names in the list.
        if let Some(told) = told {
            self.out.say(Event::Filed(told));
        }
        let Listing { adapters, lessons, moved } = self.shelf.list(&self.folder, &self.used)?;
        self.out.say(Event::Filed(Filed::Listed { adapters, lessons, moved }));
        Ok(())
    }

    fn survey(&mut self, job: JobId, folder: &std::path::Path, info: &ModelInfo) -> Result<()> {
        #[cfg(test)]
        assert!(!folder.ends_with(super::tests::PANIC), "asked for by a test");
        survey(folder, info, &mut |seen, done, of| {
            if !self.look_up() {
                return false;
            }
            self.out.say(Event::Filed(Filed::Surveying { job, done, of, seen }));
            true
        })
    }

    /// Serves what is quick; whether the look at a folder is still wanted.
    fn look_up(&mut self) -> bool {
        while let Ok(errand) = self.errands.try_recv() {
            match errand {
                Clerical::Survey { .. } => {
                    self.waiting.push_back(errand);
                    return false;
                }
                Clerical::LeaveSurvey => return false,
                quick => self.serve(quick),
            }
        }
        !self.stopped
    }
}
