//! `open_object!`: structs for JSON objects that keep fields which this version of the crate does not know.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::space::Space;

/// Defines a struct for a JSON object from a server that may be newer than this crate. Known fields are
/// optional and typed, and each has a setter with its name. An unknown field, or a known field with an
/// unknown value, is kept in `other` and written back.
macro_rules! open_object {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$field_about:meta])* $field:ident ($key:literal): $type:ty as $arg:ty,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_about])* pub $field: Option<$type>,)+
            /// Fields that this version of the crate does not know. They are kept as the server sent them,
            /// and written back. To set a field that only a newer server has, add it here.
            pub other: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            /// Creates a value in which no field is set.
            pub fn new() -> $name {
                $name::default()
            }

            $($(#[$field_about])*
            #[must_use = "returns the changed value"]
            pub fn $field(mut self, $field: $arg) -> $name {
                self.$field = Some($field.into());
                self
            })+
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;

                let mut known: Vec<&str> = Vec::new();
                let mut map = serializer.serialize_map(None)?;
                $(if let Some(value) = &self.$field {
                    known.push($key);
                    map.serialize_entry($key, value)?;
                })+
                for (key, value) in &self.other {
                    if !known.contains(&key.as_str()) {
                        map.serialize_entry(key, value)?;
                    }
                }
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                serde_json::Map::deserialize(deserializer).map($name::of)
            }
        }

        impl $name {
            fn of(mut other: serde_json::Map<String, serde_json::Value>) -> $name {
                $name {
                    $($field: crate::model::open::take(&mut other, $key),)+
                    other,
                }
            }
        }

        impl crate::model::open::Field for $name {
            fn of(value: serde_json::Value) -> Result<$name, serde_json::Value> {
                match value {
                    serde_json::Value::Object(map) => Ok($name::of(map)),
                    other => Err(other),
                }
            }
        }
    };
}
pub(crate) use open_object;

/// The value of a known field.
pub(crate) trait Field: DeserializeOwned {
    /// Reads a value without copying it. Returns it if it has another type.
    fn of(value: Value) -> Result<Self, Value> {
        Self::deserialize(&value).map_err(|_| value)
    }
}

impl Field for bool {}
impl Field for f64 {}
impl Field for Space {}
impl Field for String {}
impl Field for u8 {}
impl Field for u32 {}
impl Field for usize {}

impl Field for Value {
    fn of(value: Value) -> Result<Value, Value> {
        if value.is_null() {
            return Err(value);
        }
        Ok(value)
    }
}

/// Removes a known field and reads it. A value that this version cannot read stays in the map. `null` counts
/// as absent.
pub(crate) fn take<T: Field>(map: &mut Map<String, Value>, key: &str) -> Option<T> {
    match T::of(map.remove(key)?) {
        Ok(read) => Some(read),
        Err(Value::Null) => None,
        Err(value) => {
            map.insert(key.to_owned(), value);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    open_object! {
        /// A point.
        pub struct Point {
            /// East.
            x ("x"): u8 as u8,
            /// North.
            y ("why"): u8 as u8,
        }
    }

    #[test]
    fn unknown_fields_and_values_are_written_back() {
        let wire = json!({ "x": 1, "why": "far away", "z": [2], "w": null });
        let point: Point = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!((point.x, point.y), (Some(1), None));
        assert_eq!(serde_json::to_value(&point).unwrap(), wire);

        let nearer = Point::new().x(1).y(3);
        let nearer = Point {
            other: point.other,
            ..nearer
        };
        assert_eq!(
            serde_json::to_string(&nearer).unwrap(),
            r#"{"x":1,"why":3,"w":null,"z":[2]}"#,
            "no key twice"
        );
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let point: Point = serde_json::from_str(r#"{"x":null}"#).unwrap();
        assert_eq!(point, Point::new());
        assert!(serde_json::from_str::<Point>("[]").is_err());
    }
}
