//! The structure of certificates in DER, to find those that rustls could not read.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// The version, and the extensions.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;

/// Whether bytes have the structure of a certificate (RFC 5280, 4.1).
pub(super) fn is_certificate(der: &[u8]) -> bool {
    let read = || {
        let outer = sequence(der)?;
        let (body, signature) = Some(outer).and_then(element)?;
        let (algorithm, signature) = element(signature)?;
        let (signature, rest) = element(signature)?;
        let tags = [body.tag, algorithm.tag, signature.tag];
        if tags != [SEQUENCE, SEQUENCE, BIT_STRING] || !rest.is_empty() {
            return None;
        }
        has_fields(body.content)
    };
    read().is_some()
}

/// Checks the fields of a certificate.
fn has_fields(body: &[u8]) -> Option<()> {
    let (first, rest) = element(body)?;
    let mut rest = if first.tag == VERSION { rest } else { body };
    // Serial number, algorithm, issuer, validity, subject, public key.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        let (field, after) = element(rest)?;
        if field.tag != tag || field.content.is_empty() && tag == INTEGER {
            return None;
        }
        rest = after;
    }
    while !rest.is_empty() {
        let (field, after) = element(rest)?;
        if field.tag == EXTENSIONS {
            let mut extensions = sequence(field.content)?;
            while !extensions.is_empty() {
                let (extension, after) = element(extensions)?;
                (extension.tag == SEQUENCE).then_some(())?;
                extensions = after;
            }
        }
        rest = after;
    }
    Some(())
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

/// Returns the content of a sequence that fills all of the bytes.
fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (whole, rest) = element(der)?;
    (whole.tag == SEQUENCE && rest.is_empty()).then_some(whole.content)
}

/// Reads an element, and returns the bytes after it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7F => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((Element { tag: *tag, content }, rest))
}
