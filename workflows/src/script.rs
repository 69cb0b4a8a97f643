//! A script is data: a list of typed actions. `render` turns it into POSIX sh with the one quoting function; the simulator
//! interprets it; the plan shows it.

use serde::{Deserialize, Serialize};

/// Where a command's standard input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Stdin {
    /// `/dev/null`
    #[default]
    Null,
    /// Parts one after the other.
    Parts(Vec<StdinPart>),
}

/// A part of a command's standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StdinPart {
    /// Literal text; never a secret.
    Text(String),
    /// First line of a file on the machine that runs the script. How secrets travel: the script and the journal carry the path only.
    SecretFile(String),
}

/// One program call. Always with `LC_ALL=C` (trap 74).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; quoted by the renderer, so any bytes but NUL are safe.
    pub argv: Vec<String>,
    /// Operating-system user to run as; `None`: as we are.
    pub user: Option<String>,
    /// Environment additions.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Stdin,
    /// Seconds after which it is killed and counts as [`ActionResult::TIMED_OUT`]. Every command has one (facts: xCAT calls hang for ever).
    pub timeout_s: u32,
}

impl Command {
    /// A command with a time limit of 20 s.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            user: None,
            env: Vec::new(),
            stdin: Stdin::Null,
            timeout_s: 20,
        }
    }

    /// As another operating-system user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// With another time limit, seconds.
    #[must_use]
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout_s = seconds;
        self
    }

    /// With text on standard input.
    #[must_use]
    pub fn stdin(mut self, parts: Vec<StdinPart>) -> Self {
        self.stdin = Stdin::Parts(parts);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// What happens when an action fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The rest of the script is not run.
    Stop,
    /// The script goes on; the judgement reads the exit code.
    GoOn,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Runs a program.
    Run(Command),
    /// Runs a program again and again until its standard output, trimmed, is `expect` and it exits 0.
    /// Result: that of the last run; exit [`ActionResult::TIMED_OUT`] when the limit passed.
    WaitUntil {
        /// The program; its `timeout_s` bounds one run.
        command: Command,
        /// What its trimmed output must be.
        expect: String,
        /// Pause between runs, milliseconds (whole seconds where `sleep` knows no fractions).
        every_ms: u32,
        /// Limit, seconds.
        limit_s: u32,
    },
    /// Writes a file: temporary name beside it, `sync`, rename. Parent directories are made, 0700.
    WriteFile {
        /// Absolute path.
        path: String,
        /// Permission bits, for example 0o600.
        mode: u32,
        /// Content.
        content: String,
    },
    /// In each line that begins with `line_prefix`, replaces what stands between `after` and the next `until` (or the end of the line).
    /// Owner and mode stay; written by temporary name and rename. Exit 3: no such line, nothing written. Exit 0 and no write when it
    /// is so already. The first change of a run keeps the former file as `PATH.hamn-before` if that does not exist.
    ReplaceInLines {
        /// Absolute path.
        path: String,
        /// Lines concerned; leading blanks ignored.
        line_prefix: String,
        /// Text before the part to replace.
        after: String,
        /// Text after it; empty: to the end of the line.
        until: String,
        /// The new part.
        value: String,
    },
    /// Appends `line` unless the file has it. Owner and mode stay; keeps `PATH.hamn-before` as above. Exit 3: no such file.
    EnsureLine {
        /// Absolute path.
        path: String,
        /// The line, without its end.
        line: String,
    },
    /// Prefixes each line that contains `contains` with `#hamn:TAG: ` unless it is so already. Exit 0 also when the file is absent.
    CommentOut {
        /// Absolute path.
        path: String,
        /// Fixed text that the lines contain.
        contains: String,
        /// `[a-z0-9-]`.
        tag: String,
    },
    /// Takes `#hamn:TAG: ` away again.
    Uncomment {
        /// Absolute path.
        path: String,
        /// `[a-z0-9-]`.
        tag: String,
    },
    /// Makes a directory that must not exist and writes `content` into the file `text` in it: an atomic claim (trap 9).
    /// Exit 17: it exists; its `text` is on standard output. If it exists with the same content: exit 0.
    Claim {
        /// Absolute path.
        path: String,
        /// The claim.
        content: String,
    },
    /// Takes a claim away if its content is `content`. Exit 0 when there is none; 17 when it is another's.
    Unclaim {
        /// Absolute path.
        path: String,
        /// The claim.
        content: String,
    },
}

/// A script: actions in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Script {
    /// The actions, each with its policy.
    pub actions: Vec<(Action, OnFailure)>,
}

impl Script {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action after whose failure the rest is not run.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push((action, OnFailure::Stop));
        self
    }

    /// Adds an action after whose failure the script goes on.
    #[must_use]
    pub fn try_(mut self, action: Action) -> Self {
        self.actions.push((action, OnFailure::GoOn));
        self
    }

    /// Adds a program call after whose failure the rest is not run.
    #[must_use]
    pub fn run(self, command: Command) -> Self {
        self.then(Action::Run(command))
    }

    /// Adds a program call whose failure is for the judgement.
    #[must_use]
    pub fn look(self, command: Command) -> Self {
        self.try_(Action::Run(command))
    }

    /// This script followed by another.
    #[must_use]
    pub fn followed_by(mut self, other: &Self) -> Self {
        self.actions.extend(other.actions.iter().cloned());
        self
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

/// What one action gave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActionResult {
    /// Exit code; 128 + n for signal n; [`Self::TIMED_OUT`]; `None`: not run, because an earlier one failed.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl ActionResult {
    /// Exit code of a command that its time limit ended.
    pub const TIMED_OUT: i32 = 124;

    /// Whether it ran and exited 0.
    pub fn ok(&self) -> bool {
        self.exit == Some(0)
    }

    /// Standard output without surrounding white space, if it exited 0.
    pub fn text(&self) -> Option<&str> {
        self.ok().then(|| self.stdout.trim())
    }
}

/// What a script gave: one result an action, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Output {
    /// The results.
    pub results: Vec<ActionResult>,
    /// When the script was sent, by the clock of the machine that runs hamn, milliseconds since 1970; 0: unknown.
    pub sent_ms: u64,
    /// How long the answer took, milliseconds.
    pub took_ms: u64,
}

impl Output {
    /// Result of action `index`; an empty one (not run) when there is none, because a cut output means unknown.
    pub fn at(&self, index: usize) -> &ActionResult {
        const NOT_RUN: &ActionResult = &ActionResult { exit: None, stdout: String::new(), stderr: String::new() };
        self.results.get(index).unwrap_or(NOT_RUN)
    }

    /// Whether every action ran and exited 0.
    pub fn all_ok(&self) -> bool {
        self.results.iter().all(ActionResult::ok)
    }

    /// The first action that ran and did not exit 0.
    pub fn first_failure(&self) -> Option<(usize, &ActionResult)> {
        self.results.iter().enumerate().find(|(_, r)| matches!(r.exit, Some(n) if n != 0))
    }

    /// Splits after the first `n` results: effect and the probe that follows it in the same job.
    pub fn split(mut self, n: usize) -> (Self, Self) {
        let tail = if n <= self.results.len() { self.results.split_off(n) } else { Vec::new() };
        let after = Self { results: tail, sent_ms: self.sent_ms, took_ms: self.took_ms };
        (self, after)
    }

    /// The last `limit` bytes of all output, for the journal.
    pub fn tail(&self, limit: usize) -> String {
        let mut all = String::new();
        for r in &self.results {
            for part in [&r.stdout, &r.stderr] {
                if part.bytes().all(|b| b == b'\n' || b.is_ascii() && !b.is_ascii_control()) {
                    all.push_str(part);
                } else {
                    all.extend(part.chars().filter(|c| *c == '\n' || !c.is_control()));
                }
                if !part.is_empty() && !part.ends_with('\n') {
                    all.push('\n');
                }
            }
        }
        let mut start = all.len().saturating_sub(limit);
        while !all.is_char_boundary(start) {
            start += 1;
        }
        all.split_off(start)
    }
}
