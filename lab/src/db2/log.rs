//! The log of a database: a position, the streams that it consists of, what was committed in it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// Rows of the tables, by table, each by its first column.
pub type Content = BTreeMap<String, Vec<Vec<String>>>;

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Inserted a row, or replaced the one of the same first column.
    Put {
        /// Table.
        table: String,
        /// Row.
        row: Vec<String>,
    },
    /// Deleted the rows of that first column.
    Delete {
        /// Table.
        table: String,
        /// First column.
        key: String,
    },
}

impl Change {
    fn bytes(&self) -> u64 {
        let text = match self {
            Self::Put { table, row } => table.len() + row.iter().map(String::len).sum::<usize>(),
            Self::Delete { table, key } => table.len() + key.len(),
        };
        120 + text as u64
    }

    fn apply(&self, content: &mut Content) {
        match self {
            Self::Put { table, row } => {
                let rows = content.entry(table.clone()).or_default();
                match rows.iter_mut().find(|r| r.first() == row.first()) {
                    Some(old) => old.clone_from(row),
                    None => rows.push(row.clone()),
                }
            }
            Self::Delete { table, key } => {
                if let Some(rows) = content.get_mut(table) {
                    rows.retain(|r| r.first() != Some(key));
                }
            }
        }
    }
}

/// A record: what was done, where the log ends after it, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) end: u64,
    /// `None`: a truncation, or the beginning of a stream: it has no content and counts all the same.
    pub(super) change: Option<Change>,
    pub(super) ms: u64,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Streams and where each begins, oldest first.
    pub(super) streams: Vec<(u64, u64)>,
    pub(super) end: u64,
    /// When the last record was written, by its writer's clock.
    pub(super) last_ms: u64,
    /// Records that a partner may still need, oldest first.
    #[serde(with = "shared")]
    records: Arc<Vec<Record>>,
    #[serde(with = "shared")]
    content: Arc<Content>,
}

/// First position of a log.
const FIRST: u64 = Log::FIRST;
const TRUNCATION: u64 = 96;
/// Bytes of a log file: 1000 pages.
const FILE: u64 = 4_096_000;

impl Log {
    pub(super) const FIRST: u64 = 40_960_000;

    /// The log of a new database.
    pub(super) fn new(stream: u64, ms: u64, content: Content) -> Self {
        Self {
            streams: vec![(stream, FIRST)],
            end: FIRST,
            last_ms: ms,
            records: Arc::default(),
            content: Arc::new(content),
        }
    }

    /// What is committed.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Position of the end, bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Number of streams that it consists of: each forced takeover begins one.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether everything in it is also in the other one, in the same order: then its owner can follow the other's.
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        prefix(&self.streams, self.end, &other.streams, other.end)
    }

    fn push(&mut self, record: Record) {
        self.end = record.end;
        self.last_ms = record.ms;
        if let Some(change) = &record.change {
            change.apply(Arc::make_mut(&mut self.content));
        }
        Arc::make_mut(&mut self.records).push(record);
    }

    /// A committed transaction; the end after it.
    pub(super) fn commit(&mut self, change: Change, ms: u64) -> u64 {
        let end = self.end + change.bytes();
        self.push(Record { end, change: Some(change), ms });
        end
    }

    /// What a polite end writes.
    pub(super) fn truncate(&mut self, ms: u64) {
        self.push(Record { end: self.end + TRUNCATION, change: None, ms });
    }

    /// From here on it is a stream of its own.
    pub(super) fn fork(&mut self, stream: u64, ms: u64) {
        self.streams.push((stream, self.end));
        self.truncate(ms);
    }

    /// Everything behind a position.
    pub(super) fn since(&self, position: u64) -> Vec<Record> {
        let from = self.records.partition_point(|r| r.end <= position);
        self.records[from..].to_vec()
    }

    /// Takes what another one wrote.
    pub(super) fn receive(&mut self, streams: &[(u64, u64)], records: Vec<Record>) {
        streams.clone_into(&mut self.streams);
        for record in records {
            if record.end > self.end {
                self.push(record);
            }
        }
    }

    /// Log file and page of a position.
    pub(super) fn place(position: u64) -> (String, u64) {
        (format!("S{:07}.LOG", (position - FIRST) / FILE), (position - FIRST) % FILE / 4096)
    }
}

/// See [`Log::is_prefix_of`].
pub(super) fn prefix(own: &[(u64, u64)], own_end: u64, other: &[(u64, u64)], other_end: u64) -> bool {
    let Some(last) = own.len().checked_sub(1) else { return true };
    if other.len() <= last || own[..] != other[..=last] {
        return false;
    }
    // Where the other one left this stream.
    own_end <= other.get(last + 1).map_or(other_end, |next| next.1)
}

/// Shared values are stored as what they hold.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(value, to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Change {
        Change::Put { table: "t".into(), row: vec![key.into(), "x".into()] }
    }

    #[test]
    fn a_log_follows_another_only_as_long_as_it_has_nothing_of_its_own() {
        let mut old = Log::new(1, 0, Content::new());
        old.commit(put("a"), 0);
        let mut new = old.clone();
        assert!(old.is_prefix_of(&new));
        new.fork(2, 0);
        new.commit(put("b"), 0);
        assert!(old.is_prefix_of(&new) && !new.is_prefix_of(&old));
        let mut follower = old.clone();
        follower.receive(&new.streams, new.since(follower.end));
        assert_eq!(follower, new);
        old.truncate(0);
        assert!(!old.is_prefix_of(&new), "a polite stop is enough");
    }
}
