//! [`Random`]: Marsaglia's xorshift generator, instead of a dependency, because waits and tests need only a
//! few numbers.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A generator of pseudo-random numbers, for jitter and tests. Not for secrets. The state must not be zero.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns a generator with a seed that differs from call to call and from process to process.
    pub(crate) fn from_entropy() -> Random {
        // std seeds each RandomState from the system's randomness and a counter.
        Random(RandomState::new().build_hasher().finish() | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number from 0 to 1, without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // The 53 bits of a float's mantissa.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(any(test, fuzzing))]
impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns an index into a list of this length, which must not be 0.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Returns `true` once in `times` calls, on average.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_differ_and_stay_below_one() {
        let numbers: Vec<_> = (0..100)
            .map(|_| Random::from_entropy().fraction())
            .collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
