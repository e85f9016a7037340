//! Searches are printed as Chroma's Python client 1.5.9 sends them.

use chroma_blocking::{
    Key, Search,
    record::SparseVector,
    search::{GroupBy, Knn, Rrf},
};
use serde_json::Value;

fn dense() -> Knn {
    Knn::dense([0.25, -0.5, 1.0])
}

fn sparse() -> Knn {
    let vector = SparseVector::new([1, 5, 9], [0.5, 0.25, 1.0]);
    Knn::sparse("sparse", vector)
}

/// Returns the searches of the file, with their names in it.
fn searches() -> Vec<(&'static str, Search)> {
    let search = Search::new;
    vec![
        ("empty search", search()),
        ("knn dense, limit 10", search().rank(dense()).limit(10)),
        (
            "knn dense, limit 5 offset 20, select #document #score",
            search()
                .rank(dense().limit(50))
                .limit(5)
                .offset(20)
                .select([Key::document(), Key::score()]),
        ),
        (
            "knn by text query \"hello\"",
            search().rank(Knn::text("hello")).limit(3),
        ),
        (
            "knn sparse on key \"sparse\", default 10.0, return_rank",
            search()
                .rank(sparse().limit(100).default(10.0).return_rank(true))
                .limit(3),
        ),
        (
            "where only",
            search().filter(Key::field("status").eq("active")).limit(7),
        ),
        (
            "0.7*knn + 0.3*knn(sparse)",
            search()
                .rank(0.7 * dense() + 0.3 * sparse())
                .limit(10)
                .select_all(),
        ),
        (
            "rrf of two knn, k 60, weights 2,1",
            search()
                .rank(Rrf::new([dense(), sparse()]).k(60).weights([2.0, 1.0]))
                .limit(10),
        ),
        ("exp(-knn)", search().rank((-dense()).exp()).limit(2)),
        ("log(knn + 1)", search().rank((dense() + 1).log()).limit(2)),
        (
            "abs(knn - 0.5) / 2",
            search().rank((dense() - 0.5).abs() / 2).limit(2),
        ),
        ("max(knn, 0.1)", search().rank(dense().max(0.1)).limit(2)),
        ("1 - knn", search().rank(1 - dense()).limit(2)),
        (
            "where + rank + select field title",
            search()
                .filter(Key::field("category").eq("science") & Key::field("year").gte(2020))
                .rank(dense())
                .limit(5)
                .select([Key::document(), "title".into()]),
        ),
        (
            "group by category, min 3 by score",
            search()
                .rank(dense())
                .group_by(GroupBy::new(["category"]).min_k(3, [Key::score()]))
                .limit(9),
        ),
    ]
}

/// Sorts `select.keys`. Their order has no meaning: Python stores them in a set.
fn sorted(mut search: Value) -> Value {
    let keys = search["select"]["keys"].as_array_mut().unwrap();
    keys.sort_by_key(Value::to_string);
    search
}

// Numbers are compared as text: 60 and 60.0 differ, and integers stay integers as in Python.
#[test]
fn searches_equal_those_of_the_python_client() {
    let golden: Value = serde_json::from_str(include_str!("../data/golden-1.5.9.json")).unwrap();
    let golden = golden["search"].as_array().unwrap();
    let searches = searches();
    assert_eq!(golden.len(), 15);
    assert_eq!(searches.len(), golden.len());
    for (entry, (name, search)) in golden.iter().zip(searches) {
        assert_eq!(entry["expression"], name);
        let ours: Value = serde_json::from_str(&search.to_string()).unwrap();
        assert_eq!(sorted(ours), sorted(entry["json"].clone()), "{name}");
    }
}
