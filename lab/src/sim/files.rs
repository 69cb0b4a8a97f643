//! A machine's files, and the edits that a script makes in them.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use workflows::{Action, ActionResult, Place};

use super::{World, hit::Hit};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) content: Arc<str>,
    pub(super) mode: u32,
    /// Which write of this machine wrote it: of two files the younger one has the higher number.
    written: u64,
}

/// All files of a machine, by path, and how often any was written. A directory exists if a file in it does.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(BTreeMap<Arc<str>, File>, u64);

impl Files {
    pub(super) fn get(&self, path: &str) -> Option<&Arc<str>> {
        self.0.get(path).map(|f| &f.content)
    }

    pub(super) fn mode(&self, path: &str) -> Option<u32> {
        self.0.get(path).map(|f| f.mode)
    }

    pub(super) fn set(&mut self, path: &str, content: &str, mode: u32) {
        self.1 += 1;
        self.0.insert(path.into(), File { content: content.into(), mode, written: self.1 });
    }

    /// Whether a file is there and no older than another one that is there.
    pub(super) fn since(&self, path: &str, mark: &str) -> bool {
        self.0.get(path).zip(self.0.get(mark)).is_some_and(|(file, mark)| file.written >= mark.written)
    }

    /// New content under the former mode.
    pub(super) fn rewrite(&mut self, path: &str, content: &str) {
        let mode = self.0.get(path).map_or(0o644, |f| f.mode);
        self.set(path, content, mode);
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.0.remove(path).is_some()
    }

    /// Files whose path begins so, in order of path.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Arc<str>)> {
        self.0
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(prefix))
            .map(|(path, file)| (&**path, &file.content))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &File)> {
        self.0.iter().map(|(path, file)| (&**path, file))
    }
}

/// Exit code for "there is no such line or file".
const NO_LINE: i32 = 3;
/// Exit code for "somebody else has it".
const TAKEN: i32 = 17;

/// What an edit comes to.
enum Edit {
    Nothing,
    /// The new content; the flag: keep the former one beside it.
    Content(String, bool),
    Exit(i32, String),
    Remove,
}

impl World {
    pub(super) fn files(&self, place: Place) -> &Files {
        match place {
            Place::Node(id) => &self.m(id).files,
            Place::Controller => &self.controller,
            Place::Witness(index) => &self.witnesses[usize::from(index)],
        }
    }

    pub(super) fn files_mut(&mut self, place: Place) -> &mut Files {
        match place {
            Place::Node(id) => &mut self.m_mut(id).files,
            Place::Controller => &mut self.controller,
            Place::Witness(index) => &mut self.witnesses[usize::from(index)],
        }
    }

    /// Every action that is not a program call.
    pub(super) fn edit(&mut self, place: Place, action: &Action) -> ActionResult {
        let (path, mode) = target(action);
        let path = &*path;
        let fault = self.faults.take(|| path.to_owned());
        if let Some(Hit::Fail(exit)) = fault {
            self.advance(2);
            return ActionResult { exit: Some(exit), stdout: String::new(), stderr: "simulated failure\n".to_owned() };
        }
        let before = self.files(place).get(path).cloned();
        let (mut exit, mut stdout) = (0, String::new());
        match plan(action, before.as_deref()) {
            Edit::Nothing => {
                if let Some(mode) = mode.filter(|m| self.files(place).mode(path).is_some_and(|had| had != *m)) {
                    self.wrote(place, "chmod", path);
                    let content = before.unwrap_or_default();
                    self.files_mut(place).set(path, &content, mode);
                }
            }
            Edit::Exit(code, text) => (exit, stdout) = (code, text),
            Edit::Remove => {
                self.wrote(place, "remove", path);
                self.files_mut(place).remove(path);
            }
            Edit::Content(content, keep) => {
                self.wrote(place, "write", path);
                let files = self.files_mut(place);
                if keep && let Some(before) = &before {
                    let kept = format!("{path}.hamn-before");
                    if files.get(&kept).is_none() {
                        files.set(&kept, before, 0o600);
                    }
                }
                match mode {
                    Some(mode) => files.set(path, &content, mode),
                    None => files.rewrite(path, &content),
                }
            }
        }
        self.advance(2);
        ActionResult { exit: Some(exit), stdout, stderr: String::new() }
    }
}

/// The file that an edit is about, and the mode that it gets if the action says one.
fn target(action: &Action) -> (Cow<'_, str>, Option<u32>) {
    match action {
        Action::WriteFile { path, mode, .. } => (path.into(), Some(*mode)),
        Action::ReplaceInLines { path, .. }
        | Action::EnsureLine { path, .. }
        | Action::CommentOut { path, .. }
        | Action::Uncomment { path, .. } => (path.into(), None),
        Action::Claim { path, .. } | Action::Unclaim { path, .. } => (format!("{path}/text").into(), Some(0o600)),
        Action::Run(_) | Action::WaitUntil { .. } => unreachable!("program calls are no edits"),
    }
}

fn plan(action: &Action, before: Option<&str>) -> Edit {
    match action {
        Action::WriteFile { content, .. } => match before {
            Some(same) if same == content => Edit::Nothing,
            _ => Edit::Content(content.clone(), false),
        },
        Action::ReplaceInLines { line_prefix, after, until, value, .. } => {
            let Some(before) = before else { return Edit::Exit(NO_LINE, String::new()) };
            let mut found = false;
            let after_all = edit_lines(before, |line| {
                if !line.trim_start().starts_with(line_prefix.as_str()) {
                    return None;
                }
                let start = line.find(after.as_str())? + after.len();
                let end = if until.is_empty() { None } else { line[start..].find(until.as_str()) };
                let end = end.map_or(line.len(), |n| start + n);
                found = true;
                Some(format!("{}{value}{}", &line[..start], &line[end..]))
            });
            if !found {
                Edit::Exit(NO_LINE, String::new())
            } else if after_all == before {
                Edit::Nothing
            } else {
                Edit::Content(after_all, true)
            }
        }
        Action::EnsureLine { line, .. } => match before {
            None => Edit::Exit(NO_LINE, String::new()),
            Some(before) if before.lines().any(|l| l == line) => Edit::Nothing,
            Some(before) => {
                let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
                Edit::Content(format!("{before}{end}{line}\n"), true)
            }
        },
        Action::CommentOut { contains, tag, .. } => {
            let Some(before) = before else { return Edit::Nothing };
            let mark = format!("#hamn:{tag}: ");
            let text = edit_lines(before, |line| {
                (line.contains(contains.as_str()) && !line.starts_with(&mark)).then(|| format!("{mark}{line}"))
            });
            if text == before { Edit::Nothing } else { Edit::Content(text, false) }
        }
        Action::Uncomment { tag, .. } => {
            let Some(before) = before else { return Edit::Nothing };
            let mark = format!("#hamn:{tag}: ");
            let text = edit_lines(before, |line| line.strip_prefix(&mark).map(str::to_owned));
            if text == before { Edit::Nothing } else { Edit::Content(text, false) }
        }
        Action::Claim { content, .. } => match before {
            Some(same) if same == content => Edit::Nothing,
            Some(other) => Edit::Exit(TAKEN, other.to_owned()),
            None => Edit::Content(content.clone(), false),
        },
        Action::Unclaim { content, .. } => match before {
            None => Edit::Nothing,
            Some(same) if same == content => Edit::Remove,
            Some(other) => Edit::Exit(TAKEN, other.to_owned()),
        },
        Action::Run(_) | Action::WaitUntil { .. } => unreachable!("program calls are no edits"),
    }
}

/// Each line replaced by what `change` gives for it; line ends stay as they are.
fn edit_lines(text: &str, mut change: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for whole in text.split_inclusive('\n') {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        match change(line) {
            Some(new) => out.push_str(&new),
            None => out.push_str(line),
        }
        out.push_str(&whole[line.len()..]);
    }
    out
}
