//! A machine of the procedure's pair that answers what DB2 would: `db2pd` of 10.1, parameters, directory. What a test says after it
//! counts for more.

use crate::common::{Desk, Machine, NO_FILE, db2_desk, ok, ran};
use journal_schema::{DatabaseRole, Fact, HadrConnection as C, HadrRole as R, HadrState as S, Tri, Verdict};
use workflows::{Step, model::Flavour, registry};

/// Milliseconds since 1970 by the clock of the machine.
pub(crate) const NOW: u64 = 1_768_478_461_100;

/// What `db2pd` prints; a window that ends a minute from now, positions that are equal.
pub(crate) fn db2pd(role: &str, state: &str, connection: &str) -> String {
    format!(
        "Database Member 0 -- Database XCATDB -- Active -- Up 0 days 00:41:00 -- Date 2026-01-15-12.01.01.100000\n\n\
         HADR_ROLE = {role}\nSTANDBY_ID = {id}\nHADR_SYNCMODE = NEARSYNC\nHADR_STATE = {state}\nHADR_CONNECT_STATUS = {connection}\n\
         HADR_CONNECT_STATUS_TIME = 01/15/2026 12:00:31.000000 (1768478431)\nHADR_TIMEOUT(seconds) = 60\n\
         TIME_SINCE_LAST_RECV(seconds) = 1\nPRIMARY_LOG_FILE,PAGE,POS = S0000012.LOG, 66, 5000\n\
         STANDBY_LOG_FILE,PAGE,POS = S0000012.LOG, 66, 5000\nPEER_WINDOW(seconds) = 120\n\
         PEER_WINDOW_END = 01/15/2026 12:02:01.000000 (1768478521)\n",
        id = u8::from(role == "PRIMARY"),
    )
}

pub(crate) const INACTIVE: &str = "Database XCATDB not activated on database member 0 or this database name cannot be found in the local database directory.\n";

/// The parameters and the directory, as one call asks for both; `own` and `partner` are the ends of HADR.
pub(crate) fn config(role: &str, pending: &str, own: &str, partner: &str) -> String {
    format!(
        " HADR database role                                      = {role}\n Rollforward pending = {pending}\n Backup pending = NO\n \
         HADR local host name (HADR_LOCAL_HOST) = {own}\n HADR local service name (HADR_LOCAL_SVC) = DB2_HADR_2\n \
         HADR remote host name (HADR_REMOTE_HOST) = {partner}\n HADR remote service name (HADR_REMOTE_SVC) = DB2_HADR_1\n \
         HADR timeout value (HADR_TIMEOUT) = 60\n HADR peer window duration (seconds) (HADR_PEER_WINDOW) = 120\n \
         HADR log write synchronization mode (HADR_SYNCMODE) = NEARSYNC\n\n:exit 0\n \
         Database alias = XCATDB\n Alternate server hostname = {partner}\n Alternate server port number = 60000\n\n:exit 0\n"
    )
}

/// The standby mn-b, or whatever `db2pd` and the configuration say of it.
pub(crate) fn machine(role: &str, state: &str, connection: &str) -> Machine {
    Machine::default()
        .says("gettimeofday", ok(&format!("{NOW}000000\n")))
        .says("uname -f", ok(&format!("{}\n", db2_desk().pair.nodes[1].machine_id)))
        .says("who -b", ok("   .        system boot Aug 05 20:33     \n"))
        .says("hostname", ok("aixmn2\n"))
        .says("ifconfig -a", ok("en1: flags=1<UP>\n\tinet 9.114.47.104 netmask 0xffffffc0 broadcast 9.114.47.127\n"))
        .says("db2pd", ok(&db2pd(role, state, connection)))
        .says("GET DB CFG", ok(&config(role, "NO", "9.114.47.104", "9.114.47.103")))
        .says("GET DBM CFG", ok(" TCP/IP Service name (SVCENAME) = 60000\n Cluster manager =\n\n:exit 0\n"))
        .says("db2gcf -s", ok("\nInstance  : xcatdb\nDB2 State : Available\n"))
        .says("db2level", ok("Informational tokens are \"DB2 v10.1.0.3\"\n"))
        .says("db2nodes.cfg", ok("0 aixmn2 0\n"))
        .says("schedules", ok("/var/spool/cron/crontabs/root:#\n:end\n"))
        .says("claim/text", ran(1, "", NO_FILE))
        .says("/epoch", ok("3\n"))
        .says("lsitab", ok("xcatd:2:off:/usr/bin/startsrc -s xcatd\n"))
        .says("xcatd: ", ok("0\n"))
        .says("processes ", ok("0\n"))
        .says("arp-probe", ok("silence\n"))
}

pub(crate) fn standby() -> Machine {
    machine("STANDBY", "PEER", "CONNECTED")
}

/// The pair with clocks that were measured and positions that were seen.
pub(crate) fn desk() -> Desk {
    let mut desk = db2_desk();
    let clock = |node: &str, offset_ms| Fact::ClockOffset { node: node.into(), offset_ms, error_ms: 10 };
    let log = |node: &str, written, received| Fact::LogPosition {
        node: node.into(),
        written,
        received,
        replayed: received,
        last_commit_ms: None,
        last_message_ms: None,
    };
    desk.learn(&[clock("mn-a", 5), clock("mn-b", -5), log("mn-a", Some(5_000), None), log("mn-b", None, Some(5_000))]);
    desk
}

/// The pair when mn-b is in service, and mn-a comes back: it is the target.
pub(crate) fn returning() -> Desk {
    let mut desk = db2_desk();
    desk.request.target = workflows::model::NodeId::A;
    let holds = |node: &str, holds| Fact::HoldsAddress { node: node.into(), address: "9.114.47.103".into(), holds };
    let (system_id, timeline) = (String::new(), 0);
    desk.learn(&[
        crate::common::hadr("mn-a", R::Primary, Tri::No, S::Unknown, C::Unknown),
        crate::common::hadr("mn-b", R::Primary, Tri::Yes, S::Disconnected, C::Disconnected),
        Fact::Database { node: "mn-a".into(), role: DatabaseRole::Down, system_id, timeline },
        Fact::Epoch { node: "mn-b".into(), epoch: 4 },
        holds("mn-a", Tri::No),
        holds("mn-b", Tri::Yes),
    ]);
    desk
}

/// The steps of a transition.
#[track_caller]
pub(crate) fn row(workflow: &str, desk: &Desk, name: &str) -> Vec<Step> {
    let workflow = registry::by_name(Flavour::Db2, workflow).unwrap();
    (workflow.row(name).unwrap_or_else(|| panic!("no transition {name}")).steps)(&desk.context())
}

/// A step of a transition.
#[track_caller]
pub(crate) fn step(workflow: &str, desk: &Desk, name: &str, id: &str) -> Step {
    row(workflow, desk, name).into_iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no step {id}"))
}

/// Each machine's answer with its verdict and a part of the reason.
#[track_caller]
pub(crate) fn each(step: &Step, answers: impl IntoIterator<Item = (Machine, Verdict, &'static str)>) {
    for (machine, verdict, why) in answers {
        crate::common::is(&crate::common::looked(step, &machine), verdict, why);
    }
}
