//! Reads the settings of a client from environment variables.

use std::time::Duration;

use super::builder::{ClientBuilder, Named};
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::transport::{RetryPolicy, Timeouts, shown_address};

impl ClientBuilder {
    /// Reads the settings from environment variables:
    ///
    /// | variable | setting | default |
    /// |---|---|---|
    /// | `CHROMA_HOST` or `CHROMA_ENDPOINT` | [`host`](ClientBuilder::host) | `http://localhost:8000` |
    /// | `CHROMA_TENANT` | [`tenant`](ClientBuilder::tenant) | `default_tenant` |
    /// | `CHROMA_DATABASE` | [`database`](ClientBuilder::database) | `default_database` |
    /// | `CHROMA_API_KEY` | [`api_key`](ClientBuilder::api_key) | none |
    /// | `MAX_RETRIES` | [`RetryPolicy::max_retries`] | 3 |
    /// | `RETRY_DELAY_MS` | [`RetryPolicy::base_delay`] | 1000 |
    /// | `CONNECTION_TIMEOUT_MS` | [`connection_timeout`](ClientBuilder::connection_timeout) | 30000 |
    /// | `REQUEST_TIMEOUT_MS` | [`request_timeout`](ClientBuilder::request_timeout) | 60000 |
    ///
    /// A key without a host selects Chroma Cloud. A variable with an empty value counts as not set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value of a variable is not valid, or if `CHROMA_HOST` and
    /// `CHROMA_ENDPOINT` differ. It names the variable and its value.
    pub fn from_env() -> Result<ClientBuilder> {
        ClientBuilder::read(&Environment::of_process())
            .map_err(|reason| Call::new("client", None).invalid(reason))
    }

    fn read(environment: &Environment<'_>) -> Result<ClientBuilder, InvalidInput> {
        let mut retry = RetryPolicy::default();
        if let Some(retries) = environment.number("MAX_RETRIES")? {
            retry = retry.max_retries(u32::try_from(retries).unwrap_or(u32::MAX));
        }
        if let Some(delay) = environment.number("RETRY_DELAY_MS")? {
            retry = retry.base_delay(Duration::from_millis(delay));
        }
        let timeout = |name, default| match environment.number(name)? {
            None => Ok(default),
            Some(0) => {
                let why = "it must be greater than zero";
                Err(InvalidInput::setting(name, "0", why))
            }
            Some(millis) => Ok(Duration::from_millis(millis)),
        };
        let defaults = Timeouts::default();
        let key = environment.get("CHROMA_API_KEY")?;
        Ok(ClientBuilder {
            host: host(environment)?,
            tenant: environment.get("CHROMA_TENANT")?,
            database: environment.get("CHROMA_DATABASE")?,
            token: key.map(|key| Named::new("CHROMA_API_KEY", key)),
            timeouts: Timeouts {
                connect: timeout("CONNECTION_TIMEOUT_MS", defaults.connect)?,
                request: timeout("REQUEST_TIMEOUT_MS", defaults.request)?,
            },
            retry,
            ..ClientBuilder::default()
        })
    }
}

/// Reads the address of the server from `CHROMA_HOST` or `CHROMA_ENDPOINT`.
fn host(environment: &Environment<'_>) -> Result<Option<Named>, InvalidInput> {
    let host = environment.get("CHROMA_HOST")?;
    let endpoint = environment.get("CHROMA_ENDPOINT")?;
    match (host, endpoint) {
        (Some(host), Some(endpoint)) if host != endpoint => {
            let why = format!(
                "CHROMA_HOST names another server, {:?}; unset one of them",
                shown_address(&host)
            );
            Err(InvalidInput::setting(
                "CHROMA_ENDPOINT",
                shown_address(&endpoint),
                why,
            ))
        }
        (Some(host), _) => Ok(Some(Named::new("CHROMA_HOST", host))),
        (None, endpoint) => Ok(endpoint.map(|endpoint| Named::new("CHROMA_ENDPOINT", endpoint))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    fn client(variables: &[(&str, &str)]) -> Result<Client, InvalidInput> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).into())
        };
        let environment = Environment::of(&lookup);
        ClientBuilder::read(&environment)?.connect_in(&environment)
    }

    fn url(variables: &[(&str, &str)]) -> String {
        client(variables).unwrap().url().to_owned()
    }

    #[test]
    fn without_variables_the_host_is_localhost() {
        assert_eq!(url(&[]), "http://localhost:8000");
        assert_eq!(
            url(&[("CHROMA_HOST", " "), ("MAX_RETRIES", "")]),
            "http://localhost:8000"
        );
    }

    #[test]
    fn both_variables_for_the_host_are_read() {
        assert_eq!(url(&[("CHROMA_HOST", "db:1")]), "http://db:1");
        assert_eq!(url(&[("CHROMA_ENDPOINT", "http://db:1/")]), "http://db:1");
        assert_eq!(
            url(&[("CHROMA_HOST", "db:1"), ("CHROMA_ENDPOINT", "db:1")]),
            "http://db:1"
        );
        let error = client(&[("CHROMA_HOST", "a"), ("CHROMA_ENDPOINT", "b")]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("CHROMA_ENDPOINT") && error.contains("CHROMA_HOST"),
            "{error}"
        );
    }

    #[test]
    fn all_other_variables_are_read() {
        let client = client(&[
            ("CHROMA_TENANT", "t"),
            ("CHROMA_DATABASE", "d"),
            ("MAX_RETRIES", "7"),
            ("RETRY_DELAY_MS", "5"),
            ("CONNECTION_TIMEOUT_MS", "6"),
            ("REQUEST_TIMEOUT_MS", "8"),
        ])
        .unwrap();
        assert_eq!((client.tenant(), client.database()), ("t", "d"));
        let shown = format!("{client:?}");
        for part in ["max_retries: 7", "base_delay: 5ms"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn the_error_for_a_bad_value_names_its_variable() {
        for (name, value) in [
            ("CHROMA_HOST", "http://"),
            ("CHROMA_ENDPOINT", "ftp://x"),
            ("MAX_RETRIES", "-1"),
            ("RETRY_DELAY_MS", "1s"),
            ("CONNECTION_TIMEOUT_MS", "0"),
            ("REQUEST_TIMEOUT_MS", "99999999999999999999"),
        ] {
            let error = client(&[(name, value)]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name} is {value:?}")),
                "{error}"
            );
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_key_without_a_host_selects_chroma_cloud() {
        let key = ("CHROMA_API_KEY", "s3cret");
        assert_eq!(url(&[key]), "https://api.trychroma.com");
        assert_eq!(
            url(&[key, ("CHROMA_HOST", "localhost")]),
            "http://localhost:8000"
        );
        let no_key = Client::builder()
            .cloud()
            .connect_in(&Environment::of(&|_| None));
        let no_key = no_key.unwrap_err().to_string();
        assert!(no_key.contains("CHROMA_API_KEY"), "{no_key}");
    }

    #[test]
    fn secrets_are_never_shown() {
        let key = |key| ("CHROMA_API_KEY", key);
        let broken = client(&[
            key("s3cret
x: y"),
            ("CHROMA_HOST", "localhost"),
        ])
        .unwrap_err();
        let local = client(&[key("s3cret"), ("CHROMA_HOST", "localhost")]).unwrap();
        let builder = Client::builder()
            .api_key("s3cret")
            .bearer_token("s3cret")
            .header("x", "s3cret")
            .proxy("http://u:s3cret@p:1");
        let conflict = client(&[
            ("CHROMA_HOST", "http://u:s3cret@a"),
            ("CHROMA_ENDPOINT", "http://u:s3cret@b/?token=s3cret"),
        ]);
        for shown in [
            broken.to_string(),
            conflict.unwrap_err().to_string(),
            client(&[("CHROMA_HOST", "https://h/?token=s3cret")])
                .unwrap_err()
                .to_string(),
            format!("{local:?} {builder:?}"),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[test]
    fn a_value_that_is_not_unicode_is_an_error_and_not_shown() {
        #[cfg(unix)]
        let broken: std::ffi::OsString =
            std::os::unix::ffi::OsStringExt::from_vec(b"s3cret\xff".to_vec());
        #[cfg(windows)]
        let broken: std::ffi::OsString = {
            let mut units: Vec<u16> = "s3cret".encode_utf16().collect();
            units.push(0xd800);
            std::os::windows::ffi::OsStringExt::from_wide(&units)
        };
        for variable in ["CHROMA_HOST", "CHROMA_API_KEY"] {
            let lookup = |name: &str| (name == variable).then(|| broken.clone());
            let error = ClientBuilder::read(&Environment::of(&lookup)).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(&format!("{variable} is ")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
