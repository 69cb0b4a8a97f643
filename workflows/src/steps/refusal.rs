//! Why a standby may not take over, for a person: what is in the way, and the command to type.

use journal_schema::DatabaseRole;

use crate::{
    by_hand::as_root,
    model::{NodeId, Pair},
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
pub fn primary_already(pair: &Pair, target: NodeId, workflow: &str, other: DatabaseRole) -> String {
    let [target, other_name] = [target, target.other()].map(|id| &pair.node(id).name);
    let why = format!("the database on {target} is primary already");
    match other {
        DatabaseRole::Standby => {
            let about = format!("if {other_name} is to take the place of {target}");
            format!("{why}{}", next(&format!("hamn run {workflow} --target {other_name}"), &about))
        }
        DatabaseRole::Primary => format!(
            "{why}, and that on {other_name} too: which of them has the cluster's data is for a person to say, and the other has to be \
             powered off before anything else"
        ),
        DatabaseRole::Down | DatabaseRole::Unknown => {
            let about = "if it was promoted by hand, the rest is by hand too: these are the commands";
            format!("{why}{}", next(&format!("hamn plan {workflow} --target {target} --scripts"), about))
        }
    }
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
