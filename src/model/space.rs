//! [`Space`]: the distance functions.

use serde::{Deserialize, Serialize};

/// The distance function of a collection, fixed when the collection is created. Smaller is nearer.
///
/// The formulas are from Chroma's documentation, "Configure collections".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Space {
    /// Squared Euclidean distance, `Σ (aᵢ − bᵢ)²`. Chroma's default.
    #[default]
    L2,
    /// One minus the cosine of the angle: 0 for the same direction, 1 for a right angle, 2 for the opposite
    /// one.
    Cosine,
    /// One minus the inner product, `1 − Σ aᵢ·bᵢ`.
    Ip,
}

impl Space {
    /// Returns the name in Chroma's API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Space::L2 => "l2",
            Space::Cosine => "cosine",
            Space::Ip => "ip",
        }
    }
}
