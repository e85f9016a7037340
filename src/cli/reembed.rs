//! `chroma_client reembed`: makes the vectors of a collection again, with another embedding function.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chroma_blocking::embed::Purpose;
use chroma_blocking::transfer::{CopyReport, IfExists, Reembed, Swapped};
use chroma_blocking::{Client, Collection, EmbeddingFunction};
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Global, Outcome};
use super::confirm::confirm;
use super::exit::{Exit, UsageError};
use super::function::FunctionArgs;
use super::job::{Job, beside, stopped};
use super::output::{note, records, say};
use super::transfer::{Question, TransferArgs, with_options};

/// Embed a collection again with another embedding function, and swap the names
///
/// Prints what it will cost, and asks. Then it makes a new collection, compares it with the old one, and gives it
/// the name of the old one, which becomes NAME-old and stays. Programs that have the collection open keep the old
/// one until they open it again.
#[derive(clap::Args)]
#[command(after_help = "\
A run that ends early leaves a checkpoint, NAME.reembed.ckpt. The same command continues there, and also finishes \
a swap that was interrupted. With --if-exists mirror, only texts that are new or have changed are \
embedded, and records that were deleted are deleted.

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
    let mode = args.options.if_exists;
    if matches!(mode, IfExists::AddNew | IfExists::Replace) && !args.no_swap {
        let why = "--if-exists: add-new and replace keep records that the old collection has lost, and the swap would bring them back; pass mirror, or --no-swap";
        return Err(UsageError(why.to_owned()).into());
    }
    let checkpoint = args.checkpoint.clone();
    let checkpoint = checkpoint.unwrap_or_else(|| format!("{}.reembed.ckpt", args.name).into());
    if !args.options.dry_run {
        if let Some(exit) = repair(global, args, (&checkpoint, &*function))? {
            return Ok(exit);
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
    if !args.no_swap {
        check_old_name(&client, args)?;
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
    let question = Question::new(global, &job, &args.options);
    let reembed = reembed.confirm(|targets| question.ask(targets));
    let report = job.ended(reembed.run(), Some(&checkpoint))?;
    if question.is_refused()? {
        return Ok(Exit::Failed);
    }
    say(global, &report.to_string(), &step("reembed", &report)?)?;
    if report.cancelled {
        return Ok(stopped(Some(&checkpoint)));
    }
    finish(global, args, (&old, &report), (&job, &checkpoint))
}

/// Finishes the swap of an earlier run, if it was interrupted. Returns how the command ends if nothing else is left.
fn repair(
    global: &Global,
    args: &Args,
    (checkpoint, function): (&Path, &dyn EmbeddingFunction),
) -> Result<Option<Exit>, Box<dyn Error>> {
    let journal = beside(checkpoint, ".swap");
    let Some(swapped) = global.client()?.repair_swap(&journal)? else {
        return Ok(None);
    };
    let exit = finish_swap(global, &swapped, checkpoint)?;
    note("this was the swap of an earlier run, which was interrupted");
    let key = |function: &dyn EmbeddingFunction| function.cache_key(Purpose::Documents);
    let in_use = swapped.collection.embedding_function();
    let is_same = in_use.is_none_or(|in_use| key(&**in_use) == key(function));
    // The earlier run may have had another function or collection.
    Ok((is_same && swapped.collection.name() == args.name).then_some(exit))
}

/// Swaps the names, unless records were kept or the names stay.
fn finish(
    global: &Global,
    args: &Args,
    (old, report): (&Collection, &CopyReport),
    (job, checkpoint): (&Job, &Path),
) -> Outcome {
    for loss in report.losses.iter().filter(|_| !global.json) {
        note(&format!("{}: {loss}", report.collection));
    }
    if let Some(why) = &report.withheld_because {
        let kept = records(report.withheld);
        note(&format!(
            "{kept} that {} does not have are kept, so nothing is swapped: {why}",
            args.name
        ));
        // The next run has another mode, and need not embed anything again.
        delete(checkpoint);
        return Ok(Exit::Kept);
    }
    let Some(new) = report.target.as_ref().filter(|_| !args.no_swap) else {
        return Ok(Exit::Done);
    };
    let swap = old.swap_with(new).old_name(old_name(args));
    let swapped = swap.journal(beside(checkpoint, ".swap")).run();
    let swapped = job.ended(swapped, Some(checkpoint))?;
    finish_swap(global, &swapped, checkpoint)
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

/// Checks that the old collection can get its new name.
fn check_old_name(client: &Client, args: &Args) -> Result<(), Box<dyn Error>> {
    let (name, new_name) = (old_name(args), args.rename.clone());
    let new_name = new_name.unwrap_or_else(|| format!("{}-reembedded", args.name));
    let why = match client.collection(&name).get() {
        _ if name == new_name => {
            format!("--old-name: {name:?} is the name of the new collection until the swap")
        }
        Err(chroma_blocking::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(_) => format!(
            "the collection {name:?} exists already, so the names cannot be swapped; delete it, or pass --old-name or --no-swap"
        ),
    };
    Err(UsageError(why).into())
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
fn finish_swap(global: &Global, swapped: &Swapped, checkpoint: &Path) -> Outcome {
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
