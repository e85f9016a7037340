//! Reports the [`Progress`] of a collection's calls.

use std::sync::Arc;

use super::Collection;
use crate::client::operations as op;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::{Kind, Operation};

impl Collection {
    /// Returns the same collection, whose calls report their progress to a function.
    ///
    /// Calls report after each request of a write, a query, an export, or a read or deletion by ids. While
    /// texts are embedded, they report as often as the embedding function does. A read or deletion by a
    /// filter reports nothing. The function runs on the thread that made the call.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let records = (0..50_000)
    ///     .map(|i| Record::new(format!("{i}")).document(format!("Note {i}")));
    /// let records: Vec<Record> = records.collect();
    /// notes
    ///     .with_progress(|progress| eprintln!("{progress}"))
    ///     .upsert(&records)?;
    /// // upsert: 50000 of 50000 embedded
    /// // upsert: 4048 of 50000 written …
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// A batch job reports through [`Ingest::on_progress`](crate::ingest::Ingest::on_progress) instead. A
    /// [`scan`](Collection::scan) reports nothing.
    #[must_use]
    pub fn with_progress(&self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Collection {
        Collection {
            report: Some(Arc::new(report)),
            ..self.clone()
        }
    }

    /// Returns the same collection, whose calls report no progress.
    pub(crate) fn without_progress(&self) -> Collection {
        Collection {
            report: None,
            ..self.clone()
        }
    }

    /// Reports the progress of a call.
    pub(super) fn report_progress(&self, progress: &Progress) {
        if let Some(report) = &self.report {
            report(progress);
        }
    }
}

/// Returns what requests of an operation do.
pub(super) fn stage(operation: &Operation) -> ProgressStage {
    match operation.kind {
        Kind::Reads | Kind::ReadsRows => ProgressStage::Reading,
        Kind::Idempotent | Kind::Once if operation.name == op::DELETE.name => {
            ProgressStage::Deleting
        }
        Kind::Idempotent | Kind::Once => ProgressStage::Writing,
    }
}
