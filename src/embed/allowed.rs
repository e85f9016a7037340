//! [`Allowed`]: what the settings stored in collections may choose.

use crate::environment;
use crate::error::InvalidInput;
#[cfg(feature = "gemini")]
use crate::wire::read::short;

/// What a program allows the settings stored in collections to choose. Anyone who may change a collection
/// chooses its settings, so they are not trusted: by default, a stored setting names only a variable of the
/// provider that gets its value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    key_variables: Vec<String>,
}

impl Allowed {
    /// Adds a variable that may hold the key of a stored function.
    pub(crate) fn key_variable(&mut self, name: String) {
        self.key_variables.push(name);
    }

    /// Refuses what cannot be the name of a variable.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        let mut names = self.key_variables.iter();
        let Some(bad) = names.find(|name| !environment::is_name(name)) else {
            return Ok(());
        };
        let why = "it must be the name of an environment variable, such as MY_GEMINI_KEY";
        Err(InvalidInput::secret("allow_key_variable", bad, why))
    }

    /// Checks that a stored setting may name the variable of a key. `own` are the variables of the provider.
    /// Reads no variable.
    ///
    /// # Errors
    /// Why it may not.
    #[cfg(feature = "gemini")]
    pub(super) fn check_key_variable(&self, stored: &str, own: &[&str]) -> Result<(), String> {
        if own.contains(&stored) || self.key_variables.iter().any(|name| name == stored) {
            return Ok(());
        }
        if !environment::is_name(stored) {
            let why = "its api_key_env_var is not the name of a variable, and is not shown, since it may be a key";
            return Err(why.to_owned());
        }
        let (own, stored) = (own.join(", "), short(stored));
        Err(format!(
            "it names the variable {stored:?} for the API key, and a collection may name only {own} and those that the \
             program allows; if the variable holds a key for this function, build the client with \
             .allow_key_variable({stored:?})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(names: &[&str]) -> Allowed {
        let mut allowed = Allowed::default();
        for name in names {
            allowed.key_variable((*name).to_owned());
        }
        allowed
    }

    #[test]
    fn secure_01_only_names_of_variables_can_be_allowed() {
        assert_eq!(allowed(&["MY_KEY", "_K2"]).check(), Ok(()));
        for bad in ["", "AIzaS3cret", "sk-s3cret", "A=s3cret", "A s3cret", "A\n"] {
            let error = allowed(&["MY_KEY", bad]).check().unwrap_err().to_string();
            assert!(error.starts_with("allow_key_variable is "), "{error}");
            assert!(!error.contains("3cret"), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "gemini")]
    fn secure_01_a_stored_variable_is_the_providers_own_or_allowed() {
        let own = ["OWN_KEY", "OTHER_OWN_KEY"];
        let check = |allow: &[&str], stored: &str| allowed(allow).check_key_variable(stored, &own);
        for own in own {
            assert_eq!(check(&[], own), Ok(()));
        }
        assert_eq!(check(&["A", "B"], "B"), Ok(()));
        for near in ["b", "B ", "OWN_KEY\0", "OWN", "own_key", ""] {
            assert!(check(&["A", "B"], near).is_err(), "{near:?}");
        }
        let error = check(&["A"], "AWS_SECRET_ACCESS_KEY").unwrap_err();
        for part in [
            "may name only OWN_KEY, OTHER_OWN_KEY and",
            ".allow_key_variable(\"AWS_SECRET_ACCESS_KEY\")",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "gemini")]
    fn secure_01_a_stored_text_that_is_no_name_is_not_shown_and_a_long_name_is_shortened() {
        let refused = |stored: &str| {
            let error = Allowed::default().check_key_variable(stored, &["OWN_KEY"]);
            error.unwrap_err()
        };
        for text in [
            "AIzaS3cret",
            "sk-s3cret",
            "\u{1b}[2Js3cret",
            "s3cret\r\nx: y",
        ] {
            let error = refused(text);
            assert!(error.contains("not the name of a variable"), "{error}");
            assert!(!error.contains("3cret"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        assert!(refused(&"A".repeat(16 << 20)).len() < 1500);
    }
}
