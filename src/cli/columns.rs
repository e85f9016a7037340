//! [`Columns`]: what is printed of records and hits.

use chroma_blocking::Include;

use super::args::Global;
use super::output::Table;

const NAMES: [&str; 6] = ["distance", "id", "document", "uri", "metadata", "embedding"];

/// What `head`, `get` and `query` print of each record.
#[derive(Clone, Copy, Default, clap::Args)]
pub(crate) struct Columns {
    /// Print the vectors as well
    #[arg(long)]
    embeddings: bool,
}

impl Columns {
    /// Returns the columns to request.
    pub(crate) fn include(self) -> Vec<Include> {
        let mut include = vec![Include::Documents, Include::Metadatas, Include::Uris];
        if self.embeddings {
            include.push(Include::Embeddings);
        }
        include
    }

    /// Returns a table of hits.
    pub(crate) fn hits(self, global: &Global) -> Table {
        let last = usize::from(!self.embeddings);
        Table::new(global, &NAMES[..NAMES.len() - last])
    }

    /// Returns a table of records, which have no distance.
    pub(crate) fn records(self, global: &Global) -> Table {
        let last = usize::from(!self.embeddings);
        Table::new(global, &NAMES[1..NAMES.len() - last])
    }
}
