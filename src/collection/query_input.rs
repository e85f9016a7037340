//! [`IntoQuery`] and [`IntoQueries`]: the texts or vectors to search for.

/// A text or a vector: anything that is `AsRef<str>` or `AsRef<[f32]>`, owned or borrowed. `M` is inferred
/// and distinguishes the two; the trait cannot be implemented outside of this crate.
pub trait IntoQuery<M>: sealed::IntoQuery<M> {}

impl<T: sealed::IntoQuery<M>, M> IntoQuery<M> for T {}

/// Texts or vectors: an iterator of them, owned or borrowed, or a matrix ([`&Embeddings`](crate::Embeddings)
/// or [`Vectors`](crate::record::Vectors)). `M` is inferred and distinguishes the cases; the trait cannot be
/// implemented outside of this crate.
pub trait IntoQueries<M>: sealed::IntoQueries<M> {}

impl<T: sealed::IntoQueries<M>, M> IntoQueries<M> for T {}

/// The texts or vectors to search for.
#[derive(Debug, Clone)]
pub enum Queries {
    /// Texts, to be embedded first.
    Texts(Vec<String>),
    /// Vectors.
    Vectors(Vec<Vec<f32>>),
}

mod sealed {
    use super::Queries;
    use crate::model::embeddings::{Embeddings, Vectors};

    /// Marks texts.
    #[derive(Debug)]
    pub enum Text {}

    /// Marks vectors.
    #[derive(Debug)]
    pub enum Vector {}

    /// Marks a matrix, whose rows are vectors.
    #[derive(Debug)]
    pub enum Matrix {}

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not a query",
        note = "pass a text (`AsRef<str>`) or a vector (`AsRef<[f32]>`)"
    )]
    pub trait IntoQuery<M> {
        fn into_query(self) -> Queries;
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not several queries",
        note = "pass an iterator of texts (`AsRef<str>`) or of vectors (`AsRef<[f32]>`), `&Embeddings` or `Vectors`"
    )]
    pub trait IntoQueries<M> {
        fn into_queries(self) -> Queries;
    }

    impl<T: AsRef<str>> IntoQuery<Text> for T {
        fn into_query(self) -> Queries {
            [self].into_queries()
        }
    }

    impl<T: AsRef<[f32]>> IntoQuery<Vector> for T {
        fn into_query(self) -> Queries {
            [self].into_queries()
        }
    }

    impl<I: IntoIterator<Item: AsRef<str>>> IntoQueries<Text> for I {
        fn into_queries(self) -> Queries {
            let texts = self.into_iter().map(|text| text.as_ref().to_owned());
            Queries::Texts(texts.collect())
        }
    }

    impl<I: IntoIterator<Item: AsRef<[f32]>>> IntoQueries<Vector> for I {
        fn into_queries(self) -> Queries {
            let vectors = self.into_iter().map(|vector| vector.as_ref().to_vec());
            Queries::Vectors(vectors.collect())
        }
    }

    impl IntoQueries<Matrix> for &Embeddings {
        fn into_queries(self) -> Queries {
            self.rows().into_queries()
        }
    }

    impl IntoQueries<Matrix> for Vectors<'_> {
        fn into_queries(self) -> Queries {
            let row = |index| self.row(index).unwrap_or_default();
            (0..self.len()).map(row).into_queries()
        }
    }
}

#[cfg(test)]
#[allow(clippy::needless_borrows_for_generic_args)] // the point of these tests
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::model::embeddings::{Embeddings, Vectors};

    fn query<M>(query: impl IntoQuery<M>) -> String {
        format!("{:?}", query.into_query())
    }

    fn queries<M>(queries: impl IntoQueries<M>) -> String {
        format!("{:?}", queries.into_queries())
    }

    #[test]
    fn a_query_is_a_text_or_a_vector() {
        let text = "a".to_owned();
        for query in [
            query("a"),
            query(&"a"),
            query(&text),
            query(Cow::Borrowed("a")),
            query(text),
        ] {
            assert_eq!(query, r#"Texts(["a"])"#);
        }
        let vector = vec![0.5, 1.0];
        for query in [
            query([0.5, 1.0]),
            query(&[0.5, 1.0]),
            query(&vector),
            query(vector.as_slice()),
            query(vector),
        ] {
            assert_eq!(query, "Vectors([[0.5, 1.0]])");
        }
    }

    #[test]
    fn queries_are_texts_vectors_or_a_matrix() {
        let owned = vec!["a".to_owned(), "b".to_owned()];
        let borrowed = ["a", "b"];
        for queries in [
            queries(borrowed),
            queries(&borrowed),
            queries(borrowed.as_slice()),
            queries(vec!["a", "b"]),
            queries(&owned),
            queries(owned.as_slice()),
            queries(["a".to_owned(), "b".to_owned()]),
            queries(owned),
        ] {
            assert_eq!(queries, r#"Texts(["a", "b"])"#);
        }
        let rows = vec![vec![0.5, 1.0], vec![2.0, 3.0]];
        let arrays = [[0.5, 1.0], [2.0, 3.0]];
        let slices: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let matrix = Embeddings::from_rows(&rows).unwrap();
        for queries in [
            queries(&matrix),
            queries(matrix.rows()),
            queries(Vectors::flat(matrix.as_flat(), 2)),
            queries(&rows),
            queries(rows.as_slice()),
            queries(slices.as_slice()),
            queries(slices),
            queries(arrays),
            queries(&arrays),
            queries(arrays.as_slice()),
            queries(&arrays.to_vec()),
            queries(rows),
        ] {
            assert_eq!(queries, "Vectors([[0.5, 1.0], [2.0, 3.0]])");
        }
    }
}
