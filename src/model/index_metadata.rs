//! The settings of an index in a collection's metadata, where clients of Chroma before 1.0 put them
//! (`hnsw:space`, …).
//!
//! A server reads these keys when it creates a collection, and reports them in its configuration. It does not
//! report those of collections that Chroma before 1.0 created: the configuration has the defaults, while the
//! index uses the settings in the metadata (seen on 1.0.21 to 1.5.9). A later change of the keys does not
//! change the index.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::configuration::CollectionConfiguration;
use super::index::HnswConfig;
use super::metadata::{Metadata, MetadataValue};
use crate::invalid::InvalidInput;

/// The start of the keys. A server does not create a collection with an unknown key that starts so.
const PREFIX: &str = "hnsw:";

/// The metadata keys, and the names of the settings in a configuration.
const KEYS: [(&str, &str); 8] = [
    ("hnsw:space", "space"),
    ("hnsw:construction_ef", "ef_construction"),
    ("hnsw:search_ef", "ef_search"),
    ("hnsw:M", "max_neighbors"),
    ("hnsw:num_threads", "num_threads"),
    ("hnsw:resize_factor", "resize_factor"),
    ("hnsw:batch_size", "batch_size"),
    ("hnsw:sync_threshold", "sync_threshold"),
];

/// The settings that cannot change after the collection was created.
const FIXED: [&str; 2] = ["space", "ef_construction"];

/// Settings, by their names in a configuration.
type Settings = Map<String, Value>;

/// Returns the entries that are settings of an index.
pub(crate) fn settings_of(metadata: &Metadata) -> impl Iterator<Item = (&str, &MetadataValue)> {
    metadata.iter().filter(|(key, _)| is_setting(key))
}

/// Whether a metadata key is a setting of an index.
pub(crate) fn is_setting(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Adds the settings in the metadata of a new collection to the configuration, if that has settings of an
/// index too. A server uses one of the two, and ignores the other without an error: the metadata, unless a
/// setting of the configuration differs from its default.
///
/// # Errors
/// [`InvalidInput::Metadata`] for a setting that servers do not know, that is out of range, or that
/// contradicts the configuration.
pub(crate) fn merge(
    metadata: &Metadata,
    configuration: &mut CollectionConfiguration,
) -> Result<(), InvalidInput> {
    let settings = checked(metadata)?;
    if settings.is_empty() {
        return Ok(());
    }
    if let Some(spann) = &mut configuration.spann {
        if let Some((key, _)) = keys_of(&settings).find(|(_, name)| *name != "space") {
            return Err(bad(
                key,
                "spann is set as well; a collection has one kind of index",
            ));
        }
        let both = merged(settings, &json!(spann))?;
        spann.space = spann.space.or(hnsw(both).space);
    } else if let Some(outside) = &mut configuration.hnsw {
        *outside = hnsw(merged(settings, &json!(outside))?);
    }
    Ok(())
}

/// Returns the settings in metadata, without those that are not valid.
pub(crate) fn read(metadata: &Metadata) -> Option<HnswConfig> {
    settings_of(metadata).next()?;
    let other = Map::new();
    Some(HnswConfig {
        other,
        ..hnsw(settings_in(metadata))
    })
}

/// Returns the settings that an existing collection's index uses, if they are in its metadata and the server
/// reports others.
///
/// A server that reports no configuration, such as Chroma 1.0.0, does not tell which of
/// the two the index uses.
pub(crate) fn in_force(metadata: &Metadata, reported: Option<&HnswConfig>) -> Option<HnswConfig> {
    let reported = reported?;
    let in_metadata = read(metadata)?;
    if !is_default(&object(&json!(reported))) {
        return None;
    }
    let in_force = in_metadata.or(reported.clone());
    (in_force != *reported).then_some(in_force)
}

/// Prepares the metadata that replace those of an existing collection. Adds the settings that are only in
/// the old metadata, and would be lost otherwise.
///
/// # Errors
/// [`InvalidInput::Metadata`] for a setting whose value differs from the one that the index uses.
pub(crate) fn replace(
    new: &mut Metadata,
    old: &Metadata,
    reported: &CollectionConfiguration,
) -> Result<(), InvalidInput> {
    let CollectionConfiguration { hnsw, spann, .. } = reported;
    let in_force = in_force(old, hnsw.as_ref());
    let used = match (in_force.as_ref().or(hnsw.as_ref()), spann) {
        (Some(hnsw), _) => object(&json!(hnsw)),
        (None, Some(spann)) => object(&json!(spann)),
        (None, None) => settings_in(old),
    };
    for (key, value) in settings_of(new) {
        if old.get(key) == Some(value) {
            continue;
        }
        let name = name_of(key).ok_or_else(|| bad(key, unknown()))?;
        let value = json!(value);
        if !is_same(used.get(name), &value) {
            let stays = used
                .get(name)
                .map_or("as it is".to_owned(), Value::to_string);
            let instead = if in_force.is_some() || FIXED.contains(&name) {
                "another value needs a new collection"
            } else {
                "to change it, use .hnsw(...) or .spann(...)"
            };
            let why = format!("{value} would have no effect, {name} stays {stays}; {instead}");
            return Err(bad(key, why));
        }
    }
    if in_force.is_some() || (hnsw.is_none() && spann.is_none()) {
        let lost = settings_of(old).filter(|(key, _)| new.get(key).is_none());
        let lost: Vec<_> = lost.map(|(key, value)| (key, value.clone())).collect();
        new.extend(lost);
    }
    Ok(())
}

/// Reads the settings in the metadata of a new collection.
fn checked(metadata: &Metadata) -> Result<Settings, InvalidInput> {
    for (key, value) in settings_of(metadata) {
        let name = name_of(key).ok_or_else(|| bad(key, unknown()))?;
        let value = json!(value);
        let one = hnsw([(name.to_owned(), value.clone())].into_iter().collect());
        if !one.other.is_empty() {
            let expected = match name {
                "space" => "l2, cosine or ip",
                "resize_factor" => "a number",
                _ => "a whole number of 0 or more",
            };
            return Err(bad(key, format!("it is {value}; it must be {expected}")));
        }
        match one.check() {
            Err(InvalidInput::Setting { value, why, .. }) => {
                return Err(bad(key, format!("it is {value}; {why}")));
            }
            other => other?,
        }
    }
    Ok(settings_in(metadata))
}

/// Adds `settings` of the metadata to the settings `outside` of them.
fn merged(settings: Settings, outside: &Value) -> Result<Settings, InvalidInput> {
    let mut both = object(outside);
    for (key, name) in keys_of(&settings) {
        let inside = &settings[*name];
        let outside = both.get(*name);
        if let Some(outside) = outside.filter(|outside| !is_same(Some(outside), inside)) {
            let why = format!("it is {inside}, but {name} is set to {outside}; remove one of them");
            return Err(bad(key, why));
        }
    }
    both.extend(settings);
    Ok(both)
}

/// Returns the settings in metadata, whether they are valid or not.
fn settings_in(metadata: &Metadata) -> Settings {
    let found = KEYS.iter().filter_map(|(key, name)| {
        let value = metadata.get(key)?;
        Some(((*name).to_owned(), json!(value)))
    });
    found.collect()
}

/// Whether the settings that a server reports are its defaults.
fn is_default(reported: &Settings) -> bool {
    let defaults = json!({
        "space": "l2", "ef_construction": 100, "ef_search": 100, "max_neighbors": 16,
        "batch_size": 100, "sync_threshold": 1000, "resize_factor": 1.2,
    });
    let mut settings = reported.iter();
    settings.all(|(name, value)| name == "num_threads" || is_same(defaults.get(name), value))
}

/// Returns the metadata keys and the names of the settings that are set.
fn keys_of(settings: &Settings) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    KEYS.iter().filter(|(_, name)| settings.contains_key(*name))
}

fn name_of(key: &str) -> Option<&'static str> {
    let mut keys = KEYS.iter();
    keys.find(|(known, _)| *known == key).map(|(_, name)| *name)
}

fn is_same(one: Option<&Value>, other: &Value) -> bool {
    let number = |value: &Value| value.as_f64();
    one.is_some_and(|one| one == other || number(one).is_some_and(|n| Some(n) == number(other)))
}

/// Reads settings. Those that are not valid are kept in `other`.
fn hnsw(settings: Settings) -> HnswConfig {
    HnswConfig::deserialize(Value::Object(settings)).unwrap_or_default()
}

fn object(value: &Value) -> Settings {
    value.as_object().cloned().unwrap_or_default()
}

fn unknown() -> String {
    let keys = KEYS.map(|(key, _)| key).join(", ");
    format!("keys that start with {PREFIX} are settings of the index: {keys}; rename the key")
}

fn bad(key: &str, why: impl Into<String>) -> InvalidInput {
    InvalidInput::Metadata {
        of: "the collection".to_owned(),
        key: key.to_owned(),
        why: why.into(),
    }
}
