//! Calls that exceed what a server accepts or returns in one request.

use std::collections::HashSet;

use chroma_blocking::{
    Error, Include, InvalidInput, Key, Metadata, MetadataValue, Record, Result, Where,
};

use crate::{Scratch, client, reason, stores_lists, version};

/// The number of records: more than a single-node server returns with metadata in one request.
const MANY: usize = 33_000;

fn id(index: usize) -> String {
    format!("{index:05}")
}

/// Creates a collection of many small records, in ascending order of their only number.
fn many() -> Scratch {
    let many = Scratch::new();
    let record = |index| {
        let record = Record::new(id(index)).embedding([index as f32]);
        record.metadata("k", index as i64)
    };
    let records: Vec<Record> = (0..MANY).map(record).collect();
    many.add(&records).unwrap();
    many
}

/// Asserts that these are the records from one index to another, in their order, with their metadata.
#[track_caller]
fn assert_records(found: &chroma_blocking::GetResult, range: std::ops::Range<usize>) {
    assert_eq!(found.len(), range.len());
    for (record, index) in found.iter().zip(range) {
        assert_eq!(record.id, id(index));
        let k = record.metadata.get("k").and_then(MetadataValue::as_int);
        assert_eq!(k, Some(index as i64));
    }
}

#[test]
fn field_01_and_02_reads_and_deletes_of_33_000_records_are_split() {
    let many = many();
    let k = || Key::field("k");

    // Reads without a limit, and with a limit, an offset and a filter that all records pass.
    assert_records(&many.get().run().unwrap(), 0..MANY);
    let all_pass = many.get().filter(k().gte(0)).include([Include::Metadatas]);
    let page = all_pass.offset(1_000).limit(31_500).run().unwrap();
    assert_records(&page, 1_000..32_500);

    // Queries: the hits keep their order and their distances.
    let hits = many.query([-1.0]).n_results(MANY).run().unwrap();
    assert_eq!(hits.len(), MANY);
    for (index, hit) in hits.iter().enumerate() {
        assert_eq!(hit.id, id(index));
        let distance = (index as f32 + 1.0).powi(2);
        assert!((hit.distance - distance).abs() <= distance * 1e-5);
        let found = hit.metadata.get("k").and_then(MetadataValue::as_int);
        assert_eq!(found, Some(index as i64));
    }
    let questions: Vec<Vec<f32>> = (0..20).map(|_| vec![-1.0]).collect();
    let results = many.query_many(&questions).n_results(1_800).run().unwrap();
    assert_eq!(results.len(), 20);
    for hits in &results {
        assert_eq!(hits[..], results[0][..]);
        assert_eq!((hits.len(), hits[1_799].id.as_str()), (1_800, "01799"));
    }

    // Lists of values.
    let values = || 0..40_000_i64;
    let ids = |found: chroma_blocking::GetResult| found.ids.into_iter().collect::<HashSet<_>>();
    let found = many.get().filter(k().is_in(values())).include([]).run();
    let found = found.unwrap();
    assert_eq!(found.len(), MANY);
    assert_eq!(ids(found).len(), MANY);
    let both = k().is_in(values()) & k().lt(5);
    assert_eq!(many.get().filter(both).run().unwrap().len(), 5);
    for refused in [
        reason(many.get().filter(k().not_in(values())).run()),
        reason(many.get().filter(k().is_in(values())).limit(5).run()),
        reason(many.get().filter(k().is_in(values()) | k().eq(-1)).run()),
        reason(many.query([0.0]).filter(k().is_in(values())).run()),
        reason(many.delete().filter(k().not_in(values())).run()),
        reason(many.delete().filter(k().is_in(values())).limit(5).run()),
        reason(
            many.scan()
                .filter(k().is_in(values()))
                .collect::<Result<Vec<_>>>(),
        ),
    ] {
        let message = refused.to_string();
        assert!(
            message.contains("40000 values") || message.contains("40001 values"),
            "{message}"
        );
        assert!(message.len() < 1_000, "{}", message.len());
    }
    let all_ids: Vec<String> = (0..40_000).map(id).collect();
    let found = many.get().ids(&all_ids).include([]).run().unwrap();
    assert_eq!(found.len(), MANY);
    let message = reason(many.query([0.0]).ids(&all_ids).filter(k().gte(0)).run()).to_string();
    assert!(message.contains("40000 ids"), "{message}");

    let delete = many.delete().filter(k().is_in(1..40_000_i64));
    if version() == "1.0.0" {
        // This server deletes at most 5,461 records by a filter.
        let error = delete.run().unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        many.delete().ids(&all_ids[1..]).run().unwrap();
    } else {
        assert_eq!(delete.run().unwrap(), Some(MANY - 1));
    }
    assert_eq!(many.get().run().unwrap().ids, ["00000"]);
}

#[test]
fn field_02_the_largest_lists_that_are_sent_in_one_request_are_accepted() {
    let points = Scratch::new();
    let record = |id: &str| Record::new(id).embedding([1.0]).document(id);
    points.add([record("x").metadata("k", 1)]).unwrap();
    let texts: Vec<String> = (0..32_699).map(|i| i.to_string()).collect();
    for filter in [
        Key::field("k").is_in(0..16_349),
        Key::field("k").not_in(texts.clone()),
        Key::field("k").is_in(0..16_000) & Key::document().contains("x"),
        Where::any((0..60).map(|i| Key::field("k").eq(f64::from(i)))),
        Key::document().contains("x") & Key::document().not_contains("y".repeat(49_998)),
    ] {
        assert_eq!(points.get().filter(filter.clone()).run().unwrap().len(), 1);
        let hits = points.query([0.0]).filter(filter.clone()).run().unwrap();
        assert_eq!(hits.len(), 1);
    }
    let ids = (0..20_000).map(|i| i.to_string()).chain(["x".to_owned()]);
    let found = points
        .get()
        .ids(ids)
        .filter(Key::field("k").is_in(0..16_000));
    assert_eq!(found.run().unwrap().ids, ["x"]);
    let found = points.get().ids("x").filter(Key::field("k").not_in(texts));
    assert!(matches!(reason(found.run()), InvalidInput::Filter { .. }));
    let long = reason(
        points
            .get()
            .filter(Key::document().contains("y".repeat(50_000)))
            .run(),
    );
    assert!(long.to_string().contains("50000 bytes"), "{long}");
}

#[test]
fn field_24_records_and_collections_that_would_break_the_server_are_refused() {
    let points = Scratch::new();
    let ones = |len: usize| MetadataValue::from(vec![1_i64; len]);
    let record = || Record::new("x").embedding([1.0]);
    let keys = |len: usize| (0..len).map(|i| (format!("k{i}"), i as i64));
    let nulls = |len: usize| (0..len).map(|i| (format!("k{i}"), MetadataValue::Null));

    let mut refused = vec![
        (
            record().metadata("l", ones(5_462)),
            "key \"l\": the lists of the record have 5462 values in total (this one 5462)",
        ),
        (
            record()
                .metadata("a", ones(3_000))
                .metadata("b", ones(3_001)),
            "key \"b\": the lists of the record have 6001 values in total (this one 3001)",
        ),
        (record().metadatas(keys(5_462)), "it has 5462 keys"),
        (record().metadatas(keys(5_461)).uri("u"), "it has 5461 keys"),
    ];
    refused.push((
        record().metadatas(keys(5_460)).uri("u").document("d"),
        "it has 5460 keys",
    ));
    for (record, expected) in &refused {
        for write in [
            chroma_blocking::Collection::add,
            chroma_blocking::Collection::upsert,
        ] {
            let message = reason(write(&points, [record.clone()])).to_string();
            assert!(message.contains(expected), "{message}");
        }
        let message = reason(points.update([record])).to_string();
        assert!(message.contains("record \"x\""), "{message}");
        let mut transaction = points.transaction();
        assert!(matches!(
            reason(transaction.add([record])),
            InvalidInput::Metadata { .. }
        ));
    }
    let too_many = record().metadatas(nulls(32_766));
    let message = reason(points.upsert([too_many])).to_string();
    assert!(message.contains("removes 32766 keys"), "{message}");

    // The largest records that a server stores.
    let mut fit = vec![
        record().metadatas(keys(5_459)).uri("u").document("d"),
        record().metadatas(nulls(32_765)),
    ];
    if stores_lists() {
        fit.push(
            record()
                .metadata("a", ones(2_461))
                .metadata("b", ones(3_000)),
        );
    }
    for record in fit {
        points.upsert([record]).unwrap();
        assert_eq!(points.count().unwrap(), 1);
    }

    let keys = |len: usize| keys(len).collect::<Metadata>();
    let name = points.name();
    let created = client().collection(format!("{name}-2"));
    let created = (0..5_462).fold(created, |created, i| created.metadata(format!("k{i}"), i));
    for reason in [
        reason(points.modify().metadata(keys(5_462)).run()),
        reason(created.create()),
    ] {
        assert!(reason.to_string().contains("5462 keys"), "{reason}");
    }
    let changed = points.modify().metadata(keys(5_461)).run().unwrap();
    assert_eq!(changed.metadata().len(), 5_461);
}
