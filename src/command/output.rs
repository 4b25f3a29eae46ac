//! What goes to standard output (results, or one JSON object a line) and to standard error (progress, sentences).

use kiln::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Writes a line to standard error; if nobody listens there, that is no failure.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Several lines as one.
pub fn one_line(text: impl AsRef<str>) -> String {
    text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Standard output, in words or in JSON, and progress on standard error.
pub struct Output {
    json: bool,
    terminal: bool,
    /// Whether a progress line stands on the terminal.
    open_line: Cell<bool>,
    last_progress: Cell<Option<Instant>>,
}

impl Output {
    /// Output in JSON or in words.
    pub fn new(json: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { json, terminal, open_line: Cell::new(false), last_progress: Cell::new(None) }
    }

    /// Whether results are wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A result: `words` on standard output, or `event` as one line of JSON.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn result(&self, event: &Value, words: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            return write(&event.to_string());
        }
        self.close_line();
        let words = words();
        if words.is_empty() { Ok(()) } else { write(&words) }
    }

    /// An event that only JSON readers need.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn event(&self, event: &Value) -> Result<()> {
        self.result(event, String::new)
    }

    /// Something that the person should know, though nothing failed.
    pub fn notice(&self, text: &str) {
        self.close_line();
        say(text);
        if self.json {
            let _ = write(&json!({"event": "notice", "message": text}).to_string());
        }
    }

    /// A failure.
    pub fn error(&self, error: &Error) {
        self.close_line();
        let message = one_line(&error.message);
        say(&message);
        if self.json {
            let kind = match error.kind {
                ErrorKind::Usage => "usage",
                ErrorKind::Failed => "failed",
                ErrorKind::Cancelled => "cancelled",
            };
            let _ = write(&json!({"event": "error", "kind": kind, "message": message}).to_string());
        }
    }

    /// Progress on standard error: a line that is rewritten on a terminal, else a line every few seconds.
    pub fn progress(&self, text: &str) {
        let pause = if self.terminal { Duration::from_millis(50) } else { Duration::from_secs(5) };
        let now = Instant::now();
        if self.last_progress.get().is_some_and(|last| now.duration_since(last) < pause) {
            return;
        }
        self.last_progress.set(Some(now));
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[2K{text}");
            let _ = io::stderr().flush();
            self.open_line.set(true);
        } else {
            say(text);
        }
    }

    /// Takes the progress line away.
    pub fn close_line(&self) {
        if self.open_line.replace(false) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            let _ = io::stderr().flush();
        }
    }
}

fn write(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|e| Error::failed(format!("Could not write to standard output: {e}.")))
}

/// A span of time as a person says it.
pub fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
