//! [`Pooling`]: one vector from the vectors of a text's tokens.

/// How the vector of a text is made of the vectors of its tokens. The card of a model names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean, as for all-MiniLM, e5 and gte. `[CLS]` and `[SEP]` count, and padding does not.
    #[default]
    Mean,
    /// The vector of the first token, `[CLS]`, as for bge-small-en-v1.5.
    Cls,
}

impl Pooling {
    /// Returns the name in stored settings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Pooling::Mean => "mean",
            Pooling::Cls => "cls",
        }
    }

    /// Returns the pooling with a stored name.
    pub(super) fn from_name(name: &str) -> Option<Pooling> {
        let mut all = [Pooling::Mean, Pooling::Cls].into_iter();
        all.find(|pooling| pooling.name() == name)
    }

    /// Returns the vector of a text. `tokens` has a vector of `dimension` floats for each token.
    pub(super) fn pool(self, tokens: &[f32], dimension: usize) -> Vec<f32> {
        let rows = tokens.chunks_exact(dimension);
        match self {
            Pooling::Cls => tokens.iter().take(dimension).copied().collect(),
            Pooling::Mean => {
                let count = rows.len().max(1) as f32;
                let mut pooled = vec![0.0; dimension];
                for row in rows {
                    pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                for sum in &mut pooled {
                    *sum /= count;
                }
                pooled
            }
        }
    }
}

/// Scales a vector to unit length. A vector of zeros stays as it is.
pub(super) fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x /= length;
        }
    }
}
