//! `kiln evaluate`: measures a checkpoint.

use super::cancelled;
use super::output::{Output, duration};
use kiln::insight::evaluate::{self, Artist, Event, Options, Report, Scores};
use kiln::pipeline::device::DeviceChoice;
use kiln::pipeline::{ModelInfo, Pipeline};
use kiln::recipe::{Picture, Recipe};
use kiln::{Error, Result};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two progress events for JSON readers.
const PAUSE: Duration = Duration::from_secs(5);

/// Measure a checkpoint with pictures that it makes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The checkpoint: ember, or the path of one.
    #[arg(long, value_name = "ember|PATH", default_value = "ember")]
    model: String,
    /// Pictures to make in all.
    #[arg(long, value_name = "N", default_value_t = 240, allow_negative_numbers = true)]
    count: usize,
    /// Folder of named objects (RGBA pictures) for the corpus to compare with; without it, its scenes hold none.
    #[arg(long, value_name = "DIR")]
    objects: Option<PathBuf>,
    /// Decides prompts, starting noises and corpus pictures.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    seed: u64,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: DeviceChoice,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Draws until the person presses Ctrl-C.
struct Drawer(Pipeline);

impl Artist for Drawer {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn draw(&self, recipe: &Recipe) -> Result<Picture> {
        let go_on = || if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        self.0.generate(recipe, &mut |_| go_on())
    }

    fn preview(&self, recipe: &Recipe) -> Result<()> {
        self.0.preview(recipe, &mut cancelled).map(drop)
    }
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    debug_assert_eq!(args.json, output.is_json());
    if !(evaluate::MIN_COUNT..=evaluate::MAX_COUNT).contains(&args.count) {
        return Err(Error::usage(format!(
            "--count {}: use {} to {} pictures.",
            args.count,
            evaluate::MIN_COUNT,
            evaluate::MAX_COUNT
        )));
    }
    let path = super::model_path(&args.model)?;
    super::stop_on_ctrl_c();

    let began = Instant::now();
    let loading = |done: f32| output.progress(&format!("Loading {}: {:.0} %", args.model, done * 100.0));
    let drawer = Drawer(Pipeline::load_on(&path, &super::device(&args.device, output)?.device, &mut { loading })?);
    let load_seconds = began.elapsed().as_secs_f64();
    let info = drawer.info();
    output.result(
        &json!({
            "event": "start", "model": info.name, "hash": info.hash, "count": args.count, "seed": args.seed,
            "recipe": info.defaults,
        }),
        || format!("{}, measured with {} pictures (seed {})", info.name, args.count, args.seed),
    )?;

    let options = Options { count: args.count, seed: args.seed, objects: args.objects, load_seconds };
    let mut last = None;
    let report = evaluate::evaluate(&drawer, &options, &mut |event| {
        if cancelled() {
            return Err(Error::cancelled());
        }
        hear(&event, &mut last, output)
    })?;
    finish(&report, began.elapsed().as_secs_f64(), output)
}

/// Passes on what happens; progress only now and then.
fn hear(event: &Event, last: &mut Option<Instant>, output: &Output) -> Result<()> {
    match event {
        Event::Progress { part, done, of, seconds_left } => {
            let left = seconds_left.map(|seconds| format!(", {} left", duration(seconds))).unwrap_or_default();
            output.progress(&format!("Measuring {part}: picture {done} of {of}{left}"));
            if last.is_some_and(|last| last.elapsed() < PAUSE) {
                return Ok(());
            }
            *last = Some(Instant::now());
            output.event(&json!({
                "event": "progress", "part": part, "done": done, "of": of, "seconds_left": seconds_left,
            }))
        }
        Event::Measured(part) => {
            let mut result = json!({"event": "result"});
            let numbers = serde_json::to_value(part)
                .map_err(|e| Error::failed(format!("The result could not be written as JSON: {e}.")))?;
            if let (Some(result), serde_json::Value::Object(numbers)) = (result.as_object_mut(), numbers) {
                result.extend(numbers);
            }
            output.result(&result, || {
                let line = |row: evaluate::Row| format!("\n  {:<21}{:>8}   {}", row.name, row.value, row.meaning);
                format!("\n{}{}", part.title(), part.rows().into_iter().map(line).collect::<String>())
            })
        }
        Event::LeftOut { part, why } => output
            .result(&json!({"event": "result", "part": part, "left_out": why}), || {
                format!("\nLeft out: {part}. {why}")
            }),
    }
}

/// The scores.
fn finish(report: &Report, seconds: f64, output: &Output) -> Result<()> {
    output.result(&json!({"event": "done", "seconds": seconds, "scores": report.scores}), || {
        let Scores { natural, diverse, prompt, sliders, efficient } = &report.scores;
        let lines = [
            ("natural", natural, "closeness to the corpus and families recognised, 1 = like the corpus itself"),
            ("diverse", diverse, "spread over seeds, 1 = like the corpus"),
            ("prompt", prompt, "colours asked for, 0 = chance, 1 = like the corpus"),
            ("sliders", sliders, "correlation, range and families, 0 = no effect, 1 = perfect"),
            ("efficient", efficient, "1 = no time, 0.5 = 4 seconds a picture on this machine"),
        ];
        let line = |(name, score, meaning): &(&str, &Option<f64>, &str)| {
            let score = score.map_or("-".into(), |s| format!("{s:.2}"));
            format!("\n  {name:<21}{score:>8}   {meaning}")
        };
        format!("\nScores (0 to 1){}\n\nMeasured in {}.", lines.iter().map(line).collect::<String>(), duration(seconds))
    })
}
