//! The one error type of the crate: a sentence that says what happened, where, and what to do.

/// What kind of failure an [`Error`] is; decides the exit status of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller asked for something that cannot be (exit status 2).
    Usage,
    /// The work could not be done (exit status 1).
    Failed,
    /// The person cancelled (exit status 1).
    Cancelled,
}

/// A failure, told as one sentence for the person in front of the screen.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// One sentence: what happened, where, and what to do.
    pub message: String,
}

/// Short for a result with Kiln's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Work that could not be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failed, message: message.into() }
    }
    /// A request that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Usage, message: message.into() }
    }
    /// A job that was cancelled.
    pub fn cancelled() -> Self {
        Self { kind: ErrorKind::Cancelled, message: "Cancelled.".into() }
    }
    /// Failure of a file operation, with the path in the sentence.
    pub fn io(action: &str, path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::failed(format!("Could not {action} {}: {error}.", path.display()))
    }
}
