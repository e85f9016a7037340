//! Refuses metadata that a server would refuse or lose, or that would crash it.

use std::borrow::Cow;

use super::map::Metadata;
use super::value::{MetadataValue, SparseVector};
use crate::invalid::InvalidInput;

/// The maximum number of rows that a single-node server inserts by one statement: 32,766 variables of
/// `SQLite`, six for each row. A record with more breaks the collection for good.
const MAX_ROWS: usize = 5_461;
/// The maximum number of keys that such a server deletes by one statement.
const MAX_NULLS: usize = 32_765;

/// The rows that a single-node server makes of metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// One for each key whose value is not a list.
    scalars: usize,
    /// One for each value of a list.
    in_lists: usize,
    /// Keys to delete.
    nulls: usize,
}

impl Rows {
    fn add(&mut self, value: &MetadataValue) {
        match value {
            MetadataValue::Null => self.nulls += 1,
            _ => match value.list_len() {
                Some(len) => self.in_lists += len,
                None => self.scalars += 1,
            },
        }
    }

    /// Refuses more than a single-node server stores. The document and the URI of a record, `texts`, are
    /// stored like metadata.
    pub(crate) fn check(
        self,
        texts: usize,
        metadata: &Metadata,
        owner: impl Fn() -> String,
    ) -> Result<(), InvalidInput> {
        let (key, why) = if self.in_lists > MAX_ROWS {
            let len = |value: &MetadataValue| value.list_len();
            let longest = metadata.iter().max_by_key(|(_, value)| len(value));
            let (key, longest) = longest.map_or(("", 0), |(key, value)| {
                (key, len(value).unwrap_or_default())
            });
            let why = format!(
                "the lists of the record have {} values in total (this one {longest}); a single-node server stores \
                 at most {MAX_ROWS}, so store fewer, or split the record",
                self.in_lists
            );
            (key, why)
        } else if self.scalars + texts > MAX_ROWS {
            let why = format!(
                "it has {} keys; a single-node server stores at most {MAX_ROWS}, including one for a document and \
                 one for a URI, so store fewer, or split the record",
                self.scalars
            );
            ("", why)
        } else if self.nulls > MAX_NULLS {
            let why = format!(
                "it removes {} keys; a single-node server removes at most {MAX_NULLS} in a call, so remove them in \
                 several calls",
                self.nulls
            );
            ("", why)
        } else {
            return Ok(());
        };
        Err(InvalidInput::Metadata {
            of: owner(),
            key: key.to_owned(),
            why,
        })
    }
}

impl Metadata {
    /// Checks the metadata of a record. `owner` names the record in an error.
    pub(crate) fn check_record(&self, owner: impl Fn() -> String) -> Result<Rows, InvalidInput> {
        self.check(&owner, |key, _| {
            // The server accepts such a key. Then it leaves the key out of its responses, or returns the
            // value as the document.
            key.starts_with("chroma:").then_some(
                "keys that start with chroma: are reserved for the server; rename the key",
            )
        })
    }

    /// Checks the metadata of a collection.
    pub(crate) fn check_collection(&self) -> Result<(), InvalidInput> {
        use MetadataValue::{Bools, Floats, Ints, Null, SparseVector, Strings};

        self.check(&|| "the collection".to_owned(), |_, value| match value {
            // A single-node server closes the connection without a response.
            SparseVector(_) | Bools(_) | Ints(_) | Floats(_) | Strings(_) => Some(
                "the metadata of a collection cannot hold lists or sparse vectors; only that of records can",
            ),
            Null => Some("the metadata of a collection cannot hold nulls; leave the key out"),
            _ => None,
        })?;
        if self.len() <= MAX_ROWS {
            return Ok(());
        }
        Err(InvalidInput::Metadata {
            of: "the collection".to_owned(),
            key: String::new(),
            why: format!(
                "it has {} keys, and a single-node server stores at most {MAX_ROWS}; use fewer",
                self.len()
            ),
        })
    }

    fn check(
        &self,
        owner: &dyn Fn() -> String,
        check_entry: fn(&str, &MetadataValue) -> Option<&'static str>,
    ) -> Result<Rows, InvalidInput> {
        let mut rows = Rows::default();
        for (key, value) in self {
            rows.add(value);
            let why = key_problem(key)
                .map(Cow::Borrowed)
                .or_else(|| value.problem())
                .or_else(|| check_entry(key, value).map(Cow::Borrowed));
            if let Some(why) = why {
                return Err(InvalidInput::Metadata {
                    of: owner(),
                    key: key.to_owned(),
                    why: why.into_owned(),
                });
            }
            if let Some(value) = value.first_not_finite() {
                let of = format!("metadata {key:?} of {}", owner());
                return Err(InvalidInput::NotFinite { of, value });
            }
        }
        Ok(rows)
    }
}

fn key_problem(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("the key is empty")
    } else if key.starts_with(['#', '$']) {
        Some("a key must not start with # or $")
    } else {
        None
    }
}

/// The reason why an integer above [`i64::MAX`] is refused, in metadata and in filters.
pub(crate) fn too_large(value: u64) -> String {
    format!(
        "{value} is greater than {}, the largest integer that Chroma stores",
        i64::MAX
    )
}

impl MetadataValue {
    /// Returns the number of values of a list.
    fn list_len(&self) -> Option<usize> {
        match self {
            MetadataValue::Bools(values) => Some(values.len()),
            MetadataValue::Ints(values) => Some(values.len()),
            MetadataValue::Floats(values) => Some(values.len()),
            MetadataValue::Strings(values) => Some(values.len()),
            _ => None,
        }
    }

    /// Returns why the value cannot be stored. Floats are checked by
    /// [`first_not_finite`](MetadataValue::first_not_finite).
    fn problem(&self) -> Option<Cow<'static, str>> {
        let is_empty = match self {
            MetadataValue::SparseVector(vector) => return vector.problem().map(Cow::Borrowed),
            MetadataValue::TooLarge(value) => return Some(too_large(*value).into()),
            other => other.list_len() == Some(0),
        };
        is_empty.then_some(Cow::Borrowed(
            "an empty list cannot be stored; MetadataValue::Null removes the key",
        ))
    }

    fn first_not_finite(&self) -> Option<f64> {
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
    /// Returns why the sparse vector cannot be stored or searched for. Values that are not finite are checked
    /// elsewhere.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.indices.len() != self.values.len() {
            Some("a sparse vector must have as many values as indices")
        } else if !self.indices.is_sorted_by(|a, b| a < b) {
            Some("the indices of a sparse vector must be strictly ascending")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> String {
        "record \"1\"".to_owned()
    }

    #[test]
    fn metadata_that_can_be_stored_passes() {
        let metadata = Metadata::from([("k", 1.5)])
            .with("a$#chroma: \0", true)
            .with("tags", ["a"])
            .with("null", None::<i32>);
        assert!(metadata.check_record(owner).is_ok());
        let metadata = Metadata::from([("hnsw:space", "l2"), ("chroma:x", "y")]);
        assert_eq!(metadata.check_collection(), Ok(()));
    }

    #[test]
    fn errors_name_the_key() {
        let error = Metadata::from([("k", f64::NAN)]).check_record(owner);
        assert_eq!(
            error.unwrap_err().to_string(),
            "metadata \"k\" of record \"1\" contains NaN; use finite numbers only"
        );
        let error = Metadata::from([("$k", 1)]).check_record(owner);
        assert_eq!(
            error.unwrap_err().to_string(),
            "invalid metadata in record \"1\", key \"$k\": a key must not start with # or $"
        );
        for metadata in [
            Metadata::from([("k", u64::MAX)]),
            Metadata::from([("k", vec![1, u64::MAX])]),
        ] {
            let error = metadata.check_record(owner).unwrap_err();
            assert_eq!(
                error.to_string(),
                "invalid metadata in record \"1\", key \"k\": 18446744073709551615 is greater than \
                 9223372036854775807, the largest integer that Chroma stores"
            );
            assert!(metadata.check_collection().is_err());
        }
    }

    #[test]
    fn metadata_that_the_server_would_refuse_or_lose_is_an_error() {
        let sparse = |indices: &[u32], values: &[f32]| SparseVector::new(indices, values);
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
            assert!(metadata.check_record(owner).is_err(), "{metadata:?}");
        }
        for value in [vec![1_i64].into(), MetadataValue::Null] {
            let metadata = Metadata::from([("k", value)]);
            assert!(metadata.check_collection().is_err(), "{metadata:?}");
        }
    }
}
