//! Running one job, and quick looks between its steps.

use super::compute::{Compute, Job};
use super::desk::Token;
use super::guard::guarded;
use super::keeper::{Errand, Note};
use super::pace::Plan;
use super::{Event, JobId};
use crate::pipeline::Pipeline;
use crate::recipe::{ModelRef, Picture, Recipe};
use crate::{Error, ErrorKind, Result};
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

impl Compute {
    /// Runs a job to its end, whatever that is, and says so after the last of its pictures.
    pub(super) fn run_job(&mut self, mut job: Job) {
        let begun = Instant::now();
        let id = job.job;
        let result = self.make(&mut job);
        self.desk.forget(id);
        // Through the keeper, so that it comes after the pictures that are still being saved.
        self.hand_over(Errand::Say(match result {
            Ok(()) => Event::JobDone { job: id, seconds: begun.elapsed().as_secs_f32() },
            Err(error) => ended(id, error),
        }));
    }

    fn make(&mut self, job: &mut Job) -> Result<()> {
        let (mut pipeline, model) = self.model()?;
        let asked = job.work.asked();
        let stranger = asked.iter().find(|r| !r.model.hash.is_empty() && r.model.hash != model.hash);
        if let Some(recipe) = stranger {
            let message = format!(
                "This recipe was made with another model ({}); {} draws it differently.",
                recipe.model.name,
                pipeline.info().name
            );
            self.out.say(Event::Notice { message });
        }
        // Before anything is made, so that no job stops half-way for a reason that was known.
        for recipe in &asked {
            recipe.check_ranges()?;
            pipeline.check(recipe)?;
        }
        if let Some(first) = asked.first() {
            let adapted = pipeline.adapted(&first.adapters)?;
            adapted.notices.into_iter().for_each(|message| self.out.say(Event::Notice { message }));
        }
        // Once a model; later calls have nothing to say. A device that fails here fails again with the picture, which has a way on.
        let said = guarded("Preparing the previews", || Ok(pipeline.prepare_looks())).unwrap_or_default();
        said.into_iter().for_each(|message| self.out.say(Event::Notice { message }));
        self.out.say(Event::Started { job: job.job, pictures: asked.len() as u32 });
        job.work.set_model(&model);
        let job = &*job;
        let orders = guarded("Choosing the pictures", || self.draw(job.job, &job.token, &job.work, &pipeline))?;
        let (recipes, notes): (Vec<Recipe>, Vec<Note>) = orders.into_iter().unzip();
        let plan = Plan::new(&recipes);
        let mut notes = notes.into_iter();
        let mut done = 0;
        while let Some(next) = recipes.get(done) {
            self.between_steps(&job.token)?;
            // The first one alone: the sooner something is to be seen, the better.
            let most = if done == 0 { 1 } else { pipeline.at_once(next) };
            let alike = recipes[done..].iter().take(most).take_while(|other| Pipeline::kin(next, other)).count();
            let batch = done..done + alike.max(1);
            let mut made =
                guarded("Making the picture", || self.pictures(job, &plan, batch.clone(), &recipes, &pipeline));
            if let Err(error) = &made
                && error.kind == ErrorKind::Failed
            {
                // A GPU that vanished or a lent device that is gone costs time, not the picture; and what is wrong with one
                // picture is no fault of the others.
                let moved = self.fall_back(error);
                if moved {
                    pipeline = self.model()?.0;
                }
                if moved || batch.len() > 1 {
                    let alone = done..done + 1;
                    made = guarded("Making the picture", || self.pictures(job, &plan, alone, &recipes, &pipeline));
                }
            }
            for (picture, note) in made?.into_iter().zip(&mut notes) {
                let (index, picture) = (done as u32, Arc::new(picture));
                self.hand_over(Errand::Save { job: job.job, index, picture, note });
                done += 1;
            }
        }
        Ok(())
    }

    /// Makes those of a job's pictures together.
    fn pictures(
        &mut self,
        job: &Job,
        plan: &Plan,
        batch: Range<usize>,
        recipes: &[Recipe],
        pipeline: &Pipeline,
    ) -> Result<Vec<Picture>> {
        #[cfg(test)]
        assert!(recipes[batch.clone()].iter().all(|r| r.prompt != super::tests::PANIC), "asked for by a test");
        let mut clock = Instant::now();
        let made = pipeline.generate_together(&recipes[batch.clone()], &mut |report| {
            let together: Vec<usize> = report.pictures().map(|picture| batch.start + picture).collect();
            let each = clock.elapsed().as_secs_f64() / together.len().max(1) as f64;
            together.iter().for_each(|index| self.pace.step_took(plan, *index, report.step, each));
            let (seconds_left, progress) = (
                self.pace.seconds_left(plan, &batch, &together, report.step),
                plan.progress(&batch, &together, report.step),
            );
            for (picture, index) in report.pictures().zip(&together) {
                self.out.say(Event::Step {
                    job: job.job,
                    picture: *index as u32,
                    step: report.step,
                    steps: report.steps,
                    preview: report.preview(picture).map(Arc::new),
                    seconds_left,
                    progress,
                });
            }
            let go_on = self.between_steps(&job.token);
            // What happened in between is not the step's time.
            clock = Instant::now();
            if go_on.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let each = clock.elapsed().as_secs_f64() / batch.len().max(1) as f64;
        batch.for_each(|index| self.pace.tail_took(plan, index, each));
        Ok(made)
    }

    /// Looks up from the work: what was asked meanwhile, a quick look, a cancelled job (as an error).
    pub(super) fn between_steps(&mut self, token: &Token) -> Result<()> {
        self.take_in();
        self.serve_preview(Some(token));
        if token.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Makes the quick look that is due, if there is one; answers whether there was. `around` is the job that waits
    /// meanwhile: when it is cancelled, the look is put off.
    pub(super) fn serve_preview(&mut self, around: Option<&Token>) -> bool {
        let around_cancelled = || around.is_some_and(Token::is_cancelled);
        let due = self.loads_done;
        if around_cancelled() {
            return false;
        }
        let Some(wish) = self.wish.take_if(|wish| wish.after_load <= due) else { return false };
        let begun = Instant::now();
        let desk = self.desk.clone();
        let result = guarded("Making the quick look", || {
            #[cfg(test)]
            assert!(wish.recipe.prompt != super::tests::PANIC, "asked for by a test");
            let (pipeline, _) = self.model()?;
            let mut stop = || wish.token.is_cancelled() || !desk.is_newest(wish.number) || around_cancelled();
            if stop() { Err(Error::cancelled()) } else { pipeline.preview(&wish.recipe, &mut stop) }
        });
        let job = wish.job;
        match result {
            Ok(image) => {
                let seconds = begun.elapsed().as_secs_f32();
                self.out.say(Event::Preview { job, image: Arc::new(image), seconds });
            }
            Err(error) if error.kind != ErrorKind::Cancelled || wish.token.is_cancelled() => {
                self.out.say(ended(job, error));
            }
            // The job around it is to end at once; this is still wanted.
            Err(_) if desk.is_newest(wish.number) => {
                self.wish = Some(wish);
                return false;
            }
            Err(_) => {}
        }
        desk.forget(job);
        true
    }

    /// The model in use, and how a Recipe names it.
    pub(super) fn model(&self) -> Result<(Rc<Pipeline>, ModelRef)> {
        let Some(loaded) = &self.loaded else {
            return Err(Error::failed(format!(
                "There is no model to draw with; choose one that can be loaded. {}",
                self.trouble
            )));
        };
        let hash = loaded.pipeline.info().hash.clone();
        Ok((loaded.pipeline.clone(), ModelRef { name: loaded.name.clone(), hash }))
    }
}

/// What is said of a job that ended early.
pub(super) fn ended(job: JobId, error: Error) -> Event {
    match error.kind {
        ErrorKind::Cancelled => Event::JobCancelled { job },
        ErrorKind::Usage | ErrorKind::Failed => Event::JobFailed { job, message: error.message },
    }
}
