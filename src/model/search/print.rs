//! Prints a part of a search as JSON.

use std::fmt;

use serde::Serialize;

pub(super) fn as_json(value: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let json = serde_json::to_string(value).map_err(|_| fmt::Error)?;
    f.write_str(&json)
}
