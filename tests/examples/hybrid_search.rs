//! Runs the example `hybrid_search` as a user does, and tests its stand-in for Chroma Cloud.

#[path = "../../examples/hybrid_search/evaluate.rs"]
mod evaluate;
#[path = "../../examples/hybrid_search/stand_in.rs"]
mod stand_in;

use crate::support::example::run;
use crate::support::folder::Folder;
use chroma_blocking::{
    Client, Collection, Error, Key, Metadata, Record, Search, Space,
    record::SparseVector,
    schema::{Schema, SparseVectorIndexConfig, VectorIndexConfig},
    search::{GroupBy, Knn, Rank, Rrf},
};
use serde_json::{Value, json};

const STAND_IN: &str = "\
Chroma: none. A stand-in inside this program computes the searches; it supports no others.
(For Chroma Cloud, set CHROMA_API_KEY.)
";

const FOUND: &str = "\
168 texts, each with two vectors. A lower score means nearer.

gutenbergs bibles
  dense     0.871  Gutenberg Prints a Bible
  dense     0.916  Archery at Stoke Mandeville
  sparse  nothing
  rrf      -0.018  Gutenberg Prints a Bible
  rrf      -0.017  Archery at Stoke Mandeville
  sum       0.921  Gutenberg Prints a Bible
  sum       0.966  Archery at Stoke Mandeville

Pele 5-2
  dense     0.881  Archery at Stoke Mandeville
  dense     0.904  The First Wimbledon
  sparse   -5.686  Pelé at Seventeen
  sparse   -3.986  Zátopek's Three Gold Medals
  rrf      -0.028  The First Tour de France
  rrf      -0.018  Archery at Stoke Mandeville
  sum       0.716  Pelé at Seventeen
  sum       0.801  Zátopek's Three Gold Medals

Position of the expected text (-: not among the first ten)
                                             dense  sparse     rrf     sum
  gutenbergs bibles                              1       -       1       1
  weavers' looms and punchcards                  1       -       5       1
  diabetics and insuline                         1       -       1       1
  microwaves melting chocolat                    2       -       2       2
  coelacanths in trawlers' nets                  3       -       6       3
  tombough plates blinking comparater            1       5       3       1
  hieroglyphics deciphered by Champolion         1       -       3       3
  saxophones of Sax                              3       1       1       1
  LGM-1                                          -       1       1       1
  Z3                                             -       1       1       1
  Pele 5-2                                       -       1       3       1
  MIDI 1983                                      2       1       2       1
  1983 cup lost                                  6       1       3       1
  berlin wall, Nov 9                             4       1       2       1
  61 Cygni                                       1       1       1       1
  cloning sheep                                  -       -       -       -

Out of 16 questions
  first                                          6       8       6      12
  among the first three                         10       8      13      15

won the gold medal  (sum; since 1900, no history, the best of each subject)
  sports       0.227  Zátopek's Three Gold Medals
  music        0.826  Sydney Opera House
  computing    0.904  The Demo With the Mouse
  biology      0.930  Scissors Called CRISPR
";

/// Runs the example with these settings. Returns whether it succeeded, and its output.
fn printed(settings: &[(&str, &str)]) -> (bool, String, String) {
    let output = run("hybrid_search", &Folder::new(), &[], settings);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn searches_a_stand_in_without_settings() {
    let (done, out, err) = printed(&[]);
    assert!(done && err.is_empty(), "{err}");
    assert_eq!(out, [STAND_IN, FOUND].concat());
}

#[test]
fn searches_the_server_in_the_environment_with_a_key() {
    let url = stand_in::start().unwrap();
    let settings = [
        ("CHROMA_HOST", url.as_str()),
        ("CHROMA_API_KEY", stand_in::KEY),
    ];
    let (done, out, err) = printed(&settings);
    assert!(done && err.is_empty(), "{err}");
    assert_eq!(out, format!("Chroma: {url}\n{FOUND}"));

    let settings = [("CHROMA_HOST", url.as_str()), ("CHROMA_API_KEY", "another")];
    let (done, _, err) = printed(&settings);
    assert!(!done && err.contains("not authorized"), "{err}");
}

fn client() -> Client {
    let builder = Client::builder().host(stand_in::start().unwrap());
    builder.cloud().api_key(stand_in::KEY).build().unwrap()
}

fn sparse(pairs: &[(u32, f32)]) -> SparseVector {
    pairs.iter().copied().collect()
}

/// Returns a collection of four records with two floats each. Three of their sparse vectors have the index 7,
/// and one has the index 9.
fn four(bm25: bool) -> Collection {
    let words = SparseVectorIndexConfig::new().bm25(bm25);
    let cosine = VectorIndexConfig::new().space(Space::Cosine);
    let schema = Schema::new().create_vector_index(cosine);
    let schema = schema.create_sparse_vector_index("words", words);
    let four = client().collection("four").schema(schema).create().unwrap();
    let record = |id: &str, vector: [f32; 2], words: &[(u32, f32)], group: &str, year: i64| {
        let record = Record::new(id).embedding(vector).document(id);
        let record = record.metadata("words", sparse(words));
        record.metadata("group", group).metadata("year", year)
    };
    let records = [
        record("east", [1.0, 0.0], &[(7, 1.0)], "x", 2001),
        record("north", [0.0, 2.0], &[(7, 2.0), (9, 0.5)], "y", 2002),
        record("west", [-3.0, 0.0], &[(7, 3.0)], "x", 2003),
        record("far", [3.0, 4.0], &[(8, 1.0)], "y", 2004),
    ];
    four.upsert(records).unwrap();
    four
}

fn found(on: &Collection, search: Search) -> Vec<(String, f32)> {
    let hits = on.search(search.select([Key::score()])).run().unwrap();
    let hit = |hit: &chroma_blocking::search::SearchHit| (hit.id.clone(), hit.score.unwrap());
    hits.iter().map(hit).collect()
}

/// Asserts the same ids in the same order, with nearly the same scores.
fn assert_found(on: &Collection, search: Search, expected: &[(&str, f32)]) {
    let shown = search.to_string();
    let found = found(on, search);
    assert_eq!(found.len(), expected.len(), "{found:?} {shown}");
    for ((id, score), (expected, value)) in found.iter().zip(expected) {
        assert_eq!(id, expected, "{found:?} {shown}");
        assert!((score - value).abs() < 1e-6, "{found:?} {shown}");
    }
}

fn rank(rank: impl Into<Rank>) -> Search {
    Search::new().rank(rank).limit(10)
}

#[test]
fn the_stand_in_agrees_with_results_computed_by_hand() {
    let four = four(false);
    let east = || Knn::dense([2.0, 0.0]);
    let seven = || Knn::sparse("words", sparse(&[(7, 1.0), (9, 2.0)]));

    let by_angle = [("east", 0.0), ("far", 0.4), ("north", 1.0), ("west", 2.0)];
    assert_found(&four, rank(east()), &by_angle);
    assert_found(&four, rank(east().limit(2)), &by_angle[..2]);
    assert_found(&four, rank(east()).offset(1).limit(2), &by_angle[1..3]);
    // Records without a common index are not found. Equal scores are in the order of arrival.
    let by_words = [("north", -2.0), ("west", -2.0), ("east", 0.0)];
    assert_found(&four, rank(seven()), &by_words);
    // Only records in both results have a sum, unless there is a default.
    let sum = [("north", -1.0), ("east", 0.0), ("west", 0.0)];
    assert_found(&four, rank(east() + seven()), &sum);
    let with_far = [("north", -1.0), ("east", 0.0), ("west", 0.0), ("far", 5.4)];
    assert_found(&four, rank(east() + seven().default(5)), &with_far);
    assert_found(
        &four,
        rank(0.5 * (east().limit(1) * 3 + 1)),
        &[("east", 0.5)],
    );
    // The ranks: east has 0 and 2, north 2 and 0, west 3 and 1, far 1 and none.
    let rrf = Rrf::new([east(), seven().default(99)])
        .k(1)
        .weights([1.0, 3.0]);
    let places = [
        ("north", -(1.0 / 3.0 + 3.0)),
        ("east", -(1.0 + 1.0)),
        ("west", -(0.25 + 1.5)),
        ("far", -(0.5 + 0.03)),
    ];
    assert_found(&four, rank(rrf), &places);

    // The filter is applied before the nearest records are chosen.
    let late = Key::field("year").gte(2002) & Key::field("group").ne("x");
    assert_found(
        &four,
        rank(east().limit(2)).filter(late),
        &[by_angle[1], by_angle[2]],
    );
    let groups = GroupBy::new(["group"]).min_k(1, [Key::score()]);
    assert_found(&four, rank(east()).group_by(groups), &by_angle[..2]);
    let groups = GroupBy::new(["group", "year"]).min_k(1, [Key::score()]);
    assert_found(&four, rank(east()).group_by(groups), &by_angle);

    let search = rank(east()).limit(1).select(["words", "year", "none"]);
    let hits = four.search(search).run().unwrap();
    let fields = Metadata::from([("year", 2001)]).with("words", sparse(&[(7, 1.0)]));
    assert_eq!((hits[0].score, &hits[0].metadata), (None, &fields));
}

#[test]
fn the_stand_in_weights_rare_words_higher() {
    // ln(1 + (4 - n + 0.5) / (n + 0.5)) for the index 7, which three have, and 9, which one has.
    let (often, once) = ((1.0_f32 + 1.5 / 3.5).ln(), (1.0_f32 + 3.5 / 1.5).ln());
    let query = Knn::sparse("words", sparse(&[(7, 1.0), (9, 2.0)]));
    let expected = [
        ("north", 1.0 - 2.0 * often - once),
        ("west", 1.0 - 3.0 * often),
        ("east", 1.0 - often),
    ];
    assert_found(&four(true), rank(query), &expected);
}

#[test]
fn the_stand_in_refuses_unsupported_searches() {
    let four = four(false);
    let dense = || Knn::dense([1.0, 0.0]);
    for search in [
        rank(dense().exp()),
        rank(dense() - 1),
        rank(dense()).select([Key::document()]),
        rank(dense()).select([Key::metadata()]),
        rank(dense()).filter(Key::field("year").lt(1)),
        rank(dense()).filter(Key::document().contains("a")),
        rank(dense()).filter(Key::id().ne("east")),
        rank(dense()).filter(Key::field("a").gte(1) | Key::field("b").gte(1)),
        rank(dense()).group_by(GroupBy::new(["group"]).min_k(1, ["year"])),
        rank(dense()).group_by(GroupBy::new(["group"]).max_k(1, [Key::score()])),
        rank(Knn::sparse("others", sparse(&[(7, 1.0)]))),
        Search::new().limit(3),
        Search::new().rank(dense()),
    ] {
        let error = four.search(search.clone()).run().unwrap_err();
        let refused = matches!(
            error,
            Error::Unsupported { .. } | Error::Server { status: 400, .. }
        );
        assert!(refused, "{error} {search}");
    }
    assert!(matches!(four.count(), Err(Error::Unsupported { .. })));
    let again = four.upsert([Record::new("east").embedding([1.0, 0.0]).document("east")]);
    assert!(again.is_err());

    // Requests that the library would not send.
    let knn = json!({ "query": [1.0, 0.0], "key": "#embedding", "limit": 1 });
    let fine = json!({
        "filter": null, "rank": { "$knn": knn }, "group_by": {}, "limit": { "offset": 0, "limit": 1 },
        "select": { "keys": ["#score"] }
    });
    assert_eq!(status(&four, &fine), 200);
    for (place, value) in [
        ("/more", json!(1)),
        ("/rank", json!({})),
        ("/rank/$knn/more", json!(1)),
        ("/rank/$knn/query", json!([1.0])),
        ("/rank/$knn/query", json!("a text")),
        ("/rank/$knn/key", json!("words")),
        ("/filter", json!({})),
        ("/filter", json!({ "year": { "$gte": 1, "$ne": 2 } })),
        ("/filter", json!({ "year": { "$gte": "1" } })),
        ("/group_by", json!({ "keys": ["group"] })),
        ("/limit", json!({ "offset": 0, "limit": -1 })),
        ("/select/keys", json!(["#id"])),
    ] {
        let mut bad = fine.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[name] = value;
        assert!(matches!(status(&four, &bad), 400 | 501), "{bad}");
    }
}

/// Returns the answer to this search.
fn status(on: &Collection, search: &Value) -> u16 {
    let (server, id) = (on.client().url(), on.id());
    let path = "/api/v2/tenants/you/databases/stand-in/collections";
    let request = ureq::post(format!("{server}{path}/{id}/search"));
    let request = request.config().http_status_as_error(false).build();
    let request = request.header("x-chroma-token", stand_in::KEY);
    let body = json!({ "searches": [search] }).to_string();
    request.send(body).unwrap().status().as_u16()
}
