//! The background thread: Request in, Event out, one cancel token a job.

mod protocol;

pub use protocol::{Event, JobId, Request};
