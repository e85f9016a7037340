use std::io;

use super::*;
use crate::model::metadata::MetadataValue;

fn rows(csv: &str) -> CsvRows<&[u8]> {
    CsvRows::from_reader(csv.as_bytes())
}

fn all(rows: CsvRows<&[u8]>) -> Vec<Record> {
    rows.collect::<Result<_>>().unwrap()
}

fn items(rows: CsvRows<&[u8]>) -> Vec<Result<Record, String>> {
    rows.map(|item| item.map_err(|error| error.to_string()))
        .collect()
}

#[test]
fn columns_are_mapped_by_name() {
    let csv = "\u{feff}id,document,embedding,uri,note,\r\n1,\"a, \"\"b\"\"\nc\",\"[1, -2.5e-3]\",u,x,y\r\n2,,,,,\r\n";
    let record = Record::new("1")
        .document("a, \"b\"\nc")
        .embedding([1.0, -2.5e-3]);
    let empty = Record::new("2").remove_metadata("note");
    let expected = [record.uri("u").metadata("note", "x"), empty];
    assert_eq!(all(rows(csv)), expected);

    let csv = "i;d;e;u;id;text\n1;x;[0];y;7;t\n";
    let renamed = rows(csv)
        .delimiter(b';')
        .id_column("i")
        .document_column("d")
        .embedding_column("e")
        .uri_column("u");
    let record = Record::new("1").document("x").embedding([0.0]).uri("y");
    assert_eq!(
        all(renamed),
        [record.metadata("id", "7").metadata("text", "t")]
    );
    assert_eq!(
        all(rows("id,text\n1,t\n")),
        [Record::new("1").document("t")]
    );
}

#[test]
fn a_bad_row_is_an_error_with_its_line_and_the_next_row_follows() {
    let csv = b"id,embedding,k\n1,[1],x\n\n2,[1]\n3,\"[1,]\",x\n\"4\",[1],\"two\nlines\"\n,[1],x\n6,[1],\xff\n7,[1],x,y\n8,[1],x";
    let read = || CsvRows::from_reader(&csv[..]).name("a.csv");
    let items = items(read());
    let expected: [Result<&str, &str>; 8] = [
        Ok("1"),
        Err("line 3: the row has 2 cells, and the header has 3"),
        Err("line 5: column \"embedding\": expected a number at byte 3"),
        Ok("4"),
        Err("line 8: no id in column \"id\"; name the right column with id_column"),
        Err("line 9: invalid UTF-8 in cell 3 at byte 0"),
        Err("line 10: the row has 4 cells, and the header has 3"),
        Ok("8"),
    ];
    assert_eq!(items.len(), expected.len(), "{items:?}");
    for (item, expected) in items.iter().zip(expected) {
        match (item, expected) {
            (Ok(record), Ok(id)) => assert_eq!(record.id, id),
            (Err(error), Err(why)) => {
                let start = format!("CsvRows \"a.csv\": {why}");
                assert!(error.starts_with(&start), "{error}");
            }
            _ => panic!("{item:?}, not {expected:?}"),
        }
    }
    for position in 0..=items.len() {
        let left: Vec<_> = read()
            .skip(position)
            .map(|item| item.map_err(|error| error.to_string()))
            .collect();
        assert_eq!(left, items[position..]);
    }
    let ids = read().missing_ids(MissingIds::FromLine).nth(4);
    assert_eq!(ids.unwrap().unwrap().id, "a.csv:8");
}

#[test]
fn a_bad_header_is_the_last_item() {
    for (rows, why) in [
        (
            rows(""),
            "no column \"id\" among the columns []; name the right column with id_column",
        ),
        (
            rows("id,x\n1,2\n").document_column("body"),
            "no column \"body\"; name one of the columns [\"id\", \"x\"]",
        ),
        (
            rows("id,x\n1,2\n").int_columns(["year"]),
            "no column \"year\"",
        ),
        (rows("id,x,x\n1,2,3\n"), "two columns have the name \"x\""),
    ] {
        let items = items(rows);
        assert_eq!(items.len(), 1, "{items:?}");
        let error = items[0].as_ref().unwrap_err();
        assert!(
            error.contains("the header: ") && error.contains(why),
            "{error}"
        );
    }
    let made = rows("text\na\n").missing_ids(MissingIds::FromDocument);
    assert_eq!(all(made)[0].id, "d228cb696f1a8caf78912b704e4a8964");
}

#[test]
fn the_length_of_a_row_is_limited() {
    // An unclosed quote.
    let csv = format!("id,k\n1,x\n2,\"{}", "x\n".repeat(50_000));
    let open = items(rows(&csv).max_row_len(20_000));
    assert_eq!(open.len(), 2);
    let error = open[1].as_ref().unwrap_err();
    assert!(error.contains("line 3: longer than 20000 bytes"), "{error}");

    // A limit of the whole file's length is not exceeded.
    let csv = "id\n1\n2\n";
    assert_eq!(all(rows(csv).max_row_len(csv.len())).len(), 2);
}

#[test]
fn an_error_of_the_source_is_the_last_item() {
    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }

    let items: Vec<_> = CsvRows::from_reader(b"id\n1\n2".chain(Failing)).collect();
    assert_eq!(items.len(), 2);
    assert!(matches!(&items[1], Err(Error::Io { .. })), "{items:?}");
}

#[test]
fn metadata_cells_are_strings_unless_their_column_has_another_type() {
    let csv = "id,i,f,b,t\n1, -7 ,1e-3,True,007\n2,,,,\n3,1,2,0,\n";
    let typed = || {
        rows(csv)
            .int_columns(["i"])
            .float_columns(["f"])
            .bool_columns(["b"])
    };
    let one = Record::new("1").metadata("i", -7).metadata("f", 1e-3);
    let nothing = ["b", "f", "i", "t"].map(|key| (key, MetadataValue::Null));
    let three = Record::new("3").metadata("i", 1).metadata("f", 2.0);
    let expected = [
        one.metadata("b", true).metadata("t", "007"),
        Record::new("2").metadatas(nothing),
        three.metadata("b", false).remove_metadata("t"),
    ];
    assert_eq!(all(typed()), expected);
    let texts =
        Record::new("1").metadatas([("i", " -7 "), ("f", "1e-3"), ("b", "True"), ("t", "007")]);
    assert_eq!(all(rows(csv))[0], texts);
    for (cell, column) in [("1.5", "i"), ("NaN", "f"), ("1e999", "f"), ("yes", "b")] {
        let csv = format!("id,{column}\n1,{cell}\n");
        let typed = rows(&csv);
        let typed = match column {
            "i" => typed.int_columns([column]),
            "f" => typed.float_columns([column]),
            _ => typed.bool_columns([column]),
        };
        let error = items(typed).remove(0).unwrap_err();
        let why = format!("line 2: column {column:?}: {cell:?} is not ");
        assert!(error.contains(&why), "{error}");
    }
}
