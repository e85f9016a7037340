//! Tells observers what this process writes.

#[cfg(feature = "hybrid")]
use std::sync::Weak;

use super::Collection;
#[cfg(feature = "hybrid")]
use super::observer::WriteObserver;
use super::observer::Written;
use crate::error::{Error, Result};

impl Collection {
    /// Adds an observer of the writes through handles that share their settings with this one.
    #[cfg(feature = "hybrid")]
    pub(crate) fn on_write(&self, observer: Weak<dyn WriteObserver>) {
        self.inner.observers.add(observer);
    }

    /// Tells all observers what a request has written, or may have written if it failed. Calls `ids` only if
    /// there is an observer; `None` are unknown records.
    pub(super) fn announce<'a, T>(
        &self,
        sent: &Result<T>,
        ids: impl FnOnce() -> Option<Vec<&'a str>>,
    ) {
        let failed = sent.as_ref().err().and_then(Error::call);
        if failed.is_none_or(|call| call.may_have_acted) {
            self.tell_observers(ids, |ids| Written::Ids(ids));
        }
    }

    /// Tells all observers which records a request has deleted. Calls `ids` only if there is an observer;
    /// `None` are unknown records.
    pub(super) fn announce_deleted<'a>(&self, ids: impl FnOnce() -> Option<Vec<&'a str>>) {
        self.tell_observers(ids, |ids| Written::Deleted(ids));
    }

    fn tell_observers<'a>(
        &self,
        ids: impl FnOnce() -> Option<Vec<&'a str>>,
        written: for<'b> fn(&'b [&'b str]) -> Written<'b>,
    ) {
        let observers = self.inner.observers.living();
        if observers.is_empty() {
            return;
        }
        let ids = ids();
        for observer in observers {
            observer.written(ids.as_deref().map_or(Written::Unknown, written));
        }
    }
}

#[cfg(feature = "hybrid")]
#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::client::Client;
    use crate::collection::embedding_functions::EmbeddingFunctions;
    use crate::error::Call;
    use crate::model::record::Record;

    /// Keeps what it learns.
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl WriteObserver for Seen {
        fn written(&self, written: Written<'_>) {
            self.0.lock().unwrap().push(format!("{written:?}"));
        }
    }

    fn collection() -> Collection {
        // The port of `discard`, where no server is.
        let client = Client::builder().host("127.0.0.1:9").build().unwrap();
        let stored =
            serde_json::from_str(r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"notes"}"#)
                .unwrap();
        Collection::new(client, stored, EmbeddingFunctions::default())
    }

    fn failed(may_have_acted: bool) -> Result<()> {
        let mut call = Call::new("add", None);
        call.may_have_acted = may_have_acted;
        Err(Error::Cancelled {
            call: Box::new(call),
        })
    }

    #[test]
    fn observers_learn_what_was_written_and_what_may_have_been() {
        let collection = collection();
        let seen = Arc::new(Seen::default());
        let observer: Arc<dyn WriteObserver> = seen.clone();
        collection.on_write(Arc::downgrade(&observer));
        // Another handle that shares its settings.
        let other = collection.begin();
        other.announce(&Ok(()), || Some(vec!["a", "b"]));
        other.announce(&failed(true), || Some(vec!["c"]));
        other.announce(&failed(false), || Some(vec!["not written"]));
        other.announce(&Ok(1), || None);
        other.announce_deleted(|| Some(vec!["d"]));
        assert_eq!(
            *seen.0.lock().unwrap(),
            [
                r#"Ids(["a", "b"])"#,
                r#"Ids(["c"])"#,
                "Unknown",
                r#"Deleted(["d"])"#
            ]
        );
    }

    #[test]
    fn nothing_is_computed_without_an_observer() {
        let collection = collection();
        let unused = || -> Option<Vec<&str>> { panic!("it has no observer") };
        collection.announce(&Ok(()), unused);
        let observer: Arc<dyn WriteObserver> = Arc::new(Seen::default());
        collection.on_write(Arc::downgrade(&observer));
        drop(observer);
        collection.announce(&Ok(()), unused);
        // Settings are not shared with another opening of the collection.
        let observer: Arc<dyn WriteObserver> = Arc::new(Seen::default());
        self::collection().on_write(Arc::downgrade(&observer));
        collection.announce(&Ok(()), unused);
    }

    #[test]
    fn a_write_that_sends_nothing_is_not_announced() {
        let collection = collection().with_retry(crate::RetryPolicy::none());
        let seen = Arc::new(Seen::default());
        let observer: Arc<dyn WriteObserver> = seen.clone();
        collection.on_write(Arc::downgrade(&observer));
        let record = || Record::new("a").embedding([1.0]);
        assert!(collection.add([record()]).is_err());
        assert!(collection.delete().ids("a").run().is_err());
        let mut transaction = collection.transaction();
        assert!(transaction.upsert([record()]).is_err());
        assert!(transaction.commit().is_ok());
        assert!(seen.0.lock().unwrap().is_empty());
    }
}
