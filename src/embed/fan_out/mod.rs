//! [`FanOut`]: sends batches of texts, several at a time. It knows no HTTP.
//!
//! The caller's thread runs the scheduler, which decides and waits; the threads of a pool send. So every wait
//! ends early if the call is cancelled or its deadline passes, and a waiting batch never occupies a thread of
//! the pool.

mod batches;
mod job;
mod options;
mod outcome;
mod rate_limit;
mod run;
mod scheduler;
#[cfg(test)]
mod tests;

pub(super) use job::Work;
pub(super) use options::FanOut;
pub(super) use outcome::Outcome;
