//! Values that a server returns about itself, the user, tenants and databases.

use serde::Deserialize;

/// The limits that a server publishes; see [`Client::pre_flight_checks`](crate::Client::pre_flight_checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PreFlightChecks {
    /// The maximum number of records in one request. Larger calls are split into several requests.
    pub max_batch_size: usize,
    /// Whether the server accepts vectors in base64. `false` for servers before Chroma 1.0.21, which have no
    /// such field.
    #[serde(default)]
    pub supports_base64_encoding: bool,
}

/// The user that a client's key belongs to; see [`Client::identity`](crate::Client::identity).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The id of the user. Empty on a server without authentication.
    #[serde(default)]
    pub user_id: String,
    /// The user's tenant.
    pub tenant: String,
    /// The databases that the user may open.
    #[serde(default)]
    pub databases: Vec<String>,
}

/// A tenant: the owner of databases.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Tenant {
    /// The name.
    pub name: String,
    /// The name in Chroma Resource Names (see
    /// [`Client::collection_by_crn`](crate::Client::collection_by_crn)), if the tenant has one.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// A database of a tenant: the owner of collections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Database {
    /// The id, a UUID that the server assigned.
    pub id: String,
    /// The name.
    pub name: String,
    /// The name of the tenant.
    pub tenant: String,
}
