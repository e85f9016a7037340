//! [`Endpoint`]: a server's address, parsed from a URL or `host:port`.

use std::net::IpAddr;
use std::sync::Arc;

use ureq::http::Uri;
use ureq::http::uri::Scheme;

use super::proxy::{Proxy, has_valid_port};
use crate::error::InvalidInput;
use crate::printable::is_unprintable;

/// A server's address: scheme, host, port, and a path that is put before the API's own; and the proxy through
/// which it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    base: String,
    loopback: bool,
    secure: bool,
    /// Without the brackets of an IPv6 address.
    host: Arc<str>,
    port: u16,
    proxy: Option<Proxy>,
    setting: &'static str,
}

impl Endpoint {
    /// Parses a URL, `host:port`, or a host, which gets `default_port`. `setting` is the setting that an
    /// error names.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if it is not a valid address.
    pub(crate) fn parse(
        setting: &'static str,
        value: &str,
        default_port: u16,
    ) -> Result<Endpoint, InvalidInput> {
        let bad = |why: &str| InvalidInput::setting(setting, shown_address(value), why);
        const FORM: &str =
            "it must be a URL such as http://localhost:8000, or host:port such as localhost:8000";

        if value.trim().contains(is_unprintable) {
            return Err(bad(
                "it contains a character that cannot be seen; type it again",
            ));
        }
        let text = value.trim().trim_end_matches('/');
        // A URL needs brackets around an IPv6 address.
        let bracketed = match text.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => text.to_owned(),
        };
        let with_scheme = if bracketed.contains("://") {
            bracketed
        } else if is_cloud(&bracketed) {
            format!("https://{bracketed}")
        } else {
            format!("http://{bracketed}")
        };
        // In "https//host", the host would be "https", whose look-up takes long and fails.
        if matches!(text.split_once("//"), Some(("http" | "https", _))) {
            return Err(bad(FORM));
        }
        let uri: Uri = with_scheme.parse().map_err(|_| bad(FORM))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(bad(FORM));
        };
        if authority.as_str().contains('@') {
            return Err(bad("it must not contain a user name or password"));
        }
        if uri.query().is_some() || value.contains('#') {
            return Err(bad("it must not have a query or a fragment"));
        }
        let secure = *scheme == Scheme::HTTPS;
        if !secure && *scheme != Scheme::HTTP {
            return Err(bad("only http and https are supported"));
        }
        if secure && cfg!(not(feature = "tls")) {
            return Err(bad("https needs the feature \"tls\" of chroma-blocking"));
        }
        // Names of hosts have no case.
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() || !has_valid_port(authority) {
            return Err(bad(FORM));
        }
        if !secure && is_cloud(&host) {
            let why = "Chroma Cloud is reached by https only; over http, the key could be read on the way";
            return Err(bad(why));
        }
        let port = match (authority.port_u16(), value.contains("://")) {
            (Some(port), _) => Some(port),
            (None, true) => None,
            (None, false) if secure => None,
            (None, false) => Some(default_port),
        };
        let after_host = port.map_or(String::new(), |port| format!(":{port}"));
        let path = uri.path().trim_end_matches('/');
        Ok(Endpoint {
            base: format!("{scheme}://{host}{after_host}{path}"),
            loopback: is_loopback(&host),
            secure,
            host: without_brackets(&host).into(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            proxy: None,
            setting,
        })
    }

    /// Removes the path of Chroma's API, which some users copy together with the address.
    pub(crate) fn without_api_path(mut self) -> Endpoint {
        if let Some(base) = self.base.strip_suffix("/api/v2") {
            self.base = base.to_owned();
        }
        self
    }

    /// Returns the setting or the environment variable that the address comes from.
    pub(crate) fn setting(&self) -> &'static str {
        self.setting
    }

    /// Returns the URL without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.base
    }

    /// Returns the endpoint as reached through a proxy, or directly.
    pub(crate) fn through(self, proxy: Option<Proxy>) -> Endpoint {
        Endpoint { proxy, ..self }
    }

    /// Returns the proxy through which the server is reached.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Returns the host, without the brackets of an IPv6 address, and the port.
    pub(crate) fn host_and_port(&self) -> (&Arc<str>, u16) {
        (&self.host, self.port)
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether the server is Chroma Cloud.
    pub(crate) fn is_cloud(&self) -> bool {
        is_cloud(&self.base)
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Returns an address without its parts that may be secret: those before an `@`, and after a `?` or `#`. A
/// password may contain these characters itself, so the last `@` counts.
pub(crate) fn shown_address(address: &str) -> String {
    let (before, rest) = match address.rsplit_once('@') {
        Some((_, rest)) => ("<hidden>@", rest),
        None => ("", address),
    };
    match rest.split_once(['?', '#']) {
        Some((shown, _)) => format!("{before}{shown}?<hidden>"),
        None => format!("{before}{rest}"),
    }
}

/// Whether an address belongs to Chroma Cloud. Scheme, port and path are optional.
pub(crate) fn is_cloud(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let domain = "trychroma.com";
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|sub| sub.ends_with('.'))
}

/// Returns the address of an IPv6 host without its brackets.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a host is this machine. So is the address `0.0.0.0`, which servers show when they listen on all
/// addresses.
fn is_loopback(host: &str) -> bool {
    let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost")
        || without_brackets(host)
            .parse()
            .is_ok_and(|address: IpAddr| is_here(address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Endpoint, InvalidInput> {
        Endpoint::parse("CHROMA_HOST", value, 8000)
    }

    #[test]
    fn every_form_of_an_address_is_accepted() {
        for (value, base) in [
            ("localhost", "http://localhost:8000"),
            ("localhost:9000", "http://localhost:9000"),
            (" db.example.com ", "http://db.example.com:8000"),
            ("http://localhost:8000/", "http://localhost:8000"),
            ("http://db.example.com", "http://db.example.com"),
            (
                "http://gw.example.com/chroma/",
                "http://gw.example.com/chroma",
            ),
            (
                "http://localhost:8000/api/v2/",
                "http://localhost:8000/api/v2",
            ),
            ("[::1]:9000", "http://[::1]:9000"),
            ("::1", "http://[::1]:8000"),
        ] {
            assert_eq!(parse(value).unwrap().as_str(), base, "{value}");
        }
        let copied = parse("http://localhost:8000/api/v2/").unwrap();
        assert_eq!(copied.without_api_path().as_str(), "http://localhost:8000");
    }

    #[test]
    #[cfg(feature = "opentelemetry")]
    fn traces_show_host_and_port() {
        for (value, host, port) in [
            ("db.example.com", "db.example.com", 8000),
            ("http://db.example.com/chroma", "db.example.com", 80),
            ("[::1]:9000", "::1", 9000),
            #[cfg(feature = "tls")]
            ("https://db.example.com", "db.example.com", 443),
        ] {
            let endpoint = parse(value).unwrap();
            let (found, number) = endpoint.host_and_port();
            assert_eq!((&**found, number), (host, port), "{value}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn https_is_accepted() {
        let cloud = parse("https://api.trychroma.com").unwrap();
        assert_eq!(cloud.as_str(), "https://api.trychroma.com");
        assert!(cloud.is_secure() && !cloud.is_loopback() && cloud.is_cloud());
        let bare = parse("api.trychroma.com").unwrap();
        assert_eq!(bare.as_str(), "https://api.trychroma.com");
        for other in ["trychroma.com.example.com", "nottrychroma.com"] {
            assert!(!parse(other).unwrap().is_cloud(), "{other}");
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_without_tls_names_the_feature() {
        assert!(
            parse("https://x")
                .unwrap_err()
                .to_string()
                .contains("\"tls\"")
        );
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for value in [
            "",
            " ",
            "http://",
            "localhost:port",
            "localhost:0",
            "localhost:99999",
            "ftp://localhost",
            "http://a b",
            "http://localhost:8000?x=1",
            "http://localhost/#x",
            "/api",
            "https//localhost",
            "http:/localhost",
            "local\r\nhost",
            "http://localhost/\u{9b}31m",
            "http://localhost/\u{202e}",
        ] {
            let error = parse(value).expect_err(value);
            assert!(error.to_string().starts_with("CHROMA_HOST is "), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn secure_05_hosts_of_chroma_cloud_are_compared_as_dns_does_and_refused_over_http() {
        for host in [
            "API.TRYCHROMA.COM",
            "api.trychroma.com.",
            "Api.TryChroma.com.:443",
        ] {
            let endpoint = parse(host).unwrap();
            assert!(endpoint.is_cloud() && endpoint.is_secure(), "{host}");
            assert!(is_cloud(host), "{host}");
            let error = parse(&format!("http://{host}")).unwrap_err().to_string();
            assert!(error.contains("https only"), "{error}");
        }
        assert!(parse("http://api.trychroma.com:8000/x").is_err());
        assert!(!is_cloud("trychroma.com.example.com."));
    }

    #[test]
    fn field_07_hosts_have_no_case() {
        let endpoint = parse("http://DB.Example.COM:8000/Path").unwrap();
        assert_eq!(endpoint.as_str(), "http://db.example.com:8000/Path");
    }

    #[test]
    fn errors_hide_a_password() {
        let error = parse("http://user:secret@localhost")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("password") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn loopback_addresses_are_recognized() {
        for here in ["localhost", "127.0.0.1:8000", "127.8.9.1", "[::1]:1"] {
            assert!(parse(here).unwrap().is_loopback(), "{here}");
        }
        for there in ["localhost.example.com", "10.0.0.1", "127.example.com"] {
            assert!(!parse(there).unwrap().is_loopback(), "{there}");
        }
    }
}
