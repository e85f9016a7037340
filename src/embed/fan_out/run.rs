//! [`FanOut::run`]: connects the scheduler on the caller's thread with the threads of the pool.

use std::ops::Range;

use super::options::FanOut;
use super::outcome::Outcome;
use super::scheduler::Scheduler;
use crate::transport::Parent;

impl<V: Send> FanOut<'_, V> {
    /// Sends all batches. Calls `done` with the vectors of each batch, on the caller's thread, in any order.
    pub(in crate::embed) fn run(
        &self,
        batches: impl Iterator<Item = Range<usize>>,
        done: impl FnMut(Range<usize>, V),
    ) -> Outcome {
        let scheduler = Scheduler::new(self, batches, done);
        let work = self.work;
        let Some(pool) = self.pool else {
            return scheduler.run(|job| job.run(work));
        };
        // The span that is current here is the parent of the spans of all requests.
        let parent = Parent::current();
        pool.in_place_scope(|scope| {
            scheduler.run(|job| {
                let parent = parent.clone();
                scope.spawn(move |_| {
                    let _entered = parent.enter();
                    job.run(work);
                });
            })
        })
    }
}
