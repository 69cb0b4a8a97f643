//! The pair before its set-up: DB2 on both machines, and no HADR yet.

use workflows::model::{NodeId, Pair};

use super::World;
use crate::db2::{self, Build, Call, Side, Version};

/// What the machine has that is to become the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// An instance without a database.
    Nothing,
    /// A database of its own, which nobody uses.
    Standard,
    /// What is left of a pair of which the other half has left HADR: an inactive standby.
    Standby,
}

/// A command before the world begins.
fn must(pair: &mut db2::Pair, side: Side, words: &[&str]) {
    let reply = pair.call(side, &Call::new(words));
    assert!(reply.exit < 4 && !reply.hangs, "{side:?}: {words:?}: {reply:?}");
}

fn unformed(build: &Build, version: Version, old: Old) -> db2::Pair {
    let build = Build { knobs: db2::Knobs { version, ..build.knobs.clone() }, ..build.clone() };
    let name = build.database.as_str();
    if old == Old::Standby {
        let mut pair = db2::Pair::formed(&build);
        must(&mut pair, Side::B, &["db2", &format!("DEACTIVATE DATABASE {name}")]);
        must(&mut pair, Side::A, &["db2", &format!("STOP HADR ON DATABASE {name}")]);
        return pair;
    }
    let mut pair = db2::Pair::new(&build);
    pair.machine_mut(Side::A).create_database(name, build.now_ms, build.content.clone());
    if old == Old::Standard {
        pair.machine_mut(Side::B).create_database(name, build.now_ms, db2::Content::new());
    }
    for side in Side::BOTH {
        must(&mut pair, side, &["db2start"]);
    }
    pair
}

impl World {
    /// Two machines with DB2 of a version before HADR is set up: the database in service on A, on B what is said. Whatever starts at the
    /// boot of a machine out of the box does: on A the service address and xcatd.
    pub fn unformed(pair: &Pair, version: Version, old: Old) -> Self {
        let mut world = Self::begun(pair, |build| unformed(build, version, old));
        let interface = pair.node(NodeId::A).interface.clone();
        if let Some(odm) = world.odm_mut(NodeId::A) {
            for own in odm.interfaces.iter_mut().filter(|i| i.name == interface) {
                "up".clone_into(&mut own.state);
            }
        }
        if old == Old::Nothing {
            // The ports are not known yet.
            for id in NodeId::BOTH {
                world.put_file(id, "/etc/services", "ssh\t22/tcp\n");
            }
        }
        world.advance(1_000);
        world.forget();
        world
    }
}
