//! Finds out the distance function of a collection by the distances of a query.

use crate::collection::handle::Collection;
use crate::error::Result;
use crate::model::results::Include;
use crate::model::space::Space;

/// The number of distances that are compared.
const HITS: usize = 10;

impl Collection {
    /// Returns the distance function that the distances of a query reveal. `None` if the collection has no
    /// records, or if the distances are those of several functions.
    ///
    /// # Errors
    /// Any error of a request.
    pub(super) fn measured_space(&self) -> Result<Option<Space>> {
        let first = self.get().limit(1).include([Include::Embeddings]).run()?;
        let Some(vector) = first.embeddings.as_ref().and_then(|all| all.rows().next()) else {
            return Ok(None);
        };
        // A longer vector, since the distances of a unit vector to itself are the same for two functions.
        let query: Vec<f32> = vector.iter().map(|x| 3.0 * x).collect();
        let hits = self.query(query.clone()).n_results(HITS);
        let hits = hits.include([Include::Embeddings]).run()?;
        let mut pairs = Vec::new();
        for hit in &*hits {
            let Some(embedding) = &hit.embedding else {
                return Ok(None);
            };
            pairs.push((embedding.as_slice(), hit.distance));
        }
        Ok(space_of(&query, &pairs))
    }
}

/// Returns the only distance function that all distances between the query and these vectors are of.
fn space_of(query: &[f32], distances: &[(&[f32], f32)]) -> Option<Space> {
    let is_of = |space: &Space| {
        distances.iter().all(|(vector, found)| {
            let expected = distance(*space, query, vector);
            (f64::from(*found) - expected).abs() <= 1e-3 * (1.0 + expected.abs())
        })
    };
    let mut spaces = [Space::L2, Space::Cosine, Space::Ip]
        .into_iter()
        .filter(is_of);
    match (spaces.next(), spaces.next()) {
        (Some(space), None) => Some(space),
        _ => None,
    }
}

fn distance(space: Space, one: &[f32], other: &[f32]) -> f64 {
    let pairs = || {
        one.iter()
            .zip(other)
            .map(|(a, b)| (f64::from(*a), f64::from(*b)))
    };
    let product: f64 = pairs().map(|(a, b)| a * b).sum();
    match space {
        Space::L2 => pairs().map(|(a, b)| (a - b).powi(2)).sum(),
        Space::Ip => 1.0 - product,
        Space::Cosine => {
            let squares: (f64, f64) =
                pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a * a, y + b * b));
            1.0 - product / (squares.0 * squares.1).sqrt()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_reveal_the_space() {
        let vectors = [[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]];
        let query = [3.0, 0.0];
        for space in [Space::L2, Space::Cosine, Space::Ip] {
            let distances: Vec<(&[f32], f32)> = vectors
                .iter()
                .map(|vector| (&vector[..], distance(space, &query, vector) as f32))
                .collect();
            assert_eq!(space_of(&query, &distances), Some(space));
        }
        assert_eq!(space_of(&query, &[]), None, "of all");
        assert_eq!(space_of(&query, &[(&[1.0, 0.0], 77.0)]), None, "of none");
    }
}
