//! `kiln library`: the user's pictures.

use super::output::Output;
use kiln::library::{Entry, ExportFormat, Library, Query, Sort, read_picture};
use kiln::taste::{Learnt, Proof, Summary};
use kiln::{Error, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// List, search, rate and export the pictures of the library, and see what was learnt from the ratings.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = false)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Folder of the library; KILN_LIBRARY, else the studio's own, if absent.
    #[arg(long, global = true, value_name = "DIR")]
    library: Option<PathBuf>,
    /// One JSON object a line on standard output.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show pictures, newest first.
    List(Filter),
    /// Show pictures whose prompt or tags hold the beginnings of these words; -WORD excludes.
    Search {
        /// The words; put them after `--` when one begins with a hyphen.
        #[arg(required = true, value_name = "WORD")]
        words: Vec<String>,
        #[command(flatten)]
        filter: Filter,
    },
    /// Give a picture 0 to 5 stars, mark it, or say that it is better than others.
    #[command(group = clap::ArgGroup::new("verdict").required(true).multiple(true))]
    Rate {
        /// Number of the picture, as `list` shows it.
        id: i64,
        /// Stars, 0 (not rated) to 5.
        #[arg(group = "verdict")]
        stars: Option<u8>,
        /// It is better than this picture; may be given several times.
        #[arg(long, value_name = "ID", group = "verdict")]
        over: Vec<i64>,
        /// Mark it as a favourite, or take the mark away.
        #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", value_parser = on_or_off,
            group = "verdict")]
        favourite: Option<bool>,
        /// Mark it as not wanted, or take the mark away.
        #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", value_parser = on_or_off,
            group = "verdict")]
        reject: Option<bool>,
    },
    /// Say that one picture is better than another; the same as `rate WINNER --over LOSER`.
    Prefer {
        /// Number of the better picture.
        winner: i64,
        /// Number of the other one.
        loser: i64,
    },
    /// Take picture files in, with the Recipes that they hold.
    Add {
        /// PNG, JPEG, WebP or TIFF files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show what was learnt from stars, marks and comparisons, how well it predicts, and what blind tests in the studio showed.
    Taste,
    /// Forget all stars, marks, comparisons and blind tests, and what was learnt from them; the pictures stay.
    Forget,
    /// Write pictures to a folder or a file.
    Export {
        /// Numbers of the pictures, as `list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// A folder, or for one picture a file.
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
        /// png, jpeg, webp or tiff; as the file's name says, else png, if absent.
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// Quality of JPEG, 1 to 100.
        #[arg(long, value_name = "N", default_value_t = 92, value_parser = clap::value_parser!(u8).range(1..=100))]
        quality: u8,
    },
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Fewest stars.
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_rating: u8,
    /// Only favourites.
    #[arg(long)]
    favourite: bool,
    /// Only this family of pictures.
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Only pictures with this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The trash instead of the library.
    #[arg(long)]
    trash: bool,
    /// newest, oldest or best.
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    sort: String,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Leave out so many at the start.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Result<()> {
    debug_assert_eq!(args.json, output.is_json());
    let library = match args.library {
        // Taking pictures in is a way to begin a library.
        Some(folder) => super::open_library(&folder, matches!(args.command, Command::Add { .. }), output)?,
        None => super::open_library(&Library::default_folder()?, true, output)?,
    };
    match args.command {
        Command::List(filter) => show(&library, query(filter, String::new())?, output),
        Command::Search { words, filter } => show(&library, query(filter, words.join(" "))?, output),
        Command::Rate { id, stars, over, favourite, reject } => {
            if stars.is_some() || favourite.is_some() || reject.is_some() {
                mark(&library, id, stars, favourite, reject, output)?;
            }
            over.into_iter().try_for_each(|loser| prefer(&library, id, loser, output))
        }
        Command::Prefer { winner, loser } => prefer(&library, winner, loser, output),
        Command::Add { files } => files.iter().try_for_each(|file| {
            let entry = library.add(&read_picture(file)?)?;
            output.result(&as_json(&entry), || format!("{:>6}  {}", entry.id, entry.path.display()))
        }),
        Command::Taste => {
            let proof = Proof::of(&library.trials()?);
            show_taste(&kiln::taste::Taste::of(&library)?.summary(), &proof, output)
        }
        Command::Forget => {
            let (marked, compared) = library.forget_choices()?;
            output.result(&json!({"event": "forgotten", "pictures": marked, "comparisons": compared}), || {
                format!(
                    "Forgotten: the stars and marks of {marked} pictures, {compared} comparisons, and what was learnt."
                )
            })
        }
        Command::Export { ids, to, format, quality } => {
            let format = match &format {
                Some(name) => ExportFormat::from_name(name).ok_or_else(|| {
                    Error::usage(format!("The format {name} is unknown: use {}.", ExportFormat::NAMES.join(", ")))
                })?,
                None if to.is_dir() => ExportFormat::Png,
                None => ExportFormat::from_path(&to).unwrap_or(ExportFormat::Png),
            };
            let format =
                if matches!(format, ExportFormat::Jpeg { .. }) { ExportFormat::Jpeg { quality } } else { format };
            for path in library.export(&ids, &to, format)? {
                output.result(&json!({"event": "exported", "path": path}), || path.display().to_string())?;
            }
            Ok(())
        }
    }
}

fn on_or_off(text: &str) -> std::result::Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("use on or off".into()),
    }
}

fn mark(
    library: &Library,
    id: i64,
    stars: Option<u8>,
    favourite: Option<bool>,
    reject: Option<bool>,
    output: &Output,
) -> Result<()> {
    stars.map_or(Ok(()), |stars| library.rate(id, stars))?;
    favourite.map_or(Ok(()), |on| library.favourite(id, on))?;
    reject.map_or(Ok(()), |on| library.reject(id, on))?;
    let now = library.get(id)?;
    let event = json!({
        "event": "rated", "id": id, "rating": now.rating, "favourite": now.favourite, "rejected": now.rejected,
    });
    output.result(&event, || {
        let marks = [(now.favourite, " favourite"), (now.rejected, " rejected")];
        let marks: String = marks.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
        format!("{id}: {}{marks}", show_stars(now.rating))
    })
}

fn prefer(library: &Library, winner: i64, loser: i64, output: &Output) -> Result<()> {
    library.compare(winner, loser)?;
    let event = json!({"event": "compared", "winner": winner, "loser": loser});
    output.result(&event, || format!("{winner} is better than {loser}."))
}

fn show_taste(summary: &Summary, proof: &Proof, output: &Output) -> Result<()> {
    let mut event = json!({"event": "taste", "sentence": summary.sentence(), "blind": proof});
    let numbers = serde_json::to_value(summary)
        .map_err(|e| Error::failed(format!("What was learnt could not be written as JSON: {e}.")))?;
    if let (Some(event), Value::Object(numbers)) = (event.as_object_mut(), numbers) {
        event.extend(numbers);
    }
    output.result(&event, || {
        let line = |l: &Learnt| format!("\n  {:<22} {:+.2} ± {:.2}  {}", l.words, l.weight, l.spread, l.sureness());
        let list: String = summary.learnt.iter().take(12).map(line).collect();
        format!("{}{list}\n{}", summary.sentence(), proof.sentence("taste"))
    })
}

fn query(filter: Filter, text: String) -> Result<Query> {
    let sort = match filter.sort.as_str() {
        "newest" => Sort::Newest,
        "oldest" => Sort::Oldest,
        "best" => Sort::Best,
        other => return Err(Error::usage(format!("The order {other} is unknown: use newest, oldest or best."))),
    };
    Ok(Query {
        text,
        min_rating: filter.min_rating,
        favourite: filter.favourite,
        family: filter.family,
        tag: filter.tag,
        hide_rejected: false,
        trashed: filter.trash,
        sort,
        limit: filter.limit,
        offset: filter.offset,
    })
}

fn show(library: &Library, query: Query, output: &Output) -> Result<()> {
    for entry in library.list(&query)? {
        output.result(&as_json(&entry), || {
            let mark = if entry.favourite { "*" } else { " " };
            let size = format!("{}x{}", entry.width, entry.height);
            let prompt = super::output::one_line(&entry.recipe.prompt);
            format!(
                "{:>6} {} {mark} {size:>9}  {prompt}  [{}]",
                entry.id,
                show_stars(entry.rating),
                entry.path.display()
            )
        })?;
    }
    Ok(())
}

fn show_stars(stars: u8) -> String {
    format!("{}{}", "★".repeat(stars.into()), "·".repeat(5usize.saturating_sub(stars.into())))
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "event": "entry", "id": entry.id, "path": entry.path, "created": entry.created, "prompt": entry.recipe.prompt,
        "seed": entry.recipe.seed, "width": entry.width, "height": entry.height, "seconds": entry.seconds,
        "rating": entry.rating, "favourite": entry.favourite, "rejected": entry.rejected, "tags": entry.tags,
        "trashed": entry.trashed, "recipe": entry.recipe,
    })
}
