//! [`Key`]: the API key of a provider, and the variable that holds it.

use ureq::http::HeaderValue;

use super::options::Options;
use crate::environment::{self, Environment};
use crate::error::InvalidInput;
use crate::invalid::HIDDEN;
use crate::transport;

/// An API key.
pub(in crate::embed) struct Key {
    /// The variable that a stored configuration names.
    pub(in crate::embed) variable: Option<String>,
    /// The variable or setting that the key came from.
    pub(super) source: String,
    value: String,
}

/// The variables of a provider that may hold its key.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct KeyVariables {
    /// The first one that is set applies.
    pub(in crate::embed) own: &'static [&'static str],
    /// The variable that is stored with a key that was set in code.
    pub(in crate::embed) stored: Option<&'static str>,
    /// For what the key is: `the Gemini API`.
    pub(in crate::embed) of: &'static str,
}

/// Returns the variables to read if a collection stores the first one. Machines differ in which of the
/// `others`, which hold the same key, is set.
pub(in crate::embed) fn starting_with(variable: &str, others: &[&str]) -> Vec<String> {
    let others = others.iter().filter(|name| **name != variable);
    let all = [variable].into_iter().chain(others.copied());
    all.map(str::to_owned).collect()
}

impl KeyVariables {
    /// Returns the key that the options contain, or the value of the first of the variables that is set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if there is no key, or a bad one.
    pub(in crate::embed) fn key(
        self,
        options: &Options,
        environment: &Environment<'_>,
    ) -> Result<Key, InvalidInput> {
        for variable in &options.key_variables {
            self.check_name(variable)?;
        }
        let variables = self.variables(&options.key_variables);
        let is_set = variables.iter().any(|name| environment.is_set(name));
        let fallback = if is_set {
            None
        } else {
            options.fallback_key.as_ref()
        };
        let Some(key) = options.key.as_ref().or(fallback) else {
            return self.read(environment, &variables, options.key_variables.is_empty());
        };
        transport::key("api_key", key)?;
        let chosen = options.key_variables.first().map(String::as_str);
        Ok(Key {
            variable: chosen.or(self.stored).map(str::to_owned),
            source: "api_key".to_owned(),
            value: key.clone(),
        })
    }

    /// Like [`key`](KeyVariables::key), for a service that may do without a key.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] for a bad key, or if a variable that the options name is not set.
    #[cfg(feature = "functions")]
    pub(super) fn key_if_any(
        self,
        options: &Options,
        environment: &Environment<'_>,
    ) -> Result<Option<Key>, InvalidInput> {
        let is_set = self.own.iter().any(|name| environment.is_set(name));
        if options.key.is_none() && options.key_variables.is_empty() && !is_set {
            return Ok(None);
        }
        self.key(options, environment).map(Some)
    }

    /// Returns the variables that may hold the key. If `chosen` is empty, these are the provider's own.
    fn variables(self, chosen: &[String]) -> Vec<&str> {
        let mut variables: Vec<&str> = chosen.iter().map(String::as_str).collect();
        if chosen.is_empty() {
            variables.extend(self.own);
        }
        variables
    }

    /// Reads the key from the first of the variables that is set.
    fn read(
        self,
        environment: &Environment<'_>,
        variables: &[&str],
        are_own: bool,
    ) -> Result<Key, InvalidInput> {
        for variable in variables {
            let value = environment
                .text(variable)
                .map_err(|why| self.refused(variable, why))?;
            if let Some(value) = value {
                if let Some(why) = transport::fault_in_key(variable, &value) {
                    return Err(self.refused(variable, why));
                }
                return Ok(Key {
                    variable: Some((*variable).to_owned()),
                    source: (*variable).to_owned(),
                    value,
                });
            }
        }
        let shown: Vec<&str> = variables.iter().copied().map(shown).collect();
        let names = shown.join(" or ");
        let why = format!(
            "set {names} to a key of {}, or pass one with .api_key(...)",
            self.of
        );
        if let (true, [first, ..]) = (are_own, self.own) {
            return Err(InvalidInput::setting(first, "", why));
        }
        let why = format!("that variable holds no key; {why}");
        let name = shown.first().copied().unwrap_or_default();
        Err(InvalidInput::setting("api_key_env_var", name, why))
    }

    /// Checks the name of a variable. A collection stores it, so it must not be the key itself.
    fn check_name(self, variable: &str) -> Result<(), InvalidInput> {
        if environment::is_variable_name(variable) {
            return Ok(());
        }
        let why = format!(
            "it must be the name of a variable, such as {}; pass a key itself with .api_key(...)",
            self.stored.unwrap_or("MY_API_KEY")
        );
        Err(InvalidInput::secret("api_key_env_var", variable, why))
    }

    /// Returns the error for the value of a variable, which is not shown.
    fn refused(self, variable: &str, why: String) -> InvalidInput {
        if let Some(name) = self.own.iter().find(|name| **name == variable) {
            return InvalidInput::setting(name, HIDDEN, why);
        }
        let why = format!("the value of that variable is refused: {why}");
        InvalidInput::setting("api_key_env_var", shown(variable), why)
    }
}

/// Returns the name of a variable for an error, unless it may be a key.
fn shown(variable: &str) -> &str {
    if environment::may_show_name(variable) {
        variable
    } else {
        HIDDEN
    }
}

impl Key {
    /// Returns the header that carries the key after the words `before`.
    pub(super) fn header(&self, before: &str) -> Result<HeaderValue, InvalidInput> {
        transport::secret("api_key", &format!("{before}{}", self.value))
    }
}
