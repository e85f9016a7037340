//! [`VectorPool`]: reuses the memory of the vectors that a job makes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::batch::{Item, QUEUED};

/// Unused allocations.
///
/// glibc gives each thread its own heap. Memory that one thread allocates and another one frees stays with
/// the heap of the first. Without this pool each heap grew to the maximum that its thread ever had in flight,
/// three times what a job holds.
#[derive(Debug, Default)]
pub(super) struct VectorPool(Mutex<Vec<Vec<f32>>>);

impl VectorPool {
    /// Copies floats into an unused allocation, or into a new one.
    pub(super) fn copy(&self, floats: &[f32]) -> Vec<f32> {
        let mut copy = self.unused().pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(floats);
        copy
    }

    /// Takes back the vectors of records that are written.
    pub(super) fn recycle(&self, records: Vec<Item>) {
        let vectors = records.into_iter().filter_map(|item| item.vector);
        let allocations: Vec<Vec<f32>> = vectors
            .filter_map(|vector| Arc::into_inner(vector.floats))
            .collect();
        let mut unused = self.unused();
        unused.extend(allocations);
        // There are more allocations than batches when batches were embedded in halves.
        unused.truncate(2 * QUEUED);
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::batch::SharedVector;
    use crate::model::record::Record;

    fn items(floats: Vec<f32>, count: usize) -> Vec<Item> {
        let floats = Arc::new(floats);
        let item = |index| Item {
            number: 0,
            record: Record::new("a"),
            document: None,
            vector: Some(SharedVector {
                floats: floats.clone(),
                range: index..index + 1,
            }),
            filled: None,
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn an_allocation_is_reused_after_its_last_record_is_written() {
        let pool = VectorPool::default();
        let mut first = items(pool.copy(&[1.0, 2.0]), 2);
        let second = first.split_off(1);
        pool.recycle(first);
        assert_eq!(pool.unused().len(), 0);
        pool.recycle(second);
        assert_eq!(pool.unused().len(), 1);
        assert_eq!(pool.copy(&[3.0]), [3.0]);
        assert_eq!(pool.unused().len(), 0);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = VectorPool::default();
        let many = (0..1000).flat_map(|_| items(vec![1.0], 1)).collect();
        pool.recycle(many);
        assert_eq!(pool.unused().len(), 2 * QUEUED);
    }
}
