//! [`Stored`]: a collection as servers describe it.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::Result;
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::index::HnswConfig;
use crate::model::index_metadata;
use crate::model::metadata::Metadata;
use crate::model::name;
use crate::model::schema::Schema;
use crate::printable::short;

/// A collection as servers describe it. Unknown fields are ignored.
///
/// The id and the three names become parts of later paths, so they are checked when they are read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stored {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(deserialize_with = "own_name")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) dimension: Option<usize>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) configuration_json: CollectionConfiguration,
    #[serde(default)]
    pub(super) schema: Option<Schema>,
    /// The settings of the index that the server reports, if the index uses others.
    #[serde(skip)]
    reported: Option<HnswConfig>,
    #[serde(default, deserialize_with = "tenant")]
    tenant: Option<String>,
    #[serde(default, deserialize_with = "database")]
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
        let mut configuration = json!(self.configuration_json);
        if let Some(hnsw) = self.in_force() {
            configuration["hnsw"] = json!(hnsw);
        }
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
    fn in_force(&self) -> Option<HnswConfig> {
        let reported = self.configuration_json.hnsw.as_ref();
        index_metadata::in_force(self.metadata.as_ref()?, reported)
    }

    /// Puts the settings that the index uses into the configuration and the schema, if they are only in the
    /// metadata. Nothing is kept twice, since a server may send a large configuration.
    pub(super) fn with_settings_in_force(mut self) -> Stored {
        if let Some(hnsw) = self.in_force() {
            self.schema = self.schema.map(|schema| schema.with_hnsw(&hnsw));
            let reported = self.configuration_json.hnsw.replace(hnsw);
            self.reported = reported.map(|reported| HnswConfig {
                other: Map::new(),
                ..reported
            });
        }
        self
    }

    /// Returns the settings of the index as the server reports them.
    pub(super) fn reported(&self) -> CollectionConfiguration {
        let CollectionConfiguration { hnsw, spann, .. } = &self.configuration_json;
        CollectionConfiguration {
            hnsw: self.reported.as_ref().or(hnsw.as_ref()).cloned(),
            spann: spann.clone(),
            ..CollectionConfiguration::default()
        }
    }

    /// Whether a new setting in the configuration would replace settings that are only in the metadata.
    /// Also `true` if the server reports no configuration, so that they may be only there.
    pub(super) fn has_index_in_metadata(&self) -> bool {
        let CollectionConfiguration { hnsw, spann, .. } = &self.configuration_json;
        if hnsw.is_some() || spann.is_some() {
            return self.reported.is_some();
        }
        self.metadata
            .as_ref()
            .and_then(index_metadata::read)
            .is_some()
    }

    /// Returns the embedding function in the collection's configuration or schema.
    pub(super) fn function(&self) -> Option<Cow<'_, EmbeddingFunctionConfiguration>> {
        if let Some(configured) = &self.configuration_json.embedding_function {
            return Some(Cow::Borrowed(configured));
        }
        let schema = self.schema.as_ref()?;
        schema.embedding_function().map(Cow::Owned)
    }

    /// Returns the client for the tenant and database that the collection is in.
    pub(super) fn client_for(&self, client: &Client) -> Client {
        match (&self.tenant, &self.database) {
            (Some(tenant), Some(database)) => client.with_tenant(tenant).with_database(database),
            _ => client.clone(),
        }
    }
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
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads the id of a collection. Servers send a UUID.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if name::is_uuid(&id) {
        return Ok(id);
    }
    let shown = short(&id);
    Err(D::Error::custom(format_args!(
        "the collection's id {shown:?} is not a UUID"
    )))
}

/// Reads the name of a collection.
fn own_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked("collection", String::deserialize(deserializer)?)
}

fn tenant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name: Option<String> = Option::deserialize(deserializer)?;
    name.map(|name| checked("tenant", name)).transpose()
}

fn database<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name: Option<String> = Option::deserialize(deserializer)?;
    name.map(|name| checked("database", name)).transpose()
}

/// Refuses a name that would change the structure of a path.
fn checked<E: serde::de::Error>(what: &'static str, name: String) -> Result<String, E> {
    match name::check_in_path(what, &name) {
        Ok(()) => Ok(name),
        Err(reason) => Err(E::custom(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read;

    const ID: &str = "29429579-64b8-4168-8e68-2a196b8324da";

    fn read(id: &str, name: &str, [tenant, database]: [Option<&str>; 2]) -> Result<Stored, String> {
        let stored = json!({ "id": id, "name": name, "tenant": tenant, "database": database });
        read::json(stored.to_string().as_bytes())
    }

    #[test]
    fn secure_13_the_id_of_a_collection_is_a_uuid() {
        for id in [
            ID.to_owned(),
            ID.to_uppercase(),
            ID.replace('-', ""),
            "00000000-0000-0000-0000-000000000000".to_owned(),
        ] {
            assert_eq!(read(&id, "abc", [None, None]).unwrap().id, id);
        }
        let long = "a".repeat(1 << 20);
        for id in [
            "",
            ".",
            "..",
            "../..",
            "abc",
            "a/../../b",
            "%2e%2e",
            "\u{1b}[2J\u{9b}31m",
            "29429579-64b8-4168-8e68-2a196b8324d/",
            "29429579-64b8-4168-8e68-2a196b8324d\u{661}",
            &long,
        ] {
            let error = read(id, "abc", [None, None]).unwrap_err();
            assert!(error.contains("the collection's id \""), "{error}");
            assert!(error.contains("is not a UUID at line"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
            assert!(error.len() < 1000, "{} bytes", error.len());
        }
    }

    #[test]
    fn secure_13_names_from_a_server_cannot_change_a_path() {
        let names = read(ID, "abc", [Some("a/b?c"), Some("%2e\n")]).unwrap();
        assert_eq!(names.tenant.as_deref(), Some("a/b?c"), "is percent-encoded");
        for bad in ["", ".", ".."] {
            for (what, answer) in [
                ("collection", read(ID, bad, [None, None])),
                ("tenant", read(ID, "abc", [Some(bad), Some("d")])),
                ("database", read(ID, "abc", [Some("t"), Some(bad)])),
            ] {
                let error = answer.unwrap_err();
                let start = format!("invalid {what} name {bad:?}");
                assert!(error.starts_with(&start), "{error}");
            }
        }
    }

    /// Chroma Cloud does not check the name of a fork. A list must not fail because of one.
    #[test]
    fn secure_13_a_collection_may_have_any_name_that_can_be_encoded_in_a_path() {
        for name in ["../a", "/etc/a", "a\\b", "a\n", "a b"] {
            assert_eq!(read(ID, name, [None, None]).unwrap().name, name);
        }
    }

    fn stored(metadata: &Value, configuration: &Value) -> Stored {
        let stored = json!({
            "id": "29429579-64b8-4168-8e68-2a196b8324da", "name": "n", "metadata": metadata, "configuration_json": configuration,
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
