//! What happens to the world at a moment of virtual time, whatever runs then: in the middle of a program of DB2, too.

use workflows::{Place, model::NodeId};

use super::{World, db2::side};
use crate::db2::Blow;

/// A blow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The connection of the two databases breaks (or is whole again); nothing else does.
    Link {
        /// Whether it is cut.
        cut: bool,
    },
    /// A machine loses its power (or gets it again).
    Power {
        /// Which.
        id: NodeId,
        /// Whether it is on.
        on: bool,
    },
}

impl World {
    /// Strikes when so many milliseconds have passed.
    pub fn strike_in(&mut self, ms: u64, strike: Strike) {
        let at = self.now_ms + ms;
        let place = self.strikes.partition_point(|(when, _)| *when <= at);
        self.strikes.insert(place, (at, strike));
        self.plan_db2();
    }

    /// Whether the connection of the two databases is cut.
    pub fn link_is_cut(&self) -> bool {
        self.link_cut
    }

    /// What these strikes took is given back, and has time to settle: the connection, and machines; `whole`: as they were on their good
    /// day, else as they boot by themselves. `off`: machines that are to stay as they are.
    pub fn mend(&mut self, strikes: &[Strike], off: &[NodeId], whole: bool) {
        self.strikes.clear();
        self.strike_in(0, Strike::Link { cut: false });
        for id in NodeId::BOTH.into_iter().filter(|id| !off.contains(id)) {
            if strikes.iter().any(|s| matches!(s, Strike::Power { id: struck, .. } if *struck == id)) {
                if whole {
                    self.heal(id);
                } else if !self.powered(id) {
                    self.power(id, true);
                }
            }
        }
        self.advance(600_000);
    }

    /// Number of the boot that a machine runs in; `None`: it runs nothing. Of other places: always the same.
    pub fn boot_of(&self, place: Place) -> Option<u32> {
        match place {
            Place::Node(id) => self.alive(id).then(|| self.m(id).boots),
            Place::Controller | Place::Witness(_) => Some(0),
        }
    }

    /// Takes the next strike that falls due by then.
    pub(super) fn take_strike(&mut self, by: u64) -> Option<(u64, Strike)> {
        self.strikes.first().is_some_and(|(at, _)| *at <= by).then(|| self.strikes.remove(0))
    }

    /// It happens.
    pub(super) fn struck(&mut self, strike: Strike) {
        match strike {
            Strike::Link { cut } => self.link_cut = cut,
            Strike::Power { id, on } => self.power(id, on),
        }
    }

    /// The stand-in of DB2 has a time of its own within a program: it is told what will happen when.
    pub(super) fn plan_db2(&mut self) {
        let plan = self.strikes.iter().map(|(at, strike)| match *strike {
            Strike::Link { cut } => (*at, Blow::Cut(cut)),
            Strike::Power { id, on } => (*at, Blow::Power(side(id), on)),
        });
        let plan: Vec<_> = plan.collect();
        if let Some(db2) = self.db2_mut() {
            db2.plan(plan);
        }
    }
}
