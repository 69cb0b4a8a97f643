//! `hamn.toml`: read, validated with every problem at its place, explained.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use workflows::model::{Database, Db2, Fence, Hadr, NodeId, Pair};

mod canonical;
mod database;
mod files;
pub mod keys;
mod parse;
mod problem;
mod reader;
mod redact;
mod rules;

pub use files::check_files;
pub use keys::explain;
pub use problem::{ConfigError, Problem};
pub use redact::redact;

/// Where the configuration is unless the command line or `HAMN_CONFIG` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/hamn/hamn.toml";

/// Where the journal is unless the configuration or the command line says otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/hamn";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The pair and its cluster.
    pub pair: Pair,
    /// Settings of the machine that runs hamn.
    pub local: Local,
}

/// Settings of the machine that runs hamn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Folder of the journal.
    pub state_dir: PathBuf,
    /// Private ssh key; `None`: the keys of the user that runs hamn.
    pub identity_file: Option<PathBuf>,
    /// Seconds for one try to connect to one address.
    pub connect_timeout_s: u32,
    /// Seconds for which an unreachable node is tried again before a run stops and waits for `hamn resume`.
    pub patience_s: u32,
}

impl Config {
    /// The effective configuration as TOML: every value spelled out, no secrets. Read again it gives the same configuration.
    pub fn to_toml(&self) -> String {
        redact(&canonical::to_toml(self))
    }

    /// What works but is weaker than it could be: one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for id in NodeId::BOTH {
            let node = self.pair.node(id);
            let name = &node.name;
            if node.addresses.len() < 2 {
                warnings.push(format!(
                    "{name} has one address: hamn cannot reach it while that network is down (addresses)"
                ));
            }
            match &node.fence {
                Fence::Agent { guid: None, .. } => {
                    warnings.push(format!(
                        "the fence device of {name} is not pinned: a stale address would switch another machine (guid)"
                    ));
                }
                Fence::Command { identity: None, .. } => {
                    warnings.push(format!(
                        "the fence command of {name} is not pinned: it may switch another machine (identity)"
                    ));
                }
                Fence::Attestation => {
                    warnings.push(format!(
                        "{name} has no fence device: every failover waits for a person who vouches that it is off"
                    ));
                }
                _ => {}
            }
        }
        if let Database::Db2(Db2 { hadr, .. }) = &self.pair.database {
            warnings.extend(weak_hadr(hadr));
        }
        warnings
    }
}

/// Reads and validates a text. `path` is for messages only.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    parse::parse(text).map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
}

/// Largest file that is read, bytes: a device that never ends is none.
const LARGEST: u64 = 16 << 20;

/// Reads and validates a file. Files that it names are not looked at: [`check_files`] does.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let unreadable = |detail: String| ConfigError::Unreadable { path: path.to_owned(), detail };
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .map_err(|e| unreadable(e.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(unreadable(format!("it is larger than {} MiB: no configuration is", LARGEST >> 20)));
    }
    parse(&text, path)
}

/// What makes HADR less than it could be (trap 43; facts of DB2's manuals on timeout and peer window).
fn weak_hadr(hadr: &Hadr) -> Vec<String> {
    let mut warnings = Vec::new();
    let (timeout, window) = (hadr.timeout_s, hadr.peer_window_s);
    if timeout < 60 {
        warnings.push(format!(
            "HADR_TIMEOUT is {timeout} s: a hiccup of the network ends the peer state and blocks commits for up to {window} s; 60 or more is advised (timeout_s)"
        ));
    }
    if !hadr.sync_mode.has_peer_window() {
        warnings.push(format!(
            "{} knows no peer window: after a sudden death no takeover can be proven to lose nothing (sync_mode)",
            hadr.sync_mode.name()
        ));
    } else if window < timeout + 60 {
        warnings.push(format!(
            "the peer window of {window} s ends less than 60 s after a silent death is noticed ({timeout} s): too short to fence and take over without loss; {} or more is advised (peer_window_s)",
            timeout + 60
        ));
    }
    warnings
}
