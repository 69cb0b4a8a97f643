//! Why a standby may not take over, for a person: what is in the way, and the command to type.

use journal_schema::DatabaseRole;

use crate::{
    by_hand::as_root,
    known::Known,
    model::{Node, NodeId, Pair},
    step::next,
    vocabulary,
};

/// A run holds a machine: what its claim says.
pub fn claimed(pair: &Pair, id: NodeId, text: &str) -> String {
    let node = pair.node(id);
    format!(
        "{} is claimed: {text}{}{}",
        node.name,
        next("hamn status", "on the machine that the claim names: the run is resumed or given up there"),
        next(
            &as_root(node, &format!("rm -r {}", vocabulary::claim_path(pair))),
            "only if that run is over, or its machine gone for good"
        )
    )
}

/// The target bears the service address: somebody began by hand.
pub fn holds_address(pair: &Pair, id: NodeId) -> String {
    let node = pair.node(id);
    let (address, prefix, interface) = vocabulary::service_on(pair, node);
    let remove = as_root(node, &format!("ip addr del {address}/{prefix} dev {interface}"));
    format!(
        "{} holds the service address {address} already{}",
        node.name,
        next(&remove, "if it was added by hand; hamn adds it itself once nobody else answers for it")
    )
}

/// The target's database is writable: the wrong target, both are, or somebody promoted it by hand.
pub fn primary_already(pair: &Pair, known: &Known, target: NodeId, workflow: &str) -> String {
    let [target, other] = [target, target.other()].map(|id| pair.node(id));
    let why = format!("the database on {} is primary already", target.name);
    match known.database(&other.name).0 {
        DatabaseRole::Standby => {
            let about = format!("if {} is to take the place of {}", other.name, target.name);
            format!("{why}{}", next(&format!("hamn run {workflow} --target {}", other.name), &about))
        }
        DatabaseRole::Primary => {
            format!("{why}, and that on {} too: {}", other.name, two_primaries(known, target, other))
        }
        DatabaseRole::Down | DatabaseRole::Unknown => {
            let about = "if it was promoted by hand, the rest is by hand too: these are the commands";
            format!("{why}{}", next(&format!("hamn plan {workflow} --target {} --scripts", target.name), about))
        }
    }
}

/// Which of two primaries is out of date, if their epochs tell: mostly the old one was switched on again (traps 5 and 24).
fn two_primaries(known: &Known, target: &Node, other: &Node) -> String {
    let epochs = [target, other].map(|node| known.epoch(&node.name));
    let ([Some(here), Some(there)], true) = (epochs, epochs[0] != epochs[1]) else {
        return "which of them has the cluster's data is for a person to say; power the other one off first".to_owned();
    };
    let (last, old) = if here > there { (target, other) } else { (other, target) };
    format!(
        "{} was promoted last (epoch {}), {} is at epoch {} and must be off, or off the network, at once{}",
        last.name,
        here.max(there),
        old.name,
        here.min(there),
        next(
            &as_root(old, "poweroff -f"),
            "or by its power controller; what it was told since it came back is on its disk only"
        )
    )
}

/// The target's database does not run.
pub fn down(pair: &Pair, id: NodeId) -> String {
    let node = pair.node(id);
    let start = vocabulary::control(&pair.postgres().control, "start").argv.join(" ");
    format!(
        "the database on {} is down{}",
        node.name,
        next(&as_root(node, &start), "starts it, so that it can be seen what it has")
    )
}
