//! [`check`]: whether the lengths in an ONNX file are those of its content.
//!
//! `rten` 0.27 reads some damaged files forever, and allocates whatever length a file names.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};

/// The deepest nesting of messages. Real models have about ten levels.
const MAX_DEPTH: usize = 64;
const CUT: &str = "it is damaged, or cut short";

/// The messages of `onnx.proto` (ONNX 1.17) that a model consists of, and other content.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// A message of numbers and texts only.
    Flat,
    /// Numbers of any length.
    Varints,
    Bytes,
}

impl Kind {
    /// Returns what a field of a message contains.
    fn field(self, number: u64) -> Kind {
        match (self, number) {
            (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
            (Kind::Graph, 1) => Kind::Node,
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) => Kind::Tensor,
            (Kind::Graph, 11..=13) => Kind::ValueInfo,
            (Kind::Node, 5) => Kind::Attribute,
            (Kind::ValueInfo, 2) => Kind::Type,
            (Kind::Type, 1) => Kind::TensorType,
            (Kind::TensorType, 2) => Kind::Shape,
            (Kind::Model, 8 | 14) | (Kind::Tensor, 13) | (Kind::Shape, 1) => Kind::Flat,
            (Kind::Attribute, 8) | (Kind::Tensor, 1 | 5 | 7 | 11) => Kind::Varints,
            _ => Kind::Bytes,
        }
    }
}

/// Reads the lengths of all messages in an ONNX file.
///
/// # Errors
/// Says that the file is damaged.
pub(super) fn check(file: &File) -> Result<(), String> {
    let end = file.metadata().map_err(|error| error.to_string())?.len();
    if end == 0 {
        return Err("it is empty".to_owned());
    }
    let mut content = BufReader::new(file);
    content.rewind().map_err(|error| error.to_string())?;
    let mut lengths = Lengths { content, at: 0 };
    match lengths.read(Kind::Model, end, 0) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(CUT.to_owned()),
        result => result.map_err(|error| error.to_string()),
    }
}

/// A file, and the position in it.
struct Lengths<R> {
    content: R,
    at: u64,
}

impl<R: BufRead + Seek> Lengths<R> {
    fn read(&mut self, kind: Kind, end: u64, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while self.at < end {
            let first = self.varint(end)?;
            if kind == Kind::Varints {
                continue;
            }
            // The types of Protocol Buffers: a number, 8 bytes, a length with its content, or 4 bytes.
            match first & 7 {
                0 => _ = self.varint(end)?,
                1 => self.skip(8, end)?,
                2 => {
                    let length = self.varint(end)?;
                    match kind.field(first >> 3) {
                        Kind::Bytes => self.skip(length, end)?,
                        inner => {
                            let inner_end = self.end_of(length, end)?;
                            self.read(inner, inner_end, depth + 1)?;
                        }
                    }
                }
                5 => self.skip(4, end)?,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn varint(&mut self, end: u64) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            self.end_of(1, end)?;
            let mut byte = [0];
            self.content.read_exact(&mut byte)?;
            self.at += 1;
            let bits = u64::from(byte[0] & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn skip(&mut self, length: u64, end: u64) -> io::Result<()> {
        self.at = self.end_of(length, end)?;
        self.content.seek_relative(length as i64)
    }

    fn end_of(&self, length: u64, end: u64) -> io::Result<u64> {
        let inner = self.at.checked_add(length).filter(|inner| *inner <= end);
        inner.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(content: &[u8]) -> io::Result<()> {
        let mut lengths = Lengths {
            content: Cursor::new(content),
            at: 0,
        };
        lengths.read(Kind::Model, content.len() as u64, 0)
    }

    /// A model with a producer and a graph, which has a node, and a tensor of two dimensions with four bytes.
    const MODEL: &[u8] = &[
        0x08, 9, 0x12, 1, b'p', 0x3a, 16, // ir_version, producer_name, graph
        0x0a, 2, 0x0a, 0, // node: an input without a name
        0x2a, 10, 0x0a, 2, 2, 2, 0x4a, 4, 0, 0, 0, 0, // initializer: dims, raw_data
    ];

    #[test]
    fn lengths_that_fit_are_read() {
        read(MODEL).unwrap();
        // 10 bytes hold 64 bits, and fields may be of any number.
        read(&[
            0xf8, 0x07, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ])
        .unwrap();
    }

    #[test]
    fn a_file_that_is_cut_anywhere_within_a_message_is_damaged() {
        let whole = [0, 2, 5, MODEL.len()];
        for cut in 0..=MODEL.len() {
            assert_eq!(read(&MODEL[..cut]).is_ok(), whole.contains(&cut), "{cut}");
        }
    }

    #[test]
    fn a_length_or_a_number_that_is_too_large_is_damaged() {
        for (at, byte) in [
            (3, 0x7f),
            (6, 17),
            (8, 10),
            (12, 11),
            (14, 9),
            (16, 0x82),
            (18, 5),
        ] {
            let mut damaged = MODEL.to_vec();
            damaged[at] = byte;
            assert!(read(&damaged).is_err(), "{at}");
        }
        let huge = [
            0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ];
        assert!(read(&huge).is_err());
        assert!(read(&[[0x08].as_slice(), &[0xff; 10]].concat()).is_err());
        // Messages without end: a graph in an attribute of a node of a graph.
        let mut nested = Vec::new();
        for _ in 0..100 {
            for tag in [0x32, 0x2a, 0x0a] {
                let length = nested.len().min(100) as u8;
                nested = [vec![tag, length], nested].concat();
            }
        }
        assert!(read(&[vec![0x3a, 100], nested].concat()).is_err());
    }
}
