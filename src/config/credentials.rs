//! Settings for access to a server: keys, headers, a proxy, certificates.

use base64_simd::STANDARD as BASE64;
use ureq::http::{HeaderName, HeaderValue, header};

use super::builder::{Authorization, ClientBuilder, Named};
use crate::error::InvalidInput;
use crate::transport::{self, Proxy};

/// The header of Chroma's own keys.
const TOKEN: HeaderName = HeaderName::from_static("x-chroma-token");
/// The headers that the client sets itself.
const RESERVED: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::USER_AGENT,
];

impl ClientBuilder {
    /// Sets the API key for Chroma Cloud, or for a server that expects the header `x-chroma-token`. Default:
    /// none.
    ///
    /// This crate keeps secrets out of its errors, `Debug` output and log lines. At the level `trace`,
    /// however, the crate `ureq-proto` logs whole requests. Set the level of that crate to `debug` or a less
    /// verbose one.
    pub fn api_key(mut self, key: impl Into<String>) -> ClientBuilder {
        self.token = Some(Named::new("api_key", key));
        self
    }

    /// Sets the token for a server, or a proxy before it, that expects `Authorization: Bearer TOKEN`.
    /// Replaces [`basic_auth`](ClientBuilder::basic_auth). Default: none.
    pub fn bearer_token(mut self, token: impl AsRef<str>) -> ClientBuilder {
        self.authorization = Some(Authorization::Bearer(token.as_ref().to_owned()));
        self
    }

    /// Sets the user and password for a server, or a proxy before it, that expects `Authorization: Basic …`.
    /// Replaces [`bearer_token`](ClientBuilder::bearer_token). Default: none.
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> ClientBuilder {
        self.authorization = Some(Authorization::Basic {
            user: user.as_ref().to_owned(),
            password: password.as_ref().to_owned(),
        });
        self
    }

    /// Adds a header to every request. Its value is treated as a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> ClientBuilder {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the URL of an HTTP proxy, `http://user:password@host:port`, for all addresses of this client.
    /// Scheme, user, password and port are optional. Special characters in the user and the password are
    /// percent-encoded. The scheme `https` means TLS to the proxy.
    ///
    /// Requests to an `http` server are sent to the proxy with the whole URL. Requests to an `https` server
    /// go through a tunnel (`CONNECT`).
    ///
    /// Default: the proxy in an environment variable, by the rules of Go and curl:
    ///
    /// | variable | |
    /// |---|---|
    /// | `HTTP_PROXY` or `http_proxy` | for `http` servers. In a CGI program (`REQUEST_METHOD` is set), `HTTP_PROXY` is ignored, since a request can set it |
    /// | `HTTPS_PROXY` or `https_proxy` | for `https` servers |
    /// | `ALL_PROXY` or `all_proxy` | for both, if their variable is not set |
    /// | `NO_PROXY` or `no_proxy` | hosts without a proxy, separated by commas: `db.internal` (and all below it), `.internal` (only those below it), `10.1.2.3`, `10.0.0.0/8`, `db.internal:8000`, `*` |
    ///
    /// A server on this machine is never reached through a proxy of the environment. A variable whose value
    /// cannot be used is an error of [`build`](ClientBuilder::build) if it concerns a server of this client.
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.proxy = Some(url.into());
        self
    }

    /// Sets the certificates of trusted authorities, in PEM. They replace the public authorities. Requires
    /// the feature `tls`. Default: the public authorities.
    ///
    /// A file with a damaged certificate is refused as a whole. A self-signed certificate of a server works as
    /// well, unless it is a CA certificate (`CA:TRUE`).
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> ClientBuilder {
        self.certificates = Some(pem.into());
        self
    }

    /// Returns the headers that authorize requests. Each value is a secret.
    pub(super) fn secret_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidInput> {
        let mut headers = Vec::new();
        if let Some(Named { setting, value }) = &self.token {
            headers.push((TOKEN, transport::key(setting, value)?));
        }
        if let Some(authorization) = &self.authorization {
            headers.push((header::AUTHORIZATION, authorization.header()?));
        }
        for (name, value) in &self.headers {
            let bad = |why| InvalidInput::setting("header", name, why);
            // Not shown, since it may be a whole line of a request.
            let name = HeaderName::try_from(name.as_str()).map_err(|_| {
                let why = "it is not a valid name of an HTTP header, such as x-team";
                InvalidInput::secret("header", name, why)
            })?;
            if RESERVED.contains(&name) {
                return Err(bad("the client sets this header itself"));
            }
            if headers.iter().any(|(before, _)| *before == name) {
                return Err(bad("this header is set twice"));
            }
            headers.push((name, transport::secret("header", value)?));
        }
        Ok(headers)
    }

    /// Returns the settings or variables that the credentials come from, for errors of a server that refuses
    /// them.
    pub(super) fn credential_sources(&self) -> Vec<String> {
        let token = self.token.as_ref().map(|token| token.setting.to_owned());
        let authorization = self.authorization.as_ref();
        let authorization = authorization.map(|given| given.setting().to_owned());
        let headers = self
            .headers
            .iter()
            .map(|(name, _)| format!("the header {name}"));
        let mut sources: Vec<_> = token.into_iter().chain(authorization).collect();
        if sources.is_empty() {
            sources.extend(headers);
        }
        sources
    }

    /// Returns the password, which its header encodes.
    pub(super) fn password(&self) -> Option<String> {
        match &self.authorization {
            Some(Authorization::Basic { password, .. }) => Some(password.clone()),
            _ => None,
        }
    }

    /// Returns the proxy, if one is set.
    pub(super) fn parsed_proxy(&self) -> Result<Option<Proxy>, InvalidInput> {
        self.proxy.as_deref().map(Proxy::in_code).transpose()
    }

    /// Returns the certificates of the trusted authorities; empty for the public authorities.
    #[cfg(feature = "tls")]
    pub(super) fn root_certificates(
        &self,
    ) -> Result<Vec<ureq::tls::Certificate<'static>>, InvalidInput> {
        let certificates = self.certificates.as_deref();
        certificates.map_or(Ok(Vec::new()), super::certificates::read)
    }

    /// Refuses certificates, which have no effect without https.
    #[cfg(not(feature = "tls"))]
    pub(super) fn refuse_certificates(&self) -> Result<(), InvalidInput> {
        let Some(pem) = &self.certificates else {
            return Ok(());
        };
        let given = format!("{} bytes", pem.len());
        let why = "it needs the feature \"tls\" of chroma-blocking";
        Err(InvalidInput::setting("ca_certificates", given, why))
    }
}

impl Authorization {
    /// Returns the method of [`ClientBuilder`] that sets it.
    fn setting(&self) -> &'static str {
        match self {
            Authorization::Bearer(_) => "bearer_token",
            Authorization::Basic { .. } => "basic_auth",
        }
    }

    /// Returns the value of the header. It is a secret.
    fn header(&self) -> Result<HeaderValue, InvalidInput> {
        let setting = self.setting();
        let value = match self {
            Authorization::Bearer(token) => {
                transport::key(setting, token)?;
                format!("Bearer {token}")
            }
            Authorization::Basic { user, password } => {
                transport::check_login(setting, user)?;
                transport::check_login(setting, password)?;
                if user.contains(':') {
                    let why = "a user name with a colon cannot be sent; the server would take the rest for the password";
                    return Err(InvalidInput::secret(setting, user, why));
                }
                format!(
                    "Basic {}",
                    BASE64.encode_to_string(format!("{user}:{password}"))
                )
            }
        };
        transport::secret(setting, &value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(builder: &ClientBuilder) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = builder.secret_headers().unwrap();
        assert!(headers.iter().all(|(_, value)| value.is_sensitive()));
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn each_credential_becomes_a_header() {
        let new = ClientBuilder::default;
        assert_eq!(headers_of(&new()), []);
        assert_eq!(
            headers_of(&new().api_key("k")),
            [pair("x-chroma-token", "k")]
        );
        assert_eq!(
            headers_of(&new().bearer_token("t")),
            [pair("authorization", "Bearer t")]
        );
        // RFC 7617, section 2
        assert_eq!(
            headers_of(&new().basic_auth("Aladdin", "open sesame")),
            [pair("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        );
        assert_eq!(
            headers_of(&new().header("X-Team", "a").header("X-Trace", "b")),
            [pair("x-team", "a"), pair("x-trace", "b")]
        );
    }

    #[test]
    fn values_that_would_break_a_request_are_refused() {
        let new = ClientBuilder::default;
        for builder in [
            new().api_key(""),
            new().api_key("k\r\nx: y"),
            new().bearer_token("t\n"),
            new().header("a b", "c"),
            new().header("", "c"),
            new().header("Content-Length", "5"),
            new().header("x", "y\r\nz"),
            new().header("x", "1").header("X", "2"),
            new().api_key("k").header("x-chroma-token", "k"),
        ] {
            assert!(builder.secret_headers().is_err(), "{builder:?}");
        }
        assert!(new().proxy("no proxy").parsed_proxy().is_err());
    }

    #[test]
    #[cfg(feature = "tls")]
    fn bytes_without_a_certificate_are_refused() {
        let builder = ClientBuilder::default().ca_certificates("no certificate");
        assert!(builder.root_certificates().is_err());
    }
}
