//! The commands that rebuild the network services: makedns, makedhcp, makeconservercf.

use std::fmt::Write as _;

use super::{Backend, Call, DbError, Done, Helper, Reply};

const MAKEDHCP_USAGE: &str = "Usage: makedhcp -n\n       makedhcp -a\n       makedhcp -a -d\n       makedhcp -d noderange\n       makedhcp <noderange> [-s statements]\n       makedhcp -q\n       makedhcp [-h|--help]\n";

impl Call<'_> {
    /// `makedns [-n]`. Last line and exit 0 together mean success.
    pub(super) fn makedns(&mut self) -> Done {
        let new = self.args.contains(&"-n");
        let Some(domain) = self.site("domain")?.filter(|d| !d.is_empty()) else {
            return Ok(Reply::failed(1, "", self.error("domain not defined in site table")));
        };
        let hosts = self.backend.read_file("/etc/hosts").unwrap_or_default();
        let host = self.backend.host_name();
        let short = host.split('.').next().unwrap_or(&host).to_owned();
        let names = |line: &str| -> Vec<String> {
            line.split('#').next().unwrap_or("").split_whitespace().skip(1).map(str::to_owned).collect()
        };
        if !hosts.lines().any(|l| names(l).iter().any(|n| *n == host || *n == short)) {
            let text = format!("Unable to find an IP for {host} in hosts table or via system lookup (i.e. /etc/hosts");
            return Ok(Reply::failed(1, "", self.error(&text)));
        }
        let mut out = String::new();
        for line in hosts.lines() {
            if let Some(name) = names(line).first().filter(|n| *n != "localhost") {
                let dot = if name.contains('.') { "" } else { "." };
                let tail = if dot.is_empty() { "" } else { domain.as_str() };
                let _ = writeln!(out, "Handling {name}{dot}{tail} in /etc/hosts.");
            }
        }
        out.push_str("Getting reverse zones, this may take several minutes for a large cluster.\nCompleted getting reverse zones.\n");
        if new {
            out.push_str("Updating zones.\nCompleted updating zones.\nRestarting named | bind9\n");
        }
        if !self.backend.helper(Helper::Dns, true) {
            return Ok(Reply::failed(1, out, self.error("failed to start named.")));
        }
        if new {
            out.push_str("Restarting named complete\n");
        }
        out.push_str("Updating DNS records, this may take several minutes for a large cluster.\nCompleted updating DNS records.\nDNS setup is completed\n");
        Ok(Reply::ok(out))
    }

    /// `makedhcp -n`, `-a`, `-q NODE`, `NODE`, `-d NODE`; without options its usage and exit 1, and nothing is written.
    /// A network interface that does not exist is no error to it.
    pub(super) fn makedhcp(&mut self) -> Done {
        let has = |option: &str| self.args.contains(&option);
        let (new, all, query, delete) = (has("-n"), has("-a"), has("-q"), has("-d"));
        let range = self.args.iter().copied().find(|a| !a.starts_with('-'));
        if has("-h") {
            return Ok(Reply::ok(MAKEDHCP_USAGE));
        }
        if !new && !all && range.is_none() {
            return Ok(Reply::failed(1, MAKEDHCP_USAGE, ""));
        }
        if new {
            let mut out = String::new();
            if let Some(former) = self.backend.read_file("/etc/dhcp/dhcpd.conf") {
                self.backend.write_file("/etc/dhcp/dhcpd.conf.xcatbak", &former);
                out.push_str("Renamed existing dhcp configuration file to  /etc/dhcp/dhcpd.conf.xcatbak\n\n");
            }
            let (mut conf, mut warnings) = ("#xCAT generated dhcp configuration\n".to_owned(), String::new());
            for row in self.rows("networks")? {
                let _ = writeln!(conf, "subnet {} netmask {} {{\n}} # {}", row[1], row[2], row[1]);
                if row[8].is_empty() {
                    let _ = writeln!(
                        warnings,
                        "Warning: [{}]: No dynamic range specified for {}. If hardware discovery is being used, a dynamic range is required.",
                        self.backend.host_name(),
                        row[1]
                    );
                }
            }
            self.backend.write_file("/etc/dhcp/dhcpd.conf", &conf);
            // dhcpd does not start on an interface that is not there, and nobody says so (measured).
            if self.interfaces()?.iter().all(|name| self.backend.has_interface(name)) {
                self.backend.helper(Helper::Dhcp, true);
            }
            return Ok(Reply::failed(0, out, warnings));
        }
        let nodes = self.range(range)?;
        let (ips, macs) = (self.rows("hosts")?, self.rows("mac")?);
        let lease = |node: &str| {
            let ip = ips.iter().find(|r| r[0] == node).map_or("", |r| &r[1]);
            let mac = macs.iter().find(|r| r[0] == node).map_or("", |r| &r[2]);
            (!ip.is_empty() && !mac.is_empty())
                .then(|| format!("{node}: ip-address = {ip}, hardware-address = {mac}\n"))
        };
        if query {
            return Ok(Reply::ok(nodes.iter().filter_map(|n| lease(n)).collect::<String>()));
        }
        // It starts nothing (measured).
        if !self.backend.helper(Helper::Dhcp, false) {
            return Ok(Reply::failed(1, "", self.error("dhcp server is not running.  please start the dhcp server.")));
        }
        if all {
            let leases = if delete { String::new() } else { nodes.iter().filter_map(|n| lease(n)).collect() };
            self.backend.write_file("/var/lib/dhcp/dhcpd.leases", &leases);
        }
        // The others are entered all the same (measured).
        let bad = macs.iter().filter(|r| !delete && nodes.contains(&r[0]) && !is_mac(&r[2]));
        let errors: String = bad.map(|r| self.error(&format!("Invalid mac address {} for {}", r[2], r[0]))).collect();
        Ok(Reply::failed(i32::from(!errors.is_empty()), "", errors))
    }

    /// The interfaces that the site and networks tables name for this node; without relays, which nobody here has.
    fn interfaces(&mut self) -> Result<Vec<String>, DbError> {
        let named = self.site("dhcpinterfaces")?.unwrap_or_default();
        let host = self.backend.host_name();
        let ours = |part: &str| match part.split_once('|') {
            None => part.to_owned(),
            Some((range, list)) if ["xcatmn", "mn", &host].contains(&range) => list.to_owned(),
            Some(_) => String::new(),
        };
        let lists: Vec<String> = named.split(';').map(ours).collect();
        let networks = self.rows("networks")?.into_iter().map(|row| row[3].clone());
        let all = lists.iter().flat_map(|list| list.split(',')).map(str::to_owned).chain(networks);
        Ok(all.filter(|name| !name.is_empty()).collect())
    }

    /// goconserver instead of conserver.
    pub(super) fn makegocons(&mut self) -> Reply {
        if !has_program(self.backend, "/usr/bin/goconserver") {
            return Reply::failed(1, "", self.error("goconserver is not installed."));
        }
        self.backend.helper(Helper::Consoles, true);
        Reply::ok("Starting goconserver service ...\n")
    }

    /// Silent; the header keeps the name that the machine had when xCAT was started there.
    pub(super) fn makeconservercf(&mut self) -> Done {
        if has_program(self.backend, "/usr/bin/goconserver") && !has_program(self.backend, "/usr/sbin/conserver") {
            return Ok(Reply::failed(1, "", self.error("conserver is not supported or not installed.")));
        }
        let master = self.site("master")?.unwrap_or_default();
        let nodes = self.rows("nodehm")?;
        let mut conf = format!(
            "#xCAT BEGIN ACCESS\naccess * {{\n  trusted 127.0.0.1;\n  trusted {master};\n  trusted localhost,{};\n}}\n#xCAT END ACCESS\n",
            self.backend.host_name()
        );
        for row in nodes.iter().filter(|r| !r[3].is_empty()) {
            let _ = write!(conf, "#xCAT BEGIN {0} CONS\nconsole {0} {{\n}}\n#xCAT END {0} CONS\n", row[0]);
        }
        self.backend.write_file("/etc/conserver.cf", &conf);
        self.backend.helper(Helper::Consoles, true);
        Ok(Reply::ok(""))
    }
}

fn has_program(backend: &dyn Backend, path: &str) -> bool {
    backend.read_file(path).is_some()
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6 && parts.iter().all(|p| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit()))
}
