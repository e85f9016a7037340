//! `chroma_client doctor`: checks the way to the server, the key and the functions of the collections.

use std::env;
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, Collection};
use serde::Serialize;

use super::args::{Global, Outcome};
use super::exit::{self, Exit};
use super::output::{Colour, Output};

/// A larger difference between two clocks is a warning.
const CLOCKS: Duration = Duration::from_secs(5);
/// Less free space is a warning.
const SPACE: u64 = 1 << 30;
/// The variables that choose a proxy.
const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Check the connection, the key, the limits, the clock, the disk and the functions of all collections
///
/// A function opens if its settings are known and its key is set. No text is embedded, so a wrong key of a provider
/// is not found.
#[derive(clap::Args)]
#[command(after_help = "\
With --json, a line for each check: check, status (ok, warning or failure), message.

Exit codes: 0 without a failure; otherwise that of the first failure: 1, 2, or 75 if it may pass.

Example:
  chroma_client doctor --host db:8000")]
pub(crate) struct Args {}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failure,
}

/// Prints the checks, and remembers the first failure.
struct Report {
    output: Output,
    exit: Exit,
}

/// A line of `doctor --json`.
#[derive(Serialize)]
struct Line<'a> {
    check: &'a str,
    status: Status,
    message: &'a str,
}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let mut report = Report {
        output: Output::new(global),
        exit: Exit::Done,
    };
    check_machine(&mut report)?;
    match global.client() {
        Ok(client) => check_server(&client, &mut report)?,
        Err(error) => report.fail("connection", &error)?,
    }
    report.output.finish()?;
    Ok(report.exit)
}

fn check_machine(report: &mut Report) -> io::Result<()> {
    let set = PROXIES
        .into_iter()
        .filter(|name| env::var_os(name).is_some_and(|v| !v.is_empty()));
    let set: Vec<&str> = set.collect();
    report.say(
        "proxy",
        Status::Ok,
        &match set.as_slice() {
            [] => "no variable of a proxy is set".to_owned(),
            set => format!("the environment sets {}", set.join(", ")),
        },
    )?;
    for folder in [env::current_dir().unwrap_or_default(), env::temp_dir()] {
        let Some(free) = free_space(&folder) else {
            continue;
        };
        let message = format!(
            "{:.1} GB are free in {}",
            free as f64 / 1e9,
            folder.display()
        );
        if free < SPACE {
            let message = format!("{message}; checkpoints, backups and exports need room");
            report.say("disk", Status::Warning, &message)?;
        } else {
            report.say("disk", Status::Ok, &message)?;
        }
    }
    Ok(())
}

fn check_server(client: &Client, report: &mut Report) -> io::Result<()> {
    let started = Instant::now();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let heartbeat = match client.heartbeat() {
        Ok(heartbeat) => heartbeat,
        Err(error) => return report.fail("connection", &error),
    };
    let took = started.elapsed();
    let message = format!("{} responds, after {} ms", client.url(), took.as_millis());
    report.say("connection", Status::Ok, &message)?;
    check_clock(heartbeat, now.as_nanos(), took, report)?;
    report.result("version", client.version(), |version| {
        format!("the API has version {version}; every server since Chroma 1.0 says 1.0.0")
    })?;
    report.result("limits", client.pre_flight_checks(), |limits| {
        let base64 = if limits.supports_base64_encoding {
            "in base64"
        } else {
            "as lists of numbers"
        };
        format!(
            "at most {} records per request, vectors {base64}",
            limits.max_batch_size
        )
    })?;
    report.result("key", client.identity(), |user| {
        match user.user_id.as_str() {
            "" => format!("the server asks for no key; tenant {}", user.tenant),
            id => format!(
                "user {id} of tenant {}, databases {}",
                user.tenant,
                user.databases.join(", ")
            ),
        }
    })?;
    // Servers list no collections of a database that does not exist.
    let exists = client.get_database(client.database());
    match exists.and_then(|_| client.list_collections().run()) {
        Ok(collections) => {
            let (database, count) = (client.database(), collections.len());
            report.say(
                "database",
                Status::Ok,
                &format!("{database} has {count} collections"),
            )?;
            collections
                .iter()
                .try_for_each(|collection| check_function(collection, report))
        }
        Err(error) => report.fail("database", &error),
    }
}

/// Compares the clocks. The server's time was read at some moment of the request.
fn check_clock(server: u128, sent: u128, took: Duration, report: &mut Report) -> io::Result<()> {
    let received = sent + took.as_nanos();
    let off = sent
        .saturating_sub(server)
        .max(server.saturating_sub(received));
    let seconds = off as f64 / 1e9;
    if off > CLOCKS.as_nanos() {
        let message = format!(
            "the clocks differ by {seconds:.0} s; set the clock of this machine or the server's"
        );
        return report.say("clock", Status::Warning, &message);
    }
    report.say(
        "clock",
        Status::Ok,
        &format!("the clocks differ by {seconds:.1} s"),
    )
}

/// Makes the function of a collection, and embeds nothing.
fn check_function(collection: &Collection, report: &mut Report) -> io::Result<()> {
    let name = collection.name();
    let failed = |why: &dyn Error| format!("{name}: {why:#}");
    if let Some(function) = collection.embedding_function() {
        return match function.embed_documents(&[]) {
            Ok(_) => {
                let message = format!("{name}: {} opens", function.name());
                report.say("function", Status::Ok, &message)
            }
            Err(why) => report.say("function", Status::Failure, &failed(&*why)),
        };
    }
    let stored = collection.configuration().embedding_function.as_ref();
    if stored.is_none_or(|stored| stored.name.is_none()) {
        let message =
            format!("{name}: the server returns no function, so texts need one or vectors");
        return report.say("function", Status::Ok, &message);
    }
    // Without a function, this fails before it sends anything, and says why.
    match collection.query("").run() {
        Err(chroma_blocking::Error::Invalid { reason, .. }) => {
            report.say("function", Status::Failure, &failed(&reason))
        }
        Err(error) => report.fail("function", &error),
        Ok(_) => Ok(()),
    }
}

impl Report {
    fn say(&mut self, check: &str, status: Status, message: &str) -> io::Result<()> {
        if matches!(status, Status::Failure) && self.exit == Exit::Done {
            self.exit = Exit::Failed;
        }
        if self.output.is_json() {
            self.output.json(&Line {
                check,
                status,
                message,
            })?;
        } else {
            let (colour, word) = match status {
                Status::Ok => (Colour::Green, "ok     "),
                Status::Warning => (Colour::Yellow, "warning"),
                Status::Failure => (Colour::Red, "failure"),
            };
            let word = self.output.paint(colour, word).into_owned();
            self.output
                .painted_line(&word, &format!("  {check:<10}  {message}"))?;
        }
        // Some checks take a while.
        self.output.flush()
    }

    fn fail(&mut self, check: &str, error: &chroma_blocking::Error) -> io::Result<()> {
        if self.exit == Exit::Done {
            self.exit = exit::of_error(error);
        }
        self.say(check, Status::Failure, &format!("{error:#}"))
    }

    fn result<T>(
        &mut self,
        check: &str,
        result: chroma_blocking::Result<T>,
        describe: impl FnOnce(T) -> String,
    ) -> io::Result<()> {
        match result {
            Ok(value) => self.say(check, Status::Ok, &describe(value)),
            Err(error) => self.fail(check, &error),
        }
    }
}

/// Returns the bytes of a disk that this user may write, if the system tells them.
#[cfg(unix)]
fn free_space(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_folder: &Path) -> Option<u64> {
    None
}
