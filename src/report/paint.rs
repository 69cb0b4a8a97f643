//! Colours of a terminal.

/// Bold red: an error's first word, a failure.
pub const RED: &str = "1;31";
/// Yellow: a warning, what is unknown, an open item, the pivot.
pub const YELLOW: &str = "33";
/// Green: done.
pub const GREEN: &str = "32";
/// Bold: labels, states.
pub const BOLD: &str = "1";
/// Faint: what may be skipped by the eye.
pub const FAINT: &str = "2";

/// `text` in a colour, or as it is.
pub fn paint(colour: bool, code: &str, text: &str) -> String {
    if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
