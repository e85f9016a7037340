//! [`Lines`]: lines of bytes, none longer than a bound.

use std::io::{self, BufRead, Read};

/// What the buffer keeps of its room, so that one long line is not paid for to the end.
const KEPT: usize = 1 << 20;

/// The lines of a source, one at a time.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    /// That of the last line, counted from 1.
    number: u64,
    /// Bytes in a line, without its end.
    pub(super) max: usize,
    over: bool,
}

/// A line, without its end; or that it was too long.
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R, max: usize) -> Lines<R> {
        Lines {
            source,
            line: Vec::new(),
            number: 0,
            max,
            over: false,
        }
    }

    /// The next line that is not blank, and its number; an error is the last that comes.
    pub(super) fn next(&mut self) -> Option<io::Result<(u64, Line<'_>)>> {
        while !self.over {
            match self.read() {
                Ok(None) => self.over = true,
                Ok(Some(false)) => return Some(Ok((self.number, Line::TooLong))),
                Ok(Some(true)) if self.line.trim_ascii().is_empty() => {}
                Ok(Some(true)) => return Some(Ok((self.number, Line::Whole(&self.line)))),
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Reads a line, if there is one, and says whether it is whole.
    fn read(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        // With its end, of which there may be two bytes.
        let most = self.max.saturating_add(2) as u64;
        let mut part = (&mut self.source).take(most);
        if part.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.line.ends_with(b"\n");
        if ended {
            self.line.pop();
        }
        if self.line.ends_with(b"\r") {
            self.line.pop();
        }
        if self.number == 1 && self.line.starts_with(b"\xEF\xBB\xBF") {
            self.line.drain(..3);
        }
        let whole = self.line.len() <= self.max;
        if !whole && !ended {
            self.source.skip_until(b'\n')?;
        }
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// The lines of a text, `None` for those that are too long.
    fn lines(text: &[u8], max: usize) -> Vec<(u64, Option<String>)> {
        let mut all = Vec::new();
        // Three bytes at a time, so that lines and their ends are cut.
        let mut lines = Lines::new(BufReader::with_capacity(3, text), max);
        while let Some(line) = lines.next() {
            let (number, line) = line.unwrap();
            let line = match line {
                Line::Whole(line) => Some(String::from_utf8(line.to_vec()).unwrap()),
                Line::TooLong => None,
            };
            all.push((number, line));
        }
        all
    }

    #[test]
    fn ends_blank_lines_and_a_mark_at_the_start_are_no_content() {
        let text = "\u{feff}one\r\n\n \t\r\ntwo\nthree\rx\n\u{feff}four";
        let expected = [(1, "one"), (4, "two"), (5, "three\rx"), (6, "\u{feff}four")];
        let expected = expected.map(|(number, line)| (number, Some(line.to_owned())));
        assert_eq!(lines(text.as_bytes(), 100), expected);
        assert_eq!(lines(b"", 100), []);
        assert_eq!(lines(b"\n\n", 100), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
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
    fn a_source_that_fails_ends_with_its_error() {
        struct Failing;

        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }

        let source = BufReader::new(b"one\ntwo".chain(Failing));
        let mut lines = Lines::new(source, 100);
        assert!(matches!(lines.next(), Some(Ok((1, Line::Whole(b"one"))))));
        // What was read of the second line is not taken for all of it.
        assert!(matches!(lines.next(), Some(Err(_))));
        assert!(lines.next().is_none());
    }
}
