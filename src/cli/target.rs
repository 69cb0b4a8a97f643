//! Which machine is meant.

use std::fs;

use workflows::{
    Workflow,
    model::{Flavour, NodeId, Pair},
    registry,
};

use super::{Exit, Trouble};
use crate::config::Config;

/// The workflow of that name for that kind of database.
pub(super) fn workflow(flavour: Flavour, name: &str) -> Result<Workflow, Trouble> {
    registry::by_name(flavour, name).ok_or_else(|| {
        let names: Vec<&str> = registry::of(flavour).iter().map(|w| w.name).collect();
        let next = match (flavour, name) {
            (Flavour::Postgres, "failback") => "by hand in this version; how, step by step: hamn guide",
            _ => "what each is for: hamn workflow list",
        };
        Trouble::new(Exit::Usage, format!("there is no workflow {name:?} for a pair with {}", flavour.name()))
            .detail(format!("there are: {}", names.join(", ")))
            .next(next)
    })
}

/// The machine that is to be in service: the one named, or the one of the pair that this program runs on.
pub(super) fn target(config: &Config, given: Option<&str>) -> Result<NodeId, Trouble> {
    let [a, b] = config.pair.nodes.each_ref().map(|n| n.name.as_str());
    match given {
        Some(name) => named(&config.pair, name).map_err(|trouble| {
            trouble.next(format!("--target {a} or --target {b}: the machine that is to be in service afterwards"))
        }),
        None => here(config).ok_or_else(|| {
            Trouble::refused("it is not said which machine is to be in service")
                .detail(format!("this machine is neither {a} nor {b}, so it cannot be guessed"))
                .next(format!("--target {a} or --target {b}"))
        }),
    }
}

/// The machine of that name.
pub(super) fn named(pair: &Pair, name: &str) -> Result<NodeId, Trouble> {
    let [a, b] = pair.nodes.each_ref().map(|n| n.name.as_str());
    pair.by_name(name).ok_or_else(|| {
        Trouble::refused(format!("there is no machine {name:?} in the pair"))
            .detail(format!("machines of {}: {a}, {b} (their fixed names, not host names)", pair.name))
            .next(format!("name {a} or {b}"))
    })
}

/// The machine of the pair that this program runs on, by its machine-id.
pub(super) fn here(config: &Config) -> Option<NodeId> {
    let id = fs::read_to_string("/etc/machine-id").ok()?;
    NodeId::BOTH.into_iter().find(|n| config.pair.node(*n).machine_id == id.trim())
}
