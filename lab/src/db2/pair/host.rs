//! A host of the simulated pair.

use std::collections::{BTreeMap, BTreeSet};

use crate::db2::Outside;

/// A host of the simulated pair: names, addresses, files.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Files by path.
    pub files: BTreeMap<String, String>,
    /// Folders that exist although nothing is in them.
    pub dirs: BTreeSet<String>,
    /// Files that the stand-in wrote since somebody looked.
    pub written: Vec<String>,
}

impl Outside for Host {
    fn host_name(&self) -> String {
        self.name.clone()
    }

    fn has_address(&self, address: &str) -> bool {
        self.addresses.iter().any(|a| a == address)
    }

    fn read(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn write(&mut self, path: &str, content: &str) -> bool {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        if !self.is_dir(dir) {
            return false;
        }
        self.files.insert(path.to_owned(), content.to_owned());
        self.written.push(path.to_owned());
        true
    }

    fn is_dir(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.dirs.contains(path)
            || self.files.range(format!("{path}/")..).next().is_some_and(|(f, _)| f.starts_with(&format!("{path}/")))
    }
}
