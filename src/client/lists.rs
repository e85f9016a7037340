//! Paginated lists of collections and databases.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::handle::Client;
use super::info::Database;
use super::operations as op;
use crate::error::{Call, Error, Result};
use crate::model::budget::Budget;
use crate::transport::Operation;
use crate::wire::{read, requested};

/// The number of entries per request. Chroma Cloud returns at most this many unless a request asks for fewer.
const PAGE_SIZE: usize = 100;
/// The position from which on the client asks the server for the number of entries.
const UNCOUNTED: usize = 10 * PAGE_SIZE;
/// The call fails after this many consecutive pages without a new entry. One such page may be correct: another
/// program may have created entries before its position.
const MAX_REPEATED: u32 = 100;
/// The call fails after this many consecutive pages that end beyond the server's count. One such page may be
/// correct: another program may have deleted entries since.
const MAX_BEYOND_COUNT: u32 = 10;
/// All pages together may take this many bytes of memory, however small a response may be.
const MIN_MEMORY: usize = 128 << 20;

/// An entry of a list.
pub(crate) trait Entry: DeserializeOwned {
    /// Returns the unique key of the entry.
    fn key(&self) -> &str;

    /// Asks the server for the number of entries. `None` if it cannot tell.
    fn count(client: &Client) -> Option<usize>;
}

impl Entry for Database {
    fn key(&self) -> &str {
        &self.name
    }

    fn count(_: &Client) -> Option<usize> {
        // Servers do not count databases.
        None
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
    /// Any error of a request. [`Error::Decode`] if the list does not end: see [`End`].
    pub(crate) fn fetch<T: Entry>(&self, operation: &'static Operation) -> Result<Vec<T>> {
        let wanted = self.limit.unwrap_or(usize::MAX);
        let client = self.client.begin();
        let mut end = End::new(&client, self.offset, T::count);
        let mut seen = HashSet::new();
        let mut entries: Vec<T> = Vec::new();
        let mut offset = self.offset;
        while entries.len() < wanted {
            let limit = PAGE_SIZE.min(wanted - entries.len());
            let query = format!("limit={limit}&offset={offset}");
            let request = client.request(operation).query(&query);
            let page: Vec<T> = request.send(|response| {
                end.add_response(response, limit * size_of::<T>())?;
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

/// Detects lists that never end: the server ignores the offset, or returns full pages forever.
struct End<'a> {
    client: &'a Client,
    count: fn(&Client) -> Option<usize>,
    /// The number of entries in the list, as the server counts them. Before the first count, [`UNCOUNTED`]
    /// entries after the offset.
    counted: usize,
    /// The number of consecutive pages without a new entry.
    repeated: u32,
    /// The number of consecutive pages beyond `counted`.
    beyond_count: u32,
    /// The size of all responses together.
    bytes: u64,
    /// The memory that the entries of all pages may still take.
    memory: Budget,
}

impl<'a> End<'a> {
    fn new(client: &'a Client, offset: usize, count: fn(&Client) -> Option<usize>) -> End<'a> {
        let max = usize::try_from(client.max_response_size()).unwrap_or(usize::MAX);
        End {
            client,
            count,
            counted: offset.saturating_add(UNCOUNTED),
            repeated: 0,
            beyond_count: 0,
            bytes: 0,
            memory: Budget::new(max, MIN_MEMORY),
        }
    }

    /// Adds a response, whose entries take `inline` bytes without their allocations. All pages together must
    /// not be larger, or take more memory, than one response may.
    fn add_response(&mut self, response: &[u8], inline: usize) -> Result<(), String> {
        const ADVICE: &str =
            "read parts of it with limit(...) and offset(...), or raise max_response_size(...)";

        let max = self.client.max_response_size();
        self.bytes = self.bytes.saturating_add(response.len() as u64);
        if self.bytes > max {
            return Err(format!(
                "the pages of the list have more than {max} bytes in total; {ADVICE}"
            ));
        }
        let values = read::memory(response)?;
        // The caller makes a handle of each entry while the list is still there.
        self.memory.take(values + 2 * inline).map_err(|_| {
            format!("the entries of the list would take too much memory in total; {ADVICE}")
        })
    }

    /// Adds a full page that ends at this position.
    fn add_full_page(&mut self, position: usize, has_new_entries: bool) -> Result<(), String> {
        self.repeated = if has_new_entries {
            0
        } else {
            self.repeated + 1
        };
        if !has_new_entries || position > self.counted {
            // If the server cannot count, the number is not limited.
            self.counted = (self.count)(self.client).unwrap_or(usize::MAX);
        }
        self.beyond_count = if position > self.counted {
            self.beyond_count + 1
        } else {
            0
        };
        if self.repeated < MAX_REPEATED && self.beyond_count < MAX_BEYOND_COUNT {
            return Ok(());
        }
        Err(if has_new_entries {
            let counted = self.counted;
            format!(
                "the server returned {position} entries or more, but reports a count of {counted}"
            )
        } else {
            let pages = self.repeated;
            format!(
                "the last {pages} pages had no new entry; the server, or a proxy before it, ignores the offset"
            )
        })
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
    /// Sends a request for every 100 entries. Returns each entry once, even if other programs create or
    /// delete entries meanwhile.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error). [`Error::Decode`](crate::Error::Decode) if the
    /// list does not end: its pages have no new entries, or all pages together exceed
    /// [`max_response_size`](crate::ClientBuilder::max_response_size), or the memory of one such response.
    pub fn run(self) -> Result<Vec<Database>> {
        self.0.fetch(&op::LIST_DATABASES)
    }
}
