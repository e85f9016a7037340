//! [`Allowed`]: the environment variables, hosts and models that stored settings may name.

use std::fmt;
use std::net::Ipv6Addr;

#[cfg(feature = "onnx")]
use super::function::EmbeddingFunction as _;
#[cfg(feature = "onnx")]
use super::model_identity::model_of;
#[cfg(feature = "onnx")]
use super::onnx::Onnx;
use crate::environment;
use crate::error::InvalidInput;
#[cfg(feature = "gemini")]
use crate::printable::short;
#[cfg(feature = "functions")]
use crate::transport::Endpoint;
use crate::transport::without_brackets;

/// The environment variables, the hosts, the models, and the key of a client of Chroma Cloud that functions
/// in stored settings may use, in addition to the provider's own. Anyone who may change a collection can
/// change its settings, so they are not trusted.
#[derive(Clone, Default)]
pub(crate) struct Allowed {
    key_variables: Vec<String>,
    hosts: Vec<String>,
    #[cfg(feature = "onnx")]
    onnx_models: Vec<Onnx>,
    #[cfg_attr(
        not(feature = "functions"),
        allow(dead_code, reason = "Chroma Cloud's models need the feature")
    )]
    cloud_key: Option<String>,
}

/// The permissions of a stored address.
#[cfg(feature = "functions")]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoredHost {
    TextsAndKey,
    /// The texts alone: this host is on this machine, where another user may listen on the stored port.
    Texts(String),
    /// Nothing. The text says why.
    Nothing(String),
}

impl Allowed {
    /// Allows a variable for API keys of stored functions.
    pub(crate) fn allow_key_variable(&mut self, name: String) {
        self.key_variables.push(name);
    }

    /// Adds a host that may get the key and the texts of a stored function.
    pub(crate) fn allow_host(&mut self, host: String) {
        self.hosts.push(host);
    }

    /// Adds a model that a stored function may name.
    #[cfg(feature = "onnx")]
    pub(crate) fn allow_onnx_model(&mut self, model: Onnx) {
        self.onnx_models.push(model);
    }

    /// Returns the function that the program has registered for a model. The last one counts.
    #[cfg(feature = "onnx")]
    pub(super) fn onnx_model(&self, model: &str) -> Option<&Onnx> {
        self.onnx_models.iter().rev().find(|onnx| {
            let config = onnx.config();
            model_of(onnx.name(), config.as_ref()) == Some(model)
        })
    }

    /// Sets the key of a client of Chroma Cloud, for models that Chroma Cloud hosts.
    pub(crate) fn with_cloud_key(self, cloud_key: Option<String>) -> Allowed {
        Allowed { cloud_key, ..self }
    }

    /// Returns the key of the client of Chroma Cloud. Only Chroma Cloud may get it.
    #[cfg(feature = "functions")]
    pub(crate) fn cloud_key(&self) -> Option<&str> {
        self.cloud_key.as_deref()
    }

    /// Checks that each name can be the name of a variable or of a host.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        if let Some(bad) = self.hosts.iter().find(|host| !is_host(host)) {
            let why = "it must be a host, such as ollama.internal, without scheme, port and path";
            return Err(InvalidInput::secret("allow_embedding_host", bad, why));
        }
        let mut names = self.key_variables.iter();
        let Some(bad) = names.find(|name| !environment::is_variable_name(name)) else {
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
        if !environment::is_variable_name(stored) {
            let why = "its api_key_env_var is not the name of a variable; it is not shown, since it may be a key";
            return Err(why.to_owned());
        }
        let own = own.join(", ");
        if !environment::may_show_name(stored) {
            return Err(format!(
                "the program allows only the variables {own} for its API key; its api_key_env_var is another one, and \
                 is not shown, since it may be a key; if it is the name of a variable that holds a key for this \
                 function, call ClientBuilder::allow_key_variable with it"
            ));
        }
        let stored = short(stored);
        Err(format!(
            "its API key is in the variable {stored:?}, and the program allows only {own}; if the variable holds a key \
             for this function, call ClientBuilder::allow_key_variable({stored:?})"
        ))
    }

    /// Returns what a stored address may get. `own` are the provider's hosts, which are reached over https
    /// only.
    #[cfg(feature = "functions")]
    pub(super) fn stored_host(&self, url: &str, own: &[&str]) -> StoredHost {
        let endpoint = match Endpoint::parse("url", url, 443) {
            Ok(endpoint) => endpoint,
            Err(reason) => {
                return StoredHost::Nothing(short(&reason.to_string()).into_owned());
            }
        };
        let may_have_key = if endpoint.is_secure() { own } else { &[] };
        let host = endpoint.host_and_port().0;
        if self.names_host(host, may_have_key) {
            return StoredHost::TextsAndKey;
        }
        if endpoint.is_loopback() {
            return StoredHost::Texts(host.to_string());
        }
        let is_own = self.names_host(host, own);
        let host = short(host);
        StoredHost::Nothing(if is_own {
            format!(
                "it names the host {host:?} without encryption; store the address with https://, or set the function \
                 in code"
            )
        } else {
            format!(
                "it names the host {host:?}, which gets no texts until the program allows it; if you trust that host, \
                 build the client with .allow_embedding_host({host:?})"
            )
        })
    }

    #[cfg(feature = "functions")]
    fn names_host(&self, host: &str, own: &[&str]) -> bool {
        let plain = |host: &str| {
            without_brackets(host)
                .trim_end_matches('.')
                .to_ascii_lowercase()
        };
        let host = plain(host);
        let allowed = self.hosts.iter().map(String::as_str);
        own.iter()
            .copied()
            .chain(allowed)
            .any(|name| plain(name) == host)
    }
}

/// Whether a text is a host: a name, or an IP address, which an URL may have in brackets.
fn is_host(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_name = !text.is_empty() && text.bytes().all(fits);
    is_name || without_brackets(text).parse::<Ipv6Addr>().is_ok()
}

/// Without the key.
impl fmt::Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowed")
            .field("key_variables", &self.key_variables)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(names: &[&str]) -> Allowed {
        let mut allowed = Allowed::default();
        for name in names {
            allowed.allow_key_variable((*name).to_owned());
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
    fn only_hosts_can_be_allowed() {
        let allow = |host: &str| {
            let mut allowed = Allowed::default();
            allowed.allow_host(host.to_owned());
            allowed
        };
        for host in [
            "ollama",
            "Ollama.internal.",
            "10.0.0.7",
            "fd00::7",
            "[fd00::7]",
        ] {
            assert_eq!(allow(host).check(), Ok(()), "{host}");
        }
        for bad in [
            "",
            "http://ollama",
            "ollama:11434",
            "[fd00::7]:80",
            "a/b",
            "a b",
        ] {
            let error = allow(bad).check().unwrap_err().to_string();
            assert!(error.contains("without scheme, port and path"), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "functions")]
    fn secure_01_a_stored_host_is_on_this_machine_the_providers_own_or_allowed() {
        let mut allowed = Allowed::default();
        allowed.allow_host("Ollama.internal".to_owned());
        allowed.allow_host("[fd00::7]".to_owned());
        let check = |url: &str| allowed.stored_host(url, &["api.openai.com"]);
        for url in [
            "http://ollama.INTERNAL.:11434/v1",
            "http://[fd00::7]:80/v1",
            "http://[FD00::7]/v1",
            "https://api.openai.com/v1",
            "https://API.openai.com./v1",
        ] {
            assert_eq!(check(url), StoredHost::TextsAndKey, "{url}");
        }
        for url in ["http://localhost:11434", "https://127.0.0.1:1"] {
            assert!(matches!(check(url), StoredHost::Texts(_)), "{url}");
        }
        let hostile = format!("http://{}", "x".repeat(1 << 20));
        for url in [
            "http://internal:11434",
            "http://ollama.internal.example.com",
            "http://ollama.internal@example.com",
            "http://example.com/ollama.internal",
            "http://[fd00::8]",
            "",
            &hostile,
        ] {
            let StoredHost::Nothing(why) = check(url) else {
                panic!("{url}")
            };
            assert!(why.len() < 1_500, "{} bytes", why.len());
        }
    }

    #[test]
    #[cfg(feature = "functions")]
    fn secure_01_a_stored_address_of_the_provider_without_encryption_gets_nothing() {
        let url = "http://api.openai.com/v1";
        let host = |allowed: &Allowed| allowed.stored_host(url, &["api.openai.com"]);
        let StoredHost::Nothing(why) = host(&Allowed::default()) else {
            panic!("{url}")
        };
        assert!(
            why.contains("\"api.openai.com\" without encryption"),
            "{why}"
        );
        let mut allowed = Allowed::default();
        allowed.allow_host("api.openai.com".to_owned());
        assert_eq!(host(&allowed), StoredHost::TextsAndKey);
    }

    #[test]
    fn the_key_of_the_client_is_not_shown() {
        let allowed = allowed(&["A"]).with_cloud_key(Some("s3cret".to_owned()));
        assert!(!format!("{allowed:?}").contains("s3cret"));
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
            "the program allows only OWN_KEY, OTHER_OWN_KEY;",
            "::allow_key_variable(\"AWS_SECRET_ACCESS_KEY\")",
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
        assert!(refused(&"A_".repeat(8 << 20)).len() < 1500);
    }

    #[test]
    #[cfg(feature = "gemini")]
    fn secure_01_a_key_with_the_form_of_a_name_is_not_shown() {
        for (stored, is_shown) in [
            ("MY_GEMINI_KEY", true),
            ("team_2_google_key", true),
            ("APPLICATION_CREDENTIALS_2026", true),
            ("hf_s3cretXyZs3cretXyZs3cretXyZ", false),
            ("sk_live_51Hs3cretXyZs3cretXyZ", false),
            ("AKIAS3CRET0123456789", false),
            ("0123456789abcdef0123456789abcdef", false),
        ] {
            let error = Allowed::default().check_key_variable(stored, &["OWN_KEY"]);
            let error = error.unwrap_err();
            assert_eq!(error.contains(stored), is_shown, "{error}");
            assert!(error.contains("allow_key_variable") && error.contains("OWN_KEY"));
        }
    }
}
