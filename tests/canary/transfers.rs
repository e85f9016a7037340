//! Calls that copy collections, embed them again, and back them up.

use std::fs;
use std::io;
use std::path::Path;

use chroma_blocking::transfer::IfExists;
use chroma_blocking::{Hashing, RetryPolicy};

use crate::calls::Call;
use crate::observers;

pub const CALLS: &[(&str, Call)] = &[
    ("losses", |abc, _| {
        let builder = abc.client().collection("copy").like(abc);
        observers::shown("losses", &builder.losses()?.join("\n"));
        Ok(())
    }),
    ("create like another", |abc, _| {
        let builder = abc.client().collection("copy").like(abc);
        builder.create().map(drop)
    }),
    ("copy", |abc, folder| {
        let copy = abc
            .copy_to(abc.client())
            .name("copy")
            .if_exists(IfExists::Replace)
            .checkpoint(fresh(folder, "copy.ckpt"))
            .retry(RetryPolicy::none());
        observers::debug("copy", &copy);
        observers::shown("report", &copy.run()?);
        Ok(())
    }),
    ("copy of a database", |abc, folder| {
        let copy = abc
            .client()
            .copy_database_to(&abc.client().with_database("copy"))
            .if_exists(IfExists::Replace)
            .checkpoint(fresh(folder, "copies.ckpt"))
            .retry(RetryPolicy::none());
        observers::debug("copy of a database", &copy);
        for report in copy.run()? {
            observers::shown("report", &report);
        }
        Ok(())
    }),
    ("plan of a re-embedding", |abc, _| {
        let reembed = abc.reembed(Hashing::with_dimension(2)?);
        observers::shown("plan", &reembed.retry(RetryPolicy::none()).plan()?);
        Ok(())
    }),
    ("re-embedding", |abc, folder| {
        let reembed = abc
            .reembed(Hashing::with_dimension(2)?)
            .if_exists(IfExists::Replace)
            .checkpoint(fresh(folder, "reembed.ckpt"))
            .retry(RetryPolicy::none());
        observers::debug("re-embedding", &reembed);
        observers::shown("report", &reembed.run()?);
        Ok(())
    }),
    ("swap", |abc, folder| {
        let new = abc.client().collection("copy").get()?;
        let swap = abc.swap_with(&new).journal(fresh(folder, "swap"));
        observers::debug("swap", &swap);
        observers::shown("swap", &swap.run()?);
        Ok(())
    }),
    ("repair of a swap", |abc, folder| {
        // The journal is that of an interrupted swap, if there was one.
        let swapped = abc.client().repair_swap(folder.join("swap"))?;
        observers::debug("repair of a swap", &swapped);
        Ok(())
    }),
    ("backup", |abc, folder| {
        let backup = abc.client().backup().retry(RetryPolicy::none());
        observers::debug("backup", &backup);
        let path = folder.join("backup");
        let _ = fs::remove_dir_all(&path);
        observers::shown("report", &backup.to_folder(path)?);
        Ok(())
    }),
    ("backup as a stream", |abc, _| {
        let backup = abc.client().backup().retry(RetryPolicy::none());
        backup.to_tar(io::sink()).map(drop)
    }),
    ("check of a backup", |abc, folder| {
        // The manifest is data of the server.
        abc.client()
            .restore(folder.join("backup"))
            .check()
            .map(drop)
    }),
    ("restore", |abc, folder| {
        let restore = abc
            .client()
            .restore(folder.join("backup"))
            .if_exists(IfExists::Replace)
            .checkpoint(fresh(folder, "restore.ckpt"))
            .retry(RetryPolicy::none());
        observers::debug("restore", &restore);
        for report in restore.run()? {
            observers::shown("report", &report);
        }
        Ok(())
    }),
];

/// Returns a path without a file, since a file of another server would be an error.
fn fresh(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let _ = fs::remove_file(&path);
    path
}
