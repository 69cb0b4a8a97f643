//! Configuration parameters of the database, and what START HADR makes of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use workflows::model::SyncMode;

use super::{
    Outside, Version,
    outside::{port, resolve},
};

/// The mode of that name.
fn sync_mode(name: &str) -> Option<SyncMode> {
    [SyncMode::Sync, SyncMode::NearSync, SyncMode::Async, SyncMode::SuperAsync].into_iter().find(|m| m.name() == name)
}

/// Database configuration; only what was set, the rest has its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config(BTreeMap<String, String>);

/// Parameters that can be set: keyword, default, first release.
const KNOWN: [(&str, &str, Version); 27] = [
    ("LOGRETAIN", "OFF", Version::V9_7),
    ("USEREXIT", "OFF", Version::V9_7),
    ("LOGARCHMETH1", "OFF", Version::V9_7),
    ("LOGARCHMETH2", "OFF", Version::V9_7),
    ("LOGINDEXBUILD", "OFF", Version::V9_7),
    ("TRACKMOD", "NO", Version::V9_7),
    ("INDEXREC", "SYSTEM", Version::V9_7),
    ("LOGFILSIZ", "1000", Version::V9_7),
    ("LOGPRIMARY", "13", Version::V9_7),
    ("LOGSECOND", "12", Version::V9_7),
    ("LOGBUFSZ", "256", Version::V9_7),
    ("LOCKLIST", "4096", Version::V9_7),
    ("LOCKTIMEOUT", "-1", Version::V9_7),
    ("APPLHEAPSZ", "256", Version::V9_7),
    ("AUTO_REORG", "OFF", Version::V9_7),
    ("HADR_LOCAL_HOST", "", Version::V9_7),
    ("HADR_LOCAL_SVC", "", Version::V9_7),
    ("HADR_REMOTE_HOST", "", Version::V9_7),
    ("HADR_REMOTE_SVC", "", Version::V9_7),
    ("HADR_REMOTE_INST", "", Version::V9_7),
    ("HADR_TIMEOUT", "120", Version::V9_7),
    ("HADR_TARGET_LIST", "", Version::V10_1),
    ("HADR_SYNCMODE", "NEARSYNC", Version::V9_7),
    ("HADR_SPOOL_LIMIT", "0", Version::V10_1),
    ("HADR_REPLAY_DELAY", "0", Version::V10_1),
    ("HADR_PEER_WINDOW", "0", Version::V9_7),
    ("HADR_SSL_LABEL", "", Version::V11_1),
];

impl Config {
    /// Value of a parameter.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).or_else(|| KNOWN.iter().find(|k| k.0 == name).map(|k| k.1)).unwrap_or("")
    }

    /// Sets it; to its default, in whichever word, as if it had never been set.
    pub fn set(&mut self, name: &str, value: &str) {
        let default = KNOWN.iter().find(|k| k.0 == name).map_or("", |k| k.1);
        if value == default || (default, value) == ("NO", "OFF") || (default, value) == ("OFF", "NO") {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(super) fn is_known(name: &str, version: Version) -> bool {
        KNOWN.iter().any(|k| k.0 == name && k.2 <= version)
    }

    /// Whether a value is one that the parameter takes; numbers and words of the few that matter are looked at.
    pub(super) fn takes(name: &str, value: &str) -> bool {
        match name {
            "HADR_TIMEOUT" => value.parse::<u32>().is_ok_and(|v| v >= 1),
            "HADR_PEER_WINDOW" | "LOGPRIMARY" | "LOGFILSIZ" => value.parse::<u32>().is_ok(),
            "HADR_SYNCMODE" => sync_mode(value).is_some(),
            "LOGINDEXBUILD" => matches!(value, "ON" | "OFF"),
            "TRACKMOD" => matches!(value, "ON" | "OFF" | "YES" | "NO"),
            "LOGRETAIN" => matches!(value, "ON" | "OFF" | "RECOVERY" | "YES" | "NO"),
            _ => true,
        }
    }

    /// Whether logs are kept.
    pub(super) fn recoverable(&self) -> bool {
        !matches!(self.get("LOGRETAIN"), "OFF" | "NO") || self.get("LOGARCHMETH1") != "OFF"
    }

    pub(super) fn sync(&self) -> SyncMode {
        sync_mode(self.get("HADR_SYNCMODE")).unwrap_or(SyncMode::NearSync)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }
}

/// HADR parameters as an active database has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parameters {
    pub(super) local_host: String,
    pub(super) local_svc: String,
    pub(super) remote_host: String,
    pub(super) remote_svc: String,
    pub(super) remote_inst: String,
    pub(super) local_address: String,
    /// `None`: the name does not resolve now; a standby only cannot connect then.
    pub(super) remote_address: Option<String>,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) timeout_s: u64,
    pub(super) window_s: u64,
    pub(super) sync: SyncMode,
    pub(super) target_list: bool,
}

impl Parameters {
    /// Reads and checks them: the reason code of SQL1768N if they will not do (documented: 1, 4, 5, 6, 8).
    pub(super) fn read(config: &Config, host: &dyn Outside) -> Result<Self, u32> {
        if !config.recoverable() {
            return Err(1);
        }
        let text = |name| Some(config.get(name).to_owned()).filter(|v| !v.is_empty() && v != "NULL").ok_or(8_u32);
        let (local_host, local_svc) = (text("HADR_LOCAL_HOST")?, text("HADR_LOCAL_SVC")?);
        let (remote_host, remote_svc) = (text("HADR_REMOTE_HOST")?, text("HADR_REMOTE_SVC")?);
        let remote_inst = text("HADR_REMOTE_INST")?;
        let local_address = resolve(&local_host, host).filter(|a| host.has_address(a)).ok_or(4_u32)?;
        Ok(Self {
            local_port: port(&local_svc, host).ok_or(5_u32)?,
            remote_port: port(&remote_svc, host).ok_or(6_u32)?,
            remote_address: resolve(&remote_host, host),
            timeout_s: config.number("HADR_TIMEOUT").max(1),
            window_s: config.number("HADR_PEER_WINDOW"),
            sync: config.sync(),
            target_list: !config.get("HADR_TARGET_LIST").is_empty(),
            local_host,
            local_svc,
            remote_host,
            remote_svc,
            remote_inst,
            local_address,
        })
    }

    /// Heartbeat interval, ms (documented: the least of a quarter of the timeout, a quarter of the window, 30 s).
    pub(super) fn interval_ms(&self) -> u64 {
        let window = if self.window_s > 0 { self.window_s * 250 } else { u64::MAX };
        (self.timeout_s * 250).min(window).min(30_000)
    }

    /// Whether there is a peer window.
    pub(super) fn has_window(&self) -> bool {
        self.window_s > 0 && self.sync.has_peer_window()
    }
}
