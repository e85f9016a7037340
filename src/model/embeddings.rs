//! [`Embeddings`]: a matrix of floats in one piece, and [`Vectors`]: anybody's matrix, borrowed.

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

impl Embeddings {
    /// A matrix from its floats, row after row.
    ///
    /// # Errors
    /// [`InvalidInput::Dimension`] when the floats are not a whole number of rows.
    pub fn new(floats: Vec<f32>, dimension: usize) -> Result<Embeddings, InvalidInput> {
        let whole = match dimension {
            0 => floats.is_empty(),
            dimension => floats.len() % dimension == 0,
        };
        if !whole {
            let reason = InvalidInput::Dimension {
                of: "the last row".to_owned(),
                expected: dimension,
                found: floats.len().checked_rem(dimension).unwrap_or(floats.len()),
            };
            return Err(reason);
        }
        Ok(Embeddings { floats, dimension })
    }

    /// Returns a matrix of floats that the caller has laid out as whole rows.
    pub(crate) fn of_whole_rows(floats: Vec<f32>, dimension: usize) -> Embeddings {
        debug_assert_eq!(floats.len() % dimension.max(1), 0);
        Embeddings { floats, dimension }
    }

    /// A matrix from its rows, copied into one piece.
    ///
    /// # Errors
    /// [`InvalidInput::Dimension`] when the rows differ in length, or one is empty.
    pub fn from_rows<R: AsRef<[f32]>>(
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Embeddings, InvalidInput> {
        let mut all = Embeddings::default();
        for (index, row) in rows.into_iter().enumerate() {
            all.push(row.as_ref()).map_err(|(expected, found)| {
                let of = format!("row {index}");
                InvalidInput::Dimension {
                    of,
                    expected,
                    found,
                }
            })?;
        }
        Ok(all)
    }

    /// Adds a row; the first one says the dimension. Else the dimension that was expected and the one found.
    pub(crate) fn push(&mut self, row: &[f32]) -> Result<(), (usize, usize)> {
        let expected = match self.floats.is_empty() {
            true => row.len().max(1),
            false => self.dimension,
        };
        if row.len() != expected {
            return Err((expected, row.len()));
        }
        self.dimension = expected;
        self.floats.extend_from_slice(row);
        Ok(())
    }

    /// Turns the order of the rows around.
    pub(crate) fn reverse(&mut self) {
        self.floats.reverse();
        for row in self.floats.chunks_exact_mut(self.dimension.max(1)) {
            row.reverse();
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.floats.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.floats.is_empty()
    }

    /// Floats per row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One row.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.dimension)?;
        self.floats
            .get(start..start.checked_add(self.dimension)?)
            .filter(|row| !row.is_empty())
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.floats.chunks_exact(self.dimension.max(1))
    }

    /// All floats, row after row.
    pub fn as_flat(&self) -> &[f32] {
        &self.floats
    }

    /// All floats, row after row.
    pub fn into_flat(self) -> Vec<f32> {
        self.floats
    }
}

/// Says the shape, not the numbers.
impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embeddings({} x {})", self.len(), self.dimension)
    }
}

/// Vectors that the caller holds, in whatever form: nothing is copied.
///
/// From `&Embeddings`, slices and `Vec`s of `Vec<f32>`, of `&[f32]` or of arrays, a flat slice with [`Vectors::flat`],
/// or any iterator of borrowed rows with `collect`:
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
    /// Vectors of `dimension` floats, one behind the other. What is left behind the last whole one is a vector too,
    /// of the wrong dimension, and so refused by the call that is given it.
    pub fn flat(floats: &'a [f32], dimension: usize) -> Vectors<'a> {
        Vectors(Form::Flat { floats, dimension })
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        match &self.0 {
            // No dimension: one vector without floats, to be refused.
            Form::Flat {
                floats,
                dimension: 0,
            } => usize::from(!floats.is_empty()),
            Form::Flat { floats, dimension } => floats.len().div_ceil(*dimension),
            Form::Rows(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One vector.
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

/// Refuses a vector of another dimension than `expected`, an empty one, and one that is not finite.
pub(crate) fn check(
    vector: &[f32],
    expected: Option<usize>,
    of: impl Fn() -> String,
) -> Result<(), InvalidInput> {
    let found = vector.len();
    let expected = expected.unwrap_or(found.max(1));
    if found != expected {
        return Err(InvalidInput::Dimension {
            of: of(),
            expected,
            found,
        });
    }
    // Looks at all of them, which is faster than to stop at the first: several at once.
    let all_finite = vector
        .iter()
        .fold(true, |all, value| all & value.is_finite());
    let bad = (!all_finite).then(|| vector.iter().find(|value| !value.is_finite()));
    match bad.flatten() {
        Some(value) => Err(InvalidInput::NotFinite {
            of: format!("the vector of {}", of()),
            value: f64::from(*value),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_flat_matrix() {
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
    fn uneven_rows_are_refused() {
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
    fn all_forms_give_the_same_rows() {
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
    fn a_broken_last_row_is_seen() {
        let vectors = Vectors::flat(&[1.0, 2.0, 3.0], 2);
        assert_eq!(vectors.len(), 2);
        let last = vectors.row(1).unwrap();
        let none = Vectors::flat(&[1.0, 2.0], 0);
        assert_eq!((none.len(), none.row(0)), (1, Some(&[][..])));
        assert!(check(last, Some(2), || "it".to_owned()).is_err());
    }

    #[test]
    fn check_finds_what_is_not_finite() {
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
