//! Writing, reading, changing and deleting records.

use std::thread;

use chroma_blocking::{
    Embeddings, Include, Metadata, Record,
    record::{Columns, Vectors},
};

use crate::Scratch;

fn numbered(range: std::ops::Range<u16>) -> impl Iterator<Item = Record> {
    range.map(|n| {
        Record::new(format!("{n:05}"))
            .embedding([f32::from(n), 0.5, -1.0, 1e-30])
            .metadata("n", n)
    })
}

#[test]
fn a_record_is_read_back_unchanged() {
    let notes = Scratch::new();
    let record = Record::new("\u{1F980}/%?#\"\\ id")
        .document("first line\nsecond line \u{0}\u{1F980}")
        .embedding([0.1, -2.5e-8, 3.4e38])
        .metadatas([("bool", true)])
        .metadata("int", i64::MIN)
        .metadata("float", 0.1)
        .metadata("string", "naïve \"quoted\"")
        .uri("file:///tmp/x y");
    let record = if crate::stores_lists() {
        record
            .metadata("tags", ["a", "b"])
            .metadata("numbers", vec![1_i64, 2])
    } else {
        record
    };
    let bare = Record::new("bare").embedding([1.0, 2.0, 3.0]);
    notes.add([&record, &bare]).unwrap();

    let everything = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    let found = notes.get().include(everything).run().unwrap();
    let mut found: Vec<Record> = found.into_iter().collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, [bare, record]);
    assert_eq!(notes.count().unwrap(), 2);
    assert_eq!(notes.dimension(), Some(3));
}

#[test]
fn add_keeps_an_existing_record_and_upsert_replaces_it() {
    let notes = Scratch::hashing();
    let text = |notes: &Scratch| {
        let found = notes.get().ids(["1"]).run().unwrap();
        found.get(0).unwrap().document.unwrap().to_owned()
    };
    notes.add([Record::new("1").document("first")]).unwrap();
    notes.add([Record::new("1").document("second")]).unwrap();
    assert_eq!(text(&notes), "first");
    notes.upsert([Record::new("1").document("third")]).unwrap();
    assert_eq!(text(&notes), "third");
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn update_changes_only_the_given_fields() {
    let notes = Scratch::hashing();
    let kept = Record::new("1")
        .document("red apples")
        .metadata("a", 1)
        .metadata("b", 2);
    notes
        .add([kept, Record::new("2").document("blue skies")])
        .unwrap();

    notes.update([Record::new("1").metadata("b", 3)]).unwrap();
    let row = notes.get().ids(["1"]).run().unwrap();
    let row = row.get(0).unwrap();
    assert_eq!(row.document, Some("red apples"));
    assert_eq!(row.metadata, &Metadata::from([("a", 1), ("b", 3)]));

    // A new text gets a new vector, and a record without a text gets none.
    let new_text = Record::new("1").document("green pears");
    notes
        .update([new_text, Record::new("2").metadata("c", 1)])
        .unwrap();
    let nearest = notes.query("green pears").n_results(1).run().unwrap();
    assert_eq!(nearest[0].id, "1");
    assert!(nearest[0].distance < 1e-5, "{}", nearest[0].distance);
    assert_eq!(nearest[0].metadata, Metadata::from([("a", 1), ("b", 3)]));

    // The server ignores unknown ids.
    notes
        .update([Record::new("3").document("nothing")])
        .unwrap();
    assert_eq!(notes.count().unwrap(), 2);
}

#[test]
fn a_record_with_a_vector_is_not_embedded() {
    let notes = Scratch::hashing();
    let mut mine = vec![0.0; 768];
    mine[5] = 1.0;
    let given = Record::new("given")
        .document("text")
        .embedding(mine.clone());
    notes
        .upsert([Record::new("made").document("text"), given])
        .unwrap();
    let found = notes
        .get()
        .ids(["given"])
        .include([Include::Embeddings])
        .run()
        .unwrap();
    assert_eq!(found.embeddings.unwrap().as_flat(), mine);
}

#[test]
fn vectors_are_accepted_in_every_form() {
    let notes = Scratch::new();
    let (flat, rows) = ([1.0, 2.0, 3.0, 4.0], vec![vec![1.0, 2.0], vec![3.0, 4.0]]);
    let matrix = Embeddings::from_rows(&rows).unwrap();
    let ids = |n: usize| [format!("{n}a"), format!("{n}b")];
    let metadata = [Metadata::from([("k", 1)]), Metadata::new()];

    let names = ids(1);
    let columns = Columns::new(&names)
        .documents(&["x", "y"])
        .metadatas(&metadata)
        .uris(&["u", "v"]);
    notes
        .upsert(columns.embeddings(Vectors::flat(&flat, 2)))
        .unwrap();
    notes
        .upsert(Columns::new(&ids(2)).embeddings(&rows))
        .unwrap();
    notes
        .upsert(Columns::new(&ids(3)).embeddings(&matrix))
        .unwrap();
    notes
        .upsert(Columns::new(&ids(4)).embeddings(&[[1.0, 2.0], [3.0, 4.0]]))
        .unwrap();
    notes
        .upsert(vec![Record::new("5a").embedding(rows[0].clone())])
        .unwrap();
    notes
        .upsert(&[Record::new("5b").embedding([3.0, 4.0])])
        .unwrap();

    let everything = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    let found = notes.get().include(everything).run().unwrap();
    assert_eq!(found.len(), 10);
    for row in &found {
        let expected = if row.id.ends_with('a') {
            [1.0, 2.0]
        } else {
            [3.0, 4.0]
        };
        assert_eq!(row.embedding, Some(&expected[..]), "{}", row.id);
    }
    let first = found.iter().find(|row| row.id == "1a").unwrap();
    assert_eq!((first.document, first.uri), (Some("x"), Some("u")));
    assert_eq!(first.metadata, &metadata[0]);
}

#[test]
fn reads_by_id_by_page_and_by_peek() {
    let notes = Scratch::new();
    notes.upsert(numbered(0..25)).unwrap();

    let some = notes
        .get()
        .ids(["00003", "00007", "missing"])
        .run()
        .unwrap();
    assert_eq!(some.ids, ["00003", "00007"]);
    assert!(some.embeddings.is_none() && some.documents.is_some());

    let mut seen = Vec::new();
    for page in 0..4 {
        let page = notes
            .get()
            .limit(10)
            .offset(page * 10)
            .include([])
            .run()
            .unwrap();
        assert!(page.metadatas.is_none());
        seen.extend(page.ids);
    }
    seen.sort();
    assert_eq!(seen, numbered(0..25).map(|r| r.id).collect::<Vec<_>>());

    let peeked = notes.peek().unwrap();
    assert_eq!(
        (peeked.len(), peeked.embeddings.unwrap().dimension()),
        (10, 4)
    );

    // An empty list of ids matches no record. The server would return all records.
    assert!(
        notes
            .get()
            .ids(Vec::<String>::new())
            .run()
            .unwrap()
            .is_empty()
    );
    assert!(notes.get().limit(0).run().unwrap().is_empty());
}

#[test]
fn deletes_by_id_and_by_filter() {
    use chroma_blocking::Key;

    let notes = Scratch::new();
    notes.upsert(numbered(0..10)).unwrap();
    notes
        .delete()
        .ids(["00000", "00001", "missing"])
        .run()
        .unwrap();
    assert_eq!(notes.count().unwrap(), 8);
    notes.delete().filter(Key::field("n").gte(8)).run().unwrap();
    assert_eq!(notes.count().unwrap(), 6);
    // With both, a record has to match both.
    let both = notes
        .delete()
        .ids(["00002", "00003"])
        .filter(Key::field("n").eq(3));
    both.run().unwrap();
    assert_eq!(notes.count().unwrap(), 5);
    notes.delete().ids(Vec::<String>::new()).run().unwrap();
    assert_eq!(notes.count().unwrap(), 5);
}

#[test]
fn a_large_call_is_split_into_requests() {
    let notes = Scratch::new();
    let most = crate::client().pre_flight_checks().unwrap().max_batch_size;
    let count = 12_000;
    assert!(usize::from(count) > 2 * most, "{most}");
    notes.upsert(numbered(0..count)).unwrap();
    assert_eq!(notes.count().unwrap(), usize::from(count));
    for n in [0, most - 1, most, 2 * most, usize::from(count) - 1] {
        let found = notes
            .query([n as f32, 0.5, -1.0, 1e-30])
            .n_results(1)
            .run()
            .unwrap();
        assert_eq!(found[0].id, format!("{n:05}"));
    }
}

#[test]
fn threads_share_a_collection() {
    let notes = Scratch::new();
    thread::scope(|scope| {
        for part in 0..8 {
            let notes = (*notes).clone();
            scope.spawn(move || {
                for n in 0..10 {
                    let n = part * 10 + n;
                    notes.upsert(numbered(n..n + 1)).unwrap();
                    let read = notes.get().ids([format!("{n:05}")]).run().unwrap();
                    assert_eq!(read.len(), 1);
                }
            });
        }
    });
    assert_eq!(notes.count().unwrap(), 80);
}

#[test]
fn empty_calls_do_nothing() {
    let notes = Scratch::new();
    notes.upsert(Vec::<Record>::new()).unwrap();
    notes.upsert(Columns::new::<&str>(&[])).unwrap();
    assert_eq!(notes.count().unwrap(), 0);
    assert!(notes.get().run().unwrap().is_empty());
    assert!(notes.peek().unwrap().is_empty());
}
