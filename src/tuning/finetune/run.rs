//! The loop: batches, steps, checks on held-out pictures, the adapter of the best check, and what others that were kept apart prove.

use super::card::{Card, Evidence, Outcome, Point};
use super::choices::{self, Choices, Pair, rewards};
use super::dataset::{Dataset, Example, Preparing, prepare};
use super::drawn::{Drawn, drawn};
use super::exam::{CHECK, Exam, PROOF, mean};
use super::gather::LeftOut;
use super::losses::{Loss, Part};
use super::objective::Objective;
use super::pupil::{Kept, Pupil, check_out, contexts};
use super::search::{Trial, search};
use super::settings::{Preference, Settings};
use super::state::{self, Course};
use super::student::Student;
use crate::corpus::rng::Rng;
use crate::kernels::cpu::half::HalfProducts;
use crate::pipeline::Pipeline;
use crate::sampler::noise::TorchGenerator;
use crate::taste::Taste;
use crate::tuning::optimizer::{Optimizer, learning_rate};
use crate::tuning::shards::{Gradients, Shards, add};
use crate::{Error, ErrorKind, Result};
use burn::module::Module;
use burn::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Seconds after which the state is saved even without a check.
const SAVE_EVERY: f32 = 60.0;
/// Seconds between two reports.
const REPORT_EVERY: f32 = 2.0;
/// How much better than the best a check must be to count, of the best.
const BETTER: f32 = 1e-3;
/// A held-out loss of so many times the checkpoint's own is the end of a run: Ember never came back from it.
const RUN_AWAY: f32 = 2.0;
/// Captions that the card names.
const NAMED: usize = 8;

/// What is learnt from.
#[derive(Debug, Clone)]
pub enum Lessons {
    /// A folder of pictures.
    Pictures(PathBuf),
    /// Choices between two pictures; `Settings::preference` says how they teach.
    Choices(Choices),
}

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is learnt from.
    pub lessons: Lessons,
    /// File for the adapter; its state lies beside it.
    pub out: PathBuf,
    /// Everything else that decides the result.
    pub settings: Settings,
    /// Look for a good learning rate, rank and weight decay first; the settings say where to begin.
    pub search: bool,
    /// Go on from the state, where there is one.
    pub resume: bool,
    /// Put drafted captions beside the pictures.
    pub write_captions: bool,
    /// The taste behind choices, which judges the pictures drawn at the end.
    pub taste: Option<Arc<Taste>>,
    /// Asked often: true ends the run; everything done so far is saved.
    pub stop: fn() -> bool,
}

/// What is told while it runs.
#[derive(Debug, Clone)]
pub enum Event {
    /// Between two pieces of the work, often: the listener may do other things meanwhile. A cancelled error ends the run as
    /// [`Options::stop`] does.
    Between,
    /// Pictures are being made into latents.
    Preparing(Preparing),
    /// They are ready.
    Prepared {
        /// Pictures learnt from.
        learnt: usize,
        /// Pictures that choose the best check.
        held_out: usize,
        /// Pictures that are kept apart to prove.
        proof: usize,
        /// Choices learnt from, those that choose the best check, those that prove; none where pictures teach by themselves.
        choices: [usize; 3],
        /// Files that are not used, and why.
        left_out: Vec<LeftOut>,
        /// What the person should know.
        notices: Vec<String>,
        /// Layers that are taught, and the weights of the adapter.
        layers: (usize, usize),
    },
    /// One of the short runs by which settings are found.
    Tried(Trial),
    /// Settings were found.
    Found(Box<Settings>),
    /// The checkpoint alone was asked about the held-out pictures.
    Base {
        /// Its held-out loss.
        held_out: f32,
    },
    /// Some steps are done.
    Step {
        /// Steps done and in all.
        step: u64,
        /// Steps in all.
        of: u64,
        /// Mean training loss since the last report.
        loss: f32,
        /// Seconds left.
        seconds_left: f32,
    },
    /// The averaged adapter was asked about the held-out pictures.
    Checked {
        /// A point of the curves.
        point: Point,
        /// Whether it is the best so far.
        best: bool,
    },
    /// What was kept apart is asked about, before and after.
    Proving,
    /// Pictures are drawn with what was learnt and without.
    Drawing {
        /// Pictures done.
        done: usize,
        /// Pictures in all.
        of: usize,
        /// Seconds left at the pace so far.
        seconds_left: f32,
    },
}

/// Teaches a checkpoint a LoRA and writes it; `observe` hears how it goes, an error of it ends the run.
///
/// # Errors
/// When there is no usable picture or choice, the checkpoint cannot be taught, a state does not fit, the loss runs out of range,
/// or a file cannot be written.
pub fn run(pipeline: &Pipeline, options: &Options, observe: &mut dyn FnMut(Event) -> Result<()>) -> Result<Outcome> {
    options.settings.check()?;
    pipeline.check_teachable()?;
    check_out(&options.out, &options.settings, options.resume)?;
    let began = Instant::now();
    let settings = &options.settings;
    let data = watched(options, observe, |tell| {
        let mut watch = |p| tell(Event::Preparing(p));
        let out = &options.out;
        match &options.lessons {
            Lessons::Pictures(folder) => prepare(folder, pipeline, settings, out, options.write_captions, &mut watch),
            Lessons::Choices(choices) => choices::prepare(choices, pipeline, settings, out, &mut watch),
        }
    })?;
    let data = Arc::new(data);
    if !options.search {
        return whole(pipeline, options, data, began, observe);
    }
    let settings = search(pipeline, options, &data, observe)?;
    observe(Event::Found(Box::new(settings.clone())))?;
    let found = Options { settings, search: false, ..options.clone() };
    whole(pipeline, &found, data, began, observe)
}

/// All steps, then the proof.
fn whole(
    pipeline: &Pipeline,
    options: &Options,
    data: Arc<Dataset>,
    began: Instant,
    observe: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<Outcome> {
    let mut run = Run::begin(pipeline, options, data, observe)?;
    let mut outcome = run.go(began, observe)?;
    if !outcome.stopped {
        let proven = run.prove(observe).and_then(|evidence| Ok((evidence, Some(run.draw(observe)?))));
        match proven {
            Ok((evidence, drawn)) => outcome.card = run.write(evidence, drawn)?,
            // All steps are done: going on asks again.
            Err(error) if error.kind == ErrorKind::Cancelled => outcome.stopped = true,
            Err(error) => return Err(error),
        }
    }
    outcome.seconds = began.elapsed().as_secs_f32();
    Ok(outcome)
}

/// Questions about pictures, or about choices among them.
fn exam(
    pipeline: &Pipeline,
    settings: &Settings,
    (examples, pairs): (&[Example], &[Pair]),
    seed: u64,
    draws: usize,
) -> Result<Exam> {
    match settings.preference {
        Some(preference) => Exam::of_choices(examples, pairs, preference.beta(), pipeline, seed, draws),
        None => Ok(Exam::new(examples, pipeline, seed, draws)?.heard_anew(settings.word().is_some())),
    }
}

/// Does work that tells of itself and hears false when it is to stop: a listener's error is the result then.
fn watched<T>(
    options: &Options,
    observe: &mut dyn FnMut(Event) -> Result<()>,
    work: impl FnOnce(&mut dyn FnMut(Event) -> bool) -> Result<T>,
) -> Result<T> {
    let mut failure = None;
    let made = work(&mut |event| {
        failure = observe(event).err();
        failure.is_none() && !(options.stop)()
    });
    match failure {
        Some(failure) => Err(failure),
        None => made,
    }
}

/// Whether a listener wants the run to end.
fn cancelled(answer: Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(false),
        Err(error) if error.kind == ErrorKind::Cancelled => Ok(true),
        Err(error) => Err(error),
    }
}

pub(super) struct Run<'a> {
    pipeline: &'a Pipeline,
    options: &'a Options,
    data: Arc<Dataset>,
    pupil: Pupil<'a>,
    exam: Exam,
    course: Course,
    optimizer: Optimizer,
    student: Student,
    kept: Option<Kept>,
}

impl<'a> Run<'a> {
    /// The first matrices, or those of the state.
    pub(super) fn begin(
        pipeline: &'a Pipeline,
        options: &'a Options,
        data: Arc<Dataset>,
        observe: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<Self> {
        let settings = &options.settings;
        let pupil = Pupil::new(pipeline, settings, &options.out)?;
        let mut student = pupil.student();
        let mut optimizer = Optimizer::new(&student, settings.optimizer_config());
        observe(Event::Prepared {
            learnt: data.learnt.len(),
            held_out: data.held_out.len(),
            proof: data.proof.len(),
            choices: [data.pairs.len(), data.held_out_pairs.len(), data.proof_pairs.len()],
            left_out: data.left_out.clone(),
            notices: data.notices.clone(),
            layers: pupil.size(&student),
        })?;
        let before = pupil.before();
        let exam = exam(&before.hears, settings, (&data.held_out, &data.held_out_pairs), settings.seed, CHECK)?;
        let mut course = Course {
            base_hash: pipeline.info().hash.clone(),
            data_hash: data.hash.clone(),
            settings: settings.clone(),
            curve: Vec::new(),
            losses: Vec::new(),
            base: Vec::new(),
            best: None,
            waited: 0,
            seconds: 0.0,
        };
        let mut kept = None;
        let saved = state::path_of(&options.out);
        if options.resume && saved.is_file() {
            (student, course) = state::restore(student, &mut optimizer, &course, &saved)?;
            kept = pupil.reopen();
            if kept.is_none() {
                // Without its matrices the best check is worth nothing.
                course.best = None;
                course.waited = 0;
            }
        } else {
            let mut stop = || (options.stop)() || observe(Event::Between).is_err();
            course.base = exam.sit(&before, &mut stop)?;
        }
        if !exam.is_empty() {
            observe(Event::Base { held_out: mean(&course.base) })?;
        }
        Ok(Self { pipeline, options, data, pupil, exam, course, optimizer, student, kept })
    }

    /// Takes all steps; the card that is written has no evidence yet.
    pub(super) fn go(&mut self, began: Instant, observe: &mut dyn FnMut(Event) -> Result<()>) -> Result<Outcome> {
        let options = self.options;
        let settings = &options.settings;
        let beta = match settings.preference {
            Some(Preference::Dpo { beta }) => Some(beta),
            _ => None,
        };
        let loss = Loss::new(settings.loss, beta, self.pipeline)?;
        let mut shards = Shards::at_least(&self.student, self.pipeline.device(), settings.batch, 2)?;
        let data = self.data.clone();
        let hears = self.pupil.before().hears;
        let picker = Picker::new(&data, settings, &hears);
        let every = (settings.steps / 20).clamp(5, 250);
        let (first, started) = (self.optimizer.steps(), Instant::now());
        let (mut reported, mut saved) = (Instant::now(), Instant::now());
        let mut recent = Vec::new();
        // A run that ended early and is gone on with has to be given more patience.
        let (mut early, mut stopped) = (self.is_over(), false);
        let seconds_before = self.course.seconds;
        while self.optimizer.steps() < settings.steps && !early {
            let step = self.optimizer.steps();
            if (options.stop)() || cancelled(observe(Event::Between))? {
                stopped = true;
                break;
            }
            // Every step has its own dice, so that a resumed run is the same run.
            let mut rng = Rng::new(settings.seed ^ (step + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (mut value, mut gradients): (f32, Option<Gradients>) = (0.0, None);
            for _ in 0..settings.accumulate {
                let share = settings.batch / shards.count();
                let parts: Vec<Part> = (0..shards.count())
                    .map(|_| picker.part(share, settings.caption_dropout, &mut rng))
                    .collect::<Result<_>>()?;
                let dice: Vec<u64> = parts.iter().map(|_| u64::from(rng.bits())).collect();
                let (of_batch, more) = self.gradients(&mut shards, &loss, &parts, &dice)?;
                value += of_batch / settings.accumulate as f32;
                match &mut gradients {
                    None => gradients = Some(more),
                    Some(sum) => add(sum, more),
                }
            }
            let mut gradients = gradients.unwrap_or_default();
            if settings.accumulate > 1 {
                let share = 1.0 / settings.accumulate as f32;
                gradients.iter_mut().flatten().flatten().for_each(|g| *g *= share);
            }
            let rate =
                learning_rate(settings.learning_rate, step, settings.warm_up.min(settings.steps / 2), settings.steps);
            let norm = self.optimizer.apply(&gradients, rate);
            if !norm.is_finite() || !value.is_finite() {
                return Err(self.too_fast(format!("Training ran out of range at step {step}")));
            }
            recent.push(value);
            self.course.losses.push(value);
            let done = step + 1;
            self.course.seconds = seconds_before + began.elapsed().as_secs_f32();
            let due = done.is_multiple_of(every) || done == settings.steps;
            if due {
                early = self.check(done, observe)?;
            }
            if due || saved.elapsed().as_secs_f32() > SAVE_EVERY {
                self.save_state()?;
                saved = Instant::now();
            }
            if reported.elapsed().as_secs_f32() > REPORT_EVERY || done == first + 1 {
                let pace = started.elapsed().as_secs_f32() / (done - first) as f32;
                let seconds_left = pace * (settings.steps - done) as f32;
                observe(Event::Step { step: done, of: settings.steps, loss: mean(&recent), seconds_left })?;
                recent.clear();
                reported = Instant::now();
            }
        }
        if stopped || self.kept.is_none() {
            self.save_state()?;
        }
        let card = self.write(None, None)?;
        Ok(Outcome { card, steps: self.optimizer.steps(), stopped, early, seconds: began.elapsed().as_secs_f32() })
    }

    /// Whether so many checks brought nothing better that it is time to end.
    fn is_over(&self) -> bool {
        let patience = self.options.settings.patience;
        patience > 0 && self.course.waited >= patience
    }

    fn too_fast(&self, what: String) -> Error {
        let rate = self.options.settings.learning_rate;
        Error::failed(format!("{what}; begin anew with a lower learning rate (--lr) than {rate}."))
    }

    fn save_state(&self) -> Result<()> {
        state::save(&self.optimizer, &self.course, &state::path_of(&self.options.out))
    }

    fn gradients(
        &self,
        shards: &mut Shards<Student>,
        loss: &Loss,
        parts: &[Part],
        dice: &[u64],
    ) -> Result<(f32, Gradients)> {
        // Only for the products of training: what is measured is measured in full precision.
        let _half = HalfProducts::allow();
        let optimizer = &self.optimizer;
        if !self.options.settings.checkpointing {
            return shards.gradients(optimizer, |student, shard| {
                let part = &parts[shard];
                let (learner, words) = self.pupil.learning(student, &part.captions, dice[shard])?;
                loss.of(&learner.whole(), student.judge.as_ref(), part, words)
            });
        }
        shards.worked(optimizer, |student, shard| {
            let part = &parts[shard];
            let (learner, words) = self.pupil.learning(student, &part.captions, dice[shard])?;
            let mut sum = Gradients::new();
            let mut take = |mut piece| match optimizer.take(student, &mut piece) {
                more if sum.is_empty() => sum = more,
                more => add(&mut sum, more),
            };
            let value = loss.recomputed(&learner, student.judge.as_ref(), part, words, &mut take)?;
            Ok((value, sum))
        })
    }

    /// Asks about the held-out pictures; keeps the adapter when it is the best. Answers whether it is time to end.
    fn check(&mut self, step: u64, observe: &mut dyn FnMut(Event) -> Result<()>) -> Result<bool> {
        let loss = mean(&self.course.losses);
        self.course.losses.clear();
        let averaged = self.optimizer.averaged(self.student.clone()).valid();
        let mut point = Point { step, loss, held_out: None };
        let mut best = true;
        if !self.exam.is_empty() {
            let taught = self.pupil.after(&averaged);
            // Not stoppable: a check that is begun is a part of its step.
            let mut go_on = || {
                _ = observe(Event::Between);
                false
            };
            let errors = self.exam.sit(&taught, &mut go_on)?;
            let value = mean(&errors);
            point.held_out = Some(value);
            let base = mean(&self.course.base);
            // Choices that a short run knows by heart can be as wrong about others, and that is for the evidence to say.
            if self.options.settings.preference.is_none() && value > RUN_AWAY * base {
                if self.course.best.as_ref().is_some_and(|(_, b)| mean(b) < base) {
                    self.course.curve.push(point);
                    observe(Event::Checked { point, best: false })?;
                    return Ok(true);
                }
                return Err(self.too_fast(format!(
                    "Training ran away: at step {step} the loss on held-out pictures is {value:.2}, before the lesson {base:.2}"
                )));
            }
            best = self.course.best.as_ref().is_none_or(|(_, b)| value < mean(b) * (1.0 - BETTER));
            if best {
                self.course.best = Some((step, errors));
            }
        }
        self.course.curve.push(point);
        self.course.waited = if best { 0 } else { self.course.waited + 1 };
        if best {
            self.kept = Some(self.pupil.keep(&averaged)?);
            self.write(None, None)?;
        }
        observe(Event::Checked { point, best })?;
        Ok(self.is_over())
    }

    /// What those that were kept apart say of the adapter as it lies in its file; where there are too few of them, what those say
    /// that chose it. Nobody looks at them before, and nothing is chosen by them.
    fn prove(&self, observe: &mut dyn FnMut(Event) -> Result<()>) -> Result<Option<Evidence>> {
        let (options, data) = (self.options, &self.data);
        let of_choices = options.settings.preference.is_some();
        let evidence = |base: &[f32], tuned: &[f32], draws: usize| match of_choices {
            true => Evidence::of_choices(base, tuned),
            false => Evidence::of(base, tuned, draws),
        };
        if data.proof.is_empty() {
            let best = self.course.best.as_ref();
            let found = best.and_then(|(_, errors)| evidence(&self.course.base, errors, self.exam.draws));
            return Ok(found.map(Evidence::by_what_chose));
        }
        observe(Event::Proving)?;
        // Other noise than at the checks.
        let seed = options.settings.seed ^ 0x9700f;
        let before = self.pupil.before();
        let exam = exam(&before.hears, &options.settings, (&data.proof, &data.proof_pairs), seed, PROOF)?;
        let after = self.pupil.written()?;
        let mut stop = || (options.stop)() || observe(Event::Between).is_err();
        let base = exam.sit(&before, &mut stop)?;
        let tuned = exam.sit(&after, &mut stop)?;
        Ok(evidence(&base, &tuned, exam.draws))
    }

    /// Draws pictures with what was learnt, as it lies in its file, and without.
    fn draw(&self, observe: &mut dyn FnMut(Event) -> Result<()>) -> Result<Drawn> {
        let options = self.options;
        let (mut told, began) = (None, Instant::now());
        watched(options, observe, |tell| {
            let taste = options.taste.as_deref();
            drawn(self.pipeline, &options.settings, &self.data, &options.out, taste, &mut |done, of| {
                // Often within a picture, once a picture with its number.
                if told.replace(done) == Some(done) {
                    return tell(Event::Between);
                }
                let Preparing { seconds_left, .. } = Preparing::at(done, of, began);
                tell(Event::Drawing { done, of, seconds_left })
            })
        })
    }

    /// Writes the adapter that was kept, or the present one, with its card.
    fn write(&self, evidence: Option<Evidence>, drawn: Option<Drawn>) -> Result<Card> {
        let present = || self.pupil.keep(&self.optimizer.averaged(self.student.clone()).valid());
        let kept = self.kept.clone().map_or_else(present, Ok)?;
        let info = self.pipeline.info();
        let mut captions: BTreeMap<&str, usize> = BTreeMap::new();
        self.data.learnt.iter().for_each(|e| *captions.entry(&e.caption).or_default() += 1);
        let mut captions: Vec<(String, usize)> = captions.into_iter().map(|(c, n)| (c.to_string(), n)).collect();
        captions.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        captions.truncate(NAMED);
        let best = self.course.best.as_ref();
        let last = self.course.curve.last().map_or(self.optimizer.steps(), |p| p.step);
        let card = Card {
            kiln: env!("CARGO_PKG_VERSION").into(),
            base: info.name.clone(),
            base_hash: info.hash.clone(),
            data_hash: self.data.hash.clone(),
            learnt: self.data.learnt.len(),
            held_out: self.data.held_out.len() + self.data.proof.len(),
            choices: self
                .options
                .settings
                .preference
                .map(|_| (self.data.pairs.len(), self.data.held_out_pairs.len() + self.data.proof_pairs.len())),
            captions,
            settings: self.options.settings.clone(),
            step: best.map_or(last, |(step, _)| *step),
            curve: self.course.curve.clone(),
            evidence,
            drawn,
        };
        self.pupil.write(&kept, &card)?;
        Ok(card)
    }
}

/// Draws pictures of one size, each as often as its folder or what won says; or choices between two.
struct Picker<'a> {
    pipeline: &'a Pipeline,
    objective: Objective,
    examples: &'a [Example],
    /// Indices, each as often as it counts.
    all: Vec<usize>,
    by_size: BTreeMap<(usize, usize), Vec<usize>>,
    /// Sums of the weights of examples or choices, where they are not alike.
    shares: Vec<f64>,
    /// Choices to draw instead of pictures.
    pairs: &'a [Pair],
    /// The new word, where one learns, and what it is shown in.
    word: Option<(&'a str, Vec<String>)>,
}

impl<'a> Picker<'a> {
    fn new(data: &'a Dataset, settings: &'a Settings, pipeline: &'a Pipeline) -> Self {
        let examples = &data.learnt;
        let weights: Vec<f64> = match settings.preference {
            Some(Preference::Dpo { .. }) => data.pairs.iter().map(|p| p.weight).collect(),
            Some(Preference::Reward) => rewards(examples.len(), &data.pairs),
            None => Vec::new(),
        };
        let sum = |sum: &mut f64, weight: f64| {
            *sum += weight;
            Some(*sum)
        };
        let shares = weights.into_iter().scan(0.0, sum).collect();
        let pairs: &[Pair] =
            if matches!(settings.preference, Some(Preference::Dpo { .. })) { &data.pairs } else { &[] };
        let all: Vec<usize> =
            examples.iter().enumerate().flat_map(|(i, e)| std::iter::repeat_n(i, e.repeats as usize)).collect();
        let mut by_size: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        all.iter().for_each(|i| by_size.entry(examples[*i].size).or_default().push(*i));
        let word = settings.word().map(|word| (word, contexts(pipeline, word)));
        Self { pipeline, objective: Objective::new(pipeline.schedule()), examples, all, by_size, shares, pairs, word }
    }

    /// What is said of an example this time.
    fn caption(&self, example: &Example, dropout: f32, rng: &mut Rng) -> String {
        match &self.word {
            _ if rng.chance(dropout) => String::new(),
            Some((word, contexts)) if example.caption == *word => rng.pick(contexts).clone(),
            _ => example.caption.clone(),
        }
    }

    /// An index, as often as its share of all weights says.
    fn weighted(&self, rng: &mut Rng) -> usize {
        let at = f64::from(rng.unit()) * self.shares.last().copied().unwrap_or(0.0);
        self.shares.partition_point(|sum| *sum <= at).min(self.shares.len().saturating_sub(1))
    }

    /// `n` pictures, or half as many choices (at least one): first the winners, then the losers, both with the same noise.
    fn part(&self, n: usize, dropout: f32, rng: &mut Rng) -> Result<Part> {
        if !self.pairs.is_empty() {
            return self.rivals((n / 2).max(1), dropout, rng);
        }
        self.pictures(n, dropout, rng)
    }

    fn rivals(&self, n: usize, dropout: f32, rng: &mut Rng) -> Result<Part> {
        let first = self.pairs[self.weighted(rng)];
        let size = self.examples[first.winner].size;
        let mut drawn = vec![first];
        for _ in 1..n {
            let next = self.pairs[self.weighted(rng)];
            // Of another size now and then: the first once more, with other noise.
            drawn.push(if self.examples[next.winner].size == size { next } else { first });
        }
        let (mut clean, mut captions) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let (mut noise, mut levels) = (Vec::new(), Vec::new());
        for pair in drawn {
            let variant = rng.below(self.examples[pair.winner].latents.len().max(1));
            let silent = rng.chance(dropout);
            for (side, index) in [pair.winner, pair.loser].into_iter().enumerate() {
                let example = &self.examples[index];
                clean[side].extend(example.latent(variant));
                captions[side].push(if silent { String::new() } else { example.caption.clone() });
            }
            noise.extend(TorchGenerator::new(u64::from(rng.bits())).randn(clean[0].len() - noise.len()));
            levels.push(self.objective.draw(rng));
        }
        let captions = captions.concat();
        Ok(Part {
            clean: clean.concat(),
            noise: noise.repeat(2),
            levels: levels.repeat(2),
            words: self.words(&captions)?,
            captions,
            shape: [2 * n, size.1, size.0, self.pipeline.latent_channels()],
        })
    }

    fn pictures(&self, n: usize, dropout: f32, rng: &mut Rng) -> Result<Part> {
        let draw = |rng: &mut Rng| match self.shares.is_empty() {
            true => self.all[rng.below(self.all.len())],
            false => self.weighted(rng),
        };
        let first = draw(rng);
        let size = self.examples[first].size;
        let alike = self.by_size.get(&size).unwrap_or(&self.all);
        let (mut clean, mut noise, mut levels, mut captions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let mut index = if self.shares.is_empty() { alike[rng.below(alike.len())] } else { draw(rng) };
            if self.examples[index].size != size {
                index = first;
            }
            let example = &self.examples[index];
            let latent = example.latent(rng.below(example.latents.len()));
            noise.extend(TorchGenerator::new(u64::from(rng.bits())).randn(latent.len()));
            clean.extend(latent);
            levels.push(self.objective.draw(rng));
            captions.push(self.caption(example, dropout, rng));
        }
        let words = self.words(&captions)?;
        let shape = [n, size.1, size.0, self.pipeline.latent_channels()];
        Ok(Part { clean, noise, levels, words, captions, shape })
    }

    fn words(&self, captions: &[String]) -> Result<Tensor<3>> {
        let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
        self.pipeline.words_of(&captions)
    }
}
