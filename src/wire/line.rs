//! Writes a record as a line of JSON Lines, the format of exports.

use super::write::{floats, key, member};
use crate::model::record::RecordRef;

/// Appends `{"id":…,"document":…,"uri":…,"metadata":{…},"embedding":[…]}` and a line break. Missing fields
/// are left out. Floats survive the round trip exactly.
pub(crate) fn record(to: &mut Vec<u8>, row: RecordRef<'_>) {
    to.push(b'{');
    member(to, "id", row.id);
    if let Some(document) = row.document {
        member(to, "document", document);
    }
    if let Some(uri) = row.uri {
        member(to, "uri", uri);
    }
    if !row.metadata.is_empty() {
        member(to, "metadata", row.metadata);
    }
    // Last, because it is so long that readers would overlook what follows it.
    if let Some(embedding) = row.embedding {
        key(to, "embedding");
        floats(to, embedding);
    }
    to.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{AsRecord, Record};

    #[test]
    fn missing_fields_are_left_out() {
        let full = Record::new("\"1\"")
            .document("two\nlines")
            .metadata("k", 2.0)
            .uri("u")
            .embedding([0.5, -0.0]);
        let mut to = Vec::new();
        record(&mut to, full.as_record());
        record(&mut to, Record::new("2").as_record());
        let lines = concat!(
            r#"{"id":"\"1\"","document":"two\nlines","uri":"u","metadata":{"k":2.0},"embedding":[0.5,-0.0]}"#,
            "\n{\"id\":\"2\"}\n"
        );
        assert_eq!(String::from_utf8(to).unwrap(), lines);
    }
}
