//! Settings for access to a server: keys, headers, a proxy, certificates.

use base64_simd::STANDARD as BASE64;
use ureq::http::{HeaderName, HeaderValue, header};

use super::builder::{ClientBuilder, Named};
use crate::error::InvalidInput;
use crate::transport;

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
        let value = format!("Bearer {}", token.as_ref());
        self.authorization = Some(Named::new("bearer_token", value));
        self.password = None;
        self
    }

    /// Sets the user and password for a server, or a proxy before it, that expects `Authorization: Basic …`.
    /// Replaces [`bearer_token`](ClientBuilder::bearer_token). Default: none.
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> ClientBuilder {
        let both = format!("{}:{}", user.as_ref(), password.as_ref());
        let encoded = BASE64.encode_to_string(both);
        self.authorization = Some(Named::new("basic_auth", format!("Basic {encoded}")));
        self.password = Some(password.as_ref().to_owned());
        self
    }

    /// Adds a header to every request. Its value is treated as a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> ClientBuilder {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the URL of an HTTP proxy, `http://host:port`. Default: the proxy in the environment variable
    /// `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`, if any.
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.proxy = Some(url.into());
        self
    }

    /// Sets the certificates of trusted authorities, in PEM. They replace the public authorities. Requires
    /// the feature `tls`. Default: the public authorities.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> ClientBuilder {
        self.certificates = Some(pem.into());
        self
    }

    /// Returns the headers that authorize requests. Each value is a secret.
    pub(super) fn secret_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidInput> {
        let mut headers = Vec::new();
        if let Some(Named { setting, value }) = &self.token {
            headers.push((TOKEN, transport::secret(setting, value)?));
        }
        if let Some(Named { setting, value }) = &self.authorization {
            headers.push((header::AUTHORIZATION, transport::secret(setting, value)?));
        }
        for (name, value) in &self.headers {
            let bad = |why| InvalidInput::setting("header", name, why);
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| bad("it is not a valid name of an HTTP header"))?;
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

    /// Returns the proxy, if one is set.
    pub(super) fn parsed_proxy(&self) -> Result<Option<ureq::Proxy>, InvalidInput> {
        use ureq::ProxyProtocol::{Http, Https};

        let Some(url) = &self.proxy else {
            return Ok(None);
        };
        match ureq::Proxy::new(url) {
            Ok(proxy) if matches!(proxy.protocol(), Http | Https) => Ok(Some(proxy)),
            // The URL may contain a password.
            _ => Err(InvalidInput::setting(
                "proxy",
                "<hidden>",
                "it must be the URL of an HTTP proxy, such as http://proxy.example.com:3128",
            )),
        }
    }

    /// Returns the certificates of the trusted authorities; empty for the public authorities.
    #[cfg(feature = "tls")]
    pub(super) fn root_certificates(
        &self,
    ) -> Result<Vec<ureq::tls::Certificate<'static>>, InvalidInput> {
        let Some(pem) = &self.certificates else {
            return Ok(Vec::new());
        };
        let certificates: Vec<_> = ureq::tls::parse_pem(pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            let given = format!("{} bytes", pem.len());
            let why = "it contains no certificate in PEM; give the bytes of the file, not its name";
            return Err(InvalidInput::setting("ca_certificates", given, why));
        }
        Ok(certificates)
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
