//! [`Sink`]: takes the body of a response piece by piece, so that it is never in memory as a whole.

use std::io::{self, Read};
use std::ops::ControlFlow;

use ureq::{Body, Error};

/// The number of bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Takes the body of a successful response. After a broken attempt, the next one begins again.
pub(crate) trait Sink {
    /// Begins a response of this length, if the server announces one. `Break` ends the response.
    fn begin(&mut self, length: Option<u64>) -> ControlFlow<()>;

    /// Takes the next bytes. `Break` ends the response.
    fn write(&mut self, piece: &[u8]) -> ControlFlow<()>;

    /// Ends a response: all of it has arrived, or the sink has ended it.
    ///
    /// # Errors
    /// Describes what is wrong with the response.
    #[cfg_attr(not(feature = "onnx"), allow(dead_code))]
    fn end(&mut self) -> Result<(), String>;
}

/// Reads a body into a sink. Returns the number of bytes.
///
/// # Errors
/// The connection broke.
pub(super) fn receive(body: Body, sink: &mut dyn Sink) -> Result<usize, Error> {
    let mut flow = sink.begin(body.content_length());
    let mut reader = body.into_with_config().limit(u64::MAX).reader();
    let mut piece = vec![0; PIECE];
    let mut received = 0;
    while flow.is_continue() {
        let read = match reader.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        received += read;
        flow = sink.write(&piece[..read]);
    }
    Ok(received)
}
