//! Typed consent.

use std::io::{self, BufRead, IsTerminal};

use super::{Trouble, out};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consent {
    /// The words were typed.
    Given(String),
    /// Something else was typed.
    Refused(String),
    /// There is nobody to type.
    NoTerminal,
}

/// Asks for words to be typed as they stand. Asks once: a wrong word is an answer.
pub(super) fn ask(words: &str, purpose: &str) -> Result<Consent, Trouble> {
    if !io::stdin().is_terminal() {
        return Ok(Consent::NoTerminal);
    }
    out::print(&format!("{purpose}, type {}: ", out::paint(out::colour(), out::BOLD, words)))?;
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    read.map_err(|e| Trouble::refused("the answer cannot be read").detail(e.to_string()))?;
    let typed = typed.trim().to_owned();
    Ok(if typed == words { Consent::Given(typed) } else { Consent::Refused(typed) })
}

/// Something else was typed.
pub(super) fn refused(typed: &str) -> Trouble {
    let what = if typed.is_empty() { "nothing was typed" } else { "other words were typed" };
    Trouble::refused(format!("no consent: {what}; nothing was changed"))
        .next("type the command again when you are sure")
}

/// There is nobody to type.
pub(super) fn no_terminal(instead: &str) -> Trouble {
    Trouble::refused("no consent: standard input is no terminal; nothing was changed")
        .next(format!("consent on the command line: {instead}"))
}
