//! Recognizes sources that are not UTF-8 text, and says how to convert them.

/// A kind of data that is not UTF-8 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Text in another encoding, by `iconv`'s name.
    Encoding(&'static str),
    Gzip,
    Zstd,
    /// A ZIP archive, which is also the format of Excel's workbooks.
    Zip,
    Parquet,
}

/// The first bytes of data that is not UTF-8 text. Longer ones come first.
const STARTS: [(&[u8], Foreign); 8] = [
    (b"\xFF\xFE\0\0", Foreign::Encoding("UTF-32")),
    (b"\0\0\xFE\xFF", Foreign::Encoding("UTF-32")),
    (b"\xFF\xFE", Foreign::Encoding("UTF-16")),
    (b"\xFE\xFF", Foreign::Encoding("UTF-16")),
    (b"\x1F\x8B", Foreign::Gzip),
    (b"\x28\xB5\x2F\xFD", Foreign::Zstd),
    (b"PK\x03\x04", Foreign::Zip),
    (b"PAR1\x15", Foreign::Parquet),
];

impl Foreign {
    /// Recognizes data by its first bytes, of which five are enough.
    pub(super) fn of(start: &[u8]) -> Option<Foreign> {
        let known = STARTS.iter().find(|(bytes, _)| start.starts_with(bytes));
        known.map(|(_, foreign)| *foreign).or(match start {
            // The first character of a file of records is ASCII.
            [1..=0xFF, 0, 0, 0, ..] => Some(Foreign::Encoding("UTF-32LE")),
            [0, 0, 0, 1..=0xFF, ..] => Some(Foreign::Encoding("UTF-32BE")),
            [1..=0xFF, 0, 1..=0xFF, 0, ..] => Some(Foreign::Encoding("UTF-16LE")),
            [0, 1..=0xFF, 0, 1..=0xFF, ..] => Some(Foreign::Encoding("UTF-16BE")),
            _ => None,
        })
    }

    /// Says what the data of a source is, and what to do.
    pub(super) fn advice(self, source: &str) -> String {
        match self {
            Foreign::Encoding(name) => {
                format!("the text is {name}; convert it: {}", iconv(name, source))
            }
            Foreign::Gzip => {
                let (from, to) = (quoted(source), output(source));
                format!("the data is compressed; decompress it: gzip -dc {from} > {to}")
            }
            Foreign::Zstd => {
                let (from, to) = (quoted(source), output(source));
                format!("the data is compressed; decompress it: zstd -dc {from} > {to}")
            }
            Foreign::Zip => {
                "the data is a ZIP archive or a workbook of Excel; extract it, or save the \
                 workbook as \"CSV UTF-8\""
                    .to_owned()
            }
            Foreign::Parquet => {
                "the data is Parquet; write it as JSON Lines, for example with pandas: \
                 df.to_json(path, orient=\"records\", lines=True)"
                    .to_owned()
            }
        }
    }
}

/// Says which byte of a text is not UTF-8, and what to do. `index` is its position in `bytes`.
pub(super) fn not_utf8(bytes: &[u8], index: usize, place: &str, source: &str) -> String {
    // A surrogate, which Python writes with errors="surrogatepass".
    if let Some([0xED, high @ 0xA0..=0xBF, low @ 0x80..=0xBF, ..]) = bytes.get(index..) {
        let unit = 0xD000 | (u32::from(high & 0x3F) << 6) | u32::from(low & 0x3F);
        return format!("invalid UTF-8 {place}: half of an emoji (\\u{unit:x}); {CUT}");
    }
    let command = iconv("WINDOWS-1252", source);
    format!("invalid UTF-8 {place}; if the text is Windows-1252 or Latin-1, convert it: {command}")
}

/// The cause of half of a surrogate pair, and what to do.
pub(super) const CUT: &str =
    "the text was cut inside a character; cut it between two characters, or replace the half";

fn iconv(encoding: &str, source: &str) -> String {
    let (from, to) = (quoted(source), output(source));
    format!("iconv -f {encoding} -t UTF-8 {from} > {to}")
}

/// Returns the path of the converted file as a word of a shell: in the folder of the source, and with its
/// extension. It is never the path of the source, which the shell would empty before the command reads it.
fn output(source: &str) -> String {
    let name = [".gz", ".zst"]
        .iter()
        .find_map(|end| source.strip_suffix(end))
        .unwrap_or(source);
    let is_extension = |end: &str| end.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match name.rsplit_once('.') {
        Some((stem, end)) if is_extension(end) => quoted(&format!("{stem}.utf8.{end}")),
        _ => quoted(&format!("{name}.utf8.txt")),
    }
}

/// Returns a path as a word of a shell.
fn quoted(path: &str) -> String {
    // Without the folder, the path would be an option.
    let folder = if path.starts_with('-') { "./" } else { "" };
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-/".contains(char);
    if !path.is_empty() && path.chars().all(is_plain) {
        return format!("{folder}{path}");
    }
    let mut word = format!("'{folder}");
    for char in path.chars() {
        match char {
            '\'' => word.push_str(r"'\''"),
            // Errors and logs are lines.
            char if char.is_control() => word.extend(char.escape_default()),
            char => word.push(char),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_11_utf_16_and_other_data_is_recognized_by_its_first_bytes() {
        let utf16 = |text: &str| -> Vec<u8> {
            let units = text.encode_utf16();
            units.flat_map(u16::to_le_bytes).collect()
        };
        let known: [(&[u8], Option<Foreign>); 11] = [
            (&utf16("\u{feff}id"), Some(Foreign::Encoding("UTF-16"))),
            (&utf16("id"), Some(Foreign::Encoding("UTF-16LE"))),
            (b"\0i\0d", Some(Foreign::Encoding("UTF-16BE"))),
            (b"\xFE\xFF\0i", Some(Foreign::Encoding("UTF-16"))),
            (b"\xFF\xFE\0\0i\0\0\0", Some(Foreign::Encoding("UTF-32"))),
            (b"i\0\0\0d\0\0\0", Some(Foreign::Encoding("UTF-32LE"))),
            (b"\x1F\x8B\x08\0", Some(Foreign::Gzip)),
            (b"PK\x03\x04", Some(Foreign::Zip)),
            (b"id,text", None),
            ("é".as_bytes(), None),
            (b"", None),
        ];
        for (start, expected) in known {
            assert_eq!(Foreign::of(start), expected, "{start:?}");
        }
        assert_eq!(
            Foreign::Encoding("UTF-16").advice("in.csv"),
            "the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 in.csv > in.utf8.csv"
        );
        assert_eq!(
            Foreign::Gzip.advice("data/my corpus.jsonl.gz"),
            "the data is compressed; decompress it: gzip -dc 'data/my corpus.jsonl.gz' > \
             'data/my corpus.utf8.jsonl'"
        );
    }

    #[test]
    fn field_11_text_that_is_not_utf_8_names_the_command_that_converts_it() {
        let why = not_utf8(b"caf\xE9", 3, "at byte 3", "in.csv");
        assert!(why.starts_with("invalid UTF-8 at byte 3; "), "{why}");
        assert!(
            why.ends_with("iconv -f WINDOWS-1252 -t UTF-8 in.csv > in.utf8.csv"),
            "{why}"
        );
        let why = not_utf8(b"\xED\xA0\xBD", 0, "at byte 0", "in.csv");
        assert!(why.contains("half of an emoji (\\ud83d)"), "{why}");
    }

    /// A shell empties the target of `>` before the command reads its input.
    #[test]
    fn field_11_the_command_keeps_the_folder_and_never_writes_to_its_source() {
        let known = [
            ("data/in.csv.gz", "data/in.utf8.csv"),
            ("data/in.utf8.csv", "data/in.utf8.utf8.csv"),
            ("utf8.csv", "utf8.utf8.csv"),
            ("data.d/corpus", "data.d/corpus.utf8.txt"),
            ("in.jsonl.zst", "in.utf8.jsonl"),
            (".gz", ".utf8.txt"),
            ("in.", "in.utf8."),
            ("-in.csv", "./-in.utf8.csv"),
            ("it's.csv", r"'it'\''s.utf8.csv'"),
            (r"C:\a b\in.csv", r"'C:\a b\in.utf8.csv'"),
            ("two\nlines.csv", r"'two\nlines.utf8.csv'"),
        ];
        for (source, expected) in known {
            let target = output(source);
            assert_eq!(target, expected);
            assert_ne!(target, quoted(source));
        }
        // The second step of a compressed Latin-1 file, and a second file of the folder.
        assert_ne!(output("data/in.utf8.csv"), "data/in.utf8.csv");
        assert_ne!(output("data/a.csv"), output("data/b.csv"));
    }
}
