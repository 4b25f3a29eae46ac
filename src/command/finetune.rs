//! `kiln finetune`: teaches a checkpoint from a folder of pictures, or from the ratings of a library.

use super::output::{Output, duration};
use kiln::pipeline::Pipeline;
use kiln::pipeline::device::DeviceChoice;
use kiln::taste::Taste;
use kiln::tuning::finetune::card::source;
use kiln::tuning::finetune::gather::check_folder;
use kiln::tuning::finetune::settings::BETA;
use kiln::tuning::finetune::{Event, Lessons, LossKind, Options, Outcome, Preference, Settings, Taught, run as teach};
use kiln::tuning::lesson::Lesson;
use kiln::tuning::optimizer::OptimizerKind;
use kiln::worker::lessons;
use kiln::{Error, Result};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Files that are named on standard error; `--json` names all.
const NAMED: usize = 10;

/// Teach a checkpoint a style or your taste.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("examples").required(true).args(["images", "ratings"])))]
pub struct Args {
    /// Folder of pictures to learn from: sub-folders are labels, a .txt beside a picture is its caption.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Library whose ratings to learn from.
    #[arg(long, value_name = "LIBRARY")]
    ratings: Option<PathBuf>,
    /// How choices teach: dpo (Diffusion-DPO against the checkpoint alone) or reward (what won is shown more often).
    #[arg(long, value_name = "dpo|reward", requires = "ratings", default_value = "dpo", value_parser = ["dpo", "reward"])]
    preference: String,
    /// How strictly dpo holds the adapter to the checkpoint; the higher, the less it moves [default: 1000].
    #[arg(long, value_name = "X", requires = "ratings")]
    beta: Option<f32>,
    /// Choices that the taste learnt from the ratings adds, each between the best and the worst of four new pictures; 0 adds none.
    #[arg(long, value_name = "N", requires = "ratings", default_value_t = 48, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    imagined: u64,
    /// File for the adapter or the word; with --full the folder for the checkpoint.
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Teach one new word instead of an adapter (textual inversion), as in "<my-fox>"; kiln generate takes its file by --embedding.
    #[arg(long, value_name = "NAME", requires = "images", requires = "initial", conflicts_with_all = ["full", "search", "rank_dropout"])]
    word: Option<String>,
    /// A word of the model's own that the new one begins as.
    #[arg(long, value_name = "WORD", requires = "word")]
    initial: Option<String>,
    /// Teach every weight of the denoiser of a small checkpoint, and write a whole checkpoint.
    #[arg(long, conflicts_with_all = ["search", "rank_dropout"])]
    full: bool,
    /// The checkpoint: ember, or the path of one.
    #[arg(long, value_name = "ember|PATH", default_value = "ember")]
    model: String,
    /// Rank of the adapter.
    #[arg(long, value_name = "R", default_value_t = 8)]
    rank: usize,
    /// Training steps.
    #[arg(long, value_name = "N", default_value_t = 500)]
    steps: u64,
    /// What to make small.
    #[arg(long, default_value = "mse", value_parser = ["mse", "perceptual", "adversarial"])]
    loss: String,
    /// How to walk.
    #[arg(long, default_value = "adamw", value_parser = ["adamw", "adam", "sgd"])]
    optimizer: String,
    /// Peak learning rate; what suits optimiser and checkpoint unless given.
    #[arg(long, value_name = "X")]
    lr: Option<f32>,
    /// Pictures at once; 8, or 1 for large checkpoints.
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches whose gradients make one step; 1, or 4 for large checkpoints.
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Compute again on the way back instead of remembering: much less memory for a third more time; on for large checkpoints.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    gradient_checkpointing: Option<bool>,
    /// Weight decay of the adapter's matrices.
    #[arg(long, value_name = "X")]
    weight_decay: Option<f32>,
    /// Share of the pictures held out: some to choose the best step by, others to prove by.
    #[arg(long, value_name = "X")]
    held_out: Option<f32>,
    /// End after so many checks without a better one; 0 never.
    #[arg(long, value_name = "N")]
    patience: Option<u32>,
    /// Share of the adapter's ranks that each step leaves out, against learning by heart (kohya's rank_dropout; PEFT's
    /// lora_dropout on the inputs has no place in an adapter that is put inside the weight).
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    rank_dropout: f32,
    /// Share of the examples that are shown without their caption.
    #[arg(long, value_name = "X")]
    caption_dropout: Option<f32>,
    /// Never mirror a picture (for lettering and faces that know left from right).
    #[arg(long)]
    no_flip: bool,
    /// Also learn from copies with brightness, contrast and saturation moved by up to this.
    #[arg(long, value_name = "X")]
    jitter: Option<f32>,
    /// Train at about so many pixels a side instead of the checkpoint's own.
    #[arg(long, value_name = "N")]
    resolution: Option<u32>,
    /// Put captions that Kiln drafted beside the pictures as .txt, to be edited; never replaces one.
    #[arg(long)]
    write_captions: bool,
    /// Seed of the split, the first weights, the noise and the order.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Look for a good learning rate, rank and weight decay first, by short runs around those given; takes about 540 steps.
    #[arg(long, conflicts_with = "resume")]
    search: bool,
    /// Go on where an earlier call stopped.
    #[arg(long)]
    resume: bool,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: DeviceChoice,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// For a checkpoint of so many weights, whose words' numbers have this spread.
    fn settings(&self, parameters: u64, spread: f32) -> Settings {
        let optimizer = match self.optimizer.as_str() {
            "adam" => OptimizerKind::Adam,
            "sgd" => OptimizerKind::Sgd,
            _ => OptimizerKind::AdamW,
        };
        let mut suited = Settings::suited_to(parameters, optimizer, self.rank);
        if self.ratings.is_some() {
            suited = suited.taught_by(match self.preference.as_str() {
                "reward" => Preference::Reward,
                _ => Preference::Dpo { beta: self.beta.unwrap_or(BETA) },
            });
        }
        if let (Some(name), Some(initial)) = (&self.word, &self.initial) {
            suited = suited.for_word(name, initial, spread);
        } else if self.full {
            suited = suited.for_full();
        }
        Settings {
            steps: self.steps,
            loss: match self.loss.as_str() {
                "perceptual" => LossKind::Perceptual,
                "adversarial" => LossKind::Adversarial,
                _ => LossKind::Mse,
            },
            learning_rate: self.lr.unwrap_or(suited.learning_rate),
            batch: self.batch.unwrap_or(suited.batch),
            accumulate: self.accumulate.unwrap_or(suited.accumulate),
            checkpointing: self.gradient_checkpointing.unwrap_or(suited.checkpointing),
            weight_decay: self.weight_decay.unwrap_or(suited.weight_decay),
            held_out: self.held_out.unwrap_or(suited.held_out),
            patience: self.patience.unwrap_or(suited.patience),
            rank_dropout: self.rank_dropout,
            caption_dropout: self.caption_dropout.unwrap_or(suited.caption_dropout),
            jitter: self.jitter.unwrap_or(suited.jitter),
            flip: !self.no_flip,
            resolution: self.resolution,
            seed: self.seed,
            ..suited
        }
    }
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    // Before a model is loaded: what is out of range for every checkpoint.
    let plain = args.settings(0, 1.0);
    plain.check()?;
    let rated = match &args.ratings {
        // What is held out follows from the share and the seed, whatever the checkpoint.
        Some(library) => {
            let library = super::open_library(library, false, output)?;
            Some((lessons::of(&library, &plain)?, Arc::new(Taste::of(&library)?)))
        }
        None => None,
    };
    if let Some(images) = &args.images {
        check_folder(images)?;
    }
    let device = super::device(&args.device, output)?.device;
    super::stop_on_ctrl_c();
    let pipeline = Pipeline::load_on(&super::model_path(&args.model)?, &device, &mut |_| {})?;
    match (rated, args.images.clone()) {
        (Some((mut rated, taste)), _) => {
            let drawn = Lesson::imagined_of(&args.out);
            let imagined = rated.imagine(&pipeline, args.imagined, &drawn, &mut |done, of| {
                output.progress(&format!("Imagining picture {} of {of}", done + 1));
                !super::cancelled()
            });
            let choices = std::mem::take(&mut rated.choices);
            let taught =
                imagined.and_then(|()| lesson(&args, &pipeline, Lessons::Choices(choices), Some(taste), output));
            // Only a way to the adapter.
            Lesson::forget_imagined(&args.out);
            taught
        }
        (None, Some(images)) => lesson(&args, &pipeline, Lessons::Pictures(images), None, output),
        (None, None) => Err(Error::usage("Say what to learn from: --images DIR or --ratings LIBRARY.")),
    }
}

/// Teaches, and says what came of it.
fn lesson(
    args: &Args,
    pipeline: &Pipeline,
    lessons: Lessons,
    taste: Option<Arc<Taste>>,
    output: &Output,
) -> Result<()> {
    let options = Options {
        lessons,
        out: args.out.clone(),
        settings: args.settings(pipeline.info().parameters, pipeline.info().word_spread),
        search: args.search,
        resume: args.resume,
        write_captions: args.write_captions,
        taste,
        stop: super::cancelled,
    };
    let outcome = teach(pipeline, &options, &mut |event| tell(&event, output))?;
    finish(&options, &outcome, output)
}

/// Says how it goes.
fn tell(event: &Event, output: &Output) -> Result<()> {
    match event {
        Event::Between => Ok(()),
        Event::Preparing(p) => {
            output.progress(&format!(
                "Preparing picture {} of {}, {} left",
                p.done + 1,
                p.of,
                duration(p.seconds_left.into())
            ));
            output.event(&json!({"event": "preparing", "done": p.done, "of": p.of, "seconds_left": p.seconds_left}))
        }
        Event::Prepared {
            learnt,
            held_out,
            proof,
            choices: [taught, asked, proving],
            left_out,
            notices,
            layers: (layers, weights),
        } => {
            for file in left_out.iter().take(NAMED) {
                output.notice(&format!("Left out {}: {}.", file.path.display(), file.why));
            }
            if left_out.len() > NAMED {
                output.notice(&format!("… and {} more files.", left_out.len() - NAMED));
            }
            notices.iter().for_each(|notice| output.notice(notice));
            let (choices, checks, proves) =
                if *taught > 0 { (Some(*taught), asked, proving) } else { (None, held_out, proof) };
            let what = source(*learnt, choices);
            output.notice(&format!(
                "Learning from {what}; {checks} held out to choose the best step, {proves} to prove; {layers} layers, {weights} \
                 weights."
            ));
            output.event(&json!({
                "event": "prepared", "learnt": learnt, "held_out": held_out, "proof": proof,
                "choices": taught, "held_out_choices": asked, "proof_choices": proving, "left_out": left_out, "layers": layers,
                "weights": weights,
            }))
        }
        Event::Tried(t) => {
            let loss = t.held_out.map_or("out of range".into(), |loss| format!("{loss:.4}"));
            output.notice(&format!(
                "Round {}, {} steps: learning rate {}, rank {}, weight decay {}: held-out loss {loss}",
                t.round, t.steps, t.learning_rate, t.rank, t.weight_decay
            ));
            output.event(&json!({"event": "trial", "trial": t}))
        }
        Event::Found(s) => {
            output.notice(&format!(
                "Found: learning rate {}, rank {}, weight decay {}.",
                s.learning_rate, s.rank, s.weight_decay
            ));
            output.event(&json!({
                "event": "found", "learning_rate": s.learning_rate, "rank": s.rank, "weight_decay": s.weight_decay,
            }))
        }
        Event::Proving => {
            output.progress("Asking about what was kept apart, before and after");
            output.event(&json!({"event": "proving"}))
        }
        Event::Drawing { done, of, seconds_left } => {
            let left = if *done > 0 { format!(", {} left", duration((*seconds_left).into())) } else { String::new() };
            output.progress(&format!("Drawing picture {} of {of} to compare{left}", done + 1));
            output.event(&json!({"event": "drawing", "done": done, "of": of, "seconds_left": seconds_left}))
        }
        Event::Base { held_out } => output.event(&json!({"event": "base", "held_out_loss": held_out})),
        Event::Step { step, of, loss, seconds_left } => {
            let left = duration((*seconds_left).into());
            output.progress(&format!("Step {step} of {of}: loss {loss:.4}, {left} left"));
            output.event(&json!({
                "event": "step", "step": step, "of": of, "loss": loss, "seconds_left": seconds_left,
            }))
        }
        Event::Checked { point, best } => {
            if let Some(held_out) = point.held_out {
                let mark = if *best { ", the best so far" } else { "" };
                output.progress(&format!("Step {}: held-out loss {held_out:.4}{mark}", point.step));
            }
            output.event(&json!({
                "event": "check", "step": point.step, "loss": point.loss, "held_out_loss": point.held_out, "best": best,
            }))
        }
    }
}

fn finish(options: &Options, outcome: &Outcome, output: &Output) -> Result<()> {
    let card = &outcome.card;
    let evidence = card.evidence.as_ref();
    let event = json!({
        "event": "done", "path": options.out, "steps": outcome.steps, "kept_step": card.step, "stopped": outcome.stopped,
        "early": outcome.early, "seconds": outcome.seconds, "evidence": evidence, "drawn": card.drawn,
        "is_gain": card.is_gain(),
    });
    output.close_line();
    output.result(&event, || {
        let how = match (outcome.stopped, outcome.early) {
            (true, _) => "Stopped; --resume goes on. ",
            (false, true) => "Ended early: nothing became better. ",
            _ => "",
        };
        let proof = match evidence {
            Some(evidence) => evidence.sentence(),
            None if outcome.stopped => "What it gained is asked at the end.".into(),
            None => "Nothing was held out, so nothing proves a gain.".into(),
        };
        let what = match &card.settings.taught {
            Taught::Adapter => "adapter".to_string(),
            Taught::Word { name, .. } => format!("word {name}"),
            Taught::Full => "checkpoint".to_string(),
        };
        let drawn = card.drawn.map(|drawn| format!(" {}", drawn.sentence()));
        let warning = if card.collapsed() {
            " It draws much the same picture whatever the seed, so it is no gain: fewer steps, a higher --beta or a lower strength \
             keep more of the variety."
        } else if card.no_better() {
            " By your taste its pictures are no better than those without it, so it is no gain: more steps or more ratings may help."
        } else {
            ""
        };
        format!(
            "{how}{} steps in {}; the {what} of step {} is in {}. {proof}{}{warning}",
            outcome.steps,
            duration(outcome.seconds.into()),
            card.step,
            options.out.display(),
            drawn.unwrap_or_default()
        )
    })
}
