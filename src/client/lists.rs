//! Paginated lists of collections and databases.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::handle::Client;
use super::info::Database;
use super::operations as op;
use crate::error::{Call, Error, Result};
use crate::transport::Operation;
use crate::wire::{read, requested};

/// The number of entries per request. Chroma Cloud returns at most this many unless a request asks for fewer.
const PAGE_SIZE: usize = 100;
/// Up to this position, a list is read without a request for the number of entries.
const UNCOUNTED: usize = 10 * PAGE_SIZE;
/// After this many pages in a row without a new entry, the list is an error. A single one proves nothing: other
/// programs may have created entries that come before its position.
const MAX_REPEATED: u32 = 100;
/// After this many pages in a row that end after the last entry, as the server counts them, the list is an
/// error. A single one proves nothing: other programs may have deleted entries between the two requests.
const MAX_UNCOUNTED: u32 = 10;

/// An entry of a list.
pub(crate) trait Entry: DeserializeOwned {
    /// Returns what distinguishes the entry from all others of the list.
    fn key(&self) -> &str;
}

impl Entry for Database {
    fn key(&self) -> &str {
        &self.name
    }
}

/// A list, or the part of it between an offset and a limit.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) client: Client,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

impl Listing {
    /// Requests page after page, until the limit is reached or a page is not full. Returns each entry once,
    /// although other programs may move it from one page to the next.
    ///
    /// # Errors
    /// In addition to those of the requests, [`Error::Decode`] if the list has no plausible end: see
    /// [`End`].
    pub(crate) fn fetch<T: Entry>(
        &self,
        operation: &'static Operation,
        count: Option<fn(&Client) -> Result<usize>>,
    ) -> Result<Vec<T>> {
        let wanted = self.limit.unwrap_or(usize::MAX);
        let client = self.client.begin();
        let mut end = End::new(&client, self.offset, count);
        let mut seen = HashSet::new();
        let mut entries: Vec<T> = Vec::new();
        let mut offset = self.offset;
        while entries.len() < wanted {
            let limit = PAGE_SIZE.min(wanted - entries.len());
            let query = format!("limit={limit}&offset={offset}");
            let request = client.request(operation).query(&query);
            let page: Vec<T> = request.send(|response| {
                end.add_bytes(response)?;
                let page: Vec<T> = read::list(response, limit)?;
                requested::check_limit(page.len(), limit)?;
                Ok(page)
            })?;
            let (before, found) = (entries.len(), page.len());
            let new = page
                .into_iter()
                .filter(|one| seen.insert(one.key().to_owned()));
            entries.extend(new);
            if found < limit {
                break;
            }
            offset = offset.saturating_add(found);
            end.add_full_page(offset, entries.len() > before)
                .map_err(|message| Error::Decode {
                    call: Box::new(Call::new(operation.name, None)),
                    message,
                })?;
        }
        Ok(entries)
    }
}

/// Finds lists that never end: a server may ignore the offset, or invent one full page after the other.
struct End<'a> {
    client: &'a Client,
    count: Option<fn(&Client) -> Result<usize>>,
    /// The number of entries in the list, as the server counts them. At the start, a number up to which it
    /// need not be asked.
    counted: usize,
    /// The number of pages, up to now, without a new entry.
    repeated: u32,
    /// The number of pages, up to now, that end after the last entry.
    uncounted: u32,
    /// The size of all responses together.
    bytes: u64,
}

impl<'a> End<'a> {
    fn new(
        client: &'a Client,
        offset: usize,
        count: Option<fn(&Client) -> Result<usize>>,
    ) -> End<'a> {
        End {
            client,
            count,
            counted: offset.saturating_add(UNCOUNTED),
            repeated: 0,
            uncounted: 0,
            bytes: 0,
        }
    }

    /// Adds a response. All pages together must not be larger than one response may be.
    fn add_bytes(&mut self, response: &[u8]) -> Result<(), String> {
        let max = self.client.max_response_size();
        self.bytes = self.bytes.saturating_add(response.len() as u64);
        if self.bytes <= max {
            return Ok(());
        }
        Err(format!(
            "the pages of the list are larger than {max} bytes together; read a part of it with limit(...) and \
             offset(...), or raise the limit with max_response_size(...)"
        ))
    }

    /// Adds a full page that ends at this position.
    fn add_full_page(&mut self, position: usize, has_new_entries: bool) -> Result<(), String> {
        self.repeated = if has_new_entries {
            0
        } else {
            self.repeated + 1
        };
        if !has_new_entries || position > self.counted {
            self.count();
        }
        self.uncounted = if position > self.counted {
            self.uncounted + 1
        } else {
            0
        };
        if self.repeated < MAX_REPEATED && self.uncounted < MAX_UNCOUNTED {
            return Ok(());
        }
        Err(if has_new_entries {
            let counted = self.counted;
            format!("the server lists more than {position} entries, but counts {counted}")
        } else {
            let pages = self.repeated;
            format!("the last {pages} pages had no new entry; the server may ignore the offset")
        })
    }

    /// Asks the server for the number of entries. A server that cannot count them may have any number.
    fn count(&mut self) {
        let counted = self.count.map(|count| count(self.client));
        self.counted = counted.and_then(Result::ok).unwrap_or(usize::MAX);
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
    /// Sends the requests, one for every hundred entries. Each entry comes once, although other programs may
    /// create and delete some meanwhile.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error). It is [`Error::Decode`](crate::Error::Decode) if
    /// the list has no end: its pages bring nothing new, or all of them together are larger than
    /// [`max_response_size`](crate::ClientBuilder::max_response_size).
    pub fn run(self) -> Result<Vec<Database>> {
        // Servers do not count databases.
        self.0.fetch(&op::LIST_DATABASES, None)
    }
}
