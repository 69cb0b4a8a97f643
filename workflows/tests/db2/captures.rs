//! Every capture is read rightly, in every way in which it can arrive damaged it is unknown.

use std::fmt::Write as _;

use journal_schema::{HadrConnection, HadrRole, HadrState};
use proptest::prelude::*;
use workflows::{
    ActionResult,
    db2::{
        message::{self, Said},
        read::{self, Seen, Statement},
    },
    model::SyncMode,
};

/// A capture without the line that says where it is from.
pub(crate) fn capture(name: &str) -> String {
    let path = format!("{}/tests/captures/db2/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.lines().filter(|l| !l.starts_with("# source")).fold(String::new(), |all, l| all + l + "\n")
}

pub(crate) fn ran(text: &str) -> ActionResult {
    ActionResult { exit: Some(0), stdout: text.to_owned(), stderr: String::new() }
}

pub(crate) fn statement(text: &str, exit: i32) -> Statement {
    Statement { text: text.to_owned(), exit: Some(exit) }
}

pub(crate) fn hadr(name: &str, database: &str) -> read::Hadr {
    match read::hadr(&ran(&capture(name)), database) {
        Seen::Hadr(hadr) => *hadr,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn hadr_of_9_7() {
    let seen = hadr("db2pd-v9.7-primary-peer-sync", "hadrdb");
    assert_eq!((seen.role, seen.state), (HadrRole::Primary, HadrState::Peer));
    assert_eq!((seen.connection, seen.sync_mode), (HadrConnection::Connected, Some(SyncMode::Sync)));
    assert_eq!((seen.connected_since, seen.timeout_s), (Some(1_158_008_709), Some(8)));
    assert_eq!((seen.peer_window_s, seen.peer_window_end), (None, None));
    let primary = seen.primary.clone().unwrap();
    assert_eq!((primary.file.as_str(), primary.page, primary.byte), ("S0000833.LOG", 0, 0x1CA_4000));
    assert_eq!(seen.standby.as_ref().unwrap().file, "S0000832.LOG");
    assert!(!seen.equal(), "the files differ");
    let ends = ["server1.ibm.com", "hdr_svc1", "server2.ibm.com", "hdr_svc2"].map(str::to_owned);
    assert_eq!(seen.ends, Some(ends));
}

/// The procedure's own example: 9.7 with a peer window.
#[test]
fn hadr_of_9_7_with_a_window() {
    let text = "Database Partition 0 -- Database XCATDB -- Active -- Up 0 days 01:17:11\n\nHADR Information:\n\
         Role    State                SyncMode HeartBeatsMissed   LogGapRunAvg (bytes)\n\
         Primary Peer                 Nearsync 0                  0\n\n\
         ConnectStatus ConnectTime                           Timeout\n\
         Connected     Thu Aug  5 20:33:00 2010 (1281011580) 3\n\n\
         PeerWindowEnd                         PeerWindow\n\
         Thu Aug  5 21:52:07 2010 (1281016327) 120\n\n\
         LocalHost                                LocalService\n9.114.47.103                             DB2_HADR_1\n\n\
         RemoteHost                               RemoteService      RemoteInstance\n9.114.47.104      DB2_HADR_2         xcatdb\n\n\
         PrimaryFile  PrimaryPg  PrimaryLSN\nS0000002.LOG 66         0x000000000FA4869D\n\n\
         StandByFile  StandByPg  StandByLSN\nS0000002.LOG 66         0x000000000FA4869D\n";
    let Seen::Hadr(seen) = read::hadr(&ran(text), "XCATDB") else { panic!() };
    assert_eq!((seen.peer_window_end, seen.peer_window_s, seen.timeout_s), (Some(1_281_016_327), Some(120), Some(3)));
    assert!(seen.equal());
    // A standby has a column more.
    let standby = text
        .replace("Primary Peer", "Standby Peer")
        .replace("StandByLSN\n", "StandByLSN         StandByRcvBufUsed\n")
        .replace("S0000002.LOG 66         0x000000000FA4869D\n\n", "S0000002.LOG 66         0x000000000FA4869D\n\n ")
        .trim_end()
        .to_owned()
        + " 0%\n";
    let Seen::Hadr(seen) = read::hadr(&ran(&standby), "XCATDB") else { panic!() };
    assert!(seen.equal() && seen.role == HadrRole::Standby, "{seen:?}");
}

#[test]
fn hadr_of_10_1() {
    let seen = hadr("db2pd-v10.1-primary-peer-sync", "HADRDB");
    assert_eq!(
        (seen.role, seen.state, seen.connection),
        (HadrRole::Primary, HadrState::Peer, HadrConnection::Connected)
    );
    assert_eq!((seen.connected_since, seen.timeout_s), (Some(1_307_565_490), Some(100)));
    assert_eq!((seen.peer_window_s, seen.peer_window_end), (Some(0), None));
    assert_eq!((seen.primary_time, seen.since_received_s), (Some(1_307_566_159), Some(3)));
    assert!(seen.equal());
}

/// `HADR_LOG_GAP` is a running average: 132242668 with equal positions. `HADR_FLAGS` is empty.
#[test]
fn t69_positions_count_and_not_the_average_gap() {
    let seen = hadr("db2pd-v11-primary-peer-peerwindow-id2", "ID2");
    assert!(seen.equal());
    assert_eq!((seen.peer_window_s, seen.peer_window_end), (Some(300), Some(1_561_461_123)));
    let seen = hadr("db2pd-v11-standby-peer-peerwindow-id2", "ID2");
    assert_eq!((seen.role, seen.standby_id), (HadrRole::Standby, Some(0)));
    assert_eq!((seen.peer_window_s, seen.peer_window_end), (Some(1_000), Some(1_561_461_179)));
    assert_eq!(seen.replayed, seen.primary);
}

#[test]
fn the_texts_of_a_database_without_hadr() {
    let read = |text: &str| read::hadr(&ran(text), "HADRDB");
    assert_eq!(read(&capture("db2pd-v11.5-db-not-activated")), Seen::Inactive);
    assert_eq!(read(&capture("db2pd-v11.5-instance-down")), Seen::InstanceDown);
    let header =
        "Database Member 0 -- Database HADRDB -- Active -- Up 0 days 00:00:41 -- Date 2019-06-25-10.55.25.349375\n\n";
    assert_eq!(read(&format!("{header}HADR is not active.\n")), Seen::Standard);
    assert_eq!(read(header), Seen::Unknown);
    assert_eq!(read("Changing data structure forced command termination.\n"), Seen::Unknown);
    assert_eq!(read(""), Seen::Unknown);
}

/// Another language writes dates and decimals otherwise; the number in parentheses stays.
#[test]
fn t74_another_language_is_read_alike() {
    let text = capture("db2pd-v11-standby-peer-peerwindow-id2");
    let russian = text.replace("06/25/2019", "25.06.2019").replace("0.000\n", "0,000\n").replace("598.0", "598,0");
    assert_ne!(text, russian);
    assert_eq!(read::hadr(&ran(&text), "ID2"), read::hadr(&ran(&russian), "ID2"));
}

/// A race in the shared memory, the name of another database, a word that is not known, a killed call: unknown, never peer.
#[test]
fn t74_what_is_odd_is_unknown() {
    let text = capture("db2pd-v11-standby-peer-peerwindow-id2");
    assert_eq!(read::hadr(&ran(&text), "OTHER"), Seen::Unknown);
    let raced = format!("{text}Changing data structure forced command termination.\n");
    assert_eq!(read::hadr(&ran(&raced), "ID2"), Seen::Unknown);
    for exit in [None, Some(ActionResult::TIMED_OUT), Some(137)] {
        assert_eq!(read::hadr(&ActionResult { exit, ..ran(&text) }, "ID2"), Seen::Unknown);
    }
    let Seen::Hadr(seen) = read::hadr(&ran(&text.replace("= PEER\n", "= PEERLESS\n")), "ID2") else { panic!() };
    assert_eq!(seen.state, HadrState::Unknown);
    let Seen::Hadr(seen) = read::hadr(&ran(&text.replace("= CONNECTED\n", "= \n")), "ID2") else {
        return; // a block without a connection status is no answer at all
    };
    assert_eq!(seen.connection, HadrConnection::Unknown);
}

/// A primary prints a block a standby. The principal standby's counts; two that contradict each other without a number count for nothing.
#[test]
fn repeated_blocks() {
    let text = capture("db2pd-v11-primary-peer-peerwindow-id2");
    let block = text.split_once("\n\n").unwrap().1;
    let second = block.replace("STANDBY_ID = 1", "STANDBY_ID = 2").replace("= PEER\n", "= REMOTE_CATCHUP\n");
    let both = format!("{text}\n{second}");
    let Seen::Hadr(seen) = read::hadr(&ran(&both), "ID2") else { panic!() };
    assert_eq!(seen.state, HadrState::Peer);
    let twice = format!("{text}\n{}", block.replace("= PEER\n", "= REMOTE_CATCHUP\n"));
    assert_eq!(read::hadr(&ran(&twice), "ID2"), Seen::Unknown);
}

#[test]
fn snapshots_of_both_releases() {
    let read = |name: &str| read::snapshot(&statement(&capture(name), 0), "xcatdb").unwrap();
    let seen = read("snapshot-v9.7-primary-peer-window-xcat");
    assert_eq!(
        (seen.role, seen.state, seen.connection),
        (HadrRole::Primary, HadrState::Peer, HadrConnection::Connected)
    );
    assert_eq!((seen.peer_window_end, seen.peer_window_s, seen.timeout_s), (Some(1_281_013_387), Some(120), Some(3)));
    assert!(seen.equal());
    let ends = ["9.114.47.103", "DB2_HADR_1", "9.114.47.104", "DB2_HADR_2"].map(str::to_owned);
    assert_eq!(seen.ends, Some(ends));
    let seen = read("snapshot-v10.1-standby-peer-after-roleswitch");
    assert_eq!((seen.role, seen.peer_window_end), (HadrRole::Standby, None));
    assert!(seen.equal());
    assert_eq!(
        read::snapshot(&statement("SQL1611W  No data was returned by Database System Monitor.\n", 2), "x"),
        None
    );
}

#[test]
fn the_configuration_of_a_database() {
    let config = read::config(&statement(&capture("getdbcfg-v11.5-hadr-primary"), 0)).unwrap();
    assert_eq!(config.role(), HadrRole::Primary);
    assert_eq!(config.get("HADR_LOCAL_HOST"), Some("db2-server1"));
    assert_eq!(config.get("HADR_TARGET_LIST"), Some("db2-server2:50011|db2-ec2:50012"));
    assert_eq!(config.get("HADR_SSL_LABEL"), Some(""));
    assert_eq!(config.rollforward_pending(), None, "not in what was captured");
    let config = read::config(&statement(&capture("getdbcfg-v11.5-hadr-standby"), 0)).unwrap();
    assert_eq!((config.role(), config.get("HADR_TARGET_LIST")), (HadrRole::Standby, Some("")));
    assert_eq!(read::config(&statement("SQL1024N  A database connection does not exist.  SQLSTATE=08003\n", 4)), None);
    let text = " HADR database role    = STANDARD\n Rollforward pending    = DATABASE\n Backup pending    = NO\n";
    let config = read::config(&statement(text, 0)).unwrap();
    assert_eq!((config.rollforward_pending(), config.backup_pending()), (Some(true), Some(false)));
}

#[test]
fn instance_level_and_directory() {
    let state = |exit, text: &str| read::instance(&ActionResult { exit: Some(exit), ..ran(text) });
    assert_eq!(state(0, &capture("db2gcf-s-available")), read::Instance::Available);
    assert_eq!(state(1, "\nInstance  : xcatdb\nDB2 State : Operable\n"), read::Instance::Operable);
    assert_eq!(state(1, "\nInstance  : xcatdb\nDB2 State : Not operable\n"), read::Instance::NotOperable);
    assert_eq!(state(1, &capture("db2gcf-s-available")), read::Instance::Unknown, "exit code and text contradict");
    assert_eq!(state(127, ""), read::Instance::Unknown);
    let level = "DB21085I  Instance \"xcatdb\" uses \"64\" bits and DB2 code release \"SQL09073\" with\nlevel identifier \"08040107\".\nInformational tokens are \"DB2 v9.7.0.3\", \"s100819\", \"U829470\", and Fix Pack\n\"3\".\n";
    assert_eq!(read::level(&ran(level)), Some([9, 7, 0, 3]));
    assert_eq!(read::level(&ran("db2level: not found\n")), None);
    let listed = statement(&capture("listdbdir-one-entry"), 0);
    assert_eq!(read::alternate_server(&listed, "foo"), Some((String::new(), String::new())));
    assert_eq!(read::alternate_server(&listed, "bar"), None);
}

/// The timestamp is the backup's own word, and nothing that merely has 14 digits.
#[test]
fn t45_the_timestamp_of_an_image() {
    let said = "\nBackup successful. The timestamp for this backup image is : 20100805161232\n";
    assert_eq!(read::backup_timestamp(&statement(said, 0)).as_deref(), Some("20100805161232"));
    assert_eq!(read::backup_timestamp(&statement(said, 4)), None);
    for bad in ["20101305161232", "20100805161261", "2010080516123", "99999999999999"] {
        assert_eq!(read::backup_timestamp(&statement(&format!("image is : {bad}\n"), 0)), None, "{bad}");
    }
    assert_eq!(read::backup_timestamp(&statement("20100805161232 20100805161233\n", 0)), None, "which one?");
}

#[test]
fn db2nodes_cfg() {
    assert_eq!(read::nodes_host("0 aixmn2 0\n"), Some("aixmn2"));
    assert_eq!(read::nodes_host("0 aixmn2\n"), Some("aixmn2"));
    assert_eq!(read::nodes_host("0 aixmn2 0\n1 aixmn2 1\n"), None);
    assert_eq!(read::nodes_host(""), None);
}

#[test]
fn counts() {
    let text = "\n1          \n-----------\n         12\n\n  1 record(s) selected.\n\n";
    assert_eq!(read::counted(&statement(text, 0)), Some(12));
    assert_eq!(read::counted(&statement("SQL1024N  A database connection does not exist.\n", 4)), None);
    assert_eq!(read::counted(&statement("\n1\n-----------\n", 0)), None, "cut");
}

/// By code, never by wording; what is not known is fatal and shown.
#[test]
fn messages_are_judged_by_code() {
    let said = |text: &str, exit| message::said(&statement(text, exit));
    let refused = |text: &str| said(text, 4).refusal();
    assert!(said("DB20000I  The TAKEOVER HADR ON DATABASE command completed successfully.\n", 0).done());
    assert!(said("DB20000I  Die Anweisung wurde ausgeführt.\n", 0).done(), "in any language");
    for warning in [
        "DB20000I  The UPDATE DATABASE CONFIGURATION command completed successfully.\nSQL1363W  One or more of the parameters submitted",
        "SQL1490W  Activate database is successful, however,",
        "SQL1494W  Activate database is successful, however,",
        "SQL1496W  Deactivate database is successful, but the database was not activated.",
        "SQL1766W  The command completed successfully. However,",
        "SQL2539W  Warning!  Restoring to an existing database\nDB20000I  The RESTORE DATABASE command completed successfully.",
    ] {
        assert!(said(&format!("{warning}\n"), 2).done(), "{warning}");
    }
    assert!(matches!(
        said("SQL1495W  Deactivate database is successful, however, there is still a connection\n", 2),
        Said::NotYet(_)
    ));
    assert!(matches!(said("SQL9999W  Something new.\n", 2), Said::Strange(_)));
    assert!(matches!(said("DB21007E  End of file reached.\n", 8), Said::Strange(_)));
    assert!(matches!(said("something\n", 2), Said::Strange(_)), "a warning without a code");
    assert!(matches!(said("SQL1770N  Takeover HADR cannot complete.\n", 0), Said::Strange(_)), "an error that exits 0");
    assert_eq!(refused("SQL1770N  Takeover HADR cannot complete. Reason code = \"7\".\n"), Some((1770, Some(7))));
    assert_eq!(refused("SQL1769N  Stop HADR cannot complete. Reason code = \"2\".\n"), Some((1769, Some(2))));
    let nodes = "SQL6031N  Error in the db2nodes.cfg file at line number \"1\".  Reason code\n\"10\".\n";
    assert_eq!(refused(nodes), Some((6031, Some(10))));
    let pending = "SQL1117N  A connection to or activation of database \"XCATDB\" cannot be made because of ROLL-FORWARD PENDING.  SQLSTATE=57019\n";
    assert_eq!(refused(pending), Some((1117, None)));
    for (code, text) in [
        (
            1116,
            "SQL1116N  A connection to or activation of database \"X\" cannot be made because of BACKUP PENDING.  SQLSTATE=57019\n",
        ),
        (
            1116,
            "SQL1116N  A connection to or activation of database \"X\" failed because the database is in BACKUP PENDING state.\n",
        ),
        (1035, "SQL1035N  The database is currently in use.  SQLSTATE=57019\n"),
        (
            1035,
            "SQL1035N  The operation failed because the specified database cannot be connected to in the mode requested.\n",
        ),
    ] {
        assert_eq!(refused(text), Some((code, None)), "both wordings");
    }
    for exit in [124, 137, 141] {
        assert_eq!(said("", exit), Said::Unknown, "killed: DB2 may go on with what it was told");
    }
    assert_eq!(message::said(&Statement::default()), Said::Unknown);
}

/// A group whose end is missing leaves its last statement, and those after it, without an answer.
#[test]
fn groups() {
    let text = "\n   Database Connection Information\n\n:exit 0\nDB20000I  ok\n\n:exit 2\n";
    let all = read::group(&ran(text), 2);
    assert_eq!(all.iter().map(|s| s.exit).collect::<Vec<_>>(), [Some(0), Some(2)]);
    assert!(all[0].text.contains("Connection Information"));
    let cut = read::group(&ran("one\n\n:exit 0\ntwo is c"), 3);
    assert_eq!(cut.iter().map(|s| s.exit).collect::<Vec<_>>(), [Some(0), None, None]);
    let no_instance =
        ActionResult { exit: Some(127), stdout: String::new(), stderr: "no instance in /var/lib/db2\n".into() };
    assert_eq!(read::group(&no_instance, 1)[0].text, "no instance in /var/lib/db2\n");
}

proptest! {
    /// Nothing that can be printed makes the readers panic, and rubbish is never peer.
    #[test]
    fn t74_rubbish_is_never_peer(text in "(?s).{0,400}", exit in proptest::option::of(-1..260_i32)) {
        let r = ActionResult { exit, stdout: text.clone(), stderr: text.clone() };
        prop_assert!(read::hadr(&r, "XCATDB").hadr().is_none());
        let s = Statement { text: text.clone(), exit };
        prop_assert!(read::snapshot(&s, "XCATDB").is_none());
        let _ = (read::config(&s), read::instance(&r), read::level(&r), read::counted(&s), read::group(&r, 3));
        let _ = (read::alternate_server(&s, "X"), read::backup_timestamp(&s), read::nodes_host(&text), message::said(&s));
    }

    /// A capture that is cut anywhere, or has a line missing, is unknown or says what the whole one says.
    #[test]
    fn t74_a_cut_capture_says_nothing_else(at in 0..3_000_usize, missing in 0..60_usize, pick in 0..4_usize) {
        let names = [
            ("db2pd-v9.7-primary-peer-sync", "HADRDB"), ("db2pd-v10.1-primary-peer-sync", "HADRDB"),
            ("db2pd-v11-primary-peer-peerwindow-id2", "ID2"), ("db2pd-v11-standby-peer-peerwindow-id2", "ID2"),
        ];
        let (name, database) = names[pick];
        let text = capture(name);
        let whole = hadr(name, database);
        let mut end = at.min(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        let mut without = String::new();
        for (_, line) in text.lines().enumerate().filter(|(n, _)| *n != missing) {
            writeln!(without, "{line}").unwrap();
        }
        for damaged in [text[..end].to_owned(), without] {
            if let Seen::Hadr(seen) = read::hadr(&ran(&damaged), database) {
                prop_assert!(seen.role == whole.role && seen.state == whole.state && seen.connection == whole.connection);
                prop_assert!(seen.peer_window_end.is_none() || seen.peer_window_end == whole.peer_window_end);
                prop_assert!(seen.primary.is_none() || seen.primary == whole.primary);
            }
        }
    }
}
