//! The lines of rows.

use std::io;

use super::*;
use crate::random::Random;

/// Returns the ids made from lines, and the errors without the name of the source.
fn places(csv: &[u8]) -> Vec<Result<String, String>> {
    let rows = CsvRows::from_reader(csv).name("a.csv");
    rows.missing_ids(MissingIds::FromLine)
        .map(|item| match item {
            Ok(record) => Ok(record.id),
            Err(error) => Err(error.to_string().replace("CsvRows \"a.csv\": ", "")),
        })
        .collect()
}

#[test]
fn field_03_lines_of_crlf_files_are_counted_like_lines_of_lf_files() {
    let text = "text,k\none,1\n\n\n\"two\nlines\",2\nthree\n,,\nfour,4\n \nfive,\"\n\"";
    let expected = ["a.csv:2", "a.csv:5", "line 7: ", "a.csv:9", "a.csv:11"];
    for mark in ["", "\u{feff}"] {
        for end in ["\n", "\r\n", "\r"] {
            let csv = format!("{mark}{}", text.replace('\n', end));
            let found = places(csv.as_bytes());
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                let (Ok(found) | Err(found)) = found;
                assert!(
                    found.starts_with(expected),
                    "{found}, not {expected}, {csv:?}"
                );
            }
        }
    }
}

#[test]
fn field_03_lines_are_counted_whatever_comes_before_the_header() {
    for before in ["\n\n", "\r\n\r\n", ",\n\n", "\n,\r\n"] {
        let csv = format!("{before}text,k\r\none,1\r\n");
        assert_eq!(
            places(csv.as_bytes()),
            [Ok("a.csv:4".to_owned())],
            "{csv:?}"
        );
    }
    // A carriage return in a cell does not end a line if other lines end with a line feed.
    assert_eq!(
        places(b"text,k\n\"a\rb\",1\n\"c\",2\n"),
        ["a.csv:2", "a.csv:3"].map(|id| Ok(id.to_owned()))
    );
    // Ids of rows that are longer than all buffers.
    let long = "x\r\n".repeat(30_000);
    let csv = format!("text,k\r\n\"{long}\",1\r\nb,2\r\n");
    assert_eq!(
        places(csv.as_bytes()),
        ["a.csv:2", "a.csv:30003"].map(|id| Ok(id.to_owned()))
    );
}

/// Gives one byte at a time, after a signal.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = to.len().min(1);
        self.0.read(&mut to[..len])
    }
}

#[test]
fn field_03_a_slow_source_gives_the_same_records_as_a_file() {
    let csv = "\u{feff}text,k\r\none,1\r\n\r\n\"two\r\nlines\",2\r\n";
    let read = |source: Box<dyn Read>| -> Vec<Record> {
        let rows = CsvRows::from_reader(source).missing_ids(MissingIds::FromLine);
        rows.collect::<Result<_>>().unwrap()
    };
    let slow = read(Box::new(Slow(csv.as_bytes(), false)));
    assert_eq!(slow, read(Box::new(csv.as_bytes())));
    assert_eq!(slow[1].id, "input:4");
}

/// Gives a few bytes at a time.
struct Pieces<'a>(&'a [u8], &'a mut Random);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = to.len().min(1 + self.1.place(9));
        self.0.read(&mut to[..len])
    }
}

#[test]
fn field_03_random_files_have_the_same_lines_whatever_ends_them() {
    let cells = ["x", "\"\"", "\"a\nb\"", "\"\n\"\"\n\"", " ", ""];
    for seed in 1..=200 {
        let mut random = Random(seed);
        let mut text = "text,k\n".to_owned();
        let mut expected = Vec::new();
        for _ in 0..random.place(20) {
            match random.place(5) {
                0 => text += "\n",
                1 => text += ",\n",
                _ => {
                    let line = 1 + text.matches('\n').count();
                    expected.push(format!("input:{line}"));
                    let cell = |random: &mut Random| cells[random.place(cells.len())];
                    let start = "z".repeat(random.place(3));
                    let row = format!("{start}y,{}\n", cell(&mut random));
                    text += &row;
                }
            }
        }
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            let rows = CsvRows::from_reader(Pieces(text.as_bytes(), &mut random));
            let ids: Vec<_> = rows
                .missing_ids(MissingIds::FromLine)
                .map(|record| record.unwrap().id)
                .collect();
            assert_eq!(ids, expected, "seed {seed}: {text:?}");
        }
    }
}

#[test]
fn random_bytes_are_no_panic_and_each_error_is_short() {
    let alphabet = b"id,text;\t\"\"\"\n\n\r\r\n  \\u\xEF\xBB\xBF\xE9\0[1]";
    let mut random = Random(7);
    for _ in 0..1_500 {
        let start: &[u8] = [&b"id,text\n"[..], b""][random.place(2)];
        let mut bytes = start.to_vec();
        let random_bytes = (0..random.place(60)).map(|_| alphabet[random.place(alphabet.len())]);
        bytes.extend(random_bytes.collect::<Vec<_>>());
        for item in CsvRows::from_reader(&bytes[..]).max_row_len(40) {
            if let Err(error) = item {
                assert!(error.to_string().len() < 600, "{error}");
            }
        }
    }
}
