use super::*;
use crate::ingest::left_out;
use crate::model::metadata::{Metadata, MetadataValue, SparseVector};

fn one(mut lines: JsonLines<&[u8]>) -> Result<Record> {
    let record = lines.next().unwrap();
    assert!(lines.next().is_none());
    record
}

fn refused(line: &[u8]) -> String {
    one(JsonLines::from_reader(line)).unwrap_err().to_string()
}

#[test]
fn a_bad_line_is_an_error_with_its_number_and_the_next_line_follows() {
    let bad: &[(&[u8], &str)] = &[
        (b"[1]", "not a JSON object"),
        (b"{\"id\":\"1\"", "unexpected end of the data at byte 9"),
        (b"{\"id\":\"1\"} {}", "unexpected data after the end"),
        (b"{\"id\":\"1\",\"k\":\"\xff\"}", "invalid UTF-8 at byte 15"),
        (b"{\"id\":\"1\",\"document\":5}", "field \"document\": invalid type: integer `5`, expected a string"),
        (b"{\"id\":\"1\",\"embedding\":[1,\"x\"]}", "field \"embedding\": expected a number at byte 25"),
        (b"{\"id\":\"1\",\"embedding\":[1e39]}", "too large"),
        (b"{\"id\":\"1\",\"metadata\":5}", "field \"metadata\": expected '{'"),
        (b"{\"id\":\"1\",\"metadata\":{\"k\":1},\"k\":2}", "field \"k\": the line has this field more than once"),
        (b"{\"id\":\"1\",\"id\":\"2\"}", "field \"id\": the line has this field more than once"),
        (b"{\"id\":\"1\",\"k\":1e999}", "field \"k\": number out of range"),
        (b"{\"id\":\"1\",\"document\":\"a line of more than the 64 bytes that are allowed here\"}", "longer than 64 bytes"),
    ];
    let mut file = Vec::new();
    for (line, _) in bad {
        file.extend_from_slice(line);
        file.extend_from_slice(b"\n{\"id\":\"good\"}\r\n");
    }
    let read = || {
        JsonLines::from_reader(&*file)
            .name("a.jsonl")
            .max_line_len(64)
    };
    let items: Vec<_> = read().collect();
    assert_eq!(items.len(), bad.len() * 2);
    for (index, (pair, (_, why))) in items.chunks(2).zip(bad).enumerate() {
        let error = pair[0].as_ref().unwrap_err().to_string();
        let start = format!("JsonLines \"a.jsonl\": line {}: ", index * 2 + 1);
        assert!(error.starts_with(&start) && error.contains(why), "{error}");
        assert_eq!(pair[1].as_ref().unwrap().id, "good");
    }
    // Skipping items gives the same items as reading them.
    for position in 0..=items.len() {
        let left: Vec<_> = read()
            .skip(position)
            .map(|item| format!("{item:?}"))
            .collect();
        let expected: Vec<_> = items[position..]
            .iter()
            .map(|item| format!("{item:?}"))
            .collect();
        assert_eq!(left, expected);
    }
}

#[test]
fn errors_about_long_lines_are_short() {
    let long = "x".repeat(100_000);
    for line in [
        format!(r#"{{"id":"1","{long}":[[1]]}}"#),
        format!(r#"{{"id":"1","embedding":"{long}"}}"#),
        format!(r#"{{"id":"1","k":[1,"{long}"]}}"#),
        format!(r#"{{"id":"1","metadata":"{long}"}}"#),
        long,
    ] {
        let error = refused(line.as_bytes());
        assert!(error.len() < 500, "{error}");
    }
}

#[test]
fn the_corpus_of_the_examples_needs_no_options() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/corpus.jsonl");
    let records: Vec<_> = jsonl_records(path).unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(records.len(), 168);
    for record in records {
        assert!(record.document.is_some_and(|text| !text.is_empty()));
        let keys: Vec<_> = record.metadata.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["place", "subject", "title", "year"]);
    }
}

#[test]
fn the_error_of_a_missing_file_names_the_file() {
    let error = jsonl_records("no/such.jsonl").unwrap_err();
    assert!(matches!(error, crate::Error::Io { .. }), "{error:?}");
    assert_eq!(error.to_string(), "cannot read no/such.jsonl");
    assert!(
        format!("{error:#}").starts_with("cannot read no/such.jsonl: "),
        "{error:#}"
    );
}

fn read(line: &str) -> Record {
    one(JsonLines::from_reader(line.as_bytes())).unwrap()
}

#[test]
fn fields_are_mapped_by_name() {
    let line =
        r#"{"id":"1","document":"x","embedding":[1,-2.5e-3],"uri":"u","metadata":{"a":1},"b":2.0}"#;
    let record = Record::new("1")
        .document("x")
        .embedding([1.0, -2.5e-3])
        .uri("u")
        .metadata("a", 1)
        .metadata("b", 2.0);
    assert_eq!(read(line), record);

    let line = r#"{"i":"1","d":"x","e":[1,-2.5e-3],"u":"u","m":{"a":1},"b":2.0,"text":"t","id":7,"uri":null}"#;
    let lines = JsonLines::from_reader(line.as_bytes())
        .id_field("i")
        .document_field("d")
        .embedding_field("e")
        .uri_field("u")
        .metadata_field("m");
    let record = record
        .metadata("text", "t")
        .metadata("id", 7)
        .remove_metadata("uri");
    assert_eq!(one(lines).unwrap(), record);
}

#[test]
fn text_is_the_document_if_there_is_no_document() {
    let text = r#"{"text":"t","id":"1"}"#;
    assert_eq!(read(text), Record::new("1").document("t"));
    for both in [
        r#"{"text":"t","id":"1","document":"d"}"#,
        r#"{"document":"d","text":"t","id":"1"}"#,
    ] {
        let record = Record::new("1").document("d").metadata("text", "t");
        assert_eq!(read(both), record);
    }
    let null = read(r#"{"id":"1","text":"t","document":null}"#);
    assert_eq!(null, Record::new("1").document("").metadata("text", "t"));
    assert!(refused(br#"{"id":"1","text":5}"#).contains("field \"text\": invalid type: integer"));
}

#[test]
fn metadata_of_every_type_is_read() {
    let line = r##"{"id":"1","bool":true,"int":-9223372036854775808,"float":0.1,"text":null,"string":"\u00e9\n",
        "bools":[true,false],"ints":[1,2],"floats":[1,2.5],"strings":["a"],"none":null,"empty":[ ],
        "metadata":{"sparse":{"#type":"sparse_vector","indices":[1,5],"values":[0.5,0.25]}}}"##;
    let line = line.replace('\n', " ");
    let sparse = SparseVector::new([1, 5], [0.5, 0.25]);
    let expected = Metadata::new()
        .with("bool", true)
        .with("int", i64::MIN)
        .with("float", 0.1)
        .with("string", "é\n")
        .with("bools", vec![true, false])
        .with("ints", vec![1_i64, 2])
        .with("floats", vec![1.0, 2.5])
        .with("strings", ["a"])
        .with("none", MetadataValue::Null)
        .with("empty", MetadataValue::Null)
        .with("sparse", sparse);
    assert_eq!(read(&line).metadata, expected);
}

#[test]
fn fields_that_metadata_cannot_hold_are_refused_skipped_or_stored_as_json() {
    for nested in [
        r#"{"b": 1}"#,
        r#"[1, "x"]"#,
        "[[1]]",
        "[null]",
        "{}",
        r#"{"indices":[1,2],"values":[1]}"#,
    ] {
        for line in [
            format!(r#"{{"id":"1","a":{nested},"k":1}}"#),
            format!(r#"{{"id":"1","metadata":{{"a":{nested},"k":1}}}}"#),
        ] {
            let with = |nested| {
                let lines = JsonLines::from_reader(line.as_bytes()).nested_fields(nested);
                one(lines)
            };
            let error = with(NestedFields::Refuse).unwrap_err().to_string();
            assert!(
                error.contains("line 1: ") && error.contains("field \"a\": "),
                "{error}"
            );
            assert!(error.contains("nested_fields"), "{error}");
            let record = Record::new("1").metadata("k", 1);
            assert_eq!(with(NestedFields::Skip).unwrap(), record);
            let record = record.metadata("a", nested);
            assert_eq!(with(NestedFields::AsJson).unwrap(), record);
        }
    }
}

#[test]
fn ids_are_strings_or_integers_or_generated() {
    for (id, expected) in [
        ("17", "17"),
        ("-1", "-1"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        (r#""\u0041""#, "A"),
    ] {
        assert_eq!(read(&format!(r#"{{"id": {id} }}"#)).id, expected);
    }
    for id in ["1.5", "1e3", "true", "{}", "[1]", r#""""#] {
        let error = refused(format!(r#"{{"id":{id}}}"#).as_bytes());
        assert!(error.contains("id"), "{error}");
    }
    for line in [r#"{"document":"a"}"#, r#"{"document":"a","id":null}"#] {
        assert!(
            refused(line.as_bytes())
                .contains("no id in field \"id\"; name the right field with id_field")
        );
        let lines = JsonLines::from_reader(line.as_bytes()).missing_ids(MissingIds::FromLine);
        assert_eq!(one(lines.name("a.jsonl")).unwrap().id, "a.jsonl:1");
        let lines = JsonLines::from_reader(line.as_bytes()).missing_ids(MissingIds::FromDocument);
        assert_eq!(one(lines).unwrap().id, "d228cb696f1a8caf78912b704e4a8964");
    }
}

#[test]
fn field_10_half_of_an_emoji_and_words_of_python_are_named_with_their_cure() {
    let nan = "NaN is not JSON; Python's json.dumps writes it: use allow_nan=False";
    let half = "half of an emoji (\\ud83d)";
    for (line, why) in [
        (r#"{"id":"1","text":"cut \ud83d"}"#, half),
        (r#"{"id":"1","\ud83d":1}"#, half),
        (r#"{"id":"1","k":["a","\ud83d"]}"#, half),
        (
            r#"{"id":"1","metadata":{"k":"\ud83d x"}}"#,
            "field \"k\": half of an emoji",
        ),
        (r#"{"id":"1","k":NaN}"#, nan),
        (r#"{"id":"1","embedding":[0.5,NaN]}"#, nan),
        (r#"{"id":"1","metadata":{"k":[NaN]}}"#, nan),
        (
            r#"{"id":"1","k":Infinity}"#,
            "field \"k\": Infinity is not JSON",
        ),
        (r#"{"id":"1","k":-Infinity}"#, "-Infinity is not JSON"),
        ("{'id': '1'}", "use json.dumps"),
        (r#"{"id":"1","k":True}"#, "use json.dumps"),
        (r#"[{"id":"1"},"#, "jq -c '.[]'"),
        ("{", "jq -c . in.json"),
        (r#"{"id":"1"} {"id":"2"}"#, "jq -c . in.json"),
        ("{\"id\":\"1\"}\r{\"id\":\"2\"}", "jq -c . in.json"),
        (r#"{"id":"1",}"#, "a comma before }"),
        ("{id:1}", "put names and texts in double quotes"),
        (
            r#"{"id":"1","embedding":"[1]"}"#,
            "it must be an array of numbers",
        ),
        (r#"{"id":"1","metadata":"{}"}"#, "it must be an object"),
        (r#"{"id":"1","k":"#, "jq -c . in.json"),
    ] {
        let error = refused(line.as_bytes());
        assert!(error.contains("line 1: ") && error.contains(why), "{error}");
        for word in ["hex escape", "surrogate", "expected value"] {
            assert!(!error.contains(word), "{error}");
        }
    }
    let error = refused(b"{\"id\":\"1\",\"k\":\"\xED\xA0\xBD\"}");
    assert!(error.contains(half), "{error}");
}

#[test]
fn field_10_fields_that_are_skipped_are_counted_and_broken_values_are_not_skipped() {
    let read = |line: &str| {
        let _scope = left_out::Scope::enter();
        let lines = JsonLines::from_reader(line.as_bytes()).nested_fields(NestedFields::Skip);
        let record = one(lines);
        (record, left_out::counts())
    };
    let (record, counts) =
        read(r#"{"id":"1","a":{"x":1},"metadata":{"b":[1,"x"]},"c":[1],"d":null,"e":[]}"#);
    let nulls = ["d", "e"].map(|key| (key, MetadataValue::Null));
    assert_eq!(
        record.unwrap(),
        Record::new("1").metadata("c", [1]).metadatas(nulls)
    );
    let expected = ["a", "b"].map(|name| (name.to_owned(), 1));
    assert_eq!(counts, expected.into());
    let deep = format!(r#"{{"id":"1","a":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    let (record, counts) = read(&deep);
    assert_eq!(record.unwrap(), Record::new("1"));
    assert_eq!(counts["a"], 1);
    for broken in [r#"["fine","\ud83d"]"#, "[1e999]", r#"[["\ud83d"]]"#] {
        let (record, counts) = read(&format!(r#"{{"id":"1","a":{broken}}}"#));
        let error = record.unwrap_err().to_string();
        assert!(error.contains("field \"a\": "), "{error}");
        assert!(counts.is_empty());
    }
}

#[test]
fn field_11_files_that_are_not_utf_8_name_the_command_that_converts_them() {
    let read = |bytes: &[u8]| {
        let lines = JsonLines::from_reader(bytes).name("data/in.jsonl");
        lines
            .map(|item| item.map_err(|error| error.to_string()))
            .collect::<Vec<_>>()
    };
    let utf16: Vec<u8> = "\u{feff}{\"id\":\"1\"}\n{\"id\":\"2\"}\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let items = read(&utf16);
    assert_eq!(items.len(), 1, "{items:?}");
    let error = items[0].as_ref().unwrap_err();
    assert!(
        error.ends_with(
            "line 1: the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 data/in.jsonl > data/in.utf8.jsonl"
        ),
        "{error}"
    );
    let items = read(b"{\"id\":\"caf\xE9\"}\n{\"id\":\"2\"}\n");
    assert_eq!(items.len(), 2, "{items:?}");
    let error = items[0].as_ref().unwrap_err();
    assert!(error.contains("invalid UTF-8 at byte 10; "), "{error}");
    assert!(
        error.contains("iconv -f WINDOWS-1252 -t UTF-8 data/in.jsonl"),
        "{error}"
    );
}

#[test]
fn field_12_a_null_or_empty_document_is_empty_unless_the_line_has_a_vector() {
    let empty = Record::new("1").document("");
    for line in [
        r#"{"id":"1","document":""}"#,
        r#"{"id":"1","document":null}"#,
        r#"{"id":"1","text":null}"#,
        r#"{"id":"1","text":""}"#,
    ] {
        assert_eq!(read(line), empty);
    }
    let vector = read(r#"{"id":"1","document":null,"embedding":[1]}"#);
    assert_eq!(vector, Record::new("1").embedding([1.0]));
    // A missing field may be a wrong name.
    assert_eq!(
        read(r#"{"id":"1","k":1}"#),
        Record::new("1").metadata("k", 1)
    );
}

#[test]
fn field_03_byte_order_marks_of_joined_files_are_ignored() {
    let text = "\u{feff}{\"id\":\"1\"}\r\n\u{feff}{\"id\":\"2\"}\n\n\u{feff}x";
    let items: Vec<_> = JsonLines::from_reader(text.as_bytes()).collect();
    assert_eq!(items[1].as_ref().unwrap(), &Record::new("2"));
    let error = items[2].as_ref().unwrap_err().to_string();
    assert!(error.contains("line 4: not a JSON object"), "{error}");
}

#[test]
fn random_lines_are_no_panic_and_each_error_is_short() {
    let parts = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\"id\":",
        "\"1\"",
        ",",
        ":",
        "\\",
        "\\ud83d",
        "\\u00",
        "NaN",
        "-",
        "'",
        " ",
        "/",
        "\r",
        "\n",
        "\u{feff}",
        "é",
        "1e999",
        "null",
        "\"text\":",
    ];
    let mut random = crate::random::Random(7);
    for _ in 0..2_500 {
        let text: String = (0..random.place(25))
            .map(|_| parts[random.place(parts.len())])
            .collect();
        let end = random.place(text.len() + 1);
        let nested = [NestedFields::Skip, NestedFields::AsJson][random.place(2)];
        let _scope = left_out::Scope::enter();
        for item in JsonLines::from_reader(&text.as_bytes()[..end]).nested_fields(nested) {
            if let Err(error) = item {
                assert!(error.to_string().len() < 600, "{error}");
            }
        }
    }
}
