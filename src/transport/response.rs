//! [`HttpResponse`]: a response, read to its end.

use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use ureq::http::{self, HeaderMap};
use ureq::{Body, Error};

use super::sink::{Sink, receive};

/// The maximum size of an error's body, in bytes. The rest is not read.
const MAX_ERROR_BODY: u64 = 64 << 10;
/// The maximum size of the buffer allocated before the first byte arrives, whatever length the server
/// announces.
const MAX_RESERVED: u64 = 16 << 20;

/// A response with its whole body.
#[derive(Debug)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    /// The wait that the `Retry-After` header asks for.
    pub(super) retry_after: Option<Duration>,
    /// The new address that a redirect names.
    pub(super) location: Option<String>,
    /// Empty if a [`Sink`] has taken it.
    pub(super) body: Vec<u8>,
    /// The number of bytes that were received of the body.
    pub(super) size: usize,
    /// Whether the body is truncated.
    pub(super) is_cut: bool,
}

impl HttpResponse {
    /// Reads the body: that of a success into `sink`, if there is one, or else at most `max_size` bytes. The
    /// body of an error may be cut off.
    ///
    /// # Errors
    /// The connection broke, or the body is too large.
    pub(super) fn read(
        response: http::Response<Body>,
        max_size: u64,
        sink: Option<&mut dyn Sink>,
    ) -> Result<HttpResponse, Error> {
        let (parts, body) = response.into_parts();
        let retry_after = header(&parts.headers, http::header::RETRY_AFTER)
            .and_then(|text| asked_wait(text, SystemTime::now()));
        let location = if parts.status.is_redirection() {
            header(&parts.headers, http::header::LOCATION).map(str::to_owned)
        } else {
            None
        };
        let mut is_cut = false;
        let mut streamed = 0;
        let body = if let (true, Some(sink)) = (parts.status.is_success(), sink) {
            streamed = receive(body, sink)?;
            Vec::new()
        } else if parts.status.is_success() {
            let announced = body.content_length().unwrap_or(0);
            let reserved = announced.min(MAX_RESERVED).min(max_size);
            let mut reader = body.into_with_config().limit(max_size).reader();
            read_all(&mut reader, reserved as usize)?
        } else {
            let mut bytes = Vec::new();
            // The status is known, so a message that is cut off is better than none.
            let mut reader = body.into_reader().take(MAX_ERROR_BODY);
            is_cut = reader.read_to_end(&mut bytes).is_err() || reader.limit() == 0;
            bytes
        };
        Ok(HttpResponse {
            status: parts.status.as_u16(),
            retry_after,
            location,
            size: streamed + body.len(),
            body,
            is_cut,
        })
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the wait that a `Retry-After` header asks for, in seconds or by a date.
fn asked_wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date in the past asks for no wait.
    Some(date.duration_since(now).unwrap_or_default())
}

/// Reads to the end. `expected` is the likely number of bytes.
fn read_all(reader: &mut impl Read, expected: usize) -> io::Result<Vec<u8>> {
    // The system hands out large pieces of memory zeroed. `read_to_end` would zero them again, bit by bit.
    let mut bytes = vec![0; expected];
    let mut filled = 0;
    while filled < expected {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |text: &str| asked_wait(text, now).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        // The examples of RFC 9110, 5.6.7, which all name the same second.
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(wait(date), Some(7), "{date}");
        }
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0), "passed");
        for bad in ["", "-1", "soon", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait(bad), None, "{bad:?}");
        }
    }
}
