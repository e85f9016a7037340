//! Forms that are read, errors, and round trips.

use super::*;
use crate::model::filter::Key;
use crate::random::Random;

fn why(result: Result<Where, InvalidInput>) -> (String, String) {
    match result.unwrap_err() {
        InvalidInput::Filter { filter, why } => (filter, why),
        other => panic!("{other}"),
    }
}

#[test]
fn every_form_that_clients_accept_is_read() {
    let year = || Key::field("year");
    for (json, expected) in [
        (r#"{"year":2020}"#, year().eq(2020)),
        (r#"{"year":2020.0}"#, year().eq(2020.0)),
        (r#"{"year":"x"}"#, year().eq("x")),
        (r#"{"year":true}"#, year().eq(true)),
        (r#" { "year" : { "$lt" : -1e3 } } "#, year().lt(-1000.0)),
        (r#"{"year":{"$in":[1,2.5]}}"#, year().is_in([1.0, 2.5])),
        ("{}", Where::everything()),
        (r#"{"$and":[{"year":1}]}"#, year().eq(1)),
        (
            r#"{"$and":[{"$and":[{"year":1},{"year":2}]},{"year":3}]}"#,
            year().eq(1) & year().eq(2) & year().eq(3),
        ),
        (
            r##"{"$or":[{"#document":{"$regex":"a"}},{"#id":"b"}]}"##,
            Key::document().regex("a") | Key::id().eq("b"),
        ),
        (
            r#"{"\"-99999999999999999999\\":"99999999999999999999"}"#,
            Key::field("\"-99999999999999999999\\").eq("99999999999999999999"),
        ),
    ] {
        assert_eq!(Where::from_json(json).unwrap(), expected, "{json}");
        assert_eq!(json.parse::<Where>().unwrap(), expected, "{json}");
    }
    #[derive(serde::Deserialize)]
    struct Saved {
        filter: Where,
    }
    let saved: Saved = serde_json::from_str(r#"{"filter":{"year":1}}"#).unwrap();
    assert_eq!(saved.filter, year().eq(1));
}

#[test]
fn the_form_of_where_document_is_read() {
    let text = Key::document;
    let json = r#"{"$or":[{"$not_contains":"a"},{"$and":[{"$contains":"b"},{"$not_regex":"c"}]}]}"#;
    assert_eq!(
        Where::document_from_json(json).unwrap(),
        text().not_contains("a") | (text().contains("b") & text().not_regex("c"))
    );
    let all = Where::document_from_json("{}");
    assert_eq!(all, Ok(Where::everything()));
    for (json, part, reason) in [
        (r#"{"year":1}"#, r#"{"year":1}"#, "filter on documents"),
        (
            r#"{"$and":[{"$contains":1}]}"#,
            r#"{"$contains":1}"#,
            "text",
        ),
        (r#"{"$eq":"x"}"#, r#"{"$eq":"x"}"#, "contains"),
        (r#"{"$or":[]}"#, r#"{"$or":[]}"#, "at least one"),
        (r#"{"$or":[{}]}"#, "{}", "empty"),
    ] {
        let (filter, why) = why(Where::document_from_json(json));
        assert_eq!(filter, part);
        assert!(why.contains(reason), "{why}");
    }
}

/// JSON that is not a filter, the part that its error quotes, and a part of the reason.
const INVALID: &[(&str, &str, &str)] = &[
    ("", "", "EOF"),
    ("{\"a\":NaN}", "{\"a\":NaN}", "line 1 column 6"),
    ("{\"a\":1} x", "{\"a\":1} x", "trailing"),
    ("[]", "[]", "object with one key"),
    ("1", "1", "object with one key"),
    (r#"{"$and":[{"a":1},{}]}"#, "{}", "empty"),
    (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#, "2 keys"),
    (r#"{"a":1,"a":1}"#, r#"{"a":1,"a":1}"#, "2 keys"),
    (r#"{"a":{}}"#, "{}", "empty"),
    (
        r#"{"$and":[{"a":1},{"b":{"$gt":1,"$lt":2}}]}"#,
        r#"{"$gt":1,"$lt":2}"#,
        "one operator",
    ),
    (
        r#"{"a":{"$like":"x"}}"#,
        r#"{"$like":"x"}"#,
        "$not_contains",
    ),
    (r#"{"a":{"b":1}}"#, r#"{"b":1}"#, "not an operator"),
    (r#"{"$not":[]}"#, r#"{"$not":[]}"#, "not an operator"),
    (
        r#"{"$contains":"x"}"#,
        r#"{"$contains":"x"}"#,
        "document_from_json",
    ),
    (r#"{"$or":[]}"#, r#"{"$or":[]}"#, "at least one"),
    (r#"{"$or":{"a":1}}"#, r#"{"$or":{"a":1}}"#, "list"),
    (
        r#"{"a":null}"#,
        r#"{"a":null}"#,
        "a boolean, a number or text",
    ),
    (
        r#"{"a":[1]}"#,
        r#"{"a":[1]}"#,
        "a boolean, a number or text",
    ),
    (r#"{"a":{"$in":1}}"#, r#"{"a":{"$in":1}}"#, "need a list"),
    (r#"{"a":{"$in":[]}}"#, r#"{"a":{"$in":[]}}"#, "empty"),
    (
        r#"{"a":{"$in":[1,"b"]}}"#,
        r#"{"a":{"$in":[1,"b"]}}"#,
        "must all be",
    ),
    (r#"{"a":{"$eq":[1]}}"#, r#"{"a":{"$eq":[1]}}"#, "a boolean"),
    (r#"{"a":{"$gt":"b"}}"#, r#"{"a":{"$gt":"b"}}"#, "numbers"),
    (
        r#"{"a":{"$regex":"b"}}"#,
        r#"{"a":{"$regex":"b"}}"#,
        "can only filter documents",
    ),
    (
        r##"{"#document":"b"}"##,
        r##"{"#document":{"$eq":"b"}}"##,
        "documents can only be filtered with",
    ),
    (r#"{"":1}"#, r#"{"":1}"#, "empty"),
    (r##"{"#metadata":1}"##, r##"{"#metadata":1}"##, "$ or #"),
    (
        r#"{"a":9223372036854775808}"#,
        "9223372036854775808",
        "2^63",
    ),
    (
        r#"{"a":-99999999999999999999}"#,
        "-99999999999999999999",
        "2^63",
    ),
    (
        r#"{"a":{"$in":[9007199254740993,0.5]}}"#,
        r#"{"a":{"$in":[9007199254740993,0.5]}}"#,
        "9007199254740993",
    ),
    (r#"{"a":1e999}"#, r#"{"a":1e999}"#, "out of range"),
];

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn errors_quote_the_part_and_name_the_accepted_form() {
    for &(json, part, reason) in INVALID {
        let (filter, why) = why(Where::from_json(json));
        if !json.contains("#document") {
            assert_eq!(filter, part, "{json}");
        }
        assert!(why.contains(reason), "{json}: {why}");
    }
    let long = format!(r#"{{"a":"{}","b":1}}"#, "x".repeat(10_000));
    assert!(why(Where::from_json(&long)).0.chars().count() <= 201);
}

#[test]
fn deep_json_is_refused() {
    let deep = |levels: usize| {
        let (mut json, mut end) = (String::new(), String::new());
        for level in 0..levels {
            json.push_str(if level % 2 == 0 {
                r#"{"$and":[{"b":1},"#
            } else {
                r#"{"$or":[{"b":1},"#
            });
            end.push_str("]}");
        }
        format!("{json}{{\"a\":{{\"$in\":[1]}}}}{end}")
    };
    let deepest = Where::from_json(&deep(50)).unwrap();
    assert_eq!(deepest.to_string().parse::<Where>().unwrap(), deepest);
    for levels in [51, 70, 100_000] {
        let (_, why) = why(Where::from_json(&deep(levels)));
        assert!(
            why.contains("50 levels") || why.contains("recursion"),
            "{why}"
        );
    }
}

/// Generates filters of every form from pseudo-random numbers.
struct Generator(Random);

impl Generator {
    fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    fn text(&mut self) -> String {
        const PIECES: [&str; 8] = ["", "a", "\"", "\\", "\u{0}", "\n", "\u{1F980}", "$and"];
        (0..self.below(4))
            .map(|_| PIECES[self.below(8) as usize])
            .collect()
    }

    fn value(&mut self, kind: u64) -> MetadataValue {
        match kind {
            0 => (self.below(2) == 0).into(),
            1 => self.text().into(),
            2 => [i64::MIN, -1, 0, 7, i64::MAX][self.below(5) as usize].into(),
            _ => loop {
                let float = f64::from_bits(self.0.next());
                if float.is_finite() {
                    return float.into();
                }
            },
        }
    }

    fn filter(&mut self, levels: u32) -> Where {
        let branch = if levels == 0 { 2 } else { 0 };
        match branch + self.below(6) {
            0 => Where::all(
                (0..=self.below(4))
                    .map(|_| self.filter(levels - 1))
                    .collect::<Vec<_>>(),
            ),
            1 => Where::any(
                (0..=self.below(4))
                    .map(|_| self.filter(levels - 1))
                    .collect::<Vec<_>>(),
            ),
            2 => {
                let operators = [
                    Operator::Contains,
                    Operator::NotContains,
                    Operator::Regex,
                    Operator::NotRegex,
                ];
                let operator = operators[self.below(4) as usize];
                Where::condition(
                    "#document".into(),
                    operator,
                    Operand::One(self.text().into()),
                )
            }
            _ => {
                let operator = Operator::ALL[self.below(10) as usize];
                let kind = match operator {
                    Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
                        2 + self.below(2)
                    }
                    _ => self.below(4),
                };
                let operand = match operator {
                    Operator::In | Operator::NotIn => {
                        Operand::Many((0..=self.below(3)).map(|_| self.value(kind)).collect())
                    }
                    _ => Operand::One(self.value(kind)),
                };
                Where::condition(format!("k{}", self.text()), operator, operand)
            }
        }
    }
}

#[test]
fn a_printed_filter_is_read_back_unchanged() {
    let mut generator = Generator(Random(20));
    for _ in 0..5_000 {
        let filter = generator.filter(4);
        assert_eq!(filter.check(), Ok(()), "{filter}");
        let json = filter.to_string();
        assert_eq!(Where::from_json(&json).unwrap(), filter, "{json}");
        let tree: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::from_value::<Where>(tree).unwrap(),
            filter,
            "{json}"
        );
    }
}
