//! A [`Script`] as POSIX sh text, for dash, bash, mksh, ksh93 and AIX' ksh88, and the way back from its output.
//!
//! Each action's output stands between two lines that carry a nonce, on both streams, so that noise of a login shell and binary
//! rubbish confuse nothing and a cut is seen (trap 71). All actions are in one function that is called on the last lines: a text
//! that arrives cut runs nothing at all. Nothing of AIX' gaps is used: no mktemp, stat, flock, setsid, `readlink -f`; `timeout` only
//! where it is.

use std::{borrow::Cow, fmt::Write as _};

use crate::{
    quote::{NulByte, print_exact, quote, words},
    script::{Action, ActionResult, Command, OnFailure, Output, Script, Stdin, StdinPart},
};

/// Exit code of an action that holds a value which cannot be carried out as it stands (a NUL byte, a path that is not absolute, a
/// variable name that is none). Nothing of it is run.
pub const REFUSED: i32 = 65;
/// Exit code of a command whose secret file is missing, unreadable or empty. The command is not run.
pub const NO_SECRET: i32 = 66;

macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("sh/", $name))
    };
}

/// The script as text for `sh`. `nonce`: letters and digits, different for each sending, known to [`parse`].
///
/// The text holds no secret: of a [`StdinPart::SecretFile`] it carries the path. It exits 0 when it came to its end, whatever the
/// actions gave.
pub fn render(script: &Script, nonce: &str) -> String {
    assert!(!nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_alphanumeric()), "a nonce is letters and digits");
    let mut text = format!("hamn_nonce={nonce}\n");
    text.push_str(&library(script));
    text.push_str("hamn_script() {\n");
    for (index, (action, policy)) in script.actions.iter().enumerate() {
        let body = render_action(action).unwrap_or_else(|refused| {
            format!("echo {} >&2\nexit {REFUSED}", quote(&format!("hamn: refused: {}", refused.0)).unwrap_or_default())
        });
        let policy = match policy {
            OnFailure::Stop => "|| return 0",
            OnFailure::GoOn => "|| :",
        };
        let _ = write!(text, "hamn_begin {index}\n(\n{body}\n) </dev/null\nhamn_end {index} $? {policy}\n");
    }
    text.push_str(":\n}\nhamn_script\nhamn_done\n");
    text
}

/// What a rendered script gave. What is missing or cut on either stream has no exit code.
pub fn parse(script: &Script, nonce: &str, stdout: &[u8], stderr: &[u8]) -> Output {
    Output { results: parse_frames(script.actions.len(), nonce, stdout, stderr), sent_ms: 0, took_ms: 0 }
}

/// As [`parse`], for `count` actions of a script that is not at hand.
pub fn parse_frames(count: usize, nonce: &str, stdout: &[u8], stderr: &[u8]) -> Vec<ActionResult> {
    let (mut out, mut err) = (Frames { nonce, rest: stdout }, Frames { nonce, rest: stderr });
    (0..count)
        .map(|index| {
            let (out, err) = (out.next(index), err.next(index));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            ActionResult {
                // The same frame ends both streams; one of them missing means that something was cut.
                exit: out.exit.filter(|exit| err.exit == Some(*exit)),
                stdout: text(out.bytes),
                stderr: text(err.bytes),
            }
        })
        .collect()
}

/// The last line of both streams of a rendered script: whoever reads it need not wait for the end of the stream, which a child that
/// was left behind would put off for ever (trap 72).
pub fn last_frame(nonce: &str) -> String {
    format!("@@hamn {nonce} done\n")
}

/// The last line of an unfinished output that a person wants to see: no frames, no empty lines, no control characters.
pub fn last_line(stream: &[u8]) -> String {
    let text = String::from_utf8_lossy(stream);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("@@hamn "));
    line.unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}

struct Frames<'a> {
    nonce: &'a str,
    rest: &'a [u8],
}

#[derive(Default)]
struct Frame<'a> {
    bytes: &'a [u8],
    exit: Option<i32>,
}

impl<'a> Frames<'a> {
    fn next(&mut self, index: usize) -> Frame<'a> {
        let begin = format!("@@hamn {} begin {index}\n", self.nonce);
        let end = format!("\n@@hamn {} end {index} ", self.nonce);
        let Some(start) = find(self.rest, begin.as_bytes()) else { return Frame::default() };
        let body = &self.rest[start + begin.len()..];
        let Some(length) = find(body, end.as_bytes()) else {
            self.rest = &[];
            return Frame { bytes: body, exit: None };
        };
        let code = &body[length + end.len()..];
        self.rest = code;
        let exit = find(code, b"\n").and_then(|n| std::str::from_utf8(&code[..n]).ok()).and_then(|n| n.parse().ok());
        Frame { bytes: &body[..length], exit }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Why an action cannot be carried out as it stands.
struct Refused(Cow<'static, str>);

impl From<NulByte> for Refused {
    fn from(why: NulByte) -> Self {
        Self(why.to_string().into())
    }
}

fn refuse(why: &'static str) -> Refused {
    Refused(why.into())
}

/// The functions that the script's actions need, and no others: the text is sent for every probe.
fn library(script: &Script) -> String {
    let actions = || script.actions.iter().map(|(action, _)| action);
    let commands = || {
        actions().filter_map(|action| match action {
            Action::Run(command) | Action::WaitUntil { command, .. } => Some(command),
            _ => None,
        })
    };
    let base = compact(part!("base.sh"));
    let limit = compact(part!("limit.sh"));
    let mut text = if commands().any(|c| c.user.is_some()) {
        // The other user's shell needs them too.
        let library = base + &limit;
        format!("hamn_library={}\neval \"$hamn_library\"\n{}", quote(&library).unwrap_or_default(), {
            compact(part!("user.sh"))
        })
    } else if commands().next().is_some() {
        base + &limit
    } else {
        base
    };
    let mut add = |needed: bool, part: &str| {
        if needed {
            text.push_str(&compact(part));
        }
    };
    let secret =
        |c: &Command| matches!(&c.stdin, Stdin::Parts(p) if p.iter().any(|p| matches!(p, StdinPart::SecretFile(_))));
    let edits = |a: &Action| {
        matches!(
            a,
            Action::ReplaceInLines { .. }
                | Action::EnsureLine { .. }
                | Action::CommentOut { .. }
                | Action::Uncomment { .. }
        )
    };
    let claims = |a: &Action| matches!(a, Action::Claim { .. } | Action::Unclaim { .. });
    let writes = |a: &Action| edits(a) || claims(a) || matches!(a, Action::WriteFile { .. });
    add(commands().any(secret), part!("secret.sh"));
    add(actions().any(|a| matches!(a, Action::WaitUntil { .. })), part!("wait.sh"));
    add(actions().any(writes), part!("file.sh"));
    add(actions().any(edits), part!("edit.sh"));
    add(actions().any(claims), part!("claim.sh"));
    text
}

/// Shell text without comment lines and indentation: some shells read a script from a pipe byte by byte.
pub fn compact(part: &str) -> String {
    part.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n")
}

fn render_action(action: &Action) -> Result<String, Refused> {
    Ok(match action {
        Action::Run(command) => run(command, command.timeout_s)?,
        Action::WaitUntil { command, expect, every_ms, limit_s } => {
            let whole = every_ms.div_ceil(1000).max(1);
            let fraction = format!("{}.{:03}", every_ms / 1000, every_ms % 1000);
            let body = run(command, command.timeout_s.min(*limit_s))?;
            let expect = quote(expect)?;
            format!("hamn_expect={expect}\nhamn_once() {{\n{body}\n}}\nhamn_until {limit_s} {whole} {fraction}")
        }
        Action::WriteFile { path, mode, content } => {
            let path = absolute(path)?;
            let print = print_exact(content)?;
            let bytes = content.len();
            format!(
                "hamn_prepare {path} || exit 74\n{{ {print}; }} >\"$hamn_new\"\n\
                 hamn_check {bytes} && chmod {mode:o} \"$hamn_new\" && hamn_install {path}"
            )
        }
        Action::ReplaceInLines { path, line_prefix, after, until, value } => edit(
            path,
            Keep::Before,
            Absent::Fails,
            &[("prefix", line_prefix), ("after", after), ("until", until), ("value", value)],
            part!("replace.awk"),
        )?,
        Action::EnsureLine { path, line } => {
            edit(path, Keep::Before, Absent::Fails, &[("line", line)], part!("ensure.awk"))?
        }
        Action::CommentOut { path, contains, tag } => {
            let mark = mark(tag)?;
            let values = [("contains", contains), ("mark", &mark)];
            edit(path, Keep::Nothing, Absent::Fine, &values, part!("comment.awk"))?
        }
        Action::Uncomment { path, tag } => {
            edit(path, Keep::Nothing, Absent::Fine, &[("mark", &mark(tag)?)], part!("uncomment.awk"))?
        }
        Action::Claim { path, content } => format!("{}\nhamn_claim {}", prepare(path, content)?, absolute(path)?),
        Action::Unclaim { path, content } => {
            let name = absolute(path)?;
            format!("[ -d {name} ] || exit 0\n{}\nhamn_unclaim {name}", prepare(path, content)?)
        }
    })
}

/// A program call, without frames. Its exit code is the last command's.
fn run(command: &Command, limit_s: u32) -> Result<String, Refused> {
    match command.argv.first() {
        None => return Err(refuse("a command without a program")),
        Some(program) if program.is_empty() || program.starts_with('-') => {
            return Err(refuse("the name of a program cannot be empty or begin with -"));
        }
        Some(_) => {}
    }
    // `timeout 0` would mean no limit.
    let limit = limit_s.max(1);
    let mut body = String::new();
    for (key, value) in &command.env {
        if !is_name(key) {
            return Err(refuse("the name of an environment variable is [A-Za-z_][A-Za-z0-9_]*"));
        }
        let _ = writeln!(body, "{key}={}; export {key}", quote(value)?);
    }
    let _ = write!(body, "hamn_limit {limit} {}", words(&command.argv)?);
    if let Some(user) = &command.user {
        if user.is_empty() || user.starts_with('-') {
            return Err(refuse("the name of a user cannot be empty or begin with -"));
        }
        // The inner limit acts first; the outer one is for a su that hangs (name services, PAM).
        body = format!("hamn_as {} {} {}", quote(user)?, limit.saturating_add(10), quote(&body)?);
    }
    let Stdin::Parts(parts) = &command.stdin else { return Ok(body) };
    let mut checks = String::new();
    let mut prints = Vec::new();
    for part in parts {
        match part {
            StdinPart::Text(text) => prints.push(print_exact(text)?),
            StdinPart::SecretFile(path) => {
                let path = absolute(path)?;
                let _ = writeln!(checks, "hamn_has_secret {path} || exit {NO_SECRET}");
                prints.push(format!("hamn_secret {path}"));
            }
        }
    }
    let prints = if prints.is_empty() { ":".to_owned() } else { prints.join("\n") };
    Ok(format!("{checks}{{\n{prints}\n}} 2>/dev/null | {{\n{body}\n}}"))
}

#[derive(Clone, Copy)]
enum Keep {
    Before,
    Nothing,
}

#[derive(Clone, Copy)]
enum Absent {
    Fails,
    Fine,
}

/// An awk program over a file; the values travel in the environment, where awk leaves them as they are.
fn edit(path: &str, keep: Keep, absent: Absent, values: &[(&str, &String)], program: &str) -> Result<String, Refused> {
    let mut text = String::new();
    for (name, value) in values {
        if value.contains('\n') {
            return Err(refuse("a value that is to stand within a line holds the end of a line"));
        }
        let _ = writeln!(text, "hamn_{name}={}; export hamn_{name}", quote(value)?);
    }
    let keep = i32::from(matches!(keep, Keep::Before));
    let absent = if matches!(absent, Absent::Fails) { 3 } else { 0 };
    let _ = write!(text, "hamn_edit {} {keep} {absent} {}", absolute(path)?, quote(&compact(program))?);
    Ok(text)
}

/// The text of a claim in a private file beside it.
fn prepare(path: &str, content: &str) -> Result<String, Refused> {
    let (path, print, bytes) = (absolute(path)?, print_exact(content)?, content.len());
    Ok(format!("hamn_prepare {path} || exit 74\n{{ {print}; }} >\"$hamn_new\"\nhamn_check {bytes} || exit"))
}

fn absolute(path: &str) -> Result<String, Refused> {
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(refuse("a path is absolute and does not end in /"));
    }
    Ok(quote(path)?)
}

fn mark(tag: &str) -> Result<String, Refused> {
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(refuse("a tag is [a-z0-9-]"));
    }
    Ok(format!("#hamn:{tag}: "))
}

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && !key.as_bytes()[0].is_ascii_digit()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
