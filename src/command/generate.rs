//! `kiln generate`: pictures from words.

use super::cancelled;
use super::output::{Output, duration};
use kiln::library::{Library, metadata};
use kiln::pipeline::device::{Chosen, DeviceChoice};
use kiln::pipeline::{Pipeline, hash_file, locate_adapter, locate_embedding, styles};
use kiln::recipe::{
    AdapterRef, ENLARGE_RANGE, ENLARGE_STRENGTH, EmbeddingRef, FirstPass, MaskRef, ModelRef, Outpaint, Picture, Recipe,
    SourceRef, Variation,
};
use kiln::worker::guarded;
use kiln::{Error, ErrorKind, Result, library, taste};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Most pictures of one call.
const MAX_COUNT: u32 = 100_000;
/// Most pictures that are made together.
const MOST_TOGETHER: u32 = 16;

/// Make pictures from words.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to draw.
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// What to keep away from.
    #[arg(long, value_name = "TEXT", default_value = "")]
    negative: String,
    /// The checkpoint: ember, or the path of one.
    #[arg(long, value_name = "ember|PATH", default_value = "ember")]
    model: String,
    /// A LoRA adapter and how strongly it acts; may be given several times.
    #[arg(long, value_name = "PATH[:WEIGHT]")]
    lora: Vec<String>,
    /// A learnt word (textual inversion) that the prompts may name; may be given several times.
    #[arg(long, value_name = "FILE")]
    embedding: Vec<String>,
    /// Seed of the first picture, the next ones count up; random if absent.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// How many pictures.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    count: u32,
    /// How many pictures are made together, 1 to 16; as suits their size if absent. Changes nothing in them.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    batch: Option<u32>,
    /// Width in pixels; the checkpoint's own if absent.
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    width: Option<u32>,
    /// Height in pixels; the checkpoint's own if absent.
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    height: Option<u32>,
    /// Sampling steps, 1 to 200; the checkpoint's own if absent.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    steps: Option<u32>,
    /// Guidance scale, 1 is off; the checkpoint's own if absent.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    cfg: Option<f32>,
    /// Sampler, as in euler, heun or dpmpp_2m_karras (an unknown one lists all); the checkpoint's own if absent.
    #[arg(long, value_name = "NAME")]
    sampler: Option<String>,
    /// A named style, which puts words of its own round the prompt; a wrong name lists them.
    #[arg(long, value_name = "NAME")]
    style: Option<String>,
    /// Which layer of the text encoder is heard, from its end; 1 is the last.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    clip_skip: Option<u32>,
    /// Brings guidance back to the spread of the prompt's own prediction: 0 is off, 0.7 is usual.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    cfg_rescale: Option<f32>,
    /// Share of the steps, from the first, without guidance: 0 is none; the checkpoint's own if absent.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    skip_early_cfg: Option<f32>,
    /// A second seed, towards which the noise of the first is turned.
    #[arg(long, value_name = "N", requires = "subseed_strength", allow_negative_numbers = true)]
    subseed: Option<u64>,
    /// How far it is turned: 0 not at all, 1 all the way.
    #[arg(long, value_name = "S", requires = "subseed", allow_negative_numbers = true)]
    subseed_strength: Option<f32>,
    /// Draws at that size first, then enlarges by this factor and works the picture over.
    #[arg(long, value_name = "FACTOR", conflicts_with = "init", allow_negative_numbers = true)]
    enlarge: Option<f32>,
    /// How far the second pass goes from the first: 0 only enlarges, 1 draws anew.
    #[arg(long, value_name = "S", requires = "enlarge", default_value_t = ENLARGE_STRENGTH, allow_negative_numbers = true)]
    enlarge_strength: f32,
    /// How the first pass is enlarged: lanczos (its pixels), latent_nearest, latent_bilinear or latent_bicubic.
    #[arg(long, value_name = "NAME", requires = "enlarge")]
    upscaler: Option<String>,
    /// Lets opposite edges meet, so that the picture can be laid side by side with itself.
    #[arg(long)]
    seamless: bool,
    /// Sets a slider of the checkpoint; may be given several times.
    #[arg(long = "set", value_name = "SLIDER=VALUE")]
    sliders: Vec<String>,
    /// A picture to start from.
    #[arg(long, value_name = "IMAGE")]
    init: Option<PathBuf>,
    /// How far to go from that picture: 0 keeps it, 1 ignores it.
    #[arg(long, value_name = "S", requires = "init", allow_negative_numbers = true)]
    strength: Option<f32>,
    /// A picture that is white where that picture may change.
    #[arg(long, value_name = "IMAGE", requires = "init")]
    mask: Option<PathBuf>,
    /// Let the decoder redraw what the mask keeps, instead of putting that picture's own pixels back.
    #[arg(long, requires = "mask")]
    redraw_outside: bool,
    /// Extends that picture by so many pixels on its sides, each rounded up to what the checkpoint needs.
    #[arg(long, value_name = "L,T,R,B", requires = "init", allow_negative_numbers = true)]
    outpaint: Option<String>,
    /// Where to compute.
    #[arg(long, value_name = "auto|cpu|gpu|remote:URL", default_value = "auto", value_parser = super::parse_device)]
    device: DeviceChoice,
    /// Folder for the pictures.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Keep the pictures in this library instead; made if absent.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    library: Option<PathBuf>,
    /// Bend the pictures towards the taste that the ratings in this library show.
    #[arg(long, value_name = "LIBRARY")]
    taste: Option<PathBuf>,
    /// How far to look around: 0 is what is most probably liked, 1 tries everything.
    #[arg(long, value_name = "X", requires = "taste", default_value_t = taste::wall::EXPLORE, allow_negative_numbers = true)]
    explore: f32,
    /// Quick looks for each picture from which taste chooses; 1 takes its first proposals.
    #[arg(long, value_name = "N", requires = "taste", default_value_t = taste::wall::LOOKS)]
    looks: u32,
    /// One JSON object a line on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    debug_assert_eq!(args.json, output.is_json());
    let mut wanted = recipe(&args, Recipe::default())?;
    enlarge(&args, &mut wanted, 1)?;
    wanted.check_ranges()?;
    let seed = args.seed.unwrap_or_else(random_seed);
    if let Some(batch) = args.batch.filter(|n| !(1..=MOST_TOGETHER).contains(n)) {
        return Err(Error::usage(format!("--batch {batch} is out of range: use 1 to {MOST_TOGETHER}.")));
    }
    if args.count == 0 || args.count > MAX_COUNT {
        return Err(Error::usage(format!("{} pictures cannot be made: use 1 to {MAX_COUNT}.", args.count)));
    }
    if seed.checked_add(u64::from(args.count - 1)).is_none() {
        return Err(Error::usage(format!("The seed {seed} is too large for {} pictures.", args.count)));
    }
    for adapter in &wanted.adapters {
        locate_adapter(&adapter.name)?;
    }
    for embedding in &wanted.embeddings {
        locate_embedding(&embedding.name)?;
    }
    let path = super::model_path(&args.model)?;
    let keep: Option<Library> = match &args.library {
        Some(folder) => Some(super::open_library(folder, true, output)?),
        None => library::make_writable_folder(&args.out).map(|()| None)?,
    };
    let taste = args.taste.as_deref().map(|folder| learn(folder, &args, output)).transpose()?;
    super::stop_on_ctrl_c();

    let began = Instant::now();
    let load = |device: &Chosen| {
        let tell = &mut |done: f32| output.progress(&format!("Loading {}: {:.0} %", args.model, done * 100.0));
        guarded("Loading the model", || Pipeline::load_on(&path, &device.device, tell))
    };
    let mut device = super::device(&args.device, output)?;
    let mut pipeline = match load(&device) {
        Err(error) if device.can_fail() => {
            device = super::fall_back(&device, &error, output)?;
            load(&device)?
        }
        loaded => loaded?,
    };
    let load_seconds = began.elapsed().as_secs_f32();
    let info = pipeline.info().clone();
    let mut recipe = recipe(&args, info.defaults.clone())?;
    extend(&args, &mut recipe, info.size_multiple)?;
    enlarge(&args, &mut recipe, info.size_multiple)?;
    recipe.seed = seed;
    recipe.model = ModelRef { name: args.model.clone(), hash: info.hash.clone() };
    recipe.check_ranges()?;
    pipeline.check(&recipe)?;
    let adapted = pipeline.adapted(&recipe.adapters)?;
    adapted.notices.iter().for_each(|notice| output.notice(notice));
    recipe.adapters.clone_from(&adapted.adapters);
    output.event(&json!({
        "event": "start", "model": info.name, "hash": info.hash, "count": args.count, "load_seconds": load_seconds,
        "device": device.name,
        "recipe": recipe,
    }))?;

    let began = Instant::now();
    let recipes = match &taste {
        Some(taste) => bend(taste, &pipeline, &recipe, &args, output)?,
        None => (0..args.count).map(|index| recipe.with_seed(seed + u64::from(index))).collect(),
    };
    let mut index = 0;
    while let Some(next) = recipes.get(index) {
        let most = args.batch.map_or_else(|| pipeline.at_once(next), |n| n as usize);
        let alike = recipes[index..].iter().take(most).take_while(|other| Pipeline::kin(next, other)).count().max(1);
        let make = |pipeline: &Pipeline, count: usize| {
            let work = || some(pipeline, &recipes[index..index + count], index as u32, args.count, began, output);
            guarded("Making the picture", work)
        };
        let mut made = make(&pipeline, alike);
        if let Err(error) = &made
            && error.kind == ErrorKind::Failed
        {
            // A device that vanished costs time, not the picture; and what is wrong with one is no fault of the others.
            if device.can_fail() {
                device = super::fall_back(&device, error, output)?;
                pipeline = load(&device)?;
                made = make(&pipeline, 1);
            } else if alike > 1 {
                made = make(&pipeline, 1);
            }
        }
        for picture in made.map_err(|e| after(e, index as u32))? {
            let (path, id) = keep_picture(&picture, &args.out, keep.as_ref()).map_err(|e| after(e, index as u32))?;
            let recipe = &recipes[index];
            let mut event = json!({
                "event": "picture", "path": path, "seed": recipe.seed, "seconds": picture.seconds, "width": recipe.width,
                "height": recipe.height,
            });
            if let Some(id) = id {
                event["id"] = id.into();
            }
            if taste.is_some() {
                event["recipe"] = json!(recipe);
            }
            output.result(&event, || path.display().to_string())?;
            index += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f32();
    output.event(&json!({"event": "done", "pictures": args.count, "seconds": seconds}))
}

/// What the ratings of a library show.
fn learn(folder: &Path, args: &Args, output: &Output) -> Result<taste::Taste> {
    if !(0.0..=1.0).contains(&args.explore) {
        return Err(Error::usage(format!("--explore {} is out of range: use 0 to 1.", args.explore)));
    }
    if !(1..=32).contains(&args.looks) {
        return Err(Error::usage(format!("--looks {} is out of range: use 1 to 32.", args.looks)));
    }
    let learnt = taste::Taste::of(&super::open_library(folder, false, output)?)?;
    if learnt.choices() == 0 {
        output.notice("There is no evidence of your taste yet, so that these pictures are made without it.");
    }
    Ok(learnt)
}

/// The Recipes of a wall, bent by taste.
fn bend(
    taste: &taste::Taste,
    pipeline: &Pipeline,
    recipe: &Recipe,
    args: &Args,
    output: &Output,
) -> Result<Vec<Recipe>> {
    let (count, explore, looks) = (args.count, args.explore, args.looks);
    let wish = taste::Wish { recipe: recipe.clone(), count, explore, looks, locked: false };
    let mut seen = 0;
    taste::draw_wall(taste, pipeline.info(), &wish, &mut |recipe| {
        seen += 1;
        output.progress(&format!("Looking at {seen} of {}", u64::from(count) * u64::from(looks)));
        pipeline.preview(recipe, &mut cancelled)
    })
}

/// Makes some of `count` pictures together, the first of which has the number `index`.
fn some(
    pipeline: &Pipeline,
    recipes: &[Recipe],
    index: u32,
    count: u32,
    began: Instant,
    output: &Output,
) -> Result<Vec<Picture>> {
    if cancelled() {
        return Err(Error::cancelled());
    }
    let mut unwritten = Ok(());
    let made = pipeline.generate_together(recipes, &mut |report| {
        let together = report.pictures();
        let share = f64::from(report.step) / f64::from(report.steps.max(1)) * together.len() as f64;
        let done = f64::from(index) + together.start as f64 + share;
        let left = began.elapsed().as_secs_f64() / done.max(1e-9) * (f64::from(count) - done);
        let (first, last) = (index as usize + together.start + 1, index as usize + together.end + 1);
        output.progress(&format!(
            "Picture {} of {}, step {} of {}, {} left",
            if last - first > 1 { format!("{first} to {}", last - 1) } else { first.to_string() },
            count,
            report.step,
            report.steps,
            duration(left)
        ));
        for picture in first..last {
            let event = json!({
                "event": "step", "picture": picture, "step": report.step, "steps": report.steps, "seconds_left": left,
            });
            if unwritten.is_ok() {
                unwritten = output.event(&event);
            }
        }
        if cancelled() || unwritten.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    unwritten?;
    made
}

/// Saves a picture in the folder or the library; returns its file, and its number in the library if it went there.
fn keep_picture(picture: &Picture, out: &Path, keep: Option<&Library>) -> Result<(PathBuf, Option<i64>)> {
    if let Some(library) = keep {
        let entry = library.add(picture)?;
        return Ok((entry.path, Some(entry.id)));
    }
    let bytes = metadata::encode_png(picture)?;
    Ok((save(out, &picture.recipe, &bytes)?, None))
}

/// Saves as `kiln-SEED-N.png`, where N is the first number whose file is absent or holds a picture of the same Recipe.
fn save(folder: &Path, recipe: &Recipe, bytes: &[u8]) -> Result<PathBuf> {
    for number in 1u64.. {
        let path = folder.join(format!("kiln-{}-{number}.png", recipe.seed));
        let own = || metadata::read_file(&path).is_ok_and(|found| found.exact && found.recipe.as_ref() == Some(recipe));
        if path.is_file() && own() {
            library::write_whole(&path, bytes)?;
            return Ok(path);
        }
        if library::write_unless_taken(&path, bytes)? {
            return Ok(path);
        }
    }
    Err(Error::failed(format!("Every name for a picture in {} is taken.", folder.display())))
}

/// Says after how many pictures it ended.
fn after(error: Error, saved: u32) -> Error {
    let saved = match saved {
        0 => "No picture was saved.".to_string(),
        1 => "1 picture was saved before.".to_string(),
        n => format!("{n} pictures were saved before."),
    };
    let kind = error.kind;
    let said = if kind == ErrorKind::Usage { error.message } else { format!("{} {saved}", error.message) };
    Error { kind, message: said }
}

/// The Recipe that the arguments ask for, over the given defaults.
fn recipe(args: &Args, defaults: Recipe) -> Result<Recipe> {
    let mut recipe = Recipe {
        prompt: args.prompt.clone(),
        negative_prompt: args.negative.clone(),
        width: args.width.unwrap_or(defaults.width),
        height: args.height.unwrap_or(defaults.height),
        steps: args.steps.unwrap_or(defaults.steps),
        cfg_scale: args.cfg.unwrap_or(defaults.cfg_scale),
        sampler: args.sampler.clone().unwrap_or_else(|| defaults.sampler.clone()),
        source: None,
        clip_skip: args.clip_skip.unwrap_or(defaults.clip_skip),
        cfg_rescale: args.cfg_rescale.unwrap_or(defaults.cfg_rescale),
        skip_early_cfg: args.skip_early_cfg.unwrap_or(defaults.skip_early_cfg),
        variation: args.subseed.zip(args.subseed_strength).map(|(subseed, strength)| Variation { subseed, strength }),
        ..defaults
    };
    if let Some(name) = &args.style {
        styles::find(name)?.apply(&mut recipe);
    }
    for setting in &args.sliders {
        let parsed = setting.rsplit_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?)));
        let Some((name, value)) = parsed.filter(|(name, value): &(&str, f32)| !name.is_empty() && value.is_finite())
        else {
            return Err(Error::usage(format!("--set {setting}: write SLIDER=NUMBER, for example --set warmth=0.8.")));
        };
        recipe.sliders.insert(name.to_string(), value);
    }
    for adapter in &args.lora {
        recipe.adapters.push(AdapterRef::parse(adapter)?);
    }
    let embedding = |name: &String| EmbeddingRef { name: name.clone(), hash: String::new() };
    recipe.embeddings.extend(args.embedding.iter().map(embedding));
    if let Some(path) = &args.init {
        recipe.source = Some(SourceRef {
            path: path.display().to_string(),
            hash: hash_file(path)?,
            denoising_strength: args.strength.unwrap_or(if args.outpaint.is_some() { 1.0 } else { 0.75 }),
        });
    }
    if let Some(path) = &args.mask {
        let keep_outside = !args.redraw_outside;
        recipe.mask = Some(MaskRef { path: path.display().to_string(), hash: hash_file(path)?, keep_outside });
    }
    recipe.seamless = args.seamless;
    args.outpaint.as_deref().map(str::parse::<Outpaint>).transpose()?;
    Ok(recipe)
}

/// Makes what was asked for the first pass of a larger picture, whose sides are multiples of `multiple`.
fn enlarge(args: &Args, recipe: &mut Recipe, multiple: u32) -> Result<()> {
    let Some(factor) = args.enlarge else { return Ok(()) };
    if !ENLARGE_RANGE.contains(&factor) {
        return Err(Error::usage(format!(
            "--enlarge {factor} is out of range: use {} to {}.",
            ENLARGE_RANGE.start(),
            ENLARGE_RANGE.end()
        )));
    }
    let (width, height) = (recipe.width, recipe.height);
    let grown = |side: u32| (f64::from(side) * f64::from(factor)).round() as u32 / multiple * multiple;
    (recipe.width, recipe.height) = (grown(width).max(width), grown(height).max(height));
    let upscaler = args.upscaler.as_deref().map(str::parse).transpose()?.unwrap_or_default();
    recipe.first_pass = Some(FirstPass { width, height, denoising_strength: args.enlarge_strength, upscaler });
    Ok(())
}

/// Lays new margins round the source: it keeps the size that was asked for, or else its own, and the picture grows.
fn extend(args: &Args, recipe: &mut Recipe, multiple: u32) -> Result<()> {
    let (Some(text), Some(path)) = (&args.outpaint, &args.init) else { return Ok(()) };
    let margins = text.parse::<Outpaint>()?.rounded_up(multiple);
    let unread = |e: &dyn std::fmt::Display| Error::io("read the picture", path, e);
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    let (width, height) = reader.map_err(|e| unread(&e))?.into_dimensions().map_err(|e| unread(&e))?;
    let near = |side: u32| (side.saturating_add(multiple / 2) / multiple).max(1).saturating_mul(multiple);
    let grown = |side: u32, a: u32, b: u32| side.saturating_add(a).saturating_add(b);
    recipe.width = grown(args.width.unwrap_or(near(width)), margins.left, margins.right);
    recipe.height = grown(args.height.unwrap_or(near(height)), margins.top, margins.bottom);
    recipe.outpaint = Some(margins);
    Ok(())
}

/// A seed nobody chose, small enough to be typed.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % 1_000_000_000
}
