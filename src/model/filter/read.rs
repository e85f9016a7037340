//! Filters as Chroma's JSON, read: the forms of `where` and of `where_document`.

use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};

use super::json::{Json, bad, short};
use super::{DOCUMENT, Operand, Operator, Test, Where};
use crate::invalid::InvalidInput;
use crate::model::metadata::MetadataValue;

impl Where {
    /// Reads a filter as Chroma's clients take it for `where`: what it prints, and the short form
    /// `{"year": 2020}` for `{"year": {"$eq": 2020}}`.
    ///
    /// A filter on documents in the form of `where_document` is read by
    /// [`document_from_json`](Where::document_from_json).
    ///
    /// ```
    /// use chroma_blocking::{Key, Where};
    ///
    /// let stored = r#"{"$and": [{"lang": "en"}, {"year": {"$gte": 2020}}]}"#;
    /// let filter = Where::from_json(stored)?;
    /// assert_eq!(filter, Key::field("lang").eq("en") & Key::field("year").gte(2020));
    ///
    /// let error = Where::from_json(r#"{"year": {"$gt": 2000, "$lt": 2010}}"#).unwrap_err();
    /// assert!(error.to_string().contains(r#"{"$gt":2000,"$lt":2010}"#));
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput::Filter`] with the part at fault, for what is no JSON and for what no server takes.
    pub fn from_json(json: &str) -> Result<Where, InvalidInput> {
        read(json, filter)
    }

    /// Reads a filter on documents as Chroma's clients take it for `where_document`.
    ///
    /// ```
    /// use chroma_blocking::{Key, Where};
    ///
    /// let filter = Where::document_from_json(r#"{"$and": [{"$contains": "rust"}, {"$regex": "v[0-9]"}]}"#)?;
    /// assert_eq!(filter, Key::document().contains("rust") & Key::document().regex("v[0-9]"));
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_json`](Where::from_json).
    pub fn document_from_json(json: &str) -> Result<Where, InvalidInput> {
        read(json, document)
    }
}

impl FromStr for Where {
    type Err = InvalidInput;

    /// As [`Where::from_json`].
    fn from_str(json: &str) -> Result<Where, InvalidInput> {
        Where::from_json(json)
    }
}

impl<'de> Deserialize<'de> for Where {
    /// As [`Where::from_json`], as a part of something larger.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Where, D::Error> {
        outermost(&Json::deserialize(deserializer)?, filter).map_err(de::Error::custom)
    }
}

type Read<T> = Result<T, InvalidInput>;

fn read(json: &str, reader: fn(&Json) -> Read<Where>) -> Read<Where> {
    if let Some(number) = beyond_i64(json) {
        return Err(bad(number, "integers are from -2^63 to 2^63-1"));
    }
    let parsed = serde_json::from_str(json)
        .map_err(|error| bad(&short(json.to_owned()), &format!("cannot read it: {error}")))?;
    outermost(&parsed, reader)
}

/// The first integer that is none of 64 bits: the parser would silently make a float of it.
fn beyond_i64(json: &str) -> Option<&str> {
    // Every other piece between quotes is a text, once no quote is escaped any more.
    let mut rest = json;
    let mut in_text = false;
    while let Some(at) = rest.find([
        '"', '\\', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ]) {
        let from = &rest[at..];
        let length = match from.as_bytes()[0] {
            b'"' => {
                in_text = !in_text;
                1
            }
            b'\\' => 1 + from[1..].chars().next().map_or(0, char::len_utf8),
            _ if in_text => 1,
            _ => {
                let end = from.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
                let number = &from[..end.unwrap_or(from.len())];
                let digits = number.strip_prefix('-').unwrap_or(number);
                let integer = digits.bytes().all(|byte| byte.is_ascii_digit());
                if integer && !digits.is_empty() && number.parse::<i64>().is_err() {
                    return Some(number);
                }
                number.len()
            }
        };
        rest = &from[length..];
    }
    None
}

/// Reads a whole filter: `{}` is a filter that every record passes. A part of a filter is never empty.
fn outermost(json: &Json, reader: fn(&Json) -> Read<Where>) -> Read<Where> {
    match json {
        Json::Object(entries) if entries.is_empty() => Ok(Where::everything()),
        _ => reader(json),
    }
}

fn filter(json: &Json) -> Read<Where> {
    const FORM: &str = r#"a filter is an object with one key, as {"year":{"$gte":2020}}; several are joined as {"$and":[...]} or {"$or":[...]}"#;
    let (key, value) = json.single(FORM)?;
    match key {
        "$and" => return Ok(Where::all(json.joined(value, filter)?)),
        "$or" => return Ok(Where::any(json.joined(value, filter)?)),
        _ if Operator::named(key).is_some() => {
            return Err(json.bad(&format!(
                r#"{key} needs a field, as {{"year":{{"{key}":...}}}}; without one it is a filter on documents (where_document): Where::document_from_json"#
            )));
        }
        _ if key.starts_with('$') => return Err(json.bad(&unknown(key))),
        _ => {}
    }
    let (operator, operand) = match value {
        Json::Object(_) => {
            let (name, operand) = value.single(
                r#"a field has one operator, as {"$gte":2020}; several are joined as {"$and":[{"year":{"$gte":2020}},{"year":{"$lt":2025}}]}"#,
            )?;
            let operator = Operator::named(name).ok_or_else(|| value.bad(&unknown(name)))?;
            (operator, operand)
        }
        operand => (Operator::Eq, operand),
    };
    let operand = match (operator, operand) {
        (Operator::In | Operator::NotIn, Json::List(list)) => Operand::Many(json.values(list)?),
        (Operator::In | Operator::NotIn, _) => {
            return Err(json.bad("$in and $nin take a list of values"));
        }
        (_, one) => Operand::One(json.value(one)?),
    };
    json.test(key, operator, operand)
}

fn document(json: &Json) -> Read<Where> {
    const FORM: &str = r#"a filter on documents is an object with one key: {"$contains":"..."}, {"$not_contains":"..."}, {"$regex":"..."}, {"$not_regex":"..."}, {"$and":[...]} or {"$or":[...]}"#;
    let (key, value) = json.single(FORM)?;
    match key {
        "$and" => return Ok(Where::all(json.joined(value, document)?)),
        "$or" => return Ok(Where::any(json.joined(value, document)?)),
        _ => {}
    }
    match Operator::named(key) {
        Some(operator) => {
            let operand = Operand::One(json.value(value)?);
            json.test(DOCUMENT, operator, operand)
        }
        None => Err(json.bad(FORM)),
    }
}

fn unknown(name: &str) -> String {
    let names = Operator::ALL.map(Operator::name).join(", ");
    format!("{name:?} is no operator; there are {names}, and $and and $or to join filters")
}

impl Json {
    /// A value to compare with; `self` is what it stands in.
    fn value(&self, value: &Json) -> Read<MetadataValue> {
        match value {
            Json::Bool(value) => Ok((*value).into()),
            Json::Text(value) => Ok(value.into()),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Ok(int.into()),
                (None, Some(float)) if !number.is_u64() => Ok(float.into()),
                _ => Err(self.bad(&format!("{number}: integers are from -2^63 to 2^63-1"))),
            },
            Json::Null | Json::List(_) | Json::Object(_) => Err(self.bad(
                "a filter compares with a boolean, a number or a text, and $in and $nin with a list of them",
            )),
        }
    }

    /// The values of a list. Where some numbers are floats, all are.
    fn values(&self, list: &[Json]) -> Read<Vec<MetadataValue>> {
        let values = list.iter().map(|value| self.value(value));
        let mut values = values.collect::<Read<Vec<_>>>()?;
        let float = |value: &MetadataValue| matches!(value, MetadataValue::Float(_));
        if values.iter().any(float) {
            for value in &mut values {
                if let MetadataValue::Int(int) = *value {
                    if (int as f64) as i128 != i128::from(int) {
                        return Err(self.bad(&format!("{int} among floats would be rounded")));
                    }
                    *value = MetadataValue::Float(int as f64);
                }
            }
        }
        Ok(values)
    }

    fn test(&self, key: &str, operator: Operator, operand: Operand) -> Read<Where> {
        let test = Test {
            key: key.to_owned(),
            operator,
            operand,
        };
        test.check().map_err(|why| self.bad(&why))?;
        Ok(Where::test(test.key, test.operator, test.operand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Key;

    fn why(result: Result<Where, InvalidInput>) -> (String, String) {
        match result.unwrap_err() {
            InvalidInput::Filter { filter, why } => (filter, why),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_form_that_clients_take() {
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
    fn the_form_of_where_document() {
        let text = Key::document;
        let json =
            r#"{"$or":[{"$not_contains":"a"},{"$and":[{"$contains":"b"},{"$not_regex":"c"}]}]}"#;
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
                "texts",
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

    #[test]
    fn errors_quote_the_part_and_say_what_is_allowed() {
        for (json, part, reason) in [
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
            (r#"{"a":{"b":1}}"#, r#"{"b":1}"#, "no operator"),
            (r#"{"$not":[]}"#, r#"{"$not":[]}"#, "no operator"),
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
                "a boolean, a number or a text",
            ),
            (
                r#"{"a":[1]}"#,
                r#"{"a":[1]}"#,
                "a boolean, a number or a text",
            ),
            (r#"{"a":{"$in":1}}"#, r#"{"a":{"$in":1}}"#, "take a list"),
            (r#"{"a":{"$in":[]}}"#, r#"{"a":{"$in":[]}}"#, "empty"),
            (
                r#"{"a":{"$in":[1,"b"]}}"#,
                r#"{"a":{"$in":[1,"b"]}}"#,
                "one kind",
            ),
            (r#"{"a":{"$eq":[1]}}"#, r#"{"a":{"$eq":[1]}}"#, "a boolean"),
            (r#"{"a":{"$gt":"b"}}"#, r#"{"a":{"$gt":"b"}}"#, "numbers"),
            (
                r#"{"a":{"$regex":"b"}}"#,
                r#"{"a":{"$regex":"b"}}"#,
                "documents only",
            ),
            (
                r##"{"#document":"b"}"##,
                r##"{"#document":{"$eq":"b"}}"##,
                "documents are filtered with",
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
        ] {
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
    fn depth_is_bounded() {
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

    /// Filters of every form, from numbers that look random.
    struct Generator(u64);

    impl Generator {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) % bound
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
                    let bits = (self.below(1 << 31) << 33)
                        ^ (self.below(1 << 31) << 11)
                        ^ self.below(1 << 11);
                    let float = f64::from_bits(bits);
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
                    Where::test(
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
                    Where::test(format!("k{}", self.text()), operator, operand)
                }
            }
        }
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let mut generator = Generator(20);
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
}
