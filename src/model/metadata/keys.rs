//! [`Keys`]: the keys that the records of a response share.

use std::sync::Arc;

/// The most keys that are shared. A response with more different keys has the others once for each record.
const MAX: usize = 1_024;

/// Keys that occurred before, in order.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Arc<str>>);

impl Keys {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the key, and whether it had to be allocated.
    pub(super) fn get(&mut self, key: &str) -> (Arc<str>, bool) {
        match self.0.binary_search_by(|known| (**known).cmp(key)) {
            Ok(at) => (self.0[at].clone(), false),
            Err(at) => {
                let key: Arc<str> = key.into();
                if self.0.len() < MAX {
                    self.0.insert(at, key.clone());
                }
                (key, true)
            }
        }
    }
}
