//! Set-up of HADR: what is refused, what is judged, and that nothing is overwritten that is a primary's, or not known to be none.

mod common;
mod shells;

use std::collections::{BTreeMap, BTreeSet};

use common::{Desk, Machine, done, is, looked, ok, ran};
use journal_schema::{Fact, HadrRole, Kind, Mode, Tri, Verdict};
use workflows::{
    Action, Script, Step, Workflow,
    db2::{drill, setup, sync},
    example,
    model::NodeId,
    step::Place,
    steps::{roles, seed, setup as steps},
    vocabulary::transfer,
};

fn setting(node: &str, name: &str, value: &str) -> Fact {
    Fact::Setting { node: node.into(), name: name.into(), value: value.into() }
}

fn bears(node: &str, holds: Tri) -> Fact {
    Fact::HoldsAddress { node: node.into(), address: "9.114.47.103".into(), holds }
}

/// mn-a is in service and gives its database to mn-b.
fn desk() -> Desk {
    let mut desk = Desk { pair: example::procedure(), ..Desk::new() };
    desk.request.target = NodeId::A;
    desk
}

fn informed() -> Desk {
    let mut desk = desk();
    for node in ["mn-a", "mn-b"] {
        for (name, value) in [
            ("version", "9.7.0.3"),
            ("HADR database role", "STANDARD"),
            ("LOGRETAIN", "OFF"),
            ("LOGARCHMETH1", "OFF"),
            ("TRACKMOD", "NO"),
            ("LOGINDEXBUILD", "OFF"),
            ("INDEXREC", "SYSTEM (RESTART)"),
        ] {
            desk.learn(&[setting(node, name, value)]);
        }
        let service =
            |s: &str, running| Fact::Service { node: node.into(), service: s.into(), running, at_boot: Tri::Yes };
        desk.learn(&[
            service("xcatd", if node == "mn-a" { Tri::Yes } else { Tri::No }),
            Fact::Epoch { node: node.into(), epoch: 1 },
            bears(node, if node == "mn-a" { Tri::Yes } else { Tri::No }),
        ]);
    }
    let image = Fact::BackupImage {
        node: "mn-a".into(),
        timestamp: "20100805161232".into(),
        directory: "/var/lib/db2/backup".into(),
    };
    desk.learn(&[image]);
    desk
}

fn group(statements: &[(&str, i32)]) -> workflows::ActionResult {
    let text: String =
        statements.iter().fold(String::new(), |all, (text, exit)| all + text + &format!("\n\n:exit {exit}\n"));
    ran(statements.iter().map(|(_, e)| *e).find(|e| *e >= 4).unwrap_or(0), &text, "")
}

fn configuration(role: &str, more: &[(&str, &str)]) -> String {
    let mut text = format!(" HADR database role                                      = {role}\n");
    for (name, value) in more {
        text += &format!(" Something ({name}) = {value}\n");
    }
    text
}

const SERVICES: &str = "ssh 22/tcp\nDB2_xcatdb 60000/tcp\nDB2_HADR_1 55001/tcp # ours\n";

fn healthy() -> Machine {
    Machine::default()
        .says("gettimeofday", ok("1768478461100000000\n"))
        .says("db2level", ok("DB21085I  This instance or install uses \"64\" bits and DB2 code release \"SQL09073\".\nInformational tokens are \"DB2 v9.7.0.3\", \"s101006\".\n"))
        .says("db2gcf -s", ok("\nInstance  : xcatdb\nDB2 State : Available\n"))
        .says("GET DB CFG", group(&[(&configuration("STANDARD", &[("LOGRETAIN", "OFF"), ("TRACKMOD", "NO")]), 0)]))
        .says("/etc/services", ok(SERVICES))
        .says("resolves", ok("yes\n"))
}

#[test]
fn both_machines_are_looked_at_before_anything_is_done() {
    let desk = desk();
    let steps = steps::observe(&desk.context());
    let step = steps.iter().find(|s| s.id == "observe.other-database").unwrap();
    let seen = |text: &str, r| looked(step, &healthy().says(text, r));
    let good = looked(step, &healthy());
    is(&good, Verdict::Succeeded, "DB2 on mn-b is ready");
    assert!(good.evidence.contains(&setting("mn-b", "version", "9.7.0.3")), "{:?}", good.evidence);
    assert!(good.evidence.contains(&setting("mn-b", "HADR database role", "STANDARD")));
    is(&seen("db2gcf -s", ran(1, "\nInstance  : xcatdb\nDB2 State : Operable\n", "")), Verdict::Failed, "db2start");
    is(
        &seen("db2level", ran(127, "", "no instance in /var/lib/db2\n")),
        Verdict::Unknown,
        "no instance in /var/lib/db2",
    );
    is(&seen("resolves", ok("no\n")), Verdict::Failed, "cannot resolve the host name aixmn1");
    is(&seen("gettimeofday", ok("1768478471100000000\n")), Verdict::Failed, "ms off");
    let absent = group(&[(
        "SQL1013N  The database alias name or database name \"XCATDB\" could not be found.  SQLSTATE=42705",
        4,
    )]);
    let judgement = seen("GET DB CFG", absent);
    assert!(judgement.evidence.contains(&setting("mn-b", "HADR database role", "absent")));
    is(&judgement, Verdict::Succeeded, "");
    is(&seen("GET DB CFG", ran(124, "", "")), Verdict::Unknown, "configuration of XCATDB");
    is(&seen("/etc/services", ok("DB2_HADR_2 50000/tcp\n")), Verdict::Failed, "wanted is DB2_HADR_2 55002/tcp");
    is(&seen("/etc/services", ok("other 55001/tcp\n")), Verdict::Failed, "other 55001/tcp");
    let mut wrong = desk.clone();
    if let workflows::model::Database::Db2(db2) = &mut wrong.pair.database {
        db2.hadr.services[1].port = db2.port + 1;
    }
    let steps = steps::observe(&wrong.context());
    let step = steps.iter().find(|s| s.id == "observe.other-database").unwrap();
    is(
        &looked(step, &healthy().says("/etc/services", ok("x 1/tcp\n"))),
        Verdict::Failed,
        "the server's own (60000) or the one after it",
    );
}

#[test]
fn t11_t45_nothing_but_a_standard_a_standby_or_nothing_is_overwritten() {
    let desk = informed();
    let weigh = steps::weigh(&desk.context()).remove(0);
    assert_eq!(weigh.place, Place::Node(NodeId::B));
    let role = |step: &Step, r| looked(step, &Machine::default().says("db2", r));
    for may in ["STANDARD", "STANDBY", "absent"] {
        is(&role(&weigh, ok(&format!("{may}\n"))), Verdict::Succeeded, may);
    }
    is(&role(&weigh, ran(9, "PRIMARY\n", "")), Verdict::Failed, "is never overwritten");
    is(&role(&weigh, ran(9, "unknown\n", "")), Verdict::Unknown, "is not overwritten");
    is(&role(&weigh, ran(124, "", "")), Verdict::Unknown, "is not overwritten");
    let mut other = informed();
    other.learn(&[setting("mn-b", "version", "10.5.0.8")]);
    is(&role(&steps::weigh(&other.context())[0], ok("absent\n")), Verdict::Failed, "must be the same");
    let mut standby = informed();
    standby.learn(&[setting("mn-a", "HADR database role", "STANDBY")]);
    is(&role(&steps::weigh(&standby.context())[0], ok("absent\n")), Verdict::Failed, "only one that is in service");

    // After a takeover that dissolved the pair the copy in service is STANDARD, and the dead one's still PRIMARY.
    let mut old = informed();
    old.learn(&[setting("mn-a", "HADR database role", "PRIMARY"), Fact::Epoch { node: "mn-b".into(), epoch: 2 }]);
    let turned = role(&steps::weigh(&old.context())[0], ok("STANDARD\n"));
    is(&turned, Verdict::Failed, "mn-b took over from it, and has what came after");
    is(&turned, Verdict::Failed, "hamn run setup --target mn-b");
    let mut named = informed();
    named.learn(&[bears("mn-b", Tri::Yes)]);
    is(&role(&steps::weigh(&named.context())[0], ok("STANDARD\n")), Verdict::Failed, "mn-b bears the service address");
    named.learn(&[bears("mn-b", Tri::Unknown)]);
    is(&role(&steps::weigh(&named.context())[0], ok("STANDARD\n")), Verdict::Unknown, "was not seen");

    // In the same job as the restore, in this order, each stopping the rest.
    let restore = seed::restore(&desk.context(), NodeId::B, "seed.restore").remove(0);
    let listing = restore.script.listing();
    let lines: Vec<&str> = listing.lines().collect();
    assert!(lines[0].contains("is-machine 'uname -f' 00f6f5d54c004c68"), "{listing}");
    assert!(lines[1].ends_with("only if its role is STANDARD or STANDBY or absent"), "{listing}");
    assert!(lines[lines.len() - 2].ends_with("only if its role is STANDARD or absent"), "{listing}");
    let last = lines[lines.len() - 1];
    assert!(last.contains("RESTORE DATABASE XCATDB FROM /var/lib/db2/backup TAKEN AT 20100805161232 REPLACE HISTORY FILE WITHOUT PROMPTING"), "{last}");
    for at in [0, 1, lines.len() - 2] {
        assert_eq!(restore.script.actions[at].1, workflows::script::OnFailure::Stop, "{}", lines[at]);
    }
    assert!(!listing.contains("yes |"));
}

#[test]
fn a_restore_is_judged_by_its_codes_and_by_what_waits_for_the_log() {
    let desk = informed();
    let restore = seed::restore(&desk.context(), NodeId::B, "seed.restore").remove(0);
    let warned = group(&[(
        "SQL2539W  Warning!  Restoring to an existing database that is the same as the backup image database.  The database files will be deleted.\nDB20000I  The RESTORE DATABASE command completed successfully.",
        2,
    )]);
    let pending =
        configuration("STANDARD", &[]) + " Rollforward pending                                     = DATABASE\n";
    let machine = Machine::default()
        .says("db2", group(&[("DB20000I", 0)]))
        .says("is-machine", ok("00f6f5d54c004c68\n"))
        .says("db2-role-is", ok("STANDARD\n"))
        .says("db2-applications", ok("none\n"))
        .says("RESTORE", warned)
        .says("GET DB CFG", group(&[(&pending, 0)]));
    is(&done(&restore, &machine), Verdict::Succeeded, "waits for the log");
    let with = |text: &str, r| done(&restore, &machine.clone().says(text, r));
    is(&with("is-machine", ran(9, "00f6f5d54c004c67\n", "")), Verdict::Failed, "this is not mn-b");
    is(&with("db2-role-is", ran(9, "PRIMARY\n", "")), Verdict::Failed, "is PRIMARY: it is not overwritten");
    is(&with("db2-role-is", ran(124, "", "")), Verdict::Failed, "nothing was restored");
    let used = "SQL1035N  The database is currently in use.  SQLSTATE=57019";
    is(&with("RESTORE", group(&[(used, 4)])), Verdict::Failed, "stop xcatd here and on every service node");
    is(&with("RESTORE", ran(124, "", "")), Verdict::Failed, "is to be done again");
    let not = configuration("STANDARD", &[]) + " Rollforward pending                                     = NO\n";
    is(&with("GET DB CFG", group(&[(&not, 0)])), Verdict::Failed, "does not wait for the log");
}

/// The timestamp is the message's, and of this backup.
#[test]
fn t28_the_image_is_the_one_that_was_made() {
    let desk = informed();
    let backup = seed::backup(&desk.context(), NodeId::A, "seed.backup").remove(0);
    let message = "\nBackup successful. The timestamp for this backup image is : 20100805161232\n";
    let machine = |stamp: workflows::ActionResult, made: &str| {
        Machine::default()
            .says("db2", group(&[("DB20000I", 0)]))
            .says("directory", ok(""))
            .says("mark", ok(""))
            .says("db2-applications", ok("none\n"))
            .says("BACKUP DB", stamp)
            .says("made-since", ok(made))
    };
    let made = "XCATDB.0.xcatdb.NODE0000.CATN0000.20100805161232.001\n:end\n";
    // Whatever hour it is for anybody else: the stamp is in the server's own time, and no clock is asked.
    let seen = done(&backup, &machine(group(&[(message, 0)]), made));
    is(&seen, Verdict::Succeeded, "the image is 20100805161232");
    let image = Fact::BackupImage {
        node: "mn-a".into(),
        timestamp: "20100805161232".into(),
        directory: "/var/lib/db2/backup".into(),
    };
    assert_eq!(seen.evidence, [image]);
    // What it names lay there before, or is nowhere.
    let tomorrow = made.replace("0805", "0806");
    is(&done(&backup, &machine(group(&[(message, 0)]), &tomorrow)), Verdict::Failed, "it is another one");
    is(&done(&backup, &machine(group(&[(message, 0)]), ":end\n")), Verdict::Failed, "since it began: none");
    is(&done(&backup, &machine(group(&[(message, 0)]), &made[..20])), Verdict::Unknown, "could not be seen");
    let silent = group(&[("DB20000I  The BACKUP DATABASE command completed successfully.", 0)]);
    is(&done(&backup, &machine(silent, made)), Verdict::Unknown, "without the timestamp");
    let used = group(&[("SQL1035N  The database is currently in use.  SQLSTATE=57019", 4)]);
    is(&done(&backup, &machine(used, made)), Verdict::Failed, "SQL1035N");
    assert!(!backup.look_first, "an older image proves nothing");
}

/// LOGRETAIN up to 9.7, LOGARCHMETH1 from 10 on, and neither where the log is archived already; on both machines; and back again.
#[test]
fn t46_the_log_is_kept_by_the_parameter_of_the_version() {
    let mut desk = informed();
    let steps = steps::configure(&desk.context());
    assert_eq!([steps[0].place, steps[1].place], [Place::Node(NodeId::A), Place::Node(NodeId::B)]);
    let text = steps[0].script.listing();
    assert!(text.contains("UPDATE DB CFG FOR XCATDB USING LOGRETAIN ON"), "{text}");
    assert!(
        text.contains("TRACKMOD ON") && text.contains("LOGINDEXBUILD ON") && text.contains("INDEXREC RESTART"),
        "{text}"
    );
    let back = steps[0].undo.as_ref().unwrap().script.listing();
    assert!(
        back.contains("LOGRETAIN OFF") && back.contains("TRACKMOD OFF") && back.contains("INDEXREC SYSTEM;"),
        "{back}"
    );
    assert!(
        steps[0].title.contains("pile up") && !steps[1].title.contains("pile up"),
        "who keeps logs is told what becomes of them"
    );
    desk.learn(&[setting("mn-a", "version", "10.5.0.8"), setting("mn-b", "version", "10.5.0.8")]);
    let text = steps::configure(&desk.context())[0].script.listing();
    assert!(text.contains("LOGARCHMETH1 LOGRETAIN") && !text.contains("USING LOGRETAIN"), "{text}");
    desk.learn(&[setting("mn-a", "LOGARCHMETH1", "DISK:/var/db2/archive/")]);
    let text = steps::configure(&desk.context())[0].script.listing();
    assert!(!text.contains("LOGARCHMETH1"), "an archive that is there is left alone: {text}");
    desk.learn(&[setting("mn-b", "HADR database role", "absent")]);
    assert_eq!(steps::configure(&desk.context()).len(), 1, "there is nothing to configure yet");
}

/// What was written since the mark, by the file system's own word; whatever the zone of whoever asks.
#[test]
fn t28_only_what_was_made_since_the_mark_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", dir.path().display());
    let run = |shell: &str, command: &workflows::Command| {
        let out =
            std::process::Command::new(shell).args(&command.argv[1..]).env("TZ", "Asia/Kathmandu").output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let long_ago = |name: &str| {
        let file = std::fs::File::create(path(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600)).unwrap();
    };
    for shell in shells::shells() {
        let (mark, start) = (path(".hamn-mark"), path("XCATDB"));
        let since = transfer::made_since(&mark, &start);
        assert_eq!(run(shell, &since).0, Some(1), "{shell}: without a mark nothing is known");
        long_ago("XCATDB.0.xcatdb.NODE0000.CATN0000.20990805161232.001");
        assert_eq!(run(shell, &transfer::mark(&mark)), (Some(0), String::new()));
        assert_eq!(run(shell, &since), (Some(0), ":end\n".to_owned()), "{shell}: a stale image of a day to come");
        assert!(!std::path::Path::new(&mark).exists());
        run(shell, &transfer::mark(&mark));
        let made = "XCATDB.0.xcatdb.NODE0000.CATN0000.20100805161232.001";
        std::fs::write(path(made), "image").unwrap();
        assert_eq!(run(shell, &since), (Some(0), format!("{made}\n:end\n")), "{shell}");
        std::fs::remove_file(path(made)).unwrap();
    }
}

/// The changed log parameter puts the database in service into *backup pending*: what is undone must let xcatd in again.
#[test]
fn t46_a_rollback_leaves_no_backup_pending() {
    let desk = informed();
    let steps = steps::configure(&desk.context());
    let undo = steps[0].undo.as_ref().unwrap();
    let lines = undo.script.listing();
    let backup = lines.find("BACKUP DB XCATDB TO /var/lib/db2/backup").expect("an offline backup");
    assert!(lines.find("LOGRETAIN OFF").unwrap() < backup, "{lines}");
    assert!(!steps[1].undo.as_ref().unwrap().script.listing().contains("BACKUP"), "what is overwritten needs none");
    let pending = |answer: &str| {
        let config = configuration("STANDARD", &[]) + &format!(" Backup pending    = {answer}\n");
        let done = group(&[("DB20000I", 0), ("DB20000I", 0), ("DB20000I", 0), ("DB20000I", 0)]);
        let machine =
            Machine::default().says("db2", done).says("directory", ok("")).says("GET DB CFG", group(&[(&config, 0)]));
        (undo.judge)(&machine.answer(&undo.script.clone().followed_by(&undo.probe)))
    };
    is(&pending("NO"), Verdict::Succeeded, "all statements are done");
    is(&pending("YES"), Verdict::Failed, "as xcatdb, while nobody is connected: db2 BACKUP DB XCATDB TO");
    is(&pending("?"), Verdict::Unknown, "could not be seen");
}

#[test]
fn t43_t44_each_side_knows_the_other() {
    let desk = informed();
    let tied = steps::tie(&desk.context());
    let (here, there) = (tied[0].script.listing(), tied[1].script.listing());
    for (text, expected) in [
        (
            &here,
            [
                "HADR_LOCAL_HOST 9.114.47.103",
                "HADR_LOCAL_SVC DB2_HADR_1",
                "HADR_REMOTE_HOST 9.114.47.104",
                "HADR_REMOTE_SVC DB2_HADR_2",
                "HOSTNAME 9.114.47.104 PORT 60000",
            ],
        ),
        (
            &there,
            [
                "HADR_LOCAL_HOST 9.114.47.104",
                "HADR_LOCAL_SVC DB2_HADR_2",
                "HADR_REMOTE_HOST 9.114.47.103",
                "HADR_REMOTE_SVC DB2_HADR_1",
                "HOSTNAME 9.114.47.103 PORT 60000",
            ],
        ),
    ] {
        for word in expected.into_iter().chain([
            "HADR_REMOTE_INST xcatdb",
            "HADR_SYNCMODE NEARSYNC",
            "HADR_TIMEOUT 60",
            "HADR_PEER_WINDOW 120",
            "LOGRETAIN ON",
        ]) {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(!text.contains("QUIESCE") && !text.contains("USING cluster"), "{text}");
    }
    let values = [
        ("LOGRETAIN", "RECOVERY"),
        ("TRACKMOD", "YES"),
        ("LOGINDEXBUILD", "ON"),
        ("INDEXREC", "RESTART"),
        ("HADR_LOCAL_HOST", "9.114.47.103"),
        ("HADR_LOCAL_SVC", "DB2_HADR_1"),
        ("HADR_REMOTE_HOST", "9.114.47.104"),
        ("HADR_REMOTE_SVC", "DB2_HADR_2"),
        ("HADR_REMOTE_INST", "xcatdb"),
        ("HADR_SYNCMODE", "NEARSYNC"),
        ("HADR_TIMEOUT", "60"),
        ("HADR_PEER_WINDOW", "120"),
    ];
    let directory = |host: &str| {
        group(&[(format!(" Database alias                       = XCATDB\n Alternate server hostname            = {host}\n Alternate server port number         = 60000\n").as_str(), 0)])
    };
    let machine = |values: &[(&str, &str)], host: &str| {
        Machine::default()
            .says("GET DB CFG", group(&[(&configuration("STANDARD", values), 0)]))
            .says("LIST DB", directory(host))
    };
    is(&looked(&tied[0], &machine(&values, "9.114.47.104")), Verdict::Succeeded, "all 12 parameters");
    is(&looked(&tied[0], &machine(&values, "")), Verdict::Failed, "the alternate server is \"\"");
    let mut short = values;
    short[10].1 = "3";
    is(&looked(&tied[0], &machine(&short, "9.114.47.104")), Verdict::Failed, "HADR_TIMEOUT on mn-a is \"3\", not 60");
    is(&looked(&tied[0], &machine(&values[..11], "9.114.47.104")), Verdict::Failed, "missing");
}

const PEER: &str = "Database Partition 0 -- Database XCATDB -- Active -- Up 0 days 01:17:11\n\nHADR Information:\nRole    State                SyncMode HeartBeatsMissed   LogGapRunAvg (bytes)\nPrimary Peer                 Nearsync 0                  0\n\nConnectStatus ConnectTime                           Timeout\nConnected     Thu Aug  5 20:33:00 2010 (1281011580) 60\n\nPeerWindowEnd                         PeerWindow\nThu Aug  5 21:52:07 2010 (1281016327) 120\n\nLocalHost                                LocalService\n9.114.47.103                             DB2_HADR_1\n\nRemoteHost                               RemoteService      RemoteInstance\n9.114.47.104                             DB2_HADR_2         xcatdb\n\nPrimaryFile  PrimaryPg  PrimaryLSN\nS0000002.LOG 66         0x000000000FA4869D\n\nStandByFile  StandByPg  StandByLSN\nS0000002.LOG 66         0x000000000FA4869D\n";

/// "Completed successfully" proves nothing; the state does, on both sides, after some time.
#[test]
fn t69_started_is_not_paired() {
    let desk = informed();
    let both = steps::verify(&desk.context());
    assert!(
        both.iter().all(|s| s.retries >= 7 && s.retry_pause_ms >= 1_000),
        "it is looked at until the standby has caught up"
    );
    let seen = |text: &str| {
        looked(&both[0], &Machine::default().says("db2pd", ok(text)).says("gettimeofday", ok("1281016200000000000\n")))
    };
    is(&seen(PEER), Verdict::Succeeded, "is primary, in peer state, connected");
    is(&seen(&PEER.replace("Primary Peer  ", "Primary RemoteCatchup  ")), Verdict::Failed, "not in peer state yet");
    is(&seen(&PEER.replace("Connected     ", "Disconnected  ")), Verdict::Failed, "its partner is Disconnected");
    is(&seen(&PEER.replace("Primary Peer", "Standby Peer")), Verdict::Failed, "is standby, not primary");
    is(
        &seen("Option -hadr requires -db <database> or -alldbs option and active database.\n"),
        Verdict::Failed,
        "not understood",
    );
    let start = steps::start_primary(&desk.context()).remove(0);
    let started = |said: (&str, i32)| {
        let machine = Machine::default().says("db2", group(&[("DB20000I", 0)])).says("db2-applications", ok("none\n"));
        done(&start, &machine.says("db2pd", ok(PEER)).says("START HADR", group(&[said])))
    };
    is(
        &started(("DB20000I  The START HADR ON DATABASE command completed successfully.", 0)),
        Verdict::Succeeded,
        "is primary",
    );
    is(&started(("SQL1777N  HADR is already started.", 4)), Verdict::Succeeded, "is primary");
    is(
        &started(("SQL1768N  Unable to start HADR. Reason code = \"7\".", 4)),
        Verdict::Failed,
        "the standby must be started first",
    );
    is(
        &started(("SQL1768N  Unable to start HADR. Reason code = \"4\".", 4)),
        Verdict::Failed,
        "no address of this machine",
    );
    let change = roles::change(&desk.context(), NodeId::B, "drill.takeover", "").remove(0);
    assert!(
        change.script.listing().contains("TAKEOVER HADR ON DATABASE XCATDB")
            && !change.script.listing().contains("FORCE")
    );
    assert_eq!(roles::name(HadrRole::Standby), "standby");
}

/// Copies go to the pinned machine by its pinned key at addresses that never move, and ask nothing.
#[test]
fn t17_t25_t71_the_copy_asks_nothing_and_mistakes_nobody() {
    let desk = informed();
    let copy = seed::copy(&desk.context(), NodeId::A, "seed.copy", "/var/lib/hamn/known-hosts").remove(0);
    let Action::Run(command) = &copy.script.actions[0].0 else { panic!("{copy:?}") };
    let text = command.argv.join(" ");
    for word in [
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "HostKeyAlias=$a",
        "XCATDB.0.*.20100805161232.*",
        "10.1.47.104 10.2.47.104",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    for text in [text, copy.script.listing()] {
        assert!(!text.contains("9.114.47"), "addresses that swap designate nobody: {text}");
    }
    let node = &desk.pair.nodes[1];
    assert_eq!(transfer::known_hosts(node), format!("mn-b {}\n", node.host_keys[0]));
    let seen = |r| looked(&copy, &Machine::default().says("compare", r));
    is(&seen(ok("same\n")), Verdict::Succeeded, "the same on mn-a and mn-b");
    is(&seen(ok("other\n")), Verdict::Failed, "is not on mn-b");
    is(
        &seen(ran(1, "", "ssh: connect to host 10.1.47.104 port 22: timed out\n")),
        Verdict::Unknown,
        "could not be compared",
    );
    assert_eq!(steps::conflict("a 1/tcp\nb 2/tcp\n", "a", 1), None);
    assert_eq!(steps::conflict("a 1/tcp\nb 2/udp\n", "c", 2), None, "another protocol");
    assert_eq!(steps::conflict("a 1/tcp # c 9/tcp\n", "c", 3), None, "a comment");
}

fn all() -> Vec<(Workflow, Desk)> {
    let mut standby = informed();
    standby.request.target = NodeId::B;
    vec![
        (setup::workflow(), informed()),
        (setup::workflow(), desk()),
        (drill::workflow(), standby.clone()),
        (sync::workflow(), standby),
    ]
}

fn planned(desk: &Desk, workflow: &Workflow) -> Vec<(Kind, Step)> {
    workflow.rows.iter().flat_map(|r| (r.steps)(&desk.context()).into_iter().map(move |s| (r.kind, s))).collect()
}

#[test]
fn the_tables_are_whole() {
    for (workflow, desk) in all() {
        let mut state = workflow.initial.as_str();
        let mut pivots = 0;
        for row in &workflow.rows {
            assert_eq!(row.from.as_str(), state, "{}: one path", workflow.name);
            state = row.to.as_str();
            pivots += u32::from(row.kind == Kind::Pivot);
            assert_eq!(pivots, u32::from(row.kind != Kind::Reversible), "{}: {}", workflow.name, row.name);
            assert!(!(row.steps)(&desk.context()).is_empty(), "{}: {}", workflow.name, row.name);
        }
        assert_eq!((state, workflow.rows.len() + 1), (workflow.goal.as_str(), workflow.states.len()));
        let mut ids = BTreeSet::new();
        for (kind, step) in planned(&desk, &workflow) {
            assert!(ids.insert(step.id.clone()), "{}: two {}", workflow.name, step.id);
            match (kind, step.mode) {
                (_, Mode::Observe) => assert!(step.script.is_empty() && step.undo.is_none(), "{}", step.id),
                (Kind::Reversible, _) => assert!(step.undo.is_some(), "{} cannot be undone", step.id),
                _ => assert!(step.undo.is_none(), "{} is not to be undone", step.id),
            }
            let job = workflows::steps::seconds(&step.script) + workflows::steps::seconds(&step.probe);
            assert!(step.timeout_s > job, "{}", step.id);
        }
    }
}

/// Looks change nothing.
#[test]
fn looks_write_nothing() {
    for (workflow, desk) in all() {
        for (_, step) in planned(&desk, &workflow) {
            let script: &Script = &step.probe;
            for (action, _) in &script.actions {
                let Action::Run(command) = action else { panic!("{}: {action:?}", step.id) };
                let text = command.argv.join(" ");
                for word in [
                    "UPDATE ",
                    "RESTORE ",
                    "BACKUP ",
                    "START HADR",
                    "STOP HADR",
                    "TAKEOVER",
                    "DEACTIVATE",
                    "FORCE APP",
                    "db2gcf -u",
                    "mkdef",
                    "rmdef",
                    "mktcpip",
                    "chdev",
                    "startsrc",
                    "stopsrc",
                    "chitab",
                    "scp ",
                ] {
                    assert!(!text.contains(word), "{}: {text}", step.id);
                }
            }
        }
    }
}

/// Every step of 5.1.9, in its order.
#[test]
fn t54_the_drill_is_the_procedures() {
    let (workflow, desk) = all().remove(2);
    let mut sections: Vec<&str> =
        planned(&desk, &workflow).iter().map(|(_, s)| s.section).filter(|s| s.starts_with("5.1.9")).collect();
    sections.dedup();
    let step = |machine: &str, n: u32| format!("5.1.9 {machine} step {n}");
    let expected: Vec<String> = (1..=3)
        .map(|n| step("primary", n))
        .chain((1..=5).map(|n| step("standby", n)))
        .chain((1..=3).map(|n| step("primary again", n)))
        .collect();
    assert_eq!(sections, expected);
    let forms: BTreeMap<String, String> =
        planned(&desk, &workflow).into_iter().map(|(_, s)| (s.id.clone(), s.script.listing())).collect();
    assert!(forms.values().filter(|t| t.contains("TAKEOVER")).all(|t| !t.contains("FORCE")), "both plain");
    assert_eq!(forms.values().filter(|t| t.contains("TAKEOVER")).count(), 2);
}

/// The procedure's own example, corrected, on full evidence: what would be run, where, in which order, by which section.
#[test]
fn plan_of_the_procedure() {
    let plan = workflows::Plan::new(&setup::workflow(), &informed().context());
    insta::assert_snapshot!("procedure_setup", common::plan_text(&plan));
}

/// A resume looks again at what a reboot takes away; what the run itself takes away later is not among it.
#[test]
fn a_resume_does_not_put_back_what_the_run_took_away() {
    for (workflow, desk) in all() {
        for (_, step) in planned(&desk, &workflow) {
            let passes = ["drill.start", "drill.stop-primary", "drill.start-standby", "drill.stop-standby"]
                .contains(&step.id.as_str())
                || step.id.starts_with("disconnect.")
                || step.id.starts_with("service-node.stop");
            assert!(!(passes && step.volatile), "{}", step.id);
        }
    }
}
