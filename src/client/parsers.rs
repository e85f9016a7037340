//! The response parsers of the client's operations, by operation name, for the fuzz tests.

use super::capabilities::Capabilities;
use super::chroma::Chroma;
use super::info::{Database, Identity, PreFlightChecks, Tenant};
use super::request::nanoseconds;
use crate::error::Call;
use crate::fuzzing::{Parser, anything};
use crate::transport::error_of;
use crate::wire::read;

pub(crate) const PARSERS: &[Parser] = &[
    ("heartbeat", |response| nanoseconds(response).map(anything)),
    ("healthcheck", |response| read::done(response).map(anything)),
    ("version", |response| {
        read::json::<String>(response).map(anything)
    }),
    ("pre_flight_checks", |response| {
        read::json::<PreFlightChecks>(response).map(anything)
    }),
    ("identity", |response| {
        read::json::<Identity>(response).map(anything)
    }),
    ("reset", |response| read::done(response).map(anything)),
    ("create_tenant", |response| {
        read::done(response).map(anything)
    }),
    ("get_tenant", |response| {
        read::json::<Tenant>(response).map(anything)
    }),
    ("update_tenant", |response| {
        read::done(response).map(anything)
    }),
    ("list_databases", |response| {
        read::json::<Vec<Database>>(response).map(anything)
    }),
    ("create_database", |response| {
        read::done(response).map(anything)
    }),
    ("get_database", |response| {
        read::json::<Database>(response).map(anything)
    }),
    ("delete_database", |response| {
        read::done(response).map(anything)
    }),
    ("count_collections", |response| {
        read::json::<usize>(response).map(anything)
    }),
    ("delete_collection", |response| {
        read::done(response).map(anything)
    }),
    ("openapi", |response| {
        Capabilities::parse(response).map(anything)
    }),
    ("error", |response| {
        for status in [
            400, 401, 403, 404, 405, 409, 412, 413, 422, 429, 500, 501, 503,
        ] {
            let call = Call::new("get", Some("notes"));
            let _ = error_of(&Chroma, call, (status, response), &[]).to_string();
        }
        Ok(anything(()))
    }),
];
