//! What a front end asks of the worker, and what the worker tells it.

use super::clerk::{Clerical, Filed};
use super::teach::News;
use crate::insight::card::Card;
use crate::library::{Entry, ExportFormat, PictureId, Query, Thumbnail};
use crate::pipeline::{ModelInfo, PreviewImage};
use crate::recipe::{MaskRef, Picture, Recipe};
use crate::taste::{Pairing, Proofs, Summary, Why, Wish};
use crate::tuning::lesson::Lesson;
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

/// A picture to start from, as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct StartLook {
    /// Width of the whole picture, pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// The picture, no larger than asked for.
    pub image: PreviewImage,
    /// Greys of its mask at the size of `image`, row by row: 255 may change, 0 stays.
    pub mask: Option<Vec<u8>>,
    /// Why its mask cannot be read, where that is so.
    pub mask_trouble: Option<String>,
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
    /// The same for an adapter, in pairs that are given. Each answer is noted under the hash of the adapter's file.
    TestAdapter {
        /// The job.
        job: JobId,
        /// The adapter, as the first Recipe of each pair names it.
        adapter: String,
        /// With it and without.
        pairs: Vec<Pairing>,
    },
    /// Teach the model from a folder of pictures; [`Event::Lesson`] tells how it goes. Pictures and quick looks that are asked
    /// for meanwhile are made between two of its steps, in full precision. [`Request::Cancel`] stops it within a step (or after
    /// the pictures that are just being made) and keeps what is needed to go on.
    Teach {
        /// The job.
        job: JobId,
        /// What is to be taught.
        lesson: Box<Lesson>,
    },
    /// Ask for something about folders of pictures or adapters.
    Clerk(Clerical),
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
    /// Look into a file or folder that was dropped: answered by [`Event::RecipeRead`] where it holds settings, by
    /// [`Event::StartFound`] where it is another picture, by [`Event::ModelInspected`] where it is a model, by
    /// [`Event::AdapterFound`] or [`Event::FolderFound`].
    LookInto {
        /// The file.
        path: PathBuf,
    },
    /// Take a picture as the one to start from.
    Start {
        /// The file.
        path: PathBuf,
    },
    /// Ask how a start looks.
    LookAtStart {
        /// The picture's file.
        source: PathBuf,
        /// The mask's file, if there is one.
        mask: Option<PathBuf>,
        /// Longest side of the answer, pixels.
        side: u32,
    },
    /// Keep a painted mask in the library's folder.
    KeepMask {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `width * height` greys, row by row: 255 may change, 0 stays.
        greys: Vec<u8>,
    },
    /// Ask what a model is, without loading it.
    InspectModel {
        /// `ember` or a path.
        name: String,
        /// Whether it is to be opened; comes back with the answer.
        open: bool,
    },
    /// End all threads once the present step is over.
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
        proofs: Box<Proofs>,
    },
    /// The answer to [`Request::Taste`].
    Taste {
        /// What was learnt.
        summary: Arc<Summary>,
        /// What blind tests proved.
        proofs: Box<Proofs>,
    },
    /// How a lesson goes.
    Lesson {
        /// The job.
        job: JobId,
        /// What is new.
        news: News,
    },
    /// An answer about folders of pictures or adapters.
    Filed(Filed),
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
    /// A file that [`Request::LookInto`] named holds settings.
    RecipeRead {
        /// The file.
        path: PathBuf,
        /// What it holds.
        recipe: Box<Recipe>,
        /// Whether Kiln wrote it, so that it gives the same picture again.
        exact: bool,
    },
    /// A folder without a model was looked into: pictures, perhaps.
    FolderFound {
        /// The folder.
        path: PathBuf,
    },
    /// A LoRA adapter was looked into.
    AdapterFound {
        /// Its file.
        path: PathBuf,
    },
    /// A picture was taken as the one to start from: the answer to [`Request::Start`].
    StartFound {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the file.
        hash: String,
        /// How it looks.
        look: Arc<StartLook>,
    },
    /// The answer to [`Request::LookAtStart`].
    StartSeen {
        /// As asked.
        source: PathBuf,
        /// As asked.
        mask: Option<PathBuf>,
        /// As asked.
        side: u32,
        /// How it looks, or why it cannot be read.
        look: Result<Arc<StartLook>, String>,
    },
    /// The answer to [`Request::KeepMask`].
    MaskKept {
        /// As a Recipe names it, or why it could not be kept.
        mask: Result<MaskRef, String>,
    },
    /// The answer to [`Request::InspectModel`].
    ModelInspected {
        /// As asked.
        name: String,
        /// As asked.
        open: bool,
        /// What it is, or why it cannot be used.
        card: Result<Arc<Card>, String>,
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
