//! [`LineSource`]: gives the CSV parser one line at a time.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use crate::ingest::readers::encoding::Foreign;

/// A line end has at most this many bytes.
const MAX_END_LEN: usize = 2;

/// A source that gives the parser at most one line per read. So the line in which a row begins is known, and
/// the length of a row can be limited.
///
/// The parser's own count is one too small after `\r\n` and blank lines.
#[derive(Debug)]
pub(super) struct LineSource<R> {
    source: Chain<Cursor<Vec<u8>>, BufReader<R>>,
    line_end: LineEnd,
    /// The number of the current line, counted from 1. 0 before the first one.
    line: u64,
    /// Whether the next byte begins a line.
    is_at_start: bool,
    /// The number of bytes that the parser has been given.
    pub(super) given: u64,
    /// The line in which the current row begins, once it has begun.
    row_line: Option<u64>,
    /// The number of bytes that the current row may still have.
    left: usize,
    /// Whether a line break was added at the end of the source, which may lack one.
    is_last_ended: bool,
    pub(super) fault: Option<RowFault>,
}

/// What is wrong with the current row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowFault {
    /// It has more bytes than allowed.
    TooLong,
    /// The parser has met the end of the source. As the last line is ended, this happens within quotes only.
    OpenQuote,
}

/// The byte that ends the lines of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
enum LineEnd {
    /// No line has ended yet outside of quotes.
    Unknown { is_quoted: bool },
    /// A line has ended with `\r`. If `\n` is the next byte, it ends the lines.
    AfterCr,
    /// `\n`, or `\r` in files of old Macs.
    Byte(u8),
}

impl<R: Read> LineSource<R> {
    /// Reads the first bytes of a source. Also returns what they are, if they are not UTF-8 text.
    pub(super) fn open(source: R) -> io::Result<(LineSource<R>, Option<Foreign>)> {
        let mut source = BufReader::new(source);
        let mut start = Vec::new();
        source.by_ref().take(5).read_to_end(&mut start)?;
        let foreign = Foreign::of(&start);
        if start.starts_with(b"\xEF\xBB\xBF") {
            start.drain(..3);
        }
        let source = LineSource {
            source: Cursor::new(start).chain(source),
            line_end: LineEnd::Unknown { is_quoted: false },
            line: 0,
            is_at_start: true,
            given: 0,
            row_line: None,
            left: 0,
            is_last_ended: false,
            fault: None,
        };
        Ok((source, foreign))
    }

    /// Prepares for a row of at most `max_len` bytes. `parsed` is the number of bytes that the parser has
    /// processed.
    pub(super) fn start_row(&mut self, max_len: usize, parsed: u64) {
        self.left = max_len.saturating_add(MAX_END_LEN);
        // More than the `\n` of a `\r\n`: the row begins in the line that the parser already has.
        let has_begun = self.given.saturating_sub(parsed) > 1;
        self.row_line = has_begun.then_some(self.line);
        self.fault = None;
    }

    /// Returns the line in which the current row begins.
    pub(super) fn row_line(&self) -> u64 {
        self.row_line.unwrap_or(self.line).max(1)
    }

    /// Ends the last line, and then the source.
    fn end(&mut self, to: &mut [u8]) -> usize {
        if self.is_last_ended {
            self.fault = Some(RowFault::OpenQuote);
            return 0;
        }
        self.is_last_ended = true;
        to[0] = b'\n';
        self.given += 1;
        1
    }

    /// Waits for bytes, also after a signal. Returns `false` at the end of the source.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(|bytes| !bytes.is_empty()),
            }
        }
    }
}

impl LineEnd {
    /// Returns the length of a line at the start of `bytes`, if its end is there, and learns from it which
    /// byte ends lines.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = match *self {
            LineEnd::Byte(end) => bytes.iter().position(|byte| *byte == end)?,
            LineEnd::AfterCr => {
                let is_crlf = bytes.first() == Some(&b'\n');
                *self = LineEnd::Byte(if is_crlf { b'\n' } else { b'\r' });
                return self.find(bytes);
            }
            LineEnd::Unknown { mut is_quoted } => {
                let is_end = |byte: &u8| match byte {
                    b'"' => {
                        is_quoted = !is_quoted;
                        false
                    }
                    b'\r' => !is_quoted,
                    byte => *byte == b'\n',
                };
                let end = bytes.iter().position(is_end);
                *self = match end.map(|end| bytes[end]) {
                    Some(b'\r') => LineEnd::AfterCr,
                    Some(end) if !is_quoted => LineEnd::Byte(end),
                    _ => LineEnd::Unknown { is_quoted },
                };
                end?
            }
        };
        Some(end + 1)
    }
}

impl<R: Read> Read for LineSource<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        if !self.fill()? {
            return Ok(self.end(to));
        }
        let available = self.source.fill_buf()?;
        if self.left == 0 {
            self.fault = Some(RowFault::TooLong);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let len = available.len().min(to.len()).min(self.left);
        // The `\n` of a `\r\n` belongs to the line before it.
        let is_second_byte = self.line_end == LineEnd::AfterCr && available[0] == b'\n';
        let found = self.line_end.find(&available[..len]);
        let len = found.unwrap_or(len);
        let part = &available[..len];
        to[..len].copy_from_slice(part);
        if self.is_at_start && !is_second_byte {
            self.line += 1;
        }
        self.is_at_start = found.is_some();
        if self.row_line.is_none() && part.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.row_line = Some(self.line);
        }
        if self.row_line.is_some() {
            self.left -= len;
        }
        self.given += len as u64;
        self.source.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the parts that a parser is given, with the line of each.
    fn parts(bytes: &[u8], capacity: usize) -> Vec<(u64, String)> {
        let source = BufReader::with_capacity(capacity, bytes);
        let (mut source, _) = LineSource::open(source).unwrap();
        let mut all = Vec::new();
        loop {
            source.start_row(100, source.given);
            let mut to = [0; 50];
            let len = source.read(&mut to).unwrap();
            if len == 0 {
                return all;
            }
            let text = String::from_utf8(to[..len].to_vec()).unwrap();
            all.push((source.line, text));
        }
    }

    #[test]
    fn field_03_the_source_is_given_to_the_parser_line_by_line() {
        let lines = |end: &str| ["ab", "", "cd", "ef"].join(end);
        for (end, mark) in [("\n", ""), ("\r\n", "\u{feff}"), ("\r", "")] {
            for capacity in [1, 2, 3, 100] {
                let text = format!("{mark}{}{end}", lines(end));
                let parts = parts(text.as_bytes(), capacity);
                let joined: String = parts.iter().map(|(_, part)| part.as_str()).collect();
                assert_eq!(joined, format!("{}\n", text.trim_start_matches('\u{feff}')));
                for (line, part) in parts {
                    let expected = match part.trim_end() {
                        "" => continue,
                        text if "ab".contains(text) => 1,
                        text if "cd".contains(text) => 3,
                        _ => 4,
                    };
                    assert_eq!(line, expected, "{part:?} of {text:?}, {capacity} bytes");
                }
            }
        }
    }

    #[test]
    fn field_03_a_carriage_return_in_quotes_does_not_end_the_lines() {
        let text = "\"a\rb\",\"c\nd\"\n1\r2\n3\n";
        let parts = parts(text.as_bytes(), 100).into_iter();
        let mut lines: Vec<u64> = parts.map(|(line, _)| line).collect();
        // The first bytes are read on their own.
        lines.dedup();
        assert_eq!(lines, [1, 2, 3, 4]);
    }
}
