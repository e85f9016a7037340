//! [`Environment`]: the variables of this process, in a form that tests can fill.

use crate::error::InvalidInput;

/// Environment variables, or what a test says they are: setting real ones is not safe among threads.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    pub(crate) fn of_process() -> Environment<'static> {
        Environment(&|name| std::env::var(name).ok())
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &'a dyn Fn(&str) -> Option<String>) -> Environment<'a> {
        Environment(variables)
    }

    /// A variable that is set to something.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, InvalidInput> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| InvalidInput::Setting {
            name,
            value,
            why: "it must be a whole number of 0 or more".to_owned(),
        })
    }
}
