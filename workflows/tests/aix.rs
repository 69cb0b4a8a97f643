//! AIX: what its commands print is read rightly, and the two scripts that stand in for arping do what they say, in real shells.

mod common;
mod shells;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use common::{Desk, done, is, looked, ok, ran};
use journal_schema::{Fact, Tri, Verdict};
use shells::shells;
use workflows::{
    ActionResult, example, host,
    model::{Fence, NodeId, Pair},
    script::OnFailure,
    step::Place,
    steps::{
        aix, fence, read,
        read_aix::{self, Src},
        schedules, service_nodes, xcat,
    },
    vocabulary::{self, db2},
    vocabulary_aix,
};

fn desk() -> Desk {
    Desk { pair: Pair { witnesses: example::procedure().witnesses, ..example::procedure() }, ..Desk::new() }
}

const IFCONFIG: &str = "en0: flags=1e084863,480<UP,BROADCAST,NOTRAILERS,RUNNING,SIMPLEX,MULTICAST,GROUPRT,64BIT,CHECKSUM_OFFLOAD(ACTIVE),CHAIN>\n\tinet 10.1.47.104 netmask 0xffffff00 broadcast 10.1.47.255\n\t tcp_sendspace 131072 tcp_recvspace 65536 rfc1323 0\nen1: flags=1e084863,480<UP,BROADCAST>\n\tinet 9.114.47.104 netmask 0xffffffc0 broadcast 9.114.47.127\nlo0: flags=e08084b,1c0<UP,BROADCAST,LOOPBACK>\n\tinet 127.0.0.1 netmask 0xff000000 broadcast 127.255.255.255\n\tinet6 ::1%1/0\n";

#[test]
fn t11_identity_boot_and_addresses_are_read() {
    let node = &example::procedure().nodes[1];
    assert_eq!(host::identity(node, &ok("00F6F5D54C004C68\n")), Some("00F6F5D54C004C68"));
    for bad in ["", "00F6\n", "not an id at all\n", "00F6F5D54C004C68", "00F6F5D54C004C68\n00F6F5D54C004C68\n"] {
        assert_eq!(host::identity(node, &ok(bad)), None, "{bad:?}");
    }
    let boot = |text: &str| host::boot(node, &ok(text));
    assert_eq!(boot("   .        system boot Aug 05 20:33     \n").as_deref(), Some("Aug-05-20:33"));
    assert_ne!(
        boot("   .        system boot Aug 05 20:34     \n"),
        boot("   .        system boot Aug 05 20:33     \n")
    );
    for bad in ["", "who: 0551-003\n", ".  system boot Aug\n"] {
        assert_eq!(boot(bad), None, "{bad:?}");
    }
    assert_eq!(read::holds(&ok(IFCONFIG), "9.114.47.104"), Tri::Yes);
    assert_eq!(read::holds(&ok(IFCONFIG), "9.114.47.103"), Tri::No);
    assert_eq!(read::holds(&ok(IFCONFIG), "9.114.47.10"), Tri::No, "not by its beginning");
    assert_eq!(read::holds(&ok(""), "9.114.47.103"), Tri::Unknown);
    assert_eq!(read::holds(&ran(1, IFCONFIG, ""), "9.114.47.104"), Tri::Unknown, "never yes by a call that failed");
    assert_eq!(vocabulary_aix::netmask(26), "255.255.255.192");
    assert_eq!(vocabulary_aix::netmask(32), "255.255.255.255");
    assert_eq!(vocabulary_aix::netmask(1), "128.0.0.0");
}

#[test]
fn t48_t56_src_and_inittab_are_read() {
    let status = |text: &str| read_aix::src(&ok(text), "xcatd");
    let heading = "Subsystem         Group            PID          Status \n";
    assert_eq!(status(&format!("{heading} xcatd                             3211402      active\n")), Src::Active);
    assert_eq!(
        status(&format!("{heading} xcatd                                          inoperative\n")),
        Src::Inoperative
    );
    assert_eq!(status(&format!("{heading} xcatd                             3211402      stopping\n")), Src::Between);
    assert_eq!(status(heading), Src::Unknown);
    assert_eq!(read_aix::runs(Src::Between), Tri::Yes, "what stops still runs");
    let none = ran(1, "", "0513-085 The xcatd Subsystem is not on file.\n");
    assert_eq!(read_aix::src(&none, "xcatd"), Src::NoSuch);
    assert_eq!(read_aix::src(&ActionResult::default(), "xcatd"), Src::Unknown);
    let machine = &example::procedure().nodes[0];
    let at_boot = |r: &ActionResult| host::starts_at_boot(machine, r);
    assert_eq!(at_boot(&ok("xcatd:2:once:/usr/bin/startsrc -s xcatd > /dev/console 2>&1\n")), Tri::Yes);
    assert_eq!(at_boot(&ok("xcatd:2:off:/usr/bin/startsrc -s xcatd > /dev/console 2>&1\n")), Tri::No);
    assert_eq!(at_boot(&ran(1, "", "")), Tri::No, "no line");
    assert_eq!(at_boot(&ran(127, "", "sh: lsitab: not found\n")), Tri::Unknown);
}

/// The order within the job, the words of the call, and what each answer of the wire means.
#[test]
fn t12_t13_t17_the_address_is_taken_after_silence_only() {
    let desk = desk();
    let steps = aix::take(&desk.context());
    let take = &steps[0];
    let listing = take.script.listing();
    let lines: Vec<&str> = listing.lines().collect();
    assert!(lines[0].contains("arp-probe 9.114.47.103 9.114.47.126"), "{listing}");
    assert_eq!(
        lines[1],
        "/usr/sbin/mktcpip -h aixmn1 -a 9.114.47.103 -m 255.255.255.192 -i en1 -g 9.114.47.126 -A no -t N/A"
    );
    assert_eq!(lines[2], "chdev -l en1 -a 'state=detach' -P");
    let held = IFCONFIG.replace("9.114.47.104", "9.114.47.103");
    let machine = common::Machine::default()
        .says("arp-probe", ok("silence\n"))
        .says("mktcpip", ok(""))
        .says("chdev", ok("en1 changed\n"))
        .says("ifconfig -a", ok(&held))
        .says("arp-probe", ok("silence\n"))
        .says("hostname", ok("aixmn1\n"))
        .says("mktcpip", ok(""))
        .says("lsattr", ok("detach\n"));
    is(&done(take, &machine), Verdict::Succeeded, "mn-b holds 9.114.47.103, named aixmn1");
    let other = |text: &str, answer: ActionResult| done(take, &machine.clone().says(text, answer));
    is(&other("arp-probe", ran(1, "answered 0:11:25:a5:1b:c2\n", "")), Verdict::Failed, "0:11:25:a5:1b:c2 answers");
    is(&other("arp-probe", ran(2, "deaf\n", "")), Verdict::Failed, "silence for 9.114.47.103 would prove nothing");
    is(&other("arp-probe", ok("")), Verdict::Failed, "could not be asked");
    is(&other("hostname", ok("aixmn2\n")), Verdict::Failed, "is called aixmn2");
    is(&other("lsattr", ok("up\n")), Verdict::Failed, "at boot");
    let before = "inet en0 10.1.47.104 0xffffff00\ninet en1 9.114.47.104 0xffffffc0\nroute default 10.1.47.1 en0\n\
         route 9.114.47.104 127.0.0.1 lo0\nhost aixmn2\n";
    let after = "inet en0 10.1.47.104 0xffffff00\ninet en1 9.114.47.103 0xffffffc0\nroute default 9.114.47.126 en1\n\
         route 9.114.47.103 127.0.0.1 lo0\nhost aixmn1\n";
    assert_eq!(read_aix::network_changes(before, after, "en1"), ["-route default 10.1.47.1 en0"]);
    assert_eq!(read_aix::network_changes(before, before, "en1"), [""; 0]);
}

/// What is given away leaves nothing behind; taking back writes the same address, and never for good.
#[test]
fn t05_t68_the_address_never_outlives_a_boot() {
    let mut desk = desk();
    let give = aix::release(&desk.context()).remove(0);
    assert_eq!(give.place, Place::Node(NodeId::A));
    assert_eq!(give.script.listing(), "chdev -l en1 -a 'state=detach'\n");
    let back = give.undo.unwrap().script.listing();
    assert!(back.contains("take-back") && back.contains("-a 9.114.47.103"), "{back}");
    assert!(back.contains("known-hosts.back (mode 600)") && back.contains("rm -f"), "{back}");
    let take = aix::take(&desk.context()).remove(0).script.listing();
    assert!(take.contains("chdev -l en1 -a 'state=detach' -P"), "{take}");
    let standby = aix::take_standby(&desk.context());
    assert_eq!((standby[0].place, standby[1].place), (Place::Node(NodeId::B), Place::Node(NodeId::A)));
    assert!(standby[1].script.listing().contains("-h aixmn2 -a 9.114.47.104"), "{}", standby[1].script.listing());
    desk.pair.service.standby_address = None;
    assert!(aix::take_standby(&desk.context()).is_empty());
}

#[test]
fn t48_t62_xcatd_is_stopped_to_its_last_process_and_restarted_everywhere() {
    let desk = desk();
    let ctx = desk.context();
    let stop = xcat::stop_xcatd(&ctx, NodeId::A, "stop.xcatd", true);
    let text = stop.script.listing();
    assert!(text.starts_with("stopsrc -s xcatd\n") && text.contains("until it prints \"0\""), "{text}");
    let steps = xcat::restart_all(&ctx);
    assert!(steps[0].opens.is_none(), "the service nodes have steps of their own");
    assert_eq!(steps[1].place, Place::Witness(0));
    assert!(steps[1].stage > steps[0].stage && steps[1].optional);
    let text = steps[0].script.listing();
    assert!(text.find("stopsrc").unwrap() < text.find("startsrc").unwrap(), "{text}");
    assert!(text.contains("HOME=/ "), "root's home is / on AIX: {text}");
    let machine = common::Machine::default()
        .says("tabdump", ok(common::SITE))
        .says("xcatd: ", ok("0\n"))
        .says("src", ok(""))
        .says("xcatd-ready", ok("ready\n"));
    is(&done(&steps[0], &machine), Verdict::Succeeded, "shows the site table");
    let hung = machine.says("tabdump", ran(124, "", ""));
    is(&done(&steps[0], &hung), Verdict::Failed, "did not answer in time");
    assert_eq!(service_nodes::stop(&ctx).len(), 1);
    let unreachable = steps[1].unreachable.clone().unwrap();
    is(&unreachable, Verdict::Failed, "sn1 cannot be reached");
    assert!(steps[1].opens.as_ref().unwrap().text.contains("sn1"));
}

#[test]
fn t14_what_cannot_be_asked_is_unknown() {
    let desk = desk();
    let step = aix::seen_from_elsewhere(&desk.context(), "", true).remove(0);
    let machine = |r: ActionResult| common::Machine::default().says("arp-probe-elsewhere", r);
    is(
        &looked(&step, &machine(ran(1, "answered 0a:00:27:00:00:01\n", ""))),
        Verdict::Succeeded,
        "sn1 hears 0a:00:27:00:00:01",
    );
    is(&looked(&step, &machine(ran(2, "deaf\n", ""))), Verdict::Unknown, "sn1 cannot ask");
    is(&looked(&step, &machine(ok("silence\n"))), Verdict::Failed, "hears nobody");
    let free = aix::free(&desk.context(), "address.free");
    let wire = looked(&free, &common::Machine::default().says("arp-probe", ok("silence\n")));
    let expected = Fact::AddressProbe { node: "mn-b".into(), address: "9.114.47.103".into(), answered_by: None };
    assert_eq!(wire.evidence, [expected]);
}

/// Without a device it is a person's word, and nothing that can be heard contradicts it; what could not be asked is no silence.
#[test]
fn t02_a_word_counts_on_aix_only_when_nothing_contradicts() {
    let mut desk = desk();
    desk.pair.nodes[0].fence = Fence::Attestation;
    let silent = |desk: &Desk| fence::attested(&desk.context()).remove(0);
    let quiet = common::Machine::default().says("arp-probe", ok("silence\n"));
    is(&looked(&silent(&desk), &quiet), Verdict::Failed, "nobody attested");
    desk.learn(&[Fact::Attested { node: "mn-a".into(), by: "olga".into(), text: "both cords pulled".into() }]);
    let silent = silent(&desk);
    assert_eq!(silent.place, Place::Node(NodeId::B));
    is(&looked(&silent, &quiet), Verdict::Succeeded, "answers nowhere");
    let hears = |r: ActionResult| looked(&silent, &common::Machine::default().says("arp-probe", r));
    is(&hears(ran(1, "answered 0:11:25:a5:1b:c2\n", "")), Verdict::Failed, "0:11:25:a5:1b:c2 answers ARP");
    is(&hears(ran(2, "deaf\n", "")), Verdict::Unknown, "could not be asked");
    is(&hears(ran(124, "", "")), Verdict::Unknown, "could not be asked");
}

/// What is taken is taken behind a silence that the same job, or the stage before it, has heard; what else of the network changed is told.
#[test]
fn t13_t17_nothing_follows_an_answer_and_changes_are_told() {
    let mut desk = desk();
    let (before, after) = ("inet en0 10.1.47.104 0xffffff00\n", "inet en0 10.1.47.105 0xffffff00\n");
    desk.learn(&[Fact::Note { node: "mn-b".into(), key: "network".into(), value: before.trim().into() }]);
    let steps = aix::take(&desk.context());
    assert_eq!(steps[0].script.actions[0].1, OnFailure::Stop, "{}", steps[0].script.listing());
    let changed = steps.iter().find(|s| s.id == "address.network").expect("a look afterwards");
    assert!(changed.stage > steps[0].stage);
    let network = |text: &str| looked(changed, &common::Machine::default().says("network", ok(text)));
    is(&network(before), Verdict::Succeeded, "nothing else changed");
    is(&network(after), Verdict::Failed, "-inet en0 10.1.47.104 0xffffff00; +inet en0 10.1.47.105 0xffffff00");
    is(&network(""), Verdict::Failed, "-inet en0");
    let standby = aix::take_standby(&desk.context());
    assert!(standby[0].stage < standby[1].stage, "asked before it is taken");
}

#[test]
fn t56_a_machine_whose_line_of_inittab_is_on_starts_xcatd_itself() {
    let off = aix::autostart_off(&desk().context(), NodeId::A, "quiet.autostart");
    let line = |action: &str| {
        let text = format!("xcatd:2:{action}:/usr/bin/startsrc -s xcatd > /dev/console 2>&1\n");
        looked(&off, &common::Machine::default().says("lsitab", ok(&text)))
    };
    is(&line("off"), Verdict::Succeeded, "starts at boot: No");
    is(&line("once"), Verdict::Failed, "starts at boot: Yes");
}

/// cron of AIX does not look at its files: what was commented out fires on until the crontab is handed in again.
#[test]
fn t22_a_crontab_of_aix_is_handed_in_again() {
    let mut desk = common::db2_desk();
    let holder = "/var/spool/cron/crontabs/root".to_owned();
    let line = "0 5 * * * db2 restore db XCATDB".to_owned();
    desk.learn(&[Fact::ScheduledJob { node: "mn-b".into(), holder, line, armed: Tri::Yes }]);
    let disarm = schedules::disarm(&desk.context(), false).remove(0);
    let back = disarm.undo.unwrap().script.listing();
    for text in [disarm.script.listing(), back, schedules::rearm(&desk.context(), NodeId::B).script.listing()] {
        assert!(text.trim_end().ends_with("| crontab'"), "{text}");
    }
}

/// The scripts in each shell that is installed, with the machine's programs replaced by ones that say what they are told.
fn shell(command: &workflows::Command, programs: &[(&str, &str)]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, body) in programs {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let mut answers: Vec<(i32, String)> = Vec::new();
    for shell in shells() {
        let output = Command::new(shell).args(&command.argv[1..]).env("PATH", &path).output().unwrap();
        let answer = (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap());
        assert!(answers.first().is_none_or(|first| *first == answer), "{shell}: {answer:?}, not {answers:?}");
        answers.push(answer);
    }
    answers.remove(0)
}

#[test]
fn t13_the_probe_without_arping() {
    let service = example::procedure().service;
    let probe = vocabulary_aix::arp_probe(&service, "9.114.47.103");
    let own = format!("cat <<'E'\n{IFCONFIG}E");
    let table = |rows: &str| format!("[ \"$1\" = -d ] && exit 0; cat <<'E'\n{rows}E");
    let gateway = "  ? (9.114.47.126) at 0:4:ac:6e:1:2 [ethernet] stored in bucket 3\n";
    let run = |rows: &str, ifconfig: &str| {
        shell(&probe, &[("ifconfig", ifconfig), ("arp", &table(rows)), ("ping", "exit 1")])
    };
    assert_eq!(run(gateway, &own), (0, "silence\n".into()));
    assert_eq!(run(&format!("{gateway}  ? (9.114.47.103) at (incomplete)\n"), &own), (0, "silence\n".into()));
    let answered = format!("{gateway}  ? (9.114.47.103) at 0:11:25:a5:1b:c2 [ethernet] stored in bucket 16\n");
    assert_eq!(run(&answered, &own), (1, "answered 0:11:25:a5:1b:c2\n".into()));
    assert_eq!(run("", &own), (2, "deaf\n".into()));
    assert_eq!(run(gateway, &own.replace("9.114.47.104", "9.114.47.103")), (0, "own\n".into()));
    let announce = vocabulary_aix::announce(&service, 1);
    assert_eq!(shell(&announce, &[("arp", &table(gateway)), ("ping", "exit 0")]).0, 0);
    assert_eq!(shell(&announce, &[("arp", &table("")), ("ping", "exit 1")]).0, 1);
}

/// A machine without an address cannot ask: the other one is asked, and nothing is taken unless it hears nobody.
#[test]
fn t13_an_address_is_taken_back_when_the_other_machine_hears_nobody() {
    let pair = example::procedure();
    let service = &pair.service;
    let mut back = vocabulary_aix::take_back(service, "en1", "aixmn1", "9.114.47.103", "/tmp/known", &pair.nodes[1]);
    for word in &mut back.argv {
        *word = word.replace("/usr/sbin/mktcpip", "mktcpip");
    }
    let bare = format!("cat <<'E'\n{}E", IFCONFIG.replace("9.114.47.104", "9.114.47.1"));
    let (take, boot) = ("echo took $4", "echo at boot: $4 $5");
    let run = |ifconfig: &str, ssh: &str| {
        shell(&back, &[("ifconfig", ifconfig), ("ssh", ssh), ("mktcpip", take), ("chdev", boot)])
    };
    assert_eq!(run(&bare, "echo silence"), (0, "took 9.114.47.103\nat boot: state=detach -P\n".into()));
    assert_eq!(run(&bare.replace("9.114.47.1 ", "9.114.47.103 "), "echo no; exit 1"), (0, "held\n".into()));
    assert_eq!(run(&bare, "echo answered 0:11:25:a5:1b:c2; exit 1"), (1, "answered 0:11:25:a5:1b:c2\n".into()));
    assert_eq!(run(&bare, "echo own"), (1, "own\n".into()));
    assert_eq!(run(&bare, "echo deaf; exit 2"), (2, "deaf\n".into()));
    assert_eq!(run(&bare, "exit 255"), (2, "nobody could be asked\n".into()));
    // The question is the usual one, the key the pinned one; the second address is tried when the first does not answer.
    let asked = "case \"$*\" in *'UserKnownHostsFile=/tmp/known'*'HostKeyAlias=mn-b'*'root@10.2.47.104 sh -c '*'arp-probe 9.114.47.103 9.114.47.126') \
         echo silence;; *) exit 255;; esac";
    assert_eq!(run(&bare, asked).0, 0);
}

#[test]
fn t14_the_probe_from_elsewhere() {
    let probe = vocabulary_aix::arp_probe_elsewhere("9.114.47.103");
    let route = "echo '9.114.47.103 dev eth1 src 9.114.47.105 uid 0 \\    cache '";
    let run = |ip: &str, arping: &str| shell(&probe, &[("ip", ip), ("arping", arping)]);
    let reply =
        "echo 'ARPING 9.114.47.103 from 9.114.47.105 eth1\nUnicast reply from 9.114.47.103 [00:11:25:A5:1B:C2]  0.7ms'";
    assert_eq!(run(route, reply), (1, "answered 00:11:25:A5:1B:C2\n".into()));
    assert_eq!(run(route, "echo 'Sent 2 probes\nReceived 0 response(s)'; exit 1"), (0, "silence\n".into()));
    assert_eq!(run(route, "exit 2"), (2, "deaf\n".into()));
    let far = "echo '9.114.47.103 via 10.0.0.1 dev eth0 src 10.0.0.5'";
    assert_eq!(run(far, reply), (2, "deaf\n".into()));
    assert_eq!(run("exit 2", reply), (2, "deaf\n".into()));
}

#[test]
fn t56_the_line_of_inittab_is_switched_off() {
    let command = vocabulary_aix::inittab_action("xcatd", "off");
    let line = "xcatd:2:once:/usr/bin/startsrc -s xcatd > /dev/console 2>&1";
    let (code, out) = shell(&command, &[("lsitab", &format!("echo '{line}'")), ("chitab", "echo \"$1\"")]);
    assert_eq!((code, out), (0, line.replace("once", "off") + "\n"));
    assert_eq!(shell(&command, &[("lsitab", "exit 1"), ("chitab", "echo no")]), (0, String::new()));
}

/// SRC's stop returns before the end, so that processes are counted; not every system lets perl give them a title.
#[test]
fn t48_xcatd_is_counted_with_and_without_a_title() {
    let counted = |lines: &str| {
        let ps = format!("cat <<'E'\n{lines}E");
        shell(&vocabulary::xcatd_processes(), &[("ps", &ps)]).1.trim().to_owned()
    };
    assert_eq!(counted("xcatd: SSL listener\nxcatd: DB Access\n/usr/sbin/sshd\n"), "2");
    assert_eq!(counted("/usr/bin/perl /opt/xcat/sbin/xcatd -f\n/usr/bin/perl -w /opt/xcat/sbin/xcatd\n"), "2");
    assert_eq!(counted("/opt/xcat/sbin/xcatd -f\n"), "1");
    assert_eq!(
        counted(
            "stopsrc -s xcatd\n/bin/sh /etc/init.d/xcatd stop\nvi /opt/xcat/sbin/xcatd\n/usr/bin/perl /opt/xcat/sbin/restartxcatd\n"
        ),
        "0"
    );
}

/// AIX' DHCP server is called dhcpsd.
#[test]
fn t56_every_dhcp_server_is_found() {
    for server in ["/usr/sbin/dhcpsd", "/usr/sbin/dhcpd -q", "dhcpsd -f /etc/dhcpsd.cnf", "kea-dhcp4 -c x"] {
        let ps = format!("echo '{server}'");
        assert_eq!(shell(&vocabulary::dhcpd_processes(), &[("ps", &ps)]).1, "1\n", "{server}");
    }
    assert_eq!(shell(&vocabulary::dhcpd_processes(), &[("ps", "echo '/usr/sbin/dhcpcd6 en0'")]).1, "0\n");
}

/// What is left open has a command, and that command never brings the old machine's interface up: its ODM still has the service address.
#[test]
fn t05_no_open_item_puts_the_address_on_the_wire_twice() {
    let desk = desk();
    let ctx = desk.context();
    let command = |guarded| aix::guard_boot(&ctx, NodeId::A, guarded, "guard").opens.unwrap().command;
    assert_eq!(command(aix::Guarded::Replaced), "hamn run failback");
    let again = command(aix::Guarded::InService);
    assert!(
        again.starts_with("ping -c 2 -w 2 9.114.47.103 || { /usr/sbin/mktcpip -h aixmn1 -a 9.114.47.103 "),
        "{again}"
    );
    assert!(again.contains("&& chdev -l en1 -a 'state=detach' -P; }"), "not for good: {again}");
    let taken = aix::take(&ctx)[0].opens.clone().unwrap().command;
    assert!(taken.starts_with("ping ") && taken.contains("on mn-b, while it is the one in service"), "{taken}");
}

/// A subsystem with several lines, in another dress and language: what runs is never said to be stopped.
#[test]
fn t74_src_in_other_words() {
    let heading = "Subsystem         Group            PID          Status\n";
    let status = |rows: &[&str], end: &str| read_aix::src(&ok(&format!("{heading}{}{end}", rows.join(end))), "xcatd");
    let row = |pid: &str, word: &str| format!(" xcatd            xcat             {pid:<12} {word}");
    let [one, other] = [row("3211402", "active"), row("", "inoperative")];
    for end in ["\n", "\r\n", "   \n"] {
        assert_eq!(status(&[&one], end), Src::Active, "{end:?}");
        assert_eq!(status(&[&other], end), Src::Inoperative, "{end:?}");
        assert_eq!(status(&[&other, &one], end), Src::Active, "one of two runs");
        assert_eq!(status(&[&one, &other], end), Src::Active);
        assert_eq!(status(&[&other, &row("4711", "stopping")], end), Src::Unknown);
        for word in ["aktiv", "inaktiv", "アクティブ", "inactive", ""] {
            assert_eq!(status(&[&row("3211402", word)], end), Src::Unknown, "{word}");
        }
    }
    // Another subsystem whose name begins so, and an answer that is cut.
    assert_eq!(
        read_aix::src(&ok(&format!("{heading} xcatd2           xcat             77     active\n")), "xcatd"),
        Src::Unknown
    );
    assert_eq!(read_aix::src(&ok(&format!("{heading}{one}")), "xcatd"), Src::Unknown);
}

/// A call of DB2's processor in each shell: statements from one shell, the options of the owner's profile gone, the rest left out after a
/// failure, and TERMINATE at the end.
#[test]
fn t47_statements_run_from_one_shell_under_the_profile() {
    let home = tempfile::tempdir().unwrap();
    let sqllib = home.path().join("sqllib");
    fs::create_dir(&sqllib).unwrap();
    fs::write(
        sqllib.join("db2profile"),
        "DB2INSTANCE=xcatdb; export DB2INSTANCE; DB2OPTIONS='-x -t'; export DB2OPTIONS\n",
    )
    .unwrap();
    let mut pair = example::procedure();
    let workflows::model::Database::Db2(db2) = &mut pair.database else { panic!("DB2") };
    db2.home = home.path().display().to_string();
    let processor =
        "echo \"[$DB2OPTIONS] $PPID $1\" | sed \"s/ $PPID / /\"; case $1 in *WARN*) exit 2;; *BAD*) exit 4;; esac";
    let call = |statements: &[String]| shell(&db2::clp(db2, statements.to_vec()), &[("db2", processor)]);
    let (code, text) = call(&["CONNECT TO X".into(), db2::may_fail("A BAD ONE"), "SELECT COUNT(*) FROM WARN".into()]);
    assert_eq!(
        (code, text.as_str()),
        (0, "[] CONNECT TO X\n\n:exit 0\n[] A BAD ONE\n\n:exit 4\n[] SELECT COUNT(*) FROM WARN\n\n:exit 2\n")
    );
    let (code, text) = call(&["BAD".into(), "RESTORE".into()]);
    assert_eq!((code, text.as_str()), (4, "[] BAD\n\n:exit 4\n"), "nothing after a failure");
    let config = "echo ' HADR database role                                      = STANDBY'";
    let role = |permitted: &[&str]| shell(&db2::role_is(db2, permitted), &[("db2", config)]);
    assert_eq!(role(&["STANDARD", "STANDBY"]), (0, "STANDBY\n".into()));
    assert_eq!(role(&["STANDARD", "absent"]), (9, "STANDBY\n".into()));
    // TERMINATE ends the back end of the shell that made it only: another parent would leave it behind, holding the instance.
    let parents = "case $1 in terminate) [ \"$(cat \"$HOME/parent\")\" != $PPID ] || rm \"$HOME/parent\";; *) echo $PPID >\"$HOME/parent\"; \
                   echo ' HADR database role = STANDBY';; esac";
    for call in [db2::clp(db2, ["X", "Y"]), db2::applications(db2), db2::role_is(db2, &["STANDBY"])] {
        assert_eq!(shell(&call, &[("db2", parents)]).0, 0);
        assert!(!home.path().join("parent").exists(), "left behind: {:?}", call.argv);
    }
    db2.home = "/nowhere".into();
    assert_eq!(shell(&db2::clp(db2, ["X"]), &[("db2", processor)]).0, 127);
}

/// What ksh88, AIX' tools and old DB2 instances lack is in no script of theirs.
#[test]
fn t74_nothing_that_ksh88_or_aix_lacks() {
    let desk = common::db2_desk();
    for workflow in workflows::registry::of(workflows::model::Flavour::Db2) {
        let plan = workflows::Plan::new(&workflow, &desk.context());
        for workflows::summary::Helper { name, text, .. } in plan.helpers() {
            // It runs on a Linux machine elsewhere.
            if name == "arp-probe-elsewhere" {
                continue;
            }
            for lacks in [
                "[[",
                "=~",
                "local ",
                "grep -o",
                "grep -P",
                "sed -i",
                "date +%s",
                "mktemp",
                " stat ",
                "readlink",
                "echo -e",
                "printf %q",
                "<<",
                "seq ",
                "timeout ",
                "setsid",
                "flock",
                "pgrep",
                "pkill",
                "xargs -r",
                "cp -a",
                "mkdir -pm",
                "$'",
                "&>",
                "function ",
            ] {
                assert!(!text.contains(lacks), "{name}: {lacks:?} in {text}");
            }
            // ksh88 wants its words named, and takes the parenthesis of a `case` for the end of a substitution.
            let unnamed = text.match_indices("for ").any(|(at, _)| text[at + 5..].starts_with(';'));
            assert!(!unnamed, "{name}: {text}");
            let cases = text
                .match_indices("$(")
                .any(|(at, _)| text[at..].split(')').next().is_some_and(|part| part.contains("case ")));
            assert!(!cases, "{name}: {text}");
        }
    }
}
