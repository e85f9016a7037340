//! [`Expected::read`]: the vectors of a response.

use crate::wire::cursor::Cursor;
use crate::wire::read::unread;

/// The expected shape of a response.
pub(super) struct Expected<'a> {
    /// The indices of the texts in the call, to name them in errors.
    pub(super) texts: &'a [usize],
    pub(super) dimension: usize,
    /// Whether the vectors have unit length already.
    pub(super) has_unit_length: bool,
}

impl Expected<'_> {
    /// Reads the vectors, one after the other, and scales them to unit length if necessary.
    ///
    /// # Errors
    /// Describes what is wrong with the response.
    pub(super) fn read(&self, answer: &[u8]) -> Result<Vec<f32>, String> {
        let (texts, dimension) = (self.texts, self.dimension);
        let mut floats = Vec::with_capacity(texts.len() * dimension);
        let mut lengths = None;
        Cursor::object(answer, |at, key| match key {
            "embeddings" => {
                lengths = Some(at.list(|at| values(at, &mut floats))?);
                Ok(())
            }
            _ => at.skip(),
        })
        .map_err(|what| unread(answer, &what))?;
        let lengths = lengths.ok_or_else(|| unread(answer, "no embeddings"))?;
        self.check_lengths(&lengths)?;
        if floats.len() != texts.len() * dimension {
            return Err(unread(answer, "a duplicate key"));
        }
        for (text, vector) in texts.iter().zip(floats.chunks_exact_mut(dimension)) {
            self.normalize(*text, vector)?;
        }
        Ok(floats)
    }

    fn check_lengths(&self, lengths: &[usize]) -> Result<(), String> {
        if lengths.len() != self.texts.len() {
            let (found, texts) = (lengths.len(), self.texts.len());
            return Err(format!("{found} vectors for {texts} texts"));
        }
        for (text, found) in self.texts.iter().zip(lengths) {
            if *found != self.dimension {
                return Err(format!(
                    "the vector of text {text} has {found} floats, not {}",
                    self.dimension
                ));
            }
        }
        Ok(())
    }

    /// Checks that a vector has a direction, and scales it to unit length if necessary.
    fn normalize(&self, text: usize, vector: &mut [f32]) -> Result<(), String> {
        let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
        if !square.is_finite() || square == 0.0 {
            return Err(format!(
                "the vector of text {text} has no direction (its length is {})",
                square.sqrt()
            ));
        }
        if !self.has_unit_length {
            let length = square.sqrt();
            for x in vector {
                *x = (f64::from(*x) / length) as f32;
            }
        }
        Ok(())
    }
}

/// Reads one of the embeddings to the end of `floats`. Returns its number of floats.
fn values(at: &mut Cursor<'_>, floats: &mut Vec<f32>) -> Result<usize, String> {
    let mut length = 0;
    at.members(|at, key| match key {
        "values" => at.floats(floats).map(|found| length = found),
        _ => at.skip(),
    })?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &[u8], texts: &[usize], has_unit_length: bool) -> Result<Vec<f32>, String> {
        let dimension = 2;
        let expected = Expected {
            texts,
            dimension,
            has_unit_length,
        };
        expected.read(answer)
    }

    #[test]
    fn short_vectors_are_scaled_to_unit_length() {
        let answer = br#"{"embeddings":[{"values":[3.0,4.0]},{"values":[0.0,-2.0]}]}"#;
        assert_eq!(read(answer, &[0, 1], false).unwrap(), [0.6, 0.8, 0.0, -1.0]);
        assert_eq!(read(answer, &[0, 1], true).unwrap(), [3.0, 4.0, 0.0, -2.0]);
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        for bad in [
            r#"{"embeddings":[{"values":[1.0,2.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[0.0,0.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1e39,0.0]}]}"#,
            r#"{"embedding":{"values":[1.0,2.0]}}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[1.0,2.0],"values":[1.0,2.0]}]}"#,
            r#"{"embeddings":[{"values":[1.0,2.0]},{"values":[null,2.0]}]}"#,
            "",
        ] {
            assert!(read(bad.as_bytes(), &[0, 1], false).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_names_the_text_of_a_wrong_vector() {
        for second in ["0.0,-0.0", "1.0"] {
            let answer =
                format!(r#"{{"embeddings":[{{"values":[3,4]}},{{"values":[{second}]}}]}}"#);
            let error = read(answer.as_bytes(), &[3, 217], false).unwrap_err();
            assert!(error.starts_with("the vector of text 217 has "), "{error}");
        }
    }
}
