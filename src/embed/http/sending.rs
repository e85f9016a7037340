//! [`Sending`]: sends the batches of one call, several at a time.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::engine::{Engine, RefusedTexts};
use crate::embed::fan_out::{FanOut, Outcome, Work};
use crate::error::Result;
use crate::transport::{CallOptions, HttpRequest};

/// The time of one call, and the flags that stop it.
pub(super) struct Sending<'a> {
    pub(super) engine: &'a Engine,
    cancel: Vec<&'a AtomicBool>,
    started: Instant,
    deadline: Option<Instant>,
}

impl<'a> Sending<'a> {
    /// Starts a call. The flags stop it, in addition to the engine's. It ends after `limit`, or earlier at the
    /// deadline of the retry policy. A time that the clock cannot represent is ignored.
    pub(super) fn start(
        engine: &'a Engine,
        cancel: impl IntoIterator<Item = &'a AtomicBool>,
        limit: Option<Duration>,
    ) -> Sending<'a> {
        let started = Instant::now();
        let shorter = [limit, engine.calls.retry.deadline]
            .into_iter()
            .flatten()
            .min();
        Sending {
            engine,
            cancel: engine
                .calls
                .cancel
                .as_deref()
                .into_iter()
                .chain(cancel)
                .collect(),
            started,
            deadline: shorter.and_then(|limit| started.checked_add(limit)),
        }
    }

    /// Sends all batches. Calls `done` with the vectors of each batch, in any order.
    ///
    /// # Errors
    /// If the threads cannot be started. Other errors are in the [`Outcome`].
    pub(super) fn send_all<V: Send>(
        &self,
        work: &dyn Work<V>,
        mut batches: impl Iterator<Item = Range<usize>>,
        done: impl FnMut(Range<usize>, V),
    ) -> Result<Outcome> {
        let engine = self.engine;
        let (first, second) = (batches.next(), batches.next());
        let needs_pool = second.is_some() && engine.calls.concurrency > 1;
        let fan_out = FanOut {
            work,
            pool: needs_pool.then(|| engine.pool()).transpose()?,
            limiter: &engine.limiter,
            policy: &engine.calls.retry,
            skip_refused: engine.calls.refused_texts == RefusedTexts::Skip,
            cancel: &self.cancel,
            deadline: self.deadline,
            call: engine.call(),
            started: self.started,
        };
        Ok(fan_out.run(first.into_iter().chain(second).chain(batches), done))
    }

    /// Sends one request, once.
    pub(super) fn send<R>(
        &self,
        body: &[u8],
        max_response_size: u64,
        read: impl FnOnce(&[u8]) -> std::result::Result<R, String>,
    ) -> Result<R> {
        let engine = self.engine;
        let request = HttpRequest {
            operation: engine.operation,
            subject: Some(&engine.model),
            namespace: None,
            path: &engine.path,
            body: Some(body),
        };
        let options = CallOptions::single_attempt(self.deadline);
        let options = options.with_max_response_size(max_response_size);
        engine.transport.send(options, request, read)
    }
}
