//! New embeddings: what they cost, what they write, and what they refuse.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use chroma_blocking::Include::{Documents, Embeddings, Metadatas, Uris};
use chroma_blocking::transfer::IfExists;
use chroma_blocking::{Client, Collection, Error, InvalidInput, LocalServer, Record, Space};

use super::counting::Counting;
use super::support::folder::Folder;
use super::support::server::{self, client, unique_name};

fn old_function() -> Counting {
    Counting::new("retired", 3)
}

fn new_function() -> Counting {
    Counting::new("new-model", 5)
}

fn text(number: usize) -> String {
    format!("{number} is the number of this text")
}

fn record(number: usize) -> Record {
    let record = Record::new(format!("id{number}"))
        .document(text(number))
        .metadata("number", number as i64)
        .metadata("float", number as f64 / 3.0);
    if number % 5 == 0 {
        record.uri(format!("https://example.com/{number}"))
    } else {
        record
    }
}

/// Creates a collection with the vectors of the old function.
fn notes(client: &Client, records: usize) -> Collection {
    let builder = client
        .collection(unique_name())
        .metadata("team", "search")
        .space(Space::Cosine)
        .embedding_function(old_function());
    let notes = builder.create().unwrap();
    if records > 0 {
        notes.add((0..records).map(record)).unwrap();
    }
    notes
}

fn in_order(collection: &Collection) -> Vec<Record> {
    let get = collection.get();
    let found = get.include([Documents, Embeddings, Metadatas, Uris]).run();
    found.unwrap().into_iter().collect()
}

fn all(collection: &Collection) -> BTreeMap<String, Record> {
    let records = in_order(collection).into_iter();
    records.map(|record| (record.id.clone(), record)).collect()
}

/// Asserts that the new collection has the records of the old one, and the vectors of its texts.
fn assert_reembedded(old: &Collection, new: &Collection, function: &Counting) {
    let (old, mut new) = (all(old), all(new));
    for record in new.values_mut() {
        let text = record.document.as_deref().unwrap();
        assert_same_direction(record.embedding.as_deref().unwrap(), &function.vector(text));
    }
    let mut expected = old;
    for record in new.values_mut().chain(expected.values_mut()) {
        record.embedding = None;
    }
    assert_eq!(new, expected);
}

/// Servers may return vectors of cosine collections with a length of 1.
fn assert_same_direction(one: &[f32], other: &[f32]) {
    let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        assert!((a / length(one) - b / length(other)).abs() < 1e-5);
    }
}

/// Returns a client of the oldest server.
fn oldest() -> &'static Client {
    static SERVER: OnceLock<(LocalServer, Client)> = OnceLock::new();
    let start = || {
        let server = server::local().version("1.0.0").start().unwrap();
        let client = server.client().unwrap();
        (server, client)
    };
    &SERVER.get_or_init(start).1
}

fn exists(client: &Client, name: &str) -> bool {
    client.collection(name).get().is_ok()
}

#[test]
fn a_collection_gets_the_vectors_of_another_model() {
    for client in [client(), oldest()] {
        let (notes, function) = (notes(client, 1_234), new_function());
        let before = in_order(&notes);
        let name = format!("{}-reembedded", notes.name());

        let plan = notes.reembed(function.clone()).plan().unwrap();
        assert_eq!(
            (plan.records, plan.texts, plan.without_document),
            (1_234, 1_234, 0)
        );
        let characters = (0..1_234).map(|number| text(number).len() as u64);
        let characters = characters.sum::<u64>();
        assert_eq!(
            plan.to_string(),
            format!(
                "{name}: 1234 records, 1234 texts in 13 batches, about {} tokens ({characters} characters); with new-model, new-model, 5 floats",
                characters.div_ceil(4)
            )
        );
        assert!(function.take_paid().is_empty() && !exists(client, &name));

        let mut done = Vec::new();
        let report = notes.reembed(function.clone());
        let report = report.on_progress(|p| done.push(p.to_string())).run();
        let report = report.unwrap();
        let new = report.target.as_ref().unwrap();
        assert_eq!(new.name(), name);
        assert_eq!((report.written, report.embedded), (1_234, 1_234));
        assert!(report.verified, "{report}");
        let line = report.to_string();
        assert!(
            line.starts_with(&format!("{name}: 1234 written, 1234 embedded in ")),
            "{line}"
        );
        assert!(line.ends_with(" per second, verified"), "{line}");
        assert!(
            done[0].starts_with("reembed: ") && done[0].contains(" of 1234 items done"),
            "{done:?}"
        );
        let mut texts: Vec<_> = (0..1_234).map(text).collect();
        texts.sort();
        assert_eq!(function.take_paid(), texts);

        assert_reembedded(&notes, new, &function);
        let ids = |records: Vec<Record>| records.into_iter().map(|record| record.id);
        assert!(ids(in_order(new)).eq(ids(before.clone())), "the order");
        assert_eq!(new.metadata(), notes.metadata());
        assert_eq!(new.space(), notes.space());
        // Opened again, it needs a function of the new model.
        let opened = client.collection(&name);
        opened.clone().embedding_function(function).get().unwrap();
        let refused = opened.embedding_function(old_function()).get();
        assert!(refused.is_err() || new.configuration().embedding_function.is_none());
        assert_eq!(in_order(&notes), before, "the source stays");
    }
}

#[test]
fn records_without_a_text_are_an_error_unless_they_are_left_out() {
    let client = client();
    let (notes, function) = (notes(client, 150), new_function());
    let vector = |id: &str| Record::new(id).embedding([1.0, 2.0, 3.0]);
    let blank = vector("blank").document(" \n");
    notes
        .add([vector("a"), blank, vector("b").uri("u")])
        .unwrap();
    let plan = notes.reembed(function.clone()).plan().unwrap();
    assert_eq!((plan.records, plan.texts), (153, 150));
    assert_eq!(plan.without_document, 3);
    let error = notes.reembed(function.clone()).run().unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("3 of 153 records have no text to embed (\"b\", \"blank\", \"a\"); give"),
        "{message}"
    );
    assert!(!exists(client, &format!("{}-reembedded", notes.name())));
    assert!(function.take_paid().is_empty());

    let reembed = notes.reembed(function.clone()).skip_without_document(true);
    let report = reembed.run().unwrap();
    assert_eq!((report.records, report.without_document), (153, 3));
    assert_eq!((report.written, report.verified), (150, true), "{report}");
    notes.delete().ids(["a", "b", "blank"]).run().unwrap();
    assert_reembedded(&notes, report.target.as_ref().unwrap(), &function);
}

#[test]
fn collections_without_texts_are_created_empty() {
    let client = client();
    let empty = notes(client, 0);
    let report = empty.reembed(new_function()).run().unwrap();
    assert_eq!((report.records, report.verified), (0, true), "{report}");
    assert_eq!(report.target.as_ref().unwrap().count().unwrap(), 0);

    let vectors = client.collection(unique_name()).create().unwrap();
    vectors.add([Record::new("a").embedding([1.0])]).unwrap();
    let reembed = || vectors.reembed(new_function());
    let message = reembed().run().unwrap_err().to_string();
    assert!(message.contains("1 of 1 records have no text"), "{message}");
    let report = reembed().skip_without_document(true).run().unwrap();
    assert_eq!((report.without_document, report.verified), (1, true));
    assert_eq!(report.target.as_ref().unwrap().count().unwrap(), 0);
}

/// The function changes the source when the last text is embedded, so all records have been read.
#[test]
fn changes_of_the_source_during_the_job_are_caught_up() {
    let client = client();
    let notes = notes(client, 500);
    let (last, source) = (text(499), notes.clone());
    let mut is_changed = false;
    let function = new_function().before(move |texts| {
        if is_changed || !texts.contains(&last.as_str()) {
            return;
        }
        is_changed = true;
        let update = |number: usize| Record::new(format!("id{number}"));
        let replaced = update(30).document("replaced").embedding([1.0, 2.0, 3.0]);
        source
            .update([
                update(10).document("a new text"),
                update(11).metadata("number", "another"),
                update(12).uri("https://example.com/new"),
                // The same text again changes nothing.
                update(13).document(text(13)),
            ])
            .unwrap();
        source.delete().ids(["id20", "id30"]).run().unwrap();
        // Without its metadata, and at another position.
        source.add([replaced]).unwrap();
        source.add([record(1_000)]).unwrap();
    });
    let report = notes.reembed(function.clone()).run().unwrap();
    assert_reembedded(&notes, report.target.as_ref().unwrap(), &function);
    assert!(report.verified);
    assert_eq!((report.updated, report.deleted), (2, 1), "{report}");
    assert_eq!((report.embedded, report.written), (503, 505), "{report}");
    let mut texts: Vec<_> = (0..500).map(text).collect();
    texts.extend([text(1_000), "a new text".to_owned(), "replaced".to_owned()]);
    texts.sort();
    assert_eq!(function.take_paid(), texts, "each text once");
}

#[test]
fn models_are_never_mixed() {
    let client = client();
    let (notes, function) = (notes(client, 20), new_function());
    let name = unique_name();
    let reembed = |mode| {
        let reembed = notes.reembed(function.clone()).name(&name);
        reembed.if_exists(mode).run()
    };
    let refused = |mode| match reembed(mode).unwrap_err() {
        Error::Invalid { reason, .. } => reason,
        error => panic!("{error}"),
    };
    // The function of the source, another model, another dimension.
    for other in [
        old_function(),
        Counting::new("other", 5),
        Counting::new("new-model", 4),
    ] {
        let existing = client.collection(&name).embedding_function(other);
        let existing = existing.create().unwrap();
        for mode in [IfExists::Fail, IfExists::Replace, IfExists::Mirror] {
            let reason = refused(mode);
            assert!(
                matches!(reason, InvalidInput::EmbeddingFunctionConflict { .. }),
                "{reason}"
            );
        }
        assert_eq!(existing.count().unwrap(), 0);
        client.delete_collection(&name).unwrap();
    }
    // Vectors of unknown origin.
    let existing = client.collection(&name).create().unwrap();
    existing
        .add([Record::new("x").embedding([1.0; 5]).document("d")])
        .unwrap();
    for mode in [IfExists::Replace, IfExists::AddNew, IfExists::Mirror] {
        let reason = refused(mode).to_string();
        assert!(reason.contains("nothing stored shows that"), "{reason}");
    }
    assert!(matches!(
        reembed(IfExists::Fail),
        Err(Error::AlreadyExists { .. })
    ));
    assert_eq!(existing.count().unwrap(), 1);
    client.delete_collection(&name).unwrap();
    // The source itself.
    let itself = notes.reembed(old_function()).allow_same_function(true);
    let itself = itself.name(notes.name()).if_exists(IfExists::Mirror).run();
    let message = itself.unwrap_err().to_string();
    assert!(message.contains("the source itself"), "{message}");
    assert!(function.take_paid().is_empty());
}

#[test]
fn a_collection_of_the_same_function_is_continued() {
    let client = client();
    let (notes, function) = (notes(client, 120), new_function());
    let report = notes.reembed(function.clone()).run().unwrap();
    function.take_paid();
    let update = Record::new("id7").document("changed");
    notes.update([update]).unwrap();
    notes
        .update([Record::new("id8").metadata("k", true)])
        .unwrap();
    notes.add([record(500)]).unwrap();
    report.target.as_ref().unwrap().add([record(999)]).unwrap();
    function.take_paid();
    let again = notes
        .reembed(function.clone())
        .name(report.target.as_ref().unwrap().name());
    let report = again.if_exists(IfExists::Replace).run().unwrap();
    assert_eq!(function.take_paid(), [text(500), "changed".to_owned()]);
    assert_eq!(
        (report.updated, report.deleted, report.verified),
        (1, 0, true)
    );
    let again = notes
        .reembed(function.clone())
        .name(report.target.as_ref().unwrap().name());
    let report = again.if_exists(IfExists::Mirror).run().unwrap();
    assert_eq!(report.deleted, 1, "{report}");
    assert_reembedded(&notes, report.target.as_ref().unwrap(), &function);
    assert!(function.take_paid().is_empty());
}

#[test]
fn the_same_function_is_refused_unless_it_is_allowed() {
    let client = client();
    let notes = notes(client, 10);
    let message = notes.reembed(old_function()).run().unwrap_err().to_string();
    assert!(message.contains("uses this function already"), "{message}");
    assert!(!exists(client, &format!("{}-reembedded", notes.name())));
    let allowed = notes.reembed(old_function()).allow_same_function(true);
    assert_eq!(allowed.run().unwrap().embedded, 10);
}

#[test]
fn settings_can_be_changed_and_are_checked() {
    let client = client();
    let notes = notes(client, 3);
    for (concurrency, rate) in [(0, 1), (65, 1), (4, 0)] {
        let reembed = notes.reembed(new_function()).concurrency(concurrency);
        let error = reembed.max_rate(rate).run().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    // Nothing stores this function, and no function is stored for it.
    let function = new_function().unstored();
    let reembed = notes.reembed(function.clone()).space(Space::Ip);
    let report = reembed.concurrency(1).run().unwrap();
    assert_eq!(report.target.as_ref().unwrap().space(), Some(Space::Ip));
    assert_eq!(
        report
            .target
            .as_ref()
            .unwrap()
            .configuration()
            .embedding_function,
        None
    );
    assert_reembedded(&notes, report.target.as_ref().unwrap(), &function);
}

#[test]
fn a_kept_checkpoint_continues_a_complete_job() {
    // Nothing that the oldest server returns shows which function has made the vectors.
    let notes = notes(oldest(), 20);
    let function = new_function();
    let folder = Folder::new();
    let file = folder.path("notes.ckpt");
    let reembed = || notes.reembed(function.clone()).checkpoint(&file);
    let report = reembed().keep_checkpoint(true).run().unwrap();
    assert!(report.verified && file.exists(), "{report}");
    function.take_paid();
    let other_space = reembed().space(Space::Ip).run().unwrap_err();
    let message = other_space.to_string();
    assert!(
        message.contains("a different distance function; name another file, or delete it"),
        "{message}"
    );
    let report = reembed().run().unwrap();
    assert_eq!((report.resumed, report.embedded), (20, 0), "{report}");
    assert!(report.verified && function.take_paid().is_empty());
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn a_flag_that_is_set_early_is_in_the_report() {
    let notes = notes(client(), 10);
    let set = Arc::new(AtomicBool::new(true));
    let reembed = || notes.reembed(new_function()).cancel(set.clone());
    let name = format!("{}-reembedded", notes.name());
    for skips in [false, true] {
        let report = reembed().skip_without_document(skips).run().unwrap();
        assert!(report.cancelled && !report.verified, "{report}");
        assert_eq!((report.written, &*report.collection), (0, &*name));
        assert!(report.target.is_none() && !exists(client(), &name));
    }
}

#[test]
fn a_collection_that_another_program_has_filled_is_not_taken() {
    let notes = notes(oldest(), 10);
    let folder = Folder::new();
    let file = folder.path("notes.ckpt");
    let name = format!("{}-reembedded", notes.name());
    let reembed = || {
        let reembed = notes.reembed(new_function()).checkpoint(&file);
        reembed.if_exists(IfExists::Replace)
    };
    // The state of a run that was killed right before it created the collection.
    reembed().keep_checkpoint(true).run().unwrap();
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let position = &mut state["done"][notes.id()];
    position["collection"] = serde_json::Value::Null;
    assert_eq!(position["creates"], true);
    std::fs::write(&file, state.to_string()).unwrap();
    oldest().delete_collection(&name).unwrap();
    let other = oldest().collection(&name).create().unwrap();
    let record = Record::new("x").embedding([1.0; 5]).document("d");
    other.add([record]).unwrap();
    let message = reembed().run().unwrap_err().to_string();
    assert!(message.contains("nothing stored shows that"), "{message}");
    assert_eq!(other.count().unwrap(), 1);
}
