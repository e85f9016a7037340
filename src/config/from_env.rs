//! Reads the settings of a client from environment variables.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::builder::{ClientBuilder, DefaultsFrom, Named};
use super::connect::chroma_endpoint;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::logs;
use crate::transport::{Endpoint, RetryPolicy, Timeouts, shown_address};

impl ClientBuilder {
    /// Reads the settings from environment variables:
    ///
    /// | variable | setting | default |
    /// |---|---|---|
    /// | `CHROMA_HOST` or `CHROMA_ENDPOINT` | [`host`](ClientBuilder::host) | `http://localhost:8000` |
    /// | `CHROMA_PORT` | the port of that address | 8000, or the port of a URL |
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
    /// `CHROMA_PORT` alone means that port of `localhost`. Kubernetes sets this variable to `tcp://…` if there
    /// is a service with the name `chroma`; such a value is ignored.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value of a variable is not valid, or if two variables contradict each
    /// other: `CHROMA_HOST` and `CHROMA_ENDPOINT`, one of these with a port that differs from
    /// `CHROMA_PORT`, or `CHROMA_PORT` and a key without a host. The error names the variable and its value.
    pub fn from_env() -> Result<ClientBuilder> {
        ClientBuilder::read(&Environment::of_process())
            .map_err(|reason| Call::new("client", None).invalid(reason))
    }

    pub(super) fn read(environment: &Environment<'_>) -> Result<ClientBuilder, InvalidInput> {
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
            defaults_from: DefaultsFrom::Environment,
            host: host(environment, key.is_some())?,
            tenant: environment.get_shown("CHROMA_TENANT")?,
            database: environment.get_shown("CHROMA_DATABASE")?,
            token: key.map(|key| Named::new("CHROMA_API_KEY", key)),
            timeouts: Timeouts {
                connect: timeout("CONNECTION_TIMEOUT_MS", defaults.connect)?,
                request: timeout("REQUEST_TIMEOUT_MS", defaults.request)?,
                silence: defaults.silence,
                connect_setting: Some("CONNECTION_TIMEOUT_MS"),
                request_setting: "REQUEST_TIMEOUT_MS",
            },
            retry,
            ..ClientBuilder::default()
        })
    }
}

/// Reads the address of the server from `CHROMA_HOST` or `CHROMA_ENDPOINT`, and `CHROMA_PORT`.
fn host(environment: &Environment<'_>, has_key: bool) -> Result<Option<Named>, InvalidInput> {
    let port = port(environment)?;
    let read = |name| match (environment.get(name)?, port) {
        (Some(address), Some(port)) => with_port(name, &address, port).map(Some),
        (address, _) => Ok(address),
    };
    match (read("CHROMA_HOST")?, read("CHROMA_ENDPOINT")?) {
        (Some(host), Some(endpoint)) if !is_same(&host, &endpoint) => {
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
        (None, Some(endpoint)) => Ok(Some(Named::new("CHROMA_ENDPOINT", endpoint))),
        (None, None) => match port {
            None => Ok(None),
            Some(port) if has_key => {
                let why = "without CHROMA_HOST, CHROMA_API_KEY selects Chroma Cloud; set CHROMA_HOST as \
                           well, to the host of your server, or unset CHROMA_PORT";
                Err(InvalidInput::setting("CHROMA_PORT", port.to_string(), why))
            }
            Some(port) => Ok(Some(Named::new("CHROMA_PORT", format!("localhost:{port}")))),
        },
    }
}

/// Whether two addresses name the same server.
fn is_same(one: &str, other: &str) -> bool {
    let parse = |address| chroma_endpoint("CHROMA_HOST", address).ok();
    let is_same_url = |(one, other): (Endpoint, Endpoint)| one.as_str() == other.as_str();
    one == other || parse(one).zip(parse(other)).is_some_and(is_same_url)
}

/// Reads `CHROMA_PORT`. Kubernetes sets it to the address of a service with the name `chroma`, such as
/// `tcp://10.0.0.11:8000`, in each pod of the service's namespace.
fn port(environment: &Environment<'_>) -> Result<Option<u16>, InvalidInput> {
    const NAME: &str = "CHROMA_PORT";
    let Some(value) = environment.get_shown(NAME)? else {
        return Ok(None);
    };
    if ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
    {
        log::debug!(
            target: logs::CLIENT, value = value.as_str();
            "CHROMA_PORT is ignored: Kubernetes has set it for a service with the name chroma, to {value}"
        );
        return Ok(None);
    }
    match value.parse() {
        Ok(port) if port != 0 => Ok(Some(port)),
        _ => {
            let why = "it must be a port from 1 to 65535";
            Err(InvalidInput::setting(NAME, value, why))
        }
    }
}

/// Adds the port to an address that has none.
///
/// # Errors
/// [`InvalidInput::Setting`] if the address has another port.
fn with_port(name: &str, address: &str, port: u16) -> Result<String, InvalidInput> {
    let (scheme, rest) = match address.find("://") {
        Some(end) => address.split_at(end + "://".len()),
        None => ("", address),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("{scheme}[{authority}]:{port}{path}"));
    }
    let own = authority.rsplit_once(':').map(|(_, own)| own);
    match own.filter(|own| !own.ends_with(']')) {
        None => Ok(format!("{scheme}{authority}:{port}{path}")),
        Some(own) => match own.parse::<u16>() {
            Ok(own) if own != port => {
                let why = format!(
                    "{name} has the port {own}; unset CHROMA_PORT, or remove the port there"
                );
                Err(InvalidInput::setting("CHROMA_PORT", port.to_string(), why))
            }
            // The same port, or an address that is refused later.
            _ => Ok(address.to_owned()),
        },
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
    fn field_14_the_port_is_read_where_it_is_a_number() {
        let read = |host: &str, port: &str| url(&[("CHROMA_HOST", host), ("CHROMA_PORT", port)]);
        for (host, port, expected) in [
            ("db", "18731", "http://db:18731"),
            ("", "18731", "http://localhost:18731"),
            ("db", " 18731\r", "http://db:18731"),
            ("db", "", "http://db:8000"),
            ("db:18731", "18731", "http://db:18731"),
            ("http://db", "18731", "http://db:18731"),
            ("http://db/", "18731", "http://db:18731"),
            ("http://db:18731/", "18731", "http://db:18731"),
            ("http://gw/chroma", "81", "http://gw:81/chroma"),
            ("10.0.0.7", "81", "http://10.0.0.7:81"),
            ("::1", "81", "http://[::1]:81"),
            ("[::1]", "81", "http://[::1]:81"),
            ("[::1]:81", "81", "http://[::1]:81"),
            ("db", "tcp://10.0.0.11:18731", "http://db:8000"),
            ("db:9000", "udp://10.0.0.11:18731", "http://db:9000"),
            ("", "tcp://10.0.0.11:18731", "http://localhost:8000"),
        ] {
            assert_eq!(read(host, port), expected, "{host} {port}");
        }
        let endpoint = [("CHROMA_ENDPOINT", "http://db"), ("CHROMA_PORT", "81")];
        assert_eq!(url(&endpoint), "http://db:81");
        // Kubernetes also sets these for a service with the name `chroma`.
        let services = [
            ("CHROMA_SERVICE_HOST", "10.0.0.11"),
            ("CHROMA_SERVICE_PORT", "18731"),
            ("CHROMA_PORT_18731_TCP_ADDR", "10.0.0.11"),
        ];
        assert_eq!(url(&services), "http://localhost:8000");
    }

    #[test]
    fn field_14_a_bad_port_and_one_that_contradicts_the_host_are_refused_by_name() {
        for port in [
            "0",
            "65536",
            "-1",
            "8000a",
            "80 00",
            "1e3",
            "0x50",
            "http://db:1",
            ":81",
        ] {
            let error = client(&[("CHROMA_HOST", "db"), ("CHROMA_PORT", port)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("CHROMA_PORT is {port:?}: it must be a port from 1 to 65535")
            );
        }
        for (name, host) in [
            ("CHROMA_HOST", "db:9000"),
            ("CHROMA_HOST", "http://db:9000/x"),
            ("CHROMA_HOST", "[::1]:9000"),
            ("CHROMA_ENDPOINT", "http://db:9000"),
        ] {
            let error = client(&[(name, host), ("CHROMA_PORT", "18731")]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "CHROMA_PORT is \"18731\": {name} has the port 9000; unset CHROMA_PORT, or remove the port there"
                )
            );
        }
        let error = client(&[("CHROMA_API_KEY", "k"), ("CHROMA_PORT", "8000")]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("CHROMA_PORT is \"8000\": without CHROMA_HOST")
        );
        // A bad host is still the fault of the host.
        for host in ["http://", "db:port", "user:pw@db"] {
            let error = client(&[("CHROMA_HOST", host), ("CHROMA_PORT", "81")]).unwrap_err();
            assert!(error.to_string().starts_with("CHROMA_HOST is "), "{error}");
        }
    }

    #[test]
    fn field_14_two_variables_may_name_the_same_server_in_different_words() {
        for (host, endpoint) in [
            ("db", "http://db:8000"),
            ("http://db/", "http://db"),
            ("db:9000", "http://db:9000/api/v2"),
        ] {
            let both = [("CHROMA_HOST", host), ("CHROMA_ENDPOINT", endpoint)];
            assert!(client(&both).is_ok(), "{host} {endpoint}");
        }
        let both = [("CHROMA_HOST", "db"), ("CHROMA_ENDPOINT", "http://db")];
        assert!(client(&both).is_err(), "ports 8000 and 80");
        let all = [("CHROMA_PORT", "81"), both[0], both[1]];
        assert_eq!(url(&all), "http://db:81");
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
    fn field_14_the_error_for_a_bad_number_says_what_is_wrong() {
        for (value, why) in [
            ("-1", "a whole number of 0 or more"),
            ("1.5", "a whole number of 0 or more"),
            ("1s", "a whole number of 0 or more"),
            ("1 000", "a whole number of 0 or more"),
            ("99999999999999999999", "at most 18446744073709551615"),
        ] {
            for name in [
                "MAX_RETRIES",
                "RETRY_DELAY_MS",
                "CONNECTION_TIMEOUT_MS",
                "REQUEST_TIMEOUT_MS",
            ] {
                let error = client(&[(name, value)]).unwrap_err().to_string();
                assert_eq!(error, format!("{name} is {value:?}: it must be {why}"));
            }
        }
        let fine = client(&[
            ("MAX_RETRIES", " 2\r"),
            ("RETRY_DELAY_MS", "+5"),
            ("REQUEST_TIMEOUT_MS", "\t7\r\n"),
        ]);
        assert!(format!("{:?}", fine.unwrap()).contains("max_retries: 2"));
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
        assert!(no_key.contains("api_key is empty or not set"), "{no_key}");
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
    fn field_31_errors_name_the_variable_that_the_setting_came_from() {
        let error = |variables: &[(&str, &str)]| {
            let client = client(variables).unwrap();
            client.heartbeat().unwrap_err().to_string()
        };
        for name in ["CHROMA_HOST", "CHROMA_ENDPOINT"] {
            let error = error(&[(name, "127.0.0.1:1"), ("MAX_RETRIES", "0")]);
            let hint = format!("set {name} to the address of a running server");
            assert!(error.contains(&hint), "{error}");
        }
        let error_of_port = error(&[("CHROMA_PORT", "1"), ("MAX_RETRIES", "0")]);
        assert!(
            error_of_port.contains("set CHROMA_HOST to"),
            "{error_of_port}"
        );
        // It accepts connections, and sends nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let error = error(&[
            ("CHROMA_HOST", &address),
            ("MAX_RETRIES", "0"),
            ("REQUEST_TIMEOUT_MS", "50"),
        ]);
        assert!(
            // On a busy machine, connecting alone may take that long.
            error.contains("raise it with") && error.contains("_TIMEOUT_MS"),
            "{error}"
        );
    }

    #[test]
    fn field_31_errors_of_clients_that_read_no_variables_name_none() {
        let none = Environment::of(&|_| None);
        let error = |builder: ClientBuilder| {
            let builder = builder.retry(RetryPolicy::none());
            builder
                .connect_in(&none)
                .unwrap()
                .heartbeat()
                .unwrap_err()
                .to_string()
        };
        let error_here = error(Client::builder().host("127.0.0.1:1"));
        assert!(
            error_here.contains("set host to the address"),
            "{error_here}"
        );
        // No name server knows it.
        let error_there = error(Client::builder().host("chroma.invalid"));
        assert!(
            error_there.contains("check that a server runs there"),
            "{error_there}"
        );
        for error in [error_here, error_there] {
            assert!(!error.contains("CHROMA_"), "{error}");
        }
    }
}
