//! Roles of the two databases of a pair with HADR, by what `db2pd` says on each machine: what START HADR and TAKEOVER print proves nothing.

use journal_schema::{Fact, HadrConnection, HadrRole, HadrState, Tri};

use super::{fit, idempotent, judge, look, read};
use crate::{
    db2::{
        advice::activate,
        message::{self, Said},
        read::{Seen, group, hadr},
    },
    host,
    model::{Db2, Node, NodeId},
    script::{Output, Script},
    step::{Judge, Judgement, Place, Step},
    table::Context,
    vocabulary::{self, db2},
};

/// What was seen, as a fact. `clock_ns`: the node's clock beside it.
pub fn fact(node: &str, seen: &Seen, clock_ns: Option<u64>) -> Fact {
    let found = seen.hadr();
    let ms = |s: Option<u64>| s.map(|s| s.saturating_mul(1_000));
    Fact::Hadr {
        node: node.to_owned(),
        role: match (found, seen) {
            (Some(found), _) => found.role,
            (None, Seen::Standard) => HadrRole::Standard,
            _ => HadrRole::Unknown,
        },
        active: match seen {
            Seen::Hadr(_) | Seen::Standard => Tri::Yes,
            Seen::Inactive | Seen::InstanceDown => Tri::No,
            Seen::Unknown => Tri::Unknown,
        },
        state: found.map_or(HadrState::Unknown, |h| h.state),
        connection: found.map_or(HadrConnection::Unknown, |h| h.connection),
        since_ms: ms(found.and_then(|h| h.connected_since)),
        window_end_ms: ms(found.and_then(|h| h.peer_window_end)),
        clock_ms: clock_ns.map(|ns| ns / 1_000_000),
    }
}

/// A machine has that role, in peer state and connected; looked at again until it is so.
pub fn peer(ctx: &Context<'_>, id: NodeId, step_id: &str, role: HadrRole) -> Step {
    let node = ctx.pair.node(id);
    let probe = look(db2::hadr(ctx.pair.db2())).look(host::clock(node));
    let title = format!("the database on {} is {} in peer state, connected", node.name, name(role));
    let seen = is_peer(node, ctx.pair.db2(), role);
    Step {
        // Until the standby has caught up: 1, 2, 4 … s, more than four minutes in all.
        retries: 8,
        retry_pause_ms: 1_000,
        traps: &[40, 41, 69],
        section: "5.1.8",
        ..Step::observe(step_id, title, Place::Node(id), probe, seen)
    }
}

/// A role in words.
pub fn name(role: HadrRole) -> &'static str {
    match role {
        HadrRole::Standard => "standard",
        HadrRole::Primary => "primary",
        HadrRole::Standby => "standby",
        HadrRole::Unknown => "in an unknown role",
    }
}

/// Judges `db2pd -hadr` and the clock beside it. A database that is down, as after a boot, is started by a person: a run changes roles, and
/// does not decide that a machine that fell belongs in the service again.
fn is_peer(node: &Node, db2: &Db2, role: HadrRole) -> Judge {
    let (node, database, starts) =
        (node.name.clone(), db2.database.clone(), [true, false].map(|runs| activate(node, db2, runs)));
    judge(move |output: &Output| {
        let seen = hadr(output.at(0), &database);
        let facts = vec![fact(&node, &seen, read::count(output.at(1)))];
        let why = match &seen {
            Seen::Hadr(found) if found.role != role => {
                format!("the database on {node} is {}, not {}", name(found.role), name(role))
            }
            Seen::Hadr(found) if found.state != HadrState::Peer => {
                format!("the database on {node} is {} and not in peer state yet: {:?}", name(role), found.state)
            }
            Seen::Hadr(found) if found.connection != HadrConnection::Connected => {
                format!("the database on {node} is {} and its partner is {:?}", name(role), found.connection)
            }
            Seen::Hadr(_) => {
                let why = format!("the database on {node} is {}, in peer state, connected", name(role));
                return Judgement::succeeded(why, facts);
            }
            Seen::Standard => format!("the database on {node} is in no HADR pair"),
            Seen::Inactive => format!("the database on {node} is not active{}", starts[0]),
            Seen::InstanceDown => format!("the instance on {node} is stopped{}", starts[1]),
            // A race with its own change of state is usual: look again.
            Seen::Unknown => format!("what db2pd says on {node} is not understood: {}", read::said(output.at(0))),
        };
        Judgement::failed(why, facts)
    })
}

/// The two databases change roles: TAKEOVER without force, on the standby. Nothing is lost, and a repetition is refused. Its success is
/// judged by db2pd on the machine that took over.
pub fn change(ctx: &Context<'_>, id: NodeId, step_id: &str, section: &'static str) -> Vec<Step> {
    let (node, database) = (ctx.pair.node(id), ctx.pair.db2());
    let script = Script::new().look(
        db2::clp(database, [db2::takeover(database, db2::Takeover::Plain)]).timeout(db2::waits_for_partner(database)),
    );
    let step = idempotent(
        step_id,
        format!("the database on {} becomes primary, the other its standby", node.name),
        Place::Node(id),
        script,
        look(db2::hadr(database)).look(host::clock(node)),
        is_peer(node, database, HadrRole::Primary),
    );
    // What it says decides only where it refuses outright; a lost answer is for the look.
    let judge_effect = judge(|output: &Output| match statement(output.at(0)) {
        Said::Refused(code) if code.number != 1770 => {
            Judgement::failed(format!("TAKEOVER: {}", Said::Refused(code)), Vec::new())
        }
        said => Judgement::succeeded(format!("TAKEOVER: {said}"), Vec::new()),
    });
    fit(vec![Step { judge_effect, retries: 3, retry_pause_ms: 2_000, traps: &[40, 41, 47, 54], section, ..step }])
}

/// What the only statement of a call said.
pub(crate) fn statement(r: &crate::ActionResult) -> Said {
    message::said(&group(r, 1)[0])
}

/// Both are where they belong: `primary` is primary, the other standby, connected in peer state.
pub fn both(ctx: &Context<'_>, primary: NodeId, prefix: &str) -> Vec<Step> {
    let on = |id: NodeId, role, word: &str| peer(ctx, id, &format!("{prefix}.{word}"), role);
    fit(vec![on(primary, HadrRole::Primary, "primary"), on(primary.other(), HadrRole::Standby, "standby")])
}

/// Which machine it is, against the pinned identity (trap 11), with its epoch.
pub fn pinned(ctx: &Context<'_>, id: NodeId, step_id: &str) -> Step {
    let node = ctx.pair.node(id).clone();
    let probe = look(host::machine_id(&node))
        .look(host::boot_id(&node))
        .look(vocabulary::host_name())
        .look(vocabulary::cat(&vocabulary::epoch_path(ctx.pair)))
        .look(vocabulary::xcatd_processes())
        .look(host::at_boot(&node, "xcatd"))
        .look(host::addresses(&node));
    let title = format!("which machine is {}", node.name);
    let address = ctx.pair.service.address.clone();
    let judge = judge(move |output: &Output| {
        let name = &node.name;
        let Some(identity) = super::aix::identity_fact(&node, output.at(0), output.at(1), output.at(2)) else {
            return Judgement::unknown(format!("{name} did not say which machine it is"), Vec::new());
        };
        let Fact::Identity { machine_id, .. } = &identity else { unreachable!("identity_fact gives an identity") };
        if !read::same_identity(machine_id, &node.machine_id) {
            let why = format!("{name} is another machine: {machine_id}, pinned is {}", node.machine_id);
            return Judgement::failed(why, vec![identity]);
        }
        let epoch = match read::file(output.at(3)) {
            Some(None) => Some(0),
            Some(Some(text)) => text.parse().ok(),
            None => None,
        };
        let Some(epoch) = epoch else {
            return Judgement::unknown(format!("the epoch of {name} could not be read"), vec![identity]);
        };
        let holds = read::holds(output.at(6), &address);
        let facts = vec![
            identity,
            Fact::Epoch { node: name.clone(), epoch },
            Fact::Service {
                node: name.clone(),
                service: "xcatd".into(),
                running: read::runs(output.at(4)),
                at_boot: host::starts_at_boot(&node, output.at(5)),
            },
            Fact::HoldsAddress { node: name.clone(), address: address.clone(), holds },
        ];
        Judgement::succeeded(format!("{name} is the pinned machine, at epoch {epoch}"), facts)
    });
    Step { retries: 1, traps: &[11], ..Step::observe(step_id, title, Place::Node(id), probe, judge) }
}
