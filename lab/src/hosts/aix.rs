//! What a host that plays AIX is furnished with: AIX' programs and no others. `/usr/bin` and `/usr/sbin` are empty but for links to what AIX
//! has too, and for stand-ins of what is its own; there is no procfs. What the stand-ins themselves need is at [`TOOLS`].

use std::{fs, path::Path};

use crate::{
    aix::{self, Address, Interface, Odm},
    nim::{self, Nim},
};

use super::{
    LabError, Result,
    database::Server,
    machine::{Machine, Nic, PREFIX, SERVICE_ADDRESS},
    persona::{AIX_PATH, CLUSTER_INTERFACE, GATEWAY, Ksh, NIM, ODM, STANDIN, TOOLS},
    rootfs::Upper,
};

/// What is there of the Linux image that the xCAT database names.
const LINUX_IMAGE: &str = "/install/netboot/debian12/x86_64/compute/rootimg.gz";
/// Programs of this machine that AIX has too and that behave alike as far as anybody here uses them.
const SAME: &[&str] = &[
    "[",
    "awk",
    "basename",
    "bc",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cksum",
    "cmp",
    "comm",
    "csplit",
    "cut",
    "dd",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "ed",
    "egrep",
    "env",
    "expand",
    "expr",
    "false",
    "fgrep",
    "file",
    "fold",
    "getconf",
    "gzip",
    "id",
    "join",
    "kill",
    "ksh93",
    "ln",
    "logger",
    "logname",
    "mkfifo",
    "more",
    "nice",
    "nl",
    "nohup",
    "od",
    "openssl",
    "paste",
    "perl",
    "pr",
    "printf",
    "psql",
    "pwd",
    "rmdir",
    "rsync",
    "scp",
    "sftp",
    "split",
    "ssh",
    "ssh-keygen",
    "ssh-keyscan",
    "strings",
    "stty",
    "sum",
    "tar",
    "tee",
    "test",
    "tput",
    "tr",
    "true",
    "tty",
    "unexpand",
    "uniq",
    "vi",
    "wc",
    "zcat",
];
/// Programs that are the machine's own behind a stand-in that refuses what AIX' refuse.
pub(crate) const GUARDED: &[&str] = &[
    "cp", "date", "find", "grep", "head", "ls", "mkdir", "mv", "rm", "sed", "sleep", "sort", "su", "sync", "tail",
    "touch", "xargs",
];
/// Programs that are stand-ins entirely, beside those of [`crate::aix`] and [`crate::nim`].
const PLAYED: &[&str] = &["ps", "who"];
const BIN: &[&str] = &["lsdef", "mkdef", "chdef", "rmdef", "nodels", "lsxcatd", "gettab", "nimnodeset", "mkdsklsnode"];
const SBIN: &[&str] = &["tabdump", "chtab", "makedns", "makedhcp", "makeconservercf", "nodeset"];

/// What an AIX host has that others have not, and the other way round. After everything else was furnished.
pub(crate) fn furnish(
    upper: &Upper,
    machine: Machine,
    shell: Ksh,
    machine_id: &str,
    program: &Path,
    postgres: Option<&Server>,
) -> Result<()> {
    for dir in ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"] {
        upper.hide(Path::new(dir))?;
    }
    for dir in ["usr", "proc"] {
        upper.folder(format!("{TOOLS}/{dir}"))?;
    }
    upper.hard_link(STANDIN, program)?;
    for name in SAME.iter().copied().filter(|n| Path::new("/usr/bin").join(n).exists()) {
        upper.link(&format!("/usr/bin/{name}"), &hidden(name))?;
    }
    for name in ["sh", "ksh"] {
        upper.link(&format!("/usr/bin/{name}"), &format!("{TOOLS}/usr/bin/{}", shell.name()))?;
    }
    upper.link("/usr/sbin/sshd", &format!("{TOOLS}/usr/sbin/sshd"))?;
    let play = |path: &str| upper.file(path, 0o755, &format!("#!{STANDIN} standin\n")).map(drop);
    for (_, path) in aix::PROGRAMS.iter().chain(nim::PROGRAMS) {
        play(path)?;
    }
    for name in GUARDED.iter().chain(PLAYED) {
        play(&format!("/usr/bin/{name}"))?;
    }
    for (dir, names) in [("bin", BIN), ("sbin", SBIN)] {
        for name in names {
            play(&format!("/opt/xcat/{dir}/{name}"))?;
        }
    }
    upper.file(&format!("{TOOLS}/boot"), 0o755, include_str!("boot-aix.sh"))?;
    // Only the start of what is not AIX' own.
    let database = postgres.map_or_else(String::new, |s| format!("pg_ctlcluster {} main start || :\n", s.version));
    upper.file(&format!("{TOOLS}/services"), 0o755, &format!("cron\n{database}"))?;
    upper.whiteout("/etc/machine-id")?;
    accounts(upper)?;
    tables(upper, machine, machine_id, postgres.is_none())
}

/// Where a program of the machine is seen from an AIX host. Links of Debian's alternatives lead out of there: they are followed here.
fn hidden(name: &str) -> String {
    let usual = Path::new("/usr/bin").join(name);
    let file = fs::canonicalize(&usual).unwrap_or(usual);
    format!("{TOOLS}{}", file.display())
}

/// Everybody's shell is ksh, root's home is `/`.
fn accounts(upper: &Upper) -> Result<()> {
    let here = upper.path("/etc/passwd");
    let path = if here.exists() { here } else { "/etc/passwd".into() };
    let text = fs::read_to_string(&path).map_err(|e| LabError::file("read", &path, &e))?;
    let mut new = String::new();
    for line in text.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let [name, .., home, shell] = fields.as_mut_slice() {
            if matches!(*shell, "/bin/bash" | "/bin/sh" | "/usr/bin/bash" | "/bin/dash") {
                *shell = "/usr/bin/ksh";
            }
            if *name == "root" {
                *home = "/";
            }
        }
        new += &(fields.join(":") + "\n");
    }
    upper.file("/etc/passwd", 0o644, &new)?;
    Ok(())
}

/// The object data manager, NIM's database, what starts at boot.
fn tables(upper: &Upper, machine: Machine, machine_id: &str, db2: bool) -> Result<()> {
    let primary = machine == Machine::Mn1;
    let address = |text: &str| text.parse().ok().map(|address| Address { address, prefix: PREFIX });
    let cluster = if primary { SERVICE_ADDRESS.to_owned() } else { machine.address(Nic::Eth0) };
    let interface = |name: &str, text: &str| Interface {
        name: name.into(),
        address: address(text),
        aliases: Vec::new(),
        state: "up".into(),
    };
    let interfaces = vec![interface("en0", &machine.address(Nic::Eth1)), interface(CLUSTER_INTERFACE, &cluster)];
    let odm = Odm::new(machine.host_name(), interfaces, GATEWAY.address(Nic::Eth0).parse().ok(), machine_id);
    upper.file(ODM, 0o600, &serde_json::to_string_pretty(&odm).expect("plain data"))?;
    let mut nim = if primary { Nim::master(machine.host_name()) } else { Nim::default() };
    for (kind, name, location) in nim::sample::RESOURCES.iter().filter(|_| primary) {
        nim.add_resource(kind, name, location);
    }
    for file in nim::sample::FILES.iter().chain([&LINUX_IMAGE]) {
        upper.file(file, 0o644, "# practice\n")?;
    }
    upper.file(NIM, 0o600, &serde_json::to_string_pretty(&nim).expect("plain data"))?;
    let mut table = ": what is started at boot\ninit:2:initdefault:\nrctcpip:23456789:wait:/usr/bin/startsrc -s inetd >/dev/null 2>&1\n\
                     nimsh:2:wait:/usr/bin/startsrc -g nimclient >/dev/null 2>&1\n"
        .to_owned();
    if db2 {
        table += "db2:2:wait:su - xcatdb -c db2start >/dev/null 2>&1\n";
    }
    if primary {
        table += "named:2:wait:/usr/bin/startsrc -s named >/dev/null 2>&1\nnim:2:wait:/usr/bin/startsrc -g nim >/dev/null 2>&1\nxcatd:2:once:/usr/bin/startsrc -s xcatd >/dev/null 2>&1\n\
                  conserver:2:once:/usr/bin/startsrc -s conserver >/dev/null 2>&1\n";
    }
    upper.file("/etc/inittab", 0o644, &table)?;
    upper.file("/etc/environment", 0o644, &format!("PATH={AIX_PATH}\nTZ=UTC0\nLANG=C\n"))?;
    Ok(())
}
