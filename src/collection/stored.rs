//! [`Stored`]: a collection as servers describe it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Result;
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::index_metadata;
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;

/// A collection as servers describe it. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) dimension: Option<usize>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) configuration_json: CollectionConfiguration,
    #[serde(default)]
    pub(super) schema: Option<Schema>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    database: Option<String>,
}

impl Stored {
    /// Compares the collection with the body of a request to create it, as the server reports its
    /// settings.
    ///
    /// [`Comparison::Unknown`] if only the schemas differ: a server adds its defaults to a schema.
    pub(super) fn compare(&self, body: &[u8]) -> Comparison {
        #[derive(Deserialize)]
        struct Requested {
            #[serde(default)]
            metadata: Option<Metadata>,
            #[serde(default)]
            configuration: CollectionConfiguration,
            #[serde(default)]
            schema: Value,
        }
        let Ok(mut requested) = serde_json::from_slice::<Requested>(body) else {
            return Comparison::Unknown;
        };
        let asked = &mut requested.configuration;
        if let (None, None, Some(metadata)) = (&asked.hnsw, &asked.spann, &requested.metadata) {
            asked.hnsw = index_metadata::read(metadata);
        }
        let keys = |metadata: &Option<Metadata>| {
            let pairs = metadata.iter().flat_map(Metadata::iter);
            pairs.map(|(key, _)| key.to_owned()).collect::<Vec<_>>()
        };
        let configuration = match self.in_force() {
            Some(in_force) => json!(in_force.configuration),
            None => json!(self.configuration_json),
        };
        let is_same = keys(&self.metadata) == keys(&requested.metadata)
            && agrees(&json!(self.metadata), &json!(requested.metadata))
            && agrees(&configuration, &json!(requested.configuration));
        if !is_same {
            Comparison::Different
        } else if agrees(&json!(self.schema), &requested.schema) {
            Comparison::Same
        } else {
            Comparison::Unknown
        }
    }

    /// Returns the settings that the index uses, if they are in the metadata and the configuration has
    /// others.
    pub(super) fn in_force(&self) -> Option<InForce> {
        let reported = &self.configuration_json;
        let hnsw = index_metadata::in_force(self.metadata.as_ref()?, reported.hnsw.as_ref())?;
        let schema = self.schema.clone();
        Some(InForce {
            schema: schema.map(|schema| schema.with_hnsw(&hnsw)),
            configuration: reported.clone().hnsw(hnsw),
        })
    }

    /// Whether a new setting in the configuration would replace settings that are only in the metadata.
    /// Also `true` if the server reports no configuration, so that they may be only there.
    pub(super) fn has_index_in_metadata(&self) -> bool {
        let CollectionConfiguration { hnsw, spann, .. } = &self.configuration_json;
        if hnsw.is_some() || spann.is_some() {
            return self.in_force().is_some();
        }
        self.metadata
            .as_ref()
            .and_then(index_metadata::read)
            .is_some()
    }

    /// Returns the embedding function in the collection's configuration or schema.
    pub(super) fn function(&self) -> Option<EmbeddingFunctionConfiguration> {
        let configured = self.configuration_json.embedding_function.clone();
        configured.or_else(|| self.schema.as_ref()?.vector_index().embedding_function)
    }

    /// Returns the client for the tenant and database that the collection is in.
    pub(super) fn client_for(&self, client: &Client) -> Client {
        match (&self.tenant, &self.database) {
            (Some(tenant), Some(database)) => client.with_tenant(tenant).with_database(database),
            _ => client.clone(),
        }
    }
}

/// The settings that the index of a collection uses, if the server reports others.
pub(super) struct InForce {
    pub(super) configuration: CollectionConfiguration,
    pub(super) schema: Option<Schema>,
}

/// The result of [`Stored::compare`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    Different,
    Unknown,
}

/// Whether the server reports the requested values. Values that it does not report are not compared. Servers
/// may change the last digits of a float.
fn agrees(reported: &Value, requested: &Value) -> bool {
    match (reported, requested) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(reported), Value::Object(requested)) => {
            requested.iter().all(|(key, requested)| {
                let reported = reported.get(key);
                reported.is_none_or(|reported| agrees(reported, requested))
            })
        }
        _ => match (reported.as_f64(), requested.as_f64()) {
            (Some(reported), Some(requested)) => {
                (reported - requested).abs() <= 1e-6 * requested.abs()
            }
            _ => reported == requested,
        },
    }
}

/// Reads `null` as the default value.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(metadata: &Value, configuration: &Value) -> Stored {
        let stored = json!({
            "id": "i", "name": "n", "metadata": metadata, "configuration_json": configuration,
        });
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn a_collection_is_compared_with_the_request_that_created_it() {
        let requested = json!({
            "name": "n", "metadata": { "a": 1, "b": 0.1 }, "configuration": { "hnsw": { "ef_search": 50 } },
        });
        let compare = |metadata: &Value, configuration: &Value| {
            let stored = stored(metadata, configuration);
            stored.compare(requested.to_string().as_bytes())
        };
        let metadata = json!({ "a": 1, "b": 0.100_000_000_000_000_02 });
        let reported = json!({ "hnsw": { "ef_search": 50, "space": "l2" } });
        assert_eq!(compare(&metadata, &reported), Comparison::Same);
        // An old server reports no configuration.
        assert_eq!(compare(&metadata, &Value::Null), Comparison::Same);
        let other = json!({ "hnsw": { "ef_search": 51 } });
        assert_eq!(compare(&metadata, &other), Comparison::Different);
        for other in [
            json!(null),
            json!({ "a": 1 }),
            json!({ "a": 2, "b": 0.1 }),
            json!({ "a": "1", "b": 0.1 }),
            json!({ "a": 1, "c": 0.1 }),
            json!({ "a": 1, "b": 0.1, "c": 1 }),
        ] {
            let compared = compare(&other, &reported);
            assert_eq!(compared, Comparison::Different, "{other}");
        }
    }
}
