//! [`Consumed`]: how much of their sources the readers of this crate have read on the current thread.
//!
//! A job gets an iterator of any type, which may wrap a reader in any number of adaptors. Counting per thread
//! needs no knowledge of them. It is right because a job reads its input on one thread.

use std::cell::Cell;
use std::fs::{File, Metadata};

/// Counts of what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Consumed {
    /// Items that readers returned, and items that splitters took from other iterators.
    pub(super) items: u64,
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
        bytes: 0,
        total_bytes: 0,
        unknown_sizes: 0,
    };

    /// Returns the number of items before they were split, or `None` if nothing has counted them.
    pub(super) fn items(&self) -> Option<u64> {
        (self.items > 0).then_some(self.items)
    }

    /// Returns the size of the input, if it is known.
    pub(super) fn total_bytes(&self) -> Option<u64> {
        (self.total_bytes > 0 && self.unknown_sizes == 0).then_some(self.total_bytes)
    }
}

/// Calls a function, and adds to `to` what readers read in this call. `wants_sizes` tells the readers whether
/// to find out the sizes of their sources.
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

/// The items that a splitter takes. Counts those that no reader below it has counted.
pub(super) struct SplitItems<I> {
    items: I,
    /// The number of items taken.
    taken: u64,
    /// How many items were counted while the splitter took its items.
    counted: u64,
}

impl<I> SplitItems<I> {
    pub(super) fn new(items: I) -> SplitItems<I> {
        SplitItems {
            items,
            taken: 0,
            counted: 0,
        }
    }
}

impl<I: Iterator> Iterator for SplitItems<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let before = CONSUMED.get().items;
        let item = self.items.next()?;
        self.counted += CONSUMED.get().items.saturating_sub(before);
        self.taken += 1;
        // An iterator between the reader and the splitter may read ahead.
        if self.taken > self.counted {
            self.counted += 1;
            add(|consumed| consumed.items += 1);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts each item as a reader does.
    fn reader(items: u64) -> impl Iterator<Item = u64> {
        let mut meter = Meter::new(None);
        (0..items).inspect(move |item| meter.advance(Some(item), 0))
    }

    /// Returns how many items are counted after each item of an input.
    fn counts(mut input: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut consumed = Consumed::START;
        let mut counts = Vec::new();
        while count(&mut consumed, false, || input.next()).is_some() {
            counts.push(consumed.items);
        }
        counts
    }

    #[test]
    fn field_23_items_are_counted_once_by_readers_and_splitters() {
        assert_eq!(counts(reader(3)), [1, 2, 3]);
        assert_eq!(counts(SplitItems::new(reader(3))), [1, 2, 3]);
        assert_eq!(counts(SplitItems::new(0..3)), [1, 2, 3]);
        let chained = reader(3).chain(SplitItems::new(reader(2)));
        assert_eq!(
            counts(chained.chain(SplitItems::new(0..2))),
            [1, 2, 3, 4, 5, 6, 7]
        );
        // The adaptor reads two items at a time.
        let mut ahead = reader(4);
        let pairs = std::iter::from_fn(move || Some([ahead.next()?, ahead.next()?])).flatten();
        assert_eq!(counts(SplitItems::new(pairs)), [2, 2, 4, 4]);
    }
}
