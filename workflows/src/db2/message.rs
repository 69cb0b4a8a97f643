//! What a statement of the command line processor said, by its exit code and its codes.
//!
//! Exit codes are bits (documented): 1 no rows, 2 a warning, 4 an error of DB2 or SQL, 8 an error of the processor itself. A success is
//! what has neither 4 nor 8, and then only if every warning is one that is known to be harmless.

use std::fmt;

use super::read::{Statement, group};
use crate::{
    script::Output,
    step::{Judge, Judgement},
    steps::judge,
};

/// A code such as `SQL1770N`, with the reason that it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// `1770`
    pub number: u32,
    /// `W` warning, `N` error, `C` severe error, `I` information.
    pub kind: char,
    /// The last number in quotes of its message: `Reason code = "7"`. In every language it is the last.
    pub reason: Option<u32>,
    /// What its message says, in one line and not more than a line of it: for a person, nothing is judged by it.
    pub text: String,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQL{:04}{}", self.number, self.kind)?;
        self.reason.map_or(Ok(()), |reason| write!(f, " reason code {reason}"))
    }
}

/// Warnings with which a statement has done its work. 1363: counts from the next activation; 1490, 1494: active already; 1496: was not
/// active; 1766: LOGINDEXBUILD is off; 2539: what was there is overwritten; 1611: there is nothing to list; 1057: the directory is empty.
/// (1363, 1490, 1494, 1496, 2539 captured; 1057, 1611, 1766 from memory.)
const HARMLESS: [u32; 8] = [1057, 1363, 1490, 1494, 1496, 1611, 1766, 2539];

/// Warnings that say: not yet. 1495: the database stays active as long as a connection is there (captured).
const NOT_YET: [u32; 1] = [1495];

/// What a statement amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Done, with the harmless warnings that it gave.
    Done(Vec<Code>),
    /// Accepted, and without effect until something else ends.
    NotYet(Code),
    /// Refused.
    Refused(Code),
    /// Something that is not known: shown, and fatal.
    Strange(String),
    /// Nothing that can be understood: not run, cut, killed.
    Unknown,
}

impl Said {
    /// Whether it is done.
    pub fn done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Number and reason of a refusal.
    pub fn refusal(&self) -> Option<(u32, Option<u32>)> {
        match self {
            Self::Refused(code) => Some((code.number, code.reason)),
            _ => None,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(_) => f.write_str("done"),
            Self::NotYet(code) => write!(f, "not yet ({code})"),
            Self::Refused(code) => match advice(code) {
                Some(advice) => write!(f, "{code}: {advice}"),
                None => write!(f, "{code}, which hamn does not know: {}", code.text),
            },
            Self::Strange(line) => write!(f, "it said what hamn does not know: {line}"),
            Self::Unknown => f.write_str("no answer that can be understood"),
        }
    }
}

/// All codes of a text, in order.
pub fn codes(text: &str) -> Vec<Code> {
    let mut found: Vec<Code> = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some((at, code, length)) = next_code(rest) {
            belongs(&rest[..at], found.last_mut());
            found.push(code);
            rest = &rest[at + length..];
        }
        belongs(rest, found.last_mut());
    }
    found
}

/// More of the message of a code.
fn belongs(text: &str, code: Option<&mut Code>) {
    const SHOWN: usize = 160;
    let Some(code) = code else { return };
    if let Some(reason) = text.split('"').skip(1).step_by(2).filter_map(|word| word.parse().ok()).last() {
        code.reason = Some(reason);
    }
    for word in text.split_whitespace() {
        let blank = usize::from(!code.text.is_empty());
        if code.text.len() + blank + word.len() > SHOWN {
            return;
        }
        code.text.extend(std::iter::repeat_n(' ', blank));
        code.text += word;
    }
}

/// The next `SQLnnnnX` or `SQLnnnnnX` that stands alone: where, which, how long.
fn next_code(text: &str) -> Option<(usize, Code, usize)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("SQL").map(|at| at + from) {
        let digits = text[at + 3..].bytes().take_while(u8::is_ascii_digit).count();
        let kind = text[at + 3 + digits..].chars().next();
        let alone = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        if let (4..=5, Some(kind @ ('N' | 'W' | 'C' | 'I')), true) = (digits, kind, alone) {
            let number = text[at + 3..at + 3 + digits].parse().expect("digits");
            return Some((at, Code { number, kind, reason: None, text: String::new() }, digits + 4));
        }
        from = at + 3;
    }
    None
}

/// What a statement said.
pub fn said(statement: &Statement) -> Said {
    let Some(exit) = statement.exit else { return Said::Unknown };
    let codes = codes(&statement.text);
    let first = || {
        let line = statement.text.lines().map(str::trim).find(|l| !l.is_empty());
        line.map_or_else(|| format!("exit {exit} without a word"), |l| format!("exit {exit}: {l}"))
    };
    if !(0..16).contains(&exit) {
        // A signal or the time limit: DB2 may go on with what it was told.
        return Said::Unknown;
    }
    let errors: Vec<&Code> = codes.iter().filter(|c| matches!(c.kind, 'N' | 'C')).collect();
    if exit & 0b1100 != 0 {
        return match errors.first() {
            Some(code) => Said::Refused((*code).clone()),
            None => Said::Strange(first()),
        };
    }
    if !errors.is_empty() {
        return Said::Strange(first());
    }
    if let Some(code) = codes.iter().find(|c| NOT_YET.contains(&c.number)) {
        return Said::NotYet(code.clone());
    }
    let harmless = |c: &&Code| c.kind != 'W' || HARMLESS.contains(&c.number);
    if codes.iter().all(|c| harmless(&c)) && (exit & 2 == 0 || codes.iter().any(|c| c.kind == 'W')) {
        return Said::Done(codes);
    }
    Said::Strange(first())
}

/// What a code means and what to do, for the codes that an operator meets. `None`: hamn does not know it.
pub fn advice(code: &Code) -> Option<&'static str> {
    Some(match (code.number, code.reason) {
        (289 | 968 | 2059 | 2419, _) => {
            "there is no room left on a disk of the database or for the image: df on that machine; take old images and log files away"
        }
        (290, _) => {
            "a table space is not there: db2 LIST TABLESPACES shows its state, the disks of its containers must be mounted"
        }
        (964, _) => "the log is full: db2 LIST APPLICATIONS shows who holds it, FORCE APPLICATIONS ALL ends it",
        (1013, _) => "there is no database of that name here; compare database.database with: db2 LIST DB DIRECTORY",
        (1015, _) => "the database was not shut down in order: db2 RESTART DATABASE",
        (1024, _) => "no connection from this shell",
        (1025, _) => "a database is still active: force the applications and deactivate it first",
        (1032, _) => "the instance is stopped: db2start",
        (1035, _) => {
            "the database is in use: stop xcatd here and on every service node, then db2 FORCE APPLICATIONS ALL and db2 DEACTIVATE DATABASE"
        }
        (1116, _) => "backup pending: an offline BACKUP DB clears it",
        (1117, _) => {
            "roll-forward pending: db2 ROLLFORWARD DATABASE … TO END OF LOGS AND COMPLETE opens it, and it can then be a standby only \
             after a new restore"
        }
        (1119, _) => "a restore before did not come to its end: it is to be done once more",
        (1219 | 1220, _) => "the memory that the instance wants is not to be had on this machine",
        (1224, _) => "the instance or the database ended while it was asked: db2diag.log says why",
        (1767, _) => "HADR cannot start in this role from this state",
        (1768, Some(1 | 2)) => {
            "the database logs in a circle or without end: LOGRETAIN or LOGARCHMETH1 must be set, and a backup taken"
        }
        (1768, Some(4)) => "HADR_LOCAL_HOST is no address of this machine",
        (1768, Some(5)) => "HADR_LOCAL_SVC is not in /etc/services",
        (1768, Some(6)) => "HADR_REMOTE_SVC is not in /etc/services",
        (1768, Some(7)) => {
            "the standby did not connect within HADR_TIMEOUT; the standby must be started first, and HADR_TIMEOUT and HADR_PEER_WINDOW be \
             equal on both"
        }
        (1768, Some(8)) => "one of the HADR parameters is not set",
        (1769, Some(1)) => "the database is not in HADR",
        (1769, Some(2)) => "the standby is active: DEACTIVATE DATABASE first",
        (1770, Some(7)) => "the connection to the primary is lost, though the state still says peer: look again",
        (1770, Some(9)) => "the peer window is over: nothing proves any more that everything is here",
        (1770, Some(10)) => "a cluster manager owns HADR: hamn must not take over beside it",
        (1770, _) => "this standby may not take over in this form from this state",
        (1776, Some(6)) => "the other database took over from this one: it can only come back as its standby",
        (1776, _) => "not on a standby",
        (1777, _) => "HADR runs already",
        (2036, _) => "the directory for the image is not there or not writable",
        (2542, _) => "there is no image with that timestamp",
        (6031, _) => "db2nodes.cfg has another host name than this machine",
        (8000..=8029, _) => "the licence of DB2 is missing or over: db2licm -l shows it, db2licm -a FILE registers one",
        (30082, _) => "user or password are refused",
        _ => return None,
    })
}

/// Judges a call of `count` statements: each of them is done, by its code.
pub fn all_done(count: usize, what: &'static str) -> Judge {
    judge(move |output: &Output| {
        let all = group(output.at(0), count);
        match all.iter().map(said).enumerate().find(|(_, s)| !s.done()) {
            None => Judgement::succeeded(format!("{what}: {count} statements done"), Vec::new()),
            Some((n, Said::Unknown)) => {
                Judgement::unknown(format!("{what}, statement {}: {}", n + 1, Said::Unknown), Vec::new())
            }
            Some((n, other)) => Judgement::failed(format!("{what}, statement {}: {other}", n + 1), Vec::new()),
        }
    })
}
