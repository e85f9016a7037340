//! Messages of errors without their first part, the call, which is the same for all.

use std::collections::BTreeSet;

use chroma_blocking::Error;

/// The messages that the tests have provoked.
#[derive(Default)]
pub struct Messages(pub BTreeSet<String>);

impl Messages {
    /// Records the error of a call. Panics if the call succeeds.
    #[track_caller]
    pub fn of<T, E: Into<Error>>(&mut self, result: Result<T, E>) {
        match result {
            Ok(_) => panic!("it should fail"),
            Err(error) => self.add(&error.into()),
        }
    }

    /// Records the message of an error, and those of its causes.
    pub fn add(&mut self, error: &Error) {
        let shown = format!("{error:#}");
        let own = match error.call() {
            Some(call) if !call.operation.is_empty() => {
                shown.strip_prefix(&format!("{call}: ")).unwrap()
            }
            _ => &shown,
        };
        self.0.insert(own.to_owned());
        match error {
            Error::PartlyDone { source, .. }
            | Error::PartlyEmbedded { source, .. }
            | Error::Ingest { source, .. } => self.add(source),
            Error::Embedding { source, .. } => {
                if let Some(error) = source.downcast_ref() {
                    self.add(error);
                }
            }
            _ => {}
        }
    }
}
