//! What nobody here has seen: captures in other dress, states without a capture, two answers in one. Read rightly, or not at all.

use std::fmt::Write as _;

use journal_schema::{HadrConnection as Connection, HadrRole as Role, HadrState as State};
use proptest::prelude::*;
use workflows::{
    ActionResult,
    db2::{
        message::{self, Said},
        read::{self, Hadr, Seen, Statement},
    },
    model::SyncMode,
};

use crate::captures::{capture, hadr, ran, statement};

/// The captures of db2pd with a database in HADR.
const HADR: [(&str, &str); 4] = [
    ("db2pd-v9.7-primary-peer-sync", "HADRDB"),
    ("db2pd-v10.1-primary-peer-sync", "HADRDB"),
    ("db2pd-v11-primary-peer-peerwindow-id2", "ID2"),
    ("db2pd-v11-standby-peer-peerwindow-id2", "ID2"),
];

/// Synthetic: the layout is captured, the states are not.
fn keys(role: &str, state: &str, connection: &str) -> String {
    format!(
        "Database Member 0 -- Database XCATDB -- Standby -- Up 0 days 00:10:11 -- Date 2031-03-30-02.59.58.000000\n\n\
         \x20                           HADR_ROLE = {role}\n                        HADR_SYNCMODE = NEARSYNC\n\
         \x20                          STANDBY_ID = 0\n                           HADR_STATE = {state}\n\
         \x20                HADR_CONNECT_STATUS = {connection}\n\
         \x20           HADR_CONNECT_STATUS_TIME = 03/30/2031 02:58:00.000000 (1932598680)\n\
         \x20                HADR_TIMEOUT(seconds) = 60\n         TIME_SINCE_LAST_RECV(seconds) = 61\n\
         \x20           PRIMARY_LOG_FILE,PAGE,POS = S0000012.LOG, 3, 4711\n\
         \x20           STANDBY_LOG_FILE,PAGE,POS = S0000012.LOG, 3, 4711\n\
         \x20                PEER_WINDOW(seconds) = 120\n\
         \x20                     PEER_WINDOW_END = 03/30/2031 03:00:00.000000 (1932598800)\n"
    )
}

fn columns(role: &str, state: &str, connection: &str) -> String {
    format!(
        "Database Partition 0 -- Database XCATDB -- Active -- Up 0 days 00:10:11\n\nHADR Information:\n\
         Role    State                SyncMode HeartBeatsMissed   LogGapRunAvg (bytes)\n\
         {role:<7} {state:<20} Nearsync 0                  0\n\n\
         ConnectStatus ConnectTime                           Timeout\n\
         {connection:<13} Sun Mar 30 02:58:00 2031 (1932598680) 60\n\n\
         PeerWindowEnd                         PeerWindow\n\
         Sun Mar 30 03:00:00 2031 (1932598800) 120\n\n\
         LocalHost                                LocalService\n9.114.47.104                             DB2_HADR_2\n\n\
         RemoteHost                               RemoteService      RemoteInstance\n9.114.47.103       DB2_HADR_1         xcatdb\n\n\
         PrimaryFile  PrimaryPg  PrimaryLSN\nS0000012.LOG 3          0x0000000000001267\n\n\
         StandByFile  StandByPg  StandByLSN         StandByRcvBufUsed\nS0000012.LOG 3          0x0000000000001267 0%\n"
    )
}

fn seen(text: &str) -> Seen {
    read::hadr(&ran(text), "XCATDB")
}

#[track_caller]
fn known(text: &str) -> Hadr {
    match seen(text) {
        Seen::Hadr(hadr) => *hadr,
        other => panic!("{other:?}\n{text}"),
    }
}

const STATES: [(&str, &str, &str, State); 6] = [
    ("DISCONNECTED", "Disconnected", "Disconnected", State::Disconnected),
    ("LOCAL_CATCHUP", "LocalCatchup", "Local catchup", State::LocalCatchup),
    ("REMOTE_CATCHUP_PENDING", "RemoteCatchupPending", "Remote catchup pending", State::RemoteCatchupPending),
    ("REMOTE_CATCHUP", "RemoteCatchup", "Remote catchup", State::RemoteCatchup),
    ("PEER", "Peer", "Peer", State::Peer),
    ("DISCONNECTED_PEER", "DisconnectedPeer", "Disconnected peer", State::DisconnectedPeer),
];
const CONNECTIONS: [(&str, Connection); 3] = [
    ("CONNECTED", Connection::Connected),
    ("CONGESTED", Connection::Congested),
    ("DISCONNECTED", Connection::Disconnected),
];

/// Every state with every connection, in every spelling: of a state in three words the first one is not the state.
#[test]
fn every_state_with_every_connection_in_every_layout() {
    for (capitals, camel, words, state) in STATES {
        for (connect, connection) in CONNECTIONS {
            for (shown, role) in [("PRIMARY", Role::Primary), ("STANDBY", Role::Standby)] {
                let title = |w: &str| w[..1].to_owned() + &w[1..].to_lowercase();
                let texts = [
                    keys(shown, capitals, connect),
                    columns(&title(shown), camel, &title(connect)),
                    columns(&title(shown), words, &title(connect)),
                ];
                for text in texts {
                    let read = known(&text);
                    assert_eq!((read.role, read.state, read.connection), (role, state, connection), "{text}");
                    assert_eq!(read.sync_mode, Some(SyncMode::NearSync), "{text}");
                    assert_eq!((read.timeout_s, read.peer_window_s), (Some(60), Some(120)));
                    assert_eq!(
                        (read.peer_window_end, read.connected_since),
                        (Some(1_932_598_800), Some(1_932_598_680))
                    );
                    assert!(read.equal());
                }
            }
        }
    }
}

/// The columns in another order, one more and one less: by their heads, or not at all.
#[test]
fn columns_are_told_by_their_heads() {
    let text = columns("Standby", "Peer", "Connected");
    let other = text
        .replace("Role    State                SyncMode HeartBeatsMissed", "Role SyncMode State HeartBeatsMissed")
        .replace("Standby Peer                 Nearsync", "Standby Nearsync Peer");
    assert_ne!(text, other);
    assert_eq!(known(&other), known(&text));
    let swapped = text.replace("Standby Peer                 Nearsync", "Standby Nearsync Peer");
    assert_eq!(known(&swapped).state, State::Unknown, "values that do not fit their heads");
    let less = text.replace("Standby Peer                 Nearsync 0                  0\n", "Standby Peer\n");
    assert_eq!(seen(&less), Seen::Unknown);
}

/// `S0000000.LOG, 0, 0` is no position: two sides that know nothing of each other are not level.
#[test]
fn t69_two_unknown_positions_are_not_the_same() {
    let text = keys("STANDBY", "REMOTE_CATCHUP_PENDING", "DISCONNECTED")
        .replace("S0000012.LOG, 3, 4711", "S0000000.LOG, 0, 0");
    let read = known(&text);
    assert!(read.primary.is_none() && read.standby.is_none() && !read.equal() && !read.has_all());
    let text = columns("Standby", "RemoteCatchupPending", "Disconnected")
        .replace("S0000012.LOG 3          0x0000000000001267", "S0000000.LOG 0          0x0000000000000000");
    assert!(!known(&text).equal() && !known(&text).has_all());
    // One side only.
    let text = keys("STANDBY", "LOCAL_CATCHUP", "DISCONNECTED")
        .replace("PRIMARY_LOG_FILE,PAGE,POS = S0000012.LOG, 3, 4711", "PRIMARY_LOG_FILE,PAGE,POS = S0000000.LOG, 0, 0");
    assert!(!known(&text).has_all(), "what the primary has is not known");
}

/// Another database in the same output, this one twice, one that is in no pair beside one that is: no answer.
#[test]
fn t11_two_databases_in_one_answer() {
    let own = keys("STANDBY", "PEER", "CONNECTED");
    let other = own.replace("XCATDB", "OTHERDB");
    let standard = |name: &str| {
        format!("Database Member 0 -- Database {name} -- Active -- Up 0 days 00:00:41\n\nHADR is not active.\n")
    };
    for text in [
        format!("{own}\n{other}"),
        format!("{own}\n{own}"),
        format!("{own}\n{}", standard("OTHERDB")),
        format!("{}\n{own}", standard("XCATDB")),
        format!("{}\n{other}", standard("XCATDB")),
        format!("{own}\nHADR is not active.\n"),
        format!("{}\n{}", columns("Primary", "Peer", "Connected"), standard("XCATDB")),
    ] {
        assert_eq!(seen(&text), Seen::Unknown, "{text}");
    }
    assert_eq!(seen(&standard("XCATDB")), Seen::Standard);
}

/// Two instances, of which one runs; the same state twice is one state.
#[test]
fn t11_two_instances_in_one_answer() {
    let state = |text: &str, exit| read::instance(&ActionResult { exit: Some(exit), ..ran(text) });
    let one = |name: &str, word: &str| format!("\nInstance  : {name}\nDB2 State : {word}\n");
    assert_eq!(state(&(one("db2inst1", "Available") + &one("xcatdb", "Operable")), 0), read::Instance::Unknown);
    assert_eq!(state(&(one("xcatdb", "Available") + &one("xcatdb", "Available")), 0), read::Instance::Available);
    assert_eq!(state("\r\nInstance  : xcatdb\r\nDB2 State : Available\r\n", 0), read::Instance::Available);
    assert_eq!(state("\nInstanz   : xcatdb\nDB2-Status : Available\n", 0), read::Instance::Unknown);
}

/// Up to three standbys (10.1 and later): the principal's block is the pair's, wherever it stands; without one there is no answer.
#[test]
fn several_standbys() {
    let header = "Database Member 0 -- Database XCATDB -- Active -- Up 0 days 00:10:11\n\n";
    let block = |id: u8, state: &str, connection: &str| {
        let text = keys("PRIMARY", state, connection);
        text.split_once("\n\n").expect("a header").1.replace("STANDBY_ID = 0", &format!("STANDBY_ID = {id}"))
    };
    let [one, two, three] = [
        block(1, "PEER", "CONNECTED"),
        block(2, "REMOTE_CATCHUP", "CONNECTED"),
        block(3, "DISCONNECTED", "DISCONNECTED"),
    ];
    for text in [format!("{header}{one}\n{two}\n{three}"), format!("{header}{three}\n{one}\n{two}")] {
        let read = known(&text);
        assert_eq!((read.state, read.standby_id), (State::Peer, Some(1)));
    }
    assert_eq!(seen(&format!("{header}{two}\n{three}")), Seen::Unknown);
    assert_eq!(known(&format!("{header}{two}")).state, State::RemoteCatchup);
}

/// What another language does to labels leaves nothing to read: not known, not the best guess.
#[test]
fn t74_labels_of_another_language_are_no_answer() {
    for (from, to) in [
        ("HADR_ROLE", "HADR-ROLLE"),
        ("HADR_STATE", "HADR-STATUS"),
        ("HADR_CONNECT_STATUS =", "HADR-VERBINDUNGSSTATUS ="),
        ("Database Member", "データベース・メンバー"),
    ] {
        let text = keys("STANDBY", "PEER", "CONNECTED").replace(from, to);
        assert_eq!(seen(&text), Seen::Unknown, "{to}");
    }
    for (from, to) in
        [("Role ", "Rolle "), ("State ", "Status "), ("ConnectStatus", "Verbindungsstatus"), ("SyncMode", "Modus")]
    {
        let text = columns("Standby", "Peer", "Connected").replace(from, to);
        assert_eq!(seen(&text), Seen::Unknown, "{to}");
    }
    for (from, to) in [("= PEER", "= PEER-ZUSTAND"), ("= STANDBY", "= BEREITSCHAFT"), ("= CONNECTED", "= 接続済み")]
    {
        let read = known(&keys("STANDBY", "PEER", "CONNECTED").replace(from, to));
        let unknown =
            [read.role == Role::Unknown, read.state == State::Unknown, read.connection == Connection::Unknown];
        assert_eq!(unknown.iter().filter(|u| **u).count(), 1, "{to}");
    }
    let config = " HADR-Datenbankrolle = PRIMARY\n Aktualisierende Wiederherstellung anstehend = NO\n";
    assert_eq!(read::config(&statement(config, 0)), None);
}

/// One parameter with two values has none; the same value twice is one.
#[test]
fn t74_a_configuration_that_contradicts_itself() {
    let text = capture("getdbcfg-v11.5-hadr-primary");
    let twice = read::config(&statement(&format!("{text}{text}"), 0)).expect("the same twice");
    assert_eq!(twice, read::config(&statement(&text, 0)).unwrap());
    let other = text.replace("= PRIMARY", "= STANDARD");
    assert_eq!(read::config(&statement(&format!("{text}{other}"), 0)), None, "a role, and another");
    let timeouts = text.replace("(HADR_TIMEOUT) = 120", "(HADR_TIMEOUT) = 60");
    let both = read::config(&statement(&format!("{text}{timeouts}"), 0)).unwrap();
    assert_eq!((both.role(), both.get("HADR_TIMEOUT")), (Role::Primary, None));
}

/// A window's end that is no time: no window. In every time zone and on the days when clocks are set, the number in parentheses counts.
#[test]
fn t21_the_end_of_the_window_is_the_number_in_parentheses() {
    let shown = "03/30/2031 03:00:00.000000 (1932598800)";
    let end = |to: &str| known(&keys("STANDBY", "PEER", "CONNECTED").replace(shown, to)).peer_window_end;
    for to in [
        "NULL",
        "",
        "0",
        "(0)",
        "Null (0)",
        "03/30/2031 03:00:00",
        "(-1)",
        "()",
        "(1932598800",
        "(18446744073709551615)",
        "(999999999999999)",
    ] {
        assert_eq!(end(to), None, "{to:?}");
    }
    // An hour that comes twice, one that does not exist, other orders of day and month: the same moment.
    for to in [
        "10/26/2031 02:30:00 CEST (1932598800)",
        "2031-03-30-02.30.00.000000 (1932598800)",
        "30.03.2031 02:30:00,000000 (1932598800)",
    ] {
        assert_eq!(end(to), Some(1_932_598_800), "{to}");
    }
    let whole = keys("STANDBY", "PEER", "CONNECTED");
    let without: String = whole.split_inclusive('\n').filter(|l| !l.contains("PEER_WINDOW_END")).collect();
    assert_eq!(known(&without).peer_window_end, None);
    let table =
        columns("Standby", "Peer", "Connected").replace("Sun Mar 30 03:00:00 2031 (1932598800) 120", "Null (0) 120");
    assert_eq!((known(&table).peer_window_end, known(&table).peer_window_s), (None, Some(120)));
}

/// The captures that are no table: what they say, by code.
#[test]
fn the_captured_transcripts() {
    let codes = |name: &str| message::codes(&capture(name)).iter().map(|c| (c.number, c.kind)).collect::<Vec<_>>();
    assert_eq!(codes("db2stop-db2start-v10.1"), [(1064, 'N'), (1064, 'N'), (1063, 'N'), (1063, 'N')]);
    let asked = capture("restore-prompt-v10");
    assert_eq!(read::backup_timestamp(&statement(&asked, 0)).as_deref(), Some("20250830063440"));
    assert_eq!(codes("restore-prompt-v10"), [(2539, 'W')]);
    let rolled = statement(&capture("rollforward-complete-v10.1"), 0);
    assert!(message::said(&rolled).done());
    assert_eq!((read::config(&rolled), read::backup_timestamp(&rolled)), (None, None));
}

/// Every capture that lies there goes through its reader in a test.
#[test]
fn no_capture_is_unread() {
    let tests = [include_str!("captures.rs"), include_str!("unseen.rs")];
    let folder = format!("{}/tests/captures/db2", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".txt").expect("a text");
        assert!(tests.iter().any(|t| t.contains(&format!("\"{name}\""))), "{name} is read by no test");
    }
}

/// Codes that hamn does not know are shown with what they say; those that it knows with what to do.
#[test]
fn weird_codes_are_shown() {
    let refused = |text: &str| message::said(&statement(text, 4)).to_string();
    let strange = refused(
        "SQL5123N  Database \"XCATDB\" cannot be configured because an I/O error occurred while\naccessing the log control file.\n",
    );
    assert_eq!(
        strange,
        "SQL5123N, which hamn does not know: Database \"XCATDB\" cannot be configured because an I/O error occurred while accessing the log \
         control file."
    );
    let endless = refused(&format!("SQL9999C  {}\n", "so much to say ".repeat(400)));
    assert!(endless.len() < 250 && endless.starts_with("SQL9999C"), "{endless}");
    for (text, word) in [
        ("SQL0290N  Table space access is not allowed.  SQLSTATE=55039\n", "LIST TABLESPACES"),
        ("SQL0964C  The transaction log for the database is full.  SQLSTATE=57011\n", "the log is full"),
        ("SQL0968C  The file system is full.\n", "no room left"),
        ("SQL2419N  The target disk \"/var/lib/db2/backup\" has become full.\n", "no room left"),
        ("SQL8000N  DB2START processing failed; a valid product license was not found.\n", "db2licm -l"),
        (
            "SQL1119N  A connection to or activation of database \"X\" cannot be made because a previous restore is incomplete.\n",
            "once more",
        ),
        ("SQL1224N  The database manager is not able to accept new requests.\n", "db2diag.log"),
    ] {
        assert!(refused(text).contains(word), "{}", refused(text));
    }
    // A success with an error in it, a warning nobody knows, two codes: never done.
    assert!(matches!(message::said(&statement("DB20000I  ok\nSQL0964C  full\n", 0)), Said::Strange(_)));
    assert!(matches!(
        message::said(&statement("DB20000I  ok\nSQL2059W  A device full warning\n", 2)),
        Said::Strange(_)
    ));
    assert!(matches!(message::said(&statement("", 0)), Said::Done(_)), "nothing is what a quiet success says");
}

/// Another dress: line ends of Windows, blanks and tabs at the ends, an indentation, more blanks between columns.
fn dressed(text: &str, dress: u8) -> String {
    let mut all = String::new();
    for line in text.lines() {
        match dress {
            0 => write!(all, "{line}\r\n"),
            1 => writeln!(all, "{line}   \t "),
            2 => writeln!(all, "        {line}"),
            3 => writeln!(all, "{}", line.replace(' ', "  ")),
            4 => writeln!(all, "{}", line.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")),
            _ => writeln!(all, "{line}\n"),
        }
        .unwrap();
    }
    all
}

#[test]
fn t74_in_another_dress_it_says_the_same() {
    for (name, database) in HADR {
        let whole = hadr(name, database);
        for dress in 0..5 {
            let text = dressed(&capture(name), dress);
            // The header's own words stay as they are in every dress but that of more blanks.
            match read::hadr(&ran(&text), database) {
                Seen::Hadr(read) => assert_eq!(*read, whole, "{name} {dress}"),
                Seen::Unknown if dress == 3 => {}
                other => panic!("{name} {dress}: {other:?}"),
            }
        }
    }
    for name in ["getdbcfg-v11.5-hadr-primary", "getdbcfg-v11.5-hadr-standby"] {
        let whole = read::config(&statement(&capture(name), 0)).unwrap();
        for dress in [0, 1, 2, 4, 5] {
            let read = read::config(&statement(&dressed(&capture(name), dress), 0)).unwrap();
            for parameter in
                ["HADR database role", "HADR_LOCAL_HOST", "HADR_TIMEOUT", "HADR_SYNCMODE", "HADR_PEER_WINDOW"]
            {
                assert_eq!(read.get(parameter), whole.get(parameter), "{name} {dress} {parameter}");
            }
        }
    }
    let listed = |dress| statement(&dressed(&capture("listdbdir-one-entry"), dress), 0);
    for dress in [0, 1, 2, 4, 5] {
        assert_eq!(read::alternate_server(&listed(dress), "FOO"), Some((String::new(), String::new())), "{dress}");
    }
}

/// Megabytes of it, bytes that are no text, nothing at all.
#[test]
fn t74_huge_broken_and_empty() {
    let text = keys("STANDBY", "PEER", "CONNECTED");
    let huge = text.clone() + &"                      SOMETHING_NEW(bytes) = 12345678901234567890\n".repeat(50_000);
    assert_eq!(seen(&huge), Seen::Unknown, "a key so often");
    let long = text.replace("= NEARSYNC", &format!("= {}", "N".repeat(3_000_000)));
    assert_eq!(known(&long).sync_mode, None);
    let lossy =
        String::from_utf8_lossy(b"Database Member 0 -- Database XC\xffTDB -- Active -- Up\n\nHADR_ROLE = ST\xfeNDBY\n")
            .into_owned();
    assert_eq!(seen(&lossy), Seen::Unknown);
    let lossy = text.replace("= PEER", &format!("= {}", String::from_utf8_lossy(b"PE\xc3R")));
    assert_eq!(known(&lossy).state, State::Unknown);
    for empty in ["", "\n", "\r\n", "\0", " \n\n\n"] {
        assert_eq!(seen(empty), Seen::Unknown);
    }
}

/// How much worse an answer may be than the whole one: nothing in it may be better.
fn not_better(read: &Hadr, whole: &Hadr) -> bool {
    let same_or_unknown = |a: bool, unknown: bool| a || unknown;
    same_or_unknown(read.role == whole.role, read.role == Role::Unknown)
        && same_or_unknown(read.state == whole.state, read.state == State::Unknown)
        && same_or_unknown(read.connection == whole.connection, read.connection == Connection::Unknown)
        && (read.peer_window_end.is_none() || read.peer_window_end == whole.peer_window_end)
        && (read.peer_window_s.is_none() || read.peer_window_s == whole.peer_window_s)
        && (read.since_received_s.is_none() || read.since_received_s == whole.since_received_s)
        && (read.connected_since.is_none() || read.connected_since == whole.connected_since)
        && (!read.equal() || whole.equal())
        && (!read.has_all() || whole.has_all())
}

proptest! {
    /// Lines in another order, some gone, some twice, in another dress, with rubbish between: the same, less, or nothing.
    #[test]
    fn t74_a_shuffled_capture_is_never_better(
        pick in 1..4_usize, order in any::<u64>(), gone in prop::collection::vec(0..60_usize, 0..4),
        twice in prop::option::of(0..60_usize), dress in 0..6_u8, rubbish in "[ -~]{0,30}",
    ) {
        let (name, database) = HADR[pick];
        let text = capture(name);
        let whole = hadr(name, database);
        let mut lines: Vec<&str> = text.lines().collect();
        let (header, body) = lines.split_at_mut(1);
        let mut seed = order;
        for at in (1..body.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            body.swap(at, (seed >> 33) as usize % (at + 1));
        }
        let mut other = format!("{}\n", header[0]);
        for (at, line) in body.iter().enumerate().filter(|(at, _)| !gone.contains(at)) {
            writeln!(other, "{line}").unwrap();
            if twice == Some(at) { writeln!(other, "{line}").unwrap(); }
        }
        if !rubbish.contains("HADR is not active") { writeln!(other, "{rubbish}").unwrap(); }
        match read::hadr(&ran(&dressed(&other, dress)), database) {
            Seen::Hadr(read) => prop_assert!(not_better(&read, &whole), "{read:?}"),
            Seen::Unknown => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }

    /// One byte of it is another one: it says the same, less, or something of which the two sides of the pair must agree before it counts.
    /// That it is not active, or in no pair, no single byte makes of it.
    #[test]
    fn t74_a_flipped_byte_never_makes_it_standard(pick in 0..4_usize, at in 0..3_000_usize, byte in 0_u8..128) {
        let (name, database) = HADR[pick];
        let mut bytes = capture(name).into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let seen = read::hadr(&ran(&text), database);
        prop_assert!(matches!(seen, Seen::Hadr(_) | Seen::Unknown), "{seen:?}");
    }

    /// A group is read alike however it ends its lines, and no line of a statement's own makes an exit code of another one.
    #[test]
    fn groups_of_anything(texts in prop::collection::vec("[ -~\n]{0,40}", 1..4), exits in prop::collection::vec(0..16_i32, 4)) {
        prop_assume!(texts.iter().all(|t| !t.contains(":exit")));
        let mut text = String::new();
        for (said, exit) in texts.iter().zip(&exits) { write!(text, "{said}\n:exit {exit}\n").unwrap(); }
        let all = read::group(&ran(&text), texts.len());
        prop_assert_eq!(all.iter().map(|s| s.exit).collect::<Vec<_>>(), exits[..texts.len()].iter().map(|e| Some(*e)).collect::<Vec<_>>());
        let more = read::group(&ran(&text), texts.len() + 2);
        prop_assert!(more[texts.len()..].iter().all(|s: &Statement| s.exit.is_none()));
    }
}
