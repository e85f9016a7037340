//! [`Cursor`]: an answer in JSON, read member by member. Vectors go through a parser of their own (`float`), everything
//! else through `serde_json`.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::float;

/// A place in an answer. Every error says at which byte.
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads an object that is the whole of `text`; `member` is given each key, and reads or [skips](Cursor::skip) its
    /// value. A key that comes again is given again.
    pub(crate) fn object(
        text: &'a [u8],
        member: impl FnMut(&mut Cursor<'a>, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.members(member)?;
        cursor.end()
    }

    /// Reads an object inside of another value, as [`object`](Cursor::object) reads the outermost.
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Cursor<'a>, &str) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let key: String = self.value()?;
            self.expect(b':')?;
            member(self, &key)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Reads a list; `entry` reads each of its entries.
    #[inline]
    pub(crate) fn list<T>(
        &mut self,
        mut entry: impl FnMut(&mut Cursor<'a>) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut entries = Vec::new();
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(entries);
        }
        loop {
            entries.push(entry(self)?);
            if !self.more(b']')? {
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

    /// Reads a vector that is the whole of `text`.
    #[cfg(feature = "csv")]
    pub(crate) fn vector(text: &'a [u8]) -> Result<Vec<f32>, String> {
        let mut cursor = Cursor { text, at: 0 };
        let mut floats = Vec::new();
        cursor.floats(&mut floats)?;
        cursor.end().map(|()| floats)
    }

    /// Reads a vector onto the end of `to`, and says how many floats it has.
    pub(crate) fn floats(&mut self, to: &mut Vec<f32>) -> Result<usize, String> {
        let before = to.len();
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(0);
        }
        loop {
            while let Some((value, comma)) = float::common(self.text, self.at) {
                to.push(value);
                self.at = comma + 1;
            }
            to.push(self.float()?);
            if !self.more(b']')? {
                return Ok(to.len() - before);
            }
        }
    }

    /// Reads a number that is finite as a float.
    pub(crate) fn float(&mut self) -> Result<f32, String> {
        self.peek();
        match float::read(&self.text[self.at..]) {
            None => Err(self.fault("a number was expected")),
            Some((value, _)) if !value.is_finite() => {
                Err(self.fault("a number too large for a float"))
            }
            Some((value, len)) => {
                self.at += len;
                Ok(value)
            }
        }
    }

    /// That nothing is left but white space.
    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("something behind the end")),
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.text.len() - self.at
    }

    /// Reads any other value.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, String> {
        let text = &self.text[self.at..];
        let mut values = serde_json::Deserializer::from_slice(text).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            Some(Err(error)) => {
                // Its place is counted from here, and by lines.
                let place = format!(" at line {} column {}", error.line(), error.column());
                let lines = text.split_inclusive(|byte| *byte == b'\n');
                let before: usize = lines.take(error.line().max(1) - 1).map(<[u8]>::len).sum();
                self.at += before + error.column().saturating_sub(1);
                Err(self.fault(error.to_string().replace(&place, "")))
            }
            None => Err(self.fault("it ends too early")),
        }
    }

    /// Passes over a value. Of its texts `serde_json` looks only for the end, not whether they are UTF-8.
    pub(crate) fn skip(&mut self) -> Result<(), String> {
        self.value::<IgnoredAny>().map(drop)
    }

    /// Passes over a value like [`skip`](Cursor::skip), and gives its JSON.
    pub(crate) fn json(&mut self) -> Result<&'a [u8], String> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// What is wrong, and where.
    pub(crate) fn fault(&self, what: impl Display) -> String {
        format!("{what} at byte {}", self.at)
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Whether this is the next byte; then it is behind.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), String> {
        match self.takes(byte) {
            true => Ok(()),
            false if self.at >= self.text.len() => Err(self.fault("it ends too early")),
            false => Err(self.fault(format_args!("{:?} was expected", char::from(byte)))),
        }
    }

    /// Behind an entry: whether another one comes, or the end.
    #[inline]
    fn more(&mut self, end: u8) -> Result<bool, String> {
        if self.takes(b',') {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::{hits, read};

    /// An answer with everything that answers have.
    const GET: &str = r#" {"ids":["a","b\"\u00e9"],"embeddings":[[1.0,-2.5e-3],[3,4E0]] ,"documents":["x",null],
        "uris":null,"metadatas":[null,{"k":[1,2],"t":true}],"include":["documents"],"new":{"field":[1,{}]},"read_token":7} "#;
    const QUERY: &str = r#"{"ids":[["a","b"],[]],"distances":[[0.5,null],[]],"documents":[["x",null],[]],
        "metadatas":null,"embeddings":[[[1.0],null],[]],"uris":null,"include":[]}"#;

    #[test]
    fn an_answer_that_is_cut_short_is_an_error_wherever_it_is_cut() {
        for (whole, read) in [
            (GET, (|bytes| read::get(bytes).is_ok()) as fn(&[u8]) -> bool),
            (QUERY, |bytes| hits::query(bytes, 2).is_ok()),
        ] {
            assert!(read(whole.as_bytes()));
            let text = whole.trim_end();
            for end in 0..text.len() {
                assert!(!read(&text.as_bytes()[..end]), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn what_is_no_json_is_refused_whichever_byte_is_wrong() {
        for (whole, read) in [
            (GET, (|bytes| read::get(bytes).is_ok()) as fn(&[u8]) -> bool),
            (QUERY, |bytes| hits::query(bytes, 2).is_ok()),
        ] {
            let mut bytes = whole.as_bytes().to_vec();
            for at in 0..bytes.len() {
                let right = bytes[at];
                for wrong in 0..0x80 {
                    bytes[at] = wrong;
                    let valid = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
                    // What is JSON may still lack a column or have a text for a number.
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
    fn deep_nesting_is_refused_where_it_is_read_and_passed_over_where_not() {
        let deep = "[".repeat(200_000);
        for key in ["ids", "embeddings", "documents", "metadatas", "other"] {
            let text = format!("{{\"{key}\":{deep}");
            assert!(read::get(text.as_bytes()).is_err(), "{key}");
            assert!(hits::query(text.as_bytes(), 1).is_err(), "{key}");
        }
        let closed = format!("{deep}{}", "]".repeat(200_000));
        let text = format!("{{\"other\":{closed},\"ids\":[]}}");
        assert!(read::get(text.as_bytes()).is_ok());
    }

    #[test]
    fn errors_say_at_which_byte() {
        for (text, error) in [
            (
                r#"{"ids":["a"],"embeddings":[[1.0,x]]}"#,
                "a number was expected at byte 32",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1e39]]}"#,
                "a number too large for a float at byte 28",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1 2]]}"#,
                "']' was expected at byte 30",
            ),
            (
                r#"{"ids":["a"],"embeddings":[[1"#,
                "it ends too early at byte 29",
            ),
            (r#"{"ids":["a"]}{"#, "something behind the end at byte 13"),
            (r#"["ids"]"#, "'{' was expected at byte 0"),
        ] {
            let found = read::get(text.as_bytes()).unwrap_err();
            assert!(found.starts_with(error), "{found}");
        }
        let found = read::get(b"{\"ids\":[\n1]}").unwrap_err();
        assert!(found.contains("expected a string at byte 9"), "{found}");
    }
}
