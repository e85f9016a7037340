//! [`confirm`]: asks before something is deleted or replaced.

use std::error::Error;
use std::io::{IsTerminal, stdin};

use console::Term;

use super::args::Global;
use super::exit::UsageError;
use super::output::note;
use crate::printable::one_line;

/// Asks a question that ends with a question mark, on the terminal. Returns whether the answer was yes;
/// `--yes` answers for the user.
///
/// # Errors
/// [`UsageError`] without a terminal.
pub(crate) fn confirm(global: &Global, question: &str) -> Result<bool, Box<dyn Error>> {
    if global.yes {
        return Ok(true);
    }
    let question = one_line(question);
    let terminal = Term::stderr();
    if !terminal.is_term() || !stdin().is_terminal() {
        let why = format!("{question} Without a terminal, only --yes does that");
        return Err(UsageError(why).into());
    }
    terminal.write_str(&format!("{question} [y/N] "))?;
    let answer = terminal.read_line()?.trim().to_lowercase();
    let is_yes = ["y", "yes"].contains(&answer.as_str());
    if !is_yes {
        note("nothing was changed");
    }
    Ok(is_yes)
}
