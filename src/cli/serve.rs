//! `chroma_client serve`: runs a server on this machine until it is stopped.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use chroma_blocking::LocalServer;
use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::{note, say};
use super::stop;

/// The time between two checks of the server.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Run a Chroma server on this machine until Ctrl-C or SIGTERM
///
/// Starts the executable in CHROMA_BIN, the chroma on the PATH, or else a copy that is installed from PyPI the first
/// time. Only programs on this machine reach the server. Prints its URL when it is ready.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  chroma_client serve --port 8000 --data ./chroma")]
pub(crate) struct Args {
    /// The port; 0 for a free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The data folder; it is created if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = "./chroma")]
    data: PathBuf,
    /// The version, such as 1.5.9; ignores CHROMA_BIN and the PATH [default: any]
    #[arg(long)]
    version: Option<String>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let stop = stop::on_signals("stopping the server")?;
    let mut builder = LocalServer::builder()
        .install(true)
        .on_install(|plan| note(&plan.to_string()))
        .port(args.port)
        .data(&args.data);
    if let Some(version) = &args.version {
        builder = builder.version(version);
    }
    let server = builder.start()?;
    let data = server.data_dir().display().to_string();
    let line = json!({
        "url": server.url(),
        "port": server.port(),
        "pid": server.pid(),
        "data": data,
        "log": server.log_file().display().to_string(),
    });
    say(global, server.url(), &line)?;
    note(&format!("its data is in {data}; Ctrl-C stops it"));
    while !stop.load(Ordering::Relaxed) {
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port()));
        if connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            let log = server.log_file().display();
            return Err(format!("the server has ended; its log is {log}").into());
        }
        // A signal ends this wait.
        thread::park_timeout(POLL_INTERVAL);
    }
    server.stop()?;
    Ok(Exit::Done)
}
