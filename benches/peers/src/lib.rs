//! Code that all clients under test share: data, work and clocks. Each client is in a separate binary.

mod clock;
mod data;
pub mod memory;
mod work;

pub use clock::Stopwatch;
pub use data::{DIMENSION, Data};
pub use work::{BATCH, HITS, PHASES, Peer, Result, Row, work};
