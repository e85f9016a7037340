use std::io;

use super::*;
use crate::ingest::left_out;
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
    let empty = Record::new("2").document("").remove_metadata("note");
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
        Err("line 4: the row has 2 cells, and the header has 3"),
        Err("line 5: column \"embedding\": expected a number at byte 3"),
        Ok("4"),
        Err("line 8: no id in column \"id\"; name the right column with id_column"),
        Err("line 9: invalid UTF-8 in column \"k\" at byte 0; "),
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

    // The end of a line is not a part of the row, and blank lines before it are not either.
    for end in ["\n", "\r\n"] {
        let csv = format!("id{end}{}12345{end}{end}12345", end.repeat(99));
        assert_eq!(all(rows(&csv).max_row_len(5)).len(), 2);
        assert_eq!(items(rows(&csv).max_row_len(2)).len(), 1);
    }
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

/// Returns the message of a file that has no other item.
fn refused(rows: CsvRows<&[u8]>) -> String {
    let mut items: Vec<_> = rows.collect();
    assert_eq!(items.len(), 1, "{items:?}");
    let error = items.remove(0).unwrap_err();
    let is_last = matches!(
        &error,
        Error::Invalid {
            reason: crate::InvalidInput::Unreadable { is_last: true, .. },
            ..
        }
    );
    assert!(is_last, "{error:?}");
    error.to_string()
}

#[test]
fn field_11_a_file_with_another_delimiter_names_the_setter() {
    for (csv, setter) in [
        ("id;text\n1;a\n", "use .delimiter(b';')"),
        ("sep=;\nid;text\n1;a\n", "use .delimiter(b';')"),
        ("id\ttext\n1\ta\n", "use .delimiter(b'\\t')"),
        ("id|text\n1|a\n", "use .delimiter(b'|')"),
        ("\"id\";\"Size, in m\"\n1;2\n", "use .delimiter(b';')"),
    ] {
        let error = refused(rows(csv));
        assert!(
            error.contains("the header: ") && error.ends_with(setter),
            "{error}"
        );
    }
    // Without ids, no column is missing.
    let generated = |csv| rows(csv).missing_ids(MissingIds::FromLine);
    let error = refused(generated("text;k\na;1\n"));
    assert!(error.ends_with("use .delimiter(b';')"), "{error}");
    let one = all(generated("a;b\nx\n").document_column("a;b"));
    assert_eq!(one[0].document.as_deref(), Some("x"));

    let csv = "sep=;\r\nid;text\r\n1;a\r\nx;;;\r\n";
    let items = items(rows(csv).delimiter(b';'));
    assert_eq!(items[0], Ok(Record::new("1").document("a")));
    assert!(
        items[1].as_ref().unwrap_err().contains("line 4: "),
        "{items:?}"
    );
    let error = refused(rows("id,text\n").delimiter(b'"'));
    assert!(
        error.contains("must not be a quote or a line break"),
        "{error}"
    );
}

#[test]
fn field_11_files_in_other_encodings_name_the_command_that_converts_them() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let named = |bytes: &[u8]| refused(CsvRows::from_reader(bytes).name("data/in.csv"));
    let error = named(&utf16("\u{feff}id,text\r\n1,a\r\n"));
    let end =
        "the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 data/in.csv > data/in.utf8.csv";
    assert!(error.ends_with(end), "{error}");
    let error = named(&utf16("id,text\n"));
    assert!(
        error.contains("iconv -f UTF-16LE -t UTF-8 data/in.csv"),
        "{error}"
    );
    let error = named(b"id,caf\xE9\n1,a\n");
    assert!(
        error.contains("line 1: invalid UTF-8 in cell 2 at byte 3"),
        "{error}"
    );
    assert!(
        error.contains("iconv -f WINDOWS-1252 -t UTF-8 data/in.csv"),
        "{error}"
    );
    let error = named(b"\x1F\x8B\x08\0\n\n");
    assert!(
        error.contains("gzip -dc data/in.csv > data/in.utf8.csv"),
        "{error}"
    );

    let rows = CsvRows::from_reader(&b"id,name\n1,caf\xE9\n2,b\n"[..]).name("in.csv");
    let items = items(rows);
    let error = items[0].as_ref().unwrap_err();
    assert!(
        error.contains("line 2: invalid UTF-8 in column \"name\" at byte 3"),
        "{error}"
    );
    assert!(
        error.contains("iconv -f WINDOWS-1252 -t UTF-8 in.csv"),
        "{error}"
    );
    assert!(items[1].is_ok() && items.len() == 2);
}

#[test]
fn field_11_white_space_around_the_names_of_columns_is_ignored() {
    let csv = " id , text,\u{a0}year\u{200b},\u{feff} note\n1,a,7,x\n";
    let expected = Record::new("1").document("a").metadata("note", "x");
    let expected = expected.metadata("year", 7);
    for name in ["year", " year"] {
        assert_eq!(
            all(rows(csv).int_columns([name])),
            std::slice::from_ref(&expected)
        );
    }
    let named = rows(csv).id_column(" id").document_column(" text");
    assert_eq!(all(named.int_columns(["year"])), [expected]);
    let error = refused(rows("id,x, x\n"));
    assert!(error.contains("two columns have the name \"x\""), "{error}");
    let error = refused(rows("id,Text\n1,a\n"));
    assert!(error.ends_with("use .document_column(\"Text\")"), "{error}");
}

#[test]
fn field_11_rows_of_empty_cells_are_blank_lines() {
    let csv = "id,text,k\n,,\n1,a,b\n , ,\t\n\"\",,\n,,,,,\n2,c,d\n,,\n,";
    let read = all(rows(csv));
    assert_eq!(read.len(), 2, "{read:?}");
    assert_eq!(read[1].id, "2");
    let ids: Vec<_> = all(rows(csv).id_column("x").missing_ids(MissingIds::FromLine))
        .into_iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(ids, ["input:3", "input:7"]);
}

#[test]
fn field_11_cells_that_other_programs_write_are_refused_with_the_cure() {
    let int = |cell| items(rows(cell).int_columns(["k"])).remove(0).unwrap_err();
    let float = |cell| {
        items(rows(cell).float_columns(["k"]))
            .remove(0)
            .unwrap_err()
    };
    for (error, cure) in [
        (
            int("id,k\n1,2015.0\n"),
            "\"2015.0\" is not an integer; pandas writes integers as floats if the column has gaps: convert it with .astype(\"Int64\"), or use float_columns",
        ),
        (
            int("id,k\n1,2015.5\n"),
            "\"2015.5\" is not an integer; use float_columns",
        ),
        (
            int("id,k\n1,99999999999999999999\n"),
            "is not an integer of 64 bits; leave the column out of int_columns, to keep it as text",
        ),
        (
            float("id,k\n1,\"1,5\"\n"),
            "\"1,5\" is not a finite number; write a point, not a comma",
        ),
        (
            float("id,k\n1,nan\n"),
            "\"nan\" is not a finite number; leave the cell empty",
        ),
        (
            items(rows("id,embedding\n1,[0.5 1.5]\n"))
                .remove(0)
                .unwrap_err(),
            "NumPy prints arrays in its own way: write json.dumps(vector.tolist())",
        ),
        (
            items(rows("id,k\n1, \"a,b\"\n")).remove(0).unwrap_err(),
            "the row has 3 cells, and the header has 2; remove the blank before a quote",
        ),
        (
            int("id,k\n1,\"1,000\"\n"),
            "; write the number without separators",
        ),
        (
            float("id,k\n1,\"1.000,5\"\n"),
            "; write the number without separators",
        ),
        (
            items(rows("id,embedding\n1,\"[0.5, ..., 1]\"\n"))
                .remove(0)
                .unwrap_err(),
            "NumPy prints arrays in its own way: write json.dumps(vector.tolist())",
        ),
        (
            items(rows("id,embedding\n1,\"0.5,1\"\n"))
                .remove(0)
                .unwrap_err(),
            "expected '[' at byte 0; it must be numbers in brackets, such as [0.5, 1]",
        ),
        (
            items(rows("id,k\n1\n")).remove(0).unwrap_err(),
            "the row has 1 cells, and the header has 2; a cell may be missing, or a quote open",
        ),
        (
            items(rows("id,k\n1,2,3\n")).remove(0).unwrap_err(),
            "the row has 3 cells, and the header has 2; put quotes around cells that contain the delimiter, and double the quotes in them",
        ),
    ] {
        assert!(error.ends_with(cure), "{error}");
    }
}

#[test]
fn field_11_a_quote_that_is_not_closed_is_an_error_and_swallows_no_rows() {
    for csv in [
        "id,text\n1,a\n2,\"b\n3,c\n",
        "id,text\r\n1,a\r\n2,\"b",
        "id,text\n1,a\n2,\"",
        "id,text\n1,a\n\"2,b\n3,c",
    ] {
        let items: Vec<_> = rows(csv).collect();
        assert_eq!(items.len(), 2, "{items:?}");
        assert!(items[0].is_ok());
        let error = items[1].as_ref().unwrap_err().to_string();
        assert!(
            error.contains("line 3: a quote is open until the end"),
            "{error}"
        );
    }
    let error = refused(rows("id,\"text\n1,a\n"));
    assert!(error.contains("line 1: a quote is open"), "{error}");
    // Quotes that are closed, or part of a cell.
    for end in ["", "\n", "\r\n", "\r", "\n\n"] {
        for cell in ["\"a\"", "5\" disk", "\"a \"\"b\"\"\"", "\"\"\"\""] {
            let csv = format!("id,text\n1,{cell}{end}");
            assert_eq!(all(rows(&csv)).len(), 1, "{csv:?}");
        }
    }
}

#[test]
fn field_11_names_that_contradict_each_other_are_refused() {
    for (rows, why) in [
        (
            rows("url,text\n").id_column("url").uri_column("url"),
            "id_column and uri_column are both \"url\"",
        ),
        (
            rows("id,text\n").int_columns(["id"]),
            "id_column is \"id\", and only metadata columns have a type",
        ),
        (
            rows("id,k\n").int_columns(["k"]).float_columns(["k"]),
            "column \"k\" has two types",
        ),
    ] {
        let error = refused(rows);
        assert!(error.contains(why), "{error}");
    }
    // A name that is set goes before a default.
    let named = rows("text,body\n1,b\n")
        .id_column("text")
        .document_column("body");
    assert_eq!(all(named), [Record::new("1").document("b")]);
    let uri = rows("id,text\n1,b\n").uri_column("text");
    assert_eq!(all(uri), [Record::new("1").uri("b")]);
}

#[test]
fn field_12_an_empty_cell_is_an_empty_document_unless_the_row_has_a_vector() {
    let csv = "id,text,embedding,k\n1,,,x\n2,,[1],\n3, ,,\n";
    let expected = [
        Record::new("1").document("").metadata("k", "x"),
        Record::new("2").embedding([1.0]).remove_metadata("k"),
        Record::new("3").document(" ").remove_metadata("k"),
    ];
    assert_eq!(all(rows(csv)), expected);
    // Without the column, the record has no document: its name may be wrong.
    assert_eq!(
        all(rows("id,k\n1,x\n")),
        [Record::new("1").metadata("k", "x")]
    );
}

#[test]
fn field_10_cells_without_a_column_name_are_counted() {
    let _scope = left_out::Scope::enter();
    let csv = ",id,text,\n0,1,a,\n1,2,b,x\n";
    assert_eq!(all(rows(csv)).len(), 2);
    let expected = [("column 1".to_owned(), 2), ("column 4".to_owned(), 1)];
    assert_eq!(left_out::counts(), expected.into());
}

#[test]
fn field_11_many_columns_are_read_up_to_a_limit() {
    let names = |columns: usize| -> Vec<String> {
        (1..columns).map(|column| format!("c{column}")).collect()
    };
    let csv = |columns: usize| {
        let cells = vec!["7"; columns];
        format!("id,{}\n{}\n", names(columns).join(","), cells.join(","))
    };
    let many = csv(16_384);
    let read = all(rows(&many).int_columns(names(16_384)));
    assert_eq!(read[0].metadata.len(), 16_383);
    assert_eq!(read[0].metadata.get("c16383"), Some(&7.into()));
    let error = refused(rows(&csv(100_000)));
    let why = "100000 columns, and at most 16384 are allowed";
    assert!(error.contains(why), "{error}");
}

/// Returns the least CPU time of this thread, of a few runs.
fn cpu(run: impl Fn()) -> std::time::Duration {
    let measured = (0..3).map(|_| {
        let started = cpu_time::ThreadTime::now();
        run();
        started.elapsed()
    });
    measured.min().unwrap()
}

#[test]
fn secure_09_the_work_for_a_column_does_not_depend_on_the_number_of_columns() {
    const LEFT: usize = 2_048;
    const FACTOR: usize = 8;
    let read = |columns: usize| {
        // The names of a real file are in no order.
        let names: Vec<String> = (1..columns)
            .map(|column| format!("c{}", column.reverse_bits()))
            .collect();
        let cells = vec!["7"; columns].join(",");
        let csv = format!("id,{}\n{cells}\n{cells}1\n", names.join(","));
        let read = || {
            let records = all(rows(&csv).int_columns(&names));
            assert_eq!(records[1].metadata.len(), columns - 1);
        };
        let allocations = allocation_counter::measure(read);
        (allocations, cpu(read))
    };
    let (few, little) = read(LEFT);
    let (many, much) = read(FACTOR * LEFT);
    let limit = 2 * FACTOR as u64;
    assert!(
        many.count_total <= limit * few.count_total,
        "{few:?} {many:?}"
    );
    assert!(
        many.bytes_total <= limit * few.bytes_total,
        "{few:?} {many:?}"
    );
    // The CPU time of this thread is the same on a busy machine. A pass over all columns for each of them
    // would take 64 times as much.
    let limit = 3 * FACTOR as u32;
    assert!(much <= limit * little, "{little:?} {much:?}");
}

#[test]
fn secure_09_more_columns_than_the_limit_are_refused_before_any_of_them_is_looked_at() {
    for (columns, is_fine) in [(16_384, true), (16_385, false), (100_000, false)] {
        let names: Vec<String> = (1..columns).map(|column| format!("c{column}")).collect();
        let csv = format!("id,{}\n{}\n", names.join(","), vec!["7"; columns].join(","));
        let mut result = None;
        let info = allocation_counter::measure(|| result = rows(&csv).next());
        let result = result.unwrap();
        assert_eq!(result.is_ok(), is_fine, "{columns}");
        if let Err(error) = result {
            let why =
                format!("{columns} columns, and at most 16384 are allowed; leave out some of them");
            assert!(error.to_string().contains(&why), "{error}");
            // The header is read, and nothing is made of its columns.
            assert!(info.count_total < 1_000, "{info:?}");
        }
    }
}
