//! [`Onnx::download`]: installs the model of Chroma's default function.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod archive;
mod install;
mod server;
#[cfg(test)]
mod tests;

use super::folder;
use super::function::Onnx;
use crate::embed::model_identity::DEFAULT_MODEL;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::logs;
use crate::model::progress::Progress;
use crate::printable::OneLine;
use crate::transport::{
    self, CallOptions, ConnectOptions, Endpoint, EndpointOptions, Endpoints, HttpRequest,
    RetryPolicy, Timeouts, Transport, shown_address,
};
use archive::{Received, unpack};
use install::{Temporary, failed, lock};
use server::{DOWNLOAD, Errors};

/// Chroma's archive, as in chromadb 1.5.9.
const URL: &str = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz";
const SHA256: &str = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3";
/// The size of its `model.onnx`, which is nearly all of it. An interrupted installation of another program may
/// leave a shorter file.
const MODEL_SIZE: u64 = 90_387_606;
/// The longest wait for the next bytes.
const SILENCE: Duration = Duration::from_secs(30);
/// The step that fails if the disk is full. The archive has 83 MB, and its files have 91.
const WRITE: &str = "write 180 MB to";

impl Onnx {
    /// Sets up a download of the model of Chroma's default function: 83 MB, from Chroma's address, into the
    /// folder that Chroma's Python client uses as well. [`mini_lm`](Onnx::mini_lm) finds it there, unless
    /// `CHROMA_ONNX_MODEL` names another folder.
    ///
    /// This is the only part of the crate that downloads a model.
    ///
    /// ```no_run
    /// use chroma_blocking::embed::Onnx;
    ///
    /// // Returns at once if the model is there.
    /// Onnx::download().on_progress(|progress| eprintln!("{progress}")).run()?;
    /// let function = Onnx::mini_lm()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn download<'a>() -> OnnxDownload<'a> {
        OnnxDownload {
            url: URL.to_owned(),
            sha256: SHA256.to_owned(),
            model_size: MODEL_SIZE,
            retry: RetryPolicy::default(),
            silence: SILENCE,
            on_progress: Box::new(|_| {}),
        }
    }
}

/// A download of a model. [`Onnx::download`] returns one, and [`run`](OnnxDownload::run) starts it.
#[must_use = "does nothing until run() is called"]
pub struct OnnxDownload<'a> {
    url: String,
    sha256: String,
    model_size: u64,
    retry: RetryPolicy,
    silence: Duration,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
}

impl<'a> OnnxDownload<'a> {
    /// Sets the address of a mirror. It must have Chroma's own archive: its SHA-256 is checked, so plain http
    /// does no harm. Default: Chroma's address.
    pub fn url(mut self, url: impl Into<String>) -> OnnxDownload<'a> {
        self.url = url.into();
        self
    }

    /// Sets a function that is called with the number of bytes so far, on the calling thread. It is not called
    /// if nothing has to be downloaded, or if another process downloads. Default: none.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> OnnxDownload<'a> {
        self.on_progress = Box::new(report);
        self
    }

    /// Downloads the model unless it is there, and returns its folder.
    ///
    /// If another thread or process is downloading it, waits for that. The request goes through the proxy of
    /// the environment. It has no time limit as long as bytes arrive. The files get into their folder only
    /// after the hash of the archive was checked.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the address is malformed or the user has no home folder, [`Error::Decode`] if the
    /// server sends something else than Chroma's archive, [`Error::Io`] if the folder cannot be written, and
    /// any other error of a request. None of them leaves a file.
    ///
    /// [`Error::Invalid`]: crate::Error::Invalid
    /// [`Error::Decode`]: crate::Error::Decode
    /// [`Error::Io`]: crate::Error::Io
    pub fn run(self) -> Result<PathBuf> {
        self.run_in(&Environment::of_process())
    }

    fn run_in(mut self, environment: &Environment<'_>) -> Result<PathBuf> {
        let invalid = |reason| Call::new(DOWNLOAD.name, Some(DEFAULT_MODEL)).invalid(reason);
        let Some(folder) = folder::of_python(environment) else {
            let why = "the model is installed below the home folder, and there is none; set it to an absolute path";
            return Err(invalid(InvalidInput::setting(folder::HOME, "", why)));
        };
        if self.is_installed(&folder) {
            return Ok(folder);
        }
        let transport = self.connect(environment).map_err(invalid)?;
        fs::create_dir_all(&folder).map_err(failed("create the folder", &folder))?;
        let _lock = lock(&folder)?;
        if self.is_installed(&folder) {
            return Ok(folder);
        }
        let (from, into) = (transport.endpoint().as_str(), OneLine(folder.display()));
        let from = OneLine(from);
        log::info!(target: logs::EMBED, "downloading the model {DEFAULT_MODEL} (83 MB) from {from} into {into}");
        let temporary = Temporary::create(&folder)?;
        let archive = temporary.0.join("onnx.tar.gz");
        self.fetch(&transport, &archive)?;
        unpack(&archive, &temporary.0).map_err(failed(WRITE, &temporary.0))?;
        temporary
            .install(&folder)
            .map_err(failed("write", &folder))?;
        log::info!(target: logs::EMBED, "installed the model {DEFAULT_MODEL} in {into}");
        Ok(folder)
    }

    /// Whether a folder has all files. A shorter model was not written to its end.
    fn is_installed(&self, folder: &Path) -> bool {
        let model = fs::metadata(folder.join("model.onnx"));
        folder::missing(folder).is_empty()
            && model.is_ok_and(|found| found.len() == self.model_size)
    }

    fn connect(&self, environment: &Environment<'_>) -> Result<Transport, InvalidInput> {
        let endpoint = Endpoint::parse("url", &self.url, 80)?;
        let proxy = transport::proxy_from_environment(&endpoint, environment)?;
        let endpoints = Endpoints::new(endpoint.through(proxy), EndpointOptions::default());
        let options = ConnectOptions {
            timeouts: self.timeouts(),
            ..ConnectOptions::default()
        };
        Ok(Transport::new(endpoints, options, &Errors))
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts {
            // A slow connection may take hours.
            request: Duration::MAX,
            silence: Some(self.silence),
            connect_setting: None,
            ..Timeouts::default()
        }
    }

    /// Downloads the archive into a new file.
    fn fetch(&mut self, transport: &Transport, path: &Path) -> Result<()> {
        let written = failed(WRITE, path);
        let file = File::create_new(path).map_err(&written)?;
        let mut received = Received::new(file, &self.sha256, &mut *self.on_progress);
        let request = HttpRequest {
            operation: &DOWNLOAD,
            subject: Some(DEFAULT_MODEL),
            namespace: None,
            path: "",
            body: None,
        };
        let result = transport.download(CallOptions::from(self.retry), request, &mut received);
        received
            .disk_error
            .map_or(result, |error| Err(written(error)))
    }
}

/// Shows no password of the address.
impl fmt::Debug for OnnxDownload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxDownload")
            .field("url", &shown_address(&self.url))
            .finish_non_exhaustive()
    }
}
