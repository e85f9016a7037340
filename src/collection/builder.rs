//! [`CollectionBuilder`]: opening and making collections.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Collection, Stored};
use crate::client::reconcile::{self, Outcome};
use crate::client::{Client, operations as op};
use crate::embed::{EmbeddingFunction, remembered};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::configuration::CollectionConfiguration;
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::schema::Schema;
use crate::model::space::Space;
use crate::transport::Operation;
use crate::wire::read;

/// A collection to be opened or made; see [`Client::collection`].
#[derive(Clone)]
#[must_use = "does nothing until get(), create() or get_or_create() is called"]
pub struct CollectionBuilder {
    client: Client,
    name: String,
    metadata: Metadata,
    space: Option<Space>,
    hnsw: Option<HnswConfig>,
    spann: Option<SpannConfig>,
    schema: Option<Schema>,
    embedding_function: Option<Arc<dyn EmbeddingFunction>>,
}

impl CollectionBuilder {
    pub(crate) fn new(client: Client, name: String) -> CollectionBuilder {
        CollectionBuilder {
            client,
            name,
            metadata: Metadata::new(),
            space: None,
            hnsw: None,
            spann: None,
            schema: None,
            embedding_function: None,
        }
    }

    /// What turns the collection's texts into vectors. A new collection remembers it by name, so that Chroma's other
    /// clients find it too. A collection that remembers another name, model or dimension is not opened with this, since
    /// the vectors would not match.
    pub fn embedding_function(
        mut self,
        function: impl EmbeddingFunction + 'static,
    ) -> CollectionBuilder {
        self.embedding_function = Some(Arc::new(function));
        self
    }

    /// One more metadata value of the collection itself, if it is new.
    pub fn metadata(
        mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> CollectionBuilder {
        self.metadata.insert(key, value);
        self
    }

    /// How distances are measured, if it is new. Default: what the embedding function asks for, or else
    /// [`Space::L2`].
    pub fn space(mut self, space: Space) -> CollectionBuilder {
        self.space = Some(space);
        self
    }

    /// Settings of an HNSW index, if it is new: for single-node servers. A distributed one builds a SPANN index of the
    /// same space instead.
    pub fn hnsw(mut self, settings: HnswConfig) -> CollectionBuilder {
        self.hnsw = Some(settings);
        self
    }

    /// Settings of a SPANN index, if it is new: for distributed servers and Chroma Cloud. A single-node one builds an
    /// HNSW index of the same space instead.
    pub fn spann(mut self, settings: SpannConfig) -> CollectionBuilder {
        self.spann = Some(settings);
        self
    }

    /// Which indexes it has, if it is new. In place of [`space`](CollectionBuilder::space),
    /// [`hnsw`](CollectionBuilder::hnsw) and [`spann`](CollectionBuilder::spann), which a schema has inside. Where it
    /// names no embedding function, it gets that of the collection.
    pub fn schema(mut self, schema: Schema) -> CollectionBuilder {
        self.schema = Some(schema);
        self
    }

    /// Opens a collection that exists.
    ///
    /// Without an [embedding function](CollectionBuilder::embedding_function), it opens with the one that it remembers,
    /// whichever client of Chroma made it:
    /// - `google_gemini` becomes [`Gemini`](crate::Gemini), with the model, dimension and task that are stored. The key
    ///   is in the variable that the collection names (`GOOGLE_API_KEY` and `GEMINI_API_KEY` stand in for each other).
    ///   **That variable is read when the first text is embedded**, not before: opening reads no secret, and needs none
    ///   as long as you pass vectors. Its value goes to Google only, but the server chooses the variable: name the
    ///   function yourself where you do not trust the server.
    /// - `chroma_blocking_hashing` becomes [`Hashing`](crate::Hashing) with its dimension.
    /// - With any other, or none, the collection works with vectors, and a text is refused with
    ///   [`InvalidInput::StoredEmbeddingFunction`] or [`InvalidInput::NoEmbeddingFunction`].
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when there is none of this name;
    /// [`InvalidInput::EmbeddingFunctionConflict`] when it remembers another embedding function than the one given.
    pub fn get(self) -> Result<Collection> {
        let operation = &op::GET_COLLECTION;
        self.client.check_name(operation, &self.name)?;
        let name = self.name.as_str();
        let request = self.client.request(operation).collection(name, name);
        let stored = request.send(read::json)?;
        let call = Call::new(operation.name, Some(&self.name));
        open(self.client, call, stored, self.embedding_function)
    }

    /// Makes a collection.
    ///
    /// When the answer is lost, it asks whether the collection is there: with these settings and without records it counts
    /// as made by this call.
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
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) when there is one of this name;
    /// [`Error::Invalid`](crate::Error::Invalid) for settings that contradict each other or are out of range;
    /// [`Error::Unsupported`](crate::Error::Unsupported) for settings that this server does not have.
    pub fn create(self) -> Result<Collection> {
        self.make(&op::CREATE_COLLECTION, false)
    }

    /// Opens a collection, or makes it. One that exists keeps its own metadata, settings and schema.
    ///
    /// # Errors
    /// As for [`create`](CollectionBuilder::create), but for one of this name; and
    /// [`InvalidInput::EmbeddingFunctionConflict`] when it exists with another embedding function.
    pub fn get_or_create(self) -> Result<Collection> {
        self.make(&op::GET_OR_CREATE_COLLECTION, true)
    }

    fn make(self, operation: &'static Operation, get_or_create: bool) -> Result<Collection> {
        self.client.check_name(operation, &self.name)?;
        let body = self
            .body(get_or_create)
            .map_err(|reason| Call::new(operation.name, Some(&self.name)).invalid(reason))?;
        let client = self.client.begin();
        let send = || {
            let request = client.request(operation).subject(&self.name);
            request.body(&body).send(read::json)
        };
        let is_certain = Cell::new(true);
        let ask = |client: &Client| {
            is_certain.set(false);
            reconcile::created(self.ask(client, &body))
        };
        let stored: Stored = match get_or_create {
            true => send(),
            false => client.reconcile(send, ask),
        }
        .map_err(|error| self.too_old(error))?;
        if self.schema.is_some() && stored.schema.is_none() {
            // What create() made is new and of no use; what get_or_create() gave may be somebody's, and so may what was
            // found by asking.
            let left = match get_or_create || !is_certain.get() {
                true => "; the collection is there, without it",
                false => match client.delete_collection(&self.name) {
                    Ok(()) => "",
                    Err(_) => {
                        "; the collection was made without it, and could not be deleted again"
                    }
                },
            };
            return Err(Error::Unsupported {
                call: Box::new(Call::new(operation.name, Some(&self.name))),
                message: format!(
                    "it knows no schemas (Chroma has them since 1.3) and ignored this one{left}"
                ),
            });
        }
        let call = Call::new(operation.name, Some(&self.name));
        open(self.client, call, stored, self.embedding_function)
    }

    /// Whether the collection is there, as it was to be made with this body, and without records.
    fn ask(&self, client: &Client, body: &[u8]) -> Result<Outcome<Stored>> {
        let name = self.name.as_str();
        let by_name = client.request(&op::GET_COLLECTION).collection(name, name);
        let stored: Stored = by_name.send(read::json)?;
        let count = client.request(&op::COUNT).collection(name, &stored.id);
        let records: usize = count.send(read::json)?;
        Ok(match stored.is_as_asked(body).filter(|_| records == 0) {
            Some(true) => Outcome::Done(stored),
            None if records == 0 => Outcome::Unknown,
            _ => Outcome::Refused(reconcile::name_taken(&op::CREATE_COLLECTION, name)),
        })
    }

    /// What is sent to make it.
    fn body(&self, get_or_create: bool) -> Result<Vec<u8>, InvalidInput> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            get_or_create: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a Metadata>,
            #[serde(skip_serializing_if = "Option::is_none")]
            configuration: Option<CollectionConfiguration>,
            #[serde(skip_serializing_if = "Option::is_none")]
            schema: Option<Schema>,
        }

        self.metadata.check_collection()?;
        let configuration = self.configuration()?;
        let body = Body {
            name: &self.name,
            get_or_create,
            metadata: Some(&self.metadata).filter(|metadata| !metadata.is_empty()),
            configuration: Some(configuration)
                .filter(|some| self.schema.is_none() && *some != CollectionConfiguration::new()),
            schema: self.complete_schema()?,
        };
        serde_json::to_vec(&body).map_err(|error| InvalidInput::Setting {
            name: "configuration",
            value: self.name.clone(),
            why: error.to_string(),
        })
    }

    /// What the server is told of the index and the embedding function.
    fn configuration(&self) -> Result<CollectionConfiguration, InvalidInput> {
        let contradiction = |name, value: String, why: &str| {
            Err(InvalidInput::Setting {
                name,
                value,
                why: why.to_owned(),
            })
        };
        if self.hnsw.is_some() && self.spann.is_some() {
            let why = "hnsw is given too; a collection has one kind of index";
            return contradiction("spann", "given".to_owned(), why);
        }
        let mut told = CollectionConfiguration::new();
        told.hnsw = self.hnsw.clone();
        told.spann = self.spann.clone();
        told.hnsw.as_ref().map_or(Ok(()), HnswConfig::check)?;
        told.spann.as_ref().map_or(Ok(()), SpannConfig::check)?;
        if let (Some(outside), Some(inside)) = (self.space, told.space()) {
            if outside != inside {
                let why = format!("the settings of the index say {:?}", inside.name());
                return contradiction("space", outside.name().to_owned(), &why);
            }
        }
        let space = self.space.or(told.space()).or(self.default_space());
        match (&mut told.spann, space) {
            (Some(spann), _) => spann.space = space,
            (None, Some(_)) => told.hnsw.get_or_insert_default().space = space,
            (None, None) => {}
        }
        let function = self.embedding_function.as_deref();
        told.embedding_function = function.and_then(remembered::describe);
        Ok(told)
    }

    /// The space that the embedding function asks for, unless the metadata say it, as they did in Chroma before 1.0.
    fn default_space(&self) -> Option<Space> {
        match self.metadata.get("hnsw:space") {
            Some(_) => None,
            None => self
                .embedding_function
                .as_deref()
                .map(|f| f.default_space()),
        }
    }

    fn complete_schema(&self) -> Result<Option<Schema>, InvalidInput> {
        let Some(schema) = &self.schema else {
            return Ok(None);
        };
        for (name, given) in [
            ("space", self.space.is_some()),
            ("hnsw", self.hnsw.is_some()),
            ("spann", self.spann.is_some()),
        ] {
            if given {
                return Err(InvalidInput::Setting {
                    name,
                    value: "given".to_owned(),
                    why: "a schema is given too; set it there, with create_vector_index".to_owned(),
                });
            }
        }
        schema.check()?;
        let function = self.embedding_function.as_deref();
        if let (Some(function), Some(named)) = (function, schema.vector_index().embedding_function)
        {
            remembered::check(&named, function)?;
        }
        let described = function.and_then(remembered::describe);
        Ok(Some(
            schema
                .clone()
                .complete(described.as_ref(), self.default_space()),
        ))
    }

    /// Servers before Chroma 1.0.21 want all settings of a SPANN index or none.
    fn too_old(&self, error: Error) -> Error {
        match error {
            Error::Server {
                call,
                status: 422,
                message,
                ..
            } if self.spann.is_some() => Error::Unsupported { call, message },
            other => other,
        }
    }
}

/// A collection as it is stored, with the embedding function given, or else the one that it remembers.
pub(super) fn open(
    client: Client,
    call: Call,
    stored: Stored,
    given: Option<Arc<dyn EmbeddingFunction>>,
) -> Result<Collection> {
    if let (Some(remembered), Some(given)) = (stored.function(), &given) {
        remembered::check(&remembered, given.as_ref()).map_err(|reason| call.invalid(reason))?;
    }
    Ok(Collection::new(client, stored, given))
}

impl fmt::Debug for CollectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionBuilder")
            .field("name", &self.name)
            .field("metadata", &self.metadata)
            .field("space", &self.space)
            .field("hnsw", &self.hnsw)
            .field("spann", &self.spann)
            .field("schema", &self.schema)
            .field(
                "embedding_function",
                &self.embedding_function.as_ref().map(|f| f.name()),
            )
            .finish_non_exhaustive()
    }
}
