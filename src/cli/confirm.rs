//! [`confirm`]: asks before something is deleted or replaced.

use std::error::Error;
use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use super::args::Global;
use super::exit::UsageError;
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
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let why = format!("{question} Without a terminal, only --yes does that");
        return Err(UsageError(why).into());
    }
    let mut terminal = stderr();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    let is_yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if !is_yes {
        writeln!(terminal, "nothing was changed")?;
    }
    Ok(is_yes)
}
