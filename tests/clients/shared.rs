//! A collection that this crate and another client use.

use chroma_blocking::embed::HttpFunction;
use chroma_blocking::serde_json::Value;
use chroma_blocking::{Client, Collection, Include, Record};

use crate::Outcome;
use crate::cases::{Case, Made};
use crate::other::Other;
use crate::providers::Providers;
use crate::support::{builder, server};

const DOCUMENTS: [(&str, &str); 3] = [
    ("rust", "The borrow checker refuses a second reference"),
    ("eggs", "Whisk the eggs with sugar until they are pale"),
    ("saturn", "The telescope shows the rings of Saturn"),
];
const QUESTION: &str = "rings of Saturn in a telescope";
const ANSWER: &str = "saturn";

/// The documents that the other client adds: a new one, and the first one once more.
const LATER: [(&str, &str); 2] = [
    ("granite", "Granite cools slowly, deep below the ground"),
    ("rust again", DOCUMENTS[0].1),
];
const LATER_QUESTION: &str = "slowly cooling granite";
const LATER_ANSWER: &str = "granite";

/// A collection that this crate and another client use.
pub struct Shared<'a> {
    case: &'a Case,
    chroma: Client,
    providers: &'a Providers,
    name: String,
}

impl<'a> Shared<'a> {
    pub fn new(case: &'a Case, providers: &'a Providers) -> Shared<'a> {
        // Without this, no key goes to the stand-in, whose address is among the settings.
        let chroma = builder(server::client().url()).allow_embedding_host("127.0.0.1");
        Shared {
            case,
            chroma: chroma.build().unwrap(),
            providers,
            name: server::unique_name(),
        }
    }

    /// The other client makes the collection, this crate opens it and writes to it, and the other one finds what
    /// was written.
    pub fn made_there(&self, other: &mut Other, made: &Made) -> Outcome {
        other.make(&self.name, made, &DOCUMENTS)?;
        let collection = self.open()?;
        equal(stored(&collection).0, made.stored_name)?;
        finds(&collection, QUESTION, ANSWER)?;
        collection.upsert(LATER.map(record))?;
        check_vectors(&collection, true)?;
        let found = other.query(&self.name, LATER_QUESTION)?;
        equal(found, LATER_ANSWER)?;

        // The same function in code must not conflict, and must keep the name.
        let named = self.chroma.collection(&self.name);
        let named = named
            .embedding_function((self.case.here)())
            .get_or_create()?;
        let changed = named
            .modify()
            .embedding_function((self.case.here)())
            .run()?;
        equal(stored(&changed).0, made.stored_name)?;
        finds(&changed, QUESTION, ANSWER)?;
        let found = other.query(&self.name, LATER_QUESTION)?;
        equal(found, LATER_ANSWER)
    }

    /// This crate makes the collection, the other client opens it and writes to it, and this crate finds what
    /// was written.
    pub fn made_here(&self, other: &mut Other, made: &Made) -> Outcome {
        let collection = self.chroma.collection(&self.name);
        let collection = collection.embedding_function((self.case.here)()).create()?;
        collection.upsert(DOCUMENTS.map(record))?;
        let found = other.query(&self.name, QUESTION)?;
        equal(found, ANSWER)?;
        other.write(&self.name, &LATER)?;
        check_vectors(&collection, !self.case.is_prefixed)?;
        finds(&self.open()?, LATER_QUESTION, LATER_ANSWER)?;
        let found = other.query_with(&self.name, made, LATER_QUESTION)?;
        equal(found, LATER_ANSWER)
    }

    /// Opens the collection by its name. If its function would call the provider's own address, the function is
    /// made from the stored settings, with the address of the stand-in.
    fn open(&self) -> Outcome<Collection> {
        let collection = self.chroma.collection(&self.name).get()?;
        let Some(base_url) = self.case.base_url else {
            return Ok(collection);
        };
        let (name, config) = stored(&collection);
        let function = HttpFunction::from_config(name, config)?;
        let function = function.base_url(self.providers.at(base_url)).build()?;
        let collection = self.chroma.collection(&self.name);
        Ok(collection.embedding_function(function).get()?)
    }
}

/// Checks that a client finds a document in a collection that another one makes.
pub fn found_by(client: &mut Other, maker: &mut Other, made: &Made) -> Outcome {
    let name = server::unique_name();
    maker.make(&name, made, &DOCUMENTS)?;
    let found = client.query(&name, QUESTION)?;
    equal(found, ANSWER)
}

fn record((id, text): (&str, &str)) -> Record {
    Record::new(id).document(text)
}

fn equal(found: impl AsRef<str>, expected: &str) -> Outcome {
    match found.as_ref() {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?}, not {expected:?}").into()),
    }
}

/// The name and the settings of a collection's function.
fn stored(collection: &Collection) -> (&str, &Value) {
    let function = collection.configuration().embedding_function.as_ref();
    let function = function.expect("every case has a function");
    let name = function.name.as_deref();
    (
        name.unwrap_or_default(),
        function.config.as_ref().unwrap_or(&Value::Null),
    )
}

fn finds(collection: &Collection, question: &str, answer: &str) -> Outcome {
    let found = collection.query(question).n_results(1).run()?;
    equal(found.first().map_or("", |hit| &hit.id), answer)
}

/// Checks whether both clients have made the same vector of the same text.
fn check_vectors(collection: &Collection, is_same: bool) -> Outcome {
    let got = collection.get().ids([DOCUMENTS[0].0, LATER[1].0]);
    let got = got.include([Include::Embeddings]).run()?;
    let vectors: Vec<_> = got.iter().filter_map(|record| record.embedding).collect();
    let [one, other] = vectors[..] else {
        return Err(format!("{} vectors, not 2", vectors.len()).into());
    };
    // The same except for rounding: some clients scale vectors to unit length.
    let is_near = |(one, other): (&f32, &f32)| (one - other).abs() < 1e-6;
    let found_same = one.len() == other.len() && one.iter().zip(other).all(is_near);
    if found_same == is_same {
        return Ok(());
    }
    let start = |vector: &[f32]| format!("{:?}… ({} floats)", &vector[..4], vector.len());
    let (one, other) = (start(one), start(other));
    Err(format!("the vectors of a text are {one} and {other}; same: {found_same}").into())
}
