//! A program that runs: what it was told, how far it is, what it waits for.

use std::collections::VecDeque;

use super::{Call, Change, Out, Trouble};

/// Options of `db2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// `-v`
    pub(super) echo: bool,
    /// `-s`
    pub(super) stop: bool,
    /// `+w`
    pub(super) no_warnings: bool,
    /// `+o`
    pub(super) silent: bool,
    /// More statements than the one of the command line.
    pub(super) batch: bool,
}

/// What a running program waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The start as primary, for START HADR.
    StartHadr,
    /// The same, for ACTIVATE.
    Activate,
    /// The same, for CONNECT.
    Connect,
    /// The takeover.
    Takeover,
}

/// A program that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) call: Call,
    pub(super) options: Options,
    pub(super) statements: VecDeque<String>,
    /// The rest of standard input.
    pub(super) input: VecDeque<String>,
    pub(super) statement: String,
    pub(super) out: Out,
    pub(super) cost_ms: u64,
    /// What it meets when the present statement is done.
    pub(super) after: Option<Trouble>,
    pub(super) wait: Option<Wait>,
}

impl Running {
    /// Takes a statement's output.
    pub(super) fn take(&mut self, out: &Out) {
        let o = self.options;
        if o.batch && o.echo && !o.silent {
            self.out.text += &format!("{}\n", self.statement);
        }
        let exit = if o.no_warnings && matches!(out.exit, 1 | 2) { 0 } else { out.exit };
        if !o.silent {
            self.out.text += &out.text;
            if o.batch {
                self.out.text.push('\n');
            }
        }
        self.out.exit = if o.batch { self.out.exit | exit } else { exit };
        if o.stop && exit >= 4 {
            self.statements.clear();
        }
    }
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is done.
    Done(Out),
    /// It waits.
    Wait(Wait),
}

/// What waits for something to happen.
#[derive(Debug, Clone)]
pub(super) enum Waiter {
    Program(Box<Running>),
    /// A client that connects.
    Client {
        id: u64,
        name: String,
    },
    /// A commit that is not written yet, because the window is open.
    Blocked {
        id: u64,
        change: Change,
    },
    /// A commit that the standby must acknowledge.
    Written {
        id: u64,
        end: u64,
    },
}
