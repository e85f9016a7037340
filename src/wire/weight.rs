//! [`check`]: refuses JSON that would take too much memory as a tree of values.

use crate::model::budget::{Budget, Exceeded, block};

/// The most bytes that the values of a response without rows may take. Such a response has at most 16 MiB of
/// JSON. A long schema takes about 17 times its JSON, so 7 MiB of schemas are read.
const MAX: usize = 128 << 20;
/// A shorter text cannot take more than [`MAX`]: the five bytes of `{"":}` are an object of less than 700 bytes.
const SHORT: usize = 900 << 10;
/// The bytes of a `serde_json::Value`.
const VALUE: usize = size_of::<serde_json::Value>();
/// The bytes of a node of the B-tree of an object: 11 keys, 11 values, a parent and two lengths.
const NODE: usize = 11 * (size_of::<String>() + VALUE) + 16;
/// The keys in a node when they come in order.
const KEYS: usize = 6;

/// The deepest nesting that `serde_json` reads.
const MAX_DEPTH: usize = 128;

/// Checks that a JSON text, read into values of any type, takes little enough memory.
///
/// # Errors
/// Says that it takes more. Text that is not JSON may pass.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    if json.len() < SHORT {
        return Ok(());
    }
    weigh(json, MAX)
        .map(drop)
        .map_err(|Exceeded| format!("its values take more than {} MiB of memory", MAX >> 20))
}

/// Returns about how many bytes the values of a JSON text take.
fn weigh(json: &[u8], max: usize) -> Result<usize, Exceeded> {
    let mut weighing = Weighing {
        budget: Budget::of(max),
        open: [(0, true); MAX_DEPTH],
        depth: 0,
    };
    weighing.run(json)?;
    Ok(max - weighing.budget.left())
}

struct Weighing {
    budget: Budget,
    /// The number of commas in each list or object that is open, and whether it is empty so far.
    open: [(usize, bool); MAX_DEPTH],
    depth: usize,
}

impl Weighing {
    fn run(&mut self, json: &[u8]) -> Result<(), Exceeded> {
        let mut at = 0;
        while let Some(byte) = json.get(at) {
            at += 1;
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'}' | b']' => {
                    let bytes = self.close(*byte == b'}');
                    self.budget.take(bytes)?;
                    continue;
                }
                _ => {}
            }
            self.open[self.depth].1 = false;
            match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth == MAX_DEPTH {
                        // The parser stops here.
                        return Ok(());
                    }
                    self.open[self.depth] = (0, true);
                }
                b',' => self.open[self.depth].0 += 1,
                b'"' => {
                    let length = text_len(&json[at..]);
                    at += length + 1;
                    self.budget.take_block(length)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the bytes of the list or the object that ends here.
    fn close(&mut self, is_object: bool) -> usize {
        let (commas, is_empty) = self.open[self.depth];
        self.depth = self.depth.saturating_sub(1);
        let count = commas + 1;
        if is_empty {
            0
        } else if is_object {
            let nodes = if count <= 11 { 1 } else { count / KEYS + 1 };
            nodes * block(NODE)
        } else if count <= 1_024 {
            // A `Vec` grows by doubling, and starts with four.
            block(count.next_power_of_two().max(4) * VALUE)
        } else {
            // Memory that is not used yet takes none.
            count * VALUE
        }
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
        weigh(json.as_bytes(), MAX / 16)
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
            assert!(read("{\"x\":[", entry, "]}").is_err(), "{entry}");
        }
        assert!(read("{", "\"key\":0", "}").is_err());
        let answer = format!("[{}]", vec!["{\"\":0}"; 220_000].join(","));
        let why = check(answer.as_bytes()).unwrap_err();
        assert_eq!(why, "its values take more than 128 MiB of memory");
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
            assert!(weigh(&[byte; 1_000], MAX).is_ok());
        }
    }

    #[test]
    fn values_take_what_was_assumed() {
        for (json, bytes) in [
            ("[{\"a\":0}]", block(4 * VALUE) + block(NODE) + block(1)),
            ("{\"a\":[]}", block(NODE) + block(1)),
            (r#"["\"",""]"#, block(4 * VALUE) + block(2)),
        ] {
            assert_eq!(weigh(json.as_bytes(), MAX).unwrap(), bytes, "{json}");
            let found = allocation_counter::measure(|| {
                let value: serde_json::Value = serde_json::from_str(json).unwrap();
                drop(value);
            });
            assert!(found.bytes_max as usize <= bytes, "{json}: {found:?}");
        }
    }
}
