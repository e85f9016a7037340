//! [`TlsFault`]: why TLS failed, and what to do about it.

use super::endpoint::Endpoint;

/// A fault of TLS that stays if the request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsFault {
    /// The server's certificate was refused.
    Distrusted(Refusal),
    /// The server's first bytes were not TLS.
    NotTls,
    /// The server ended the connection with an alert of TLS, for example because the versions differ or
    /// because it requires a certificate of the client.
    Alert,
}

/// Why a certificate was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No trusted authority has signed it.
    UnknownIssuer,
    /// The server uses the certificate of an authority as its own.
    Authority,
    /// It has version 1.
    Version1,
    /// It is for other names.
    OtherName,
    Expired,
    NotValidYet,
    /// It was signed with another key than that of the authority of this name.
    BadSignature,
    /// It may not be used by servers.
    OtherPurpose,
    Other,
}

impl TlsFault {
    /// Returns the fault of TLS that an attempt failed for, if any.
    ///
    /// rustls reports it as an I/O error. The text starts with "invalid peer certificate", or names the type
    /// of the message that rustls read, or says that it received an alert.
    pub(super) fn of(error: &ureq::Error) -> Option<TlsFault> {
        let text = error.to_string();
        if let Some((_, why)) = text.split_once("invalid peer certificate") {
            Some(TlsFault::Distrusted(Refusal::of(why)))
        } else if text.contains("InvalidContentType") {
            Some(TlsFault::NotTls)
        } else if text.contains("received fatal alert") {
            Some(TlsFault::Alert)
        } else {
            None
        }
    }

    /// Returns what to do about it, if the fault shows that.
    pub(super) fn hint(self, server: &Endpoint) -> Option<String> {
        match self {
            TlsFault::Distrusted(refusal) => Some(refusal.hint(server)),
            TlsFault::NotTls => Some(
                "this port does not speak TLS; use an address with http, or another port"
                    .to_owned(),
            ),
            TlsFault::Alert => None,
        }
    }
}

impl Refusal {
    /// Reads the reason that rustls gives. A reason of its own begins the text; one of its checks of
    /// certificates is in brackets.
    fn of(why: &str) -> Refusal {
        let reasons = [
            ("UnknownIssuer", Refusal::UnknownIssuer),
            ("Other(OtherError(CaUsedAsEndEntity))", Refusal::Authority),
            (
                "Other(OtherError(UnsupportedCertVersion))",
                Refusal::Version1,
            ),
            ("certificate not valid for name", Refusal::OtherName),
            ("certificate expired", Refusal::Expired),
            ("Expired", Refusal::Expired),
            ("certificate not valid yet", Refusal::NotValidYet),
            ("BadSignature", Refusal::BadSignature),
            (
                "certificate does not allow extended key usage",
                Refusal::OtherPurpose,
            ),
        ];
        let why = why.trim_start_matches([':', ' ']);
        let found = reasons.into_iter().find(|(text, _)| why.starts_with(text));
        found.map_or(Refusal::Other, |(_, refusal)| refusal)
    }

    fn hint(self, server: &Endpoint) -> String {
        match self {
            Refusal::UnknownIssuer | Refusal::Other => {
                "if you trust the server, pass the certificate of its authority to ca_certificates(...)".to_owned()
            }
            Refusal::Authority => format!(
                "the server uses the certificate of an authority (CA:TRUE) as its own, which is refused even if \
                 ca_certificates(...) has it; {}",
                make_certificate(server)
            ),
            Refusal::Version1 => format!(
                "the certificate has version 1, which cannot name a server; {}",
                make_certificate(server)
            ),
            Refusal::OtherName => format!(
                "connect to a name that the certificate has; or {}",
                make_certificate(server)
            ),
            Refusal::Expired => {
                "renew the certificate of the server, and check the clock of this machine".to_owned()
            }
            Refusal::NotValidYet => "check the clocks of this machine and of the server".to_owned(),
            Refusal::BadSignature => {
                "the authority in ca_certificates(...) has the right name and another key; pass the current certificate \
                 of the authority"
                    .to_owned()
            }
            Refusal::OtherPurpose => {
                "the certificate is not for servers; make one whose extendedKeyUsage is serverAuth, or has none"
                    .to_owned()
            }
        }
    }
}

/// Returns the advice to make a certificate for a server, with the command.
fn make_certificate(server: &Endpoint) -> String {
    // Of several hosts, the fault does not say which one it is about.
    let (host, _) = server.host_and_port();
    let host = server.proxy().map_or(&**host, |_| "HOST");
    let kind = match host.parse::<std::net::IpAddr>() {
        Ok(_) => "IP",
        Err(_) => "DNS",
    };
    format!(
        "make one for the server: openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
         -subj /CN=chroma -addext subjectAltName={kind}:{host} -addext basicConstraints=critical,CA:FALSE; then let the \
         server use both files, and pass cert.pem to ca_certificates(...)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_15_each_reason_of_rustls_has_its_hint() {
        let at = |host: &str| Endpoint::parse("CHROMA_HOST", host, 8000).unwrap();
        let hint = |why: &str, host: &str| {
            let error = format!("invalid peer certificate: {why}");
            let error = ureq::Error::Io(std::io::Error::other(error));
            TlsFault::of(&error).unwrap().hint(&at(host)).unwrap()
        };
        for (why, words) in [
            ("UnknownIssuer", "its authority to ca_certificates"),
            ("Other(OtherError(CaUsedAsEndEntity))", "CA:TRUE"),
            ("Other(OtherError(UnsupportedCertVersion))", "version 1"),
            (
                "certificate not valid for name \"x\"; certificate is",
                "a name that the certificate has",
            ),
            ("certificate expired: verification time 1", "renew"),
            ("Expired", "renew"),
            ("certificate not valid yet: verification time 1", "clock"),
            ("BadSignature", "another key"),
            (
                "certificate does not allow extended key usage for server",
                "serverAuth",
            ),
            ("Revoked", "ca_certificates"),
            // A name in a certificate is no reason.
            (
                "Other(X(\"Expired BadSignature\"))",
                "its authority to ca_certificates",
            ),
        ] {
            let found = hint(why, "db.example.com");
            assert!(found.contains(words), "{why}: {found}");
        }
        let ca = "Other(OtherError(CaUsedAsEndEntity))";
        assert!(hint(ca, "db.example.com").contains("=DNS:db.example.com "));
        assert!(hint(ca, "10.0.0.7").contains("=IP:10.0.0.7 "));
        assert!(hint(ca, "[::1]:8000").contains("=IP:::1 "));
    }
}
