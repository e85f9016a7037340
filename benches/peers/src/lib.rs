//! What the clients under test share: the data, the work, the clocks. No client is in here; each has a binary
//! of its own.

mod clock;
mod data;
pub mod memory;
mod work;

pub use clock::Stopwatch;
pub use data::{DIMENSION, Data};
pub use work::{BATCH, HITS, PHASES, Peer, Result, Row, work};
