//! [`Space`]: how Chroma measures the distance of two vectors.

use serde::{Deserialize, Serialize};

/// How the distance of two vectors is measured, fixed when a collection is made. Smaller is nearer.
///
/// Source of the formulas: Chroma's documentation, "Configure collections".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Space {
    /// Squared Euclidean distance, `Σ (aᵢ − bᵢ)²`. Chroma's default.
    #[default]
    L2,
    /// One minus the cosine of the angle: 0 for the same direction, 1 for a right angle, 2 for the opposite one.
    Cosine,
    /// One minus the inner product, `1 − Σ aᵢ·bᵢ`.
    Ip,
}

impl Space {
    /// Chroma's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Space::L2 => "l2",
            Space::Cosine => "cosine",
            Space::Ip => "ip",
        }
    }
}
