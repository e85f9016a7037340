//! [`read`]: the settings of a function, as a collection or a schema stores them.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::value::MapDeserializer;
#[cfg(feature = "functions")]
use serde_json::Map;
use serde_json::Value;

use crate::printable::short;

/// Reads settings. A member that is `null` is read like one that is absent, and `null` like settings without
/// members, since Chroma's clients differ in which of them they store.
///
/// # Errors
/// Why the settings cannot be read.
pub(super) fn read<'a, T: Deserialize<'a>>(config: &'a Value) -> Result<T, String> {
    let read = if config.is_null() || config.is_object() {
        T::deserialize(MapDeserializer::new(without_nulls(config)))
    } else {
        T::deserialize(config)
    };
    read.map_err(|error: serde_json::Error| unreadable(&error))
}

/// Refuses a model with a long name, since errors and log lines show it.
///
/// # Errors
/// Says how long the name is.
#[cfg(any(feature = "functions", feature = "onnx"))]
pub(super) fn check_model(name: &str) -> Result<(), String> {
    const MAX: usize = 512;

    let characters = name.chars().count();
    if characters <= MAX {
        return Ok(());
    }
    Err(format!(
        "the name of its model has {characters} characters, more than {MAX}"
    ))
}

/// Copies settings, to store them again. Real ones are few, and neither lists nor objects, except those that
/// the function `knows`. Others are left out, since a server may send any number of them.
#[cfg(any(feature = "gemini", feature = "onnx"))]
pub(super) fn kept(config: &Value, knows: &Value) -> Value {
    const MAX: usize = 32;

    let settings = config.as_object().into_iter().flatten();
    let copy = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Array(_) | Value::Object(_) => knows.get(name)?,
            scalar => scalar,
        };
        Some((name.clone(), value.clone()))
    };
    Value::Object(settings.filter_map(copy).take(MAX).collect())
}

/// Returns the members of an object that are not `null`.
#[cfg(feature = "functions")]
pub(super) fn members(object: Value) -> Map<String, Value> {
    let mut members = match object {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.retain(|_, value| !value.is_null());
    members
}

fn without_nulls(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = config.as_object().into_iter().flatten();
    let members = members.filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| (name.as_str(), value))
}

/// Says that settings cannot be read. What they contain may be long.
fn unreadable(error: &impl Display) -> String {
    let error = error.to_string();
    format!("its configuration cannot be read: {}", short(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Settings {
        #[serde(default = "ten")]
        size: u8,
        name: Option<String>,
    }

    fn ten() -> u8 {
        10
    }

    #[test]
    fn null_is_absent() {
        let defaults = Settings {
            size: 10,
            name: None,
        };
        for config in [
            json!({}),
            json!(null),
            json!({ "size": null, "name": null, "other": null }),
        ] {
            assert_eq!(read::<Settings>(&config).unwrap(), defaults, "{config}");
        }
        let config = json!({ "size": 3, "name": "a", "other": [null] });
        let name = Some("a".to_owned());
        assert_eq!(read::<Settings>(&config), Ok(Settings { size: 3, name }));
    }

    #[test]
    #[cfg(any(feature = "gemini", feature = "onnx"))]
    fn secure_04_unknown_lists_and_objects_are_not_kept() {
        let config = json!({ "a": 1, "b": null, "list": [1], "known": { "x": 1, "y": 2 }, "other": { "z": 1 } });
        let knows = json!({ "known": { "x": 1 }, "more": 1 });
        let expected = json!({ "a": 1, "b": null, "known": { "x": 1 } });
        assert_eq!(kept(&config, &knows), expected);
        let many: Value = (0..1_000).map(|i| (i.to_string(), json!(i))).collect();
        assert_eq!(kept(&many, &knows).as_object().unwrap().len(), 32);
    }

    #[test]
    fn secure_01_a_hostile_configuration_is_shown_shortened() {
        let hostile = "x".repeat(1 << 20);
        for config in [json!({ "size": hostile }), json!(hostile), json!(7)] {
            let why = read::<Settings>(&config).unwrap_err();
            assert!(why.starts_with("its configuration cannot be read: "));
            assert!(why.len() < 1_500, "{} bytes", why.len());
        }
    }
}
