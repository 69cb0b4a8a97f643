//! The knobs: what is not known of the real behaviour, and what goes wrong on purpose.

use serde::{Deserialize, Serialize};

use super::{Locale, Version};

/// A fault that calls meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Part of the command, in capitals and single blanks: `TAKEOVER HADR`, `DB2START`. Statements of a batch are commands of their own.
    pub command: String,
    /// What happens.
    pub trouble: Trouble,
    /// How often yet; `None`: for ever.
    pub left: Option<u32>,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// It never answers and does nothing.
    HangBefore,
    /// It has its effect and never answers.
    HangAfter,
    /// It is killed before its effect: exit 137, no output.
    KilledBefore,
    /// It is killed after its effect: exit 137, no output.
    KilledAfter,
    /// It fails with this code (`SQL1768N`), reason and exit code, and does nothing.
    Fail {
        /// Message code.
        code: String,
        /// Reason code.
        reason: String,
        /// Exit code.
        exit: i32,
    },
    /// Its output ends after so many bytes; effect and exit code are as usual.
    Partial(usize),
    /// It takes so many milliseconds longer.
    Slow(u64),
}

/// Where a role switch ends half-way (documented: two standbys are possible, two primaries are not).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Half {
    /// The old primary has become a standby; then the connection drops before the other one hears of it.
    ConnectionLost,
    /// As before, and the old primary's instance dies too.
    OldPrimaryDies,
    /// The instance of the machine that was to become primary dies at that moment.
    NewPrimaryDies,
}

/// Knobs of one machine. Grades: *documented* by IBM, *captured* from a real system, *inferred*, or from *memory* and not verified.
/// A program must be right for every value of the latter two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// Release (captured layouts: 9.7, 10.1, 11.x; 10.5 is inferred from its documented additions).
    pub version: Version,
    /// Language (captured for dates and decimals; the Russian sentences are our own).
    pub locale: Locale,
    /// This machine's clock minus true time, milliseconds.
    pub skew_ms: i64,
    /// Time zone that the server was started in, minutes east of UTC: BACKUP stamps its images in it (documented: local time).
    pub zone_min: i64,
    /// BACKUP names the image of this timestamp instead of the one that it made (a lie on purpose).
    pub names_image: Option<String>,
    /// Faults, first match first.
    pub faults: Vec<Fault>,
    /// A cluster manager owns HADR: TAKEOVER says SQL1770N reason 10 (documented).
    pub cluster_manager: bool,
    /// The next plain TAKEOVER ends half-way. Read on the machine that is the old primary, [`Half::NewPrimaryDies`] on the new one.
    pub half_takeover: Option<Half>,
    /// db2pd meets changing memory once: `Changing data structure forced command termination.` (captured).
    pub pd_race: u32,
    /// Password that USER … USING must give; `None`: any (memory: SQL30082N reason 24).
    pub password: Option<String>,

    /// Whether commands take their usual virtual time; off: none.
    pub latency: bool,
    /// Columns after which messages are wrapped (captured: 79, with the blank kept before the break); 0: never.
    pub wrap: usize,

    /// Time a standby spends reading its own logs, ms (inferred).
    pub local_catchup_ms: u64,
    /// Least time in remote catchup, ms (inferred).
    pub remote_catchup_ms: u64,
    /// Pause between a standby's attempts to connect, ms (documented: about 2 s).
    pub retry_ms: u64,
    /// How long after the pairing check failed a standby of other logs ends itself, ms (documented that it does; the time is inferred).
    pub divergence_ms: u64,
    /// How long TAKEOVER BY FORCE waits for the old primary to stop, ms (documented: a few seconds).
    pub force_wait_ms: u64,
    /// Margin of PEER WINDOW ONLY, ms (documented: 5 s).
    pub window_margin_ms: u64,
    /// How long connections outlive FORCE APPLICATIONS, ms (documented that it is asynchronous).
    pub force_delay_ms: u64,
    /// A failed start as primary writes a truncation record (captured, APAR).
    pub failed_start_truncates: bool,
    /// A polite end of a primary whose standby is not connected writes a truncation record (documented).
    pub stop_truncates: bool,
    /// STOP HADR on a primary begins another log stream, so that its old standby cannot rejoin (inferred: unverified either way).
    pub stop_hadr_forks: bool,
    /// START HADR AS PRIMARY BY FORCE works on an old primary that a takeover has disabled (inferred; otherwise SQL1776N reason 6).
    pub force_start_overrides: bool,

    /// Exit code of db2start when it runs already (memory).
    pub exit_started: i32,
    /// Exit code of db2stop when databases are active (memory).
    pub exit_databases_active: i32,
    /// Exit code of db2stop when it does not run (memory).
    pub exit_stopped: i32,
    /// Exit code of db2start and db2stop when db2nodes.cfg is wrong (memory).
    pub exit_nodes_cfg: i32,
    /// Exit code of db2pd without an active database or instance (unknown; 0 is the nastiest).
    pub exit_pd_inactive: i32,
    /// Exit code of db2gcf for a state that is not available (captured: not 0; the number from memory).
    pub exit_gcf: i32,
    /// Exit code of RESTORE with its warning and WITHOUT PROMPTING (inferred: 2).
    pub exit_restore_warned: i32,
    /// Reason of SQL1767N: AS STANDBY without rollforward pending (memory).
    pub rc_not_pending: u32,
    /// Reason of SQL1767N: AS STANDBY on an active standard database (memory).
    pub rc_standby_on_active: u32,
    /// Reason of SQL1767N: AS STANDBY on an active primary (memory).
    pub rc_standby_on_primary: u32,
    /// Reason of SQL1767N: AS PRIMARY on a standby (memory).
    pub rc_primary_on_standby: u32,
    /// Reason of SQL1769N on a standard database (memory).
    pub rc_stop_standard: u32,
    /// Reason of SQL1770N: not a standby, or a state in which it is not allowed (memory).
    pub rc_takeover_state: u32,
    /// Reason of SQL1770N: outside the peer window (memory).
    pub rc_takeover_window: u32,
    /// LOGRETAIN is refused from 10.5 on (memory).
    pub logretain_gone: bool,
    /// SQL1116N in the wording of 11.x (captured both ways).
    pub backup_pending_new_text: bool,
    /// TIME_SINCE_LAST_RECV goes back to 0 when the connection is lost, instead of rising on (unknown).
    pub received_zero_when_lost: bool,
    /// HADR_LOG_GAP shown although the positions are equal (captured: it is a running average).
    pub log_gap: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            version: Version::default(),
            locale: Locale::default(),
            skew_ms: 0,
            zone_min: 0,
            names_image: None,
            faults: Vec::new(),
            cluster_manager: false,
            half_takeover: None,
            pd_race: 0,
            password: None,
            latency: true,
            wrap: 79,
            local_catchup_ms: 300,
            remote_catchup_ms: 700,
            retry_ms: 2_000,
            divergence_ms: 2_000,
            force_wait_ms: 3_000,
            window_margin_ms: 5_000,
            force_delay_ms: 1_500,
            failed_start_truncates: true,
            stop_truncates: true,
            stop_hadr_forks: false,
            force_start_overrides: true,
            exit_started: 1,
            exit_databases_active: 1,
            exit_stopped: 1,
            exit_nodes_cfg: 8,
            exit_pd_inactive: 0,
            exit_gcf: 1,
            exit_restore_warned: 2,
            rc_not_pending: 1,
            rc_standby_on_active: 3,
            rc_standby_on_primary: 3,
            rc_primary_on_standby: 2,
            rc_stop_standard: 1,
            rc_takeover_state: 1,
            rc_takeover_window: 9,
            logretain_gone: true,
            backup_pending_new_text: false,
            received_zero_when_lost: false,
            log_gap: 0,
        }
    }
}

impl Knobs {
    /// The next command that contains this meets the trouble, once.
    pub fn next(&mut self, command: &str, trouble: Trouble) {
        self.faults.push(Fault { command: command.to_uppercase(), trouble, left: Some(1) });
    }

    /// Every command that contains this meets the trouble.
    pub fn always(&mut self, command: &str, trouble: Trouble) {
        self.faults.push(Fault { command: command.to_uppercase(), trouble, left: None });
    }

    /// The next command that contains this fails with the code and reason, exit 4, without effect.
    pub fn fail_next(&mut self, command: &str, code: &str, reason: u32) {
        self.next(command, Trouble::Fail { code: code.to_owned(), reason: reason.to_string(), exit: 4 });
    }

    /// The trouble that a command meets.
    pub(super) fn take(&mut self, command: &str) -> Option<Trouble> {
        let at = self.faults.iter().position(|f| command.contains(&f.command))?;
        let fault = &mut self.faults[at];
        let trouble = fault.trouble.clone();
        if let Some(left) = &mut fault.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.faults.remove(at);
            }
        }
        Some(trouble)
    }

    /// What a command takes, ms of virtual time (inferred, small machine).
    pub(super) fn cost(&self, command: &str) -> u64 {
        const TABLE: [(&str, u64); 14] = [
            ("BACKUP", 4_000),
            ("RESTORE", 5_000),
            ("ROLLFORWARD", 1_500),
            ("DB2START", 2_000),
            ("DB2STOP", 2_500),
            ("DB2GCF -U", 3_000),
            ("DB2GCF -K", 1_000),
            ("DB2GCF -D", 2_500),
            ("START HADR", 1_200),
            ("STOP HADR", 800),
            ("TAKEOVER", 1_000),
            ("ACTIVATE", 1_000),
            ("DEACTIVATE", 1_000),
            ("CONNECT", 400),
        ];
        if !self.latency {
            return 0;
        }
        TABLE.iter().find(|(start, _)| command.starts_with(start)).map_or(60, |(_, ms)| *ms)
    }
}
