//! Fits the settings of a new collection to its server, and lists what the server cannot store.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{CollectionSettings, Like};
use super::wanted::Wanted;
use crate::client::{Accepted, Client};
use crate::collection::new::{Chosen, NewCollection};
use crate::error::{Call, InvalidInput, Result};
use crate::model::configuration::CollectionConfiguration;
use crate::model::index_metadata;
use crate::model::schema::Schema;
use crate::printable::short;

/// The kind of a server, which decides the kind of its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SingleNode,
    Distributed,
}

impl Like {
    /// Returns the request that creates a collection like the source, and a sentence for each setting that the
    /// server cannot store. The request lacks these settings.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for settings of the caller that contradict each other, and any
    /// error of a request.
    pub(in crate::collection) fn fit(
        &self,
        chosen: &Chosen,
        client: &Client,
        call: &Call,
    ) -> Result<(NewCollection, Vec<String>)> {
        let accepted = client.accepted(call)?;
        let like = self.measured(chosen)?;
        let invalid = |reason: InvalidInput| call.clone().invalid(reason);
        let mut wanted = like.wanted(chosen).map_err(invalid)?;
        if like.settings.lacks_index() && wanted.index.space().is_none() {
            wanted.lose(
                "the distance function is lost: the source's server does not report it, and no record of the \
                 source reveals it; set it with .space(...)",
            );
        }
        let has_schemas = accepted.is_none_or(Accepted::has_schemas);
        match wanted.kind(client, has_schemas, call)? {
            Some(kind) => wanted.fit_kind(kind),
            None => wanted.keep_only_space(),
        }
        if !has_schemas {
            wanted.remove_schema();
        }
        wanted.separate_metadata();
        if accepted.is_some_and(|accepted| !accepted.reports_configuration) {
            wanted.hide_function(&like.settings);
        }
        let other = like.settings.configuration.other;
        let mut new = wanted.request(other).map_err(invalid)?;
        if let Some(accepted) = accepted {
            wanted.remove_unknown(&mut new, accepted);
        }
        Ok((new, wanted.losses))
    }

    /// Measures the distance function of the source if it is needed and the source's server does not report
    /// it.
    fn measured(&self, chosen: &Chosen) -> Result<Like> {
        let mut like = self.clone();
        if let Some(source) = &self.source {
            let space = chosen.index().ok().and_then(|own| own.space());
            if chosen.space.or(space).is_none() {
                like.settings = like.settings.with_measured_space(source)?;
            }
        }
        Ok(like)
    }
}

impl Wanted {
    fn lose(&mut self, what: impl Into<String>) {
        self.losses.push(what.into());
    }

    /// Returns the kind of the server. `None` if it does not matter.
    fn kind(&self, client: &Client, has_schemas: bool, call: &Call) -> Result<Option<Kind>> {
        let has_special = |schema: &Schema| schema.has_sparse_index() || schema.has_key();
        if client.is_cloud() {
            Ok(Some(Kind::Distributed))
        } else if self.has_default_index() && !self.schema.as_ref().is_some_and(has_special) {
            Ok(None)
        } else if !has_schemas || client.is_single_node(call)? {
            // Distributed servers have schemas.
            Ok(Some(Kind::SingleNode))
        } else {
            Ok(Some(Kind::Distributed))
        }
    }

    /// Removes what servers of the other kind have.
    fn fit_kind(&mut self, kind: Kind) {
        let lost = match (kind, &self.index.hnsw, &self.index.spann) {
            (Kind::SingleNode, None, Some(spann)) => Some((
                "a single-node server builds an HNSW index instead of SPANN",
                spann.changed(),
            )),
            (Kind::Distributed, Some(hnsw), None) => Some((
                "a distributed server builds a SPANN index instead of HNSW",
                hnsw.changed(),
            )),
            _ => None,
        };
        if let Some((why, settings)) = lost {
            if !settings.is_empty() {
                let settings = settings.join(", ");
                self.lose(format!("{settings} of the index: {why}"));
            }
            self.keep_only_space();
        }
        if kind == Kind::Distributed {
            return;
        }
        if let Some(schema) = &mut self.schema {
            let keys = schema.remove_sparse_indexes();
            let has_key = schema.remove_key();
            for key in keys {
                self.lose(format!(
                    "the sparse vector index of the key {:?}: a single-node server has none; sparse vectors stay \
                     in the metadata of the records",
                    short(&key)
                ));
            }
            if has_key {
                self.lose("the encryption key (cmek): a single-node server has none");
            }
        }
    }

    /// Removes the schema, for a server without schemas. The index and the function stay.
    fn remove_schema(&mut self) {
        let Some(schema) = self.schema.take() else {
            return;
        };
        for key in schema.changed_keys() {
            let what = match key {
                Some(key) => format!("the indexes of the key {:?}", short(key)),
                None => "the default indexes of all keys".to_owned(),
            };
            self.lose(format!(
                "{what}: the server has no schemas, which need Chroma 1.3"
            ));
        }
        for field in schema.other_fields() {
            self.lose(format!(
                "the field {:?} of the schema: the server has no schemas, which need Chroma 1.3",
                short(field)
            ));
        }
    }

    /// Prevents a request with a schema and with settings of the index in the metadata, which servers refuse.
    fn separate_metadata(&mut self) {
        let settings = index_metadata::settings_of(&self.metadata);
        let keys: Vec<String> = settings.map(|(key, _)| key.to_owned()).collect();
        let Some(schema) = self.schema.as_ref().filter(|_| !keys.is_empty()) else {
            return;
        };
        if schema.changed_keys().is_empty() && schema.other_fields().next().is_none() {
            // The server makes the same schema of the configuration.
            self.schema = None;
            return;
        }
        for key in keys {
            self.metadata.remove(&key);
            self.lose(format!(
                "the metadata key {key:?}: servers refuse it with a schema, which has this setting"
            ));
        }
    }

    /// Returns the request. A schema has the settings of the index and the function, so the configuration then
    /// has only fields that this version does not know.
    fn request(&self, other: Map<String, Value>) -> Result<NewCollection, InvalidInput> {
        let mut configuration = CollectionConfiguration {
            other,
            ..CollectionConfiguration::default()
        };
        if self.schema.is_none() {
            configuration.hnsw.clone_from(&self.index.hnsw);
            configuration.spann.clone_from(&self.index.spann);
            configuration.embedding_function.clone_from(&self.function);
            index_metadata::merge(&self.metadata, &mut configuration)?;
        }
        Ok(NewCollection {
            metadata: self.metadata.clone(),
            configuration,
            schema: self.schema.clone(),
        })
    }

    /// Removes settings that the server does not know.
    fn remove_unknown(&mut self, new: &mut NewCollection, accepted: &Accepted) {
        let mut body = json!({ "configuration": new.configuration, "schema": new.schema });
        let is_nameless = self
            .function
            .as_ref()
            .is_none_or(|function| function.name.is_none());
        let removed = accepted.fit(&mut body);
        for path in &removed {
            let is_function = path.ends_with(".embedding_function");
            // The defaults of the vector index repeat it. A function without a name says nothing.
            if path.starts_with("schema.defaults.float_list.") || (is_function && is_nameless) {
                continue;
            }
            self.lose(format!(
                "the setting {:?}: the server does not know it",
                short(path)
            ));
        }
        if !removed.is_empty() {
            let configuration = CollectionConfiguration::deserialize(body["configuration"].take());
            new.configuration = configuration.unwrap_or_default();
            new.schema = Option::deserialize(body["schema"].take()).unwrap_or_default();
        }
    }

    /// Lists a stored function that the server does not return.
    fn hide_function(&mut self, settings: &CollectionSettings) {
        let stored = settings.function();
        let stored = stored.filter(|stored| self.function.as_ref() == Some(stored));
        if let Some(name) = stored.and_then(|stored| stored.name) {
            self.lose(format!(
                "the embedding function {:?}: the server does not return it, so programs have to set it when they \
                 open the collection",
                short(&name)
            ));
        }
    }
}
