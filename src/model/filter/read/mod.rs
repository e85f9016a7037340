//! Reads filters from Chroma's JSON, in the form of `where` or of `where_document`.

use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};

use super::expr::{Condition, DOCUMENT, Operand, Operator, Where};
use super::json::{Json, bad};
use super::print::short;
use crate::invalid::InvalidInput;
use crate::model::metadata::MetadataValue;

impl Where {
    /// Reads a filter in the form that Chroma's clients accept for `where`. That is the form in which filters
    /// print, and the short form `{"year": 2020}` for `{"year": {"$eq": 2020}}`. `{}` is
    /// [`Where::everything`].
    ///
    /// For the form of `where_document`, see [`document_from_json`](Where::document_from_json).
    ///
    /// ```
    /// use chroma_blocking::{Key, Where};
    ///
    /// let stored = r#"{"$and": [{"lang": "en"}, {"year": {"$gte": 2020}}]}"#;
    /// let filter = Where::from_json(stored)?;
    /// let expected = Key::field("lang").eq("en") & Key::field("year").gte(2020);
    /// assert_eq!(filter, expected);
    ///
    /// let two_operators = r#"{"year": {"$gt": 2000, "$lt": 2010}}"#;
    /// let error = Where::from_json(two_operators).unwrap_err();
    /// assert!(error.to_string().contains(r#"{"$gt":2000,"$lt":2010}"#));
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput::Filter`] with the part at fault, if the text is not JSON, or not a filter that a
    /// server accepts.
    pub fn from_json(json: &str) -> Result<Where, InvalidInput> {
        read(json, filter)
    }

    /// Reads a filter on documents in the form that Chroma's clients accept for `where_document`. `{}` is
    /// [`Where::everything`].
    ///
    /// ```
    /// use chroma_blocking::{Key, Where};
    ///
    /// let stored = r#"{"$and": [{"$contains": "rust"}, {"$regex": "v[0-9]"}]}"#;
    /// let filter = Where::document_from_json(stored)?;
    /// let text = Key::document;
    /// assert_eq!(filter, text().contains("rust") & text().regex("v[0-9]"));
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

    /// Does the same as [`Where::from_json`].
    fn from_str(json: &str) -> Result<Where, InvalidInput> {
        Where::from_json(json)
    }
}

impl<'de> Deserialize<'de> for Where {
    /// Reads the same form as [`Where::from_json`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Where, D::Error> {
        whole(&Json::deserialize(deserializer)?, filter).map_err(de::Error::custom)
    }
}

type Read<T> = Result<T, InvalidInput>;

fn read(json: &str, reader: fn(&Json) -> Read<Where>) -> Read<Where> {
    if let Some(number) = beyond_i64(json) {
        return Err(bad(number, "integers must be from -2^63 to 2^63-1"));
    }
    let parsed = serde_json::from_str(json).map_err(|error| {
        bad(
            &short(json.to_owned()),
            &format!("it is not valid JSON: {error}"),
        )
    })?;
    whole(&parsed, reader)
}

/// Returns the first integer outside of the range of `i64`. The parser would silently turn it into a float.
fn beyond_i64(json: &str) -> Option<&str> {
    // Outside of text, a quote starts text; inside of it, a quote that is not escaped ends it.
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

/// Reads a whole filter, which may be `{}`. A part of a filter must not be empty.
fn whole(json: &Json, reader: fn(&Json) -> Read<Where>) -> Read<Where> {
    match json {
        Json::Object(entries) if entries.is_empty() => Ok(Where::everything()),
        _ => reader(json),
    }
}

fn filter(json: &Json) -> Read<Where> {
    const FORM: &str = r#"a filter is an object with one key, such as {"year":{"$gte":2020}}; join several as {"$and":[...]} or {"$or":[...]}"#;
    let (key, value) = json.single(FORM)?;
    match key {
        "$and" => return Ok(Where::all(json.joined(value, filter)?)),
        "$or" => return Ok(Where::any(json.joined(value, filter)?)),
        _ if Operator::named(key).is_some() => {
            return Err(json.bad(&format!(
                r#"{key} needs a field, such as {{"year":{{"{key}":...}}}}; to read a filter on documents (where_document), use Where::document_from_json"#
            )));
        }
        _ if key.starts_with('$') => return Err(json.bad(&unknown(key))),
        _ => {}
    }
    let (operator, operand) = match value {
        Json::Object(_) => {
            let (name, operand) = value.single(
                r#"a field has one operator, such as {"$gte":2020}; join several as {"$and":[{"year":{"$gte":2020}},{"year":{"$lt":2025}}]}"#,
            )?;
            let operator = Operator::named(name).ok_or_else(|| value.bad(&unknown(name)))?;
            (operator, operand)
        }
        operand => (Operator::Eq, operand),
    };
    let operand = match (operator, operand) {
        (Operator::In | Operator::NotIn, Json::List(list)) => Operand::Many(json.values(list)?),
        (Operator::In | Operator::NotIn, _) => {
            return Err(json.bad("$in and $nin need a list of values"));
        }
        (_, one) => Operand::One(json.value(one)?),
    };
    json.condition(key, operator, operand)
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
            json.condition(DOCUMENT, operator, operand)
        }
        None => Err(json.bad(FORM)),
    }
}

fn unknown(name: &str) -> String {
    let names = Operator::ALL.map(Operator::name).join(", ");
    format!("{name:?} is not an operator; use one of {names}, or join filters with $and or $or")
}

impl Json {
    /// Reads an operand. `self` is the filter that contains it, for an error.
    fn value(&self, value: &Json) -> Read<MetadataValue> {
        match value {
            Json::Bool(value) => Ok((*value).into()),
            Json::Text(value) => Ok(value.into()),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Ok(int.into()),
                (None, Some(float)) if !number.is_u64() => Ok(float.into()),
                _ => Err(self.bad(&format!("{number}: integers must be from -2^63 to 2^63-1"))),
            },
            Json::Null | Json::List(_) | Json::Object(_) => Err(self.bad(
                "a filter can only compare with a boolean, a number or text, and $in and $nin with a list of them",
            )),
        }
    }

    /// Reads the operands of a list. If some numbers are floats, integers become floats.
    fn values(&self, list: &[Json]) -> Read<Vec<MetadataValue>> {
        let values = list.iter().map(|value| self.value(value));
        let mut values = values.collect::<Read<Vec<_>>>()?;
        let is_float = |value: &MetadataValue| matches!(value, MetadataValue::Float(_));
        if values.iter().any(is_float) {
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

    /// Makes a condition, and checks it.
    fn condition(&self, key: &str, operator: Operator, operand: Operand) -> Read<Where> {
        let condition = Condition {
            key: key.to_owned(),
            operator,
            operand,
        };
        condition.check().map_err(|why| self.bad(&why))?;
        Ok(Where::condition(
            condition.key,
            condition.operator,
            condition.operand,
        ))
    }
}

#[cfg(test)]
mod tests;
