//! What is refused before it is sent, because a server would refuse it, lose it, or die of it.

use super::{Metadata, MetadataValue, SparseVector};
use crate::invalid::InvalidInput;

impl Metadata {
    /// Checks the metadata of a record; `of` says which one.
    pub(crate) fn check_record(&self, of: impl Fn() -> String) -> Result<(), InvalidInput> {
        self.check(&of, |key, _| {
            // The server takes it, and answers without it, or as the document.
            if key.starts_with("chroma:") {
                Some("keys that start with chroma: are the server's own")
            } else {
                None
            }
        })
    }

    /// Checks the metadata of a collection.
    pub(crate) fn check_collection(&self) -> Result<(), InvalidInput> {
        use MetadataValue::*;

        self.check(&|| "the collection".to_owned(), |_, value| match value {
            // A single-node server breaks the connection.
            SparseVector(_) | Bools(_) | Ints(_) | Floats(_) | Strings(_) => Some(
                "a collection's own metadata holds no lists and no sparse vectors; records' does",
            ),
            Null => Some("a collection's metadata holds no nulls; leave the key out"),
            _ => None,
        })
    }

    fn check(
        &self,
        of: &dyn Fn() -> String,
        also: fn(&str, &MetadataValue) -> Option<&'static str>,
    ) -> Result<(), InvalidInput> {
        for (key, value) in self.iter() {
            let why = bad_key(key)
                .or_else(|| value.malformed())
                .or_else(|| also(key, value));
            if let Some(why) = why {
                return Err(InvalidInput::Metadata {
                    of: of(),
                    key: key.to_owned(),
                    why: why.to_owned(),
                });
            }
            if let Some(value) = value.not_finite() {
                let of = format!("metadata {key:?} of {}", of());
                return Err(InvalidInput::NotFinite { of, value });
            }
        }
        Ok(())
    }
}

fn bad_key(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("the key is empty")
    } else if key.starts_with(['#', '$']) {
        Some("keys do not start with # or $")
    } else {
        None
    }
}

impl MetadataValue {
    fn malformed(&self) -> Option<&'static str> {
        let empty = match self {
            MetadataValue::Bools(values) => values.is_empty(),
            MetadataValue::Ints(values) => values.is_empty(),
            MetadataValue::Floats(values) => values.is_empty(),
            MetadataValue::Strings(values) => values.is_empty(),
            MetadataValue::SparseVector(vector) => return vector.malformed(),
            _ => false,
        };
        empty.then_some("an empty list cannot be stored; MetadataValue::Null takes the key away")
    }

    fn not_finite(&self) -> Option<f64> {
        match self {
            MetadataValue::Float(value) => Some(*value).filter(|value| !value.is_finite()),
            MetadataValue::Floats(values) => values.iter().copied().find(|v| !v.is_finite()),
            MetadataValue::SparseVector(vector) => {
                let mut values = vector.values.iter().map(|value| f64::from(*value));
                values.find(|value| !value.is_finite())
            }
            _ => None,
        }
    }
}

impl SparseVector {
    fn malformed(&self) -> Option<&'static str> {
        if self.indices.len() != self.values.len() {
            Some("a sparse vector with not as many indices as values")
        } else if !self.indices.is_sorted_by(|a, b| a < b) {
            Some("a sparse vector whose indices do not ascend")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> String {
        "record \"1\"".to_owned()
    }

    #[test]
    fn what_can_be_stored_passes() {
        let metadata = Metadata::from([("k", 1.5)])
            .with("a$#chroma: \0", true)
            .with("tags", ["a"])
            .with("null", None::<i32>);
        assert_eq!(metadata.check_record(of), Ok(()));
        let metadata = Metadata::from([("hnsw:space", "l2"), ("chroma:x", "y")]);
        assert_eq!(metadata.check_collection(), Ok(()));
    }

    #[test]
    fn errors_name_the_key() {
        let error = Metadata::from([("k", f64::NAN)]).check_record(of);
        assert_eq!(
            error.unwrap_err().to_string(),
            "metadata \"k\" of record \"1\" holds NaN; the server takes finite numbers only"
        );
        let error = Metadata::from([("$k", 1)]).check_record(of);
        assert_eq!(
            error.unwrap_err().to_string(),
            "bad metadata in record \"1\", key \"$k\": keys do not start with # or $"
        );
    }

    #[test]
    fn what_would_be_refused_or_lost_is_refused() {
        let sparse = |indices: &[u32], values: &[f32]| SparseVector {
            indices: indices.to_vec(),
            values: values.to_vec(),
        };
        for (key, value) in [
            ("", 1.into()),
            ("#document", 1.into()),
            ("chroma:document", 1.into()),
            ("chroma:uri", "x".into()),
            ("k", Vec::<String>::new().into()),
            ("k", vec![1.0, f64::INFINITY].into()),
            ("k", MetadataValue::from(sparse(&[1], &[]))),
            ("k", sparse(&[2, 1], &[1.0, 2.0]).into()),
            ("k", sparse(&[1, 1], &[1.0, 2.0]).into()),
            ("k", sparse(&[1], &[f32::NAN]).into()),
        ] {
            let metadata = Metadata::from([(key, value)]);
            assert!(metadata.check_record(of).is_err(), "{metadata:?}");
        }
        for value in [vec![1_i64].into(), MetadataValue::Null] {
            let metadata = Metadata::from([("k", value)]);
            assert!(metadata.check_collection().is_err(), "{metadata:?}");
        }
    }
}
