//! The parsers of the answers to a client's operations, by the operation's name, for the fuzz tests.

use super::chroma::Chroma;
use super::{Capabilities, Database, Identity, PreFlightChecks, Tenant, nanoseconds};
use crate::error::Call;
use crate::fuzzing::{Parser, anything};
use crate::transport::{Dialect, Refusal};
use crate::wire::read;

pub(crate) const PARSERS: &[Parser] = &[
    ("heartbeat", |answer| nanoseconds(answer).map(anything)),
    ("healthcheck", |answer| read::done(answer).map(anything)),
    ("version", |answer| {
        read::json::<String>(answer).map(anything)
    }),
    ("pre_flight_checks", |answer| {
        read::json::<PreFlightChecks>(answer).map(anything)
    }),
    ("identity", |answer| {
        read::json::<Identity>(answer).map(anything)
    }),
    ("reset", |answer| read::done(answer).map(anything)),
    ("create_tenant", |answer| read::done(answer).map(anything)),
    ("get_tenant", |answer| {
        read::json::<Tenant>(answer).map(anything)
    }),
    ("update_tenant", |answer| read::done(answer).map(anything)),
    ("list_databases", |answer| {
        read::json::<Vec<Database>>(answer).map(anything)
    }),
    ("create_database", |answer| read::done(answer).map(anything)),
    ("get_database", |answer| {
        read::json::<Database>(answer).map(anything)
    }),
    ("delete_database", |answer| read::done(answer).map(anything)),
    ("count_collections", |answer| {
        read::json::<usize>(answer).map(anything)
    }),
    ("delete_collection", |answer| {
        read::done(answer).map(anything)
    }),
    ("openapi", |answer| Capabilities::read(answer).map(anything)),
    ("error", |answer| {
        for status in [
            400, 401, 403, 404, 405, 409, 412, 413, 422, 429, 500, 501, 503,
        ] {
            let refusal = Refusal {
                call: Box::new(Call::new("get", Some("notes"))),
                status,
                retry_after: None,
                body: answer.to_vec(),
            };
            let _ = Chroma.error(refusal).to_string();
        }
        Ok(anything(()))
    }),
];
