//! Reading what DB2's programs print. Pure; tested on captures of every version and on rubbish.

use std::collections::{BTreeMap, BTreeSet};

use journal_schema::{HadrConnection, HadrRole, HadrState};

use crate::{model::SyncMode, script::ActionResult, steps::read::complete};

/// One statement of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// What it printed.
    pub text: String,
    /// Its exit code; `None`: it was not run, or its end is missing.
    pub exit: Option<i32>,
}

/// The statements of a [`crate::vocabulary::db2::clp`] call, in order. What was not run or is cut has no exit code.
pub fn group(r: &ActionResult, statements: usize) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut text = String::new();
    for line in r.stdout.split_inclusive('\n') {
        let mark = line.strip_prefix(":exit ").and_then(|n| n.strip_suffix('\n')).and_then(|n| n.trim().parse().ok());
        if let Some(exit) = mark {
            found.push(Statement { text: std::mem::take(&mut text), exit: Some(exit) });
        } else {
            text.push_str(line);
        }
    }
    if !text.trim().is_empty() || found.len() < statements {
        // The one that did not come to its end keeps what it said; so does the shell, on the other stream.
        let text = if text.trim().is_empty() { r.stderr.clone() } else { text };
        found.push(Statement { text, exit: None });
    }
    found.resize(statements, Statement::default());
    found
}

/// A position in the log: file, page, byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// `S0000012.LOG`
    pub file: String,
    /// Page in the file.
    pub page: u64,
    /// LSN or byte position: rises from the first record of the database on.
    pub byte: u64,
}

/// What HADR says of a pair, seen from one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hadr {
    /// Name of the database, in capitals.
    pub database: String,
    /// Role of the side that was asked.
    pub role: HadrRole,
    /// State.
    pub state: HadrState,
    /// Connection.
    pub connection: HadrConnection,
    /// `HADR_SYNCMODE`; `None`: not understood.
    pub sync_mode: Option<SyncMode>,
    /// Since when the connection has been as it is, seconds since 1970.
    pub connected_since: Option<u64>,
    /// `HADR_TIMEOUT`, seconds.
    pub timeout_s: Option<u64>,
    /// `HADR_PEER_WINDOW`, seconds; 0 or `None`: there is none.
    pub peer_window_s: Option<u64>,
    /// End of the peer window, seconds since 1970 by the clock of the primary. Not cleared when the state is left.
    pub peer_window_end: Option<u64>,
    /// What was written on the primary, as known here.
    pub primary: Option<Position>,
    /// What was received by the standby, as known here.
    pub standby: Option<Position>,
    /// What was replayed on the standby (from 10.1 on).
    pub replayed: Option<Position>,
    /// Time of the primary's log at that position, seconds since 1970 (from 10.1 on).
    pub primary_time: Option<u64>,
    /// Time of the standby's received log (from 10.1 on).
    pub standby_time: Option<u64>,
    /// Seconds since something was received (from 10.1 on).
    pub since_received_s: Option<u64>,
    /// Place in the list of standbys as the primary numbers them (from 10.1 on); a standby says 0.
    pub standby_id: Option<u64>,
    /// Addresses and services, from 9.7's table: own host, own service, remote host, remote service.
    pub ends: Option<[String; 4]>,
}

impl Hadr {
    /// Whether the two positions are known and the same. The gap that is printed is a running average and proves nothing.
    pub fn equal(&self) -> bool {
        self.primary.is_some() && self.primary == self.standby
    }

    /// Whether the standby has at least what it knew the primary to have: while the primary is written to, its own position may be ahead
    /// of what the last heartbeat said.
    pub fn has_all(&self) -> bool {
        self.primary.as_ref().zip(self.standby.as_ref()).is_some_and(|(primary, standby)| standby.byte >= primary.byte)
    }
}

/// What `db2pd -hadr` told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// HADR runs.
    Hadr(Box<Hadr>),
    /// The database is active and has no HADR: its role is standard.
    Standard,
    /// The database is not active, or there is none of that name: one text for both.
    Inactive,
    /// The instance is stopped.
    InstanceDown,
    /// Not understood: cut, a race, another layout. Look again.
    Unknown,
}

impl Seen {
    /// HADR, if it runs.
    pub fn hadr(&self) -> Option<&Hadr> {
        match self {
            Self::Hadr(hadr) => Some(hadr),
            _ => None,
        }
    }
}

/// `db2pd -d X -hadr`. Its exit code proves nothing, its text decides; a call that was killed, or whose last line is cut, is unknown.
pub fn hadr(r: &ActionResult, database: &str) -> Seen {
    let whole = matches!(r.exit, Some(0..=127)) && r.exit != Some(ActionResult::TIMED_OUT);
    let text = r.stdout.as_str();
    if !whole || !text.ends_with('\n') || text.contains("Changing data structure forced command termination") {
        return Seen::Unknown;
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let headers =
        || lines.iter().map(|l| l.trim_start()).filter(|l| l.starts_with("Database ") && l.contains(" -- Database "));
    let Some(header) = headers().next() else {
        return if text.contains("Unable to attach to database manager") {
            Seen::InstanceDown
        } else if text.contains("not activated on database") {
            Seen::Inactive
        } else {
            Seen::Unknown
        };
    };
    let named = header.split(" -- ").nth(1).and_then(|part| part.strip_prefix("Database ")).unwrap_or_default().trim();
    // Two databases, or one twice: which of them what follows is about is anybody's guess.
    if !named.eq_ignore_ascii_case(database) || headers().nth(1).is_some() {
        return Seen::Unknown;
    }
    let begins = |word: &str| lines.iter().any(|l| l.trim_start().starts_with(word));
    if begins("HADR is not active") {
        let contradicts = begins("HADR_ROLE") || begins("ConnectStatus");
        return if contradicts { Seen::Unknown } else { Seen::Standard };
    }
    let found = if begins("HADR_ROLE") {
        blocks(&lines).into_iter().map(|block| of_keys(&block?, named)).collect()
    } else {
        vec![of_table(&lines, named)]
    };
    match found.into_iter().collect::<Option<Vec<Hadr>>>() {
        Some(found) => one(found).map_or(Seen::Unknown, |h| Seen::Hadr(Box::new(h))),
        None => Seen::Unknown,
    }
}

/// A primary prints a block a standby: the principal one counts. Several that say different things without a number are no answer.
fn one(mut found: Vec<Hadr>) -> Option<Hadr> {
    let principal = found.iter().filter(|h| h.standby_id == Some(1)).count();
    if found.len() > 1 && principal == 1 {
        found.retain(|h| h.standby_id == Some(1));
    }
    found.dedup();
    let first = found.pop()?;
    (found.is_empty()).then_some(first)
}

type Keys<'a> = BTreeMap<&'a str, &'a str>;

/// `KEY = VALUE` lines in blocks, each beginning with `HADR_ROLE`. A key that comes twice in a block spoils it.
fn blocks<'a>(lines: &[&'a str]) -> Vec<Option<Keys<'a>>> {
    let mut all: Vec<Option<Keys<'a>>> = Vec::new();
    for line in lines {
        let Some((key, value)) = line.split_once('=').map(|(k, v)| (k.trim(), v.trim())) else { continue };
        if key == "HADR_ROLE" {
            all.push(Some(Keys::new()));
        }
        if let Some(slot) = all.last_mut()
            && slot.as_mut().is_some_and(|keys| keys.insert(key, value).is_some())
        {
            *slot = None;
        }
    }
    all
}

fn of_keys(keys: &Keys<'_>, database: &str) -> Option<Hadr> {
    let get = |key: &str| keys.get(key).copied().filter(|v| !v.is_empty() && *v != "NULL");
    let number = |key: &str| get(key).and_then(|v| v.parse().ok());
    let epoch = |key: &str| get(key).and_then(in_parentheses);
    let position = |key: &str| {
        let mut parts = get(key)?.split(',').map(str::trim);
        let (file, page, byte) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        position(file, page, byte)
    };
    Some(Hadr {
        database: database.to_uppercase(),
        role: role(get("HADR_ROLE")?),
        state: state(get("HADR_STATE")?),
        connection: connection(get("HADR_CONNECT_STATUS")?),
        sync_mode: get("HADR_SYNCMODE").and_then(sync_mode),
        connected_since: epoch("HADR_CONNECT_STATUS_TIME"),
        timeout_s: number("HADR_TIMEOUT(seconds)"),
        peer_window_s: number("PEER_WINDOW(seconds)"),
        peer_window_end: epoch("PEER_WINDOW_END"),
        primary: position("PRIMARY_LOG_FILE,PAGE,POS"),
        standby: position("STANDBY_LOG_FILE,PAGE,POS"),
        replayed: position("STANDBY_REPLAY_LOG_FILE,PAGE,POS"),
        primary_time: epoch("PRIMARY_LOG_TIME"),
        standby_time: epoch("STANDBY_LOG_TIME"),
        since_received_s: number("TIME_SINCE_LAST_RECV(seconds)"),
        standby_id: number("STANDBY_ID"),
        ends: None,
    })
}

/// The column tables of 9.7: a line of heads, below it a line of values. Read by words, because the columns move with their content.
fn of_table(lines: &[&str], database: &str) -> Option<Hadr> {
    let below = |head: &str| -> Option<&str> {
        let mut found = lines.iter().enumerate().filter(|(_, l)| l.split_whitespace().next() == Some(head));
        let (at, _) = found.next()?;
        // Twice: two looks in one output.
        found.next().is_none().then_some(())?;
        lines.get(at + 1).copied()
    };
    let words = |head: &str| below(head).map(|l| l.split_whitespace().collect::<Vec<&str>>());
    let heads = lines.iter().find(|l| l.split_whitespace().next() == Some("Role"))?;
    let (role_word, state_words, mode_word) = general(heads, &words("Role")?)?;
    let connect = below("ConnectStatus")?;
    let log = |head: &str| {
        let words = words(head)?;
        // A standby adds how full its receive buffer is.
        let ([file, page, byte] | [file, page, byte, _]) = words[..] else { return None };
        let byte = u64::from_str_radix(byte.strip_prefix("0x")?, 16).ok()?;
        position(file, page.parse().ok()?, byte)
    };
    let last = |text: &str| text.split_whitespace().next_back().and_then(|w| w.parse().ok());
    let window = below("PeerWindowEnd");
    let ends = || {
        let (local, remote) = (words("LocalHost")?, words("RemoteHost")?);
        Some([*local.first()?, *local.get(1)?, *remote.first()?, *remote.get(1)?].map(str::to_owned))
    };
    Some(Hadr {
        database: database.to_uppercase(),
        role: role(role_word),
        state: state(&state_words),
        connection: connection(connect.split_whitespace().next()?),
        sync_mode: sync_mode(mode_word),
        connected_since: in_parentheses(connect),
        timeout_s: last(connect),
        peer_window_s: window.and_then(last),
        peer_window_end: window.and_then(in_parentheses),
        primary: log("PrimaryFile"),
        standby: log("StandByFile"),
        replayed: None,
        primary_time: None,
        standby_time: None,
        since_received_s: None,
        standby_id: None,
        ends: ends(),
    })
}

/// Role, state and mode of the first of these tables. The heads say which column is which; a state of several words (`Remote catchup
/// pending`) is what stands between its neighbours.
fn general<'a>(heads: &str, values: &[&'a str]) -> Option<(&'a str, String, &'a str)> {
    // `LogGapRunAvg (bytes)` is one head.
    let heads: Vec<&str> = heads.split_whitespace().filter(|w| !w.starts_with('(')).collect();
    let column = |head: &str| heads.iter().position(|h| *h == head);
    let (role, state, mode) = (column("Role")?, column("State")?, column("SyncMode")?);
    if values.len() == heads.len() {
        return Some((values[role], values[state].to_owned(), values[mode]));
    }
    let surplus = values.len().checked_sub(heads.len())?;
    let after = |at: usize| if at > state { at + surplus } else { at };
    Some((values[after(role)], values[state..=state + surplus].join(" "), values[after(mode)]))
}

/// `GET SNAPSHOT FOR DB`: its block `HADR Status`. Deprecated, but it names what `db2pd` does not on some releases.
pub fn snapshot(statement: &Statement, database: &str) -> Option<Hadr> {
    if statement.exit != Some(0) || !statement.text.ends_with('\n') {
        return None;
    }
    let mut keys: BTreeMap<String, &str> = BTreeMap::new();
    let block = statement.text.lines().skip_while(|l| l.trim() != "HADR Status").skip(1);
    for line in block {
        let Some((key, value)) = line.split_once('=') else {
            if line.trim().is_empty() && keys.is_empty() {
                continue;
            }
            break;
        };
        let key: String = key.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        if keys.insert(key, value.trim()).is_some() {
            return None;
        }
    }
    let get = |key: &str| keys.get(key).copied();
    let log = |key: &str| {
        let mut parts = get(key)?.split(',').map(str::trim);
        let (file, page, byte) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        position(file, page, u64::from_str_radix(byte, 16).ok()?)
    };
    let own = |key: &str| get(key).map(str::to_owned);
    let ends = || Some([own("localhost")?, own("localservice")?, own("remotehost")?, own("remoteservice")?]);
    Some(Hadr {
        database: database.to_uppercase(),
        role: role(get("role")?),
        state: state(get("state")?),
        connection: connection(get("connectionstatus")?.split(',').next()?),
        sync_mode: get("synchronizationmode").and_then(sync_mode),
        connected_since: None,
        timeout_s: get("timeout(seconds)").and_then(|v| v.parse().ok()),
        peer_window_s: get("peerwindow(seconds)").and_then(|v| v.parse().ok()),
        peer_window_end: get("peerwindowend").and_then(in_parentheses),
        primary: log("primarylogposition(file,page,lsn)"),
        standby: log("standbylogposition(file,page,lsn)"),
        replayed: None,
        primary_time: None,
        standby_time: None,
        since_received_s: None,
        standby_id: None,
        ends: ends(),
    })
}

/// `S0000000.LOG, 0, 0` is what DB2 shows where it knows no position: of a partner that was never connected. Two such are not the same place.
fn position(file: &str, page: u64, byte: u64) -> Option<Position> {
    let number = file.strip_prefix('S')?.strip_suffix(".LOG")?;
    let fits = number.len() == 7 && number.bytes().all(|b| b.is_ascii_digit()) && byte > 0;
    fits.then(|| Position { file: file.to_owned(), page, byte })
}

/// The number in parentheses: seconds since 1970, the same in every language and time zone. 0: never. What lies thousands of years ahead is
/// no time.
fn in_parentheses(text: &str) -> Option<u64> {
    const LAST: u64 = 1 << 38;
    let (_, rest) = text.rsplit_once('(')?;
    rest.split_once(')')?.0.trim().parse().ok().filter(|epoch| (1..LAST).contains(epoch))
}

/// A word without blanks and underscores, in small letters: `REMOTE_CATCHUP_PENDING`, `RemoteCatchupPending`, `Remote catchup pending`.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

fn role(text: &str) -> HadrRole {
    match plain(text).as_str() {
        "primary" => HadrRole::Primary,
        "standby" => HadrRole::Standby,
        "standard" => HadrRole::Standard,
        _ => HadrRole::Unknown,
    }
}

fn state(text: &str) -> HadrState {
    match plain(text).as_str() {
        "disconnected" => HadrState::Disconnected,
        "localcatchup" => HadrState::LocalCatchup,
        "remotecatchuppending" => HadrState::RemoteCatchupPending,
        "remotecatchup" => HadrState::RemoteCatchup,
        "peer" => HadrState::Peer,
        "disconnectedpeer" => HadrState::DisconnectedPeer,
        _ => HadrState::Unknown,
    }
}

fn connection(text: &str) -> HadrConnection {
    match plain(text).as_str() {
        "connected" => HadrConnection::Connected,
        "congested" => HadrConnection::Congested,
        "disconnected" => HadrConnection::Disconnected,
        _ => HadrConnection::Unknown,
    }
}

fn sync_mode(text: &str) -> Option<SyncMode> {
    Some(match plain(text).as_str() {
        "sync" => SyncMode::Sync,
        "nearsync" => SyncMode::NearSync,
        "async" => SyncMode::Async,
        "superasync" => SyncMode::SuperAsync,
        _ => return None,
    })
}

/// `GET DB CFG`: the parameters by their name, the others by their description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, String>);

/// What roll-forward, backup and HADR parameters a database has; `None`: no such list.
pub fn config(statement: &Statement) -> Option<Config> {
    if statement.exit != Some(0) {
        return None;
    }
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for line in statement.text.lines() {
        // The value may hold an `=`; the name never does.
        let Some((label, value)) =
            line.split_once(" = ").or_else(|| line.trim_end().strip_suffix(" =").map(|l| (l, "")))
        else {
            continue;
        };
        let (label, value) = (label.trim(), value.trim().to_owned());
        let name = label.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let parameter = name
            .filter(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()));
        let name = parameter.unwrap_or(label).to_owned();
        if values.get(&name).is_some_and(|former| *former != value) {
            twice.insert(name.clone());
        }
        values.insert(name, value);
    }
    // Two values for one name are none.
    values.retain(|name, _| !twice.contains(name));
    values.contains_key("HADR database role").then_some(Config(values))
}

impl Config {
    /// Value of a parameter, as it is printed; empty: not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The role that the database keeps, also while it is not active.
    pub fn role(&self) -> HadrRole {
        self.get("HADR database role").map_or(HadrRole::Unknown, role)
    }

    /// Roll-forward pending: `NO` is no; everything else than a clear answer is `None`.
    pub fn rollforward_pending(&self) -> Option<bool> {
        match self.get("Rollforward pending")? {
            "NO" => Some(false),
            "DATABASE" | "TABLESPACE" | "YES" => Some(true),
            _ => None,
        }
    }

    /// Backup pending.
    pub fn backup_pending(&self) -> Option<bool> {
        match self.get("Backup pending")? {
            "NO" => Some(false),
            "YES" => Some(true),
            _ => None,
        }
    }

    /// All values by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Who manages HADR by `GET DBM CFG`, `CLUSTER_MGR` (documented: TSA, PowerHA, Pacemaker); empty: nobody. `None`: that is not the list.
pub fn cluster_manager(statement: &Statement) -> Option<&str> {
    if statement.exit != Some(0) || !statement.text.contains("(SVCENAME)") {
        return None;
    }
    let value = statement.text.lines().find_map(|line| {
        let (label, value) = line.split_once('=')?;
        (label.contains("(CLUSTER_MGR)") || label.trim() == "Cluster manager").then(|| value.trim())
    });
    // Releases without that parameter have no cluster manager of HADR.
    Some(value.unwrap_or_default())
}

/// State of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// It runs.
    Available,
    /// It is installed and stopped.
    Operable,
    /// It is not installed, or broken.
    NotOperable,
    /// Not understood.
    Unknown,
}

/// `db2gcf -s`
pub fn instance(r: &ActionResult) -> Instance {
    let mut states = r
        .stdout
        .lines()
        .filter_map(|l| l.split_once(':').filter(|(k, _)| k.trim() == "DB2 State").map(|(_, v)| v.trim()));
    // Of two instances it is not said here which one is meant.
    let state = states.next().filter(|first| states.all(|other| other == *first));
    match (r.exit, state) {
        (Some(0), Some("Available")) => Instance::Available,
        (Some(1..=16), Some("Operable")) => Instance::Operable,
        (Some(1..=16), Some("Not operable")) => Instance::NotOperable,
        _ => Instance::Unknown,
    }
}

/// `db2level`: the four numbers of `DB2 v9.7.0.3`.
pub fn level(r: &ActionResult) -> Option<[u32; 4]> {
    let text = complete(r)?;
    let (_, rest) = text.split_once("DB2 v")?;
    let token: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let numbers: Option<Vec<u32>> = token.split('.').map(|n| n.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// Alternate server of a database in `LIST DB DIRECTORY`: host and port, both possibly empty. `None`: the database is not listed.
pub fn alternate_server(statement: &Statement, database: &str) -> Option<(String, String)> {
    let mut entry: Option<bool> = None;
    let (mut host, mut port) = (None, None);
    for line in statement.text.lines() {
        let Some((key, value)) = line.split_once('=').map(|(k, v)| (k.trim(), v.trim())) else { continue };
        match key {
            "Database alias" => {
                if entry == Some(true) {
                    break;
                }
                entry = Some(value.eq_ignore_ascii_case(database));
            }
            "Alternate server hostname" if entry == Some(true) => host = Some(value.to_owned()),
            "Alternate server port number" if entry == Some(true) => port = Some(value.to_owned()),
            _ => {}
        }
    }
    Some((host?, port?))
}

/// Timestamp of a backup image, from the message of the backup itself: the only word of 14 digits.
pub fn backup_timestamp(statement: &Statement) -> Option<String> {
    if statement.exit != Some(0) {
        return None;
    }
    let mut stamps = statement.text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| is_timestamp(w));
    let stamp = stamps.next()?;
    stamps.next().is_none().then(|| stamp.to_owned())
}

/// `YYYYMMDDhhmmss`
pub fn is_timestamp(word: &str) -> bool {
    let part = |from: usize, to: usize| word[from..to].parse::<u32>().unwrap_or(u32::MAX);
    word.len() == 14
        && word.bytes().all(|b| b.is_ascii_digit())
        && (1..=12).contains(&part(4, 6))
        && (1..=31).contains(&part(6, 8))
        && part(8, 10) < 24
        && part(10, 12) < 60
        && part(12, 14) < 60
}

/// The one number of a `SELECT COUNT(*)`: what stands alone below the line of dashes.
pub fn counted(statement: &Statement) -> Option<u64> {
    if statement.exit != Some(0) {
        return None;
    }
    let mut below = statement.text.lines().map(str::trim).skip_while(|l| l.is_empty() || !l.bytes().all(|b| b == b'-'));
    below.next()?;
    below.find(|l| !l.is_empty())?.parse().ok()
}

/// Host name in `db2nodes.cfg` of an instance with one partition; `None`: something else is in it.
pub fn nodes_host(text: &str) -> Option<&str> {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let words: Vec<&str> = lines.next()?.split_whitespace().collect();
    match (words.as_slice(), lines.next()) {
        (["0", host] | ["0", host, "0"] | ["0", host, "0", _], None) => Some(host),
        _ => None,
    }
}
