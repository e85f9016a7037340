//! [`Capabilities`]: features of a server that its OpenAPI description reveals.

use serde::Deserialize;
use serde_json::Value;

use crate::wire::read;

/// Features that a server may lack without refusing requests that use them.
///
/// The client detects them by the names of the schemas in the server's OpenAPI description, which are names
/// of types in the server's source. A server with other schema names is assumed to support every feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// A metadata value may be a list. Other servers apply `$contains` on a field to the document instead.
    pub(crate) metadata_lists: bool,
    /// Sparse vectors are accepted, or refused with an error. Chroma 1.0.21 and 1.1 fail on the first sparse
    /// vector, and on every later request.
    pub(crate) sparse_vectors: bool,
    /// `delete` accepts a limit. Other servers ignore it and delete every record that passes the filter.
    pub(crate) delete_limit: bool,
}

impl Capabilities {
    /// Parses the OpenAPI description.
    pub(super) fn parse(response: &[u8]) -> Result<Capabilities, String> {
        #[derive(Deserialize)]
        struct OpenApi {
            components: Value,
        }

        let open_api: OpenApi = read::json(response)?;
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

    fn parse(schemas: &str) -> Capabilities {
        let open_api = format!(r#"{{"components":{{"schemas":{schemas}}}}}"#);
        Capabilities::parse(open_api.as_bytes()).unwrap()
    }

    fn capabilities(
        metadata_lists: bool,
        sparse_vectors: bool,
        delete_limit: bool,
    ) -> Capabilities {
        Capabilities {
            metadata_lists,
            sparse_vectors,
            delete_limit,
        }
    }

    #[test]
    fn schemas_reveal_the_capabilities_of_each_version() {
        let scalars = r#""HashMap":{"oneOf":[{"type":"string"}]}"#;
        let sparse = r##""HashMap":{"oneOf":[{"$ref":"#/components/schemas/SparseVector"}]}"##;
        let lists = r##""HashMap":{"oneOf":[{"$ref":"#/components/schemas/SparseVector"},{"items":{},"type":"array"}]}"##;
        let delete = r#""DeleteCollectionRecordsPayload":{"properties":{"ids":{}}}"#;
        let limit = r#""DeleteCollectionRecordsPayload":{"properties":{"limit":{}}}"#;
        let schema = r#""Schema":{}"#;
        // Chroma 1.0.0, 1.0.21, 1.3.7 and 1.5.9, and a server with other names for all types.
        assert_eq!(
            parse(&format!("{{{scalars},{delete}}}")),
            capabilities(false, true, false)
        );
        assert_eq!(
            parse(&format!("{{{sparse},{delete}}}")),
            capabilities(false, false, false)
        );
        assert_eq!(
            parse(&format!("{{{sparse},{delete},{schema}}}")),
            capabilities(false, true, false)
        );
        assert_eq!(
            parse(&format!("{{{lists},{limit},{schema}}}")),
            capabilities(true, true, true)
        );
        assert_eq!(parse("{}"), capabilities(true, true, true));
        assert!(Capabilities::parse(b"<html>").is_err());
    }
}
