//! What the worker told, taken into the state.

use super::app::{Model, Screen};
use super::gallery::{JobState, Slot};
use super::settings::Tab;
use super::textures::upload;
use super::toasts::Offer;
use super::{App, widgets};
use crate::library::{Entry, Query};
use crate::pipeline::PreviewImage;
use crate::recipe::Picture;
use crate::worker::{Clerical, Event, JobId, Request};
use egui::Context;
use std::sync::Arc;

/// Most pictures that the wall lists.
const MOST: usize = 20_000;
/// Larger pictures are shown on the wall by a thumbnail.
const SMALL_ENOUGH: u32 = 640;

impl App {
    /// Takes in everything that has happened since the last frame.
    pub(super) fn take_events(&mut self, ctx: &Context) {
        while let Some(event) = self.link.try_recv() {
            self.take(ctx, event);
        }
    }

    fn take(&mut self, ctx: &Context, event: Event) {
        match event {
            Event::ModelLoading { name, progress } => self.model = Model::Loading { name, progress },
            Event::ModelReady { info, device, .. } => {
                self.model_ready(info, device);
                self.preview.forget();
            }
            Event::ModelFailed { name, message } => self.model_failed(name, message),
            Event::Queued { .. } => {}
            Event::Started { job, .. } => {
                if let Some(job) = self.gallery.job(job) {
                    job.state = JobState::Running;
                }
            }
            Event::Step { job, picture, step, steps, preview, seconds_left, progress } => {
                let Some(job) = self.gallery.job(job) else { return };
                (job.progress, job.seconds_left, job.looking) = (progress, Some(seconds_left), None);
                let number = job.id;
                if let Some(slot) = job.slots.get_mut(picture as usize) {
                    advance(ctx, slot, step, steps, preview.as_deref(), number, picture);
                }
            }
            Event::PictureDone { job, index, picture, entry } => self.picture_done(ctx, job, index, picture, entry),
            Event::JobDone { job, .. } => self.job_over(job, None),
            Event::JobCancelled { job } => self.job_over(job, None),
            Event::JobFailed { job, message } => self.job_over(job, Some(message)),
            Event::Preview { job, image, seconds } => self.preview.arrived(ctx, job, &image, seconds),
            Event::Listed { token, entries, .. } => {
                if self.asked.as_ref().is_some_and(|(_, asked)| *asked == token) {
                    self.gallery.listed = entries.iter().map(|e| e.id).collect();
                    self.gallery.answered = true;
                }
                self.gallery.entries.extend(entries.into_iter().map(|e| (e.id, e)));
            }
            Event::Changed { entry } => self.changed(entry),
            Event::Compared { .. } => self.taste.changed(),
            Event::Looking { job, done, all } => {
                if let Some(job) = self.gallery.job(job) {
                    job.looking = Some((done, all));
                }
            }
            Event::Pair { job, pair, left, right } => self.pair_ready(job, pair, left, right),
            Event::Judged { proofs, .. } => {
                self.taste.proofs = *proofs;
                self.taste.changed();
            }
            Event::Taste { summary, proofs } => self.taste.told(summary, *proofs),
            Event::Why { id, why } => self.taste.told_why(id, why),
            Event::Forgotten { pictures, comparisons } => self.forgotten(pictures, comparisons),
            Event::Thumbnail { id, image } => {
                let longest = image.width.max(image.height);
                let all = self.gallery.entries.get(&id).is_some_and(|e| e.width.max(e.height) <= longest);
                let side = if all { u32::MAX } else { longest };
                self.textures.put_small(ctx, id, side, image.width, image.height, &image.rgb);
            }
            Event::Opened { id, picture } => {
                self.textures.put_large(ctx, id, picture.width, picture.height, &picture.rgb);
            }
            Event::Exported { paths } => match paths.as_slice() {
                [path] => self.toasts.notice(format!("Exported to {}.", path.display())),
                [first, ..] => {
                    let folder = first.parent().map(|p| p.display().to_string()).unwrap_or_default();
                    self.toasts.notice(format!("Exported {} to {folder}.", widgets::count(paths.len(), "picture")));
                }
                [] => {}
            },
            Event::RecipeRead { path, recipe, exact } => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let note = if exact { "" } else { " Another program made it, so that Kiln's picture will differ." };
                let said = format!("The settings of {name} are in place.{note}");
                self.use_recipe(&recipe, &said, Some(Offer::Start(path)));
            }
            Event::Lesson { job, news } => self.lesson_news(ctx, job, news),
            Event::Filed(filed) => self.filed(ctx, filed),
            Event::FolderFound { path } => self.choose_class(path),
            Event::AdapterFound { path } => self.link.send(Request::Clerk(Clerical::Import { path })),
            Event::StartFound { path, hash, look } => self.start_found(ctx, &path, hash, &look),
            Event::StartSeen { source, mask, side, look } => self.start_seen(ctx, (source, mask), side, look),
            Event::MaskKept { mask } => self.mask_kept(mask),
            Event::ModelInspected { name, open, card } => self.model_inspected(name, open, card),
            Event::Notice { message } => self.toasts.notice(message),
            Event::Failed { message } => {
                self.taste.unanswered();
                self.toasts.error(message);
            }
        }
    }

    fn picture_done(&mut self, ctx: &Context, job: JobId, index: u32, picture: Arc<Picture>, entry: Option<Entry>) {
        let id = match entry {
            Some(entry) => {
                let id = entry.id;
                self.gallery.entries.insert(id, entry);
                let seen = self.gallery.job(job).is_none_or(|j| !j.hidden);
                if seen && !self.filter.is_narrow() && self.filter.tab == Tab::All && self.gallery.answered {
                    self.gallery.listed.insert(0, id);
                }
                id
            }
            None => self.gallery.keep_unsaved(picture.clone()),
        };
        self.offer_portrait(&picture);
        let longest = picture.width.max(picture.height);
        if longest <= SMALL_ENOUGH || id < 0 {
            self.textures.put_small(ctx, id, u32::MAX, picture.width, picture.height, &picture.rgb);
        }
        if let Some(job) = self.gallery.job(job)
            && let Some(slot) = job.slots.get_mut(index as usize)
        {
            *slot = Slot::Done(id);
        }
    }

    fn job_over(&mut self, job: JobId, message: Option<String>) {
        if self.preview.is(job) {
            self.preview.ended();
            if let Some(message) = message {
                self.toasts.error(message);
            }
            return;
        }
        if self.lesson_over(job, message.as_ref()) {
            return;
        }
        if let Some(job) = self.gallery.job(job) {
            job.state = JobState::Over;
        }
        self.trial_over(job);
        // What a filter makes of the new pictures, the library knows.
        if self.filter.is_narrow() {
            self.asked = None;
        }
        if let Some(message) = message {
            self.toasts.error(message);
        }
    }

    fn changed(&mut self, entry: Entry) {
        self.taste.changed();
        let (id, trashed) = (entry.id, entry.trashed);
        self.gallery.entries.insert(id, entry);
        if trashed {
            self.selected.remove(&id);
            if self.screen == Screen::View(id) {
                self.screen = Screen::Wall;
            }
        }
        // The order, or who belongs to the list, may be another now.
        let back = !trashed && !self.gallery.listed.contains(&id);
        if self.filter.tab != Tab::Session && (self.filter.is_narrow() || back) {
            self.asked = None;
        }
    }

    /// Asks the library for the wall's pictures, when the filter has changed.
    pub(super) fn refresh_list(&mut self) {
        if self.filter.tab == Tab::Session {
            // Asked again on the way back, as pictures come meanwhile.
            self.asked = None;
            return;
        }
        if self.asked.as_ref().is_some_and(|(filter, _)| *filter == self.filter) {
            return;
        }
        let token = self.next_number();
        self.asked = Some((self.filter.clone(), token));
        let query = Query {
            text: self.filter.text.clone(),
            min_rating: self.filter.stars,
            favourite: self.filter.tab == Tab::Favourites,
            hide_rejected: self.filter.hide_rejected,
            sort: self.filter.order.sort(),
            limit: Some(MOST),
            ..Query::default()
        };
        self.link.send(Request::List { token, query });
    }

    /// A number for a job or a question that was not used before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }
}

fn advance(
    ctx: &Context,
    slot: &mut Slot,
    step: u32,
    steps: u32,
    image: Option<&PreviewImage>,
    job: JobId,
    picture: u32,
) {
    let old = match slot {
        Slot::Working { look, .. } => look.take(),
        Slot::Waiting => None,
        // The saving was faster than this event.
        Slot::Done(_) => return,
    };
    let new = image.and_then(|p| upload(ctx, format!("job {job} {picture}"), p.width, p.height, &p.rgb));
    *slot = Slot::Working { step, steps, look: new.or(old) };
}
