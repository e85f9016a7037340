//! [`Mutator`]: damages responses as broken connections do, and forges responses as broken or hostile servers
//! do.

use std::ops::Range;

use super::random::Random;

pub(super) struct Mutator {
    pub(super) random: Random,
}

/// Replacements for a value: numbers out of range, other types, invalid strings.
const HOSTILE: &[&[u8]] = &[
    b"null",
    b"true",
    b"0",
    b"-0",
    b"-0.0",
    b"-1",
    b"1.5",
    b"1e39",
    b"-1e39",
    b"1e308",
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"340282366920938463463374607431768211456",
    b"NaN",
    b"-Infinity",
    b"01",
    b"1.",
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b"[1,\"a\"]",
    b"{\"\":null}",
    b"{\"#type\":\"sparse_vector\",\"indices\":[1],\"values\":[1e39]}",
    b"{\"#type\":\"sparse_vector\",\"indices\":[1,2],\"values\":[1]}",
    b"{\"#type\":1}",
    b"\"\"",
    b"\"#document\"",
    b"\"$and\"",
    b"\"\\u0000\"",
    b"\"\\ud83e\\udd80\"",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\u12\"",
    b"\"\\x\"",
    b"\"\xFF\"",
    b"\"\xED\xA0\x80\"",
    b"\"\xF0\x9F\xA6\"",
    b"\"\n\"",
    b"\xEF\xBB\xBF",
];

/// Bytes with a meaning in JSON.
const MARKS: &[u8] = b"[]{},:\"\\-+.eE019 \n\t\0ntfu/\x7F\x80\xC3\xFF";

impl Mutator {
    /// Returns a mutator that depends on `number` alone.
    pub(super) fn new(number: u64) -> Mutator {
        // Neighbouring numbers must not start with similar random numbers.
        let mut random = Random((number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        random.next();
        Mutator { random }
    }

    /// Applies one to three mutations to a response. They may insert parts of `other`.
    pub(super) fn mutated(&mut self, answer: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = answer.to_vec();
        for _ in 0..=self.random.below(3) {
            if self.random.once_in(2) {
                self.mutate_values(&mut bytes, other);
            } else {
                self.mutate_bytes(&mut bytes, other);
            }
        }
        bytes
    }

    /// Replaces, removes or repeats a value. Valid JSON mostly stays valid.
    fn mutate_values(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let values = values(bytes);
        if values.is_empty() {
            return;
        }
        let value = values[self.random.place(values.len())].clone();
        let next = bytes.get(value.end).copied();
        match self.random.below(8) {
            0..3 => {
                let hostile = self.hostile();
                bytes.splice(value, hostile);
            }
            3 => {
                let source = [other, &bytes[..]][self.random.place(2)];
                let part = self.part(source);
                bytes.splice(value, part);
            }
            // Removes the value; a list is then shorter than its ids.
            4 if next == Some(b',') => {
                bytes.drain(value.start..=value.end);
            }
            4 if value.start > 0 && bytes[value.start - 1] == b',' => {
                bytes.drain(value.start - 1..value.end);
            }
            // Repeats a key.
            5 if next == Some(b':') => {
                let mut member = bytes[value.start..=value.end].to_vec();
                member.extend(self.hostile());
                member.push(b',');
                bytes.splice(value.start..value.start, member);
            }
            // Repeats the value; a list is then longer than its ids.
            _ => {
                let mut copy = bytes[value.clone()].to_vec();
                copy.push(b',');
                bytes.splice(value.start..value.start, copy);
            }
        }
    }

    /// Returns a random value of a response.
    fn part(&mut self, answer: &[u8]) -> Vec<u8> {
        let values = values(answer);
        match values.len() {
            0 => answer.to_vec(),
            count => answer[values[self.random.place(count)].clone()].to_vec(),
        }
    }

    fn hostile(&mut self) -> Vec<u8> {
        // Large values are rare, because they are slow.
        let many = match self.random.below(200) {
            0 => 100_000,
            1..10 => 2_000,
            _ => 50 + self.random.place(100),
        };
        match self.random.below(12) {
            0 => nested(b"[", b"]", many),
            1 => nested(b"{\"a\":", b"}", many),
            2 => nested(b"{\"$and\":[{\"b\":1},", b"]}", many),
            // Never closed.
            3 => b"[".repeat(many),
            4 => [b"\"", &b"x".repeat(many)[..], b"\""].concat(),
            5 => b"9".repeat(many),
            _ => HOSTILE[self.random.place(HOSTILE.len())].to_vec(),
        }
    }

    /// Damages bytes as a broken connection or disk does.
    fn mutate_bytes(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.random.place(bytes.len() + 1);
        let some = at..(at + self.random.place(32)).min(bytes.len());
        let mark = MARKS[self.random.place(MARKS.len())];
        match self.random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.random.below(8),
            1 if at < bytes.len() => bytes[at] = mark,
            2 => bytes.insert(at, mark),
            3 => drop(bytes.drain(some)),
            4 => bytes.truncate(at),
            5 => {
                let copies = bytes[some].repeat(1 + self.random.place(4));
                bytes.splice(at..at, copies);
            }
            6 if !other.is_empty() => {
                let from = self.random.place(other.len());
                let to = other.len().min(from + some.len());
                bytes.splice(some, other[from..to].iter().copied());
            }
            // The start of one response, then the end of another.
            7 if !other.is_empty() => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.random.place(other.len())..]);
            }
            _ => bytes.push(mark),
        }
    }
}

/// Returns `depth` nested values.
pub(super) fn nested(open: &[u8], close: &[u8], depth: usize) -> Vec<u8> {
    [&open.repeat(depth)[..], b"1", &close.repeat(depth)].concat()
}

/// Returns the ranges of all values, including keys. Invalid JSON gives some ranges, too many or too few.
pub(super) fn values(json: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < json.len() {
        let start = at;
        at += 1;
        match json[start] {
            b'[' | b'{' => open.push(start),
            b']' | b'}' => found.extend(open.pop().map(|start| start..at)),
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
            b'"' => {
                while at < json.len() && json[at] != b'"' {
                    at += 1 + usize::from(json[at] == b'\\');
                }
                at = json.len().min(at + 1);
                found.push(start..at);
            }
            _ => {
                while at < json.len() && !b",:]}[{\" \n".contains(&json[at]) {
                    at += 1;
                }
                found.push(start..at);
            }
        }
    }
    found
}
