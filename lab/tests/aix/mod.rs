//! Hosts that play AIX.

use std::path::Path;

use lab::hosts::{Db2, Ksh, Machine, Options, Persona, Power, PowerAction, SERVICE_ADDRESS, config};

use super::{LIMIT, Turn, lab_of, options, say, until};

impl Turn {
    /// A line for root's shell of a machine that must exit 0; what it said.
    fn ksh(&self, machine: Machine, line: &str) -> String {
        let (exit, out) = self.sh(machine, line);
        assert_eq!(exit, Some(0), "{machine}: {line}: {out}");
        out.trim().to_owned()
    }
}

#[test]
fn t5_t14_t17_t48_an_aix_pair_swaps_and_keeps_what_it_was_told() {
    if let Some(gone) = ["mksh", "ksh93"].iter().find(|p| !Path::new("/usr/bin").join(p).exists()) {
        say(&format!("SKIPPED: no /usr/bin/{gone}"));
        return;
    }
    let persona = Persona::Aix([Ksh::Ksh93, Ksh::Mksh]);
    let Some(t) = lab_of(&Options { persona, db2: Some(Db2::default()), ..options("aix") }, "aix") else { return };
    let (mn1, mn2) = (Machine::Mn1, Machine::Mn2);
    let pair = config(&t.lab);

    // Nothing that AIX has not, and what it has is its own.
    for (machine, node) in [mn1, mn2].into_iter().zip(&pair.nodes) {
        for program in ["setsid", "flock", "timeout", "mktemp", "stat", "ip", "arping", "systemctl", "bash", "readlink"]
        {
            assert_eq!(t.sh(machine, &format!("command -v {program}")).0, Some(1), "{machine}: {program}");
        }
        assert_eq!(t.sh(machine, "ls /proc /etc/machine-id"), (Some(2), "/proc:\n".into()));
        assert_eq!(t.ksh(machine, "uname -s; uname -f"), format!("AIX\n{}", node.machine_id));
        assert!(t.ksh(machine, "date +%s%N").ends_with('N'), "{machine}");
        assert_eq!(t.sh(machine, "sed -i s/a/b/ /etc/hosts").0, Some(2), "{machine}");
        assert_eq!(t.sh(machine, "grep -o a /etc/hosts").0, Some(2), "{machine}");
        assert!(t.ksh(machine, "who -b").contains("system boot"), "{machine}");
        assert_eq!(t.ksh(machine, "ps -e -o args= | grep -c '^sshd: '"), "1", "{machine}");
    }
    assert!(t.ksh(mn1, "lssrc -s xcatd").ends_with(" active"));
    assert!(t.ksh(mn2, "lssrc -s xcatd").ends_with(" inoperative"));
    assert!(t.ksh(mn1, "/opt/xcat/sbin/tabdump site").contains("\"master\",\"10.77.0.10\""));

    // T48: a stop that was accepted is not a stop.
    let stopped = t.ksh(mn1, "stopsrc -s xcatd && lssrc -s xcatd");
    assert!(stopped.contains("0513-044") && stopped.ends_with(" stopping"), "{stopped}");
    until("xcatd to end", || t.ksh(mn1, "lssrc -s xcatd").ends_with(" inoperative"));
    until("its processes to end", || t.sh(mn1, "ps -e -o args= | grep -c '^xcatd: '").1 == "0\n");
    assert!(t.ksh(mn1, "startsrc -s xcatd").starts_with("0513-059"));
    until("xcatd", || t.sh(mn1, "/opt/xcat/sbin/tabdump site").0 == Some(0));
    assert_eq!(t.sh(mn1, "startsrc -s xcatd").0, Some(1), "it runs already");

    nim(&t, mn1, mn2);

    // The procedure's swap, with the primary off. A third machine sees where the address went.
    t.lab.power(mn1, PowerAction::Off).unwrap();
    let swap = "/usr/sbin/mktcpip -h'mn' -a'10.77.0.10' -m'255.255.255.0' -i'en1' -g'10.77.0.20' -A'no' -t'N/A'";
    assert!(t.reaches(Machine::Cn01, &mn2.address(lab::hosts::Nic::Eth0)));
    t.ksh(mn2, swap);
    assert_eq!(t.ksh(mn2, "hostname; lsattr -El inet0 -a hostname -F value"), "mn\nmn");
    let shown = t.ksh(mn2, "ifconfig en1");
    assert!(shown.contains(SERVICE_ADDRESS) && !shown.contains("10.77.0.12"), "{shown}");
    assert!(t.ksh(mn2, "netstat -rn -f inet").contains("default            10.77.0.20"));
    assert!(t.reaches(Machine::Cn01, SERVICE_ADDRESS));
    assert_eq!(t.neighbour(Machine::Cn01), mn2.mac(lab::hosts::Nic::Eth0));
    t.ksh(
        mn2,
        "arp -d 10.77.0.20 >/dev/null; ping -c 1 -w 1 10.77.0.20 && arp -an | grep '(10.77.0.20) at 2:0:a:4d:0:14'",
    );
    assert_eq!(t.sh(mn2, "ping -c 1 -w 1 10.77.0.99").0, Some(1));
    t.ksh(mn2, "chitab 'xcatd:2:off:/usr/bin/startsrc -s xcatd' || mkitab 'xcatd:2:off:/usr/bin/startsrc -s xcatd'");

    // It survives a boot, and so does what the old primary was told (trap 5): nothing.
    t.lab.power(mn2, PowerAction::Cycle).unwrap();
    t.lab.wait_booted(mn2, LIMIT).unwrap();
    assert!(t.ksh(mn2, "ifconfig en1").contains(SERVICE_ADDRESS));
    assert_eq!(t.ksh(mn2, "hostname; lsitab xcatd"), "mn\nxcatd:2:off:/usr/bin/startsrc -s xcatd");
    t.ksh(mn2, "chdev -l en1 -a state=detach -P && ifconfig en1 | grep -q 10.77.0.10");
    t.lab.power(mn2, PowerAction::Cycle).unwrap();
    t.lab.wait_booted(mn2, LIMIT).unwrap();
    assert!(!t.ksh(mn2, "ifconfig en1").contains("inet "), "transient");
    assert_eq!(t.lab.power(mn1, PowerAction::On).unwrap(), Power::On);
    t.lab.wait_booted(mn1, LIMIT).unwrap();
    assert!(t.ksh(mn1, "ifconfig en1").contains(SERVICE_ADDRESS), "the old primary takes its address again");

    let back = "mktcpip -h mn-standby -a 10.77.0.12 -m 255.255.255.0 -i en1 -g 10.77.0.20 -A no -t N/A; hostname";
    assert!(t.ksh(mn2, back).ends_with("\nmn-standby"));
}

/// NIM's database is the host's; two commands at once lose nothing; the other master is told over ssh.
fn nim(t: &Turn, mn1: Machine, mn2: Machine) {
    t.ksh(mn1, "/opt/xcat/bin/nimnodeset -i 610image sn1 && lsnim -l sn1 | grep 'spot        = 610image'");
    t.ksh(mn1, "mkdir -p /install/nim/scripts /install/nim/spot/img/usr/lib/boot/network && cd /install/nim && echo >scripts/a && echo >scripts/b && echo >spot/img/usr/lib/boot/network/rc.dd_boot");
    let define =
        |n: &str| format!("nim -Fo define -t script -a server=master -a location=/install/nim/scripts/{n} {n} & ");
    t.ksh(mn1, &format!("{}{}wait", define("a"), define("b")));
    assert!(t.ksh(mn1, "lsnim -l a && lsnim -l b").contains("location    = /install/nim/scripts/b"));
    assert_eq!(t.sh(mn1, "nim -Fo define -t script -a server=master -a location=/gone c").0, Some(154));
    assert_eq!(t.sh(mn1, "lsnim -l c").0, Some(53));
    t.ksh(mn1, "/usr/lpp/bos.sysmgt/nim/methods/m_mkspot -o -a server=master -a location=/install/nim/spot -a source=no img && nim -Fo check img && ls /tftpboot/img.chrp.64.ent");
    assert_eq!(t.sh(mn2, "lsnim -l master").0, Some(12));
    // The name leads to the other machine's own address.
    t.ksh(mn1, "nim -o define -t alternate_master mn2 && nim -Fo sync -a replicate=yes mn2");
    assert_eq!(t.sh(mn2, "lsnim -l a && nim -Fo check a").0, Some(12), "listed, not controlled");
    t.ksh(mn2, "nim -o takeover mn && su - xcatdb -c 'db2pd -d XCATDB -hadr' | grep -i peer");
    t.ksh(mn2, "lsnim -l img && lssrc -s nimesis | grep -q ' active'");
    assert_eq!(t.sh(mn1, "nim -Fo check a").0, Some(12), "it was told");
}
