//! [`fetch`]: downloads an archive into a file, and compares its hash.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;
use sha2::{Digest, Sha256};
use ureq::http::Method;

use crate::environment::Environment;
use crate::error::{Error, InvalidInput, Result};
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::{
    self, CHECK_THE_NETWORK, CallOptions, ConnectOptions, Dialect, Endpoint, EndpointOptions,
    Endpoints, ErrorResponse, HttpRequest, Kind, Operation, RetryPolicy, Sink, Timeouts, Transport,
};

pub(super) const DOWNLOAD: Operation = Operation {
    name: "download",
    method: Method::GET,
    path: "/",
    kind: Kind::Reads,
};
/// The name of the model, for errors and logs.
pub(super) const MODEL: &str = "all-MiniLM-L6-v2";
/// The most bytes of an archive. Chroma's has 83 MB.
const MAX_ARCHIVE: u64 = 128 << 20;
/// The bytes from one report of the progress to the next.
const REPORTED: u64 = 1 << 20;
/// The first two bytes of a file in the format gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const CHECK_THE_ADDRESS: &str = "check the address, and any proxy";

/// An archive on the internet, and how to get it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) url: String,
    /// The SHA-256 of the archive, in hexadecimal digits.
    pub(super) sha256: String,
    pub(super) retry: RetryPolicy,
    /// The longest wait for the next bytes of the archive.
    pub(super) silence: Duration,
}

impl Source {
    /// Returns the connection to the server of the archive.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the address or a proxy of the environment is malformed.
    pub(super) fn connect(
        &self,
        environment: &Environment<'_>,
    ) -> std::result::Result<Transport, InvalidInput> {
        let endpoint = Endpoint::parse("url", &self.url, 80)?;
        let proxy = transport::proxy_from_environment(&endpoint, environment)?;
        let options = ConnectOptions {
            timeouts: Timeouts {
                // A slow connection may take hours.
                request: Duration::MAX,
                silence: Some(self.silence),
                connect_setting: "",
                ..Timeouts::default()
            },
            ..ConnectOptions::default()
        };
        let endpoints = Endpoints::new(endpoint.through(proxy), EndpointOptions::default());
        Ok(Transport::new(endpoints, options, &Errors))
    }

    /// Downloads the archive into a new file.
    ///
    /// # Errors
    /// Those of requests, [`Error::Decode`] if the response is not the archive, and [`Error::Io`] if the file
    /// cannot be written.
    pub(super) fn fetch(
        &self,
        transport: &Transport,
        path: &Path,
        report: &mut dyn FnMut(&Progress),
    ) -> Result<()> {
        let written = |source| Error::Io {
            message: format!(
                "cannot write {}; the download needs 180 MB of free space there",
                path.display()
            ),
            source,
        };
        let mut received = Received {
            file: File::create_new(path).map_err(written)?,
            hash: Sha256::new(),
            expected: &self.sha256,
            progress: Progress::new(DOWNLOAD.name, ProgressStage::Downloading, 0),
            reported: 0,
            report,
            fault: None,
        };
        let request = HttpRequest {
            operation: &DOWNLOAD,
            subject: Some(MODEL),
            namespace: None,
            path: "",
            body: None,
        };
        let result = transport.download(CallOptions::from(self.retry), request, &mut received);
        match received.fault {
            Some(Fault::Disk(error)) => Err(written(error)),
            _ => result,
        }
    }
}

/// Why a response was not received to its end.
enum Fault {
    Disk(io::Error),
    /// It is something else than the archive.
    Other(String),
}

/// The file that an archive is written to, and its hash so far.
struct Received<'a> {
    file: File,
    hash: Sha256,
    expected: &'a str,
    progress: Progress,
    /// The bytes of the last report.
    reported: u64,
    report: &'a mut dyn FnMut(&Progress),
    fault: Option<Fault>,
}

impl Received<'_> {
    fn stop(&mut self, fault: Fault) -> ControlFlow<()> {
        self.fault = Some(fault);
        ControlFlow::Break(())
    }

    fn report(&mut self) {
        self.reported = self.progress.done;
        (self.report)(&self.progress);
    }

    /// Checks that a response of this many bytes can be the archive.
    fn check_size(&mut self, bytes: u64) -> ControlFlow<()> {
        if bytes <= MAX_ARCHIVE {
            return ControlFlow::Continue(());
        }
        let max = MAX_ARCHIVE >> 20;
        let why = format!("it is larger than {max} MiB, so it is not Chroma's archive");
        self.stop(Fault::Other(why))
    }
}

impl Sink for Received<'_> {
    fn begin(&mut self, length: Option<u64>) -> ControlFlow<()> {
        self.progress.done = 0;
        self.progress.total = length;
        self.hash = Sha256::new();
        self.fault = None;
        let emptied = self
            .file
            .set_len(0)
            .and_then(|()| io::Seek::rewind(&mut self.file));
        if let Err(error) = emptied {
            return self.stop(Fault::Disk(error));
        }
        self.check_size(length.unwrap_or(0))?;
        self.report();
        ControlFlow::Continue(())
    }

    fn write(&mut self, piece: &[u8]) -> ControlFlow<()> {
        let before = self.progress.done;
        let is_gzip = GZIP.starts_with(&piece[..piece.len().min(GZIP.len())]);
        if before == 0 && !is_gzip {
            let why = "it is not an archive in the format gzip; a network that requires a login \
                       sends a page instead";
            return self.stop(Fault::Other(why.to_owned()));
        }
        self.check_size(before + piece.len() as u64)?;
        if let Err(error) = self.file.write_all(piece) {
            return self.stop(Fault::Disk(error));
        }
        self.hash.update(piece);
        self.progress.done += piece.len() as u64;
        if self.progress.done - self.reported >= REPORTED {
            self.report();
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self) -> std::result::Result<(), String> {
        match &self.fault {
            Some(Fault::Other(why)) => return Err(format!("{why}; {CHECK_THE_ADDRESS}")),
            Some(Fault::Disk(error)) => return Err(error.to_string()),
            None => {}
        }
        if self.progress.done > self.reported {
            self.report();
        }
        let found = format!("{:x}", std::mem::take(&mut self.hash).finalize());
        if found == self.expected {
            return Ok(());
        }
        Err(format!(
            "checksum mismatch: its SHA-256 is {found}, and that of Chroma's archive is {}; {CHECK_THE_ADDRESS}",
            self.expected
        ))
    }
}

/// The errors of Amazon S3, which are XML, and of mirrors.
#[derive(Debug)]
struct Errors;

/// Returns the text of an element of XML.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty() && !text.contains('<'))
}

impl Dialect for Errors {
    fn error(&self, response: ErrorResponse<'_>) -> Error {
        let xml = String::from_utf8_lossy(&response.body);
        let words = match element(&xml, "Message") {
            Some(words) => response.clean(words),
            None => response.shown(),
        };
        let name = element(&xml, "Code").map_or(String::new(), |name| response.clean(name));
        let ErrorResponse {
            call,
            status,
            retry_after,
            ..
        } = response;
        let message = if status < 500 && status != 429 {
            format!("{words}; {CHECK_THE_ADDRESS}")
        } else {
            words
        };
        match status {
            404 => Error::NotFound { call, message },
            429 => Error::RateLimited {
                call,
                retry_after,
                message,
            },
            _ => Error::Server {
                call,
                status,
                name,
                retry_after,
                message,
            },
        }
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, _: HttpRequest<'_>, _: &Endpoint) -> (String, Vec<KeyValue>) {
        (format!("{} {MODEL}", DOWNLOAD.name), Vec::new())
    }

    fn subject_is(&self, _: &Operation) -> &'static str {
        "model"
    }

    fn too_large_hint(&self) -> &'static str {
        CHECK_THE_ADDRESS
    }

    fn unreachable_hint(&self, at: &Endpoint) -> String {
        if at.is_loopback() {
            "check that a server runs there".to_owned()
        } else {
            CHECK_THE_NETWORK.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Folder;

    /// A full disk, or a file that cannot be written for another reason.
    #[test]
    fn a_file_that_cannot_be_written_ends_the_download() {
        let folder = Folder::new();
        let path = folder.0.join("file");
        std::fs::write(&path, "").unwrap();
        let mut received = Received {
            file: File::open(&path).unwrap(),
            hash: Sha256::new(),
            expected: "",
            progress: Progress::new(DOWNLOAD.name, ProgressStage::Downloading, 0),
            reported: 0,
            report: &mut |_| {},
            fault: None,
        };
        assert!(received.begin(None).is_break());
        assert!(matches!(received.fault, Some(Fault::Disk(_))));
        assert!(received.end().is_err());
        received.fault = None;
        assert!(received.write(&GZIP).is_break());
        assert!(matches!(received.fault, Some(Fault::Disk(_))));
    }

    #[test]
    fn the_text_of_an_element_is_read() {
        let xml = "<a><Code> b </Code><c/><d><e/></d></a>";
        assert_eq!(element(xml, "Code"), Some("b"));
        assert_eq!(element(xml, "d"), None);
        assert_eq!(element("<Code>", "Code"), None);
    }
}
