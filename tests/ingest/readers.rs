//! Readers in batch jobs: what is left out of the collection is counted, and what cannot be read is an error.

use chroma_blocking::{
    Error, Record,
    ingest::{BadRecords, IngestReport, JsonLines, NestedFields},
};

use super::{Scratch, TempFile, record};

fn counts(report: &IngestReport) -> (u64, u64, u64) {
    (report.written, report.empty, report.failed)
}

fn lines(text: &str) -> JsonLines<&[u8]> {
    JsonLines::from_reader(text.as_bytes())
}

#[cfg(feature = "gemini")]
#[test]
fn field_12_empty_files_are_left_out_and_counted_and_do_not_stop_a_job_with_gemini() {
    use super::support::folder::Folder;
    use super::support::gemini::{Google, KEY};
    use chroma_blocking::ingest::{TextSplitter, text_records};

    let folder = Folder::new();
    for (name, text) in [
        ("a.md", "text"),
        ("b.md", ""),
        ("c.txt", " \n"),
        ("d.md", "\u{feff}"),
    ] {
        std::fs::write(folder.0.join(name), text).unwrap();
    }
    let google = Google::start();
    let gemini = chroma_blocking::Gemini::builder().api_key(KEY);
    let gemini = gemini.base_url(google.url()).dimension(128);
    let scratch = Scratch::with(gemini.build().unwrap());
    let files = || text_records(&folder.0).unwrap();
    let report = scratch.0.ingest(files()).run().unwrap();
    assert_eq!(counts(&report), (1, 3, 0), "{report}");
    assert_eq!((report.read, report.embedded), (4, 1));
    assert!(report.to_string().contains(", 3 empty, "), "{report}");
    let chunks = TextSplitter::new(100).split_records(files());
    let report = scratch.0.ingest(chunks).dry_run(true).run().unwrap();
    assert_eq!(counts(&report), (1, 3, 0), "{report}");
    assert!(scratch.all().keys().eq(["a.md"]));
    assert_eq!(google.paid().len(), 1);
}

#[test]
fn field_12_a_record_with_a_vector_is_written_and_one_without_is_in_the_dead_letters() {
    let scratch = Scratch::new();
    let input = r#"
        {"id":"1","document":"text"}
        {"id":"2","document":"","metadata":{"k":1}}
        {"id":"3","document":null,"uri":"u"}
        {"id":"4","document":" ","embedding":[1,2,3,4,5,6,7,8,9]}
        {"id":"5","document":null,"embedding":[1,2,3,4,5,6,7,8,9],"k":2}"#;
    let letters = TempFile::new();
    let job = scratch.0.ingest(lines(input));
    let job = job.bad_records(BadRecords::dead_letters(&letters.0).at_most(0));
    let report = job.run().unwrap();
    assert_eq!(counts(&report), (3, 2, 0), "{report}");
    let all = scratch.all();
    assert!(all.keys().eq(["1", "4", "5"]), "{all:?}");
    assert_eq!(all["4"].document.as_deref(), Some(" "));
    assert_eq!(all["5"].metadata.get("k"), Some(&2.into()));
    let letters = std::fs::read_to_string(&letters.0).unwrap();
    let letters: Vec<serde_json::Value> = letters
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!(letters[0]["record"]["metadata"]["k"], 1);
    assert_eq!(letters[0]["reason"], "the document is empty");
    assert_eq!(letters[1]["record"]["uri"], "u");
}

#[test]
fn field_12_a_record_without_a_document_is_bad_since_its_name_may_be_wrong() {
    let scratch = Scratch::new();
    let error = scratch.0.ingest(lines(r#"{"id":"1","body":"x"}"#)).run();
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("neither a document nor a vector"), "{error}");
}

#[test]
fn field_12_a_sync_deletes_records_whose_documents_became_empty_and_other_jobs_keep_them() {
    let scratch = Scratch::new();
    let input = |second: &str| {
        let second = Record::new("b").document(second);
        [Record::new("a").document("a"), second]
    };
    scratch.0.ingest(input("b")).run().unwrap();
    let report = scratch.0.ingest(input(" ")).run().unwrap();
    assert_eq!(counts(&report), (1, 1, 0), "{report}");
    assert_eq!(scratch.0.count().unwrap(), 2);
    let report = scratch.0.ingest(input(" ")).sync(None).run().unwrap();
    assert_eq!((report.empty, report.deleted), (1, 1), "{report}");
    assert!(scratch.all().keys().eq(["a"]));
    // Nothing is left of the input, so nothing is deleted.
    let empty = [Record::new("a").document("")];
    let report = scratch.0.ingest(empty).sync(None).run().unwrap();
    assert_eq!((report.empty, report.deleted), (1, 0), "{report}");
    assert_eq!(scratch.0.count().unwrap(), 1);
}

#[test]
fn field_12_a_resumed_job_counts_each_empty_document_once() {
    let scratch = Scratch::new();
    let input = || {
        let mut all: Vec<Record> = (0..1_000).map(record).collect();
        for number in (0..1_000).step_by(10) {
            all[number].document = Some(String::new());
        }
        all
    };
    let (checkpoint, letters) = (TempFile::new(), TempFile::new());
    let mut bad = input();
    bad[555].id.clear();
    let job = |records: Vec<Record>, policy: BadRecords| {
        let job = scratch.0.ingest(records).checkpoint(&checkpoint.0);
        job.bad_records(policy).run()
    };
    let policy = || BadRecords::dead_letters(&letters.0).at_most(0);
    let error = job(bad, policy()).unwrap_err();
    let Error::Ingest { report: first, .. } = error else {
        panic!("{error}");
    };
    let second = job(input(), policy()).unwrap();
    // The batch that stopped is read again.
    assert!(second.resumed > 400 && first.empty + second.empty >= 100);
    let expected = (second.resumed..1_000).filter(|number| number % 10 == 0);
    assert_eq!(second.empty, expected.count() as u64);
    assert_eq!(scratch.0.count().unwrap(), 900);
    let text = std::fs::read_to_string(&letters.0).unwrap();
    for number in (0..1_000).step_by(10) {
        assert!(text.contains(&format!("\"id\":\"id{number}\"")), "{number}");
    }
}

#[test]
fn field_10_the_report_counts_and_names_the_fields_that_were_left_out() {
    let scratch = Scratch::new();
    let input = r#"
        {"id":"1","document":"a","tags":[1,"x"],"author":{"name":"x"}}
        {"id":"2","document":"b","tags":["x"]}
        {"id":"3","document":"c","tags":[[1]]}"#;
    let skip = || lines(input).nested_fields(NestedFields::Skip);
    // Items that are read outside of a job are in no report.
    assert_eq!(skip().count(), 3);
    for _ in 0..2 {
        let report = scratch.0.ingest(skip()).run().unwrap();
        let counts: Vec<_> = report.left_out.iter().collect();
        assert_eq!(
            counts,
            [(&"author".to_owned(), &1), (&"tags".to_owned(), &2)]
        );
        let line = report.to_string();
        assert!(
            line.contains(", left out: author (1), tags (2) in "),
            "{line}"
        );
    }
    let all = scratch.0.ingest([Record::new("4").document("d")]);
    assert!(all.run().unwrap().left_out.is_empty());
}

/// Runs a job that skips bad records, and returns the report and the cause of its failure.
#[cfg(feature = "csv")]
fn failed(csv: &[u8]) -> (IngestReport, String) {
    let rows = chroma_blocking::ingest::CsvRows::from_reader(csv).max_row_len(100_000);
    let scratch = Scratch::new();
    let job = scratch.0.ingest(rows).bad_records(BadRecords::skip());
    match job.run().unwrap_err() {
        Error::Ingest { report, source, .. } => (*report, format!("{source:#}")),
        other => panic!("{other}"),
    }
}

#[cfg(feature = "csv")]
#[test]
fn field_11_a_job_that_skips_bad_records_fails_if_the_rest_of_a_file_cannot_be_read() {
    let (report, error) = failed(b"id;text\n1;a\n");
    assert!(error.ends_with("use .delimiter(b';')"), "{error}");
    assert_eq!(counts(&report), (0, 0, 0));
    // An open quote, after which thousands of rows would be lost.
    let open = format!("id,text\n1,a\n2,\"{}", "x,y\n".repeat(50_000));
    let (report, error) = failed(open.as_bytes());
    assert!(
        error.contains("line 3: longer than 100000 bytes"),
        "{error}"
    );
    assert_eq!(counts(&report), (1, 0, 0));
}
