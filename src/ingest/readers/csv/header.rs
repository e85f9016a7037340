//! Reads what the header of a CSV file says about the file, and recognizes a wrong delimiter.

use ::csv::StringRecord;

/// Delimiters in common use.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Returns a column's name without the white space around it, and without invisible characters.
pub(super) fn trimmed(name: &str) -> &str {
    name.trim_matches(|char: char| char.is_whitespace() || matches!(char, '\u{feff}' | '\u{200b}'))
}

/// Returns whether a row is the line `sep=;`, which tells Excel the delimiter.
///
/// # Errors
/// If the line names another delimiter: what to do.
pub(super) fn declared_delimiter(row: &StringRecord, delimiter: u8) -> Result<bool, String> {
    let first = trimmed_start(row.get(0).unwrap_or_default());
    let Some(declared) = first else {
        return Ok(false);
    };
    match declared.as_bytes() {
        // The parser has cut the line at the delimiter.
        [] => Ok(row.len() == 2 && row.get(1) == Some("")),
        [byte] if *byte != delimiter && row.len() == 1 => Err(format!(
            "the first line says that cells are separated by {}; use {}",
            shown(*byte),
            setter(*byte)
        )),
        _ => Ok(false),
    }
}

/// Returns what follows `sep=`.
fn trimmed_start(cell: &str) -> Option<&str> {
    let start = cell.get(..4)?;
    start.eq_ignore_ascii_case("sep=").then(|| &cell[4..])
}

/// Returns advice if a header of one column has been written with another delimiter.
pub(super) fn single_column_advice(name: &str, delimiter: u8) -> Option<String> {
    let others = DELIMITERS.into_iter().filter(|other| *other != delimiter);
    let most = others.max_by_key(|other| name.bytes().filter(|byte| byte == other).count())?;
    name.as_bytes().contains(&most).then(|| {
        format!(
            "the header is one column, {name:?}; if its cells are separated by {}, use {}",
            shown(most),
            setter(most)
        )
    })
}

/// Returns advice if a missing column exists with another delimiter. Empty if it does not.
pub(super) fn delimiter_advice(header: &StringRecord, missing: &str, delimiter: u8) -> String {
    let cells: Vec<&str> = header.iter().collect();
    let line = cells.join(&char::from(delimiter).to_string());
    let others = DELIMITERS.into_iter().filter(|other| *other != delimiter);
    let has_column = |other: &u8| {
        let mut cells = line.split(char::from(*other));
        cells.any(|cell| trimmed(cell.trim_matches('"')) == missing)
    };
    let found = others.into_iter().find(has_column);
    found.map_or(String::new(), |other| {
        format!(
            "; the header has it if cells are separated by {}: use {}",
            shown(other),
            setter(other)
        )
    })
}

fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

fn setter(delimiter: u8) -> String {
    format!(".delimiter(b{:?})", char::from(delimiter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_11_a_wrong_delimiter_is_recognized_in_the_header() {
        let advice = single_column_advice("id;text;a,b", b',').unwrap();
        assert!(advice.ends_with("use .delimiter(b';')"), "{advice}");
        let advice = single_column_advice("id\ttext", b',').unwrap();
        assert!(advice.ends_with("use .delimiter(b'\\t')"), "{advice}");
        let advice = single_column_advice("id,text", b';').unwrap();
        assert!(advice.ends_with("use .delimiter(b',')"), "{advice}");
        assert_eq!(single_column_advice("text", b','), None);

        let header = StringRecord::from(vec!["id;long", " lat; text"]);
        let advice = delimiter_advice(&header, "id", b',');
        assert!(advice.ends_with("use .delimiter(b';')"), "{advice}");
        assert_eq!(delimiter_advice(&header, "name", b','), "");
    }

    #[test]
    fn field_11_the_line_sep_is_skipped_if_it_names_the_delimiter() {
        let row = |cells: &[&str]| StringRecord::from(cells.to_vec());
        assert_eq!(declared_delimiter(&row(&["sep=", ""]), b';'), Ok(true));
        assert_eq!(declared_delimiter(&row(&["SEP=", ""]), b'\t'), Ok(true));
        let why = declared_delimiter(&row(&["sep=;"]), b',').unwrap_err();
        assert!(why.ends_with("use .delimiter(b';')"), "{why}");
        for other in [&["id", "text"][..], &["sep="], &["sep=x", "y"], &["é=;"]] {
            assert_eq!(
                declared_delimiter(&row(other), b';'),
                Ok(false),
                "{other:?}"
            );
        }
    }
}
