//! What both sides of the order channel see at once: cancel tokens, the newest preview, the end.

use super::JobId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Set once to cancel a job.
#[derive(Debug, Clone, Default)]
pub struct Token(Arc<AtomicBool>);

impl Token {
    /// Cancels the job.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the job is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The tokens of all jobs that are not over.
#[derive(Debug, Default)]
pub struct Desk {
    tokens: Mutex<HashMap<JobId, Token>>,
    newest_preview: AtomicU64,
    stopped: AtomicBool,
}

impl Desk {
    fn tokens(&self) -> MutexGuard<'_, HashMap<JobId, Token>> {
        // A map of flags cannot be left half changed.
        self.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A token for a new job.
    pub fn register(&self, job: JobId) -> Token {
        let token = Token::default();
        self.tokens().insert(job, token.clone());
        token
    }

    /// A token for a new preview, and its number, by which [`Desk::is_newest`] knows it.
    pub fn register_preview(&self, job: JobId) -> (Token, u64) {
        (self.register(job), self.newest_preview.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Whether no preview was asked for after this one.
    pub fn is_newest(&self, number: u64) -> bool {
        self.newest_preview.load(Ordering::Acquire) == number
    }

    /// Drops the token of a job that is over.
    pub fn forget(&self, job: JobId) {
        self.tokens().remove(&job);
    }

    /// Cancels a job; one that is over or unknown is let be.
    pub fn cancel(&self, job: JobId) {
        if let Some(token) = self.tokens().get(&job) {
            token.cancel();
        }
    }

    /// Cancels every job.
    pub fn cancel_all(&self) {
        self.tokens().values().for_each(Token::cancel);
    }

    /// Cancels every job and ends the threads.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.cancel_all();
    }

    /// Whether the threads are to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
