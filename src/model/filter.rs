//! [`Key`] and [`Where`]: filters on metadata, documents and ids, as typed expressions.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::metadata::MetadataValue;
use crate::error::InvalidInput;

const DOCUMENT: &str = "#document";
const ID: &str = "#id";
const EMBEDDING: &str = "#embedding";
const METADATA: &str = "#metadata";
const SCORE: &str = "#score";

/// What a filter looks at (a metadata field, the document, or the id), and what a [`Search`](crate::Search) selects,
/// groups by and ranks.
///
/// A text is the key of that metadata field: `"title".into()`, or just `["title", "year"]` where keys are taken.
///
/// ```
/// use chroma_blocking::Key;
///
/// let recent = Key::field("year").gte(2020)
///     & (Key::field("lang").is_in(["en", "fr"]) | Key::document().contains("rust"));
/// assert_eq!(
///     recent.to_string(),
///     r##"{"$and":[{"year":{"$gte":2020}},{"$or":[{"lang":{"$in":["en","fr"]}},{"#document":{"$contains":"rust"}}]}]}"##
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[must_use = "a key does nothing until it is compared with something, or selected"]
pub struct Key(String);

impl Key {
    /// A metadata field.
    pub fn field(name: impl Into<String>) -> Key {
        Key(name.into())
    }

    /// The document's text: [`contains`](Key::contains), [`not_contains`](Key::not_contains),
    /// [`regex`](Key::regex) and [`not_regex`](Key::not_regex).
    pub fn document() -> Key {
        Key(DOCUMENT.to_owned())
    }

    /// The record's id: [`eq`](Key::eq) and [`is_in`](Key::is_in), and only where every record must meet them (not
    /// under an "or"): they become the request's `ids`, since a local server answers nothing for an id in a filter.
    ///
    /// In a [`Search`](crate::Search), which only other servers have, also under an "or", and with
    /// [`ne`](Key::ne) and [`not_in`](Key::not_in).
    pub fn id() -> Key {
        Key(ID.to_owned())
    }

    /// The record's vector: to be selected by a [`Search`](crate::Search).
    pub fn embedding() -> Key {
        Key(EMBEDDING.to_owned())
    }

    /// All of the record's metadata: to be selected by a [`Search`](crate::Search).
    pub fn metadata() -> Key {
        Key(METADATA.to_owned())
    }

    /// The record's score in a [`Search`](crate::Search): to be selected, and to choose by within a
    /// [`GroupBy`](crate::GroupBy).
    pub fn score() -> Key {
        Key(SCORE.to_owned())
    }

    /// Chroma's name for it: that of the field, or one that starts with `#`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether it can be the name of a metadata field.
    pub(crate) fn is_field(&self) -> bool {
        !self.0.is_empty() && !self.0.starts_with('#')
    }

    /// The field equals the value.
    pub fn eq(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Eq, Operand::One(value.into()))
    }

    /// The field differs from the value, or the record lacks the field.
    pub fn ne(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Ne, Operand::One(value.into()))
    }

    /// The field is a number greater than the value.
    pub fn gt(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Gt, Operand::One(value.into()))
    }

    /// The field is a number greater than the value, or equal to it.
    pub fn gte(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Gte, Operand::One(value.into()))
    }

    /// The field is a number less than the value.
    pub fn lt(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Lt, Operand::One(value.into()))
    }

    /// The field is a number less than the value, or equal to it.
    pub fn lte(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Lte, Operand::One(value.into()))
    }

    /// The field equals one of the values, which are of one kind.
    pub fn is_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.test(Operator::In, many(values))
    }

    /// The field equals none of the values, which are of one kind, or the record lacks the field.
    pub fn not_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.test(Operator::NotIn, many(values))
    }

    /// The document holds the text (case matters), or the field is a list with the value in it.
    pub fn contains(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Contains, Operand::One(value.into()))
    }

    /// The document does not hold the text, or the field is no list with the value in it, or the record lacks it.
    pub fn not_contains(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::NotContains, Operand::One(value.into()))
    }

    /// The document matches the regular expression somewhere (the syntax of Rust's `regex` crate).
    pub fn regex(self, pattern: impl Into<String>) -> Where {
        self.test(Operator::Regex, Operand::One(pattern.into().into()))
    }

    /// The document matches the regular expression nowhere.
    pub fn not_regex(self, pattern: impl Into<String>) -> Where {
        self.test(Operator::NotRegex, Operand::One(pattern.into().into()))
    }

    fn test(self, operator: Operator, operand: Operand) -> Where {
        Where(Node::Test(Test {
            key: self.0,
            operator,
            operand,
        }))
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Key {
        Key::field(name)
    }
}

impl From<String> for Key {
    fn from(name: String) -> Key {
        Key::field(name)
    }
}

fn many<V: Into<MetadataValue>>(values: impl IntoIterator<Item = V>) -> Operand {
    Operand::Many(values.into_iter().map(Into::into).collect())
}

/// A filter: one test of a [`Key`], or several joined with `&` and `|`. Prints as Chroma's JSON.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a filter does nothing until it is given to a call"]
pub struct Where(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    All(Vec<Where>),
    Any(Vec<Where>),
    Test(Test),
}

#[derive(Debug, Clone, PartialEq)]
struct Test {
    key: String,
    operator: Operator,
    operand: Operand,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    One(MetadataValue),
    Many(Vec<MetadataValue>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    NotIn,
    Contains,
    NotContains,
    Regex,
    NotRegex,
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Operator::Eq => "$eq",
            Operator::Ne => "$ne",
            Operator::Gt => "$gt",
            Operator::Gte => "$gte",
            Operator::Lt => "$lt",
            Operator::Lte => "$lte",
            Operator::In => "$in",
            Operator::NotIn => "$nin",
            Operator::Contains => "$contains",
            Operator::NotContains => "$not_contains",
            Operator::Regex => "$regex",
            Operator::NotRegex => "$not_regex",
        }
    }
}

impl Where {
    /// All of the filters, for a number of them that is not known before. Of one filter, that filter.
    pub fn all(filters: impl IntoIterator<Item = Where>) -> Where {
        Where::joined(filters, Node::All, |node| match node {
            Node::All(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// Any of the filters, for a number of them that is not known before. Of one filter, that filter.
    pub fn any(filters: impl IntoIterator<Item = Where>) -> Where {
        Where::joined(filters, Node::Any, |node| match node {
            Node::Any(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// Joins filters, and takes the parts of those that are joined the same way already, as Chroma's client does.
    fn joined(
        filters: impl IntoIterator<Item = Where>,
        join: impl Fn(Vec<Where>) -> Node,
        open: impl Fn(Node) -> Result<Vec<Where>, Node>,
    ) -> Where {
        let mut parts = Vec::new();
        for Where(node) in filters {
            match open(node) {
                Ok(inner) => parts.extend(inner),
                Err(other) => parts.push(Where(other)),
            }
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Where(join(parts)),
        }
    }

    fn bad(&self, why: impl Into<String>) -> InvalidInput {
        InvalidInput::Filter {
            filter: self.to_string(),
            why: why.into(),
        }
    }

    /// Refuses what a server would refuse, or answer wrongly without a word.
    fn check(&self) -> Result<(), InvalidInput> {
        match &self.0 {
            Node::All(parts) | Node::Any(parts) if parts.is_empty() => {
                Err(self.bad("it joins no filters; leave the filter out"))
            }
            Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(Where::check),
            Node::Test(test) => test.check().map_err(|why| self.bad(why)),
        }
    }

    /// As [`check`](Where::check), for a search: there the filter stays whole, and servers look up ids in it.
    pub(crate) fn check_in_search(&self) -> Result<(), InvalidInput> {
        fn ids(filter: &Where) -> Result<(), InvalidInput> {
            match &filter.0 {
                Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(ids),
                Node::Test(test) if test.key == ID => {
                    test.check_id().map_err(|why| filter.bad(why))
                }
                Node::Test(_) => Ok(()),
            }
        }
        self.check()?;
        ids(self)
    }

    /// Whether some test in it looks at a key that `wanted` wants.
    fn looks_at(&self, wanted: fn(&str) -> bool) -> bool {
        match &self.0 {
            Node::All(parts) | Node::Any(parts) => parts.iter().any(|part| part.looks_at(wanted)),
            Node::Test(test) => wanted(&test.key),
        }
    }

    /// Cuts the filter into the three places where a request takes it: ids, `where` and `where_document`.
    ///
    /// What looks at documents alone goes to `where_document`, which every server knows; a mix under an "or" stays
    /// in `where`, which servers before 1.5 refuse.
    pub(crate) fn split(self) -> Result<Parts, InvalidInput> {
        self.check()?;
        let conjuncts = match self.0 {
            Node::All(parts) => parts,
            other => vec![Where(other)],
        };
        let mut parts = Parts::default();
        let (mut fields, mut documents) = (Vec::new(), Vec::new());
        for conjunct in conjuncts {
            if conjunct.looks_at(|key| key == ID) {
                parts.narrow_ids(conjunct.ids()?);
            } else if conjunct.looks_at(|key| key != DOCUMENT) {
                fields.push(conjunct);
            } else {
                documents.push(conjunct);
            }
        }
        let all = |filters: Vec<Where>| (!filters.is_empty()).then(|| Where::all(filters));
        parts.fields = all(fields);
        parts.documents = all(documents);
        Ok(parts)
    }

    /// The ids that a filter on ids lets through.
    fn ids(&self) -> Result<Vec<String>, InvalidInput> {
        let no = || {
            self.bad(
                "ids can be filtered with eq and is_in only, and not under an \"or\"; ask with .ids(...), or in two calls",
            )
        };
        let Node::Test(test) = &self.0 else {
            return Err(no());
        };
        let values = match (test.operator, &test.operand) {
            (Operator::Eq, Operand::One(value)) => std::slice::from_ref(value),
            (Operator::In, Operand::Many(values)) => values.as_slice(),
            _ => return Err(no()),
        };
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| self.bad("ids are texts"))
    }
}

/// A filter in the three places where a request takes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parts {
    /// The ids to look at; `Some` of nothing lets no record through.
    pub(crate) ids: Option<Vec<String>>,
    /// The request's `where`.
    pub(crate) fields: Option<Where>,
    /// The request's `where_document`, printed by [`Document`].
    pub(crate) documents: Option<Where>,
}

impl Parts {
    /// Lets through only those of `ids`, too.
    pub(crate) fn narrow_ids(&mut self, ids: Vec<String>) {
        match &mut self.ids {
            Some(old) => old.retain(|id| ids.contains(id)),
            none => *none = Some(ids),
        }
    }
}

impl Test {
    /// Why a server would not take this test, or not as it is meant.
    fn check(&self) -> Result<(), String> {
        use Operator::*;

        let operator = self.operator;
        match self.key.as_str() {
            "" => return Err("the key is empty".to_owned()),
            key @ ("$and" | "$or") => return Err(format!("{key} cannot be the name of a field")),
            DOCUMENT if !matches!(operator, Contains | NotContains | Regex | NotRegex) => {
                return Err(
                    "documents are filtered with contains, not_contains, regex and not_regex"
                        .into(),
                );
            }
            DOCUMENT => {}
            key @ (EMBEDDING | METADATA | SCORE) => {
                return Err(format!("no filter can look at {key}"));
            }
            _ if matches!(operator, Regex | NotRegex) => {
                return Err("regex and not_regex look at documents only: Key::document()".into());
            }
            _ => {}
        }
        match &self.operand {
            Operand::One(value) => {
                let kind = kind(value)?;
                if self.key == DOCUMENT && kind != Kind::Text {
                    return Err("documents are compared with texts".into());
                }
                if matches!(operator, Gt | Gte | Lt | Lte)
                    && !matches!(kind, Kind::Int | Kind::Float)
                {
                    return Err("greater and less compare numbers".into());
                }
                Ok(())
            }
            Operand::Many(values) => {
                let kinds = values.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
                match kinds.split_first() {
                    None if self.key == ID => Ok(()),
                    None => Err("the list of values is empty".into()),
                    Some((first, rest)) if rest.iter().any(|kind| kind != first) => {
                        Err("the values of a list are of one kind: all integers, all floats, all texts or all booleans".into())
                    }
                    Some(_) => Ok(()),
                }
            }
        }
    }
}

impl Test {
    /// Why a search would find nothing by this test of an id, whatever there is.
    fn check_id(&self) -> Result<(), &'static str> {
        use Operator::{Eq, In, Ne, NotIn};

        let values = match &self.operand {
            Operand::One(value) => std::slice::from_ref(value),
            Operand::Many(values) => values.as_slice(),
        };
        if !matches!(self.operator, Eq | Ne | In | NotIn) {
            Err("ids can be filtered with eq, ne, is_in and not_in only")
        } else if values.is_empty() {
            Err("the list of ids is empty")
        } else if values.iter().any(|value| value.as_str().is_none()) {
            Err("ids are texts")
        } else {
            Ok(())
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

fn kind(value: &MetadataValue) -> Result<Kind, String> {
    match value {
        MetadataValue::Bool(_) => Ok(Kind::Bool),
        MetadataValue::Int(_) => Ok(Kind::Int),
        MetadataValue::Float(value) if value.is_finite() => Ok(Kind::Float),
        MetadataValue::Float(value) => Err(format!("{value} is not a finite number")),
        MetadataValue::String(_) => Ok(Kind::Text),
        _ => Err("a filter compares with a boolean, a number or a text".to_owned()),
    }
}

impl BitAnd for Where {
    type Output = Where;

    fn bitand(self, other: Where) -> Where {
        Where::all([self, other])
    }
}

impl BitOr for Where {
    type Output = Where;

    fn bitor(self, other: Where) -> Where {
        Where::any([self, other])
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

/// A map of one entry.
fn entry<S: Serializer, V: Serialize + ?Sized>(
    serializer: S,
    key: &str,
    value: &V,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl Serialize for Where {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Node::All(parts) => entry(serializer, "$and", parts),
            Node::Any(parts) => entry(serializer, "$or", parts),
            Node::Test(test) => entry(serializer, &test.key, &Comparison(test)),
        }
    }
}

/// `{"$gte":2020}`
struct Comparison<'a>(&'a Test);

impl Serialize for Comparison<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.0.operator.name();
        match &self.0.operand {
            Operand::One(value) => entry(serializer, name, value),
            Operand::Many(values) => entry(serializer, name, values),
        }
    }
}

/// A filter on documents as `where_document` takes it, without the key.
pub(crate) struct Document<'a>(pub(crate) &'a Where);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, parts) = match &self.0.0 {
            Node::All(parts) => ("$and", parts),
            Node::Any(parts) => ("$or", parts),
            Node::Test(test) => return Comparison(test).serialize(serializer),
        };
        let parts: Vec<_> = parts.iter().map(Document).collect();
        entry(serializer, key, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Key {
        Key::field(name)
    }

    #[test]
    fn every_operator_prints_as_chroma_does() {
        let all = [
            (field("a").eq(1), r#"{"a":{"$eq":1}}"#),
            (field("a").ne("x"), r#"{"a":{"$ne":"x"}}"#),
            (field("a").gt(1), r#"{"a":{"$gt":1}}"#),
            (field("a").gte(0.5), r#"{"a":{"$gte":0.5}}"#),
            (field("a").lt(1), r#"{"a":{"$lt":1}}"#),
            (field("a").lte(1), r#"{"a":{"$lte":1}}"#),
            (field("a").is_in([1, 2]), r#"{"a":{"$in":[1,2]}}"#),
            (field("a").not_in([true]), r#"{"a":{"$nin":[true]}}"#),
            (field("a").contains("x"), r#"{"a":{"$contains":"x"}}"#),
            (field("a").not_contains(1), r#"{"a":{"$not_contains":1}}"#),
            (
                Key::document().regex("^a"),
                r##"{"#document":{"$regex":"^a"}}"##,
            ),
            (
                Key::document().not_regex("b"),
                r##"{"#document":{"$not_regex":"b"}}"##,
            ),
        ];
        for (filter, json) in all {
            assert_eq!(filter.to_string(), json);
            assert_eq!(filter.check(), Ok(()), "{json}");
        }
    }

    #[test]
    fn joining_flattens_only_the_same_kind() {
        let [a, b, c] = ["a", "b", "c"].map(|name| field(name).eq(1));
        let flat = (a.clone() & b.clone()) & c.clone();
        assert_eq!(
            flat.to_string(),
            r#"{"$and":[{"a":{"$eq":1}},{"b":{"$eq":1}},{"c":{"$eq":1}}]}"#
        );
        let mixed = (a.clone() & b) | c;
        assert!(mixed.to_string().starts_with(r#"{"$or":[{"$and":["#));
        assert_eq!(Where::all([a.clone()]), a);
    }

    #[test]
    fn what_the_server_would_refuse_is_refused_here() {
        let bad = [
            Where::all([]),
            field("").eq(1),
            field("$and").eq(1),
            field("a").gt("x"),
            field("a").eq(f64::NAN),
            field("a").is_in(Vec::<i64>::new()),
            field("a").is_in([MetadataValue::Int(1), MetadataValue::Float(1.0)]),
            field("a").eq(vec![1_i64]),
            field("a").regex("x"),
            Key::document().eq("x"),
            Key::document().contains(1),
            Key::score().gt(0.5),
            Key::metadata().eq("x"),
            Key::embedding().eq(1),
        ];
        for filter in bad {
            assert!(filter.check().is_err(), "{filter}");
            let nested = field("ok").eq(1) & (field("ok").eq(2) | filter);
            assert!(nested.split().is_err());
        }
    }

    fn json(filter: &Option<Where>) -> String {
        filter.as_ref().map(Where::to_string).unwrap_or_default()
    }

    #[test]
    fn each_part_goes_to_its_place() {
        let text = Key::document();
        let filter = field("a").eq(1)
            & text.clone().contains("x")
            & (text.clone().contains("y") | text.clone().contains("z"))
            & Key::id().is_in(["1", "2"])
            & Key::id().eq("2");
        let parts = filter.split().unwrap();
        assert_eq!(parts.ids, Some(vec!["2".to_owned()]));
        assert_eq!(json(&parts.fields), r#"{"a":{"$eq":1}}"#);
        let documents = serde_json::to_string(&Document(&parts.documents.unwrap())).unwrap();
        assert_eq!(
            documents,
            r#"{"$and":[{"$contains":"x"},{"$or":[{"$contains":"y"},{"$contains":"z"}]}]}"#
        );
    }

    #[test]
    fn a_mix_under_an_or_stays_together() {
        let parts = (field("a").eq(1) | Key::document().contains("x"))
            .split()
            .unwrap();
        assert_eq!(parts.documents, None);
        assert_eq!(
            json(&parts.fields),
            r##"{"$or":[{"a":{"$eq":1}},{"#document":{"$contains":"x"}}]}"##
        );
    }

    #[test]
    fn ids_where_they_cannot_be_asked_are_an_error() {
        for filter in [
            Key::id().eq("1") | field("a").eq(1),
            Key::id().ne("1"),
            Key::id().eq(1),
        ] {
            let error = filter.split().unwrap_err().to_string();
            assert!(error.contains("ids"), "{error}");
        }
        let none = Key::id().is_in(Vec::<String>::new()).split().unwrap();
        assert_eq!(none.ids, Some(vec![]));
    }

    #[test]
    fn a_search_takes_ids_in_its_filter_where_servers_look_them_up() {
        let id = Key::id;
        for fine in [
            id().eq("1") | field("a").eq(1),
            id().ne("1"),
            id().is_in(["1", "2"]) & Key::document().contains("x"),
            id().not_in(["1"]),
        ] {
            assert_eq!(fine.check_in_search(), Ok(()), "{fine}");
        }
        for bad in [
            id().gt(1),
            id().eq(1),
            id().contains("1"),
            id().is_in(Vec::<String>::new()),
            field("a").gt("x"),
        ] {
            assert!((field("b").eq(1) | bad).check_in_search().is_err());
        }
    }
}
