//! [`Global`]: the options that all commands have. [`filter`] and [`named`]: read values.

use std::error::Error;

use chroma_blocking::{Client, ClientBuilder, Where};
use serde::de::DeserializeOwned;

use super::exit::Exit;

/// How a command ended, or its error.
pub(crate) type Outcome = Result<Exit, Box<dyn Error>>;

// The flags of the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(clap::Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// The server: a URL, or host:port [default: CHROMA_HOST, or localhost:8000]
    #[arg(long, global = true, value_name = "URL")]
    host: Option<String>,
    /// The tenant [default: CHROMA_TENANT]
    #[arg(long, global = true)]
    tenant: Option<String>,
    /// The database [default: CHROMA_DATABASE]
    #[arg(long, global = true)]
    database: Option<String>,
    /// Print JSON Lines for programs; docs/moving.md lists their names
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not ask before something is deleted or replaced
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Log requests on standard error; twice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// Returns a client of the server in the options, or else in the environment.
    pub(crate) fn client(&self) -> Result<Client, chroma_blocking::Error> {
        self.builder()?.build()
    }

    /// Returns the builder of [`client`](Global::client).
    pub(crate) fn builder(&self) -> Result<ClientBuilder, chroma_blocking::Error> {
        let mut builder = ClientBuilder::from_env()?;
        if let Some(host) = &self.host {
            builder = builder.host(host);
        }
        if let Some(tenant) = &self.tenant {
            builder = builder.tenant(tenant);
        }
        if let Some(database) = &self.database {
            builder = builder.database(database);
        }
        Ok(builder)
    }
}

/// Reads the value of `--where`: Chroma's JSON.
pub(crate) fn filter(json: &str) -> Result<Where, String> {
    Where::from_json(json).map_err(|error| error.to_string())
}

/// Reads a value that has a name in JSON, such as a distance function. The error lists the names.
pub(crate) fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

/// The records of a collection that `get` prints and `rm` deletes.
#[derive(Default, clap::Args)]
pub(crate) struct Selection {
    /// Ids of records
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Only records that pass this filter: Chroma's JSON
    #[arg(long = "where", value_name = "JSON", value_parser = filter)]
    pub(crate) filter: Option<Where>,
}
