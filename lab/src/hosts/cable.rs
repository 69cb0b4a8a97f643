//! Cables: in or out, good or bad; and a foreign machine on the wire.

use std::fs;

use super::{
    Lab, Power, Result,
    machine::{Plug, SERVICE_ADDRESS},
    net::Line,
    state::write_private,
};

impl Lab {
    /// Puts a cable in, or pulls it.
    ///
    /// # Errors
    /// A failed command.
    pub fn cable(&self, plug: Plug, inside: bool) -> Result<()> {
        let mark = self.dir.join(format!("unplugged-{plug}"));
        if inside {
            let _ = fs::remove_file(&mark);
        } else {
            write_private(&mark, "")?;
        }
        // A machine that is off has no light on its line; the cable counts when it is switched on.
        let dark = matches!(plug, Plug::Host(machine, _) if self.power_state(machine) == Power::Off);
        self.network.plug(plug, inside && !dark)
    }

    pub(super) fn is_in(&self, plug: Plug) -> bool {
        !self.dir.join(format!("unplugged-{plug}")).exists()
    }

    /// Makes a line slow or lossy; `None`: good again.
    ///
    /// # Errors
    /// [`crate::hosts::LabErrorKind::Unsupported`] where the kernel cannot do it.
    pub fn netem(&self, plug: Plug, line: Option<Line>) -> Result<()> {
        self.network.line(plug, line)
    }

    /// A machine that is none of ours answers ARP for the service address, with that hardware address (trap 13).
    ///
    /// # Errors
    /// A failed command.
    pub fn foreign(&self, mac: &str) -> Result<()> {
        self.network.add_foreign(SERVICE_ADDRESS, mac)
    }

    /// Takes the foreign machine away.
    ///
    /// # Errors
    /// A failed command.
    pub fn remove_foreign(&self) -> Result<()> {
        self.network.remove_foreign()
    }

    /// Whether light is on a line: the cable is in and the machine is on.
    pub fn has_carrier(&self, plug: Plug) -> bool {
        self.network.plugged(plug)
    }
}
