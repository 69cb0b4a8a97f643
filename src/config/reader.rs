//! Reads typed values out of a parsed file and collects every problem with its place.

use std::{cell::RefCell, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    keys::{self, Kind, Need},
    problem::Problem,
    redact::names_a_secret,
    rules::Wrong,
};

/// The text and what was found wrong with it so far.
pub(super) struct Source<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, problems: RefCell::default() }
    }

    /// Notes a problem.
    pub(super) fn wrong(&self, span: &Range<usize>, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::at(self.text, span, what, hint));
    }

    /// All problems, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|p| (p.line, p.column));
        problems.dedup();
        problems
    }

    /// End of the text: where something that is missing altogether is reported.
    pub(super) fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table of the file, read by the names that [`keys::KEYS`] knows.
pub(super) struct Section<'a, 'i> {
    source: &'a Source<'a>,
    table: Option<&'a DeTable<'i>>,
    /// Where it begins; for a missing one, where it should be.
    pub(super) span: Range<usize>,
    /// As in [`keys::KEYS`].
    id: &'static str,
    /// As in messages: `[nodes.a]`.
    pub(super) shown: String,
}

impl<'a, 'i> Section<'a, 'i> {
    /// The whole file.
    pub(super) fn root(source: &'a Source<'a>, table: &'a DeTable<'i>) -> Self {
        let section = Self { source, table: Some(table), span: source.end(), id: "", shown: "the top level".into() };
        section.refuse_unknown_keys();
        section
    }

    fn at(&self, id: &'static str, shown: String, value: &'a Spanned<DeValue<'i>>) -> Self {
        let table = match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                self.mistyped(&shown, &value.span(), other, Kind::Section);
                None
            }
        };
        let section = Self { source: self.source, table, span: value.span(), id, shown };
        section.refuse_unknown_keys();
        section
    }

    /// A table below this one. A missing one that must be there is reported once, and not again for each of its keys.
    pub(super) fn section(&self, name: &str, id: &'static str) -> Self {
        let shown = match self.shown.strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
            Some(path) => format!("[{}.{name}]", path.trim_matches(['[', ']'])),
            None => format!("[{name}]"),
        };
        if let Some((_, value)) = self.get(name) {
            return self.at(id, shown, value);
        }
        if self.table.is_some() && self.need(name) == Some(Need::Required) {
            let hint = format!("add a section {shown} with {}", required(id));
            self.source.wrong(&self.span, format!("section {shown} is missing"), hint);
        }
        Self { source: self.source, table: None, span: self.span.clone(), id, shown }
    }

    /// The tables of an array of tables.
    pub(super) fn sections(&self, name: &str, id: &'static str) -> Vec<Self> {
        let shown = format!("[[{name}]]");
        match self.get(name) {
            None => Vec::new(),
            Some((_, value)) => match value.get_ref() {
                DeValue::Array(array) => array.iter().map(|item| self.at(id, shown.clone(), item)).collect(),
                other => {
                    self.mistyped(name, &value.span(), other, Kind::Sections);
                    Vec::new()
                }
            },
        }
    }

    /// Whether the table is there.
    pub(super) fn present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the table has a key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Place of a key's name.
    pub(super) fn key_span(&self, name: &str) -> Range<usize> {
        self.get(name).map_or(self.span.clone(), |(key, _)| key)
    }

    fn get(&self, name: &str) -> Option<(Range<usize>, &'a Spanned<DeValue<'i>>)> {
        self.table?.iter().find(|(key, _)| key.get_ref() == name).map(|(key, value)| (key.span(), value))
    }

    fn need(&self, name: &str) -> Option<Need> {
        keys::keys_of(self.id).find(|k| k.name == name).map(|k| k.need)
    }

    fn mistyped(&self, name: &str, span: &Range<usize>, value: &DeValue<'_>, want: Kind) {
        let got = value.type_str();
        let hint = match (want, value) {
            (Kind::Text, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)) => {
                format!("write it in quotes: \"{}\"", self.source.text.get(span.clone()).unwrap_or("…"))
            }
            (Kind::Number, DeValue::String(s)) if s.parse::<u64>().is_ok() => {
                format!("write it without quotes: {s}")
            }
            (Kind::Flag, DeValue::String(s)) if matches!(s.as_ref(), "true" | "false") => {
                format!("write it without quotes: {s}")
            }
            (Kind::Texts, DeValue::String(s)) => format!("write it in brackets: [\"{s}\"]"),
            _ => format!("write {}", want.word()),
        };
        self.source.wrong(span, format!("`{name}` must be {}, this is {}", want.word(), article(got)), hint);
    }

    /// The value of a key that must be there. Reports its absence unless the whole table is absent.
    fn required(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        debug_assert!(self.need(name).is_some(), "{name} is not in the table of keys of {}", self.id);
        let found = self.get(name);
        if found.is_none() && self.table.is_some() {
            let about = keys::keys_of(self.id).find(|k| k.name == name).map_or("", |k| k.about);
            self.source.wrong(&self.span, format!("`{name}` is missing in {}", self.shown), format!("{name}: {about}"));
        }
        found.map(|(_, value)| value)
    }

    fn as_text(&self, name: &str, value: &'a Spanned<DeValue<'i>>) -> Option<Found<String>> {
        match value.get_ref() {
            DeValue::String(s) => Some(Found { value: s.to_string(), span: value.span() }),
            other => {
                self.mistyped(name, &value.span(), other, Kind::Text);
                None
            }
        }
    }

    /// Applies a rule that may give another form of the value.
    pub(super) fn judge<T, U>(
        &self,
        name: &str,
        found: Found<T>,
        rule: impl FnOnce(&T) -> Result<U, Wrong>,
    ) -> Option<Found<U>> {
        match rule(&found.value) {
            Ok(value) => Some(Found { value, span: found.span }),
            Err((what, hint)) => {
                self.source.wrong(&found.span, format!("`{name}` {what}"), hint);
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str, rule: fn(&str) -> Result<(), Wrong>) -> Option<Found<String>> {
        let found = self.as_text(name, self.required(name)?)?;
        self.judge(name, found, |v| rule(v).map(|()| v.clone()))
    }

    /// A text that may be there.
    pub(super) fn optional_text(&self, name: &str, rule: fn(&str) -> Result<(), Wrong>) -> Option<Found<String>> {
        if self.has(name) { self.text(name, rule) } else { None }
    }

    /// A text that has a default.
    pub(super) fn text_or(&self, name: &str, rule: fn(&str) -> Result<(), Wrong>, default: &str) -> String {
        self.optional_text(name, rule).map_or_else(|| default.to_owned(), |f| f.value)
    }

    /// A number that must be there.
    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Option<Found<u64>> {
        let value = self.required(name)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            self.mistyped(name, &value.span(), value.get_ref(), Kind::Number);
            return None;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(n) if (least..=most).contains(&n) => Some(Found { value: n, span: value.span() }),
            _ => {
                self.source.wrong(
                    &value.span(),
                    format!("`{name}` is out of range"),
                    format!("write a number from {least} to {most}"),
                );
                None
            }
        }
    }

    /// A number that has a default.
    pub(super) fn number_or(&self, name: &str, least: u64, most: u64, default: u64) -> u64 {
        if self.has(name) { self.number(name, least, most).map_or(default, |f| f.value) } else { default }
    }

    /// A flag that has a default.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            Some((_, value)) => match value.get_ref() {
                DeValue::Boolean(flag) => *flag,
                other => {
                    self.mistyped(name, &value.span(), other, Kind::Flag);
                    default
                }
            },
            None => default,
        }
    }

    /// A list of texts that must be there and must not be empty; each with its place.
    pub(super) fn texts(&self, name: &str) -> Option<Found<Vec<Found<String>>>> {
        let value = self.required(name)?;
        let DeValue::Array(array) = value.get_ref() else {
            self.mistyped(name, &value.span(), value.get_ref(), Kind::Texts);
            return None;
        };
        if array.is_empty() {
            self.source.wrong(&value.span(), format!("`{name}` is empty"), "write at least one");
            return None;
        }
        let items = array.iter().filter_map(|item| self.as_text(name, item)).collect();
        Some(Found { value: items, span: value.span() })
    }

    /// Length of a list; 0 when there is none.
    pub(super) fn texts_len(&self, name: &str) -> usize {
        self.get(name).and_then(|(_, value)| value.get_ref().as_array()).map_or(0, |array| array.len())
    }

    /// A command: words without control characters, judged by a rule as a whole.
    pub(super) fn command(&self, name: &str, rule: fn(&[String]) -> Result<(), Wrong>) -> Option<Vec<String>> {
        let list = self.texts(name)?;
        let mut words = Vec::new();
        for word in list.value {
            if names_a_secret(&word.value) {
                self.source.wrong(
                    &word.span,
                    "a password does not belong in the configuration",
                    "let the command read it from a file of its own, mode 0600",
                );
            }
            words.push(self.judge(name, word, |w| super::rules::words(w).map(|()| w.clone()))?.value);
        }
        self.judge(name, Found { value: words, span: list.span }, |w| rule(w).map(|()| w.clone())).map(|f| f.value)
    }

    /// Key and value of every entry as texts, in the order of the file: for tables of free keys.
    pub(super) fn entries(&self) -> Vec<(Found<String>, Found<String>)> {
        let mut entries: Vec<_> = self.table.into_iter().flat_map(DeTable::iter).collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut out = Vec::new();
        for (key, value) in entries {
            let name = Found { value: key.get_ref().to_string(), span: key.span() };
            let text = match value.get_ref() {
                DeValue::String(s) => s.to_string(),
                DeValue::Integer(n) => n.to_string(),
                DeValue::Boolean(b) => u8::from(*b).to_string(),
                other => {
                    self.mistyped(&name.value, &value.span(), other, Kind::Text);
                    continue;
                }
            };
            out.push((name, Found { value: text, span: value.span() }));
        }
        out
    }

    fn refuse_unknown_keys(&self) {
        let known: Vec<&str> = keys::keys_of(self.id).map(|k| k.name).collect();
        let Some(table) = self.table.filter(|_| !known.is_empty()) else { return };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            if names_a_secret(name) {
                let hint =
                    "write it into a file of its own, mode 0600, and name the file: password_file = \"/etc/hamn/…\"";
                self.source.wrong(&key.span(), "a password does not belong in the configuration", hint);
                continue;
            }
            let what = format!(
                "unknown {} `{name}` in {}",
                if value.get_ref().is_table() { "section" } else { "key" },
                self.shown
            );
            self.source.wrong(&key.span(), what, self.advice(name, &known));
        }
    }

    fn advice(&self, name: &str, known: &[&str]) -> String {
        let allowed = format!("keys of {}: {}", self.shown, known.join(", "));
        let near = known.iter().map(|k| (strsim::damerau_levenshtein(k, name), k)).min();
        if let Some((distance, key)) = near
            && distance <= 1 + name.len() / 4
        {
            return format!("did you mean `{key}`?\n{allowed}");
        }
        let elsewhere: Vec<String> =
            keys::KEYS.iter().filter(|k| k.name == name).map(|k| keys::header(k.section)).collect();
        if elsewhere.is_empty() {
            allowed
        } else {
            format!("`{name}` belongs into {}\n{allowed}", elsewhere.join(" or "))
        }
    }
}

fn required(id: &str) -> String {
    let names: Vec<&str> = keys::keys_of(id).filter(|k| k.need == Need::Required).map(|k| k.name).collect();
    names.join(", ")
}

fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if an { "an" } else { "a" })
}
