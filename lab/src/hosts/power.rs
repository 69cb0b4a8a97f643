//! Power: what a BMC does to a machine.

use std::{fs, path::Path, str::FromStr, time::Duration};

use crate::process;

use super::{
    Lab, LabError, LabErrorKind, Result,
    machine::{Machine, Nic, Plug},
    shell::start_detached,
    state::{Lock, write_private},
};

/// Power of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// On, dead or alive.
    On,
    /// Off.
    Off,
}

/// What is asked of the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    /// Switch on: boots, if it was off.
    On,
    /// Switch off: everything in it dies at once and its lines are dark.
    Off,
    /// Only ask.
    Status,
    /// Off, then on.
    Cycle,
}

impl FromStr for PowerAction {
    type Err = LabError;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            "status" => Ok(Self::Status),
            "cycle" => Ok(Self::Cycle),
            _ => Err(LabError::new(
                LabErrorKind::Usage,
                format!("`{word}` is nothing that one does with power."),
                "Known: on, off, status, cycle.",
                "For example: hamn lab power mn1 off",
            )),
        }
    }
}

impl Lab {
    /// Switches a machine; its power afterwards. Does not wait for the end of a boot: see [`Self::wait_booted`].
    ///
    /// # Errors
    /// A host that does not die or does not start.
    pub fn power(&self, machine: Machine, action: PowerAction) -> Result<Power> {
        let _lock = Lock::take(&self.dir, machine.name())?;
        match action {
            PowerAction::Status => {}
            PowerAction::Off => self.switch_off(machine)?,
            PowerAction::On => self.switch_on(machine)?,
            PowerAction::Cycle => {
                self.switch_off(machine)?;
                self.switch_on(machine)?;
            }
        }
        Ok(self.power_state(machine))
    }

    pub(super) fn power_state(&self, machine: Machine) -> Power {
        match fs::read_to_string(self.host(machine).join("power")).as_deref() {
            Ok("on") => Power::On,
            _ => Power::Off,
        }
    }

    fn set_power_state(&self, machine: Machine, text: &str) -> Result<()> {
        write_private(&self.host(machine).join("power"), text)
    }

    fn switch_off(&self, machine: Machine) -> Result<()> {
        // Dark first: not a frame leaves the machine after this.
        for nic in Nic::BOTH {
            self.network.plug(Plug::Host(machine, nic), false)?;
        }
        self.kill(machine)?;
        self.network.forget_addresses(machine)?;
        self.set_power_state(machine, "off")
    }

    /// Kills everything in a machine. Process 1 takes its namespace with it; the rest are parents outside.
    fn kill(&self, machine: Machine) -> Result<()> {
        if let Some(init) = self.init(machine) {
            init.kill();
        }
        if !process::clear_namespace(&self.network.of(machine), process::PATIENCE) {
            return Err(LabError::too_late(format!("{machine} does not die."), "processes stay in its namespace"));
        }
        let _ = fs::remove_file(self.host(machine).join("init"));
        Ok(())
    }

    fn switch_on(&self, machine: Machine) -> Result<()> {
        if self.power_state(machine) == Power::On {
            return Ok(());
        }
        let here = self.host(machine);
        for nic in Nic::BOTH {
            let plug = Plug::Host(machine, nic);
            self.network.plug(plug, self.is_in(plug))?;
        }
        let path = |p: &Path| p.display().to_string();
        let argv: Vec<String> = [
            &format!("--net={}", path(&self.network.of(machine))),
            "--",
            "setsid",
            "--fork",
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "sh",
            &path(&self.dir.join("boot.sh")),
            &path(&here),
        ]
        .map(str::to_owned)
        .to_vec();
        let console = here.join("console");
        let log = fs::File::create(&console).map_err(|e| LabError::file("write", &console, &e))?;
        start_detached("nsenter", &argv, log)?;
        if !process::poll(process::PATIENCE, || self.init(machine).is_some()) {
            let said = fs::read_to_string(&console).unwrap_or_default();
            return Err(LabError::too_late(format!("{machine} does not start."), said));
        }
        self.set_power_state(machine, "on")
    }

    /// The machine crashes without losing power: everything in it dies, and its network goes on answering ARP for every address that it
    /// had (traps 2 and 13).
    ///
    /// # Errors
    /// As [`Self::power`].
    pub fn half_kill(&self, machine: Machine) -> Result<()> {
        let _lock = Lock::take(&self.dir, machine.name())?;
        self.kill(machine)
    }

    /// Waits until sshd answers on a machine that was switched on.
    ///
    /// # Errors
    /// [`LabErrorKind::TooLate`].
    pub fn wait_ssh(&self, machine: Machine, limit: Duration) -> Result<()> {
        let listens = || {
            self.init(machine).is_some_and(|init| {
                fs::read_to_string(format!("/proc/{}/net/tcp", init.pid)).is_ok_and(|t| listens_on(&t, 22))
            })
        };
        self.wait(machine, "sshd", limit, listens)
    }

    /// Waits until the services of a machine that was switched on have been started, whether they came up or not.
    ///
    /// # Errors
    /// [`LabErrorKind::TooLate`].
    pub fn wait_booted(&self, machine: Machine, limit: Duration) -> Result<()> {
        self.wait_ssh(machine, limit)?;
        self.wait(machine, "the start of its services", limit, || self.seen(machine, "/run/boot/done"))
    }

    /// Whether a file is on a host that lives.
    pub(super) fn seen(&self, machine: Machine, path: &str) -> bool {
        self.init(machine).is_some_and(|init| Path::new(&format!("/proc/{}/root{path}", init.pid)).exists())
    }

    pub(super) fn wait(&self, machine: Machine, what: &str, limit: Duration, done: impl FnMut() -> bool) -> Result<()> {
        if process::poll(limit, done) {
            return Ok(());
        }
        let console = fs::read_to_string(self.host(machine).join("console")).unwrap_or_default();
        let said = console.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
        Err(LabError::too_late(
            format!("Waited {} s for {what} on {machine}.", limit.as_secs()),
            format!("console: {said}"),
        ))
    }
}

/// Whether a table of `/proc/net/tcp` has a listener on a port.
pub(super) fn listens_on(table: &str, port: u16) -> bool {
    let end = format!(":{port:04X}");
    table.lines().any(|l| {
        let mut words = l.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&end)) && words.nth(1) == Some("0A")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let head = "  sl  local_address rem_address   st tx_queue\n";
        assert!(listens_on(&format!("{head}   0: 00000000:0016 00000000:0000 0A 00000000:0"), 22));
        assert!(!listens_on(&format!("{head}   0: 0B004D0A:0016 14004D0A:A000 01 00000000:0"), 22));
        assert!(!listens_on(&format!("{head}   0: 00000000:0BB9 00000000:0000 0A 00000000:0"), 22));
    }
}
