//! [`Differences`]: how a copy differs from its source.

use std::fmt;

/// The maximum number of differences that are described. All of them are counted.
const MAX_DESCRIBED: usize = 100;

/// How a copy of a collection differs from its source. Its `Display` is one line: `2 missing, 1 changed ("a":
/// missing; "b": missing; "c": other metadata)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Differences {
    /// Records of the source that the copy does not have.
    pub missing: u64,
    /// Records that are not the same in both.
    pub changed: u64,
    /// Records of the copy that the source does not have.
    pub extra: u64,
    /// The first 100 of them.
    pub examples: Vec<Difference>,
}

/// A record that is not the same in a copy and in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The record's id.
    pub id: String,
    /// The part that differs.
    pub kind: DifferenceKind,
}

/// The part that differs between a record and its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The copy does not have the record.
    Missing,
    /// The source does not have the record.
    Extra,
    /// The documents differ.
    Document,
    /// The URIs differ.
    Uri,
    /// The metadata differ.
    Metadata,
    /// The vectors differ.
    Embedding,
}

impl Differences {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Returns the number of all differences.
    pub fn count(&self) -> u64 {
        self.missing + self.changed + self.extra
    }

    /// Counts a difference.
    #[cfg_attr(not(feature = "transfer"), allow(dead_code))]
    pub(crate) fn add(&mut self, id: &str, kind: DifferenceKind) {
        match kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Extra => self.extra += 1,
            _ => self.changed += 1,
        }
        if self.examples.len() < MAX_DESCRIBED {
            let id = id.to_owned();
            self.examples.push(Difference { id, kind });
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let counts = [
            (self.missing, "missing"),
            (self.changed, "changed"),
            (self.extra, "extra"),
        ];
        let mut separator = "";
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {what}")?;
            separator = ", ";
        }
        if self.is_empty() {
            return f.write_str("no differences");
        }
        let mut separator = " (";
        for Difference { id, kind } in self.examples.iter().take(SHOWN) {
            write!(f, "{separator}{id:?}: {}", kind.name())?;
            separator = "; ";
        }
        f.write_str(if self.count() > SHOWN as u64 {
            "; …)"
        } else {
            ")"
        })
    }
}

impl DifferenceKind {
    fn name(self) -> &'static str {
        match self {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Extra => "extra",
            DifferenceKind::Document => "other document",
            DifferenceKind::Uri => "other URI",
            DifferenceKind::Metadata => "other metadata",
            DifferenceKind::Embedding => "other vector",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_displayed_as_one_line() {
        let mut found = Differences::default();
        assert_eq!(found.to_string(), "no differences");
        found.add("a", DifferenceKind::Missing);
        found.add("b", DifferenceKind::Metadata);
        assert_eq!(
            found.to_string(),
            r#"1 missing, 1 changed ("a": missing; "b": other metadata)"#
        );
        for _ in 0..200 {
            found.add("c", DifferenceKind::Extra);
        }
        assert_eq!((found.extra, found.examples.len()), (200, MAX_DESCRIBED));
        assert!(found.to_string().ends_with(r#""c": extra; …)"#), "{found}");
    }
}
