//! The corpus of the examples: the right document is among the first three for every question.

use std::collections::HashSet;

use chroma_blocking::Record;
use serde::Deserialize;

use crate::Scratch;

#[derive(Deserialize)]
struct Document {
    id: String,
    title: String,
    text: String,
    subject: String,
    year: i64,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    expect: String,
}

fn lines<T: for<'a> Deserialize<'a>>(file: &str) -> Vec<T> {
    file.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_right_document_is_among_the_first_three_hits() {
    let corpus: Vec<Document> = lines(include_str!("../../examples/data/corpus.jsonl"));
    let questions: Vec<Question> = lines(include_str!("../../examples/data/questions.jsonl"));
    assert!(corpus.len() >= 150, "{}", corpus.len());
    let subjects: HashSet<_> = corpus.iter().map(|document| &document.subject).collect();
    assert!(subjects.len() >= 4, "{subjects:?}");

    let notes = Scratch::hashing();
    let records = corpus.iter().map(|document| {
        Record::new(&document.id)
            .document(&document.text)
            .metadata("title", &document.title)
            .metadata("year", document.year)
    });
    notes.upsert(records).unwrap();

    let texts: Vec<&str> = questions.iter().map(|q| q.question.as_str()).collect();
    let answers = notes.query_many(texts).n_results(3).run().unwrap();
    for (question, hits) in questions.iter().zip(&answers) {
        let ids: Vec<_> = hits.ids().collect();
        assert!(
            ids.contains(&question.expect.as_str()),
            "{}: {ids:?}",
            question.question
        );
    }
}
