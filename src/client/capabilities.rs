//! [`Capabilities`]: features of a server that its OpenAPI description reveals.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::accepted::Accepted;
use crate::wire::read;

/// A feature that a server may lack without refusing requests that use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    MetadataLists,
    SparseVectors,
    DeleteLimit,
}

impl Feature {
    /// Returns the name that messages show.
    pub(super) fn name(self) -> &'static str {
        match self {
            Feature::MetadataLists => "filters on lists in metadata",
            Feature::SparseVectors => "sparse vectors in metadata",
            Feature::DeleteLimit => "a delete with a limit",
        }
    }

    /// Returns the reason why a request with the feature is not sent to a server that lacks it.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Feature::MetadataLists => {
                "it would search the document instead of the field; lists in metadata need Chroma 1.5"
            }
            Feature::SparseVectors => {
                "it would break on sparse vectors, and fail on every later request"
            }
            Feature::DeleteLimit => {
                "it would ignore the limit and delete all selected records; limits need Chroma 1.5"
            }
        }
    }
}

/// The features of a server.
///
/// The client detects them by the names of the schemas in the server's OpenAPI description, which are names
/// of types in the server's source. A server with other schema names is assumed to support every feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Capabilities {
    /// A metadata value may be a list. Other servers apply `$contains` on a field to the document instead.
    metadata_lists: bool,
    /// Sparse vectors are accepted, or refused with an error. Chroma 1.0.21 and 1.1 fail on the first sparse
    /// vector, and on every later request.
    sparse_vectors: bool,
    /// `delete` accepts a limit. Other servers ignore it and delete every record that passes the filter.
    delete_limit: bool,
    /// The settings of a new collection that the server knows. `None`: all of them.
    accepted: Option<Accepted>,
}

impl Capabilities {
    /// The capabilities of a server that supports every feature.
    pub(super) const ALL: Capabilities = Capabilities {
        metadata_lists: true,
        sparse_vectors: true,
        delete_limit: true,
        accepted: None,
    };

    /// Returns the settings of a new collection that the server knows. `None`: all of them.
    pub(crate) fn accepted(&self) -> Option<&Accepted> {
        self.accepted.as_ref()
    }

    pub(super) fn include(&self, feature: Feature) -> bool {
        match feature {
            Feature::MetadataLists => self.metadata_lists,
            Feature::SparseVectors => self.sparse_vectors,
            Feature::DeleteLimit => self.delete_limit,
        }
    }

    /// Parses the OpenAPI description.
    pub(super) fn parse(response: &[u8]) -> Result<Capabilities, String> {
        #[derive(Deserialize)]
        struct OpenApi {
            components: Value,
            #[serde(default)]
            paths: Map<String, Value>,
        }

        let open_api: OpenApi = read::json(response)?;
        // A gateway may publish the description of another API under the same path.
        let mut paths = open_api.paths.keys();
        if paths.len() > 0 && !paths.any(|path| path.starts_with("/api/v2/")) {
            return Err("it does not describe Chroma's API".to_owned());
        }
        let schema = |name: &str| Some(open_api.components["schemas"].get(name)?.to_string());
        let metadata = schema("HashMap");
        let metadata_has = |part: &str| metadata.as_ref().map(|schema| schema.contains(part));
        Ok(Capabilities {
            metadata_lists: metadata_has(r#""type":"array""#).unwrap_or(true),
            sparse_vectors: metadata_has("SparseVector") != Some(true)
                || schema("Schema").is_some(),
            delete_limit: schema("DeleteCollectionRecordsPayload")
                .is_none_or(|schema| schema.contains(r#""limit""#)),
            accepted: Accepted::of(&open_api.components["schemas"]),
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
            accepted: None,
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
        assert_eq!(parse("{}"), Capabilities::ALL);
        assert!(Capabilities::parse(b"<html>").is_err());
    }

    #[test]
    fn field_06_the_description_of_a_gateway_is_not_taken_for_that_of_chroma() {
        let described = |paths: &str| {
            let description = format!(r#"{{"paths":{paths},"components":{{"schemas":{{}}}}}}"#);
            Capabilities::parse(description.as_bytes())
        };
        assert_eq!(
            described(r#"{"/api/v2/heartbeat":{}}"#),
            Ok(Capabilities::ALL)
        );
        assert_eq!(described("{}"), Ok(Capabilities::ALL));
        let error = described(r#"{"/items/{item_id}":{}}"#).unwrap_err();
        assert_eq!(error, "it does not describe Chroma's API");
    }
}
