//! [`Cursor`]: reads a JSON response member by member. Floats go through the parser in `float`, everything
//! else through `serde_json`.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};

use super::column::{Each, Entry, check_count};
use super::float;
use crate::model::budget::Budget;
use crate::model::metadata::Reading;

/// A position in a response. Every error names the byte offset.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte of a text.
    #[cfg(feature = "functions")]
    pub(crate) fn new(text: &'a [u8]) -> Cursor<'a> {
        Cursor { text, at: 0 }
    }

    /// Reads a text that consists of one object. Calls `member` with each key; `member` must read or
    /// [skip](Cursor::skip) the value. Duplicate keys are passed on.
    pub(crate) fn object(
        text: &'a [u8],
        member: impl FnMut(&mut Cursor<'a>, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.members(member)?;
        cursor.end()
    }

    /// Reads a text that consists of one list. Stops if it has far more than `max` entries.
    pub(super) fn whole_list<T: Deserialize<'a>>(
        text: &'a [u8],
        max: usize,
    ) -> Result<Vec<T>, String> {
        let mut cursor = Cursor { text, at: 0 };
        let mut found = 0;
        let list = cursor.list(|at| {
            check_count(found, max)?;
            found += 1;
            at.value()
        })?;
        cursor.end().map(|()| list)
    }

    /// Reads a nested object, as [`object`](Cursor::object) reads the outermost one.
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Cursor<'a>, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(b'{')?;
        if self.consume(b'}') {
            return Ok(());
        }
        loop {
            let key: String = self.value()?;
            self.expect(b':')?;
            member(self, &key)?;
            if !self.next_entry(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads a list. `entry` reads one entry.
    #[inline]
    pub(crate) fn list<T>(
        &mut self,
        mut entry: impl FnMut(&mut Cursor<'a>) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut entries = Vec::new();
        self.expect(b'[')?;
        if self.consume(b']') {
            return Ok(entries);
        }
        loop {
            entries.push(entry(self)?);
            if !self.next_entry(b']')? {
                return Ok(entries);
            }
        }
    }

    /// Reads `null` as `None`, and anything else with `read`.
    pub(crate) fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self.peek() {
            Some(b'n') => self.value::<()>().map(|()| None),
            _ => read(self).map(Some),
        }
    }

    /// Reads a text that consists of one vector.
    #[cfg(feature = "csv")]
    pub(crate) fn vector(text: &'a [u8]) -> Result<Vec<f32>, String> {
        let mut cursor = Cursor { text, at: 0 };
        let mut floats = Vec::new();
        cursor.floats(&mut floats)?;
        cursor.end().map(|()| floats)
    }

    /// Appends a vector to `to`, and returns its number of floats.
    pub(crate) fn floats(&mut self, to: &mut Vec<f32>) -> Result<usize, String> {
        let before = to.len();
        self.expect(b'[')?;
        if self.consume(b']') {
            return Ok(0);
        }
        loop {
            while let Some((value, comma)) = float::read_common(self.text, self.at) {
                to.push(value);
                self.at = comma + 1;
            }
            to.push(self.float()?);
            if !self.next_entry(b']')? {
                return Ok(to.len() - before);
            }
        }
    }

    /// Reads a number that is a finite `f32`.
    pub(crate) fn float(&mut self) -> Result<f32, String> {
        self.peek();
        match float::read(&self.text[self.at..]) {
            None => Err(self.error("expected a number")),
            Some((value, _)) if !value.is_finite() => {
                Err(self.error("a number too large for a float"))
            }
            Some((value, len)) => {
                self.at += len;
                Ok(value)
            }
        }
    }

    /// Checks that only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("unexpected data after the end")),
        }
    }

    /// Returns the number of bytes that are left.
    pub(super) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    /// Reads any value, with `serde_json`.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, String> {
        let text = &self.text[self.at..];
        let mut values = serde_json::Deserializer::from_slice(text).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            Some(Err(error)) => Err(self.misread(text, &error)),
            None => Err(self.error("unexpected end of the data")),
        }
    }

    /// Reads a list with `serde_json`, and gives each entry to a function.
    pub(super) fn each<E: Entry>(
        &mut self,
        reading: &mut Reading,
        accept: impl FnMut(E::Value, &mut Budget) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.peek().is_none() {
            return Err(self.error("unexpected end of the data"));
        }
        let text = &self.text[self.at..];
        let mut from = serde_json::Deserializer::from_slice(text);
        match Each::<E, _>::new(reading, accept).deserialize(&mut from) {
            Ok(()) => {
                self.at += from.into_iter::<IgnoredAny>().byte_offset();
                Ok(())
            }
            Err(error) => Err(self.misread(text, &error)),
        }
    }

    /// Returns a list for the texts of the JSON list that starts here. In a long response, it is large enough
    /// for them: while a list grows, both the old and the new one may take memory.
    pub(super) fn room_for_texts<T>(&self, few: usize, budget: &Budget) -> Vec<T> {
        const LONG: usize = 1 << 20;

        let mut list = Vec::new();
        let count = if self.remaining() < LONG {
            few
        } else {
            self.count_texts().min(budget.left() / size_of::<T>())
        };
        // An error means too little memory. The list then grows while it is read.
        let _ = list.try_reserve_exact(count);
        list
    }

    /// Counts the texts up to the end of a list.
    fn count_texts(&self) -> usize {
        let mut bytes = self.text[self.at..].iter();
        let mut texts = 0;
        loop {
            match bytes.next() {
                Some(b'"') => texts += 1,
                Some(b']') | None => return texts,
                _ => continue,
            }
            loop {
                match bytes.next() {
                    Some(b'\\') => drop(bytes.next()),
                    Some(b'"') | None => break,
                    _ => {}
                }
            }
        }
    }

    /// Returns the message of an error of `serde_json`, which counts lines and columns from the start of
    /// `text`, with the byte offset.
    fn misread(&mut self, text: &[u8], error: &serde_json::Error) -> String {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let before: usize = lines.take(error.line().max(1) - 1).map(<[u8]>::len).sum();
        self.at += before + error.column().saturating_sub(1);
        self.error(error.to_string().replace(&place, ""))
    }

    /// Skips a value. `serde_json` does not check skipped strings for valid UTF-8.
    pub(crate) fn skip(&mut self) -> Result<(), String> {
        self.value::<IgnoredAny>().map(drop)
    }

    /// [Skips](Cursor::skip) a value, and returns its JSON.
    pub(crate) fn json(&mut self) -> Result<&'a [u8], String> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Returns an error message that ends with the byte offset.
    pub(super) fn error(&self, what: impl Display) -> String {
        format!("{what} at byte {}", self.at)
    }

    /// Skips white space, and returns the next byte without consuming it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Consumes the next byte if it is `byte`, and returns whether it was.
    #[inline]
    fn consume(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Consumes the next byte, which must be `byte`.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.consume(byte) {
            Ok(())
        } else if self.at >= self.text.len() {
            Err(self.error("unexpected end of the data"))
        } else {
            Err(self.error(format_args!("expected {:?}", char::from(byte))))
        }
    }

    /// Consumes a comma or `end` after an entry. Returns whether another entry follows.
    #[inline]
    fn next_entry(&mut self, end: u8) -> Result<bool, String> {
        if self.consume(b',') {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::requested::Requested;
    use crate::wire::{hits, read};

    /// A response with every column.
    const GET: &str = r#" {"ids":["a","b\"\u00e9"],"embeddings":[[1.0,-2.5e-3],[3,4E0]] ,"documents":["x",null],
        "uris":null,"metadatas":[null,{"k":[1,2],"t":true}],"include":["documents"],"new":{"field":[1,{}]},"read_token":7} "#;
    const QUERY: &str = r#"{"ids":[["a","b"],[]],"distances":[[0.5,null],[]],"documents":[["x",null],[]],
        "metadatas":null,"embeddings":[[[1.0],null],[]],"uris":null,"include":[]}"#;

    #[test]
    fn truncated_answers_are_errors() {
        for (whole, read) in [
            (
                GET,
                (|bytes| read::get(bytes, &Requested::default()).is_ok()) as fn(&[u8]) -> bool,
            ),
            (QUERY, |bytes| {
                hits::query(bytes, 2, &Requested::default()).is_ok()
            }),
        ] {
            assert!(read(whole.as_bytes()));
            let text = whole.trim_end();
            for end in 0..text.len() {
                assert!(!read(&text.as_bytes()[..end]), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn invalid_json_is_an_error_wherever_the_wrong_byte_is() {
        for (whole, read) in [
            (
                GET,
                (|bytes| read::get(bytes, &Requested::default()).is_ok()) as fn(&[u8]) -> bool,
            ),
            (QUERY, |bytes| {
                hits::query(bytes, 2, &Requested::default()).is_ok()
            }),
        ] {
            let mut bytes = whole.as_bytes().to_vec();
            for at in 0..bytes.len() {
                let right = bytes[at];
                for wrong in 0..0x80 {
                    bytes[at] = wrong;
                    let valid = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
                    // Valid JSON may still be refused, for a missing column or a wrong type.
                    assert!(
                        valid || !read(&bytes),
                        "{}",
                        String::from_utf8_lossy(&bytes)
                    );
                }
                bytes[at] = right;
            }
        }
    }

    #[test]
    fn deep_nesting_is_an_error_in_known_members_and_skipped_in_others() {
        let deep = "[".repeat(200_000);
        for key in ["ids", "embeddings", "documents", "metadatas", "other"] {
            let text = format!("{{\"{key}\":{deep}");
            assert!(
                read::get(text.as_bytes(), &Requested::default()).is_err(),
                "{key}"
            );
            assert!(
                hits::query(text.as_bytes(), 1, &Requested::default()).is_err(),
                "{key}"
            );
        }
        let closed = format!("{deep}{}", "]".repeat(200_000));
        let text = format!("{{\"other\":{closed},\"ids\":[]}}");
        assert!(read::get(text.as_bytes(), &Requested::default()).is_ok());
    }

    #[test]
    fn errors_name_the_byte_offset() {
        for (text, error) in [
            (
                r#"{"ids":["a"],"embeddings":[[1.0,x]]}"#,
                "expected a number at byte 32",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1e39]]}"#,
                "a number too large for a float at byte 28",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1 2]]}"#,
                "expected ']' at byte 30",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1"#,
                "unexpected end of the data at byte 29",
            ),
            (
                r#"{"ids":["a"]}{"#,
                "unexpected data after the end at byte 13",
            ),
            (r#"["ids"]"#, "expected '{' at byte 0"),
        ] {
            let found = read::get(text.as_bytes(), &Requested::default()).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
        let found = read::get(b"{\"ids\":[\n1]}", &Requested::default()).unwrap_err();
        assert!(found.contains("expected a string at byte 9"), "{found}");
    }
}
