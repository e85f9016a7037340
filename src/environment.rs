//! [`Environment`]: the environment variables, which tests can replace.

use std::ffi::OsString;

use crate::invalid::InvalidInput;

/// The environment variables of this process, or those of a test. Setting real ones is unsafe in a program
/// with threads.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<OsString>);

#[cfg(test)]
impl<'a> Environment<'a> {
    pub(crate) fn of(variables: &'a dyn Fn(&str) -> Option<OsString>) -> Environment<'a> {
        Environment(variables)
    }
}

impl Environment<'_> {
    pub(crate) fn of_process() -> Environment<'static> {
        Environment(&|name| std::env::var_os(name))
    }

    /// Returns the trimmed value of a variable; `None` if it is not set or empty.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value is not Unicode.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<String>, InvalidInput> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        // The value is not shown, since it may be a key or contain a password.
        let value = value
            .into_string()
            .map_err(|_| InvalidInput::setting(name, "<hidden>", "it is not valid Unicode"))?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    /// Returns the trimmed value of any variable; `None` if it is not set, empty or not Unicode.
    #[cfg(feature = "gemini")]
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.into_string().ok()?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Returns the value of a variable as a whole number.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value is not a whole number of 0 or more.
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
