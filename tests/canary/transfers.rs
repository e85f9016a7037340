//! Calls that copy collections.

use std::fs;
use std::path::Path;

use chroma_blocking::transfer::IfExists;
use chroma_blocking::{Collection, Result, RetryPolicy};

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
    ("copy", copy),
];

fn copy(abc: &Collection, folder: &Path) -> Result<()> {
    let checkpoint = folder.join("copy.ckpt");
    // The checkpoint of another server is an error.
    let _ = fs::remove_file(&checkpoint);
    let copy = abc
        .copy_to(abc.client())
        .name("copy")
        .if_exists(IfExists::Replace)
        .checkpoint(checkpoint)
        .retry(RetryPolicy::none());
    observers::debug("copy", &copy);
    observers::shown("report", &copy.run()?);
    Ok(())
}
