//! [`Bounded`]: limits how much is read from a source.

use std::io::{self, Read};

/// A source that fails with [`io::ErrorKind::FileTooLarge`] when more than `left` bytes are read from it.
///
/// The CSV parser reads ahead, so a limit on a row is exact to within the parser's buffer of 8 KiB.
#[derive(Debug)]
pub(super) struct Bounded<R> {
    pub(super) source: R,
    /// The number of bytes that may still be read.
    pub(super) left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let allowed = to.len().min(self.left);
        if allowed == 0 && !to.is_empty() {
            // Not an error if this is the end of the source.
            return match self.source.read(&mut to[..1])? {
                0 => Ok(0),
                _ => Err(io::ErrorKind::FileTooLarge.into()),
            };
        }
        let read = self.source.read(&mut to[..allowed])?;
        self.left -= read;
        Ok(read)
    }
}
