//! [`Progress`]: how far a long call is, told while it runs.

use std::fmt;
use std::sync::Arc;

use super::Collection;
use crate::transport::{Kind, Operation};

/// How far a call is; see [`Collection::with_progress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The operation, as errors and logs name it: `upsert`, `query`, `export` …
    pub operation: &'static str,
    /// What is being done.
    pub stage: ProgressStage,
    /// Texts that have vectors, or records, ids or queries that are done.
    pub done: u64,
    /// Of so many; `None` where nobody knows.
    pub total: Option<u64>,
}

/// What a call is doing. A write that has texts to embed does that first, for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgressStage {
    /// Texts become vectors.
    Embedding,
    /// Records are asked for.
    Reading,
    /// Records are written or deleted.
    Writing,
}

/// `upsert: 2000 of 10000 written`.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.done)?;
        if let Some(total) = self.total {
            write!(f, " of {total}")?;
        }
        f.write_str(match (self.stage, self.operation) {
            (ProgressStage::Embedding, _) => " embedded",
            (ProgressStage::Reading, _) => " read",
            (ProgressStage::Writing, "delete") => " deleted",
            (ProgressStage::Writing, _) => " written",
        })
    }
}

/// Whom a collection tells.
pub(super) type Report = Arc<dyn Fn(&Progress) + Send + Sync>;

impl Collection {
    /// The same collection, whose calls tell how far they are: after each request of a write, of a query, of an export, of a
    /// read or deletion by ids, and while texts are embedded, as often as the embedding function says something. On the
    /// thread that made the call. (A read or deletion by a filter is one request, and tells nothing.)
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let records = (0..50_000).map(|i| Record::new(format!("{i}")).document(format!("Note {i}")));
    /// let records: Vec<Record> = records.collect();
    /// notes.with_progress(|progress| eprintln!("{progress}")).upsert(&records)?;
    /// // upsert: 50000 of 50000 embedded
    /// // upsert: 4048 of 50000 written …
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// A batch job has [a progress of its own](crate::ingest::Ingest::on_progress), and a [`scan`](Collection::scan) needs none.
    #[must_use]
    pub fn with_progress(&self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Collection {
        Collection {
            report: Some(Arc::new(report)),
            ..self.clone()
        }
    }

    /// The same collection, which tells nobody.
    pub(crate) fn without_progress(&self) -> Collection {
        Collection {
            report: None,
            ..self.clone()
        }
    }

    /// Says how far a call is.
    pub(super) fn tell(
        &self,
        operation: &'static str,
        stage: ProgressStage,
        done: u64,
        total: Option<u64>,
    ) {
        if let Some(report) = &self.report {
            report(&Progress {
                operation,
                stage,
                done,
                total,
            });
        }
    }
}

impl ProgressStage {
    /// What a request does.
    pub(super) fn of(operation: &Operation) -> ProgressStage {
        match operation.kind {
            Kind::Reads | Kind::ReadsRows => ProgressStage::Reading,
            Kind::Idempotent | Kind::Once => ProgressStage::Writing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_it() {
        let progress = |operation, stage, total| Progress {
            operation,
            stage,
            done: 7,
            total,
        };
        let lines = [
            (
                progress("upsert", ProgressStage::Embedding, Some(9)),
                "upsert: 7 of 9 embedded",
            ),
            (
                progress("delete", ProgressStage::Writing, Some(9)),
                "delete: 7 of 9 deleted",
            ),
            (
                progress("export", ProgressStage::Reading, None),
                "export: 7 read",
            ),
        ];
        for (progress, line) in lines {
            assert_eq!(progress.to_string(), line);
        }
    }
}
