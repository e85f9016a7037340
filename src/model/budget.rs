//! [`Budget`]: a bound on the memory that decoding a response takes.

/// The maximum memory of a decoded response, as a multiple of the length of its JSON.
const FACTOR: usize = 11;

/// The bytes that decoding may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

/// Decoding took more than the budget.
#[derive(Debug)]
pub(crate) struct Exceeded;

impl Budget {
    /// Allows 11 times the length of the response, or `floor` if that is more. Together with the response
    /// itself, that is 12 times.
    pub(crate) fn new(response: usize, floor: usize) -> Budget {
        Budget {
            left: response.saturating_mul(FACTOR).max(floor),
        }
    }

    /// Allows this many bytes.
    pub(crate) fn of(bytes: usize) -> Budget {
        Budget { left: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    pub(crate) fn unlimited() -> Budget {
        Budget::of(usize::MAX)
    }

    /// Takes bytes.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Exceeded> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Exceeded),
        }
    }

    /// Takes what an allocation of this many bytes occupies.
    #[inline]
    pub(crate) fn take_block(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.take(block(bytes))
    }
}

/// Returns what an allocation occupies: with a header, rounded up, at least 32 bytes, as in glibc.
#[inline]
pub(crate) fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        bytes => (bytes.saturating_add(8 + 15) & !15).max(32),
    }
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the records would take more than {FACTOR} times the size of their JSON in memory; request fewer records"
        )
    }
}
