//! Moving collections: copies between servers, new embeddings, backups.
//!
//! | To… | call |
//! |---|---|
//! | copy a collection to another server | [`Collection::copy_to`](crate::Collection::copy_to) |
//! | copy a whole database | [`Client::copy_database_to`](crate::Client::copy_database_to) |
//! | make the vectors of a collection with another model | [`Collection::reembed`](crate::Collection::reembed) |
//! | give a new collection the name of an old one | [`Collection::swap_with`](crate::Collection::swap_with) |
//! | finish a swap that was interrupted | [`Client::repair_swap`](crate::Client::repair_swap) |
//! | back up collections to files | [`Client::backup`](crate::Client::backup) |
//! | restore or check a backup | [`Client::restore`](crate::Client::restore) |
//!
//! Copies, restores and new embeddings can be killed at any time. With a checkpoint, the next run continues. They
//! need constant memory, and compare the result with its source at the end.
//!
//! ```no_run
//! use chroma_blocking::Client;
//!
//! let laptop = Client::new("localhost:8000")?;
//! let cloud = Client::cloud_from_env()?;
//! let report = laptop
//!     .collection("notes")
//!     .get()?
//!     .copy_to(&cloud)
//!     .checkpoint("notes.ckpt")
//!     .on_progress(|progress| eprintln!("{progress}"))
//!     .run()?;
//! println!("{report}");
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

// `source` reads records in the order of insertion: it lists their ids in a file first (`ids`). `feed` selects the
// records to write, and `compare` finds what differs. `writer` writes them with a batch job, and compares until nothing
// differs. `target` finds or creates the collection to write into. `run` does so for all collections of a transfer.

pub mod backup;
mod checkpoint;
mod compare;
mod copy;
mod database;
mod existing;
mod feed;
mod ids;
mod pace;
mod reembed;
mod report;
mod run;
mod settings;
mod source;
mod swap;
mod target;
mod texts;
mod writer;

pub use backup::{Backup, BackupReport, Restore};
pub use copy::CopyCollection;
pub use database::CopyDatabase;
pub use existing::IfExists;
pub use reembed::{Reembed, ReembedPlan};
pub use report::CopyReport;
pub use swap::{Swap, Swapped};
