//! One machine: what a boot loses and what it keeps, its power, its services.

use std::sync::Arc;

use workflows::{Place, model::NodeId};

use super::{World, aix::Aix, database::Database, files::Files, index, network::Network};
use crate::xcat::Daemon;

/// Milliseconds from power on to sshd.
pub(super) const BOOT_MS: u64 = 3_000;

/// The daemon, with the host at which it found its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Xcatd {
    pub(super) host: u32,
    pub(super) wedged: bool,
}

/// Services that the boot starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtBoot {
    /// PostgreSQL.
    pub database: bool,
    /// xcatd.
    pub xcatd: bool,
    /// named, dhcpd, conserver.
    pub helpers: bool,
    /// The service address is part of the boot's network configuration.
    pub service_address: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) power: bool,
    /// When a boot under way is done.
    pub(super) up_at_ms: u64,
    /// Its kernel answers ARP and runs nothing.
    pub(super) half_dead: bool,
    pub(super) boots: u32,
    pub(super) host_name: Arc<str>,
    /// Addresses configured by hand.
    pub(super) extra: Vec<u32>,
    pub(super) cut_cluster: bool,
    pub(super) cut_admin: bool,
    pub(super) clock_offset_ms: i64,
    pub(super) files: Files,
    /// What it has where it runs AIX.
    pub(super) aix: Option<Box<Aix>>,
    pub(super) db: Database,
    pub(super) xcatd: Option<Xcatd>,
    /// Until when a stopped daemon's last process lives.
    pub(super) xcatd_lingers_ms: u64,
    /// named, dhcpd, conserver.
    pub(super) helpers: [bool; 3],
    /// Helpers that cannot be started.
    pub(super) helper_broken: [bool; 3],
    pub(super) restores: u32,
    pub(super) at_boot: AtBoot,
    /// The last conflict probe for the service address was silent, and the address was not touched since.
    pub(super) probed: bool,
    /// An operator vouches that it is off.
    pub(super) attested: bool,
    /// How often its device reported *off* since it was last on.
    pub(super) off_reports: u32,
}

impl Machine {
    /// Everything that dies with the kernel.
    fn lose_volatile(&mut self) {
        self.extra.clear();
        if let Some(aix) = &mut self.aix {
            aix.lose_volatile();
        }
        self.xcatd = None;
        self.xcatd_lingers_ms = 0;
        self.helpers = [false; 3];
        self.restores = 0;
        self.probed = false;
        self.db.crash();
    }

    pub(super) fn daemon(&self) -> Daemon {
        match self.xcatd {
            None => Daemon::Stopped,
            Some(Xcatd { wedged: true, .. }) => Daemon::Wedged,
            Some(_) => Daemon::Running,
        }
    }
}

impl World {
    /// Whether a machine runs programs.
    pub(super) fn alive(&self, id: NodeId) -> bool {
        let m = self.m(id);
        m.power && !m.half_dead && self.now_ms >= m.up_at_ms
    }

    /// Switches a machine on (it boots) or off (everything in it dies at once).
    pub fn power(&mut self, id: NodeId, on: bool) {
        if self.m(id).power == on {
            return;
        }
        let m = self.m_mut(id);
        m.power = on;
        m.half_dead = false;
        m.off_reports = 0;
        m.lose_volatile();
        if on {
            self.boot(id);
        }
        self.pump();
    }

    /// Off and on again. Of the controller: nothing, what it runs is not simulated here.
    pub fn reboot(&mut self, place: Place) {
        if let Place::Node(id) = place {
            self.power(id, false);
            self.power(id, true);
        }
    }

    /// Somebody makes a machine whole: power, cables, its services as they were on the good day. A primary takes the service again
    /// unless the other machine has it.
    pub fn heal(&mut self, id: NodeId) {
        if self.m(id).half_dead {
            self.power(id, false);
        }
        self.power(id, true);
        self.link_cut = false;
        self.cut(id, Network::Both, false);
        self.m_mut(id).up_at_ms = 0;
        if self.db2.is_some() {
            let (service, other) = (self.fixed.service, id.other());
            let alone = !self.writable(other) && !self.holds_service(other);
            if self.db2_primary(id) == Some(true) && alone && !self.holds_service(id) {
                // HADR listens there: it does not start without.
                self.m_mut(id).extra.push(service);
            }
            self.heal_db2(id);
        } else if !self.m(id).db.running {
            // One that does not start stays down.
            let _ = self.start_database(id);
        }
        let other = id.other();
        if self.writable(id) && !self.writable(other) && !self.holds_service(other) {
            let (service, xcat) = (self.fixed.service, &self.fixed.pair.xcat);
            let helpers = [xcat.dns, xcat.dhcp, xcat.conserver];
            let name = self.fixed.pair.service.host_name.as_str().into();
            let m = self.m_mut(id);
            (m.helpers, m.host_name) = (helpers, name);
            if !m.extra.contains(&service) {
                m.extra.push(service);
            }
            m.xcatd = m.xcatd.filter(|d| !d.wedged).or(Some(Xcatd { host: service, wedged: false }));
            self.neighbour = Some(id);
            if self.db2.is_none() && !self.m(id).db.listens(service) {
                // It was started before the address was there.
                self.m_mut(id).db.crash();
                let _ = self.start_database(id);
            }
        }
        self.pump();
    }

    /// Whether a machine has power.
    pub fn powered(&self, id: NodeId) -> bool {
        self.m(id).power
    }

    fn boot(&mut self, id: NodeId) {
        let (now, service) = (self.now_ms, self.fixed.service);
        let m = &mut self.machines[index(id)];
        m.boots += 1;
        m.attested = false;
        m.up_at_ms = now + BOOT_MS;
        m.host_name = m.files.get("/etc/hostname").map_or_else(|| "localhost".into(), |n| n.trim().into());
        if m.at_boot.service_address {
            m.extra.push(service);
        }
        m.helpers = [m.at_boot.helpers; 3];
        self.boot_aix(id);
        let m = &mut self.machines[index(id)];
        let at_boot = m.at_boot;
        if let Some(db2) = &mut self.db2 {
            db2.booting[index(id)] = at_boot.database;
        } else if at_boot.database {
            // A server that does not start is a machine without one; the boot goes on.
            let _ = self.start_database(id);
        }
        if at_boot.xcatd {
            let _ = self.xcat(id, "xcatd", &["start"], &[]);
        }
    }

    /// The machine's kernel goes on answering ARP for all its addresses and runs nothing any more. Power off ends it.
    pub fn half_dead(&mut self, id: NodeId) {
        let m = self.m_mut(id);
        let extra = m.extra.clone();
        m.lose_volatile();
        m.extra = extra;
        m.half_dead = true;
        self.pump();
    }

    /// Boot id: changes at every boot.
    pub(super) fn boot_id(&self, id: NodeId) -> String {
        format!("00000000-0000-4000-8000-{}{:011}", id.letter(), self.m(id).boots)
    }

    /// Content of a file of a machine.
    pub fn file(&self, id: NodeId, path: &str) -> Option<&str> {
        self.m(id).files.get(path).map(|c| &**c)
    }

    /// Puts a file on a machine, by nobody's action.
    pub fn put_file(&mut self, id: NodeId, path: &str, content: &str) {
        self.m_mut(id).files.rewrite(path, content);
    }

    /// Takes a file of a machine away, by nobody's action.
    pub fn remove_file(&mut self, id: NodeId, path: &str) {
        self.m_mut(id).files.remove(path);
    }
}
