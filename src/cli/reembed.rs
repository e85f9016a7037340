//! `chroma_client reembed`: makes the vectors of a collection again, with another embedding function.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chroma_blocking::embed::Purpose;
use chroma_blocking::transfer::{Reembed, Swapped};
use chroma_blocking::{Client, EmbeddingFunction};
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Global, Outcome};
use super::confirm::confirm;
use super::exit::{Exit, UsageError};
use super::function::FunctionArgs;
use super::job::{Job, beside, stopped};
use super::output::{note, records, say};
use super::transfer::{TransferArgs, with_options};

/// Embed a collection again with another embedding function, and swap the names
///
/// Prints what it will cost, and asks. Then it makes a new collection, compares it with the old one, and gives it
/// the name of the old one, which becomes NAME-old and stays. Programs that have the collection open keep the old
/// one until they open it again.
#[derive(clap::Args)]
#[command(after_help = "\
A run that ends early leaves a checkpoint, NAME.reembed.ckpt. The same command continues there, and also finishes \
a swap that was interrupted. With --if-exists replace, only texts that are new or have changed are embedded.

The key of a function is read from its provider's variable, such as GEMINI_API_KEY or OPENAI_API_KEY.

Examples:
  chroma_client reembed notes --function google_gemini:gemini-embedding-001 --dry-run
  chroma_client reembed notes --function openai:text-embedding-3-small --cache notes.cache --yes")]
pub(crate) struct Args {
    /// The collection
    name: String,
    #[command(flatten)]
    function: FunctionArgs,
    /// The name of the new collection until the swap [default: NAME-reembedded]
    #[arg(long = "as", alias = "name", value_name = "NEWNAME")]
    rename: Option<String>,
    /// Leave both names as they are
    #[arg(long)]
    no_swap: bool,
    /// The name of the old collection after the swap [default: NAME-old]
    #[arg(long, value_name = "NAME", conflicts_with = "no_swap")]
    old_name: Option<String>,
    /// Leave out records without a document [default: they are an error]
    #[arg(long)]
    skip_without_document: bool,
    /// Embed with the function that the collection uses already, because its model has changed
    #[arg(long)]
    allow_same_function: bool,
    #[command(flatten)]
    options: TransferArgs,
    /// The checkpoint [default: NAME.reembed.ckpt]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let client = global.client()?;
    let job = Job::new()?;
    let function = args.function.make(job.flag())?.ok_or_else(|| {
        let why = "pass --function NAME[:MODEL], the new embedding function";
        UsageError(why.to_owned())
    })?;
    let checkpoint = args.checkpoint.clone();
    let checkpoint = checkpoint.unwrap_or_else(|| format!("{}.reembed.ckpt", args.name).into());
    let journal = beside(&checkpoint, ".swap");
    if !args.options.dry_run {
        if let Some(swapped) = client.repair_swap(&journal)? {
            let exit = finish(global, &swapped, &checkpoint)?;
            note("this was the swap of an earlier run, which was interrupted");
            let key = |function: &dyn EmbeddingFunction| function.cache_key(Purpose::Documents);
            let in_use = swapped.collection.embedding_function();
            if in_use.is_none_or(|in_use| key(&**in_use) == key(&*function)) {
                return Ok(exit);
            }
            // The earlier run had another function.
        }
    }
    let old = client.collection(&args.name).get()?;
    let mut reembed = with_options!(old.reembed(function), args.options, job, &checkpoint)
        .concurrency(args.function.concurrency)
        .keep_checkpoint(!args.no_swap)
        .skip_without_document(args.skip_without_document)
        .allow_same_function(args.allow_same_function);
    if let Some(name) = &args.rename {
        reembed = reembed.name(name);
    }
    if args.options.dry_run {
        print_plan(global, &reembed)?;
        return Ok(Exit::Done);
    }
    // Found before any money is spent.
    let taken = old_name(args);
    if !args.no_swap {
        check_free(&client, &taken)?;
    }
    // The texts of the earlier run are paid for, and no plan knows how many they are.
    let question = if checkpoint.exists() {
        format!("Continue with {}?", checkpoint.display())
    } else {
        print_plan(global, &reembed)?
    };
    if !confirm(global, &question)? {
        return Ok(Exit::Failed);
    }
    let report = job.ended(reembed.run(), Some(&checkpoint))?;
    say(global, &report.to_string(), &step("reembed", &report)?)?;
    if report.cancelled {
        return Ok(stopped(Some(&checkpoint)));
    }
    let Some(new) = report.target.as_ref().filter(|_| !args.no_swap) else {
        return Ok(Exit::Done);
    };
    if let Some(why) = &report.withheld_because {
        let kept = records(report.withheld);
        note(&format!(
            "the names are not swapped, because {kept} that {} does not have are kept: {why}",
            args.name
        ));
        // The next run has another mode, and need not embed anything again.
        delete(&checkpoint);
        return Ok(Exit::Kept);
    }
    let swap = old.swap_with(new).old_name(taken);
    let swapped = swap.journal(&journal).run();
    finish(global, &job.ended(swapped, Some(&checkpoint))?, &checkpoint)
}

/// Prints the plan. Returns the question before it is carried out.
fn print_plan(global: &Global, reembed: &Reembed<'_>) -> Result<String, Box<dyn Error>> {
    let plan = reembed.plan()?;
    say(global, &plan.to_string(), &step("plan", &plan)?)?;
    Ok(format!(
        "Embed {} texts, about {} tokens, with {}?",
        plan.texts, plan.estimated_tokens, plan.function
    ))
}

/// Checks that no collection has the name, and that one can have it.
fn check_free(client: &Client, name: &str) -> Result<(), Box<dyn Error>> {
    match client.collection(name).get() {
        Err(chroma_blocking::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            let why = format!(
                "the collection {name:?} exists already, so the names cannot be swapped; delete it, or pass --old-name or --no-swap"
            );
            Err(UsageError(why).into())
        }
    }
}

fn old_name(args: &Args) -> String {
    let name = args.old_name.clone();
    name.unwrap_or_else(|| format!("{}-old", args.name))
}

fn delete(checkpoint: &Path) {
    match fs::remove_file(checkpoint) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            note(&format!("cannot delete {}: {error}", checkpoint.display()));
        }
        _ => {}
    }
}

/// Deletes the checkpoint, and prints the result of the swap.
fn finish(global: &Global, swapped: &Swapped, checkpoint: &Path) -> Outcome {
    delete(checkpoint);
    let (name, old) = (swapped.collection.name(), &swapped.old_name);
    let line = json!({ "step": "swap", "collection": name, "old_name": old });
    say(global, &swapped.to_string(), &line)?;
    if !global.json {
        note(&format!(
            "programs that have {name} open use {old} until they open it again; to delete it: chroma_client rm {old}"
        ));
    }
    Ok(Exit::Done)
}

/// Returns the JSON of a step.
fn step(name: &str, report: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut line = json!({ "step": name });
    let members = serde_json::to_value(report)?;
    if let (Value::Object(line), Value::Object(members)) = (&mut line, members) {
        line.extend(members);
    }
    Ok(line)
}
