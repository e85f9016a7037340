//! [`Embeddings`]: vectors in one flat buffer. [`Vectors`]: borrowed vectors in any form.

use std::fmt;

use crate::invalid::InvalidInput;

/// Vectors of one dimension, in one flat `Vec<f32>`, row after row.
///
/// ```
/// use chroma_blocking::Embeddings;
///
/// let two = Embeddings::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// assert_eq!(two.len(), 2);
/// assert_eq!(two.row(1), Some(&[0.0, 1.0][..]));
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Embeddings {
    floats: Vec<f32>,
    dimension: usize,
}

/// A row does not have the dimension of the others.
#[derive(Debug)]
pub(crate) struct DimensionMismatch {
    pub(crate) expected: usize,
    pub(crate) found: usize,
}

impl Embeddings {
    /// Creates a matrix from its floats, row after row. `dimension` is the number of floats in a row.
    ///
    /// # Errors
    /// [`InvalidInput::Dimension`] if the last row is not complete.
    pub fn new(floats: Vec<f32>, dimension: usize) -> Result<Embeddings, InvalidInput> {
        match floats.len().checked_rem(dimension).unwrap_or(floats.len()) {
            0 => Ok(Embeddings { floats, dimension }),
            found => Err(InvalidInput::Dimension {
                of: "the last row".to_owned(),
                expected: dimension,
                found,
            }),
        }
    }

    /// Returns a matrix of floats that the caller has laid out as whole rows.
    pub(crate) fn of_whole_rows(floats: Vec<f32>, dimension: usize) -> Embeddings {
        debug_assert_eq!(floats.len() % dimension.max(1), 0);
        Embeddings { floats, dimension }
    }

    /// Copies rows into a matrix.
    ///
    /// # Errors
    /// [`InvalidInput::Dimension`] if the rows differ in length, or if a row is empty.
    pub fn from_rows<R: AsRef<[f32]>>(
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Embeddings, InvalidInput> {
        let mut all = Embeddings::default();
        for (index, row) in rows.into_iter().enumerate() {
            all.push(row.as_ref())
                .map_err(|mismatch| InvalidInput::Dimension {
                    of: format!("row {index}"),
                    expected: mismatch.expected,
                    found: mismatch.found,
                })?;
        }
        Ok(all)
    }

    /// Appends a row. The first row sets the dimension.
    pub(crate) fn push(&mut self, row: &[f32]) -> Result<(), DimensionMismatch> {
        let found = row.len();
        let expected = if self.floats.is_empty() {
            found.max(1)
        } else {
            self.dimension
        };
        if found != expected {
            return Err(DimensionMismatch { expected, found });
        }
        self.dimension = expected;
        self.floats.extend_from_slice(row);
        Ok(())
    }

    /// Reverses the order of the rows.
    pub(crate) fn reverse(&mut self) {
        self.floats.reverse();
        for row in self.floats.chunks_exact_mut(self.dimension.max(1)) {
            row.reverse();
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.floats.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// Returns `true` if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.floats.is_empty()
    }

    /// Returns the number of floats in a row; 0 if the matrix was created empty.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Returns a row, or `None` if the index is out of range.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.dimension)?;
        self.floats
            .get(start..start.checked_add(self.dimension)?)
            .filter(|row| !row.is_empty())
    }

    /// Iterates over the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.floats.chunks_exact(self.dimension.max(1))
    }

    /// Returns all floats, row after row.
    pub fn as_flat(&self) -> &[f32] {
        &self.floats
    }

    /// Returns all floats, row after row, without copying them.
    pub fn into_flat(self) -> Vec<f32> {
        self.floats
    }
}

/// Prints the number of rows and the dimension, not the floats.
impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embeddings({} x {})", self.len(), self.dimension)
    }
}

/// Borrowed vectors in any form. The floats are not copied.
///
/// `&Embeddings`, and slices and `Vec`s of `Vec<f32>`, `&[f32]` or arrays convert into it. [`Vectors::flat`]
/// takes a flat slice. Any iterator of borrowed rows can be collected:
///
/// ```
/// use chroma_blocking::record::Vectors;
///
/// let matrix = [0.1, 0.2, 0.3, 0.4];
/// let vectors: Vectors<'_> = matrix.chunks(2).rev().collect();
/// assert_eq!(vectors.row(0), Some(&[0.3, 0.4][..]));
/// ```
#[derive(Clone, Debug)]
pub struct Vectors<'a>(Form<'a>);

#[derive(Clone, Debug)]
enum Form<'a> {
    Flat { floats: &'a [f32], dimension: usize },
    Rows(Vec<&'a [f32]>),
}

impl<'a> Vectors<'a> {
    /// Cuts a flat slice into vectors of `dimension` floats. If the length is not a multiple of `dimension`,
    /// the last vector is shorter, and a call with these vectors fails with [`InvalidInput::Dimension`].
    pub fn flat(floats: &'a [f32], dimension: usize) -> Vectors<'a> {
        Vectors(Form::Flat { floats, dimension })
    }

    /// Returns the number of vectors.
    pub fn len(&self) -> usize {
        match &self.0 {
            // Without a dimension, it is one vector without floats, which the check refuses.
            Form::Flat {
                floats,
                dimension: 0,
            } => usize::from(!floats.is_empty()),
            Form::Flat { floats, dimension } => floats.len().div_ceil(*dimension),
            Form::Rows(rows) => rows.len(),
        }
    }

    /// Returns `true` if there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a vector, or `None` if the index is out of range.
    pub fn row(&self, index: usize) -> Option<&'a [f32]> {
        if index >= self.len() {
            return None;
        }
        match &self.0 {
            Form::Flat { floats, dimension } => {
                let rest = floats.get(index * dimension..)?;
                Some(&rest[..rest.len().min(*dimension)])
            }
            Form::Rows(rows) => rows.get(index).copied(),
        }
    }
}

impl<'a> From<&'a Embeddings> for Vectors<'a> {
    fn from(embeddings: &'a Embeddings) -> Vectors<'a> {
        Vectors::flat(&embeddings.floats, embeddings.dimension)
    }
}

impl<'a> From<&'a [Vec<f32>]> for Vectors<'a> {
    fn from(rows: &'a [Vec<f32>]) -> Vectors<'a> {
        Vectors(Form::Rows(rows.iter().map(Vec::as_slice).collect()))
    }
}

impl<'a> From<&'a Vec<Vec<f32>>> for Vectors<'a> {
    fn from(rows: &'a Vec<Vec<f32>>) -> Vectors<'a> {
        rows.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [[f32; N]]> for Vectors<'a> {
    fn from(rows: &'a [[f32; N]]) -> Vectors<'a> {
        Vectors(Form::Rows(rows.iter().map(<[f32; N]>::as_slice).collect()))
    }
}

impl<'a, R: AsRef<[f32]> + ?Sized> FromIterator<&'a R> for Vectors<'a> {
    fn from_iter<I: IntoIterator<Item = &'a R>>(rows: I) -> Vectors<'a> {
        Vectors(Form::Rows(rows.into_iter().map(AsRef::as_ref).collect()))
    }
}

impl<'a> From<Vec<&'a [f32]>> for Vectors<'a> {
    fn from(rows: Vec<&'a [f32]>) -> Vectors<'a> {
        Vectors(Form::Rows(rows))
    }
}

impl<'a> From<&'a [&'a [f32]]> for Vectors<'a> {
    fn from(rows: &'a [&'a [f32]]) -> Vectors<'a> {
        rows.to_vec().into()
    }
}

impl<'a, const N: usize> From<&'a Vec<[f32; N]>> for Vectors<'a> {
    fn from(rows: &'a Vec<[f32; N]>) -> Vectors<'a> {
        rows.as_slice().into()
    }
}

impl<'a, const N: usize, const M: usize> From<&'a [[f32; N]; M]> for Vectors<'a> {
    fn from(rows: &'a [[f32; N]; M]) -> Vectors<'a> {
        rows.as_slice().into()
    }
}

/// Refuses a vector that is empty, does not have `expected` floats, or holds a value that is not finite.
/// `owner` names the vector in an error.
pub(crate) fn check(
    vector: &[f32],
    expected: Option<usize>,
    owner: impl Fn() -> String,
) -> Result<(), InvalidInput> {
    let found = vector.len();
    let expected = expected.unwrap_or(found.max(1));
    if found != expected {
        return Err(InvalidInput::Dimension {
            of: owner(),
            expected,
            found,
        });
    }
    // A loop without an early exit is vectorized, so it is faster than `find` on the usual vector, which is
    // finite.
    let all_finite = vector
        .iter()
        .fold(true, |all, value| all & value.is_finite());
    if all_finite {
        return Ok(());
    }
    match vector.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(InvalidInput::NotFinite {
            of: format!("the vector of {}", owner()),
            value: f64::from(*value),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_matrix_is_read_by_row() {
        let matrix = Embeddings::new((0..6_u8).map(f32::from).collect(), 3).unwrap();
        assert_eq!((matrix.len(), matrix.dimension()), (2, 3));
        assert_eq!(matrix.row(1), Some(&[3.0, 4.0, 5.0][..]));
        assert_eq!(matrix.row(2), None);
        assert_eq!(matrix.row(usize::MAX), None);
        assert_eq!(matrix.rows().count(), 2);
        assert_eq!(format!("{matrix:?}"), "Embeddings(2 x 3)");
    }

    #[test]
    fn an_empty_matrix_has_no_rows() {
        let empty = Embeddings::default();
        assert_eq!(
            (empty.len(), empty.rows().count(), empty.row(0)),
            (0, 0, None)
        );
        assert!(Embeddings::new(vec![], 5).unwrap().is_empty());
        assert_eq!(Vectors::from(&empty).len(), 0);
    }

    #[test]
    fn rows_of_different_lengths_are_refused() {
        assert!(Embeddings::from_rows([&[][..], &[1.0]]).is_err());
        assert!(Embeddings::new(vec![1.0; 5], 3).is_err());
        assert!(Embeddings::new(vec![1.0], 0).is_err());
        let error = Embeddings::from_rows([&[1.0, 2.0][..], &[1.0][..]]).unwrap_err();
        assert!(
            error.to_string().contains("row 1 has 1 floats, not 2"),
            "{error}"
        );
    }

    #[test]
    fn every_form_of_vectors_gives_the_same_rows() {
        let rows = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        let arrays = [[1.0, 2.0], [3.0, 4.0]];
        let flat = [1.0, 2.0, 3.0, 4.0];
        let matrix = Embeddings::from_rows(&rows).unwrap();
        for vectors in [
            Vectors::from(&rows),
            Vectors::from(&arrays),
            Vectors::flat(&flat, 2),
            Vectors::from(&matrix),
            matrix.rows().collect(),
            rows.iter().collect(),
        ] {
            assert_eq!(vectors.len(), 2);
            assert_eq!(vectors.row(1), Some(&[3.0, 4.0][..]));
            assert_eq!(vectors.row(2), None);
        }
    }

    #[test]
    fn an_incomplete_last_vector_is_refused() {
        let vectors = Vectors::flat(&[1.0, 2.0, 3.0], 2);
        assert_eq!(vectors.len(), 2);
        let last = vectors.row(1).unwrap();
        let none = Vectors::flat(&[1.0, 2.0], 0);
        assert_eq!((none.len(), none.row(0)), (1, Some(&[][..])));
        assert!(check(last, Some(2), || "it".to_owned()).is_err());
    }

    #[test]
    fn check_refuses_values_that_are_not_finite() {
        let of = || "query".to_owned();
        assert_eq!(check(&[1.0, -0.0], Some(2), of), Ok(()));
        assert!(check(&[], None, of).is_err());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(matches!(
                check(&[1.0, bad], None, of),
                Err(InvalidInput::NotFinite { .. })
            ));
        }
    }
}
