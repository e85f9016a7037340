//! Lists in pages: collections and databases.

use serde::de::DeserializeOwned;

use super::{Client, Database, operations as op};
use crate::error::Result;
use crate::transport::Operation;
use crate::wire::read;

/// Entries per request where all are asked for: what Chroma Cloud gives at most unless asked for fewer.
const PAGE: usize = 100;

/// Which part of a list.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) client: Client,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

impl Part {
    /// Asks for page after page, until there are enough or no more.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
    ) -> Result<Vec<T>> {
        let wanted = self.limit.unwrap_or(usize::MAX);
        let client = self.client.begin();
        let (mut found, mut before) = (Vec::new(), Vec::new());
        while found.len() < wanted {
            let limit = PAGE.min(wanted - found.len());
            let offset = self.offset.saturating_add(found.len());
            let query = format!("limit={limit}&offset={offset}");
            let page: Vec<T> = client.request(operation).query(&query).send(|answer| {
                // A server that knows no offset would be asked for ever.
                if answer == before && before != b"[]" {
                    return Err("the same page again".to_owned());
                }
                before = answer.to_vec();
                read::json(answer)
            })?;
            let last = page.len() < limit;
            found.extend(page);
            if last {
                break;
            }
        }
        Ok(found)
    }
}

macro_rules! list {
    ($(#[$docs:meta])+ $list:ident) => {
        $(#[$docs])+
        #[derive(Debug, Clone)]
        #[must_use = "does nothing until run() is called"]
        pub struct $list($crate::client::Part);

        impl $list {
            pub(super) fn new(client: $crate::client::Client) -> Self {
                Self($crate::client::Part {
                    client,
                    limit: None,
                    offset: 0,
                })
            }

            /// At most this many. Default: all, in as many requests as it takes.
            pub fn limit(mut self, limit: usize) -> Self {
                self.0.limit = Some(limit);
                self
            }

            /// From this one on, counted from 0.
            pub fn offset(mut self, offset: usize) -> Self {
                self.0.offset = offset;
                self
            }
        }
    };
}

pub(crate) use list;

list! {
    /// The databases of a tenant; see [`Client::list_databases`].
    ListDatabases
}

impl ListDatabases {
    /// Asks the server.
    ///
    /// # Errors
    /// As for any request: see [`Error`](crate::Error).
    pub fn run(self) -> Result<Vec<Database>> {
        self.0.read(&op::LIST_DATABASES)
    }
}
