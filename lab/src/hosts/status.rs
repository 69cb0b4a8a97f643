//! What every machine of a lab is like now.

use super::{
    Lab, Power,
    machine::{Machine, Nic, Plug},
};

/// One machine, for [`Lab::status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineStatus {
    /// Which.
    pub machine: Machine,
    /// Power, as its BMC sees it.
    pub power: Power,
    /// Whether its process 1 lives; a machine that is on and does not live has crashed.
    pub alive: bool,
    /// Host name now; empty if it is off.
    pub host_name: String,
    /// IPv4 addresses on `eth0` and `eth1`; empty if it is off.
    pub addresses: Vec<String>,
    /// Interfaces whose cable is in.
    pub plugged: Vec<Nic>,
}

impl Lab {
    /// What every machine is like now.
    pub fn status(&self) -> Vec<MachineStatus> {
        Machine::ALL.into_iter().map(|m| self.machine_status(m)).collect()
    }

    fn machine_status(&self, machine: Machine) -> MachineStatus {
        let said = |argv: &[&str]| self.exec(machine, argv).map(|o| o.stdout).unwrap_or_default();
        let addresses = said(&[&self.tool(machine, "ip"), "-o", "-4", "addr", "show"])
            .lines()
            .filter_map(|l| {
                let mut words = l.split_whitespace().skip(1);
                let nic = words.next()?;
                let address = words.nth(1)?.split('/').next()?;
                (nic != "lo").then(|| address.to_owned())
            })
            .collect();
        MachineStatus {
            machine,
            power: self.power_state(machine),
            alive: self.init(machine).is_some(),
            host_name: said(&[&self.tool(machine, "hostname")]).trim().to_owned(),
            addresses,
            plugged: Nic::BOTH.into_iter().filter(|n| self.is_in(Plug::Host(machine, *n))).collect(),
        }
    }
}
