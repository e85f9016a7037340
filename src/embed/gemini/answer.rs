//! [`read`]: the vectors of a response.

use crate::embed::http::Received;
use crate::wire::cursor::Cursor;
use crate::wire::read::unread;

/// Reads the vectors, and scales them to unit length unless they have it already.
///
/// # Errors
/// Describes what is wrong with the response.
pub(super) fn read(
    response: &[u8],
    vectors: &mut Received<'_>,
    has_unit_length: bool,
) -> Result<(), String> {
    Cursor::object(response, |at, key| match key {
        "embeddings" => vectors.list(at, values),
        _ => at.skip(),
    })
    .map_err(|what| unread(response, &what))?;
    vectors.finish(response)?;
    for (text, vector) in vectors.rows_mut() {
        normalize(text, vector, has_unit_length)?;
    }
    Ok(())
}

/// Checks that a vector has a direction, and scales it to unit length if necessary.
fn normalize(text: usize, vector: &mut [f32], has_unit_length: bool) -> Result<(), String> {
    let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
    if !square.is_finite() || square == 0.0 {
        return Err(format!(
            "the vector of text {text} has no direction (its length is {})",
            square.sqrt()
        ));
    }
    if !has_unit_length {
        let length = square.sqrt();
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
    Ok(())
}

/// Reads one of the embeddings to the end of `floats`. They have the order of the texts.
fn values(at: &mut Cursor<'_>, floats: &mut Vec<f32>) -> Result<Option<usize>, String> {
    at.members(|at, key| match key {
        "values" => at.floats(floats).map(drop),
        _ => at.skip(),
    })?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    fn read(response: &[u8], texts: &[usize], has_unit_length: bool) -> Result<Vec<f32>, String> {
        let dimension = OnceLock::from(2);
        let mut vectors = Received::new(texts, &dimension);
        super::read(response, &mut vectors, has_unit_length)?;
        Ok(vectors.into_floats())
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
