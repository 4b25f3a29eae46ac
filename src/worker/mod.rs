//! The background thread: Request in, Event out, one cancel token a job.
