//! [`Ahead`]: an iterator whose items are made on another thread, one ahead of the consumer.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::client::operations as op;
use crate::error::{Call, Error, Result};
use crate::transport::Parent;

/// Receives items from a thread that makes the next one while the consumer uses the current one.
#[derive(Debug)]
pub(super) struct Ahead<T>(Receiver<Result<Option<T>>>);

impl<T: Send + 'static> Ahead<T> {
    /// Starts the thread. It ends when `next` returns `None` or an error. When this value is dropped, the
    /// thread ends after its current call of `next`.
    pub(super) fn start(
        mut next: impl FnMut() -> Result<Option<T>> + Send + 'static,
    ) -> io::Result<Ahead<T>> {
        // The channel has no buffer: the thread itself holds the one item that it is ahead by.
        let (sender, receiver) = sync_channel(0);
        let parent = Parent::current();
        thread::Builder::new()
            .name("chroma-scan".to_owned())
            .spawn(move || {
                let _entered = parent.enter();
                loop {
                    let made = next();
                    let last = !matches!(made, Ok(Some(_)));
                    if sender.send(made).is_err() || last {
                        break;
                    }
                }
            })?;
        Ok(Ahead(receiver))
    }

    /// Returns the next item. Must not be called again after `None` or an error.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        // A thread that ends without `None` or an error has panicked. That is not the end of the items.
        self.0.recv().unwrap_or_else(|_| {
            Err(Error::Decode {
                call: Box::new(Call::new(op::GET.name, None)),
                message: "the thread that reads ahead panicked".to_owned(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    /// Counts from 1 up to `last`; the second value is the number of items made so far.
    fn counting(last: usize) -> (Ahead<usize>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let next = move || {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            Ok((number <= last).then_some(number))
        };
        (Ahead::start(next).unwrap(), made)
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the condition was not met within 20 s"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn returns_all_items_in_order() {
        let (mut ahead, _) = counting(3);
        for expected in [Some(1), Some(2), Some(3), None] {
            assert_eq!(ahead.next().unwrap(), expected);
        }
    }

    #[test]
    fn makes_one_item_ahead_and_no_more() {
        let (mut ahead, made) = counting(usize::MAX);
        wait_until(|| made.load(Ordering::SeqCst) == 1);
        ahead.next().unwrap();
        wait_until(|| made.load(Ordering::SeqCst) == 2);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn the_thread_ends_when_the_receiver_is_dropped() {
        let (ahead, made) = counting(usize::MAX);
        wait_until(|| made.load(Ordering::SeqCst) == 1);
        drop(ahead);
        // The thread drops its reference to the counter when it ends.
        wait_until(|| Arc::strong_count(&made) == 1);
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_panic_is_an_error_and_not_the_end_of_the_items() {
        let mut first = true;
        let mut ahead = Ahead::start(move || {
            assert!(std::mem::take(&mut first), "a panic of this test");
            Ok(Some(1))
        })
        .unwrap();
        assert_eq!(ahead.next().unwrap(), Some(1));
        let error = ahead.next().unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }
}
