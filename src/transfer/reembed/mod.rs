//! [`Reembed`]: makes the vectors of a collection again, with another embedding function.

mod plan;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

pub use plan::ReembedPlan;

use super::checkpoint::{Properties, TransferCheckpoint};
use super::report::CopyReport;
use super::run::{Run, Task};
use super::settings::{Settings, settings_methods};
use super::source::{CollectionSource, Texts};
use super::target::{TargetOptions, place};
use super::texts::{REEMBED, without_text};
use crate::collection::{Collection, CollectionBuilder, CollectionSettings};
use crate::embed::{EmbeddingFunction, Purpose, configured};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::space::Space;

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
    /// if let Some(new) = &report.target {
    ///     // Gives the new collection the name of the old one.
    ///     notes.swap_with(new).journal("notes.swap").run()?;
    /// }
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
            last_plan: RefCell::new(None),
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
    /// The last result of `plan`, so that `run` need not read all documents once more.
    last_plan: RefCell<Option<ReembedPlan>>,
    settings: Settings<'a>,
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
    /// Delete the checkpoint after the swap.
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
        if_exists, allow_losses, verify, checkpoint, max_rate, retry, cancel, confirm, on_progress
    }

    /// Counts what [`run`](Reembed::run) would do: reads all documents, embeds none, and writes nothing.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`].
    pub fn plan(&self) -> Result<ReembedPlan> {
        let mut plan = ReembedPlan {
            collection: self.name.clone(),
            function: configured::summary(&*self.function),
            dimension: self.function.dimension(),
            ..ReembedPlan::default()
        };
        plan.count(&self.settings.patient(&self.source))?;
        self.last_plan.replace(Some(plan.clone()));
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
    pub fn run(self) -> Result<CopyReport> {
        self.check().map_err(|reason| self.invalid(reason))?;
        let settings = &self.settings;
        let [url, tenant, database] = place(self.source.client());
        let checkpoint = TransferCheckpoint::open(
            settings,
            Properties {
                operation: REEMBED.to_owned(),
                source: self.source.id().to_owned(),
                target: vec![url, tenant, database, self.name.clone()],
                if_exists: settings.if_exists,
                function: Some(self.function.cache_key(Purpose::Documents)),
                space: self.space.map(|space| space.name().to_owned()),
                ..Properties::default()
            },
        )?;
        if checkpoint.position(self.source.id()).collection.is_none() {
            match self.check_texts() {
                // The report will say so.
                Err(Error::Cancelled { .. }) if settings.is_cancelled() => {}
                checked => checked?,
            }
        }
        let run = Run {
            operation: REEMBED,
            settings,
            checkpoint,
            keeps_checkpoint: self.keep_checkpoint,
        };
        // There is one report for one task.
        Ok(run.all(vec![self.task()])?.pop().unwrap_or_default())
    }

    fn task(&self) -> Task<'_> {
        let mut function = CollectionSettings {
            dimension: self.function.dimension(),
            ..CollectionSettings::default()
        };
        function.configuration.embedding_function = configured::describe(&*self.function);
        Task {
            key: self.source.id().to_owned(),
            target: TargetOptions {
                call: self.call(),
                builder: self.builder(),
                source: function,
                read_from: Some(self.source.clone()),
                creates_database: false,
                needs_function: true,
            },
            filter: None,
            embeds: true,
            open: Box::new(|settings| {
                let texts = if self.skip_without_document {
                    Texts::Only
                } else {
                    Texts::Required
                };
                let source = settings.patient(&self.source);
                Ok(Box::new(CollectionSource::open(source, None, texts)?))
            }),
        }
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
        let plan = match self.last_plan.take() {
            Some(plan) => plan,
            None => self.plan()?,
        };
        if plan.without_document == 0 {
            return Ok(());
        }
        let counts = (plan.without_document, plan.records);
        let ids = &plan.without_document_ids;
        Err(without_text(&self.source, counts, ids))
    }

    /// Whether the collection uses a function with the same vectors.
    fn is_same_function(&self) -> bool {
        let key = |function: &dyn EmbeddingFunction| function.cache_key(Purpose::Documents);
        let old = self.source.embedding_function();
        old.is_some_and(|old| key(&**old) == key(&*self.function))
    }

    fn call(&self) -> Call {
        Call::new(REEMBED, Some(self.source.name()))
    }

    fn invalid(&self, reason: InvalidInput) -> Error {
        self.call().invalid(reason)
    }
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
