//! [`Limiter`]: limits the requests in flight, and the items and tokens per minute.
//!
//! Everything that sends with one key shares it. It never sleeps: callers pass the current time to
//! [`Ticket::try_acquire`], and learn when to try again.

mod concurrency;
mod rate;
mod shared;
mod state;

pub(crate) use shared::{Limiter, Permit, Ticket};
pub(crate) use state::{Cost, Unavailable};
