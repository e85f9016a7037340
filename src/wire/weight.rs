//! [`check`]: refuses JSON that would take too much memory as a tree of values.

use crate::model::budget::{Budget, Exceeded, block};

/// The maximum memory for the values of a response without rows, in bytes. Such a response has at most 16 MiB
/// of JSON. A long schema takes about 17 times its JSON, so a schema of 7 MiB is still read.
pub(super) const MAX: usize = 128 << 20;
/// A shorter text cannot exceed [`MAX`]. In the worst case, the five bytes of `{"":}` become an object of 700
/// bytes.
const SHORT: usize = 900 << 10;
/// The bytes of a `serde_json::Value`.
const VALUE: usize = size_of::<serde_json::Value>();
/// The bytes of a node of the B-tree of an object: 11 keys, 11 values, a parent and two lengths.
const NODE: usize = 11 * (size_of::<String>() + VALUE) + 16;
/// The number of keys per node if they are inserted in order.
const KEYS: usize = 6;
/// The deepest nesting that `serde_json` reads.
const MAX_DEPTH: usize = 128;

/// Checks that the values of a JSON text take at most [`MAX`] bytes of memory.
///
/// # Errors
/// If they take more. A text that is not JSON may pass.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    if json.len() < SHORT {
        return Ok(());
    }
    estimate(json, MAX).map(drop).map_err(exceeded)
}

/// Returns the error for values that take more than [`MAX`].
pub(super) fn exceeded(_: Exceeded) -> String {
    format!(
        "its values would take more than {} MiB of memory, so it is probably not from Chroma; check the address",
        MAX >> 20
    )
}

/// Returns about how many bytes of memory the values of a JSON text take, up to the first error in it.
///
/// # Errors
/// If they take more than `max`.
pub(super) fn estimate(json: &[u8], max: usize) -> Result<usize, Exceeded> {
    let mut estimate = Estimate {
        budget: Budget::of(max),
        open: [Open::default(); MAX_DEPTH],
        depth: 0,
    };
    estimate.run(json)?;
    Ok(max - estimate.budget.left())
}

/// A list or an object whose end was not read yet.
#[derive(Clone, Copy, Default)]
struct Open {
    is_object: bool,
    /// The number of entries so far.
    entries: usize,
}

struct Estimate {
    budget: Budget,
    open: [Open; MAX_DEPTH],
    depth: usize,
}

impl Estimate {
    fn run(&mut self, json: &[u8]) -> Result<(), Exceeded> {
        let mut at = 0;
        while let Some(byte) = json.get(at) {
            at += 1;
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'}' | b']' if self.depth == 0 => break,
                b'}' | b']' => {
                    self.close()?;
                    continue;
                }
                _ => {}
            }
            let open = &mut self.open[self.depth];
            open.entries = open.entries.max(1);
            match byte {
                // The parser stops here.
                b'{' | b'[' if self.depth + 1 == MAX_DEPTH => break,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.open[self.depth] = Open {
                        is_object: *byte == b'{',
                        entries: 0,
                    };
                }
                b',' => open.entries += 1,
                b'"' => {
                    let length = text_len(&json[at..]);
                    at += length + 1;
                    self.budget.take_block(length)?;
                }
                _ => {}
            }
        }
        // The parser finds a missing end after it has made the values before.
        while self.depth > 0 {
            self.close()?;
        }
        Ok(())
    }

    /// Takes the bytes of the innermost list or object, and leaves it. The kind of bracket at its end does not
    /// count: at a wrong one, the parser has made the values before.
    fn close(&mut self) -> Result<(), Exceeded> {
        let Open { is_object, entries } = self.open[self.depth];
        self.depth -= 1;
        self.budget.take(if entries == 0 {
            0
        } else if is_object {
            let nodes = if entries <= 11 { 1 } else { entries / KEYS + 1 };
            nodes * block(NODE)
        } else if entries <= 1_024 {
            // A `Vec` grows by doubling, and starts with four.
            block(entries.next_power_of_two().max(4) * VALUE)
        } else {
            // Spare capacity of a large `Vec` is not resident.
            entries * VALUE
        })
    }
}

/// Returns the number of bytes before the quotation mark that ends a text.
fn text_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with the sizes of a response of 15 MiB, divided by 16.
    fn read(before: &str, entry: &str, after: &str) -> Result<usize, Exceeded> {
        let entries = vec![entry; (15 << 16) / (entry.len() + 1)];
        let json = format!("{before}{}{after}", entries.join(","));
        estimate(json.as_bytes(), MAX / 16)
    }

    #[test]
    fn secure_04_json_that_takes_much_memory_as_values_is_refused() {
        for entry in [
            "{\"a\":0}",
            "0",
            "[]",
            "[0]",
            "\"a\"",
            "{\"a\":{\"a\":0}}",
            "[[[[]]]]",
        ] {
            for end in ["]}", "", "}", "]", "!", "!]}"] {
                assert!(read("{\"x\":[", entry, end).is_err(), "{entry} {end}");
            }
        }
        for end in ["}", "", "]", "!"] {
            assert!(read("{", "\"key\":0", end).is_err(), "{end}");
        }
        let deep = "[".repeat(MAX_DEPTH + 10);
        assert!(read("[", "0", &format!(",{deep}")).is_err());
        let answer = format!("[{}]", vec!["{\"\":0}"; 220_000].join(","));
        let why = check(answer.as_bytes()).unwrap_err();
        assert!(
            why.starts_with("its values would take more than 128 MiB of memory"),
            "{why}"
        );
        assert_eq!(check(&answer.as_bytes()[..SHORT - 1]), Ok(()));
    }

    #[test]
    fn ordinary_json_passes() {
        for entry in [
            "{\"name\":\"a name of a key\",\"description\":\"a text of a few dozen words, with a \\\" and a \\\\, which goes on for a while\"}",
            "123456789.25",
            "\"a text of a few words\"",
            "[123.25,456.75,123.25,456.75,123.25,456.75]",
        ] {
            assert!(read("[", entry, "]").is_ok(), "{entry}");
        }
        // Its end is missing, or its nesting is too deep: the parser says so.
        for byte in [b'"', b'[', b'{', b']', b'}', b'\\', b','] {
            assert!(estimate(&[byte; 1_000], MAX).is_ok());
        }
    }

    #[test]
    fn values_take_what_was_assumed() {
        for (json, bytes) in [
            // The end is missing.
            ("[0,0,0", block(4 * VALUE)),
            ("{\"a\":0", block(NODE) + block(1)),
            ("[{\"a\":0}]", block(4 * VALUE) + block(NODE) + block(1)),
            ("{\"a\":[]}", block(NODE) + block(1)),
            (r#"["\"",""]"#, block(4 * VALUE) + block(2)),
        ] {
            assert_eq!(estimate(json.as_bytes(), MAX).unwrap(), bytes, "{json}");
            let found = allocation_counter::measure(|| {
                drop(serde_json::from_str::<serde_json::Value>(json));
            });
            // An error takes some as well.
            assert!(found.bytes_max as usize <= bytes + 64, "{json}: {found:?}");
        }
    }
}
