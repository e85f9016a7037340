//! Work done ahead of its consumer, on a thread.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::client::operations as op;
use crate::error::{Call, Error, Result};
use crate::transport::Parent;

/// What a thread makes while the last one of it is used.
#[derive(Debug)]
pub(super) struct Ahead<T>(Receiver<Result<Option<T>>>);

impl<T: Send + 'static> Ahead<T> {
    /// Starts the thread. It ends with `None` or an error from `next`, or after its present call when this is dropped.
    pub(super) fn start(
        mut next: impl FnMut() -> Result<Option<T>> + Send + 'static,
    ) -> io::Result<Ahead<T>> {
        // No room in the channel: the thread holds the one thing that it is ahead by.
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

    /// The next one; after `None` or an error there is no more to ask for.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        // A thread that goes without a last word has panicked: not the end of what there is.
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

    /// 1, 2, 3 and so on up to `last`, and how many were made.
    fn counting(last: usize) -> (Ahead<usize>, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let next = move || {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Some(number).filter(|number| *number <= last))
        };
        (Ahead::start(next).unwrap(), made)
    }

    fn until(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(20), "never");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn gives_everything_in_order() {
        let (mut ahead, _) = counting(3);
        for expected in [Some(1), Some(2), Some(3), None] {
            assert_eq!(ahead.next().unwrap(), expected);
        }
    }

    #[test]
    fn is_one_ahead_and_no_more() {
        let (mut ahead, made) = counting(usize::MAX);
        until(|| made.load(Ordering::SeqCst) == 1);
        ahead.next().unwrap();
        until(|| made.load(Ordering::SeqCst) == 2);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn the_thread_ends_when_nobody_listens() {
        let (ahead, made) = counting(usize::MAX);
        until(|| made.load(Ordering::SeqCst) == 1);
        drop(ahead);
        // The thread's share of the counter goes with it.
        until(|| Arc::strong_count(&made) == 1);
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_panic_is_an_error_and_not_the_end() {
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
