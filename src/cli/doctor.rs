//! `chroma_client doctor`: checks the way to the server, the key and the functions of the collections.

use std::env;
use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, Collection};
use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::{self, Exit};
use super::output::{Colour, Output};

/// A larger difference between two clocks is a warning.
const CLOCKS: Duration = Duration::from_secs(5);
/// Less free space is a warning.
const SPACE: u64 = 1 << 30;
/// The status of a check that failed.
const FAILURE: &str = "failure";
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
With --json, a line for each check: check (proxy, disk, connection, clock, version, limits, key, database,
function), status (ok, warning or failure), message.

Exit codes: 0 without a failure; otherwise that of the first failure: 1, 2, or 75 if it may pass.

Example:
  chroma_client doctor --host db:8000")]
pub(crate) struct Args {}

/// Prints the checks, and remembers how the first failure ends the program.
struct Report {
    output: Output,
    exit: Exit,
}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let output = Output::new(global);
    let exit = Exit::Done;
    let mut report = Report { output, exit };
    check_machine(&mut report)?;
    match global.client() {
        Ok(client) => check_server(&client, &mut report)?,
        Err(error) => report.fail("connection", &error)?,
    }
    report.output.finish()?;
    Ok(report.exit)
}

fn check_machine(report: &mut Report) -> io::Result<()> {
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = PROXIES.into_iter().filter(is_set).collect();
    if set.is_empty() {
        report.ok("proxy", "no variable of a proxy is set")?;
    } else {
        report.ok("proxy", &format!("the environment sets {}", set.join(", ")))?;
    }
    for folder in [env::current_dir().unwrap_or_default(), env::temp_dir()] {
        let Some(free) = free_space(&folder) else {
            continue;
        };
        let gigabytes = free as f64 / 1e9;
        let message = format!("{gigabytes:.1} GB are free in {}", folder.display());
        if free < SPACE {
            let message = format!("{message}; checkpoints, backups and exports need room");
            report.say("disk", "warning", &message)?;
        } else {
            report.ok("disk", &message)?;
        }
    }
    Ok(())
}

fn check_server(client: &Client, report: &mut Report) -> io::Result<()> {
    let (started, now) = (Instant::now(), SystemTime::now());
    let heartbeat = match client.heartbeat() {
        Ok(heartbeat) => heartbeat,
        Err(error) => return report.fail("connection", &error),
    };
    let took = started.elapsed();
    let message = format!("{} responds, after {} ms", client.url(), took.as_millis());
    report.ok("connection", &message)?;
    check_clock(heartbeat, now, took, report)?;
    report.result("version", client.version(), |version| {
        format!("the API has version {version}; every server since Chroma 1.0 says 1.0.0")
    })?;
    report.result("limits", client.pre_flight_checks(), |limits| {
        let base64 = limits.supports_base64_encoding;
        let form = if base64 {
            "in base64"
        } else {
            "as lists of numbers"
        };
        format!(
            "at most {} records per request, vectors {form}",
            limits.max_batch_size
        )
    })?;
    report.result("key", client.identity(), |user| {
        let (tenant, databases) = (&user.tenant, user.databases.join(", "));
        match user.user_id.as_str() {
            "" => format!("the server asks for no key; tenant {tenant}"),
            id => format!("user {id} of tenant {tenant}, databases {databases}"),
        }
    })?;
    // Servers list no collections of a database that does not exist.
    let exists = client.get_database(client.database());
    match exists.and_then(|_| client.list_collections().run()) {
        Ok(collections) => {
            let (database, count) = (client.database(), collections.len());
            report.ok("database", &format!("{database} has {count} collections"))?;
            let mut collections = collections.iter();
            collections.try_for_each(|collection| check_function(collection, report))
        }
        Err(error) => report.fail("database", &error),
    }
}

/// Compares the clocks. The server read its own at some moment of the request.
fn check_clock(
    server: u128,
    sent: SystemTime,
    took: Duration,
    report: &mut Report,
) -> io::Result<()> {
    let sent = sent
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let ahead = server.saturating_sub(sent + took.as_nanos());
    let off = sent.saturating_sub(server).max(ahead);
    let message = format!("the clocks differ by {:.1} s", off as f64 / 1e9);
    if off > CLOCKS.as_nanos() {
        let message = format!("{message}; set the clock of this machine or the server's");
        return report.say("clock", "warning", &message);
    }
    report.ok("clock", &message)
}

/// Makes the function of a collection, and embeds nothing.
fn check_function(collection: &Collection, report: &mut Report) -> io::Result<()> {
    const CHECK: &str = "function";
    let name = collection.name();
    let failed = |why: &dyn Error| format!("{name}: {why:#}");
    if let Some(function) = collection.embedding_function() {
        return match function.embed_documents(&[]) {
            Ok(_) => report.ok(CHECK, &format!("{name}: {} opens", function.name())),
            Err(why) => report.say(CHECK, FAILURE, &failed(&*why)),
        };
    }
    let stored = collection.configuration().embedding_function.as_ref();
    if stored.is_none_or(|stored| stored.name.is_none()) {
        let message = format!("{name}: the server returns none, so texts need --function");
        return report.ok(CHECK, &message);
    }
    // Without a function, this fails before it sends anything, and says why.
    match collection.query("").run() {
        Err(chroma_blocking::Error::Invalid { reason, .. }) => {
            // Only queries and imports of texts from this program need the feature.
            let status = if reason.to_string().contains("without its feature") {
                "warning"
            } else {
                FAILURE
            };
            report.say(CHECK, status, &failed(&reason))
        }
        Err(error) => report.fail(CHECK, &error),
        Ok(_) => Ok(()),
    }
}

impl Report {
    fn say(&mut self, check: &str, status: &str, message: &str) -> io::Result<()> {
        if status == FAILURE && self.exit == Exit::Done {
            self.exit = Exit::Failed;
        }
        if self.output.is_json() {
            self.output
                .json(&json!({ "check": check, "status": status, "message": message }))?;
        } else {
            let colour = match status {
                FAILURE => Colour::Red,
                "warning" => Colour::Yellow,
                _ => Colour::Green,
            };
            let status = format!("{status:<7}");
            let status = self.output.paint(colour, &status).into_owned();
            let message = format!("  {check:<10}  {message}");
            self.output.painted_line(&status, &message)?;
        }
        // Some checks take a while.
        self.output.flush()
    }

    fn ok(&mut self, check: &str, message: &str) -> io::Result<()> {
        self.say(check, "ok", message)
    }

    fn fail(&mut self, check: &str, error: &chroma_blocking::Error) -> io::Result<()> {
        if self.exit == Exit::Done {
            self.exit = exit::of_error(error);
        }
        self.say(check, FAILURE, &format!("{error:#}"))
    }

    fn result<T>(
        &mut self,
        check: &str,
        result: chroma_blocking::Result<T>,
        describe: impl FnOnce(T) -> String,
    ) -> io::Result<()> {
        match result {
            Ok(value) => self.ok(check, &describe(value)),
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
