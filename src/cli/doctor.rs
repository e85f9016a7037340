//! `chroma_client doctor`: checks the way to the server, the key and the functions of the collections.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant, UNIX_EPOCH};

use chroma_blocking::{Client, Collection};
use console::{Color, style};
use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::{self, Exit};
use super::output::{print, print_json};

/// A larger difference between two clocks is a warning.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);
/// Less free space is a warning.
#[cfg(unix)]
const MIN_FREE: u64 = 1 << 30;

/// Check the connection, the key, the limits, the clock, the disk and the functions of all collections
///
/// A function opens if its settings are known and its key is set. No text is embedded, so a wrong key of a provider
/// is not found.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 without a failure; otherwise that of the first failure: 1, 2, or 75 if it may pass.

Example:
  chroma_client doctor --host db:8000")]
pub(crate) struct Args {}

enum Finding {
    Fine(String),
    Warning(String),
}
use Finding::{Fine, Warning};

type Checked = Result<Finding, Box<dyn Error>>;

/// Prints the checks, and remembers how the first failure ends the program.
struct Report {
    json: bool,
    exit: Exit,
}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let mut report = Report {
        json: global.json,
        exit: Exit::Done,
    };
    report.add("proxy", Ok(proxy()))?;
    #[cfg(unix)]
    report.add("disk", disk())?;
    let client = global.client()?;
    if report.add("connection", connection(&client))? {
        report.add("clock", clock(&client))?;
        report.add("version", version(&client))?;
        report.add("limits", limits(&client))?;
        report.add("key", key(&client))?;
        if report.add("database", database(&client))? {
            for collection in client.list_collections().run()? {
                report.add("function", function(&collection))?;
            }
        }
    }
    Ok(report.exit)
}

impl Report {
    /// Prints a check. Returns whether it did not fail.
    fn add(&mut self, check: &str, checked: Checked) -> io::Result<bool> {
        let (status, colour, message) = match checked {
            Ok(Fine(message)) => ("ok", Color::Green, message),
            Ok(Warning(message)) => ("warning", Color::Yellow, message),
            Err(error) => {
                if self.exit == Exit::Done {
                    self.exit = exit::of_error(&*error);
                }
                ("failure", Color::Red, format!("{error:#}"))
            }
        };
        if self.json {
            let line = json!({ "check": check, "status": status, "message": message });
            print_json(&line)?;
        } else {
            let coloured = style(format!("{status:<7}")).fg(colour);
            let message = format!("  {check:<10}  {message}");
            write!(io::stdout(), "{coloured}")?;
            print(&message)?;
        }
        Ok(status != "failure")
    }
}

fn proxy() -> Finding {
    const NAMES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
    let names = NAMES.map(|name| [name.to_owned(), name.to_lowercase()]);
    let is_set = |name: &String| env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<String> = names.into_iter().flatten().filter(is_set).collect();
    if set.is_empty() {
        Fine("no variable of a proxy is set".to_owned())
    } else {
        Fine(format!("the environment sets {}", set.join(", ")))
    }
}

/// Checks the free space of the current folder. Only Unix tells it without unsafe code.
#[cfg(unix)]
fn disk() -> Checked {
    let disk = rustix::fs::statvfs(".")?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let message = format!("{:.1} GB are free in the current folder", free as f64 / 1e9);
    Ok(if free < MIN_FREE {
        Warning(message + "; checkpoints, backups and exports need room")
    } else {
        Fine(message)
    })
}

fn connection(client: &Client) -> Checked {
    let started = Instant::now();
    client.heartbeat()?;
    let took = started.elapsed().as_millis();
    Ok(Fine(format!("{} responds, after {took} ms", client.url())))
}

/// Compares the clocks. The server read its own at some moment of the request.
fn clock(client: &Client) -> Checked {
    let now = || UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let sent = now();
    let server = client.heartbeat()?;
    let ahead = server.saturating_sub(now());
    let difference = sent.saturating_sub(server).max(ahead);
    let message = format!("the clocks differ by {:.1} s", difference as f64 / 1e9);
    Ok(if difference > MAX_CLOCK_DIFFERENCE.as_nanos() {
        Warning(message + "; set the clock of this machine or the server's")
    } else {
        Fine(message)
    })
}

fn version(client: &Client) -> Checked {
    let version = client.version()?;
    let note = "every server since Chroma 1.0 says 1.0.0";
    Ok(Fine(format!("the API has version {version}; {note}")))
}

fn limits(client: &Client) -> Checked {
    let limits = client.pre_flight_checks()?;
    let (records, base64) = (limits.max_batch_size, limits.supports_base64_encoding);
    let message = format!("at most {records} records per request; vectors in base64: {base64}");
    Ok(Fine(message))
}

fn key(client: &Client) -> Checked {
    let user = client.identity()?;
    let (tenant, databases) = (&user.tenant, user.databases.join(", "));
    Ok(Fine(match user.user_id.as_str() {
        "" => format!("the server asks for no key; tenant {tenant}"),
        id => format!("user {id} of tenant {tenant}, databases {databases}"),
    }))
}

fn database(client: &Client) -> Checked {
    let name = client.database();
    // Servers count no collections of a database that does not exist.
    client.get_database(name)?;
    let count = client.count_collections()?;
    Ok(Fine(format!("{name} has {count} collections")))
}

/// Opens the function of a collection, and embeds nothing.
fn function(collection: &Collection) -> Checked {
    let name = collection.name();
    if let Some(function) = collection.embedding_function() {
        let opened = function.embed_documents(&[]);
        opened.map_err(|why| format!("{name}: {why:#}"))?;
        return Ok(Fine(format!("{name}: {} opens", function.name())));
    }
    let stored = collection.configuration().embedding_function.as_ref();
    if stored.is_none_or(|stored| stored.name.is_none()) {
        let message = "the server returns none, so texts need --function";
        return Ok(Fine(format!("{name}: {message}")));
    }
    // Without a function, this fails before it sends anything, and says why.
    match collection.query("").run() {
        // Only queries and imports of texts from this program need the feature.
        Err(error) if error.to_string().contains("without its feature") => {
            Ok(Warning(error.to_string()))
        }
        result => Ok(result.map(|_| Fine(format!("{name}: can be queried")))?),
    }
}
