//! Prints a part of a search as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::printable::Escaping;

pub(super) fn as_json(value: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let json = serde_json::to_string(value).map_err(|_| fmt::Error)?;
    Escaping(f).write_str(&json)
}
