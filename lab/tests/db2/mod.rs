//! The stand-in of DB2 on real hosts: its HADR connection is a real one, and pulling the cable breaks it.

use lab::{
    db2::{Knobs, Version},
    hosts::{DB2_BACKUP, DB2_HOME, Db2, Lab, Machine, Nic, Options, Plug, PowerAction},
};

use super::{Turn, options, turn, until};

const PEER_WINDOW: &str = "db2 takeover hadr on db xcatdb by force peer window only";

fn lab(name: &str, version: Version, formed: bool, (timeout_s, window_s): (u64, u64)) -> Option<Turn> {
    let turn = turn()?;
    let knobs = Knobs { version, latency: false, ..Knobs::default() };
    let db2 = Db2 { knobs, formed, timeout_s, window_s };
    let lab = Lab::up(&Options { db2: Some(db2), ..options(name) }).unwrap_or_else(|e| panic!("{e}"));
    Some(Turn { pair: lab::hosts::config(&lab), lab, _one_at_a_time: turn })
}

impl Turn {
    /// A line as the owner of the instance, which must succeed or only warn.
    fn db2(&self, machine: Machine, line: &str) -> String {
        let (exit, out) = self.lab.db2(machine, line).unwrap_or_else(|e| panic!("{e}"));
        assert!(exit.is_some_and(|e| e < 4), "{machine}: {line}: {exit:?} {out}");
        out
    }

    fn shows(&self, machine: Machine, word: &str) -> bool {
        self.lab.db2(machine, "db2pd -d xcatdb -hadr").is_ok_and(|(_, out)| out.split_whitespace().any(|w| w == word))
    }

    /// A pair out of a STANDARD database and nothing, as the procedure does it.
    fn form(&self) {
        let (a, b) = (Machine::Mn1, Machine::Mn2);
        assert!(self.service(a, "stop").ok());
        self.db2(a, "db2 update db cfg for xcatdb using logarchmeth1 logretain logindexbuild on");
        let (exit, pending) = self.lab.db2(a, "db2 connect to xcatdb").unwrap();
        assert!(exit == Some(4) && pending.starts_with("SQL1116N"), "{pending}");
        let said = self.db2(a, &format!("db2 backup db xcatdb to {DB2_BACKUP}"));
        let stamp = said.split_whitespace().last().unwrap();
        assert_eq!(self.sh(a, &format!("scp -rpq {DB2_BACKUP} mn2:{DB2_HOME}/")).0, Some(0));
        let restore = format!("db2 restore db xcatdb from {DB2_BACKUP} taken at {stamp} replace history file");
        // Nothing is there: it asks nobody, and an input that never ends does not matter.
        self.db2(
            b,
            &format!(
                "mkfifo /tmp/never; sleep 600 > /tmp/never & timeout 60 {restore} < /tmp/never; e=$?; kill $!; exit $e"
            ),
        );
        // Now it asks. The end of the input is no yes.
        let (exit, asked) = self.lab.db2(b, &format!("{restore} </dev/null")).unwrap();
        assert!(exit == Some(4) && asked.contains("(y/n)") && asked.contains("SQL2001N"), "{asked}");
        let (exit, asked) = self.lab.db2(b, &format!("echo y | {restore}")).unwrap();
        assert!(exit == Some(2) && asked.matches("(y/n)").count() == 1 && asked.contains("DB20000I"), "{asked}");
        for (machine, n) in [(a, 0), (b, 1)] {
            let address = |n: usize| Machine::PAIR[n].address(Nic::Eth0);
            self.db2(machine, &format!(
                "db2 update db cfg for xcatdb using hadr_local_host {} hadr_local_svc DB2_HADR_{} hadr_remote_host {} hadr_remote_svc DB2_HADR_{} hadr_remote_inst xcatdb hadr_timeout 3 hadr_peer_window 15",
                address(n), n + 1, address(1 - n), 2 - n
            ));
        }
        self.db2(b, "db2 start hadr on db xcatdb as standby");
        self.db2(a, "db2 start hadr on db xcatdb as primary");
        until("the pair to be in peer", || self.lab.db2_in_peer());
    }
}

#[test]
fn db2_forms_a_pair_loses_its_cable_comes_back_and_takes_over() {
    let Some(t) = lab("db2-bare", Version::V11_5, false, (3, 15)) else { return };
    let (a, b) = (Machine::Mn1, Machine::Mn2);
    assert!(t.db2(a, "db2level; db2ilist; db2pd --version").contains("DB2 v11.5"));
    t.form();
    assert!(t.service(a, "start").ok());
    let made = t.xcat(a, "mkdef", &["-t", "node", "-o", "cn42", "groups=compute,all"]);
    assert!(made.ok(), "{made:?}");
    // A back end for each shell.
    let (_, lost) = t.lab.db2(a, "db2 connect to xcatdb >/dev/null; sh -c 'db2 unquiesce database'").unwrap();
    assert!(lost.starts_with("SQL1024N"), "{lost}");
    let kept = t.db2(a, "db2 connect to xcatdb >/dev/null; db2 'select count(*) from nodelist'; db2 terminate");
    assert!(kept.contains(" 10\n"), "{kept}");

    t.lab.cable(Plug::Host(b, Nic::Eth0), false).unwrap();
    for machine in [a, b] {
        until("the window", || t.shows(machine, "DISCONNECTED_PEER"));
    }
    until("the end of the window", || t.shows(b, "REMOTE_CATCHUP_PENDING") && t.shows(a, "DISCONNECTED"));
    let (exit, closed) = t.lab.db2(b, PEER_WINDOW).unwrap();
    assert!(exit == Some(4) && closed.starts_with("SQL1770N"), "{closed}");
    t.lab.cable(Plug::Host(b, Nic::Eth0), true).unwrap();
    until("peer again", || t.lab.db2_in_peer());

    assert!(t.service(a, "stop").ok());
    t.db2(b, "db2 takeover hadr on db xcatdb");
    assert!(t.shows(b, "PRIMARY") && t.shows(a, "STANDBY"));
    assert!(t.service(b, "start").ok());
    assert!(t.xcat(b, "lsdef", &["cn42"]).stdout.contains("cn42"));

    // A kill writes nothing, and what was acknowledged is on disk.
    t.db2(a, "kill -9 $(cat ~/sqllib/standin/pid)");
    until("the end of the instance", || t.lab.db2(a, "db2gcf -s").is_ok_and(|(exit, _)| exit == Some(1)));
    t.db2(a, "db2start; db2 activate db xcatdb");
    until("peer after the kill", || t.lab.db2_in_peer());
}

#[test]
fn db2_survives_the_power_cut_of_its_primary_and_takes_the_old_one_back() {
    let Some(t) = lab("db2-formed", Version::V9_7, true, (4, 120)) else { return };
    let (a, b) = (Machine::Mn1, Machine::Mn2);
    let made = t.xcat(a, "mkdef", &["-t", "node", "-o", "cn43", "groups=compute,all"]);
    assert!(made.ok(), "{made:?}");
    t.lab.power(a, PowerAction::Off).unwrap();
    until("the silence to be noticed", || t.shows(b, "DisconnectedPeer"));
    t.db2(b, PEER_WINDOW);
    assert!(t.service(b, "start").ok());
    assert!(t.xcat(b, "lsdef", &["cn43"]).stdout.contains("cn43"));

    t.lab.power(a, PowerAction::On).unwrap();
    // Its xcatd, started at boot, never comes up: the boot does not end.
    until("the old primary's instance", || t.lab.db2(a, "db2gcf -s").is_ok_and(|(exit, _)| exit == Some(0)));
    let (exit, refused) = t.lab.db2(a, "db2 activate db xcatdb").unwrap();
    assert!(exit == Some(4) && refused.starts_with("SQL1776N"), "{refused}");
    t.db2(a, "db2 start hadr on db xcatdb as standby");
    until("the old primary as standby", || t.lab.db2_in_peer() && t.shows(a, "Standby"));
}
