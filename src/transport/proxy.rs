//! [`Proxy`]: the address of an HTTP proxy, with the user and password for it.

use std::fmt;

use base64_simd::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use ureq::http::Uri;
use ureq::http::uri::Authority;

use crate::environment::fault_in;
use crate::error::InvalidInput;

const FORM: &str = "it must be the URL of an HTTP proxy, such as http://proxy.example.com:3128";
/// The setting of a proxy that was set in code. Any other setting is an environment variable.
const IN_CODE: &str = "proxy";

/// An HTTP proxy. Neither `Debug` nor `Display` shows the user and the password.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// The environment variable, or `proxy` for one that was set in code.
    setting: &'static str,
    /// Scheme, host and port.
    uri: Uri,
    credentials: Option<Credentials>,
}

#[derive(Clone)]
struct Credentials {
    password: String,
    /// The value of the header `Proxy-Authorization`.
    header: String,
}

impl Proxy {
    /// Parses a proxy that was set in code.
    ///
    /// # Errors
    /// Those of [`parse`](Proxy::parse).
    pub(crate) fn in_code(url: &str) -> Result<Proxy, InvalidInput> {
        Proxy::parse(IN_CODE, url)
    }

    /// Parses `http://user:password@host:port`. Scheme, user, password and port are optional.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if it is not the URL of an HTTP proxy. The URL may contain a password, so
    /// the error shows only the scheme.
    pub(super) fn parse(setting: &'static str, url: &str) -> Result<Proxy, InvalidInput> {
        let url = url.trim();
        let bad = |why: &str| InvalidInput::secret(setting, url, why);
        if url.is_empty() {
            return Err(bad(FORM));
        }
        if let Some(why) = fault_in(url) {
            return Err(bad(&why));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "https" if cfg!(not(feature = "tls")) => {
                return Err(bad("https needs the feature \"tls\" of chroma-blocking"));
            }
            "http" | "https" => {}
            _ if is_scheme(&scheme) => {
                return Err(bad(&format!("{scheme} proxies are not supported; {FORM}")));
            }
            _ => return Err(bad(FORM)),
        }
        // The last `@`, since a password may contain another one.
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(['/', '?', '#'])) {
            let why = "write the characters / ? # in its user or password as %2F %3F %23";
            return Err(bad(why));
        }
        let address = address.strip_suffix('/').unwrap_or(address);
        if address.contains(['/', '?', '#']) {
            return Err(bad(&format!("it must not have a path; {FORM}")));
        }
        let uri: Uri = format!("{scheme}://{address}")
            .parse()
            .map_err(|_| bad(FORM))?;
        let is_complete = uri
            .authority()
            .is_some_and(|authority| !authority.host().is_empty() && has_valid_port(authority));
        if !is_complete {
            return Err(bad(FORM));
        }
        let credentials = user.map(Credentials::parse).transpose().map_err(bad)?;
        Ok(Proxy {
            setting,
            uri,
            credentials,
        })
    }

    /// Returns the scheme, host and port.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the value of the header `Proxy-Authorization`, if the URL has a user.
    pub(super) fn authorization(&self) -> Option<&str> {
        Some(&self.credentials.as_ref()?.header)
    }

    /// Returns the texts that no error may show.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().flat_map(|credentials| {
            let encoded = credentials.header.split_once(' ');
            [
                credentials.password.as_str(),
                encoded.map_or("", |(_, encoded)| encoded),
            ]
        })
    }

    /// Returns what to do if the proxy cannot be reached.
    pub(super) fn unreachable_hint(&self) -> String {
        match self.setting {
            IN_CODE => "check the address that .proxy(...) sets".to_owned(),
            variable => format!(
                "check {variable}, or list the server's host in NO_PROXY to connect without a proxy"
            ),
        }
    }

    /// Returns what to do if the proxy requires a user and a password.
    pub(super) fn login_hint(&self) -> String {
        let (scheme, host) = (self.uri.scheme_str(), self.uri.authority());
        let (scheme, host) = (
            scheme.unwrap_or_default(),
            host.map_or("", |host| host.as_str()),
        );
        match self.setting {
            IN_CODE => format!("set it as .proxy(\"{scheme}://user:password@{host}\")"),
            variable => format!("set {variable} to {scheme}://user:password@{host}"),
        }
    }
}

impl Credentials {
    /// Parses `user:password`, both percent-encoded.
    fn parse(text: &str) -> Result<Credentials, &'static str> {
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            let decoded = decoded.map_err(|_| "its user or password is not UTF-8")?;
            if decoded.contains(char::is_control) {
                return Err("its user or password has a control character");
            }
            Ok(decoded.into_owned())
        };
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let (user, password) = (decode(user)?, decode(password)?);
        let encoded = BASE64.encode_to_string(format!("{user}:{password}"));
        Ok(Credentials {
            password,
            header: format!("Basic {encoded}"),
        })
    }
}

/// Whether the port is missing or from 1 to 65535.
pub(super) fn has_valid_port(authority: &Authority) -> bool {
    let rest = authority.as_str().strip_prefix(authority.host());
    match rest {
        Some("") => true,
        Some(_) => authority.port_u16().is_some_and(|port| port != 0),
        None => false,
    }
}

/// Whether a text has the form of a scheme, so that it may be shown.
fn is_scheme(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    !text.is_empty() && text.len() <= 12 && text.bytes().all(allowed)
}

/// Prints the address and the setting that it comes from.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.uri.to_string();
        let address = address.trim_end_matches('/');
        let setting = match self.setting {
            IN_CODE => "ClientBuilder::proxy",
            variable => variable,
        };
        write!(f, "{address} (from {setting})")
    }
}

/// Shows no password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_07_scheme_port_and_login_are_optional() {
        for (url, uri, login) in [
            ("proxy", "http://proxy/", None),
            ("proxy:3128", "http://proxy:3128/", None),
            ("http://proxy:3128/", "http://proxy:3128/", None),
            ("HTTP://proxy", "http://proxy/", None),
            ("[::1]:3128", "http://[::1]:3128/", None),
            (" u:p@proxy:1 ", "http://proxy:1/", Some("u:p")),
            ("http://u@proxy", "http://proxy/", Some("u:")),
            ("http://u:p%40%2f:x@proxy", "http://proxy/", Some("u:p@/:x")),
            ("http://u:p@ss@proxy", "http://proxy/", Some("u:p@ss")),
        ] {
            let proxy = Proxy::in_code(url).unwrap();
            assert_eq!(proxy.uri().to_string(), uri, "{url}");
            let login = login.map(|login| format!("Basic {}", BASE64.encode_to_string(login)));
            assert_eq!(proxy.authorization(), login.as_deref(), "{url}");
        }
    }

    #[test]
    fn field_07_neither_display_nor_debug_show_the_password() {
        let proxy = Proxy::parse("HTTPS_PROXY", "http://user:s3cret@proxy:1").unwrap();
        let shown = format!("{proxy} {proxy:?} {}", proxy.login_hint());
        assert!(
            !shown.contains("s3cret") && !shown.contains("dXNlcjp"),
            "{shown}"
        );
        assert!(
            shown.starts_with("http://proxy:1 (from HTTPS_PROXY)"),
            "{shown}"
        );
    }
}
