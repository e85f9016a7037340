//! [`from_environment`]: which proxy of the environment an endpoint is reached through, if any.
//!
//! The rules are those of Go's package `golang.org/x/net/http/httpproxy`, and `ALL_PROXY`, which curl and
//! Python know. Go ignores what it cannot read; here it is an error.

use std::net::IpAddr;

use super::endpoint::{Endpoint, shown_address};
use super::proxy::Proxy;
use crate::environment::Environment;
use crate::error::InvalidInput;
use crate::logs;

/// The variables for `http` addresses. The first one that is set counts.
const FOR_HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
/// The variables for `https` addresses.
const FOR_HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list the hosts without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// A web server sets this variable for the CGI programs that it runs.
const CGI: &str = "REQUEST_METHOD";

/// Returns the proxy that the environment sets for an endpoint. A server on this machine has none.
///
/// # Errors
/// [`InvalidInput::Setting`] if the variable of the proxy or `NO_PROXY` cannot be read. It is not returned
/// for an endpoint that is reached without a proxy.
pub(crate) fn from_environment(
    endpoint: &Endpoint,
    environment: &Environment<'_>,
) -> Result<Option<Proxy>, InvalidInput> {
    if endpoint.is_loopback() {
        return Ok(None);
    }
    let variables = if endpoint.is_secure() {
        FOR_HTTPS
    } else {
        FOR_HTTP
    };
    let is_cgi = environment.is_set(CGI);
    let trusted = variables.into_iter().filter(|name| {
        let is_header = is_cgi && is_a_header_of_cgi(name);
        if is_header && environment.is_set(name) {
            log::debug!(
                target: logs::CLIENT, variable = *name;
                "{name} is ignored, because {CGI} is set: in a CGI program, a request can set it"
            );
        }
        !is_header
    });
    let Some((variable, url)) = first(trusted, environment)? else {
        return Ok(None);
    };
    if let Some((variable, list)) = first(EXCEPTIONS.into_iter(), environment)? {
        if is_excepted(endpoint, variable, &list)? {
            return Ok(None);
        }
    }
    Proxy::parse(variable, &url).map(Some)
}

/// Whether a request can set this variable of a CGI program by a header. The header `Proxy` becomes
/// `HTTP_PROXY`. On Windows the case of names does not matter.
fn is_a_header_of_cgi(variable: &str) -> bool {
    variable == "HTTP_PROXY" || cfg!(windows) && variable == "http_proxy"
}

/// Returns the first variable that is set, and its value.
fn first(
    mut variables: impl Iterator<Item = &'static str>,
    environment: &Environment<'_>,
) -> Result<Option<(&'static str, String)>, InvalidInput> {
    variables
        .find_map(|name| {
            let value = environment.get(name).transpose()?;
            Some(value.map(|value| (name, value)))
        })
        .transpose()
}

/// Whether the list of exceptions contains an endpoint.
///
/// # Errors
/// [`InvalidInput::Setting`] if an entry of the list has none of the forms.
fn is_excepted(
    endpoint: &Endpoint,
    variable: &'static str,
    list: &str,
) -> Result<bool, InvalidInput> {
    let (host, port) = endpoint.host_and_port();
    let target = Target {
        host: host.trim_end_matches('.').to_owned(),
        address: address(host),
        port,
    };
    let mut found = false;
    let entries = list.split([',', ' ']);
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let Some(exception) = Exception::parse(entry) else {
            let why = "this entry must be a host such as db.internal, a domain such as .internal, an address, a \
                       range such as 10.0.0.0/8, one of the first three with a port (db.internal:8000), or *";
            return Err(InvalidInput::setting(variable, shown_address(entry), why));
        };
        found |= exception.contains(&target);
    }
    Ok(found)
}

/// The server that is looked for in the list.
struct Target {
    /// In lower case, without a dot at the end.
    host: String,
    /// The host, if it is an address.
    address: Option<IpAddr>,
    port: u16,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, PartialEq)]
enum Exception {
    /// `*`
    All,
    /// `10.0.0.0/8`: the addresses with the same first bits.
    Range(IpAddr, u8),
    /// `10.1.2.3` or `10.1.2.3:8000`
    Address(IpAddr, Option<u16>),
    /// `db.internal` or `db.internal:8000`: the host itself and all below it. With a dot or `*.` at the
    /// start, only those below it.
    Domain {
        name: String,
        includes_itself: bool,
        port: Option<u16>,
    },
}

impl Exception {
    fn parse(entry: &str) -> Option<Exception> {
        if entry == "*" {
            return Some(Exception::All);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            return range(address, bits);
        }
        if let Some(address) = address(entry) {
            return Some(Exception::Address(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (entry, None),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if let Some(address) = address(bare.unwrap_or(host)) {
            return Some(Exception::Address(address, port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host).trim_end_matches('.');
        let fits_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let is_name = !name.is_empty() && name.bytes().all(fits_name);
        is_name.then(|| Exception::Domain {
            name: name.to_ascii_lowercase(),
            includes_itself: below.is_none(),
            port,
        })
    }

    fn contains(&self, target: &Target) -> bool {
        let is_port = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        match self {
            Exception::All => true,
            Exception::Range(start, bits) => target
                .address
                .is_some_and(|address| is_in_range(address, *start, *bits)),
            Exception::Address(address, port) => target.address == Some(*address) && is_port(port),
            Exception::Domain {
                name,
                includes_itself,
                port,
            } => {
                let is_member = match target.host.strip_suffix(name.as_str()) {
                    Some("") => *includes_itself,
                    Some(before) => before.ends_with('.'),
                    None => false,
                };
                is_member && is_port(port)
            }
        }
    }
}

/// Parses an address. An IPv4 address may be written as IPv6 (`::ffff:10.1.2.3`).
fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    Some(address.to_canonical())
}

/// Parses a range of addresses. The short form `169.254/16`, which macOS writes, is accepted.
fn range(address: &str, bits: &str) -> Option<Exception> {
    let missing = 3_usize.saturating_sub(address.matches('.').count());
    let padded = if address.contains(':') {
        address.to_owned()
    } else {
        address.to_owned() + &".0".repeat(missing)
    };
    let address: IpAddr = padded.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= width(address)).then_some(Exception::Range(address, bits))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether two addresses have the same first `bits`.
fn is_in_range(address: IpAddr, start: IpAddr, bits: u8) -> bool {
    let rest = u32::from(width(start) - bits);
    match (address, start) {
        // If `bits` is 0, both sides are `None`.
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            a.to_bits().checked_shr(rest) == b.to_bits().checked_shr(rest)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            a.to_bits().checked_shr(rest) == b.to_bits().checked_shr(rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the proxy for a server, with these variables.
    fn proxy(server: &str, variables: &[(&str, &str)]) -> Result<Option<String>, InvalidInput> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).into())
        };
        let endpoint = Endpoint::parse("CHROMA_HOST", server, 8000).unwrap();
        let proxy = from_environment(&endpoint, &Environment::of(&lookup))?;
        Ok(proxy.map(|proxy| proxy.to_string()))
    }

    fn found(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        proxy(server, variables).unwrap()
    }

    #[cfg(feature = "tls")]
    const HTTPS: &str = "https://db.example.com";
    const HTTP: &str = "http://db.example.com:8000";

    #[test]
    #[cfg(feature = "tls")]
    fn field_07_each_scheme_has_its_variable_and_all_proxy_is_for_both() {
        let all = [
            ("HTTP_PROXY", "http://a:1"),
            ("HTTPS_PROXY", "http://b:2"),
            ("ALL_PROXY", "http://c:3"),
        ];
        let from = |text: &str| Some(text.to_owned());
        assert_eq!(found(HTTP, &all), from("http://a:1 (from HTTP_PROXY)"));
        assert_eq!(found(HTTPS, &all), from("http://b:2 (from HTTPS_PROXY)"));
        assert_eq!(found(HTTPS, &all[..1]), None, "HTTP_PROXY is not for https");
        assert_eq!(found(HTTP, &all[1..2]), None, "HTTPS_PROXY is not for http");
        for server in [HTTP, HTTPS] {
            assert_eq!(
                found(server, &all[2..]),
                from("http://c:3 (from ALL_PROXY)")
            );
        }
        let small = [("http_proxy", "a:1"), ("all_proxy", "c")];
        assert_eq!(found(HTTP, &small), from("http://a:1 (from http_proxy)"));
        assert_eq!(found(HTTPS, &small), from("http://c (from all_proxy)"));
        let both = [("http_proxy", "small"), ("HTTP_PROXY", "large")];
        assert_eq!(found(HTTP, &both), from("http://large (from HTTP_PROXY)"));
        let empty = [
            ("HTTP_PROXY", ""),
            ("http_proxy", " "),
            ("ALL_PROXY", "c:3"),
        ];
        assert_eq!(found(HTTP, &empty), from("http://c:3 (from ALL_PROXY)"));
        assert_eq!(found(HTTP, &[]), None);
    }

    #[test]
    fn field_07_this_machine_is_never_reached_through_a_proxy() {
        let bad = [("HTTP_PROXY", "ftp://a"), ("NO_PROXY", "?")];
        for here in [
            "localhost",
            "LOCALHOST:8000",
            "localhost.",
            "127.0.0.1:8000",
            "127.8.8.8",
            "0.0.0.0:8000",
            "[::]:8000",
            "::1",
            "[::ffff:127.0.0.1]:8000",
        ] {
            assert_eq!(proxy(here, &bad), Ok(None), "{here}");
        }
        for there in ["localhost.example.com", "10.0.0.1", "0.0.0.1", "[::2]"] {
            assert!(found(there, &[("HTTP_PROXY", "a")]).is_some(), "{there}");
        }
    }

    #[test]
    fn field_07_no_proxy_has_the_forms_that_go_reads() {
        let is_excepted = |server: &str, list: &str| {
            found(server, &[("HTTP_PROXY", "http://a:1"), ("NO_PROXY", list)]).is_none()
        };
        let named = [
            "http://db.internal",
            "http://DB.Internal.",
            "http://db.internal:80",
        ];
        for (servers, list, expected) in [
            (&named[..], "*", true),
            (&named, "internal", true),
            (&named, ".internal", true),
            (&named, "*.internal", true),
            (&named, "db.internal", true),
            (&named, "DB.INTERNAL.", true),
            (&named, "db.internal:80", true),
            (&named, ".internal:80", true),
            (&named, "db.internal:8000", false),
            (&named, ".db.internal", false),
            (&named, "b.internal", false),
            (&named, "nal", false),
            (&named, "10.0.0.0/8, other ,internal,", true),
            (&named, "other internal", true),
            (&["internal"], "internal", true),
            (&["internal"], ".internal", false),
            (&["10.1.2.3:8000", "[::ffff:10.1.2.3]"], "10.0.0.0/8", true),
            (&["10.1.2.3"], "10.1.2.3", true),
            (&["10.1.2.3"], "10.1.2.3:8000", true),
            (&["10.1.2.3"], "10.1.2.3:80", false),
            (&["10.1.2.3"], "10.1.0.0/16", true),
            (&["10.1.2.3"], "10.2.0.0/16", false),
            (&["10.1.2.3"], "10.1.2.3/32", true),
            (&["10.1.2.3", "9.9.9.9"], "0.0.0.0/0", true),
            (&["169.254.1.1"], "169.254/16", true),
            (&["10.1.2.3"], "fe80::/10", false),
            (&["[fe80::1]:8000"], "fe80::/10", true),
            (&["[fe80::1]:8000"], "::/0", true),
            (&["[fe80::1]:8000"], "fe80::1", true),
            (&["[fe80::1]:8000"], "[fe80:0::1]:8000", true),
            (&["[fe80::1]:8000"], "[fe80::1]:80", false),
            (&["2.0.0.10.example.com"], "10.0.0.0/8", false),
        ] {
            for server in servers {
                assert_eq!(is_excepted(server, list), expected, "{server} in {list:?}");
            }
        }
        let lower = [("ALL_PROXY", "a"), ("no_proxy", "db.example.com")];
        assert_eq!(found(HTTP, &lower), None);
    }

    #[test]
    fn field_07_an_entry_of_no_proxy_without_a_form_is_an_error() {
        for entry in [
            "10.*",
            "http://db.internal",
            "10.0.0.0/33",
            "::1/129",
            "a/8",
            "db:port",
            "db:0",
            ":80",
            "<local>",
            "\"db\"",
            "*.",
            "[::1",
        ] {
            let list = format!("db.internal,{entry}");
            let error = proxy(HTTP, &[("HTTP_PROXY", "a"), ("NO_PROXY", &list)]);
            let error = error.expect_err(entry).to_string();
            assert!(
                error.starts_with(&format!("NO_PROXY is {entry:?}")),
                "{error}"
            );
            assert_eq!(proxy(HTTP, &[("NO_PROXY", &list)]), Ok(None), "no proxy");
        }
    }

    #[test]
    fn field_07_a_variable_that_names_no_http_proxy_is_an_error_by_name() {
        for (value, words) in [
            ("\"http://proxy:3128\"", "docker --env-file"),
            ("'proxy'", "docker --env-file"),
            ("ftp://u:s3cret@proxy:21", "ftp proxies are not supported"),
            (
                "socks5://u:s3cret@proxy",
                "socks5 proxies are not supported",
            ),
            ("http://", "URL of an HTTP proxy"),
            ("http://u:s3cret@", "URL of an HTTP proxy"),
            ("http://proxy:port", "URL of an HTTP proxy"),
            ("http://proxy:0", "URL of an HTTP proxy"),
            ("http://u:s3cret@proxy:99999", "URL of an HTTP proxy"),
            ("http://pro xy", "URL of an HTTP proxy"),
            ("http://proxy/proxy.pac", "must not have a path"),
            ("http://proxy?x=1", "must not have a path"),
            ("http://u:s3/cret@proxy", "%2F"),
            ("http://u:s3#cret@proxy", "%23"),
            ("http://u:s3cret%00@proxy", "control character"),
            ("http://u:s3cret%ff@proxy", "UTF-8"),
            ("http://\u{200b}proxy", "zero-width space (U+200B)"),
            ("\u{feff}http://proxy", "byte order mark"),
            ("://", "URL of an HTTP proxy"),
        ] {
            for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
                let error = proxy(HTTP, &[(variable, value)]).expect_err(value);
                let error = error.to_string();
                assert!(
                    error.starts_with(&format!("{variable} is \"<hidden>\"")),
                    "{error}"
                );
                assert!(error.contains(words) && !error.contains("s3"), "{error}");
            }
        }
    }

    #[test]
    fn secure_08_an_unusable_proxy_is_an_error_unless_the_server_needs_none() {
        let ftp = ("ALL_PROXY", "ftp://proxy");
        assert!(proxy(HTTP, &[ftp]).is_err());
        assert_eq!(proxy(HTTP, &[ftp, ("NO_PROXY", "example.com")]), Ok(None));
        assert_eq!(proxy("localhost", &[ftp]), Ok(None));
    }

    #[test]
    fn secure_08_a_cgi_program_ignores_the_variable_that_a_request_can_set() {
        let cgi = ("REQUEST_METHOD", "GET");
        let header = ("HTTP_PROXY", "http://attacker");
        assert_eq!(found(HTTP, &[cgi, header]), None);
        let all = ("ALL_PROXY", "http://a:1");
        let expected = Some("http://a:1 (from ALL_PROXY)".to_owned());
        assert_eq!(found(HTTP, &[cgi, header, all]), expected);
        #[cfg(not(windows))]
        assert!(found(HTTP, &[cgi, ("http_proxy", "a")]).is_some());
        #[cfg(feature = "tls")]
        assert!(found(HTTPS, &[cgi, ("HTTPS_PROXY", "a")]).is_some());
        assert!(found(HTTP, &[("REQUEST_METHOD", ""), header]).is_some());
    }
}
