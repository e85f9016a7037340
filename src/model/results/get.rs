//! [`GetResult`]: records by column, and iterators over them.

use std::collections::HashSet;

use crate::model::embeddings::{DimensionMismatch, Embeddings};
use crate::model::metadata::{Metadata, NO_METADATA};
use crate::model::record::{Record, RecordRef};
use crate::model::results::include::Include;

/// The records that a [`get`](crate::Collection::get) found, by column. To read them one by one, use
/// [`iter`](GetResult::iter), [`get`](GetResult::get) or a `for` loop.
///
/// A column that was not requested is `None`. Every other column has an entry for each id.
///
/// ```no_run
/// # let client = chroma_blocking::Client::from_env()?;
/// # let notes = client.collection("notes").get()?;
/// let found = notes.get().ids(["1", "2"]).run()?;
/// for record in &found {
///     let document = record.document.unwrap_or_default();
///     println!("{}: {document}", record.id);
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct GetResult {
    /// The ids.
    pub ids: Vec<String>,
    /// The document of each id; `None` for a record without one.
    pub documents: Option<Vec<Option<String>>>,
    /// The vector of each id.
    pub embeddings: Option<Embeddings>,
    /// The metadata of each id; empty for a record without any.
    pub metadatas: Option<Vec<Metadata>>,
    /// The URI of each id; `None` for a record without one.
    pub uris: Option<Vec<Option<String>>>,
}

impl GetResult {
    /// Returns a result without records, with the columns that were asked for.
    pub(crate) fn empty(include: &[Include]) -> GetResult {
        let has = |column| include.contains(&column);
        GetResult {
            ids: Vec::new(),
            documents: has(Include::Documents).then(Vec::new),
            embeddings: has(Include::Embeddings).then(Embeddings::default),
            metadatas: has(Include::Metadatas).then(Vec::new),
            uris: has(Include::Uris).then(Vec::new),
        }
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns whether no record was found.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Appends the records of another response.
    ///
    /// # Errors
    /// Fails if the other response has different columns, or vectors of a different dimension.
    pub(crate) fn append(&mut self, more: GetResult) -> Result<(), String> {
        fn join<T>(
            name: &str,
            column: &mut Option<Vec<T>>,
            more: Option<Vec<T>>,
        ) -> Result<(), String> {
            match (column, more) {
                (Some(column), Some(more)) => column.extend(more),
                (None, None) => {}
                _ => return Err(format!("{name} for only some of the ids")),
            }
            Ok(())
        }
        if self.is_empty() {
            *self = more;
        } else if !more.is_empty() {
            self.ids.extend(more.ids);
            join("documents", &mut self.documents, more.documents)?;
            join("metadatas", &mut self.metadatas, more.metadatas)?;
            join("uris", &mut self.uris, more.uris)?;
            match (&mut self.embeddings, &more.embeddings) {
                (Some(all), Some(more)) => {
                    for row in more.rows() {
                        all.push(row).map_err(|mismatch| {
                            let DimensionMismatch { expected, found } = mismatch;
                            format!("vectors of {expected} floats and of {found}")
                        })?;
                    }
                }
                (None, None) => {}
                _ => return Err("embeddings for only some of the ids".to_owned()),
            }
        }
        Ok(())
    }

    /// Removes records whose id was found before.
    pub(crate) fn remove_repeated(&mut self) {
        fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
            let mut keep = keep.iter();
            column.retain(|_| keep.next() == Some(&true));
        }
        let mut seen = HashSet::with_capacity(self.len());
        let keep: Vec<bool> = self.ids.iter().map(|id| seen.insert(id)).collect();
        if seen.len() == self.len() {
            return;
        }
        retain(&mut self.ids, &keep);
        for column in [&mut self.documents, &mut self.uris].into_iter().flatten() {
            retain(column, &keep);
        }
        if let Some(column) = &mut self.metadatas {
            retain(column, &keep);
        }
        if let Some(column) = &mut self.embeddings {
            let rows = column.rows().zip(&keep).filter(|(_, keep)| **keep);
            let floats = rows.flat_map(|(row, _)| row.iter().copied()).collect();
            *column = Embeddings::of_whole_rows(floats, column.dimension());
        }
    }

    /// Reverses the order of the records.
    pub(crate) fn reverse(&mut self) {
        self.ids.reverse();
        if let Some(column) = &mut self.documents {
            column.reverse();
        }
        if let Some(column) = &mut self.metadatas {
            column.reverse();
        }
        if let Some(column) = &mut self.uris {
            column.reverse();
        }
        if let Some(column) = &mut self.embeddings {
            column.reverse();
        }
    }

    /// Returns the record at an index, or `None` if the index is out of range.
    pub fn get(&self, index: usize) -> Option<RecordRef<'_>> {
        Some(RecordRef {
            id: self.ids.get(index)?,
            document: text(self.documents.as_ref(), index),
            uri: text(self.uris.as_ref(), index),
            metadata: self
                .metadatas
                .as_ref()
                .and_then(|column| column.get(index))
                .unwrap_or(&NO_METADATA),
            embedding: self.embeddings.as_ref().and_then(|all| all.row(index)),
        })
    }

    /// Iterates over the records, borrowed.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            result: self,
            next: 0,
        }
    }
}

/// An iterator over the records of a [`GetResult`], borrowed.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    result: &'a GetResult,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        let row = self.result.get(self.next)?;
        self.next += 1;
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.result.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a GetResult {
    type Item = RecordRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

fn text(column: Option<&Vec<Option<String>>>, index: usize) -> Option<&str> {
    column?.get(index)?.as_deref()
}

impl IntoIterator for GetResult {
    type Item = Record;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let column = |column: Option<Vec<Option<String>>>| column.unwrap_or_default().into_iter();
        IntoIter {
            ids: self.ids.into_iter(),
            documents: column(self.documents),
            metadatas: self.metadatas.unwrap_or_default().into_iter(),
            uris: column(self.uris),
            embeddings: self.embeddings,
            next: 0,
        }
    }
}

/// An iterator over the records of a [`GetResult`], owned. They can be written to another collection.
#[derive(Debug)]
pub struct IntoIter {
    ids: std::vec::IntoIter<String>,
    documents: std::vec::IntoIter<Option<String>>,
    metadatas: std::vec::IntoIter<Metadata>,
    uris: std::vec::IntoIter<Option<String>>,
    embeddings: Option<Embeddings>,
    next: usize,
}

impl Iterator for IntoIter {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let id = self.ids.next()?;
        let embedding = self.embeddings.as_ref().and_then(|all| all.row(self.next));
        self.next += 1;
        Some(Record {
            id,
            document: self.documents.next().flatten(),
            uri: self.uris.next().flatten(),
            metadata: self.metadatas.next().unwrap_or_default(),
            embedding: embedding.map(<[f32]>::to_vec),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ids.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> GetResult {
        GetResult {
            ids: vec!["1".into(), "2".into()],
            documents: Some(vec![Some("one".into()), None]),
            embeddings: Some(Embeddings::new(vec![1.0, 2.0, 3.0, 4.0], 2).unwrap()),
            metadatas: Some(vec![Metadata::new(), Metadata::from([("k", 1)])]),
            uris: None,
        }
    }

    #[test]
    fn borrowed_and_owned_records_are_the_same() {
        let result = two();
        let borrowed: Vec<_> = result
            .iter()
            .map(|record| (record.id, record.document))
            .collect();
        assert_eq!(borrowed, [("1", Some("one")), ("2", None)]);
        assert_eq!(result.get(1).unwrap().embedding, Some(&[3.0, 4.0][..]));

        let owned: Vec<Record> = result.into_iter().collect();
        assert_eq!(
            owned[1],
            Record::new("2").embedding([3.0, 4.0]).metadata("k", 1)
        );
    }

    #[test]
    fn answers_with_different_columns_are_not_joined() {
        let mut all = two();
        all.append(two()).unwrap();
        all.append(GetResult::default()).unwrap();
        let rows: Vec<_> = two().into_iter().chain(two()).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), rows);
        let changes: [fn(&mut GetResult); 4] = [
            |more| more.documents = None,
            |more| more.uris = Some(vec![None, None]),
            |more| more.embeddings = None,
            |more| more.embeddings = Some(Embeddings::new(vec![1.0, 2.0], 1).unwrap()),
        ];
        for change in changes {
            let mut more = two();
            change(&mut more);
            assert!(two().append(more.clone()).is_err(), "{more:?}");
        }
    }

    #[test]
    fn repeated_records_are_removed_from_each_column() {
        let mut all = two();
        all.remove_repeated();
        assert_eq!(all, two());
        all.append(two()).unwrap();
        all.ids[2] = "3".to_owned();
        all.remove_repeated();
        let rows: Vec<_> = all.into_iter().collect();
        let [one, two] = [0, 1].map(|row| two().into_iter().nth(row).unwrap());
        let three = Record {
            id: "3".to_owned(),
            ..one.clone()
        };
        assert_eq!(rows, [one, two, three]);
    }

    #[test]
    fn reversing_keeps_each_record_together() {
        let mut reversed = two();
        reversed.reverse();
        let rows: Vec<_> = two().into_iter().collect();
        let back: Vec<_> = reversed.into_iter().collect();
        assert_eq!(back, [rows[1].clone(), rows[0].clone()]);
    }

    #[test]
    fn columns_that_were_not_asked_for_are_absent_in_records() {
        let ids_only = GetResult {
            ids: vec!["1".into()],
            ..GetResult::default()
        };
        assert_eq!(ids_only.into_iter().next(), Some(Record::new("1")));
    }
}
