//! [`Lines`]: reads a source line by line, up to a maximum line length.

use std::io::{self, BufRead, Read};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The buffer's capacity is reduced to this many bytes after a longer line.
const MAX_KEPT_CAPACITY: usize = 1 << 20;

/// The lines of a source.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    /// The number of the last line, counted from 1.
    number: u64,
    /// The number of bytes that have been read.
    pub(super) bytes: u64,
    /// The maximum number of bytes in a line, without its end.
    pub(super) max_len: usize,
    is_finished: bool,
}

/// A line, without its end.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Complete(&'a [u8]),
    TooLong,
}

/// The result of reading into the buffer.
enum Buffered {
    Complete,
    TooLong,
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R, max_len: usize) -> Lines<R> {
        Lines {
            source,
            line: Vec::new(),
            number: 0,
            bytes: 0,
            max_len,
            is_finished: false,
        }
    }

    /// Returns the next line that is not blank, and its number. There is nothing after an error.
    pub(super) fn next(&mut self) -> Option<io::Result<(u64, Line<'_>)>> {
        while !self.is_finished {
            match self.read_line() {
                Ok(Buffered::End) => self.is_finished = true,
                Ok(Buffered::TooLong) => return Some(Ok((self.number, Line::TooLong))),
                Ok(Buffered::Complete) if self.line.trim_ascii().is_empty() => {}
                Ok(Buffered::Complete) => {
                    return Some(Ok((self.number, Line::Complete(&self.line))));
                }
                Err(error) => {
                    self.is_finished = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Ends the lines, since the rest of the source cannot be read.
    pub(super) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Reads a line into the buffer, and skips the rest of one that is too long.
    fn read_line(&mut self) -> io::Result<Buffered> {
        self.line.clear();
        self.line.shrink_to(MAX_KEPT_CAPACITY);
        // The end of a line has up to two bytes.
        let mut limit = self.max_len.saturating_add(2);
        if self.number == 0 {
            limit = limit.saturating_add(BYTE_ORDER_MARK.len());
        }
        let limit = limit as u64;
        let mut part = (&mut self.source).take(limit);
        let read = part.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Buffered::End);
        }
        self.bytes += read as u64;
        self.number += 1;
        let has_end = self.line.ends_with(b"\n");
        if has_end {
            self.line.pop();
        }
        if self.line.ends_with(b"\r") {
            self.line.pop();
        }
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        if self.line.len() <= self.max_len {
            return Ok(Buffered::Complete);
        }
        if !has_end {
            self.bytes += self.source.skip_until(b'\n')? as u64;
        }
        Ok(Buffered::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Returns all lines, with `None` for those that are too long.
    fn lines(text: &[u8], max: usize) -> Vec<(u64, Option<String>)> {
        let mut all = Vec::new();
        // Reading three bytes at a time splits lines and their ends.
        let mut lines = Lines::new(BufReader::with_capacity(3, text), max);
        while let Some(line) = lines.next() {
            let (number, line) = line.unwrap();
            let line = match line {
                Line::Complete(line) => Some(String::from_utf8(line.to_vec()).unwrap()),
                Line::TooLong => None,
            };
            all.push((number, line));
        }
        all
    }

    #[test]
    fn line_ends_blank_lines_and_a_byte_order_mark_are_removed() {
        let text = "\u{feff}one\r\n\n \t\r\ntwo\nthree\rx\n\u{feff}four";
        let expected = [(1, "one"), (4, "two"), (5, "three\rx"), (6, "\u{feff}four")];
        let expected = expected.map(|(number, line)| (number, Some(line.to_owned())));
        assert_eq!(lines(text.as_bytes(), 100), expected);
        assert_eq!(lines(b"", 100), []);
        assert_eq!(lines(b"\n\n", 100), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        for end in ["\n", "\r\n"] {
            for len in 5..12 {
                let long = "x".repeat(len);
                let text = format!("{long}{end}short{end}{long}");
                let long = Some(long).filter(|long| long.len() <= 7);
                let expected = [(1, long.clone()), (2, Some("short".to_owned())), (3, long)];
                assert_eq!(lines(text.as_bytes(), 7), expected, "{len}");
            }
        }
    }

    #[test]
    fn field_03_a_byte_order_mark_does_not_count_as_a_part_of_the_first_line() {
        for (end, mark) in [
            ("\n", ""),
            ("\r\n", "\u{feff}"),
            ("\n", "\u{feff}"),
            ("", "\u{feff}"),
        ] {
            let text = format!("{mark}0123456789{end}");
            let expected = |line: Option<&str>| vec![(1, line.map(str::to_owned))];
            assert_eq!(lines(text.as_bytes(), 10), expected(Some("0123456789")));
            assert_eq!(lines(text.as_bytes(), 9), expected(None));
        }
    }

    #[test]
    fn an_error_of_the_source_is_the_last_item() {
        struct Failing;

        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }

        let source = BufReader::new(b"one\ntwo".chain(Failing));
        let mut lines = Lines::new(source, 100);
        assert!(matches!(
            lines.next(),
            Some(Ok((1, Line::Complete(b"one"))))
        ));
        // The incomplete second line is not returned.
        assert!(matches!(lines.next(), Some(Err(_))));
        assert!(lines.next().is_none());
    }
}
