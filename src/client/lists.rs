//! Paginated lists of collections and databases.

use serde::de::DeserializeOwned;

use super::handle::Client;
use super::info::Database;
use super::operations as op;
use crate::error::Result;
use crate::transport::Operation;
use crate::wire::read;

/// The number of entries per request. Chroma Cloud returns at most this many unless a request asks for fewer.
const PAGE_SIZE: usize = 100;

/// A list, or the part of it between an offset and a limit.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) client: Client,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

impl Listing {
    /// Requests page after page, until the limit is reached or a page is not full.
    pub(crate) fn fetch<T: DeserializeOwned>(
        &self,
        operation: &'static Operation,
    ) -> Result<Vec<T>> {
        let wanted = self.limit.unwrap_or(usize::MAX);
        let client = self.client.begin();
        let mut entries = Vec::new();
        let mut last_page = Vec::new();
        while entries.len() < wanted {
            let limit = PAGE_SIZE.min(wanted - entries.len());
            let offset = self.offset.saturating_add(entries.len());
            let query = format!("limit={limit}&offset={offset}");
            let request = client.request(operation).query(&query);
            let page: Vec<T> = request.send(|response| {
                // Without this check, a server that ignores the offset would be queried forever.
                if response == last_page && last_page != b"[]" {
                    return Err(
                        "the server returned the same page twice; it may ignore the offset"
                            .to_owned(),
                    );
                }
                last_page = response.to_vec();
                read::json(response)
            })?;
            let is_full = page.len() >= limit;
            entries.extend(page);
            if !is_full {
                break;
            }
        }
        Ok(entries)
    }
}

/// Defines the builder of a list; `run` is written by hand.
macro_rules! list {
    ($(#[$docs:meta])+ $list:ident) => {
        $(#[$docs])+
        #[derive(Debug, Clone)]
        #[must_use = "does nothing until run() is called"]
        pub struct $list($crate::client::Listing);

        impl $list {
            pub(super) fn new(client: $crate::client::Client) -> Self {
                Self($crate::client::Listing {
                    client,
                    limit: None,
                    offset: 0,
                })
            }

            /// Sets the maximum number of entries. Default: all entries, in as many requests as necessary.
            pub fn limit(mut self, limit: usize) -> Self {
                self.0.limit = Some(limit);
                self
            }

            /// Sets the number of entries to skip. Default: 0.
            pub fn offset(mut self, offset: usize) -> Self {
                self.0.offset = offset;
                self
            }
        }
    };
}

pub(crate) use list;

list! {
    /// A request for the databases of a tenant; see [`Client::list_databases`].
    ListDatabases
}

impl ListDatabases {
    /// Sends the request.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error).
    pub fn run(self) -> Result<Vec<Database>> {
        self.0.fetch(&op::LIST_DATABASES)
    }
}
