//! Network namespaces, bridges and cables. Nothing here touches the machine's own network: the bridges live in a namespace
//! of their own, and every cable is made inside a namespace.

use std::{fs, path::PathBuf};

use crate::process;

use super::{
    LabError, LabErrorKind, Result,
    machine::{Machine, Nic, PREFIX, Plug, bmc_address, bmc_name},
    shell,
};

/// The line from a bridge to a machine as something worse than a cable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Line {
    /// Delay, milliseconds, each way.
    pub delay_ms: u32,
    /// Share of frames that are lost, percent.
    pub loss_percent: f32,
    /// Kilobits a second; 0: as fast as it goes.
    pub rate_kbit: u32,
}

/// The namespaces of one lab: all begin with its prefix.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    prefix: String,
}

/// Name of the namespace with the bridges.
const SWITCH: &str = "switch";
/// Name of the namespace of the foreign host.
const FOREIGN: &str = "foreign";

impl Network {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/run/netns").join(self.namespace(name))
    }

    /// File of a machine's namespace.
    pub(crate) fn of(&self, machine: Machine) -> PathBuf {
        self.path(machine.name())
    }

    /// File of the namespace of a machine's BMC.
    pub(crate) fn of_bmc(&self, machine: Machine) -> PathBuf {
        self.path(bmc_name(machine))
    }

    /// Names of this lab's namespaces that exist.
    pub(super) fn existing(&self) -> Vec<String> {
        let start = format!("{}-", self.prefix);
        let Ok(all) = fs::read_dir("/run/netns") else { return Vec::new() };
        all.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.starts_with(&start)).collect()
    }

    fn ip(&self, name: &str, lines: &str) -> Result<()> {
        shell::run_with(&["ip", "-n", &self.namespace(name), "-batch", "-"], lines).map(drop)
    }

    /// Makes everything: the cables of the BMCs are in, those of the machines dark until they are switched on.
    pub(crate) fn build(&self) -> Result<()> {
        let mut names = vec![SWITCH.to_owned()];
        names.extend(Machine::ALL.iter().map(|m| m.name().to_owned()));
        names.extend(Machine::PAIR.iter().map(|m| bmc_name(*m).to_owned()));
        let lines = names.iter().fold(String::new(), |all, n| all + "netns add " + &self.namespace(n) + "\n");
        shell::run_with(&["ip", "-batch", "-"], &lines)?;
        let mut switch = String::new();
        for nic in Nic::BOTH {
            let bridge = nic.bridge();
            switch += &format!("link add {bridge} type bridge forward_delay 0\nlink set {bridge} up\n");
        }
        for machine in Machine::ALL {
            for nic in Nic::BOTH {
                switch += &self.cable(Plug::Host(machine, nic), machine.name(), nic, &machine.mac(nic));
            }
        }
        for machine in Machine::PAIR {
            let mac = machine.mac(Nic::Eth1).replacen("02:", "06:", 1);
            switch += &self.cable(Plug::Bmc(machine), bmc_name(machine), Nic::Eth1, &mac);
        }
        for machine in Machine::PAIR {
            switch += &format!("link set {} up\n", Plug::Bmc(machine));
        }
        self.ip(SWITCH, &switch)?;
        for machine in Machine::PAIR {
            let address = bmc_address(machine);
            self.ip(
                bmc_name(machine),
                &format!("link set lo up\naddr add {address}/{PREFIX} brd + dev eth1\nlink set eth1 up\n"),
            )?;
        }
        Ok(())
    }

    fn cable(&self, plug: Plug, name: &str, nic: Nic, mac: &str) -> String {
        let (namespace, inside) = (self.namespace(name), nic.name());
        format!(
            "link add {plug} type veth peer name {inside} address {mac} netns {namespace}\nlink set {plug} master {}\n",
            nic.bridge()
        )
    }

    /// Whether a cable is in.
    pub(crate) fn plugged(&self, plug: Plug) -> bool {
        shell::run(&["ip", "-n", &self.namespace(SWITCH), "-o", "link", "show", "dev", &plug.to_string()])
            .is_ok_and(|out| out.split(['<', '>']).nth(1).is_some_and(|flags| flags.split(',').any(|f| f == "UP")))
    }

    /// Puts a cable in or pulls it.
    pub(crate) fn plug(&self, plug: Plug, inside: bool) -> Result<()> {
        let state = if inside { "up" } else { "down" };
        self.ip(SWITCH, &format!("link set {plug} {state}\n"))
    }

    /// Takes all addresses away from a machine that is off.
    pub(crate) fn forget_addresses(&self, machine: Machine) -> Result<()> {
        let mut lines = String::new();
        for nic in Nic::BOTH {
            lines += &format!("link set {0} down\naddr flush dev {0}\n", nic.name());
        }
        self.ip(machine.name(), &lines)
    }

    /// Makes a line slow or lossy; `None`: a good cable again.
    pub(crate) fn line(&self, plug: Plug, line: Option<Line>) -> Result<()> {
        let (switch, port) = (self.namespace(SWITCH), plug.to_string());
        let tc = |words: &[&str]| {
            let mut argv = vec!["tc", "-n", &switch, "qdisc"];
            argv.extend_from_slice(words);
            shell::output(&argv, "")
        };
        // There may be none.
        tc(&["del", "dev", &port, "root"])?;
        let Some(line) = line else { return Ok(()) };
        let (delay, loss, rate) =
            (format!("{}ms", line.delay_ms), format!("{}%", line.loss_percent), format!("{}kbit", line.rate_kbit));
        let out = if line.delay_ms > 0 || line.loss_percent > 0.0 {
            let mut words = vec!["add", "dev", &port, "root", "netem", "delay", &delay, "loss", &loss];
            if line.rate_kbit > 0 {
                words.extend(["rate", &rate]);
            }
            tc(&words)?
        } else {
            tc(&["add", "dev", &port, "root", "tbf", "rate", &rate, "burst", "4kb", "latency", "400ms"])?
        };
        if out.ok() {
            return Ok(());
        }
        Err(LabError::new(
            LabErrorKind::Unsupported,
            format!("The line of {port} could not be changed."),
            format!("tc: {}", out.stderr.trim()),
            "Delay and loss need a kernel with sch_netem, a rate alone one with sch_tbf.",
        ))
    }

    /// Plugs in a machine that is none of ours and answers ARP for `address` with `mac`.
    pub(crate) fn add_foreign(&self, address: &str, mac: &str) -> Result<()> {
        self.remove_foreign()?;
        shell::run(&["ip", "netns", "add", &self.namespace(FOREIGN)])?;
        let namespace = self.namespace(FOREIGN);
        self.ip(
            SWITCH,
            &format!(
                "link add foreign type veth peer name eth0 address {mac} netns {namespace}\nlink set foreign master {}\nlink set foreign up\n",
                Nic::Eth0.bridge()
            ),
        )?;
        self.ip(FOREIGN, &format!("addr add {address}/{PREFIX} dev eth0\nlink set eth0 up\n"))
    }

    pub(crate) fn remove_foreign(&self) -> Result<()> {
        if self.path(FOREIGN).exists() {
            // The bridge's end goes with the namespace, but later: without this the next one could not have its name.
            self.ip(SWITCH, "link del foreign\n")?;
            shell::run(&["ip", "netns", "del", &self.namespace(FOREIGN)])?;
        }
        Ok(())
    }

    /// Kills what lives in the lab's namespaces and deletes them; nothing else is touched.
    pub(crate) fn remove(&self) -> Result<()> {
        let names = self.existing();
        for name in &names {
            let path = PathBuf::from("/run/netns").join(name);
            if !process::clear_namespace(&path, process::PATIENCE) {
                return Err(LabError::too_late(
                    "A process of the practice cluster does not end.",
                    path.display().to_string(),
                ));
            }
        }
        for name in names {
            shell::run(&["ip", "netns", "del", &name])?;
        }
        Ok(())
    }
}
