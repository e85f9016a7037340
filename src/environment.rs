//! [`Environment`]: the variables of this process, in a form that tests can fill.

use std::ffi::OsString;

use crate::invalid::InvalidInput;

/// Environment variables, or what a test says they are: setting real ones is not safe among threads.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl<'a> Environment<'a> {
    pub(crate) fn of_process() -> Environment<'static> {
        Environment(&|name| std::env::var_os(name))
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &'a dyn Fn(&str) -> Option<OsString>) -> Environment<'a> {
        Environment(variables)
    }

    /// A variable that is set to something. One that is no text counts as wrong, not as absent.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<String>, InvalidInput> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        let value = value.into_string().map_err(|value| {
            InvalidInput::setting(name, value.to_string_lossy(), "it is not valid Unicode")
        })?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    /// A variable whose name is not ours, if it holds a text.
    #[cfg(feature = "gemini")]
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.into_string().ok()?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, InvalidInput> {
        let Some(value) = self.get(name)? else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(InvalidInput::setting(
                name,
                value,
                "it must be a whole number of 0 or more",
            )),
        }
    }
}
