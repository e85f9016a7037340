//! Searches end to end.

use std::thread;

use chroma_blocking::hybrid::Freshness;
use chroma_blocking::search::{EvaluatedBy, GroupBy, Knn, Rank, Rrf};
use chroma_blocking::{Error, Hashing, Key, Record, Search, Space};

use super::Scratch;
use super::support::server::{client, unique_name};

/// Documents with vectors of two dimensions: the angle is the meaning.
fn articles() -> Scratch {
    let builder = client().collection(unique_name()).space(Space::Cosine);
    let notes = Scratch(builder.create().unwrap());
    let article = |id: &str, degrees: f32, text: &str, kind: &str| {
        let (y, x) = degrees.to_radians().sin_cos();
        Record::new(id)
            .embedding([x, y])
            .document(text)
            .metadata("kind", kind)
    };
    notes
        .add([
            article("E1042", 80.0, "error E1042 in the parser", "code"),
            article("borrow", 10.0, "the borrow checker finds mistakes", "rust"),
            article("memory", 12.0, "memory is freed by its owner", "rust"),
            article(
                "both",
                20.0,
                "E1042: the parser cannot borrow memory",
                "code",
            ),
            article("macros", 30.0, "macros write code", "rust"),
            article("crates", 40.0, "crates are shared", "rust"),
            article("cake", 170.0, "a cake with apples", "food"),
        ])
        .unwrap();
    notes
}

/// The rank of [`Rrf::hybrid`], with a vector in place of the embedded text.
fn hybrid(degrees: f32, text: &str) -> Rrf {
    let (y, x) = degrees.to_radians().sin_cos();
    Rrf::new([
        Knn::dense([x, y]).limit(100).default(100),
        Knn::words(text).limit(100).default(100),
    ])
}

#[test]
fn both_sides_find_what_one_alone_does_not() {
    let notes = articles();
    let words = notes.word_index().open().unwrap();
    let ids = |search: Search| {
        let result = notes.search(search).words(&words).run().unwrap();
        assert_eq!(result.evaluated_by(), EvaluatedBy::Client);
        result.ids().map(str::to_owned).collect::<Vec<_>>()
    };
    // Only one side knows the word, and the other has no opinion.
    assert_eq!(
        ids(Search::new().rank(Knn::words("E1042")))[..],
        ["E1042", "both"]
    );
    // The nearest vectors lack the word; the one with both wins.
    let search = || Search::new().rank(hybrid(14.0, "E1042")).limit(3);
    assert_eq!(ids(search())[0], "both");
    let found = ids(search().filter(Key::field("kind").eq("rust")));
    assert_eq!(found, ["memory", "borrow", "macros"]);
    let best = GroupBy::new(["kind"]);
    let found = ids(search().group_by(best).limit(2));
    assert_eq!(found[0], "both");
    // No word of the text is known: the side is empty, and the other one decides.
    assert_eq!(
        ids(Search::new().rank(hybrid(170.0, "the of")).limit(1)),
        ["cake"]
    );
    assert!(ids(Search::new().rank(Knn::words("the of"))).is_empty());
    assert_eq!(ids(search().offset(1)).len(), 3);

    let both = [search(), Search::new().rank(Knn::words("cake"))];
    let results = notes.search_many(both).words(&words).run().unwrap();
    assert_eq!(results[0][0].id, "both");
    assert_eq!(results[1].ids().collect::<Vec<_>>(), ["cake"]);
}

#[test]
fn a_text_is_embedded_for_the_side_of_vectors() {
    let notes = Scratch::new();
    let texts = [
        "memory safety without garbage collection",
        "a cake with apples",
    ];
    let record = |(index, text): (usize, &&str)| Record::new(format!("{index}")).document(*text);
    notes.add(texts.iter().enumerate().map(record)).unwrap();
    let words = notes.word_index().open().unwrap();
    let search = Search::new()
        .rank(Rrf::hybrid("memory"))
        .limit(1)
        .select_all();
    let hits = notes.search(search).words(&words).run().unwrap();
    assert_eq!(hits[0].document.as_deref(), Some(texts[0]));
    assert_eq!(hits[0].score, Some(-2.0 / 60.0));
}

/// A question that only words find, one that only vectors find, and one that both find.
#[test]
fn hybrid_finds_what_either_side_finds() {
    let notes = Scratch::new();
    let text = |id: &str, text: &str| Record::new(id).document(text);
    let long = "After the update the build of our large project stops in the night with E1042, and nobody knows why";
    notes
        .add([
            text("long", long),
            text("1", "E1043"),
            text("2", "E1044"),
            text("3", "E10421 E1041"),
            text("memory", "memory safety without a garbage collector"),
            text("cake", "a cake with apples and cinnamon"),
        ])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let best = |rank: Rank| {
        let search = Search::new().rank(rank).limit(1);
        let hits = notes.search(search).words(&words).run().unwrap();
        hits.ids().map(str::to_owned).collect::<Vec<_>>()
    };
    for (question, [by_vectors, by_words, by_both]) in [
        ("E1042", [Some("3"), Some("long"), Some("long")]),
        (
            "memry safty garbge colector",
            [Some("memory"), None, Some("memory")],
        ),
        ("the safety of memory", [Some("memory"); 3]),
    ] {
        let of =
            |expected: Option<&str>| expected.map(str::to_owned).into_iter().collect::<Vec<_>>();
        assert_eq!(
            best(Knn::text(question).into()),
            of(by_vectors),
            "{question}"
        );
        assert_eq!(
            best(Knn::words(question).into()),
            of(by_words),
            "{question}"
        );
        assert_eq!(
            best(Rrf::hybrid(question).into()),
            of(by_both),
            "{question}"
        );
    }
}

#[test]
fn several_searches_give_what_each_of_them_gives() {
    let notes = articles();
    let words = notes.word_index().open().unwrap();
    let searches = [
        Search::new().rank(hybrid(14.0, "E1042")).limit(3),
        Search::new()
            .rank(Knn::words("memory"))
            .filter(Key::field("kind").eq("rust")),
        Search::new()
            .rank(Knn::dense([1.0, 0.0]))
            .limit(2)
            .offset(1),
        Search::new().filter(Key::field("kind").eq("code")),
        Search::new().rank(Knn::words("nothing has these")),
    ];
    let searches = searches.map(|search| search.select(["kind", "#score", "#document"]));
    let all = notes
        .search_many(searches.clone())
        .words(&words)
        .run()
        .unwrap();
    for (search, result) in searches.into_iter().zip(all) {
        let shown = search.to_string();
        let alone = notes.search(search).words(&words).run().unwrap();
        assert_eq!(result, alone, "{shown}");
        assert_eq!(result.evaluated_by(), EvaluatedBy::Client);
        for hit in &result {
            assert_eq!(hit.metadata.iter().count(), 1, "{shown}");
            assert!(hit.document.is_some() && hit.embedding.is_none());
        }
    }
}

#[test]
fn a_small_collection_needs_no_index_and_a_large_one_says_how() {
    let notes = Scratch(client().collection(unique_name()).create().unwrap());
    let record = |n: usize| {
        Record::new(n.to_string())
            .embedding([1.0])
            .document(format!("word{n}"))
    };
    notes
        .add((0..10_000).map(record).collect::<Vec<_>>())
        .unwrap();
    let search = || notes.search(Search::new().rank(Knn::words("word9999")));
    assert_eq!(search().run().unwrap()[0].id, "9999");
    notes.add([record(10_000)]).unwrap();
    let error = search().run().unwrap_err();
    let Error::Invalid { call, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(call.attempts, 0);
    let error = error.to_string();
    for part in [
        "10001 records",
        "let words = collection.word_index().file(",
        ".words(&words)",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // Without words, nothing has to be read.
    let dense = Search::new().rank(Knn::dense([1.0]).limit(2));
    assert_eq!(notes.search(dense).run().unwrap().len(), 2);
}

#[test]
fn hits_beyond_a_distance_are_dropped() {
    let notes = articles();
    let rank = || Search::new().rank(Knn::dense([1.0, 0.0]));
    let near = notes.search(rank()).max_distance(0.05).run().unwrap();
    assert_eq!(near.ids().collect::<Vec<_>>(), ["borrow", "memory"]);
    assert_eq!(near[0].score, None, "it was not selected");
    let near = notes
        .search(rank().select([Key::score()]))
        .min_score(0.95)
        .run()
        .unwrap();
    assert_eq!(near.len(), 2);
    assert!(near[0].score.is_some());
    let all = notes.query([1.0, 0.0]);
    let near = all.clone().max_distance(0.05).run().unwrap();
    assert_eq!(near.ids().collect::<Vec<_>>(), ["borrow", "memory"]);
    assert_eq!(all.clone().min_score(0.95).run().unwrap(), near);
    assert_eq!(
        all.min_score(0.95).max_distance(0.02).run().unwrap().len(),
        1
    );
    let many = notes
        .query_many([[1.0, 0.0], [-1.0, 0.0]])
        .max_distance(0.05)
        .run()
        .unwrap();
    assert_eq!(
        many.iter().map(|hits| hits.len()).collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn inner_products_have_distances_and_scores() {
    let builder = client().collection(unique_name()).space(Space::Ip);
    let notes = Scratch(builder.create().unwrap());
    let record = |id: &str, x: f32| Record::new(id).embedding([x, 1.0]);
    notes
        .add([record("3", 3.0), record("2", 2.0), record("-1", -1.0)])
        .unwrap();
    // The distance is 1 minus the inner product: -2, -1 and 2.
    let near = [1.0, 0.0];
    let query = || notes.query(near);
    let search = || notes.search(Search::new().rank(Knn::dense(near)));
    for (score, expected) in [
        (3.0, &["3"][..]),
        (2.0, &["3", "2"]),
        (2.5, &["3"]),
        (4.0, &[]),
    ] {
        let hits = query().min_score(score).run().unwrap();
        assert_eq!(hits.ids().collect::<Vec<_>>(), expected, "{score}");
        let hits = search().min_score(score).run().unwrap();
        assert_eq!(hits.ids().collect::<Vec<_>>(), expected, "{score}");
        let hits = search().max_distance(1.0 - score).run().unwrap();
        assert_eq!(hits.ids().collect::<Vec<_>>(), expected, "{score}");
    }
}

#[test]
fn threads_search_and_write_at_the_same_time() {
    let notes = Scratch::new();
    notes
        .add([Record::new("first").document("a first word")])
        .unwrap();
    let words = notes.word_index().open().unwrap();
    let ids = |text: &str| {
        let search = Search::new().rank(Knn::words(text));
        let hits = notes.search(search).words(&words).run().unwrap();
        hits.ids().map(str::to_owned).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        for thread in 0..20 {
            let (notes, ids) = (&notes, &ids);
            scope.spawn(move || {
                for round in 0..5 {
                    let id = format!("{thread} {round}");
                    let [word, other] =
                        ["word", "other"].map(|word| format!("{word}{thread}x{round}"));
                    notes
                        .add([Record::new(&id).document(format!("plum {word}"))])
                        .unwrap();
                    assert_eq!(ids(&word), [&*id]);
                    notes
                        .update([Record::new(&id).document(format!("plum {other}"))])
                        .unwrap();
                    assert_eq!(ids(&other), [&*id]);
                    assert!(ids(&word).is_empty());
                    if round == 2 {
                        notes.delete().ids(&id).run().unwrap();
                        assert!(ids(&other).is_empty());
                    }
                }
            });
        }
    });
    assert_eq!(words.len(), 81);
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(fresh.postings(), words.postings());
    // All have the same score, so this is the order in which they were added.
    let all = |words| {
        let search = Search::new().rank(Knn::words("plum").limit(100));
        let run = notes.search(search.select([Key::score()])).words(words);
        run.freshness(Freshness::Snapshot).run().unwrap()
    };
    assert_eq!(all(&words), all(&fresh));
    assert_eq!(all(&fresh).len(), 80);
}

#[test]
fn many_changes_are_merged() {
    let notes = Scratch(client().collection(unique_name()).create().unwrap());
    let record =
        |n: usize, text: String| Record::new(n.to_string()).embedding([1.0]).document(text);
    let first: Vec<Record> = (0..3_000)
        .map(|n| record(n, format!("old word{n}")))
        .collect();
    notes.add(&first).unwrap();
    let words = notes.word_index().open().unwrap();
    let changed: Vec<Record> = (0..2_500)
        .map(|n| record(n, format!("new word{n}")))
        .collect();
    notes.upsert(&changed).unwrap();
    notes
        .delete()
        .ids((2_900..3_000).map(|n| n.to_string()))
        .run()
        .unwrap();
    words.refresh().unwrap();
    let fresh = notes.word_index().open().unwrap();
    assert_eq!(
        [words.len(), words.postings()],
        [fresh.len(), fresh.postings()]
    );
    for text in ["new", "old", "word7", "word2950 old", "old new word2600"] {
        let search = || {
            Search::new()
                .rank(Knn::words(text).limit(20))
                .select([Key::score()])
        };
        let of = |words| {
            notes
                .search(search())
                .words(words)
                .freshness(Freshness::Snapshot)
                .run()
        };
        assert_eq!(of(&words).unwrap(), of(&fresh).unwrap());
    }
    // 1,000 changes at most are kept apart from the lists.
    assert!(
        words.memory() < 2 * fresh.memory(),
        "{} {}",
        words.memory(),
        fresh.memory()
    );
}

#[test]
fn hashing_needs_no_index_for_search_by_text() {
    let builder = client()
        .collection(unique_name())
        .embedding_function(Hashing::default());
    let notes = Scratch(builder.create().unwrap());
    notes
        .add([Record::new("1").document("memory safety")])
        .unwrap();
    let search = Search::new()
        .rank(Knn::text("memory"))
        .select([Key::document()]);
    let hits = notes.search(search).run().unwrap();
    assert_eq!(hits[0].document.as_deref(), Some("memory safety"));
}
