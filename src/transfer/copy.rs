//! [`CopyCollection`]: copies a collection to another server, database or name.

use std::fmt::{self, Write as _};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::checkpoint::{Saved, Transfer};
use super::compare::Vectors;
use super::load::{Counts, Job};
use super::report::CopyReport;
use super::settings::{Settings, settings_methods};
use super::source::{CollectionSource, Source};
use super::target::{Opening, Target, place};
use crate::client::Client;
use crate::collection::{Collection, CollectionSettings};
use crate::error::{Call, Error, Result};
use crate::model::filter::{Where, restrict};

/// The name of the operation in errors and progress.
const COPY: &str = "copy";

impl Collection {
    /// Copies the collection to another server, database or name: its metadata, configuration, schema and
    /// embedding function, and all records with their vectors, documents, URIs and metadata. No text is
    /// embedded.
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// let laptop = Client::new("localhost:8000")?;
    /// let server = Client::new("chroma.example.com:8000")?;
    /// let notes = laptop.collection("notes").get()?;
    /// let report = notes.copy_to(&server).checkpoint("notes.ckpt").run()?;
    /// println!("{report}");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn copy_to<'a>(&self, target: &Client) -> CopyCollection<'a> {
        CopyCollection {
            source: self.clone(),
            target: target.clone(),
            name: self.name().to_owned(),
            filter: None,
            settings: Settings::default(),
        }
    }
}

/// A copy of a collection; see [`Collection::copy_to`].
///
/// - **Order.** The records are written in the order in which they were added to the source. For that, the
///   copy first lists all ids in a file: next to the checkpoint, or else in the temporary folder.
/// - **It can be killed at any time.** With a [`checkpoint`](CopyCollection::checkpoint), the next run
///   continues. Without one, run it again with [`IfExists::Replace`](super::IfExists::Replace): records that
///   are equal are not written again.
/// - **Memory.** A few thousand records and some responses, whatever the collection's size.
/// - **It verifies.** At the end, all records are read from both servers and compared. Changes that other
///   programs have made to the source meanwhile are copied then. With the space
///   [`Cosine`](crate::Space::Cosine), vectors are compared by their direction: the index keeps vectors of
///   length 1, so a server returns other last digits than were written.
/// - **It waits for an unavailable server**, as its [retry policy](CopyCollection::retry) allows.
#[must_use = "copies nothing until run() is called"]
pub struct CopyCollection<'a> {
    source: Collection,
    target: Client,
    name: String,
    filter: Option<Where>,
    pub(super) settings: Settings<'a>,
}

impl<'a> CopyCollection<'a> {
    /// Sets the name of the copy. Default: the name of the source.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Copies only records that pass the filter; `None` changes nothing. If called twice, a record must pass
    /// both filters.
    pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Self {
        if let Some(filter) = filter.into() {
            restrict(&mut self.filter, filter);
        }
        self
    }

    settings_methods! {
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, on_progress
    }

    /// Copies, and compares the copy with the source.
    ///
    /// # Errors
    /// - [`Error::AlreadyExists`](crate::Error::AlreadyExists) if the target exists, unless
    ///   [`if_exists`](CopyCollection::if_exists) allows that. Nothing has been written then.
    /// - [`Error::Unsupported`](crate::Error::Unsupported) if the target's server cannot store a setting,
    ///   unless [losses are allowed](CopyCollection::allow_losses). Nothing has been written then.
    /// - [`Error::Invalid`](crate::Error::Invalid) if the target is the source, if the target exists with
    ///   vectors of another model, dimension or space, or for a checkpoint of another copy. Nothing has been
    ///   written then.
    /// - [`Error::Ingest`](crate::Error::Ingest) if the target's server refuses a record, or fails for longer
    ///   than the retry policy allows. Other errors of requests come from reading the source.
    /// - [`Error::Differs`](crate::Error::Differs) if the copy differs from the source at the end.
    pub fn run(self) -> Result<CopyReport> {
        self.copy()?.finish()
    }

    /// Copies, and leaves the checkpoint of a complete copy to the caller.
    pub(super) fn copy(mut self) -> Result<Copied> {
        let started = Instant::now();
        let mut report = CopyReport {
            collection: self.name.clone(),
            dry_run: self.settings.dry_run,
            ..CopyReport::default()
        };
        let complete = match self.write(&mut report) {
            // The flag has stopped the list of the records.
            Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => {
                report.cancelled = true;
                None
            }
            complete => complete?,
        };
        report.elapsed = started.elapsed();
        Ok(Copied { report, complete })
    }

    fn write(&mut self, report: &mut CopyReport) -> Result<Option<Complete>> {
        let call = Call::new(COPY, Some(self.source.name()));
        let invalid = |reason| call.clone().invalid(reason);
        self.settings.check().map_err(invalid)?;
        let mut saved = self.open_checkpoint()?;
        let opening = Opening {
            builder: self.target.collection(&self.name).like(&self.source),
            source: CollectionSettings::of(&self.source).with_measured_space(&self.source)?,
            read_from: Some(&self.source),
            call,
        };
        let mut target = opening.run(&self.settings, saved.as_mut())?;
        report.losses = std::mem::take(&mut target.losses);
        let source = self.settings.patient(&self.source);
        let (source, from) = CollectionSource::open(&source, self.filter.clone(), saved.as_mut())?;
        target.from = from;
        report.records = source.len();
        report.resumed = from;
        self.transfer(source, target, saved, report)
    }

    /// Writes the records, and verifies them.
    fn transfer(
        &mut self,
        mut source: CollectionSource,
        target: Target,
        saved: Option<Saved>,
        report: &mut CopyReport,
    ) -> Result<Option<Complete>> {
        let Some(collection) = target.collection else {
            report.written = source.len();
            return Ok(None);
        };
        let mut job = Job {
            operation: COPY,
            vectors: Vectors::of(&self.source, &collection),
            target: collection.without_functions(),
            origin: target.origin,
            filter: self.filter.clone(),
            settings: &self.settings,
            saved,
            counts: Counts::default(),
            is_verified: false,
        };
        job.run(&mut source, target.pass, target.from)?;
        report.add(&job.counts);
        report.verified = job.is_verified;
        report.cancelled = job.settings.is_cancelled();
        let saved = job.saved;
        Ok((!report.cancelled).then_some(Complete { source, saved }))
    }

    fn open_checkpoint(&self) -> Result<Option<Saved>> {
        let path = self.settings.checkpoint.as_deref();
        let Some(path) = path.filter(|_| !self.settings.dry_run) else {
            return Ok(None);
        };
        let [url, tenant, database] = place(&self.target);
        let transfer = Transfer {
            operation: COPY.to_owned(),
            source: self.source.id().to_owned(),
            target: [url, tenant, database, self.name.clone()],
            if_exists: self.settings.if_exists,
            filter: self.filter.as_ref().map(hash),
            ..Transfer::default()
        };
        Saved::open(path, transfer).map(Some)
    }
}

/// The result of a copy, whose checkpoint still exists.
pub(super) struct Copied {
    pub(super) report: CopyReport,
    /// `None` for a dry run and a copy that was stopped.
    complete: Option<Complete>,
}

/// The files of a complete copy.
struct Complete {
    source: CollectionSource,
    saved: Option<Saved>,
}

impl Copied {
    /// Deletes the checkpoint if the copy is complete.
    pub(super) fn finish(self) -> Result<CopyReport> {
        if let Some(Complete { source, saved }) = self.complete {
            source.close();
            saved.map_or(Ok(()), Saved::delete)?;
        }
        Ok(self.report)
    }
}

/// Returns the SHA-256 of a filter.
fn hash(filter: &Where) -> String {
    let json = serde_json::to_vec(filter).unwrap_or_default();
    let mut hash = String::new();
    for byte in Sha256::digest(json) {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

impl fmt::Debug for CopyCollection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyCollection")
            .field("source", &self.source)
            .field("target", &self.target)
            .field("name", &self.name)
            .field("filter", &self.filter)
            .field("settings", &self.settings)
            .finish()
    }
}
