//! Checks that a response holds only records that the request asked for.

use std::collections::HashSet;

use twox_hash::XxHash3_64;

use crate::printable::short;
use crate::random::Random;

/// The records that a response may hold.
#[derive(Debug, Default)]
pub(crate) struct Requested<'a> {
    /// The ids, if only these were requested.
    ids: Option<HashSet<&'a str>>,
    limit: Option<usize>,
}

impl<'a> Requested<'a> {
    pub(crate) fn new(ids: Option<&'a [String]>, limit: Option<usize>) -> Requested<'a> {
        Requested {
            ids: ids.map(|ids| ids.iter().map(String::as_str).collect()),
            limit,
        }
    }

    /// Returns the maximum number of records in the response.
    pub(super) fn max(&self) -> usize {
        let limit = self.limit.unwrap_or(usize::MAX);
        let ids = self.ids.as_ref();
        ids.map_or(limit, |ids| limit.min(ids.len()))
    }

    /// Checks that all ids were requested, that no id occurs twice, and that there are at most `limit`.
    pub(super) fn check<'f>(
        &self,
        found: impl ExactSizeIterator<Item = &'f str> + Clone,
    ) -> Result<(), String> {
        if let Some(limit) = self.limit {
            check_limit(found.len(), limit)?;
        }
        let wrong = |id: &str, why| {
            let id = short(id);
            Err(format!("the server returned the record {id:?}{why}"))
        };
        if let Some(ids) = &self.ids {
            if let Some(id) = found.clone().find(|id| !ids.contains(id)) {
                return wrong(id, ", which was not requested");
            }
        }
        match repeated(found) {
            Some(id) => wrong(id, " twice"),
            None => Ok(()),
        }
    }
}

/// Checks the number of entries of a page.
pub(crate) fn check_limit(found: usize, limit: usize) -> Result<(), String> {
    if found <= limit {
        return Ok(());
    }
    Err(format!(
        "the server returned {found} records; the request allows at most {limit}"
    ))
}

/// Returns an id that occurs twice, if there is one.
///
/// A set of the ids would take several times the memory of their hashes. The seed keeps a server from choosing
/// ids with the same hash.
fn repeated<'f>(ids: impl ExactSizeIterator<Item = &'f str> + Clone) -> Option<&'f str> {
    let seed = Random::from_entropy().next();
    let hash = |id: &str| XxHash3_64::oneshot_with_seed(seed, id.as_bytes());
    let mut hashes: Vec<u64> = ids.clone().map(hash).collect();
    hashes.sort_unstable();
    let mut pairs = hashes.windows(2).filter(|pair| pair[0] == pair[1]);
    pairs.find_map(|pair| {
        let mut same = ids.clone().filter(|id| hash(id) == pair[0]);
        let first = same.next()?;
        same.find(|id| *id == first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_14_an_id_that_comes_twice_is_found_in_short_and_in_long_lists() {
        for length in [1, 2, 20, 1_000] {
            let mut ids: Vec<String> = (0..length).map(|id| format!("id{id}")).collect();
            assert_eq!(repeated(ids.iter().map(String::as_str)), None);
            let twice = ids[length / 2].clone();
            ids.push(twice.clone());
            let found = repeated(ids.iter().map(String::as_str));
            assert_eq!(found, Some(twice.as_str()));
        }
        assert_eq!(repeated([].into_iter()), None);
    }

    #[test]
    fn secure_14_only_requested_records_are_taken_and_each_of_them_once() {
        let asked = ["a", "b", "c"].map(str::to_owned);
        let check = |ids: Option<&[String]>, limit, found: &[&str]| {
            Requested::new(ids, limit).check(found.iter().copied())
        };
        // Records may have been deleted, and servers choose the order.
        for found in [&["c", "a"][..], &[], &["b"], &["a", "b", "c"]] {
            assert_eq!(check(Some(&asked), None, found), Ok(()));
            assert_eq!(check(None, Some(3), found), Ok(()));
        }
        for (ids, limit, found, why) in [
            (
                Some(&asked[..]),
                None,
                &["a", "d"][..],
                r#""d", which was not requested"#,
            ),
            (Some(&asked[..]), None, &["a", "b", "a"], r#""a" twice"#),
            (None, None, &["x", "y", "x"], r#""x" twice"#),
            (None, None, &["", ""], r#"the record "" twice"#),
            (
                Some(&asked[..]),
                None,
                &[""],
                r#"the record "", which was not requested"#,
            ),
            (Some(&asked[..]), Some(2), &["a", "b", "c"], "3 records"),
            (
                None,
                Some(0),
                &["a"],
                "1 records; the request allows at most 0",
            ),
        ] {
            let message = check(ids, limit, found).unwrap_err();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn secure_14_a_long_id_is_shortened_in_the_message() {
        let long = "x".repeat(10_000);
        for (ids, found) in [(Some(&[][..]), 1), (None, 2)] {
            let found = vec![long.as_str(); found];
            let message = Requested::new(ids, None)
                .check(found.into_iter())
                .unwrap_err();
            assert!(message.len() < 400, "{message}");
        }
    }
}
