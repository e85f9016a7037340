//! The program of the guides in `docs/`, which quote everything after this comment. It prints the content of
//! `output.txt`, like the same programs with the other clients.
#![allow(clippy::redundant_closure_for_method_calls)] // A closure needs no import.

use chroma_blocking::{Client, Error, Key, Record, Space};

fn main() -> chroma_blocking::Result<()> {
    let client = Client::from_env()?; // CHROMA_HOST, or http://localhost:8000
    let novels = client
        .collection("guide-novels")
        .metadata("shelf", "A to M")
        .space(Space::Cosine)
        .get_or_create()?;

    novels.add([
        Record::new("emma")
            .embedding([0.9, 0.1, 0.1])
            .document("A matchmaker errs in her village.")
            .metadata("year", 1815),
        Record::new("moby-dick")
            .embedding([0.1, 0.3, 0.9])
            .document("A captain hunts a whale across the sea.")
            .metadata("year", 1851),
        Record::new("dracula")
            .embedding([0.2, 0.9, 0.4])
            .document("A count crosses the sea to England.")
            .metadata("year", 1897),
    ])?;
    println!("{} novels", novels.count()?);

    let hits = novels
        .query([0.1, 0.8, 0.6])
        .filter(Key::field("year").gte(1850) & Key::document().contains("sea"))
        .n_results(2)
        .run()?;
    for hit in hits {
        let document = hit.document.unwrap_or_default();
        println!("{:.3}  {}: {document}", hit.distance, hit.id);
    }

    novels.update([Record::new("emma").metadata("read", true)])?;
    novels.upsert([Record::new("persuasion")
        .embedding([0.8, 0.1, 0.5])
        .document("A captain comes back from the sea.")
        .metadata("year", 1817)
        .metadata("read", true)])?;
    let read = novels.get().filter(Key::field("read").eq(true)).run()?;
    for row in &read {
        let year = row.metadata.get("year").and_then(|year| year.as_int());
        println!("read: {}, {}", row.id, year.unwrap_or_default());
    }

    novels.delete().filter(Key::field("year").lt(1850)).run()?;
    println!("{} novels are left", novels.count()?);

    match client.collection("guide-poems").get() {
        Err(Error::NotFound { .. }) => println!("no poems"),
        other => println!("poems: {other:?}"),
    }
    client.delete_collection("guide-novels")
}
