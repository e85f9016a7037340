//! [`Outcome`]: how a call that sent many batches ended.

use std::time::Duration;

use crate::error::Error;

/// How a call ended, apart from the vectors.
#[derive(Debug, Default)]
pub(in crate::embed) struct Outcome {
    /// The error that stopped the call. If nothing stopped it: the error of the first refused text.
    pub(in crate::embed) error: Option<Error>,
    /// Whether the deadline stopped the call: it passed, or a wait would have passed it.
    pub(in crate::embed) is_out_of_time: bool,
    /// The refused texts, and why each was refused.
    pub(in crate::embed) refused: Vec<(usize, String)>,
    /// Repeated requests, without those that were split because of a refused text.
    pub(in crate::embed) retries: u64,
    /// How long nothing could be sent because of a rate limit, or a pause that the server asked for.
    pub(in crate::embed) throttled: Duration,
}
