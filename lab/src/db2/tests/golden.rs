//! Layouts. The golden texts are the stand-in's own; their shape was compared with captures of real systems where there are any (db2pd of
//! 9.7, 10.1 and 11, its two refusals, GET DB CFG of 11.5, GET SNAPSHOT, LIST DB DIRECTORY, ROLLFORWARD, RESTORE, db2start and db2stop).
//! States that no capture shows are synthetic.

use insta::assert_snapshot;

use super::{Build, Call, Pair, Side, db2};
use crate::db2::{Knobs, PROGRAMS, Stdin, Version};

fn pair(version: Version) -> Pair {
    let knobs = Knobs { version, ..Knobs::default() };
    Pair::formed(&Build { knobs, now_ms: 1_330_525_445_000, ..Build::default() })
}

fn pd(pair: &mut Pair, side: Side) -> String {
    pair.call(side, &Call::new(&["db2pd", "-d", "xcatdb", "-hadr"])).stdout
}

#[test]
fn db2pd_of_each_version_on_both_sides() {
    for version in Version::ALL {
        let mut pair = pair(version);
        for side in Side::BOTH {
            let text = pd(&mut pair, side);
            assert_snapshot!(format!("db2pd_{version:?}_{side:?}_peer").to_lowercase(), text);
        }
    }
}

#[test]
fn db2pd_when_the_connection_is_lost() {
    for version in [Version::V9_7, Version::V11_5] {
        let mut pair = pair(version);
        pair.cut(true);
        pair.advance(61_000);
        let inside = Side::BOTH.map(|side| pd(&mut pair, side)).concat();
        assert_snapshot!(format!("db2pd_{version:?}_disconnected_peer").to_lowercase(), inside);
        pair.advance(121_000);
        let outside = Side::BOTH.map(|side| pd(&mut pair, side)).concat();
        assert_snapshot!(format!("db2pd_{version:?}_after_the_window").to_lowercase(), outside);
    }
}

#[test]
fn everything_else_of_the_oldest_and_the_newest() {
    for version in [Version::V9_7, Version::V11_5] {
        let mut pair = pair(version);
        let mut text = String::new();
        let mut say = |pair: &mut Pair, side: Side, words: &[&str]| {
            let reply = pair.call(side, &Call::new(words).stdin(Stdin::Text("y\n".into())));
            text += &format!("$ {}\n{}[exit {}]\n", words.join(" "), reply.stdout, reply.exit);
        };
        let b = Side::B;
        say(&mut pair, b, &["db2level"]);
        say(&mut pair, b, &["db2ilist"]);
        say(&mut pair, b, &["db2gcf", "-s", "-p", "0", "-i", "xcatdb"]);
        say(&mut pair, b, &["db2", "GET SNAPSHOT FOR DB ON XCATDB"]);
        say(&mut pair, b, &["db2", "GET DB CFG FOR XCATDB"]);
        say(&mut pair, b, &["db2", "UPDATE ALTERNATE SERVER FOR DATABASE XCATDB USING HOSTNAME 10.77.0.11 PORT 60000"]);
        say(&mut pair, b, &["db2", "LIST DB DIRECTORY"]);
        say(&mut pair, b, &["db2", "CONNECT TO XCATDB"]);
        say(&mut pair, b, &["db2stop"]);
        say(&mut pair, b, &["db2", "DEACTIVATE DB XCATDB"]);
        say(&mut pair, b, &["db2pd", "-d", "xcatdb", "-hadr"]);
        say(&mut pair, b, &["db2", "STOP HADR ON DB XCATDB"]);
        say(&mut pair, b, &["db2", "ROLLFORWARD DB XCATDB TO END OF LOGS AND COMPLETE"]);
        say(&mut pair, b, &["db2", "LIST APPLICATIONS"]);
        say(&mut pair, b, &["db2", "CONNECT TO XCATDB"]);
        say(&mut pair, b, &["db2", "LIST APPLICATIONS"]);
        say(&mut pair, b, &["db2pd", "-d", "xcatdb", "-hadr"]);
        say(&mut pair, b, &["db2", "TERMINATE"]);
        say(&mut pair, b, &["db2", "BACKUP DB XCATDB TO /var/lib/db2/backup"]);
        say(&mut pair, b, &["db2", "BACKUP DB XCATDB TO /nowhere"]);
        say(&mut pair, b, &["db2", "FORCE APPLICATIONS ALL"]);
        say(&mut pair, b, &["db2stop"]);
        say(&mut pair, b, &["db2stop"]);
        say(&mut pair, b, &["db2pd", "-d", "xcatdb", "-hadr"]);
        say(&mut pair, b, &["db2", "ACTIVATE DB XCATDB"]);
        say(&mut pair, b, &["db2gcf", "-s", "-p", "0", "-i", "xcatdb"]);
        say(&mut pair, b, &["db2gcf", "-u", "-p", "0", "-i", "xcatdb"]);
        say(&mut pair, b, &["db2start"]);
        say(&mut pair, b, &["db2gcf", "-d", "-p", "0", "-i", "xcatdb"]);
        say(&mut pair, b, &["db2start"]);
        say(&mut pair, b, &["db2", "ACTIVATE DB NOTHERE"]);
        say(&mut pair, b, &["db2", "BACKSUP DB XCATDB"]);
        assert_snapshot!(format!("commands_{version:?}").to_lowercase(), text);
    }
}

#[test]
fn whoever_asks_is_told_that_it_is_a_stand_in() {
    let mut pair = Pair::new(&Build::default());
    for program in PROGRAMS.into_iter().filter(|p| *p != "db2") {
        for word in ["--help", "--version"] {
            let reply = pair.call(Side::A, &Call::new(&[program, word]));
            assert!(reply.stdout.contains("stand-in"), "{program} {word}: {reply:?}");
        }
    }
    let reply = db2(&mut pair, Side::A, "--version");
    assert!(reply.stdout.contains("stand-in"), "{reply:?}");
}

#[test]
fn long_messages_are_broken_at_a_blank_that_stays() {
    let mut pair = pair(Version::V11_5);
    let warned = db2(&mut pair, Side::A, "UPDATE DB CFG FOR XCATDB USING LOGPRIMARY 14").stdout;
    assert!(warned.lines().all(|l| l.chars().count() <= 79) && warned.contains(" \n"), "{warned}");
    pair.knobs(Side::A).wrap = 0;
    let whole = db2(&mut pair, Side::A, "UPDATE DB CFG FOR XCATDB USING LOGPRIMARY 15").stdout;
    assert_eq!(whole.lines().count(), 2, "{whole}");
}
