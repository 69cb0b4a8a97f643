//! From a command line to what it does: the vocabulary, and nothing else.

use std::fmt::Write as _;

use workflows::{
    Command, Place,
    model::{Database, NodeId},
    vocabulary,
};

use super::{Ran, World};
use crate::xcat::{self, Helper};

/// The action of a control template, if the command line is one of its uses.
fn controls<'a>(template: &[String], argv: &'a [String]) -> Option<&'a str> {
    if template.len() != argv.len() {
        return None;
    }
    let mut action = None;
    for (word, given) in template.iter().zip(argv) {
        if word == "{action}" {
            action = Some(given.as_str());
        } else if word != given {
            return None;
        }
    }
    action
}

fn helper(service: &str) -> Option<Helper> {
    match service {
        "named" | "bind9" => Some(Helper::Dns),
        "dhcpd" | "isc-dhcp-server" => Some(Helper::Dhcp),
        "conserver" | "conserver-server" => Some(Helper::Consoles),
        _ => None,
    }
}

impl World {
    pub(super) fn call(&mut self, place: Place, command: &Command) -> Ran {
        // Everybody on the machine sees arguments and environment.
        let mut words = command.argv.iter().chain(command.env.iter().map(|(_, value)| value));
        if words.any(|word| word.contains(super::SECRET)) {
            self.complain(place, "a secret is among the arguments");
        }
        if let Some(ran) = self.dispatch(place, command) {
            return ran;
        }
        self.complain(place, &command.argv.join(" "));
        Ran::failed(127, format!("sh: 1: {}: not found\n", command.argv.first().map_or("", |s| s)), 2)
    }

    fn dispatch(&mut self, place: Place, command: &Command) -> Option<Ran> {
        let argv: &[String] = &command.argv;
        let (program, arguments) = argv.split_first()?;
        match (program.as_str(), arguments) {
            ("cat", [path]) => Some(self.cat(place, path)),
            ("date", [format]) if format == "+%s%N" => {
                let offset = if let Place::Node(id) = place { self.m(id).clock_offset_ms } else { 0 };
                Some(Ran::ok(format!("{}000000\n", self.now_ms.saturating_add_signed(offset)), 2))
            }
            ("arping", _) => Some(self.arping(place, arguments)),
            _ => match place {
                Place::Controller => self.on_controller(command),
                Place::Node(id) => self.on_node(id, command),
                Place::Witness(index) => self.on_witness(index, command),
            },
        }
    }

    fn cat(&self, place: Place, path: &str) -> Ran {
        if let (Place::Node(id), "/proc/sys/kernel/random/boot_id") = (place, path) {
            return Ran::ok(self.boot_id(id) + "\n", 2);
        }
        match self.files(place).get(path) {
            Some(content) => Ran::ok(content.as_ref(), 2),
            None => Ran::failed(1, format!("cat: {path}: No such file or directory\n"), 2),
        }
    }

    fn on_controller(&mut self, command: &Command) -> Option<Ran> {
        if let Some(ran) = self.fence_call(command) {
            return Some(ran);
        }
        match command.argv[0].as_str() {
            "hostname" => Some(Ran::ok("admin\n", 2)),
            program if program.ends_with("/pg_isready") => Some(self.is_ready(Place::Controller, &command.argv)),
            _ => None,
        }
    }

    fn on_node(&mut self, id: NodeId, command: &Command) -> Option<Ran> {
        let fixed = self.fixed.clone();
        if let Some(ran) = self.on_aix(id, command) {
            return Some(ran);
        }
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        if let Database::Postgres(pg) = &fixed.pair.database
            && let Some(action) = controls(&pg.control, &command.argv)
        {
            return Some(self.control_database(id, action));
        }
        if let Some(action) = controls(&fixed.pair.xcat.control, &command.argv) {
            return Some(self.xcat(id, "xcatd", &[action], &command.env));
        }
        if let ["chown", _, path] = argv.as_slice() {
            let there = self.m(id).files.get(path).is_some();
            return Some(Ran::ok("", 2).exit(i32::from(!there)));
        }
        let (directory, name) = argv[0].rsplit_once('/').unwrap_or(("", argv[0]));
        if let Some(call) = vocabulary::transfer::called(command) {
            return Some(self.transfer(id, call));
        }
        if self.db2().is_some() {
            let limit_ms = u64::from(command.timeout_s) * 1000;
            if crate::db2::PROGRAMS.contains(&name) {
                return Some(self.db2_program(id, &command.argv, None, limit_ms));
            }
            if let Some(call) = vocabulary::db2::call(command) {
                return Some(self.db2_call(id, call, limit_ms));
            }
        }
        if matches!(&fixed.pair.database, Database::Postgres(pg) if directory == pg.bin_dir) {
            return match name {
                "psql" => Some(self.psql(id, command)),
                "pg_controldata" => Some(self.controldata(id)),
                "postgres" => Some(self.config_test(id)),
                "pg_isready" => Some(self.is_ready(Place::Node(id), &command.argv)),
                _ => None,
            };
        }
        if let Some(rest) = directory.strip_prefix(fixed.pair.xcat.root.as_str())
            && matches!(rest, "/bin" | "/sbin")
            && xcat::is_known(name)
            && name != "xcatd"
        {
            return Some(self.xcat(id, name, &argv[1..], &command.env));
        }
        match argv.as_slice() {
            ["hostname"] => Some(Ran::ok(format!("{}\n", self.m(id).host_name), 2)),
            ["hostname", name] => {
                if *self.m(id).host_name != **name {
                    self.wrote(Place::Node(id), "hostname", name);
                    self.m_mut(id).host_name = (*name).into();
                }
                Some(Ran::ok("", 2))
            }
            ["ip", "-o", "-4", "addr", "show"] => Some(self.ip_show(id)),
            ["ip", "addr", verb @ ("add" | "del"), what, "dev", interface] => {
                Some(self.ip_change(id, *verb == "add", what, interface))
            }
            ["sh", "-c", script, "at-boot", service] if *script == fixed.at_boot => Some(self.at_boot(id, service)),
            ["sh", "-c", script, _, "xcatd", action] if *script == fixed.set_at_boot => {
                self.wrote(Place::Node(id), "at-boot", "xcatd");
                self.m_mut(id).at_boot.xcatd = *action == "enable";
                Some(Ran::ok("", 50))
            }
            ["sh", "-c", script] if *script == fixed.xcatd_processes => {
                let m = self.m(id);
                let count = if m.xcatd.is_some() { 6 } else { u32::from(self.now_ms < m.xcatd_lingers_ms) };
                Some(Ran::ok(format!("{count}\n"), 20))
            }
            ["sh", "-c", script] if *script == fixed.restore_processes => {
                Some(Ran::ok(format!("{}\n", self.m(id).restores), 20))
            }
            ["sh", "-c", script, _] if *script == fixed.crontabs => Some(self.crontabs(id)),
            ["sh", "-c", script, _, interface, ..] if *script == fixed.preflight => Some(self.preflight(id, interface)),
            ["sh", "-c", script, "processes", programs] if *script == fixed.helper_processes => {
                let helper = helper(programs.split('|').next()?)?;
                let running = self.m(id).helpers[helper.index()];
                Some(Ran::ok(format!("{}\n", u8::from(running)), 20))
            }
            ["sh", "-c", script, "carrier", interface] if *script == fixed.carrier => {
                let up = *interface == fixed.pair.node(id).interface && !self.m(id).cut_cluster;
                Some(Ran::ok(if up { "up\n" } else { "" }, 5).exit(i32::from(!up)))
            }
            ["sh", "-c", script, "helper", action, service, ..] if *script == fixed.helper_control => {
                Some(self.control_helper(id, helper(service)?, action))
            }
            ["sh", "-c", script, "xcatd-ready", program]
                if *script == fixed.xcatd_ready && *program == fixed.tabdump =>
            {
                let ran = self.xcat(id, "tabdump", &["site"], &command.env);
                let ready = ran.exit == 0 && ran.stdout.lines().any(|l| l.starts_with("\"master\","));
                let stdout = if ready && !ran.hangs { "ready\n" } else { "" };
                Some(Ran { exit: i32::from(!ready), stdout: stdout.to_owned(), stderr: String::new(), ..ran })
            }
            ["sh", "-c", script, "consoles", _] if *script == fixed.consoles => {
                let has = |path: &str| self.m(id).files.get(path).is_some();
                let go = has("/usr/bin/goconserver") && !has("/usr/sbin/conserver");
                Some(self.xcat(id, if go { "makegocons" } else { "makeconservercf" }, &[], &command.env))
            }
            ["sh", "-c", script, "is-machine", _, wanted]
                if *script == vocabulary::transfer::is_machine(fixed.pair.node(id)).argv[2] =>
            {
                let own = &fixed.pair.node(id).machine_id;
                let same = own.eq_ignore_ascii_case(wanted);
                Some(Ran::ok(format!("{own}\n"), 10).exit(if same { 0 } else { 9 }))
            }
            ["sed", "-n", "s/|.*//p", path] => Some(self.before_bar(id, path)),
            ["rm", "-f", "--", path] => {
                if self.m_mut(id).files.remove(path) {
                    self.wrote(Place::Node(id), "remove", path);
                }
                Some(Ran::ok("", 2))
            }
            ["sysctl", "-q", "-w", setting] => {
                let interface = &fixed.pair.node(id).interface;
                let known = format!("net/ipv4/conf/{interface}/promote_secondaries=1");
                if *setting != known {
                    return Some(Ran::failed(
                        255,
                        format!("sysctl: cannot stat {setting}: No such file or directory\n"),
                        2,
                    ));
                }
                self.charge(Place::Node(id), "sysctl");
                Some(Ran::ok("", 2))
            }
            ["service", service, action] | ["systemctl", action, service] => {
                Some(self.control_helper(id, helper(service)?, action))
            }
            _ => None,
        }
    }

    /// `sed -n 's/|.*//p'`: what stands before the first bar of each line that has one.
    fn before_bar(&self, id: NodeId, path: &str) -> Ran {
        match self.m(id).files.get(path) {
            Some(content) => {
                let heads = content.lines().filter_map(|l| l.split_once('|'));
                Ran::ok(heads.fold(String::new(), |all, (head, _)| all + head + "\n"), 2)
            }
            None => Ran::failed(2, format!("sed: can't read {path}: No such file or directory\n"), 2),
        }
    }

    /// A machine of the simulator has all its programs and room; what can be wrong there is what it is connected with.
    fn preflight(&self, id: NodeId, interface: &str) -> Ran {
        let own = &self.fixed.pair.node(id).interface;
        let mut out = format!("uid 0\nlink lo\nlink {own}\n");
        if interface == own {
            if !self.m(id).cut_cluster {
                let _ = writeln!(out, "carrier {own}");
            }
            let prefix = self.fixed.pair.service.prefix;
            for address in self.fixed.own[super::index(id)].iter().filter(|a| self.fixed.cluster_facing(**a)) {
                let _ = writeln!(out, "inet {}/{prefix}", super::fixed::dotted(*address));
            }
        }
        let _ = writeln!(out, "name {}\n:end", self.fixed.pair.service.address);
        Ran::ok(out, 60)
    }

    fn at_boot(&self, id: NodeId, service: &str) -> Ran {
        let at = self.m(id).at_boot;
        let yes = match service {
            "postgresql" => at.database,
            "xcatd" => at.xcatd,
            other => helper(other).is_some() && at.helpers,
        };
        Ran::ok(if yes { "yes\n" } else { "no\n" }, 10)
    }

    fn crontabs(&self, id: NodeId) -> Ran {
        let mut out = String::new();
        let files = &self.m(id).files;
        let spool = "/var/spool/cron/";
        let groups = ["/etc/crontab", "/etc/cron.d/", "/var/spool/cron/crontabs/"];
        let nested = |path: &str| path[spool.len()..].contains('/');
        let all =
            groups.into_iter().flat_map(|g| files.under(g)).chain(files.under(spool).filter(|(path, _)| !nested(path)));
        for (path, content) in all {
            for line in content.lines() {
                let _ = writeln!(out, "{path}:{line}");
            }
        }
        out.push_str(":end\n");
        Ran::ok(out, 10)
    }

    fn control_helper(&mut self, id: NodeId, helper: Helper, action: &str) -> Ran {
        let at = helper.index();
        let m = self.m_mut(id);
        let (running, broken) = (m.helpers[at], m.helper_broken[at]);
        match action {
            "status" => Ran::ok("", 20).exit(if running { 0 } else { 3 }),
            "start" | "restart" | "stop" => {
                let up = action != "stop" && !broken;
                m.helpers[at] = up;
                if up != running || action == "restart" {
                    self.wrote(Place::Node(id), &format!("{helper:?}-{action}").to_lowercase(), "");
                }
                Ran::ok("", 200).exit(i32::from(action != "stop" && broken))
            }
            _ => Ran::ok("", 20).exit(1),
        }
    }
}
