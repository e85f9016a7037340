//! Writes request bodies straight into one buffer.

use std::collections::BTreeSet;
use std::ops::Range;

use base64_simd::STANDARD as BASE64;
use serde::Serialize;

use super::print;
use crate::model::filter::{Document, Parts};
use crate::model::json_len::json_len;
use crate::model::metadata::{MetadataValue, STAMP};
use crate::model::record::RecordRef;
use crate::model::records::Records;
use crate::model::results::Include;
use crate::model::search::{ReadLevel, Search};

/// The approximate length of a float as text: sign, zero, point, nine or ten digits and a comma.
pub(crate) const FLOAT_LEN: usize = 13;

/// The records of one request, and their vectors, which may come from an embedding function.
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a dyn Records,
    /// The vector of each row, if it has one.
    pub(crate) vectors: &'a [Option<&'a [f32]>],
    /// The rows of this request.
    pub(crate) range: Range<usize>,
    /// Whether metadata values may be null, which removes the key. `add` has no keys to remove.
    pub(crate) nulls: bool,
    /// The value of [`STAMP`] that the metadata of each record gets, if any.
    pub(crate) stamp: Option<Stamp>,
    /// Whether to send vectors as base64 of little-endian floats, which halves the bytes. Not all servers
    /// read it.
    pub(crate) base64: bool,
}

/// A time in the metadata of records that are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stamp {
    /// Microseconds since 1970.
    At(i64),
    /// The time of the [`Commit`].
    Later,
}

/// The place of a [`Stamp::Later`]. JSON escapes this byte, so it occurs nowhere else in a body.
const LATER: u8 = 0;

/// The size of a stamp in a request: key, quotes, number, colon and comma, and braces instead of a null.
pub(crate) const STAMP_LEN: usize = STAMP.len() + 24;

/// Returns the approximate size of a record in a request, in bytes, without a stamp.
pub(crate) fn size(row: RecordRef<'_>, vector: Option<&[f32]>, base64: bool) -> usize {
    /// Quotes, commas and nulls.
    const AROUND: usize = 32;
    let text = |text: Option<&str>| text.map_or(0, json_len);
    let vector = vector.map_or(0, |vector| {
        if base64 {
            BASE64.encoded_length(size_of_val(vector))
        } else {
            vector.len() * FLOAT_LEN
        }
    });
    json_len(row.id)
        + text(row.document)
        + text(row.uri)
        + row.metadata.json_len()
        + vector
        + AROUND
}

impl<'a> Batch<'a> {
    /// Appends `{"ids":[…],"embeddings":[…],"documents":[…],"metadatas":[…],"uris":[…]}`. A column without
    /// any value is left out, so that an update leaves it unchanged.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"{\"ids\":");
        self.column(to, |to, row, _| json(to, row.id));
        if self.vectors[self.range.clone()].iter().any(Option::is_some) {
            to.extend_from_slice(b",\"embeddings\":");
            self.column(to, |to, _, index| match self.vectors[index] {
                Some(vector) if self.base64 => base64(to, vector),
                Some(vector) => floats(to, vector),
                None => null(to),
            });
        }
        self.optional(to, "documents", |row| row.document);
        self.metadatas(to);
        self.optional(to, "uris", |row| row.uri);
        to.push(b'}');
    }

    /// Appends the metadata of all rows, if any row has an entry.
    fn metadatas(&self, to: &mut Vec<u8>) {
        let is_sent = |value: &MetadataValue| self.nulls || !value.is_null();
        let has_entry = |row: RecordRef<'_>| {
            self.stamp.is_some() || row.metadata.iter().any(|(_, value)| is_sent(value))
        };
        let mut rows = self.range.clone().map(|index| self.rows.record(index));
        if !rows.any(has_entry) {
            return;
        }
        key(to, "metadatas");
        self.column(to, |to, row, _| {
            if !has_entry(row) {
                return null(to);
            }
            to.push(b'{');
            for (key, value) in row.metadata {
                if is_sent(value) {
                    member(to, key, value);
                }
            }
            match self.stamp {
                Some(Stamp::At(time)) => member(to, STAMP, &time),
                Some(Stamp::Later) => {
                    key(to, STAMP);
                    to.push(LATER);
                }
                None => {}
            }
            to.push(b'}');
        });
    }

    /// Appends a list with an entry for each row.
    fn column(&self, to: &mut Vec<u8>, mut entry: impl FnMut(&mut Vec<u8>, RecordRef<'_>, usize)) {
        list(to, self.range.clone(), |to, index| {
            entry(to, self.rows.record(index), index);
        });
    }

    /// Appends a member whose list has a value or null for each row, if any row has a value.
    fn optional<T: Serialize>(
        &self,
        to: &mut Vec<u8>,
        name: &str,
        value: impl Fn(RecordRef<'a>) -> Option<T>,
    ) {
        let rows: &'a dyn Records = self.rows;
        if self
            .range
            .clone()
            .any(|index| value(rows.record(index)).is_some())
        {
            key(to, name);
            self.column(to, |to, _, index| match value(rows.record(index)) {
                Some(value) => json(to, &value),
                None => null(to),
            });
        }
    }
}

/// The limit and offset of a read or a delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<usize>,
    pub(crate) offset: Option<usize>,
}

impl Page {
    /// Whether there is a limit or an offset.
    pub(crate) fn is_set(&self) -> bool {
        self.limit.is_some() || self.offset.is_some()
    }
}

/// Returns `{"ids":[…],"where":…,"where_document":…,"limit":…,"offset":…,"include":[…]}`, for `get` and
/// `delete`. `delete` has no `include`.
pub(crate) fn selection(parts: &Parts, page: &Page, include: Option<&[Include]>) -> Vec<u8> {
    let mut to = vec![b'{'];
    filter(&mut to, parts);
    if let Some(limit) = page.limit {
        member(&mut to, "limit", &limit);
    }
    if let Some(offset) = page.offset {
        member(&mut to, "offset", &offset);
    }
    if let Some(include) = include {
        included(&mut to, include, &[]);
    }
    to.push(b'}');
    to
}

/// Adds `"read_token":…` to a body of [`selection`], if the transaction has one already.
pub(crate) fn with_read_token(mut body: Vec<u8>, read_token: Option<u64>) -> Vec<u8> {
    if let Some(token) = read_token {
        body.pop();
        member(&mut body, "read_token", &token);
        body.push(b'}');
    }
    body
}

/// The commit of a transaction.
pub(crate) struct Commit<'a> {
    pub(crate) read_token: Option<u64>,
    pub(crate) read_ids: &'a BTreeSet<String>,
    /// JSON objects, separated by commas.
    pub(crate) operations: &'a [u8],
    /// The time that replaces each [`Stamp::Later`].
    pub(crate) stamp: i64,
}

impl Commit<'_> {
    /// Returns `{"read_token":…,"read_ids":[…],"operations":[{"operation":"upsert","payload":{…}},…]}`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(self.operations.len() + 256);
        to.push(b'{');
        member(&mut to, "read_token", &self.read_token);
        member(&mut to, "read_ids", self.read_ids);
        key(&mut to, "operations");
        to.push(b'[');
        let stamp = self.stamp.to_string();
        let parts = self.operations.split(|byte| *byte == LATER);
        for (index, part) in parts.enumerate() {
            if index > 0 {
                to.extend_from_slice(stamp.as_bytes());
            }
            to.extend_from_slice(part);
        }
        to.extend_from_slice(b"]}");
        to
    }
}

/// The options of a query.
pub(crate) struct Query<'a> {
    pub(crate) n_results: usize,
    pub(crate) include: &'a [Include],
}

impl Query<'_> {
    /// Returns
    /// `{"ids":[…],"where":…,"where_document":…,"query_embeddings":[[…]],"n_results":…,"include":[…]}`.
    pub(crate) fn body(&self, vectors: &[&[f32]], parts: &Parts) -> Vec<u8> {
        let mut to = vec![b'{'];
        filter(&mut to, parts);
        // No server reads base64 in a query.
        key(&mut to, "query_embeddings");
        list(&mut to, vectors.iter().copied(), floats);
        member(&mut to, "n_results", &self.n_results);
        included(&mut to, self.include, &["distances"]);
        to.push(b'}');
        to
    }
}

/// Returns `{"searches":[…],"read_level":"index_only"}`.
pub(crate) fn search(searches: &[Search], read_level: Option<ReadLevel>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a> {
        searches: &'a [Search],
        #[serde(skip_serializing_if = "Option::is_none")]
        read_level: Option<ReadLevel>,
    }

    let mut to = Vec::new();
    json(
        &mut to,
        &Request {
            searches,
            read_level,
        },
    );
    to
}

fn filter(to: &mut Vec<u8>, parts: &Parts) {
    if let Some(ids) = &parts.ids {
        member(to, "ids", ids);
    }
    if let Some(filter) = &parts.fields {
        member(to, "where", filter);
    }
    if let Some(filter) = &parts.documents {
        member(to, "where_document", &Document(filter));
    }
}

fn included(to: &mut Vec<u8>, include: &[Include], always: &[&str]) {
    key(to, "include");
    let mut names: Vec<_> = include.iter().map(|include| include.name()).collect();
    names.extend_from_slice(always);
    json(to, &names);
}

/// Appends `,"name":`, without the comma at the start of an object.
pub(super) fn key(to: &mut Vec<u8>, name: &str) {
    if to.last() != Some(&b'{') {
        to.push(b',');
    }
    json(to, name);
    to.push(b':');
}

pub(super) fn member<T: Serialize + ?Sized>(to: &mut Vec<u8>, name: &str, value: &T) {
    key(to, name);
    json(to, value);
}

fn list<T>(
    to: &mut Vec<u8>,
    entries: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    to.push(b'[');
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            to.push(b',');
        }
        write(to, entry);
    }
    to.push(b']');
}

/// Appends JSON. Cannot fail: the crate's own types have no map keys other than strings, and no I/O is done.
fn json<T: Serialize + ?Sized>(to: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(to, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

fn null(to: &mut Vec<u8>) {
    to.extend_from_slice(b"null");
}

/// Appends a list of finite floats, which survive the round trip exactly.
pub(super) fn floats(to: &mut Vec<u8>, vector: &[f32]) {
    to.reserve(vector.len() * FLOAT_LEN);
    list(to, vector.iter(), |to, float| print::float(to, *float));
}

/// Appends a string: the little-endian bytes in base64, with the standard alphabet and padding.
fn base64(to: &mut Vec<u8>, vector: &[f32]) {
    /// Floats per chunk: 768 bytes, a multiple of 3, so that only the last chunk may be padded.
    const FLOATS: usize = 192;

    to.push(b'"');
    let mut bytes = [0; FLOATS * 4];
    for floats in vector.chunks(FLOATS) {
        let bytes = &mut bytes[..floats.len() * 4];
        for (to, float) in bytes.chunks_exact_mut(4).zip(floats) {
            to.copy_from_slice(&float.to_le_bytes());
        }
        BASE64.encode_append(&*bytes, to);
    }
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Key;
    use crate::model::record::{AsRecord, Record};

    fn body(rows: &[Record], range: Range<usize>, base64: bool) -> String {
        let rows = rows.to_vec();
        let vectors: Vec<_> = rows.iter().map(|row| row.embedding.as_deref()).collect();
        let mut to = Vec::new();
        Batch {
            rows: &rows,
            vectors: &vectors,
            range,
            nulls: base64,
            stamp: None,
            base64,
        }
        .write(&mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn columns_without_values_are_left_out() {
        let rows = [
            Record::new("\"a\"").embedding([1.0, -0.5]),
            Record::new("b").document("x\ny").metadata("k", 1),
        ];
        assert_eq!(
            body(&rows, 0..1, false),
            r#"{"ids":["\"a\""],"embeddings":[[1.0,-0.5]]}"#
        );
        assert_eq!(
            body(&rows, 0..2, false),
            r#"{"ids":["\"a\"","b"],"embeddings":[[1.0,-0.5],null],"documents":[null,"x\ny"],"metadatas":[null,{"k":1}]}"#
        );
        assert_eq!(body(&rows, 2..2, true), r#"{"ids":[]}"#);
    }

    #[test]
    fn metadata_nulls_are_written_only_if_allowed() {
        let rows = [
            Record::new("a").metadata("k", 1).remove_metadata("x"),
            Record::new("b").remove_metadata("x"),
        ];
        let body = |nulls| {
            let mut to = Vec::new();
            Batch {
                rows: &rows.to_vec(),
                vectors: &[None, None],
                range: 0..2,
                nulls,
                stamp: None,
                base64: true,
            }
            .write(&mut to);
            String::from_utf8(to).unwrap()
        };
        assert_eq!(
            body(true),
            r#"{"ids":["a","b"],"metadatas":[{"k":1,"x":null},{"x":null}]}"#
        );
        assert_eq!(
            body(false),
            r#"{"ids":["a","b"],"metadatas":[{"k":1},null]}"#
        );
    }

    #[test]
    fn stamps_are_in_the_metadata_of_each_record_and_in_the_size() {
        let rows = vec![
            Record::new("a").metadata("k", 1).remove_metadata("x"),
            Record::new("b"),
        ];
        let write = |nulls, stamp| {
            let mut to = Vec::new();
            Batch {
                rows: &rows,
                vectors: &[None, None],
                range: 0..2,
                nulls,
                stamp: Some(stamp),
                base64: true,
            }
            .write(&mut to);
            to
        };
        let time = Stamp::At(1_764_600_000_000_000);
        let expected = format!(
            r#"{{"ids":["a","b"],"metadatas":[{{"k":1,"{STAMP}":1764600000000000}},{{"{STAMP}":1764600000000000}}]}}"#
        );
        assert_eq!(String::from_utf8(write(false, time)).unwrap(), expected);
        let with_nulls = write(true, time);
        let nulls = expected.replace("\"k\":1", "\"k\":1,\"x\":null");
        assert_eq!(String::from_utf8(with_nulls.clone()).unwrap(), nulls);
        let size = |row: &Record| size(row.as_record(), None, true) + STAMP_LEN;
        assert!(with_nulls.len() <= rows.iter().map(size).sum());

        // A value that looks like the place of a stamp stays.
        let record = vec![Record::new("c").metadata("k", "\0")];
        let mut operations = write(false, Stamp::Later);
        operations.push(b',');
        Batch {
            rows: &record,
            vectors: &[None],
            range: 0..1,
            nulls: false,
            stamp: None,
            base64: true,
        }
        .write(&mut operations);
        let commit = Commit {
            read_token: None,
            read_ids: &BTreeSet::new(),
            operations: &operations,
            stamp: 1_764_600_000_000_000,
        };
        let other = r#"{"ids":["c"],"metadatas":[{"k":"\u0000"}]}"#;
        assert_eq!(
            String::from_utf8(commit.body()).unwrap(),
            format!(r#"{{"read_token":null,"read_ids":[],"operations":[{expected},{other}]}}"#)
        );
    }

    #[test]
    fn base64_holds_little_endian_floats() {
        let row =
            |n: usize| Record::new("a").embedding((0..n).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(
            body(&[row(3)], 0..1, true),
            r#"{"ids":["a"],"embeddings":["AAAAAAAAgD8AAABA"]}"#
        );
        for n in [1, 2, 191, 192, 193, 768, 1000] {
            let body = body(&[row(n)], 0..1, true);
            let text = body.split('"').nth(7).unwrap();
            let bytes = BASE64.decode_to_vec(text).unwrap();
            let floats: Vec<_> = bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            assert_eq!(floats, row(n).embedding.unwrap(), "{n}");
        }
    }

    #[test]
    fn get_and_query_bodies_have_the_names_that_chroma_expects() {
        let parts = (Key::field("a").eq(1) & Key::document().contains("x") & Key::id().eq("1"))
            .split(&|_| true)
            .unwrap();
        let page = Page {
            limit: Some(5),
            offset: None,
        };
        assert_eq!(
            String::from_utf8(selection(&parts, &page, Some(&[Include::Documents]))).unwrap(),
            r#"{"ids":["1"],"where":{"a":{"$eq":1}},"where_document":{"$contains":"x"},"limit":5,"include":["documents"]}"#
        );
        let query = Query {
            n_results: 3,
            include: &[],
        };
        let body = query.body(&[&[0.25, -1.0]], &Parts::default());
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"query_embeddings":[[0.25,-1.0]],"n_results":3,"include":["distances"]}"#
        );
    }

    #[test]
    fn read_level_is_written_if_set() {
        let text = |read_level| String::from_utf8(search(&[], read_level)).unwrap();
        assert_eq!(text(None), r#"{"searches":[]}"#);
        for (read_level, name) in [
            (ReadLevel::IndexAndWal, "index_and_wal"),
            (ReadLevel::IndexOnly, "index_only"),
            (ReadLevel::IndexAndBoundedWal, "index_and_bounded_wal"),
        ] {
            let expected = format!(r#"{{"searches":[],"read_level":"{name}"}}"#);
            assert_eq!(text(Some(read_level)), expected);
        }
    }
}
