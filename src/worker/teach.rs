//! Teaching on the compute thread: a lesson gives way between its steps, so that pictures need not wait for its end.

use super::compute::{Compute, Task};
use super::desk::Token;
use super::guard::guarded;
use super::jobs::ended;
use super::keeper::Errand;
use super::{Event, JobId};
use crate::library::write_whole;
use crate::pipeline::Pipeline;
use crate::recipe::Picture;
use crate::tuning::finetune::card::{Card, Point};
use crate::tuning::finetune::dataset::Preparing;
use crate::tuning::finetune::drawn::shown;
use crate::tuning::finetune::gather::{LeftOut, check_folder};
use crate::tuning::finetune::search::Trial;
use crate::tuning::finetune::{self, Lessons, Options, Settings, Taught};
use crate::tuning::lesson::{Lesson, Rated};
use crate::tuning::shelf::{card_of, keep_portrait};
use crate::{Error, Result};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Share of a lesson's time that looks on the way may take.
const LOOKING: f32 = 0.15;

/// What is told of a lesson while it goes on.
#[derive(Debug, Clone)]
pub enum News {
    /// Pictures are drawn of which taste makes more choices: done, in all.
    Imagining(u64, u64),
    /// Pictures are being made ready.
    Preparing(Preparing),
    /// They are ready.
    Prepared {
        /// Pictures learnt from.
        learnt: usize,
        /// Pictures held out, to choose the best check by and to prove by.
        held_out: usize,
        /// Choices learnt from and choices held out, where choices teach.
        choices: (usize, usize),
        /// Files that are not used, and why.
        left_out: Vec<LeftOut>,
    },
    /// The held-out loss of the checkpoint alone.
    Base(f32),
    /// One of the short runs by which settings are found.
    Tried(Trial),
    /// Settings were found.
    Found(Box<Settings>),
    /// Some steps are done.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        of: u64,
        /// Mean training loss since the last report.
        loss: f32,
        /// Seconds left, without pictures that are made meanwhile.
        seconds_left: f32,
    },
    /// A point of the curves, and whether it is the best so far.
    Checked(Point, bool),
    /// A look was made: one of [`Lesson::looks`].
    Look {
        /// Which.
        index: usize,
        /// With the adapter, as it was after so many steps; `None` is the checkpoint alone.
        step: Option<u64>,
        /// The picture.
        picture: Arc<Picture>,
    },
    /// Pictures are drawn with what was learnt and without, to compare: done, in all, seconds left.
    Drawing(usize, usize, f32),
    /// It was stopped after so many steps, and can be gone on with.
    Stopped(u64),
    /// It is finished, and the adapter is on the shelf.
    Finished {
        /// What the adapter's file says of itself.
        card: Box<Card>,
        /// Whether it ended before all steps, as nothing became better.
        early: bool,
    },
}

/// A lesson that waits or is under way.
pub(super) struct Pupil {
    pub job: JobId,
    pub lesson: Box<Lesson>,
    pub token: Token,
}

/// What a lesson keeps in mind while it goes on.
struct Course {
    began: Instant,
    /// Time that went to other things.
    away: Duration,
    /// Time that went to looks.
    looking: Duration,
    /// The first step that was told of, when, and how long other things had taken by then.
    first: Option<(u64, Instant, Duration)>,
}

impl Compute {
    /// Teaches until the end, whatever that is, and says so.
    pub(super) fn run_lesson(&mut self, mut pupil: Pupil) {
        pupil.lesson.take_up_choices();
        let begun = Instant::now();
        let id = pupil.job;
        let result = guarded("Teaching", || self.teach(&pupil));
        self.desk.forget(id);
        self.hand_over(Errand::Say(match result {
            Ok(()) => Event::JobDone { job: id, seconds: begun.elapsed().as_secs_f32() },
            Err(error) => ended(id, error),
        }));
    }

    fn teach(&mut self, pupil: &Pupil) -> Result<()> {
        let (lesson, job) = (&*pupil.lesson, pupil.job);
        #[cfg(test)]
        assert!(!lesson.folder.ends_with(super::tests::PANIC), "asked for by a test");
        let (pipeline, _) = self.model()?;
        if lesson.base != pipeline.info().hash {
            return Err(Error::usage(format!(
                "{} was begun with another model than {}: choose that model, then go on.",
                lesson.name(),
                pipeline.info().name
            )));
        }
        if !lesson.resume && lesson.out.exists() {
            return Err(Error::usage(format!(
                "There is an adapter called {} already: choose another name.",
                lesson.name()
            )));
        }
        lesson.settings.check()?;
        if lesson.rated.is_none() {
            check_folder(&lesson.folder)?;
        }
        for look in &lesson.looks {
            look.check_ranges()?;
            pipeline.check(look)?;
        }
        self.out.say(Event::Started { job, pictures: 0 });
        for (picture, words) in &lesson.captions {
            write_whole(&picture.with_extension("txt"), words.as_bytes())?;
        }
        lesson.keep()?;
        // What was reached before it was stopped stands in the file that it left.
        let earlier = lesson.resume.then(|| card_of(&lesson.out)).flatten();
        for point in earlier.into_iter().flat_map(|card| card.curve) {
            self.tell(job, News::Checked(point, false));
        }
        let mut course = Course { began: Instant::now(), away: Duration::ZERO, looking: Duration::ZERO, first: None };
        let lessons = self.lessons(pupil, &pipeline, &mut course).inspect_err(|_| {
            if !lesson.resume {
                _ = Lesson::forget(&lesson.out);
            }
        })?;
        // Without one, what is drawn at the end is only measured.
        let taste = lesson.rated.as_ref().and_then(|_| self.learn(&pupil.token).ok());
        let options = Options {
            lessons,
            out: lesson.out.clone(),
            settings: lesson.settings.clone(),
            search: lesson.search,
            resume: lesson.resume,
            write_captions: false,
            taste,
            stop: || false,
        };
        let outcome = finetune::run(&pipeline, &options, &mut |event| self.hear(pupil, &pipeline, &mut course, event));
        let outcome = outcome.inspect_err(|_| {
            // Without a state there is nothing to go on with.
            if !Lesson::state_of(&lesson.out).is_file() {
                _ = Lesson::forget(&lesson.out);
            }
        })?;
        if outcome.stopped {
            self.tell(job, News::Stopped(outcome.steps));
            return Err(Error::cancelled());
        }
        // The adapter is whole by now, so a cancel only leaves out the last looks.
        let looked = self.look(pupil, &pipeline, &mut course, Some(outcome.card.step));
        Lesson::forget(&lesson.out)?;
        self.tell(job, News::Finished { card: Box::new(outcome.card), early: outcome.early });
        match looked {
            Err(error) if error.kind != crate::ErrorKind::Cancelled => Err(error),
            _ => Ok(()),
        }
    }

    /// What the lesson learns from. Choices are gathered once, and written down with the lesson.
    fn lessons(&mut self, pupil: &Pupil, pipeline: &Pipeline, course: &mut Course) -> Result<Lessons> {
        let lesson = &*pupil.lesson;
        let Some(rated) = &lesson.rated else { return Ok(Lessons::Pictures(lesson.folder.clone())) };
        if let Some(choices) = &rated.choices {
            return Ok(Lessons::Choices(choices.clone()));
        }
        let settings = Box::new(lesson.settings.clone());
        let mut gathered = self.ask_keeper(&pupil.token, |reply| Errand::Gather { settings, reply })?;
        let mut answer = Ok(());
        let imagined =
            gathered.imagine(pipeline, rated.imagined, &Lesson::imagined_of(&lesson.out), &mut |done, of| {
                self.tell(pupil.job, News::Imagining(done, of));
                answer = self.give_way(pupil, course);
                answer.is_ok()
            });
        answer.and(imagined)?;
        let choices = gathered.choices;
        let rated = Rated { choices: Some(choices.clone()), ..rated.clone() };
        Lesson { rated: Some(rated), ..lesson.clone() }.keep()?;
        Ok(Lessons::Choices(choices))
    }

    fn tell(&self, job: JobId, news: News) {
        self.out.say(Event::Lesson { job, news });
    }

    /// Passes on what the training says, and looks up.
    fn hear(&mut self, pupil: &Pupil, pipeline: &Pipeline, course: &mut Course, event: finetune::Event) -> Result<()> {
        let news = match event {
            finetune::Event::Between => return self.give_way(pupil, course),
            finetune::Event::Preparing(preparing) => News::Preparing(preparing),
            finetune::Event::Prepared {
                learnt, held_out, proof, choices: [taught, asked, proving], left_out, ..
            } => {
                let (held_out, choices) = (held_out + proof, (taught, asked + proving));
                self.tell(pupil.job, News::Prepared { learnt, held_out, choices, left_out });
                return self.look(pupil, pipeline, course, None);
            }
            finetune::Event::Tried(trial) => News::Tried(trial),
            finetune::Event::Found(settings) => {
                // Going on means these settings, without another search.
                Lesson { settings: (*settings).clone(), search: false, ..(*pupil.lesson).clone() }.keep()?;
                News::Found(settings)
            }
            finetune::Event::Proving => return self.give_way(pupil, course),
            finetune::Event::Drawing { done, of, seconds_left } => News::Drawing(done, of, seconds_left),
            finetune::Event::Base { held_out } => News::Base(held_out),
            finetune::Event::Step { step, of, loss, seconds_left } => {
                let seconds_left = match course.first {
                    Some((first, since, away)) if step > first => {
                        let taken = since.elapsed().saturating_sub(course.away.saturating_sub(away));
                        taken.as_secs_f32() / (step - first) as f32 * (of - step) as f32
                    }
                    _ => {
                        course.first = Some((step, Instant::now(), course.away));
                        seconds_left
                    }
                };
                // What was asked meanwhile is seen before the next step, where a stop keeps the state.
                self.tell(pupil.job, News::Step { step, of, loss, seconds_left });
                return Ok(());
            }
            finetune::Event::Checked { point, best } => {
                self.tell(pupil.job, News::Checked(point, best));
                let share = course.looking.as_secs_f32() / course.began.elapsed().as_secs_f32().max(1e-3);
                if best && share < LOOKING && point.step < pupil.lesson.settings.steps {
                    // A cancel is seen again before the next step, where the state is kept.
                    return match self.look(pupil, pipeline, course, Some(point.step)) {
                        Err(error) if error.kind != crate::ErrorKind::Cancelled => Err(error),
                        _ => Ok(()),
                    };
                }
                return Ok(());
            }
        };
        self.tell(pupil.job, news);
        self.give_way(pupil, course)
    }

    /// Makes the looks, with what was learnt as it is written now, or without.
    fn look(&mut self, pupil: &Pupil, pipeline: &Pipeline, course: &mut Course, step: Option<u64>) -> Result<()> {
        let (begun, away) = (Instant::now(), course.away);
        let whole = pupil.lesson.settings.taught == Taught::Full;
        let taught = match step.filter(|_| whole) {
            Some(_) => Some(Pipeline::load_on(&pupil.lesson.out, pipeline.device(), &mut |_| ())?),
            None => None,
        };
        let pipeline = taught.as_ref().unwrap_or(pipeline);
        for (index, look) in pupil.lesson.looks.iter().enumerate() {
            let recipe = shown(look, &pupil.lesson.settings, &pupil.lesson.out, step.is_some());
            let picture = pipeline.generate(&recipe, &mut |_| match self.give_way(pupil, course) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })?;
            let picture = Arc::new(picture);
            if index == 0 && step.is_some() && !whole {
                keep_portrait(&pupil.lesson.out, &picture)?;
            }
            self.tell(pupil.job, News::Look { index, step, picture });
        }
        course.looking += begun.elapsed().saturating_sub(course.away.saturating_sub(away));
        // To what is left of the training, looks are other things.
        course.away = away + begun.elapsed();
        Ok(())
    }

    /// Does what was asked meanwhile: quick looks, pictures, another model. A cancelled lesson is an error.
    fn give_way(&mut self, pupil: &Pupil, course: &mut Course) -> Result<()> {
        let begun = Instant::now();
        let answer = loop {
            self.take_in();
            if pupil.token.is_cancelled() {
                break Err(Error::cancelled());
            }
            if self.serve_preview(Some(&pupil.token)) {
                continue;
            }
            match self.next_beside_lessons() {
                Some(task) => self.run_task(task),
                None => break Ok(()),
            }
        };
        course.away += begun.elapsed();
        answer
    }
}

/// Whether a task is a lesson.
pub(super) fn is_lesson(task: &Task) -> bool {
    matches!(task, Task::Lesson(_))
}
