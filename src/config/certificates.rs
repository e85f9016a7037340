//! The certificates of trusted authorities: reads them from PEM, and refuses a file with a damaged one.
//!
//! rustls silently ignores a certificate that it cannot read. Servers of that authority would then be refused
//! without a reason. OpenSSL and curl refuse the whole file.

use ureq::tls::{Certificate, PemItem, parse_pem};

use super::der::is_certificate;
use crate::error::InvalidInput;

const SETTING: &str = "ca_certificates";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END CERTIFICATE-----";

/// Reads all certificates. Other parts of the file, such as keys and comments, are ignored.
///
/// # Errors
/// [`InvalidInput::Setting`] if there is none, or if one is damaged. The message has its number and line.
pub(super) fn read(pem: &[u8]) -> Result<Vec<Certificate<'static>>, InvalidInput> {
    let bad = |why: String| InvalidInput::setting(SETTING, format!("{} bytes", pem.len()), why);
    let text = String::from_utf8_lossy(pem);
    let starts = text.match_indices(BEGIN).map(|(at, _)| at);
    let mut starts: Vec<usize> = [0].into_iter().chain(starts).collect();
    starts.dedup();
    let mut certificates = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let section = Section(&text[*start..end]);
        let found = section.certificate().map_err(|why| {
            let (number, line) = (certificates.len() + 1, lines(&text[..*start]) + 1);
            bad(format!("certificate {number}, from line {line} on, {why}"))
        })?;
        certificates.extend(found);
    }
    if certificates.is_empty() {
        return Err(bad(format!(
            "it contains no certificate in PEM; {}",
            cure(pem)
        )));
    }
    Ok(certificates)
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// Returns what to do with a file that has no certificate.
fn cure(file: &[u8]) -> &'static str {
    if is_certificate(file) {
        "the file is a certificate in DER; convert it: openssl x509 -inform der -in FILE -out NEW"
    } else {
        "give the bytes of the file, not its name"
    }
}

/// A part of a file: from a `BEGIN` to the next one.
struct Section<'a>(&'a str);

impl Section<'_> {
    /// Returns the certificate; `None` if this is another kind of section.
    ///
    /// # Errors
    /// If the certificate is damaged. The text says how.
    fn certificate(&self) -> Result<Option<Certificate<'static>>, String> {
        let begin = self.0.strip_prefix(BEGIN);
        let label = begin.and_then(|rest| rest.split("-----").next());
        let allowed = match label {
            Some("CERTIFICATE") => 1,
            Some(label @ ("TRUSTED CERTIFICATE" | "X509 CERTIFICATE")) => {
                return Err(format!(
                    "is a {label}, a format of OpenSSL; convert it: openssl x509 -in FILE -out NEW"
                ));
            }
            _ => 0,
        };
        if self.0.matches(END).count() > allowed {
            return Err("is damaged: it has an END line without a BEGIN line".to_owned());
        }
        if allowed == 0 {
            return Ok(None);
        }
        match parse_pem(self.0.as_bytes()).next() {
            Some(Ok(PemItem::Certificate(found))) if is_certificate(found.der()) => Ok(Some(found)),
            _ => Err("cannot be read: it is damaged, cut off or indented; \
                      copy it again, or remove it"
                .to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of a file in `tests/data/tls`, if the folder exists.
    fn pem(name: &str) -> Option<String> {
        let folder = crate::fuzzing::data()?.join("tls");
        Some(std::fs::read_to_string(folder.join(name)).unwrap())
    }

    fn error(pem: impl AsRef<[u8]>) -> String {
        match read(pem.as_ref()) {
            Ok(found) => panic!("{} certificates", found.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_with_several_certificates_keys_and_comments_are_read() {
        let names = [
            "authority.pem",
            "refused/ca_as_server.pem",
            "refused/v1.pem",
            "server.pem",
        ];
        let Some(files) = names.into_iter().map(pem).collect::<Option<Vec<_>>>() else {
            return;
        };
        let all = format!("# a comment\n{}", files.join("\nmore\n"));
        for file in [
            all.clone(),
            all.replace('\n', "\r\n"),
            format!("\u{feff}{all}"),
        ] {
            assert_eq!(read(file.as_bytes()).unwrap().len(), 4);
        }
    }

    #[test]
    fn secure_15_a_damaged_certificate_is_refused_by_its_number_and_line() {
        let Some(authority) = pem("authority.pem") else {
            return;
        };
        let whole = format!("# a comment\n{authority}{authority}");
        let line = 2 + lines(&authority);
        let second = 12 + authority.len();
        let (before, broken) = whole.split_at(second);
        for broken in [
            broken.replacen("MII", "MI!", 1),
            broken.replacen("MII", "MIJ", 1),
            broken.replacen("MII", "NII", 1),
            broken.replacen("-----END CERTIFICATE-----", "", 1),
            broken[..200].to_owned(),
            broken
                .replace('\n', "\n  ")
                .replacen("-----BEGIN", "  -----BEGIN", 1),
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned(),
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned(),
        ] {
            let shown = error(format!("{before}{broken}{authority}"));
            assert!(
                shown.contains(&format!(
                    "certificate 2, from line {line} on, cannot be read"
                )),
                "{shown}: {broken}"
            );
        }
        let shown = error(whole.replacen("-----BEGIN", "---BEGIN", 1));
        assert!(
            shown.contains("certificate 1, from line 1 on, is damaged"),
            "{shown}"
        );
        let shown = error(authority.replace("CERTIFICATE", "TRUSTED CERTIFICATE"));
        assert!(shown.contains("openssl x509 -in"), "{shown}");
    }

    #[test]
    fn secure_15_no_prefix_of_a_certificate_is_one() {
        let Some(authority) = pem("authority.pem") else {
            return;
        };
        let [PemItem::Certificate(whole)] = &parse_pem(authority.as_bytes())
            .map(Result::unwrap)
            .collect::<Vec<_>>()[..]
        else {
            panic!("one certificate");
        };
        let whole = whole.der();
        assert!(is_certificate(whole));
        for end in 0..whole.len() {
            assert!(!is_certificate(&whole[..end]));
        }
        assert!(!is_certificate(&[whole, b"x"].concat()));
        assert!(error(whole).contains("openssl x509 -inform der"));
    }

    #[test]
    fn secure_15_a_file_without_certificates_is_refused() {
        for none in ["", "# empty", "/etc/ssl/ca.pem", "-----BEGIN", "\u{fffd}\0"] {
            let shown = error(none);
            assert!(
                shown.contains("no certificate in PEM; give the bytes"),
                "{shown}"
            );
        }
    }
}
