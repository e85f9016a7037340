//! Who the client says it is, and the ways to a server that ask for more than an address: keys, headers, a proxy,
//! certificates.

use base64_simd::STANDARD as BASE64;
use ureq::http::{HeaderName, HeaderValue, header};

use super::{ClientBuilder, bad};
use crate::error::InvalidInput;
use crate::transport;

/// The name of the header for Chroma's own keys.
const TOKEN: HeaderName = HeaderName::from_static("x-chroma-token");
/// What the client itself says in a request.
const OWN: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::USER_AGENT,
];

impl ClientBuilder {
    /// A key of Chroma Cloud, or of a server that asks for `x-chroma-token`. Secrets are in no error, no `Debug` and no
    /// log of this crate. (At the level `trace`, the crate `ureq-proto` logs whole requests: keep it above that.)
    pub fn api_key(mut self, key: impl Into<String>) -> ClientBuilder {
        self.token = Some(("api_key", key.into()));
        self
    }

    /// A token for a server, or a proxy in front of it, that asks for `Authorization: Bearer TOKEN`.
    pub fn bearer_token(mut self, token: impl AsRef<str>) -> ClientBuilder {
        self.authorization = Some(("bearer_token", format!("Bearer {}", token.as_ref())));
        self
    }

    /// User and password for a server, or a proxy in front of it, that asks for `Authorization: Basic …`.
    pub fn basic_auth(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> ClientBuilder {
        let both = format!("{}:{}", user.as_ref(), password.as_ref());
        self.password = Some(password.as_ref().to_owned());
        let encoded = BASE64.encode_to_string(both);
        self.authorization = Some(("basic_auth", format!("Basic {encoded}")));
        self
    }

    /// One more header of every request. Its value is taken for a secret.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> ClientBuilder {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A proxy, `http://host:port`, in place of the one that `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` names.
    pub fn proxy(mut self, url: impl Into<String>) -> ClientBuilder {
        self.proxy = Some(url.into());
        self
    }

    /// The certificates of authorities to trust, in PEM, in place of the public ones. Needs the feature `tls`.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> ClientBuilder {
        self.certificates = Some(pem.into());
        self
    }

    /// The headers that let the client in, all of them secrets.
    pub(super) fn access(&self) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidInput> {
        let mut headers = Vec::new();
        if let Some((setting, key)) = &self.token {
            headers.push((TOKEN, transport::secret(setting, key)?));
        }
        if let Some((setting, value)) = &self.authorization {
            headers.push((header::AUTHORIZATION, transport::secret(setting, value)?));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| bad("header", name, "it is no name of an HTTP header"))?;
            if OWN.contains(&name) || headers.iter().any(|(before, _)| *before == name) {
                return Err(bad("header", name.as_str(), "requests have it already"));
            }
            headers.push((name, transport::secret("header", value)?));
        }
        Ok(headers)
    }

    /// The proxy, if one is set.
    pub(super) fn proxy_to_use(&self) -> Result<Option<ureq::Proxy>, InvalidInput> {
        let parse = |url: &String| {
            use ureq::ProxyProtocol::{Http, Https};

            match ureq::Proxy::new(url) {
                Ok(proxy) if matches!(proxy.protocol(), Http | Https) => Ok(proxy),
                // The URL may hold a password.
                _ => Err(bad(
                    "proxy",
                    "<hidden>",
                    "it must be the URL of an HTTP proxy, such as http://proxy.example.com:3128",
                )),
            }
        };
        self.proxy.as_ref().map(parse).transpose()
    }

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
            return Err(bad(
                "ca_certificates",
                "",
                "there is no certificate in it, in PEM",
            ));
        }
        Ok(certificates)
    }

    /// Certificates for a client that does not speak https would be of no use, and that must not pass unsaid.
    #[cfg(not(feature = "tls"))]
    pub(super) fn no_certificates(&self) -> Result<(), InvalidInput> {
        match self.certificates {
            Some(_) => Err(bad(
                "ca_certificates",
                "",
                "it needs the feature \"tls\" of chroma-blocking",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(builder: ClientBuilder) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = builder.access().unwrap();
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
    fn every_way_in_is_a_header() {
        let new = ClientBuilder::default;
        assert_eq!(access(new()), []);
        assert_eq!(access(new().api_key("k")), [pair("x-chroma-token", "k")]);
        assert_eq!(
            access(new().bearer_token("t")),
            [pair("authorization", "Bearer t")]
        );
        // RFC 7617, section 2
        assert_eq!(
            access(new().basic_auth("Aladdin", "open sesame")),
            [pair("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        );
        assert_eq!(
            access(new().header("X-Team", "a").header("X-Trace", "b")),
            [pair("x-team", "a"), pair("x-trace", "b")]
        );
    }

    #[test]
    fn what_could_break_a_request_is_refused() {
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
            assert!(builder.access().is_err(), "{builder:?}");
        }
        assert!(new().proxy("no proxy").proxy_to_use().is_err());
    }

    #[test]
    #[cfg(feature = "tls")]
    fn certificates_are_looked_for() {
        let builder = ClientBuilder::default().ca_certificates("nothing of the kind");
        assert!(builder.root_certificates().is_err());
    }
}
