//! A check that several parts of a search need.

/// Refuses a number of records that a server cannot read, and 0, which finds nothing. `name` names it in the
/// error.
pub(super) fn check_count(name: &str, count: usize) -> Result<(), String> {
    match u32::try_from(count) {
        Ok(0) => Err(format!("{name} 0 finds nothing; it must be at least 1")),
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "{name} {count} is too large; it must be at most {}",
            u32::MAX
        )),
    }
}
