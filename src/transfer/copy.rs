//! [`CopyCollection`]: copies a collection to another server, database or name.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::checkpoint::{Properties, TransferCheckpoint};
use super::report::CopyReport;
use super::run::{Run, Task};
use super::settings::{Settings, settings_methods};
use super::source::{CollectionSource, Texts};
use super::target::{TargetOptions, place};
use crate::client::Client;
use crate::collection::{Collection, CollectionBuilder, CollectionSettings};
use crate::error::{Call, Result};
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
///   copy first lists all ids in a temporary file.
/// - **It can be killed at any time.** With a [`checkpoint`](CopyCollection::checkpoint), the next run
///   continues: it reads only the records whose ids the copy does not have. Without one, run it again with
///   [`IfExists::Replace`](super::IfExists::Replace): records that are equal are not written again.
/// - **Memory.** A few thousand records and some responses, whatever the collection's size.
/// - **It verifies.** At the end, all records are read from both servers and compared. Changes that other
///   programs have made to the source meanwhile are copied then. With the space
///   [`Cosine`](crate::Space::Cosine), vectors are compared by their direction: the index keeps vectors of
///   length 1, so a server returns other last digits than were written.
/// - **It waits for an unavailable server**, as its [retry policy](CopyCollection::retry) allows.
#[derive(Debug)]
#[must_use = "copies nothing until run() is called"]
pub struct CopyCollection<'a> {
    source: Collection,
    target: Client,
    name: String,
    filter: Option<Where>,
    settings: Settings<'a>,
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
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, dry_run, confirm, on_progress
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
        let call = Call::new(COPY, Some(self.source.name()));
        let settings = &self.settings;
        settings.check().map_err(|reason| call.invalid(reason))?;
        let target = self.target.collection(&self.name);
        let task = task(&self.source, target, self.filter.clone())?;
        let run = Run {
            operation: COPY,
            settings,
            checkpoint: TransferCheckpoint::open(
                settings,
                Properties {
                    operation: COPY.to_owned(),
                    // Copies of a server's data folder have the same ids.
                    source: format!(
                        "{} {}",
                        place(self.source.client()).join(" "),
                        self.source.id()
                    ),
                    target: [place(&self.target).to_vec(), vec![self.name.clone()]].concat(),
                    if_exists: settings.if_exists,
                    filter: self.filter.as_ref().map(hash),
                    ..Properties::default()
                },
            )?,
            keeps_checkpoint: false,
        };
        // There is one report for one task.
        Ok(run.all(vec![task])?.pop().unwrap_or_default())
    }
}

/// Returns the task to copy a collection, whose target is that of the builder.
pub(super) fn task<'t>(
    source: &Collection,
    target: CollectionBuilder,
    filter: Option<Where>,
) -> Result<Task<'t>> {
    let read_from = source.clone();
    let records = filter.clone();
    Ok(Task {
        key: source.id().to_owned(),
        target: TargetOptions {
            call: Call::new(COPY, Some(source.name())),
            builder: target.like(source),
            source: CollectionSettings::of(source).with_measured_space(source)?,
            read_from: Some(source.clone()),
            creates_database: false,
            needs_function: false,
        },
        filter,
        embeds: false,
        open: Box::new(move |settings| {
            let read_from = settings.patient(&read_from);
            let source = CollectionSource::open(read_from, records, Texts::Any)?;
            Ok(Box::new(source))
        }),
    })
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
