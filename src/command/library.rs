//! `kiln library`: the user's pictures.

use super::output::Output;
use kiln::library::{Entry, ExportFormat, Library, Query, Sort};
use kiln::{Error, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// List, search, rate and export the pictures of the library.
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
    /// Give a picture 0 to 5 stars.
    Rate {
        /// Number of the picture, as `list` shows it.
        id: i64,
        /// Stars, 0 (not rated) to 5.
        stars: u8,
    },
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
    let folder = match args.library {
        Some(folder) if !folder.is_dir() => {
            let message = format!("There is no library at {}: name the folder of one.", folder.display());
            return Err(Error::failed(message));
        }
        Some(folder) => folder,
        None => Library::default_folder()?,
    };
    let (library, notices) = Library::open(&folder)?;
    notices.iter().for_each(|notice| output.notice(notice));
    match args.command {
        Command::List(filter) => show(&library, query(filter, String::new())?, output),
        Command::Search { words, filter } => show(&library, query(filter, words.join(" "))?, output),
        Command::Rate { id, stars } => {
            library.rate(id, stars)?;
            output.result(&json!({"event": "rated", "id": id, "rating": stars}), || {
                format!("{id}: {}", show_stars(stars))
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
