//! [`CollectionBuilder`]: opens and creates collections.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::Collection;
use super::handle::Stamps;
use super::like::Like;
use super::new::{Chosen, NewCollection};
use super::open::open;
use super::stamp::STAMP;
use super::stored::{Comparison, Stored};
use crate::client::reconcile::{self, Outcome};
use crate::client::{self, Client, operations as op};
use crate::embed::{EmbeddingFunction, SparseEmbeddingFunction};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::metadata::MetadataValue;
use crate::model::schema::Schema;
use crate::model::space::Space;
use crate::transport::Operation;
use crate::wire::read;

/// Opens or creates a collection; see [`Client::collection`].
///
/// All settings except the embedding functions apply only to a collection that is created.
#[derive(Clone)]
#[must_use = "does nothing until get(), create() or get_or_create() is called"]
pub struct CollectionBuilder {
    pub(super) client: Client,
    pub(super) name: String,
    /// The settings that the caller chose.
    pub(super) chosen: Chosen,
    /// The collection whose settings apply where the caller chose none.
    pub(super) like: Option<Box<Like>>,
    pub(super) allow_losses: bool,
    stamps: Stamps,
}

impl CollectionBuilder {
    pub(super) fn new(client: Client, name: String) -> CollectionBuilder {
        CollectionBuilder {
            client,
            name,
            chosen: Chosen::default(),
            like: None,
            allow_losses: false,
            stamps: Stamps::default(),
        }
    }

    /// Sets the embedding function, which turns the collection's texts into vectors. Default: the one in the
    /// collection's configuration; see [`get`](CollectionBuilder::get).
    ///
    /// The configuration of a new collection stores the function's name and settings, so that Chroma's other
    /// clients find them. A collection whose configuration has another model or dimension is not opened with
    /// this function, since the vectors would not match. If one of the two names no model, the names of the
    /// functions must be equal.
    pub fn embedding_function(
        mut self,
        function: impl EmbeddingFunction + 'static,
    ) -> CollectionBuilder {
        self.chosen.functions.dense = Some(Arc::new(function));
        self
    }

    /// Sets the function that makes the sparse vectors of a metadata key, which must have a [sparse vector
    /// index](Schema::create_sparse_vector_index) in the collection's schema. Replaces the function that the
    /// schema stores, which must have the same model, or the same name if one of the two stores no model.
    ///
    /// Needed for custom functions, and for options that a schema does not store, such as an API key.
    /// The schema of a new collection stores the function's name and settings.
    ///
    /// ```no_run
    /// use chroma_blocking::Client;
    /// use chroma_blocking::embed::{EmbeddingError, SparseEmbeddingFunction};
    /// use chroma_blocking::record::SparseVector;
    /// use chroma_blocking::schema::{Schema, SparseVectorIndexConfig};
    ///
    /// # struct Letters;
    /// # impl SparseEmbeddingFunction for Letters {
    /// #     fn name(&self) -> &str {
    /// #         "letters"
    /// #     }
    /// #     fn embed_documents(&self, documents: &[&str]) -> Result<Vec<SparseVector>, EmbeddingError> {
    /// #         Ok(vec![SparseVector::default(); documents.len()])
    /// #     }
    /// # }
    /// let index = SparseVectorIndexConfig::new().source_key("#document");
    /// let schema = Schema::new().create_sparse_vector_index("letters", index);
    /// let notes = Client::cloud_from_env()?
    ///     .collection("notes")
    ///     .schema(schema)
    ///     .sparse_embedding_function("letters", Letters)
    ///     .get_or_create()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn sparse_embedding_function(
        mut self,
        key: impl Into<String>,
        function: impl SparseEmbeddingFunction + 'static,
    ) -> CollectionBuilder {
        self.chosen
            .functions
            .sparse
            .insert(key.into(), Arc::new(function));
        self
    }

    /// Adds a metadata value to the collection itself.
    ///
    /// Keys that start with `hnsw:` are settings of the index, as in Chroma before 1.0: `hnsw:space`,
    /// `hnsw:construction_ef`, `hnsw:search_ef`, `hnsw:M`, `hnsw:num_threads`, `hnsw:resize_factor`,
    /// `hnsw:batch_size` and `hnsw:sync_threshold`. They are joined with those of
    /// [`space`](CollectionBuilder::space) and [`hnsw`](CollectionBuilder::hnsw), and must not contradict
    /// them.
    pub fn metadata(
        mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> CollectionBuilder {
        self.chosen.metadata.insert(key, value);
        self
    }

    /// Sets whether writes stamp the records. Each request that adds, upserts or updates records then adds
    /// its time to their metadata, under the key [`STAMP`]: microseconds since 1970, by the clock of this
    /// machine. Default: as the metadata of the collection says, otherwise `false`.
    ///
    /// A server does not report which records were written. With stamps, `Key::field(STAMP).gt(time)` selects
    /// them, and an index of words (`WordIndex`, feature `hybrid`) finds what other programs have
    /// written. An `add` of an id that exists changes nothing, so the record keeps its stamp. A deletion
    /// leaves no stamp.
    ///
    /// The metadata that calls return have no stamps, unless [`show_stamps`](CollectionBuilder::show_stamps)
    /// is set, or a [`Search`](crate::Search) selects the key. So the lines of an export have none, and a
    /// copy gets its own. Records with a value of their own under the key are refused.
    ///
    /// A new collection stores the setting in its own metadata, under the same key. Then all programs that
    /// use this crate stamp their writes to it. For an existing collection, set it in each program, or add
    /// the key with [`modify`](Collection::modify). The records get their stamps when they are written next.
    ///
    /// ```no_run
    /// use chroma_blocking::collection::STAMP;
    /// use chroma_blocking::{Client, Hashing};
    ///
    /// let notes = Client::from_env()?
    ///     .collection("notes")
    ///     .embedding_function(Hashing::default())
    ///     .stamp_writes(true)
    ///     .get_or_create()?;
    /// // If the collection existed before:
    /// let metadata = notes.metadata().clone().with(STAMP, true);
    /// notes.modify().metadata(metadata).run()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn stamp_writes(mut self, stamp_writes: bool) -> CollectionBuilder {
        self.stamps.writes = stamp_writes;
        if stamp_writes {
            self.metadata(STAMP, true)
        } else {
            self.chosen.metadata.remove(STAMP);
            self
        }
    }

    /// Sets whether [stamps](CollectionBuilder::stamp_writes) are among the metadata that calls return. Batch
    /// jobs and copies leave them out anyway. Default: `false`. Through a handle that does not stamp, they
    /// are always returned.
    ///
    /// ```no_run
    /// use chroma_blocking::collection::STAMP;
    /// use chroma_blocking::{Client, Key, MetadataValue};
    ///
    /// let notes = Client::from_env()?
    ///     .collection("notes")
    ///     .show_stamps(true)
    ///     .get()?;
    /// let since = 1_764_547_200_000_000_i64;
    /// let written = Key::field(STAMP).gt(since);
    /// for note in notes.scan().filter(written) {
    ///     let note = note?;
    ///     let time = note.metadata.get(STAMP).and_then(MetadataValue::as_int);
    ///     println!("{} was written at {time:?}", note.id);
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn show_stamps(mut self, show_stamps: bool) -> CollectionBuilder {
        self.stamps.are_shown = show_stamps;
        self
    }

    /// Sets the distance function. Default: the default of the embedding function, or else [`Space::L2`].
    pub fn space(mut self, space: Space) -> CollectionBuilder {
        self.chosen.space = Some(space);
        self
    }

    /// Sets the settings of the HNSW index, for single-node servers. A distributed server builds a SPANN
    /// index with the same space instead.
    pub fn hnsw(mut self, settings: HnswConfig) -> CollectionBuilder {
        self.chosen.hnsw = Some(settings);
        self
    }

    /// Sets the settings of the SPANN index, for distributed servers and Chroma Cloud. A single-node server
    /// builds an HNSW index with the same space instead.
    pub fn spann(mut self, settings: SpannConfig) -> CollectionBuilder {
        self.chosen.spann = Some(settings);
        self
    }

    /// Sets the schema, which lists the indexes. A schema contains the settings
    /// [`space`](CollectionBuilder::space), [`hnsw`](CollectionBuilder::hnsw) and
    /// [`spann`](CollectionBuilder::spann), so none of these may be set as well. If the schema has no
    /// embedding function, the one of this builder is added.
    pub fn schema(mut self, schema: Schema) -> CollectionBuilder {
        self.chosen.schema = Some(schema);
        self
    }

    /// Opens an existing collection.
    ///
    /// Without an [embedding function](CollectionBuilder::embedding_function), the collection uses the one in
    /// its configuration, whichever client of Chroma created it: any function of [`embed`](crate::embed),
    /// with the stored model, dimension and other settings. With any other function, or none, the collection
    /// works with vectors. Texts are refused with [`InvalidInput::StoredEmbeddingFunction`] or
    /// [`InvalidInput::NoEmbeddingFunction`].
    ///
    /// The API key is in the environment variable that the configuration names. **The variable is read when
    /// the first text is embedded**, not when the collection is opened, so no key is needed as long as you
    /// pass vectors.
    ///
    /// Anyone who may change the collection can change its configuration. So a variable that is not the
    /// provider's own must be allowed by
    /// [`ClientBuilder::allow_key_variable`](crate::ClientBuilder::allow_key_variable), and a host that is
    /// neither the provider's nor this machine by
    /// [`ClientBuilder::allow_embedding_host`](crate::ClientBuilder::allow_embedding_host).
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no collection of this name;
    /// [`InvalidInput::EmbeddingFunctionConflict`] if it was created with another embedding function than the
    /// one set.
    pub fn get(self) -> Result<Collection> {
        let operation = &op::GET_COLLECTION;
        client::check_name(operation, &self.name)?;
        let name = self.name.as_str();
        let request = self.client.request(operation).collection(name, name);
        let stored = request.send(read::json)?;
        let call = Call::new(operation.name, Some(&self.name));
        self.open_for(call, stored)
    }

    /// Creates a collection.
    ///
    /// If the response is lost, the call looks for a collection of this name. If there is one, with these
    /// settings and without records, it counts as created by this call.
    ///
    /// ```no_run
    /// use chroma_blocking::{Client, Space};
    /// use chroma_blocking::schema::HnswConfig;
    ///
    /// let notes = Client::from_env()?
    ///     .collection("notes")
    ///     .space(Space::Cosine)
    ///     .hnsw(HnswConfig::new().ef_construction(200).max_neighbors(32))
    ///     .create()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) if there is a collection of this name;
    /// [`Error::Invalid`](crate::Error::Invalid) for settings that contradict each other or are out of range;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for settings that the server does not have.
    pub fn create(self) -> Result<Collection> {
        let request = self.begin(Mode::Create)?;
        let client = &request.client;
        let was_looked_up = Cell::new(false);
        let send = || self.send(&request);
        let find = |client: &Client| {
            was_looked_up.set(true);
            reconcile::created(self.find(client, &request.body))
        };
        let stored = client
            .reconcile(send, find)
            .map_err(|error| self.explain(error))?;
        if request.is_schema_missing(&stored) {
            // A collection that was found by its name may belong to another program, so it is not deleted.
            let deleted = (!was_looked_up.get()).then(|| client.delete_collection(&self.name));
            let remains = match deleted {
                None => "; the collection exists now, without the schema",
                Some(Ok(())) => "",
                Some(Err(_)) => {
                    "; the collection was created without the schema and could not be deleted"
                }
            };
            return Err(self.schema_ignored(Mode::Create, remains));
        }
        self.open(Mode::Create, stored)
    }

    /// Opens the collection of this name, or creates it. An existing collection keeps its metadata, settings
    /// and schema.
    ///
    /// # Errors
    /// As for [`create`](CollectionBuilder::create), except
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists); and [`InvalidInput::EmbeddingFunctionConflict`]
    /// if the collection exists with another embedding function.
    pub fn get_or_create(self) -> Result<Collection> {
        let request = self.begin(Mode::GetOrCreate)?;
        let stored = self.send(&request).map_err(|error| self.explain(error))?;
        if request.is_schema_missing(&stored) {
            // The collection may have existed before, so it is not deleted.
            let remains = "; the collection exists now, without the schema";
            return Err(self.schema_ignored(Mode::GetOrCreate, remains));
        }
        self.open(Mode::GetOrCreate, stored)
    }

    /// Checks all settings, and asks the server what it can store.
    fn begin(&self, mode: Mode) -> Result<CreateRequest> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            get_or_create: bool,
            #[serde(flatten)]
            settings: &'a NewCollection,
        }

        let client = self.client.begin();
        let (settings, losses) = self.prepare(&client, mode)?;
        self.check_losses(&losses, mode)?;
        let body = Body {
            name: &self.name,
            get_or_create: mode == Mode::GetOrCreate,
            settings: &settings,
        };
        let body = serde_json::to_vec(&body).map_err(|error| {
            let name = self.name.as_str();
            let reason = InvalidInput::setting("configuration", name, error.to_string());
            self.call(mode).invalid(reason)
        })?;
        Ok(CreateRequest {
            mode,
            client,
            body,
            has_schema: settings.schema.is_some(),
        })
    }

    /// Fails if something would be lost, unless that is allowed.
    pub(super) fn check_losses(&self, losses: &[String], mode: Mode) -> Result<()> {
        if losses.is_empty() || self.allow_losses {
            return Ok(());
        }
        let message = format!(
            "{}; nothing was created; to create the collection without these settings, use \
             .allow_losses(true)",
            losses.join("; ")
        );
        let call = Box::new(self.call(mode));
        Err(Error::Unsupported { call, message })
    }

    fn send(&self, request: &CreateRequest) -> Result<Stored> {
        let CreateRequest {
            mode, client, body, ..
        } = request;
        let request = client.request(mode.operation()).subject(&self.name);
        request.body(body).send(read::json)
    }

    fn open(self, mode: Mode, stored: Stored) -> Result<Collection> {
        let call = self.call(mode);
        self.open_for(call, stored)
    }

    /// Opens a collection with the functions of this builder.
    fn open_for(self, call: Call, stored: Stored) -> Result<Collection> {
        let functions = match &self.like {
            Some(like) => like.functions(&self.chosen.functions, &stored, self.client.allowed()),
            None => self.chosen.functions,
        };
        let opened = open(self.client, stored, functions);
        let collection = opened.map_err(|reason| call.invalid(reason))?;
        Ok(collection.with_stamps(self.stamps))
    }

    /// Returns the description of a call that has sent nothing yet, for an error.
    fn call(&self, mode: Mode) -> Call {
        Call::new(mode.operation().name, Some(&self.name))
    }

    /// Looks for a collection that was created with this body and has no records yet.
    fn find(&self, client: &Client, body: &[u8]) -> Result<Outcome<Stored>> {
        let name = self.name.as_str();
        let by_name = client.request(&op::GET_COLLECTION).collection(name, name);
        let stored: Stored = by_name.send(read::json)?;
        let count = client.request(&op::COUNT).collection(name, &stored.id);
        let records: usize = count.send(read::json)?;
        Ok(match stored.compare(body) {
            Comparison::Same if records == 0 => Outcome::Done(stored),
            Comparison::Unknown if records == 0 => Outcome::Unknown,
            _ => Outcome::Refused(reconcile::name_taken(&op::CREATE_COLLECTION, name)),
        })
    }

    fn schema_ignored(&self, mode: Mode, remains: &str) -> Error {
        Error::Unsupported {
            call: Box::new(self.call(mode)),
            message: format!("it ignored the schema; schemas need Chroma 1.3{remains}"),
        }
    }

    /// Explains the error of a server before Chroma 1.0.21, which accepts only all settings of a SPANN index
    /// or none.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Server {
                call,
                status: 422,
                message,
                ..
            } if self.chosen.spann.is_some() => Error::Unsupported { call, message },
            other => other,
        }
    }

    /// Returns the request that creates the collection, and a sentence for each setting that the server cannot
    /// store.
    pub(super) fn prepare(
        &self,
        client: &Client,
        mode: Mode,
    ) -> Result<(NewCollection, Vec<String>)> {
        client::check_name(mode.operation(), &self.name)?;
        let call = self.call(mode);
        match &self.like {
            Some(like) => like.fit(&self.chosen, client, &call),
            None => match self.chosen.new_collection() {
                Ok(new) => Ok((new, Vec::new())),
                Err(reason) => Err(call.invalid(reason)),
            },
        }
    }
}

/// A request that creates a collection.
struct CreateRequest {
    mode: Mode,
    /// The client for this call.
    client: Client,
    body: Vec<u8>,
    has_schema: bool,
}

impl CreateRequest {
    /// Whether the server ignored the schema.
    fn is_schema_missing(&self, stored: &Stored) -> bool {
        self.has_schema && stored.schema.is_none()
    }
}

/// How an existing collection is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The call fails.
    Create,
    /// The collection is opened.
    GetOrCreate,
}

impl Mode {
    fn operation(self) -> &'static Operation {
        match self {
            Mode::Create => &op::CREATE_COLLECTION,
            Mode::GetOrCreate => &op::GET_OR_CREATE_COLLECTION,
        }
    }
}

impl fmt::Debug for CollectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionBuilder")
            .field("name", &self.name)
            .field("metadata", &self.chosen.metadata)
            .field("space", &self.chosen.space)
            .field("hnsw", &self.chosen.hnsw)
            .field("spann", &self.chosen.spann)
            .field("schema", &self.chosen.schema)
            .field(
                "embedding_function",
                &self
                    .chosen
                    .functions
                    .dense
                    .as_ref()
                    .map(EmbeddingFunction::name),
            )
            .field(
                "sparse_embedding_functions",
                &self.chosen.functions.sparse.keys(),
            )
            .finish_non_exhaustive()
    }
}
