//! Queries: by text, by vector, one and many.

use chroma_blocking::{Embeddings, Include, Key, QueryResult, Record, record::Vectors};

use crate::Scratch;

fn points() -> Scratch {
    let points = Scratch::new();
    let at = |n: u8| {
        Record::new(n.to_string())
            .embedding([f32::from(n), 0.0])
            .metadata("n", n)
    };
    points.upsert((0..10).map(at)).unwrap();
    points
}

fn ids(result: &QueryResult) -> Vec<&str> {
    result.ids().collect()
}

#[test]
fn hits_are_sorted_by_distance() {
    let points = points();
    let hits = points.query([2.1, 0.0]).n_results(3).run().unwrap();
    assert_eq!(ids(&hits), ["2", "3", "1"]);
    // Squared Euclidean distance, Chroma's default.
    for (distance, expected) in hits.distances().zip([0.01, 0.81, 1.21]) {
        assert!((distance - expected).abs() < 1e-4, "{distance}");
    }
    assert_eq!(hits[0].metadata.get("n").unwrap().as_int(), Some(2));
    assert_eq!(
        (hits[0].document.as_ref(), hits[0].embedding.as_ref()),
        (None, None)
    );
    assert_eq!(
        points.query([0.0, 0.0]).run().unwrap().len(),
        10,
        "ten by default"
    );
    assert_eq!(
        points.query([0.0, 0.0]).n_results(50).run().unwrap().len(),
        10
    );
    assert!(
        points
            .query([0.0, 0.0])
            .n_results(0)
            .run()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn queries_in_one_call_are_taken_in_every_form() {
    let points = points();
    let rows = vec![vec![1.0, 0.0], vec![8.0, 0.0]];
    let matrix = Embeddings::from_rows(&rows).unwrap();
    let flat = [1.0, 0.0, 8.0, 0.0];
    for answers in [
        points.query_many(&rows).n_results(1).run(),
        points.query_many(rows.clone()).n_results(1).run(),
        points.query_many(&matrix).n_results(1).run(),
        points
            .query_many([[1.0, 0.0], [8.0, 0.0]])
            .n_results(1)
            .run(),
        points
            .query_many(Vectors::flat(&flat, 2))
            .n_results(1)
            .run(),
    ] {
        let answers = answers.unwrap();
        assert_eq!(answers.iter().map(ids).collect::<Vec<_>>(), [["1"], ["8"]]);
    }
    assert!(
        points
            .query_many(Vec::<Vec<f32>>::new())
            .run()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn filters_and_included_columns_change_the_result() {
    let points = points();
    let hits = points
        .query(vec![0.0, 0.0])
        .filter(Key::field("n").gt(4))
        .filter(Key::field("n").lt(7))
        .include([Include::Embeddings])
        .run()
        .unwrap();
    assert_eq!(ids(&hits), ["5", "6"]);
    assert_eq!(hits[1].embedding, Some(vec![6.0, 0.0]));
    assert!(hits[1].metadata.is_empty());

    let hits = points
        .query([0.0, 0.0])
        .ids(["9", "7", "missing"])
        .run()
        .unwrap();
    assert_eq!(ids(&hits), ["7", "9"]);
    let hits = points
        .query([0.0, 0.0])
        .filter(Key::id().is_in(["3"]))
        .run()
        .unwrap();
    assert_eq!(ids(&hits), ["3"]);
    let none = points
        .query_many([[0.0, 0.0], [1.0, 0.0]])
        .ids(Vec::<String>::new());
    assert!(none.run().unwrap().iter().all(|hits| hits.is_empty()));
}

#[test]
fn query_texts_are_embedded() {
    let notes = Scratch::hashing();
    let texts = [
        "the moons of Jupiter",
        "bread and butter",
        "a treaty of peace",
    ];
    let records = texts.iter().enumerate();
    notes
        .upsert(records.map(|(n, text)| Record::new(n.to_string()).document(*text)))
        .unwrap();

    let one = notes.query("Jupiter's moons").n_results(1).run().unwrap();
    assert_eq!(one[0].document.as_deref(), Some(texts[0]));
    let one = notes
        .query(String::from("buttered bread"))
        .n_results(1)
        .run()
        .unwrap();
    assert_eq!(ids(&one), ["1"]);
    for many in [
        notes
            .query_many(["peace treaties", "bread"])
            .n_results(1)
            .run(),
        notes
            .query_many(vec!["peace treaties".to_owned(), "bread".to_owned()])
            .n_results(1)
            .run(),
        notes
            .query_many(&["peace treaties", "bread"][..])
            .n_results(1)
            .run(),
    ] {
        assert_eq!(
            many.unwrap().iter().map(ids).collect::<Vec<_>>(),
            [["2"], ["1"]]
        );
    }
}

#[test]
fn an_empty_collection_has_no_hits() {
    let empty = Scratch::hashing();
    assert!(empty.query("anything").run().unwrap().is_empty());
}
