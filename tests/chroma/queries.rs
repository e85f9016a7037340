//! Queries: by text, by vector, one and many.

use chroma_blocking::{Embeddings, Include, Key, QueryResult, Record, Space, record::Vectors};

use crate::server::{client, unique_name};
use crate::{Scratch, refused};

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

#[test]
fn hits_beyond_the_greatest_distance_are_dropped() {
    let points = points();
    // The squared distances are 0, 1, 4, 9 …
    let query = || points.query([0.0, 0.0]).n_results(5);
    let near = |distance: f32| query().max_distance(distance).run().unwrap();
    assert_eq!(ids(&near(4.0)), ["0", "1", "2"], "4.0 itself is kept");
    assert_eq!(ids(&near(3.99)), ["0", "1"]);
    assert_eq!(near(f32::INFINITY).len(), 5, "none are added");
    assert!(near(-1.0).is_empty());
    let both = query()
        .max_distance(9.0)
        .max_distance(1.0)
        .max_distance(4.0);
    assert_eq!(ids(&both.run().unwrap()), ["0", "1"], "the smallest counts");
    let many = points.query_many([[0.0, 0.0], [9.0, 0.0], [50.0, 0.0]]);
    let many = many.max_distance(1.5).run().unwrap();
    let found: Vec<_> = many.iter().map(ids).collect();
    assert_eq!(found, [vec!["0", "1"], vec!["9", "8"], vec![]]);

    let message = refused(query().max_distance(f32::NAN).run());
    assert!(message.contains("max_distance is \"NaN\": it must be a number"));
    let message = refused(query().max_distance(f32::NAN).max_distance(1.0).run());
    assert!(message.contains("NaN"), "{message}");
}

#[test]
fn hits_below_the_least_score_are_dropped() {
    let angles = |space: Space| {
        let builder = client().collection(unique_name()).space(space);
        let points = Scratch(builder.create().unwrap());
        // The first floats are the cosines and the inner products with [1, 0].
        for (id, vector) in [("1", [1.0, 0.0]), ("0.6", [0.6, 0.8]), ("-1", [-1.0, 0.0])] {
            points.add([Record::new(id).embedding(vector)]).unwrap();
        }
        points
    };
    for space in [Space::Cosine, Space::Ip] {
        let points = angles(space);
        if points.space().is_none() {
            // Chroma 1.0.0 does not report it.
            refused(points.query([1.0, 0.0]).min_score(0.5).run());
            continue;
        }
        let query = || points.query([1.0, 0.0]);
        let found = |score: f32| query().min_score(score).run().unwrap();
        assert_eq!(ids(&found(0.5)), ["1", "0.6"]);
        assert_eq!(ids(&found(0.61)), ["1"]);
        assert_eq!(found(f32::NEG_INFINITY).len(), 3);
        let twice = query().min_score(0.61).min_score(0.5).run().unwrap();
        assert_eq!(ids(&twice), ["1"], "the greater counts");
        for stricter in [
            query().min_score(0.5).max_distance(0.1),
            query().max_distance(1.9).min_score(0.9),
        ] {
            assert_eq!(ids(&stricter.run().unwrap()), ["1"]);
        }
        let many = points.query_many([[1.0, 0.0], [-1.0, 0.0]]);
        let many = many.min_score(0.9).run().unwrap();
        assert_eq!(many.iter().map(ids).collect::<Vec<_>>(), [["1"], ["-1"]]);
        let message = refused(query().min_score(f32::NAN).min_score(0.5).run());
        assert!(message.contains("min_score is \"NaN\""), "{message}");
    }
    let points = angles(Space::L2);
    let message = refused(points.query([1.0, 0.0]).min_score(0.5).n_results(0).run());
    let expected = "where no similarity belongs to a distance; use max_distance(...)";
    assert!(message.contains(expected), "{message}");
}
