//! Filters are sent as Chroma's Python client sends them.

use chroma_blocking::{Key, Where};
use serde_json::Value;

/// Returns an expression of the golden file, built with the types of this library.
fn ours(expression: &str) -> Where {
    let field = Key::field;
    let text = Key::document;
    let [a, b, c, d] = [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(k, v)| field(k).eq(v));
    match expression {
        r#"Key("year") == 2020"# => field("year").eq(2020),
        r#"Key("year") != 2020"# => field("year").ne(2020),
        r#"Key("year") > 2020"# => field("year").gt(2020),
        r#"Key("score") >= 0.5"# => field("score").gte(0.5),
        r#"Key("year") <= 1999"# => field("year").lte(1999),
        r#"Key("lang") in ["en","fr"]"# => field("lang").is_in(["en", "fr"]),
        r#"Key("year") not in [1,2,3]"# => field("year").not_in([1, 2, 3]),
        r#"Key("active") == true"# => field("active").eq(true),
        r#"Key("tags") contains "rust""# => field("tags").contains("rust"),
        r#"Key("tags") not contains "go""# => field("tags").not_contains("go"),
        r#"#document contains "hello""# => text().contains("hello"),
        r#"#document not contains "bye""# => text().not_contains("bye"),
        r#"#document regex "^a.*z$""# => text().regex("^a.*z$"),
        r#"#document not regex "[0-9]+""# => text().not_regex("[0-9]+"),
        r#"#id in ["a","b"]"# => Key::id().is_in(["a", "b"]),
        "a==1 and b==2" => a & b,
        "a==1 or b==2" => a | b,
        "(a==1 and b==2) and c==3" => (a & b) & c,
        "(a==1 and b==2) or (c==3 and d==4)" => (a & b) | (c & d),
        other => panic!("the golden file has a new expression: {other}"),
    }
}

#[test]
fn filters_equal_those_of_the_python_client() {
    let golden: Value = serde_json::from_str(include_str!("../data/golden-1.5.9.json")).unwrap();
    let entries = golden["where"].as_array().unwrap();
    assert_eq!(entries.len(), 19);
    for entry in entries {
        let filter = ours(entry["expression"].as_str().unwrap());
        assert_eq!(serde_json::to_value(&filter).unwrap(), entry["json"]);
        assert_eq!(
            Where::from_json(&entry["json"].to_string()).unwrap(),
            filter
        );
    }
}
