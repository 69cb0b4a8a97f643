//! The only place that prints.

use std::{
    env,
    io::{self, ErrorKind, IsTerminal, Write},
};

use super::Trouble;

/// Bold red: an error's first word.
pub const RED: &str = "1;31";
/// Yellow: a warning, an open item, the pivot.
pub const YELLOW: &str = "33";
/// Green: done.
pub const GREEN: &str = "32";
/// Bold: labels.
pub const BOLD: &str = "1";
/// Faint: what may be skipped by the eye.
pub const FAINT: &str = "2";

/// `text` in a colour, or as it is.
pub fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Whether standard output is a terminal that wants colours (`NO_COLOR`, `TERM=dumb` say no).
pub fn colour() -> bool {
    io::stdout().is_terminal() && wants_colour()
}

fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && env::var_os("TERM").is_none_or(|v| v != "dumb")
}

/// Writes to standard output. A reader that went away (`hamn … | head`) is no error.
pub fn print(text: &str) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Trouble::failure("standard output cannot be written").detail(e.to_string()))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard output.
pub fn line(text: &str) -> Result<(), Trouble> {
    print(&format!("{text}\n"))
}

/// Writes a value as one line of JSON.
pub fn json(value: &impl serde::Serialize) -> Result<(), Trouble> {
    line(&serde_json::to_string(value).expect("plain data has a JSON form"))
}

/// Writes a line to standard error: what is for the person and not for a program that reads the output. Failure to do so is ignored.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Shows an error on standard error: three lines, or JSON.
pub fn trouble(trouble: &Trouble, as_json: bool) {
    let text = if as_json {
        format!("{}\n", trouble.to_json())
    } else {
        trouble.render(io::stderr().is_terminal() && wants_colour())
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
