//! Reading what the vocabulary's commands print. Everything that is cut, empty, localised, timed out or otherwise unexpected is
//! *not understood* (`None`, `Unknown`), never an answer (trap 74). All of it pure, so that captured outputs test it.

use journal_schema::{DatabaseRole, Power, Tri};

use crate::{model::Fence, script::ActionResult};

/// Standard output of a command that exited 0 and whose last line is whole.
pub fn complete(r: &ActionResult) -> Option<&str> {
    r.ok().then_some(r.stdout.as_str()).filter(|text| text.is_empty() || text.ends_with('\n'))
}

/// The only line of a complete output, trimmed; `None` when there are none or several.
pub fn line(r: &ActionResult) -> Option<&str> {
    let mut lines = complete(r)?.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.next().filter(|_| lines.next().is_none())
}

/// A number alone on its line.
pub fn count(r: &ActionResult) -> Option<u64> {
    line(r)?.parse().ok()
}

/// A small file: its trimmed text; `Some(None)` when it does not exist. Nothing at all is not understood: hamn's files are not empty.
#[allow(clippy::option_option)]
pub fn file(r: &ActionResult) -> Option<Option<&str>> {
    if let Some(text) = r.text() {
        return (!text.is_empty()).then_some(Some(text));
    }
    (r.exit == Some(1) && r.stderr.contains("No such file or directory")).then_some(None)
}

/// A machine-id or boot-id: hexadecimal digits and dashes, at least 32 digits.
pub fn id(r: &ActionResult) -> Option<&str> {
    let text = line(r)?;
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    (digits >= 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')).then_some(text)
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Primary, standby, down, unknown.
    pub role: DatabaseRole,
    /// Empty when unknown.
    pub system_id: String,
    /// 0 when unknown.
    pub timeline: u32,
}

/// [`crate::vocabulary::sql::ROLE`]. *Down* only when nothing listens; a server that starts, stops or refuses is unknown.
pub fn role(r: &ActionResult) -> Role {
    let unknown = Role { role: DatabaseRole::Unknown, system_id: String::new(), timeline: 0 };
    if nothing_listens(r) {
        return Role { role: DatabaseRole::Down, ..unknown };
    }
    let Some([role, system_id, timeline]) = columns(r) else { return unknown };
    let role = match role {
        "primary" => DatabaseRole::Primary,
        "standby" => DatabaseRole::Standby,
        _ => return unknown,
    };
    match (system_id.parse::<u64>(), timeline.parse()) {
        (Ok(id), Ok(timeline)) if id > 0 => Role { role, system_id: system_id.to_owned(), timeline },
        _ => unknown,
    }
}

/// Whether `psql` found nobody at its socket: the call never reached a server.
pub fn nothing_listens(r: &ActionResult) -> bool {
    r.exit == Some(2)
        && ["No such file or directory", "Connection refused"].iter().any(|t| r.stderr.contains(t))
        && !r.stderr.contains("FATAL")
}

/// [`crate::vocabulary::sql::STANDBY_POSITION`]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StandbyPosition {
    /// End of received log.
    pub received: Option<u64>,
    /// End of replayed log.
    pub replayed: Option<u64>,
    /// Time of the last replayed commit, by the primary's clock.
    pub last_commit_ms: Option<u64>,
    /// Time of the last contact: a message of the primary behind which nothing was left to send.
    pub last_message_ms: Option<u64>,
    /// Time of the primary's last checkpoint known here, by the primary's clock.
    pub last_checkpoint_ms: Option<u64>,
    /// Whether a receiver streams.
    pub streaming: bool,
    /// The server's clock.
    pub now_ms: u64,
}

impl StandbyPosition {
    /// The furthest position that a promotion would keep.
    pub fn end(&self) -> Option<u64> {
        self.received.max(self.replayed)
    }
}

/// The position of a standby.
pub fn standby_position(r: &ActionResult) -> Option<StandbyPosition> {
    let [received, replayed, commit, message, status, now, checkpoint] = columns(r)?;
    Some(StandbyPosition {
        received: number(received)?,
        replayed: number(replayed)?,
        last_commit_ms: number(commit)?,
        last_message_ms: number(message)?,
        last_checkpoint_ms: number(checkpoint)?,
        streaming: status == "streaming",
        now_ms: now.parse().ok()?,
    })
}

/// [`crate::vocabulary::sql::PRIMARY_POSITION`]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrimaryPosition {
    /// End of written log.
    pub written: u64,
    /// Standbys that stream.
    pub streaming: u64,
    /// Standbys that commits wait for.
    pub synchronous: u64,
}

/// The position of a primary.
pub fn primary_position(r: &ActionResult) -> Option<PrimaryPosition> {
    let [written, streaming, synchronous] = columns(r)?;
    Some(PrimaryPosition {
        written: written.parse().ok()?,
        streaming: streaming.parse().ok()?,
        synchronous: synchronous.parse().ok()?,
    })
}

/// What `pg_controldata` says of a server that need not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `shut down`, `in production`, `shut down in recovery`, …
    pub state: String,
    /// Start of the latest checkpoint's record.
    pub checkpoint: u64,
    /// Identity of the data.
    pub system_id: String,
    /// Timeline of the latest checkpoint.
    pub timeline: u32,
}

/// `pg_controldata`
pub fn control(r: &ActionResult) -> Option<Control> {
    let text = complete(r)?;
    let get = |key: &str| {
        text.lines().find_map(|l| l.strip_prefix(key)).and_then(|rest| rest.strip_prefix(':')).map(str::trim)
    };
    Some(Control {
        state: get("Database cluster state")?.to_owned(),
        checkpoint: lsn(get("Latest checkpoint location")?)?,
        system_id: get("Database system identifier").unwrap_or_default().to_owned(),
        timeline: get("Latest checkpoint's TimeLineID").and_then(|t| t.parse().ok()).unwrap_or(0),
    })
}

/// A log position such as `0/5000028`.
pub fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let (high, low) = (u32::from_str_radix(high, 16).ok()?, u32::from_str_radix(low, 16).ok()?);
    Some(u64::from(high) << 32 | u64::from(low))
}

/// Whether `ip -o -4 addr show` or `ifconfig -a` lists the address. *No* only by a complete listing that is not empty.
pub fn holds(r: &ActionResult, address: &str) -> Tri {
    let words = || r.stdout.split_whitespace();
    let found =
        words().zip(words().skip(1)).any(|(word, next)| word == "inet" && next.split('/').next() == Some(address));
    match complete(r) {
        _ if found && r.ok() => Tri::Yes,
        Some(_) if words().any(|word| word == "inet") => Tri::No,
        _ => Tri::Unknown,
    }
}

/// An ARP question's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arp {
    /// Nobody answered.
    Silence,
    /// Somebody did: the MAC.
    Answered(String),
    /// The question was not put, or the answer not understood.
    Unknown,
}

/// `arping -D` and `arping -f`; `silent` is the exit code that stands for silence.
pub fn arp(r: &ActionResult, silent: i32) -> Arp {
    let reply = r.stdout.lines().find(|l| l.contains("reply from"));
    if let Some(mac) = reply.and_then(|l| l.split_once('[')).and_then(|(_, rest)| rest.split_once(']')) {
        return Arp::Answered(mac.0.to_owned());
    }
    let said =
        complete(&ActionResult { exit: Some(0), ..r.clone() }).is_some_and(|t| t.contains("Received 0 response"));
    if r.exit == Some(silent) && reply.is_none() && said { Arp::Silence } else { Arp::Unknown }
}

/// Power state by a fence device.
pub fn power(fence: &Fence, r: &ActionResult) -> Power {
    let lines: Vec<&str> = r.stdout.lines().map(str::trim).collect();
    let says = |text: &str| lines.contains(&text);
    match fence {
        // fence-agents: on exits 0, off exits 2.
        Fence::Agent { .. } => match (says("Status: ON"), says("Status: OFF"), r.exit) {
            (true, false, Some(0)) => Power::On,
            (false, true, Some(0 | 2)) => Power::Off,
            _ => Power::Unknown,
        },
        Fence::Command { .. } => match line(r) {
            Some("on") => Power::On,
            Some("off") => Power::Off,
            _ => Power::Unknown,
        },
        Fence::Attestation => Power::Unknown,
    }
}

/// What a fence device is pinned to.
pub fn pinned(fence: &Fence) -> Option<&str> {
    match fence {
        Fence::Agent { guid, .. } => guid.as_deref(),
        Fence::Command { identity, .. } => identity.as_deref(),
        Fence::Attestation => None,
    }
}

/// Who a fence device says that it is.
pub fn fence_identity(fence: &Fence, r: &ActionResult) -> Option<String> {
    let text = match fence {
        Fence::Agent { .. } => {
            let found = complete(r)?.lines().find(|l| l.trim_start().starts_with("System GUID"))?;
            found.split_once(':')?.1.trim()
        }
        Fence::Command { .. } => line(r)?,
        Fence::Attestation => return None,
    };
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether two identities are the same machine's: case does not count.
pub fn same_identity(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// `yes` or `no`.
pub fn at_boot(r: &ActionResult) -> Tri {
    match line(r) {
        Some("yes") => Tri::Yes,
        Some("no") => Tri::No,
        _ => Tri::Unknown,
    }
}

/// Whether a count of processes is above zero.
pub fn runs(r: &ActionResult) -> Tri {
    match count(r) {
        Some(0) => Tri::No,
        Some(_) => Tri::Yes,
        None => Tri::Unknown,
    }
}

/// Crontab lines as `(path, line)`; `None` unless the listing is whole to its mark.
pub fn crontabs(r: &ActionResult) -> Option<Vec<(&str, &str)>> {
    let text = complete(r)?.strip_suffix(":end\n")?;
    text.lines().map(|l| l.split_once(':')).collect()
}

/// `host=` of xcatd's database configuration (the part before user and password), with what follows it.
pub fn dsn_host(dsn: &str) -> Option<&str> {
    let (_, rest) = dsn.strip_prefix("Pg:")?.split_once("host=")?;
    Some(rest.split([';', '|']).next().unwrap_or(rest).trim())
}

/// `port=` of xcatd's database configuration, wherever it stands among the settings; without one it is PostgreSQL's usual port.
pub fn dsn_port(dsn: &str) -> &str {
    let settings = dsn.split('|').next().unwrap_or(dsn).trim_start_matches("Pg:");
    settings.split(';').find_map(|part| part.trim().strip_prefix("port=")).map_or("5432", str::trim)
}

/// Whether `tabdump site` gave the site table of a cluster: header, and the row of the master (exit codes lie).
pub fn site_table(r: &ActionResult) -> Result<(), String> {
    let Some(text) = complete(r) else {
        return Err(match r.exit {
            None => "tabdump site was not run".into(),
            Some(ActionResult::TIMED_OUT) => "tabdump site did not answer in time".into(),
            // A daemon without a certificate takes the connection and drops it, and its client says nothing (measured).
            Some(141) => {
                "tabdump site exited 141: xcatd dropped the connection; has it its certificate, /etc/xcat/cert?".into()
            }
            Some(code) => format!("tabdump site exited {code}: {}", said(r)),
        });
    };
    let mut lines = text.lines();
    if !lines.any(|l| l.starts_with("#key,value")) {
        return Err(format!("tabdump site printed no table: {}", said(r)));
    }
    if !lines.any(|l| l.starts_with("\"master\",\"")) {
        return Err("the site table has no master: it is empty or another cluster's".into());
    }
    Ok(())
}

/// The first line that a command said, standard error first; for a person.
pub fn said(r: &ActionResult) -> &str {
    let lines = r.stderr.lines().chain(r.stdout.lines());
    lines.map(str::trim).find(|l| !l.is_empty()).unwrap_or("it said nothing")
}

/// Columns of the only row of a `psql -A -t` output.
fn columns<const N: usize>(r: &ActionResult) -> Option<[&str; N]> {
    let cells: Vec<&str> = line(r)?.split('|').collect();
    cells.try_into().ok()
}

/// An empty cell is null; another must be a number.
#[allow(clippy::option_option)]
fn number(cell: &str) -> Option<Option<u64>> {
    if cell.is_empty() { Some(None) } else { cell.parse().ok().map(Some) }
}
