//! The databases: roles, log, streaming, configuration, loss.

use super::*;

fn position(world: &mut World, id: NodeId, text: &str) -> Vec<String> {
    ask(world, id, text).stdout.trim_end().split('|').map(str::to_owned).collect()
}

fn controldata(world: &mut World, id: NodeId) -> String {
    let pg = world.pair().postgres().clone();
    on(world, id, vocabulary::controldata(&pg)).stdout
}

#[test]
fn the_healthy_pair_streams() {
    let mut w = world();
    assert_eq!(role(&mut w, A), "primary|7411000000000000001|1");
    assert_eq!(role(&mut w, B), "standby|7411000000000000001|1");
    assert!(w.streaming() && w.served());
    w.advance(10_000);
    let primary = position(&mut w, A, sql::PRIMARY_POSITION);
    assert_eq!(primary[1..], ["1", "0"]);
    let standby = position(&mut w, B, sql::STANDBY_POSITION);
    assert_eq!((&standby[0], &standby[1]), (&primary[0], &primary[0]));
    assert_eq!(standby[4], "streaming");
    assert!(!standby[2].is_empty() && !standby[3].is_empty());
    assert!(w.acknowledged_rows() > 40);
    assert_eq!((w.lost_rows(), w.lost_ms(), w.lost_bytes()), (0, 0, 0));
}

#[test]
fn questions_to_the_wrong_role_are_errors() {
    let mut w = world();
    assert!(ask(&mut w, B, sql::PRIMARY_POSITION).stderr.contains("recovery is in progress"));
    let promoted = ask(&mut w, A, sql::PROMOTE);
    assert_eq!(promoted.exit, Some(1));
    assert!(promoted.stderr.contains("recovery is not in progress"));
    let empty = position(&mut w, A, sql::STANDBY_POSITION);
    assert_eq!(empty[..5], ["", "", "", "", ""]);
}

#[test]
fn nobody_answers_where_no_server_runs() {
    let mut w = world();
    w.kill_database(B);
    let result = ask(&mut w, B, sql::ROLE);
    assert_eq!(result.exit, Some(2));
    assert!(result.stderr.contains("No such file or directory"));
    let pg = w.pair().postgres().clone();
    assert_eq!(on(&mut w, B, vocabulary::psql(&pg, "nosuch", sql::ROLE)).exit, Some(2));
    assert_eq!(on(&mut w, A, vocabulary::psql(&pg, "postgres", sql::ROLE).user("root")).exit, Some(2));
}

#[test]
fn a_clean_shutdown_ships_its_checkpoint() {
    let mut w = world();
    w.advance(3_000);
    assert!(database(&mut w, A, "stop").ok());
    let control = controldata(&mut w, A);
    assert!(control.contains("Database cluster state:               shut down\n"), "{control}");
    let at = control.lines().find_map(|l| l.strip_prefix("Latest checkpoint location:")).unwrap().trim();
    let checkpoint = u64::from_str_radix(at.split_once('/').unwrap().1, 16).unwrap();
    let received: u64 = position(&mut w, B, sql::STANDBY_POSITION)[0].parse().unwrap();
    assert!(received > checkpoint, "{received} {checkpoint}");
    assert_eq!(position(&mut w, B, sql::STANDBY_POSITION)[4], "", "the stream ended with a word");
    let again = database(&mut w, A, "stop");
    assert_eq!((again.exit, again.stderr.as_str()), (Some(2), "Cluster is not running.\n"));
}

#[test]
fn a_crash_does_not() {
    let mut w = world();
    w.kill_database(A);
    assert!(controldata(&mut w, A).contains("in production"));
    assert!(database(&mut w, A, "start").ok());
    assert_eq!(role(&mut w, A), "primary|7411000000000000001|1");
    assert!(w.streaming());
}

#[test]
fn a_silent_death_shows_the_stream_for_a_minute() {
    let mut w = world();
    w.power(A, false);
    w.advance(30_000);
    assert_eq!(position(&mut w, B, sql::STANDBY_POSITION)[4], "streaming");
    let before = position(&mut w, B, sql::STANDBY_POSITION)[3].clone();
    w.advance(10_000);
    assert_eq!(position(&mut w, B, sql::STANDBY_POSITION)[3], before, "the last message grows old");
    w.advance(30_000);
    assert_eq!(position(&mut w, B, sql::STANDBY_POSITION)[4], "");
}

#[test]
fn promotion_begins_a_timeline() {
    let mut w = world();
    w.power(A, false);
    assert_eq!(ask(&mut w, B, sql::PROMOTE).stdout, "t\n");
    assert_eq!(role(&mut w, B), "primary|7411000000000000001|2");
    assert!(w.file(B, "/var/lib/postgresql/15/main/standby.signal").is_none());
    assert_eq!(w.effect_count("promote b"), 1);
    assert!(database(&mut w, B, "restart").ok());
    assert_eq!(role(&mut w, B), "primary|7411000000000000001|2");
}

#[test]
fn a_diverged_primary_cannot_follow_and_one_that_stepped_down_can() {
    for graceful in [false, true] {
        let mut w = world();
        if graceful {
            database(&mut w, A, "stop");
        } else {
            w.cut(A, super::super::Network::Both, true);
            w.advance(5_000);
            w.kill_database(A);
            // What it wrote while nobody received it is on its log: it restarts alone and writes its end.
            w.put_file(A, "/nothing", "");
            database_start_alone(&mut w);
        }
        ask(&mut w, B, sql::PROMOTE);
        w.advance(1_000);
        w.put_file(A, "/var/lib/postgresql/15/main/standby.signal", "");
        w.put_file(A, "/var/lib/postgresql/15/main/postgresql.auto.conf", "primary_conninfo = 'host=10.77.0.12'\n");
        w.cut(A, super::super::Network::Both, false);
        database(&mut w, A, "start");
        assert_eq!(w.streaming(), graceful);
        assert_eq!(role(&mut w, A), format!("standby|7411000000000000001|{}", if graceful { 2 } else { 1 }));
    }
}

fn database_start_alone(w: &mut World) {
    assert!(database(w, A, "start").ok());
    w.kill_database(A);
}

#[test]
fn loss_is_what_was_acknowledged_and_not_received() {
    let mut w = world();
    w.lag(2_000);
    w.advance(10_000);
    w.power(A, false);
    ask(&mut w, B, sql::PROMOTE);
    let lost = w.lost_rows();
    assert!((7..=9).contains(&lost), "{lost}");
    assert!((2_000..=2_250).contains(&w.lost_ms()), "{}", w.lost_ms());
    assert!(w.lost_bytes() > 0);
    let commit: u64 = position(&mut w, B, sql::STANDBY_POSITION)[5].parse().unwrap();
    assert!(commit > 0);
}

#[test]
fn synchronous_commits_are_never_lost_and_wait_for_the_standby() {
    let mut w = world();
    w.synchronous(true);
    assert_eq!(position(&mut w, A, sql::PRIMARY_POSITION)[1..], ["1", "1"]);
    w.advance(5_000);
    let rows = w.acknowledged_rows();
    w.cut(B, super::super::Network::Both, true);
    w.advance(5_000);
    assert_eq!(w.acknowledged_rows(), rows, "nothing is acknowledged without the standby");
    w.power(A, false);
    ask(&mut w, B, sql::PROMOTE);
    assert_eq!(w.lost_rows(), 0);
}

#[test]
fn t49_configuration_in_the_wrong_file_keeps_the_server_down() {
    let pg = pair().postgres().clone();
    let (conf, hba) = ("/etc/postgresql/15/main/postgresql.conf", "/etc/postgresql/15/main/pg_hba.conf");
    let rule = "host    all   all   10.77.0.0/24   md5";
    let ensure = |path: &str, line: &str| Action::EnsureLine { path: path.into(), line: line.into() };

    let mut w = world();
    assert!(on(&mut w, B, vocabulary::config_test(&pg)).ok());
    act(&mut w, B, ensure(conf, rule));
    let tested = on(&mut w, B, vocabulary::config_test(&pg));
    assert!(!tested.ok() && tested.stderr.contains("syntax error"), "{}", tested.stderr);
    assert_eq!(role(&mut w, B), "standby|7411000000000000001|1", "the running server does not mind");
    assert!(!database(&mut w, B, "restart").ok());
    assert_eq!(ask(&mut w, B, sql::ROLE).exit, Some(2));

    let mut w = world();
    assert_eq!(ask(&mut w, B, sql::HBA_ERRORS).text(), Some("0"));
    act(&mut w, B, ensure(hba, "listen_addresses = '*'"));
    assert_eq!(ask(&mut w, B, sql::HBA_ERRORS).text(), Some("1"));
    assert!(on(&mut w, B, vocabulary::config_test(&pg)).ok(), "the test does not read pg_hba.conf");
    assert_eq!(ask(&mut w, B, sql::RELOAD).text(), Some("t"), "a reload says yes and keeps the former rules");
    assert!(w.streaming());
    assert!(!database(&mut w, B, "restart").ok());
}

#[test]
fn a_server_listens_where_it_could_when_it_started() {
    let mut w = world();
    let pg = w.pair().postgres().clone();
    assert_eq!(ask(&mut w, B, sql::LISTEN).text(), Some("localhost,10.77.0.12"));
    let answers =
        |w: &mut World, address: &str| at(w, Place::Controller, vocabulary::database_answers(&pg, address)).exit;
    assert_eq!(answers(&mut w, SERVICE), Some(0));
    assert_eq!(answers(&mut w, "10.77.0.12"), Some(0));
    assert_eq!(answers(&mut w, "10.78.0.12"), Some(2));
    // In the configuration before the address is there: left out with a warning, and not served when it comes.
    let listen = Action::ReplaceInLines {
        path: "/etc/postgresql/15/main/postgresql.conf".into(),
        line_prefix: "listen_addresses".into(),
        after: "'".into(),
        until: "'".into(),
        value: format!("localhost,10.77.0.12,{SERVICE}"),
    };
    act(&mut w, B, listen);
    database(&mut w, B, "restart");
    w.power(A, false);
    take_address(&mut w, B);
    assert_eq!(answers(&mut w, SERVICE), Some(2));
    database(&mut w, B, "restart");
    assert_eq!(answers(&mut w, SERVICE), Some(0));
}

#[test]
fn a_prepared_pair_needs_no_edit() {
    let mut w = World::healthy_prepared(&pair());
    assert!(w.streaming() && w.served());
    w.power(A, false);
    ask(&mut w, B, sql::PROMOTE);
    take_address(&mut w, B);
    assert!(w.served());
}

#[test]
fn an_empty_data_directory_is_another_database() {
    let mut w = world();
    w.empty_database(B);
    assert!(!w.streaming());
    let pg = w.pair().postgres().clone();
    assert!(!on(&mut w, B, vocabulary::psql(&pg, "xcatdb", sql::CLUSTER_NODES)).ok());
    assert_ne!(role(&mut w, B), "standby|7411000000000000001|1");
}

#[test]
fn debian_s_wrapper_unit_says_yes_whatever_happens() {
    let mut p = pair();
    let workflows::model::Database::Postgres(pg) = &mut p.database else { panic!("the practice pair has PostgreSQL") };
    pg.control = ["systemctl", "{action}", "postgresql"].map(String::from).to_vec();
    let mut w = World::healthy(&p);
    w.put_file(B, "/etc/postgresql/15/main/postgresql.conf", "host all all\n");
    assert!(database(&mut w, B, "restart").ok());
    assert_eq!(ask(&mut w, B, sql::ROLE).exit, Some(2));
}
