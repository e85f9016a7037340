//! [`Consumed`]: how much of their sources the readers of this crate have read on the current thread.
//!
//! A job gets an iterator of any type, which may wrap a reader in any number of adaptors. Counting per thread
//! needs no knowledge of them. It is right because a job reads its input on one thread.

use std::cell::Cell;
use std::fs::{File, Metadata};

/// Counts of what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Consumed {
    /// Items that readers returned.
    pub(super) items: u64,
    /// Items that splitters took.
    pub(super) split: u64,
    /// Bytes that readers read.
    pub(super) bytes: u64,
    /// The size of all sources of known size from which a reader has read.
    pub(super) total_bytes: u64,
    /// The number of sources of unknown size from which a reader has read.
    pub(super) unknown_sizes: u64,
}

thread_local! {
    static CONSUMED: Cell<Consumed> = const { Cell::new(Consumed::START) };
    static WANTS_SIZES: Cell<bool> = const { Cell::new(false) };
}

impl Consumed {
    pub(super) const START: Consumed = Consumed {
        items: 0,
        split: 0,
        bytes: 0,
        total_bytes: 0,
        unknown_sizes: 0,
    };

    /// Returns the number of items before they were split, or `None` if nothing has counted them.
    pub(super) fn items(&self) -> Option<u64> {
        let counts = [self.split, self.items];
        counts.into_iter().find(|count| *count > 0)
    }

    /// Returns the size of the input, if it is known.
    pub(super) fn total_bytes(&self) -> Option<u64> {
        (self.total_bytes > 0 && self.unknown_sizes == 0).then_some(self.total_bytes)
    }
}

/// Calls a function, and adds what readers have read in it to `to`. `wants_sizes` tells the readers whether to
/// find out the sizes of their sources.
pub(super) fn count<T>(to: &mut Consumed, wants_sizes: bool, read: impl FnOnce() -> T) -> T {
    let before = (CONSUMED.replace(*to), WANTS_SIZES.replace(wants_sizes));
    let result = read();
    *to = CONSUMED.replace(before.0);
    WANTS_SIZES.set(before.1);
    result
}

fn add(change: impl FnOnce(&mut Consumed)) {
    let mut consumed = CONSUMED.get();
    change(&mut consumed);
    CONSUMED.set(consumed);
}

/// Counts what one reader reads.
#[derive(Debug)]
pub(super) struct Meter {
    /// The size of the source in bytes, if it is known.
    size: Option<u64>,
    is_started: bool,
    /// The number of bytes that are counted.
    position: u64,
}

impl Meter {
    pub(super) fn new(size: Option<u64>) -> Meter {
        Meter {
            size,
            is_started: false,
            position: 0,
        }
    }

    pub(super) fn of_file(file: &File) -> Meter {
        let metadata = file.metadata().ok().filter(Metadata::is_file);
        Meter::new(metadata.map(|metadata| metadata.len()))
    }

    /// Counts the source before its first item is read. `size` is called if the job that reads wants to know
    /// the size, and it is unknown.
    pub(super) fn start(&mut self, size: impl FnOnce() -> Option<u64>) {
        if std::mem::replace(&mut self.is_started, true) {
            return;
        }
        if self.size.is_none() && WANTS_SIZES.get() {
            self.size = size();
        }
        let size = self.size;
        add(|consumed| match size {
            Some(bytes) => consumed.total_bytes += bytes,
            None => consumed.unknown_sizes += 1,
        });
    }

    /// Counts an item, or the end of the source. `position` is the number of bytes before the next one.
    pub(super) fn advance<T>(&mut self, item: Option<&T>, position: u64) {
        let position = match (item, self.size) {
            (None, Some(size)) => size,
            _ => position.max(self.position),
        };
        let bytes = position.saturating_sub(self.position);
        self.position = position;
        add(|consumed| {
            consumed.items += u64::from(item.is_some());
            consumed.bytes += bytes;
        });
    }
}

/// Counts an item that a splitter takes.
pub(super) fn add_split() {
    add(|consumed| consumed.split += 1);
}
