//! Collections of a real server.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::{Collection, Error, Record, Space};

use crate::support::server;
use crate::{mini_lm, small};

/// Documents, and for each a question that has no word in common with any of them.
pub const TOPICS: [(&str, &str); 6] = [
    (
        "Whisk eggs with sugar until pale, then bake for an hour",
        "how do I make a cake?",
    ),
    (
        "The telescope shows the rings of Saturn",
        "astronomy & planets",
    ),
    (
        "Our cat chased a mouse under the sofa",
        "pets hunting rodents",
    ),
    (
        "The borrow checker refuses a second mutable reference",
        "Rust compile errors",
    ),
    (
        "Interest rates rose, so mortgages became expensive",
        "what does it cost to buy your home?",
    ),
    (
        "The goalkeeper saved two penalties in the final",
        "who won at football?",
    ),
];

/// Makes a collection with Chroma's default function, unless the model cannot be had.
fn collection() -> Option<Collection> {
    let (onnx, _) = mini_lm()?;
    let collection = server::client().collection(server::unique_name());
    Some(collection.embedding_function(onnx).create().unwrap())
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    words
        .filter(|word| word.len() > 1)
        .map(str::to_lowercase)
        .collect()
}

#[test]
fn questions_find_documents_without_a_word_in_common() {
    let Some(collection) = collection() else {
        return;
    };
    let documents = TOPICS.iter().enumerate();
    let documents =
        documents.map(|(id, (document, _))| Record::new(id.to_string()).document(*document));
    collection.add(documents.collect::<Vec<_>>()).unwrap();
    for (id, (_, question)) in TOPICS.iter().enumerate() {
        let found = collection.query(*question).n_results(1).run().unwrap();
        assert_eq!(found.first().unwrap().id, id.to_string(), "{question}");
        for (document, _) in TOPICS {
            let document = words(document);
            let shared = words(question)
                .into_iter()
                .find(|word| document.contains(word));
            assert_eq!(shared, None, "{question} and {document:?}");
        }
    }
}

#[test]
fn a_collection_stores_chromas_default_function() {
    let Some(collection) = collection() else {
        return;
    };
    let configuration = collection.configuration();
    let function = configuration.embedding_function.as_ref().unwrap();
    assert_eq!(function.name.as_deref(), Some("default"));
    assert_eq!(collection.space(), Some(Space::L2));
}

#[test]
fn a_cancelled_call_of_a_collection_writes_nothing() {
    let collection = server::client().collection(server::unique_name());
    let collection = collection.embedding_function(small::function());
    let collection = collection.create().unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    let reports = Arc::new(Mutex::new(Vec::new()));
    let (raise, seen) = (flag.clone(), reports.clone());
    let cancelled = collection.with_cancel(flag).with_progress(move |progress| {
        seen.lock().unwrap().push(progress.to_string());
        raise.store(true, Ordering::Relaxed);
    });
    let records: Vec<_> = (0..)
        .zip(small::texts(300))
        .map(|(id, text): (usize, _)| Record::new(id.to_string()).document(text))
        .collect();
    let error = cancelled.add(records).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
    assert_eq!(collection.count().unwrap(), 0);
    let reports = reports.lock().unwrap();
    assert!(
        reports.iter().all(|line| line.contains(" of 300 embedded")),
        "{reports:?}"
    );
    assert_eq!(reports.len(), 1, "{reports:?}");
}
