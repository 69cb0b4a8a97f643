//! The one quoting function. Every value that reaches a POSIX shell goes through [`quote`].

use thiserror::Error;

/// The value cannot be an argument: no shell and no `exec` carries a NUL byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the value contains a NUL byte")]
pub struct NulByte;

/// Bytes that stand for themselves wherever an argument can stand. `=` and `~` are not among them: both mean something at the
/// beginning of a word in some shells.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./:@%+,-".contains(&byte)
}

/// `text` as one word of a POSIX shell: read back by the shell it is exactly `text`.
pub fn quote(text: &str) -> Result<String, NulByte> {
    let mut word = String::with_capacity(text.len() + 2);
    push(&mut word, text)?;
    Ok(word)
}

/// Appends `text` as one word.
fn push(line: &mut String, text: &str) -> Result<(), NulByte> {
    if text.contains('\0') {
        return Err(NulByte);
    }
    if !text.is_empty() && text.bytes().all(plain) {
        line.push_str(text);
        return Ok(());
    }
    line.push('\'');
    for (n, part) in text.split('\'').enumerate() {
        if n > 0 {
            line.push_str(r"'\''");
        }
        line.push_str(part);
    }
    line.push('\'');
    Ok(())
}

/// Words one after the other, as a person would type them: for argument lists and for showing a command.
pub fn words<S: AsRef<str>>(argv: &[S]) -> Result<String, NulByte> {
    let mut line = String::new();
    for (n, word) in argv.iter().enumerate() {
        if n > 0 {
            line.push(' ');
        }
        push(&mut line, word.as_ref())?;
    }
    Ok(line)
}

/// Shell text that prints exactly `text`, of any length: several `printf`, joined by `&&`. In pieces, because where `printf` is a
/// program and not a builtin (mksh, ksh88) the system limits one argument (128 KiB on Linux). Not for secrets: those arguments show
/// in the process list.
pub fn print_exact(text: &str) -> Result<String, NulByte> {
    const PIECE: usize = 32 * 1024;
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        pieces.push(format!("printf %s {}", quote(&rest[..end])?));
        rest = &rest[end..];
    }
    Ok(if pieces.is_empty() { ":".to_owned() } else { pieces.join(" &&\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_readable_and_others_are_quoted() {
        assert_eq!(words(&["ip", "-o", "10.0.0.1/24", "", "a b", "it's", "A=b", "~"]).unwrap(), {
            r"ip -o 10.0.0.1/24 '' 'a b' 'it'\''s' 'A=b' '~'"
        });
        assert_eq!(quote("a\0b"), Err(NulByte));
    }
}
