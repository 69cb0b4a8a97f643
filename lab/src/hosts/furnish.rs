//! What is on each host before its first boot: names, keys, services, crontabs, the stand-ins of xCAT.

use std::path::Path;

use super::{
    Result,
    bmc::{self, password_file},
    database,
    database::Server,
    keys::Keys,
    machine::{DOMAIN, Machine, Nic, PREFIX, SERVICE_ADDRESS, SERVICE_NAME, STANDBY_NAME},
    persona::{AIX_PATH, Persona, STANDIN},
    rootfs::Upper,
};

/// Where the program is on the hosts that have it.
pub(crate) const PROGRAM: &str = "/usr/local/bin/hamn";

const BIN: &[&str] = &["lsdef", "mkdef", "chdef", "rmdef", "nodels", "lsxcatd", "gettab"];
const SBIN: &[&str] = &["tabdump", "chtab", "makedns", "makedhcp", "makeconservercf", "makegocons", "nodeset"];

const SSHD: &str = "AddressFamily inet\nHostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\n\
                    PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nPrintMotd no\n\
                    MaxStartups 100\nAcceptEnv LANG LC_*\nSubsystem sftp internal-sftp\n";

/// Everything that every host has.
pub(crate) fn any(upper: &Upper, machine: Machine, machine_id: &str, keys: &Keys, persona: Persona) -> Result<()> {
    upper.file("/etc/hostname", 0o644, &format!("{}\n", machine.host_name()))?;
    upper.file("/etc/machine-id", 0o444, &format!("{machine_id}\n"))?;
    upper.file("/etc/hosts", 0o644, &hosts(persona))?;
    upper.file("/etc/resolv.conf", 0o644, &format!("search {DOMAIN}\noptions timeout:1 attempts:1\n"))?;
    upper.file("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")?;
    let mut boot = String::new();
    for nic in Nic::BOTH {
        boot += &format!("{} {}/{PREFIX}\n", nic.name(), machine.address(nic));
    }
    if machine == Machine::Mn1 {
        boot += &format!("{} {SERVICE_ADDRESS}/{PREFIX}\n", Nic::Eth0.name());
    }
    upper.file("/etc/network/boot-addresses", 0o644, &boot)?;
    let aix = persona.is_aix(machine);
    let path = if aix { format!("SetEnv PATH={AIX_PATH}\n") } else { String::new() };
    upper.file("/etc/ssh/sshd_config", 0o600, &(SSHD.to_owned() + &path))?;
    for kind in ["rsa", "ecdsa"] {
        // The machine's own keys are below.
        upper.file(&format!("/etc/ssh/ssh_host_{kind}_key"), 0o600, "")?;
        upper.file(&format!("/etc/ssh/ssh_host_{kind}_key.pub"), 0o644, "")?;
    }
    let key = &keys.host[&machine];
    upper.file("/etc/ssh/ssh_host_ed25519_key", 0o600, &key.private)?;
    upper.file("/etc/ssh/ssh_host_ed25519_key.pub", 0o644, &format!("{}\n", key.public))?;
    // root's home on AIX is `/`.
    let home = if aix { "" } else { "/root" };
    upper.folder_of((0, 0), &format!("{home}/.ssh"), 0o700)?;
    let authorized: String = keys.root.values().flat_map(|k| [k.public.as_str(), "\n"]).collect();
    upper.file(&format!("{home}/.ssh/authorized_keys"), 0o600, &authorized)?;
    if !aix {
        upper.file("/root/.bashrc", 0o644, "PS1='\\u@\\h:\\w\\$ '\n")?;
        upper.file("/root/.profile", 0o644, "[ -n \"$BASH\" ] && . ~/.bashrc\n")?;
    }
    if let Some(own) = keys.root.get(&machine) {
        upper.file(&format!("{home}/.ssh/id_ed25519"), 0o600, &own.private)?;
        upper.file(&format!("{home}/.ssh/id_ed25519.pub"), 0o644, &format!("{}\n", own.public))?;
        upper.file(&format!("{home}/.ssh/known_hosts"), 0o600, &known_hosts(keys))?;
    }
    Ok(())
}

fn hosts(persona: Persona) -> String {
    let mut text = format!("127.0.0.1 localhost\n{SERVICE_ADDRESS} {SERVICE_NAME} {SERVICE_NAME}.{DOMAIN}\n");
    let standby = Machine::Mn2.address(Nic::Eth0);
    text += &format!("{standby} {STANDBY_NAME} {STANDBY_NAME}.{DOMAIN}\n");
    for machine in Machine::ALL {
        // The cluster-facing addresses of two AIX machines are the two that swap: neither is a machine's own.
        let own = if persona.is_aix(machine) { Nic::Eth1 } else { Nic::Eth0 };
        text += &format!("{} {machine} {machine}.{DOMAIN}\n", machine.address(own));
        text += &format!("{} {machine}-mgt\n", machine.address(Nic::Eth1));
    }
    text
}

fn known_hosts(keys: &Keys) -> String {
    let mut text = String::new();
    for (machine, key) in &keys.host {
        let mut names = vec![machine.name().to_owned(), format!("{machine}-mgt")];
        names.extend(Nic::BOTH.map(|n| machine.address(n)));
        match machine {
            // Traps 18 and 25: the name leads elsewhere after a takeover, and the key does not fit.
            Machine::Mn1 => {
                names.extend([SERVICE_NAME.to_owned(), format!("{SERVICE_NAME}.{DOMAIN}"), SERVICE_ADDRESS.to_owned()]);
            }
            Machine::Mn2 => names.extend([STANDBY_NAME.to_owned(), format!("{STANDBY_NAME}.{DOMAIN}")]),
            _ => {}
        }
        text += &format!("{} {}\n", names.join(","), key.public);
    }
    text
}

/// The program and the passwords of the BMCs: where hamn may run.
pub(crate) fn operator(upper: &Upper, program: &Path) -> Result<()> {
    upper.hard_link(PROGRAM, program)?;
    upper.folder_of((0, 0), "/etc/hamn", 0o700)?;
    for machine in Machine::PAIR {
        upper.file(&password_file(machine), 0o600, &format!("{}\n", bmc::PASSWORD))?;
    }
    Ok(())
}

/// What only a management node has: xCAT, services at boot, crontabs.
pub(crate) fn management_node(
    upper: &Upper,
    machine: Machine,
    server: &Server,
    db2: bool,
    persona: Persona,
) -> Result<()> {
    if persona.is_aix(machine) {
        if db2 && machine == Machine::Mn1 {
            crontab(upper, "root", 0, &pushes())?;
        }
        return contents(upper, machine, server, db2, "/.xcat");
    }
    for (dir, names) in [("bin", BIN), ("sbin", SBIN)] {
        for name in names {
            let text = format!("#!/bin/sh\nexec {PROGRAM} standin {name} \"$@\"\n");
            upper.file(&format!("/opt/xcat/{dir}/{name}"), 0o755, &text)?;
        }
    }
    // What xCAT configures; its stand-ins need them no more than that they are there.
    for name in ["named", "dhcpd", "conserver"] {
        upper.file(&format!("/usr/sbin/{name}"), 0o755, "#!/bin/sh\nexit 0\n")?;
    }
    init_script(upper, PROGRAM)?;
    upper.file("/etc/init.d/isc-dhcp-server", 0o755, &format!("#!/bin/sh\nexec {PROGRAM} standin dhcpd \"$@\"\n"))?;
    contents(upper, machine, server, db2, "/root/.xcat")?;
    // What DB2 is after a boot, only a look tells.
    let database = if db2 { "db2" } else { "postgresql" };
    let services: &[&str] =
        if machine == Machine::Mn1 { &["cron", database, "isc-dhcp-server", "xcatd"] } else { &["cron", database] };
    upper.at_boot(services)
}

/// xcatd of a service node: a client of the management node's database, stopped and started with it. `standin` plays it.
pub(crate) fn service_node(upper: &Upper, program: &Path) -> Result<()> {
    upper.hard_link(STANDIN, program)?;
    upper.file("/etc/xCATSN", 0o644, "")?;
    init_script(upper, STANDIN)?;
    upper.at_boot(&["xcatd"])
}

fn init_script(upper: &Upper, standin: &str) -> Result<()> {
    let text = format!(
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: xcatd\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n\
         # Short-Description: xcatd\n### END INIT INFO\nexec {standin} standin xcatd \"$@\"\n"
    );
    upper.file("/etc/init.d/xcatd", 0o755, &text).map(drop)
}

/// The jobs of the published procedure that push files, with the fifth time field that it forgot (trap 27).
fn pushes() -> String {
    format!(
        "0 1 * * * /usr/bin/rsync -az /etc/xcat/ca /etc/xcat/cert /etc/xcat/hostkeys {STANDBY_NAME}:/etc/xcat\n\
         0 1 * * * /usr/bin/rsync -az $HOME/.xcat {STANDBY_NAME}:$HOME/\n\
         0 2 * * * /usr/bin/rsync -az /install {STANDBY_NAME}:/\n\
         0 2 * * * /usr/bin/rsync -az /etc/hosts /etc/resolv.conf {STANDBY_NAME}:/etc/\n"
    )
}

/// xCAT's files and the crontabs, whatever the system.
fn contents(upper: &Upper, machine: Machine, server: &Server, db2: bool, credentials: &str) -> Result<()> {
    upper.file("/etc/xCATMN", 0o644, "")?;
    upper.file(
        "/etc/profile.d/xcat.sh",
        0o644,
        "export XCATROOT=/opt/xcat\nPATH=/opt/xcat/bin:/opt/xcat/sbin:$PATH\n",
    )?;
    let host = if machine == Machine::Mn1 { SERVICE_ADDRESS.to_owned() } else { machine.address(Nic::Eth0) };
    upper.folder_of((0, 0), "/etc/xcat", 0o755)?;
    let postgres = format!("Pg:dbname={};host={host}|{}|{}\n", database::DATABASE, database::ROLE, database::PASSWORD);
    upper.file("/etc/xcat/cfgloc", 0o600, &if db2 { super::db2::cfgloc() } else { postgres })?;
    for path in
        ["/etc/xcat/cert/server-cred.pem", &format!("{credentials}/client-cred.pem"), &format!("{credentials}/ca.pem")]
    {
        upper.file(path, 0o600, "practice\n")?;
    }
    for dir in ["/etc/xcat/ca", "/etc/xcat/hostkeys", "/install", "/tftpboot", "/etc/dhcp"] {
        upper.folder(dir)?;
    }
    if db2 {
        return Ok(());
    }
    let program = format!("{}/pg_restore", server.bin_dir());
    let owner = super::rootfs::account("postgres")?;
    if machine == Machine::Mn1 {
        let lines = pushes() + &format!("0 4 * * * /usr/bin/scp /tmp/xcatdb {STANDBY_NAME}:/tmp/\n");
        crontab(upper, "root", 0, &lines)?;
        let dump = format!("0 3 * * * {}/pg_dump -f /tmp/xcatdb -F t xcatdb\n", server.bin_dir());
        crontab(upper, "postgres", owner.0, &dump)
    } else {
        // Trap 22: goes on after a promotion and puts yesterday's dump over the live database.
        crontab(upper, "postgres", owner.0, &format!("0 5 * * * {program} -d xcatdb -c /tmp/xcatdb\n"))
    }
}

/// A crontab as `crontab` installs it.
fn crontab(upper: &Upper, user: &str, uid: u32, lines: &str) -> Result<()> {
    let group = upper.folder("/var/spool/cron/crontabs")?;
    let gid = std::fs::metadata(&group).map_or(0, |m| std::os::unix::fs::MetadataExt::gid(&m));
    upper.file_of((uid, gid), &format!("/var/spool/cron/crontabs/{user}"), 0o600, lines)
}
