//! What the later steps stand on, looked at before anything is changed: programs, interface, room on the disks, the server's version
//! and files. What is missing there would be found out behind the fence or behind the pivot, when it costs the outage.

use journal_schema::{DatabaseRole, Fact, Tri};

use super::{Batch, fit, judge, look, read, server};
use crate::{
    model::{Node, NodeId, Pair, Platform, Xcat},
    notes,
    script::Output,
    step::{Judgement, Place, Step},
    table::Context,
    vocabulary::{self, sql},
};

/// The oldest server that can be told to start as a standby by `standby.signal` and be promoted by `pg_promote`.
const OLDEST: u64 = 120_000;

/// Least room on a disk that is written to, KiB.
const ROOM_KIB: u64 = 8 * 1024;

/// What xCAT configures: its command; the server that must be there, of `NAME|NAME` one; the key of `[xcat]` that says that it is wanted.
/// Without the server the command refuses (measured), and that would be behind the pivot.
const SERVERS: [(&str, &str, &str); 3] = [
    ("makedns", "named", "dns"),
    ("makedhcp", "dhcpd|kea-dhcp4", "dhcp"),
    ("makeconservercf", "conserver|goconserver", "conserver"),
];

/// Without the first xcatd drops every connection, without the others its answer is *Permission denied* (measured).
const CREDENTIALS: [&str; 3] = ["/etc/xcat/cert/server-cred.pem", "/root/.xcat/client-cred.pem", "/root/.xcat/ca.pem"];

fn servers(xcat: &Xcat) -> impl Iterator<Item = (&'static str, &'static str)> {
    let wanted = [xcat.dns, xcat.dhcp, xcat.conserver];
    SERVERS.into_iter().zip(wanted).filter(|(_, on)| *on).map(|((command, server, _), _)| (command, server))
}

/// Looks before a failover: at the target, and at the machine that runs hamn.
pub fn failover(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![of_target(ctx), not_here(ctx)])
}

/// Looks before a switchover: at both.
pub fn switchover(ctx: &Context<'_>) -> Vec<Step> {
    fit(vec![of_target(ctx), of_other(ctx)])
}

fn of_target(ctx: &Context<'_>) -> Step {
    let (pg, xcat) = (ctx.pair.postgres(), &ctx.pair.xcat);
    let mut files = vec![
        format!("{}/pg_hba.conf", pg.config_dir),
        format!("{}/postgresql.conf", pg.config_dir),
        xcat.cfgloc.clone(),
    ];
    if ctx.target().platform == Platform::Linux {
        files.extend(CREDENTIALS.map(String::from));
    }
    let mut programs: Vec<String> = ["arping", "hostname", "ip", "ps"].map(String::from).to_vec();
    programs.extend(["psql", "pg_isready", "postgres"].map(|p| format!("{}/{p}", pg.bin_dir)));
    programs.push(format!("{}/sbin/tabdump", xcat.root));
    programs.extend(servers(xcat).map(|(command, _)| format!("{}/sbin/{command}", xcat.root)));
    programs.extend(servers(xcat).map(|(_, server)| server.to_owned()));
    look_at(ctx, ctx.request.target, "preflight.target", &files, programs)
}

fn of_other(ctx: &Context<'_>) -> Step {
    let pg = ctx.pair.postgres();
    let programs = ["arping", "hostname", "ip", "ps", "sysctl"].map(String::from).into_iter();
    let programs = programs.chain(["psql", "pg_controldata"].map(|p| format!("{}/{p}", pg.bin_dir))).collect();
    look_at(ctx, ctx.request.target.other(), "preflight.other", &[format!("{}/PG_VERSION", pg.data_dir)], programs)
}

fn look_at(ctx: &Context<'_>, id: NodeId, step_id: &str, files: &[String], mut programs: Vec<String>) -> Step {
    let (pair, node) = (ctx.pair.clone(), ctx.pair.node(id).clone());
    let pg = pair.postgres();
    for control in [&pg.control, &pair.xcat.control] {
        programs.extend(control.first().cloned());
    }
    programs.dedup();
    let mut batch = Batch::default();
    let host = batch.look(vocabulary::preflight(&pair, &node, files, &programs));
    let seen = Seen {
        host,
        version: batch.look(vocabulary::psql(pg, "postgres", sql::VERSION)),
        settings: batch.look(vocabulary::psql(pg, "postgres", sql::SETTINGS)),
        role: batch.look(server::ask_role(pg)),
        control: batch.look(vocabulary::controldata(pg)),
        nics: batch.look(vocabulary::psql(pg, &pg.database, sql::NICS)),
        cfgloc: batch.look(vocabulary::cfgloc_dsn(&pair.xcat)),
        site: batch.look(vocabulary::psql(pg, &pg.database, sql::SITE)),
        daemon: batch.look(vocabulary::control(&pair.xcat.control, "status").timeout(20)),
        xcatd: batch.look(vocabulary::xcatd_processes()),
        is_target: id == ctx.request.target,
    };
    let own: Vec<String> = super::cluster_addresses(ctx, id).into_iter().map(str::to_owned).collect();
    let title = format!("{} has what the steps need", node.name);
    let judge = judge(move |output: &Output| seen.weigh(&pair, &node, &own, output));
    Step {
        retries: 1,
        traps: &[5, 16, 49, 78],
        ..Step::observe(step_id, title, Place::Node(id), batch.script(), judge)
    }
}

/// Places of the results.
struct Seen {
    host: usize,
    version: usize,
    settings: usize,
    role: usize,
    control: usize,
    nics: usize,
    cfgloc: usize,
    site: usize,
    daemon: usize,
    xcatd: usize,
    is_target: bool,
}

/// What was found: what forbids to go on, what a person should know, and what later steps need.
#[derive(Default)]
struct Findings {
    bars: Vec<String>,
    remarks: Vec<String>,
    facts: Vec<Fact>,
}

impl Findings {
    fn note(&mut self, node: &Node, key: &str, value: String) {
        self.facts.push(Fact::Note { node: node.name.clone(), key: key.into(), value });
    }
}

impl Seen {
    fn weigh(&self, pair: &Pair, node: &Node, own: &[String], output: &Output) -> Judgement {
        let name = &node.name;
        let host = output.at(self.host);
        let Some(text) = read::complete(host).and_then(|t| t.strip_suffix(":end\n")) else {
            return Judgement::unknown(format!("what {name} has could not be seen: {}", read::said(host)), Vec::new());
        };
        let lines: Vec<(&str, &str)> = text.lines().filter_map(|l| l.split_once(' ')).collect();
        let mut found = Findings::default();
        let site: Vec<(&str, &str)> = read::complete(output.at(self.site))
            .map(|rows| rows.lines().filter_map(|l| l.split_once('|')).collect())
            .unwrap_or_default();
        self.machine(pair, node, own, &lines, &site, &mut found);
        if !read::nothing_listens(output.at(self.version)) {
            // A server that does not run is for the assessment to judge.
            self.server(pair, node, output, &mut found);
        }
        if self.is_target {
            self.tables(pair, node, &lines, output, &mut found);
            self.daemon(pair, node, &site, output, &mut found);
        }
        let Findings { bars, remarks, facts } = found;
        if bars.is_empty() {
            let why = if remarks.is_empty() {
                format!("{name} has what the steps need")
            } else {
                format!("! {}", remarks.join("; ! "))
            };
            return Judgement::succeeded(why, facts);
        }
        Judgement::failed(bars.join("; "), facts)
    }

    fn machine(
        &self,
        pair: &Pair,
        node: &Node,
        own: &[String],
        lines: &[(&str, &str)],
        site: &[(&str, &str)],
        found: &mut Findings,
    ) {
        let site = |key: &str| site.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        let (name, interface, service) = (&node.name, &node.interface, &pair.service);
        let all = |word: &'static str| lines.iter().filter(move |(w, _)| *w == word).map(|(_, value)| *value);
        if all("uid").next() != Some("0") {
            found.bars.push(format!(
                "{} on {name} is not root: set ssh_user to a user with the rights of root",
                node.ssh_user
            ));
        }
        for program in all("missing") {
            let key = SERVERS.iter().find(|(_, server, _)| *server == program).map(|(.., key)| *key);
            if key == Some("dns") && site("externaldns").is_some() {
                // The name server is elsewhere; makedns tells it.
                continue;
            }
            let (program, remedy) =
                (program.replace('|', " or "), key.map(|key| format!("set {key} = false in [xcat]")));
            let remedy = remedy.as_deref().unwrap_or("correct the path in the configuration");
            found.bars.push(format!("{name} has no {program}: install it, or {remedy}"));
        }
        if all("foreign").next().is_some() {
            found.bars.push(format!("arping on {name} is not that of iputils: install iputils-arping (iputils)"));
        }
        for path in all("absent") {
            if !CREDENTIALS.contains(&path) {
                found.bars.push(format!("{name} has no {path}: correct the path in the configuration"));
            } else if path.starts_with("/root") || site("xcatconfdir").is_none_or(|dir| dir == "/etc/xcat") {
                found.bars.push(format!(
                    "{name} has no {path}: xcatd would answer nobody there; copy /etc/xcat/ca, /etc/xcat/cert and /root/.xcat from the other machine"
                ));
            }
        }
        for path in all("unwritable") {
            found.bars.push(format!("{path} on {name} cannot be written: mount -o remount,rw, or lsattr"));
        }
        for (kib, path) in all("free").filter_map(|f| f.split_once(' ')) {
            if kib.parse::<u64>().is_ok_and(|kib| kib < ROOM_KIB) {
                found
                    .bars
                    .push(format!("the disk of {path} on {name} is full ({kib} KiB left): make room (df {path})"));
            }
        }
        if !all("link").any(|l| l == interface) {
            let there = all("link").filter(|l| *l != "lo").collect::<Vec<_>>().join(", ");
            found
                .bars
                .push(format!("{name} has no interface {interface}, it has {there}: correct `interface` of {name}"));
        } else if all("carrier").next().is_none() {
            found
                .bars
                .push(format!("{interface} of {name} has no carrier: plug it in, or correct `interface` of {name}"));
        }
        let here = |a: &String| all("inet").any(|i| i.split('/').next() == Some(a));
        if !own.is_empty() && all("link").any(|l| l == interface) && !own.iter().any(here) {
            found
                .bars
                .push(format!("{} of {name} is not on {interface}: correct `interface` of {name}", own.join(", ")));
        }
        if let Some(file) = all("persistent").next() {
            found.note(node, notes::PERSISTENT, file.to_owned());
            found.remarks.push(format!(
                "{file} on {name} gives it {} at every boot, whoever is in service then: take it out of there",
                service.address
            ));
        }
        if self.is_target && all("name").next() != Some(&service.address) {
            let found_name = all("name").next().unwrap_or("nothing");
            found.remarks.push(format!(
                "{} is {found_name} to {name}, not {}: makedns will fail; correct /etc/hosts there",
                service.host_name, service.address
            ));
        }
    }

    fn server(&self, pair: &Pair, node: &Node, output: &Output, found: &mut Findings) {
        let (name, pg) = (&node.name, pair.postgres());
        let Some(version) = read::count(output.at(self.version)) else {
            let said = read::said(output.at(self.version));
            found.bars.push(format!("{}/psql does not work as {} on {name}: {said}", pg.bin_dir, pg.os_user));
            return;
        };
        if version < OLDEST {
            found.bars.push(format!(
                "PostgreSQL on {name} is {}.{}: hamn needs 12 or later, older ones heed no standby.signal",
                version / 10_000,
                version / 100 % 100
            ));
            return;
        }
        let settings = output.at(self.settings);
        let cells: Vec<&str> = read::line(settings).unwrap_or_default().splitn(3, '|').collect();
        let [config, hba, waits_for] = cells[..] else {
            found
                .bars
                .push(format!("the settings of PostgreSQL on {name} could not be read: {}", read::said(settings)));
            return;
        };
        for (file, there) in [("postgresql.conf", config), ("pg_hba.conf", hba)] {
            let configured = format!("{}/{file}", pg.config_dir);
            if there != configured {
                found.bars.push(format!(
                    "PostgreSQL on {name} reads {there}, not {configured}: correct config_dir in [database]"
                ));
            }
        }
        if !waits_for.trim().is_empty() {
            found.note(node, notes::WAITS_FOR, waits_for.trim().to_owned());
        }
        let role = read::role(output.at(self.role));
        match read::control(output.at(self.control)) {
            // A copy that was left behind has the same identifier, but no server runs on it.
            Some(control) if control.system_id == role.system_id && !control.state.starts_with("shut down") => {}
            _ if role.system_id.is_empty() => {}
            Some(control) => found.bars.push(format!(
                "the server on {name} does not run on {} (it is {} there, {}): correct data_dir in [database]",
                pg.data_dir, control.system_id, control.state
            )),
            None => found.bars.push(format!(
                "{} on {name} is no data directory ({}): correct data_dir in [database]",
                pg.data_dir,
                read::said(output.at(self.control))
            )),
        }
    }

    /// What xCAT's tables and its way to the database say; the standby has the same tables.
    fn tables(&self, pair: &Pair, node: &Node, lines: &[(&str, &str)], output: &Output, found: &mut Findings) {
        let (name, xcat, pg) = (&node.name, &pair.xcat, pair.postgres());
        if let Some(dsn) = read::line(output.at(self.cfgloc)) {
            let database = dsn.split(['=', ';']).skip_while(|w| !w.ends_with("dbname")).nth(1).unwrap_or_default();
            if read::dsn_host(dsn).is_none() {
                found.bars.push(format!(
                    "{} on {name} says {dsn}: hamn needs Pg:dbname={};host=… there, as pgsqlsetup writes it",
                    xcat.cfgloc, pg.database
                ));
            } else if database != pg.database {
                found.bars.push(format!(
                    "{} on {name} leads to the database {database}, configured is {}",
                    xcat.cfgloc, pg.database
                ));
            } else if read::dsn_port(dsn) != pg.port.to_string() {
                // hamn writes the host only: xcatd would wait for a port where nobody listens, behind the pivot.
                found.bars.push(format!(
                    "{} on {name} leads to port {}, configured is {}: write port={} there, or correct port in [database]",
                    xcat.cfgloc,
                    read::dsn_port(dsn),
                    pg.port,
                    pg.port
                ));
            }
        }
        let there: Vec<&str> = lines.iter().filter(|(w, _)| *w == "link").map(|(_, l)| *l).collect();
        let Some(nics) = read::complete(output.at(self.nics)).filter(|_| xcat.dhcp && !there.is_empty()) else {
            return;
        };
        let mut foreign: Vec<String> = nics
            .lines()
            .filter_map(|l| l.split_once('|'))
            .flat_map(|(place, value)| named_nics(place, value, &pair.service.host_name))
            .filter(|(_, nic)| !there.contains(nic))
            .map(|(place, nic)| format!("{place}={nic}"))
            .collect();
        foreign.dedup();
        if !foreign.is_empty() {
            let value = foreign.join(", ");
            found.remarks.push(format!(
                "xCAT's tables name interfaces that {name} does not have ({value}): DHCP would listen nowhere there, and makedhcp does not say so"
            ));
            found.note(node, notes::FOREIGN_NICS, value);
        }
    }
}

impl Seen {
    /// Whether xcatd can be started there, and for this cluster.
    fn daemon(&self, pair: &Pair, node: &Node, site: &[(&str, &str)], output: &Output, found: &mut Findings) {
        let (name, service) = (&node.name, &pair.service);
        let status = output.at(self.daemon);
        let unknown = ["unrecognized service", "could not be found"];
        if !matches!(status.exit, None | Some(0 | 3))
            && unknown.iter().any(|text| status.stdout.contains(text) || status.stderr.contains(text))
        {
            found.bars.push(format!(
                "xcatd could not be started on {name} ({}): correct control in [xcat], or copy xcatd's script or unit there",
                read::said(status)
            ));
        }
        let standby = read::role(output.at(self.role)).role == DatabaseRole::Standby;
        if standby && read::runs(output.at(self.xcatd)) == Tri::Yes {
            found.remarks.push(format!(
                "xcatd runs on {name}, whose database is standby, and works on the database that its cfgloc names: stop it there"
            ));
        }
        let short = |name: &str| name.split('.').next().map(str::to_owned);
        if let Some((_, master)) = site.iter().find(|(key, _)| *key == "master")
            && *master != service.address
            && short(master) != short(&service.host_name)
        {
            found.remarks.push(format!(
                "xCAT's site.master is {master}, not {}: nodes are sent there; chtab key=master site.value={}",
                service.address, service.address
            ));
        }
    }
}

/// The interfaces of the management node in a value: `networks.mgtifname` is one, `site.dhcpinterfaces` a list, or lists by noderange:
/// `mn1|eth1,eth2;service|bond0` (documented).
fn named_nics<'a>(place: &'a str, value: &'a str, host_name: &str) -> Vec<(&'a str, &'a str)> {
    let short = host_name.split('.').next().unwrap_or(host_name);
    let ours = |range: &str| ["xcatmn", "mn", host_name, short].contains(&range);
    value
        .split(';')
        .filter_map(|part| match part.split_once('|') {
            Some((range, list)) => ours(range.trim()).then_some(list),
            None => Some(part),
        })
        .flat_map(|list| list.split(','))
        .map(|nic| nic.split(':').next().unwrap_or(nic).trim())
        // What is reached through a relay has no interface here: `!remote!eth0`.
        .filter(|nic| !nic.is_empty() && !nic.starts_with('!'))
        .map(|nic| (place, nic))
        .collect()
}

/// hamn does not run on the machine that is powered off: nobody would promote the other (trap 10).
fn not_here(ctx: &Context<'_>) -> Step {
    let (name, id, host) = (ctx.other().name.clone(), ctx.other().machine_id.clone(), ctx.request.host.clone());
    let to = ctx.target().name.clone();
    let judge = judge(move |output: &Output| match (read::id(output.at(0)), read::file(output.at(0))) {
        (Some(here), _) if here == id => Judgement::failed(
            format!("hamn runs on {name}, which is to be powered off: run it on {to} or on a third machine"),
            Vec::new(),
        ),
        // A machine of the pair has an identity that is pinned; one without is neither.
        (Some(_), _) | (None, Some(None)) => {
            Judgement::succeeded(format!("hamn runs on {host}, which stays on"), Vec::new())
        }
        (None, _) => {
            let why = format!("whether {host} is {name} could not be seen: {}", read::said(output.at(0)));
            Judgement::unknown(why, Vec::new())
        }
    });
    let title = format!("hamn does not run on {}", ctx.other().name);
    Step {
        traps: &[10],
        ..Step::observe("preflight.controller", title, Place::Controller, look(vocabulary::machine_id()), judge)
    }
}
