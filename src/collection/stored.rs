//! [`Stored`]: a collection as servers describe it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Result;
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;

/// A collection as servers describe it. What this version does not use is left alone.
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
    /// Whether it can have been made with this body: as far as the server tells, it is what that names. `None` where that
    /// cannot be seen: a server completes a schema.
    pub(super) fn is_as_asked(&self, body: &[u8]) -> Option<bool> {
        #[derive(Deserialize)]
        struct Asked {
            #[serde(default)]
            metadata: Option<Metadata>,
            #[serde(default)]
            configuration: Value,
            #[serde(default)]
            schema: Value,
        }
        let asked = serde_json::from_slice::<Asked>(body).ok()?;
        let keys = |metadata: &Option<Metadata>| {
            let pairs = metadata.iter().flat_map(Metadata::iter);
            pairs.map(|(key, _)| key.to_owned()).collect::<Vec<_>>()
        };
        let same = keys(&self.metadata) == keys(&asked.metadata)
            && tells(&json!(self.metadata), &json!(asked.metadata))
            && tells(&json!(self.configuration_json), &asked.configuration);
        match (same, tells(&json!(self.schema), &asked.schema)) {
            (true, false) => None,
            (same, _) => Some(same),
        }
    }

    /// The embedding function that it remembers.
    pub(super) fn function(&self) -> Option<EmbeddingFunctionConfiguration> {
        let configured = self.configuration_json.embedding_function.clone();
        configured.or_else(|| self.schema.as_ref()?.vector_index().embedding_function)
    }

    /// The client, in the tenant and database that the collection is in.
    pub(super) fn home_of(&self, client: &Client) -> Client {
        match (&self.tenant, &self.database) {
            (Some(tenant), Some(database)) => client.with_tenant(tenant).with_database(database),
            _ => client.clone(),
        }
    }
}

/// Whether what a server tells is what was asked for, as far as it tells it. Servers may change the last digits of a float.
fn tells(told: &Value, asked: &Value) -> bool {
    match (told, asked) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(told), Value::Object(asked)) => asked
            .iter()
            .all(|(key, asked)| told.get(key).is_none_or(|told| tells(told, asked))),
        (told, asked) => match (told.as_f64(), asked.as_f64()) {
            (Some(told), Some(asked)) => (told - asked).abs() <= 1e-6 * asked.abs(),
            _ => told == asked,
        },
    }
}

/// `null` is the same as nothing.
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

    fn stored(metadata: Value, configuration: Value) -> Stored {
        let stored = json!({
            "id": "i", "name": "n", "metadata": metadata, "configuration_json": configuration,
        });
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn what_was_asked_for_is_known_again() {
        let asked = json!({
            "name": "n", "metadata": { "a": 1, "b": 0.1 }, "configuration": { "hnsw": { "ef_search": 50 } },
        });
        let is_it = |metadata, configuration| {
            let stored = stored(metadata, configuration);
            stored.is_as_asked(asked.to_string().as_bytes()).unwrap()
        };
        let metadata = || json!({ "a": 1, "b": 0.100_000_000_000_000_02 });
        let told = json!({ "hnsw": { "ef_search": 50, "space": "l2" } });
        assert!(is_it(metadata(), told.clone()));
        assert!(
            is_it(metadata(), Value::Null),
            "an old server tells nothing"
        );
        assert!(!is_it(metadata(), json!({ "hnsw": { "ef_search": 51 } })));
        for other in [
            json!(null),
            json!({ "a": 1 }),
            json!({ "a": 2, "b": 0.1 }),
            json!({ "a": "1", "b": 0.1 }),
            json!({ "a": 1, "c": 0.1 }),
            json!({ "a": 1, "b": 0.1, "c": 1 }),
        ] {
            assert!(!is_it(other.clone(), told.clone()), "{other}");
        }
    }
}
