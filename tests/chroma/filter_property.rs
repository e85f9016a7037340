//! Filters on random records: the server returns the same records as a plain evaluation in memory.
//!
//! The evaluation below defines the meaning of filters, and uses nothing of the library. To test other
//! filters, run `FILTER_SEED=7 cargo test --test chroma filter_property`.

use std::collections::BTreeMap;

use chroma_blocking::{Collection, Key, MetadataValue, Record, Where};

use crate::random::Random;
use crate::{Scratch, stores_lists};

/// The number of records: at most the default of `ef_search`, so that the index finds all of them.
const RECORDS: usize = 90;
const FILTERS: usize = 1_500;
const DELETES: usize = 40;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Value {
    fn random(random: &mut Random, kind: usize) -> Value {
        const INTS: [i64; 9] = [i64::MIN, -3, -2, -1, 0, 1, 2, 3, i64::MAX];
        const FLOATS: [f64; 14] = [
            -1e300, -2.5, -2.0, -1.5, -0.5, 0.0, 0.25, 1.0, 1.5, 2.0, 2.5, 2.75, 3.0, 1e19,
        ];
        match kind {
            0 => Value::Bool(random.below(2) == 0),
            1 => Value::Int(random.choose(&INTS)),
            2 => Value::Float(random.choose(&FLOATS)),
            _ => Value::Text(text(random)),
        }
    }

    /// Returns the value as a number. All numbers of this test are exact in a float.
    fn number(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// Integers and floats are numbers; otherwise kinds differ.
    fn equals(&self, other: &Value) -> bool {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a == b,
            _ => self == other,
        }
    }

    fn to_metadata(&self) -> MetadataValue {
        match self.clone() {
            Value::Bool(value) => value.into(),
            Value::Int(value) => value.into(),
            Value::Float(value) => value.into(),
            Value::Text(value) => value.into(),
        }
    }
}

/// The value of a record at a key.
#[derive(Debug, Clone)]
enum Held {
    One(Value),
    /// Values of one kind.
    List(Vec<Value>),
}

#[derive(Debug)]
struct Stored {
    id: String,
    document: Option<String>,
    metadata: BTreeMap<String, Held>,
    vector: [f32; 2],
}

const KEYS: [&str; 6] = ["a", "b", "ü key", "no.such", "\"q\\", "c"];

fn text(random: &mut Random) -> String {
    const PIECES: [&str; 16] = [
        "a",
        "A",
        "b",
        "ab",
        "1",
        "42",
        " ",
        "%",
        "_",
        "\\",
        "\"",
        "'",
        "ü",
        "\u{1F980}",
        "\n",
        "x*",
    ];
    let mut text = random.list(3, |random| random.choose(&PIECES)).concat();
    if random.below(30) == 0 {
        text.clear();
    }
    text
}

fn record(random: &mut Random, number: usize, lists: bool) -> Stored {
    let mut metadata = BTreeMap::new();
    for key in KEYS {
        let kind = random.below(4);
        let held = match random.below(8) {
            0 | 1 => continue,
            2 | 3 if lists => Held::List(random.list(3, |random| Value::random(random, kind))),
            _ => Held::One(Value::random(random, kind)),
        };
        if key != "no.such" {
            metadata.insert(key.to_owned(), held);
        }
    }
    let document = || random.list(5, text).concat();
    Stored {
        id: format!("{number:03}"),
        document: (number % 5 > 0).then(document),
        metadata,
        vector: [number as f32, 1.0],
    }
}

impl Stored {
    fn to_record(&self) -> Record {
        let mut record = Record::new(&self.id).embedding(self.vector);
        record.document.clone_from(&self.document);
        for (key, held) in &self.metadata {
            let value = match held {
                Held::One(value) => value.to_metadata(),
                Held::List(values) => match &values[0] {
                    Value::Bool(_) => list(values, MetadataValue::as_bool).into(),
                    Value::Int(_) => list(values, MetadataValue::as_int).into(),
                    Value::Float(_) => list(values, MetadataValue::as_float).into(),
                    Value::Text(_) => list(values, |v| v.as_str().map(str::to_owned)).into(),
                },
            };
            record = record.metadata(key, value);
        }
        record
    }
}

fn list<T>(values: &[Value], get: impl Fn(&MetadataValue) -> Option<T>) -> Vec<T> {
    let values = values.iter().map(|value| get(&value.to_metadata()));
    values.collect::<Option<_>>().unwrap()
}

/// A regular expression that needs no engine.
#[derive(Debug, Clone)]
enum Pattern {
    Has(String),
    Starts(String),
    Ends(String),
    Whole(String),
    Either(String, String),
    Digits,
    /// Two texts with one character between them, except for a line break.
    Around(String, String),
    IgnoreAsciiCase(String),
}

impl Pattern {
    fn random(random: &mut Random) -> Pattern {
        match random.below(8) {
            0 => Pattern::Has(text(random)),
            1 => Pattern::Starts(text(random)),
            2 => Pattern::Ends(text(random)),
            3 => Pattern::Whole(text(random)),
            4 => Pattern::Either(text(random), text(random)),
            5 => Pattern::Digits,
            6 => Pattern::Around(text(random), text(random)),
            _ => Pattern::IgnoreAsciiCase(random.choose(&["ab", "a", "42", "xyz"]).to_owned()),
        }
    }

    fn regex(&self) -> String {
        let plain = |text: &str| {
            text.chars()
                .map(|char| match char {
                    '\\' | '*' => format!("\\{char}"),
                    other => other.to_string(),
                })
                .collect::<String>()
        };
        match self {
            Pattern::Has(text) => plain(text),
            Pattern::Starts(text) => format!("^{}", plain(text)),
            Pattern::Ends(text) => format!("{}$", plain(text)),
            Pattern::Whole(text) => format!("^{}$", plain(text)),
            Pattern::Either(a, b) => format!("{}|{}", plain(a), plain(b)),
            Pattern::Digits => "[0-9]{2}".to_owned(),
            Pattern::Around(a, b) => format!("{}.{}", plain(a), plain(b)),
            Pattern::IgnoreAsciiCase(text) => format!("(?i){text}"),
        }
    }

    fn matches(&self, document: &str) -> bool {
        match self {
            Pattern::Has(text) => document.contains(text),
            Pattern::Starts(text) => document.starts_with(text),
            Pattern::Ends(text) => document.ends_with(text),
            Pattern::Whole(text) => document == text,
            Pattern::Either(a, b) => document.contains(a) || document.contains(b),
            Pattern::Digits => document
                .as_bytes()
                .windows(2)
                .any(|two| two.iter().all(u8::is_ascii_digit)),
            Pattern::Around(a, b) => document.char_indices().any(|(at, char)| {
                let after = &document[at + char.len_utf8()..];
                char != '\n' && document[..at].ends_with(a) && after.starts_with(b)
            }),
            Pattern::IgnoreAsciiCase(text) => document.to_ascii_lowercase().contains(text),
        }
    }
}

#[derive(Debug, Clone)]
enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Eq(String, Value),
    Ne(String, Value),
    Gt(String, Value),
    Gte(String, Value),
    Lt(String, Value),
    Lte(String, Value),
    In(String, Vec<Value>),
    NotIn(String, Vec<Value>),
    Contains(String, Value),
    NotContains(String, Value),
    TextContains(String),
    TextNotContains(String),
    Regex(Pattern),
    NotRegex(Pattern),
}

/// The features of this server.
#[allow(clippy::struct_excessive_bools, reason = "independent features")]
#[derive(Debug, Clone, Copy)]
struct Known {
    lists: bool,
    regex: bool,
    documents_in_where: bool,
    /// Chroma 1.0.0 treats % and _ as wildcards.
    plain_contains: bool,
}

impl Known {
    fn of(collection: &Collection) -> Known {
        let probe = Record::new("probe").embedding([1.0, 1.0]).document("a-b");
        collection.upsert([probe]).unwrap();
        let asks = |filter: Where| collection.get().filter(filter).run();
        let text = |part: &str| Key::document().contains(part);
        let known = Known {
            lists: stores_lists(),
            regex: asks(Key::document().regex("x")).is_ok(),
            documents_in_where: asks(Key::field("k").eq(1) | text("x")).is_ok(),
            plain_contains: asks(text("a_b")).unwrap().is_empty(),
        };
        collection.delete().ids(["probe"]).run().unwrap();
        known
    }
}

impl Filter {
    fn random(random: &mut Random, known: Known, levels: usize) -> Filter {
        let first = if levels == 0 { 3 } else { 0 };
        match first + random.below(13 - first) {
            0 | 1 => Filter::All(random.list(3, |r| Filter::random(r, known, levels - 1))),
            2 => Filter::Any(random.list(3, |r| Filter::random(r, known, levels - 1))),
            3..=5 => Filter::on_text(random, known),
            _ => Filter::on_field(random, known),
        }
    }

    fn on_text(random: &mut Random, known: Known) -> Filter {
        let mut part = text(random);
        if !known.plain_contains {
            part.retain(|char| !r"%_\".contains(char));
        }
        if known.regex && random.below(10) == 0 {
            part.insert(0, '\0');
        }
        match random.below(if known.regex { 4 } else { 2 }) {
            0 => Filter::TextContains(part),
            1 => Filter::TextNotContains(part),
            2 => Filter::Regex(Pattern::random(random)),
            _ => Filter::NotRegex(Pattern::random(random)),
        }
    }

    fn on_field(random: &mut Random, known: Known) -> Filter {
        let key = random.choose(&KEYS).to_owned();
        let (kind, number) = (random.below(4), 1 + random.below(2));
        let value = Value::random(random, kind);
        let bound = Value::random(random, number);
        match random.below(if known.lists { 10 } else { 8 }) {
            0 => Filter::Eq(key, value),
            1 => Filter::Ne(key, value),
            2 => Filter::Gt(key, bound),
            3 => Filter::Gte(key, bound),
            4 => Filter::Lt(key, bound),
            5 => Filter::Lte(key, bound),
            6 => Filter::In(key, random.list(4, |r| Value::random(r, kind))),
            7 => Filter::NotIn(key, random.list(4, |r| Value::random(r, kind))),
            8 => Filter::Contains(key, value),
            _ => Filter::NotContains(key, value),
        }
    }

    /// Returns the filter as a filter of the library.
    fn to_where(&self) -> Where {
        let field = |key: &String| Key::field(key);
        let values = |values: &[Value]| values.iter().map(Value::to_metadata).collect::<Vec<_>>();
        match self {
            Filter::All(parts) => Where::all(parts.iter().map(Filter::to_where)),
            Filter::Any(parts) => Where::any(parts.iter().map(Filter::to_where)),
            Filter::Eq(key, value) => field(key).eq(value.to_metadata()),
            Filter::Ne(key, value) => field(key).ne(value.to_metadata()),
            Filter::Gt(key, value) => field(key).gt(value.to_metadata()),
            Filter::Gte(key, value) => field(key).gte(value.to_metadata()),
            Filter::Lt(key, value) => field(key).lt(value.to_metadata()),
            Filter::Lte(key, value) => field(key).lte(value.to_metadata()),
            Filter::In(key, list) => field(key).is_in(values(list)),
            Filter::NotIn(key, list) => field(key).not_in(values(list)),
            Filter::Contains(key, value) => field(key).contains(value.to_metadata()),
            Filter::NotContains(key, value) => field(key).not_contains(value.to_metadata()),
            Filter::TextContains(text) => Key::document().contains(text),
            Filter::TextNotContains(text) => Key::document().not_contains(text),
            Filter::Regex(pattern) => Key::document().regex(pattern.regex()),
            Filter::NotRegex(pattern) => Key::document().not_regex(pattern.regex()),
        }
    }

    /// Evaluates the filter.
    fn matches_record(&self, record: &Stored) -> bool {
        let equals = |key: &String, value: &Value| match record.metadata.get(key) {
            Some(Held::One(held)) => held.equals(value),
            Some(Held::List(_)) | None => false,
        };
        let compared = |key: &String, value: &Value, holds: fn(f64, f64) -> bool| match record
            .metadata
            .get(key)
        {
            Some(Held::One(held)) => match (held.number(), value.number()) {
                (Some(held), Some(value)) => holds(held, value),
                _ => false,
            },
            Some(Held::List(_)) | None => false,
        };
        let among = |key: &String, list: &[Value]| list.iter().any(|value| equals(key, value));
        let contains = |key: &String, value: &Value| match record.metadata.get(key) {
            Some(Held::List(held)) => held.contains(value),
            Some(Held::One(_)) | None => false,
        };
        let text = |holds: &dyn Fn(&str) -> bool| record.document.as_deref().is_some_and(holds);
        match self {
            Filter::All(parts) => parts.iter().all(|part| part.matches_record(record)),
            Filter::Any(parts) => parts.iter().any(|part| part.matches_record(record)),
            Filter::Eq(key, value) => equals(key, value),
            Filter::Ne(key, value) => !equals(key, value),
            Filter::Gt(key, value) => compared(key, value, |a, b| a > b),
            Filter::Gte(key, value) => compared(key, value, |a, b| a >= b),
            Filter::Lt(key, value) => compared(key, value, |a, b| a < b),
            Filter::Lte(key, value) => compared(key, value, |a, b| a <= b),
            Filter::In(key, list) => among(key, list),
            Filter::NotIn(key, list) => !among(key, list),
            Filter::Contains(key, value) => contains(key, value),
            Filter::NotContains(key, value) => !contains(key, value),
            Filter::TextContains(part) => text(&|document| document.contains(part)),
            Filter::TextNotContains(part) => !text(&|document| document.contains(part)),
            Filter::Regex(pattern) => text(&|document| pattern.matches(document)),
            Filter::NotRegex(pattern) => !text(&|document| pattern.matches(document)),
        }
    }

    fn parts(&self) -> &[Filter] {
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts,
            _ => &[],
        }
    }

    /// Returns whether some part of the filter joins tests of documents and of fields with an "or".
    fn mixes(&self) -> bool {
        let any = matches!(self, Filter::Any(_));
        let texts = |on| self.parts().iter().any(|part| part.has_tests(on));
        any && texts(true) && texts(false) || self.parts().iter().any(Filter::mixes)
    }

    fn has_tests(&self, on_text: bool) -> bool {
        use Filter::*;
        match self {
            All(parts) | Any(parts) => parts.iter().any(|part| part.has_tests(on_text)),
            TextContains(_) | TextNotContains(_) | Regex(_) | NotRegex(_) => on_text,
            _ => !on_text,
        }
    }
}

/// Returns the answer of the server, or its error, if it differs from the evaluation.
fn fault(notes: &Collection, records: &[Stored], filter: &Filter) -> Option<String> {
    let expected = expected(records, filter);
    match notes.get().filter(filter.to_where()).include([]).run() {
        Ok(found) => {
            let mut ids = found.ids;
            ids.sort();
            (ids != expected).then(|| format!("expected {expected:?}\n     got {ids:?}"))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn expected(records: &[Stored], filter: &Filter) -> Vec<String> {
    let through = records
        .iter()
        .filter(|record| filter.matches_record(record));
    through.map(|record| record.id.clone()).collect()
}

/// Returns the smallest part of a filter with a wrong answer.
fn smallest<'a>(notes: &Collection, records: &[Stored], filter: &'a Filter) -> &'a Filter {
    let wrong = |part: &&Filter| fault(notes, records, part).is_some();
    match filter.parts().iter().find(wrong) {
        Some(part) => smallest(notes, records, part),
        None => filter,
    }
}

fn seed() -> u64 {
    let given = std::env::var("FILTER_SEED");
    given.map_or(1, |seed| seed.parse().unwrap())
}

#[test]
fn the_server_returns_the_records_that_match_the_filter() {
    let seed = seed();
    let mut random = Random(seed);
    let notes = Scratch::new();
    let known = Known::of(&notes);
    let records: Vec<_> = (0..RECORDS)
        .map(|number| record(&mut random, number, known.lists))
        .collect();
    notes.upsert(records.iter().map(Stored::to_record)).unwrap();

    let mut found = 0;
    for number in 0..FILTERS {
        let filter = Filter::random(&mut random, known, number % 4);
        if filter.mixes() && !known.documents_in_where {
            continue;
        }
        if fault(&notes, &records, &filter).is_some() {
            let part = smallest(&notes, &records, &filter);
            let fault = fault(&notes, &records, part).unwrap();
            panic!(
                "FILTER_SEED={seed}, filter {number}: {}\n{fault}",
                part.to_where()
            );
        }
        let expected = expected(&records, &filter);
        found += usize::from(!expected.is_empty() && expected.len() < RECORDS);
        let read: Where = filter.to_where().to_string().parse().unwrap();
        assert_eq!(read, filter.to_where());

        if number % 10 == 0 {
            let query = notes.query([1.0, 1.0]).filter(read).n_results(RECORDS);
            let hits = query.include([]).run().unwrap();
            let mut ids: Vec<_> = hits.ids().collect();
            ids.sort_unstable();
            assert_eq!(
                ids,
                expected,
                "FILTER_SEED={seed}, query {}",
                filter.to_where()
            );
        }
    }
    // Filters that match all records or none prove little.
    assert!(found > FILTERS / 3, "{found}");

    for number in 0..DELETES {
        let filter = Filter::random(&mut random, known, number % 4);
        if filter.mixes() && !known.documents_in_where {
            continue;
        }
        notes.delete().filter(filter.to_where()).run().unwrap();
        let (gone, stay): (Vec<_>, Vec<_>) = records.iter().partition(|r| filter.matches_record(r));
        let mut left = notes.get().include([]).run().unwrap().ids;
        left.sort();
        let stay: Vec<_> = stay.iter().map(|record| &record.id).collect();
        assert_eq!(
            left.iter().collect::<Vec<_>>(),
            stay,
            "FILTER_SEED={seed}, delete {}",
            filter.to_where()
        );
        notes
            .upsert(gone.into_iter().map(Stored::to_record))
            .unwrap();
    }
}

#[test]
fn filters_of_any_size_are_evaluated_or_refused() {
    let notes = Scratch::new();
    let record = |n: i64| {
        Record::new(n.to_string())
            .embedding([1.0, 0.0])
            .metadata("n", n)
    };
    notes.upsert((0..3).map(record)).unwrap();
    let n = || Key::field("n");
    let ids = |filter: Where| {
        let mut ids = notes.get().filter(filter).run().unwrap().ids;
        ids.sort();
        ids.concat()
    };
    // A server before 1.6 crashes at 5,000 conditions in one list.
    assert_eq!(
        ids(Where::all((1..5_001).map(|i| n().ne(i.to_string())))),
        "012"
    );
    assert_eq!(ids(Where::all((2..1_200).map(|i| n().ne(i)))), "01");
    assert_eq!(ids(Where::any((1..1_200).map(|i| n().eq(i)))), "12");
    assert_eq!(ids(n().is_in(1..10_000)), "12");

    let mut deep = n().eq(1);
    for _ in 0..24 {
        deep = (deep & n().gte(0)) | n().eq(2);
    }
    assert_eq!(ids(deep.clone()), "12");
    let too_deep = ((deep & n().gte(0)) | n().eq(2)) & n().gte(0);
    assert!(notes.get().filter(too_deep).run().is_err());
}
