//! [`Floats`]: memory for the vectors that a job makes, used again and again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Item, WAITING};

/// Pieces that nobody uses.
///
/// glibc has a heap for each of several threads, and what one thread takes and another gives back stays with the heap of the
/// first one. So each heap grew to the most that its thread ever had under way, to three times of what a job holds.
#[derive(Debug, Default)]
pub(super) struct Floats(Mutex<Vec<Vec<f32>>>);

impl Floats {
    pub(super) fn copy(&self, floats: &[f32]) -> Vec<f32> {
        let mut copy = self.spare().pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(floats);
        copy
    }

    /// Those of records that are written.
    pub(super) fn give_back(&self, records: Vec<Item>) {
        let made = records.into_iter().filter_map(|item| item.made);
        let last: Vec<Vec<f32>> = made
            .filter_map(|(floats, _)| Arc::into_inner(floats))
            .collect();
        let mut spare = self.spare();
        spare.extend(last);
        // Where batches are embedded in halves there are more of them.
        spare.truncate(2 * WAITING);
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Record;

    fn items(floats: Vec<f32>, count: usize) -> Vec<Item> {
        let floats = Arc::new(floats);
        let item = |index| Item {
            number: 0,
            record: Record::new("a"),
            made: Some((floats.clone(), index..index + 1)),
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn memory_is_used_again_when_the_last_record_is_written() {
        let floats = Floats::default();
        let mut first = items(floats.copy(&[1.0, 2.0]), 2);
        let second = first.split_off(1);
        floats.give_back(first);
        assert_eq!(floats.spare().len(), 0);
        floats.give_back(second);
        assert_eq!(floats.spare().len(), 1);
        assert_eq!(floats.copy(&[3.0]), [3.0]);
        assert_eq!(floats.spare().len(), 0);
    }

    #[test]
    fn no_more_is_kept_than_a_job_uses() {
        let floats = Floats::default();
        let many = (0..1000).flat_map(|_| items(vec![1.0], 1)).collect();
        floats.give_back(many);
        assert_eq!(floats.spare().len(), 2 * WAITING);
    }
}
