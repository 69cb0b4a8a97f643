//! The machines of the practice cluster, their addresses and cables.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{LabError, LabErrorKind};

/// Service address of the management node.
pub const SERVICE_ADDRESS: &str = "10.77.0.10";
/// Prefix length of both networks.
pub const PREFIX: u8 = 24;
/// The cluster-facing network.
pub const CLUSTER_NETWORK: &str = "10.77.0.0/24";
/// Host name of the machine in service.
pub const SERVICE_NAME: &str = "mn";
/// Host name of the standby.
pub const STANDBY_NAME: &str = "mn-standby";
/// DNS domain of the cluster.
pub const DOMAIN: &str = "cluster.test";

/// A machine. The name is that of the box; host names of the two management nodes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// Management node, primary when the lab is new: node `a`.
    Mn1,
    /// Management node, standby when the lab is new: node `b`.
    Mn2,
    /// Where hamn may run.
    Admin,
    /// A compute node: looks at ARP.
    Cn01,
    /// A service node.
    Sn1,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mn1, Self::Mn2, Self::Admin, Self::Cn01, Self::Sn1];
    /// The pair.
    pub const PAIR: [Self; 2] = [Self::Mn1, Self::Mn2];

    /// Name: `mn1`, `admin`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Mn1 => "mn1",
            Self::Mn2 => "mn2",
            Self::Admin => "admin",
            Self::Cn01 => "cn01",
            Self::Sn1 => "sn1",
        }
    }

    /// Whether it is one of the pair.
    pub fn is_mn(self) -> bool {
        Self::PAIR.contains(&self)
    }

    /// Host name at the first boot.
    pub fn host_name(self) -> &'static str {
        match self {
            Self::Mn1 => SERVICE_NAME,
            Self::Mn2 => STANDBY_NAME,
            other => other.name(),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Mn1 => 11,
            Self::Mn2 => 12,
            Self::Admin => 20,
            Self::Cn01 => 101,
            Self::Sn1 => 30,
        }
    }

    /// Own address on a network.
    pub fn address(self, nic: Nic) -> String {
        format!("10.{}.0.{}", nic.network(), self.number())
    }

    /// Hardware address of an interface, as `ip` prints it.
    pub fn mac(self, nic: Nic) -> String {
        format!("02:00:0a:{:02x}:00:{:02x}", nic.network(), self.number())
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn unknown(kind: &str, word: &str, known: &str) -> LabError {
    LabError::new(
        LabErrorKind::Usage,
        format!("There is no {kind} `{word}` in the practice cluster."),
        format!("Known: {known}."),
        "See them with: hamn lab status",
    )
}

impl FromStr for Machine {
    type Err = LabError;

    fn from_str(word: &str) -> Result<Self, LabError> {
        Self::ALL
            .into_iter()
            .find(|m| m.name() == word)
            .ok_or_else(|| unknown("machine", word, "mn1, mn2, admin, cn01, sn1"))
    }
}

/// A network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nic {
    /// `eth0`, on the cluster's network 10.77.0.0/24.
    Eth0,
    /// `eth1`, on the management network 10.78.0.0/24.
    Eth1,
}

impl Nic {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Eth0, Self::Eth1];

    /// `eth0`, `eth1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eth0 => "eth0",
            Self::Eth1 => "eth1",
        }
    }

    fn network(self) -> u8 {
        match self {
            Self::Eth0 => 77,
            Self::Eth1 => 78,
        }
    }

    /// The bridge that the cable ends in.
    pub(crate) fn bridge(self) -> &'static str {
        match self {
            Self::Eth0 => "cluster",
            Self::Eth1 => "mgmt",
        }
    }
}

impl FromStr for Nic {
    type Err = LabError;

    fn from_str(word: &str) -> Result<Self, LabError> {
        Self::BOTH.into_iter().find(|n| n.name() == word).ok_or_else(|| unknown("interface", word, "eth0, eth1"))
    }
}

/// One end of a cable that can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plug {
    /// Interface of a machine: `mn1-eth0`.
    Host(Machine, Nic),
    /// The BMC of a management node: `bmc1`, `bmc2`.
    Bmc(Machine),
}

impl fmt::Display for Plug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(machine, nic) => write!(f, "{machine}-{}", nic.name()),
            Self::Bmc(machine) => f.write_str(bmc_name(*machine)),
        }
    }
}

impl FromStr for Plug {
    type Err = LabError;

    fn from_str(word: &str) -> Result<Self, LabError> {
        if let Some(machine) = Machine::PAIR.into_iter().find(|m| bmc_name(*m) == word) {
            return Ok(Self::Bmc(machine));
        }
        let (machine, nic) = word
            .split_once('-')
            .ok_or_else(|| unknown("cable", word, "MACHINE-eth0, MACHINE-eth1 (such as mn1-eth0), bmc1, bmc2"))?;
        Ok(Self::Host(machine.parse()?, nic.parse()?))
    }
}

/// Name of the BMC of a management node.
pub fn bmc_name(machine: Machine) -> &'static str {
    if machine == Machine::Mn2 { "bmc2" } else { "bmc1" }
}

/// Address of the BMC of a management node, on the management network.
pub fn bmc_address(machine: Machine) -> String {
    format!("10.78.0.{}", machine.number() + 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cables_are_read_as_they_are_shown() {
        for machine in Machine::ALL {
            for nic in Nic::BOTH {
                let plug = Plug::Host(machine, nic);
                assert_eq!(plug.to_string().parse::<Plug>().unwrap(), plug);
            }
        }
        assert_eq!("bmc2".parse::<Plug>().unwrap(), Plug::Bmc(Machine::Mn2));
        assert_eq!("bmc3".parse::<Plug>().unwrap_err().kind, LabErrorKind::Usage);
        assert_eq!("mn1-eth7".parse::<Plug>().unwrap_err().kind, LabErrorKind::Usage);
    }

    #[test]
    fn names_of_bridge_ports_fit_into_an_interface_name() {
        for machine in Machine::ALL {
            assert!(Plug::Host(machine, Nic::Eth1).to_string().len() < 16);
        }
    }
}
