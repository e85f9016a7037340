//! What reads give back: [`GetResult`], [`QueryResult`] and [`Hit`], by row and by column.

use super::embeddings::Embeddings;
use super::metadata::{Metadata, NO_METADATA};
use super::record::{Record, RecordRef};

/// What a [`get`](crate::Collection::get) or a [`query`](crate::Collection::query) brings with the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Include {
    /// The texts.
    Documents,
    /// The metadata.
    Metadatas,
    /// The vectors.
    Embeddings,
    /// The addresses.
    Uris,
}

impl Include {
    /// Chroma's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Include::Documents => "documents",
            Include::Metadatas => "metadatas",
            Include::Embeddings => "embeddings",
            Include::Uris => "uris",
        }
    }
}

/// The records that a [`get`](crate::Collection::get) found, in columns as they came, or in rows by
/// [`iter`](GetResult::iter) and `for`.
///
/// A column that was not asked for is `None`.
///
/// ```no_run
/// # let client = chroma_blocking::Client::from_env()?;
/// # let notes = client.collection("notes").get()?;
/// let found = notes.get().ids(["1", "2"]).run()?;
/// for row in found.iter() {
///     println!("{}: {}", row.id, row.document.unwrap_or_default());
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct GetResult {
    /// The ids.
    pub ids: Vec<String>,
    /// A text for each id, where it has one.
    pub documents: Option<Vec<Option<String>>>,
    /// A vector for each id.
    pub embeddings: Option<Embeddings>,
    /// Metadata for each id; empty for a record that has none.
    pub metadatas: Option<Vec<Metadata>>,
    /// An address for each id, where it has one.
    pub uris: Option<Vec<Option<String>>>,
}

impl GetResult {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Puts the records of another answer behind these.
    ///
    /// # Errors
    /// Where it does not go with these: it has other columns, or vectors of another dimension.
    pub(crate) fn append(&mut self, more: GetResult) -> Result<(), String> {
        fn join<T>(
            name: &str,
            column: &mut Option<Vec<T>>,
            more: Option<Vec<T>>,
        ) -> Result<(), String> {
            match (column, more) {
                (Some(column), Some(more)) => column.extend(more),
                (None, None) => {}
                _ => return Err(format!("{name} for some ids and not for others")),
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
                        all.push(row).map_err(|(expected, found)| {
                            format!("vectors of {expected} floats and of {found}")
                        })?;
                    }
                }
                (None, None) => {}
                _ => return Err("embeddings for some ids and not for others".to_owned()),
            }
        }
        Ok(())
    }

    /// Turns the order of the records around.
    pub(crate) fn reverse(&mut self) {
        self.ids.reverse();
        self.documents
            .iter_mut()
            .for_each(|column| column.reverse());
        self.metadatas
            .iter_mut()
            .for_each(|column| column.reverse());
        self.uris.iter_mut().for_each(|column| column.reverse());
        self.embeddings.iter_mut().for_each(Embeddings::reverse);
    }

    /// One record.
    pub fn row(&self, index: usize) -> Option<RecordRef<'_>> {
        Some(RecordRef {
            id: self.ids.get(index)?,
            document: at(&self.documents, index).map(String::as_str),
            embedding: self.embeddings.as_ref().and_then(|all| all.row(index)),
            metadata: self
                .metadatas
                .as_ref()
                .and_then(|column| column.get(index))
                .unwrap_or(&NO_METADATA),
            uri: at(&self.uris, index).map(String::as_str),
        })
    }

    /// The records, borrowed.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            result: self,
            next: 0,
        }
    }
}

/// The records of a [`GetResult`], borrowed.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    result: &'a GetResult,
    next: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        let row = self.result.row(self.next)?;
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

fn at<T>(column: &Option<Vec<Option<T>>>, index: usize) -> Option<&T> {
    column.as_ref()?.get(index)?.as_ref()
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

/// The records of a [`GetResult`], owned: ready to be written elsewhere.
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
            embedding: embedding.map(<[f32]>::to_vec),
            metadata: self.metadatas.next().unwrap_or_default(),
            uri: self.uris.next().flatten(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ids.size_hint()
    }
}

/// One answer to a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The record's id.
    pub id: String,
    /// How far its vector is from the query's, in the collection's [`Space`](crate::Space); smaller is nearer.
    /// Infinite where it is too far for a float.
    pub distance: f32,
    /// Its text, if it has one and it was asked for.
    pub document: Option<String>,
    /// Its metadata; empty when it has none, or when it was not asked for.
    pub metadata: Metadata,
    /// Its vector, if it was asked for.
    pub embedding: Option<Vec<f32>>,
    /// Its address, if it has one and it was asked for.
    pub uri: Option<String>,
}

/// The hits of one query, nearest first: a list to iterate, index and slice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryResult {
    hits: Vec<Hit>,
}

impl QueryResult {
    /// The column of distances.
    pub fn distances(&self) -> impl ExactSizeIterator<Item = f32> {
        self.hits.iter().map(|hit| hit.distance)
    }
}

/// What a list of hits can do, whatever else is in a hit.
macro_rules! list_of_hits {
    ($list:ident, $hit:ident) => {
        impl $list {
            pub(crate) fn new(hits: Vec<$hit>) -> $list {
                $list { hits }
            }

            /// The hits as a `Vec`.
            pub fn into_hits(self) -> Vec<$hit> {
                self.hits
            }

            /// The column of ids.
            pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
                self.hits.iter().map(|hit| hit.id.as_str())
            }

            /// The column of texts.
            pub fn documents(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
                self.hits.iter().map(|hit| hit.document.as_deref())
            }

            /// The column of metadata.
            pub fn metadatas(&self) -> impl ExactSizeIterator<Item = &Metadata> {
                self.hits.iter().map(|hit| &hit.metadata)
            }

            /// The column of vectors.
            pub fn embeddings(&self) -> impl ExactSizeIterator<Item = Option<&[f32]>> {
                self.hits.iter().map(|hit| hit.embedding.as_deref())
            }
        }

        impl std::ops::Deref for $list {
            type Target = [$hit];

            fn deref(&self) -> &[$hit] {
                &self.hits
            }
        }

        impl IntoIterator for $list {
            type Item = $hit;
            type IntoIter = std::vec::IntoIter<$hit>;

            fn into_iter(self) -> Self::IntoIter {
                self.hits.into_iter()
            }
        }

        impl<'a> IntoIterator for &'a $list {
            type Item = &'a $hit;
            type IntoIter = std::slice::Iter<'a, $hit>;

            fn into_iter(self) -> Self::IntoIter {
                self.hits.iter()
            }
        }
    };
}
pub(crate) use list_of_hits;

list_of_hits!(QueryResult, Hit);

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
    fn rows_borrowed_and_owned_say_the_same() {
        let result = two();
        let borrowed: Vec<_> = result.iter().map(|row| (row.id, row.document)).collect();
        assert_eq!(borrowed, [("1", Some("one")), ("2", None)]);
        assert_eq!(result.row(1).unwrap().embedding, Some(&[3.0, 4.0][..]));

        let owned: Vec<Record> = result.into_iter().collect();
        assert_eq!(
            owned[1],
            Record::new("2").embedding([3.0, 4.0]).metadata("k", 1)
        );
    }

    #[test]
    fn answers_that_do_not_go_together_are_not_joined() {
        let mut all = two();
        all.append(two()).unwrap();
        all.append(GetResult::default()).unwrap();
        let rows: Vec<_> = two().into_iter().chain(two()).collect();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), rows);
        let lies: [fn(&mut GetResult); 4] = [
            |more| more.documents = None,
            |more| more.uris = Some(vec![None, None]),
            |more| more.embeddings = None,
            |more| more.embeddings = Some(Embeddings::new(vec![1.0, 2.0], 1).unwrap()),
        ];
        for lie in lies {
            let mut more = two();
            lie(&mut more);
            assert!(two().append(more.clone()).is_err(), "{more:?}");
        }
    }

    #[test]
    fn reversed_rows_stay_whole() {
        let mut reversed = two();
        reversed.reverse();
        let rows: Vec<_> = two().into_iter().collect();
        let back: Vec<_> = reversed.into_iter().collect();
        assert_eq!(back, [rows[1].clone(), rows[0].clone()]);
    }

    #[test]
    fn columns_that_were_not_asked_for_are_empty_in_rows() {
        let ids_only = GetResult {
            ids: vec!["1".into()],
            ..GetResult::default()
        };
        assert_eq!(ids_only.into_iter().next(), Some(Record::new("1")));
    }
}
