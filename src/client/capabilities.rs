//! [`Capabilities`]: what a server's OpenAPI description says of features that no other answer tells.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::read;

/// What a server can do, where some servers take the request and quietly do something else.
///
/// It goes by the schemas, whose names are those of types in the server's code: a server that calls them otherwise is newer
/// than all that have these faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// A metadata value may be a list. Servers without take `$contains` on a field for one on the document.
    pub(crate) metadata_lists: bool,
    /// Sparse vectors are known well enough to be refused, at least: servers of Chroma 1.0.21 and 1.1 fail on the first one,
    /// and on everything after it.
    pub(crate) sparse_vectors: bool,
    /// A deletion may be limited. Servers without ignore the limit, and delete everything that the filter meets.
    pub(crate) delete_limit: bool,
}

impl Capabilities {
    /// Reads the description.
    pub(super) fn read(answer: &[u8]) -> Result<Capabilities, String> {
        #[derive(Deserialize)]
        struct OpenApi {
            components: Value,
        }

        let open_api: OpenApi = read::json(answer)?;
        let schema = |name: &str| Some(open_api.components["schemas"].get(name)?.to_string());
        let metadata = schema("HashMap");
        let metadata_has = |part: &str| metadata.as_ref().map(|schema| schema.contains(part));
        Ok(Capabilities {
            metadata_lists: metadata_has(r#""type":"array""#).unwrap_or(true),
            sparse_vectors: metadata_has("SparseVector") != Some(true)
                || schema("Schema").is_some(),
            delete_limit: schema("DeleteCollectionRecordsPayload")
                .is_none_or(|schema| schema.contains(r#""limit""#)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schemas: &str) -> Capabilities {
        let open_api = format!(r#"{{"components":{{"schemas":{schemas}}}}}"#);
        Capabilities::read(open_api.as_bytes()).unwrap()
    }

    fn can(metadata_lists: bool, sparse_vectors: bool, delete_limit: bool) -> Capabilities {
        Capabilities {
            metadata_lists,
            sparse_vectors,
            delete_limit,
        }
    }

    #[test]
    fn servers_are_told_apart_by_their_schemas() {
        let scalars = r#""HashMap":{"oneOf":[{"type":"string"}]}"#;
        let sparse = r##""HashMap":{"oneOf":[{"$ref":"#/components/schemas/SparseVector"}]}"##;
        let lists = r##""HashMap":{"oneOf":[{"$ref":"#/components/schemas/SparseVector"},{"items":{},"type":"array"}]}"##;
        let delete = r#""DeleteCollectionRecordsPayload":{"properties":{"ids":{}}}"#;
        let limit = r#""DeleteCollectionRecordsPayload":{"properties":{"limit":{}}}"#;
        let schema = r#""Schema":{}"#;
        // 1.0.0, 1.0.21, 1.3.7 and 1.5.9, and one that has other names for all of it.
        assert_eq!(
            read(&format!("{{{scalars},{delete}}}")),
            can(false, true, false)
        );
        assert_eq!(
            read(&format!("{{{sparse},{delete}}}")),
            can(false, false, false)
        );
        assert_eq!(
            read(&format!("{{{sparse},{delete},{schema}}}")),
            can(false, true, false)
        );
        assert_eq!(
            read(&format!("{{{lists},{limit},{schema}}}")),
            can(true, true, true)
        );
        assert_eq!(read("{}"), can(true, true, true));
        assert!(Capabilities::read(b"<html>").is_err());
    }
}
