//! Counts the fields that readers leave out of records, by name, for the report of a job.
//!
//! A job sees only records. So readers count here, on the thread that reads, which is the job's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::printable::short;

/// The maximum number of names that are counted one by one, since names come from the input.
const MAX_NAMES: usize = 100;
/// The name under which all further ones are counted.
const OTHERS: &str = "…";

type Counts = BTreeMap<String, u64>;

thread_local! {
    static COUNTS: RefCell<Counts> = const { RefCell::new(Counts::new()) };
}

/// Counts a field that was left out of a record. A long name is shortened.
pub(super) fn add(name: &str) {
    let name = short(name);
    COUNTS.with_borrow_mut(|counts| {
        if let Some(count) = counts.get_mut(&*name) {
            *count += 1;
            return;
        }
        let name = if counts.len() < MAX_NAMES {
            &*name
        } else {
            OTHERS
        };
        *counts.entry(name.to_owned()).or_default() += 1;
    });
}

/// Forgets what was counted so far.
pub(super) fn clear() {
    COUNTS.take();
}

/// Returns how often each field was left out.
pub(super) fn counts() -> Counts {
    COUNTS.with_borrow(Counts::clone)
}

/// While it exists, only what one job reads on this thread is counted. Dropping it restores the counts from
/// before the job.
pub(super) struct Scope {
    before: Counts,
}

impl Scope {
    /// Starts to count.
    pub(super) fn enter() -> Scope {
        Scope {
            before: COUNTS.take(),
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        COUNTS.set(std::mem::take(&mut self.before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_10_names_of_fields_are_counted_up_to_a_limit() {
        let _outer = Scope::enter();
        add("outer");
        {
            let _inner = Scope::enter();
            for round in 1..=2 {
                for name in 0..MAX_NAMES + 50 {
                    add(&format!("{name}"));
                }
                let counts = super::counts();
                assert_eq!(counts.len(), MAX_NAMES + 1);
                assert_eq!((counts["7"], counts[OTHERS]), (round, 50 * round));
            }
        }
        assert_eq!(counts(), Counts::from([("outer".to_owned(), 1)]));
    }

    #[test]
    fn field_10_long_names_of_fields_are_shortened() {
        let _scope = Scope::enter();
        for _ in 0..2 {
            add(&"é".repeat(1 << 20));
        }
        let counts = counts();
        let (name, count) = counts.first_key_value().unwrap();
        assert!(name.len() < 1_000 && name.contains('…'), "{name}");
        assert_eq!((*count, counts.len()), (2, 1));
    }
}
