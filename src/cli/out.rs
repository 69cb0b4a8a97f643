//! The only place that prints.

use std::{
    env,
    io::{self, ErrorKind, IsTerminal, Write},
};

use super::Trouble;
pub use crate::report::paint::{BOLD, FAINT, GREEN, RED, YELLOW, paint};

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
