//! [`Each`]: reads the entries of a column, one after the other, within a budget.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use crate::model::budget::Budget;
use crate::model::metadata::{Metadata, Nullable, Reading};

/// A kind of entry.
pub(super) trait Entry {
    type Value;

    /// Reads the next entry of a list.
    fn next<'de, A: SeqAccess<'de>>(
        reading: &mut Reading,
        list: &mut A,
    ) -> Result<Option<Self::Value>, A::Error>;
}

/// An id.
pub(super) struct Id;

impl Entry for Id {
    type Value = String;

    fn next<'de, A: SeqAccess<'de>>(
        reading: &mut Reading,
        list: &mut A,
    ) -> Result<Option<String>, A::Error> {
        list.next_element_seed(Text(&mut reading.budget))
    }
}

/// A text, or null.
pub(super) struct NullableText;

impl Entry for NullableText {
    type Value = Option<String>;

    fn next<'de, A: SeqAccess<'de>>(
        reading: &mut Reading,
        list: &mut A,
    ) -> Result<Option<Option<String>>, A::Error> {
        list.next_element_seed(Nullable(Text(&mut reading.budget)))
    }
}

/// Metadata. Null stands for a record without any.
pub(super) struct NullableMetadata;

impl Entry for NullableMetadata {
    type Value = Metadata;

    fn next<'de, A: SeqAccess<'de>>(
        reading: &mut Reading,
        list: &mut A,
    ) -> Result<Option<Metadata>, A::Error> {
        let row = list.next_element_seed(Nullable(reading))?;
        Ok(row.map(Option::unwrap_or_default))
    }
}

/// Reads a list, and gives each entry to a function.
pub(super) struct Each<'r, E, F> {
    reading: &'r mut Reading,
    accept: F,
    entry: PhantomData<E>,
}

impl<'r, E, F> Each<'r, E, F>
where
    E: Entry,
    F: FnMut(E::Value, &mut Budget) -> Result<(), String>,
{
    pub(super) fn new(reading: &'r mut Reading, accept: F) -> Each<'r, E, F> {
        Each {
            reading,
            accept,
            entry: PhantomData,
        }
    }
}

impl<'de, E, F> DeserializeSeed<'de> for Each<'_, E, F>
where
    E: Entry,
    F: FnMut(E::Value, &mut Budget) -> Result<(), String>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, E, F> Visitor<'de> for Each<'_, E, F>
where
    E: Entry,
    F: FnMut(E::Value, &mut Budget) -> Result<(), String>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = E::next(self.reading, &mut list)? {
            (self.accept)(value, &mut self.reading.budget).map_err(de::Error::custom)?;
        }
        Ok(())
    }
}

/// Fails if a server has returned far more records than `max`. `Requested` checks the exact number later, and
/// names a record.
pub(super) fn check_count(found: usize, max: usize) -> Result<(), String> {
    const TOLERANCE: usize = 100;

    if found.saturating_sub(TOLERANCE) < max {
        return Ok(());
    }
    Err(format!(
        "the server returned more than {found} records; the request allows at most {max}"
    ))
}

/// Reads a text.
struct Text<'a>(&'a mut Budget);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        self.0.take_block(text.len()).map_err(E::custom)?;
        Ok(text.to_owned())
    }
}
