//! [`MaxDistance`]: the greatest distance of a hit.

use crate::invalid::InvalidInput;

/// The greatest distance of a hit, if there is a bound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MaxDistance(Option<f32>);

impl MaxDistance {
    /// Sets the bound, unless an earlier one is smaller.
    pub(crate) fn restrict(&mut self, distance: f32) {
        // NaN stays, and is refused.
        let is_kept = |earlier: f32| earlier.is_nan() || earlier < distance;
        self.0 = Some(match self.0 {
            Some(earlier) if is_kept(earlier) => earlier,
            _ => distance,
        });
    }

    pub(crate) fn is_set(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn check(self) -> Result<(), InvalidInput> {
        match self.0 {
            Some(distance) if distance.is_nan() => {
                let why = "it must be a number";
                Err(InvalidInput::setting("max_distance", "NaN", why))
            }
            _ => Ok(()),
        }
    }

    /// Whether a hit may have this distance.
    pub(crate) fn allows(self, distance: f32) -> bool {
        self.0.is_none_or(|max| distance <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_bound_wins_and_nan_is_refused() {
        let mut max = MaxDistance::default();
        assert!(max.allows(f32::INFINITY) && !max.is_set());
        for bound in [0.5, 0.25, 0.75] {
            max.restrict(bound);
        }
        assert!(max.allows(0.25) && !max.allows(0.26) && !max.allows(f32::NAN));
        assert_eq!(max.check(), Ok(()));
        max.restrict(f32::NAN);
        max.restrict(0.1);
        assert!(max.check().is_err());
    }
}
