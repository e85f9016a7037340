//! [`Reembed`]: makes the vectors of a collection again, with another embedding function.

mod plan;
mod report;
mod texts;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub use plan::ReembedPlan;
pub use report::ReembedReport;

use super::checkpoint::{Saved, Transfer};
use super::compare::Vectors;
use super::existing::IfExists;
use super::feed::Pass;
use super::load::{Counts, Job};
use super::settings::{Settings, settings_methods};
use super::source::CollectionSource;
use super::target::{Opening, Target, place};
use crate::collection::{Collection, CollectionBuilder, CollectionSettings};
use crate::embed::{EmbeddingFunction, Purpose, configured};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::schema::Schema;
use crate::model::space::Space;
use texts::{REEMBED, TextSource, without_text};

impl Collection {
    /// Makes a new collection with the same records and the vectors of another embedding function, for example
    /// because a model is retired. The collection itself stays as it is.
    ///
    /// ```no_run
    /// use chroma_blocking::{Client, Gemini};
    ///
    /// let notes = Client::from_env()?.collection("notes").get()?;
    /// let reembed = notes
    ///     .reembed(Gemini::from_env()?)
    ///     .checkpoint("notes.ckpt");
    /// println!("{}", reembed.plan()?); // costs nothing
    /// let report = reembed.run()?;
    /// println!("{report}");
    /// // Gives the new collection the name of the old one.
    /// notes
    ///     .swap_with(&report.collection)
    ///     .journal("notes.swap")
    ///     .run()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn reembed<'a>(&self, function: impl EmbeddingFunction + 'static) -> Reembed<'a> {
        Reembed {
            source: self.clone(),
            function: Arc::new(function),
            name: format!("{}-reembedded", self.name()),
            space: None,
            skip_without_document: false,
            allow_same_function: false,
            keep_checkpoint: false,
            settings: Settings::default(),
        }
    }
}

/// A job that makes the vectors of a collection again; see [`Collection::reembed`].
///
/// The new collection is on the same server, and has all settings of the old one except for the embedding
/// function and the dimension. Documents, metadata, URIs and sparse vectors are copied. Vectors are not.
///
/// - **Cost.** [`plan`](Reembed::plan) counts the texts without embedding any. The function's cache and its
///   quotas apply. Text that the new collection has already is not embedded again.
/// - **It can be killed at any time.** With a [`checkpoint`](Reembed::checkpoint), the next run continues.
///   Only texts in flight are embedded again: those that were embedded and not yet written. If the function
///   has a cache, they are not paid for again.
/// - **Writes made meanwhile.** At the end, the documents, URIs and metadata of all records are compared, and
///   differences are written. A record is embedded again only if its document has changed. If only its
///   metadata or its URI has changed, it keeps its new vector. Records that were deleted are deleted.
/// - **No mix of models.** The job writes only into a collection that it has created itself, or into one that
///   stores the same embedding function.
/// - **Memory.** A few thousand records and some responses, whatever the collection's size.
///
/// Afterwards, [`swap_with`](Collection::swap_with) gives the new collection the name of the old one.
#[must_use = "embeds nothing until run() is called"]
pub struct Reembed<'a> {
    source: Collection,
    function: Arc<dyn EmbeddingFunction>,
    name: String,
    space: Option<Space>,
    skip_without_document: bool,
    allow_same_function: bool,
    keep_checkpoint: bool,
    pub(super) settings: Settings<'a>,
}

impl<'a> Reembed<'a> {
    /// Sets the name of the new collection. Default: the name of the old one with `-reembedded` at the end.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the distance function of the new collection. Default: that of the old one.
    pub fn space(mut self, space: Space) -> Self {
        self.space = Some(space);
        self
    }

    /// Sets whether records without a document, or with one that holds only white space, are left out.
    /// Default: `false`: they are an error before anything is written, because they have no text to embed.
    pub fn skip_without_document(mut self, skip: bool) -> Self {
        self.skip_without_document = skip;
        self
    }

    /// Sets whether the new function may be the one that the collection uses already. Default: `false`: it is
    /// an error, because the vectors would be the same. Set it if a model has changed under its name.
    pub fn allow_same_function(mut self, allow: bool) -> Self {
        self.allow_same_function = allow;
        self
    }

    /// Sets whether the [checkpoint](Reembed::checkpoint) stays when the job is complete. Default: `false`.
    ///
    /// A later run of the same job then compares the two collections again, and embeds only what has changed.
    /// Set it if a program that is killed before the [swap](Collection::swap_with) must be able to continue.
    /// Delete the checkpoint after the swap, and the file with `.ids` at the end.
    pub fn keep_checkpoint(mut self, keep: bool) -> Self {
        self.keep_checkpoint = keep;
        self
    }

    /// Sets how many batches of texts are embedded at the same time, 1 to 64. Default: 4.
    pub fn concurrency(mut self, batches: usize) -> Self {
        self.settings.concurrency = batches;
        self
    }

    settings_methods! {
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, on_progress
    }

    /// Counts what [`run`](Reembed::run) would do: reads all documents, embeds none, and writes nothing.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`].
    pub fn plan(&self) -> Result<ReembedPlan> {
        let mut plan = ReembedPlan {
            name: self.name.clone(),
            old_function: self.old_function(),
            old_dimension: self.source.dimension(),
            function: configured::summary(&*self.function),
            dimension: self.function.dimension(),
            is_same_function: self.is_same_function(),
            ..ReembedPlan::default()
        };
        plan.count(&self.settings.patient(&self.source))?;
        Ok(plan)
    }

    /// Makes the new collection, and compares it with the old one.
    ///
    /// # Errors
    /// - [`Error::Invalid`] if records have no document, unless they are
    ///   [left out](Reembed::skip_without_document); if the function is the one that the collection uses
    ///   already, unless that is [allowed](Reembed::allow_same_function); if the new collection exists with
    ///   another embedding function; or for a checkpoint of another job. Nothing has been written then.
    /// - [`Error::AlreadyExists`] if the new collection exists, unless [`if_exists`](Reembed::if_exists) allows
    ///   that. Nothing has been written then.
    /// - [`Error::Ingest`] if the function refuses a text, the server refuses a record, or one of them fails
    ///   for longer than the retry policy allows. Other errors of requests come from reading the old
    ///   collection.
    /// - [`Error::Differs`] if the new collection differs from the old one at the end.
    /// - [`Error::Cancelled`] if the [flag](Reembed::cancel) is set before the new collection exists. If it is
    ///   set later, the report has `cancelled` set.
    pub fn run(mut self) -> Result<ReembedReport> {
        let started = Instant::now();
        self.check().map_err(|reason| self.invalid(reason))?;
        let mut saved = self.open_checkpoint()?;
        let progressed = saved.as_ref().map(|saved| saved.progressed.clone());
        let progressed = progressed.unwrap_or_default();
        if progressed.collection.is_none() {
            self.check_texts()?;
            self.check_existing(progressed.creates)?;
        }
        let mut target = self.open_target(saved.as_mut())?;
        if progressed.collection.is_some() && target.pass == Pass::All {
            // The earlier run has written more than its checkpoint says. That is not embedded again.
            target.pass = Pass::New;
        }
        let source = self.settings.patient(&self.source);
        let mut report = match CollectionSource::open(&source, None, saved.as_mut()) {
            // The flag has stopped the list of the records.
            Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => self.stopped(target)?,
            opened => {
                let (records, from) = opened?;
                target.from = from;
                let records = records.without_embeddings();
                let source = TextSource::new(source, records, self.skip_without_document);
                self.transfer(source, target, saved)?
            }
        };
        report.elapsed = started.elapsed();
        Ok(report)
    }

    /// Writes the records, and verifies them.
    fn transfer(
        &mut self,
        mut source: TextSource,
        target: Target,
        saved: Option<Saved>,
    ) -> Result<ReembedReport> {
        let collection = target.collection.map_or_else(|| self.builder().get(), Ok)?;
        let mut job = Job {
            operation: REEMBED,
            target: collection.clone(),
            origin: target.origin,
            filter: None,
            vectors: Vectors::Embedded,
            settings: &mut self.settings,
            saved,
            counts: Counts::default(),
            is_verified: false,
        };
        job.run(&mut source, target.pass, target.from)?;
        let mut report = ReembedReport::new(collection, &job.counts);
        report.records = source.listed();
        report.without_document = source.left_out();
        report.resumed = target.from;
        report.losses = target.losses;
        report.cancelled = job.settings.is_cancelled();
        report.verified = job.is_verified;
        if !report.cancelled && !self.keep_checkpoint {
            source.close();
            job.finish()?;
        }
        Ok(report)
    }

    /// Returns the report of a run that has listed no records yet.
    fn stopped(&self, target: Target) -> Result<ReembedReport> {
        let collection = target.collection.map_or_else(|| self.builder().get(), Ok)?;
        let mut report = ReembedReport::new(collection, &Counts::default());
        report.losses = target.losses;
        report.cancelled = true;
        Ok(report)
    }

    fn open_target(&self, saved: Option<&mut Saved>) -> Result<Target> {
        let mut function = CollectionSettings {
            dimension: self.function.dimension(),
            ..CollectionSettings::default()
        };
        function.configuration.embedding_function = configured::describe(&*self.function);
        let opening = Opening {
            builder: self.builder(),
            source: function,
            read_from: Some(&self.source),
            call: self.call(),
        };
        opening.run(&self.settings, saved)
    }

    fn builder(&self) -> CollectionBuilder {
        let builder = self.source.client().collection(&self.name);
        let builder = builder
            .like(&self.source)
            .embedding_function(self.function.clone());
        match self.space {
            Some(space) => builder.space(space),
            None => builder,
        }
    }

    /// Validates the options.
    fn check(&self) -> Result<(), InvalidInput> {
        self.settings.check()?;
        if self.is_same_function() && !self.allow_same_function {
            let why = "the collection uses this function already, so its vectors would be the same; if the model has changed under its name, set .allow_same_function(true)";
            let function = configured::summary(&*self.function);
            return Err(InvalidInput::setting("function", function, why));
        }
        Ok(())
    }

    /// Checks that all records have a text, unless those without one are left out.
    fn check_texts(&self) -> Result<()> {
        if self.skip_without_document {
            return Ok(());
        }
        let plan = self.plan()?;
        if plan.without_document == 0 {
            return Ok(());
        }
        Err(self.invalid(without_text(
            plan.without_document,
            plan.records,
            &plan.without_document_ids,
        )))
    }

    /// Checks that an existing target stores its embedding function. Opening it checks that the two are the same.
    /// If an earlier run may have created the target, an empty one needs no check.
    fn check_existing(&self, may_be_own: bool) -> Result<()> {
        if self.settings.if_exists == IfExists::Fail {
            return Ok(());
        }
        let existing = match self.builder().get() {
            Err(Error::NotFound { .. }) => return Ok(()),
            existing => existing?,
        };
        let is_stored = stored_function(&existing).is_some();
        if may_be_own && existing.count()? == 0 {
            return Ok(());
        }
        if is_stored && configured::describe(&*self.function).is_some() {
            return Ok(());
        }
        let why = "it exists, and nothing stored shows that its vectors are those of the new function; set another name, or delete the collection";
        Err(self.invalid(InvalidInput::setting("name", self.name.as_str(), why)))
    }

    /// Whether the collection uses a function with the same vectors.
    fn is_same_function(&self) -> bool {
        let key = |function: &dyn EmbeddingFunction| function.cache_key(Purpose::Documents);
        let old = self.source.embedding_function();
        old.is_some_and(|old| key(&**old) == key(&*self.function))
    }

    fn old_function(&self) -> Option<String> {
        let in_use = self.source.embedding_function();
        let in_use = in_use.map(|function| configured::summary(&**function));
        in_use.or_else(|| configured::summary_of_stored(&stored_function(&self.source)?))
    }

    fn open_checkpoint(&self) -> Result<Option<Saved>> {
        let Some(path) = self.settings.checkpoint.as_deref() else {
            return Ok(None);
        };
        let [url, tenant, database] = place(self.source.client());
        let transfer = Transfer {
            operation: REEMBED.to_owned(),
            source: self.source.id().to_owned(),
            target: [url, tenant, database, self.name.clone()],
            if_exists: self.settings.if_exists,
            function: Some(self.function.cache_key(Purpose::Documents)),
            space: self.space.map(|space| space.name().to_owned()),
            ..Transfer::default()
        };
        Saved::open(path, transfer).map(Some)
    }

    fn call(&self) -> Call {
        Call::new(REEMBED, Some(self.source.name()))
    }

    fn invalid(&self, reason: InvalidInput) -> Error {
        self.call().invalid(reason)
    }
}

/// Returns the embedding function that a collection stores.
fn stored_function(collection: &Collection) -> Option<EmbeddingFunctionConfiguration> {
    let in_configuration = collection.configuration().embedding_function.clone();
    let in_schema = || collection.schema().and_then(Schema::embedding_function);
    in_configuration.or_else(in_schema)
}

impl fmt::Debug for Reembed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reembed")
            .field("source", &self.source)
            .field("function", &self.function.name())
            .field("name", &self.name)
            .field("space", &self.space)
            .field("skip_without_document", &self.skip_without_document)
            .field("allow_same_function", &self.allow_same_function)
            .field("keep_checkpoint", &self.keep_checkpoint)
            .field("settings", &self.settings)
            .finish()
    }
}
