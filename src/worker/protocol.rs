//! What a front end asks of the worker, and what the worker tells it.

use crate::library::{Entry, ExportFormat, PictureId, Query, Thumbnail};
use crate::pipeline::{ModelInfo, PreviewImage};
use crate::recipe::{Picture, Recipe};
use crate::taste::{Proof, Summary, Why, Wish};
use std::path::PathBuf;
use std::sync::Arc;

/// Number of a job, chosen by whoever asks; never used twice in a run of the program.
pub type JobId = u64;

/// An answer to one pair of a blind test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The left picture is better.
    Left,
    /// The right one is.
    Right,
    /// Neither is.
    Neither,
}

/// A wish. None of them is answered by waiting: the answers are [`Event`]s.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // a Recipe is large; few wishes are alive at once
pub enum Request {
    /// Load a checkpoint (`ember` or a path) in place of the present one.
    LoadModel {
        /// `ember` or a path.
        name: String,
    },
    /// Make pictures, one for each Recipe, in this order, and keep each in the library. Jobs queue up.
    Generate {
        /// The job.
        job: JobId,
        /// What to make.
        recipes: Vec<Recipe>,
    },
    /// Make a wall that the library's taste, as it is when the job's turn comes, has bent. [`Event::Looking`] tells of the
    /// quick looks that come first, [`Event::Why`] why each picture was chosen. Without any choice in the library, the wall
    /// is what was asked for.
    Wall {
        /// The job.
        job: JobId,
        /// What is wanted.
        wish: Wish,
    },
    /// Make the pairs of a blind test: with taste and without, from the same prompts and first seeds. [`Event::Pair`] tells
    /// of each pair, and never which picture is which.
    Trial {
        /// The job.
        job: JobId,
        /// What to make pairs of; `count` of each is a number of pairs.
        wishes: Vec<Wish>,
    },
    /// Answer a pair of a blind test.
    Judge {
        /// The job that made it.
        job: JobId,
        /// Its number in the job.
        pair: u32,
        /// Which is better.
        choice: Choice,
    },
    /// Ask what was learnt from the library's choices, and what blind tests proved.
    Taste,
    /// Ask why a picture stands where it does in the person's taste.
    Why {
        /// The picture.
        id: PictureId,
    },
    /// Forget every star, mark, comparison and blind test, and what was learnt from them. The pictures stay.
    Forget,
    /// A quick low-resolution look. Only the newest wish counts: older ones are dropped, also in mid-work. It goes before
    /// waiting pictures, between two steps of a running job.
    Preview {
        /// The job.
        job: JobId,
        /// What to look at.
        recipe: Recipe,
    },
    /// Stop a job, running or waiting, within one step. What is finished stays.
    Cancel {
        /// The job.
        job: JobId,
    },
    /// Stop everything.
    CancelAll,
    /// Ask for the pictures that match.
    List {
        /// Comes back with the answer; an older answer than the last asked for can be dropped.
        token: u64,
        /// Which, in what order.
        query: Query,
    },
    /// Give stars, 0 (none) to 5.
    Rate {
        /// The picture.
        id: PictureId,
        /// 0 to 5.
        stars: u8,
    },
    /// Mark or unmark as a favourite.
    Favourite {
        /// The picture.
        id: PictureId,
        /// Mark, or unmark.
        on: bool,
    },
    /// Mark or unmark as not wanted.
    Reject {
        /// The picture.
        id: PictureId,
        /// Mark, or unmark.
        on: bool,
    },
    /// One of two was preferred.
    Compare {
        /// The better one.
        winner: PictureId,
        /// The other one.
        loser: PictureId,
    },
    /// Replace a picture's tags.
    SetTags {
        /// The picture.
        id: PictureId,
        /// The new tags.
        tags: Vec<String>,
    },
    /// Move to the trash.
    Delete {
        /// The picture.
        id: PictureId,
    },
    /// Take back from the trash.
    Restore {
        /// The picture.
        id: PictureId,
    },
    /// Ask for a small version.
    Thumbnail {
        /// The picture.
        id: PictureId,
        /// Longest side, pixels.
        side: u32,
    },
    /// Ask for all pixels.
    Open {
        /// The picture.
        id: PictureId,
    },
    /// Write copies: one picture to a file, or several into a folder.
    Export {
        /// The pictures.
        ids: Vec<PictureId>,
        /// File or folder.
        target: PathBuf,
        /// PNG, JPEG, WebP or TIFF.
        format: ExportFormat,
    },
    /// Read the Recipe inside a picture file.
    ReadRecipe {
        /// The file.
        path: PathBuf,
    },
    /// End both threads once the present step is over.
    Shutdown,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A checkpoint is being loaded.
    ModelLoading {
        /// Which.
        name: String,
        /// 0..=1.
        progress: f32,
    },
    /// A checkpoint is ready.
    ModelReady {
        /// What it can do.
        info: Arc<ModelInfo>,
        /// How long the loading took.
        seconds: f32,
        /// Where it computes, in words: `CPU, 4 threads`.
        device: String,
    },
    /// A checkpoint could not be loaded; the one before stays in use, if there was one.
    ModelFailed {
        /// Which.
        name: String,
        /// What, where, what to do.
        message: String,
    },
    /// A job waits for its turn.
    Queued {
        /// The job.
        job: JobId,
        /// Jobs before it.
        ahead: usize,
    },
    /// A job's turn has come.
    Started {
        /// The job.
        job: JobId,
        /// Pictures to make.
        pictures: u32,
    },
    /// A quick look was taken, by which taste chooses what the job will make.
    Looking {
        /// The job.
        job: JobId,
        /// Looks taken.
        done: u32,
        /// Looks in all.
        all: u32,
    },
    /// A step of a picture is done.
    Step {
        /// The job.
        job: JobId,
        /// Index of the picture in the job, from 0.
        picture: u32,
        /// Steps done of this picture.
        step: u32,
        /// Steps of this picture in all.
        steps: u32,
        /// What the picture will look like.
        preview: Option<Arc<PreviewImage>>,
        /// Estimate for the whole job.
        seconds_left: f32,
        /// Share of the whole job that is done, 0..=1.
        progress: f32,
    },
    /// A picture is finished.
    PictureDone {
        /// The job.
        job: JobId,
        /// Index of the picture in the job, from 0.
        index: u32,
        /// Pixels and Recipe.
        picture: Arc<Picture>,
        /// Its place in the library; absent when it could not be saved, which [`Event::Failed`] explains. The pixels are
        /// then nowhere else: the studio keeps them until they are exported or the window closes.
        entry: Option<Entry>,
    },
    /// A job is over.
    JobDone {
        /// The job.
        job: JobId,
        /// Seconds since it started.
        seconds: f32,
    },
    /// A job was stopped as asked.
    JobCancelled {
        /// The job.
        job: JobId,
    },
    /// A job ended early. The worker goes on with the next one.
    JobFailed {
        /// The job.
        job: JobId,
        /// What, where, what to do.
        message: String,
    },
    /// The quick look is there.
    Preview {
        /// The job.
        job: JobId,
        /// The look.
        image: Arc<PreviewImage>,
        /// How long it took.
        seconds: f32,
    },
    /// The answer to [`Request::List`].
    Listed {
        /// As asked.
        token: u64,
        /// In the order asked for.
        entries: Vec<Entry>,
        /// All tags in use.
        tags: Vec<String>,
    },
    /// A picture's rating, marks, tags or place changed.
    Changed {
        /// As it is now.
        entry: Entry,
    },
    /// A comparison was kept.
    Compared {
        /// The better one.
        winner: PictureId,
        /// The other one.
        loser: PictureId,
    },
    /// A pair of a blind test is ready to be judged.
    Pair {
        /// The job that made it.
        job: JobId,
        /// Its number in the job, from 0.
        pair: u32,
        /// The picture to show at the left.
        left: PictureId,
        /// The picture to show at the right.
        right: PictureId,
    },
    /// An answer to a pair was kept.
    Judged {
        /// The job that made the pair.
        job: JobId,
        /// Its number.
        pair: u32,
        /// What all answers prove now.
        proof: Proof,
    },
    /// The answer to [`Request::Taste`].
    Taste {
        /// What was learnt.
        summary: Arc<Summary>,
        /// What blind tests proved.
        proof: Proof,
    },
    /// Why a picture stands where it does in the person's taste: the answer to [`Request::Why`], and told by itself of
    /// pictures that taste chose.
    Why {
        /// The picture.
        id: PictureId,
        /// Why.
        why: Arc<Why>,
    },
    /// All choices were forgotten; what was told of stars and marks before no longer holds.
    Forgotten {
        /// Pictures that had stars or marks.
        pictures: usize,
        /// Comparisons that there were.
        comparisons: usize,
    },
    /// The answer to [`Request::Thumbnail`].
    Thumbnail {
        /// The picture.
        id: PictureId,
        /// Its small version.
        image: Arc<Thumbnail>,
    },
    /// The answer to [`Request::Open`].
    Opened {
        /// The picture.
        id: PictureId,
        /// Its pixels and Recipe.
        picture: Arc<Picture>,
    },
    /// Copies were written.
    Exported {
        /// Where.
        paths: Vec<PathBuf>,
    },
    /// The answer to [`Request::ReadRecipe`].
    RecipeRead {
        /// The file.
        path: PathBuf,
        /// What it holds.
        recipe: Box<Recipe>,
        /// Whether Kiln wrote it, so that it gives the same picture again.
        exact: bool,
    },
    /// Something to tell the person that is no failure.
    Notice {
        /// One sentence.
        message: String,
    },
    /// A wish other than a job could not be met.
    Failed {
        /// What, where, what to do.
        message: String,
    },
}
