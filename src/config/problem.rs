//! What is wrong with a configuration: where, what, and what to write instead.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use super::redact::redact_line;

/// One thing that is wrong, with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters concerned, at least 1.
    pub width: usize,
    /// The line as it stands in the file; what looks like a secret is masked.
    pub text: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead, or what is allowed.
    pub hint: String,
}

impl Problem {
    /// A problem at a range of bytes of `source`.
    pub(super) fn at(source: &str, span: &Range<usize>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let boundary = |mut i: usize| {
            i = i.min(source.len());
            while !source.is_char_boundary(i) {
                i -= 1;
            }
            i
        };
        // The end of the file after its last line break is shown at the last line that there is.
        let mut start = boundary(span.start);
        if start == source.len() {
            start = source.trim_end().len();
        }
        let line_start = source[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |i| start + i);
        let end = boundary(span.end).clamp(start, line_end);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            width: source[start..end].chars().count().max(1),
            text: redact_line(source[line_start..line_end].trim_end_matches('\r')),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// `FILE:LINE:COLUMN: what`, the line with a caret, and the hint.
    pub fn render(&self, path: &Path) -> String {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands under its character at any tab width.
        let lead: String =
            self.text.chars().take(self.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let width = self.width.min((self.text.chars().count() + 1).saturating_sub(self.column - 1)).max(1);
        let mut text = format!(
            "{}:{}:{}: {}\n{gutter} |\n{number} | {}\n{gutter} | {lead}{}\n",
            path.display(),
            self.line,
            self.column,
            self.what,
            self.text,
            "^".repeat(width)
        );
        for line in self.hint.lines() {
            text.push_str(&format!("{gutter} = {line}\n"));
        }
        text
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// File.
        path: PathBuf,
        /// The operating system's words.
        detail: String,
    },
    /// What it says cannot be used. All problems that were found, in the order of the file.
    Invalid {
        /// File.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
    /// Files that it names cannot be used: one line each.
    Files {
        /// File.
        path: PathBuf,
        /// At least one.
        problems: Vec<String>,
    },
}

impl ConfigError {
    /// What failed, one line.
    pub fn summary(&self) -> String {
        match self {
            Self::Unreadable { path, .. } => format!("the configuration cannot be read: {}", path.display()),
            Self::Invalid { path, problems } => {
                format!("the configuration cannot be used: {} in {}", count(problems.len()), path.display())
            }
            Self::Files { path, problems } => {
                format!("files named in {} cannot be used: {}", path.display(), count(problems.len()))
            }
        }
    }

    /// Every problem.
    pub fn details(&self) -> String {
        match self {
            Self::Unreadable { detail, .. } => detail.clone(),
            Self::Invalid { path, problems } => {
                problems.iter().map(|p| p.render(path)).collect::<Vec<_>>().join("\n").trim_end().to_owned()
            }
            Self::Files { problems, .. } => problems.join("\n"),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        // What is typed next must look at the same file.
        let check = |path: &PathBuf| {
            let usual = path.as_path() == Path::new(super::DEFAULT_PATH);
            if usual {
                "hamn config check".to_owned()
            } else {
                format!("hamn config check --config {}", path.display())
            }
        };
        match self {
            Self::Unreadable { detail, .. } if detail.starts_with("Permission denied") => {
                "it is its owner's alone: type the command as root (sudo)".into()
            }
            Self::Unreadable { .. } => {
                "name another file with --config FILE or HAMN_CONFIG; a commented sample is docs/hamn.toml".into()
            }
            Self::Invalid { path, .. } => {
                format!("correct the file, then: {} (all keys: hamn config show --explain)", check(path))
            }
            Self::Files { path, .. } => format!("correct them, then: {}", check(path)),
        }
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 problem".into() } else { format!("{n} problems") }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.summary(), self.details(), self.hint())
    }
}

impl std::error::Error for ConfigError {}
