//! [`TlsFault`]: why TLS failed, and what to do about it.

use super::dialect::CHECK_THE_NETWORK;
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
    /// Its signature does not match the key of the trusted authority of that name.
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

    /// Returns what to do about it, if the fault shows that. An attacker may have caused the fault, so the
    /// advice must be safe in that case.
    pub(super) fn hint(self, server: &Endpoint, is_on_the_internet: bool) -> Option<String> {
        match self {
            TlsFault::Alert => None,
            TlsFault::NotTls if server.is_loopback() => Some(
                "this port does not speak TLS; use an address with http, or another port"
                    .to_owned(),
            ),
            fault if is_on_the_internet && !fault.may_be_of_this_machine() => Some(format!(
                "this is not the response of the service; {CHECK_THE_NETWORK}"
            )),
            TlsFault::NotTls => Some(
                "this port does not speak TLS; check the port, and use http only in a network that you trust, where \
                 nobody else can read keys"
                    .to_owned(),
            ),
            TlsFault::Distrusted(refusal) => Some(refusal.hint(server)),
        }
    }

    /// Whether the cause may be on this machine: its clock, or the authorities that it trusts.
    fn may_be_of_this_machine(self) -> bool {
        matches!(
            self,
            TlsFault::Distrusted(
                Refusal::UnknownIssuer
                    | Refusal::BadSignature
                    | Refusal::Expired
                    | Refusal::NotValidYet
            )
        )
    }
}

impl Refusal {
    /// Reads the reason that rustls gives. The text begins with it, or with `Other(OtherError(…))` around it.
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
            Refusal::UnknownIssuer => {
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
                "if this is your server, connect by a name that the certificate lists, or {}",
                make_certificate(server)
            ),
            Refusal::Expired => {
                "check the clock of this machine; if it is right, renew the server's certificate".to_owned()
            }
            Refusal::NotValidYet => "check the clocks of this machine and of the server".to_owned(),
            Refusal::BadSignature => {
                "the certificate in ca_certificates(...) has the right name but another key; pass the authority's \
                 current certificate"
                    .to_owned()
            }
            Refusal::OtherPurpose => {
                "the certificate is not for servers; make one whose extendedKeyUsage is serverAuth, or has none"
                    .to_owned()
            }
            Refusal::Other => {
                "the certificate is not valid; the server needs another one".to_owned()
            }
        }
    }
}

/// Returns the advice to make a certificate for a server, with the command.
fn make_certificate(server: &Endpoint) -> String {
    // With a proxy, the certificate may be the proxy's or the server's.
    let (host, _) = server.host_and_port();
    let host = server.proxy().map_or(&**host, |_| "HOST");
    let kind = match host.parse::<std::net::IpAddr>() {
        Ok(_) => "IP",
        Err(_) => "DNS",
    };
    format!(
        "make a certificate for this server: openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
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
            let fault = TlsFault::of(&error).unwrap();
            fault.hint(&at(host), false).unwrap()
        };
        for (why, words) in [
            ("UnknownIssuer", "its authority to ca_certificates"),
            ("Other(OtherError(CaUsedAsEndEntity))", "CA:TRUE"),
            ("Other(OtherError(UnsupportedCertVersion))", "version 1"),
            (
                "certificate not valid for name \"x\"; certificate is",
                "if this is your server, connect by a name",
            ),
            ("certificate expired: verification time 1", "renew"),
            ("Expired", "renew"),
            ("certificate not valid yet: verification time 1", "clock"),
            ("BadSignature", "another key"),
            (
                "certificate does not allow extended key usage for server",
                "serverAuth",
            ),
            ("Revoked", "needs another one"),
            // Text from the certificate is not a reason.
            ("Other(X(\"Expired BadSignature\"))", "needs another one"),
        ] {
            let found = hint(why, "db.example.com");
            assert!(found.contains(words), "{why}: {found}");
        }
        let ca = "Other(OtherError(CaUsedAsEndEntity))";
        assert!(hint(ca, "db.example.com").contains("=DNS:db.example.com "));
        assert!(hint(ca, "10.0.0.7").contains("=IP:10.0.0.7 "));
        assert!(hint(ca, "[::1]:8000").contains("=IP:::1 "));
    }

    #[test]
    #[cfg(feature = "tls")]
    fn secure_15_the_advice_is_safe_if_an_attacker_caused_the_fault() {
        let distrusted = TlsFault::Distrusted;
        let hint = |fault: TlsFault, host: &str, is_on_the_internet| {
            let server = Endpoint::parse("CHROMA_HOST", host, 8000).unwrap();
            fault.hint(&server, is_on_the_internet).unwrap()
        };
        let (own, service) = ("https://db.example.com", "https://api.trychroma.com");
        assert!(hint(TlsFault::NotTls, "https://[::1]:1", false).contains("an address with http"));
        assert!(hint(TlsFault::NotTls, own, false).contains("only in a network that you trust"));
        assert!(
            hint(distrusted(Refusal::OtherName), own, false).starts_with("if this is your server")
        );
        assert!(!hint(distrusted(Refusal::Other), own, false).contains("ca_certificates"));
        for refusal in [
            Refusal::OtherName,
            Refusal::Authority,
            Refusal::Version1,
            Refusal::Other,
        ] {
            for fault in [TlsFault::NotTls, distrusted(refusal)] {
                let hint = hint(fault, service, true);
                let is_safe = !hint.contains("http ") && !hint.contains("ca_certificates");
                assert!(is_safe && hint.ends_with(CHECK_THE_NETWORK), "{hint}");
            }
        }
        let inspected = hint(distrusted(Refusal::UnknownIssuer), service, true);
        assert!(inspected.contains("if you trust the server"), "{inspected}");
    }
}
