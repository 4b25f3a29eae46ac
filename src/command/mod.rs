//! What the words on the command line mean, and how the program ends: 0 done, 1 failed, 2 wrong usage.

mod evaluate;
mod finetune;
mod generate;
mod inspect;
mod library;
mod output;
mod serve;
mod train;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Parser, Subcommand};
use kiln::pipeline::device::{Chosen, DeviceChoice, select};
use kiln::{Error, ErrorKind, Result};
use output::Output;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// A studio that generates pictures on your own machine. Without a command it opens the window.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(Box<generate::Args>),
    Finetune(Box<finetune::Args>),
    Train(train::Args),
    Evaluate(evaluate::Args),
    Inspect(inspect::Args),
    Library(library::Args),
    Serve(serve::Args),
}

/// Set by Ctrl-C; long work looks at it at every step.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Runs the program.
pub fn main() -> ExitCode {
    #[cfg(feature = "gpu")]
    if std::env::args_os().nth(1).is_some_and(|first| first == kiln::pipeline::device::probe::ARGUMENT) {
        kiln::pipeline::device::probe::run(std::env::args_os().any(|all| all == kiln::pipeline::device::probe::ALL));
        return ExitCode::SUCCESS;
    }
    panic::set_hook(Box::new(|info| {
        static SAID: AtomicBool = AtomicBool::new(false);
        if !SAID.swap(true, Ordering::Relaxed) {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
            let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
            let place = place.unwrap_or_default();
            output::say(&format!("Kiln has a bug{place}: {}. Please report it.", output::one_line(text)));
        }
    }));
    let json = std::env::args_os().any(|argument| argument == "--json");
    let output = Output::new(json);
    let result = match Cli::try_parse() {
        Ok(cli) => panic::catch_unwind(panic::AssertUnwindSafe(|| dispatch(cli.command, &output))),
        Err(error) => match usage(&error) {
            Some(error) => Ok(Err(error)),
            None => return ExitCode::SUCCESS,
        },
    };
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            output.error(&error);
            ExitCode::from(if error.kind == ErrorKind::Usage { 2 } else { 1 })
        }
        // The hook has said it.
        Err(_) => ExitCode::FAILURE,
    }
}

fn dispatch(command: Option<Command>, output: &Output) -> Result<()> {
    match command {
        None => studio(),
        Some(Command::Generate(args)) => generate::run(*args, output),
        Some(Command::Finetune(args)) => finetune::run(*args, output),
        Some(Command::Train(args)) => train::run(args, output),
        Some(Command::Evaluate(args)) => evaluate::run(args, output),
        Some(Command::Inspect(args)) => inspect::run(args, output),
        Some(Command::Library(args)) => library::run(args, output),
        Some(Command::Serve(args)) => serve::run(&args, output),
    }
}

fn studio() -> Result<()> {
    kiln::studio::run(kiln::studio::Options {
        library: kiln::library::Library::default_folder()?,
        model: "ember".into(),
        device: DeviceChoice::Auto,
    })
}

/// What clap has to say, in one line; `None` when it was asked for help or the version and has given it.
fn usage(error: &clap::Error) -> Option<Error> {
    if matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion) {
        let _ = error.print();
        return None;
    }
    if error.kind() == ClapErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Some(Error::usage("A command is missing here: add --help to see which there are."));
    }
    let text = error.to_string();
    // The first paragraph says what is wrong, a later one may have a tip; the rest repeats the usage.
    let said = text.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let said: Vec<String> = said.map(output::one_line).collect();
    let said = said.join(", ");
    Some(Error::usage(format!("{}. Add --help to see what is possible.", said.trim_start_matches("error: "))))
}

/// Makes Ctrl-C ask the running work to stop; a second one ends the program at once.
fn stop_on_ctrl_c() {
    let handler = || {
        if CANCELLED.swap(true, Ordering::Relaxed) {
            std::process::exit(1);
        }
        output::say("Stopping after this step…");
    };
    // Without a handler Ctrl-C ends the program at once, which loses at most the picture in flight.
    let _ = ctrlc::set_handler(handler);
}

/// Whether Ctrl-C was pressed.
fn cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}

/// Opens a library and says what was put in order there; one that is not there is made only if so wanted.
fn open_library(folder: &std::path::Path, make: bool, output: &Output) -> Result<kiln::library::Library> {
    if !make && !folder.is_dir() {
        let message = format!("There is no library at {}: name the folder of one.", folder.display());
        return Err(Error::failed(message));
    }
    let (library, notices) = kiln::library::Library::open(folder)?;
    notices.iter().for_each(|notice| output.notice(notice));
    Ok(library)
}

/// Reads `auto`, `cpu`, `gpu` or `remote:URL`.
fn parse_device(text: &str) -> Result<DeviceChoice, String> {
    text.parse().map_err(|error: Error| error.message)
}

/// The device for a choice; what is to be known of it is said.
fn device(choice: &DeviceChoice, output: &Output) -> Result<Chosen> {
    let chosen = select(choice)?;
    chosen.notice.iter().for_each(|notice| output.notice(notice));
    Ok(chosen)
}

/// The CPU in place of a device that failed; says so.
fn fall_back(device: &Chosen, why: &Error, output: &Output) -> Result<Chosen> {
    output.notice(&format!("{} does not compute ({}); going on with the CPU.", device.name, why.message));
    select(&DeviceChoice::Cpu)
}

/// The folder or file of a checkpoint: `ember` is the shipped one, anything else a path.
fn model_path(name: &str) -> Result<PathBuf> {
    if name.is_empty() {
        return Err(Error::usage("The model's name is empty: use ember, or the path of a checkpoint."));
    }
    if name != "ember" {
        return Ok(name.into());
    }
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|program| program.parent());
    let mut places: Vec<PathBuf> = std::env::var_os("KILN_MODELS").map(PathBuf::from).into_iter().collect();
    places.extend(beside.map(|folder| folder.join("models")));
    places.extend(beside.map(|folder| folder.join("../share/kiln/models")));
    places.push("models".into());
    // For a program that is run by `cargo run` from anywhere.
    places.push(concat!(env!("CARGO_MANIFEST_DIR"), "/models").into());
    let found = places.iter().map(|place| place.join("ember")).find(|path| path.join("model_index.json").is_file());
    found.ok_or_else(|| {
        Error::failed(
            "Kiln's own model Ember was not found: set KILN_MODELS to the folder that holds ember/, or name another \
             checkpoint with --model.",
        )
    })
}
