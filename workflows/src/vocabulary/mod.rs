//! Every program call that a step may make, as a typed constructor. The steps use nothing else; the simulator interprets exactly
//! these; the practice hosts provide exactly these programs. Texts and exit codes are those of Debian 12 unless a note says otherwise.

use crate::{
    model::{Fence, Node, Pair, Postgres, Xcat},
    render::compact,
    script::{Command, StdinPart},
};

pub mod aix;
pub mod db2;
pub mod nim;
pub mod transfer;

/// SQL texts. The simulator matches them to the letter.
pub mod sql {
    /// One row: role (`primary`|`standby`), system identifier, timeline.
    ///
    /// The timeline of a primary is read from its current segment, because `pg_control_checkpoint` shows the old one until the first
    /// checkpoint after a promotion, which may be minutes away; a standby's is the latest of its three sources.
    pub const ROLE: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END, (SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery() THEN GREATEST((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT received_tli FROM pg_stat_wal_receiver)) ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END";
    /// One row: end of received and of replayed log (bytes from 0/0; empty when null), last replayed commit (ms since 1970; empty),
    /// last contact with the primary (ms; empty), receiver status (`streaming` or empty), server's clock (ms), the primary's last
    /// checkpoint that this server knows (ms, by the primary's clock, in whole seconds).
    ///
    /// *Contact* is a message of the primary behind which nothing was left to send: all up to the end of log that it named is here. A
    /// receiver that has only just begun shows its own start in the place of the last message, the same moment as sent and received; that
    /// is none. The older of the two clocks counts. It is gone with its receiver; commit and checkpoint stay.
    pub const STANDBY_POSITION: &str = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint, floor(extract(epoch from pg_last_xact_replay_timestamp()) * 1000)::bigint, (SELECT floor(extract(epoch from LEAST(last_msg_send_time, last_msg_receipt_time)) * 1000)::bigint FROM pg_stat_wal_receiver WHERE last_msg_send_time <> last_msg_receipt_time AND pg_last_wal_receive_lsn() >= latest_end_lsn), (SELECT status FROM pg_stat_wal_receiver), floor(extract(epoch from clock_timestamp()) * 1000)::bigint, (SELECT floor(extract(epoch from checkpoint_time) * 1000)::bigint FROM pg_control_checkpoint())";
    /// One row: end of written log (bytes), number of streaming standbys, number of those that commits wait for (as far as the server's
    /// own setting of `synchronous_commit` makes them wait).
    pub const PRIMARY_POSITION: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint, (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'), (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') AND current_setting('synchronous_commit') IN ('on', 'remote_apply', 'remote_write'))";
    /// One row: `t` when promoted within 60 s.
    pub const PROMOTE: &str = "SELECT pg_promote(true, 60)";
    /// One row: number of nodes in the xCAT database.
    pub const CLUSTER_NODES: &str = "SELECT count(*) FROM nodelist";
    /// One row: number of lines of pg_hba.conf that the server cannot read.
    pub const HBA_ERRORS: &str = "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL";
    /// One row: what the server listens on: `*` or a comma list.
    pub const LISTEN: &str = "SHOW listen_addresses";
    /// One row: version as a number: 150004 is 15.4, 90224 is 9.2.24. Every server understands it.
    pub const VERSION: &str = "SHOW server_version_num";
    /// One row: the files that the server reads, and the standbys that it waits for at each commit when it is primary (empty: none).
    pub const SETTINGS: &str = "SELECT current_setting('config_file'), current_setting('hba_file'), current_setting('synchronous_standby_names')";
    /// One row: the standbys that each commit waits for; empty: none.
    pub const WAITS_FOR: &str = "SHOW synchronous_standby_names";
    /// Commits wait for no standby, from the next [`RELOAD`] on. It counts for more than any line of `postgresql.conf`.
    pub const WAIT_FOR_NOBODY: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
    /// Rows `place|interfaces`: where xCAT's tables name interfaces of the management node (trap 16).
    pub const NICS: &str = "SELECT 'networks.' || netname, mgtifname FROM networks WHERE mgtifname <> '' UNION ALL SELECT 'site.dhcpinterfaces', value FROM site WHERE key = 'dhcpinterfaces' AND value <> ''";
    /// Rows `key|value` of xCAT's site table: what tells whether a machine can serve the cluster.
    pub const SITE: &str = "SELECT key, value FROM site WHERE key IN ('master', 'externaldns', 'xcatconfdir') AND value <> '' AND coalesce(disable, '') NOT IN ('1', 'yes')";
    /// One row: `t`. Reads pg_hba.conf again.
    pub const RELOAD: &str = "SELECT pg_reload_conf()";
}

/// Content of a file; exit 1 and an empty output when it is absent.
pub fn cat(path: &str) -> Command {
    Command::new(["cat", path])
}

/// Pinned identity of the machine: 32 hexadecimal digits.
pub fn machine_id() -> Command {
    cat("/etc/machine-id")
}

/// Changes at every boot.
pub fn boot_id() -> Command {
    cat("/proc/sys/kernel/random/boot_id")
}

/// Host name as the kernel has it.
pub fn host_name() -> Command {
    Command::new(["hostname"])
}

/// Sets the host name until the next boot.
pub fn set_host_name(name: &str) -> Command {
    Command::new(["hostname", name])
}

/// Clock: nanoseconds since 1970.
pub fn clock() -> Command {
    Command::new(["date", "+%s%N"])
}

/// IPv4 addresses: lines such as `2: eth0    inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0\       valid_lft …`.
pub fn addresses() -> Command {
    Command::new(["ip", "-o", "-4", "addr", "show"])
}

/// Configures an address until the next boot. Exit 2 and `RTNETLINK answers: File exists` when it is there.
pub fn address_add(address: &str, prefix: u8, interface: &str) -> Command {
    Command::new(["ip", "addr", "add", &format!("{address}/{prefix}"), "dev", interface])
}

/// Takes an address away. Exit 2 and `RTNETLINK answers: Cannot assign requested address` when it is not there.
pub fn address_del(address: &str, prefix: u8, interface: &str) -> Command {
    Command::new(["ip", "addr", "del", &format!("{address}/{prefix}"), "dev", interface])
}

/// Prints `up` and exits 0 when the interface has a carrier; else exits 1. Without one, ARP questions meet silence (trap 13).
pub fn carrier(interface: &str) -> Command {
    const SCRIPT: &str = "ip -o link show dev \"$1\" | grep -q LOWER_UP && echo up";
    Command::new(["sh", "-c", SCRIPT, "carrier", interface])
}

/// Address-conflict probe (RFC 5227), 2 s: exit 0 silence, 1 somebody answered (`Unicast reply from 10.77.0.10 [02:…]  0.6ms`), 2 no such
/// interface or `Interface "eth0" is down`. Exit 1 without a reply line is a bad option, not a conflict: iputils takes whole seconds only
/// (`-i 0.3` is `invalid argument`), and `-i 0` never ends. A lost carrier shows as silence: look at it first (trap 13).
/// Silence ends with a line `Received 0 response(s)`.
pub fn arp_probe(address: &str, interface: &str) -> Command {
    Command::new(["arping", "-D", "-c", "3", "-w", "2", "-I", interface, address])
}

/// Does anybody answer for the address? Exit 0 with a line `Unicast reply from … [MAC]`, 1 and `Received 0 response(s)`: silence, in 2 s.
pub fn arp_ask(address: &str, interface: &str) -> Command {
    Command::new(["arping", "-f", "-c", "2", "-w", "2", "-I", interface, address])
}

/// Gratuitous ARP, request form (`-U`) or reply form (`-A`), `count` times, one a second (trap 14).
pub fn arp_announce(address: &str, interface: &str, reply: bool, count: u8) -> Command {
    let form = if reply { "-A" } else { "-U" };
    Command::new(["arping", form, "-c", &count.to_string(), "-I", interface, address]).timeout(u32::from(count) + 10)
}

/// Calls a fence agent: options on standard input, the password read from its file on the spot. `action`: `off`, `on`, `status`.
/// `status` prints `Status: ON` (exit 0) or `Status: OFF` (exit 2); `off` prints `Success: Powered OFF` or `Success: Already OFF`.
pub fn fence(fence: &Fence, action: &str) -> Option<Command> {
    match fence {
        Fence::Agent { agent, options, password_file, .. } => {
            let mut parts = vec![StdinPart::Text(format!("action={action}\n"))];
            parts.extend(options.iter().map(|(k, v)| StdinPart::Text(format!("{k}={v}\n"))));
            if let Some(path) = password_file {
                parts.push(StdinPart::Text("password=".into()));
                parts.push(StdinPart::SecretFile(path.clone()));
                parts.push(StdinPart::Text("\n".into()));
            }
            Some(Command::new([agent.as_str()]).stdin(parts).timeout(60))
        }
        Fence::Command { argv, .. } => Some(Command::new(argv.iter().map(String::as_str).chain([action])).timeout(60)),
        Fence::Attestation => None,
    }
}

/// Asks the device who it is: `System GUID  : 11223344-…` (ipmitool), or the `identity` answer of a fence command.
/// `None` where nothing is pinned.
pub fn fence_identity(fence: &Fence) -> Option<Command> {
    match fence {
        Fence::Agent { options, password_file, guid: Some(_), .. } => {
            let get =
                |names: &[&str]| options.iter().find(|(k, _)| names.contains(&k.as_str())).map(|(_, v)| v.clone());
            let mut argv: Vec<String> = ["ipmitool", "-I", "lanplus"].map(String::from).to_vec();
            argv.extend(["-H".into(), get(&["ip", "ipaddr"])?]);
            if let Some(port) = get(&["ipport", "port"]) {
                argv.extend(["-p".into(), port]);
            }
            if let Some(user) = get(&["username", "login"]) {
                argv.extend(["-U".into(), user]);
            }
            if let Some(cipher) = get(&["cipher"]) {
                argv.extend(["-C".into(), cipher]);
            }
            if let Some(path) = password_file {
                argv.extend(["-f".into(), path.clone()]);
            }
            argv.extend(["mc".into(), "guid".into()]);
            Some(Command::new(argv).timeout(30))
        }
        Fence::Command { argv, identity: Some(_) } => {
            Some(Command::new(argv.iter().map(String::as_str).chain(["identity"])).timeout(30))
        }
        _ => None,
    }
}

/// Controls a service: the template with `{action}` replaced (`start`, `stop`, `restart`, `status`).
pub fn control(template: &[String], action: &str) -> Command {
    Command::new(template.iter().map(|w| w.replace("{action}", action))).timeout(120)
}

/// Is a service started at boot? Prints `yes`, `no` or `unknown` (systemd, else the rc?.d links).
pub fn at_boot(service: &str) -> Command {
    const SCRIPT: &str = "if systemctl is-system-running >/dev/null 2>&1 || [ -d /run/systemd/system ]; then \
         case $(systemctl is-enabled \"$1\" 2>/dev/null) in enabled|enabled-runtime|generated) echo yes;; disabled|masked|static) echo no;; *) echo unknown;; esac; \
         elif ls /etc/rc[2345].d/S[0-9][0-9]\"$1\" >/dev/null 2>&1; then echo yes; \
         elif [ -d /etc/rc2.d ]; then echo no; else echo unknown; fi";
    Command::new(["sh", "-c", SCRIPT, "at-boot", service])
}

/// Has a service started at boot, or not: by systemd, else in the distribution's way of old.
pub fn set_at_boot(service: &str, yes: bool) -> Command {
    const SCRIPT: &str = "if [ -d /run/systemd/system ]; then systemctl $2 \"$1\"; \
         elif command -v update-rc.d >/dev/null 2>&1; then update-rc.d \"$1\" $2; \
         elif [ $2 = enable ]; then chkconfig \"$1\" on; else chkconfig \"$1\" off; fi";
    Command::new(["sh", "-c", SCRIPT, "boot", service, if yes { "enable" } else { "disable" }])
}

/// Number of processes of xcatd (facts: they outlive `stop` for up to a second). By the titles that they give themselves; also by the
/// program's path, because one that is just starting has no title yet, and not every system lets perl set one.
pub fn xcatd_processes() -> Command {
    const SCRIPT: &str =
        "ps -e -o args= | grep -c -E '^(xcatd: |([^ ]*/)?(perl[^ ]* ([^ ]* )*[^ ]*/)?xcatd( |$))' || :";
    Command::new(["sh", "-c", SCRIPT])
}

/// Number of running restores into the database (trap 22).
pub fn restore_processes() -> Command {
    Command::new(["sh", "-c", "ps -e -o args= | grep -v grep | grep -c -E '(^|/)(pg_restore|restorexCATdb)' || :"])
}

/// Every scheduled job as `HOLDER:LINE`, then a line `:end`: without it the listing is cut short. Exit 0 also when there is none.
///
/// The holder is a crontab (every line of it; SLES keeps them in `/var/spool/cron/tabs`), a script in `/etc/cron.daily` and its like (its
/// lines that restore or copy), or the unit that a systemd timer starts (its `Exec…=` lines). Behind a line stand the lines that restore
/// or copy in the scripts that it names, each as `:runs TEXT`.
pub fn crontabs() -> Command {
    Command::new(["sh", "-c", &compact(include_str!("../sh/schedules.sh")), SCHEDULES])
}

/// Name by which a listing of [`crontabs`] goes in a process table and in a plan.
pub const SCHEDULES: &str = "schedules";

/// The file that keeps a unit of systemd from being run, whoever starts it.
pub fn unit_guard(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d/hamn.conf")
}

/// Has systemd read its files again; prints nothing.
pub fn daemon_reload() -> Command {
    Command::new(["systemctl", "daemon-reload"])
}

/// Stops a unit that is running just now.
pub fn stop_unit(unit: &str) -> Command {
    Command::new(["systemctl", "stop", unit]).timeout(60)
}

/// Takes from a script, or gives back, that it may be run.
pub fn executable(path: &str, yes: bool) -> Command {
    Command::new(["chmod", if yes { "a+x" } else { "a-x" }, path])
}

/// What a node has of what the steps need, as lines `WORD VALUE`, then `:end`. `files` are to be there and to be written; `programs` are
/// names or whole paths.
pub fn preflight(pair: &Pair, node: &Node, files: &[String], programs: &[String]) -> Command {
    let script = compact(include_str!("../sh/preflight.sh"));
    let service = &pair.service;
    let mut argv: Vec<&str> = vec!["sh", "-c", &script, PREFLIGHT];
    argv.extend([&*node.interface, &*service.address, &*service.host_name, &*pair.node_dir]);
    argv.extend(files.iter().map(String::as_str));
    argv.push("--");
    argv.extend(programs.iter().map(String::as_str));
    Command::new(argv)
}

/// Name by which [`preflight`] goes in a process table and in a plan.
pub const PREFLIGHT: &str = "preflight";

/// A network service that xCAT configures, whatever the distribution calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// named
    Dns,
    /// dhcpd or Kea
    Dhcp,
    /// conserver or goconserver
    Consoles,
}

impl Helper {
    /// All.
    pub const ALL: [Self; 3] = [Self::Dns, Self::Dhcp, Self::Consoles];

    /// Its name in evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "named",
            Self::Dhcp => "dhcpd",
            Self::Consoles => "conserver",
        }
    }

    /// Names of its programs.
    fn programs(self) -> &'static str {
        match self {
            Self::Dns => "named",
            Self::Dhcp => "dhcpd|dhcpsd|kea-dhcp4",
            Self::Consoles => "conserver|goconserver",
        }
    }

    /// Names of its services, the most usual first.
    fn services(self) -> &'static [&'static str] {
        match self {
            Self::Dns => &["named", "bind9", "named-chroot"],
            Self::Dhcp => &["isc-dhcp-server", "dhcpd", "kea-dhcp4-server", "kea-dhcp4"],
            Self::Consoles => &["conserver-server", "conserver", "goconserver"],
        }
    }
}

/// Number of processes of a network service. Prints a number.
pub fn helper_processes(helper: Helper) -> Command {
    const SCRIPT: &str = "ps -e -o args= | grep -v grep | grep -c -E \"^([^ ]*/)?($1)( |\\$)\" || :";
    Command::new(["sh", "-c", SCRIPT, "processes", helper.programs()])
}

/// `start` or `stop` of a network service under whatever names are installed; exit 0 when there is none. Only the first is started.
pub fn helper_control(helper: Helper, action: &str) -> Command {
    // By systemd itself where it is: a minimal installation of RHEL has no `service`.
    const SCRIPT: &str = "a=$1; shift; for s in \"$@\"; do \
         if [ -d /run/systemd/system ] && systemctl cat $s.service >/dev/null 2>&1; then systemctl $a $s.service || exit 1; \
         elif [ -x /etc/init.d/$s ]; then service $s $a || exit 1; \
         else continue; fi; [ $a = start ] && break; done; :";
    Command::new(["sh", "-c", SCRIPT, "helper", action].into_iter().chain(helper.services().iter().copied()))
        .timeout(60)
}

/// [`helper_processes`] of the DHCP server.
pub fn dhcpd_processes() -> Command {
    helper_processes(Helper::Dhcp)
}

/// [`helper_control`] of the DHCP server.
pub fn dhcpd_control(action: &str) -> Command {
    helper_control(Helper::Dhcp, action)
}

/// Takes a file away; exit 0 also when there is none.
pub fn remove(path: &str) -> Command {
    Command::new(["rm", "-f", "--", path])
}

/// Taking away the first address of a subnet takes its other addresses along unless this is set: before [`address_del`], so that
/// the machine's own address survives (trap 12). Prints nothing.
pub fn keep_secondaries(interface: &str) -> Command {
    Command::new(["sysctl", "-q", "-w", &format!("net/ipv4/conf/{interface}/promote_secondaries=1")])
}

/// What xcatd's database configuration says before the user and the password: `Pg:dbname=xcatdb;host=10.77.0.10` (trap 35: the
/// password is never read by hamn).
pub fn cfgloc_dsn(xcat: &Xcat) -> Command {
    Command::new(["sed", "-n", "s/|.*//p", &xcat.cfgloc])
}

/// Prints `ready` when xcatd answers `tabdump site` with the site table; to be waited for after a restart.
pub fn xcatd_ready(xcat: &Xcat) -> Command {
    const SCRIPT: &str = "\"$1\" site 2>/dev/null | grep -q '^\"master\",' && echo ready";
    let tabdump = self::xcat(xcat, "tabdump", &[]);
    Command { argv: ["sh", "-c", SCRIPT, "xcatd-ready", &tabdump.argv[0]].map(String::from).to_vec(), ..tabdump }
        .timeout(5)
}

/// Rewrites the configuration of the console server that is installed: makeconservercf refuses where there is only goconserver, which is
/// what xCAT installs since 2.14, and makegocons where there is only conserver (measured).
pub fn consoles(xcat: &Xcat) -> Command {
    const SCRIPT: &str = "if [ -x /usr/bin/goconserver ] && [ ! -x /usr/sbin/conserver ]; then exec \"$1/makegocons\"; fi; \
         exec \"$1/makeconservercf\"";
    let call = self::xcat(xcat, "makeconservercf", &[]);
    let sbin = format!("{}/sbin", xcat.root);
    Command { argv: ["sh", "-c", SCRIPT, "consoles", &sbin].map(String::from).to_vec(), ..call }
}

/// One SQL text through `psql` as the server's owner: columns separated by `|`. Exit 2: no connection.
pub fn psql(pg: &Postgres, database: &str, text: &str) -> Command {
    let program = format!("{}/psql", pg.bin_dir);
    let port = pg.port.to_string();
    Command::new([&program, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-p", &port, "-d", database, "-c", text])
        .user(&pg.os_user)
        .env("PGCONNECT_TIMEOUT", "5")
        .timeout(20)
}

/// [`sql::PROMOTE`] with its own time limit.
pub fn promote(pg: &Postgres) -> Command {
    psql(pg, "postgres", sql::PROMOTE).timeout(90)
}

/// `pg_controldata`: lines such as `Latest checkpoint location:           0/5000028` and `Database cluster state:               shut down`.
pub fn controldata(pg: &Postgres) -> Command {
    Command::new([format!("{}/pg_controldata", pg.bin_dir), "-D".into(), pg.data_dir.clone()]).user(&pg.os_user)
}

/// Lets the server read its configuration without starting: exit 0 when it can (trap 49).
pub fn config_test(pg: &Postgres) -> Command {
    Command::new([
        format!("{}/postgres", pg.bin_dir),
        "-D".into(),
        pg.data_dir.clone(),
        "-c".into(),
        format!("config_file={}/postgresql.conf", pg.config_dir),
        "-C".into(),
        "listen_addresses".into(),
    ])
    .user(&pg.os_user)
}

/// An xCAT command by its name, with absolute path, the environment that it wants and a time limit (facts: it can hang for ever).
pub fn xcat(xcat: &Xcat, name: &str, arguments: &[&str]) -> Command {
    // Of a large cluster they take minutes, and say so: what is cut off leaves half a zone.
    const LONG: [&str; 3] = ["makedns", "makedhcp", "makeconservercf"];
    const SBIN: [&str; 6] = ["tabdump", "chtab", "makedns", "makedhcp", "makeconservercf", "nodeset"];
    let dir = if SBIN.contains(&name) { "sbin" } else { "bin" };
    let root = &xcat.root;
    Command::new([format!("{root}/{dir}/{name}")].into_iter().chain(arguments.iter().map(|a| (*a).to_owned())))
        .env("XCATROOT", root)
        .env("PATH", &format!("{root}/bin:{root}/sbin:/usr/sbin:/usr/bin:/sbin:/bin"))
        .env("HOME", "/root")
        .timeout(if LONG.contains(&name) { xcat.call_timeout_s.saturating_mul(15) } else { xcat.call_timeout_s })
}

/// Path of a file of hamn on a managed node.
pub fn node_file(pair: &Pair, name: &str) -> String {
    format!("{}/{name}", pair.node_dir)
}

/// Path of the epoch on a managed node: a decimal number.
pub fn epoch_path(pair: &Pair) -> String {
    node_file(pair, "epoch")
}

/// Path of the claim on a managed node (a directory).
pub fn claim_path(pair: &Pair) -> String {
    node_file(pair, "claim")
}

/// Path of the text of the claim.
pub fn claim_text_path(pair: &Pair) -> String {
    node_file(pair, "claim/text")
}

/// Path of the file whose presence lets PostgreSQL start only as a standby, never writable.
pub fn standby_signal(pg: &Postgres) -> String {
    format!("{}/standby.signal", pg.data_dir)
}

/// Command that tells whether a TCP port of a node answers, from where it runs: exit 0 yes. bash's /dev/tcp is not in POSIX sh, so: `nc`-free, by `psql`'s sibling `pg_isready`.
pub fn database_answers(pg: &Postgres, address: &str) -> Command {
    Command::new([
        format!("{}/pg_isready", pg.bin_dir),
        "-q".into(),
        "-t".into(),
        "2".into(),
        "-h".into(),
        address.into(),
        "-p".into(),
        pg.port.to_string(),
    ])
}

/// The interface and service address of a node, for the `ip` and `arping` calls.
pub fn service_on<'a>(pair: &'a Pair, node: &'a Node) -> (&'a str, u8, &'a str) {
    (&pair.service.address, pair.service.prefix, &node.interface)
}
