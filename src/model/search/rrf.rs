//! [`Rrf`]: reciprocal rank fusion.

use std::fmt;

use super::knn::Knn;
use super::print::as_json;
use super::rank::{Number, Rank};
use crate::invalid::InvalidInput;

/// Reciprocal rank fusion: combines rankings whose scores have different scales, by the position of a record
/// in each of them.
///
/// The score of a record is `-Σ weightᵢ / (k + positionᵢ)`, so the smallest score comes first. A
/// [`Knn`](crate::search::Knn) in it returns positions, with or without
/// [`return_rank`](crate::search::Knn::return_rank). For an expression, set `return_rank` on each `Knn` in
/// it. An `Rrf` converts into a [`Rank`] and is sent as arithmetic, as Chroma's client does.
///
/// Without a [`default`](crate::search::Knn::default) of each `Knn`, only records that all of them find are
/// hits. [`Rrf::hybrid`] sets it.
///
/// ```
/// use chroma_blocking::Search;
/// use chroma_blocking::record::SparseVector;
/// use chroma_blocking::search::{Knn, Rrf};
///
/// let words = SparseVector::new([3, 17], [0.5, 0.25]);
/// let both = Rrf::new([
///     Knn::text("memory safety").limit(100),
///     Knn::sparse("words", words).limit(100).default(1000),
/// ]);
/// let search = Search::new().rank(both.weights([2, 1])).limit(10);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a rank does nothing until it is given to a search"]
pub struct Rrf {
    pub(super) ranks: Vec<Rank>,
    k: u32,
    weights: Option<Vec<f64>>,
    normalize: bool,
}

impl Rrf {
    /// Combines these ranks, at least one. The weight of each is 1.
    pub fn new<R: Into<Rank>>(ranks: impl IntoIterator<Item = R>) -> Rrf {
        Rrf {
            ranks: ranks
                .into_iter()
                .map(|rank| rank.into().returning_ranks())
                .collect(),
            k: 60,
            weights: None,
            normalize: false,
        }
    }

    /// Combines search by meaning and by words, with what most people mean by hybrid search: the 100 nearest
    /// records of either side get a score, and a record that only one side finds counts as if it were at
    /// position 100 of the other.
    ///
    /// Without a [`default`](crate::search::Knn::default), as in [`new`](Rrf::new) and in Chroma's other
    /// clients, a record that only one side finds is no hit.
    ///
    /// It is short for
    ///
    /// ```
    /// # use chroma_blocking::search::{Knn, Rrf};
    /// # let text = "memory safety";
    /// let both = Rrf::new([
    ///     Knn::text(text).limit(100).default(100),
    ///     Knn::words(text).limit(100).default(100),
    /// ]);
    /// assert_eq!(both, Rrf::hybrid(text));
    /// ```
    pub fn hybrid(text: impl Into<String>) -> Rrf {
        const LIMIT: u16 = 100;
        let text = text.into();
        let sides = [Knn::text(text.clone()), Knn::words(text)];
        Rrf::new(sides.map(|side| side.limit(usize::from(LIMIT)).default(LIMIT)))
    }

    /// Sets the constant `k`. The larger it is, the smaller is the advantage of the first positions. Must be
    /// at least 1. Default: 60.
    pub fn k(mut self, k: u32) -> Rrf {
        self.k = k;
        self
    }

    /// Sets the weight of each rank, in their order. Weights must not be negative. Default: 1 for each.
    pub fn weights<W: Into<f64>>(mut self, weights: impl IntoIterator<Item = W>) -> Rrf {
        self.weights = Some(weights.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether the weights are divided by their sum, which must not be 0. Default: `false`.
    pub fn normalize(mut self, normalize: bool) -> Rrf {
        self.normalize = normalize;
        self
    }

    /// Refuses what Chroma's client would refuse. Does not check the ranks in it. `of` names the search in an
    /// error.
    pub(super) fn check(&self, of: &str) -> Result<(), InvalidInput> {
        let bad = |why: String| {
            Err(InvalidInput::Search {
                of: of.to_owned(),
                why,
            })
        };
        if self.ranks.is_empty() {
            return bad("an Rrf needs at least one rank".into());
        }
        if self.k == 0 {
            return bad("the k of an Rrf is 0; it must be at least 1".into());
        }
        let Some(weights) = &self.weights else {
            return Ok(());
        };
        let (found, expected) = (weights.len(), self.ranks.len());
        if found != expected {
            return bad(format!(
                "{found} weights for the {expected} ranks of an Rrf; give one for each"
            ));
        }
        for &value in weights {
            Number::Float(value).check(of)?;
            if value < 0.0 {
                return bad(format!(
                    "the weight {value} of an Rrf is negative; weights must be 0 or more"
                ));
            }
        }
        let sum: f64 = weights.iter().sum();
        if self.normalize && sum == 0.0 {
            return bad("the weights of an Rrf are all 0 and cannot be normalized".into());
        }
        Ok(())
    }

    /// Returns the formula, as Chroma's client writes it.
    pub(crate) fn expanded(&self) -> Rank {
        let equal = vec![1.0; self.ranks.len()];
        let weights = self.weights.as_ref().unwrap_or(&equal);
        let divisor = if self.normalize {
            weights.iter().sum()
        } else {
            1.0
        };
        let ranks = weights.iter().zip(&self.ranks);
        -Rank::sum(ranks.map(|(weight, rank)| {
            weight / divisor / (Rank::from(i64::from(self.k)) + rank.clone())
        }))
    }
}

impl fmt::Display for Rrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        as_json(&self.expanded(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::search::Knn;

    fn two() -> Rrf {
        Rrf::new([Knn::text("a"), Knn::text("b").return_rank(true)])
    }

    #[test]
    fn a_knn_in_it_returns_its_rank() {
        let json = Rrf::new([Knn::text("a")]).k(1).to_string();
        assert_eq!(
            json,
            r##"{"$mul":[{"$val":-1},{"$div":{"left":{"$val":1.0},"right":{"$sum":[{"$val":1},{"$knn":{"query":"a","key":"#embedding","limit":16,"return_rank":true}}]}}}]}"##
        );
        assert_eq!(
            two().to_string().matches(r#""return_rank":true"#).count(),
            2
        );
        let computed = Rrf::new([2 * Knn::text("a")]).to_string();
        assert!(!computed.contains("return_rank"), "{computed}");
    }

    #[test]
    fn normalized_weights_sum_to_one() {
        let json = two().weights([3, 1]).normalize(true).to_string();
        let weight = |value: &str| json.contains(&format!(r#""left":{{"$val":{value}}}"#));
        assert!(weight("0.75") && weight("0.25"), "{json}");
        let json = two().normalize(true).to_string();
        assert_eq!(json.matches(r#"{"$val":0.5}"#).count(), 2, "{json}");
    }

    #[test]
    fn invalid_parameters_are_refused() {
        assert_eq!(two().weights([0.0, 0.5]).check("it"), Ok(()));
        for (bad, part) in [
            (Rrf::new(Vec::<Knn>::new()), "at least one rank"),
            (two().k(0), "k of an Rrf"),
            (two().weights([1]), "1 weights for the 2 ranks"),
            (two().weights([1, 2, 3]), "3 weights"),
            (two().weights(Vec::<f64>::new()), "0 weights"),
            (two().weights([1.0, -0.5]), "-0.5"),
            (two().weights([1.0, f64::NAN]), "NaN"),
            (two().weights([0, 0]).normalize(true), "normalized"),
        ] {
            let why = bad.check("it").expect_err(&bad.to_string()).to_string();
            assert!(why.contains(part), "{why} / {part}");
        }
    }
}
