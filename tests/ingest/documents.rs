//! Jobs that replace whole documents: which old pieces they delete, and which they keep.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::{
    Collection, EmbeddingFunction, Embeddings, Error, Record,
    embed::EmbeddingError,
    ingest::{BadRecords, IngestReport, TextSplitter},
};

use super::{Letters, Scratch, TempFile, record};

pub(super) type Item = Result<Record, &'static str>;

/// Returns a document whose text gives this many pieces.
fn document(id: &str, pieces: usize) -> Record {
    version(id, pieces, "old")
}

/// Returns a document whose pieces all hold `word`.
pub(super) fn version(id: &str, pieces: usize, word: &str) -> Record {
    let text: Vec<String> = (0..pieces).map(|n| format!("{word}{n:06}")).collect();
    Record::new(id).document(text.join("\n"))
}

/// Splits documents into pieces of one line.
pub(super) fn pieces(documents: impl IntoIterator<Item = Record>) -> Vec<Item> {
    let splitter = TextSplitter::new(9).document_key("doc");
    let documents = documents.into_iter().map(Ok);
    splitter.split_records(documents).collect()
}

pub(super) fn replace(notes: &Collection, items: Vec<Item>) -> IngestReport {
    let job = notes.ingest(items).bad_records(BadRecords::skip());
    job.replace_documents("doc").run().unwrap()
}

fn ids(scratch: &Scratch) -> Vec<String> {
    scratch.all().into_keys().collect()
}

#[test]
fn field_17_a_document_that_became_shorter_loses_its_old_pieces() {
    for with_hash in [false, true] {
        let scratch = Scratch::new();
        let run = |documents: Vec<Record>, is_dry: bool| {
            let job = scratch.0.ingest(pieces(documents)).dry_run(is_dry);
            let job = job.replace_documents("doc");
            let job = if with_hash {
                job.content_hash("hash")
            } else {
                job
            };
            job.run().unwrap()
        };
        // Records without the key and other documents are not touched.
        scratch.0.add([record(1)]).unwrap();
        run(vec![document("other", 3)], false);
        let first = run(vec![document("a", 5), document("b", 250)], false);
        assert_eq!((first.written, first.deleted), (255, 0), "{first}");
        let shorter = || vec![document("a", 2), document("b", 3)];
        let dry = run(shorter(), true);
        assert_eq!(dry.deleted, 250, "{dry}");
        assert_eq!(scratch.0.count().unwrap(), 259);
        let second = run(shorter(), false);
        assert_eq!((second.deleted, second.withheld), (250, 0), "{second}");
        assert!(second.to_string().contains("250 deleted"), "{second}");
        assert_eq!(second.skipped, if with_hash { 5 } else { 0 });
        assert_eq!(
            ids(&scratch),
            [
                "a#0", "a#1", "b#0", "b#1", "b#2", "id1", "other#0", "other#1", "other#2"
            ]
        );
    }
}

#[test]
fn field_17_of_two_versions_in_one_input_the_last_one_wins() {
    const PIECES: [(usize, usize); 6] = [(5, 2), (2, 5), (150, 2), (2, 150), (5, 0), (0, 5)];
    let versions = |word: &'static str| {
        let pieces = PIECES.into_iter().enumerate();
        pieces.map(move |(n, (first, second))| {
            let count = if word == "one" { first } else { second };
            version(&format!("doc{n}"), count, word)
        })
    };
    // Next to each other, in the same batch, and far apart.
    let next_to: Vec<_> = versions("one").zip(versions("two")).collect();
    let next_to: Vec<_> = next_to.into_iter().flat_map(|(a, b)| [a, b]).collect();
    let same_batch: Vec<_> = versions("one").chain(versions("two")).collect();
    let filler = (0..5).map(|n| document(&format!("filler{n}"), 50));
    let apart: Vec<_> = versions("one")
        .chain(filler)
        .chain(versions("two"))
        .collect();
    for input in [next_to, same_batch, apart] {
        for with_hash in [false, true] {
            let scratch = Scratch::new();
            for run in 0..2 {
                let job = scratch.0.ingest(pieces(input.clone()));
                let job = job.replace_documents("doc");
                let job = if with_hash {
                    job.content_hash("hash")
                } else {
                    job
                };
                job.run().unwrap();
                let mut all = scratch.all();
                all.retain(|id, _| !id.starts_with("filler"));
                let case = format!("{} {with_hash} {run}", input.len());
                for (n, (_, second)) in PIECES.into_iter().enumerate() {
                    let of = format!("doc{n}#");
                    let count = all.keys().filter(|id| id.starts_with(&of)).count();
                    assert_eq!(count, second, "doc{n} {case}");
                }
                let text = |record: &Record| record.document.clone().unwrap();
                assert!(
                    all.values().all(|record| text(record).starts_with("two")),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn field_17_a_document_without_text_loses_all_pieces() {
    let scratch = Scratch::new();
    replace(&scratch.0, pieces([document("a", 3), document("b", 2)]));
    let report = replace(&scratch.0, pieces([Record::new("a").document(" \n")]));
    assert_eq!(
        (report.written, report.empty, report.deleted, report.failed),
        (0, 1, 3, 0),
        "{report}"
    );
    assert_eq!(ids(&scratch), ["b#0", "b#1"]);
}

#[test]
fn field_17_a_document_with_a_bad_record_keeps_its_old_pieces() {
    /// Refuses each text with the word "bad".
    struct Picky;
    impl EmbeddingFunction for Picky {
        fn name(&self) -> &'static str {
            "picky"
        }
        fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
            if documents.iter().any(|text| text.contains("bad")) {
                return Err("a bad text".into());
            }
            Letters.embed_documents(documents)
        }
    }
    let scratch = Scratch::with(Picky);
    let documents = || ["a", "b", "c", "d", "e"].map(|id| document(id, 4));
    replace(&scratch.0, pieces(documents()));
    let mut items = pieces(["a", "b", "c", "d", "e"].map(|id| version(id, 2, "new")));
    // A refused text, an invalid record, and an unreadable item between d and e.
    items[0] = items[0].clone().map(|piece| piece.document("bad"));
    items[3] = items[3].clone().map(|piece| piece.embedding([f32::NAN; 9]));
    items.insert(8, Err("cut off"));
    let report = replace(&scratch.0, items.clone());
    assert_eq!((report.failed, report.written), (3, 8), "{report}");
    // Only c is complete.
    assert_eq!((report.deleted, report.withheld), (2, 8), "{report}");
    let why = report.withheld_because.as_deref().unwrap();
    assert!(why.contains("bad records"), "{why}");
    assert!(report.to_string().contains("8 not deleted ("), "{report}");
    let kept = ids(&scratch);
    assert!(kept.contains(&"a#3".to_owned()) && !kept.contains(&"c#3".to_owned()));

    let job = scratch.0.ingest(items).bad_records(BadRecords::skip());
    let job = job.replace_documents("doc").tolerate_unreadable(1);
    let report = job.run().unwrap();
    assert_eq!((report.deleted, report.withheld), (4, 4), "{report}");
}

#[test]
fn field_17_an_unreadable_item_within_a_document_only_concerns_that_document() {
    let scratch = Scratch::new();
    replace(
        &scratch.0,
        pieces(["a", "b", "c"].map(|id| document(id, 4))),
    );
    let mut items = pieces(["a", "b", "c"].map(|id| document(id, 3)));
    items[4] = Err("cut off");
    let report = replace(&scratch.0, items);
    // Of b, the piece that could not be read and the one that the new version lacks.
    assert_eq!((report.deleted, report.withheld), (2, 2), "{report}");
}

/// Returns a piece with this id.
fn piece(id: &str, doc: &str) -> Record {
    let mut piece = record(1).metadata("doc", doc);
    id.clone_into(&mut piece.id);
    piece
}

#[test]
fn field_17_a_piece_apart_from_its_document_ends_the_job_and_no_stored_piece_is_lost() {
    let stored = || {
        vec![
            Ok(piece("a1", "a")),
            Ok(piece("a2", "a")),
            Ok(piece("b1", "b")),
            Ok(piece("b2", "b")),
        ]
    };
    for (policy, is_sync, is_dry) in [
        (BadRecords::stop(), false, false),
        (BadRecords::skip(), false, false),
        (BadRecords::skip(), true, false),
        (BadRecords::skip(), false, true),
    ] {
        let (scratch, file) = (Scratch::new(), TempFile::new());
        replace(&scratch.0, stored());
        let run = |ids: &[&str]| {
            let items: Vec<Item> = ids.iter().map(|id| Ok(piece(id, &id[..1]))).collect();
            let job = scratch.0.ingest(items).replace_documents("doc");
            let job = job.bad_records(policy.clone()).dry_run(is_dry);
            let job = job.checkpoint(&file.0);
            let job = if is_sync { job.sync(None) } else { job };
            job.run()
        };
        // Both documents have ended when the piece is found, and both lack a stored piece.
        let error = run(&["a1", "b1", "c1", "a2", "b2"]).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("record \"a2\" (item 3) cannot be")
                && text.contains("the document \"a\" ended before record \"a2\""),
            "{text}"
        );
        let Error::Ingest { report, .. } = error else {
            panic!("{text}");
        };
        assert_eq!((report.written, report.deleted), (3, 0), "{report}");
        let mut expected = vec!["a1", "a2", "b1", "b2", "c1"];
        if is_dry {
            expected.pop();
        }
        assert_eq!(ids(&scratch), expected);
        // The checkpoint is not after documents with old pieces.
        let report = run(&["a1", "a2", "b1"]).unwrap();
        let deleted = if is_sync { 2 } else { 1 };
        assert_eq!((report.resumed, report.deleted), (0, deleted), "{report}");
    }
}

#[test]
fn field_17_pieces_without_a_document_are_bad_records() {
    let scratch = Scratch::new();
    let items: Vec<Item> = vec![
        Ok(piece("a1", "a")),
        Ok(piece("b1", "b")),
        Ok(record(7)),
        Ok(record(8).metadata("doc", 1.5)),
        Ok(record(9).metadata("doc", "")),
    ];
    let report = replace(&scratch.0, items);
    assert_eq!((report.written, report.failed), (2, 3), "{report:?}");
    for reason in report.bad.iter().map(|bad| &bad.reason) {
        assert!(reason.contains("metadata key \"doc\""), "{reason}");
    }
    assert_eq!(ids(&scratch), ["a1", "b1"]);
}

#[test]
fn field_17_a_splitter_with_another_size_leaves_no_old_pieces() {
    let scratch = Scratch::new();
    let text = document("a", 40).document.unwrap();
    let run = |size: usize, record: Record| {
        let splitter = TextSplitter::new(size).document_key("doc");
        let records = splitter.records(record).collect::<Vec<_>>();
        let job = scratch.0.ingest(records).content_hash("hash");
        job.replace_documents("doc").run().unwrap()
    };
    // A record without a text, whose id is that of the document, becomes pieces, and again one record.
    let vector = || Record::new("a").embedding([1.0; 9]);
    assert_eq!(run(9, vector()).written, 1);
    let report = run(9, Record::new("a").document(text.as_str()));
    assert_eq!((report.written, report.deleted), (40, 1), "{report}");
    let report = run(100, Record::new("a").document(text));
    assert_eq!((report.written, report.deleted), (4, 36), "{report}");
    let report = run(100, vector());
    assert_eq!((report.written, report.deleted), (1, 4), "{report}");
    assert_eq!(ids(&scratch), ["a"]);
}

#[test]
fn field_17_documents_may_be_numbered() {
    let scratch = Scratch::new();
    let pieces = |document: i64, count: usize| -> Vec<Item> {
        let piece = |n| {
            let mut piece = record(n).metadata("doc", document);
            piece.id = format!("{document}/{n}");
            Ok(piece)
        };
        (0..count).map(piece).collect()
    };
    let mut input = pieces(1, 3);
    input.extend(pieces(2, 2));
    input.push(Ok(record(0).metadata("doc", "1")));
    replace(&scratch.0, input);
    let report = replace(&scratch.0, pieces(1, 1));
    assert_eq!(report.deleted, 2, "{report}");
    assert_eq!(ids(&scratch), ["1/0", "2/0", "2/1", "id0"]);
}

#[test]
fn field_17_settings_that_contradict_each_other_are_refused() {
    let scratch = Scratch::new();
    let job = || {
        let never = std::iter::from_fn(|| -> Option<Record> { panic!("it was read") });
        scratch.0.ingest(never).replace_documents("doc")
    };
    for (job, word) in [
        (job().only_new(true), "only_new"),
        (job().content_hash("doc"), "content_hash"),
        (job().replace_documents(""), "replace_documents"),
        (
            job().replace_documents("chroma:document"),
            "replace_documents",
        ),
    ] {
        let error = job.run().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn field_17_a_sync_deletes_whole_documents_and_keeps_those_with_bad_records() {
    for shards in [1, 3] {
        let scratch = Scratch::new();
        let names: Vec<String> = (0..30).map(|n| format!("doc{n}")).collect();
        scratch.0.add([record(1)]).unwrap();
        replace(&scratch.0, pieces(names.iter().map(|id| document(id, 4))));
        // doc0 has a bad record. doc20 to doc29 are missing.
        let mut items = pieces(names[..20].iter().map(|id| document(id, 2)));
        items[1] = items[1].clone().map(|piece| piece.embedding([1.0]));
        let (mut deleted, mut withheld) = (0, 0);
        for shard in 0..shards {
            let job = scratch.0.ingest(items.clone()).shard(shard, shards);
            let job = job.bad_records(BadRecords::skip()).sync(None);
            let report = job.replace_documents("doc").run().unwrap();
            deleted += report.deleted;
            withheld += report.withheld;
        }
        // Two pieces of doc1 to doc19, four of each missing one, and the record without a document.
        assert_eq!((deleted, withheld), (19 * 2 + 10 * 4 + 1, 2));
        let mut expected: BTreeSet<String> = (0..20)
            .flat_map(|n| [format!("doc{n}#0"), format!("doc{n}#1")])
            .collect();
        expected.extend(["doc0#2".to_owned(), "doc0#3".to_owned()]);
        assert_eq!(ids(&scratch), expected.into_iter().collect::<Vec<_>>());
    }
}

/// Runs a job until its first write, then the same job to its end.
fn in_two_runs(scratch: &Scratch, items: &[Item], is_sync: bool) -> (IngestReport, IngestReport) {
    let file = TempFile::new();
    let run = |stops: bool| {
        let flag = Arc::new(AtomicBool::new(false));
        let job = scratch.0.ingest(items.to_vec()).checkpoint(&file.0);
        let job = job.bad_records(BadRecords::skip()).cancel(flag.clone());
        let job = job.batch_size(10).concurrency(1).replace_documents("doc");
        let job = if is_sync { job.sync(None) } else { job };
        let job = job.on_progress(|_| flag.store(stops, Ordering::SeqCst));
        job.run().unwrap()
    };
    let first = run(true);
    assert!(first.cancelled && first.withheld == 0, "{first}");
    (first, run(false))
}

#[test]
fn field_17_a_resumed_job_knows_which_documents_are_incomplete() {
    let scratch = Scratch::new();
    let old = || ["a", "b"].map(|id| document(id, 350));
    replace(&scratch.0, pieces(old()));
    // The job stops within the first document, after its bad record.
    let mut refused = pieces(["a", "b"].map(|id| document(id, 300)));
    refused[1] = refused[1].clone().map(|piece| piece.embedding([1.0]));
    let (first, second) = in_two_runs(&scratch, &refused, false);
    assert!(first.written > 0 && first.failed == 1, "{first}");
    assert_eq!(
        (second.resumed, second.failed),
        (0, 1),
        "the document is read again"
    );
    assert_eq!((second.deleted, second.withheld), (50, 50), "{second}");

    replace(&scratch.0, pieces(old()));
    let mut unreadable = pieces(["a", "b"].map(|id| document(id, 300)));
    unreadable[1] = Err("cut off");
    for is_sync in [false, true] {
        let (_, second) = in_two_runs(&scratch, &unreadable, is_sync);
        assert!(second.resumed > 1, "{second}");
        let deleted = if is_sync { 0 } else { 50 };
        assert_eq!((second.deleted, second.withheld), (deleted, 51), "{second}");
    }
}

#[test]
fn field_17_any_text_may_be_the_id_of_a_document() {
    let scratch = Scratch::new();
    let long = "long ".repeat(2_000);
    let names = [
        "it's",
        "say \"a\"",
        "a%",
        "a_",
        "ab",
        "A",
        "a",
        " a",
        "a ",
        "ä",
        "\u{1f980}",
        "a\\b",
        "a\nb",
        "$in",
        "#id",
        "null",
        "17",
        "1.0",
        "true",
        &long,
    ];
    replace(&scratch.0, pieces(names.map(|id| document(id, 3))));
    for (index, name) in names.into_iter().enumerate() {
        let report = replace(&scratch.0, pieces([document(name, 1)]));
        assert_eq!(report.deleted, 2, "{name:?}");
        let rest = 3 * names.len() - 2 * (index + 1);
        assert_eq!(scratch.0.count().unwrap(), rest, "{name:?}");
    }
}

#[test]
fn field_17_a_long_document_that_became_short_is_deleted_in_several_requests() {
    let scratch = Scratch::new();
    replace(&scratch.0, pieces([document("a", 2_500), document("b", 1)]));
    let report = replace(&scratch.0, pieces([document("a", 1)]));
    assert_eq!(report.deleted, 2_499, "{report}");
    assert_eq!(ids(&scratch), ["a#0", "b#0"]);
}

#[test]
fn field_17_a_piece_that_moves_to_another_document_is_kept() {
    for with_hash in [false, true] {
        for order in [["a", "b"], ["b", "a"]] {
            let scratch = Scratch::new();
            let run = |pieces: Vec<(&str, &str)>| {
                let piece = |(id, doc): (&str, &str)| {
                    let mut piece = record(1).metadata("doc", doc);
                    piece.id = id.to_owned();
                    piece
                };
                let records: Vec<Record> = pieces.into_iter().map(piece).collect();
                let job = scratch.0.ingest(records).replace_documents("doc");
                let job = if with_hash {
                    job.content_hash("hash")
                } else {
                    job
                };
                job.run().unwrap()
            };
            run(vec![("1", "a"), ("moves", "a"), ("old", "a"), ("2", "b")]);
            let new = order.map(|doc| match doc {
                "a" => vec![("1", "a")],
                _ => vec![("2", "b"), ("moves", "b")],
            });
            run(new.concat());
            assert_eq!(ids(&scratch), ["1", "2", "moves"], "{order:?} {with_hash}");
        }
    }
}
